//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// unnamed asks for an agent in a namespace that has no Instrumentation.
const unnamed = `
{apiVersion: v1, kind: Namespace, metadata: {name: explained}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: cart, namespace: explained}
spec:
  selector: {matchLabels: {app: cart}}
  template:
    metadata:
      labels: {app: cart}
      annotations: {instrumentation.opentelemetry.io/inject-sdk: "true"}
    spec:
      terminationGracePeriodSeconds: 1
      containers: [{name: app, image: "registry.local/app:1", args: [serve]}]
`

// A workload that gets nothing is explained by the command and on the page, and the
// command that is told helps.
func TestExplained(t *testing.T) {
	t.Parallel()
	apply(t, unnamed)
	rollout(t, "explained", "deployment/cart")
	explain := func() string {
		t.Helper()
		out, err := program(t.Context(), "explain", "deploy/cart", "-n", "explained")
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	out := explain()
	for _, want := range []string{"sdk: Refused", "namespace explained has no Instrumentation", "kubectl apply -n explained -f - <<'EOF'"} {
		if !strings.Contains(out, want) {
			t.Errorf("got\n%s\nwant %q in it", out, want)
		}
	}
	onPage(t, "Refused")

	_, manifest, _ := strings.Cut(out, "<<'EOF'\n")
	manifest, _, _ = strings.Cut(manifest, "\nEOF")
	apply(t, manifest, "-n", "explained")
	kubectl(t, "rollout", "restart", "-n", "explained", "deployment/cart")
	rollout(t, "explained", "deployment/cart")
	await(t, "the old pod to go", func(context.Context) error {
		if out := explain(); !strings.Contains(out, "sdk: Injected, its pod has it") || !strings.Contains(out, "sends to  http://otel-collector.opentelemetry-operator-system:4318") {
			return fmt.Errorf("got\n%s", out)
		}
		return nil
	})
	onPage(t, "Injected")
}

// onPage waits until the store's page tells the state of the one workload, which
// it asks the operator for.
func onPage(t *testing.T, state string) {
	t.Helper()
	await(t, "the page to tell "+state, func(ctx context.Context) error {
		body, err := get(ctx, uiURL(t)+"/api/signalbox/v1/instrumentation?namespace=explained")
		if err != nil {
			return err
		}
		var a struct {
			Operator  string `json:"operator"`
			Workloads []struct {
				Name   string `json:"name"`
				Counts []struct {
					State string `json:"state"`
				} `json:"counts"`
			} `json:"workloads"`
		}
		if err := json.Unmarshal(body, &a); err != nil {
			return err
		}
		if a.Operator == "" || len(a.Workloads) != 1 || a.Workloads[0].Name != "cart" || len(a.Workloads[0].Counts) != 1 || a.Workloads[0].Counts[0].State != state {
			return fmt.Errorf("got %s; want cart %s", body, state)
		}
		return nil
	})
}
