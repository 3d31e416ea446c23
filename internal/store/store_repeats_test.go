package store

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/signalbox-otel/signalbox/internal/store/vfs"
)

// A batch that comes again is acknowledged again and kept once: at once, beside
// itself, after a block was made of it, and after a restart while it is in the
// log.
func TestRepeatedBatchesAreKeptOnce(t *testing.T) {
	mem := vfs.NewMem(1)
	reg := prometheus.NewRegistry()
	o := testOptions(mem)
	o.Registerer = reg
	s := mustOpen(t, o)
	again := func(k Kind, ids ...int) {
		t.Helper()
		mustAppend(t, s, testBatch(k, testDay, ids...))
	}
	again(Spans, 1, 2)
	again(Spans, 1, 2)
	again(Logs, 1, 2) // another kind is another batch
	again(Spans, 2)   // and so is a part of one
	wantIDs(t, s, Spans, 1, 2, 2)
	wantIDs(t, s, Logs, 1, 2)
	mustFlush(t, s)
	again(Spans, 1, 2)
	wantIDs(t, s, Spans, 1, 2, 2)

	var senders sync.WaitGroup
	for range 20 {
		senders.Go(func() {
			if err := s.Append(context.Background(), testBatch(Spans, testDay, 3)); err != nil {
				t.Errorf("one of many equal batches: %v", err)
			}
		})
	}
	senders.Wait()
	wantIDs(t, s, Spans, 1, 2, 2, 3)
	if got := metricValue(t, reg, "signalbox_store_repeated_records_total"); got != 2+2+19 {
		t.Errorf("repeated records: got %v; want 23", got)
	}
	s.Close()
	o.FS, o.Registerer = mem.Crash(1), nil
	s = mustOpen(t, o)
	again(Spans, 3)
	wantIDs(t, s, Spans, 1, 2, 2, 3)
}

// What is remembered of batches is bounded; those kept last are known.
func TestRepeatsAreBounded(t *testing.T) {
	r := newRepeats()
	id := func(i int) batchID { return batchID{uint64(i), 1} }
	for i := range 3*maxRepeats + 7 {
		r.add(id(i))
		r.add(id(i))
	}
	if len(r.kept) != maxRepeats || len(r.order) != maxRepeats {
		t.Fatalf("got %d and %d remembered; want %d", len(r.kept), len(r.order), maxRepeats)
	}
	for i := range maxRepeats {
		if _, known := r.kept[id(3*maxRepeats+6-i)]; !known {
			t.Fatalf("batch %d before the last is forgotten", i)
		}
	}
}

// A sender that goes on sending a batch until it is acknowledged, over failures
// of the disk and power cuts, and then sends it once more, finds each record
// once.
func TestRetriesAreKeptOnce(t *testing.T) {
	for failAt, over := 0, false; !over && !t.Failed(); failAt++ {
		synctest.Test(t, func(t *testing.T) {
			over = retryAll(t, failAt)
		})
		if t.Failed() {
			t.Logf("failed at operation %d", failAt)
		}
	}
}

// retryAll reports whether the run was over before operation failAt.
func retryAll(t *testing.T, failAt int) (over bool) {
	mem := vfs.NewMem(uint64(failAt))
	rng := rand.New(rand.NewPCG(uint64(failAt), 7))
	o := testOptions(mem)
	o.SealRows = 1000
	o.FS = mem
	mem.FailAt(failAt, false, []error{syscall.EIO, syscall.ENOSPC}[failAt%2])
	var s *Store
	reopen := func(lose bool) {
		after := o.FS.(*vfs.Mem)
		if lose {
			after = after.Crash(uint64(failAt))
		}
		if s != nil {
			s.Close()
		}
		if lose {
			after.FailAt(-1, false, nil)
		}
		o.FS = after
		for s = nil; s == nil; {
			s, _ = Open("data", o) // the failure is over at the next try
		}
	}
	reopen(false)
	send := func(id int) {
		for {
			err := s.Append(t.Context(), testBatch(Spans, testDay, id))
			if err == nil {
				return
			}
			if refused := (*OverloadError)(nil); !errors.As(err, &refused) && rng.IntN(2) == 0 {
				over = over || !mem.Failed()
				reopen(true)
			}
		}
	}
	for id := 1; id <= 12; id++ {
		send(id)
		if id%5 == 0 {
			over = over || !mem.Failed()
			reopen(true)
		}
		send(id) // the answer was lost
		send(1 + rng.IntN(id))
	}
	over = over || !mem.Failed()
	wantIDs(t, s, Spans, upTo(12)...)
	s.Close()
	return over
}

// Equal batches that are written together are one.
func TestRepeatsInOneGroup(t *testing.T) {
	r := newRepeats()
	a, b := []byte("a"), []byte("b")
	fresh, repeated := r.part([]*appendOp{{compressed: a}, {compressed: b}, {compressed: a}, {compressed: a}})
	if len(fresh) != 2 || len(repeated) != 2 || &fresh[0].compressed[0] != &a[0] {
		t.Errorf("got %d new and %d repeated batches; want 2 and 2", len(fresh), len(repeated))
	}
}
