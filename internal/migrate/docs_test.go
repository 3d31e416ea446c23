package migrate

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// page is the documentation of the migrations.
const page = "../../docs/migrations.md"

// docs/migrations.md has a row and an example for every rule, made from the
// table.
func TestDocumentation(t *testing.T) {
	old, err := os.ReadFile(page)
	if err != nil && os.Getenv("UPDATE") == "" {
		t.Fatal(err)
	}
	got := documentation(t)
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile(page, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(string(old), got); diff != "" {
		t.Errorf("docs/migrations.md (-want +got; UPDATE=1 rewrites):\n%s", diff)
	}
	for _, r := range Rules() {
		if !strings.Contains(got, "| [`"+r.ID+"`](#"+anchor(r.ID)+") |") || !strings.Contains(got, "\n### "+r.ID+"\n") {
			t.Errorf("rule %s lacks its row or its example", r.ID)
		}
	}
}

// anchor is the fragment that a heading gets on pages of Markdown.
func anchor(heading string) string {
	return strings.ReplaceAll(strings.ToLower(heading), ".", "")
}

func documentation(t *testing.T) string {
	t.Helper()
	intro, err := os.ReadFile("testdata/migrations.md")
	if err != nil {
		t.Fatal(err)
	}
	byID := map[string]example{}
	for _, e := range examples(t) {
		byID[strings.TrimSuffix(filepath.Base(e.file), ".txtar")] = e
	}
	var b strings.Builder
	b.Write(intro)
	rules := Rules()
	for _, group := range groups {
		fmt.Fprintf(&b, "\n## %s\n\n| Rule | Old | Becomes | Since | |\n|---|---|---|---|---|\n", group)
		for _, r := range rules {
			if r.Group == group {
				fmt.Fprintf(&b, "| [`%s`](#%s) | %s | %s | %s | %s |\n", r.ID, anchor(r.ID), r.Old, r.New, r.Since, r.Severity)
			}
		}
	}
	b.WriteString("\n## Examples\n\nWhat `signalbox migrate --diff` prints, findings first.\n")
	slices.SortFunc(rules, func(x, y Rule) int { return strings.Compare(x.ID, y.ID) })
	for _, r := range rules {
		e, ok := byID[r.ID]
		if !ok {
			t.Errorf("rule %s has no example", r.ID)
			continue
		}
		fmt.Fprintf(&b, "\n### %s\n\n", r.ID)
		if said := e.said(); said != "" {
			fmt.Fprintf(&b, "%s\n\n", said)
		}
		result, err := File("before.yaml", []byte(e.get("before.yaml")), e.options())
		if err != nil {
			t.Fatal(err)
		}
		b.WriteString("```\n")
		for _, f := range result.Findings {
			b.WriteString(f.String() + "\n")
		}
		b.WriteString("```\n")
		if diff := Diff("before.yaml", []byte(e.get("before.yaml")), result.Text); diff != "" {
			_, diff, _ = strings.Cut(diff, "\n")
			_, diff, _ = strings.Cut(diff, "\n")
			fmt.Fprintf(&b, "\n```diff\n%s```\n", diff)
		}
	}
	return b.String()
}

// said is under which circumstances the example holds, in words.
func (e example) said() string {
	o := e.options()
	switch {
	case o.InPod:
		return "In a pod:"
	case o.Modernise:
		return "With `--modernise`:"
	case o.LookupEnv != nil:
		return "When the collector starts, where `HOME` is set:"
	}
	return ""
}
