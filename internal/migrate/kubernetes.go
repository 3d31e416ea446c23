package migrate

import (
	"errors"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// object is one Kubernetes document.
type object struct{ node *yaml.Node }

// objects are the Kubernetes documents in one of YAML, which may be a List;
// none where it is something else.
func objects(doc *yaml.Node) []object {
	o := object{mapping(doc)}
	if o.node == nil || o.kind() == "" || text(at(o.node, "apiVersion")) == "" {
		return nil
	}
	if !strings.HasSuffix(o.kind(), "List") {
		return []object{o}
	}
	var all []object
	for _, item := range list(at(o.node, "items")) {
		all = append(all, objects(item)...)
	}
	return append(all, o)
}

func (o object) kind() string       { return text(at(o.node, "kind")) }
func (o object) apiVersion() string { return text(at(o.node, "apiVersion")) }
func (o object) name() string       { return text(at(o.node, "metadata", "name")) }
func (o object) namespace() string  { return text(at(o.node, "metadata", "namespace")) }

// String names the object as people do: ConfigMap otel-collector-conf.
func (o object) String() string { return strings.TrimSpace(o.kind() + " " + o.name()) }

// isCollector reports whether the object is an OpenTelemetryCollector.
func (o object) isCollector() bool {
	return o.kind() == "OpenTelemetryCollector" && strings.HasPrefix(o.apiVersion(), "opentelemetry.io/")
}

// looksLikeConfig finds a collector configuration that cannot be parsed.
var looksLikeConfig = regexp.MustCompile(`(?m)^(receivers|exporters|service):`)

// yamlLine is how the YAML parser says where a mistake is.
var yamlLine = regexp.MustCompile(`line \d+`)

// embedded is a collector configuration in an object.
type embedded struct {
	key  string     // of a ConfigMap's data
	node *yaml.Node // a mapping, or a text that holds one
}

func (e embedded) where() string {
	if e.key == "" {
		return ""
	}
	return ", key " + e.key
}

// configs are the collector configurations in the object.
func (o object) configs() []embedded {
	if o.isCollector() {
		if n := follow(at(o.node, "spec", "config")); n != nil && !null(n) {
			return []embedded{{"", n}}
		}
		return nil
	}
	if o.kind() != "ConfigMap" {
		return nil
	}
	var all []embedded
	for _, kv := range pairs(at(o.node, "data")) {
		e := embedded{kv.key.Value, follow(kv.value)}
		if root, err := e.parse(); err == nil && isConfig(root) || err != nil && looksLikeConfig.MatchString(text(kv.value)) {
			all = append(all, e)
		}
	}
	return all
}

// parse returns the configuration as nodes, with the lines of the file where
// that can be told.
func (e embedded) parse() (*yaml.Node, error) {
	if e.node.Kind != yaml.ScalarNode {
		return e.node, nil
	}
	doc := new(yaml.Node)
	if err := yaml.Unmarshal([]byte(e.node.Value), doc); err != nil {
		return nil, errors.New(yamlLine.ReplaceAllStringFunc(err.Error(), func(at string) string {
			n, _ := strconv.Atoi(strings.TrimPrefix(at, "line "))
			return "line " + strconv.Itoa(e.line(n))
		}))
	}
	walk(doc, func(n *yaml.Node) { n.Line = e.line(n.Line) })
	return doc, nil
}

// line is the line of the file on which a line of the embedded text is.
func (e embedded) line(n int) int {
	if n == 0 || e.node.Kind != yaml.ScalarNode {
		return n
	}
	if e.node.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0 {
		return e.node.Line + n
	}
	return e.node.Line
}
