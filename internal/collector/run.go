package collector

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync/atomic"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/extension"
	"go.opentelemetry.io/collector/otelcol"
	"go.opentelemetry.io/collector/receiver"
	"go.opentelemetry.io/collector/service"
	"go.opentelemetry.io/collector/service/telemetry"
	"go.opentelemetry.io/otel/metric"
	"go.uber.org/zap"

	"github.com/signalbox-otel/signalbox/internal/collector/jaegerexporter"
	"github.com/signalbox-otel/signalbox/internal/collector/ledger"
	"github.com/signalbox-otel/signalbox/internal/collector/otlpreceiver"
	"github.com/signalbox-otel/signalbox/internal/collector/queryextension"
	"github.com/signalbox-otel/signalbox/internal/collector/wire"
	"github.com/signalbox-otel/signalbox/internal/migrate"
	"github.com/signalbox-otel/signalbox/internal/server"
)

// Settings say what Run runs.
type Settings struct {
	// ConfigURIs are where the configuration is read from, merged in this
	// order: paths, or scheme:rest for the schemes file, env, http, https and
	// yaml.
	ConfigURIs []string
	// Sets are put over the configuration, each "path.to.key=value".
	Sets []string
	// Factories returns the components; nil means all that Factories has.
	Factories func() (otelcol.Factories, error)
	// Version of the program, for logs and the collector's own telemetry.
	Version string
	// LoggingOptions are added to those of the collector's logger.
	LoggingOptions []zap.Option
	// Reload asks for the configuration to be read again each time something
	// is received, nil for never. A configuration that is invalid or does not
	// start is refused, and the one before keeps running.
	Reload <-chan os.Signal
	// Migrate are the facts that rewriting old configurations needs. The
	// environment is that of the process.
	Migrate migrate.Options
	// Findings are what was found before, in flags, and is to be told with what
	// is found in the configuration.
	Findings []migrate.Finding
	// Ready, when not nil, is called once everything has started for the first
	// time.
	Ready func()
	// Load is the load that the process makes beside the collector, which the
	// page shows; nil for none.
	Load server.Load
	// Instrumentation asks the operator of a cluster, for the page; nil asks none.
	Instrumentation func(context.Context, server.InjectionQuestion) (server.Instrumentation, error)
}

// Run runs a collector until ctx is done, and returns when everything received
// until then was passed on and every component has stopped. A configuration
// that is invalid is an *InvalidError, and nothing was started.
func Run(ctx context.Context, s Settings) error {
	c, err := newRunning(ctx, s)
	if err != nil {
		if errors.Is(err, context.Canceled) && ctx.Err() != nil {
			return nil // stopped while it was starting
		}
		return err
	}
	if s.Ready != nil {
		s.Ready()
	}
	if err := ReleaseStartPages(); err != nil {
		c.service.Logger().Debug("memory of the start is kept", zap.Error(err))
	}
	for {
		select {
		case <-ctx.Done():
			c.service.Logger().Info("stopping")
			return c.service.Shutdown(context.WithoutCancel(ctx))
		case err := <-c.failed:
			c.service.Logger().Error("a component failed; stopping", zap.Error(err))
			return errors.Join(err, c.service.Shutdown(ctx))
		case <-s.Reload:
			if err := c.reload(ctx); err != nil {
				return err
			}
		}
	}
}

// running is a collector that runs. One goroutine uses it.
type running struct {
	settings  Settings
	factories otelcol.Factories

	config  *loaded
	service *service.Service
	// failed receives the errors after which the running service is of no use.
	// Each service has its own channel: errors of one that was replaced are
	// nobody's.
	failed chan error

	rejected atomic.Int64 // configurations refused by reload
	problems *problems    // of every service
	migrated *migrations  // of every service
	ledger   *ledger.Ledger
	straight straight // of the service that is built
}

