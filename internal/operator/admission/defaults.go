package admission

import (
	"encoding/json"
	"fmt"
	"strings"

	jsonpatch "gomodules.xyz/jsonpatch/v2"
	utiljson "k8s.io/apimachinery/pkg/util/json"

	"github.com/signalbox-otel/signalbox/api/v1alpha1"
	"github.com/signalbox-otel/signalbox/api/v1beta1"
)

// field is a place in a resource that gets its default there. All others keep
// what was written: they have their defaults where they are used.
type field struct {
	path []string
	// force sets it also where something else stands.
	force bool
}

// fields are places below spec, as words separated by dots.
func fields(paths ...string) []field {
	all := make([]field, len(paths))
	for i, p := range paths {
		all[i].path = append([]string{"spec"}, strings.Split(p, ".")...)
	}
	return all
}

func (h *hooks) defaultCollector(c *v1beta1.OpenTelemetryCollector) []field {
	c.SetDefaults(h.Gates)
	c.Spec.Config = v1beta1.Config{} // stays as it was written
	return fields("mode", "upgradeStrategy", "managementState", "replicas", "targetAllocator.replicas",
		"autoscaler.minReplicas", "autoscaler.targetCPUUtilization",
		"ingress.route.termination", "ingress.ruleType", "networkPolicy.enabled")
}

func (h *hooks) defaultAllocator(t *v1alpha1.TargetAllocator) []field {
	t.SetDefaults(h.Gates)
	return fields("replicas", "podDisruptionBudget", "networkPolicy.enabled")
}

func (h *hooks) defaultBridge(b *v1alpha1.OpAMPBridge) []field {
	b.SetDefaults()
	reports := fields("capabilities." + string(v1alpha1.ReportsStatus))
	reports[0].force = true
	return append(fields("upgradeStrategy", "replicas"), reports...)
}

func (h *hooks) defaultInstrumentation(i *v1alpha1.Instrumentation) []field {
	all := fields("apacheHttpd.version", "apacheHttpd.configPath", "nginx.configFile")
	for _, agent := range agents(i) {
		all = append(all, fields(agent.key+".image", agent.key+"."+agent.resources+".limits", agent.key+"."+agent.resources+".requests")...)
		// The annotation says which default an image is, so that an upgrade knows
		// it as one: that of an earlier operator stays with its image.
		image := agent.payload.Image
		all = append(all, field{
			path:  []string{"metadata", "annotations", v1alpha1.DefaultImageAnnotation(agent.name)},
			force: image == "" || image == agent.image(h.Images),
		})
	}
	i.SetDefaults(h.Images)
	return all
}

// patch sets the fields that are missing in what was written to what they are in
// the object with its defaults.
func patch(written map[string]any, object any, fields []field) ([]jsonpatch.JsonPatchOperation, error) {
	data, err := json.Marshal(object)
	if err != nil {
		return nil, fmt.Errorf("writing the defaults: %w", err)
	}
	var defaults map[string]any
	if err := utiljson.Unmarshal(data, &defaults); err != nil {
		return nil, fmt.Errorf("reading the defaults: %w", err)
	}
	var operations []jsonpatch.JsonPatchOperation
	for _, f := range fields {
		if op, ok := set(written, defaults, f); ok {
			operations = append(operations, op)
		}
	}
	return operations, nil
}

// set sets one field of written, and says how.
func set(written, defaults map[string]any, f field) (op jsonpatch.JsonPatchOperation, ok bool) {
	parent, pointer := written, ""
	last := len(f.path) - 1
	for i, key := range f.path {
		value, ok := defaults[key]
		if !ok || value == nil {
			return op, false // has no default
		}
		pointer += "/" + escape.Replace(key)
		was, there := parent[key]
		there = there && was != nil
		if i == last {
			if there && (!f.force || was == value) {
				return op, false
			}
			parent[key] = value
			return jsonpatch.NewOperation("add", pointer, value), true
		}
		if !there {
			value := nest(defaults, f.path[i:])
			parent[key] = value
			return jsonpatch.NewOperation("add", pointer, value), true
		}
		if parent, ok = was.(map[string]any); !ok {
			return op, false
		}
		if defaults, ok = value.(map[string]any); !ok {
			return op, false
		}
	}
	return op, false
}

// nest is what path[0] becomes so that only path is in it.
func nest(defaults map[string]any, path []string) any {
	value := defaults[path[0]]
	if len(path) == 1 {
		return value
	}
	inner, _ := value.(map[string]any)
	return map[string]any{path[1]: nest(inner, path[1:])}
}

// escape writes a key into a JSON pointer.
var escape = strings.NewReplacer("~", "~0", "/", "~1")
