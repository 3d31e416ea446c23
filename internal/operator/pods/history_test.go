package pods

import (
	"fmt"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/signalbox-otel/signalbox/api/v1beta1"
	"github.com/signalbox-otel/signalbox/internal/inject"
	"github.com/signalbox-otel/signalbox/internal/operator/readiness"
)

var noon = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

// podOf is one of a revision with marks, whose program fares somehow at noon.
func podOf(revision, marks string, health readiness.Health) *corev1.Pod {
	at := func(d time.Duration) metav1.Time { return metav1.NewTime(noon.Add(-d)) }
	start := at(time.Minute)
	p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{
		Name: "cart-" + revision, Labels: map[string]string{appsv1.DefaultDeploymentUniqueLabelKey: revision},
		Annotations: map[string]string{v1beta1.AnnotationInstrumented: marks},
	}}
	p.Spec.Containers = []corev1.Container{{Name: "app"}}
	c := corev1.ContainerStatus{Name: "app", State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: at(time.Second)}}}
	switch health {
	case readiness.Well:
		c.State.Running.StartedAt = start
	case readiness.Crashing:
		c.RestartCount, c.LastTerminationState.Terminated = 2, &corev1.ContainerStateTerminated{ExitCode: 1, StartedAt: at(3 * time.Second), FinishedAt: at(2 * time.Second)}
	}
	p.Status = corev1.PodStatus{StartTime: &start, ContainerStatuses: []corev1.ContainerStatus{c}}
	return p
}

// What was seen of pods that are gone is remembered, and weighed.
func TestHistory(t *testing.T) {
	const one, two = "python=shop/all@1", "python=shop/all@2"
	mark := inject.Mark{Kind: inject.Python, Source: "shop/all", Sum: "2"}
	crashing := podOf("new", two, readiness.Crashing)
	f := func(name string, want readiness.Blame, looks ...[]*corev1.Pod) {
		t.Helper()
		h := newHistory()
		for _, pods := range looks {
			h.see(pods, noon)
		}
		h.see([]*corev1.Pod{crashing}, noon)
		if got := h.blame(crashing, mark, "app"); got != want {
			t.Errorf("%s: got %d; want %d", name, got, want)
		}
	}
	type look = []*corev1.Pod
	f("nothing", readiness.Unknown)
	f("plain before", readiness.Injection, look{podOf("old", "", readiness.Well)})
	f("plain of the same revision", readiness.Injection, look{podOf("new", "", readiness.Well)})
	f("an older form", readiness.Injection, look{podOf("old", one, readiness.Well)})
	f("another language before", readiness.Injection, look{podOf("old", "java=shop/all@2", readiness.Well)})
	f("the same before", readiness.Program, look{podOf("old", two, readiness.Well)})
	f("plain that ran, and starts again when it is replaced", readiness.Injection, look{podOf("old", "", readiness.Well)}, look{podOf("old", "", readiness.Starting)})
	f("one of several ran", readiness.Injection, look{podOf("old", "", readiness.Starting), podOf("old", "", readiness.Well), podOf("old", "", readiness.Crashing)})
	f("crashed before", readiness.Program, look{podOf("old", "", readiness.Crashing)})
	f("another with the same is well", readiness.Unknown, look{podOf("old", "", readiness.Starting)}, look{podOf("new", two, readiness.Well), podOf("new", two, readiness.Starting)})
}

// The pods of before are looked at once, for the sake of pods that are not well;
// old generations are forgotten.
func TestHistoryUnsettled(t *testing.T) {
	h := newHistory()
	pods := []*corev1.Pod{podOf("new", "python=a/b@1", readiness.Starting), podOf("new", "python=a/b@1", readiness.Starting), podOf("old", "python=a/b@0", readiness.Well)}
	h.see(pods, noon)
	all := h.unsettled(pods)
	if len(all) != 1 || all[0].revision != "new" {
		t.Fatalf("got %v; want the generation that starts", all)
	}
	h.looked[all[0]] = true
	if again := h.unsettled(pods); len(again) > 0 {
		t.Errorf("got %v a second time", again)
	}
	for i := range 3 * generationsKept {
		h.see([]*corev1.Pod{podOf(fmt.Sprint(i), "", readiness.Well)}, noon.Add(time.Duration(i)*time.Minute))
	}
	if len(h.generations) != generationsKept || len(h.looked) > generationsKept {
		t.Errorf("got %d generations; want %d", len(h.generations), generationsKept)
	}
}
