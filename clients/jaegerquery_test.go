package clients

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jaegertracing/jaeger-idl/model/v1"
	"github.com/jaegertracing/jaeger-idl/proto-gen/api_v2"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
	tracev1 "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/signalbox-otel/signalbox/internal/server/jaegerv3"
)

// One trace is found through every API that Jaeger's page, Grafana's Jaeger data
// source and Jaeger's own clients ask.
func TestJaegerQueries(t *testing.T) {
	t.Parallel()
	service := fmt.Sprintf("jaeger-queries-%d", time.Now().UnixNano())
	td := newTrace("GET /", "SELECT")
	td.ResourceSpans().At(0).Resource().Attributes().PutStr("service.name", service)
	if _, err := ptraceotlp.NewGRPCClient(dial(t, "otlp-grpc-port")).Export(t.Context(), ptraceotlp.NewExportRequestFromTraces(td)); err != nil {
		t.Fatal(err)
	}
	id := traceID(td)
	modelID, err := model.TraceIDFromBytes(id[:])
	if err != nil {
		t.Fatal(err)
	}
	v2 := api_v2.NewQueryServiceClient(dial(t, "port", grpc.WithDefaultCallOptions(grpc.ForceCodec(gogo{}))))
	v3 := jaegerv3.NewQueryServiceClient(dial(t, "port"))
	start, end := time.Now().Add(-time.Hour), time.Now().Add(time.Minute)

	for name, ask := range map[string]func(context.Context) ([]string, error){
		"HTTP search": func(ctx context.Context) ([]string, error) {
			return box.jaegerJSON(ctx, "/api/traces?"+url.Values{"service": {service}, "operation": {"SELECT"}, "lookback": {"1h"}}.Encode())
		},
		"HTTP trace": func(ctx context.Context) ([]string, error) { return box.jaegerJSON(ctx, "/api/traces/"+id.String()) },
		"HTTP operations": func(ctx context.Context) ([]string, error) {
			var answer struct{ Data []string }
			err := box.get(ctx, "/api/services/"+service+"/operations", &answer)
			return answer.Data, err
		},
		"v3 gRPC GetTrace": func(ctx context.Context) ([]string, error) {
			return v3Spans(v3.GetTrace(ctx, &jaegerv3.GetTraceRequest{TraceId: id.String()}))
		},
		"v3 gRPC FindTraces": func(ctx context.Context) ([]string, error) {
			return v3Spans(v3.FindTraces(ctx, &jaegerv3.FindTracesRequest{Query: &jaegerv3.TraceQueryParameters{
				ServiceName: service, StartTimeMin: timestamppb.New(start), StartTimeMax: timestamppb.New(end), SearchDepth: 10,
			}}))
		},
		"v3 gRPC GetOperations": func(ctx context.Context) ([]string, error) {
			var names []string
			answer, err := v3.GetOperations(ctx, &jaegerv3.GetOperationsRequest{Service: service})
			for _, operation := range answer.GetOperations() {
				names = append(names, operation.GetName())
			}
			return names, err
		},
		"v2 gRPC GetTrace": func(ctx context.Context) ([]string, error) {
			return v2Spans(v2.GetTrace(ctx, &api_v2.GetTraceRequest{TraceID: modelID}))
		},
		"v2 gRPC FindTraces": func(ctx context.Context) ([]string, error) {
			return v2Spans(v2.FindTraces(ctx, &api_v2.FindTracesRequest{Query: &api_v2.TraceQueryParameters{
				ServiceName: service, StartTimeMin: start, StartTimeMax: end, SearchDepth: 10,
			}}))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			eventually(t, func(ctx context.Context) error {
				got, err := ask(ctx)
				if err != nil {
					return err
				}
				slices.Sort(got)
				if diff := cmp.Diff([]string{"GET /", "SELECT"}, got); diff != "" {
					return fmt.Errorf("names of spans (-want +got):\n%s", diff)
				}
				return nil
			})
		})
	}
}

// gogo is the codec of Jaeger's own version 2 clients: their messages have
// fields that only their generated code can encode.
type gogo struct{}

func (gogo) Marshal(v any) ([]byte, error) {
	return v.(interface{ Marshal() ([]byte, error) }).Marshal()
}

func (gogo) Unmarshal(b []byte, v any) error {
	return v.(interface{ Unmarshal([]byte) error }).Unmarshal(b)
}

func (gogo) Name() string { return "proto" }

// jaegerJSON gives the span names of an answer in Jaeger's first JSON form.
func (s *signalbox) jaegerJSON(ctx context.Context, path string) ([]string, error) {
	var answer struct {
		Data []struct {
			Spans []struct{ OperationName string }
		}
	}
	if err := s.get(ctx, path, &answer); err != nil {
		return nil, err
	}
	var names []string
	for _, trace := range answer.Data {
		for _, span := range trace.Spans {
			names = append(names, span.OperationName)
		}
	}
	return names, nil
}

// v3Spans gives the span names of a stream.
func v3Spans(stream grpc.ServerStreamingClient[tracev1.TracesData], err error) ([]string, error) {
	if err != nil {
		return nil, err
	}
	var names []string
	for {
		part, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return names, nil
		}
		if err != nil {
			return nil, err
		}
		for _, rs := range part.GetResourceSpans() {
			for _, ss := range rs.GetScopeSpans() {
				for _, sp := range ss.GetSpans() {
					names = append(names, sp.GetName())
				}
			}
		}
	}
}

// v2Spans gives the span names of a stream.
func v2Spans(stream interface {
	Recv() (*api_v2.SpansResponseChunk, error)
}, err error) ([]string, error) {
	if err != nil {
		return nil, err
	}
	var names []string
	for {
		part, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return names, nil
		}
		if err != nil {
			return nil, err
		}
		for _, sp := range part.GetSpans() {
			names = append(names, sp.GetOperationName())
		}
	}
}
