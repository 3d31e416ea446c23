package metrics

import (
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/promql"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
)

var about = cmpopts.EquateApprox(1e-9, 1e-9)

func TestSum(t *testing.T) {
	db := open(t, t.TempDir(), testOptions())
	const cumulative = pmetric.AggregationTemporalityCumulative
	start := now.Add(-10 * time.Minute)
	appendAll(t, db,
		sum(t, "http.server.requests", cumulative, start, now.Add(-2*time.Minute), 10),
		sum(t, "http.server.requests", cumulative, start, now.Add(-time.Minute), 40),
		sum(t, "http.server.requests", cumulative, start, now, 70))

	got := vector(t, db, "http_server_requests_total", now)
	want := map[string]float64{`{__name__="http_server_requests_total", http_route="/cart", instance="cart-0", job="shop/cart", k8s_pod_name="cart-7d9f", service_version="2.1"}`: 70}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("counter (-want +got):\n%s", d)
	}
	if got, want := one(t, db, "rate(http_server_requests_total[2m])", now), 0.5; math.Abs(got-want) > 1e-9 {
		t.Errorf("rate: got %g; want %g", got, want)
	}
	if d := cmp.Diff([]Metadata{{Type: "counter", Help: "Requests answered."}}, db.Metadata("http_server_requests_total")); d != "" {
		t.Errorf("metadata (-want +got):\n%s", d)
	}
}

func TestGaugeAndTargetInfo(t *testing.T) {
	db := open(t, t.TempDir(), testOptions())
	appendAll(t, db, gauge(t, shop, "process.memory.usage", now, 4096))

	got := vector(t, db, `{job="shop/cart"}`, now)
	want := map[string]float64{
		`{__name__="process_memory_usage_bytes", instance="cart-0", job="shop/cart", k8s_pod_name="cart-7d9f", service_version="2.1"}`:            4096,
		`{__name__="target_info", cloud_region="eu-west-1", instance="cart-0", job="shop/cart", k8s_pod_name="cart-7d9f", service_version="2.1"}`: 1,
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("series (-want +got):\n%s", d)
	}
	joined := vector(t, db, `info(process_memory_usage_bytes, {cloud_region=~".+"})`, now)
	want = map[string]float64{`{__name__="process_memory_usage_bytes", cloud_region="eu-west-1", instance="cart-0", job="shop/cart", k8s_pod_name="cart-7d9f", service_version="2.1"}`: 4096}
	if d := cmp.Diff(want, joined); d != "" {
		t.Errorf("info() (-want +got):\n%s", d)
	}
	if d := cmp.Diff([]Metadata{{Type: "gauge", Help: "Memory in use.", Unit: "bytes"}}, db.Metadata("process_memory_usage_bytes")); d != "" {
		t.Errorf("metadata (-want +got):\n%s", d)
	}
}

// Resources without a service name are told apart by promoted attributes.
func TestPromotedAttributesTellHostsApart(t *testing.T) {
	db := open(t, t.TempDir(), testOptions())
	appendAll(t, db,
		gauge(t, map[string]any{"host.name": "a"}, "system.memory.usage", now, 1),
		gauge(t, map[string]any{"host.name": "b"}, "system.memory.usage", now, 2))
	want := map[string]float64{`{host_name="a"}`: 1, `{host_name="b"}`: 2}
	if d := cmp.Diff(want, vector(t, db, "sum by (host_name) (system_memory_usage_bytes)", now)); d != "" {
		t.Errorf("hosts (-want +got):\n%s", d)
	}
}

// exemplars adds one exemplar with a trace and a span.
func addExemplar(es pmetric.ExemplarSlice, at time.Time, v float64) {
	e := es.AppendEmpty()
	e.SetTimestamp(ts(at))
	e.SetDoubleValue(v)
	e.SetTraceID(pcommon.TraceID{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16})
	e.SetSpanID(pcommon.SpanID{1, 2, 3, 4, 5, 6, 7, 8})
}

// classic makes a batch of one histogram point with bounds 0.1 and 1.
func classic(t *testing.T, temporality pmetric.AggregationTemporality, at time.Time, counts []uint64, s float64) pmetric.Metrics {
	t.Helper()
	return batch(t, shop, func(ms pmetric.MetricSlice) {
		m := ms.AppendEmpty()
		m.SetName("http.server.request.duration")
		m.SetUnit("s")
		h := m.SetEmptyHistogram()
		h.SetAggregationTemporality(temporality)
		p := h.DataPoints().AppendEmpty()
		p.SetStartTimestamp(ts(now.Add(-time.Hour)))
		p.SetTimestamp(ts(at))
		p.ExplicitBounds().FromRaw([]float64{0.1, 1})
		p.BucketCounts().FromRaw(counts)
		var n uint64
		for _, c := range counts {
			n += c
		}
		p.SetCount(n)
		p.SetSum(s)
		addExemplar(p.Exemplars(), at, 0.5)
	})
}

