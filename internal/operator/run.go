package operator

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"runtime/metrics"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/config"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/signalbox-otel/signalbox/internal/migrate"
	"github.com/signalbox-otel/signalbox/internal/operator/certs"
	"github.com/signalbox-otel/signalbox/internal/operator/needs"
	"github.com/signalbox-otel/signalbox/internal/operator/settings"
)

const (
	// A replica that vanishes is followed by another after leaseTime at most; one
	// that ends gives its lease back.
	leaseTime, renewTime, retryTime = 15 * time.Second, 10 * time.Second, 2 * time.Second
	// shutdownTime is how long answers that have begun may take when the process
	// ends. A pod has 10 s to end, of which draining takes some.
	shutdownTime = 6 * time.Second
	// restartFirst is the time from the end of a manager to the next; it doubles
	// while managers end soon, up to restartMost.
	restartFirst, restartMost = time.Second, 30 * time.Second
	// quietTime is how long there has to be little to do before memory is given
	// back: less is allocated in it than quietBytes. The heap is, when more than
	// workBytes was allocated since the last time; pages of the program's file,
	// when that is releaseTime ago.
	quietTime             = 5 * time.Second
	quietBytes, workBytes = 1 << 20, 8 << 20
	releaseTime           = 20 * time.Second
)

// Options are what an Operator has to know.
type Options struct {
	Settings settings.Settings
	// REST reaches the API server.
	REST *rest.Config
	// Version of the operator, and of the collector in its image.
	Version, CollectorVersion string
	Logger                    *slog.Logger
	// Check says what is wrong with the configuration of a collector.
	Check func(ctx context.Context, config map[string]any) []migrate.Finding
	// Drain is how long webhooks are answered after the end was asked for, until
	// API servers know that this replica is going.
	Drain time.Duration
	// Now is the time by which certificates are kept; nil is time.Now.
	Now func() time.Time
	// Release gives memory back that the start of the program needed, and its work
	// does not; nil keeps it.
	Release func() error
}

// Operator is the process: servers, certificates and a manager.
type Operator struct {
	Options
	config  *rest.Config
	client  client.Client // not cached
	events  *events
	servers *servers
	certs   *certs.Authority // nil when others make the certificate
}

// New prepares an Operator and listens at its addresses.
func New(o Options) (*Operator, error) {
	klog.SetSlogLogger(slog.New(quieter{o.Logger.Handler()}))
	ctrl.SetLogger(bridge(o.Logger))
	scheme, err := NewScheme()
	if err != nil {
		return nil, err
	}
	op := &Operator{Options: o, config: rest.CopyConfig(o.REST)}
	op.config.UserAgent = "signalbox-operator/" + o.Version
	op.config.QPS = -1                           // the API server has its own priorities
	op.config.WarningHandler = rest.NoWarnings{} // they are meant for who writes resources
	if op.client, err = client.New(op.config, client.Options{Scheme: scheme}); err != nil {
		return nil, fmt.Errorf("reaching the API server: %w", err)
	}
	op.events = &events{client: op.client, namespace: o.Settings.Namespace, logger: o.Logger}
	source, err := op.certificates()
	if err != nil {
		return nil, err
	}
	op.servers, err = listen(&op.Settings, source, op.client, o.Logger)
	return op, err
}

// certificates is where the serving certificate comes from.
func (o *Operator) certificates() (source, error) {
	if dir := o.Settings.Webhooks.CertDir; dir != "" {
		return newFiles(dir+"/"+corev1.TLSCertKey, dir+"/"+corev1.TLSPrivateKeyKey), nil
	}
	var err error
	o.certs, err = certs.New(certs.Config{
		REST: o.config, Client: o.client, Namespace: o.Settings.Namespace, Publish: o.Settings.Webhooks.Enabled,
		Logger: o.Logger, Event: o.events.record, Now: o.Now,
	})
	return o.certs, err
}

// WebhookAddress is where webhooks are served; empty when they are not.
func (o *Operator) WebhookAddress() string { return o.servers.webhooks.address() }

// MetricsAddress is where metrics are served; empty when they are not.
func (o *Operator) MetricsAddress() string { return o.servers.metrics.address() }

// HealthAddress is where probes are answered; empty when they are not.
func (o *Operator) HealthAddress() string { return o.servers.health.address() }

