package wire

import (
	"context"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/connector"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/signalbox-otel/signalbox/internal/store"
)

// SpanBatches is a connector that reads spans as the store has them. It is an
// interface because connectors are made by factories that give no more than
// connector.Traces. b is good until ConsumeSpans returns.
type SpanBatches interface {
	ConsumeSpans(ctx context.Context, b *store.Batch) error
}

// Connect lets connectors from spans to metrics that factories make from now on
// take batches, those that are SpanBatches. takes says of a configuration whether
// its connector is one.
func Connect(factories map[component.Type]connector.Factory, takes func(component.Config) bool) {
	for t, f := range factories {
		if takes(f.CreateDefaultConfig()) {
			factories[t] = connecting{f}
		}
	}
}

// connecting is a factory of connectors from spans to metrics that take batches.
type connecting struct{ connector.Factory }

// CreateTracesToMetrics implements connector.Factory.
func (f connecting) CreateTracesToMetrics(ctx context.Context, set connector.Settings, cfg component.Config, next consumer.Metrics) (connector.Traces, error) {
	c, err := f.Factory.CreateTracesToMetrics(ctx, set, cfg, next)
	if err != nil {
		return nil, err
	}
	if batches, ok := c.(SpanBatches); ok {
		return taking{c, batches}, nil
	}
	return c, nil
}

// taking is a connector that takes batches as they are.
type taking struct {
	connector.Traces
	batches SpanBatches
}

// ConsumeTraces gives the connector the batch that td stands for, or td when it
// stands for none.
func (c taking) ConsumeTraces(ctx context.Context, td ptrace.Traces) error {
	if b := From(ctx, store.Spans); b != nil {
		return c.batches.ConsumeSpans(ctx, b)
	}
	return c.Traces.ConsumeTraces(ctx, td)
}
