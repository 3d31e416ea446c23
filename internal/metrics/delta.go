package metrics

import (
	"context"
	"fmt"

	"github.com/open-telemetry/opentelemetry-collector-contrib/processor/deltatocumulativeprocessor"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/processor"
	"go.opentelemetry.io/otel/metric/noop"
)

// deltas sums the points of delta series into the running totals that
// Prometheus knows. There is one for all ways in: two of them would each keep a
// total of the same series.
//
// Totals live in memory. A restart begins again at zero, which rate() and
// increase() see as the counter reset that it is.
type deltas struct {
	processor processor.Metrics
}

// newDeltas starts the accumulator. Close it after use.
func newDeltas(o Options) (*deltas, error) {
	factory := deltatocumulativeprocessor.NewFactory()
	// The processor rewrites its input in place, so there is nothing left to
	// do for the consumer behind it.
	done, err := consumer.NewMetrics(func(context.Context, pmetric.Metrics) error { return nil })
	if err != nil {
		return nil, fmt.Errorf("creating the delta accumulator: %w", err)
	}
	p, err := factory.CreateMetrics(context.Background(), processor.Settings{
		ID:                component.NewID(factory.Type()),
		TelemetrySettings: component.TelemetrySettings{MeterProvider: noop.NewMeterProvider()},
	}, &deltatocumulativeprocessor.Config{MaxStale: o.DeltaMaxStale, MaxStreams: o.DeltaMaxStreams}, done)
	if err != nil {
		return nil, fmt.Errorf("creating the delta accumulator: %w", err)
	}
	if err := p.Start(context.Background(), nil); err != nil {
		return nil, fmt.Errorf("starting the delta accumulator: %w", err)
	}
	return &deltas{processor: p}, nil
}

// accumulate replaces every delta point of md by the total of its series and
// returns the number of points that have no place in a total, which it removes.
// A point that comes twice is one of them: it is older than the last.
func (d *deltas) accumulate(ctx context.Context, md pmetric.Metrics) (int, error) {
	before := md.DataPointCount()
	if err := d.processor.ConsumeMetrics(ctx, md); err != nil {
		return 0, fmt.Errorf("summing delta metrics: %w", err)
	}
	return before - md.DataPointCount(), nil
}

// close stops the accumulator's housekeeping.
func (d *deltas) close() error { return d.processor.Shutdown(context.Background()) }

// hasDelta reports whether any metric of md has delta temporality.
func hasDelta(md pmetric.Metrics) bool {
	for _, rm := range md.ResourceMetrics().All() {
		for _, sm := range rm.ScopeMetrics().All() {
			for _, m := range sm.Metrics().All() {
				if temporality(m) == pmetric.AggregationTemporalityDelta {
					return true
				}
			}
		}
	}
	return false
}

// temporality returns unspecified for the types that have none.
func temporality(m pmetric.Metric) pmetric.AggregationTemporality {
	switch m.Type() {
	case pmetric.MetricTypeSum:
		return m.Sum().AggregationTemporality()
	case pmetric.MetricTypeHistogram:
		return m.Histogram().AggregationTemporality()
	case pmetric.MetricTypeExponentialHistogram:
		return m.ExponentialHistogram().AggregationTemporality()
	default:
		return pmetric.AggregationTemporalityUnspecified
	}
}
