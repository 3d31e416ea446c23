package allocator

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// metrics are what the allocator says about itself, under the names of the
// upstream one.
type metrics struct {
	registry *prometheus.Registry

	discovered    prometheus.Gauge
	allocate      *prometheus.HistogramVec
	events        *prometheus.CounterVec
	http          *prometheus.HistogramVec
	process       prometheus.Histogram
	processGroups *prometheus.HistogramVec
}

func newMetrics() *metrics {
	slow := []float64{1, 5, 10, 30, 60, 120}
	m := &metrics{
		registry: prometheus.NewRegistry(),
		discovered: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "opentelemetry_allocator_collectors_discovered",
			Help: "Collectors that were found."}),
		allocate: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "opentelemetry_allocator_time_to_allocate",
			Help: "Seconds to divide the targets."}, []string{"method", "strategy"}),
		events: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "opentelemetry_allocator_events",
			Help: "What made the allocator look again."}, []string{"source"}),
		http: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "opentelemetry_allocator_http_duration_seconds",
			Help: "Time to answer."}, []string{"path"}),
		process: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "opentelemetry_allocator_process_targets_duration_seconds",
			Help: "Time to make targets of what was discovered.", Buckets: slow}),
		processGroups: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "opentelemetry_allocator_process_target_groups_duration_seconds",
			Help: "The same, of one job.", Buckets: slow}, []string{"job_name"}),
	}
	m.registry.MustRegister(m.discovered, m.allocate, m.events, m.http, m.process, m.processGroups,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// timeAllocation observes the time since start.
func (m *metrics) timeAllocation(method, strategy string, start time.Time) {
	m.allocate.WithLabelValues(method, strategy).Observe(time.Since(start).Seconds())
}

// shares tells how targets are divided at the time somebody asks, so that no
// gauge keeps an old value.
type shares struct{ *Allocation }

var (
	targetsDesc     = desc("targets", "Targets of a job.", "job_name")
	remainingDesc   = desc("targets_remaining", "Targets that were kept by the filter.")
	unassignedDesc  = desc("targets_unassigned", "Targets that no collector has.")
	movingDesc      = desc("targets_moving", "Targets that an old and a new collector have, until the new one has scraped.")
	perCollector    = desc("targets_per_collector", "Targets of a collector.", "collector_name", "strategy")
	allocatableDesc = desc("collectors_allocatable", "Collectors that share the targets.", "strategy")
)

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("opentelemetry_allocator_"+name, help, labels, nil)
}

// Describe implements prometheus.Collector.
func (s shares) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{targetsDesc, remainingDesc, unassignedDesc, movingDesc, perCollector, allocatableDesc} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (s shares) Collect(ch chan<- prometheus.Metric) {
	now := s.Shares()
	gauge := func(d *prometheus.Desc, v int, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, float64(v), labels...)
	}
	all := 0
	for job, n := range now.OfJob {
		gauge(targetsDesc, n, job)
		all += n
	}
	gauge(remainingDesc, all)
	gauge(unassignedDesc, now.Unassigned)
	gauge(movingDesc, now.Moving)
	for name, n := range now.Targets {
		gauge(perCollector, n, name, s.strategy)
	}
	gauge(allocatableDesc, len(now.Collectors), s.strategy)
}
