package query

import (
	"context"
	"errors"
	"io"
	"iter"
	"maps"
	"math/rand"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/signalbox-otel/signalbox/internal/query/querytest"
	"github.com/signalbox-otel/signalbox/internal/store"
	"github.com/signalbox-otel/signalbox/internal/store/storetest"
)

func testSpan(trace, id byte, start, duration time.Duration) store.Span {
	return store.Span{Resource: scriptResource("s"), Scope: &store.Scope{}, TraceID: traceID(trace), SpanID: spanID(id),
		Name: "op", Start: at(start), End: at(start + duration)}
}

func memoryOf(t *testing.T, spans []store.Span, logs []store.Log) *storetest.Memory {
	t.Helper()
	m := &storetest.Memory{}
	if err := m.Append(context.Background(), &store.Batch{Spans: spans, Logs: logs}); err != nil {
		t.Fatal(err)
	}
	return m
}

// TestSearchLogsPages reads random logs, many of the same instant, page by page
// and at once.
func TestSearchLogsPages(t *testing.T) {
	const seed = 1
	random := rand.New(rand.NewSource(seed))
	var logs []store.Log
	for i := range 200 {
		logs = append(logs, store.Log{Resource: scriptResource("s"), Scope: &store.Scope{}, Time: at(time.Duration(random.Intn(12))), SeverityNumber: int32(i)})
	}
	m := memoryOf(t, nil, logs)
	e := New(m, m, nil, Limits{})
	read := func(q LogSearch) (numbers []int32, cursor string) {
		for l, err := range e.SearchLogs(context.Background(), q, &store.Report{}) {
			if err != nil {
				t.Fatal(err)
			}
			numbers, cursor = append(numbers, l.SeverityNumber), l.Cursor
		}
		return numbers, cursor
	}
	want, _ := read(LogSearch{Limit: 1000})
	for _, limit := range []int{1, 7, 50, 200} {
		var got []int32
		cursor := ""
		for {
			page, next := read(LogSearch{Limit: limit, Cursor: cursor})
			if len(page) == 0 {
				break
			}
			got, cursor = append(got, page...), next
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("seed %d, pages of %d (-want +got):\n%s", seed, limit, diff)
		}
	}
	for _, bad := range []string{"x", "1", "1.-1", "1.2.3", "18446744073709551615.0", "1.99999999999"} {
		var cursorErr *CursorError
		for _, err := range e.SearchLogs(context.Background(), LogSearch{Cursor: bad}, &store.Report{}) {
			if !errors.As(err, &cursorErr) {
				t.Errorf("cursor %q: got %v; want a CursorError", bad, err)
			}
		}
	}
}

func TestSearchTracesByTraceDuration(t *testing.T) {
	var spans []store.Span
	for i := range byte(100) {
		spans = append(spans, testSpan(i+1, 1, time.Duration(i)*time.Second, time.Duration(i+1)*time.Millisecond))
	}
	m := memoryOf(t, spans, nil)
	f := func(limits Limits, q TraceSearch, want []byte, stopped string) {
		t.Helper()
		var report store.Report
		var got []byte
		for s, err := range New(m, m, nil, limits).SearchTraces(context.Background(), q, &report) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, s.ID[15])
		}
		if !cmp.Equal(got, want) || report.Stopped != stopped {
			t.Errorf("%+v: got %v, stopped %q; want %v, %q", q, got, report.Stopped, want, stopped)
		}
	}
	f(Limits{}, TraceSearch{Limit: 2}, []byte{100, 99}, "")
	f(Limits{}, TraceSearch{Limit: 2, MaxDuration: 70 * time.Millisecond}, []byte{70, 69}, "")
	f(Limits{}, TraceSearch{Limit: 2, MinDuration: 3 * time.Millisecond, MaxDuration: 4 * time.Millisecond}, nil, StoppedTraces)
	f(Limits{}, TraceSearch{Limit: 5, MinDuration: 3 * time.Millisecond, MaxDuration: 4 * time.Millisecond}, []byte{4, 3}, StoppedTraces)
	f(Limits{MaxRows: 10}, TraceSearch{Limit: 2}, []byte{10, 9}, "row limit")
	f(Limits{Results: 3}, TraceSearch{Limit: 50}, []byte{100, 99, 98}, "")
	f(Limits{}, TraceSearch{Limit: 2, Slowest: true, MaxDuration: 70 * time.Millisecond}, []byte{70, 69}, "")
}

