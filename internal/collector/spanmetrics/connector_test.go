package spanmetrics

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/open-telemetry/opentelemetry-collector-contrib/connector/spanmetricsconnector"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/config/configoptional"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/connector"
	"go.opentelemetry.io/collector/connector/connectortest"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/signalbox-otel/signalbox/internal/collector/wire"
	"github.com/signalbox-otel/signalbox/internal/ingest"
)

// sink keeps what a connector reports, a line for each data point.
type sink struct {
	mu     sync.Mutex
	lines  []string
	counts map[string]int64 // last values of calls, by labels
	most   int              // points at once
	parts  int
}

// Capabilities implements consumer.Metrics.
func (s *sink) Capabilities() consumer.Capabilities { return consumer.Capabilities{} }

// ConsumeMetrics implements consumer.Metrics.
func (s *sink) ConsumeMetrics(_ context.Context, md pmetric.Metrics) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.most = max(s.most, md.DataPointCount())
	s.parts++
	for _, rm := range md.ResourceMetrics().All() {
		for _, sm := range rm.ScopeMetrics().All() {
			for _, m := range sm.Metrics().All() {
				s.add(fmt.Sprint(typed(rm.Resource().Attributes()), " ", sm.Scope().Name(), sm.Scope().Version(), " ", m.Name(), " ", m.Unit(), " ", m.Description(), " "), m)
			}
		}
	}
	return nil
}

func (s *sink) add(of string, m pmetric.Metric) {
	switch m.Type() {
	case pmetric.MetricTypeSum:
		of += fmt.Sprint(m.Sum().AggregationTemporality(), m.Sum().IsMonotonic())
		for _, p := range m.Sum().DataPoints().All() {
			s.counts[of+typed(p.Attributes())] = p.IntValue()
			s.lines = append(s.lines, fmt.Sprint(of, typed(p.Attributes()), " ", p.StartTimestamp(), " ", p.Timestamp(), " = ", p.IntValue(), exemplars(p.Exemplars())))
		}
	case pmetric.MetricTypeHistogram:
		of += fmt.Sprint(m.Histogram().AggregationTemporality())
		for _, p := range m.Histogram().DataPoints().All() {
			s.lines = append(s.lines, fmt.Sprint(of, typed(p.Attributes()), " ", p.StartTimestamp(), " ", p.Timestamp(), " = ",
				p.Count(), " ", p.Sum(), " ", p.HasMin(), p.HasMax(), " ", p.ExplicitBounds().AsRaw(), p.BucketCounts().AsRaw(), exemplars(p.Exemplars())))
		}
	default:
		s.lines = append(s.lines, of+m.Type().String())
	}
}

// typed is a map as text that tells types apart.
func typed(m pcommon.Map) string {
	var lines []string
	for k, v := range m.All() {
		lines = append(lines, fmt.Sprintf("%s=%s:%q", k, v.Type(), v.AsString()))
	}
	slices.Sort(lines)
	return fmt.Sprint(lines)
}

func exemplars(list pmetric.ExemplarSlice) string {
	text := ""
	for _, e := range list.All() {
		text += fmt.Sprint(" ", e.TraceID(), e.SpanID(), " ", e.Timestamp(), " ", e.DoubleValue(), typed(e.FilteredAttributes()))
	}
	return text
}

// take returns the lines since the last time, sorted.
func (s *sink) take() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	lines := s.lines
	s.lines = nil
	slices.Sort(lines)
	return lines
}

