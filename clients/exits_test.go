package clients

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/api"
	promv1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/model"
	"go.opentelemetry.io/collector/pdata/ptrace"
)

// collector is one running `signalbox collector`.
type collector struct {
	log   *syncBuffer
	ended chan struct{}
}

// startCollector runs it with these configurations until the test ends, when it
// must stop as it should, and returns when it is ready.
func startCollector(t *testing.T, configs ...string) *collector {
	t.Helper()
	args := []string{"collector"}
	for _, config := range configs {
		args = append(args, "--config", config)
	}
	cmd := exec.Command(binary, args...)
	out, in := io.Pipe()
	cmd.Stdout, cmd.Stderr = in, in
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	c := &collector{log: &syncBuffer{}, ended: make(chan struct{})}
	ready := make(chan struct{})
	go func() {
		lines := bufio.NewScanner(out)
		lines.Buffer(nil, 1<<20)
		for told := false; lines.Scan(); {
			fmt.Fprintln(c.log, lines.Text())
			if !told && strings.Contains(lines.Text(), "Everything is ready") {
				close(ready)
				told = true
			}
		}
	}()
	go func() {
		_ = cmd.Wait()
		in.Close()
		close(c.ended)
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-c.ended:
			if !cmd.ProcessState.Success() {
				t.Errorf("signalbox collector ended with %s:\n%s", cmd.ProcessState, c.log)
			}
		case <-time.After(30 * time.Second):
			_ = cmd.Process.Kill()
			t.Errorf("signalbox collector did not stop:\n%s", c.log)
		}
	})
	select {
	case <-ready:
	case <-c.ended:
		t.Fatalf("signalbox collector did not start:\n%s", c.log)
	case <-time.After(30 * time.Second):
		t.Fatalf("signalbox collector is not ready after 30 s:\n%s", c.log)
	}
	return c
}

// freePort finds a port of localhost.
func freePort(t *testing.T) int {
	t.Helper()
	l, port, err := listenBelow(func(addr string) (io.Closer, error) { return net.Listen("tcp", addr) })
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	return port
}

// postOTLP sends a request as JSON to a collector.
func postOTLP(t *testing.T, port int, signal string, body string) {
	t.Helper()
	resp, err := http.Post(fmt.Sprintf("http://127.0.0.1:%d/v1/%s", port, signal), "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(resp.Body)
		t.Fatalf("%s: %s: %s", signal, resp.Status, text)
	}
}

// postTrace sends a trace and gives its id.
func postTrace(t *testing.T, port int) string {
	t.Helper()
	td := newTrace("exit")
	body, err := (&ptrace.JSONMarshaler{}).MarshalTraces(td)
	if err != nil {
		t.Fatal(err)
	}
	postOTLP(t, port, "traces", string(body))
	return traceID(td).String()
}

// wantTraceOf waits until the shared Signalbox has a trace.
func wantTraceOf(t *testing.T, id string, c *collector) {
	t.Helper()
	eventually(t, func(ctx context.Context) error {
		td, err := box.trace(ctx, id)
		if err == nil && td.SpanCount() == 0 {
			err = fmt.Errorf("trace %s has not come; the collector says:\n%s", id, c.log)
		}
		return err
	})
}

// startPrometheus runs Prometheus itself, that scrapes one port every second.
func startPrometheus(t *testing.T, target int) promv1.API {
	t.Helper()
	need(t, "prometheus")
	dir, port := t.TempDir(), freePort(t)
	config := filepath.Join(dir, "prometheus.yml")
	if err := os.WriteFile(config, fmt.Appendf(nil, `
scrape_configs:
- job_name: collector
  scrape_interval: 1s
  scrape_timeout: 1s
  static_configs: [{targets: ["127.0.0.1:%d"]}]
`, target), 0o600); err != nil {
		t.Fatal(err)
	}
	log := &syncBuffer{}
	cmd := exec.Command("prometheus", "--config.file="+config, "--storage.tsdb.path="+filepath.Join(dir, "data"),
		"--web.listen-address=127.0.0.1:"+strconv.Itoa(port))
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("prometheus says:\n%s", log)
		}
	})
	client, err := api.NewClient(api.Config{Address: fmt.Sprintf("http://127.0.0.1:%d", port)})
	if err != nil {
		t.Fatal(err)
	}
	return promv1.NewAPI(client)
}

