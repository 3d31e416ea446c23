package controllers_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/signalbox-otel/signalbox/api/v1beta1"
	"github.com/signalbox-otel/signalbox/internal/render"
)

// object is an object of the namespace; nil when it is not there.
func get[T client.Object](b *bed, name string, into T) (found bool) {
	b.t.Helper()
	err := b.Get(b.t.Context(), types.NamespacedName{Namespace: b.namespace, Name: name}, into)
	if err != nil && !apierrors.IsNotFound(err) {
		b.t.Fatal(err)
	}
	return err == nil
}

// await waits until it is so.
func (b *bed) await(what string, so func() bool) {
	b.t.Helper()
	if err := until(b.t.Context(), func() (bool, error) { return so(), nil }); err != nil {
		b.t.Fatalf("%v: %s", err, what)
	}
}

// names are those of the collector's objects of a kind, sorted.
func (b *bed) names(list client.ObjectList, resource string, options ...client.ListOption) []string {
	b.t.Helper()
	selector := render.Selector(render.ComponentCollector, &v1beta1.OpenTelemetryCollector{ObjectMeta: named(b.namespace, resource)})
	if err := b.List(b.t.Context(), list, append(options, client.MatchingLabels(selector))...); err != nil {
		b.t.Fatal(err)
	}
	objects, err := meta.ExtractList(list)
	if err != nil {
		b.t.Fatal(err)
	}
	names := []string{}
	for _, o := range objects {
		if o := o.(client.Object); o.GetDeletionTimestamp() == nil {
			names = append(names, o.GetName())
		}
	}
	slices.Sort(names)
	return names
}

// events are the reasons and texts of those about a resource.
func (b *bed) events(name, reason string) []string {
	b.t.Helper()
	var list corev1.EventList
	if err := b.List(b.t.Context(), &list, client.InNamespace(b.namespace)); err != nil {
		b.t.Fatal(err)
	}
	var all []string
	for _, e := range list.Items {
		if e.InvolvedObject.Name == name && e.Reason == reason {
			all = append(all, e.Message)
		}
	}
	return all
}

func TestRepair(t *testing.T) {
	b := newBed(t)
	b.apply(simple)
	b.start()
	b.awaitReady("simple")

	service := &corev1.Service{}
	get(b, "simple-collector", service)
	if err := b.Delete(t.Context(), service); err != nil {
		t.Fatal(err)
	}
	b.await("the Service is back", func() bool { return get(b, "simple-collector", service) })

	var maps corev1.ConfigMapList
	config := b.names(&maps, "simple")[0]
	if err := b.Delete(t.Context(), &maps.Items[0]); err != nil {
		t.Fatal(err)
	}
	b.await("the ConfigMap is back", func() bool { return get(b, config, &corev1.ConfigMap{}) })

	d := &appsv1.Deployment{}
	get(b, "simple-collector", d)
	before := d.DeepCopy()
	d.Spec.Replicas = new(int32(7))
	d.Spec.Template.Spec.Containers[0].Image = "other:1"
	d.Spec.Template.Annotations["kubectl.kubernetes.io/restartedAt"] = "2026-11-20T12:00:00Z"
	if err := b.Patch(t.Context(), d, client.MergeFrom(before)); err != nil {
		t.Fatal(err)
	}
	b.await("the Deployment is as it was", func() bool {
		get(b, "simple-collector", d)
		return *d.Spec.Replicas == 2 && d.Spec.Template.Spec.Containers[0].Image == "signalbox:test"
	})
	if d.Spec.Template.Annotations["kubectl.kubernetes.io/restartedAt"] == "" {
		t.Error("what kubectl rollout restart wrote is gone")
	}
	b.await("an event says what was repaired", func() bool {
		return slices.Contains(b.events("simple", "Repaired"), "updated Deployment simple-collector: it had been changed: spec.replicas, spec.template.spec.containers[0].image")
	})

	// Without its label an object is out of sight, but not given up.
	get(b, "simple-collector", service)
	withLabel := service.DeepCopy()
	delete(service.Labels, v1beta1.LabelManagedBy)
	if err := b.Patch(t.Context(), service, client.MergeFrom(withLabel)); err != nil {
		t.Fatal(err)
	}
	b.await("the label is back", func() bool {
		get(b, "simple-collector", service)
		return service.Labels[v1beta1.LabelManagedBy] != ""
	})
}

