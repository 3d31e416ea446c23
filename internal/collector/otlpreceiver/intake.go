package otlpreceiver

import (
	"context"
	"fmt"
	"sync"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
	"go.opentelemetry.io/collector/receiver"
	"go.opentelemetry.io/collector/receiver/otlpreceiver"
	"go.opentelemetry.io/collector/receiver/receiverhelper"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/signalbox-otel/signalbox/internal/collector/wire"
	"github.com/signalbox-otel/signalbox/internal/ingest"
	"github.com/signalbox-otel/signalbox/internal/store"
)

// signalAttribute is what the collector adds to the telemetry of a component
// for each signal. The receiver is one for all signals, and takes it off; so
// must counters that are to be the same.
const signalAttribute = "otelcol.signal"

// intake is what the servers of one receiver have in common. It is complete
// before any of them starts.
type intake struct {
	spanPath, metricPath, logPath string
	// lanes are the signals whose requests go straight to where batches are
	// taken; nil for those that are decoded into pdata.
	spans, logs *lane
	// encodings are those of bodies over HTTP, and maxBody what they may hold.
	encodings []string
	maxBody   int64
	room      *room
	refused   refusals
}

// defaultMaxBody is the limit of the collector's server if none is configured.
const defaultMaxBody = 20 << 20

// newIntake makes the intake of a receiver, and takes from its server what is
// done here.
func newIntake(c *otlpreceiver.Config, r *room, refused refusals) *intake {
	i := &intake{room: r, refused: refused}
	if c.Protocols.HTTP.HasValue() {
		http := c.Protocols.HTTP.Get()
		i.spanPath, i.metricPath, i.logPath = string(http.TracesURLPath), string(http.MetricsURLPath), string(http.LogsURLPath)
		if i.encodings = http.ServerConfig.CompressionAlgorithms; i.encodings == nil {
			i.encodings = defaultEncodings
		}
		http.ServerConfig.CompressionAlgorithms = []string{}
		if i.maxBody = http.ServerConfig.MaxRequestBodySize; i.maxBody <= 0 {
			i.maxBody = defaultMaxBody
		}
	}
	return i
}

// refusals counts requests that were refused before anybody knew how many records
// they have; the collector counts records only.
type refusals struct {
	counter metric.Int64Counter
	byCode  map[codes.Code]metric.MeasurementOption
}

func newRefusals(set receiver.Settings) (refusals, error) {
	c, err := ofAllSignals(set.TelemetrySettings).MeterProvider.Meter("github.com/signalbox-otel/signalbox/internal/collector/otlpreceiver").Int64Counter(
		"signalbox_otlp_refused_requests_total",
		metric.WithDescription("Requests that an otlp receiver refused without reading what they hold."),
		metric.WithUnit("{requests}"))
	if err != nil {
		return refusals{}, fmt.Errorf("making the counter of refused requests of receiver %s: %w", set.ID, err)
	}
	reason := func(text string) metric.MeasurementOption {
		return metric.WithAttributeSet(attribute.NewSet(attribute.String("receiver", set.ID.String()), attribute.String("reason", text)))
	}
	return refusals{c, map[codes.Code]metric.MeasurementOption{codes.Unavailable: reason("no_room"), codes.InvalidArgument: reason("unreadable")}}, nil
}

// count counts a request that was refused with s, and returns s.
func (r refusals) count(ctx context.Context, s *status.Status) *status.Status {
	if why, ok := r.byCode[s.Code()]; ok {
		r.counter.Add(ctx, 1, why)
	}
	return s
}

// lane is the lane of a kind of records, nil when there is none.
func (i *intake) lane(k store.Kind) *lane {
	if k == store.Spans {
		return i.spans
	}
	return i.logs
}

// laneAt is the lane of requests to a path.
func (i *intake) laneAt(path string) *lane {
	switch path {
	case i.spanPath:
		return i.spans
	case i.logPath:
		return i.logs
	}
	return nil
}

