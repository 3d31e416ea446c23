package crds

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	utiljson "k8s.io/apimachinery/pkg/util/json"
	"sigs.k8s.io/yaml"

	"github.com/signalbox-otel/signalbox/api/v1alpha1"
	"github.com/signalbox-otel/signalbox/e2e/kube/kubetest"
)

// annotationSize is what Kubernetes allows for all annotations of an object, in
// one of which kubectl apply keeps what it applied.
const annotationSize = 256 << 10

func TestSize(t *testing.T) {
	for name, text := range manifests(t) {
		data, err := yaml.YAMLToJSON([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if got, want := len(data), annotationSize*9/10; got > want {
			t.Errorf("%s: got %d bytes of JSON; want at most %d, for kubectl apply", name, got, want)
		}
	}
}

func manifests(t *testing.T) map[string]string {
	t.Helper()
	found := map[string]string{}
	names, err := fs.Glob(Files, "*.yaml")
	if err != nil || len(names) == 0 {
		t.Fatalf("got %d manifests, %v", len(names), err)
	}
	for _, name := range names {
		text, err := Files.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		found[name] = string(text)
	}
	return found
}

// server is a real API server that has our resources, and the conversion served
// as the operator does.
type server struct {
	*kubetest.Cluster
	t *testing.T
}

func startServer(t *testing.T) server {
	t.Helper()
	s := server{kubetest.Light(t, 1), t}
	webhook := httptest.NewTLSServer(http.HandlerFunc(serveConversion))
	t.Cleanup(webhook.Close)
	for name, text := range manifests(t) {
		if strings.Contains(name, "opentelemetrycollectors") {
			text = withConversion(t, text, webhook)
		}
		s.Run(text, "apply", "-f", "-")
	}
	s.Established()
	return s
}

// withConversion says in the manifest where collectors are converted.
func withConversion(t *testing.T, manifest string, webhook *httptest.Server) string {
	t.Helper()
	var crd map[string]any
	if err := yaml.Unmarshal([]byte(manifest), &crd); err != nil {
		t.Fatal(err)
	}
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: webhook.Certificate().Raw})
	crd["spec"].(map[string]any)["conversion"] = map[string]any{
		"strategy": "Webhook",
		"webhook": map[string]any{
			"conversionReviewVersions": []any{"v1"},
			"clientConfig":             map[string]any{"url": webhook.URL + "/convert", "caBundle": base64.StdEncoding.EncodeToString(ca)},
		},
	}
	text, err := yaml.Marshal(crd)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func serveConversion(w http.ResponseWriter, r *http.Request) {
	var body bytes.Buffer
	var review map[string]any
	if _, err := body.ReadFrom(r.Body); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if err := utiljson.Unmarshal(body.Bytes(), &review); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	request := review["request"].(map[string]any)
	_, version, _ := strings.Cut(request["desiredAPIVersion"].(string), "/")
	converted := []any{}
	for _, object := range request["objects"].([]any) {
		converted = append(converted, v1alpha1.Convert(object.(map[string]any), version))
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{
		"apiVersion": review["apiVersion"], "kind": review["kind"],
		"response": map[string]any{"uid": request["uid"], "convertedObjects": converted, "result": map[string]any{"status": "Success"}},
	})
}

// object reads one as the server stores it in a version.
func (s server) object(resource, name string) map[string]any {
	s.t.Helper()
	var object map[string]any
	if err := utiljson.Unmarshal([]byte(s.Run("", "get", resource, name, "-o", "json")), &object); err != nil {
		s.t.Fatal(err)
	}
	return object
}

const (
	alphaCollectors = "opentelemetrycollectors.v1alpha1.opentelemetry.io"
	betaCollectors  = "opentelemetrycollectors.v1beta1.opentelemetry.io"
)

// A real API server takes the definitions from kubectl apply, and what follows.
func TestOnAPIServer(t *testing.T) {
	s := startServer(t)
	t.Run("seeds", s.with(server.seeds))
	t.Run("every field", s.with(server.everyField))
	t.Run("defaults", s.with(server.defaults))
	t.Run("refused", s.with(server.refused))
	t.Run("printed", s.with(server.printed))
	t.Run("versions", s.with(server.versions))
}

func (s server) with(f func(server)) func(*testing.T) {
	return func(t *testing.T) { f(server{s.In(t), t}) }
}

// What tutorials apply is taken, and comes back as it was, in both versions.
func (s server) seeds() {
	files, err := filepath.Glob("../../internal/migrate/testdata/seeds/*.yaml")
	if err != nil || len(files) == 0 {
		s.t.Fatalf("no seeds: %v", err)
	}
	s.Run("", "create", "namespace", "otel-collector")
	applied := 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			s.t.Fatal(err)
		}
		for _, doc := range strings.Split(string(text), "\n---\n") {
			if !strings.Contains(doc, "apiVersion: opentelemetry.io/") {
				continue
			}
			applied++
			doc = strings.ReplaceAll(doc, "${K8S_NS}", "otel-collector")
			var want map[string]any
			if err := yaml.Unmarshal([]byte(doc), &want); err != nil {
				s.t.Fatal(err)
			}
			metadata := want["metadata"].(map[string]any)
			namespace, _ := metadata["namespace"].(string)
			args := []string{"-n", namespace, "apply", "-o", "json", "-f", "-"}
			if !hasDuplicates(doc) {
				args = append(args, "--validate=strict")
			}
			s.Run(doc, append(args, "--dry-run=server")...)
			var got map[string]any
			if err := json.Unmarshal([]byte(s.Run(doc, args...)), &got); err != nil {
				s.t.Fatal(err)
			}
			if missing := missingFrom("", want["spec"], got["spec"]); missing != "" {
				s.t.Errorf("%s: %s", file, missing)
			}
		}
	}
	if applied < 5 {
		s.t.Errorf("got %d resources in the seeds; want at least 5", applied)
	}
}

