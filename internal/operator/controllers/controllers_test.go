package controllers_test

import (
	"testing"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"

	"github.com/signalbox-otel/signalbox/api/v1beta1"
)

const simple = `
apiVersion: opentelemetry.io/v1beta1
kind: OpenTelemetryCollector
metadata: {name: simple}
spec:
  replicas: 2
  config:
    receivers: {otlp: {protocols: {grpc: {}, http: {}}}}
    processors: {k8s_attributes: {}}
    exporters: {debug: {}}
    service:
      pipelines:
        traces: {receivers: [otlp], processors: [k8s_attributes], exporters: [debug]}
`

// awaitReady waits until a collector is ready in its present generation.
func (b *bed) awaitReady(name string) *v1beta1.OpenTelemetryCollector {
	b.t.Helper()
	c := &v1beta1.OpenTelemetryCollector{}
	err := until(b.t.Context(), func() (bool, error) {
		err := b.Get(b.t.Context(), types.NamespacedName{Namespace: b.namespace, Name: name}, c)
		ready := meta.FindStatusCondition(c.Status.Conditions, "Ready")
		return ready != nil && ready.Status == "True" && ready.ObservedGeneration == c.Generation, err
	})
	if err != nil {
		b.t.Fatalf("%v; the status of %s is %+v", err, name, c.Status)
	}
	return c
}

func TestCollector(t *testing.T) {
	b := newBed(t)
	b.apply(simple)
	b.start()
	c := b.awaitReady("simple")
	if got, want := c.Status.Scale.StatusReplicas, "2/2"; got != want {
		t.Errorf("statusReplicas is %s; want %s", got, want)
	}
	if got := b.writes.take(); len(got) == 0 {
		t.Error("the operator wrote nothing; want objects")
	}
}
