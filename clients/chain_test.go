package clients

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"testing"

	"github.com/signalbox-otel/signalbox/internal/collector/googletest"
	"github.com/signalbox-otel/signalbox/internal/collector/kubetest"
)

// A chain of 2020: an agent on each node takes OpenCensus and scrapes the node's
// pods, a gateway sends to what was called Stackdriver. Both run the command
// lines of then. What they are sent is what was then: a Python program with
// OpenCensus, a gunicorn whose StatsD goes through Prometheus' exporter.
func TestChainOf2020(t *testing.T) {
	t.Parallel()
	google := googletest.StartInternet(t)
	gatewayIn, gatewayHealth := freePort(t), freePort(t)
	gateway := startCollector(t, deploy(t, "004-gateway.yaml"), onGoogle(t, google), fmt.Sprintf(`
receivers: {opencensus: {endpoint: "127.0.0.1:%d"}}
extensions: {health_check: {endpoint: "127.0.0.1:%d"}}
service: {telemetry: {metrics: {level: none}}}
`, gatewayIn, gatewayHealth))

	exporterIn, exporterOut := freeAddr(t, "udp"), freeAddr(t, "tcp")
	background(t, goProgram(t, "statsd_exporter", "../tools/statsdexporter", "github.com/prometheus/statsd_exporter"),
		"--statsd.listen-udp="+exporterIn, "--statsd.listen-tcp=", "--web.listen-address="+exporterOut)
	await(t, "http://"+exporterOut+"/metrics")
	unwanted := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("scrape of %s, which no port of metrics serves", r.URL.Path)
	}))
	t.Cleanup(unwanted.Close)
	agentIn, agentHealth, agentMetrics := freePort(t), freePort(t), freePort(t)
	api := kubetest.StartPods(t,
		kubetest.Pod{Name: "flask-app-1", Node: "node-1", Ports: map[string]int{"statsd-metrics": portOf(t, exporterOut), "http": portOf(t, unwanted.Listener.Addr().String())}},
		kubetest.Pod{Name: "otel-agent-1", Node: "node-1", Ports: map[string]int{"otel-metrics": agentMetrics}},
		kubetest.Pod{Name: "flask-app-2", Node: "node-2", Ports: map[string]int{"statsd-metrics": portOf(t, unwanted.Listener.Addr().String())}})
	d := deploy(t, "004-agent.yaml")
	agent := startCollector(t, d, map[string]string{"NODE_NAME": "node-1", "KUBERNETES_SERVICE_HOST": "127.0.0.1"}, fmt.Sprintf(`
receivers:
  opencensus: {endpoint: "127.0.0.1:%d"}
  prometheus: {config: {scrape_configs: %s}}
exporters: {opencensus: {endpoint: "127.0.0.1:%d"}}
extensions: {health_check: {endpoint: "127.0.0.1:%d"}}
service: {telemetry: {metrics: {readers: [{pull: {exporter: {prometheus: {host: 127.0.0.1, port: %d}}}}]}}}
`, agentIn, scrapesOf(t, d, api), gatewayIn, agentHealth, agentMetrics))
	for _, probed := range []int{gatewayHealth, agentHealth} {
		await(t, fmt.Sprintf("http://127.0.0.1:%d/", probed))
	}

	runGunicorn(t, exporterIn, "flask_app")
	pythonProgram(t, "opencensuspy", "shop.py").run(t, map[string]string{
		"OC_AGENT_HOST": fmt.Sprintf("127.0.0.1:%d", agentIn), "SERVICE_NAME": "flask-app", "METRIC": "custom_metric_example", "PYTHONWARNINGS": "ignore",
	})
	wantSpansAt(t, google.Google, gateway, "POST /checkout", "charge card")
	const prefix = "workload.googleapis.com/"
	series := wantSeriesAt(t, google.Google, gateway, "projects/my-project",
		prefix+"custom_metric_example", prefix+"flask_app_gunicorn_workers", prefix+"otelcol_process_memory_rss")
	if got := series[prefix+"custom_metric_example"].Points[0].Value.GetInt64Value(); got != 3 {
		t.Errorf("custom_metric_example is %d; want 3", got)
	}
	if got := series[prefix+"flask_app_gunicorn_workers"].Points[0].Value.GetDoubleValue(); got != 1 {
		t.Errorf("flask_app_gunicorn_workers is %v; want 1", got)
	}
	wanted := regexp.MustCompile(`^` + prefix + `(otelcol_|flask_app|custom_metric_example$)`)
	for kind := range series {
		if !wanted.MatchString(kind) {
			t.Errorf("%s has come, which the agent's filter does not let through", kind)
		}
	}
	for _, c := range []*collector{agent, gateway} { // the exporter that was called logging
		c.says(t, `"spans": 2`)
		c.says(t, `"data points": `)
	}
	wantHosts(t, google, "cloudtrace.googleapis.com:443", "monitoring.googleapis.com:443")
}

// runGunicorn runs one worker, that serves until the test ends, and asks it once.
func runGunicorn(t *testing.T, statsd, prefix string) {
	t.Helper()
	addr := freeAddr(t, "tcp")
	background(t, program{args: []string{pythonProgram(t, "gunicorn", "app.py").args[0], "-m", "gunicorn"}, dir: "gunicorn"},
		"--bind", addr, "--workers", "1", "--statsd-host", statsd, "--statsd-prefix", prefix, "app:app")
	await(t, "http://"+addr+"/")
}
