package v1alpha1

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/runtime"
	utiljson "k8s.io/apimachinery/pkg/util/json"
	"sigs.k8s.io/yaml"

	"github.com/signalbox-otel/signalbox/api/v1beta1"
)

var versions = []string{"v1alpha1", "v1beta1"}

func other(version string) string {
	if version == versions[0] {
		return versions[1]
	}
	return versions[0]
}

// wire sends an object as the API server does.
func wire(t testing.TB, object map[string]any) map[string]any {
	t.Helper()
	data, err := json.Marshal(object)
	if err != nil {
		t.Fatal(err)
	}
	var received map[string]any
	if err := utiljson.Unmarshal(data, &received); err != nil {
		t.Fatal(err)
	}
	return received
}

// There and back again is the identity, from both sides, and what is between can
// be held by the types and has no field that the API server would prune.
func TestConvertLosesNothing(t *testing.T) {
	for _, version := range versions {
		schema, between := schemaOf(t, version), schemaOf(t, other(version))
		start := rand.Uint64()
		for seed := start; seed < start+60; seed++ {
			object := wire(t, newRandom(seed).collector(schema, version))
			before := wire(t, object)
			converted := wire(t, Convert(object, other(version)))
			if diff := cmp.Diff(before, object); diff != "" {
				t.Fatalf("seed %d: the argument was changed:\n%s", seed, diff)
			}
			if unknown := unknownFields("", converted, between); len(unknown) > 0 {
				t.Fatalf("seed %d: %s would be pruned", seed, unknown)
			}
			if !decodes(converted) {
				t.Fatalf("seed %d: the types cannot hold what was converted", seed)
			}
			back := wire(t, Convert(converted, version))
			if diff := cmp.Diff(before, back); diff != "" {
				t.Fatalf("seed %d: %s lost (-) or gained (+):\n%s", seed, version, diff)
			}
		}
	}
}

// unknownFields are those that a schema does not have.
func unknownFields(path string, v any, schema map[string]any) []string {
	var unknown []string
	switch v := v.(type) {
	case map[string]any:
		properties := child(schema, "properties")
		if path == "" {
			properties = map[string]any{"spec": properties["spec"], "status": properties["status"]}
		}
		for key, e := range v {
			element, ok := properties[key].(map[string]any)
			if !ok {
				element, ok = schema["additionalProperties"].(map[string]any)
			}
			switch {
			case ok:
				unknown = append(unknown, unknownFields(path+"."+key, e, element)...)
			case schema["x-kubernetes-preserve-unknown-fields"] != true && path != "":
				unknown = append(unknown, path+"."+key)
			}
		}
	case []any:
		for i, e := range v {
			items, _ := schema["items"].(map[string]any)
			unknown = append(unknown, unknownFields(fmt.Sprintf("%s[%d]", path, i), e, items)...)
		}
	}
	return unknown
}

// A field that is changed in the other version stays changed, and what it does
// not touch comes back.
func TestConvertKeepsChanges(t *testing.T) {
	for _, version := range versions {
		schema := schemaOf(t, version)
		start := rand.Uint64()
		for seed := start; seed < start+30; seed++ {
			object := wire(t, newRandom(seed).collector(schema, version))
			converted := wire(t, Convert(object, other(version)))
			child(converted, "spec")["image"] = "changed"
			back := wire(t, Convert(converted, version))
			child(object, "spec")["image"] = "changed"
			if diff := cmp.Diff(object, back); diff != "" {
				t.Fatalf("seed %d: %s, image changed in %s:\n%s", seed, version, other(version), diff)
			}
			again := wire(t, Convert(back, other(version)))
			if diff := cmp.Diff(content(converted), content(again)); diff != "" {
				t.Fatalf("seed %d: %s does not say what %s said:\n%s", seed, version, other(version), diff)
			}
		}
	}
}

