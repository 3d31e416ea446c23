package query

import (
	"fmt"
	"slices"
	"strings"

	"github.com/signalbox-otel/signalbox/internal/store"
)

// fieldType says which values a field compares with.
type fieldType uint8

const (
	anyType      fieldType = iota // attributes and bodies: what the literal is
	textType                      // text only; bare words and numbers are taken as text
	idType                        // hex text
	durationType                  // nanoseconds, written with a unit
	kindType                      // span kind, written as a word
	statusType                    // span status, written as a word
	severityType                  // severity number, or a word for a range of them
	rootType                      // TraceQL's nestedSetParent, of which only "is a root" is known
)

// field is a name of the language resolved.
type field struct {
	store.Field
	typ fieldType
	// always says that every record has exactly one value: absence is "".
	always bool
	idLen  int // hex digits of an idType
}

func intrinsic(name string, typ fieldType) field {
	f := field{Field: store.Field{Place: store.Intrinsic, Name: name}, typ: typ, always: true}
	switch name {
	case store.FieldTraceID:
		f.idLen = 32
	case store.FieldSpanID, store.FieldParentID:
		f.idLen = 16
	}
	return f
}

// language is what names mean in conditions on one kind of record.
type language struct {
	names  map[string]field       // intrinsics
	scopes map[string]store.Place // by the word before the first dot
	// refused are names that TraceQL has and conditions on one record have not.
	refused map[string]string
	text    []store.Field // what bare text is searched in
}

const (
	wholeTrace = "conditions see one span at a time, not its trace"
	noTree     = "conditions see one span at a time, not its parent or children"
)

var spanLanguage = language{
	names: map[string]field{
		"name":                    intrinsic(store.FieldName, textType),
		"span:name":               intrinsic(store.FieldName, textType),
		"kind":                    intrinsic(store.FieldKind, kindType),
		"span:kind":               intrinsic(store.FieldKind, kindType),
		"status":                  intrinsic(store.FieldStatus, statusType),
		"span:status":             intrinsic(store.FieldStatus, statusType),
		"statusMessage":           intrinsic(store.FieldStatusMessage, textType),
		"span:statusMessage":      intrinsic(store.FieldStatusMessage, textType),
		"duration":                intrinsic(store.FieldDuration, durationType),
		"span:duration":           intrinsic(store.FieldDuration, durationType),
		"traceID":                 intrinsic(store.FieldTraceID, idType),
		"trace:id":                intrinsic(store.FieldTraceID, idType),
		"spanID":                  intrinsic(store.FieldSpanID, idType),
		"span:id":                 intrinsic(store.FieldSpanID, idType),
		"parentID":                intrinsic(store.FieldParentID, idType),
		"span:parentID":           intrinsic(store.FieldParentID, idType),
		"traceState":              intrinsic(store.FieldTraceState, textType),
		"span:traceState":         intrinsic(store.FieldTraceState, textType),
		"nestedSetParent":         intrinsic(store.FieldParentID, rootType),
		"instrumentation:name":    intrinsic(store.FieldScopeName, textType),
		"instrumentation:version": intrinsic(store.FieldScopeVersion, textType),
		"event:name":              {Field: store.Field{Name: store.FieldEventName}, typ: textType},
	},
	scopes: map[string]store.Place{
		"span": store.RecordAttr, "resource": store.ResourceAttr, "instrumentation": store.ScopeAttr,
		"event": store.EventAttr, "link": store.LinkAttr, "": store.AnyAttr,
	},
	refused: map[string]string{
		"traceDuration":        "the duration of a whole trace is asked for with minDuration and maxDuration, outside the condition",
		"trace:duration":       "the duration of a whole trace is asked for with minDuration and maxDuration, outside the condition",
		"rootName":             wholeTrace + `; for root spans of a name write span:parentID = nil && name = "…"`,
		"trace:rootName":       wholeTrace + `; for root spans of a name write span:parentID = nil && name = "…"`,
		"rootServiceName":      wholeTrace + `; for root spans of a service write span:parentID = nil && resource.service.name = "…"`,
		"trace:rootService":    wholeTrace + `; for root spans of a service write span:parentID = nil && resource.service.name = "…"`,
		"childCount":           noTree,
		"span:childCount":      noTree,
		"nestedSetLeft":        noTree,
		"nestedSetRight":       noTree,
		"event:timeSinceStart": "times of events cannot be asked for",
		"link:traceID":         "ids of links cannot be asked for",
		"link:spanID":          "ids of links cannot be asked for",
	},
	text: []store.Field{{Name: store.FieldName}, {Place: store.ResourceAttr, Name: "service.name"}, {Name: store.FieldStatusMessage}},
}

