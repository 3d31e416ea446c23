package collector

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
	"sigs.k8s.io/yaml"

	"github.com/signalbox-otel/signalbox/internal/migrate"
)

// checked returns the findings of a configuration as text, one on each line,
// with their rules.
func checked(t *testing.T, text []byte) string {
	t.Helper()
	var conf map[string]any
	if err := yaml.Unmarshal(text, &conf); err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, f := range Check(t.Context(), conf) {
		b.WriteString(f.String() + " [" + f.Rule + "]\n")
	}
	return b.String()
}

// Each archive in testdata/check has a configuration as a resource of
// Kubernetes holds it, and the findings; UPDATE=1 rewrites them.
func TestCheck(t *testing.T) {
	files, err := filepath.Glob("testdata/check/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no archives: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			a, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if len(a.Files) != 2 || a.Files[0].Name != "config.yaml" || a.Files[1].Name != "want" {
				t.Fatalf("%s: want the files config.yaml and want", file)
			}
			got := checked(t, a.Files[0].Data)
			if os.Getenv("UPDATE") != "" {
				a.Files[1].Data = []byte(got)
				if err := os.WriteFile(file, txtar.Format(a), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if diff := cmp.Diff(string(a.Files[1].Data), got); diff != "" {
				t.Errorf("findings (-want +got; UPDATE=1 rewrites):\n%s", diff)
			}
		})
	}
}

// Configurations that run have no mistakes for a pod either.
func TestCheckOfGoodConfigurations(t *testing.T) {
	files, err := filepath.Glob("testdata/*.good.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no good configurations: %v", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if got := checked(t, text); strings.Contains(got, string(migrate.Error)+": ") {
			t.Errorf("%s: got\n%s\nwant no error", file, got)
		}
	}
}

// What a check costs a process that runs many: time, garbage, and what stays.
func BenchmarkCheck(b *testing.B) {
	for _, file := range []string{"testdata/gateway.good.yaml", "testdata/daemonset.good.yaml", "testdata/check/environment.txtar", "testdata/check/unknown.txtar"} {
		text, err := os.ReadFile(file)
		if err != nil {
			b.Fatal(err)
		}
		if a := txtar.Parse(text); len(a.Files) > 0 {
			text = a.Files[0].Data
		}
		var conf map[string]any
		if err := yaml.Unmarshal(text, &conf); err != nil {
			b.Fatal(err)
		}
		b.Run(strings.TrimSuffix(filepath.Base(file), filepath.Ext(file)), func(b *testing.B) {
			Check(b.Context(), conf) // makes the factories
			before := liveHeap()
			b.ReportAllocs()
			for b.Loop() {
				Check(b.Context(), conf)
			}
			b.ReportMetric(float64(liveHeap()-before), "B-kept")
		})
	}
}

// liveHeap is the size of what the heap holds after garbage collection.
func liveHeap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
