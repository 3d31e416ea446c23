package pods

import (
	"context"
	"fmt"
	"slices"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	toolscache "k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/signalbox-otel/signalbox/api/v1beta1"
	"github.com/signalbox-otel/signalbox/internal/inject"
)

// Instrumented knows the pods that are instrumented, on the replica that leads:
// what they were given, and how they fare.
type Instrumented struct {
	cache  cache.Cache
	owners *owners
}

// NewInstrumented makes the manager watch those pods, in these namespaces or in
// all.
func NewInstrumented(mgr ctrl.Manager, namespaces ...string) (*Instrumented, error) {
	c, err := podCache(mgr, &corev1.Pod{}, cache.ByObject{
		Label: labels.SelectorFromSet(labels.Set{v1beta1.LabelInstrumented: "true"}),
		// Those of jobs that are done stay long; those that failed say why.
		Field:     fields.OneTermNotEqualSelector("status.phase", string(corev1.PodSucceeded)),
		Transform: outline,
	}, namespaces)
	if err != nil {
		return nil, fmt.Errorf("caching instrumented pods: %w", err)
	}
	return &Instrumented{cache: c, owners: newOwners(mgr.GetAPIReader(), time.Now)}, nil
}

// podCache is a cache of some pods, on the replica that leads: that of the manager
// has the pods that the operator made.
func podCache(mgr ctrl.Manager, object client.Object, by cache.ByObject, namespaces []string) (cache.Cache, error) {
	in := map[string]cache.Config{}
	for _, n := range namespaces {
		in[n] = cache.Config{}
	}
	c, err := cache.New(mgr.GetConfig(), cache.Options{
		HTTPClient: mgr.GetHTTPClient(), Scheme: mgr.GetScheme(), Mapper: mgr.GetRESTMapper(), DefaultNamespaces: in,
		ByObject: map[client.Object]cache.ByObject{object: by},
	})
	if err != nil {
		return nil, err
	}
	return c, mgr.Add(leading{c})
}

// outline keeps of a pod what is asked for here: there may be thousands.
func outline(o any) (any, error) {
	p, ok := o.(*corev1.Pod)
	if !ok {
		return o, nil // a tombstone
	}
	p.ObjectMeta = metav1.ObjectMeta{
		Namespace: p.Namespace, Name: p.Name, UID: p.UID, ResourceVersion: p.ResourceVersion,
		CreationTimestamp: p.CreationTimestamp, DeletionTimestamp: p.DeletionTimestamp, OwnerReferences: p.OwnerReferences,
		Labels:      only(p.Labels, v1beta1.LabelInstrumented, appsv1.DefaultDeploymentUniqueLabelKey, appsv1.ControllerRevisionHashLabelKey),
		Annotations: only(p.Annotations, v1beta1.AnnotationInstrumented, v1beta1.AnnotationProgram),
	}
	p.Spec = inject.Outline(p.Spec)
	p.Status = corev1.PodStatus{
		Phase: p.Status.Phase, StartTime: p.Status.StartTime,
		InitContainerStatuses: states(p.Status.InitContainerStatuses, p.Spec.InitContainers),
		ContainerStatuses:     states(p.Status.ContainerStatuses, p.Spec.Containers),
	}
	return p, nil
}

// states keep of statuses how these containers fare.
func states(list []corev1.ContainerStatus, of []corev1.Container) []corev1.ContainerStatus {
	var all []corev1.ContainerStatus
	for _, c := range list {
		if slices.ContainsFunc(of, func(o corev1.Container) bool { return o.Name == c.Name }) {
			all = append(all, corev1.ContainerStatus{Name: c.Name, State: c.State, LastTerminationState: c.LastTerminationState, RestartCount: c.RestartCount})
		}
	}
	return slices.Clip(all)
}

// list are the instrumented pods of a namespace that are not about to go, by
// their workload. They belong to the cache: nobody may change them.
func (i *Instrumented) list(ctx context.Context, namespace string) (map[target][]*corev1.Pod, error) {
	if !i.cache.WaitForCacheSync(ctx) {
		return nil, fmt.Errorf("waiting for instrumented pods: %w", context.Cause(ctx))
	}
	var list corev1.PodList
	if err := i.cache.List(ctx, &list, client.InNamespace(namespace), client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("listing instrumented pods: %w", err)
	}
	all := map[target][]*corev1.Pod{}
	for n := range list.Items {
		p := &list.Items[n]
		if t, ok := i.workload(ctx, p); ok && p.DeletionTimestamp == nil {
			all[t] = append(all[t], p)
		}
	}
	return all, nil
}

// workload is the farthest owner of a pod.
func (i *Instrumented) workload(ctx context.Context, p *corev1.Pod) (target, bool) {
	owners := i.owners.of(ctx, p.Namespace, p)
	if len(owners) == 0 {
		return target{}, false
	}
	o := owners[len(owners)-1]
	return target{o.Kind, p.Namespace, o.Name}, true
}

// Changed calls f, which may not wait, when instrumented pods come or are about
// to go.
func (i *Instrumented) Changed(f func()) error {
	informer, err := i.cache.GetInformer(context.Background(), &corev1.Pod{}, cache.BlockUntilSynced(false))
	if err == nil {
		_, err = informer.AddEventHandler(toolscache.ResourceEventHandlerFuncs{
			AddFunc: func(any) { f() },
			UpdateFunc: func(before, after any) {
				b, known := before.(*corev1.Pod)
				a, also := after.(*corev1.Pod)
				if known && also && b.DeletionTimestamp.IsZero() && !a.DeletionTimestamp.IsZero() {
					f()
				}
			},
			DeleteFunc: func(any) { f() },
		})
	}
	if err != nil {
		return fmt.Errorf("watching instrumented pods: %w", err)
	}
	return nil
}

// source asks for the workloads whose instrumented pods came, changed or went.
func (i *Instrumented) source() source.TypedSource[target] {
	type queue = workqueue.TypedRateLimitingInterface[target]
	enqueue := func(ctx context.Context, p *corev1.Pod, q queue) {
		if t, ok := i.workload(ctx, p); ok {
			q.Add(t)
		}
	}
	return source.TypedKind(i.cache, &corev1.Pod{}, handler.TypedFuncs[*corev1.Pod, target]{
		CreateFunc: func(ctx context.Context, e event.TypedCreateEvent[*corev1.Pod], q queue) { enqueue(ctx, e.Object, q) },
		UpdateFunc: func(ctx context.Context, e event.TypedUpdateEvent[*corev1.Pod], q queue) {
			enqueue(ctx, e.ObjectNew, q)
		},
		DeleteFunc: func(ctx context.Context, e event.TypedDeleteEvent[*corev1.Pod], q queue) { enqueue(ctx, e.Object, q) },
	})
}
