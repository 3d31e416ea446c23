package server

import (
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/ptrace"
	"google.golang.org/protobuf/encoding/protowire"
)

// The tests of this file send what Grafana's data sources for Tempo and for
// Jaeger send, byte for byte as far as their code fixes it, and read the answers
// as they do.

// grafanaRange are the from and to of a dashboard around the shop's traces.
var grafanaRange = [2]time.Time{time.Unix(0, jaegerEpoch).Add(-5 * time.Minute), time.Unix(0, jaegerEpoch).Add(5 * time.Minute)}

func unixSeconds(t time.Time) string { return strconv.FormatInt(t.Unix(), 10) }

// ask sends a GET as a data source proxy does, below one of the URLs that the
// data source may be given.
func ask(t *testing.T, s *Server, base, path string, query url.Values, accept string) *httptest.ResponseRecorder {
	t.Helper()
	target := base + path
	if len(query) > 0 {
		target += "?" + query.Encode()
	}
	w := get(t, s, target, "Accept", accept, "X-Scope-OrgID", "1", "User-Agent", "Grafana/12.0.0")
	if w.Code != 200 {
		t.Fatalf("GET %s: %d %s", target, w.Code, w.Body)
	}
	return w
}

func decode(t *testing.T, w *httptest.ResponseRecorder, into any) {
	t.Helper()
	dec := json.NewDecoder(w.Body)
	dec.DisallowUnknownFields()
	if err := dec.Decode(into); err != nil {
		t.Fatalf("decoding the answer: %v", err)
	}
}

// tempoURLs are the data source URLs that docs/traceql.md names.
var tempoURLs = []string{"/tempo", ""}

func TestGrafanaTempoHealth(t *testing.T) {
	s := jaegerServer(t, shop())
	for _, base := range tempoURLs {
		if w := ask(t, s, base, "/api/echo", nil, "application/json, text/plain, */*"); w.Body.String() != "echo" {
			t.Errorf("%s/api/echo: got %q", base, w.Body)
		}
		var build struct{ Version, Revision, Branch, BuildUser, BuildDate, GoVersion string }
		decode(t, ask(t, s, base, "/api/status/buildinfo", nil, "application/json"), &build)
		if build.GoVersion == "" {
			t.Errorf("build info: got %+v", build)
		}
	}
}

// grafanaAttribute is an attribute as the plugin's search decodes it.
type grafanaAttribute struct {
	Key   string
	Value struct {
		StringValue, IntValue string
		DoubleValue           float64
		BoolValue             bool
	}
}

// grafanaSearch is the answer to a search as the plugin decodes it.
type grafanaSearch struct {
	Traces []struct {
		TraceID, RootServiceName, RootTraceName, StartTimeUnixNano string
		DurationMs                                                 uint32
		SpanSets                                                   []struct {
			Spans []struct {
				SpanID, Name, StartTimeUnixNano, DurationNanos string
				Attributes                                     []grafanaAttribute
			}
			Matched    uint32
			Attributes []grafanaAttribute
		}
		ServiceStats map[string]struct{ SpanCount, ErrorCount uint32 }
	}
	Metrics struct{ InspectedTraces, TotalBlocks, CompletedJobs, TotalJobs uint32 }
}