// kubectlPatch changes the spec of a collector.
func (b *bed) patch(name, patch string) {
	b.t.Helper()
	b.kubectl("", "-n", b.namespace, "patch", "otelcol", name, "--type=merge", "-p", patch)
}

func TestPrune(t *testing.T) {
	b := newBed(t)
	b.apply(strings.Split(everything, "---")[0])
	b.start()
	b.await("all is made", func() bool {
		c := &v1beta1.OpenTelemetryCollector{}
		get(b, "gateway", c)
		return c.Status.ObservedGeneration == c.Generation
	})
	kinds := func() string {
		return b.kubectl("", "get", "hpa,ingress,networkpolicy,pdb,svc,clusterrole,clusterrolebinding", "-o", "name", "-A",
			"-l", "app.kubernetes.io/instance="+b.namespace+".gateway")
	}
	f := func(want ...string) {
		t.Helper()
		slices.Sort(want)
		var got []string
		err := until(t.Context(), func() (bool, error) {
			got = strings.Fields(kinds())
			slices.Sort(got)
			return slices.Equal(got, want), nil
		})
		if err != nil {
			t.Fatalf("%v (-want +got):\n%s", err, cmp.Diff(want, got))
		}
	}
	rights := []string{
		"clusterrole.rbac.authorization.k8s.io/gateway-" + b.namespace + "-cluster-role",
		"clusterrolebinding.rbac.authorization.k8s.io/gateway-" + b.namespace + "-collector",
	}
	rest := []string{
		"poddisruptionbudget.policy/gateway-collector", "service/gateway-collector", "service/gateway-collector-headless",
		"service/gateway-collector-monitoring",
	}
	health := "service/gateway-collector-extension"
	f(slices.Concat(rights, rest, []string{health, "horizontalpodautoscaler.autoscaling/gateway-collector",
		"ingress.networking.k8s.io/gateway-ingress", "networkpolicy.networking.k8s.io/gateway-collector-networkpolicy"})...)

	b.patch("gateway", `{"spec": {"autoscaler": null, "ingress": null, "networkPolicy": null}}`)
	f(slices.Concat(rights, rest, []string{health})...)
	b.patch("gateway", `{"spec": {"config": {"processors": null, "service": {"extensions": [], "pipelines": {"traces": {"processors": []}}}}}}`)
	f(rest...)
	c := &v1beta1.OpenTelemetryCollector{}
	b.await("the finalizer is gone with what it was for", func() bool {
		get(b, "gateway", c)
		return len(c.Finalizers) == 0
	})
}

// Old ConfigMaps are kept for those who roll back by name: as many as asked for.
func TestConfigVersions(t *testing.T) {
	b := newBed(t)
	b.apply(simple)
	b.patch("simple", `{"spec": {"configVersions": 2}}`)
	b.start()
	var current []string
	name := func() string {
		d := &appsv1.Deployment{}
		if !get(b, "simple-collector", d) {
			return ""
		}
		return d.Spec.Template.Spec.Volumes[0].ConfigMap.Name
	}
	b.await("the Deployment has a ConfigMap", func() bool { return name() != "" })
	current = append(current, name())
	for i := range 4 {
		b.patch("simple", fmt.Sprintf(`{"spec": {"config": {"exporters": {"debug": {"sampling_initial": %d}}}}}`, i+1))
		b.await("the Deployment has the new ConfigMap", func() bool { return !slices.Contains(current, name()) })
		current = append(current, name())
	}
	f := func(newest int) {
		t.Helper()
		b.await("there are three ConfigMaps, with the one in use", func() bool {
			got := b.names(&corev1.ConfigMapList{}, "simple")
			return len(got) == 3 && slices.Contains(got, current[newest])
		})
	}
	f(4)
	// The last but one is used again, under its name.
	b.patch("simple", `{"spec": {"config": {"exporters": {"debug": {"sampling_initial": 3}}}}}`)
	b.await("the Deployment has the ConfigMap of before", func() bool { return name() == current[3] })
	f(3)
}

