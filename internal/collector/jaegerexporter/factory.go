package jaegerexporter

import (
	"context"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/collector/exporter/exporterhelper"
	"go.opentelemetry.io/collector/exporter/xexporter"
)

// NewFactory makes the factory of exporter type jaeger.
func NewFactory() exporter.Factory {
	return exporter.NewFactory(component.MustNewType("jaeger"), newDefaultConfig,
		exporter.WithTraces(newTraces, component.StabilityLevelBeta))
}

func newTraces(ctx context.Context, set exporter.Settings, cfg component.Config) (exporter.Traces, error) {
	config := cfg.(*Config)
	c := &client{config: config.Client, set: set.TelemetrySettings}
	s, err := newSender(set, c.post)
	if err != nil {
		return nil, err
	}
	return exporterhelper.NewTraces(ctx, set, cfg, s.send,
		exporterhelper.WithCapabilities(consumer.Capabilities{MutatesData: false}),
		exporterhelper.WithStart(c.start),
		exporterhelper.WithShutdown(c.shutdown),
		exporterhelper.WithTimeout(config.Timeout),
		exporterhelper.WithQueue(config.Queue),
		exporterhelper.WithRetry(config.Retry))
}

// NewThriftFactory makes the factory of exporter type jaeger_thrift, which was
// jaeger_thrift_http first.
func NewThriftFactory() exporter.Factory {
	return xexporter.NewFactory(component.MustNewType("jaeger_thrift"), newDefaultThriftConfig,
		xexporter.WithDeprecatedTypeAlias(component.MustNewType("jaeger_thrift_http")),
		xexporter.WithTraces(newThriftTraces, component.StabilityLevelBeta))
}

func newThriftTraces(ctx context.Context, set exporter.Settings, cfg component.Config) (exporter.Traces, error) {
	config := cfg.(*ThriftConfig)
	c := &thriftClient{config: config, set: set.TelemetrySettings}
	s, err := newSender(set, c.post)
	if err != nil {
		return nil, err
	}
	return exporterhelper.NewTraces(ctx, set, cfg, s.send,
		exporterhelper.WithCapabilities(consumer.Capabilities{MutatesData: false}),
		exporterhelper.WithStart(c.start),
		exporterhelper.WithShutdown(c.shutdown),
		exporterhelper.WithTimeout(exporterhelper.TimeoutConfig{Timeout: 0}), // the HTTP client has it
		exporterhelper.WithQueue(config.Queue),
		exporterhelper.WithRetry(config.Retry))
}
