package store

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/s2"

	"github.com/signalbox-otel/signalbox/internal/store/vfs"
)

// loggedBatches returns a closed store whose log has one segment with batches
// {1,2}, {3}, {4,5,6} and {7}, the segment's name, and where each record ends.
func loggedBatches(t *testing.T) (mem *vfs.Mem, name string, ends []int) {
	t.Helper()
	mem = vfs.NewMem(1)
	s := mustOpen(t, testOptions(mem))
	for _, ids := range [][]int{{1, 2}, {3}, {4, 5, 6}, {7}} {
		mustAppend(t, s, testBatch(Spans, testDay, ids...))
		ends = append(ends, int(s.lane(Spans).wal.bytes()))
	}
	s.Close()
	return mem, segmentName(Spans, 0), ends
}

var loggedIDs = [][]int{{1, 2}, {3}, {4, 5, 6}, {7}}

// A log cut at any byte gives the whole records before the cut, takes new ones,
// and has both at the next opening.
func TestLogCutAtEveryByte(t *testing.T) {
	original, name, ends := loggedBatches(t)
	for cut := range ends[len(ends)-1] {
		mem := original.Crash(1)
		change(t, mem, name, func(data []byte) []byte { return data[:cut] })
		var want []int
		for i, end := range ends {
			if end <= cut {
				want = append(want, loggedIDs[i]...)
			}
		}
		for round := range 3 {
			s := mustOpen(t, testOptions(mem))
			if st := s.Stats(); st.Quarantined != 0 {
				t.Fatalf("cut at %d, opening %d: %d files set aside", cut, round, st.Quarantined)
			}
			if diff := cmp.Diff(want, idsOf(t, s, Spans)); diff != "" {
				t.Fatalf("cut at %d, opening %d: ids (-want +got):\n%s", cut, round, diff)
			}
			mustAppend(t, s, testBatch(Spans, testDay, 100+round))
			want = append(want, 100+round)
			s.Close()
		}
	}
}

// A changed byte costs the record it is in, and no other; it is noticed unless
// it is in the last record, where it cannot be told from a torn write.
func TestLogWithAnyByteChanged(t *testing.T) {
	original, name, ends := loggedBatches(t)
	for at := range ends[len(ends)-1] {
		mem := original.Crash(1)
		change(t, mem, name, func(data []byte) []byte { data[at] ^= 0x55; return data })
		hit := -1 // the header
		if at >= segmentHeaderSize {
			hit, _ = slices.BinarySearch(ends, at+1)
		}
		var want []int
		for i, ids := range loggedIDs {
			if i != hit {
				want = append(want, ids...)
			}
		}
		wantAside := 1
		if hit == len(ends)-1 {
			wantAside = 0
		}
		for round := range 2 {
			s := mustOpen(t, testOptions(mem))
			if diff := cmp.Diff(want, idsOf(t, s, Spans)); diff != "" {
				t.Fatalf("byte %d changed, opening %d: ids (-want +got):\n%s", at, round, diff)
			}
			if got := s.Stats().Quarantined; got != wantAside {
				t.Fatalf("byte %d changed, opening %d: %d files set aside; want %d", at, round, got, wantAside)
			}
			s.Close()
		}
		if got := filesWith(t, mem, corruptSuffix); len(got) != wantAside {
			t.Fatalf("byte %d changed: got %v set aside; want %d", at, got, wantAside)
		}
	}
}

// In a segment that is not the last one, the loss of the last record is
// noticed too: the next segment says where it begins.
func TestLossAtTheEndOfAnEarlierSegment(t *testing.T) {
	mem, name, ends := loggedBatches(t)
	s := mustOpen(t, testOptions(mem))
	mustAppend(t, s, testBatch(Spans, testDay, 8))
	s.Close()
	change(t, mem, name, func(data []byte) []byte { return data[:ends[2]] })
	s = mustOpen(t, testOptions(mem))
	wantIDs(t, s, Spans, 1, 2, 3, 4, 5, 6, 8)
	if got := s.Stats().Quarantined; got != 1 {
		t.Errorf("files set aside: got %d; want 1", got)
	}
}

func TestSegmentThatIsNotOurs(t *testing.T) {
	mem, name, _ := loggedBatches(t)
	header := segmentHeader{kind: Spans, store: storeID{1, 2, 3}, first: 1}.encode()
	change(t, mem, name, func(data []byte) []byte { return append(header, data[segmentHeaderSize:]...) })
	s := mustOpen(t, testOptions(mem))
	wantIDs(t, s, Spans)
	if got := filesWith(t, mem, corruptSuffix); len(got) != 1 {
		t.Errorf("files set aside: got %v; want one", got)
	}
}

func TestFilesOfALaterReleaseAreRefused(t *testing.T) {
	mem, name, _ := loggedBatches(t)
	broken := mem.Crash(1)
	change(t, broken, manifestName, func(data []byte) []byte {
		return []byte(strings.Replace(string(data), "signalbox-store 1 ", "signalbox-store 2 ", 1))
	})
	var newer *versionError
	if _, err := Open("data", testOptions(broken)); !errors.As(err, &newer) || newer.file != manifestName {
		t.Errorf("Open with a newer manifest: got %v; want a versionError", err)
	}
	h := segmentHeader{kind: Spans, first: 1}.encode()
	h[8] = 2
	sealHeader(h)
	change(t, mem, name, func([]byte) []byte { return h })
	if _, err := Open("data", testOptions(mem)); !errors.As(err, &newer) || newer.file != name {
		t.Errorf("Open with a newer segment: got %v; want a versionError", err)
	}
}