func TestNameTaken(t *testing.T) {
	b := newBed(t)
	foreign := `{apiVersion: v1, kind: Service, metadata: {name: simple-collector}, spec: {selector: {app: mine}, ports: [{port: 1}]}}`
	b.apply(foreign)
	role := &rbacv1.ClusterRole{ObjectMeta: named("", "simple-"+b.namespace+"-cluster-role")}
	if err := b.Create(t.Context(), role); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Delete(context.WithoutCancel(t.Context()), role); err != nil {
			t.Error(err)
		}
	})
	service := &corev1.Service{}
	get(b, "simple-collector", service)
	b.apply(simple)
	b.start()
	c := &v1beta1.OpenTelemetryCollector{}
	b.await("the condition says so", func() bool {
		get(b, "simple", c)
		applied := meta.FindStatusCondition(c.Status.Conditions, "Applied")
		return applied != nil && applied.Status == "False" && applied.Reason == "NameTaken" &&
			strings.Contains(applied.Message, "Service simple-collector exists already, and it was not made by the operator") &&
			strings.Contains(applied.Message, "ClusterRole simple-")
	})
	if !get(b, "simple-collector", &appsv1.Deployment{}) {
		t.Error("the other objects are not applied")
	}
	after := &corev1.Service{}
	get(b, "simple-collector", after)
	if diff := cmp.Diff(service, after); diff != "" {
		t.Errorf("the Service of somebody else was changed (-before +after):\n%s", diff)
	}
	b.await("there is an event", func() bool { return len(b.events("simple", "NameTaken")) == 1 })

	// Gone, it is ours.
	if err := b.Delete(t.Context(), after); err != nil {
		t.Fatal(err)
	}
	b.patch("simple", `{"metadata": {"labels": {"again": "1"}}}`)
	b.await("the Service is ours", func() bool {
		return get(b, "simple-collector", after) && len(after.OwnerReferences) == 1
	})
}

// Two resources with long names may ask for objects of the same name.
func TestLongNames(t *testing.T) {
	b := newBed(t)
	long := strings.Repeat("a", 60)
	b.apply(strings.Replace(simple, "name: simple", "name: "+long+"x", 1))
	b.start()
	b.awaitReady(long + "x")
	b.apply(strings.Replace(simple, "name: simple", "name: "+long+"y", 1))
	c := &v1beta1.OpenTelemetryCollector{}
	b.await("the second is told who has the name", func() bool {
		get(b, long+"y", c)
		ready := meta.FindStatusCondition(c.Status.Conditions, "Applied")
		return ready != nil && ready.Reason == "NameTaken" && strings.Contains(ready.Message, long+"x")
	})
	b.awaitReady(long + "x")
}

func TestImmutable(t *testing.T) {
	b := newBed(t)
	b.apply(strings.NewReplacer("replicas: 2", "mode: statefulset\n  replicas: 2").Replace(simple))
	b.start()
	b.awaitReady("simple")
	before := &appsv1.StatefulSet{}
	get(b, "simple-collector", before)
	b.patch("simple", `{"spec": {"podManagementPolicy": "OrderedReady"}}`)
	after := &appsv1.StatefulSet{}
	b.await("it is another StatefulSet", func() bool {
		return get(b, "simple-collector", after) && after.UID != before.UID
	})
	b.awaitReady("simple")
	b.await("an event says why", func() bool {
		return slices.Contains(b.events("simple", "Replaced"), "replaced StatefulSet simple-collector: spec.podManagementPolicy cannot be changed in place")
	})
	pod := &corev1.Pod{}
	get(b, "simple-collector-0", pod)
	if !pod.CreationTimestamp.Before(&after.CreationTimestamp) && pod.CreationTimestamp != after.CreationTimestamp {
		t.Errorf("pod 0 was made at %s; want it to stay, the StatefulSet was made again at %s", pod.CreationTimestamp, after.CreationTimestamp)
	}
}

func TestUnmanaged(t *testing.T) {
	b := newBed(t)
	b.apply(simple)
	b.start()
	b.awaitReady("simple")
	b.during(1, func() { b.patch("simple", `{"spec": {"managementState": "unmanaged", "replicas": 5}}`) })
	b.writes.take()
	service := &corev1.Service{}
	get(b, "simple-collector", service)
	b.during(1, func() {
		if err := b.Delete(t.Context(), service); err != nil {
			t.Fatal(err)
		}
	})
	if got := b.writes.take(); len(got) > 0 {
		t.Errorf("the operator writes\n%s", strings.Join(got, "\n"))
	}
	b.patch("simple", `{"spec": {"managementState": "managed"}}`)
	b.await("it is managed again", func() bool {
		d := &appsv1.Deployment{}
		get(b, "simple-collector", d)
		return get(b, "simple-collector", service) && *d.Spec.Replicas == 5
	})
}
