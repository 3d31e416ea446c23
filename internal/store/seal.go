package store

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"hash/maphash"
	"io"
	"math/bits"
	"math/rand/v2"
	"slices"
	"strings"
)

// groupBytes bounds the long texts of one page group.
const groupBytes = 4 << 20

// sealer writes the rows of a head as a block file, sorted by service, span
// name and time, so that what is asked for together stands together.
type sealer struct {
	*snapshot
	head    *headPages
	out     *pageWriter
	footer  footer
	texts   map[int]*sealedText // by column
	newRow  []uint32            // by head row
	oldRow  []uint32            // by block row
	times   []uint64            // by block row
	traceNo []uint32            // head number of a trace -> number in the block
	traces  traceRows

	// scratch, reused from column to column
	nums []uint64
	rows []uint32
	mark []uint32
	page []byte
	lens []uint64
}

// seal writes the head as a whole block file to w. The head must get no more
// appends; readers go on.
func (h *head) seal(w io.Writer) error {
	s := h.snapshot()
	if s.rows == 0 {
		return fmt.Errorf("sealing an empty head of %s", s.kind)
	}
	buffered := bufio.NewWriterSize(w, 256<<10)
	out, err := newPageWriter(buffered)
	if err != nil {
		return fmt.Errorf("opening compressor: %w", err)
	}
	sl := &sealer{snapshot: s, head: s.pages.(*headPages), out: out, texts: map[int]*sealedText{}}
	sl.footer = footer{kind: s.kind, rows: s.rows}
	out.bytes([]byte(magicOf(s.kind)))
	sl.prepareTexts()
	sl.sort()
	sl.cutGroups(h.big)
	sl.writeTraces()
	sl.writeSlots()
	sl.writeAttrs()
	sl.writeHiddenKeys()
	if err := sl.writeOperations(); err != nil {
		return err
	}
	sl.writeFooter()
	if out.err != nil {
		return fmt.Errorf("writing block: %w", out.err)
	}
	return buffered.Flush()
}

func (sl *sealer) writeFooter() {
	b := sl.footer.encode()
	trailer := binary.LittleEndian.AppendUint32(nil, uint32(len(b)))
	trailer = binary.LittleEndian.AppendUint32(trailer, crc32.Checksum(b, castagnoli))
	sl.out.bytes(b)
	sl.out.bytes(append(trailer, magicOf(sl.kind)...))
}

// sealedText says how the texts of a column are kept in the block.
type sealedText struct {
	raw     bool
	newID   []uint32 // by head dictionary id; of dictionaries only
	sorted  []uint32 // head dictionary ids of the distinct texts; ascending by text in dictionaries
	entries []uint64 // by block dictionary id: number of values
}

// minRaw is the number of distinct texts up to which there is always a
// dictionary; beyond, a column of which more than 70 % are distinct has none.
const minRaw = 64

func (sl *sealer) prepareTexts() {
	for i := range sl.head.columns {
		c := &sl.head.columns[i]
		if c.len() == 0 || !c.key.textual() {
			continue
		}
		blob := c.key.place == placeSlot && c.key.typ == Bytes
		shared := c.key == slotKey(slotResource) || c.key == slotKey(slotScope)
		t := &sealedText{raw: blob}
		if !blob {
			t.newID, t.sorted = distinctTexts(&c.dict)
			t.raw = !shared && len(t.sorted) > minRaw && len(t.sorted)*10 > c.len()*7
		}
		if !t.raw {
			sortTexts(&c.dict, t)
			t.entries = make([]uint64, len(t.sorted))
			for _, id := range c.ids {
				t.entries[t.newID[id]]++
			}
		}
		sl.texts[i] = t
	}
}

// distinctTexts numbers the distinct texts of a dictionary; first has the head
// id of each.
func distinctTexts(d *dictionary) (number, first []uint32) {
	n := d.len()
	number = make([]uint32, n)
	first = make([]uint32, 0, n)
	if d.open {
		for i := range number {
			number[i] = uint32(i)
		}
		return number, append(first, number...)
	}
	seed := maphash.MakeSeed()
	table := make([]uint32, 1<<bits.Len(uint(2*n)))
	mask := uint64(len(table) - 1)
	for id := range uint32(n) {
		b := d.entry(id)
		i := maphash.Bytes(seed, b) & mask
		for table[i] != 0 && string(d.entry(first[table[i]-1])) != string(b) {
			i = (i + 1) & mask
		}
		if table[i] == 0 {
			first = append(first, id)
			table[i] = uint32(len(first))
		}
		number[id] = table[i] - 1
	}
	return number, first
}