// hasDuplicates reports whether a document has a key twice, which one of the
// tutorials has and strict validation refuses.
func hasDuplicates(doc string) bool {
	var v any
	return yaml.UnmarshalStrict([]byte(doc), &v) != nil
}

// missingFrom says what of want is not in got.
func missingFrom(path string, want, got any) string {
	object, ok := want.(map[string]any)
	if !ok {
		if diff := cmp.Diff(want, got); diff != "" {
			return path + " -want +got\n" + diff
		}
		return ""
	}
	has, _ := got.(map[string]any)
	for key, v := range object {
		if missing := missingFrom(path+"."+key, v, has[key]); missing != "" {
			return missing
		}
	}
	return ""
}

// Resources that use every part of the API pass strict validation, which refuses
// each field that would be pruned, and come back with all they had.
func (s server) everyField() {
	files, err := filepath.Glob("testdata/*.yaml")
	if err != nil || len(files) == 0 {
		s.t.Fatalf("no resources: %v", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			s.t.Fatal(err)
		}
		var want, got map[string]any
		if err := yaml.Unmarshal(text, &want); err != nil {
			s.t.Fatal(err)
		}
		if err := json.Unmarshal([]byte(s.Run(string(text), "apply", "--validate=strict", "-o", "json", "-f", "-")), &got); err != nil {
			s.t.Fatal(err)
		}
		if missing := missingFrom("", want["spec"], got["spec"]); missing != "" {
			s.t.Errorf("%s: %s", file, missing)
		}
	}
}

