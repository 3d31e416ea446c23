package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"

	"github.com/klauspost/compress/s2"
)

// The log of one kind is a row of segments; docs/format/log.md has the byte
// pictures. All integers are little-endian.
const (
	walMagic          = "SBXWAL\r\n"
	walVersion        = 1
	segmentHeaderSize = 44
	recordHeaderSize  = 25
	// maxPayload bounds a batch's bytes, so that a reader never believes a
	// length beyond it.
	maxPayload = 128 << 20
)

// storeID tells one data directory's files from another's.
type storeID [16]byte

// segmentHeader begins a segment. Records of earlier segments whose sequence
// is first or higher are void: they were never acknowledged.
type segmentHeader struct {
	kind  Kind
	store storeID
	first uint64 // sequence of the first record, if one follows; from 1 on
}

// versionError says that a file was written by a later release. It is no
// corruption: nothing is set aside, Open refuses.
type versionError struct {
	file    string
	version uint32
}

func (e *versionError) Error() string {
	return fmt.Sprintf("%s has format version %d, which this release cannot read: start the release that wrote it", e.file, e.version)
}

func (h segmentHeader) encode() []byte {
	p := make([]byte, 0, segmentHeaderSize)
	p = append(p, walMagic...)
	p = binary.LittleEndian.AppendUint32(p, walVersion)
	p = append(p, byte(h.kind), 0, 0, 0)
	p = append(p, h.store[:]...)
	p = binary.LittleEndian.AppendUint64(p, h.first)
	p = append(p, 0, 0, 0, 0)
	sealHeader(p)
	return p
}

// sealHeader puts the checksum into a segment header.
func sealHeader(p []byte) {
	const at = segmentHeaderSize - 4
	binary.LittleEndian.PutUint32(p[at:], crc32.Checksum(p[:at], castagnoli))
}

// errHeader says that a segment does not begin with a header.
var errHeader = errors.New("segment header is not what was written")

// decodeSegmentHeader reads the header of the file named name. The error is
// errHeader or a *versionError.
func decodeSegmentHeader(name string, p []byte) (segmentHeader, error) {
	if len(p) < segmentHeaderSize || string(p[:8]) != walMagic {
		return segmentHeader{}, errHeader
	}
	sum := binary.LittleEndian.Uint32(p[segmentHeaderSize-4:])
	if crc32.Checksum(p[:segmentHeaderSize-4], castagnoli) != sum {
		return segmentHeader{}, errHeader
	}
	if v := binary.LittleEndian.Uint32(p[8:]); v != walVersion {
		return segmentHeader{}, &versionError{file: name, version: v}
	}
	h := segmentHeader{kind: Kind(p[12]), first: binary.LittleEndian.Uint64(p[32:])}
	copy(h.store[:], p[16:32])
	if h.first == 0 {
		return segmentHeader{}, errHeader
	}
	return h, nil
}

// walRecord is one batch in a segment.
type walRecord struct {
	sequence uint64
	// synced is the highest sequence that was durable when this record was
	// written: proof that the records up to it were acknowledged.
	synced     uint64
	compressed []byte // S2; aliases the segment's bytes
}

// appendRecord appends a record of kind k to dst.
func appendRecord(dst []byte, k Kind, r walRecord) []byte {
	at := len(dst)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(r.compressed)))
	dst = append(dst, 0, 0, 0, 0) // the checksum
	dst = append(dst, byte(k))
	dst = binary.LittleEndian.AppendUint64(dst, r.sequence)
	dst = binary.LittleEndian.AppendUint64(dst, r.synced)
	dst = append(dst, r.compressed...)
	binary.LittleEndian.PutUint32(dst[at+4:], recordSum(dst[at:]))
	return dst
}

// recordSum is the CRC-32C of a record without its checksum field.
func recordSum(p []byte) uint32 {
	return crc32.Update(crc32.Checksum(p[:4], castagnoli), castagnoli, p[8:])
}

