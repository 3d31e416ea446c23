package apply

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"
)

// listKeys are lists whose elements have an identity, by their fields: to these
// lists others may add, and an apply leaves that alone. All other lists are
// replaced as a whole.
var listKeys = map[string][]string{
	"containers": {"name"}, "initContainers": {"name"}, "env": {"name"}, "volumes": {"name"}, "imagePullSecrets": {"name"},
	"ports":        {"containerPort", "port", "protocol"},
	"volumeMounts": {"mountPath"}, "volumeDevices": {"devicePath"},
	"topologySpreadConstraints": {"topologyKey", "whenUnsatisfiable"},
	"hostAliases":               {"ip"},
	"ownerReferences":           {"uid"},
}

// wholeMaps are mappings that are replaced as a whole.
var wholeMaps = []string{"selector", "nodeSelector", "matchLabels"}

// builtIn are the groups whose types give lists an identity; elsewhere lists are
// replaced as a whole unless the type says otherwise.
var builtIn = []string{"", "apps", "autoscaling", "policy", "networking.k8s.io", "rbac.authorization.k8s.io"}

// differ says where a live object does not hold what is wanted; empty when it
// does. What others added does not count.
func (w *wanted) differ(live map[string]any) []string {
	d := differences{}
	whole := !slices.Contains(builtIn, w.GroupVersionKind().Group)
	for _, key := range sortedKeys(w.Object) {
		if key == "apiVersion" || key == "kind" {
			continue // caches leave them out
		}
		d.value(key, key, w.Object[key], w.canonical[key], live[key], whole)
	}
	return d.paths
}

// differences are paths of fields.
type differences struct{ paths []string }

func (d *differences) add(path string) { d.paths = append(d.paths, path) }

// value compares a value as it was written, which says what is wanted, with
// what it is in canonical form, and what there is. Whole says that it is within
// something that is replaced as a whole.
func (d *differences) value(path, key string, written, canonical, live any, whole bool) {
	if unset(canonical) {
		if !unset(live) {
			d.add(path)
		}
		return
	}
	switch written := written.(type) {
	case map[string]any:
		c, _ := canonical.(map[string]any)
		l, ok := live.(map[string]any)
		if !ok || slices.Contains(wholeMaps, key) && len(c) != len(l) {
			d.add(path)
			return
		}
		for _, k := range sortedKeys(written) {
			d.value(path+"."+k, k, written[k], c[k], l[k], whole)
		}
	case []any:
		d.list(path, key, written, canonical, live, whole)
	default:
		if !reflect.DeepEqual(canonical, live) {
			d.add(path)
		}
	}
}

func (d *differences) list(path, key string, written []any, canonical, live any, whole bool) {
	c, _ := canonical.([]any)
	l, ok := live.([]any)
	if !ok || len(c) != len(written) {
		d.add(path)
		return
	}
	keys := listKeys[key]
	if whole || keys == nil {
		if len(l) != len(c) {
			d.add(path)
			return
		}
		for i := range written {
			d.value(fmt.Sprintf("%s[%d]", path, i), "", written[i], c[i], l[i], true)
		}
		return
	}
	for i := range written {
		at := slices.IndexFunc(l, func(e any) bool { return identity(e, keys) == identity(c[i], keys) })
		if at < 0 {
			d.add(fmt.Sprintf("%s[%d]", path, i))
			continue
		}
		d.value(fmt.Sprintf("%s[%d]", path, i), "", written[i], c[i], l[at], false)
	}
}

// identity is what an element of a list is told apart by. A port without a
// protocol is one of TCP.
func identity(element any, keys []string) string {
	m, _ := element.(map[string]any)
	var parts []string
	for _, k := range keys {
		v := m[k]
		if k == "protocol" && v == nil {
			v = "TCP"
		}
		parts = append(parts, fmt.Sprint(v))
	}
	return strings.Join(parts, "\x00")
}

// unset reports whether a value is as good as none. A number or false is not:
// types leave these out themselves where they mean nothing.
func unset(v any) bool {
	switch v := v.(type) {
	case nil:
		return true
	case map[string]any:
		return len(v) == 0
	case []any:
		return len(v) == 0
	case string:
		return v == ""
	}
	return false
}

// fixed are fields that the API server lets nobody change, by kind.
var fixed = map[schema.GroupKind][]string{
	{Group: "apps", Kind: "Deployment"}:                              {"spec.selector"},
	{Group: "apps", Kind: "DaemonSet"}:                               {"spec.selector"},
	{Group: "apps", Kind: "StatefulSet"}:                             {"spec.selector", "spec.serviceName", "spec.podManagementPolicy", "spec.volumeClaimTemplates"},
	{Group: "rbac.authorization.k8s.io", Kind: "ClusterRoleBinding"}: {"roleRef"},
	{Group: "rbac.authorization.k8s.io", Kind: "RoleBinding"}:        {"roleRef"},
}

// immutable are those fields that would have to change and cannot.
func (w *wanted) immutable(live map[string]any) []string {
	var paths []string
	for _, path := range fixed[w.GroupVersionKind().GroupKind()] {
		keys := strings.Split(path, ".")
		written, is := at(w.Object, keys), at(live, keys)
		if path == "spec.podManagementPolicy" && written == nil {
			continue
		}
		d := differences{}
		d.value(path, keys[len(keys)-1], written, at(w.canonical, keys), is, true)
		if len(d.paths) > 0 {
			paths = append(paths, path)
		}
	}
	return paths
}

func at(m map[string]any, path []string) any {
	for _, key := range path[:len(path)-1] {
		m, _ = m[key].(map[string]any)
	}
	return m[path[len(path)-1]]
}

func sortedKeys(m map[string]any) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
