package spanmetrics

import (
	"context"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.uber.org/zap"

	"github.com/signalbox-otel/signalbox/internal/ingest"
)

// A report is passed on in parts: all of it at once would need more memory than
// the series, and behind the connector each point of a duration is many series.
// It has no more parts than a queue holds.
const (
	minPerPart = 200 // data points, about
	maxParts   = 64
)

// scope is the instrumentation scope of the metrics: that of contrib, which
// queries may look for.
const scope = "spanmetricsconnector"

// report passes on what was counted, in parts. Spans may come meanwhile: what a
// part does not have the next report has. In the last report new series begin
// with 0 too, where they would be 0 until the next one.
func (c *connecting) report(ctx context.Context, last bool) {
	p := part{plan: c.plan, at: time.Now(), last: last}
	c.mu.Lock()
	all := c.resources.take()
	p.enough = max(minPerPart, points(all)/maxParts)
	c.mu.Unlock()
	var failed error
	pass := func() {
		if p.points > 0 {
			if err := c.next.ConsumeMetrics(ctx, p.metrics); err != nil {
				failed = err
			}
		}
		p.metrics, p.points = pmetric.NewMetrics(), 0
	}
	pass()
	for _, r := range all {
		for i := range r.tables {
			for from, more := 0, true; more; {
				c.mu.Lock()
				from, more = p.add(r, &r.tables[i], from)
				c.mu.Unlock()
				if p.points >= p.enough {
					pass()
				}
			}
		}
		c.expire(r)
	}
	pass()
	if failed != nil {
		c.logger.Error("metrics of spans were refused", zap.Error(failed))
	}
}

// points is how many data points a report of resources has.
func points(list []*resource) (n int) {
	for _, r := range list {
		for i := range r.tables {
			n += len(r.tables[i].all) * r.tables[i].shape.metrics()
		}
	}
	return n
}

// metrics is how many metrics a table makes.
func (s *shape) metrics() int {
	if s.calls && s.durations {
		return 2
	}
	return 1
}

// expire forgets what no span came for in a while.
func (c *connecting) expire(r *resource) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now().UnixNano()
	if c.seriesExpires > 0 {
		for i := range r.tables {
			r.tables[i].expire(now - int64(c.seriesExpires))
		}
	}
	if c.resourceExpires > 0 && now-r.seen >= int64(c.resourceExpires) {
		c.resources.leave(r)
	}
}

// part is a part of a report.
type part struct {
	*plan
	at     time.Time
	last   bool
	enough int // points

	metrics pmetric.Metrics
	points  int
}

// add adds series of a table, from a number on, until there is enough, and says
// where the next ones begin and whether there are any.
func (p *part) add(r *resource, t *table, from int) (next int, more bool) {
	list := t.all[from:]
	if len(list) == 0 {
		return from, false
	}
	if most := max(1, (p.enough-p.points)/t.shape.metrics()); len(list) > most {
		list = list[:most]
	}
	rm := p.metrics.ResourceMetrics().AppendEmpty()
	r.attrs.CopyTo(rm.Resource().Attributes())
	sm := rm.ScopeMetrics().AppendEmpty()
	sm.Scope().SetName(scope)
	if t.shape.calls {
		p.addCalls(sm.Metrics().AppendEmpty(), list)
	}
	if t.shape.durations {
		p.addDurations(sm.Metrics().AppendEmpty(), list)
	}
	for _, s := range list {
		s.exemplars = s.exemplars[:0]
	}
	next = from + len(list)
	return next, next < len(t.all)
}

func (p *part) addCalls(m pmetric.Metric, list []*series) {
	m.SetName(p.prefix + "calls")
	sum := m.SetEmptySum()
	sum.SetIsMonotonic(true)
	sum.SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
	points := sum.DataPoints()
	points.EnsureCapacity(len(list))
	for _, s := range list {
		// A series begins with 0, for its first value is no increase to those who
		// ask for rates.
		count := s.count
		if !s.reported {
			count = 0
			if p.last {
				zero := points.AppendEmpty()
				zero.SetStartTimestamp(pcommon.Timestamp(s.start))
				zero.SetTimestamp(pcommon.Timestamp(s.start))
				zero.SetIntValue(0)
				p.label(zero.Attributes(), s)
				p.points++
				count = s.count
			}
			s.reported = true
		}
		point := points.AppendEmpty()
		point.SetStartTimestamp(pcommon.Timestamp(s.start))
		point.SetTimestamp(pcommon.NewTimestampFromTime(p.at))
		point.SetIntValue(int64(count))
		p.label(point.Attributes(), s)
		p.exemplify(point.Exemplars(), s)
		p.points++
	}
}

func (p *part) addDurations(m pmetric.Metric, list []*series) {
	m.SetName(p.prefix + "duration")
	m.SetUnit(p.unit)
	histogram := m.SetEmptyHistogram()
	histogram.SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
	points := histogram.DataPoints()
	points.EnsureCapacity(len(list))
	for _, s := range list {
		point := points.AppendEmpty()
		point.SetStartTimestamp(pcommon.Timestamp(s.start))
		point.SetTimestamp(pcommon.NewTimestampFromTime(p.at))
		point.ExplicitBounds().FromRaw(p.bounds)
		point.BucketCounts().FromRaw(s.buckets)
		point.SetCount(s.count)
		point.SetSum(s.sum)
		p.label(point.Attributes(), s)
		p.exemplify(point.Exemplars(), s)
		p.points++
	}
}

// label sets the labels of a series.
func (p *part) label(labels pcommon.Map, s *series) {
	if s.overflow {
		labels.PutBool("otel.metric.overflow", true)
		return
	}
	labels.EnsureCapacity(6 + len(s.dimensions))
	if p.service {
		labels.PutStr(labelService, s.service)
	}
	if p.name {
		labels.PutStr(labelName, s.name)
	}
	if p.kind {
		labels.PutStr(labelKind, kinds[s.kind])
	}
	if p.status {
		labels.PutStr(labelStatus, statuses[s.status])
	}
	if p.instance != "" {
		labels.PutStr(labelInstance, p.instance)
	}
	if p.sampling {
		method := "counted"
		if s.adjusted {
			method = "extrapolated"
		}
		labels.PutStr(labelSampling, method)
	}
	for _, d := range s.dimensions {
		ingest.Pvalue(d.Value).MoveTo(labels.PutEmpty(d.Key))
	}
}

func (p *part) exemplify(to pmetric.ExemplarSlice, s *series) {
	to.EnsureCapacity(len(s.exemplars))
	for _, e := range s.exemplars {
		x := to.AppendEmpty()
		x.SetTimestamp(pcommon.NewTimestampFromTime(p.at))
		x.SetTraceID(pcommon.TraceID(e.trace))
		x.SetSpanID(pcommon.SpanID(e.span))
		x.SetDoubleValue(e.duration)
	}
}
