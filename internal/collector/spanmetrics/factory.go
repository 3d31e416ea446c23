// Package spanmetrics is the connector span_metrics: counts and durations of
// spans as metrics, by service, name, kind, status and the dimensions that users
// name. Its configuration is that of contrib's connector, and so are its metrics.
//
// It stands behind the receivers of spans, beside the store. It folds the
// batches that the store takes (see package wire), which costs a lookup for each
// span; spans that come as pdata are folded by the same code. What it is not
// asked for often (delta temporality, exponential histograms, events, globs)
// contrib's own connector does: Takes says which of the two a configuration
// gets.
//
// Invariants: a batch is its sender's again when ConsumeSpans returns, so what is
// kept of it are copies. Every span is counted in exactly one series, whatever is
// reported at the time. A report is passed on in parts, none of them large beside
// the series.
package spanmetrics

import (
	"context"
	"errors"

	"github.com/open-telemetry/opentelemetry-collector-contrib/connector/spanmetricsconnector"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/connector"
	"go.opentelemetry.io/collector/connector/xconnector"
	"go.opentelemetry.io/collector/consumer"
)

// formerType is what contrib called the connector.
const formerType = "spanmetrics"

// NewFactory returns the factory of connector type span_metrics.
func NewFactory() connector.Factory {
	theirs := spanmetricsconnector.NewFactory()
	return xconnector.NewFactory(theirs.Type(), theirs.CreateDefaultConfig,
		xconnector.WithTracesToMetrics(create, theirs.TracesToMetricsStability()),
		xconnector.WithDeprecatedTypeAlias(component.MustNewType(formerType)))
}

func create(ctx context.Context, set connector.Settings, cfg component.Config, next consumer.Metrics) (connector.Traces, error) {
	if !Takes(cfg) {
		return spanmetricsconnector.NewFactory().CreateTracesToMetrics(ctx, set, cfg, next)
	}
	config := cfg.(*spanmetricsconnector.Config)
	if config.MetricsFlushInterval <= 0 {
		return nil, errors.New("metrics_flush_interval must be more than 0")
	}
	if config.DimensionsCacheSize != 0 {
		set.Logger.Warn("dimensions_cache_size has no effect; aggregation_cardinality_limit bounds the series of a resource")
	}
	return newConnector(set, newPlan(config, set.Resource.Attributes()), next), nil
}
