package migrate

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// environmentRules are about dollar signs: $$ is one dollar sign and $1 stays,
// so nothing is said about these.
var environmentRules = []Rule{
	{
		ID: "shell-escape", Group: groupEnvironment, Severity: Changed,
		Old: "`\\$` in the `replacement` of a relabelling rule, and `\\${NAME}`: copied from a shell's here-document without the shell", New: "the dollar sign alone",
		Why:   "the backslash was for a shell and would be part of the value",
		apply: shellEscape,
	},
	{
		ID: "bare-variable", Group: groupEnvironment, Severity: Changed, Since: "0.107",
		Old: "`$NAME` in capitals, outside of regular expressions and replacements", New: "`${env:NAME}`; when a collector starts and no such variable is set, kept with a warning",
		Why:   "a variable without braces is no variable any more, but the text itself",
		apply: bareVariable,
	},
	{
		ID: "unset-variable", Group: groupEnvironment, Severity: Warning,
		Old: "`${NAME}` and `${env:NAME}` without a default, when the variable is not set", New: "kept: the value is empty. Reported where the environment is known, which is when a collector starts",
		Why:   "the variable is not set, so nothing stands here",
		apply: unsetVariable,
	},
}

// scalars calls f for every value of the configuration that is a text, with the
// keys that lead to it.
func (p *pass) scalars(f func(n *yaml.Node, path []string)) {
	seen := map[*yaml.Node]bool{}
	var visit func(n *yaml.Node, path []string)
	visit = func(n *yaml.Node, path []string) {
		n = follow(n)
		if n == nil || seen[n] {
			return
		}
		seen[n] = true
		switch n.Kind {
		case yaml.MappingNode:
			for _, kv := range pairs(n) {
				visit(kv.value, append(slices.Clone(path), strings.TrimSpace(kv.key.Value)))
			}
		case yaml.SequenceNode:
			for i, e := range n.Content {
				visit(e, append(slices.Clone(path), strconv.Itoa(i)))
			}
		case yaml.ScalarNode:
			f(n, path)
		}
	}
	visit(p.root, nil)
}

// expressions are the keys below which a dollar sign means something else.
var expressions = []string{"regex", "replacement", "pattern", "regexp", "expression", "expr", "statements", "conditions", "trace_statements", "metric_statements", "log_statements", "condition", "format", "layout"}

func inExpression(path []string) bool {
	return slices.ContainsFunc(path, func(key string) bool { return slices.Contains(expressions, key) })
}

var (
	escapedReference = regexp.MustCompile(`\\\$(\{[A-Za-z_][^{}]*\})`)
	bareReference    = regexp.MustCompile(`\$+(?:[A-Z_][A-Z0-9_]+)?`)
	reference        = regexp.MustCompile(`\$+(?:\{(?:env:)?([A-Za-z_][A-Za-z0-9_]*)\})?`)
)

func shellEscape(p *pass) {
	p.scalars(func(n *yaml.Node, path []string) {
		if len(path) == 0 {
			return
		}
		old, now := n.Value, n.Value
		if path[len(path)-1] == "replacement" {
			now = strings.ReplaceAll(old, `\$`, `$`)
		} else if !inExpression(path) {
			now = escapedReference.ReplaceAllString(old, `$$$1`)
		}
		if now != old {
			n.Value = now
			if path[len(path)-1] == "replacement" {
				p.found(n, path, old, now)
			} else { // the value around a variable may be a secret
				p.found(n, path, `\$`, "$")
			}
		}
	})
}

// odd reports whether the dollar signs that text begins with are an odd number,
// so that the last one is no escaped one.
func odd(text string) bool { return (len(text)-len(strings.TrimLeft(text, "$")))%2 == 1 }

// lookup looks an environment variable up. Where the environment is not known,
// every variable may be set.
func (p *pass) lookup(name string) (string, bool) {
	if p.LookupEnv == nil {
		return "", true
	}
	return p.LookupEnv(name)
}

func bareVariable(p *pass) {
	p.scalars(func(n *yaml.Node, path []string) {
		if inExpression(path) {
			return
		}
		old := n.Value
		var names []string
		now := bareReference.ReplaceAllStringFunc(old, func(m string) string {
			name := strings.TrimLeft(m, "$")
			if name == "" || !odd(m) {
				return m
			}
			if _, set := p.lookup(name); !set {
				p.say(n, Warning, path, "", "", "what stands after $ is the name of no environment variable that is set, so it stays as it is; a variable is ${env:NAME}, a dollar sign $$")
				return m
			}
			names = append(names, name)
			return m[:len(m)-len(name)-1] + "${env:" + name + "}"
		})
		if now != old { // the value around a variable may be a secret
			n.Value = now
			p.found(n, path, strings.Join(names, ", "), "${env:"+strings.Join(names, "}, ${env:")+"}")
		}
	})
}

func unsetVariable(p *pass) {
	if p.LookupEnv == nil {
		return
	}
	p.scalars(func(n *yaml.Node, path []string) {
		for _, m := range reference.FindAllStringSubmatch(n.Value, -1) {
			if m[1] == "" || !odd(m[0]) {
				continue
			}
			if _, ok := p.LookupEnv(m[1]); !ok {
				p.say(n, Warning, path, m[1], "", "the environment variable "+m[1]+" is not set, so nothing stands in its place")
			}
		}
	})
}
