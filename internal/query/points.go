package query

import (
	"cmp"
	"context"
	"fmt"
	"slices"

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

// Point is one span of a scatter.
type Point struct {
	Start, Duration uint64
	Failed          bool // its status is error
}

// Points is the answer to a PointSearch, in no particular order.
type Points struct {
	Points []Point
	More   bool // older ones were left out
	Report store.Report
}

// Points reads what a scatter shows of each span. It does not ask the reader for
// the newest ones, which would sort whole spans: it takes all and forgets the
// oldest whenever it has twice as many as wanted.
func (e *Engine) Points(ctx context.Context, q PointSearch) (*Points, error) {
	limit := maxPoints
	if q.Limit > 0 {
		limit = min(limit, q.Limit)
	}
	p := &Points{}
	oldest := uint64(0) // older ones need not be kept
	for s, err := range e.spans(ctx, store.Query{Start: q.Start, End: q.End, Where: q.Where, Need: store.NeedCore, Report: &p.Report}) {
		if err != nil {
			return nil, fmt.Errorf("reading points: %w", err)
		}
		if s.Start < oldest {
			continue
		}
		p.Points = append(p.Points, Point{s.Start, s.Duration(), s.StatusCode == statusError})
		if len(p.Points) == 2*limit {
			oldest = p.forget(limit)
		}
	}
	if len(p.Points) > limit {
		p.forget(limit)
	}
	return p, nil
}

// forget keeps the newest points, and returns when the oldest of them started.
func (p *Points) forget(limit int) uint64 {
	slices.SortFunc(p.Points, func(a, b Point) int { return cmp.Compare(b.Start, a.Start) })
	p.Points, p.More = p.Points[:limit], true
	return p.Points[limit-1].Start
}
