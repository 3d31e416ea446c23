package admission

import (
	"bytes"
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	admissionv1 "k8s.io/api/admission/v1"
	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/webhook"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"
	"sigs.k8s.io/yaml"

	"github.com/signalbox-otel/signalbox/api/v1alpha1"
	"github.com/signalbox-otel/signalbox/api/v1beta1"
	"github.com/signalbox-otel/signalbox/internal/migrate"
	"github.com/signalbox-otel/signalbox/internal/operator/needs"
	"github.com/signalbox-otel/signalbox/internal/render"
)

// images are the operator's defaults in these tests.
var images = v1alpha1.Images{
	Java: "agents/java:2", NodeJS: "agents/nodejs:2", Python: "agents/python:2", DotNet: "agents/dotnet:2",
	Go: "agents/go:2", ApacheHttpd: "agents/apache:2", Nginx: "agents/nginx:2",
}

// testHooks are handlers of an API server in which users may do what allowed
// says.
type testHooks struct {
	t      testing.TB
	config Config
	facts  render.Facts
	// allowed are users with the things they may do, as "get pods".
	allowed map[string][]string

	mu    sync.Mutex
	asked []string
}

func (h *testHooks) handler() http.Handler {
	h.t.Helper()
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		h.t.Fatal(err)
	}
	if err := v1beta1.AddToScheme(scheme); err != nil {
		h.t.Fatal(err)
	}
	h.config.Facts = func(string) render.Facts { return h.facts }
	h.config.Images = images
	server := webhook.NewServer(webhook.Options{WebhookMux: http.NewServeMux()})
	handlers := &hooks{Config: h.config, decoder: admission.NewDecoder(scheme), authorizer: newAuthorizer(h.review)}
	handlers.register(server)
	return server.(*webhook.DefaultServer).WebhookMux()
}

