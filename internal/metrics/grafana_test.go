package metrics

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestGrafanaPrometheusDataSource sends what Grafana's data source for Prometheus
// sends, and looks at what it reads of the answers.
func TestGrafanaPrometheusDataSource(t *testing.T) {
	server := httptest.NewServer(filled(t).Handler())
	defer server.Close()
	second := func(at time.Time) string { return strconv.FormatFloat(float64(at.UnixMilli())/1000, 'f', -1, 64) }
	span := func(more ...string) url.Values {
		v := url.Values{"start": {second(now.Add(-time.Minute))}, "end": {second(now)}}
		for i := 0; i+1 < len(more); i += 2 {
			v.Set(more[i], more[i+1])
		}
		return v
	}
	f := func(name, method, path string, v url.Values, wants ...string) {
		t.Helper()
		target, body := server.URL+path, io.Reader(nil)
		if method == http.MethodPost {
			body = strings.NewReader(v.Encode())
		} else {
			target += "?" + v.Encode()
		}
		r, err := http.NewRequestWithContext(t.Context(), method, target, body)
		if err != nil {
			t.Fatal(err)
		}
		if method == http.MethodPost {
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			r.Header["Idempotency-Key"] = nil
		}
		response, err := server.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = response.Body.Close() }() // read to its end
		answer, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		var frame struct {
			Status string
			Data   json.RawMessage
		}
		if err := json.Unmarshal(answer, &frame); err != nil || response.StatusCode != http.StatusOK || frame.Status != "success" {
			t.Fatalf("%s: got %d %s, %v", name, response.StatusCode, answer, err)
		}
		for _, want := range wants {
			if !strings.Contains(string(frame.Data), want) {
				t.Errorf("%s: got %s; want %s in it", name, frame.Data, want)
			}
		}
	}
	at := strconv.FormatInt(now.Unix(), 10)
	f("health check", "POST", "/api/v1/query", url.Values{"query": {"1+1"}, "time": {"4"}}, `{"resultType":"scalar","result":[4,"2"]}`)
	f("application", "GET", "/api/v1/status/buildinfo", nil, `"version":"`, `"goVersion":"`)
	f("labels", "POST", "/api/v1/labels", span(), `"__name__"`, `"http_route"`)
	f("labels of a metric", "POST", "/api/v1/labels", span("match[]", `{__name__="process_memory_usage_bytes"}`), `"job"`)
	f("labels by GET", "GET", "/api/v1/labels", span(), `"__name__"`)
	f("metrics", "GET", "/api/v1/label/__name__/values", span(), `"http_server_requests_total"`)
	f("values of a selection", "GET", "/api/v1/label/job/values", span("match[]", `{__name__="http_server_requests_total"}`, "limit", "40000"), `["shop/cart"]`)
	f("metadata", "GET", "/api/v1/metadata", url.Values{"limit": {"40000"}}, `"http_server_requests_total":[{"type":"counter",`, `"help":"Requests answered."`)
	f("series", "POST", "/api/v1/series", span("match[]", "http_server_requests_total"), `[{"__name__":"http_server_requests_total",`)
	f("series by GET", "GET", "/api/v1/series", span("match[]", "http_server_requests_total"), `[{"__name__":"http_server_requests_total",`)
	f("instant", "POST", "/api/v1/query", url.Values{"query": {"sum(http_server_requests_total)"}, "time": {second(now)}}, `{"resultType":"vector","result":[{"metric":{},"value":[`+at+`,"70"]}]`)
	f("range", "POST", "/api/v1/query_range", span("query", "sum by (http_route) (http_server_requests_total)", "step", "60"), `"resultType":"matrix"`, `"metric":{"http_route":"/cart"}`, `[`+at+`,"70"]]`)
	f("rate interval", "POST", "/api/v1/query_range", span("query", "histogram_quantile(0.95, sum by(le) (rate(http_server_request_duration_seconds_bucket[1m0s])))", "step", "15"), `"resultType":"matrix","result":[`)
	f("exemplars", "POST", "/api/v1/query_exemplars", span("query", "http_server_request_duration_seconds_bucket"), `[`)
	f("rules", "GET", "/api/v1/rules", nil, `{"groups":[]`)
	f("alerts", "GET", "/api/v1/alerts", nil, `{"alerts":[]`)
	f("parsing", "POST", "/api/v1/parse_query", url.Values{"query": {"up"}}, `"type":"vectorSelector"`)
	f("configuration", "GET", "/api/v1/status/config", nil, `"yaml":`)
	f("flags", "GET", "/api/v1/status/flags", nil, `{`)
	f("statistics", "GET", "/api/v1/status/tsdb", nil, `"seriesCountByMetricName"`)
}
