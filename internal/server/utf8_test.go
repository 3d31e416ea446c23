package server

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
	"unicode/utf8"

	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/signalbox-otel/signalbox/internal/server/jaegerv3"
)

// Senders get away with text that is not UTF-8; clients of protobuf and JSON
// would refuse the whole trace for it.
func TestJaegerRepairsText(t *testing.T) {
	const bad = "a\xffb"
	td := ptrace.NewTraces()
	spans := service(td, bad)
	resource := td.ResourceSpans().At(0)
	resource.SetSchemaUrl(bad)
	resource.ScopeSpans().At(0).SetSchemaUrl(bad)
	resource.ScopeSpans().At(0).Scope().SetName(bad)
	resource.ScopeSpans().At(0).Scope().SetVersion(bad)
	resource.ScopeSpans().At(0).Scope().Attributes().PutStr(bad, bad)
	s := span(spans, 1, 1, 0, bad, ptrace.SpanKindServer, 0, 1)
	s.TraceState().FromRaw(bad)
	s.Status().SetMessage(bad)
	s.Attributes().PutStr(bad, bad)
	s.Attributes().PutEmptySlice("list").AppendEmpty().SetEmptyMap().PutStr(bad, bad)
	e := s.Events().AppendEmpty()
	e.SetName(bad)
	e.Attributes().PutStr(bad, bad)
	l := s.Links().AppendEmpty()
	l.TraceState().FromRaw(bad)
	l.Attributes().PutStr(bad, bad)

	server := jaegerServer(t, td)
	_, conn := serve(t, server)
	client := jaegerv3.NewQueryServiceClient(conn)
	trace, err := receive(client.GetTrace(t.Context(), &jaegerv3.GetTraceRequest{TraceId: trace1}))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := trace[0].GetResourceSpans()[0].GetScopeSpans()[0].GetSpans()[0].GetName(), "a\ufffdb"; got != want {
		t.Errorf("name: got %q; want %q", got, want)
	}
	if services, err := client.GetServices(t.Context(), &jaegerv3.GetServicesRequest{}); err != nil || services.GetServices()[0] != "a\ufffdb" {
		t.Errorf("services: got %v, %v", services, err)
	}
	if _, err := client.GetOperations(t.Context(), &jaegerv3.GetOperationsRequest{Service: "a\ufffdb"}); err != nil {
		t.Error(err)
	}
	for _, target := range []string{"/api/traces/" + trace1, "/api/v3/traces/" + trace1, "/api/services", "/api/v3/services",
		"/api/operations?service=a%FFb", "/api/v3/operations?service=a%FFb",
		"/api/v3/trace-summaries?query.startTimeMin=2026-11-20T00:00:00Z&query.startTimeMax=2026-11-21T00:00:00Z"} {
		w := get(t, server, target)
		if w.Code != 200 || !utf8.Valid(w.Body.Bytes()) || !json.Valid(w.Body.Bytes()) {
			t.Errorf("%s: got %d %q; want valid JSON", target, w.Code, w.Body)
		}
	}
}

// JSON has no NaN and no infinity, and OTLP has both.
func TestJaegerOddNumbers(t *testing.T) {
	td := ptrace.NewTraces()
	a := span(service(td, "odd"), 1, 1, 0, "op", ptrace.SpanKindServer, 5, -5).Attributes()
	a.PutDouble("nan", math.NaN())
	a.PutDouble("inf", math.Inf(-1))
	a.PutInt("min", math.MinInt64)
	nested := a.PutEmptySlice("nested")
	nested.AppendEmpty().SetDouble(math.NaN())
	nested.AppendEmpty().SetInt(math.MinInt64)
	nested.AppendEmpty()
	nested.AppendEmpty().SetEmptyBytes().FromRaw([]byte{255})
	a.PutEmpty("empty")
	server := jaegerServer(t, td)
	for target, want := range map[string]string{
		"/api/traces/" + trace1: `"duration":0,"tags":[{"key":"nan","type":"float64","value":"NaN"},{"key":"inf","type":"float64","value":"-Inf"},` +
			`{"key":"min","type":"int64","value":"-9223372036854775808"},{"key":"nested","type":"string","value":"[\"NaN\",-9223372036854775808,null,\"/w==\"]"},` +
			`{"key":"empty","type":"string","value":""}`,
		"/api/v3/traces/" + trace1: `{"key":"nan","value":{"doubleValue":"NaN"}}`,
	} {
		w := get(t, server, target)
		if w.Code != 200 || !json.Valid(w.Body.Bytes()) || !strings.Contains(w.Body.String(), want) {
			t.Errorf("%s: got %d %s; want %s", target, w.Code, w.Body, want)
		}
	}
}