func (h *testHooks) review(_ context.Context, r *authorizationv1.SubjectAccessReview) error {
	var text string
	if a := r.Spec.ResourceAttributes; a != nil {
		text = grant{a.Namespace, a.Verb, a.Group, a.Resource, a.Subresource, a.Name, ""}.String()
		if a.Namespace != "" {
			text += " in " + a.Namespace
		}
	} else {
		text = r.Spec.NonResourceAttributes.Verb + " " + r.Spec.NonResourceAttributes.Path
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.asked = append(h.asked, r.Spec.User+": "+text)
	r.Status.Allowed = slices.Contains(h.allowed[r.Spec.User], text) || slices.Contains(h.allowed[r.Spec.User], "* *.*")
	return nil
}

// call sends a review to a path and returns the response.
func call(t testing.TB, handler http.Handler, path string, request *admissionv1.AdmissionRequest) *admissionv1.AdmissionResponse {
	t.Helper()
	request.UID = "1"
	review := admissionv1.AdmissionReview{
		TypeMeta: metav1.TypeMeta{APIVersion: "admission.k8s.io/v1", Kind: "AdmissionReview"}, Request: request,
	}
	body, err := json.Marshal(review)
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodPost, path, bytes.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	var got admissionv1.AdmissionReview
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || got.Response == nil {
		t.Fatalf("%s: got status %d, %v, %s", path, w.Code, err, w.Body)
	}
	if got.Response.UID != "1" {
		t.Errorf("%s: got uid %q; want 1", path, got.Response.UID)
	}
	return got.Response
}

// resource is a document of YAML as a request has it.
func resource(t testing.TB, document string) runtime.RawExtension {
	t.Helper()
	raw, err := yaml.YAMLToJSON([]byte(document))
	if err != nil {
		t.Fatalf("%v\n%s", err, document)
	}
	return runtime.RawExtension{Raw: raw}
}

// request is one that creates what a document says, or changes old to it.
func admit(t testing.TB, old, document string) *admissionv1.AdmissionRequest {
	t.Helper()
	r := &admissionv1.AdmissionRequest{
		Operation: admissionv1.Create, Name: "test", Namespace: "shop", Object: resource(t, document),
		UserInfo: authenticationv1.UserInfo{Username: "jane"},
	}
	if old != "" {
		r.Operation, r.OldObject = admissionv1.Update, resource(t, old)
	}
	return r
}

// The kinds with their paths, and the beginning of a document of each.
type kind struct{ mutate, validate, head string }

var (
	collectors = kind{needs.MutatePath("v1beta1", "opentelemetrycollector"), needs.ValidatePath("v1beta1", "opentelemetrycollector"),
		"{apiVersion: opentelemetry.io/v1beta1, kind: OpenTelemetryCollector, metadata: {name: test, namespace: shop}, spec: "}
	instrumentations = kind{needs.MutatePath("v1alpha1", "instrumentation"), needs.ValidatePath("v1alpha1", "instrumentation"),
		"{apiVersion: opentelemetry.io/v1alpha1, kind: Instrumentation, metadata: {name: test, namespace: shop}, spec: "}
	bridges = kind{needs.MutatePath("v1alpha1", "opampbridge"), needs.ValidatePath("v1alpha1", "opampbridge"),
		"{apiVersion: opentelemetry.io/v1alpha1, kind: OpAMPBridge, metadata: {name: test, namespace: shop}, spec: "}
	allocators = kind{needs.MutatePath("v1alpha1", "targetallocator"), needs.ValidatePath("v1alpha1", "targetallocator"),
		"{apiVersion: opentelemetry.io/v1alpha1, kind: TargetAllocator, metadata: {name: test, namespace: shop}, spec: "}
)

// valid is a configuration with nothing to say about.
const valid = "config: {receivers: {otlp: {protocols: {grpc: {}}}}, exporters: {debug: {}}, service: {pipelines: {traces: {receivers: [otlp], exporters: [debug]}}}}"

// scraping is one with a receiver that a target allocator feeds.
const scraping = "config: {receivers: {prometheus: {config: {scrape_configs: [{job_name: a}]}}}, exporters: {debug: {}}, service: {pipelines: {metrics: {receivers: [prometheus], exporters: [debug]}}}}"

func TestEveryPathAnswers(t *testing.T) {
	handler := (&testHooks{t: t}).handler()
	for _, hook := range needs.Webhooks() {
		if hook.Path == needs.PodPath {
			continue
		}
		for _, operation := range hook.Operations {
			object := resource(t, map[string]string{
				"opentelemetrycollectors": collectors.head + "{" + valid + "}}",
				"instrumentations":        instrumentations.head + "{sampler: {type: always_on}}}",
				"opampbridges":            bridges.head + "{endpoint: ws://server, capabilities: {ReportsStatus: true}}}",
				"targetallocators":        allocators.head + "{}}",
			}[hook.Resource])
			request := &admissionv1.AdmissionRequest{Operation: admissionv1.Operation(operation), Namespace: "shop"}
			if request.Operation != admissionv1.Delete {
				request.Object = object
			}
			if request.Operation != admissionv1.Create {
				request.OldObject = object
			}
			if got := call(t, handler, hook.Path, request); !got.Allowed {
				t.Errorf("%s %s: got %s; want it allowed", operation, hook.Path, got.Result.Message)
			}
		}
	}
}

func TestDefaults(t *testing.T) {
	var gates v1beta1.Gates
	f := func(k kind, spec, want string) {
		t.Helper()
		handler := (&testHooks{t: t, config: Config{Gates: gates}}).handler()
		got := call(t, handler, k.mutate, admit(t, "", k.head+spec+"}"))
		if !got.Allowed {
			t.Errorf("%s: got %s; want it allowed", spec, got.Result.Message)
			return
		}
		var operations []struct {
			Op, Path string
			Value    any
		}
		if len(got.Patch) > 0 {
			if err := json.Unmarshal(got.Patch, &operations); err != nil {
				t.Fatal(err)
			}
		}
		var lines []string
		for _, o := range operations {
			value, err := json.Marshal(o.Value)
			if err != nil {
				t.Fatal(err)
			}
			lines = append(lines, o.Op+" "+o.Path+" "+string(value))
		}
		if diff := cmp.Diff(strings.TrimSpace(want), strings.Join(lines, "\n")); diff != "" {
			t.Errorf("%s: -want +got\n%s", spec, diff)
		}
	}
	// What the API server sets by the definition is not there in these tests.
	f(collectors, "{"+valid+"}", `
add /spec/mode "deployment"
add /spec/upgradeStrategy "automatic"
add /spec/managementState "managed"
add /spec/replicas 1`)
	f(collectors, "{mode: daemonset, upgradeStrategy: none, managementState: unmanaged, replicas: 2, targetAllocator: {enabled: true}, autoscaler: {maxReplicas: 3}, "+
		"ingress: {type: route}, "+valid+"}", `
add /spec/targetAllocator/replicas 1
add /spec/autoscaler/minReplicas 2
add /spec/autoscaler/targetCPUUtilization 90
add /spec/ingress/route {"termination":"edge"}`)
	f(bridges, "{endpoint: ws://server, upgradeStrategy: none, replicas: 1, capabilities: {ReportsStatus: false}}", `
add /spec/capabilities/ReportsStatus true`)
	f(allocators, "{replicas: 2, prometheusCR: {enabled: true}}", `
add /spec/podDisruptionBudget {"maxUnavailable":1}`)
	f(allocators, "{replicas: 2, allocationStrategy: least-weighted}", "")
	gates.NetworkPolicies = true
	f(collectors, "{mode: sidecar, upgradeStrategy: none, managementState: managed, replicas: 1, "+valid+"}", `
add /spec/networkPolicy {"enabled":true}`)
}

// What an instrumentation gets, and how its images stay known as defaults.
func TestInstrumentationDefaults(t *testing.T) {
	f := func(metadata, spec string, want map[string]any) {
		t.Helper()
		head := strings.Replace(instrumentations.head, "{name: test", "{"+metadata+"name: test", 1)
		got := call(t, (&testHooks{t: t}).handler(), instrumentations.mutate, admit(t, "", head+spec+"}"))
		var operations []struct {
			Path  string
			Value any
		}
		if err := json.Unmarshal(got.Patch, &operations); err != nil {
			t.Fatal(err)
		}
		patched := map[string]any{}
		for _, o := range operations {
			if strings.Contains(o.Path, "java") || strings.Contains(o.Path, "annotations") || strings.Contains(o.Path, "apacheHttpd") {
				patched[strings.ReplaceAll(o.Path, "instrumentation.opentelemetry.io~1default-auto-instrumentation-", "…")] = o.Value
			}
		}
		if diff := cmp.Diff(want, patched); diff != "" {
			t.Errorf("%s %s: -want +got\n%s", metadata, spec, diff)
		}
	}
	resources := func(cpu, memory string) map[string]any {
		return map[string]any{"limits": map[string]any{"cpu": "500m", "memory": "256Mi"}, "requests": map[string]any{"cpu": cpu, "memory": memory}}
	}
	const prefix = "/metadata/annotations/…"
	annotations := map[string]any{
		prefix + "nodejs-image": images.NodeJS, prefix + "python-image": images.Python, prefix + "dotnet-image": images.DotNet,
		prefix + "go-image": images.Go, prefix + "apache-httpd-image": images.ApacheHttpd, prefix + "nginx-image": images.Nginx,
		"/spec/apacheHttpd": map[string]any{
			"image": images.ApacheHttpd, "version": "2.4", "configPath": "/usr/local/apache2/conf", "resourceRequirements": resources("1m", "128Mi"),
		},
	}
	with := func(more map[string]any) map[string]any {
		maps.Copy(more, annotations)
		return more
	}
	f("annotations: {a: b}, ", "{}", with(map[string]any{
		prefix + "java-image": images.Java, "/spec/java": map[string]any{"image": images.Java, "resources": resources("50m", "64Mi")},
	}))
	// Where the operator knows no image, none is written.
	known := images
	images.Java = ""
	f("annotations: {a: b}, ", "{}", with(map[string]any{
		"/spec/java": map[string]any{"resources": resources("50m", "64Mi")},
	}))
	images = known
	// The image was a default of an operator before this one, and is still marked
	// as that for the upgrade.
	f("annotations: {instrumentation.opentelemetry.io/default-auto-instrumentation-java-image: 'agents/java:1'}, ",
		"{java: {image: 'agents/java:1', resources: {limits: {cpu: 1}, requests: {}}}}", with(map[string]any{}))
}

// Bodies that are no review, or too large, are answered and not believed.
func TestOtherBodies(t *testing.T) {
	handler := (&testHooks{t: t}).handler()
	for _, body := range []string{"{", `{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"1","operation":"CREATE","object":7}}`,
		`{"a":"` + strings.Repeat("x", 8<<20) + `"}`} {
		for _, path := range []string{collectors.mutate, collectors.validate} {
			r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
			r.Header.Set("Content-Type", "application/json")
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, r)
			var got admissionv1.AdmissionReview
			if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || got.Response == nil || got.Response.Allowed {
				t.Errorf("%s: %.80s: got %v, %.200s; want it refused", path, body, err, w.Body)
			}
		}
	}
}

// A panic is an answer, not the end.
func TestPanic(t *testing.T) {
	h := &testHooks{t: t, config: Config{Check: func(context.Context, map[string]any) []migrate.Finding { panic("broken") }}}
	got := call(t, h.handler(), collectors.validate, admit(t, "", collectors.head+"{"+valid+"}}"))
	if got.Allowed || !strings.Contains(got.Result.Message, "broken") {
		t.Errorf("got %+v; want it refused with the panic", got.Result)
	}
}
