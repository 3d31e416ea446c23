package server

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/signalbox-otel/signalbox/internal/ingest"
	"github.com/signalbox-otel/signalbox/internal/store/storetest"
)

// jaegerEpoch is when the test traces start: 2026-11-20 10:00:00 UTC.
const jaegerEpoch = 1795168800_000000000

// at is the Unix time of that many microseconds after the epoch.
func at(micros int) pcommon.Timestamp { return pcommon.Timestamp(jaegerEpoch + micros*1000) }

// service adds the spans of one service to td.
func service(td ptrace.Traces, name string) ptrace.SpanSlice {
	rs := td.ResourceSpans().AppendEmpty()
	if name != "" {
		rs.Resource().Attributes().PutStr("service.name", name)
	}
	return rs.ScopeSpans().AppendEmpty().Spans()
}

// span adds a span; parent 0 is a root.
func span(spans ptrace.SpanSlice, trace, id, parent byte, name string, kind ptrace.SpanKind, start, micros int) ptrace.Span {
	s := spans.AppendEmpty()
	s.SetTraceID(pcommon.TraceID{0: 0xab, 15: trace})
	s.SetSpanID(pcommon.SpanID{7: id})
	if parent != 0 {
		s.SetParentSpanID(pcommon.SpanID{7: parent})
	}
	s.SetName(name)
	s.SetKind(kind)
	s.SetStartTimestamp(at(start))
	s.SetEndTimestamp(at(start + micros))
	return s
}

// shop is two services and three traces; trace 1 has one of everything.
func shop() ptrace.Traces {
	td := ptrace.NewTraces()
	frontend := service(td, "frontend")
	resource := td.ResourceSpans().At(0).Resource().Attributes()
	resource.PutStr("host.name", "h1")
	resource.PutInt("process.pid", 42)
	scope := td.ResourceSpans().At(0).ScopeSpans().At(0).Scope()
	scope.SetName("http")
	scope.SetVersion("1.2")
	scope.Attributes().PutStr("short", "h")

	s := span(frontend, 1, 1, 0, "GET /", ptrace.SpanKindServer, 0, 5000)
	s.SetFlags(0x101)
	s.TraceState().FromRaw("vendor=1")
	a := s.Attributes()
	a.PutStr("http.method", "GET")
	a.PutInt("http.status_code", 200)
	a.PutInt("big", 1<<53)
	a.PutDouble("ratio", 0.5)
	a.PutBool("cached", true)
	a.PutEmptyBytes("raw").FromRaw([]byte{1, 2, 255})
	list := a.PutEmptySlice("list")
	list.AppendEmpty().SetStr("x")
	list.AppendEmpty().SetInt(1)
	m := a.PutEmptyMap("map")
	m.PutStr("k", "v")
	m.PutEmptyMap("deep").PutBool("yes", true)
	s.SetDroppedAttributesCount(3)
	e := s.Events().AppendEmpty()
	e.SetName("exception")
	e.SetTimestamp(at(100))
	e.Attributes().PutStr("exception.type", "E")
	e.SetDroppedAttributesCount(1)
	l := s.Links().AppendEmpty()
	l.SetTraceID(pcommon.TraceID{15: 9})
	l.SetSpanID(pcommon.SpanID{7: 9})
	l.Attributes().PutStr("why", "retry")
	span(frontend, 1, 2, 1, "call", ptrace.SpanKindClient, 1000, 3000)

	backend := service(td, "backend")
	s = span(backend, 1, 3, 2, "GET /items", ptrace.SpanKindServer, 1500, 2000)
	s.Status().SetCode(ptrace.StatusCodeError)
	s.Status().SetMessage("boom")
	s.Attributes().PutInt("http.status_code", 500)

	s = span(frontend, 2, 1, 0, "GET /", ptrace.SpanKindServer, 1_000_000, 100)
	s.Status().SetCode(ptrace.StatusCodeOk)
	span(service(td, ""), 3, 1, 0, "job", ptrace.SpanKindUnspecified, 2_000_000, 10)
	return td
}

// jaegerServer serves td; its clock stands an hour after the epoch.
func jaegerServer(t *testing.T, td ptrace.Traces) *Server {
	t.Helper()
	memory := &storetest.Memory{}
	batch, err := ingest.Traces(td)
	if err != nil {
		t.Fatal(err)
	}
	if err := memory.Append(t.Context(), batch); err != nil {
		t.Fatal(err)
	}
	return newTestServer(t, Deps{Reader: memory, Catalog: memory, Now: func() time.Time { return time.Unix(0, jaegerEpoch).Add(time.Hour) }})
}

const (
	trace1 = "ab000000000000000000000000000001"
	trace2 = "ab000000000000000000000000000002"
	trace3 = "ab000000000000000000000000000003"
)

// golden compares JSON with a file in testdata; UPDATE=1 writes the file.
func golden(t *testing.T, file string, got []byte) {
	t.Helper()
	var pretty bytes.Buffer
	if err := json.Indent(&pretty, bytes.TrimSpace(got), "", "  "); err != nil {
		t.Fatalf("answer is not JSON: %v: %s", err, got)
	}
	pretty.WriteByte('\n')
	path := filepath.Join("testdata", file)
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile(path, pretty.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), pretty.String()); diff != "" {
		t.Errorf("%s (-want +got):\n%s", file, diff)
	}
}
