// Package crds holds the manifests of the custom resource definitions, which are
// generated from the types in api/v1beta1 and api/v1alpha1 (make generate).
//
// What installs Signalbox applies them; tests apply them to real API servers.
//
// Invariants: each fits the annotation in which kubectl apply keeps what was
// applied, for which descriptions of Kubernetes' own types are left out. Files do
// not say how collectors are converted between versions, and without that they
// are stored wrong: WithConversion adds it.
package crds

import (
	"embed"
	"fmt"
	"io/fs"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// Files are the manifests, one for each kind, as GROUP_PLURAL.yaml.
//
//go:embed *.yaml
var Files embed.FS

// The names under which the API server reaches the conversion.
const (
	// WebhookService is the operator's Service, at port 443.
	WebhookService = "opentelemetry-operator-webhook-service"
	// ConvertPath is where collectors are converted between versions.
	ConvertPath = "/convert"
)

// WithConversion returns the definitions, sorted by name, with the conversion of
// collectors at the operator in a namespace. They name no certificate authority:
// the operator adds its own.
func WithConversion(namespace string) ([]*unstructured.Unstructured, error) {
	names, err := fs.Glob(Files, "*.yaml")
	if err != nil {
		return nil, fmt.Errorf("listing definitions: %w", err)
	}
	var all []*unstructured.Unstructured
	for _, name := range names {
		text, err := Files.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("reading definition %s: %w", name, err)
		}
		crd := new(unstructured.Unstructured)
		if err := yaml.Unmarshal(text, &crd.Object); err != nil {
			return nil, fmt.Errorf("reading definition %s: %w", name, err)
		}
		if crd.GetName() == "opentelemetrycollectors.opentelemetry.io" {
			crd.Object["spec"].(map[string]any)["conversion"] = conversion(namespace)
		}
		all = append(all, crd)
	}
	return all, nil
}

func conversion(namespace string) map[string]any {
	return map[string]any{
		"strategy": "Webhook",
		"webhook": map[string]any{
			"conversionReviewVersions": []any{"v1"},
			"clientConfig": map[string]any{"service": map[string]any{
				"namespace": namespace, "name": WebhookService, "path": ConvertPath,
			}},
		},
	}
}
