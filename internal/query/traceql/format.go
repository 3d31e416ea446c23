package traceql

import (
	"strconv"
	"strings"

	"github.com/signalbox-otel/signalbox/internal/query"
	"github.com/signalbox-otel/signalbox/internal/store"
)

// formatter writes queries.
type formatter struct{ *strings.Builder }

func (f formatter) pipeline(stages pipeline) {
	for i, s := range stages {
		if i > 0 {
			f.WriteString(" | ")
		}
		f.stage(s, 1)
	}
}

// stage writes s; binds says how close the operator around it binds.
func (f formatter) stage(s stage, binds int) {
	switch s := s.(type) {
	case *filter:
		if s.where == nil {
			f.WriteString("{ }")
			return
		}
		f.WriteString("{ ")
		f.expr(s.where, 1)
		f.WriteString(" }")
	case *combined:
		f.sets(s.l, s.op.String(), s.r, 1, binds)
	case *related:
		f.sets(s.l, s.op.String(), s.r, 2, binds)
	case pipeline:
		f.WriteString("(")
		f.pipeline(s)
		f.WriteString(")")
	case *groupBy:
		f.WriteString("by(")
		f.expr(s.by, 1)
		f.WriteString(")")
	case coalesce:
		f.WriteString("coalesce()")
	case *selection:
		f.WriteString("select")
		f.fields(s.fields)
	case *scalarFilter:
		f.scalar(s.l, 3)
		f.WriteString(" " + s.op.String() + " ")
		f.scalar(s.r, 3)
	}
}

func (f formatter) sets(l stage, op string, r stage, level, binds int) {
	if level < binds {
		f.WriteString("(")
		defer f.WriteString(")")
	}
	f.stage(l, level)
	f.WriteString(" " + op + " ")
	f.stage(r, level+1)
}

func (s structural) String() string {
	for word, other := range structuralWords {
		if other == s {
			return word
		}
	}
	return ""
}

// bindsOf is how close an expression holds together.
func bindsOf(x any) int {
	switch x := x.(type) {
	case *binary:
		return x.op.binds()
	case *calculated:
		return x.op.binds()
	case *unary:
		return x.op.binds()
	case *negated:
		return opSubtract.binds()
	case literal:
		if x.v.typ.numeric() && x.v.float() < 0 {
			return opSubtract.binds()
		}
	}
	return 100
}

// expr writes x, in brackets when it binds less close than binds.
func (f formatter) expr(x expr, binds int) {
	if bindsOf(x) < binds {
		f.WriteString("(")
		defer f.WriteString(")")
	}
	switch x := x.(type) {
	case literal:
		f.WriteString(x.v.String())
	case *field:
		f.WriteString(x.String())
	case *unary:
		f.WriteString(map[operator]string{opNot: "!", opSubtract: "-"}[x.op])
		f.expr(x.x, x.op.binds()+1)
	case *binary:
		left, right := sides(x.op)
		f.expr(x.l, left)
		f.WriteString(" " + x.op.String() + " ")
		f.expr(x.r, right)
	}
}

// sides says how close the operands of op must bind to need no brackets.
func sides(op operator) (left, right int) {
	if op == opPower {
		return op.binds() + 1, op.binds()
	}
	return op.binds(), op.binds() + 1
}

func (f formatter) scalar(x scalar, binds int) {
	if bindsOf(x) < binds {
		f.WriteString("(")
		defer f.WriteString(")")
	}
	switch x := x.(type) {
	case literal:
		f.WriteString(x.v.String())
	case *aggregate:
		f.WriteString(x.String())
	case *negated:
		f.WriteString("-")
		f.scalar(x.x, opSubtract.binds()+1)
	case *calculated:
		left, right := sides(x.op)
		f.scalar(x.l, left)
		f.WriteString(" " + x.op.String() + " ")
		f.scalar(x.r, right)
	}
}

func (a *aggregate) String() string {
	var b strings.Builder
	b.WriteString(a.name + "(")
	if a.x != nil {
		formatter{&b}.expr(a.x, 1)
	}
	b.WriteString(")")
	return b.String()
}

func (f formatter) fields(fields []*field) {
	f.WriteString("(")
	for i, x := range fields {
		if i > 0 {
			f.WriteString(", ")
		}
		f.WriteString(x.String())
	}
	f.WriteString(")")
}

// String is the name of the field as a query writes it.
func (f *field) String() string {
	if f.intrinsic != nil {
		return f.intrinsic.name
	}
	scope := scopeWords[f.scope] + "."
	if f.parent && f.scope == anyScope {
		scope = "parent."
	} else if f.parent {
		scope = "parent." + scope
	}
	plain := scope + f.name
	if tokens, err := lex(plain); err == nil && tokens[0] == (token{kind: tokenAttribute, text: f.name, scope: f.scope, parent: f.parent, end: len(plain)}) {
		return plain
	}
	return scope + strconv.Quote(f.name)
}

func (f formatter) metrics(m *metrics) {
	f.WriteString(m.name + "(")
	if m.field != nil {
		f.WriteString(m.field.String())
	}
	for _, q := range m.quantiles {
		f.WriteString(", " + query.FormatValue(store.Field{}, store.DoubleValue(q)))
	}
	if m.selected != nil {
		f.stage(m.selected, 1)
		f.WriteString(", " + strconv.Itoa(m.top))
		if m.start != 0 || m.end != 0 {
			f.WriteString(", " + strconv.FormatUint(m.start, 10) + ", " + strconv.FormatUint(m.end, 10))
		}
	}
	f.WriteString(")")
	if len(m.by) > 0 {
		f.WriteString(" by ")
		f.fields(m.by)
	}
	for _, s := range m.after {
		if s.name == "" {
			f.WriteString(" " + s.op.String() + " " + s.bound.String())
			continue
		}
		f.WriteString(" | " + s.name + "(" + strconv.Itoa(s.n) + ")")
	}
}
