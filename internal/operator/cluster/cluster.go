// Package cluster knows what the cluster offers: which APIs of others it has,
// what the operator may do in it, and how old it is.
//
// It watches for the CustomResourceDefinitions that matter, so that a feature is
// there as soon as its API is, without a restart. Controllers and webhooks ask
// for Facts, and reconcile all when Changed says so.
//
// Invariants: it keeps no objects of the cluster, only a handful of booleans. An
// answer that fails leaves what was known: an API server in trouble must not
// make objects go. Facts are complete from the moment that Add returns.
package cluster

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"k8s.io/client-go/discovery"
	authorization "k8s.io/client-go/kubernetes/typed/authorization/v1"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"github.com/signalbox-otel/signalbox/internal/operator/needs"
	"github.com/signalbox-otel/signalbox/internal/render"
)

// Config is what the watcher is told.
type Config struct {
	// Base has the facts that do not come from the cluster: images, proxy, filters.
	Base render.Facts
	// RBAC says whether the operator grants rights to collectors; nil finds out
	// whether it may.
	RBAC *bool
	// Namespaces that the operator works in; none is all.
	Namespaces []string
	// Namespace is the operator's own.
	Namespace string
	// Nodes matter for whether they mount images, so that it is an error not to be
	// allowed to look at them.
	Nodes bool
	// Interval is how often it looks even when no CustomResourceDefinition
	// changed: for aggregated APIs, rights and the version; 0 is 5 minutes.
	Interval time.Duration
	// Log is told of changes; nil is the default logger.
	Log *slog.Logger
}

// Offers are what the cluster offers.
type Offers struct {
	ServiceMonitors, PodMonitors, HTTPRoutes, Routes bool
	// CertManager is there, and the operator may use it.
	CertManager bool
	// RBAC: the operator may make ClusterRoles and bind them.
	RBAC bool
	// Version of Kubernetes, as v1.35.2, and NativeSidecars: init containers may
	// stay and run beside the others.
	Version        string
	NativeSidecars bool
	// EnvFiles: containers may have variables from files, because the API server
	// takes pods that have, and all nodes of Linux that are known read them.
	EnvFiles              bool
	takesFiles, readFiles bool
	// ImageVolumes: pods may mount images, as the API server has it. NodesMountImages:
	// every node of Linux can; false where nodes are not looked at.
	ImageVolumes, NodesMountImages bool
}

// Watcher looks at the cluster.
type Watcher struct {
	config     Config
	log        *slog.Logger
	discovery  rest.Interface
	reviews    authorization.SelfSubjectAccessReviewInterface
	metadata   metadata.Interface
	namespaces client.Reader
	// poked holds one element when a definition changed since the last look.
	poked chan struct{}

	mu     sync.RWMutex
	offers Offers
	// defined are the definitions that exist.
	defined   map[string]bool
	listeners []chan event.GenericEvent
}

// Add looks at the cluster, and lets the manager keep looking. ctx bounds the
// first look.
func Add(ctx context.Context, mgr ctrl.Manager, c Config) (*Watcher, error) {
	if c.Interval <= 0 {
		c.Interval = 5 * time.Minute
	}
	w := &Watcher{
		config: c, log: cmp.Or(c.Log, slog.Default()), namespaces: mgr.GetCache(),
		poked: make(chan struct{}, 1), defined: map[string]bool{},
	}
	disco, err := discovery.NewDiscoveryClientForConfigAndClient(mgr.GetConfig(), mgr.GetHTTPClient())
	if err != nil {
		return nil, fmt.Errorf("making a client for discovery: %w", err)
	}
	w.discovery = disco.RESTClient()
	authz, err := authorization.NewForConfigAndClient(mgr.GetConfig(), mgr.GetHTTPClient())
	if err != nil {
		return nil, fmt.Errorf("making a client for access reviews: %w", err)
	}
	w.reviews = authz.SelfSubjectAccessReviews()
	if w.metadata, err = metadata.NewForConfigAndClient(metadata.ConfigFor(mgr.GetConfig()), mgr.GetHTTPClient()); err != nil {
		return nil, fmt.Errorf("making a client for metadata: %w", err)
	}
	if err := w.begin(ctx); err != nil {
		return nil, err
	}
	return w, mgr.Add(w)
}