func (s server) defaults() {
	f := func(resource, spec, want string) {
		s.t.Helper()
		version, kind, _ := strings.Cut(resource, " ")
		doc := fmt.Sprintf("apiVersion: opentelemetry.io/%s\nkind: %s\nmetadata: {name: default}\nspec: %s", version, kind, spec)
		var got, fields map[string]any
		if err := json.Unmarshal([]byte(s.Run(doc, "create", "--dry-run=server", "--validate=strict", "-o", "json", "-f", "-")), &got); err != nil {
			s.t.Fatal(err)
		}
		if err := yaml.Unmarshal([]byte(want), &fields); err != nil {
			s.t.Fatal(err)
		}
		if missing := missingFrom("", fields, got["spec"]); missing != "" {
			s.t.Errorf("%s: %s", resource, missing)
		}
	}
	config := "config: {receivers: {}, exporters: {}, service: {pipelines: {}}}"
	f("v1beta1 OpenTelemetryCollector", "{"+config+"}", "{managementState: managed, replicas: 1, configVersions: 3, ipFamilyPolicy: SingleStack}")
	allocator := "{allocationStrategy: consistent-hashing, filterStrategy: relabel-config, collectorNotReadyGracePeriod: 30s, "
	prometheus := `prometheusCR: {scrapeInterval: 30s, evaluationInterval: 30s, serviceMonitorNamespaceSelector: {}, podMonitorNamespaceSelector: {},
		scrapeConfigNamespaceSelector: {}, probeNamespaceSelector: {}}`
	f("v1beta1 OpenTelemetryCollector", "{"+config+", ports: [{port: 1}], targetAllocator: {prometheusCR: {}, mtls: {tls: {certificateAuthorityCertificate: {configMap: {name: a}}}}}}",
		"{targetAllocator: "+allocator+"collectorTargetReloadInterval: 30s, mtls: {useCertManager: true, tls: {certificateAuthorityCertificate: {configMap: {name: a, key: ca.crt}}}}, "+
			prometheus+"}, ports: [{port: 1, protocol: TCP}]}")
	f("v1alpha1 OpenTelemetryCollector", "{config: '', targetAllocator: {prometheusCR: {}}}",
		"{managementState: managed, replicas: 1, targetAllocator: {allocationStrategy: consistent-hashing, filterStrategy: relabel-config, prometheusCR: {scrapeInterval: 30s}}}")
	f("v1alpha1 TargetAllocator", "{prometheusCR: {}}", "{managementState: managed, replicas: 1, ipFamilyPolicy: SingleStack, "+strings.TrimPrefix(allocator, "{")+prometheus+"}")
	f("v1alpha1 TargetAllocator", "{filterStrategy: '', global: {scrape_interval: 1m}}", "{filterStrategy: '', global: {scrape_interval: 1m}}")
	f("v1alpha1 Instrumentation", "{sampler: {type: parentbased_jaeger_remote}}", "{sampler: {type: parentbased_jaeger_remote}}")
}

func (s server) refused() {
	f := func(resource, spec, want string) {
		s.t.Helper()
		version, kind, _ := strings.Cut(resource, " ")
		doc := fmt.Sprintf("apiVersion: opentelemetry.io/%s\nkind: %s\nmetadata: {name: refused}\nspec: %s", version, kind, spec)
		out, err := s.Kubectl(s.t.Context(), doc, "create", "--dry-run=server", "-o", "json", "-f", "-")
		if err == nil {
			s.t.Errorf("%s %s: got %s; want it refused", resource, spec, out)
			return
		}
		if !strings.Contains(err.Error(), want) {
			s.t.Errorf("%s %s: got %v; want %q", resource, spec, err, want)
		}
	}
	beta := "v1beta1 OpenTelemetryCollector"
	config := "config: {receivers: {}, exporters: {}, service: {pipelines: {}}}"
	f(beta, "{"+config+", mode: sidecar, tolerations: [{key: a}]}", "spec.tolerations: Forbidden: mode sidecar does not allow tolerations")
	f(beta, "{"+config+", mode: sidecar, priorityClassName: a}", "spec.priorityClassName: Forbidden: mode sidecar does not allow priorityClassName")
	f(beta, "{"+config+", mode: sidecar, affinity: {}}", "spec.affinity: Forbidden: mode sidecar does not allow affinity")
	f(beta, "{"+config+", mode: sidecar, additionalContainers: [{name: a}]}", "spec.additionalContainers: Forbidden: mode sidecar does not allow additionalContainers")
	f(beta, "{"+config+", mode: pod}", `spec.mode: Unsupported value: "pod"`)
	f(beta, "{}", "spec.config: Required value")
	f(beta, "{config: {receivers: {}, exporters: {}, service: {}}}", "spec.config.service.pipelines: Required value")
	f(beta, "{config: {receivers: {}, exporters: {}, service: {pipelines: {traces: {receivers: []}}}}}", "spec.config.service.pipelines.traces.exporters: Required value")
	f(beta, "{"+config+", configVersions: 0}", "spec.configVersions: Invalid value: 0")
	f(beta, "{"+config+", ports: [{port: 1, hostPort: 70000}]}", "spec.ports[0].hostPort: Invalid value: 70000")
	f(beta, "{"+config+", targetAllocator: {collectorNotReadyGracePeriod: soon}}", "collectorNotReadyGracePeriod")
	f("v1alpha1 OpenTelemetryCollector", "{}", "spec.config: Required value")
	f("v1alpha1 Instrumentation", "{propagators: [w3c]}", `spec.propagators[0]: Unsupported value: "w3c"`)
	f("v1alpha1 Instrumentation", "{sampler: {type: some}}", `spec.sampler.type: Unsupported value: "some"`)
	f("v1alpha1 Instrumentation", "{nginx: {configFile: 'a;b'}}", "spec.nginx.configFile: Invalid value")
	f("v1alpha1 TargetAllocator", "{allocationStrategy: random}", `spec.allocationStrategy: Unsupported value: "random"`)
	f("v1alpha1 OpAMPBridge", "{endpoint: ws://a, capabilities: {}, replicas: 2}", "spec.replicas: Invalid value: 2")
	f("v1alpha1 OpAMPBridge", "{endpoint: ws://a}", "spec.capabilities: Required value")
}

