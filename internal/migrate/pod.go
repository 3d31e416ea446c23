package migrate

import (
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// podRules give an address that other machines can reach to what has none.
var podRules = []Rule{
	{
		ID: "pod-endpoint", Group: groupPod, Severity: Changed, Since: "0.104",
		Old: "no `endpoint` at the receivers `otlp`, `jaeger`, `zipkin`, `opencensus`, `statsd` and the extension `health_check`, in a pod or with the gate `-component.UseLocalHostAsDefaultHost`",
		New: "`0.0.0.0` with the default port, as it was before 0.104. Elsewhere `localhost`",
		Why: "what listens on localhost in a pod is out of reach for Services and probes",

		apply: podEndpoints,
	},
	{
		ID: "pod-metrics", Group: groupPod, Severity: Changed, Since: "0.111",
		Old: "no `service.telemetry.metrics.readers`, in a pod or with the gate `-telemetry.UseLocalHostAsDefaultMetricsAddress`", New: "a reader at `0.0.0.0:8888`, as it was before 0.111",
		Why: "metrics of the collector that listen on localhost in a pod are out of reach for Prometheus",

		apply: podMetrics,
	},
}

// listening are the components that listen, by section and type: the path to
// the settings of the server and the port.
var listening = []struct {
	section, typ string
	path         []string
	port         string
}{
	{"receivers", "otlp", []string{"protocols", "grpc"}, "4317"},
	{"receivers", "otlp", []string{"protocols", "http"}, "4318"},
	{"receivers", "jaeger", []string{"protocols", "grpc"}, "14250"},
	{"receivers", "jaeger", []string{"protocols", "thrift_http"}, "14268"},
	{"receivers", "jaeger", []string{"protocols", "thrift_compact"}, "6831"},
	{"receivers", "jaeger", []string{"protocols", "thrift_binary"}, "6832"},
	{"receivers", "zipkin", nil, "9411"},
	{"receivers", "opencensus", nil, "55678"},
	{"receivers", "statsd", nil, "8125"},
	{"extensions", "health_check", nil, "13133"},
}

func podEndpoints(p *pass) {
	if !p.InPod {
		return
	}
	for _, l := range listening {
		for _, c := range p.parts(l.section, l.typ) {
			where, body := c.key, c.body
			if l.path != nil {
				where, body = get(at(c.body, l.path[0]), l.path[1])
			}
			if where == nil || placed(body) {
				continue
			}
			m := makeMapping(body)
			if m == nil {
				continue
			}
			set(m, "endpoint", stringAt(where.Line, "0.0.0.0:"+l.port))
			p.found(where, c.path(l.path...), "localhost:"+l.port, "endpoint 0.0.0.0:"+l.port)
		}
	}
}

// placed reports whether the settings of a server say where it listens, or are
// those of another version of the component.
func placed(body *yaml.Node) bool {
	return slices.ContainsFunc([]string{"endpoint", "transport", "http", "grpc", "use_v2"}, func(key string) bool {
		k, _ := get(body, key)
		return k != nil
	})
}

func podMetrics(p *pass) {
	if !p.InPod && !p.MetricsOnAll {
		return
	}
	service := mapping(at(p.root, "service"))
	if service == nil {
		return
	}
	metrics := at(service, "telemetry", "metrics")
	if readers := at(metrics, "readers"); !null(readers) || strings.EqualFold(text(at(metrics, "level")), "none") || at(metrics, "address") != nil {
		return
	}
	k, _ := get(p.root, "service")
	if m := section(service, k.Line, "telemetry", "metrics"); m != nil {
		set(m, "readers", promReader(k.Line, "0.0.0.0", "8888"))
		p.found(k, []string{"service", "telemetry", "metrics"}, "localhost:8888", "a reader at 0.0.0.0:8888")
	}
}
