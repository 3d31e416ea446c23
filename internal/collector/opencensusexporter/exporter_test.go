package opencensusexporter

import (
	"context"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/config/configoptional"
	"go.opentelemetry.io/collector/config/configtls"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/collector/exporter/exportertest"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/receiver/receivertest"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/signalbox-otel/signalbox/internal/collector/opencensusreceiver"
	"github.com/signalbox-otel/signalbox/internal/collector/tlstest"
)

// peer is a receiver of OpenCensus, on an address that it has again after a
// restart.
type peer struct {
	address string
	tls     *configtls.ServerConfig // nil for plain text
	spans   chan string             // names that arrive
	metrics chan pmetric.Metrics
	refuse  func(name string) error
	parts   []component.Component
}

func newPeer(t *testing.T) *peer {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &peer{address: l.Addr().String(), spans: make(chan string, 10_000), metrics: make(chan pmetric.Metrics, 100)}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.stop(t) })
	return p
}

func (p *peer) start(t *testing.T) {
	t.Helper()
	f := opencensusreceiver.NewFactory()
	cfg := f.CreateDefaultConfig()
	cfg.(*opencensusreceiver.Config).Server.NetAddr.Endpoint = p.address
	if p.tls != nil {
		cfg.(*opencensusreceiver.Config).Server.TLS = configoptional.Some(*p.tls)
	}
	traces, err := consumer.NewTraces(func(_ context.Context, td ptrace.Traces) error {
		for _, rs := range td.ResourceSpans().All() {
			service := ""
			if v, ok := rs.Resource().Attributes().Get("service.name"); ok {
				service = v.Str()
			}
			for _, s := range rs.ScopeSpans().At(0).Spans().All() {
				if p.refuse != nil {
					if err := p.refuse(s.Name()); err != nil {
						return err
					}
				}
				p.spans <- service + " " + s.Name()
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	metrics, err := consumer.NewMetrics(func(_ context.Context, md pmetric.Metrics) error {
		p.metrics <- md
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	set := receivertest.NewNopSettings(f.Type())
	one, err := f.CreateTraces(t.Context(), set, cfg, traces)
	if err != nil {
		t.Fatal(err)
	}
	other, err := f.CreateMetrics(t.Context(), set, cfg, metrics)
	if err != nil {
		t.Fatal(err)
	}
	p.parts = []component.Component{one, other}
	for _, part := range p.parts {
		if err := part.Start(t.Context(), componenttest.NewNopHost()); err != nil {
			t.Fatal(err)
		}
	}
}

func (p *peer) stop(t *testing.T) {
	t.Helper()
	for _, part := range p.parts {
		if err := part.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
	}
	p.parts = nil
}

func (p *peer) want(t *testing.T, want ...string) {
	t.Helper()
	got := map[string]int{}
	wanted := map[string]int{}
	for _, name := range want {
		wanted[name]++
		got[<-p.spans]++
	}
	if diff := cmp.Diff(wanted, got); diff != "" {
		t.Errorf("spans (-want +got):\n%s", diff)
	}
}

// started is an exporter for either signal, and its metrics.
type started struct {
	traces  exporter.Traces
	metrics exporter.Metrics
	reader  *sdkmetric.ManualReader
	stop    func()
}

// startExporter starts an exporter with settings written as users write them. It
// has no queue and no retries unless they say so: its caller sees the outcome.
func startExporter(t *testing.T, endpoint string, settings map[string]any) *started {
	t.Helper()
	f := NewFactory()
	cfg := f.CreateDefaultConfig()
	conf := confmap.NewFromStringMap(map[string]any{
		"endpoint": endpoint, "tls": map[string]any{"insecure": true}, "num_workers": 1,
		"sending_queue": map[string]any{"enabled": false}, "retry_on_failure": map[string]any{"enabled": false},
	})
	if err := conf.Merge(confmap.NewFromStringMap(settings)); err != nil {
		t.Fatal(err)
	}
	if err := conf.Unmarshal(cfg); err != nil {
		t.Fatal(err)
	}
	if err := confmap.Validate(cfg); err != nil {
		t.Fatal(err)
	}
	s := &started{reader: sdkmetric.NewManualReader()}
	set := exportertest.NewNopSettings(f.Type())
	set.MeterProvider = sdkmetric.NewMeterProvider(sdkmetric.WithReader(s.reader))
	var err error
	if s.traces, err = f.CreateTraces(t.Context(), set, cfg); err != nil {
		t.Fatal(err)
	}
	if s.metrics, err = f.CreateMetrics(t.Context(), set, cfg); err != nil {
		t.Fatal(err)
	}
	stopped := false
	s.stop = func() {
		if stopped {
			return
		}
		stopped = true
		for _, e := range []component.Component{s.traces, s.metrics} {
			if err := e.Shutdown(context.Background()); err != nil {
				t.Error(err)
			}
		}
	}
	for _, e := range []component.Component{s.traces, s.metrics} {
		if err := e.Start(t.Context(), componenttest.NewNopHost()); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(s.stop)
	return s
}

// lost are the counters of what is lost, by signal and reason.
func (s *started) lost(t *testing.T) map[string]int64 {
	t.Helper()
	var all metricdata.ResourceMetrics
	if err := s.reader.Collect(t.Context(), &all); err != nil {
		t.Fatal(err)
	}
	counts := map[string]int64{}
	for _, scope := range all.ScopeMetrics {
		for _, m := range scope.Metrics {
			if name, ok := strings.CutPrefix(m.Name, "signalbox_opencensus_lost_"); ok {
				for _, point := range m.Data.(metricdata.Sum[int64]).DataPoints {
					reason, _ := point.Attributes.Value("reason")
					counts[strings.TrimSuffix(name, "_total")+" "+reason.AsString()] += point.Value
				}
			}
		}
	}
	return counts
}

// spansOf are spans with these names, each service's a resource.
func spansOf(names map[string][]string, services ...string) ptrace.Traces {
	td := ptrace.NewTraces()
	for _, service := range services {
		rs := td.ResourceSpans().AppendEmpty()
		if service != "" {
			rs.Resource().Attributes().PutStr("service.name", service)
		}
		spans := rs.ScopeSpans().AppendEmpty().Spans()
		for _, name := range names[service] {
			s := spans.AppendEmpty()
			s.SetName(name)
			s.SetTraceID(pcommon.TraceID{1})
			s.SetSpanID(pcommon.SpanID{1})
		}
	}
	return td
}

func one(name string) ptrace.Traces { return spansOf(map[string][]string{"": {name}}, "") }

func wantLost(t *testing.T, s *started, want map[string]int64) {
	t.Helper()
	if diff := cmp.Diff(want, s.lost(t)); diff != "" {
		t.Errorf("lost (-want +got):\n%s", diff)
	}
}

// What goes out comes in, each resource's spans with who sent them, large ones in
// parts.
func TestTraces(t *testing.T) {
	t.Parallel()
	p := newPeer(t)
	p.start(t)
	for _, confirm := range []bool{false, true} {
		s := startExporter(t, p.address, map[string]any{"confirm": confirm})
		td := spansOf(map[string][]string{"": {"a"}, "cart": {"b", "c"}, "none": nil, "shop": {"d"}}, "", "cart", "none", "shop")
		if err := s.traces.ConsumeTraces(t.Context(), td); err != nil {
			t.Fatal(err)
		}
		p.want(t, " a", "cart b", "cart c", "shop d")
		var names, want []string
		for i := range 40 {
			names = append(names, fmt.Sprint(i, strings.Repeat("x", 200_000)))
			want = append(want, "big "+names[i])
		}
		if err := s.traces.ConsumeTraces(t.Context(), spansOf(map[string][]string{"big": names}, "big")); err != nil {
			t.Fatal(err)
		}
		p.want(t, want...)
		s.stop()
		wantLost(t, s, map[string]int64{})
	}
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	p := newPeer(t)
	p.start(t)
	s := startExporter(t, p.address, nil)
	md := pmetric.NewMetrics()
	rm := md.ResourceMetrics().AppendEmpty()
	rm.Resource().Attributes().PutStr("service.name", "cart")
	list := rm.ScopeMetrics().AppendEmpty().Metrics()
	add := func(name string) pmetric.Metric {
		m := list.AppendEmpty()
		m.SetName(name)
		return m
	}
	add("gauge").SetEmptyGauge().DataPoints().AppendEmpty().SetIntValue(3)
	sum := add("sum").SetEmptySum()
	sum.SetIsMonotonic(true)
	sum.SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
	sum.DataPoints().AppendEmpty().SetDoubleValue(2.5)
	histogram := add("histogram").SetEmptyHistogram()
	histogram.SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
	point := histogram.DataPoints().AppendEmpty()
	point.ExplicitBounds().FromRaw([]float64{1, 2})
	point.BucketCounts().FromRaw([]uint64{1, 0, 2})
	histogram.DataPoints().AppendEmpty().Exemplars().AppendEmpty().SetIntValue(1) // has no bucket
	add("exponential").SetEmptyExponentialHistogram().DataPoints().AppendEmpty()
	delta := add("delta").SetEmptyHistogram()
	delta.SetAggregationTemporality(pmetric.AggregationTemporalityDelta)
	delta.DataPoints().AppendEmpty()
	add("empty")
	if err := s.metrics.ConsumeMetrics(t.Context(), md); err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, m := range (<-p.metrics).ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics().All() {
		got[m.Name()] = m.Type().String()
	}
	if diff := cmp.Diff(map[string]string{"gauge": "Gauge", "sum": "Sum", "histogram": "Histogram"}, got); diff != "" {
		t.Errorf("metrics (-want +got):\n%s", diff)
	}
	if histogram.DataPoints().At(1).Exemplars().Len() != 1 {
		t.Error("the consumed metrics were changed")
	}
	wantLost(t, s, map[string]int64{"metrics unsupported_type": 3})
}

// With TLS both sides show who they are.
func TestTLS(t *testing.T) {
	t.Parallel()
	cert, key, _ := tlstest.Certificate(t)
	p := newPeer(t)
	p.tls = &configtls.ServerConfig{ClientCAFile: cert, Config: configtls.Config{CertFile: cert, KeyFile: key}}
	p.start(t)
	s := startExporter(t, p.address, map[string]any{"confirm": true, "tls": map[string]any{"insecure": false, "ca_file": cert, "cert_file": cert, "key_file": key}})
	if err := s.traces.ConsumeTraces(t.Context(), one("secret")); err != nil {
		t.Fatal(err)
	}
	p.want(t, " secret")
	s = startExporter(t, p.address, map[string]any{"confirm": true, "tls": map[string]any{"insecure": false, "ca_file": cert}})
	if err := s.traces.ConsumeTraces(t.Context(), one("nobody")); err == nil || consumererror.IsPermanent(err) {
		t.Errorf("without a certificate: got %v; want an error after which to try again", err)
	}
}

// What is sent while the peer is away is tried again, and arrives when it is
// back, on new streams.
func TestPeerRestarts(t *testing.T) {
	t.Parallel()
	p := newPeer(t)
	p.start(t)
	s := startExporter(t, p.address, map[string]any{
		"sending_queue":    map[string]any{"enabled": true},
		"retry_on_failure": map[string]any{"enabled": true, "initial_interval": "20ms", "max_interval": "50ms"},
		"wait_for_ready":   true, "timeout": "1s", "num_workers": 2,
	})
	send := func(name string) {
		t.Helper()
		if err := s.traces.ConsumeTraces(t.Context(), one(name)); err != nil {
			t.Fatal(err)
		}
	}
	send("before")
	p.want(t, " before")
	p.stop(t)
	var want []string
	for i := range 20 {
		send(fmt.Sprint(i))
		want = append(want, fmt.Sprint(" ", i))
	}
	p.start(t)
	p.want(t, want...)
}

// A stream that the peer ends in the middle because of one message costs no
// other: the next goes out on a new stream.
func TestRefused(t *testing.T) {
	t.Parallel()
	p := newPeer(t)
	ended := make(chan struct{}, 1)
	p.refuse = func(name string) error {
		if name == "bad" {
			ended <- struct{}{}
			return consumererror.NewPermanent(fmt.Errorf("no"))
		}
		return nil
	}
	p.start(t)
	s := startExporter(t, p.address, nil)
	if err := s.traces.ConsumeTraces(t.Context(), one("bad")); err != nil {
		t.Fatalf("sending what the peer refuses later: got %v; want nil, as nothing says so", err)
	}
	<-ended
	// The end of the stream may be on its way still: what is sent meanwhile is
	// gone without a word.
	for i := 0; len(s.lost(t)) == 0; i++ {
		if err := s.traces.ConsumeTraces(t.Context(), one("good")); err != nil {
			t.Fatal(err)
		}
	}
	p.want(t, " good")
	wantLost(t, s, map[string]int64{"spans refused": 1})
}

// With confirm the peer's answer is the exporter's.
func TestConfirm(t *testing.T) {
	t.Parallel()
	p := newPeer(t)
	p.refuse = func(name string) error {
		switch name {
		case "bad":
			return consumererror.NewPermanent(fmt.Errorf("no such thing"))
		case "later":
			return status.Error(codes.Unavailable, "disk is full")
		}
		return nil
	}
	p.start(t)
	s := startExporter(t, p.address, map[string]any{"confirm": true})
	td := spansOf(map[string][]string{"a": {"good"}, "b": {"bad"}, "c": {"good"}}, "a", "b", "c")
	if err := s.traces.ConsumeTraces(t.Context(), td); !consumererror.IsPermanent(err) || !strings.Contains(err.Error(), "no such thing") {
		t.Errorf("got %v; want a permanent error with the peer's words", err)
	}
	p.want(t, "a good", "c good")
	if err := s.traces.ConsumeTraces(t.Context(), one("later")); consumererror.IsPermanent(err) || status.Code(err) != codes.Unavailable {
		t.Errorf("got %v; want one to be tried again", err)
	}
	wantLost(t, s, map[string]int64{"spans refused": 1})
}

// A peer that accepts connections and reads nothing holds nobody longer than the
// timeout.
func TestSilentPeer(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	s := startExporter(t, l.Addr().String(), map[string]any{"timeout": "50ms", "wait_for_ready": true})
	if err := s.traces.ConsumeTraces(t.Context(), one("a")); err == nil || consumererror.IsPermanent(err) {
		t.Errorf("got %v; want an error after which to try again", err)
	}
}

// Text that is no UTF-8 cannot be sent as it is. It arrives with a replacement
// where it is wrong.
func TestInvalidText(t *testing.T) {
	t.Parallel()
	p := newPeer(t)
	p.start(t)
	s := startExporter(t, p.address, nil)
	td := spansOf(map[string][]string{"a": {"1"}, "b\xff": {"\xfe2"}}, "a", "b\xff")
	span := td.ResourceSpans().At(1).ScopeSpans().At(0).Spans().At(0)
	span.Attributes().PutStr("key\xff", "value\xff")
	span.Events().AppendEmpty().Attributes().PutStr("key", "value\xff")
	if err := s.traces.ConsumeTraces(t.Context(), td); err != nil {
		t.Fatal(err)
	}
	p.want(t, "a 1", "b� �2")
	s.stop()
	wantLost(t, s, map[string]int64{})
}

func TestConfig(t *testing.T) {
	f := func(settings map[string]any, want string) {
		t.Helper()
		cfg := newDefaultConfig()
		if err := confmap.NewFromStringMap(settings).Unmarshal(cfg); err != nil {
			t.Fatal(err)
		}
		if err := fmt.Sprint(confmap.Validate(cfg)); !strings.Contains(err, want) {
			t.Errorf("%v: got error %q; want %q", settings, err, want)
		}
	}
	f(map[string]any{}, "endpoint is not set")
	f(map[string]any{"endpoint": "agent:55678", "num_workers": 0}, "num_workers must be at least 1")
	f(map[string]any{"endpoint": "agent:55678"}, "<nil>")
	c := newDefaultConfig().(*Config)
	if c.NumWorkers != 2 || c.Confirm || !c.Queue.HasValue() || !c.Retry.Enabled || c.Timeout.Timeout != 5*time.Second {
		t.Errorf("defaults: got %+v; want 2 workers, no confirm, a queue, retries and 5 s", c)
	}
}
