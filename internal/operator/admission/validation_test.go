package admission

import (
	"context"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/signalbox-otel/signalbox/internal/migrate"
	"github.com/signalbox-otel/signalbox/internal/render"
)

// refused checks what is said of a resource that is refused; nothing when it is
// to be accepted.
func (h *testHooks) refused(k kind, old, spec, want string) {
	h.t.Helper()
	document := func(spec string) string {
		if spec == "" {
			return ""
		}
		return k.head + spec + "}"
	}
	got := call(h.t, h.handler(), k.validate, admit(h.t, document(old), document(spec)))
	message := ""
	if !got.Allowed {
		message = got.Result.Message
	}
	if diff := cmp.Diff(strings.TrimSpace(want), message); diff != "" {
		h.t.Errorf("%s: -want +got\n%s", spec, diff)
	}
}

// warned checks what is said of a resource that is accepted.
func (h *testHooks) warned(k kind, spec, want string) {
	h.t.Helper()
	got := call(h.t, h.handler(), k.validate, admit(h.t, "", k.head+spec+"}"))
	if !got.Allowed {
		h.t.Errorf("%s: got %s; want it accepted", spec, got.Result.Message)
	}
	if diff := cmp.Diff(strings.TrimSpace(want), strings.Join(got.Warnings, "\n")); diff != "" {
		h.t.Errorf("%s: -want +got\n%s", spec, diff)
	}
}

func TestCollectorRefused(t *testing.T) {
	h := &testHooks{t: t}
	f := func(spec, want string) {
		t.Helper()
		h.refused(collectors, "", "{"+spec+"}", want)
	}
	f(valid, "")
	f(valid+", volumeClaimTemplates: [{metadata: {name: a}}], persistentVolumeClaimRetentionPolicy: {}", `
spec.volumeClaimTemplates: only pods of mode statefulset have volume claims of their own; this is a deployment
spec.persistentVolumeClaimRetentionPolicy: only pods of mode statefulset have volume claims of their own; this is a deployment`)
	f(valid+", mode: statefulset, volumeClaimTemplates: [{metadata: {name: a}}]", "")
	f(valid+", mode: sidecar, tolerations: [{key: a}], priorityClassName: a, affinity: {}, additionalContainers: [{name: a}], ingress: {type: ingress}", `
spec.tolerations: mode sidecar does not allow it: the pod that the collector joins has its own
spec.priorityClassName: mode sidecar does not allow it: the pod that the collector joins has its own
spec.affinity: mode sidecar does not allow it: the pod that the collector joins has its own
spec.additionalContainers: mode sidecar does not allow it: the pod that the collector joins has its own
spec.ingress: mode sidecar has no Service that an Ingress could lead to`)
	f(valid+", daemonSetUpdateStrategy: {type: OnDelete}", "spec.daemonSetUpdateStrategy: is for mode daemonset; this is a deployment")
	f(valid+", mode: daemonset, deploymentUpdateStrategy: {type: Recreate}", "spec.deploymentUpdateStrategy: is for mode deployment; this is a daemonset")
	f(valid+`, ports: [{port: 1}, {name: "%s", port: 2}, {name: a, port: 70000}, {name: b, port: 3, hostPort: -1, protocol: tcp}, {name: long-enough-name, port: 4}]`, `
spec.ports[0].name: a port needs a name
spec.ports[1].name: "%s" is no name of a port: it must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)
spec.ports[2].port: 70000 is no port: it must be between 1 and 65535
spec.ports[3].protocol: "tcp" is not known: it is TCP, UDP or SCTP
spec.ports[3].hostPort: -1 is no port: it must be between 1 and 65535
spec.ports[4].name: "long-enough-name" is no name of a port: it must be no more than 15 characters`)
	f(valid+", ingress: {type: ingress, ruleType: subdomain, hostname: '*'}", `spec.ingress.hostname: ruleType subdomain needs the name that the subdomains are of; it is "*"`)
}

