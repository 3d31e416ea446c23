package logql

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"text/template"
	"text/template/parse"
)

// Bounds of one execution of a template. Text from users must not take the
// process down, and what a template does takes as long as its loops go.
const (
	maxTemplateOutput = 1 << 20
	maxTemplateLoops  = 10_000
)

var (
	errOutput = fmt.Errorf("the template makes more than %d bytes", maxTemplateOutput)
	errLoops  = fmt.Errorf("the template loops more than %d times", maxTemplateLoops)
)

// lineTemplate is a Go template over the labels of a row.
type lineTemplate struct {
	tmpl  *template.Template
	row   *row // during an execution
	loops int
	out   limitedBuffer
}

// loopGuard is called with what a range goes over; newTemplate puts it there.
const loopGuard = "__bounded"

// newTemplate compiles a template.
func newTemplate(text string) (*lineTemplate, error) {
	t := &lineTemplate{}
	funcs := template.FuncMap{
		"__line__":      func() string { return t.row.line },
		"__timestamp__": func() any { return timeOf(t.row) },
		loopGuard:       t.bounded,
	}
	tmpl, err := template.New("template").Option("missingkey=zero").Funcs(templateFuncs).Funcs(funcs).Parse(text)
	if err != nil {
		return nil, errors.New(strings.TrimPrefix(err.Error(), "template: "))
	}
	if len(tmpl.Templates()) > 1 {
		return nil, errors.New("a template cannot define others")
	}
	if tmpl.Tree != nil && tmpl.Root != nil {
		if err := guard(tmpl.Root); err != nil {
			return nil, err
		}
	}
	t.tmpl = tmpl
	return t, nil
}

// guard refuses calls of other templates, which could go on for ever, and counts
// what loops go over.
func guard(n parse.Node) error {
	switch n := n.(type) {
	case *parse.ListNode:
		if n == nil {
			return nil
		}
		for _, child := range n.Nodes {
			if err := guard(child); err != nil {
				return err
			}
		}
	case *parse.IfNode:
		return errors.Join(guard(n.List), guard(n.ElseList))
	case *parse.WithNode:
		return errors.Join(guard(n.List), guard(n.ElseList))
	case *parse.RangeNode:
		n.Pipe.Cmds = append(n.Pipe.Cmds, &parse.CommandNode{
			NodeType: parse.NodeCommand, Pos: n.Pos, Args: []parse.Node{parse.NewIdentifier(loopGuard).SetPos(n.Pos)},
		})
		return errors.Join(guard(n.List), guard(n.ElseList))
	case *parse.TemplateNode:
		return errors.New("a template cannot call others")
	}
	return nil
}

// bounded lets a loop go over v when it is a list or a map, and not too long.
func (t *lineTemplate) bounded(v any) (any, error) {
	value := reflect.ValueOf(v)
	switch value.Kind() {
	case reflect.Slice, reflect.Array, reflect.Map:
		if t.loops += value.Len() + 1; t.loops > maxTemplateLoops {
			return nil, errLoops
		}
		return v, nil
	case reflect.Invalid:
		return nil, nil
	}
	return nil, fmt.Errorf("a loop goes over a list or a map, not %T", v)
}

// execute gives what the template makes of a row.
func (t *lineTemplate) execute(r *row) (string, error) {
	r.expand()
	data := make(map[string]string, len(r.labels)+2)
	for _, l := range r.labels {
		data[l.Name] = l.Value
	}
	if r.err != "" {
		data[errorLabel], data[detailsLabel] = r.err, r.detail
	}
	t.row, t.loops, t.out.text = r, 0, t.out.text[:0]
	if err := t.tmpl.Execute(&t.out, data); err != nil {
		return "", err
	}
	return string(t.out.text), nil
}

// limitedBuffer refuses what goes beyond maxTemplateOutput.
type limitedBuffer struct{ text []byte }

func (b *limitedBuffer) Write(p []byte) (int, error) {
	if len(b.text)+len(p) > maxTemplateOutput {
		return 0, errOutput
	}
	b.text = append(b.text, p...)
	return len(p), nil
}
