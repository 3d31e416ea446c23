package server

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"iter"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/signalbox-otel/signalbox/internal/store"
	"github.com/signalbox-otel/signalbox/internal/store/storetest"
)

func TestJaegerGolden(t *testing.T) {
	s := jaegerServer(t, shop())
	f := func(file, target string) {
		t.Helper()
		w := get(t, s, target)
		if w.Code != 200 || w.Header().Get("Content-Type") != "application/json" {
			t.Fatalf("%s: got %d %s %s; want 200 application/json", target, w.Code, w.Header().Get("Content-Type"), w.Body)
		}
		golden(t, file, w.Body.Bytes())
	}
	f("jaeger_trace.json", "/api/traces/"+trace1)
	f("jaeger_services.json", "/api/services")
	f("jaeger_operation_names.json", "/api/services/frontend/operations")
	f("jaeger_operations.json", "/api/operations?service=frontend")
	f("jaeger_dependencies.json", "/api/dependencies?endTs=1795172400000&lookback=86400000")
	f("jaegerv3_trace.json", "/api/v3/traces/"+trace1)
	f("jaegerv3_services.json", "/api/v3/services")
	f("jaegerv3_operations.json", "/api/v3/operations?service=frontend")
	f("jaegerv3_summaries.json", "/api/v3/trace-summaries?query.startTimeMin=2026-11-20T00:00:00Z&query.startTimeMax=2026-11-21T00:00:00Z")
	f("jaegerv3_dependencies.json", "/api/v3/dependencies?startTime=2026-11-20T00:00:00Z&endTime=2026-11-21T00:00:00Z")
}

func TestJaegerOperationsByKind(t *testing.T) {
	s := jaegerServer(t, shop())
	f := func(target, want string) {
		t.Helper()
		w := get(t, s, target)
		if !strings.Contains(w.Body.String(), want) {
			t.Errorf("%s: got %s; want %s", target, w.Body, want)
		}
	}
	f("/api/operations?service=frontend&spanKind=client", `"data":[{"name":"call","spanKind":"client"}]`)
	f("/api/operations?service=frontend&spanKind=consumer", `"data":[]`)
	f("/api/services/nobody/operations", `"data":[]`)
	f("/api/services/front%2Fend/operations", `"data":[]`)
	f("/api/services/OTLPResourceNoServiceName/operations", `"data":["job"]`)
	f("/api/v3/operations?service=frontend&span_kind=client", `"operations":[{"name":"call","spanKind":"client"}]`)
	f("/api/v3/operations?service=frontend&spanKind=client", `"operations":[{"name":"call","spanKind":"client"}]`)
}

// foundTraces are the ids in an answer of either version, in its order.
func foundTraces(t *testing.T, body []byte) []string {
	t.Helper()
	var answer struct {
		Data   []jaegerTrace
		Result json.RawMessage
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		t.Fatalf("answer is not JSON: %v: %s", err, body)
	}
	var ids []string
	for _, trace := range answer.Data {
		ids = append(ids, trace.TraceID)
	}
	if answer.Result != nil {
		td, err := (&ptrace.JSONUnmarshaler{}).UnmarshalTraces(answer.Result)
		if err != nil {
			t.Fatalf("result is not OTLP: %v", err)
		}
		for i := range td.ResourceSpans().Len() {
			id := td.ResourceSpans().At(i).ScopeSpans().At(0).Spans().At(0).TraceID().String()
			if !slices.Contains(ids, id) {
				ids = append(ids, id)
			}
		}
	}
	return ids
}

