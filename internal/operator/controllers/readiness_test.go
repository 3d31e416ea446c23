package controllers_test

import (
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"

	"github.com/signalbox-otel/signalbox/api/v1beta1"
)

// awaitReason waits until a collector is not ready for a reason, and returns the
// message.
func (b *bed) awaitReason(name, reason string) string {
	b.t.Helper()
	c := &v1beta1.OpenTelemetryCollector{}
	var message string
	err := until(b.t.Context(), func() (bool, error) {
		err := b.Get(b.t.Context(), types.NamespacedName{Namespace: b.namespace, Name: name}, c)
		ready := meta.FindStatusCondition(c.Status.Conditions, "Ready")
		if ready == nil || ready.Status != "False" || ready.Reason != reason {
			return false, err
		}
		message = ready.Message
		return true, err
	})
	if err != nil {
		b.t.Fatalf("%v; the status of %s is %+v; want reason %s", err, name, c.Status, reason)
	}
	return message
}

const allocated = `
apiVersion: opentelemetry.io/v1beta1
kind: OpenTelemetryCollector
metadata: {name: scraper}
spec:
  mode: statefulset
  targetAllocator: {enabled: true, nodeSelector: {disk: fast}}
  config:
    receivers: {prometheus: {config: {scrape_configs: [{job_name: shop}]}}}
    exporters: {debug: {}}
    service:
      pipelines:
        metrics: {receivers: [prometheus], exporters: [debug]}
`

// TestPartNotReady shows that a collector is not ready without its allocator.
func TestPartNotReady(t *testing.T) {
	b := newBed(t)
	b.apply(allocated)
	b.start()
	got := b.awaitReason("scraper", "Unschedulable")
	if !strings.HasPrefix(got, "target allocator: ") || !strings.Contains(got, ": pod scraper-targetallocator-") {
		t.Errorf("got %s; want it about a pod of the target allocator", got)
	}
	b.apply(strings.Replace(allocated, ", nodeSelector: {disk: fast}", "", 1))
	b.awaitReady("scraper")
	if got, want := b.kubectl("", "-n", b.namespace, "get", "events", "--field-selector", "involvedObject.kind=TargetAllocator", "-o", "jsonpath={.items[*].reason}"), "Unschedulable"; !strings.Contains(got, want) {
		t.Errorf("events of the allocator have reasons %s; want %s", got, want)
	}
}

// TestReasons shows what keeps pods away, as scheduler and quota say it, and that
// it leaves the status with its cause.
func TestReasons(t *testing.T) {
	b := newBed(t)
	b.apply(strings.ReplaceAll(simple, "  replicas: 2\n", "  replicas: 2\n  nodeSelector: {disk: fast}\n"))
	b.start()
	if got, want := b.awaitReason("simple", "Unschedulable"), "no node takes it: 0/2 nodes are available: 2 node(s) didn't match Pod's node affinity/selector."; !strings.Contains(got, want) {
		t.Errorf("got %s; want %s", got, want)
	}
	b.apply(simple)
	b.awaitReady("simple")

	b.apply("{apiVersion: v1, kind: ResourceQuota, metadata: {name: small}, spec: {hard: {pods: \"3\"}}}")
	b.apply(strings.ReplaceAll(simple, "replicas: 2", "replicas: 4"))
	if got, want := b.awaitReason("simple", "FailedCreate"), "exceeded quota: small"; !strings.Contains(got, want) {
		t.Errorf("got %s; want %s", got, want)
	}
	b.kubectl("", "-n", b.namespace, "delete", "resourcequota", "small")
	b.apply(simple)
	b.awaitReady("simple")
}
