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
			return hosted{r}, err
		}, theirs.TracesStability()),
		receiver.WithMetrics(func(ctx context.Context, set receiver.Settings, cfg component.Config, next consumer.Metrics) (receiver.Metrics, error) {
			r, err := theirs.CreateMetrics(ctx, set, withLegacy(cfg), next)
			return hosted{r}, err
		}, theirs.MetricsStability()),
		receiver.WithLogs(func(ctx context.Context, set receiver.Settings, cfg component.Config, next consumer.Logs) (receiver.Logs, error) {
			r, err := theirs.CreateLogs(ctx, set, withLegacy(cfg), next)
			return hosted{r}, err
		}, theirs.LogsStability()))
}

// withLegacy puts the middleware before those that the configuration names. It
// changes cfg in place: the pipelines of one configuration share one receiver,
// which is found by the configuration's address.
func withLegacy(cfg component.Config) component.Config {
	c := cfg.(*otlpreceiver.Config)
	if !c.Protocols.HTTP.HasValue() {
		return c
	}
	server := &c.Protocols.HTTP.Get().ServerConfig
	ours := configmiddleware.Config{ID: legacyID}
	if !slices.Contains(server.Middlewares, ours) {
		server.Middlewares = slices.Insert(server.Middlewares, 0, ours)
	}
	return c
}

// hosted is the receiver with a host that has the middleware.
type hosted struct{ component.Component }

// Start starts the receiver.
func (h hosted) Start(ctx context.Context, theirs component.Host) error {
	return h.Component.Start(ctx, host{theirs})
}

// host is the collector's with one more extension.
type host struct{ component.Host }

// GetExtensions returns the collector's extensions and the middleware.
func (h host) GetExtensions() map[component.ID]component.Component {
	all := maps.Clone(h.Host.GetExtensions())
	if all == nil {
		all = map[component.ID]component.Component{}
	}
	all[legacyID] = legacy{}
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
}

// GetHTTPHandler returns what wraps the receiver's handler.
func (legacy) GetHTTPHandler(context.Context) (extensionmiddleware.WrapHTTPHandlerFunc, error) {
	return wrap, nil
}
