package store_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strconv"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/signalbox-otel/signalbox/internal/store"
	"github.com/signalbox-otel/signalbox/internal/store/vfs"
)

// directory is a data directory of random records in memory.
type directory struct {
	fs      *vfs.Mem
	options store.Options
	batches []*store.Batch // a payload is the number of its batch
}

func newDirectory() *directory {
	d := &directory{fs: vfs.NewMem(1)}
	d.options = store.NewDefaultOptions()
	d.options.FS = d.fs
	d.options.MaxAge, d.options.MaxBytes, d.options.Reserve = 0, 0, 0
	d.options.Decode = func(k store.Kind, payload []byte) (*store.Batch, error) {
		n, err := strconv.Atoi(strings.TrimRight(string(payload), "."))
		if err != nil || n >= len(d.batches) || d.batches[n].Kind != k {
			return nil, fmt.Errorf("payload %q of no batch", payload)
		}
		return d.batches[n], nil
	}
	return d
}

// fill appends batches of 50 records of both kinds; each block gets four.
func (d *directory) fill(t *testing.T, seed uint64, blocks int, pending bool) {
	t.Helper()
	r := newRandom(seed)
	s, err := store.Open("data", d.options)
	if err != nil {
		t.Fatal(err)
	}
	for n := range 4*blocks + 1 {
		if n == 4*blocks && !pending {
			break
		}
		for _, k := range []store.Kind{store.Spans, store.Logs} {
			b := r.batch(k, 50)
			for i := range b.Logs {
				if i%2 == 0 { // bodies for gram filters
					b.Logs[i].Body = store.StringValue("Kelvin \u212a " + r.id())
				}
			}
			b.Payload = fmt.Appendf(nil, "%d%s", len(d.batches), strings.Repeat(".", 40))
			d.batches = append(d.batches, b)
			if err := s.Append(context.Background(), b); err != nil {
				t.Fatal(err)
			}
		}
		if n%4 == 3 {
			if err := s.Flush(context.Background()); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func (d *directory) verify(t *testing.T) *store.Verification {
	t.Helper()
	v, err := store.Verify(context.Background(), "data", d.options, nil)
	if err != nil {
		t.Fatalf("Verify: %v", err)
	}
	return v
}

func (d *directory) repair(t *testing.T) *store.Repaired {
	t.Helper()
	r, err := store.Repair(context.Background(), "data", d.options, false, nil)
	if err != nil {
		t.Fatalf("Repair: %v", err)
	}
	return r
}

// sent are the records that were acknowledged.
func (d *directory) sent() []string {
	var all []string
	for _, b := range d.batches {
		for i := range b.Spans {
			all = append(all, spanText(&b.Spans[i]))
		}
		for i := range b.Logs {
			all = append(all, logText(&b.Logs[i]))
		}
	}
	return sorted(all)
}

// held are the records that a directory gives.
func (d *directory) held(t *testing.T) []string {
	t.Helper()
	s, err := store.OpenReadOnly("data", d.options)
	if err != nil {
		t.Fatalf("OpenReadOnly: %v", err)
	}
	defer s.Close()
	var all []string
	for sp, err := range s.Spans(context.Background(), store.Query{}) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, spanText(sp))
	}
	for l, err := range s.Logs(context.Background(), store.Query{}) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, logText(l))
	}
	return sorted(all)
}

func (d *directory) read(t *testing.T, name string) []byte {
	t.Helper()
	f, err := d.fs.Open("data/" + name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	size, err := f.Size()
	if err != nil {
		t.Fatal(err)
	}
	data := make([]byte, size)
	if _, err := f.ReadAt(data, 0); err != nil && err != io.EOF {
		t.Fatal(err)
	}
	return data
}

func (d *directory) write(t *testing.T, name string, data []byte) {
	t.Helper()
	f, err := d.fs.Create("data/" + name)
	if err == nil {
		_, err = f.Write(data)
	}
	if err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = f.Close()
	}
	if err == nil {
		err = d.fs.SyncDir("data")
	}
	if err != nil {
		t.Fatal(err)
	}
}

// files are those whose names contain part.
func (d *directory) files(t *testing.T, part string) []string {
	t.Helper()
	names, err := d.fs.List("data")
	if err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(names, func(name string) bool { return !strings.Contains(name, part) })
}

