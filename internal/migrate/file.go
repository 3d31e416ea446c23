package migrate

import (
	"errors"
	"fmt"
	"slices"

	"go.yaml.in/yaml/v3"
)

// Result is a migrated file.
type Result struct {
	Text     []byte    // the file as it should be; what did not change is byte by byte the same
	Findings []Finding // in the order of lines
}

// errNothing says that a text has nothing to migrate in it.
var errNothing = errors.New("neither a collector configuration nor a Kubernetes document: want the sections receivers, exporters and service, or apiVersion and kind")

// File migrates the text of a file: a collector configuration, or Kubernetes
// documents with collector configurations in them. The error is for a text that
// is neither; name is what findings call the file.
func File(name string, text []byte, o Options) (Result, error) {
	src, err := parse(text)
	if err != nil {
		return Result{}, fmt.Errorf("reading %s: %w", name, err)
	}
	m := &manifest{Options: o}
	var findings []Finding
	known := len(src.docs) == 0
	for _, doc := range src.docs {
		switch found := objects(doc); {
		case len(found) > 0:
			m.objects = append(m.objects, found...)
			known = true
		case hasSections(doc):
			findings = append(findings, configFile(doc, o)...)
			known = true
		case null(doc):
			known = true
		}
	}
	if !known {
		return Result{}, fmt.Errorf("reading %s: %w", name, errNothing)
	}
	if err := m.run(); err != nil {
		return Result{}, fmt.Errorf("reading %s: %w", name, err)
	}
	findings = append(findings, m.findings...)
	for i := range findings {
		findings[i].File = name
	}
	out, err := src.text()
	if err != nil {
		return Result{}, fmt.Errorf("writing %s: %w", name, err)
	}
	return Result{Text: out, Findings: sorted(findings)}, nil
}

// hasSections reports whether a document has a section of a collector
// configuration.
func hasSections(doc *yaml.Node) bool {
	return slices.ContainsFunc(pairs(doc), func(p pair) bool { return slices.Contains(Sections, p.key.Value) })
}

// configFile migrates one configuration as it is written, in which keys may be
// there twice.
func configFile(doc *yaml.Node, o Options) []Finding {
	var found []Finding
	for _, d := range duplicates(doc) {
		found = append(found, Finding{
			Rule: "duplicate-key", Line: d.first.key.Line, Path: d.path, Severity: Error,
			Why: fmt.Sprintf("is there again at line %d, which a collector refuses: keep one of them", d.again.key.Line),
		})
	}
	return append(found, Config(mapping(doc), o)...)
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

// duplicate is a key that a mapping has twice.
type duplicate struct {
	path         []string
	in           *yaml.Node
	first, again pair
}

// duplicates are the keys that are in a mapping more than once, at any depth.
func duplicates(n *yaml.Node) []duplicate {
	var all []duplicate
	var visit func(n *yaml.Node, path []string)
	visit = func(n *yaml.Node, path []string) {
		if n.Kind == yaml.DocumentNode || n.Kind == yaml.SequenceNode {
			for _, c := range n.Content {
				visit(c, path)
			}
			return
		}
		seen := map[string]pair{}
		for _, kv := range pairs(n) {
			if n.Kind == yaml.AliasNode {
				return // what it stands for is visited where it is
			}
			below := append(slices.Clone(path), kv.key.Value)
			if first, twice := seen[kv.key.Value]; twice && kv.key.Tag != "!!merge" {
				all = append(all, duplicate{below, n, first, kv})
			}
			seen[kv.key.Value] = kv
			visit(kv.value, below)
		}
	}
	visit(n, nil)
	return all
}
