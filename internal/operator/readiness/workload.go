package readiness

import (
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/signalbox-otel/signalbox/api/v1beta1"
)

// counts are what a workload says of its pods.
type counts struct {
	// replicas are all pods there are, or, of a daemonset, should be.
	replicas int32
	// wanted are those there should be, and updated, ready those that run the
	// wanted template, and that are ready.
	wanted, updated, ready int32
	// seen says that the numbers are of the workload's present spec.
	seen bool
	// onDelete leaves it to people to delete old pods.
	onDelete bool
}

// count reads a workload; none has no pods.
func count(w client.Object) counts {
	switch w := w.(type) {
	case *appsv1.Deployment:
		s := w.Status
		return counts{
			replicas: s.Replicas, wanted: orOne(w.Spec.Replicas), updated: s.UpdatedReplicas, ready: s.ReadyReplicas,
			seen: s.ObservedGeneration >= w.Generation,
		}
	case *appsv1.DaemonSet:
		s := w.Status
		return counts{
			replicas: s.DesiredNumberScheduled, wanted: s.DesiredNumberScheduled, updated: s.UpdatedNumberScheduled, ready: s.NumberReady,
			seen:     s.ObservedGeneration >= w.Generation,
			onDelete: w.Spec.UpdateStrategy.Type == appsv1.OnDeleteDaemonSetStrategyType,
		}
	case *appsv1.StatefulSet:
		s := w.Status
		return counts{
			replicas: s.Replicas, wanted: orOne(w.Spec.Replicas), updated: s.UpdatedReplicas, ready: s.ReadyReplicas,
			seen:     s.ObservedGeneration >= w.Generation,
			onDelete: w.Spec.UpdateStrategy.Type == appsv1.OnDeleteStatefulSetStrategyType,
		}
	}
	return counts{seen: true}
}

func orOne(n *int32) int32 {
	if n == nil {
		return 1
	}
	return *n
}

// done reports whether there are exactly the wanted pods, all ready.
func (n counts) done() bool {
	return n.seen && n.replicas == n.wanted && n.updated == n.wanted && n.ready == n.wanted
}

// String is the counts for people.
func (n counts) String() string {
	switch {
	case !n.seen:
		return "the change is not rolled out yet"
	case n.wanted == 0 && n.replicas == 0:
		return "no pods are wanted"
	case n.updated < n.wanted:
		return fmt.Sprintf("%d of %d pods are ready, %d run the wanted configuration", n.ready, n.wanted, n.updated)
	case n.replicas > n.wanted:
		return fmt.Sprintf("%d of %d pods are ready, %d are to go", n.ready, n.wanted, n.replicas-n.wanted)
	}
	return fmt.Sprintf("%d of %d pods are ready", n.ready, n.wanted)
}

// Injected counts the pods with a sidecar.
type Injected struct {
	// Pods with the sidecar, and how many of them, Stale, have it with another
	// configuration than the present one.
	Pods, Stale int
}

// CountInjected counts pods with the sidecar of one collector, whose
// configuration has the hash. Pods that have ended do not count.
func CountInjected(pods []metav1.PartialObjectMetadata, hash string) Injected {
	var n Injected
	for i := range pods {
		if pods[i].DeletionTimestamp != nil {
			continue
		}
		n.Pods++
		if pods[i].Annotations[v1beta1.AnnotationSidecarHash] != hash {
			n.Stale++
		}
	}
	return n
}

// workloadTrouble is what the conditions of a workload say that its pods cannot:
// only Deployments have such.
func workloadTrouble(w client.Object) *trouble {
	d, ok := w.(*appsv1.Deployment)
	if !ok {
		return nil
	}
	for _, c := range d.Status.Conditions {
		if c.Type == appsv1.DeploymentReplicaFailure && c.Status == corev1.ConditionTrue {
			return &trouble{reason: c.Reason, message: "pods cannot be made: " + c.Message, lasting: true, rank: rankRefused}
		}
	}
	return nil
}

// late is the trouble of a Deployment that does not get on, whatever the reason.
func late(w client.Object) *trouble {
	d, ok := w.(*appsv1.Deployment)
	if !ok {
		return nil
	}
	for _, c := range d.Status.Conditions {
		if c.Type == appsv1.DeploymentProgressing && c.Status == corev1.ConditionFalse && c.Reason == deadline {
			return &trouble{reason: deadline, message: "the rollout does not get on: " + c.Message, lasting: true}
		}
	}
	return nil
}
