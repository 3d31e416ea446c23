package query

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/signalbox-otel/signalbox/internal/query/querytest"
	"github.com/signalbox-otel/signalbox/internal/store"
	"github.com/signalbox-otel/signalbox/internal/store/storetest"
)

// heavy has a trace of n spans, each with an attribute of its own of size bytes.
func heavy(t *testing.T, n, size int) *storetest.Memory {
	t.Helper()
	b := &store.Batch{Kind: store.Spans, Payload: []byte("heavy")}
	r := &store.Resource{Attrs: []store.Attr{{Key: "service.name", Value: store.StringValue("heavy")}}}
	for i := range n {
		b.Spans = append(b.Spans, store.Span{Resource: r, Scope: &store.Scope{}, TraceID: store.TraceID{1}, SpanID: store.SpanID{byte(i >> 8), byte(i), 1},
			Name: "op", Start: at(0) + uint64(i), End: at(0) + uint64(i) + 1,
			Attrs: []store.Attr{{Key: "text", Value: store.StringValue(fmt.Sprint(i, strings.Repeat("x", size)))}}})
	}
	m := &storetest.Memory{}
	if err := m.Append(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	return m
}

// A question stops when what it holds gets too large, and says so.
func TestMemoryLimit(t *testing.T) {
	const n, size = 1000, 10_000
	m := heavy(t, n, size)
	e := New(m, m, nil, Limits{Memory: n * size / 4})
	trace, err := e.Trace(t.Context(), store.TraceID{1})
	if err != nil {
		t.Fatal(err)
	}
	if len(trace.Nodes) < n/5 || len(trace.Nodes) > n/4 || trace.Report.Stopped != StoppedMemory || !trace.Report.Partial() {
		t.Errorf("trace: got %d of %d spans, %+v; want a quarter of them and %q", len(trace.Nodes), n, trace.Report, StoppedMemory)
	}
	var report store.Report
	for whole, err := range e.WholeTraces(t.Context(), store.Query{}, n, &report) {
		if err != nil || len(whole) > n/4 {
			t.Errorf("whole trace: got %d spans, %v; want at most a quarter", len(whole), err)
		}
	}
	if report.Stopped != StoppedMemory {
		t.Errorf("whole traces: got %+v; want %q", report, StoppedMemory)
	}
	facets, err := e.Facets(t.Context(), FacetSearch{Kind: store.Spans, Fields: []store.Field{{Place: store.RecordAttr, Name: "text"}}})
	if err != nil {
		t.Fatal(err)
	}
	f := facets.Facets[0]
	if f.Records != n || f.Distinct < n/5 || f.Distinct > n/4+1 || facets.Report.Stopped != StoppedMemory {
		t.Errorf("facets: got %d of %d values, %+v; want a quarter of them, all records, and %q", f.Distinct, n, facets.Report, StoppedMemory)
	}

	e = New(m, m, nil, Limits{})
	if trace, err := e.Trace(t.Context(), store.TraceID{1}); err != nil || len(trace.Nodes) != n || trace.Report.Partial() {
		t.Errorf("with memory: got %v, %d spans, %+v", err, len(trace.Nodes), trace.Report)
	}
}

// Spans of any time make no answer large or wrong: a trace over all times lasts
// as long as can be said, series have as many steps as always, and the span of
// today is counted.
func TestFarTimesInAnswers(t *testing.T) {
	r := &store.Resource{Attrs: []store.Attr{{Key: "service.name", Value: store.StringValue("s")}}}
	b := &store.Batch{Kind: store.Spans, Payload: []byte("far")}
	for i, start := range []uint64{0, at(0), at(0) + uint64(200*365*24*time.Hour), math.MaxInt64, math.MaxUint64} {
		b.Spans = append(b.Spans, store.Span{Resource: r, Scope: &store.Scope{}, TraceID: store.TraceID{1}, SpanID: store.SpanID{byte(i + 1)}, Name: "op",
			Kind: kindServer, Start: start, End: start + uint64(i%2)})
	}
	s := backends[querytest.Blocks](t)
	if err := s.append(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	for _, sealed := range []bool{false, true} {
		if sealed {
			if err := s.loaded(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		e := New(s.Reader, s.Catalog, nil, Limits{}).WithClock(func() time.Time { return base.Add(time.Minute) })
		var report store.Report
		for trace, err := range e.SearchTraces(t.Context(), TraceSearch{}, &report) {
			if err != nil || trace.Spans != 5 || trace.Duration() != math.MaxInt64 {
				t.Errorf("trace: got %d spans of %s, %v; want 5 of the longest time there is", trace.Spans, trace.Duration(), err)
			}
		}
		for _, q := range []ServiceSearch{{End: math.MaxUint64, Step: time.Minute}, {Start: at(0), End: at(time.Minute), Step: time.Minute}} {
			found, err := e.Services(t.Context(), q)
			if err != nil || len(found.Rows) != 1 || found.Rows[0].Count == 0 || len(found.Rows[0].Series) > serviceGrid.most+1 {
				t.Fatalf("services from %d: got %+v, %v", q.Start, found, err)
			}
			if q.Start > 0 && found.Rows[0].Count != 1 {
				t.Errorf("services of today: got %d spans; want 1", found.Rows[0].Count)
			}
		}
		h, err := e.Heatmap(t.Context(), HeatmapSearch{End: math.MaxUint64})
		if err != nil || h.Total < 3 {
			t.Errorf("heatmap: got %+v, %v", h, err)
		}
	}
}
