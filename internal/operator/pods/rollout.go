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
	retry    time.Duration
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
		events: mgr.GetEventRecorder(needs.EventSource), retry: rolloutRetry, last: map[types.NamespacedName]target{},
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
	if last, ok := r.last[req.NamespacedName]; ok {
		w, err := r.workload(ctx, last)
		if err != nil {
			return reconcile.Result{}, err
		}
		// One that waits for another sidecar than the present is not waited for: the
		// present one may be what mends it.
		if w != nil && w.stamp() == plan.Sum && !w.settled() {
			return again, nil
		}
		delete(r.last, req.NamespacedName)
	}
	targets, err := r.stale(ctx, cr, plan.Sum)
	if err != nil {
		return reconcile.Result{}, err
	}
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

// stale are the workloads that have pods with an old sidecar, in order of their
// names. Pods of others, as jobs, end by themselves.
func (r *rollouts) stale(ctx context.Context, cr *v1beta1.OpenTelemetryCollector, sum string) ([]target, error) {
	pods, err := r.sidecars.of(ctx, cr)
	if err != nil {
		return nil, err
	}
	seen := map[target]bool{}
	for i := range pods {
		p := &pods[i]
		if p.DeletionTimestamp != nil || p.Annotations[v1beta1.AnnotationSidecarHash] == sum {
			continue
		}
		for _, o := range r.owners.of(ctx, p.Namespace, &corev1.Pod{ObjectMeta: p.ObjectMeta}) {
			group, _, _ := strings.Cut(o.APIVersion, "/")
			if group == appsv1.GroupName && (o.Kind == "Deployment" || o.Kind == "StatefulSet" || o.Kind == "DaemonSet") {
				seen[target{o.Kind, p.Namespace, o.Name}] = true
			}
		}
	}
	var all []target
	for t := range seen {
		all = append(all, t)
	}
	slices.SortFunc(all, func(a, b target) int { return strings.Compare(a.String(), b.String()) })
	return all, nil
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

// workload is what replaces pods.
type workload struct{ client.Object }

// turn is what to do with a workload that has pods with an old sidecar.
type turn int

const (
	// leave it alone: it does not want to be restarted, or was, and its strategy
	// keeps old pods.
	leave turn = iota
	// later, when somebody else is done with it; others may come first.
	later
	// wait until it is well, before any other.
	wait
	// restart it now.
	restart
)

// turn is what to do with the workload for pods to get the sidecar of a hash.
func (w *workload) turn(sum string) turn {
	switch stamp := w.stamp(); {
	case w.optedOut():
		return leave
	case stamp == sum && w.settled():
		return leave
	case stamp == sum:
		return wait
	case w.paused():
		return later
	case stamp == "" && !w.settled():
		return later
	}
	// Also when it is not well, if that is of an earlier restart: the present
	// sidecar may be what mends it.
	return restart
}

// template is what its pods are made of.
func (w *workload) template() *corev1.PodTemplateSpec {
	switch o := w.Object.(type) {
	case *appsv1.Deployment:
		return &o.Spec.Template
	case *appsv1.StatefulSet:
		return &o.Spec.Template
	case *appsv1.DaemonSet:
		return &o.Spec.Template
	}
	return new(corev1.PodTemplateSpec)
}

// stamp is the hash that its pods were restarted for last.
func (w *workload) stamp() string { return w.template().Annotations[v1beta1.AnnotationSidecarHash] }

// optedOut reports whether the workload does not want to be restarted.
func (w *workload) optedOut() bool {
	return strings.EqualFold(w.GetAnnotations()[v1beta1.AnnotationSidecarRollout], "false")
}

// paused reports whether somebody keeps its pods as they are.
func (w *workload) paused() bool {
	d, ok := w.Object.(*appsv1.Deployment)
	return ok && d.Spec.Paused
}

// settled reports whether all of its pods are of its present template, and
// available. One whose strategy waits for pods to be deleted is settled when
// what it has is available.
func (w *workload) settled() bool {
	switch o := w.Object.(type) {
	case *appsv1.Deployment:
		s, want := o.Status, replicas(o.Spec.Replicas)
		return s.ObservedGeneration >= o.Generation && s.UpdatedReplicas >= want && s.Replicas <= s.UpdatedReplicas && s.AvailableReplicas >= want
	case *appsv1.StatefulSet:
		s, want := o.Status, replicas(o.Spec.Replicas)
		if s.ObservedGeneration < o.Generation || s.AvailableReplicas < want {
			return false
		}
		u := o.Spec.UpdateStrategy
		if u.Type == appsv1.OnDeleteStatefulSetStrategyType {
			return true
		}
		if u.RollingUpdate != nil && u.RollingUpdate.Partition != nil {
			want -= min(want, *u.RollingUpdate.Partition)
		}
		return s.UpdatedReplicas >= want
	case *appsv1.DaemonSet:
		s := o.Status
		return s.ObservedGeneration >= o.Generation && s.NumberAvailable >= s.DesiredNumberScheduled &&
			(o.Spec.UpdateStrategy.Type == appsv1.OnDeleteDaemonSetStrategyType || s.UpdatedNumberScheduled >= s.DesiredNumberScheduled)
	}
	return true
}

// replicas is how many are wanted; nothing said is one.
func replicas(n *int32) int32 {
	if n == nil {
		return 1
	}
	return *n
}
