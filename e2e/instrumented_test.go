//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// counted is a workload that asks for an Instrumentation that is made later.
const counted = `
apiVersion: v1
kind: Namespace
metadata: {name: counted}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: cart, namespace: counted}
spec:
  replicas: 2
  selector: {matchLabels: {app: cart}}
  template:
    metadata:
      labels: {app: cart}
      annotations: {instrumentation.opentelemetry.io/inject-sdk: "true"}
    spec:
      terminationGracePeriodSeconds: 1
      containers: [{name: app, image: "registry.local/app:1", args: [serve]}]
`

const countedBy = `
apiVersion: opentelemetry.io/v1alpha1
kind: Instrumentation
metadata: {name: all, namespace: counted}
spec: {exporter: {endpoint: "http://otel-collector.opentelemetry-operator-system:4318"}}
`

// Pods that started before their Instrumentation are found, those that are
// replaced have it, and those of an earlier form of it are told apart: in the
// status, and as JSON to who may ask.
func TestInstrumentedPodsAreCounted(t *testing.T) {
	t.Parallel()
	apply(t, counted)
	rollout(t, "counted", "deployment/cart")
	says := func(want string) {
		t.Helper()
		await(t, want, func(ctx context.Context) error {
			w, err := known(ctx, t, token(t), "counted", "Deployment", "cart")
			if err == nil && w.String() != want {
				err = fmt.Errorf("got %s", w)
			}
			return err
		})
	}
	says("sdk refused NoneInNamespace: map[Refused:2]")
	if w, err := known(t.Context(), t, "none", "counted", "Deployment", "cart"); err == nil {
		t.Errorf("got %s without a token; want nothing", w)
	}

	apply(t, countedBy)
	status := func(injected, stale, missed int) {
		t.Helper()
		want := fmt.Sprintf(`{"guarded":0,"injected":%d,"matched":2,"missed":%d,"refused":0,"stale":%d}`, injected, missed, stale)
		await(t, "status "+want, func(ctx context.Context) error {
			out, err := cluster.Kubectl(ctx, "", "get", "instrumentation", "-n", "counted", "all", "-o", "jsonpath={.status.pods}")
			if err == nil && out != want {
				err = fmt.Errorf("got %s", out)
			}
			return err
		})
	}
	status(0, 0, 2)
	says("sdk injected AsAsked: map[Missed:2]")

	kubectl(t, "rollout", "restart", "-n", "counted", "deployment/cart")
	rollout(t, "counted", "deployment/cart")
	status(2, 0, 0)
	says("sdk injected AsAsked: map[Injected:2]")
	labelled := strings.Fields(kubectl(t, "get", "pods", "-n", "counted", "-l", "operator.opentelemetry.io/instrumented=true", "-o", "name"))
	if len(labelled) != 2 {
		t.Errorf("got pods %v with the label; want two", labelled)
	}

	kubectl(t, "patch", "instrumentation", "-n", "counted", "all", "--type=merge", "-p", `{"spec":{"sampler":{"type":"always_on"}}}`)
	status(0, 2, 0)
	says("sdk injected AsAsked: map[Stale:2]")
	want := `[{"language":"sdk","message":"the pod has no container gone","reason":"UnknownContainer","workload":"Deployment counted/other"}]`
	apply(t, strings.NewReplacer("name: cart,", "name: other,", "app: cart", "app: other", `inject-sdk: "true"`, `inject-sdk: "true", instrumentation.opentelemetry.io/container-names: gone`).Replace(counted))
	await(t, "refusal", func(ctx context.Context) error {
		out, err := cluster.Kubectl(ctx, "", "get", "instrumentation", "-n", "counted", "all", "-o", "jsonpath={.status.refusals}")
		if diff := cmp.Diff(want, out); err == nil && diff != "" {
			err = fmt.Errorf("(-want +got):\n%s", diff)
		}
		return err
	})
}

// token is one by which the store asks the operator.
func token(t *testing.T) string {
	t.Helper()
	return strings.TrimSpace(kubectl(t, "create", "token", "-n", "opentelemetry-operator-system", "signalbox", "--audience", "signalbox-operator"))
}

// knownWorkload is what the operator says of one workload.
type knownWorkload struct {
	Decisions []struct{ Kind, Outcome, Reason string }
	Counts    []struct {
		State string
		Pods  int
	}
	Pods []struct {
		Said []struct{ Container, Message string }
	}
}

// String is its decisions, and how many of its pods are in each state.
func (w *knownWorkload) String() string {
	var b strings.Builder
	for _, d := range w.Decisions {
		fmt.Fprintf(&b, "%s %s %s: ", d.Kind, d.Outcome, d.Reason)
	}
	states := map[string]int{}
	for _, c := range w.Counts {
		states[c.State] += c.Pods
	}
	fmt.Fprintf(&b, "%v", states)
	return b.String()
}

// known asks the operator about a workload.
func known(ctx context.Context, t *testing.T, token, namespace, kind, name string) (*knownWorkload, error) {
	t.Helper()
	url := serviceURL(t, "opentelemetry-operator-system", "opentelemetry-operator-workloads", "8082") +
		fmt.Sprintf("/api/workloads?namespace=%s&kind=%s&name=%s", namespace, kind, name)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("status %d: %s", resp.StatusCode, body)
	}
	w := new(knownWorkload)
	return w, json.Unmarshal(body, w)
}
