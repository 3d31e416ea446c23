package allocator

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	promconfig "github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/discovery"
	"github.com/prometheus/prometheus/discovery/targetgroup"
)

// settle is how long discovery that asks somebody may take for its first say;
// what it found until then is what there is.
const settle = 10 * time.Second

// discoverer finds the targets of jobs by Prometheus' service discovery.
type discoverer struct {
	manager *discovery.Manager
	filter  bool
	logger  *slog.Logger
	metrics *metrics
	// found receives all targets each time they change.
	found func(targets []*target)

	mu     sync.Mutex
	jobs   map[string]*promconfig.ScrapeConfig
	groups map[string][]*targetgroup.Group
}

func newDiscoverer(ctx context.Context, filter bool, logger *slog.Logger, m *metrics, found func([]*target)) (*discoverer, error) {
	sd, err := discovery.CreateAndRegisterSDMetrics(m.registry)
	if err != nil {
		return nil, fmt.Errorf("preparing discovery: %w", err)
	}
	d := &discoverer{filter: filter, logger: logger, metrics: m, found: found}
	// It gives what it found at most every 5 s.
	if d.manager = discovery.NewManager(ctx, logger, m.registry, sd); d.manager == nil {
		return nil, errors.New("preparing discovery: its metrics are taken")
	}
	return d, nil
}

// apply makes these the jobs. Discovery that stays the same goes on.
func (d *discoverer) apply(jobs []*promconfig.ScrapeConfig) error {
	byName := make(map[string]*promconfig.ScrapeConfig, len(jobs))
	configs := make(map[string]discovery.Configs, len(jobs))
	for _, j := range jobs {
		byName[j.JobName] = j
		configs[j.JobName] = j.ServiceDiscoveryConfigs
	}
	d.mu.Lock()
	d.jobs = byName
	d.mu.Unlock()
	if err := d.manager.ApplyConfig(configs); err != nil {
		return fmt.Errorf("starting discovery: %w", err)
	}
	d.process() // with the new relabeling
	return nil
}

// run works until the context of newDiscoverer ends.
func (d *discoverer) run(ctx context.Context) error {
	done := make(chan error, 1)
	go func() { done <- d.manager.Run() }()
	for {
		select {
		case <-ctx.Done():
			<-done
			return nil
		case groups, ok := <-d.manager.SyncCh():
			if !ok {
				return <-done
			}
			d.mu.Lock()
			d.groups = groups
			d.mu.Unlock()
			d.metrics.events.WithLabelValues("discovery").Inc()
			d.process()
		}
	}
}

// process makes targets of what is known.
func (d *discoverer) process() {
	start := time.Now()
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.groups == nil {
		return
	}
	var all []*target
	dropped := 0
	for name, job := range d.jobs {
		jobStart := time.Now()
		targets, out := targetsOf(job, d.groups[name], d.filter)
		d.metrics.processGroups.WithLabelValues(name).Observe(time.Since(jobStart).Seconds())
		all, dropped = append(all, targets...), dropped+out
	}
	d.found(all)
	d.metrics.process.Observe(time.Since(start).Seconds())
	d.logger.Debug("targets discovered", "targets", len(all), "dropped", dropped)
}

// allStatic reports whether the targets of all jobs are written down, so that
// the first say of discovery is the whole.
func allStatic(jobs []*promconfig.ScrapeConfig) bool {
	for _, j := range jobs {
		for _, c := range j.ServiceDiscoveryConfigs {
			if _, static := c.(discovery.StaticConfig); !static {
				return false
			}
		}
	}
	return true
}
