package jaegerexporter

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync/atomic"

	"github.com/jaegertracing/jaeger-idl/proto-gen/api_v2"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componentstatus"
	"go.opentelemetry.io/collector/config/configmiddleware"
	"go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/collector/exporter/otlpexporter"
	"go.opentelemetry.io/collector/exporter/xexporter"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/encoding/proto"
	"google.golang.org/grpc/status"
)

// FallBack makes the exporters for OTLP over gRPC deliver traces to Jaeger's own
// port, too, where nobody knows OTLP: configurations that were changed from one
// exporter to the other keep the address. factories are changed.
func FallBack(factories map[component.Type]exporter.Factory) {
	for t, f := range factories {
		if x, ok := f.(xexporter.Factory); ok && f.Type() == otlpexporter.NewFactory().Type() {
			factories[t] = fallbackFactory{x}
		}
	}
}

// fallbackFactory makes exporters that fall back.
type fallbackFactory struct{ xexporter.Factory }

// fallbackID is where an exporter finds its fallback among the extensions; a
// configuration cannot have it.
var fallbackID = component.MustNewIDWithName("fallback", "jaeger")

func (f fallbackFactory) CreateTraces(ctx context.Context, set exporter.Settings, cfg component.Config) (exporter.Traces, error) {
	config := *cfg.(*otlpexporter.Config)
	config.ClientConfig.Middlewares = append(slices.Clone(config.ClientConfig.Middlewares), configmiddleware.Config{ID: fallbackID})
	traces, err := f.Factory.CreateTraces(ctx, set, &config)
	if err != nil {
		return nil, err
	}
	return fallbackTraces{traces, &fallback{endpoint: config.ClientConfig.Endpoint, log: set.Logger}}, nil
}

// fallbackTraces is an exporter with its fallback.
type fallbackTraces struct {
	exporter.Traces
	fallback *fallback
}

func (t fallbackTraces) Start(ctx context.Context, host component.Host) error {
	return t.Traces.Start(ctx, fallbackHost{host, t.fallback})
}

// fallbackHost is the host of one exporter, with the fallback as an extension.
type fallbackHost struct {
	component.Host
	fallback *fallback
}

func (h fallbackHost) GetExtensions() map[component.ID]component.Component {
	all := map[component.ID]component.Component{fallbackID: h.fallback}
	maps.Copy(all, h.Host.GetExtensions())
	return all
}

// Report hands a status on: hosts have it beside their interface.
func (h fallbackHost) Report(event *componentstatus.Event) {
	componentstatus.ReportStatus(h.Host, event)
}

// fallback sends what a peer does not take as OTLP in Jaeger's protocol, over the
// same connection.
type fallback struct {
	endpoint string
	log      *zap.Logger
	jaeger   atomic.Bool // the peer did not know OTLP, and took Jaeger's protocol
}

func (f *fallback) Start(context.Context, component.Host) error { return nil }
func (f *fallback) Shutdown(context.Context) error              { return nil }

// GetGRPCClientOptions puts the fallback into a connection.
func (f *fallback) GetGRPCClientOptions(context.Context) ([]grpc.DialOption, error) {
	return []grpc.DialOption{grpc.WithChainUnaryInterceptor(f.intercept)}, nil
}

// exportTraces is the one call that Jaeger's protocol has something for.
const exportTraces = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"

// intercept tries the protocol that worked last, then the other one. When the
// peer knows neither, it gives OTLP's error.
func (f *fallback) intercept(ctx context.Context, method string, req, reply any, conn *grpc.ClientConn, invoke grpc.UnaryInvoker, options ...grpc.CallOption) error {
	if method != exportTraces {
		return invoke(ctx, method, req, reply, conn, options...)
	}
	if f.jaeger.Load() {
		if err := f.post(ctx, req, conn); status.Code(err) != codes.Unimplemented {
			return err
		}
	}
	err := invoke(ctx, method, req, reply, conn, options...)
	if status.Code(err) != codes.Unimplemented {
		f.jaeger.Store(false)
		return err
	}
	posted := f.post(ctx, req, conn)
	if status.Code(posted) == codes.Unimplemented {
		return err
	}
	if !f.jaeger.Swap(true) {
		f.log.Warn("this is Jaeger's own port, where nobody knows OTLP; sending in Jaeger's protocol. Jaeger takes OTLP since 1.35, at port 4317", zap.String("endpoint", f.endpoint))
	}
	return posted
}

// post sends a request for OTLP in Jaeger's protocol. Jaeger knows spans by their
// ids, so after an error all of it may be sent again.
func (f *fallback) post(ctx context.Context, req any, conn *grpc.ClientConn) error {
	parts, err := encoding.GetCodecV2(proto.Name).Marshal(req)
	if err != nil {
		return status.Errorf(codes.Internal, "encoding spans for Jaeger: %v", err)
	}
	defer parts.Free()
	// The request has the fields of traces.
	td, err := (&ptrace.ProtoUnmarshaler{}).UnmarshalTraces(parts.Materialize())
	if err != nil {
		return status.Errorf(codes.Internal, "decoding spans for Jaeger: %v", err)
	}
	batches, err := translate(td)
	if err != nil {
		return status.Error(codes.InvalidArgument, err.Error())
	}
	c := &client{collector: api_v2.NewCollectorServiceClient(conn)}
	c.config.Endpoint = f.endpoint
	for i, b := range batches {
		if err := c.post(ctx, b); err != nil {
			return fmt.Errorf("sending resource %d of %d to Jaeger: %w", i+1, len(batches), err)
		}
	}
	return nil
}
