package query

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"slices"

	"github.com/signalbox-otel/signalbox/internal/store"
)

// sums calls f for what q asks for, within the engine's budget, and reports
// into report. The argument of f is valid until it returns.
func (e *Engine) sums(ctx context.Context, q store.SumQuery, report *store.Report, f func(*store.OperationSum)) error {
	var part store.Report
	defer func() { report.Add(&part) }()
	q.Report = &part
	read := func(ctx context.Context) iter.Seq2[*store.OperationSum, error] {
		if e.columns != nil {
			return e.columns.Sums(ctx, q)
		}
		return e.sumMinutes(ctx, q)
	}
	for s, err := range within(ctx, e.limits.MaxTime, &part, read) {
		if err != nil {
			return fmt.Errorf("reading operations: %w", err)
		}
		f(s)
	}
	return nil
}

// sumKey is what sums are collected by.
type sumKey struct {
	service, operation string
	kind               int32
	entry              bool
	cell               int
}

// sumMinutes is Sums for readers that have only minutes.
func (e *Engine) sumMinutes(ctx context.Context, q store.SumQuery) iter.Seq2[*store.OperationSum, error] {
	return func(yield func(*store.OperationSum, error) bool) {
		sums := map[sumKey]*store.OperationSum{}
		asked := map[string]bool{} // services with requests
		for m, err := range e.reader.Operations(ctx, q.Start, q.End, q.Report) {
			if err != nil {
				yield(nil, err)
				return
			}
			if q.Service != "" && m.Service != q.Service || q.Keep != nil && !q.Keep(m.Service, m.Operation, m.SpanKind) {
				continue
			}
			key := sumKey{service: m.Service, entry: store.EntryKind(m.SpanKind)}
			if q.ByOperation {
				key = sumKey{service: m.Service, operation: m.Operation, kind: m.SpanKind}
			}
			if at := uint64(m.Minute.UnixNano()); q.Step > 0 {
				key.cell = int((max(at, q.First) - q.First) / q.Step)
			}
			asked[m.Service] = asked[m.Service] || key.entry
			s := sums[key]
			if s == nil {
				s = &store.OperationSum{Service: m.Service, Operation: key.operation, SpanKind: key.kind, Entry: key.entry,
					Cell: key.cell, Durations: &store.Histogram{}}
				sums[key] = s
			}
			s.Count += m.Count
			s.Errors += m.Errors
			if m.Durations != nil {
				s.Durations.Merge(m.Durations)
			}
		}
		var all []*store.OperationSum
		for key, s := range sums {
			if q.ByOperation || key.entry == asked[key.service] {
				all = append(all, s)
			}
		}
		slices.SortFunc(all, func(a, b *store.OperationSum) int {
			return cmp.Or(cmp.Compare(a.Service, b.Service), cmp.Compare(a.Operation, b.Operation),
				cmp.Compare(a.SpanKind, b.SpanKind), cmp.Compare(a.Cell, b.Cell))
		})
		for _, s := range all {
			if !yield(s, nil) {
				return
			}
		}
	}
}
