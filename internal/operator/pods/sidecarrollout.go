package pods

import (
	"context"
	"fmt"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	crhandler "sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/signalbox-otel/signalbox/api/v1beta1"
	"github.com/signalbox-otel/signalbox/internal/render"
)

// sidecarRollouts restart workloads whose pods have an old sidecar, for
// collectors that ask for it, one after the other.
type sidecarRollouts struct {
	rollouts
	sidecars *Sidecars
	owners   *owners
}

// AddRollout makes the manager restart workloads for collectors that have
// v1beta1.AnnotationSidecarRollout.
func AddRollout(mgr ctrl.Manager, s *Sidecars) error {
	r := &sidecarRollouts{rollouts: newRollouts(mgr), sidecars: s, owners: newOwners(mgr.GetAPIReader(), time.Now)}
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
func (r *sidecarRollouts) wanting(ctx context.Context, instance string) []reconcile.Request {
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
func (r *sidecarRollouts) Reconcile(ctx context.Context, req reconcile.Request) (reconcile.Result, error) {
	cr := new(v1beta1.OpenTelemetryCollector)
	if err := r.sidecars.mgr.GetCache().Get(ctx, req.NamespacedName, cr); err != nil || !asks(cr) {
		delete(r.on, req.NamespacedName)
		return reconcile.Result{}, client.IgnoreNotFound(err)
	}
	plan, err := r.sidecars.rendered.sidecar(cr)
	if err != nil {
		return reconcile.Result{}, nil // the status says so
	}
	pods, err := r.sidecars.of(ctx, cr)
	if err != nil {
		return reconcile.Result{}, err
	}
	have := r.workloads(ctx, pods)
	return r.step(ctx, &rollout{
		source: cr, epoch: plan.Sum, atOnce: 1,
		due: func() (map[target]string, error) { return stale(have, plan.Sum), nil },
		has: func(t target, sum string) (bool, error) {
			if have[t][sum] {
				return true, nil
			}
			// Unless the cache is behind.
			pods, err := r.sidecars.now(ctx, cr, r.live, t.namespace)
			return r.workloads(ctx, pods)[t][sum], err
		},
		stamp: v1beta1.AnnotationSidecarHash, optOut: v1beta1.AnnotationSidecarRollout,
		event: "Sidecar", lacking: "sidecar",
		reason: fmt.Sprintf("OpenTelemetryCollector %s/%s changed, and their sidecar is the old one", cr.Namespace, cr.Name),
	})
}

// workloads are those that the pods with a sidecar belong to, with the hashes of
// what these were given.
func (r *sidecarRollouts) workloads(ctx context.Context, pods []metav1.PartialObjectMetadata) map[target]map[string]bool {
	have := map[target]map[string]bool{}
	for i := range pods {
		p := &pods[i]
		if p.DeletionTimestamp != nil {
			continue
		}
		for _, o := range r.owners.of(ctx, p.Namespace, &corev1.Pod{ObjectMeta: p.ObjectMeta}) {
			group, _, _ := strings.Cut(o.APIVersion, "/")
			if group != appsv1.GroupName || !restarts(o.Kind) {
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
// of the hash.
func stale(have map[target]map[string]bool, sum string) map[target]string {
	all := map[target]string{}
	for t, hashes := range have {
		if len(hashes) > 1 || !hashes[sum] {
			all[t] = sum
		}
	}
	return all
}