func TestGrafanaTempoSearch(t *testing.T) {
	s := jaegerServer(t, shop())
	for _, base := range tempoURLs {
		var a grafanaSearch
		decode(t, ask(t, s, base, "/api/search", url.Values{
			"q": {`{resource.service.name="frontend" && name="GET /" && span.http.status_code=200} | select(span.cached, status)`}, "limit": {"20"}, "spss": {"3"},
			"start": {unixSeconds(grafanaRange[0])}, "end": {unixSeconds(grafanaRange[1])},
		}, "application/json"), &a)
		if len(a.Traces) != 1 || len(a.Traces[0].SpanSets) != 1 || len(a.Traces[0].SpanSets[0].Spans) != 1 {
			t.Fatalf("got %+v; want one trace with one span", a)
		}
		tr, span := a.Traces[0], a.Traces[0].SpanSets[0].Spans[0]
		if tr.TraceID != trace1 || tr.RootServiceName != "frontend" || tr.RootTraceName != "GET /" || tr.DurationMs != 5 ||
			tr.StartTimeUnixNano != strconv.Itoa(jaegerEpoch) || tr.SpanSets[0].Matched != 1 || tr.ServiceStats["backend"].ErrorCount != 1 {
			t.Errorf("got %+v", tr)
		}
		got := map[string]string{}
		for _, attr := range span.Attributes {
			got[attr.Key] = attr.Value.StringValue + attr.Value.IntValue + strconv.FormatBool(attr.Value.BoolValue)
		}
		if span.SpanID != "0000000000000001" || span.DurationNanos != "5000000" || got["http.status_code"] != "200false" || got["cached"] != "true" ||
			got["service.name"] != "frontendfalse" || got["status"] != "unsetfalse" {
			t.Errorf("got %+v", span)
		}
	}
	// Searches that the editor, the span filters and links from other panels write.
	for q, want := range map[string]int{
		`{}`: 3, ``: 3, `{status=error}`: 1, `{duration>1ms && duration<10ms}`: 1, `{span.http.status_code>=500} && {resource.service.name="frontend"}`: 1,
		`{nestedSetParent<0 && true && kind=server} >> {status = error} | select(status, resource.service.name, name, nestedSetParent, nestedSetLeft, nestedSetRight)`:                                                                            1,
		`({nestedSetParent<0 && true  && resource.service.name != nil} &>> { status = error }) || ({nestedSetParent<0 && true  && status = error}) | select(status, resource.service.name, name, nestedSetParent, nestedSetLeft, nestedSetRight)`: 1,
		`{nestedSetParent<0 && true && status = unset} | select(resource.service.name, event.exception.message,event.exception.stacktrace,event.exception.type) with(most_recent=true)`:                                                           2,
		`{} | count() > 2`: 1, `{ trace:id = "` + trace2 + `" }`: 1, `{} | by(resource.service.name) | coalesce()`: 3, `{ event:name = "exception" } with (most_recent=true)`: 1,
	} {
		var a grafanaSearch
		decode(t, ask(t, s, "/tempo", "/api/search", url.Values{"q": {q}, "limit": {"20"}, "spss": {"10"},
			"start": {unixSeconds(grafanaRange[0])}, "end": {unixSeconds(grafanaRange[1])}}, "application/json"), &a)
		if len(a.Traces) != want {
			t.Errorf("%s: got %d traces; want %d", q, len(a.Traces), want)
		}
	}
	// Before TraceQL the plugin searched by tags.
	for tags, want := range map[string]int{`service.name="front"`: 2, `service.name="backend" http.status_code="500"`: 1, `name=get`: 2, `error=true`: 1, `cached=true`: 1, `host.name=h2`: 0} {
		var a grafanaSearch
		decode(t, ask(t, s, "/tempo", "/api/search", url.Values{"tags": {tags}, "limit": {"20"}, "minDuration": {"1us"}, "maxDuration": {"1s"},
			"start": {unixSeconds(grafanaRange[0])}, "end": {unixSeconds(grafanaRange[1])}}, "application/json"), &a)
		if len(a.Traces) != want {
			t.Errorf("tags %s: got %d traces; want %d", tags, len(a.Traces), want)
		}
	}
	w := get(t, s, "/tempo/api/search?q="+url.QueryEscape(`{ statsu = error }`))
	if w.Code != 400 || !strings.Contains(w.Body.String(), "did you mean status?") || strings.HasPrefix(w.Body.String(), "{") {
		t.Errorf("wrong query: got %d %s; want 400 and text", w.Code, w.Body)
	}
}

