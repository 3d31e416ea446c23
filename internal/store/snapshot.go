package store

import (
	"cmp"
	"slices"
	"sort"
)

// part is what a head and a block have in common for a query: rows of one kind
// in columns.
type part interface {
	kind() Kind
	rows() int
	timeRange() (min, max uint64)
	// snapshot fixes what one query sees. It is for one goroutine.
	snapshot() *snapshot
	// operations calls add for every service, operation, span kind and minute;
	// add must not keep its argument.
	operations(add func(*operationCount)) error
}

// headLabel stands for the file of a head.
const headLabel = "head"

// pages is how a snapshot reads its part. Texts it returns share memory with
// the part and are valid as long as the snapshot.
type pages interface {
	// load reads the values of column c in group g.
	load(c *columnInfo, g int) (chunk, error)
	// bounds are the least and greatest number or dictionary id of column c in
	// group g; ok is false when they are not known, and min is greater than max
	// when no row has a value.
	bounds(c *columnInfo, g int) (min, max uint64, ok bool)
	// lookup says what can be known about a text in column c without reading
	// its values.
	lookup(c *columnInfo, s string) (id uint32, found presence, err error)
	// stripText is text i of a chunk of a column without dictionary.
	stripText(ch *chunk, i int) ([]byte, error)
	// strip is strip n of such a chunk: its texts, one after the other.
	strip(ch *chunk, n int) ([]byte, error)
	// grams is the gram filter of column c for group g, valid until the next
	// call; nil when there is none.
	grams(c *columnInfo, g int) ([]byte, error)
	// entry is text id of the dictionary of column c.
	entry(c *columnInfo, id uint32) ([]byte, error)
	// entries calls f for each text of the dictionary of column c (the same
	// text may come twice) with the number of values that are it.
	entries(c *columnInfo, f func(entry []byte, count uint64)) error
	// entryPages calls f for each page of the dictionary of column c, with the
	// number of its first text. A head's has none.
	entryPages(c *columnInfo, f func(first uint32, texts *values) error) error
	// traceID is the id of trace number n.
	traceID(n uint32) (TraceID, error)
	// traceRows lists the rows of a trace, ascending.
	traceRows(id TraceID) ([]uint32, error)
	// hiddenKeys calls f for the keys of attributes that have no column: of
	// the rest (RecordAttr), of events, links, resources and scopes.
	hiddenKeys(f func(k columnKey, count uint64)) error
	// read says what was read from disk so far.
	read() (pages int, bytes int64)
	// hides reports whether attributes of that key may be among them.
	hides(place Place, key string) (bool, error)
}

// presence is what a lookup found.
type presence uint8

const (
	maybe  presence = iota // the values must be read
	absent                 // no value is that text
	exact                  // the values that are that text have one dictionary id
)

// columnInfo describes one column of a part.
type columnInfo struct {
	key     columnKey
	index   int    // in the part's list of columns
	count   uint64 // values
	dict    bool   // texts are kept as numbers of dictionary entries
	entries int    // texts in the dictionary
}

// snapshot is one part as one query sees it, with what the query decoded last.
type snapshot struct {
	pages
	label  string
	kind   Kind
	rows   uint32
	groups []group
	slots  [slotCount]*columnInfo // nil: no row has a value
	attrs  []*columnInfo          // attribute columns and the bodies of logs
	// services, when there are any, tell the service of every resource.
	services []serviceRange

	columns   int           // number of them
	cached    []cachedChunk // by column index
	spanIDs   map[int]*chunk
	resources map[uint32]*Resource
	scopes    map[uint32]*Scope
	texts     map[textID]string
}

// cachedChunk is the chunk of a column that was loaded last.
type cachedChunk struct {
	group int // 1 + the group; 0: none
	chunk chunk
}

// textID names a dictionary entry of a part.
type textID struct {
	column int
	id     uint32
}

// chunk returns the values of column c in group g. It is valid until another
// group of the column is asked for.
func (s *snapshot) chunk(c *columnInfo, g int) (*chunk, error) {
	if s.cached == nil {
		s.cached = s.takeChunks()
	}
	cached := &s.cached[c.index]
	if cached.group == g+1 {
		return &cached.chunk, nil
	}
	ch, err := s.load(c, g)
	if err != nil {
		return nil, err
	}
	*cached = cachedChunk{g + 1, ch}
	return &cached.chunk, nil
}

// keep puts v into a map that is made when it is first needed: most snapshots
// are found not to have what is asked for.
func keep[K comparable, V any](m *map[K]V, k K, v V) {
	if *m == nil {
		*m = map[K]V{}
	}
	(*m)[k] = v
}

// groupOf returns the group that holds a row.
func (s *snapshot) groupOf(row uint32) int {
	return sort.Search(len(s.groups), func(i int) bool { return s.groups[i].hi > row })
}

