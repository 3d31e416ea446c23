package store

import (
	"context"
	"errors"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/signalbox-otel/signalbox/internal/store/vfs"
)

func wantRefused(t *testing.T, s *Store, b *Batch, reason string) {
	t.Helper()
	var refused *OverloadError
	err := s.Append(context.Background(), b)
	if !errors.As(err, &refused) || refused.Reason != reason || refused.RetryAfter <= 0 {
		t.Errorf("Append: got %v; want an OverloadError: %s", err, reason)
	}
}

// A full disk refuses batches, answers queries, and takes batches again when
// there is room, without a restart. Nothing refused is ever there.
func TestDiskFull(t *testing.T) {
	for name, reserve := range map[string]int64{"below the reserve": 500, "write fails": 0} {
		t.Run(name, func(t *testing.T) {
			mem := vfs.NewMem(1)
			o := testOptions(mem)
			o.Reserve = reserve
			reg := prometheus.NewRegistry()
			o.Registerer = reg
			s := mustOpen(t, o)
			mustAppend(t, s, testBatch(Spans, testDay, 1))
			mem.SetCapacity(mem.Used() + reserve + 10)
			for range 3 {
				if reserve > 0 {
					mem.SetCapacity(mem.Used() + reserve - 1)
				}
				wantRefused(t, s, testBatch(Spans, testDay, 2, 3), reasonDiskFull)
			}
			if got := s.Stats().Spans.Refusing; got != reasonDiskFull {
				t.Errorf("Stats say %q; want %q", got, reasonDiskFull)
			}
			wantIDs(t, s, Spans, 1)
			if got := metricValue(t, reg, "signalbox_store_refused_records_total"); got != 6 {
				t.Errorf("refused records: got %v; want 6", got)
			}
			mem.SetCapacity(0)
			mustAppend(t, s, testBatch(Spans, testDay, 4))
			wantIDs(t, s, Spans, 1, 4)
			if got := s.Stats().Spans.Refusing; got != "" {
				t.Errorf("Stats still say %q", got)
			}
			s.Close()
			s = mustOpen(t, o)
			wantIDs(t, s, Spans, 1, 4)
			s.Close()
			o.FS = mem.Crash(1)
			s = mustOpen(t, o)
			wantIDs(t, s, Spans, 1, 4)
		})
	}
}

// While a block cannot be written, one more head is filled; then batches are
// refused until it works again. The other kind goes on.
func TestSealingBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mem := &failingBlocks{Mem: vfs.NewMem(1)}
		o := testOptions(mem)
		s := mustOpen(t, o)
		mem.fail.Store(true)
		id := 1
		for ; id <= 40; id++ {
			mustAppend(t, s, testBatch(Spans, testDay, id))
		}
		wantRefused(t, s, testBatch(Spans, testDay, 1000), reasonSealing)
		mustAppend(t, s, testBatch(Logs, testDay, 1))
		if err := s.lane(Logs).flush(t.Context()); err != nil || s.Stats().Logs.Blocks != 1 {
			t.Errorf("sealing the other kind: got %v, %d blocks; want 1", err, s.Stats().Logs.Blocks)
		}
		if err := s.Flush(t.Context()); !errors.Is(err, syscall.EIO) {
			t.Errorf("Flush: got %v; want EIO", err)
		}
		wantIDs(t, s, Spans, upTo(40)...)
		mem.fail.Store(false)
		mustFlush(t, s) // waits for the repetition
		mustAppend(t, s, testBatch(Spans, testDay, 41))
		wantIDs(t, s, Spans, upTo(41)...)
		if got := s.Stats().Spans.Blocks; got != 2 {
			t.Errorf("blocks: got %d; want 2", got)
		}

		// Closed while it cannot seal, the store has all in the log; opened
		// while it cannot seal, all in memory.
		mem.fail.Store(true)
		for id := 42; id <= 80; id++ {
			mustAppend(t, s, testBatch(Spans, testDay, id))
		}
		s.Close()
		s = mustOpen(t, o)
		wantIDs(t, s, Spans, upTo(80)...)
		mem.fail.Store(false)
		mustAppend(t, s, testBatch(Spans, testDay, 81))
		mustFlush(t, s)
		wantIDs(t, s, Spans, upTo(81)...)
		wantIDs(t, s, Logs, 1)
	})
}

