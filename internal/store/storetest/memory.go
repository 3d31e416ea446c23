// Package storetest holds what tests of the store's users and of the store
// itself share. Memory is the store's contract in its simplest form: a slice of
// records and store.Matcher. It is the oracle that the engine is compared with,
// and the store behind the tests of packages query and server.
package storetest

import (
	"bytes"
	"cmp"
	"context"
	"iter"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/signalbox-otel/signalbox/internal/store"
)

// Memory keeps records in memory. Its zero value is empty and ready; it is
// safe for concurrent use.
type Memory struct {
	mu    sync.Mutex
	spans []store.Span
	logs  []store.Log
}

// Append keeps the batch's records.
func (m *Memory) Append(_ context.Context, b *store.Batch) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.spans = append(m.spans, b.Spans...)
	m.logs = append(m.logs, b.Logs...)
	return nil
}

func (m *Memory) all() ([]store.Span, []store.Log) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.spans, m.logs
}

// Spans implements the store's contract.
func (m *Memory) Spans(_ context.Context, q store.Query) iter.Seq2[*store.Span, error] {
	spans, _ := m.all()
	return search(q, pointers(spans), (*store.Matcher).Span,
		func(s *store.Span) uint64 { return s.Start },
		func(s *store.Span) store.TraceID { return s.TraceID })
}

// Logs implements the store's contract.
func (m *Memory) Logs(_ context.Context, q store.Query) iter.Seq2[*store.Log, error] {
	_, logs := m.all()
	return search(q, pointers(logs), (*store.Matcher).Log, (*store.Log).At,
		func(l *store.Log) store.TraceID { return l.TraceID })
}

// Trace implements the store's contract.
func (m *Memory) Trace(_ context.Context, id store.TraceID, _ *store.Report) iter.Seq2[*store.Span, error] {
	spans, _ := m.all()
	return func(yield func(*store.Span, error) bool) {
		for i := range spans {
			if spans[i].TraceID == id && !yield(&spans[i], nil) {
				return
			}
		}
	}
}

// Operations implements the store's contract.
func (m *Memory) Operations(_ context.Context, start, end uint64, _ *store.Report) iter.Seq2[*store.OperationMinute, error] {
	type key struct {
		service, operation string
		kind               int32
		minute             uint64
	}
	spans, _ := m.all()
	minutes := map[key]*store.OperationMinute{}
	for i := range spans {
		s := &spans[i]
		minute := s.Start - s.Start%uint64(time.Minute)
		if minute+uint64(time.Minute) <= start || end != 0 && minute >= end {
			continue
		}
		k := key{s.Resource.ServiceName(), s.Name, s.Kind, minute}
		om := minutes[k]
		if om == nil {
			om = &store.OperationMinute{Service: k.service, Operation: k.operation, SpanKind: k.kind,
				Minute: time.Unix(0, int64(minute)).UTC(), Durations: &store.Histogram{}}
			minutes[k] = om
		}
		om.Count++
		if s.StatusCode == 2 {
			om.Errors++
		}
		om.Durations.Observe(s.Duration())
	}
	return func(yield func(*store.OperationMinute, error) bool) {
		for _, om := range minutes {
			if !yield(om, nil) {
				return
			}
		}
	}
}

// Keys implements the store's contract.
func (m *Memory) Keys(_ context.Context, q store.FieldQuery) iter.Seq2[store.FieldKey, error] {
	counts := map[store.FieldKey]uint64{}
	m.eachAttr(q, func(place store.Place, a store.Attr) {
		if contains(a.Key, q.Match) {
			counts[store.FieldKey{Field: store.Field{Place: place, Name: a.Key}, Type: a.Value.Type}]++
		}
	})
	return func(yield func(store.FieldKey, error) bool) {
		for i, k := range sortedByCount(counts, func(a, b store.FieldKey) int {
			return cmp.Or(cmp.Compare(a.Field.Name, b.Field.Name), cmp.Compare(a.Type, b.Type), cmp.Compare(a.Field.Place, b.Field.Place))
		}) {
			key := k
			key.Count = counts[k]
			if i >= limitOf(q) || !yield(key, nil) {
				return
			}
		}
	}
}

// Values implements the store's contract.
func (m *Memory) Values(_ context.Context, q store.FieldQuery) iter.Seq2[store.FieldValue, error] {
	counts := map[store.Value]uint64{}
	count := func(v store.Value) {
		if q.Match == "" || v.Type == store.String && contains(v.Str(), q.Match) {
			counts[v]++
		}
	}
	if q.Field.Place == store.Intrinsic {
		m.eachIntrinsic(q, count)
	} else {
		m.eachAttr(q, func(_ store.Place, a store.Attr) {
			if a.Key == q.Field.Name {
				count(a.Value)
			}
		})
	}
	return func(yield func(store.FieldValue, error) bool) {
		for i, v := range sortedByCount(counts, func(a, b store.Value) int {
			return cmp.Or(cmp.Compare(a.Type, b.Type), cmp.Compare(a.Str(), b.Str()), cmp.Compare(a.Int(), b.Int()))
		}) {
			if i >= limitOf(q) || !yield(store.FieldValue{Value: v, Count: counts[v]}, nil) {
				return
			}
		}
	}
}

