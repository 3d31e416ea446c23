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
		limit := e.limit(q.Limit, 100)
		sq := store.Query{Start: q.Start, End: q.End, Where: q.Where, Limit: limit, Need: q.Need, Report: report}
		if q.Slowest {
			sq.Limit = 0
		}
		var slowest spanHeap
		for s, err := range e.spans(ctx, sq) {
			switch {
			case err != nil:
				yield(nil, fmt.Errorf("searching spans: %w", err))
				return
			case !q.Slowest:
				if !yield(s, nil) {
					return
				}
			case len(slowest) < limit:
				kept := *s // or it would keep those read with it in memory
				heap.Push(&slowest, &kept)
			case slower(s, slowest[0]) < 0:
				kept := *s
				slowest[0] = &kept
				heap.Fix(&slowest, 0)
			}
		}
		slices.SortFunc(slowest, slower)
		for _, s := range slowest {
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
