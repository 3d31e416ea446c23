package traceql

import (
	"regexp"
	"time"

	"github.com/signalbox-otel/signalbox/internal/store"
)

// operator is an operator between expressions, between sets of spans, or both.
type operator uint8

const (
	opOr operator = iota + 1
	opAnd
	opEqual
	opNotEqual
	opLess
	opLessEqual
	opGreater
	opGreaterEqual
	opMatch
	opNotMatch
	opAdd
	opSubtract
	opNot
	opMultiply
	opDivide
	opModulo
	opPower
)

var operatorWords = map[string]operator{
	"||": opOr, "&&": opAnd, "=": opEqual, "!=": opNotEqual, "<": opLess, "<=": opLessEqual, ">": opGreater,
	">=": opGreaterEqual, "=~": opMatch, "!~": opNotMatch, "+": opAdd, "-": opSubtract, "*": opMultiply, "/": opDivide,
	"%": opModulo, "^": opPower,
}

func (op operator) String() string {
	for word, o := range operatorWords {
		if o == op {
			return word
		}
	}
	return "!"
}

// binds is how close an operator holds its operands together. And and or bind
// alike and from left to right, as in Tempo.
func (op operator) binds() int {
	switch {
	case op <= opAnd:
		return 1
	case op <= opNotMatch:
		return 2
	case op <= opSubtract:
		return 3
	case op == opNot:
		return 4
	case op <= opModulo:
		return 5
	}
	return 6
}

func (op operator) isComparison() bool { return op >= opEqual && op <= opNotMatch }
func (op operator) isArithmetic() bool { return op >= opAdd && op != opNot }

// expr is an expression on one span of a trace.
type expr interface {
	// value is the expression's value for span i of t; of a field with several
	// values the first one.
	value(t *tree, i int) Value
	// typ is the type of the value as far as it is known without a span.
	typ() valueType
}

// literal is a value that the query names.
type literal struct{ v Value }

func (l literal) value(*tree, int) Value { return l.v }
func (l literal) typ() valueType         { return l.v.typ }

// unary is !x or -x.
type unary struct {
	op operator
	x  expr
}

// binary is l op r.
type binary struct {
	op   operator
	l, r expr
	re   *regexp.Regexp // of opMatch and opNotMatch
}

// relation is how a structural operator relates spans to those on its left.
type relation uint8

const (
	childOf relation = iota + 1
	descendantOf
	parentOf
	ancestorOf
	siblingOf
)

// structural is an operator between sets of spans that looks at their places in
// the trace.
type structural struct {
	relation relation
	negated  bool // the spans of the right that are not so related
	union    bool // the spans of the left too
}

var structuralWords = map[string]structural{
	">": {childOf, false, false}, ">>": {descendantOf, false, false}, "<": {parentOf, false, false},
	"<<": {ancestorOf, false, false}, "~": {siblingOf, false, false},
	"!>": {childOf, true, false}, "!>>": {descendantOf, true, false}, "!<": {parentOf, true, false},
	"!<<": {ancestorOf, true, false}, "!~": {siblingOf, true, false},
	"&>": {childOf, false, true}, "&>>": {descendantOf, false, true}, "&<": {parentOf, false, true},
	"&<<": {ancestorOf, false, true}, "&~": {siblingOf, false, true},
}

// stage is one step of a pipeline: it makes sets of spans of one trace into
// others.
type stage interface {
	run(t *tree, sets []spanset) []spanset
}

// filter keeps the spans that a condition holds for.
type filter struct{ where expr }

// combined is two sets joined by && or ||.
type combined struct {
	op   operator
	l, r stage
}

// related is two sets joined by a structural operator.
type related struct {
	op   structural
	l, r stage
}

// pipeline is stages one after the other; nested, it stands in brackets.
type pipeline []stage

// groupBy divides a set by the value of an expression.
type groupBy struct{ by expr }

// coalesce puts the sets of a trace together again.
type coalesce struct{}

// selection names fields that the answer is to have of each span.
type selection struct{ fields []*field }

// scalarFilter keeps the sets that a comparison of aggregates holds for.
type scalarFilter struct {
	op   operator
	l, r scalar
}

// scalar is a number that is computed of a set: an aggregate, a literal, or
// their calculation.
type scalar interface {
	of(t *tree, s *spanset) Value
}

// aggregate is count(), or min, max, avg or sum of an expression.
type aggregate struct {
	name string
	x    expr // nil: count
}

// calculated is l op r of scalars; negated is -x.
type calculated struct {
	op   operator
	l, r scalar
}

type negated struct{ x scalar }

// Query is a parsed query. It is read-only.
type Query struct {
	pipeline pipeline
	metrics  *metrics // nil: the query searches for traces
	hints    []hint
	src      string
}

// hint is one name and value of with(...), which asks for a way of execution.
type hint struct {
	name string
	v    Value
}

// metrics is what ends a query for numbers over time.
type metrics struct {
	name      string
	field     *field // of the ..._over_time functions but count_over_time
	quantiles []float64
	by        []*field
	// of compare
	selected   *filter
	top        int
	start, end uint64
	after      []seriesStage
}

// seriesStage is what may follow a metrics function: topk(n), bottomk(n), or a
// comparison with a number.
type seriesStage struct {
	name  string // "topk", "bottomk", or "": a comparison
	n     int
	op    operator
	bound Value
}

// scope says which attributes a field may be of.
type scope uint8

const (
	anyScope scope = iota // the span's own, else its resource's, else its instrumentation's
	spanScope
	resourceScope
	instrumentationScope
	eventScope
	linkScope
)

var scopeWords = [...]string{"", "span", "resource", "instrumentation", "event", "link"}

var places = [...]store.Place{store.AnyAttr, store.RecordAttr, store.ResourceAttr, store.ScopeAttr, store.EventAttr, store.LinkAttr}

// field is an attribute or, with intrinsic set, something that every span has.
type field struct {
	scope     scope
	name      string // of an attribute
	intrinsic *intrinsic
	parent    bool // of the span's parent
}

// Searches reports whether the answer to the query is traces; else it is
// numbers over time.
func (q *Query) Searches() bool { return q.metrics == nil }

// Hint finds the value of a hint that the query gives with with(...).
func (q *Query) Hint(name string) (v Value, ok bool) {
	for _, h := range q.hints {
		if h.name == name {
			return h.v, true
		}
	}
	return Value{}, false
}

// durationUnits are the units of durations, longest first where one begins with
// another.
var durationUnits = []struct {
	name string
	size time.Duration
}{{"ns", 1}, {"us", time.Microsecond}, {"µs", time.Microsecond}, {"ms", time.Millisecond}, {"s", time.Second}, {"m", time.Minute},
	{"h", time.Hour}, {"d", 24 * time.Hour}, {"w", 7 * 24 * time.Hour}, {"y", 365 * 24 * time.Hour}}
