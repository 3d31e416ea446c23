package otlp

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"
)

// receiver answers requests by what they hold.
type receiver struct {
	ptraceotlp.UnimplementedGRPCServer
}

func (*receiver) Export(_ context.Context, request ptraceotlp.ExportRequest) (ptraceotlp.ExportResponse, error) {
	response := ptraceotlp.NewExportResponse()
	switch request.Traces().SpanCount() {
	case 0:
		st, err := status.New(codes.Unavailable, "full").WithDetails(&errdetails.RetryInfo{RetryDelay: durationpb.New(3 * time.Second)})
		if err != nil {
			return response, err
		}
		return response, st.Err()
	case 1:
		return response, status.Error(codes.InvalidArgument, "wrong")
	}
	response.PartialSuccess().SetRejectedSpans(1)
	return response, nil
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	export := ptraceotlp.NewExportRequest()
	body, err := io.ReadAll(request.Body)
	if err == nil {
		err = export.UnmarshalProto(body)
	}
	var response ptraceotlp.ExportResponse
	if err == nil {
		response, err = r.Export(request.Context(), export)
	}
	var answer []byte
	if err == nil {
		answer, err = response.MarshalProto()
	}
	switch {
	case status.Code(err) == codes.Unavailable:
		w.Header().Set("Retry-After", "3")
		http.Error(w, "full", http.StatusServiceUnavailable)
	case err != nil:
		http.Error(w, err.Error(), http.StatusBadRequest)
	default:
		_, _ = w.Write(answer) // the client may be gone: its test fails
	}
}

func body(t *testing.T, spans int) []byte {
	request := ptraceotlp.NewExportRequest()
	all := request.Traces().ResourceSpans().AppendEmpty().ScopeSpans().AppendEmpty().Spans()
	for range spans {
		all.AppendEmpty().SetName("span")
	}
	b, err := request.MarshalProto()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestConnections(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	ptraceotlp.RegisterGRPCServer(server, &receiver{})
	go func() { _ = server.Serve(l) }() // ends with Stop
	defer server.Stop()
	web := httptest.NewServer(&receiver{})
	defer web.Close()
	overGRPC, err := DialGRPC(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]Connection{"gRPC": overGRPC, "HTTP": DialHTTP(strings.TrimPrefix(web.URL, "http://"))} {
		if rejected, err := c.Export(t.Context(), Traces, body(t, 2)); rejected != 1 || err != nil {
			t.Errorf("%s: a partial success: got %d rejected, error %v; want 1, none", name, rejected, err)
		}
		var later *RetryError
		if _, err := c.Export(t.Context(), Traces, body(t, 0)); !errors.As(err, &later) || later.After != 3*time.Second {
			t.Errorf("%s: a full receiver: got error %v; want a RetryError after 3s", name, err)
		}
		if _, err := c.Export(t.Context(), Traces, body(t, 1)); err == nil || errors.As(err, &later) {
			t.Errorf("%s: a wrong request: got error %v; want one that is no RetryError", name, err)
		}
		if err := c.Close(); err != nil {
			t.Errorf("%s: closing: %v", name, err)
		}
	}
}
