package migrate

import (
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// componentRules are about components that were renamed, removed or moved.
var componentRules = []Rule{
	{
		ID: "logging-exporter", Group: groupComponents, Severity: Changed, Since: "0.111",
		Old: "exporter `logging`", New: "`debug` with the same name, in all pipelines",
		Why: "the logging exporter was removed; debug prints the same",
		apply: func(p *pass) {
			for _, c := range p.parts("exporters", "logging") {
				id := p.free("exporters", withType(c.id, "debug"), c.id)
				p.rename(c, id)
				p.found(c.key, c.path(), c.id, "exporters::"+id)
			}
		},
	},
	{
		ID: "loglevel", Group: groupComponents, Severity: Changed, Since: "0.63",
		Old: "`loglevel` of the exporters `logging` and `debug`", New: "`verbosity`: `debug` is `detailed`, everything else `basic`",
		Why:   "loglevel became verbosity; basic prints one line for each batch, as info did",
		apply: loglevel,
	},
	{
		ID: "jaeger-exporter", Group: groupComponents, Severity: Warning, Since: "0.86",
		Old: "exporters `jaeger` and `jaeger_thrift`", New: "kept: Signalbox has its own",
		Why: "removed upstream and kept here; Jaeger takes OTLP since its 1.35, so consider the exporter otlp_grpc to port 4317",
		apply: func(p *pass) {
			for _, c := range p.parts("exporters", "jaeger", "jaeger_thrift") {
				p.found(c.key, c.path(), c.id, "")
			}
		},
	},
	{
		ID: "opencensus-receiver", Group: groupComponents, Severity: Warning, Since: "0.134",
		Old: "receiver `opencensus`", New: "kept: Signalbox has its own",
		Why: "removed upstream and kept here; programs should move to OTLP",
		apply: func(p *pass) {
			for _, c := range p.parts("receivers", "opencensus") {
				p.found(c.key, c.path(), c.id, "")
			}
		},
	},
	{
		ID: "opencensus-exporter", Group: groupComponents, Severity: Warning, Since: "0.134",
		Old: "exporter `opencensus`", New: "kept: Signalbox has its own",
		Why: "removed upstream and kept here; between collectors use otlp_grpc, which acknowledges what arrived",
		apply: func(p *pass) {
			for _, c := range p.parts("exporters", "opencensus") {
				p.found(c.key, c.path(), c.id, "")
			}
		},
	},
	{
		ID: "stackdriver-exporter", Group: groupComponents, Severity: Changed, Since: "0.50",
		Old: "exporter `stackdriver`", New: "`googlecloud` with the same name, in all pipelines",
		Why: "Stackdriver is called Google Cloud now",
		apply: func(p *pass) {
			for _, c := range p.parts("exporters", "stackdriver") {
				id := p.free("exporters", withType(c.id, "googlecloud"), c.id)
				p.rename(c, id)
				p.found(c.key, c.path(), c.id, "exporters::"+id)
			}
		},
	},
	{
		ID: "googlecloud-keys", Group: groupComponents, Severity: Changed, Since: "0.50",
		Old: "`metric_prefix`, `endpoint`, `use_insecure`, `skip_create_metric_descriptor`, `number_of_workers`, `resource_mappings` of `stackdriver` and `googlecloud`",
		New: "`metric.prefix`; `endpoint` and `use_insecure` of `trace`, `metric` and `log`; `metric.skip_create_descriptor`; `sending_queue.num_consumers`. `resource_mappings` has no equivalent and is refused",
		Why: "each signal has settings of its own now",

		apply: googlecloudKeys,
	},
	{
		ID: "queued-retry", Group: groupComponents, Severity: Changed, Since: "0.19",
		Old: "processor `queued_retry`", New: "`sending_queue` and `retry_on_failure` of the exporters of its pipelines",
		Why:   "exporters queue and retry themselves",
		apply: queuedRetry,
	},
	{
		ID: "memory-ballast", Group: groupComponents, Severity: Ignored, Since: "0.109",
		Old: "extension `memory_ballast`", New: "dropped, also from `service.extensions`",
		Why: "a ballast has no effect any more; set the environment variable GOMEMLIMIT, in a container the limit is taken from it",
		apply: func(p *pass) {
			for _, c := range p.parts("extensions", "memory_ballast") {
				p.drop(c)
				p.found(c.key, c.path(), c.id, "")
			}
		},
	},
	{
		ID: "ballast-size-mib", Group: groupComponents, Severity: Ignored, Since: "0.39",
		Old: "`ballast_size_mib` of the processor `memory_limiter`", New: "dropped",
		Why: "the limiter counts no ballast any more",
		apply: func(p *pass) {
			for _, c := range p.parts("processors", "memory_limiter") {
				if k, v := get(c.body, "ballast_size_mib"); k != nil {
					remove(c.body, k)
					p.found(k, c.path("ballast_size_mib"), "ballast_size_mib: "+short(v), "")
				}
			}
		},
	},
	{
		ID: "spanmetrics-processor", Group: groupComponents, Severity: Changed,
		Old: "processor `spanmetrics`", New: "connector `span_metrics`: exporter of the trace pipelines, receiver of the metrics pipelines of its `metrics_exporter`",
		Why: "a connector makes metrics from spans now; latency is called duration and the label operation span_name",
		apply: func(p *pass) {
			for _, c := range p.parts("processors", "span_metrics") {
				p.toConnector(c, "span_metrics", spanmetricsConfig(c))
			}
		},
	},
	{
		ID: "servicegraph-processor", Group: groupComponents, Severity: Changed,
		Old: "processor `servicegraph`", New: "connector `service_graph`: exporter of the trace pipelines, receiver of the metrics pipelines of its `metrics_exporter`",
		Why: "a connector makes metrics from spans now",
		apply: func(p *pass) {
			for _, c := range p.parts("processors", "service_graph") {
				config := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map", Line: c.key.Line}
				connectorKeys(config, c)
				p.toConnector(c, "service_graph", config)
			}
		},
	},
	{
		ID: "httpd-receiver", Group: groupComponents, Severity: Error, Since: "0.39",
		Old: "receiver `httpd`", New: "refused: `apache`, its new name, is not in this distribution",
		Why: "httpd was renamed to apache, which this distribution does not have: let Apache's own Prometheus exporter be scraped by the prometheus receiver",
		apply: func(p *pass) {
			for _, c := range p.parts("receivers", "httpd") {
				p.found(c.key, c.path(), c.id, "")
			}
		},
	},
	{
		ID: "jaeger-remote-sampling", Group: groupComponents, Severity: Ignored, Since: "0.61",
		Old: "`remote_sampling` of the receiver `jaeger`", New: "dropped",
		Why: "the receiver serves no sampling strategies any more; clients fall back to the sampler that they are configured with",
		apply: func(p *pass) {
			for _, c := range p.parts("receivers", "jaeger") {
				if k, v := get(c.body, "remote_sampling"); k != nil {
					remove(c.body, k)
					p.found(k, c.path("remote_sampling"), "remote_sampling: "+short(v), "")
				}
			}
		},
	},
	{
		ID: "resource-labels", Group: groupComponents, Severity: Changed, Since: "0.19",
		Old: "`type` and `labels` of the processor `resource`", New: "`attributes` with the action `upsert`; `type` is the attribute `opencensus.type`",
		Why:   "the resource processor sets attributes by actions",
		apply: resourceLabels,
	},
}

func loglevel(p *pass) {
	for _, c := range p.parts("exporters", "debug", "logging") {
		k, v := get(c.body, "loglevel")
		if k == nil {
			continue
		}
		old := "loglevel: " + short(v)
		if _, there := get(c.body, "verbosity"); there != nil {
			remove(c.body, k)
			p.say(k, Ignored, c.path("loglevel"), old, "", "verbosity says it already")
			continue
		}
		verbosity := "basic"
		if strings.EqualFold(text(v), "debug") {
			verbosity = "detailed"
		}
		k.Value = "verbosity"
		set(c.body, "verbosity", &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: verbosity, Line: k.Line, LineComment: v.LineComment})
		p.found(k, c.path("loglevel"), old, "verbosity: "+verbosity)
	}
}

