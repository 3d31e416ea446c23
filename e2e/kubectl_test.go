//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// What people do with kubectl works with collectors as with Deployments.
func TestKubectl(t *testing.T) {
	t.Parallel()
	const namespace = "kubectl"
	apply(t, "{apiVersion: v1, kind: Namespace, metadata: {name: "+namespace+"}}")
	applyText := readFile(t, seed("002-simplest.yaml"))
	apply(t, applyText, "-n", namespace)
	ready(t, namespace, "simplest")

	columns := strings.Fields(kubectl(t, "get", "otelcol", "-n", namespace))
	want := []string{"NAME", "MODE", "VERSION", "READY", "AGE", "IMAGE", "MANAGEMENT", "simplest", "deployment"}
	if len(columns) < len(want) || !cmp.Equal(columns[:len(want)], want) {
		t.Errorf("get prints %q; want %q first", columns, want)
	}
	describe := kubectl(t, "describe", "-n", namespace, "otelcol/simplest")
	for _, want := range []string{"Type:", "Ready", "Status:                True", "1/1"} {
		if !strings.Contains(describe, want) {
			t.Errorf("describe does not say %q:\n%s", want, describe)
		}
	}
	if out := kubectl(t, "explain", "otelcol.spec.mode"); !strings.Contains(out, "daemonset") {
		t.Errorf("explain does not say what modes there are:\n%s", out)
	}

	kubectl(t, "scale", "-n", namespace, "otelcol/simplest", "--replicas=2")
	await(t, "two pods", func(ctx context.Context) error {
		got, err := cluster.Kubectl(ctx, "", "get", "-n", namespace, "otelcol/simplest", "-o", "jsonpath={.status.scale.replicas} {.status.scale.statusReplicas}")
		if err == nil && got != "2 2/2" {
			err = fmt.Errorf("got %q", got)
		}
		return err
	})
	// A restart by hand is not undone.
	kubectl(t, "rollout", "restart", "-n", namespace, "deployment/simplest-collector")
	kubectl(t, "rollout", "status", "-n", namespace, "deployment/simplest-collector", "--timeout="+waitTimeout.String())
	if at := kubectl(t, "get", "-n", namespace, "deployment/simplest-collector", "-o", `jsonpath={.spec.template.metadata.annotations.kubectl\.kubernetes\.io/restartedAt}`); at == "" {
		t.Error("the restart is undone")
	}
	ready(t, namespace, "simplest")
}

// Who reads and writes the old version loses nothing of the new one.
func TestOldVersionRoundTrip(t *testing.T) {
	t.Parallel()
	const namespace = "versions"
	apply(t, "{apiVersion: v1, kind: Namespace, metadata: {name: "+namespace+"}}")
	apply(t, `{apiVersion: opentelemetry.io/v1beta1, kind: OpenTelemetryCollector, metadata: {name: new, namespace: versions}, spec: {
		configVersions: 7, dnsPolicy: ClusterFirst, readinessProbe: {periodSeconds: 7},
		config: {receivers: {otlp: {protocols: {grpc: {}}}}, exporters: {debug: {}}, extensions: {health_check: {}},
			service: {extensions: [health_check], pipelines: {traces: {receivers: [otlp], exporters: [debug]}}}}}}`)
	ready(t, namespace, "new")
	spec := func() (v map[string]any) {
		t.Helper()
		text := kubectl(t, "get", "-n", namespace, "opentelemetrycollectors.v1beta1.opentelemetry.io/new", "-o", "jsonpath={.spec}")
		if err := json.Unmarshal([]byte(text), &v); err != nil {
			t.Fatal(err)
		}
		return v
	}
	before := spec()
	old := kubectl(t, "get", "-n", namespace, "opentelemetrycollectors.v1alpha1.opentelemetry.io/new", "-o", "yaml")
	if !strings.Contains(old, "config: |") {
		t.Errorf("the old version has no configuration as text:\n%s", old)
	}
	if _, err := cluster.Kubectl(t.Context(), old, "replace", "-f", "-"); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, spec()); diff != "" {
		t.Errorf("after a replace by the old version (-before +after):\n%s", diff)
	}
}

// A configuration that the collector would not start with is refused by kubectl
// apply, which says where it is wrong and what was meant; an old one is taken, and
// it says what becomes of it.
func TestBadConfigurationIsRefused(t *testing.T) {
	t.Parallel()
	bad := strings.Replace(readFile(t, seed("002-simplest.yaml")), "exporters: [debug]", "exporters: [debgu]", 1)
	_, err := cluster.Kubectl(t.Context(), bad, "apply", "-f", "-")
	if err == nil {
		kubectl(t, "delete", "otelcol/simplest")
		t.Fatal("a pipeline with an exporter that is not defined was accepted")
	}
	for _, want := range []string{"is invalid", `spec.config.service.pipelines.traces.exporters[0]: exporter "debgu" is not configured; did you mean "debug"?`} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the refusal does not say %q: %v", want, err)
		}
	}
}
