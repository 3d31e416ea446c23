package v1alpha1

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
	"sigs.k8s.io/yaml"

	"github.com/signalbox-otel/signalbox/api/v1beta1"
)

// Each file of testdata/defaults has a resource and what defaults make of it;
// UPDATE=1 rewrites the latter. Its comment says what it shows, and sets a gate
// with a line "gate: network policies".
func TestDefaults(t *testing.T) {
	files, err := filepath.Glob("testdata/defaults/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no files: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			gates := v1beta1.Gates{NetworkPolicies: strings.Contains(string(archive.Comment), "gate: network policies\n")}
			got := defaulted(t, archive.Files[0].Data, gates)
			if os.Getenv("UPDATE") != "" {
				archive.Files = append(archive.Files[:1], txtar.File{Name: "want.yaml", Data: got})
				if err := os.WriteFile(file, txtar.Format(archive), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(string(archive.Files[1].Data), string(got)); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
			if again := defaulted(t, got, gates); string(again) != string(got) {
				t.Errorf("twice is not once: -once +twice\n%s", cmp.Diff(string(got), string(again)))
			}
		})
	}
}

func defaulted(t *testing.T, text []byte, gates v1beta1.Gates) []byte {
	t.Helper()
	var meta struct{ Kind string }
	if err := yaml.Unmarshal(text, &meta); err != nil {
		t.Fatal(err)
	}
	var object any
	var set func()
	switch meta.Kind {
	case "OpenTelemetryCollector":
		c := &v1beta1.OpenTelemetryCollector{}
		object, set = c, func() { c.SetDefaults(gates) }
	case "TargetAllocator":
		a := &TargetAllocator{}
		object, set = a, func() { a.SetDefaults(gates) }
	case "OpAMPBridge":
		b := &OpAMPBridge{}
		object, set = b, func() { b.SetDefaults() }
	case "Instrumentation":
		i := &Instrumentation{}
		images := Images{Java: "java:1", NodeJS: "nodejs:1", Python: "python:1", DotNet: "dotnet:1", Go: "go:1", ApacheHttpd: "apache:1", Nginx: "apache:1"}
		object, set = i, func() { i.SetDefaults(images) }
	default:
		t.Fatalf("no kind %q", meta.Kind)
	}
	if err := yaml.UnmarshalStrict(text, object); err != nil {
		t.Fatal(err)
	}
	set()
	got, err := yaml.Marshal(object)
	if err != nil {
		t.Fatal(err)
	}
	return got
}
