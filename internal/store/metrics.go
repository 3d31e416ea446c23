package store

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are the counters of one store. They count whether or not somebody
// registered them.
type metrics struct {
	appended      *prometheus.CounterVec // by kind
	refused       *prometheus.CounterVec // by reason
	repeated      prometheus.Counter
	syncSeconds   prometheus.Histogram
	sealSeconds   prometheus.Histogram
	sealFailures  prometheus.Counter
	readErrors    prometheus.Counter
	merged        prometheus.Counter
	mergeSeconds  prometheus.Histogram
	mergeFailures prometheus.Counter
	heldBack      prometheus.Counter
	followerDrops prometheus.Counter
	expired       prometheus.Counter
	collectors    []prometheus.Collector
}

func newMetrics(stats func() Stats) *metrics {
	m := &metrics{
		appended: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "signalbox_store_appended_records_total",
			Help: "Records acknowledged, by kind."}, []string{"kind"}),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "signalbox_store_refused_records_total",
			Help: "Records refused because the store could not take them, by reason. Senders may send them again."}, []string{"reason"}),
		repeated: prometheus.NewCounter(prometheus.CounterOpts{Name: "signalbox_store_repeated_records_total",
			Help: "Records acknowledged but not kept again, because the same batch was kept before: its sender had no answer."}),
		syncSeconds: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "signalbox_store_wal_fsync_seconds",
			Help: "Time of an fsync of the log.", Buckets: prometheus.ExponentialBuckets(0.0005, 2, 14)}),
		sealSeconds: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "signalbox_store_seal_seconds",
			Help: "Time to write a block.", Buckets: prometheus.ExponentialBuckets(0.01, 2, 12)}),
		sealFailures: prometheus.NewCounter(prometheus.CounterOpts{Name: "signalbox_store_seal_failures_total",
			Help: "Attempts to write a block that failed. They are repeated."}),
		readErrors: prometheus.NewCounter(prometheus.CounterOpts{Name: "signalbox_store_read_errors_total",
			Help: "Pages of blocks that the disk did not read: answers were partial."}),
		merged: prometheus.NewCounter(prometheus.CounterOpts{Name: "signalbox_store_merged_blocks_total",
			Help: "Small blocks that became part of larger ones."}),
		mergeSeconds: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "signalbox_store_merge_seconds",
			Help: "Time to make one block of small ones.", Buckets: prometheus.ExponentialBuckets(0.01, 2, 12)}),
		mergeFailures: prometheus.NewCounter(prometheus.CounterOpts{Name: "signalbox_store_merge_failures_total",
			Help: "Attempts to merge small blocks that failed. They are repeated."}),
		heldBack: prometheus.NewCounter(prometheus.CounterOpts{Name: "signalbox_store_held_back_seconds_total",
			Help: "Time for which batches were held back because sealing was behind."}),
		followerDrops: prometheus.NewCounter(prometheus.CounterOpts{Name: "signalbox_store_follower_dropped_batches_total",
			Help: "Batches not given to a live tail because it was behind."}),
		expired: prometheus.NewCounter(prometheus.CounterOpts{Name: "signalbox_store_expired_blocks_total",
			Help: "Blocks removed by age or size."}),
	}
	for _, k := range kinds {
		m.appended.WithLabelValues(k.String())
	}
	for _, reason := range []string{reasonDiskFull, reasonSealing, reasonLog} {
		m.refused.WithLabelValues(reason)
	}
	gauge := func(name, help string, labels prometheus.Labels, value func(Stats) float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help, ConstLabels: labels},
			func() float64 { return value(stats()) })
	}
	const blocks, bytes = "signalbox_store_blocks", "signalbox_store_bytes"
	m.collectors = []prometheus.Collector{m.appended, m.refused, m.repeated, m.syncSeconds, m.sealSeconds, m.sealFailures, m.readErrors, m.merged, m.mergeSeconds, m.mergeFailures, m.heldBack,
		m.followerDrops, m.expired,
		gauge(blocks, "Sealed blocks, by kind.", prometheus.Labels{"kind": "spans"}, func(s Stats) float64 { return float64(s.Spans.Blocks) }),
		gauge(blocks, "Sealed blocks, by kind.", prometheus.Labels{"kind": "logs"}, func(s Stats) float64 { return float64(s.Logs.Blocks) }),
		gauge(bytes, "Bytes on disk, by part.", prometheus.Labels{"part": "blocks"}, func(s Stats) float64 { return float64(s.Bytes - s.WALBytes) }),
		gauge(bytes, "Bytes on disk, by part.", prometheus.Labels{"part": "wal"}, func(s Stats) float64 { return float64(s.WALBytes) }),
		gauge("signalbox_store_quarantined_files", "Files set aside because they could not be read.", nil,
			func(s Stats) float64 { return float64(s.Quarantined) }),
	}
	return m
}

// register makes the metrics visible.
func (m *metrics) register(r prometheus.Registerer) error {
	if r == nil {
		return nil
	}
	for i, c := range m.collectors {
		if err := r.Register(c); err != nil {
			for _, done := range m.collectors[:i] {
				r.Unregister(done)
			}
			return fmt.Errorf("registering metrics: %w", err)
		}
	}
	return nil
}

// unregister is the inverse of register.
func (m *metrics) unregister(r prometheus.Registerer) {
	if r == nil {
		return
	}
	for _, c := range m.collectors {
		r.Unregister(c)
	}
}
