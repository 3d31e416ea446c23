package migrate

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// source is a YAML text, parsed, that knows what it was before rules worked on
// its nodes. Its text can be written again with only the lines changed that the
// rules changed.
type source struct {
	lines []string
	docs  []*yaml.Node
	was   map[*yaml.Node]shape
	step  int // columns of indentation
}

// shape is what a node was when it was parsed.
type shape struct {
	yaml.Node
	content []*yaml.Node
}

// parse reads all documents of a text.
func parse(text []byte) (*source, error) {
	docs, err := documents(text)
	if err != nil {
		return nil, err
	}
	s := &source{lines: strings.SplitAfter(string(text), "\n"), docs: docs, was: map[*yaml.Node]shape{}, step: 2}
	if last := len(s.lines) - 1; s.lines[last] == "" {
		s.lines = s.lines[:last]
	}
	for _, doc := range docs {
		walk(doc, func(n *yaml.Node) { s.was[n] = shape{*n, slices.Clone(n.Content)} })
	}
	s.step = s.indentation()
	return s, nil
}

func documents(text []byte) ([]*yaml.Node, error) {
	var docs []*yaml.Node
	d := yaml.NewDecoder(bytes.NewReader(text))
	for {
		doc := new(yaml.Node)
		switch err := d.Decode(doc); {
		case errors.Is(err, io.EOF):
			return docs, nil
		case err != nil:
			return nil, err
		}
		docs = append(docs, doc)
	}
}

// indentation is by how many columns the text indents, from its first mapping
// in a mapping.
func (s *source) indentation() int {
	for _, doc := range s.docs {
		for _, kv := range pairs(doc) {
			if m := mapping(kv.value); m != nil && len(m.Content) > 0 && m.Style&yaml.FlowStyle == 0 && m.Content[0].Line > kv.key.Line {
				if step := m.Content[0].Column - kv.key.Column; step >= 2 && step <= 9 {
					return step
				}
			}
		}
	}
	return 2
}

// text writes the documents as they are now. What did not change is written as
// it was, byte by byte.
func (s *source) text() ([]byte, error) {
	e := &editor{source: s}
	if e.all() {
		if out := e.apply(); s.sameAs(out) {
			return out, nil
		}
	}
	for _, simpler := range []func() bool{
		func() bool { return true },
		func() bool { // an alias may stand without its anchor now
			nodes := 0
			return !slices.ContainsFunc(s.docs, func(d *yaml.Node) bool { return !unalias(d, 0, &nodes) })
		},
		func() bool { // comments in odd places are written so that they break
			for _, d := range s.docs {
				walk(d, func(n *yaml.Node) { n.HeadComment, n.LineComment, n.FootComment = "", "", "" })
			}
			return true
		},
	} {
		if !simpler() {
			break
		}
		if out, err := s.encode(); err == nil && s.sameAs(out) {
			return out, nil
		}
	}
	return nil, errors.New("what it became cannot be written as YAML")
}

// maxNodes bounds what aliases may grow a document to.
const maxNodes = 100_000

// unalias puts in the place of aliases what they stand for. It reports whether
// that is possible.
func unalias(n *yaml.Node, depth int, nodes *int) bool {
	*nodes++
	if depth > 1000 || *nodes > maxNodes {
		return false
	}
	if n.Kind == yaml.AliasNode {
		comment := n.LineComment
		*n = *follow(n)
		n.LineComment, n.Content = comment, slices.Clone(n.Content)
		for i, c := range n.Content {
			n.Content[i] = new(*c)
		}
	}
	n.Anchor = ""
	return !slices.ContainsFunc(n.Content, func(c *yaml.Node) bool { return !unalias(c, depth+1, nodes) })
}

// sameAs reports whether a text reads as the documents do now.
func (s *source) sameAs(out []byte) bool {
	docs, err := documents(out)
	return err == nil && slices.EqualFunc(docs, s.docs, equal)
}

// equal reports whether two nodes mean the same.
func equal(a, b *yaml.Node) bool {
	if a.Kind != b.Kind || len(a.Content) != len(b.Content) {
		return false
	}
	switch a.Kind {
	case yaml.ScalarNode:
		if a.ShortTag() != b.ShortTag() || a.ShortTag() != "!!null" && a.Value != b.Value {
			return false
		}
	case yaml.AliasNode:
		return a.Value == b.Value
	}
	return slices.EqualFunc(a.Content, b.Content, equal)
}

// encode writes all documents anew, in the encoder's own layout.
func (s *source) encode() ([]byte, error) {
	var out bytes.Buffer
	enc := yaml.NewEncoder(&out)
	enc.SetIndent(s.step)
	for _, doc := range s.docs {
		if err := safely(func() error { return enc.Encode(writable(doc, false, true)) }); err != nil {
			return nil, err
		}
	}
	err := safely(enc.Close)
	return out.Bytes(), err
}

// safely calls the YAML encoder, which panics on nodes that it cannot write.
func safely(f func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("writing YAML: %v", r)
		}
	}()
	return f()
}

// pristine reports whether a node and all in it are as they were.
func (s *source) pristine(n *yaml.Node) bool {
	w, ok := s.was[n]
	return ok && n.Kind == w.Kind && n.Value == w.Value && n.Tag == w.Tag && n.Style == w.Style &&
		slices.Equal(n.Content, w.content) && !slices.ContainsFunc(n.Content, func(c *yaml.Node) bool { return !s.pristine(c) })
}
