package store

import (
	"context"
	"iter"
	"math"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/signalbox-otel/signalbox/internal/store/vfs"
)

// testClock is a clock that tests set.
type testClock struct{ nanos atomic.Int64 }

func (c *testClock) set(t time.Time) { c.nanos.Store(t.UnixNano()) }
func (c *testClock) now() time.Time  { return time.Unix(0, c.nanos.Load()) }

// tickAfterJump is tick for a clock that was set far ahead, and for a store that
// was opened just now: it has to believe the clock.
func tickAfterJump() {
	tick()
	<-time.After(clockHold)
	tick()
}

// tick lets the store look at the clock once.
func tick() {
	<-time.After(maintenanceInterval)
	synctest.Wait()
}

func TestRetentionByAge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mem := vfs.NewMem(1)
		o := testOptions(mem)
		clock := &testClock{}
		clock.set(testDay)
		o.Now, o.MaxAge = clock.now, 24*time.Hour
		s := mustOpen(t, o)
		mustAppend(t, s, testBatch(Spans, testDay.Add(-20*time.Hour), 1), testBatch(Spans, testDay.Add(-3*time.Hour), 2))
		mustFlush(t, s)
		mustAppend(t, s, testBatch(Logs, testDay.Add(-20*time.Hour), 1))
		mustFlush(t, s)
		tick()
		wantIDs(t, s, Spans, 1, 2)
		wantIDs(t, s, Logs, 1)
		clock.set(testDay.Add(5 * time.Hour)) // the newest span keeps its block
		tickAfterJump()
		wantIDs(t, s, Spans, 1, 2)
		wantIDs(t, s, Logs)
		clock.set(testDay.Add(22 * time.Hour))
		tickAfterJump()
		wantIDs(t, s, Spans)
		if got := filesWith(t, mem, blockSuffix); len(got) > 0 {
			t.Errorf("blocks left: %v", got)
		}
		s.Close()
		s = mustOpen(t, o)
		wantIDs(t, s, Spans)
		mustAppend(t, s, testBatch(Spans, time.Unix(0, math.MaxInt64-5), 1)) // a sender's clock
		mustFlush(t, s)
		tick()
		wantIDs(t, s, Spans, 1)
		s.Close()
		s = mustOpen(t, o)
		clock.set(clock.now().Add(25 * time.Hour)) // such a span is as old as its block
		tickAfterJump()
		wantIDs(t, s, Spans)
	})
}

// The oldest blocks of either kind go until the rest is small enough.
func TestRetentionBySize(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mem := vfs.NewMem(1)
		o := testOptions(mem)
		clock := &testClock{}
		clock.set(testDay.Add(5 * time.Hour))
		o.Now = clock.now
		s := mustOpen(t, o)
		for i, k := range []Kind{Spans, Logs, Spans, Logs, Spans} {
			mustAppend(t, s, testBatch(k, testDay.Add(time.Duration(i)*time.Hour), i))
			mustFlush(t, s)
		}
		keep := s.lane(Spans).blocks[2].entry.Bytes + s.lane(Logs).blocks[1].entry.Bytes + s.lane(Spans).blocks[1].entry.Bytes
		s.Close()
		o.MaxBytes = keep
		s = mustOpen(t, o)
		tick()
		wantIDs(t, s, Spans, 2, 4)
		wantIDs(t, s, Logs, 3)
		if st := s.Stats(); st.Bytes != keep || st.Blocks != 3 {
			t.Errorf("Stats: got %d bytes in %d blocks; want %d in 3", st.Bytes, st.Blocks, keep)
		}
	})
}

// A block that expires while it is read stays until the reader has finished,
// also when the store is closed meanwhile.
func TestRetentionWaitsForReaders(t *testing.T) {
	for name, closeFirst := range map[string]bool{"open": false, "closed": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				mem := vfs.NewMem(1)
				o := testOptions(mem)
				clock := &testClock{}
				clock.set(testDay)
				o.Now, o.MaxAge = clock.now, time.Hour
				s := mustOpen(t, o)
				mustAppend(t, s, testBatch(Spans, testDay, 1, 2, 3))
				mustFlush(t, s)
				next, stop := iter.Pull2(s.Spans(context.Background(), Query{}))
				defer stop()
				read := 0
				if _, err, ok := next(); !ok || err != nil {
					t.Fatalf("first span: got %v, %v", ok, err)
				}
				read++
				clock.set(testDay.Add(2 * time.Hour))
				tickAfterJump()
				wantIDs(t, s, Spans)
				if closeFirst {
					s.Close()
				}
				if got := filesWith(t, mem, blockSuffix); len(got) != 1 {
					t.Errorf("blocks while one is read: got %v; want one", got)
				}
				for {
					_, err, ok := next()
					if !ok {
						break
					}
					if err != nil {
						t.Fatal(err)
					}
					read++
				}
				if read != 3 {
					t.Errorf("read %d spans; want 3", read)
				}
				if got := filesWith(t, mem, blockSuffix); len(got) != 0 {
					t.Errorf("blocks after the reader has finished: got %v; want none", got)
				}
			})
		})
	}
}

