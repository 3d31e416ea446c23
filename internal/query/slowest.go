package query

import (
	"container/heap"
	"context"
	"iter"
	"slices"

	"github.com/signalbox-otel/signalbox/internal/store"
)

// slowest yields the q.Limit longest spans that match, longest first; of each
// trace one when q.OnePerTrace. It reads all that match.
func (e *Engine) slowest(ctx context.Context, q store.Query) iter.Seq2[*store.Span, error] {
	if e.columns != nil {
		return fromColumns(ctx, e, q, e.columns.Slowest)
	}
	limit, perTrace := q.Limit, q.OnePerTrace
	q.Limit, q.OnePerTrace = 0, false
	return func(yield func(*store.Span, error) bool) {
		var longest spanHeap
		traces := traceHeap{at: map[store.TraceID]int{}}
		for s, err := range e.spans(ctx, q) {
			switch {
			case err != nil:
				yield(nil, err)
				return
			case perTrace:
				traces.offer(s, limit)
			default:
				longest.offer(s, limit)
			}
		}
		longest = append(longest, traces.spans...)
		slices.SortFunc(longest, slower)
		for _, s := range longest {
			if !yield(s, nil) {
				return
			}
		}
	}
}

// traceHeap has one span of each of its traces, the fastest at the top.
type traceHeap struct {
	spans spanHeap
	at    map[store.TraceID]int // place in spans
}

// offer takes s when it is among the slowest limit traces.
func (h *traceHeap) offer(s *store.Span, limit int) {
	at, known := h.at[s.TraceID]
	switch {
	case known:
		if slower(s, h.spans[at]) < 0 {
			*h.spans[at] = *s
			heap.Fix(h, at)
		}
	case len(h.spans) < limit:
		kept := *s // or it would keep those read with it in memory
		heap.Push(h, &kept)
	case slower(s, h.spans[0]) < 0:
		delete(h.at, h.spans[0].TraceID)
		kept := *s
		h.spans[0], h.at[s.TraceID] = &kept, 0
		heap.Fix(h, 0)
	}
}

func (h *traceHeap) Len() int           { return len(h.spans) }
func (h *traceHeap) Less(i, j int) bool { return h.spans.Less(i, j) }

// Swap keeps the places right.
func (h *traceHeap) Swap(i, j int) {
	h.spans.Swap(i, j)
	h.at[h.spans[i].TraceID], h.at[h.spans[j].TraceID] = i, j
}

// Push appends, for package heap.
func (h *traceHeap) Push(s any) {
	h.at[s.(*store.Span).TraceID] = len(h.spans)
	h.spans.Push(s)
}

// Pop takes the last one, for package heap.
func (h *traceHeap) Pop() any {
	last := h.spans.Pop().(*store.Span)
	delete(h.at, last.TraceID)
	return last
}