func TestHistogram(t *testing.T) {
	db := open(t, t.TempDir(), testOptions())
	appendAll(t, db, classic(t, pmetric.AggregationTemporalityCumulative, now, []uint64{6, 3, 1}, 5.5))

	want := map[string]float64{`{le="0.1"}`: 6, `{le="1"}`: 9, `{le="+Inf"}`: 10}
	if d := cmp.Diff(want, vector(t, db, "sum by (le) (http_server_request_duration_seconds_bucket)", now)); d != "" {
		t.Errorf("buckets (-want +got):\n%s", d)
	}
	if got := one(t, db, "http_server_request_duration_seconds_sum / http_server_request_duration_seconds_count", now); got != 0.55 {
		t.Errorf("mean: got %g; want 0.55", got)
	}
	// Rank 7 of 10 is the first of three in (0.1, 1].
	if got, want := one(t, db, "histogram_quantile(0.7, http_server_request_duration_seconds_bucket)", now), 0.4; math.Abs(got-want) > 1e-9 {
		t.Errorf("quantile: got %g; want %g", got, want)
	}
	if d := cmp.Diff([]Metadata{{Type: "histogram", Unit: "seconds"}}, db.Metadata("http_server_request_duration_seconds")); d != "" {
		t.Errorf("metadata (-want +got):\n%s", d)
	}
}

// exponential makes a batch of one exponential histogram point with 8 values
// in (1, 2] and 2 in (2, 4].
func exponential(t *testing.T, temporality pmetric.AggregationTemporality, at time.Time) pmetric.Metrics {
	t.Helper()
	return batch(t, shop, func(ms pmetric.MetricSlice) {
		m := ms.AppendEmpty()
		m.SetName("rpc.duration")
		m.SetUnit("ms")
		h := m.SetEmptyExponentialHistogram()
		h.SetAggregationTemporality(temporality)
		p := h.DataPoints().AppendEmpty()
		p.SetStartTimestamp(ts(now.Add(-time.Hour)))
		p.SetTimestamp(ts(at))
		p.SetScale(0)
		p.Positive().BucketCounts().FromRaw([]uint64{8, 2})
		p.SetCount(10)
		p.SetSum(18)
		addExemplar(p.Exemplars(), at, 3)
	})
}

func TestExponentialHistogramIsNative(t *testing.T) {
	db := open(t, t.TempDir(), testOptions())
	appendAll(t, db, exponential(t, pmetric.AggregationTemporalityCumulative, now))

	v, _, err := db.Query(t.Context(), "rpc_duration_milliseconds", now)
	if err != nil {
		t.Fatal(err)
	}
	got := v.(promql.Vector)[0].H
	want := &histogram.FloatHistogram{
		Count: 10, Sum: 18, ZeroThreshold: 1e-128,
		PositiveSpans:   []histogram.Span{{Offset: 1, Length: 2}},
		PositiveBuckets: []float64{8, 2},
	}
	if !got.Equals(want) {
		t.Errorf("histogram: got %v; want %v", got, want)
	}
	// Native buckets are interpolated exponentially: the median is rank 5 of 8 in (1, 2].
	if got, want := one(t, db, "histogram_quantile(0.5, rpc_duration_milliseconds)", now), math.Exp2(5.0/8); math.Abs(got-want) > 1e-9 {
		t.Errorf("quantile: got %g; want %g", got, want)
	}
	if got := one(t, db, "histogram_avg(rpc_duration_milliseconds)", now); got != 1.8 {
		t.Errorf("average: got %g; want 1.8", got)
	}
}

func TestSummary(t *testing.T) {
	db := open(t, t.TempDir(), testOptions())
	appendAll(t, db, batch(t, shop, func(ms pmetric.MetricSlice) {
		m := ms.AppendEmpty()
		m.SetName("gc.pause")
		m.SetUnit("s")
		p := m.SetEmptySummary().DataPoints().AppendEmpty()
		p.SetTimestamp(ts(now))
		p.SetCount(4)
		p.SetSum(2)
		for _, q := range []float64{0.5, 0.99} {
			v := p.QuantileValues().AppendEmpty()
			v.SetQuantile(q)
			v.SetValue(q * 2)
		}
	}))
	want := map[string]float64{`{quantile="0.5"}`: 1, `{quantile="0.99"}`: 1.98}
	if d := cmp.Diff(want, vector(t, db, "sum by (quantile) (gc_pause_seconds)", now)); d != "" {
		t.Errorf("quantiles (-want +got):\n%s", d)
	}
	if got := one(t, db, "gc_pause_seconds_sum / gc_pause_seconds_count", now); got != 0.5 {
		t.Errorf("mean: got %g; want 0.5", got)
	}
}