func TestGrafanaTempoTrace(t *testing.T) {
	s := jaegerServer(t, shop())
	hints := url.Values{"start": {unixSeconds(grafanaRange[0])}, "end": {unixSeconds(grafanaRange[1])}}
	spans := func(encoded []byte) int {
		t.Helper()
		td, err := new(ptrace.ProtoUnmarshaler).UnmarshalTraces(encoded)
		if err != nil {
			t.Fatal(err)
		}
		return td.SpanCount()
	}
	for _, base := range tempoURLs {
		for _, query := range []url.Values{hints, nil} {
			w := ask(t, s, base, "/api/v2/traces/"+trace1, query, "application/protobuf")
			number, kind, n := protowire.ConsumeTag(w.Body.Bytes())
			inner, m := protowire.ConsumeBytes(w.Body.Bytes()[max(n, 0):])
			if number != 1 || kind != protowire.BytesType || n+m != w.Body.Len() || spans(inner) != 3 {
				t.Errorf("%s v2: field %d of type %d, %d of %d bytes; want a whole trace of 3 spans", base, number, kind, n+m, w.Body.Len())
			}
			if w := ask(t, s, base, "/api/traces/"+trace1, query, "application/protobuf"); spans(w.Body.Bytes()) != 3 {
				t.Errorf("%s v1: got %d spans; want 3", base, spans(w.Body.Bytes()))
			}
		}
		for _, path := range []string{"/api/v2/traces/", "/api/traces/"} {
			if w := get(t, s, base+path+strings.Repeat("7", 32), "Accept", "application/protobuf"); w.Code != 404 {
				t.Errorf("unknown trace at %s%s: got %d; want 404, which the plugin expects", base, path, w.Code)
			}
		}
	}
	golden(t, "tempo_trace.json", ask(t, s, "/tempo", "/api/traces/"+trace1, nil, "application/json").Body.Bytes())
	golden(t, "tempo_trace_v2.json", ask(t, s, "/tempo", "/api/v2/traces/"+trace3, nil, "application/json").Body.Bytes())
	// What is asked for without protobuf at the root is Jaeger's.
	var jaeger struct{ Data []struct{ TraceID string } }
	if err := json.Unmarshal(get(t, s, "/api/traces/"+trace1, "Accept", "application/json").Body.Bytes(), &jaeger); err != nil || len(jaeger.Data) != 1 {
		t.Errorf("Jaeger's trace: got %+v, %v", jaeger, err)
	}
}