// run starts a connector that reports to a sink.
func run(t testing.TB, f connector.Factory, cfg *spanmetricsconnector.Config) (connector.Traces, *sink) {
	t.Helper()
	to := &sink{counts: map[string]int64{}}
	set := connectortest.NewNopSettings(f.Type())
	set.Resource.Attributes().PutStr(labelInstance, "here")
	c, err := f.CreateTracesToMetrics(t.Context(), set, cfg, to)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(t.Context(), componenttest.NewNopHost()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Shutdown(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	return c, to
}

func config(t testing.TB, change func(*spanmetricsconnector.Config)) *spanmetricsconnector.Config {
	t.Helper()
	cfg := NewFactory().CreateDefaultConfig().(*spanmetricsconnector.Config)
	change(cfg)
	if err := cfg.Validate(); err != nil {
		t.Fatal(err)
	}
	return cfg
}

// consumeBatch gives c what the store would get of td.
func consumeBatch(t testing.TB, c connector.Traces, td ptrace.Traces) {
	t.Helper()
	b, err := ingest.Traces(td)
	if err == nil {
		err = c.(wire.SpanBatches).ConsumeSpans(t.Context(), b)
	}
	if err != nil {
		t.Fatal(err)
	}
	clear(b.Payload) // which is the sender's again
}

// Batches and pdata give the metrics that contrib's connector gives, report by
// report, whatever the configuration.
func TestSameAsContrib(t *testing.T) {
	for seed := range uint64(80) {
		synctest.Test(t, func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 1))
			cfg := config(t, func(c *spanmetricsconnector.Config) { randomConfig(r, c) })
			if !Takes(cfg) {
				t.Fatalf("seed %d: got a configuration that is contrib's", seed)
			}
			theirs, want := run(t, spanmetricsconnector.NewFactory(), cfg)
			batches, gotBatches := run(t, NewFactory(), cfg)
			pdata, gotPdata := run(t, NewFactory(), cfg)
			for range 12 {
				time.Sleep(cfg.MetricsFlushInterval/2 + time.Millisecond)
				for range r.IntN(4) {
					td := randomSpans(r)
					for _, c := range []connector.Traces{theirs, pdata} {
						if err := c.ConsumeTraces(t.Context(), td); err != nil {
							t.Fatal(err)
						}
					}
					consumeBatch(t, batches, td)
					time.Sleep(time.Millisecond)
				}
				synctest.Wait()
				lines := want.take()
				if diff := cmp.Diff(lines, gotBatches.take()); diff != "" {
					t.Fatalf("seed %d: batches (-contrib +ours):\n%s", seed, diff)
				}
				if diff := cmp.Diff(lines, gotPdata.take()); diff != "" {
					t.Fatalf("seed %d: pdata (-contrib +ours):\n%s", seed, diff)
				}
			}
			for _, c := range []connector.Traces{theirs, batches, pdata} {
				if err := c.Shutdown(t.Context()); err != nil {
					t.Error(err)
				}
			}
			if diff := cmp.Diff(gotPdata.take(), gotBatches.take()); diff != "" {
				t.Errorf("seed %d: last report (-pdata +batches):\n%s", seed, diff)
			}
		})
	}
}

// randomConfig changes a configuration to any that is taken.
func randomConfig(r *rand.Rand, c *spanmetricsconnector.Config) {
	chance := func() bool { return r.IntN(3) == 0 }
	some := func(from ...string) (list []string) {
		for _, s := range from {
			if chance() {
				list = append(list, s)
			}
		}
		return list
	}
	dimensions := func(from ...string) (list []spanmetricsconnector.Dimension) {
		for _, name := range some(from...) {
			d := spanmetricsconnector.Dimension{Name: name}
			if chance() {
				d.Default = new(string)
				*d.Default = "none"
			}
			list = append(list, d)
		}
		return list
	}
	c.MetricsFlushInterval = time.Duration(1+r.IntN(20)) * time.Second
	c.ExcludeDimensions = some(labelService, labelName, labelKind, labelStatus, labelInstance)
	if chance() {
		c.Dimensions = dimensions("http.route", "host.name", "nested", "absent", "number")
	}
	if chance() {
		c.CallsDimensions = dimensions("http.route", "tenant")
	}
	if chance() {
		c.Histogram.Dimensions = dimensions("tenant", "number")
	}
	c.Histogram.Disable = r.IntN(6) == 0
	if chance() {
		_ = c.Histogram.Unit.UnmarshalText([]byte("s"))
	}
	if chance() {
		c.Histogram.Explicit = configoptional.Some(spanmetricsconnector.ExplicitHistogramConfig{Buckets: []time.Duration{time.Microsecond, 1500 * time.Microsecond, time.Second}[:r.IntN(4)]})
	}
	c.Exemplars = spanmetricsconnector.ExemplarsConfig{Enabled: chance(), MaxPerDataPoint: r.IntN(4)}
	if chance() {
		c.ResourceMetricsCacheSize = 1 + r.IntN(6)
	}
	if chance() {
		c.ResourceMetricsKeyAttributes = [][]string{{"service.name"}, {"host.name"}, {"service.name", "nested"}}[r.IntN(3)]
	}
	switch r.IntN(4) {
	case 0:
		c.AggregationCardinalityLimit = 1 + r.IntN(8)
	case 1: // with a limit contrib forgets the series of the rest while it is used
		c.SeriesExpiration = time.Duration(1+r.IntN(20)) * time.Second
	}
	if chance() {
		c.MetricsExpiration = time.Duration(1+r.IntN(20)) * time.Second
	}
	c.Namespace = []string{"", "spans", spanmetricsconnector.DefaultNamespace}[r.IntN(3)]
	c.AddResourceAttributes = chance()
	c.EnableMetricsSamplingMethod = chance()
}

// randomSpans is a request of a few resources, of which some come again and
// again.
func randomSpans(r *rand.Rand) ptrace.Traces {
	td := ptrace.NewTraces()
	for range 1 + r.IntN(5) {
		rs := td.ResourceSpans().AppendEmpty()
		a := rs.Resource().Attributes()
		put := []func(){
			func() { a.PutStr("host.name", fmt.Sprint("host-", r.IntN(3))) },
			func() { a.PutInt("process.pid", int64(r.IntN(3))) },
			func() { a.PutStr("service.name", fmt.Sprint("service-", r.IntN(3))) },
		}
		r.Shuffle(len(put), func(i, j int) { put[i], put[j] = put[j], put[i] })
		for _, f := range put {
			f()
		}
		switch r.IntN(8) {
		case 0:
			a.Remove("service.name")
		case 1:
			a.PutInt("service.name", 7)
		case 2:
			a.PutEmptyMap("nested").PutEmptySlice("list").AppendEmpty().SetDouble(0.5)
		}
		// One without spans would be the first of its key to contrib.
		for range 1 + r.IntN(2) {
			ss := rs.ScopeSpans().AppendEmpty()
			ss.Scope().SetName("scope")
			for range 1 + r.IntN(5) {
				randomSpan(r, ss.Spans().AppendEmpty())
			}
		}
	}
	return td
}

