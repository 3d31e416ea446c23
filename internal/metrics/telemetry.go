package metrics

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// Why a sample was dropped or a batch refused: the reason label of the counters
// and the keys of RefusedError.Dropped.
const (
	reasonOutOfOrder   = "out_of_order" // older than the newest sample, and no window is configured
	reasonTooOld       = "too_old"      // older than the out-of-order window, or than MaxAge
	reasonDuplicate    = "duplicate"    // another value at the same time
	reasonFuture       = "future"       // more than maxAhead after our clock
	reasonSeriesLimit  = "series_limit" // a new series beyond MaxSeries
	reasonInvalid      = "invalid"      // labels or histogram that no series can have
	reasonUntranslated = "untranslated" // an OTLP metric that has no Prometheus form
	reasonDelta        = "delta"        // a delta point out of order, or beyond DeltaMaxStreams
	reasonDiskFull     = "disk_full"
	reasonStorage      = "storage"
)

// telemetry is what the package counts about itself.
type telemetry struct {
	appended         prometheus.Counter
	dropped          *prometheus.CounterVec
	droppedExemplars prometheus.Counter
	refused          *prometheus.CounterVec
	corruptBlocks    prometheus.Counter
	metadataDropped  prometheus.Counter
}

// newTelemetry registers the counters. Those with reasons start at zero, so
// that rate() sees the first drop.
func newTelemetry(r prometheus.Registerer) *telemetry {
	f := promauto.With(r)
	t := &telemetry{
		appended: f.NewCounter(prometheus.CounterOpts{
			Name: "signalbox_metrics_appended_samples_total",
			Help: "Samples accepted, from OTLP and remote write.",
		}),
		dropped: f.NewCounterVec(prometheus.CounterOpts{
			Name: "signalbox_metrics_dropped_samples_total",
			Help: "Samples dropped because they can never be stored, by reason. For reason untranslated: metrics.",
		}, []string{"reason"}),
		droppedExemplars: f.NewCounter(prometheus.CounterOpts{
			Name: "signalbox_metrics_dropped_exemplars_total",
			Help: "Exemplars dropped because they were out of order or invalid. Their samples were kept.",
		}),
		refused: f.NewCounterVec(prometheus.CounterOpts{
			Name: "signalbox_metrics_refused_batches_total",
			Help: "Batches refused as a whole, to be sent again, by reason.",
		}, []string{"reason"}),
		corruptBlocks: f.NewCounter(prometheus.CounterOpts{
			Name: "signalbox_metrics_corrupt_blocks_total",
			Help: "Blocks set aside because they could not be read.",
		}),
		metadataDropped: f.NewCounter(prometheus.CounterOpts{
			Name: "signalbox_metrics_metadata_dropped_total",
			Help: "Metric names whose type, unit and help were not kept because there were too many names.",
		}),
	}
	for _, reason := range []string{reasonOutOfOrder, reasonTooOld, reasonDuplicate, reasonFuture, reasonSeriesLimit, reasonInvalid, reasonUntranslated, reasonDelta} {
		t.dropped.WithLabelValues(reason)
	}
	for _, reason := range []string{reasonDiskFull, reasonStorage} {
		t.refused.WithLabelValues(reason)
	}
	return t
}
