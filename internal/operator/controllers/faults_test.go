package controllers_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/signalbox-otel/signalbox/api/v1beta1"
	"github.com/signalbox-otel/signalbox/internal/operator/controllers/apply"
)

// made is every kind of object that a collector may have.
const made = "configmap,service,serviceaccount,deployment,daemonset,statefulset,hpa,pdb,ingress,networkpolicy,role,rolebinding,clusterrole,clusterrolebinding,targetallocators"

// snapshot is what there is of a resource, without what differs each time: the
// parts of objects that others write, and the name of the resource.
func (b *bed) snapshot(name string) string {
	b.t.Helper()
	text := b.kubectl("", "get", made, "-A", "-o", "yaml", "-l", "app.kubernetes.io/instance="+b.namespace+"."+name)
	var list struct{ Items []map[string]any }
	if err := yaml.Unmarshal([]byte(text), &list); err != nil {
		b.t.Fatal(err)
	}
	var all []string
	for _, o := range list.Items {
		delete(o, "status")
		m := o["metadata"].(map[string]any)
		for _, key := range []string{"uid", "resourceVersion", "creationTimestamp", "generation"} {
			delete(m, key)
		}
		for _, r := range elements(m["ownerReferences"]) {
			delete(r.(map[string]any), "uid")
		}
		delete(m["annotations"].(map[string]any), apply.HashAnnotation) // of a text with a uid
		if spec, ok := o["spec"].(map[string]any); ok && o["kind"] == "Service" {
			delete(spec, "clusterIPs")
			if spec["clusterIP"] != "None" {
				delete(spec, "clusterIP")
			}
		}
		one, err := yaml.Marshal(o)
		if err != nil {
			b.t.Fatal(err)
		}
		all = append(all, regexp.MustCompile(`\b`+name+`\b`).ReplaceAllString(string(one), "NAME"))
	}
	slices.Sort(all)
	return strings.Join(all, "---\n")
}

func elements(v any) []any {
	l, _ := v.([]any)
	return l
}

// TestKilled kills the operator after each of its writes in turn: the next one
// ends in the same state as one that nobody kills.
func TestKilled(t *testing.T) {
	b := newBed(t)
	one := func(name string) string {
		return strings.NewReplacer("name: simple", "name: "+name, "replicas: 2", "mode: statefulset\n  replicas: 1").Replace(simple)
	}
	b.apply(one("whole"))
	b.start()
	b.awaitReady("whole")
	b.end()
	want := b.snapshot("whole")

	name := func(n int) string { return fmt.Sprintf("made%d", n) }
	n := b.killed(func(n int) { b.apply(one(name(n))) }, func(n int) bool { return b.ready(name(n)) })
	if n < 10 {
		t.Errorf("the operator was killed %d times while it made a collector; want 10 at least", n)
	}
	for i := range n {
		if diff := cmp.Diff(want, b.snapshot(name(i+1))); diff != "" {
			t.Errorf("killed after %d writes (-want +got):\n%s", i+1, diff)
		}
	}

	// What has to be deleted and made again is made again.
	n = b.killed(func(n int) { b.patch(name(n), `{"spec": {"podManagementPolicy": "OrderedReady"}}`) }, func(n int) bool {
		s := &appsv1.StatefulSet{}
		return get(b, name(n)+"-collector", s) && s.Spec.PodManagementPolicy == appsv1.OrderedReadyPodManagement && b.ready(name(n))
	})
	if n < 2 {
		t.Errorf("the operator was killed %d times while it replaced a StatefulSet; want 2 at least", n)
	}

	n = b.killed(func(n int) { b.kubectl("", "-n", b.namespace, "delete", "otelcol", name(n), "--wait=false") }, func(n int) bool {
		return b.left(name(n)) == ""
	})
	// The last write, which lets the collector go, may be seen before its end is.
	if n < 2 {
		t.Errorf("the operator was killed %d times while a collector was deleted; want 2 at least", n)
	}
}

