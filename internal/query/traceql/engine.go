package traceql

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/signalbox-otel/signalbox/internal/query"
	"github.com/signalbox-otel/signalbox/internal/store"
)

// Engine executes queries. It has no state but the engine below it, so it is
// safe for concurrent use and needs no closing.
type Engine struct {
	below  *query.Engine
	limits query.Limits
}

// New makes an engine that reads through below, within its budget.
func New(below *query.Engine) *Engine { return &Engine{below, below.Limits()} }

// What one query may hold in memory.
const (
	windowTraces = 50     // read at the same time, to begin with
	windowSpans  = 20_000 // read at the same time, about
	windowBytes  = 32 << 20
	maxTraces    = 100_000 // of one query for metrics
	maxPage      = 10_000  // candidates of one question to the store
)

// bounded runs a query within the time that the engine has for one: when that is
// over the query ends without an error, and report says why.
func (e *Engine) bounded(ctx context.Context, report *store.Report, run func(context.Context) error) error {
	limited, cancel := context.WithTimeout(ctx, e.limits.MaxTime)
	defer cancel()
	err := run(limited)
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		stop(report, query.StoppedTime)
		return nil
	}
	return err
}

func stop(report *store.Report, why string) {
	if report.Stopped == "" {
		report.Stopped = why
	}
}

// plan is how a query is executed.
type plan struct {
	start, end uint64 // of the spans that lead to a trace
	where      condition
	need       store.Need
}

// plan finds what the store can tell, and what of the spans must be read.
func (e *Engine) plan(ctx context.Context, q *Query, start, end uint64) (plan, error) {
	p := planner{types: map[store.Field]types{}}
	need := store.NeedCore
	var err error
	q.eachField(func(f *field) {
		need |= f.need()
		sf, ok := f.storeField()
		if err != nil || !ok || f.intrinsic != nil || sf == serviceField {
			return
		}
		if _, known := p.types[sf]; known {
			return
		}
		var found []store.ValueType
		var all bool
		found, all, err = e.below.TypesOf(ctx, store.FieldQuery{Kind: store.Spans, Start: start, End: end, Field: sf})
		p.types[sf] = typesOf(found, all)
	})
	return plan{start: start, end: end, where: p.found(q.pipeline), need: need}, err
}

var serviceField = store.Field{Place: store.ResourceAttr, Name: "service.name"}

// eachField visits the fields that a query looks at.
func (q *Query) eachField(visit func(*field)) {
	eachStageField(q.pipeline, visit)
	if m := q.metrics; m != nil {
		if m.field != nil {
			visit(m.field)
		}
		for _, f := range m.by {
			visit(f)
		}
		if m.selected != nil {
			eachStageField(m.selected, visit)
		}
	}
}

func eachStageField(s stage, visit func(*field)) {
	switch s := s.(type) {
	case *filter:
		eachField(s.where, visit)
	case *combined:
		eachStageField(s.l, visit)
		eachStageField(s.r, visit)
	case *related:
		eachStageField(s.l, visit)
		eachStageField(s.r, visit)
	case pipeline:
		for _, inner := range s {
			eachStageField(inner, visit)
		}
	case *groupBy:
		eachField(s.by, visit)
	case *selection:
		for _, f := range s.fields {
			visit(f)
		}
	case *scalarFilter:
		eachScalarField(s.l, visit)
		eachScalarField(s.r, visit)
	}
}

func eachScalarField(x scalar, visit func(*field)) {
	switch x := x.(type) {
	case *aggregate:
		eachField(x.x, visit)
	case *negated:
		eachScalarField(x.x, visit)
	case *calculated:
		eachScalarField(x.l, visit)
		eachScalarField(x.r, visit)
	}
}

// traces yields the spans of the traces that a query may hold for, those with
// the newest span that leads to them first. page is how many traces are probably
// enough, most how many may be looked at.
func (e *Engine) traces(ctx context.Context, p plan, page, most int, report *store.Report) iter.Seq2[[]*store.Span, error] {
	return func(yield func([]*store.Span, error) bool) {
		size, read, total, bytes := min(windowTraces, page), 0, 0, 0
		c := candidates{engine: e, plan: p, page: page, most: most, report: report, seen: map[store.TraceID]bool{}}
		for {
			ids, err := c.next(ctx)
			if err != nil {
				yield(nil, err)
				return
			}
			if len(ids) == 0 {
				return
			}
			for len(ids) > 0 {
				window := ids[:min(size, len(ids))]
				ids = ids[len(window):]
				for spans, err := range e.below.WholeTracesOf(ctx, window, p.need, report) {
					if err == nil {
						err = ctx.Err() // evaluating takes time too
					}
					read++
					total += len(spans)
					for _, s := range spans {
						bytes += s.SizeBytes()
					}
					if !yield(spans, err) || err != nil {
						return
					}
				}
				// Many small traces are read at a time, of large ones few.
				size = max(1, min(windowSpans*read/max(1, total), windowBytes*read/max(1, bytes), 4*size))
			}
		}
	}
}

// candidates finds the ids of traces page by page, from the newest to the
// oldest.
type candidates struct {
	engine     *Engine
	plan       plan
	page, most int
	report     *store.Report
	seen       map[store.TraceID]bool
	done       bool
}

// next gives the next traces; none when there are no more.
func (c *candidates) next(ctx context.Context) ([]store.TraceID, error) {
	for !c.done {
		var searched store.Report
		q := store.Query{Start: c.plan.start, End: c.plan.end, Where: c.plan.where.Expr, Limit: c.page, OnePerTrace: true,
			Need: store.NeedIDs, MaxRows: c.engine.limits.MaxRows - c.report.Rows, Report: &searched}
		if q.MaxRows <= 0 {
			stop(c.report, "row limit")
			return nil, nil
		}
		var ids []store.TraceID
		oldest, n := c.plan.end, 0
		for s, err := range c.engine.below.Spans(ctx, q) {
			if err != nil {
				return nil, fmt.Errorf("searching traces: %w", err)
			}
			n++
			oldest = s.Start
			if !c.seen[s.TraceID] {
				ids = append(ids, s.TraceID)
			}
		}
		c.report.Add(&searched)
		c.done = n < c.page || searched.Stopped != ""
		// Those that start together may be on two pages.
		c.plan.end = oldest + 1
		if len(ids) == 0 || c.page < maxPage {
			c.page *= 4
		}
		if len(c.seen)+len(ids) > c.most {
			stop(c.report, query.StoppedTraces)
			ids, c.done = ids[:c.most-len(c.seen)], true
		}
		for _, id := range ids {
			c.seen[id] = true
		}
		if len(ids) > 0 {
			return ids, nil
		}
	}
	return nil, nil
}

// stepOf gives a length of time that people count in, so that about want steps
// are in a range.
func stepOf(start, end uint64, want int) time.Duration {
	span := time.Duration((end - start) / uint64(want))
	for _, nice := range []time.Duration{time.Second, 5 * time.Second, 10 * time.Second, 15 * time.Second, 30 * time.Second, time.Minute,
		2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 15 * time.Minute, 30 * time.Minute, time.Hour, 2 * time.Hour, 6 * time.Hour, 12 * time.Hour} {
		if span <= nice {
			return nice
		}
	}
	return span.Truncate(24*time.Hour) + 24*time.Hour
}
