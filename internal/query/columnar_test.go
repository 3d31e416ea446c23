package query

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/signalbox-otel/signalbox/internal/query/querytest"
	"github.com/signalbox-otel/signalbox/internal/store"
)

// Lists are the same whether traces are read together or one by one: with spans
// that came twice, with some that only seem to have, and with more spans than
// are read at once.
func TestListsOfManyTraces(t *testing.T) {
	var spans []store.Span
	for trace := range 6 {
		for i := range 4 + trace {
			s := testSpan(byte(trace+1), byte(i+1), time.Duration(trace)*time.Second, time.Duration(100-i)*time.Millisecond)
			s.Attrs = []store.Attr{{Key: "n", Value: store.IntValue(int64(i))}}
			spans = append(spans, s)
			if i%2 == 0 {
				spans = append(spans, s) // sent twice
			}
			if i == 3 {
				s.Attrs = []store.Attr{{Key: "n", Value: store.IntValue(99)}} // another one
				spans = append(spans, s)
			}
		}
	}
	where, err := Parse(store.Spans, `span.n > 1`)
	if err != nil {
		t.Fatal(err)
	}
	list := func(b backend, limits Limits, q TraceSearch) (out []string) {
		load(t, b, &store.Batch{Kind: store.Spans, Spans: spans})
		if err := b.loaded(t.Context()); err != nil {
			t.Fatal(err)
		}
		q.Where = where
		report := &store.Report{}
		for s, err := range New(b.Reader, b.Catalog, b.Follower, limits).SearchTraces(t.Context(), q, report) {
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, fmt.Sprint(s.ID, s.Spans, s.Matched, len(s.MatchedSpans), s.Start, s.End, s.Root.SpanID))
		}
		if report.Partial() {
			t.Errorf("got a partial answer: %+v", report)
		}
		return out
	}
	for _, q := range []TraceSearch{{Slowest: true}, {}, {Limit: 2}, {Limit: 2, MinDuration: time.Millisecond}, {Spans: 1, Need: store.NeedCore, Slowest: true}, {Need: store.NeedCore}} {
		want := list(backends[querytest.Contract](t), Limits{}, q)
		if len(want) < 2 {
			t.Fatalf("%+v: got %q; want traces", q, want)
		}
		for _, name := range []string{"head", "blocks"} {
			for _, limits := range []Limits{{}, {TraceSpans: 20}} {
				if got := list(backends[name](t), limits, q); !slices.Equal(got, want) {
					t.Errorf("%s, %+v, %+v: got %q; want %q", name, limits, q, got, want)
				}
			}
		}
	}
}

func TestNewestFirst(t *testing.T) {
	for seed := range 200 {
		var points []Point
		for i := range seed {
			points = append(points, Point{Start: uint64(i * (seed%7 + 3) * 31 % (seed + 1)), Duration: uint64(i)})
		}
		for n := range seed + 1 {
			got := slices.Clone(points)
			newestFirst(got, n)
			least := uint64(1 << 63)
			for _, p := range got[:n] {
				least = min(least, p.Start)
			}
			for _, p := range got[n:] {
				if n > 0 && p.Start > least {
					t.Fatalf("%d of %d points: %d is behind %d", n, seed, p.Start, least)
				}
			}
		}
	}
}

// Ranks are the same whether or not the trace is read for them alone.
func TestRanksOf(t *testing.T) {
	var spans []store.Span
	for trace := range 3 {
		for i := range 5 {
			s := testSpan(byte(trace+1), byte(i+1), time.Duration(i)*time.Second, time.Duration(10*trace+i)*time.Millisecond)
			if i > 0 {
				s.ParentID = spanID(byte(i))
			}
			spans = append(spans, s)
		}
	}
	for name, open := range backends {
		b := open(t)
		load(t, b, &store.Batch{Kind: store.Spans, Spans: spans})
		if err := b.loaded(t.Context()); err != nil {
			t.Fatal(err)
		}
		e := New(b.Reader, b.Catalog, b.Follower, Limits{})
		trace, err := e.Trace(t.Context(), traceID(2))
		if err != nil {
			t.Fatal(err)
		}
		want, err := e.RanksBefore(t.Context(), trace, time.Hour)
		if err != nil || len(want) != 5 || want[4].Of != 15 {
			t.Fatalf("%s: got %+v, %v; want five ranks of 15", name, want, err)
		}
		got, err := e.RanksOf(t.Context(), traceID(2), time.Hour, &store.Report{})
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: got %+v, %v; want %+v", name, got, err, want)
		}
		if _, err := e.RanksOf(t.Context(), traceID(9), time.Hour, &store.Report{}); err != ErrNotFound {
			t.Errorf("%s: got %v; want ErrNotFound", name, err)
		}
	}
}
