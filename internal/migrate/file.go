package migrate

import (
	"fmt"
	"slices"

	"go.yaml.in/yaml/v3"
)

// Result is a migrated file.
type Result struct {
	Text     []byte    // the file as it should be; of what did not change, byte by byte the same
	Findings []Finding // in the order of lines
}

// File migrates the text of a file: a collector configuration, or Kubernetes
// documents with collector configurations in them. The error is for a text that
// is no YAML; name is what findings call the file.
func File(name string, text []byte, o Options) (Result, error) {
	src, err := parse(text)
	if err != nil {
		return Result{}, fmt.Errorf("reading %s: %w", name, err)
	}
	var findings []Finding
	for _, doc := range src.docs {
		root := mapping(doc)
		if root == nil {
			continue
		}
		findings = append(findings, Config(root, o)...)
	}
	for i := range findings {
		findings[i].File = name
	}
	out, err := src.text()
	if err != nil {
		return Result{}, fmt.Errorf("writing %s: %w", name, err)
	}
	return Result{Text: out, Findings: sorted(findings)}, nil
}

// Embedded is one collector configuration in a file.
type Embedded struct {
	// Where names the Kubernetes document that holds it: "ConfigMap x, key y".
	// It is empty where the file is the configuration.
	Where string
	// Root is its mapping, with the lines of the file.
	Root *yaml.Node
}

// Sections are the top-level keys of a collector configuration.
var Sections = []string{"receivers", "processors", "exporters", "connectors", "extensions", "service"}

// Find returns the collector configurations in a text: the text itself, or what
// is in Kubernetes documents. A text without Kubernetes documents is one, whatever
// it holds.
func Find(text []byte) ([]Embedded, error) {
	docs, err := documents(text)
	if err != nil {
		return nil, err
	}
	var found []Embedded
	kubernetes := false
	for _, doc := range docs {
		for _, object := range objects(doc) {
			kubernetes = true
			for _, c := range object.configs() {
				root, err := c.parse()
				if err != nil {
					return nil, err
				}
				found = append(found, Embedded{Where: object.String() + c.where(), Root: root})
			}
		}
	}
	if kubernetes {
		return found, nil
	}
	if len(docs) == 0 {
		return []Embedded{{Root: &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!null"}}}, nil
	}
	return []Embedded{{Root: docs[0]}}, nil
}

// isConfig reports whether a mapping is a collector configuration: it has
// pipelines, or nothing but sections of one.
func isConfig(n *yaml.Node) bool {
	if mapping(at(n, "service", "pipelines")) != nil {
		return true
	}
	keys := pairs(n)
	return len(keys) > 1 && !slices.ContainsFunc(keys, func(p pair) bool { return !slices.Contains(Sections, p.key.Value) })
}
