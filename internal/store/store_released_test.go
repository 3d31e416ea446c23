package store

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/signalbox-otel/signalbox/internal/store/vfs"
)

// released is a data directory as an earlier version left it: MANIFEST, log and
// blocks.
const released = "testdata/directory-1"

// A directory of an earlier version opens with all that was in it: two blocks of
// spans, one of logs, and batches that are in the log only. Its files are never
// rewritten: UPDATE=1 only makes them when they are missing.
func TestReleasedDirectory(t *testing.T) {
	if _, err := os.Stat(released); errors.Is(err, fs.ErrNotExist) && os.Getenv("UPDATE") != "" {
		makeReleasedDirectory(t)
	}
	files, err := os.ReadDir(released)
	if err != nil {
		t.Fatal(err)
	}
	mem := vfs.NewMem(1)
	if err := mem.MkdirAll("data"); err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		data, err := os.ReadFile(filepath.Join(released, f.Name()))
		if err != nil {
			t.Fatal(err)
		}
		w, err := mem.Create("data/" + f.Name())
		if err == nil {
			_, err = w.Write(data)
		}
		if err := errors.Join(err, w.Sync(), w.Close(), mem.SyncDir("data")); err != nil {
			t.Fatal(err)
		}
	}
	for _, when := range []string{"opened", "opened again", "in blocks of today"} {
		o := testOptions(mem)
		s := mustOpen(t, o)
		if st := s.Stats(); when == "opened" && (st.Spans.Blocks != 2 || st.Logs.Blocks != 1 || st.Quarantined != 0) {
			t.Errorf("%s: got %+v; want 2 blocks of spans, 1 of logs, none set aside", when, st)
		}
		wantIDs(t, s, Spans, upTo(8)...)
		wantIDs(t, s, Logs, upTo(4)...)
		got, rep := reportOfSpans(t, s, Query{Start: uint64(testDay.UnixNano()), End: uint64(testDay.Add(time.Minute).UnixNano())})
		if fmt.Sprint(got) != "[1 2 3]" || rep.Partial() {
			t.Errorf("%s: spans of the first minute: got %v, %+v; want 1 to 3", when, got, rep)
		}
		if when == "opened again" {
			mustFlush(t, s)
		}
		s.Close()
	}
	if !bytes.Contains(mustRead(t, mem, manifestName), []byte("b1946ac92492d2347c6235b4d2611184")) {
		t.Error("the directory has another id than before")
	}
}

func mustRead(t *testing.T, f vfs.FS, name string) []byte {
	t.Helper()
	data, err := readFile(f, "data/"+name)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func makeReleasedDirectory(t *testing.T) {
	t.Helper()
	mem := vfs.NewMem(1)
	if err := mem.MkdirAll("data"); err != nil {
		t.Fatal(err)
	}
	first := &manifest{StoreID: "b1946ac92492d2347c6235b4d2611184", Spans: kindManifest{Blocks: []blockEntry{}}, Logs: kindManifest{Blocks: []blockEntry{}}}
	if err := writeManifest(mem, "data", first); err != nil {
		t.Fatal(err)
	}
	s := mustOpen(t, testOptions(mem))
	mustAppend(t, s, testBatch(Spans, testDay, 1, 2), testBatch(Spans, testDay, 3), testBatch(Logs, testDay, 1, 2))
	mustFlush(t, s)
	mustAppend(t, s, testBatch(Spans, testDay.Add(time.Hour), 4, 5))
	mustFlush(t, s)
	mustAppend(t, s, testBatch(Spans, testDay.Add(2*time.Hour), 6, 7), testBatch(Spans, testDay.Add(2*time.Hour), 8), testBatch(Logs, testDay.Add(time.Hour), 3, 4))
	s.Close()
	if err := os.Mkdir(released, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range filesWith(t, mem, "") {
		if name == lockName {
			continue
		}
		if err := os.WriteFile(filepath.Join(released, name), mustRead(t, mem, name), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
