// Package standby keeps a collector running whose exporters, or some extensions,
// cannot start: for want of credentials, of a certificate that is not mounted yet,
// of a free address. It stands around their factories, between the pipelines and
// the exporter.
//
// An exporter that does not start is reported as degraded and started anew, with
// growing pauses, until it does. What it is given in the meantime is held back in
// memory up to a bound, as its own sending queue would, and passed on when it has
// started; what exceeds the bound is refused, so that whoever sent it knows.
//
// Invariants: Start of an exporter never fails; all signals of one exporter run or
// none does, because components share what is below them; data is passed on in
// the order in which it came; what is held when the collector stops is logged as
// lost, with its number.
package standby

import (
	"context"
	"strings"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/collector/exporter/xexporter"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/pdata/xpdata/pref"
)

// Gate is asked before each attempt to start an exporter. Its error is taken for
// that of the start, which is then not tried.
type Gate func(ctx context.Context, cfg component.Config) error

// Watch lets every exporter that factories make from now on stand by when it
// does not start. The map is changed. Exporters of the types in fatal keep
// ending the start of the collector.
func Watch(factories map[component.Type]exporter.Factory, gates map[component.Type]Gate, fatal ...component.Type) {
	leave := map[component.Type]bool{}
	for _, t := range fatal {
		leave[t] = true
	}
	for t, f := range factories {
		if leave[f.Type()] {
			continue
		}
		w := &factory{Factory: f, gate: gates[f.Type()], groups: newGroups()}
		factories[t] = w
		if x, ok := f.(xexporter.Factory); ok {
			factories[t] = profilesFactory{w, x}
		}
	}
}

// factory makes exporters that stand by.
type factory struct {
	exporter.Factory
	gate   Gate // or nil
	groups *groups
}

// profilesFactory is a factory for exporters of profiles too. Those are
// experimental and do not stand by.
type profilesFactory struct {
	*factory
	profiles xexporter.Factory
}

func (f profilesFactory) CreateProfiles(ctx context.Context, set exporter.Settings, cfg component.Config) (xexporter.Profiles, error) {
	return f.profiles.CreateProfiles(ctx, set, cfg)
}

func (f profilesFactory) ProfilesStability() component.StabilityLevel {
	return f.profiles.ProfilesStability()
}

// Exporters as the collector wants them: a component that consumes one signal.
type (
	traces struct {
		component.Component
		consumer.Traces
	}
	metrics struct {
		component.Component
		consumer.Metrics
	}
	logs struct {
		component.Component
		consumer.Logs
	}
)

func (f *factory) CreateTraces(ctx context.Context, set exporter.Settings, cfg component.Config) (exporter.Traces, error) {
	var marshaler ptrace.ProtoMarshaler
	p, capabilities, err := newPart(ctx, f, set, cfg, signal[ptrace.Traces]{
		name:  "traces",
		items: ptrace.Traces.SpanCount, bytes: marshaler.TracesSize,
		keep: pref.RefTraces, release: pref.UnrefTraces,
		create: func(ctx context.Context) (running[ptrace.Traces], error) {
			c, err := f.Factory.CreateTraces(ctx, set, cfg)
			if err != nil {
				return running[ptrace.Traces]{}, err
			}
			return running[ptrace.Traces]{c, c.ConsumeTraces, c.Capabilities()}, nil
		},
	})
	if err != nil {
		return nil, err
	}
	in, err := consumer.NewTraces(p.consume, consumer.WithCapabilities(capabilities))
	return traces{p, in}, err
}

func (f *factory) CreateMetrics(ctx context.Context, set exporter.Settings, cfg component.Config) (exporter.Metrics, error) {
	var marshaler pmetric.ProtoMarshaler
	p, capabilities, err := newPart(ctx, f, set, cfg, signal[pmetric.Metrics]{
		name:  "metrics",
		items: pmetric.Metrics.DataPointCount, bytes: marshaler.MetricsSize,
		keep: pref.RefMetrics, release: pref.UnrefMetrics,
		create: func(ctx context.Context) (running[pmetric.Metrics], error) {
			c, err := f.Factory.CreateMetrics(ctx, set, cfg)
			if err != nil {
				return running[pmetric.Metrics]{}, err
			}
			return running[pmetric.Metrics]{c, c.ConsumeMetrics, c.Capabilities()}, nil
		},
	})
	if err != nil {
		return nil, err
	}
	in, err := consumer.NewMetrics(p.consume, consumer.WithCapabilities(capabilities))
	return metrics{p, in}, err
}

func (f *factory) CreateLogs(ctx context.Context, set exporter.Settings, cfg component.Config) (exporter.Logs, error) {
	var marshaler plog.ProtoMarshaler
	p, capabilities, err := newPart(ctx, f, set, cfg, signal[plog.Logs]{
		name:  "logs",
		items: plog.Logs.LogRecordCount, bytes: marshaler.LogsSize,
		keep: pref.RefLogs, release: pref.UnrefLogs,
		create: func(ctx context.Context) (running[plog.Logs], error) {
			c, err := f.Factory.CreateLogs(ctx, set, cfg)
			if err != nil {
				return running[plog.Logs]{}, err
			}
			return running[plog.Logs]{c, c.ConsumeLogs, c.Capabilities()}, nil
		},
	})
	if err != nil {
		return nil, err
	}
	in, err := consumer.NewLogs(p.consume, consumer.WithCapabilities(capabilities))
	return logs{p, in}, err
}

// advices say what to do about errors that do not say it themselves.
var advices = []struct{ about, advice string }{
	{"could not find default credentials", "set GOOGLE_APPLICATION_CREDENTIALS to a key file, or run where Google gives a service account (workload identity)"},
	{"address already in use", "stop the program that listens there, or choose another endpoint"},
	{"no such file or directory", "mount the file, or correct its path"},
	{"permission denied", "let the collector's user read and write it, or choose another"},
}

// adviceFor is what to do about an error, "" when it is not known.
func adviceFor(err error) string {
	for _, a := range advices {
		if strings.Contains(err.Error(), a.about) {
			return a.advice
		}
	}
	return ""
}
