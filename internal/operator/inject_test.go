package operator

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/signalbox-otel/signalbox/api/v1beta1"
	"github.com/signalbox-otel/signalbox/internal/inject"
	"github.com/signalbox-otel/signalbox/internal/operator/needs"
	"github.com/signalbox-otel/signalbox/internal/operator/review"
)

const besideCollector = `
apiVersion: opentelemetry.io/v1beta1
kind: OpenTelemetryCollector
metadata: {name: beside, namespace: default, annotations: {sidecar.opentelemetry.io/rollout: "true"}}
spec:
  mode: sidecar
  config:
    receivers: {otlp: {protocols: {http: {}}}}
    exporters: {%s: {}}
    service: {pipelines: {traces: {receivers: [otlp], exporters: [%[1]s]}}}
`

// With its own rights alone the operator gives pods what they ask for, tells the
// workload, counts pods that have the old sidecar, and rolls them out.
func TestPods(t *testing.T) {
	c := startLight(t)
	op := c.operator(nil)
	c.run(op)
	c.eventually("health", func() error { return status("http://"+op.HealthAddress()+"/healthz", "") })
	c.install(op.WebhookAddress())
	c.eventually("readiness", func() error { return status("http://"+op.HealthAddress()+"/readyz", "") })
	said := func(want string, args ...string) {
		t.Helper()
		c.eventually(strings.Join(args, " "), func() error {
			out, err := c.Kubectl(c.ctx, "", args...)
			if err == nil && !strings.Contains(out, want) {
				err = fmt.Errorf("got %s; want %s in it", out, want)
			}
			return err
		})
	}
	c.eventually("admission", func() error {
		out, err := c.Kubectl(c.ctx, fmt.Sprintf(besideCollector, "debug")+"\n---\n"+instrumentation("all"), "apply", "-f", "-")
		if err != nil {
			return errors.New(out)
		}
		return nil
	})
	c.kubectl(`
apiVersion: apps/v1
kind: Deployment
metadata: {name: cart, namespace: default}
spec:
  selector: {matchLabels: {app: cart}}
  template:
    metadata:
      labels: {app: cart}
      annotations: {sidecar.opentelemetry.io/inject: "true", instrumentation.opentelemetry.io/inject-python: "true"}
    spec: {containers: [{name: app, image: cart}]}
`, "apply", "-f", "-")
	c.kubectl("", "rollout", "status", "--timeout=60s", "deployment/cart")
	if got, want := c.kubectl("", "get", "pods", "-l", "app=cart", "-o", "jsonpath={.items[*].spec.initContainers[*].name}"), "otc-container opentelemetry-auto-instrumentation-python"; got != want {
		t.Errorf("got init containers %s; want %s", got, want)
	}
	said("container otc-container of OpenTelemetryCollector default/beside is added", "describe", "deployment", "cart")
	said("python of Instrumentation default/all is added to container app", "describe", "deployment", "cart")

	c.kubectl(fmt.Sprintf(besideCollector, "nop"), "apply", "-f", "-")
	said("pods are replaced: OpenTelemetryCollector default/beside changed", "describe", "deployment", "cart")
	c.kubectl("", "rollout", "status", "--timeout=60s", "deployment/cart")
	said(`"reason":"RolledOut"`, "get", "otelcol", "beside", "-o", "jsonpath={.status.conditions}")

	// What is known of it is in the status, and told to those who may ask.
	c.kubectl("", "patch", "otelinst", "all", "--type=merge", "-p", `{"spec":{"exporter":{"endpoint":"http://gateway:4318"}}}`)
	said(`{"guarded":0,"injected":0,"matched":1,"missed":0,"refused":0,"stale":1}`, "get", "otelinst", "all", "-o", "jsonpath={.status.pods}")
	url := "http://" + op.WorkloadsAddress()
	if err := status(url+needs.WorkloadsPath, ""); err == nil {
		t.Error("workloads are told to everybody")
	}
	c.grant("ClusterRole", needs.WorkloadsReaderRole, []rbacv1.PolicyRule{{NonResourceURLs: []string{needs.WorkloadsPath}, Verbs: []string{"get"}}})
	file := filepath.Join(t.TempDir(), "token")
	ask := func(audience string) (*review.Workload, error) {
		token := c.kubectl("", "create", "token", "-n", needs.Namespace, needs.Deployment, "--audience="+audience)
		if err := os.WriteFile(file, []byte(token), 0o600); err != nil {
			t.Fatal(err)
		}
		asking := review.Client{URL: url, TokenFile: file}
		return asking.Workload(c.ctx, review.Ref{Kind: "Deployment", Namespace: "default", Name: "cart"})
	}
	if w, err := ask("https://kubernetes.default.svc"); err == nil {
		t.Errorf("got %+v by a token for the API server; want nothing", w)
	}
	c.eventually("workload", func() error {
		w, err := ask(needs.WorkloadsAudience)
		switch {
		case err != nil:
			return err
		case w.Count(inject.Python, inject.StateStale) != 1 || w.Count(inject.Sidecar, inject.StateInjected) != 1:
			return fmt.Errorf("got counts %+v; want one stale Python and one sidecar", w.Counts)
		}
		return nil
	})

	// With the Instrumentation's consent its old pods are replaced, and an agent that
	// cannot be copied is taken back.
	c.kubectl("", "annotate", "otelinst", "all", v1beta1.AnnotationInstrumentationRollout+"=true")
	said("pods are replaced: they started without what Instrumentation default/all says now", "describe", "deployment", "cart")
	c.kubectl("", "rollout", "status", "--timeout=60s", "deployment/cart")
	said(`{"guarded":0,"injected":1,"matched":1,"missed":0,"refused":0,"stale":0}`, "get", "otelinst", "all", "-o", "jsonpath={.status.pods}")
	pod := c.kubectl("", "get", "pods", "-l", "app=cart", "-o", "jsonpath={.items[*].metadata.name}")
	c.kubectl("", "patch", "pod", pod, "--subresource=status", "--type=merge", "-p", `{"status": {"initContainerStatuses": [{
		"name": "opentelemetry-auto-instrumentation-python", "image": "x", "imageID": "x", "ready": false, "restartCount": 4,
		"state": {"terminated": {"exitCode": 1, "startedAt": "2026-01-01T00:00:00Z", "finishedAt": "2026-01-01T00:00:00Z"}}}]}}`)
	said("container opentelemetry-auto-instrumentation-python ended with exit code 1, restarted 4 times in pod "+pod, "describe", "deployment", "cart")
	said("workload: Deployment", "get", "configmap", needs.CrashGuardConfigMap, "-n", needs.Namespace, "-o", "yaml")
	said("<otc-container>", "get", "pods", "-l", "app=cart", "-o", "jsonpath=<{.items[*].spec.initContainers[*].name}>")
	said(`{"guarded":1,"injected":0,"matched":1,"missed":0,"refused":0,"stale":0}`, "get", "otelinst", "all", "-o", "jsonpath={.status.pods}")
}
