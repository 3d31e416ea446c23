package traceql

import (
	"fmt"
	"testing"
	"time"

	"github.com/signalbox-otel/signalbox/internal/query"
	"github.com/signalbox-otel/signalbox/internal/query/querytest"
	"github.com/signalbox-otel/signalbox/internal/store"
)

// BenchmarkQueries asks the real store's blocks about 100,000 spans of 20,000
// traces in an hour.
func BenchmarkQueries(b *testing.B) {
	const traces, perTrace = 20_000, 5
	back := backends[querytest.Blocks](b)
	resources := make([]*store.Resource, 20)
	for i := range resources {
		resources[i] = &store.Resource{Attrs: []store.Attr{{Key: "service.name", Value: store.StringValue(fmt.Sprintf("service-%d", i))}}}
	}
	scope := &store.Scope{}
	var spans []store.Span
	for i := range traces {
		for j := range perTrace {
			s := store.Span{Resource: resources[(i+j)%20], Scope: scope, TraceID: store.TraceID{byte(i), byte(i >> 8), 1}, SpanID: store.SpanID{byte(j + 1)},
				Name: fmt.Sprintf("op-%d", i%50), Kind: int32(1 + (i+j)%5), Start: at(time.Duration(i) * 180 * time.Millisecond), StatusCode: int32(i % 50 / 49 * 2),
				Attrs: []store.Attr{{Key: "http.route", Value: store.StringValue(fmt.Sprintf("/r/%d", i%30))}, {Key: "http.response.status_code", Value: store.IntValue(int64(200 + i%3*100))}}}
			if j > 0 {
				s.ParentID = store.SpanID{byte(j)}
			}
			s.End = s.Start + uint64(i%1000)*1e5
			spans = append(spans, s)
		}
	}
	for batch := range len(spans) / 1000 {
		load(b, back, spans[batch*1000:batch*1000+1000]...)
	}
	if err := back.loaded(b.Context()); err != nil {
		b.Fatal(err)
	}
	e := engineOver(back, query.Limits{})
	for _, src := range []string{
		`{ resource.service.name = "service-7" && span.http.route = "/r/7" && duration > 40ms }`,
		`{ resource.service.name = "service-7" } >> { span.http.route = "/r/7" && status = error }`,
		`{ rootServiceName = "service-3" && span.http.route = "/r/3" } | count() > 3`,
		`{ traceDuration > 1h }`,
		`{ } | rate() by (resource.service.name)`,
		`{ kind = server } | quantile_over_time(duration, .5, .99) by (name)`,
		`{ span.http.route = "/r/7" } | rate() by (resource.service.name)`,
		`{ } | avg_over_time(duration) by (span.http.route)`,
		`{ } >> { status = error } | count_over_time() by (name)`,
	} {
		q := mustParse(b, src)
		b.Run(src, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if !q.Searches() {
					if _, err := e.Metrics(b.Context(), Range{Query: q, Start: at(0), End: at(time.Hour), Step: time.Minute}); err != nil {
						b.Fatal(err)
					}
					continue
				}
				for _, err := range e.Search(b.Context(), Search{Query: q, Start: at(0), End: at(time.Hour)}, &Stats{}) {
					if err != nil {
						b.Fatal(err)
					}
				}
			}
		})
	}
}