func TestGrafanaTempoAutocompletion(t *testing.T) {
	s := jaegerServer(t, shop())
	var tags struct {
		Scopes []struct {
			Name string
			Tags []string
		}
	}
	decode(t, ask(t, s, "/tempo", "/api/v2/search/tags", url.Values{"limit": {"5000"}}, "application/json"), &tags)
	got := map[string]string{}
	for _, scope := range tags.Scopes {
		got[scope.Name] = strings.Join(scope.Tags, " ")
	}
	for scope, want := range map[string]string{"resource": "host.name process.pid service.name", "event": "exception.type", "link": "why", "instrumentation": "short"} {
		if got[scope] != want {
			t.Errorf("tags of %s: got %q; want %q", scope, got[scope], want)
		}
	}
	if !strings.Contains(got["span"], "http.status_code") || !strings.Contains(got["intrinsic"], "rootServiceName") {
		t.Errorf("got %v", got)
	}
	decode(t, ask(t, s, "/tempo", "/api/v2/search/tags", url.Values{"scope": {"resource"}, "start": {unixSeconds(grafanaRange[0])}, "end": {unixSeconds(grafanaRange[1])}}, "application/json"), &tags)
	if len(tags.Scopes) != 1 || tags.Scopes[0].Name != "resource" {
		t.Errorf("scope=resource: got %+v", tags)
	}
	var names struct{ TagNames []string }
	decode(t, ask(t, s, "/tempo", "/api/search/tags", nil, "application/json"), &names)
	if !strings.Contains(strings.Join(names.TagNames, " "), "http.method") {
		t.Errorf("tag names: got %v", names)
	}
	values := func(tag, q string) string {
		t.Helper()
		var answer struct {
			TagValues []struct{ Type, Value string }
		}
		query := url.Values{"limit": {"5000"}}
		if q != "" {
			query.Set("q", q)
		}
		// encodeURIComponent twice, as the plugin does.
		decode(t, ask(t, s, "/tempo", "/api/v2/search/tag/"+url.PathEscape(url.PathEscape(tag))+"/values", query, "application/json"), &answer)
		var all []string
		for _, v := range answer.TagValues {
			all = append(all, v.Type+":"+v.Value)
		}
		return strings.Join(all, " ")
	}
	for _, f := range [][3]string{
		{"status", "", "keyword:unset keyword:ok keyword:error"},
		{"resource.service.name", "", "string:backend string:frontend"},
		{"resource.service.name", `{status=error}`, "string:backend"},
		{"span.http.status_code", `{resource.service.name="frontend" && name=}`, "int:200"},
		{".cached", "", "bool:true"}, {"name", `{kind=client}`, "string:call"}, {"rootServiceName", "", "string:frontend"}, {"span.nothing", "", ""}, {"duration", "", ""},
	} {
		if got := values(f[0], f[1]); got != f[2] && strings.Join(reversed(strings.Fields(got)), " ") != f[2] {
			t.Errorf("values of %s in %s: got %q; want %q", f[0], f[1], got, f[2])
		}
	}
	var v1 struct{ TagValues []string }
	decode(t, ask(t, s, "/tempo", "/api/search/tag/service.name/values", nil, "application/json"), &v1)
	if fmt.Sprint(v1.TagValues) != "[backend frontend]" {
		t.Errorf("values of service.name: got %v", v1.TagValues)
	}
}

func reversed(words []string) []string {
	var out []string
	for _, w := range words {
		out = append([]string{w}, out...)
	}
	return out
}

// grafanaSeries is the answer to a query for numbers, as the plugin decodes it:
// strictly.
type grafanaSeries struct {
	Series []struct {
		Labels  []grafanaAttribute
		Samples []struct {
			TimestampMs string
			Value       float64
		}
		Value      float64
		PromLabels string
		Exemplars  []struct {
			Labels      []grafanaAttribute
			Value       float64
			TimestampMs string
		}
	}
	Metrics struct{ InspectedTraces, TotalBlocks, CompletedJobs, TotalJobs uint32 }
}

