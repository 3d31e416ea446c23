package server

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// schemas checks answers against openapi.yaml, as far as the description goes:
// that every field is described, and has the described kind of value.
type schemas struct{ doc map[string]any }

func readSchemas(t *testing.T) schemas {
	t.Helper()
	raw, err := os.ReadFile("openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var doc map[string]any
	if err := yaml.Unmarshal(raw, &doc); err != nil {
		t.Fatal(err)
	}
	return schemas{doc}
}

// at follows a path of keys.
func (s schemas) at(path ...string) any {
	var at any = s.doc
	for _, key := range path {
		m, _ := at.(map[string]any)
		at = m[key]
	}
	return at
}

// resolve follows references and puts the parts of allOf together.
func (s schemas) resolve(schema any) map[string]any {
	m, _ := schema.(map[string]any)
	if ref, ok := m["$ref"].(string); ok {
		return s.resolve(s.at(strings.Split(strings.TrimPrefix(ref, "#/"), "/")...))
	}
	parts, ok := m["allOf"].([]any)
	if !ok {
		return m
	}
	properties := map[string]any{}
	for _, part := range parts {
		of, _ := s.resolve(part)["properties"].(map[string]any)
		for name, property := range of {
			properties[name] = property
		}
	}
	return map[string]any{"type": "object", "properties": properties}
}

// check says what in v the schema does not describe.
func (s schemas) check(where string, v, schema any) error {
	m := s.resolve(schema)
	if any, ok := m["anyOf"].([]any); ok {
		var err error
		for _, one := range any {
			if err = s.check(where, v, one); err == nil {
				return nil
			}
		}
		return err
	}
	want := fmt.Sprint(m["type"])
	switch v := v.(type) {
	case map[string]any:
		properties, ok := m["properties"].(map[string]any)
		if !ok {
			break
		}
		for key, value := range v {
			if properties[key] == nil {
				return fmt.Errorf("%s.%s is not described", where, key)
			}
			if err := s.check(where+"."+key, value, properties[key]); err != nil {
				return err
			}
		}
	case []any:
		if m["items"] == nil && m["type"] != nil {
			return fmt.Errorf("%s is a list; described as %s", where, want)
		}
		for i, item := range v {
			if err := s.check(fmt.Sprintf("%s[%d]", where, i), item, m["items"]); err != nil {
				return err
			}
		}
	case string:
		if m["type"] != nil && want != "string" {
			return fmt.Errorf("%s is text; described as %s", where, want)
		}
	case float64:
		if m["type"] != nil && !strings.Contains(want, "integer") && want != "number" || want == "integer" && v != float64(int64(v)) {
			return fmt.Errorf("%s is the number %v; described as %s", where, v, want)
		}
	}
	return nil
}

func TestAnswersAreAsDescribed(t *testing.T) {
	s, server := readSchemas(t), ownServer(t)
	for file, target := range ownAnswers {
		path, query, _ := strings.Cut(target, "?")
		if strings.Contains(query, "format=otlp") {
			continue // OTLP is described elsewhere
		}
		pattern := strings.NewReplacer(trace1, "{id}", trace2, "{id}", "services/frontend", "services/{name}", "services/backend", "services/{name}").Replace(path)
		schema := s.at("paths", apiPrefix+pattern, "get", "responses", "200", "content", "application/json", "schema")
		if schema == nil {
			t.Errorf("%s: no answer of %s is described", file, pattern)
			continue
		}
		var answer any
		if err := json.Unmarshal(get(t, server, apiPrefix+target).Body.Bytes(), &answer); err != nil {
			t.Fatal(err)
		}
		if err := s.check("answer", answer, schema); err != nil {
			t.Errorf("%s: %v", target, err)
		}
	}
}
