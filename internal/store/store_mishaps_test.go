package store

import (
	"context"
	"log/slog"
	"math"
	"slices"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/signalbox-otel/signalbox/internal/store/vfs"
)

// reportOfSpans reads spans and returns their ids and the report.
func reportOfSpans(t *testing.T, s *Store, q Query) (ids []int, rep *Report) {
	t.Helper()
	rep = &Report{}
	q.Report = rep
	for sp, err := range s.Spans(context.Background(), q) {
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, int(sp.SpanID[7]))
	}
	slices.Sort(ids)
	return ids, rep
}

// withCorruptBlock makes a directory with four groups of spans: 1 to 3 are in an
// expired block, 4 to 6 in a good one, 7 to 9 in one with a changed byte, 10 in
// the log.
func withCorruptBlock(t *testing.T, seed uint64) (mem *vfs.Mem, o Options, clock *testClock) {
	t.Helper()
	mem = vfs.NewMem(seed)
	o = testOptions(mem)
	clock = &testClock{}
	clock.set(testDay)
	o.Now = clock.now
	s := mustOpen(t, o)
	for i, at := range []time.Time{testDay.Add(-30 * time.Hour), testDay.Add(-2 * time.Hour), testDay.Add(-10 * time.Hour)} {
		mustAppend(t, s, testBatch(Spans, at, 3*i+1, 3*i+2, 3*i+3))
		mustFlush(t, s)
	}
	mustAppend(t, s, testBatch(Spans, testDay, 10))
	s.Close()
	change(t, mem, blockName(Spans, 3, 3), func(data []byte) []byte { data[blockHeader+3] ^= 0x41; return data })
	o.MaxAge = 24 * time.Hour
	return mem, o, clock
}

// Whichever operation of the file layer fails while a block expires and another
// is found to be corrupt, and whatever a power cut takes then: what is neither
// is there once, and the corrupt file is kept.
func TestEveryFailureDuringRetentionAndQuarantine(t *testing.T) {
	for _, forever := range []bool{false, true} {
		failAt := 0
		for over := false; !over && !t.Failed(); failAt++ {
			synctest.Test(t, func(t *testing.T) { over = mishap(t, failAt, forever) })
			if t.Failed() {
				t.Logf("failed at operation %d, for ever: %v", failAt, forever)
			}
		}
		t.Logf("failing for ever: %v: %d operations", forever, failAt-1)
	}
}

func mishap(t *testing.T, failAt int, forever bool) (over bool) {
	mem, o, _ := withCorruptBlock(t, uint64(failAt))
	mem.FailAt(failAt, forever, syscall.EIO)
	acked := false
	s, err := Open("data", o)
	if err == nil {
		tickAfterJump()
		for range s.Spans(t.Context(), Query{}) { // finds the corrupt block, or fails
		}
		acked = s.Append(t.Context(), testBatch(Spans, testDay, 11)) == nil
		s.Flush(t.Context())
		tick()
	}
	after := mem.Crash(uint64(failAt))
	over = !mem.Failed()
	if s != nil {
		s.Close()
	}
	o.FS = after
	o.Logger = slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelError + 1}))
	s = mustOpen(t, o)
	tickAfterJump()
	reportOfSpans(t, s, Query{}) // sets it aside, if it was not
	got, rep := reportOfSpans(t, s, Query{})
	want := []int{4, 5, 6, 10}
	if slices.Contains(got, 11) || acked {
		want = append(want, 11)
	}
	if !slices.Equal(got, want) {
		t.Errorf("got spans %v; want %v", got, want)
	}
	if !rep.Partial() {
		t.Error("the answer does not say that it is partial")
	}
	if got := filesWith(t, after, blockName(Spans, 3, 3)+corruptSuffix); len(got) != 1 {
		t.Errorf("the corrupt block is not kept: there are %v", filesWith(t, after, ""))
	}
	return over
}