func TestGrafanaTempoMetrics(t *testing.T) {
	s := jaegerServer(t, shop())
	query := func(path, q string) (a grafanaSeries) {
		t.Helper()
		v := url.Values{"q": {q}, "start": {unixSeconds(grafanaRange[0])}, "end": {unixSeconds(grafanaRange[1])}}
		if path == "query_range" {
			v.Set("step", "1m")
		}
		decode(t, ask(t, s, "/tempo", "/api/metrics/"+path, v, "application/json"), &a)
		return a
	}
	a := query("query_range", `{} | rate() by (resource.service.name)`)
	if len(a.Series) != 3 || a.Series[2].PromLabels != `{"resource.service.name"="frontend"}` || a.Series[2].Labels[0].Value.StringValue != "frontend" ||
		len(a.Series[2].Samples) != 10 || len(a.Series[2].Exemplars) == 0 {
		t.Fatalf("rate: got %+v; want three services and ten samples each", a)
	}
	// The sample at the end of a minute is about that minute.
	if sample := a.Series[2].Samples[5]; sample.TimestampMs != strconv.Itoa(jaegerEpoch/1e6+60_000) || sample.Value != 3.0/60 {
		t.Errorf("rate: got %+v", sample)
	}
	if e := a.Series[2].Exemplars[0]; e.Labels[0].Key != "trace:id" || len(e.Labels[0].Value.StringValue) != 32 {
		t.Errorf("exemplar: got %+v", e)
	}
	// What Traces Drilldown asks.
	for q, want := range map[string]int{
		`{nestedSetParent<0 && true} | rate() with(sample=true)`: 1, `{nestedSetParent<0 && true} | rate() by(resource.service.name)`: 2,
		`{nestedSetParent<0 && status=error} | rate()`: 1, `{true && true} | histogram_over_time(duration) with(sample=true)`: 5,
		`{kind=server} | quantile_over_time(duration, 0.9)`: 1, `{nestedSetParent<0 && true && resource.service.name != nil} | quantile_over_time(duration, 0.9) by(resource.service.name)`: 1, `{true} | quantile_over_time(duration, .5, .9) by (name) | topk(3)`: 3,
		`{} >> {status=error} | count_over_time() by (name)`: 1, `{} | max_over_time(span.http.status_code) by (span.http.method)`: 2,
	} {
		if a := query("query_range", q); len(a.Series) != want {
			t.Errorf("%s: got %d series; want %d: %+v", q, len(a.Series), want, a)
		}
	}
	for _, series := range query("query_range", `{} | rate() with (exemplars=false)`).Series {
		if len(series.Exemplars) > 0 {
			t.Errorf("exemplars=false: got %d", len(series.Exemplars))
		}
	}
	a = query("query", `{} | count_over_time() by (status)`)
	if len(a.Series) != 3 || a.Series[0].Value != 3 || a.Series[0].PromLabels != `{status="unset"}` {
		t.Errorf("instant: got %+v", a)
	}
	a = query("query", `{nestedSetParent<0 && true} | compare({status = error})`)
	if len(a.Series) == 0 || a.Series[0].Labels[0].Key != "__meta_type" {
		t.Errorf("compare: got %+v", a)
	}
	for q, want := range map[string]string{`{}`: "| rate()", `{} | rats()`: "did you mean rate?"} {
		if w := get(t, s, "/tempo/api/metrics/query_range?q="+url.QueryEscape(q)); w.Code != 400 || !strings.Contains(w.Body.String(), want) {
			t.Errorf("%s: got %d %s; want 400 and %q", q, w.Code, w.Body, want)
		}
	}
	if w := get(t, s, "/tempo/api/metrics/query_range?step=1s&since=30d&q="+url.QueryEscape(`{} | rate()`)); w.Code != 400 {
		t.Errorf("too many steps: got %d %s", w.Code, w.Body)
	}
}

// grafanaJaegerSpan is what the Jaeger plugin reads of a span.
type grafanaJaegerSpan struct {
	TraceID, SpanID, OperationName, ProcessID string
	StartTime, Duration                       int64
	References                                []struct{ RefType, TraceID, SpanID string }
	Tags                                      []struct{ Key, Type string }
	Logs                                      []struct{ Timestamp int64 }
}

type grafanaJaegerTraces struct {
	Data []struct {
		TraceID   string
		Spans     []grafanaJaegerSpan
		Processes map[string]struct{ ServiceName string }
	}
	Errors []struct{ Msg string }
}

// The health check of the Jaeger data source is its list of services.
func TestGrafanaJaegerServices(t *testing.T) {
	s := jaegerServer(t, shop())
	var list struct {
		Data                 []string
		Errors               any
		Limit, Offset, Total int
	}
	decode(t, ask(t, s, "", "/api/services", nil, ""), &list)
	if fmt.Sprint(list.Data) != "[OTLPResourceNoServiceName backend frontend]" {
		t.Errorf("services: got %v", list.Data)
	}
	decode(t, ask(t, s, "", "/api/services/frontend/operations", nil, ""), &list)
	if fmt.Sprint(list.Data) != "[GET / call]" {
		t.Errorf("operations: got %v", list.Data)
	}
	var v3 struct{ Services []string }
	decode(t, ask(t, s, "", "/api/v3/services", nil, ""), &v3)
	if len(v3.Services) != 3 {
		t.Errorf("v3 services: got %v", v3)
	}
}