func TestJaegerSearch(t *testing.T) {
	s := jaegerServer(t, shop())
	f := func(query string, want ...string) {
		t.Helper()
		w := get(t, s, "/api/traces?"+query)
		if w.Code != 200 {
			t.Fatalf("%s: got %d %s", query, w.Code, w.Body)
		}
		if diff := cmp.Diff(want, foundTraces(t, w.Body.Bytes())); diff != "" {
			t.Errorf("%s (-want +got):\n%s", query, diff)
		}
	}
	tags := func(object string) string { return "&tags=" + url.QueryEscape(object) }
	f("service=frontend", trace2, trace1)
	f("service=frontend&limit=1", trace2)
	f("service=OTLPResourceNoServiceName", trace3)
	f("service=nobody")
	f("service=frontend&operation=call", trace1)
	f("service=frontend&minDuration=1ms", trace1)
	f("service=frontend&maxDuration=100us", trace2)
	f("service=frontend&lookback=1h&limit=20", trace2, trace1)
	f("service=frontend&lookback=1s")
	f("service=frontend&lookback=custom&start=1795168800000001&end=1795168801000000", trace2, trace1) // its client span starts later
	f("service=frontend&operation=GET+/&start=1795168800000001&end=1795168801000000", trace2)
	f("service=frontend&start=0&end=1795168800000000", trace1)
	f("service=frontend&tag=http.method:GET", trace1)
	f("service=frontend"+tags(`{"http.status_code":"200"}`), trace1)
	f("service=frontend"+tags(`{"cached":"true","ratio":"0.5"}`), trace1)
	f("service=frontend" + tags(`{"cached":"true","ratio":"0.7"}`))
	f("service=frontend" + tags(`{"host.name":"h1","operation":"x"}`))
	f("service=frontend&operation=GET+/"+tags(`{"host.name":"h1"}`), trace2, trace1)
	f("service=frontend"+tags(`{"exception.type":"E"}`), trace1)
	f("service=frontend"+tags(`{"event":"exception"}`), trace1)
	f("service=frontend"+tags(`{"otel.scope.name":"http","short":"h"}`), trace2, trace1)
	f("service=frontend"+tags(`{"w3c.tracestate":"vendor=1"}`), trace1)
	f("service=frontend"+tags(`{"span.kind":"client"}`), trace1)
	f("service=frontend" + tags(`{"span.kind":"odd"}`))
	f("service=frontend" + tags(`{"error":"true"}`))
	f("service=backend"+tags(`{"error":"true"}`), trace1)
	f("service=backend" + tags(`{"error":"false"}`))
	f("service=frontend"+tags(`{"error":"false"}`), trace2, trace1)
	f("service=backend"+tags(`{"otel.status_code":"ERROR","otel.status_description":"boom"}`), trace1)
	f("service=frontend"+tags(`{"otel.status_code":"OK"}`), trace2)
	f("traceID="+trace1+"&traceID="+trace3, trace1, trace3)
}

func TestJaegerV3Search(t *testing.T) {
	s := jaegerServer(t, shop())
	day := "query.start_time_min=2026-11-20T00:00:00Z&query.start_time_max=2026-11-21T01:00:00%2B01:00&"
	check := func(w *httptest.ResponseRecorder, query string, want []string) {
		t.Helper()
		if w.Code != 200 {
			t.Fatalf("%s: got %d %s", query, w.Code, w.Body)
		}
		if diff := cmp.Diff(want, foundTraces(t, w.Body.Bytes())); diff != "" {
			t.Errorf("%s (-want +got):\n%s", query, diff)
		}
	}
	f := func(query string, want ...string) {
		t.Helper()
		check(get(t, s, "/api/v3/traces?"+query), query, want)
	}
	f(day, trace3, trace2, trace1)
	f(day+"query.service_name=frontend", trace2, trace1)
	f(day+"query.serviceName=frontend&query.searchDepth=1", trace2)
	f(day+"query.service_name=frontend&query.num_traces=1", trace2)
	f(day+"query.operation_name=call", trace1)
	f(day+"query.duration_min=1ms&query.duration_max=1s", trace1)
	f(day+"query.attributes="+url.QueryEscape(`{"http.status_code":"500"}`), trace1)
	f(day + "query.service_name=nobody")
	// The + of the zone as some clients send it.
	f("query.start_time_min=2026-11-20T01:00:00+01:00&query.start_time_max=2026-11-20T11:00:01+01:00", trace1)

	post := func(body string, want ...string) {
		t.Helper()
		w := httptest.NewRecorder()
		s.ServeHTTP(w, httptest.NewRequest("POST", "/api/v3/traces", strings.NewReader(body)))
		check(w, body, want)
	}
	post(`{"query":{"service_name":"frontend","start_time_min":"2026-11-20T00:00:00Z","start_time_max":"2026-11-21T00:00:00Z","attributes":{"cached":"true"},"duration_min":"0.001s","search_depth":5}}`, trace1)
	post(`{"query":{"serviceName":"frontend","startTimeMin":"2026-11-20T00:00:00Z","startTimeMax":"2026-11-21T00:00:00Z"},"later":1}`, trace2, trace1)
}

