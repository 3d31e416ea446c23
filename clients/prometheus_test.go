package clients

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/api"
	promv1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/client_golang/exp/api/remote"
	writev2 "github.com/prometheus/client_golang/exp/api/remote/genproto/v2"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/prompb"
)

// Prometheus' own client sends by remote write, in both versions of the
// protocol, and Prometheus' own API client finds it.
func TestRemoteWrite(t *testing.T) {
	t.Parallel()
	now := time.Now().UnixMilli()
	for _, c := range []struct {
		metric  string
		version remote.WriteMessageType
		message any
	}{
		{"remote_write_v1_jobs_total", remote.WriteV1MessageType, &prompb.WriteRequest{
			Timeseries: []prompb.TimeSeries{{
				Labels: []prompb.Label{
					{Name: "__name__", Value: "remote_write_v1_jobs_total"},
					{Name: "instance", Value: "batch-1"},
					{Name: "job", Value: "batch"},
				},
				Samples: []prompb.Sample{{Value: 1, Timestamp: now - 1000}, {Value: 5, Timestamp: now}},
			}},
		}},
		{"remote_write_v2_jobs_total", remote.WriteV2MessageType, &writev2.Request{
			Symbols: []string{"", "__name__", "remote_write_v2_jobs_total", "instance", "batch-1", "job", "batch"},
			Timeseries: []*writev2.TimeSeries{{
				LabelsRefs: []uint32{1, 2, 3, 4, 5, 6},
				Samples:    []*writev2.Sample{{Value: 1, Timestamp: now - 1000}, {Value: 5, Timestamp: now}},
			}},
		}},
	} {
		t.Run(string(c.version), func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			client, err := remote.NewAPI(box.url("port"))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := client.Write(ctx, c.version, c.message); err != nil {
				t.Fatal(err)
			}
			wantSamples(t, c.metric, []float64{1, 5})
		})
	}
}

// shopMetrics are what a shop tells Prometheus.
const shopMetrics = `# TYPE shop_orders_total counter
shop_orders_total{channel="web"} 3
# TYPE shop_order_value histogram
shop_order_value_bucket{le="25"} 2
shop_order_value_bucket{le="100"} 3
shop_order_value_bucket{le="+Inf"} 3
shop_order_value_sum 89.97
shop_order_value_count 3
`

// Prometheus itself, as Debian has it, forwards what it scrapes.
func TestPrometheusServer(t *testing.T) {
	t.Parallel()
	forwardByPrometheus(t, "prometheus-server", box.addr("port"))
	for expr, want := range map[string]float64{
		`up{job="prometheus-server"}`:                              1,
		`shop_orders_total{job="prometheus-server",channel="web"}`: 3,
		`shop_order_value_bucket{job="prometheus-server",le="25"}`: 2,
		`shop_order_value_sum{job="prometheus-server"}`:            89.97,
	} {
		wantValue(t, expr, want)
	}
}

// forwardByPrometheus has Prometheus scrape a shop and write it to an address,
// and returns the function that ends it once it has scraped three times: what
// came of the first is on its way then.
func forwardByPrometheus(t *testing.T, job, addr string) (stop func()) {
	t.Helper()
	var scrapes atomic.Int32
	thrice := make(chan struct{})
	shop := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if scrapes.Add(1) == 3 {
			close(thrice)
		}
		w.Header().Set("Content-Type", "text/plain; version=0.0.4")
		_, _ = io.WriteString(w, shopMetrics)
	}))
	t.Cleanup(shop.Close)
	_, stop = runPrometheus(t, fmt.Sprintf(`
scrape_configs:
- job_name: %s
  scrape_interval: 1s
  scrape_timeout: 1s
  static_configs: [{targets: [%q], labels: {instance: shop}}]
remote_write:
- url: http://%s/api/v1/write
  queue_config: {batch_send_deadline: 100ms}
  write_relabel_configs: [{source_labels: [__name__], regex: up|shop_.*, action: keep}]
`, job, shop.Listener.Addr(), addr))
	select {
	case <-thrice:
	case <-time.After(time.Minute):
		t.Fatal("Prometheus has not scraped three times within a minute")
	}
	return stop
}

// runPrometheus runs Prometheus itself with a configuration, until the test ends
// or stop is called, and returns the port of its API.
func runPrometheus(t *testing.T, config string) (port int, stop func()) {
	t.Helper()
	need(t, "prometheus")
	dir, port := t.TempDir(), freePort(t)
	file := filepath.Join(dir, "prometheus.yml")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	log := &syncBuffer{}
	cmd := exec.Command("prometheus", "--config.file="+file, "--storage.tsdb.path="+filepath.Join(dir, "data"),
		"--web.listen-address=127.0.0.1:"+strconv.Itoa(port))
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	stop = sync.OnceFunc(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
	})
	t.Cleanup(func() {
		stop()
		if t.Failed() {
			t.Logf("prometheus says:\n%s", log)
		}
	})
	return port, stop
}

// wantSamples asks Prometheus' API client for a series' samples.
func wantSamples(t *testing.T, metric string, want []float64) {
	t.Helper()
	client, err := api.NewClient(api.Config{Address: box.url("port")})
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, func(ctx context.Context) error {
		answer, _, err := promv1.NewAPI(client).Query(ctx, metric+"[5m]", time.Now())
		if err != nil {
			return err
		}
		matrix, ok := answer.(model.Matrix)
		if !ok || len(matrix) != 1 {
			return fmt.Errorf("%s is %v; want one series", metric, answer)
		}
		var got []float64
		for _, sample := range matrix[0].Values {
			got = append(got, float64(sample.Value))
		}
		if diff := cmp.Diff(want, got); diff != "" {
			return fmt.Errorf("samples of %s (-want +got):\n%s", metric, diff)
		}
		return nil
	})
}

func promtool(t *testing.T) program {
	t.Helper()
	return goProgram(t, "promtool", "../tools/promtool", "github.com/prometheus/prometheus/cmd/promtool")
}

// Prometheus' command line pushes samples, and asks for them in every way that
// it knows. (Its --protobuf_message for version 2 is left alone: it sends a
// version 1 body under version 2's name, in which there is nothing to read.)
func TestPromtool(t *testing.T) {
	t.Parallel()
	tool := promtool(t)
	file := filepath.Join(t.TempDir(), "samples")
	samples := "# TYPE promtool_backups_total counter\npromtool_backups_total{host=\"db1\"} 12\npromtool_backups_total{host=\"db2\"} 30\n"
	if err := os.WriteFile(file, []byte(samples), 0o644); err != nil {
		t.Fatal(err)
	}
	server := box.url("port")
	if _, err := tool.output(t, nil, "push", "metrics", "--label", "job=nightly", server, file); err != nil {
		t.Fatal(err)
	}
	const selector = `promtool_backups_total{job="nightly"}`
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"query", "instant", server, "sum(" + selector + ")"}, "{} => 42 @["},
		{[]string{"query", "range", server, selector}, `host="db2"`},
		{[]string{"query", "series", "--match", selector, server}, `{__name__="promtool_backups_total", host="db1", job="nightly"}`},
		{[]string{"query", "labels", "--match", selector, server, "host"}, "db1\ndb2\n"},
	} {
		eventually(t, func(context.Context) error {
			out, err := tool.output(t, nil, c.args...)
			if err == nil && !strings.Contains(out, c.want) {
				err = fmt.Errorf("promtool %q prints %q; want %q in it", c.args, out, c.want)
			}
			return err
		})
	}
}
