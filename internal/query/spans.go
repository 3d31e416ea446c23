package query

import (
	"cmp"
	"container/heap"
	"context"
	"fmt"
	"iter"
	"slices"

	"github.com/signalbox-otel/signalbox/internal/store"
)

// SpanSearch asks for single spans that start in [Start, End) and satisfy
// Where: a scatter of requests, a list of the slowest statements.
type SpanSearch struct {
	Start, End uint64
	Where      store.Expr
	Limit      int // 0 means 100
	// Slowest gives the spans with the longest duration, longest first, not the
	// newest. It reads all that match.
	Slowest bool
	// Need is which parts of the spans must be filled; 0 means all.
	Need store.Need
}

// SearchSpans yields the spans that q asks for, newest or slowest first.
func (e *Engine) SearchSpans(ctx context.Context, q SpanSearch, report *store.Report) iter.Seq2[*store.Span, error] {
	return func(yield func(*store.Span, error) bool) {
		sq := store.Query{Start: q.Start, End: q.End, Where: q.Where, Limit: e.limit(q.Limit, 100), Need: q.Need, Report: report}
		found := e.spans
		if q.Slowest {
			found = e.slowest
		}
		for s, err := range found(ctx, sq) {
			if err != nil {
				yield(nil, fmt.Errorf("searching spans: %w", err))
				return
			}
			if !yield(s, nil) {
				return
			}
		}
	}
}

// slower orders spans: the slowest first, of equal ones the newest.
func slower(a, b *store.Span) int {
	return cmp.Or(cmp.Compare(b.Duration(), a.Duration()), cmp.Compare(b.Start, a.Start),
		slices.Compare(a.TraceID[:], b.TraceID[:]), slices.Compare(a.SpanID[:], b.SpanID[:]))
}

// spanHeap has the fastest of the slowest spans at the top.
type spanHeap []*store.Span

// offer takes s when it is among the slowest limit spans.
func (h *spanHeap) offer(s *store.Span, limit int) {
	switch {
	case len(*h) < limit:
		kept := *s // or it would keep those read with it in memory
		heap.Push(h, &kept)
	case slower(s, (*h)[0]) < 0:
		kept := *s
		(*h)[0] = &kept
		heap.Fix(h, 0)
	}
}

func (h spanHeap) Len() int           { return len(h) }
func (h spanHeap) Less(i, j int) bool { return slower(h[i], h[j]) > 0 }
func (h spanHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }

// Push appends, for package heap.
func (h *spanHeap) Push(s any) { *h = append(*h, s.(*store.Span)) }

// Pop takes the last one, for package heap.
func (h *spanHeap) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}
