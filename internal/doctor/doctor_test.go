package doctor

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"
)

// refusing is an OTLP server over gRPC that answers with an error.
type refusing struct {
	ptraceotlp.UnimplementedGRPCServer
	err error
}

func (r refusing) Export(context.Context, ptraceotlp.ExportRequest) (ptraceotlp.ExportResponse, error) {
	return ptraceotlp.NewExportResponse(), r.err
}

// serveGRPC gives the address of a gRPC server with OTLP's service, when otlp is
// not nil.
func serveGRPC(t *testing.T, otlp ptraceotlp.GRPCServer, options ...grpc.ServerOption) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := grpc.NewServer(options...)
	if otlp != nil {
		ptraceotlp.RegisterGRPCServer(s, otlp)
	}
	go func() { _ = s.Serve(l) }() // until Stop
	t.Cleanup(s.Stop)
	return l.Addr().String()
}

// What a receiver's address answers, and what the doctor says about it.
func TestRefusals(t *testing.T) {
	answer := func(code int, text string) string {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, text, code) }))
		t.Cleanup(s.Close)
		return s.Listener.Addr().String()
	}
	secure := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(secure.Close)
	secure.Config.ErrorLog = nil
	plain := answer(http.StatusOK, "")
	good := serveGRPC(t, &refusing{})
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	secureGRPC := serveGRPC(t, &refusing{}, grpc.Creds(credentials.NewServerTLSFromCert(&secure.TLS.Certificates[0])))
	for _, c := range []struct {
		name     string
		listener Listener
		want     string
		fix      string
	}{
		{"HTTP works", Listener{Protocol: "http", Address: plain}, "took it", ""},
		{"HTTPS works", Listener{Protocol: "http", Address: secure.Listener.Addr().String(), TLS: true}, "took it", ""},
		{"gRPC works", Listener{Protocol: "grpc", Address: good}, "took it", ""},
		{"gRPC over TLS works", Listener{Protocol: "grpc", Address: secureGRPC, TLS: true}, "took it", ""},
		{"nobody, HTTP", Listener{Protocol: "http", Address: closed.Addr().String()}, "nothing listens at", "receivers::otlp::protocols::http::endpoint"},
		{"nobody, gRPC", Listener{Protocol: "grpc", Address: closed.Addr().String()}, "nothing listens at", "is the collector running"},
		{"the server has TLS, HTTP", Listener{Protocol: "http", Address: secure.Listener.Addr().String()}, "wants TLS", "https://"},
		{"the server has TLS, gRPC", Listener{Protocol: "grpc", Address: secureGRPC}, "wants TLS", "https://"},
		{"the server has no TLS, HTTP", Listener{Protocol: "http", Address: plain, TLS: true}, "speaks without TLS", "http://"},
		{"the server has no TLS, gRPC", Listener{Protocol: "grpc", Address: good, TLS: true}, "speaks without TLS", "http://"},
		{"HTTP to the gRPC port", Listener{Protocol: "http", Address: good}, "does not speak http", "gRPC (4317) and HTTP (4318)"},
		{"gRPC to the HTTP port", Listener{Protocol: "grpc", Address: plain}, "does not speak grpc", "gRPC (4317) and HTTP (4318)"},
		{"another gRPC server", Listener{Protocol: "grpc", Address: serveGRPC(t, nil)}, "is something else", "which program listens there?"},
		{"another HTTP server", Listener{Protocol: "http", Address: answer(http.StatusNotFound, "no")}, "is something else: it answered 404 Not Found: no", "which program"},
		{"a token is missing, HTTP", Listener{Protocol: "http", Address: answer(http.StatusUnauthorized, "no")}, "wants other credentials", "--header"},
		{"a token is missing, gRPC", Listener{Protocol: "grpc", Address: serveGRPC(t, &refusing{err: status.Error(codes.Unauthenticated, "no")})}, "wants other credentials", "--header"},
		{"the memory limiter, HTTP", Listener{Protocol: "http", Address: answer(http.StatusServiceUnavailable, "data refused due to high memory usage")}, "at its memory limit", "memory_limiter"},
		{"the memory limiter, gRPC", Listener{Protocol: "grpc", Address: serveGRPC(t, &refusing{err: status.Error(codes.Unavailable, "data refused due to high memory usage")})}, "at its memory limit", "memory_limiter"},
		{"a full disk", Listener{Protocol: "http", Address: answer(http.StatusServiceUnavailable, "refused, send again in 1s: disk full")}, "refused it: it answered 503 Service Unavailable: refused, send again in 1s: disk full", ""},
		{"clients need a certificate", Listener{Protocol: "http", Address: plain, TLS: true, Certificates: true}, "wants a client's certificate, so no probe was sent", ""},
		{"clients need a token", Listener{Protocol: "http", Address: plain, Auth: "bearertokenauth"}, "wants credentials, so no probe was sent", "--header"},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.listener.Receiver, c.listener.Network = "otlp", "tcp"
			e := &examination{options: Options{Timeout: 5 * time.Second}, report: &Report{}}
			e.prepare("traces", c.listener)
			e.deliver(t.Context())
			got := e.probes[0].check.Hops[0]
			if !strings.Contains(got.Text, c.want) || !strings.Contains(got.Fix, c.fix) {
				t.Errorf("got %q, to mend by %q; want %q, %q", got.Text, got.Fix, c.want, c.fix)
			}
		})
	}
}

// Every reason has a sentence of its own, and what mends it.
func TestEveryReasonIsExplained(t *testing.T) {
	reasons := []string{"unreachable", "timeout", "tls", "protocol", "unimplemented", "unauthorized", "unavailable", "throttled", "too_large",
		"rejected", "partial_success", "queue_full", "memory_limit", "disk_full", "not_started", "filtered", "sampled"}
	for _, reason := range reasons {
		text, fix := explain(loss{Kind: "exporter", Component: "otlp", Outcome: "failed", Reason: reason, Items: 3, Error: "why"}, Exit{Endpoint: "peer:4317"})
		if strings.Contains(text, "reason "+reason) || !strings.HasSuffix(text, "; 3 lost") || fix == "" {
			t.Errorf("%s: got %q, %q", reason, text, fix)
		}
	}
	text, _ := explain(loss{Outcome: "failed", Reason: "other", Items: 1}, Exit{})
	if want := "something did not go on, reason other; 1 lost"; text != want {
		t.Errorf("got %q; want %q", text, want)
	}
	text, fix := explain(loss{Component: "otlp", Signal: "metrics", Outcome: "failed", Reason: "unimplemented"}, Exit{Endpoint: "jaeger:14250"})
	if !strings.Contains(text, "takes only traces") || !strings.Contains(fix, "otlp out of the pipelines of metrics") {
		t.Errorf("metrics at Jaeger's port: got %q, %q", text, fix)
	}
}

// A collector that answers about itself, and a peer that has a broken target.
func TestPassiveReceivers(t *testing.T) {
	mux := http.NewServeMux()
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	address := s.Listener.Addr().String()
	mux.HandleFunc("/metrics", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, "# TYPE otelcol_process_uptime_seconds_total counter\notelcol_process_uptime_seconds_total 1000\n"+
			"# TYPE otelcol_receiver_accepted_metric_points_total counter\notelcol_receiver_accepted_metric_points_total{receiver=\"hostmetrics\"} 1\n")
	})
	mux.HandleFunc("/api/signalbox/v1/pipelines", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"pipelines":[{"id":"metrics","signal":"metrics","receivers":["hostmetrics","prometheus"],"exporters":["store"]}],"telemetry":%q}`, address)
	})
	mux.HandleFunc("/api/signalbox/v1/status", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `{"version":"1","store":{"directory":"/data","spans":{"refusing":"disk full"}}}`)
	})
	mux.HandleFunc("/api/v1/query", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `{"data":{"result":[{"metric":{"job":"shop","instance":"a:80"}}]}}`)
	})
	r, err := Examine(t.Context(), Options{Server: s.URL, Timeout: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range r.Findings {
		got = append(got, string(f.Status)+" "+f.Text)
	}
	for _, c := range r.Checks {
		got = append(got, string(c.Status)+" "+c.Hops[0].Component+" "+c.Hops[0].Text)
	}
	want := "error the store takes no spans: disk full|warning scraping a:80 (job shop) fails|ok hostmetrics has brought 1 point so far|warning prometheus has brought nothing yet"
	if strings.Join(got, "|") != want || r.Status != Error {
		t.Errorf("got %s %q; want %q", r.Status, strings.Join(got, "|"), want)
	}
}