// prefixOf is the first eight bytes of b as a number of the same order.
func prefixOf(b []byte) uint64 {
	var p [8]byte
	copy(p[:], b)
	return binary.BigEndian.Uint64(p[:])
}

// sortTexts brings the distinct texts of t into order.
func sortTexts(d *dictionary, t *sealedText) {
	type entry struct {
		prefix  uint64
		id, was uint32
	}
	entries := make([]entry, len(t.sorted))
	for i, id := range t.sorted {
		entries[i] = entry{prefixOf(d.entry(id)), id, uint32(i)}
	}
	slices.SortFunc(entries, func(a, b entry) int {
		switch {
		case a.prefix < b.prefix:
			return -1
		case a.prefix > b.prefix:
			return 1
		}
		return bytes.Compare(d.entry(a.id), d.entry(b.id))
	})
	rank := make([]uint32, len(entries))
	for i, e := range entries {
		t.sorted[i], rank[e.was] = e.id, uint32(i)
	}
	for i := range t.newID {
		t.newID[i] = rank[t.newID[i]]
	}
}

// sort fixes the order of the rows.
func (sl *sealer) sort() {
	n := int(sl.snapshot.rows)
	time := sl.head.columns[slotTime].nums
	sl.oldRow = make([]uint32, n)
	for i := range sl.oldRow {
		sl.oldRow[i] = uint32(i)
	}
	tmp := make([]uint32, n)
	sl.oldRow, tmp = radixSort(sl.oldRow, tmp, time)
	sl.oldRow, _ = radixSort(sl.oldRow, tmp, sl.operationRanks())
	sl.newRow = make([]uint32, n)
	sl.times = make([]uint64, n)
	for row, old := range sl.oldRow {
		sl.newRow[old] = uint32(row)
		sl.times[row] = time[old]
	}
	sl.mark = make([]uint32, n)
}

