package collector

import (
	"cmp"
	"fmt"
	"net"
	"reflect"
	"slices"
	"strconv"
	"strings"

	jaeger "github.com/open-telemetry/opentelemetry-collector-contrib/receiver/jaegerreceiver"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/config/confignet"
	"go.opentelemetry.io/collector/config/configtelemetry"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/otelcol"
	"go.opentelemetry.io/collector/service/telemetry/otelconftelemetry"
)

// listener is a place where a configuration listens.
type listener struct {
	path    []string
	network string // "tcp" or "udp"
	host    string // allInterfaces, or somewhere when only the environment knows
	port    int
}

// What hosts are called that are no single address.
const (
	allInterfaces = ""
	somewhere     = "?"
)

// who is the listener, for people.
func (l listener) who() string {
	if l.path[0] == "service" {
		return "the collector itself, with its metrics"
	}
	return strings.TrimSuffix(l.path[0], "s") + " " + strconv.Quote(l.path[1])
}

// clashes reports whether only one of two can listen.
func (l listener) clashes(o listener) bool {
	return l.network == o.network && l.port == o.port &&
		(l.host == allInterfaces || o.host == allInterfaces || l.host == o.host && l.host != somewhere)
}

// checkListeners looks for components that run and listen at the same port.
func (d *decoder) checkListeners(cfg *otelcol.Config) {
	all := d.listeners(cfg)
	slices.SortFunc(all, func(a, b listener) int {
		return cmp.Or(cmp.Compare(a.port, b.port), slices.Compare(a.path, b.path))
	})
	for i, l := range all {
		for j := i - 1; j >= 0 && all[j].port == l.port; j-- {
			if o := all[j]; l.clashes(o) {
				d.add("port-clash", l.path, fmt.Sprintf("port %d is taken by %s, at %s", l.port, o.who(), strings.Join(o.path, confmap.KeyDelimiter)))
				break
			}
		}
	}
}

// listeners are the places where the components that run listen, as far as they
// can be known.
func (d *decoder) listeners(cfg *otelcol.Config) []listener {
	running := map[string]map[component.ID]bool{"receivers": {}, "exporters": {}, "extensions": {}}
	for _, p := range cfg.Service.Pipelines {
		if p == nil {
			continue
		}
		for _, id := range p.Receivers {
			running["receivers"][id] = true
		}
		for _, id := range p.Exporters {
			running["exporters"][id] = id.Type().String() == "prometheus" // others send
		}
	}
	for _, id := range cfg.Service.Extensions {
		running["extensions"][id] = true
	}
	all := d.ownListeners(cfg)
	for section, configs := range components(cfg) {
		for id, c := range configs {
			if running[section][id] {
				all = d.servers(reflect.ValueOf(c), []string{section, id.String()}, all)
			}
		}
	}
	return all
}

// ownListeners are the places where the collector serves its own metrics.
func (d *decoder) ownListeners(cfg *otelcol.Config) []listener {
	telemetry, ok := cfg.Service.Telemetry.(*otelconftelemetry.Config)
	if !ok || d.broken["service"] || telemetry.Metrics.Level == configtelemetry.LevelNone {
		return nil
	}
	var all []listener
	for i, r := range telemetry.Metrics.Readers {
		if r.Pull == nil || r.Pull.Exporter.Prometheus == nil || r.Pull.Exporter.Prometheus.Port == nil {
			continue
		}
		path := []string{"service", "telemetry", "metrics", "readers", strconv.Itoa(i), "pull", "exporter", "prometheus"}
		if d.unknown(append(path, "port")...) {
			continue
		}
		l := listener{path: path, network: "tcp", port: *r.Pull.Exporter.Prometheus.Port}
		if h := r.Pull.Exporter.Prometheus.Host; h != nil {
			l.host = host(*h)
		}
		if d.unknown(append(path, "host")...) {
			l.host = somewhere
		}
		all = append(all, l)
	}
	return all
}

// servers looks for servers in the configuration of a component, which stands
// at path.
func (d *decoder) servers(v reflect.Value, path []string, to []listener) []listener {
	for v.Kind() == reflect.Pointer || v.Kind() == reflect.Interface {
		if v.IsNil() {
			return to
		}
		v = v.Elem()
	}
	if v.Kind() != reflect.Struct || !v.CanAddr() || len(path) > maxDepth {
		return to
	}
	switch s := v.Addr().Interface().(type) {
	case *confignet.AddrConfig:
		return d.server(string(s.Transport), s.Endpoint, path, to)
	case *confignet.TCPAddrConfig:
		return d.server("tcp", s.Endpoint, path, to)
	case *jaeger.ProtocolUDP:
		return d.server("udp", s.Endpoint, path, to)
	case interface{ HasValue() bool }: // a part that can be absent
		if !s.HasValue() {
			return to
		}
		return d.servers(v.Addr().MethodByName("Get").Call(nil)[0], path, to)
	}
	if enabled := v.FieldByName("Enabled"); enabled.IsValid() && enabled.Kind() == reflect.Bool && !enabled.Bool() {
		return to
	}
	for i := range v.NumField() {
		field := v.Type().Field(i)
		if !field.IsExported() {
			continue
		}
		name, _, _ := strings.Cut(field.Tag.Get(confmap.MapstructureTag), ",")
		below := path
		if name != "" {
			below = append(path[:len(path):len(path)], name)
		}
		to = d.servers(v.Field(i), below, to)
	}
	return to
}

// server adds a server with the endpoint at path.
func (d *decoder) server(network, endpoint string, path []string, to []listener) []listener {
	if m, ok := d.inTree(append(path[:len(path):len(path)], "endpoint")...).(mark); ok {
		endpoint = string(m)
	}
	colon := strings.LastIndexByte(endpoint, ':')
	port, err := strconv.Atoi(endpoint[colon+1:])
	if colon < 0 || err != nil || port <= 0 || strings.HasPrefix(network, "unix") {
		return to
	}
	l := listener{path: append(path[:len(path):len(path)], "endpoint"), network: "tcp", host: host(endpoint[:colon]), port: port}
	if strings.HasPrefix(network, "udp") {
		l.network = "udp"
	}
	if _, unknown := expand(endpoint).(mark); unknown {
		l.host = somewhere
	}
	return append(to, l)
}

// host is the host of an endpoint, one text for each address.
func host(text string) string {
	text = strings.Trim(text, "[]")
	ip := net.ParseIP(text)
	switch {
	case ip == nil:
		return text
	case ip.IsUnspecified():
		return allInterfaces
	case text == "127.0.0.1" || text == "::1":
		return "localhost"
	}
	return ip.String()
}