// A7: what the HorizontalPodAutoscaler would be refused for.
func TestAutoscalerRefused(t *testing.T) {
	h := &testHooks{t: t}
	f := func(autoscaler, want string) {
		t.Helper()
		h.refused(collectors, "", "{replicas: 4, autoscaler: "+autoscaler+", "+valid+"}", want)
	}
	f("{maxReplicas: 4}", "")
	f("{}", "spec.autoscaler.maxReplicas: an autoscaler needs maxReplicas")
	f("{minReplicas: 1}", "spec.autoscaler.maxReplicas: minReplicas needs maxReplicas")
	f("{minReplicas: 3, maxReplicas: 2}", `
spec.replicas: 4 is more than spec.autoscaler.maxReplicas, which is 2
spec.autoscaler.minReplicas: 3 is more than maxReplicas, which is 2`)
	f("{minReplicas: 0, maxReplicas: 0, targetCPUUtilization: 0}", `
spec.autoscaler.maxReplicas: must be at least 1; it is 0
spec.autoscaler.minReplicas: must be at least 1; it is 0
spec.autoscaler.targetCPUUtilization: must be at least 1 percent; it is 0`)
	f("{maxReplicas: 5, behavior: {scaleUp: {stabilizationWindowSeconds: -1}, scaleDown: {stabilizationWindowSeconds: 3601}}}", `
spec.autoscaler.behavior.scaleUp.stabilizationWindowSeconds: -1 is not between 0 and 3600
spec.autoscaler.behavior.scaleDown.stabilizationWindowSeconds: 3601 is not between 0 and 3600`)
	f("{maxReplicas: 5, metrics: [{type: Pods}, {type: Object}, {type: Pods, pods: {metric: {name: a}, target: {type: AverageValue, averageValue: '0'}}}, "+
		"{type: Pods, pods: {metric: {name: a}, target: {type: Value}}}, {type: Pods, pods: {metric: {name: a}, target: {type: Utilization}}}, "+
		"{type: Pods, pods: {metric: {name: a}, target: {type: AverageValue, averageValue: '1'}}}]}", `
spec.autoscaler.metrics[0].pods: a metric of type Pods needs it
spec.autoscaler.metrics[1].type: "Object" is not known: a metric has type Pods
spec.autoscaler.metrics[2].pods.target.averageValue: must be at least 1
spec.autoscaler.metrics[3].pods.target.value: must be at least 1
spec.autoscaler.metrics[4].pods.target.type: "Utilization" is not known: it is Value or AverageValue`)
	// A4: the checks go on after it.
	h.refused(collectors, "", "{mode: daemonset, autoscaler: {maxReplicas: 2}, deploymentUpdateStrategy: {type: Recreate}, ingress: {type: ingress, ruleType: subdomain}, "+valid+"}", `
spec.deploymentUpdateStrategy: is for mode deployment; this is a daemonset
spec.ingress.hostname: ruleType subdomain needs the name that the subdomains are of; it is ""`)
}

func TestTargetAllocatorRefused(t *testing.T) {
	h := &testHooks{t: t}
	f := func(spec, want string) {
		t.Helper()
		h.refused(collectors, "", "{"+spec+"}", want)
	}
	f("mode: statefulset, targetAllocator: {enabled: true}, "+scraping, "")
	f("targetAllocator: {enabled: true}, "+scraping, "spec.targetAllocator.enabled: needs mode statefulset or daemonset, whose pods keep their names; this is a deployment")
	f("mode: daemonset, targetAllocator: {enabled: true}, "+scraping, `spec.targetAllocator.allocationStrategy: "consistent-hashing" does not go with mode daemonset: a daemonset takes per-node, and nothing else does`)
	f("mode: daemonset, targetAllocator: {enabled: true, allocationStrategy: per-node}, "+scraping, "")
	f("mode: statefulset, targetAllocator: {enabled: true}, "+strings.ReplaceAll(strings.ReplaceAll(scraping, "prometheus: {config", "prometheus/b: {config"), "[prometheus]", "[prometheus/b]"),
		"spec.targetAllocator: feeds the receiver prometheus, and spec.config has none; call one of prometheus/b so")
	f("mode: statefulset, targetAllocator: {enabled: true}, "+strings.Replace(scraping, "[{job_name: a}]", "[]", 1),
		"spec.config.receivers.prometheus.config.scrape_configs: the target allocator has nothing to share out: add one, or enable spec.targetAllocator.prometheusCR")
	f("mode: statefulset, targetAllocator: {enabled: true, prometheusCR: {enabled: true}}, "+strings.Replace(scraping, "[{job_name: a}]", "[]", 1), "")
	f("mode: statefulset, targetAllocator: {enabled: true, mtls: {enabled: true}}, "+scraping, "")
	f("mode: statefulset, targetAllocator: {enabled: true, mtls: {enabled: true, useCertManager: false}}, "+scraping, `
spec.targetAllocator.mtls.tls.serverCertificate: useCertManager is false, so it must be named
spec.targetAllocator.mtls.tls.clientCertificate: useCertManager is false, so it must be named
spec.targetAllocator.mtls.tls.certificateAuthorityCertificate: useCertManager is false, so a secret or a configMap must be named`)

	// A2: they are validated as resources of their own, too.
	h.refused(allocators, "", "{prometheusCR: {allowNamespaces: [a], denyNamespaces: [b]}}",
		"spec.prometheusCR.denyNamespaces: cannot stand beside allowNamespaces: namespaces that are not allowed are denied")
	h.refused(allocators, "", "{ports: [{port: 0}], mtls: {enabled: true, useCertManager: false, tls: {serverCertificate: {certificateSecret: {name: a}, keySecret: {name: a}}, "+
		"clientCertificate: {certificateSecret: {name: a}, keySecret: {}}, certificateAuthorityCertificate: {secret: {name: a}, configMap: {name: a}}}}}", `
spec.ports[0].name: a port needs a name
spec.ports[0].port: 0 is no port: it must be between 1 and 65535
spec.mtls.tls.clientCertificate.keySecret.name: must name a Secret
spec.mtls.tls.certificateAuthorityCertificate: names both a secret and a configMap: one of them has it`)
	h.refused(allocators, "", "{prometheusCR: {enabled: true}, allocationStrategy: least-weighted, podDisruptionBudget: {maxUnavailable: 1}}",
		"spec.podDisruptionBudget: does not go with the strategy least-weighted, of which only one pod may run")
}

