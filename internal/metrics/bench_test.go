package metrics

import (
	"fmt"
	"syscall"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/pmetric"
)

// BenchmarkAppend stores batches of 1,000 series, a scrape later each time.
func BenchmarkAppend(b *testing.B) {
	for _, temporality := range []pmetric.AggregationTemporality{pmetric.AggregationTemporalityCumulative, pmetric.AggregationTemporalityDelta} {
		b.Run(temporality.String(), func(b *testing.B) {
			db, err := Open(b.TempDir(), testOptions())
			if err != nil {
				b.Fatal(err)
			}
			defer db.Close()
			md := pmetric.NewMetrics()
			rm := md.ResourceMetrics().AppendEmpty()
			if err := rm.Resource().Attributes().FromRaw(shop); err != nil {
				b.Fatal(err)
			}
			var points []pmetric.NumberDataPoint
			ms := rm.ScopeMetrics().AppendEmpty().Metrics()
			for i := range 20 {
				m := ms.AppendEmpty()
				m.SetName(fmt.Sprintf("http.server.requests.%d", i))
				s := m.SetEmptySum()
				s.SetIsMonotonic(true)
				s.SetAggregationTemporality(temporality)
				for j := range 50 {
					p := s.DataPoints().AppendEmpty()
					p.Attributes().PutStr("http.route", fmt.Sprintf("/route/%d", j))
					p.Attributes().PutStr("http.request.method", "GET")
					p.Attributes().PutInt("http.response.status_code", 200)
					points = append(points, p)
				}
			}
			at := now.Add(-14 * 24 * time.Hour)
			before := cpuTime(b)
			for b.Loop() {
				start := at
				at = at.Add(time.Second)
				for i, p := range points {
					p.SetStartTimestamp(ts(start))
					p.SetTimestamp(ts(at))
					p.SetIntValue(int64(i))
				}
				if err := db.Append(b.Context(), md); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N*len(points))/(cpuTime(b)-before).Seconds(), "samples/cpu-s")
		})
	}
}

// cpuTime is what the process has used: other work on the machine changes the
// time of the clock, not this.
func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
