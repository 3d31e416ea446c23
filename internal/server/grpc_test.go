package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.opentelemetry.io/collector/pdata/ptrace"
	tracev1 "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	reflectionv1 "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/signalbox-otel/signalbox/internal/server/jaegerv3"
	"github.com/signalbox-otel/signalbox/internal/store"
	"github.com/signalbox-otel/signalbox/internal/store/storetest"
)

// serve runs h behind a real listener as the product does, and gives its
// address and a client connection.
func serve(t *testing.T, h http.Handler, options ...grpc.DialOption) (address string, conn *grpc.ClientConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: h, Protocols: Protocols()}
	done := make(chan error, 1)
	go func() { done <- server.Serve(l) }()
	options = append(options, grpc.WithTransportCredentials(insecure.NewCredentials()))
	conn, err = grpc.NewClient(l.Addr().String(), options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = conn.Close()
		_ = server.Close()
		if err := <-done; !errors.Is(err, http.ErrServerClosed) {
			t.Errorf("serving: %v", err)
		}
	})
	return l.Addr().String(), conn
}

// receive reads a stream to its end.
func receive[T any](stream grpc.ServerStreamingClient[T], err error) ([]*T, error) {
	if err != nil {
		return nil, err
	}
	var all []*T
	for {
		message, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return all, err
		}
		all = append(all, message)
	}
}

// otlp is td as a gRPC client sees it.
func otlp(t *testing.T, td ptrace.Traces) *tracev1.TracesData {
	t.Helper()
	wire, err := (&ptrace.ProtoMarshaler{}).MarshalTraces(td)
	if err != nil {
		t.Fatal(err)
	}
	data := &tracev1.TracesData{}
	if err := proto.Unmarshal(wire, data); err != nil {
		t.Fatal(err)
	}
	return data
}

func TestGRPCQueryService(t *testing.T) {
	_, conn := serve(t, jaegerServer(t, shop()))
	client := jaegerv3.NewQueryServiceClient(conn)
	ctx := t.Context()

	services, err := client.GetServices(ctx, &jaegerv3.GetServicesRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{noServiceName, "backend", "frontend"}, services.GetServices()); diff != "" {
		t.Errorf("services (-want +got):\n%s", diff)
	}

	operations, err := client.GetOperations(ctx, &jaegerv3.GetOperationsRequest{Service: "frontend", SpanKind: "client"})
	if err != nil {
		t.Fatal(err)
	}
	want := &jaegerv3.GetOperationsResponse{Operations: []*jaegerv3.Operation{{Name: "call", SpanKind: "client"}}}
	if diff := cmp.Diff(want, operations, protocmp.Transform()); diff != "" {
		t.Errorf("operations (-want +got):\n%s", diff)
	}

	dependencies, err := client.GetDependencies(ctx, &jaegerv3.GetDependenciesRequest{
		StartTime: &timestamppb.Timestamp{Seconds: jaegerEpoch / 1e9}, EndTime: &timestamppb.Timestamp{Seconds: jaegerEpoch/1e9 + 60},
	})
	if err != nil || len(dependencies.GetDependencies()) != 1 {
		t.Errorf("dependencies: got %v, %v; want one", dependencies, err)
	}

	trace, err := receive(client.GetTrace(ctx, &jaegerv3.GetTraceRequest{TraceId: trace1}))
	if err != nil {
		t.Fatal(err)
	}
	sent := shop()
	sent.ResourceSpans().RemoveIf(func(rs ptrace.ResourceSpans) bool {
		spans := rs.ScopeSpans().At(0).Spans()
		spans.RemoveIf(func(s ptrace.Span) bool { return s.TraceID().String() != trace1 })
		return spans.Len() == 0
	})
	if diff := cmp.Diff([]*tracev1.TracesData{otlp(t, sent)}, trace, protocmp.Transform(),
		protocmp.SortRepeatedFields(&tracev1.Span{}, "attributes")); diff != "" {
		t.Errorf("trace (-want +got):\n%s", diff)
	}

	day := func() *jaegerv3.TraceQueryParameters {
		return &jaegerv3.TraceQueryParameters{
			StartTimeMin: &timestamppb.Timestamp{Seconds: jaegerEpoch / 1e9}, StartTimeMax: &timestamppb.Timestamp{Seconds: jaegerEpoch/1e9 + 60},
		}
	}
	q := day()
	q.ServiceName, q.DurationMin, q.DurationMax = "frontend", durationpb.New(1000), durationpb.New(1e9)
	q.Attributes = map[string]string{"http.status_code": "200"}
	found, err := receive(client.FindTraces(ctx, &jaegerv3.FindTracesRequest{Query: q}))
	if err != nil || len(found) != 1 {
		t.Errorf("FindTraces: got %d messages, %v; want 1", len(found), err)
	}
	summaries, err := receive(client.FindTraceSummaries(ctx, &jaegerv3.FindTraceSummariesRequest{Query: day()}))
	if err != nil || len(summaries) != 3 {
		t.Errorf("FindTraceSummaries: got %d messages, %v; want 3", len(summaries), err)
	}
}