// borrow makes the snapshot decode pages into memory that others use again when
// it is released: what was read through it must not be looked at any more then.
// Records are copies.
func (s *snapshot) borrow() {
	if p, ok := s.pages.(*blockPages); ok {
		p.mem = pageMemories.Get().(*pageMemory)
	}
}

// takeChunks returns room for a chunk of each column.
func (s *snapshot) takeChunks() []cachedChunk {
	if p, ok := s.pages.(*blockPages); ok && p.mem != nil && cap(p.mem.chunks) >= s.columns {
		return p.mem.chunks[:s.columns]
	}
	return make([]cachedChunk, s.columns)
}

// release ends the use of a snapshot that may have borrowed memory.
func (s *snapshot) release() {
	if p, ok := s.pages.(*blockPages); ok && p.mem != nil {
		if s.cached != nil {
			clear(s.cached)
			p.mem.chunks, s.cached = s.cached[:0], nil
		}
		p.mem.free()
		p.mem = nil
	}
}

// corrupt is the error for content of the part that does not decode.
func (s *snapshot) corrupt(reason string) error {
	return &CorruptionError{File: s.label, Reason: reason}
}

// spanID returns the span id of any row of the part.
func (s *snapshot) spanID(row uint32) (uint64, error) {
	g := s.groupOf(row)
	if g == len(s.groups) || s.slots[slotSpanID] == nil {
		return 0, s.corrupt("row reference out of range")
	}
	c := s.spanIDs[g]
	if c == nil {
		loaded, err := s.load(s.slots[slotSpanID], g)
		if err != nil {
			return 0, err
		}
		c = &loaded
		keep(&s.spanIDs, g, c)
	}
	i, ok := c.find(int(row - s.groups[g].lo))
	if !ok {
		return 0, s.corrupt("span without id")
	}
	return c.num(i), nil
}

// parentID returns the parent span id of a row of group g.
func (s *snapshot) parentID(g, row int) (uint64, error) {
	if ref, err := s.numAt(slotParentRow, g, row); err != nil || ref > 1 {
		if err != nil {
			return 0, err
		}
		if ref-2 >= uint64(s.rows) {
			return 0, s.corrupt("parent reference out of range")
		}
		return s.spanID(uint32(ref - 2))
	}
	return s.numAt(slotParent, g, row)
}

// numAt returns the number of a fixed column; 0 when the row has none.
func (s *snapshot) numAt(sl slot, g, row int) (uint64, error) {
	c := s.slots[sl]
	if c == nil {
		return 0, nil
	}
	ch, err := s.chunk(c, g)
	if err != nil {
		return 0, err
	}
	i, ok := ch.find(row)
	if !ok {
		return 0, nil
	}
	v := ch.num(i)
	if c.key.typ == Int {
		v ^= bias
	}
	return v, nil
}

// textAt returns the text at position i of a chunk of column c, sharing memory.
func (s *snapshot) textAt(c *columnInfo, ch *chunk, i int) ([]byte, error) {
	if !c.dict {
		return s.stripText(ch, i)
	}
	return s.entry(c, uint32(ch.num(i)))
}

// stringAt is textAt as a string of its own; equal dictionary texts share one.
func (s *snapshot) stringAt(c *columnInfo, ch *chunk, i int) (string, error) {
	if !c.dict {
		b, err := s.stripText(ch, i)
		return string(b), err
	}
	id := textID{c.index, uint32(ch.num(i))}
	if t, ok := s.texts[id]; ok {
		return t, nil
	}
	b, err := s.entry(c, id.id)
	if err != nil {
		return "", err
	}
	t := string(b)
	keep(&s.texts, id, t)
	return t, nil
}

func (s *snapshot) resource(id uint32) (*Resource, error) {
	if r := s.resources[id]; r != nil {
		return r, nil
	}
	b, err := s.entry(s.slots[slotResource], id)
	if err != nil {
		return nil, err
	}
	d := decoder{b: b}
	r := d.resource()
	if d.bad {
		return nil, s.corrupt("malformed resource")
	}
	keep(&s.resources, id, r)
	return r, nil
}

func (s *snapshot) scope(id uint32) (*Scope, error) {
	if sc := s.scopes[id]; sc != nil {
		return sc, nil
	}
	b, err := s.entry(s.slots[slotScope], id)
	if err != nil {
		return nil, err
	}
	d := decoder{b: b}
	sc := d.scope()
	if d.bad {
		return nil, s.corrupt("malformed scope")
	}
	keep(&s.scopes, id, sc)
	return sc, nil
}

// headPages reads a head's columns as they were when the snapshot was taken.
type headPages struct {
	head    *head
	rows    uint32
	groups  []group
	columns []headColumn
	traces  []TraceID
	big     []bigRow
}

