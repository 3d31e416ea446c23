package store

// numPredicate compares the numbers of a column.
type numPredicate struct {
	col   *columnInfo
	holds func(Value) bool
	zero  bool // a row without a value passes
	// When bounded, exactly the numbers lo to hi pass.
	bounded bool
	lo, hi  uint64
}

func (t *numPredicate) cost() int { return 2 }

func (t *numPredicate) ruledOut(s *snapshot, g int) (bool, error) {
	if t.zero {
		return false, nil
	}
	lo, hi, ok := s.bounds(t.col, g)
	return ok && (lo > hi || t.bounded && (hi < t.lo || lo > t.hi)), nil
}

func (t *numPredicate) eval(s *snapshot, g int, sel, out bitmap) error {
	c, err := s.chunk(t.col, g)
	if err != nil {
		return err
	}
	switch lo, hi, ok := s.bounds(t.col, g); {
	case ok && lo == hi:
		if t.holds(numValue(t.col.key.typ, lo)) {
			addPresent(c, sel, out)
		}
	case t.bounded:
		c.each(sel, func(row, i int) {
			if n := c.num(i); n >= t.lo && n <= t.hi {
				out.set(row)
			}
		})
	default:
		c.each(sel, func(row, i int) {
			if t.holds(numValue(t.col.key.typ, c.num(i))) {
				out.set(row)
			}
		})
	}
	if t.zero {
		addAbsent(c, sel, out)
	}
	return nil
}

// addPresent adds the rows of sel that have a value in c to out.
func addPresent(c *chunk, sel, out bitmap) {
	for i := range sel {
		present := ^uint64(0)
		switch {
		case c.count == 0:
			present = 0
		case c.present != nil:
			present = c.present[i]
		}
		out[i] |= sel[i] & present
	}
}

// addAbsent adds the rows of sel that have no value in c to out.
func addAbsent(c *chunk, sel, out bitmap) {
	switch {
	case c.count == 0:
		for i := range sel {
			out[i] |= sel[i]
		}
	case c.present != nil:
		for i := range sel {
			out[i] |= sel[i] &^ c.present[i]
		}
	}
}

// textPredicate looks at the texts of a column, at each dictionary entry once.
type textPredicate struct {
	col    *columnInfo
	accept func([]byte) (ok, wellFormed bool)
	zero   bool // a row without a value passes
	exact  bool // only dictionary entry id passes, no entry if nowhere
	id     uint32
	// nowhere says that no value passes, so that only zero counts.
	nowhere bool
	memo    []uint8 // by dictionary id: 0 not yet known, 1 fails, 2 passes
	price   int
	// search is nil when nothing is known of the texts that pass.
	search *textSearch
}

func (t *textPredicate) cost() int { return t.price }

// accepts reports whether dictionary entry id passes.
func (t *textPredicate) accepts(s *snapshot, id uint32) (bool, error) {
	if t.exact {
		return !t.nowhere && id == t.id, nil
	}
	if t.memo == nil {
		t.memo = make([]uint8, t.col.entries)
	}
	if int(id) >= len(t.memo) {
		return false, s.corrupt("dictionary id out of range")
	}
	if t.memo[id] == 0 {
		b, err := s.entry(t.col, id)
		if err != nil {
			return false, err
		}
		ok, wellFormed := t.accept(b)
		if !wellFormed {
			return false, s.corrupt("malformed dictionary entry")
		}
		t.memo[id] = 1
		if ok {
			t.memo[id] = 2
		}
	}
	return t.memo[id] == 2, nil
}

// fewEntries is the number of dictionary ids in a group up to which each is
// looked at before the group is read.
const fewEntries = 32

func (t *textPredicate) ruledOut(s *snapshot, g int) (bool, error) {
	if t.zero {
		return false, nil
	}
	lo, hi, ok := s.bounds(t.col, g)
	switch {
	case ok && lo > hi:
		return true, nil
	case !t.col.dict && t.search != nil:
		return t.search.ruledOut(s, t.col, g)
	case !ok:
		return false, nil
	case t.exact:
		return t.nowhere || uint64(t.id) < lo || uint64(t.id) > hi, nil
	case hi-lo >= fewEntries && t.search.hasLiteral():
		return t.noEntry(s, lo, hi)
	case hi-lo >= fewEntries:
		return false, nil
	}
	for id := lo; id <= hi; id++ {
		if ok, err := t.accepts(s, uint32(id)); ok || err != nil {
			return false, err
		}
	}
	return true, nil
}

