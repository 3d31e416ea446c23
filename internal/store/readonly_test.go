package store

import (
	"context"
	"errors"
	"io/fs"
	"sync/atomic"
	"testing"

	"github.com/signalbox-otel/signalbox/internal/store/vfs"
)

// TestReadingBesideAStore opens a directory for reading again and again, and
// verifies it, while another one appends, seals, merges and removes: every
// record that was acknowledged is there once, and nothing is called damaged.
func TestReadingBesideAStore(t *testing.T) {
	o := testOptions(vfs.NewMem(1))
	s := mustOpen(t, o)
	const batches = 1000
	var acknowledged atomic.Int64
	done := make(chan struct{})
	go func() {
		defer close(done)
		for n := 1; n <= batches; n++ {
			for _, k := range kinds {
				for s.Append(context.Background(), testBatch(k, testDay, n)) != nil {
				}
			}
			acknowledged.Store(int64(n))
			if n%10 == 0 {
				if err := s.Flush(context.Background()); err != nil {
					t.Error(err)
				}
			}
		}
	}()
	for round := 0; ; round++ {
		before := acknowledged.Load()
		r, err := OpenReadOnly("data", o)
		if err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		after := acknowledged.Load()
		if len(r.Unreadable) > 0 {
			t.Fatalf("round %d: unreadable: %v", round, r.Unreadable)
		}
		for _, k := range kinds {
			n := int64(0)
			for _, p := range r.of(k) {
				n += int64(p.rows())
			}
			// One more of each kind may be on its way.
			if n < before || n > after+1 {
				t.Fatalf("round %d: got %d %s; want %d to %d", round, n, k, before, after+1)
			}
		}
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
		if round%5 == 0 {
			v, err := Verify(context.Background(), "data", o, nil)
			if err != nil {
				t.Fatal(err)
			}
			if v.Damaged() {
				t.Fatalf("round %d: got %+v; want nothing damaged", round, v.Findings)
			}
		}
		if before == batches {
			break
		}
	}
	<-done
}

// listing is a file system that lists a file which has gone by then.
type listing struct {
	vfs.FS
	gone  string
	times int
}

func (l *listing) List(dir string) ([]string, error) {
	names, err := l.FS.List(dir)
	if l.times > 0 {
		l.times--
		names = append(names, l.gone)
	}
	return names, err
}

// A segment whose records are in blocks may go between the listing and the
// reading of it, after the manifest was written.
func TestReadingWhileASegmentGoes(t *testing.T) {
	mem := vfs.NewMem(1)
	o := testOptions(mem)
	s := mustOpen(t, o)
	mustAppend(t, s, testBatch(Spans, testDay, 1))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	o.FS = &listing{FS: mem, gone: segmentName(Logs, 99), times: 1}
	r, err := OpenReadOnly("data", o)
	if err != nil {
		t.Fatal(err)
	}
	if len(r.of(Spans)) != 1 || len(r.Unreadable) > 0 {
		t.Errorf("got %d parts, %v unreadable; want one part", len(r.of(Spans)), r.Unreadable)
	}
	o.FS = &listing{FS: mem, gone: segmentName(Logs, 99), times: 5000}
	if _, err := OpenReadOnly("data", o); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a segment that is listed for ever: got %v; want %v", err, fs.ErrNotExist)
	}
}
