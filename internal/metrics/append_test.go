package metrics

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	remoteapi "github.com/prometheus/client_golang/exp/api/remote"
	"github.com/prometheus/prometheus/prompb"
	"github.com/prometheus/prometheus/storage"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"
)

// bare replaces the resource by one without an identity, which has no
// target_info: the batch then has its own samples only.
func bare(md pmetric.Metrics) pmetric.Metrics {
	for _, rm := range md.ResourceMetrics().All() {
		rm.Resource().Attributes().Clear()
	}
	return md
}

// Every sample that can never be stored is counted by its reason, and takes no
// other sample with it.
func TestDropReasons(t *testing.T) {
	const cumulative = pmetric.AggregationTemporalityCumulative
	tests := []struct {
		reason string
		window time.Duration // out of order
		bad    func(t *testing.T) pmetric.Metrics
	}{
		{reasonTooOld, 3 * time.Hour, func(t *testing.T) pmetric.Metrics {
			return gauge(t, nil, "queue", now.Add(-4*time.Hour), 2)
		}},
		{reasonOutOfOrder, 0, func(t *testing.T) pmetric.Metrics {
			return gauge(t, nil, "queue", now.Add(-time.Minute), 2)
		}},
		{reasonDuplicate, 3 * time.Hour, func(t *testing.T) pmetric.Metrics { return gauge(t, nil, "queue", now, 2) }},
		{reasonFuture, 3 * time.Hour, func(t *testing.T) pmetric.Metrics {
			return gauge(t, nil, "queue", now.Add(time.Hour), 2)
		}},
		{reasonUntranslated, 3 * time.Hour, func(t *testing.T) pmetric.Metrics {
			return bare(sum(t, "no.temporality", pmetric.AggregationTemporalityUnspecified, now, now, 1))
		}},
		{reasonInvalid, 3 * time.Hour, func(t *testing.T) pmetric.Metrics {
			md := bare(exponential(t, cumulative, now))
			h := md.ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics().At(0).ExponentialHistogram()
			h.DataPoints().At(0).SetCount(1) // the buckets hold 10
			return md
		}},
	}
	for _, tc := range tests {
		t.Run(tc.reason, func(t *testing.T) {
			o := testOptions()
			o.OutOfOrderWindow = tc.window
			db := open(t, t.TempDir(), o)
			appendAll(t, db, gauge(t, nil, "queue", now, 1))

			err := db.Append(t.Context(), tc.bad(t))
			var refused *RefusedError
			if !errors.As(err, &refused) {
				t.Fatalf("a batch of bad samples: got error %v; want a RefusedError", err)
			}
			if d := cmp.Diff(map[string]int{tc.reason: 1}, refused.Dropped); d != "" {
				t.Errorf("dropped (-want +got):\n%s", d)
			}

			mixed := tc.bad(t)
			gauge(t, nil, "good", now, 7).ResourceMetrics().MoveAndAppendTo(mixed.ResourceMetrics())
			if err := db.Append(t.Context(), mixed); err != nil {
				t.Errorf("a batch with a good sample: %v", err)
			}
			if got := one(t, db, "good_bytes", now); got != 7 {
				t.Errorf("good sample: got %g; want 7", got)
			}
			if got := dropped(t, o, tc.reason); got != 2 {
				t.Errorf("counter: got %g; want 2", got)
			}
		})
	}
}