// A replay of more than one head's records seals what is full.
func TestReplaySeals(t *testing.T) {
	mem := vfs.NewMem(1)
	o := testOptions(mem)
	o.SealRows = 1000
	s := mustOpen(t, o)
	for id := 1; id <= 50; id++ {
		mustAppend(t, s, testBatch(Spans, testDay, id))
	}
	s.Close()
	o.SealRows = 20
	s = mustOpen(t, o)
	if got := s.Stats().Spans.Blocks; got != 2 {
		t.Errorf("blocks after replay: got %d; want 2", got)
	}
	wantIDs(t, s, Spans, upTo(50)...)
}

// With SyncInterval a batch is answered unsynced; the sync follows within 100
// ms, and when it fails what is in memory becomes a block.
func TestSyncInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mem := vfs.NewMem(1)
		reg := prometheus.NewRegistry()
		o := testOptions(mem)
		o.Sync = SyncInterval
		o.Registerer = reg
		s := mustOpen(t, o)
		mustAppend(t, s, testBatch(Spans, testDay, 1), testBatch(Spans, testDay, 2))
		const syncs = "signalbox_store_wal_fsync_seconds"
		if got := metricValue(t, reg, syncs); got != 0 {
			t.Errorf("syncs right after Append: got %v; want 0", got)
		}
		<-time.After(syncInterval)
		synctest.Wait()
		if got := metricValue(t, reg, syncs); got != 1 {
			t.Errorf("syncs after 100 ms: got %v; want 1", got)
		}
		o2 := o
		o2.FS, o2.Registerer = mem.Crash(1), nil
		after := mustOpen(t, o2)
		wantIDs(t, after, Spans, 1, 2)
		after.Close()

		mustAppend(t, s, testBatch(Spans, testDay, 3))
		mem.FailAt(0, false, syscall.EIO)
		<-time.After(syncInterval)
		synctest.Wait()
		if st := s.Stats(); st.Spans.Blocks != 1 {
			t.Errorf("blocks after a failed sync: got %d; want 1", st.Spans.Blocks)
		}
		mustAppend(t, s, testBatch(Spans, testDay, 4))
		s.Close()
		o2.FS = mem.Crash(1)
		after = mustOpen(t, o2)
		wantIDs(t, after, Spans, 1, 2, 3, 4)
	})
}

// A failure before anything was written leaves nothing to seal.
func TestSyncIntervalWithNothingToSeal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mem := vfs.NewMem(1)
		o := testOptions(mem)
		o.Sync = SyncInterval
		s := mustOpen(t, o)
		mem.FailAt(0, true, syscall.EIO)
		if err := s.Append(t.Context(), testBatch(Spans, testDay, 1)); !errors.Is(err, syscall.EIO) {
			t.Fatalf("Append: got %v; want EIO", err)
		}
		mem.FailAt(-1, false, nil)
		<-time.After(syncInterval)
		synctest.Wait()
		mustAppend(t, s, testBatch(Spans, testDay, 2))
		mustFlush(t, s)
		wantIDs(t, s, Spans, 2)
		if got := s.Stats().Blocks; got != 1 {
			t.Errorf("blocks: got %d; want 1", got)
		}
	})
}

func TestAppendChecksItsArguments(t *testing.T) {
	s := mustOpen(t, testOptions(vfs.NewMem(1)))
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := s.Append(ctx, testBatch(Spans, testDay, 1)); !errors.Is(err, context.Canceled) {
		t.Errorf("Append with an ended context: got %v", err)
	}
	b := testBatch(Spans, testDay, 1)
	b.Kind = 9
	if err := s.Append(context.Background(), b); err == nil {
		t.Error("Append of an unknown kind: got no error")
	}
	if err := s.Append(context.Background(), &Batch{Kind: Spans, Spans: b.Spans}); err == nil {
		t.Error("Append without payload: got no error")
	}
	b.Kind, b.Payload = Spans, make([]byte, maxPayload+1)
	if err := s.Append(context.Background(), b); err == nil {
		t.Error("Append of a payload above the limit: got no error")
	}
	wantIDs(t, s, Spans)
}
