package inject

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	jsonpatch "github.com/evanphx/json-patch/v5"
	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/signalbox-otel/signalbox/api/v1alpha1"
	"github.com/signalbox-otel/signalbox/api/v1beta1"
	"github.com/signalbox-otel/signalbox/internal/render"
)

// TestGolden gives the pod in pod.yaml what it asks for, with the namespace in
// namespace.yaml, the collectors in collectors.yaml and the facts in facts.yaml,
// the Instrumentations in instrumentations.yaml, and compares decisions and pod
// with want.yaml. UPDATE=1 rewrites what is wanted.
func TestGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal("no testdata", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := injectArchive(t, archive)
			if os.Getenv("UPDATE") != "" {
				archive.Files = slices.DeleteFunc(archive.Files, func(f txtar.File) bool { return f.Name == "want.yaml" })
				archive.Files = append(archive.Files, txtar.File{Name: "want.yaml", Data: got})
				if err := os.WriteFile(file, txtar.Format(archive), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(string(member(archive, "want.yaml")), string(got)); diff != "" {
				t.Errorf("want.yaml (-want +got):\n%s", diff)
			}
		})
	}
}

// given are the facts of a test.
type given struct {
	Facts  `json:",inline"`
	Render render.Facts `json:"render"`
}

func member(a *txtar.Archive, name string) []byte {
	for _, f := range a.Files {
		if f.Name == name {
			return f.Data
		}
	}
	return nil
}

func read(t *testing.T, archive *txtar.Archive, name string, into any) {
	t.Helper()
	if err := yaml.UnmarshalStrict(member(archive, name), into); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

// injectArchive injects, and shows that doing so changes neither pod nor
// collectors, and that the patch says what changed.
func injectArchive(t *testing.T, archive *txtar.Archive) []byte {
	t.Helper()
	var pod corev1.Pod
	var namespace metav1.PartialObjectMetadata
	var facts given
	read(t, archive, "pod.yaml", &pod)
	read(t, archive, "namespace.yaml", &namespace)
	read(t, archive, "facts.yaml", &facts)
	if namespace.Name == "" {
		namespace.Name = "shop"
	}
	var collectors []*v1beta1.OpenTelemetryCollector
	for text := range strings.SplitSeq(string(member(archive, "collectors.yaml")), "---\n") {
		if strings.TrimSpace(text) == "" {
			continue
		}
		c := new(v1beta1.OpenTelemetryCollector)
		if err := yaml.UnmarshalStrict([]byte(text), c); err != nil {
			t.Fatal("collectors.yaml:", err)
		}
		collectors = append(collectors, c)
	}
	facts.Sidecar = func(cr *v1beta1.OpenTelemetryCollector) (render.Sidecar, error) {
		return render.SidecarOf(cr, facts.Render)
	}
	var instrumentations []*v1alpha1.Instrumentation
	for text := range strings.SplitSeq(string(member(archive, "instrumentations.yaml")), "---\n") {
		if strings.TrimSpace(text) == "" {
			continue
		}
		i := new(v1alpha1.Instrumentation)
		if err := yaml.UnmarshalStrict([]byte(text), i); err != nil {
			t.Fatal("instrumentations.yaml:", err)
		}
		instrumentations = append(instrumentations, i)
	}
	before := pod.DeepCopy()
	var decisions []Decision
	result := AddSidecar(&pod, namespace.ObjectMeta, collectors, facts.Facts)
	if result.Decision.Kind != "" {
		decisions = append(decisions, result.Decision)
	}
	after, more := AddInstrumentation(result.Pod, namespace.ObjectMeta, instrumentations, facts.Facts)
	decisions = append(decisions, more...)
	if diff := cmp.Diff(before, &pod); diff != "" {
		t.Errorf("injecting changes the pod it is given (-before +after):\n%s", diff)
	}
	if after != &pod && !slices.ContainsFunc(decisions, func(d Decision) bool { return d.Outcome == Injected || d.Outcome == Unchanged }) {
		t.Error("nothing is injected, and yet the pod is another")
	}
	checkPatch(t, &pod, after)
	return printed(t, decisions, after)
}

func printed(t *testing.T, decisions []Decision, pod *corev1.Pod) []byte {
	t.Helper()
	why, err := yaml.Marshal(decisions)
	if err != nil {
		t.Fatal(err)
	}
	what, err := yaml.Marshal(pod)
	if err != nil {
		t.Fatal(err)
	}
	return slices.Concat(why, []byte("---\n"), what)
}

// checkPatch applies the patch of two pods to the first.
func checkPatch(t *testing.T, before, after *corev1.Pod) {
	t.Helper()
	patch, err := Patch(before, after)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := json.Marshal(before)
	if err != nil {
		t.Fatal(err)
	}
	var got corev1.Pod
	if err := json.Unmarshal(patched(t, raw, patch), &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(after, &got); diff != "" {
		t.Errorf("the patch %s gives another pod (-want +got):\n%s", patch, diff)
	}
}

func patched(t *testing.T, raw, patch []byte) []byte {
	t.Helper()
	if patch == nil {
		return raw
	}
	p, err := jsonpatch.DecodePatch(patch)
	if err != nil {
		t.Fatal(err)
	}
	out, err := p.Apply(raw)
	if err != nil {
		t.Fatalf("applying %s: %v", patch, err)
	}
	return out
}
