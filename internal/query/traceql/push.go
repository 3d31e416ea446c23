package traceql

import (
	"slices"

	"github.com/signalbox-otel/signalbox/internal/store"
)

// planner makes conditions for the store of a query's: conditions that the
// spans which the query is after satisfy, and others may.
type planner struct {
	// types has the types of attributes; one that is not in it may have any.
	types map[store.Field]types
}

// types is a set of value types of an attribute; it may lack some when it is not
// known to be whole.
type types struct {
	has   [store.Map + 1]bool
	whole bool
}

func typesOf(found []store.ValueType, whole bool) types {
	t := types{whole: whole}
	for _, v := range found {
		t.has[v] = true
	}
	return t
}

// lists reports whether there may be lists, into which the store does not look.
func (t types) lists() bool { return !t.whole || t.has[store.Array] }

// only reports whether there are no other types than those.
func (t types) only(allowed ...store.ValueType) bool {
	for v, has := range t.has {
		if has && !slices.Contains(allowed, store.ValueType(v)) {
			return false
		}
	}
	return t.whole
}

// condition is a condition on one span; nil holds for every one.
type condition struct {
	store.Expr
	exact bool // it holds for no other spans than those that are meant
}

var (
	always = condition{nil, true}
	never  = condition{store.Or{}, true}
	unsure = condition{nil, false}
)

// found is a condition that holds for some span of every trace of which the
// stage leaves something.
func (p *planner) found(s stage) condition {
	switch s := s.(type) {
	case *filter:
		return p.filter(s)
	case *combined:
		l, r := p.found(s.l), p.found(s.r)
		if s.op == opOr {
			return either(l, r)
		}
		return inexact(rarer(l, r))
	case *related:
		if s.op.negated {
			return inexact(p.found(s.r))
		}
		return inexact(rarer(p.found(s.l), p.found(s.r)))
	case pipeline:
		c := p.found(s[0])
		for _, next := range s[1:] {
			switch next.(type) {
			case *selection, coalesce, *groupBy:
			default:
				c.exact = false
			}
		}
		return c
	case *scalarFilter:
		return unsure
	}
	return always
}

func inexact(c condition) condition {
	c.exact = false
	return c
}

func either(l, r condition) condition {
	if l.Expr == nil || r.Expr == nil {
		return condition{nil, l.exact && l.Expr == nil || r.exact && r.Expr == nil}
	}
	return condition{store.Or{l.Expr, r.Expr}, l.exact && r.exact}
}

func both(l, r condition) condition {
	exact := l.exact && r.exact
	switch {
	case l.Expr == nil:
		return condition{r.Expr, exact}
	case r.Expr == nil:
		return condition{l.Expr, exact}
	}
	return condition{store.And{l.Expr, r.Expr}, exact}
}

// rarer is the condition that probably holds for fewer spans.
func rarer(l, r condition) condition {
	if rarity(r.Expr) > rarity(l.Expr) {
		return r
	}
	return l
}

// rarity guesses how few spans satisfy a condition; more is fewer.
func rarity(e store.Expr) int {
	switch e := e.(type) {
	case store.And:
		total := 0
		for _, part := range e {
			total += rarity(part)
		}
		return total
	case store.Or:
		least := 1000
		for _, part := range e {
			least = min(least, rarity(part))
		}
		return least
	case store.Cond:
		return rarityOf(e)
	}
	return 0
}

func rarityOf(c store.Cond) int {
	switch c.Op {
	case store.Ne, store.Exists:
		return 1
	case store.Eq:
	case store.Regexp:
		return 5
	default:
		return 3
	}
	switch c.Field.Name {
	case store.FieldTraceID, store.FieldSpanID:
		return 500
	case store.FieldKind:
		return 2
	case store.FieldStatus, store.FieldParentID, "service.name":
		return 4
	}
	return 10
}

