package collector

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/collector/component"
)

// collect runs the collector command as a shell would, and returns what it
// printed and its error.
func collect(t *testing.T, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	cmd := NewCommand("v0.0.0-test")
	var out, errs bytes.Buffer
	cmd.SetOut(&out)
	cmd.SetErr(&errs)
	cmd.SetArgs(append([]string{}, args...)) // nil would be those of the test
	err = cmd.ExecuteContext(t.Context())
	return out.String(), errs.String(), err
}

// Each file testdata/*.bad.yaml has one or more mistakes, and in comments that
// begin with "# want: " the findings, in order.
func TestBadConfigurations(t *testing.T) {
	files, err := filepath.Glob("testdata/*.bad.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no bad configurations: %v", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var want []string
			for line := range strings.Lines(string(text)) {
				if w, ok := strings.CutPrefix(line, "# want: "); ok {
					want = append(want, strings.TrimSpace(w))
				}
			}
			_, _, err = collect(t, "validate", "--config", file)
			if err == nil {
				t.Fatal("validate accepted it")
			}
			var got []string
			for line := range strings.Lines(err.Error()) {
				if f, ok := strings.CutPrefix(line, "  "); ok {
					got = append(got, strings.TrimPrefix(strings.TrimSpace(f), file+":"))
				}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("findings (-want +got):\n%s\nall of it:\n%v", diff, err)
			}
		})
	}
}

// What print-config prints loads, and prints the same again: nothing is lost,
// gained or switched on by a detour through print-config.
func TestPrintedConfigurationLoadsAgain(t *testing.T) {
	files, err := filepath.Glob("testdata/*.good.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no good configurations: %v", err)
	}
	for _, file := range append(files, workshop) {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Setenv("SIGNALBOX_TEST_DIR", t.TempDir())
			for _, format := range []string{"yaml", "json"} {
				first, _, err := collect(t, "print-config", "--mode", "unredacted", "--format", format, "--config", file)
				if err != nil {
					t.Fatal(err)
				}
				printed := filepath.Join(t.TempDir(), "printed.yaml")
				if err := os.WriteFile(printed, []byte(first), 0o600); err != nil {
					t.Fatal(err)
				}
				again, _, err := collect(t, "print-config", "--mode", "unredacted", "--format", format, "--config", printed)
				if err != nil {
					t.Fatalf("printed configuration: %v\n%s", err, first)
				}
				if diff := cmp.Diff(first, again); diff != "" {
					t.Errorf("printed again (-first +again):\n%s", diff)
				}
			}
		})
	}
}

// The list of components is what users see; a change of it is a change of the
// product.
func TestComponents(t *testing.T) {
	got, _, err := collect(t, "components")
	if err != nil {
		t.Fatal(err)
	}
	golden := "testdata/components.golden.yaml"
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("components (-want +got; UPDATE=1 rewrites):\n%s", diff)
	}
}

// Every component comes from a module that go.mod requires, so that its
// version can be printed.
func TestComponentModules(t *testing.T) {
	required, err := os.ReadFile("../../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	f, err := Factories()
	if err != nil {
		t.Fatal(err)
	}
	for _, modules := range []map[component.Type]string{f.ReceiverModules, f.ProcessorModules, f.ExporterModules, f.ConnectorModules, f.ExtensionModules} {
		for typ, module := range modules {
			if !strings.HasPrefix(module, ours) && !strings.Contains(string(required), "\t"+module+" v") {
				t.Errorf("%s: module %q is not in go.mod", typ, module)
			}
		}
	}
}

func TestFlags(t *testing.T) {
	f := func(want string, args ...string) {
		t.Helper()
		_, _, err := collect(t, args...)
		got := ""
		if err != nil {
			got = err.Error()
		}
		if !strings.Contains(got, want) || want == "" && got != "" {
			t.Errorf("%v: got error %q; want %q", args, got, want)
		}
	}
	good := "testdata/gateway.good.yaml"
	f("no configuration given", "validate")
	f("no configuration given")
	f("", "validate", "--config", good)
	f("", "validate", "--config=file:"+good, "--set=processors.batch.timeout=2s", "--feature-gates=-pdata.useProtoPooling")
	f("", "validate", "--config", good, "--config", "yaml:processors::batch::timeout: 3s")
	f("missing equal sign", "validate", "--config", good, "--set=processors.batch.timeout")
	f(`processors::batch::timeout: want a duration`, "validate", "--config", good, "--set=processors.batch.timeout=soon")
	f("no such feature gate", "validate", "--config", good, "--feature-gates=no.such")
	f("missing.yaml", "validate", "--config", "testdata/missing.yaml")
	f("nosuch:x", "validate", "--config", "nosuch:x")
	f("unknown mode", "print-config", "--config", good, "--mode=naked")
	f("", "featuregate", "service.partialReload")
}

func TestUnsetVariablesAreReported(t *testing.T) {
	_, stderr, err := collect(t, "validate", "--config", "testdata/gateway.good.yaml", "--set", "exporters.otlp_grpc.endpoint=${env:SIGNALBOX_TEST_UNSET}:4317")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(stderr, "SIGNALBOX_TEST_UNSET") {
		t.Errorf("got %q; want a warning that names the variable", stderr)
	}
}

// Secrets do not appear, whether or not the component's struct can be printed
// in full.
func TestPrintedSecretsAreHidden(t *testing.T) {
	config := `
receivers:
  prometheus:
    config:
      scrape_configs:
        - job_name: a
          basic_auth: {username: u, password: hunter2}
          static_configs: [{targets: [localhost:1]}]
exporters:
  otlp_grpc:
    endpoint: localhost:4317
    headers: {x-scope: hunter2}
  clickhouse:
    endpoint: tcp://localhost:9000
    password: hunter2
extensions:
  bearertokenauth:
    token: hunter2
service:
  extensions: [bearertokenauth]
  pipelines:
    metrics: {receivers: [prometheus], exporters: [otlp_grpc, clickhouse]}
`
	for mode, want := range map[string]bool{"redacted": false, "unredacted": true} {
		out, _, err := collect(t, "print-config", "--mode", mode, "--config", "yaml:"+config)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Contains(out, "hunter2"); got != want {
			t.Errorf("%s: secret printed: got %t; want %t in\n%s", mode, got, want, out)
		}
	}
}

// What was expanded is printed so that it is not expanded again.
func TestPrintedDollarsStay(t *testing.T) {
	t.Setenv("SIGNALBOX_TEST_PORT", "04317")
	out, _, err := collect(t, "print-config", "--config", "testdata/gateway.good.yaml",
		"--set", "exporters.otlp_grpc.endpoint=host:${env:SIGNALBOX_TEST_PORT}",
		"--set", "exporters.prometheus.namespace=a$${env:HOME}$$1")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"endpoint: host:04317", "namespace: a$${env:HOME}$$1"} {
		if !strings.Contains(out, want) {
			t.Errorf("want %q in\n%s", want, out)
		}
	}
}

// health_check prints parts of another version of itself as null, which it
// refuses to read.
func TestPrintedPartsThatAreAbsentStayAbsent(t *testing.T) {
	out, _, err := collect(t, "print-config", "--config", "testdata/gateway.good.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(out, "null") {
		t.Errorf("null in\n%s", out)
	}
}
