package queryextension

import (
	"cmp"
	"slices"
	"strings"

	"go.opentelemetry.io/collector/confmap"

	"github.com/signalbox-otel/signalbox/internal/server"
)

// topologyOf reads from a configuration how its components are put together:
// pipelines by id, and the connectors that they use.
func topologyOf(conf *confmap.Conf) server.Topology {
	var t server.Topology
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
