package queryextension

import (
	"cmp"
	"slices"
	"strings"

	"go.opentelemetry.io/collector/confmap"

	"github.com/signalbox-otel/signalbox/internal/server"
)

// Describe reads from an effective configuration how its components are put
// together: pipelines by id, the connectors that they use, where data can be sent
// to and where it goes.
func Describe(conf *confmap.Conf) server.Topology {
	t := server.Topology{Telemetry: telemetryOf(conf)}
	connectors, _ := conf.Get("connectors").(map[string]any)
	used := map[string]bool{}
	pipelines, _ := conf.Get("service::pipelines").(map[string]any)
	for id, p := range pipelines {
		p, _ := p.(map[string]any)
		signal, _, _ := strings.Cut(id, "/")
		pipeline := server.Pipeline{ID: id, Signal: signal,
			Receivers: names(p["receivers"]), Processors: names(p["processors"]), Exporters: names(p["exporters"])}
		for _, name := range slices.Concat(pipeline.Receivers, pipeline.Exporters) {
			if _, ok := connectors[name]; ok {
				used[name] = true
			}
		}
		t.Pipelines = append(t.Pipelines, pipeline)
	}
	for name := range used {
		t.Connectors = append(t.Connectors, name)
	}
	t.Listeners, t.Exits = listenersOf(conf, t.Pipelines), exitsOf(conf, t.Pipelines)
	slices.Sort(t.Connectors)
	slices.SortFunc(t.Pipelines, func(a, b server.Pipeline) int { return cmp.Compare(a.ID, b.ID) })
	return t
}

func names(v any) []string {
	list, _ := v.([]any)
	var names []string
	for _, name := range list {
		if name, ok := name.(string); ok {
			names = append(names, name)
		}
	}
	return names
}