// What was written last is what is said, in the version it was written in,
// whatever the other version remembers: fields are set to others, and removed.
func TestConvertSaysWhatWasWritten(t *testing.T) {
	for _, version := range versions {
		schema, otherSchema := schemaOf(t, version), schemaOf(t, other(version))
		start := rand.Uint64()
		for seed := start; seed < start+60; seed++ {
			r := newRandom(seed)
			written := wire(t, Convert(wire(t, r.collector(schema, version)), other(version)))
			spec, donor := child(written, "spec"), child(r.collector(otherSchema, other(version)), "spec")
			for _, key := range slices.Sorted(maps.Keys(child(otherSchema, "properties", "spec", "properties"))) {
				switch r.IntN(6) {
				case 0:
					if key != "config" {
						delete(spec, key)
					}
				case 1:
					if donor[key] != nil {
						spec[key] = donor[key]
					}
				}
			}
			written = wire(t, written)
			again := wire(t, Convert(wire(t, Convert(written, version)), other(version)))
			if diff := cmp.Diff(content(written), content(again)); diff != "" {
				t.Fatalf("seed %d: -written in %s +said\n%s", seed, other(version), diff)
			}
		}
	}
}

// The tables of what v1alpha1 has no field for are what the manifests say.
func TestBetaOnly(t *testing.T) {
	alpha, beta := schemaOf(t, "v1alpha1"), schemaOf(t, "v1beta1")
	renamed := []string{"daemonSetUpdateStrategy", lowerDisable}
	for _, test := range []struct {
		path []string
		want []string
	}{
		{[]string{"spec"}, betaSpec},
		{[]string{"status"}, betaStatus},
		{[]string{"spec", "targetAllocator"}, betaAllocator},
		{[]string{"spec", "targetAllocator", "prometheusCR"}, betaPrometheusCR},
		{[]string{"spec", "observability", "metrics"}, []string{"extraLabels"}},
		{[]string{"spec", "targetAllocator", "observability", "metrics"}, []string{"extraLabels"}},
		{[]string{"spec", "ingress"}, nil},
		{[]string{"spec", "autoscaler"}, nil},
	} {
		var path []string
		for _, key := range test.path {
			path = append(path, "properties", key)
		}
		path = append(path, "properties")
		var got []string
		for key := range child(beta, path...) {
			if child(alpha, path...)[key] == nil && !slices.Contains(renamed, key) {
				got = append(got, key)
			}
		}
		slices.Sort(got)
		if diff := cmp.Diff(slices.Sorted(slices.Values(test.want)), got); diff != "" {
			t.Errorf("%v: -table +manifest\n%s", test.path, diff)
		}
	}
}

