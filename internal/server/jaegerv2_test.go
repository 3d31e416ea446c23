package server

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jaegertracing/jaeger-idl/model/v1"
	"github.com/jaegertracing/jaeger-idl/proto-gen/api_v2"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/encoding"
	grpcproto "google.golang.org/grpc/encoding/proto"
	"google.golang.org/grpc/status"
)

// receiveSpans reads a stream of spans to its end.
func receiveSpans(stream interface {
	Recv() (*api_v2.SpansResponseChunk, error)
}, err error) (spans []model.Span, messages int, _ error) {
	for err == nil {
		var chunk *api_v2.SpansResponseChunk
		if chunk, err = stream.Recv(); err == nil {
			spans = append(spans, chunk.Spans...)
			messages++
		}
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return spans, messages, err
}

// clientV2 is a client of version 2, whose types gRPC's own codec cannot encode.
func clientV2(t *testing.T, td ptrace.Traces) api_v2.QueryServiceClient {
	t.Helper()
	_, conn := serve(t, jaegerServer(t, td), grpc.WithDefaultCallOptions(grpc.ForceCodecV2(codec{encoding.GetCodecV2(grpcproto.Name)})))
	return api_v2.NewQueryServiceClient(conn)
}

func TestGRPCVersion2(t *testing.T) {
	client := clientV2(t, shop())
	ctx := t.Context()
	id, err := model.TraceIDFromString(trace1)
	if err != nil {
		t.Fatal(err)
	}
	spans, _, err := receiveSpans(client.GetTrace(ctx, &api_v2.GetTraceRequest{TraceID: id}))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, s := range spans {
		got = append(got, fmt.Sprint(s.Process.ServiceName, " ", s.OperationName, " ", s.Duration, " ", s.TraceID, " ", s.ParentSpanID()))
	}
	want := []string{
		"frontend GET / 5ms " + trace1 + " 0000000000000000",
		"frontend call 3ms " + trace1 + " 0000000000000001",
		"backend GET /items 2ms " + trace1 + " 0000000000000002",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("trace (-want +got):\n%s", diff)
	}
	spans, messages, err := receiveSpans(client.FindTraces(ctx, &api_v2.FindTracesRequest{Query: &api_v2.TraceQueryParameters{
		ServiceName: "frontend", Tags: map[string]string{"http.status_code": "200"}, DurationMin: time.Millisecond,
	}}))
	if err != nil || messages != 1 || len(spans) != 3 {
		t.Errorf("FindTraces: got %d spans in %d messages, %v; want 3 in 1", len(spans), messages, err)
	}
	services, err := client.GetServices(ctx, &api_v2.GetServicesRequest{})
	if diff := cmp.Diff([]string{noServiceName, "backend", "frontend"}, services.GetServices()); err != nil || diff != "" {
		t.Errorf("services: %v (-want +got):\n%s", err, diff)
	}
	operations, err := client.GetOperations(ctx, &api_v2.GetOperationsRequest{Service: "frontend"})
	if diff := cmp.Diff([]string{"GET /", "call"}, operations.GetOperationNames()); err != nil || diff != "" || operations.GetOperations()[1].SpanKind != "client" {
		t.Errorf("operations: %v %v (-want +got):\n%s", operations, err, diff)
	}
	epoch := time.Unix(0, jaegerEpoch)
	deps, err := client.GetDependencies(ctx, &api_v2.GetDependenciesRequest{StartTime: epoch, EndTime: epoch.Add(time.Hour)})
	if diff := cmp.Diff([]model.DependencyLink{{Parent: "frontend", Child: "backend", CallCount: 1}}, deps.GetDependencies()); err != nil || diff != "" {
		t.Errorf("dependencies: %v (-want +got):\n%s", err, diff)
	}

	f := func(what string, err error, want codes.Code) {
		t.Helper()
		if status.Code(err) != want {
			t.Errorf("%s: got %v; want %v", what, err, want)
		}
	}
	_, _, err = receiveSpans(client.GetTrace(ctx, &api_v2.GetTraceRequest{TraceID: model.NewTraceID(1, 2)}))
	f("unknown trace", err, codes.NotFound)
	_, _, err = receiveSpans(client.FindTraces(ctx, &api_v2.FindTracesRequest{}))
	f("no query", err, codes.InvalidArgument)
	_, err = client.GetOperations(ctx, &api_v2.GetOperationsRequest{})
	f("no service", err, codes.InvalidArgument)
	_, err = client.ArchiveTrace(ctx, &api_v2.ArchiveTraceRequest{TraceID: id})
	f("archive", err, codes.Unimplemented)
}

func TestGRPCVersion2LargeTrace(t *testing.T) {
	td := ptrace.NewTraces()
	spans := service(td, "big")
	for i := range 2000 {
		span(spans, 1, 0, 0, "op", ptrace.SpanKindInternal, i, 1).Attributes().PutStr("text", strings.Repeat("x", 3000))
	}
	client := clientV2(t, td)
	id, err := model.TraceIDFromString(trace1)
	if err != nil {
		t.Fatal(err)
	}
	got, messages, err := receiveSpans(client.GetTrace(t.Context(), &api_v2.GetTraceRequest{TraceID: id}))
	if err != nil || len(got) != 2000 || messages < 2 {
		t.Errorf("got %d spans in %d messages, %v; want 2000 in several", len(got), messages, err)
	}
}
