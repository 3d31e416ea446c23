package pods

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/selection"
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/signalbox-otel/signalbox/api/v1beta1"
	"github.com/signalbox-otel/signalbox/internal/operator/readiness"
	"github.com/signalbox-otel/signalbox/internal/render"
)

// Sidecars knows the pods that have a sidecar, on the replica that leads: which
// collector's, and with which configuration.
type Sidecars struct {
	mgr      ctrl.Manager
	cache    cache.Cache
	rendered *rendered
}

// injectedIndex finds pods by the label that names the collector.
const injectedIndex = "signalbox.injected"

// NewSidecars makes the manager watch those pods, in these namespaces or in all.
// They have a cache of their own, for that of the manager has the pods that the
// operator made.
func NewSidecars(mgr ctrl.Manager, facts func(namespace string) render.Facts, namespaces ...string) (*Sidecars, error) {
	injected, err := labels.NewRequirement(v1beta1.LabelInjected, selection.Exists, nil)
	if err != nil {
		return nil, fmt.Errorf("selecting pods with sidecars: %w", err)
	}
	// Pods that have ended are no longer of interest, and those of jobs stay long.
	running := fields.AndSelectors(
		fields.OneTermNotEqualSelector("status.phase", string(corev1.PodSucceeded)),
		fields.OneTermNotEqualSelector("status.phase", string(corev1.PodFailed)),
	)
	c, err := podCache(mgr, podMeta(), cache.ByObject{Label: labels.NewSelector().Add(*injected), Field: running, Transform: slim}, namespaces)
	if err != nil {
		return nil, fmt.Errorf("caching pods with sidecars: %w", err)
	}
	if err := c.IndexField(context.Background(), podMeta(), injectedIndex, func(o client.Object) []string {
		return []string{o.GetLabels()[v1beta1.LabelInjected]}
	}); err != nil {
		return nil, fmt.Errorf("indexing pods with sidecars: %w", err)
	}
	return &Sidecars{mgr: mgr, cache: c, rendered: &rendered{facts: facts}}, nil
}

// leading runs a cache on the replica that leads.
type leading struct{ cache cache.Cache }

// NeedLeaderElection is true.
func (leading) NeedLeaderElection() bool { return true }

// Start fills the cache until ctx is done.
func (l leading) Start(ctx context.Context) error { return l.cache.Start(ctx) }

// podMeta is a pod of which only the metadata is watched.
func podMeta() *metav1.PartialObjectMetadata {
	m := new(metav1.PartialObjectMetadata)
	m.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Pod"))
	return m
}

// slim keeps of a pod what is asked for here: there may be thousands.
func slim(o any) (any, error) {
	m, ok := o.(*metav1.PartialObjectMetadata)
	if !ok {
		return o, nil // a tombstone
	}
	m.ObjectMeta = metav1.ObjectMeta{
		Namespace: m.Namespace, Name: m.Name, UID: m.UID, ResourceVersion: m.ResourceVersion,
		DeletionTimestamp: m.DeletionTimestamp, OwnerReferences: m.OwnerReferences,
		Labels:      only(m.Labels, v1beta1.LabelInjected, "pod-template-hash"),
		Annotations: only(m.Annotations, v1beta1.AnnotationSidecarHash),
	}
	return m, nil
}

func only(m map[string]string, keys ...string) map[string]string {
	kept := map[string]string{}
	for _, k := range keys {
		if v, ok := m[k]; ok {
			kept[k] = v
		}
	}
	return kept
}

// of are the pods that have the sidecar of a collector.
func (s *Sidecars) of(ctx context.Context, cr *v1beta1.OpenTelemetryCollector) ([]metav1.PartialObjectMetadata, error) {
	if !s.cache.WaitForCacheSync(ctx) {
		return nil, fmt.Errorf("waiting for pods with sidecars: %w", context.Cause(ctx))
	}
	list := new(metav1.PartialObjectMetadataList)
	list.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("PodList"))
	if err := s.cache.List(ctx, list, client.MatchingFields{injectedIndex: render.Instance(cr)}, client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("listing pods with the sidecar of %s/%s: %w", cr.Namespace, cr.Name, err)
	}
	return list.Items, nil
}

// now are the pods of one namespace that have the sidecar of a collector, from the
// API server.
func (s *Sidecars) now(ctx context.Context, cr *v1beta1.OpenTelemetryCollector, live client.Reader, namespace string) ([]metav1.PartialObjectMetadata, error) {
	list := new(metav1.PartialObjectMetadataList)
	list.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("PodList"))
	if err := live.List(ctx, list, client.InNamespace(namespace), client.MatchingLabels{v1beta1.LabelInjected: render.Instance(cr)}); err != nil {
		return nil, fmt.Errorf("listing pods with the sidecar of %s/%s: %w", cr.Namespace, cr.Name, err)
	}
	return list.Items, nil
}

// Count counts the pods with the sidecar of a collector, and those of them whose
// sidecar is not what the collector says now. It is for the replica that leads,
// and waits there until the pods are known.
func (s *Sidecars) Count(ctx context.Context, cr *v1beta1.OpenTelemetryCollector) (readiness.Injected, error) {
	pods, err := s.of(ctx, cr)
	if err != nil || len(pods) == 0 {
		return readiness.Injected{}, err
	}
	plan, err := s.rendered.sidecar(cr)
	if err != nil {
		// What cannot be rendered makes no pod old.
		return readiness.Injected{Pods: len(pods)}, nil
	}
	return readiness.CountInjected(pods, plan.Sum), nil
}

// Source asks for the collectors whose sidecars came, went or changed. Find says
// which collectors the label value of a pod may mean.
func (s *Sidecars) Source(find func(ctx context.Context, instance string) []reconcile.Request) source.Source {
	enqueue := func(ctx context.Context, pod *metav1.PartialObjectMetadata, q workqueue.TypedRateLimitingInterface[reconcile.Request]) {
		for _, r := range find(ctx, pod.Labels[v1beta1.LabelInjected]) {
			q.Add(r)
		}
	}
	type queue = workqueue.TypedRateLimitingInterface[reconcile.Request]
	return source.Kind(s.cache, podMeta(), handler.TypedFuncs[*metav1.PartialObjectMetadata, reconcile.Request]{
		CreateFunc: func(ctx context.Context, e event.TypedCreateEvent[*metav1.PartialObjectMetadata], q queue) {
			enqueue(ctx, e.Object, q)
		},
		UpdateFunc: func(ctx context.Context, e event.TypedUpdateEvent[*metav1.PartialObjectMetadata], q queue) {
			// Nothing else of a pod with a sidecar matters.
			if e.ObjectOld.Annotations[v1beta1.AnnotationSidecarHash] != e.ObjectNew.Annotations[v1beta1.AnnotationSidecarHash] ||
				e.ObjectOld.DeletionTimestamp.IsZero() != e.ObjectNew.DeletionTimestamp.IsZero() {
				enqueue(ctx, e.ObjectNew, q)
			}
		},
		DeleteFunc: func(ctx context.Context, e event.TypedDeleteEvent[*metav1.PartialObjectMetadata], q queue) {
			enqueue(ctx, e.Object, q)
		},
	})
}
