package install

import (
	"cmp"
	"encoding/json"
	"fmt"
	"strings"

	kjson "sigs.k8s.io/json"
)

// tree is an object of Kubernetes, or a part of one, with holes: maps, lists,
// scalars, and at any place an expr, a when, an each or an encoded.
type tree = map[string]any

// list is a list in a tree.
type list = []any

// form is how the value of an expression is written into a chart.
type form int

const (
	text   form = iota // a string
	plain              // a number or a boolean
	nested             // a map or a list
)

// expr is a hole for something that follows from the values: how it is computed
// here, and how a Helm chart computes the same.
type expr struct {
	eval func(filled) any
	helm string
	form form
}

// when is one of two parts. A part that is nil leaves out the key or the item.
type when struct {
	cond            expr
	then, otherwise any
}

// each puts the items of a list of the values between the others of a list.
type each struct{ items expr }

// encoded is a tree that is written as YAML into a string.
type encoded struct{ tree tree }

// filled are values as JSON has them.
type filled map[string]any

// at is the value at a path, nil where there is none.
func (f filled) at(path string) any {
	var v any = map[string]any(f)
	for key := range strings.SplitSeq(path, ".") {
		m, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		v = m[key]
	}
	return v
}

// namespace is where everything is. A chart is told by Helm, not by a value.
var namespace = expr{func(f filled) any { return f.at("namespace") }, ".Release.Namespace", text}

// str is the string at a path of the values, num the number or boolean, and sub
// the map or list.
func str(path string) expr { return at(path, text) }
func num(path string) expr { return at(path, plain) }
func sub(path string) expr { return at(path, nested) }

func at(path string, as form) expr {
	return expr{func(f filled) any { return f.at(path) }, ".Values." + path, as}
}

// format is a string with expressions in it, each for one %s or %d.
func format(layout string, parts ...expr) expr {
	helm := make([]string, len(parts))
	for i, p := range parts {
		helm[i] = p.argument()
		if p.form == plain {
			helm[i] = "(int " + helm[i] + ")" // Helm reads numbers as floats
		}
	}
	return expr{func(f filled) any {
		args := make([]any, len(parts))
		for i, p := range parts {
			args[i] = p.eval(f)
		}
		return fmt.Sprintf(layout, args...)
	}, fmt.Sprintf("printf %q %s", layout, strings.Join(helm, " ")), text}
}

// joined are the strings of a list with commas between them.
func joined(prefix, path string) expr {
	return expr{func(f filled) any {
		var all []string
		items, _ := f.at(path).([]any)
		for _, item := range items {
			all = append(all, fmt.Sprint(item))
		}
		return prefix + strings.Join(all, ",")
	}, fmt.Sprintf("printf %q (join \",\" .Values.%s)", prefix+"%s", path), text}
}

// constant is an expression that is always the same string.
func constant(s string) expr {
	return expr{func(filled) any { return s }, quoteHelm(s), text}
}

// or is the first string, or the second when that is empty.
func or(a, b expr) expr {
	return expr{func(f filled) any {
		first, _ := a.eval(f).(string)
		second, _ := b.eval(f).(string)
		return cmp.Or(first, second)
	}, "or " + a.argument() + " " + b.argument(), text}
}

// is holds when the value is neither false, 0, nor empty.
func is(path string) expr {
	return expr{func(f filled) any { return truth(f.at(path)) }, ".Values." + path, plain}
}

// not holds when the other does not.
func not(c expr) expr {
	return expr{func(f filled) any { return !truth(c.eval(f)) }, "not " + c.argument(), plain}
}

// both holds when all do.
func both(conds ...expr) expr {
	helm := "and"
	for _, c := range conds {
		helm += " " + c.argument()
	}
	return expr{func(f filled) any {
		for _, c := range conds {
			if !truth(c.eval(f)) {
				return false
			}
		}
		return true
	}, helm, plain}
}

// above holds when the number is more than n.
func above(path string, n int64) expr {
	return expr{func(f filled) any { v, _ := f.at(path).(int64); return v > n }, fmt.Sprintf("gt (int .Values.%s) %d", path, n), plain}
}

// equal holds when the string is that one.
func equal(path, s string) expr {
	return expr{func(f filled) any { return f.at(path) == s }, fmt.Sprintf("eq .Values.%s %q", path, s), plain}
}

// argument is the expression as an argument of a function of Helm.
func (e expr) argument() string {
	if strings.Contains(e.helm, " ") {
		return "(" + e.helm + ")"
	}
	return e.helm
}

// truth is what Helm takes for true.
func truth(v any) bool {
	switch v := v.(type) {
	case nil:
		return false
	case bool:
		return v
	case string:
		return v != ""
	case int64:
		return v != 0
	case []any:
		return len(v) > 0
	case map[string]any:
		return len(v) > 0
	}
	panic(fmt.Sprintf("install: a value of type %T", v))
}

// absent is what a hole leaves that is left out with its key.
type absent struct{}

// fill is the tree with its holes filled.
func (f filled) fill(node any) any {
	switch n := node.(type) {
	case expr:
		return n.eval(f)
	case when:
		if truth(n.cond.eval(f)) {
			return f.part(n.then)
		}
		return f.part(n.otherwise)
	case encoded:
		return string(encodeYAML(f.fill(n.tree)))
	case tree:
		out := make(map[string]any, len(n))
		for key, v := range n {
			if v := f.fill(v); !isAbsent(v) {
				out[key] = v
			}
		}
		return out
	case list:
		return f.items(n)
	}
	return node
}

func (f filled) part(node any) any {
	if node == nil {
		return absent{}
	}
	return f.fill(node)
}

func (f filled) items(l list) list {
	out := make(list, 0, len(l))
	for _, item := range l {
		if e, ok := item.(each); ok {
			more, _ := e.items.eval(f).([]any)
			out = append(out, more...)
			continue
		}
		if v := f.fill(item); !isAbsent(v) {
			out = append(out, v)
		}
	}
	return out
}

func isAbsent(v any) bool { _, ok := v.(absent); return ok }

// generic is a value as JSON has it, with whole numbers as int64.
func generic(v any) (any, error) {
	data, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	var out any
	err = kjson.UnmarshalCaseSensitivePreserveInts(data, &out)
	return out, err
}
