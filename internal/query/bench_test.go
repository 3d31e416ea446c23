package query

import (
	"fmt"
	"testing"
	"time"

	"github.com/signalbox-otel/signalbox/internal/query/querytest"
	"github.com/signalbox-otel/signalbox/internal/store"
)

// BenchmarkQuestions asks the real store's blocks about 100,000 spans of 20,000
// traces in an hour.
func BenchmarkQuestions(b *testing.B) {
	const traces, perTrace = 20_000, 5
	back := backends[querytest.Blocks](b)
	var spans []store.Span
	for i := range traces {
		for j := range perTrace {
			s := store.Span{Resource: scriptResource(fmt.Sprintf("service-%d", (i+j)%20)), Scope: &store.Scope{},
				TraceID: store.TraceID{byte(i), byte(i >> 8), 1}, SpanID: store.SpanID{byte(j + 1)}, Name: fmt.Sprintf("op-%d", i%50),
				Kind: int32(1 + (i+j)%5), Start: at(time.Duration(i) * 180 * time.Millisecond), StatusCode: int32(i % 50 / 49 * 2),
				Attrs: []store.Attr{{Key: "http.route", Value: store.StringValue(fmt.Sprintf("/r/%d", i%30))}, {Key: "http.response.status_code", Value: store.IntValue(int64(200 + i%3*100))}}}
			if j > 0 {
				s.ParentID = store.SpanID{byte(j)}
			}
			s.End = s.Start + uint64(i%1000)*1e5
			spans = append(spans, s)
		}
	}
	for batch := range len(spans) / 1000 {
		load(b, back, &store.Batch{Kind: store.Spans, Spans: spans[batch*1000 : batch*1000+1000]})
	}
	if err := back.loaded(b.Context()); err != nil {
		b.Fatal(err)
	}
	e := New(back.Reader, back.Catalog, back.Follower, Limits{}).WithClock(func() time.Time { return base.Add(time.Hour) })
	where, err := Parse(store.Spans, `resource.service.name = "service-7" && http.route = "/r/7" && duration > 40ms`)
	if err != nil {
		b.Fatal(err)
	}
	start, end, ctx := at(0), at(time.Hour), b.Context()
	run := func(name string, ask func() error) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := ask(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	run("traces", func() error {
		for _, err := range e.SearchTraces(ctx, TraceSearch{Start: start, End: end, Where: where}, &store.Report{}) {
			if err != nil {
				return err
			}
		}
		return nil
	})
	run("slowest", func() error {
		for _, err := range e.SearchSpans(ctx, SpanSearch{Start: start, End: end, Slowest: true, Need: store.NeedCore}, &store.Report{}) {
			if err != nil {
				return err
			}
		}
		return nil
	})
	run("services", func() error {
		_, err := e.Services(ctx, ServiceSearch{Start: start, End: end, Step: time.Minute})
		return err
	})
	run("facets", func() error {
		_, err := e.Facets(ctx, FacetSearch{Kind: store.Spans, Start: start, End: end})
		return err
	})
	run("heatmap", func() error {
		_, err := e.Heatmap(ctx, HeatmapSearch{Start: start, End: end})
		return err
	})
	run("dependencies", func() error {
		_, err := e.Dependencies(ctx, start, end, nil)
		return err
	})
}
