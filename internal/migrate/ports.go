package migrate

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// workload is a workload whose pods run one collector each, with what is known
// of it.
type workload struct {
	object
	configs []migrated
	labels  map[string]string
}

// collectors are the workloads that run a collector and nothing else, with the
// configurations that they mount.
func (m *manifest) collectors() []workload {
	var all []workload
	for _, o := range m.objects {
		collectors, others := o.containers()
		if len(collectors) == 0 || len(others) > 0 {
			continue
		}
		w := workload{object: o, labels: map[string]string{}}
		for _, kv := range pairs(at(o.template(), "metadata", "labels")) {
			w.labels[kv.key.Value] = text(kv.value)
		}
		for _, v := range list(at(o.template(), "spec", "volumes")) {
			name := text(at(v, "configMap", "name"))
			for _, c := range m.configs {
				if name != "" && c.in.kind() == "ConfigMap" && c.in.name() == name && c.in.namespace() == o.namespace() {
					w.configs = append(w.configs, c)
				}
			}
		}
		all = append(all, w)
	}
	return all
}

// ports are the ports at which the workload's collector listens, and who does;
// none when its configuration is not known.
func (w workload) ports() map[string]string {
	ports := map[string]string{}
	for _, c := range w.configs {
		maps.Copy(ports, listeners(c.root))
	}
	return ports
}

// listeners are the ports at which a configuration listens, and which component
// does.
func listeners(root *yaml.Node) map[string]string {
	p := &pass{root: root}
	ports := map[string]string{}
	for _, l := range listening {
		for _, c := range p.parts(l.section, l.typ) {
			body := c.body
			if l.path != nil {
				var k *yaml.Node
				if k, body = get(at(c.body, l.path[0]), l.path[1]); k == nil {
					continue
				}
			}
			port := l.port
			if endpoint := text(at(body, "endpoint")); endpoint != "" {
				port = portOf(endpoint)
			}
			ports[port] = c.id
		}
	}
	for _, c := range slices.Concat(p.parts("receivers"), p.parts("extensions"), p.parts("exporters", "prometheus")) {
		for _, key := range []string{"endpoint", "listen_address"} {
			if port := portOf(text(at(c.body, key))); port != "" {
				ports[port] = c.id
			}
		}
	}
	for _, c := range p.parts("extensions", "zpages") {
		if at(c.body, "endpoint") == nil {
			ports["55679"] = c.id
		}
	}
	metrics := at(root, "service", "telemetry", "metrics")
	for _, r := range list(at(metrics, "readers")) {
		ports[text(at(r, "pull", "exporter", "prometheus", "port"))] = "its own metrics"
	}
	if at(metrics, "readers") == nil && text(at(metrics, "level")) != "none" {
		ports["8888"] = "its own metrics"
	}
	return ports
}

// portMismatch looks for Services and annotations that point at a port of a
// collector at which nothing listens.
func portMismatch(m *manifest) {
	for _, w := range m.collectors() {
		ports := w.ports()
		if len(ports) == 0 || slices.ContainsFunc(slices.Collect(maps.Keys(ports)), func(p string) bool { return strings.Contains(p, "$") }) {
			continue
		}
		check := func(where *yaml.Node, path []string, port string) {
			if _, err := strconv.Atoi(port); err != nil || ports[port] != "" {
				return
			}
			m.found(where, Warning, path, port, "", fmt.Sprintf("nothing in the configuration of %s listens on %s; it listens on %s", w, port, strings.Join(listened(ports), ", ")))
		}
		for _, kv := range pairs(at(w.template(), "metadata", "annotations")) {
			if kv.key.Value == "prometheus.io/port" {
				check(kv.key, w.path("prometheus.io/port"), text(kv.value))
			}
		}
		for _, s := range m.objects {
			if s.kind() != "Service" || s.namespace() != w.namespace() || !w.selectedBy(at(s.node, "spec", "selector")) {
				continue
			}
			for i, p := range list(at(s.node, "spec", "ports")) {
				check(p, s.path("spec", "ports", strconv.Itoa(i)), w.target(p))
			}
		}
	}
}

// selectedBy reports whether a selector of a Service means the pods.
func (w workload) selectedBy(selector *yaml.Node) bool {
	labels := pairs(selector)
	return len(labels) > 0 && !slices.ContainsFunc(labels, func(kv pair) bool { return w.labels[kv.key.Value] != text(kv.value) })
}

// target is the number of the port that a port of a Service leads to.
func (w workload) target(port *yaml.Node) string {
	target := text(at(port, "targetPort"))
	if target == "" {
		return text(at(port, "port"))
	}
	collectors, _ := w.containers()
	for _, c := range collectors {
		for _, p := range list(at(c.node, "ports")) {
			if text(at(p, "name")) == target {
				return text(at(p, "containerPort"))
			}
		}
	}
	return target
}

// listened lists ports with who listens there.
func listened(ports map[string]string) []string {
	var all []string
	for port, who := range ports {
		all = append(all, port+" ("+who+")")
	}
	slices.Sort(all)
	return all
}

// legacyPortInDocuments looks for the old ports of OTLP that are opened and
// where nothing listens.
func legacyPortInDocuments(m *manifest) {
	listening := map[string]bool{}
	for _, c := range m.configs {
		for port := range listeners(c.root) {
			listening[port] = true
		}
	}
	check := func(where *yaml.Node, path []string, port string) {
		if now, old := legacyPorts[port]; old && !listening[port] {
			m.found(where, Warning, path, port, "", "port "+port+" is an old port of OTLP at which nothing listens: programs send to "+now+" now, and the receiver otlp listens there")
		}
	}
	for _, o := range m.objects {
		if o.kind() == "Service" {
			for i, p := range list(at(o.node, "spec", "ports")) {
				check(p, o.path("spec", "ports", strconv.Itoa(i)), text(at(p, "port")))
			}
		}
		collectors, _ := o.containers()
		for _, c := range collectors {
			for i, p := range list(at(c.node, "ports")) {
				check(p, append(slices.Clone(c.path), "ports", strconv.Itoa(i)), text(at(p, "containerPort")))
			}
		}
	}
}