func (m *Memory) eachIntrinsic(q store.FieldQuery, f func(store.Value)) {
	spans, logs := m.all()
	if q.Kind == store.Spans {
		for i := range spans {
			if inRange(spans[i].Start, q.Start, q.End) {
				store.SpanValues(&spans[i], q.Field, func(v store.Value) bool { f(v); return true })
			}
		}
		return
	}
	for i := range logs {
		if inRange(logs[i].At(), q.Start, q.End) {
			store.LogValues(&logs[i], q.Field, func(v store.Value) bool { f(v); return true })
		}
	}
}

func (m *Memory) eachAttr(q store.FieldQuery, f func(store.Place, store.Attr)) {
	visit := func(place store.Place, attrs []store.Attr) {
		if q.Field.Place != place && (q.Field.Place != store.AnyAttr || place == store.EventAttr || place == store.LinkAttr) {
			return
		}
		for _, a := range attrs {
			f(place, a)
		}
	}
	spans, logs := m.all()
	if q.Kind == store.Spans {
		for i := range spans {
			s := &spans[i]
			if !inRange(s.Start, q.Start, q.End) {
				continue
			}
			visit(store.ResourceAttr, s.Resource.Attrs)
			visit(store.ScopeAttr, s.Scope.Attrs)
			visit(store.RecordAttr, s.Attrs)
			for _, e := range s.Events {
				visit(store.EventAttr, e.Attrs)
			}
			for _, l := range s.Links {
				visit(store.LinkAttr, l.Attrs)
			}
		}
		return
	}
	for i := range logs {
		if inRange(logs[i].At(), q.Start, q.End) {
			visit(store.ResourceAttr, logs[i].Resource.Attrs)
			visit(store.ScopeAttr, logs[i].Scope.Attrs)
			visit(store.RecordAttr, logs[i].Attrs)
		}
	}
}

func inRange(at, start, end uint64) bool { return at >= start && (end == 0 || at < end) }

func limitOf(q store.FieldQuery) int { return cmp.Or(q.Limit, 1000) }

func contains(s, sub string) bool { return strings.Contains(strings.ToLower(s), strings.ToLower(sub)) }

// sortedByCount returns the keys, most counted first, equal counts by order.
func sortedByCount[K comparable](counts map[K]uint64, order func(a, b K) int) []K {
	keys := make([]K, 0, len(counts))
	for k := range counts {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b K) int { return cmp.Or(cmp.Compare(counts[b], counts[a]), order(a, b)) })
	return keys
}

func pointers[T any](records []T) []*T {
	out := make([]*T, len(records))
	for i := range records {
		out[i] = &records[i]
	}
	return out
}

func search[T any](q store.Query, records []*T, match func(*store.Matcher, *T) bool,
	at func(*T) uint64, trace func(*T) store.TraceID) iter.Seq2[*T, error] {
	return func(yield func(*T, error) bool) {
		m, err := store.NewMatcher(q.Where)
		if err != nil {
			yield(nil, err)
			return
		}
		var found []*T
		for i, r := range records {
			if q.MaxRows > 0 && i >= q.MaxRows {
				if q.Report != nil {
					q.Report.Stopped = "row limit"
				}
				break
			}
			if inRange(at(r), q.Start, q.End) && match(m, r) {
				found = append(found, r)
			}
		}
		slices.SortStableFunc(found, func(a, b *T) int { return cmp.Compare(at(b), at(a)) })
		seen := map[store.TraceID]bool{}
		n := 0
		for _, r := range found {
			if id := trace(r); q.OnePerTrace {
				if seen[id] {
					continue
				}
				seen[id] = true
			}
			if q.Limit > 0 && n >= q.Limit || !yield(r, nil) {
				return
			}
			n++
		}
	}
}

// SortAttrs brings attributes into the order in which records are compared:
// the store keeps all of them, but not their order.
func SortAttrs(attrs []store.Attr) {
	slices.SortStableFunc(attrs, func(a, b store.Attr) int {
		return cmp.Or(cmp.Compare(a.Key, b.Key), cmp.Compare(a.Value.Type, b.Value.Type),
			bytes.Compare([]byte(a.Value.Str()), []byte(b.Value.Str())), cmp.Compare(a.Value.Int(), b.Value.Int()))
	})
}
