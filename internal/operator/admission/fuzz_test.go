package admission

import (
	"encoding/json"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"

	admissionv1 "k8s.io/api/admission/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"

	"github.com/signalbox-otel/signalbox/internal/render"
)

// Whatever a collector's spec holds, the answer is no panic.
func FuzzCollector(f *testing.F) {
	for _, spec := range []string{
		"{" + valid + "}", "{" + watching + "}", "{mode: statefulset, targetAllocator: {enabled: true}, " + scraping + "}",
		"{mode: statefulset, targetAllocator: {enabled: true, prometheusCR: {enabled: true}}, " + strings.Replace(scraping, "{job_name: a}", "true", 1) + "}",
		"{mode: sidecar, autoscaler: {maxReplicas: 1, metrics: [{type: Pods}]}, ports: [{port: 1}], ingress: {type: route}, " + valid + "}",
		"{config: {receivers: 7, exporters: [a], service: {pipelines: {a: null, b: {receivers: [7]}}, extensions: {a: b}}}}",
		"{config: {receivers: {otlp: null, jaeger: {protocols: {grpc: 7}}}, service: {telemetry: {metrics: {address: ':x', readers: [7]}}, pipelines: {}}}}",
	} {
		f.Add(spec)
	}
	h := &testHooks{t: f, facts: render.Facts{RBAC: true}, config: Config{Denied: []string{"receiver.a"}}}
	handler := h.handler()
	f.Fuzz(func(t *testing.T, spec string) {
		raw, err := yaml.YAMLToJSON([]byte(collectors.head + spec + "}"))
		if err != nil {
			t.Skip()
		}
		answered(t, handler, raw)
	})
}

// answered shows a collector to the webhooks.
func answered(t *testing.T, handler http.Handler, raw []byte) {
	t.Helper()
	for _, path := range []string{collectors.mutate, collectors.validate} {
		for _, operation := range []admissionv1.Operation{admissionv1.Create, admissionv1.Update} {
			got := call(t, handler, path, &admissionv1.AdmissionRequest{
				Operation: operation, Namespace: "shop",
				Object: runtime.RawExtension{Raw: raw}, OldObject: resource(t, collectors.head+"{"+valid+"}}"),
			})
			if got.Result != nil && strings.Contains(got.Result.Message, "panic") {
				t.Errorf("%s %s: %s\n%s", operation, path, got.Result.Message, raw)
			}
		}
	}
}

// busy has what render looks into.
const busy = `config: {
  receivers: {otlp: {protocols: {grpc: {endpoint: '0.0.0.0:1'}}}, jaeger: {protocols: {grpc: {}, thrift_http: {endpoint: ':1'}}},
    kubeletstats: {metrics: {k8s.pod.cpu_limit_utilization: {enabled: true}}}, k8s_objects: {objects: [{name: pods, mode: watch}]},
    prometheus: {config: {scrape_configs: [{job_name: a, kubernetes_sd_configs: [{role: pod, attach_metadata: {node: true}}], relabel_configs: [{replacement: a$$b}]}]}}},
  processors: {resourcedetection: {detectors: [openshift]}, k8sattributes: {extract: {metadata: [k8s.node.name], labels: [{from: node}]}}, memory_limiter: {ballast_size_mib: 1}},
  exporters: {logging: {loglevel: debug}, prometheus: {}, jaeger: {endpoint: 'a:1'}},
  extensions: {health_check: {port: 1}, k8s_observer: {}},
  service: {extensions: [health_check, k8s_observer], telemetry: {metrics: {address: ':8888', level: none}, logs: {}}, pipelines: {
    traces: {receivers: [otlp, jaeger], processors: [resourcedetection, k8sattributes, memory_limiter], exporters: [logging, jaeger]},
    metrics: {receivers: [kubeletstats, prometheus, k8s_objects], exporters: [prometheus]}}}}`

// Collectors of which parts are something else than they should be, as fuzzing
// would hardly make them.
func TestRandomCollectors(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	others := []any{nil, 7, -1.5, "", "x", true, []any{}, []any{"otlp", 7, nil}, map[string]any{}, map[string]any{"a": nil}, "0.0.0.0:99999", "${env:A}", ":x", "[::"}
	var other func(v any) any
	other = func(v any) any {
		if r.IntN(25) == 0 {
			return others[r.IntN(len(others))]
		}
		switch v := v.(type) {
		case map[string]any:
			for _, key := range slices.Sorted(maps.Keys(v)) {
				v[key] = other(v[key])
			}
		case []any:
			for i := range v {
				v[i] = other(v[i])
			}
		}
		return v
	}
	h := &testHooks{t: t, facts: render.Facts{RBAC: true}, config: Config{Denied: []string{"receiver.a"}}}
	handler := h.handler()
	for range 40 {
		for _, spec := range []string{
			busy, "mode: statefulset, targetAllocator: {enabled: true, mtls: {enabled: true}, prometheusCR: {enabled: true}}, " + busy,
			"mode: sidecar, autoscaler: {maxReplicas: 1, metrics: [{type: Pods}]}, ports: [{port: 1}], ingress: {type: route}, " + busy,
		} {
			var object map[string]any
			if err := yaml.Unmarshal([]byte(collectors.head+"{"+spec+"}}"), &object); err != nil {
				t.Fatal(err)
			}
			object["spec"] = other(object["spec"])
			raw, err := json.Marshal(object)
			if err != nil {
				t.Fatal(err)
			}
			answered(t, handler, raw)
		}
	}
}
