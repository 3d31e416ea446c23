package traceql

import (
	"slices"
	"strings"
	"time"

	"github.com/signalbox-otel/signalbox/internal/ingest"
	"github.com/signalbox-otel/signalbox/internal/query"
	"github.com/signalbox-otel/signalbox/internal/store"
)

// intrinsic is a field that the language knows by itself.
type intrinsic struct {
	name  string // as formatted, and as answers call it
	kind  valueType
	store string // the store's intrinsic of the same value; "": it has none
	idLen int    // hex digits of an id
	// value is what span i of t has; several values are in each instead.
	value func(t *tree, i int) Value
	each  func(t *tree, i int, yield func(Value) bool)
	// whole says that the value depends on other spans of the trace.
	whole bool
	need  store.Need
}

func optional(ok bool, v Value) Value {
	if !ok {
		return Value{}
	}
	return v
}

var intrinsics = []*intrinsic{
	{name: "name", kind: typeText, store: store.FieldName, value: func(t *tree, i int) Value { return textValue(t.spans[i].Name) }},
	{name: "status", kind: typeStatus, store: store.FieldStatus, value: func(t *tree, i int) Value { return wordValue(typeStatus, t.spans[i].StatusCode) }},
	{name: "kind", kind: typeKind, store: store.FieldKind, value: func(t *tree, i int) Value { return wordValue(typeKind, t.spans[i].Kind) }},
	{name: "duration", kind: typeDuration, store: store.FieldDuration, value: func(t *tree, i int) Value {
		return durationValue(time.Duration(min(t.spans[i].Duration(), 1<<63-1)))
	}},
	{name: "statusMessage", kind: typeText, store: store.FieldStatusMessage, need: store.NeedAttrs, value: func(t *tree, i int) Value { return textValue(t.spans[i].StatusMessage) }},
	{name: "span:id", kind: typeText, store: store.FieldSpanID, idLen: 16, value: func(t *tree, i int) Value { return textValue(t.spans[i].SpanID.String()) }},
	{name: "span:parentID", kind: typeText, store: store.FieldParentID, idLen: 16, value: func(t *tree, i int) Value {
		return optional(t.spans[i].ParentID != store.SpanID{}, textValue(t.spans[i].ParentID.String()))
	}},
	{name: "span:childCount", kind: typeInt, whole: true, value: func(t *tree, i int) Value { return intValue(int64(t.nodes[i].children)) }},
	{name: "nestedSetLeft", kind: typeInt, whole: true, value: func(t *tree, i int) Value { return intValue(int64(t.nodes[i].left)) }},
	{name: "nestedSetRight", kind: typeInt, whole: true, value: func(t *tree, i int) Value { return intValue(int64(t.nodes[i].right)) }},
	{name: "nestedSetParent", kind: typeInt, whole: true, value: func(t *tree, i int) Value { return intValue(t.nestedParent(i)) }},
	{name: "trace:id", kind: typeText, store: store.FieldTraceID, idLen: 32, value: func(t *tree, i int) Value { return textValue(t.spans[i].TraceID.String()) }},
	{name: "traceDuration", kind: typeDuration, whole: true, value: func(t *tree, _ int) Value { return durationValue(t.duration()) }},
	{name: "rootName", kind: typeText, whole: true, value: func(t *tree, _ int) Value {
		if t.root < 0 {
			return Value{}
		}
		return textValue(t.spans[t.root].Name)
	}},
	{name: "rootServiceName", kind: typeText, whole: true, value: func(t *tree, _ int) Value {
		if t.root < 0 {
			return Value{}
		}
		return textValue(t.spans[t.root].Resource.ServiceName())
	}},
	{name: "instrumentation:name", kind: typeText, store: store.FieldScopeName, need: store.NeedScope, value: func(t *tree, i int) Value { return textValue(t.spans[i].Scope.Name) }},
	{name: "instrumentation:version", kind: typeText, store: store.FieldScopeVersion, need: store.NeedScope, value: func(t *tree, i int) Value { return textValue(t.spans[i].Scope.Version) }},
	{name: "event:name", kind: typeText, store: store.FieldEventName, need: store.NeedEvents, each: eachEvent(func(_ *store.Span, e *store.Event) Value { return textValue(e.Name) })},
	{name: "event:timeSinceStart", kind: typeDuration, need: store.NeedEvents, each: eachEvent(func(s *store.Span, e *store.Event) Value {
		return durationValue(time.Duration(e.Time - min(s.Start, e.Time)))
	})},
	{name: "link:traceID", kind: typeText, idLen: 32, need: store.NeedEvents, each: eachLink(func(l *store.Link) Value { return textValue(l.TraceID.String()) })},
	{name: "link:spanID", kind: typeText, idLen: 16, need: store.NeedEvents, each: eachLink(func(l *store.Link) Value { return textValue(l.SpanID.String()) })},
}

func eachEvent(of func(*store.Span, *store.Event) Value) func(*tree, int, func(Value) bool) {
	return func(t *tree, i int, yield func(Value) bool) {
		s := t.spans[i]
		for e := range s.Events {
			if !yield(of(s, &s.Events[e])) {
				return
			}
		}
	}
}

func eachLink(of func(*store.Link) Value) func(*tree, int, func(Value) bool) {
	return func(t *tree, i int, yield func(Value) bool) {
		for l := range t.spans[i].Links {
			if !yield(of(&t.spans[i].Links[l])) {
				return
			}
		}
	}
}

