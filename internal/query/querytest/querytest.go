// Package querytest runs scripts for the tests of package query and of the
// languages in folders below it: records to load, questions, and the answers,
// which must come alike from the store's contract in its simplest form, from its
// memory and from its blocks.
package querytest

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/signalbox-otel/signalbox/internal/ingest"
	"github.com/signalbox-otel/signalbox/internal/store"
	"github.com/signalbox-otel/signalbox/internal/store/storetest"
	"github.com/signalbox-otel/signalbox/internal/store/vfs"
)

// The backends.
const (
	Contract = "contract" // storetest.Memory
	Head     = "head"     // a store that has sealed nothing
	Blocks   = "blocks"   // a store that has sealed all
)

// Backends opens empty backends by their names. S is what is asked of them,
// which *store.Store and *storetest.Memory must both have; made is what a test
// has of one. loaded is to be called between loading and asking.
func Backends[S, B any](made func(s S, append func(context.Context, *store.Batch) error, loaded func(context.Context) error) B) map[string]func(testing.TB) B {
	nothing := func(context.Context) error { return nil }
	return map[string]func(testing.TB) B{
		Contract: func(testing.TB) B {
			m := &storetest.Memory{}
			return made(any(m).(S), m.Append, nothing)
		},
		Head: func(t testing.TB) B {
			s := open(t)
			return made(any(s).(S), s.Append, nothing)
		},
		Blocks: func(t testing.TB) B {
			s := open(t)
			return made(any(s).(S), s.Append, s.Flush)
		},
	}
}

func open(t testing.TB) *store.Store {
	t.Helper()
	o := store.NewDefaultOptions()
	o.FS, o.Decode, o.MaxAge = vfs.NewMem(1), ingest.Decode, 0
	s, err := store.Open("data", o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// Line does what a line of a script says, by its first word. When asked, answer
// is what the script must have after the line, up to an empty one.
type Line func(word, rest string) (answer string, asked bool)

// Scripts runs testdata/*.txt on each backend; begin gives what reads the lines
// of one. Lines that are empty or begin with # say nothing. With UPDATE=1 in the
// environment the answers of the contract are written.
func Scripts[B any](t *testing.T, backends map[string]func(testing.TB) B, begin func(*testing.T, B) Line) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, file := range files {
		src, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for name, open := range backends {
			t.Run(filepath.Base(file)+"/"+name, func(t *testing.T) {
				got := run(string(src), begin(t, open(t)))
				if name == Contract && os.Getenv("UPDATE") != "" {
					if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
						t.Fatal(err)
					}
				} else if diff := cmp.Diff(string(src), got); diff != "" {
					t.Errorf("%s (-want +got):\n%s", file, diff)
				}
			})
		}
	}
}

// run gives the script with the answers that it gets.
func run(src string, line Line) string {
	var out strings.Builder
	answer := false
	for text := range strings.SplitSeq(strings.TrimSuffix(src, "\n"), "\n") {
		if answer {
			if answer = text != ""; answer {
				continue
			}
		}
		out.WriteString(text + "\n")
		if word, rest, _ := strings.Cut(text, " "); word != "" && word != "#" {
			got, asked := line(word, rest)
			out.WriteString(got)
			answer = asked
		}
	}
	return out.String()
}
