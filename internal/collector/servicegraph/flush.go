package servicegraph

import (
	"context"
	"slices"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
)

// perSend is how many series are sent at once, of three or four data points.
const perSend = 250

// flush sends all series.
func (c *graphConnector) flush(ctx context.Context) error {
	c.flushing.Lock()
	defer c.flushing.Unlock()
	for some := range slices.Chunk(c.graph.all(), perSend) {
		md := c.graph.metrics(some, c.started, time.Now().Add(-c.offset))
		if md.MetricCount() == 0 {
			continue
		}
		if err := c.next.ConsumeMetrics(ctx, md); err != nil {
			return err
		}
	}
	return nil
}

// all are the series of now.
func (g *graph) all() []*series {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.series)
}

// metrics are the sums of some series, without those that were forgotten.
func (g *graph) metrics(some []*series, start, at time.Time) pmetric.Metrics {
	md := pmetric.NewMetrics()
	g.mu.Lock()
	defer g.mu.Unlock()
	some = slices.DeleteFunc(slices.Clone(some), func(s *series) bool { return s.edges == 0 })
	if len(some) == 0 {
		return md
	}
	sm := md.ResourceMetrics().AppendEmpty().ScopeMetrics().AppendEmpty()
	sm.Scope().SetName("traces_service_graph")
	w := writer{g, sm.Metrics(), pcommon.NewTimestampFromTime(start), pcommon.NewTimestampFromTime(at)}
	w.sum("traces_service_graph_request_total", some)
	failed := slices.DeleteFunc(slices.Clone(some), func(s *series) bool { return !s.failed })
	if len(failed) > 0 {
		w.sum("traces_service_graph_request_failed_total", failed)
	}
	w.histogram("traces_service_graph_request_server", some, func(s *series) (float64, []uint64) { return s.serverSeconds, s.serverTimes })
	w.histogram("traces_service_graph_request_client", some, func(s *series) (float64, []uint64) { return s.clientSeconds, s.clientTimes })
	return md
}

// writer makes metrics of series.
type writer struct {
	*graph
	to        pmetric.MetricSlice
	start, at pcommon.Timestamp
}

// sum makes a counter of the edges of each series.
func (w *writer) sum(name string, some []*series) {
	m := w.to.AppendEmpty()
	m.SetName(name)
	m.SetEmptySum().SetIsMonotonic(true)
	m.Sum().SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
	m.Sum().DataPoints().EnsureCapacity(len(some))
	for _, s := range some {
		p := m.Sum().DataPoints().AppendEmpty()
		p.SetStartTimestamp(w.start)
		p.SetTimestamp(w.at)
		p.SetIntValue(int64(s.edges))
		w.attributes(s, p.Attributes())
	}
}

// histogram makes a histogram of what times says of each series.
func (w *writer) histogram(name string, some []*series, times func(*series) (seconds float64, buckets []uint64)) {
	m := w.to.AppendEmpty()
	m.SetName(name)
	m.SetUnit("s")
	m.SetEmptyHistogram().SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
	m.Histogram().DataPoints().EnsureCapacity(len(some))
	for _, s := range some {
		seconds, buckets := times(s)
		p := m.Histogram().DataPoints().AppendEmpty()
		p.SetStartTimestamp(w.start)
		p.SetTimestamp(w.at)
		p.ExplicitBounds().FromRaw(w.bounds)
		p.BucketCounts().FromRaw(buckets)
		p.SetCount(s.edges)
		p.SetSum(seconds)
		w.attributes(s, p.Attributes())
	}
}

// attributes are what tells a series from the others.
func (w *writer) attributes(s *series, to pcommon.Map) {
	to.EnsureCapacity(5 + w.width())
	to.PutStr("client", w.texts.at(s.client))
	to.PutStr("server", w.texts.at(s.server))
	to.PutStr("connection_type", labels[s.kind])
	to.PutBool("failed", s.failed)
	n := 0
	for d := range w.dimsIn(s) {
		if d != 0 {
			to.PutStr(w.names[n], w.texts.at(d))
		}
		n++
	}
	if w.label {
		to.PutStr("virtual_node", s.virtual)
	}
}
