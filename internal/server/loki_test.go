package server

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/golang/snappy"
	"github.com/google/go-cmp/cmp"
	"github.com/gorilla/websocket"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/signalbox-otel/signalbox/internal/ingest"
	"github.com/signalbox-otel/signalbox/internal/store"
	"github.com/signalbox-otel/signalbox/internal/store/storetest"
	"github.com/signalbox-otel/signalbox/internal/store/vfs"
)

// lokiNow is the clock of the tests, an hour after the epoch.
var lokiNow = time.Unix(0, jaegerEpoch).Add(time.Hour)

// lokiServer serves a store with three records of OTLP: two of a shop, a minute
// apart, and one of a cart.
func lokiServer(t *testing.T) (*Server, *storetest.Memory) {
	t.Helper()
	memory := &storetest.Memory{}
	ld := plog.NewLogs()
	record := func(service, pod string, minute int, severity plog.SeverityNumber, body string) plog.LogRecord {
		rl := ld.ResourceLogs().AppendEmpty()
		rl.Resource().Attributes().PutStr("service.name", service)
		rl.Resource().Attributes().PutStr("host.name", "h1")
		if pod != "" {
			rl.Resource().Attributes().PutStr("k8s.pod.name", pod)
		}
		l := rl.ScopeLogs().AppendEmpty().LogRecords().AppendEmpty()
		l.SetTimestamp(at(minute * 60_000_000))
		l.SetSeverityNumber(severity)
		l.Body().SetStr(body)
		return l
	}
	l := record("shop", "shop-1", 10, plog.SeverityNumberInfo, `level=info msg="order placed" took=12ms`)
	l.SetTraceID(pcommon.TraceID{0: 0xab, 15: 1})
	l.Attributes().PutInt("http.status_code", 200)
	record("shop", "shop-1", 11, plog.SeverityNumberError, `{"level":"error","msg":"payment refused","took":"1.5s","user":{"id":7}}`)
	record("cart", "", 12, plog.SeverityNumberInfo, "item added")
	batch, err := ingest.Logs(ld)
	if err != nil {
		t.Fatal(err)
	}
	if err := memory.Append(t.Context(), batch); err != nil {
		t.Fatal(err)
	}
	return newTestServer(t, Deps{Reader: memory, Catalog: memory, Appender: memory, Now: func() time.Time { return lokiNow }, Version: "1.2.3"}), memory
}

// lokiSpan is the hour of the tests as Grafana sends it.
func lokiSpan(more url.Values) url.Values {
	v := url.Values{"start": {fmt.Sprint(int64(jaegerEpoch))}, "end": {fmt.Sprint(lokiNow.UnixNano())}}
	for name, values := range more {
		v[name] = values
	}
	return v
}

// lokiGet asks and gives the answer without its stats, which differ from run to
// run; a query must have them.
func lokiGet(t *testing.T, s http.Handler, path string, v url.Values, header ...string) map[string]any {
	t.Helper()
	w := get(t, s, lokiPrefix+path+"?"+v.Encode(), header...)
	if w.Code != http.StatusOK {
		t.Fatalf("%s %s: got %d %s", path, v, w.Code, w.Body)
	}
	var answer map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil {
		t.Fatalf("%s: %v: %s", path, err, w.Body)
	}
	if data, ok := answer["data"].(map[string]any); ok {
		if stats, _ := data["stats"].(map[string]any); stats["summary"] == nil {
			t.Errorf("%s: no stats in %s", path, w.Body)
		}
		delete(data, "stats")
	}
	return answer
}

