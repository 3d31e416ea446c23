package queryextension

import (
	"cmp"
	"slices"
	"strings"

	"go.opentelemetry.io/collector/confmap"

	"github.com/signalbox-otel/signalbox/internal/server"
)

// receiverEndpoints lists what the receivers of a configuration listen on, by
// name: every "endpoint" below receivers, but those of scraping receivers that
// call others.
func receiverEndpoints(conf *confmap.Conf) []server.Endpoint {
	receivers, err := conf.Sub("receivers")
	if err != nil {
		return nil
	}
	used := map[string]bool{}
	pipelines, _ := conf.Get("service::pipelines").(map[string]any)
	for _, p := range pipelines {
		p, _ := p.(map[string]any)
		names, _ := p["receivers"].([]any)
		for _, name := range names {
			if name, ok := name.(string); ok {
				used[name] = true
			}
		}
	}
	var found []server.Endpoint
	for _, key := range receivers.AllKeys() {
		path := strings.Split(key, confmap.KeyDelimiter)
		address, ok := receivers.Get(key).(string)
		if !ok || address == "" || path[len(path)-1] != "endpoint" || !used[path[0]] {
			continue
		}
		name := path[0]
		if len(path) == 4 && path[1] == "protocols" {
			name += " " + path[2]
		} else if len(path) != 2 {
			continue
		}
		found = append(found, server.Endpoint{Name: name, URL: address})
	}
	slices.SortFunc(found, func(a, b server.Endpoint) int { return cmp.Compare(a.Name, b.Name) })
	return found
}