func TestBridgeRefused(t *testing.T) {
	h := &testHooks{t: t}
	h.refused(bridges, "", "{endpoint: ws://server, capabilities: {AcceptsRemoteConfig: true}}", "")
	h.refused(bridges, "", "{endpoint: '', capabilities: {}, replicas: 2, tls: {insecure: true, insecure_skip_verify: true}, ports: [{name: A, port: 0}]}", `
spec.endpoint: names the OpAMP server, and must not be empty
spec.capabilities: must have one at least
spec.tls.insecure_skip_verify: cannot stand beside insecure: without TLS there is nothing to verify
spec.replicas: must be at most 1; it is 2
spec.ports[0].name: "A" is no name of a port: it must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-), and must contain at least one letter (a-z)
spec.ports[0].port: 0 is no port: it must be between 1 and 65535`)
}

func TestInstrumentation(t *testing.T) {
	h := &testHooks{t: t}
	f := func(spec, want string) {
		t.Helper()
		h.refused(instrumentations, "", "{"+spec+"}", want)
	}
	f("sampler: {type: parentbased_jaeger_remote, argument: 'endpoint=http://jaeger:14250, pollingIntervalMs=5000,initialSamplingRate=0.25'}", "")
	f("sampler: {type: parentbased_jaeger_remote, argument: 'endpoint=,pollingIntervalMs=5s,initialSamplingRate=2,rate=1,x'}", `
spec.sampler.argument: endpoint must not be empty
spec.sampler.argument: pollingIntervalMs is a whole number of milliseconds; it is "5s"
spec.sampler.argument: initialSamplingRate is a number from 0 to 1; it is "2"
spec.sampler.argument: "rate" is not known: there are endpoint, pollingIntervalMs and initialSamplingRate
spec.sampler.argument: sampler parentbased_jaeger_remote needs key=value, separated by commas; "x" is none`)
	f("sampler: {type: traceidratio, argument: '0.5'}", "")
	f("sampler: {type: parentbased_traceidratio, argument: '1.5'}", `spec.sampler.argument: sampler parentbased_traceidratio needs a number from 0 to 1; it is "1.5"`)
	f("sampler: {type: sometimes}", `spec.sampler.type: "sometimes" is no sampler`)
	f("sampler: {type: always_on}, java: {volumeLimitSize: 1Gi, volumeClaimTemplate: {spec: {accessModes: [ReadWriteOnce]}}}",
		"spec.java.volumeLimitSize: cannot stand beside volumeClaimTemplate, which says its own size")

	h.warned(instrumentations, "{}", "spec.sampler.type: is empty, so that each SDK takes its own default")
	h.warned(instrumentations, "{sampler: {type: always_on}, exporter: {endpoint: 'http://a:4318', tls: {key_file: a}}, python: {volumeLimitSize: 1Gi}, nginx: {image: mine}, java: {image: 'agents/java:2'}}", `
spec.exporter.tls: has no effect: the endpoint is not https
spec.exporter.tls.key_file: has no effect without cert_file
spec.python.volumeLimitSize: is deprecated: use volumeClaimTemplate
spec.nginx.image: is not the operator's own, so that no upgrade changes it`)
	h.warned(instrumentations, "{sampler: {type: always_on}, exporter: {endpoint: 'https://a:4318'}}",
		"spec.exporter.tls: is not set, so the https endpoint must have a certificate that the images trust")
}

