package kube

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
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

// The newest builds stay, and what an interrupted one left goes.
func TestRemoveOld(t *testing.T) {
	cache := t.TempDir()
	now := time.Now()
	for i, name := range []string{"newest", "second", "third", "fourth", "building-123"} {
		dir := filepath.Join(cache, name)
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(dir, now, now.Add(-time.Duration(i)*time.Hour)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(cache, "lock"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := removeOld(cache); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(cache)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	if diff := cmp.Diff([]string{"lock", "newest", "second", "third"}, got); diff != "" {
		t.Errorf("what stays (-want +got):\n%s", diff)
	}
}
