package controllers_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/signalbox-otel/signalbox/api/v1alpha1"
	"github.com/signalbox-otel/signalbox/internal/render"
)

const scraper = `
apiVersion: opentelemetry.io/v1beta1
kind: OpenTelemetryCollector
metadata: {name: NAME, labels: {LABELS}}
spec:
  mode: statefulset
  targetAllocator: {enabled: ENABLED}
  config:
    receivers: {prometheus: {config: {scrape_configs: [{job_name: NAME, static_configs: [{targets: [localhost:8888]}]}]}}}
    exporters: {debug: {}}
    service: {pipelines: {metrics: {receivers: [prometheus], exporters: [debug]}}}
`

// config is a file in the ConfigMap that a collector's pods have.
func (b *bed) config(name string) string {
	b.t.Helper()
	s := &appsv1.StatefulSet{}
	if !get(b, name+"-collector", s) {
		return ""
	}
	m := &corev1.ConfigMap{}
	get(b, s.Spec.Template.Spec.Volumes[0].ConfigMap.Name, m)
	return m.Data["collector.yaml"]
}

// An embedded target allocator is a resource of its own, that comes and goes
// with the collector's wish for one.
func TestEmbeddedAllocator(t *testing.T) {
	b := newBed(t)
	text := func(enabled string) string {
		return strings.NewReplacer("NAME", "self", "LABELS", "", "ENABLED", enabled).Replace(scraper)
	}
	b.apply(text("true"))
	b.start()
	b.awaitReady("self")
	a := &v1alpha1.TargetAllocator{}
	b.await("the allocator says what it runs", func() bool {
		return get(b, "self", a) && a.Status.Image == "signalbox:test" && a.Status.Version == "0.158.0"
	})
	if !strings.Contains(b.config("self"), "http://self-targetallocator:80") {
		t.Errorf("the collector does not ask its allocator:\n%s", b.config("self"))
	}
	files := &corev1.ConfigMap{}
	b.await("it has the scrape configurations", func() bool {
		return get(b, "self-targetallocator", files) && strings.Contains(files.Data["targetallocator.yaml"], "job_name: self")
	})
	b.await("it may watch pods", func() bool { return get(b, "self-targetallocator", &rbacv1.RoleBinding{}) })

	// What the allocator does not want any more goes, of every kind.
	b.await("it has a budget", func() bool { return get(b, "self-targetallocator", &policyv1.PodDisruptionBudget{}) })
	b.patch("self", `{"spec": {"networkPolicy": {"enabled": true}}}`)
	b.await("it has a policy", func() bool {
		return get(b, "self-targetallocator-networkpolicy", &networkingv1.NetworkPolicy{})
	})
	b.patch("self", `{"spec": {"networkPolicy": {"enabled": false}, "targetAllocator": {"allocationStrategy": "least-weighted"}}}`)
	b.await("policy and budget are gone", func() bool {
		return !get(b, "self-targetallocator-networkpolicy", &networkingv1.NetworkPolicy{}) && !get(b, "self-targetallocator", &policyv1.PodDisruptionBudget{})
	})

	b.apply(text("false"))
	b.await("the allocator is gone with all that it had", func() bool {
		return !get(b, "self", a) && !get(b, "self-targetallocator", &appsv1.Deployment{}) && !get(b, "self-targetallocator", files)
	})
	b.await("the collector scrapes by itself", func() bool { return strings.Contains(b.config("self"), "job_name: self") })
}

// One target allocator serves all collectors that name it, and those learn of it
// and of what becomes of it.
func TestSharedAllocator(t *testing.T) {
	b := newBed(t)
	for _, name := range []string{"one", "two"} {
		b.apply(strings.NewReplacer("NAME", name, "LABELS", "opentelemetry.io/target-allocator: shared", "ENABLED", "false").Replace(scraper))
	}
	b.start()
	b.awaitReady("one")
	b.awaitReady("two")
	if !strings.Contains(b.config("one"), "job_name: one") {
		t.Errorf("without its allocator the collector does not scrape by itself:\n%s", b.config("one"))
	}
	b.apply(`{apiVersion: opentelemetry.io/v1alpha1, kind: TargetAllocator, metadata: {name: shared}}`)
	files := &corev1.ConfigMap{}
	f := func(jobs ...string) {
		t.Helper()
		b.await(fmt.Sprintf("it serves %v", jobs), func() bool {
			get(b, "shared-targetallocator", files)
			return !slices.ContainsFunc([]string{"one", "two"}, func(name string) bool {
				return slices.Contains(jobs, name) != strings.Contains(files.Data["targetallocator.yaml"], "job_name: "+name)
			})
		})
		for _, name := range jobs {
			b.await(name+" asks it", func() bool { return strings.Contains(b.config(name), "http://shared-targetallocator:80") })
		}
	}
	f("one", "two")
	b.kubectl("", "-n", b.namespace, "label", "otelcol", "two", "opentelemetry.io/target-allocator-")
	f("one")
	b.await("the other scrapes by itself again", func() bool { return strings.Contains(b.config("two"), "job_name: two") })
}