func TestJaegerRefuses(t *testing.T) {
	s := jaegerServer(t, shop())
	f := func(target string, status int) {
		t.Helper()
		w := get(t, s, target)
		var answer struct {
			Data   any
			Errors []jaegerError
			Error  gatewayError
		}
		if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil {
			t.Fatalf("%s: answer is not JSON: %v: %s", target, err, w.Body)
		}
		code, message := answer.Error.HTTPCode, answer.Error.Message
		if !strings.HasPrefix(target, "/api/v3/") {
			if len(answer.Errors) != 1 || answer.Data != nil {
				t.Fatalf("%s: got %s; want one error and no data", target, w.Body)
			}
			code, message = answer.Errors[0].Code, answer.Errors[0].Msg
		}
		if w.Code != status || code != status || message == "" {
			t.Errorf("%s: got %d %s; want %d and a message", target, w.Code, w.Body, status)
		}
	}
	f("/api/traces", 400)
	f("/api/operations", 400)
	for _, query := range []string{
		"start=yesterday", "start=-1", "start=99999999999999999999", "start=9223372036854775807", "end=1e9", "start=2&end=0",
		"limit=0", "limit=-1", "limit=many", "limit=99999999999", "minDuration=5", "minDuration=-5ms", "maxDuration=x",
		"minDuration=2s&maxDuration=1s", "tag=novalue", "tags=x", "tags=%5B%5D", `tags={"a":1}`, "a=%zz",
	} {
		f("/api/traces?service=frontend&"+query, 400)
	}
	f("/api/traces?traceID=xyz", 400)
	f("/api/traces?"+strings.Repeat("traceID=1&", maxTraces+1), 400)
	f("/api/traces/not-hex", 400)
	f("/api/traces/"+strings.Repeat("a", 33), 400)
	f("/api/traces/abc", 404)
	f("/api/traces/"+strings.Repeat("0", 32), 404)
	f("/api/dependencies?endTs=now", 400)
	f("/api/dependencies?endTs=18446744073709551615", 400)
	f("/api/dependencies?lookback=1d", 400)

	f("/api/v3/operations", 400)
	f("/api/v3/traces/xyz", 400)
	f("/api/v3/traces/abc", 404)
	f("/api/v3/traces/abc?raw_traces=perhaps", 400)
	f("/api/v3/traces", 400)
	f("/api/v3/traces?query.start_time_min=2026-11-20T00:00:00Z", 400)
	f("/api/v3/dependencies", 400)
	f("/api/v3/dependencies?start_time=2026-11-20T00:00:00Z&end_time=2026-11-19T00:00:00Z", 400)
	for _, query := range []string{
		"query.search_depth=-1", "query.num_traces=x", "query.duration_min=1", "query.duration_max=-1s", "query.attributes=x",
		"query.raw_traces=x", "query.start_time_min=yesterday", "query.start_time_max=2025-01-01T00:00:00Z",
		"query.start_time_max=9999-12-31T23:59:59Z", "query.duration_min=2s&query.duration_max=1s",
	} {
		v, _ := url.ParseQuery(query)
		for name, value := range map[string]string{"query.start_time_min": "2026-11-20T00:00:00Z", "query.start_time_max": "2026-11-21T00:00:00Z"} {
			if !v.Has(name) {
				v.Set(name, value)
			}
		}
		f("/api/v3/traces?"+v.Encode(), 400)
		f("/api/v3/trace-summaries?"+v.Encode(), 400)
	}

	for _, body := range []string{"", "{", "[]", "{}", `{"query":{"start_time_min":"x"}}`} {
		w := httptest.NewRecorder()
		s.ServeHTTP(w, httptest.NewRequest("POST", "/api/v3/traces", strings.NewReader(body)))
		if w.Code != 400 {
			t.Errorf("POST %q: got %d %s; want 400", body, w.Code, w.Body)
		}
	}
}