// operationRanks numbers service and span name of every head row in the order
// of the dictionaries.
func (sl *sealer) operationRanks() []uint64 {
	res := &sl.head.columns[slotResource]
	t := sl.texts[int(slotResource)]
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
	if plain {
		sl.footer.services = services
	}
	ranks := make([]uint64, len(res.ids))
	for row, id := range res.ids {
		ranks[row] = service[t.newID[id]]
	}
	name := &sl.head.columns[slotName]
	t = sl.texts[int(slotName)]
	if t == nil || t.raw {
		return ranks
	}
	names := uint64(len(t.sorted) + 1)
	for row := range ranks {
		ranks[row] *= names
	}
	for i, id := range name.ids {
		ranks[name.row(i)] += uint64(t.newID[id]) + 1
	}
	return ranks
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
		if int(b.row) < len(sl.newRow) {
			weight[sl.newRow[b.row]] += int(b.bytes)
		}
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
	if z := sl.out.compress(b); len(z) < packed-packed/8 {
		return sl.written(m, b, z)
	}
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

// textPage writes the lengths of the texts whose head ids are in sl.nums.
func (sl *sealer) textPage(d *dictionary, from, to int, lo uint32, n int) pageMeta {
	b := appendPresence(sl.page[:0], sl.rows[from:to], lo, n)
	b = sl.appendLengths(b, encodeStrips, to-from, func(i int) []byte { return d.entry(uint32(sl.nums[from+i])) })
	sl.page = b
	return sl.located(pageMeta{count: uint32(to - from)}, b, true)
}

// writeStrips writes the texts of one page, and appends where they are.
func (sl *sealer) writeStrips(strips []pageMeta, d *dictionary, ids []uint64) []pageMeta {
	for part := range slices.Chunk(ids, stripValues) {
		b := sl.page[:0]
		for _, id := range part {
			b = append(b, d.entry(uint32(id))...)
		}
		sl.page = b
		strips = append(strips, sl.located(pageMeta{count: uint32(len(part))}, b, true))
	}
	return strips
}

// appendTexts writes n texts: lengths, then bytes.
func (sl *sealer) appendTexts(b []byte, n int, entry func(i int) []byte) []byte {
	b = sl.appendLengths(b, encodeTexts, n, entry)
	for i := range n {
		b = append(b, entry(i)...)
	}
	return b
}

// appendLengths writes the lengths of n texts.
func (sl *sealer) appendLengths(b []byte, encoding byte, n int, entry func(i int) []byte) []byte {
	sl.lens = sl.lens[:0]
	longest := uint64(0)
	for i := range n {
		l := uint64(len(entry(i)))
		sl.lens = append(sl.lens, l)
		longest = max(longest, l)
	}
	width := widthOf(longest)
	b = append(b, encoding, byte(width))
	return appendNums(b, sl.lens, 0, width)
}

// writeNums writes a column of numbers.
func (sl *sealer) writeNums(key columnKey, deltas, compress bool) {
	sl.writeColumn(blockColumn{info: columnInfo{key: key}}, func(from, to int, lo uint32, n int) pageMeta {
		return sl.numPage(from, to, lo, n, deltas, compress)
	})
}

// writeText writes a column of texts.
func (sl *sealer) writeText(i int) {
	c, t := &sl.head.columns[i], sl.texts[i]
	if t.raw {
		sl.gather(c, func(i int) uint64 { return uint64(c.ids[i]) })
		col := blockColumn{info: columnInfo{key: c.key}, bloom: sl.writeBloom(c, t)}
		var strips []pageMeta
		sl.writeColumn(col, func(from, to int, lo uint32, n int) pageMeta {
			strips = sl.writeStrips(strips, &c.dict, sl.nums[from:to])
			return sl.textPage(&c.dict, from, to, lo, n)
		})
		sl.footer.columns[len(sl.footer.columns)-1].strips = strips
		return
	}
	dict := sl.writeDict(len(t.sorted), func(i int) ([]byte, uint64) { return c.dict.entry(t.sorted[i]), t.entries[i] })
	sl.gather(c, func(i int) uint64 { return uint64(t.newID[c.ids[i]]) })
	sl.writeColumn(blockColumn{info: columnInfo{key: c.key, dict: true}, dict: dict}, func(from, to int, lo uint32, n int) pageMeta {
		return sl.numPage(from, to, lo, n, false, true)
	})
}

// A dictionary page ends after so many entries or bytes.
const (
	dictPageEntries = 1024
	dictPageBytes   = 16 << 10
)

// writeDict writes n entries, ascending, with the number of values of each.
func (sl *sealer) writeDict(n int, entry func(i int) ([]byte, uint64)) []dictPage {
	var pages []dictPage
	for first := 0; first < n; {
		b, size, last := sl.page[:0], 0, first
		for last < n && last-first < dictPageEntries && size < dictPageBytes {
			e, count := entry(last)
			b = binary.AppendUvarint(b, count)
			size += len(e)
			last++
		}
		b = sl.appendTexts(b, last-first, func(i int) []byte { e, _ := entry(first + i); return e })
		sl.page = b
		least, _ := entry(first)
		pages = append(pages, dictPage{pageMeta: sl.located(pageMeta{count: uint32(last - first)}, b, true),
			least: string(least[:min(len(least), leastBytes)])})
		first = last
	}
	return pages
}

// writeBloom writes the bloom filter of a raw column that queries compare with
// a value.
func (sl *sealer) writeBloom(c *headColumn, t *sealedText) []pageMeta {
	if c.key.place != RecordAttr && c.key != slotKey(slotName) {
		return nil
	}
	filter := newBloom(len(t.sorted))
	for _, id := range t.sorted {
		bloomAdd(filter, bloomHash(c.dict.entry(id)))
	}
	var pages []pageMeta
	for b := range slices.Chunk(filter, bloomPage) {
		pages = append(pages, sl.out.page(b, b))
	}
	return pages
}

// writeSlots writes the fixed columns.
func (sl *sealer) writeSlots() {
	for s := range slotHiddenKeys {
		c := &sl.head.columns[s]
		switch {
		case c.len() == 0:
		case s == slotParent:
			sl.writeParents(c)
		case s == slotTrace:
			sl.gather(c, func(i int) uint64 { return uint64(sl.traceNo[c.ids[i]]) })
			sl.writeNums(c.key, false, true)
		case c.key.textual():
			sl.writeText(int(s))
		default:
			sl.gather(c, func(i int) uint64 { return c.nums[i] })
			sl.writeNums(c.key, s == slotTime, s != slotSpanID)
		}
	}
}

// writeAttrs writes the attribute columns and the bodies of logs.
func (sl *sealer) writeAttrs() {
	for i := int(slotCount); i < len(sl.head.columns); i++ {
		c := &sl.head.columns[i]
		switch {
		case c.len() == 0:
		case c.key.textual():
			sl.writeText(i)
		default:
			sl.gather(c, func(i int) uint64 { return c.nums[i] })
			sl.writeNums(c.key, false, true)
		}
	}
}

// writeHiddenKeys writes the keys of attributes that have no column.
func (sl *sealer) writeHiddenKeys() {
	type key struct {
		entry string
		count uint64
	}
	var keys []key
	// Nothing here comes from disk, so there is no error.
	_ = sl.head.hiddenKeys(func(k columnKey, n uint64) { keys = append(keys, key{hiddenKey(k), n}) })
	if len(keys) == 0 {
		return
	}
	slices.SortFunc(keys, func(a, b key) int { return strings.Compare(a.entry, b.entry) })
	dict := sl.writeDict(len(keys), func(i int) ([]byte, uint64) { return []byte(keys[i].entry), keys[i].count })
	sl.footer.columns = append(sl.footer.columns, blockColumn{info: columnInfo{key: slotKey(slotHiddenKeys), dict: true}, dict: dict})
}

func (sl *sealer) writeOperations() error {
	if sl.kind != Spans {
		return nil
	}
	counts, err := countOperations(sl.snapshot, sl.head.denseRows())
	if err != nil {
		return err
	}
	b, n := sl.page[:0], uint32(0)
	for i := range counts {
		b = appendOperation(b, &counts[i])
		n++
		if len(b) >= operationsPage || i == len(counts)-1 {
			sl.footer.operations = append(sl.footer.operations, sl.located(pageMeta{count: n}, b, true))
			b, n = b[:0], 0
		}
	}
	sl.page = b
	return nil
}

// traceRows lists the block rows of every trace, in order of block trace
// numbers.
type traceRows struct {
	ends []uint32
	rows []uint32
}

// writeTraces numbers the traces by id and writes the trace index.
func (sl *sealer) writeTraces() {
	ids := sl.head.traces
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
	sl.listTraceRows(len(ids))
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
			from = sl.traces.ends[first-1]
		}
		at := from
		for _, end := range sl.traces.ends[first:last] {
			b = binary.AppendUvarint(b, uint64(end-at))
			at = end
		}
		sl.lens = sl.lens[:0]
		for _, row := range sl.traces.rows[from:at] {
			sl.lens = append(sl.lens, uint64(row))
		}
		b = append(b, encodePacked, byte(width))
		b = appendPacked(b, sl.lens, 0, width)
		sl.page = b
		sl.footer.tracePages = append(sl.footer.tracePages, tracePage{
			pageMeta: sl.located(pageMeta{count: uint32(last - first)}, b, false), first: ids[entries[first].no]})
	}
}

