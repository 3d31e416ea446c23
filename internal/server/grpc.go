package server

import (
	"context"
	"net/http"
	"runtime/debug"
	"strings"

	"github.com/jaegertracing/jaeger-idl/proto-gen/api_v2"
	tracev1 "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/encoding"
	_ "google.golang.org/grpc/encoding/gzip" // clients may compress
	grpcproto "google.golang.org/grpc/encoding/proto"
	"google.golang.org/grpc/health"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/reflection"
	"google.golang.org/grpc/status"

	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/signalbox-otel/signalbox/internal/server/jaegerv3"
	"github.com/signalbox-otel/signalbox/internal/store"
)

// Protocols are what the http.Server in front of a Server must speak: gRPC
// comes over HTTP/2 without TLS to the same port as everything else.
func Protocols() *http.Protocols {
	p := &http.Protocols{}
	p.SetHTTP1(true)
	p.SetHTTP2(true)
	p.SetUnencryptedHTTP2(true)
	return p
}

// isGRPC reports whether r is a gRPC call.
func isGRPC(r *http.Request) bool {
	return r.ProtoMajor == 2 && strings.HasPrefix(r.Header.Get("Content-Type"), "application/grpc")
}

// newGRPC makes the gRPC side of s: Jaeger's query service, what Grafana asks of
// Tempo's, health and reflection.
func (s *Server) newGRPC() *grpc.Server {
	g := grpc.NewServer(
		grpc.ForceServerCodecV2(codec{encoding.GetCodecV2(grpcproto.Name)}),
		grpc.UnaryInterceptor(s.unaryCall),
		grpc.StreamInterceptor(s.streamCall),
	)
	jaegerv3.RegisterQueryServiceServer(g, &queryService{server: s})
	api_v2.RegisterQueryServiceServer(g, &queryServiceV2{server: s})
	g.RegisterService(&tempoStreams, &tempoStreaming{s})
	healthv1.RegisterHealthServer(g, health.NewServer())
	reflection.Register(g)
	return g
}

// encoded is a message that is encoded already. Spans go from pdata to the wire
// through it, without a detour over generated types.
type encoded []byte

// codec is gRPC's codec for protobuf, which passes on what is encoded. The types
// of Jaeger's version 2, made by another generator, encode themselves.
type codec struct{ encoding.CodecV2 }

// Marshal encodes v.
func (c codec) Marshal(v any) (mem.BufferSlice, error) {
	if m, ok := v.(interface{ Marshal() ([]byte, error) }); ok {
		b, err := m.Marshal()
		if err != nil {
			return nil, err
		}
		v = encoded(b)
	}
	if b, ok := v.(encoded); ok {
		return mem.BufferSlice{mem.SliceBuffer(b)}, nil
	}
	return c.CodecV2.Marshal(v)
}

// Unmarshal decodes data into v, which keeps none of it.
func (c codec) Unmarshal(data mem.BufferSlice, v any) error {
	if m, ok := v.(interface{ Unmarshal([]byte) error }); ok {
		return m.Unmarshal(data.Materialize())
	}
	return c.CodecV2.Unmarshal(data, v)
}

// codeOf is the gRPC code that stands for an HTTP status of problemOf.
func codeOf(httpStatus int) codes.Code {
	switch httpStatus {
	case http.StatusBadRequest:
		return codes.InvalidArgument
	case http.StatusNotFound:
		return codes.NotFound
	case http.StatusRequestEntityTooLarge:
		return codes.ResourceExhausted
	case statusClientClosed:
		return codes.Canceled
	case http.StatusServiceUnavailable:
		return codes.Unavailable
	case http.StatusGatewayTimeout:
		return codes.DeadlineExceeded
	}
	return codes.Internal
}

