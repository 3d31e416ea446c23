package metrics

import (
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Options configure a DB. NewDefaultOptions holds every default.
type Options struct {
	// MaxAge is how long samples are kept; blocks older than it are deleted.
	MaxAge time.Duration
	// MaxBytes bounds the size of the blocks on disk, oldest deleted first.
	// Zero means no bound. The log of the last hours is not counted.
	MaxBytes int64
	// OutOfOrderWindow is how late a sample may arrive, measured from the
	// newest sample stored. Later ones are dropped and counted.
	OutOfOrderWindow time.Duration
	// MaxExemplars bounds the exemplars kept in memory over all series; the
	// oldest are overwritten.
	MaxExemplars int64
	// MaxSeries bounds the series of the last hours, which are in memory: about
	// 3 kB each. Samples of further ones are dropped and counted. Zero means no
	// bound. The default is a million, or what a quarter of the memory has room
	// for that the process may take (GOMEMLIMIT).
	MaxSeries uint64
	// MinFreeBytes is the room on disk below which batches are refused with an
	// UnavailableError, so that the block being written still fits. Zero
	// refuses nothing.
	MinFreeBytes int64

	// PromotedAttributes are the resource attributes that become labels of
	// every series of the resource. Others are found only in target_info.
	PromotedAttributes []string
	// DeltaMaxStale is how long the sum of a delta series is remembered after
	// its last point. A series that comes back later starts again from zero.
	DeltaMaxStale time.Duration
	// DeltaMaxStreams bounds the delta series that are summed at one time;
	// points of further ones are dropped and counted.
	DeltaMaxStreams int

	// Lookback is how old a sample may be and still be an instant's value.
	Lookback time.Duration
	// MaxSamples bounds the samples that one query may hold in memory.
	MaxSamples int
	// QueryTimeout ends a query that takes longer.
	QueryTimeout time.Duration
	// QueryConcurrency is how many queries run at one time; others wait.
	QueryConcurrency int

	// Logger receives lifecycle events and repairs. Nil discards them.
	Logger *slog.Logger
	// Registerer receives this package's metrics and those of TSDB and engine.
	// Two databases need two registries. Nil means a registry of its own.
	Registerer prometheus.Registerer
	// Gatherer reads what Registerer holds, for the status pages. Nil takes
	// Registerer when it is a registry.
	Gatherer prometheus.Gatherer
	// Build is what /api/v1/status/buildinfo answers. Without a Version it is
	// that of the Prometheus library, by which clients choose what they ask for.
	Build Build
}

// Build names the program's version.
type Build struct {
	Version, Revision, Branch, User, Date string
}

// seriesBytes is about what a series takes in memory, with its samples of the
// last hours and its labels.
const seriesBytes = 3 << 10

// NewDefaultOptions returns the defaults.
func NewDefaultOptions() Options {
	return Options{
		MaxAge:             15 * 24 * time.Hour,
		OutOfOrderWindow:   3 * time.Hour,
		MaxExemplars:       100_000,
		MaxSeries:          uint64(min(1_000_000, debug.SetMemoryLimit(-1)/4/seriesBytes)),
		MinFreeBytes:       256 << 20,
		PromotedAttributes: slices.Clone(promotedAttributes),
		DeltaMaxStale:      time.Hour,
		DeltaMaxStreams:    200_000,
		Lookback:           5 * time.Minute,
		MaxSamples:         50_000_000,
		QueryTimeout:       2 * time.Minute,
		QueryConcurrency:   20,
	}
}

// promotedAttributes tell apart the resources that would otherwise write the
// same series (two hosts of the hostmetrics receiver, two containers of a pod,
// two StatefulSets of the k8s_cluster receiver), and name what people group by.
// A label that the resource does not have costs nothing.
var promotedAttributes = []string{
	"deployment.environment.name",
	"host.name",
	"k8s.cluster.name",
	"k8s.container.name",
	"k8s.cronjob.name",
	"k8s.daemonset.name",
	"k8s.deployment.name",
	"k8s.hpa.name",
	"k8s.job.name",
	"k8s.namespace.name",
	"k8s.node.name",
	"k8s.pod.name",
	"k8s.replicaset.name",
	"k8s.resourcequota.name",
	"k8s.statefulset.name",
	"k8s.volume.name",
	"service.version",
}

// Validate says what is wrong with the options.
func (o Options) Validate() error {
	var errs []error
	positive := func(name string, ok bool) {
		if !ok {
			errs = append(errs, fmt.Errorf("%s must be greater than zero", name))
		}
	}
	positive("MaxAge", o.MaxAge > 0)
	positive("MaxExemplars", o.MaxExemplars > 0)
	positive("DeltaMaxStale", o.DeltaMaxStale > 0)
	positive("DeltaMaxStreams", o.DeltaMaxStreams > 0)
	positive("Lookback", o.Lookback > 0)
	positive("MaxSamples", o.MaxSamples > 0)
	positive("QueryTimeout", o.QueryTimeout > 0)
	positive("QueryConcurrency", o.QueryConcurrency > 0)
	if o.MaxBytes < 0 || o.MinFreeBytes < 0 || o.OutOfOrderWindow < 0 {
		errs = append(errs, errors.New("MaxBytes, MinFreeBytes and OutOfOrderWindow must not be negative"))
	}
	if o.Registerer != nil && o.Gatherer == nil {
		if _, ok := o.Registerer.(prometheus.Gatherer); !ok {
			errs = append(errs, errors.New("Gatherer is missing: the Registerer given cannot be read"))
		}
	}
	return errors.Join(errs...)
}

// filled returns the options with logger, registerer and gatherer set.
func (o Options) filled() Options {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Registerer == nil {
		r := prometheus.NewRegistry()
		o.Registerer, o.Gatherer = r, r
	}
	if o.Gatherer == nil {
		o.Gatherer = o.Registerer.(prometheus.Gatherer)
	}
	return o
}
