package store

import (
	"encoding/binary"
	"hash/crc32"
	"io"
	"math"
	"math/bits"
	"slices"
	"sync"

	"github.com/klauspost/compress/zstd"
)

// A page is the unit of reading: some bytes with a checksum, compressed when
// that makes them smaller. What a page of a column holds:
//
//	presence (1) | bitmap or list of rows | encoding (1) | width (1) | planes | texts
//
// docs/format/block.md has the whole picture.
const (
	presentAll    = 0 // every row of the group has a value
	presentBitmap = 1
	presentList   = 2 // uvarint distances between rows

	encodePlanes = 0 // value - min, as planes of bytes
	encodeDeltas = 1 // zigzag of the distance from the value before
	encodeTexts  = 2 // lengths as planes, then the bytes
	encodePacked = 3 // value - min, in width bits each; never compressed
	encodeStrips = 4 // lengths as planes; the bytes are on pages of their own
)

// pageMeta is what the footer knows of a page.
type pageMeta struct {
	offset   int64
	stored   uint32 // bytes in the file; 0: all rows have the value min
	raw      uint32 // bytes once decompressed; equal to stored: not compressed
	crc      uint32 // CRC-32C of the stored bytes
	count    uint32 // values
	min, max uint64 // of numbers and dictionary ids
}

const (
	// maxPage bounds the memory that one page may ask for.
	maxPage = 1 << 30
	// maxWindow bounds the memory of the compressor; few pages are larger.
	maxWindow = 256 << 10
	// maxRatio bounds what zstd can make of a byte (a run of 128 KiB takes at
	// least 4).
	maxRatio = 40_000
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// zstdDecoder is shared by all readers: it is safe for concurrent use, keeps no
// state between pages and is costly to make.
var zstdDecoder = sync.OnceValues(func() (*zstd.Decoder, error) {
	return zstd.NewReader(nil, zstd.WithDecoderMaxMemory(maxPage), zstd.WithDecoderConcurrency(0))
})

// storedBuffers are for pages as they are in the file, before they are
// decompressed.
var storedBuffers = sync.Pool{New: func() any { return new([]byte) }}

// pageWriter writes pages one after the other. The first error sticks.
type pageWriter struct {
	w      io.Writer
	offset int64
	err    error
	zstd   *zstd.Encoder
	packed []byte
}

func newPageWriter(w io.Writer) (*pageWriter, error) {
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1), zstd.WithEncoderCRC(false),
		zstd.WithAllLitEntropyCompression(true), zstd.WithWindowSize(maxWindow))
	return &pageWriter{w: w, zstd: enc}, err
}

func (w *pageWriter) bytes(b []byte) {
	if w.err == nil {
		_, w.err = w.w.Write(b)
		w.offset += int64(len(b))
	}
}

// compress returns raw compressed, valid until the next call. Pages under 64
// bytes and those that would not become smaller are returned as they are.
func (w *pageWriter) compress(raw []byte) []byte {
	if len(raw) < 64 {
		return raw
	}
	w.packed = w.zstd.EncodeAll(raw, w.packed[:0])
	if len(w.packed) >= len(raw)-len(raw)/16 {
		return raw
	}
	return w.packed
}

// page writes a page whose compressed form is b, or raw, and returns where it
// is.
func (w *pageWriter) page(raw, b []byte) pageMeta {
	m := pageMeta{offset: w.offset, stored: uint32(len(b)), raw: uint32(len(raw)), crc: crc32.Checksum(b, castagnoli)}
	w.bytes(b)
	return m
}

// readStored reads and checks the bytes of a page as they are in the file. The
// error is the disk's; reason says why the bytes are not what was written.
func readStored(r io.ReaderAt, m pageMeta, b []byte) (reason string, err error) {
	if _, err := r.ReadAt(b, m.offset); err == io.EOF {
		return "file ends before the page does", nil
	} else if err != nil {
		return "", err
	}
	if crc32.Checksum(b, castagnoli) != m.crc {
		return "page checksum mismatch", nil
	}
	return "", nil
}

