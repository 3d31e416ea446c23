package controllers_test

import (
	"testing"

	"k8s.io/apimachinery/pkg/api/meta"

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

// ready reports whether a collector is ready in its present generation.
func (b *bed) ready(name string) bool {
	b.t.Helper()
	c := &v1beta1.OpenTelemetryCollector{}
	if !get(b, name, c) {
		return false
	}
	ready := meta.FindStatusCondition(c.Status.Conditions, "Ready")
	return ready != nil && ready.Status == "True" && ready.ObservedGeneration == c.Generation
}

// awaitReady waits until a collector is ready in its present generation.
func (b *bed) awaitReady(name string) *v1beta1.OpenTelemetryCollector {
	b.t.Helper()
	err := until(b.t.Context(), func() (bool, error) { return b.ready(name), nil })
	c := &v1beta1.OpenTelemetryCollector{}
	get(b, name, c)
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
