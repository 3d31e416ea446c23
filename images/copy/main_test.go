package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The calls that injection makes, twice each, as a restarted init container does.
func TestCopies(t *testing.T) {
	f := func(want string, args ...string) {
		t.Helper()
		dir := t.TempDir()
		t.Chdir(dir)
		if err := os.MkdirAll("from/a", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Mkdir("to", 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile("from/a/x", []byte("text"), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink("from", "also"); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if err := run(args); err != nil {
				t.Fatalf("cp %q: %v", args, err)
			}
		}
		got, err := os.ReadFile(filepath.Join(dir, want))
		if err != nil || string(got) != "text" {
			t.Errorf("cp %q: %s has %q, %v; want the text", args, want, got, err)
		}
	}
	f("to/a/x", "-r", "from/.", "to")
	f("to/a/x", "-r", "from/a", "to")
	f("to/a/x", "-r", "also/.", "to")
	f("to/y", "from/a/x", "to/y")
	f("to/x", "from/a/x", "to")
}

func TestRefuses(t *testing.T) {
	f := func(want string, args ...string) {
		t.Helper()
		if err := run(args); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("cp %q: got error %v; want %q", args, err, want)
		}
	}
	dir := t.TempDir()
	f("want cp", "one")
	f("flag -u is not known", "-u", "a", "b")
	f("is a folder", dir, filepath.Join(dir, "b"))
	f("no such file", filepath.Join(dir, "a"), dir)
}
