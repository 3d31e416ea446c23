// Package otlp sends requests that are OTLP already, as an SDK would: over HTTP
// or gRPC, again when the receiver says that it should come later. The
// benchmarks send with it, so that making requests costs them nothing.
package otlp

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/status"
)

// Signal is what a request holds.
type Signal struct{ path, method string }

// The signals.
var (
	Traces = Signal{"/v1/traces", "/opentelemetry.proto.collector.trace.v1.TraceService/Export"}
	Logs   = Signal{"/v1/logs", "/opentelemetry.proto.collector.logs.v1.LogsService/Export"}
)

// RetryError says that the receiver could not take a request now.
type RetryError struct {
	After time.Duration // 0: it did not say
	err   error
}

func (e *RetryError) Error() string { return "come again later: " + e.err.Error() }

// Unwrap gives what the receiver said.
func (e *RetryError) Unwrap() error { return e.err }

// Connection takes one request at a time.
type Connection interface {
	// Export returns how many records the receiver turned down for good. The
	// error is a *RetryError when the request may be sent again.
	Export(ctx context.Context, s Signal, body []byte) (rejected int, err error)
	Close() error
}

// DialHTTP returns a connection to a receiver's HTTP port.
func DialHTTP(address string) Connection {
	return &overHTTP{address: address, transport: &http.Transport{MaxConnsPerHost: 1}}
}

// overHTTP sends binary protobuf.
type overHTTP struct {
	address   string
	transport *http.Transport
}

func (c *overHTTP) Close() error {
	c.transport.CloseIdleConnections()
	return nil
}

func (c *overHTTP) Export(ctx context.Context, s Signal, body []byte) (int, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+c.address+s.path, bytes.NewReader(body))
	if err != nil {
		return 0, err
	}
	request.Header.Set("Content-Type", "application/x-protobuf")
	response, err := c.transport.RoundTrip(request)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		return 0, err
	}
	switch response.StatusCode {
	case http.StatusOK:
		return rejected(answer)
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		seconds, _ := strconv.Atoi(response.Header.Get("Retry-After")) // without it, 0
		return 0, &RetryError{time.Duration(seconds) * time.Second, fmt.Errorf("%s: %q", response.Status, answer)}
	}
	return 0, fmt.Errorf("%s: %q", response.Status, answer)
}

// rejected reads what a receiver that takes a request has not taken of it. The
// answer about logs has the same numbers.
func rejected(answer []byte) (int, error) {
	response := ptraceotlp.NewExportResponse()
	if err := response.UnmarshalProto(answer); err != nil {
		return 0, fmt.Errorf("reading the answer: %w", err)
	}
	return int(response.PartialSuccess().RejectedSpans()), nil
}

// DialGRPC returns a connection to a receiver's gRPC port.
func DialGRPC(address string) (Connection, error) {
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.ForceCodecV2(Raw{})))
	if err != nil {
		return nil, err
	}
	return &overGRPC{conn}, nil
}

// overGRPC sends without compression.
type overGRPC struct{ *grpc.ClientConn }

func (c *overGRPC) Export(ctx context.Context, s Signal, body []byte) (int, error) {
	var answer []byte
	err := c.Invoke(ctx, s.method, body, &answer)
	if err == nil {
		return rejected(answer)
	}
	st := status.Convert(err)
	var after time.Duration
	var told bool
	for _, detail := range st.Details() {
		if info, ok := detail.(*errdetails.RetryInfo); ok {
			after, told = info.GetRetryDelay().AsDuration(), true
		}
	}
	switch st.Code() {
	case codes.Unavailable, codes.Aborted, codes.OutOfRange, codes.DataLoss, codes.DeadlineExceeded:
		return 0, &RetryError{after, err}
	case codes.ResourceExhausted:
		if told {
			return 0, &RetryError{after, err}
		}
	}
	return 0, err
}

// Raw is a gRPC codec that passes messages as the bytes they are.
type Raw struct{}

// Name is that of what the bytes are.
func (Raw) Name() string { return "proto" }

// Marshal takes a []byte.
func (Raw) Marshal(v any) (mem.BufferSlice, error) {
	return mem.BufferSlice{mem.SliceBuffer(v.([]byte))}, nil
}

// Unmarshal fills a *[]byte.
func (Raw) Unmarshal(data mem.BufferSlice, v any) error {
	*v.(*[]byte) = data.Materialize()
	return nil
}
