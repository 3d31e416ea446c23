package store

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"time"
)

// Idle hours, restarts and Flush leave blocks of few records. Every query opens
// each of them, so neighbours of one day become one, one merge at a time, in the
// background. A block whose sequences reach from the first to the last of what it
// is made of takes their place in the manifest, and they go as expired ones do:
// when their last reader has finished.

const (
	// mergeFactor is how much larger than the largest of its parts a merged
	// block of the day under way must be: every record is written few times.
	mergeFactor = 4
	// mergeFactorLater is the same for days that are over.
	mergeFactorLater = 2
	// mergeRetry is the time to the next attempt after one that failed.
	mergeRetry = time.Minute
)

// mergeSize is what matters of a block for merging.
type mergeSize struct {
	rows     int
	bytes    int64  // of its columns, decompressed
	min, max uint64 // times
	// apart says that another block lies between it and the one before, which
	// cannot be read now.
	apart bool
}

// chooseMerge returns the range of blocks [from, to), which are in order of their
// sequences, that is best merged; to is 0 when none is. A block of at most half
// of what a head holds is small; only small ones of one day that follow each
// other are merged, to no more than a head holds.
func chooseMerge(blocks []mergeSize, o *Options, now uint64) (from, to int) {
	const day = uint64(24 * time.Hour)
	span := day
	if o.MaxAge > 0 {
		span = min(day, uint64(o.MaxAge)/8) // what is merged expires together
	}
	small := func(b *mergeSize) bool {
		return b.rows <= o.SealRows/2 && b.bytes <= o.SealBytes/2 && b.min/day == b.max/day
	}
	most := 0
	for i := range blocks {
		first := &blocks[i]
		if !small(first) {
			continue
		}
		factor := mergeFactorLater
		if first.max/day >= now/day {
			factor = mergeFactor
		}
		sum, largest := *first, first.rows
		for j := i + 1; j < len(blocks) && small(&blocks[j]) && !blocks[j].apart; j++ {
			b := &blocks[j]
			sum.rows += b.rows
			sum.bytes += b.bytes
			sum.min, sum.max = min(sum.min, b.min), max(sum.max, b.max)
			if sum.rows > o.SealRows || sum.bytes > o.SealBytes || sum.min/day != sum.max/day || sum.max-sum.min > span {
				break
			}
			largest = max(largest, b.rows)
			if n := j + 1 - i; n > most && sum.rows >= factor*largest {
				most, from, to = n, i, j+1
			}
		}
	}
	return from, to
}

// columnBytes is the size of a block's columns, decompressed.
func (b *block) columnBytes() (n int64) {
	add := func(pages []pageMeta) {
		for i := range pages {
			n += int64(pages[i].raw)
		}
	}
	for i := range b.footer.columns {
		c := &b.footer.columns[i]
		add(c.pages)
		add(c.strips)
		for at := range c.dict {
			n += int64(c.dict[at].raw)
		}
	}
	return n
}

// attrColumns is the number of a block's attribute columns.
func (b *block) attrColumns() int { return len(b.common.attrs) }

// mergeSmall merges small blocks until there is nothing to merge. It gives way
// to sealing.
func (s *Store) mergeSmall() {
	s.merging.Lock()
	defer s.merging.Unlock()
	for _, l := range s.lanes {
		for time.Now().After(l.mergeAfter) && l.behind.Load() == nil && !s.closed.Load() && !s.diskLow() {
			from, release := l.mergeable()
			if len(from) == 0 {
				break
			}
			start := time.Now()
			err := s.merge(l, from)
			release()
			switch {
			case err == nil:
				s.metrics.mergeSeconds.Observe(time.Since(start).Seconds())
			case !errors.Is(err, ErrClosed):
				l.mergeAfter = time.Now().Add(mergeRetry)
				s.metrics.mergeFailures.Inc()
				s.log.Warn("merging small blocks; it is tried again", "kind", l.kind, "after", mergeRetry, "error", err)
			}
		}
	}
}

// mergeable returns blocks that are to be merged, if any, and a function that
// lets go of them.
func (l *lane) mergeable() (from []*blockFile, release func()) {
	place := map[string]int{}
	l.s.manifestMu.Lock()
	for i, e := range l.s.manifest.of(l.kind).Blocks {
		place[e.File] = i
	}
	l.s.manifestMu.Unlock()
	l.view.RLock()
	defer l.view.RUnlock()
	sizes := make([]mergeSize, len(l.blocks))
	for i, b := range l.blocks {
		sizes[i] = mergeSize{rows: b.entry.Rows, min: b.entry.MinTime, max: b.entry.MaxTime}
		if i > 0 {
			// One that was set aside between them may come back: see Repair.
			before := &l.blocks[i-1].entry
			sizes[i].apart = place[b.entry.File] != place[before.File]+1 || b.entry.First != before.Last+1
		}
		switch {
		case b.failed.Load() || b.block.attrColumns() > maxColumns/2:
			sizes[i].rows = l.s.o.SealRows // not small: it stays as it is
		case b.entry.Rows <= l.s.o.SealRows/2:
			sizes[i].bytes = b.block.columnBytes()
		}
	}
	first, last := chooseMerge(sizes, &l.s.o, l.s.now())
	from = slices.Clone(l.blocks[first:last])
	for _, b := range from {
		b.refs.Add(1)
	}
	return from, func() {
		for _, b := range from {
			b.release()
		}
	}
}