func (t *textPredicate) eval(s *snapshot, g int, sel, out bitmap) error {
	c, err := s.chunk(t.col, g)
	if err != nil {
		return err
	}
	if t.zero {
		addAbsent(c, sel, out)
	}
	if t.nowhere {
		return nil
	}
	if lo, hi, ok := s.bounds(t.col, g); ok && lo == hi {
		if ok, err = t.accepts(s, uint32(lo)); ok {
			addPresent(c, sel, out)
		}
		return err
	}
	if t.exact {
		c.equal(sel, out, uint64(t.id))
		return nil
	}
	if t.search.worthwhile(c, sel) {
		return t.evalStrips(s, c, sel, out)
	}
	if all, err := t.everyEntry(s, g); all || err != nil {
		addPresent(c, sel, out)
		return err
	}
	c.each(sel, func(row, i int) {
		if err != nil {
			return
		}
		var ok bool
		if t.col.dict {
			ok, err = t.accepts(s, uint32(c.num(i)))
		} else {
			ok, err = t.acceptsText(s, c, i)
		}
		if ok {
			out.set(row)
		}
	})
	return err
}

// everyEntry reports that all dictionary entries pass that rows of group g can
// have, when they are few.
func (t *textPredicate) everyEntry(s *snapshot, g int) (bool, error) {
	lo, hi, ok := s.bounds(t.col, g)
	if !ok || hi-lo >= fewEntries || !t.col.dict {
		return false, nil
	}
	for id := lo; id <= hi; id++ {
		if ok, err := t.accepts(s, uint32(id)); !ok || err != nil {
			return false, err
		}
	}
	return true, nil
}

// acceptsText reports whether text i of a chunk without dictionary passes.
func (t *textPredicate) acceptsText(s *snapshot, c *chunk, i int) (bool, error) {
	b, err := s.stripText(c, i)
	if err != nil {
		return false, err
	}
	ok, wellFormed := t.accept(b)
	if !wellFormed {
		return false, s.corrupt("malformed value")
	}
	return ok, nil
}

// rowsPredicate passes rows known beforehand, ascending.
type rowsPredicate []uint32

func (t rowsPredicate) cost() int { return 0 }

// within are the rows of group g.
func (t rowsPredicate) within(s *snapshot, g int) []uint32 {
	lo, hi := s.groups[g].lo, s.groups[g].hi
	from, to := 0, len(t)
	for from < to && t[from] < lo {
		from++
	}
	for to > from && t[to-1] >= hi {
		to--
	}
	return t[from:to]
}

func (t rowsPredicate) ruledOut(s *snapshot, g int) (bool, error) {
	return len(t.within(s, g)) == 0, nil
}

func (t rowsPredicate) eval(s *snapshot, g int, sel, out bitmap) error {
	for _, row := range t.within(s, g) {
		if i := int(row - s.groups[g].lo); sel.has(i) {
			out.set(i)
		}
	}
	return nil
}

// idPredicate compares ids as hex text.
type idPredicate struct {
	holds func(Value) bool
	id    func(s *snapshot, g, row int) (uint64, error) // a span id
	root  bool                                          // the zero id is ""
	trace bool                                          // the trace id instead
}

func (t *idPredicate) cost() int { return 6 }

func (t *idPredicate) ruledOut(*snapshot, int) (bool, error) { return false, nil }

func (t *idPredicate) eval(s *snapshot, g int, sel, out bitmap) (err error) {
	sel.each(func(row int) {
		if err != nil {
			return
		}
		var v Value
		if v, err = t.value(s, g, row); err == nil && t.holds(v) {
			out.set(row)
		}
	})
	return err
}

func (t *idPredicate) value(s *snapshot, g, row int) (Value, error) {
	if t.trace {
		id, err := s.rowTraceID(g, row)
		return StringValue(id.String()), err
	}
	n, err := t.id(s, g, row)
	if n == 0 && t.root {
		return StringValue(""), err
	}
	return StringValue(spanIDOf(n).String()), err
}

