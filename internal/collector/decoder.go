package collector

import (
	"cmp"
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
	"go.opentelemetry.io/collector/pipeline"
	"go.opentelemetry.io/collector/service"

	"github.com/signalbox-otel/signalbox/internal/migrate"
)

// decoder turns a resolved configuration into the components' own structs, and
// collects what is wrong with it.
type decoder struct {
	body
	source   *source
	findings []migrate.Finding
	// refused is what migration found that cannot be kept.
	refused []migrate.Finding
	// rules asks for what components say of their configurations, beyond that
	// they can be decoded.
	rules bool
	// broken are components and sections that are there but could not be
	// decoded: what follows from that is no finding of its own.
	broken map[string]bool
}

// body is a mapping in a configuration: one of the two that it holds.
type body struct {
	// conf is all of it, as it was resolved here.
	conf *confmap.Conf
	// tree has marks where the environment of the collector, which is another
	// than that of this process, decides. A check works on it alone, as each part
	// of a confmap.Conf is a copy.
	tree map[string]any
}

// keys are the keys of a mapping.
func (b body) keys() []string {
	if b.conf != nil {
		return slices.Collect(maps.Keys(b.conf.ToStringMap()))
	}
	return slices.Collect(maps.Keys(b.tree))
}

// sub is the mapping below a key, empty where there is nothing or what stands
// there is not known.
func (b body) sub(key string) (body, error) {
	if b.conf != nil {
		sub, err := b.conf.Sub(key)
		return body{conf: sub}, err
	}
	switch v := b.tree[key].(type) {
	case map[string]any:
		return body{tree: v}, nil
	case nil, mark:
		return body{tree: map[string]any{}}, nil
	}
	return body{}, errNoMapping
}

var errNoMapping = errors.New("no mapping")

// drop takes out a key of the mapping below another.
func (b body) drop(key, below string) {
	if b.conf != nil {
		b.conf.Delete(key + confmap.KeyDelimiter + below)
	} else if m, ok := b.tree[key].(map[string]any); ok {
		delete(m, below)
	}
}

// decode decodes once more what was checked already. Components keep maps by
// the address of their configuration, so every use needs its own.
func decode(conf *confmap.Conf, factories otelcol.Factories) (*otelcol.Config, error) {
	d := &decoder{body: body{conf: conf}}
	cfg := d.config(context.Background(), factories)
	return cfg, invalid(d.findings)
}

// add adds a mistake, unless migration said why already.
func (d *decoder) add(rule string, path []string, why string) {
	if !slices.ContainsFunc(d.refused, func(r migrate.Finding) bool { return slices.Equal(r.Path, path) }) {
		d.findings = append(d.findings, d.source.locate(mistake(rule, path, why)))
	}
}

// warn adds what is accepted, and likely not meant.
func (d *decoder) warn(rule string, path []string, why string) {
	f := mistake(rule, path, why)
	f.Severity = migrate.Warning
	d.findings = append(d.findings, d.source.locate(f))
}

// enough reports whether there are more findings than anybody reads, so that
// looking for more of the same kind can end.
func (d *decoder) enough() bool { return len(d.findings) > 2*maxFindings }

// mistakes are the findings that refuse the configuration.
func (d *decoder) mistakes() []migrate.Finding {
	return slices.DeleteFunc(slices.Clone(d.findings), func(f migrate.Finding) bool { return f.Severity != migrate.Error })
}

// sections are the top-level keys of a configuration.
var sections = []string{"receivers", "processors", "exporters", "connectors", "extensions", "service"}

func (d *decoder) config(ctx context.Context, factories otelcol.Factories) *otelcol.Config {
	for _, key := range d.keys() {
		if !slices.Contains(sections, key) {
			d.add("unknown-section", []string{key}, "unknown section"+didYouMean(key, sections))
		}
	}
	d.broken = map[string]bool{}
	return &otelcol.Config{
		Receivers:  decodeSection(ctx, d, "receivers", factories.Receivers),
		Processors: decodeSection(ctx, d, "processors", factories.Processors),
		Exporters:  decodeSection(ctx, d, "exporters", factories.Exporters),
		Connectors: decodeSection(ctx, d, "connectors", factories.Connectors),
		Extensions: decodeSection(ctx, d, "extensions", factories.Extensions),
		Service:    d.service(factories),
	}
}

