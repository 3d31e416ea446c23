package runtimes

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The libraries of a program are files, under the names that it looks for, and what
// loads them is among them.
func TestLinked(t *testing.T) {
	files, err := linked(t.Context(), "/bin/sh", "/bin/sh")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range files {
		if info, err := os.Lstat(f.Source); err != nil || !info.Mode().IsRegular() {
			t.Errorf("%s is no file: %v", f.Source, err)
		}
		names = append(names, filepath.Base(f.Target))
	}
	all := strings.Join(names, " ")
	if !strings.Contains(all, "libc.so") || strings.Count(all, "ld-linux") != 1 {
		t.Errorf("got %s; want the C library, and once what loads it", all)
	}
}

func TestWithin(t *testing.T) {
	for path, want := range map[string]bool{"/a/b": true, "/a": true, "/ab": false, "/": false} {
		if got := within("/a", path); got != want {
			t.Errorf("%s within /a: got %t; want %t", path, got, want)
		}
	}
}
