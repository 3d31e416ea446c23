package store_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/signalbox-otel/signalbox/internal/store"
)

func sumText(s *store.OperationSum) string {
	b := fmt.Sprintf("%q %q %d entry=%v cell=%d: %d %d", s.Service, s.Operation, s.SpanKind, s.Entry, s.Cell, s.Count, s.Errors)
	s.Durations.Buckets(func(i int, n uint64) { b += fmt.Sprintf(" %d*%d", n, i) })
	return b + fmt.Sprint(" of ", s.Durations.Count())
}

// naiveSums is what Sums has to give, from minutes.
func naiveSums(minutes []*store.OperationMinute, q store.SumQuery) []string {
	sums := map[string]*store.OperationSum{}
	asked := map[string]bool{}
	keep := func(m *store.OperationMinute) bool {
		return (q.Service == "" || q.Service == m.Service) && (q.Keep == nil || q.Keep(m.Service, m.Operation, m.SpanKind))
	}
	for _, m := range minutes {
		if keep(m) && store.EntryKind(m.SpanKind) {
			asked[m.Service] = true
		}
	}
	for _, m := range minutes {
		if !keep(m) || !q.ByOperation && asked[m.Service] && !store.EntryKind(m.SpanKind) {
			continue
		}
		s := &store.OperationSum{Service: m.Service, Durations: &store.Histogram{}}
		if q.ByOperation {
			s.Operation, s.SpanKind = m.Operation, m.SpanKind
		} else {
			s.Entry = asked[m.Service]
		}
		if q.Step > 0 {
			s.Cell = int((uint64(m.Minute.UnixNano()) - q.First) / q.Step)
		}
		key := fmt.Sprintf("%q %q %d %d", s.Service, s.Operation, s.SpanKind, s.Cell)
		if sums[key] == nil {
			sums[key] = s
		}
		sums[key].Count += m.Count
		sums[key].Errors += m.Errors
		sums[key].Durations.Merge(m.Durations)
	}
	var out []string
	for _, s := range sums {
		out = append(out, sumText(s))
	}
	return sorted(out)
}

// sumQuery is any question.
func (r *random) sumQuery() store.SumQuery {
	q := store.SumQuery{Start: pick(r, 0, r.time()), End: pick(r, 0, r.time()), ByOperation: r.IntN(2) == 0}
	if r.IntN(2) == 0 {
		q.Step = pick(r, uint64(1), 2, 5, 10, 60, 1440) * uint64(time.Minute)
		q.First = q.Start - q.Start%q.Step
	}
	if r.IntN(3) == 0 {
		q.Service = pick(r, "a", "shop", "cart", "none")
	}
	if r.IntN(3) == 0 {
		q.Keep = func(service, operation string, spanKind int32) bool { return (len(operation)+int(spanKind))%2 == 0 }
	}
	return q
}

// sumsOf collects the texts of sums, and checks that those of one operation
// come together and by cell.
func sumsOf(t *testing.T, seq func(func(*store.OperationSum, error) bool)) []string {
	t.Helper()
	var out []string
	seen := map[string]bool{}
	last, cell := "", 0
	for s, err := range seq {
		if err != nil {
			t.Fatal(err)
		}
		key := fmt.Sprintf("%q %q %d", s.Service, s.Operation, s.SpanKind)
		if key != last && seen[key] || key == last && s.Cell <= cell {
			t.Errorf("sums of %s do not come together by cell", key)
		}
		seen[key], last, cell = true, key, s.Cell
		out = append(out, sumText(s))
	}
	return sorted(out)
}

func compareSums(t *testing.T, q store.SumQuery, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("sums from %d to %d, step %d, service %q, by operation %v, filtered %v: got %d; want %d: %s",
			q.Start, q.End, q.Step, q.Service, q.ByOperation, q.Keep != nil, len(got), len(want), firstDifference(got, want))
	}
}

func (h *history) checkSums(view *store.TestView, q store.SumQuery) {
	h.t.Helper()
	ctx := context.Background()
	minutes := collect(h.t, h.memory.Operations(ctx, q.Start, q.End, nil))
	compareSums(h.t, q, sumsOf(h.t, view.Sums(ctx, q)), naiveSums(minutes, q))
	briefs := func(q store.SumQuery) (out []string) {
		for s, err := range view.Sums(ctx, q) {
			if err != nil {
				h.t.Fatal(err)
			}
			if s.Durations != nil {
				s.Brief = s.Durations.Brief()
			}
			out = append(out, fmt.Sprintf("%q %q %d entry=%v cell=%d: %d %d %v", s.Service, s.Operation, s.SpanKind, s.Entry, s.Cell, s.Count, s.Errors, s.Brief))
		}
		return out
	}
	want := briefs(q)
	q.Brief = true
	compareSums(h.t, q, briefs(q), want)
}

