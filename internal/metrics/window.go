package metrics

import (
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
)

// maxAhead is how far in the future a point may lie. One sample of a clock that
// is a year ahead would make every later one too old.
const maxAhead = 10 * time.Minute

// window is the span of time that points may have at all. Points outside it are
// taken out before anything looks at their time: a delta point of the future
// would keep its series' later ones out of the total, and the translation
// writes target_info every 150 seconds between the oldest and the newest point
// of a resource, which is 12 million times when one of them has no time.
type window struct {
	oldest, newest pcommon.Timestamp
}

// windowAt is the window at a moment: from the oldest sample that is kept to
// maxAhead.
func windowAt(now time.Time, maxAge time.Duration) window {
	return window{
		oldest: pcommon.NewTimestampFromTime(now.Add(-maxAge)),
		newest: pcommon.NewTimestampFromTime(now.Add(maxAhead)),
	}
}

// point is what every kind of data point has.
type point interface{ Timestamp() pcommon.Timestamp }

// refuse counts p if it is outside the window, and reports whether it is.
func (w window) refuse(t *tally, name string, p point) bool {
	switch at := p.Timestamp(); {
	case at < w.oldest:
		t.drop(reasonTooOld, 1, name+": the point's time is older than the oldest that is kept")
	case at > w.newest:
		t.drop(reasonFuture, 1, name+": the point's time is in the future: compare the clocks")
	default:
		return false
	}
	return true
}

// outside reports whether md has a point outside the window.
func (w window) outside(md pmetric.Metrics) bool {
	for _, rm := range md.ResourceMetrics().All() {
		for _, sm := range rm.ScopeMetrics().All() {
			for _, m := range sm.Metrics().All() {
				if w.outsideMetric(m) {
					return true
				}
			}
		}
	}
	return false
}

func (w window) outsideMetric(m pmetric.Metric) bool {
	out := func(p point) bool { return p.Timestamp() < w.oldest || p.Timestamp() > w.newest }
	switch m.Type() {
	case pmetric.MetricTypeGauge:
		for _, p := range m.Gauge().DataPoints().All() {
			if out(p) {
				return true
			}
		}
	case pmetric.MetricTypeSum:
		for _, p := range m.Sum().DataPoints().All() {
			if out(p) {
				return true
			}
		}
	case pmetric.MetricTypeHistogram:
		for _, p := range m.Histogram().DataPoints().All() {
			if out(p) {
				return true
			}
		}
	case pmetric.MetricTypeExponentialHistogram:
		for _, p := range m.ExponentialHistogram().DataPoints().All() {
			if out(p) {
				return true
			}
		}
	case pmetric.MetricTypeSummary:
		for _, p := range m.Summary().DataPoints().All() {
			if out(p) {
				return true
			}
		}
	}
	return false
}

// cut removes the points of md that are outside the window, and the metrics
// that have no others, and counts them.
func (w window) cut(md pmetric.Metrics, t *tally) {
	for _, rm := range md.ResourceMetrics().All() {
		for _, sm := range rm.ScopeMetrics().All() {
			sm.Metrics().RemoveIf(func(m pmetric.Metric) bool { return w.outsideMetric(m) && w.cutMetric(m, t) == 0 })
		}
	}
}

// cutMetric removes the points outside the window and returns how many remain.
func (w window) cutMetric(m pmetric.Metric, t *tally) int {
	name := m.Name()
	switch m.Type() {
	case pmetric.MetricTypeGauge:
		ps := m.Gauge().DataPoints()
		ps.RemoveIf(func(p pmetric.NumberDataPoint) bool { return w.refuse(t, name, p) })
		return ps.Len()
	case pmetric.MetricTypeSum:
		ps := m.Sum().DataPoints()
		ps.RemoveIf(func(p pmetric.NumberDataPoint) bool { return w.refuse(t, name, p) })
		return ps.Len()
	case pmetric.MetricTypeHistogram:
		ps := m.Histogram().DataPoints()
		ps.RemoveIf(func(p pmetric.HistogramDataPoint) bool { return w.refuse(t, name, p) })
		return ps.Len()
	case pmetric.MetricTypeExponentialHistogram:
		ps := m.ExponentialHistogram().DataPoints()
		ps.RemoveIf(func(p pmetric.ExponentialHistogramDataPoint) bool { return w.refuse(t, name, p) })
		return ps.Len()
	case pmetric.MetricTypeSummary:
		ps := m.Summary().DataPoints()
		ps.RemoveIf(func(p pmetric.SummaryDataPoint) bool { return w.refuse(t, name, p) })
		return ps.Len()
	default:
		return 0
	}
}
