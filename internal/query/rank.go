package query

import (
	"context"
	"time"

	"github.com/signalbox-otel/signalbox/internal/store"
)

// Rank says how slow a span is for its operation.
type Rank struct {
	// Slower is the fraction of the operation's spans that it is slower than,
	// 0 to 1; those in its own histogram bucket count half.
	Slower float64
	// Of is how many spans it is compared with; 0 when none are known.
	Of uint64
}

// operationKey is what spans must have alike to be compared.
type operationKey struct {
	service, name string
	kind          int32
}

// Ranks compares every node of t with the spans of its service, name and kind
// in [start, end), from the pre-aggregates; it adds what it took to t.Report.
func (e *Engine) Ranks(ctx context.Context, t *Trace, start, end uint64) ([]Rank, error) {
	durations := map[operationKey]*store.Histogram{}
	for _, n := range t.Nodes {
		durations[operationOf(n.Span)] = &store.Histogram{}
	}
	q := store.SumQuery{Start: start, End: end, ByOperation: true, Keep: func(service, operation string, kind int32) bool {
		return durations[operationKey{service, operation, kind}] != nil
	}}
	err := e.sums(ctx, q, &t.Report, func(s *store.OperationSum) {
		durations[operationKey{s.Service, s.Operation, s.SpanKind}].Merge(s.Durations)
	})
	if err != nil {
		return nil, err
	}
	ranks := make([]Rank, len(t.Nodes))
	for i, n := range t.Nodes {
		ranks[i] = rankIn(durations[operationOf(n.Span)], n.Duration())
	}
	return ranks, nil
}

// RanksBefore is Ranks with the spans of that long before the end of t.
func (e *Engine) RanksBefore(ctx context.Context, t *Trace, length time.Duration) ([]Rank, error) {
	last := t.Start + uint64(t.Duration()) + 1
	return e.Ranks(ctx, t, last-min(last, uint64(length)), last)
}

// RanksOf is RanksBefore for the nodes of a trace that is read for nothing else,
// in the order in which Trace has them. It returns ErrNotFound when there is
// none of that id.
func (e *Engine) RanksOf(ctx context.Context, id store.TraceID, length time.Duration, report *store.Report) ([]Rank, error) {
	traces, err := e.manyTraces(ctx, []store.TraceID{id}, store.NeedCore, report)
	if err != nil {
		return nil, err
	}
	spans := traces[0]
	if spans == nil {
		if spans, err = e.traceSpans(ctx, id, report); err != nil {
			return nil, err
		}
	}
	if len(spans) == 0 {
		return nil, ErrNotFound
	}
	t := NewTrace(id, spans)
	ranks, err := e.RanksBefore(ctx, t, length)
	report.Add(&t.Report)
	return ranks, err
}

func operationOf(s *store.Span) operationKey {
	return operationKey{s.Resource.ServiceName(), s.Name, s.Kind}
}

func rankIn(h *store.Histogram, duration uint64) Rank {
	own := store.HistogramBucket(duration)
	var faster, same uint64
	h.Buckets(func(i int, n uint64) {
		switch {
		case i < own:
			faster += n
		case i == own:
			same = n
		}
	})
	r := Rank{Of: h.Count()}
	if r.Of > 0 {
		r.Slower = (float64(faster) + float64(same)/2) / float64(r.Of)
	}
	return r
}
