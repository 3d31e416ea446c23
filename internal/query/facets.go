package query

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"slices"

	"github.com/signalbox-otel/signalbox/internal/store"
)

// FacetSearch asks which values fields have among the records that match.
type FacetSearch struct {
	Kind       store.Kind
	Start, End uint64
	Where      store.Expr
	// Fields to count; none: the usual intrinsics and the attributes most in use.
	Fields []store.Field
	Values int // given of each field; 0 means 10
}

// Facets is the answer to a FacetSearch.
type Facets struct {
	Records uint64 // that match
	Facets  []Facet
	Report  store.Report
}

// Facet counts the values of one field.
type Facet struct {
	Field   store.Field
	Records uint64 // that match and have the field
	// Distinct is how many values there are; at maxDistinct counting of further
	// ones ended and Records goes on.
	Distinct int
	Values   []store.FieldValue // most frequent first
}

const (
	maxFacets     = 50
	maxDistinct   = 10_000
	defaultFacets = 12 // attributes, when no fields are asked for
)

// facetCounter counts the values of one field.
type facetCounter struct {
	field   store.Field
	records uint64
	counts  map[store.Value]*uint64
	had     bool // whether the current record had a value
	// last is the value counted last and its count: blocks are sorted, so that
	// it mostly comes again.
	last  store.Value
	count *uint64
}

func (c *facetCounter) add(v store.Value) bool {
	if !c.had {
		c.had = true
		c.records++
	}
	if c.count == nil || v != c.last {
		count := c.counts[v]
		if count == nil {
			if len(c.counts) == maxDistinct {
				return true
			}
			count = new(uint64)
			c.counts[v] = count
		}
		c.last, c.count = v, count
	}
	*c.count++
	return true
}

// Facets counts values.
func (e *Engine) Facets(ctx context.Context, q FacetSearch) (*Facets, error) {
	a := &Facets{}
	fields := q.Fields
	if len(fields) == 0 {
		var err error
		if fields, err = e.usualFields(ctx, q, &a.Report); err != nil {
			return nil, err
		}
	}
	fields = fields[:min(len(fields), maxFacets)]
	counters := make([]facetCounter, len(fields))
	adds := make([]func(store.Value) bool, len(fields)) // made once, not for each record
	need := store.NeedCore
	for i, f := range fields {
		counters[i] = facetCounter{field: f, counts: map[store.Value]*uint64{}}
		adds[i] = counters[i].add
		need |= needOf(f)
	}
	var report store.Report
	sq := store.Query{Start: q.Start, End: q.End, Where: q.Where, Need: need, Report: &report}
	for values, err := range e.records(ctx, q.Kind, sq) {
		if err != nil {
			return nil, fmt.Errorf("counting values: %w", err)
		}
		a.Records++
		for i := range counters {
			counters[i].had = false
			values(counters[i].field, adds[i])
		}
	}
	addReport(&a.Report, &report)
	limit := e.limit(q.Values, 10)
	for i := range counters {
		a.Facets = append(a.Facets, counters[i].facet(limit))
	}
	return a, nil
}

// records yields for each record that q asks for the function that enumerates
// the values of its fields.
func (e *Engine) records(ctx context.Context, kind store.Kind, q store.Query) iter.Seq2[func(store.Field, func(store.Value) bool), error] {
	type values = func(store.Field, func(store.Value) bool)
	return func(yield func(values, error) bool) {
		if kind == store.Logs {
			for l, err := range e.logs(ctx, q) {
				if !yield(func(f store.Field, each func(store.Value) bool) { store.LogValues(l, f, each) }, err) {
					return
				}
			}
			return
		}
		for s, err := range e.spans(ctx, q) {
			if !yield(func(f store.Field, each func(store.Value) bool) { store.SpanValues(s, f, each) }, err) {
				return
			}
		}
	}
}

// needOf says which part of a record has field f.
func needOf(f store.Field) store.Need {
	switch f.Place {
	case store.RecordAttr:
		return store.NeedAttrs
	case store.ResourceAttr:
		if f.Name == "service.name" {
			return store.NeedCore
		}
		return store.NeedResource
	case store.ScopeAttr:
		return store.NeedScope
	case store.EventAttr, store.LinkAttr:
		return store.NeedEvents
	case store.AnyAttr:
		return store.NeedAttrs | store.NeedResource | store.NeedScope
	}
	switch f.Name {
	case store.FieldScopeName, store.FieldScopeVersion:
		return store.NeedScope
	case store.FieldEventName:
		return store.NeedEvents | store.NeedAttrs
	case store.FieldBody:
		return store.NeedBody
	case store.FieldStatusMessage, store.FieldTraceState, store.FieldSeverityText:
		return store.NeedAttrs
	}
	return store.NeedCore
}

// facet gives the most frequent values.
func (c *facetCounter) facet(limit int) Facet {
	f := Facet{Field: c.field, Records: c.records, Distinct: len(c.counts)}
	for v, n := range c.counts {
		f.Values = append(f.Values, store.FieldValue{Value: v, Count: *n})
	}
	slices.SortFunc(f.Values, func(a, b store.FieldValue) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), compareValue(a.Value, b.Value))
	})
	f.Values = f.Values[:min(limit, len(f.Values))]
	return f
}

func compareValue(a, b store.Value) int {
	return cmp.Or(cmp.Compare(a.Type, b.Type), cmp.Compare(a.Str(), b.Str()), cmp.Compare(a.Int(), b.Int()))
}

// usualFields are the facets of somebody who did not choose any: what every
// record has, then the attributes that most records have.
func (e *Engine) usualFields(ctx context.Context, q FacetSearch, report *store.Report) ([]store.Field, error) {
	fields := []store.Field{{Place: store.ResourceAttr, Name: "service.name"}, {Name: store.FieldName}, {Name: store.FieldKind}, {Name: store.FieldStatus}}
	if q.Kind == store.Logs {
		fields = []store.Field{{Place: store.ResourceAttr, Name: "service.name"}, {Name: store.FieldSeverity}}
	}
	fixed := len(fields)
	keys := e.catalog.Keys(ctx, store.FieldQuery{Kind: q.Kind, Start: q.Start, End: q.End,
		Field: store.Field{Place: store.AnyAttr}, Limit: 10 * defaultFacets, Report: report})
	for key, err := range keys {
		if err != nil {
			return nil, fmt.Errorf("listing attributes: %w", err)
		}
		if !slices.Contains(fields, key.Field) && key.Type != store.Array && key.Type != store.Map {
			fields = append(fields, key.Field)
		}
		if len(fields) == fixed+defaultFacets {
			break
		}
	}
	return fields, nil
}
