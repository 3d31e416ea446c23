package pods

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	crhandler "sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/signalbox-otel/signalbox/api/v1beta1"
	"github.com/signalbox-otel/signalbox/internal/operator/needs"
	"github.com/signalbox-otel/signalbox/internal/render"
)

// rolloutRetry is when a workload that is on its way is looked at again. Pods
// that come and go are heard of, whether they are ready is not.
const rolloutRetry = 3 * time.Second

// rollouts restart the workloads whose pods have an old sidecar, for collectors
// that ask for it: one workload after the other, each as its own strategy says,
// and the next only when the one before is well.
type rollouts struct {
	sidecars *Sidecars
	live     client.Reader
	writer   client.Writer
	owners   *owners
	events   events.EventRecorder
	// retry is rolloutRetry, and blocked when it is looked again whether pods that
	// lost their sidecar have one.
	retry, blocked time.Duration
	// last is the workload that was restarted last, of each collector. There is
	// one worker, so that no lock is needed. A new leader starts with none: then
	// two may be on their way at once.
	last map[types.NamespacedName]target
}

// target is a workload to restart.
type target struct {
	kind            string
	namespace, name string
}

func (t target) String() string { return t.kind + " " + t.namespace + "/" + t.name }

// AddRollout makes the manager restart workloads for collectors that have
// v1beta1.AnnotationSidecarRollout.
func AddRollout(mgr ctrl.Manager, s *Sidecars) error {
	r := &rollouts{
		sidecars: s, live: mgr.GetAPIReader(), writer: mgr.GetClient(), owners: newOwners(mgr.GetAPIReader(), time.Now),
		events: mgr.GetEventRecorder(needs.EventSource), retry: rolloutRetry, blocked: time.Minute, last: map[types.NamespacedName]target{},
	}
	c, err := controller.New("sidecar-rollout", mgr, controller.Options{Reconciler: r, MaxConcurrentReconciles: 1})
	if err != nil {
		return fmt.Errorf("adding the rollout of sidecars: %w", err)
	}
	edited := predicate.Or[*v1beta1.OpenTelemetryCollector](
		predicate.TypedGenerationChangedPredicate[*v1beta1.OpenTelemetryCollector]{}, predicate.TypedAnnotationChangedPredicate[*v1beta1.OpenTelemetryCollector]{})
	for _, src := range []source.Source{
		source.Kind(mgr.GetCache(), new(v1beta1.OpenTelemetryCollector), &crhandler.TypedEnqueueRequestForObject[*v1beta1.OpenTelemetryCollector]{}, edited),
		s.Source(r.wanting),
	} {
		if err := c.Watch(src); err != nil {
			return fmt.Errorf("adding the rollout of sidecars: %w", err)
		}
	}
	return nil
}

// asks reports whether a collector wants its sidecars rolled out.
func asks(cr *v1beta1.OpenTelemetryCollector) bool {
	return cr.Spec.Mode == v1beta1.ModeSidecar && cr.Spec.ManagementState != v1beta1.Unmanaged && cr.DeletionTimestamp == nil &&
		strings.EqualFold(cr.Annotations[v1beta1.AnnotationSidecarRollout], "true")
}

// wanting are the collectors that the label of a pod may mean, of those that ask
// for rollouts.
func (r *rollouts) wanting(ctx context.Context, instance string) []reconcile.Request {
	var list v1beta1.OpenTelemetryCollectorList
	if err := r.sidecars.mgr.GetCache().List(ctx, &list, client.UnsafeDisableDeepCopy); err != nil {
		return nil // the cache has ended, and the controller with it
	}
	var all []reconcile.Request
	for i := range list.Items {
		if cr := &list.Items[i]; asks(cr) && render.Instance(cr) == instance {
			all = append(all, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(cr)})
		}
	}
	return all
}

// Reconcile restarts the next workload of a collector, when it is time.
func (r *rollouts) Reconcile(ctx context.Context, req reconcile.Request) (reconcile.Result, error) {
	cr := new(v1beta1.OpenTelemetryCollector)
	if err := r.sidecars.mgr.GetCache().Get(ctx, req.NamespacedName, cr); err != nil || !asks(cr) {
		delete(r.last, req.NamespacedName)
		return reconcile.Result{}, client.IgnoreNotFound(err)
	}
	plan, err := r.sidecars.rendered.sidecar(cr)
	if err != nil {
		return reconcile.Result{}, nil // the status says so
	}
	again := reconcile.Result{RequeueAfter: r.retry}
	pods, err := r.sidecars.of(ctx, cr)
	if err != nil {
		return reconcile.Result{}, err
	}
	have := r.workloads(ctx, pods)
	if last, ok := r.last[req.NamespacedName]; ok {
		if again, err := r.after(ctx, cr, last, have, plan.Sum); err != nil || again > 0 {
			return reconcile.Result{RequeueAfter: again}, err
		}
		delete(r.last, req.NamespacedName)
	}
	targets := stale(have, plan.Sum)
	result := reconcile.Result{}
	for _, t := range targets {
		w, err := r.workload(ctx, t)
		if err != nil {
			return reconcile.Result{}, err
		}
		if w == nil {
			continue
		}
		switch w.turn(plan.Sum) {
		case leave:
		case later:
			result = again
		case wait:
			return again, nil
		case restart:
			if err := r.restart(ctx, cr, w, plan.Sum); err != nil {
				return reconcile.Result{}, err
			}
			r.last[req.NamespacedName] = t
			return again, nil
		}
	}
	return result, nil
}

