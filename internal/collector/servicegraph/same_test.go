package servicegraph

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
	contrib "github.com/open-telemetry/opentelemetry-collector-contrib/connector/servicegraphconnector"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/connector"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/ptrace"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/signalbox-otel/signalbox/internal/collector/wire"
	"github.com/signalbox-otel/signalbox/internal/ingest"
)

// sink is a connector with what it sends.
type sink struct {
	connector.Traces
	reader *sdkmetric.ManualReader

	mu    sync.Mutex
	lines []string
	most  int // data points at once
	fail  error
}

func start(t *testing.T, f connector.Factory, cfg *contrib.Config) *sink {
	t.Helper()
	s := &sink{reader: sdkmetric.NewManualReader()}
	next, err := consumer.NewMetrics(s.consume)
	if err != nil {
		t.Fatal(err)
	}
	set := connector.Settings{ID: component.NewID(f.Type()), TelemetrySettings: componenttest.NewNopTelemetrySettings()}
	set.MeterProvider = sdkmetric.NewMeterProvider(sdkmetric.WithReader(s.reader))
	own := *cfg // contrib's puts defaults into it
	if s.Traces, err = f.CreateTracesToMetrics(t.Context(), set, &own, next); err != nil {
		t.Fatal(err)
	}
	if err := s.Start(t.Context(), componenttest.NewNopHost()); err != nil {
		t.Fatal(err)
	}
	return s
}

// consume takes down every data point as a line.
func (s *sink) consume(_ context.Context, md pmetric.Metrics) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.most = max(s.most, md.DataPointCount())
	for _, rm := range md.ResourceMetrics().All() {
		for _, sm := range rm.ScopeMetrics().All() {
			for _, m := range sm.Metrics().All() {
				head := fmt.Sprintf("%v %q %q %s %q %s ", rm.Resource().Attributes().AsRaw(), sm.Scope().Name(), sm.Scope().Version(), m.Name(), m.Unit(), m.Type())
				switch m.Type() {
				case pmetric.MetricTypeSum:
					for _, p := range m.Sum().DataPoints().All() {
						s.lines = append(s.lines, fmt.Sprint(head, m.Sum().IsMonotonic(), m.Sum().AggregationTemporality(), p.Timestamp(), p.StartTimestamp(), attributes(p.Attributes()), p.ValueType(), p.IntValue()))
					}
				case pmetric.MetricTypeHistogram:
					for _, p := range m.Histogram().DataPoints().All() {
						s.lines = append(s.lines, fmt.Sprint(head, m.Histogram().AggregationTemporality(), p.Timestamp(), p.StartTimestamp(), attributes(p.Attributes()), p.Count(), p.Sum(), p.HasMin(),
							p.ExplicitBounds().AsRaw(), p.BucketCounts().AsRaw()))
					}
				default:
					s.lines = append(s.lines, head)
				}
			}
		}
	}
	return s.fail
}

// attributes are those of a data point, with their types.
func attributes(m pcommon.Map) string {
	var all []string
	for k, v := range m.All() {
		all = append(all, fmt.Sprintf("%s=%s %q", k, v.Type(), v.AsString()))
	}
	slices.Sort(all)
	return " {" + strings.Join(all, ", ") + "} "
}

// sent is what was sent, sorted.
func (s *sink) sent() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Sorted(slices.Values(s.lines))
}

// counted are the connector's own metrics.
func (s *sink) counted(t *testing.T) []string {
	t.Helper()
	var rm metricdata.ResourceMetrics
	if err := s.reader.Collect(t.Context(), &rm); err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, sm := range rm.ScopeMetrics {
		for _, m := range sm.Metrics {
			sum, _ := m.Data.(metricdata.Sum[int64])
			for _, p := range sum.DataPoints {
				lines = append(lines, fmt.Sprint(sm.Scope.Name, " ", m.Name, " ", m.Unit, " ", m.Description, " ", p.Value))
			}
		}
	}
	slices.Sort(lines)
	return lines
}

