package controllers

import (
	"context"
	"slices"
	"strings"
	"sync"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/signalbox-otel/signalbox/api/v1beta1"
	"github.com/signalbox-otel/signalbox/internal/operator/controllers/apply"
	"github.com/signalbox-otel/signalbox/internal/render"
)

// all asks for every resource of a kind.
func (r *reconciler) all(ctx context.Context, _ client.Object) []reconcile.Request {
	return r.requests(ctx)
}

// ofPod asks for the resource that a pod is of.
func (r *reconciler) ofPod(ctx context.Context, o client.Object) []reconcile.Request {
	labels := o.GetLabels()
	switch component := labels[v1beta1.LabelComponent]; {
	case component == r.kind.component:
	case r.kind.component == render.ComponentCollector && component == render.ComponentAllocator: // which may be a part of it
	default:
		return nil
	}
	return r.requests(ctx, client.InNamespace(o.GetNamespace()), client.MatchingFields{instanceIndex: labels[v1beta1.LabelInstance]})
}

// ofInstance asks for the resources of a label value.
func (r *reconciler) ofInstance(ctx context.Context, instance string) []reconcile.Request {
	return r.requests(ctx, client.MatchingFields{instanceIndex: instance})
}

// ofOwnerless asks for the resource that an object without owner belongs to.
func (r *reconciler) ofOwnerless(_ context.Context, o client.Object) []reconcile.Request {
	namespace, name, ok := strings.Cut(o.GetAnnotations()[apply.OwnerAnnotation], "/")
	if !ok || o.GetLabels()[v1beta1.LabelComponent] != r.kind.component ||
		len(r.Namespaces) > 0 && !slices.Contains(r.Namespaces, namespace) {
		return nil
	}
	return []reconcile.Request{{NamespacedName: types.NamespacedName{Namespace: namespace, Name: name}}}
}

// requests are for those resources of the kind that the options select.
func (r *reconciler) requests(ctx context.Context, options ...client.ListOption) []reconcile.Request {
	resources, err := r.list(ctx, options...)
	if err != nil {
		r.log().Error("listing resources", "error", err)
		return nil
	}
	var all []reconcile.Request
	for _, o := range resources {
		all = append(all, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(o)})
	}
	return all
}

// watches are the optional kinds that a controller watches.
type watches struct {
	mu      sync.Mutex
	started map[client.Object]bool
	kinds   []optional
}

// see watches the optional kinds that the facts allow, and forgets others; it
// returns those that are watched.
func (r *reconciler) see(ctx context.Context, facts *render.Facts) ([]apply.Kind, error) {
	w := &r.watches
	w.mu.Lock()
	defer w.mu.Unlock()
	var seen []apply.Kind
	for _, k := range w.kinds {
		allowed := k.allowed(facts)
		switch {
		case allowed && !w.started[k.object]:
			if err := r.watch(k.object); err != nil {
				return nil, err
			}
			w.started[k.object] = true
		case !allowed && w.started[k.object]:
			// Its definition is gone; its cache would ask for it for ever.
			if err := r.mgr.GetCache().RemoveInformer(ctx, k.object); err != nil {
				return nil, err
			}
			delete(w.started, k.object)
		}
		if allowed {
			seen = append(seen, apply.Kind{Object: k.object})
		}
	}
	return seen, nil
}

// watch lets changes of objects of a kind come back to their resource.
func (r *reconciler) watch(o client.Object) error {
	owned := handler.EnqueueRequestForOwner(r.mgr.GetScheme(), r.mgr.GetRESTMapper(), r.kind.fresh(), handler.OnlyControllerOwner())
	if err := r.controller.Watch(source.Kind(r.mgr.GetCache(), o, owned)); err != nil {
		return err
	}
	return r.controller.Watch(source.Kind(r.mgr.GetCache(), o, handler.EnqueueRequestsFromMapFunc(r.ofOwnerless)))
}
