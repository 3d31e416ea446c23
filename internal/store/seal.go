package store

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"math/bits"
	"slices"
)

// groupBytes bounds the long texts of one page group.
const groupBytes = 4 << 20

// maxServices bounds the list of services, which is held in memory.
const maxServices = 4096

// sealInput is what a block is made of: a head, or blocks that become one.
type sealInput struct {
	kind    Kind
	records uint32
	traces  []TraceID
	big     []bigRow
	// columns is their number: the fixed ones first, each in its slot.
	columns int
	// column returns one of them, without values when no row has one.
	column func(i int) (*headColumn, error)
	// hiddenKeys and operations are those of pages and part.
	hiddenKeys func(f func(k columnKey, n uint64)) error
	operations func(add func(*operationCount)) error
}

// sealer writes rows as a block file, sorted by service, span name and time, so
// that what is asked for together stands together. Beyond the order of the rows
// and the columns that it depends on, it needs the memory of one column.
type sealer struct {
	*sealInput
	out     *pageWriter
	footer  footer
	kept    map[slot]*headColumn // that several steps need
	texts   map[slot]*sealedText // of those
	newRow  []uint32             // by row of the input
	oldRow  []uint32             // by block row
	times   []uint64             // by block row
	traceNo []uint32             // number of a trace in the input -> number in the block
	traceOf traceRows

	// scratch, reused from column to column
	nums []uint64
	rows []uint32 // of the values in nums
	mark []uint32
	page []byte
	lens []uint64

	packed int         // pages of the column that were packed
	grams  *gramFilter // nil: not yet needed
}

// seal writes the head as a whole block file to w. The head must get no more
// appends; readers go on.
func (h *head) seal(w io.Writer) error {
	s := h.snapshot()
	p := s.pages.(*headPages)
	return writeBlock(w, &sealInput{kind: s.kind, records: s.rows, traces: p.traces, big: p.big, columns: len(p.columns),
		column:     func(i int) (*headColumn, error) { return &p.columns[i], nil },
		hiddenKeys: p.hiddenKeys, operations: h.operations})
}

// writeBlock writes a whole block file.
func writeBlock(w io.Writer, in *sealInput) error {
	if in.records == 0 {
		return fmt.Errorf("making a block of no %s", in.kind)
	}
	buffered := bufio.NewWriterSize(w, 256<<10)
	out, err := newPageWriter(buffered)
	if err != nil {
		return fmt.Errorf("opening compressor: %w", err)
	}
	sl := &sealer{sealInput: in, out: out, kept: map[slot]*headColumn{}, texts: map[slot]*sealedText{}}
	sl.footer = footer{kind: in.kind, rows: in.records}
	out.bytes([]byte(magicOf(in.kind, blockVersion)))
	for _, step := range []func() error{sl.sort, sl.writeTraces, sl.writeColumns, sl.writeHiddenKeys, sl.writeOperations} {
		if err := step(); err != nil {
			return err
		}
	}
	sl.writeFooter()
	if out.err != nil {
		return fmt.Errorf("writing block: %w", out.err)
	}
	return buffered.Flush()
}

// keep returns a fixed column and holds on to it.
func (sl *sealer) keep(s slot) (*headColumn, error) {
	if c := sl.kept[s]; c != nil {
		return c, nil
	}
	c, err := sl.column(int(s))
	if err == nil {
		sl.kept[s] = c
	}
	return c, err
}

func (sl *sealer) writeFooter() {
	b := sl.footer.encode()
	trailer := binary.LittleEndian.AppendUint32(nil, uint32(len(b)))
	trailer = binary.LittleEndian.AppendUint32(trailer, crc32.Checksum(b, castagnoli))
	sl.out.bytes(b)
	sl.out.bytes(append(trailer, magicOf(sl.kind, blockVersion)...))
}

// sort fixes the order of the rows, and what follows from it.
func (sl *sealer) sort() error {
	n := int(sl.records)
	column, err := sl.keep(slotTime)
	if err != nil {
		return err
	}
	ranks, err := sl.operationRanks()
	if err != nil {
		return err
	}
	time := column.nums
	sl.oldRow = make([]uint32, n)
	for i := range sl.oldRow {
		sl.oldRow[i] = uint32(i)
	}
	tmp := make([]uint32, n)
	sl.oldRow, tmp = radixSort(sl.oldRow, tmp, time)
	sl.oldRow, _ = radixSort(sl.oldRow, tmp, ranks)
	sl.newRow = make([]uint32, n)
	sl.times = make([]uint64, n)
	for row, old := range sl.oldRow {
		sl.newRow[old] = uint32(row)
		sl.times[row] = time[old]
	}
	sl.mark = make([]uint32, n)
	sl.cutGroups(sl.big)
	return nil
}

