package store

import (
	"fmt"
	"iter"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/signalbox-otel/signalbox/internal/store/vfs"
)

// Blocks of one day that are small and follow each other are merged, if what
// becomes of them is so much larger that no record is written many times.
func TestChooseMerge(t *testing.T) {
	const hour = uint64(time.Hour)
	o := NewDefaultOptions()
	o.SealRows, o.SealBytes, o.MaxAge = 1000, 1<<20, 0
	sizes := func(day uint64, rows ...int) (out []mergeSize) {
		for i, n := range rows {
			at := (24*day + uint64(i)) * hour
			out = append(out, mergeSize{rows: n, bytes: 1000, min: at, max: at + hour - 1})
		}
		return out
	}
	wide := sizes(10, 9, 9, 9)
	wide[1].max += 48 * hour
	gap := sizes(10, 7, 7, 7, 7, 7)
	gap[2].apart = true
	heavy := sizes(10, 9, 9, 9, 9)
	heavy[2].bytes = o.SealBytes - 10
	for _, test := range []struct {
		name     string
		blocks   []mergeSize
		now      uint64 // days
		maxAge   time.Duration
		from, to int
	}{
		{"none", nil, 10, 0, 0, 0},
		{"one", sizes(10, 7), 20, 0, 0, 0},
		{"two of a day that is over", sizes(10, 7, 7), 11, 0, 0, 2},
		{"two of today", sizes(10, 7, 7), 10, 0, 0, 0},
		{"four of today", sizes(10, 7, 7, 7, 7), 10, 0, 0, 4},
		{"tomorrow's", sizes(11, 7, 7), 10, 0, 0, 0},
		{"much smaller ones wait for more", sizes(10, 400, 7, 7, 7), 11, 0, 1, 4},
		{"not beyond what a head holds", sizes(10, 400, 400, 400), 11, 0, 0, 2},
		{"large ones stay", sizes(10, 600, 600), 11, 0, 0, 0},
		{"a large one parts others", sizes(10, 7, 600, 8, 8), 11, 0, 2, 4},
		{"two days", append(sizes(9, 7), sizes(10, 7)...), 20, 0, 0, 0},
		{"the most", append(sizes(9, 7, 7), sizes(10, 7, 7, 7)...), 20, 0, 2, 5},
		{"times of several days", wide, 20, 0, 0, 0},
		{"one between cannot be read", gap, 20, 0, 2, 5},
		{"long texts", heavy, 20, 0, 0, 2},
		{"what is merged expires together", sizes(10, 7, 7, 7), 20, 8 * 2 * time.Hour, 0, 2},
	} {
		o.MaxAge = test.maxAge
		if from, to := chooseMerge(test.blocks, &o, test.now*24*hour); from != test.from || to != test.to {
			t.Errorf("%s: got %d to %d; want %d to %d", test.name, from, to, test.from, test.to)
		}
	}
}

// withSmallBlocks is a store with n blocks of each kind, of one record each, of a
// day that is over. Spans have the odd ids, log records the even ones.
func withSmallBlocks(t *testing.T, o Options, n int) *Store {
	t.Helper()
	s := mustOpen(t, o)
	for i := range n {
		mustAppend(t, s, testBatch(Spans, testDay, 2*i+1), testBatch(Logs, testDay, 2*i+2))
		mustFlush(t, s)
	}
	return s
}

func mergeOptions(f vfs.FS) (Options, *testClock) {
	o := testOptions(f)
	clock := &testClock{}
	clock.set(testDay.Add(24 * time.Hour))
	o.Now = clock.now
	return o, clock
}

func smallIDs(n int) (spans, logs []int) {
	for i := range n {
		spans, logs = append(spans, 2*i+1), append(logs, 2*i+2)
	}
	return spans, logs
}

func wantSmall(t *testing.T, s *Store, n int) {
	t.Helper()
	spans, logs := smallIDs(n)
	wantIDs(t, s, Spans, spans...)
	wantIDs(t, s, Logs, logs...)
}

