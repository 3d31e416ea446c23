package store

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/signalbox-otel/signalbox/internal/store/vfs"
)

// testDay is when the tests' records happen.
var testDay = time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC)

// testBatch builds a batch of one record for each id. Its payload is a line for
// each: id, time, padding.
func testBatch(k Kind, at time.Time, ids ...int) *Batch {
	var text strings.Builder
	for _, id := range ids {
		fmt.Fprintf(&text, "%d %d %s\n", id, at.UnixNano()+int64(id), strings.Repeat("p", id%50))
	}
	b, err := testDecode(k, []byte(text.String()))
	if err != nil {
		panic(err)
	}
	return b
}

// testDecode is the inverse of testBatch.
func testDecode(k Kind, payload []byte) (*Batch, error) {
	b := &Batch{Kind: k, Payload: payload}
	r := &Resource{Attrs: []Attr{{Key: "service.name", Value: StringValue("test")}}}
	for line := range strings.Lines(string(payload)) {
		var id, at uint64
		if _, err := fmt.Sscan(line, &id, &at); err != nil {
			return nil, fmt.Errorf("line %q: %w", line, err)
		}
		if k == Logs {
			b.Logs = append(b.Logs, Log{Resource: r, Scope: &Scope{}, Time: at, EventName: strconv.FormatUint(id, 10)})
			continue
		}
		s := Span{Resource: r, Scope: &Scope{}, Start: at, End: at + 5, Name: "op", TraceID: TraceID{1, byte(id)}}
		binary.BigEndian.PutUint64(s.SpanID[:], id)
		b.Spans = append(b.Spans, s)
	}
	return b, nil
}

// testOptions are small bounds on a file system in memory.
func testOptions(f vfs.FS) Options {
	o := NewDefaultOptions()
	o.FS = f
	o.Decode = testDecode
	o.SealRows = 20
	o.MaxAge, o.MaxBytes, o.Reserve = 0, 0, 0
	o.Now = func() time.Time { return testDay }
	return o
}