// What people type works.
func (s server) printed() {
	doc := "apiVersion: opentelemetry.io/v1beta1\nkind: OpenTelemetryCollector\nmetadata: {name: printed}\n" +
		"spec: {mode: statefulset, config: {receivers: {}, exporters: {}, service: {pipelines: {}}}}"
	s.Run(doc, "apply", "-f", "-")
	s.Run("", "patch", "otelcol", "printed", "--subresource=status", "--type=merge", "-p",
		`{"status":{"version":"0.158.0","image":"i:1","scale":{"replicas":2,"selector":"a=b","statusReplicas":"1/2"}}}`)
	columns := func(want string, args ...string) {
		s.t.Helper()
		header, _, _ := strings.Cut(s.Run("", args...), "\n")
		if got := strings.Join(strings.Fields(header), " "); got != want {
			s.t.Errorf("kubectl %v: got %q; want %q", args, got, want)
		}
	}
	columns("NAME MODE VERSION READY AGE IMAGE MANAGEMENT", "get", "otelcol", "printed")
	columns("NAME MODE VERSION READY AGE IMAGE MANAGEMENT", "get", alphaCollectors, "printed")
	columns("NAME AGE ENDPOINT SAMPLER SAMPLER ARG PODS INJECTED STALE MISSED REFUSED GUARDED", "get", "otelinsts")
	columns("NAME AGE IMAGE MANAGEMENT", "get", "targetallocators")
	columns("NAME AGE VERSION ENDPOINT", "get", "opampbridges")
	row := strings.Fields(s.Run("", "get", "otelcols", "printed", "--no-headers"))
	row[4] = "AGE"
	if diff := cmp.Diff([]string{"printed", "statefulset", "0.158.0", "1/2", "AGE", "i:1", "managed"}, row); diff != "" {
		s.t.Errorf("-want +got\n%s", diff)
	}
	s.Run("", "scale", "otelcol/printed", "--replicas=4")
	for _, resource := range []string{alphaCollectors, betaCollectors} {
		if got := s.object(resource, "printed")["spec"].(map[string]any)["replicas"]; got != int64(4) {
			s.t.Errorf("%s: got %v replicas; want 4", resource, got)
		}
	}
	if got, want := s.Run("", "explain", "otelcol.spec.mode"), "a sidecar in the pods"; !strings.Contains(strings.Join(strings.Fields(got), " "), want) {
		s.t.Errorf("kubectl explain: got %s; want %q in it", got, want)
	}
}

const commented = `apiVersion: opentelemetry.io/v1alpha1
kind: OpenTelemetryCollector
metadata: {name: old}
spec:
  minReplicas: 2
  maxReplicas: 3
  config: |
    receivers: {otlp: {protocols: {grpc: }}} # a comment
    exporters: {debug: }
    service: {pipelines: {traces: {receivers: [otlp], exporters: [debug]}}}
`

