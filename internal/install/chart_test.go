package install

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"
)

// helm builds Helm and lays out the chart; it runs Helm with arguments.
func helm(t *testing.T) (run func(args ...string) (string, error), chart string) {
	t.Helper()
	if testing.Short() {
		t.Skip("builds Helm")
	}
	dir := t.TempDir()
	program := filepath.Join(dir, "helm")
	build := exec.CommandContext(t.Context(), "go", "build", "-modfile=tools/helm/go.mod", "-o", program, "helm.sh/helm/v3/cmd/helm")
	build.Dir = "../.."
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building Helm: %v\n%s", err, out)
	}
	chart = filepath.Join(dir, "signalbox")
	files, err := Chart("1.2.3", "signalbox:1.2.3")
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range files {
		path := filepath.Join(chart, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return func(args ...string) (string, error) {
		cmd := exec.CommandContext(t.Context(), program, args...)
		cmd.Env = append(os.Environ(), "HELM_CACHE_HOME="+dir, "HELM_CONFIG_HOME="+dir, "HELM_DATA_HOME="+dir)
		out, err := cmd.CombinedOutput()
		return string(out), err
	}, chart
}

// variants are values that between them take both ways at each decision.
var variants = map[string][]string{
	"defaults": nil,
	"much": {
		"namespace=tools", "image=registry.example/signalbox:2", "imagePullPolicy=Always", "imagePullSecrets=[{name: registry}]",
		"operator.replicas=3", "operator.watchNamespaces=[shop, billing]", "operator.collectorImage=otel/collector:1",
		"operator.targetAllocatorImage=otel/ta:1", "operator.instrumentationDelivery=auto", "operator.webhookPort=443", "operator.certManager=true", "operator.networkPolicy=true",
		"operator.rules=[{apiGroups: [''], resources: [nodes/proxy], verbs: [get]}]", "operator.args=[--zap-log-level=debug, --enable-cr-metrics]", "operator.env=[{name: HTTPS_PROXY, value: 'http://proxy:3128'}]",
		"operator.resources={limits: {cpu: 1}}", "operator.priorityClassName=system-cluster-critical",
		"operator.nodeSelector={kubernetes.io/os: linux}", "operator.tolerations=[{operator: Exists}]",
		"store.size=50Gi", "store.storageClass=fast", "store.retention=30d", "store.retentionSize=20GiB", "store.args=[--log-level=info]",
		"store.service.type=NodePort", "store.service.nodePort=30016", "store.service.annotations={a: 'true', b: '{{ x }}'}", "store.networkPolicy=true",
		"store.priorityClassName=high", "store.nodeSelector={disk: ssd}", "store.tolerations=[{key: disk, operator: Exists}]",
		"store.affinity={nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: [{matchExpressions: [{key: disk, operator: Exists}]}]}}}",
		"collector.name=gateway", "collector.mode=daemonset", "collector.resources={requests: {cpu: 10m}}",
	},
	"affinity":   {"operator.replicas=2", "operator.affinity={podAntiAffinity: {preferredDuringSchedulingIgnoredDuringExecution: [{weight: 1, podAffinityTerm: {topologyKey: zone, labelSelector: {matchLabels: {a: b}}}}]}}"},
	"in memory":  {"store.persistent=false", "store.resources={}", "collector.mode=statefulset", "collector.replicas=0"},
	"host":       {"podSecurity=privileged", "operator.hostNetwork=true", "operator.webhookPort=10250", "crds=false"},
	"store only": {"operator.enabled=false", "collector.enabled=false", "crds=false"},
	"operator":   {"store.enabled=false", "collector.enabled=false"},
}

// The chart installs what install prints, with any values, and like install it
// refuses values that do not exist.
func TestChartIsInstall(t *testing.T) {
	run, chart := helm(t)
	if out, err := run("lint", "--strict", chart); err != nil {
		t.Errorf("helm lint: %v\n%s", err, out)
	}
	for _, setting := range []string{"store.sise=50Gi", "operator.replicas=two", "sotre.size=50Gi"} {
		if out, err := run("template", "signalbox", chart, "--set", setting); err == nil || !strings.Contains(out, "values don't meet the specifications of the schema") {
			t.Errorf("--set %s: got %v\n%s\nwant it refused", setting, err, out)
		}
	}
	for name, settings := range variants {
		t.Run(name, func(t *testing.T) {
			v, err := Parse(nil, settings)
			if err != nil {
				t.Fatal(err)
			}
			objects, err := Objects(v, Image("1.2.3"))
			if err != nil {
				t.Fatal(err)
			}
			values := filepath.Join(t.TempDir(), "values.yaml")
			if err := os.WriteFile(values, forHelm(t, v), 0o644); err != nil {
				t.Fatal(err)
			}
			out, err := run("template", "signalbox", chart, "--namespace", v.Namespace, "--values", values)
			if err != nil {
				t.Fatalf("helm template: %v\n%s", err, out)
			}
			want, got := byName(t, YAML(objects)), byName(t, []byte(out))
			for key := range want {
				if strings.HasPrefix(key, "Namespace ") {
					delete(want, key) // Helm's own business
				}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("install and chart differ (-install +chart):\n%s", diff)
			}
		})
	}
}

// forHelm are the values that a chart takes.
func forHelm(t *testing.T, v Values) []byte {
	t.Helper()
	all, err := generic(v)
	if err != nil {
		t.Fatal(err)
	}
	m := all.(map[string]any)
	for _, key := range ofHelm {
		delete(m, key)
	}
	return encodeYAML(withoutNull(m))
}

// withoutNull leaves out what is nil, which Helm takes as a wish to have no value.
func withoutNull(m map[string]any) map[string]any {
	for key, v := range m {
		if below, ok := v.(map[string]any); ok {
			withoutNull(below)
		}
		if v == nil {
			delete(m, key)
		}
	}
	return m
}

// byName are the objects of a manifest by kind and name, with the texts in them
// that are YAML as what they mean, and without what only Helm needs.
func byName(t *testing.T, manifest []byte) map[string]map[string]any {
	t.Helper()
	found := map[string]map[string]any{}
	docs := utilyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(manifest)))
	for {
		doc, err := docs.Read()
		if errors.Is(err, io.EOF) {
			return found
		}
		if err != nil {
			t.Fatal(err)
		}
		var o map[string]any
		if err := yaml.Unmarshal(doc, &o); err != nil {
			t.Fatalf("%v\n%s", err, doc)
		}
		if o == nil {
			continue
		}
		metadata := o["metadata"].(map[string]any)
		if annotations, ok := metadata["annotations"].(map[string]any); ok {
			delete(annotations, "helm.sh/resource-policy")
		}
		if data, ok := o["data"].(map[string]any); ok {
			var inner map[string]any
			if err := yaml.Unmarshal([]byte(data[collectorKey].(string)), &inner); err != nil {
				t.Fatal(err)
			}
			data[collectorKey] = inner
		}
		found[o["kind"].(string)+" "+metadata["name"].(string)] = o
	}
}
