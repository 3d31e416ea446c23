package collector

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"

	"go.opentelemetry.io/collector/confmap"
	"go.yaml.in/yaml/v3"

	"github.com/signalbox-otel/signalbox/internal/migrate"
)

// What Check looks at is bounded, as anybody may write it.
const (
	maxDepth      = 50     // mappings and lists in each other
	maxValues     = 50_000 // of all kinds
	maxComponents = 1000   // in one section
	maxPipelines  = 500
	maxFindings   = 100
	maxChecks     = 2 // at a time; others wait, as each may need as much memory
)

// Check says what is wrong with a configuration that another process will run,
// in a pod: all of it at once, sorted by place. It is read by the components of
// this distribution; whether their word counts for the image that will run is
// for the caller to say.
//
// Its time and memory are bounded, whatever conf holds; a check that ctx ends
// says so in a warning. Nothing is built, opened or looked up: a value with references such as
// ${env:HOST} is known only there, and is no mistake whatever it is. conf is
// not changed. What migration changes when the configuration is loaded is among
// the findings.
func Check(ctx context.Context, conf map[string]any) []migrate.Finding {
	factories, err := factoriesOnce()
	if err != nil {
		return []migrate.Finding{mistake("factories", nil, err.Error())}
	}
	select {
	case checks <- struct{}{}:
		defer func() { <-checks }()
	case <-ctx.Done():
		return []migrate.Finding{unchecked(ctx)}
	}
	n := &nodes{left: maxValues}
	root := n.of(conf, nil)
	n.count(root)
	if len(n.findings) > 0 {
		return n.findings[:1]
	}
	found := slices.DeleteFunc(migrate.Config(root, migrate.Options{InPod: true}), func(f migrate.Finding) bool {
		return f.Rule == "pod-endpoint" || f.Rule == "pod-metrics" // what the operator does for pods
	})
	tree, _ := treeOf(root).(map[string]any)
	d := &decoder{
		source:  &source{root, map[*yaml.Node]string{}},
		refused: refusals(found),
		rules:   true,
		body:    body{tree: tree},
	}
	d.findings = slices.Concat(d.unused(found), n.nulls)
	cfg := d.config(ctx, factories)
	if ctx.Err() == nil {
		d.check(cfg, factories)
	} else {
		d.findings = append(d.findings, unchecked(ctx))
	}
	findings := ordered(d.withoutBroken())
	for i := range findings {
		findings[i].Why = short(findings[i].Why)
	}
	if more := len(findings) - maxFindings; more > 0 {
		findings = append(worst(findings)[:maxFindings:maxFindings], mistake("more", nil, fmt.Sprintf("there are %d more findings", more)))
	}
	return findings
}

// All checks of the process share the components, which keep nothing of what
// they decode, and take turns.
var (
	factoriesOnce = sync.OnceValues(Factories)
	checks        = make(chan struct{}, maxChecks)
)

// unchecked says that there was no time for all of it.
func unchecked(ctx context.Context) migrate.Finding {
	f := mistake("unchecked", nil, "not all of it was checked: "+context.Cause(ctx).Error())
	f.Severity = migrate.Warning
	return f
}

// withoutBroken leaves out that what is refused is not used either.
func (d *decoder) withoutBroken() []migrate.Finding {
	return slices.DeleteFunc(d.findings, func(f migrate.Finding) bool {
		return f.Rule == unusedRule && d.broken[f.Place()]
	})
}

// worst puts the errors before the rest.
func worst(findings []migrate.Finding) []migrate.Finding {
	slices.SortStableFunc(findings, func(a, b migrate.Finding) int {
		return strings.Compare(strconv.FormatBool(b.Severity == migrate.Error), strconv.FormatBool(a.Severity == migrate.Error))
	})
	return findings
}

// nodes makes nodes of values, which is what migration works on.
type nodes struct {
	left     int // values that may come
	findings []migrate.Finding
	nulls    []migrate.Finding
}