// The slowest traces are those of the slowest spans, each once, whatever order
// the spans are read in.
func TestSearchTracesSlowest(t *testing.T) {
	seed := time.Now().UnixNano()
	r := rand.New(rand.NewSource(seed))
	var spans []store.Span
	longest := map[byte]time.Duration{}
	for i := range 300 {
		trace, d := byte(1+r.Intn(40)), time.Duration(1+r.Intn(1_000_000))
		s := testSpan(trace, 1, time.Duration(i)*time.Second, d)
		s.SpanID[0] = byte(i)
		spans = append(spans, s)
		longest[trace] = max(longest[trace], d)
	}
	m := memoryOf(t, spans, nil)
	want := slices.Sorted(maps.Values(longest))
	slices.Reverse(want)
	for _, limit := range []int{1, 7, 100} {
		var got []time.Duration
		for s, err := range New(m, m, nil, Limits{}).SearchTraces(context.Background(), TraceSearch{Slowest: true, Limit: limit}, &store.Report{}) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, longest[s.ID[15]])
		}
		if want := want[:min(limit, len(want))]; !cmp.Equal(got, want) {
			t.Errorf("seed %d, limit %d: got %v; want %v", seed, limit, got, want)
		}
	}
}

func TestPoints(t *testing.T) {
	var spans []store.Span
	for i := range byte(5) {
		s := testSpan(i+1, 1, time.Duration(i)*time.Second, time.Duration(i)*time.Millisecond)
		if i == 3 {
			s.StatusCode = statusError
		}
		spans = append(spans, s)
	}
	m := memoryOf(t, spans, nil)
	all := []Point{{at(4 * time.Second), 4e6, false}, {at(3 * time.Second), 3e6, true}, {at(2 * time.Second), 2e6, false}, {at(time.Second), 1e6, false}, {at(0), 0, false}}
	for limit := 1; limit <= 6; limit++ {
		p, err := New(m, m, nil, Limits{}).Points(context.Background(), PointSearch{Limit: limit})
		if err != nil {
			t.Fatal(err)
		}
		slices.SortFunc(p.Points, func(a, b Point) int { return int(int64(b.Start - a.Start)) })
		want := &Points{Points: all[:min(limit, 5)], More: limit < 5, Report: p.Report}
		if diff := cmp.Diff(want, p); diff != "" {
			t.Errorf("limit %d (-want +got):\n%s", limit, diff)
		}
	}
}

// endless is a reader whose spans never end.
type endless struct{ storetest.Memory }

func (*endless) Spans(ctx context.Context, _ store.Query) iter.Seq2[*store.Span, error] {
	s := testSpan(1, 1, 0, 0)
	return func(yield func(*store.Span, error) bool) {
		for yield(&s, nil) {
		}
	}
}

