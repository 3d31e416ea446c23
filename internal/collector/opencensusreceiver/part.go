package opencensusreceiver

import (
	"context"
	"crypto/rand"
	"fmt"

	commonpb "github.com/census-instrumentation/opencensus-proto/gen-go/agent/common/v1"
	agentmetricspb "github.com/census-instrumentation/opencensus-proto/gen-go/agent/metrics/v1"
	agenttracepb "github.com/census-instrumentation/opencensus-proto/gen-go/agent/trace/v1"
	metricspb "github.com/census-instrumentation/opencensus-proto/gen-go/metrics/v1"
	resourcepb "github.com/census-instrumentation/opencensus-proto/gen-go/resource/v1"
	tracepb "github.com/census-instrumentation/opencensus-proto/gen-go/trace/v1"
	"github.com/open-telemetry/opentelemetry-collector-contrib/pkg/translator/opencensus"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/receiver"
	"go.opentelemetry.io/collector/receiver/receiverhelper"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"google.golang.org/protobuf/proto"
)

// Why a metric is not passed on: values of the attribute "reason".
const (
	reasonNoType        = "unsupported_type"
	reasonNegativeCount = "negative_count"
)

// message is a request of either service.
type message interface {
	proto.Message
	GetNode() *commonpb.Node
	GetResource() *resourcepb.Resource
}

// part is what a server does for one signal.
type part struct {
	fresh func() message // an empty one, to decode into
	// consume translates a message and passes it on. Node and resource are those
	// in force, which the message need not have.
	consume func(ctx context.Context, p *part, node *commonpb.Node, resource *resourcepb.Resource, m message) (items int, err error)
	begin   func(o *receiverhelper.ObsReport, ctx context.Context) context.Context
	end     func(o *receiverhelper.ObsReport, ctx context.Context, format string, items int, err error)

	grpc, http *receiverhelper.ObsReport
	dropped    metric.Int64Counter
	receiver   attribute.KeyValue
}

// observe makes the counters of a part.
func (p *part) observe(set receiver.Settings) (err error) {
	p.grpc, err = receiverhelper.NewObsReport(receiverhelper.ObsReportSettings{
		ReceiverID: set.ID, Transport: "grpc", LongLivedCtx: true, ReceiverCreateSettings: set,
	})
	if err != nil {
		return err
	}
	p.http, err = receiverhelper.NewObsReport(receiverhelper.ObsReportSettings{
		ReceiverID: set.ID, Transport: "http", ReceiverCreateSettings: set,
	})
	if err != nil {
		return err
	}
	p.receiver = attribute.String("receiver", set.ID.String())
	p.dropped, err = set.MeterProvider.Meter("github.com/signalbox-otel/signalbox/internal/collector/opencensusreceiver").Int64Counter(
		"signalbox_opencensus_dropped_metrics_total",
		metric.WithDescription("Metrics of OpenCensus clients that were not passed on, by reason."),
		metric.WithUnit("{metric}"))
	return err
}

func (p *part) drop(ctx context.Context, reason string) {
	p.dropped.Add(context.WithoutCancel(ctx), 1, metric.WithAttributes(p.receiver, attribute.String("reason", reason)))
}

func tracesPart(next consumer.Traces) *part {
	return &part{
		fresh: func() message { return new(agenttracepb.ExportTraceServiceRequest) },
		consume: func(ctx context.Context, _ *part, node *commonpb.Node, resource *resourcepb.Resource, m message) (int, error) {
			spans := m.(*agenttracepb.ExportTraceServiceRequest).GetSpans()
			if len(spans) == 0 {
				return 0, nil // a message may only say who sends
			}
			td, err := toTraces(node, resource, spans)
			if err != nil {
				return len(spans), consumererror.NewPermanent(err)
			}
			return len(spans), next.ConsumeTraces(ctx, td)
		},
		begin: func(o *receiverhelper.ObsReport, ctx context.Context) context.Context { return o.StartTracesOp(ctx) },
		end: func(o *receiverhelper.ObsReport, ctx context.Context, format string, items int, err error) {
			o.EndTracesOp(ctx, format, items, err)
		},
	}
}