func collector(t *testing.T, text string) map[string]any {
	t.Helper()
	data, err := yaml.YAMLToJSON([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	var object map[string]any
	if err := utiljson.Unmarshal(data, &object); err != nil {
		t.Fatal(err)
	}
	return object
}

// The rules of the contract, a line each: what v1alpha1 says, and what of
// v1beta1 comes of it.
func TestUp(t *testing.T) {
	f := func(alpha, beta string) {
		t.Helper()
		object := collector(t, "apiVersion: opentelemetry.io/v1alpha1\nspec: "+alpha)
		got := child(wire(t, Convert(object, "v1beta1")), "spec")
		for key, want := range collector(t, beta) {
			if want == "absent" {
				want = nil
			}
			if diff := cmp.Diff(want, got[key]); diff != "" {
				t.Errorf("%s: %s -want +got\n%s", alpha, key, diff)
			}
		}
	}
	empty := "config: {receivers: {}, exporters: {}, service: {pipelines: {}}}"
	f("{config: ''}", empty)
	f("{config: 'null'}", empty)
	f("{config: '{'}", empty)
	f("{config: 'receivers: {otlp: }'}", "config: {receivers: {otlp: null}, exporters: {}, service: {pipelines: {}}}")
	f("{config: 'service: {pipelines: {traces: }}'}", "config: {receivers: {}, exporters: {}, service: {pipelines: {traces: {receivers: [], exporters: []}}}}")
	f("{}", "{configVersions: 3, ipFamilyPolicy: SingleStack, autoscaler: absent}")
	f("{minReplicas: 2, maxReplicas: 3}", "{autoscaler: {minReplicas: 2, maxReplicas: 3}, minReplicas: absent, maxReplicas: absent}")
	f("{maxReplicas: 3, autoscaler: {maxReplicas: 5}}", "autoscaler: {maxReplicas: 5}")
	f("{updateStrategy: {type: OnDelete}}", "{updateStrategy: absent, daemonSetUpdateStrategy: {type: OnDelete}}")
	f("{serviceName: s}", "serviceName: s")
	f("{observability: {metrics: {DisablePrometheusAnnotations: true}}}", "observability: {metrics: {disablePrometheusAnnotations: true}}")
	f("{observability: {metrics: {disablePrometheusAnnotations: true, DisablePrometheusAnnotations: false}}}", "observability: {metrics: {disablePrometheusAnnotations: true}}")
	f("{ports: [{port: 1, hostPort: 2}]}", "ports: [{port: 1, hostPort: 2}]")
	intervals := "collectorNotReadyGracePeriod: 30s, collectorTargetReloadInterval: 30s"
	f("{targetAllocator: {allocationStrategy: odd, filterStrategy: odd}}", "targetAllocator: {filterStrategy: '', "+intervals+"}")
	f("{targetAllocator: {prometheusCR: {podMonitorSelector: {a: b}}}}",
		"targetAllocator: {"+intervals+", prometheusCR: {podMonitorSelector: {matchLabels: {a: b}}, serviceMonitorSelector: {}, evaluationInterval: 30s, "+
			"serviceMonitorNamespaceSelector: {}, podMonitorNamespaceSelector: {}, scrapeConfigNamespaceSelector: {}, probeNamespaceSelector: {}}}")
}

const commented = `# why
receivers: {otlp: {protocols: {grpc: }}} # in
exporters: {debug: }
service: {pipelines: {traces: {receivers: [otlp], exporters: [debug]}}}
`

// A text keeps its comments as long as nobody changes the configuration, and one
// that cannot be read is kept and marked.
func TestConfigText(t *testing.T) {
	object := map[string]any{"apiVersion": "opentelemetry.io/v1alpha1", "spec": map[string]any{"config": commented}}
	beta := Convert(object, "v1beta1")
	child(beta, "spec")["replicas"] = int64(5)
	if got := child(Convert(beta, "v1alpha1"), "spec")["config"]; got != commented {
		t.Errorf("got %q; want the text as it was", got)
	}
	child(beta, "spec", "config", "receivers", "otlp", "protocols")["http"] = nil
	want := `receivers:
  otlp:
    protocols:
      grpc: null
      http: null
exporters:
  debug: null
service:
  pipelines:
    traces:
      exporters:
        - debug
      receivers:
        - otlp
`
	if diff := cmp.Diff(want, child(Convert(beta, "v1alpha1"), "spec")["config"]); diff != "" {
		t.Errorf("changed configuration -want +got\n%s", diff)
	}

	f := func(text, want string) {
		t.Helper()
		object := map[string]any{"apiVersion": "opentelemetry.io/v1alpha1", "spec": map[string]any{"config": text}}
		var beta v1beta1.OpenTelemetryCollector
		data, _ := json.Marshal(Convert(object, "v1beta1"))
		if err := utiljson.Unmarshal(data, &beta); err != nil {
			t.Fatal(err)
		}
		if got := beta.ConfigError(); got != want {
			t.Errorf("%q: got error %q; want %q", text, got, want)
		}
	}
	f(commented, "")
	f("", "")
	f("a:\n  b\n c: d", "line 3, column 3: mapping values are not allowed in this context")
	f("a:\n  b: {{c", "line 3, column 1: did not find expected ',' or '}' while parsing a flow mapping that begins at line 2, column 7")
	f("a: 1\na: 2", "line 2, column 1: mapping key \"a\" already defined at line 1")
	f("- a", "the configuration is no mapping")
	f("service: {pipelines: {traces: {receivers: otlp}}}", "line 1, column 43: service.pipelines.traces.receivers is no list")
	f("receivers: {x: {y: .nan}}", "receivers: x: y: the number NaN has no form in JSON; write it as a text")
}

// What v1beta1 removes does not come back from what v1alpha1 remembers.
func TestConvertDoesNotRevive(t *testing.T) {
	alpha := collector(t, "{apiVersion: opentelemetry.io/v1alpha1, spec: {config: '', minReplicas: 2, maxReplicas: 4}}")
	beta := Convert(alpha, "v1beta1")
	delete(child(beta, "spec"), "autoscaler")
	again := Convert(Convert(beta, "v1alpha1"), "v1beta1")
	if got := child(again, "spec")["autoscaler"]; got != nil {
		t.Errorf("got autoscaler %v; want none", got)
	}
	beta = collector(t, "{apiVersion: opentelemetry.io/v1beta1, spec: {targetAllocator: {enabled: true, mtls: {enabled: true}}}}")
	alpha = Convert(beta, "v1alpha1")
	delete(child(alpha, "spec"), "targetAllocator")
	if got := child(Convert(alpha, "v1beta1"), "spec")["targetAllocator"]; got != nil {
		t.Errorf("got target allocator %v; want none", got)
	}
}

// An annotation that somebody else wrote cannot make an object that the types
// cannot hold, which would stop every watch.
func TestForgedRemainder(t *testing.T) {
	for _, text := range []string{
		"{", "{}", "x", "H4sIAAAA", `{"of":"","fields":{"/spec/replicas":["","text"],"/spec/image":["",{}],"/metadata/name":["","x"],"":[],"/":[""],"/spec":[""]}}`,
	} {
		object := collector(t, "{apiVersion: opentelemetry.io/v1alpha1, metadata: {name: c}, spec: {config: ''}}")
		annotate(object, v1beta1.RemainderAnnotation, text)
		got := Convert(object, "v1beta1")
		if !decodes(got) || child(got, "spec")["config"] == nil || child(got, "metadata")["name"] != "c" {
			t.Errorf("%s: got %v", text, got)
		}
	}
}

// A long text is compressed, and one that does not fit even so is named.
func TestLongText(t *testing.T) {
	f := func(text, applied string, lost string) {
		t.Helper()
		object := map[string]any{"apiVersion": "opentelemetry.io/v1alpha1", "metadata": map[string]any{}, "spec": map[string]any{"config": text}}
		if applied != "" {
			annotate(object, "kubectl.kubernetes.io/last-applied-configuration", applied)
		}
		beta := Convert(object, "v1beta1")
		total := 0
		for key, value := range child(beta, "metadata", "annotations") {
			total += len(key) + len(value.(string))
		}
		if total > annotationsSize {
			t.Errorf("%d bytes of text: got %d bytes of annotations; want at most %d", len(text), total, annotationsSize)
		}
		if got, _ := child(beta, "metadata", "annotations")[v1beta1.LostAnnotation].(string); got != lost {
			t.Errorf("%d bytes of text: got lost %q; want %q", len(text), got, lost)
		}
		if got := child(Convert(beta, "v1alpha1"), "spec")["config"]; lost == "" && got != text {
			t.Errorf("%d bytes of text: got another", len(text))
		}
	}
	long := strings.Repeat(commented[:6]+"receivers0: {}\n", 1)
	for i := range 6000 {
		long += fmt.Sprintf("receiver%d: {} # number %d\n", i, i)
	}
	f(long, "", "")
	f(long, long, "")
	noise := make([]byte, 300_000)
	for i := range noise {
		noise[i] = byte('!' + rand.IntN(90))
	}
	f("# "+string(noise), "", "/spec/config")
}

// Any text is kept, and what it says is said by what we would write for it.
func FuzzConfig(f *testing.F) {
	for _, text := range append(slices.Clone(texts), commented) {
		f.Add(text)
	}
	for _, text := range seeds(f) {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 10_000 {
			return
		}
		text = strings.ToValidUTF8(text, "?") // as all JSON
		object := map[string]any{"apiVersion": "opentelemetry.io/v1alpha1", "spec": map[string]any{"config": text}}
		beta := wire(t, Convert(object, "v1beta1"))
		if !decodes(beta) {
			t.Fatalf("%q: the types cannot hold %v", text, beta)
		}
		if got := child(Convert(beta, "v1alpha1"), "spec")["config"]; got != text {
			t.Fatalf("%q: got %q back", text, got)
		}
		config := child(beta, "spec", "config")
		again, err := parseConfig(configText(config))
		if err != nil {
			t.Fatalf("%q: we wrote %q: %v", text, configText(config), err)
		}
		if diff := cmp.Diff(config, child(wire(t, map[string]any{"config": again}), "config")); diff != "" {
			t.Fatalf("%q: we wrote %q, which says -want +got\n%s", text, configText(config), diff)
		}
	})
}

// seeds are the manifests and configurations of tutorials.
func seeds(t testing.TB) []string {
	t.Helper()
	files, err := filepath.Glob("../../internal/migrate/testdata/seeds/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no seeds: %v", err)
	}
	var found []string
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, strings.Split(string(text), "\n---\n")...)
	}
	return found
}

