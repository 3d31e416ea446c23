package otlpreceiver

import (
	"context"
	"maps"
	"slices"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componentstatus"
	"go.opentelemetry.io/collector/config/configmiddleware"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/extension/extensionmiddleware"
	"go.opentelemetry.io/collector/receiver"
	"go.opentelemetry.io/collector/receiver/otlpreceiver"
	"google.golang.org/grpc"
)

// legacyID is the name under which the receiver's host offers the middleware.
// Extensions of users cannot have it: it is the type of a receiver.
var legacyID = component.MustNewIDWithName("otlp", "legacy")

// NewFactory returns the factory of receiver type otlp.
func NewFactory() receiver.Factory {
	theirs := otlpreceiver.NewFactory()
	return receiver.NewFactory(theirs.Type(), theirs.CreateDefaultConfig,
		receiver.WithTraces(func(ctx context.Context, set receiver.Settings, cfg component.Config, next consumer.Traces) (receiver.Traces, error) {
			r, err := theirs.CreateTraces(ctx, set, withLegacy(cfg), next)
			return hosted{r, cfg.(*otlpreceiver.Config)}, err
		}, theirs.TracesStability()),
		receiver.WithMetrics(func(ctx context.Context, set receiver.Settings, cfg component.Config, next consumer.Metrics) (receiver.Metrics, error) {
			r, err := theirs.CreateMetrics(ctx, set, withLegacy(cfg), next)
			return hosted{r, cfg.(*otlpreceiver.Config)}, err
		}, theirs.MetricsStability()),
		receiver.WithLogs(func(ctx context.Context, set receiver.Settings, cfg component.Config, next consumer.Logs) (receiver.Logs, error) {
			r, err := theirs.CreateLogs(ctx, set, withLegacy(cfg), next)
			return hosted{r, cfg.(*otlpreceiver.Config)}, err
		}, theirs.LogsStability()))
}

// withLegacy puts the middleware before those that the configuration names. It
// changes cfg in place: the pipelines of one configuration share one receiver,
// which is found by the configuration's address.
func withLegacy(cfg component.Config) component.Config {
	c := cfg.(*otlpreceiver.Config)
	ours := configmiddleware.Config{ID: legacyID}
	add := func(middlewares []configmiddleware.Config) []configmiddleware.Config {
		if slices.Contains(middlewares, ours) {
			return middlewares
		}
		return slices.Insert(middlewares, 0, ours)
	}
	if c.Protocols.HTTP.HasValue() {
		server := &c.Protocols.HTTP.Get().ServerConfig
		server.Middlewares = add(server.Middlewares)
	}
	if c.Protocols.GRPC.HasValue() {
		server := c.Protocols.GRPC.Get()
		server.Middlewares = add(server.Middlewares)
	}
	return c
}

// hosted is the receiver with a host that has the middleware.
type hosted struct {
	component.Component
	config *otlpreceiver.Config
}

// Start starts the receiver.
func (h hosted) Start(ctx context.Context, theirs component.Host) error {
	return h.Component.Start(ctx, host{theirs, h.config})
}

// host is the collector's with one more extension.
type host struct {
	component.Host
	config *otlpreceiver.Config
}

// GetExtensions returns the collector's extensions and the middleware.
func (h host) GetExtensions() map[component.ID]component.Component {
	all := maps.Clone(h.Host.GetExtensions())
	if all == nil {
		all = map[component.ID]component.Component{}
	}
	all[legacyID] = legacy{config: h.config}
	return all
}

// Report passes on what the receiver says of its health.
func (h host) Report(event *componentstatus.Event) {
	componentstatus.ReportStatus(h.Host, event)
}

// legacy is the middleware in the form of an extension.
type legacy struct {
	component.StartFunc
	component.ShutdownFunc
	config *otlpreceiver.Config
}

// GetHTTPHandler returns what wraps the handler of the receiver's HTTP server.
func (l legacy) GetHTTPHandler(context.Context) (extensionmiddleware.WrapHTTPHandlerFunc, error) {
	http := l.config.Protocols.HTTP.Get()
	return paths{traces: string(http.TracesURLPath), metrics: string(http.MetricsURLPath)}.wrap, nil
}

// GetGRPCServerOptions returns what the receiver's gRPC server gets.
func (legacy) GetGRPCServerOptions(context.Context) ([]grpc.ServerOption, error) {
	return []grpc.ServerOption{grpc.ForceServerCodecV2(newCodec())}, nil
}