// Answers about the time of a block that was set aside say that they are
// partial, also after a restart, until the file is deleted or would have
// expired. Answers about other times do not.
func TestAnswersWithoutALostBlockArePartial(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mem, o, clock := withCorruptBlock(t, 1)
		s := mustOpen(t, o)
		reportOfSpans(t, s, Query{})
		lost := uint64(testDay.Add(-10 * time.Hour).UnixNano())
		check := func(want bool) {
			t.Helper()
			about := map[string]*Report{}
			_, about["spans of that time"] = reportOfSpans(t, s, Query{Start: lost, End: lost + uint64(time.Hour)})
			_, about["newest span"] = reportOfSpans(t, s, Query{Limit: 1})
			ops, keys, unknown, known, many, sums := &Report{}, &Report{}, &Report{}, &Report{}, &Report{}, &Report{}
			for range s.Sums(t.Context(), SumQuery{Start: lost, Report: sums}) {
			}
			for range s.Operations(t.Context(), lost, 0, ops) {
			}
			for range s.Keys(t.Context(), FieldQuery{Kind: Spans, Report: keys}) {
			}
			for range s.Trace(t.Context(), TraceID{9}, unknown) {
			}
			for range s.Traces(t.Context(), []TraceID{{1, 4}, {1, 7}}, 0, many) {
			}
			for range s.Trace(t.Context(), TraceID{1, 4}, known) {
			}
			about["sums"] = sums
			about["operations"], about["keys"], about["trace that is not known"] = ops, keys, unknown
			for what, rep := range about {
				if rep.Partial() != want {
					t.Errorf("%s: got partial %v; want %v", what, rep.Partial(), want)
				}
			}
			_, other := reportOfSpans(t, s, Query{Start: lost + uint64(time.Hour)})
			for what, rep := range map[string]*Report{"another time": other, "a trace of another time": known, "traces of another time": many} {
				if rep.Partial() {
					t.Errorf("%s: the answer says that it lacks %v", what, rep.Unreadable)
				}
			}
		}
		check(true)
		s.Close()
		s = mustOpen(t, o)
		check(true)
		s.Close()

		without := o
		without.FS = mem.Crash(1)
		if err := without.FS.Remove("data/" + blockName(Spans, 3, 3) + corruptSuffix); err != nil {
			t.Fatal(err)
		}
		s = mustOpen(t, without)
		check(false)
		s.Close()

		s = mustOpen(t, o)
		clock.set(testDay.Add(15 * time.Hour))
		tickAfterJump()
		check(false)
	})
}

// A clock that is years ahead for less than an hour removes nothing; one that
// stays there is believed.
func TestClockSetAheadRemovesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := testOptions(vfs.NewMem(1))
		clock := &testClock{}
		clock.set(testDay)
		o.Now, o.MaxAge = clock.now, 24*time.Hour
		s := mustOpen(t, o)
		mustAppend(t, s, testBatch(Spans, testDay, 1))
		mustFlush(t, s)
		tick()
		clock.set(testDay.AddDate(10, 0, 0))
		tick()
		mustAppend(t, s, testBatch(Spans, testDay, 2))
		mustFlush(t, s) // looks at retention, too
		wantIDs(t, s, Spans, 1, 2)
		s.Close()
		s = mustOpen(t, o) // a restart does not make it believed
		tick()
		wantIDs(t, s, Spans, 1, 2)
		<-time.After(clockHold / 2)
		clock.set(testDay.Add(time.Minute))
		tickAfterJump()
		wantIDs(t, s, Spans, 1, 2)
		clock.set(testDay.AddDate(10, 0, 0))
		tickAfterJump()
		wantIDs(t, s, Spans)
	})
}

// While the clock is behind, what arrives is kept, sealed and found, and it is
// not old when the clock is set right.
func TestClockSetBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := testOptions(vfs.NewMem(1))
		clock := &testClock{}
		clock.set(testDay)
		o.Now, o.MaxAge = clock.now, 24*time.Hour
		s := mustOpen(t, o)
		tick()
		mustAppend(t, s, testBatch(Spans, testDay, 1))
		clock.set(time.Unix(40, 0)) // a machine without a battery
		tick()
		if got := s.Stats().Blocks; got != 1 {
			t.Errorf("blocks: got %d; want the head, begun years ahead, to be sealed", got)
		}
		mustAppend(t, s, testBatch(Spans, testDay.Add(time.Second), 2))
		mustFlush(t, s)
		tick()
		clock.set(testDay.Add(time.Minute))
		tickAfterJump()
		wantIDs(t, s, Spans, 1, 2)
	})
}

// timesOfAnySize are begins and ends of spans as senders with broken clocks give
// them.
var timesOfAnySize = [][2]uint64{
	{0, 0}, {0, math.MaxUint64}, {1, 5},
	{uint64(testDay.UnixNano()), uint64(testDay.UnixNano()) + 7},
	{uint64(testDay.UnixNano()), uint64(testDay.UnixNano()) - 7}, // ends before it begins
	{uint64(testDay.UnixNano()), 0},
	{uint64(testDay.AddDate(174, 0, 0).UnixNano()), uint64(testDay.AddDate(174, 0, 0).UnixNano()) + 1},
	{math.MaxInt64, math.MaxInt64}, {math.MaxInt64 + 1, math.MaxUint64}, {math.MaxUint64, 1}, {math.MaxUint64, math.MaxUint64},
}