func mustOpen(t *testing.T, o Options) *Store {
	t.Helper()
	s, err := Open("data", o)
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func mustAppend(t *testing.T, s *Store, batches ...*Batch) {
	t.Helper()
	for _, b := range batches {
		if err := s.Append(context.Background(), b); err != nil {
			t.Fatalf("Append: %v", err)
		}
	}
}

func mustFlush(t *testing.T, s *Store) {
	t.Helper()
	if err := s.Flush(context.Background()); err != nil {
		t.Fatalf("Flush: %v", err)
	}
}

// idsOf returns the ids of all records of a kind, sorted, doubled ones twice.
func idsOf(t *testing.T, s *Store, k Kind) []int {
	t.Helper()
	var ids []int
	note := func(id uint64, err error) {
		if err != nil {
			t.Fatalf("reading %s: %v", k, err)
		}
		ids = append(ids, int(id))
	}
	if k == Logs {
		for l, err := range s.Logs(context.Background(), Query{}) {
			if err != nil {
				note(0, err)
			}
			note(strconv.ParseUint(l.EventName, 10, 64))
		}
	} else {
		for sp, err := range s.Spans(context.Background(), Query{}) {
			if err != nil {
				note(0, err)
			}
			note(binary.BigEndian.Uint64(sp.SpanID[:]), nil)
		}
	}
	slices.Sort(ids)
	return ids
}

func wantIDs(t *testing.T, s *Store, k Kind, want ...int) {
	t.Helper()
	if diff := cmp.Diff(want, idsOf(t, s, k)); diff != "" {
		t.Errorf("ids of %s (-want +got):\n%s", k, diff)
	}
}

func upTo(n int) []int {
	var ids []int
	for i := 1; i <= n; i++ {
		ids = append(ids, i)
	}
	return ids
}

func filesWith(t *testing.T, f vfs.FS, part string) []string {
	t.Helper()
	names, err := f.List("data")
	if err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(names, func(n string) bool { return !strings.Contains(n, part) })
}

// change rewrites a file of a closed store.
func change(t *testing.T, f vfs.FS, name string, edit func([]byte) []byte) {
	t.Helper()
	data, err := readFile(f, "data/"+name)
	if err == nil {
		err = writeFile(f, "data", name, func(w io.Writer) error {
			_, err := w.Write(edit(slices.Clone(data)))
			return err
		})
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestAppendSurvivesReopening(t *testing.T) {
	mem := vfs.NewMem(1)
	s := mustOpen(t, testOptions(mem))
	mustAppend(t, s, testBatch(Spans, testDay, 1, 2), testBatch(Logs, testDay, 7), testBatch(Spans, testDay, 3))
	mustAppend(t, s, &Batch{Kind: Spans})
	wantIDs(t, s, Spans, 1, 2, 3)
	wantIDs(t, s, Logs, 7)
	for range 2 {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if got := filesWith(t, mem, blockSuffix); len(got) > 0 {
		t.Errorf("blocks after Close: got %v; want none", got)
	}
	if err := s.Append(context.Background(), testBatch(Spans, testDay, 4)); !errors.Is(err, ErrClosed) {
		t.Errorf("Append after Close: got %v; want ErrClosed", err)
	}
	for _, err := range s.Spans(context.Background(), Query{}) {
		if !errors.Is(err, ErrClosed) {
			t.Errorf("Spans after Close: got %v; want ErrClosed", err)
		}
	}
	if err := s.Flush(context.Background()); !errors.Is(err, ErrClosed) {
		t.Errorf("Flush after Close: got %v; want ErrClosed", err)
	}
	for i := range 3 {
		s = mustOpen(t, testOptions(mem))
		mustAppend(t, s, testBatch(Spans, testDay, 4+i))
		wantIDs(t, s, Spans, upTo(4+i)...)
		wantIDs(t, s, Logs, 7)
		s.Close()
	}
}

// More records than fit into a head become blocks; the log of sealed blocks is
// removed, and nothing is there twice after reopening.
func TestSealing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mem := vfs.NewMem(1)
		s := mustOpen(t, testOptions(mem))
		for id := 1; id <= 100; id += 5 {
			mustAppend(t, s, testBatch(Spans, testDay, id, id+1, id+2, id+3, id+4))
			synctest.Wait() // for the sealer
		}
		mustAppend(t, s, testBatch(Logs, testDay, 1))
		wantIDs(t, s, Spans, upTo(100)...)
		if st := s.Stats(); st.Spans.Blocks != 4 || st.Spans.Records != 100 || st.Logs.Records != 1 || st.Blocks != 4 ||
			!st.Spans.Oldest.Equal(testDay.Add(1)) || !st.Spans.Newest.Equal(testDay.Add(100)) || st.Bytes <= st.WALBytes {
			t.Errorf("Stats: got %+v", st)
		}
		mustFlush(t, s)
		mustFlush(t, s) // nothing to do
		if got := filesWith(t, mem, segmentSuffix); len(got) > 0 {
			t.Errorf("log after Flush: got %v; want none", got)
		}
		if got := filesWith(t, mem, blockSuffix); len(got) != 6 {
			t.Errorf("blocks after Flush: got %v; want 6", got)
		}
		s.Close()
		s = mustOpen(t, testOptions(mem))
		defer s.Close()
		wantIDs(t, s, Spans, upTo(100)...)
		wantIDs(t, s, Logs, 1)
	})
}

func TestSecondOpenIsRefused(t *testing.T) {
	dir := t.TempDir()
	o := testOptions(vfs.OS)
	s, err := Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	_, err = Open(dir, o)
	var locked *LockedError
	if !errors.As(err, &locked) || locked.PID == 0 || locked.Dir != dir {
		t.Errorf("second Open: got %v; want LockedError with the process id", err)
	}
	s.Close()
	s, err = Open(dir, o)
	if err != nil {
		t.Fatalf("Open after Close: %v", err)
	}
	s.Close()
}

func TestOptionsAreChecked(t *testing.T) {
	f := func(want string, change func(*Options)) {
		t.Helper()
		o := testOptions(vfs.NewMem(1))
		change(&o)
		if _, err := Open("data", o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Open: got %v; want an error with %q", err, want)
		}
	}
	f("no decoder", func(o *Options) { o.Decode = nil })
	f("no file system", func(o *Options) { o.FS = nil })
	f("no clock", func(o *Options) { o.Now = nil })
	f("maximum age", func(o *Options) { o.MaxAge = -1 })
	f("maximum size", func(o *Options) { o.MaxBytes = -1 })
	f("sync mode", func(o *Options) { o.Sync = 7 })
	f("rows per block", func(o *Options) { o.SealRows = 1 << 30 })
	f("bytes per head", func(o *Options) { o.SealBytes = 0 })
	f("age of a head", func(o *Options) { o.SealAge = 0 })
	f("disk reserve", func(o *Options) { o.Reserve = -1 })
	var m SyncMode
	if err := m.UnmarshalText([]byte("interval")); err != nil || m != SyncInterval || m.String() != "interval" {
		t.Errorf("UnmarshalText: got %v, %v", m, err)
	}
	if err := m.UnmarshalText([]byte("never")); err == nil {
		t.Error("UnmarshalText(never): got no error")
	}
}

func TestConcurrentAppendsAndReads(t *testing.T) {
	mem := vfs.NewMem(1)
	o := testOptions(mem)
	o.SealRows = 100
	s := mustOpen(t, o)
	var wg sync.WaitGroup
	const senders, each = 8, 40
	for w := range senders {
		wg.Go(func() {
			for i := range each {
				for {
					err := s.Append(context.Background(), testBatch(Spans, testDay, 1+w*each+i))
					var refused *OverloadError
					if err == nil {
						break
					}
					if !errors.As(err, &refused) {
						t.Errorf("Append: %v", err)
						return
					}
				}
			}
		})
	}
	for range 2 {
		wg.Go(func() {
			for range 30 {
				n := 0
				for _, err := range s.Spans(context.Background(), Query{}) {
					if err != nil {
						t.Error(err)
					}
					n++
				}
				if got := int(s.Stats().Spans.Records); got < n {
					t.Errorf("records: got %d in Stats after reading %d", got, n)
				}
			}
		})
	}
	wg.Wait()
	wantIDs(t, s, Spans, upTo(senders*each)...)
	s.Close()
	s = mustOpen(t, o)
	defer s.Close()
	wantIDs(t, s, Spans, upTo(senders*each)...)
}

func TestFollow(t *testing.T) {
	reg := prometheus.NewRegistry()
	o := testOptions(vfs.NewMem(1))
	o.Registerer = reg
	o.SealRows = 1000
	s := mustOpen(t, o)
	follow, cancel := s.Follow(Spans)
	defer cancel()
	logs, cancelLogs := s.Follow(Logs)
	b := testBatch(Spans, testDay, 1)
	mustAppend(t, s, b, testBatch(Logs, testDay, 1))
	if got := <-follow; got != b {
		t.Errorf("followed batch: got %v; want %v", got, b)
	}
	if got := <-logs; got.Kind != Logs {
		t.Errorf("followed batch of logs: got %v", got)
	}
	cancelLogs()
	cancelLogs()
	if _, ok := <-logs; ok {
		t.Error("batch after cancel")
	}
	for id := range followBuffer + 3 {
		id += 2
		mustAppend(t, s, testBatch(Spans, testDay, id))
	}
	if got := metricValue(t, reg, "signalbox_store_follower_dropped_batches_total"); got != 3 {
		t.Errorf("dropped batches: got %v; want 3", got)
	}
	s.Close()
	n := 0
	for range follow {
		n++
	}
	if n != followBuffer {
		t.Errorf("batches left after Close: got %d; want %d", n, followBuffer)
	}
	closed, _ := s.Follow(Spans)
	if _, ok := <-closed; ok {
		t.Error("batch from a closed store")
	}
}

// metricValue sums the samples of one metric.
func metricValue(t *testing.T, g prometheus.Gatherer, name string) float64 {
	t.Helper()
	families, err := g.Gather()
	if err != nil {
		t.Fatal(err)
	}
	sum, found := 0.0, false
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		for _, m := range f.Metric {
			found = true
			sum += m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
	}
	if !found {
		t.Fatalf("metric %s is not there", name)
	}
	return sum
}

func TestMetrics(t *testing.T) {
	reg := prometheus.NewRegistry()
	o := testOptions(vfs.NewMem(1))
	o.Registerer = reg
	o.Logger = slog.New(slog.DiscardHandler)
	for range 2 { // Close unregisters
		s := mustOpen(t, o)
		if _, err := Open("other", o); err == nil || !strings.Contains(err.Error(), "registering metrics") {
			t.Errorf("Open with metrics registered already: got %v", err)
		}
		mustAppend(t, s, testBatch(Spans, testDay, 1, 2), testBatch(Logs, testDay, 1))
		mustFlush(t, s)
		for name, want := range map[string]float64{
			"signalbox_store_appended_records_total": 3,
			"signalbox_store_refused_records_total":  0,
			"signalbox_store_wal_fsync_seconds":      2,
			"signalbox_store_seal_seconds":           2,
			"signalbox_store_seal_failures_total":    0,
			"signalbox_store_quarantined_files":      0,
			"signalbox_store_bytes":                  float64(s.Stats().Bytes),
			"signalbox_store_blocks":                 float64(s.Stats().Blocks),
			"signalbox_store_expired_blocks_total":   0,
		} {
			if got := metricValue(t, reg, name); got != want {
				t.Errorf("%s: got %v; want %v", name, got, want)
			}
		}
		s.Close()
	}
}
