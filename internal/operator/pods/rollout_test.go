package pods

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/signalbox-otel/signalbox/api/v1alpha1"
)

// Workloads are restarted some at a time, the next when those before are well,
// and none when one comes back with nothing.
func TestRolloutSteps(t *testing.T) {
	deployment := func(name string) *appsv1.Deployment {
		return &appsv1.Deployment{
			ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name},
			Status:     appsv1.DeploymentStatus{Replicas: 1, UpdatedReplicas: 1, AvailableReplicas: 1},
		}
	}
	c := fake.NewClientBuilder().WithObjects(deployment("a"), deployment("b"), deployment("c"), deployment("d"), deployment("e")).Build()
	now := noon
	recorder := events.NewFakeRecorder(100)
	var before []string
	r := &rollouts{live: c, writer: c, events: recorder, retry: time.Second, blocked: time.Minute, now: func() time.Time { return now }, on: map[types.NamespacedName][]started{}}
	r.before = func(_ context.Context, t target) error {
		before = append(before, t.name)
		return nil
	}
	lacks := map[string]bool{}
	ro := &rollout{
		source: &v1alpha1.Instrumentation{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "all"}}, epoch: "1", atOnce: 2,
		due: func() (map[target]string, error) {
			all := map[target]string{}
			for _, name := range []string{"a", "b", "c", "d", "e"} {
				all[target{"Deployment", "shop", name}] = "sum"
			}
			return all, nil
		},
		has:   func(t target, _ string) (bool, error) { return !lacks[t.name], nil },
		stamp: "stamp", optOut: "rollout", event: "Instrumentation", reason: "they are old", lacking: "instrumentation",
	}
	// set changes a Deployment.
	set := func(name string, change func(*appsv1.Deployment)) {
		t.Helper()
		d := new(appsv1.Deployment)
		if err := c.Get(t.Context(), client.ObjectKey{Namespace: "shop", Name: name}, d); err != nil {
			t.Fatal(err)
		}
		change(d)
		if err := c.Update(t.Context(), d.DeepCopy()); err != nil {
			t.Fatal(err)
		}
		d.ResourceVersion = ""
		if err := c.Status().Update(t.Context(), d); err != nil {
			t.Fatal(err)
		}
	}
	step := func(what, want string, after time.Duration) {
		t.Helper()
		result, err := r.step(t.Context(), ro)
		if err != nil {
			t.Fatal(err)
		}
		var list appsv1.DeploymentList
		if err := c.List(t.Context(), &list); err != nil {
			t.Fatal(err)
		}
		var stamped []string
		for _, d := range list.Items {
			if d.Spec.Template.Annotations["stamp"] == "sum" {
				stamped = append(stamped, d.Name)
			}
		}
		if got := strings.Join(stamped, " "); got != want || result.RequeueAfter != after {
			t.Errorf("%s: got %q restarted, again after %s; want %q, %s", what, got, result.RequeueAfter, want, after)
		}
	}
	available := func(n int32) func(*appsv1.Deployment) {
		return func(d *appsv1.Deployment) { d.Status.AvailableReplicas = n }
	}

	set("c", func(d *appsv1.Deployment) { d.Annotations = map[string]string{"rollout": "false"} })
	step("the first two", "a b", time.Second)
	set("a", available(0))
	set("b", available(0))
	step("both on their way", "a b", time.Second)
	set("a", available(1))
	step("one is well; the third does not want to", "a b d", time.Second)
	set("d", available(0))
	set("b", available(1))
	lacks["b"] = true
	step("one came back with nothing", "a b d", time.Minute)
	if got, want := noted(recorder), "Warning InstrumentationRolloutStopped pods of Deployment shop/b were replaced and have no instrumentation now"; !strings.Contains(got, want) {
		t.Errorf("got events %s; want %q", got, want)
	}
	ro.asks = func(s started) bool { return s.name != "b" }
	ro.soak = time.Minute
	step("it is looked at for a while", "a b d", time.Second)
	now = now.Add(time.Minute)
	step("it no longer asks for it", "a b d e", time.Second)
	ro.epoch = "2"
	step("the resource changed: nobody is waited for but the one that is not well", "a b d e", time.Second)
	set("d", available(1))
	step("all are", "a b d e", 0)
	if got := fmt.Sprint(before); got != "[a b d e]" {
		t.Errorf("got %s looked at before they were restarted", got)
	}
}

// noted are the events that were recorded.
func noted(r *events.FakeRecorder) string {
	var all []string
	for {
		select {
		case e := <-r.Events:
			all = append(all, e)
		default:
			return strings.Join(all, "\n")
		}
	}
}