func (h *head) snapshot() *snapshot {
	h.mu.RLock()
	defer h.mu.RUnlock()
	p := &headPages{head: h, rows: h.count, groups: slices.Clone(h.groups), traces: h.traces.ids, big: h.big}
	s := &snapshot{pages: p, label: headLabel, kind: h.recordKind, rows: p.rows, groups: p.groups, columns: len(h.attrs) + len(h.slots)}
	p.columns = make([]headColumn, 0, len(h.attrs)+int(slotCount))
	for i := range h.slots {
		p.columns = append(p.columns, h.slots[i])
	}
	for _, c := range h.attrs {
		p.columns = append(p.columns, *c)
	}
	infos := make([]columnInfo, len(p.columns))
	for i := range p.columns {
		c := &p.columns[i]
		infos[i] = columnInfo{key: c.key, index: i, count: uint64(c.len()), entries: c.dict.len(), dict: c.key.textual()}
		switch {
		case c.len() == 0:
		case i < int(slotCount):
			s.slots[i] = &infos[i]
		default:
			s.attrs = append(s.attrs, &infos[i])
		}
	}
	return s
}

func (p *headPages) load(c *columnInfo, g int) (chunk, error) {
	col := &p.columns[c.index]
	return subChunk(values{nums: col.nums, ids: col.ids}, col.rows, !col.sparse, col.len(), p.groups[g].lo, p.groups[g].hi), nil
}

func (p *headPages) read() (pages int, bytes int64) { return 0, 0 }

func (p *headPages) bounds(*columnInfo, int) (min, max uint64, ok bool) { return 0, 0, false }

func (p *headPages) lookup(*columnInfo, string) (uint32, presence, error) { return 0, maybe, nil }

// stripText, strip and grams are never called: all texts of a head have numbers.
func (p *headPages) stripText(*chunk, int) ([]byte, error) { return nil, nil }

func (p *headPages) strip(*chunk, int) ([]byte, error) { return nil, nil }

func (p *headPages) grams(*columnInfo, int) ([]byte, error) { return nil, nil }

func (p *headPages) entry(c *columnInfo, id uint32) ([]byte, error) {
	return p.columns[c.index].dict.entry(id), nil
}

func (p *headPages) entries(c *columnInfo, f func(entry []byte, count uint64)) error {
	col := &p.columns[c.index]
	counts := make([]uint64, col.dict.len())
	for _, id := range col.ids {
		counts[id]++
	}
	for id, n := range counts {
		f(col.dict.entry(uint32(id)), n)
	}
	return nil
}

func (p *headPages) entryPages(*columnInfo, func(uint32, *values) error) error { return nil }

func (p *headPages) traceID(n uint32) (TraceID, error) { return p.traces[n], nil }

func (p *headPages) traceRows(id TraceID) ([]uint32, error) {
	p.head.mu.RLock()
	defer p.head.mu.RUnlock()
	rows := p.head.traces.rowsOf(id)
	n, _ := slices.BinarySearchFunc(rows, p.rows, cmp.Compare[uint32])
	return rows[:n], nil
}

func (p *headPages) hides(Place, string) (bool, error) { return true, nil }

func (p *headPages) hiddenKeys(f func(k columnKey, count uint64)) error {
	counts := hiddenKeys{}
	for _, s := range []slot{slotRest, slotEvents, slotLinks} {
		col := &p.columns[s]
		for _, id := range col.ids {
			counts.add(s, col.dict.entry(id), 1)
		}
	}
	for _, s := range []slot{slotResource, slotScope} {
		err := p.entries(&columnInfo{index: int(s)}, func(b []byte, n uint64) { counts.add(s, b, n) })
		if err != nil {
			return err
		}
	}
	for k, n := range counts {
		f(k, n)
	}
	return nil
}

// hiddenKeys counts the keys of attributes without a column.
type hiddenKeys map[columnKey]uint64

// add counts the attributes of one encoded rest, event list, link list, resource
// or scope that n records have.
func (h hiddenKeys) add(s slot, b []byte, n uint64) {
	d := decoder{b: b, alias: true}
	count := func(place Place, attrs []Attr) {
		for i := range attrs {
			h[columnKey{place: place, typ: attrs[i].Value.Type, name: attrs[i].Key}] += n
		}
	}
	switch s {
	case slotRest:
		count(RecordAttr, d.attrs(nil))
	case slotResource:
		d.bytes()
		count(ResourceAttr, d.attrs(nil))
	case slotScope:
		d.bytes()
		d.bytes()
		count(ScopeAttr, d.attrs(nil))
	case slotEvents:
		for _, e := range d.events(0) {
			count(EventAttr, e.Attrs)
		}
	case slotLinks:
		for _, l := range d.links() {
			count(LinkAttr, l.Attrs)
		}
	}
}
