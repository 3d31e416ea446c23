package ledger

import (
	"context"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/consumer/xconsumer"
	"go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/collector/exporter/xexporter"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/processor"
	"go.opentelemetry.io/collector/processor/xprocessor"
	"go.opentelemetry.io/collector/receiver"
	"go.opentelemetry.io/collector/receiver/xreceiver"
)

// Processors and exporters are a component and a consumer in one, which these
// put together again when the consumer is watched.
type (
	traces struct {
		component.Component
		consumer.Traces
	}
	metricData struct {
		component.Component
		consumer.Metrics
	}
	logs struct {
		component.Component
		consumer.Logs
	}
)

func watchedTraces(b *book, c interface {
	component.Component
	consumer.Traces
}) (traces, error) {
	in, err := consumer.NewTraces(inward(b, ptrace.Traces.SpanCount, c.ConsumeTraces), consumer.WithCapabilities(c.Capabilities()))
	return traces{c, in}, err
}

func watchedMetrics(b *book, c interface {
	component.Component
	consumer.Metrics
}) (metricData, error) {
	in, err := consumer.NewMetrics(inward(b, pmetric.Metrics.DataPointCount, c.ConsumeMetrics), consumer.WithCapabilities(c.Capabilities()))
	return metricData{c, in}, err
}

func watchedLogs(b *book, c interface {
	component.Component
	consumer.Logs
}) (logs, error) {
	in, err := consumer.NewLogs(inward(b, plog.Logs.LogRecordCount, c.ConsumeLogs), consumer.WithCapabilities(c.Capabilities()))
	return logs{c, in}, err
}

// Profiles are experimental and not watched; factories that know them still do.
type (
	profilesReceiver struct {
		watchedReceiver
		profiles xreceiver.Factory
	}
	profilesProcessor struct {
		watchedProcessor
		profiles xprocessor.Factory
	}
	profilesExporter struct {
		watchedExporter
		profiles xexporter.Factory
	}
)

func (w profilesReceiver) CreateProfiles(ctx context.Context, set receiver.Settings, cfg component.Config, next xconsumer.Profiles) (xreceiver.Profiles, error) {
	return w.profiles.CreateProfiles(ctx, set, cfg, next)
}

func (w profilesReceiver) ProfilesStability() component.StabilityLevel {
	return w.profiles.ProfilesStability()
}

func (w profilesProcessor) CreateProfiles(ctx context.Context, set processor.Settings, cfg component.Config, next xconsumer.Profiles) (xprocessor.Profiles, error) {
	return w.profiles.CreateProfiles(ctx, set, cfg, next)
}

func (w profilesProcessor) ProfilesStability() component.StabilityLevel {
	return w.profiles.ProfilesStability()
}

func (w profilesExporter) CreateProfiles(ctx context.Context, set exporter.Settings, cfg component.Config) (xexporter.Profiles, error) {
	return w.profiles.CreateProfiles(ctx, set, cfg)
}

func (w profilesExporter) ProfilesStability() component.StabilityLevel {
	return w.profiles.ProfilesStability()
}
