package query

import (
	"context"
	"fmt"

	"github.com/signalbox-otel/signalbox/internal/store"
)

// PointSearch asks for a scatter: start and duration of the spans that start in
// [Start, End) and satisfy Where.
type PointSearch struct {
	Start, End uint64
	Where      store.Expr
	Limit      int // the newest so many; 0 means 100,000, which is also the most
}

// maxPoints is what a page draws without lag.
const maxPoints = 100_000

// Points are spans by column, newest first.
type Points struct {
	Starts    []uint64
	Durations []uint64
	Failed    []int // indexes of those whose status is error
	More      bool  // older ones were left out
	Report    store.Report
}

// Points reads what a scatter shows of each span.
func (e *Engine) Points(ctx context.Context, q PointSearch) (*Points, error) {
	limit := maxPoints
	if q.Limit > 0 {
		limit = min(limit, q.Limit)
	}
	p := &Points{}
	for s, err := range e.spans(ctx, store.Query{Start: q.Start, End: q.End, Where: q.Where, Limit: limit + 1, Need: store.NeedCore, Report: &p.Report}) {
		if err != nil {
			return nil, fmt.Errorf("reading points: %w", err)
		}
		if len(p.Starts) == limit {
			p.More = true
			break
		}
		if s.StatusCode == statusError {
			p.Failed = append(p.Failed, len(p.Starts))
		}
		p.Starts = append(p.Starts, s.Start)
		p.Durations = append(p.Durations, s.Duration())
	}
	return p, nil
}
