package traceql

import (
	"slices"
	"strings"

	"github.com/signalbox-otel/signalbox/internal/store"
)

func (u *unary) typ() valueType {
	if u.op == opNot {
		return typeBool
	}
	return u.x.typ()
}

func (u *unary) value(t *tree, i int) Value {
	v := u.x.value(t, i)
	if u.op == opSubtract {
		return v.negated()
	}
	return boolValue(v.typ == typeBool && !v.isTrue())
}

func (b *binary) typ() valueType {
	if !b.op.isArithmetic() {
		return typeBool
	}
	l, r := b.l.typ(), b.r.typ()
	switch {
	case l == typeAny || r == typeAny:
		return typeAny
	case (l == typeDuration) != (r == typeDuration):
		return typeDuration
	}
	return l
}

func (b *binary) value(t *tree, i int) Value {
	switch {
	case b.op == opAnd:
		return boolValue(b.l.value(t, i).isTrue() && b.r.value(t, i).isTrue())
	case b.op == opOr:
		return boolValue(b.l.value(t, i).isTrue() || b.r.value(t, i).isTrue())
	case b.op.isArithmetic():
		return calculate(b.op, b.l.value(t, i), b.r.value(t, i))
	case b.l.typ() == typeNil:
		return boolValue(b.r.value(t, i).IsNil() == (b.op == opEqual))
	case b.r.typ() == typeNil:
		return boolValue(b.l.value(t, i).IsNil() == (b.op == opEqual))
	}
	if none, ok := b.noneOf(t, i); ok {
		return boolValue(none)
	}
	if v, ok := b.r.(literal); ok { // the common case, without closures in closures
		holds := false
		valuesOf(b.l, t, i, func(l Value) bool {
			holds = compare(b.op, l, v.v, b.re)
			return !holds
		})
		return boolValue(holds)
	}
	holds := false
	valuesOf(b.l, t, i, func(l Value) bool {
		valuesOf(b.r, t, i, func(r Value) bool {
			holds = compare(b.op, l, r, b.re)
			return !holds
		})
		return !holds
	})
	return boolValue(holds)
}

// noneOf decides != and !~ for a list, which hold when none of its elements is
// equal or matches; ok is false when span i has no list there.
func (b *binary) noneOf(t *tree, i int) (none, ok bool) {
	f, isField := b.l.(*field)
	v, isLiteral := b.r.(literal)
	if b.op != opNotEqual && b.op != opNotMatch || !isField || !isLiteral || f.intrinsic != nil || f.several() {
		return false, false
	}
	if list, has := f.attribute(t, i); !has || list.Type != store.Array {
		return false, false
	}
	none = true
	f.values(t, i, func(e Value) bool {
		none = !compare(map[operator]operator{opNotEqual: opEqual, opNotMatch: opMatch}[b.op], e, v.v, b.re)
		return none
	})
	return none, true
}

// valuesOf yields every value of an expression, of which only fields have
// several.
func valuesOf(x expr, t *tree, i int, yield func(Value) bool) {
	if f, ok := x.(*field); ok {
		f.values(t, i, yield)
		return
	}
	yield(x.value(t, i))
}

func (f *filter) holds(t *tree, i int) bool {
	return f.where == nil || f.where.value(t, i).isTrue()
}

func (f *filter) run(t *tree, sets []spanset) []spanset {
	var out []spanset
	for _, s := range sets {
		if f.where != nil {
			kept := make([]int32, 0, min(len(s.spans), 8))
			for _, i := range s.spans {
				if f.holds(t, int(i)) {
					kept = append(kept, i)
				}
			}
			s.spans = kept
		}
		if len(s.spans) > 0 {
			out = append(out, s)
		}
	}
	return out
}

func (c *combined) run(t *tree, sets []spanset) []spanset {
	var out []spanset
	for _, s := range sets {
		l, r := c.l.run(t, []spanset{s}), c.r.run(t, []spanset{s})
		if c.op == opAnd && (len(l) == 0 || len(r) == 0) {
			continue
		}
		if s.spans = listed(t.members(slices.Concat(l, r))); len(s.spans) > 0 {
			out = append(out, s)
		}
	}
	return out
}

func (x *related) run(t *tree, sets []spanset) []spanset {
	var out []spanset
	for _, s := range sets {
		r := x.r.run(t, []spanset{s})
		if len(r) == 0 {
			continue
		}
		left, right := t.members(x.l.run(t, []spanset{s})), t.members(r)
		marked := t.relatives(x.op.relation, left)
		for i := range marked {
			marked[i] = right[i] && marked[i] != x.op.negated
		}
		if x.op.union {
			back := t.relatives(inverse[x.op.relation], marked)
			for i := range marked {
				marked[i] = marked[i] || left[i] && back[i]
			}
		}
		if s.spans = listed(marked); len(s.spans) > 0 {
			out = append(out, s)
		}
	}
	return out
}

func (p pipeline) run(t *tree, sets []spanset) []spanset {
	for _, s := range p {
		if len(sets) == 0 {
			return nil
		}
		sets = s.run(t, sets)
	}
	return sets
}

func (g *groupBy) run(t *tree, sets []spanset) []spanset {
	name := "by(" + formatted(g.by) + ")"
	var out []spanset
	for _, s := range sets {
		places := map[Value]int{}
		for _, i := range s.spans {
			v := g.by.value(t, int(i))
			at, known := places[v]
			if !known {
				at = len(out)
				places[v] = at
				group := s.with(name, v)
				group.spans = nil
				out = append(out, group)
			}
			out[at].spans = append(out[at].spans, i)
		}
	}
	return out
}

func (coalesce) run(t *tree, sets []spanset) []spanset {
	if len(sets) == 0 {
		return nil
	}
	return []spanset{{spans: listed(t.members(sets))}}
}

func (*selection) run(_ *tree, sets []spanset) []spanset { return sets }

func (f *scalarFilter) run(t *tree, sets []spanset) []spanset {
	var out []spanset
	for _, s := range sets {
		l, r := f.l.of(t, &s), f.r.of(t, &s)
		if compare(f.op, l, r, nil) {
			out = append(out, s)
		}
	}
	return out
}

func (l literal) of(*tree, *spanset) Value { return l.v }

func (n *negated) of(t *tree, s *spanset) Value { return n.x.of(t, s).negated() }

func (c *calculated) of(t *tree, s *spanset) Value {
	return calculate(c.op, c.l.of(t, s), c.r.of(t, s))
}

// of computes the aggregate and notes it in the set. Spans without the value do
// not count.
func (a *aggregate) of(t *tree, s *spanset) Value {
	result := a.compute(t, s.spans)
	*s = s.with(a.String(), result)
	return result
}

func (a *aggregate) compute(t *tree, spans []int32) Value {
	if a.x == nil {
		return intValue(int64(len(spans)))
	}
	var total Value
	n := 0
	for _, i := range spans {
		v := a.x.value(t, int(i))
		if !v.typ.numeric() {
			continue
		}
		switch n++; {
		case n == 1:
			total = v
		case a.name == "min":
			if compare(opLess, v, total, nil) {
				total = v
			}
		case a.name == "max":
			if compare(opGreater, v, total, nil) {
				total = v
			}
		default:
			total = calculate(opAdd, total, v)
		}
	}
	if a.name == "avg" && n > 0 {
		return calculate(opDivide, total, intValue(int64(n)))
	}
	return total
}

// formatted is an expression as a query writes it.
func formatted(x expr) string {
	var b strings.Builder
	formatter{&b}.expr(x, 1)
	return b.String()
}
