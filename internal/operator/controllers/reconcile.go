package controllers

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/resourceversion"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/signalbox-otel/signalbox/api/v1beta1"
	"github.com/signalbox-otel/signalbox/internal/operator/controllers/apply"
	"github.com/signalbox-otel/signalbox/internal/operator/upgrade"
	"github.com/signalbox-otel/signalbox/internal/render"
)

// kind is what differs between the kinds of resources.
type kind struct {
	gvk       schema.GroupVersionKind
	component string
	fresh     func() client.Object
	freshList func() client.ObjectList
	// managed reports whether the operator acts on a resource.
	managed func(client.Object) bool
	// plan gathers what render has to know, and renders.
	plan func(context.Context, client.Object, render.Facts) (render.Plan, error)
	// upgrade decides about the operator's version, and may make the plan that of
	// an older one; nil where there is nothing to decide.
	upgrade func(context.Context, client.Object, render.Facts, *outcome) error
	// prepare does what the plan's objects need; it says when to come again,
	// and may be nil.
	prepare func(context.Context, client.Object, render.Facts) (time.Time, error)
	// report writes what was found into the status of a resource, and says when
	// to look again though nothing has changed; 0 is never.
	report func(context.Context, client.Object, outcome) (time.Duration, error)
	// related are watches besides those of all kinds.
	related []related
}

// related is another kind of resources of which a change concerns this kind.
type related struct {
	object client.Object
	to     handler.MapFunc
	// when it was changed so that it matters; nothing is always.
	when []predicate.Predicate
}

// edited lets pass what people write: the status is ours, and writing it no
// reason to look again.
var edited = predicate.Or[client.Object](predicate.GenerationChangedPredicate{}, predicate.LabelChangedPredicate{}, predicate.AnnotationChangedPredicate{})

// outcome is what a run found and did.
type outcome struct {
	plan render.Plan
	err  error // of rendering
	// upgrade is what becomes of a collector with the operator's version.
	upgrade upgrade.Outcome
	result  apply.Result
	// again is when certificates are due, 0 for never.
	again time.Duration
}

// reconciler reconciles the resources of a kind.
type reconciler struct {
	*shared
	kind       *kind
	controller controller.Controller
	watches    watches
}

// add makes the controller of a kind.
func (s *shared) add(k *kind) error {
	r := &reconciler{shared: s, kind: k, watches: watches{started: map[client.Object]bool{}, kinds: optionals()}}
	c, err := controller.New(k.gvk.Kind, s.mgr, controller.Options{Reconciler: r, MaxConcurrentReconciles: s.Workers})
	if err != nil {
		return err
	}
	r.controller = c
	sources := []source.Source{
		source.Kind(s.mgr.GetCache(), k.fresh(), &handler.EnqueueRequestForObject{}, edited),
		source.Kind(s.mgr.GetCache(), client.Object(&corev1.Pod{}), handler.EnqueueRequestsFromMapFunc(r.ofPod)),
	}
	if s.Changed != nil {
		sources = append(sources, source.Channel(s.Changed(), handler.EnqueueRequestsFromMapFunc(r.all)))
	}
	if s.InjectedSource != nil && k.component == render.ComponentCollector {
		sources = append(sources, s.InjectedSource(r.ofInstance))
	}
	owned := handler.EnqueueRequestForOwner(s.mgr.GetScheme(), s.mgr.GetRESTMapper(), k.fresh(), handler.OnlyControllerOwner())
	for _, o := range made() {
		sources = append(sources, source.Kind(s.mgr.GetCache(), o, owned))
	}
	for _, other := range k.related {
		sources = append(sources, source.Kind(s.mgr.GetCache(), other.object, handler.EnqueueRequestsFromMapFunc(other.to), other.when...))
	}
	for _, src := range sources {
		if err := c.Watch(src); err != nil {
			return err
		}
	}
	return nil
}

// Reconcile makes the cluster hold what a resource stands for. That the operator
// ends in the middle of it is no error: the next one goes on.
func (r *reconciler) Reconcile(ctx context.Context, req reconcile.Request) (reconcile.Result, error) {
	result, err := r.reconcile(ctx, req)
	if ctx.Err() != nil {
		return reconcile.Result{}, nil
	}
	return result, err
}

func (r *reconciler) reconcile(ctx context.Context, req reconcile.Request) (reconcile.Result, error) {
	o := r.kind.fresh()
	switch err := r.mgr.GetCache().Get(ctx, req.NamespacedName, o); {
	case apierrors.IsNotFound(err):
		return reconcile.Result{}, r.sweep(ctx, req.NamespacedName)
	case err != nil:
		return reconcile.Result{}, err
	}
	if !r.seen.current(o) {
		// What differs from an old status would be written, or not, by mistake.
		return reconcile.Result{RequeueAfter: staleWait}, nil
	}
	owner := apply.Owner{Object: o, Kind: r.kind.gvk, Labels: render.Selector(r.kind.component, o)}
	if o.GetDeletionTimestamp() != nil {
		return reconcile.Result{}, r.finalize(ctx, owner)
	}
	if !r.kind.managed(o) {
		return reconcile.Result{}, nil
	}
	out, err := r.run(ctx, owner)
	if err != nil {
		return reconcile.Result{}, err
	}
	again, err := r.kind.report(ctx, o, out)
	if err != nil {
		return reconcile.Result{}, fmt.Errorf("writing the status: %w", err)
	}
	for _, p := range out.result.Problems {
		if p.Retry {
			return reconcile.Result{}, errors.New(p.Message)
		}
	}
	if out.again > 0 && (again == 0 || out.again < again) {
		again = out.again
	}
	return reconcile.Result{RequeueAfter: again}, nil
}

