package collector

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/featuregate"
	"go.uber.org/zap"
	"go.yaml.in/yaml/v3"

	"github.com/signalbox-otel/signalbox/internal/migrate"
)

// source is a configuration merged from all its locations, as nodes that know
// where they stand. References are still in it, but for those that stand for
// whole parts.
type source struct {
	root  *yaml.Node
	files map[*yaml.Node]string // where a node comes from; "" where it is not a file
}

// file is where a node comes from, as the user named it.
func (s *source) file(n *yaml.Node) string { return s.files[n] }

// fileOf returns the path of a configuration location that is a file.
func fileOf(uri string) (path string, ok bool) {
	if p, found := strings.CutPrefix(uri, "file:"); found {
		return p, true
	}
	scheme, _, found := strings.Cut(uri, ":")
	return uri, !found || len(scheme) == 1 // c:\config.yaml
}

// reader reads locations and merges them.
type reader struct {
	source
	providers map[string]confmap.Provider
	findings  []migrate.Finding
}

// readSources reads and merges the locations, and reports which cannot be read
// and what is no configuration.
func readSources(ctx context.Context, uris []string) (*source, []migrate.Finding, error) {
	r := &reader{source: source{&yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}, map[*yaml.Node]string{}}, providers: map[string]confmap.Provider{}}
	for _, f := range providerFactories() {
		p := f.Create(confmap.ProviderSettings{Logger: zap.NewNop()})
		r.providers[p.Scheme()] = p
	}
	for _, uri := range uris {
		name, text, err := r.read(ctx, uri)
		if err != nil {
			r.findings = append(r.findings, mistake("unreadable", nil, err.Error()))
			continue
		}
		if root := r.parse(name, text); root != nil {
			r.inline(ctx, root, 0)
			r.merge(r.root, unflattened(root), nil)
		}
	}
	var errs []error
	for _, p := range r.providers {
		errs = append(errs, p.Shutdown(ctx))
	}
	return &r.source, r.findings, errors.Join(errs...)
}

// read returns the text at a location, and what findings call it.
func (r *reader) read(ctx context.Context, uri string) (name string, text []byte, err error) {
	if path, ok := fileOf(uri); ok {
		text, err = os.ReadFile(filepath.Clean(path))
		return path, text, err
	}
	scheme, _, _ := strings.Cut(uri, ":")
	p, ok := r.providers[scheme]
	if !ok {
		return "", nil, fmt.Errorf("unsupported scheme on URI %q", uri)
	}
	got, err := p.Retrieve(ctx, uri, nil)
	if err != nil {
		return "", nil, err
	}
	defer func() { err = errors.Join(err, got.Close(ctx)) }()
	if scheme != "yaml" {
		name = uri
	}
	if t, err := got.AsString(); err == nil {
		return name, []byte(t), nil
	}
	raw, err := got.AsRaw()
	if err != nil {
		return "", nil, err
	}
	text, err = yaml.Marshal(raw)
	return name, text, err
}

// parse returns the configuration in a text, nil when there is none or what is
// there is none, which is then reported.
func (r *reader) parse(name string, text []byte) *yaml.Node {
	found, err := migrate.Find(text)
	if err != nil {
		r.findings = append(r.findings, syntaxFindings(name, err)...)
		return nil
	}
	if len(found) != 1 {
		r.findings = append(r.findings, inFile(name, 1, "many-configurations", manyConfigurations(found)))
		return nil
	}
	root := found[0].Root
	var values any // finds keys given twice
	if err := root.Decode(&values); err != nil {
		r.findings = append(r.findings, syntaxFindings(name, err)...)
		return nil
	}
	if values == nil {
		return nil
	}
	if reflect.TypeOf(values).Kind() != reflect.Map {
		if root.Kind == yaml.DocumentNode {
			root = root.Content[0]
		}
		f := inFile(name, root.Line, "no-sections", "want sections, as receivers: and service:")
		if name == "" {
			f.Line = 0
		}
		r.findings = append(r.findings, f)
		return nil
	}
	return r.standalone(root, name)
}

// manyConfigurations says that a file of Kubernetes documents has none or
// several configurations.
func manyConfigurations(found []migrate.Embedded) string {
	if len(found) == 0 {
		return "no collector configuration in these Kubernetes documents: want an OpenTelemetryCollector, or a ConfigMap with one in its data"
	}
	var names []string
	for _, f := range found {
		names = append(names, f.Where)
	}
	return fmt.Sprintf("%d collector configurations in this file: %s; put the one to run into a file of its own", len(found), strings.Join(names, "; "))
}

