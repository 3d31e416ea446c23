package query

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// tokenKind is what sort of token it is.
type tokenKind uint8

const (
	tokenEnd  tokenKind = iota
	tokenWord           // a name, a number, a bare word
	tokenText           // quoted text
	tokenOp             // an operator or a bracket
)

// token is one piece of a condition.
type token struct {
	kind tokenKind
	// text is the operator, or the word or quoted text with quotes undone.
	text string
	// plain is how much of a word came unquoted: span."my attr" has 5.
	plain    int
	pos, end int
}

func (t token) is(ops ...string) bool {
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

// operators, longest first.
var operators = []string{"&&", "||", "=~", "!~", "!=", "<=", ">=", "=", "<", ">", "!", "(", ")", "{", "}", "|", "&", ",", "~", "[", "]", ";"}

// lex cuts a condition into tokens, the last of which is a tokenEnd.
func lex(src string) ([]token, error) {
	var tokens []token
	for i := 0; ; {
		i += len(src[i:]) - len(strings.TrimLeftFunc(src[i:], unicode.IsSpace))
		if i == len(src) {
			return append(tokens, token{kind: tokenEnd, pos: i, end: i}), nil
		}
		t := token{pos: i}
		var err error
		switch op := operatorAt(src[i:]); {
		case src[i] == '"' || src[i] == '`':
			t.kind = tokenText
			t.text, t.end, err = Quoted(src, i)
		case op != "":
			t.kind, t.text, t.end = tokenOp, op, i+len(op)
		default:
			t, err = word(src, i)
		}
		if err != nil {
			return nil, err
		}
		tokens = append(tokens, t)
		i = t.end
	}
}

func operatorAt(s string) string {
	for _, op := range operators {
		if strings.HasPrefix(s, op) {
			return op
		}
	}
	return ""
}

// word reads a word at i; behind a dot, a part of a name may be quoted.
func word(src string, i int) (token, error) {
	t := token{kind: tokenWord, pos: i, plain: -1}
	var text strings.Builder
	for i < len(src) {
		if src[i] == '"' && strings.HasSuffix(text.String(), ".") {
			if t.plain < 0 {
				t.plain = text.Len()
			}
			part, end, err := Quoted(src, i)
			if err != nil {
				return t, err
			}
			text.WriteString(part)
			i = end
			continue
		}
		r, size := utf8.DecodeRuneInString(src[i:])
		if r == utf8.RuneError && size == 1 {
			return t, &SyntaxError{src, i, "this is not valid UTF-8"}
		}
		if !wordRune(r) {
			break
		}
		text.WriteString(src[i : i+size])
		i += size
	}
	t.text, t.end = text.String(), i
	if t.plain < 0 {
		t.plain = len(t.text)
	}
	if i == t.pos {
		return t, &SyntaxError{src, i, fmt.Sprintf("%q is not expected here; put text into double quotes", src[i:i+runeLen(src[i:])])}
	}
	return t, nil
}

func runeLen(s string) int {
	_, size := utf8.DecodeRuneInString(s)
	return size
}

// wordRune reports whether r can be in a word without quotes.
func wordRune(r rune) bool {
	return unicode.IsPrint(r) && r != ' ' && !strings.ContainsRune("\"`'\\!=<>~&|,;(){}[]", r)
}

// Quoted reads the quoted text that begins at src[i]: in double quotes with Go's escapes, in
// backquotes as it is.
func Quoted(src string, i int) (text string, end int, err error) {
	quote := src[i]
	for end = i + 1; end < len(src); end++ {
		switch {
		case src[end] == '\\' && quote == '"':
			end++
		case src[end] == quote:
			end++
			if quote == '`' {
				return src[i+1 : end-1], end, nil
			}
			// Unquote wants line breaks escaped; users paste them as they are.
			text, err := strconv.Unquote(strings.ReplaceAll(src[i:end], "\n", `\n`))
			if err != nil {
				return "", end, &SyntaxError{src, i, "this text has an unknown escape; write a backslash as \\\\, or use backquotes"}
			}
			return text, end, nil
		}
	}
	return "", len(src), &SyntaxError{src, i, fmt.Sprintf("the closing %c of this text is missing", quote)}
}