// spread is a batch of spans of few services over some hours, from far apart
// when it is wide.
func (r *random) spread(n int, from uint64, wide bool) *store.Batch {
	b := &store.Batch{Kind: store.Spans}
	for range n {
		start := from + uint64(r.IntN(int(40*time.Minute)))
		if wide && r.IntN(20) == 0 {
			start = pick(r, 0, 1, from/2, 3*from/2, 1<<63-1)
		}
		service := store.StringValue(pick(r, "a", "shop", "cart", strings.Repeat("x", r.IntN(3))))
		b.Spans = append(b.Spans, store.Span{Resource: &store.Resource{Attrs: []store.Attr{{Key: "service.name", Value: service}}},
			Scope: &store.Scope{}, Name: pick(r, "", "get", "put", "list"), Kind: int32(r.IntN(6)), Start: start,
			End: start + r.Uint64()>>r.IntN(64), StatusCode: int32(r.IntN(3))})
	}
	return b
}

// Sums are those of the minutes, whatever was asked before and whichever blocks
// came and went in between.
func TestSums(t *testing.T) {
	for seed := range uint64(6) {
		r, h := newRandom(seed), newHistory(t)
		var view *store.TestView
		from := uint64(1_790_000_000_000_000_000)
		for step := range 60 {
			if from += uint64(r.IntN(int(30 * time.Minute))); r.IntN(4) == 0 {
				from -= uint64(r.IntN(int(2 * time.Hour)))
			}
			h.append(r.spread(1+r.IntN(40), from, seed%3 == 0))
			if r.IntN(4) > 0 {
				h.seal(store.Spans)
			}
			next := h.snapshot()
			if view != nil {
				next.KeepSums(view)
			}
			view = next
			for range 3 {
				q := r.sumQuery()
				if r.IntN(2) == 0 {
					q.Start = from - uint64(r.IntN(int(100*time.Minute)))
					q.End = q.Start + uint64(r.IntN(int(5*time.Hour)))
				}
				if q.Step > 0 {
					if q.End == 0 || q.End-q.Start > 1000*q.Step {
						q.End = q.Start + 300*q.Step
					}
					q.First = q.Start - q.Start%q.Step
				}
				h.checkSums(view, q)
			}
			if t.Failed() {
				t.Fatalf("seed %d, step %d", seed, step)
			}
		}
	}
}

// Operations without number are not told apart beyond a bound, and the answer
// says so; what is asked about services is right nevertheless.
func TestSumsOfTooManyOperations(t *testing.T) {
	const spans = 30_000
	from := uint64(1_790_000_000_000_000_000)
	batch := &store.Batch{Kind: store.Spans}
	for i := range spans {
		start := from + uint64(i)*uint64(time.Millisecond)
		batch.Spans = append(batch.Spans, store.Span{Resource: &store.Resource{Attrs: []store.Attr{{Key: "service.name", Value: store.StringValue(pick(newRandom(uint64(i)), "a", "b"))}}},
			Scope: &store.Scope{}, Name: fmt.Sprint("GET /", i), Kind: int32(i%5) + 1, Start: start, End: start + uint64(i)})
	}
	ctx := context.Background()
	for name, seal := range map[string]bool{"head": false, "block": true} {
		h := newHistory(t)
		h.append(batch)
		if seal {
			h.seal(store.Spans)
		}
		view := h.snapshot()
		for _, step := range []uint64{0, uint64(time.Minute)} {
			services, ops := &store.Report{}, &store.Report{}
			h.checkSums(view, store.SumQuery{Step: step, First: from - from%uint64(time.Minute), Report: services})
			n, count := 0, uint64(0)
			for s, err := range view.Sums(ctx, store.SumQuery{Step: step, First: from - from%uint64(time.Minute), ByOperation: true, Report: ops}) {
				if err != nil {
					t.Fatal(err)
				}
				n++
				count += s.Count
			}
			if step == 0 && (n >= spans || n < spans/2 || ops.Stopped == "" || count >= spans) {
				t.Errorf("%s: got %d operations with %d spans, stopped by %q; want a bound", name, n, count, ops.Stopped)
			}
			if services.Partial() {
				t.Errorf("%s: sums of services are partial: %+v", name, services)
			}
		}
	}
}