// of is the node of a value that stands at path.
func (n *nodes) of(v any, path []string) *yaml.Node {
	n.left--
	if m, ok := v.(map[string]any); n.left < 0 || ok && len(m) > n.left {
		n.findings = append(n.findings, mistake("too-large", nil, fmt.Sprintf("has more than %d values", maxValues)))
	} else if len(path) > maxDepth {
		n.findings = append(n.findings, mistake("too-deep", path[:4], fmt.Sprintf("has more than %d levels", maxDepth)))
	}
	if len(n.findings) > 0 {
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!null"}
	}
	scalar := func(tag, text string) *yaml.Node {
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: tag, Value: text}
	}
	below := func(key string) []string { return append(path[:len(path):len(path)], key) }
	switch v := v.(type) {
	case nil:
		n.null(path)
		return scalar("!!null", "null")
	case string:
		return scalar("!!str", v)
	case bool:
		return scalar("!!bool", strconv.FormatBool(v))
	case float64:
		if v == math.Trunc(v) && math.Abs(v) < 1<<53 {
			return scalar("!!int", strconv.FormatInt(int64(v), 10))
		}
		return scalar("!!float", strconv.FormatFloat(v, 'g', -1, 64))
	case int, int32, int64, uint32, uint64:
		return scalar("!!int", fmt.Sprint(v))
	case json.Number:
		if strings.ContainsAny(v.String(), ".eE") {
			return scalar("!!float", v.String())
		}
		return scalar("!!int", v.String())
	case map[string]any:
		m := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
		for _, key := range slices.Sorted(maps.Keys(v)) {
			m.Content = append(m.Content, scalar("!!str", key), n.of(v[key], below(key)))
		}
		return m
	case []any:
		l := &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq"}
		for i, e := range v {
			l.Content = append(l.Content, n.of(e, below(strconv.Itoa(i))))
		}
		return l
	}
	return scalar("!!str", fmt.Sprint(v))
}

// count refuses what has more parts than anybody writes by hand or by program.
func (n *nodes) count(root *yaml.Node) {
	s := &source{root: root}
	limits := map[string]int{"service" + confmap.KeyDelimiter + "pipelines": maxPipelines}
	for _, section := range sections[:5] {
		limits[section] = maxComponents
	}
	for key, most := range limits {
		path := strings.Split(key, confmap.KeyDelimiter)
		if at := s.at(path); at != nil && len(at.Content)/2 > most {
			n.findings = append(n.findings, mistake("too-large", path, fmt.Sprintf("has more than %d parts", most)))
		}
	}
}

// null adds a warning about a component, or a part of one, that has no body:
// tools that write resources of Kubernetes take such keys away.
func (n *nodes) null(path []string) {
	if len(path) < 2 || path[0] == "service" && len(path) < 4 {
		return
	}
	key := path[len(path)-1]
	f := mistake("null-value", path, fmt.Sprintf("is null, and tools such as kustomize and kubectl edit leave such keys out: write %s: {} where the defaults are meant", key))
	f.Severity = migrate.Warning
	n.nulls = append(n.nulls, f)
}

// treeOf is the value of a node, with marks for what only the environment knows.
func treeOf(n *yaml.Node) any {
	switch n.Kind {
	case yaml.MappingNode:
		m := make(map[string]any, len(n.Content)/2)
		for i := 0; i+1 < len(n.Content); i += 2 {
			m[n.Content[i].Value] = treeOf(n.Content[i+1])
		}
		return m
	case yaml.SequenceNode:
		l := make([]any, len(n.Content))
		for i, e := range n.Content {
			l[i] = treeOf(e)
		}
		return l
	case yaml.AliasNode:
		return treeOf(n.Alias)
	}
	var v any
	if err := n.Decode(&v); err != nil {
		return n.Value
	}
	if text, ok := v.(string); ok {
		return expand(text)
	}
	return v
}
