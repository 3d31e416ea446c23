package app

import (
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// listener is one port that `signalbox up` opens.
type listener struct {
	name    string // as people say it
	group   string // what --without leaves out
	network string // tcp or udp
	flag    string
	port    int    // default
	key     string // where the collector configuration has its endpoint; "": in a list
}

// listeners are the ports of all-in-one.yaml.
var listeners = []listener{
	{"page and APIs", "", "tcp", "port", 4316, "extensions::query::endpoint"},
	{"OTLP gRPC", "", "tcp", "otlp-grpc-port", 4317, "receivers::otlp::protocols::grpc::endpoint"},
	{"OTLP HTTP", "", "tcp", "otlp-http-port", 4318, "receivers::otlp::protocols::http::endpoint"},
	{"Jaeger gRPC", "jaeger", "tcp", "jaeger-grpc-port", 14250, "receivers::jaeger::protocols::grpc::endpoint"},
	{"Jaeger HTTP", "jaeger", "tcp", "jaeger-http-port", 14268, "receivers::jaeger::protocols::thrift_http::endpoint"},
	{"Jaeger compact", "jaeger", "udp", "jaeger-compact-port", 6831, "receivers::jaeger::protocols::thrift_compact::endpoint"},
	{"Jaeger binary", "jaeger", "udp", "jaeger-binary-port", 6832, "receivers::jaeger::protocols::thrift_binary::endpoint"},
	{"Zipkin", "zipkin", "tcp", "zipkin-port", 9411, "receivers::zipkin::endpoint"},
	{"own metrics", "", "tcp", "telemetry-port", 4315, ""},
}

// endpoint is a listener and the address that the configuration gives it.
type endpoint struct {
	listener
	address string
}

// checkFree returns an error that names every taken port and the flag that
// moves it. The ports are free again when it returns.
func checkFree(endpoints []endpoint) error {
	var errs []error
	for _, e := range endpoints {
		l, err := listen(e.network, e.address)
		if err == nil {
			defer l.Close()
		}
		switch {
		case err == nil:
		case errors.Is(err, syscall.EADDRINUSE):
			errs = append(errs, fmt.Errorf("port %s (%s, %s) is taken: stop the program that holds it, or choose another port with --%s", portOf(e.address), e.name, e.network, e.flag))
		default:
			errs = append(errs, fmt.Errorf("listening on %s (%s; see --listen and --%s): %w", e.address, e.name, e.flag, err))
		}
	}
	return errors.Join(errs...)
}

// checkTwice returns an error that names every port that flags give to two.
func (s *upSettings) checkTwice() error {
	var errs []error
	given := map[string]listener{} // by network and port
	for _, l := range listeners {
		port := *s.ports[l.flag]
		if port == 0 || slices.Contains(s.without, l.group) {
			continue
		}
		key := fmt.Sprintf("port %d (%s)", port, l.network)
		if other, twice := given[key]; twice {
			errs = append(errs, fmt.Errorf("%s is given to both %s and %s: choose another with --%s or --%s", key, other.name, l.name, other.flag, l.flag))
		}
		given[key] = l
	}
	return errors.Join(errs...)
}

func listen(network, address string) (io.Closer, error) {
	if network == "udp" {
		return net.ListenPacket(network, address)
	}
	return net.Listen(network, address)
}

func portOf(address string) string {
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return address
	}
	return port
}

// groups are the names that --without takes.
func groups() []string {
	var names []string
	for _, l := range listeners {
		if l.group != "" && (len(names) == 0 || names[len(names)-1] != l.group) {
			names = append(names, l.group)
		}
	}
	return names
}

// setPath sets a value in a nested map by a "::" separated key.
func setPath(m map[string]any, key string, value any) {
	parts := strings.Split(key, "::")
	for _, part := range parts[:len(parts)-1] {
		next, ok := m[part].(map[string]any)
		if !ok {
			next = map[string]any{}
			m[part] = next
		}
		m = next
	}
	m[parts[len(parts)-1]] = value
}

func joinPort(host string, port int) string { return net.JoinHostPort(host, strconv.Itoa(port)) }
