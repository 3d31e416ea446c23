package query

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/signalbox-otel/signalbox/internal/store"
)

// Of very many rows only the first have a series, and it is right.
func TestSeriesOfManyRows(t *testing.T) {
	var spans []store.Span
	for i := range 4 * (maxSeries + 30) {
		start := at(time.Duration(i) * time.Second)
		spans = append(spans, store.Span{Resource: scriptResource(fmt.Sprintf("service-%d", i%(maxSeries+30))), Scope: &store.Scope{},
			TraceID: store.TraceID{byte(i), byte(i >> 8), 1}, SpanID: store.SpanID{byte(i + 1)}, Name: fmt.Sprintf("op-%d", i%3),
			Kind: int32(1 + i%5), Start: start, End: start + uint64(i*i), StatusCode: int32(i % 3)})
	}
	ask := func(name string, q ServiceSearch) *Services {
		b := backends[name](t)
		load(t, b, &store.Batch{Kind: store.Spans, Spans: spans})
		if err := b.loaded(t.Context()); err != nil {
			t.Fatal(err)
		}
		q.Start, q.End, q.Step = at(0), at(time.Hour), 2*time.Minute
		a, err := New(b.Reader, b.Catalog, b.Follower, Limits{}).WithClock(func() time.Time { return base.Add(time.Hour) }).Services(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		a.Report = store.Report{}
		return a
	}
	for _, q := range []ServiceSearch{{}, {ByOperation: true}, {Operation: "op-1"}, {ByOperation: true, Kind: 2}, {Service: "service-7"}} {
		want := ask("contract", q)
		for i, r := range want.Rows {
			sum := uint64(0)
			for _, s := range r.Series {
				sum += s.Count
			}
			if i < maxSeries && sum != r.Count || i >= maxSeries && r.Series != nil {
				t.Errorf("%+v: row %d has a series of %d spans; want %d, of the first rows only", q, i, sum, r.Count)
			}
		}
		for _, name := range []string{"head", "blocks"} {
			if diff := cmp.Diff(want, ask(name, q)); diff != "" {
				t.Errorf("%s: %+v (-want +got):\n%s", name, q, diff)
			}
		}
	}
}