// filter is what the store can tell of a filter's spans, or of the root of their
// trace when that tells more.
func (p *planner) filter(f *filter) condition {
	if f.where == nil {
		return always
	}
	own := p.expr(f.where)
	root := p.root(f.where)
	if root.Expr != nil && rarity(root.Expr) > rarity(own.Expr) {
		root.Expr = store.And{store.Cond{Field: parentField, Op: store.Eq, Value: store.StringValue("")}, root.Expr}
		return inexact(root)
	}
	return own
}

var parentField = store.Field{Name: store.FieldParentID}

// root is what a condition says of the root of the trace.
func (p *planner) root(x expr) condition {
	b, ok := x.(*binary)
	switch {
	case !ok:
		return unsure
	case b.op == opAnd:
		return both(p.root(b.l), p.root(b.r))
	case b.op != opEqual && b.op != opMatch:
		return unsure
	}
	f, v, op := sidesOf(b)
	if f == nil || f.intrinsic == nil || v.typ != typeText {
		return unsure
	}
	switch f.intrinsic.name {
	case "rootName":
		return comparison(store.Field{Name: store.FieldName}, op, v)
	case "rootServiceName":
		return comparison(store.Field{Place: store.ResourceAttr, Name: "service.name"}, op, v)
	}
	return unsure
}

// expr is what the store can tell of an expression that is to be true.
func (p *planner) expr(x expr) condition {
	switch x := x.(type) {
	case literal:
		if x.v.isTrue() {
			return always
		}
		return never
	case *field:
		if sf, ok := x.storeField(); ok {
			return inexact(comparison(sf, opEqual, boolValue(true)))
		}
	case *unary:
		if c := p.expr(x.x); c.exact && c.Expr != nil {
			return condition{store.Not{Expr: c.Expr}, true}
		} else if c.exact {
			return never
		}
	case *binary:
		switch {
		case x.op == opAnd:
			return both(p.expr(x.l), p.expr(x.r))
		case x.op == opOr:
			return either(p.expr(x.l), p.expr(x.r))
		case x.op.isComparison():
			return p.comparison(x)
		}
	}
	return unsure
}

// sidesOf gives the field and the constant that a comparison is about, and the
// operator with the field on its left; nil when it is about something else.
func sidesOf(b *binary) (*field, Value, operator) {
	f, ok := b.l.(*field)
	if v, constant := constantOf(b.r); ok && constant {
		return f, v, b.op
	}
	f, ok = b.r.(*field)
	if v, constant := constantOf(b.l); ok && constant && b.op != opMatch && b.op != opNotMatch {
		return f, v, map[operator]operator{opLess: opGreater, opLessEqual: opGreaterEqual, opGreater: opLess,
			opGreaterEqual: opLessEqual, opEqual: opEqual, opNotEqual: opNotEqual}[b.op]
	}
	return nil, Value{}, 0
}

// constantOf computes an expression without fields.
func constantOf(x expr) (Value, bool) {
	constant := true
	eachField(x, func(*field) { constant = false })
	if !constant {
		return Value{}, false
	}
	return x.value(nil, 0), true
}

// eachField visits the fields of an expression.
func eachField(x expr, visit func(*field)) {
	switch x := x.(type) {
	case *field:
		visit(x)
	case *unary:
		eachField(x.x, visit)
	case *binary:
		eachField(x.l, visit)
		eachField(x.r, visit)
	}
}

func (p *planner) comparison(b *binary) condition {
	f, v, op := sidesOf(b)
	if f == nil {
		return p.existence(b)
	}
	sf, ok := f.storeField()
	switch {
	case !ok:
		return unsure
	case v.IsNil():
		if b.l.typ() != typeNil && b.r.typ() != typeNil {
			return never // a calculation without a result
		}
		return absence(f, sf, op == opEqual)
	}
	if f.intrinsic == nil {
		return p.attribute(sf, op, v)
	}
	c := comparison(sf, op, v)
	c.exact = sf.Name != store.FieldParentID && (op != opNotMatch || !f.several())
	if op == opNotMatch && f.several() {
		c.Expr = store.Cond{Field: sf, Op: store.Exists}
	}
	return c
}

