package v1beta1

import (
	"encoding/json"
	"maps"

	utiljson "k8s.io/apimachinery/pkg/util/json"
)

// Config is a collector's configuration. What the fields cannot hold, other keys
// and wrong shapes, is in Rest, so that nothing of it is lost or refused here:
// those who use a configuration check it.
//
// +kubebuilder:object:generate=false
// +kubebuilder:pruning:PreserveUnknownFields
type Config struct {
	// Receivers by id.
	Receivers AnyConfig `json:"receivers"`
	// Exporters by id.
	Exporters AnyConfig `json:"exporters"`
	// Processors by id.
	Processors *AnyConfig `json:"processors,omitempty"`
	// Connectors by id.
	Connectors *AnyConfig `json:"connectors,omitempty"`
	// Extensions by id.
	Extensions *AnyConfig `json:"extensions,omitempty"`
	// Service joins the components.
	Service Service `json:"service"`

	// Rest is what else the configuration has, by key.
	Rest map[string]any `json:"-"`
}

// Service joins components to pipelines.
//
// +kubebuilder:object:generate=false
type Service struct {
	// Extensions that run, by id.
	Extensions []string `json:"extensions,omitempty"`
	// Telemetry of the collector itself.
	Telemetry *AnyConfig `json:"telemetry,omitempty"`
	// Pipelines by id.
	// +kubebuilder:pruning:PreserveUnknownFields
	Pipelines map[string]*Pipeline `json:"pipelines"`

	// Rest is what else the service has, by key.
	Rest map[string]any `json:"-"`
}

// Pipeline is what one kind of signal passes.
//
// +kubebuilder:object:generate=false
type Pipeline struct {
	// Receivers by id.
	Receivers []string `json:"receivers"`
	// Processors by id, in their order.
	Processors []string `json:"processors,omitempty"`
	// Exporters by id.
	Exporters []string `json:"exporters"`

	// Rest is what else the pipeline has, by key.
	Rest map[string]any `json:"-"`
}

// AnyConfig is a JSON object of any shape: numbers are int64 or float64.
//
// +kubebuilder:object:generate=false
// +kubebuilder:validation:Type=object
// +kubebuilder:pruning:PreserveUnknownFields
type AnyConfig struct {
	// Object is nil for the empty object too.
	Object map[string]any `json:"-"`
}

// NewConfig returns the configuration that v, a decoded JSON object, holds.
// Values of v are shared.
func NewConfig(v map[string]any) Config {
	var c Config
	rest := maps.Clone(v)
	take := func(key string) (AnyConfig, bool) {
		object, ok := rest[key].(map[string]any)
		if ok {
			delete(rest, key)
		}
		return AnyConfig{object}, ok
	}
	optional := func(key string) *AnyConfig {
		if object, ok := take(key); ok {
			return &object
		}
		return nil
	}
	c.Receivers, _ = take("receivers")
	c.Exporters, _ = take("exporters")
	c.Processors, c.Connectors, c.Extensions = optional("processors"), optional("connectors"), optional("extensions")
	service, _ := take("service")
	c.Service = newService(service.Object)
	c.Rest = orNil(rest)
	return c
}

func newService(v map[string]any) Service {
	rest := maps.Clone(v)
	s := Service{Extensions: takeList(rest, "extensions"), Pipelines: map[string]*Pipeline{}}
	if telemetry, ok := rest["telemetry"].(map[string]any); ok {
		s.Telemetry = &AnyConfig{telemetry}
		delete(rest, "telemetry")
	}
	pipelines, ok := rest["pipelines"].(map[string]any)
	if ok && allObjects(pipelines) {
		delete(rest, "pipelines")
		for id, p := range pipelines {
			object, _ := p.(map[string]any)
			s.Pipelines[id] = newPipeline(object)
		}
	}
	s.Rest = orNil(rest)
	return s
}

func newPipeline(v map[string]any) *Pipeline {
	rest := maps.Clone(v)
	p := &Pipeline{
		Receivers:  takeList(rest, "receivers"),
		Processors: takeList(rest, "processors"),
		Exporters:  takeList(rest, "exporters"),
	}
	p.Rest = orNil(rest)
	return p
}

// allObjects reports whether all values are objects or null.
func allObjects(v map[string]any) bool {
	for _, e := range v {
		if _, ok := e.(map[string]any); !ok && e != nil {
			return false
		}
	}
	return true
}

// takeList takes a list of texts out of rest; another value stays.
func takeList(rest map[string]any, key string) []string {
	list, ok := rest[key].([]any)
	if !ok {
		return nil
	}
	texts := make([]string, len(list))
	for i, e := range list {
		if texts[i], ok = e.(string); !ok {
			return nil
		}
	}
	delete(rest, key)
	return texts
}

