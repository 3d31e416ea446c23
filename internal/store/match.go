package store

import (
	"cmp"
	"fmt"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Matcher decides whether a record satisfies a condition. It is the definition
// that every faster way of evaluating an Expr must agree with.
type Matcher struct {
	expr    Expr
	regexps map[string]*regexp.Regexp
	needles map[Cond]needles // of conditions on texts
}

// NewMatcher checks e (nil accepts all) and compiles its regular expressions.
// The error names the expression that does not compile or the operator that is
// unknown.
func NewMatcher(e Expr) (*Matcher, error) {
	m := &Matcher{expr: e, regexps: map[string]*regexp.Regexp{}, needles: map[Cond]needles{}}
	if err := m.compile(e); err != nil {
		return nil, err
	}
	return m, nil
}

func (m *Matcher) compile(e Expr) error {
	switch e := e.(type) {
	case nil:
	case And:
		for _, part := range e {
			if err := m.compile(part); err != nil {
				return err
			}
		}
	case Or:
		for _, part := range e {
			if err := m.compile(part); err != nil {
				return err
			}
		}
	case Not:
		return m.compile(e.Expr)
	case Cond:
		if e.Op < Eq || e.Op > HasType {
			return fmt.Errorf("unknown operator %d on %s", e.Op, e.Field.Name)
		}
		if e.Op == Regexp {
			re, err := CompileRegexp(e.Value.Str())
			if err != nil {
				return err
			}
			m.regexps[e.Value.Str()] = re
		}
		if n := needlesOf(e); n != nil {
			m.needles[e] = n
		}
	default:
		return fmt.Errorf("unknown condition %T", e)
	}
	return nil
}

// CompileRegexp compiles an anchored RE2 expression.
func CompileRegexp(s string) (*regexp.Regexp, error) {
	re, err := regexp.Compile("^(?s:" + s + ")$")
	if err != nil {
		return nil, fmt.Errorf("regular expression %q: %w", s, err)
	}
	return re, nil
}

// Span reports whether s satisfies the condition.
func (m *Matcher) Span(s *Span) bool {
	return m.eval(m.expr, func(f Field, yield func(Value) bool) { SpanValues(s, f, yield) })
}

// Log reports whether l satisfies the condition.
func (m *Matcher) Log(l *Log) bool {
	return m.eval(m.expr, func(f Field, yield func(Value) bool) { LogValues(l, f, yield) })
}

// eval evaluates e; values calls yield for each value of a field until yield
// returns false.
func (m *Matcher) eval(e Expr, values func(f Field, yield func(Value) bool)) bool {
	switch e := e.(type) {
	case nil:
		return true
	case And:
		for _, part := range e {
			if !m.eval(part, values) {
				return false
			}
		}
		return true
	case Or:
		for _, part := range e {
			if m.eval(part, values) {
				return true
			}
		}
		return false
	case Not:
		return !m.eval(e.Expr, values)
	case Cond:
		holds := false
		re := m.regexps[e.Value.Str()]
		values(e.Field, func(v Value) bool {
			holds = e.holds(v, re)
			return !holds
		})
		return holds
	}
	return false
}

// holds reports whether value v satisfies c; re is the compiled value of a
// Regexp.
func (c Cond) holds(v Value, re *regexp.Regexp) bool {
	switch c.Op {
	case Exists:
		return true
	case HasType:
		return v.Type == c.Value.Type
	case Contains:
		return textual(v) && strings.Contains(v.str, c.Value.str)
	case ContainsFold:
		return textual(v) && containsFold(v.str, c.Value.str)
	case Regexp:
		return textual(v) && re.MatchString(v.str)
	}
	order, ok := compare(v, c.Value)
	if !ok {
		return c.Op == Ne
	}
	switch c.Op {
	case Eq:
		return order == 0
	case Ne:
		return order != 0
	case Lt:
		return order < 0
	case Le:
		return order <= 0
	case Gt:
		return order > 0
	case Ge:
		return order >= 0
	}
	return false
}

// textual reports whether text operators look at v: at the content of a String
// or Bytes, at the encoding of an Array or Map.
func textual(v Value) bool {
	return v.Type == String || v.Type == Bytes || v.Type == Array || v.Type == Map
}

// compare orders two values; ok is false when their types do not compare. NaN
// compares with nothing. Arrays and maps compare with nothing.
func compare(a, b Value) (order int, ok bool) {
	switch {
	case a.Type == Int && b.Type == Int:
		return cmp.Compare(a.Int(), b.Int()), true
	case a.Type == Bool && b.Type == Bool:
		return cmp.Compare(a.num, b.num), true
	case a.Type == String && b.Type == String, a.Type == Bytes && b.Type == Bytes:
		return cmp.Compare(a.str, b.str), true
	case (a.Type == Int || a.Type == Double) && (b.Type == Int || b.Type == Double):
		x, y := a.number(), b.number()
		if x != x || y != y {
			return 0, false
		}
		return cmp.Compare(x, y), true
	}
	return 0, false
}

// number is the content of an Int or Double as a float.
func (v Value) number() float64 {
	if v.Type == Int {
		return float64(v.Int())
	}
	return v.Double()
}

// containsFold reports whether s contains sub, letter case ignored.
func containsFold(s, sub string) bool {
	if sub == "" {
		return true
	}
	first, _ := utf8.DecodeRuneInString(sub)
	for i, r := range s {
		if (r == first || foldsTo(r, first)) && hasPrefixFold(s[i:], sub) {
			return true
		}
	}
	return false
}

func hasPrefixFold(s, prefix string) bool {
	for _, want := range prefix {
		r, size := utf8.DecodeRuneInString(s)
		if size == 0 || (r != want && !foldsTo(r, want)) {
			return false
		}
		s = s[size:]
	}
	return true
}

// foldsTo reports whether a and b are the same letter in another case.
func foldsTo(a, b rune) bool {
	for r := unicode.SimpleFold(a); r != a; r = unicode.SimpleFold(r) {
		if r == b {
			return true
		}
	}
	return false
}

// attrValues yields the values of one key.
func attrValues(attrs []Attr, key string, yield func(Value) bool) bool {
	for i := range attrs {
		if attrs[i].Key == key && !yield(attrs[i].Value) {
			return false
		}
	}
	return true
}

// sharedValues yields the values of fields that spans and logs have alike.
func sharedValues(r *Resource, sc *Scope, attrs []Attr, f Field, yield func(Value) bool) {
	switch f.Place {
	case RecordAttr:
		attrValues(attrs, f.Name, yield)
	case ResourceAttr:
		attrValues(r.Attrs, f.Name, yield)
	case ScopeAttr:
		attrValues(sc.Attrs, f.Name, yield)
	case AnyAttr:
		_ = attrValues(attrs, f.Name, yield) && attrValues(r.Attrs, f.Name, yield) && attrValues(sc.Attrs, f.Name, yield)
	case Intrinsic:
		switch f.Name {
		case FieldScopeName:
			yield(StringValue(sc.Name))
		case FieldScopeVersion:
			yield(StringValue(sc.Version))
		}
	}
}

// SpanValues calls yield for each value of field f of s until yield returns
// false. A field that s lacks has no values.
func SpanValues(s *Span, f Field, yield func(Value) bool) {
	switch f.Place {
	case EventAttr:
		for i := range s.Events {
			if !attrValues(s.Events[i].Attrs, f.Name, yield) {
				return
			}
		}
		return
	case LinkAttr:
		for i := range s.Links {
			if !attrValues(s.Links[i].Attrs, f.Name, yield) {
				return
			}
		}
		return
	case Intrinsic:
		switch f.Name {
		case FieldName:
			yield(StringValue(s.Name))
		case FieldKind:
			yield(IntValue(int64(s.Kind)))
		case FieldStatus:
			yield(IntValue(int64(s.StatusCode)))
		case FieldStatusMessage:
			yield(StringValue(s.StatusMessage))
		case FieldDuration:
			yield(IntValue(int64(min(s.Duration(), 1<<63-1))))
		case FieldTraceID:
			yield(StringValue(s.TraceID.String()))
		case FieldSpanID:
			yield(StringValue(s.SpanID.String()))
		case FieldParentID:
			yield(StringValue(parentText(s.ParentID)))
		case FieldTraceState:
			yield(StringValue(s.TraceState))
		case FieldEventName:
			for i := range s.Events {
				if !yield(StringValue(s.Events[i].Name)) {
					return
				}
			}
		}
	}
	sharedValues(s.Resource, s.Scope, s.Attrs, f, yield)
}

func parentText(id SpanID) string {
	if id == (SpanID{}) {
		return ""
	}
	return id.String()
}

// LogValues is SpanValues for a log record.
func LogValues(l *Log, f Field, yield func(Value) bool) {
	if f.Place == Intrinsic {
		switch f.Name {
		case FieldSeverity:
			yield(IntValue(int64(l.SeverityNumber)))
		case FieldSeverityText:
			yield(StringValue(l.SeverityText))
		case FieldBody:
			yield(l.Body)
		case FieldTraceID:
			yield(StringValue(l.TraceID.String()))
		case FieldSpanID:
			yield(StringValue(l.SpanID.String()))
		case FieldEventName:
			yield(StringValue(l.EventName))
		}
	}
	sharedValues(l.Resource, l.Scope, l.Attrs, f, yield)
}