// merge makes one block of some, which the caller holds, and lets it take their
// place. Repeating it after an error is safe at every point: the same records go
// to the same name.
func (s *Store) merge(l *lane, from []*blockFile) error {
	first, last := &from[0].entry, &from[len(from)-1].entry
	e := blockEntry{File: blockName(l.kind, first.First, last.Last), First: first.First, Last: last.Last}
	blocks := make([]*block, len(from))
	for i, b := range from {
		blocks[i] = b.block
		e.Written = max(e.Written, b.entry.Written)
	}
	err := s.writeMerged(e.File, blocks)
	var corrupt *CorruptionError
	if errors.As(err, &corrupt) {
		s.quarantine(l, corrupt)
	}
	if err != nil {
		return fmt.Errorf("writing merged block %s: %w", e.File, err)
	}
	b, err := s.openBlockFile(l.kind, e)
	if err != nil {
		return fmt.Errorf("opening merged block %s: %w", e.File, err)
	}
	if err := sameRecords(b, from); err != nil {
		b.release()
		return err
	}
	return s.replace(l, from, b)
}

// writeMerged writes the block that holds all that blocks hold.
func (s *Store) writeMerged(name string, blocks []*block) error {
	in, err := mergeInput(blocks, func() error {
		if s.closed.Load() {
			return ErrClosed
		}
		return nil
	})
	if err != nil {
		return err
	}
	return writeFile(s.o.FS, s.dir, name, func(w io.Writer) error { return writeBlock(w, in) })
}

// sameRecords checks a merged block before it takes the place of others.
func sameRecords(b *blockFile, from []*blockFile) error {
	rows, oldest, newest := 0, from[0].entry.MinTime, uint64(0)
	for _, part := range from {
		rows += part.entry.Rows
		oldest, newest = min(oldest, part.entry.MinTime), max(newest, part.entry.MaxTime)
	}
	if b.entry.Rows != rows || b.entry.MinTime != oldest || b.entry.MaxTime != newest {
		return fmt.Errorf("merged block %s has %d records from %d to %d, not %d from %d to %d",
			b.entry.File, b.entry.Rows, b.entry.MinTime, b.entry.MaxTime, rows, oldest, newest)
	}
	return nil
}

// replace puts b in the place of the blocks it was made of: in the manifest, from
// which moment on it counts and they do not, and for readers that begin later.
// When one of them has gone meanwhile, b goes.
func (s *Store) replace(l *lane, from []*blockFile, b *blockFile) error {
	s.expireMu.Lock()
	defer s.expireMu.Unlock()
	made := map[string]bool{}
	for _, part := range from {
		made[part.entry.File] = true
	}
	whole := false
	err := s.changeManifest(func(m *manifest) {
		of := m.of(l.kind)
		at := slices.IndexFunc(of.Blocks, func(e blockEntry) bool { return made[e.File] })
		if n := len(of.drop(func(file string) bool { return made[file] })); n < len(from) {
			*of = *s.manifest.clone().of(l.kind)
			return
		}
		of.Blocks = slices.Insert(of.Blocks, at, b.entry)
		whole = true
	})
	if err != nil {
		b.release()
		return err
	}
	if !whole {
		b.expire.Store(true)
		b.release()
		return nil
	}
	gone := l.swap(func(old *blockFile) bool { return made[old.entry.File] }, b)
	for _, old := range gone {
		old.expire.Store(true)
		old.release()
		s.metrics.merged.Inc()
	}
	s.log.Info("merged small blocks", "file", b.entry.File, "blocks", len(from), "records", b.entry.Rows, "bytes", b.entry.Bytes)
	return nil
}

// swap puts b in the place of blocks in the list that readers see, and returns
// those that were still in it.
func (l *lane) swap(drop func(*blockFile) bool, b *blockFile) (gone []*blockFile) {
	l.view.Lock()
	defer l.view.Unlock()
	var kept []*blockFile
	at := -1
	for _, old := range l.blocks {
		if !drop(old) {
			kept = append(kept, old)
			continue
		}
		if at < 0 {
			at = len(kept)
		}
		gone = append(gone, old)
	}
	if at < 0 {
		at = len(kept)
	}
	l.blocks = slices.Insert(kept, at, b)
	l.version++
	return gone
}
