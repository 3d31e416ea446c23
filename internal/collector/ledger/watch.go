package ledger

import (
	"context"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/connector"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/collector/exporter/xexporter"
	"go.opentelemetry.io/collector/otelcol"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/processor"
	"go.opentelemetry.io/collector/processor/xprocessor"
	"go.opentelemetry.io/collector/receiver"
	"go.opentelemetry.io/collector/receiver/xreceiver"
)

// leaving are the processors that leave items out, and why. Of others fewer
// items come out for reasons that are no loss: they are kept for a batch, or
// made into one.
var leaving = map[string]string{
	"filter":                Filtered,
	"probabilistic_sampler": Sampled,
	"cumulative_to_delta":   NoDelta,
}

// detached are the connectors that send when nobody waits for the answer. The
// others give errors back, which the exporters behind them have counted.
var detached = map[string]bool{"span_metrics": true, "service_graph": true}

// Watch lets every component that f makes from now on be watched. The maps of f
// are changed.
func (l *Ledger) Watch(f *otelcol.Factories) {
	around(f.Receivers, func(f receiver.Factory) receiver.Factory {
		if x, ok := f.(xreceiver.Factory); ok {
			return profilesReceiver{watchedReceiver{f, l}, x}
		}
		return watchedReceiver{f, l}
	})
	around(f.Processors, func(f processor.Factory) processor.Factory {
		if x, ok := f.(xprocessor.Factory); ok {
			return profilesProcessor{watchedProcessor{f, l}, x}
		}
		return watchedProcessor{f, l}
	})
	around(f.Exporters, func(f exporter.Factory) exporter.Factory {
		if x, ok := f.(xexporter.Factory); ok {
			return profilesExporter{watchedExporter{f, l}, x}
		}
		return watchedExporter{f, l}
	})
	around(f.Connectors, func(f connector.Factory) connector.Factory {
		if !detached[f.Type().String()] {
			return f
		}
		return watchedConnector{f, l}
	})
}

func around[F component.Factory](factories map[component.Type]F, wrap func(F) F) {
	for t, f := range factories {
		factories[t] = wrap(f)
	}
}

// watchedReceiver is a receiver factory whose receivers are watched.
type watchedReceiver struct {
	receiver.Factory
	ledger *Ledger
}

func (w watchedReceiver) CreateTraces(ctx context.Context, set receiver.Settings, cfg component.Config, next consumer.Traces) (receiver.Traces, error) {
	b := w.ledger.book(component.KindReceiver, set.ID, "traces")
	next, err := consumer.NewTraces(outward(b, ptrace.Traces.SpanCount, next.ConsumeTraces), consumer.WithCapabilities(next.Capabilities()))
	if err != nil {
		return nil, err
	}
	return w.Factory.CreateTraces(ctx, set, cfg, next)
}

func (w watchedReceiver) CreateMetrics(ctx context.Context, set receiver.Settings, cfg component.Config, next consumer.Metrics) (receiver.Metrics, error) {
	b := w.ledger.book(component.KindReceiver, set.ID, "metrics")
	next, err := consumer.NewMetrics(outward(b, pmetric.Metrics.DataPointCount, next.ConsumeMetrics), consumer.WithCapabilities(next.Capabilities()))
	if err != nil {
		return nil, err
	}
	return w.Factory.CreateMetrics(ctx, set, cfg, next)
}

func (w watchedReceiver) CreateLogs(ctx context.Context, set receiver.Settings, cfg component.Config, next consumer.Logs) (receiver.Logs, error) {
	b := w.ledger.book(component.KindReceiver, set.ID, "logs")
	next, err := consumer.NewLogs(outward(b, plog.Logs.LogRecordCount, next.ConsumeLogs), consumer.WithCapabilities(next.Capabilities()))
	if err != nil {
		return nil, err
	}
	return w.Factory.CreateLogs(ctx, set, cfg, next)
}

// watchedProcessor is a processor factory whose processors are watched.
type watchedProcessor struct {
	processor.Factory
	ledger *Ledger
}

func (w watchedProcessor) book(set processor.Settings, signal string) *book {
	b := w.ledger.book(component.KindProcessor, set.ID, signal)
	b.leaves = leaving[w.Type().String()]
	return b
}

