package queryextension

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/golang/snappy"
	"github.com/prometheus/prometheus/prompb"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/extension/extensiontest"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/signalbox-otel/signalbox/internal/ingest"
)

// freeAddress is a TCP address that nothing listens on now.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func newQueries(t *testing.T, dir, address string) *queries {
	t.Helper()
	c := NewDefaultConfig()
	c.Directory, c.HTTP.NetAddr.Endpoint = dir, address
	f := NewFactory()
	e, err := f.Create(t.Context(), extensiontest.NewNopSettings(f.Type()), c)
	if err != nil {
		t.Fatal(err)
	}
	return e.(*queries)
}

func started(t *testing.T, dir string) (*queries, string) {
	t.Helper()
	address := freeAddress(t)
	q := newQueries(t, dir, address)
	if err := q.Start(t.Context(), componenttest.NewNopHost()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = q.Shutdown(context.Background()) })
	return q, "http://" + address
}

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

// What is appended is answered, over HTTP and gRPC on the one port, and is
// still there after a restart.
func TestDataSurvivesRestart(t *testing.T) {
	dir := t.TempDir()
	q, url := started(t, dir)
	td := ptrace.NewTraces()
	span := td.ResourceSpans().AppendEmpty().ScopeSpans().AppendEmpty().Spans().AppendEmpty()
	span.SetName("kept")
	span.SetTraceID([16]byte{1})
	span.SetSpanID([8]byte{2})
	b, err := ingest.Traces(td)
	if err != nil {
		t.Fatal(err)
	}
	if err := q.AppendBatch(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	md := pmetric.NewMetrics()
	m := md.ResourceMetrics().AppendEmpty().ScopeMetrics().AppendEmpty().Metrics().AppendEmpty()
	m.SetName("kept_too")
	point := m.SetEmptyGauge().DataPoints().AppendEmpty()
	point.SetIntValue(42)
	point.SetTimestamp(unixNow())
	if err := q.AppendMetrics(t.Context(), md); err != nil {
		t.Fatal(err)
	}
	check := func(url string) {
		t.Helper()
		if code, body := get(t, url+"/api/signalbox/v1/traces/01000000000000000000000000000000"); code != 200 || !strings.Contains(body, `"kept"`) {
			t.Errorf("trace: got %d %s; want span kept", code, body)
		}
		if code, body := get(t, url+"/api/v1/query?query=kept_too"); code != 200 || !strings.Contains(body, `"42"`) {
			t.Errorf("metric: got %d %s; want 42", code, body)
		}
	}
	check(url)
	if err := q.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	_, url = started(t, dir)
	check(url)

	conn, err := grpc.NewClient(strings.TrimPrefix(url, "http://"), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if r, err := healthpb.NewHealthClient(conn).Check(t.Context(), &healthpb.HealthCheckRequest{}); err != nil || r.Status != healthpb.HealthCheckResponse_SERVING {
		t.Errorf("gRPC health: got %v, %v; want SERVING", r, err)
	}
}

// Prometheus' handler sees the body as it was sent: confighttp does not
// decompress it on the way.
func TestRemoteWrite(t *testing.T) {
	_, url := started(t, t.TempDir())
	req := prompb.WriteRequest{Timeseries: []prompb.TimeSeries{{
		Labels:  []prompb.Label{{Name: "__name__", Value: "written"}},
		Samples: []prompb.Sample{{Value: 7, Timestamp: time.Now().UnixMilli()}},
	}}}
	raw, err := req.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequest(http.MethodPost, url+"/api/v1/write", bytes.NewReader(snappy.Encode(nil, raw)))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Encoding", "snappy")
	r.Header.Set("Content-Type", "application/x-protobuf")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusNoContent {
		text, _ := io.ReadAll(resp.Body)
		t.Fatalf("remote write: got %s %s; want 204", resp.Status, text)
	}
	if code, body := get(t, url+"/api/v1/query?query=written"); code != 200 || !strings.Contains(body, `"7"`) {
		t.Errorf("got %d %s; want 7", code, body)
	}
}

// A start that fails says what to do and leaves nothing open.
func TestStartFailures(t *testing.T) {
	dir := t.TempDir()
	_, url := started(t, dir)

	second := newQueries(t, dir, freeAddress(t))
	err := second.Start(t.Context(), componenttest.NewNopHost())
	if want := "is Signalbox running already?"; err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), dir) {
		t.Errorf("second start on %s: got error %v; want %q and the directory", dir, err, want)
	}
	taken := newQueries(t, t.TempDir(), strings.TrimPrefix(url, "http://"))
	err = taken.Start(t.Context(), componenttest.NewNopHost())
	if want := "address already in use"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("start on a taken port: got error %v; want %q", err, want)
	}
	if code, _ := get(t, url+"/-/ready"); code != 200 {
		t.Errorf("/-/ready: got %d; want 200", code)
	}
	if code, _ := get(t, url+"/metrics"); code != 200 {
		t.Errorf("the first one: got %d; want 200", code)
	}
}

// Stopping ends live tails at once instead of waiting for them.
func TestShutdownEndsTails(t *testing.T) {
	q, url := started(t, t.TempDir())
	resp, err := http.Get(url + "/api/signalbox/v1/logs/tail")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	ended := make(chan error, 1)
	go func() {
		_, err := io.Copy(io.Discard, resp.Body)
		ended <- err
	}()
	begun := time.Now()
	if err := q.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	<-ended
	if took := time.Since(begun); took >= drainTime {
		t.Errorf("Shutdown with an open tail: took %s; want less than %s", took, drainTime)
	}
}

// The extension is what the exporter looks for.
func TestStatusNamesTheData(t *testing.T) {
	q, url := started(t, t.TempDir())
	var _ component.Component = q
	code, body := get(t, url+"/api/signalbox/v1/status")
	if code != 200 || !strings.Contains(body, fmt.Sprintf("%q", q.config.Directory)) {
		t.Errorf("status: got %d %s; want the directory %s", code, body, q.config.Directory)
	}
}

func unixNow() pcommon.Timestamp { return pcommon.NewTimestampFromTime(time.Now()) }

// Pages of other origins read only what the configuration lets them.
func TestCrossOrigin(t *testing.T) {
	c := NewDefaultConfig()
	c.Directory, c.HTTP.NetAddr.Endpoint = t.TempDir(), freeAddress(t)
	c.HTTP.CORS.GetOrInsertDefault().AllowedOrigins = []string{"http://grafana.test"}
	f := NewFactory()
	e, err := f.Create(t.Context(), extensiontest.NewNopSettings(f.Type()), c)
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Start(t.Context(), componenttest.NewNopHost()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Shutdown(context.Background()) })
	for origin, want := range map[string]string{"http://grafana.test": "http://grafana.test", "http://evil.test": ""} {
		for _, path := range []string{"/api/signalbox/v1/status", "/api/v1/labels", "/api/services"} {
			r, err := http.NewRequest(http.MethodGet, "http://"+c.HTTP.NetAddr.Endpoint+path, nil)
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Origin", origin)
			resp, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if got := resp.Header.Get("Access-Control-Allow-Origin"); got != want {
				t.Errorf("%s from %s: got Access-Control-Allow-Origin %q; want %q", path, origin, got, want)
			}
		}
	}
}
