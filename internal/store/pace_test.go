package store

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/signalbox-otel/signalbox/internal/store/vfs"
)

// slowBlocks is a file system on which making a block takes that long.
type slowBlocks struct {
	*vfs.Mem
	takes atomic.Int64 // time.Duration
}

func (f *slowBlocks) Create(name string) (vfs.File, error) {
	if d := time.Duration(f.takes.Load()); d > 0 && strings.Contains(name, blockSuffix) {
		<-time.After(d)
	}
	return f.Mem.Create(name)
}

func slowStore(t *testing.T, takes time.Duration) (*Store, *slowBlocks) {
	disk := &slowBlocks{Mem: vfs.NewMem(1)}
	disk.takes.Store(int64(takes))
	o := testOptions(disk)
	o.SealRows = 100
	return mustOpen(t, o), disk
}

// While a block is being made a sender waits the longer the fuller the next head
// is, and is refused in the end; when the block is made it goes on at once.
func TestSendersAreHeldBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := slowStore(t, time.Minute)
		begin := time.Now()
		timed := func(id int) time.Duration {
			before := time.Now()
			mustAppend(t, s, testBatch(Spans, testDay, id))
			synctest.Wait()
			return time.Since(before)
		}
		for id := range 100 {
			if d := timed(id); d > 0 {
				t.Fatalf("batch %d took %s before anything was behind", id, d)
			}
		}
		var last time.Duration
		for id := 100; id < 200; id++ {
			d := timed(id)
			switch {
			case id <= 150 && d > 0:
				t.Errorf("batch %d took %s; want no delay while the head is half empty", id, d)
			case d < last || d > last+5*time.Millisecond:
				t.Errorf("batch %d took %s after one of %s; want a little more for each", id, d, last)
			}
			last = d
		}
		if last < paceMost*9/10 || last > paceMost {
			t.Errorf("the last batch took %s; want about %s", last, paceMost)
		}
		before := time.Now()
		wantRefused(t, s, testBatch(Spans, testDay, 1000), reasonSealing)
		if d := time.Since(before); d != holdMost {
			t.Errorf("refused after %s; want %s", d, holdMost)
		}
		if got := s.Stats().Spans.Refusing; got != reasonSealing {
			t.Errorf("Stats say %q; want %q", got, reasonSealing)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		before = time.Now()
		if err := s.Append(ctx, testBatch(Spans, testDay, 1001)); !errors.Is(err, context.DeadlineExceeded) || time.Since(before) != 20*time.Millisecond {
			t.Errorf("a sender that gives up: got %v after %s; want its deadline", err, time.Since(before))
		}
		// The block is made a minute after it was begun.
		<-time.After(time.Until(begin.Add(time.Minute - 100*time.Millisecond)))
		before = time.Now()
		mustAppend(t, s, testBatch(Spans, testDay, 200))
		if d := time.Since(before); d != 100*time.Millisecond {
			t.Errorf("a sender took %s; want to go on when the block is made, after 100ms", d)
		}
		wantIDs(t, s, Spans, append([]int{0}, upTo(200)...)...)
	})
}

// However many senders there are and however slow the disk is, none waits longer
// than it should, nothing is lost, and nothing refused is there.
func TestManySendersAreHeldBack(t *testing.T) {
	for _, takes := range []time.Duration{0, 50 * time.Millisecond, 250 * time.Millisecond, 2 * time.Second} {
		t.Run(fmt.Sprint(takes), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, disk := slowStore(t, takes)
				model := newCrashModel()
				var wg sync.WaitGroup
				var worst, refused atomic.Int64
				for sender := range 16 {
					wg.Go(func() {
						for i := range 60 {
							id := sender*1000 + i
							begin := time.Now()
							err := s.Append(t.Context(), testBatch(Spans, testDay, id))
							for d := int64(time.Since(begin)); ; {
								if old := worst.Load(); d <= old || worst.CompareAndSwap(old, d) {
									break
								}
							}
							var overload *OverloadError
							model.mu.Lock()
							switch {
							case err == nil:
								model.acked[Spans-1][id] = true
							case errors.As(err, &overload):
								refused.Add(1)
								model.refused[Spans-1][id] = true
							default:
								t.Error(err)
							}
							model.mu.Unlock()
							<-time.After(5 * time.Millisecond)
						}
					})
				}
				wg.Wait()
				t.Logf("slowest %s, %d of 960 refused", time.Duration(worst.Load()), refused.Load())
				if d := time.Duration(worst.Load()); d > holdMost {
					t.Errorf("a sender waited for %s; want at most %s", d, holdMost)
				}
				if refused.Load() > 0 && takes <= 50*time.Millisecond {
					t.Errorf("%d batches refused though sealing keeps up", refused.Load())
				}
				disk.takes.Store(0)
				mustFlush(t, s)
				model.check(t, s, "after all")
			})
		})
	}
}
