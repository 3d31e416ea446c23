package opencensusreceiver

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	agenttracepb "github.com/census-instrumentation/opencensus-proto/gen-go/agent/trace/v1"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/signalbox-otel/signalbox/internal/collector/tlstest"
)

// oneSpan is a request as a browser's library sends it; ids are base64.
const oneSpan = `{"node":{"serviceInfo":{"name":"web"}},"spans":[{"traceId":"MDEyMzQ1Njc4OWFiY2RlZg==","spanId":"MDEyMzQ1Njc=",
	"name":{"value":"click"},"startTime":"2024-01-02T03:04:05Z","endTime":"2024-01-02T03:04:06Z","inventedLater":1}]}`

// post sends a request and returns the status and body of the answer.
func post(t *testing.T, client *http.Client, url, body string, header ...string) (*http.Response, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response, string(answer)
}

func TestJSON(t *testing.T) {
	t.Parallel()
	s := start(t, map[string]any{"cors_allowed_origins": []any{"https://*.example.com"}, "max_recv_msg_size_mib": 1})
	s.refuse = func(name string) error {
		if name != "busy" {
			return nil
		}
		busy, err := status.New(codes.Unavailable, "disk is full").WithDetails(&errdetails.RetryInfo{RetryDelay: durationpb.New(1500 * time.Millisecond)})
		if err != nil {
			t.Error(err)
		}
		return busy.Err()
	}
	url := "http://" + s.address + "/v1/trace"
	f := func(body string, code int, answer string) {
		t.Helper()
		response, got := post(t, http.DefaultClient, url, body)
		if response.StatusCode != code || !strings.Contains(got, answer) {
			t.Errorf("%.100s: got %d %s; want %d %s", body, response.StatusCode, got, code, answer)
		}
	}
	f(oneSpan, 200, "{}")
	f(oneSpan+"\n"+`{"spans":[{"name":{"value":"scroll"}}]}`, 200, "{}") // the second is of the same node
	f("", 200, "{}")
	f(`{"spans":[]}`, 400, "protocol violation: Export's first message must have a Node")
	f(`{"node":{}`, 400, "reading JSON")
	f(`{"node":{},"spans":[null]}`, 400, "reading JSON")
	f(`[]`, 400, "reading JSON")
	f(`{"node":{},"spans":[{"name":{"value":"`+strings.Repeat("x", 1<<20)+`"}}]}`, 413, "max_recv_msg_size_mib")
	f(strings.Repeat(`[`, 100_000), 400, "reading JSON")
	wantSpans(t, s, "web <nil> click", "web <nil> click", "web <nil> scroll")

	response, body := post(t, http.DefaultClient, url, strings.Replace(oneSpan, "click", "busy", 1))
	if got := response.Header.Get("Retry-After"); response.StatusCode != 503 || got != "2" || body != `{"code":14,"message":"disk is full"}` {
		t.Errorf("busy pipeline: got %d, Retry-After %q, %s; want 503, 2 and the reason", response.StatusCode, got, body)
	}

	var zipped bytes.Buffer
	w := gzip.NewWriter(&zipped)
	if _, err := io.WriteString(w, oneSpan); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	response, body = post(t, http.DefaultClient, url, zipped.String(), "Content-Encoding", "gzip", "Origin", "https://shop.example.com")
	if got := response.Header.Get("Access-Control-Allow-Origin"); response.StatusCode != 200 || got != "https://shop.example.com" {
		t.Errorf("gzip from a web page: got %d %s, origin %q; want 200 and the origin", response.StatusCode, body, got)
	}
	if response, _ = post(t, http.DefaultClient, url, oneSpan, "Origin", "https://elsewhere.org"); response.Header.Get("Access-Control-Allow-Origin") != "" {
		t.Error("a page of another origin is allowed")
	}
	wantSpans(t, s, "web <nil> click", "web <nil> click")

	if response, _ = post(t, http.DefaultClient, "http://"+s.address+"/v1/logs", "{}"); response.StatusCode != 404 {
		t.Errorf("unknown path: got %d; want 404", response.StatusCode)
	}
	get, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	if err := get.Body.Close(); err != nil || get.StatusCode != 405 {
		t.Errorf("GET: got %d, %v; want 405", get.StatusCode, err)
	}
	response, body = post(t, http.DefaultClient, "http://"+s.address+"/v1/metrics",
		`{"node":{},"metrics":[{"metricDescriptor":{"name":"m","type":"GAUGE_INT64"},"timeseries":[{"points":[{"int64Value":"5"}]}]}]}`)
	if response.StatusCode != 200 {
		t.Fatalf("metrics: got %d %s; want 200", response.StatusCode, body)
	}
	if md := <-s.metrics; md.DataPointCount() != 1 {
		t.Errorf("metrics: got %d points; want 1", md.DataPointCount())
	}
}

// One port takes gRPC and JSON over HTTP/1.1 and HTTP/2, in plain text and with
// TLS.
func TestProtocols(t *testing.T) {
	t.Parallel()
	certFile, keyFile, pool := tlstest.Certificate(t)
	plain := start(t, nil)
	secure := start(t, map[string]any{"tls": map[string]any{"cert_file": certFile, "key_file": keyFile}})
	for _, test := range []struct {
		name string
		s    *started
		url  string
		tls  *tls.Config
	}{
		{"plain", plain, "http://" + plain.address, nil},
		{"tls", secure, "https://" + secure.address, &tls.Config{RootCAs: pool}},
	} {
		t.Run(test.name, func(t *testing.T) {
			for major, set := range map[int]func(*http.Protocols){
				1: func(p *http.Protocols) { p.SetHTTP1(true) },
				2: func(p *http.Protocols) { p.SetHTTP2(true); p.SetUnencryptedHTTP2(true) },
			} {
				protocols := new(http.Protocols)
				set(protocols)
				transport := &http.Transport{Protocols: protocols, TLSClientConfig: test.tls.Clone()}
				response, body := post(t, &http.Client{Transport: transport}, test.url+"/v1/trace", oneSpan)
				if response.StatusCode != 200 || response.ProtoMajor != major {
					t.Errorf("HTTP/%d: got %s %s over %s", major, response.Status, body, response.Proto)
				}
				wantSpans(t, test.s, "web <nil> click")
				transport.CloseIdleConnections()
			}
			creds := insecure.NewCredentials()
			if test.tls != nil {
				creds = credentials.NewTLS(test.tls)
			}
			for _, options := range [][]grpc.CallOption{nil, {grpc.UseCompressor("gzip")}} {
				conn, err := grpc.NewClient(test.s.address, grpc.WithTransportCredentials(creds), grpc.WithDefaultCallOptions(options...))
				if err != nil {
					t.Fatal(err)
				}
				stream, err := agenttracepb.NewTraceServiceClient(conn).Export(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				if err := stream.Send(&agenttracepb.ExportTraceServiceRequest{Node: node("rpc"), Spans: spans("call")}); err != nil {
					t.Fatal(err)
				}
				wantSpans(t, test.s, "rpc <nil> call")
				if err := conn.Close(); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

func TestUnixSocket(t *testing.T) {
	t.Parallel()
	socket := filepath.Join(t.TempDir(), "agent.sock")
	s := start(t, map[string]any{"transport": "unix", "endpoint": socket})
	client := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", socket)
	}}}
	if response, body := post(t, client, "http://agent/v1/trace", oneSpan); response.StatusCode != 200 {
		t.Errorf("got %d %s; want 200", response.StatusCode, body)
	}
	client.CloseIdleConnections()
	wantSpans(t, s, "web <nil> click")
}
