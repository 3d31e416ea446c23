//go:build e2e

package e2e

import (
	"strings"
	"testing"
)

// The cluster is one: names resolve in pods, and a Service leads to its pod from
// pods and from the node.
func TestServiceByName(t *testing.T) {
	t.Parallel()
	applyFile(t, "testdata/network.yaml")
	rollout(t, "network", "deployment/web")
	pod := strings.TrimSpace(kubectl(t, "get", "pods", "-n", "network", "-l", "app=web", "-o", "jsonpath={.items[0].metadata.name}"))

	if got, want := inPod(t, "network", "lookup", "lookup", "kubernetes.default"), "10.96.0.1"; got != want {
		t.Errorf("kubernetes.default resolves to %q; want %q", got, want)
	}
	if got := inPod(t, "network", "get", "get", "http://web.network.svc.cluster.local/"); got != pod {
		t.Errorf("the Service answers a pod with %q; want the pod %q", got, pod)
	}
	body, err := get(t.Context(), serviceURL(t, "network", "web", "80"))
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.TrimSpace(string(body)); got != pod {
		t.Errorf("the Service answers the node with %q; want the pod %q", got, pod)
	}
}