// WorkloadsAddress is where instrumented workloads are told; empty when they are
// not.
func (o *Operator) WorkloadsAddress() string { return o.servers.workloads.address() }

// Run works until ctx is done. Then it answers what it was asked, and returns.
// Nothing but a server that ends by itself ends it before.
func (o *Operator) Run(ctx context.Context) error {
	o.Logger.InfoContext(ctx, "operator starts", "version", o.Version, "namespace", o.Settings.Namespace,
		"webhooks", o.WebhookAddress(), "metrics", o.MetricsAddress(), "health", o.HealthAddress())
	for _, w := range o.Settings.Warnings {
		o.Logger.WarnContext(ctx, "a setting changes nothing", "reason", w)
	}
	// What works is ended after the servers have answered.
	working, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	failed := o.servers.start()
	done := make(chan struct{})
	go func() {
		defer close(done)
		o.work(working)
	}()
	go o.release(working)
	if o.certs != nil {
		go o.certs.Run(working)
	}

	var err error
	select {
	case <-ctx.Done():
		o.Logger.InfoContext(ctx, "operator ends", "after", o.Drain)
	case err = <-failed:
	}
	o.servers.stop(o.Drain)
	end()
	<-done
	return err
}

// work runs one manager after the other until ctx is done.
func (o *Operator) work(ctx context.Context) {
	delay := restartFirst
	for {
		began := time.Now()
		err := o.manage(ctx)
		if ctx.Err() != nil {
			return
		}
		if time.Since(began) > restartMost {
			delay = restartFirst
		}
		o.Logger.WarnContext(ctx, "controllers start again", "error", err, "after", delay)
		select {
		case <-ctx.Done():
			return
		case <-time.After(delay):
		}
		delay = min(2*delay, restartMost)
	}
}

// manage makes a manager with all parts and runs it.
func (o *Operator) manage(ctx context.Context) error {
	mgr, err := o.manager()
	if err != nil {
		return err
	}
	if err := o.add(ctx, mgr); err != nil {
		return err
	}
	return mgr.Start(ctx)
}

func (o *Operator) manager() (ctrl.Manager, error) {
	s := &o.Settings
	lease, renew, retry, shutdown := leaseTime, renewTime, retryTime, shutdownTime
	anew := true
	options := ctrl.Options{
		Logger: bridge(o.Logger),
		// The servers are ours: they outlive the manager.
		Metrics:                metricsserver.Options{BindAddress: "0"},
		HealthProbeBindAddress: "0",
		WebhookServer:          newHooks(o.servers.activate),

		LeaderElection:                s.LeaderElection,
		LeaderElectionID:              needs.LeaderLease,
		LeaderElectionNamespace:       s.Namespace,
		LeaderElectionReleaseOnCancel: true,
		LeaseDuration:                 &lease,
		RenewDeadline:                 &renew,
		RetryPeriod:                   &retry,
		GracefulShutdownTimeout:       &shutdown,
		// Names of controllers come again with the next manager.
		Controller: config.Controller{SkipNameValidation: &anew},
	}
	if len(s.WatchNamespaces) > 0 {
		options.Cache.DefaultNamespaces = map[string]cache.Config{}
		for _, n := range s.WatchNamespaces {
			options.Cache.DefaultNamespaces[n] = cache.Config{}
		}
	}
	return NewManager(o.config, options)
}

// release gives memory back when a time of work is over: the libraries that are
// linked in touch far more of it at the start than an idle operator uses, and so
// does each storm of changes. What an idle one does now and then, as renewing its
// lease, collecting garbage and calling its own webhooks, would in some minutes
// have read 40 MB of its file again.
func (o *Operator) release(ctx context.Context) {
	sample := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	var before, released uint64
	var last time.Time
	every := time.NewTicker(quietTime)
	defer every.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-every.C:
		}
		metrics.Read(sample)
		allocated := sample[0].Value.Uint64()
		quiet, worked := allocated-before < quietBytes, allocated-released > workBytes
		before = allocated
		if !quiet || !worked && time.Since(last) < releaseTime {
			continue
		}
		last = time.Now()
		if worked {
			released = allocated
			debug.FreeOSMemory()
		}
		if o.Release == nil {
			continue
		}
		if err := o.Release(); err != nil {
			o.Logger.DebugContext(ctx, "memory of the start is kept", "error", err)
		}
	}
}