// Small blocks become few, in the background; readers that began before go on,
// and the files of the old ones go with the last of them. What is there is there
// once: now, after a restart, and when the manifest is lost.
func TestSmallBlocksAreMerged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mem := vfs.NewMem(1)
		o, _ := mergeOptions(mem)
		reg := prometheus.NewRegistry()
		o.Registerer = reg
		s := withSmallBlocks(t, o, 30)
		next, stop := iter.Pull2(s.Spans(t.Context(), Query{}))
		defer stop()
		if _, err, ok := next(); err != nil || !ok {
			t.Fatalf("got no span, %v", err)
		}
		before := filesWith(t, mem, "spans-")
		tick()
		st := s.Stats()
		if st.Spans.Blocks != 2 || st.Logs.Blocks != 2 || st.Spans.Records != 30 || st.Logs.Records != 30 {
			t.Errorf("got %+v; want 2 blocks with 30 records of each kind", st)
		}
		wantSmall(t, s, 30)
		if got := len(filesWith(t, mem, "logs-")); got != 2 {
			t.Errorf("got %d files of logs; want 2", got)
		}
		if got := filesWith(t, mem, "spans-"); len(got) != len(before)+2 {
			t.Errorf("got %d files of spans while they are read; want %d and the 2 new ones", len(got), len(before))
		}
		n := 1
		for _, err, ok := next(); ok; _, err, ok = next() {
			if n++; err != nil {
				t.Fatal(err)
			}
		}
		if n != 30 {
			t.Errorf("a reader that began before got %d spans; want 30", n)
		}
		if got := filesWith(t, mem, "spans-"); len(got) != 2 {
			t.Errorf("got files %v after the reader; want 2", got)
		}
		if got := metricValue(t, reg, "signalbox_store_merged_blocks_total"); got != 60 {
			t.Errorf("merged blocks: got %v; want 60", got)
		}
		s.Close()
		o.Registerer = nil
		s = mustOpen(t, o)
		wantSmall(t, s, 30)
		s.Close()
		if err := mem.Remove("data/" + manifestName); err != nil {
			t.Fatal(err)
		}
		s = mustOpen(t, o)
		wantSmall(t, s, 30)
	})
}

// A manifest made again from names leaves out the blocks that another one was
// made of.
func TestManifestOfMergedBlocks(t *testing.T) {
	m, found := manifestOf([]string{blockName(Spans, 1, 2), blockName(Spans, 1, 9), blockName(Spans, 3, 5), blockName(Spans, 6, 9),
		blockName(Spans, 10, 10), blockName(Logs, 4, 4), blockName(Spans, 12, 13), blockName(Spans, 12, 14)})
	var got []string
	for _, k := range kinds {
		for _, e := range m.of(k).Blocks {
			got = append(got, fmt.Sprint(k, " ", e.First, " ", e.Last))
		}
	}
	if want := []string{"spans 1 9", "spans 10 10", "spans 12 14", "logs 4 4"}; found != 8 || !slices.Equal(got, want) {
		t.Errorf("got %v of %d; want %v of 8", got, found, want)
	}
}

// Whichever operation of the file layer fails while blocks are merged, and
// whatever a power cut takes then, every record is there once, nothing is set
// aside, and no file is left over.
func TestEveryFailureDuringMerging(t *testing.T) {
	for _, forever := range []bool{false, true} {
		failAt, merged := 0, 0
		for over := false; !over && !t.Failed(); failAt++ {
			synctest.Test(t, func(t *testing.T) {
				var blocks int
				if over, blocks = failedMerge(t, failAt, forever); blocks == 2 {
					merged++
				}
				if t.Failed() {
					t.Logf("failed at operation %d, for ever: %v", failAt, forever)
				}
			})
		}
		t.Logf("failing for ever: %v: %d operations, merged %d times nevertheless", forever, failAt-1, merged)
		if failAt < 50 || merged == 0 {
			t.Errorf("%d operations failed, merged %d times; want more", failAt-1, merged)
		}
	}
}

