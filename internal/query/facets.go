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
	// memory is what is left for the values of all counters.
	memory *int
}

// full reports whether there is no room for another value.
func (c *facetCounter) full(v store.Value) bool {
	if len(c.counts) == maxDistinct || *c.memory < 0 {
		return true
	}
	*c.memory -= valueBytes + len(v.Str())
	return false
}

// valueBytes is about what a value takes besides its text.
const valueBytes = 80

func (c *facetCounter) add(v store.Value) bool {
	if !c.had {
		c.had = true
		c.records++
	}
	if c.count == nil || v != c.last {
		count := c.counts[v]
		if count == nil {
			if c.full(v) {
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

// addMany adds a value that was counted before; the records that have it are
// the caller's.
func (c *facetCounter) addMany(v store.FieldValue) {
	count := c.counts[v.Value]
	if count == nil {
		if c.full(v.Value) {
			return
		}
		count = new(uint64)
		c.counts[v.Value.Clone()] = count
	}
	*count += v.Count
}

// Facets counts values.
func (e *Engine) Facets(ctx context.Context, q FacetSearch) (*Facets, error) {
	a := &Facets{}
	var err error
	fields := q.Fields
	if len(fields) == 0 {
		if fields, err = e.usualFields(ctx, q, &a.Report); err != nil {
			return nil, err
		}
	}
	fields = fields[:min(len(fields), maxFacets)]
	counters := make([]facetCounter, len(fields))
	memory := e.limits.Memory
	for i, f := range fields {
		counters[i] = facetCounter{field: f, counts: map[store.Value]*uint64{}, memory: &memory}
	}
	var report store.Report
	sq := store.Query{Start: q.Start, End: q.End, Where: q.Where, Report: &report}
	count := e.countRecords
	if e.columns != nil {
		count = e.countColumns
	}
	if a.Records, err = count(ctx, q.Kind, sq, counters); err != nil {
		return nil, fmt.Errorf("counting values: %w", err)
	}
	a.Report.Add(&report)
	if memory < 0 {
		a.Report.Stopped = cmp.Or(a.Report.Stopped, StoppedMemory)
	}
	limit := e.limit(q.Values, 10)
	for i := range counters {
		a.Facets = append(a.Facets, counters[i].facet(limit))
	}
	return a, nil
}

// countColumns counts the values of the counters' fields and the records that q
// asks for.
func (e *Engine) countColumns(ctx context.Context, kind store.Kind, q store.Query, counters []facetCounter) (records uint64, err error) {
	fields := make([]store.Field, len(counters))
	for i := range counters {
		fields[i] = counters[i].field
	}
	for t, err := range fromColumns(ctx, e, q, func(ctx context.Context, q store.Query) iter.Seq2[*store.Tally, error] {
		return e.columns.Tally(ctx, kind, q, fields)
	}) {
		if err != nil {
			return records, err
		}
		records += t.Records
		for i := range t.Fields {
			counters[i].records += t.Fields[i].Records
			for _, v := range t.Fields[i].Values {
				counters[i].addMany(v)
			}
		}
	}
	return records, nil
}

// countRecords is countColumns for readers that have only records.
func (e *Engine) countRecords(ctx context.Context, kind store.Kind, q store.Query, counters []facetCounter) (records uint64, err error) {
	adds := make([]func(store.Value) bool, len(counters)) // made once, not for each record
	q.Need = store.NeedCore
	for i := range counters {
		adds[i] = counters[i].add
		q.Need |= store.NeedOf(counters[i].field)
	}
	for values, err := range e.records(ctx, kind, q) {
		if err != nil {
			return records, err
		}
		records++
		for i := range counters {
			counters[i].had = false
			values(counters[i].field, adds[i])
		}
	}
	return records, nil
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
