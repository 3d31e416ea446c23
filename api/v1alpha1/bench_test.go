package v1alpha1

import (
	"os"
	"testing"

	utiljson "k8s.io/apimachinery/pkg/util/json"
	"sigs.k8s.io/yaml"
)

// A tutorial's collector there and back, which each read of the old form costs
// the API server.
func BenchmarkConvert(b *testing.B) {
	text, err := os.ReadFile("../../internal/migrate/testdata/seeds/000-collector-applied.yaml")
	if err != nil {
		b.Fatal(err)
	}
	data, err := yaml.YAMLToJSON(text)
	if err != nil {
		b.Fatal(err)
	}
	var object map[string]any
	if err := utiljson.Unmarshal(data, &object); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		Convert(Convert(object, "v1beta1"), "v1alpha1")
	}
}
