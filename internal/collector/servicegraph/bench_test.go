package servicegraph

import (
	"testing"
	"time"

	contrib "github.com/open-telemetry/opentelemetry-collector-contrib/connector/servicegraphconnector"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/connector"
	"go.opentelemetry.io/collector/consumer/consumertest"

	"github.com/signalbox-otel/signalbox/bench/workload"
	"github.com/signalbox-otel/signalbox/internal/collector/wire"
)

// BenchmarkSpan folds the spans of bench/workload as `signalbox up` does, by
// contrib's connector and by ours. New trace ids come all the time, and edges that
// found no other end go.
func BenchmarkSpan(b *testing.B) {
	cfg := contrib.NewFactory().CreateDefaultConfig().(*contrib.Config)
	cfg.Store.MaxItems, cfg.Store.TTL = 50_000, 10*time.Second
	begin := func(b *testing.B, f connector.Factory) connector.Traces {
		own := *cfg
		c, err := f.CreateTracesToMetrics(b.Context(), connector.Settings{ID: component.NewID(f.Type()), TelemetrySettings: componenttest.NewNopTelemetrySettings()}, &own, consumertest.NewNop())
		if err != nil {
			b.Fatal(err)
		}
		if err := c.Start(b.Context(), componenttest.NewNopHost()); err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() {
			if err := c.Shutdown(b.Context()); err != nil {
				b.Error(err)
			}
		})
		return c
	}
	pdata, batches, err := workload.New(1).Received(50)
	if err != nil {
		b.Fatal(err)
	}
	round := uint64(0)
	// run folds b.N spans; renew makes other traces of those of a request.
	run := func(b *testing.B, renew func(i int), fold func(i int) error) {
		b.ReportAllocs()
		i := 0
		b.ResetTimer()
		for n := 0; n < b.N; n += batches[i%len(batches)].Len() {
			i++
			if i%len(batches) == 0 {
				round++
			}
			renew(i % len(batches))
			if err := fold(i % len(batches)); err != nil {
				b.Fatal(err)
			}
		}
	}
	renewPdata := func(i int) {
		for _, rs := range pdata[i].ResourceSpans().All() {
			for _, s := range rs.ScopeSpans().At(0).Spans().All() {
				id := s.TraceID()
				id[15] = byte(round)
				s.SetTraceID(id)
			}
		}
	}
	renewBatch := func(i int) {
		for j := range batches[i].Spans {
			batches[i].Spans[j].TraceID[15] = byte(round)
		}
	}
	b.Run("contrib", func(b *testing.B) {
		c := begin(b, contrib.NewFactory())
		run(b, renewPdata, func(i int) error { return c.ConsumeTraces(b.Context(), pdata[i]) })
	})
	b.Run("pdata", func(b *testing.B) {
		c := begin(b, NewFactory())
		run(b, renewPdata, func(i int) error { return c.ConsumeTraces(b.Context(), pdata[i]) })
	})
	b.Run("batch", func(b *testing.B) {
		c := begin(b, NewFactory()).(wire.SpanBatches)
		run(b, renewBatch, func(i int) error { return c.ConsumeSpans(b.Context(), batches[i]) })
	})
}
