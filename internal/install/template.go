package install

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// template is a tree as text that Helm makes YAML of. Lines of its own hold what
// Helm decides; they leave no trace in what it prints.
type template struct{ strings.Builder }

// line writes a line.
func (t *template) line(indent int, text string) {
	t.WriteString(strings.Repeat(" ", indent) + text + "\n")
}

// control writes a line that only says what Helm does with others.
func (t *template) control(text string) { t.WriteString("{{- " + text + " }}\n") }

// decide writes one of two parts.
func (t *template) decide(w when, write func(part any)) {
	switch {
	case w.then == nil:
		t.control("if " + not(w.cond).helm)
		write(w.otherwise)
	default:
		t.control("if " + w.cond.helm)
		write(w.then)
		if w.otherwise != nil {
			t.control("else")
			write(w.otherwise)
		}
	}
	t.control("end")
}

// mapping writes the entries of a map. Those that may be left out come last, so
// that an item of a list can begin with the first.
func (t *template) mapping(indent int, m tree) {
	keys := slices.Sorted(maps.Keys(m))
	slices.SortStableFunc(keys, func(a, b string) int { return optional(m[a]) - optional(m[b]) })
	for _, key := range keys {
		t.entry(indent, key, m[key])
	}
}

func optional(v any) int {
	if _, ok := v.(when); ok {
		return 1
	}
	return 0
}

// entry writes a key and its value.
func (t *template) entry(indent int, key string, v any) {
	name := scalar(key) + ":"
	switch v := v.(type) {
	case when:
		t.decide(v, func(part any) { t.entry(indent, key, part) })
	case expr:
		t.line(indent, name+" "+v.hole(indent+2))
	case encoded:
		t.line(indent, name+" |")
		t.mapping(indent+2, v.tree)
	case tree:
		if len(v) == 0 {
			t.line(indent, name+" {}")
			return
		}
		t.line(indent, name)
		t.mapping(indent+2, v)
	case list:
		if len(v) == 0 {
			t.line(indent, name+" []")
			return
		}
		t.line(indent, name)
		t.list(indent, v)
	default:
		t.line(indent, name+" "+scalar(v))
	}
}

// list writes the items of a list, which have to be more than optional ones: a
// list without items would be null.
func (t *template) list(indent int, l list) {
	for _, item := range l {
		t.item(indent, item)
	}
}

func (t *template) item(indent int, v any) {
	switch v := v.(type) {
	case when:
		t.decide(v, func(part any) { t.item(indent, part) })
	case each:
		t.control("with " + v.items.helm)
		t.line(0, fmt.Sprintf("{{- toYaml . | nindent %d }}", indent))
		t.control("end")
	case expr:
		t.line(indent, "- "+v.hole(indent+2))
	case tree:
		var below template
		below.mapping(indent+2, v)
		t.WriteString(strings.Repeat(" ", indent) + "- " + below.String()[indent+2:])
	case list:
		panic("install: a list in a list")
	default:
		t.line(indent, "- "+scalar(v))
	}
}

// hole is the expression at the place of a value.
func (e expr) hole(indent int) string {
	switch e.form {
	case nested:
		return fmt.Sprintf("{{- toYaml %s | nindent %d }}", e.argument(), indent)
	case text:
		return "{{ " + e.helm + " | quote }}"
	}
	return "{{ " + e.helm + " }}"
}

// scalar is a value as YAML on one line, in which Helm finds nothing to do.
func scalar(v any) string {
	s, isText := v.(string)
	if !isText {
		return strings.TrimSuffix(string(encodeYAML(v)), "\n")
	}
	plain := strings.TrimSuffix(string(encodeYAML(s)), "\n")
	if strings.Contains(plain, "\n") {
		plain = quoteHelm(s)
	}
	return strings.ReplaceAll(plain, "{{", `{{ "{{" }}`)
}

// quoteHelm is the string in double quotes, as Helm's language and YAML both read
// it.
func quoteHelm(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`, "\t", `\t`).Replace(s) + `"`
}
