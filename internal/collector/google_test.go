package collector

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"cloud.google.com/go/monitoring/apiv3/v2/monitoringpb"
	"cloud.google.com/go/trace/apiv2/tracepb"
	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"github.com/signalbox-otel/signalbox/internal/collector/googletest"
	"github.com/signalbox-otel/signalbox/internal/collector/kubetest"
)

const (
	traceID  = "0af7651916cd43dd8448eb211c80319c"
	parentID = "b7ad6b7169203331"
	spanID   = "00f067aa0ba902b7"
)

// twoSpans are a server's span and the query that it made.
const twoSpans = `{"resourceSpans": [{
  "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "shop"}}]},
  "scopeSpans": [{"scope": {"name": "lib"}, "spans": [
    {"traceId": "` + traceID + `", "spanId": "` + parentID + `", "name": "GET /cart", "kind": 2,
     "startTimeUnixNano": "1700000000000000000", "endTimeUnixNano": "1700000001500000000",
     "attributes": [{"key": "http.method", "value": {"stringValue": "GET"}}, {"key": "items", "value": {"intValue": "3"}}]},
    {"traceId": "` + traceID + `", "spanId": "` + spanID + `", "parentSpanId": "` + parentID + `", "name": "SELECT", "kind": 3,
     "startTimeUnixNano": "1700000000100000000", "endTimeUnixNano": "1700000000200000000",
     "status": {"code": 2, "message": "deadlock"}}]}]}]}`

// checkTwoSpans checks what Cloud Trace gets of twoSpans.
func checkTwoSpans(t *testing.T, project string, got *tracepb.BatchWriteSpansRequest) {
	t.Helper()
	if want := "projects/" + project; got.Name != want || len(got.Spans) != 2 {
		t.Fatalf("got %d spans for %q; want 2 for %q", len(got.Spans), got.Name, want)
	}
	server, query := got.Spans[0], got.Spans[1]
	for _, c := range []struct{ what, got, want string }{
		{"name", server.Name, "projects/" + project + "/traces/" + traceID + "/spans/" + parentID},
		{"span id", server.SpanId, parentID},
		{"parent", server.ParentSpanId, ""},
		{"display name", server.DisplayName.GetValue(), "GET /cart"},
		{"kind", server.SpanKind.String(), "SERVER"},
		{"method", server.Attributes.AttributeMap["/http/method"].GetStringValue().GetValue(), "GET"},
		{"items", fmt.Sprint(server.Attributes.AttributeMap["items"].GetIntValue()), "3"},
		{"service", server.Attributes.AttributeMap["service.name"].GetStringValue().GetValue(), "shop"},
		{"start", server.StartTime.AsTime().UTC().String(), "2023-11-14 22:13:20 +0000 UTC"},
		{"end", server.EndTime.AsTime().UTC().String(), "2023-11-14 22:13:21.5 +0000 UTC"},
		{"name of the query", query.Name, "projects/" + project + "/traces/" + traceID + "/spans/" + spanID},
		{"parent of the query", query.ParentSpanId, parentID},
		{"kind of the query", query.SpanKind.String(), "CLIENT"},
		{"status of the query", query.Status.GetMessage(), "deadlock"},
	} {
		if c.got != c.want {
			t.Errorf("%s: got %q; want %q", c.what, c.got, c.want)
		}
	}
}

// workshop is the document of the workshop, as it is before a shell reads it.
const workshop = "../migrate/testdata/seeds/000-collector.yaml"