// otherNames are further names of intrinsics.
var otherNames = map[string]string{
	"span:name": "name", "span:status": "status", "span:kind": "kind", "span:duration": "duration", "span:statusMessage": "statusMessage",
	"childCount": "span:childCount", "spanID": "span:id", "traceID": "trace:id", "parentID": "span:parentID", "parent": "span:parentID",
	"trace:duration": "traceDuration", "trace:rootName": "rootName", "trace:rootService": "rootServiceName",
	"span:nestedSetLeft": "nestedSetLeft", "span:nestedSetRight": "nestedSetRight", "span:nestedSetParent": "nestedSetParent",
}

// intrinsicOf finds an intrinsic by any of its names; nil when there is none.
func intrinsicOf(name string) *intrinsic {
	if other := otherNames[name]; other != "" {
		name = other
	}
	i := slices.IndexFunc(intrinsics, func(in *intrinsic) bool { return in.name == name })
	if i < 0 {
		return nil
	}
	return intrinsics[i]
}

// intrinsicNames are all names of intrinsics, sorted.
func intrinsicNames() []string {
	var names []string
	for _, in := range intrinsics {
		names = append(names, in.name)
	}
	for other := range otherNames {
		names = append(names, other)
	}
	slices.Sort(names)
	return names
}

// unknownField says what is wrong with a word that no intrinsic has for a name.
func (p *parser) unknownField(t token) error {
	names := intrinsicNames()
	if name := query.Closest(t.text, names); name != "" {
		return p.fail(t.pos, "unknown field %s; did you mean %s? For an attribute of that very name write .%s", t.text, name, t.text)
	}
	if prefix, _, colon := strings.Cut(t.text, ":"); colon {
		var same []string
		for _, n := range names {
			if strings.HasPrefix(n, prefix+":") {
				same = append(same, n)
			}
		}
		if len(same) > 0 {
			return p.fail(t.pos, "unknown field %s; there are %s", t.text, strings.Join(same, ", "))
		}
	}
	return p.fail(t.pos, "unknown field %s; an attribute of that name is written span.%s, resource.%s or .%s, and text is put into double quotes", t.text, t.text, t.text, t.text)
}

func (f *field) typ() valueType {
	if f.intrinsic != nil {
		return f.intrinsic.kind
	}
	return typeAny
}

// several reports whether a span may have more than one value of the field.
func (f *field) several() bool {
	if f.intrinsic != nil {
		return f.intrinsic.each != nil
	}
	return f.scope >= eventScope
}

// storeField is the store's field of the same values; ok is false when it has
// none, or when the values are those of another span.
func (f *field) storeField() (sf store.Field, ok bool) {
	switch {
	case f.parent:
		return sf, false
	case f.intrinsic != nil:
		return store.Field{Name: f.intrinsic.store}, f.intrinsic.store != ""
	}
	return store.Field{Place: places[f.scope], Name: f.name}, true
}

// need is the part of a span that the field's values are in.
func (f *field) need() store.Need {
	if f.intrinsic != nil {
		return store.NeedCore | f.intrinsic.need
	}
	return store.NeedCore | store.NeedOf(store.Field{Place: places[f.scope], Name: f.name})
}

// value is the first value of span i.
func (f *field) value(t *tree, i int) Value {
	switch {
	case f.intrinsic != nil && f.intrinsic.each == nil:
		return f.intrinsic.value(t, i)
	case f.several():
		var first Value
		f.values(t, i, func(v Value) bool { first = v; return false })
		return first
	}
	v, ok := f.attribute(t, i)
	if !ok {
		return Value{}
	}
	return valueOf(v)
}

// attribute finds the attribute of span i, for scopes that have one of a name.
func (f *field) attribute(t *tree, i int) (store.Value, bool) {
	if f.parent {
		if i = t.nodes[i].parent; i < 0 {
			return store.Value{}, false
		}
	}
	s := t.spans[i]
	if f.scope != anyScope {
		return store.Find(f.attributes(s), f.name)
	}
	for _, attrs := range [][]store.Attr{s.Attrs, s.Resource.Attrs} {
		if v, ok := store.Find(attrs, f.name); ok {
			return v, true
		}
	}
	return store.Find(s.Scope.Attrs, f.name)
}

// attributes are those of the field's scope, which is one that a span has once.
func (f *field) attributes(s *store.Span) []store.Attr {
	switch f.scope {
	case resourceScope:
		return s.Resource.Attrs
	case instrumentationScope:
		return s.Scope.Attrs
	}
	return s.Attrs
}

// values yields each value of span i: those of several events or links, and the
// elements of lists. It yields nil once when there is none.
func (f *field) values(t *tree, i int, yield func(Value) bool) {
	any, more := false, true
	each := func(v Value) bool {
		any = true
		more = yield(v)
		return more
	}
	elements := func(v store.Value) {
		if v.Type != store.Array {
			each(valueOf(v))
			return
		}
		for _, e := range ingest.Elements(v) {
			if !each(valueOf(e)) {
				return
			}
		}
	}
	switch {
	case f.intrinsic != nil && f.intrinsic.each != nil:
		f.intrinsic.each(t, i, each)
	case f.intrinsic != nil:
		each(f.intrinsic.value(t, i))
	case f.scope == eventScope:
		for e := 0; e < len(t.spans[i].Events) && more; e++ {
			if v, ok := store.Find(t.spans[i].Events[e].Attrs, f.name); ok {
				elements(v)
			}
		}
	case f.scope == linkScope:
		for l := 0; l < len(t.spans[i].Links) && more; l++ {
			if v, ok := store.Find(t.spans[i].Links[l].Attrs, f.name); ok {
				elements(v)
			}
		}
	case f.scope == anyScope || f.parent:
		if v, ok := f.attribute(t, i); ok {
			elements(v)
		}
	default:
		for _, a := range f.attributes(t.spans[i]) {
			if a.Key == f.name && more {
				elements(a.Value) // a key that came twice has two values
			}
		}
	}
	if !any {
		yield(Value{})
	}
}