func TestTimeLimit(t *testing.T) {
	e := New(&endless{}, &endless{}, nil, Limits{MaxTime: time.Millisecond}).WithClock(func() time.Time { return base.Add(time.Minute) })
	h, err := e.Heatmap(context.Background(), HeatmapSearch{Start: at(0)})
	if err != nil || h.Report.Stopped != StoppedTime || h.Total == 0 {
		t.Errorf("got %v, %+v; want a part of the answer that says %q", err, h, StoppedTime)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := e.Heatmap(ctx, HeatmapSearch{Start: at(0)}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: got %v", err)
	}
}

func TestTraceSpanLimit(t *testing.T) {
	var spans []store.Span
	for i := range byte(50) {
		s := testSpan(1, i+1, time.Duration(i), time.Second)
		s.ParentID = spanID(i) // a chain
		spans = append(spans, s)
	}
	m := memoryOf(t, spans, nil)
	tr, err := New(m, m, nil, Limits{TraceSpans: 20}).Trace(context.Background(), traceID(1))
	if err != nil || len(tr.Nodes) != 20 || tr.Report.Stopped != StoppedSpans || tr.Nodes[19].Depth != 19 {
		t.Errorf("got %+v, %v; want 20 spans", tr, err)
	}
	if _, err := New(m, m, nil, Limits{}).Trace(context.Background(), traceID(2)); !errors.Is(err, ErrNotFound) {
		t.Errorf("unknown trace: got %v; want ErrNotFound", err)
	}
}

func TestGridSteps(t *testing.T) {
	g := grid{unit: time.Minute, want: 60, most: 100}
	f := func(span, asked, want time.Duration, wantN int) {
		t.Helper()
		_, length, n := g.steps(at(0), at(span), asked)
		if length != want || n != wantN {
			t.Errorf("steps(%s, %s): got %s, %d; want %s, %d", span, asked, length, n, want, wantN)
		}
	}
	f(0, 0, time.Minute, 1)
	f(30*time.Minute, 0, time.Minute, 30)
	f(time.Hour, 0, 2*time.Minute, 30)
	f(time.Hour, 3*time.Minute, 5*time.Minute, 12)
	f(24*time.Hour, time.Minute, 15*time.Minute, 96)
	f(100*24*time.Hour*365, time.Minute, 7*24*64*time.Hour, 82)
	f(-time.Hour, 0, time.Minute, 1)
}

func TestFieldsAndValues(t *testing.T) {
	s := testSpan(1, 1, 0, 0)
	s.Attrs = []store.Attr{{Key: "my attr", Value: store.IntValue(5)}, {Key: "http.route", Value: store.StringValue("/x")}}
	s.Events = []store.Event{{Attrs: []store.Attr{{Key: "exception.type", Value: store.StringValue("E")}}}}
	m := memoryOf(t, []store.Span{s}, nil)
	e := New(m, m, nil, Limits{})
	names := func(q store.FieldQuery) (names []string) {
		infos, err := e.Fields(context.Background(), q)
		if err != nil {
			t.Fatal(err)
		}
		for _, info := range infos {
			names = append(names, info.Name)
		}
		return names
	}
	all := store.FieldQuery{Kind: store.Spans, Field: store.Field{Place: store.AnyAttr}}
	want := []string{"duration", "event:name", "instrumentation:name", "instrumentation:version", "kind", "name", "span:id",
		"span:parentID", "status", "statusMessage", "trace:id", "traceState", "span.http.route", `span."my attr"`, "resource.service.name", "event.exception.type"}
	if diff := cmp.Diff(want, names(all)); diff != "" {
		t.Errorf("Fields (-want +got):\n%s", diff)
	}
	all.Match = "ROUTE"
	if got := names(all); !cmp.Equal(got, []string{"span.http.route"}) {
		t.Errorf("Fields(ROUTE): got %v", got)
	}
	texts := func(f store.Field, match string) (texts []string) {
		values, err := e.Values(context.Background(), store.FieldQuery{Kind: store.Spans, Field: f, Match: match})
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range values {
			texts = append(texts, v.Text)
		}
		return texts
	}
	if got := texts(store.Field{Name: store.FieldStatus}, "E"); !cmp.Equal(got, []string{"unset", "error"}) {
		t.Errorf("Values(status): got %v", got)
	}
	if got := texts(store.Field{Place: store.RecordAttr, Name: "http.route"}, ""); !cmp.Equal(got, []string{`"/x"`}) {
		t.Errorf("Values(http.route): got %v", got)
	}
}

// feed is a follower that the test appends to.
type feed chan *store.Batch

func (f feed) Follow(store.Kind) (<-chan *store.Batch, func()) { return f, func() {} }

func TestTail(t *testing.T) {
	f := make(feed)
	e := New(nil, nil, f, Limits{Buffered: 3})
	where, err := Parse(store.Spans, `duration > 10ms`)
	if err != nil {
		t.Fatal(err)
	}
	tail, err := e.Tail(store.Spans, where)
	if err != nil {
		t.Fatal(err)
	}
	batch := func(durations ...time.Duration) *store.Batch {
		b := &store.Batch{Kind: store.Spans}
		for i, d := range durations {
			b.Spans = append(b.Spans, testSpan(1, byte(i+1), 0, d*time.Millisecond))
		}
		return b
	}
	f <- batch(5, 20, 30)
	f <- batch(1)
	f <- batch(40, 50, 60)
	f <- batch() // received only when the one before was added
	got, err := tail.Next(context.Background())
	if err != nil || len(got.Spans) != 3 || got.Missed != 2 || got.Spans[2].Duration() != 40e6 {
		t.Errorf("Next: got %+v, %v; want three spans and two missed", got, err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := tail.Next(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Next, cancelled: got %v", err)
	}
	f <- batch(70)
	close(f)
	if got, err := tail.Next(context.Background()); err != nil || len(got.Spans) != 1 {
		t.Errorf("Next: got %+v, %v; want the last span", got, err)
	}
	if _, err := tail.Next(context.Background()); err != io.EOF {
		t.Errorf("Next at the end: got %v; want io.EOF", err)
	}
	tail.Close()
	tail.Close()
	if _, err := New(nil, nil, nil, Limits{}).Tail(store.Spans, nil); !errors.Is(err, ErrNoFollower) {
		t.Errorf("no follower: got %v", err)
	}
}

// TestTailOfStore follows the real store, which closes the channel itself.
func TestTailOfStore(t *testing.T) {
	b := backends[querytest.Head](t)
	e := New(b.Reader, b.Catalog, b.Follower, Limits{})
	tail, err := e.Tail(store.Logs, nil)
	if err != nil {
		t.Fatal(err)
	}
	log := store.Log{Resource: scriptResource("s"), Scope: &store.Scope{}, Time: at(0), Body: store.StringValue("hello")}
	load(t, b, &store.Batch{Kind: store.Spans, Spans: []store.Span{testSpan(1, 1, 0, 0)}})
	load(t, b, &store.Batch{Kind: store.Logs, Logs: []store.Log{log}})
	got, err := tail.Next(t.Context())
	if err != nil || len(got.Logs) != 1 || len(got.Spans) != 0 || got.Logs[0].Body.Str() != "hello" {
		t.Errorf("Next: got %+v, %v; want the log", got, err)
	}
	tail.Close()
	if _, err := tail.Next(t.Context()); err != io.EOF {
		t.Errorf("Next after Close: got %v; want io.EOF", err)
	}
}

func TestSearchSpans(t *testing.T) {
	var spans []store.Span
	durations := []time.Duration{5, 9, 1, 7, 9, 3}
	for i, d := range durations {
		spans = append(spans, testSpan(1, byte(i), time.Duration(i)*time.Second, d*time.Millisecond))
	}
	m := memoryOf(t, spans, nil)
	f := func(q SpanSearch, want ...byte) {
		t.Helper()
		var got []byte
		for s, err := range New(m, m, nil, Limits{}).SearchSpans(t.Context(), q, &store.Report{}) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, s.SpanID[7])
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%+v (-want +got):\n%s", q, diff)
		}
	}
	f(SpanSearch{}, 5, 4, 3, 2, 1, 0)
	f(SpanSearch{Limit: 2}, 5, 4)
	f(SpanSearch{Slowest: true}, 4, 1, 3, 0, 5, 2)
	f(SpanSearch{Slowest: true, Limit: 3}, 4, 1, 3)
	f(SpanSearch{Slowest: true, Limit: 3, End: at(4 * time.Second)}, 1, 3, 0)
}

func TestRanks(t *testing.T) {
	var spans []store.Span
	for i := range byte(100) {
		spans = append(spans, testSpan(i+1, 1, time.Duration(i)*time.Second, time.Duration(i+1)*time.Millisecond))
	}
	other := testSpan(100, 2, 0, time.Hour)
	other.Name = "other"
	m := memoryOf(t, append(spans, other), nil)
	e := New(m, m, nil, Limits{})
	tr, err := e.Trace(t.Context(), traceID(100))
	if err != nil {
		t.Fatal(err)
	}
	ranks, err := e.Ranks(t.Context(), tr, at(0), at(time.Hour))
	if err != nil || len(ranks) != 2 {
		t.Fatalf("got %v, %v; want two ranks", ranks, err)
	}
	for i, want := range []Rank{{Slower: .5, Of: 1}, {Slower: .975, Of: 100}} { // other is earlier
		if got := ranks[i]; got.Of != want.Of || got.Slower < want.Slower-.01 || got.Slower > want.Slower+.01 {
			t.Errorf("rank of %s: got %+v; want %+v", tr.Nodes[i].Name, got, want)
		}
	}
	if ranks, err = e.Ranks(t.Context(), tr, at(time.Hour), at(2*time.Hour)); err != nil || ranks[0] != (Rank{}) {
		t.Errorf("without data: got %v, %v; want none", ranks, err)
	}
}

// What a sender sent twice is shown once; spans that only share an id are not
// the same.
func TestTraceHasEachSpanOnce(t *testing.T) {
	sent := func(id byte, name string) store.Span {
		s := testSpan(1, id, 0, time.Second)
		s.Resource = scriptResource("s") // of its own, as each request has
		s.Name, s.Attrs = name, []store.Attr{{Key: "k", Value: store.StringValue(name)}}
		return s
	}
	other := sent(1, "a")
	other.Attrs = []store.Attr{{Key: "k", Value: store.StringValue("other")}}
	m := memoryOf(t, []store.Span{sent(1, "a"), sent(2, "b"), sent(1, "a"), sent(1, "c"), other, sent(0, "d"), sent(0, "d")}, nil)
	trace, err := New(m, m, nil, Limits{}).Trace(t.Context(), traceID(1))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, n := range trace.Nodes {
		got = append(got, n.Name+" "+n.Attrs[0].Value.Str())
	}
	if diff := cmp.Diff([]string{"a a", "b b", "c c", "a other", "d d", "d d"}, got); diff != "" {
		t.Errorf("spans (-want +got):\n%s", diff)
	}
	if trace.Spans != 6 {
		t.Errorf("got %d spans; want 6", trace.Spans)
	}
}
