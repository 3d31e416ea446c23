package v1alpha1

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// sections are the keys of a configuration as people order them; receivers,
// exporters and service are never left out in v1beta1.
var sections = []string{"receivers", "processors", "exporters", "connectors", "extensions", "service"}

// parseConfig gives a configuration as v1beta1 wants it: decoded JSON with the
// keys that it requires. Of a text that is none it gives the empty one, and the
// reason.
func parseConfig(text string) (config map[string]any, err error) {
	defer func() {
		// The parser panics at some texts that are no YAML. One such text in one
		// resource must not stop everybody's watches.
		if r := recover(); r != nil {
			config, err = emptyConfig(), fmt.Errorf("reading the YAML: %v", r)
		}
	}()
	var doc yaml.Node
	if err := yaml.Unmarshal([]byte(text), &doc); err != nil {
		return emptyConfig(), placed(text, err)
	}
	if doc.IsZero() || len(doc.Content) == 1 && doc.Content[0].ShortTag() == "!!null" {
		return emptyConfig(), nil
	}
	literal(&doc)
	var v any
	if err := doc.Decode(&v); err != nil {
		return emptyConfig(), placed(text, err)
	}
	if v, err = toJSON(v); err != nil {
		return emptyConfig(), err
	}
	config, ok := v.(map[string]any)
	if !ok {
		return emptyConfig(), errors.New("the configuration is no mapping")
	}
	if m := shape(config); m != nil {
		return emptyConfig(), m.in(doc.Content[0])
	}
	return config, nil
}

func emptyConfig() map[string]any {
	return map[string]any{
		"receivers": map[string]any{},
		"exporters": map[string]any{},
		"service":   map[string]any{"pipelines": map[string]any{}},
	}
}

// literal makes texts of what YAML has types for and JSON has not: timestamps,
// and keys that are no text. Aliases are not followed.
func literal(n *yaml.Node) {
	if n.Kind == yaml.ScalarNode && n.ShortTag() == "!!timestamp" {
		n.Tag = "!!str"
	}
	for i, c := range n.Content {
		if n.Kind == yaml.MappingNode && i%2 == 0 && c.Kind == yaml.ScalarNode && c.ShortTag() != "!!merge" {
			c.Tag = "!!str"
			continue
		}
		literal(c)
	}
}

// toJSON gives what YAML decoded as JSON would.
func toJSON(v any) (any, error) {
	switch v := v.(type) {
	case map[string]any:
		for key, e := range v {
			j, err := toJSON(e)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", key, err)
			}
			v[key] = j
		}
		return v, nil
	case []any:
		for i, e := range v {
			j, err := toJSON(e)
			if err != nil {
				return nil, err
			}
			v[i] = j
		}
		return v, nil
	case nil, bool, int64:
		return v, nil
	case string:
		return strings.ToValidUTF8(v, "\uFFFD"), nil
	case int:
		return int64(v), nil
	case uint64:
		return float64(v), nil
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return nil, fmt.Errorf("the number %v has no form in JSON; write it as a text", v)
		}
		if v == math.Trunc(v) && math.Abs(v) < 1<<63 {
			return int64(v), nil
		}
		return v, nil
	}
	return nil, fmt.Errorf("a value of type %T has no form in JSON", v)
}

// shape gives a configuration the keys that v1beta1 requires, or says what has
// another shape than v1beta1 has.
func shape(config map[string]any) *misshapen {
	for _, key := range sections {
		required := key == "receivers" || key == "exporters" || key == "service"
		if m := wantMapping(config, required, key); m != nil {
			return m
		}
	}
	service := child(config, "service")
	if m := cmp.Or(
		wantTexts(service, false, "service", "extensions"),
		wantMapping(service, false, "service", "telemetry"),
		wantMapping(service, true, "service", "pipelines"),
	); m != nil {
		return m
	}
	pipelines := child(service, "pipelines")
	for _, id := range slices.Sorted(maps.Keys(pipelines)) {
		if m := wantMapping(pipelines, true, "service", "pipelines", id); m != nil {
			return m
		}
		p := child(pipelines, id)
		if m := cmp.Or(
			wantTexts(p, true, "service", "pipelines", id, "receivers"),
			wantTexts(p, false, "service", "pipelines", id, "processors"),
			wantTexts(p, true, "service", "pipelines", id, "exporters"),
		); m != nil {
			return m
		}
	}
	return nil
}

// wantMapping wants a mapping at the last key of a path, which parent has.
func wantMapping(parent map[string]any, required bool, path ...string) *misshapen {
	key := path[len(path)-1]
	value := parent[key]
	if value == nil {
		delete(parent, key)
		if required {
			parent[key] = map[string]any{}
		}
		return nil
	}
	if _, ok := value.(map[string]any); !ok {
		return &misshapen{path, "is no mapping"}
	}
	return nil
}

// wantTexts wants a list of texts at the last key of a path, which parent has.
func wantTexts(parent map[string]any, required bool, path ...string) *misshapen {
	key := path[len(path)-1]
	value := parent[key]
	if value == nil {
		delete(parent, key)
		if required {
			parent[key] = []any{}
		}
		return nil
	}
	list, ok := value.([]any)
	if !ok {
		return &misshapen{path, "is no list"}
	}
	for _, e := range list {
		if _, ok := e.(string); !ok {
			return &misshapen{path, fmt.Sprintf("has an element that is no text: %v", e)}
		}
	}
	return nil
}

// configText writes a configuration as YAML.
func configText(config map[string]any) string {
	root := yaml.Node{Kind: yaml.MappingNode}
	keys := slices.Sorted(maps.Keys(config))
	slices.SortStableFunc(keys, func(a, b string) int { return rank(a) - rank(b) })
	for _, key := range keys {
		var k, v yaml.Node
		k.SetString(key)
		if err := v.Encode(config[key]); err != nil {
			continue // decoded JSON has no value that cannot be encoded
		}
		root.Content = append(root.Content, &k, &v)
	}
	quoteMerge(&root)
	var b bytes.Buffer
	e := yaml.NewEncoder(&b)
	e.SetIndent(2)
	if err := errors.Join(e.Encode(&root), e.Close()); err != nil {
		return ""
	}
	return b.String()
}

// quoteMerge quotes what the encoder leaves plain and the parser then takes for a
// merge.
func quoteMerge(n *yaml.Node) {
	if n.Kind == yaml.ScalarNode && n.Value == "<<" {
		n.Tag, n.Style = "!!str", yaml.DoubleQuotedStyle
	}
	for _, c := range n.Content {
		quoteMerge(c)
	}
}

func rank(key string) int {
	if i := slices.Index(sections, key); i >= 0 {
		return i
	}
	return len(sections)
}