// A manifest of 2023 with a collector of 2020: exporters jaeger and logging, TLS
// keys of then, a flag that is gone. It runs as the document has it; the overlay
// names the peers that are here. A real Prometheus reads its metrics.
func TestTutorialOf2020(t *testing.T) {
	t.Parallel()
	otlp, metrics := freePort(t), freePort(t)
	c := startCollector(t, "testdata/tutorial-2020.yaml", "yaml:"+fmt.Sprintf(`
receivers: {otlp: {protocols: {grpc: {endpoint: "127.0.0.1:%d"}, http: {endpoint: "127.0.0.1:%d"}}}}
extensions: {health_check: {endpoint: "127.0.0.1:%d"}}
exporters: {jaeger: {endpoint: "127.0.0.1:%d"}, prometheus: {endpoint: "127.0.0.1:%d"}}
service: {telemetry: {metrics: {level: none}}}
`, freePort(t), otlp, freePort(t), box.ports["jaeger-grpc-port"], metrics))
	wantTraceOf(t, postTrace(t, otlp), c)

	postOTLP(t, otlp, "metrics", fmt.Sprintf(`{"resourceMetrics": [{
  "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "shop"}}]},
  "scopeMetrics": [{"metrics": [{"name": "orders", "unit": "{order}", "sum": {"isMonotonic": true, "aggregationTemporality": 2, "dataPoints": [
    {"asInt": "7", "timeUnixNano": "%d", "attributes": [{"key": "kind", "value": {"stringValue": "book"}}]}]}}]}]}]}`, time.Now().UnixNano()))
	prometheus := startPrometheus(t, metrics)
	eventually(t, func(ctx context.Context) error {
		answer, _, err := prometheus.Query(ctx, `default_orders_total{kind="book", exported_job="shop"}`, time.Now())
		if err != nil {
			return err
		}
		samples, ok := answer.(model.Vector)
		if !ok || len(samples) != 1 || samples[0].Value != 7 {
			return fmt.Errorf("prometheus answers %v; want one series with 7; the collector says:\n%s", answer, c.log)
		}
		return nil
	})
	if !strings.Contains(c.log.String(), "default_orders") && !strings.Contains(c.log.String(), `"data points": 1`) {
		t.Errorf("the exporter that was called logging says nothing:\n%s", c.log)
	}
}

// A blog's configuration of 2024, whose exporters have names with two slashes,
// each sending to another signalbox.
func TestBlogOf2024(t *testing.T) {
	t.Parallel()
	otlp, self := freePort(t), freePort(t)
	peer := fmt.Sprintf("{endpoint: %q}", box.addr("otlp-grpc-port"))
	c := startCollector(t, "testdata/blog-2024.yaml", "yaml:"+fmt.Sprintf(`
receivers: {otlp: {protocols: {grpc: {endpoint: "127.0.0.1:%d"}, http: {endpoint: "127.0.0.1:%d"}}}}
processors: {batch: {timeout: 100ms}}
exporters: {otlp/jaeger/A: %s, otlp/jaeger/B: %[3]s, otlp/python/C: %[3]s}
service: {telemetry: {metrics: {readers: [{pull: {exporter: {prometheus: {host: 127.0.0.1, port: %[4]d}}}}]}}}
`, freePort(t), otlp, peer, self))
	wantTraceOf(t, postTrace(t, otlp), c)
	eventually(t, func(ctx context.Context) error {
		text, err := scraped(ctx, self)
		if err != nil {
			return err
		}
		for _, exporter := range []string{"otlp/jaeger/A", "otlp/jaeger/B", "otlp/python/C", "debug"} {
			if !sent(text, exporter) {
				return fmt.Errorf("exporter %s has sent nothing; the collector says:\n%s", exporter, c.log)
			}
		}
		return nil
	})
}

// sent reports whether an exporter has counted one span.
func sent(metrics, exporter string) bool {
	for line := range strings.Lines(metrics) {
		if strings.HasPrefix(line, "otelcol_exporter_sent_spans") && strings.Contains(line, fmt.Sprintf("exporter=%q", exporter)) {
			return strings.HasSuffix(line, " 1\n")
		}
	}
	return false
}

// scraped gives the metrics of a collector itself.
func scraped(ctx context.Context, port int) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("http://127.0.0.1:%d/metrics", port), nil)
	if err != nil {
		return "", err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return string(text), err
}
