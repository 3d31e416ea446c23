package main

import (
	"reflect"
	"strings"
)

// trimVersion leaves the descriptions of Kubernetes' own types out of one
// version of a definition.
func trimVersion(schema map[string]any, root reflect.Type) {
	trim(schema, root)
	properties := schema["properties"].(map[string]any)
	for _, key := range []string{"apiVersion", "kind"} {
		delete(properties[key].(map[string]any), "description")
	}
}

// trim drops the descriptions below a schema that are not those of t's fields,
// where these are ours.
func trim(schema map[string]any, t reflect.Type) {
	switch {
	case t.Kind() == reflect.Pointer:
		trim(schema, t.Elem())
	case t.Kind() == reflect.Slice && schema["items"] != nil:
		trimElement(schema["items"].(map[string]any), t.Elem())
	case t.Kind() == reflect.Map && schema["additionalProperties"] != nil:
		trimElement(schema["additionalProperties"].(map[string]any), t.Elem())
	case t.Kind() == reflect.Struct && strings.HasPrefix(t.PkgPath(), ours):
		properties, _ := schema["properties"].(map[string]any)
		for name, fieldType := range fields(t) {
			if property, ok := properties[name].(map[string]any); ok {
				trim(property, fieldType)
			}
		}
	default:
		for key, v := range schema {
			if key != "default" {
				strip(v)
			}
		}
	}
}

// trimElement trims the schema of an item, which has a description only where
// its type is ours.
func trimElement(schema map[string]any, t reflect.Type) {
	if t.Kind() != reflect.Pointer && !strings.HasPrefix(t.PkgPath(), ours) {
		delete(schema, "description")
	}
	trim(schema, t)
}

// fields are the types of a struct's fields by their JSON names.
func fields(t reflect.Type) map[string]reflect.Type {
	found := map[string]reflect.Type{}
	for _, f := range reflect.VisibleFields(t) {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name != "" && name != "-" {
			found[name] = f.Type
		}
	}
	return found
}

// strip drops all descriptions below a schema. A property may have that name.
func strip(v any) {
	switch v := v.(type) {
	case map[string]any:
		if _, ok := v["description"].(string); ok {
			delete(v, "description")
		}
		for _, e := range v {
			strip(e)
		}
	case []any:
		for _, e := range v {
			strip(e)
		}
	}
}