func TestGrafanaJaegerSearch(t *testing.T) {
	s := jaegerServer(t, shop())
	micros := func(t time.Time) string { return strconv.FormatInt(t.UnixMicro(), 10) }
	for tags, want := range map[string]int{"": 2, `{"http.method":"GET"}`: 1, `{"error":"true"}`: 0, `{"http.status_code":"200"}`: 1} {
		query := url.Values{"service": {"frontend"}, "operation": {"GET /"}, "limit": {"20"}, "start": {micros(grafanaRange[0])}, "end": {micros(grafanaRange[1])}}
		if tags != "" {
			query.Set("tags", tags)
			query.Set("minDuration", "1us")
			query.Set("maxDuration", "10s")
		}
		var a grafanaJaegerTraces
		if err := json.Unmarshal(ask(t, s, "", "/api/traces", query, "").Body.Bytes(), &a); err != nil || len(a.Data) != want {
			t.Errorf("search with tags %s: got %d traces, %v; want %d", tags, len(a.Data), err, want)
		}
	}
	// Times go out as they are written, with the plus sign of a time zone.
	zone := time.FixedZone("", 3600)
	target := "/api/v3/traces?query.service_name=frontend&query.operation_name=GET+%2F&query.start_time_min=" +
		grafanaRange[0].In(zone).Format(time.RFC3339Nano) + "&query.start_time_max=" + grafanaRange[1].In(zone).Format(time.RFC3339Nano)
	var v3 struct {
		Result struct{ ResourceSpans []json.RawMessage }
		Error  struct{ HttpCode int }
	}
	if w := get(t, s, target); json.Unmarshal(w.Body.Bytes(), &v3) != nil || w.Code != 200 || len(v3.Result.ResourceSpans) == 0 {
		t.Errorf("v3 search: got %d %s", w.Code, w.Body)
	}
}

// The node graph of a trace is drawn from its spans' references.
func TestGrafanaJaegerTraceAndNodeGraph(t *testing.T) {
	s := jaegerServer(t, shop())
	for _, query := range []url.Values{nil, {"start": {strconv.Itoa(jaegerEpoch / 1000)}, "end": {strconv.Itoa(jaegerEpoch/1000 + 1e6)}}} {
		var a grafanaJaegerTraces
		if err := json.Unmarshal(ask(t, s, "", "/api/traces/"+trace1, query, "").Body.Bytes(), &a); err != nil || len(a.Data) != 1 || len(a.Data[0].Spans) != 3 {
			t.Fatalf("trace: got %+v, %v", a, err)
		}
		children := 0
		for _, span := range a.Data[0].Spans {
			if a.Data[0].Processes[span.ProcessID].ServiceName == "" {
				t.Errorf("span %s has no service", span.SpanID)
			}
			if len(span.References) == 1 && span.References[0].RefType == "CHILD_OF" {
				children++
			}
		}
		if children != 2 {
			t.Errorf("got %d children; want 2", children)
		}
	}
	if w := get(t, s, "/api/traces/"+strings.Repeat("7", 32)); w.Code != 404 {
		t.Errorf("unknown trace: got %d; want 404", w.Code)
	}
	var deps struct {
		Data []struct {
			Parent, Child string
			CallCount     int
		}
		Errors []struct{ Code int }
	}
	w := ask(t, s, "", "/api/dependencies", url.Values{"endTs": {strconv.FormatInt(grafanaRange[1].UnixMilli(), 10)}, "lookback": {"600000"}}, "")
	if err := json.Unmarshal(w.Body.Bytes(), &deps); err != nil || len(deps.Data) != 1 || deps.Data[0].Child != "backend" {
		t.Errorf("dependencies: got %+v, %v", deps, err)
	}
}