// The workshop's configuration, as its document has it, against servers that
// implement Google's services. The overlay says where they are, which cluster to
// ask for pods, and not to take half a minute.
func TestGoogleCloudWorkshop(t *testing.T) {
	google := googletest.Start(t)
	metadata := googletest.StartMetadata(t)
	var orders atomic.Int64
	target := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/stats" {
			t.Errorf("scrape of %s; want the path of the annotation", r.URL.Path)
		}
		fmt.Fprintf(w, "# TYPE shop_orders_total counter\nshop_orders_total{kind=\"book\"} %d\n# TYPE shop_stock gauge\nshop_stock 2.5\n", orders.Add(7))
	}))
	defer target.Close()
	api := workshopPods(t, target.Listener.Addr().String())
	otlp, self := freePort(t), freePort(t)

	overlay := fmt.Sprintf(`
receivers:
  otlp: {protocols: {http: {endpoint: %q}, grpc: {endpoint: "127.0.0.1:0"}}}
  prometheus: {config: {scrape_configs: %s}}
processors: {batch: {timeout: 200ms}}
exporters:
  googlecloud: {project: my-project, trace: {endpoint: %q, use_insecure: true}}
  googlemanagedprometheus: {metric: {endpoint: %[3]q, use_insecure: true}}
service: {telemetry: {metrics: {readers: [{pull: {exporter: {prometheus: {host: 127.0.0.1, port: %[4]s}}}}]}}}
`, otlp, workshopScrapes(t, api), google.Addr, self[strings.LastIndex(self, ":")+1:])
	c := startProcess(t, map[string]string{
		"PROJECT_ID": "metrics-project", "GCE_METADATA_HOST": metadata, "KUBERNETES_SERVICE_HOST": "127.0.0.1",
	}, workshop, "yaml:"+overlay)

	post(t, otlp, "traces", twoSpans)
	checkTwoSpans(t, "my-project", next(t, "spans", google.Traces, c))
	checkWorkshopMetrics(t, google, c)
	if log := c.log(); !strings.Contains(log, "Name           : GET /cart") {
		t.Errorf("debug printed nothing of the spans:\n%s", log)
	}
	if strings.Contains(c.log(), "alias is deprecated") {
		t.Error("warns of the name resourcedetection")
	}
	c.stop(t)
	for len(google.Tokens) > 0 {
		if token := <-google.Tokens; token != "" {
			t.Errorf("sent token %q to a server without TLS", token)
		}
	}
	if len(google.Descriptors)+len(google.ServiceSeries)+len(google.Logs) > 0 {
		t.Error("Managed Service for Prometheus got more calls than CreateTimeSeries")
	}
}

// checkWorkshopMetrics waits until both metrics of the pod have come.
func checkWorkshopMetrics(t *testing.T, google *googletest.Google, c *process) {
	t.Helper()
	seen := map[string]*monitoringpb.TimeSeries{}
	const orders, stock = "prometheus.googleapis.com/shop_orders_total/counter", "prometheus.googleapis.com/shop_stock/gauge"
	// What Google gets of a counter begins with the first scrape.
	for seen[orders] == nil || seen[stock] == nil || seen[orders].Points[0].Value.GetDoubleValue() < 7 {
		r := next(t, "time series", google.Series, c)
		if r.Name != "projects/metrics-project" {
			t.Errorf("time series for %q; want the project of the exporter", r.Name)
		}
		for _, s := range r.TimeSeries {
			seen[s.Metric.Type] = s
		}
	}
	for metric, want := range map[string]struct {
		labels map[string]string
		kind   string
		step   float64 // the value is a multiple of it
	}{
		orders: {map[string]string{"app": "shop", "kind": "book"}, "CUMULATIVE", 7},
		stock:  {map[string]string{"app": "shop"}, "GAUGE", 2.5},
	} {
		s := seen[metric]
		delete(s.Metric.Labels, "otel_scope_name")
		delete(s.Metric.Labels, "otel_scope_version")
		if d := cmp.Diff(want.labels, s.Metric.Labels); d != "" {
			t.Errorf("labels of %s: want, got:%s", metric, d)
		}
		value := s.Points[0].Value.GetDoubleValue()
		if s.MetricKind.String() != want.kind || value <= 0 || math.Mod(value, want.step) != 0 {
			t.Errorf("%s is %s %v; want %s, a multiple of %v", metric, s.MetricKind, value, want.kind, want.step)
		}
		resource := s.Resource.Labels
		if _, port, err := net.SplitHostPort(resource["instance"]); err != nil || port == "" {
			t.Errorf("instance is %q", resource["instance"])
		}
		delete(resource, "instance")
		if d := cmp.Diff(map[string]string{"cluster": "workshop", "location": "asia-east1-c", "namespace": "demo", "job": "k8s_pods"}, resource); d != "" || s.Resource.Type != "prometheus_target" {
			t.Errorf("resource %s of %s: want, got:%s", s.Resource.Type, metric, d)
		}
	}
}