func googlecloudKeys(p *pass) {
	for _, c := range p.parts("exporters", "googlecloud") {
		body := mapping(c.body)
		for _, kv := range pairs(body) {
			switch kv.key.Value {
			case "metric_prefix":
				p.move(c, body, nil, kv.key, "metric", "prefix")
			case "skip_create_metric_descriptor":
				p.move(c, body, nil, kv.key, "metric", "skip_create_descriptor")
			case "number_of_workers":
				p.move(c, body, nil, kv.key, "sending_queue", "num_consumers")
			case "endpoint", "use_insecure":
				remove(body, kv.key)
				for _, signal := range []string{"trace", "metric", "log"} {
					m := section(body, kv.key.Line, signal)
					if m == nil {
						p.say(kv.key, Error, c.path(kv.key.Value), kv.key.Value, "", signal+" must be a mapping")
						continue
					}
					if _, there := get(m, kv.key.Value); there == nil {
						set(m, kv.key.Value, copied(kv.value))
					}
				}
				p.found(kv.key, c.path(kv.key.Value), kv.key.Value+": "+short(kv.value), kv.key.Value+" of trace, metric and log")
			case "resource_mappings":
				p.say(kv.key, Error, c.path("resource_mappings"), "resource_mappings", "",
					"resource_mappings has no equivalent: rename resource attributes with the transform processor in front of this exporter")
			}
		}
	}
}

