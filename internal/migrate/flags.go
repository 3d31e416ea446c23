package migrate

import (
	"maps"
	"slices"
	"strings"
)

// Setting is one value of a configuration that a flag stood for.
type Setting struct {
	Path  []string
	Value string // YAML
}

// String is the setting as --set takes it.
func (s Setting) String() string { return strings.Join(s.Path, ".") + "=" + s.Value }

// oldFlag is a flag that collectors had.
type oldFlag struct {
	name, since string
	boolean     bool // takes no value
	becomes     string
	why         string
	// settings are what it stood for, nil when it has no effect any more. An
	// error is for a value that it could not have.
	settings func(value string) ([]Setting, bool)
}

// telemetrySetting is one value of the telemetry section, when it is one of
// those allowed; any when there are none.
func telemetrySetting(value string, allowed []string, path ...string) ([]Setting, bool) {
	if len(allowed) > 0 && !slices.Contains(allowed, strings.ToLower(value)) {
		return nil, false
	}
	return []Setting{{append([]string{"service", "telemetry"}, path...), value}}, true
}

var oldFlags = []oldFlag{
	{"mem-ballast-size-mib", "0.36", false, "nothing", "a ballast has no effect any more; set the environment variable GOMEMLIMIT", nil},
	{"log-level", "0.38", false, "`service.telemetry.logs.level`", "settings of logs are in the configuration", func(v string) ([]Setting, bool) {
		return telemetrySetting(strings.ToLower(v), []string{"debug", "info", "warn", "error", "dpanic", "panic", "fatal"}, "logs", "level")
	}},
	{"log-profile", "0.38", false, "`service.telemetry.logs.development`", "settings of logs are in the configuration", func(v string) ([]Setting, bool) {
		development, ok := map[string]string{"dev": "true", "prod": "false", "": "false"}[strings.ToLower(v)]
		if !ok {
			return nil, false
		}
		return telemetrySetting(development, nil, "logs", "development")
	}},
	{"log-format", "0.38", false, "`service.telemetry.logs.encoding`", "settings of logs are in the configuration", func(v string) ([]Setting, bool) {
		return telemetrySetting(strings.ToLower(v), []string{"console", "json"}, "logs", "encoding")
	}},
	{"metrics-level", "0.43", false, "`service.telemetry.metrics.level`", "settings of metrics are in the configuration", func(v string) ([]Setting, bool) {
		return telemetrySetting(strings.ToLower(v), []string{"none", "basic", "normal", "detailed"}, "metrics", "level")
	}},
	{"metrics-addr", "0.43", false, "`service.telemetry.metrics.readers`", "settings of metrics are in the configuration", func(v string) ([]Setting, bool) {
		host, port, ok := splitAddress(v)
		if !ok {
			return nil, false
		}
		return telemetrySetting(short(promReader(0, host, port)), nil, "metrics", "readers")
	}},
	{"metrics-prefix", "0.39", false, "nothing", "metrics of the collector are called otelcol_*", nil},
	{"add-instance-id", "0.39", true, "nothing", "the instance is in the metric target_info", nil},
	{"new-metrics", "0.15", true, "nothing", "there is one set of metrics", nil},
	{"legacy-metrics", "0.15", true, "nothing", "there is one set of metrics", nil},
}

// Flags are the names of the old flags, and whether one takes no value.
func Flags() map[string]bool {
	names := map[string]bool{}
	for _, f := range oldFlags {
		names[f.name] = f.boolean
	}
	return names
}

// Flag says what an old flag with a value stood for. ok is false for a flag
// that is none of the old ones.
func Flag(name, value string) (settings []Setting, f Finding, ok bool) {
	i := slices.IndexFunc(oldFlags, func(f oldFlag) bool { return f.name == name })
	if i < 0 {
		return nil, Finding{}, false
	}
	old := oldFlags[i]
	f = Finding{Rule: "flag-" + name, Path: []string{"--" + name}, Old: value, Since: old.since, Why: old.why, Severity: Ignored}
	if old.settings == nil {
		return nil, f, true
	}
	settings, valid := old.settings(value)
	if !valid {
		f.Severity, f.Why = Error, "has the value "+value+", which it never took; it is "+strings.Trim(old.becomes, "`")+" now"
		return nil, f, true
	}
	f.Severity, f.New = Changed, settings[0].String()
	if len(f.New) > 80 {
		f.New = strings.Join(settings[0].Path, ".")
	}
	return settings, f, true
}

