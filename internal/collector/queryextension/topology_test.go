package queryextension

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/collector/confmap"

	"github.com/signalbox-otel/signalbox/internal/server"
)

func TestTopology(t *testing.T) {
	conf := confmap.NewFromStringMap(map[string]any{
		"connectors": map[string]any{"count": nil, "unused": nil},
		"service": map[string]any{"pipelines": map[string]any{
			"traces/in": map[string]any{"receivers": []any{"otlp"}, "processors": []any{"b", "a"}, "exporters": []any{"otlp", "count"}},
			"metrics":   map[string]any{"receivers": []any{"count"}, "exporters": []any{"otlp"}},
		}},
	})
	want := server.Topology{
		Connectors: []string{"count"},
		Pipelines: []server.Pipeline{
			{ID: "metrics", Signal: "metrics", Receivers: []string{"count"}, Exporters: []string{"otlp"}},
			{ID: "traces/in", Signal: "traces", Receivers: []string{"otlp"}, Processors: []string{"b", "a"}, Exporters: []string{"otlp", "count"}},
		},
	}
	if diff := cmp.Diff(want, Describe(conf)); diff != "" {
		t.Errorf("Describe (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(server.Topology{}, Describe(confmap.New())); diff != "" {
		t.Errorf("Describe(nothing) (-want +got):\n%s", diff)
	}
}
