package migrate

import (
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// follow returns the node that n stands for: an alias stands for its anchor, a
// document for what is in it.
func follow(n *yaml.Node) *yaml.Node {
	for n != nil {
		switch {
		case n.Kind == yaml.AliasNode:
			n = n.Alias
		case n.Kind == yaml.DocumentNode && len(n.Content) == 1:
			n = n.Content[0]
		default:
			return n
		}
	}
	return nil
}

// mapping returns n as a mapping, nil when it is none.
func mapping(n *yaml.Node) *yaml.Node {
	if n = follow(n); n != nil && n.Kind == yaml.MappingNode {
		return n
	}
	return nil
}

// list returns the elements of n, none when it is no list.
func list(n *yaml.Node) []*yaml.Node {
	if n = follow(n); n != nil && n.Kind == yaml.SequenceNode {
		return n.Content
	}
	return nil
}

// text returns the scalar n as text, "" when it is none or null.
func text(n *yaml.Node) string {
	if n = follow(n); n != nil && n.Kind == yaml.ScalarNode && !null(n) {
		return n.Value
	}
	return ""
}

// null reports whether nothing is written at n.
func null(n *yaml.Node) bool {
	n = follow(n)
	return n == nil || n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null"
}

// isFalse reports whether n is a YAML false.
func isFalse(n *yaml.Node) bool {
	v, err := strconv.ParseBool(text(n))
	return err == nil && !v
}

// pair is one key of a mapping with its value.
type pair struct{ key, value *yaml.Node }

// pairs lists the keys of a mapping, so that the mapping may change meanwhile.
func pairs(n *yaml.Node) []pair {
	n = mapping(n)
	if n == nil {
		return nil
	}
	var all []pair
	for i := 0; i+1 < len(n.Content); i += 2 {
		all = append(all, pair{n.Content[i], n.Content[i+1]})
	}
	return all
}

// get returns the key and the value of one key of a mapping, nil when there is
// none. Of several, which only Kubernetes documents may have, it is the last.
func get(n *yaml.Node, key string) (k, v *yaml.Node) {
	for _, p := range pairs(n) {
		if strings.TrimSpace(p.key.Value) == key && p.key.Kind == yaml.ScalarNode {
			k, v = p.key, p.value
		}
	}
	return k, v
}

// at returns the value at a path of keys and list indices, nil when there is
// none.
func at(n *yaml.Node, path ...string) *yaml.Node {
	for _, key := range path {
		if elements := list(n); elements != nil {
			i, err := strconv.Atoi(key)
			if err != nil || i < 0 || i >= len(elements) {
				return nil
			}
			n = elements[i]
			continue
		}
		if _, n = get(n, key); n == nil {
			return nil
		}
	}
	return n
}

// set gives a key of a mapping a value, at the end when the key is new.
func set(m *yaml.Node, key string, value *yaml.Node) {
	m = mapping(m)
	for i := 0; i+1 < len(m.Content); i += 2 {
		if m.Content[i].Value == key {
			m.Content[i+1] = value
			return
		}
	}
	m.Content = append(m.Content, stringAt(value.Line, key), value)
}

// remove takes a key node out of a mapping.
func remove(m, key *yaml.Node) {
	m = mapping(m)
	for i := 0; i+1 < len(m.Content); i += 2 {
		if m.Content[i] == key {
			m.Content = append(m.Content[:i:i], m.Content[i+2:]...)
			return
		}
	}
}

// removeElement takes an element out of a list.
func removeElement(n, element *yaml.Node) {
	n = follow(n)
	for i, e := range n.Content {
		if e == element {
			n.Content = append(n.Content[:i:i], n.Content[i+1:]...)
			return
		}
	}
}

// makeMapping makes a mapping of a node that is null, and returns it; nil when
// something else is written there.
func makeMapping(n *yaml.Node) *yaml.Node {
	n = follow(n)
	if n == nil {
		return nil
	}
	if null(n) {
		n.Kind, n.Tag, n.Value, n.Style = yaml.MappingNode, "!!map", "", 0
	}
	return mapping(n)
}

// section returns the mapping at a path, making what is missing of it. It is
// nil where something else than a mapping stands in the way. line is where what
// is made says it comes from.
func section(n *yaml.Node, line int, path ...string) *yaml.Node {
	n = makeMapping(n)
	for _, key := range path {
		if n == nil {
			return nil
		}
		_, v := get(n, key)
		if v == nil {
			v = &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map", Line: line}
			set(n, key, v)
		}
		n = makeMapping(v)
	}
	return n
}

func stringAt(line int, value string) *yaml.Node {
	n := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: value, Line: line}
	return n
}

// plain is a scalar as YAML reads it: 5 a number, true a boolean, ${x} a text.
func plain(line int, value string) *yaml.Node {
	n := &yaml.Node{Kind: yaml.ScalarNode, Value: value}
	tag := n.ShortTag()
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: tag, Value: value, Line: line}
}

// flowList is a list on one line.
func flowList(line int, values ...string) *yaml.Node {
	n := &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq", Style: yaml.FlowStyle, Line: line}
	for _, v := range values {
		n.Content = append(n.Content, stringAt(line, v))
	}
	return n
}

// fromText parses a small piece of YAML, all of it at one line.
func fromText(line int, yml string) *yaml.Node {
	var doc yaml.Node
	if err := yaml.Unmarshal([]byte(yml), &doc); err != nil || len(doc.Content) != 1 {
		return stringAt(line, yml)
	}
	walk(doc.Content[0], func(n *yaml.Node) { n.Line, n.Column = line, 0 })
	return doc.Content[0]
}

// walk calls f for n and everything in it; not for what aliases stand for.
func walk(n *yaml.Node, f func(*yaml.Node)) {
	f(n)
	for _, c := range n.Content {
		walk(c, f)
	}
}

// short is a value on one line, as findings show it.
func short(n *yaml.Node) string {
	if n == nil {
		return ""
	}
	if n.Kind == yaml.ScalarNode {
		return n.Value
	}
	var b strings.Builder
	writeFlow(&b, n)
	if s := []rune(b.String()); len(s) > 200 {
		return string(s[:200]) + "…"
	}
	return b.String()
}

// writeFlow writes n in flow style, without comments.
func writeFlow(b *strings.Builder, n *yaml.Node) {
	switch n.Kind {
	case yaml.AliasNode:
		b.WriteString("*" + n.Value)
	case yaml.MappingNode:
		b.WriteByte('{')
		for i := 0; i+1 < len(n.Content); i += 2 {
			if i > 0 {
				b.WriteString(", ")
			}
			writeFlow(b, n.Content[i])
			b.WriteString(": ")
			writeFlow(b, n.Content[i+1])
		}
		b.WriteByte('}')
	case yaml.SequenceNode:
		b.WriteByte('[')
		for i, c := range n.Content {
			if i > 0 {
				b.WriteString(", ")
			}
			writeFlow(b, c)
		}
		b.WriteByte(']')
	default:
		b.WriteString(n.Value)
	}
}
