package opencensusexporter

import (
	"fmt"

	commonpb "github.com/census-instrumentation/opencensus-proto/gen-go/agent/common/v1"
	agentmetricspb "github.com/census-instrumentation/opencensus-proto/gen-go/agent/metrics/v1"
	agenttracepb "github.com/census-instrumentation/opencensus-proto/gen-go/agent/trace/v1"
	metricspb "github.com/census-instrumentation/opencensus-proto/gen-go/metrics/v1"
	resourcepb "github.com/census-instrumentation/opencensus-proto/gen-go/resource/v1"
	tracepb "github.com/census-instrumentation/opencensus-proto/gen-go/trace/v1"
	"github.com/open-telemetry/opentelemetry-collector-contrib/pkg/translator/opencensus"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"google.golang.org/protobuf/proto"
)

// request is one message of a stream.
type request struct {
	message  proto.Message
	items    int // spans, or metrics
	resource int // the index of the resource that it is of
}

// maxRequestBytes is how large a request may become: receivers refuse messages
// above 4 MiB.
const maxRequestBytes = 4<<20 - 64<<10

// fromTraces gives the requests of td: one for each resource, more for one that
// is larger than a request may be.
func fromTraces(td ptrace.Traces) (requests []request, err error) {
	defer recovered(&err)
	for i, rs := range td.ResourceSpans().All() {
		node, resource, spans := opencensus.ResourceSpansToOC(rs)
		node, resource = identity(node, resource)
		requests = appendRequests(requests, i, spans, func(part []*tracepb.Span) proto.Message {
			return &agenttracepb.ExportTraceServiceRequest{Node: node, Resource: resource, Spans: part}
		})
	}
	return requests, nil
}

// fromMetrics gives the requests of md, and the number of metrics that OpenCensus
// has no form for.
func fromMetrics(md pmetric.Metrics) (requests []request, dropped int, err error) {
	defer recovered(&err)
	for i, rm := range md.ResourceMetrics().All() {
		node, resource, all := opencensus.ResourceMetricsToOC(translatable(rm))
		node, resource = identity(node, resource)
		var metrics []*metricspb.Metric
		for _, m := range all {
			switch m.GetMetricDescriptor().GetType() {
			case metricspb.MetricDescriptor_UNSPECIFIED, metricspb.MetricDescriptor_GAUGE_DISTRIBUTION:
				dropped++
			default:
				metrics = append(metrics, m)
			}
		}
		requests = appendRequests(requests, i, metrics, func(part []*metricspb.Metric) proto.Message {
			return &agentmetricspb.ExportMetricsServiceRequest{Node: node, Resource: resource, Metrics: part}
		})
	}
	return requests, dropped, nil
}

// identity is who sends, never nil: a stream's first message must say it.
func identity(node *commonpb.Node, resource *resourcepb.Resource) (*commonpb.Node, *resourcepb.Resource) {
	if node == nil {
		node = &commonpb.Node{}
	}
	if resource == nil {
		resource = &resourcepb.Resource{}
	}
	return node, resource
}

// appendRequests adds requests for items of the resource with this index.
func appendRequests[T any](list []request, resource int, items []T, message func([]T) proto.Message) []request {
	if len(items) == 0 {
		return list
	}
	m := message(items)
	if half := len(items) / 2; half > 0 && proto.Size(m) > maxRequestBytes {
		list = appendRequests(list, resource, items[:half], message)
		return appendRequests(list, resource, items[half:], message)
	}
	return append(list, request{message: m, items: len(items), resource: resource})
}

// translatable is rm, or a copy without the exemplars of histograms that have no
// bucket for them, for which the translation would look.
func translatable(rm pmetric.ResourceMetrics) pmetric.ResourceMetrics {
	bad := func(p pmetric.HistogramDataPoint) bool {
		return p.Exemplars().Len() > 0 && p.BucketCounts().Len() <= p.ExplicitBounds().Len()
	}
	if !anyPoint(rm, bad) {
		return rm
	}
	own := pmetric.NewResourceMetrics()
	rm.CopyTo(own)
	anyPoint(own, func(p pmetric.HistogramDataPoint) bool {
		if bad(p) {
			p.Exemplars().RemoveIf(func(pmetric.Exemplar) bool { return true })
		}
		return false
	})
	return own
}

// anyPoint says whether f is true for a point of a histogram.
func anyPoint(rm pmetric.ResourceMetrics, f func(pmetric.HistogramDataPoint) bool) bool {
	for _, sm := range rm.ScopeMetrics().All() {
		for _, m := range sm.Metrics().All() {
			if m.Type() != pmetric.MetricTypeHistogram {
				continue
			}
			for _, p := range m.Histogram().DataPoints().All() {
				if f(p) {
					return true
				}
			}
		}
	}
	return false
}

func recovered(err *error) {
	if p := recover(); p != nil {
		*err = fmt.Errorf("translating to OpenCensus' form: %v", p)
	}
}