func (w watchedProcessor) CreateTraces(ctx context.Context, set processor.Settings, cfg component.Config, next consumer.Traces) (processor.Traces, error) {
	b := w.book(set, "traces")
	if w.Type() == tailSampling {
		w.ledger.lagging(b, cfg)
	}
	next, err := consumer.NewTraces(outward(b, ptrace.Traces.SpanCount, next.ConsumeTraces), consumer.WithCapabilities(next.Capabilities()))
	if err != nil {
		return nil, err
	}
	c, err := w.Factory.CreateTraces(ctx, set, cfg, next)
	if err != nil {
		return nil, err
	}
	return watchedTraces(b, c)
}

func (w watchedProcessor) CreateMetrics(ctx context.Context, set processor.Settings, cfg component.Config, next consumer.Metrics) (processor.Metrics, error) {
	b := w.book(set, "metrics")
	next, err := consumer.NewMetrics(outward(b, pmetric.Metrics.DataPointCount, next.ConsumeMetrics), consumer.WithCapabilities(next.Capabilities()))
	if err != nil {
		return nil, err
	}
	c, err := w.Factory.CreateMetrics(ctx, set, cfg, next)
	if err != nil {
		return nil, err
	}
	return watchedMetrics(b, c)
}

func (w watchedProcessor) CreateLogs(ctx context.Context, set processor.Settings, cfg component.Config, next consumer.Logs) (processor.Logs, error) {
	b := w.book(set, "logs")
	next, err := consumer.NewLogs(outward(b, plog.Logs.LogRecordCount, next.ConsumeLogs), consumer.WithCapabilities(next.Capabilities()))
	if err != nil {
		return nil, err
	}
	c, err := w.Factory.CreateLogs(ctx, set, cfg, next)
	if err != nil {
		return nil, err
	}
	return watchedLogs(b, c)
}

// watchedExporter is an exporter factory whose exporters are watched.
type watchedExporter struct {
	exporter.Factory
	ledger *Ledger
}

// book also lets the ledger read what the exporter logs.
func (w watchedExporter) book(set *exporter.Settings, cfg component.Config, signal string) *book {
	b := w.ledger.book(component.KindExporter, set.ID, signal)
	set.Logger = set.Logger.WithOptions(watched(b, waits(cfg)))
	return b
}

// waits says whether the queue of an exporter answers only when data is out.
func waits(cfg component.Config) bool {
	conf := confmap.New()
	return conf.Marshal(cfg) == nil && conf.Get("sending_queue::wait_for_result") == true
}

func (w watchedExporter) CreateTraces(ctx context.Context, set exporter.Settings, cfg component.Config) (exporter.Traces, error) {
	b := w.book(&set, cfg, "traces")
	c, err := w.Factory.CreateTraces(ctx, set, cfg)
	if err != nil {
		return nil, err
	}
	return watchedTraces(b, c)
}

func (w watchedExporter) CreateMetrics(ctx context.Context, set exporter.Settings, cfg component.Config) (exporter.Metrics, error) {
	b := w.book(&set, cfg, "metrics")
	c, err := w.Factory.CreateMetrics(ctx, set, cfg)
	if err != nil {
		return nil, err
	}
	return watchedMetrics(b, c)
}

func (w watchedExporter) CreateLogs(ctx context.Context, set exporter.Settings, cfg component.Config) (exporter.Logs, error) {
	b := w.book(&set, cfg, "logs")
	c, err := w.Factory.CreateLogs(ctx, set, cfg)
	if err != nil {
		return nil, err
	}
	return watchedLogs(b, c)
}

// watchedConnector is a factory of connectors from traces to metrics, which are
// watched.
type watchedConnector struct {
	connector.Factory
	ledger *Ledger
}

func (w watchedConnector) CreateTracesToMetrics(ctx context.Context, set connector.Settings, cfg component.Config, next consumer.Metrics) (connector.Traces, error) {
	b := w.ledger.book(component.KindConnector, set.ID, "metrics")
	router, ok := next.(connector.MetricsRouterAndConsumer)
	if !ok {
		return w.Factory.CreateTracesToMetrics(ctx, set, cfg, next)
	}
	return w.Factory.CreateTracesToMetrics(ctx, set, cfg, watchedRouter{router, outward(b, pmetric.Metrics.DataPointCount, next.ConsumeMetrics)})
}

// watchedRouter is what a connector passes metrics on to, watched.
type watchedRouter struct {
	connector.MetricsRouterAndConsumer
	consume func(context.Context, pmetric.Metrics) error
}

// ConsumeMetrics implements consumer.Metrics.
func (w watchedRouter) ConsumeMetrics(ctx context.Context, md pmetric.Metrics) error {
	return w.consume(ctx, md)
}
