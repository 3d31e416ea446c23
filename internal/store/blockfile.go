package store

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sync/atomic"

	"github.com/signalbox-otel/signalbox/internal/store/vfs"
)

// blockFile is an open block. The lane that lists it holds a reference and so
// does every view with it; the last one to let go closes the file, and removes
// it if retention gave the block up meanwhile.
type blockFile struct {
	s     *Store
	entry blockEntry
	block *block
	file  vfs.File

	refs   atomic.Int64
	failed atomic.Bool // the disk did not give some of its bytes
	expire atomic.Bool // set before the lane lets go
}

// openBlockFile opens the block of an entry. Bytes that cannot be read are a
// *CorruptionError.
func (s *Store) openBlockFile(k Kind, e blockEntry) (*blockFile, error) {
	f, err := s.o.FS.Open(s.path(e.File))
	if err != nil {
		return nil, err
	}
	size, err := f.Size()
	var b *block
	if err == nil {
		b, err = openBlock(f, size, e.File)
	}
	if err == nil && b.kind() != k {
		err = &CorruptionError{File: e.File, Reason: fmt.Sprintf("block of %s under the name of %s", b.kind(), k)}
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	b.kept = s.dicts
	bf := &blockFile{s: s, entry: e, block: b, file: f}
	bf.entry.Bytes = size
	bf.entry.Rows = b.rows()
	bf.entry.MinTime, bf.entry.MaxTime = b.timeRange()
	if e.Written == 0 { // a manifest made anew does not know
		bf.entry.Written = s.now()
	}
	bf.refs.Store(1)
	return bf, nil
}

func (b *blockFile) release() {
	if b.refs.Add(-1) > 0 {
		return
	}
	b.s.dicts.forget(b.block)
	if err := b.file.Close(); err != nil {
		b.s.log.Warn("closing a block", "file", b.entry.File, "error", err)
	}
	if b.expire.Load() {
		// One that stays is not in the manifest and goes at the next Open.
		if err := b.s.o.FS.Remove(b.s.path(b.entry.File)); err != nil {
			b.s.log.Warn("removing an expired block", "file", b.entry.File, "error", err)
		}
	}
}

// snapshot returns a view of the parts that hold all records acknowledged so far,
// but for those in lost blocks, and a function that lets go of them. The error is
// ErrClosed.
func (l *lane) snapshot() (v *view, release func(), err error) {
	l.view.RLock()
	defer l.view.RUnlock()
	if l.closedToReaders {
		return nil, nil, ErrClosed
	}
	v = &view{lost: l.lost, version: l.version, sumCache: l.s.sums, onCorrupt: func(e *CorruptionError) { l.s.quarantine(l, e) }}
	blocks := slices.Clone(l.blocks)
	for _, b := range blocks {
		b.refs.Add(1)
		v.parts = append(v.parts, b.block)
	}
	if l.frozen != nil {
		v.parts = append(v.parts, l.frozen.head)
	}
	v.parts = append(v.parts, l.active.head)
	return v, func() {
		for _, b := range blocks {
			b.release()
		}
	}, nil
}

// remove takes blocks out of the list that readers see and lets go of those
// that were still in it.
func (l *lane) remove(drop func(*blockFile) bool) []*blockFile {
	var gone []*blockFile
	l.view.Lock()
	l.blocks = slices.DeleteFunc(slices.Clone(l.blocks), func(b *blockFile) bool {
		if !drop(b) {
			return false
		}
		gone = append(gone, b)
		return true
	})
	l.version++
	l.view.Unlock()
	return gone
}

// quarantine sets a block aside in which a reader found bytes that are not
// what was written. Others that read it meanwhile go on. A block that the disk
// did not read is only counted.
func (s *Store) quarantine(l *lane, e *CorruptionError) {
	if e.Err != nil {
		s.metrics.readErrors.Inc()
		if l.failedBefore(e.File) {
			return
		}
		s.log.Error("the disk does not read a block: answers are partial", "file", e.File, "offset", e.Offset, "error", e.Err)
		return
	}
	gone := l.remove(func(b *blockFile) bool { return b.entry.File == e.File })
	if len(gone) == 0 {
		return // another reader found it first
	}
	defer gone[0].release()
	l.lose(gone[0].entry)
	// The file first: a block that the manifest does not name is taken for a
	// leftover and removed.
	if !s.setAside(e) {
		return
	}
	err := s.changeManifest(func(m *manifest) {
		of := m.of(l.kind)
		of.Lost = append(of.Lost, of.drop(func(file string) bool { return file == e.File })...)
	})
	if err != nil {
		s.log.Error("forgetting a corrupt block", "file", e.File, "error", err)
	}
}

// failedBefore notes that the disk does not read a block, and reports whether
// that is known.
func (l *lane) failedBefore(file string) bool {
	l.view.RLock()
	defer l.view.RUnlock()
	i := slices.IndexFunc(l.blocks, func(b *blockFile) bool { return b.entry.File == file })
	return i < 0 || l.blocks[i].failed.Swap(true)
}

// lose notes that answers lack the records of a block.
func (l *lane) lose(e blockEntry) {
	l.view.Lock()
	defer l.view.Unlock()
	l.lost = append(l.lost[:len(l.lost):len(l.lost)], e)
}

// setAside renames a corrupt file, counts it and says so. It reports whether
// the file has its new name for good.
func (s *Store) setAside(e *CorruptionError) bool {
	s.quarantined.Add(1)
	s.log.Error("set aside a corrupt file: the data in it is missing from answers",
		"file", e.File, "offset", e.Offset, "reason", e.Reason)
	err := s.o.FS.Rename(s.path(e.File), s.path(e.File+corruptSuffix))
	if err == nil {
		err = s.o.FS.SyncDir(s.dir)
	}
	if err != nil {
		s.log.Error("renaming a corrupt file", "file", e.File, "error", err)
	}
	return err == nil
}

func (s *Store) path(name string) string { return filepath.Join(s.dir, name) }

// changeManifest writes the manifest with a change, or leaves it as it was.
func (s *Store) changeManifest(change func(*manifest)) error {
	s.manifestMu.Lock()
	defer s.manifestMu.Unlock()
	m := s.manifest.clone()
	change(m)
	if err := writeManifest(s.o.FS, s.dir, m); err != nil {
		return err
	}
	s.manifest = m
	return nil
}