// existence is what a comparison of calculated values tells: fields that are
// calculated with are there.
func (p *planner) existence(b *binary) condition {
	if b.l.typ() == typeNil || b.r.typ() == typeNil {
		return unsure
	}
	c := unsure
	eachField(b, func(f *field) {
		if sf, ok := f.storeField(); ok && f.intrinsic == nil {
			c = both(c, condition{store.Cond{Field: sf, Op: store.Exists}, false})
		}
	})
	return c
}

// rootTest reads what nestedSetParent < 0 and the like say: whether the span is a
// root. ok is false when they say more.
func rootTest(op operator, v Value) (root, ok bool) {
	holds := func(number int64) bool { return compare(op, intValue(number), v, nil) }
	switch {
	case holds(-1):
		return true, !holds(0) && !holds(1)
	case op == opGreaterEqual && v.float() == 0, op == opGreater && v.float() == -1, op == opNotEqual && v.float() == -1:
		return false, true
	}
	return false, false
}

// absence is a comparison with nil.
func absence(f *field, sf store.Field, missing bool) condition {
	c := condition{store.Cond{Field: sf, Op: store.Exists}, true}
	switch {
	case f.intrinsic != nil && sf == parentField:
		op := store.Ne
		if missing {
			op = store.Eq
		}
		return condition{store.Cond{Field: sf, Op: op, Value: store.StringValue("")}, true}
	case f.intrinsic != nil && f.intrinsic.each == nil && missing:
		return never
	case f.intrinsic != nil && f.intrinsic.each == nil:
		return always
	case missing:
		c.Expr = store.Not{Expr: c.Expr}
	}
	return c
}

// attribute compares an attribute, and thinks of the elements of lists.
func (p *planner) attribute(sf store.Field, op operator, v Value) condition {
	c := comparison(sf, op, v)
	t, known := p.types[sf]
	switch {
	case c.Expr == nil || !known:
		return inexact(c)
	case t.lists():
		list := store.Cond{Field: sf, Op: store.Exists}
		if op == opEqual && v.typ == typeText {
			list.Op, list.Value = store.Contains, store.StringValue(v.str)
		}
		return condition{store.Or{c.Expr, list}, false}
	}
	c.exact = c.exact && sf.Place != store.AnyAttr && t.agree(op, v)
	return c
}

// agree reports whether the store compares values of these types as this package
// does.
func (t types) agree(op operator, v Value) bool {
	switch {
	case op == opMatch:
		return t.only(store.String)
	case op != opNotEqual:
		return true
	case v.typ == typeText:
		return t.only(store.String)
	case v.typ == typeBool:
		return t.only(store.Bool)
	}
	return t.only(store.Int, store.Double)
}

var storeOperators = map[operator]store.Op{opEqual: store.Eq, opNotEqual: store.Ne, opLess: store.Lt, opLessEqual: store.Le,
	opGreater: store.Gt, opGreaterEqual: store.Ge, opMatch: store.Regexp}

// comparison compares a field of the store with a constant.
func comparison(sf store.Field, op operator, v Value) condition {
	var constant store.Value
	switch v.typ {
	case typeDuration:
		constant = store.IntValue(v.int())
	case typeStatus, typeKind:
		if sf.Place != store.Intrinsic {
			return never // an attribute is no status
		}
		constant = store.IntValue(v.int())
	default:
		constant = v.Attr()
	}
	if op == opNotMatch {
		exists := store.Cond{Field: sf, Op: store.Exists}
		if sf.Place != store.Intrinsic {
			return condition{exists, false}
		}
		return condition{store.Not{Expr: store.Cond{Field: sf, Op: store.Regexp, Value: constant}}, true}
	}
	return condition{store.Cond{Field: sf, Op: storeOperators[op], Value: constant}, true}
}
