package collector

import (
	"strings"
	"testing"
)

// What a component warns of is a finding with its place.
func TestComponentsWarn(t *testing.T) {
	conf := `yaml:
receivers: {otlp: {protocols: {grpc: }}}
processors:
  resourcedetection:
    detectors:
      - env
      - ec2
exporters: {debug: }
service: {pipelines: {traces: {receivers: [otlp], processors: [resourcedetection], exporters: [debug]}}}
`
	factories, err := Factories()
	if err != nil {
		t.Fatal(err)
	}
	config, err := load(t.Context(), Settings{ConfigURIs: []string{conf}}, factories)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range config.found {
		if f.Rule == "component-warning" {
			got = append(got, f.String())
		}
	}
	if len(got) != 1 || !strings.Contains(got[0], `processors::resourcedetection::detectors::1: warning: detector "ec2" is not in this build`) {
		t.Errorf("got %q", got)
	}
}
