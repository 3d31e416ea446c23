package wire

import (
	"context"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/connector"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/signalbox-otel/signalbox/internal/store"
)

// Connect lets connectors that factories make from now on take batches, where
// Slim knows what they read.
func Connect(factories map[component.Type]connector.Factory) {
	for t, f := range factories {
		if Reads(f.CreateDefaultConfig()) != nil {
			factories[t] = slimmed{f}
		}
	}
}

// slimmed is a factory of connectors from spans to metrics that take batches.
type slimmed struct{ connector.Factory }

// CreateTracesToMetrics implements connector.Factory.
func (f slimmed) CreateTracesToMetrics(ctx context.Context, set connector.Settings, cfg component.Config, next consumer.Metrics) (connector.Traces, error) {
	c, err := f.Factory.CreateTracesToMetrics(ctx, set, cfg, next)
	if err != nil {
		return nil, err
	}
	s := Reads(cfg)
	if s == nil {
		return c, nil
	}
	return slimming{c, s}, nil
}

// slimming is a connector that takes batches.
type slimming struct {
	connector.Traces
	slim *Slim
}

// ConsumeTraces gives the connector what it reads of the batch that td stands
// for, or td when it stands for none.
func (c slimming) ConsumeTraces(ctx context.Context, td ptrace.Traces) error {
	if b := From(ctx, store.Spans); b != nil {
		return c.slim.Give(b, func(td ptrace.Traces) error { return c.Traces.ConsumeTraces(ctx, td) })
	}
	return c.Traces.ConsumeTraces(ctx, td)
}
