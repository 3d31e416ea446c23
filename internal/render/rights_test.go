package render

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	rbacv1 "k8s.io/api/rbac/v1"
	"sigs.k8s.io/yaml"

	"github.com/signalbox-otel/signalbox/api/v1alpha1"
	"github.com/signalbox-otel/signalbox/api/v1beta1"
)

// The rights that a collector needs are those of its components in use, in the
// same order whatever the order of maps.
func TestRules(t *testing.T) {
	f := func(config string, want ...rbacv1.PolicyRule) {
		t.Helper()
		cr := new(v1beta1.OpenTelemetryCollector)
		if err := yaml.UnmarshalStrict([]byte(config), &cr.Spec.Config); err != nil {
			t.Fatal(err)
		}
		cr.Name, cr.Namespace = "c", "n"
		plan, err := Collector(cr, Facts{RBAC: true})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, plan.Rules()); diff != "" {
			t.Errorf("rules of\n%s(-want +got):\n%s", config, diff)
		}
	}
	read := "get list watch"
	f(`
receivers: {k8s_events: {}}
processors: {k8s_attributes: {}}
exporters: {debug: {}}
service: {pipelines: {logs: {receivers: [otlp], exporters: [debug]}}}
`)
	f(`
receivers: {k8s_events: {}, otlp: {}}
processors:
  k8sattributes: {extract: {metadata: [k8s.node.name, service.name]}}
  resourcedetection: {detectors: [k8s_api, openshift]}
exporters: {debug: {}}
service: {pipelines: {logs: {receivers: [k8s_events, otlp], processors: [k8sattributes, resourcedetection], exporters: [debug]}}}
`,
		rule("", "events", read), rule("", "namespaces pods", read), rule("", "nodes", "get list"), rule("", "nodes", read),
		rule("apps", "replicasets", read), rule("config.openshift.io", "infrastructures infrastructures/status", read))
	f(`
receivers:
  k8s_objects:
    objects:
    - name: pods
    - {name: events, group: events.k8s.io, mode: watch}
    - {name: events, mode: pull}
  kubeletstats:
    metrics:
      k8s.pod.cpu_limit_utilization: {enabled: true}
exporters: {debug: {}}
extensions:
  k8s_leader_elector: {}
  k8s_observer: {observe_nodes: true}
service:
  extensions: [k8s_leader_elector, k8s_observer]
  pipelines: {logs: {receivers: [k8s_objects], exporters: [debug]}, metrics: {receivers: [kubeletstats], exporters: [debug]}}
`,
		rule("", "events", "list"), rule("", "nodes", "list watch"), rule("", "nodes/proxy", "get"), rule("", "nodes/stats", "get"),
		rule("", "pods", "get list"), rule("", "pods", "list watch"),
		rule("coordination.k8s.io", "leases", "get list watch create update patch delete"), rule("events.k8s.io", "events", "list watch"))
	f(`
receivers:
  prometheus:
    config:
      scrape_configs:
      - job_name: a
        kubernetes_sd_configs:
        - {role: endpointslice, attach_metadata: {node: true}}
        - {role: ingress}
exporters: {debug: {}}
service: {pipelines: {metrics: {receivers: [prometheus], exporters: [debug]}}}
`,
		rule("", "nodes", read), rule("", "pods services", read),
		rule("discovery.k8s.io", "endpointslices", read), rule("networking.k8s.io", "ingresses", read))
}

// BenchmarkCollector is what the operator does for each collector whenever
// something about it changes.
func BenchmarkCollector(b *testing.B) {
	cr := new(v1beta1.OpenTelemetryCollector)
	if err := yaml.UnmarshalStrict([]byte(`
metadata: {name: gateway, namespace: observability}
spec:
  config:
    receivers: {otlp: {protocols: {grpc: {}, http: {}}}, statsd: {}}
    processors: {batch: {}, k8s_attributes: {}}
    exporters: {debug: {}, prometheus: {}}
    extensions: {health_check: {}}
    service:
      extensions: [health_check]
      pipelines:
        traces: {receivers: [otlp], processors: [k8s_attributes, batch], exporters: [debug]}
        metrics: {receivers: [otlp, statsd], exporters: [prometheus]}
`), cr); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Collector(cr, Facts{CollectorImage: "signalbox:1", RBAC: true}); err != nil {
			b.Fatal(err)
		}
	}
}

func TestGrants(t *testing.T) {
	cr := &v1alpha1.TargetAllocator{}
	cr.Name, cr.Namespace = "ta", "shop"
	cr.Spec.PrometheusCR.Enabled = true
	cr.Spec.PrometheusCR.SecretNamespaces = []string{"vault"}
	plan, err := Allocator(cr, nil, Facts{RBAC: true})
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]int{}
	for _, g := range plan.Grants() {
		got[g.Account+" in "+g.Namespace] = len(g.Rules)
	}
	want := map[string]int{"ta-targetallocator in shop": 1, "ta-targetallocator in vault": 1, "ta-targetallocator in ": 6}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("rules by account and namespace: -want +got\n%s", diff)
	}
}
