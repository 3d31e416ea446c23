package traceql

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/signalbox-otel/signalbox/internal/query"
)

// tokenKind is what sort of token it is.
type tokenKind uint8

const (
	tokenEnd       tokenKind = iota
	tokenWord                // an intrinsic, a function, a word such as error
	tokenAttribute           // a scope and the name of an attribute
	tokenLiteral             // text, a number, a duration
	tokenOperator            // an operator or a bracket
)

// token is one piece of a query.
type token struct {
	kind     tokenKind
	text     string // the word or operator; the attribute's name without its scope
	scope    scope
	parent   bool
	v        Value
	pos, end int
}

func (t token) is(ops ...string) bool {
	if t.kind != tokenOperator {
		return false
	}
	for _, op := range ops {
		if t.text == op {
			return true
		}
	}
	return false
}

func (t token) word(words ...string) bool {
	if t.kind != tokenWord {
		return false
	}
	for _, w := range words {
		if t.text == w {
			return true
		}
	}
	return false
}

// operators, longest first.
var operators = []string{"!>>", "!<<", "&>>", "&<<", "&&", "||", "!=", "!~", "!>", "!<", "&>", "&<", "&~", "=~", ">>", "<<", ">=", "<=",
	"=", "<", ">", "~", "!", "&", "|", "+", "-", "*", "/", "%", "^", "(", ")", "{", "}", ",", ";"}

// lexer cuts a query into tokens.
type lexer struct {
	src string
	i   int
}

func (l *lexer) fail(pos int, format string, args ...any) error {
	return &query.SyntaxError{Query: l.src, Pos: pos, Msg: fmt.Sprintf(format, args...)}
}

// lex gives the tokens of src, the last of which is a tokenEnd.
func lex(src string) ([]token, error) {
	l := &lexer{src: src}
	var tokens []token
	for {
		if err := l.space(); err != nil {
			return nil, err
		}
		t, err := l.next()
		if err != nil {
			return nil, err
		}
		tokens = append(tokens, t)
		if t.kind == tokenEnd {
			return tokens, nil
		}
	}
}

// space passes over spaces and comments, which are Go's.
func (l *lexer) space() error {
	for {
		l.i += len(l.src[l.i:]) - len(strings.TrimLeftFunc(l.src[l.i:], unicode.IsSpace))
		end, size := "", 0
		switch {
		case strings.HasPrefix(l.src[l.i:], "//"):
			end = "\n"
		case strings.HasPrefix(l.src[l.i:], "/*"):
			end, size = "*/", 2
		default:
			return nil
		}
		length := strings.Index(l.src[l.i+size:], end)
		switch {
		case length >= 0:
			l.i += size + length + len(end)
		case size > 0:
			return l.fail(l.i, "the closing */ of this comment is missing")
		default:
			l.i = len(l.src)
		}
	}
}

func (l *lexer) next() (token, error) {
	t := token{pos: l.i}
	var err error
	switch rest := l.src[l.i:]; {
	case rest == "":
	case rest[0] == '"' || rest[0] == '`':
		t.kind = tokenLiteral
		var text string
		text, l.i, err = query.Quoted(l.src, l.i)
		t.v = textValue(text)
	case isDigit(rest[0]) || len(rest) > 1 && rest[0] == '.' && isDigit(rest[1]):
		t.kind = tokenLiteral
		t.v, err = l.number()
	case rest[0] == '.':
		l.i++
		t, err = l.attribute(t)
	case isLetter(rest[0]):
		t, err = l.word(t)
	default:
		t.kind, t.text = tokenOperator, operatorAt(rest)
		l.i += len(t.text)
		if t.text == "" {
			return t, l.unknown()
		}
	}
	t.end = l.i
	return t, err
}

// unknown says what is wrong with a character that nothing begins with.
func (l *lexer) unknown() error {
	r, size := utf8.DecodeRuneInString(l.src[l.i:])
	switch {
	case r == utf8.RuneError && size == 1:
		return l.fail(l.i, "this is not valid UTF-8")
	case r == '\'':
		return l.fail(l.i, "text is put into double quotes or backquotes")
	}
	return l.fail(l.i, "%q is not expected here", r)
}

func operatorAt(s string) string {
	for _, op := range operators {
		if strings.HasPrefix(s, op) {
			return op
		}
	}
	return ""
}

func isDigit(b byte) bool { return b >= '0' && b <= '9' }

func isLetter(b byte) bool { return b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || b == '_' }

// word reads a word, or an attribute that begins with a scope.
func (l *lexer) word(t token) (token, error) {
	t.kind, t.text = tokenWord, l.letters()
	switch {
	case strings.HasPrefix(l.src[l.i:], ":") && l.i+1 < len(l.src) && isLetter(l.src[l.i+1]):
		l.i++
		t.text += ":" + l.letters()
	case strings.HasPrefix(l.src[l.i:], "."):
		l.i++
		if t.text == "parent" {
			t.parent, t.text = true, ""
			for _, scope := range []string{"span", "resource", "instrumentation"} {
				if strings.HasPrefix(l.src[l.i:], scope+".") {
					t.text = scope
					l.i += len(scope) + 1
					break
				}
			}
		}
		return l.scoped(t)
	}
	return t, nil
}