func TestConvertSeeds(t *testing.T) {
	converted := 0
	for _, text := range seeds(t) {
		if !strings.Contains(text, "kind: OpenTelemetryCollector\n") {
			continue
		}
		converted++
		alpha := collector(t, text)
		beta := wire(t, Convert(alpha, "v1beta1"))
		if got := child(beta, "metadata", "annotations")[v1beta1.ConfigErrorAnnotation]; got != nil {
			t.Errorf("%s\ngot %v", text, got)
		}
		if len(child(beta, "spec", "config", "service", "pipelines")) == 0 {
			t.Errorf("%s\ngot no pipelines", text)
		}
		if diff := cmp.Diff(alpha, wire(t, Convert(beta, "v1alpha1"))); diff != "" {
			t.Error(diff)
		}
	}
	if converted < 3 {
		t.Errorf("got %d collectors in the seeds; want at least 3", converted)
	}
}

// Whatever is in the annotation, the answer is an object that the types can
// hold, with the name that it had.
func FuzzRemainder(f *testing.F) {
	f.Add("", false)
	f.Add(`{"of":"","fields":{"/spec/replicas":["",5],"/spec/targetAllocator/replicas":["",5]}}`, true)
	for _, version := range versions {
		object := newRandom(1).collector(schemaOf(f, version), version)
		text, _ := child(Convert(object, other(version)), "metadata", "annotations")[v1beta1.RemainderAnnotation].(string)
		f.Add(text, version == "v1beta1")
	}
	f.Fuzz(func(t *testing.T, text string, beta bool) {
		object := map[string]any{
			"apiVersion": "opentelemetry.io/v1alpha1", "metadata": map[string]any{"name": "c"},
			"spec": map[string]any{"config": commented, "targetAllocator": map[string]any{"prometheusCR": map[string]any{}}},
		}
		if beta {
			object = Convert(object, "v1beta1")
		}
		annotate(object, v1beta1.RemainderAnnotation, text)
		got := Convert(object, map[bool]string{false: "v1beta1", true: "v1alpha1"}[beta])
		if !decodes(got) || child(got, "metadata")["name"] != "c" {
			t.Fatalf("%q: got %v", text, got)
		}
	})
}

