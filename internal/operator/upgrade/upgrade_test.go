package upgrade

import (
	"context"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/signalbox-otel/signalbox/api/v1alpha1"
	"github.com/signalbox-otel/signalbox/api/v1beta1"
	"github.com/signalbox-otel/signalbox/internal/migrate"
	"github.com/signalbox-otel/signalbox/internal/render"
)

// written is a collector with a configuration, that ran a version and an image.
func written(version, image string, config map[string]any) *v1beta1.OpenTelemetryCollector {
	return &v1beta1.OpenTelemetryCollector{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "gateway"},
		Spec:       v1beta1.OpenTelemetryCollectorSpec{Config: v1beta1.NewConfig(config)},
		Status:     v1beta1.OpenTelemetryCollectorStatus{Version: version, Image: image},
	}
}

// configured is a configuration with an exporter.
func configured(exporter string) map[string]any {
	return map[string]any{
		"receivers": map[string]any{"otlp": map[string]any{"protocols": map[string]any{"grpc": map[string]any{}}}},
		"exporters": map[string]any{exporter: map[string]any{}},
		"service": map[string]any{"pipelines": map[string]any{"traces": map[string]any{
			"receivers": []any{"otlp"}, "exporters": []any{"debug"},
		}}},
	}
}

func TestCollector(t *testing.T) {
	facts := render.Facts{CollectorImage: "registry.example/signalbox:2", CollectorCommand: []string{"/signalbox", "collector"}}
	const version, of = "0.158.0", "registry.example/otelcol:0.110.0"
	for name, test := range map[string]struct {
		cr        *v1beta1.OpenTelemetryCollector
		version   string
		held      string // the image that it is held at
		condition string
		note      string
	}{
		"new":                {cr: written("", "", configured("debug")), version: version},
		"up to date, broken": {cr: written(version, of, configured("nop")), version: version},
		"upgraded":           {cr: written("0.110.0", of, configured("debug")), version: version, note: "from 0.110.0 to 0.158.0"},
		"back":               {cr: written("0.160.0", of, configured("debug")), version: version, note: "from 0.160.0 to 0.158.0"},
		"not wanted": {cr: func() *v1beta1.OpenTelemetryCollector {
			c := written("0.110.0", of, configured("nop"))
			c.Spec.UpgradeStrategy = v1beta1.UpgradeNone
			return c
		}(), version: "0.110.0"},
		"an image of its own": {cr: func() *v1beta1.OpenTelemetryCollector {
			c := written("0.110.0", of, configured("nop"))
			c.Spec.Image = of
			return c
		}(), version: version, note: "from 0.110.0 to 0.158.0"},
		"sidecar": {cr: func() *v1beta1.OpenTelemetryCollector {
			c := written("0.110.0", of, configured("nop"))
			c.Spec.Mode = v1beta1.ModeSidecar
			return c
		}(), version: version, note: "from 0.110.0 to 0.158.0"},
		"held": {
			cr: written("0.110.0", of, configured("nop")), version: "0.110.0", held: of,
			condition: "0.110.0 with image registry.example/otelcol:0.110.0 keeps running, because 0.158.0 would not run this configuration: " +
				"spec::config::service::pipelines::traces::exporters: error: names debug, which the section exporters does not configure; mend it, or set spec.image to have 0.158.0 anyway",
		},
	} {
		t.Run(name, func(t *testing.T) {
			before := test.cr.DeepCopy()
			plan, err := render.Collector(test.cr, facts)
			if err != nil {
				t.Fatal(err)
			}
			got := Collector(test.cr, facts, version, plan.Findings)
			if got.Version != test.version || got.Note != test.note {
				t.Errorf("got version %q, note %q; want %q, %q", got.Version, got.Note, test.version, test.note)
			}
			if !cmp.Equal(before.Spec, test.cr.Spec) {
				t.Error("the resource was changed")
			}
			if (got.Condition != nil) != (test.condition != "") || got.Condition != nil && got.Condition.Message != test.condition {
				t.Errorf("got condition %+v; want %q", got.Condition, test.condition)
			}
			if test.held == "" {
				if got.Old != nil {
					t.Errorf("held at %s; want it upgraded", got.Old.Spec.Image)
				}
				return
			}
			held, err := render.Collector(got.Old, facts)
			if err != nil {
				t.Fatal(err)
			}
			if held.Image != test.held {
				t.Errorf("got image %s; want %s", held.Image, test.held)
			}
		})
	}
}

