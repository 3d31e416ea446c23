package controllers

import (
	"context"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/signalbox-otel/signalbox/api/v1alpha1"
	"github.com/signalbox-otel/signalbox/api/v1beta1"
	"github.com/signalbox-otel/signalbox/internal/operator/controllers/apply"
	"github.com/signalbox-otel/signalbox/internal/render"
)

// CacheOptions limit caches to what the controllers look at: our own resources,
// and objects that carry the label of those that we manage. What others have in
// the cluster costs no memory.
func CacheOptions() cache.Options {
	everything := cache.ByObject{Label: labels.Everything()}
	return cache.Options{
		DefaultLabelSelector: labels.SelectorFromSet(labels.Set{v1beta1.LabelManagedBy: "opentelemetry-operator"}),
		DefaultTransform:     strip,
		ByObject: map[client.Object]cache.ByObject{
			&v1beta1.OpenTelemetryCollector{}: everything,
			&v1alpha1.TargetAllocator{}:       everything,
			&v1alpha1.OpAMPBridge{}:           everything,
			&v1alpha1.Instrumentation{}:       everything,
			// Some clusters say in annotations which groups its pods may have.
			&corev1.Namespace{}: everything,
			// What is injected into pods has to keep to what their namespace allows.
			&corev1.LimitRange{}:    everything,
			&corev1.ResourceQuota{}: everything,
		},
	}
}

// lastApplied is where kubectl keeps a copy of the whole object.
const lastApplied = "kubectl.kubernetes.io/last-applied-configuration"

// strip takes off what nobody here reads: who set which field, copies, and most
// of what pods are made of.
func strip(o any) (any, error) {
	m, err := meta.Accessor(o)
	if err != nil {
		return o, nil // a tombstone
	}
	m.SetManagedFields(nil)
	if annotations := m.GetAnnotations(); annotations[lastApplied] != "" {
		delete(annotations, lastApplied)
		m.SetAnnotations(annotations)
	}
	if pod, ok := o.(*corev1.Pod); ok {
		pod.Spec = corev1.PodSpec{NodeName: pod.Spec.NodeName, InitContainers: slim(pod.Spec.InitContainers), Containers: slim(pod.Spec.Containers)}
	}
	return o, nil
}

// slim is what messages say of containers.
func slim(containers []corev1.Container) []corev1.Container {
	all := make([]corev1.Container, len(containers))
	for i, c := range containers {
		all[i] = corev1.Container{Name: c.Name, Image: c.Image, Resources: c.Resources, RestartPolicy: c.RestartPolicy}
	}
	return all
}

// made are kinds of objects that controllers make, and every cluster has.
func made() []client.Object {
	return []client.Object{
		&corev1.ConfigMap{}, &corev1.Service{}, &corev1.ServiceAccount{},
		&appsv1.Deployment{}, &appsv1.DaemonSet{}, &appsv1.StatefulSet{},
		&autoscalingv2.HorizontalPodAutoscaler{}, &policyv1.PodDisruptionBudget{},
		&networkingv1.Ingress{}, &networkingv1.NetworkPolicy{},
		&v1alpha1.TargetAllocator{},
	}
}

// optional are kinds that controllers make where the facts allow it: their
// caches are started only then.
type optional struct {
	object  client.Object
	allowed func(*render.Facts) bool
}

func optionals() []optional {
	rights := func(f *render.Facts) bool { return f.RBAC }
	custom := func(group, kind string) client.Object {
		u := &unstructured.Unstructured{}
		u.SetGroupVersionKind(schema.GroupVersionKind{Group: group, Version: "v1", Kind: kind})
		return u
	}
	certificates := func(f *render.Facts) bool { return f.CertManager }
	return []optional{
		{&rbacv1.Role{}, rights}, {&rbacv1.RoleBinding{}, rights},
		{&rbacv1.ClusterRole{}, rights}, {&rbacv1.ClusterRoleBinding{}, rights},
		{custom("monitoring.coreos.com", "ServiceMonitor"), func(f *render.Facts) bool { return f.ServiceMonitors }},
		{custom("monitoring.coreos.com", "PodMonitor"), func(f *render.Facts) bool { return f.PodMonitors }},
		{custom("route.openshift.io", "Route"), func(f *render.Facts) bool { return f.Routes }},
		{custom("gateway.networking.k8s.io", "HTTPRoute"), func(f *render.Facts) bool { return f.HTTPRoutes }},
		{custom("cert-manager.io", "Issuer"), certificates}, {custom("cert-manager.io", "Certificate"), certificates},
	}
}

// instanceIndex finds resources, and pods, by the label that names the resource.
const instanceIndex = "signalbox.instance"

func addIndexes(mgr ctrl.Manager) error {
	indexer := mgr.GetFieldIndexer()
	for _, o := range made() {
		if err := indexer.IndexField(context.Background(), o, apply.OwnerIndex, apply.OwnerKeys); err != nil {
			return fmt.Errorf("indexing %T by owner: %w", o, err)
		}
	}
	byInstance := func(o client.Object) []string { return []string{render.Instance(o)} }
	for _, o := range []client.Object{&v1beta1.OpenTelemetryCollector{}, &v1alpha1.TargetAllocator{}, &v1alpha1.OpAMPBridge{}} {
		if err := indexer.IndexField(context.Background(), o, instanceIndex, byInstance); err != nil {
			return fmt.Errorf("indexing %T: %w", o, err)
		}
	}
	byLabel := func(o client.Object) []string { return []string{o.GetLabels()[v1beta1.LabelInstance]} }
	if err := indexer.IndexField(context.Background(), &corev1.Pod{}, instanceIndex, byLabel); err != nil {
		return fmt.Errorf("indexing pods: %w", err)
	}
	return nil
}
