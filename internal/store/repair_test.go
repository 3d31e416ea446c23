package store_test

import (
	"cmp"
	"context"
	"strings"
	"syscall"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/signalbox-otel/signalbox/internal/store"
	"github.com/signalbox-otel/signalbox/internal/store/vfs"
)

// TestRepair damages pages of blocks, and expects every record back that does
// not need them.
func TestRepair(t *testing.T) {
	const seed = 5
	r := newRandom(seed)
	t.Logf("seed %d", seed)
	for round := range 40 {
		d := newDirectory()
		d.fill(t, uint64(round%3), 2, round%2 == 0)
		sent := d.sent()
		blocks := d.files(t, ".block")
		for range 1 + r.IntN(3) {
			name := blocks[r.IntN(len(blocks))]
			file := d.read(t, name)
			file[r.IntN(len(file))] ^= 1
			d.write(t, name, file)
		}
		dry, err := store.Repair(context.Background(), "data", d.options, true, nil)
		if err != nil {
			t.Fatal(err)
		}
		if diff := gocmp.Diff(blocks, d.files(t, ".block")); diff != "" {
			t.Fatalf("round %d: a dry run changed files:\n%s", round, diff)
		}
		did := d.repair(t)
		did.DryRun = true
		if diff := gocmp.Diff(dry, did); diff != "" {
			t.Errorf("round %d: a dry run says other things (-dry +done):\n%s", round, diff)
		}
		if v := d.verify(t); v.Damaged() {
			for _, f := range v.Findings {
				if !f.Harmless && !strings.HasSuffix(f.File, ".corrupt") {
					t.Errorf("round %d: after the repair: %+v", round, f)
				}
			}
		}
		held := d.held(t)
		if len(held)+int(did.Lost()) != len(sent) {
			t.Errorf("round %d: sent %d records, hold %d, and %d are said to be lost", round, len(sent), len(held), did.Lost())
		}
		if strange := missing(sent, held); len(strange) > 0 {
			t.Errorf("round %d: %d records that nobody sent, as\n%s", round, len(strange), strange[0])
		}
	}
}

// missing are the elements of b, which is sorted as a, that a lacks.
func missing(a, b []string) (out []string) {
	for _, s := range b {
		for len(a) > 0 && a[0] < s {
			a = a[1:]
		}
		if len(a) == 0 || a[0] != s {
			out = append(out, s)
			continue
		}
		a = a[1:]
	}
	return out
}

