package kube

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// shell is a program of a shell script.
func shell(name, script string) program {
	return program{name: name, path: "/bin/sh", args: []string{"-c", script}}
}

// A wait ends as soon as a process does that it needs, and says what that said
// last.
func TestWaitEndsWithProcess(t *testing.T) {
	s := newSupervisor(t.TempDir())
	if err := s.start(false, shell("server", "echo port is taken; exit 3")); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := s.watched(t.Context())
	defer cancel()
	err := until(ctx, "the server", func(context.Context) error { return errors.New("refused") })
	for _, want := range []string{"waiting for the server", "server ended: exit status 3", "port is taken", "last: refused"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v; want %q in it", err, want)
		}
	}
	if err := s.stop(); err == nil {
		t.Error("stop says nothing of the process that had ended")
	}
}

// Processes are found by their names and the state directory, and by nothing else
// that holds its name.
func TestKillAll(t *testing.T) {
	if _, err := os.Stat("/proc/self/cmdline"); err != nil {
		t.Skip("only Linux has it, and full clusters")
	}
	state := t.TempDir()
	s := newSupervisor(state)
	// A builtin at the end keeps the shell from becoming the command.
	script := "read line < " + filepath.Join(state, "pipe") + "; :"
	if out, err := run(t.Context(), "mkfifo", filepath.Join(state, "pipe")); err != nil {
		t.Fatal(out, err)
	}
	if err := s.start(true, shell("one", script), shell("two", script)); err != nil {
		t.Fatal(err)
	}
	f := func(state string, want int, names ...string) {
		t.Helper()
		got, err := processesOf(state, names...)
		if err != nil || len(got) != want {
			t.Errorf("processesOf(%s, %q): got %d, %v; want %d", state, names, got, err, want)
		}
	}
	f(state, 2, "one", "two")
	f(state, 1, "one")
	f(filepath.Dir(state)+"/other", 0, "one", "two")
	if err := killAll(t.Context(), "one", func() ([]int, error) { return processesOf(state, "one") }); err != nil {
		t.Fatal(err)
	}
	f(state, 0, "one")
	f(state, 1, "two")
	if err := s.stop(); err == nil || !strings.Contains(err.Error(), "one ended: signal: killed") {
		t.Errorf("got %v; want that one was killed", err)
	}
	f(state, 0, "two")
}

// What came into a shared folder goes, what was there stays.
func TestRemoveSince(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"old", "new/deep"} {
		if err := os.MkdirAll(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := removeSince(dir, true, []string{"old"}); err != nil {
		t.Fatal(err)
	}
	if !isDir(filepath.Join(dir, "old")) || isDir(filepath.Join(dir, "new")) {
		t.Errorf("got old %v, new %v; want old alone", isDir(filepath.Join(dir, "old")), isDir(filepath.Join(dir, "new")))
	}
	if err := removeSince(dir, false, nil); err != nil || isDir(dir) {
		t.Errorf("a folder that was not there is still there (%v)", err)
	}
	if err := removeSince(dir, true, nil); err != nil {
		t.Error(err)
	}
}
