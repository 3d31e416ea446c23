package load

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
	"google.golang.org/grpc"
)

// spansPerTrace is how many spans of a batch make one trace: a server span and
// its children.
const spansPerTrace = 5

// batch is what one request holds. A worker has its own series, so that the
// points of one series come in order.
type batch struct {
	service string
	worker  int
	size    int    // items
	serial  uint64 // of the worker's batches
	begun   time.Time
}

func newBatch(service string, worker, size int) batch {
	return batch{service: service, worker: worker, size: size, begun: time.Now()}
}

func (b batch) resource(r pcommon.Resource) {
	r.Attributes().PutStr("service.name", b.service)
	r.Attributes().PutStr("service.instance.id", strconv.Itoa(b.worker))
}

// encoder turns batches of one signal into requests, and reads the answers.
type encoder struct {
	path    string
	marshal func(batch) ([]byte, error)
	export  func(context.Context, *grpc.ClientConn, batch) (rejected int64, err error)
	// rejected reads the body of an HTTP answer.
	rejected func([]byte) (int64, error)
}

func encoderOf(signal string) (encoder, error) {
	switch signal {
	case Traces:
		return encoder{
			path:    "/v1/traces",
			marshal: func(b batch) ([]byte, error) { return b.traces().MarshalProto() },
			export: func(ctx context.Context, c *grpc.ClientConn, b batch) (int64, error) {
				resp, err := ptraceotlp.NewGRPCClient(c).Export(ctx, b.traces())
				if err != nil {
					return 0, err // the answer is none
				}
				return resp.PartialSuccess().RejectedSpans(), nil
			},
			rejected: func(body []byte) (int64, error) {
				resp := ptraceotlp.NewExportResponse()
				err := resp.UnmarshalProto(body)
				return resp.PartialSuccess().RejectedSpans(), err
			},
		}, nil
	case Metrics:
		return encoder{
			path:    "/v1/metrics",
			marshal: func(b batch) ([]byte, error) { return b.metrics().MarshalProto() },
			export: func(ctx context.Context, c *grpc.ClientConn, b batch) (int64, error) {
				resp, err := pmetricotlp.NewGRPCClient(c).Export(ctx, b.metrics())
				if err != nil {
					return 0, err // the answer is none
				}
				return resp.PartialSuccess().RejectedDataPoints(), nil
			},
			rejected: func(body []byte) (int64, error) {
				resp := pmetricotlp.NewExportResponse()
				err := resp.UnmarshalProto(body)
				return resp.PartialSuccess().RejectedDataPoints(), err
			},
		}, nil
	case Logs:
		return encoder{
			path:    "/v1/logs",
			marshal: func(b batch) ([]byte, error) { return b.logs().MarshalProto() },
			export: func(ctx context.Context, c *grpc.ClientConn, b batch) (int64, error) {
				resp, err := plogotlp.NewGRPCClient(c).Export(ctx, b.logs())
				if err != nil {
					return 0, err // the answer is none
				}
				return resp.PartialSuccess().RejectedLogRecords(), nil
			},
			rejected: func(body []byte) (int64, error) {
				resp := plogotlp.NewExportResponse()
				err := resp.UnmarshalProto(body)
				return resp.PartialSuccess().RejectedLogRecords(), err
			},
		}, nil
	}
	return encoder{}, fmt.Errorf("signal %q: want traces, metrics or logs", signal)
}

func randomTrace() (id pcommon.TraceID) {
	binary.BigEndian.PutUint64(id[:8], rand.Uint64())
	binary.BigEndian.PutUint64(id[8:], rand.Uint64()|1) // zero is no id
	return id
}

func randomSpan() (id pcommon.SpanID) {
	binary.BigEndian.PutUint64(id[:], rand.Uint64()|1)
	return id
}

// Routes and steps give what is sent a shape to group by.
var (
	routes = []string{"/", "/cart", "/checkout", "/search", "/items/{id}"}
	steps  = []string{"authenticate", "SELECT items", "render", "GET /stock"}
)

