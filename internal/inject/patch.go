package inject

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
)

// Patch is the JSON patch that makes one pod another, of which only labels,
// annotations, containers, volumes and the sharing of processes differ; nil when
// they do not. It touches nothing else: a pod may have fields that our types do
// not know, and keeps them.
func Patch(before, after *corev1.Pod) ([]byte, error) {
	if before == after {
		return nil, nil
	}
	p := new(patch)
	p.texts("/metadata/labels", before.Labels, after.Labels)
	p.texts("/metadata/annotations", before.Annotations, after.Annotations)
	containerName := func(c *corev1.Container) string { return c.Name }
	list(p, "/spec/volumes", before.Spec.Volumes, after.Spec.Volumes, func(v *corev1.Volume) string { return v.Name })
	list(p, "/spec/initContainers", before.Spec.InitContainers, after.Spec.InitContainers, containerName)
	list(p, "/spec/containers", before.Spec.Containers, after.Spec.Containers, containerName)
	if was, is := before.Spec.ShareProcessNamespace, after.Spec.ShareProcessNamespace; is != nil && (was == nil || *was != *is) {
		p.add("add", "/spec/shareProcessNamespace", *is)
	}
	if len(p.operations) == 0 {
		return nil, nil
	}
	data, err := json.Marshal(p.operations)
	if err != nil {
		return nil, fmt.Errorf("writing the patch: %w", err)
	}
	return data, nil
}

// operation is one of RFC 6902.
type operation struct {
	Op    string `json:"op"`
	Path  string `json:"path"`
	Value any    `json:"value,omitempty"`
}

// patch collects operations.
type patch struct{ operations []operation }

func (p *patch) add(op, path string, value any) {
	p.operations = append(p.operations, operation{op, path, value})
}

// texts changes a mapping. Adding to what is there replaces it.
func (p *patch) texts(path string, before, after map[string]string) {
	if len(before) == 0 && len(after) > 0 {
		p.add("add", path, after)
		return
	}
	for _, key := range slices.Sorted(maps.Keys(before)) {
		if _, ok := after[key]; !ok {
			p.add("remove", path+"/"+escaped(key), nil)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(after)) {
		if old, ok := before[key]; !ok || old != after[key] {
			p.add("add", path+"/"+escaped(key), after[key])
		}
	}
}

func escaped(key string) string {
	return strings.NewReplacer("~", "~0", "/", "~1").Replace(key)
}

// list changes a list of named things, whose order stays.
func list[T any](p *patch, path string, before, after []T, name func(*T) string) {
	if len(before) == 0 {
		if len(after) > 0 {
			p.add("add", path, after)
		}
		return
	}
	index := func(of []T, n string) int { return slices.IndexFunc(of, func(t T) bool { return name(&t) == n }) }
	var kept []T
	for i := range before {
		if index(after, name(&before[i])) >= 0 {
			kept = append(kept, before[i])
		}
	}
	for i := len(before) - 1; i >= 0; i-- {
		if index(after, name(&before[i])) < 0 {
			p.add("remove", path+"/"+strconv.Itoa(i), nil)
		}
	}
	for i := range after {
		at := path + "/" + strconv.Itoa(i)
		if len(kept) == 0 || name(&kept[0]) != name(&after[i]) {
			p.add("add", at, after[i])
			continue
		}
		p.fields(at, reflect.ValueOf(kept[0]), reflect.ValueOf(after[i]))
		kept = kept[1:]
	}
}

// fields changes those fields of a thing that differ. It goes by the types, as
// writing all of a pod to find out takes longer than all else of an admission.
func (p *patch) fields(path string, before, after reflect.Value) {
	t := before.Type()
	for i := range t.NumField() {
		was, is := before.Field(i), after.Field(i)
		name, options, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		switch {
		case equality.Semantic.DeepEqual(was.Interface(), is.Interface()):
		case options == "inline":
			p.fields(path, was, is)
		case strings.Contains(options, "omitempty") && empty(is):
			p.add("remove", path+"/"+escaped(name), nil)
		default:
			p.add("add", path+"/"+escaped(name), is.Interface())
		}
	}
}

// empty reports whether a value is left out where it may be.
func empty(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Map, reflect.Slice, reflect.String:
		return v.Len() == 0
	case reflect.Struct:
		return false
	}
	return v.IsZero()
}