// Records whose sync failed are void: their sequences belong to the next
// segment, wherever the failed bytes turn up.
func TestRecordsOfAFailedSyncAreVoid(t *testing.T) {
	mem := vfs.NewMem(1)
	if err := mem.MkdirAll("d"); err != nil {
		t.Fatal(err)
	}
	w := &walWriter{fs: mem, dir: "d", kind: Spans, next: 1}
	put := func(text string) uint64 {
		first, err := w.write([][]byte{s2.Encode(nil, []byte(text))})
		if err != nil {
			t.Fatal(err)
		}
		return first
	}
	put("one")
	if err := w.sync(); err != nil {
		t.Fatal(err)
	}
	first := put("two, not synced")
	mem.FailAt(0, false, syscall.EIO)
	if err := w.sync(); !errors.Is(err, syscall.EIO) {
		t.Fatalf("sync: got %v; want EIO", err)
	}
	if err := w.forget(first); err != nil {
		t.Fatal(err)
	}
	if got := put("two"); got != first {
		t.Errorf("sequence after a failed sync: got %d; want %d", got, first)
	}
	if err := w.rotate(); err != nil {
		t.Fatal(err)
	}
	var got []string
	for i, limit := range []uint64{2, math.MaxUint64} {
		data, err := readFile(mem, "d/"+segmentName(Spans, uint64(i)))
		if err != nil {
			t.Fatal(err)
		}
		h, err := decodeSegmentHeader("", data)
		if err != nil {
			t.Fatal(err)
		}
		scan := segmentScan{data: data, kind: Spans, last: h.first - 1, limit: limit,
			take: func(r walRecord) string {
				p, err := r.payload()
				got = append(got, fmt.Sprint(r.sequence, " ", string(p), err))
				return ""
			},
			corrupt: func(offset int, reason string) { t.Errorf("corrupt at %d: %s", offset, reason) }}
		scan.run()
	}
	if diff := cmp.Diff([]string{"1 one<nil>", "2 two<nil>"}, got); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
	if err := w.dropThrough(2); err != nil || w.bytes() != 0 || mem.Used() != 0 {
		t.Errorf("dropThrough: got %v, %d bytes left", err, w.bytes())
	}
}

// FuzzSegment: whatever a segment holds, reading ends, does not panic, gives
// sequences in order, and what it gives has the checksum of what was written.
func FuzzSegment(f *testing.F) {
	h := segmentHeader{kind: Spans, store: storeID{1}, first: 5}.encode()
	whole := slices.Clone(h)
	for i := range uint64(4) {
		whole = appendRecord(whole, Spans, walRecord{sequence: 5 + i, synced: 4 + i, compressed: s2.Encode(nil, []byte(strings.Repeat("payload", int(i))))})
	}
	f.Add(whole, uint64(9))
	f.Add(whole[:len(whole)-3], uint64(math.MaxUint64))
	f.Add(h, uint64(5))
	torn := slices.Clone(whole)
	torn[60] ^= 1
	f.Add(torn, uint64(math.MaxUint64))
	f.Fuzz(func(t *testing.T, data []byte, limit uint64) {
		if len(data) < segmentHeaderSize {
			return
		}
		h, err := decodeSegmentHeader("x", data)
		if err != nil {
			h.first = 5
		}
		last := h.first - 1
		scan := segmentScan{data: data, kind: Spans, last: last, limit: limit,
			take: func(r walRecord) string {
				if r.sequence <= last || r.sequence >= limit {
					t.Errorf("sequence %d after %d, limit %d", r.sequence, last, limit)
				}
				last = r.sequence
				if p, err := r.payload(); err == nil && len(p) > maxPayload {
					t.Errorf("payload of %d bytes", len(p))
				}
				return ""
			},
			corrupt: func(offset int, reason string) {
				if offset < segmentHeaderSize || offset > len(data) || reason == "" {
					t.Errorf("corrupt at %d of %d: %q", offset, len(data), reason)
				}
			}}
		if got := scan.run(); got < last {
			t.Errorf("last sequence: got %d after %d", got, last)
		}
	})
}

// The bytes of docs/format/log.md. Files of this version stay readable.
func TestLogFormat(t *testing.T) {
	id := storeID{0: 0xaa, 15: 0xbb}
	got := fmt.Sprintf("%x\n", segmentHeader{kind: Logs, store: id, first: 7}.encode())
	got += fmt.Sprintf("%x\n", appendRecord(nil, Logs, walRecord{sequence: 7, synced: 6, compressed: []byte("abc")}))
	want := "53425857414c0d0a" + "01000000" + "02000000" + "aa0000000000000000000000000000bb" + "0700000000000000" + "9294e518" + "\n" +
		"03000000" + "0978eb2b" + "02" + "0700000000000000" + "0600000000000000" + "616263" + "\n"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("bytes (-want +got):\n%s", diff)
	}
}
