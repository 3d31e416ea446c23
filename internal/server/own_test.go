package server

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/signalbox-otel/signalbox/internal/ingest"
	"github.com/signalbox-otel/signalbox/internal/query"
	"github.com/signalbox-otel/signalbox/internal/store"
	"github.com/signalbox-otel/signalbox/internal/store/storetest"
)

// shopLogs are log records of the shop's first trace.
func shopLogs() plog.Logs {
	ld := plog.NewLogs()
	rl := ld.ResourceLogs().AppendEmpty()
	rl.Resource().Attributes().PutStr("service.name", "backend")
	records := rl.ScopeLogs().AppendEmpty().LogRecords()
	add := func(micros int, severity plog.SeverityNumber, body string) plog.LogRecord {
		l := records.AppendEmpty()
		l.SetTimestamp(at(micros))
		l.SetSeverityNumber(severity)
		l.SetSeverityText(severity.String())
		l.Body().SetStr(body)
		return l
	}
	add(1600, plog.SeverityNumberInfo, "reading items")
	l := add(3000, plog.SeverityNumberError, "connection <reset> by database")
	l.SetTraceID(pcommon.TraceID{0: 0xab, 15: 1})
	l.SetSpanID(pcommon.SpanID{7: 3})
	l.Attributes().PutInt("retries", 3)
	l.Attributes().PutInt("big", 1<<60)
	l = add(900_000_000, plog.SeverityNumberUnspecified, "")
	l.Body().SetEmptyMap().PutStr("event", "shutdown")
	return ld
}

