package query

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/signalbox-otel/signalbox/internal/store"
)

// notRegexp stands for !~ until it is written as a Not.
const notRegexp store.Op = 255

var comparisons = map[string]store.Op{
	"=": store.Eq, "!=": store.Ne, "<": store.Lt, "<=": store.Le, ">": store.Gt, ">=": store.Ge,
	"=~": store.Regexp, "!~": notRegexp,
}

// flips says what an operator becomes when its sides are swapped.
var flips = map[store.Op]store.Op{
	store.Eq: store.Eq, store.Ne: store.Ne, store.Lt: store.Gt, store.Le: store.Ge, store.Gt: store.Lt, store.Ge: store.Le,
}

var (
	kindWords     = []string{"unspecified", "internal", "server", "client", "producer", "consumer"}
	statusWords   = []string{"unset", "ok", "error"}
	severityWords = []string{"trace", "debug", "info", "warn", "error", "fatal"} // four numbers each, from 1
)

// comparison is one condition while it is checked.
type comparison struct {
	p     *parser
	field field
	name  string // the field as typed
	op    store.Op
	opPos int
	value token
}

func (c *comparison) fail(format string, args ...any) error {
	return c.p.fail(c.value.pos, format, args...)
}

// expr gives the condition that the comparison means.
func (c *comparison) expr() (store.Expr, error) {
	if v := c.value; v.kind == tokenWord {
		if v.plain < len(v.text) {
			return nil, c.fail("put the whole value into quotes")
		}
		if _, _, scoped := c.p.lang.scope(v); scoped && !numeric(v.text) {
			return nil, c.fail("comparing two fields is not supported; put text into double quotes")
		}
	}
	if c.value.keyword("nil") {
		return c.absence()
	}
	switch c.field.typ {
	case durationType:
		return c.duration()
	case kindType:
		return c.enum(kindWords)
	case statusType:
		return c.enum(statusWords)
	case severityType:
		return c.severity()
	case rootType:
		return c.root()
	case textType:
		return c.with(store.StringValue(c.value.text))
	case idType:
		return c.with(store.StringValue(c.id()))
	}
	v, err := c.literal()
	if err != nil {
		return nil, err
	}
	return c.with(v)
}

// absence is a comparison with nil.
func (c *comparison) absence() (store.Expr, error) {
	if c.op != store.Eq && c.op != store.Ne {
		return nil, c.p.fail(c.opPos, "nil only goes with = (is missing) and != (is there)")
	}
	switch {
	case c.field.typ == idType || c.field.typ == textType && c.field.always:
		none := ""
		if c.field.idLen > 0 && c.field.Name != store.FieldParentID {
			none = strings.Repeat("0", c.field.idLen)
		}
		return store.Cond{Field: c.field.Field, Op: c.op, Value: store.StringValue(none)}, nil
	case c.field.always:
		return nil, c.fail("every %s has a %s; it is never nil", c.p.record(), c.name)
	case c.op == store.Ne:
		return store.Cond{Field: c.field.Field, Op: store.Exists}, nil
	}
	return store.Not{Expr: store.Cond{Field: c.field.Field, Op: store.Exists}}, nil
}

// with compares with a value that fits the field.
func (c *comparison) with(v store.Value) (store.Expr, error) {
	cond := store.Cond{Field: c.field.Field, Op: c.op, Value: v}
	switch {
	case c.op != store.Regexp && c.op != notRegexp:
		if v.Type == store.Bool && c.op != store.Eq && c.op != store.Ne {
			return nil, c.p.fail(c.opPos, "true and false only go with = and !=")
		}
		return cond, nil
	case v.Type != store.String:
		return nil, c.fail("a regular expression is text; put it into double quotes or backquotes")
	}
	if _, err := store.CompileRegexp(v.Str()); err != nil {
		return nil, c.fail("%v", err)
	}
	cond.Op = store.Regexp
	switch {
	case c.op == store.Regexp:
		return cond, nil
	case c.field.always:
		return store.Not{Expr: cond}, nil
	}
	// As != does, !~ only holds for records that have the field.
	return allOf(store.Cond{Field: c.field.Field, Op: store.Exists}, store.Not{Expr: cond}), nil
}

// ordered refuses regular expressions for fields that are numbers, and order
// for those that are names of things.
func (c *comparison) ordered(order bool) error {
	if c.op == store.Eq || c.op == store.Ne || order && c.op != store.Regexp && c.op != notRegexp {
		return nil
	}
	if order {
		return c.p.fail(c.opPos, "%s is a number: it goes with = != < <= > >=", c.name)
	}
	return c.p.fail(c.opPos, "%s is one of a few words: it goes with = and !=", c.name)
}

func (c *comparison) duration() (store.Expr, error) {
	if err := c.ordered(true); err != nil {
		return nil, err
	}
	d, err := time.ParseDuration(c.value.text)
	if err != nil || c.value.kind != tokenWord {
		return nil, c.fail("%s takes a number with a unit (ns, us, ms, s, m, h), as in 40ms", c.name)
	}
	return store.Cond{Field: c.field.Field, Op: c.op, Value: store.IntValue(int64(d))}, nil
}

