package migrate

import (
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// keyRules are about settings of components that have other names or another
// place now.
var keyRules = []Rule{
	{
		ID: "exporter-tls", Group: groupKeys, Severity: Changed, Since: "0.36",
		Old: "`insecure`, `ca_file`, `cert_file`, `key_file`, `min_version`, `server_name_override`, `insecure_skip_verify` at the top of an exporter",
		New: "the same below `tls`", Why: "the settings of TLS have a section of their own",
		apply: exporterTLS,
	},
	{
		ID: "receiver-tls", Group: groupKeys, Severity: Changed, Since: "0.36",
		Old: "`tls_settings` and `tls_credentials` of receivers", New: "`tls`",
		Why:   "the section is called tls everywhere",
		apply: receiverTLS,
	},
	{
		ID: "cors", Group: groupKeys, Severity: Changed, Since: "0.41",
		Old: "`cors_allowed_origins` and `cors_allowed_headers` of receivers that speak HTTP", New: "`cors.allowed_origins` and `cors.allowed_headers`; the `opencensus` receiver keeps its own",
		Why: "the settings of CORS have a section of their own",
		apply: func(p *pass) {
			for _, c := range p.parts("receivers", "otlp", "zipkin", "jaeger") {
				for _, m := range protocols(c) {
					for _, kv := range pairs(m.body) {
						if name, ok := strings.CutPrefix(kv.key.Value, "cors_"); ok && (name == "allowed_origins" || name == "allowed_headers") {
							p.move(c, m.body, m.path, kv.key, "cors", name)
						}
					}
				}
			}
		},
	},
	{
		ID: "health-check-port", Group: groupKeys, Severity: Changed, Since: "0.57.2",
		Old: "`port` of the extension `health_check`", New: "`endpoint: 0.0.0.0:<port>`",
		Why: "the extension has an endpoint instead of a port",
		apply: func(p *pass) {
			for _, c := range p.parts("extensions", "health_check") {
				k, v := get(c.body, "port")
				if k == nil {
					continue
				}
				old := "port: " + short(v)
				if _, there := get(c.body, "endpoint"); there != nil {
					remove(c.body, k)
					p.say(k, Ignored, c.path("port"), old, "", "endpoint says it already")
					continue
				}
				k.Value = "endpoint"
				endpoint := stringAt(k.Line, "0.0.0.0:"+text(v))
				endpoint.LineComment = v.LineComment
				set(c.body, "endpoint", endpoint)
				p.found(k, c.path("port"), old, "endpoint: "+endpoint.Value)
			}
		},
	},
	{
		ID: "queue-blocking", Group: groupKeys, Severity: Changed, Since: "0.129",
		Old: "`sending_queue.blocking` of exporters", New: "`sending_queue.block_on_overflow`",
		Why: "the setting was renamed",
		apply: func(p *pass) {
			for _, c := range p.parts("exporters") {
				queue := mapping(at(c.body, "sending_queue"))
				if k, _ := get(queue, "blocking"); k != nil {
					p.move(c, queue, []string{"sending_queue"}, k, "block_on_overflow")
				}
			}
		},
	},
	{
		ID: "exporter-batcher", Group: groupKeys, Severity: Changed, Since: "0.130",
		Old: "`batcher` of exporters", New: "`sending_queue.batch`",
		Why:   "the sending queue makes batches now",
		apply: batcher,
	},
	{
		ID: "reconnection-delay", Group: groupKeys, Severity: Ignored, Since: "0.9",
		Old: "`reconnection_delay` of the exporter `opencensus`", New: "dropped",
		Why: "gRPC connects again by itself",
		apply: func(p *pass) {
			for _, c := range p.parts("exporters", "opencensus") {
				if k, v := get(c.body, "reconnection_delay"); k != nil {
					remove(c.body, k)
					p.found(k, c.path("reconnection_delay"), "reconnection_delay: "+short(v), "")
				}
			}
		},
	},
	{
		ID: "influxdb-metrics-schema", Group: groupKeys, Severity: Ignored, Since: "0.31",
		Old: "`metrics_schema` of the receiver `influxdb`", New: "dropped; the receiver itself is not in this distribution",
		Why: "the receiver finds the schema out itself",
		apply: func(p *pass) {
			for _, c := range p.parts("receivers", "influxdb") {
				if k, v := get(c.body, "metrics_schema"); k != nil {
					remove(c.body, k)
					p.found(k, c.path("metrics_schema"), "metrics_schema: "+short(v), "")
				}
			}
		},
	},
	{
		ID: "filter-metrics-include", Group: groupKeys, Severity: Warning,
		Old: "`metrics.include` and `metrics.exclude` of the processor `filter`", New: "kept",
		Why: "deprecated but working: write conditions below metrics.metric instead, as 'not IsMatch(name, \"^otelcol_\")'",
		apply: func(p *pass) {
			for _, c := range p.parts("processors", "filter") {
				for _, key := range []string{"include", "exclude"} {
					if k, _ := get(at(c.body, "metrics"), key); k != nil {
						p.found(k, c.path("metrics", key), key, "")
					}
				}
			}
		},
	},
	{
		ID: "otlp-legacy-path", Group: groupKeys, Severity: Changed, Since: "0.43",
		Old: "`/v1/trace` in an endpoint of the exporter `otlp_http`", New: "`/v1/traces`",
		Why: "the path of OTLP over HTTP is /v1/traces",
		apply: func(p *pass) {
			for _, c := range p.parts("exporters", "otlp_http") {
				if k, v := get(c.body, "traces_endpoint"); k != nil && strings.HasSuffix(text(v), "/v1/trace") {
					old := text(v)
					follow(v).Value = old + "s"
					p.found(k, c.path("traces_endpoint"), old, old+"s")
				}
			}
		},
	},
	{
		ID: "otlp-legacy-port", Group: groupKeys, Severity: Warning, Since: "0.35",
		Old: "the ports 55680 and 55681 in endpoints, Services and containers", New: "kept; a manifest that opens them is told when nothing listens there",
		Why:    "the old ports of OTLP: 4317 (gRPC) and 4318 (HTTP) are what programs use now, and receivers listen on the old ones only where the configuration says so",
		apply:  legacyPortInConfig,
		checks: legacyPortInDocuments,
	},
}

// tlsKeys are the settings that a client of old had beside the endpoint.
var tlsKeys = []string{"insecure", "ca_file", "cert_file", "key_file", "min_version", "server_name_override", "insecure_skip_verify"}

func exporterTLS(p *pass) {
	for _, c := range p.parts("exporters", "otlp_grpc", "otlp_http", "jaeger", "jaeger_thrift", "opencensus", "zipkin", "prometheus_remote_write", "load_balancing") {
		body, path := mapping(c.body), []string(nil)
		if canonical("exporters", c.typ()) == "load_balancing" {
			path = []string{"protocol", "otlp"}
			body = mapping(at(body, path...))
		}
		for _, kv := range pairs(body) {
			if slices.Contains(tlsKeys, kv.key.Value) {
				p.move(c, body, path, kv.key, "tls", kv.key.Value)
			}
		}
	}
}

// inner is one mapping in a component, and the keys that lead to it.
type inner struct {
	path []string
	body *yaml.Node
}

// protocols are the mappings in which a receiver has the settings of a server:
// itself, and what is below protocols.
func protocols(c part) []inner {
	var all []inner
	if m := mapping(c.body); m != nil {
		all = append(all, inner{nil, m})
	}
	for _, kv := range pairs(at(c.body, "protocols")) {
		if m := mapping(kv.value); m != nil {
			all = append(all, inner{[]string{"protocols", kv.key.Value}, m})
		}
	}
	return all
}

func receiverTLS(p *pass) {
	for _, c := range p.parts("receivers", "otlp", "opencensus", "jaeger", "zipkin", "prometheus_remote_write") {
		for _, m := range protocols(c) {
			for _, kv := range pairs(m.body) {
				if kv.key.Value == "tls_settings" || kv.key.Value == "tls_credentials" {
					p.move(c, m.body, m.path, kv.key, "tls")
				}
			}
		}
	}
}

// batcherKeys are the settings of a batcher, and what they are called in a
// queue's batch.
var batcherKeys = map[string]string{
	"flush_timeout":  "flush_timeout",
	"min_size_items": "min_size",
	"max_size_items": "max_size",
	"min_size":       "min_size",
	"max_size":       "max_size",
	"sizer":          "sizer",
}

func batcher(p *pass) {
	for _, c := range p.parts("exporters") {
		k, v := get(c.body, "batcher")
		if k == nil {
			continue
		}
		old := "batcher: " + short(v)
		remove(c.body, k)
		_, there := get(at(c.body, "sending_queue"), "batch")
		switch {
		case isFalse(at(v, "enabled")):
			p.say(k, Ignored, c.path("batcher"), old, "", "it is switched off")
			continue
		case there != nil:
			p.say(k, Ignored, c.path("batcher"), old, "", "sending_queue::batch says it already")
			continue
		}
		m := section(c.body, k.Line, "sending_queue", "batch")
		if m == nil {
			p.say(k, Error, c.path("batcher"), old, "", "cannot become sending_queue::batch, where something else than a mapping stands")
			continue
		}
		set(m, "sizer", stringAt(k.Line, "items"))
		for _, kv := range pairs(v) {
			if now, ok := batcherKeys[kv.key.Value]; ok {
				set(m, now, kv.value)
			}
		}
		p.found(k, c.path("batcher"), old, "sending_queue::batch")
	}
}

// legacyPorts are the ports that OTLP had before 0.35.
var legacyPorts = map[string]string{"55680": "4317", "55681": "4318"}

func legacyPortInConfig(p *pass) {
	for _, c := range p.parts("exporters", "otlp_grpc", "otlp_http") {
		for _, key := range []string{"endpoint", "traces_endpoint", "metrics_endpoint"} {
			k, v := get(c.body, key)
			if now, old := legacyPorts[portOf(text(v))]; old {
				p.say(k, Warning, c.path(key), text(v), "", "port "+portOf(text(v))+" is an old port of OTLP: when nobody listens there, send to "+now)
			}
		}
	}
}

// portOf is the port of an address or URL, "" when it has none.
func portOf(address string) string {
	if _, rest, ok := strings.Cut(address, "://"); ok {
		address, _, _ = strings.Cut(rest, "/")
	}
	i := strings.LastIndexByte(address, ':')
	if i < 0 {
		return ""
	}
	return address[i+1:]
}
