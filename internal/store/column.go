package store

import (
	"encoding/binary"
	"math/bits"
	"slices"
)

// Both kinds of records are kept as columns: a fixed set of them (slots), and
// one column per attribute key and value type. The numbers are part of the disk
// format.
type slot uint8

const (
	slotTime     slot = iota // nanoseconds: start of a span, Log.At of a log record
	slotTrace                // number of the trace id in the part's trace table
	slotSpanID               // big endian
	slotResource             // dictionary of encoded resources
	slotScope                // dictionary of encoded scopes
	slotFlags
	slotDropped // dropped attributes
	slotRest    // encoded attributes that have no column

	slotDuration // end - start, wrapping round when end lies before start
	slotParent   // head: parent span id; block: of parents outside the block only
	slotParentRow
	slotName
	slotKind
	slotStatus
	slotStatusMessage
	slotTraceState
	slotEvents
	slotLinks
	slotDroppedEvents
	slotDroppedLinks

	slotObserved // observed time - Log.At, wrapping round
	slotTimeless // 1 when the sender gave no time
	slotSeverity
	slotSeverityText
	slotEventName

	slotHiddenKeys // block: dictionary of the keys of attributes without a column of their own; no rows

	slotCount
)

// placeSlot marks the key of a fixed column; its name is empty and its Type
// says how the column's values are kept.
const placeSlot Place = 255

// columnKey names a column.
type columnKey struct {
	place Place // RecordAttr; Intrinsic for the body of logs; placeSlot
	slot  slot
	typ   ValueType
	name  string
}

// slotTypes says how the values of the fixed columns are kept: Int columns are
// biased so that their order is unsigned, Bool columns are plain unsigned
// numbers, String columns are text, Bytes columns are never deduplicated in the
// head.
var slotTypes = [slotCount]ValueType{
	slotTime: Bool, slotTrace: Bool, slotSpanID: Bool, slotResource: String, slotScope: String, slotFlags: Bool,
	slotDropped: Bool, slotRest: Bytes, slotDuration: Bool, slotParent: Bool, slotParentRow: Bool, slotName: String,
	slotKind: Int, slotStatus: Int, slotStatusMessage: String, slotTraceState: String, slotEvents: Bytes,
	slotLinks: Bytes, slotDroppedEvents: Bool, slotDroppedLinks: Bool, slotObserved: Bool, slotTimeless: Bool,
	slotSeverity: Int, slotSeverityText: String, slotEventName: String,
	slotHiddenKeys: String,
}

func slotKey(s slot) columnKey { return columnKey{place: placeSlot, slot: s, typ: slotTypes[s]} }

// textual reports whether the column keeps bytes, not numbers.
func (k columnKey) textual() bool {
	return k.typ == String || k.typ == Bytes || k.typ == Array || k.typ == Map
}

// bias maps the order of int64 to that of uint64.
const bias = 1 << 63

// numOf is how a column keeps the content of a value that is no text.
func numOf(v Value) uint64 {
	if v.Type == Int {
		return v.num ^ bias
	}
	return v.num
}

// numValue undoes numOf.
func numValue(typ ValueType, num uint64) Value {
	if typ == Int {
		num ^= bias
	}
	return Value{Type: typ, num: num}
}

// values gives the values of a chunk by position. Exactly one representation
// is set: that of the head (nums, ids) or of a decoded page (planes or packed; ends
// and text).
type values struct {
	off    int // position of the chunk's first value
	nums   []uint64
	ids    []uint32
	planes []byte // width planes of stride bytes, lowest first; width 0: all base
	width  int
	stride int
	packed []byte // instead of planes: numbers of bits bits, lowest first, and 8 bytes to spare
	bits   int
	base   uint64
	ends   []uint32 // where texts end
	text   []byte
	strips *strips // instead of text
}

// num returns number or dictionary id i.
func (v *values) num(i int) uint64 {
	i += v.off
	switch {
	case v.nums != nil:
		return v.nums[i]
	case v.ids != nil:
		return uint64(v.ids[i])
	case v.packed != nil:
		at := i * v.bits
		word := binary.LittleEndian.Uint64(v.packed[at>>3:])
		return v.base + word>>(at&7)&(1<<v.bits-1)
	}
	n := uint64(0)
	for w := v.width - 1; w >= 0; w-- {
		n = n<<8 | uint64(v.planes[w*v.stride+i])
	}
	return v.base + n
}

// raw returns text i of a dictionary page.
func (v *values) raw(i int) []byte {
	from := v.startOf(i)
	return v.text[from:v.ends[i]:v.ends[i]]
}

// startOf is where text i begins.
func (v *values) startOf(i int) uint32 {
	if i == 0 {
		return 0
	}
	return v.ends[i-1]
}

