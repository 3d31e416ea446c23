package inject

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
	"sigs.k8s.io/yaml"
)

// Every reason there is has a case: a golden file, a row of the tables of what is
// refused, or a test that is named here.
func TestEveryReason(t *testing.T) {
	shown := map[Reason]string{
		Internal: "TestFailsOpen of internal/operator/pods",
		// Who looks at pods that run decides so.
		Unreached:  "TestUnreached of internal/operator/review",
		CrashGuard: "TestGuard",
	}
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		archive, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		text, _, _ := strings.Cut(string(member(archive, "want.yaml")), "---\n")
		var decisions []Decision
		if err := yaml.UnmarshalStrict([]byte(text), &decisions); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		for _, d := range decisions {
			shown[d.Reason] = file
		}
	}
	for name, c := range refusals() {
		reason, _, _ := strings.Cut(c.want, ":")
		shown[Reason(reason)] = name
	}
	tables := map[string]string{}
	for name, c := range instrumentationRefusals() {
		tables[name] = c.want
	}
	for name, c := range autoRefusals() {
		tables["auto, "+name] = c.want
	}
	for name, want := range tables {
		for line := range strings.Lines(want) {
			if words := strings.Fields(line); len(words) > 2 {
				shown[Reason(strings.TrimSuffix(words[2], ":"))] = name
			}
		}
	}
	all := reasons(t)
	for _, r := range all {
		if shown[r] == "" {
			t.Errorf("reason %s has no case that shows it", r)
		}
	}
	if len(all) < 30 {
		t.Errorf("found %d reasons; want all", len(all))
	}
}

// reasons are the constants of that type, from the source of the package.
func reasons(t *testing.T) []Reason {
	t.Helper()
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	var all []Reason
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(parsed, func(n ast.Node) bool {
			spec, ok := n.(*ast.ValueSpec)
			if !ok {
				return true
			}
			kind, ok := spec.Type.(*ast.Ident)
			if !ok || kind.Name != "Reason" {
				return true
			}
			for _, v := range spec.Values {
				if literal, ok := v.(*ast.BasicLit); ok {
					text, err := strconv.Unquote(literal.Value)
					if err != nil {
						t.Fatal(err)
					}
					all = append(all, Reason(text))
				}
			}
			return true
		})
	}
	return all
}
