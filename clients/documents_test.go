package clients

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"
)

// documents are collectors that tutorials and blogs have published, and that
// their readers still apply. Nothing in them was changed.
const documents = "../internal/migrate/testdata/seeds"

// deployment is a collector as a document has its container run.
type deployment struct {
	dir     string            // of the container, with the configuration
	config  string            // its name there
	command []string          // that the container runs, or the operator would
	env     map[string]string // that the document sets
}

// document is what the tests read of one Kubernetes document.
type document struct {
	Data map[string]string
	Spec struct {
		Config   string
		Template struct {
			Spec struct {
				Containers []struct {
					Command []string
					Env     []struct{ Name, Value string }
				}
			}
		}
	}
}

// deploy cuts the configuration out of a document, and lays it where the
// document's command finds it.
func deploy(t *testing.T, name string) deployment {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(documents, name))
	if err != nil {
		t.Fatal(err)
	}
	d := deployment{dir: t.TempDir(), env: map[string]string{}}
	var config string
	for decoder := yaml.NewDecoder(bytes.NewReader(text)); ; {
		var doc document
		if err := decoder.Decode(&doc); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatalf("reading %s: %v", name, err)
		}
		config += doc.Spec.Config
		for _, value := range doc.Data {
			config += value
		}
		for _, container := range doc.Spec.Template.Spec.Containers {
			d.command = container.Command
			for _, e := range container.Env {
				if e.Value != "" {
					d.env[e.Name] = e.Value
				}
			}
		}
	}
	if d.command == nil { // an OpenTelemetryCollector
		d.command = []string{"/otelcol-contrib", "--config=/conf/collector.yaml"}
	}
	for i, arg := range d.command {
		if path, ok := strings.CutPrefix(arg, "--config=/conf/"); ok {
			d.config, d.command[i] = path, "--config="+path
		}
	}
	if config == "" || d.config == "" {
		t.Fatalf("%s has no configuration that a command names", name)
	}
	if err := os.WriteFile(filepath.Join(d.dir, d.config), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	return d
}

// Every published configuration is accepted as it is, by the command line that
// its document runs, and what was changed in it is told.
func TestPublishedConfigurationsAreValid(t *testing.T) {
	for _, name := range []string{
		"000-collector.yaml", "000-collector-applied.yaml", "002-simplest.yaml", "002-manifest.yaml",
		"003-collector.yaml", "004-agent.yaml", "004-gateway.yaml",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := deploy(t, name)
			d.command = append([]string{d.command[0], "validate"}, d.command[1:]...)
			out, err := d.program(t, nil).CombinedOutput()
			if err != nil {
				t.Fatalf("validate: %v\n%s", err, out)
			}
			golden := filepath.Join("testdata", strings.TrimSuffix(name, ".yaml")+".golden")
			if os.Getenv("UPDATE") != "" {
				if err := os.WriteFile(golden, out, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), string(out)); diff != "" {
				t.Errorf("findings (-want +got; UPDATE=1 rewrites):\n%s", diff)
			}
		})
	}
}

// ruleNames are what the goldens of the migrations have behind each finding, and
// the command leaves out.
var ruleNames = regexp.MustCompile(`(?m) \[[\w.-]+\]$`)

// `signalbox migrate` prints what becomes of a whole manifest: the ConfigMap with
// its configuration, the flag that is gone, the port at which nobody listens.
// What it prints is clean.
func TestMigrateManifests(t *testing.T) {
	for _, name := range []string{"000-collector.yaml", "002-manifest.yaml", "004-agent.yaml", "004-gateway.yaml"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			golden, err := os.ReadFile(filepath.Join(documents, strings.TrimSuffix(name, ".yaml")+".golden"))
			if err != nil {
				t.Fatal(err)
			}
			findings, diff, _ := strings.Cut(string(golden), "\n\n")
			gotDiff, gotFindings := migrate(t, documents, "--diff", name)
			if d := cmp.Diff(ruleNames.ReplaceAllString(findings, "")+"\n", gotFindings); d != "" {
				t.Errorf("findings (-want +got):\n%s", d)
			}
			if d := cmp.Diff(diff, gotDiff); d != "" {
				t.Errorf("diff (-want +got):\n%s", d)
			}

			dir := t.TempDir()
			once, _ := migrate(t, documents, name)
			if err := os.WriteFile(filepath.Join(dir, name), []byte(once), 0o600); err != nil {
				t.Fatal(err)
			}
			twice, findings := migrate(t, dir, name)
			if d := cmp.Diff(once, twice); d != "" {
				t.Errorf("migrated again (-once +twice):\n%s", d)
			}
			for line := range strings.Lines(findings) {
				if !strings.Contains(line, ": warning: ") {
					t.Errorf("migrated again, it finds: %s", line)
				}
			}
		})
	}
}

// migrate runs `signalbox migrate` in a folder.
func migrate(t *testing.T, dir string, args ...string) (stdout, stderr string) {
	t.Helper()
	d := deployment{dir: dir, command: append([]string{"signalbox", "migrate"}, args...)}
	cmd := d.program(t, nil)
	var out, findings bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &findings
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s: %v\n%s", cmd, err, &findings)
	}
	return out.String(), findings.String()
}
