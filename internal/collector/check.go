package collector

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/otelcol"
	"go.opentelemetry.io/collector/pipeline"
	"go.opentelemetry.io/collector/service/pipelines"

	"github.com/signalbox-otel/signalbox/internal/migrate"
)

// check validates what was decoded: every component by its own rules, and the
// references between them.
func (d *decoder) check(cfg *otelcol.Config) {
	for section, configs := range components(cfg) {
		for id, c := range configs {
			d.validate([]string{section, id.String()}, c)
		}
	}
	if !d.broken["service"] || len(cfg.Service.Pipelines) > 0 {
		d.validate([]string{"service"}, cfg.Service)
	}
	for _, section := range []string{"receivers", "exporters"} {
		if len(d.ids(section, cfg)) == 0 && !d.broken[section] && !pipelines.AllowNoPipelines.IsEnabled() {
			d.add(nil, "no "+section+" configured: at least one is needed")
		}
	}
	for id := range cfg.Connectors {
		for section, other := range map[string]map[component.ID]component.Config{"receiver": cfg.Receivers, "exporter": cfg.Exporters} {
			if _, both := other[id]; both {
				d.add([]string{"connectors", id.String()}, fmt.Sprintf("has the name of the %s %q; call it %q", section, id, id.String()+"/connector"))
			}
		}
	}
	d.references([]string{"service", "extensions"}, cfg.Service.Extensions, "extension", d.ids("extensions", cfg))
	for id, p := range cfg.Service.Pipelines {
		if p == nil {
			d.add([]string{"service", "pipelines", id.String()}, "is empty: it needs receivers and exporters")
			continue
		}
		at := []string{"service", "pipelines", id.String()}
		connectors := d.ids("connectors", cfg)
		d.references(slices.Concat(at, []string{"receivers"}), p.Receivers, "receiver", append(d.ids("receivers", cfg), connectors...))
		d.references(slices.Concat(at, []string{"processors"}), p.Processors, "processor", d.ids("processors", cfg))
		d.references(slices.Concat(at, []string{"exporters"}), p.Exporters, "exporter", append(d.ids("exporters", cfg), connectors...))
	}
}

// components are the sections of cfg by name, but for service.
func components(cfg *otelcol.Config) map[string]map[component.ID]component.Config {
	return map[string]map[component.ID]component.Config{
		"receivers":  cfg.Receivers,
		"processors": cfg.Processors,
		"exporters":  cfg.Exporters,
		"connectors": cfg.Connectors,
		"extensions": cfg.Extensions,
	}
}

// validate calls the Validate methods of a component's configuration.
func (d *decoder) validate(path []string, cfg any) {
	err := confmap.Validate(cfg)
	if err == nil {
		return
	}
	for _, e := range flatten(err) {
		f := d.placed(path, e.Error())
		d.add(f.Path, strings.ReplaceAll(f.Message, "\n", "; "))
	}
}

// placed takes the keys below path from the front of a message, where Validate
// puts them: protocols::grpc: …
func (d *decoder) placed(path []string, message string) Finding {
	if keys, rest, ok := strings.Cut(message, ": "); ok && !strings.ContainsAny(keys, " \"'") {
		if below := slices.Concat(path, strings.Split(keys, "::")); d.source.at(below) != nil {
			return Finding{Path: below, Message: rest}
		}
	}
	return Finding{Path: path, Message: message}
}

// warner is the configuration of a component that can be valid and still not do
// what it says. Warnings are written as the errors of Validate are.
type warner interface{ Warnings() []string }

// warnings are what components warn of, as findings.
func (d *decoder) warnings(cfg *otelcol.Config) []migrate.Finding {
	var found []migrate.Finding
	for section, configs := range components(cfg) {
		for id, c := range configs {
			c, ok := c.(warner)
			if !ok {
				continue
			}
			for _, text := range c.Warnings() {
				f := d.source.locate(d.placed([]string{section, id.String()}, text))
				found = append(found, migrate.Finding{Rule: "component-warning", File: f.File, Line: f.Line, Path: f.Path, Why: f.Message, Severity: migrate.Warning})
			}
		}
	}
	slices.SortFunc(found, func(a, b migrate.Finding) int { return strings.Compare(a.String(), b.String()) })
	return found
}

// ids are the names configured in one section, broken ones too.
func (d *decoder) ids(section string, cfg *otelcol.Config) []string {
	var ids []string
	for id := range components(cfg)[section] {
		ids = append(ids, id.String())
	}
	for key := range maps.Keys(d.broken) {
		if id, ok := strings.CutPrefix(key, section+"::"); ok {
			ids = append(ids, id)
		}
	}
	return ids
}

// references checks that what a list names is configured.
func (d *decoder) references(path []string, refs []component.ID, kind string, known []string) {
	for i, ref := range refs {
		if !slices.Contains(known, ref.String()) {
			d.add(slices.Concat(path, []string{fmt.Sprint(i)}), fmt.Sprintf("%s %q is not configured%s", kind, ref, didYouMean(ref.String(), known)))
		}
	}
}

// signals are what factories of receivers, processors and exporters say about
// the signals they know.
type signals interface {
	component.Factory
	TracesStability() component.StabilityLevel
	MetricsStability() component.StabilityLevel
	LogsStability() component.StabilityLevel
}

// checkSignals checks that the components of a pipeline know its signal.
// Connectors, which know pairs of signals, are left to building the pipelines.
func (d *decoder) checkSignals(cfg *otelcol.Config, f otelcol.Factories) {
	for id, p := range cfg.Service.Pipelines {
		if p == nil {
			continue
		}
		at := []string{"service", "pipelines", id.String()}
		checkSignal(d, slices.Concat(at, []string{"receivers"}), "receiver", p.Receivers, cfg.Receivers, f.Receivers, id.Signal())
		checkSignal(d, slices.Concat(at, []string{"processors"}), "processor", p.Processors, cfg.Processors, f.Processors, id.Signal())
		checkSignal(d, slices.Concat(at, []string{"exporters"}), "exporter", p.Exporters, cfg.Exporters, f.Exporters, id.Signal())
	}
}

func checkSignal[F signals](d *decoder, path []string, kind string, refs []component.ID, configured map[component.ID]component.Config, factories map[component.Type]F, signal pipeline.Signal) {
	for i, ref := range refs {
		factory, known := factories[ref.Type()]
		if _, ok := configured[ref]; !ok || !known {
			continue
		}
		levels := map[pipeline.Signal]component.StabilityLevel{
			pipeline.SignalTraces:  factory.TracesStability(),
			pipeline.SignalMetrics: factory.MetricsStability(),
			pipeline.SignalLogs:    factory.LogsStability(),
		}
		level, ours := levels[signal]
		if !ours || level != component.StabilityLevelUndefined {
			continue
		}
		var does []string
		for s, l := range levels {
			if l != component.StabilityLevelUndefined {
				does = append(does, s.String())
			}
		}
		slices.Sort(does)
		d.add(slices.Concat(path, []string{fmt.Sprint(i)}), fmt.Sprintf("%s %q does not know %s, only %s", kind, ref, signal, strings.Join(does, " and ")))
	}
}
