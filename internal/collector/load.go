package collector

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/otelcol"
	"go.opentelemetry.io/collector/service"
	"go.uber.org/zap"

	"github.com/signalbox-otel/signalbox/internal/migrate"
)

// loaded is a configuration that was resolved, checked and found good. What
// runs is decoded from it, so nothing that changes on disk between the check
// and the start can slip in.
type loaded struct {
	conf     *confmap.Conf
	found    []migrate.Finding // of migration
	warnings *entries
}

// load resolves and checks the configuration. What is wrong with it is an
// *InvalidError.
func load(ctx context.Context, s Settings, factories otelcol.Factories) (*loaded, error) {
	resolved, src, err := resolve(ctx, s)
	if err != nil {
		return nil, err
	}
	d := &decoder{conf: resolved.conf, source: src, refused: refusals(resolved.found)}
	d.findings = slices.Clone(d.refused)
	cfg := d.config(factories)
	d.check(cfg)
	d.checkSignals(cfg, factories)
	if err := invalid(d.findings); err != nil {
		return nil, err
	}
	// What is left: connectors that join no two pipelines, cycles.
	if err := build(ctx, s, cfg, factories); err != nil {
		d.add([]string{"service", "pipelines"}, strings.TrimPrefix(err.Error(), "failed to build pipelines: "))
		return nil, invalid(d.findings)
	}
	resolved.found = append(resolved.found, d.warnings(cfg)...)
	return resolved, nil
}

// Resolve returns the configuration that Run would run, merged and expanded but
// without defaults. What is wrong with it is an *InvalidError.
func Resolve(ctx context.Context, s Settings) (*confmap.Conf, error) {
	factories, err := s.factories()
	if err != nil {
		return nil, err
	}
	config, err := load(ctx, s, factories)
	if err != nil {
		return nil, err
	}
	return config.conf, nil
}

// resolve reads the locations, merges them, migrates what they say to what runs
// here and expands what they refer to.
func resolve(ctx context.Context, s Settings) (*loaded, *source, error) {
	uris := slices.Clone(s.ConfigURIs)
	if len(uris) == 0 {
		return nil, nil, errors.New("no configuration given: name one with --config")
	}
	for _, set := range s.Sets {
		uri, err := setURI(set)
		if err != nil {
			return nil, nil, err
		}
		uris = append(uris, uri)
	}
	src, findings, err := readSources(ctx, uris)
	if err = errors.Join(invalid(findings), err); err != nil {
		return nil, nil, err
	}
	found := s.migrated(src)
	warnings := newEntries()
	set := resolverSettings([]string{nodeScheme + ":"}, zap.New(warnings))
	set.ProviderFactories = append(set.ProviderFactories, confmap.NewProviderFactory(func(confmap.ProviderSettings) confmap.Provider { return nodeProvider{src} }))
	resolver, err := confmap.NewResolver(set)
	if err != nil {
		return nil, nil, err
	}
	conf, err := resolver.Resolve(ctx)
	if err = errors.Join(err, resolver.Shutdown(ctx)); err != nil {
		return nil, nil, invalid([]Finding{{Message: strings.TrimPrefix(err.Error(), "cannot retrieve the configuration: ")}})
	}
	warnings.forget("Configuration references unset environment variable") // a finding says where
	return &loaded{conf, found, warnings}, src, nil
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
	source   *source
	findings []Finding
	// refused is what migration found that cannot be kept.
	refused []Finding
	// broken are components and sections that are there but could not be
	// decoded: what follows from that is no finding of its own.
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
	f := d.source.locate(Finding{Path: path, Message: message})
	if slices.ContainsFunc(d.refused, func(r Finding) bool { return slices.Equal(r.Path, path) }) {
		return // migration said why
	}
	d.findings = append(d.findings, f)
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
		d.broken["service"] = true
		d.add([]string{"service"}, "must be a mapping")
		return cfg
	}
	if err := sub.Unmarshal(&cfg.Service); err != nil {
		d.broken["service"] = true
		d.addDecoding([]string{"service"}, err, knownKeys(cfg.Service, cfg.Service.Telemetry))
	}
	return cfg
}