func TestGRPCRefuses(t *testing.T) {
	_, conn := serve(t, jaegerServer(t, shop()))
	client := jaegerv3.NewQueryServiceClient(conn)
	f := func(what string, err error, want codes.Code) {
		t.Helper()
		if got := status.Code(err); got != want || status.Convert(err).Message() == "" {
			t.Errorf("%s: got %v; want %v and a message", what, err, want)
		}
	}
	getTrace := func(id string) error {
		_, err := receive(client.GetTrace(t.Context(), &jaegerv3.GetTraceRequest{TraceId: id}))
		return err
	}
	f("unknown id", getTrace("abc"), codes.NotFound)
	f("bad id", getTrace("xyz"), codes.InvalidArgument)
	f("no id", getTrace(""), codes.InvalidArgument)
	find := func(q *jaegerv3.TraceQueryParameters) error {
		_, err := receive(client.FindTraces(t.Context(), &jaegerv3.FindTracesRequest{Query: q}))
		return err
	}
	now := timestamppb.Now()
	f("no query", find(nil), codes.InvalidArgument)
	f("no times", find(&jaegerv3.TraceQueryParameters{ServiceName: "frontend"}), codes.InvalidArgument)
	f("negative depth", find(&jaegerv3.TraceQueryParameters{StartTimeMin: now, StartTimeMax: now, SearchDepth: -1}), codes.InvalidArgument)
	f("invalid time", find(&jaegerv3.TraceQueryParameters{StartTimeMin: now, StartTimeMax: &timestamppb.Timestamp{Nanos: -1}}), codes.InvalidArgument)
	f("far future", find(&jaegerv3.TraceQueryParameters{StartTimeMin: now, StartTimeMax: &timestamppb.Timestamp{Seconds: 1 << 37}}), codes.InvalidArgument)
	f("negative duration", find(&jaegerv3.TraceQueryParameters{StartTimeMin: now, StartTimeMax: now, DurationMin: durationpb.New(-1)}), codes.InvalidArgument)
	_, err := client.GetOperations(t.Context(), &jaegerv3.GetOperationsRequest{})
	f("no service", err, codes.InvalidArgument)
	_, err = client.GetDependencies(t.Context(), &jaegerv3.GetDependenciesRequest{})
	f("no range", err, codes.InvalidArgument)
}

