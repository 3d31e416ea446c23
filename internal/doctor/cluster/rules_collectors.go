package cluster

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/signalbox-otel/signalbox/internal/migrate"
)

func collectors(p *Picture) []Finding {
	var all []Finding
	for _, c := range p.concerned() {
		all = append(all, p.collector(c)...)
	}
	for _, a := range p.Allocators {
		if a.Trouble != "" && (a.Namespace == p.Namespace || slices.ContainsFunc(p.concerned(), func(c *Collector) bool { return c.CR.Namespace == a.Namespace })) {
			object := p.name("targetallocator", a.Namespace, a.Name)
			all = append(all, bad(AllocatorNotReady, object, "is not ready: "+a.Trouble, p.lookAt(a.Namespace, "targetallocator/"+a.Name, a.Pod)))
		}
	}
	return all
}

// concerned are the collectors that the namespace has to do with: its own, those
// of the installation, those that scrape it or that its programs send to, and to
// which these send on. The others are for others to look at.
func (p *Picture) concerned() []*Collector {
	var all []*Collector
	add := func(c *Collector) {
		if c != nil && !slices.Contains(all, c) {
			all = append(all, c)
		}
	}
	for i := range p.Collectors {
		if c := &p.Collectors[i]; c.CR.Namespace == p.Namespace || c.CR.Namespace == p.home() {
			add(c)
		}
	}
	for _, u := range p.uses() {
		endpoint, _ := u.endpoint()
		add(p.collectorAt(targetOf(endpoint, p.Namespace)))
	}
	for _, c := range p.scrapers() {
		add(c)
	}
	for i := 0; i < len(all); i++ { // which grows
		for _, name := range sortedKeys(component(all[i].Config, "exporters")) {
			endpoint, _ := at(component(all[i].Config, "exporters")[name], "endpoint").(string)
			if endpoint != "" && !strings.Contains(endpoint, "://") {
				endpoint = "http://" + endpoint
			}
			add(p.collectorAt(targetOf(endpoint, all[i].CR.Namespace)))
		}
	}
	return all
}

// collector is what is wrong with one.
func (p *Picture) collector(c *Collector) []Finding {
	namespace, object := c.CR.Namespace, p.name("otelcol", c.CR.Namespace, c.CR.Name)
	if c.Err != "" {
		return []Finding{bad(CollectorUnusable, object, c.Err, p.tools.kubectl("edit", "-n", namespace, "otelcol/"+c.CR.Name))}
	}
	all := p.configuration(c, object)
	if c.AccountMeta == nil && c.CR.Spec.ServiceAccount != "" {
		all = append(all, bad(AccountMissing, object, fmt.Sprintf("its service account %s does not exist, so no pod of it can be made", c.Account),
			p.tools.kubectl("create", "serviceaccount", "-n", namespace, c.Account)))
	}
	for _, name := range c.NoSecrets {
		all = append(all, bad(SecretMissing, object, fmt.Sprintf("it names Secret %s, which does not exist", name),
			p.tools.kubectl("create", "secret", "generic", "-n", namespace, name, "--from-literal=KEY=VALUE")))
	}
	all = append(all, p.google(c, object)...)
	// Why it is not ready is said above, where it is known.
	if c.Trouble != "" && !slices.ContainsFunc(all, func(f Finding) bool {
		return f.Code == AccountMissing || f.Code == SecretMissing || f.Code == CollectorUnusable
	}) {
		all = append(all, bad(CollectorNotReady, object, "is not ready: "+c.Trouble, p.lookAt(namespace, "otelcol/"+c.CR.Name, c.Pod)))
	}
	return all
}

// maxShown is how many findings of one configuration are told.
const maxShown = 3

// configuration is what migration found in one.
func (p *Picture) configuration(c *Collector, object string) []Finding {
	var all []Finding
	var old, warnings []string
	edit := p.tools.kubectl("edit", "-n", c.CR.Namespace, "otelcol/"+c.CR.Name)
	for _, f := range c.Plan.Findings {
		text := strings.Join(f.Path, ".") + ": " + strings.TrimPrefix(strings.TrimPrefix(f.Text(), "warning: "), "error: ")
		switch f.Severity {
		case migrate.Error:
			all = append(all, bad(CollectorUnusable, object, text, edit))
		case migrate.Warning:
			warnings = append(warnings, text)
		default:
			old = append(old, text)
		}
	}
	if len(warnings) > 0 {
		all = append(all, odd(OddConfiguration, object, "its configuration may not do what was meant: "+shown(warnings), edit))
	}
	if len(old) > 0 {
		all = append(all, odd(OldConfiguration, object, "runs with an old configuration in today's form: "+shown(old),
			p.tools.kubectl("get", "-n", c.CR.Namespace, "otelcol/"+c.CR.Name, "-o", "yaml")+" | signalbox migrate - | "+p.tools.kubectl("replace", "-f", "-")))
	}
	return all
}

