// Package workload makes the telemetry that Signalbox and its peers are measured
// with: the benchmarks of package store append it, those below bench send it as
// OTLP. The same seed gives the same spans and log records, whose times begin where
// it is told.
package workload

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/signalbox-otel/signalbox/internal/ingest"
	"github.com/signalbox-otel/signalbox/internal/store"
)

// Workload makes spans like those of a shop of 20 services with 10 operations
// and 4 pods each: 15 resource attributes, 10 to 15 span attributes, traces of
// 2 to 10 spans, 1 % errors with a stack trace, 1 million spans an hour. The
// spans of a trace come in three requests.
type Workload struct {
	*rand.Rand
	resources [][]*store.Resource
	scopes    []*store.Scope
	stack     string
	later     [3][]store.Span

	Now    uint64          // when the last trace started
	Sample []store.TraceID // every thousandth trace
}

// New returns a workload whose first trace starts soon after start.
func New(start uint64) *Workload {
	w := &Workload{Rand: rand.New(rand.NewPCG(7, 7)), Now: start}
	for s := range 20 {
		var pods []*store.Resource
		for p := range 4 {
			pods = append(pods, &store.Resource{SchemaURL: "https://opentelemetry.io/schemas/1.37.0", Attrs: []store.Attr{
				text("service.name", fmt.Sprintf("service-%02d", s)), text("service.namespace", "shop"),
				text("service.version", fmt.Sprintf("1.%d.0", s)), text("service.instance.id", w.uuid()),
				text("k8s.pod.name", fmt.Sprintf("service-%02d-6d4cf56db6-%05x", s, w.Uint32()&0xfffff)),
				text("k8s.namespace.name", "shop"), text("k8s.node.name", fmt.Sprintf("node-%d", p)),
				text("k8s.deployment.name", fmt.Sprintf("service-%02d", s)), text("k8s.cluster.name", "prod-eu-1"),
				text("host.name", fmt.Sprintf("node-%d", p)), text("os.type", "linux"),
				text("telemetry.sdk.language", "java"), text("telemetry.sdk.name", "opentelemetry"),
				text("telemetry.sdk.version", "1.54.0"), number("process.pid", int64(1+w.IntN(30000)))}})
		}
		w.resources = append(w.resources, pods)
		w.scopes = append(w.scopes, &store.Scope{Name: fmt.Sprintf("io.opentelemetry.library-%d", s%5), Version: "2.20.0"})
	}
	for i := range 12 {
		w.stack += fmt.Sprintf("\tat com.example.shop.checkout.Handler%d.process(Handler%d.java:%d)\n", i, i, 40+i*13)
	}
	return w
}

func text(k, v string) store.Attr { return store.Attr{Key: k, Value: store.StringValue(v)} }

func number(k string, v int64) store.Attr { return store.Attr{Key: k, Value: store.IntValue(v)} }

func (w *Workload) uuid() string {
	a, b := w.Uint64(), w.Uint64()
	return fmt.Sprintf("%08x-%04x-4%03x-%04x-%012x", a>>32, a>>16&0xffff, a&0xfff, b>>48, b&0xffffffffffff)
}

func (w *Workload) id() (id store.SpanID) {
	binary.BigEndian.PutUint64(id[:], w.Uint64())
	return id
}

// Batch makes the next request of about 1,000 spans.
func (w *Workload) Batch() *store.Batch {
	spans := w.later[0]
	w.later[0], w.later[1], w.later[2] = w.later[1], w.later[2], nil
	for len(spans) < 1000 {
		w.Now += uint64(w.ExpFloat64() * 6 * float64(time.Hour) / 1e6)
		for _, s := range w.trace() {
			switch w.IntN(3) {
			case 0:
				spans = append(spans, s)
			case 1:
				w.later[0] = append(w.later[0], s)
			default:
				w.later[1] = append(w.later[1], s)
			}
		}
	}
	return &store.Batch{Kind: store.Spans, Spans: spans}
}

func (w *Workload) trace() []store.Span {
	var id store.TraceID
	binary.BigEndian.PutUint64(id[:], w.Uint64())
	binary.BigEndian.PutUint64(id[8:], w.Uint64())
	if w.IntN(1000) == 0 {
		w.Sample = append(w.Sample, id)
	}
	session := w.uuid()
	user := fmt.Sprintf("user-%06d", w.IntN(100_000))
	spans := make([]store.Span, 2+w.IntN(9))
	start := w.Now
	for i := range spans {
		spans[i] = w.span(id, start, session, user)
		if i > 0 {
			spans[i].ParentID = spans[w.IntN(i)].SpanID
		}
		start += uint64(w.IntN(3_000_000))
	}
	return spans
}