// What is migrated is counted, and an image of ours that is held keeps its
// program.
func TestCollectorOfOurs(t *testing.T) {
	facts := render.Facts{CollectorImage: "registry.example:5000/signalbox:2", CollectorCommand: []string{"/signalbox", "collector"}}
	findings := []migrate.Finding{{Severity: migrate.Changed}, {Severity: migrate.Ignored}, {Severity: migrate.Warning}}
	got := Collector(written("0.110.0", "registry.example:5000/signalbox:1", nil), facts, "0.158.0", findings)
	if want := "from 0.110.0 to 0.158.0; 2 places of the configuration are migrated, the resource stays as it is written"; got.Note != want {
		t.Errorf("got %q; want %q", got.Note, want)
	}
	got = Collector(written("0.110.0", "registry.example:5000/signalbox:1", nil), facts, "0.158.0", []migrate.Finding{{Severity: migrate.Error, Why: "it is wrong"}})
	if got.Old == nil || !cmp.Equal(got.Old.Spec.Command, facts.CollectorCommand) {
		t.Errorf("got %+v; want it held with its command", got.Old)
	}
}

func TestInstrumentation(t *testing.T) {
	images := v1alpha1.Images{Java: "r/autoinstrumentation-java:2.30.0", Python: "r/autoinstrumentation-python:0.64b0", DotNet: "r/autoinstrumentation-dotnet:1.16.0"}
	type agents map[string]string // language to image
	for name, test := range map[string]struct {
		image, noted string // of Java
		want         string
		blocked      bool
	}{
		"the default of before":          {"r/autoinstrumentation-java:2.29.0", "r/autoinstrumentation-java:2.29.0", images.Java, false},
		"from another registry":          {"ghcr.io/x/autoinstrumentation-java:2.29.0", "ghcr.io/x/autoinstrumentation-java:2.29.0", images.Java, false},
		"the user's own":                 {"r/mine:1", "r/autoinstrumentation-java:2.29.0", "r/mine:1", false},
		"nothing noted":                  {"r/autoinstrumentation-java:2.29.0", "", "r/autoinstrumentation-java:2.29.0", false},
		"none":                           {"", "", "", false},
		"over a barrier":                 {"r/autoinstrumentation-java:1.33.6", "r/autoinstrumentation-java:1.33.6", "r/autoinstrumentation-java:1.33.6", true},
		"another image has no barrier":   {"r/payload:1.0.0", "r/payload:1.0.0", images.Java, false},
		"ours have none":                 {"r/signalbox-java:0.1.0", "r/signalbox-java:0.1.0", images.Java, false},
		"nor one whose tag says nothing": {"r/autoinstrumentation-java:latest", "r/autoinstrumentation-java:latest", images.Java, false},
	} {
		i := &v1alpha1.Instrumentation{}
		i.Spec.Java.Image = test.image
		i.Annotations = map[string]string{v1alpha1.DefaultImageAnnotation("java"): test.noted}
		changed := Instrumentation(i, images)
		if i.Spec.Java.Image != test.want {
			t.Errorf("%s: got %s; want %s", name, i.Spec.Java.Image, test.want)
		}
		if (len(changed) > 0) != (test.image != test.want) {
			t.Errorf("%s: got changes %q", name, changed)
		}
		want := agents(nil)
		if test.blocked {
			want = agents{"java": "java stays at r/autoinstrumentation-java:1.33.6: from release 2.0.0 on, the names of what applications send are others, which dashboards and alerts have to follow; set spec.java.image to r/autoinstrumentation-java:2.30.0 to have it"}
		}
		if diff := cmp.Diff(want, agents(i.Status.UpgradeBlockedVersions)); diff != "" {
			t.Errorf("%s: blocked (-want +got):\n%s", name, diff)
		}
	}
}