// shown are the first of some texts.
func shown(all []string) string {
	if more := len(all) - maxShown; more > 0 {
		all = append(all[:maxShown:maxShown], fmt.Sprintf("and %d more", more))
	}
	return strings.Join(all, "; ")
}

// googleAccount is the annotation by which a service account is one of Google.
const googleAccount = "iam.gke.io/gcp-service-account"

// google is what a collector misses that sends to Google Cloud.
func (p *Picture) google(c *Collector, object string) []Finding {
	var exporters []string
	project := "PROJECT"
	for name, body := range component(c.Config, "exporters") {
		if slices.Contains([]string{"googlecloud", "googlemanagedprometheus", "stackdriver"}, typeOf(name)) && c.uses(name) {
			exporters = append(exporters, name)
			if v, _ := at(body, "project").(string); v != "" && !strings.Contains(v, "$") {
				project = v
			}
		}
	}
	if len(exporters) == 0 || c.AccountMeta == nil || c.AccountMeta.Annotations[googleAccount] != "" {
		return nil
	}
	for _, v := range c.CR.Spec.Env {
		if v.Name == "GOOGLE_APPLICATION_CREDENTIALS" {
			return nil
		}
	}
	slices.Sort(exporters)
	return []Finding{odd(GoogleCredentials, object,
		fmt.Sprintf("%s sends to Google Cloud as service account %s, which is no account of Google (annotation %s); without one data is held back until it is full, unless the node's account may write", strings.Join(exporters, ", "), c.Account, googleAccount),
		p.tools.kubectl("annotate", "serviceaccount", "-n", c.CR.Namespace, c.Account, googleAccount+"=ACCOUNT@"+project+".iam.gserviceaccount.com"))}
}

func collectorsFine(p *Picture) string {
	switch n := len(p.concerned()); n {
	case 0:
		return ""
	case 1:
		return "1 collector is ready"
	default:
		return count(n, "collector") + " are ready"
	}
}

func store(p *Picture) []Finding {
	s := p.Store
	if s == nil || s.Trouble == "" {
		return nil
	}
	object := "statefulset/" + s.Name
	return []Finding{bad(StoreNotReady, p.name("statefulset", s.Namespace, s.Name), "the store is not ready: "+s.Trouble, p.lookAt(s.Namespace, object, s.Pod))}
}

func storeFine(p *Picture) string {
	if p.Store == nil {
		return ""
	}
	return fmt.Sprintf("statefulset/%s of namespace %s is ready", p.Store.Name, p.Store.Namespace)
}

// component are the components of a section of a configuration.
func component(config map[string]any, section string) map[string]map[string]any {
	all := map[string]map[string]any{}
	components, _ := config[section].(map[string]any)
	for name, body := range components {
		all[name], _ = body.(map[string]any)
	}
	return all
}

// at is what is below keys, nil when nothing is.
func at(v any, keys ...string) any {
	for _, k := range keys {
		m, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		v = m[k]
	}
	return v
}

// texts are the texts of a list.
func texts(v any) []string {
	var all []string
	list, _ := v.([]any)
	for _, e := range list {
		if s, ok := e.(string); ok {
			all = append(all, s)
		}
	}
	return all
}

func typeOf(component string) string {
	kind, _, _ := strings.Cut(component, "/")
	return kind
}

// uses reports whether a component is in a pipeline.
func (c *Collector) uses(name string) bool {
	pipelines, _ := at(c.Config, "service", "pipelines").(map[string]any)
	for _, p := range pipelines {
		for _, section := range []string{"receivers", "processors", "exporters"} {
			if slices.Contains(texts(at(p, section)), name) {
				return true
			}
		}
	}
	return false
}

// otlpPort is the port at which a collector takes OTLP by a protocol, "grpc" or
// "http"; "" when it does not.
func (c *Collector) otlpPort(protocol string) string {
	for _, name := range sortedKeys(component(c.Config, "receivers")) {
		if typeOf(name) != "otlp" || !c.uses(name) {
			continue
		}
		protocols, _ := at(component(c.Config, "receivers")[name], "protocols").(map[string]any)
		body, ok := protocols[protocol]
		if !ok {
			continue
		}
		endpoint, _ := at(body, "endpoint").(string)
		_, port, _ := cutLast(endpoint, ":")
		return cmp.Or(port, customary[protocol])
	}
	return ""
}

// customary are the ports of OTLP.
var customary = map[string]string{"grpc": "4317", "http": "4318"}

// cutLast cuts at the last separator.
func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}