func newRunning(ctx context.Context, s Settings) (*running, error) {
	c := &running{settings: s, problems: newProblems(), migrated: newMigrations(), ledger: ledger.New()}
	var err error
	if c.factories, err = s.factories(); err != nil {
		return nil, err
	}
	jaegerexporter.FallBack(c.factories.Exporters)
	standBy(c.factories)
	c.showIn(c.factories.Extensions)
	c.goStraight(c.factories.Receivers)
	wire.Connect(c.factories.Connectors, takesBatches)
	c.ledger.Watch(&c.factories)
	c.factories.Telemetry = withMetrics(c.factories.Telemetry, c.register)
	config, err := load(ctx, s, c.factories)
	if err != nil {
		return nil, err
	}
	return c, c.start(ctx, config)
}

func (s Settings) factories() (otelcol.Factories, error) {
	if s.Factories != nil {
		return s.Factories()
	}
	return Factories()
}

func (s Settings) buildInfo() component.BuildInfo {
	return component.BuildInfo{Command: "signalbox", Description: "Signalbox", Version: s.Version}
}

// serviceSettings are what checking and running a configuration have in
// common.
func serviceSettings(s Settings, cfg *otelcol.Config, f otelcol.Factories) service.Settings {
	return service.Settings{
		BuildInfo:           s.buildInfo(),
		ReceiversConfigs:    cfg.Receivers,
		ReceiversFactories:  f.Receivers,
		ProcessorsConfigs:   cfg.Processors,
		ProcessorsFactories: f.Processors,
		ExportersConfigs:    cfg.Exporters,
		ExportersFactories:  f.Exporters,
		ConnectorsConfigs:   cfg.Connectors,
		ConnectorsFactories: f.Connectors,
		ExtensionsConfigs:   cfg.Extensions,
		ExtensionsFactories: f.Extensions,
		TelemetryFactory:    f.Telemetry,
	}
}

// start starts a service of config, and makes it the running one. When it does
// not start nothing of it is left.
func (c *running) start(ctx context.Context, config *loaded) error {
	cfg, err := decode(config.conf, c.factories)
	if err != nil {
		return err
	}
	effective, err := marshalled(cfg)
	if err != nil {
		return err
	}
	c.straight.decide(cfg, effective)
	set := serviceSettings(c.settings, cfg, c.factories)
	failed := make(chan error, 16)
	set.AsyncErrorChannel = failed
	set.CollectorConf = effective
	set.ModuleInfos = moduleInfos(c.factories)
	set.BuildZapLogger = func(cfg zap.Config, opts ...zap.Option) (*zap.Logger, error) {
		opts = append(opts, c.settings.LoggingOptions...)
		return cfg.Build(append(opts, c.problems.option(), withoutNoise(cfg.Development))...)
	}
	srv, err := service.New(ctx, set, cfg.Service)
	if err != nil {
		return err
	}
	config.warnings.replay(srv.Logger().Core())
	c.migrated.started(config.found, srv.Logger())
	logGRPC(srv.Logger())
	// Contrib's service_graph keeps the context of its start for all that it
	// sends; when that ended with ctx, what it sends last would be lost, and said so.
	if err := srv.Start(context.WithoutCancel(ctx)); err != nil {
		return errors.Join(err, srv.Shutdown(context.WithoutCancel(ctx)))
	}
	c.config, c.service, c.failed = config, srv, failed
	return nil
}

func moduleInfos(f otelcol.Factories) service.ModuleInfos {
	infos := func(modules map[component.Type]string) map[component.Type]service.ModuleInfo {
		m := make(map[component.Type]service.ModuleInfo, len(modules))
		for t, module := range modules {
			m[t] = service.ModuleInfo{BuilderRef: module}
		}
		return m
	}
	return service.ModuleInfos{
		Receiver:  infos(f.ReceiverModules),
		Processor: infos(f.ProcessorModules),
		Exporter:  infos(f.ExporterModules),
		Extension: infos(f.ExtensionModules),
		Connector: infos(f.ConnectorModules),
	}
}

