package migrate

import (
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// telemetryRules are about what the collector says about itself.
var telemetryRules = []Rule{
	{
		ID: "metrics-address", Group: groupTelemetry, Severity: Changed, Since: "0.123",
		Old: "`service.telemetry.metrics.address`", New: "`readers` with a Prometheus exporter at that host and port; without a host `0.0.0.0`. Readers that are there already win",
		Why:   "metrics of the collector leave through readers, of which there may be several",
		apply: metricsAddress,
	},
}

func metricsAddress(p *pass) {
	path := []string{"service", "telemetry", "metrics"}
	metrics := mapping(at(p.root, path...))
	k, v := get(metrics, "address")
	if k == nil {
		return
	}
	path = append(path, "address")
	old := text(v)
	drop := func(why string) {
		remove(metrics, k)
		p.say(k, Ignored, path, "address: "+short(v), "", why)
	}
	if rk, readers := get(metrics, "readers"); readers != nil {
		if !null(readers) {
			drop("readers are configured, and say where the metrics go")
			return
		}
		remove(metrics, rk)
	}
	if old == "" {
		drop("it is empty")
		return
	}
	host, port, ok := splitAddress(p.expand(old))
	switch {
	case !ok && strings.Contains(old, "${"):
		p.say(k, Warning, path, old, "", "the variable holds host and port in one: it is split when the collector starts, other collectors need 'readers' with both apart")
		return
	case !ok:
		p.say(k, Error, path, old, "", "is no host and port: write readers: [{pull: {exporter: {prometheus: {host: 0.0.0.0, port: 8888}}}}]")
		return
	}
	if k.LineComment == "" {
		k.LineComment = v.LineComment
	}
	k.Value = "readers"
	set(metrics, "readers", promReader(k.Line, host, port))
	p.found(k, path, old, "readers: prometheus at host "+host+", port "+port)
}

// expand puts the value of a variable in for text that is nothing but a
// reference to it, where the environment is known.
func (p *pass) expand(address string) string {
	m := wholeReference.FindStringSubmatch(address)
	if m == nil || p.LookupEnv == nil {
		return address
	}
	name, value, hasDefault := strings.Cut(m[1], ":-")
	if set, ok := p.LookupEnv(name); ok && set != "" || !hasDefault {
		return set
	}
	return value
}

// wholeReference is one reference to an environment variable and nothing else.
var wholeReference = regexp.MustCompile(`^\$\{(?:env:)?([A-Za-z_][A-Za-z0-9_]*(?::-[^{}]*)?)\}$`)

// splitAddress splits host:port, in both of which variables may stand.
func splitAddress(address string) (host, port string, ok bool) {
	i := len(address)
	for depth := 0; i > 0; i-- {
		switch c := address[i-1]; {
		case c == '}':
			depth++
		case c == '{':
			depth--
		case c == ':' && depth == 0:
			host, port = address[:i-1], address[i:]
			if n, err := strconv.Atoi(port); err != nil && !strings.Contains(port, "${") || n < 0 || n > 65535 {
				return "", "", false
			}
			if host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]"); host == "" {
				host = "0.0.0.0"
			}
			if strings.ContainsAny(host, " /") && !strings.Contains(host, "${") {
				return "", "", false
			}
			return host, port, true
		}
	}
	return "", "", false
}

// promReader is the list of readers that answers a Prometheus scrape with the
// names that the collector's metrics have by default.
func promReader(line int, host, port string) *yaml.Node {
	prometheus := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map", Line: line}
	set(prometheus, "host", stringAt(line, host))
	set(prometheus, "port", plain(line, port))
	for _, key := range []string{"without_scope_info", "without_type_suffix", "without_units"} {
		set(prometheus, key, plain(line, "true"))
	}
	reader := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map", Line: line}
	set(section(reader, line, "pull", "exporter"), "prometheus", prometheus)
	return &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq", Line: line, Content: []*yaml.Node{reader}}
}