// readPage reads, checks and decompresses a page into memory of mem; the results
// are those of readStored.
func readPage(r io.ReaderAt, m pageMeta, mem *pageMemory) (raw []byte, reason string, err error) {
	if m.raw == m.stored {
		raw = mem.takeBytes(int(m.stored))
		reason, err = readStored(r, m, raw)
		return raw, reason, err
	}
	buffer := storedBuffers.Get().(*[]byte)
	defer storedBuffers.Put(buffer)
	*buffer = slices.Grow((*buffer)[:0], int(m.stored))
	b := (*buffer)[:m.stored]
	if reason, err := readStored(r, m, b); reason != "" || err != nil {
		return nil, reason, err
	}
	dec, err := zstdDecoder()
	if err != nil {
		return nil, "", err
	}
	raw, err = dec.DecodeAll(b, mem.takeBytes(int(min(m.raw, 1<<20)))[:0])
	if err != nil {
		return nil, "decompressing page: " + err.Error(), nil
	}
	if len(raw) != int(m.raw) {
		return nil, "page size mismatch", nil
	}
	return raw, "", nil
}

// appendPresence writes which of n rows have a value; rows are counted from lo.
func appendPresence(b []byte, rows []uint32, lo uint32, n int) []byte {
	if len(rows) == n {
		return append(b, presentAll)
	}
	if len(rows) < n/16 {
		b = append(b, presentList)
		for _, row := range rows {
			b = binary.AppendUvarint(b, uint64(row-lo))
			lo = row
		}
		return b
	}
	set := newBitmap(n)
	for _, row := range rows {
		set.set(int(row - lo))
	}
	b = append(b, presentBitmap)
	for _, w := range set {
		b = binary.LittleEndian.AppendUint64(b, w)
	}
	return b
}

// appendNums writes numbers as width planes of bytes.
func appendNums(b []byte, nums []uint64, base uint64, width int) []byte {
	at := len(b)
	b = append(b, make([]byte, width*len(nums))...)
	planes := b[at:]
	n := len(nums)
	for w := range width {
		plane := planes[w*n : w*n+n]
		shift := 8 * w
		for i, v := range nums {
			plane[i] = byte((v - base) >> shift)
		}
	}
	return b
}

// fromPlanes undoes appendNums with base 0. nums begin as zeros.
func fromPlanes(nums []uint64, planes []byte, width int) {
	n := len(nums)
	plane := func(w int) []byte { return planes[w*n:][:n] }
	w := 0
	for ; w+4 <= width; w += 4 {
		p0, p1, p2, p3, shift := plane(w), plane(w+1), plane(w+2), plane(w+3), 8*w
		for i := range nums {
			nums[i] |= (uint64(p0[i]) | uint64(p1[i])<<8 | uint64(p2[i])<<16 | uint64(p3[i])<<24) << shift
		}
	}
	for ; w < width; w++ {
		shift := 8 * w
		for i, b := range plane(w) {
			nums[i] |= uint64(b) << shift
		}
	}
}

// endsFromPlanes gives where texts end whose lengths planes holds; ok is false
// when that is beyond 32 bits.
func endsFromPlanes(ends []uint32, planes []byte, width int) (end uint64, ok bool) {
	n := len(ends)
	for i := range ends {
		for w := range width {
			end += uint64(planes[w*n+i]) << (8 * w)
		}
		if end > math.MaxUint32 {
			return end, false
		}
		ends[i] = uint32(end)
	}
	return end, true
}

// maxPackedBits is the widest number that one load of eight bytes can reach at
// any bit.
const maxPackedBits = 57

// packedSize is the number of bytes that n packed numbers take.
func packedSize(n, width int) int { return (n*width+7)/8 + 8 }

// appendPacked writes numbers of width bits.
func appendPacked(b []byte, nums []uint64, base uint64, width int) []byte {
	at := len(b)
	b = append(b, make([]byte, packedSize(len(nums), width))...)
	packed := b[at:]
	for i, v := range nums {
		at := i * width
		word := packed[at>>3:]
		binary.LittleEndian.PutUint64(word, binary.LittleEndian.Uint64(word)|(v-base)<<(at&7))
	}
	return b
}

