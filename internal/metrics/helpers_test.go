package metrics

import (
	"bytes"
	"log/slog"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/api"
	promv1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/promql"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
)

// testOptions are the defaults with a registry that the test can read. The disk
// of the machine that runs the tests may be nearly full.
func testOptions() Options {
	o := NewDefaultOptions()
	o.MinFreeBytes = 0
	r := prometheus.NewRegistry()
	o.Registerer, o.Gatherer = r, r
	o.Build = Build{Version: "1.2.3", Revision: "abc"}
	return o
}

func open(t *testing.T, dir string, o Options) *DB {
	t.Helper()
	db, err := Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

// client is Prometheus' own Go client on the handler.
func client(t *testing.T, db *DB) (promv1.API, string) {
	t.Helper()
	srv := httptest.NewServer(db.Handler())
	t.Cleanup(srv.Close)
	c, err := api.NewClient(api.Config{Address: srv.URL})
	if err != nil {
		t.Fatal(err)
	}
	return promv1.NewAPI(c), srv.URL
}

// now is the newest time used, an even minute.
var now = time.Now().Truncate(time.Minute).Add(-time.Minute)

func ts(at time.Time) pcommon.Timestamp { return pcommon.NewTimestampFromTime(at) }

// shop is the resource of most tests.
var shop = map[string]any{
	"service.namespace":   "shop",
	"service.name":        "cart",
	"service.instance.id": "cart-0",
	"service.version":     "2.1",
	"k8s.pod.name":        "cart-7d9f",
	"cloud.region":        "eu-west-1",
}

// batch makes metrics of one resource.
func batch(t *testing.T, resource map[string]any, fill func(pmetric.MetricSlice)) pmetric.Metrics {
	t.Helper()
	md := pmetric.NewMetrics()
	rm := md.ResourceMetrics().AppendEmpty()
	if err := rm.Resource().Attributes().FromRaw(resource); err != nil {
		t.Fatal(err)
	}
	fill(rm.ScopeMetrics().AppendEmpty().Metrics())
	return md
}

// sum makes a batch of one counter point.
func sum(t *testing.T, name string, temporality pmetric.AggregationTemporality, start, at time.Time, v int64) pmetric.Metrics {
	t.Helper()
	return batch(t, shop, func(ms pmetric.MetricSlice) {
		m := ms.AppendEmpty()
		m.SetName(name)
		m.SetUnit("{request}")
		m.SetDescription("Requests answered.")
		s := m.SetEmptySum()
		s.SetIsMonotonic(true)
		s.SetAggregationTemporality(temporality)
		p := s.DataPoints().AppendEmpty()
		p.SetStartTimestamp(ts(start))
		p.SetTimestamp(ts(at))
		p.SetIntValue(v)
		p.Attributes().PutStr("http.route", "/cart")
	})
}

// gauge makes a batch of one gauge point.
func gauge(t *testing.T, resource map[string]any, name string, at time.Time, v float64) pmetric.Metrics {
	t.Helper()
	return batch(t, resource, func(ms pmetric.MetricSlice) {
		m := ms.AppendEmpty()
		m.SetName(name)
		m.SetUnit("By")
		m.SetDescription("Memory in use.")
		p := m.SetEmptyGauge().DataPoints().AppendEmpty()
		p.SetTimestamp(ts(at))
		p.SetDoubleValue(v)
	})
}

func appendAll(t *testing.T, db *DB, mds ...pmetric.Metrics) {
	t.Helper()
	for _, md := range mds {
		if err := db.Append(t.Context(), md); err != nil {
			t.Fatal(err)
		}
	}
}

// vector evaluates expr and returns the values by their labels without a name.
func vector(t *testing.T, db *DB, expr string, at time.Time) map[string]float64 {
	t.Helper()
	v, _, err := db.Query(t.Context(), expr, at)
	if err != nil {
		t.Fatalf("%s: %v", expr, err)
	}
	vec, ok := v.(promql.Vector)
	if !ok {
		t.Fatalf("%s: got a %T; want a vector", expr, v)
	}
	out := map[string]float64{}
	for _, s := range vec {
		out[s.Metric.String()] = s.F
	}
	return out
}

// one evaluates expr to its only value.
func one(t *testing.T, db *DB, expr string, at time.Time) float64 {
	t.Helper()
	vec := vector(t, db, expr, at)
	if len(vec) != 1 {
		t.Fatalf("%s: got %v; want one value", expr, vec)
	}
	for _, v := range vec {
		return v
	}
	return 0
}

// counter reads a counter of the options' registry.
func counter(t *testing.T, o Options, name string, reason string) float64 {
	t.Helper()
	families, err := o.Gatherer.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		for _, m := range f.GetMetric() {
			if reason == "" || m.GetLabel()[0].GetValue() == reason {
				return m.GetCounter().GetValue()
			}
		}
	}
	t.Fatalf("no counter %s{reason=%q}", name, reason)
	return 0
}

func dropped(t *testing.T, o Options, reason string) float64 {
	t.Helper()
	return counter(t, o, "signalbox_metrics_dropped_samples_total", reason)
}

// logs collects log lines.
type logs struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logs) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func (l *logs) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

func mtime(at time.Time) model.Time { return model.TimeFromUnixNano(at.UnixNano()) }