// An annotation with more fields than versions differ in is not ours, and costs
// no conversion for each.
func TestManyFields(t *testing.T) {
	f := func(n int, want any) {
		t.Helper()
		r := remainder{Of: "x", Fields: map[string][]any{"/spec/dnsPolicy": {"", "Default"}}}
		for i := 1; i < n; i++ {
			r.Fields[fmt.Sprintf("/spec/%d", i)] = []any{""}
		}
		text, ok := r.text(annotationsSize)
		if !ok {
			t.Fatal("no room")
		}
		object := collector(t, "{apiVersion: opentelemetry.io/v1alpha1, metadata: {name: c}, spec: {config: ''}}")
		annotate(object, v1beta1.RemainderAnnotation, text)
		if got := child(Convert(object, "v1beta1"), "spec")["dnsPolicy"]; got != want {
			t.Errorf("%d fields: got dnsPolicy %v; want %v", n, got, want)
		}
	}
	f(remainderFields, "Default")
	f(remainderFields+1, nil)
	f(15_000, nil)
}

// Copies share nothing, and say the same.
func TestDeepCopy(t *testing.T) {
	start := rand.Uint64()
	schema := schemaOf(t, "v1beta1")
	for seed := start; seed < start+100; seed++ {
		object := newRandom(seed).collector(schema, "v1beta1")
		var c v1beta1.OpenTelemetryCollector
		data, _ := json.Marshal(object)
		if err := utiljson.Unmarshal(data, &c); err != nil {
			t.Fatal(err)
		}
		before, _ := json.Marshal(&c)
		d := c.DeepCopy()
		scribble(c.Spec.Config.Map())
		after, _ := json.Marshal(runtime.Object(d))
		if diff := cmp.Diff(string(before), string(after)); diff != "" {
			t.Fatalf("seed %d: %s", seed, diff)
		}
	}
}

func scribble(v map[string]any) {
	for _, e := range maps.All(v) {
		if e, ok := e.(map[string]any); ok {
			scribble(e)
		}
	}
	v["scribbled"] = true
}
