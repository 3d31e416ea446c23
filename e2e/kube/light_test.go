package kube

import (
	"context"
	"strings"
	"testing"
	"time"
)

const lightWorkload = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: default}
spec:
  replicas: 20
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      initContainers:
        - {name: copy, image: a}
        - {name: sidecar, image: b, restartPolicy: Always}
      containers: [{name: web, image: c}]
---
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: agent, namespace: default}
spec:
  selector: {matchLabels: {app: agent}}
  template:
    metadata: {labels: {app: agent}}
    spec: {containers: [{name: agent, image: d}]}
`

// Workloads roll out on a light cluster as on a real one, and pods go when they
// are deleted; without root, and beside anything else that runs.
func TestLight(t *testing.T) {
	// The build has its own target, make kube; a cold one takes minutes.
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Minute)
	defer cancel()
	c, err := Light(ctx, t.TempDir(), 3)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := c.Stop(); err != nil {
			t.Error(err)
		}
	}()
	kubectl := func(stdin string, args ...string) string {
		t.Helper()
		out, err := c.Kubectl(ctx, stdin, args...)
		if err != nil {
			state, _ := c.Kubectl(ctx, "", "get", "nodes,pods,events", "--all-namespaces")
			t.Fatalf("%v\n%s", err, state)
		}
		return out
	}
	kubectl(lightWorkload, "apply", "-f", "-")
	kubectl("", "rollout", "status", "deployment/web", "--timeout=30s")
	kubectl("", "rollout", "status", "daemonset/agent", "--timeout=30s")
	if got, want := kubectl("", "get", "daemonset", "agent", "-o", "jsonpath={.status.numberReady}"), "3"; got != want {
		t.Errorf("got %s agents ready; want %s, one on each node", got, want)
	}
	pods := strings.Fields(kubectl("", "get", "pods", "-l", "app=web", "-o", "jsonpath={.items[*].metadata.name}"))
	kubectl("", "delete", "pod", pods[0], "--wait")
	kubectl("", "rollout", "status", "deployment/web", "--timeout=30s")
	got := kubectl("", "get", "pods", "-l", "app=web", "--field-selector=status.phase=Running", "-o",
		`jsonpath={.items[0].status.initContainerStatuses[*].name} {.items[0].status.initContainerStatuses[0].state.terminated.reason} {.items[0].status.initContainerStatuses[1].ready}`)
	if want := "copy sidecar Completed true"; got != want {
		t.Errorf("got init containers %q; want %q", got, want)
	}
	kubectl("", "delete", "deployment,daemonset", "--all", "--wait")
	kubectl("", "wait", "--for=delete", "pods", "--all", "--timeout=30s")
}
