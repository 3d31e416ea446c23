package jaegerexporter

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jaegertracing/jaeger-idl/proto-gen/api_v2"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/collector/exporter/exportertest"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/signalbox-otel/signalbox/internal/collector/jaegertest"
	"github.com/signalbox-otel/signalbox/internal/collector/tlstest"
)

// started is an exporter that runs, and its metrics.
type started struct {
	exporter.Traces
	reader *sdkmetric.ManualReader
}

// startExporter starts an exporter with settings written as users write them.
func startExporter(t *testing.T, f exporter.Factory, settings map[string]any) started {
	t.Helper()
	cfg := f.CreateDefaultConfig()
	if err := confmap.NewFromStringMap(settings).Unmarshal(cfg); err != nil {
		t.Fatal(err)
	}
	if err := confmap.Validate(cfg); err != nil {
		t.Fatal(err)
	}
	s := started{reader: sdkmetric.NewManualReader()}
	set := exportertest.NewNopSettings(f.Type())
	set.MeterProvider = sdkmetric.NewMeterProvider(sdkmetric.WithReader(s.reader))
	var err error
	if s.Traces, err = f.CreateTraces(t.Context(), set, cfg); err != nil {
		t.Fatal(err)
	}
	if err := s.Start(t.Context(), componenttest.NewNopHost()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return s
}

// refused is the number of spans counted as refused.
func (s started) refused(t *testing.T) (n int64) {
	t.Helper()
	var all metricdata.ResourceMetrics
	if err := s.reader.Collect(t.Context(), &all); err != nil {
		t.Fatal(err)
	}
	for _, scope := range all.ScopeMetrics {
		for _, m := range scope.Metrics {
			if m.Name == "signalbox_jaeger_refused_spans_total" {
				for _, point := range m.Data.(metricdata.Sum[int64]).DataPoints {
					n += point.Value
				}
			}
		}
	}
	return n
}

// direct are settings of an exporter whose consumer sees what became of the
// data.
func direct(endpoint string) map[string]any {
	return map[string]any{
		"endpoint":         endpoint,
		"tls":              map[string]any{"insecure": true},
		"sending_queue":    map[string]any{"enabled": false},
		"retry_on_failure": map[string]any{"enabled": false},
	}
}

// plain is n spans without anything special of each of these services.
func plain(n int, services ...string) ptrace.Traces {
	td := ptrace.NewTraces()
	for _, service := range services {
		rs := td.ResourceSpans().AppendEmpty()
		rs.Resource().Attributes().PutStr("service.name", service)
		spans := rs.ScopeSpans().AppendEmpty().Spans()
		for i := range n {
			s := spans.AppendEmpty()
			s.SetName("work")
			s.SetTraceID(traceOf(service))
			s.SetSpanID(pcommon.SpanID{1, byte(n), byte(i)})
			s.SetStartTimestamp(pcommon.NewTimestampFromTime(time.Now()))
			s.SetEndTimestamp(s.StartTimestamp() + 1000)
		}
	}
	return td
}

// traceOf makes a trace id of each service: Jaeger answers with whole traces.
func traceOf(service string) (id pcommon.TraceID) {
	copy(id[:], service)
	return id
}

// rich is one span with a part of every kind.
func rich(service string) ptrace.Traces {
	td := ptrace.NewTraces()
	td.ResourceSpans().AppendEmpty() // a resource without spans
	rs := td.ResourceSpans().AppendEmpty()
	rs.Resource().Attributes().PutStr("service.name", service)
	rs.Resource().Attributes().PutStr("host.name", "node-1")
	s := rs.ScopeSpans().AppendEmpty().Spans().AppendEmpty()
	s.SetName("GET /cart")
	s.SetTraceID(traceOf(service))
	s.SetSpanID(pcommon.SpanID{0xcd, 7: 2})
	s.SetParentSpanID(pcommon.SpanID{0xef, 7: 3})
	s.SetKind(ptrace.SpanKindServer)
	s.SetStartTimestamp(1_700_000_000_000_001_000)
	s.SetEndTimestamp(1_700_000_000_002_001_000)
	s.Status().SetCode(ptrace.StatusCodeError)
	s.Status().SetMessage("no such cart")
	s.Attributes().PutStr("text", "ü")
	s.Attributes().PutInt("int", -7)
	s.Attributes().PutDouble("double", 2.5)
	s.Attributes().PutBool("bool", true)
	s.Attributes().PutEmptyBytes("bytes").FromRaw([]byte{0, 255})
	e := s.Events().AppendEmpty()
	e.SetName("retry")
	e.SetTimestamp(1_700_000_000_001_001_000)
	e.Attributes().PutInt("attempt", 2)
	l := s.Links().AppendEmpty()
	l.SetTraceID(pcommon.TraceID{9})
	l.SetSpanID(pcommon.SpanID{8})
	return td
}

// Both exporters deliver a whole span to a real Jaeger. Over OTLP it comes to the
// same, on another port.
func TestJaeger(t *testing.T) {
	t.Parallel()
	j := jaegertest.Start(t)
	tag := func(key, kind string, value any) jaegertest.Tag {
		return jaegertest.Tag{Key: key, Type: kind, Value: value}
	}
	want := func(service, format, bytesType string) []jaegertest.Span {
		id := traceOf(service).String()
		return []jaegertest.Span{{
			TraceID: id, SpanID: "cd00000000000002", Name: "GET /cart",
			References: []jaegertest.Reference{
				{Type: "CHILD_OF", TraceID: id, SpanID: "ef00000000000003"},
				{Type: "FOLLOWS_FROM", TraceID: "09000000000000000000000000000000", SpanID: "0800000000000000"},
			},
			StartTime: 1_700_000_000_000_001, Duration: 2000,
			Tags: []jaegertest.Tag{
				tag("bool", "bool", true), tag("bytes", bytesType, "AP8="), tag("double", "float64", 2.5), tag("error", "bool", true), tag("int", "int64", -7.0),
				tag("internal.span.format", "string", format), tag("otel.status_code", "string", "ERROR"), tag("otel.status_description", "string", "no such cart"),
				tag("span.kind", "string", "server"), tag("text", "string", "ü"),
			},
			Logs:    []jaegertest.Log{{Timestamp: 1_700_000_000_001_001, Fields: []jaegertest.Tag{tag("event", "string", "retry"), tag("attempt", "int64", 2.0)}}},
			Process: jaegertest.Process{ServiceName: service, Tags: []jaegertest.Tag{tag("host.name", "string", "node-1")}},
		}}
	}
	for _, test := range []struct {
		name, endpoint string
		factory        exporter.Factory
		format         string // what Jaeger says it came as
		bytesType      string // Jaeger makes text of bytes that come as OTLP
	}{
		{"jaeger", j.GRPC, NewFactory(), "proto", "binary"},
		{"jaeger_thrift", "http://" + j.HTTP + "/api/traces", NewThriftFactory(), "jaeger", "binary"},
		{"otlp", j.OTLP, fallingBack(), "proto", "string"},
		{"otlp-fallen-back", j.GRPC, fallingBack(), "proto", "binary"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := startExporter(t, test.factory, direct(test.endpoint))
			if err := s.ConsumeTraces(t.Context(), rich(test.name)); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want(test.name, test.format, test.bytesType), j.Eventually(t, test.name, 1)); diff != "" {
				t.Errorf("span in Jaeger (-want +got):\n%s", diff)
			}
		})
	}
	t.Run("larger than a request may be", func(t *testing.T) {
		s := startExporter(t, NewFactory(), direct(j.GRPC))
		td := plain(60, "large")
		for _, span := range td.ResourceSpans().At(0).ScopeSpans().At(0).Spans().All() {
			span.Attributes().PutStr("text", strings.Repeat("x", 200_000))
		}
		if err := s.ConsumeTraces(t.Context(), td); err != nil {
			t.Fatal(err)
		}
		if got := len(j.Eventually(t, "large", 60)); got != 60 {
			t.Errorf("got %d spans; want 60", got)
		}
	})
	t.Run("at the wrong port", func(t *testing.T) {
		s := startExporter(t, NewFactory(), direct(j.OTLP))
		err := s.ConsumeTraces(t.Context(), plain(1, "lost"))
		if want := "for an OTLP port use the exporter otlp_grpc"; !consumererror.IsPermanent(err) || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v; want a permanent error with %q", err, want)
		}
	})
}

