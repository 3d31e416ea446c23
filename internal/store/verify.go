package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
)

// Finding is something in a data directory that is not as it was written, or
// that should not be there.
type Finding struct {
	File    string `json:"file"`
	Offset  int64  `json:"offset"`
	Problem string `json:"problem"`
	// Remedy is what Repair would do, and Harmless says that nothing is lost
	// and the store opens as usual.
	Remedy   string `json:"remedy"`
	Harmless bool   `json:"harmless,omitempty"`
}

// Verification is what was looked at, and found.
type Verification struct {
	Blocks   int       `json:"blocks"`
	Records  uint64    `json:"records"` // in blocks
	Segments int       `json:"segments"`
	Batches  int       `json:"batches"` // in the log only
	Bytes    int64     `json:"bytes"`
	Findings []Finding `json:"findings"`
}

// Damaged reports whether there is a finding that is not harmless.
func (v *Verification) Damaged() bool {
	for _, f := range v.Findings {
		if !f.Harmless {
			return true
		}
	}
	return false
}

// Progress is told how many of the bytes to read were read.
type Progress func(done, total int64)

// What Repair does about findings.
const (
	remedySalvage  = "a block of the records that can be read takes its place; the file is set aside"
	remedySetAside = "the file is set aside: nothing in it can be read"
	remedyForget   = "the manifest is written without it; what was in it is lost"
	remedyManifest = "the manifest is made again from the blocks"
	remedyLog      = "the batches that can be read become a block, and the segment is set aside"
	remedyRemove   = "the file is removed, as at every start"
	remedyIgnore   = "left out when the log is replayed, as at every start"
	remedyFigures  = "the manifest is written with the figures of the block"
	remedyReturn   = "a block of the records that can be read is made of it; the file stays"
	remedyNothing  = "nothing: delete it when nobody needs it"
	remedyTwice    = "nothing: which of the two to delete is yours to say"
)

// Verify reads everything in a data directory and compares it with itself:
// checksums, pages, dictionaries, bloom filters, trace index and pre-aggregates
// of every block with its records, the manifest with the files, and the log as
// it would be replayed. It takes no lock and never writes; what a process that
// uses the directory does meanwhile is no finding. The error is about the check
// itself. progress may be nil.
func Verify(ctx context.Context, dir string, o Options, progress Progress) (*Verification, error) {
	c := &checker{ctx: ctx, dir: dir, o: o, progress: progress}
	if c.progress == nil {
		c.progress = func(int64, int64) {}
	}
	if err := c.run(); err != nil {
		return nil, fmt.Errorf("verifying %s: %w", dir, err)
	}
	return &c.v, nil
}

// checker is one Verify.
type checker struct {
	ctx      context.Context
	dir      string
	o        Options
	progress Progress
	v        Verification
	manifest *manifest
	lost     *CorruptionError // the manifest
	names    []string
	done     int64
	total    int64
}

func (c *checker) find(f Finding) { c.v.Findings = append(c.v.Findings, f) }

func (c *checker) run() error {
	lost, err := settled(c.o.FS, c.dir, func(m *manifest, names []string) error {
		c.manifest, c.names = m, names
		c.v.Findings, c.v.Segments, c.v.Batches = nil, 0, 0
		return c.log()
	})
	if err != nil {
		return err
	}
	c.lost = lost
	fromLog := c.v.Findings
	c.v.Findings = []Finding{}
	if lost != nil {
		if c.empty() {
			return noStore(c.dir)
		}
		c.find(Finding{File: manifestName, Problem: lost.Reason, Remedy: remedyManifest})
	}
	c.measure()
	c.checkRanges()
	for _, k := range kinds {
		for _, e := range c.manifest.of(k).Blocks {
			if err := c.listed(k, e); err != nil {
				return err
			}
		}
	}
	c.v.Findings = append(c.v.Findings, fromLog...)
	return c.others()
}

// empty reports whether the directory has nothing of a store.
func (c *checker) empty() bool {
	for _, name := range c.names {
		name = strings.TrimSuffix(name, corruptSuffix)
		if strings.HasSuffix(name, blockSuffix) || strings.HasSuffix(name, segmentSuffix) {
			return false
		}
	}
	return true
}

// log looks at the segments, replaying them into nothing.
func (c *checker) log() error {
	for _, k := range kinds {
		l := logReader{fs: c.o.FS, dir: c.dir, kind: k, store: c.manifest.logID(), sealed: c.manifest.of(k).Sealed,
			take: func(_ uint64, payload []byte) error {
				b, err := c.o.Decode(k, payload)
				if err == nil && b.Len() == 0 {
					err = errors.New("a batch without records")
				}
				return err
			},
			corrupt: func(e *CorruptionError) {
				c.find(Finding{File: e.File, Offset: e.Offset, Problem: e.Reason, Remedy: remedyLog})
			}}
		infos, err := l.run(c.names)
		if err != nil {
			return fmt.Errorf("reading the log of %s: %w", k, err)
		}
		for _, info := range infos {
			c.v.Segments++
			c.v.Batches += info.Pending
			c.v.Bytes += info.Bytes
			switch {
			case info.Torn > 0:
				c.find(Finding{File: info.File, Offset: info.Bytes - info.Torn, Harmless: true, Remedy: remedyIgnore,
					Problem: fmt.Sprintf("%d bytes that are no whole record: they were never acknowledged", info.Torn)})
			case info.First == 0 && info.Bytes <= segmentHeaderSize:
				c.find(Finding{File: info.File, Problem: info.Problem, Remedy: remedyRemove, Harmless: true})
			}
		}
	}
	return nil
}