func (c *comparison) enum(words []string) (store.Expr, error) {
	if err := c.ordered(false); err != nil {
		return nil, err
	}
	n, err := strconv.ParseInt(c.value.text, 10, 32)
	if i := indexFold(words, c.value.text); i >= 0 {
		n = int64(i)
	} else if err != nil || c.value.kind != tokenWord {
		return nil, c.unknownWord(words)
	}
	return store.Cond{Field: c.field.Field, Op: c.op, Value: store.IntValue(n)}, nil
}

func (c *comparison) unknownWord(words []string) error {
	hint := ""
	if w := Closest(c.value.text, words); w != "" {
		hint = "; did you mean " + w + "?"
	}
	return c.fail("%s is one of %s%s", c.name, strings.Join(words, ", "), hint)
}

func indexFold(words []string, s string) int {
	for i, w := range words {
		if strings.EqualFold(w, s) {
			return i
		}
	}
	return -1
}

// severity compares with a number, or with the range of four numbers that a
// word stands for: > warn means above all of them.
func (c *comparison) severity() (store.Expr, error) {
	if err := c.ordered(true); err != nil {
		return nil, err
	}
	cond := func(op store.Op, n int64) store.Cond {
		return store.Cond{Field: c.field.Field, Op: op, Value: store.IntValue(n)}
	}
	word := c.value.text
	if strings.EqualFold(word, "warning") {
		word = "warn"
	}
	i := indexFold(severityWords, word)
	if i < 0 {
		n, err := strconv.ParseInt(word, 10, 32)
		if err != nil || c.value.kind != tokenWord {
			return nil, c.unknownWord(severityWords)
		}
		return cond(c.op, n), nil
	}
	low, high := int64(4*i+1), int64(4*i+4)
	switch c.op {
	case store.Eq:
		return store.And{cond(store.Ge, low), cond(store.Le, high)}, nil
	case store.Ne:
		return store.Or{cond(store.Lt, low), cond(store.Gt, high)}, nil
	case store.Lt, store.Ge:
		return cond(c.op, low), nil
	}
	return cond(c.op, high), nil
}

// root reads what Grafana writes for "is a root span": nestedSetParent < 0.
func (c *comparison) root() (store.Expr, error) {
	isRoot := store.Cond{Field: c.field.Field, Op: store.Eq, Value: store.StringValue("")}
	switch {
	case c.op == store.Lt && c.value.text == "0", c.op == store.Eq && c.value.text == "-1":
		return isRoot, nil
	case c.op == store.Ge && c.value.text == "0", c.op == store.Ne && c.value.text == "-1":
		isRoot.Op = store.Ne
		return isRoot, nil
	}
	return nil, c.p.fail(c.opPos, "nestedSetParent only tells roots: write nestedSetParent < 0, or span:parentID = nil")
}

// id gives an id the form in which ids are kept: lower case, and filled up with
// zeros from the left.
func (c *comparison) id() string {
	text := c.value.text
	if c.op == store.Regexp || c.op == notRegexp {
		return text
	}
	text = strings.ToLower(text)
	if text == "" || strings.Trim(text, "0123456789abcdef") != "" {
		return text
	}
	return strings.Repeat("0", max(0, c.field.idLen-len(text))) + text
}

// literal reads the value for a field of any type.
func (c *comparison) literal() (store.Value, error) {
	text := c.value.text
	switch {
	case c.value.kind == tokenText:
		return store.StringValue(text), nil
	case text == "true" || text == "false":
		return store.BoolValue(text == "true"), nil
	case !numeric(text):
		return store.StringValue(text), nil
	}
	v, err := number(text)
	if err != nil {
		return v, c.fail("%v", err)
	}
	return v, nil
}

// isLiteral reports whether a token can only be a value.
func isLiteral(t token) bool {
	return t.kind == tokenText || t.keyword("true") || t.keyword("false") || t.keyword("nil") ||
		t.plain == len(t.text) && t.text[0] != '.' && numeric(t.text)
}

// numeric reports whether a word is a number or a duration.
func numeric(s string) bool {
	_, err := number(s)
	return err == nil || err == errRange
}

var errRange = fmt.Errorf("this number is too large")
var errNotNumber = fmt.Errorf("not a number")

// number reads an int, a float, or a duration in nanoseconds.
func number(s string) (store.Value, error) {
	digits := strings.TrimLeft(s, "+-")
	if len(digits) < len(s)-1 || digits == "" || digits[0] != '.' && (digits[0] < '0' || digits[0] > '9') {
		return store.Value{}, errNotNumber
	}
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		return store.IntValue(n), nil
	}
	if strings.Trim(digits, "0123456789.eE+-") == "" {
		f, err := strconv.ParseFloat(s, 64)
		if err == nil {
			return store.DoubleValue(f), nil
		}
		if math.IsInf(f, 0) {
			return store.Value{}, errRange
		}
		return store.Value{}, errNotNumber
	}
	if d, err := time.ParseDuration(s); err == nil {
		return store.IntValue(int64(d)), nil
	}
	return store.Value{}, errNotNumber
}
