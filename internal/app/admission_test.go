package app

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	admissionv1 "k8s.io/api/admission/v1"
	"k8s.io/apimachinery/pkg/runtime"
	utiljson "k8s.io/apimachinery/pkg/util/json"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/webhook"
	"sigs.k8s.io/yaml"

	"github.com/signalbox-otel/signalbox/api/v1alpha1"
	"github.com/signalbox-otel/signalbox/api/v1beta1"
	"github.com/signalbox-otel/signalbox/internal/collector"
	"github.com/signalbox-otel/signalbox/internal/operator"
	"github.com/signalbox-otel/signalbox/internal/operator/admission"
	"github.com/signalbox-otel/signalbox/internal/operator/needs"
	"github.com/signalbox-otel/signalbox/internal/render"
)

// newAdmission is the operator's admission with the components of this program,
// and no API server: nothing is granted, so it asks none.
func newAdmission(t *testing.T) http.Handler {
	t.Helper()
	scheme, err := operator.NewScheme()
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mgr, err := ctrl.NewManager(&rest.Config{Host: "http://127.0.0.1:1"}, ctrl.Options{
		Scheme: scheme, WebhookServer: webhook.NewServer(webhook.Options{WebhookMux: mux}),
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := admission.Add(mgr, admission.Config{
		Check: collector.Check, Facts: func(string) render.Facts { return render.Facts{CollectorImage: "signalbox:1"} },
	}); err != nil {
		t.Fatal(err)
	}
	return mux
}

// admitted is what is said of a collector in either version, refused or not.
func admitted(t *testing.T, handler http.Handler, document string) (allowed bool, said string) {
	t.Helper()
	var object map[string]any
	if err := yaml.Unmarshal([]byte(document), &object); err != nil {
		t.Fatal(err)
	}
	raw, err := json.Marshal(object)
	if err == nil {
		err = utiljson.Unmarshal(raw, &object)
	}
	if err == nil {
		raw, err = json.Marshal(v1alpha1.Convert(object, v1beta1.GroupVersion.Version))
	}
	if err != nil {
		t.Fatal(err)
	}
	review := admissionv1.AdmissionReview{Request: &admissionv1.AdmissionRequest{
		UID: "1", Operation: admissionv1.Create, Namespace: "shop", Object: runtime.RawExtension{Raw: raw},
	}}
	review.APIVersion, review.Kind = "admission.k8s.io/v1", "AdmissionReview"
	body, err := json.Marshal(review)
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodPost, needs.ValidatePath("v1beta1", "opentelemetrycollector"), bytes.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	var got admissionv1.AdmissionReview
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || got.Response == nil {
		t.Fatalf("got status %d, %v, %s", w.Code, err, w.Body)
	}
	lines := got.Response.Warnings
	if !got.Response.Allowed {
		lines = append(lines, got.Response.Result.Message)
	}
	return got.Response.Allowed, strings.Join(lines, "\n")
}

const misspelt = `apiVersion: opentelemetry.io/v1beta1
kind: OpenTelemetryCollector
metadata: {name: gateway}
spec:
  config:
    receivers:
      otlp: {protocols: {grpc: {endpont: "0.0.0.0:4317"}}}
      otlp/web: {protocols: {http: {endpoint: "0.0.0.0:9411"}}}
      zipkin: {}
    processors: {bacth: {}}
    exporters: {otlp_grpc: {endpoint: "tempo:4317"}}
    service: {pipelines: {traces: {receivers: [otlp, otlp/web, zipkin, zipkn], processors: [bacth], exporters: [otlp_grpc]}}}
`

// A collector is refused for what its own components would refuse, and one of
// another image only warned about.
func TestAdmissionKnowsComponents(t *testing.T) {
	handler := newAdmission(t)
	allowed, said := admitted(t, handler, misspelt)
	want := `spec.config.processors.bacth: unknown processor type "bacth"; did you mean "batch"?
spec.config.receivers.otlp.protocols.grpc.endpont: unknown key; did you mean "endpoint"?
spec.config.receivers.zipkin.endpoint: port 9411 is taken by receiver "otlp/web", at receivers::otlp/web::protocols::http::endpoint
spec.config.service.pipelines.traces.receivers[3]: receiver "zipkn" is not configured; did you mean "zipkin"?`
	if diff := cmp.Diff(want, said); allowed || diff != "" {
		t.Errorf("got allowed %t; want it refused; -want +got\n%s", allowed, diff)
	}
	allowed, said = admitted(t, handler, strings.Replace(misspelt, "spec:\n", "spec:\n  image: example.com/collector:1\n", 1))
	if !allowed || strings.Count(said, "(not refused, because spec.image may know better)") != 4 {
		t.Errorf("another image: got allowed %t, %s; want it allowed with 4 warnings", allowed, said)
	}
}

// What tutorials apply is taken.
func TestAdmissionTakesSeeds(t *testing.T) {
	handler := newAdmission(t)
	files, err := filepath.Glob("../migrate/testdata/seeds/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, document := range strings.Split(string(text), "\n---\n") {
			if !strings.Contains(document, "\nkind: OpenTelemetryCollector\n") {
				continue
			}
			seen++
			if allowed, said := admitted(t, handler, document); !allowed {
				t.Errorf("%s: got refused: %s", file, said)
			}
		}
	}
	if seen < 4 {
		t.Errorf("got %d collectors in the seeds; want at least 4", seen)
	}
}
