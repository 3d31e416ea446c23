package install

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// ofHelm are the values that a chart does not have, because Helm has its own way
// to say them: helm install --namespace NAME --create-namespace.
var ofHelm = []string{"namespace", "createNamespace", "podSecurity"}

// Chart are the files of a Helm chart that installs what Objects does with the
// same values, by path in the chart.
func Chart(version, image string) (map[string][]byte, error) {
	parts, err := parts(image)
	if err != nil {
		return nil, err
	}
	templates := map[string]*template{}
	for _, p := range parts {
		if p.name == "namespace" {
			continue
		}
		t := templates[p.name]
		if t == nil {
			t = new(template)
			t.WriteString(madeBy)
			templates[p.name] = t
		}
		if p.name == "crds" {
			keep(p.tree)
		}
		t.control("if " + p.when.helm)
		t.line(0, "---")
		t.mapping(0, p.tree)
		t.control("end")
	}
	schema, err := chartSchema()
	if err != nil {
		return nil, err
	}
	files := map[string][]byte{
		"Chart.yaml":          fmt.Appendf(nil, chartHead, version, version),
		"values.yaml":         chartValues(),
		"values.schema.json":  schema,
		"templates/NOTES.txt": []byte(chartNotes),
	}
	for name, t := range templates {
		files["templates/"+name+".yaml"] = []byte(t.String())
	}
	return files, nil
}

// keep lets the definitions stay when the chart is removed, and with them the
// resources of users.
func keep(definition tree) {
	definition["metadata"].(map[string]any)["annotations"].(map[string]any)["helm.sh/resource-policy"] = "keep"
}

const chartHead = `apiVersion: v2
name: signalbox
description: OpenTelemetry for a cluster, in one binary. Operator, collectors, store and page.
type: application
version: %s
appVersion: %q
`

const chartNotes = `Signalbox is installed in {{ .Release.Namespace }}.
{{- if .Values.store.enabled }}

See its page at http://localhost:4316 while this runs:

  kubectl port-forward -n {{ .Release.Namespace }} service/` + StoreName + ` 4316
{{- end }}
{{- if .Values.collector.enabled }}

Programs in the cluster send to

  OTEL_EXPORTER_OTLP_ENDPOINT=http://{{ .Values.collector.name }}-collector.{{ .Release.Namespace }}:4318
{{- end }}
`

// chartValues are the default values without those of Helm. Each is a paragraph.
func chartValues() []byte {
	paragraphs := strings.Split(string(DefaultValues), "\n\n")
	paragraphs[0] = "# What can be said about an installation: helm install --values FILE, or one by\n# one with --set store.size=50Gi."
	paragraphs = slices.DeleteFunc(paragraphs, func(p string) bool {
		return slices.ContainsFunc(ofHelm, func(key string) bool { return strings.Contains("\n"+p, "\n"+key+":") })
	})
	return []byte(strings.Join(paragraphs, "\n\n"))
}

// chartSchema lets Helm refuse values that do not exist.
func chartSchema() ([]byte, error) {
	s := schemaOf(reflect.TypeFor[Values]())
	properties := s["properties"].(map[string]any)
	for _, key := range ofHelm {
		delete(properties, key)
	}
	// Helm adds a value of its own to all charts.
	properties["global"] = map[string]any{"type": "object"}
	s["$schema"] = "http://json-schema.org/draft-07/schema#"
	out, err := json.MarshalIndent(s, "", "  ")
	return append(out, '\n'), err
}

// schemaOf describes a type of values. What is not of this package is left to the
// API server.
func schemaOf(t reflect.Type) map[string]any {
	switch t.Kind() {
	case reflect.Bool:
		return map[string]any{"type": "boolean"}
	case reflect.String:
		return map[string]any{"type": "string"}
	case reflect.Int32:
		return map[string]any{"type": "integer"}
	case reflect.Slice:
		return map[string]any{"type": "array", "items": schemaOf(t.Elem())}
	}
	if t.PkgPath() != reflect.TypeFor[Values]().PkgPath() {
		return map[string]any{"type": "object"}
	}
	properties := map[string]any{}
	for f := range t.NumField() {
		properties[t.Field(f).Tag.Get("json")] = schemaOf(t.Field(f).Type)
	}
	return map[string]any{"type": "object", "additionalProperties": false, "properties": properties}
}
