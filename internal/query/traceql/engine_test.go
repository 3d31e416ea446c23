package traceql

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/signalbox-otel/signalbox/internal/query"
	"github.com/signalbox-otel/signalbox/internal/query/querytest"
	"github.com/signalbox-otel/signalbox/internal/store"
	"github.com/signalbox-otel/signalbox/internal/store/storetest"
)

func mustParse(t testing.TB, src string) *Query {
	t.Helper()
	q, err := Parse(src)
	if err != nil {
		t.Fatal(err)
	}
	return q
}

// randomSpans are traces of up to five spans, all within ten minutes.
func randomSpans(r *rand.Rand, traces int) []store.Span {
	services := []*store.Resource{}
	for _, name := range []string{"a", "b", "c"} {
		services = append(services, &store.Resource{Attrs: []store.Attr{{Key: "service.name", Value: store.StringValue(name)}}})
	}
	scope := &store.Scope{}
	var spans []store.Span
	for trace := range traces {
		start := at(time.Duration(r.IntN(600_000_000)) * time.Microsecond)
		n := 1 + r.IntN(5)
		for i := range n {
			s := store.Span{Resource: services[r.IntN(3)], Scope: scope, TraceID: store.TraceID{0: byte(trace >> 8), 15: byte(trace), 1: 1},
				SpanID: store.SpanID{7: byte(i + 1)}, Name: string(rune('k' + r.IntN(3))), Kind: int32(1 + r.IntN(3)),
				Start: start + uint64(i), StatusCode: int32(r.IntN(3))}
			s.End = s.Start + uint64(r.IntN(1_000_000_000))
			if i > 0 {
				s.ParentID = store.SpanID{7: byte(1 + r.IntN(n))}
			}
			if r.IntN(2) == 0 {
				s.Attrs = append(s.Attrs, store.Attr{Key: "n", Value: store.IntValue(int64(r.IntN(5)))})
			}
			if r.IntN(3) == 0 {
				s.Attrs = append(s.Attrs, store.Attr{Key: "word", Value: store.StringValue(string(rune('x' + r.IntN(2))))})
			}
			// Attributes as some senders have them: of several types, twice, lists.
			for range r.IntN(3) {
				s.Attrs = append(s.Attrs, store.Attr{Key: "m", Value: []store.Value{store.IntValue(int64(r.IntN(3))), store.StringValue("x"), store.StringValue("y"), store.BoolValue(true), store.BoolValue(false), store.DoubleValue(1.5)}[r.IntN(6)]})
			}
			if r.IntN(4) == 0 {
				s.Attrs = append(s.Attrs, store.Attr{Key: "list", Value: []store.Value{store.StringValue("x"), scriptValue("[x,y]"), scriptValue("[z]"), store.BytesValue("x")}[r.IntN(4)]})
			}
			spans = append(spans, s)
		}
	}
	return spans
}