// service decodes the section of that name.
func (d *decoder) service(factories otelcol.Factories) service.Config {
	fresh := func() any { return &service.Config{Telemetry: factories.Telemetry.CreateDefaultConfig()} }
	path := []string{"service"}
	sub, err := d.sub("service")
	if err != nil || d.unknown("service") {
		d.broken["service"] = true
		if !d.unknown("service") {
			d.add("wrong-type", path, "must be a mapping")
		}
		return *fresh().(*service.Config)
	}
	d.dropUnknownSignals(sub)
	cfg, ok := d.component(path, component.Type{}, sub, fresh)
	if !ok {
		d.broken["service"] = true
	}
	return *cfg.(*service.Config)
}

// dropUnknownSignals takes pipelines of signals that do not exist out of the section
// service, so that the others can be decoded.
func (d *decoder) dropUnknownSignals(service body) {
	flows, err := service.sub("pipelines")
	if err != nil {
		return // which decoding finds too
	}
	for _, key := range flows.keys() {
		var id pipeline.ID
		if err := id.UnmarshalText([]byte(key)); err != nil {
			name, _, _ := strings.Cut(key, "/")
			d.add("unknown-signal", []string{"service", "pipelines", strings.TrimSpace(key)}, err.Error()+didYouMean(name, signalNames))
			service.drop("pipelines", key)
			d.broken["service"] = true
		}
	}
}

// signalNames are the signals that pipelines can have.
var signalNames = []string{pipeline.SignalLogs.String(), pipeline.SignalMetrics.String(), pipeline.SignalTraces.String()}

// decodeSection decodes the components of one section, each alone, so that
// every mistake is found.
func decodeSection[F component.Factory](ctx context.Context, d *decoder, section string, factories map[component.Type]F) map[component.ID]component.Config {
	configs := map[component.ID]component.Config{}
	sub, err := d.sub(section)
	if err != nil || d.unknown(section) {
		d.broken[section] = true
		if !d.unknown(section) {
			d.add("wrong-type", []string{section}, "must be a mapping of components")
		}
		return configs
	}
	for _, key := range sub.keys() {
		if ctx.Err() != nil {
			return configs // which the caller says
		}
		path := []string{section, strings.TrimSpace(key)}
		var id component.ID
		if err := id.UnmarshalText([]byte(key)); err != nil {
			d.broken[section+"::"+path[1]] = true
			d.add("invalid-id", path, err.Error()+didYouMean(path[1], typeNames(factories)))
			continue
		}
		d.broken[section+"::"+id.String()] = true
		factory, ok := factories[id.Type()]
		if !ok {
			d.add("unknown-component", path, unknownType(section, id.Type().String(), factories))
			continue
		}
		if _, twice := configs[id]; twice {
			d.add("twice", path, "is there twice: spaces do not count")
			continue
		}
		body, err := sub.sub(key)
		if err != nil {
			d.add("wrong-type", path, "must be a mapping")
			continue
		}
		if cfg, ok := d.component(path, factory.Type(), body, func() any { return factory.CreateDefaultConfig() }); ok {
			configs[id] = cfg
			delete(d.broken, section+"::"+id.String())
		}
	}
	return configs
}

// component decodes the configuration of one component, and asks the component
// about it. It is false when it could not be decoded.
func (d *decoder) component(path []string, typ component.Type, b body, fresh func() any) (any, bool) {
	if b.conf != nil {
		return d.attempt(path, b.conf, fresh)
	}
	if d.unknown(path...) {
		return fresh(), true
	}
	if b.tree == nil {
		b.tree = map[string]any{}
	}
	if why := tooCostly(path[0], typ, b.tree); why != "" {
		d.warn("too-large", path, "is not checked: "+why)
		return fresh(), true
	}
	blind(path[0], typ, b.tree)
	if marked(b.tree) {
		return d.guessed(path, b.tree, fresh)
	}
	return d.attempt(path, confmap.NewFromStringMap(b.tree), fresh)
}

