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

// The images of agents that we build are beside our own, wherever it comes from,
// and those that are named are taken as they are.
func TestImagesBeside(t *testing.T) {
	for image, want := range map[string]string{
		"":                              "signalbox-java:1.2.3",
		"signalbox:9":                   "signalbox-java:9",
		"registry.local/signalbox:dev":  "registry.local/signalbox-java:dev",
		"localhost:5000/team/signalbox": "localhost:5000/team/signalbox-java:1.2.3",
		"quay.io/x/box:4@sha256:0123":   "quay.io/x/box-java:4",
		"quay.io/x/box@sha256:0123":     "quay.io/x/box-java:1.2.3",
	} {
		s, _, err := load(t, []string{"--auto-instrumentation-python-image=mine"}, map[string]string{imageVariable: image})
		if err != nil {
			t.Fatal(err)
		}
		if got := s.Images.Agents; got.Java != want || got.Python != "mine" {
			t.Errorf("beside %q: got %s and %s; want %s, and for Python what is said", image, got.Java, got.Python, want)
		}
	}
}
