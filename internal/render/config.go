package render

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
	kyaml "sigs.k8s.io/yaml"

	"github.com/signalbox-otel/signalbox/api/v1beta1"
	"github.com/signalbox-otel/signalbox/internal/migrate"
)

// config is a collector configuration as render looks at it.
type config struct {
	// written is what the collector gets.
	written map[string]any
	// today is written as today's collectors would have it: the same where the
	// image is ours. Ports, probes and rights follow from it.
	today map[string]any
}

// component is a component that a pipeline or the service uses.
type component struct {
	id, typ string
	body    map[string]any // nil for a component without settings
}

// foreign is the image of a collector that may want another form of its
// configuration than today's: not ours, and of an earlier release than the last
// change of form, or of one that is not known. It is empty for all others.
func foreign(spec *v1beta1.OpenTelemetryCollectorSpec, facts *Facts) string {
	if spec.Image == "" || spec.Image == facts.CollectorImage {
		return ""
	}
	version := imageVersion(spec.Image)
	if n, ok := release(version); version == "latest" || ok && n >= lastChange() {
		if spec.UpgradeStrategy != v1beta1.UpgradeNone {
			return ""
		}
	}
	return spec.Image
}

// release is the number that counts releases of the collector, as 158 in
// v0.158.0.
func release(version string) (int, bool) {
	major, rest, _ := strings.Cut(strings.TrimPrefix(version, "v"), ".")
	minor, _, _ := strings.Cut(rest, ".")
	n, err := strconv.Atoi(minor)
	return n, err == nil && major == "0"
}

// lastChange is the release that last changed the form of configurations.
func lastChange() int {
	last := 0
	for _, r := range migrate.Rules() {
		n, _ := release(r.Since)
		last = max(last, n)
	}
	return last
}

// newConfig migrates a configuration, completes it with settings that flags stood
// for and with defaults, and says what was found. A foreign image, empty for any
// other, gets what was written.
func newConfig(c v1beta1.Config, foreign string, flags []migrate.Setting, plan *Plan) (*config, error) {
	// Decoded from text, because completing changes it and the resource is not ours.
	text, err := yaml.Marshal(c.Map())
	if err != nil {
		return nil, fmt.Errorf("writing the configuration: %w", err)
	}
	own := map[string]any{}
	if err := yaml.Unmarshal(text, &own); err != nil {
		return nil, fmt.Errorf("reading the configuration: %w", err)
	}
	for _, f := range flags {
		if err := complement(own, f); err != nil {
			return nil, err
		}
	}
	if !servesMetrics(foreign) {
		completeTelemetry(own)
	}
	if text, err = yaml.Marshal(own); err != nil {
		return nil, fmt.Errorf("writing the configuration: %w", err)
	}
	today, findings, err := migrated(text)
	if err != nil {
		return nil, fmt.Errorf("migrating the configuration: %w", err)
	}
	for _, f := range findings {
		// That a pod listens on all interfaces is a default here, and no change.
		if f.Rule == "pod-endpoint" || f.Rule == "pod-metrics" {
			continue
		}
		f.Path, f.Line = append([]string{"spec", "config"}, f.Path...), 0
		if foreign != "" && f.Severity == migrate.Changed {
			f.Severity, f.New = migrate.Warning, ""
			f.Why = "left as it is, because spec.image may be of a release that wants it so: " + f.Why
		}
		plan.Findings = append(plan.Findings, f)
	}
	undefined(today, plan)
	if foreign == "" {
		complete(today, plan)
		return &config{today, today}, nil
	}
	complete(own, plan)
	complete(today, &Plan{})
	return &config{own, today}, nil
}

// Configuration is a collector's configuration in today's form and with its
// defaults, which is what the components of this build can check. Unlike what
// the collector gets it has all its targets, and it is in today's form for images
// of others too.
func Configuration(cr *v1beta1.OpenTelemetryCollector, facts Facts) (map[string]any, error) {
	image := foreign(&cr.Spec, &facts)
	_, flags := flags(&cr.Spec, image, new(Plan))
	c, err := newConfig(cr.Spec.Config, image, flags, new(Plan))
	if err != nil {
		return nil, fmt.Errorf("rendering OpenTelemetryCollector %s/%s: %w", cr.Namespace, cr.Name, err)
	}
	return c.today, nil
}

