package v1alpha1

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	utiljson "k8s.io/apimachinery/pkg/util/json"
	"sigs.k8s.io/yaml"

	"github.com/signalbox-otel/signalbox/api/crds"
	"github.com/signalbox-otel/signalbox/api/v1beta1"
)

// schemaOf is the schema of collectors in a version, from the manifest.
func schemaOf(t testing.TB, version string) map[string]any {
	t.Helper()
	text, err := crds.Files.ReadFile("opentelemetry.io_opentelemetrycollectors.yaml")
	if err != nil {
		t.Fatal(err)
	}
	data, err := yaml.YAMLToJSON(text)
	if err != nil {
		t.Fatal(err)
	}
	var crd map[string]any
	if err := utiljson.Unmarshal(data, &crd); err != nil {
		t.Fatal(err)
	}
	for _, v := range child(crd, "spec")["versions"].([]any) {
		if v := v.(map[string]any); v["name"] == version {
			return child(v, "schema", "openAPIV3Schema")
		}
	}
	t.Fatalf("no version %s", version)
	return nil
}

// random makes values that fit a schema. The same seed makes the same values.
type random struct{ *rand.Rand }

func newRandom(seed uint64) random { return random{rand.New(rand.NewPCG(seed, 0))} }

// collector makes a collector of a version, of few or of many fields.
func (r random) collector(schema map[string]any, version string) map[string]any {
	density := []float64{0.05, 0.3, 0.9}[r.IntN(3)]
	properties := child(schema, "properties")
	c := map[string]any{
		"apiVersion": v1beta1.Group + "/" + version,
		"kind":       "OpenTelemetryCollector",
		"metadata":   map[string]any{"name": "c", "namespace": "n", "annotations": map[string]any{"a": "b"}},
		"spec":       r.value(properties["spec"].(map[string]any), density),
	}
	if r.IntN(2) == 0 {
		c["status"] = r.value(properties["status"].(map[string]any), density)
	}
	spec := c["spec"].(map[string]any)
	if version == "v1alpha1" {
		spec["config"] = r.text()
	}
	return c
}

func (r random) value(schema map[string]any, density float64) any {
	if enum, ok := schema["enum"].([]any); ok {
		return enum[r.IntN(len(enum))]
	}
	if schema["pattern"] != nil {
		if schema["x-kubernetes-int-or-string"] == true { // a quantity
			return []any{"100m", int64(2), "1.5Gi"}[r.IntN(3)]
		}
		return "a"
	}
	if schema["x-kubernetes-int-or-string"] == true {
		return []any{"1", int64(2), "50%"}[r.IntN(3)]
	}
	switch schema["type"] {
	case "object":
		return r.object(schema, density)
	case "array":
		list := []any{}
		for range r.IntN(3) {
			list = append(list, r.value(schema["items"].(map[string]any), density))
		}
		return list
	case "string":
		switch schema["format"] {
		case "duration":
			return fmt.Sprintf("%dm0s", 1+r.IntN(50))
		case "date-time":
			return "2026-01-02T03:04:05Z"
		}
		return []any{"", "a", "long text: with\nlines # and \"quotes\"", "true", "1e3"}[r.IntN(5)]
	case "boolean":
		return r.IntN(2) == 0
	case "integer":
		return int64(r.IntN(9))
	}
	return r.any(2)
}

func (r random) object(schema map[string]any, density float64) any {
	object := map[string]any{}
	properties := child(schema, "properties")
	required, _ := schema["required"].([]any)
	for _, name := range slices.Sorted(maps.Keys(properties)) {
		if slices.Contains(required, any(name)) || r.Float64() < density {
			object[name] = r.value(properties[name].(map[string]any), density)
		}
	}
	if element, ok := schema["additionalProperties"].(map[string]any); ok {
		for range r.IntN(3) {
			object[r.key()] = r.value(element, density)
		}
	} else if schema["x-kubernetes-preserve-unknown-fields"] == true && r.Float64() < density {
		object["other-"+r.key()] = r.any(3)
	}
	return object
}

func (r random) key() string {
	return []string{"otlp", "otlp/a.b", "x~y", "key with space", "8080", "true", "<<", "é"}[r.IntN(8)]
}

func (r random) any(depth int) any {
	if depth > 0 && r.IntN(2) == 0 {
		object := map[string]any{}
		for range r.IntN(4) {
			object[r.key()] = r.any(depth - 1)
		}
		return object
	}
	return []any{
		nil, true, int64(-7), int64(1) << 60, 0.25, 1e21, "", "text", "yes", "0x1f", "2026-01-02", ".inf", "~", "|\n  x\n", " lead", "\ttab", "a\r\nb", "\u0085",
		"${env:A}", []any{}, []any{"a", int64(1), nil},
	}[r.IntN(21)]
}

// texts are configurations as people wrote them, and some that are none.
var texts = []string{
	"", " ", "null", "~", "a", "[]", "{}", "receivers: []", "receivers:\n  otlp:\nexporters:\n  debug:\nservice:\n  pipelines:\n    traces:\n",
	"# comment\nreceivers:\n  otlp: # here\n    protocols: {grpc: , http: }\nexporters: {debug: {}}\nservice: {pipelines: {traces: {receivers: [otlp], exporters: [debug]}}}\n",
	"receivers:\n\totlp:", "a: b: c", "&a [*a]", "a: &a {b: *a}", "a: .inf", "a: 2026-01-02", "1: 2", "? {a: b}\n: c", "a: 1\na: 2",
	"service: {pipelines: {traces: {receivers: [1]}}}", "service: {pipelines: [a]}", "service: ${file:service.yaml}",
	"x: &x {a: 1}\nreceivers: {otlp: {<<: *x, b: 18446744073709551615}}", "a: !!binary aGFsbG8=", "a: !custom b", "--- a\n--- b", "\xff", "a: \"\\ud800\"", "%YAML 3.0\n---\na: b",
	"receivers: {otlp: {x: 1.0, y: 1e3, z: 0o17, w: 017}}",
}

func (r random) text() string {
	if r.IntN(2) == 0 {
		return texts[r.IntN(len(texts))]
	}
	config, _ := r.any(4).(map[string]any)
	return "# made\n" + configText(config)
}
