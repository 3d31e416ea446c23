package store_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"syscall"
	"testing"
	"time"

	"github.com/signalbox-otel/signalbox/internal/store"
)

// workload makes spans like those of a shop of 20 services with 10 operations
// and 4 pods each: 15 resource attributes, 10 to 15 span attributes, traces of
// 2 to 10 spans, 1 % errors with a stack trace, 1 million spans an hour. The
// spans of a trace come in three requests.
type workload struct {
	*rand.Rand
	resources [][]*store.Resource
	scopes    []*store.Scope
	stack     string
	now       uint64
	later     [3][]store.Span
	sample    []store.TraceID
}

const workloadStart = uint64(1_700_000_000_000_000_000)

func newWorkload() *workload {
	w := &workload{Rand: rand.New(rand.NewPCG(7, 7)), now: workloadStart}
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

func (w *workload) uuid() string {
	a, b := w.Uint64(), w.Uint64()
	return fmt.Sprintf("%08x-%04x-4%03x-%04x-%012x", a>>32, a>>16&0xffff, a&0xfff, b>>48, b&0xffffffffffff)
}

func (w *workload) id() (id store.SpanID) {
	binary.BigEndian.PutUint64(id[:], w.Uint64())
	return id
}

// batch makes the next request of about 1,000 spans.
func (w *workload) batch() *store.Batch {
	spans := w.later[0]
	w.later[0], w.later[1], w.later[2] = w.later[1], w.later[2], nil
	for len(spans) < 1000 {
		w.now += uint64(w.ExpFloat64() * 6 * float64(time.Hour) / 1e6)
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

func (w *workload) trace() []store.Span {
	var id store.TraceID
	binary.BigEndian.PutUint64(id[:], w.Uint64())
	binary.BigEndian.PutUint64(id[8:], w.Uint64())
	if w.IntN(1000) == 0 {
		w.sample = append(w.sample, id)
	}
	session := w.uuid()
	user := fmt.Sprintf("user-%06d", w.IntN(100_000))
	spans := make([]store.Span, 2+w.IntN(9))
	start := w.now
	for i := range spans {
		spans[i] = w.span(id, start, session, user)
		if i > 0 {
			spans[i].ParentID = spans[w.IntN(i)].SpanID
		}
		start += uint64(w.IntN(3_000_000))
	}
	return spans
}

func (w *workload) span(id store.TraceID, start uint64, session, user string) store.Span {
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

const benchRows = 64 << 10

// batches makes n spans or a few more.
func (w *workload) batches(n int) (batches []*store.Batch) {
	for n > 0 {
		b := w.batch()
		n -= b.Len()
		batches = append(batches, b)
	}
	return batches
}

// cpu reports the CPU time of the process per unit beside the elapsed time: on
// a shared machine it is the figure that can be compared.
func cpu(b *testing.B, units int, unit string) func() {
	used := func() int64 {
		var u syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
			b.Fatal(err)
		}
		return u.Utime.Nano() + u.Stime.Nano()
	}
	before := used()
	return func() { b.ReportMetric(float64(used()-before)/float64(b.N*units), "cpu-ns/"+unit) }
}

func BenchmarkHeadAppend(b *testing.B) {
	batches := newWorkload().batches(benchRows)
	b.ReportAllocs()
	defer cpu(b, benchRows, "span")()
	for b.Loop() {
		head := store.NewTestHead(store.Spans)
		for _, batch := range batches {
			head.Append(batch)
		}
	}
}

func benchHead() store.Part {
	head := store.NewTestHead(store.Spans)
	for _, batch := range newWorkload().batches(benchRows) {
		head.Append(batch)
	}
	return head
}

func BenchmarkSeal(b *testing.B) {
	head := benchHead()
	size := 0
	b.ReportAllocs()
	defer cpu(b, benchRows, "span")()
	for b.Loop() {
		file, err := head.Seal()
		if err != nil {
			b.Fatal(err)
		}
		size = len(file)
	}
	b.ReportMetric(float64(size)/benchRows, "B/span")
	b.ReportMetric(float64(head.SizeBytes())/benchRows, "head-B/span")
}

// benchView is a view of blocks with an hour of spans, and some trace ids.
func benchView(b *testing.B) (*store.TestView, []store.TraceID) {
	w := newWorkload()
	var parts []store.Part
	for w.now < workloadStart+uint64(time.Hour) {
		head := store.NewTestHead(store.Spans)
		for _, batch := range w.batches(benchRows) {
			head.Append(batch)
		}
		file, err := head.Seal()
		if err != nil {
			b.Fatal(err)
		}
		block, err := store.OpenTestBlock(bytes.NewReader(file), int64(len(file)), "block")
		if err != nil {
			b.Fatal(err)
		}
		parts = append(parts, block)
	}
	return store.NewTestView(func(err *store.CorruptionError) { b.Error(err) }, parts...), w.sample
}

func attrIs(place store.Place, name string, op store.Op, v store.Value) store.Cond {
	return store.Cond{Field: store.Field{Place: place, Name: name}, Op: op, Value: v}
}

// BenchmarkSearchHead is for what is not sealed yet.
func BenchmarkSearchHead(b *testing.B) { benchSearch(b, store.NewTestView(nil, benchHead())) }

// BenchmarkSearch is for an hour of spans in blocks.
func BenchmarkSearch(b *testing.B) {
	view, _ := benchView(b)
	benchSearch(b, view)
}

func benchSearch(b *testing.B, view *store.TestView) {
	service := attrIs(store.ResourceAttr, "service.name", store.Eq, store.StringValue("service-07"))
	tenant := attrIs(store.RecordAttr, "app.tenant", store.Eq, store.StringValue("tenant-010"))
	slow := attrIs(store.Intrinsic, store.FieldDuration, store.Ge, store.IntValue(9_000_000))
	for name, q := range map[string]store.Query{
		"operation": {Where: store.And{service, tenant, slow, attrIs(store.Intrinsic, store.FieldName, store.Eq,
			store.StringValue("POST /api/v1/service-07/things-3/{id}"))}, Limit: 20, OnePerTrace: true, Need: store.NeedCore},
		"service": {Where: store.And{service, slow}, Limit: 20, OnePerTrace: true, Need: store.NeedCore},
		"full":    {Where: store.And{service, slow}, Limit: 20, OnePerTrace: true},
		"absent":  {Where: attrIs(store.RecordAttr, "url.path", store.Eq, store.StringValue("/none")), Limit: 20},
		"path": {Where: attrIs(store.AnyAttr, "url.path", store.Eq,
			store.StringValue("/api/v1/service-07/things-3/4711")), Limit: 20},
		"errors": {Where: attrIs(store.Intrinsic, store.FieldStatus, store.Eq, store.IntValue(2)), Limit: 20, Need: store.NeedCore},
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			n := 0
			defer cpu(b, 1, "query")()
			for b.Loop() {
				n = 0
				for _, err := range view.Spans(context.Background(), q) {
					if err != nil {
						b.Fatal(err)
					}
					n++
				}
			}
			b.ReportMetric(float64(n), "found")
		})
	}
}

func BenchmarkTrace(b *testing.B) {
	view, ids := benchView(b)
	b.ReportAllocs()
	spans, i := 0, 0
	defer cpu(b, 1, "query")()
	for b.Loop() {
		for _, err := range view.Trace(context.Background(), ids[i%len(ids)], nil) {
			if err != nil {
				b.Fatal(err)
			}
			spans++
		}
		i++
	}
	b.ReportMetric(float64(spans)/float64(b.N), "spans")
}

func BenchmarkOperations(b *testing.B) {
	view, _ := benchView(b)
	defer cpu(b, 1, "query")()
	for b.Loop() {
		for _, err := range view.Operations(context.Background(), 0, 0, nil) {
			if err != nil {
				b.Fatal(err)
			}
		}
	}
}