// reload replaces the running service by one of the configuration as it is
// now. It is read and checked while the old service still runs, which keeps
// running when anything is wrong. A configuration that is valid but does not
// start (a port in use) is replaced by the one before. The error is not nil
// when nothing runs any more.
func (c *running) reload(ctx context.Context) error {
	log := c.service.Logger()
	next, err := load(ctx, c.settings, c.factories)
	if err != nil {
		c.rejected.Add(1)
		log.Error("configuration rejected; the one before keeps running", rejection(err)...)
		return nil
	}
	log.Info("configuration accepted; restarting")
	if err := c.service.Shutdown(ctx); err != nil {
		log.Error("stopping for the new configuration", zap.Error(err))
	}
	err = c.start(ctx, next)
	if err == nil || ctx.Err() != nil {
		return err
	}
	c.rejected.Add(1)
	if back := c.start(ctx, c.config); back != nil {
		return errors.Join(fmt.Errorf("starting the new configuration: %w", err), fmt.Errorf("starting the one before: %w", back))
	}
	c.service.Logger().Error("configuration rejected: it did not start; the one before runs again", zap.Error(err))
	return nil
}

// rejection is err as log fields: the findings one by one.
func rejection(err error) []zap.Field {
	var e *InvalidError
	if !errors.As(err, &e) {
		return []zap.Field{zap.Error(err)}
	}
	findings := make([]string, len(e.Findings))
	for i, f := range e.Findings {
		findings[i] = plain(f)
	}
	return []zap.Field{zap.Strings("findings", findings)}
}

// register adds the metrics that outlive the running service: what pipelines
// lost, and the configurations that were migrated or refused.
func (c *running) register(meter metric.Meter) error {
	_, err := meter.Int64ObservableCounter(
		"signalbox_config_rejected_total",
		metric.WithDescription("Configurations that were refused on reload, while the one before kept running."),
		metric.WithUnit("{configurations}"),
		metric.WithInt64Callback(func(_ context.Context, o metric.Int64Observer) error {
			o.Observe(c.rejected.Load())
			return nil
		}))
	return errors.Join(err, c.migrated.instrument(meter), c.ledger.Register(meter))
}

// withMetrics adds metrics of ours to those of every service that f makes.
func withMetrics(f telemetry.Factory, register func(metric.Meter) error) telemetry.Factory {
	return telemetry.NewFactory(f.CreateDefaultConfig,
		telemetry.WithCreateResource(f.CreateResource),
		telemetry.WithCreateLogger(f.CreateLogger),
		telemetry.WithCreateTracerProvider(f.CreateTracerProvider),
		telemetry.WithCreateMeterProvider(func(ctx context.Context, set telemetry.MeterSettings, cfg component.Config) (telemetry.MeterProvider, error) {
			provider, err := f.CreateMeterProvider(ctx, set, cfg)
			if err != nil {
				return nil, err
			}
			if err := register(provider.Meter("github.com/signalbox-otel/signalbox/internal/collector")); err != nil {
				return nil, errors.Join(err, provider.Shutdown(ctx))
			}
			return provider, nil
		}))
}

// showIn lets the extension that serves the page have what is known about the
// running components. Only the factory of this program is replaced.
func (c *running) showIn(factories map[component.Type]extension.Factory) {
	f := queryextension.NewFactoryWith(queryextension.Observed{Problems: c.problems.list, Losses: c.losses, Load: c.settings.Load, Instrumentation: c.settings.Instrumentation})
	if _, ok := factories[f.Type()]; ok {
		factories[f.Type()] = f
	}
}

// goStraight lets receivers ask what was decided about their requests. Only the
// factory of this program is replaced.
func (c *running) goStraight(factories map[component.Type]receiver.Factory) {
	f := otlpreceiver.NewFactoryWith(c.straight.goes)
	if _, ok := factories[f.Type()]; ok {
		factories[f.Type()] = f
	}
}

// losses is the ledger in the form of the API.
func (c *running) losses() []server.Loss {
	var list []server.Loss
	for _, a := range c.ledger.Accounts() {
		list = append(list, server.Loss{Last: a.Last, Kind: a.Kind, Component: a.Component, Signal: a.Signal,
			Outcome: string(a.Outcome), Reason: a.Reason, Items: a.Items, Error: a.Error})
	}
	return list
}