// decodeSection decodes the components of one section, each alone, so that
// every mistake is found.
func decodeSection[F component.Factory](d *decoder, section string, factories map[component.Type]F) map[component.ID]component.Config {
	configs := map[component.ID]component.Config{}
	sub, err := d.conf.Sub(section)
	if err != nil {
		d.broken[section] = true
		d.add([]string{section}, "must be a mapping of components")
		return configs
	}
	for key := range sub.ToStringMap() {
		path := []string{section, strings.TrimSpace(key)}
		var id component.ID
		if err := id.UnmarshalText([]byte(key)); err != nil {
			d.add(path, err.Error()+didYouMean(path[1], typeNames(factories)))
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
			d.addDecoding(path, err, knownKeys(cfg))
			continue
		}
		configs[id] = cfg
		delete(d.broken, section+"::"+id.String())
	}
	return configs
}

// unknownType says that there is no such component, and which one was meant.
func unknownType[F component.Factory](section, name string, factories map[component.Type]F) string {
	message := fmt.Sprintf("unknown %s type %q", strings.TrimSuffix(section, "s"), name)
	if meant := didYouMean(name, typeNames(factories)); meant != "" {
		return message + meant
	}
	var canonical []string
	for t, f := range factories {
		if t == f.Type() {
			canonical = append(canonical, t.String())
		}
	}
	slices.Sort(canonical)
	return message + "; known are " + strings.Join(canonical, ", ")
}

// typeNames are the names of components, the old ones too.
func typeNames[F component.Factory](factories map[component.Type]F) []string {
	var names []string
	for t := range factories {
		names = append(names, t.String())
	}
	return names
}

// knownKeys are the keys that configurations decoded into these structs can
// have, at any depth, each with the shortest path to it.
func knownKeys(configs ...any) map[string]string {
	type place struct {
		t    reflect.Type
		path string
	}
	var queue []place
	for _, c := range configs {
		queue = append(queue, place{reflect.TypeOf(c), ""})
	}
	keys, seen := map[string]string{}, map[reflect.Type]bool{}
	for len(queue) > 0 {
		t, path := queue[0].t, queue[0].path
		queue = queue[1:]
		for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice || t.Kind() == reflect.Map {
			t = t.Elem()
		}
		if t.Kind() != reflect.Struct || seen[t] {
			continue
		}
		seen[t] = true
		for field := range t.Fields() {
			if !field.IsExported() && field.Name != "value" {
				continue // optional parts hold their value in a field of that name
			}
			below := path
			if name, _, _ := strings.Cut(field.Tag.Get(confmap.MapstructureTag), ","); name != "" && name != "-" {
				if below != "" {
					below += confmap.KeyDelimiter
				}
				below += name
				if _, shorter := keys[name]; !shorter {
					keys[name] = below
				}
			}
			queue = append(queue, place{field.Type, below})
		}
	}
	return keys
}

// unknownKey says that there is no such key, and which one was meant.
func unknownKey(key string, known map[string]string) string {
	if path, elsewhere := known[key]; elsewhere {
		return fmt.Sprintf("unknown key; did you mean %q?", path)
	}
	return "unknown key" + didYouMean(key, slices.Collect(maps.Keys(known)))
}

// The forms in which the decoder names a place: a path of keys, and keys that
// nobody asked for.
var (
	decodedAt   = regexp.MustCompile(`^'([^']*)' (.*)$`)
	invalidKeys = regexp.MustCompile(`^(.*)has invalid keys: (.*)$`)
)

// addDecoding adds what the decoder found wrong below path, one finding for
// each key. Known are the keys that could have been meant.
func (d *decoder) addDecoding(path []string, err error, known map[string]string) {
	for _, message := range messages(err) {
		at := path
		if m := decodedAt.FindStringSubmatch(message); m != nil {
			// The quoted place is the name of a Go type, or of keys.
			keys := strings.Split(strings.NewReplacer("[", ".", "]", "").Replace(m[1]), ".")
			if below := slices.Concat(path, keys); d.source.at(below) != nil {
				at, message = below, m[2]
			}
		}
		m := invalidKeys.FindStringSubmatch(message)
		if m == nil {
			d.add(at, message)
			continue
		}
		for key := range strings.SplitSeq(m[2], ", ") {
			d.add(d.source.below(at, key), unknownKey(key, known))
		}
	}
}