// gRPC, HTTP/1.1 and HTTP/2 without TLS come to the same port.
func TestOnePort(t *testing.T) {
	address, conn := serve(t, jaegerServer(t, shop()))
	answer, err := healthv1.NewHealthClient(conn).Check(t.Context(), &healthv1.HealthCheckRequest{})
	if err != nil || answer.GetStatus() != healthv1.HealthCheckResponse_SERVING {
		t.Errorf("health: got %v, %v", answer, err)
	}
	for _, major := range []int{1, 2} {
		transport := &http.Transport{Protocols: &http.Protocols{}}
		transport.Protocols.SetHTTP1(major == 1)
		transport.Protocols.SetUnencryptedHTTP2(major == 2)
		r, err := http.NewRequestWithContext(t.Context(), "GET", "http://"+address+"/api/services", nil)
		if err != nil {
			t.Fatal(err)
		}
		response, err := transport.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(response.Body)
		if err != nil || response.ProtoMajor != major || !strings.Contains(string(body), "frontend") {
			t.Errorf("HTTP/%d: got HTTP/%d %s %v", major, response.ProtoMajor, body, err)
		}
		_ = response.Body.Close()
		transport.CloseIdleConnections()
	}

	stream, err := reflectionv1.NewServerReflectionClient(conn).ServerReflectionInfo(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	request := &reflectionv1.ServerReflectionRequest{MessageRequest: &reflectionv1.ServerReflectionRequest_FileContainingSymbol{FileContainingSymbol: "jaeger.api_v3.QueryService"}}
	if err := stream.Send(request); err != nil {
		t.Fatal(err)
	}
	described, err := stream.Recv()
	if err != nil || len(described.GetFileDescriptorResponse().GetFileDescriptorProto()) == 0 {
		t.Errorf("reflection: got %v, %v; want a description of the service", described, err)
	}
}

// A trace larger than a message comes in several.
func TestGRPCLargeTrace(t *testing.T) {
	td := ptrace.NewTraces()
	spans := service(td, "big")
	const count = 2*maxChunkSpans + 1
	for i := range count {
		s := span(spans, 1, 0, 0, fmt.Sprint("op", i), ptrace.SpanKindInternal, i, 1)
		s.Attributes().PutStr("text", strings.Repeat("x", 3000))
	}
	_, conn := serve(t, jaegerServer(t, td))
	messages, err := receive(jaegerv3.NewQueryServiceClient(conn).GetTrace(t.Context(), &jaegerv3.GetTraceRequest{TraceId: trace1}))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, message := range messages {
		for _, s := range message.GetResourceSpans()[0].GetScopeSpans()[0].GetSpans() {
			names = append(names, s.GetName())
		}
	}
	if len(messages) < 4 || len(names) != count || !slices.IsSortedFunc(names, func(a, b string) int { return len(a) - len(b) }) {
		t.Errorf("got %d messages with %d spans; want %d spans in order in several messages", len(messages), len(names), count)
	}
}

// brokenReader is a store with a defect.
type brokenReader struct{ storetest.Memory }

func (*brokenReader) Trace(context.Context, store.TraceID, *store.Report) iter.Seq2[*store.Span, error] {
	panic("a defect")
}

func (*brokenReader) Operations(context.Context, uint64, uint64, *store.Report) iter.Seq2[*store.OperationMinute, error] {
	return func(yield func(*store.OperationMinute, error) bool) {
		yield(nil, &store.CorruptionError{File: "block", Reason: "checksum"})
	}
}

func TestGRPCSurvivesDefects(t *testing.T) {
	reader := &brokenReader{}
	registry := prometheus.NewRegistry()
	_, conn := serve(t, newTestServer(t, Deps{Reader: reader, Catalog: reader, Registerer: registry}))
	client := jaegerv3.NewQueryServiceClient(conn)
	_, err := receive(client.GetTrace(t.Context(), &jaegerv3.GetTraceRequest{TraceId: trace1}))
	if status.Code(err) != codes.Internal || strings.Contains(err.Error(), "goroutine") {
		t.Errorf("panic: got %v; want Internal without a stack", err)
	}
	if _, err := client.GetServices(t.Context(), &jaegerv3.GetServicesRequest{}); status.Code(err) != codes.Internal {
		t.Errorf("corruption: got %v; want Internal", err)
	}
	const want = `
# HELP signalbox_http_panics_total Panics of handlers, each a defect of the server.
# TYPE signalbox_http_panics_total counter
signalbox_http_panics_total 1
# HELP signalbox_http_requests_total Answered requests, by route and status code.
# TYPE signalbox_http_requests_total counter
signalbox_http_requests_total{code="Internal",route="/jaeger.api_v3.QueryService/GetServices"} 1
signalbox_http_requests_total{code="Internal",route="/jaeger.api_v3.QueryService/GetTrace"} 1
`
	if err := testutil.GatherAndCompare(registry, strings.NewReader(want), "signalbox_http_panics_total", "signalbox_http_requests_total"); err != nil {
		t.Error(err)
	}
}