// TestRepairKeepsOtherPages: a page costs the rows that need it, and no others.
func TestRepairKeepsOtherPages(t *testing.T) {
	const rows = 10_000
	for _, damage := range []struct {
		part     string
		from, to int // records lost
	}{{"values", 1000, 4096}, {"texts", 1, 1024}, {"dictionary", 1, rows}, {"trace index", 1, rows}, {"pre-aggregates", 0, 0}, {"bloom filter", 0, 0}} {
		d := newDirectory()
		b := newRandom(12).batch(store.Spans, rows)
		b.Payload = []byte("0")
		d.batches = append(d.batches, b)
		s, err := store.Open("data", d.options)
		if err != nil {
			t.Fatal(err)
		}
		if err := cmp.Or(s.Append(context.Background(), b), s.Flush(context.Background()), s.Close()); err != nil {
			t.Fatal(err)
		}
		name := d.files(t, ".block")[0]
		file, ok := store.Damage(d.read(t, name), damage.part, 1)
		if !ok {
			t.Fatalf("no %s", damage.part)
		}
		d.write(t, name, file)
		did := d.repair(t)
		lost := int(did.Lost())
		if held := d.held(t); len(held) != rows-lost || len(missing(d.sent(), held)) > 0 {
			t.Errorf("%s: hold %d records that were sent, and %d are said to be lost", damage.part, len(held), lost)
		}
		if lost < damage.from || lost > damage.to {
			t.Errorf("%s: got %d records lost; want %d to %d", damage.part, lost, damage.from, damage.to)
		}
		if s, err = store.Open("data", d.options); err != nil {
			t.Fatal(err)
		}
		rep := &store.Report{}
		for _, err := range s.Spans(context.Background(), store.Query{Report: rep, Need: store.NeedIDs}) {
			if err != nil {
				t.Fatal(err)
			}
		}
		if rep.Partial() != (lost > 0) {
			t.Errorf("%s: got partial = %t with %d records lost", damage.part, rep.Partial(), lost)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if a := did.Actions[0]; lost > 0 && (a.Lost.Oldest.IsZero() || a.Lost.UnknownServices == 0 && len(a.Lost.Services) == 0) {
			t.Errorf("%s: got %+v; want times and services of what was lost", damage.part, a.Lost)
		}
	}
}

// TestRepairBringsBackWhatWasSetAside: a running store sets a whole block aside
// for one bad page.
func TestRepairBringsBackWhatWasSetAside(t *testing.T) {
	d := newDirectory()
	d.fill(t, 8, 2, false)
	sent := d.sent()
	name := d.files(t, "spans-")[0]
	file := d.read(t, name)
	damaged, ok := store.Damage(file, "pre-aggregates", 0)
	if !ok {
		t.Fatal("no pre-aggregates")
	}
	d.write(t, name, damaged)
	s, err := store.Open("data", d.options)
	if err != nil {
		t.Fatal(err)
	}
	for range s.Operations(context.Background(), 0, 0, &store.Report{}) {
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if got := len(d.held(t)); got != len(sent)-200 {
		t.Fatalf("got %d records while a block is set aside; want %d", got, len(sent)-200)
	}
	if v := d.verify(t); !v.Damaged() {
		t.Error("verifying a directory with a block set aside: nothing found")
	}
	d.repair(t)
	if diff := gocmp.Diff(sent, d.held(t)); diff != "" {
		t.Errorf("after the repair (-sent +held):\n%s", diff)
	}
	if v := d.verify(t); v.Damaged() {
		t.Errorf("after the repair: %+v", v.Findings)
	}
	if got := d.repair(t); got.Lost() > 0 || len(d.held(t)) != len(sent) {
		t.Errorf("repairing again: %+v", got)
	}
}

// TestRepairOfLostManifest and of files that are gone.
func TestRepairOfLostFiles(t *testing.T) {
	d := newDirectory()
	d.fill(t, 9, 2, true)
	sent := d.sent()
	if err := d.fs.Remove("data/MANIFEST"); err != nil {
		t.Fatal(err)
	}
	if v := d.verify(t); !v.Damaged() || v.Records != 800 {
		t.Errorf("without a manifest: got %+v; want a finding, and 800 records", v)
	}
	d.repair(t)
	if diff := gocmp.Diff(sent, d.held(t)); diff != "" {
		t.Errorf("after making the manifest again (-sent +held):\n%s", diff)
	}
	gone := d.files(t, "logs-")[0]
	if err := d.fs.Remove("data/" + gone); err != nil {
		t.Fatal(err)
	}
	if got := d.repair(t).Lost(); got != 200 {
		t.Errorf("with %s gone: got %d records lost; want 200", gone, got)
	}
	if v := d.verify(t); v.Damaged() {
		t.Errorf("after the repair: %+v", v.Findings)
	}
	if _, err := store.Verify(context.Background(), "elsewhere", d.options, nil); err == nil {
		t.Error("verifying a directory without a store: no error")
	}
}

// failingWrites fails one of the operations that change something.
type failingWrites struct {
	vfs.FS
	left int // operations until then; negative: none fails
}

func (f *failingWrites) do(operation func() error) error {
	if f.left--; f.left == -1 {
		return syscall.EIO
	}
	return operation()
}

func (f *failingWrites) Create(name string) (file vfs.File, err error) {
	err = f.do(func() error {
		file, err = f.FS.Create(name)
		return err
	})
	return &failingFile{file, f}, err
}

func (f *failingWrites) Rename(from, to string) error {
	return f.do(func() error { return f.FS.Rename(from, to) })
}

func (f *failingWrites) Remove(name string) error {
	return f.do(func() error { return f.FS.Remove(name) })
}

func (f *failingWrites) SyncDir(dir string) error {
	return f.do(func() error { return f.FS.SyncDir(dir) })
}

// failingFile is a file of failingWrites.
type failingFile struct {
	vfs.File
	fs *failingWrites
}

func (f *failingFile) Sync() error { return f.fs.do(f.File.Sync) }

func (f *failingFile) Write(b []byte) (n int, err error) {
	err = f.fs.do(func() error {
		n, err = f.File.Write(b)
		return err
	})
	return n, err
}

// TestRepairFails makes each operation of a repair that changes something fail
// once, and expects the next repair to finish the work, after a power cut too.
func TestRepairFails(t *testing.T) {
	var want []string // what a repair without failures gives back
	for n := -1; ; n++ {
		d := newDirectory()
		d.fill(t, 11, 2, true)
		for i, name := range d.files(t, ".block") {
			damaged, ok := store.Damage(d.read(t, name), []string{"trace index", "dictionary", "values", "pre-aggregates"}[i], 0)
			if !ok {
				t.Fatalf("%s has no such part", name)
			}
			d.write(t, name, damaged)
		}
		failing := &failingWrites{FS: d.fs, left: n}
		options := d.options
		options.FS = failing
		_, err := store.Repair(context.Background(), "data", options, false, nil)
		crashed := &directory{fs: d.fs.Crash(uint64(n)), options: d.options, batches: d.batches}
		crashed.options.FS = crashed.fs
		for name, d := range map[string]*directory{"repaired again": d, "after a crash": crashed} {
			d.repair(t)
			held := d.held(t)
			if n < 0 {
				want = held
			}
			if diff := gocmp.Diff(want, held); diff != "" {
				t.Fatalf("operation %d failed (%v), %s (-want +held):\n%s", n, err, name, diff)
			}
			for _, f := range d.verify(t).Findings {
				if !f.Harmless && !strings.HasSuffix(f.File, ".corrupt") {
					t.Fatalf("operation %d failed (%v), %s: %+v", n, err, name, f)
				}
			}
		}
		if n >= 0 && failing.left >= 0 {
			break
		}
	}
	// Blocks of one group: only damage that no record needs costs nothing.
	if len(want) != 300 {
		t.Errorf("got %d records of 900; want the 200 of the block without pre-aggregates, and the 100 of the log", len(want))
	}
}
