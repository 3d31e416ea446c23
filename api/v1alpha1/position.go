package v1alpha1

import (
	"errors"
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"
	yamlv4 "go.yaml.in/yaml/v4"
)

// placed says where in a text the error is that reading it gave. The parser that
// reads it knows at most the line, and the next version of it the column too.
func placed(text string, err error) (with error) {
	with = fmt.Errorf("reading the YAML: %w", err)
	defer func() { _ = recover() }() // as parseConfig, of which this is a part
	var v any
	again := yamlv4.Unmarshal([]byte(text), &v)
	var one *yamlv4.LoadError
	var several *yamlv4.LoadErrors
	if errors.As(again, &several) && len(several.Errors) > 0 {
		one = several.Errors[0]
	} else if !errors.As(again, &one) {
		return with
	}
	if one.Mark.Line == 0 {
		return with
	}
	message := one.Message
	if context := one.ContextMark; one.ContextMsg != "" && context.Line != 0 && context != one.Mark {
		message += fmt.Sprintf(" %s that begins at %s", one.ContextMsg, place(context.Line, context.Column))
	}
	return fmt.Errorf("%s: %s", place(one.Mark.Line, one.Mark.Column), message)
}

// place is a place in a text; column 0 is not known.
func place(line, column int) string {
	if column == 0 {
		return fmt.Sprintf("line %d", line)
	}
	return fmt.Sprintf("line %d, column %d", line, column)
}

// misshapen is what in a configuration has another shape than v1beta1 has.
type misshapen struct {
	path []string
	text string
}

// in is the error with its place below the root of the document.
func (m *misshapen) in(root *yaml.Node) error {
	n := root
	for _, key := range m.path {
		for n.Kind == yaml.AliasNode {
			n = n.Alias
		}
		var next *yaml.Node
		for i := 0; i+1 < len(n.Content) && n.Kind == yaml.MappingNode; i += 2 {
			if n.Content[i].Value == key {
				next = n.Content[i+1]
			}
		}
		if next == nil { // merged from elsewhere
			break
		}
		n = next
	}
	return fmt.Errorf("%s: %s %s", place(n.Line, n.Column), strings.Join(m.path, "."), m.text)
}