// standalone is a copy of a node without aliases and merge keys, so that parts
// of it can be merged and changed alone. The nodes come from the file.
func (r *reader) standalone(n *yaml.Node, file string) *yaml.Node {
	switch n.Kind {
	case yaml.DocumentNode:
		return r.standalone(n.Content[0], file)
	case yaml.AliasNode:
		return r.standalone(n.Alias, file)
	}
	c := *n
	c.Anchor, c.Content = "", nil
	r.files[&c] = file
	if n.Kind != yaml.MappingNode {
		for _, e := range n.Content {
			c.Content = append(c.Content, r.standalone(e, file))
		}
		return &c
	}
	var merged []*yaml.Node
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Tag == "!!merge" {
			merged = append(merged, mergedMappings(n.Content[i+1])...)
			continue
		}
		c.Content = append(c.Content, r.standalone(n.Content[i], file), r.standalone(n.Content[i+1], file))
	}
	for _, m := range merged {
		m = r.standalone(m, file)
		for i := 0; i+1 < len(m.Content); i += 2 {
			if k, _ := child(&c, m.Content[i].Value); k == nil {
				c.Content = append(c.Content, m.Content[i], m.Content[i+1])
			}
		}
	}
	return &c
}

// mergedMappings are the mappings that a merge key names.
func mergedMappings(n *yaml.Node) []*yaml.Node {
	for n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if n.Kind != yaml.SequenceNode {
		return []*yaml.Node{n}
	}
	return n.Content
}

// wholeReference is a value that is one reference to a location.
var wholeReference = regexp.MustCompile(`^\$\{([^${}]+)\}$`)

// inline puts in the place of values that refer to whole mappings and lists what
// they refer to, so that it is checked and migrated as if it stood there. Other
// references are left to the resolver, with all that may be wrong with them.
func (r *reader) inline(ctx context.Context, n *yaml.Node, depth int) {
	for i, c := range n.Content {
		m := wholeReference.FindStringSubmatch(c.Value)
		if c.Kind != yaml.ScalarNode || m == nil || depth > 20 {
			r.inline(ctx, c, depth)
			continue
		}
		uri := m[1]
		if scheme, _, ok := strings.Cut(uri, ":"); !ok || r.providers[scheme] == nil {
			uri = defaultScheme + ":" + uri
		}
		name, text, err := r.read(ctx, uri)
		doc := new(yaml.Node)
		if err != nil || yaml.Unmarshal(text, doc) != nil || len(doc.Content) != 1 || doc.Decode(new(any)) != nil {
			continue
		}
		if root := doc.Content[0]; root.Kind == yaml.MappingNode || root.Kind == yaml.SequenceNode {
			n.Content[i] = r.standalone(root, name)
			r.inline(ctx, n.Content[i], depth+1)
		}
	}
}

// unflattened is a mapping in which keys as a::b are mappings in mappings, as
// locations of the scheme yaml have them.
func unflattened(n *yaml.Node) *yaml.Node {
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		if first, rest, ok := strings.Cut(key.Value, confmap.KeyDelimiter); ok {
			inner := *key
			key.Value, inner.Value = first, rest
			n.Content[i+1] = unflattened(&yaml.Node{Kind: yaml.MappingNode, Tag: "!!map", Line: key.Line, Content: []*yaml.Node{&inner, n.Content[i+1]}})
		}
	}
	return n
}

// merge puts the mapping src over dst, as confmap does: mappings are merged key
// by key, everything else is replaced. Both stand at path.
func (r *reader) merge(dst, src *yaml.Node, path []string) {
	for i := 0; i+1 < len(src.Content); i += 2 {
		key, value := src.Content[i], src.Content[i+1]
		at := slices.IndexFunc(dst.Content, func(k *yaml.Node) bool { return k.Value == key.Value })
		for at >= 0 && at%2 == 1 { // a value, not a key
			next := slices.IndexFunc(dst.Content[at+1:], func(k *yaml.Node) bool { return k.Value == key.Value })
			if next < 0 {
				at = -1
				break
			}
			at += 1 + next
		}
		if at < 0 {
			dst.Content = append(dst.Content, key, value)
			continue
		}
		old, below := dst.Content[at+1], append(slices.Clone(path), key.Value)
		if r.files[key] != "" || r.files[dst.Content[at]] == "" {
			dst.Content[at] = key // where it was said last
		}
		switch {
		case old.Kind == yaml.MappingNode && value.Kind == yaml.MappingNode:
			r.merge(old, value, below)
		case old.Kind == yaml.SequenceNode && value.Kind == yaml.SequenceNode && appended(below):
			for _, e := range value.Content {
				if !slices.ContainsFunc(old.Content, func(o *yaml.Node) bool { return o.Value == e.Value }) {
					old.Content = append(old.Content, e)
				}
			}
		default:
			dst.Content[at+1] = value
		}
	}
}