func batchOfAnyTime() *Batch {
	r := &Resource{Attrs: []Attr{{Key: "service.name", Value: StringValue("test")}}}
	b := &Batch{Kind: Spans, Payload: []byte("any time")}
	for i, times := range timesOfAnySize {
		b.Spans = append(b.Spans, Span{Resource: r, Scope: &Scope{}, TraceID: TraceID{1}, SpanID: SpanID{7: byte(i + 1)}, Name: "op", Start: times[0], End: times[1]})
	}
	return b
}

// Spans of any time come back as they were sent, ranges find exactly those that
// begin in them, and the minutes of operations are as many as there are spans
// at most.
func TestTimesOfAnySize(t *testing.T) {
	mem := vfs.NewMem(1)
	o := testOptions(mem)
	o.Decode = func(Kind, []byte) (*Batch, error) { return batchOfAnyTime(), nil }
	s := mustOpen(t, o)
	mustAppend(t, s, batchOfAnyTime())
	check := func(when string) {
		t.Helper()
		n := 0
		for sp, err := range s.Trace(t.Context(), TraceID{1}, nil) {
			if err != nil {
				t.Fatal(err)
			}
			if want := timesOfAnySize[sp.SpanID[7]-1]; sp.Start != want[0] || sp.End != want[1] {
				t.Errorf("%s: got span from %d to %d; want %d to %d", when, sp.Start, sp.End, want[0], want[1])
			}
			n++
		}
		if n != len(timesOfAnySize) {
			t.Errorf("%s: got %d spans; want %d", when, n, len(timesOfAnySize))
		}
		for _, bounds := range [][2]uint64{{0, 0}, {0, 1}, {1, 100}, {uint64(testDay.UnixNano()), uint64(testDay.UnixNano()) + 1},
			{math.MaxInt64, 0}, {math.MaxInt64, math.MaxUint64}, {math.MaxUint64, 0}, {5, math.MaxInt64}} {
			var want []int
			for i, times := range timesOfAnySize {
				if times[0] >= bounds[0] && (bounds[1] == 0 || times[0] < bounds[1]) {
					want = append(want, i+1)
				}
			}
			for _, limit := range []int{0, 100} {
				if got, _ := reportOfSpans(t, s, Query{Start: bounds[0], End: bounds[1], Limit: limit}); !slices.Equal(got, want) {
					t.Errorf("%s: from %d to %d, limit %d: got spans %v; want %v", when, bounds[0], bounds[1], limit, got, want)
				}
			}
		}
		minutes, count := 0, uint64(0)
		for m, err := range s.Operations(t.Context(), 0, 0, nil) {
			if err != nil {
				t.Fatal(err)
			}
			minutes++
			count += m.Count
		}
		if minutes > len(timesOfAnySize) || count != uint64(len(timesOfAnySize)) {
			t.Errorf("%s: got %d minutes with %d spans; want all %d spans in no more minutes", when, minutes, count, len(timesOfAnySize))
		}
		s.Stats()
		for _, q := range []SumQuery{{}, {ByOperation: true, Step: uint64(time.Minute), First: uint64(testDay.UnixNano()), Start: uint64(testDay.UnixNano()), End: uint64(testDay.Add(time.Hour).UnixNano())}} {
			sum, want := uint64(0), uint64(len(timesOfAnySize))
			if q.End != 0 {
				want = 3
			}
			for m, err := range s.Sums(t.Context(), q) {
				if err != nil {
					t.Fatal(err)
				}
				sum += m.Count
			}
			if sum != want {
				t.Errorf("%s: sums from %d on: got %d spans; want %d", when, q.Start, sum, want)
			}
		}
	}
	check("in memory")
	mustFlush(t, s)
	check("in a block")
	s.Close()
	s = mustOpen(t, o)
	check("after a restart")
}

