package traceql

import (
	"context"
	"fmt"
	"time"

	"github.com/signalbox-otel/signalbox/internal/store"
)

// fromOperations is how a query is answered from what the store keeps ready
// about operations: service, name and kind of spans, how many there were, how
// many failed, and how long they took.
type fromOperations struct {
	where  expr // on service, name and kind; nil holds for all
	failed int  // 1: of those that failed, -1: of the others, 0: of all
}

// preaggregated says how to answer q from pre-aggregates; nil when they do not
// tell enough.
func (q *Query) preaggregated() *fromOperations {
	m := q.metrics
	f := q.alone()
	counts := m.name == metricRate || m.name == metricCount
	if f == nil || !counts && m.name != metricQuantile && m.name != metricHistogram {
		return nil
	}
	if m.field != nil && (m.field.intrinsic == nil || m.field.intrinsic.name != "duration") {
		return nil
	}
	a := &fromOperations{}
	if f.where != nil {
		a.where = a.withoutStatus(f.where)
	}
	if a.failed != 0 && !counts {
		return nil
	}
	ready := true
	check := func(f *field) { ready = ready && f.inOperations() }
	eachField(a.where, check)
	for _, f := range m.by {
		check(f)
	}
	if !ready {
		return nil
	}
	return a
}

// inOperations reports whether pre-aggregates are kept by the field.
func (f *field) inOperations() bool {
	if f.intrinsic != nil {
		return f.intrinsic.name == "name" || f.intrinsic.name == "kind"
	}
	return !f.parent && f.scope == resourceScope && f.name == "service.name"
}

// withoutStatus takes status = error and status != error out of a condition
// whose parts must all hold.
func (a *fromOperations) withoutStatus(x expr) expr {
	b, ok := x.(*binary)
	switch {
	case !ok:
		return x
	case b.op == opAnd:
		l, r := a.withoutStatus(b.l), a.withoutStatus(b.r)
		switch {
		case l == nil:
			return r
		case r == nil:
			return l
		}
		return &binary{op: opAnd, l: l, r: r}
	}
	f, v, op := sidesOf(b)
	if f == nil || f.intrinsic == nil || f.intrinsic.name != "status" || v != wordValue(typeStatus, statusError) || a.failed != 0 {
		return x
	}
	a.failed = map[operator]int{opEqual: 1, opNotEqual: -1}[op]
	return nil
}

// statusError is OTLP's StatusCode of a failed span.
const statusError = 2

// operation is what the store keeps pre-aggregates by.
type operation struct {
	service, name string
	kind          int32
}

// span is a span of the operation.
func (o operation) span() *tree {
	t := lone()
	s := &store.Span{Resource: &store.Resource{}, Scope: &store.Scope{}, Name: o.name, Kind: o.kind}
	if o.service != "" {
		s.Resource.Attrs = []store.Attr{{Key: "service.name", Value: store.StringValue(o.service)}}
	}
	t.spans[0] = s
	return t
}

// fromSums counts what the store keeps ready; the range and its steps are whole
// minutes.
func (e *Engine) fromSums(ctx context.Context, r Range, a *fromOperations, c *collector) error {
	where := &filter{a.where}
	q := store.SumQuery{Start: r.Start, End: r.End, First: r.Start, Step: uint64(r.Step), ByOperation: true,
		Keep: func(service, name string, kind int32) bool {
			return where.where == nil || where.holds(operation{service, name, kind}.span(), 0)
		}}
	var last operation // sums of one operation come one after the other
	var to *series
	err := e.below.Sums(ctx, q, c.report, func(s *store.OperationSum) {
		count := s.Count
		switch {
		case a.failed > 0:
			count = s.Errors
		case a.failed < 0:
			count -= s.Errors
		}
		if count == 0 || s.Cell >= c.steps {
			return
		}
		if op := (operation{s.Service, s.Operation, s.SpanKind}); to == nil || op != last {
			to, last = c.seriesOfOperation(op), op
		}
		switch {
		case to == nil:
		case c.m.field == nil:
			c.add(to, s.Cell, 0, count)
		case s.Durations != nil:
			s.Durations.Buckets(func(i int, n uint64) {
				low, high := store.HistogramBounds(i)
				c.add(to, s.Cell, float64(low)+float64(high-low)/2, n)
			})
		}
	})
	if err != nil {
		return err
	}
	return e.examples(ctx, r, c)
}

// seriesOfOperation is the series that the spans of an operation are counted in.
func (c *collector) seriesOfOperation(o operation) *series {
	t := o.span()
	for i, f := range c.m.by {
		c.labels[i] = f.value(t, 0)
	}
	return c.seriesOf(c.labels)
}

// exampleParts is into how many parts the range is divided to find exemplars of
// what was not counted span by span.
const exampleParts = 5

// examples finds spans to show, the newest of each part of the range.
func (e *Engine) examples(ctx context.Context, r Range, c *collector) error {
	if c.exemplars <= 0 {
		return nil
	}
	p, err := e.plan(ctx, r.Query, r.Start, r.End)
	if err != nil {
		return err
	}
	f, t := r.Query.alone(), lone()
	part := ceil(r.End-r.Start, exampleParts) / exampleParts
	for start := r.Start; start < r.End; start += part {
		var report store.Report
		q := store.Query{Start: start, End: min(start+part, r.End), Where: p.where.Expr, Need: p.need, OnePerTrace: true,
			Limit: max(1, r.Exemplars/exampleParts), Report: &report}
		for s, err := range e.below.Spans(ctx, q) {
			if err != nil {
				return fmt.Errorf("searching exemplars: %w", err)
			}
			if t.spans[0] = s; !f.holds(t, 0) {
				continue
			}
			for i, f := range c.m.by {
				c.labels[i] = f.value(t, 0)
			}
			if to := c.seriesOf(c.labels); to != nil {
				c.exemplar(to, s, durationValue(time.Duration(s.Duration())))
			}
		}
		c.report.Add(&report)
	}
	return nil
}
