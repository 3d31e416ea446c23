package collector

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/otelcol"
	"go.opentelemetry.io/collector/pipeline"
	"go.opentelemetry.io/collector/service/pipelines"

	"github.com/signalbox-otel/signalbox/internal/migrate"
)

// check looks at what was decoded as a whole: the references between
// components, and what their pipelines ask of them.
func (d *decoder) check(cfg *otelcol.Config, f otelcol.Factories) {
	for _, section := range []string{"receivers", "exporters"} {
		if len(d.ids(section, cfg)) == 0 && !d.broken[section] && !pipelines.AllowNoPipelines.IsEnabled() {
			d.add("no-"+section, nil, "no "+section+" configured: at least one is needed")
		}
	}
	for id := range cfg.Connectors {
		for section, other := range map[string]map[component.ID]component.Config{"receiver": cfg.Receivers, "exporter": cfg.Exporters} {
			if _, both := other[id]; both {
				d.add("name-taken", []string{"connectors", id.String()}, fmt.Sprintf("has the name of the %s %q; call it %q", section, id, id.String()+"/connector"))
			}
		}
	}
	d.references([]string{"service", "extensions"}, cfg.Service.Extensions, cfg, "extensions")
	for id, p := range cfg.Service.Pipelines {
		at := []string{"service", "pipelines", id.String()}
		if p == nil {
			if !d.unknown(at...) {
				d.add("empty-pipeline", at, "is empty: it needs receivers and exporters")
			}
			continue
		}
		d.references(slices.Concat(at, []string{"receivers"}), p.Receivers, cfg, "receivers", "connectors")
		d.references(slices.Concat(at, []string{"processors"}), p.Processors, cfg, "processors")
		d.references(slices.Concat(at, []string{"exporters"}), p.Exporters, cfg, "exporters", "connectors")
	}
	d.checkSignals(cfg, f)
	d.checkConnectors(cfg, f)
	d.checkListeners(cfg)
	d.componentWarnings(cfg)
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
		at, why := d.placed(path, e.Error())
		why = noContext.ReplaceAllString(why, "$1: $2")
		d.add("invalid-value", at, strings.ReplaceAll(why, "\n", "; "))
	}
}

// noContext is what OTTL says of statements that it cannot read, with contexts
// in an order that changes.
var noContext = regexp.MustCompile(`^unable to infer a valid context \(.*?\) from statements (\[.*\]) and conditions \[.*?\]: (.*)$`)

// placed takes the keys below path from the front of a message, where Validate
// puts them: protocols::grpc: …
func (d *decoder) placed(path []string, message string) (at []string, why string) {
	if keys, rest, ok := strings.Cut(message, ": "); ok && !strings.ContainsAny(keys, " \"'") {
		if below := slices.Concat(path, strings.Split(keys, "::")); d.source.at(below) != nil {
			return below, rest
		}
	}
	return path, message
}

// warner is the configuration of a component that can be valid and still not do
// what it says. Warnings are written as the errors of Validate are.
type warner interface{ Warnings() []string }

// componentWarnings adds what components warn of.
func (d *decoder) componentWarnings(cfg *otelcol.Config) {
	for section, configs := range components(cfg) {
		for id, c := range configs {
			c, ok := c.(warner)
			if !ok {
				continue
			}
			for _, text := range c.Warnings() {
				at, why := d.placed([]string{section, id.String()}, text)
				d.warn("component-warning", at, why)
			}
		}
	}
}

// ids are the names configured in one section, broken ones too.
func (d *decoder) ids(section string, cfg *otelcol.Config) []string {
	var ids []string
	for id := range components(cfg)[section] {
		ids = append(ids, id.String())
	}
	for key := range d.broken {
		if id, ok := strings.CutPrefix(key, section+"::"); ok {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

// references checks that what a list names is configured in one of the sections.
func (d *decoder) references(path []string, refs []component.ID, cfg *otelcol.Config, among ...string) {
	configured := map[string]bool{}
	for _, section := range among {
		if d.broken[section] || d.unknown(section) {
			return
		}
		for _, id := range d.ids(section, cfg) {
			configured[id] = true
		}
	}
	for i, ref := range refs {
		if ref == (component.ID{}) || configured[ref.String()] {
			continue // the zero value stands for one that is not known here
		}
		if d.enough() {
			return // which says enough
		}
		d.add("undefined-component", slices.Concat(path, []string{fmt.Sprint(i)}),
			fmt.Sprintf("%s %q is not configured%s", strings.TrimSuffix(among[0], "s"), ref, d.instead(ref.String(), slices.Sorted(maps.Keys(configured)), cfg)))
	}
}

// maxListed is how many names a message lists at most.
const maxListed = 20

// instead says what can be named in place of what is not configured.
func (d *decoder) instead(name string, configured []string, cfg *otelcol.Config) string {
	if meant := didYouMean(name, configured); meant != "" {
		return meant
	}
	for _, section := range sections {
		if slices.Contains(d.ids(section, cfg), name) {
			article := "a"
			if strings.HasPrefix(section, "e") {
				article = "an"
			}
			return fmt.Sprintf("; it is %s %s", article, strings.TrimSuffix(section, "s"))
		}
	}
	switch n := len(configured); {
	case n == 0:
		return ""
	case n > maxListed:
		return fmt.Sprintf("; configured are %s and %d more", strings.Join(configured[:maxListed], ", "), n-maxListed)
	}
	return "; configured are " + strings.Join(configured, ", ")
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
		d.add("unsupported-signal", slices.Concat(path, []string{fmt.Sprint(i)}), fmt.Sprintf("%s %q does not know %s, only %s", kind, ref, signal, strings.Join(does, " and ")))
	}
}

// unusedRule is the rule of migration that finds what no pipeline uses.
const unusedRule = "unused-component"

// unused leaves out what is said to be unused where the environment decides what
// is used.
func (d *decoder) unused(found []migrate.Finding) []migrate.Finding {
	service := d.raw([]string{"service"})
	inPipelines := d.unknown("service") || marked(service["pipelines"])
	inExtensions := d.unknown("service") || marked(service["extensions"])
	return slices.DeleteFunc(found, func(f migrate.Finding) bool {
		if f.Rule != unusedRule || len(f.Path) == 0 {
			return false
		}
		if f.Path[0] == "extensions" {
			return inExtensions
		}
		return inPipelines
	})
}