// A span of a far time neither keeps its block for ever nor has it removed early,
// nor any other block.
func TestFarTimesDoNotMoveRetention(t *testing.T) {
	for name, far := range map[string]time.Time{"past": time.Unix(1, 0), "future": testDay.AddDate(174, 0, 0), "last": time.Unix(0, math.MaxInt64-5)} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := testOptions(vfs.NewMem(1))
				clock := &testClock{}
				clock.set(testDay)
				o.Now, o.MaxAge, o.MaxBytes = clock.now, 24*time.Hour, 1<<20
				s := mustOpen(t, o)
				mustAppend(t, s, testBatch(Spans, far, 1), testBatch(Spans, testDay, 2))
				mustFlush(t, s)
				mustAppend(t, s, testBatch(Spans, testDay.Add(time.Second), 3))
				mustFlush(t, s)
				clock.set(testDay.Add(23 * time.Hour))
				tickAfterJump()
				wantIDs(t, s, Spans, 1, 2, 3)
				clock.set(testDay.Add(25 * time.Hour))
				tickAfterJump()
				wantIDs(t, s, Spans)
			})
		})
	}
}

// A disk that does not read a block once makes one answer partial, or fails it;
// the block stays, and the next answer is whole.
func TestReadErrorsSetNothingAside(t *testing.T) {
	original := vfs.NewMem(1)
	o := testOptions(original)
	s := mustOpen(t, o)
	for id := 1; id <= 4; id++ {
		mustAppend(t, s, testBatch(Spans, testDay, id))
		mustFlush(t, s)
	}
	s.Close()
	for failAt := 0; ; failAt++ {
		mem := original.Crash(1)
		o.FS = mem
		s := mustOpen(t, o)
		mem.FailAt(failAt, false, syscall.EIO)
		got, rep := reportOfSpans(t, s, Query{})
		if !mem.Failed() {
			break
		}
		if want := map[bool]int{true: 3, false: 4}[rep.Partial()]; len(got) != want {
			t.Errorf("read %d failed: got spans %v, partial %v; want %d", failAt, got, rep.Partial(), want)
		}
		if got, rep := reportOfSpans(t, s, Query{}); len(got) != 4 || rep.Partial() {
			t.Errorf("after read %d failed: got spans %v, partial %v; want 4", failAt, got, rep.Partial())
		}
		if got := filesWith(t, mem, corruptSuffix); len(got) > 0 {
			t.Errorf("read %d failed: set aside %v", failAt, got)
		}
		s.Close()
	}
	for failAt := 0; ; failAt++ {
		mem := original.Crash(1)
		o.FS = mem
		mem.FailAt(failAt, false, syscall.EIO)
		if s, err := Open("data", o); err == nil {
			if got, rep := reportOfSpans(t, s, Query{}); len(got) != 4 && !rep.Partial() {
				t.Errorf("operation %d of Open failed: got spans %v, and the answer does not say that it is partial", failAt, got)
			}
			s.Close()
		}
		if !mem.Failed() {
			break
		}
		s := mustOpen(t, o)
		if got, rep := reportOfSpans(t, s, Query{}); len(got) != 4 || rep.Partial() {
			t.Errorf("after operation %d of Open failed: got spans %v, partial %v; want 4", failAt, got, rep.Partial())
		}
		s.Close()
	}
}

// brokenBlock is a disk that does not open one file.
type brokenBlock struct {
	*vfs.Mem
	name string
}

func (d *brokenBlock) Open(name string) (vfs.File, error) {
	if name == "data/"+d.name {
		return nil, syscall.EIO
	}
	return d.Mem.Open(name)
}

// A block that the disk does not read at the start keeps nobody from the others,
// and is there again when the disk reads it.
func TestBlockThatTheDiskDoesNotOpen(t *testing.T) {
	mem := vfs.NewMem(1)
	o := testOptions(mem)
	s := mustOpen(t, o)
	for id := 1; id <= 3; id++ {
		mustAppend(t, s, testBatch(Spans, testDay, id))
		mustFlush(t, s)
	}
	s.Close()
	o.FS = &brokenBlock{mem, blockName(Spans, 2, 2)}
	s = mustOpen(t, o)
	if got, rep := reportOfSpans(t, s, Query{}); !slices.Equal(got, []int{1, 3}) || !rep.Partial() {
		t.Errorf("got spans %v, partial %v; want 1 and 3, partial", got, rep.Partial())
	}
	mustAppend(t, s, testBatch(Spans, testDay, 4))
	mustFlush(t, s) // writes the manifest
	s.Close()
	o.FS = mem
	s = mustOpen(t, o)
	if got, rep := reportOfSpans(t, s, Query{}); !slices.Equal(got, upTo(4)) || rep.Partial() {
		t.Errorf("when the disk reads it again: got spans %v, partial %v; want all", got, rep.Partial())
	}
}
