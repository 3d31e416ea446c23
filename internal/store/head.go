package store

import (
	"encoding/binary"
	"hash/maphash"
	"slices"
	"sync"
)

// Bounds of one head, and so of one block.
const (
	// maxColumns bounds the attribute columns: one sender with random keys
	// must not make a column per key. Attributes beyond go to slotRest.
	maxColumns = 2000
	// maxKeyBytes bounds the keys that get a column: column names are held in
	// memory for every block.
	maxKeyBytes = 1024
	// groupRows is the number of rows of a page, and the step in which a
	// query walks a part.
	groupRows = 4096
)

// head is the part of the store that still grows: append-only columns in order
// of arrival.
//
// One writer at a time appends, under mu; a reader takes the headers of all
// slices under mu (snapshot) and then reads without a lock, because what lies
// below the lengths it saw never changes. seal reads like any reader.
type head struct {
	recordKind Kind
	seed       maphash.Seed

	mu      sync.RWMutex
	count   uint32
	minTime uint64
	maxTime uint64
	groups  []group
	slots   [slotCount]headColumn
	attrs   []*headColumn
	byKey   map[columnKey]*headColumn
	traces  traceTable
	// big lists rows that hold long texts, with their bytes beyond bigText.
	big []bigRow

	counting sync.Mutex // guards the next two
	counts   operationCounter
	sums     headSums

	// Of the writer alone: what the current batch's pointers stand for, the
	// column of the attribute before, and scratch.
	resources map[*Resource]uint32
	scopes    map[*Scope]uint32
	previous  *headColumn
	expected  shape
	scratch   []byte
	rest      []Attr
	rowBytes  uint32
}

// group bounds rows [lo, hi) of a part and their times, inclusive.
type group struct {
	lo, hi   uint32
	min, max uint64
}

// bigText is the length from which a text counts towards the size of its page
// group, so that a page stays small enough to be read at once.
const bigText = 256

type bigRow struct{ row, bytes uint32 }

// headColumn is one column of the head.
type headColumn struct {
	key columnKey
	// sparse says that rows lists the row of each value; else value i is of
	// row i.
	sparse bool
	rows   []uint32
	nums   []uint64
	ids    []uint32
	dict   dictionary
	last   uint32 // row+1 of the last value
	next   *headColumn
}

func newHeadColumn(k columnKey) headColumn {
	limit := dictionaryLimit
	switch {
	case k.place == placeSlot && (k.slot == slotResource || k.slot == slotScope || k.slot == slotName):
		limit = wideLimit
	case k.place == placeSlot && k.typ == Bytes:
		limit = 0
	}
	return headColumn{key: k, dict: newDictionary(limit)}
}

// mark notes that the next value is of that row.
func (c *headColumn) mark(row uint32) {
	if n := uint32(len(c.nums) + len(c.ids)); !c.sparse && n != row {
		c.sparse = true
		for i := range n {
			c.rows = push(c.rows, i)
		}
	}
	if c.sparse {
		c.rows = push(c.rows, row)
	}
	c.last = row + 1
}

// push is append with doubling also for long slices, which all columns of a
// head become: the runtime's smaller steps would copy each value several times.
func push[T any](s []T, v T) []T {
	if len(s) == cap(s) {
		s = slices.Grow(s, max(16, len(s)))
	}
	return append(s, v)
}

func (c *headColumn) putNum(row uint32, v uint64) {
	c.mark(row)
	c.nums = push(c.nums, v)
}

func (c *headColumn) putID(row uint32, id uint32) {
	c.mark(row)
	c.ids = push(c.ids, id)
}

func (c *headColumn) len() int { return len(c.nums) + len(c.ids) }

func (c *headColumn) sizeBytes() int64 {
	return int64(len(c.key.name)+4*len(c.rows)+8*len(c.nums)+4*len(c.ids)) + c.dict.sizeBytes()
}

func newHead(k Kind) *head {
	h := &head{recordKind: k, seed: maphash.MakeSeed(), byKey: map[columnKey]*headColumn{},
		resources: map[*Resource]uint32{}, scopes: map[*Scope]uint32{}, traces: traceTable{seed: maphash.MakeSeed()}}
	for s := range slotCount {
		h.slots[s] = newHeadColumn(slotKey(s))
	}
	return h
}

func (h *head) kind() Kind { return h.recordKind }

func (h *head) rows() int {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return int(h.count)
}

func (h *head) timeRange() (min, max uint64) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.minTime, h.maxTime
}

// sizeBytes is the approximate memory of the head.
func (h *head) sizeBytes() int64 {
	h.mu.RLock()
	defer h.mu.RUnlock()
	n := h.traces.sizeBytes()
	for i := range h.slots {
		n += h.slots[i].sizeBytes()
	}
	for _, c := range h.attrs {
		n += c.sizeBytes()
	}
	return n
}

