package render

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/signalbox-otel/signalbox/api/v1beta1"
)

// port is a port of a collector, a target allocator or a bridge.
type port struct {
	name     string
	number   int32
	protocol corev1.Protocol
	app      string
	target   intstr.IntOrString // in the pod; unset when it is the same
	node     int32              // on every node, for Services of that type
	host     int32              // on the pod's node
}

// container is the number in the pod.
func (p port) container() int32 {
	if p.target.Type == intstr.Int && p.target.IntVal > 0 {
		return p.target.IntVal
	}
	return p.number
}

// receiverPorts are the ports at which receivers listen, in the order of ids.
func (c *config) receiverPorts(plan *Plan) []port {
	var all []port
	for _, r := range used(c.today, "receivers") {
		if r.typ == "prometheus" {
			if isTrue(at(r.body, "api_server", "enabled")) {
				all = append(all, c.listens(plan, r, "receivers", object(at(r.body, "api_server", "server_config")), unknown[0], r.id)...)
			}
			continue
		}
		servers, known := listeners[r.typ]
		if !known {
			servers = unknown
		}
		for _, s := range servers {
			if s.protocol == "" {
				all = append(all, c.listens(plan, r, "receivers", r.body, s, r.id)...)
			} else if protocols := object(r.body["protocols"]); has(protocols, s.protocol) {
				all = append(all, c.listens(plan, r, "receivers", object(protocols[s.protocol]), s, r.id+"-"+s.protocol)...)
			}
		}
	}
	return all
}

// exporterPorts are the ports at which exporters are scraped.
func (c *config) exporterPorts(plan *Plan) []port {
	var all []port
	for _, e := range used(c.today, "exporters") {
		if e.typ == "prometheus" {
			all = append(all, c.listens(plan, e, "exporters", e.body, listener{port: prometheusPort, transport: corev1.ProtocolTCP}, e.id)...)
		}
	}
	return all
}

// extensionPorts are the ports at which extensions listen.
func (c *config) extensionPorts(plan *Plan) []port {
	var all []port
	for _, e := range extensions(c.today) {
		switch e.typ {
		case "health_check":
			all = append(all, c.listens(plan, e, "extensions", e.body, listener{port: healthPort, transport: corev1.ProtocolTCP}, e.id)...)
		case "jaeger_query":
			first := c.listens(plan, e, "extensions", object(e.body["http"]), listener{port: queryPort, transport: corev1.ProtocolTCP}, e.id)
			all = append(all, first...)
			if grpc := object(e.body["grpc"]); grpc["endpoint"] != nil {
				for _, p := range c.listens(plan, e, "extensions", grpc, listener{transport: corev1.ProtocolTCP}, e.id+"-2") {
					if len(first) == 0 || p.number != first[0].number {
						all = append(all, p)
					}
				}
			}
		}
	}
	return all
}

// listens is the port of a server with these settings; none when they name a
// place that is no port, or none is known.
func (c *config) listens(plan *Plan, in component, section string, settings map[string]any, l listener, id string) []port {
	transport, _ := settings["transport"].(string)
	switch {
	case strings.HasPrefix(transport, "tcp"):
		l.transport = corev1.ProtocolTCP
	case strings.HasPrefix(transport, "udp"):
		l.transport = corev1.ProtocolUDP
	case strings.HasPrefix(transport, "unix"):
		return nil
	}
	number := l.port
	for _, key := range []string{"endpoint", "listen_address"} {
		text, _ := settings[key].(string)
		if text == "" {
			continue
		}
		host, n, ok := endpoint(text)
		switch {
		case ok:
			number = n
		case l.port == 0 && len(listeners[in.typ]) == 0:
			return nil // an address to fetch from, for all that is known
		default:
			if !strings.Contains(text, "/") {
				plan.warn("port-unknown", fmt.Sprintf("%s %q does not say its port, so neither Service nor container has one for it: add it to spec.ports", key, text), "spec", "config", section, in.id)
			}
			return nil
		}
		if host == "localhost" || host == "127.0.0.1" || host == "::1" {
			plan.warn("local-endpoint", fmt.Sprintf("listens on %s, which nothing outside the pod reaches: use 0.0.0.0:%d", text, n), "spec", "config", section, in.id)
		}
		break
	}
	if number == 0 {
		return nil
	}
	return []port{{name: portName(id, number), number: number, protocol: l.transport, app: l.app}}
}

// portName is a component's id as the name of a port.
func portName(id string, number int32) string {
	text := strings.Map(func(r rune) rune {
		if alphanumeric(r) {
			return r
		}
		return '-'
	}, id)
	text = strings.ToLower(text)
	if len(validation.IsValidPortName(text)) > 0 {
		return numbered(number)
	}
	return text
}

func numbered(number int32) string { return "port-" + strconv.Itoa(int(number)) }

// written are the ports that a resource lists. Of two with one name, the later
// is named by its number.
func written(ports []v1beta1.Port) []port {
	var all []port
	names := map[string]bool{}
	for _, p := range ports {
		own := port{
			name: p.Name, number: p.Port, protocol: p.Protocol, target: p.TargetPort, node: p.NodePort, host: p.HostPort,
		}
		if p.AppProtocol != nil {
			own.app = *p.AppProtocol
		}
		if own.name == "" || names[own.name] {
			own.name = numbered(own.number)
		}
		names[own.name] = true
		all = append(all, own)
	}
	return all
}

// joined are the ports that a resource lists and those that were inferred,
// sorted by name. What is listed wins.
func joined(listed, inferred []port, plan *Plan) []port {
	all := slices.Clone(listed)
	names := map[string]bool{}
	for _, p := range all {
		names[p.name] = true
	}
	for _, p := range inferred {
		i := slices.IndexFunc(all, func(o port) bool { return o.number == p.number && o.protocol == p.protocol })
		if i >= 0 {
			if i >= len(listed) && all[i].name != p.name {
				plan.warn("port-clash", fmt.Sprintf("%s and %s both want port %d/%s", all[i].name, p.name, p.number, p.protocol), "spec", "config")
			}
			continue
		}
		if names[p.name] {
			p.name = numbered(p.number)
		}
		if names[p.name] {
			continue
		}
		names[p.name] = true
		all = append(all, p)
	}
	slices.SortStableFunc(all, func(a, b port) int { return cmp.Compare(a.name, b.name) })
	return all
}