// flags are those that the collector takes, and the settings that others stood
// for. A foreign image may want them all.
func flags(spec *v1beta1.OpenTelemetryCollectorSpec, foreign string, plan *Plan) (args map[string]string, settings []migrate.Setting) {
	if foreign != "" {
		return spec.Args, nil
	}
	args, settings, found := migrate.Args(spec.Args)
	plan.Findings = append(plan.Findings, found...)
	return args, settings
}

// complement sets what a flag stood for, unless the configuration says it.
func complement(root map[string]any, flag migrate.Setting) error {
	for _, key := range flag.Path[:len(flag.Path)-1] {
		root = ensure(root, key)
	}
	last := flag.Path[len(flag.Path)-1]
	if root == nil || has(root, last) || last == "readers" && has(root, "address") {
		return nil
	}
	var value any
	if err := yaml.Unmarshal([]byte(flag.Value), &value); err != nil {
		return fmt.Errorf("reading the setting %s: %w", flag, err)
	}
	root[last] = value
	return nil
}

// migrated is a configuration in today's form.
func migrated(text []byte) (map[string]any, []migrate.Finding, error) {
	var doc yaml.Node
	if err := yaml.Unmarshal(text, &doc); err != nil {
		return nil, nil, err
	}
	findings := migrate.Config(doc.Content[0], migrate.Options{InPod: true})
	today := map[string]any{}
	err := doc.Decode(&today)
	return today, findings, err
}

// undefined reports what pipelines and the service name and nothing configures:
// a collector does not start so.
func undefined(root map[string]any, plan *Plan) {
	connectors := object(root["connectors"])
	report := func(section, id string, path ...string) {
		if has(object(root[section]), id) || section != "extensions" && section != "processors" && has(connectors, id) {
			return
		}
		plan.Findings = append(plan.Findings, migrate.Finding{
			Rule: "undefined-component", Severity: migrate.Error, Path: append([]string{"spec", "config", "service"}, path...),
			Why: fmt.Sprintf("names %s, which the section %s does not configure", id, section),
		})
	}
	pipelines := object(at(root, "service", "pipelines"))
	for _, p := range slices.Sorted(maps.Keys(pipelines)) {
		for _, section := range []string{"receivers", "processors", "exporters"} {
			for _, id := range texts(object(pipelines[p])[section]) {
				report(section, id, "pipelines", p, section)
			}
		}
	}
	for _, id := range texts(at(root, "service", "extensions")) {
		report("extensions", id, "extensions")
	}
}

// text is a configuration as YAML, with sorted keys.
func text(config map[string]any) (string, error) {
	data, err := kyaml.Marshal(config)
	if err != nil {
		return "", fmt.Errorf("writing the configuration: %w", err)
	}
	return string(bytes.TrimSpace(data)) + "\n", nil
}

// used are the components of a section that pipelines use, sorted by id. Those
// that are only named, and configured nowhere, are not among them.
func used(root map[string]any, section string) []component {
	return configured(root, section, slices.Sorted(maps.Keys(named(root, section))))
}

// extensions are the extensions that run, in the order of the service.
func extensions(root map[string]any) []component {
	return configured(root, "extensions", texts(object(root["service"])["extensions"]))
}

func configured(root map[string]any, section string, ids []string) []component {
	bodies := object(root[section])
	var all []component
	for _, id := range ids {
		if body, ok := bodies[id]; ok {
			typ, _, _ := strings.Cut(id, "/")
			all = append(all, component{id, strings.TrimSpace(typ), object(body)})
		}
	}
	return all
}

// named are the components that pipelines name in a section.
func named(root map[string]any, section string) map[string]bool {
	ids := map[string]bool{}
	for _, p := range object(object(root["service"])["pipelines"]) {
		for _, id := range texts(object(p)[section]) {
			ids[id] = true
		}
	}
	return ids
}

// object is v as mapping, nil when it is none.
func object(v any) map[string]any {
	m, _ := v.(map[string]any)
	return m
}

// list is v as sequence, nil when it is none.
func list(v any) []any {
	l, _ := v.([]any)
	return l
}

// texts are the texts in a sequence.
func texts(v any) []string {
	var all []string
	for _, e := range list(v) {
		if s, ok := e.(string); ok {
			all = append(all, strings.TrimSpace(s))
		}
	}
	return all
}

// at is what a path of keys leads to, nil when it leads nowhere.
func at(m map[string]any, path ...string) any {
	for _, key := range path[:len(path)-1] {
		m = object(m[key])
	}
	return m[path[len(path)-1]]
}

// isTrue reports whether v is true, also where a text says so.
func isTrue(v any) bool { return v == true || v == "true" }