// operationRanks numbers service and span name of every row in the order of the
// dictionaries.
func (sl *sealer) operationRanks() ([]uint64, error) {
	res, err := sl.keep(slotResource)
	if err != nil {
		return nil, err
	}
	name, err := sl.keep(slotName)
	if err != nil {
		return nil, err
	}
	t := sl.textOf(res)
	service := make([]uint64, len(t.sorted))
	plain := true
	var services []serviceRange
	for i, id := range t.sorted {
		d := decoder{b: res.dict.entry(id), alias: true}
		name := d.text()
		if n := len(services); n == 0 || services[n-1].name != name {
			services = append(services, serviceRange{name: name, first: uint32(i)})
		}
		service[i] = uint64(len(services) - 1)
		plain = plain && plainService(name, d.attrs(nil))
	}
	if plain && len(services) <= maxServices {
		sl.footer.services = services
	}
	ranks := make([]uint64, len(res.ids))
	for row, id := range res.ids {
		ranks[row] = service[t.newID[id]]
	}
	if name.len() == 0 {
		return ranks, nil
	}
	if t = sl.textOf(name); t.raw {
		return ranks, nil
	}
	names := uint64(len(t.sorted) + 1)
	for row := range ranks {
		ranks[row] *= names
	}
	for i, id := range name.ids {
		ranks[name.row(i)] += uint64(t.newID[id]) + 1
	}
	return ranks, nil
}

// plainService reports whether the service name says all that there is to say
// about the attribute service.name: one text that is not empty, or nothing.
func plainService(name string, attrs []Attr) bool {
	n := 0
	for i := range attrs {
		if attrs[i].Key == serviceKey {
			n++
		}
	}
	return n == 1 && name != "" || n == 0
}

// radixSort sorts rows by keys, keeping the order of equal ones. It uses tmp,
// and returns it as the second result or else rows.
func radixSort(rows, tmp []uint32, keys []uint64) (sorted, free []uint32) {
	const digit = 11
	lo, hi := slices.Min(keys), slices.Max(keys)
	for shift := 0; shift < bits.Len64(hi-lo); shift += digit {
		var counts [1 << digit]uint32
		for _, row := range rows {
			counts[(keys[row]-lo)>>shift&(1<<digit-1)]++
		}
		sum := uint32(0)
		for i, n := range counts {
			counts[i] = sum
			sum += n
		}
		for _, row := range rows {
			d := (keys[row] - lo) >> shift & (1<<digit - 1)
			tmp[counts[d]] = row
			counts[d]++
		}
		rows, tmp = tmp, rows
	}
	return rows, tmp
}

// cutGroups divides the rows into page groups.
func (sl *sealer) cutGroups(big []bigRow) {
	weight := map[uint32]int{}
	for _, b := range big {
		weight[sl.newRow[b.row]] += int(b.bytes)
	}
	g := group{}
	size := 0
	for row, t := range sl.times {
		if len(big) > 0 {
			size += weight[uint32(row)]
		}
		if n := uint32(row) - g.lo; n == groupRows || n > 0 && size > groupBytes {
			g.hi = uint32(row)
			sl.footer.groups = append(sl.footer.groups, g)
			g = group{lo: uint32(row)}
			size = weight[uint32(row)]
		}
		if uint32(row) == g.lo {
			g.min, g.max = t, t
		}
		g.min, g.max = min(g.min, t), max(g.max, t)
	}
	g.hi = uint32(len(sl.times))
	sl.footer.groups = append(sl.footer.groups, g)
}

// gather puts the values of a column into sl.nums in block order, as f gives
// them, and their rows into sl.rows.
func (sl *sealer) gather(c *headColumn, f func(i int) uint64) {
	n := c.len()
	sl.nums = slices.Grow(sl.nums[:0], n)[:n]
	sl.rows = slices.Grow(sl.rows[:0], n)[:n]
	switch {
	case n == len(sl.newRow):
		for i := range n {
			row := sl.newRow[c.row(i)]
			sl.nums[row], sl.rows[row] = f(i), row
		}
	case n < len(sl.newRow)/16:
		type pair struct{ row, i uint32 }
		pairs := make([]pair, n)
		for i := range n {
			pairs[i] = pair{sl.newRow[c.row(i)], uint32(i)}
		}
		slices.SortFunc(pairs, func(a, b pair) int { return int(int64(a.row) - int64(b.row)) })
		for at, p := range pairs {
			sl.nums[at], sl.rows[at] = f(int(p.i)), p.row
		}
	default:
		clear(sl.mark)
		for i := range n {
			sl.mark[sl.newRow[c.row(i)]] = uint32(i) + 1
		}
		at := 0
		for row, i := range sl.mark {
			if i > 0 {
				sl.nums[at], sl.rows[at] = f(int(i-1)), uint32(row)
				at++
			}
		}
	}
}

// wholeRows is the number of values up to which a sparse column is one page.
const wholeRows = 1024

// writeColumn writes the pages of the values gathered, and notes the column.
func (sl *sealer) writeColumn(c blockColumn, write func(from, to int, lo uint32, n int) pageMeta) {
	n := len(sl.nums)
	c.info.count = uint64(n)
	sl.packed = 0
	if n <= wholeRows && n < len(sl.newRow)/16 {
		c.whole = true
		c.pages = []pageMeta{write(0, n, 0, len(sl.newRow))}
		sl.footer.columns = append(sl.footer.columns, c)
		return
	}
	from := 0
	for _, g := range sl.footer.groups {
		to := from + sortedBefore(sl.rows[from:], g.hi)
		var m pageMeta
		if to > from {
			m = write(from, to, g.lo, int(g.hi-g.lo))
		}
		c.pages = append(c.pages, m)
		from = to
	}
	sl.footer.columns = append(sl.footer.columns, c)
}

