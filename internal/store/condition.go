package store

import (
	"encoding/binary"
	"encoding/hex"
	"math"
	"regexp"
	"slices"
)

// condition is an Expr made ready for one snapshot: what can be decided from
// dictionaries and the trace index is decided, the rest are tests on columns.
// Its answers are exactly those of Matcher.
type condition struct {
	op    conditionOp
	parts []*condition
	tests []test // of conditionTest: the row passes when one of them holds
	cost  int    // order in which the parts of an And are tried
}

// conditionOp is the kind of a condition.
type conditionOp uint8

const (
	conditionAll conditionOp = iota
	conditionAny
	conditionNot
	conditionTest
)

// test looks at one column.
type test interface {
	// ruledOut reports that no row of group g passes, from what is known
	// without reading the group.
	ruledOut(s *snapshot, g int) (bool, error)
	// eval adds the rows of sel that pass to out.
	eval(s *snapshot, g int, sel, out bitmap) error
	cost() int
}

// never reports that no row of the part satisfies the condition.
func (c *condition) never() bool {
	switch c.op {
	case conditionAll:
		return slices.ContainsFunc(c.parts, (*condition).never)
	case conditionAny:
		return !slices.ContainsFunc(c.parts, func(p *condition) bool { return !p.never() })
	case conditionTest:
		return len(c.tests) == 0
	}
	return false
}

// ruledOut is never for one group.
func (c *condition) ruledOut(s *snapshot, g int) (bool, error) {
	switch c.op {
	case conditionAll:
		for _, p := range c.parts {
			if out, err := p.ruledOut(s, g); out || err != nil {
				return out, err
			}
		}
		return false, nil
	case conditionAny:
		for _, p := range c.parts {
			if out, err := p.ruledOut(s, g); !out || err != nil {
				return false, err
			}
		}
		return true, nil
	case conditionTest:
		for _, t := range c.tests {
			if out, err := t.ruledOut(s, g); !out || err != nil {
				return false, err
			}
		}
		return true, nil
	}
	return false, nil
}

