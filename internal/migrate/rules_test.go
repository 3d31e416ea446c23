package migrate

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
)

// example is one file of testdata/rules: the comment holds options, the files
// are what a configuration was, what it became and what was found.
type example struct {
	file    string
	archive *txtar.Archive
}

// Options that a comment may name, one on each line after "option:". "env NAME=x"
// sets a variable, which makes the environment known.
func (e example) options() Options {
	var o Options
	env := map[string]string{}
	for line := range strings.Lines(string(e.archive.Comment)) {
		option, ok := strings.CutPrefix(strings.TrimSpace(line), "option: ")
		if !ok {
			continue
		}
		switch {
		case option == "pod":
			o.InPod = true
		case option == "modernise":
			o.Modernise = true
		case strings.HasPrefix(option, "env"):
			if name, value, ok := strings.Cut(strings.TrimSpace(strings.TrimPrefix(option, "env")), "="); ok {
				env[name] = value
			}
			o.LookupEnv = func(name string) (string, bool) { v, ok := env[name]; return v, ok }
		}
	}
	return o
}

func (e example) get(name string) string {
	for _, f := range e.archive.Files {
		if f.Name == name {
			return string(f.Data)
		}
	}
	return ""
}

func examples(t testing.TB) []example {
	t.Helper()
	files, err := filepath.Glob("testdata/rules/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no examples: %v", err)
	}
	var all []example
	for _, file := range files {
		archive, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, example{file, archive})
	}
	return all
}

// Each rule has an example, which is also its documentation.
func TestExamples(t *testing.T) {
	for _, e := range examples(t) {
		t.Run(strings.TrimSuffix(filepath.Base(e.file), ".txtar"), func(t *testing.T) {
			got, err := File("before.yaml", []byte(e.get("before.yaml")), e.options())
			if err != nil {
				t.Fatal(err)
			}
			want := slices.Clone(e.archive.Files[:1])
			want = append(want,
				txtar.File{Name: "after.yaml", Data: got.Text},
				txtar.File{Name: "findings", Data: []byte(lines(got.Findings))})
			if os.Getenv("UPDATE") != "" {
				e.archive.Files = want
				if err := os.WriteFile(e.file, txtar.Format(e.archive), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if diff := cmp.Diff(string(txtar.Format(e.archive)), string(txtar.Format(&txtar.Archive{Comment: e.archive.Comment, Files: want}))); diff != "" {
				t.Errorf("(-want +got; UPDATE=1 rewrites):\n%s", diff)
			}
		})
	}
}

func lines(findings []Finding) string {
	var b strings.Builder
	for _, f := range findings {
		b.WriteString(f.String() + " [" + f.Rule + "]\n")
	}
	return b.String()
}

// Every rule of the table says what it does and has an example that shows a
// finding of it.
func TestEveryRuleIsShown(t *testing.T) {
	shown := map[string]bool{}
	for _, e := range examples(t) {
		id := strings.TrimSuffix(filepath.Base(e.file), ".txtar")
		if strings.HasPrefix(id, "more-") {
			continue // shows several at once
		}
		if strings.Contains(e.get("findings"), "["+id+"]") {
			shown[id] = true
		} else {
			t.Errorf("%s: no finding of the rule %s", e.file, id)
		}
	}
	seen := map[string]bool{}
	for _, r := range Rules() {
		if r.ID == "" || r.Group == "" || r.Old == "" || r.New == "" || r.Why == "" || r.Severity == "" {
			t.Errorf("rule %q is not documented: %+v", r.ID, r)
		}
		if seen[r.ID] {
			t.Errorf("rule %q is there twice", r.ID)
		}
		seen[r.ID] = true
		if !shown[r.ID] {
			t.Errorf("rule %q has no example testdata/rules/%s.txtar", r.ID, r.ID)
		}
	}
}

// Migrating twice changes nothing more.
func TestTwiceIsOnce(t *testing.T) {
	for _, e := range examples(t) {
		once, err := File("a", []byte(e.get("before.yaml")), e.options())
		if err != nil {
			t.Fatal(err)
		}
		twice, err := File("a", once.Text, e.options())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(once.Text), string(twice.Text)); diff != "" {
			t.Errorf("%s (-once +twice):\n%s", e.file, diff)
		}
		for _, f := range twice.Findings {
			if f.Severity == Changed || f.Severity == Ignored {
				t.Errorf("%s: found again: %s", e.file, f)
			}
		}
	}
}

// The documents that people have published: what becomes of them, as a diff.
func TestSeeds(t *testing.T) {
	files, err := filepath.Glob("testdata/seeds/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no documents: %v", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got, err := File(filepath.Base(file), text, Options{})
			if err != nil {
				t.Fatal(err)
			}
			golden := strings.TrimSuffix(file, ".yaml") + ".golden"
			result := lines(got.Findings) + "\n" + Diff(filepath.Base(file), text, got.Text)
			if os.Getenv("UPDATE") != "" {
				if err := os.WriteFile(golden, []byte(result), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), result); diff != "" {
				t.Errorf("(-want +got; UPDATE=1 rewrites):\n%s", diff)
			}
			again, err := File(filepath.Base(file), got.Text, Options{})
			if err != nil {
				t.Fatal(err)
			}
			if diff := Diff(file, got.Text, again.Text); diff != "" {
				t.Errorf("migrated twice:\n%s", diff)
			}
		})
	}
}
