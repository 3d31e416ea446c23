package operator

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/config"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/signalbox-otel/signalbox/api/v1alpha1"
	"github.com/signalbox-otel/signalbox/api/v1beta1"
	"github.com/signalbox-otel/signalbox/internal/inject"
	"github.com/signalbox-otel/signalbox/internal/migrate"
	"github.com/signalbox-otel/signalbox/internal/operator/admission"
	"github.com/signalbox-otel/signalbox/internal/operator/certs"
	"github.com/signalbox-otel/signalbox/internal/operator/cluster"
	"github.com/signalbox-otel/signalbox/internal/operator/controllers"
	"github.com/signalbox-otel/signalbox/internal/operator/defaults"
	"github.com/signalbox-otel/signalbox/internal/operator/evidence"
	"github.com/signalbox-otel/signalbox/internal/operator/inventory"
	"github.com/signalbox-otel/signalbox/internal/operator/needs"
	"github.com/signalbox-otel/signalbox/internal/operator/pods"
	"github.com/signalbox-otel/signalbox/internal/operator/reach"
	"github.com/signalbox-otel/signalbox/internal/operator/settings"
	"github.com/signalbox-otel/signalbox/internal/operator/upgrade"
)

const (
	// A replica that vanishes is followed by another after leaseTime at most; one
	// that ends gives its lease back.
	leaseTime, renewTime, retryTime = 15 * time.Second, 10 * time.Second, 2 * time.Second
	// shutdownTime is how long answers that have begun may take when the process
	// ends. A pod has 10 s to end, of which draining takes some.
	shutdownTime = 6 * time.Second
	// restartDelay is the time from the end of a manager to the next.
	restartDelay = time.Second
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
	// Started is called once when everything runs that runs on every replica.
	Started func()
}

// Operator is the process: servers, certificates and a manager.
type Operator struct {
	Options
	rest    *rest.Config
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
	op := &Operator{Options: o, rest: rest.CopyConfig(o.REST)}
	op.rest.UserAgent = "signalbox-operator/" + o.Version
	op.rest.QPS = -1                           // the API server has its own priorities
	op.rest.WarningHandler = rest.NoWarnings{} // they are meant for who writes resources
	if op.client, err = client.New(op.rest, client.Options{Scheme: scheme}); err != nil {
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
		REST: o.rest, Client: o.client, Namespace: o.Settings.Namespace, Logger: o.Logger, Event: o.events.record,
	})
	return o.certs, err
}

// WebhookAddress is where webhooks are served; empty when they are not.
func (o *Operator) WebhookAddress() string { return o.servers.webhooks.address() }

// MetricsAddress is where metrics are served; empty when they are not.
func (o *Operator) MetricsAddress() string { return o.servers.metrics.address() }

// HealthAddress is where probes are answered; empty when they are not.
func (o *Operator) HealthAddress() string { return o.servers.health.address() }

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
	for {
		err := o.manage(ctx)
		if ctx.Err() != nil {
			return
		}
		o.Logger.WarnContext(ctx, "controllers start again", "error", err, "after", restartDelay)
		select {
		case <-ctx.Done():
			return
		case <-time.After(restartDelay):
		}
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
	return NewManager(o.rest, options)
}

// add registers the parts. What they count is asked of them as long as this
// manager runs.
func (o *Operator) add(ctx context.Context, mgr ctrl.Manager) error {
	s := &o.Settings
	offers, err := cluster.Add(ctx, mgr, cluster.Config{
		Base: s.Facts(), RBAC: s.GrantRights, Namespaces: s.WatchNamespaces, Log: o.Logger,
	})
	if err != nil {
		return err
	}
	witness, err := evidence.New(mgr.GetConfig(), mgr.GetHTTPClient())
	if err != nil {
		return err
	}
	sidecars, err := pods.NewSidecars(mgr, offers.Facts)
	if err != nil {
		return err
	}
	work := controllers.Config{
		Facts: offers.Facts, Changed: offers.Changed, Version: o.CollectorVersion, Check: o.Check, Look: witness.Look(),
		Injected: sidecars.Count, InjectedSource: sidecars.Source,
	}
	if o.certs != nil {
		work.Certificates = o.certs.Allocator
	}
	counts := prometheus.NewRegistry()
	o.servers.count(counts)
	errs := []error{
		controllers.Add(mgr, work),
		pods.AddRollout(mgr, sidecars),
		upgrade.Add(mgr, s.EnabledAgents()),
		defaults.Add(mgr, defaults.Config{Client: o.client, Namespace: s.Namespace, Logger: o.Logger}),
	}
	if s.ResourceMetrics {
		errs = append(errs, inventory.Add(mgr, counts))
	}
	if s.Webhooks.Enabled {
		errs = append(errs,
			admission.Add(mgr, admission.Config{
				Check: o.Check, Facts: offers.Facts, Images: s.Images.Agents, Denied: s.FIPSDisabled,
				Gates: v1beta1.Gates{NetworkPolicies: s.Gates.OperandNetworkPolicy},
				User:  "system:serviceaccount:" + s.Namespace + ":" + s.ServiceAccount,
			}),
			pods.Add(mgr, pods.Config{
				Facts: offers.Facts, NativeSidecars: offers.NativeSidecars, Registry: counts, Log: o.Logger,
				Images: s.Images.Agents, LanguagesOff: languagesOff(s.Languages), OneLanguage: !s.Languages.Multi, Instrumentation: only(s),
			}))
	}
	if s.Webhooks.Enabled && s.SelfTest > 0 {
		errs = append(errs, reach.Add(mgr, reach.Config{
			Client: o.client, Namespace: s.Namespace, Port: s.Webhooks.Port, Interval: s.SelfTest,
			Registry: counts, Logger: o.Logger, Event: o.events.record,
		}))
	}
	if o.Started != nil {
		errs = append(errs, mgr.Add(everywhere(func(context.Context) error {
			o.Started()
			return nil
		})))
	}
	return errors.Join(errs...)
}

// languagesOff are those that the settings do not allow.
func languagesOff(l settings.Languages) []inject.Kind {
	var off []inject.Kind
	for _, x := range []struct {
		kind inject.Kind
		on   bool
	}{
		{inject.Java, l.Java}, {inject.NodeJS, l.NodeJS}, {inject.Python, l.Python}, {inject.DotNet, l.DotNet},
		{inject.Go, l.Go}, {inject.ApacheHttpd, l.ApacheHTTPD}, {inject.Nginx, l.Nginx},
	} {
		if !x.on {
			off = append(off, x.kind)
		}
	}
	return off
}

// only is the Instrumentation for all pods where those of the cluster are not
// looked for.
func only(s *settings.Settings) *v1alpha1.Instrumentation {
	if s.Instrumentations {
		return nil
	}
	return s.Instrumentation
}

// everywhere is something that runs on every replica.
type everywhere func(context.Context) error

// Start is called by the manager.
func (f everywhere) Start(ctx context.Context) error { return f(ctx) }

// NeedLeaderElection is false: it does not wait for the lease.
func (everywhere) NeedLeaderElection() bool { return false }
