package render

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/signalbox-otel/signalbox/api/v1alpha1"
	"github.com/signalbox-otel/signalbox/api/v1beta1"
)

// TestGolden renders the resource in cr.yaml with the facts in facts.yaml, and
// compares all objects and findings with want.yaml, or the error with want.err.
// UPDATE=1 rewrites what is wanted.
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
			got := txtar.File{Name: "want.yaml"}
			if text, err := renderArchive(t, archive); err != nil {
				got = txtar.File{Name: "want.err", Data: []byte(err.Error() + "\n")}
			} else {
				got.Data = text
			}
			if os.Getenv("UPDATE") != "" {
				archive.Files = slices.DeleteFunc(archive.Files, func(f txtar.File) bool { return strings.HasPrefix(f.Name, "want.") })
				archive.Files = append(archive.Files, got)
				if err := os.WriteFile(file, txtar.Format(archive), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(string(member(archive, got.Name)), string(got.Data)); diff != "" {
				t.Errorf("%s (-want +got):\n%s", got.Name, diff)
			}
		})
	}
}

func member(a *txtar.Archive, name string) []byte {
	for _, f := range a.Files {
		if f.Name == name {
			return f.Data
		}
	}
	return nil
}

// renderArchive renders cr.yaml, and shows that doing so changes neither the
// resource nor from one time to the next.
func renderArchive(t *testing.T, archive *txtar.Archive) ([]byte, error) {
	t.Helper()
	var facts Facts
	if err := yaml.UnmarshalStrict(member(archive, "facts.yaml"), &facts); err != nil {
		t.Fatal("facts.yaml:", err)
	}
	text := member(archive, "cr.yaml")
	var plan func() (Plan, error)
	var cr any
	switch kind := kindOf(t, text); kind {
	case "OpenTelemetryCollector":
		c := new(v1beta1.OpenTelemetryCollector)
		cr, plan = c, func() (Plan, error) { return Collector(c, facts) }
	case "TargetAllocator":
		a := new(v1alpha1.TargetAllocator)
		cr, plan = a, func() (Plan, error) { return Allocator(a, collectors(t, member(archive, "collectors.yaml")), facts) }
	case "OpAMPBridge":
		b := new(v1alpha1.OpAMPBridge)
		cr, plan = b, func() (Plan, error) { return Bridge(b, facts) }
	default:
		t.Fatalf("cr.yaml: kind %q", kind)
	}
	if err := yaml.UnmarshalStrict(converted(t, text), cr); err != nil {
		t.Fatal("cr.yaml:", err)
	}
	if m := cr.(metav1.Object); m.GetNamespace() == "" {
		m.SetNamespace("default")
	}
	before := clone(cr)
	p, err := plan()
	if diff := cmp.Diff(before, cr); diff != "" {
		t.Errorf("rendering changes the resource (-before +after):\n%s", diff)
	}
	if err != nil {
		return nil, err
	}
	first := printed(t, p)
	for range 5 {
		again, err := plan()
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(first), string(printed(t, again))); diff != "" {
			t.Fatalf("rendering again gives something else:\n%s", diff)
		}
	}
	return first, nil
}

func clone(cr any) any {
	switch cr := cr.(type) {
	case *v1beta1.OpenTelemetryCollector:
		return cr.DeepCopy()
	case *v1alpha1.TargetAllocator:
		return cr.DeepCopy()
	case *v1alpha1.OpAMPBridge:
		return cr.DeepCopy()
	}
	panic(reflect.TypeOf(cr))
}

// collectors are those in a file of several documents.
func collectors(t *testing.T, text []byte) []*v1beta1.OpenTelemetryCollector {
	t.Helper()
	var all []*v1beta1.OpenTelemetryCollector
	for doc := range bytes.SplitSeq(text, []byte("---\n")) {
		c := new(v1beta1.OpenTelemetryCollector)
		if err := yaml.UnmarshalStrict(doc, c); err != nil {
			t.Fatal("collectors.yaml:", err)
		}
		all = append(all, c)
	}
	return all
}

// converted is a collector of v1alpha1 as v1beta1, as the API server gives it.
func converted(t *testing.T, text []byte) []byte {
	t.Helper()
	if !bytes.Contains(text, []byte("kind: OpenTelemetryCollector")) {
		return text
	}
	var object map[string]any
	if err := yaml.Unmarshal(text, &object); err != nil {
		t.Fatal("cr.yaml:", err)
	}
	text, err := yaml.Marshal(v1alpha1.Convert(object, v1beta1.GroupVersion.Version))
	if err != nil {
		t.Fatal("cr.yaml:", err)
	}
	return text
}

func kindOf(t *testing.T, text []byte) string {
	t.Helper()
	var meta struct {
		Kind string `json:"kind"`
	}
	if err := yaml.Unmarshal(text, &meta); err != nil {
		t.Fatal("cr.yaml:", err)
	}
	return meta.Kind
}

// printed is a plan as the golden files have it: findings as comments, without
// the words that belong to other rooms, then the objects.
func printed(t *testing.T, p Plan) []byte {
	t.Helper()
	var b bytes.Buffer
	for _, f := range p.Findings {
		fmt.Fprintf(&b, "# %s at %s: %s\n", f.Severity, f.Place(), f.Rule)
	}
	text, err := p.YAML()
	if err != nil {
		t.Fatal(err)
	}
	b.Write(text)
	return b.Bytes()
}