// begin is the first look. Without the version the API server is out of reach;
// anything else can follow.
func (w *Watcher) begin(ctx context.Context) error {
	offers, err := w.look(ctx, Offers{})
	if offers.Version == "" {
		return fmt.Errorf("looking at the cluster: %w", err)
	}
	if err != nil {
		w.log.Warn("the cluster does not answer every question", "error", err)
		w.poke()
	}
	w.offers = offers
	return nil
}

// Offers returns what the cluster offers now.
func (w *Watcher) Offers() Offers {
	w.mu.RLock()
	defer w.mu.RUnlock()
	return w.offers
}

// NativeSidecars reports whether the cluster has native sidecars.
func (w *Watcher) NativeSidecars() bool { return w.Offers().NativeSidecars }

// EnvFiles reports whether containers may have variables from files.
func (w *Watcher) EnvFiles() bool { return w.Offers().EnvFiles }

// Facts returns what render has to know for a resource in a namespace.
func (w *Watcher) Facts(namespace string) render.Facts {
	facts, o := w.config.Base, w.Offers()
	facts.RBAC, facts.CertManager = o.RBAC, o.CertManager
	facts.ServiceMonitors, facts.PodMonitors = o.ServiceMonitors, o.PodMonitors
	facts.Routes, facts.HTTPRoutes = o.Routes, o.HTTPRoutes
	if o.Routes { // OpenShift
		facts.FSGroup = w.fsGroup(namespace)
	}
	return facts
}

// Changed returns a channel of its own for each caller, that gets an event after
// Facts have changed. Events that nobody has taken yet are one.
func (w *Watcher) Changed() <-chan event.GenericEvent {
	c := make(chan event.GenericEvent, 1)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.listeners = append(w.listeners, c)
	return c
}

// NeedLeaderElection is false: every replica answers webhooks.
func (w *Watcher) NeedLeaderElection() bool { return false }

// poke asks for a look.
func (w *Watcher) poke() {
	select {
	case w.poked <- struct{}{}:
	default:
	}
}

// How long after a change it looks again while definitions and what is served
// differ, because the API server takes a moment; the delay doubles.
const (
	firstRetry = 200 * time.Millisecond
	lastRetry  = 30 * time.Second
)

// Start looks until the context ends.
func (w *Watcher) Start(ctx context.Context) error {
	var watches sync.WaitGroup
	defer watches.Wait()
	for _, name := range needs.Definitions() {
		watches.Go(func() { w.watch(ctx, name) })
	}
	timer := time.NewTimer(w.config.Interval)
	defer timer.Stop()
	retry := firstRetry
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-w.poked:
			retry = firstRetry
		case <-timer.C:
		}
		settled := w.update(ctx)
		wait := w.config.Interval
		if !settled && retry <= lastRetry {
			wait, retry = retry, 2*retry
		}
		timer.Reset(wait)
	}
}

// update looks, tells who listens, and reports whether all that is defined is
// served and nothing else.
func (w *Watcher) update(ctx context.Context) (settled bool) {
	before := w.Offers()
	now, err := w.look(ctx, before)
	if ctx.Err() != nil {
		return true
	}
	if err != nil {
		w.log.Warn("the cluster does not answer every question", "error", err)
	}
	w.mu.Lock()
	w.offers = now
	settled = err == nil && now.matches(w.defined)
	listeners := w.listeners
	w.mu.Unlock()
	if now == before {
		return settled
	}
	w.log.Info("the cluster offers something else now", "offers", now.String(), "offered", before.String())
	for _, l := range listeners {
		select {
		case l <- event.GenericEvent{}:
		default:
		}
	}
	return settled
}
