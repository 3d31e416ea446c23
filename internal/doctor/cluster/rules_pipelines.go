package cluster

import (
	"fmt"
	"slices"
	"strings"

	"github.com/signalbox-otel/signalbox/internal/inject"
)

// signals are the kinds of telemetry.
var signals = []string{"traces", "metrics", "logs"}

// sends are the signals that an agent is known to send by OTLP.
func (u *use) sends() []string {
	var all []string
	for _, signal := range signals {
		exporter := value(u.container, "OTEL_"+strings.ToUpper(signal)+"_EXPORTER")
		if exporter == "otlp" || exporter == "" && (signal == "traces" || u.kind == inject.Java) {
			all = append(all, signal)
		}
	}
	return all
}

// pipelines finds collectors that refuse what they are sent, because no pipeline
// is for it.
func pipelines(p *Picture) []Finding {
	var all []Finding
	for i := range p.Collectors {
		c := &p.Collectors[i]
		if c.Err != "" {
			continue
		}
		var missing, senders []string
		receiver := ""
		for _, u := range p.uses() {
			endpoint, _ := u.endpoint()
			if u.kind == inject.SDK || p.collectorAt(targetOf(endpoint, p.Namespace)) != c {
				continue
			}
			receiver = c.receiverAt(u.protocol())
			for _, signal := range u.sends() {
				if c.pipeline(signal, receiver) != nil {
					continue
				}
				if !slices.Contains(missing, signal) {
					missing = append(missing, signal)
				}
				if !slices.Contains(senders, u.workload.object()) {
					senders = append(senders, u.workload.object())
				}
			}
		}
		if len(missing) > 0 {
			all = append(all, odd(NoPipeline, p.name("otelcol", c.CR.Namespace, c.CR.Name),
				fmt.Sprintf("%s sends %s to it, and none of its pipelines takes them from receiver %s, so it refuses them", strings.Join(senders, ", "), strings.Join(missing, " and "), receiver), p.newPipelines(c, receiver, missing)))
		}
	}
	return all
}

// pipeline is one of a signal, of a receiver where one is named; nil when there is
// none.
func (c *Collector) pipeline(signal, receiver string) any {
	all, _ := at(c.Config, "service", "pipelines").(map[string]any)
	for _, id := range sortedKeys(all) {
		if typeOf(id) == signal && (receiver == "" || slices.Contains(texts(at(all[id], "receivers")), receiver)) {
			return all[id]
		}
	}
	return nil
}

// every are exporters that take every signal.
var every = []string{"otlp", "otlp_grpc", "otlphttp", "otlp_http", "debug", "store", "file", "nop"}

// newPipelines adds pipelines for signals: to where others of the signal lead,
// else to where traces go, as far as that takes them.
func (p *Picture) newPipelines(c *Collector, receiver string, missing []string) string {
	change := map[string]any{}
	for _, signal := range missing {
		id, exporters := signal, texts(at(c.pipeline(signal, ""), "exporters"))
		if len(exporters) > 0 {
			id += "/" + strings.ReplaceAll(receiver, "/", "-")
		} else {
			exporters = slices.DeleteFunc(texts(at(c.pipeline("traces", ""), "exporters")), func(name string) bool { return !slices.Contains(every, typeOf(name)) })
		}
		if len(exporters) == 0 {
			return p.tools.kubectl("edit", "-n", c.CR.Namespace, "otelcol/"+c.CR.Name)
		}
		change[id] = map[string]any{"receivers": []string{receiver}, "exporters": exporters}
	}
	return p.tools.merge(c.CR.Namespace, "otelcol/"+c.CR.Name, map[string]any{"spec": map[string]any{"config": map[string]any{"service": map[string]any{"pipelines": change}}}})
}
