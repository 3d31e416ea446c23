package store

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"math/rand/v2"
	"slices"
)

// traceRows lists the block rows of every trace, in order of block trace
// numbers.
type traceRows struct {
	ends []uint32
	rows []uint32
}

// writeTraces numbers the traces by id and writes the trace index.
func (sl *sealer) writeTraces() error {
	ids := sl.traces
	column, err := sl.keep(slotTrace)
	if err != nil {
		return err
	}
	type entry struct {
		prefix uint64
		no     uint32
	}
	entries := make([]entry, len(ids))
	for no := range ids {
		entries[no] = entry{prefixOf(ids[no][:]), uint32(no)}
	}
	slices.SortFunc(entries, func(a, b entry) int {
		switch {
		case a.prefix < b.prefix:
			return -1
		case a.prefix > b.prefix:
			return 1
		}
		return bytes.Compare(ids[a.no][:], ids[b.no][:])
	})
	sl.traceNo = make([]uint32, len(ids))
	for i, e := range entries {
		sl.traceNo[e.no] = uint32(i)
	}
	sl.listTraceRows(column.ids, len(ids))
	sl.footer.traces = uint32(len(ids))
	width := max(1, bits.Len(uint(len(sl.newRow)-1)))
	for first := 0; first < len(entries); first += tracesPerPage {
		last := min(first+tracesPerPage, len(entries))
		b := sl.page[:0]
		for _, e := range entries[first:last] {
			b = append(b, ids[e.no][:]...)
		}
		from := uint32(0)
		if first > 0 {
			from = sl.traceOf.ends[first-1]
		}
		at := from
		for _, end := range sl.traceOf.ends[first:last] {
			b = binary.AppendUvarint(b, uint64(end-at))
			at = end
		}
		sl.lens = sl.lens[:0]
		for _, row := range sl.traceOf.rows[from:at] {
			sl.lens = append(sl.lens, uint64(row))
		}
		b = append(b, encodePacked, byte(width))
		b = appendPacked(b, sl.lens, 0, width)
		sl.page = b
		sl.footer.tracePages = append(sl.footer.tracePages, tracePage{
			pageMeta: sl.located(pageMeta{count: uint32(last - first)}, b, false), first: ids[entries[first].no]})
	}
	return nil
}

// listTraceRows lists the rows of every trace; column has the traces by row of the
// input.
func (sl *sealer) listTraceRows(column []uint32, traces int) {
	next := make([]uint32, traces+1)
	for _, no := range column {
		next[sl.traceNo[no]+1]++
	}
	for i := range traces {
		next[i+1] += next[i]
	}
	sl.traceOf = traceRows{ends: slices.Clone(next[1:]), rows: make([]uint32, len(column))}
	for row, old := range sl.oldRow {
		no := sl.traceNo[column[old]]
		sl.traceOf.rows[next[no]] = uint32(row)
		next[no]++
	}
}

// writeParents writes for every row where its parent is: 0 no parent, 1 outside
// the block, n+2 row n; and aside the ids of those outside. A span id names a
// span only within its trace.
func (sl *sealer) writeParents(parents *headColumn) error {
	type outside struct{ row, i uint32 }
	ids, err := sl.column(int(slotSpanID))
	if err != nil {
		return err
	}
	spans, trace := ids.nums, sl.kept[slotTrace].ids
	index := newSpanIndex(len(spans))
	for row, old := range sl.oldRow {
		index.add(trace[old], spans[old], uint32(row))
	}
	n := len(sl.newRow)
	sl.nums = slices.Grow(sl.nums[:0], n)[:n]
	sl.rows = slices.Grow(sl.rows[:0], n)[:n]
	clear(sl.nums)
	for i := range sl.rows {
		sl.rows[i] = uint32(i)
	}
	var missing []outside
	for i, id := range parents.nums {
		old := parents.row(i)
		row := sl.newRow[old]
		if at, ok := index.find(trace[old], id); ok {
			sl.nums[row] = uint64(at) + 2
			continue
		}
		sl.nums[row] = 1
		missing = append(missing, outside{row, uint32(i)})
	}
	sl.writeNums(slotKey(slotParentRow), false, true)
	if len(missing) == 0 {
		return nil
	}
	slices.SortFunc(missing, func(a, b outside) int { return int(int64(a.row) - int64(b.row)) })
	sl.nums, sl.rows = sl.nums[:len(missing)], sl.rows[:len(missing)]
	for at, m := range missing {
		sl.nums[at], sl.rows[at] = parents.nums[m.i], m.row
	}
	sl.writeNums(slotKey(slotParent), false, false)
	return nil
}

// spanIndex finds spans by trace and id: open addressing over block rows.
type spanIndex struct {
	seed  uint64
	table []spanEntry
}

type spanEntry struct {
	span  uint64
	trace uint32
	row   uint32 // row+1
}

func newSpanIndex(n int) *spanIndex {
	return &spanIndex{seed: rand.Uint64() | 1, table: make([]spanEntry, 1<<bits.Len(uint(2*n)))}
}

func (x *spanIndex) slot(trace uint32, span uint64) *spanEntry {
	hi, lo := bits.Mul64(span^x.seed, uint64(trace)^0x9e3779b97f4a7c15^x.seed<<1)
	mask := uint64(len(x.table) - 1)
	for i := (hi ^ lo) & mask; ; i = (i + 1) & mask {
		if e := &x.table[i]; e.row == 0 || e.span == span && e.trace == trace {
			return e
		}
	}
}

// add notes a span; the first of equal ones stays.
func (x *spanIndex) add(trace uint32, span uint64, row uint32) {
	if e := x.slot(trace, span); e.row == 0 {
		*e = spanEntry{span, trace, row + 1}
	}
}

func (x *spanIndex) find(trace uint32, span uint64) (row uint32, ok bool) {
	e := x.slot(trace, span)
	return e.row - 1, e.row != 0
}