// lane takes the requests of one signal as batches.
type lane struct {
	kind    store.Kind
	readers sync.Pool // *ingest.Reader
	// consume passes on what stands for a batch of n records.
	consume func(ctx context.Context, n int) error
	// begun and ended count what comes over HTTP. The receiver counts what comes
	// over gRPC.
	begun func(context.Context) context.Context
	ended func(ctx context.Context, format string, n int, err error)
	// done is the answer to a request that was taken.
	done []byte
}

// read reads a request and calls use with the batch, which is made of parts of
// body and good until use returns. But when kept is true, a follower of the store
// has it: body must stay as it is.
func (i *intake) read(ctx context.Context, l *lane, body []byte, h *hold, use func(*store.Batch) error) (kept bool, err error) {
	r, ok := l.readers.Get().(*ingest.Reader)
	if !ok {
		r = new(ingest.Reader)
	}
	b, err := r.FromWire(l.kind, body, func(bytes int) bool { return h.take(int64(bytes)) })
	if err != nil {
		err = i.refused.count(ctx, refusal(err)).Err()
	} else {
		err = use(b)
		kept = b.Followed
	}
	if !kept && r.Bytes() <= maxIdle {
		l.readers.Put(r)
	}
	return kept, err
}

// maxIdle bounds the memory of a buffer that waits for the next request. Those of
// very large ones are left to the garbage collector.
const maxIdle = 8 << 20

// pass passes a batch on. The sender is answered when it returns.
func (l *lane) pass(ctx context.Context, b *store.Batch) error {
	n := b.Len()
	if n == 0 {
		return nil
	}
	ctx = l.begun(ctx)
	err := l.consume(wire.With(ctx, b), n)
	l.ended(ctx, "protobuf", n, err)
	return err
}

// newSpanLane makes the lane of spans to next.
func newSpanLane(set receiver.Settings, next consumer.Traces) (*lane, error) {
	report, err := newReport(set)
	if err != nil {
		return nil, err
	}
	done, err := ptraceotlp.NewExportResponse().MarshalProto()
	if err != nil {
		return nil, fmt.Errorf("marshalling an answer: %w", err)
	}
	return &lane{kind: store.Spans, done: done, begun: report.StartTracesOp, ended: report.EndTracesOp,
		consume: func(ctx context.Context, n int) error { return next.ConsumeTraces(ctx, wire.Traces(n)) }}, nil
}

// newLogLane makes the lane of log records to next.
func newLogLane(set receiver.Settings, next consumer.Logs) (*lane, error) {
	report, err := newReport(set)
	if err != nil {
		return nil, err
	}
	done, err := plogotlp.NewExportResponse().MarshalProto()
	if err != nil {
		return nil, fmt.Errorf("marshalling an answer: %w", err)
	}
	return &lane{kind: store.Logs, done: done, begun: report.StartLogsOp, ended: report.EndLogsOp,
		consume: func(ctx context.Context, n int) error { return next.ConsumeLogs(ctx, wire.LogRecords(n)) }}, nil
}

// newReport makes the counters that the receiver has for HTTP.
func newReport(set receiver.Settings) (*receiverhelper.ObsReport, error) {
	set.TelemetrySettings = ofAllSignals(set.TelemetrySettings)
	report, err := receiverhelper.NewObsReport(receiverhelper.ObsReportSettings{ReceiverID: set.ID, Transport: "http", ReceiverCreateSettings: set})
	if err != nil {
		return nil, fmt.Errorf("making the counters of receiver %s: %w", set.ID, err)
	}
	return report, nil
}

// ofAllSignals takes the signal off what is counted and traced.
func ofAllSignals(set component.TelemetrySettings) component.TelemetrySettings {
	if p, ok := set.MeterProvider.(interface {
		DropInjectedAttributes(...string) metric.MeterProvider
	}); ok {
		set.MeterProvider = p.DropInjectedAttributes(signalAttribute)
	}
	if p, ok := set.TracerProvider.(interface {
		DropInjectedAttributes(...string) trace.TracerProvider
	}); ok {
		set.TracerProvider = p.DropInjectedAttributes(signalAttribute)
	}
	return set
}