func asJSON(t *testing.T, v any) string {
	t.Helper()
	encoded, err := encodeJSON(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(bytes.TrimSpace(encoded))
}

// TestGrafanaLokiDataSource sends what Grafana's data source for Loki sends, and
// looks at what it reads of the answers.
func TestGrafanaLokiDataSource(t *testing.T) {
	s, _ := lokiServer(t)
	f := func(name, path string, v url.Values, want string, header ...string) {
		t.Helper()
		if got := asJSON(t, lokiGet(t, s, path, v, header...)); got != want {
			t.Errorf("%s:\n got %s\nwant %s", name, got, want)
		}
	}
	f("health check", "query", url.Values{"direction": {"backward"}, "query": {"vector(1)+vector(1)"}, "time": {"4000000000"}},
		`{"data":{"result":[{"metric":{},"value":[4000000000,"2"]}],"resultType":"vector"},"status":"success"}`)
	f("labels", "labels", lokiSpan(nil), `{"data":["k8s_pod_name","service_name"],"status":"success"}`)
	f("labels of a selection", "labels", lokiSpan(url.Values{"query": {`{service_name="cart"}`}}), `{"data":["service_name"],"status":"success"}`)
	f("values", "label/service_name/values", lokiSpan(nil), `{"data":["cart","shop"],"status":"success"}`)
	f("values of a selection", "label/k8s_pod_name/values", lokiSpan(url.Values{"query": {`{service_name="shop"}`}}), `{"data":["shop-1"],"status":"success"}`)
	f("series", "series", lokiSpan(url.Values{"match[]": {`{service_name="shop"}`}}), `{"data":[{"k8s_pod_name":"shop-1","service_name":"shop"}],"status":"success"}`)
	f("stats", "index/stats", lokiSpan(url.Values{"query": {`{service_name="shop"}`}}), `{"bytes":110,"chunks":0,"entries":2,"streams":1}`)
	f("detected labels", "detected_labels", lokiSpan(nil), `{"detectedLabels":[{"cardinality":1,"label":"k8s_pod_name"},{"cardinality":2,"label":"service_name"}]}`)

	lines := lokiSpan(url.Values{"direction": {"backward"}, "limit": {"1000"}, "step": {"15000ms"}, "query": {`{service_name="shop"} | json | logfmt | drop __error__, __error_details__`}})
	f("lines", "query_range", lines,
		`{"data":{"encodingFlags":["categorize-labels"],"result":[{"stream":{"k8s_pod_name":"shop-1","service_name":"shop"},"values":[`+
			`["1795169460000000000","{\"level\":\"error\",\"msg\":\"payment refused\",\"took\":\"1.5s\",\"user\":{\"id\":7}}",{"parsed":{"level":"error","msg":"payment refused","took":"1.5s","user_id":"7"},"structuredMetadata":{"detected_level":"error","host_name":"h1","severity_number":"17"}}],`+
			`["1795169400000000000","level=info msg=\"order placed\" took=12ms",{"parsed":{"level":"info","msg":"order placed","took":"12ms"},"structuredMetadata":{"detected_level":"info","host_name":"h1","http_status_code":"200","severity_number":"9","trace_id":"ab000000000000000000000000000001"}}]]}],"resultType":"streams"},"status":"success"}`,
		"X-Loki-Response-Encoding-Flags", "categorize-labels")
	f("lines without categories", "query_range", lokiSpan(url.Values{"direction": {"forward"}, "limit": {"1"}, "query": {`{service_name="cart"}`}}),
		`{"data":{"result":[{"stream":{"detected_level":"info","host_name":"h1","service_name":"cart","severity_number":"9"},"values":[["1795169520000000000","item added"]]}],"resultType":"streams"},"status":"success"}`)
	f("no lines", "query_range", lokiSpan(url.Values{"query": {`{service_name="none"}`}}), `{"data":{"result":[],"resultType":"streams"},"status":"success"}`)
	f("volume of the logs panel", "query_range", lokiSpan(url.Values{"direction": {"backward"}, "step": {"60000ms"},
		"start": {fmt.Sprint(jaegerEpoch + 10*time.Minute.Nanoseconds())}, "end": {fmt.Sprint(jaegerEpoch + 13*time.Minute.Nanoseconds())},
		"query": {`sum by (level, detected_level) (count_over_time({service_name="shop"} | drop __error__ [60000ms]))`}}),
		`{"data":{"result":[{"metric":{"detected_level":"error"},"values":[[1795169460,"1"]]},{"metric":{"detected_level":"info"},"values":[[1795169400,"1"]]}],"resultType":"matrix"},"status":"success"}`,
		"X-Query-Tags", "Source=logvolhist")
	f("context before", "query_range", lokiSpan(url.Values{"direction": {"backward"}, "limit": {"50"}, "end": {"1795169460000000000"},
		"query": {`{service_name="shop",k8s_pod_name="shop-1"}`}}),
		`{"data":{"result":[{"stream":{"detected_level":"info","host_name":"h1","http_status_code":"200","k8s_pod_name":"shop-1","service_name":"shop","severity_number":"9","trace_id":"ab000000000000000000000000000001"},"values":[["1795169400000000000","level=info msg=\"order placed\" took=12ms"]]}],"resultType":"streams"},"status":"success"}`)
	f("context after", "query_range", lokiSpan(url.Values{"direction": {"forward"}, "limit": {"51"}, "start": {"1795169400000000001"},
		"query": {`{service_name="shop",k8s_pod_name="shop-1"} |= "refused"`}}),
		`{"data":{"result":[{"stream":{"detected_level":"error","host_name":"h1","k8s_pod_name":"shop-1","service_name":"shop","severity_number":"17"},"values":[["1795169460000000000","{\"level\":\"error\",\"msg\":\"payment refused\",\"took\":\"1.5s\",\"user\":{\"id\":7}}"]]}],"resultType":"streams"},"status":"success"}`)
	f("instant", "query", url.Values{"direction": {"backward"}, "time": {fmt.Sprint(lokiNow.UnixNano())}, "query": {`sum by (service_name) (count_over_time({service_name=~".+"}[1h]))`}},
		`{"data":{"result":[{"metric":{"service_name":"cart"},"value":[1795172400,"1"]},{"metric":{"service_name":"shop"},"value":[1795172400,"2"]}],"resultType":"vector"},"status":"success"}`)
	f("number", "query", url.Values{"time": {fmt.Sprint(lokiNow.UnixNano())}, "query": {`1 / 4`}},
		`{"data":{"result":[1795172400,"0.25"],"resultType":"scalar"},"status":"success"}`)
	f("volume by label", "index/volume", lokiSpan(url.Values{"query": {`{service_name=~".+"}`}, "limit": {"100"}}),
		`{"data":{"result":[{"metric":{"service_name":"shop"},"value":[1795172400,"110"]},{"metric":{"service_name":"cart"},"value":[1795172400,"10"]}],"resultType":"vector"},"status":"success"}`)
	f("volume of labels", "index/volume", lokiSpan(url.Values{"query": {`{service_name=~".+"}`}, "aggregateBy": {"labels"}}),
		`{"data":{"result":[{"metric":{"service_name":""},"value":[1795172400,"120"]},{"metric":{"k8s_pod_name":""},"value":[1795172400,"110"]}],"resultType":"vector"},"status":"success"}`)
	f("volume over time", "index/volume_range", lokiSpan(url.Values{"query": {`{service_name="shop"}`}, "targetLabels": {"k8s_pod_name"}, "step": {"1800"}}),
		`{"data":{"result":[{"metric":{"k8s_pod_name":"shop-1"},"values":[[1795170600,"110"]]}],"resultType":"matrix"},"status":"success"}`)
	f("fields", "detected_fields", lokiSpan(url.Values{"query": {`{service_name="shop"}`}, "limit": {"3"}}),
		`{"fields":[{"cardinality":2,"label":"detected_level","parsers":null,"type":"string"},{"cardinality":2,"jsonPath":["level"],"label":"level","parsers":["json","logfmt"],"type":"string"},{"cardinality":2,"jsonPath":["msg"],"label":"msg","parsers":["json","logfmt"],"type":"string"}],"limit":3}`)
	f("values of a field", "detected_field/took/values", lokiSpan(url.Values{"query": {`{service_name="shop"}`}}), `{"limit":1000,"values":["1.5s","12ms"]}`)
	f("patterns", "patterns", lokiSpan(url.Values{"query": {`{service_name="cart"}`}, "step": {"1800"}}),
		`{"data":[{"pattern":"item added","samples":[[1795168800,1]]}],"status":"success"}`)
	f("canonical form", "format_query", url.Values{"query": {"{ a = `b` }|json"}}, `{"data":"{a=\"b\"} | json","status":"success"}`)
}

// Grafana reads an answer from its beginning to its end: what says how the result
// is to be read must come before it.
func TestLokiOrderOfFields(t *testing.T) {
	s, _ := lokiServer(t)
	body := get(t, s, lokiPrefix+"query_range?"+lokiSpan(url.Values{"query": {`{service_name="cart"}`}}).Encode(), "X-Loki-Response-Encoding-Flags", "categorize-labels").Body.String()
	last := -1
	for _, name := range []string{`"status"`, `"resultType"`, `"encodingFlags"`, `"result"`, `"stats"`} {
		at := strings.Index(body, name)
		if at < last || at < 0 {
			t.Errorf("%s is at %d of %s; want it behind %d", name, at, body, last)
		}
		last = at
	}
}

func TestLokiTakesForms(t *testing.T) {
	s, _ := lokiServer(t)
	r := httptest.NewRequest("POST", lokiPrefix+"query_range", strings.NewReader(lokiSpan(url.Values{"query": {`sum(count_over_time({service_name="shop"}[1h]))`}, "step": {"1h"}}).Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	if want := `"result":[{"metric":{},"values":[[1795172400,"2"]]}]`; w.Code != http.StatusOK || !strings.Contains(w.Body.String(), want) {
		t.Errorf("got %d %s; want %s", w.Code, w.Body, want)
	}
}

func TestLokiErrors(t *testing.T) {
	s, _ := lokiServer(t)
	f := func(path string, v url.Values, want string) {
		t.Helper()
		w := get(t, s, lokiPrefix+path+"?"+v.Encode())
		if got := strings.TrimSpace(w.Body.String()); w.Code != http.StatusBadRequest || !strings.HasPrefix(got, want) || strings.HasPrefix(got, "{") {
			t.Errorf("%s %v: got %d %s; want 400 %s", path, v, w.Code, got, want)
		}
	}
	f("query_range", url.Values{"query": {`{a="b"`}}, "parse error at character 7: ")
	f("query_range", url.Values{"query": {`{a="b"}`}, "start": {"soon"}}, `parameter start: "soon"`)
	f("query_range", url.Values{"query": {`{a="b"}`}, "start": {"20"}, "end": {"10"}}, "parameter end: it is before start")
	f("query_range", url.Values{"query": {`{a="b"}`}, "limit": {"9999999"}}, "max entries limit")
	f("query_range", url.Values{"query": {`rate({a="b"}[1m])`}, "step": {"-1"}}, `parameter step: "-1" is no duration`)
	f("query", url.Values{"query": {`{a="b"}`}}, "log queries are not supported as an instant query type")
	f("query", url.Values{"query": {`sum(count_over_time({service_name="cart"} | json [1h]))`}, "time": {fmt.Sprint(lokiNow.UnixNano())}}, "pipeline error: 'JSONParserErr'")
	f("series", url.Values{"match[]": {`{`}}, "parse error")
	f("patterns", nil, "parameter query")
}

func TestLokiHasNoRules(t *testing.T) {
	s, _ := lokiServer(t)
	for target, want := range map[string]string{
		"/loki/api/v1/rules":            "404 no rule groups found",
		"/prometheus/api/v1/rules":      `200 {"status":"success","data":{"groups":[]}}`,
		"/loki/api/v1/drilldown-limits": "404 there is no such path in the API for logs",
	} {
		w := get(t, s, target)
		if got := fmt.Sprint(w.Code, " ", strings.TrimSpace(w.Body.String())); got != want {
			t.Errorf("%s: got %s; want %s", target, got, want)
		}
	}
	if w := get(t, s, lokiPrefix+"status/buildinfo"); !strings.Contains(w.Body.String(), `"version":"1.2.3"`) {
		t.Errorf("build: got %s", w.Body)
	}
}

func TestLokiTimes(t *testing.T) {
	f := func(text string, want time.Time) {
		t.Helper()
		got, err := lokiTime(text, lokiNow)
		if err != nil || !got.Equal(want) {
			t.Errorf("lokiTime(%s): got %v, %v; want %v", text, got, err, want)
		}
	}
	f("1795168800", time.Unix(1795168800, 0))
	f("1795168800.25", time.Unix(1795168800, 250_000_000))
	f("1795168800000000001", time.Unix(1795168800, 1))
	f("1.7951688e18", time.Unix(1795168800, 0))
	f("2026-11-20T10:00:00Z", time.Unix(0, jaegerEpoch))
	f("2026-11-20T11:00:00 01:00", time.Unix(0, jaegerEpoch))
	f("now-30m", lokiNow.Add(-30*time.Minute))
	for _, text := range []string{"x", "NaN", "1e300", "-5", "-5e9", "9999999999", "99999999999999999999"} {
		if got, err := lokiTime(text, lokiNow); err == nil {
			t.Errorf("lokiTime(%s): got %v; want an error", text, got)
		}
	}
}

// push sends a body to the server.
func push(s http.Handler, path string, body []byte, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest("POST", path, bytes.NewReader(body))
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w
}

// field encodes a protobuf field with a length.
func field(n protowire.Number, content ...[]byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(nil, n, protowire.BytesType), bytes.Join(content, nil))
}

func number(n protowire.Number, v uint64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(nil, n, protowire.VarintType), v)
}

// TestPromtailPushes sends what Promtail and Alloy send: a PushRequest in
// snappy, with metadata, and a hash that nobody needs.
func TestPromtailPushes(t *testing.T) {
	s, memory := lokiServer(t)
	entry := field(2,
		field(1, number(1, jaegerEpoch/1_000_000_000+60), number(2, 5)),
		field(2, []byte("mail sent ERROR 550")),
		field(3, field(1, []byte("trace_id")), field(2, []byte("ab000000000000000000000000000002"))),
		field(3, field(1, []byte("queue")), field(2, []byte("out"))))
	stream := field(1, field(1, []byte(`{job="mail", namespace="prod", k8s_pod_name="mail-0"}`)), entry, number(3, 99))
	w := push(s, lokiPrefix+"push", snappy.Encode(nil, stream), "Content-Type", "application/x-protobuf", "User-Agent", "promtail/3.0", "X-Scope-OrgID", "fake")
	if w.Code != http.StatusNoContent || w.Body.Len() != 0 {
		t.Fatalf("got %d %s; want 204", w.Code, w.Body)
	}
	got := asJSON(t, lokiGet(t, s, "query_range", lokiSpan(url.Values{"query": {`{job="mail", namespace=~"pr.*"} |= "550"`}}), "X-Loki-Response-Encoding-Flags", "categorize-labels")["data"])
	want := `{"encodingFlags":["categorize-labels"],"result":[{"stream":{"job":"mail","k8s_pod_name":"mail-0","namespace":"prod","service_name":"mail"},"values":[["1795168860000000005","mail sent ERROR 550",` +
		`{"structuredMetadata":{"detected_level":"error","observed_timestamp":"1795172400000000000","queue":"out","severity_number":"17","trace_id":"ab000000000000000000000000000002"}}]]}],"resultType":"streams"}`
	if got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
	if got, want := asJSON(t, lokiGet(t, s, "labels", lokiSpan(nil))["data"]), `["job","k8s_pod_name","namespace","service_name"]`; got != want {
		t.Errorf("labels: got %s; want %s", got, want)
	}
	// Our own API finds the line by what it became.
	for l, err := range memory.Logs(t.Context(), store.Query{Where: store.Cond{Field: store.Field{Name: store.FieldTraceID}, Op: store.Eq, Value: store.StringValue("ab000000000000000000000000000002")}}) {
		if err != nil || l.Resource.ServiceName() != "mail" || l.SeverityNumber != 17 {
			t.Errorf("got %+v, %v", l, err)
		}
	}
}

// TestPushesInJSON sends what the HTTP API of Loki documents, as it is and in
// gzip.
func TestPushesInJSON(t *testing.T) {
	s, _ := lokiServer(t)
	body := []byte(`{"streams": [{"stream": {"foo": "bar2"}, "values": [["1795168801000000000", "fizzbuzz"], ["1795168802000000000", "level=warn x", {"user": "kim"}]]}]}`)
	if w := push(s, lokiPrefix+"push", body, "Content-Type", "application/json; charset=utf-8"); w.Code != http.StatusNoContent {
		t.Fatalf("got %d %s; want 204", w.Code, w.Body)
	}
	var zipped bytes.Buffer
	gz := gzip.NewWriter(&zipped)
	if _, err := gz.Write(bytes.ReplaceAll(body, []byte("bar2"), []byte("zip"))); err != nil {
		t.Fatal(err)
	}
	if err := gz.Close(); err != nil {
		t.Fatal(err)
	}
	if w := push(s, lokiPrefix+"push", zipped.Bytes(), "Content-Type", "application/json", "Content-Encoding", "gzip"); w.Code != http.StatusNoContent {
		t.Fatalf("gzip: got %d %s; want 204", w.Code, w.Body)
	}
	got := asJSON(t, lokiGet(t, s, "query", url.Values{"time": {fmt.Sprint(lokiNow.UnixNano())}, "query": {`sum by (foo, service_name, detected_level, user) (count_over_time({foo=~".+"}[2h]))`}})["data"])
	want := `{"result":[{"metric":{"detected_level":"unknown","foo":"bar2","service_name":"unknown_service"},"value":[1795172400,"1"]},` +
		`{"metric":{"detected_level":"unknown","foo":"zip","service_name":"unknown_service"},"value":[1795172400,"1"]},` +
		`{"metric":{"detected_level":"warn","foo":"bar2","service_name":"unknown_service","user":"kim"},"value":[1795172400,"1"]},` +
		`{"metric":{"detected_level":"warn","foo":"zip","service_name":"unknown_service","user":"kim"},"value":[1795172400,"1"]}],"resultType":"vector"}`
	if got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
	if got, want := asJSON(t, lokiGet(t, s, "label/service_name/values", lokiSpan(nil))["data"]), `["cart","shop","unknown_service"]`; got != want {
		t.Errorf("services: got %s; want %s", got, want)
	}
}

// TestCollectorPushesOTLP sends what the collector's otlphttp exporter sends to
// the endpoint that Loki documents, in protobuf with gzip and in JSON.
func TestCollectorPushesOTLP(t *testing.T) {
	s, _ := lokiServer(t)
	request := plogotlp.NewExportRequest()
	rl := request.Logs().ResourceLogs().AppendEmpty()
	rl.Resource().Attributes().PutStr("service.name", "otlp")
	l := rl.ScopeLogs().AppendEmpty().LogRecords().AppendEmpty()
	l.SetTimestamp(at(1000))
	l.Body().SetStr("hello")
	encoded, err := request.MarshalProto()
	if err != nil {
		t.Fatal(err)
	}
	var zipped bytes.Buffer
	gz := gzip.NewWriter(&zipped)
	_, _ = gz.Write(encoded) // into memory
	_ = gz.Close()
	w := push(s, "/otlp/v1/logs", zipped.Bytes(), "Content-Type", "application/x-protobuf", "Content-Encoding", "gzip")
	if w.Code != http.StatusOK || w.Header().Get("Content-Type") != "application/x-protobuf" || w.Body.Len() != 0 {
		t.Fatalf("got %d %v %s", w.Code, w.Header(), w.Body)
	}
	if encoded, err = request.MarshalJSON(); err != nil {
		t.Fatal(err)
	}
	if w := push(s, "/otlp/v1/logs", encoded, "Content-Type", "application/json"); w.Code != http.StatusOK || strings.TrimSpace(w.Body.String()) != "{}" {
		t.Fatalf("JSON: got %d %s", w.Code, w.Body)
	}
	got := asJSON(t, lokiGet(t, s, "query", url.Values{"time": {fmt.Sprint(lokiNow.UnixNano())}, "query": {`sum(count_over_time({service_name="otlp"}[2h]))`}})["data"])
	if want := `{"result":[{"metric":{},"value":[1795172400,"2"]}],"resultType":"vector"}`; got != want {
		t.Errorf("got %s; want %s", got, want)
	}
}

// full refuses batches.
type full struct{ err error }

func (f full) Append(context.Context, *store.Batch) error { return f.err }

func TestRefusedPushes(t *testing.T) {
	good := []byte(`{"streams":[{"stream":{"a":"b"},"values":[["1","x"]]}]}`)
	f := func(appender Appender, body []byte, contentType, coding string, status int, message string) {
		t.Helper()
		s := newTestServer(t, Deps{Appender: appender, Limits: Limits{PushBytes: 1 << 16, PushParts: 100}})
		w := push(s, lokiPrefix+"push", body, "Content-Type", contentType, "Content-Encoding", coding)
		if w.Code != status || !strings.Contains(w.Body.String(), message) {
			t.Errorf("%.80q: got %d %s; want %d %s", body, w.Code, w.Body, status, message)
		}
	}
	memory := &storetest.Memory{}
	f(memory, good, "application/json", "", 204, "")
	f(memory, []byte(`{"streams":[]}`), "application/json", "", 204, "")
	f(memory, []byte(`{`), "application/json", "", 400, "JSON")
	f(memory, []byte(`{"streams":[{"stream":{},"values":[["1","x"]]}]}`), "application/json", "", 400, "at least one label pair")
	f(memory, []byte(`{"streams":[{"stream":{"a":"b"},"values":[["now","x"]]}]}`), "application/json", "", 400, "no time")
	f(memory, []byte(`{"streams":[{"stream":{"a":"b"},"values":[[1,"x"]]}]}`), "application/json", "", 400, "in quotes")
	f(memory, []byte(`{"streams":[{"stream":{"a":"b"},"values":[["0","x"]]}]}`), "application/json", "", 400, "without a time")
	f(memory, []byte(`{"streams":[{"stream":{"a":"b"},"values":[["1"]]}]}`), "application/json", "", 400, "1 parts")
	f(memory, []byte(`{"streams":[{"stream":{"a":"b"},"values":[["1","x",{"a":1}]]}]}`), "application/json", "", 400, "metadata")
	f(memory, []byte("not snappy"), "", "", 400, "snappy")
	f(memory, snappy.Encode(nil, []byte{0xff}), "application/x-protobuf", "snappy", 400, "protobuf")
	f(memory, snappy.Encode(nil, field(1, field(1, []byte(`{a=~"b"}`)))), "application/x-protobuf", "", 400, "one value each")
	f(memory, snappy.Encode(nil, make([]byte, 1<<17)), "application/x-protobuf", "", 413, "too large")
	f(memory, make([]byte, 1<<17), "application/json", "", 413, "too large")
	f(memory, []byte(`{"streams":{}}`), "application/json", "", 400, "expected [")
	f(memory, []byte(`{"other":[1],"streams":[{"values":[["1","x"]],"stream":{"a":"b"}}]}`), "application/json", "", 204, "")
	f(memory, snappy.Encode(nil, bytes.Repeat(field(1, field(1, []byte(`{a="b"}`))), 101)), "application/x-protobuf", "", 413, "more than 100")
	f(memory, snappy.Encode(nil, field(1, field(1, []byte(`{a="b"}`)), bytes.Repeat(field(2, field(1, number(1, 1))), 100))), "application/x-protobuf", "", 413, "more than 100")
	f(memory, good, "text/plain", "", 415, "content type")
	f(memory, good, "application/json", "br", 415, "gzip and snappy")
	f(nil, good, "application/json", "", 503, "takes no data")
	f(full{&store.OverloadError{Reason: "sealing behind", RetryAfter: time.Second}}, good, "application/json", "", 429, "send again")
	f(full{&store.OverloadError{Reason: "disk full", RetryAfter: time.Second}}, good, "application/json", "", 503, "disk full")
	f(full{store.ErrClosed}, good, "application/json", "", 503, "closed")
	// A page of another origin may not push.
	s := newTestServer(t, Deps{Appender: memory})
	if w := push(s, lokiPrefix+"push", good, "Content-Type", "application/json", "Origin", "https://evil.example", "Sec-Fetch-Site", "cross-site"); w.Code != http.StatusForbidden {
		t.Errorf("cross-origin push: got %d; want 403", w.Code)
	}
}

// TestLokiTail follows a store over a WebSocket: the past first, then what comes.
func TestLokiTail(t *testing.T) {
	o := store.NewDefaultOptions()
	o.FS, o.Decode, o.MaxAge = vfs.NewMem(1), ingest.Decode, 0
	db, err := store.Open("data", o)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}()
	s := newTestServer(t, Deps{Reader: db, Catalog: db, Follower: db, Appender: db, Now: func() time.Time { return lokiNow }})
	hs := httptest.NewServer(s)
	defer hs.Close()
	line := func(text string) {
		t.Helper()
		body := fmt.Sprintf(`{"streams":[{"stream":{"job":"a"},"values":[["%d",%q]]}]}`, int64(jaegerEpoch), text)
		if w := push(s, lokiPrefix+"push", []byte(body), "Content-Type", "application/json"); w.Code != http.StatusNoContent {
			t.Fatalf("got %d %s", w.Code, w.Body)
		}
	}
	line("old")
	target := "ws" + strings.TrimPrefix(hs.URL, "http") + lokiPrefix + "tail?" + url.Values{"query": {`{job="a"} != "quiet"`}, "start": {fmt.Sprint(int64(jaegerEpoch))}}.Encode()
	conn, response, err := websocket.DefaultDialer.Dial(target, nil)
	if err != nil {
		t.Fatal(err, response)
	}
	defer func() { _ = conn.Close() }()
	next := func() string {
		t.Helper()
		var m struct {
			Streams []struct{ Values [][2]string }
			Dropped []any `json:"dropped_entries"`
		}
		if err := conn.ReadJSON(&m); err != nil {
			t.Fatal(err)
		}
		return fmt.Sprint(m)
	}
	if diff := cmp.Diff("{[{[[1795168800000000000 old]]}] []}", next()); diff != "" {
		t.Error(diff)
	}
	line("quiet")
	line("new")
	if diff := cmp.Diff("{[{[[1795168800000000000 new]]}] []}", next()); diff != "" {
		t.Error(diff)
	}
	s.EndTails()
	if _, _, err := conn.ReadMessage(); !websocket.IsCloseError(err, websocket.CloseNormalClosure) {
		t.Errorf("got %v; want a normal end", err)
	}
}

// FuzzPush checks that no body makes the server panic, and that what is refused
// is refused with a reason.
func FuzzPush(f *testing.F) {
	f.Add([]byte(`{"streams":[{"stream":{"a":"b"},"values":[["1","x",{"c":"d"}]]}]}`), true)
	f.Add(snappy.Encode(nil, field(1, field(1, []byte(`{a="b"}`)), field(2, field(1, number(1, 5)), field(2, []byte("x"))))), false)
	f.Fuzz(func(t *testing.T, body []byte, isJSON bool) {
		p := pusher{logs: plog.NewLogs(), now: lokiNow, most: 1000}
		var err error
		if isJSON {
			err = p.json(body)
		} else {
			err = p.snappy(body, 1<<20)
		}
		if err != nil {
			return
		}
		if _, err := ingest.Logs(p.logs); err != nil {
			t.Fatalf("%q was taken, and cannot be kept: %v", body, err)
		}
	})
}