// parseRecord reads the record at the start of p. It returns the record's size,
// or 0 and the reason why there is no whole record of kind k.
func parseRecord(p []byte, k Kind) (r walRecord, size int, reason string) {
	if len(p) < recordHeaderSize {
		return r, 0, "record header is cut off"
	}
	n := binary.LittleEndian.Uint32(p)
	if uint64(n) > uint64(len(p)-recordHeaderSize) {
		return r, 0, "record reaches beyond the end of the segment"
	}
	size = recordHeaderSize + int(n)
	if recordSum(p[:size]) != binary.LittleEndian.Uint32(p[4:]) {
		return r, 0, "record checksum does not match"
	}
	if Kind(p[8]) != k {
		return r, 0, "record of another kind"
	}
	r.sequence = binary.LittleEndian.Uint64(p[9:])
	r.synced = binary.LittleEndian.Uint64(p[17:])
	r.compressed = p[recordHeaderSize:size]
	return r, size, ""
}

// payload returns the batch's bytes.
func (r walRecord) payload() ([]byte, error) {
	n, err := s2.DecodedLen(r.compressed)
	if err != nil {
		return nil, err
	}
	if n > maxPayload {
		return nil, fmt.Errorf("payload of %d bytes is above the limit of %d", n, maxPayload)
	}
	return s2.Decode(nil, r.compressed)
}

// segmentScan reads the records of one segment in order.
type segmentScan struct {
	data []byte // the whole segment
	kind Kind
	last uint64 // sequence before the first record
	// limit is the first sequence of the next segment, which makes records
	// from there on void; math.MaxUint64 when there is no next one.
	limit uint64
	// sealed is the sequence up to which records are in blocks: losing those
	// loses nothing.
	sealed uint64
	// take is called with each record that is not in a block. It returns "", or why the
	// record cannot be what was written.
	take func(walRecord) (reason string)
	// corrupt is called for each place where an acknowledged record is not
	// readable.
	corrupt func(offset int, reason string)
	// end is set by run: where the records that count end.
	end int
}

// run returns the sequence of the last record of the segment that counts. A
// record that cannot be read is torn, and the segment ends there, when nothing
// shows that it was acknowledged; otherwise it is corrupt, and reading goes on
// at the next readable record: one bad sector costs one batch, not the rest.
func (s *segmentScan) run() uint64 {
	offset := segmentHeaderSize
	defer func() { s.end = offset }()
	for offset < len(s.data) {
		r, size, reason := parseRecord(s.data[offset:], s.kind)
		if size > 0 && r.sequence != s.last+1 {
			size, reason = 0, fmt.Sprintf("record %d where %d belongs", r.sequence, s.last+1)
		}
		if size == 0 {
			next, found := s.resync(offset + 1)
			if !found {
				break
			}
			r, size, _ = parseRecord(s.data[next:], s.kind)
			if r.sequence-1 > s.sealed {
				s.corrupt(offset, reason)
			}
			offset = next
		}
		if r.sequence >= s.limit {
			break
		}
		if r.sequence > s.sealed {
			if reason := s.take(r); reason != "" {
				s.corrupt(offset, reason)
			}
		}
		s.last = r.sequence
		offset += size
	}
	if s.limit != math.MaxUint64 && s.last+1 < s.limit {
		if s.limit-1 > s.sealed {
			s.corrupt(min(offset, len(s.data)), fmt.Sprintf("records %d to %d are missing", s.last+1, s.limit-1))
		}
		s.last = s.limit - 1
	}
	return s.last
}

// resync finds the next record at or after offset that proves that what lies
// before it was acknowledged.
func (s *segmentScan) resync(offset int) (next int, found bool) {
	for ; offset+recordHeaderSize <= len(s.data); offset++ {
		p := s.data[offset:]
		// The cheap test first: a checksum over the rest of the segment at
		// every offset would take quadratic time.
		sequence := binary.LittleEndian.Uint64(p[9:])
		if Kind(p[8]) != s.kind || sequence <= s.last+1 || sequence-s.last > uint64(len(s.data)) || sequence >= s.limit {
			continue
		}
		r, size, _ := parseRecord(p, s.kind)
		if size > 0 && (r.synced > s.last || s.limit != math.MaxUint64) {
			return offset, true
		}
	}
	return 0, false
}