// ownServer serves the shop's traces and logs; its clock stands 30 minutes
// after the epoch.
func ownServer(t *testing.T) *Server {
	t.Helper()
	memory := &storetest.Memory{}
	spans, err := ingest.Traces(shop())
	if err != nil {
		t.Fatal(err)
	}
	logs, err := ingest.Logs(shopLogs())
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range []*store.Batch{spans, logs} {
		if err := memory.Append(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	}
	return newTestServer(t, Deps{
		Load: &steered{}, Reader: memory, Catalog: memory, Version: "v1.2.3", StoreStats: func() any { return map[string]int{"blocks": 2} },
		Endpoints: func() []Endpoint { return []Endpoint{{"OTLP/gRPC", "localhost:4317"}} },
		Topology: func() Topology {
			return Topology{Instance: "6f1c", Connectors: []string{"span_metrics"},
				Pipelines: []Pipeline{
					{ID: "metrics/made", Signal: "metrics", Receivers: []string{"span_metrics"}, Exporters: []string{"store"}},
					{ID: "traces", Signal: "traces", Receivers: []string{"otlp"}, Processors: []string{"batch"}, Exporters: []string{"store", "span_metrics"}},
				},
				Problems: []Problem{{Last: time.Unix(0, jaegerEpoch), Count: 3, Level: "warn", Kind: "exporter", Component: "store", Signal: "traces",
					Message: "refused", Detail: "disk full"}},
				Losses: []Loss{{Last: time.Unix(0, jaegerEpoch), Kind: "exporter", Component: "store", Signal: "traces",
					Outcome: "refused", Reason: "disk_full", Items: 12, Error: "disk full"}},
				Listeners: []Listener{{Receiver: "otlp", Protocol: "grpc", Network: "tcp", Address: "localhost:4317"}},
				Exits:     []Exit{{Exporter: "store"}},
				Telemetry: "localhost:4315"}
		},
		Instrumentation: injected,
		Now:             func() time.Time { return time.Unix(0, jaegerEpoch).Add(30 * time.Minute) }})
}

func q(condition string) string { return "q=" + url.QueryEscape(condition) }

// ownAnswers are requests to our API, by the file that has the answer.
var ownAnswers = map[string]string{
	"own_traces.json":       "traces?" + q(`{ .http.status_code >= 500 }`),
	"own_traces_all.json":   "traces?limit=2&spans=1",
	"own_trace.json":        "traces/" + trace1,
	"own_trace_core.json":   "traces/" + trace1 + "?parts=core",
	"own_trace_otlp.json":   "traces/" + trace1 + "?format=otlp",
	"own_trace_rank.json":   "traces/" + trace2 + "?rank=1h",
	"own_trace_ranks.json":  "traces/" + trace2 + "/ranks",
	"own_spans.json":        "spans?order=slowest&limit=2",
	"own_spans_all.json":    "spans?parts=all&" + q(`span:parentID = nil && status = ok`),
	"own_points.json":       "traces/points?limit=2",
	"own_slowest.json":      "traces?order=slowest&limit=2",
	"own_heatmap.json":      "traces/heatmap?step=10m",
	"own_logs.json":         "logs",
	"own_logs_text.json":    "logs?" + q(`reset severity >= warn`),
	"own_volume.json":       "logs/volume?step=10m",
	"own_patterns.json":     "logs/patterns",
	"own_context.json":      "logs/context?at=now-20m&limit=1",
	"own_services.json":     "services",
	"own_operations.json":   "services/frontend/operations?spanKind=client",
	"own_series.json":       "services/backend/series?step=10m",
	"own_dependencies.json": "dependencies",
	"own_fields.json":       "fields?match=http",
	"own_values.json":       "fields/values?field=span.http.status_code",
	"own_facets.json":       "facets?field=kind&field=span.http.status_code&" + q(`kind = server`),
	"own_logfacets.json":    "facets?kind=logs",
	"own_status.json":       "status",
	"own_pipelines.json":    "pipelines",
	"own_injected.json":     "instrumentation?namespace=shop",
	"own_load.json":         "load",
	"own_loadhistory.json":  "load/history",
	"own_loadreport.json":   "load/report.json",
}

func TestOwnGolden(t *testing.T) {
	s := ownServer(t)
	for file, target := range ownAnswers {
		t.Run(file, func(t *testing.T) {
			w := get(t, s, apiPrefix+target)
			if w.Code != 200 || w.Header().Get("Content-Type") != "application/json" {
				t.Fatalf("%s: got %d %s: %s", target, w.Code, w.Header().Get("Content-Type"), w.Body)
			}
			golden(t, file, w.Body.Bytes())
		})
	}
}

func TestOTLPComesBack(t *testing.T) {
	w := get(t, ownServer(t), apiPrefix+"traces/"+trace1+"?format=otlp")
	td, err := new(ptrace.JSONUnmarshaler).UnmarshalTraces(w.Body.Bytes())
	if err != nil || td.SpanCount() != 3 {
		t.Errorf("got %v, %d spans; want 3", err, td.SpanCount())
	}
	if got := w.Header().Get("Content-Disposition"); got != `attachment; filename="trace-`+trace1+`.json"` {
		t.Errorf("Content-Disposition: got %q", got)
	}
}

func TestLogPages(t *testing.T) {
	s := ownServer(t)
	var bodies []string
	for cursor := ""; ; {
		var page struct {
			Logs []struct{ Level string }
			Next string
		}
		w := get(t, s, apiPrefix+"logs?limit=1&cursor="+cursor)
		if err := json.Unmarshal(w.Body.Bytes(), &page); err != nil {
			t.Fatal(err)
		}
		if len(page.Logs) == 0 {
			break
		}
		bodies, cursor = append(bodies, page.Logs[0].Level), page.Next
	}
	if got := strings.Join(bodies, " "); got != "unset error info" {
		t.Errorf("got %s; want three pages, newest first", got)
	}
}

func TestOwnRefuses(t *testing.T) {
	s := ownServer(t)
	f := func(target string, status int, kind, message string, position int) {
		t.Helper()
		w := get(t, s, apiPrefix+target)
		var p problem
		if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil {
			t.Fatalf("%s: answer %q is not JSON: %v", target, w.Body, err)
		}
		at := -1
		if p.Position != nil {
			at = *p.Position
		}
		if w.Code != status || p.Kind != kind || !strings.Contains(p.Message, message) || at != position {
			t.Errorf("%s: got %d %s at %d; want %d %s %q at %d", target, w.Code, w.Body, at, status, kind, message, position)
		}
	}
	f("traces?"+q(`{ statsu = error }`), 400, "bad_query", "did you mean status?", 2)
	f("logs?"+q("severity > x"), 400, "bad_query", "severity is one of", 11)
	f("traces?query=x", 400, "bad_request", "there is no such parameter; there are end, explain, limit", -1)
	f("traces?limit=0", 400, "bad_request", "not a positive number", -1)
	f("traces?limit=1&limit=2", 400, "bad_request", "more than once", -1)
	f("traces?start=later", 400, "bad_request", "give RFC 3339", -1)
	f("traces?start=now&end=now-1h", 400, "bad_request", "is not before the end", -1)
	f("traces?minDuration=5", 400, "bad_request", "is not a duration", -1)
	f("traces?minDuration=-5s", 400, "bad_request", "negative", -1)
	f("traces?q=%zz", 400, "bad_request", "query string", -1)
	f("traces/xyz", 400, "bad_request", "parameter id", -1)
	f("traces/"+trace1+"?format=xml", 400, "bad_request", "none of tree, otlp", -1)
	f("traces/ffffffffffffffffffffffffffffffff", 404, "not_found", "not found", -1)
	f("spans?order=oldest", 400, "bad_request", "none of newest, slowest", -1)
	f("logs?cursor=x", 400, "bad_request", "not a cursor", -1)
	f("services/x/operations?spanKind=big", 400, "bad_request", "none of", -1)
	f("fields?kind=metrics", 400, "bad_request", "none of spans, logs", -1)
	f("fields?scope=x", 400, "bad_request", "none of", -1)
	f("fields/values", 400, "bad_request", "not the name of a field", -1)
	f("facets?field=a+b", 400, "bad_request", "not the name of a field", -1)
	f("traces/tail", 503, "unavailable", "cannot be followed", -1)
	f("traces/tail?limit=3", 400, "bad_request", "no such parameter", -1)
	f("traces/", 404, "not_found", "no such path", -1)
}

// breaking is a reader whose logs end in an error after n records.
type breaking struct {
	storetest.Memory
	n int
}

func (b *breaking) Logs(context.Context, store.Query) iter.Seq2[*store.Log, error] {
	return func(yield func(*store.Log, error) bool) {
		for i := range b.n {
			l := store.Log{Resource: &store.Resource{}, Scope: &store.Scope{}, Time: uint64(i + 1), Body: store.StringValue("x")}
			if !yield(&l, nil) {
				return
			}
		}
		yield(nil, &store.CorruptionError{File: "block", Reason: "checksum mismatch"})
	}
}

func TestListThatBreaksOff(t *testing.T) {
	b := &breaking{}
	s := newTestServer(t, Deps{Reader: b})
	if w := get(t, s, apiPrefix+"logs"); w.Code != 500 || !strings.Contains(w.Body.String(), `"kind":"corrupt"`) {
		t.Errorf("at once: got %d %s", w.Code, w.Body)
	}
	b.n = 2
	w := get(t, s, apiPrefix+"logs")
	var a struct {
		Logs   []any
		Report reportAnswer
		Error  *problem
	}
	if err := json.Unmarshal(w.Body.Bytes(), &a); err != nil {
		t.Fatalf("answer %s is not JSON: %v", w.Body, err)
	}
	if w.Code != 200 || len(a.Logs) != 2 || !a.Report.Partial || a.Error == nil || a.Error.Kind != "corrupt" {
		t.Errorf("in the middle: got %d %s", w.Code, w.Body)
	}
}

// hub is a follower that a test appends to.
type hub struct{ batches chan *store.Batch }

func (h hub) Follow(store.Kind) (<-chan *store.Batch, func()) { return h.batches, func() {} }

func TestTail(t *testing.T) {
	h := hub{make(chan *store.Batch)}
	s := newTestServer(t, Deps{Follower: h, Limits: Limits{Tails: 1, Heartbeat: time.Millisecond}})
	srv := httptest.NewServer(s)
	defer srv.Close()
	resp, err := http.Get(srv.URL + apiPrefix + "traces/tail?" + q("name = job"))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if got := resp.Header.Get("Content-Type"); got != "text/event-stream" {
		t.Errorf("Content-Type: got %s", got)
	}
	lines := bufio.NewScanner(resp.Body)
	next := func(want string) string {
		t.Helper()
		for lines.Scan() {
			if strings.HasPrefix(lines.Text(), want) {
				return lines.Text()
			}
		}
		t.Fatalf("stream ended before %q: %v", want, lines.Err())
		return ""
	}
	next(": following")
	next(": heartbeat")
	if w := get(t, s, apiPrefix+"logs/tail"); w.Code != 503 || w.Header().Get("Retry-After") == "" {
		t.Errorf("second tail: got %d %s; want 503 with Retry-After", w.Code, w.Body)
	}
	b, err := ingest.Traces(shop())
	if err != nil {
		t.Fatal(err)
	}
	h.batches <- b
	next("event: span")
	if data := next("data: "); !strings.Contains(data, `"traceId":"`+trace3+`"`) {
		t.Errorf("got %s; want the span of trace 3", data)
	}
	close(h.batches)
	next("event: end")
	next("data: {}")
	lines.Scan() // the blank line that ends the event
	if lines.Scan() {
		t.Errorf("got %q behind the end", lines.Text())
	}
}

// TestTailOutlivesTimeouts follows for longer than other requests may take.
func TestTailOutlivesTimeouts(t *testing.T) {
	s := newTestServer(t, Deps{Follower: hub{make(chan *store.Batch)}, Limits: Limits{Heartbeat: time.Millisecond}})
	srv := httptest.NewUnstartedServer(s)
	srv.Config.ReadTimeout, srv.Config.WriteTimeout = 50*time.Millisecond, 50*time.Millisecond
	srv.Start()
	defer srv.Close()
	resp, err := http.Get(srv.URL + apiPrefix + "logs/tail")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	for begun := time.Now(); time.Since(begun) < 150*time.Millisecond; {
		if !lines.Scan() {
			t.Fatalf("the tail ended after %s: %v", time.Since(begun), lines.Err())
		}
	}
}

func TestTailSaysWhatItMissed(t *testing.T) {
	h := hub{make(chan *store.Batch)}
	s := newTestServer(t, Deps{Follower: h, Limits: Limits{Query: query.Limits{Buffered: 2}}})
	w := httptest.NewRecorder()
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.ServeHTTP(w, httptest.NewRequest("GET", apiPrefix+"logs/tail", nil))
	}()
	b, err := ingest.Logs(shopLogs())
	if err != nil {
		t.Fatal(err)
	}
	h.batches <- b
	close(h.batches)
	<-done
	if body := w.Body.String(); strings.Count(body, "event: log\n") != 2 || !strings.Contains(body, "event: missed\ndata: {\"missed\":1}\n") {
		t.Errorf("got %s; want two records and one missed", body)
	}
	if body := get(t, s, "/metrics").Body.String(); !strings.Contains(body, "signalbox_http_tail_missed_records_total 1") {
		t.Error("the missed record is not counted")
	}
}

