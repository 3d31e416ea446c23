package admission

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	jsonpatch "gomodules.xyz/jsonpatch/v2"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
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
// the object with its defaults, and returns how.
func patch(written map[string]any, object any, fields []field) ([]jsonpatch.JsonPatchOperation, error) {
	data, err := json.Marshal(object)
	if err != nil {
		return nil, fmt.Errorf("writing the defaults: %w", err)
	}
	var defaults map[string]any
	if err := utiljson.Unmarshal(data, &defaults); err != nil {
		return nil, fmt.Errorf("reading the defaults: %w", err)
	}
	p := patcher{made: map[string]bool{}}
	for _, f := range fields {
		p.set(written, defaults, f)
	}
	return p.operations, nil
}

// patcher writes a patch.
type patcher struct {
	operations []jsonpatch.JsonPatchOperation
	// made are the places of objects that the patch makes: what is set in them
	// later is in them already when the patch is written.
	made map[string]bool
}

// set sets one field of written.
func (p *patcher) set(written, defaults map[string]any, f field) {
	value, ok, err := unstructured.NestedFieldNoCopy(defaults, f.path...)
	if err != nil || !ok || value == nil || value == "" {
		return // has no default
	}
	parent, pointer, within := written, "", false
	for i, key := range f.path {
		pointer += "/" + escape.Replace(key)
		was, there := parent[key]
		there = there && was != nil
		last := i == len(f.path)-1
		if last && there && (!f.force || was == value) {
			return
		}
		if last || !there {
			parent[key] = nest(value, f.path[i+1:])
			if !within {
				p.operations = append(p.operations, jsonpatch.NewOperation("add", pointer, parent[key]))
			}
			p.made[pointer] = true
			return
		}
		within = within || p.made[pointer]
		if parent, ok = was.(map[string]any); !ok {
			return
		}
	}
}

// nest is a value with the objects around it that lead there.
func nest(value any, path []string) any {
	for _, key := range slices.Backward(path) {
		value = map[string]any{key: value}
	}
	return value
}

// escape writes a key into a JSON pointer.
var escape = strings.NewReplacer("~", "~0", "/", "~1")