// sortedBefore is the number of rows below hi.
func sortedBefore(rows []uint32, hi uint32) int {
	n, _ := slices.BinarySearch(rows, hi)
	return n
}

// packedRun is the number of pages of a column that are packed without trying
// to compress them, once one was: the next ones are seldom different.
const packedRun = 4

// numPage writes numbers [from, to) of sl.nums as the page of n rows from lo.
func (sl *sealer) numPage(from, to int, lo uint32, n int, deltas, compress bool) pageMeta {
	nums := sl.nums[from:to]
	least, greatest := slices.Min(nums), slices.Max(nums)
	m := pageMeta{count: uint32(len(nums)), min: least, max: greatest}
	if least == greatest && len(nums) == n {
		return m
	}
	b := appendPresence(sl.page[:0], sl.rows[from:to], lo, n)
	start := len(b)
	if deltas {
		b = sl.appendDeltas(b, nums, least)
		sl.page = b
		return sl.located(m, b, true)
	}
	width := widthOf(greatest - least)
	b = append(b, encodePlanes, byte(width))
	b = appendNums(b, nums, least, width)
	sl.page = b
	bits := bits.Len64(greatest - least)
	if bits == 0 || bits > maxPackedBits {
		return sl.located(m, b, compress)
	}
	// Packed numbers are read one by one without decompressing the page:
	// prefer them unless zstd finds more than a little.
	packed := start + 2 + packedSize(len(nums), bits)
	if sl.packed%packedRun == 0 {
		if z := sl.out.compress(b); len(z) < packed-packed/8 {
			return sl.written(m, b, z)
		}
	}
	sl.packed++
	b = append(b[:start], encodePacked, byte(bits))
	b = appendPacked(b, nums, least, bits)
	sl.page = b
	return sl.written(m, b, b)
}

// appendDeltas writes numbers as distances, the first from least.
func (sl *sealer) appendDeltas(b []byte, nums []uint64, least uint64) []byte {
	sl.lens = sl.lens[:0]
	last, widest := least, uint64(0)
	for _, v := range nums {
		z := zigzag(v - last)
		sl.lens = append(sl.lens, z)
		last, widest = v, max(widest, z)
	}
	width := widthOf(widest)
	b = append(b, encodeDeltas, byte(width))
	return appendNums(b, sl.lens, 0, width)
}

// located writes a page whose counts are known.
func (sl *sealer) located(m pageMeta, raw []byte, compress bool) pageMeta {
	b := raw
	if compress {
		b = sl.out.compress(raw)
	}
	return sl.written(m, raw, b)
}

// written is located for a page that is compressed already.
func (sl *sealer) written(m pageMeta, raw, b []byte) pageMeta {
	at := sl.out.page(raw, b)
	m.offset, m.stored, m.raw, m.crc = at.offset, at.stored, at.raw, at.crc
	return m
}

// writeNums writes a column of numbers.
func (sl *sealer) writeNums(key columnKey, deltas, compress bool) {
	sl.writeColumn(blockColumn{info: columnInfo{key: key}}, func(from, to int, lo uint32, n int) pageMeta {
		return sl.numPage(from, to, lo, n, deltas, compress)
	})
}

// writeColumns writes all columns, one after the other.
func (sl *sealer) writeColumns() error {
	for i := range sl.columns {
		c := sl.kept[slot(min(i, int(slotCount)))]
		if c == nil {
			var err error
			if c, err = sl.column(i); err != nil {
				return err
			}
		}
		switch {
		case c.len() == 0:
		case c.key.textual():
			sl.writeText(c)
		case c.key == slotKey(slotParent):
			if err := sl.writeParents(c); err != nil {
				return err
			}
		case c.key == slotKey(slotTrace):
			sl.gather(c, func(i int) uint64 { return uint64(sl.traceNo[c.ids[i]]) })
			sl.writeNums(c.key, false, true)
		default:
			sl.gather(c, func(i int) uint64 { return c.nums[i] })
			// Log records share the spans they are of, or have none.
			sl.writeNums(c.key, c.key == slotKey(slotTime), c.key != slotKey(slotSpanID) || sl.kind == Logs)
		}
	}
	return nil
}

func (sl *sealer) writeOperations() error {
	if sl.kind != Spans {
		return nil
	}
	b, n := sl.page[:0], uint32(0)
	end := func() {
		if n > 0 {
			sl.footer.operations = append(sl.footer.operations, sl.located(pageMeta{count: n}, b, true))
			b, n = b[:0], 0
		}
	}
	err := sl.operations(func(c *operationCount) {
		b = appendOperation(b, c)
		if n++; len(b) >= operationsPage {
			end()
		}
	})
	end()
	sl.page = b
	return err
}
