package pods

import (
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/signalbox-otel/signalbox/api/v1beta1"
	"github.com/signalbox-otel/signalbox/internal/operator/readiness"
)

// When a collector changes, the pods that have its sidecar are counted as old;
// with its annotation, their workloads are restarted one after the other.
func TestRollout(t *testing.T) {
	c := up(t)
	c.kubectl("", "create", "namespace", "shop")
	c.kubectl(sidecarCR, "apply", "-n", "shop", "-f", "-")
	for _, name := range []string{"a", "b", "out"} {
		c.kubectl(deployment(name, "true", ""), "apply", "-n", "shop", "-f", "-")
	}
	c.kubectl("", "annotate", "-n", "shop", "deployment/out", "sidecar.opentelemetry.io/rollout=false")
	for _, name := range []string{"a", "b", "out"} {
		c.kubectl("", "rollout", "status", "-n", "shop", "deployment/"+name, "--timeout=60s")
	}
	count := func() readiness.Injected {
		t.Helper()
		cr := new(v1beta1.OpenTelemetryCollector)
		if err := c.mgr.GetCache().Get(c.ctx, client.ObjectKey{Namespace: "shop", Name: "beside"}, cr); err != nil {
			t.Fatal(err)
		}
		n, err := c.sidecars.Count(c.ctx, cr)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	c.counted(count, readiness.Injected{Pods: 3})

	c.kubectl(strings.ReplaceAll(sidecarCR, "debug", "nop"), "apply", "-n", "shop", "-f", "-")
	c.counted(count, readiness.Injected{Pods: 3, Stale: 3})
	c.kubectl("", "annotate", "-n", "shop", "otelcol/beside", "sidecar.opentelemetry.io/rollout=true")
	c.counted(count, readiness.Injected{Pods: 3, Stale: 1})
	for _, name := range []string{"a", "b"} {
		e := c.event("shop", "Deployment", name, "SidecarRollout")
		if want := "pods are replaced: OpenTelemetryCollector shop/beside changed, and their sidecar is the old one"; e.Note != want {
			t.Errorf("got event %q; want %q", e.Note, want)
		}
	}
	var out appsv1.Deployment
	if err := c.client.Get(c.ctx, client.ObjectKey{Namespace: "shop", Name: "out"}, &out); err != nil {
		t.Fatal(err)
	}
	if stamp, ok := out.Spec.Template.Annotations[v1beta1.AnnotationSidecarHash]; ok {
		t.Errorf("the deployment that opted out was restarted for %s", stamp)
	}
}

// When pods come back without a sidecar, because the webhook is not reached, the
// other workloads keep theirs.
func TestRolloutStops(t *testing.T) {
	c := up(t)
	c.kubectl("", "create", "namespace", "shop")
	c.kubectl(sidecarCR, "apply", "-n", "shop", "-f", "-")
	for _, name := range []string{"a", "b"} {
		c.kubectl(deployment(name, "true", ""), "apply", "-n", "shop", "-f", "-")
		c.kubectl("", "rollout", "status", "-n", "shop", "deployment/"+name, "--timeout=60s")
	}
	c.webhook.Close()
	c.kubectl("", "annotate", "-n", "shop", "otelcol/beside", "sidecar.opentelemetry.io/rollout=true")
	c.kubectl(strings.ReplaceAll(sidecarCR, "debug", "nop"), "apply", "-n", "shop", "-f", "-")
	e := c.event("shop", "OpenTelemetryCollector", "beside", "SidecarRolloutStopped")
	if want := "pods of Deployment shop/a were replaced and have no sidecar now"; !strings.HasPrefix(e.Note, want) {
		t.Errorf("got event %q; want %q", e.Note, want)
	}
	var b appsv1.Deployment
	if err := c.client.Get(c.ctx, client.ObjectKey{Namespace: "shop", Name: "b"}, &b); err != nil {
		t.Fatal(err)
	}
	if stamp, ok := b.Spec.Template.Annotations[v1beta1.AnnotationSidecarHash]; ok {
		t.Errorf("the second deployment was restarted for %s", stamp)
	}
}

// counted waits until the count is as wanted: it changes with pods only, and with
// collectors.
func (c *cluster) counted(count func() readiness.Injected, want readiness.Injected) {
	c.t.Helper()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for got := count(); got != want; got = count() {
		select {
		case <-again.C:
		case <-c.ctx.Done():
			c.t.Fatalf("got %+v; want %+v", got, want)
		}
	}
}