// append copies the records of b into the columns. One caller at a time.
func (h *head) append(b *Batch) {
	h.mu.Lock()
	defer h.mu.Unlock()
	defer clear(h.resources)
	defer clear(h.scopes)
	if h.recordKind == Spans {
		for i := range b.Spans {
			h.appendSpan(&b.Spans[i])
		}
		return
	}
	for i := range b.Logs {
		h.appendLog(&b.Logs[i])
	}
}

// begin opens the next row and fills the columns that both kinds have.
func (h *head) begin(time uint64, r *Resource, sc *Scope, trace TraceID, span SpanID, attrs []Attr, dropped, flags uint32) uint32 {
	row := h.count
	h.count++
	if row == 0 {
		h.minTime, h.maxTime = time, time
	}
	h.minTime, h.maxTime = min(h.minTime, time), max(h.maxTime, time)
	if row%groupRows == 0 {
		h.groups = append(h.groups, group{lo: row, min: time, max: time})
	}
	g := &h.groups[len(h.groups)-1]
	g.hi, g.min, g.max = row+1, min(g.min, time), max(g.max, time)

	h.rowBytes = 0
	h.slots[slotTime].putNum(row, time)
	h.slots[slotTrace].putID(row, h.traces.add(trace, row))
	h.slots[slotSpanID].putNum(row, binary.BigEndian.Uint64(span[:]))
	h.slots[slotResource].putID(row, h.resourceID(r))
	h.slots[slotScope].putID(row, h.scopeID(sc))
	h.num(slotFlags, row, uint64(flags))
	h.num(slotDropped, row, uint64(dropped))
	h.rest = h.rest[:0]
	for i := range attrs {
		h.attr(row, &attrs[i])
	}
	if len(h.rest) > 0 {
		h.scratch = appendAttrs(h.scratch[:0], h.rest)
		h.blob(slotRest, row)
		clear(h.rest)
	}
	return row
}

// end closes the row.
func (h *head) end(row uint32) {
	if h.rowBytes > 0 {
		h.big = append(h.big, bigRow{row, h.rowBytes})
	}
}

func (h *head) appendSpan(s *Span) {
	row := h.begin(s.Start, s.Resource, s.Scope, s.TraceID, s.SpanID, s.Attrs, s.DroppedAttrs, s.Flags)
	h.slots[slotDuration].putNum(row, s.End-s.Start)
	h.num(slotParent, row, binary.BigEndian.Uint64(s.ParentID[:]))
	h.text(slotName, row, s.Name)
	h.num(slotKind, row, uint64(int64(s.Kind)))
	h.num(slotStatus, row, uint64(int64(s.StatusCode)))
	h.text(slotStatusMessage, row, s.StatusMessage)
	h.text(slotTraceState, row, s.TraceState)
	h.num(slotDroppedEvents, row, uint64(s.DroppedEvents))
	h.num(slotDroppedLinks, row, uint64(s.DroppedLinks))
	if len(s.Events) > 0 {
		h.scratch = appendEvents(h.scratch[:0], s.Events, s.Start)
		h.blob(slotEvents, row)
	}
	if len(s.Links) > 0 {
		h.scratch = appendLinks(h.scratch[:0], s.Links)
		h.blob(slotLinks, row)
	}
	h.end(row)
}

func (h *head) appendLog(l *Log) {
	at := l.At()
	row := h.begin(at, l.Resource, l.Scope, l.TraceID, l.SpanID, l.Attrs, l.DroppedAttrs, l.Flags)
	h.num(slotObserved, row, l.ObservedTime-at)
	if l.Time == 0 {
		h.num(slotTimeless, row, 1)
	}
	h.num(slotSeverity, row, uint64(int64(l.SeverityNumber)))
	h.text(slotSeverityText, row, l.SeverityText)
	h.text(slotEventName, row, l.EventName)
	if l.Body.Type != Empty {
		h.value(h.column(columnKey{place: Intrinsic, typ: l.Body.Type, name: FieldBody}), row, &l.Body)
	}
	h.end(row)
}

// num puts a number into a fixed column; 0 is left out.
func (h *head) num(s slot, row uint32, v uint64) {
	if v == 0 {
		return
	}
	if slotTypes[s] == Int {
		v ^= bias
	}
	h.slots[s].putNum(row, v)
}

// text puts a text into a fixed column; "" is left out.
func (h *head) text(s slot, row uint32, v string) {
	if v == "" {
		return
	}
	c := &h.slots[s]
	c.putID(row, c.dict.add(h.seed, v))
	h.weigh(len(v))
}

// blob puts the scratch bytes into a fixed column.
func (h *head) blob(s slot, row uint32) {
	c := &h.slots[s]
	c.putID(row, c.dict.append(text(h.scratch)))
	h.weigh(len(h.scratch))
}