// give gives spans to the connector, as a batch if it is to.
func (s *sink) give(t *testing.T, td ptrace.Traces, batch bool) {
	t.Helper()
	if !batch {
		if err := s.ConsumeTraces(t.Context(), td); err != nil {
			t.Fatal(err)
		}
		return
	}
	b, err := ingest.Traces(td)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Traces.(wire.SpanBatches).ConsumeSpans(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	for i := range b.Payload {
		b.Payload[i] = 'x' // it is used again
	}
}

// random makes configurations and spans.
type random struct{ *rand.Rand }

func pick[T any](r random, from ...T) T { return from[r.IntN(len(from))] }

func (r random) config() *contrib.Config {
	cfg := contrib.NewFactory().CreateDefaultConfig().(*contrib.Config)
	flush := pick(r, 0, 33370*time.Millisecond, 77770*time.Millisecond)
	cfg.MetricsFlushInterval = &flush
	cfg.StoreExpirationLoop = pick(r, 0, 500*time.Millisecond, time.Second)
	cfg.CacheLoop = 61007 * time.Millisecond // no two loops have work at the same time, which may be done in any order
	cfg.Store.TTL = pick(r, 0, time.Second, 10*time.Second)
	cfg.Store.MaxItems = pick(r, 0, 1, 10, 1000, 1000)
	cfg.Dimensions = pick(r, nil, nil, []string{"dim"}, []string{"dim", "db.name", "dim"}, []string{"other.dim", "missing", "dim"})
	cfg.DatabaseNameAttributes = pick(r, nil, nil, []string{"db.namespace", "db.name"}, []string{"db.name", "db.name"})
	cfg.VirtualNodePeerAttributes = pick(r, nil, nil, []string{}, []string{"db.system", "peer.service"})
	cfg.VirtualNodeExtraLabel = r.IntN(2) == 0
	cfg.MetricsTimestampOffset = pick(r, 0, 0, time.Hour)
	cfg.LatencyHistogramBuckets = pick(r, nil, nil, []time.Duration{}, []time.Duration{time.Millisecond, 1234567891 * time.Nanosecond, time.Minute})
	return cfg
}

// put puts a value of any type under a key, or none.
func (r random) put(m pcommon.Map, key string) {
	switch r.IntN(12) {
	case 0:
		m.PutStr(key, "")
	case 1:
		m.PutInt(key, int64(r.IntN(3)))
	case 2:
		pick(r, func() { m.PutBool(key, true) }, func() { m.PutDouble(key, 1.5) }, func() { m.PutEmptyBytes(key).Append(1, 255) }, func() { m.PutEmpty(key) },
			func() { m.PutEmptyMap(key).PutStr("k", "v") }, func() { m.PutEmptySlice(key).AppendEmpty().SetInt(7) })()
	case 3, 4, 5:
		m.PutStr(key, fmt.Sprint(key, "-", r.IntN(3)))
	}
}

// spans are those of one request, about calls of which others tell too.
func (r random) spans() ptrace.Traces {
	td := ptrace.NewTraces()
	for range 1 + r.IntN(4) {
		rs := td.ResourceSpans().AppendEmpty()
		a := rs.Resource().Attributes()
		switch r.IntN(12) {
		case 0:
		case 1:
			a.PutStr("service.name", "")
		case 2:
			a.PutInt("service.name", 7)
		default:
			a.PutStr("service.name", fmt.Sprint("service-", r.IntN(4)))
		}
		for _, key := range []string{"dim", "other.dim", "db.name", "peer.service"} {
			if r.IntN(6) == 0 {
				r.put(a, key)
			}
		}
		for range 1 + r.IntN(2) {
			ss := rs.ScopeSpans().AppendEmpty()
			for range r.IntN(20) {
				r.span(ss.Spans().AppendEmpty())
			}
		}
	}
	return td
}

func (r random) span(s ptrace.Span) {
	s.SetTraceID([16]byte{15: byte(r.IntN(12))})
	s.SetSpanID([8]byte{7: byte(r.IntN(6))})
	s.SetParentSpanID([8]byte{7: byte(r.IntN(6))})
	s.SetKind(ptrace.SpanKind(r.IntN(7)))
	s.SetStartTimestamp(1)
	s.SetEndTimestamp(pcommon.Timestamp(1 + pick(r, 0, 1, 2_000_000, 2_000_001, 1_234_567_891, 60_000_000_000, r.IntN(20_000_000_000))))
	s.Status().SetCode(ptrace.StatusCode(max(0, r.IntN(12)-9)))
	for _, key := range []string{"dim", "other.dim", "db.name", "db.namespace", "db.system", "peer.service", "url.path"} {
		if r.IntN(3) == 0 {
			r.put(s.Attributes(), key)
		}
	}
}

// Contrib's connector is what ours must be like, whatever is configured and sent.
func TestSameAsContrib(t *testing.T) {
	for seed := range uint64(60) {
		synctest.Test(t, func(t *testing.T) { compare(t, random{rand.New(rand.NewPCG(seed, 1))}, seed) })
		if t.Failed() {
			return
		}
	}
}

func compare(t *testing.T, r random, seed uint64) {
	cfg := r.config()
	theirs, pdata, batches := start(t, contrib.NewFactory(), cfg), start(t, NewFactory(), cfg), start(t, NewFactory(), cfg)
	for range 1 + r.IntN(30) {
		td := r.spans()
		theirs.give(t, td, false)
		pdata.give(t, td, false)
		batches.give(t, td, true)
		time.Sleep(time.Duration(pick(r, 0, 0, 1, 300, 300, 2000, 11_000, r.IntN(1_200_000)))*time.Millisecond + 13*time.Microsecond)
		synctest.Wait()
	}
	if r.IntN(2) == 0 {
		time.Sleep(20 * time.Minute) // no edge and no series is left
		synctest.Wait()
		for _, s := range []*sink{pdata, batches} {
			g := s.Traces.(*graphConnector).graph
			if n := len(g.waiting) + len(g.series) + len(g.known) + len(g.texts.ids) - g.texts.idle; n != 0 {
				t.Errorf("seed %d: %d edges, %d series and %d texts are left", seed, len(g.waiting), len(g.series), len(g.texts.ids)-g.texts.idle)
			}
			if g.texts.forget(); len(g.texts.ids) != 0 || len(g.texts.free) != len(g.texts.all)-1 {
				t.Errorf("seed %d: %d texts are not forgotten; %d of %d are free", seed, len(g.texts.ids), len(g.texts.free), len(g.texts.all)-1)
			}
		}
	} else {
		time.Sleep(80 * time.Second)
		synctest.Wait()
	}
	for name, ours := range map[string]*sink{"pdata": pdata, "batches": batches} {
		if diff := cmp.Diff(theirs.sent(), ours.sent()); diff != "" {
			t.Errorf("seed %d, %s, %+v: metrics (-contrib +ours):\n%s", seed, name, cfg, diff)
		}
		if diff := cmp.Diff(theirs.counted(t), ours.counted(t)); diff != "" {
			t.Errorf("seed %d, %s, %+v: counters (-contrib +ours):\n%s", seed, name, cfg, diff)
		}
	}
	for _, s := range []*sink{theirs, pdata, batches} {
		if err := s.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	}
}