// measure finds out how much there is to read.
func (c *checker) measure() {
	for _, k := range kinds {
		for _, e := range c.manifest.of(k).Blocks {
			if size, err := fileSize(c.o, filepath.Join(c.dir, e.File)); err == nil {
				c.total += size
			}
		}
	}
}

// checkRanges sees that no batch is in two blocks.
func (c *checker) checkRanges() {
	for _, k := range kinds {
		of := c.manifest.of(k)
		for i, e := range of.Blocks {
			for _, other := range of.Blocks[:i] {
				if e.First <= other.Last && other.First <= e.Last {
					c.find(Finding{File: e.File, Problem: "its batches are in " + other.File + " too: their records are there twice",
						Remedy: remedyTwice})
				}
			}
			if e.Last > of.Sealed {
				c.find(Finding{File: manifestName, Problem: fmt.Sprintf("%s reaches beyond the batches that it calls sealed (%d)", e.File, of.Sealed),
					Remedy: remedyManifest})
			}
		}
	}
}

// listed looks at a block of the manifest. One that went meanwhile, with its
// entry, is none.
func (c *checker) listed(k Kind, e blockEntry) error {
	b, f, err := openNamedBlock(c.o, c.dir, e.File)
	var corrupt *CorruptionError
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if c.lists(e.File) && !slices.Contains(c.names, e.File+corruptSuffix) { // that one is looked at too
			c.find(Finding{File: e.File, Problem: "the manifest names it, but it is missing", Remedy: remedyForget})
		}
		return nil
	case errors.As(err, &corrupt):
		c.find(Finding{File: e.File, Offset: corrupt.Offset, Problem: corrupt.Reason, Remedy: remedySetAside})
		return nil
	case err != nil:
		return fmt.Errorf("opening block %s: %w", e.File, err)
	}
	defer f.Close()
	if b.kind() != k {
		c.find(Finding{File: e.File, Problem: fmt.Sprintf("a block of %s under the name of %s", b.kind(), k), Remedy: remedySetAside})
		return nil
	}
	return c.block(b, e)
}

// lists reports whether the manifest names a block now.
func (c *checker) lists(file string) bool {
	_, m, _, err := lookUp(c.o.FS, c.dir)
	return err != nil || m == nil || m.names(file) // or no later word on it
}

// names reports whether the manifest names a block.
func (m *manifest) names(file string) bool {
	for _, k := range kinds {
		if slices.ContainsFunc(m.of(k).Blocks, func(e blockEntry) bool { return e.File == file }) {
			return true
		}
	}
	return false
}

// covers reports whether batches of a block that was set aside are in another
// one that is there.
func (m *manifest) covers(corrupt string, there []string) bool {
	for _, k := range kinds {
		first, last, ok := parseBlockName(k, strings.TrimSuffix(corrupt, corruptSuffix))
		if ok && slices.ContainsFunc(m.of(k).Blocks, func(e blockEntry) bool {
			return e.First <= last && first <= e.Last && slices.Contains(there, e.File)
		}) {
			return true
		}
	}
	return false
}

func (c *checker) block(b *block, e blockEntry) error {
	c.v.Blocks++
	c.v.Records += uint64(b.rows())
	c.v.Bytes += b.size
	lo, hi := b.timeRange()
	if c.lost == nil && e.Bytes != 0 && (e.Rows != b.rows() || e.Bytes != b.size || e.MinTime != lo || e.MaxTime != hi) {
		c.find(Finding{File: manifestName, Remedy: remedyFigures, Problem: fmt.Sprintf("%s has %d records in %d bytes, and other times than the manifest says (%d in %d)",
			e.File, b.rows(), b.size, e.Rows, e.Bytes)})
	}
	check := &blockCheck{block: b,
		found: func(offset int64, problem string) {
			c.find(Finding{File: e.File, Offset: offset, Problem: problem, Remedy: remedySalvage})
		},
		read: func(bytes int64) {
			c.done += bytes
			c.progress(c.done, c.total)
		}}
	return check.run(c.ctx)
}

// others looks at files that the manifest does not name.
func (c *checker) others() error {
	for _, name := range c.names {
		f := Finding{File: name}
		switch {
		case strings.HasSuffix(name, tempSuffix):
			f.Problem, f.Remedy, f.Harmless = "not finished", remedyRemove, true
		case strings.HasSuffix(name, blockSuffix+corruptSuffix):
			f.Problem, f.Remedy = "set aside earlier: its records are missing from answers", remedyReturn
			if c.manifest.covers(name, c.names) {
				continue
			}
		case strings.HasSuffix(name, segmentSuffix+corruptSuffix):
			f.Problem, f.Remedy, f.Harmless = "set aside earlier; what could be read of it is in a block", remedyNothing, true
		case strings.HasSuffix(name, blockSuffix) && !c.manifest.names(name):
			f.Problem, f.Remedy, f.Harmless = "the manifest does not name it: it was not finished, or given up", remedyRemove, true
		default:
			continue
		}
		if _, err := fileSize(c.o, filepath.Join(c.dir, name)); errors.Is(err, fs.ErrNotExist) {
			continue
		} else if err != nil {
			return err
		}
		c.find(f)
	}
	return nil
}
