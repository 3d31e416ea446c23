package cluster

import (
	"testing"

	"sigs.k8s.io/yaml"
)

// unmarshal reads YAML, which has to be right.
func unmarshal(t *testing.T, text string, into any) {
	t.Helper()
	if err := yaml.Unmarshal([]byte(text), into); err != nil {
		t.Fatal(err)
	}
}