// A head in which little arrives is sealed when it is old.
func TestSealByAge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := testOptions(vfs.NewMem(1))
		clock := &testClock{}
		clock.set(testDay)
		o.Now = clock.now
		s := mustOpen(t, o)
		tick()
		mustAppend(t, s, testBatch(Logs, testDay, 1))
		clock.set(testDay.Add(59 * time.Minute))
		tick()
		if got := s.Stats().Blocks; got != 0 {
			t.Errorf("blocks after 59 minutes: got %d; want 0", got)
		}
		clock.set(testDay.Add(time.Hour))
		tick()
		if got := s.Stats().Blocks; got != 1 {
			t.Errorf("blocks after an hour: got %d; want 1", got)
		}
		wantIDs(t, s, Logs, 1)
	})
}

// A head with large records is sealed by its size.
func TestSealBySize(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := testOptions(vfs.NewMem(1))
		o.SealBytes = 1
		s := mustOpen(t, o)
		for id := 1; id <= 3; id++ {
			mustAppend(t, s, testBatch(Spans, testDay, id))
			synctest.Wait()
		}
		if got := s.Stats().Blocks; got != 2 {
			t.Errorf("blocks: got %d; want 2", got)
		}
	})
}

// A block with a changed byte is set aside when it is found, at Open or by a
// reader; the others answer, and the store opens again without it.
func TestCorruptBlockIsSetAside(t *testing.T) {
	original := vfs.NewMem(1)
	o := testOptions(original)
	s := mustOpen(t, o)
	for id := 1; id <= 6; id += 3 {
		mustAppend(t, s, testBatch(Spans, testDay, id, id+1, id+2))
		mustFlush(t, s)
	}
	s.Close()
	name := blockName(Spans, 1, 1)
	data, err := readFile(original, "data/"+name)
	if err != nil {
		t.Fatal(err)
	}
	for at := 0; at < len(data); at += 7 {
		mem := original.Crash(1)
		o.FS = mem
		change(t, mem, name, func(data []byte) []byte { data[at] ^= 0x41; return data })
		for round := range 2 {
			s := mustOpen(t, o)
			var report Report
			var ids []uint64
			for sp, err := range s.Spans(context.Background(), Query{Report: &report}) {
				if err != nil {
					t.Fatalf("byte %d changed: reading: %v", at, err)
				}
				ids = append(ids, sp.Start-uint64(testDay.UnixNano()))
			}
			aside := s.Stats().Quarantined == 1
			if want := map[bool]int{true: 3, false: 6}[aside]; len(ids) != want {
				t.Fatalf("byte %d changed, opening %d: got spans %v; want %d", at, round, ids, want)
			}
			if got := filesWith(t, mem, corruptSuffix); aside != (len(got) == 1) {
				t.Fatalf("byte %d changed, opening %d: got files %v", at, round, got)
			}
			s.Close()
		}
	}
}

// Without a manifest the blocks and the log are enough; nothing is lost or
// doubled.
func TestManifestIsMadeAnew(t *testing.T) {
	original := vfs.NewMem(1)
	o := testOptions(original)
	s := mustOpen(t, o)
	for id := 1; id <= 6; id++ {
		mustAppend(t, s, testBatch(Spans, testDay, id))
		if id%2 == 0 {
			mustFlush(t, s)
		}
	}
	mustAppend(t, s, testBatch(Spans, testDay, 7), testBatch(Logs, testDay, 1))
	s.Close()
	data, err := readFile(original, "data/"+manifestName)
	if err != nil {
		t.Fatal(err)
	}
	for at := -1; at < len(data); at += 11 {
		mem := original.Crash(1)
		o.FS = mem
		aside := 1
		if at < 0 {
			aside = 0
			if err := mem.Remove("data/" + manifestName); err != nil {
				t.Fatal(err)
			}
		} else {
			change(t, mem, manifestName, func(data []byte) []byte { data[at] ^= 0x10; return data })
		}
		for range 2 {
			s := mustOpen(t, o)
			wantIDs(t, s, Spans, upTo(7)...)
			wantIDs(t, s, Logs, 1)
			if got := s.Stats().Quarantined; got != aside {
				t.Errorf("byte %d changed: %d files set aside; want %d", at, got, aside)
			}
			s.Close()
		}
	}
}

// What a crash leaves behind beside the manifest is removed; what is not ours
// stays.
func TestLeftoversAreRemoved(t *testing.T) {
	mem := vfs.NewMem(1)
	s := mustOpen(t, testOptions(mem))
	mustAppend(t, s, testBatch(Spans, testDay, 1))
	s.Close()
	for _, name := range []string{"spans-000000000001-000000000001.block", "MANIFEST.tmp", "notes.txt"} {
		f, err := mem.Create("data/" + name)
		if err != nil {
			t.Fatal(err)
		}
		f.Close()
	}
	s = mustOpen(t, testOptions(mem))
	wantIDs(t, s, Spans, 1)
	got := strings.Join(filesWith(t, mem, ""), " ")
	if want := "MANIFEST notes.txt spans-00000000.wal"; got != want {
		t.Errorf("files: got %s; want %s", got, want)
	}
}
