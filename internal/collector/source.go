package collector

import (
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// source is one configuration file, parsed only to know on which line things
// are; what runs is what the resolver reads.
type source struct {
	file string
	root *yaml.Node
}

// fileOf returns the path of a configuration location that is a file.
func fileOf(uri string) (path string, ok bool) {
	if p, found := strings.CutPrefix(uri, "file:"); found {
		return p, true
	}
	scheme, _, found := strings.Cut(uri, ":")
	return uri, !found || len(scheme) == 1 // c:\config.yaml
}

// readSources parses those of the locations that are files, and reports which
// cannot be read and what is no configuration.
func readSources(uris []string) ([]source, []Finding) {
	var sources []source
	var findings []Finding
	for _, uri := range uris {
		path, ok := fileOf(uri)
		if !ok {
			continue
		}
		text, err := os.ReadFile(filepath.Clean(path))
		if err != nil {
			findings = append(findings, Finding{Message: err.Error()})
			continue
		}
		root := new(yaml.Node)
		if err := yaml.Unmarshal(text, root); err != nil {
			findings = append(findings, syntaxFindings(path, err)...)
			continue
		}
		var values any // finds keys given twice
		if err := root.Decode(&values); err != nil {
			findings = append(findings, syntaxFindings(path, err)...)
			continue
		}
		if values != nil && reflect.TypeOf(values).Kind() != reflect.Map {
			findings = append(findings, Finding{File: path, Line: root.Content[0].Line, Message: "want sections, as receivers: and service:"})
			continue
		}
		sources = append(sources, source{file: path, root: root})
	}
	return sources, findings
}

// yamlLine is the form of the parser's errors.
var yamlLine = regexp.MustCompile(`line (\d+): (.*)`)

func syntaxFindings(file string, err error) []Finding {
	var findings []Finding
	for line := range strings.SplitSeq(err.Error(), "\n") {
		if m := yamlLine.FindStringSubmatch(line); m != nil {
			n, _ := strconv.Atoi(m[1])
			findings = append(findings, Finding{File: file, Line: n, Message: "not valid YAML: " + m[2]})
		}
	}
	if len(findings) == 0 {
		message := strings.TrimPrefix(err.Error(), "yaml: ")
		findings = append(findings, Finding{File: file, Line: 1, Message: "not valid YAML: " + message})
	}
	return findings
}

// locate fills the file and line of f: of its path, or of as much of it as the
// files have. Of several files that have it the last one counts, as it does
// when they are merged.
func locate(sources []source, f Finding) Finding {
	deepest := 0
	for _, s := range sources {
		node, line, depth := s.root, 0, 0
		for _, key := range f.Path {
			k, v := child(node, key)
			if k == nil {
				break
			}
			node, line, depth = v, k.Line, depth+1
		}
		if depth > 0 && depth >= deepest {
			f.File, f.Line, deepest = s.file, line, depth
		}
	}
	return f
}

// child returns the key and value nodes of one key of a mapping, or of one
// index of a list.
func child(node *yaml.Node, key string) (k, v *yaml.Node) {
	for node != nil {
		switch node.Kind {
		case yaml.DocumentNode:
			node = node.Content[0]
		case yaml.AliasNode:
			node = node.Alias
		case yaml.MappingNode:
			for i := 0; i+1 < len(node.Content); i += 2 {
				if strings.TrimSpace(node.Content[i].Value) == key {
					return node.Content[i], node.Content[i+1]
				}
			}
			return nil, nil
		case yaml.SequenceNode:
			i, err := strconv.Atoi(key)
			if err != nil || i < 0 || i >= len(node.Content) {
				return nil, nil
			}
			return node.Content[i], node.Content[i]
		default:
			return nil, nil
		}
	}
	return nil, nil
}

// below returns the path of the one key of that name at or below path, and
// path itself followed by key when there is none or several.
func below(sources []source, path []string, key string) []string {
	var found [][]string
	for _, s := range sources {
		if node := s.at(path); node != nil {
			found = append(found, keysBelow(node, path, key)...)
		}
	}
	if len(found) == 1 {
		return found[0]
	}
	return append(slices.Clone(path), key)
}

func keysBelow(node *yaml.Node, path []string, key string) [][]string {
	if node.Kind == yaml.AliasNode {
		node = node.Alias // of what stands before it: no circles
	}
	if node.Kind != yaml.MappingNode {
		return nil
	}
	var found [][]string
	for i := 0; i+1 < len(node.Content); i += 2 {
		at := append(slices.Clone(path), node.Content[i].Value)
		if node.Content[i].Value == key {
			found = append(found, at)
		}
		found = append(found, keysBelow(node.Content[i+1], at, key)...)
	}
	return found
}

// has reports whether any of the files has something at path.
func has(sources []source, path []string) bool {
	return slices.ContainsFunc(sources, func(s source) bool { return s.at(path) != nil })
}

// at returns the node at path, nil when there is none.
func (s source) at(path []string) *yaml.Node {
	node := s.root
	for _, key := range path {
		if _, node = child(node, key); node == nil {
			return nil
		}
	}
	return node
}
