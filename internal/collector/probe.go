package collector

import (
	"context"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/otelcol"
	"go.opentelemetry.io/collector/pipeline/xpipeline"
	"go.opentelemetry.io/collector/processor"
	"go.opentelemetry.io/collector/receiver"
	"go.opentelemetry.io/collector/service"
)

// build builds the pipelines of cfg and takes them down again, which finds
// what is wrong between components. It stops at the first mistake.
//
// A component that was built and never started is not always gone: receivers
// that serve several pipelines are kept by their package until their Shutdown,
// and whole pipelines with them; some processors run from their creation on.
// So what is built is remembered and shut down.
func build(ctx context.Context, s Settings, cfg *otelcol.Config, f otelcol.Factories) error {
	var p probe
	defer p.shutdown(ctx)
	profiles := false
	for id := range cfg.Service.Pipelines {
		profiles = profiles || id.Signal() == xpipeline.SignalProfiles
	}
	if !profiles { // which the probes do not know
		f.Receivers = wrapped(f.Receivers, func(f receiver.Factory) receiver.Factory { return probedReceiver{f, &p} })
		f.Processors = wrapped(f.Processors, func(f processor.Factory) processor.Factory { return probedProcessor{f, &p} })
	}
	return service.Validate(ctx, serviceSettings(s, cfg, f), service.Config{Pipelines: cfg.Service.Pipelines})
}

func wrapped[F any](factories map[component.Type]F, wrap func(F) F) map[component.Type]F {
	all := make(map[component.Type]F, len(factories))
	for t, f := range factories {
		all[t] = wrap(f)
	}
	return all
}

// probe remembers the components that factories made.
type probe struct{ made []component.Component }

// shutdown shuts them down. Nothing was started, so nothing can be lost.
func (p *probe) shutdown(ctx context.Context) {
	for _, c := range p.made {
		_ = c.Shutdown(ctx)
	}
}

func made[C component.Component](p *probe, c C, err error) (C, error) {
	if err == nil {
		p.made = append(p.made, c)
	}
	return c, err
}

// probedReceiver is a receiver factory that reports to a probe.
type probedReceiver struct {
	receiver.Factory
	probe *probe
}

func (r probedReceiver) CreateTraces(ctx context.Context, set receiver.Settings, cfg component.Config, next consumer.Traces) (receiver.Traces, error) {
	c, err := r.Factory.CreateTraces(ctx, set, cfg, next)
	return made(r.probe, c, err)
}

func (r probedReceiver) CreateMetrics(ctx context.Context, set receiver.Settings, cfg component.Config, next consumer.Metrics) (receiver.Metrics, error) {
	c, err := r.Factory.CreateMetrics(ctx, set, cfg, next)
	return made(r.probe, c, err)
}

func (r probedReceiver) CreateLogs(ctx context.Context, set receiver.Settings, cfg component.Config, next consumer.Logs) (receiver.Logs, error) {
	c, err := r.Factory.CreateLogs(ctx, set, cfg, next)
	return made(r.probe, c, err)
}

// probedProcessor is a processor factory that reports to a probe.
type probedProcessor struct {
	processor.Factory
	probe *probe
}

func (r probedProcessor) CreateTraces(ctx context.Context, set processor.Settings, cfg component.Config, next consumer.Traces) (processor.Traces, error) {
	c, err := r.Factory.CreateTraces(ctx, set, cfg, next)
	return made(r.probe, c, err)
}

func (r probedProcessor) CreateMetrics(ctx context.Context, set processor.Settings, cfg component.Config, next consumer.Metrics) (processor.Metrics, error) {
	c, err := r.Factory.CreateMetrics(ctx, set, cfg, next)
	return made(r.probe, c, err)
}

func (r probedProcessor) CreateLogs(ctx context.Context, set processor.Settings, cfg component.Config, next consumer.Logs) (processor.Logs, error) {
	c, err := r.Factory.CreateLogs(ctx, set, cfg, next)
	return made(r.probe, c, err)
}