// killed does something, starts an operator that is killed after n writes, then
// one that is not, and waits until all is as it should be; for n of 1, 2 and so
// on, until one got there without being killed. It returns how many were killed.
func (b *bed) killed(do func(n int), done func(n int) bool) int {
	b.t.Helper()
	for n := 1; ; n++ {
		do(n)
		b.writes.left = n
		b.start()
		alive := true
		b.await(fmt.Sprintf("all is well without a kill after %d writes", n), func() bool {
			select {
			case err := <-b.ended:
				b.ended <- err
				alive = false
				return true
			default:
				return done(n)
			}
		})
		b.end()
		b.writes.left = 0
		if alive {
			return n - 1
		}
		b.start()
		b.await(fmt.Sprintf("all is well after a kill after %d writes", n), func() bool { return done(n) })
		b.end()
	}
}

// left is what there is of a resource.
func (b *bed) left(name string) string {
	b.t.Helper()
	return b.kubectl("", "get", made+",otelcol,pod", "-A", "-o", "name", "-l", "app.kubernetes.io/instance="+b.namespace+"."+name) +
		b.kubectl("", "get", "-n", b.namespace, "otelcol", name, "--ignore-not-found", "-o", "name")
}

// awaitGone waits until nothing is there of a resource.
func (b *bed) awaitGone(name string) {
	b.t.Helper()
	b.await("nothing is left", func() bool { return b.left(name) == "" })
}

// TestDeletedMeanwhile deletes a collector while no operator runs.
func TestDeletedMeanwhile(t *testing.T) {
	b := newBed(t)
	b.apply(simple)
	b.start()
	b.awaitReady("simple")
	b.end()
	b.kubectl("", "-n", b.namespace, "delete", "otelcol", "simple", "--wait=false")
	c := &v1beta1.OpenTelemetryCollector{}
	if !get(b, "simple", c) || c.DeletionTimestamp == nil {
		t.Fatalf("the collector does not wait for the operator: %+v", c.ObjectMeta)
	}
	b.start()
	b.awaitGone("simple")

	// Who takes the finalizer off leaves rights behind, which are found.
	b.apply(simple)
	b.awaitReady("simple")
	b.end()
	b.kubectl("", "-n", b.namespace, "patch", "otelcol", "simple", "--type=merge", "-p", `{"metadata": {"finalizers": null}}`)
	b.kubectl("", "-n", b.namespace, "delete", "otelcol", "simple")
	b.apply(strings.ReplaceAll(simple, "simple", "other"))
	b.start()
	b.awaitGone("simple")

	// One of the same name begins anew.
	b.apply(simple)
	b.awaitReady("simple")
}

// TestUnreachable cuts the operator off from the API server, and changes things
// meanwhile.
func TestUnreachable(t *testing.T) {
	b := newBed(t)
	b.apply(simple)
	b.start()
	b.awaitReady("simple")
	b.network.set(true)
	b.patch("simple", `{"spec": {"replicas": 3}}`)
	var maps corev1.ConfigMapList
	if err := b.DeleteAllOf(t.Context(), &corev1.ConfigMap{}, client.InNamespace(b.namespace), client.HasLabels{v1beta1.LabelManagedBy}); err != nil {
		t.Fatal(err)
	}
	b.network.set(false)
	c := b.awaitReady("simple")
	if c.Status.Scale.StatusReplicas != "3/3" {
		t.Errorf("statusReplicas is %s; want 3/3", c.Status.Scale.StatusReplicas)
	}
	b.await("the ConfigMap is back", func() bool { return len(b.names(&maps, "simple")) == 1 })
}

// TestRenderError shows that what cannot be rendered is said, and that what ran
// before stays.
func TestRenderError(t *testing.T) {
	b := newBed(t)
	b.apply(simple)
	b.start()
	b.awaitReady("simple")
	b.patch("simple", `{"spec": {"targetAllocator": {"enabled": true}}}`)
	c := &v1beta1.OpenTelemetryCollector{}
	b.await("the condition says so", func() bool {
		get(b, "simple", c)
		ready := meta.FindStatusCondition(c.Status.Conditions, "Ready")
		return ready.Status == "False" && ready.Reason == "ReconcileError" && strings.Contains(ready.Message, "spec.targetAllocator needs mode statefulset or daemonset")
	})
	b.await("there is an event", func() bool { return len(b.events("simple", "ReconcileError")) == 1 })
	if c.Status.Scale.StatusReplicas != "2/2" || !get(b, "simple-collector", &appsv1.Deployment{}) {
		t.Errorf("what ran before is gone: %+v", c.Status.Scale)
	}
}
