package store

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/signalbox-otel/signalbox/internal/store/vfs"
)

// slowDisk takes a while for each read of a block.
type slowDisk struct {
	*vfs.Mem
	each time.Duration
}

func (d *slowDisk) Open(name string) (vfs.File, error) {
	f, err := d.Mem.Open(name)
	return &slowFile{f, d}, err
}

// slowFile is a file of a slow disk.
type slowFile struct {
	vfs.File
	disk *slowDisk
}

func (f *slowFile) ReadAt(p []byte, off int64) (int, error) {
	<-time.After(f.disk.each)
	return f.File.ReadAt(p, off)
}

// drain reads an answer and returns the last error.
func drain[T any](answer func(func(T, error) bool)) error {
	var last error
	for _, err := range answer {
		last = err
	}
	return last
}

// Whatever is asked, who leaves is not worked for any longer: a question ends
// after the few reads that were under way, not after the thousands that it takes.
func TestLeavingEndsAQuestion(t *testing.T) {
	const (
		each   = 100 * time.Microsecond
		blocks = 80
		leave  = 3 * time.Millisecond
		soon   = 4 * time.Millisecond // 40 reads: those of two blocks at a time
	)
	where := Cond{Field: Field{Name: FieldName}, Op: Contains, Value: StringValue("p")}
	ids := make([]TraceID, 3*blocks)
	for i := range ids {
		ids[i] = TraceID{1, byte(i)}
	}
	for name, ask := range map[string]func(*Store, context.Context) error{
		"all spans": func(s *Store, ctx context.Context) error { return drain(s.Spans(ctx, Query{Where: where})) },
		"newest spans": func(s *Store, ctx context.Context) error {
			return drain(s.Spans(ctx, Query{Where: where, Limit: 9000}))
		},
		"logs":    func(s *Store, ctx context.Context) error { return drain(s.Logs(ctx, Query{})) },
		"dots":    func(s *Store, ctx context.Context) error { return drain(s.Dots(ctx, Query{})) },
		"ticks":   func(s *Store, ctx context.Context) error { return drain(s.Ticks(ctx, Query{})) },
		"slowest": func(s *Store, ctx context.Context) error { return drain(s.Slowest(ctx, Query{Limit: 9000})) },
		"tally": func(s *Store, ctx context.Context) error {
			return drain(s.Tally(ctx, Spans, Query{}, []Field{{Name: FieldName}}))
		},
		"traces":     func(s *Store, ctx context.Context) error { return drain(s.Traces(ctx, ids, 0, nil)) },
		"trace":      func(s *Store, ctx context.Context) error { return drain(s.Trace(ctx, TraceID{7}, nil)) },
		"operations": func(s *Store, ctx context.Context) error { return drain(s.Operations(ctx, 0, 0, nil)) },
		"sums":       func(s *Store, ctx context.Context) error { return drain(s.Sums(ctx, SumQuery{})) },
		"keys": func(s *Store, ctx context.Context) error {
			return drain(s.Keys(ctx, FieldQuery{Kind: Logs, Field: Field{Place: AnyAttr}}))
		},
		"values": func(s *Store, ctx context.Context) error {
			return drain(s.Values(ctx, FieldQuery{Kind: Spans, Field: Field{Name: FieldName}}))
		},
	} {
		synctest.Test(t, func(t *testing.T) {
			disk := &slowDisk{Mem: vfs.NewMem(1)}
			o := testOptions(disk)
			s := mustOpen(t, o)
			for i := range blocks {
				mustAppend(t, s, testBatch(Spans, testDay.Add(time.Duration(i)*25*time.Hour), 3*i, 3*i+1, 3*i+2), testBatch(Logs, testDay.Add(time.Duration(i)*25*time.Hour), 3*i, 3*i+1, 3*i+2))
				mustFlush(t, s)
			}
			synctest.Wait()
			disk.each = each
			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(leave, cancel)
			began := time.Now()
			err := ask(s, ctx)
			took := time.Since(began)
			if !errors.Is(err, context.Canceled) {
				t.Errorf("%s: got error %v after %s; want that it was cancelled", name, err, took)
			}
			if took > leave+soon {
				t.Errorf("%s: took %s; want at most %s after the reader left", name, took, soon)
			}
			disk.each = 0
		})
	}
}
