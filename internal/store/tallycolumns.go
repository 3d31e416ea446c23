package store

// The ways of counting values of one field in one part.

// idCounter counts the dictionary ids, or else the texts or numbers, of one
// column.
type idCounter struct {
	s      *snapshot
	col    *columnInfo
	ids    []uint64 // by dictionary id
	nums   map[uint64]uint64
	texts  map[string]uint64
	values uint64
}

func (c *idCounter) add(g int, sel bitmap) error {
	if lo, hi, ok := c.s.bounds(c.col, g); ok && lo > hi {
		return nil
	}
	ch, err := c.s.chunk(c.col, g)
	if err != nil {
		return err
	}
	if !c.col.key.textual() {
		c.addNums(ch, g, sel)
		return nil
	}
	if !c.col.dict {
		return c.addTexts(ch, sel)
	}
	if c.ids == nil {
		c.ids = make([]uint64, c.col.entries)
	}
	if lo, hi, ok := c.s.bounds(c.col, g); ok && lo == hi && lo < uint64(len(c.ids)) {
		n := presentIn(ch, sel)
		c.ids[lo] += n
		c.values += n
		return nil
	}
	outside := false
	ch.each(sel, func(_, i int) {
		id := ch.num(i)
		if id >= uint64(len(c.ids)) {
			outside = true
			return
		}
		c.ids[id]++
		c.values++
	})
	if outside {
		return c.s.corrupt("dictionary id out of range")
	}
	return nil
}

// presentIn is the number of rows of sel that have a value.
func presentIn(c *chunk, sel bitmap) uint64 {
	out := make(bitmap, len(sel))
	addPresent(c, sel, out)
	return uint64(out.len())
}

func (c *idCounter) addNums(ch *chunk, g int, sel bitmap) {
	if c.nums == nil {
		c.nums = map[uint64]uint64{}
	}
	if lo, hi, ok := c.s.bounds(c.col, g); ok && lo == hi {
		if n := presentIn(ch, sel); n > 0 {
			c.nums[lo] += n
			c.values += n
		}
		return
	}
	ch.each(sel, func(_, i int) {
		c.nums[ch.num(i)]++
		c.values++
	})
}

func (c *idCounter) addTexts(ch *chunk, sel bitmap) (err error) {
	if c.texts == nil {
		c.texts = map[string]uint64{}
	}
	ch.each(sel, func(_, i int) {
		if err != nil {
			return
		}
		var b []byte
		if b, err = c.s.stripText(ch, i); err == nil {
			c.texts[text(b)]++
			c.values++
		}
	})
	return err
}

// each calls f with every value that was counted.
func (c *idCounter) each(f func(v Value, n uint64)) error {
	for id, n := range c.ids {
		if n == 0 {
			continue
		}
		b, err := c.s.entry(c.col, uint32(id))
		if err != nil {
			return err
		}
		f(Value{Type: c.col.key.typ, str: text(b)}, n)
	}
	for num, n := range c.nums {
		f(numValue(c.col.key.typ, num), n)
	}
	for s, n := range c.texts {
		f(Value{Type: c.col.key.typ, str: s}, n)
	}
	return nil
}

// columnCounter counts what records have in columns of their own: those of an
// attribute, one for each type of value, or a fixed one.
type columnCounter struct {
	columns []*idCounter
	// zero, when set, is the value of rows that have none in the column.
	zero    *Value
	records uint64
}

func newColumnCounter(s *snapshot, key string) *columnCounter {
	c := &columnCounter{}
	for _, col := range s.attrs {
		if col.key.place == RecordAttr && col.key.name == key {
			c.columns = append(c.columns, &idCounter{s: s, col: col})
		}
	}
	return c
}

func newSlotCounter(s *snapshot, sl slot) *columnCounter {
	c := &columnCounter{zero: &Value{Type: slotTypes[sl]}}
	if col := s.slots[sl]; col != nil {
		c.columns = append(c.columns, &idCounter{s: s, col: col})
	}
	return c
}