// A point without a time is one point that is dropped, not twelve million
// samples of target_info; a delta point of the future does not stop its series.
func TestImpossibleTimes(t *testing.T) {
	o := testOptions()
	db := open(t, t.TempDir(), o)
	md := gauge(t, shop, "queue", now, 1)
	m := md.ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics().At(0)
	m.Gauge().DataPoints().AppendEmpty().SetDoubleValue(2)
	md.MarkReadOnly()
	appendAll(t, db, md)
	if got := counter(t, o, "signalbox_metrics_appended_samples_total", ""); got != 2 {
		t.Errorf("appended: got %g samples; want the point and target_info", got)
	}
	if got := dropped(t, o, reasonTooOld); got != 1 {
		t.Errorf("dropped: got %g; want 1", got)
	}

	const delta = pmetric.AggregationTemporalityDelta
	err := db.Append(t.Context(), sum(t, "hits", delta, now, now.AddDate(10, 0, 0), 5))
	var refused *RefusedError
	if !errors.As(err, &refused) || refused.Dropped[reasonFuture] != 1 {
		t.Errorf("delta point of the future: got error %v; want it refused", err)
	}
	appendAll(t, db, sum(t, "hits", delta, now.Add(-time.Minute), now, 3))
	if got := one(t, db, "hits_total", now); got != 3 {
		t.Errorf("total: got %g; want 3", got)
	}
}

// target_info is written between the points of a resource; what of it is too
// late is not among the points that the sender lost, and what of it is stored
// does not make up for them.
func TestDropsCountTheSendersPoints(t *testing.T) {
	o := testOptions()
	db := open(t, t.TempDir(), o)
	appendAll(t, db, gauge(t, shop, "queue", now, 1))
	md := gauge(t, shop, "queue", now.Add(-4*time.Hour), 2)
	p := md.ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics().At(0).Gauge().DataPoints().AppendEmpty()
	p.SetTimestamp(ts(now))
	p.SetDoubleValue(9)
	err := db.Append(t.Context(), md)
	var refused *RefusedError
	if !errors.As(err, &refused) {
		t.Fatalf("got error %v; want a RefusedError", err)
	}
	if d := cmp.Diff(map[string]int{reasonTooOld: 1, reasonDuplicate: 1}, refused.Dropped); d != "" {
		t.Errorf("dropped (-want +got):\n%s", d)
	}
}

// Every kind of point is looked at.
func TestImpossibleTimesOfEveryKind(t *testing.T) {
	const cumulative = pmetric.AggregationTemporalityCumulative
	ages := now.AddDate(-1, 0, 0)
	summary := batch(t, shop, func(ms pmetric.MetricSlice) {
		m := ms.AppendEmpty()
		m.SetName("summary")
		m.SetEmptySummary().DataPoints().AppendEmpty().SetTimestamp(ts(ages))
	})
	for name, md := range map[string]pmetric.Metrics{
		"gauge": gauge(t, shop, "g", ages, 1), "sum": sum(t, "s", cumulative, ages, ages, 1),
		"histogram": classic(t, cumulative, ages, []uint64{1, 0, 0}, 1), "exponential histogram": exponential(t, cumulative, ages), "summary": summary,
	} {
		w, tally := windowAt(now, time.Hour), newTally()
		if !w.outside(md) {
			t.Errorf("%s: not seen as outside", name)
		}
		w.cut(md, tally)
		if tally.byReason[reasonTooOld] != 1 || md.MetricCount() != 0 {
			t.Errorf("%s: got %v dropped, %d metrics left; want 1 and 0", name, tally.byReason, md.MetricCount())
		}
	}
}

// A batch begins as many series as there is room for, whatever it brings.
func TestSeriesLimitWithinABatch(t *testing.T) {
	o := testOptions()
	o.MaxSeries = 10
	db := open(t, t.TempDir(), o)
	md := pmetric.NewMetrics()
	for i := range 100 {
		gauge(t, map[string]any{"service.name": fmt.Sprint(i)}, "queue", now, 1).ResourceMetrics().MoveAndAppendTo(md.ResourceMetrics())
	}
	appendAll(t, db, md)
	if stats, err := db.Stats(); err != nil || stats.Series != 10 {
		t.Errorf("got %d series, %v; want 10", stats.Series, err)
	}
}