func orNil(rest map[string]any) map[string]any {
	if len(rest) == 0 {
		return nil
	}
	return rest
}

// Map returns the configuration as a decoded JSON object, with the keys that
// the API wants present. Values are shared.
func (c Config) Map() map[string]any {
	v := map[string]any{
		"receivers": c.Receivers.object(),
		"exporters": c.Exporters.object(),
		"service":   c.Service.toMap(),
	}
	for key, section := range map[string]*AnyConfig{"processors": c.Processors, "connectors": c.Connectors, "extensions": c.Extensions} {
		if section != nil {
			v[key] = section.object()
		}
	}
	maps.Copy(v, c.Rest)
	return v
}

// Empty reports whether the configuration has nothing in it.
func (c Config) Empty() bool {
	return len(c.Receivers.Object) == 0 && len(c.Exporters.Object) == 0 && c.Processors == nil && c.Connectors == nil &&
		c.Extensions == nil && len(c.Service.Pipelines) == 0 && c.Service.Extensions == nil && c.Service.Telemetry == nil &&
		len(c.Service.Rest) == 0 && len(c.Rest) == 0
}

func (s Service) toMap() map[string]any {
	pipelines := map[string]any{}
	for id, p := range s.Pipelines {
		pipelines[id] = p.toMap()
	}
	v := map[string]any{"pipelines": pipelines}
	if s.Extensions != nil {
		v["extensions"] = list(s.Extensions)
	}
	if s.Telemetry != nil {
		v["telemetry"] = s.Telemetry.object()
	}
	maps.Copy(v, s.Rest)
	return v
}

func (p *Pipeline) toMap() map[string]any {
	if p == nil {
		p = &Pipeline{}
	}
	v := map[string]any{"receivers": list(p.Receivers), "exporters": list(p.Exporters)}
	if p.Processors != nil {
		v["processors"] = list(p.Processors)
	}
	maps.Copy(v, p.Rest)
	return v
}

func list(texts []string) []any {
	values := make([]any, len(texts))
	for i, t := range texts {
		values[i] = t
	}
	return values
}

// object is never nil: null would be refused where an object is wanted.
func (a AnyConfig) object() map[string]any {
	if a.Object == nil {
		return map[string]any{}
	}
	return a.Object
}

// MarshalJSON writes the fields and Rest as one object.
func (c Config) MarshalJSON() ([]byte, error) { return json.Marshal(c.Map()) }

// UnmarshalJSON reads any value; one that is no object gives an empty
// configuration.
func (c *Config) UnmarshalJSON(data []byte) error {
	v, err := decode(data)
	*c = NewConfig(v)
	return err
}

// MarshalJSON writes an object, empty for nil.
func (a AnyConfig) MarshalJSON() ([]byte, error) { return json.Marshal(a.object()) }

// UnmarshalJSON reads an object; another value gives the empty one.
func (a *AnyConfig) UnmarshalJSON(data []byte) error {
	v, err := decode(data)
	a.Object = v
	return err
}

// decode gives the object in data, nil where it is another value.
func decode(data []byte) (map[string]any, error) {
	var v any
	// Unlike encoding/json it keeps whole numbers whole.
	if err := utiljson.Unmarshal(data, &v); err != nil {
		return nil, err
	}
	object, _ := v.(map[string]any)
	return object, nil
}

// DeepCopyInto copies all of the configuration.
func (c *Config) DeepCopyInto(out *Config) {
	*out = NewConfig(copyObject(c.Map()))
}

// DeepCopy returns a copy of all of the object.
func (a *AnyConfig) DeepCopy() *AnyConfig {
	return &AnyConfig{copyObject(a.Object)}
}

// DeepCopyInto copies all of the object.
func (a *AnyConfig) DeepCopyInto(out *AnyConfig) {
	out.Object = copyObject(a.Object)
}

// copyObject copies decoded JSON; runtime.DeepCopyJSON would panic at the ints
// that code, unlike decoders, puts in.
func copyObject(v map[string]any) map[string]any {
	if v == nil {
		return nil
	}
	c := make(map[string]any, len(v))
	for key, e := range v {
		c[key] = copyValue(e)
	}
	return c
}

func copyValue(v any) any {
	switch v := v.(type) {
	case map[string]any:
		return copyObject(v)
	case []any:
		c := make([]any, len(v))
		for i, e := range v {
			c[i] = copyValue(e)
		}
		return c
	}
	return v
}