// With TLS both sides show who they are, and one that does not trust the other
// sends nothing.
func TestJaegerTLS(t *testing.T) {
	t.Parallel()
	cert, key, _ := tlstest.Certificate(t)
	otherCert, _, _ := tlstest.Certificate(t)
	j := jaegertest.Start(t,
		"--collector.grpc.tls.enabled", "--collector.grpc.tls.cert", cert, "--collector.grpc.tls.key", key, "--collector.grpc.tls.client-ca", cert,
		"--reporter.grpc.tls.enabled", "--reporter.grpc.tls.ca", cert, "--reporter.grpc.tls.cert", cert, "--reporter.grpc.tls.key", key)
	f := func(service, ca string, delivered bool) {
		t.Helper()
		settings := direct(j.GRPC)
		settings["tls"] = map[string]any{"ca_file": ca, "cert_file": cert, "key_file": key}
		err := startExporter(t, NewFactory(), settings).ConsumeTraces(t.Context(), plain(1, service))
		if (err == nil) != delivered || consumererror.IsPermanent(err) {
			t.Errorf("sending with the authority %s: got %v; want delivered %t, or an error after which to try again", ca, err, delivered)
		}
	}
	f("trusted", cert, true)
	f("stranger", otherCert, false)
	if got := len(j.Eventually(t, "trusted", 1)); got != 1 {
		t.Errorf("got %d spans; want 1", got)
	}
}

// What is sent while Jaeger is away arrives when it is back.
func TestJaegerRestarts(t *testing.T) {
	t.Parallel()
	j := jaegertest.Start(t)
	retry := map[string]any{"initial_interval": "20ms", "max_interval": "100ms"}
	gRPC := startExporter(t, NewFactory(), map[string]any{
		"endpoint": j.GRPC, "tls": map[string]any{"insecure": true}, "retry_on_failure": retry, "wait_for_ready": true, "timeout": "1s",
	})
	overHTTP := startExporter(t, NewThriftFactory(), map[string]any{"url": "http://" + j.HTTP + "/api/traces", "retry_on_failure": retry})
	send := func(n int) {
		t.Helper()
		err := errors.Join(gRPC.ConsumeTraces(t.Context(), plain(n, "by-grpc")), overHTTP.ConsumeTraces(t.Context(), plain(n, "by-http")))
		if err != nil {
			t.Fatal(err)
		}
	}
	send(1)
	j.Eventually(t, "by-grpc", 1)
	j.Eventually(t, "by-http", 1)
	j.Stop(t)
	send(2)
	send(3)
	j.Restart(t) // empty: it keeps its spans in memory
	for _, service := range []string{"by-grpc", "by-http"} {
		if got := len(j.Eventually(t, service, 5)); got != 5 {
			t.Errorf("%s: got %d spans; want 5", service, got)
		}
	}
}

// busy is a Jaeger collector in this process that answers as it is told.
type busy struct {
	mu       sync.Mutex
	services []string // of what came
	answer   func(service string) error
}

func (b *busy) PostSpans(_ context.Context, r *api_v2.PostSpansRequest) (*api_v2.PostSpansResponse, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	service := r.Batch.Process.ServiceName
	b.services = append(b.services, service)
	if err := b.answer(service); err != nil {
		return nil, err
	}
	return &api_v2.PostSpansResponse{}, nil
}

func startBusy(t *testing.T, answer func(service string) error) (*busy, string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b := &busy{answer: answer}
	s := grpc.NewServer()
	api_v2.RegisterCollectorServiceServer(s, b)
	go func() { _ = s.Serve(l) }() // its end is the test's
	t.Cleanup(s.Stop)
	return b, l.Addr().String()
}

// Of several resources only those are sent again that were not delivered, and
// one that is refused for good keeps no other back.
func TestPartialFailure(t *testing.T) {
	t.Parallel()
	calls := map[string]int{}
	b, endpoint := startBusy(t, func(service string) error {
		calls[service]++
		switch {
		case service == "bad":
			return status.Error(codes.InvalidArgument, "no")
		case service == "slow" && calls[service] < 3:
			return status.Error(codes.Unavailable, "later")
		}
		return nil
	})
	settings := direct(endpoint)
	settings["retry_on_failure"] = map[string]any{"initial_interval": "1ms"}
	s := startExporter(t, NewFactory(), settings)
	if err := s.ConsumeTraces(t.Context(), plain(2, "first", "bad", "slow", "last")); err != nil {
		t.Fatal(err)
	}
	want := []string{"first", "bad", "slow", "slow", "slow", "last"}
	if diff := cmp.Diff(want, b.services); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
	if got := s.refused(t); got != 2 {
		t.Errorf("refused spans: got %d; want 2", got)
	}
	if err := s.ConsumeTraces(t.Context(), plain(3, "bad")); !consumererror.IsPermanent(err) {
		t.Errorf("error of a batch that was refused as a whole: got %v; want a permanent one", err)
	}
	if got := s.refused(t); got != 5 {
		t.Errorf("refused spans: got %d; want 5", got)
	}
}

// Settings reach the wire: headers, the content type of Thrift, a timeout.
func TestThriftRequests(t *testing.T) {
	t.Parallel()
	answers := make(chan int, 10)
	var got []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = append(got, fmt.Sprint(r.URL.Path, " ", r.Header.Get("Content-Type"), " ", r.Header.Get("X-Team"), " ", r.ContentLength > 0))
		w.WriteHeader(<-answers)
	}))
	defer server.Close()
	settings := direct(server.URL + "/api/traces")
	settings["headers"] = map[string]any{"X-Team": "shop"}
	settings["retry_on_failure"] = map[string]any{"initial_interval": "1ms"}
	s := startExporter(t, NewThriftFactory(), settings)
	for _, code := range []int{503, 429, 202} {
		answers <- code
	}
	if err := s.ConsumeTraces(t.Context(), plain(1, "a")); err != nil {
		t.Fatal(err)
	}
	answers <- 400
	if err := s.ConsumeTraces(t.Context(), plain(1, "a")); !consumererror.IsPermanent(err) || !strings.Contains(err.Error(), "400 Bad Request") {
		t.Errorf("got error %v; want a permanent one with the status", err)
	}
	one := "/api/traces application/x-thrift shop true"
	if diff := cmp.Diff([]string{one, one, one, one}, got); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
}

func TestConfig(t *testing.T) {
	defaults := newDefaultConfig().(*Config)
	if !defaults.Queue.HasValue() || !defaults.Retry.Enabled || defaults.Timeout.Timeout != 5*time.Second {
		t.Errorf("defaults of jaeger: got %+v; want a queue, retries and 5 s", defaults)
	}
	thrift := newDefaultThriftConfig().(*ThriftConfig)
	if !thrift.Queue.HasValue() || !thrift.Retry.Enabled || thrift.Client.Timeout != 5*time.Second {
		t.Errorf("defaults of jaeger_thrift: got %+v; want a queue, retries and 5 s", thrift)
	}
	f := func(factory exporter.Factory, settings map[string]any, want string) {
		t.Helper()
		cfg := factory.CreateDefaultConfig()
		if err := confmap.NewFromStringMap(settings).Unmarshal(cfg); err != nil {
			t.Fatal(err)
		}
		if err := fmt.Sprint(confmap.Validate(cfg)); !strings.Contains(err, want) {
			t.Errorf("%s %v: got error %q; want %q", factory.Type(), settings, err, want)
		}
	}
	f(NewFactory(), map[string]any{}, "endpoint is not set")
	f(NewFactory(), map[string]any{"endpoint": "jaeger"}, "missing port")
	f(NewFactory(), map[string]any{"endpoint": "jaeger:14250"}, "<nil>")
	f(NewThriftFactory(), map[string]any{}, "endpoint is not set")
	f(NewThriftFactory(), map[string]any{"endpoint": "jaeger:14268"}, `endpoint "jaeger:14268" is no URL`)
	f(NewThriftFactory(), map[string]any{"url": "http://jaeger:14268/api/traces"}, "<nil>")
	f(NewThriftFactory(), map[string]any{"url": "http://a", "endpoint": "http://b"}, "keep endpoint")
	f(NewThriftFactory(), map[string]any{"endpoint": "http://a", "timeout": "0s"}, "timeout must be above zero")
}
