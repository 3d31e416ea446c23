package collector

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/otelcol"
	"go.opentelemetry.io/collector/service"
	"go.uber.org/zap"
)

// loaded is a configuration that was resolved, checked and found good. What
// runs is decoded from it, so nothing that changes on disk between the check
// and the start can slip in.
type loaded struct {
	conf     *confmap.Conf
	warnings *entries
}

// load resolves and checks the configuration. What is wrong with it is an
// *InvalidError.
func load(ctx context.Context, s Settings, factories otelcol.Factories) (*loaded, error) {
	conf, sources, warnings, err := resolve(ctx, s)
	if err != nil {
		return nil, err
	}
	d := &decoder{conf: conf, sources: sources}
	cfg := d.config(factories)
	d.check(cfg)
	if err := invalid(d.findings); err != nil {
		return nil, err
	}
	if err := service.Validate(ctx, serviceSettings(s, cfg, factories), service.Config{Pipelines: cfg.Service.Pipelines}); err != nil {
		for e := err; e != nil; e = errors.Unwrap(e) {
			err = e
			if !strings.HasPrefix(e.Error(), "failed to build pipelines: ") {
				break
			}
		}
		d.add([]string{"service", "pipelines"}, err.Error())
		return nil, invalid(d.findings)
	}
	return &loaded{conf: conf, warnings: warnings}, nil
}

// resolve reads the locations, merges them and expands what they refer to.
func resolve(ctx context.Context, s Settings) (*confmap.Conf, []source, *entries, error) {
	uris := slices.Clone(s.ConfigURIs)
	if len(uris) == 0 {
		return nil, nil, nil, errors.New("no configuration given: name one with --config")
	}
	for _, set := range s.Sets {
		uri, err := setURI(set)
		if err != nil {
			return nil, nil, nil, err
		}
		uris = append(uris, uri)
	}
	sources, findings := readSources(uris)
	if err := invalid(findings); err != nil {
		return nil, nil, nil, err
	}
	warnings := newEntries()
	resolver, err := confmap.NewResolver(resolverSettings(uris, zap.New(warnings)))
	if err != nil {
		return nil, nil, nil, err
	}
	conf, err := resolver.Resolve(ctx)
	if err = errors.Join(err, resolver.Shutdown(ctx)); err != nil {
		return nil, nil, nil, invalid([]Finding{{Message: strings.TrimPrefix(err.Error(), "cannot retrieve the configuration: ")}})
	}
	return conf, sources, warnings, nil
}

func resolverSettings(uris []string, log *zap.Logger) confmap.ResolverSettings {
	return confmap.ResolverSettings{
		URIs:              uris,
		ProviderFactories: providerFactories(),
		DefaultScheme:     defaultScheme,
		ProviderSettings:  confmap.ProviderSettings{Logger: log},
	}
}

// setURI turns one --set, a.b=c, into the location of a configuration.
func setURI(set string) (string, error) {
	path, value, ok := strings.Cut(set, "=")
	if !ok {
		return "", fmt.Errorf("--set %s: missing equal sign, want path.to.key=value", set)
	}
	return "yaml:" + strings.ReplaceAll(strings.TrimSpace(path), ".", "::") + ": " + strings.TrimSpace(value), nil
}

// decoder turns a resolved configuration into the components' own structs, and
// collects what is wrong with it.
type decoder struct {
	conf     *confmap.Conf
	sources  []source
	findings []Finding
	// broken are components that are there but could not be decoded:
	// references to them are no findings of their own.
	broken map[string]bool
}

// decode decodes once more what was checked already. Components keep maps by
// the address of their configuration, so every use needs its own.
func decode(conf *confmap.Conf, factories otelcol.Factories) (*otelcol.Config, error) {
	d := &decoder{conf: conf}
	cfg := d.config(factories)
	return cfg, invalid(d.findings)
}

func (d *decoder) add(path []string, message string) {
	d.findings = append(d.findings, locate(d.sources, Finding{Path: path, Message: message}))
}

// sections are the top-level keys of a configuration.
var sections = []string{"receivers", "processors", "exporters", "connectors", "extensions", "service"}

func (d *decoder) config(factories otelcol.Factories) *otelcol.Config {
	for key := range d.conf.ToStringMap() {
		if !slices.Contains(sections, key) {
			d.add([]string{key}, "unknown section"+didYouMean(key, sections))
		}
	}
	d.broken = map[string]bool{}
	cfg := &otelcol.Config{
		Receivers:  decodeSection(d, "receivers", factories.Receivers),
		Processors: decodeSection(d, "processors", factories.Processors),
		Exporters:  decodeSection(d, "exporters", factories.Exporters),
		Connectors: decodeSection(d, "connectors", factories.Connectors),
		Extensions: decodeSection(d, "extensions", factories.Extensions),
		Service:    service.Config{Telemetry: factories.Telemetry.CreateDefaultConfig()},
	}
	sub, err := d.conf.Sub("service")
	if err != nil {
		d.add([]string{"service"}, "must be a mapping")
		return cfg
	}
	if err := sub.Unmarshal(&cfg.Service); err != nil {
		d.addDecoding([]string{"service"}, err)
	}
	return cfg
}

