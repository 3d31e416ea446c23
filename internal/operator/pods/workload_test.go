package pods

import (
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/signalbox-otel/signalbox/api/v1beta1"
)

func TestSettled(t *testing.T) {
	three := int32(3)
	set := func(status appsv1.StatefulSetStatus, strategy appsv1.StatefulSetUpdateStrategy) *appsv1.StatefulSet {
		return &appsv1.StatefulSet{Spec: appsv1.StatefulSetSpec{Replicas: &three, UpdateStrategy: strategy}, Status: status}
	}
	deployment := func(status appsv1.DeploymentStatus) *appsv1.Deployment {
		return &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Generation: 2}, Spec: appsv1.DeploymentSpec{Replicas: &three}, Status: status}
	}
	for name, c := range map[string]struct {
		workload client.Object
		want     bool
	}{
		"deployment, not seen yet":      {deployment(appsv1.DeploymentStatus{ObservedGeneration: 1, Replicas: 3, UpdatedReplicas: 3, AvailableReplicas: 3}), false},
		"deployment, one old pod left":  {deployment(appsv1.DeploymentStatus{ObservedGeneration: 2, Replicas: 4, UpdatedReplicas: 3, AvailableReplicas: 3}), false},
		"deployment, one not available": {deployment(appsv1.DeploymentStatus{ObservedGeneration: 2, Replicas: 3, UpdatedReplicas: 3, AvailableReplicas: 2}), false},
		"deployment, done":              {deployment(appsv1.DeploymentStatus{ObservedGeneration: 2, Replicas: 3, UpdatedReplicas: 3, AvailableReplicas: 3}), true},
		"statefulset, one to go":        {set(appsv1.StatefulSetStatus{UpdatedReplicas: 2, AvailableReplicas: 3}, appsv1.StatefulSetUpdateStrategy{}), false},
		"statefulset, up to a partition": {set(appsv1.StatefulSetStatus{UpdatedReplicas: 1, AvailableReplicas: 3}, appsv1.StatefulSetUpdateStrategy{
			RollingUpdate: &appsv1.RollingUpdateStatefulSetStrategy{Partition: ptr(int32(2))},
		}), true},
		"statefulset, on delete": {set(appsv1.StatefulSetStatus{AvailableReplicas: 3}, appsv1.StatefulSetUpdateStrategy{Type: appsv1.OnDeleteStatefulSetStrategyType}), true},
		"daemonset, one to go":   {&appsv1.DaemonSet{Status: appsv1.DaemonSetStatus{DesiredNumberScheduled: 3, UpdatedNumberScheduled: 2, NumberAvailable: 3}}, false},
		"daemonset, done":        {&appsv1.DaemonSet{Status: appsv1.DaemonSetStatus{DesiredNumberScheduled: 3, UpdatedNumberScheduled: 3, NumberAvailable: 3}}, true},
	} {
		if got := (&workload{c.workload}).settled(); got != c.want {
			t.Errorf("%s: got %v; want %v", name, got, c.want)
		}
	}
}

func TestTurn(t *testing.T) {
	f := func(name string, want turn, change func(*appsv1.Deployment)) {
		t.Helper()
		d := &appsv1.Deployment{Status: appsv1.DeploymentStatus{Replicas: 1, UpdatedReplicas: 1, AvailableReplicas: 1}}
		change(d)
		if got := (&workload{d}).turn(&rollout{stamp: v1beta1.AnnotationSidecarHash, optOut: v1beta1.AnnotationSidecarRollout}, "new"); got != want {
			t.Errorf("%s: got %d; want %d", name, got, want)
		}
	}
	stamped := func(d *appsv1.Deployment, sum string) {
		d.Spec.Template.Annotations = map[string]string{v1beta1.AnnotationSidecarHash: sum}
	}
	f("never restarted", restart, func(*appsv1.Deployment) {})
	f("restarted for an earlier sidecar", restart, func(d *appsv1.Deployment) { stamped(d, "old") })
	f("broken by an earlier sidecar", restart, func(d *appsv1.Deployment) {
		stamped(d, "old")
		d.Status.AvailableReplicas = 0
	})
	f("on its way", wait, func(d *appsv1.Deployment) {
		stamped(d, "new")
		d.Status.AvailableReplicas = 0
	})
	f("old pods stay", leave, func(d *appsv1.Deployment) { stamped(d, "new") })
	f("opted out", leave, func(d *appsv1.Deployment) {
		d.Annotations = map[string]string{v1beta1.AnnotationSidecarRollout: "False"}
	})
	f("paused", later, func(d *appsv1.Deployment) { d.Spec.Paused = true })
	f("somebody rolls it out", later, func(d *appsv1.Deployment) { d.Status.UpdatedReplicas = 0 })
}

func ptr[T any](v T) *T { return &v }