func flagRules() []Rule {
	var all []Rule
	for _, f := range oldFlags {
		r := Rule{ID: "flag-" + f.name, Group: groupFlags, Old: "`--" + f.name + "`", New: f.becomes, Since: f.since, Why: f.why, Severity: Changed}
		if f.settings == nil {
			r.New, r.Severity = "accepted, without effect", Ignored
		}
		all = append(all, r)
	}
	return all
}

// oldGate is a feature gate that collectors had.
type oldGate struct {
	id, since string
	why       string
	// off is what it means to switch it off; nil when that means nothing any
	// more.
	off func(*Options)
}

var oldGates = []oldGate{
	{"component.UseLocalHostAsDefaultHost", "0.112", "what has no endpoint listens on localhost; in a pod, and with this gate off, on all interfaces", func(o *Options) { o.InPod = true }},
	{"telemetry.UseLocalHostAsDefaultMetricsAddress", "0.155", "metrics of the collector listen on localhost; in a pod, and with this gate off, on all interfaces", func(o *Options) { o.MetricsOnAll = true }},
	{"confmap.unifyEnvVarExpansion", "0.109", "variables are ${env:NAME}; $NAME in capitals is migrated", nil},
	{"confmap.strictlyTypedInput", "0.109", "it is always on", nil},
	{"confmap.newExpandedValueSanitizer", "0.155", "it is always on", nil},
	{"telemetry.useOtelForInternalMetrics", "0.97", "it is always on", nil},
	{"telemetry.disableHighCardinalityMetrics", "0.144", "choose with service::telemetry::metrics::views", nil},
	{"telemetry.disableAddressFieldForInternalTelemetry", "0.158", "the address is migrated to readers", nil},
	{"service.noopTracerProvider", "0.144", "the collector traces itself only where service::telemetry::traces says so", nil},
	{"otelcol.printInitialConfig", "0.155", "print-config is always there", nil},
	{"confighttp.framedSnappy", "0.155", "it is always on", nil},
	{"configoptional.AddEnabledField", "0.155", "it is always on", nil},
	{"exporter.PersistRequestContext", "0.155", "it is always on", nil},
}

// Gates takes the value of --feature-gates and returns what is left of it for
// today's collector. What the old ones mean is put into o.
func Gates(value string, o *Options) (kept string, found []Finding) {
	var left []string
	for gate := range strings.SplitSeq(value, ",") {
		gate = strings.TrimSpace(gate)
		id := strings.TrimLeft(gate, "+-")
		i := slices.IndexFunc(oldGates, func(g oldGate) bool { return g.id == id })
		if i < 0 {
			if gate != "" {
				left = append(left, gate)
			}
			continue
		}
		g := oldGates[i]
		f := Finding{Rule: "gate-" + id, Path: []string{"--feature-gates"}, Old: gate, Since: g.since, Why: gate + ": " + g.why, Severity: Ignored}
		if g.off != nil && strings.HasPrefix(gate, "-") {
			g.off(o)
			f.Severity, f.New = Changed, "endpoints on all interfaces"
		}
		found = append(found, f)
	}
	return strings.Join(left, ","), found
}

func gateRules() []Rule {
	var all []Rule
	for _, g := range oldGates {
		r := Rule{ID: "gate-" + g.id, Group: groupGates, Old: "`" + g.id + "`", New: "accepted, without effect", Since: g.since, Why: g.why, Severity: Ignored}
		if g.off != nil {
			r.New = "off (`-" + g.id + "`): all interfaces; on: without effect"
		}
		all = append(all, r)
	}
	return all
}

// Args takes the flags of a collector resource, by name, and returns those that
// today's collector has, and the settings that the others stood for. Names may
// have dashes before them, which they should not.
func Args(args map[string]string) (kept map[string]string, settings []Setting, found []Finding) {
	for _, key := range slices.Sorted(maps.Keys(args)) {
		name, value := strings.TrimLeft(key, "-"), args[key]
		if _, twice := args[name]; twice && name != key {
			continue
		}
		path := []string{"spec", "args", key}
		if name == "feature-gates" {
			left, gates := Gates(value, &Options{})
			for _, f := range gates {
				f.Path = path
				found = append(found, f)
			}
			if left == "" && len(gates) > 0 {
				continue
			}
			value = left
		}
		sets, f, old := Flag(name, value)
		if old {
			f.Path = path
			found = append(found, f)
		}
		if old && f.Severity != Error {
			settings = append(settings, sets...)
			continue
		}
		if kept == nil {
			kept = map[string]string{}
		}
		kept[name] = value
	}
	return kept, settings, found
}