func TestParseTime(t *testing.T) {
	now := time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC)
	f := func(text string, want time.Time) {
		t.Helper()
		got, err := parseTime(text, now)
		if err != nil || !got.Equal(want) {
			t.Errorf("parseTime(%q): got %s, %v; want %s", text, got, err, want)
		}
	}
	f("now", now)
	f("now-1h", now.Add(-time.Hour))
	f("now+90s", now.Add(90*time.Second))
	f("now 90s", now.Add(90*time.Second))
	f("1h30m", now.Add(-90*time.Minute))
	f("-7d", now.Add(-7*24*time.Hour))
	f("1w2d3h", now.Add(-(9*24+3)*time.Hour))
	f("2026-11-20T09:00:00Z", now.Add(-time.Hour))
	f("2026-11-20T10:00:00.5+01:00", now.Add(-time.Hour+500*time.Millisecond))
	f("2026-11-20T10:00:00 01:00", now.Add(-time.Hour))
	f("1795168800", now)
	f("1795168800.25", now.Add(250*time.Millisecond))
	f("1795168800000", now)
	f("1795168800000000", now)
	f("1795168800000000001", now.Add(1))
	f("0", time.Unix(0, 0))
	for _, bad := range []string{"", "x", "now1h", "now--1h", "now-", "-5", "1e30", "NaN", "99999999999d", "2500-01-01T00:00:00Z", "1960-01-01T00:00:00Z", "1h-30m"} {
		if got, err := parseTime(bad, now); err == nil {
			t.Errorf("parseTime(%q): got %s; want an error", bad, got)
		}
	}
}

