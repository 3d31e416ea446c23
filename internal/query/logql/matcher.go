package logql

import (
	"regexp"
	"strconv"
	"strings"
)

// MatchOp is a comparison of text.
type MatchOp uint8

// The comparisons of a Matcher.
const (
	MatchEqual MatchOp = iota
	MatchNotEqual
	MatchRegexp
	MatchNotRegexp
)

var matchOps = [...]string{"=", "!=", "=~", "!~"}

// String is the operator as it is written.
func (o MatchOp) String() string { return matchOps[o] }

// Matcher compares the value of a label; one that is not there has the value "".
type Matcher struct {
	Name  string
	Op    MatchOp
	Value string
	re    *regexp.Regexp // of MatchRegexp and MatchNotRegexp
}

// NewMatcher compiles a matcher. Regular expressions are anchored at both ends.
func NewMatcher(name string, op MatchOp, value string) (*Matcher, error) {
	m := &Matcher{Name: name, Op: op, Value: value}
	if op == MatchRegexp || op == MatchNotRegexp {
		re, err := regexp.Compile("^(?s:" + value + ")$")
		if err != nil {
			return nil, err
		}
		m.re = re
	}
	return m, nil
}

// Matches reports whether a label of value v satisfies m.
func (m *Matcher) Matches(v string) bool {
	switch m.Op {
	case MatchEqual:
		return v == m.Value
	case MatchNotEqual:
		return v != m.Value
	case MatchRegexp:
		return m.re.MatchString(v)
	}
	return !m.re.MatchString(v)
}

// String is the matcher as it is written.
func (m *Matcher) String() string { return m.Name + m.Op.String() + strconv.Quote(m.Value) }

// Label is one label of a series, a stream or a record.
type Label struct{ Name, Value string }

// Labels are sorted by name and have no name twice.
type Labels []Label

// Get is the value of a label, "" when there is none.
func (ls Labels) Get(name string) string {
	for i := range ls {
		if ls[i].Name == name {
			return ls[i].Value
		}
	}
	return ""
}

// String is the labels as a selector writes them.
func (ls Labels) String() string {
	var b strings.Builder
	b.WriteByte('{')
	for i, l := range ls {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(l.Name + "=" + strconv.Quote(l.Value))
	}
	b.WriteByte('}')
	return b.String()
}

// key identifies labels in maps.
func (ls Labels) key() string {
	n := 0
	for i := range ls {
		n += len(ls[i].Name) + len(ls[i].Value) + 2
	}
	b := make([]byte, 0, n)
	for i := range ls {
		b = append(append(append(append(b, ls[i].Name...), 0xfe), ls[i].Value...), 0xff)
	}
	return string(b)
}