// Certificates are asked for where mutual TLS is wanted and nobody gives them.
func TestCertificates(t *testing.T) {
	b := newBed(t)
	asked := make(chan string, 100)
	b.certificates = func(_ context.Context, a *v1alpha1.TargetAllocator) (time.Time, error) {
		asked <- a.Name
		return time.Now().Add(time.Hour), nil
	}
	const allocator = `{apiVersion: opentelemetry.io/v1alpha1, kind: TargetAllocator, metadata: {name: NAME}, spec: {MTLS scrapeConfigs: [{job_name: a}]}}`
	b.apply(strings.NewReplacer("NAME", "plain", "MTLS", "").Replace(allocator))
	b.apply(strings.NewReplacer("NAME", "safe", "MTLS", "mtls: {enabled: true},").Replace(allocator))
	b.start()
	b.await("both run", func() bool {
		return get(b, "plain-targetallocator", &appsv1.Deployment{}) && get(b, "safe-targetallocator", &appsv1.Deployment{})
	})
	b.end()
	close(asked)
	names := map[string]bool{}
	for name := range asked {
		names[name] = true
	}
	if !names["safe"] || names["plain"] {
		t.Errorf("certificates were asked for %v; want safe alone", names)
	}
}

func TestBridge(t *testing.T) {
	b := newBed(t)
	b.apply(`
apiVersion: opentelemetry.io/v1alpha1
kind: OpAMPBridge
metadata: {name: bridge}
spec: {endpoint: ws://opamp.example.test, image: "bridge:1", capabilities: {AcceptsRemoteConfig: true}}
`)
	b.start()
	role := &rbacv1.ClusterRole{}
	b.await("it runs, and has its rights", func() bool {
		return get(b, "bridge-opamp-bridge", &appsv1.Deployment{}) &&
			b.Get(t.Context(), client.ObjectKey{Name: "bridge-" + b.namespace + "-opamp-bridge-role"}, role) == nil
	})
	b.kubectl("", "-n", b.namespace, "delete", "opampbridge", "bridge")
	b.await("its rights are gone with it", func() bool {
		return b.Get(t.Context(), client.ObjectKeyFromObject(role), role) != nil
	})
}

const serviceMonitors = `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata:
  name: servicemonitors.monitoring.coreos.com
  annotations: {api-approved.kubernetes.io: "unapproved, for a test"}
spec:
  group: monitoring.coreos.com
  scope: Namespaced
  names: {kind: ServiceMonitor, plural: servicemonitors, singular: servicemonitor}
  versions:
    - name: v1
      served: true
      storage: true
      schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
`

// What another API makes possible is there as soon as it is, and all else goes on
// when the API goes.
func TestOptionalKinds(t *testing.T) {
	b := newBed(t)
	b.apply(simple)
	b.patch("simple", `{"spec": {"observability": {"metrics": {"enableMetrics": true}}}}`)
	b.start()
	b.awaitReady("simple")
	b.kubectl(serviceMonitors, "apply", "-f", "-")
	b.kubectl("", "wait", "--for=condition=Established", "crd", "servicemonitors.monitoring.coreos.com", "--timeout=60s")
	b.learn(func(f *render.Facts) { f.ServiceMonitors = true })
	monitors := func() []string {
		return strings.Fields(b.kubectl("", "-n", b.namespace, "get", "servicemonitors", "-o", "name"))
	}
	monitor := "servicemonitor.monitoring.coreos.com/simple-monitoring-collector"
	b.await("there is a monitor", func() bool { return slices.Equal(monitors(), []string{monitor}) })
	b.kubectl("", "-n", b.namespace, "delete", monitor)
	b.await("it is repaired", func() bool { return slices.Equal(monitors(), []string{monitor}) })
	b.patch("simple", `{"spec": {"observability": {"metrics": {"enableMetrics": false}}}}`)
	b.await("it is not wanted any more", func() bool { return len(monitors()) == 0 })

	b.kubectl("", "delete", "crd", "servicemonitors.monitoring.coreos.com")
	b.learn(func(f *render.Facts) { f.ServiceMonitors = false })
	b.patch("simple", `{"spec": {"replicas": 1, "observability": {"metrics": {"enableMetrics": true}}}}`)
	if c := b.awaitReady("simple"); c.Status.Scale.StatusReplicas != "1/1" {
		t.Errorf("statusReplicas is %s; want 1/1", c.Status.Scale.StatusReplicas)
	}
}