// copied is a node with all that is in it, without its comments. Aliases in it
// stay aliases: what they stand for may be large, or hold them.
func copied(n *yaml.Node) *yaml.Node { return bareCopy(follow(n)) }

func bareCopy(n *yaml.Node) *yaml.Node {
	c := *n
	c.HeadComment, c.LineComment, c.FootComment, c.Anchor = "", "", "", ""
	c.Content = nil
	for _, e := range n.Content {
		c.Content = append(c.Content, bareCopy(e))
	}
	return &c
}

// queueing are the exporters that have a sending queue, retrying those that
// also say when to try again.
var (
	queueing = []string{"otlp_grpc", "otlp_http", "jaeger", "jaeger_thrift", "opencensus", "googlecloud", "googlemanagedprometheus", "zipkin", "kafka", "load_balancing", "clickhouse"}
	retrying = []string{"otlp_grpc", "otlp_http", "jaeger", "jaeger_thrift", "opencensus", "googlemanagedprometheus", "prometheus_remote_write", "zipkin", "kafka", "load_balancing", "clickhouse"}
)

func queuedRetry(p *pass) {
	for _, c := range p.parts("processors", "queued_retry") {
		var moved []string
		for _, e := range p.parts("exporters") {
			if p.together(c.id, e.id) {
				moved = append(moved, p.queue(c, e)...)
			}
		}
		p.drop(c)
		now := strings.Join(moved, ", ")
		if now == "" {
			p.say(c.key, Ignored, c.path(), c.id, "", p.rule.Why)
			continue
		}
		p.found(c.key, c.path(), c.id, now)
	}
}

// together reports whether a processor and an exporter are in one pipeline.
func (p *pass) together(processor, exporter string) bool {
	return slices.ContainsFunc(p.pipelines(), func(f flow) bool {
		return f.uses("processors", processor) && f.uses("exporters", exporter)
	})
}

// queue gives an exporter the queue and retries that a queued_retry processor
// had, where the exporter has none of its own, and returns what it changed.
func (p *pass) queue(c, e part) []string {
	var moved []string
	give := func(value *yaml.Node, path ...string) {
		if value == nil {
			return
		}
		parent := section(e.body, c.key.Line, path[0])
		if parent == nil {
			return
		}
		if _, there := get(parent, path[1]); there == nil {
			set(parent, path[1], copied(value))
			moved = append(moved, strings.Join(e.path(path...), "::"))
		}
	}
	typ := canonical("exporters", e.typ())
	if slices.Contains(queueing, typ) {
		give(at(c.body, "num_workers"), "sending_queue", "num_consumers")
		give(at(c.body, "queue_size"), "sending_queue", "queue_size")
	}
	if slices.Contains(retrying, typ) {
		if retry := at(c.body, "retry_on_failure"); isFalse(retry) {
			give(plain(c.key.Line, "false"), "retry_on_failure", "enabled")
		} else {
			give(at(c.body, "backoff_delay"), "retry_on_failure", "initial_interval")
		}
	}
	return moved
}