// traces are traces of a server span with children that end now.
func (b batch) traces() ptraceotlp.ExportRequest {
	td := ptrace.NewTraces()
	rs := td.ResourceSpans().AppendEmpty()
	b.resource(rs.Resource())
	ss := rs.ScopeSpans().AppendEmpty()
	ss.Scope().SetName(scope)
	spans := ss.Spans()
	spans.EnsureCapacity(b.size)
	var trace pcommon.TraceID
	var root pcommon.SpanID
	var end time.Time
	for i := range b.size {
		span := spans.AppendEmpty()
		span.SetSpanID(randomSpan())
		if i%spansPerTrace == 0 {
			trace, root, end = randomTrace(), span.SpanID(), time.Now()
			route := routes[rand.IntN(len(routes))]
			span.SetName("GET " + route)
			span.SetKind(ptrace.SpanKindServer)
			span.Attributes().PutStr("http.request.method", "GET")
			span.Attributes().PutStr("http.route", route)
			span.Attributes().PutInt("http.response.status_code", 200)
			span.SetStartTimestamp(pcommon.NewTimestampFromTime(end.Add(-10 * time.Millisecond)))
		} else {
			span.SetName(steps[i%spansPerTrace-1])
			span.SetKind(ptrace.SpanKindInternal)
			span.SetParentSpanID(root)
			span.SetStartTimestamp(pcommon.NewTimestampFromTime(end.Add(-time.Duration(1+rand.IntN(9)) * time.Millisecond)))
		}
		span.SetTraceID(trace)
		span.SetEndTimestamp(pcommon.NewTimestampFromTime(end))
	}
	return ptraceotlp.NewExportRequestFromTraces(td)
}

// metrics are one counter with as many series as the batch has items.
func (b batch) metrics() pmetricotlp.ExportRequest {
	md := pmetric.NewMetrics()
	rm := md.ResourceMetrics().AppendEmpty()
	b.resource(rm.Resource())
	sm := rm.ScopeMetrics().AppendEmpty()
	sm.Scope().SetName(scope)
	m := sm.Metrics().AppendEmpty()
	m.SetName("load.items")
	m.SetUnit("{item}")
	sum := m.SetEmptySum()
	sum.SetIsMonotonic(true)
	sum.SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
	now := pcommon.NewTimestampFromTime(time.Now())
	sum.DataPoints().EnsureCapacity(b.size)
	for i := range b.size {
		p := sum.DataPoints().AppendEmpty()
		p.Attributes().PutInt("series", int64(i))
		p.SetStartTimestamp(pcommon.NewTimestampFromTime(b.begun))
		p.SetTimestamp(now)
		p.SetIntValue(int64(b.serial + 1))
	}
	return pmetricotlp.NewExportRequestFromMetrics(md)
}

// logs are records of several severities.
func (b batch) logs() plogotlp.ExportRequest {
	ld := plog.NewLogs()
	rl := ld.ResourceLogs().AppendEmpty()
	b.resource(rl.Resource())
	sl := rl.ScopeLogs().AppendEmpty()
	sl.Scope().SetName(scope)
	sl.LogRecords().EnsureCapacity(b.size)
	for i := range b.size {
		record := sl.LogRecords().AppendEmpty()
		now := pcommon.NewTimestampFromTime(time.Now())
		record.SetTimestamp(now)
		record.SetObservedTimestamp(now)
		record.SetSeverityNumber(plog.SeverityNumberInfo)
		record.SetSeverityText("INFO")
		if i%10 == 9 {
			record.SetSeverityNumber(plog.SeverityNumberWarn)
			record.SetSeverityText("WARN")
		}
		route := routes[rand.IntN(len(routes))]
		record.Body().SetStr("answered " + route + " in " + strconv.Itoa(1+rand.IntN(100)) + " ms")
		record.Attributes().PutStr("http.route", route)
		record.SetTraceID(randomTrace())
		record.SetSpanID(randomSpan())
	}
	return plogotlp.NewExportRequestFromLogs(ld)
}
