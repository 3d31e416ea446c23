package vfs

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func write(t *testing.T, f FS, name, text string) File {
	t.Helper()
	file, err := f.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := file.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	return file
}

func read(t *testing.T, f FS, name string) string {
	t.Helper()
	file, err := f.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	size, err := file.Size()
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(io.NewSectionReader(file, 0, size))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func list(t *testing.T, f FS, dir string) []string {
	t.Helper()
	names, err := f.List(dir)
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// Mem is the file system of most of the store's tests: it must behave as the
// real one does.
func TestFileSystemsBehaveAlike(t *testing.T) {
	for name, f := range map[string]FS{"OS": OS, "Mem": NewMem(1)} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "a", "b")
			path := func(name string) string { return filepath.Join(dir, name) }
			for range 2 { // the second time it is there
				if err := f.MkdirAll(dir); err != nil {
					t.Fatal(err)
				}
			}
			file := write(t, f, path("x.tmp"), "one,")
			if _, err := file.Write([]byte("two")); err != nil {
				t.Fatal(err)
			}
			if _, err := file.Write([]byte("three")); err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(file.Sync(), file.Truncate(4)); err != nil {
				t.Fatal(err)
			}
			if _, err := file.Write([]byte("two")); err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(file.Sync(), file.Close()); err != nil {
				t.Fatal(err)
			}
			if err := file.Close(); !errors.Is(err, fs.ErrClosed) {
				t.Errorf("second Close: got %v; want ErrClosed", err)
			}
			write(t, f, path("x"), "old").Close()
			if err := errors.Join(f.Rename(path("x.tmp"), path("x")), f.SyncDir(dir)); err != nil {
				t.Fatal(err)
			}
			if got, want := read(t, f, path("x")), "one,two"; got != want {
				t.Errorf("content after rename: got %q; want %q", got, want)
			}
			write(t, f, path("w"), "long content").Close()
			write(t, f, path("w"), "short").Close()
			if got, want := read(t, f, path("w")), "short"; got != want {
				t.Errorf("content after second Create: got %q; want %q", got, want)
			}
			if diff := cmp.Diff([]string{"w", "x"}, list(t, f, dir)); diff != "" {
				t.Errorf("List (-want +got):\n%s", diff)
			}
			reader, err := f.Open(path("x"))
			if err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(f.Remove(path("x")), reader.Sync()); err != nil {
				t.Fatal(err)
			}
			p := make([]byte, 8)
			if n, err := reader.ReadAt(p, 4); n != 3 || err != io.EOF {
				t.Errorf("ReadAt of a removed open file: got %d, %v; want 3, EOF", n, err)
			}
			if _, err := reader.Write(p); err == nil {
				t.Error("Write to a file opened for reading: got no error")
			}
			for op, err := range map[string]error{
				"Open": func() error { _, err := f.Open(path("x")); return err }(), "Remove": f.Remove(path("x")),
				"Rename": f.Rename(path("x"), path("y")), "List": func() error { _, err := f.List(path("no")); return err }(),
				"Create": func() error { _, err := f.Create(filepath.Join(dir, "no", "x")); return err }(),
			} {
				if !errors.Is(err, fs.ErrNotExist) {
					t.Errorf("%s of a missing file: got %v; want ErrNotExist", op, err)
				}
			}
			if free, err := f.Free(dir); free <= 0 || err != nil {
				t.Errorf("Free: got %d, %v; want more than 0", free, err)
			}
		})
	}
}

func TestLock(t *testing.T) {
	for name, f := range map[string]FS{"OS": OS, "Mem": NewMem(1)} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "LOCK")
			first, err := f.Lock(path)
			if err != nil {
				t.Fatal(err)
			}
			_, err = f.Lock(path)
			var inUse *InUseError
			if !errors.As(err, &inUse) || inUse.PID != os.Getpid() {
				t.Errorf("second Lock: got %v; want InUseError of process %d", err, os.Getpid())
			}
			if err := first.Close(); err != nil {
				t.Fatal(err)
			}
			again, err := f.Lock(path)
			if err != nil {
				t.Fatalf("Lock after Close: %v", err)
			}
			again.Close()
		})
	}
}