// TestReconcile writes once, the resource and its status, and then nothing more.
func TestReconcile(t *testing.T) {
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	i := &v1alpha1.Instrumentation{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "all", Annotations: map[string]string{
		v1alpha1.DefaultImageAnnotation("java"): "r/autoinstrumentation-java:1.33.6", v1alpha1.DefaultImageAnnotation("python"): "r/python:1.0.0",
	}}}
	i.Spec.Java.Image, i.Spec.Python.Image = "r/autoinstrumentation-java:1.33.6", "r/python:1.0.0"
	writes := 0
	c := fake.NewClientBuilder().WithScheme(scheme).WithObjects(i).WithStatusSubresource(i).WithInterceptorFuncs(interceptor.Funcs{
		Patch: func(ctx context.Context, c client.WithWatch, o client.Object, p client.Patch, opts ...client.PatchOption) error {
			writes++
			return c.Patch(ctx, o, p, opts...)
		},
		SubResourcePatch: func(ctx context.Context, c client.Client, sub string, o client.Object, p client.Patch, opts ...client.SubResourcePatchOption) error {
			writes++
			return c.SubResource(sub).Patch(ctx, o, p, opts...)
		},
	}).Build()
	recorder := events.NewFakeRecorder(10)
	r := &instrumentations{c, c, recorder, v1alpha1.Images{Java: "r/signalbox-java:0.1.0", Python: "r/python:2.0.0"}}
	key := client.ObjectKeyFromObject(i)
	for range 3 {
		if _, err := r.Reconcile(t.Context(), reconcile.Request{NamespacedName: key}); err != nil {
			t.Fatal(err)
		}
	}
	got := &v1alpha1.Instrumentation{}
	if err := c.Get(t.Context(), key, got); err != nil {
		t.Fatal(err)
	}
	if got.Spec.Java.Image != "r/autoinstrumentation-java:1.33.6" || got.Spec.Python.Image != "r/python:2.0.0" || got.Annotations[v1alpha1.DefaultImageAnnotation("python")] != "r/python:2.0.0" {
		t.Errorf("got images %s, %s, annotations %v", got.Spec.Java.Image, got.Spec.Python.Image, got.Annotations)
	}
	if len(got.Status.UpgradeBlockedVersions) != 1 || writes != 2 {
		t.Errorf("got %d writes, blocked %v; want 2, and java", writes, got.Status.UpgradeBlockedVersions)
	}
	for _, want := range []string{"Normal Upgrade python from r/python:1.0.0 to r/python:2.0.0", "Warning UpgradeBlocked java stays at r/autoinstrumentation-java:1.33.6"} {
		select {
		case e := <-recorder.Events:
			if !strings.HasPrefix(e, want) {
				t.Errorf("got event %q; want %q", e, want)
			}
		default:
			t.Errorf("no event; want %q", want)
		}
	}
	if len(recorder.Events) > 0 {
		t.Errorf("%d events too many", len(recorder.Events))
	}

	// What is held back no more leaves the status.
	got.Spec.Java.Image = "r/mine:1"
	if err := c.Update(t.Context(), got); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Reconcile(t.Context(), reconcile.Request{NamespacedName: key}); err != nil {
		t.Fatal(err)
	}
	if err := c.Get(t.Context(), key, got); err != nil || len(got.Status.UpgradeBlockedVersions) != 0 {
		t.Errorf("got %v, %v; want nothing blocked", got.Status.UpgradeBlockedVersions, err)
	}
}