// stripValues is the number of texts of a strip: a page of texts is divided,
// so that reading one text does not decompress thousands.
const stripValues = 1024

// strips are the texts of a page, each read when it is first needed.
type strips struct {
	pages []pageMeta
	texts [][]byte
}

// chunk is what one column has for one group of rows. Rows are counted from
// the group's first.
type chunk struct {
	values
	rows    int    // rows of the group
	present bitmap // nil when every row has a value
	count   int    // number of values
}

// find returns the position of the value of a row.
func (c *chunk) find(row int) (int, bool) {
	if c.present == nil {
		return row, c.count > 0
	}
	if !c.present.has(row) {
		return 0, false
	}
	return c.present.rank(row), true
}

// each calls f for the rows of sel that have a value, in order, with the
// value's position.
func (c *chunk) each(sel bitmap, f func(row, i int)) {
	if c.count == 0 {
		return
	}
	rank := 0
	for w, word := range sel {
		present := ^uint64(0)
		if c.present != nil {
			present = c.present[w]
		}
		for m := word & present; m != 0; m &= m - 1 {
			bit := bits.TrailingZeros64(m)
			f(w<<6|bit, rank+bits.OnesCount64(present&(1<<bit-1)))
		}
		rank += bits.OnesCount64(present)
	}
}

// among calls f for the rows of sel that have a value, in order, with the row's
// place among those of sel and the value's position.
func (c *chunk) among(sel bitmap, f func(n, i int)) {
	rank, n := 0, 0
	for w, word := range sel {
		present := ^uint64(0)
		switch {
		case c.count == 0:
			return
		case c.present != nil:
			present = c.present[w]
		}
		for ; word != 0; word &= word - 1 {
			bit := word & -word
			if present&bit != 0 {
				f(n, rank+bits.OnesCount64(present&(bit-1)))
			}
			n++
		}
		rank += bits.OnesCount64(present)
	}
}

// equal adds the rows of sel whose number is want to out.
func (c *chunk) equal(sel, out bitmap, want uint64) {
	if c.present != nil || c.count == 0 || c.width != 1 || c.off != 0 || want-c.base > 0xff {
		c.each(sel, func(row, i int) {
			if c.num(i) == want {
				out.set(row)
			}
		})
		return
	}
	// A page of few different values, one byte each.
	b := byte(want - c.base)
	for w := range sel {
		if sel[w] == 0 {
			continue
		}
		var found uint64
		for i, v := range c.planes[w<<6 : min(c.count, (w+1)<<6)] {
			if v == b {
				found |= 1 << i
			}
		}
		out[w] |= sel[w] & found
	}
}

// subChunk cuts the values of the rows [lo, hi) out of a column whose values are all
// at hand: those of rows rows, ascending; or, when dense, of the first n rows.
func subChunk(v values, rows []uint32, dense bool, n int, lo, hi uint32) chunk {
	size := int(hi - lo)
	c := chunk{values: v, rows: size}
	if dense {
		c.off += int(lo)
		c.count = max(0, min(n-int(lo), size))
		if c.count < size {
			c.present = newBitmap(size)
			c.present.setFirst(c.count)
		}
		return c
	}
	from, _ := slices.BinarySearch(rows, lo)
	to, _ := slices.BinarySearch(rows[from:], hi)
	c.off += from
	c.count = to
	if to == size {
		return c
	}
	c.present = newBitmap(size)
	for _, row := range rows[from : from+to] {
		c.present.set(int(row - lo))
	}
	return c
}

// bitmap is a set of rows of one group.
type bitmap []uint64

func newBitmap(rows int) bitmap { return make(bitmap, (rows+63)/64) }

func (b bitmap) set(i int)      { b[i>>6] |= 1 << (i & 63) }
func (b bitmap) has(i int) bool { return b[i>>6]&(1<<(i&63)) != 0 }

// setFirst adds the first n rows.
func (b bitmap) setFirst(n int) {
	for w := range n >> 6 {
		b[w] = ^uint64(0)
	}
	if n&63 != 0 {
		b[n>>6] |= 1<<(n&63) - 1
	}
}

// rank is the number of rows of the set before i.
func (b bitmap) rank(i int) int {
	n := 0
	for _, w := range b[:i>>6] {
		n += bits.OnesCount64(w)
	}
	return n + bits.OnesCount64(b[i>>6]&(1<<(i&63)-1))
}

func (b bitmap) empty() bool {
	for _, w := range b {
		if w != 0 {
			return false
		}
	}
	return true
}

func (b bitmap) len() int {
	n := 0
	for _, w := range b {
		n += bits.OnesCount64(w)
	}
	return n
}

func (b bitmap) each(f func(row int)) {
	for w, word := range b {
		for ; word != 0; word &= word - 1 {
			f(w<<6 | bits.TrailingZeros64(word))
		}
	}
}
