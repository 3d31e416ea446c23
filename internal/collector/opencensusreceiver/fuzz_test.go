package opencensusreceiver

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	commonpb "github.com/census-instrumentation/opencensus-proto/gen-go/agent/common/v1"
	agentmetricspb "github.com/census-instrumentation/opencensus-proto/gen-go/agent/metrics/v1"
	agenttracepb "github.com/census-instrumentation/opencensus-proto/gen-go/agent/trace/v1"
	metricspb "github.com/census-instrumentation/opencensus-proto/gen-go/metrics/v1"
	tracepb "github.com/census-instrumentation/opencensus-proto/gen-go/trace/v1"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/receiver/receivertest"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

// observedParts are a part for each signal that pass on to nobody.
func observedParts(f *testing.F) []*part {
	parts := []*part{tracesPart(consumertest.NewNop()), metricsPart(consumertest.NewNop())}
	for _, p := range parts {
		if err := p.observe(receivertest.NewNopSettings(component.MustNewType("opencensus"))); err != nil {
			f.Fatal(err)
		}
	}
	return parts
}

// Whatever text is posted, the answer is a status, and one that says whose fault
// it was.
func FuzzJSON(f *testing.F) {
	parts := observedParts(f)
	f.Add(oneSpan)
	f.Add(oneSpan + `{"spans":[{"attributes":{"attributeMap":{"a":{}}},"timeEvents":{"timeEvent":[{}]},"links":{"link":[{}]}}]}`)
	f.Add(`{"node":{"identifier":{"pid":7},"libraryInfo":{"language":"GO_LANG"}},"resource":{"type":"k8s","labels":{"a":"b"}}}`)
	f.Add(`{"node":{},"metrics":[{"metricDescriptor":{"name":"m","type":4,"labelKeys":[{}]},"timeseries":[{"labelValues":[{},{}],"points":[{"distributionValue":{"buckets":[{"exemplar":{}}]}}]}]}]}`)
	f.Add(`{"node":{},"metrics":[{"metricDescriptor":{"type":"SUMMARY"},"timeseries":[{"points":[{"summaryValue":{"snapshot":{"percentileValues":[{"percentile":"NaN"}]}}}]}]}]}`)
	f.Fuzz(func(t *testing.T, body string) {
		for _, p := range parts {
			w := httptest.NewRecorder()
			p.serveJSON(w, httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body)))
			if w.Code != http.StatusOK && w.Code != http.StatusBadRequest {
				t.Errorf("%q: got %d %s; want 200 or 400", body, w.Code, w.Body)
			}
		}
	})
}

// Whatever a gRPC message holds, its stream goes on or ends with a status.
func FuzzMessages(f *testing.F) {
	parts := observedParts(f)
	for _, m := range []proto.Message{
		&agenttracepb.ExportTraceServiceRequest{Node: node("a"), Resource: zone("b"), Spans: spans("c")},
		&agenttracepb.ExportTraceServiceRequest{Node: &commonpb.Node{}, Spans: []*tracepb.Span{{
			Kind:       9,
			Attributes: &tracepb.Span_Attributes{AttributeMap: map[string]*tracepb.AttributeValue{"span.kind": {}, "otel.status_code": {}}},
			Status:     &tracepb.Status{Code: 5}, TimeEvents: &tracepb.Span_TimeEvents{TimeEvent: []*tracepb.Span_TimeEvent{{}}},
			Links: &tracepb.Span_Links{Link: []*tracepb.Span_Link{{}}}, Tracestate: &tracepb.Span_Tracestate{Entries: []*tracepb.Span_Tracestate_Entry{{}}},
		}}},
		&agentmetricspb.ExportMetricsServiceRequest{Node: node("a"), Metrics: []*metricspb.Metric{{
			MetricDescriptor: &metricspb.MetricDescriptor{Type: metricspb.MetricDescriptor_CUMULATIVE_DISTRIBUTION},
			Timeseries:       []*metricspb.TimeSeries{{LabelValues: []*metricspb.LabelValue{{HasValue: true}}, Points: []*metricspb.Point{{}}}},
		}}},
	} {
		b, err := proto.Marshal(m)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, p := range parts {
			m := p.fresh()
			if err := proto.Unmarshal(b, m); err != nil {
				continue
			}
			list := []message{m}
			err := p.follow(context.Background(), p.grpc, "protobuf", func() (message, error) {
				if len(list) == 0 {
					return nil, io.EOF
				}
				m := list[0]
				list = list[1:]
				return m, nil
			})
			if _, ok := status.FromError(err); !ok && !errors.Is(err, errNoNode) {
				t.Errorf("%x: got %v; want a status", b, err)
			}
		}
	})
}