// widthOf is the number of bytes that v needs.
func widthOf(v uint64) int { return (bits.Len64(v) + 7) / 8 }

func zigzag(d uint64) uint64   { return d<<1 ^ uint64(int64(d)>>63) }
func unzigzag(z uint64) uint64 { return z>>1 ^ -(z & 1) }

// pageDecoder decodes the content of a column's page.
type pageDecoder struct {
	decoder
	mem   *pageMemory
	rows  int // rows the page covers
	count int
	min   uint64
}

// presence returns the rows that have a value: a bitmap, a list, or neither
// when all have one.
func (d *pageDecoder) presence() (set bitmap, list []uint32) {
	switch d.u8() {
	case presentAll:
		d.check(d.count == d.rows)
		return nil, nil
	case presentBitmap:
		set = d.mem.takeNums((d.rows + 63) / 64)
		clear(set)
		b := d.take(8 * len(set))
		for i := 0; i < len(b); i += 8 {
			set[i/8] = binary.LittleEndian.Uint64(b[i:])
		}
		d.check(set.len() == d.count && (d.rows%64 == 0 || set[len(set)-1]>>(d.rows%64) == 0))
		return set, nil
	case presentList:
		if d.count > len(d.b) {
			d.fail()
			return nil, nil
		}
		list = d.mem.takeEnds(d.count)[:0]
		row := uint64(0)
		for i := range d.count {
			step := d.uvarint()
			row += step
			if d.bad || step == 0 && i > 0 || step > uint64(d.rows) || row >= uint64(d.rows) {
				d.fail()
				return nil, nil
			}
			list = append(list, uint32(row))
		}
		return nil, list
	}
	d.fail()
	return nil, nil
}

func (d *pageDecoder) check(ok bool) {
	if !ok {
		d.fail()
	}
}

// values returns the values that follow the presence.
func (d *pageDecoder) values() (v values) {
	encoding, width := d.u8(), int(d.u8())
	if encoding == encodePacked {
		d.check(width > 0 && width <= maxPackedBits && d.count <= 8*len(d.b) && len(d.b) == packedSize(d.count, width))
		if d.bad {
			return values{}
		}
		return values{packed: d.b, bits: width, base: d.min}
	}
	d.check(width <= 8)
	planes := d.take(width * d.count)
	v = values{planes: planes, width: width, stride: d.count, base: d.min}
	if d.bad {
		return values{}
	}
	switch encoding {
	case encodePlanes:
		d.check(len(d.b) == 0)
	case encodeDeltas:
		nums := d.mem.takeNums(d.count)
		clear(nums)
		fromPlanes(nums, planes, width)
		last := d.min
		for i, z := range nums {
			last += unzigzag(z)
			nums[i] = last
		}
		v = values{nums: nums}
		d.check(len(d.b) == 0)
	case encodeTexts, encodeStrips:
		ends := d.mem.takeEnds(d.count)
		end, ok := endsFromPlanes(ends, planes, width)
		if !ok {
			d.fail()
			return values{}
		}
		v = values{ends: ends, text: d.b}
		if encoding == encodeStrips {
			v.strips = &strips{}
			end = 0
		}
		d.check(end == uint64(len(d.b)))
	default:
		d.fail()
	}
	return v
}

// decodePage decodes a page that covers rows rows. list holds the rows with a
// value when the page says it so.
func decodePage(raw []byte, m pageMeta, rows int, mem *pageMemory) (c chunk, list []uint32, ok bool) {
	c = chunk{rows: rows, count: int(m.count)}
	if m.stored == 0 {
		c.values = values{base: m.min}
		return c, nil, c.count == rows || c.count == 0
	}
	if c.count > rows {
		return c, nil, false
	}
	d := pageDecoder{decoder: decoder{b: raw}, mem: mem, rows: rows, count: c.count, min: m.min}
	c.present, list = d.presence()
	c.values = d.values()
	return c, list, !d.bad
}