var logLanguage = language{
	names: map[string]field{
		"body":                    intrinsic(store.FieldBody, anyType),
		"log:body":                intrinsic(store.FieldBody, anyType),
		"severity":                intrinsic(store.FieldSeverity, severityType),
		"log:severity":            intrinsic(store.FieldSeverity, severityType),
		"severityText":            intrinsic(store.FieldSeverityText, textType),
		"log:severityText":        intrinsic(store.FieldSeverityText, textType),
		"traceID":                 intrinsic(store.FieldTraceID, idType),
		"trace:id":                intrinsic(store.FieldTraceID, idType),
		"spanID":                  intrinsic(store.FieldSpanID, idType),
		"span:id":                 intrinsic(store.FieldSpanID, idType),
		"eventName":               intrinsic(store.FieldEventName, textType),
		"event:name":              intrinsic(store.FieldEventName, textType),
		"instrumentation:name":    intrinsic(store.FieldScopeName, textType),
		"instrumentation:version": intrinsic(store.FieldScopeVersion, textType),
	},
	scopes: map[string]store.Place{
		"log": store.RecordAttr, "resource": store.ResourceAttr, "instrumentation": store.ScopeAttr, "": store.AnyAttr,
	},
	text: []store.Field{{Name: store.FieldBody}},
}

func languageOf(kind store.Kind) *language {
	if kind == store.Logs {
		return &logLanguage
	}
	return &spanLanguage
}

// ParseField reads the name of one field, as conditions have it.
func ParseField(kind store.Kind, name string) (store.Field, error) {
	tokens, err := lex(name)
	if err != nil {
		return store.Field{}, err
	}
	if tokens[0].kind != tokenWord || tokens[1].kind != tokenEnd {
		return store.Field{}, &SyntaxError{name, 0, "this is not the name of a field"}
	}
	f, err := languageOf(kind).resolve(name, tokens[0])
	return f.Field, err
}

// attributesOfLogs are names that begin with the word of a scope and still mean
// the attribute that the semantic conventions call so.
var attributesOfLogs = []string{"log.file.", "log.iostream", "log.record."}

// scope cuts a word into its scope and the name behind the dot; ok is false
// when the word does not begin with a scope.
func (l *language) scope(t token) (place store.Place, name string, ok bool) {
	before, after, dotted := strings.Cut(t.text[:t.plain], ".")
	place, ok = l.scopes[before]
	if !dotted || !ok {
		return 0, "", false
	}
	if before == "log" && t.plain == len(t.text) {
		for _, name := range attributesOfLogs {
			if strings.HasPrefix(t.text, name) {
				return store.AnyAttr, t.text, true
			}
		}
	}
	return place, after + t.text[t.plain:], true
}

// resolve finds what the word t names; src is the whole condition, for errors.
func (l *language) resolve(src string, t token) (field, error) {
	fail := func(format string, args ...any) (field, error) {
		return field{}, &SyntaxError{src, t.pos, fmt.Sprintf(format, args...)}
	}
	if f, ok := l.names[t.text]; ok && t.plain == len(t.text) {
		return f, nil
	}
	if why := l.refused[t.text]; why != "" {
		return fail("%s: %s", t.text, why)
	}
	if place, name, ok := l.scope(t); ok {
		if name == "" {
			return fail("the name of the attribute is missing behind %s", t.text)
		}
		return field{Field: store.Field{Place: place, Name: name}}, nil
	}
	before, after, dotted := strings.Cut(t.text, ".")
	if dotted {
		if before == "parent" && l == &spanLanguage {
			return fail("parent: %s", noTree)
		}
		if scope := Closest(before, l.scopeWords()); scope != "" {
			return fail("unknown scope %s; did you mean %s.%s? For an attribute of that very name write .%s", before, scope, after, t.text)
		}
	} else if name := Closest(t.text, l.intrinsics()); name != "" {
		return fail("unknown field %s; did you mean %s? For an attribute of that very name write .%s", t.text, name, t.text)
	} else if prefix, _, colon := strings.Cut(t.text, ":"); colon && slices.Contains([]string{"trace", "span", "event", "link", "instrumentation", "log"}, prefix) {
		return fail("unknown field %s; there are %s", t.text, strings.Join(l.withPrefix(prefix+":"), ", "))
	}
	return field{Field: store.Field{Place: store.AnyAttr, Name: t.text}}, nil
}

func (l *language) scopeWords() []string {
	var words []string
	for w := range l.scopes {
		words = append(words, w)
	}
	slices.Sort(words)
	return words
}

func (l *language) intrinsics() []string { return l.withPrefix("") }

// withPrefix gives the intrinsics that begin so, sorted.
func (l *language) withPrefix(prefix string) []string {
	var names []string
	for n := range l.names {
		if strings.HasPrefix(n, prefix) {
			names = append(names, n)
		}
	}
	slices.Sort(names)
	return names
}

// Closest returns the candidate that word probably is a slip of, or "".
func Closest(word string, candidates []string) string {
	for _, c := range candidates {
		if c != "" && (strings.EqualFold(c, word) || word == c+"s") {
			return c
		}
	}
	if len(word) < 4 || len(word) > 40 {
		return ""
	}
	allowed := 1
	if len(word) >= 8 {
		allowed = 2
	}
	for _, c := range candidates {
		if len(c) >= 4 && editDistance(word, c) <= allowed {
			return c
		}
	}
	return ""
}

// editDistance counts the letters to add, drop, change or swap with their
// neighbour to get from a to b.
func editDistance(a, b string) int {
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			rows[i][j] = min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return rows[len(a)][len(b)]
}
