package server

import (
	"context"
	"encoding/binary"

	"github.com/jaegertracing/jaeger-idl/model/v1"
	"github.com/jaegertracing/jaeger-idl/proto-gen/api_v2"
	jaegertranslator "github.com/open-telemetry/opentelemetry-collector-contrib/pkg/translator/jaeger"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/signalbox-otel/signalbox/internal/server/jaegerv3"
	"github.com/signalbox-otel/signalbox/internal/store"
)

// queryServiceV2 is Jaeger's query API, version 2, over gRPC: what Kiali and
// older tools call. Its requests become those of version 3.
type queryServiceV2 struct {
	api_v2.UnimplementedQueryServiceServer // archives are not kept
	server                                 *Server
}

// GetTrace streams one trace.
func (q *queryServiceV2) GetTrace(request *api_v2.GetTraceRequest, stream api_v2.QueryService_GetTraceServer) error {
	var id store.TraceID
	binary.BigEndian.PutUint64(id[:8], request.TraceID.High)
	binary.BigEndian.PutUint64(id[8:], request.TraceID.Low)
	spans, warnings, err := q.server.getTrace(stream.Context(), &jaegerv3.GetTraceRequest{TraceId: id.String(), RawTraces: request.RawTraces})
	if err != nil {
		return err
	}
	return sendSpans(stream, modelSpans(spans, warnings))
}

// FindTraces streams the traces that satisfy a query, newest first. Without a
// time range it looks at the last days.
func (q *queryServiceV2) FindTraces(request *api_v2.FindTracesRequest, stream api_v2.QueryService_FindTracesServer) error {
	p := request.Query
	if p == nil {
		return &paramError{"query", errRequired}
	}
	if p.StartTimeMax.IsZero() {
		p.StartTimeMax = q.server.deps.Now()
	}
	if p.StartTimeMin.IsZero() {
		p.StartTimeMin = p.StartTimeMax.Add(-defaultLookback)
	}
	traces, warnings, err := q.server.find(stream.Context(), &jaegerv3.TraceQueryParameters{
		ServiceName: p.ServiceName, OperationName: p.OperationName, Attributes: p.Tags,
		StartTimeMin: timestamppb.New(p.StartTimeMin), StartTimeMax: timestamppb.New(p.StartTimeMax),
		DurationMin: durationpb.New(p.DurationMin), DurationMax: durationpb.New(p.DurationMax),
		SearchDepth: p.SearchDepth, RawTraces: p.RawTraces,
	})
	if err != nil {
		return err
	}
	for _, spans := range traces {
		if err := sendSpans(stream, modelSpans(spans, warnings)); err != nil {
			return err
		}
	}
	return nil
}

// GetServices lists the services.
func (q *queryServiceV2) GetServices(ctx context.Context, _ *api_v2.GetServicesRequest) (*api_v2.GetServicesResponse, error) {
	services, _, err := q.server.jaegerServices(ctx)
	return &api_v2.GetServicesResponse{Services: services}, err
}

// GetOperations lists the span names of a service.
func (q *queryServiceV2) GetOperations(ctx context.Context, request *api_v2.GetOperationsRequest) (*api_v2.GetOperationsResponse, error) {
	if request.Service == "" {
		return nil, &paramError{"service", errRequired}
	}
	operations, _, err := q.server.jaegerOperations(ctx, request.Service, request.SpanKind)
	if err != nil {
		return nil, err
	}
	answer := &api_v2.GetOperationsResponse{OperationNames: operationNames(operations)}
	for _, op := range operations {
		answer.Operations = append(answer.Operations, &api_v2.Operation{Name: op.Name, SpanKind: op.SpanKind})
	}
	return answer, nil
}

// GetDependencies counts the calls between services.
func (q *queryServiceV2) GetDependencies(ctx context.Context, request *api_v2.GetDependenciesRequest) (*api_v2.GetDependenciesResponse, error) {
	deps, err := q.server.getDependencies(ctx, &jaegerv3.GetDependenciesRequest{
		StartTime: timestamppb.New(request.StartTime), EndTime: timestamppb.New(request.EndTime),
	})
	if err != nil {
		return nil, err
	}
	answer := &api_v2.GetDependenciesResponse{}
	for _, d := range deps.GetDependencies() {
		answer.Dependencies = append(answer.Dependencies, model.DependencyLink{Parent: d.GetParent(), Child: d.GetChild(), CallCount: d.GetCallCount()})
	}
	return answer, nil
}

// modelSpans is a trace in Jaeger's model; its first span carries the warnings.
func modelSpans(spans []*store.Span, warnings []string) []model.Span {
	out := make([]model.Span, 0, len(spans))
	for _, batch := range jaegertranslator.ProtoFromTraces(tracesData(spans, nil)) {
		if batch.Process.ServiceName == "" {
			batch.Process.ServiceName = noServiceName
		}
		for _, s := range batch.Spans {
			s.Process = batch.Process
			s.Duration = max(s.Duration, 0)
			out = append(out, *s)
		}
	}
	if len(out) > 0 {
		out[0].Warnings = warnings
	}
	return out
}

// sendSpans streams spans in as many messages as they need. Only a single span
// may exceed the size of a message.
func sendSpans(stream grpc.ServerStream, spans []model.Span) error {
	chunk := &api_v2.SpansResponseChunk{Spans: spans}
	if len(spans) == 1 || chunk.Size() <= maxChunkBytes {
		return stream.SendMsg(chunk)
	}
	half := len(spans) / 2
	if err := sendSpans(stream, spans[:half]); err != nil {
		return err
	}
	return sendSpans(stream, spans[half:])
}
