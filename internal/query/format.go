package query

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/signalbox-otel/signalbox/internal/store"
)

// Format writes a condition so that Parse reads it back as the same condition
// on records of that kind. A nil condition gives "".
func Format(kind store.Kind, e store.Expr) string {
	if e == nil {
		return ""
	}
	var b strings.Builder
	formatter{&b, kind}.expr(e, false)
	return b.String()
}

// formatter writes conditions.
type formatter struct {
	*strings.Builder
	kind store.Kind
}

// expr writes e; inAnd says that an Or needs brackets.
func (w formatter) expr(e store.Expr, inAnd bool) {
	switch e := e.(type) {
	case store.And:
		w.join(pieces(e, nil), " && ", "true", true)
	case store.Or:
		parts := pieces(e, languageOf(w.kind).text)
		if brackets := inAnd && len(parts) > 1; brackets {
			w.WriteString("(")
			defer w.WriteString(")")
		}
		w.join(parts, " || ", "false", inAnd && len(parts) == 1)
	case store.Not:
		if c, ok := e.Expr.(store.Cond); ok && c.Op == store.Exists {
			w.WriteString(FormatField(w.kind, c.Field) + " = nil")
			return
		}
		w.WriteString("!(")
		w.expr(e.Expr, false)
		w.WriteString(")")
	case store.Cond:
		w.cond(e)
	}
}

// piece is a condition, or the text that several conditions search for.
type piece struct {
	expr store.Expr // nil: text
	text string
}

// pieces finds the text searches among the parts of an Or: runs of conditions
// that look for the same text in each of the fields.
func pieces(parts []store.Expr, fields []store.Field) []piece {
	var found []piece
	for len(parts) > 0 {
		if text, ok := textSearch(parts, fields); ok {
			found = append(found, piece{text: text})
			parts = parts[len(fields):]
			continue
		}
		found = append(found, piece{expr: parts[0]})
		parts = parts[1:]
	}
	return found
}

func textSearch(parts []store.Expr, fields []store.Field) (text string, ok bool) {
	if len(fields) == 0 || len(parts) < len(fields) {
		return "", false
	}
	for i, f := range fields {
		c, isCond := parts[i].(store.Cond)
		if !isCond || c.Op != store.ContainsFold || c.Field != f || i > 0 && c.Value.Str() != text {
			return "", false
		}
		text = c.Value.Str()
	}
	return text, true
}

func (w formatter) join(parts []piece, operator, empty string, inAnd bool) {
	if len(parts) == 0 {
		w.WriteString(empty)
	}
	for i, part := range parts {
		if i > 0 {
			w.WriteString(operator)
		}
		if part.expr == nil {
			w.WriteString(strconv.Quote(part.text))
			continue
		}
		w.expr(part.expr, inAnd)
	}
}

var symbols = map[store.Op]string{
	store.Eq: " = ", store.Ne: " != ", store.Lt: " < ", store.Le: " <= ", store.Gt: " > ", store.Ge: " >= ",
	store.Regexp: " =~ ",
}

func (w formatter) cond(c store.Cond) {
	if text, ok := textSearch([]store.Expr{c}, languageOf(w.kind).text); ok {
		w.WriteString(strconv.Quote(text))
		return
	}
	w.WriteString(FormatField(w.kind, c.Field))
	switch c.Op {
	case store.Exists:
		w.WriteString(" != nil")
	case store.Contains:
		w.WriteString(" =~ " + strconv.Quote(".*"+regexp.QuoteMeta(c.Value.Str())+".*"))
	case store.ContainsFold:
		w.WriteString(" =~ " + strconv.Quote("(?i).*"+regexp.QuoteMeta(c.Value.Str())+".*"))
	default:
		w.WriteString(symbols[c.Op] + FormatValue(c.Field, c.Value))
	}
}

// FormatValue writes a value as a literal that field f compares with.
func FormatValue(f store.Field, v store.Value) string {
	switch v.Type {
	case store.Bool:
		return strconv.FormatBool(v.Bool())
	case store.Double:
		s := strconv.FormatFloat(v.Double(), 'g', -1, 64)
		if strings.Trim(s, "-0123456789") == "" {
			s += ".0" // or it would be read as an int
		}
		return s
	case store.Int:
		n := v.Int()
		switch {
		case f == store.Field{Name: store.FieldDuration}:
			return time.Duration(n).String()
		case f == store.Field{Name: store.FieldKind} && n == int64(int32(n)):
			return KindWord(int32(n))
		case f == store.Field{Name: store.FieldStatus} && n == int64(int32(n)):
			return StatusWord(int32(n))
		}
		return strconv.FormatInt(n, 10)
	}
	return strconv.Quote(v.Str())
}

// formattedNames are the intrinsics that are not written as the store names them.
var formattedNames = map[string]string{
	store.FieldTraceID: "trace:id", store.FieldSpanID: "span:id", store.FieldParentID: "span:parentID",
	store.FieldEventName: "event:name", store.FieldScopeName: "instrumentation:name", store.FieldScopeVersion: "instrumentation:version",
}

// FormatField writes the name of a field as conditions have it.
func FormatField(kind store.Kind, f store.Field) string {
	scope := ""
	switch f.Place {
	case store.Intrinsic:
		if name := formattedNames[f.Name]; name != "" {
			return name
		}
		return f.Name
	case store.RecordAttr:
		if scope = "span"; kind == store.Logs {
			scope = "log"
		}
	case store.ResourceAttr:
		scope = "resource"
	case store.ScopeAttr:
		scope = "instrumentation"
	case store.EventAttr:
		scope = "event"
	case store.LinkAttr:
		scope = "link"
	}
	plain := scope + "." + f.Name
	tokens, err := lex(plain)
	if err == nil && len(tokens) == 2 && tokens[0].kind == tokenWord {
		if place, name, ok := languageOf(kind).scope(tokens[0]); ok && place == f.Place && name == f.Name {
			return plain
		}
	}
	return scope + "." + strconv.Quote(f.Name)
}

// KindWords are the span kinds as conditions have them, by their OTLP number.
func KindWords() []string { return slices.Clone(kindWords) }

// KindWord is a span kind as conditions have it.
func KindWord(kind int32) string { return wordOr(kindWords, kind) }

// StatusWord is a span's status as conditions have it.
func StatusWord(code int32) string { return wordOr(statusWords, code) }

func wordOr(words []string, n int32) string {
	if n >= 0 && int(n) < len(words) {
		return words[n]
	}
	return strconv.Itoa(int(n))
}