// unaryCall answers a call within the limits of a request.
func (s *Server) unaryCall(ctx context.Context, request any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (answer any, err error) {
	err = s.watchCall(info.FullMethod, func() error {
		ctx, cancel := context.WithTimeout(ctx, s.deps.Limits.Timeout)
		defer cancel()
		answer, err = next(ctx, request)
		return err
	})
	return answer, err
}

// streamCall is unaryCall for calls that are answered by a stream. Those to
// health and reflection may stay open.
func (s *Server) streamCall(srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, next grpc.StreamHandler) error {
	return s.watchCall(info.FullMethod, func() error {
		switch srv.(type) {
		case *queryService, *queryServiceV2, *tempoStreaming:
		default:
			return next(srv, stream)
		}
		ctx, cancel := context.WithTimeout(stream.Context(), s.deps.Limits.Timeout)
		defer cancel()
		return next(srv, limitedStream{stream, ctx})
	})
}

// limitedStream is a stream with a context that ends.
type limitedStream struct {
	grpc.ServerStream
	ctx context.Context
}

// Context ends when the call takes too long.
func (l limitedStream) Context() context.Context { return l.ctx }

// watchCall counts calls and their errors and survives their panics, as watch
// does for HTTP requests.
func (s *Server) watchCall(method string, call func() error) (err error) {
	begun := s.deps.Now()
	defer func() {
		if v := recover(); v != nil {
			s.metrics.panics.Inc()
			s.deps.Logger.Error("handler panicked", "path", method, "panic", v, "stack", string(debug.Stack()))
			err = status.Error(codes.Internal, "a defect of the server; it is in its log")
		}
		s.metrics.requests.WithLabelValues(method, status.Code(err).String()).Inc()
		s.metrics.seconds.WithLabelValues(method).Observe(s.deps.Now().Sub(begun).Seconds())
	}()
	err = call()
	if _, ok := status.FromError(err); ok {
		return err
	}
	p := problemOf(err)
	if p.Status == http.StatusInternalServerError {
		s.deps.Logger.Error("request failed", "path", method, "error", p.Message)
	}
	return status.Error(codeOf(p.Status), p.Message)
}

// queryService is Jaeger's query API, version 3, over gRPC.
type queryService struct {
	jaegerv3.UnimplementedQueryServiceServer
	server *Server
}

// GetTrace streams one trace.
func (q *queryService) GetTrace(request *jaegerv3.GetTraceRequest, stream grpc.ServerStreamingServer[tracev1.TracesData]) error {
	spans, warnings, err := q.server.getTrace(stream.Context(), request)
	if err != nil {
		return err
	}
	return sendTrace(stream, spans, warnings)
}

// FindTraces streams the traces that satisfy a query, newest first.
func (q *queryService) FindTraces(request *jaegerv3.FindTracesRequest, stream grpc.ServerStreamingServer[tracev1.TracesData]) error {
	traces, warnings, err := q.server.find(stream.Context(), request.GetQuery())
	if err != nil {
		return err
	}
	for _, spans := range traces {
		if err := sendTrace(stream, spans, warnings); err != nil {
			return err
		}
	}
	return nil
}

// GetServices lists the services.
func (q *queryService) GetServices(ctx context.Context, _ *jaegerv3.GetServicesRequest) (*jaegerv3.GetServicesResponse, error) {
	return q.server.getServices(ctx)
}

// GetOperations lists the span names of a service.
func (q *queryService) GetOperations(ctx context.Context, request *jaegerv3.GetOperationsRequest) (*jaegerv3.GetOperationsResponse, error) {
	return q.server.getOperations(ctx, request)
}

// GetDependencies counts the calls between services.
func (q *queryService) GetDependencies(ctx context.Context, request *jaegerv3.GetDependenciesRequest) (*jaegerv3.DependenciesResponse, error) {
	return q.server.getDependencies(ctx, request)
}

// FindTraceSummaries is FindTraces without the spans.
func (q *queryService) FindTraceSummaries(request *jaegerv3.FindTraceSummariesRequest, stream grpc.ServerStreamingServer[jaegerv3.FindTraceSummariesResponse]) error {
	traces, _, err := q.server.find(stream.Context(), request.GetQuery())
	if err != nil {
		return err
	}
	for _, spans := range traces {
		if err := stream.Send(&jaegerv3.FindTraceSummariesResponse{Summaries: []*jaegerv3.TraceSummary{summaryOf(spans)}}); err != nil {
			return err
		}
	}
	return nil
}

const (
	// maxChunkSpans and maxChunkBytes bound one message of a stream: clients
	// refuse messages of more than 4 MiB unless told otherwise.
	maxChunkSpans = 2000
	maxChunkBytes = 3 << 20
)

// sendTrace streams a trace in as many messages as it needs. Only a single span
// may exceed the size of a message.
func sendTrace(stream grpc.ServerStream, spans []*store.Span, warnings []string) error {
	if len(spans) <= maxChunkSpans {
		message, err := (&ptrace.ProtoMarshaler{}).MarshalTraces(tracesData(spans, warnings))
		if err != nil {
			return err
		}
		if len(message) <= maxChunkBytes || len(spans) == 1 {
			return stream.SendMsg(encoded(message))
		}
	}
	half := len(spans) / 2
	if err := sendTrace(stream, spans[:half], warnings); err != nil {
		return err
	}
	return sendTrace(stream, spans[half:], nil)
}