// workshopScrapes are the workshop's scrape_configs, that ask another cluster
// and more often.
func workshopScrapes(t *testing.T, api string) string {
	t.Helper()
	document, err := os.ReadFile(workshop)
	if err != nil {
		t.Fatal(err)
	}
	var resource struct{ Spec struct{ Config string } }
	if err := yaml.Unmarshal(document, &resource); err != nil {
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
	if err := yaml.Unmarshal([]byte(resource.Spec.Config), &config); err != nil {
		t.Fatal(err)
	}
	scrapes := config.Receivers.Prometheus.Config.Scrapes
	scrapes[0]["scrape_interval"] = "1s"
	scrapes[0]["kubernetes_sd_configs"].([]any)[0].(map[string]any)["api_server"] = api
	text, err := json.Marshal(scrapes)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// workshopPods are a cluster: one pod that wants to be scraped at a port, one that
// does not, one of cilium, which does and must not.
func workshopPods(t *testing.T, target string) string {
	t.Helper()
	_, port, err := net.SplitHostPort(target)
	if err != nil {
		t.Fatal(err)
	}
	wanted := map[string]string{"prometheus.io/scrape": "true", "prometheus.io/path": "/stats", "prometheus.io/port": port}
	return kubetest.StartPods(t,
		kubetest.Pod{Name: "shop-1", Labels: map[string]string{"app": "shop"}, Annotations: wanted},
		kubetest.Pod{Name: "other-1", Labels: map[string]string{"app": "other"}},
		kubetest.Pod{Name: "cilium-1", Labels: map[string]string{"k8s-app": "cilium"}, Annotations: wanted})
}

// The exporter for metrics and logs, with descriptors and, where it is asked to,
// as a service of Google's own.
func TestGoogleCloudMetricsAndLogs(t *testing.T) {
	google := googletest.Start(t)
	otlp := freePort(t)
	c := startProcess(t, map[string]string{"GCE_METADATA_HOST": googletest.StartMetadata(t)}, "yaml:"+fmt.Sprintf(`
receivers: {otlp: {protocols: {http: {endpoint: %q}}}}
exporters:
  googlecloud:
    project: my-project
    metric: {endpoint: %q, use_insecure: true}
    log: {endpoint: %[2]q, use_insecure: true, default_log_name: shop/log}
  googlecloud/service:
    project: my-project
    metric: {endpoint: %[2]q, use_insecure: true, prefix: custom.googleapis.com/mine, create_service_timeseries: true, skip_create_descriptor: true}
service:
  telemetry: {metrics: {level: none}}
  pipelines:
    metrics: {receivers: [otlp], exporters: [googlecloud, googlecloud/service]}
    logs: {receivers: [otlp], exporters: [googlecloud]}
`, otlp, google.Addr))
	post(t, otlp, "metrics", `{"resourceMetrics": [{
  "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "shop"}}, {"key": "service.instance.id", "value": {"stringValue": "1"}}]},
  "scopeMetrics": [{"metrics": [{"name": "queue.length", "unit": "1", "description": "orders that wait", "gauge": {"dataPoints": [
    {"asInt": "4", "timeUnixNano": "1700000000000000000", "attributes": [{"key": "kind", "value": {"stringValue": "book"}}]}]}}]}]}]}`)
	descriptor := next(t, "descriptor", google.Descriptors, c)
	if d := descriptor.MetricDescriptor; descriptor.Name != "projects/my-project" || d.Type != "workload.googleapis.com/queue.length" || d.Description != "orders that wait" {
		t.Errorf("descriptor %v", descriptor)
	}
	for series, want := range map[*monitoringpb.CreateTimeSeriesRequest]string{
		next(t, "time series", google.Series, c):                "workload.googleapis.com/queue.length",
		next(t, "service time series", google.ServiceSeries, c): "custom.googleapis.com/mine/queue.length",
	} {
		s := series.TimeSeries[0]
		if series.Name != "projects/my-project" || s.Metric.Type != want || s.Metric.Labels["kind"] != "book" || s.Points[0].Value.GetInt64Value() != 4 {
			t.Errorf("time series %v; want type %s", series, want)
		}
		if s.Resource.Type != "generic_task" || s.Resource.Labels["job"] != "shop" || s.Resource.Labels["task_id"] != "1" {
			t.Errorf("resource %v", s.Resource)
		}
	}
	post(t, otlp, "logs", `{"resourceLogs": [{
  "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "shop"}}]},
  "scopeLogs": [{"logRecords": [{"timeUnixNano": "1700000000000000000", "severityNumber": 17, "body": {"stringValue": "out of stock"},
    "traceId": "`+traceID+`", "spanId": "`+spanID+`", "attributes": [{"key": "kind", "value": {"stringValue": "book"}}]}]}]}]}`)
	entries := next(t, "log entries", google.Logs, c).Entries
	if len(entries) != 1 {
		t.Fatalf("got %d entries; want 1", len(entries))
	}
	for _, check := range []struct{ what, got, want string }{
		{"log", entries[0].LogName, "projects/my-project/logs/shop%2Flog"},
		{"text", entries[0].GetTextPayload(), "out of stock"},
		{"severity", entries[0].Severity.String(), "ERROR"},
		{"trace", entries[0].Trace, "projects/my-project/traces/" + traceID},
		{"span", entries[0].SpanId, spanID},
		{"label", entries[0].Labels["kind"], "book"},
		{"resource", entries[0].Resource.Type, "generic_node"},
	} {
		if check.got != check.want {
			t.Errorf("%s: got %q; want %q", check.what, check.got, check.want)
		}
	}
	c.stop(t)
}

// The name and keys of 2020.
func TestStackdriver(t *testing.T) {
	google := googletest.Start(t)
	otlp := freePort(t)
	c := startProcess(t, map[string]string{"GCE_METADATA_HOST": googletest.StartMetadata(t)}, "yaml:"+fmt.Sprintf(`
receivers: {otlp: {protocols: {http: {endpoint: %q}}}}
processors: {queued_retry: }
exporters:
  stackdriver: {project: my-project, endpoint: %q, use_insecure: true, metric_prefix: custom.googleapis.com/old, skip_create_metric_descriptor: true}
service:
  telemetry: {metrics: {level: none}}
  pipelines:
    traces: {receivers: [otlp], processors: [queued_retry], exporters: [stackdriver]}
    metrics: {receivers: [otlp], exporters: [stackdriver]}
`, otlp, google.Addr))
	post(t, otlp, "traces", twoSpans)
	checkTwoSpans(t, "my-project", next(t, "spans", google.Traces, c))
	post(t, otlp, "metrics", `{"resourceMetrics": [{"scopeMetrics": [{"metrics": [{"name": "stock", "gauge": {"dataPoints": [
    {"asInt": "4", "timeUnixNano": "1700000000000000000"}]}}]}]}]}`)
	series := next(t, "time series", google.Series, c)
	if series.Name != "projects/my-project" || series.TimeSeries[0].Metric.Type != "custom.googleapis.com/old/stock" {
		t.Errorf("time series %v", series)
	}
	if len(google.Descriptors) > 0 {
		t.Error("a descriptor, although skip_create_metric_descriptor is set")
	}
	c.stop(t)
}

// The bare exporter, as the documents of 2020 and 2024 have it: credentials and project
// from the metadata server, TLS to Google's own names.
func TestGoogleCloudBare(t *testing.T) {
	in := googletest.StartInternet(t)
	otlp := freePort(t)
	c := startProcess(t, map[string]string{
		"GCE_METADATA_HOST": googletest.StartMetadata(t), "HTTPS_PROXY": in.Proxy, "SSL_CERT_FILE": in.Roots,
	}, "yaml:"+fmt.Sprintf(`
receivers: {otlp: {protocols: {http: {endpoint: %q}}}}
exporters: {googlecloud: }
service:
  telemetry: {metrics: {level: none}}
  pipelines: {traces: {receivers: [otlp], exporters: [googlecloud]}}
`, otlp))
	post(t, otlp, "traces", twoSpans)
	checkTwoSpans(t, "my-project", next(t, "spans", in.Google.Traces, c))
	if token := <-in.Google.Tokens; token != "Bearer of-the-node" {
		t.Errorf("token is %q; want that of the metadata server", token)
	}
	if !slices.Contains(in.Asked(), "cloudtrace.googleapis.com:443") {
		t.Errorf("asked the proxy for %v; want cloudtrace.googleapis.com", in.Asked())
	}
	c.stop(t)
}

// An exporter without credentials stands by while the other one works, and
// starts when they are there.
func TestGoogleCloudCredentialsComeLater(t *testing.T) {
	in := googletest.StartInternet(t)
	otlp, self := freePort(t), freePort(t)
	peer := make(chan string, 10)
	other := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { peer <- r.URL.Path }))
	defer other.Close()
	key := filepath.Join(t.TempDir(), "key.json")
	c := startProcess(t, map[string]string{
		"GOOGLE_APPLICATION_CREDENTIALS": key, "HTTPS_PROXY": in.Proxy, "SSL_CERT_FILE": in.Roots,
	}, "yaml:"+fmt.Sprintf(`
receivers: {otlp: {protocols: {http: {endpoint: %q}}}}
exporters:
  googlecloud:
  otlp_http: {endpoint: %q}
service:
  telemetry: {metrics: {readers: [{pull: {exporter: {prometheus: {host: 127.0.0.1, port: %s}}}}]}}
  pipelines: {traces: {receivers: [otlp], exporters: [googlecloud, otlp_http]}}
`, otlp, other.URL, self[strings.LastIndex(self, ":")+1:]))
	post(t, otlp, "traces", twoSpans)
	if path := next(t, "spans at the other exporter", peer, c); path != "/v1/traces" {
		t.Errorf("the other exporter sent to %s", path)
	}
	for name, want := range map[string]string{"signalbox_exporter_not_started": "1", "signalbox_exporter_held_items": "2"} {
		if got := scrapedValue(t, self, name); got != want {
			t.Errorf("%s is %q while there are no credentials; want %s", name, got, want)
		}
	}
	for _, want := range []string{"exporter has not started; trying again, and holding its data back", "key.json: no such file or directory; mount the file, or correct its path"} {
		if !strings.Contains(c.log(), want) {
			t.Errorf("the log does not say %q:\n%s", want, c.log())
		}
	}
	writeServiceAccount(t, key)
	checkTwoSpans(t, "key-project", next(t, "spans that were held", in.Google.Traces, c))
	if token := <-in.Google.Tokens; !strings.HasPrefix(token, "Bearer ") {
		t.Errorf("token is %q", token)
	}
	if got := scrapedValue(t, self, "signalbox_exporter_not_started"); got != "0" {
		t.Errorf("signalbox_exporter_not_started is %q after the start; want 0", got)
	}
	c.stop(t)
}

// writeServiceAccount writes the key file of a service account.
func writeServiceAccount(t *testing.T, file string) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	id := make([]byte, 8)
	_, _ = rand.Read(id)
	text, err := json.Marshal(map[string]string{
		"type": "service_account", "project_id": "key-project", "private_key_id": hex.EncodeToString(id),
		"private_key":  string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})),
		"client_email": "otel@key-project.iam.gserviceaccount.com", "client_id": "1",
		"token_uri": "https://oauth2.googleapis.com/token", "universe_domain": "googleapis.com",
	})
	if err != nil {
		t.Fatal(err)
	}
	// At once, so that nobody reads half a file.
	if err := os.WriteFile(file+".new", text, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(file+".new", file); err != nil {
		t.Fatal(err)
	}
}

// scrapedValue is the value of the first series of a metric, "" without any.
func scrapedValue(t *testing.T, addr, name string) string {
	t.Helper()
	for line := range strings.Lines(fetch(t, "http://"+addr+"/metrics")) {
		if strings.HasPrefix(line, name+"{") {
			fields := strings.Fields(line)
			return fields[len(fields)-1]
		}
	}
	return ""
}