func metricsPart(next consumer.Metrics) *part {
	return &part{
		fresh: func() message { return new(agentmetricspb.ExportMetricsServiceRequest) },
		consume: func(ctx context.Context, p *part, node *commonpb.Node, resource *resourcepb.Resource, m message) (int, error) {
			var metrics []*metricspb.Metric
			for _, metric := range m.(*agentmetricspb.ExportMetricsServiceRequest).GetMetrics() {
				if reason := unusable(metric); reason != "" {
					p.drop(ctx, reason)
					continue
				}
				metrics = append(metrics, metric)
			}
			if len(metrics) == 0 {
				return 0, nil
			}
			md, err := toMetrics(node, resource, metrics)
			if err != nil {
				return points(metrics), consumererror.NewPermanent(err)
			}
			return md.DataPointCount(), next.ConsumeMetrics(ctx, md)
		},
		begin: func(o *receiverhelper.ObsReport, ctx context.Context) context.Context { return o.StartMetricsOp(ctx) },
		end: func(o *receiverhelper.ObsReport, ctx context.Context, format string, items int, err error) {
			o.EndMetricsOp(ctx, format, items, err)
		},
	}
}

// toTraces translates spans. They are what any sender made up, so a panic of the
// translator is this message's error.
func toTraces(node *commonpb.Node, resource *resourcepb.Resource, spans []*tracepb.Span) (td ptrace.Traces, err error) {
	defer recovered(&err)
	for _, s := range spans {
		s.TraceId = validID(s.GetTraceId(), 16)
		s.SpanId = validID(s.GetSpanId(), 8)
	}
	return opencensus.OCToTraces(node, resource, spans), nil
}

// validID is id, or a random one where id is no id, as the protocol asks
// receivers to do.
func validID(id []byte, size int) []byte {
	if len(id) == size {
		for _, b := range id {
			if b != 0 {
				return id
			}
		}
	}
	id = make([]byte, size)
	_, _ = rand.Read(id) // never fails
	return id
}

// toMetrics translates metrics that are not unusable.
func toMetrics(node *commonpb.Node, resource *resourcepb.Resource, metrics []*metricspb.Metric) (md pmetric.Metrics, err error) {
	defer recovered(&err)
	return opencensus.OCToMetrics(node, resource, metrics), nil
}

func recovered(err *error) {
	if p := recover(); p != nil {
		*err = fmt.Errorf("translating an OpenCensus message: %v", p)
	}
}

// unusable says why a metric has no translation, "" when it has one.
func unusable(m *metricspb.Metric) (reason string) {
	switch m.GetMetricDescriptor().GetType() {
	case metricspb.MetricDescriptor_GAUGE_INT64, metricspb.MetricDescriptor_GAUGE_DOUBLE,
		metricspb.MetricDescriptor_CUMULATIVE_INT64, metricspb.MetricDescriptor_CUMULATIVE_DOUBLE,
		metricspb.MetricDescriptor_CUMULATIVE_DISTRIBUTION, metricspb.MetricDescriptor_SUMMARY:
	default:
		return reasonNoType
	}
	for _, series := range m.GetTimeseries() {
		for _, point := range series.GetPoints() {
			if point.GetDistributionValue().GetCount() < 0 || point.GetSummaryValue().GetCount().GetValue() < 0 {
				return reasonNegativeCount
			}
			for _, bucket := range point.GetDistributionValue().GetBuckets() {
				if bucket.GetCount() < 0 {
					return reasonNegativeCount
				}
			}
		}
	}
	return ""
}

func points(metrics []*metricspb.Metric) (n int) {
	for _, m := range metrics {
		for _, series := range m.GetTimeseries() {
			n += len(series.GetPoints())
		}
	}
	return n
}
