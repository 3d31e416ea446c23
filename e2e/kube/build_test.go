package kube

import (
	"os"
	"path/filepath"
	"testing"
)

// The key is of what is built, not of where: a fresh clone finds the binaries, and
// a change of any file does not.
func TestBuildKey(t *testing.T) {
	key := func(files map[string]string) string {
		t.Helper()
		dir := t.TempDir()
		for name, text := range files {
			if err := os.MkdirAll(filepath.Join(dir, filepath.Dir(name)), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		k, err := buildKey(t.Context(), dir)
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	base := key(map[string]string{"go.mod": "module a", "cmd/main.go": "package main"})
	f := func(same bool, files map[string]string) {
		t.Helper()
		if got := key(files); (got == base) != same {
			t.Errorf("%v: got key %s, the first was %s; want the same: %v", files, got, base, same)
		}
	}
	f(true, map[string]string{"go.mod": "module a", "cmd/main.go": "package main"})
	f(false, map[string]string{"go.mod": "module b", "cmd/main.go": "package main"})
	f(false, map[string]string{"go.mod": "module a", "cmd/main.go": "package other"})
	f(false, map[string]string{"go.mod": "module a", "cmd/other.go": "package main"})
	f(false, map[string]string{"go.mod": "module a", "cmd/main.go": "package main", "go.sum": "x"})
}
