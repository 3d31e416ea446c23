package store

import (
	"cmp"
	"context"
	"iter"
	"math"
	"slices"
	"sync/atomic"
)

// Questions that are answered from columns, without making whole records, and
// from several parts at a time.

// Dots are spans as a scatter shows them, by column.
type Dots struct {
	Start, Duration []uint64
	Failed          []bool // the status is error
}

// partAnswer is what one part gives to a question.
type partAnswer[T any] struct {
	answer T
	report *Report
	err    error
}

// eachPart yields what f makes of each part of kind k, in the order of the
// searcher's list, with the part's place in it. f runs for several parts at a
// time, with a searcher of its own each, and returns what it could not read.
func eachPart[T any](ctx context.Context, s *searcher, f func(ctx context.Context, s *searcher, i int) (T, error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		run := func(ctx context.Context, i int) partAnswer[T] {
			own := *s
			own.report = &Report{}
			v, err := f(ctx, &own, i)
			return partAnswer[T]{v, own.report, err}
		}
		for i, r := range inParallel(ctx, len(s.parts), run) {
			s.report.Add(r.report)
			if r.err != nil {
				if r.err = s.fail(i, r.err); r.err == nil {
					continue
				}
			}
			if !yield(r.answer, r.err) || r.err != nil {
				return
			}
		}
	}
}

// dots gives start, duration and failure of the spans that q asks for, part by
// part; its Limit and OnePerTrace do not count.
func (v *view) dots(ctx context.Context, q Query) iter.Seq2[*Dots, error] {
	return allColumns(ctx, v, Spans, q, (*Dots).add)
}

// allColumns collects with add columns of the records of kind k that q asks for,
// part by part.
func allColumns[T any](ctx context.Context, v *view, k Kind, q Query, add func(*T, *snapshot, int, bitmap) error) iter.Seq2[*T, error] {
	m, err := NewMatcher(q.Where)
	if err != nil {
		return func(yield func(*T, error) bool) { yield(nil, err) }
	}
	return eachPart(ctx, newSearcher(v, q, k, m, nil), func(ctx context.Context, s *searcher, i int) (*T, error) {
		all := new(T)
		err := s.scanPart(ctx, i, func(g int, sel bitmap) error { return add(all, s.snaps[i], g, sel) })
		s.snaps[i] = nil // with what it decoded
		return all, err
	})
}

// add appends the rows of sel in group g.
func (d *Dots) add(s *snapshot, g int, sel bitmap) error {
	from, n := len(d.Start), sel.len()
	d.Start = slices.Grow(d.Start, n)[:from+n]
	d.Duration = slices.Grow(d.Duration, n)[:from+n]
	d.Failed = slices.Grow(d.Failed, n)[:from+n]
	if err := s.lengths(g, sel, d.Start[from:], d.Duration[from:]); err != nil {
		return err
	}
	clear(d.Failed[from:])
	c := s.slots[slotStatus]
	if c == nil {
		return nil
	}
	ch, err := s.chunk(c, g)
	if err != nil {
		return err
	}
	ch.among(sel, func(n, i int) { d.Failed[from+n] = ch.num(i) == statusError^bias })
	return nil
}

// Ticks are log records as a histogram shows them, by column.
type Ticks struct {
	At       []uint64 // Log.At
	Severity []int32  // Log.SeverityNumber
}

// ticks gives time and severity of the log records that q asks for, part by
// part; its Limit does not count.
func (v *view) ticks(ctx context.Context, q Query) iter.Seq2[*Ticks, error] {
	return allColumns(ctx, v, Logs, q, (*Ticks).add)
}

