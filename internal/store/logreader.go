package store

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"path/filepath"
	"slices"

	"github.com/signalbox-otel/signalbox/internal/store/vfs"
)

// logReader reads the log of one kind and changes nothing: for those who look
// at a data directory without opening the store in it. It finds the records
// that the store would replay.
type logReader struct {
	fs     vfs.FS
	dir    string
	kind   Kind
	store  storeID
	sealed uint64 // records up to it are in blocks
	// take gets the payload of each record that is not in a block; its error
	// says that the payload is not what was written.
	take func(sequence uint64, payload []byte) error
	// corrupt is told of what the store would report as lost.
	corrupt func(*CorruptionError)
}

// SegmentInfo is what a segment of the log holds.
type SegmentInfo struct {
	File    string `json:"file"`
	Kind    string `json:"kind"`
	Version int    `json:"version"`
	Bytes   int64  `json:"bytes"`
	// First and Last are the sequences of its batches; Last is less than First
	// when it has none.
	First uint64 `json:"first"`
	Last  uint64 `json:"last"`
	// Pending is the number of its batches that are not in a block yet.
	Pending int `json:"pending"`
	// Torn is the number of bytes at the end that are no whole record, and were
	// never acknowledged.
	Torn    int64  `json:"torn,omitempty"`
	Problem string `json:"problem,omitempty"`
}

// run reads the segments among names, oldest first. A segment that is gone
// satisfies fs.ErrNotExist: it was removed meanwhile.
func (l *logReader) run(names []string) ([]SegmentInfo, error) {
	var numbers []uint64
	for _, name := range names {
		if n, ok := parseSegmentName(l.kind, name); ok {
			numbers = append(numbers, n)
		}
	}
	slices.Sort(numbers)
	var infos []SegmentInfo
	for _, n := range numbers {
		info, err := l.describe(segmentName(l.kind, n))
		if err != nil {
			return nil, err
		}
		infos = append(infos, info)
	}
	l.checkStart(infos)
	for i := range infos {
		if infos[i].First == 0 {
			continue
		}
		limit := uint64(math.MaxUint64)
		if i+1 < len(infos) && infos[i+1].First > 0 {
			limit = infos[i+1].First
		}
		if err := l.scan(&infos[i], limit); err != nil {
			return nil, err
		}
	}
	return infos, nil
}

// describe reads where a segment begins. First stays 0 when its records cannot
// be told.
func (l *logReader) describe(name string) (SegmentInfo, error) {
	info := SegmentInfo{File: name, Kind: l.kind.String(), Version: walVersion}
	data, err := readFile(l.fs, filepath.Join(l.dir, name))
	if err != nil {
		return info, err
	}
	info.Bytes = int64(len(data))
	h, err := decodeSegmentHeader(name, data)
	var newer *versionError
	switch {
	case errors.As(err, &newer):
		return info, err
	case err != nil && len(data) <= segmentHeaderSize:
		info.Problem = "not finished: it never had records"
	case err != nil:
		l.report(&info, 0, err.Error())
		if r, size, _ := parseRecord(data[segmentHeaderSize:], l.kind); size > 0 {
			info.First = r.sequence
		}
	case h.kind != l.kind || l.store != storeID{} && h.store != l.store:
		l.report(&info, 0, "segment of another store or kind")
	default:
		info.First = h.first
	}
	return info, nil
}

// checkStart reports batches that are neither in a block nor in the log.
func (l *logReader) checkStart(infos []SegmentInfo) {
	if len(infos) > 0 && infos[0].First > l.sealed+1 {
		l.report(&infos[0], 0, fmt.Sprintf("the log does not begin where the blocks end: batches %d to %d are missing",
			l.sealed+1, infos[0].First-1))
	}
}

func (l *logReader) report(info *SegmentInfo, offset int, reason string) {
	if info.Problem == "" {
		info.Problem = fmt.Sprintf("at offset %d: %s", offset, reason)
	}
	l.corrupt(&CorruptionError{File: info.File, Offset: int64(offset), Reason: reason})
}

// scan reads the records of one segment.
func (l *logReader) scan(info *SegmentInfo, limit uint64) error {
	data, err := readFile(l.fs, filepath.Join(l.dir, info.File))
	if err != nil {
		return err
	}
	s := segmentScan{data: data, kind: l.kind, last: info.First - 1, limit: limit, sealed: l.sealed,
		corrupt: func(offset int, reason string) { l.report(info, offset, reason) },
		take: func(r walRecord) string {
			payload, err := r.payload()
			if err == nil {
				err = l.take(r.sequence, payload)
			}
			if err != nil {
				return err.Error()
			}
			info.Pending++
			return ""
		}}
	info.Last = s.run()
	info.Bytes = int64(len(data)) // it may have grown
	if info.Problem == "" && limit == math.MaxUint64 {
		info.Torn = int64(len(data) - s.end)
	}
	return nil
}

// settled calls read with the manifest and the names of the files until the
// manifest is the same after it as before: what a process that uses the
// directory does meanwhile makes read do its work again. So does a file that is
// gone: segments go after the manifest has said that they may. lost is why the
// manifest could not be read and was made from the names of the blocks.
func settled(fsys vfs.FS, dir string, read func(m *manifest, names []string) error) (lost *CorruptionError, err error) {
	const attempts = 1000 // as a test may need, whose disk is memory
	for attempt := 1; ; attempt++ {
		before, m, lost, err := lookUp(fsys, dir)
		if err != nil {
			return nil, err
		}
		names, err := fsys.List(dir)
		if err != nil {
			return nil, fmt.Errorf("listing the data directory: %w", err)
		}
		if m == nil {
			m, _ = manifestOf(names)
		}
		err = read(m, names)
		after, _, _, again := lookUp(fsys, dir)
		same := again == nil && string(after) == string(before) && !errors.Is(err, fs.ErrNotExist)
		if same || attempt == attempts {
			return lost, err
		}
	}
}

// lookUp reads the manifest; it is nil when it is lost.
func lookUp(fsys vfs.FS, dir string) (data []byte, m *manifest, lost *CorruptionError, err error) {
	data, err = readFile(fsys, filepath.Join(dir, manifestName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, &CorruptionError{File: manifestName, Reason: "missing"}, nil
	}
	if err != nil {
		return nil, nil, nil, fmt.Errorf("reading the manifest: %w", err)
	}
	m, err = decodeManifest(data)
	if errors.As(err, &lost) {
		return data, nil, lost, nil
	}
	return data, m, nil, err
}

// logID is the id that the manifest's store has in its segments; zero, which
// any segment satisfies, when the manifest is lost.
func (m *manifest) logID() storeID {
	id, err := m.id()
	if err != nil {
		return storeID{}
	}
	return id
}