func TestVerifyFindsNothingInWhatWasWritten(t *testing.T) {
	for seed := range uint64(6) {
		d := newDirectory()
		d.fill(t, seed, 3, true)
		v := d.verify(t)
		if len(v.Findings) > 0 {
			t.Errorf("seed %d: got %+v; want no findings", seed, v.Findings)
		}
		if v.Blocks != 6 || v.Records != 1200 || v.Batches != 2 {
			t.Errorf("seed %d: got %d blocks, %d records, %d batches; want 6, 1200, 2", seed, v.Blocks, v.Records, v.Batches)
		}
		if diff := gocmp.Diff(d.sent(), d.held(t)); diff != "" {
			t.Errorf("seed %d: records read without a lock (-sent +held):\n%s", seed, diff)
		}
	}
}

// TestVerifyFindsEveryFlip flips a byte at many offsets of every file.
func TestVerifyFindsEveryFlip(t *testing.T) {
	d := newDirectory()
	d.fill(t, 3, 1, true)
	for _, name := range append(append(d.files(t, ".block"), d.files(t, ".wal")...), "MANIFEST") {
		whole := d.read(t, name)
		step := max(1, len(whole)/150)
		for at := 0; at < len(whole); at += step {
			damaged := bytes.Clone(whole)
			damaged[at] ^= 1 << (at % 8)
			d.write(t, name, damaged)
			v, err := store.Verify(context.Background(), "data", d.options, nil)
			switch {
			case err != nil && name == "MANIFEST": // its version may be of the future
			case err != nil:
				t.Errorf("%s, byte %d: %v", name, at, err)
			case len(v.Findings) == 0:
				t.Errorf("%s, byte %d: nothing found", name, at)
			case v.Findings[0].File != name:
				t.Errorf("%s, byte %d: found %+v", name, at, v.Findings)
			}
		}
		d.write(t, name, whole)
	}
}

// TestVerifyFindsWhatChecksumsHide damages bytes and puts the checksums right:
// the parts of a block contradict each other then.
func TestVerifyFindsWhatChecksumsHide(t *testing.T) {
	for _, part := range store.BlockParts {
		d := newDirectory()
		d.fill(t, 4, 1, false)
		name := d.files(t, map[bool]string{true: "logs-", false: "spans-"}[part == "gram filter"])[0]
		file := d.read(t, name)
		forged := 0
		for n := range 12 {
			damaged, ok := store.Forge(file, part, n)
			if !ok {
				continue
			}
			forged++
			d.write(t, name, damaged)
			if v := d.verify(t); !v.Damaged() {
				t.Errorf("%s, page %d with another content and a right checksum: nothing found", part, n)
			}
		}
		if forged == 0 {
			t.Errorf("%s: no page to forge", part)
		}
	}
}

// TestInspect lists what is there.
func TestInspect(t *testing.T) {
	d := newDirectory()
	d.fill(t, 2, 2, true)
	d.write(t, "spans-000000000001-000000000009.block.tmp", []byte("x"))
	d.write(t, "logs-00000077.wal.corrupt", []byte("xy"))
	inv, err := store.Inspect("data", d.options)
	if err != nil {
		t.Fatal(err)
	}
	if len(inv.Blocks) != 4 || len(inv.Segments) != 2 || len(inv.Leftovers) != 1 || len(inv.SetAside) != 1 {
		t.Errorf("got %+v", inv)
	}
	for _, b := range inv.Blocks {
		detail, err := store.InspectBlock("data/"+b.File, d.options, true)
		if err != nil {
			t.Fatal(err)
		}
		sum := detail.Footer.Bytes
		for _, p := range detail.Pages {
			sum += int64(p.Bytes)
		}
		if sum != b.Bytes || detail.Records != 200 {
			t.Errorf("%s: got %d records, %d bytes in pages and frame; want 200, %d", b.File, detail.Records, sum, b.Bytes)
		}
	}
	if _, err := store.Inspect("elsewhere", d.options); err == nil || !strings.Contains(err.Error(), fs.ErrNotExist.Error()) {
		t.Errorf("inspecting a directory without a store: got %v", err)
	}
}
