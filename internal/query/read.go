package query

import (
	"context"
	"fmt"
	"iter"

	"github.com/signalbox-otel/signalbox/internal/store"
)

// What the languages in folders below read through the engine, so that its
// budget holds for them too.

// Limits are the engine's, with defaults filled in.
func (e *Engine) Limits() Limits { return e.limits }

// Spans yields the spans that q asks for, within the engine's budget. q.Report
// must be set; q.MaxRows may lower the budget.
func (e *Engine) Spans(ctx context.Context, q store.Query) iter.Seq2[*store.Span, error] {
	return e.spans(ctx, q)
}

// Sums calls f for what q asks for, within the engine's budget, and reports into
// report. The argument of f is valid until it returns.
func (e *Engine) Sums(ctx context.Context, q store.SumQuery, report *store.Report, f func(*store.OperationSum)) error {
	return e.sums(ctx, q, report, f)
}

// WholeTracesOf yields the spans of traces in the order of ids, those of each by
// start, of which the parts that need names are filled; traces that retention
// took are left out.
func (e *Engine) WholeTracesOf(ctx context.Context, ids []store.TraceID, need store.Need, report *store.Report) iter.Seq2[[]*store.Span, error] {
	return func(yield func([]*store.Span, error) bool) {
		traces, err := e.manyTraces(ctx, ids, need, report)
		if err != nil {
			yield(nil, err)
			return
		}
		for i, id := range ids {
			if traces[i] == nil {
				if traces[i], err = e.traceSpans(ctx, id, report); err != nil {
					yield(nil, err)
					return
				}
			}
			if len(traces[i]) > 0 && !yield(traces[i], nil) {
				return
			}
			traces[i] = nil
		}
	}
}

// Summarize counts the spans of a trace, which are sorted by start and not none.
func Summarize(spans []*store.Span) *TraceSummary { return newSummary(spans[0].TraceID, spans) }

// Dots yields start, duration and failure of the spans that q asks for, within
// the engine's budget. q.Report must be set.
func (e *Engine) Dots(ctx context.Context, q store.Query) iter.Seq2[*store.Dots, error] {
	return e.dots(ctx, q)
}

// TypesOf lists the types of the values that the attribute q.Field has in the
// blocks that overlap the range. ok is false when there may be further ones.
func (e *Engine) TypesOf(ctx context.Context, q store.FieldQuery) (types []store.ValueType, ok bool, err error) {
	var report store.Report
	q.Match, q.Limit, q.Report = q.Field.Name, 1000, &report
	keys := 0
	for k, err := range e.catalog.Keys(ctx, q) {
		if err != nil {
			return nil, false, fmt.Errorf("listing types of %s: %w", q.Field.Name, err)
		}
		keys++
		if k.Field.Name == q.Field.Name {
			types = append(types, k.Type)
		}
	}
	return types, keys < q.Limit && !report.Partial(), nil
}
