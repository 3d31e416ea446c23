package metrics

import (
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	promv1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/model"
	"go.opentelemetry.io/collector/pdata/pmetric"
)

// filled opens a database with two points of a counter, a gauge and a histogram.
func filled(t *testing.T) *DB {
	t.Helper()
	db := open(t, t.TempDir(), testOptions())
	const cumulative = pmetric.AggregationTemporalityCumulative
	appendAll(t, db,
		sum(t, "http.server.requests", cumulative, now.Add(-time.Hour), now.Add(-time.Minute), 10),
		sum(t, "http.server.requests", cumulative, now.Add(-time.Hour), now, 70),
		gauge(t, shop, "process.memory.usage", now, 4096),
		classic(t, cumulative, now, []uint64{6, 3, 1}, 5.5))
	return db
}

// Prometheus' own Go client understands every answer.
func TestPrometheusClient(t *testing.T) {
	db := filled(t)
	c, _ := client(t, db)
	ctx := t.Context()
	series := model.LabelSet{
		"__name__": "http_server_requests_total", "http_route": "/cart", "instance": "cart-0",
		"job": "shop/cart", "k8s_pod_name": "cart-7d9f", "service_version": "2.1",
	}
	names := model.LabelValues{
		"http_server_request_duration_seconds_bucket", "http_server_request_duration_seconds_count",
		"http_server_request_duration_seconds_sum", "http_server_requests_total", "process_memory_usage_bytes", "target_info",
	}

	check := func(what string, got, want any, err error) {
		t.Helper()
		if err != nil {
			t.Errorf("%s: %v", what, err)
		} else if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s (-want +got):\n%s", what, d)
		}
	}
	v, warnings, err := c.Query(ctx, "http_server_requests_total", now)
	check("query", v, model.Value(model.Vector{{Metric: model.Metric(series), Value: 70, Timestamp: mtime(now)}}), err)
	check("query warnings", warnings, promv1.Warnings(nil), nil)

	v, _, err = c.QueryRange(ctx, "sum(http_server_requests_total)", promv1.Range{Start: now.Add(-time.Minute), End: now, Step: time.Minute})
	check("query_range", v, model.Value(model.Matrix{{
		Metric: model.Metric{},
		Values: []model.SamplePair{{Timestamp: mtime(now.Add(-time.Minute)), Value: 10}, {Timestamp: mtime(now), Value: 70}},
	}}), err)

	sets, _, err := c.Series(ctx, []string{"http_server_requests_total"}, now.Add(-time.Hour), now)
	check("series", sets, []model.LabelSet{series}, err)

	labels, _, err := c.LabelNames(ctx, nil, now.Add(-time.Hour), now)
	check("labels", labels, model.LabelNames{"__name__", "cloud_region", "http_route", "instance", "job", "k8s_pod_name", "le", "service_version"}, err)

	values, _, err := c.LabelValues(ctx, "__name__", nil, now.Add(-time.Hour), now)
	check("label values", values, names, err)

	md, err := c.Metadata(ctx, "http_server_requests_total", "")
	check("metadata of one metric", md, map[string][]promv1.Metadata{
		"http_server_requests_total": {{Type: promv1.MetricTypeCounter, Help: "Requests answered."}},
	}, err)
	md, err = c.Metadata(ctx, "", "2")
	check("metadata, limited", md, map[string][]promv1.Metadata{
		"http_server_request_duration_seconds": {{Type: promv1.MetricTypeHistogram, Unit: "seconds"}},
		"http_server_requests_total":           {{Type: promv1.MetricTypeCounter, Help: "Requests answered."}},
	}, err)

	exemplars, err := c.QueryExemplars(ctx, "http_server_request_duration_seconds_bucket", now.Add(-time.Hour), now)
	check("exemplars", exemplars, []promv1.ExemplarQueryResult{{
		SeriesLabels: model.LabelSet{
			"__name__": "http_server_request_duration_seconds_bucket", "le": "1", "instance": "cart-0",
			"job": "shop/cart", "k8s_pod_name": "cart-7d9f", "service_version": "2.1",
		},
		Exemplars: []promv1.Exemplar{{
			Labels:    model.LabelSet{"trace_id": "0102030405060708090a0b0c0d0e0f10", "span_id": "0102030405060708"},
			Value:     0.5,
			Timestamp: mtime(now),
		}},
	}}, err)

	targets, err := c.Targets(ctx)
	check("targets", targets, promv1.TargetsResult{Active: []promv1.ActiveTarget{}, Dropped: []promv1.DroppedTarget{}}, err)
	rules, err := c.Rules(ctx, nil)
	check("rules", rules, promv1.RulesResult{Groups: []promv1.RuleGroup{}}, err)
	alerts, err := c.Alerts(ctx)
	check("alerts", alerts, promv1.AlertsResult{Alerts: []promv1.Alert{}}, err)
	managers, err := c.AlertManagers(ctx)
	check("alertmanagers", managers, promv1.AlertManagersResult{Active: []promv1.AlertManager{}, Dropped: []promv1.AlertManager{}}, err)

	build, err := c.Buildinfo(ctx)
	check("buildinfo", build.Version+" "+build.Revision, "1.2.3 abc", err)
	run, err := c.Runtimeinfo(ctx)
	check("runtimeinfo", run.StorageRetention, "360h0m0s", err)
	tsdb, err := c.TSDB(ctx)
	check("tsdb series", tsdb.HeadStats.NumSeries, 8, err)
	flags, err := c.Flags(ctx)
	check("flags", flags["web.enable-remote-write-receiver"], "true", err)
	conf, err := c.Config(ctx)
	if err != nil || !strings.Contains(conf.YAML, "- k8s.pod.name") {
		t.Errorf("config: got %q, %v; want the promoted attributes", conf.YAML, err)
	}
	replay, err := c.WalReplay(ctx)
	check("walreplay", replay, promv1.WalReplayStatus{}, err)
}

