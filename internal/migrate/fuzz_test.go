package migrate

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// Whatever the text is, migration does not panic; what it gives parses, and
// migrating that changes nothing more.
func FuzzFile(f *testing.F) {
	for _, e := range examples(f) {
		f.Add([]byte(e.get("before.yaml")), e.options().InPod, e.options().Modernise)
	}
	files, err := filepath.Glob("testdata/seeds/*.yaml")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text, false, false)
	}
	f.Fuzz(func(t *testing.T, text []byte, pod, modernise bool) {
		if len(text) > 1<<16 {
			return
		}
		o := Options{InPod: pod, Modernise: modernise}
		once, err := File("a", text, o)
		if err != nil {
			return
		}
		twice, err := File("a", once.Text, o)
		if err != nil {
			t.Fatalf("what was written cannot be read: %v\n%s", err, once.Text)
		}
		if !bytes.Equal(once.Text, twice.Text) {
			t.Errorf("migrating twice:\n%s", Diff("a", once.Text, twice.Text))
		}
		for _, f := range twice.Findings {
			if f.Severity == Changed || f.Severity == Ignored {
				t.Errorf("found again: %s", f)
			}
		}
	})
}

// Anchors that hold themselves, and those that grow without end, are refused.
func TestAnchorsThatDoNotEnd(t *testing.T) {
	for _, text := range []string{
		"processors: {queued_retry: &q {queue_size: 7, loop: &l [*l]}}\nexporters: {otlp: *q}\n",
		"processors: {queued_retry: &a [x, x, x, x, x, x, x, x, x, x]}\nexporters:\n  a: &b [*a, *a, *a, *a, *a, *a, *a, *a, *a, *a]\n  b: &c [*b, *b, *b, *b, *b, *b, *b, *b, *b, *b]\n  c: &d [*c, *c, *c, *c, *c, *c, *c, *c, *c, *c]\n  d: [*d, *d, *d, *d, *d, *d, *d, *d, *d, *d]\n",
	} {
		if got, err := File("a", []byte(text), Options{}); err == nil {
			t.Errorf("accepted, and wrote\n%s", got.Text)
		}
	}
}