// letters reads the letters and digits of a word.
func (l *lexer) letters() string {
	from := l.i
	for l.i < len(l.src) && (isLetter(l.src[l.i]) || isDigit(l.src[l.i])) {
		l.i++
	}
	return l.src[from:l.i]
}

// scoped reads the attribute behind the scope t.text and its dot.
func (l *lexer) scoped(t token) (token, error) {
	word := t.text
	for s, w := range scopeWords {
		if w == word {
			t.scope = scope(s)
			return l.attribute(t)
		}
	}
	if _, err := l.attribute(t); err != nil {
		return t, err
	}
	whole := l.src[t.pos:l.i]
	if scope := query.Closest(word, scopeWords[1:]); scope != "" {
		return t, l.fail(t.pos, "unknown scope %s; did you mean %s%s? For an attribute of that very name write .%s", word, scope, whole[len(word):], whole)
	}
	return t, l.fail(t.pos, "attributes are written with their scope: span.%s, resource.%s, or .%s for either", whole, whole, whole)
}

// attribute reads the name of an attribute behind its scope and dot.
func (l *lexer) attribute(t token) (token, error) {
	t.kind = tokenAttribute
	var name strings.Builder
	for l.i < len(l.src) {
		if l.src[l.i] == '"' {
			part, end, err := query.Quoted(l.src, l.i)
			if err != nil {
				return t, err
			}
			name.WriteString(part)
			l.i = end
			continue
		}
		r, size := utf8.DecodeRuneInString(l.src[l.i:])
		if r == utf8.RuneError && size == 1 {
			return t, l.unknown()
		}
		if !attributeRune(r) {
			break
		}
		name.WriteString(l.src[l.i : l.i+size])
		l.i += size
	}
	if t.text = name.String(); t.text == "" {
		return t, l.fail(t.pos, "the name of the attribute is missing behind %s", l.src[t.pos:l.i])
	}
	return t, nil
}

// attributeRune reports whether r can be in the name of an attribute without
// quotes. Arithmetic operators can: spaces around them tell them from names.
func attributeRune(r rune) bool {
	return unicode.IsPrint(r) && r != ' ' && !strings.ContainsRune("\"{}()=~!<>&|^,", r)
}

// number reads an integer, a float or a duration.
func (l *lexer) number() (Value, error) {
	from := l.i
	for l.i < len(l.src) && (isDigit(l.src[l.i]) || l.src[l.i] == '.') {
		l.i++
	}
	if rest := strings.TrimLeft(l.src[l.i:], "eE"); len(rest) == len(l.src[l.i:])-1 {
		sign := len(rest) - len(strings.TrimLeft(rest, "+-"))
		if sign <= 1 && len(rest) > sign && isDigit(rest[sign]) {
			for l.i += 1 + sign; l.i < len(l.src) && isDigit(l.src[l.i]); {
				l.i++
			}
		}
	}
	if unit := unitAt(l.src[l.i:]); unit != "" {
		return l.duration(from)
	}
	text := l.src[from:l.i]
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return intValue(n), nil
	}
	f, err := strconv.ParseFloat(text, 64)
	switch {
	case math.IsInf(f, 0):
		return Value{}, l.fail(from, "this number is too large")
	case err != nil:
		return Value{}, l.fail(from, "%s is not a number", text)
	}
	return floatValue(f), nil
}

func unitAt(s string) string {
	best := ""
	for _, unit := range durationUnits {
		if strings.HasPrefix(s, unit.name) && len(unit.name) > len(best) {
			best = unit.name
		}
	}
	return best
}

// duration reads numbers with units from on; the first number was read.
func (l *lexer) duration(from int) (Value, error) {
	total, number := 0.0, from
	for {
		text, unit := l.src[number:l.i], unitAt(l.src[l.i:])
		if unit == "" {
			return Value{}, l.fail(from, "the unit of this duration is missing behind %s: ns, us, ms, s, m, h, d, w or y", text)
		}
		l.i += len(unit)
		for _, u := range durationUnits {
			if u.name != unit {
				continue
			}
			f, err := strconv.ParseFloat(text, 64)
			if err != nil {
				return Value{}, l.fail(from, "%s is not a number", text)
			}
			total += f * float64(u.size)
		}
		if number = l.i; l.i == len(l.src) || !isDigit(l.src[l.i]) {
			break
		}
		for l.i < len(l.src) && (isDigit(l.src[l.i]) || l.src[l.i] == '.') {
			l.i++
		}
	}
	if d, err := time.ParseDuration(l.src[from:l.i]); err == nil {
		return durationValue(d), nil // without rounding
	}
	if total >= math.MaxInt64 {
		return Value{}, l.fail(from, "this duration is too long")
	}
	return durationValue(time.Duration(math.Round(total))), nil
}
