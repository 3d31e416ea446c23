package settings

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/pflag"
)

// load reads settings as the command does.
func load(t *testing.T, args []string, env map[string]string) (Settings, []string, error) {
	t.Helper()
	f := Register(pflag.NewFlagSet("operator", pflag.ContinueOnError), "1.2.3")
	unknown, err := f.Parse(args)
	if err != nil {
		return Settings{}, unknown, err
	}
	s, err := f.Load(func(name string) (string, bool) { v, ok := env[name]; return v, ok })
	return s, unknown, err
}

func file(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "operator.yaml")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// The file wins over what is built in, the environment over the file, and flags
// over all.
func TestPrecedence(t *testing.T) {
	config := file(t, "collector-image: file\ntargetallocator-image: file\noperatoropampbridge-image: file\nwebhook-port: 1\nlabels-filter: [a, b]\ntls:\n  minversion: VersionTLS13\n")
	s, _, err := load(t, []string{"--config-file", config, "--collector-image=flag", "--labels-filter=x", "--labels-filter", "y"},
		map[string]string{"RELATED_IMAGE_COLLECTOR": "env", "RELATED_IMAGE_TARGET_ALLOCATOR": "env", "WATCH_NAMESPACE": "one, two"})
	if err != nil {
		t.Fatal(err)
	}
	var filter []string
	for _, e := range s.LabelsFilter {
		filter = append(filter, e.String())
	}
	got := []any{s.Images.Collector, s.Images.Allocator, s.Images.Bridge, s.Webhooks.Port, s.TLS.MinVersion, filter, s.WatchNamespaces, s.Metrics.Address}
	want := []any{"flag", "env", "file", 1, uint16(tls.VersionTLS13), []string{"x", "y"}, []string{"one", "two"}, ":8443"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("settings (-want +got)\n%s", diff)
	}
}

// What cannot be understood keeps the operator from starting, and the message
// names the place.
func TestRefused(t *testing.T) {
	for _, c := range []struct {
		args []string
		env  map[string]string
		file string
		want string
	}{
		{args: []string{"--labels-filter=("}, want: `"--labels-filter" flag: got "("; want a regular expression`},
		{args: []string{"--webhook-port=443x"}, want: `"--webhook-port" flag: got "443x"; want a port`},
		{args: []string{"--metrics-addr=8443"}, want: `got "8443"; want an address, as :8443`},
		{args: []string{"--tls-min-version=1.2"}, want: "want VersionTLS12 or VersionTLS13"},
		{args: []string{"--tls-cipher-suites=NONE"}, want: `got "NONE"; want names of cipher suites`},
		{args: []string{"--zap-log-level=loud"}, want: `got "loud"; want debug, info, warn, error or a number`},
		{args: []string{"--metrics-tls-cert-file=x"}, want: "go together"},
		{args: []string{"--feature-gates=-"}, want: "a sign without a name"},
		{env: map[string]string{"ANNOTATIONS_FILTER": "a,("}, want: `variable ANNOTATIONS_FILTER: got "("`},
		{env: map[string]string{"ENABLE_WEBHOOKS": "maybe"}, want: `variable ENABLE_WEBHOOKS: got "maybe"; want true or false`},
		{file: "webhook-port: many\n", want: `webhook-port: got "many"`},
		{file: "a: [\n", want: "reading the settings in"},
		{file: "enable-instrumentation-crds: false\n", want: "has no instrumentations to use instead"},
		{file: "instrumentations: {spec: {pyhton: {}}}\n", want: `unknown field "pyhton"`},
	} {
		args := c.args
		if c.file != "" {
			args = append(args, "--config-file", file(t, c.file))
		}
		if _, _, err := load(t, args, c.env); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v %v %q: got %v; want %q in it", c.args, c.env, c.file, err, c.want)
		}
	}
	if _, _, err := load(t, []string{"--config-file", "/nowhere/operator.yaml"}, nil); err == nil {
		t.Error("a file that is not there is not refused")
	}
}