// Old and new form of a resource stay the same resource: applying again writes
// nothing, and an unchanged replace of the old form loses nothing of the new.
func (s server) versions() {
	version := func() any {
		return s.object(betaCollectors, "old")["metadata"].(map[string]any)["resourceVersion"]
	}
	s.Run(commented, "apply", "-f", "-")
	first := version()
	s.Run(commented, "apply", "-f", "-")
	if got := version(); got != first {
		s.t.Errorf("kubectl apply twice: got version %v; want %v still", got, first)
	}
	spec := s.object(betaCollectors, "old")["spec"].(map[string]any)
	if diff := cmp.Diff(map[string]any{"minReplicas": int64(2), "maxReplicas": int64(3)}, spec["autoscaler"]); diff != "" {
		s.t.Errorf("-want +got\n%s", diff)
	}
	s.Run(commented, "apply", "--server-side", "--force-conflicts", "-f", "-")
	first = version()
	s.Run(commented, "apply", "--server-side", "-f", "-")
	if got := version(); got != first {
		s.t.Errorf("kubectl apply --server-side twice: got version %v; want %v still", got, first)
	}

	s.Run("", "patch", betaCollectors, "old", "--type=merge", "-p",
		`{"spec":{"configVersions":7,"dnsPolicy":"Default","readinessProbe":{"periodSeconds":5},"targetAllocator":{"prometheusCR":{"podMonitorSelector":null,"serviceMonitorSelector":{"matchExpressions":[{"key":"a","operator":"Exists"}]}}}}}`)
	before := s.object(betaCollectors, "old")
	replaced := s.object(alphaCollectors, "old")
	if got, want := replaced["spec"].(map[string]any)["config"], "# a comment"; !strings.Contains(fmt.Sprint(got), want) {
		s.t.Errorf("got config %v; want %q in it", got, want)
	}
	text, err := json.Marshal(replaced)
	if err != nil {
		s.t.Fatal(err)
	}
	s.Run(string(text), "replace", "-f", "-")
	after := s.object(betaCollectors, "old")
	if diff := cmp.Diff(before["spec"], after["spec"]); diff != "" {
		s.t.Errorf("an unchanged replace in v1alpha1: -before +after\n%s", diff)
	}

	broken := strings.Replace(commented, "receivers: {otlp", "receivers: {{otlp", 1)
	s.Run(strings.Replace(broken, "name: old", "name: broken", 1), "apply", "-f", "-")
	object := s.object(betaCollectors, "broken")
	annotations := object["metadata"].(map[string]any)["annotations"].(map[string]any)
	if got, want := annotations["conversion.opentelemetry.io/config-error"], "line 2, column "; !strings.HasPrefix(fmt.Sprint(got), want) {
		s.t.Errorf("got %v; want %q and why", got, want)
	}
	if got := s.object(alphaCollectors, "broken")["spec"].(map[string]any)["config"]; !strings.Contains(broken, strings.Split(got.(string), "\n")[0]) {
		s.t.Errorf("got %v; want the text that was applied", got)
	}
}

func TestWithConversion(t *testing.T) {
	all, err := WithConversion("tools")
	if err != nil {
		t.Fatal(err)
	}
	names, paths := []string{}, map[string]any{}
	for _, crd := range all {
		names = append(names, crd.GetName())
		if path, found, _ := unstructured.NestedMap(crd.Object, "spec", "conversion", "webhook", "clientConfig", "service"); found {
			paths[crd.GetName()] = path
		}
	}
	if diff := cmp.Diff([]string{
		"instrumentations.opentelemetry.io", "opampbridges.opentelemetry.io", "opentelemetrycollectors.opentelemetry.io", "targetallocators.opentelemetry.io",
	}, names); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	if diff := cmp.Diff(map[string]any{
		"opentelemetrycollectors.opentelemetry.io": map[string]any{"namespace": "tools", "name": "opentelemetry-operator-webhook-service", "path": "/convert"},
	}, paths); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}
