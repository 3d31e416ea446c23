package migrate

import (
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Options are the facts that rules need. The zero value is right for a file of
// which nothing is known but its text.
type Options struct {
	// InPod says that the collector runs in a pod, where an address that only
	// this machine can reach is of no use: what has no endpoint listens on all
	// interfaces. The gate -component.UseLocalHostAsDefaultHost says so too.
	InPod bool
	// MetricsOnAll says that the collector's own metrics listen on all
	// interfaces, which the gate -telemetry.UseLocalHostAsDefaultMetricsAddress
	// asks for. In a pod they do anyway.
	MetricsOnAll bool
	// LookupEnv looks an environment variable up; nil when the environment is
	// not known. Then nothing is said about variables.
	LookupEnv func(name string) (value string, set bool)
	// Modernise renames components to the names that upstream has for them now.
	// Their metrics then have other labels.
	Modernise bool
	// File names the file that a node of a configuration merged from several
	// came from; nil when there is one.
	File func(*yaml.Node) string
	// Namespaces of Kubernetes that are known: what they name is likely meant as
	// one.
	namespaces []string
}

// pass is one run of the rules over one configuration.
type pass struct {
	Options
	root     *yaml.Node
	rule     *Rule
	findings []Finding
}

// Config rewrites root, the mapping of one collector configuration, in place and
// returns what it found, in the order of lines. Rules see the configuration that
// those before them left.
func Config(root *yaml.Node, o Options) []Finding {
	p := &pass{Options: o, root: makeMapping(root)}
	if p.root == nil {
		return nil
	}
	for _, r := range table {
		if r.apply != nil {
			p.rule = &r
			r.apply(p)
		}
	}
	return sorted(p.findings)
}

// found reports a finding of the rule at work, with its severity and reason.
// where is the node that the finding is about.
func (p *pass) found(where *yaml.Node, path []string, old, now string) {
	p.say(where, p.rule.Severity, path, old, now, p.rule.Why)
}

// say reports a finding with a severity and reason of its own.
func (p *pass) say(where *yaml.Node, s Severity, path []string, old, now, why string) {
	f := Finding{Rule: p.rule.ID, Path: path, Old: old, New: now, Since: p.rule.Since, Why: why, Severity: s}
	if where != nil {
		f.Line = where.Line
		if p.File != nil {
			f.File = p.File(where)
		}
	}
	p.findings = append(p.findings, f)
}

// part is one component that is configured.
type part struct {
	section string // receivers, …
	id      string
	key     *yaml.Node
	body    *yaml.Node
}

// path leads to something in the component.
func (c part) path(keys ...string) []string {
	return append([]string{c.section, c.id}, keys...)
}

// typ is the component's type: what stands before the first slash.
func (c part) typ() string { return typeOf(c.id) }

func typeOf(id string) string {
	t, _, _ := strings.Cut(id, "/")
	return strings.TrimSpace(t)
}

// withType is id with another type, and the same name.
func withType(id, typ string) string {
	if _, name, ok := strings.Cut(id, "/"); ok {
		return typ + "/" + name
	}
	return typ
}

// parts lists the components of a section that have one of the types, in any of
// their names; all when none is given.
func (p *pass) parts(section string, types ...string) []part {
	var all []part
	for _, kv := range pairs(at(p.root, section)) {
		c := part{section, strings.TrimSpace(kv.key.Value), kv.key, kv.value}
		if len(types) == 0 || slices.Contains(types, canonical(section, c.typ())) {
			all = append(all, c)
		}
	}
	return all
}

// flow is one pipeline.
type flow struct {
	id   string
	key  *yaml.Node
	body *yaml.Node
}

func (f flow) signal() string { return typeOf(f.id) }

func (f flow) path(keys ...string) []string {
	return append([]string{"service", "pipelines", f.id}, keys...)
}

// uses reports whether one of the pipeline's lists names a component.
func (f flow) uses(kind, id string) bool {
	return slices.ContainsFunc(list(at(f.body, kind)), func(n *yaml.Node) bool { return strings.TrimSpace(text(n)) == id })
}

// pipelines lists the pipelines.
func (p *pass) pipelines() []flow {
	var all []flow
	for _, kv := range pairs(at(p.root, "service", "pipelines")) {
		all = append(all, flow{strings.TrimSpace(kv.key.Value), kv.key, kv.value})
	}
	return all
}

// references calls f for every place that names a component of a section.
func (p *pass) references(section string, f func(list, element *yaml.Node)) {
	each := func(n *yaml.Node) {
		for _, e := range slices.Clone(list(n)) {
			f(n, e)
		}
	}
	if section == "extensions" {
		each(at(p.root, "service", "extensions"))
		return
	}
	for _, flow := range p.pipelines() {
		if section == "connectors" {
			each(at(flow.body, "receivers"))
			each(at(flow.body, "exporters"))
			continue
		}
		each(at(flow.body, section))
	}
}

// rename gives a component another id, wherever it is named.
func (p *pass) rename(c part, id string) {
	c.key.Value = id
	if c.section == "exporters" {
		p.retarget(c.id, id)
	}
	p.references(c.section, func(_, element *yaml.Node) {
		if strings.TrimSpace(text(element)) == c.id {
			follow(element).Value = id
		}
	})
}

// retarget lets processors that name the exporter of their metrics name it by
// its new id.
func (p *pass) retarget(old, id string) {
	for _, c := range p.parts("processors") {
		if n := at(c.body, "metrics_exporter"); text(n) == old {
			follow(n).Value = id
		}
	}
}

// drop takes a component out, wherever it is named.
func (p *pass) drop(c part) {
	remove(at(p.root, c.section), c.key)
	p.references(c.section, func(list, element *yaml.Node) {
		if strings.TrimSpace(text(element)) == c.id {
			removeElement(list, element)
		}
	})
}

// free is id, or when another component of the section has it the first of
// id/old, id/old2 … that none has.
func (p *pass) free(section, id, old string) string {
	taken := func(id string) bool { _, v := get(at(p.root, section), id); return v != nil }
	if !taken(id) {
		return id
	}
	base := typeOf(id) + "/" + strings.ReplaceAll(old, "/", "-")
	for free, i := base, 2; ; i++ {
		if !taken(free) {
			return free
		}
		free = base + strconv.Itoa(i)
	}
}

// move takes a key of a mapping to another place in the component, unless
// something is there already, which then counts. It reports the finding.
func (p *pass) move(c part, from *yaml.Node, at []string, key *yaml.Node, to ...string) {
	_, value := get(from, key.Value)
	old := key.Value
	parent := section(from, key.Line, to[:len(to)-1]...)
	if parent == nil {
		p.say(key, Error, c.path(append(at, old)...), old, "", "cannot become "+strings.Join(to, "::")+", where something else than a mapping stands")
		return
	}
	name := to[len(to)-1]
	remove(from, key)
	if _, there := get(parent, name); there != nil {
		p.say(key, Ignored, c.path(append(at, old)...), old+": "+short(value), "", strings.Join(to, "::")+" says it already")
		return
	}
	moved := *key
	moved.Value = name
	mapping(parent).Content = append(mapping(parent).Content, &moved, value)
	p.found(key, c.path(append(at, old)...), old, strings.Join(to, "::"))
}