// What is accepted and changes nothing is said, wherever it comes from.
func TestWarnings(t *testing.T) {
	config := file(t, "collector-configmap-entry: collector.yaml\nopenshift-create-dashboard: true\n")
	s, unknown, err := load(t, []string{"--from-another-release", "value", "--other=1", "--enable-webhooks=false", "--config-file=" + config,
		"--feature-gates=-operator.golang.flags,operand.networkpolicy,+a.gate"}, map[string]string{"IGNORE_MISSING_COLLECTOR_CRDS": "true"})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"--from-another-release", "--other"}, unknown); diff != "" {
		t.Errorf("unknown flags (-want +got)\n%s", diff)
	}
	want := []string{
		config + ": openshift-create-dashboard is accepted, without effect: there is no dashboard",
		config + ": collector-configmap-entry is not known and is ignored",
		"variable IGNORE_MISSING_COLLECTOR_CRDS is accepted, without effect: kinds that are missing are never fatal",
		"feature gate operator.golang.flags is accepted, without effect: GOMEMLIMIT and GOMAXPROCS are always set",
		"feature gate a.gate is not known and is ignored",
	}
	if diff := cmp.Diff(want, s.Warnings); diff != "" {
		t.Errorf("warnings (-want +got)\n%s", diff)
	}
	if s.Webhooks.Enabled || !s.Gates.OperandNetworkPolicy {
		t.Errorf("got webhooks %t, network policies %t; want what was said", s.Webhooks.Enabled, s.Gates.OperandNetworkPolicy)
	}
}

// In a pod one replica leads, our image may have another name, and proxies are
// passed on. An explicit word about rights holds.
func TestEnvironment(t *testing.T) {
	s, _, err := load(t, []string{"--create-rbac-permissions=false"}, map[string]string{
		"KUBERNETES_SERVICE_HOST": "10.0.0.1", "NAMESPACE": "mine", "SIGNALBOX_IMAGE": "registry.local/signalbox:4", "HTTPS_PROXY": "http://proxy", "WEBHOOK_PORT": "",
	})
	if err != nil {
		t.Fatal(err)
	}
	f := s.Facts()
	got := []any{s.LeaderElection, s.Namespace, f.CollectorImage, f.CollectorCommand, f.AllocatorCommand, f.Proxy[0].Name, s.GrantRights != nil && !*s.GrantRights, s.Webhooks.Port}
	want := []any{true, "mine", "registry.local/signalbox:4", []string{"/otelcol"}, []string{"/signalbox", "allocator"}, "HTTPS_PROXY", true, 9443}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("settings (-want +got)\n%s", diff)
	}
	// Another image starts its own program.
	if s, _, err = load(t, []string{"--collector-image=other"}, nil); err != nil || s.Facts().CollectorCommand != nil {
		t.Errorf("got command %q, %v; want none for another image", s.Facts().CollectorCommand, err)
	}
}

// Each name belongs to one setting, and each can be explained.
func TestTable(t *testing.T) {
	seen := map[string]bool{}
	for _, s := range table(release("1")) {
		for _, name := range []string{"--" + s.Flag, "$" + s.Env, "file " + s.File} {
			if seen[name] && len(name) > len("file ") {
				t.Errorf("%s is there twice", name)
			}
			seen[name] = true
		}
		if s.Help == "" && s.NoEffect == "" {
			t.Errorf("%s has no help", s.Name())
		}
	}
}

func TestLogger(t *testing.T) {
	s, _, err := load(t, []string{"--zap-encoder=json", "--zap-log-level=2", "--zap-level-format=lowercase", "--zap-message-key=msg", "--zap-time-encoding=epoch"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	l := s.Log.Logger(&out)
	l.Warn("odd", "level", "mine", slog.Group("msg", "level", 1))
	l.Log(t.Context(), slog.Level(-3), "too much")
	var line map[string]any
	if err := json.Unmarshal(out.Bytes(), &line); err != nil {
		t.Fatalf("%v in %s", err, &out)
	}
	if _, number := line["timestamp"].(float64); !number {
		t.Errorf("got timestamp %v; want a number", line["timestamp"])
	}
	delete(line, "timestamp")
	if !strings.Contains(out.String(), `"level":"warn","msg":"odd"`) {
		t.Errorf("got %s; want the level in lower case and the message under msg", &out)
	}
}

// The page has the table as it is here; UPDATE=1 writes it.
func TestPage(t *testing.T) {
	const page, begin, end = "../../../docs/operator.md", "<!-- settings -->\n", "<!-- /settings -->\n"
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(text), begin)
	_, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("%s has no place for the settings", page)
	}
	want := before + begin + Markdown() + end + after
	if want == string(text) {
		return
	}
	if os.Getenv("UPDATE") == "" {
		t.Fatalf("%s does not have the settings as they are; UPDATE=1 go test ./internal/operator/settings writes them", page)
	}
	if err := os.WriteFile(page, []byte(want), 0o644); err != nil {
		t.Fatal(err)
	}
}