func (c *columnCounter) add(g int, sel bitmap) error {
	before := c.values()
	for _, col := range c.columns {
		if err := col.add(g, sel); err != nil {
			return err
		}
	}
	switch {
	case c.zero != nil:
		c.records += uint64(sel.len())
	case len(c.columns) < 2:
		c.records += c.values() - before
	default: // a record may have values of several types
		have := make(bitmap, len(sel))
		for _, col := range c.columns {
			ch, err := col.s.chunk(col.col, g)
			if err != nil {
				return err
			}
			addPresent(ch, sel, have)
		}
		c.records += uint64(have.len())
	}
	return nil
}

// values is the number of values counted.
func (c *columnCounter) values() (n uint64) {
	for _, col := range c.columns {
		n += col.values
	}
	return n
}

func (c *columnCounter) tally() (FieldTally, error) {
	t := FieldTally{Records: c.records}
	if c.zero != nil {
		if n := c.records - c.values(); n > 0 {
			t.add(*c.zero, n)
		}
	}
	for _, col := range c.columns {
		if err := col.each(t.add); err != nil {
			return t, err
		}
	}
	return t, nil
}

// add adds a value; the same one may be there already.
func (t *FieldTally) add(v Value, n uint64) {
	t.Values = append(t.Values, FieldValue{Value: v, Count: n})
}

// sharedCounter counts an attribute of resources or scopes, of which every
// record has one.
type sharedCounter struct {
	ids *idCounter // counted by the tallier
	// values calls f with the attribute's values in resource or scope id.
	values func(s *snapshot, id uint32, f func(Value)) error
}

func resourceValues(key string) func(s *snapshot, id uint32, f func(Value)) error {
	return func(s *snapshot, id uint32, f func(Value)) error {
		r, err := s.resource(id)
		if err == nil {
			attrValues(r.Attrs, key, func(v Value) bool { f(v); return true })
		}
		return err
	}
}

func scopeValues(key string) func(s *snapshot, id uint32, f func(Value)) error {
	return func(s *snapshot, id uint32, f func(Value)) error {
		sc, err := s.scope(id)
		if err == nil {
			attrValues(sc.Attrs, key, func(v Value) bool { f(v); return true })
		}
		return err
	}
}

func (c *sharedCounter) add(int, bitmap) error { return nil }

func (c *sharedCounter) tally() (t FieldTally, err error) {
	sums := map[Value]uint64{}
	for id, n := range c.ids.ids {
		if n == 0 {
			continue
		}
		had := false
		if err := c.values(c.ids.s, uint32(id), func(v Value) { sums[v] += n; had = true }); err != nil {
			return t, err
		}
		if had {
			t.Records += n
		}
	}
	for v, n := range sums {
		t.add(v, n)
	}
	return t, nil
}

// wholeCounter counts fields that take whole records.
type wholeCounter struct {
	s      *snapshot
	fields []*wholeField
	need   Need
}

// wholeField is one of the fields.
type wholeField struct {
	field   Field
	records uint64
	counts  map[Value]uint64
}

func (c *wholeCounter) field(f Field) *wholeField {
	w := &wholeField{field: f, counts: map[Value]uint64{}}
	c.fields = append(c.fields, w)
	c.need |= NeedOf(f)
	return w
}

// addRecords counts all the fields.
func (c *wholeCounter) addRecords(g int, sel bitmap) error {
	rows := make([]uint32, 0, sel.len())
	sel.each(func(row int) { rows = append(rows, c.s.groups[g].lo+uint32(row)) })
	if c.s.kind == Spans {
		spans, err := c.s.spans(rows, c.need)
		for _, s := range spans {
			if err == nil {
				c.count(func(f Field, each func(Value) bool) { SpanValues(s, f, each) })
			}
		}
		return err
	}
	logs, err := c.s.logs(rows, c.need)
	for _, l := range logs {
		if err == nil {
			c.count(func(f Field, each func(Value) bool) { LogValues(l, f, each) })
		}
	}
	return err
}

// count counts one record.
func (c *wholeCounter) count(values func(Field, func(Value) bool)) {
	for _, w := range c.fields {
		had := false
		values(w.field, func(v Value) bool {
			had = true
			w.counts[v]++
			return true
		})
		if had {
			w.records++
		}
	}
}

func (w *wholeField) add(int, bitmap) error { return nil }

func (w *wholeField) tally() (FieldTally, error) {
	t := FieldTally{Records: w.records}
	for v, n := range w.counts {
		t.add(v, n)
	}
	return t, nil
}
