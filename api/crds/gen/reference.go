package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"path"
	"reflect"
	"slices"
	"strings"
)

const preface = `# Custom resources

Every field of the resources of group opentelemetry.io, made from the types in
` + "`api`" + ` by ` + "`make generate`" + `. ` + "`[]`" + ` marks the items of a list, ` + "`{}`" + ` the values of a map.
Types of Kubernetes are named, with their group, and not taken apart.
`

// writeKind writes the fields of one kind.
func writeKind(w io.Writer, root reflect.Type, schema map[string]any) {
	fmt.Fprintf(w, "\n## %s %s\n\n%s\n\n| field | type | rules | |\n|---|---|---|---|\n",
		root.Name(), path.Base(root.PkgPath()), sentence(schema))
	properties := schema["properties"].(map[string]any)
	for _, name := range []string{"spec", "status"} {
		field, _ := root.FieldByNameFunc(func(f string) bool { return strings.ToLower(f) == name })
		property := properties[name].(map[string]any)
		if r := rules(property, false); r != "" {
			fmt.Fprintf(w, "| `%s` | object | %s | |\n", name, r)
		}
		writeFields(w, name, field.Type, property)
	}
}

// writeFields writes a row for each field below a path.
func writeFields(w io.Writer, path string, t reflect.Type, schema map[string]any) {
	for {
		switch {
		case t.Kind() == reflect.Pointer:
			t = t.Elem()
			continue
		case t.Kind() == reflect.Slice && schema["items"] != nil:
			t, schema, path = t.Elem(), schema["items"].(map[string]any), path+"[]"
			continue
		case t.Kind() == reflect.Map && schema["additionalProperties"] != nil:
			t, schema, path = t.Elem(), schema["additionalProperties"].(map[string]any), path+"{}"
			continue
		}
		break
	}
	if t.Kind() != reflect.Struct || !strings.HasPrefix(t.PkgPath(), ours) {
		return
	}
	properties, _ := schema["properties"].(map[string]any)
	required, _ := schema["required"].([]any)
	types := fields(t)
	for _, name := range slices.Sorted(maps.Keys(properties)) {
		property := properties[name].(map[string]any)
		fmt.Fprintf(w, "| `%s.%s` | %s | %s | %s |\n", path, name, typeName(types[name], property),
			rules(property, slices.Contains(required, any(name))), sentence(property))
		writeFields(w, path+"."+name, types[name], property)
	}
}

// typeName names a type as people do who write YAML.
func typeName(t reflect.Type, schema map[string]any) string {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	foreign := t.PkgPath() != "" && !strings.HasPrefix(t.PkgPath(), ours)
	switch {
	case schema["x-kubernetes-int-or-string"] == true && schema["pattern"] == nil:
		return "int or string"
	case t.Kind() == reflect.Slice && schema["items"] != nil:
		return "list of " + typeName(t.Elem(), schema["items"].(map[string]any))
	case t.Kind() == reflect.Map && schema["additionalProperties"] != nil:
		return "map of " + typeName(t.Elem(), schema["additionalProperties"].(map[string]any))
	case schema["format"] == "duration":
		return "duration"
	case foreign && t.Kind() == reflect.Struct:
		group := path.Base(path.Dir(t.PkgPath())) + "/" + path.Base(t.PkgPath())
		return strings.TrimSuffix(fmt.Sprintf("%s (%s)", t.Name(), group), " (api/resource)")
	case schema["type"] == nil:
		return "any"
	}
	return schema["type"].(string)
}

// rules are what a value must keep to, and what it is by default.
func rules(schema map[string]any, required bool) string {
	var all []string
	if required {
		all = append(all, "required")
	}
	if value, ok := schema["default"]; ok {
		text, _ := json.Marshal(value)
		all = append(all, fmt.Sprintf("default `%s`", text))
	}
	enum, _ := schema["enum"].([]any)
	if items, ok := schema["items"].(map[string]any); ok && enum == nil {
		enum, _ = items["enum"].([]any)
	}
	if len(enum) > 0 {
		var values []string
		for _, value := range enum {
			text, _ := json.Marshal(value)
			values = append(values, "`"+strings.Trim(string(text), `"`)+"`")
		}
		all = append(all, strings.ReplaceAll(strings.Join(values, ", "), "``", "`\"\"`"))
	}
	for _, rule := range []struct{ key, text string }{
		{"minimum", "at least"}, {"maximum", "at most"}, {"minItems", "items at least"},
		{"minLength", "length at least"}, {"maxLength", "length at most"},
	} {
		if value, ok := schema[rule.key]; ok {
			all = append(all, fmt.Sprintf("%s %v", rule.text, value))
		}
	}
	if schema["x-kubernetes-preserve-unknown-fields"] == true && schema["properties"] != nil {
		all = append(all, "other keys are kept")
	}
	validations, _ := schema["x-kubernetes-validations"].([]any)
	for _, v := range validations {
		all = append(all, v.(map[string]any)["message"].(string))
	}
	return strings.Join(all, "; ")
}

// sentence is the first paragraph of a description, on one line, or of a long
// one, which is Kubernetes', the first sentence.
func sentence(schema map[string]any) string {
	text, _ := schema["description"].(string)
	text, _, _ = strings.Cut(text, "\n\n")
	text = strings.Join(strings.Fields(text), " ")
	if first, _, ok := strings.Cut(text, ". "); ok && len(text) > 200 {
		text = first + "."
	}
	return strings.ReplaceAll(text, "|", `\|`)
}
