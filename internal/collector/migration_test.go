package collector

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/featuregate"

	"github.com/signalbox-otel/signalbox/internal/migrate"
)

// The documents that people have published are accepted as they are.
func TestSeedsAreAccepted(t *testing.T) {
	for seed, config := range map[string]bool{
		"000-collector.yaml": true, "000-collector-applied.yaml": true, "002-simplest.yaml": true,
		"002-manifest.yaml": true, "003-collector.yaml": true, "004-agent.yaml": true, "004-gateway.yaml": true,
		"003-instrumentation.yaml": false,
	} {
		t.Run(seed, func(t *testing.T) {
			_, _, err := collect(t, "validate", "--config", filepath.Join("../migrate/testdata/seeds", seed))
			if (err == nil) != config {
				t.Errorf("validate: %v", err)
			}
		})
	}
}

// What the rules make of their examples is what the components take, and what
// they take it for is what is in the file.
func TestExamplesAreAccepted(t *testing.T) {
	files, err := filepath.Glob("../migrate/testdata/rules/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no examples: %v", err)
	}
	for _, file := range files {
		archive, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var config, findings string
		for _, f := range archive.Files {
			switch f.Name {
			case "after.yaml":
				config = string(f.Data)
			case "findings":
				findings = string(f.Data)
			}
		}
		found, err := migrate.Find([]byte(config))
		if err != nil {
			t.Errorf("%s: %v", file, err)
		}
		if len(found) != 1 || strings.Contains(findings, ": error: ") || strings.Contains(findings, "receivers::influxdb") {
			continue
		}
		after := filepath.Join(t.TempDir(), "after.yaml")
		if err := os.WriteFile(after, []byte(config), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, _, err := collect(t, "validate", "--config", after); err != nil {
			t.Errorf("%s: %v", file, err)
		}
	}
}

// Findings are logged once each, with their place, and counted.
func TestMigrationIsTold(t *testing.T) {
	port, receiver := freePort(t), freePort(t)
	config := fmt.Sprintf(`
receivers: {otlp: {protocols: {grpc: {endpoint: %q}}}}
exporters:
  logging:
service:
  telemetry: {metrics: {address: %q}}
  pipelines:
    traces: {receivers: [otlp], exporters: [logging]}
`, receiver, port)
	c := startCollector(t, config)
	told := map[string]int{}
	hear := func(until string) {
		t.Helper()
		for {
			m := <-c.logged
			if strings.HasPrefix(m, "configuration migrated") {
				told[strings.Fields(m)[len(strings.Fields(m))-1]]++
				if !strings.Contains(m, "finding="+c.config+":") {
					t.Errorf("logged %q; want the place", m)
				}
			}
			if strings.HasPrefix(m, until) {
				return
			}
		}
	}
	hear("Everything is ready")
	c.reload <- syscall.SIGHUP
	hear("configuration accepted")
	hear("Everything is ready")
	if diff := cmp.Diff(map[string]int{"rule=logging-exporter": 1, "rule=metrics-address": 1}, told); diff != "" {
		t.Errorf("logged (-want +got):\n%s", diff)
	}
	resp, err := http.Get("http://" + port + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	found := false
	for line := range strings.Lines(string(body)) {
		found = found || strings.HasPrefix(line, "signalbox_migrate_findings_total{") &&
			strings.Contains(line, `rule="logging-exporter"`) && strings.Contains(line, `severity="changed"`) && strings.HasSuffix(line, "} 2\n")
	}
	if !found {
		t.Errorf("no signalbox_migrate_findings_total of two loads in\n%s", body)
	}
}

// Several locations are merged as upstream merges them, and then migrated as
// one: a pipeline may stand in another file than its exporter.
func TestLocationsAreMigratedTogether(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		t.Helper()
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	t.Setenv("SIGNALBOX_TEST_EXPORTERS", "{logging: {loglevel: debug}, otlp: {endpoint: a:1}}")
	a := write("a.yaml", `
receivers: {otlp: {protocols: {grpc: , http: }}}
processors: {batch: {timeout: 1s}}
exporters: ${env:SIGNALBOX_TEST_EXPORTERS}
service: ${file:`+write("service.yaml", "pipelines: {traces: {receivers: [otlp], processors: [batch], exporters: [logging]}}")+`}
`)
	b := write("b.yaml", "exporters: {otlp: {insecure: true}}\nprocessors: {batch: }\nreceivers: &r {otlp: {protocols: {grpc: {endpoint: localhost:5}}}}\n")
	got, err := Resolve(t.Context(), Settings{
		ConfigURIs: []string{a, b, "yaml:service::pipelines::traces::exporters: [logging, otlp]"},
		Sets:       []string{"receivers.otlp.protocols.http.endpoint=localhost:6"},
		Migrate:    migrate.Options{InPod: true},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := confmap.NewFromStringMap(map[string]any{
		"receivers":  map[string]any{"otlp": map[string]any{"protocols": map[string]any{"grpc": map[string]any{"endpoint": "localhost:5"}, "http": map[string]any{"endpoint": "localhost:6"}}}},
		"processors": map[string]any{"batch": nil},
		"exporters":  map[string]any{"debug": map[string]any{"verbosity": "detailed"}, "otlp": map[string]any{"endpoint": "a:1", "tls": map[string]any{"insecure": true}}},
		"service": map[string]any{
			"telemetry": map[string]any{"metrics": map[string]any{"readers": []any{map[string]any{"pull": map[string]any{"exporter": map[string]any{"prometheus": map[string]any{
				"host": "0.0.0.0", "port": 8888, "without_scope_info": true, "without_type_suffix": true, "without_units": true}}}}}}},
			"pipelines": map[string]any{"traces": map[string]any{"receivers": []any{"otlp"}, "processors": []any{"batch"}, "exporters": []any{"debug", "otlp"}}},
		},
	})
	if diff := cmp.Diff(want.ToStringMap(), got.ToStringMap()); diff != "" {
		t.Errorf("merged and migrated (-want +got):\n%s", diff)
	}
}

// A gate that upstream still has is upstream's.
func TestOldGatesAreGone(t *testing.T) {
	have := map[string]bool{}
	featuregate.GlobalRegistry().VisitAll(func(g *featuregate.Gate) { have[g.ID()] = true })
	for _, r := range migrate.Rules() {
		if id, ok := strings.CutPrefix(r.ID, "gate-"); ok && have[id] {
			t.Errorf("feature gate %s is not gone", id)
		}
	}
}
