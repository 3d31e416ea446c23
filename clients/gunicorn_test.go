package clients

import (
	"bytes"
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
	"testing"
)

// gunicornConfig takes StatsD itself, and scrapes the exporter that tutorials
// run beside gunicorn.
const gunicornConfig = `
receivers:
  statsd:
    endpoint: %s
    aggregation_interval: 200ms
    enable_ip_only_aggregation: true
    timer_histogram_mapping:
      - statsd_type: timing
        observer_type: summary
  prometheus:
    config:
      scrape_configs:
        - job_name: statsd-exporter
          scrape_interval: 200ms
          scrape_timeout: 200ms
          static_configs:
            - targets: [%q]
service:
  pipelines:
    metrics:
      receivers: [otlp, statsd, prometheus]
`

// A real gunicorn reaches the store through our receiver and through Prometheus'
// exporter, and its metrics have the same names on both ways.
func TestGunicorn(t *testing.T) {
	t.Parallel()
	statsd, exporterIn, exporterOut := freeAddr(t, "udp"), freeAddr(t, "udp"), freeAddr(t, "tcp")
	dir := t.TempDir()
	config := filepath.Join(dir, "gunicorn.yaml")
	if err := os.WriteFile(config, fmt.Appendf(nil, gunicornConfig, statsd, exporterOut), 0o644); err != nil {
		t.Fatal(err)
	}
	s := startOwn(t, filepath.Join(dir, "data"), "--config", config)
	exporter := goProgram(t, "statsd_exporter", "../tools/statsdexporter", "github.com/prometheus/statsd_exporter")
	background(t, exporter, "--statsd.listen-udp="+exporterIn, "--statsd.listen-tcp=", "--web.listen-address="+exporterOut)
	await(t, "http://"+exporterOut+"/metrics")

	gunicorn := pythonProgram(t, "gunicorn", "app.py")
	for _, to := range []string{statsd, exporterIn} {
		addr := freeAddr(t, "tcp")
		background(t, program{args: []string{gunicorn.args[0], "-m", "gunicorn"}, dir: "gunicorn"},
			"--bind", addr, "--workers", "2", "--statsd-host", to, "--statsd-prefix", "flask-app-tutorial", "app:app")
		await(t, "http://"+addr+"/") // the first of the requests
		for i := range 20 {
			path, want := "/", http.StatusOK
			if i == 0 {
				path, want = "/missing", http.StatusNotFound
			}
			res, err := http.Get("http://" + addr + path)
			if err != nil {
				t.Fatal(err)
			}
			res.Body.Close()
			if res.StatusCode != want {
				t.Fatalf("GET %s: got %s; want %d", path, res.Status, want)
			}
		}
	}
	for _, way := range []string{`job=""`, `job="statsd-exporter"`} {
		for metric, want := range map[string]float64{
			"flask_app_tutorial_gunicorn_workers":            2,
			"flask_app_tutorial_gunicorn_requests":           21,
			"flask_app_tutorial_gunicorn_request_status_200": 20,
			"flask_app_tutorial_gunicorn_request_status_404": 1,
		} {
			expr := fmt.Sprintf("%s{%s}", metric, way)
			s.wantValue(t, expr, want)
		}
	}
	// The receiver's summaries are of one interval each: their count is no total.
	for expr, want := range map[string]float64{
		`flask_app_tutorial_gunicorn_request_duration_count{job="statsd-exporter"}`:              21,
		`max_over_time(flask_app_tutorial_gunicorn_request_duration_count{job=""}[5m]) > bool 0`: 1,
	} {
		s.wantValue(t, expr, want)
	}
	stopOwn(t, s)
}

// background runs a program until the test ends.
func background(t *testing.T, p program, args ...string) {
	t.Helper()
	cmd := exec.Command(p.args[0], append(p.args[1:len(p.args):len(p.args)], args...)...)
	cmd.Dir = p.dir
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt) // gunicorn ends its workers
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("%s:\n%s", strings.Join(cmd.Args, " "), &out)
		}
	})
}

// await returns once url answers.
func await(t *testing.T, url string) {
	t.Helper()
	eventually(t, func(ctx context.Context) error {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			return err
		}
		return res.Body.Close()
	})
}

// freeAddr is an address of the loopback that nobody listens on now.
func freeAddr(t *testing.T, network string) string {
	t.Helper()
	c, port, err := listenBelow(func(addr string) (io.Closer, error) {
		if network == "udp" {
			return net.ListenPacket(network, addr)
		}
		return net.Listen(network, addr)
	})
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
}