// rootPredicate passes spans without a parent, or those that have one.
type rootPredicate struct {
	// col says where the parent is: in the block or not (slotParentRow), or
	// who (slotParent, in a head); 0 or no value is none. nil: no span has one.
	col  *columnInfo
	root bool
}

func (p *planner) rootPredicate(root bool) *rootPredicate {
	t := &rootPredicate{col: p.slots[slotParentRow], root: root}
	if t.col == nil {
		t.col = p.slots[slotParent]
	}
	return t
}

func (t *rootPredicate) cost() int { return 2 }

func (t *rootPredicate) ruledOut(s *snapshot, g int) (bool, error) {
	if t.col == nil {
		return !t.root, nil
	}
	lo, hi, ok := s.bounds(t.col, g)
	if !t.root {
		return ok && (lo > hi || hi == 0), nil
	}
	return ok && lo <= hi && lo > 0 && t.col.count == uint64(s.rows), nil
}

func (t *rootPredicate) eval(s *snapshot, g int, sel, out bitmap) error {
	if t.col == nil {
		if t.root {
			for i := range sel {
				out[i] |= sel[i]
			}
		}
		return nil
	}
	c, err := s.chunk(t.col, g)
	if err != nil {
		return err
	}
	c.each(sel, func(row, i int) {
		if c.num(i) == 0 == t.root {
			out.set(row)
		}
	})
	if t.root {
		addAbsent(c, sel, out)
	}
	return nil
}

// durationPredicate compares End - Start, 0 when End lies before Start.
type durationPredicate struct {
	holds   func(Value) bool
	bounded bool
	lo, hi  uint64 // biased
}

func (t *durationPredicate) cost() int { return 3 }

func (t *durationPredicate) ruledOut(s *snapshot, g int) (bool, error) {
	if !t.bounded || s.slots[slotDuration] == nil {
		return false, nil
	}
	lo, hi, ok := s.bounds(s.slots[slotDuration], g)
	return ok && !s.wraps(g, hi) && (hi|bias < t.lo || lo|bias > t.hi), nil
}

// wraps reports that a span of group g may end before its start, when none is
// longer than longest.
func (s *snapshot) wraps(g int, longest uint64) bool {
	return longest >= bias || s.groups[g].max+longest < longest
}

func (t *durationPredicate) eval(s *snapshot, g int, sel, out bitmap) error {
	if s.slots[slotDuration] == nil || s.slots[slotTime] == nil {
		return s.corrupt("spans without duration")
	}
	c, err := s.chunk(s.slots[slotDuration], g)
	if err != nil {
		return err
	}
	if _, hi, ok := s.bounds(s.slots[slotDuration], g); ok && t.bounded && !s.wraps(g, hi) {
		c.each(sel, func(row, i int) {
			if d := c.num(i) | bias; d >= t.lo && d <= t.hi {
				out.set(row)
			}
		})
		return nil
	}
	starts, err := s.chunk(s.slots[slotTime], g)
	if err != nil {
		return err
	}
	c.each(sel, func(row, i int) {
		start, ok := starts.find(row)
		if !ok {
			return
		}
		d := spanDuration(starts.num(start), c.num(i))
		if t.holds(IntValue(int64(min(d, 1<<63-1)))) {
			out.set(row)
		}
	})
	return nil
}

// spanDuration is Span.Duration of a span from start to start+d.
func spanDuration(start, d uint64) uint64 {
	if start+d < start {
		return 0
	}
	return d
}

// absentPredicate passes rows that have no value in any of the columns.
type absentPredicate []*columnInfo

func (t absentPredicate) cost() int { return 1 }

func (t absentPredicate) ruledOut(*snapshot, int) (bool, error) { return false, nil }

func (t absentPredicate) eval(s *snapshot, g int, sel, out bitmap) error {
	left := make(bitmap, len(sel))
	copy(left, sel)
	for _, col := range t {
		c, err := s.chunk(col, g)
		if err != nil {
			return err
		}
		c.each(left, func(row, _ int) { left[row>>6] &^= 1 << (row & 63) })
	}
	for i := range out {
		out[i] |= left[i]
	}
	return nil
}