// At the limit known series go on and new ones are dropped, on every way in.
func TestSeriesLimit(t *testing.T) {
	o := testOptions()
	o.MaxSeries = 2
	db := open(t, t.TempDir(), o)
	_, url := client(t, db)
	appendAll(t, db, gauge(t, shop, "queue", now.Add(-time.Minute), 1)) // with target_info
	md := gauge(t, shop, "queue", now, 2)
	gauge(t, nil, "new", now, 1).ResourceMetrics().MoveAndAppendTo(md.ResourceMetrics())
	appendAll(t, db, md)
	if got := one(t, db, "queue_bytes", now); got != 2 {
		t.Errorf("known series: got %g; want 2", got)
	}
	req := &prompb.WriteRequest{Timeseries: []prompb.TimeSeries{{Labels: label("__name__", "up"), Samples: []prompb.Sample{{Timestamp: now.UnixMilli(), Value: 1}}}}}
	body, err := req.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	push(t, url, remoteapi.WriteV1MessageType, body)
	if got := dropped(t, o, reasonSeriesLimit); got != 2 {
		t.Errorf("dropped: got %g; want 2", got)
	}
	if stats, err := db.Stats(); err != nil || stats.Series != 2 {
		t.Errorf("got %d series, %v; want 2", stats.Series, err)
	}
}

// A late point does not take the later points of its metric with it.
func TestBadPointAmongGoodOnes(t *testing.T) {
	o := testOptions()
	db := open(t, t.TempDir(), o)
	appendAll(t, db, gauge(t, nil, "queue", now, 1))
	md := gauge(t, nil, "queue", now.Add(-5*time.Hour), 2)
	p := md.ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics().At(0).Gauge().DataPoints().AppendEmpty()
	p.SetTimestamp(ts(now.Add(30 * time.Second)))
	p.SetDoubleValue(3)
	appendAll(t, db, md)
	if got := one(t, db, "queue_bytes", now.Add(30*time.Second)); got != 3 {
		t.Errorf("point after the late one: got %g; want 3", got)
	}
	if got := dropped(t, o, reasonTooOld); got != 1 {
		t.Errorf("too old: got %g; want 1", got)
	}
}

// failing is a disk that takes no samples.
type failing struct {
	storage.AppendableV2
	err error
}

func (f failing) AppenderV2(ctx context.Context) storage.AppenderV2 {
	return failingAppender{f.AppendableV2.AppenderV2(ctx), f.err}
}

type failingAppender struct {
	storage.AppenderV2
	err error
}

func (f failingAppender) Commit() error { return errors.Join(f.err, f.Rollback()) }

func TestDiskErrorsAreRetryable(t *testing.T) {
	for _, tc := range []struct {
		cause  error
		reason string
	}{
		{fmt.Errorf("log segment: %w", syscall.ENOSPC), reasonDiskFull},
		{fmt.Errorf("log segment: %w", syscall.EIO), reasonStorage},
	} {
		o := testOptions()
		db := open(t, t.TempDir(), o)
		db.appendable = failing{db.tsdb, tc.cause}
		const delta = pmetric.AggregationTemporalityDelta
		md := bare(sum(t, "statsd.hits", delta, now.Add(-time.Minute), now, 5))
		err := db.Append(t.Context(), md)
		var down *UnavailableError
		if !errors.As(err, &down) || down.Reason != tc.reason || !errors.Is(err, tc.cause) {
			t.Errorf("%v: got error %v; want an UnavailableError for %s", tc.cause, err, tc.reason)
		}
		if got := counter(t, o, "signalbox_metrics_refused_batches_total", tc.reason); got != 1 {
			t.Errorf("%v: refused batches: got %g; want 1", tc.cause, got)
		}

		// The increment is in the total already: the next point shows it.
		db.appendable = db.tsdb
		appendAll(t, db, bare(sum(t, "statsd.hits", delta, now, now.Add(time.Minute), 1)))
		if got := one(t, db, "statsd_hits_total", now.Add(time.Minute)); got != 6 {
			t.Errorf("total after the disk came back: got %g; want 6", got)
		}
	}
}

