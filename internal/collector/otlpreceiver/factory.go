package otlpreceiver

import (
	"context"
	"maps"
	"runtime"
	"slices"
	"sync"
	"weak"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componentstatus"
	"go.opentelemetry.io/collector/config/configmiddleware"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/extension/extensionmiddleware"
	"go.opentelemetry.io/collector/pipeline"
	"go.opentelemetry.io/collector/receiver"
	"go.opentelemetry.io/collector/receiver/otlpreceiver"
	"google.golang.org/grpc"
)

// legacyID is the name under which the receiver's host offers the middleware.
// Extensions of users cannot have it: it is the type of a receiver.
var legacyID = component.MustNewIDWithName("otlp", "legacy")

// Straight says whether the requests of a signal to a receiver can go on as
// batches, without pdata; nil says so of none.
type Straight func(receiver component.ID, signal pipeline.Signal) bool

// NewFactory returns the factory of receiver type otlp.
func NewFactory() receiver.Factory { return NewFactoryWith(nil) }

// NewFactoryWith is NewFactory with what was decided about the configuration
// that its receivers are made for.
func NewFactoryWith(straight Straight) receiver.Factory { return newFactory(newIntakes(straight)) }

func newFactory(all *intakes) receiver.Factory {
	theirs := otlpreceiver.NewFactory()
	return receiver.NewFactory(theirs.Type(), theirs.CreateDefaultConfig,
		receiver.WithTraces(func(ctx context.Context, set receiver.Settings, cfg component.Config, next consumer.Traces) (receiver.Traces, error) {
			r, err := theirs.CreateTraces(ctx, set, withLegacy(cfg), next)
			if err != nil {
				return nil, err
			}
			i, err := all.intake(set, cfg)
			if err != nil {
				return nil, err
			}
			if all.goesStraight(set, pipeline.SignalTraces) {
				if i.spans, err = newSpanLane(set, next); err != nil {
					return nil, err
				}
			}
			return hosted{r, i}, nil
		}, theirs.TracesStability()),
		receiver.WithMetrics(func(ctx context.Context, set receiver.Settings, cfg component.Config, next consumer.Metrics) (receiver.Metrics, error) {
			r, err := theirs.CreateMetrics(ctx, set, withLegacy(cfg), next)
			if err != nil {
				return nil, err
			}
			i, err := all.intake(set, cfg)
			return hosted{r, i}, err
		}, theirs.MetricsStability()),
		receiver.WithLogs(func(ctx context.Context, set receiver.Settings, cfg component.Config, next consumer.Logs) (receiver.Logs, error) {
			r, err := theirs.CreateLogs(ctx, set, withLegacy(cfg), next)
			if err != nil {
				return nil, err
			}
			i, err := all.intake(set, cfg)
			if err != nil {
				return nil, err
			}
			if all.goesStraight(set, pipeline.SignalLogs) {
				if i.logs, err = newLogLane(set, next); err != nil {
					return nil, err
				}
			}
			return hosted{r, i}, nil
		}, theirs.LogsStability()))
}

// intakes are the intakes of the receivers that a factory made. The collector
// makes a receiver for each signal, and they share what listens: they know each
// other by the address of their configuration. One that was only checked, and is
// gone, leaves nothing.
type intakes struct {
	straight Straight
	room     *room

	mu sync.Mutex
	of map[weak.Pointer[otlpreceiver.Config]]*intake
}

func newIntakes(straight Straight) *intakes {
	return &intakes{straight: straight, room: &room{bound: roomBytes}, of: map[weak.Pointer[otlpreceiver.Config]]*intake{}}
}

// intake is that of the receiver with a configuration.
func (a *intakes) intake(set receiver.Settings, cfg component.Config) (*intake, error) {
	c := cfg.(*otlpreceiver.Config)
	a.mu.Lock()
	defer a.mu.Unlock()
	key := weak.Make(c)
	if i := a.of[key]; i != nil {
		return i, nil
	}
	refused, err := newRefusals(set)
	if err != nil {
		return nil, err
	}
	i := newIntake(c, a.room, refused)
	a.of[key] = i
	runtime.AddCleanup(c, a.forget, key)
	return i, nil
}

func (a *intakes) forget(key weak.Pointer[otlpreceiver.Config]) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.of, key)
}

func (a *intakes) goesStraight(set receiver.Settings, signal pipeline.Signal) bool {
	straight := a.straight != nil && a.straight(set.ID, signal)
	if straight {
		set.Logger.Debug("requests go to the store without being decoded into pdata")
	}
	return straight
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
	intake *intake
}

// Start starts the receiver.
func (h hosted) Start(ctx context.Context, theirs component.Host) error {
	return h.Component.Start(ctx, host{theirs, h.intake})
}

// host is the collector's with one more extension.
type host struct {
	component.Host
	intake *intake
}

// GetExtensions returns the collector's extensions and the middleware.
func (h host) GetExtensions() map[component.ID]component.Component {
	all := maps.Clone(h.Host.GetExtensions())
	if all == nil {
		all = map[component.ID]component.Component{}
	}
	all[legacyID] = legacy{intake: h.intake}
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
	intake *intake
}

// GetHTTPHandler returns what wraps the handler of the receiver's HTTP server.
func (l legacy) GetHTTPHandler(context.Context) (extensionmiddleware.WrapHTTPHandlerFunc, error) {
	return l.intake.wrap, nil
}

// GetGRPCServerOptions returns what the receiver's gRPC server gets.
func (l legacy) GetGRPCServerOptions(context.Context) ([]grpc.ServerOption, error) {
	c := newCodec(l.intake)
	return []grpc.ServerOption{grpc.ForceServerCodecV2(c), grpc.ChainUnaryInterceptor(c.decode)}, nil
}