func resourceLabels(p *pass) {
	for _, c := range p.parts("processors", "resource") {
		body := mapping(c.body)
		for _, kv := range pairs(body) {
			var add []*yaml.Node
			switch kv.key.Value {
			case "type":
				if !null(kv.value) && text(kv.value) != "" {
					add = append(add, upsert("opencensus.type", kv.value, kv.key.Line))
				}
			case "labels":
				for _, label := range pairs(kv.value) {
					add = append(add, upsert(label.key.Value, label.value, label.key.Line))
				}
			default:
				continue
			}
			remove(body, kv.key)
			_, attributes := get(body, "attributes")
			if attributes == nil || null(attributes) {
				attributes = &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq", Line: kv.key.Line}
				set(body, "attributes", attributes)
			}
			if attributes = follow(attributes); attributes.Kind == yaml.SequenceNode {
				attributes.Content = append(attributes.Content, add...)
			}
			p.found(kv.key, c.path(kv.key.Value), kv.key.Value, "attributes with action upsert, "+strconv.Itoa(len(add))+" of them")
		}
	}
}

// upsert is one action of the resource processor.
func upsert(key string, value *yaml.Node, line int) *yaml.Node {
	m := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map", Line: line}
	set(m, "key", stringAt(line, key))
	set(m, "value", copied(value))
	set(m, "action", stringAt(line, "upsert"))
	return m
}

// toConnector makes a connector of a processor that made metrics from spans.
func (p *pass) toConnector(c part, typ string, config *yaml.Node) {
	target := text(at(c.body, "metrics_exporter"))
	id := p.free("connectors", withType(c.id, typ), c.id)
	connectors := section(p.root, c.key.Line, "connectors")
	if connectors == nil {
		p.say(c.key, Error, c.path(), c.id, "", "connectors must be a mapping")
		return
	}
	set(connectors, id, config)
	remove(at(p.root, "processors"), c.key)
	served := p.connect(c, id, target)
	if !served && target != "" {
		pipelines := section(p.root, c.key.Line, "service", "pipelines")
		name := "metrics/" + strings.ReplaceAll(c.id, "/", "-")
		if m := section(pipelines, c.key.Line, name); m != nil {
			set(m, "receivers", flowList(c.key.Line, id))
			set(m, "exporters", flowList(c.key.Line, target))
		}
	}
	if target == "" {
		p.say(c.key, Warning, c.path(), c.id, "connectors::"+id, "the processor named no metrics_exporter: put the connector into the receivers of a metrics pipeline")
	}
	p.found(c.key, c.path(), c.id, "connectors::"+id)
}

// connect puts a connector where the processor was: at the end of its pipelines,
// and at the start of the metrics pipelines that have the exporter. It reports
// whether there was one.
func (p *pass) connect(c part, id, exporter string) bool {
	served := false
	for _, f := range p.pipelines() {
		if n := at(f.body, "processors"); f.uses("processors", c.id) {
			for _, e := range slices.Clone(list(n)) {
				if text(e) == c.id {
					removeElement(n, e)
				}
			}
			appendTo(f.body, "exporters", id, c.key.Line)
		} else if f.signal() == "metrics" && exporter != "" && f.uses("exporters", exporter) {
			appendTo(f.body, "receivers", id, c.key.Line)
			served = true
		}
	}
	return served
}

// appendTo adds a name to a list of a pipeline.
func appendTo(pipeline *yaml.Node, kind, id string, line int) {
	n := follow(at(pipeline, kind))
	if n == nil || n.Kind != yaml.SequenceNode {
		if m := makeMapping(pipeline); m != nil {
			set(m, kind, flowList(line, id))
		}
		return
	}
	n.Content = append(n.Content, stringAt(line, id))
}

// spanmetricsConfig is the configuration of the connector that does what the
// processor did.
func spanmetricsConfig(c part) *yaml.Node {
	m := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map", Line: c.key.Line}
	set(m, "namespace", &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Style: yaml.DoubleQuotedStyle, Line: c.key.Line})
	connectorKeys(m, c)
	return m
}

// connectorKeys puts the settings of a processor into those of a connector.
func connectorKeys(m *yaml.Node, c part) {
	for _, kv := range pairs(c.body) {
		switch {
		case kv.key.Value == "metrics_exporter":
		case kv.key.Value == "latency_histogram_buckets" && canonical("processors", c.typ()) == "span_metrics":
			set(section(m, kv.key.Line, "histogram", "explicit"), "buckets", kv.value)
		default:
			key := *kv.key
			m.Content = append(m.Content, &key, kv.value)
		}
	}
}
