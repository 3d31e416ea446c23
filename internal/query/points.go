package query

import (
	"context"
	"fmt"
	"iter"

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
	for d, err := range e.dots(ctx, store.Query{Start: q.Start, End: q.End, Where: q.Where, Report: &p.Report}) {
		if err != nil {
			return nil, fmt.Errorf("reading points: %w", err)
		}
		for i, start := range d.Start {
			if start < oldest {
				continue
			}
			p.Points = append(p.Points, Point{start, d.Duration[i], d.Failed[i]})
			if len(p.Points) == 2*limit {
				oldest = p.forget(limit)
			}
		}
	}
	if len(p.Points) > limit {
		p.forget(limit)
	}
	return p, nil
}

// dots reads start, duration and failure of spans within the engine's budget and
// reports into q.Report, which must be set.
func (e *Engine) dots(ctx context.Context, q store.Query) iter.Seq2[*store.Dots, error] {
	if e.columns != nil {
		return fromColumns(ctx, e, q, e.columns.Dots)
	}
	q.Need = store.NeedCore
	return func(yield func(*store.Dots, error) bool) {
		for s, err := range e.spans(ctx, q) {
			if err != nil {
				yield(nil, err)
				return
			}
			if !yield(&store.Dots{Start: []uint64{s.Start}, Duration: []uint64{s.Duration()}, Failed: []bool{s.StatusCode == statusError}}, nil) {
				return
			}
		}
	}
}

// forget keeps the newest points, and returns when the oldest of them started.
func (p *Points) forget(limit int) uint64 {
	newestFirst(p.Points, limit)
	p.Points, p.More = p.Points[:limit], true
	oldest := p.Points[0].Start
	for _, point := range p.Points {
		oldest = min(oldest, point.Start)
	}
	return oldest
}

// newestFirst brings the newest n points to the front, in no order: the part of
// a sort that is needed.
func newestFirst(points []Point, n int) {
	for len(points) > 1 && n > 0 && n < len(points) {
		pivot := median(points[0].Start, points[len(points)/2].Start, points[len(points)-1].Start)
		newer, at, older := 0, 0, len(points)
		for at < older {
			switch start := points[at].Start; {
			case start > pivot:
				points[newer], points[at] = points[at], points[newer]
				newer++
				at++
			case start < pivot:
				older--
				points[at], points[older] = points[older], points[at]
			default:
				at++
			}
		}
		switch {
		case n < newer:
			points = points[:newer]
		case n <= older:
			return
		default:
			points, n = points[older:], n-older
		}
	}
}

func median(a, b, c uint64) uint64 { return max(min(a, b), min(max(a, b), c)) }