// eval returns the rows of sel, a set of rows of group g, that satisfy the
// condition. It may return sel itself.
func (c *condition) eval(s *snapshot, g int, sel bitmap) (bitmap, error) {
	switch c.op {
	case conditionAll:
		for _, p := range c.parts {
			if sel.empty() {
				break
			}
			var err error
			if sel, err = p.eval(s, g, sel); err != nil {
				return nil, err
			}
		}
		return sel, nil
	case conditionAny:
		out, left := make(bitmap, len(sel)), slices.Clone(sel)
		for _, p := range c.parts {
			got, err := p.eval(s, g, left)
			if err != nil {
				return nil, err
			}
			for i := range out {
				out[i] |= got[i]
				left[i] = sel[i] &^ out[i]
			}
		}
		return out, nil
	case conditionNot:
		got, err := c.parts[0].eval(s, g, sel)
		if err != nil {
			return nil, err
		}
		out := make(bitmap, len(sel))
		for i := range out {
			out[i] = sel[i] &^ got[i]
		}
		return out, nil
	}
	out := make(bitmap, len(sel))
	for _, t := range c.tests {
		if skip, err := t.ruledOut(s, g); err != nil {
			return nil, err
		} else if skip {
			continue
		}
		if err := t.eval(s, g, sel, out); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// planner makes conditions for one snapshot.
type planner struct {
	*snapshot
	regexps map[string]*regexp.Regexp
}

// plan makes e ready for the snapshot. m must have been made from e.
func (s *snapshot) plan(e Expr, m *Matcher) (*condition, error) {
	return (&planner{s, m.regexps}).expr(e)
}

func (p *planner) expr(e Expr) (*condition, error) {
	c := &condition{op: conditionAll}
	switch e := e.(type) {
	case And:
		for _, part := range e {
			if err := p.part(c, part); err != nil {
				return nil, err
			}
		}
		slices.SortStableFunc(c.parts, func(a, b *condition) int { return a.cost - b.cost })
		if len(c.parts) > 0 {
			c.cost = c.parts[0].cost
		}
	case Or:
		c.op = conditionAny
		for _, part := range e {
			if err := p.part(c, part); err != nil {
				return nil, err
			}
			c.cost += c.parts[len(c.parts)-1].cost
		}
	case Not:
		c.op = conditionNot
		if err := p.part(c, e.Expr); err != nil {
			return nil, err
		}
		c.cost = 1 + c.parts[0].cost
	case Cond:
		tests, err := p.cond(e)
		if err != nil {
			return nil, err
		}
		c.op, c.tests = conditionTest, tests
		for _, t := range tests {
			c.cost += t.cost()
		}
	}
	return c, nil
}

func (p *planner) part(c *condition, e Expr) error {
	part, err := p.expr(e)
	c.parts = append(c.parts, part)
	return err
}

// cond returns the tests of which one must hold.
func (p *planner) cond(c Cond) ([]test, error) {
	holds := func(v Value) bool { return c.holds(v, p.regexps[c.Value.Str()]) }
	switch c.Field.Place {
	case RecordAttr:
		return p.recordTests(c, holds)
	case ResourceAttr:
		return p.sharedTests(slotResource, resourceAttr(c.Field.Name, holds))
	case ScopeAttr:
		return p.sharedTests(slotScope, scopeAttr(c.Field.Name, holds))
	case AnyAttr:
		tests, err := p.recordTests(c, holds)
		if err != nil {
			return nil, err
		}
		more, err := p.sharedTests(slotResource, resourceAttr(c.Field.Name, holds))
		if err != nil {
			return nil, err
		}
		tests = append(tests, more...)
		more, err = p.sharedTests(slotScope, scopeAttr(c.Field.Name, holds))
		return append(tests, more...), err
	case EventAttr, LinkAttr:
		if p.kind != Spans {
			return nil, nil
		}
		return p.hiddenTests(c, holds)
	case Intrinsic:
		return p.intrinsicTests(c, holds)
	}
	return nil, nil
}

// recordTests looks at the columns of an attribute key and at the rest.
func (p *planner) recordTests(c Cond, holds func(Value) bool) ([]test, error) {
	var tests []test
	for _, col := range p.attrs {
		if col.key.place != RecordAttr || col.key.name != c.Field.Name {
			continue
		}
		t, err := p.columnTest(col, c, holds, false)
		if err != nil {
			return nil, err
		}
		if t != nil {
			tests = append(tests, t)
		}
	}
	rest, err := p.hiddenTests(c, holds)
	return append(tests, rest...), err
}

// hiddenTests looks at attributes that have no column: the rest of the record,
// its events, its links.
func (p *planner) hiddenTests(c Cond, holds func(Value) bool) ([]test, error) {
	place, sl, accept := RecordAttr, slotRest, restAttr(c.Field.Name, holds)
	switch c.Field.Place {
	case EventAttr:
		place, sl, accept = EventAttr, slotEvents, eventAttr(c.Field.Name, holds)
	case LinkAttr:
		place, sl, accept = LinkAttr, slotLinks, linkAttr(c.Field.Name, holds)
	}
	col := p.slots[sl]
	if col == nil {
		return nil, nil
	}
	if hidden, err := p.hides(place, c.Field.Name); err != nil || !hidden {
		return nil, err
	}
	return []test{&textTest{col: col, accept: accept, price: 8}}, nil
}

// columnTest compares the values of a column with the condition's; nil when
// none can satisfy it. A row without a value passes when zero is set and the
// type's zero value does.
func (p *planner) columnTest(col *columnInfo, c Cond, holds func(Value) bool, zero bool) (test, error) {
	zero = zero && holds(Value{Type: col.key.typ})
	if !col.key.textual() {
		if !numComparable(col.key.typ, c) {
			return nil, nil
		}
		lo, hi, bounded := numBounds(col.key.typ, c)
		return &numTest{col: col, holds: holds, zero: zero, lo: lo, hi: hi, bounded: bounded}, nil
	}
	t := &textTest{col: col, zero: zero, price: 2, accept: func(b []byte) (bool, bool) {
		return holds(Value{Type: col.key.typ, str: text(b)}), true
	}}
	if !col.dict {
		t.price = 4
	}
	if c.Op != Eq {
		return t, nil
	}
	if c.Value.Type != col.key.typ || c.Value.Type == Array || c.Value.Type == Map {
		return nil, nil
	}
	id, found, err := p.lookup(col, c.Value.str)
	switch {
	case err != nil:
		return nil, err
	case found == absent && !zero:
		return nil, nil
	case found != maybe:
		t.exact, t.id, t.nowhere = true, id, found == absent
	}
	return t, nil
}

// numComparable reports whether a number of that type can satisfy c.
func numComparable(typ ValueType, c Cond) bool {
	switch c.Op {
	case Exists, Ne:
		return true
	case Contains, ContainsFold, Regexp:
		return false
	}
	_, ok := compare(Value{Type: typ}, Value{Type: c.Value.Type})
	return ok
}

// numBounds are the numbers of a column of type typ that satisfy c, when they
// are one range.
func numBounds(typ ValueType, c Cond) (lo, hi uint64, bounded bool) {
	if typ != Int || c.Value.Type != Int {
		return 0, 0, false
	}
	v := numOf(c.Value)
	switch c.Op {
	case Eq:
		return v, v, true
	case Le:
		return 0, v, true
	case Ge:
		return v, math.MaxUint64, true
	case Lt:
		return 0, v - 1, v > 0
	case Gt:
		return v + 1, math.MaxUint64, v < math.MaxUint64
	}
	return 0, 0, false
}

// sharedTests looks at the dictionary of resources or scopes.
func (p *planner) sharedTests(sl slot, accept func([]byte) (bool, bool)) ([]test, error) {
	col := p.slots[sl]
	if col == nil {
		return nil, nil
	}
	t := &textTest{col: col, accept: accept, price: 1}
	if !col.dict || col.entries > sharedEntries {
		return []test{t}, nil
	}
	for id := range col.entries {
		ok, err := t.accepts(p.snapshot, uint32(id))
		if err != nil {
			return nil, err
		}
		if ok {
			return []test{t}, nil
		}
	}
	return nil, nil
}

// sharedEntries is the number of resources or scopes up to which they are all
// looked at before any row is.
const sharedEntries = 1024

// fields of spans and logs that have a column of their own.
var (
	spanSlots = map[string]slot{FieldName: slotName, FieldKind: slotKind, FieldStatus: slotStatus,
		FieldStatusMessage: slotStatusMessage, FieldTraceState: slotTraceState}
	logSlots = map[string]slot{FieldSeverity: slotSeverity, FieldSeverityText: slotSeverityText, FieldEventName: slotEventName}
)

func (k Kind) slotOf(field string) (slot, bool) {
	if k == Spans {
		s, ok := spanSlots[field]
		return s, ok
	}
	s, ok := logSlots[field]
	return s, ok
}

func (p *planner) intrinsicTests(c Cond, holds func(Value) bool) ([]test, error) {
	if sl, ok := p.kind.slotOf(c.Field.Name); ok {
		return p.slotTests(sl, c, holds)
	}
	switch c.Field.Name {
	case FieldScopeName:
		return p.sharedTests(slotScope, func(b []byte) (bool, bool) {
			d := decoder{b: b, alias: true}
			return holds(StringValue(d.text())), !d.bad
		})
	case FieldScopeVersion:
		return p.sharedTests(slotScope, func(b []byte) (bool, bool) {
			d := decoder{b: b, alias: true}
			d.bytes()
			return holds(StringValue(d.text())), !d.bad
		})
	case FieldTraceID:
		return p.traceTests(c, holds)
	case FieldSpanID:
		return []test{&idTest{holds: holds, id: (*snapshot).rowSpanID}}, nil
	}
	if p.kind == Logs {
		if c.Field.Name == FieldBody {
			return p.bodyTests(c, holds)
		}
		return nil, nil
	}
	switch c.Field.Name {
	case FieldParentID:
		return []test{&idTest{holds: holds, id: (*snapshot).parentID, root: true}}, nil
	case FieldDuration:
		t := &durationTest{holds: holds}
		if lo, hi, ok := numBounds(Int, c); ok {
			t.bounded, t.lo, t.hi = true, lo, hi
		}
		return []test{t}, nil
	case FieldEventName:
		if col := p.slots[slotEvents]; col != nil {
			return []test{&textTest{col: col, price: 8, accept: eventName(holds)}}, nil
		}
	}
	return nil, nil
}

// slotTests looks at a fixed column, in which "" and 0 are left out.
func (p *planner) slotTests(sl slot, c Cond, holds func(Value) bool) ([]test, error) {
	col := p.slots[sl]
	if col == nil {
		if holds(Value{Type: slotTypes[sl]}) {
			return []test{absentTest{}}, nil
		}
		return nil, nil
	}
	t, err := p.columnTest(col, c, holds, true)
	if t == nil || err != nil {
		return nil, err
	}
	return []test{t}, nil
}

// traceTests asks the trace index when one trace is wanted.
func (p *planner) traceTests(c Cond, holds func(Value) bool) ([]test, error) {
	if c.Op != Eq {
		return []test{&idTest{holds: holds, trace: true}}, nil
	}
	var id TraceID
	if c.Value.Type != String || len(c.Value.str) != 2*len(id) {
		return nil, nil
	}
	if _, err := hex.Decode(id[:], []byte(c.Value.str)); err != nil || id.String() != c.Value.str {
		return nil, nil
	}
	rows, err := p.traceRows(id)
	if err != nil || len(rows) == 0 {
		return nil, err
	}
	return []test{rowsTest(rows)}, nil
}

// bodyTests looks at the bodies of log records, of which every type has a
// column; a record without any has an empty body.
func (p *planner) bodyTests(c Cond, holds func(Value) bool) ([]test, error) {
	var tests []test
	empty := absentTest{}
	for _, col := range p.attrs {
		if col.key.place != Intrinsic {
			continue
		}
		empty = append(empty, col)
		t, err := p.columnTest(col, c, holds, false)
		if err != nil {
			return nil, err
		}
		if t != nil {
			tests = append(tests, t)
		}
	}
	if holds(Value{}) {
		tests = append(tests, empty)
	}
	return tests, nil
}

func (s *snapshot) rowSpanID(g, row int) (uint64, error) { return s.numAt(slotSpanID, g, row) }

func spanIDOf(n uint64) (id SpanID) {
	binary.BigEndian.PutUint64(id[:], n)
	return id
}

// The functions below look for an accepted attribute in encoded bytes; the
// second result is false when they are malformed.

func anyAttr(d *decoder, key string, holds func(Value) bool) bool {
	found := false
	for range d.count(2) {
		a := d.attr()
		if d.bad {
			return false
		}
		found = found || a.Key == key && holds(a.Value)
	}
	return found
}

func restAttr(key string, holds func(Value) bool) func([]byte) (bool, bool) {
	return func(b []byte) (bool, bool) {
		d := decoder{b: b, alias: true}
		return anyAttr(&d, key, holds), !d.bad
	}
}

func resourceAttr(key string, holds func(Value) bool) func([]byte) (bool, bool) {
	return func(b []byte) (bool, bool) {
		d := decoder{b: b, alias: true}
		d.bytes()
		return anyAttr(&d, key, holds), !d.bad
	}
}

func scopeAttr(key string, holds func(Value) bool) func([]byte) (bool, bool) {
	return func(b []byte) (bool, bool) {
		d := decoder{b: b, alias: true}
		d.bytes()
		d.bytes()
		return anyAttr(&d, key, holds), !d.bad
	}
}

func eventAttr(key string, holds func(Value) bool) func([]byte) (bool, bool) {
	return func(b []byte) (bool, bool) {
		d := decoder{b: b, alias: true}
		for _, e := range d.events(0) {
			for i := range e.Attrs {
				if e.Attrs[i].Key == key && holds(e.Attrs[i].Value) {
					return true, true
				}
			}
		}
		return false, !d.bad
	}
}

func eventName(holds func(Value) bool) func([]byte) (bool, bool) {
	return func(b []byte) (bool, bool) {
		d := decoder{b: b, alias: true}
		for _, e := range d.events(0) {
			if holds(StringValue(e.Name)) {
				return true, true
			}
		}
		return false, !d.bad
	}
}

func linkAttr(key string, holds func(Value) bool) func([]byte) (bool, bool) {
	return func(b []byte) (bool, bool) {
		d := decoder{b: b, alias: true}
		for _, l := range d.links() {
			for i := range l.Attrs {
				if l.Attrs[i].Key == key && holds(l.Attrs[i].Value) {
					return true, true
				}
			}
		}
		return false, !d.bad
	}
}
