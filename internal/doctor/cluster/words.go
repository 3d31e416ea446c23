package cluster

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"
)

// count is a number of things.
func count(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

// name is an object as it is told of: with its namespace where that is not the
// one examined.
func (p *Picture) name(kind, namespace, name string) string {
	if namespace == p.Namespace {
		return kind + "/" + name
	}
	return kind + "/" + name + " -n " + namespace
}

// manifest are objects as YAML.
func manifest(objects ...map[string]any) string {
	var parts []string
	for _, o := range objects {
		out, err := yaml.Marshal(o)
		if err != nil {
			return "" // maps and texts are always YAML
		}
		parts = append(parts, string(out))
	}
	return strings.Join(parts, "---\n")
}

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }
