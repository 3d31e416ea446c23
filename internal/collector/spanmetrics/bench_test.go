package spanmetrics

import (
	"testing"

	"github.com/open-telemetry/opentelemetry-collector-contrib/connector/spanmetricsconnector"

	"github.com/signalbox-otel/signalbox/bench/workload"
	"github.com/signalbox-otel/signalbox/internal/collector/wire"
)

// BenchmarkSpan counts spans as `signalbox up` does: by contrib's connector, by
// ours of pdata, and by ours of batches. Each operation is one span.
func BenchmarkSpan(b *testing.B) {
	requests, batches, err := workload.New(1_700_000_000_000_000_000).Received(100)
	if err != nil {
		b.Fatal(err)
	}
	cfg := config(b, func(c *spanmetricsconnector.Config) {
		c.Exemplars.Enabled = true
		c.AggregationCardinalityLimit = 2000
		_ = c.Histogram.Unit.UnmarshalText([]byte("s"))
	})
	f := func(name string, consume func(i int) (int, error)) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for done, i := 0, 0; done < b.N; i++ {
				n, err := consume(i % len(batches))
				if err != nil {
					b.Fatal(err)
				}
				done += n
			}
		})
	}
	theirs, _ := run(b, spanmetricsconnector.NewFactory(), cfg)
	pdata, _ := run(b, NewFactory(), cfg)
	ours, _ := run(b, NewFactory(), cfg)
	f("contrib", func(i int) (int, error) {
		return len(batches[i].Spans), theirs.ConsumeTraces(b.Context(), requests[i])
	})
	f("pdata", func(i int) (int, error) {
		return len(batches[i].Spans), pdata.ConsumeTraces(b.Context(), requests[i])
	})
	f("batches", func(i int) (int, error) {
		return len(batches[i].Spans), ours.(wire.SpanBatches).ConsumeSpans(b.Context(), batches[i])
	})
}
