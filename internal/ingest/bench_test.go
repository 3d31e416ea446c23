package ingest_test

import (
	"fmt"
	"testing"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"

	"github.com/signalbox-otel/signalbox/internal/ingest"
	"github.com/signalbox-otel/signalbox/internal/store"
)

// records is how many spans or log records the benchmarks' requests have.
const records = 1000

// usual is a request as services send them: 14 attributes a span, an event on
// every tenth.
func usual() ptrace.Traces {
	r := newRandom(1)
	td := ptrace.NewTraces()
	rs := td.ResourceSpans().AppendEmpty()
	for i := range 15 {
		rs.Resource().Attributes().PutStr(fmt.Sprintf("k8s.resource.attribute.%d", i), "some-deployment-5d4c8b7f9-x2x7q")
	}
	ss := rs.ScopeSpans().AppendEmpty()
	ss.Scope().SetName("go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp")
	ss.Spans().EnsureCapacity(records)
	for i := range records {
		s := ss.Spans().AppendEmpty()
		s.SetTraceID(pcommon.TraceID{1, byte(i), byte(i >> 8)})
		s.SetSpanID(pcommon.SpanID{2, byte(i), byte(i >> 8)})
		s.SetParentSpanID(pcommon.SpanID{3, byte(i), byte(i >> 8)})
		s.SetName("POST /api/v1/checkout/carts/{id}")
		s.SetKind(ptrace.SpanKindServer)
		s.SetStartTimestamp(pcommon.Timestamp(1763634000000000000 + r.IntN(1e9)))
		s.SetEndTimestamp(s.StartTimestamp() + pcommon.Timestamp(r.IntN(1e8)))
		s.SetFlags(0x101)
		usualAttrs(s.Attributes(), i)
		if i%10 == 0 {
			e := s.Events().AppendEmpty()
			e.SetName("exception")
			e.SetTimestamp(s.EndTimestamp())
			e.Attributes().PutStr("exception.message", "connection reset by peer")
		}
	}
	return td
}

func usualAttrs(m pcommon.Map, i int) {
	m.PutStr("http.request.method", "POST")
	m.PutStr("url.scheme", "https")
	m.PutStr("url.path", fmt.Sprintf("/api/v1/checkout/carts/%d", i))
	m.PutStr("http.route", "/api/v1/checkout/carts/{id}")
	m.PutInt("http.response.status_code", 200)
	m.PutStr("server.address", "checkout.shop.svc.cluster.local")
	m.PutInt("server.port", 8080)
	m.PutStr("client.address", fmt.Sprintf("10.1.%d.%d", i/250, i%250))
	m.PutStr("user_agent.original", "Mozilla/5.0 (X11; Linux x86_64)")
	m.PutStr("app.tenant", fmt.Sprintf("tenant-%03d", i%100))
	m.PutStr("user.id", fmt.Sprintf("user-%06d", i*7919%100000))
	m.PutInt("http.request.body.size", int64(i*37%10000))
	m.PutBool("app.cache.hit", i%3 == 0)
	m.PutDouble("app.cart.value", float64(i)*1.25)
}

func usualLogs() plog.Logs {
	ld := plog.NewLogs()
	rl := ld.ResourceLogs().AppendEmpty()
	rl.Resource().Attributes().PutStr("service.name", "checkout")
	sl := rl.ScopeLogs().AppendEmpty()
	for i := range records {
		l := sl.LogRecords().AppendEmpty()
		l.SetTimestamp(pcommon.Timestamp(1763634000000000000 + i))
		l.SetObservedTimestamp(l.Timestamp())
		l.SetSeverityNumber(plog.SeverityNumberInfo)
		l.SetSeverityText("INFO")
		l.Body().SetStr(fmt.Sprintf("order %d placed by user-%06d in 12 ms", i, i*7919%100000))
		usualAttrs(l.Attributes(), i)
	}
	return ld
}

func perRecord(b *testing.B) {
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/records, "ns/record")
	b.ReportAllocs()
}

func BenchmarkTracesFromWire(b *testing.B) {
	payload, _ := (&ptrace.ProtoMarshaler{}).MarshalTraces(usual())
	b.SetBytes(int64(len(payload)))
	for b.Loop() {
		if _, err := ingest.TracesFromWire(payload); err != nil {
			b.Fatal(err)
		}
	}
	perRecord(b)
}

// BenchmarkReader is what receivers do.
func BenchmarkReader(b *testing.B) {
	payload, _ := (&ptrace.ProtoMarshaler{}).MarshalTraces(usual())
	b.SetBytes(int64(len(payload)))
	var r ingest.Reader
	for b.Loop() {
		if _, err := r.FromWire(store.Spans, payload, func(int) bool { return true }); err != nil {
			b.Fatal(err)
		}
	}
	perRecord(b)
}

// BenchmarkPdataFromWire is what TracesFromWire replaces.
func BenchmarkPdataFromWire(b *testing.B) {
	payload, _ := (&ptrace.ProtoMarshaler{}).MarshalTraces(usual())
	b.SetBytes(int64(len(payload)))
	for b.Loop() {
		if err := ptraceotlp.NewExportRequest().UnmarshalProto(payload); err != nil {
			b.Fatal(err)
		}
	}
	perRecord(b)
}

func BenchmarkLogsFromWire(b *testing.B) {
	payload, _ := (&plog.ProtoMarshaler{}).MarshalLogs(usualLogs())
	b.SetBytes(int64(len(payload)))
	for b.Loop() {
		if _, err := ingest.LogsFromWire(payload); err != nil {
			b.Fatal(err)
		}
	}
	perRecord(b)
}

func BenchmarkTraces(b *testing.B) {
	td := usual()
	for b.Loop() {
		if _, err := ingest.Traces(td); err != nil {
			b.Fatal(err)
		}
	}
	perRecord(b)
}

// BenchmarkTracesDirect is the way that Traces does not go: records from
// pdata's accessors, and marshalling for the payload alone.
func BenchmarkTracesDirect(b *testing.B) {
	td := usual()
	for b.Loop() {
		batch := directTraces(td)
		var err error
		if batch.Payload, err = (&ptrace.ProtoMarshaler{}).MarshalTraces(td); err != nil {
			b.Fatal(err)
		}
	}
	perRecord(b)
}

func BenchmarkToTraces(b *testing.B) {
	batch, err := ingest.Traces(usual())
	if err != nil {
		b.Fatal(err)
	}
	spans := pointers(batch.Spans)
	for b.Loop() {
		ingest.ToTraces(spans)
	}
	perRecord(b)
}
