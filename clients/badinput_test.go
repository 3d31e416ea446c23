package clients

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"
)

// What no client should send is refused, and costs nothing but itself. Tests
// that run in parallel wait for this one, so they prove again that the process
// is well afterwards.
func TestBadInput(t *testing.T) {
	const seed = 1
	t.Logf("seed %d", seed)
	random := rand.NewChaCha8([32]byte{seed})
	garbage := map[string][]byte{
		"nothing":                  {},
		"random bytes":             randomBytes(random, 64<<10),
		"zeros":                    make([]byte, 64<<10),
		"one byte":                 {0x16},
		"a TLS hello that ends":    {0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xfc, 0x03, 0x03},
		"HTTP that ends":           []byte("POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{\"res"),
		"HTTP with a broken chunk": []byte("POST /v1/traces HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n"),
		"HTTP with a huge header":  append([]byte("GET / HTTP/1.1\r\nHost: x\r\nX: "), bytes.Repeat([]byte("a"), 4<<20)...),
		"HTTP/2 and then garbage":  append([]byte("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), randomBytes(random, 4<<10)...),
	}
	for name, b := range garbage {
		for _, flag := range tcpPorts {
			sendTCP(t, name, box.addr(flag), b)
		}
		for _, flag := range udpPorts {
			sendUDP(t, name, box.addr(flag), b[:min(len(b), 60<<10)])
		}
	}
	refuseOTLP(t, random)
	refuseHTTP(t, random)
	refuseGRPC(t, random)
	wantWell(t)
	wantCounted(t)
}

// refuseOTLP sends to the OTLP port what is HTTP but not OTLP.
func refuseOTLP(t *testing.T, random *rand.ChaCha8) {
	t.Helper()
	for _, c := range []struct {
		name, contentType, encoding string
		body                        []byte
		want                        int
	}{
		{"no protobuf", "application/x-protobuf", "", randomBytes(random, 1<<10), http.StatusBadRequest},
		{"no JSON", "application/json", "", []byte(`{"resourceSpans":[{`), http.StatusBadRequest},
		{"JSON of another shape", "application/json", "", []byte(`{"resourceSpans":"none","resourceMetrics":"none","resourceLogs":"none"}`), http.StatusBadRequest},
		{"a type that OTLP does not have", "text/csv", "", []byte("a,b"), http.StatusUnsupportedMediaType},
		{"no gzip", "application/json", "gzip", []byte("plain"), http.StatusBadRequest},
		{"a gzip bomb", "application/x-protobuf", "gzip", bomb(t, tooLarge()), http.StatusBadRequest},
		{"a body above the limit", "application/x-protobuf", "", tooLarge(), http.StatusBadRequest},
	} {
		for _, path := range []string{"/v1/traces", "/v1/metrics", "/v1/logs"} {
			header := http.Header{"Content-Type": {c.contentType}}
			if c.encoding != "" {
				header.Set("Content-Encoding", c.encoding)
			}
			if res := post(t, path, bytes.NewReader(c.body), header); res.StatusCode != c.want {
				t.Errorf("%s to %s: got %s; want %d", c.name, path, res.Status, c.want)
			}
		}
	}
}

// refuseHTTP sends to the other HTTP ports what is none of their formats.
func refuseHTTP(t *testing.T, random *rand.ChaCha8) {
	t.Helper()
	// A list of 50 million spans, in Thrift, of which none follows.
	many := []byte{0x0f, 0x00, 0x02, 0x0c, 0x02, 0xfa, 0xf0, 0x80}
	for _, c := range []struct {
		name, flag, path, contentType string
		body                          []byte
	}{
		{"no Thrift", "jaeger-http-port", "/api/traces", "application/x-thrift", randomBytes(random, 1<<10)},
		{"Thrift that ends", "jaeger-http-port", "/api/traces", "application/x-thrift", many},
		{"no Thrift type", "jaeger-http-port", "/api/traces", "text/plain", many},
		{"no JSON", "zipkin-port", "/api/v2/spans", "application/json", []byte(`[{"traceId":`)},
		{"spans without ids", "zipkin-port", "/api/v2/spans", "application/json", []byte(`[{"name":"x"}]`)},
		{"no protobuf", "zipkin-port", "/api/v2/spans", "application/x-protobuf", randomBytes(random, 1<<10)},
		{"no Thrift", "zipkin-port", "/api/v1/spans", "application/x-thrift", randomBytes(random, 1<<10)},
		{"Thrift that ends", "zipkin-port", "/api/v1/spans", "application/x-thrift", many},
		{"no snappy", "port", "/api/v1/write", "application/x-protobuf", randomBytes(random, 1<<10)},
		{"no protobuf", "port", "/api/v1/otlp/v1/metrics", "application/x-protobuf", randomBytes(random, 1<<10)},
	} {
		res := postTo(t, c.flag, c.path, bytes.NewReader(c.body), http.Header{"Content-Type": {c.contentType}})
		if res.StatusCode < 400 || res.StatusCode > 499 {
			t.Errorf("%s to %s of %s: got %s; want 4xx", c.name, c.path, c.flag, res.Status)
		}
	}
}

// refuseGRPC calls the gRPC ports with messages that are none.
func refuseGRPC(t *testing.T, random *rand.ChaCha8) {
	t.Helper()
	for _, c := range []struct{ flag, method string }{
		{"otlp-grpc-port", "/opentelemetry.proto.collector.trace.v1.TraceService/Export"},
		{"otlp-grpc-port", "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export"},
		{"otlp-grpc-port", "/opentelemetry.proto.collector.logs.v1.LogsService/Export"},
		{"jaeger-grpc-port", "/jaeger.api_v2.CollectorService/PostSpans"},
		{"port", "/jaeger.api_v3.QueryService/GetServices"},
	} {
		conn := dial(t, c.flag)
		var answer []byte
		err := conn.Invoke(t.Context(), c.method, randomBytes(random, 1<<10), &answer, grpc.ForceCodec(verbatim{}))
		if got := status.Code(err); got != codes.Internal && got != codes.InvalidArgument {
			t.Errorf("random bytes to %s: got %v; want Internal or InvalidArgument", c.method, err)
		}
	}
}

// verbatim is a gRPC codec for bytes.
type verbatim struct{}

func (verbatim) Marshal(v any) ([]byte, error)   { return v.([]byte), nil }
func (verbatim) Unmarshal(b []byte, v any) error { *v.(*[]byte) = b; return nil }
func (verbatim) Name() string                    { return "proto" }

// dial connects to a gRPC port until the test ends.
func dial(t *testing.T, flag string, options ...grpc.DialOption) *grpc.ClientConn {
	t.Helper()
	conn, err := grpc.NewClient(box.addr(flag), append(options, grpc.WithTransportCredentials(insecure.NewCredentials()))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// wantCounted checks that datagrams, which nobody is answered about, are counted
// where they are dropped.
func wantCounted(t *testing.T) {
	t.Helper()
	for _, transport := range []string{"udp_thrift_binary", "udp_thrift_compact"} {
		counter := fmt.Sprintf(`signalbox_jaeger_udp_dropped_datagrams_total{reason="unreadable",transport=%q}`, transport)
		eventually(t, func(ctx context.Context) error {
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, box.url("telemetry-port")+"/metrics", nil)
			if err != nil {
				return err
			}
			res, err := http.DefaultClient.Do(req)
			if err != nil {
				return err
			}
			defer res.Body.Close()
			metrics, err := io.ReadAll(res.Body)
			if err == nil && !bytes.Contains(metrics, []byte(counter)) {
				err = fmt.Errorf("the metrics have no %s", counter)
			}
			return err
		})
	}
}

func randomBytes(r *rand.ChaCha8, n int) []byte {
	b := make([]byte, n)
	_, _ = r.Read(b) // never fails
	return b
}

// tooLarge is a request of 64 MiB that would be right if it were not as large:
// its one field is of a number that no version knows, and those are passed over.
func tooLarge() []byte {
	const size = 64 << 20
	b := protowire.AppendTag(nil, 1000, protowire.BytesType)
	return protowire.AppendBytes(b, make([]byte, size))
}

// bomb packs b, which is mostly zeros, into a thousandth of its size.
func bomb(t *testing.T, b []byte) []byte {
	t.Helper()
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	if _, err := w.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return packed.Bytes()
}

// sendTCP sends bytes on a connection of their own, says that no more come, and
// reads what is answered until the other side closes. A side that waits for more
// is left after a second: servers may be patient, but must take new callers.
func sendTCP(t *testing.T, name, addr string, b []byte) {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatalf("after %s: %v", name, err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(time.Second)); err != nil {
		t.Fatal(err)
	}
	// The other side may refuse half-way; that is an answer, too.
	_, _ = conn.Write(b)
	_ = conn.(*net.TCPConn).CloseWrite()
	_, _ = io.Copy(io.Discard, conn)
}

func sendUDP(t *testing.T, name, addr string, b []byte) {
	t.Helper()
	conn, err := net.Dial("udp", addr)
	if err != nil {
		t.Fatalf("after %s: %v", name, err)
	}
	defer conn.Close()
	if _, err := conn.Write(b); err != nil {
		t.Fatalf("sending %s: %v", name, err)
	}
}

// wantWell checks that the process that was started still runs, takes a trace
// in and gives it back.
func wantWell(t *testing.T) {
	t.Helper()
	one := newTrace("still here")
	body, err := ptraceotlp.NewExportRequestFromTraces(one).MarshalProto()
	if err != nil {
		t.Fatal(err)
	}
	res := post(t, "/v1/traces", bytes.NewReader(body), http.Header{"Content-Type": {"application/x-protobuf"}})
	if res.StatusCode != http.StatusOK {
		t.Fatalf("POST /v1/traces after bad input: %s", res.Status)
	}
	eventually(t, func(ctx context.Context) error {
		if err := box.running(); err != nil {
			return err
		}
		td, err := box.trace(ctx, traceID(one).String())
		if err == nil && td.SpanCount() != 1 {
			err = fmt.Errorf("got %d spans; want 1", td.SpanCount())
		}
		return err
	})
}
