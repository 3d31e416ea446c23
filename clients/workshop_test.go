package clients

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"cloud.google.com/go/monitoring/apiv3/v2/monitoringpb"
	"cloud.google.com/go/trace/apiv2/tracepb"
	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"github.com/signalbox-otel/signalbox/internal/collector/googletest"
	"github.com/signalbox-otel/signalbox/internal/collector/kubetest"
)

// A workshop's collector of 2024, as its shell applied it: traces to Cloud Trace,
// pods with annotations scraped to Managed Service for Prometheus. Its exporters
// are left as they are: credentials and project come from the node, Google
// answers at its own names.
func TestWorkshopOf2024(t *testing.T) {
	t.Parallel()
	google := googletest.StartInternet(t)
	target := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/stats" {
			t.Errorf("scrape of %s; want the path of the annotation", r.URL.Path)
		}
		fmt.Fprint(w, "# TYPE guestbook_messages gauge\nguestbook_messages{kind=\"new\"} 2.5\n")
	}))
	t.Cleanup(target.Close)
	wanted := map[string]string{"prometheus.io/scrape": "true", "prometheus.io/path": "/stats", "prometheus.io/port": strconv.Itoa(portOf(t, target.Listener.Addr().String()))}
	api := kubetest.StartPods(t,
		kubetest.Pod{Name: "guestbook-1", Labels: map[string]string{"app": "guestbook"}, Annotations: wanted},
		kubetest.Pod{Name: "other-1"},
		kubetest.Pod{Name: "cilium-1", Labels: map[string]string{"k8s-app": "cilium"}, Annotations: wanted})
	d := deploy(t, "000-collector-applied.yaml")
	overGRPC, overHTTP := freePort(t), freePort(t)
	c := startCollector(t, d, onGoogle(t, google), fmt.Sprintf(`
receivers:
  otlp: {protocols: {grpc: {endpoint: "127.0.0.1:%d"}, http: {endpoint: "127.0.0.1:%d"}}}
  prometheus: {config: {scrape_configs: %s}}
processors: {batch: {timeout: 200ms}}
service: {telemetry: {metrics: {level: none}}}
`, overGRPC, overHTTP, scrapesOf(t, d, api)))

	runExample(t, overGRPC, "example")
	pythonProgram(t, "python", "shop.py").run(t, map[string]string{
		"OTEL_SERVICE_NAME":           "guestbook",
		"OTEL_EXPORTER_OTLP_ENDPOINT": fmt.Sprintf("http://127.0.0.1:%d", overHTTP),
		"OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
	})
	wantSpansAt(t, google.Google, c, "CollectorExporter-Example", "Sample-9", "POST /checkout", "charge card", "reserve stock")
	c.says(t, "Name           : reserve stock") // debug, detailed

	const metric = "prometheus.googleapis.com/guestbook_messages/gauge"
	series := wantSeriesAt(t, google.Google, c, "projects/qwiklabs-gcp-01-0cda8821429a", metric)[metric]
	for name := range series.Metric.Labels {
		if strings.HasPrefix(name, "otel_scope_") {
			delete(series.Metric.Labels, name)
		}
	}
	if diff := cmp.Diff(map[string]string{"app": "guestbook", "kind": "new"}, series.Metric.Labels); diff != "" {
		t.Errorf("labels (-want +got):\n%s", diff)
	}
	if got := series.Points[0].Value.GetDoubleValue(); got != 2.5 {
		t.Errorf("the metric is %v; want 2.5", got)
	}
	if got := series.Resource.Labels["cluster"]; series.Resource.Type != "prometheus_target" || got != "workshop" {
		t.Errorf("resource %v; want that of the cluster", series.Resource)
	}
	wantHosts(t, google, "cloudtrace.googleapis.com:443", "monitoring.googleapis.com:443")
}

// onGoogle is the environment of a pod on a node of Google's.
func onGoogle(t *testing.T, google *googletest.Internet) map[string]string {
	t.Helper()
	return map[string]string{
		"KUBERNETES_SERVICE_HOST": "127.0.0.1", "GCE_METADATA_HOST": googletest.StartMetadata(t),
		"HTTPS_PROXY": google.Proxy, "SSL_CERT_FILE": google.Roots,
	}
}

// scrapesOf gives the scrape_configs of a configuration, as JSON, changed to ask
// another cluster, and every second.
func scrapesOf(t *testing.T, d deployment, api string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(d.dir, d.config))
	if err != nil {
		t.Fatal(err)
	}
	var config struct {
		Receivers struct {
			Prometheus struct {
				Config struct {
					Scrapes []map[string]any `yaml:"scrape_configs"`
				}
			}
		}
	}
	if err := yaml.Unmarshal(text, &config); err != nil {
		t.Fatal(err)
	}
	scrapes := config.Receivers.Prometheus.Config.Scrapes
	scrapes[0]["scrape_interval"] = "1s"
	scrapes[0]["kubernetes_sd_configs"].([]any)[0].(map[string]any)["api_server"] = api
	changed, err := json.Marshal(scrapes)
	if err != nil {
		t.Fatal(err)
	}
	return string(changed)
}

// wantSpansAt waits until Cloud Trace has spans with these names.
func wantSpansAt(t *testing.T, google *googletest.Google, c *collector, names ...string) {
	t.Helper()
	seen := map[string]*tracepb.Span{}
	missing := func(name string) bool { return seen[name] == nil }
	for slices.ContainsFunc(names, missing) {
		r := next(t, fmt.Sprintf("spans %v at Cloud Trace, which has %d others,", names, len(seen)), google.Traces, c)
		if r.Name != "projects/my-project" {
			t.Errorf("spans for %q; want the project of the node", r.Name)
		}
		for _, s := range r.Spans {
			seen[s.DisplayName.GetValue()] = s
		}
	}
}

// wantSeriesAt waits until Cloud Monitoring has metrics of these types, and gives
// the last series of every type that came.
func wantSeriesAt(t *testing.T, google *googletest.Google, c *collector, project string, types ...string) map[string]*monitoringpb.TimeSeries {
	t.Helper()
	seen := map[string]*monitoringpb.TimeSeries{}
	missing := func(kind string) bool { return seen[kind] == nil }
	for slices.ContainsFunc(types, missing) {
		r := next(t, fmt.Sprintf("time series %v, beside %d others,", types, len(seen)), google.Series, c)
		if r.Name != project {
			t.Errorf("time series for %q; want %s", r.Name, project)
		}
		for _, s := range r.TimeSeries {
			seen[s.Metric.Type] = s
		}
	}
	return seen
}

// wantHosts checks which of Google's hosts were asked, and that they were shown
// the credentials of the node.
func wantHosts(t *testing.T, google *googletest.Internet, hosts ...string) {
	t.Helper()
	if diff := cmp.Diff(hosts, google.Asked()); diff != "" {
		t.Errorf("hosts that were asked (-want +got):\n%s", diff)
	}
	if token := <-google.Google.Tokens; token != "Bearer of-the-node" {
		t.Errorf("token is %q; want that of the metadata server", token)
	}
}

// portOf is the port of an address.
func portOf(t *testing.T, addr string) int {
	t.Helper()
	_, text, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	port, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return port
}