func (h *head) weigh(bytes int) {
	if bytes > bigText {
		h.rowBytes += uint32(bytes)
	}
}

// attr puts one attribute into its column, or aside when it has none: a key
// that the record already has with that type, a very long one, or one column too
// many.
func (h *head) attr(row uint32, a *Attr) {
	c := h.guess(a)
	if c == nil {
		c = h.attrColumn(a)
	}
	if c == nil || c.last == row+1 {
		h.rest = append(h.rest, *a)
		return
	}
	h.value(c, row, &a.Value)
}

// guess returns the column that followed the column of the attribute before
// the last time: senders give their attributes in the same order again and
// again, and comparing one key is cheaper than hashing it.
func (h *head) guess(a *Attr) *headColumn {
	if h.previous == nil {
		return nil
	}
	c := h.previous.next
	if c == nil || c.key.typ != a.Value.Type || c.key.name != a.Key {
		return nil
	}
	h.previous = c
	return c
}

func (h *head) attrColumn(a *Attr) *headColumn {
	if len(a.Key) > maxKeyBytes {
		return nil
	}
	c := h.column(columnKey{place: RecordAttr, typ: a.Value.Type, name: a.Key})
	if c == nil {
		return nil
	}
	if h.previous != nil {
		h.previous.next = c
	}
	h.previous = c
	return c
}

// column returns the column of k, making it; nil when there are too many.
func (h *head) column(k columnKey) *headColumn {
	if c := h.byKey[k]; c != nil {
		return c
	}
	if len(h.attrs) >= maxColumns && k.place == RecordAttr {
		return nil
	}
	k.name = string([]byte(k.name))
	c := newHeadColumn(k)
	c.reserve(h.expected[k])
	h.attrs = append(h.attrs, &c)
	h.byKey[k] = &c
	return &c
}

func (h *head) value(c *headColumn, row uint32, v *Value) {
	if !c.key.textual() {
		c.putNum(row, numOf(*v))
		return
	}
	c.putID(row, c.dict.add(h.seed, v.str))
	h.weigh(len(v.str))
}

func (h *head) resourceID(r *Resource) uint32 {
	id, ok := h.resources[r]
	if !ok {
		h.scratch = appendResource(h.scratch[:0], r)
		id = h.slots[slotResource].dict.add(h.seed, text(h.scratch))
		h.resources[r] = id
	}
	return id
}

func (h *head) scopeID(s *Scope) uint32 {
	id, ok := h.scopes[s]
	if !ok {
		h.scratch = appendScope(h.scratch[:0], s)
		id = h.slots[slotScope].dict.add(h.seed, text(h.scratch))
		h.scopes[s] = id
	}
	return id
}

// traceTable numbers the trace ids of a head and chains the rows of each.
type traceTable struct {
	seed  maphash.Seed
	ids   []TraceID
	prev  []uint32 // by row: row+1 of the row before of the same trace; 0: none
	last  []uint32 // by trace: row+1 of its last row; changes in place
	table []uint32 // open addressing: number+1
}

// slotOf returns the place of id in the table: where it is, or would be put.
func (t *traceTable) slotOf(id TraceID) uint32 {
	mask := uint32(len(t.table) - 1)
	i := uint32(maphash.Bytes(t.seed, id[:])) & mask
	for t.table[i] != 0 && t.ids[t.table[i]-1] != id {
		i = (i + 1) & mask
	}
	return i
}

// add notes that row is of trace id and returns the trace's number.
func (t *traceTable) add(id TraceID, row uint32) uint32 {
	if len(t.ids) >= len(t.table)/2 {
		t.table = make([]uint32, max(1024, 2*len(t.table)))
		for n := range t.ids {
			t.table[t.slotOf(t.ids[n])] = uint32(n + 1)
		}
	}
	i := t.slotOf(id)
	if t.table[i] == 0 {
		t.ids = push(t.ids, id)
		t.last = push(t.last, 0)
		t.table[i] = uint32(len(t.ids))
	}
	n := t.table[i] - 1
	t.prev = push(t.prev, t.last[n])
	t.last[n] = row + 1
	return n
}

func (t *traceTable) sizeBytes() int64 {
	return int64(16*len(t.ids) + 4*(len(t.prev)+len(t.last)+len(t.table)))
}

// rowsOf lists the rows of a trace, ascending.
func (t *traceTable) rowsOf(id TraceID) []uint32 {
	if len(t.table) == 0 {
		return nil
	}
	n := t.table[t.slotOf(id)]
	if n == 0 {
		return nil
	}
	var rows []uint32
	for row := t.last[n-1]; row != 0; row = t.prev[row-1] {
		rows = append(rows, row-1)
	}
	slices.Reverse(rows)
	return rows
}
