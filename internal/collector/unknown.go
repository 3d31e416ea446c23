package collector

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"go.opentelemetry.io/collector/confmap"

	"github.com/signalbox-otel/signalbox/internal/migrate"
)

// mark stands in a tree for a value with references, as ${env:HOST}:4317, that
// only the environment of the collector can resolve.
type mark string

// expand is a text as the collector reads it: a mark when it has references,
// else with $$ read as $.
func expand(text string) any {
	if !strings.Contains(text, "$") {
		return text
	}
	var b strings.Builder
	last := strings.LastIndexByte(text, '}')
	for i := 0; i < len(text); i++ {
		switch {
		case strings.HasPrefix(text[i:], "$$"):
			b.WriteByte('$')
			i++
		case strings.HasPrefix(text[i:], "${") && i < last:
			return mark(text)
		default:
			b.WriteByte(text[i])
		}
	}
	return b.String()
}

// substitute puts a guess in the place of every reference in a text.
func (m mark) substitute(guess string) string {
	var b strings.Builder
	depth := 0
	for i := 0; i < len(m); i++ {
		rest := string(m[i:])
		switch {
		case strings.HasPrefix(rest, "$$"):
			if depth == 0 {
				b.WriteByte('$')
			}
			i++
		case strings.HasPrefix(rest, "${"):
			if depth == 0 {
				b.WriteString(guess)
			}
			depth++
			i++
		case depth > 0 && m[i] == '}':
			depth--
		case depth == 0:
			b.WriteByte(m[i])
		}
	}
	return b.String()
}

// whole reports whether the text is one reference and nothing else.
func (m mark) whole() bool { return m.substitute("") == "" }

// filled is a copy of a tree with a guess for each mark, nil where the path of
// the mark is among nothing.
func filled(v any, guess any, path string, nothing map[string]bool) any {
	switch v := v.(type) {
	case mark:
		switch {
		case guess == nil || nothing[path]:
			return nil
		case v.whole():
			return guess
		}
		return v.substitute(fmt.Sprint(guess))
	case map[string]any:
		m := make(map[string]any, len(v))
		for key, e := range v {
			m[key] = filled(e, guess, path+confmap.KeyDelimiter+key, nothing)
		}
		return m
	case []any:
		l := make([]any, len(v))
		for i, e := range v {
			l[i] = filled(e, guess, path+confmap.KeyDelimiter+strconv.Itoa(i), nothing)
		}
		return l
	}
	return v
}

// marked reports whether a tree has marks.
func marked(v any) bool { return len(marks(v, nil, nil)) > 0 }

// marks adds the paths of the marks in what stands at path.
func marks(v any, path []string, to [][]string) [][]string {
	switch v := v.(type) {
	case mark:
		to = append(to, path)
	case map[string]any:
		for key, e := range v {
			to = marks(e, append(path[:len(path):len(path)], strings.TrimSpace(key)), to)
		}
	case []any:
		for i, e := range v {
			to = marks(e, append(path[:len(path):len(path)], strconv.Itoa(i)), to)
		}
	}
	return to
}

// inTree is what stands in the tree at path, or above it when that is a mark; nil
// when all is known.
func (d *decoder) inTree(path ...string) any {
	var v any = d.tree
	for _, key := range path {
		switch parent := v.(type) {
		case mark:
			return parent
		case map[string]any:
			next, ok := parent[key]
			for k, e := range parent {
				if !ok && strings.TrimSpace(k) == key {
					next, ok = e, true
				}
			}
			v = next
		case []any:
			i, err := strconv.Atoi(key)
			if err != nil || i < 0 || i >= len(parent) {
				return nil
			}
			v = parent[i]
		default:
			return nil
		}
	}
	return v
}

// unknown reports whether only the environment knows what stands at path.
func (d *decoder) unknown(path ...string) bool {
	_, unknown := d.inTree(path...).(mark)
	return unknown
}

// raw is the mapping at path when it has marks, nil when it has none or is
// something else.
func (d *decoder) raw(path []string) map[string]any {
	if m, ok := d.inTree(path...).(map[string]any); ok && marked(m) {
		return m
	}
	return nil
}

// guesses are put in the place of what is not known, one after the other. Each
// fits other fields.
var guesses = []any{"localhost:1", "http://localhost:1", "1s", 1, true}

// guessed decodes a component that has marks. What is wrong whatever stands in
// their places is an error. What depends on them is at most a warning, and none
// when there is a guess with which it is right.
func (d *decoder) guessed(path []string, raw map[string]any, fresh func() any) (any, bool) {
	at := marks(raw, path, nil)
	with := func(guess any, nothing map[string]bool) (*decoder, any, bool) {
		a := &decoder{source: d.source, refused: d.refused, rules: d.rules}
		cfg, ok := a.attempt(path, confmap.NewFromStringMap(filled(raw, guess, strings.Join(path, confmap.KeyDelimiter), nothing).(map[string]any)), fresh)
		return a, cfg, ok
	}
	a, cfg, ok := with(nil, nil)
	var doubtful []migrate.Finding
	for _, f := range a.findings {
		if f.Rule != "unknown-key" && depends(f.Path, at) {
			doubtful = append(doubtful, f)
			continue
		}
		d.findings = append(d.findings, f)
	}
	sure := len(a.findings) == len(doubtful)
	if path[0] == "service" {
		doubtful = nil // names of components are not guessed
	}
	for _, guess := range guesses {
		if len(doubtful) == 0 {
			break
		}
		if found, ok := fitted(guess, at, with); ok {
			doubtful = slices.DeleteFunc(doubtful, func(f migrate.Finding) bool {
				return !slices.ContainsFunc(found, func(o migrate.Finding) bool { return o.String() == f.String() })
			})
		}
	}
	for _, f := range doubtful {
		f.Severity = migrate.Warning
		d.findings = append(d.findings, f)
	}
	return cfg, ok || sure
}

// fitted tries a guess, without the places that it does not fit. It is false
// when it fits none.
func fitted(guess any, at [][]string, with func(any, map[string]bool) (*decoder, any, bool)) ([]migrate.Finding, bool) {
	nothing := map[string]bool{}
	for range 3 {
		a, _, ok := with(guess, nothing)
		if ok {
			return a.findings, true
		}
		before := len(nothing)
		for _, f := range a.findings {
			if slices.ContainsFunc(at, func(m []string) bool { return slices.Equal(m, f.Path) }) {
				nothing[strings.Join(f.Path, confmap.KeyDelimiter)] = true
			}
		}
		if len(nothing) == before {
			break
		}
	}
	return nil, false
}

// depends reports whether one of the paths is above, below or the same as path.
func depends(path []string, marks [][]string) bool {
	return slices.ContainsFunc(marks, func(m []string) bool {
		n := min(len(m), len(path))
		return slices.Equal(m[:n], path[:n])
	})
}
