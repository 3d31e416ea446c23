package queryextension

import (
	"cmp"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"

	"go.opentelemetry.io/collector/confmap"

	"github.com/signalbox-otel/signalbox/internal/server"
)

// datagrams are the protocols of receivers that come over UDP without saying so
// under the key transport.
var datagrams = []string{"thrift_compact", "thrift_binary"}

// listenersOf lists where the receivers in use listen, in the order of their
// names.
func listenersOf(conf *confmap.Conf, pipelines []server.Pipeline) []server.Listener {
	var found []server.Listener
	all, _ := conf.Get("receivers").(map[string]any)
	for name, r := range all {
		if !slices.ContainsFunc(pipelines, func(p server.Pipeline) bool { return slices.Contains(p.Receivers, name) }) {
			continue
		}
		r, _ := r.(map[string]any)
		if l, ok := listenerOf(name, "", r); ok {
			found = append(found, l)
		}
		protocols, _ := r["protocols"].(map[string]any)
		for protocol, p := range protocols {
			p, _ := p.(map[string]any)
			if l, ok := listenerOf(name, protocol, p); ok {
				found = append(found, l)
			}
		}
	}
	slices.SortFunc(found, func(a, b server.Listener) int {
		return cmp.Or(cmp.Compare(a.Receiver, b.Receiver), cmp.Compare(a.Protocol, b.Protocol))
	})
	return found
}

// listenerOf reads one listener from the keys that all receivers' servers have.
func listenerOf(receiver, protocol string, c map[string]any) (server.Listener, bool) {
	address, _ := c["endpoint"].(string)
	if address == "" {
		return server.Listener{}, false
	}
	l := server.Listener{Receiver: receiver, Protocol: protocol, Address: address, Network: "tcp"}
	// The transport is a string of a type of its own.
	if strings.HasPrefix(fmt.Sprint(c["transport"]), "udp") || slices.Contains(datagrams, protocol) {
		l.Network = "udp"
	}
	if tls, ok := c["tls"].(map[string]any); ok {
		l.TLS = true
		client, _ := tls["client_ca_file"].(string)
		l.Certificates = client != ""
	}
	if auth, ok := c["auth"].(map[string]any); ok {
		l.Auth = fmt.Sprint(auth["authenticator"])
	}
	for signal, usual := range map[string]string{"traces": "/v1/traces", "metrics": "/v1/metrics", "logs": "/v1/logs"} {
		if path, ok := c[signal+"_url_path"].(string); ok && path != usual {
			if l.Paths == nil {
				l.Paths = map[string]string{}
			}
			l.Paths[signal] = path
		}
	}
	return l, true
}

// exitsOf lists where the exporters in use send to, in the order of their names.
// Connectors are none.
func exitsOf(conf *confmap.Conf, pipelines []server.Pipeline) []server.Exit {
	var found []server.Exit
	all, _ := conf.Get("exporters").(map[string]any)
	for name, e := range all {
		if !slices.ContainsFunc(pipelines, func(p server.Pipeline) bool { return slices.Contains(p.Exporters, name) }) {
			continue
		}
		e, _ := e.(map[string]any)
		endpoint, _ := e["endpoint"].(string)
		tls, _ := e["tls"].(map[string]any)
		queue, _ := e["sending_queue"].(map[string]any)
		found = append(found, server.Exit{
			Exporter: name,
			Endpoint: withoutUser(endpoint),
			Insecure: tls["insecure"] == true || strings.HasPrefix(endpoint, "http://"),
			Queue:    queue != nil && queue["enabled"] != false,
		})
	}
	slices.SortFunc(found, func(a, b server.Exit) int { return cmp.Compare(a.Exporter, b.Exporter) })
	return found
}

// withoutUser is an endpoint without what its owner keeps to himself: user,
// password, and parameters.
func withoutUser(endpoint string) string {
	u, err := url.Parse(endpoint)
	if err != nil || u.Host == "" {
		if at := strings.LastIndex(endpoint, "@"); at >= 0 {
			return endpoint[at+1:]
		}
		return endpoint
	}
	u.User, u.RawQuery, u.Fragment = nil, "", ""
	return u.String()
}

// telemetryOf is the address of the first reader that serves the collector's own
// metrics to Prometheus.
func telemetryOf(conf *confmap.Conf) string {
	if level, _ := conf.Get("service::telemetry::metrics::level").(string); strings.EqualFold(level, "none") {
		return ""
	}
	readers, _ := conf.Get("service::telemetry::metrics::readers").([]any)
	for _, r := range readers {
		pull, _ := r.(map[string]any)
		prometheus, err := confmap.NewFromStringMap(pull).Sub("pull::exporter::prometheus")
		if err != nil || !prometheus.IsSet("port") {
			continue
		}
		host, _ := prometheus.Get("host").(string)
		return net.JoinHostPort(host, fmt.Sprint(prometheus.Get("port")))
	}
	return ""
}