// Some of several traces are not there: the answer has the others.
func TestJaegerSeveralTraces(t *testing.T) {
	w := get(t, jaegerServer(t, shop()), "/api/traces?traceID=abc&traceID="+trace1)
	var answer jaegerAnswer
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil {
		t.Fatal(err)
	}
	want := []jaegerError{{Msg: "not found", TraceID: "0000000000000abc"}}
	if diff := cmp.Diff(want, answer.Errors); w.Code != 200 || diff != "" || !slices.Equal(foundTraces(t, w.Body.Bytes()), []string{trace1}) {
		t.Errorf("got %d, traces %v, errors (-want +got):\n%s", w.Code, foundTraces(t, w.Body.Bytes()), diff)
	}
}

// Ids of 64 bits are asked for, and shown, without their zeros.
func TestJaegerShortID(t *testing.T) {
	td := ptrace.NewTraces()
	s := span(service(td, "old"), 0, 1, 0, "op", ptrace.SpanKindServer, 0, 1)
	s.SetTraceID(pcommon.TraceID{14: 0x0a, 15: 0xbc})
	server := jaegerServer(t, td)
	for _, id := range []string{"abc", "0abc", "ABC", "0000000000000abc", "00000000000000000000000000000abc"} {
		w := get(t, server, "/api/traces/"+id)
		if got := foundTraces(t, w.Body.Bytes()); !slices.Equal(got, []string{"0000000000000abc"}) {
			t.Errorf("%s: got %v %s", id, got, w.Body)
		}
	}
}

// partialReader is a store with an unreadable block.
type partialReader struct{ *storetest.Memory }

func (p partialReader) Spans(ctx context.Context, q store.Query) iter.Seq2[*store.Span, error] {
	q.Report.Stopped = "row limit"
	return p.Memory.Spans(ctx, q)
}

func (p partialReader) Trace(ctx context.Context, id store.TraceID, r *store.Report) iter.Seq2[*store.Span, error] {
	r.Unreadable = append(r.Unreadable, "block-7")
	return p.Memory.Trace(ctx, id, r)
}

func TestJaegerPartialAnswersSaySo(t *testing.T) {
	whole := jaegerServer(t, shop())
	reader := partialReader{whole.deps.Reader.(*storetest.Memory)}
	s := newTestServer(t, Deps{Reader: reader, Catalog: reader.Memory, Now: whole.deps.Now})
	f := func(target string, want ...string) {
		t.Helper()
		body := get(t, s, target).Body.String()
		for _, text := range want {
			if !strings.Contains(body, text) {
				t.Errorf("%s: got %s; want %q in it", target, body, text)
			}
		}
	}
	f("/api/traces/"+trace1, `"warnings":["spans may be missing: unreadable data in block-7"]`)
	f("/api/traces?service=frontend", "block-7", "the search stopped at the row limit")
	f("/api/traces?service=nobody", `"errors":[{"msg":"spans may be missing: the search stopped at the row limit"}]`)
	f("/api/dependencies", `"errors":[{"msg":"spans may be missing`)
	f("/api/v3/traces/"+trace1, `"key":"@jaeger@warnings","value":{"arrayValue":{"values":[{"stringValue":"spans may be missing: unreadable data in block-7"}]}}`)
	if body := get(t, s, "/api/v3/traces/"+trace1+"?raw_traces=true").Body.String(); strings.Contains(body, "@jaeger@") {
		t.Errorf("raw trace has warnings: %s", body)
	}
}

