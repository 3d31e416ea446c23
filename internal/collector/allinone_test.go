package collector

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// allInOne is a running collector of the embedded configuration, with
// addresses and a directory of its own.
type allInOne struct {
	otlp, query, self string
	stop              func() error
}

func startAllInOne(t *testing.T, dir string) *allInOne {
	t.Helper()
	a := &allInOne{otlp: freePort(t), query: freePort(t), self: freePort(t)}
	_, selfPort, _ := net.SplitHostPort(a.self)
	set := map[string]string{
		"receivers.otlp.protocols.grpc.endpoint":             freePort(t),
		"receivers.otlp.protocols.http.endpoint":             a.otlp,
		"receivers.jaeger.protocols.grpc.endpoint":           freePort(t),
		"receivers.jaeger.protocols.thrift_http.endpoint":    freePort(t),
		"receivers.jaeger.protocols.thrift_compact.endpoint": freePort(t),
		"receivers.jaeger.protocols.thrift_binary.endpoint":  freePort(t),
		"receivers.zipkin.endpoint":                          freePort(t),
		"receivers.prometheus/self.config.scrape_configs":    fmt.Sprintf(`[{job_name: self, scrape_interval: 1s, scrape_timeout: 1s, static_configs: [{targets: [%q, %q]}]}]`, a.self, a.query),
		"connectors.span_metrics.metrics_flush_interval":     "100ms",
		"connectors.service_graph.metrics_flush_interval":    "100ms",
		"extensions.query.endpoint":                          a.query,
		"extensions.query.directory":                         dir,
		"service.telemetry.metrics.readers":                  fmt.Sprintf(`[{pull: {exporter: {prometheus: {host: 127.0.0.1, port: %s}}}}]`, selfPort),
	}
	var sets []string
	for key, value := range set {
		sets = append(sets, key+"="+value)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ready, done := make(chan struct{}), make(chan error, 1)
	go func() {
		done <- Run(ctx, Settings{
			ConfigURIs: []string{"yaml:" + AllInOne, "yaml:" + HostMetrics},
			Sets:       sets,
			Version:    "v0.0.0-test",
			Ready:      func() { close(ready) },
			LoggingOptions: []zap.Option{
				zap.WrapCore(func(zapcore.Core) zapcore.Core { return zapcore.NewNopCore() }),
			},
		})
	}()
	select {
	case <-ready:
	case err := <-done:
		t.Fatalf("starting: %v", err)
	}
	stopped := false
	a.stop = func() error {
		if stopped {
			return nil
		}
		stopped = true
		cancel()
		return <-done
	}
	t.Cleanup(func() { _ = a.stop() })
	return a
}

// send posts one OTLP request in JSON.
func (a *allInOne) send(t *testing.T, signal, body string) {
	t.Helper()
	resp, err := http.Post("http://"+a.otlp+"/v1/"+signal, "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		var text bytes.Buffer
		_, _ = text.ReadFrom(resp.Body)
		t.Fatalf("sending %s: %s: %s", signal, resp.Status, text.String())
	}
}

// promQL returns the number of series that an expression has now.
func (a *allInOne) promQL(t *testing.T, expr string) int {
	t.Helper()
	var answer struct {
		Data struct{ Result []any }
	}
	if err := json.Unmarshal([]byte(fetch(t, "http://"+a.query+"/api/v1/query?query="+url.QueryEscape(expr))), &answer); err != nil {
		t.Fatal(err)
	}
	return len(answer.Data.Result)
}

// waitPromQL waits until an expression has series: the scrape and the
// connectors work on their own time.
func (a *allInOne) waitPromQL(t *testing.T, expr string) {
	t.Helper()
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	deadline := time.After(20 * time.Second)
	for a.promQL(t, expr) == 0 {
		select {
		case <-ticker.C:
		case <-deadline:
			t.Fatalf("no series for %s", expr)
		}
	}
}

const resourceJSON = `"resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "shop"}}]}`

// What is sent to the all-in-one collector can be asked for at once, and is
// still there after a restart.
func TestAllInOne(t *testing.T) {
	dir := t.TempDir()
	a := startAllInOne(t, dir)
	now := time.Now()
	id := "0102030405060708090a0b0c0d0e0f10"
	a.send(t, "traces", fmt.Sprintf(`{"resourceSpans": [{%s, "scopeSpans": [{"spans": [{"traceId": %q, "spanId": "0102030405060708",
		"name": "buy", "kind": 2, "startTimeUnixNano": "%d", "endTimeUnixNano": "%d"}]}]}]}`, resourceJSON, id, now.Add(-time.Second).UnixNano(), now.UnixNano()))
	a.send(t, "logs", fmt.Sprintf(`{"resourceLogs": [{%s, "scopeLogs": [{"logRecords": [{"timeUnixNano": "%d", "severityNumber": 9,
		"body": {"stringValue": "sold one"}}]}]}]}`, resourceJSON, now.UnixNano()))
	a.send(t, "metrics", fmt.Sprintf(`{"resourceMetrics": [{%s, "scopeMetrics": [{"metrics": [{"name": "stock", "gauge": {"dataPoints": [
		{"timeUnixNano": "%d", "asInt": "7"}]}}]}]}]}`, resourceJSON, now.UnixNano()))

	check := func(a *allInOne, state string) {
		t.Helper()
		for path, want := range map[string]string{
			"/api/signalbox/v1/traces/" + id:                  "buy",
			"/api/traces/" + id:                               "buy",
			"/api/signalbox/v1/logs?start=now-1h":             "sold one",
			"/api/v1/query?query=" + url.QueryEscape("stock"): `"7"`,
			"/api/signalbox/v1/status":                        fmt.Sprintf(`"otlp http","url":%q`, a.otlp),
			"/metrics":                                        "signalbox_",
		} {
			if got := fetch(t, "http://"+a.query+path); !strings.Contains(got, want) {
				t.Errorf("%s: GET %s: got %s; want %q in it", state, path, got, want)
			}
		}
	}
	check(a, "running")
	a.waitPromQL(t, `traces_span_metrics_calls_total{service_name="shop"}`)
	a.waitPromQL(t, `up == 1 and on() (count(up == 1) == 2)`)
	a.waitPromQL(t, `system_memory_usage_bytes`)
	if err := a.stop(); err != nil {
		t.Fatalf("stopping: %v", err)
	}

	b := startAllInOne(t, dir)
	check(b, "after a restart")
	if err := b.stop(); err != nil {
		t.Fatalf("stopping: %v", err)
	}
}
