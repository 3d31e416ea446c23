package opencensusexporter

import (
	"context"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/collector/exporter/exporterhelper"
)

// NewFactory makes the factory of exporter type opencensus.
func NewFactory() exporter.Factory {
	return exporter.NewFactory(component.MustNewType("opencensus"), newDefaultConfig,
		exporter.WithTraces(newTraces, component.StabilityLevelBeta),
		exporter.WithMetrics(newMetrics, component.StabilityLevelBeta))
}

func newTraces(ctx context.Context, set exporter.Settings, cfg component.Config) (exporter.Traces, error) {
	c, err := newClient(set, cfg.(*Config), traces)
	if err != nil {
		return nil, err
	}
	return exporterhelper.NewTraces(ctx, set, cfg, c.sendTraces, options(c)...)
}

func newMetrics(ctx context.Context, set exporter.Settings, cfg component.Config) (exporter.Metrics, error) {
	c, err := newClient(set, cfg.(*Config), metrics)
	if err != nil {
		return nil, err
	}
	return exporterhelper.NewMetrics(ctx, set, cfg, c.sendMetrics, options(c)...)
}

func options(c *client) []exporterhelper.Option {
	return []exporterhelper.Option{
		exporterhelper.WithCapabilities(consumer.Capabilities{MutatesData: false}),
		exporterhelper.WithStart(c.start),
		exporterhelper.WithShutdown(c.shutdown),
		exporterhelper.WithTimeout(c.config.Timeout),
		exporterhelper.WithQueue(c.config.Queue),
		exporterhelper.WithRetry(c.config.Retry),
	}
}
