package store

// shape is how large the columns of a head have become.
type shape map[columnKey]columnShape

// columnShape is the shape of one column.
type columnShape struct {
	nums, ids, rows    int
	texts, ends, table int
}

// shape returns the shape of h. The caller is its writer.
func (h *head) shape() shape {
	sh := shape{}
	note := func(c *headColumn) {
		sh[c.key] = columnShape{len(c.nums), len(c.ids), len(c.rows), len(c.dict.texts), len(c.dict.ends), len(c.dict.table)}
	}
	for i := range h.slots {
		note(&h.slots[i])
	}
	for _, c := range h.attrs {
		note(c)
	}
	return sh
}

// expect makes room in h, which is empty, for what the head before it had:
// columns that grow step by step are copied several times and leave twice their
// size to the garbage collector.
func (h *head) expect(before *head) {
	h.expected = before.shape()
	for i := range h.slots {
		h.slots[i].reserve(h.expected[h.slots[i].key])
	}
	h.traces.reserve(&before.traces)
}

// reserve makes room for a column of that shape, and a little more.
func (c *headColumn) reserve(sh columnShape) {
	c.nums, c.ids, c.rows = roomFor[uint64](sh.nums), roomFor[uint32](sh.ids), roomFor[uint32](sh.rows)
	d := &c.dict
	d.texts, d.ends = roomFor[byte](sh.texts), roomFor[uint64](sh.ends)
	if d.open && sh.table > 0 {
		d.table = make([]uint64, sh.table)
	}
}

func roomFor[T any](n int) []T {
	if n == 0 {
		return nil
	}
	return make([]T, 0, n+n/16+16)
}

// reserve makes room for as many traces and rows as another table has.
func (t *traceTable) reserve(as *traceTable) {
	t.ids, t.last, t.prev = roomFor[TraceID](len(as.ids)), roomFor[uint32](len(as.last)), roomFor[uint32](len(as.prev))
	t.table = make([]uint32, len(as.table))
}