// A3: what became invalid can be cleaned up.
func TestUpdates(t *testing.T) {
	h := &testHooks{t: t}
	invalid := "{" + valid + ", ports: [{port: 1}]}"
	h.refused(collectors, "", invalid, "spec.ports[0].name: a port needs a name")
	h.refused(collectors, invalid, invalid, "")
	// Defaults that an update brings along are no change of the spec either.
	h.refused(collectors, invalid, "{mode: deployment, upgradeStrategy: automatic, managementState: managed, replicas: 1, "+strings.TrimPrefix(invalid, "{"), "")
	h.refused(collectors, "{"+valid+"}", invalid, "spec.ports[0].name: a port needs a name")
	h.refused(collectors, "{"+valid+"}", "{mode: daemonset, "+valid+"}", "spec.mode: cannot change from deployment to daemonset: make another collector, and delete this one")
	h.refused(collectors, "{"+valid+"}", "{mode: deployment, "+valid+"}", "")
	deleted := strings.Replace(collectors.head, "{name: test", "{deletionTimestamp: 2026-01-01T00:00:00Z, name: test", 1)
	if got := call(t, h.handler(), collectors.validate, admit(t, collectors.head+"{"+valid+"}}", deleted+invalid+"}")); !got.Allowed {
		t.Errorf("an update while it is deleted: got %s; want it allowed", got.Result.Message)
	}
}

// A5: errors refuse where the image is ours, and are warnings where it is not.
func TestCheck(t *testing.T) {
	h := &testHooks{t: t, facts: render.Facts{CollectorImage: "ours:1"}}
	var checked map[string]any
	h.config.Check = func(_ context.Context, config map[string]any) []migrate.Finding {
		checked = config
		return []migrate.Finding{
			{Rule: "unknown-component", Path: []string{"exporters", "otpl"}, Why: "no exporter is called otpl; did you mean otlp?", Severity: migrate.Error},
			{Rule: "unused", Path: []string{"receivers", "zipkin"}, Why: "no pipeline uses it", Severity: migrate.Warning},
		}
	}
	old := "config: {receivers: {otlp: {protocols: {grpc: {}}}}, exporters: {logging: {loglevel: debug}}, service: {pipelines: {traces: {receivers: [otlp], exporters: [logging]}}}}"
	refused := "spec.config.exporters.otpl: no exporter is called otpl; did you mean otlp?"
	h.refused(collectors, "", "{"+old+"}", refused)
	if checked["exporters"].(map[string]any)["debug"] == nil {
		t.Errorf("got %v checked; want the migrated configuration", checked["exporters"])
	}
	h.refused(collectors, "", "{image: 'ours:1', "+old+"}", refused)
	// What was so before can be edited elsewhere, unless the image was another.
	h.refused(collectors, "{"+old+"}", "{replicas: 2, "+old+"}", "")
	h.refused(collectors, "{image: 'theirs:1', "+old+"}", "{"+old+"}", refused)
	h.warned(collectors, "{image: 'theirs:1', "+valid+"}", `
spec.config.exporters.otpl: no exporter is called otpl; did you mean otlp? (not refused, because spec.image may know better)
spec.config.receivers.zipkin: no pipeline uses it`)

	h.config.Check = nil
	undefined := strings.Replace(valid, "receivers: [otlp]", "receivers: [otlp, zipkin]", 1)
	h.refused(collectors, "", "{"+undefined+"}", "spec.config.service.pipelines.traces.receivers: names zipkin, which the section receivers does not configure")
}

// What a collector needs to start elsewhere than here is only said.
func TestCollectorWarned(t *testing.T) {
	h := &testHooks{t: t}
	h.warned(collectors, "{config: {receivers: {otlp: {protocols: {grpc: null}}}, processors: {batch: null}, exporters: {logging: {loglevel: debug}}, service: {pipelines: {traces: {receivers: [otlp], processors: [batch], exporters: [logging]}}}}}", `
spec.config: null is dropped by kubectl apply and kustomize, so write {} for no settings: receivers.otlp.protocols.grpc, processors.batch
spec.config.exporters.logging: changed to exporters::debug: the logging exporter was removed; debug prints the same (since 0.111)
spec.config.exporters.debug.loglevel: changed to verbosity: detailed: loglevel became verbosity; basic prints one line for each batch, as info did (since 0.63)`)
	long := make([]string, 60)
	for i := range long {
		long[i] = strings.Repeat("x", 300) + string(rune('a'+i%26))
	}
	v := new(verdict)
	for i, text := range long {
		v.warn("spec", "%d %s", i, text)
	}
	lines := v.lines()
	total := 0
	for _, line := range lines {
		total += len([]rune(line))
		if n := len([]rune(line)); n > 256 {
			t.Errorf("got a warning of %d characters; want at most 256", n)
		}
	}
	if total > 4096 || !strings.HasPrefix(lines[len(lines)-1], "and 47 more") {
		t.Errorf("got %d characters, and last %q; want at most 4096, and how many more", total, lines[len(lines)-1])
	}
}

func TestDenied(t *testing.T) {
	h := &testHooks{t: t, config: Config{Denied: []string{"receiver.otlp", "exporter.kafka"}}}
	h.refused(collectors, "", "{"+valid+"}", "spec.config.receivers.otlp: is denied in FIPS mode by the operator's setting fips-disabled-components")
}