func FuzzParseTime(f *testing.F) {
	for _, s := range []string{"now-1h", "1w2d", "1795168800.5", "2026-11-20T10:00:00Z", "-7d"} {
		f.Add(s)
	}
	now := time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, s string) {
		if got, err := parseTime(s, now); err == nil && got.UnixNano() < 0 {
			t.Fatal(fmt.Errorf("parseTime(%q) gave %s, before 1970", s, got))
		}
	})
}

// TestHostileParameters sends to every route what no client of good will sends:
// it is answered or refused, and is never a fault of the server.
func TestHostileParameters(t *testing.T) {
	s := ownServer(t)
	values := []string{"", "0", "-1", "9223372036854775807", "18446744073709551616", "1e308", "NaN", "now-10000w", "\x00", "\xff\xfe", "%", "' OR 1=1",
		"{{{", strings.Repeat("(", 300), strings.Repeat("a ", 600), `name =~ "(((a*)*)*)*b"`, `duration > 9223372036854775807ns`, `.x = "` + strings.Repeat("y", 9000) + `"`,
		"../../etc/passwd", "<script>", "1.1", "0.0", "1ns", "999999h"}
	names := []string{"q", "start", "end", "step", "limit", "spans", "cursor", "minDuration", "maxDuration", "kind", "scope", "match", "field",
		"values", "format", "rank", "operation", "spanKind", "order", "parts"}
	for _, rt := range s.ownRoutes() {
		if rt.endless {
			continue
		}
		path := strings.NewReplacer("{id}", trace1, "{name}", "frontend").Replace(rt.pattern)
		for _, name := range names {
			for _, value := range values {
				target := path + "?" + url.Values{name: {value}}.Encode()
				w := get(t, s, target)
				if w.Code >= 500 || w.Code == 200 && strings.Contains(w.Body.String(), `"error":{`) {
					t.Errorf("%s: got %d %.200s", target, w.Code, w.Body)
				}
			}
		}
	}
	for _, id := range []string{"%00", "..%2f", strings.Repeat("a", 33), "g", "%ff"} {
		if w := get(t, s, apiPrefix+"traces/"+id); w.Code != 400 {
			t.Errorf("trace %q: got %d %s; want 400", id, w.Code, w.Body)
		}
	}
}