func failedMerge(t *testing.T, failAt int, forever bool) (over bool, blocks int) {
	mem := vfs.NewMem(uint64(failAt))
	o, _ := mergeOptions(mem)
	const n = 5
	s := withSmallBlocks(t, o, n)
	boom := syscall.EIO
	if failAt%3 == 0 {
		boom = syscall.ENOSPC
	}
	mem.FailAt(failAt, forever, boom)
	s.mergeSmall()
	first := mem.Crash(uint64(failAt))
	<-time.After(2 * mergeRetry)
	s.mergeSmall()
	over = !mem.Failed()
	st := s.Stats()
	blocks = st.Spans.Blocks + st.Logs.Blocks
	s.mergeSmall()
	second := mem.Crash(uint64(failAt) + 1)
	s.Close()
	for _, after := range []*vfs.Mem{first, second} {
		o.FS = after
		o.Logger = slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
		s := mustOpen(t, o)
		wantSmall(t, s, n)
		if st := s.Stats(); st.Quarantined != 0 {
			t.Errorf("%d files set aside", st.Quarantined)
		}
		s.mergeSmall()
		wantSmall(t, s, n)
		st := s.Stats()
		s.Close()
		// A disk that did not read a block leaves it as it is.
		if got := filesWith(t, after, "-00"); len(got) != st.Spans.Blocks+st.Logs.Blocks || len(got) > 4 {
			t.Errorf("got files %v; want those of %d blocks", got, st.Spans.Blocks+st.Logs.Blocks)
		}
	}
	return over, blocks
}

// A block that turns out to be corrupt while it is merged is set aside, and those
// before and after it are merged: it may be mended and come back between them.
func TestMergingACorruptBlock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mem := vfs.NewMem(1)
		o, _ := mergeOptions(mem)
		s := withSmallBlocks(t, o, 7)
		s.Close()
		change(t, mem, blockName(Spans, 4, 4), func(data []byte) []byte { data[blockHeader+3] ^= 0x41; return data })
		s = mustOpen(t, o)
		tick()
		<-time.After(2 * mergeRetry)
		tick()
		wantIDs(t, s, Spans, 1, 3, 5, 9, 11, 13)
		want := []string{blockName(Spans, 1, 3), blockName(Spans, 4, 4) + corruptSuffix, blockName(Spans, 5, 7)}
		if got := filesWith(t, mem, "spans-"); !slices.Equal(got, want) {
			t.Errorf("got files %v; want %v", got, want)
		}
		if _, rep := reportOfSpans(t, s, Query{}); !rep.Partial() {
			t.Error("the answer does not say that it is partial")
		}
	})
}

// hooked is a file system that calls a function when a merged block is begun.
type hooked struct {
	*vfs.Mem
	name string
	hook atomic.Pointer[func()]
}

func (f *hooked) Create(name string) (vfs.File, error) {
	if strings.Contains(name, f.name) {
		if hook := f.hook.Swap(nil); hook != nil {
			(*hook)()
		}
	}
	return f.Mem.Create(name)
}

// Blocks that expire while they are merged do not come back.
func TestExpiryDuringMerging(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := &hooked{Mem: vfs.NewMem(1), name: blockName(Spans, 1, 6)}
		o, clock := mergeOptions(disk)
		o.MaxAge = 90 * 24 * time.Hour
		s := withSmallBlocks(t, o, 6)
		expired := false
		hook := func() {
			clock.set(testDay.Add(200 * 24 * time.Hour))
			s.expire()
			<-time.After(2 * clockHold)
			s.expire()
			expired = s.Stats().Spans.Blocks == 0
		}
		disk.hook.Store(&hook)
		tick()
		<-time.After(4 * clockHold)
		synctest.Wait()
		if !expired {
			t.Fatal("nothing expired while blocks were merged")
		}
		wantIDs(t, s, Spans)
		if got := filesWith(t, disk, blockSuffix); len(got) != 0 {
			t.Errorf("got files %v; want none", got)
		}
	})
}
