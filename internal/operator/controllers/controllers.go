// Package controllers reconciles the resources that stand for workloads:
// OpenTelemetryCollector, TargetAllocator and OpAMPBridge.
//
// A watch names a resource; its controller gathers what render has to know, lets
// package apply do what the plan says, and writes the status. No step looks at
// what happened, only at what there is.
//
// Invariants: a resource that is not managed is left alone with all its objects.
// When nothing changed, nothing is written: no object, no status, no event.
// Clients read and write the stored version of collectors only, so that none of
// this needs a conversion.
package controllers

import (
	"context"
	"fmt"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/signalbox-otel/signalbox/api/v1alpha1"
	"github.com/signalbox-otel/signalbox/api/v1beta1"
	"github.com/signalbox-otel/signalbox/internal/migrate"
	"github.com/signalbox-otel/signalbox/internal/operator/controllers/apply"
	"github.com/signalbox-otel/signalbox/internal/operator/needs"
	"github.com/signalbox-otel/signalbox/internal/operator/readiness"
	"github.com/signalbox-otel/signalbox/internal/render"
)

// Config is what the controllers need of others.
type Config struct {
	// Facts are what is known of the cluster, for resources in a namespace.
	Facts func(namespace string) render.Facts
	// Changed returns a channel of its own for each caller, that gets an event
	// when the facts are others than before; nil when they never are.
	Changed func() <-chan event.GenericEvent
	// Namespaces are those that the caches have; none is all.
	Namespaces []string
	// Version of the collector, as 0.158.0.
	Version string
	// Certificates sees to the certificates of a target allocator and its
	// collectors, in the Secrets that render names, and says when to do so again.
	// It is called for allocators that want mutual TLS and that neither the user
	// nor cert-manager gives certificates. Nil where the operator has no CA.
	Certificates func(context.Context, *v1alpha1.TargetAllocator) (time.Time, error)
	// Check is what is wrong with a configuration for a collector of the
	// operator's version: one that a collector of another version runs stays with
	// that where there are errors. Nil knows of nothing.
	Check func(ctx context.Context, conf map[string]any) []migrate.Finding
	// Injected counts the pods with the sidecar of a collector, and InjectedSource
	// asks for the collectors whose pods came, went or changed: find says which
	// ones the value of v1beta1.LabelInjected may mean. Nil where none is injected.
	Injected       func(context.Context, *v1beta1.OpenTelemetryCollector) (readiness.Injected, error)
	InjectedSource func(find func(ctx context.Context, instance string) []reconcile.Request) source.Source
	// Look asks the cluster about pods that fail.
	Look readiness.Look
	// Workers reconcile at the same time, per kind; 0 is a good number of them.
	Workers int
}

// defaultWorkers hides the time that the API server takes; they hardly use a
// processor.
const defaultWorkers = 8

// shared is what the controllers have in common.
type shared struct {
	Config
	mgr     ctrl.Manager
	applier *apply.Applier
	events  recorder
	seen    versions

	mu sync.Mutex
	// told are problems of resources without conditions that there was an event
	// of.
	told map[types.UID]string
}

// Add registers the controllers with the manager, whose cache has to be made
// with CacheOptions.
func Add(mgr ctrl.Manager, c Config) error {
	if c.Workers == 0 {
		c.Workers = defaultWorkers
	}
	s := &shared{Config: c, mgr: mgr,
		applier: &apply.Applier{Cache: mgr.GetCache(), Live: mgr.GetAPIReader(), Writer: mgr.GetClient(), Scheme: mgr.GetScheme()},
		events:  recorder{mgr.GetEventRecorder(needs.EventSource)}, told: map[types.UID]string{},
	}
	if err := addIndexes(mgr); err != nil {
		return err
	}
	for _, k := range []*kind{s.collectors(), s.allocators(), s.bridges()} {
		if err := s.add(k); err != nil {
			return fmt.Errorf("adding the controller of %s: %w", k.gvk.Kind, err)
		}
	}
	return nil
}