// attempt decodes with all values as they are in body.
func (d *decoder) attempt(path []string, body *confmap.Conf, fresh func() any) (cfg any, ok bool) {
	cfg = fresh()
	defer func() {
		if cause := recover(); cause != nil {
			// Components are other people's, and the process has more to do than
			// this configuration.
			d.add("unreadable", path, fmt.Sprintf("cannot be read: the component's own code panics: %v", cause))
			cfg, ok = fresh(), false
		}
	}()
	into := any(cfg)
	if err := body.Unmarshal(&into); err != nil {
		known := []any{cfg}
		if s, ok := cfg.(*service.Config); ok {
			known = append(known, s.Telemetry)
		}
		d.addDecoding(path, err, knownKeys(known...))
		ok = false
	} else {
		ok = true
	}
	if s, service := cfg.(*service.Config); d.rules && (ok || service && len(s.Pipelines) > 0) {
		d.validate(path, cfg)
	}
	return cfg, ok
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
			tag := cmp.Or(field.Tag.Get(confmap.MapstructureTag), field.Tag.Get("yaml")) // yaml in what Prometheus reads
			if name, _, _ := strings.Cut(tag, ","); name != "" && name != "-" {
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
	noField     = regexp.MustCompile(`^line \d+: field (\S+) not found in type `) // of what Prometheus reads
)

// The forms in which decoders say that a value has the wrong type.
var (
	unconvertible = regexp.MustCompile(`^expected type '([^']*)', got unconvertible type '([^']*)'`)
	noList        = regexp.MustCompile(`^source data must be an array or slice, got (\S+)`)
	noMapping     = regexp.MustCompile(`^expected a map(?: or struct)?, got "?([^"]*)"?`)
)

// wanted says which type a value should have, in words for people who write
// YAML; message where it says something else.
func wanted(path []string, message string) string {
	message = strings.TrimPrefix(message, "prometheus receiver: failed to unmarshal yaml to prometheus config object: ")
	if m := unconvertible.FindStringSubmatch(message); m != nil {
		return "want " + inWords(m[1]) + ", not " + inWords(m[2])
	}
	if m := noList.FindStringSubmatch(message); m != nil {
		return "want a list, not " + inWords(m[1])
	}
	if m := noMapping.FindStringSubmatch(message); m != nil {
		if path[0] == "service" && slices.Contains([]string{"receivers", "processors", "exporters", "extensions"}, path[len(path)-2]) {
			return "want the name of a component, not " + inWords(m[1])
		}
		return "want a mapping, not " + inWords(m[1])
	}
	if strings.HasPrefix(message, "time: invalid duration") {
		return "want a duration, as 200ms, 5s or 1m30s"
	}
	return message
}

// inWords is what people call a type of Go.
func inWords(typ string) string {
	switch {
	case strings.HasPrefix(typ, "[]"), typ == "slice":
		return "a list"
	case strings.HasPrefix(typ, "map"), typ == "struct":
		return "a mapping"
	case strings.HasPrefix(typ, "float"):
		return "a number"
	case strings.Contains(typ, "int"):
		return "a whole number"
	case typ == "string", strings.HasSuffix(typ, ".String"):
		return "a text"
	case typ == "bool":
		return "true or false"
	case typ == "time.Duration":
		return "a duration, as 5s"
	}
	return typ
}

// addDecoding adds what the decoder found wrong below path, one finding for
// each key. Known are the keys that could have been meant.
func (d *decoder) addDecoding(path []string, err error, known map[string]string) {
	for _, message := range messages(err) {
		at := path
		if m := noField.FindStringSubmatch(message); m != nil {
			d.add("unknown-key", d.source.below(path, m[1]), unknownKey(m[1], known))
			continue
		}
		if m := decodedAt.FindStringSubmatch(message); m != nil {
			// The quoted place is the name of a Go type, or of keys.
			keys := strings.Split(strings.NewReplacer("[", ".", "]", "").Replace(m[1]), ".")
			below := slices.Concat(path, keys)
			if d.source.at(below) == nil && len(keys) == 1 {
				below = d.source.below(path, keys[0])
			}
			if d.source.at(below) != nil {
				at, message = below, m[2]
			}
		}
		m := invalidKeys.FindStringSubmatch(message)
		if m == nil {
			d.add("wrong-type", at, wanted(at, message))
			continue
		}
		for key := range strings.SplitSeq(m[2], ", ") {
			if d.enough() {
				return
			}
			d.add("unknown-key", d.source.below(at, key), unknownKey(key, known))
		}
	}
}