// What was synced is there after every crash, byte for byte; what was not may
// be there in part, and over many seeds is sometimes there and sometimes not.
func TestCrashKeepsWhatWasSynced(t *testing.T) {
	m := NewMem(1)
	if err := m.MkdirAll("d"); err != nil {
		t.Fatal(err)
	}
	synced := strings.Repeat("synced.", 200)
	f := write(t, m, "d/a", synced)
	write(t, m, "d/gone", "x").Close()
	if err := errors.Join(f.Sync(), m.SyncDir("d"), m.Remove("d/gone")); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write([]byte(strings.Repeat("tail", 1000))); err != nil {
		t.Fatal(err)
	}
	write(t, m, "d/new", "not linked durably").Sync()

	seen := map[string]int{}
	for seed := range uint64(200) {
		after := m.Crash(seed)
		got := read(t, after, "d/a")
		if !strings.HasPrefix(got, synced) {
			t.Fatalf("seed %d: synced bytes are not there: %d bytes", seed, len(got))
		}
		if len(got) > len(synced) {
			seen["tail"]++
		}
		if strings.ContainsRune(got, 0) {
			seen["hole"]++
		}
		for _, name := range list(t, after, "d") {
			seen[name]++
		}
	}
	if seen["a"] != 200 {
		t.Errorf("file with a durable name: got it after %d of 200 crashes", seen["a"])
	}
	for _, what := range []string{"tail", "hole", "new", "gone"} {
		if seen[what] == 0 || seen[what] == 200 {
			t.Errorf("%s: seen after %d of 200 crashes; want some", what, seen[what])
		}
	}
}

// After a failed sync the bytes are lost although a later sync succeeds.
func TestSyncAfterFailedSyncDoesNotBringBytesBack(t *testing.T) {
	lost := 0
	for seed := range uint64(20) {
		m := NewMem(seed)
		if err := m.MkdirAll("d"); err != nil {
			t.Fatal(err)
		}
		f := write(t, m, "d/a", strings.Repeat("x", 4000))
		m.FailAt(0, false, syscall.EIO)
		if err := f.Sync(); !errors.Is(err, syscall.EIO) || !m.Failed() {
			t.Fatalf("Sync: got %v; want EIO", err)
		}
		if err := errors.Join(f.Sync(), m.SyncDir("d")); err != nil {
			t.Fatal(err)
		}
		if strings.ContainsRune(read(t, m.Crash(seed), "d/a"), 0) {
			lost++
		}
	}
	if lost == 0 {
		t.Error("no bytes lost in 20 failed syncs")
	}
}

func TestFailAt(t *testing.T) {
	m := NewMem(1)
	boom := errors.New("boom")
	m.FailAt(1, false, boom)
	for i, want := range []error{nil, boom, nil} {
		if err := m.MkdirAll("d"); !errors.Is(err, want) {
			t.Errorf("operation %d: got %v; want %v", i, err, want)
		}
	}
	m.FailAt(0, true, boom)
	for range 2 {
		if err := m.MkdirAll("d"); !errors.Is(err, boom) {
			t.Errorf("failing for ever: got %v", err)
		}
	}
	m.FailAt(-1, false, nil)
	if err := m.MkdirAll("d"); err != nil {
		t.Errorf("failing ended: got %v", err)
	}
}

func TestCapacity(t *testing.T) {
	m := NewMem(1)
	if err := m.MkdirAll("d"); err != nil {
		t.Fatal(err)
	}
	m.SetCapacity(10)
	f := write(t, m, "d/a", "1234567")
	n, err := f.Write([]byte("1234567"))
	if n != 3 || !IsNoSpace(err) {
		t.Errorf("Write beyond the capacity: got %d, %v; want 3, ENOSPC", n, err)
	}
	if free, _ := m.Free("d"); free != 0 {
		t.Errorf("Free: got %d; want 0", free)
	}
	if err := m.Remove("d/a"); err != nil {
		t.Fatal(err)
	}
	if free, _ := m.Free("d"); free != 10 {
		t.Errorf("Free after Remove: got %d; want 10", free)
	}
}