func TestDeltasAccumulate(t *testing.T) {
	o := testOptions()
	db := open(t, t.TempDir(), o)
	const delta = pmetric.AggregationTemporalityDelta
	at := func(minutes int) time.Time { return now.Add(time.Duration(minutes) * time.Minute) }

	first := sum(t, "statsd.hits", delta, at(-3), at(-2), 5)
	first.MarkReadOnly() // as the collector hands it to several exporters
	appendAll(t, db, first, sum(t, "statsd.hits", delta, at(-2), at(-1), 7), sum(t, "statsd.hits", delta, at(-1), at(0), 1))
	if got := one(t, db, "statsd_hits_total", now); got != 13 {
		t.Errorf("sum of 5, 7 and 1: got %g; want 13", got)
	}
	if d := cmp.Diff([]Metadata{{Type: "counter", Help: "Requests answered."}}, db.Metadata("statsd_hits_total")); d != "" {
		t.Errorf("metadata (-want +got):\n%s", d)
	}

	// The same points again are no news, and do not fail the sender for ever.
	if err := db.Append(t.Context(), sum(t, "statsd.hits", delta, at(-1), at(0), 1)); err == nil {
		t.Error("a repeated delta point: got no error; want it refused")
	}
	if got := one(t, db, "statsd_hits_total", now); got != 13 {
		t.Errorf("after a repeated point: got %g; want 13", got)
	}
	if got := dropped(t, o, reasonDelta); got != 1 {
		t.Errorf("dropped delta points: got %g; want 1", got)
	}
}

func TestDeltaHistogramsAccumulate(t *testing.T) {
	db := open(t, t.TempDir(), testOptions())
	const delta = pmetric.AggregationTemporalityDelta
	appendAll(t, db,
		classic(t, delta, now.Add(-time.Minute), []uint64{1, 1, 0}, 1), classic(t, delta, now, []uint64{2, 0, 1}, 4),
		exponential(t, delta, now.Add(-time.Minute)), exponential(t, delta, now))
	want := map[string]float64{`{le="0.1"}`: 3, `{le="1"}`: 4, `{le="+Inf"}`: 5}
	if d := cmp.Diff(want, vector(t, db, "sum by (le) (http_server_request_duration_seconds_bucket)", now)); d != "" {
		t.Errorf("buckets (-want +got):\n%s", d)
	}
	if got := one(t, db, "histogram_count(rpc_duration_milliseconds)", now); got != 20 {
		t.Errorf("native count: got %g; want 20", got)
	}
}

func TestLateSamplesAreKept(t *testing.T) {
	o := testOptions()
	db := open(t, t.TempDir(), o)
	appendAll(t, db, gauge(t, shop, "queue.length", now, 1))
	late := now.Add(-3*time.Hour + time.Minute)
	appendAll(t, db, gauge(t, shop, "queue.length", late, 2))
	if got := one(t, db, "queue_length_bytes", late); got != 2 {
		t.Errorf("late sample: got %g; want 2", got)
	}
	if got := one(t, db, "queue_length_bytes", now); got != 1 {
		t.Errorf("newest sample: got %g; want 1", got)
	}
}

func TestNames(t *testing.T) {
	db := open(t, t.TempDir(), testOptions())
	f := func(name, unit string, monotonic bool, want string) {
		t.Helper()
		appendAll(t, db, batch(t, nil, func(ms pmetric.MetricSlice) {
			m := ms.AppendEmpty()
			m.SetName(name)
			m.SetUnit(unit)
			points := m.SetEmptyGauge().DataPoints()
			if monotonic {
				s := m.SetEmptySum()
				s.SetIsMonotonic(true)
				s.SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
				points = s.DataPoints()
			}
			p := points.AppendEmpty()
			p.SetTimestamp(ts(now))
			p.SetIntValue(1)
		}))
		if got := vector(t, db, want, now); len(got) != 1 {
			t.Errorf("%s in %q: there is no %s", name, unit, want)
		}
		if len(db.Metadata(want)) != 1 {
			t.Errorf("%s in %q: there is no metadata of %s", name, unit, want)
		}
	}
	f("system.cpu.utilization", "1", false, "system_cpu_utilization_ratio")
	f("process.cpu.time", "s", true, "process_cpu_time_seconds_total")
	f("system.network.io", "By", true, "system_network_io_bytes_total")
	f("queue.length", "{message}", false, "queue_length")
	f("disk.read.rate", "By/s", false, "disk_read_rate_bytes_per_second")
	f("up", "", false, "up")
	// Names that come from Prometheus stay as they are.
	f("http_requests_total", "", true, "http_requests_total")
	f("go_gc_duration_seconds", "s", false, "go_gc_duration_seconds")
}

// What was scraped keeps the name that its target gave it; what was pushed gets
// its suffix, in the same batch too.
func TestScrapedNames(t *testing.T) {
	const cumulative = pmetric.AggregationTemporalityCumulative
	db := open(t, t.TempDir(), testOptions())
	scraped := func(name string) pmetric.Metrics {
		md := sum(t, name, cumulative, now, now, 1)
		md.ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics().At(0).Metadata().PutStr("prometheus.type", "counter")
		return md
	}
	mixed := scraped("gunicorn_requests")
	sum(t, "shop.orders", cumulative, now, now, 2).ResourceMetrics().MoveAndAppendTo(mixed.ResourceMetrics())
	appendAll(t, db, mixed, scraped("gunicorn_errors"))
	for expr, want := range map[string]float64{"gunicorn_requests": 1, "gunicorn_errors": 1, "shop_orders_total": 2} {
		if got := one(t, db, expr, now); got != want {
			t.Errorf("%s: got %v; want %v", expr, got, want)
		}
	}
}