// after says when to look again at the workload that was restarted last, before
// any other may be; 0 is that it is well.
func (r *rollouts) after(ctx context.Context, cr *v1beta1.OpenTelemetryCollector, last target, have map[target]map[string]bool, sum string) (time.Duration, error) {
	w, err := r.workload(ctx, last)
	switch {
	case err != nil:
		return 0, err
	case w == nil || w.stamp() != sum:
		// One that waits for another sidecar than the present is not waited for: the
		// present one may be what mends it.
		return 0, nil
	case !w.settled():
		return r.retry, nil
	case have[last][sum] || !w.runs():
		return 0, nil
	}
	// Unless the cache is behind, its pods started without a sidecar, because it
	// could not be injected. The others keep the one that they have.
	pods, err := r.sidecars.now(ctx, cr, r.live, last.namespace)
	if err != nil || r.workloads(ctx, pods)[last][sum] {
		return 0, err
	}
	r.events.Eventf(cr, w.Object, corev1.EventTypeWarning, "SidecarRolloutStopped", "Restart",
		"pods of %s were replaced and have no sidecar now, so no more workloads are restarted: its events say why, or that the webhook of pods was not reached", last)
	return r.blocked, nil
}

// workloads are those that the pods with a sidecar belong to, with the hashes of
// what these were given. Pods of others, as jobs, end by themselves.
func (r *rollouts) workloads(ctx context.Context, pods []metav1.PartialObjectMetadata) map[target]map[string]bool {
	have := map[target]map[string]bool{}
	for i := range pods {
		p := &pods[i]
		if p.DeletionTimestamp != nil {
			continue
		}
		for _, o := range r.owners.of(ctx, p.Namespace, &corev1.Pod{ObjectMeta: p.ObjectMeta}) {
			group, _, _ := strings.Cut(o.APIVersion, "/")
			if group != appsv1.GroupName || o.Kind != "Deployment" && o.Kind != "StatefulSet" && o.Kind != "DaemonSet" {
				continue
			}
			t := target{o.Kind, p.Namespace, o.Name}
			if have[t] == nil {
				have[t] = map[string]bool{}
			}
			have[t][p.Annotations[v1beta1.AnnotationSidecarHash]] = true
		}
	}
	return have
}

// stale are those of the workloads that have pods with another sidecar than that
// of the hash, in order of their names.
func stale(have map[target]map[string]bool, sum string) []target {
	var all []target
	for t, hashes := range have {
		if len(hashes) > 1 || !hashes[sum] {
			all = append(all, t)
		}
	}
	slices.SortFunc(all, func(a, b target) int { return strings.Compare(a.String(), b.String()) })
	return all
}

// workload reads a workload; it is nil when it is gone.
func (r *rollouts) workload(ctx context.Context, t target) (*workload, error) {
	w := &workload{}
	switch t.kind {
	case "Deployment":
		w.Object = new(appsv1.Deployment)
	case "StatefulSet":
		w.Object = new(appsv1.StatefulSet)
	default:
		w.Object = new(appsv1.DaemonSet)
	}
	if err := r.live.Get(ctx, client.ObjectKey{Namespace: t.namespace, Name: t.name}, w.Object); err != nil {
		if client.IgnoreNotFound(err) == nil {
			return nil, nil
		}
		return nil, fmt.Errorf("reading %s: %w", t, err)
	}
	return w, nil
}

// restart gives the pods of a workload an annotation that they did not have,
// with which its controller replaces them.
func (r *rollouts) restart(ctx context.Context, cr *v1beta1.OpenTelemetryCollector, w *workload, sum string) error {
	patch, err := json.Marshal(map[string]any{"spec": map[string]any{"template": map[string]any{"metadata": map[string]any{
		"annotations": map[string]string{v1beta1.AnnotationSidecarHash: sum},
	}}}})
	if err != nil {
		return fmt.Errorf("writing a patch: %w", err)
	}
	if err := r.writer.Patch(ctx, w.Object, client.RawPatch(types.MergePatchType, patch), client.FieldOwner(needs.FieldOwner)); err != nil {
		return fmt.Errorf("restarting %s/%s: %w", w.GetNamespace(), w.GetName(), err)
	}
	r.events.Eventf(w.Object, cr, corev1.EventTypeNormal, "SidecarRollout", "Restart",
		"pods are replaced: OpenTelemetryCollector %s/%s changed, and their sidecar is the old one", cr.Namespace, cr.Name)
	return nil
}