// add appends the rows of sel in group g.
func (t *Ticks) add(s *snapshot, g int, sel bitmap) error {
	if s.slots[slotTime] == nil {
		return s.corrupt("log records without time")
	}
	times, err := s.chunk(s.slots[slotTime], g)
	if err != nil {
		return err
	}
	from, n := len(t.At), sel.len()
	t.At = slices.Grow(t.At, n)[:from+n]
	t.Severity = slices.Grow(t.Severity, n)[:from+n]
	clear(t.At[from:])
	clear(t.Severity[from:])
	times.among(sel, func(n, i int) { t.At[from+n] = times.num(i) })
	c := s.slots[slotSeverity]
	if c == nil {
		return nil
	}
	severities, err := s.chunk(c, g)
	if err != nil {
		return err
	}
	severities.among(sel, func(n, i int) { t.Severity[from+n] = int32(severities.num(i) ^ bias) })
	return nil
}

// lengths fills start and duration of the rows of sel in group g.
func (s *snapshot) lengths(g int, sel bitmap, start, duration []uint64) error {
	if s.slots[slotTime] == nil || s.slots[slotDuration] == nil {
		return s.corrupt("spans without duration")
	}
	times, err := s.chunk(s.slots[slotTime], g)
	if err != nil {
		return err
	}
	lengths, err := s.chunk(s.slots[slotDuration], g)
	if err != nil {
		return err
	}
	clear(start)
	clear(duration)
	times.among(sel, func(n, i int) { start[n] = times.num(i) })
	lengths.among(sel, func(n, i int) { duration[n] = spanDuration(start[n], lengths.num(i)) })
	return nil
}

// longestFirst orders hits by duration, equal ones by start, newest first, and
// then by ids, so that the answer does not depend on blocks.
func longestFirst(a, b hit) int {
	return cmp.Or(cmp.Compare(b.key, a.key), cmp.Compare(b.start, a.start), slices.Compare(a.trace[:], b.trace[:]),
		cmp.Compare(a.span, b.span), cmp.Compare(a.part, b.part), cmp.Compare(a.row, b.row))
}

// slowest gives the longest q.Limit spans, the longest first; of each trace one
// when q.OnePerTrace.
func (v *view) slowest(ctx context.Context, q Query) iter.Seq2[*Span, error] {
	return func(yield func(*Span, error) bool) {
		m, err := NewMatcher(q.Where)
		if err == nil {
			begin := func(broken map[part]bool) *searcher { return newSearcher(v, q, Spans, m, broken) }
			err = searchBest(ctx, begin, (*searcher).collectSlowest, (*snapshot).spans, yield)
		}
		if err != nil && err != errStopped {
			yield(nil, err)
		}
	}
}

// collectSlowest gathers the longest hits of all parts in s.best. A group whose
// longest span is shorter than as many others as are wanted is not read.
func (s *searcher) collectSlowest(ctx context.Context) error {
	s.best.order = longestFirst
	s.groups = func(snap *snapshot) []int {
		return groupsBy(snap, func(g int) uint64 { return longestOf(snap, g) })
	}
	var floor atomic.Uint64 // shorter ones do not matter
	s.skip = func(snap *snapshot, g int) bool { return longestOf(snap, g) < floor.Load() }
	all := s.best
	for hits, err := range eachPart(ctx, s, func(ctx context.Context, s *searcher, i int) ([]hit, error) {
		// The searcher's own list stays empty: it is about times.
		best := &topHits{limit: all.limit, perTrace: all.perTrace, order: all.order}
		var start, duration []uint64
		err := s.scanPart(ctx, i, func(g int, sel bitmap) error {
			n := sel.len()
			start, duration = slices.Grow(start[:0], n)[:n], slices.Grow(duration[:0], n)[:n]
			snap := s.snaps[i]
			if err := snap.lengths(g, sel, start, duration); err != nil {
				return err
			}
			return snap.offer(best, i, g, sel, start, duration, &floor)
		})
		if best.cut(); len(best.hits) == 0 {
			s.snaps[i] = nil
		}
		return best.hits, err
	}) {
		if err != nil {
			return err
		}
		all.hits = append(all.hits, hits...)
	}
	all.cut()
	return nil
}

