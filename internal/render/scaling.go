package render

import (
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	"k8s.io/apimachinery/pkg/util/intstr"
	autoscalingv2ac "k8s.io/client-go/applyconfigurations/autoscaling/v2"
	metav1ac "k8s.io/client-go/applyconfigurations/meta/v1"
	policyv1ac "k8s.io/client-go/applyconfigurations/policy/v1"

	"github.com/signalbox-otel/signalbox/api/v1beta1"
)

// scaling adds what changes or guards the number of pods.
func (c *collector) scaling() {
	if c.spec.Autoscaler != nil {
		if c.spec.Autoscaler.MaxReplicas == nil {
			c.plan.warn("autoscaler", "without maxReplicas nothing is scaled", "spec", "autoscaler")
		} else {
			c.plan.add(c.autoscaler(c.spec.Autoscaler))
		}
	}
	if c.mode != v1beta1.ModeDaemonSet {
		one := intstr.FromInt32(1)
		c.plan.add(c.disruptionBudget(c.object(), c.labels(c.object(), true), c.selector(), c.spec.PodDisruptionBudget, &one))
	}
}

func (c *collector) autoscaler(a *v1beta1.Autoscaler) Object {
	spec := autoscalingv2ac.HorizontalPodAutoscalerSpec().
		WithScaleTargetRef(autoscalingv2ac.CrossVersionObjectReference().WithAPIVersion(c.api).WithKind(c.kind).WithName(c.meta.Name)).
		WithMinReplicas(*a.MinReplicas).WithMaxReplicas(*a.MaxReplicas)
	utilization := func(resource string, percent *int32) {
		if percent == nil {
			return
		}
		spec.WithMetrics(as[*autoscalingv2ac.MetricSpecApplyConfiguration](map[string]any{
			"type":     autoscalingv2.ResourceMetricSourceType,
			"resource": map[string]any{"name": resource, "target": map[string]any{"type": autoscalingv2.UtilizationMetricType, "averageUtilization": *percent}},
		}))
	}
	utilization("memory", a.TargetMemoryUtilization)
	utilization("cpu", a.TargetCPUUtilization)
	for _, m := range a.Metrics {
		if m.Type != autoscalingv2.PodsMetricSourceType || m.Pods == nil {
			c.plan.warn("autoscaler", "a metric needs type Pods and the section pods: it is left out", "spec", "autoscaler", "metrics")
			continue
		}
		spec.WithMetrics(as[*autoscalingv2ac.MetricSpecApplyConfiguration](m))
	}
	spec.Behavior = as[*autoscalingv2ac.HorizontalPodAutoscalerBehaviorApplyConfiguration](a.Behavior)
	return autoscalingv2ac.HorizontalPodAutoscaler(c.object(), c.meta.Namespace).WithLabels(c.labels(c.object(), true)).
		WithAnnotations(c.annotations()).WithOwnerReferences(c.references()...).WithSpec(spec)
}

// disruptionBudget limits how many pods may be taken away at once: to fallback
// where the resource says nothing.
func (o *owner) disruptionBudget(object string, labels, selector map[string]string, budget *v1beta1.PodDisruptionBudget, fallback *intstr.IntOrString) Object {
	spec := policyv1ac.PodDisruptionBudgetSpec().WithSelector(metav1ac.LabelSelector().WithMatchLabels(selector))
	if budget != nil {
		spec.MinAvailable, spec.MaxUnavailable = budget.MinAvailable, budget.MaxUnavailable
	}
	if spec.MinAvailable == nil && spec.MaxUnavailable == nil {
		spec.MaxUnavailable = fallback
	}
	return policyv1ac.PodDisruptionBudget(object, o.meta.Namespace).WithLabels(labels).
		WithAnnotations(o.annotations()).WithOwnerReferences(o.references()...).WithSpec(spec)
}