// Every path of the API answers with its frame, also those that Go's client
// does not know; none is left to a nil of ours.
func TestEveryPathAnswers(t *testing.T) {
	db := filled(t)
	_, url := client(t, db)
	for _, path := range []string{
		"/format_query?query=sum(up)", "/parse_query?query=sum(up)", "/scrape_pools", "/targets/metadata",
		"/status/tsdb", "/status/tsdb/blocks", "/status/self_metrics", "/features", "/notifications", "/labels", "/series?match[]=up",
		"/label/job/values", "/alerts", "/rules", "/alertmanagers", "/metadata?limit_per_metric=1",
		"/query?query=up", "/query_range?query=up&start=1&end=2&step=1", "/query_exemplars?query=up",
	} {
		res, err := http.Get(url + apiPath + path)
		if err != nil {
			t.Fatal(err)
		}
		var answer struct{ Status string }
		err = json.NewDecoder(res.Body).Decode(&answer)
		res.Body.Close()
		if res.StatusCode != http.StatusOK || err != nil || answer.Status != "success" {
			t.Errorf("%s: got %s, status %q, %v; want 200 and success", path, res.Status, answer.Status, err)
		}
	}
	for path, want := range map[string]int{
		"/-/healthy":                          http.StatusOK,
		"/-/ready":                            http.StatusOK,
		"/api/v1/openapi.yaml":                http.StatusOK,
		"/api/v1/notifications/live":          http.StatusNoContent,
		"/api/v1/query?query=sum(":            http.StatusBadRequest,
		"/api/v1/metadata?limit=x":            http.StatusBadRequest,
		"/api/v1/targets/relabel_steps":       http.StatusBadRequest,
		"/api/v1/nothing":                     http.StatusNotFound,
		"/api/v1/admin/tsdb/clean_tombstones": http.StatusMethodNotAllowed,
	} {
		res, err := http.Get(url + path)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(res.Body)
		res.Body.Close()
		if res.StatusCode != want {
			t.Errorf("%s: got %s %q; want %d", path, res.Status, body, want)
		}
	}
}

// Pages of other origins may not read unless whoever serves the API lets them.
func TestCrossOrigin(t *testing.T) {
	db := filled(t)
	_, url := client(t, db)
	for _, path := range []string{"/metadata", "/labels"} {
		req, err := http.NewRequest("GET", url+apiPath+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Origin", "http://localhost:3000")
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if got := res.Header.Get("Access-Control-Allow-Origin"); got != "" {
			t.Errorf("%s: got Access-Control-Allow-Origin %q; want none", path, got)
		}
	}
}

func TestClosedHandlerSaysSo(t *testing.T) {
	db := filled(t)
	_, url := client(t, db)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/api/v1/query?query=up", "/api/v1/metadata", "/-/ready"} {
		res, err := http.Get(url + path)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != http.StatusServiceUnavailable {
			t.Errorf("%s: got %s; want 503", path, res.Status)
		}
	}
}

func TestQueryRange(t *testing.T) {
	db := filled(t)
	v, _, err := db.QueryRange(t.Context(), "http_server_requests_total", now.Add(-time.Minute), now, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := v.String(), "http_route=\"/cart\""; !strings.Contains(got, want) {
		t.Errorf("got %s; want a series with %s", got, want)
	}
	if _, _, err := db.Query(t.Context(), "sum(", now); err == nil {
		t.Error("a broken expression: got no error")
	}
	appendAll(t, db, gauge(t, shop, "process.memory.usage", now.Add(-time.Minute), 4096))
	_, notes, err := db.Query(t.Context(), "rate(process_memory_usage_bytes[5m])", now)
	if err != nil || len(notes) == 0 || !slices.ContainsFunc(notes.AsErrors(), func(e error) bool { return strings.Contains(e.Error(), "might not be a counter") }) {
		t.Errorf("rate of a gauge: got notes %v, %v; want one that doubts it", notes, err)
	}
}

func TestReleaseOf(t *testing.T) {
	for module, want := range map[string]string{"v0.313.2": "3.13.2", "v0.300.0": "3.0.0", "(devel)": "", "": ""} {
		if got := releaseOf(module); got != want {
			t.Errorf("releaseOf(%q): got %q; want %q", module, got, want)
		}
	}
}