// longestOf is a duration that no span of group g exceeds.
func longestOf(s *snapshot, g int) uint64 {
	if c := s.slots[slotDuration]; c != nil {
		if _, hi, ok := s.bounds(c, g); ok {
			return hi
		}
	}
	return math.MaxUint64
}

// offer adds the rows of sel to best unless they are shorter than floor, which
// it raises to what best has.
func (s *snapshot) offer(best *topHits, part, g int, sel bitmap, start, duration []uint64, floor *atomic.Uint64) (err error) {
	n := -1
	sel.each(func(row int) {
		n++
		if err != nil || duration[n] < floor.Load() {
			return
		}
		h := hit{key: duration[n], start: start[n], part: part, row: s.groups[g].lo + uint32(row)}
		if h.trace, err = s.rowTraceID(g, row); err != nil {
			return
		}
		if h.span, err = s.numAt(slotSpanID, g, row); err != nil {
			return
		}
		best.add(h)
		for best.full {
			if old := floor.Load(); old >= best.floor || floor.CompareAndSwap(old, best.floor) {
				break
			}
		}
	})
	return err
}

// traces gives the spans of several traces, in any order.
func (v *view) traces(ctx context.Context, ids []TraceID, need Need, rep *Report) iter.Seq2[*Span, error] {
	whole := *v
	whole.lost = nil // told apart below
	s := newSearcher(&whole, Query{Report: rep}, Spans, nil, nil)
	s.parts = slices.DeleteFunc(slices.Clone(v.parts), func(p part) bool { return p.kind() != Spans || p.rows() == 0 })
	return func(yield func(*Span, error) bool) {
		var seen traceTimes
		defer func() { seen.missing(v, s.report) }()
		for spans, err := range eachPart(ctx, s, func(ctx context.Context, s *searcher, i int) ([]*Span, error) {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			spans := []*Span(nil)
			err := tracesOf(ctx, s.parts[i], ids, need, s.report, func(some []*Span) bool {
				spans = append(spans, some...)
				return true
			})
			return spans, err
		}) {
			if err != nil {
				yield(nil, err)
				return
			}
			seen.add(spans)
			for _, span := range spans {
				if !yield(span, nil) {
					return
				}
			}
		}
	}
}

// traceWindow is the number of spans of traces that are filled at a time.
const traceWindow = 4096

// tracesOf gives the spans of traces in one part, some at a time, until take
// wants no more.
func tracesOf(ctx context.Context, p part, ids []TraceID, need Need, rep *Report, take func([]*Span) bool) error {
	x := explainPart(ctx, p)
	snap := p.snapshot()
	snap.borrow()
	defer snap.release()
	own := &Report{}
	defer func() {
		own.Pages, own.Bytes = snap.read()
		if x != nil {
			x.end(snap, own)
			x.to = ExplainOf(ctx)
			x.to.Stage(stageTraces, x.began)
		}
		rep.Add(own)
	}()
	var all []uint32
	for _, id := range ids {
		rows, err := snap.traceRows(id)
		if err != nil {
			return err
		}
		all = append(all, rows...)
	}
	if len(all) == 0 {
		own.BlocksSkipped++
		x.skip("trace index")
		return nil
	}
	slices.Sort(all)
	all = slices.Compact(all) // an id may be asked for twice
	own.Blocks++
	x.traces(len(ids), len(all))
	fill := snap.spans
	if len(ids) == 1 {
		fill = snap.spansInHalves // of several, other parts are filled meanwhile
	}
	for rows := range slices.Chunk(all, traceWindow) {
		if err := ctx.Err(); err != nil {
			return err
		}
		own.Rows += len(rows)
		own.Matched += len(rows)
		spans, err := fill(rows, need)
		if err != nil {
			return err // some are not filled
		}
		if !take(spans) {
			break
		}
	}
	return nil
}
