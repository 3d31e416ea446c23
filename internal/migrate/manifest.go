package migrate

import (
	"bytes"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// manifest is the Kubernetes documents of one file at work.
type manifest struct {
	Options
	objects  []object
	rule     *Rule
	findings []Finding
	// configs are the migrated configurations of objects, in the order of
	// objects.
	configs []migrated
}

// migrated is a configuration in an object, migrated.
type migrated struct {
	in   object
	root *yaml.Node
}

// run lets the rules work on the documents and on the configurations in them.
func (m *manifest) run() error {
	for _, o := range m.objects {
		if ns := o.namespace(); ns != "" && !slices.Contains(m.namespaces, ns) {
			m.namespaces = append(m.namespaces, ns)
		}
	}
	for _, r := range documentRules {
		m.rule = &r
		r.documents(m)
	}
	m.commandLines()
	for _, o := range m.objects {
		options := m.Options
		settings := m.arguments(o, &options)
		for _, e := range o.configs() {
			if err := m.config(o, e, settings, options); err != nil {
				return err
			}
		}
	}
	for _, r := range table {
		if r.checks != nil {
			m.rule = &r
			r.checks(m)
		}
	}
	return nil
}

// found reports a finding of the rule at work.
func (m *manifest) found(where *yaml.Node, s Severity, path []string, old, now, why string) {
	m.findings = append(m.findings, Finding{
		Rule: m.rule.ID, Line: where.Line, Path: path, Old: old, New: now, Since: m.rule.Since, Why: why, Severity: s,
	})
}

// path leads to something in an object.
func (o object) path(keys ...string) []string { return append([]string{o.String()}, keys...) }

// config migrates a configuration in an object, with the settings that flags
// beside it stood for.
func (m *manifest) config(o object, e embedded, settings []Setting, options Options) error {
	if e.node.Kind == yaml.MappingNode {
		apply(e.node, settings)
		m.findings = append(m.findings, Config(e.node, options)...)
		m.configs = append(m.configs, migrated{o, e.node})
		return nil
	}
	if _, err := e.parse(); err != nil {
		return err
	}
	src, err := parse([]byte(e.node.Value))
	if err != nil || len(src.docs) == 0 {
		return err
	}
	apply(src.docs[0], settings)
	found := configFile(src.docs[0], options)
	for i := range found {
		found[i].Line = e.line(found[i].Line)
	}
	m.findings = append(m.findings, found...)
	text, err := src.text()
	if err != nil {
		return err
	}
	if !strings.HasSuffix(e.node.Value, "\n") {
		text = bytes.TrimSuffix(text, []byte("\n"))
	}
	e.node.Value = string(text)
	m.configs = append(m.configs, migrated{o, mapping(src.docs[0])})
	return nil
}

// apply puts settings into a configuration.
func apply(root *yaml.Node, settings []Setting) {
	for _, s := range settings {
		last := len(s.Path) - 1
		if parent := section(mapping(root), mapping(root).Line, s.Path[:last]...); parent != nil {
			value := fromText(0, s.Value)
			walk(value, func(n *yaml.Node) { n.Style = 0 })
			set(parent, s.Path[last], value)
		}
	}
}

// container is one container of a collector.
type container struct {
	in   object
	path []string
	node *yaml.Node
}

// template is the pod template of a workload, nil when it has none.
func (o object) template() *yaml.Node {
	switch o.kind() {
	case "Pod":
		return o.node
	case "CronJob":
		return at(o.node, "spec", "jobTemplate", "spec", "template")
	case "Deployment", "DaemonSet", "StatefulSet", "ReplicaSet", "ReplicationController", "Job":
		return at(o.node, "spec", "template")
	}
	return nil
}

// collectorImage is an image that runs a collector, collectorCommand a program.
var (
	collectorImage   = regexp.MustCompile(`opentelemetry-collector|otel-collector|otelcol|otelcontribcol|signalbox`)
	collectorCommand = regexp.MustCompile(`^(otelcol|otelcontribcol|otelcorecol|signalbox)`)
)

// containers are those of a workload that run a collector; others are the rest.
func (o object) containers() (collectors []container, others []*yaml.Node) {
	spec := at(o.template(), "spec")
	for _, kind := range []string{"initContainers", "containers"} {
		for i, c := range list(at(spec, kind)) {
			command := list(at(c, "command"))
			if len(command) > 0 && collectorCommand.MatchString(path.Base(text(command[0]))) || collectorImage.MatchString(text(at(c, "image"))) {
				collectors = append(collectors, container{o, o.path("spec", kind, fmt.Sprint(i)), c})
			} else {
				others = append(others, c)
			}
		}
	}
	return collectors, others
}

// secret finds keys whose values nobody should read in a log.
var secret = regexp.MustCompile(`(?i)passw|secret|token|credential|key$`)

// shown is a value as findings may show it.
func (o object) shown(kv pair) string {
	if o.kind() == "Secret" || secret.MatchString(kv.key.Value) {
		return "[REDACTED]"
	}
	return short(kv.value)
}

// documentRules work on Kubernetes documents before the configurations in them
// are migrated.
var documentRules = []Rule{
	{
		ID: "duplicate-key", Group: groupKubernetes, Severity: Changed,
		Old: "a key twice in one mapping of a Kubernetes document", New: "the last one is kept, as Kubernetes does. In a collector configuration it is refused",
		Why: "only the last one counts",
		documents: func(m *manifest) {
			for _, o := range m.objects {
				if strings.HasSuffix(o.kind(), "List") {
					continue // its items are objects of their own
				}
				for _, d := range duplicates(o.node) {
					remove(d.in, d.first.key)
					first, again := o.shown(d.first), o.shown(d.again)
					m.found(d.first.key, Changed, o.path(d.path...), first, again,
						fmt.Sprintf("%s was there twice, with %s at line %d and %s at line %d, and only the last one counts", d.first.key.Value, first, d.first.key.Line, again, d.again.key.Line))
				}
			}
		},
	},
	{
		ID: "kubernetes-api-version", Group: groupKubernetes, Severity: Changed,
		Old: "an `apiVersion` that Kubernetes has removed: `rbac.authorization.k8s.io/v1beta1`, `apps/v1beta1`, `apps/v1beta2`, `extensions/v1beta1`, `networking.k8s.io/v1beta1`, `batch/v1beta1`, `policy/v1beta1`, `autoscaling/v2beta2`",
		New: "the version that replaced it, with what it demands (a selector, the backends of an Ingress). `PodSecurityPolicy` and `autoscaling/v2beta1` are refused",
		Why: "Kubernetes has removed this version",

		documents: apiVersions,
	},
	{
		ID: "collector-autoscaler", Group: groupKubernetes, Severity: Changed, Since: "0.56",
		Old: "`minReplicas` and `maxReplicas` of an OpenTelemetryCollector", New: "the same below `autoscaler`",
		Why: "settings of scaling have a section of their own",
		documents: func(m *manifest) {
			for _, o := range m.objects {
				if !o.isCollector() {
					continue
				}
				spec := mapping(at(o.node, "spec"))
				for _, key := range []string{"minReplicas", "maxReplicas"} {
					k, v := get(spec, key)
					if k == nil {
						continue
					}
					remove(spec, k)
					if scaler := section(spec, k.Line, "autoscaler"); scaler != nil && at(scaler, key) == nil {
						set(scaler, key, v)
					}
					m.found(k, Changed, o.path("spec", key), key+": "+short(v), "autoscaler::"+key, m.rule.Why)
				}
			}
		},
	},
}

// commandLines rewrites the old flags and feature gates of the collectors in
// workloads.
func (m *manifest) commandLines() {
	for _, o := range m.objects {
		collectors, _ := o.containers()
		for _, c := range collectors {
			m.commandLine(c, "command")
			m.commandLine(c, "args")
		}
	}
}

// commandLine rewrites a list of arguments.
func (m *manifest) commandLine(c container, kind string) {
	n := follow(at(c.node, kind))
	elements := slices.Clone(list(n))
	for i := 0; i < len(elements); i++ {
		e := elements[i]
		name, value, inOne := strings.Cut(strings.TrimLeft(text(e), "-"), "=")
		boolean, old := Flags()[name]
		if !strings.HasPrefix(text(e), "-") || !old && name != "feature-gates" {
			continue
		}
		var next *yaml.Node
		if !inOne && !boolean && i+1 < len(elements) {
			i++
			next = elements[i]
			value = text(next)
		}
		now, found := rewritten(name, value)
		for _, f := range found {
			f.Path, f.Line = append(slices.Clone(c.path), kind, "--"+name), e.Line
			m.findings = append(m.findings, f)
		}
		if len(found) == 0 || Failed(found) {
			continue
		}
		if next != nil {
			removeElement(n, next)
		}
		if now == "" {
			removeElement(n, e)
			continue
		}
		follow(e).Value = now
	}
}

// rewritten is a flag as it is written today, "" when it is not written any
// more.
func rewritten(name, value string) (string, []Finding) {
	if name == "feature-gates" {
		kept, found := Gates(value, &Options{})
		if kept == "" {
			return "", found
		}
		return "--feature-gates=" + kept, found
	}
	settings, f, _ := Flag(name, value)
	if len(settings) == 0 {
		return "", []Finding{f}
	}
	return "--set=" + settings[0].String(), []Finding{f}
}

// arguments takes the old flags out of the args of an OpenTelemetryCollector,
// and returns what they stood for; what feature gates mean is put into options.
func (m *manifest) arguments(o object, options *Options) []Setting {
	if !o.isCollector() {
		return nil
	}
	var all []Setting
	args := mapping(at(o.node, "spec", "args"))
	for _, kv := range pairs(args) {
		name := kv.key.Value
		var found []Finding
		if name == "feature-gates" {
			var kept string
			if kept, found = Gates(text(kv.value), options); kept != "" && len(found) > 0 {
				follow(kv.value).Value = kept
			} else if kept == "" {
				remove(args, kv.key)
			}
		} else if settings, f, old := Flag(name, text(kv.value)); old {
			found = []Finding{f}
			all = append(all, settings...)
			if f.Severity != Error {
				remove(args, kv.key)
			}
		}
		for _, f := range found {
			f.Path, f.Line = o.path("spec", "args", name), kv.key.Line
			m.findings = append(m.findings, f)
		}
	}
	if k, _ := get(at(o.node, "spec"), "args"); args != nil && len(args.Content) == 0 {
		remove(at(o.node, "spec"), k)
	}
	return all
}