func (sl *sealer) listTraceRows(traces int) {
	column := sl.head.columns[slotTrace].ids
	next := make([]uint32, traces+1)
	for _, no := range column {
		next[sl.traceNo[no]+1]++
	}
	for i := range traces {
		next[i+1] += next[i]
	}
	sl.traces = traceRows{ends: slices.Clone(next[1:]), rows: make([]uint32, len(column))}
	for row, old := range sl.oldRow {
		no := sl.traceNo[column[old]]
		sl.traces.rows[next[no]] = uint32(row)
		next[no]++
	}
}

// writeParents writes for every row where its parent is: 0 no parent, 1 outside
// the block, n+2 row n; and aside the ids of those outside. A span id names a
// span only within its trace.
func (sl *sealer) writeParents(parents *headColumn) {
	type outside struct{ row, i uint32 }
	spans, trace := sl.head.columns[slotSpanID].nums, sl.head.columns[slotTrace].ids
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
		return
	}
	slices.SortFunc(missing, func(a, b outside) int { return int(int64(a.row) - int64(b.row)) })
	sl.nums, sl.rows = sl.nums[:len(missing)], sl.rows[:len(missing)]
	for at, m := range missing {
		sl.nums[at], sl.rows[at] = parents.nums[m.i], m.row
	}
	sl.writeNums(slotKey(slotParent), false, false)
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
