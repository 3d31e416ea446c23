package settings

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/signalbox-otel/signalbox/api/v1alpha1"
)

// Agents that may not be injected are none.
func TestEnabledAgents(t *testing.T) {
	s := &Settings{Languages: Languages{Java: true, Nginx: true}}
	s.Images.Agents = v1alpha1.Images{Java: "java", NodeJS: "nodejs", Go: "go", Nginx: "nginx"}
	if diff := cmp.Diff(v1alpha1.Images{Java: "java", Nginx: "nginx"}, s.EnabledAgents()); diff != "" {
		t.Error("(-want +got):\n" + diff)
	}
}
