package migrate

import (
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// lintRules change nothing: they name what is accepted and likely not meant.
var lintRules = []Rule{
	{
		ID: "jaeger-port", Group: groupLints, Severity: Warning,
		Old: "port 14250 or 14268 in the endpoint of an OTLP exporter", New: "kept: to 14250 the exporter `otlp_grpc` sends traces in Jaeger's protocol; everything else fails",
		Why:   "this is Jaeger's own port, which does not speak OTLP: send to 4317 (4318 for HTTP), or use the exporter jaeger",
		apply: jaegerPort,
	},
	{
		ID: "unused-component", Group: groupLints, Severity: Warning,
		Old: "a component that is configured and in no pipeline (an extension: not in `service.extensions`)", New: "kept: it does not run",
		Why:   "is configured and in no pipeline, so it does not run",
		apply: unusedComponents,
	},
	{
		ID: "prometheus-namespace", Group: groupLints, Severity: Warning,
		Old: "`namespace` of the exporter `prometheus` that is the name of a Kubernetes namespace", New: "kept: it is put before the name of every metric",
		Why: "this namespace is no Kubernetes namespace",
		apply: func(p *pass) {
			for _, c := range p.parts("exporters", "prometheus") {
				k, v := get(c.body, "namespace")
				if name := text(v); name != "" && (likelyNamespace(name) || slices.Contains(p.namespaces, name)) {
					p.say(k, Warning, c.path("namespace"), name, "",
						"this is no Kubernetes namespace: every metric is called "+strings.ReplaceAll(name, "-", "_")+"_… by it")
				}
			}
		},
	},
	{
		ID: "batch-before-queue", Group: groupLints, Severity: Warning,
		Old: "the processor `batch` in a pipeline with an exporter whose queue is on disk", New: "kept: what is in the batch is lost in a crash",
		Why:   "batch holds data in memory that the queue on disk would keep: let the queue batch instead, with sending_queue::batch",
		apply: batchBeforeQueue,
	},
	{
		ID: "hostless-endpoint", Group: groupLints, Severity: Warning,
		Old: "an `endpoint` without a host, as `:4317`", New: "kept: a receiver listens on all interfaces, an exporter sends to its own machine",
		Why:   "names no host",
		apply: hostless,
	},
	{
		ID: "port-mismatch", Group: groupLints, Severity: Warning,
		Old: "a port of a Service, or an annotation `prometheus.io/port`, at which the collector behind it does not listen", New: "kept: nobody answers there. Seen only when the file has the Service, the workload and the configuration",
		Why:    "nothing listens there",
		checks: portMismatch,
	},
}

// jaegerPort names exporters for OTLP that send to a port of Jaeger's own. The one
// over gRPC can do that: it falls back to Jaeger's protocol.
func jaegerPort(p *pass) {
	for _, c := range p.parts("exporters", "otlp_grpc", "otlp_http") {
		for _, key := range []string{"endpoint", "traces_endpoint"} {
			k, v := get(c.body, key)
			switch port := portOf(text(v)); {
			case k == nil:
			case port == "14250" && canonical("exporters", c.typ()) == "otlp_grpc":
				p.say(k, Warning, c.path(key), text(v), "",
					"this is Jaeger's own port, which does not speak OTLP: traces are sent in Jaeger's protocol, all else fails; send to 4317")
			case port == "14250" || port == "14268":
				p.found(k, c.path(key), text(v), "")
			}
		}
	}
}

// likelyNamespace reports whether a name is one that namespaces of Kubernetes
// usually have.
func likelyNamespace(name string) bool {
	return slices.Contains([]string{"default", "monitoring", "observability", "istio-system"}, name) || strings.HasPrefix(name, "kube-")
}

func unusedComponents(p *pass) {
	flows := p.pipelines()
	if len(flows) == 0 {
		return // the other half of a configuration that is merged
	}
	used := map[string]bool{}
	for _, section := range []string{"receivers", "processors", "exporters", "extensions"} {
		p.references(section, func(_, element *yaml.Node) { used[section+"::"+strings.TrimSpace(text(element))] = true })
	}
	for _, section := range []string{"receivers", "processors", "exporters"} {
		for _, c := range p.parts(section) {
			if !used[section+"::"+c.id] {
				p.found(c.key, c.path(), c.id, "")
			}
		}
	}
	for _, c := range p.parts("connectors") {
		if !used["receivers::"+c.id] && !used["exporters::"+c.id] {
			p.found(c.key, c.path(), c.id, "")
		}
	}
	for _, c := range p.parts("extensions") {
		if !used["extensions::"+c.id] {
			p.say(c.key, Warning, c.path(), c.id, "", "is configured and not in service::extensions, so it does not run")
		}
	}
}

func batchBeforeQueue(p *pass) {
	for _, f := range p.pipelines() {
		for _, e := range p.parts("exporters") {
			storage := at(e.body, "sending_queue", "storage")
			if null(storage) || !f.uses("exporters", e.id) {
				continue
			}
			for _, b := range p.parts("processors", "batch") {
				if f.uses("processors", b.id) {
					p.found(f.key, f.path(), b.id+" before "+e.id, "")
				}
			}
		}
	}
}

func hostless(p *pass) {
	for _, c := range p.parts("exporters", "otlp_grpc", "otlp_http", "jaeger", "opencensus", "zipkin") {
		if k, v := get(c.body, "endpoint"); strings.HasPrefix(text(v), ":") {
			p.say(k, Warning, c.path("endpoint"), text(v), "", "names no host, so it sends to this machine; write localhost"+text(v)+" when that is meant")
		}
	}
	if p.InPod {
		return // all interfaces are what a pod wants
	}
	for _, l := range listening {
		for _, c := range p.parts(l.section, l.typ) {
			if k, v := get(at(c.body, l.path...), "endpoint"); strings.HasPrefix(text(v), ":") {
				p.say(k, Warning, c.path(append(slices.Clone(l.path), "endpoint")...), text(v), "",
					"names no host, so every machine that reaches this one can send; write localhost"+text(v)+" or 0.0.0.0"+text(v))
			}
		}
	}
}
