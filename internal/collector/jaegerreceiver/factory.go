package jaegerreceiver

import (
	"context"
	"errors"
	"slices"

	"github.com/apache/thrift/lib/go/thrift"
	"github.com/open-telemetry/opentelemetry-collector-contrib/receiver/jaegerreceiver"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/config/configoptional"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/receiver"
)

// NewFactory returns the factory of receiver type jaeger.
func NewFactory() receiver.Factory {
	theirs := jaegerreceiver.NewFactory()
	return receiver.NewFactory(theirs.Type(), theirs.CreateDefaultConfig,
		receiver.WithTraces(createTraces, theirs.TracesStability()))
}

func createTraces(ctx context.Context, set receiver.Settings, cfg component.Config, next consumer.Traces) (receiver.Traces, error) {
	config := *cfg.(*jaegerreceiver.Config)
	var all combined
	for _, udp := range []struct {
		config    *configoptional.Optional[jaegerreceiver.ProtocolUDP]
		transport string
		protocol  protocolFunc
	}{
		{&config.Protocols.ThriftBinaryUDP, "udp_thrift_binary", func(t thrift.TTransport, c *thrift.TConfiguration) thrift.TProtocol {
			return thrift.NewTBinaryProtocolConf(t, c)
		}},
		{&config.Protocols.ThriftCompactUDP, "udp_thrift_compact", func(t thrift.TTransport, c *thrift.TConfiguration) thrift.TProtocol {
			return thrift.NewTCompactProtocolConf(t, c)
		}},
	} {
		if !udp.config.HasValue() {
			continue
		}
		l, err := newListener(set, *udp.config.Get(), udp.transport, udp.protocol, next)
		if err != nil {
			return nil, err
		}
		all = append(all, l)
		*udp.config = configoptional.None[jaegerreceiver.ProtocolUDP]()
	}
	rest, err := jaegerreceiver.NewFactory().CreateTraces(ctx, set, &config, next)
	if err != nil {
		return nil, err
	}
	return append(all, rest), nil
}

// combined starts and ends several components as one.
type combined []component.Component

// Start starts the parts in order. When one fails, those before it are ended:
// the collector does not shut down a component that did not start.
func (c combined) Start(ctx context.Context, host component.Host) error {
	for i, part := range c {
		if err := part.Start(ctx, host); err != nil {
			return errors.Join(err, c[:i].Shutdown(ctx))
		}
	}
	return nil
}

// Shutdown ends the parts, the last first.
func (c combined) Shutdown(ctx context.Context) error {
	var errs []error
	for _, part := range slices.Backward(c) {
		errs = append(errs, part.Shutdown(ctx))
	}
	return errors.Join(errs...)
}
