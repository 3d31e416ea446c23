package allocator

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	promconfig "github.com/prometheus/prometheus/config"
	"go.opentelemetry.io/collector/config/configtls"
	"golang.org/x/sync/errgroup"
)

// Settings say what Run runs.
type Settings struct {
	// Config is valid.
	Config Config
	// Collectors says who they are; nil watches the pods that Config selects.
	Collectors Source
	// Logger takes the logs.
	Logger *slog.Logger
	// Listening, when not nil, is called with each address that is listened at:
	// HTTP, then HTTPS.
	Listening func(net.Addr)
}

// allocator is one that runs.
type allocator struct {
	Settings
	allocation *Allocation
	metrics    *metrics
	handler    *handler
	discoverer *discoverer

	jobsKnown    chan struct{} // closed by the first complete list of jobs
	found, known chan struct{} // closed by the first targets, the first collectors
}

// Run runs a target allocator until ctx ends.
func Run(ctx context.Context, s Settings) error {
	c := &s.Config
	a := &allocator{
		Settings:   s,
		allocation: newAllocation(c.AllocationStrategy, c.AllocationFallbackStrategy, time.Now),
		metrics:    newMetrics(),
		jobsKnown:  make(chan struct{}),
		found:      make(chan struct{}),
		known:      make(chan struct{}),
	}
	a.metrics.registry.MustRegister(shares{a.allocation})
	a.handler = newHandler(a.allocation, a.metrics)
	if !c.Telemetry.IsZero() {
		s.Logger.Warn("telemetry of the configuration is not used: metrics are at /metrics")
	}
	if a.Collectors == nil {
		var err error
		if a.Collectors, err = newPodSource(c, s.Logger); err != nil {
			return err
		}
	}
	group, ctx := errgroup.WithContext(ctx)
	if err := a.discover(ctx, group); err != nil {
		return err
	}
	group.Go(func() error { return a.Collectors(ctx, a.setCollectors) })
	if err := a.listen(ctx, group); err != nil {
		return err
	}
	return group.Wait()
}

// discover starts to look for targets, and is ready when it knows them.
func (a *allocator) discover(ctx context.Context, group *errgroup.Group) error {
	var err error
	a.discoverer, err = newDiscoverer(ctx, a.Config.FilterStrategy == relabelConfig, a.Logger, a.metrics, a.setTargets)
	if err != nil {
		return err
	}
	if !a.Config.PrometheusCR.Enabled {
		if err := a.setGenerated(nil); err != nil {
			return err
		}
	} else {
		m, err := newMonitors(&a.Config, a.Logger, a.metrics, a.setGenerated)
		if err != nil {
			return err
		}
		group.Go(func() error { return m.run(ctx) })
	}
	group.Go(func() error { return a.discoverer.run(ctx) })
	group.Go(func() error { return a.becomeReady(ctx) })
	return nil
}

// setGenerated makes the jobs those of the configuration and these.
func (a *allocator) setGenerated(resources []generated) error {
	var configs []*promconfig.ScrapeConfig
	sources := map[string]any{}
	var err error
	if a.Config.prometheus != nil {
		if configs, err = a.Config.prometheus.GetScrapeConfigs(); err != nil {
			return fmt.Errorf("reading scrape configs: %w", err)
		}
		if sources, err = sourcesOf(&a.Config.Config); err != nil {
			return fmt.Errorf("reading scrape configs: %w", err)
		}
	}
	added, problems := parseGenerated(a.Config.prometheus, resources, configs)
	for _, p := range problems {
		a.Logger.Warn("a scrape config of a resource is left out", "error", p)
	}
	for _, g := range added {
		configs = append(configs, g.config)
		sources[g.config.JobName] = g.tree
	}
	j, err := newJobs(configs, sources)
	if err != nil {
		return err
	}
	a.handler.jobs.Store(j)
	if err := a.discoverer.apply(configs); err != nil {
		return err
	}
	closeOnce(a.jobsKnown)
	return nil
}

// becomeReady waits until targets and collectors are known.
func (a *allocator) becomeReady(ctx context.Context) error {
	select {
	case <-a.jobsKnown:
	case <-ctx.Done():
		return nil
	}
	limit := time.NewTimer(settle)
	defer limit.Stop()
	found := a.found
	if !allStatic(a.handler.jobs.Load().configs) {
		found = nil // the first say of many that are asked is not the whole
	}
	select {
	case <-found:
	case <-limit.C:
	case <-ctx.Done():
		return nil
	}
	select {
	case <-a.known:
	case <-ctx.Done():
		return nil
	}
	now := a.allocation.Shares()
	a.handler.ready.Store(true)
	a.Logger.Info("ready", "jobs", len(now.OfJob), "collectors", len(now.Collectors))
	return nil
}

func (a *allocator) setTargets(targets []*target) {
	defer a.metrics.timeAllocation("SetTargets", a.Config.AllocationStrategy, time.Now())
	a.allocation.SetTargets(targets)
	closeOnce(a.found)
}

func (a *allocator) setCollectors(collectors []Collector) {
	start := time.Now()
	if a.allocation.SetCollectors(collectors) {
		a.metrics.timeAllocation("SetCollectors", a.Config.AllocationStrategy, start)
		a.metrics.events.WithLabelValues("collectors").Inc()
		a.Logger.Info("collectors changed", "collectors", len(collectors))
	}
	a.metrics.discovered.Set(float64(len(collectors)))
	closeOnce(a.known)
}

// closeOnce closes a channel that one goroutine at a time closes.
func closeOnce(c chan struct{}) {
	select {
	case <-c:
	default:
		close(c)
	}
}

// listen starts the servers.
func (a *allocator) listen(ctx context.Context, group *errgroup.Group) error {
	l, err := net.Listen("tcp", a.Config.ListenAddr)
	if err != nil {
		return fmt.Errorf("listening for HTTP: %w", err)
	}
	a.serve(ctx, group, l, a.Config.AllowInsecureAuthSecrets)
	if !a.Config.HTTPS.Enabled {
		return nil
	}
	secure, err := a.tls(ctx)
	if err != nil {
		return err
	}
	if l, err = net.Listen("tcp", a.Config.HTTPS.ListenAddr); err != nil {
		return fmt.Errorf("listening for HTTPS: %w", err)
	}
	a.serve(ctx, group, tls.NewListener(l, secure), true)
	return nil
}

// tls wants a certificate of every client, and reads its files again.
func (a *allocator) tls(ctx context.Context) (*tls.Config, error) {
	h := a.Config.HTTPS
	s := configtls.NewDefaultServerConfig()
	s.MinVersion = "1.2"
	s.CertFile, s.KeyFile = h.TLSCertFilePath, h.TLSKeyFilePath
	s.ReloadInterval = time.Minute
	s.ClientCAFile, s.ReloadClientCAFile = h.CAFilePath, true
	c, err := s.LoadTLSConfig(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading the certificates of https: %w", err)
	}
	return c, nil
}

func (a *allocator) serve(ctx context.Context, group *errgroup.Group, l net.Listener, secrets bool) {
	server := &http.Server{Handler: a.handler.with(secrets), ReadHeaderTimeout: 10 * time.Second,
		ErrorLog: slog.NewLogLogger(a.Logger.Handler(), slog.LevelDebug)}
	a.Logger.Info("listening", "address", l.Addr().String())
	if a.Listening != nil {
		a.Listening(l.Addr())
	}
	group.Go(func() error {
		if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("serving HTTP: %w", err)
		}
		return nil
	})
	group.Go(func() error {
		<-ctx.Done()
		return server.Close()
	})
}
