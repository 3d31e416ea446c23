package render

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"

	"github.com/signalbox-otel/signalbox/internal/migrate"
)

// Plan is what a resource stands for.
type Plan struct {
	// Objects to apply, in this order: what others need comes first.
	Objects []Object
	// Findings are what migration changed, and what the resource asks for that
	// cannot be had as asked.
	Findings []migrate.Finding
	// Selector of the pods, as text; empty when the resource has none of its own.
	Selector string
	// Image of the main container.
	Image string
	// ConfigMap is the name of the one in use, and ConfigMaps how many of its
	// predecessors stay with it.
	ConfigMap  string
	ConfigMaps int
}

// Object is an apply configuration of one object. It exists because generated
// apply configurations have no interface with all of these.
type Object interface {
	runtime.ApplyConfiguration
	GetAPIVersion() *string
	GetKind() *string
	GetNamespace() *string
	GetName() *string
}

// Custom is an apply configuration of a kind that we have no types of.
type Custom map[string]any

// IsApplyConfiguration makes a Custom an apply configuration.
func (Custom) IsApplyConfiguration() {}

// GetAPIVersion returns the API version.
func (c Custom) GetAPIVersion() *string { return textOf(c, "apiVersion") }

// GetKind returns the kind.
func (c Custom) GetKind() *string { return textOf(c, "kind") }

// GetNamespace returns the namespace, nil where there is none.
func (c Custom) GetNamespace() *string { return textOf(object(c["metadata"]), "namespace") }

// GetName returns the name.
func (c Custom) GetName() *string { return textOf(object(c["metadata"]), "name") }

func textOf(m map[string]any, key string) *string {
	if s, ok := m[key].(string); ok {
		return &s
	}
	return nil
}

// YAML prints the objects as documents of one file.
func (p Plan) YAML() ([]byte, error) {
	var b bytes.Buffer
	for _, o := range p.Objects {
		text, err := yaml.Marshal(o)
		if err != nil {
			return nil, fmt.Errorf("writing %s %s: %w", *o.GetKind(), *o.GetName(), err)
		}
		b.WriteString("---\n")
		b.Write(text)
	}
	return b.Bytes(), nil
}

func (p *Plan) add(objects ...Object) { p.Objects = append(p.Objects, objects...) }

// warn adds a finding about a field of the resource.
func (p *Plan) warn(rule string, why string, path ...string) {
	p.Findings = append(p.Findings, migrate.Finding{Rule: rule, Path: path, Why: why, Severity: migrate.Warning})
}

// tidy keeps each finding once: several objects may have the same reason.
func (p *Plan) tidy() {
	seen := map[string]bool{}
	p.Findings = slices.DeleteFunc(p.Findings, func(f migrate.Finding) bool {
		text := f.String()
		again := seen[text]
		seen[text] = true
		return again
	})
}

// as is a value of the API as apply configuration, which have the same JSON. An
// empty value gives the zero value, which sets nothing.
func as[T any](v any) T {
	var to T
	data, err := json.Marshal(v)
	if err == nil && string(data) != "{}" {
		err = json.Unmarshal(data, &to)
	}
	if err != nil {
		panic(fmt.Sprintf("%T as %T: %v", v, to, err))
	}
	return to
}

// set is a pointer to a value, or nil to the zero value, which sets nothing.
func set[T comparable](v T) *T {
	var zero T
	if v == zero {
		return nil
	}
	return &v
}
