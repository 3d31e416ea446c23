package logql

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/signalbox-otel/signalbox/internal/query"
)

// tokenKind is what sort of token it is.
type tokenKind uint8

const (
	tokenEnd tokenKind = iota
	tokenName
	tokenText   // quoted text
	tokenNumber // 10, 0.5, 1e3
	tokenDuration
	tokenBytes // 5KiB
	tokenFlag  // --strict
	tokenOp
)

// token is one piece of a query. Which of its values is set, its kind says.
type token struct {
	kind     tokenKind
	text     string // name, operator, flag, or text with quotes undone
	number   float64
	duration time.Duration
	pos, end int
}

func (t token) op(ops ...string) bool {
	if t.kind != tokenOp {
		return false
	}
	for _, op := range ops {
		if t.text == op {
			return true
		}
	}
	return false
}

func (t token) word(w string) bool { return t.kind == tokenName && t.text == w }

// operators, longest first.
var operators = []string{
	"|=", "|~", "|>", "!=", "!~", "!>", "=~", "==", ">=", "<=",
	"=", ">", "<", "|", "{", "}", "(", ")", "[", "]", ",", "+", "-", "*", "/", "%", "^",
}

// flags of parsers.
var flags = []string{"--strict", "--keep-empty"}

// lex cuts a query into tokens, the last of which is a tokenEnd.
func lex(src string) ([]token, error) {
	var tokens []token
	for i := 0; ; {
		i = skipSpace(src, i)
		if i == len(src) {
			return append(tokens, token{kind: tokenEnd, pos: i, end: i}), nil
		}
		t, err := lexOne(src, i)
		if err != nil {
			return nil, err
		}
		tokens = append(tokens, t)
		i = t.end
	}
}

// skipSpace goes over blanks and comments, which go from # to the end of a line.
func skipSpace(src string, i int) int {
	for i < len(src) {
		switch src[i] {
		case ' ', '\t', '\r', '\n':
			i++
		case '#':
			if n := strings.IndexByte(src[i:], '\n'); n >= 0 {
				i += n
			} else {
				i = len(src)
			}
		default:
			return i
		}
	}
	return i
}

func lexOne(src string, i int) (token, error) {
	c := src[i]
	switch {
	case c == '"' || c == '`':
		return lexText(src, i)
	case nameStart(c):
		end := i
		for end < len(src) && (nameStart(src[end]) || digit(src[end])) {
			end++
		}
		return token{kind: tokenName, text: src[i:end], pos: i, end: end}, nil
	case digit(c), c == '.' && i+1 < len(src) && digit(src[i+1]):
		return lexNumber(src, i)
	}
	for _, flag := range flags {
		if strings.HasPrefix(src[i:], flag) {
			return token{kind: tokenFlag, text: flag, pos: i, end: i + len(flag)}, nil
		}
	}
	for _, op := range operators {
		if strings.HasPrefix(src[i:], op) {
			return token{kind: tokenOp, text: op, pos: i, end: i + len(op)}, nil
		}
	}
	_, size := utf8.DecodeRuneInString(src[i:])
	return token{}, &query.SyntaxError{Query: src, Pos: i, Msg: fmt.Sprintf("%q is not expected here; put text into double quotes", src[i:i+size])}
}

func nameStart(c byte) bool { return c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' }
func digit(c byte) bool     { return c >= '0' && c <= '9' }

// lexText reads quoted text: in double quotes with Go's escapes, in backquotes
// as it is.
func lexText(src string, i int) (token, error) {
	quote := src[i]
	for end := i + 1; end < len(src); end++ {
		switch {
		case src[end] == '\\' && quote == '"':
			end++
		case src[end] == quote:
			end++
			t := token{kind: tokenText, pos: i, end: end}
			if quote == '`' {
				t.text = src[i+1 : end-1]
				return t, nil
			}
			var err error
			// Unquote wants line breaks escaped; users paste them as they are.
			if t.text, err = strconv.Unquote(strings.ReplaceAll(src[i:end], "\n", `\n`)); err != nil {
				return t, &query.SyntaxError{Query: src, Pos: i, Msg: "this text has an unknown escape; write a backslash as \\\\, or use backquotes"}
			}
			return t, nil
		}
	}
	return token{}, &query.SyntaxError{Query: src, Pos: i, Msg: fmt.Sprintf("the closing %c of this text is missing", quote)}
}

// lexNumber reads a number, a duration or a size.
func lexNumber(src string, i int) (token, error) {
	end := i
	for end < len(src) {
		c := src[end]
		sign := (c == '+' || c == '-') && (src[end-1] == 'e' || src[end-1] == 'E') && plainNumber(src[i:end-1])
		if !digit(c) && !nameStart(c) && c != '.' && !sign && !strings.HasPrefix(src[end:], "µ") && c != 0xb5 {
			break
		}
		end++
	}
	t := token{pos: i, end: end, text: src[i:end]}
	if f, err := strconv.ParseFloat(t.text, 64); err == nil && !strings.ContainsAny(t.text, "xX_pP") {
		t.kind, t.number = tokenNumber, f
		return t, nil
	}
	if d, ok := parseDuration(t.text); ok {
		t.kind, t.duration = tokenDuration, d
		return t, nil
	}
	if n, ok := parseBytes(t.text); ok {
		t.kind, t.number = tokenBytes, n
		return t, nil
	}
	return t, &query.SyntaxError{Query: src, Pos: i, Msg: fmt.Sprintf("%q is no number, no duration like 5m and no size like 10KB", t.text)}
}

func plainNumber(s string) bool {
	return strings.Trim(s, "0123456789.") == ""
}
