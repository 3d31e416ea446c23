package render

import (
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// allInterfaces is where a collector in a pod listens when it is not told.
const allInterfaces = "0.0.0.0"

// telemetryPort is where collectors serve their own metrics.
const telemetryPort = 8888

// complete writes the defaults that make a collector reachable in a pod into
// what the configuration uses. It never changes a value that is there.
func complete(root map[string]any, plan *Plan) {
	for _, r := range used(root, "receivers") {
		for _, l := range listeners[r.typ] {
			switch {
			case l.port == 0:
			case l.protocol == "":
				listen(object(root["receivers"]), r.id, l.port)
			default:
				if protocols := object(r.body["protocols"]); has(protocols, l.protocol) {
					listen(protocols, l.protocol, l.port)
				}
			}
		}
	}
	for _, e := range used(root, "exporters") {
		if e.typ == "prometheus" && listen(object(root["exporters"]), e.id, prometheusPort) {
			plan.warn("exporter-port", "no endpoint is given; it serves at port 8889, because 8888 has the collector's own metrics", "spec", "config", "exporters", e.id)
		}
	}
	for _, e := range extensions(root) {
		switch e.typ {
		case "health_check":
			if listen(object(root["extensions"]), e.id, healthPort) {
				if body := object(object(root["extensions"])[e.id]); body["path"] == nil {
					body["path"] = "/"
				}
			}
		case "jaeger_query":
			body := ensure(object(root["extensions"]), e.id)
			listen(body, "http", queryPort)
			if grpc := object(body["grpc"]); grpc != nil {
				hosted(grpc)
			}
		}
	}
}

// completeTelemetry lets the collector serve its own metrics where it is not
// told how to.
func completeTelemetry(root map[string]any) {
	metrics := ensure(ensure(ensure(root, "service"), "telemetry"), "metrics")
	if metrics != nil && metrics["readers"] == nil && metrics["address"] == nil && metrics["level"] != "none" {
		metrics["readers"] = []any{map[string]any{"pull": map[string]any{"exporter": map[string]any{"prometheus": map[string]any{"host": allInterfaces, "port": telemetryPort}}}}}
	}
}

// servesMetrics reports whether an image is of a release that serves its metrics
// on all interfaces by itself, and may not know readers: one before 0.111.
func servesMetrics(image string) bool {
	n, ok := release(imageVersion(image))
	return image != "" && ok && n < 111
}

// ensure is the mapping below a key, made where there is nothing; nil where
// something else stands.
func ensure(m map[string]any, key string) map[string]any {
	if m == nil {
		return nil
	}
	if m[key] == nil {
		m[key] = map[string]any{}
	}
	return object(m[key])
}

func has(m map[string]any, key string) bool {
	_, ok := m[key]
	return ok
}

// elsewhere are keys by which a component says where it listens, other than by
// an endpoint.
var elsewhere = []string{"listen_address", "port", "transport", "http", "grpc", "use_v2"}

// listen gives the server below a key of m its default endpoint, and reports
// whether it had none.
func listen(m map[string]any, key string, port int32) bool {
	body := ensure(m, key)
	if body == nil {
		return false
	}
	if text, _ := body["endpoint"].(string); text != "" {
		hosted(body)
		return false
	}
	if slices.ContainsFunc(elsewhere, func(other string) bool { return has(body, other) }) {
		return false
	}
	body["endpoint"] = net.JoinHostPort(allInterfaces, strconv.Itoa(int(port)))
	return true
}

// hosted completes an endpoint that is a port alone.
func hosted(body map[string]any) {
	if text, _ := body["endpoint"].(string); strings.HasPrefix(text, ":") {
		if _, port, ok := endpoint(text); ok {
			body["endpoint"] = net.JoinHostPort(allInterfaces, strconv.Itoa(int(port)))
		}
	}
}

// hostPort is host:port, where the host may be a name, an address in brackets,
// a variable or nothing.
var hostPort = regexp.MustCompile(`^(\[[^\]]*\]|(?:\$\{[^}]*\}|[^:$\[\]/])*):(\d{1,5})$`)

// endpoint takes host and port out of an endpoint; ok is false for what is no
// such thing, as a variable or the path of a socket.
func endpoint(text string) (host string, port int32, ok bool) {
	parts := hostPort.FindStringSubmatch(strings.TrimSpace(text))
	if parts == nil {
		return "", 0, false
	}
	n, err := strconv.Atoi(parts[2])
	if err != nil || n < 1 || n > 65535 {
		return "", 0, false
	}
	return strings.Trim(parts[1], "[]"), int32(n), true
}

// ownMetrics is the port at which a collector serves its own metrics; 0 when it
// does not.
func ownMetrics(root map[string]any, plan *Plan) int32 {
	metrics := object(at(root, "service", "telemetry", "metrics"))
	if metrics["level"] == "none" {
		return 0
	}
	path := []string{"spec", "config", "service", "telemetry", "metrics"}
	if metrics["readers"] == nil {
		address, _ := metrics["address"].(string)
		_, last := cutLast(address, ":")
		if n, err := strconv.Atoi(last); err == nil && n > 0 && n <= 65535 {
			return int32(n)
		}
		if strings.Contains(last, "$") || strings.HasSuffix(address, "}") {
			plan.warn("telemetry-port", "the port is a variable, which is not known here: 8888 is taken for it", append(path, "address")...)
		}
		return telemetryPort
	}
	for _, r := range list(metrics["readers"]) {
		server, ok := object(at(object(r), "pull", "exporter"))["prometheus"]
		if !ok {
			continue
		}
		switch port := object(server)["port"].(type) {
		case nil:
			return telemetryPort
		case int:
			return int32(port)
		case int64:
			return int32(port)
		case float64:
			return int32(port)
		case string:
			if n, err := strconv.Atoi(port); err == nil && n > 0 && n <= 65535 {
				return int32(n)
			}
			plan.warn("telemetry-port", "the port is a variable, which is not known here: 8888 is taken for it", append(path, "readers")...)
			return telemetryPort
		}
	}
	return 0
}