// Everything that OTLP says of a span's attributes is in the answer.
func TestJaegerKeepsEveryAttribute(t *testing.T) {
	td := shop()
	s := jaegerServer(t, td)
	var answer struct{ Data []jaegerTrace }
	if err := json.Unmarshal(get(t, s, "/api/traces/"+trace1).Body.Bytes(), &answer); err != nil {
		t.Fatal(err)
	}
	spans := map[string]jaegerSpan{}
	for _, span := range answer.Data[0].Spans {
		spans[span.SpanID] = span
	}
	contains := func(what string, tags []jaegerTag, attrs pcommon.Map) {
		t.Helper()
		for key, v := range attrs.All() {
			want := fmt.Sprint(v.AsRaw())
			switch v.Type() {
			case pcommon.ValueTypeBytes:
				want = base64.StdEncoding.EncodeToString(v.Bytes().AsRaw())
			case pcommon.ValueTypeMap, pcommon.ValueTypeSlice:
				want = canonical(t, v.AsString())
			}
			if !slices.ContainsFunc(tags, func(tag jaegerTag) bool {
				got := fmt.Sprint(tag.Value)
				if v.Type() == pcommon.ValueTypeMap || v.Type() == pcommon.ValueTypeSlice {
					got = canonical(t, got)
				}
				return tag.Key == key && got == want
			}) {
				t.Errorf("%s: no tag %s = %s in %v", what, key, want, tags)
			}
		}
	}
	for _, rs := range td.ResourceSpans().All() {
		for _, ss := range rs.ScopeSpans().All() {
			for _, otlp := range ss.Spans().All() {
				got, ok := spans[otlp.SpanID().String()]
				if otlp.TraceID().String() != trace1 {
					continue
				}
				if !ok {
					t.Fatalf("span %s is missing", otlp.Name())
				}
				contains(otlp.Name(), got.Tags, otlp.Attributes())
				contains(otlp.Name()+" scope", got.Tags, ss.Scope().Attributes())
				for i, e := range otlp.Events().All() {
					contains("event "+e.Name(), got.Logs[i].Fields, e.Attributes())
				}
				resource := pcommon.NewMap()
				rs.Resource().Attributes().CopyTo(resource)
				resource.Remove("service.name")
				contains("resource", answer.Data[0].Processes[got.ProcessID].Tags, resource)
			}
		}
	}
}

// canonical is JSON with its keys sorted, or text that is not JSON.
func canonical(t *testing.T, text string) string {
	var v any
	if json.Unmarshal([]byte(text), &v) != nil {
		return text
	}
	out, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

func FuzzLegacySearch(f *testing.F) {
	f.Add("service=a&tags=%7B%22error%22%3A%22true%22%7D&start=1&end=2&minDuration=1ms&limit=3")
	f.Add("service=OTLPResourceNoServiceName&tag=span.kind:server&lookback=2d")
	f.Add("traceID=abc&traceID=0")
	now := time.Unix(0, jaegerEpoch)
	f.Fuzz(func(t *testing.T, raw string) {
		v, err := url.ParseQuery(raw)
		if err != nil {
			return
		}
		q, ids, err := legacySearch(v, now)
		if err != nil {
			if p := problemOf(err); p.Status != http.StatusBadRequest {
				t.Fatalf("%q: got %d %v; want 400", raw, p.Status, err)
			}
			return
		}
		if q == nil {
			if len(ids) == 0 {
				t.Fatalf("%q: neither a search nor ids", raw)
			}
			return
		}
		if q.start > q.end || q.limit < 1 || q.limit > maxTraces {
			t.Fatalf("%q: got %+v", raw, q)
		}
		if _, err := store.NewMatcher(q.where()); err != nil {
			t.Fatalf("%q: condition does not compile: %v", raw, err)
		}
	})
}
