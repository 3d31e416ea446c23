package allocator

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/signalbox-otel/signalbox/e2e/kube/kubetest"
)

// monitorCRD is enough of a definition of a kind of the Prometheus operator.
func monitorCRD(kind, plural string) string {
	return fmt.Sprintf(`
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata:
  name: %[2]s.monitoring.coreos.com
  annotations: {api-approved.kubernetes.io: https://example.test}
spec:
  group: monitoring.coreos.com
  scope: Namespaced
  names: {kind: %[1]s, plural: %[2]s, singular: %[3]s}
  versions:
    - name: v1
      served: true
      storage: true
      schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
---`, kind, plural, strings.ToLower(kind))
}

const kubeWorkloads = `
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: otel, namespace: default}
spec:
  replicas: 2
  podManagementPolicy: Parallel
  selector: {matchLabels: {app: otel}}
  template:
    metadata: {labels: {app: otel}}
    spec: {containers: [{name: otc-container, image: signalbox}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: shop, namespace: default}
spec:
  replicas: 12
  selector: {matchLabels: {app: shop}}
  template:
    metadata: {labels: {app: shop}}
    spec: {containers: [{name: shop, image: shop, ports: [{name: web, containerPort: 8080}]}]}
---
apiVersion: v1
kind: Service
metadata: {name: shop, namespace: default, labels: {app: shop}}
spec: {selector: {app: shop}, ports: [{name: web, port: 80, targetPort: web}]}
`

const kubeMonitor = `
apiVersion: monitoring.coreos.com/v1
kind: ServiceMonitor
metadata: {name: shop, namespace: default}
spec:
  selector: {matchLabels: {app: shop}}
  endpoints: [{port: web}]
`

// With a real API server: collectors are the pods that are selected, targets
// come from a ServiceMonitor, and both may change.
func TestKubernetes(t *testing.T) {
	cluster := kubetest.Light(t, 2)
	ctx, kubectl := cluster.Context(), cluster.Run
	kubectl(monitorCRD("ServiceMonitor", "servicemonitors")+kubeWorkloads, "apply", "-f", "-")
	kubectl("", "wait", "--for=condition=established", "crd/servicemonitors.monitoring.coreos.com", "--timeout=60s")
	kubectl("", "rollout", "status", "deployment/shop", "--timeout=120s")
	kubectl("", "rollout", "status", "statefulset/otel", "--timeout=120s")
	kubectl(kubeMonitor, "apply", "-f", "-")

	c := config(t, `
collector_selector: {matchLabels: {app: otel}}
collector_namespace: default
prometheus_cr: {enabled: true, service_monitor_selector: {}}
`)
	c.KubeConfigFilePath = cluster.Kubeconfig
	address := startWith(t, c, nil)

	f := func(targets int, collectors ...string) {
		t.Helper()
		awaitShares(t, ctx, address+"/jobs/"+url.QueryEscape("serviceMonitor/default/shop/0")+"/targets", targets, collectors)
	}
	f(12, "otel-0", "otel-1")
	kubectl("", "scale", "statefulset/otel", "--replicas=3")
	f(12, "otel-0", "otel-1", "otel-2")
	kubectl("", "scale", "deployment/shop", "--replicas=15")
	f(15, "otel-0", "otel-1", "otel-2")
	kubectl("", "scale", "statefulset/otel", "--replicas=1")
	f(15, "otel-0")
}

// awaitShares waits until these collectors share so many targets.
func awaitShares(t *testing.T, ctx context.Context, address string, targets int, collectors []string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	again := time.NewTicker(500 * time.Millisecond)
	defer again.Stop()
	var shares map[string]share
	for {
		shares = nil
		if err := json.Unmarshal([]byte(get(t, address)), &shares); err != nil {
			t.Fatal(err)
		}
		n := 0
		for _, s := range shares {
			n += len(s.Targets)
		}
		if n == targets && slices.Equal(slices.Sorted(maps.Keys(shares)), collectors) {
			return
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			t.Fatalf("got %d targets, shares %v; want %d shared by %v", n, shares, targets, collectors)
		}
	}
}