// appended reports whether lists at path are put together instead of replaced,
// which a feature gate of confmap asks for.
func appended(path []string) bool {
	on := false
	featuregate.GlobalRegistry().VisitAll(func(g *featuregate.Gate) {
		on = on || g.ID() == "confmap.enableMergeAppendOption" && g.IsEnabled()
	})
	last := path[len(path)-1]
	return on && path[0] == "service" && (len(path) == 2 && last == "extensions" || len(path) > 2 && (last == "receivers" || last == "exporters"))
}

// inFile is a mistake in a file that has no place in a configuration.
func inFile(file string, line int, rule, why string) migrate.Finding {
	f := mistake(rule, nil, why)
	f.File, f.Line = file, line
	return f
}

// yamlLine is the form of the parser's errors.
var yamlLine = regexp.MustCompile(`line (\d+): (.*)`)

func syntaxFindings(file string, err error) []migrate.Finding {
	var findings []migrate.Finding
	for line := range strings.SplitSeq(err.Error(), "\n") {
		if m := yamlLine.FindStringSubmatch(line); m != nil {
			n, _ := strconv.Atoi(m[1])
			findings = append(findings, inFile(file, n, "syntax", "not valid YAML: "+m[2]))
		}
	}
	if len(findings) == 0 {
		message := strings.TrimPrefix(err.Error(), "yaml: ")
		findings = append(findings, inFile(file, 1, "syntax", "not valid YAML: "+message))
	}
	return findings
}

// locate fills the file and line of f: of its path, or of as much of it as
// stands in files.
func (s *source) locate(f migrate.Finding) migrate.Finding {
	if s == nil {
		return f
	}
	node := s.root
	for _, key := range f.Path {
		k, v := child(node, key)
		if k == nil {
			break
		}
		if file := s.files[k]; file != "" && k.Line > 0 {
			f.File, f.Line = file, k.Line
		}
		node = v
	}
	return f
}

// child returns the key and value nodes of one key of a mapping, or of one
// index of a list.
func child(node *yaml.Node, key string) (k, v *yaml.Node) {
	switch node.Kind {
	case yaml.MappingNode:
		for i := 0; i+1 < len(node.Content); i += 2 {
			if strings.TrimSpace(node.Content[i].Value) == key {
				return node.Content[i], node.Content[i+1]
			}
		}
	case yaml.SequenceNode:
		if i, err := strconv.Atoi(key); err == nil && i >= 0 && i < len(node.Content) {
			return node.Content[i], node.Content[i]
		}
	}
	return nil, nil
}

// below returns the path of the one key of that name at or below path, and
// path itself followed by key when there is none or several.
func (s *source) below(path []string, key string) []string {
	if node := s.at(path); node != nil {
		if found := keysBelow(node, slices.Clone(path), key); len(found) == 1 {
			return found[0]
		}
	}
	return append(slices.Clone(path), key)
}

// keysBelow are the paths to the keys of a name at or below node, which stands
// at path. What path has room for is overwritten.
func keysBelow(node *yaml.Node, path []string, key string) [][]string {
	var found [][]string
	if node.Kind == yaml.SequenceNode {
		for i, e := range node.Content {
			found = append(found, keysBelow(e, append(path, strconv.Itoa(i)), key)...)
		}
	}
	if node.Kind != yaml.MappingNode {
		return found
	}
	for i := 0; i+1 < len(node.Content); i += 2 {
		at := append(path, node.Content[i].Value)
		if node.Content[i].Value == key {
			found = append(found, slices.Clone(at))
		}
		found = append(found, keysBelow(node.Content[i+1], at, key)...)
	}
	return found
}

// at returns the node at path, nil when there is none.
func (s *source) at(path []string) *yaml.Node {
	if s == nil {
		return nil
	}
	node := s.root
	for _, key := range path {
		if _, node = child(node, key); node == nil {
			return nil
		}
	}
	return node
}
