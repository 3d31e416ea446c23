package allocator

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestCollectorsOfPods(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	ago := func(d time.Duration) metav1.Time { return metav1.NewTime(now.Add(-d)) }
	ready := func(status corev1.ConditionStatus, d time.Duration) corev1.PodStatus {
		return corev1.PodStatus{Phase: corev1.PodRunning,
			Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: status, LastTransitionTime: ago(d)}}}
	}
	pod := func(name string, status corev1.PodStatus) *corev1.Pod {
		return &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Name: name, CreationTimestamp: ago(time.Hour)},
			Spec:       corev1.PodSpec{NodeName: "n"}, Status: status,
		}
	}
	going := pod("going", ready(corev1.ConditionTrue, time.Hour))
	going.DeletionTimestamp = &metav1.Time{Time: now}
	waiting := pod("waiting", corev1.PodStatus{Phase: corev1.PodPending})
	waiting.Spec.NodeName = ""
	started := pod("started", corev1.PodStatus{Phase: corev1.PodPending})
	started.CreationTimestamp = ago(time.Second)
	pods := []any{
		pod("ready", ready(corev1.ConditionTrue, time.Hour)),
		pod("not-ready", ready(corev1.ConditionFalse, time.Minute)),
		pod("hiccup", ready(corev1.ConditionFalse, time.Second)),
		pod("stuck", corev1.PodStatus{Phase: corev1.PodPending}),
		going, waiting, started,
	}
	f := func(grace time.Duration, want ...string) {
		t.Helper()
		var got []string
		for _, c := range collectorsOf(pods, now, grace) {
			got = append(got, c.Name)
			if c.Node != "n" {
				t.Errorf("%s is on node %q", c.Name, c.Node)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("grace period %v (-want +got):\n%s", grace, diff)
		}
	}
	f(30*time.Second, "ready", "hiccup", "started")
	f(0, "ready", "not-ready", "hiccup", "stuck", "started")
}