func TestRoomIsKeptOnDisk(t *testing.T) {
	db := open(t, t.TempDir(), testOptions())
	free, clock := uint64(99), now
	db.room = &room{min: 100, free: func() (uint64, error) { return free, nil }, now: func() time.Time { return clock }}

	srv := httptest.NewServer(db.Handler())
	defer srv.Close()
	for _, path := range []string{"/api/v1/otlp/v1/metrics", "/api/v1/write"} {
		res, err := http.Post(srv.URL+path, "application/x-protobuf", strings.NewReader(""))
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != http.StatusServiceUnavailable || res.Header.Get("Retry-After") != "30" {
			t.Errorf("%s on a full disk: got %s, Retry-After %q; want 503 and 30", path, res.Status, res.Header.Get("Retry-After"))
		}
	}
	err := db.Append(t.Context(), gauge(t, shop, "queue", now, 1))
	var down *UnavailableError
	if !errors.As(err, &down) || down.Reason != reasonDiskFull {
		t.Errorf("full disk: got error %v; want an UnavailableError for disk_full", err)
	}
	free, clock = 100, clock.Add(roomInterval)
	appendAll(t, db, gauge(t, shop, "queue", now, 1))
}

func TestCancelledAppendKeepsNothing(t *testing.T) {
	db := open(t, t.TempDir(), testOptions())
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := db.Append(ctx, gauge(t, shop, "queue", now, 1)); !errors.Is(err, context.Canceled) {
		t.Errorf("got error %v; want context.Canceled", err)
	}
	if got := vector(t, db, "queue_bytes", now); len(got) != 0 {
		t.Errorf("got %v; want nothing stored", got)
	}
}

// OTLP over HTTP answers with the number of points it dropped.
func TestOTLPOverHTTP(t *testing.T) {
	db := open(t, t.TempDir(), testOptions())
	_, url := client(t, db)
	post := func(md pmetric.Metrics) (*http.Response, pmetricotlp.ExportResponse) {
		t.Helper()
		body, err := pmetricotlp.NewExportRequestFromMetrics(md).MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		res, err := http.Post(url+"/api/v1/otlp/v1/metrics", "application/json", bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		var b bytes.Buffer
		if _, err := b.ReadFrom(res.Body); err != nil {
			t.Fatal(err)
		}
		out := pmetricotlp.NewExportResponse()
		if res.StatusCode == http.StatusOK {
			if err := out.UnmarshalJSON(b.Bytes()); err != nil {
				t.Fatal(err)
			}
		}
		return res, out
	}
	if res, _ := post(gauge(t, nil, "queue", now, 1)); res.StatusCode != http.StatusOK {
		t.Errorf("good batch: got %s; want 200", res.Status)
	}
	mixed := gauge(t, nil, "queue", now.Add(-4*time.Hour), 2)
	gauge(t, nil, "other", now, 1).ResourceMetrics().MoveAndAppendTo(mixed.ResourceMetrics())
	res, out := post(mixed)
	if got := out.PartialSuccess(); res.StatusCode != http.StatusOK || got.RejectedDataPoints() != 1 || !strings.Contains(got.ErrorMessage(), "queue_bytes: too old sample") {
		t.Errorf("late point: got %s, %d rejected, %q; want 200, 1, and the metric's name", res.Status, got.RejectedDataPoints(), got.ErrorMessage())
	}
	// Deltas through HTTP and through Append are one total.
	const delta = pmetric.AggregationTemporalityDelta
	appendAll(t, db, sum(t, "hits", delta, now.Add(-2*time.Minute), now.Add(-time.Minute), 5))
	post(sum(t, "hits", delta, now.Add(-time.Minute), now, 6))
	if got := one(t, db, "hits_total", now); got != 11 {
		t.Errorf("total over both ways in: got %g; want 11", got)
	}
}
