package opencensusreceiver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	commonpb "github.com/census-instrumentation/opencensus-proto/gen-go/agent/common/v1"
	agentmetricspb "github.com/census-instrumentation/opencensus-proto/gen-go/agent/metrics/v1"
	agenttracepb "github.com/census-instrumentation/opencensus-proto/gen-go/agent/trace/v1"
	metricspb "github.com/census-instrumentation/opencensus-proto/gen-go/metrics/v1"
	resourcepb "github.com/census-instrumentation/opencensus-proto/gen-go/resource/v1"
	tracepb "github.com/census-instrumentation/opencensus-proto/gen-go/trace/v1"
	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/receiver/receivertest"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// started is a receiver that runs with a pipeline for either signal.
type started struct {
	address string
	spans   chan string // "service/name" of what arrives, with the resource's label
	metrics chan pmetric.Metrics
	refuse  func(name string) error // what the pipeline says of a span
	reader  *sdkmetric.ManualReader
	stop    func()
}

// start starts a receiver with settings written as users write them.
func start(t *testing.T, settings map[string]any) *started {
	t.Helper()
	f := NewFactory()
	cfg := f.CreateDefaultConfig()
	cfg.(*Config).Server.NetAddr.Endpoint = "127.0.0.1:0"
	if err := confmap.NewFromStringMap(settings).Unmarshal(cfg); err != nil {
		t.Fatal(err)
	}
	if err := confmap.Validate(cfg); err != nil {
		t.Fatal(err)
	}
	s := &started{spans: make(chan string, 1000), metrics: make(chan pmetric.Metrics, 1000), reader: sdkmetric.NewManualReader()}
	traces, err := consumer.NewTraces(func(_ context.Context, td ptrace.Traces) error {
		for _, rs := range td.ResourceSpans().All() {
			a := rs.Resource().Attributes().AsRaw()
			for _, ss := range rs.ScopeSpans().All() {
				for _, span := range ss.Spans().All() {
					if s.refuse != nil {
						if err := s.refuse(span.Name()); err != nil {
							return err
						}
					}
					s.spans <- fmt.Sprintf("%v %v %s", a["service.name"], a["zone"], span.Name())
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	metrics, err := consumer.NewMetrics(func(_ context.Context, md pmetric.Metrics) error {
		s.metrics <- md
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	set := receivertest.NewNopSettings(f.Type())
	set.ID = component.NewID(f.Type())
	set.MeterProvider = sdkmetric.NewMeterProvider(sdkmetric.WithReader(s.reader))
	one, err := f.CreateTraces(t.Context(), set, cfg, traces)
	if err != nil {
		t.Fatal(err)
	}
	other, err := f.CreateMetrics(t.Context(), set, cfg, metrics)
	if err != nil {
		t.Fatal(err)
	}
	if one.(component.Component) != other.(component.Component) {
		t.Fatal("pipelines of one configuration have servers of their own")
	}
	for _, r := range []component.Component{one, other} {
		if err := r.Start(t.Context(), componenttest.NewNopHost()); err != nil {
			t.Fatal(err)
		}
	}
	s.address = one.(*server).address
	s.stop = func() {
		for _, r := range []component.Component{one, other} {
			if err := r.Shutdown(context.Background()); err != nil {
				t.Error(err)
			}
		}
	}
	t.Cleanup(s.stop)
	return s
}

func (s *started) dial(t *testing.T) *grpc.ClientConn {
	t.Helper()
	conn, err := grpc.NewClient(s.address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() }) // some tests close it
	return conn
}

func (s *started) traceStream(t *testing.T) agenttracepb.TraceService_ExportClient {
	t.Helper()
	stream, err := agenttracepb.NewTraceServiceClient(s.dial(t)).Export(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return stream
}

// counted are the values of a counter by the values of its attributes, which are
// sorted by name.
func (s *started) counted(t *testing.T, name string) map[string]int64 {
	t.Helper()
	var all metricdata.ResourceMetrics
	if err := s.reader.Collect(t.Context(), &all); err != nil {
		t.Fatal(err)
	}
	counts := map[string]int64{}
	for _, scope := range all.ScopeMetrics {
		for _, m := range scope.Metrics {
			if m.Name != name {
				continue
			}
			for _, point := range m.Data.(metricdata.Sum[int64]).DataPoints {
				var values []string
				for _, kv := range point.Attributes.ToSlice() {
					values = append(values, kv.Value.AsString())
				}
				counts[strings.Join(values, " ")] += point.Value
			}
		}
	}
	return counts
}

func node(service string) *commonpb.Node {
	return &commonpb.Node{ServiceInfo: &commonpb.ServiceInfo{Name: service}}
}

func zone(name string) *resourcepb.Resource {
	return &resourcepb.Resource{Labels: map[string]string{"zone": name}}
}

func spans(names ...string) []*tracepb.Span {
	list := make([]*tracepb.Span, len(names))
	for i, name := range names {
		list[i] = &tracepb.Span{
			TraceId: []byte("0123456789abcdef"), SpanId: []byte("01234567"),
			Name: &tracepb.TruncatableString{Value: name}, StartTime: timestamppb.Now(), EndTime: timestamppb.Now(),
		}
	}
	return list
}

func wantSpans(t *testing.T, s *started, want ...string) {
	t.Helper()
	for _, w := range want {
		if got := <-s.spans; got != w {
			t.Errorf("got span %q; want %q", got, w)
		}
	}
}

// Who sends is said once, holds until something else is said, and a message may
// say nothing else.
func TestNodeAndResourceHold(t *testing.T) {
	t.Parallel()
	s := start(t, nil)
	stream := s.traceStream(t)
	for _, m := range []*agenttracepb.ExportTraceServiceRequest{
		{Node: node("cart"), Resource: zone("a")},
		{Spans: spans("one")},
		{Spans: spans("two", "three")},
		{Resource: zone("b"), Spans: spans("four")},
		{Node: node("shop"), Spans: spans("five")},
		{Spans: []*tracepb.Span{{Resource: zone("c"), Name: &tracepb.TruncatableString{Value: "six"}}}},
	} {
		if err := stream.Send(m); err != nil {
			t.Fatal(err)
		}
	}
	wantSpans(t, s, "cart a one", "cart a two", "cart a three", "cart b four", "shop b five", "shop c six")
	if err := stream.CloseSend(); err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Recv(); !errors.Is(err, io.EOF) {
		t.Errorf("end of a stream: got %v; want %v", err, io.EOF)
	}
	s.stop()
	accepted := s.counted(t, "otelcol_receiver_accepted_spans")
	if len(accepted) != 1 || accepted["opencensus grpc"] != 6 {
		t.Errorf("accepted spans: got %v; want 6 over grpc", accepted)
	}
}

func TestStreamErrors(t *testing.T) {
	t.Parallel()
	s := start(t, nil)
	s.refuse = func(name string) error {
		switch name {
		case "bad":
			return consumererror.NewPermanent(errors.New("no such thing"))
		case "later":
			return errors.New("queue is full")
		case "own":
			return status.Error(codes.ResourceExhausted, "too much")
		}
		return nil
	}
	f := func(m *agenttracepb.ExportTraceServiceRequest, code codes.Code, message string) {
		t.Helper()
		stream := s.traceStream(t)
		if err := stream.Send(m); err != nil {
			t.Fatal(err)
		}
		_, err := stream.Recv()
		if status.Code(err) != code || !strings.Contains(err.Error(), message) {
			t.Errorf("%v: stream ended with %v; want code %s and %q", m, err, code, message)
		}
	}
	f(&agenttracepb.ExportTraceServiceRequest{Spans: spans("a")}, codes.InvalidArgument, "protocol violation: Export's first message must have a Node")
	f(&agenttracepb.ExportTraceServiceRequest{Node: node("a"), Spans: spans("bad")}, codes.InvalidArgument, "no such thing")
	f(&agenttracepb.ExportTraceServiceRequest{Node: node("a"), Spans: spans("later")}, codes.Unavailable, "queue is full")
	f(&agenttracepb.ExportTraceServiceRequest{Node: node("a"), Spans: spans("own")}, codes.ResourceExhausted, "too much")
	f(&agenttracepb.ExportTraceServiceRequest{Node: node("a"), Spans: spans(strings.Repeat("x", 5<<20))}, codes.ResourceExhausted, "larger than max")

	config, err := agenttracepb.NewTraceServiceClient(s.dial(t)).Config(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := config.Send(&agenttracepb.CurrentLibraryConfig{Node: node("a")}); err != nil {
		t.Fatal(err)
	}
	if _, err := config.Recv(); status.Code(err) != codes.Unimplemented {
		t.Errorf("stream Config: got %v; want code %s", err, codes.Unimplemented)
	}
}

// A client that sends and goes at once has what it sent passed on.
func TestClientGoes(t *testing.T) {
	t.Parallel()
	s := start(t, nil)
	first := make(chan struct{})
	s.refuse = func(name string) error {
		if name == "0" {
			<-first // all that follows is on its way, or here
		}
		return nil
	}
	conn := s.dial(t)
	stream, err := agenttracepb.NewTraceServiceClient(conn).Export(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for i := range 50 {
		if err := stream.Send(&agenttracepb.ExportTraceServiceRequest{Node: node("cart"), Spans: spans(fmt.Sprint(i))}); err != nil {
			t.Fatal(err)
		}
		want = append(want, fmt.Sprint("cart <nil> ", i))
	}
	if err := stream.CloseSend(); err != nil {
		t.Fatal(err)
	}
	close(first)
	if _, err := stream.Recv(); !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
	if err := conn.Close(); err != nil {
		t.Fatal(err)
	}
	wantSpans(t, s, want...)
}

// The end of the receiver ends streams, and their clients learn that they may
// try elsewhere.
func TestStopEndsStreams(t *testing.T) {
	t.Parallel()
	s := start(t, nil)
	stream := s.traceStream(t)
	if err := stream.Send(&agenttracepb.ExportTraceServiceRequest{Node: node("cart"), Spans: spans("one")}); err != nil {
		t.Fatal(err)
	}
	wantSpans(t, s, "cart <nil> one")
	s.stop()
	if _, err := stream.Recv(); status.Code(err) != codes.Unavailable {
		t.Errorf("stream of a receiver that stopped: got %v; want code %s", err, codes.Unavailable)
	}
}

// Streams that end by themselves while the receiver stops are left alone: what a
// handler answers with is of no use once it has returned.
func TestStreamsEndWhileStopping(t *testing.T) {
	t.Parallel()
	for range 20 {
		s := start(t, nil)
		var ending sync.WaitGroup
		for range 10 {
			stream := s.traceStream(t)
			if err := stream.Send(&agenttracepb.ExportTraceServiceRequest{Node: node("cart"), Spans: spans("one")}); err != nil {
				t.Fatal(err)
			}
			<-s.spans
			ending.Go(func() { _ = stream.CloseSend() }) // the receiver may be first
		}
		s.stop()
		ending.Wait()
	}
}

// A span without ids gets some, as the protocol asks of a receiver.
func TestIDs(t *testing.T) {
	td, err := toTraces(node("a"), nil, []*tracepb.Span{{}, {TraceId: make([]byte, 16), SpanId: []byte("short")}, {TraceId: []byte("0123456789abcdef"), SpanId: []byte("01234567")}})
	if err != nil {
		t.Fatal(err)
	}
	list := td.ResourceSpans().At(0).ScopeSpans().At(0).Spans()
	for i := range 2 {
		if list.At(i).TraceID().IsEmpty() || list.At(i).SpanID().IsEmpty() {
			t.Errorf("span %d has no ids", i)
		}
	}
	if got := list.At(2); got.TraceID() != pcommon.TraceID([]byte("0123456789abcdef")) || got.SpanID() != pcommon.SpanID([]byte("01234567")) {
		t.Errorf("valid ids: got %s, %s; want them kept", got.TraceID(), got.SpanID())
	}
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	s := start(t, nil)
	stream, err := agentmetricspb.NewMetricsServiceClient(s.dial(t)).Export(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	now := timestamppb.New(time.Unix(1_700_000_000, 0))
	metric := func(name string, kind metricspb.MetricDescriptor_Type, points ...*metricspb.Point) *metricspb.Metric {
		for _, p := range points {
			p.Timestamp = now
		}
		return &metricspb.Metric{
			MetricDescriptor: &metricspb.MetricDescriptor{Name: name, Type: kind, LabelKeys: []*metricspb.LabelKey{{Key: "path"}}},
			Timeseries:       []*metricspb.TimeSeries{{StartTimestamp: now, LabelValues: []*metricspb.LabelValue{{Value: "/", HasValue: true}}, Points: points}},
		}
	}
	distribution := func(counts ...int64) *metricspb.Point {
		d := &metricspb.DistributionValue{Sum: 4, BucketOptions: &metricspb.DistributionValue_BucketOptions{
			Type: &metricspb.DistributionValue_BucketOptions_Explicit_{Explicit: &metricspb.DistributionValue_BucketOptions_Explicit{Bounds: []float64{1}}},
		}}
		for _, c := range counts {
			d.Count += c
			d.Buckets = append(d.Buckets, &metricspb.DistributionValue_Bucket{Count: c})
		}
		return &metricspb.Point{Value: &metricspb.Point_DistributionValue{DistributionValue: d}}
	}
	err = stream.Send(&agentmetricspb.ExportMetricsServiceRequest{Node: node("cart"), Metrics: []*metricspb.Metric{
		metric("gauge", metricspb.MetricDescriptor_GAUGE_INT64, &metricspb.Point{Value: &metricspb.Point_Int64Value{Int64Value: 3}}),
		metric("sum", metricspb.MetricDescriptor_CUMULATIVE_DOUBLE, &metricspb.Point{Value: &metricspb.Point_DoubleValue{DoubleValue: 2.5}}),
		metric("histogram", metricspb.MetricDescriptor_CUMULATIVE_DISTRIBUTION, distribution(1, 2)),
		metric("summary", metricspb.MetricDescriptor_SUMMARY, &metricspb.Point{Value: &metricspb.Point_SummaryValue{SummaryValue: &metricspb.SummaryValue{Count: wrapperspb.Int64(7)}}}),
		metric("negative", metricspb.MetricDescriptor_CUMULATIVE_DISTRIBUTION, distribution(2, -1)),
		metric("momentary", metricspb.MetricDescriptor_GAUGE_DISTRIBUTION, distribution(1, 2)),
		{},
	}})
	if err != nil {
		t.Fatal(err)
	}
	md := <-s.metrics
	got := map[string]string{}
	rm := md.ResourceMetrics().At(0)
	for _, m := range rm.ScopeMetrics().At(0).Metrics().All() {
		got[m.Name()] = m.Type().String()
	}
	want := map[string]string{"gauge": "Gauge", "sum": "Sum", "histogram": "Histogram", "summary": "Summary"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("metrics (-want +got):\n%s", diff)
	}
	if got := rm.Resource().Attributes().AsRaw()["service.name"]; got != "cart" {
		t.Errorf("service: got %v; want cart", got)
	}
	dropped := map[string]int64{"unsupported_type opencensus": 2, "negative_count opencensus": 1}
	if diff := cmp.Diff(dropped, s.counted(t, "signalbox_opencensus_dropped_metrics_total")); diff != "" {
		t.Errorf("dropped metrics (-want +got):\n%s", diff)
	}
}

// A configuration that is built again, as after a check, gets a server of its
// own; the one before may still be about.
func TestBuiltTwice(t *testing.T) {
	f := NewFactory()
	cfg := f.CreateDefaultConfig()
	set := receivertest.NewNopSettings(f.Type())
	build := func() (component.Component, component.Component) {
		next, err := consumer.NewMetrics(func(context.Context, pmetric.Metrics) error { return nil })
		if err != nil {
			t.Fatal(err)
		}
		nextTraces, err := consumer.NewTraces(func(context.Context, ptrace.Traces) error { return nil })
		if err != nil {
			t.Fatal(err)
		}
		m, err := f.CreateMetrics(t.Context(), set, cfg, next)
		if err != nil {
			t.Fatal(err)
		}
		tr, err := f.CreateTraces(t.Context(), set, cfg, nextTraces)
		if err != nil {
			t.Fatal(err)
		}
		return m, tr
	}
	m1, t1 := build()
	m2, t2 := build()
	if m1 != t1 || m2 != t2 || m1 == m2 {
		t.Errorf("got servers %p %p, then %p %p; want one for each build", m1, t1, m2, t2)
	}
	if err := m1.Shutdown(t.Context()); err != nil {
		t.Errorf("ending what never started: %v", err)
	}
}

// An address in use is an error of the start.
func TestAddressInUse(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	config := newDefaultConfig().(*Config)
	config.Server.NetAddr.Endpoint = l.Addr().String()
	s := newServer(receivertest.NewNopSettings(component.MustNewType("opencensus")), config)
	if err := s.Start(t.Context(), componenttest.NewNopHost()); err == nil || !strings.Contains(err.Error(), "address already in use") {
		t.Errorf("got %v; want address already in use", err)
	}
	if err := s.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
}
