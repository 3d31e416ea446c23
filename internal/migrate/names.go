package migrate

import (
	"maps"
	"slices"
	"strings"
)

// renamed are the component types that upstream gave other names: by section,
// the old name and the new one. Both are accepted.
var renamed = map[string]map[string]string{
	"receivers": {
		"filelog":               "file_log",
		"hostmetrics":           "host_metrics",
		"k8sobjects":            "k8s_objects",
		"kubeletstats":          "kubelet_stats",
		"prometheusremotewrite": "prometheus_remote_write",
	},
	"processors": {
		"cumulativetodelta": "cumulative_to_delta",
		"deltatocumulative": "delta_to_cumulative",
		"k8sattributes":     "k8s_attributes",
		"resourcedetection": "resource_detection",
		"servicegraph":      "service_graph",
		"spanmetrics":       "span_metrics",
	},
	"exporters": {
		"loadbalancing":         "load_balancing",
		"otlp":                  "otlp_grpc",
		"otlphttp":              "otlp_http",
		"prometheusremotewrite": "prometheus_remote_write",
	},
	"connectors": {
		"servicegraph": "service_graph",
		"spanmetrics":  "span_metrics",
	},
}

// canonical is the newest name of a component type.
func canonical(section, typ string) string {
	if now, ok := renamed[section][typ]; ok {
		return now
	}
	return typ
}

// nameRules are about other names for the same.
var nameRules = []Rule{
	{
		ID: "renamed-type", Group: groupNames, Severity: Changed, Since: "0.144",
		Old: renamedTypes(), New: "accepted as they are; `migrate --modernise` writes the new name",
		Why: "upstream calls it so now; the labels of its metrics change with it",
		apply: func(p *pass) {
			if !p.Modernise {
				return
			}
			for _, s := range slices.Sorted(maps.Keys(renamed)) {
				for _, c := range p.parts(s) {
					typ := canonical(s, c.typ())
					if typ == c.typ() {
						continue
					}
					id := p.free(s, withType(c.id, typ), c.id)
					p.rename(c, id)
					p.found(c.key, c.path(), c.id, id)
				}
			}
		},
	},
}

// renamedTypes lists what is renamed, for the documentation.
func renamedTypes() string {
	all := map[string]bool{}
	for _, types := range renamed {
		for old, now := range types {
			all["`"+old+"` (`"+now+"`)"] = true
		}
	}
	return "component types that were renamed: " + strings.Join(slices.Sorted(maps.Keys(all)), ", ")
}
