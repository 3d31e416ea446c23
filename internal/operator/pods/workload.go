package pods

import (
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// workload is what replaces pods.
type workload struct{ client.Object }

// turn is what to do with a workload that has pods that are not as they should be.
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

// turn is what to do with the workload for pods to get what a hash is of.
func (w *workload) turn(ro *rollout, sum string) turn {
	switch stamp := w.stamp(ro); {
	case w.optedOut(ro):
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
	// Also when it is not well, if that is of an earlier restart: what its pods would
	// get now may be what mends it.
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

// selector finds its pods.
func (w *workload) selector() *metav1.LabelSelector {
	switch o := w.Object.(type) {
	case *appsv1.Deployment:
		return o.Spec.Selector
	case *appsv1.StatefulSet:
		return o.Spec.Selector
	case *appsv1.DaemonSet:
		return o.Spec.Selector
	}
	return nil
}

// stamp is the hash that its pods were restarted for last.
func (w *workload) stamp(ro *rollout) string { return w.template().Annotations[ro.stamp] }

// optedOut reports whether the workload does not want to be restarted.
func (w *workload) optedOut(ro *rollout) bool {
	return strings.EqualFold(w.GetAnnotations()[ro.optOut], "false")
}

// paused reports whether somebody keeps its pods as they are.
func (w *workload) paused() bool {
	d, ok := w.Object.(*appsv1.Deployment)
	return ok && d.Spec.Paused
}

// runs reports whether it has pods.
func (w *workload) runs() bool {
	switch o := w.Object.(type) {
	case *appsv1.Deployment:
		return o.Status.Replicas > 0
	case *appsv1.StatefulSet:
		return o.Status.Replicas > 0
	case *appsv1.DaemonSet:
		return o.Status.CurrentNumberScheduled > 0
	}
	return false
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