func randomSpan(r *rand.Rand, s ptrace.Span) {
	s.SetName(fmt.Sprint("operation-", r.IntN(5)))
	s.SetKind(ptrace.SpanKind(r.IntN(8) - 1))
	s.Status().SetCode(ptrace.StatusCode(r.IntN(5) - 1))
	if r.IntN(5) > 0 {
		s.SetTraceID([16]byte{byte(1 + r.IntN(255)), 15: byte(r.IntN(256))})
		s.SetSpanID([8]byte{byte(1 + r.IntN(255))})
	}
	start := uint64(1_000_000_000_000_000_000)
	s.SetStartTimestamp(pcommon.Timestamp(start))
	s.SetEndTimestamp(pcommon.Timestamp(start + []uint64{0, ^uint64(0), 1000, 1500_000, 2_000_000, uint64(r.IntN(20_000_000_000))}[r.IntN(6)]))
	// No rounding: those are random.
	s.TraceState().FromRaw([]string{"", "", "a=b", "ot=th:8", "ot=th:c;rv:00000000000001", "x=y,ot=th:0", "ot=th:zz", "ot=", "=,", "ot=rv:00000000000001"}[r.IntN(10)])
	a := s.Attributes()
	if r.IntN(2) == 0 {
		a.PutStr("http.route", fmt.Sprint("/", r.IntN(2)))
	}
	if r.IntN(3) == 0 {
		a.PutStr("host.name", "of-the-span")
	}
	switch r.IntN(8) {
	case 0:
		a.PutStr("tenant", "5")
	case 1:
		a.PutInt("tenant", 5)
	case 2:
		a.PutBool("number", true)
	case 3:
		a.PutDouble("number", 5)
	case 4:
		a.PutInt("number", 5)
	case 5:
		a.PutEmptyBytes("number").FromRaw([]byte{1, 2})
	case 6:
		a.PutEmptyMap("nested").PutStr("k", "v")
	case 7:
		a.PutEmpty("tenant")
	}
}

func TestTakes(t *testing.T) {
	f := func(yaml map[string]any, want bool) {
		t.Helper()
		cfg := NewFactory().CreateDefaultConfig()
		if err := confmap.NewFromStringMap(yaml).Unmarshal(cfg); err != nil {
			t.Fatal(err)
		}
		if got := Takes(cfg); got != want {
			t.Errorf("%v: got %t; want %t", yaml, got, want)
		}
		c, err := NewFactory().CreateTracesToMetrics(t.Context(), connectortest.NewNopSettings(NewFactory().Type()), cfg, &sink{})
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := c.(wire.SpanBatches); ok != want {
			t.Errorf("%v: got %T; want one of ours: %t", yaml, c, want)
		}
	}
	type m = map[string]any
	f(nil, true)
	f(m{"dimensions": []any{m{"name": "a"}}, "exemplars": m{"enabled": true}, "histogram": m{"unit": "s"}}, true)
	f(m{"histogram": m{"explicit": m{"buckets": []any{"1s"}}}}, true)
	f(m{"aggregation_temporality": "AGGREGATION_TEMPORALITY_DELTA"}, false)
	f(m{"histogram": m{"exponential": m{"max_size": 10}}}, false)
	f(m{"events": m{"enabled": true, "dimensions": []any{m{"name": "a"}}}}, false)
	f(m{"dimensions": []any{m{"glob": "http.*"}}}, false)
	f(m{"calls_dimensions": []any{m{"glob": "http.*"}}}, false)
	f(m{"histogram": m{"dimensions": []any{m{"glob": "http.*"}}}}, false)
	f(m{"include_instrumentation_scope": []any{"a"}}, false)
	if Takes(nil) || Takes(&struct{}{}) {
		t.Error("got a configuration of another connector taken")
	}
}

// No interval is an error; contrib's connector panics.
func TestNoInterval(t *testing.T) {
	cfg := config(t, func(c *spanmetricsconnector.Config) { c.MetricsFlushInterval = 0 })
	_, err := NewFactory().CreateTracesToMetrics(t.Context(), connectortest.NewNopSettings(NewFactory().Type()), cfg, &sink{})
	if err == nil || !strings.Contains(err.Error(), "metrics_flush_interval") {
		t.Errorf("got %v; want an error about metrics_flush_interval", err)
	}
}
