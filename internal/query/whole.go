package query

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"slices"

	"github.com/signalbox-otel/signalbox/internal/store"
)

// WholeTraces yields the traces with a span that q's range and condition hold
// for, those with the newest such span first: all spans of each, by start. It
// yields at most q.Limit traces (0: 20), and none after maxSpans spans, which
// the report then says. The report is filled while the answer is read.
func (e *Engine) WholeTraces(ctx context.Context, q store.Query, maxSpans int, report *store.Report) iter.Seq2[[]*store.Span, error] {
	return func(yield func([]*store.Span, error) bool) {
		var searched store.Report
		defer func() { report.Add(&searched) }()
		q.Limit, q.OnePerTrace, q.Need, q.Report = e.limit(q.Limit, 20), true, store.NeedIDs, &searched
		total := 0
		for match, err := range e.spans(ctx, q) {
			if err != nil {
				yield(nil, fmt.Errorf("searching traces: %w", err))
				return
			}
			if total >= maxSpans {
				searched.Stopped = StoppedSpans
				return
			}
			spans, err := e.traceSpans(ctx, match.TraceID, report)
			if err != nil {
				yield(nil, err)
				return
			}
			if len(spans) == 0 {
				continue // retention took it in between
			}
			total += len(spans)
			if !yield(spans, nil) {
				return
			}
		}
	}
}

// WholeTrace gives all spans of a trace by start. It returns ErrNotFound when
// there is none of that id.
func (e *Engine) WholeTrace(ctx context.Context, id store.TraceID, report *store.Report) ([]*store.Span, error) {
	spans, err := e.traceSpans(ctx, id, report)
	if err == nil && len(spans) == 0 {
		err = notFound(report)
	}
	return spans, err
}

// Operation is one span name of a service, with one kind of its spans.
type Operation struct {
	Service, Name string
	Kind          int32 // OTLP SpanKind
}

// Operations lists the operations of all data, by service, name and kind.
func (e *Engine) Operations(ctx context.Context, report *store.Report) ([]Operation, error) {
	var all []Operation
	err := e.sums(ctx, store.SumQuery{End: e.until(0), ByOperation: true}, report, func(s *store.OperationSum) {
		all = append(all, Operation{s.Service, s.Operation, s.SpanKind})
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(all, func(a, b Operation) int {
		return cmp.Or(cmp.Compare(a.Service, b.Service), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Kind, b.Kind))
	})
	return all, nil
}