// run renders and applies.
func (r *reconciler) run(ctx context.Context, owner apply.Owner) (out outcome, err error) {
	facts := r.Facts(owner.GetNamespace())
	facts.Certificates = r.Certificates != nil
	kinds, err := r.see(ctx, &facts)
	if err != nil {
		return out, fmt.Errorf("watching what the cluster offers: %w", err)
	}
	for _, o := range made() {
		kinds = append(kinds, apply.Kind{Object: o, Indexed: true})
	}
	if out.plan, out.err = r.kind.plan(ctx, owner.Object, facts); out.err != nil {
		return out, nil
	}
	if r.kind.upgrade != nil {
		if out.err = r.kind.upgrade(ctx, owner.Object, facts, &out); out.err != nil {
			return out, nil
		}
	}
	if err := r.setFinalizer(ctx, &owner, apply.Ownerless(out.plan, owner.GetNamespace()), &out.result); err != nil {
		return out, err
	}
	if r.kind.prepare != nil {
		due, err := r.kind.prepare(ctx, owner.Object, facts)
		if err != nil {
			return out, err
		}
		if !due.IsZero() {
			out.again = max(time.Until(due), time.Second)
		}
	}
	r.applier.Apply(ctx, owner, out.plan, kinds, &out.result)
	return out, nil
}

// setFinalizer adds the finalizer before anything is made that needs it, and
// takes it off when nothing of that kind is wanted any more and all of it is
// gone.
func (r *reconciler) setFinalizer(ctx context.Context, owner *apply.Owner, needed bool, result *apply.Result) error {
	has := controllerutil.ContainsFinalizer(owner.Object, v1beta1.Finalizer)
	switch {
	case needed && !has:
		return r.patchFinalizer(ctx, owner.Object, controllerutil.AddFinalizer)
	case !needed && has:
		*result = r.applier.Finalize(ctx, *owner)
		if len(result.Problems) > 0 {
			return nil
		}
		return r.patchFinalizer(ctx, owner.Object, controllerutil.RemoveFinalizer)
	}
	return nil
}

func (r *reconciler) patchFinalizer(ctx context.Context, o client.Object, change func(client.Object, string) bool) error {
	before := o.DeepCopyObject().(client.Object)
	change(o, v1beta1.Finalizer)
	// Others may add finalizers of theirs at the same time.
	err := r.mgr.GetClient().Patch(ctx, o, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}))
	if err != nil {
		return fmt.Errorf("patching finalizers: %w", err)
	}
	r.seen.wrote(o)
	_, err = strip(o) // as from the cache
	return err
}

// finalize removes what does not go with the resource, then lets it go.
func (r *reconciler) finalize(ctx context.Context, owner apply.Owner) error {
	if !controllerutil.ContainsFinalizer(owner.Object, v1beta1.Finalizer) {
		return nil
	}
	result := r.applier.Finalize(ctx, owner)
	for _, p := range result.Problems {
		r.events.problem(owner.Object, p)
		// Who took the right from the operator has to remove it; the resource
		// and its namespace shall not hang on that.
		if p.Reason != apply.ReasonForbidden {
			return errors.New(p.Message)
		}
	}
	err := r.patchFinalizer(ctx, owner.Object, controllerutil.RemoveFinalizer)
	if apierrors.IsNotFound(err) || apierrors.IsConflict(err) {
		return nil // it is gone, or its newer version comes
	}
	return err
}

// sweep removes what a resource left that is gone: an operator that lost its
// lease may have been writing still, or somebody took the finalizer off.
func (r *reconciler) sweep(ctx context.Context, key types.NamespacedName) error {
	facts := r.Facts(key.Namespace)
	if !facts.RBAC {
		return nil
	}
	o := r.kind.fresh()
	o.SetNamespace(key.Namespace)
	o.SetName(key.Name)
	owner := apply.Owner{Object: o, Kind: r.kind.gvk, Labels: render.Selector(r.kind.component, o)}
	left, err := r.applier.Left(ctx, owner)
	if err != nil || !left {
		return err
	}
	// The cache may be older than the resource.
	if err := r.mgr.GetAPIReader().Get(ctx, key, r.kind.fresh()); !apierrors.IsNotFound(err) {
		return err
	}
	for _, p := range r.applier.Finalize(ctx, owner).Problems {
		return errors.New(p.Message)
	}
	return nil
}

// staleWait is about how long it takes until the cache has what was written.
const staleWait = 20 * time.Millisecond

// versions are of resources that were written by this process, until the cache
// has them.
type versions struct {
	mu     sync.Mutex
	wanted map[types.UID]string
}

func (v *versions) wrote(o client.Object) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.wanted == nil {
		v.wanted = map[types.UID]string{}
	}
	v.wanted[o.GetUID()] = o.GetResourceVersion()
}

// current reports whether a resource from the cache is as new as what was
// written.
func (v *versions) current(o client.Object) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	version, ok := v.wanted[o.GetUID()]
	if ok {
		if n, err := resourceversion.CompareResourceVersion(o.GetResourceVersion(), version); err == nil && n < 0 {
			return false
		}
		delete(v.wanted, o.GetUID())
	}
	return true
}

// list are resources of the kind.
func (r *reconciler) list(ctx context.Context, options ...client.ListOption) ([]client.Object, error) {
	list := r.kind.freshList()
	if err := r.mgr.GetCache().List(ctx, list, options...); err != nil {
		return nil, err
	}
	var all []client.Object
	err := meta.EachListItem(list, func(item runtime.Object) error {
		all = append(all, item.(client.Object))
		return nil
	})
	return all, err
}

func (r *reconciler) log() *slog.Logger {
	return slog.Default().With("kind", r.kind.gvk.Kind)
}
