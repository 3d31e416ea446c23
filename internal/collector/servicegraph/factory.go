package servicegraph

import (
	"context"
	"errors"
	"slices"
	"time"

	contrib "github.com/open-telemetry/opentelemetry-collector-contrib/connector/servicegraphconnector"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/connector"
	"go.opentelemetry.io/collector/connector/xconnector"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/otel/metric"
)

// NewFactory makes the factory of component `service_graph`. It makes contrib's
// connector where Takes is false.
func NewFactory() connector.Factory {
	f := contrib.NewFactory()
	return xconnector.NewFactory(f.Type(), f.CreateDefaultConfig,
		xconnector.WithTracesToMetrics(func(ctx context.Context, set connector.Settings, cfg component.Config, next consumer.Metrics) (connector.Traces, error) {
			if !Takes(cfg) {
				return f.CreateTracesToMetrics(ctx, set, cfg, next)
			}
			return newConnector(set.TelemetrySettings, cfg.(*contrib.Config), next)
		}, f.TracesToMetricsStability()),
		xconnector.WithDeprecatedTypeAlias(component.MustNewType("servicegraph")))
}

// Takes says whether the connector of a configuration is ours, which takes
// batches. The feature gates of contrib's are at stages in which they cannot be
// changed.
func Takes(cfg component.Config) bool {
	c, ok := cfg.(*contrib.Config)
	return ok && c.ExponentialHistogramMaxSize == 0
}

// intervals are when what is done.
type intervals struct {
	flush, expire, forget time.Duration
}

// read is the configuration with contrib's defaults for what it does not say.
func read(c *contrib.Config) (settings, intervals) {
	s := settings{
		databases: c.DatabaseNameAttributes,
		peers:     c.VirtualNodePeerAttributes,
		label:     c.VirtualNodeExtraLabel,
		bounds:    []float64{0.002, 0.004, 0.006, 0.008, 0.01, 0.05, 0.1, 0.2, 0.4, 0.8, 1, 1.4, 2, 5, 10, 15},
		ttl:       c.Store.TTL,
		maxItems:  c.Store.MaxItems,
	}
	for _, d := range c.Dimensions {
		if !slices.Contains(s.dimensions, d) {
			s.dimensions = append(s.dimensions, d)
		}
	}
	if len(s.databases) == 0 {
		s.databases = []string{"db.name"}
	}
	if s.peers == nil { // an empty list means none
		s.peers = []string{"peer.service", "db.name", "db.system"}
	}
	if c.LatencyHistogramBuckets != nil {
		s.bounds = make([]float64, len(c.LatencyHistogramBuckets))
		for i, b := range c.LatencyHistogramBuckets {
			s.bounds[i] = b.Seconds()
		}
	}
	every := intervals{flush: time.Minute, expire: c.StoreExpirationLoop, forget: c.CacheLoop}
	if c.MetricsFlushInterval != nil {
		every.flush = *c.MetricsFlushInterval
	}
	if every.expire <= 0 {
		every.expire = 2 * time.Second
	}
	if every.forget <= 0 {
		every.forget = time.Minute
	}
	return s, every
}

// counters are the connector's own metrics, as contrib's has them.
type counters struct {
	edges, expired, dropped metric.Int64Counter
}

func newCounters(set component.TelemetrySettings) (counters, error) {
	meter := set.MeterProvider.Meter("github.com/open-telemetry/opentelemetry-collector-contrib/connector/servicegraphconnector")
	counter := func(name, text string) (metric.Int64Counter, error) {
		return meter.Int64Counter("otelcol_connector_servicegraph_"+name, metric.WithDescription(text+" [Development]"), metric.WithUnit("1"))
	}
	edges, err1 := counter("total_edges", "Total number of unique edges")
	expired, err2 := counter("expired_edges", "Number of edges that expired before finding its matching span")
	dropped, err3 := counter("dropped_spans", "Number of spans dropped when trying to add edges")
	return counters{edges, expired, dropped}, errors.Join(err1, err2, err3)
}

// count adds n, where there is something to add.
func count(ctx context.Context, c metric.Int64Counter, n int64) {
	if n > 0 {
		c.Add(ctx, n)
	}
}
