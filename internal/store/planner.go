package store

import (
	"encoding/binary"
	"encoding/hex"
	"math"
	"slices"
)

// planner makes conditions for one snapshot.
type planner struct {
	*snapshot
	match *Matcher
	// absent is what decided last that a value is not there.
	absent string
}

// plan makes e ready for the snapshot. m must have been made from e.
func (s *snapshot) plan(e Expr, m *Matcher) (*condition, error) {
	return (&planner{snapshot: s, match: m}).expr(e)
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
		p.absent = ""
		predicates, err := p.cond(e)
		if err != nil {
			return nil, err
		}
		c.op, c.predicates, c.expr = conditionColumns, predicates, e
		if len(predicates) == 0 {
			c.why = p.absent
		}
		for _, t := range predicates {
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

// cond returns the predicates of which one must hold.
func (p *planner) cond(c Cond) ([]predicate, error) {
	holds := func(v Value) bool { return c.holds(v, p.match.regexps[c.Value.Str()]) }
	switch c.Field.Place {
	case RecordAttr:
		return p.recordPredicates(c, holds)
	case ResourceAttr:
		if c.Field.Name == serviceKey && len(p.services) > 0 && p.slots[slotResource] != nil {
			return p.servicePredicates(holds), nil
		}
		return p.attrPredicates(ResourceAttr, c.Field.Name, holds)
	case ScopeAttr:
		return p.attrPredicates(ScopeAttr, c.Field.Name, holds)
	case AnyAttr:
		predicates, err := p.recordPredicates(c, holds)
		if err != nil {
			return nil, err
		}
		more, err := p.attrPredicates(ResourceAttr, c.Field.Name, holds)
		if err != nil {
			return nil, err
		}
		predicates = append(predicates, more...)
		more, err = p.attrPredicates(ScopeAttr, c.Field.Name, holds)
		return append(predicates, more...), err
	case EventAttr, LinkAttr:
		if p.kind != Spans {
			return nil, nil
		}
		return p.hiddenPredicates(c, holds)
	case Intrinsic:
		return p.intrinsicPredicates(c, holds)
	}
	return nil, nil
}

// recordPredicates looks at the columns of an attribute key and at the rest.
func (p *planner) recordPredicates(c Cond, holds func(Value) bool) ([]predicate, error) {
	var predicates []predicate
	for _, col := range p.attrs {
		if col.key.place != RecordAttr || col.key.name != c.Field.Name {
			continue
		}
		t, err := p.columnPredicate(col, c, holds, false)
		if err != nil {
			return nil, err
		}
		if t != nil {
			predicates = append(predicates, t)
		}
	}
	rest, err := p.hiddenPredicates(c, holds)
	return append(predicates, rest...), err
}

// hiddenPredicates looks at attributes that have no column: the rest of the record,
// its events, its links.
func (p *planner) hiddenPredicates(c Cond, holds func(Value) bool) ([]predicate, error) {
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
	return []predicate{&textPredicate{col: col, accept: accept, price: 8}}, nil
}

// columnPredicate compares the values of a column with the condition's; nil when
// none can satisfy it. A row without a value passes when zero is set and the
// type's zero value does.
func (p *planner) columnPredicate(col *columnInfo, c Cond, holds func(Value) bool, zero bool) (predicate, error) {
	zero = zero && holds(Value{Type: col.key.typ})
	if c.Op == HasType && c.Value.Type != col.key.typ && !zero {
		return nil, nil
	}
	if !col.key.textual() {
		if !numComparable(col.key.typ, c) {
			return nil, nil
		}
		lo, hi, bounded := numBounds(col.key.typ, c)
		return &numPredicate{col: col, holds: holds, zero: zero, lo: lo, hi: hi, bounded: bounded}, nil
	}
	t := &textPredicate{col: col, zero: zero, price: 2, accept: func(b []byte) (bool, bool) {
		return holds(Value{Type: col.key.typ, str: text(b)}), true
	}}
	switch {
	case col.key == slotKey(slotName):
		t.price = 1 // rows are sorted by it
	case !col.dict:
		t.price = 4
	}
	t.look(c, p.match.needles[c])
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
		p.absent = "bloom filter"
		if col.dict {
			p.absent = "dictionary"
		}
		return nil, nil
	case found != maybe:
		t.exact, t.id, t.nowhere = true, id, found == absent
		t.price--
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
	case HasType:
		return typ == c.Value.Type
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

// attrPredicates looks for an attribute in resources or scopes, in which few
// keys are in use.
func (p *planner) attrPredicates(place Place, key string, holds func(Value) bool) ([]predicate, error) {
	if has, err := p.hides(place, key); err != nil || !has {
		return nil, err
	}
	if place == ResourceAttr {
		return p.sharedPredicates(slotResource, resourceAttr(key, holds))
	}
	return p.sharedPredicates(slotScope, scopeAttr(key, holds))
}

// sharedPredicates looks at the dictionary of resources or scopes.
func (p *planner) sharedPredicates(sl slot, accept func([]byte) (bool, bool)) ([]predicate, error) {
	col := p.slots[sl]
	if col == nil {
		return nil, nil
	}
	t := &textPredicate{col: col, accept: accept, price: 1}
	if !col.dict || col.entries > sharedEntries {
		return []predicate{t}, nil
	}
	for id := range col.entries {
		ok, err := t.accepts(p.snapshot, uint32(id))
		if err != nil {
			return nil, err
		}
		if ok {
			return []predicate{t}, nil
		}
	}
	p.absent = "dictionary"
	return nil, nil
}

// servicePredicates decides from the list of services.
func (p *planner) servicePredicates(holds func(Value) bool) []predicate {
	t := &textPredicate{col: p.slots[slotResource], price: 1}
	t.memo = make([]uint8, t.col.entries)
	some := false
	for i, s := range p.services {
		last := len(t.memo)
		if i+1 < len(p.services) {
			last = int(p.services[i+1].first)
		}
		verdict := uint8(1)
		if s.name != "" && holds(StringValue(s.name)) {
			verdict, some = 2, true
		}
		for id := int(s.first); id < min(last, len(t.memo)); id++ {
			t.memo[id] = verdict
		}
	}
	if !some {
		p.absent = "list of services"
		return nil
	}
	for id := range t.memo {
		t.memo[id] = max(t.memo[id], 1)
	}
	return []predicate{t}
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

func (p *planner) intrinsicPredicates(c Cond, holds func(Value) bool) ([]predicate, error) {
	if sl, ok := p.kind.slotOf(c.Field.Name); ok {
		return p.slotPredicates(sl, c, holds)
	}
	switch c.Field.Name {
	case FieldScopeName:
		return p.sharedPredicates(slotScope, func(b []byte) (bool, bool) {
			d := decoder{b: b, alias: true}
			return holds(StringValue(d.text())), !d.bad
		})
	case FieldScopeVersion:
		return p.sharedPredicates(slotScope, func(b []byte) (bool, bool) {
			d := decoder{b: b, alias: true}
			d.bytes()
			return holds(StringValue(d.text())), !d.bad
		})
	case FieldTraceID:
		return p.tracePredicates(c, holds)
	case FieldSpanID:
		return []predicate{&idPredicate{holds: holds, id: (*snapshot).rowSpanID}}, nil
	}
	if p.kind == Logs {
		if c.Field.Name == FieldBody {
			return p.bodyPredicates(c, holds)
		}
		return nil, nil
	}
	switch c.Field.Name {
	case FieldParentID:
		if c.Value.Type == String && c.Value.str == "" && (c.Op == Eq || c.Op == Ne) {
			return []predicate{p.rootPredicate(c.Op == Eq)}, nil
		}
		return []predicate{&idPredicate{holds: holds, id: (*snapshot).parentID, root: true}}, nil
	case FieldDuration:
		t := &durationPredicate{holds: holds}
		if lo, hi, ok := numBounds(Int, c); ok {
			t.bounded, t.lo, t.hi = true, lo, hi
		}
		return []predicate{t}, nil
	case FieldEventName:
		if col := p.slots[slotEvents]; col != nil {
			return []predicate{&textPredicate{col: col, price: 8, accept: eventName(holds)}}, nil
		}
	}
	return nil, nil
}

// slotPredicates looks at a fixed column, in which "" and 0 are left out.
func (p *planner) slotPredicates(sl slot, c Cond, holds func(Value) bool) ([]predicate, error) {
	col := p.slots[sl]
	if col == nil {
		if holds(Value{Type: slotTypes[sl]}) {
			return []predicate{absentPredicate{}}, nil
		}
		return nil, nil
	}
	t, err := p.columnPredicate(col, c, holds, true)
	if t == nil || err != nil {
		return nil, err
	}
	return []predicate{t}, nil
}

// tracePredicates asks the trace index when one trace is wanted.
func (p *planner) tracePredicates(c Cond, holds func(Value) bool) ([]predicate, error) {
	if c.Op != Eq {
		return []predicate{&idPredicate{holds: holds, trace: true}}, nil
	}
	var id TraceID
	if c.Value.Type != String || len(c.Value.str) != 2*len(id) {
		return nil, nil
	}
	if _, err := hex.Decode(id[:], []byte(c.Value.str)); err != nil || id.String() != c.Value.str {
		return nil, nil
	}
	rows, err := p.traceRows(id)
	p.absent = "trace index"
	if err != nil || len(rows) == 0 {
		return nil, err
	}
	return []predicate{rowsPredicate(rows)}, nil
}

// bodyPredicates looks at the bodies of log records, of which every type has a
// column; a record without any has an empty body.
func (p *planner) bodyPredicates(c Cond, holds func(Value) bool) ([]predicate, error) {
	var predicates []predicate
	empty := absentPredicate{}
	for _, col := range p.attrs {
		if col.key.place != Intrinsic {
			continue
		}
		empty = append(empty, col)
		t, err := p.columnPredicate(col, c, holds, false)
		if err != nil {
			return nil, err
		}
		if t != nil {
			predicates = append(predicates, t)
		}
	}
	if holds(Value{}) {
		predicates = append(predicates, empty)
	}
	return predicates, nil
}

func (s *snapshot) rowSpanID(g, row int) (uint64, error) { return s.numAt(slotSpanID, g, row) }

func spanIDOf(n uint64) (id SpanID) {
	binary.BigEndian.PutUint64(id[:], n)
	return id
}
