package operator

import (
	"errors"
	"fmt"
	"strings"
	"testing"
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
}