// decodeSection decodes the components of one section, each alone, so that
// every mistake is found.
func decodeSection[F component.Factory](d *decoder, section string, factories map[component.Type]F) map[component.ID]component.Config {
	configs := map[component.ID]component.Config{}
	sub, err := d.conf.Sub(section)
	if err != nil {
		d.add([]string{section}, "must be a mapping of components")
		return configs
	}
	for key := range sub.ToStringMap() {
		path := []string{section, strings.TrimSpace(key)}
		var id component.ID
		if err := id.UnmarshalText([]byte(key)); err != nil {
			d.add(path, err.Error())
			continue
		}
		d.broken[section+"::"+id.String()] = true
		factory, ok := factories[id.Type()]
		if !ok {
			d.add(path, unknownType(section, id.Type().String(), factories))
			continue
		}
		if _, twice := configs[id]; twice {
			d.add(path, "is there twice: spaces do not count")
			continue
		}
		body, err := sub.Sub(key)
		if err != nil {
			d.add(path, "must be a mapping")
			continue
		}
		cfg := factory.CreateDefaultConfig()
		if err := body.Unmarshal(&cfg); err != nil {
			d.addDecoding(path, err)
			continue
		}
		configs[id] = cfg
		delete(d.broken, section+"::"+id.String())
	}
	return configs
}

// unknownType says that there is no such component, and which one was meant.
func unknownType[F component.Factory](section, name string, factories map[component.Type]F) string {
	kind := strings.TrimSuffix(section, "s")
	var names, canonical []string
	for t, f := range factories {
		names = append(names, t.String())
		if t == f.Type() {
			canonical = append(canonical, t.String())
		}
	}
	message := fmt.Sprintf("unknown %s type %q", kind, name)
	if meant := didYouMean(name, names); meant != "" {
		return message + meant
	}
	slices.Sort(canonical)
	return message + "; known are " + strings.Join(canonical, ", ")
}

// The forms in which the decoder names a place: a path of keys, and keys that
// nobody asked for.
var (
	decodedAt   = regexp.MustCompile(`^'([^']*)' (.*)$`)
	invalidKeys = regexp.MustCompile(`^(.*)has invalid keys: (.*)$`)
)

// addDecoding adds what the decoder found wrong below path, one finding for
// each key.
func (d *decoder) addDecoding(path []string, err error) {
	for _, message := range messages(err) {
		at := path
		if m := decodedAt.FindStringSubmatch(message); m != nil {
			// The quoted place is the name of a Go type, or of keys.
			if below := slices.Concat(path, strings.Split(m[1], ".")); has(d.sources, below) {
				at, message = below, m[2]
			}
		}
		m := invalidKeys.FindStringSubmatch(message)
		if m == nil {
			d.add(at, message)
			continue
		}
		for key := range strings.SplitSeq(m[2], ", ") {
			d.add(below(d.sources, at, key), "unknown key")
		}
	}
}

// check validates what was decoded: every component by its own rules, and the
// references between them.
func (d *decoder) check(cfg *otelcol.Config) {
	for section, configs := range map[string]map[component.ID]component.Config{
		"receivers": cfg.Receivers, "processors": cfg.Processors, "exporters": cfg.Exporters,
		"connectors": cfg.Connectors, "extensions": cfg.Extensions,
	} {
		for id, c := range configs {
			d.validate([]string{section, id.String()}, c)
		}
	}
	d.validate([]string{"service"}, cfg.Service)
	for _, section := range []string{"receivers", "exporters"} {
		if len(d.ids(section, cfg)) == 0 {
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

// validate calls the Validate methods of a component's configuration.
func (d *decoder) validate(path []string, cfg any) {
	err := confmap.Validate(cfg)
	if err == nil {
		return
	}
	for _, e := range flatten(err) {
		at, message := path, e.Error()
		// Validate puts the keys before the message: protocols::grpc: …
		if keys, rest, ok := strings.Cut(message, ": "); ok && !strings.ContainsAny(keys, " \"'") {
			if below := slices.Concat(path, strings.Split(keys, "::")); has(d.sources, below) {
				at, message = below, rest
			}
		}
		d.add(at, strings.ReplaceAll(message, "\n", "; "))
	}
}

// ids are the names configured in one section, broken ones too.
func (d *decoder) ids(section string, cfg *otelcol.Config) []string {
	configs := map[string]map[component.ID]component.Config{
		"receivers": cfg.Receivers, "processors": cfg.Processors, "exporters": cfg.Exporters,
		"connectors": cfg.Connectors, "extensions": cfg.Extensions,
	}[section]
	var ids []string
	for id := range configs {
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
