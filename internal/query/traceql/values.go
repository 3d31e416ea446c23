package traceql

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/signalbox-otel/signalbox/internal/query"
	"github.com/signalbox-otel/signalbox/internal/store"
)

// Intrinsics are the names of the fields that the language knows by itself, each
// once.
func Intrinsics() []string {
	var names []string
	for _, in := range intrinsics {
		names = append(names, in.name)
	}
	slices.Sort(names)
	return names
}

// ValueSearch asks for values that a field has.
type ValueSearch struct {
	Field string // as queries write it
	// Query, when it is not empty, keeps the values of spans that it may hold
	// for. It may be half written: conditions that cannot be read are left out.
	Query      string
	Start, End uint64
	Limit      int // 0 means 1,000
}

// Values are the values of a field, most used first where that is known.
func (e *Engine) Values(ctx context.Context, v ValueSearch, report *store.Report) ([]Value, error) {
	f, err := fieldNamed(v.Field)
	if err != nil {
		return nil, err
	}
	if words := f.words(); words != nil {
		return words, nil
	}
	sf, ok := f.storeField()
	where := e.conditions(v.Query)
	if f.intrinsic != nil && (f.intrinsic.name == "rootName" || f.intrinsic.name == "rootServiceName") {
		sf, ok = store.Field{Name: store.FieldName}, true
		if f.intrinsic.name == "rootServiceName" {
			sf = serviceField
		}
		root := store.Cond{Field: parentField, Op: store.Eq, Value: store.StringValue("")}
		where = both(where, condition{root, true})
	}
	if !ok || f.typ().numeric() || f.intrinsic != nil && f.intrinsic.idLen > 0 {
		return nil, nil // there is no use in a list of them
	}
	if v.Limit <= 0 {
		v.Limit = 1000
	}
	var all []Value
	if where.Expr == nil {
		infos, err := e.below.Values(ctx, store.FieldQuery{Kind: store.Spans, Start: v.Start, End: v.End, Field: sf, Limit: v.Limit, Report: report})
		if err != nil {
			return nil, err
		}
		for _, info := range infos {
			all = append(all, valueOf(info.Value))
		}
		return usable(all), nil
	}
	facets, err := e.below.Facets(ctx, query.FacetSearch{Kind: store.Spans, Start: v.Start, End: v.End, Where: where.Expr, Fields: []store.Field{sf}, Values: v.Limit})
	if err != nil {
		return nil, fmt.Errorf("counting values of %s: %w", v.Field, err)
	}
	report.Add(&facets.Report)
	for _, counted := range facets.Facets[0].Values {
		all = append(all, valueOf(counted.Value))
	}
	return usable(all), nil
}

func usable(all []Value) []Value {
	return slices.DeleteFunc(all, func(v Value) bool { return v.typ == typeOther })
}

// words are all values of a field that has few.
func (f *field) words() []Value {
	var all []Value
	switch f.typ() {
	case typeStatus:
		for code := range int32(3) {
			all = append(all, wordValue(typeStatus, code))
		}
	case typeKind:
		for kind := range query.KindWords() {
			all = append(all, wordValue(typeKind, int32(kind)))
		}
	}
	return all
}

// fieldNamed reads the name of one field.
func fieldNamed(name string) (*field, error) {
	tokens, err := lex(name)
	if err != nil {
		return nil, err
	}
	p := &parser{src: name, tokens: tokens}
	f, err := p.field()
	if err == nil && p.peek().kind != tokenEnd {
		err = p.unexpected(p.peek(), "this is not the name of a field")
	}
	return f, err
}

// conditions is what the store can tell of a query that may be half written.
func (e *Engine) conditions(src string) condition {
	p := planner{}
	if q, err := Parse(src); err == nil {
		return p.found(q.pipeline)
	}
	open, shut := strings.Index(src, "{"), strings.LastIndex(src, "}")
	if open < 0 {
		return unsure
	}
	if shut < open {
		shut = len(src)
	}
	all := always
	for _, part := range strings.Split(src[open+1:shut], "&&") {
		if q, err := Parse("{" + part + "}"); err == nil {
			all = both(all, p.found(q.pipeline))
		}
	}
	return all
}

// Type names the type of a value as Tempo's API does.
func (v Value) Type() string {
	switch v.typ {
	case typeInt:
		return "int"
	case typeFloat:
		return "float"
	case typeBool:
		return "bool"
	case typeDuration:
		return "duration"
	case typeStatus, typeKind:
		return "keyword"
	}
	return "string"
}

// Text is the value without quotes.
func (v Value) Text() string {
	if v.typ == typeText {
		return v.str
	}
	return v.String()
}
