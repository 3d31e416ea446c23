package render

import (
	"cmp"

	appsv1 "k8s.io/api/apps/v1"
	appsv1ac "k8s.io/client-go/applyconfigurations/apps/v1"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"
	metav1ac "k8s.io/client-go/applyconfigurations/meta/v1"

	"github.com/signalbox-otel/signalbox/api/v1beta1"
)

// workload is what runs the collector's pods.
func (c *collector) workload() Object {
	object, ns := c.object(), c.meta.Namespace
	selector := metav1ac.LabelSelector().WithMatchLabels(c.selector())
	labels, annotations, owners := c.labels(object, true), c.annotations(), c.references()
	switch c.mode {
	case v1beta1.ModeDaemonSet:
		spec := appsv1ac.DaemonSetSpec().WithSelector(selector).WithTemplate(c.podTemplate())
		spec.UpdateStrategy = as[*appsv1ac.DaemonSetUpdateStrategyApplyConfiguration](c.spec.DaemonSetUpdateStrategy)
		return appsv1ac.DaemonSet(object, ns).WithLabels(labels).WithAnnotations(annotations).WithOwnerReferences(owners...).WithSpec(spec)
	case v1beta1.ModeStatefulSet:
		spec := appsv1ac.StatefulSetSpec().WithSelector(selector).WithTemplate(c.podTemplate()).
			WithReplicas(c.replicas()).WithServiceName(cmp.Or(c.spec.ServiceName, c.headless())).
			WithPodManagementPolicy(cmp.Or(c.spec.PodManagementPolicy, appsv1.ParallelPodManagement))
		for _, claim := range c.spec.VolumeClaimTemplates {
			own := as[*corev1ac.PersistentVolumeClaimApplyConfiguration](claim)
			own.Status = nil
			spec.WithVolumeClaimTemplates(own)
		}
		spec.PersistentVolumeClaimRetentionPolicy = as[*appsv1ac.StatefulSetPersistentVolumeClaimRetentionPolicyApplyConfiguration](c.spec.PersistentVolumeClaimRetentionPolicy)
		return appsv1ac.StatefulSet(object, ns).WithLabels(labels).WithAnnotations(annotations).WithOwnerReferences(owners...).WithSpec(spec)
	}
	spec := appsv1ac.DeploymentSpec().WithSelector(selector).WithTemplate(c.podTemplate()).WithReplicas(c.replicas())
	spec.Strategy = as[*appsv1ac.DeploymentStrategyApplyConfiguration](c.spec.DeploymentUpdateStrategy)
	return appsv1ac.Deployment(object, ns).WithLabels(labels).WithAnnotations(annotations).WithOwnerReferences(owners...).WithSpec(spec)
}

// replicas is how many pods there should be: what scales the collector writes
// spec.replicas.
func (c *collector) replicas() int32 {
	n := *c.spec.Replicas
	if a := c.spec.Autoscaler; a != nil && a.MinReplicas != nil {
		n = max(n, *a.MinReplicas)
	}
	return n
}
