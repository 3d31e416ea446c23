package resourcedetection

import (
	"context"
	"sync"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/consumer/xconsumer"
	"go.opentelemetry.io/collector/processor"
	"go.opentelemetry.io/collector/processor/processorhelper"
	"go.opentelemetry.io/collector/processor/processorhelper/xprocessorhelper"
	"go.opentelemetry.io/collector/processor/xprocessor"
)

// NewFactory returns the factory of processor type resource_detection, which is
// also called resourcedetection.
func NewFactory() processor.Factory {
	f := &factory{running: map[*Config]*detection{}}
	return xprocessor.NewFactory(component.MustNewType("resource_detection"),
		func() component.Config { return newDefaultConfig() },
		xprocessor.WithDeprecatedTypeAlias(component.MustNewType("resourcedetection")),
		xprocessor.WithTraces(f.createTraces, component.StabilityLevelBeta),
		xprocessor.WithMetrics(f.createMetrics, component.StabilityLevelBeta),
		xprocessor.WithLogs(f.createLogs, component.StabilityLevelBeta),
		xprocessor.WithProfiles(f.createProfiles, component.StabilityLevelDevelopment))
}

// factory makes processors. Those of one configuration, in several pipelines,
// share one detection.
type factory struct {
	mu      sync.Mutex
	running map[*Config]*detection // used by pipelines
}

// capabilities: the processor writes into what passes.
var capabilities = consumer.Capabilities{MutatesData: true}

func (f *factory) createTraces(ctx context.Context, set processor.Settings, cfg component.Config, next consumer.Traces) (processor.Traces, error) {
	p, err := f.user(set, cfg)
	if err != nil {
		return nil, err
	}
	return processorhelper.NewTraces(ctx, set, cfg, next, p.traces, processorhelper.WithCapabilities(capabilities),
		processorhelper.WithStart(p.start), processorhelper.WithShutdown(p.shutdown))
}

func (f *factory) createMetrics(ctx context.Context, set processor.Settings, cfg component.Config, next consumer.Metrics) (processor.Metrics, error) {
	p, err := f.user(set, cfg)
	if err != nil {
		return nil, err
	}
	return processorhelper.NewMetrics(ctx, set, cfg, next, p.metrics, processorhelper.WithCapabilities(capabilities),
		processorhelper.WithStart(p.start), processorhelper.WithShutdown(p.shutdown))
}

func (f *factory) createLogs(ctx context.Context, set processor.Settings, cfg component.Config, next consumer.Logs) (processor.Logs, error) {
	p, err := f.user(set, cfg)
	if err != nil {
		return nil, err
	}
	return processorhelper.NewLogs(ctx, set, cfg, next, p.logs, processorhelper.WithCapabilities(capabilities),
		processorhelper.WithStart(p.start), processorhelper.WithShutdown(p.shutdown))
}

func (f *factory) createProfiles(ctx context.Context, set processor.Settings, cfg component.Config, next xconsumer.Profiles) (xprocessor.Profiles, error) {
	p, err := f.user(set, cfg)
	if err != nil {
		return nil, err
	}
	return xprocessorhelper.NewProfiles(ctx, set, cfg, next, p.profiles, xprocessorhelper.WithCapabilities(capabilities),
		xprocessorhelper.WithStart(p.start), xprocessorhelper.WithShutdown(p.shutdown))
}

// user makes the part of a processor that belongs to one pipeline.
func (f *factory) user(set processor.Settings, cfg component.Config) (*user, error) {
	config := cfg.(*Config)
	f.mu.Lock()
	defer f.mu.Unlock()
	d := f.running[config]
	if d == nil {
		var err error
		if d, err = newDetection(set, config); err != nil {
			return nil, err
		}
		f.running[config] = d
	}
	d.users++
	return &user{factory: f, detection: d}, nil
}

// release is called when a user of d is gone, and reports whether it was the
// last.
func (f *factory) release(d *detection) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	d.users--
	if d.users == 0 {
		delete(f.running, d.config)
	}
	return d.users == 0
}
