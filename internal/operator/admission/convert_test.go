package admission

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"

	"github.com/signalbox-otel/signalbox/api/v1beta1"
	"github.com/signalbox-otel/signalbox/internal/operator/needs"
)

// collectorOf is a collector of v1beta1.
func collectorOf(t *testing.T, spec string) *v1beta1.OpenTelemetryCollector {
	t.Helper()
	c := new(v1beta1.OpenTelemetryCollector)
	if err := yaml.Unmarshal([]byte(collectors.head+spec+"}"), c); err != nil {
		t.Fatal(err)
	}
	return c
}

func convertAll(t *testing.T, version string, objects ...string) *apiextensionsv1.ConversionResponse {
	t.Helper()
	review := apiextensionsv1.ConversionReview{Request: &apiextensionsv1.ConversionRequest{UID: "1", DesiredAPIVersion: "opentelemetry.io/" + version}}
	review.APIVersion, review.Kind = "apiextensions.k8s.io/v1", "ConversionReview"
	for _, o := range objects {
		review.Request.Objects = append(review.Request.Objects, runtime.RawExtension{Raw: []byte(o)})
	}
	body, err := json.Marshal(review)
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	(&testHooks{t: t}).handler().ServeHTTP(w, httptest.NewRequest(http.MethodPost, needs.ConvertPath, strings.NewReader(string(body))))
	var got apiextensionsv1.ConversionReview
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || got.Response == nil {
		t.Fatalf("got status %d, %v, %s", w.Code, err, w.Body)
	}
	if got.APIVersion != review.APIVersion || got.Kind != review.Kind || got.Response.UID != "1" || got.Response.Result.Status != "Success" {
		t.Errorf("got %+v; want success, with the request's version and uid", got)
	}
	return got.Response
}

// One object that is no collector any more does not take the others with it.
func TestConvert(t *testing.T) {
	good := `{"apiVersion":"opentelemetry.io/v1alpha1","kind":"OpenTelemetryCollector","metadata":{"name":"good","uid":"g"},"spec":{"config":"receivers: {otlp: {}}"}}`
	broken := `{"apiVersion":"opentelemetry.io/v1alpha1","kind":"OpenTelemetryCollector","metadata":{"name":"broken","uid":"b"},"spec":{"config":"receivers: ]"}}`
	odd := `{"apiVersion":"opentelemetry.io/v1alpha1","kind":"OpenTelemetryCollector","metadata":{"name":"odd","uid":"o"},"spec":7,"status":[]}`
	got := convertAll(t, "v1beta1", good, broken, odd)
	var lines []string
	for _, o := range got.ConvertedObjects {
		var c v1beta1.OpenTelemetryCollector
		var object map[string]any
		if err := json.Unmarshal(o.Raw, &object); err != nil {
			t.Fatal(err)
		}
		_ = json.Unmarshal(o.Raw, &c)
		lines = append(lines, strings.Join([]string{object["apiVersion"].(string), c.Name, string(c.UID), c.ConfigError()}, " "))
	}
	if diff := cmp.Diff([]string{
		"opentelemetry.io/v1beta1 good g ",
		"opentelemetry.io/v1beta1 broken b line 1, column 12: did not find expected node content",
		"opentelemetry.io/v1beta1 odd o ",
	}, lines); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

func TestConvertRefusesOtherBodies(t *testing.T) {
	for _, body := range []string{"", "{", "{}", `{"request":null}`} {
		w := httptest.NewRecorder()
		convert(w, httptest.NewRequest(http.MethodPost, needs.ConvertPath, strings.NewReader(body)))
		if w.Code != http.StatusBadRequest {
			t.Errorf("%q: got status %d; want 400", body, w.Code)
		}
	}
}

// What is left of an object where conversion itself fails has its identity.
func TestRenamed(t *testing.T) {
	got := string(renamed([]byte(`{"apiVersion":"x","kind":"OpenTelemetryCollector","metadata":{"name":"a","uid":"b"},"spec":7}`), "opentelemetry.io/v1beta1"))
	want := `{"apiVersion":"opentelemetry.io/v1beta1","kind":"OpenTelemetryCollector","metadata":{"name":"a","uid":"b"},"spec":{"config":{"exporters":{},"receivers":{},"service":{"pipelines":{}}}}}`
	if got != want {
		t.Errorf("got %s; want %s", got, want)
	}
}
