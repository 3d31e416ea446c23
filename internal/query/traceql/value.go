package traceql

import (
	"cmp"
	"math"
	"regexp"
	"strconv"
	"time"

	"github.com/signalbox-otel/signalbox/internal/query"
	"github.com/signalbox-otel/signalbox/internal/store"
)

// valueType is the type of a value or, before a span is looked at, of an
// expression.
type valueType uint8

const (
	typeNil valueType = iota
	typeText
	typeInt
	typeFloat
	typeBool
	typeDuration
	typeStatus
	typeKind
	typeOther // bytes, arrays and maps: there, but equal to nothing
	typeAny   // of an attribute: what the span says
)

var typeWords = [...]string{"nil", "text", "a number", "a number", "true or false", "a duration", "a status", "a kind", "bytes, a list or a map", "an attribute"}

func (t valueType) numeric() bool {
	return t == typeInt || t == typeFloat || t == typeDuration
}

// Value is what an expression has for a span. The zero Value is nil: a field
// that the span lacks.
type Value struct {
	typ valueType
	num uint64 // int, duration, status, kind, bool; a float's bits
	str string
}

func textValue(s string) Value             { return Value{typ: typeText, str: s} }
func intValue(n int64) Value               { return Value{typ: typeInt, num: uint64(n)} }
func durationValue(d time.Duration) Value  { return Value{typ: typeDuration, num: uint64(d)} }
func floatValue(f float64) Value           { return Value{typ: typeFloat, num: math.Float64bits(f)} }
func wordValue(t valueType, n int32) Value { return Value{typ: t, num: uint64(int64(n))} }

func boolValue(b bool) Value {
	if b {
		return Value{typ: typeBool, num: 1}
	}
	return Value{typ: typeBool}
}

// valueOf is an attribute's value.
func valueOf(v store.Value) Value {
	switch v.Type {
	case store.String:
		return textValue(v.Str())
	case store.Bool:
		return boolValue(v.Bool())
	case store.Int:
		return intValue(v.Int())
	case store.Double:
		return floatValue(v.Double())
	}
	return Value{typ: typeOther}
}

// IsNil reports whether there is no value.
func (v Value) IsNil() bool { return v.typ == typeNil }

func (v Value) isTrue() bool { return v.typ == typeBool && v.num != 0 }

func (v Value) int() int64 { return int64(v.num) }

// float is the content of a number; durations count in nanoseconds.
func (v Value) float() float64 {
	if v.typ == typeFloat {
		return math.Float64frombits(v.num)
	}
	return float64(int64(v.num))
}

// Attr is the value as an attribute: durations, statuses, kinds and nil become
// the text that a query writes them with.
func (v Value) Attr() store.Value {
	switch v.typ {
	case typeText:
		return store.StringValue(v.str)
	case typeInt:
		return store.IntValue(v.int())
	case typeFloat:
		return store.DoubleValue(v.float())
	case typeBool:
		return store.BoolValue(v.num != 0)
	}
	return store.StringValue(v.String())
}

// String is the value as a query writes it.
func (v Value) String() string {
	switch v.typ {
	case typeNil:
		return "nil"
	case typeText:
		return strconv.Quote(v.str)
	case typeInt:
		return strconv.FormatInt(v.int(), 10)
	case typeFloat:
		return query.FormatValue(store.Field{}, store.DoubleValue(v.float()))
	case typeBool:
		return strconv.FormatBool(v.num != 0)
	case typeDuration:
		return time.Duration(v.int()).String()
	case typeStatus:
		return query.StatusWord(int32(v.num))
	case typeKind:
		return query.KindWord(int32(v.num))
	}
	return "other"
}

// comparable reports whether two types can be equal: the same ones, and any two
// numbers.
func comparable(a, b valueType) bool {
	return a == b || a.numeric() && b.numeric()
}

// compare decides l op r; re is the compiled right side of =~ and !~. Nil
// satisfies no comparison, and values whose types do not compare neither.
func compare(op operator, l, r Value, re *regexp.Regexp) bool {
	if l.typ == typeNil || l.typ == typeOther || !comparable(l.typ, r.typ) {
		return false
	}
	if op == opMatch || op == opNotMatch {
		return l.typ == typeText && re.MatchString(l.str) == (op == opMatch)
	}
	var order int
	switch {
	case l.typ == typeText:
		order = cmp.Compare(l.str, r.str)
	case l.typ == typeFloat || r.typ == typeFloat:
		x, y := l.float(), r.float()
		if x != x || y != y {
			return false
		}
		order = cmp.Compare(x, y)
	case l.typ.numeric():
		order = cmp.Compare(l.int(), r.int())
	default:
		if op != opEqual && op != opNotEqual {
			return false
		}
		order = cmp.Compare(l.num, r.num)
	}
	switch op {
	case opEqual:
		return order == 0
	case opNotEqual:
		return order != 0
	case opLess:
		return order < 0
	case opLessEqual:
		return order <= 0
	case opGreater:
		return order > 0
	}
	return order >= 0
}

// calculate gives l op r for numbers; nil when one of them is none, or when the
// result is not a number. A duration and a number make a duration; two whole
// numbers make a whole number unless they are divided.
func calculate(op operator, l, r Value) Value {
	if !l.typ.numeric() || !r.typ.numeric() {
		return Value{}
	}
	x, y := l.float(), r.float()
	var f float64
	switch op {
	case opAdd:
		f = x + y
	case opSubtract:
		f = x - y
	case opMultiply:
		f = x * y
	case opDivide:
		f = x / y
	case opModulo:
		f = math.Mod(x, y)
	default:
		f = math.Pow(x, y)
	}
	if math.IsNaN(f) {
		return Value{}
	}
	whole := op != opDivide && op != opPower
	switch duration := l.typ == typeDuration || r.typ == typeDuration; {
	case duration && (whole || op == opDivide && r.typ != typeDuration):
		if math.Abs(f) < 1<<63 {
			return durationValue(time.Duration(f))
		}
	case !duration && whole && l.typ == typeInt && r.typ == typeInt:
		if n, ok := wholeNumber(op, l.int(), r.int()); ok {
			return intValue(n)
		}
	}
	return floatValue(f)
}

// wholeNumber calculates without rounding; ok is false when the result does not
// fit.
func wholeNumber(op operator, x, y int64) (n int64, ok bool) {
	switch op {
	case opAdd:
		n = x + y
		return n, (n > x) == (y > 0)
	case opSubtract:
		n = x - y
		return n, (n < x) == (y > 0)
	case opMultiply:
		n = x * y
		return n, x == 0 || n/x == y && !(x == -1 && y == math.MinInt64)
	}
	return x % y, true // y is not 0: the remainder would not be a number
}

// negated is -v; nil when v is no number.
func (v Value) negated() Value {
	switch v.typ {
	case typeInt, typeDuration:
		return Value{typ: v.typ, num: -v.num}
	case typeFloat:
		return floatValue(-v.float())
	}
	return Value{}
}