// What is pushed down to the store rules out no trace: a query finds the same
// with it and without.
func TestPushdownLosesNothing(t *testing.T) {
	const seed = 7
	b := backends[querytest.Blocks](t)
	load(t, b, randomSpans(rand.New(rand.NewPCG(seed, 0)), 300)...)
	if err := b.loaded(t.Context()); err != nil {
		t.Fatal(err)
	}
	e := engineOver(b, query.Limits{})
	for _, src := range []string{
		`{ span.n > 2 }`, `{ .n != 3 && status = error }`, `{ !(span.word = "x") && kind = server }`, `{ span.word !~ "x" || name = "k" }`,
		`{ span.n = nil && resource.service.name = "a" }`, `{ !(status = error || kind = client) }`, `{ name != "k" } >> { span.n = 4 }`,
		`{ span.n = 1 } !> { span.word = "y" }`, `{ rootName = "l" && span.n = 2 }`, `{ rootServiceName =~ "a|b" } && { span.word = "y" }`,
		`{ nestedSetParent < 0 && name = "m" }`, `{ nestedSetParent >= 0 && span.n = 0 }`, `({ span.n = 1 } | count() > 1) || { span.n = 4 && name = "k" }`,
		`{ span.n * 2 = 4 }`, `{ 3 < span.n }`, `{ true = (span.n > 3) }`, `{ span.n >= 4 } &<< { kind = internal }`, `{ duration > 900ms && duration < 1h }`,
		`{ name = "k" && !(nestedSetParent < 0) } ~ { span.word = "x" }`, `{ status != ok } | by(name) | avg(duration) > 700ms`, `{ span.n = 1 || span.n = nil }`,
		`{ span.m = "x" }`, `{ span.m != "x" }`, `{ span.m != 1 && !(span.m > 1) }`, `{ span.m =~ "x" || span.m }`, `{ !(.m = 1.5) && name = "k" }`, `{ .m != true }`,
		`{ span.list = "x" }`, `{ span.list != "x" }`, `{ span.list =~ "y|z" } >> { .list !~ "x" }`, `{ !(span.list = "z") && span.list != nil }`,
	} {
		q := mustParse(t, src)
		p, err := e.plan(t.Context(), q, at(0), at(time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		if p.where.Expr == nil {
			t.Errorf("%s: nothing is pushed down", src)
		}
		found := func(p plan) map[store.TraceID]int {
			traces := map[store.TraceID]int{}
			for spans, err := range e.traces(t.Context(), p, 7, maxTraces, &store.Report{}) {
				if err != nil {
					t.Fatal(err)
				}
				tree := newTree(spans)
				for _, set := range q.pipeline.run(tree, tree.whole()) {
					traces[spans[0].TraceID] += len(set.spans)
				}
			}
			return traces
		}
		got := found(p)
		p.where = always
		want := found(p)
		if len(want) == 0 {
			t.Errorf("%s: finds nothing, seed %d", src, seed)
		}
		for id, n := range want {
			if got[id] != n {
				t.Errorf("%s: trace %s: got %d spans; want %d, seed %d", src, id, got[id], n, seed)
			}
		}
	}
}

// The ways to count without looking at spans give the same numbers as the spans
// themselves.
func TestShortcutsAgree(t *testing.T) {
	b := backends[querytest.Blocks](t)
	load(t, b, randomSpans(rand.New(rand.NewPCG(11, 0)), 500)...)
	if err := b.loaded(t.Context()); err != nil {
		t.Fatal(err)
	}
	e := engineOver(b, query.Limits{})
	for _, src := range []string{
		`{ } | rate()`, `{ status = error } | count_over_time() by (resource.service.name)`, `{ name != "k" && status != error } | rate() by (name, kind)`,
		`{ resource.service.name = "b" || kind = client } | quantile_over_time(duration, .5, .9) by (kind)`, `{ } | histogram_over_time(duration) by (name)`,
		`{ span.n > 2 && !(status = ok) } | rate()`, `{ nestedSetParent < 0 && true && span.word =~ "x|z" } | histogram_over_time(duration)`, `{ !(span.word != "x") && span.n != 3 } | avg_over_time(duration)`,
		`{ name != "k" && span.n != nil } | min_over_time(duration)`, `{ kind = server || span.n = nil } | sum_over_time(duration)`, `{ } | max_over_time(duration)`,
		`{ span.m > 0 } | rate()`, `{ !(span.m = "x") } | rate()`, `{ span.m = 1 || span.m < 1.5 } | rate()`,
	} {
		q := mustParse(t, src)
		r := Range{Query: q, Start: at(0), End: at(10 * time.Minute), Step: 2 * time.Minute}
		p, err := e.plan(t.Context(), q, r.Start, r.End)
		if err != nil {
			t.Fatal(err)
		}
		if q.preaggregated() == nil && !(p.where.exact && q.metrics.inDots()) {
			t.Errorf("%s: counted span by span", src)
		}
		fast, err := e.Metrics(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		c := newCollector(r, 5, &store.Report{})
		if err := e.fromRecords(t.Context(), r, p, c); err != nil {
			t.Fatal(err)
		}
		slow := c.answer()
		if len(fast.Series) != len(slow) || len(slow) == 0 {
			t.Errorf("%s: got %d series; want %d", src, len(fast.Series), len(slow))
			continue
		}
		for i, s := range fast.Series {
			for k, v := range s.Values {
				if want := slow[i].Values[k]; math.Abs(v-want) > 1e-9 && !(math.IsNaN(v) && math.IsNaN(want)) {
					t.Errorf("%s: %v step %d: got %v; want %v", src, s.Labels, k, v, want)
				}
			}
		}
	}
	for _, src := range []string{`{ } | rate() by (status)`, `{ span.n = 1 } | rate()`, `{ status = error || name = "k" } | rate()`, `{ } | avg_over_time(duration)`,
		`{ status = error } | quantile_over_time(duration, .5)`, `{ } >> { } | rate()`, `{ parent.resource.service.name = "a" } | rate()`} {
		if mustParse(t, src).preaggregated() != nil {
			t.Errorf("%s: pre-aggregates do not tell that", src)
		}
	}
}

func TestExemplars(t *testing.T) {
	b := backends[querytest.Head](t)
	load(t, b, randomSpans(rand.New(rand.NewPCG(3, 0)), 200)...)
	e := engineOver(b, query.Limits{})
	for _, src := range []string{`{ status = error } | rate() by (name)`, `{ span.n = 1 } | avg_over_time(duration) by (name)`, `{ } >> { kind = server } | count_over_time() by (name)`} {
		n, err := e.Metrics(t.Context(), Range{Query: mustParse(t, src), Start: at(0), End: at(10 * time.Minute), Step: time.Minute, Exemplars: 20})
		if err != nil {
			t.Fatal(err)
		}
		total := 0
		for _, s := range n.Series {
			for _, x := range s.Exemplars {
				if total++; x.Name != s.Labels[0].Value.str || math.IsNaN(x.Value) {
					t.Errorf("%s: exemplar %s of value %v in series %v", src, x.Name, x.Value, s.Labels)
				}
			}
		}
		if total == 0 || total > 20 {
			t.Errorf("%s: got %d exemplars; want some, at most 20", src, total)
		}
	}
}

func TestBudgets(t *testing.T) {
	m := &storetest.Memory{}
	b := backend{m, m, m.Append, nil}
	load(t, b, randomSpans(rand.New(rand.NewPCG(5, 0)), 400)...)
	search := func(ctx context.Context, limits query.Limits, s Search) (n int, report Stats, err error) {
		s.Start, s.End = at(0), at(time.Hour)
		last := uint64(math.MaxUint64)
		for f, e := range engineOver(b, limits).Search(ctx, s, &report) {
			if e != nil {
				return n, report, e
			}
			if n++; f.Start > last {
				t.Errorf("trace %d is newer than the one before", n)
			}
			last = f.Start
		}
		return n, report, nil
	}
	all := mustParse(t, `{ } | count() > 0`)
	if n, report, err := search(t.Context(), query.Limits{}, Search{Query: all, Limit: 1000}); n != 400 || report.Stopped != "" || err != nil {
		t.Errorf("all: got %d, %q, %v; want 400", n, report.Stopped, err)
	}
	if n, report, err := search(t.Context(), query.Limits{}, Search{Query: all, Limit: 30}); n != 30 || report.Partial() || err != nil {
		t.Errorf("30 of them: got %d, %+v, %v", n, report, err)
	}
	if n, report, err := search(t.Context(), query.Limits{MaxTime: 1}, Search{Query: all}); n != 0 || report.Stopped != query.StoppedTime || err != nil {
		t.Errorf("without time: got %d, %q, %v; want none and %q", n, report.Stopped, err, query.StoppedTime)
	}
	none := mustParse(t, `{ } | count() > 9`)
	if n, report, err := search(t.Context(), query.Limits{TraceSpans: 3}, Search{Query: all, Limit: 1000}); n != 400 || report.Stopped != query.StoppedSpans || err != nil {
		t.Errorf("short traces: got %d, %q, %v; want 400 and %q", n, report.Stopped, err, query.StoppedSpans)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := search(gone, query.Limits{}, Search{Query: none, Limit: 1000}); err != nil && !errors.Is(err, context.Canceled) {
		t.Errorf("client gone: got %v", err)
	}
	for src, want := range map[string]int{`{} | count_over_time() by (trace:id, span:id)`: maxSeries, `{} | quantile_over_time(duration, .5) by (trace:id)`: maxSketches / 600} {
		n, err := engineOver(b, query.Limits{}).Metrics(t.Context(), Range{Query: mustParse(t, src), Start: at(0), End: at(10 * time.Minute), Step: time.Second})
		if err != nil || len(n.Series) < want || len(n.Series) > want+1 || n.Stopped != stoppedSeries {
			t.Errorf("%s: got %d series, %q, %v; want %d and %q", src, len(n.Series), n.Stopped, err, want, stoppedSeries)
		}
	}
	_, err := engineOver(b, query.Limits{}).Metrics(t.Context(), Range{Query: mustParse(t, "{} | rate()"), Start: at(0), End: at(24 * time.Hour), Step: time.Second})
	var tooMany *TooManyStepsError
	if !errors.As(err, &tooMany) {
		t.Errorf("86,400 steps: got %v; want an error", err)
	}
}

// FuzzRun checks that whatever is read can be executed on any trace, and that
// what is pushed down holds for some span of every trace that is found.
func FuzzRun(f *testing.F) {
	for _, src := range []string{
		`{ span.n > 2 && !(parent.n = 1) } >> { rootName = "k" } | by(.word) | avg(span.n * 2) > 1 | coalesce() | select(name)`,
		`{ event.x = nil || link:traceID = "1" } !~ { nestedSetParent < 0 } &<< { duration ^ 2 % 3 > -1s }`,
		`({ kind != server } | count() + 1 > 2) && { status = error } | { span.word =~ "x|y" } | rate() by (name)`,
		`{ span.n != nil } | quantile_over_time(duration, .5) by (span.n) | topk(2)`, `{ } | compare({ span.n = 1 })`, `{ 1 / 0 = 1 || 1ms % 0 = nil }`,
	} {
		f.Add(src, uint64(1))
	}
	f.Fuzz(func(t *testing.T, src string, seed uint64) {
		q, err := Parse(src)
		if err != nil {
			return
		}
		m := &storetest.Memory{}
		load(t, backend{append: m.Append}, randomSpans(rand.New(rand.NewPCG(seed, 0)), 3)...)
		e := engineOver(backend{Reader: m, Catalog: m}, query.Limits{})
		if !q.Searches() {
			if _, err := e.Metrics(t.Context(), Range{Query: q, Start: at(0), End: at(time.Hour), Step: time.Minute, Exemplars: 5}); err != nil {
				t.Fatalf("%s: %v", src, err)
			}
			return
		}
		var stats Stats
		found := 0
		for _, err := range e.Search(t.Context(), Search{Query: q, Start: at(0), End: at(time.Hour)}, &stats) {
			if err != nil {
				t.Fatalf("%s: %v", src, err)
			}
			found++
		}
		want := 0
		for spans, err := range e.traces(t.Context(), plan{end: at(time.Hour)}, 10, maxTraces, &store.Report{}) {
			if err != nil {
				t.Fatal(err)
			}
			tree := newTree(spans)
			if len(q.pipeline.run(tree, tree.whole())) > 0 {
				want++
			}
		}
		// The root of a trace may be out of the range, which these are not.
		if found != want {
			t.Errorf("%s, seed %d: got %d traces; want %d", src, seed, found, want)
		}
	})
}
