package admission

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	admissionv1 "k8s.io/api/admission/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/signalbox-otel/signalbox/internal/render"
)

// BenchmarkCollector is what a collector costs at each webhook, without the
// check of its components and the network.
func BenchmarkCollector(b *testing.B) {
	document := collectors.head + "{mode: statefulset, targetAllocator: {enabled: true}, config: {" +
		"receivers: {otlp: {protocols: {grpc: {}, http: {}}}, prometheus: {config: {scrape_configs: [{job_name: a, kubernetes_sd_configs: [{role: pod}]}]}}}, " +
		"processors: {memory_limiter: {check_interval: 1s, limit_percentage: 75}, k8s_attributes: {}, batch: {}}, " +
		"exporters: {debug: {}, otlp_grpc: {endpoint: 'tempo:4317'}}, extensions: {health_check: {}}, service: {extensions: [health_check], pipelines: {" +
		"traces: {receivers: [otlp], processors: [memory_limiter, k8s_attributes, batch], exporters: [otlp_grpc]}, " +
		"metrics: {receivers: [otlp, prometheus], processors: [memory_limiter, batch], exporters: [debug]}}}}}}"
	h := &testHooks{t: b, facts: render.Facts{RBAC: true}, allowed: map[string][]string{"jane": {"* *.*"}}}
	handler := h.handler()
	review := admissionv1.AdmissionReview{
		TypeMeta: metav1.TypeMeta{APIVersion: "admission.k8s.io/v1", Kind: "AdmissionReview"}, Request: admit(b, "", document),
	}
	body, err := json.Marshal(review)
	if err != nil {
		b.Fatal(err)
	}
	for name, path := range map[string]string{"default": collectors.mutate, "validate": collectors.validate} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				r := httptest.NewRequest(http.MethodPost, path, bytes.NewReader(body))
				r.Header.Set("Content-Type", "application/json")
				w := httptest.NewRecorder()
				handler.ServeHTTP(w, r)
				if _, err := io.Copy(io.Discard, w.Body); err != nil || w.Code != http.StatusOK {
					b.Fatalf("got status %d, %v; want 200", w.Code, err)
				}
			}
		})
	}
}
