package pods

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/signalbox-otel/signalbox/internal/inject"
	"github.com/signalbox-otel/signalbox/internal/operator/readiness"
)

// Plain pods that started since the guard say whether instrumentation was to
// blame.
func TestProof(t *testing.T) {
	c := &CrashGuard{now: func() time.Time { return noon }}
	since := metav1.NewTime(noon.Add(-5 * time.Minute))
	f := func(name string, want inject.Proof, containers []string, pods ...*corev1.Pod) {
		t.Helper()
		g := inject.Guard{Kind: inject.Python, Source: "shop/all", Sum: "1", Since: since, Containers: containers}
		if got, _ := c.proof(g, pods); got != want {
			t.Errorf("%s: got %q; want %q", name, got, want)
		}
	}
	started := func(ago time.Duration, marks string, health readiness.Health) *corev1.Pod {
		p := podOf("new", marks, health)
		p.CreationTimestamp = metav1.NewTime(noon.Add(-ago))
		return p
	}
	app := []string{"app"}
	f("none", "", app)
	f("one that starts", "", app, started(time.Minute, "", readiness.Starting))
	f("one that runs", inject.Mended, app, started(time.Minute, "", readiness.Well))
	f("one that runs with another language", inject.Mended, app, started(time.Minute, "java=shop/all@1", readiness.Well))
	f("one of before", "", app, started(time.Hour, "", readiness.Well))
	f("one with the language", "", app, started(time.Minute, "python=shop/all@1", readiness.Well))
	f("one that crashes", inject.Unrelated, app, started(time.Minute, "", readiness.Crashing))
	f("one of two crashes", inject.Mended, app, started(time.Minute, "", readiness.Crashing), started(time.Minute, "", readiness.Well))
	f("the agent could not be copied, and the program runs", inject.Mended, nil, started(time.Minute, "", readiness.Well))
	f("the agent could not be copied, and the program crashes", "", nil, started(time.Minute, "", readiness.Crashing))
}

// An outline of a pod is judged as the pod is.
func TestOutline(t *testing.T) {
	p := podOf("new", "sdk=shop/all@1", readiness.Crashing)
	p.Spec.Containers[0].Env = []corev1.EnvVar{{Name: "OTEL_RESOURCE_ATTRIBUTES_NODE_NAME"}, {Name: "SECRET", Value: "s"}}
	p.Spec.Containers = append(p.Spec.Containers, corev1.Container{Name: "other"})
	p.Status.ContainerStatuses = append(p.Status.ContainerStatuses, corev1.ContainerStatus{Name: "other"})
	parts := inject.Parts(p)
	if _, err := outline(p); err != nil {
		t.Fatal(err)
	}
	if len(p.Spec.Containers) != 1 || len(p.Spec.Containers[0].Env) != 1 || len(p.Status.ContainerStatuses) != 1 {
		t.Errorf("got %d containers with %v; want what was instrumented", len(p.Spec.Containers), p.Spec.Containers[0].Env)
	}
	if got := inject.Parts(p); len(got) != 1 || len(got[0].With) != 1 || got[0].With[0] != parts[0].With[0] {
		t.Errorf("got parts %v; want %v", got, parts)
	}
	if health, _ := readiness.HealthOf(p, "app", noon); health != readiness.Crashing {
		t.Errorf("got health %d; want %d", health, readiness.Crashing)
	}
}