func (w *Workload) span(id store.TraceID, start uint64, session, user string) store.Span {
	svc, op := w.IntN(20), w.IntN(10)
	s := store.Span{Resource: w.resources[svc][w.IntN(4)], Scope: w.scopes[svc], TraceID: id, SpanID: w.id(), Flags: 257,
		Start: start, End: start + uint64(math.Exp(w.NormFloat64()+15+float64(op)/5)), Kind: int32(1 + op%5)}
	s.Attrs = append(s.Attrs, number("thread.id", int64(20+w.IntN(60))), text("thread.name", fmt.Sprintf("http-nio-8080-exec-%d", w.IntN(60))),
		text("user.id", user), text("session.id", session), text("app.tenant", fmt.Sprintf("tenant-%03d", w.IntN(200))),
		store.Attr{Key: "app.cached", Value: store.BoolValue(w.IntN(2) == 0)})
	switch {
	case op < 6:
		s.Name = fmt.Sprintf("POST /api/v1/service-%02d/things-%d/{id}", svc, op)
		s.Attrs = append(s.Attrs, text("http.request.method", "POST"), text("http.route", s.Name[5:]),
			text("url.path", fmt.Sprintf("/api/v1/service-%02d/things-%d/%d", svc, op, w.IntN(500_000))),
			number("http.response.status_code", int64(200+100*(w.IntN(100)/98)*3)), text("client.address", fmt.Sprintf("10.1.%d.%d", w.IntN(40), w.IntN(250))),
			number("http.request.body.size", int64(w.IntN(20_000))), text("server.address", "shop.example.com"), number("server.port", 443))
	case op < 8:
		s.Name = fmt.Sprintf("SELECT shop.table_%d", op)
		s.Attrs = append(s.Attrs, text("db.system.name", "postgresql"), text("db.namespace", "shop"),
			text("db.query.text", fmt.Sprintf("SELECT id, name, price FROM table_%d WHERE tenant = ? AND id = ? ORDER BY %d", op, svc)),
			text("server.address", "db-0.shop.svc"), number("server.port", 5432))
	default:
		s.Name = fmt.Sprintf("topic-%d process", op)
		s.Attrs = append(s.Attrs, text("messaging.system", "kafka"), text("messaging.destination.name", fmt.Sprintf("topic-%d", op)),
			text("messaging.message.id", w.uuid()), number("messaging.kafka.offset", int64(start/1e6)))
	}
	switch n := w.IntN(1000); {
	case n < 10:
		s.StatusCode, s.StatusMessage = 2, "java.lang.IllegalStateException: no stock"
		s.Events = []store.Event{{Time: s.End, Name: "exception", Attrs: []store.Attr{text("exception.type", "java.lang.IllegalStateException"),
			text("exception.message", "no stock"), text("exception.stacktrace", w.stack)}}}
	case n < 90:
		s.Events = []store.Event{{Time: start + 1000, Name: "cache.miss", Attrs: []store.Attr{text("cache.key", user)}}}
	case n < 106:
		s.Links = []store.Link{{TraceID: id, SpanID: w.id()}}
	}
	return s
}

// Long makes one trace of n spans, each below one of the forty before it.
func (w *Workload) Long(n int) []store.Span {
	var id store.TraceID
	binary.BigEndian.PutUint64(id[:], w.Uint64())
	session, user := w.uuid(), "user-000001"
	spans := make([]store.Span, n)
	for i := range spans {
		spans[i] = w.span(id, w.Now+uint64(i)*uint64(time.Millisecond), session, user)
		if i > 0 {
			spans[i].ParentID = spans[max(0, i-1-w.IntN(40))].SpanID
		}
	}
	spans[0].End = max(spans[0].End, spans[n-1].End)
	return spans
}

// Received makes n requests and the batches that they are once received, in which
// spans of a resource stand together.
func (w *Workload) Received(n int) (requests []ptrace.Traces, batches []*store.Batch, err error) {
	for range n {
		made := w.Batch()
		spans := make([]*store.Span, len(made.Spans))
		for i := range spans {
			spans[i] = &made.Spans[i]
		}
		td := ingest.ToTraces(spans)
		b, err := ingest.Traces(td)
		if err != nil {
			return nil, nil, err
		}
		requests, batches = append(requests, td), append(batches, b)
	}
	return requests, batches, nil
}

// Batches makes n spans or a few more.
func (w *Workload) Batches(n int) (batches []*store.Batch) {
	for n > 0 {
		b := w.Batch()
		n -= b.Len()
		batches = append(batches, b)
	}
	return batches
}
