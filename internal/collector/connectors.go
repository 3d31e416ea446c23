package collector

import (
	"fmt"
	"slices"
	"strings"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/connector"
	"go.opentelemetry.io/collector/otelcol"
	"go.opentelemetry.io/collector/pipeline"
)

// ends are the pipelines that a connector joins.
type ends struct {
	into []pipeline.ID // that have it as exporter
	from []pipeline.ID // that have it as receiver
}

// checkConnectors checks that connectors join pipelines, of signals that they
// can make of each other, and that no pipeline feeds itself.
func (d *decoder) checkConnectors(cfg *otelcol.Config, f otelcol.Factories) {
	if d.broken["service"] || d.unknown("service") || marked(d.raw([]string{"service"})["pipelines"]) {
		return // which pipelines there are is not known
	}
	joined := map[component.ID]*ends{}
	for id := range cfg.Connectors {
		joined[id] = new(ends)
	}
	for id, p := range cfg.Service.Pipelines {
		if p == nil {
			continue
		}
		for _, ref := range p.Exporters {
			if e := joined[ref]; e != nil && !slices.Contains(e.into, id) {
				e.into = append(e.into, id)
			}
		}
		for _, ref := range p.Receivers {
			if e := joined[ref]; e != nil && !slices.Contains(e.from, id) {
				e.from = append(e.from, id)
			}
		}
	}
	flows := map[pipeline.ID][]hop{}
	known := map[[2]pipeline.ID]bool{} // one way from each to each is enough
	for id, e := range joined {
		factory := f.Connectors[id.Type()]
		sortFlows(e.into)
		sortFlows(e.from)
		for _, into := range e.into {
			d.checkEnd(cfg, id, into, "exporters", e.from, func(from pipeline.ID) bool { return converts(factory, into.Signal(), from.Signal()) })
			for _, from := range e.from {
				if !known[[2]pipeline.ID{into, from}] && converts(factory, into.Signal(), from.Signal()) {
					known[[2]pipeline.ID{into, from}] = true
					flows[into] = append(flows[into], hop{id, from})
				}
			}
		}
		for _, from := range e.from {
			d.checkEnd(cfg, id, from, "receivers", e.into, func(into pipeline.ID) bool { return converts(factory, into.Signal(), from.Signal()) })
		}
	}
	d.checkCycles(flows)
}

func sortFlows(ids []pipeline.ID) {
	slices.SortFunc(ids, func(a, b pipeline.ID) int { return strings.Compare(a.String(), b.String()) })
}

// checkEnd checks one use of a connector, in a list of a pipeline: one of the
// pipelines at its other end must be one that it can serve.
func (d *decoder) checkEnd(cfg *otelcol.Config, id component.ID, at pipeline.ID, list string, others []pipeline.ID, serves func(pipeline.ID) bool) {
	if slices.ContainsFunc(others, serves) {
		return
	}
	p := cfg.Service.Pipelines[at]
	refs, missing, verb := p.Exporters, "receiver", "leads nowhere"
	if list == "receivers" {
		refs, missing, verb = p.Receivers, "exporter", "gets nothing"
	}
	path := []string{"service", "pipelines", at.String(), list, fmt.Sprint(slices.Index(refs, id))}
	if len(others) == 0 {
		d.add("connector", path, fmt.Sprintf("connector %q %s: no pipeline has it as %s", id, verb, missing))
		return
	}
	var names []string
	for _, o := range others {
		names = append(names, o.String())
	}
	what := fmt.Sprintf("it cannot make of %s what the pipelines that have it as receiver want: %s", at.Signal(), strings.Join(names, ", "))
	if list == "receivers" {
		what = fmt.Sprintf("it cannot make %s of what the pipelines that have it as exporter give: %s", at.Signal(), strings.Join(names, ", "))
	}
	d.add("connector", path, fmt.Sprintf("connector %q %s: %s", id, verb, what))
}

// converts reports whether a connector makes one signal of another.
func converts(f connector.Factory, of, to pipeline.Signal) bool {
	level := component.StabilityLevelUndefined
	switch [2]pipeline.Signal{of, to} {
	case [2]pipeline.Signal{pipeline.SignalTraces, pipeline.SignalTraces}:
		level = f.TracesToTracesStability()
	case [2]pipeline.Signal{pipeline.SignalTraces, pipeline.SignalMetrics}:
		level = f.TracesToMetricsStability()
	case [2]pipeline.Signal{pipeline.SignalTraces, pipeline.SignalLogs}:
		level = f.TracesToLogsStability()
	case [2]pipeline.Signal{pipeline.SignalMetrics, pipeline.SignalTraces}:
		level = f.MetricsToTracesStability()
	case [2]pipeline.Signal{pipeline.SignalMetrics, pipeline.SignalMetrics}:
		level = f.MetricsToMetricsStability()
	case [2]pipeline.Signal{pipeline.SignalMetrics, pipeline.SignalLogs}:
		level = f.MetricsToLogsStability()
	case [2]pipeline.Signal{pipeline.SignalLogs, pipeline.SignalTraces}:
		level = f.LogsToTracesStability()
	case [2]pipeline.Signal{pipeline.SignalLogs, pipeline.SignalMetrics}:
		level = f.LogsToMetricsStability()
	case [2]pipeline.Signal{pipeline.SignalLogs, pipeline.SignalLogs}:
		level = f.LogsToLogsStability()
	}
	return level != component.StabilityLevelUndefined
}

// hop leads through a connector into a pipeline.
type hop struct {
	connector component.ID
	to        pipeline.ID
}

// checkCycles looks for pipelines that feed themselves, and reports one cycle
// for each group of them.
func (d *decoder) checkCycles(flows map[pipeline.ID][]hop) {
	const open, done = 1, 2
	state := map[pipeline.ID]int{}
	var way []hop // the connectors and pipelines that led here
	var visit func(id pipeline.ID)
	visit = func(id pipeline.ID) {
		state[id] = open
		for _, h := range flows[id] {
			way = append(way, h)
			switch state[h.to] {
			case 0:
				visit(h.to)
			case open:
				if d.enough() {
					break
				}
				start := slices.IndexFunc(way[:len(way)-1], func(w hop) bool { return w.to == h.to }) + 1
				d.cycle(way[start:])
			}
			way = way[:len(way)-1]
		}
		state[id] = done
	}
	var all []pipeline.ID
	for id, hops := range flows {
		all = append(all, id)
		slices.SortFunc(hops, func(a, b hop) int {
			return strings.Compare(a.connector.String()+" "+a.to.String(), b.connector.String()+" "+b.to.String())
		})
	}
	sortFlows(all)
	for _, id := range all {
		if state[id] == 0 {
			visit(id)
		}
	}
}

// cycle reports a way that ends where it begins.
func (d *decoder) cycle(way []hop) {
	from := way[len(way)-1].to
	text := from.String()
	for _, h := range way {
		text += fmt.Sprintf(" → (%s) %s", h.connector, h.to)
	}
	d.add("cycle", []string{"service", "pipelines", from.String()}, "feeds itself: "+text)
}
