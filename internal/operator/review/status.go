package review

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/api/equality"
	toolscache "k8s.io/client-go/tools/cache"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/signalbox-otel/signalbox/api/v1alpha1"
)

const (
	// sweepEvery is the time from one look at all pods to the next, and sweepSoon
	// that after an Instrumentation changed, or instrumented pods came or went.
	sweepEvery, sweepSoon = 30 * time.Second, 2 * time.Second
	// everyPod and soonPod make these longer where there are many pods, up to
	// restMost: what a look reads is garbage for the heap, and pages of the program's
	// file.
	everyPod, soonPod, restMost = 20 * time.Millisecond, 2 * time.Millisecond, 5 * time.Minute
	// restShare is how many times as long as a look takes is waited after it, so
	// that a large cluster is not asked all the time.
	restShare = 20
	// sweepTime bounds one look.
	sweepTime = 5 * time.Minute
)

// Counter counts pods in the status of Instrumentations, and in metrics, on the
// replica that leads.
type Counter struct {
	reviewer *Reviewer
	cache    cache.Cache
	// reader reads Instrumentations of the cache, and client writes their status.
	reader client.Reader
	client client.Client
	log    *slog.Logger
	// every and soon are sweepEvery and sweepSoon.
	every, soon time.Duration
	poked       chan struct{}
	last        atomic.Pointer[Report]
}

// AddCounter makes the manager count.
func AddCounter(mgr ctrl.Manager, r *Reviewer, registry prometheus.Registerer, log *slog.Logger) (*Counter, error) {
	c := &Counter{
		reviewer: r, cache: mgr.GetCache(), reader: mgr.GetCache(), client: mgr.GetClient(), log: log,
		every: sweepEvery, soon: sweepSoon, poked: make(chan struct{}, 1),
	}
	if err := registry.Register(c); err != nil {
		return nil, fmt.Errorf("registering the metrics of instrumented pods: %w", err)
	}
	if err := mgr.Add(c); err != nil {
		return nil, fmt.Errorf("adding the count of instrumented pods: %w", err)
	}
	return c, nil
}

// Last is what the last look found, all workloads without single pods; nil before
// the first, where there is no Instrumentation, and on replicas that do not lead.
// Nobody may change it.
func (c *Counter) Last() *Report { return c.last.Load() }

// NeedLeaderElection is true.
func (c *Counter) NeedLeaderElection() bool { return true }

// Start counts until ctx is done. A kind that is not installed is waited for.
func (c *Counter) Start(ctx context.Context) error {
	defer c.last.Store(nil)
	stop := func() {}
	defer func() { stop() }()
	for watching := false; ; {
		began := time.Now()
		var err error
		if !watching {
			stop, err = c.watch(ctx)
			watching = err == nil
		}
		if err == nil {
			err = c.update(ctx)
		}
		if err != nil && ctx.Err() == nil {
			c.log.WarnContext(ctx, "pods that ask for instrumentation are not counted", "error", err)
		}
		rest := restShare * time.Since(began)
		soon, late := max(c.soon, rest), max(c.every, rest)
		if last := c.last.Load(); last != nil {
			soon = max(soon, min(restMost, time.Duration(last.PodsSeen)*soonPod))
			late = max(late, min(restMost, time.Duration(last.PodsSeen)*everyPod))
		}
		if !c.wait(ctx, soon, late) {
			return nil
		}
	}
}

// watch is poked when an Instrumentation changes, until it is stopped.
func (c *Counter) watch(ctx context.Context) (stop func(), err error) {
	nothing := func() {}
	informer, err := c.cache.GetInformer(ctx, new(v1alpha1.Instrumentation))
	if err != nil {
		return nothing, fmt.Errorf("watching Instrumentations: %w", err)
	}
	registration, err := informer.AddEventHandler(toolscache.ResourceEventHandlerFuncs{
		AddFunc: func(any) { c.Poke() },
		UpdateFunc: func(before, after any) {
			b, known := before.(client.Object)
			a, also := after.(client.Object)
			if known && also && b.GetGeneration() != a.GetGeneration() {
				c.Poke()
			}
		},
		DeleteFunc: func(any) { c.Poke() },
	})
	if err != nil {
		return nothing, fmt.Errorf("watching Instrumentations: %w", err)
	}
	return func() { _ = informer.RemoveEventHandler(registration) }, nil // it ends with the cache otherwise
}

// wait waits for the longer time, or when poked for the shorter, and reports
// whether to go on.
func (c *Counter) wait(ctx context.Context, soon, late time.Duration) bool {
	first, second := time.NewTimer(soon), time.NewTimer(late)
	defer first.Stop()
	defer second.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-first.C:
	}
	select {
	case <-ctx.Done():
		return false
	case <-c.poked:
	case <-second.C:
	}
	return true
}

// Poke asks for a look soon.
func (c *Counter) Poke() {
	select {
	case c.poked <- struct{}{}:
	default:
	}
}

// update counts once, where there is an Instrumentation to count for.
func (c *Counter) update(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, sweepTime)
	defer cancel()
	var list v1alpha1.InstrumentationList
	if err := c.reader.List(ctx, &list); err != nil {
		return fmt.Errorf("listing Instrumentations: %w", err)
	}
	if len(list.Items) == 0 {
		c.last.Store(nil)
		return nil
	}
	report, err := c.reviewer.Count(ctx)
	if err != nil {
		return err
	}
	c.last.Store(report)
	if len(report.Problems) > 0 {
		// What was not found out is no news for a status.
		return fmt.Errorf("looking at pods: %s", report.Problems[0])
	}
	for i := range list.Items {
		if err := c.write(ctx, &list.Items[i], report); err != nil {
			return err
		}
	}
	return nil
}

// write writes what was counted into the status of an Instrumentation, unless it
// is there.
func (c *Counter) write(ctx context.Context, i *v1alpha1.Instrumentation, report *Report) error {
	found := Source{}
	if at := slices.IndexFunc(report.Sources, func(s Source) bool { return s.Name == i.Namespace+"/"+i.Name }); at >= 0 {
		found = report.Sources[at]
	}
	before := i.DeepCopy()
	i.Status.Pods, i.Status.Refusals = &found.Pods, found.Refusals
	if equality.Semantic.DeepEqual(before.Status, i.Status) {
		return nil
	}
	err := c.client.Status().Patch(ctx, i, client.MergeFrom(before))
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("writing the status of Instrumentation %s/%s: %w", i.Namespace, i.Name, err)
	}
	return nil
}

// podsDesc is the metric of instrumented pods.
var podsDesc = prometheus.NewDesc("signalbox_instrumentation_pods",
	"Pods that ask for an Instrumentation or have it, by how they stand to it: injected, stale, missed, refused or guarded.",
	[]string{"namespace", "instrumentation", "state"}, nil)

// Describe names the metric.
func (c *Counter) Describe(to chan<- *prometheus.Desc) { to <- podsDesc }

// Collect tells what was counted last.
func (c *Counter) Collect(to chan<- prometheus.Metric) {
	report := c.last.Load()
	if report == nil {
		return
	}
	for _, s := range report.Sources {
		namespace, name := s.split()
		for state, n := range map[string]int32{
			"injected": s.Pods.Injected, "stale": s.Pods.Stale, "missed": s.Pods.Missed, "refused": s.Pods.Refused, "guarded": s.Pods.Guarded,
		} {
			to <- prometheus.MustNewConstMetric(podsDesc, prometheus.GaugeValue, float64(n), namespace, name, state)
		}
	}
}
