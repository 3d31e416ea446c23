package controllers_test

import (
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/signalbox-otel/signalbox/api/v1beta1"
)

// image is that of a collector's pods.
func (b *bed) image(name string) string {
	b.t.Helper()
	d := &appsv1.Deployment{}
	if err := b.Get(b.t.Context(), types.NamespacedName{Namespace: b.namespace, Name: name + "-collector"}, d); err != nil {
		b.t.Fatal(err)
	}
	return d.Spec.Template.Spec.Containers[0].Image
}

// TestUpgrade shows collectors that an older operator left: one that the new
// version runs, and one that it would not run, until somebody mends it.
func TestUpgrade(t *testing.T) {
	b := newBed(t)
	const old = "registry.example/otelcol:0.110.0"
	broken := strings.NewReplacer("name: simple", "name: broken", "exporters: {debug: {}}", "exporters: {logging: {}}", "exporters: [debug]", "exporters: [gone]").Replace(simple)
	b.apply(simple)
	b.apply(broken)
	for _, name := range []string{"simple", "broken"} {
		c := &v1beta1.OpenTelemetryCollector{}
		if err := b.Get(t.Context(), types.NamespacedName{Namespace: b.namespace, Name: name}, c); err != nil {
			t.Fatal(err)
		}
		before := c.DeepCopy()
		c.Status.Version, c.Status.Image = "0.110.0", old
		if err := b.Status().Patch(t.Context(), c, client.MergeFrom(before)); err != nil {
			t.Fatal(err)
		}
	}
	b.start()
	if c := b.awaitReady("simple"); c.Status.Version != "0.158.0" || c.Status.Image != "signalbox:test" || b.image("simple") != "signalbox:test" {
		t.Errorf("upgraded: got version %s, image %s, pods with %s; want 0.158.0, signalbox:test", c.Status.Version, c.Status.Image, b.image("simple"))
	}
	c := b.awaitReady("broken")
	if c.Status.Version != "0.110.0" || c.Status.Image != old || b.image("broken") != old {
		t.Errorf("held: got version %s, image %s, pods with %s; want 0.110.0, %s", c.Status.Version, c.Status.Image, b.image("broken"), old)
	}
	held := meta.FindStatusCondition(c.Status.Conditions, "Upgraded")
	if held == nil || held.Status != "False" || held.Reason != "UpgradeHeld" || !strings.Contains(held.Message, "names gone, which the section exporters does not configure") {
		t.Errorf("held: got condition %+v", held)
	}

	// An edit decides anew.
	before := c.DeepCopy()
	c.Spec.Config.Service.Pipelines["traces"].Exporters = []string{"logging"}
	if err := b.Patch(t.Context(), c, client.MergeFrom(before)); err != nil {
		t.Fatal(err)
	}
	err := until(t.Context(), func() (bool, error) {
		err := b.Get(t.Context(), client.ObjectKeyFromObject(c), c)
		return c.Status.Version == "0.158.0", err
	})
	if err != nil {
		t.Fatalf("%v: version is %s", err, c.Status.Version)
	}
	c = b.awaitReady("broken")
	if meta.FindStatusCondition(c.Status.Conditions, "Upgraded") != nil || b.image("broken") != "signalbox:test" {
		t.Errorf("mended: got image %s, conditions %+v", b.image("broken"), c.Status.Conditions)
	}
	if _, still := c.Spec.Config.Exporters.Object["logging"]; !still {
		t.Error("the configuration was rewritten")
	}
}
