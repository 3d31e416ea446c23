package store

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sync"

	"github.com/signalbox-otel/signalbox/internal/store/vfs"
)

// segment is one file of the log.
type segment struct {
	name        string
	first, last uint64 // sequences; last < first when it holds no record
	bytes       int64
}

// walWriter appends records to the log of one kind. One goroutine writes;
// dropThrough and bytes may be called from others.
//
// A segment on which a sync failed is never written again: after a failed fsync
// the kernel may call pages clean that it lost, so a later fsync proves
// nothing. A new segment is begun, whose first sequence voids what the failed
// one may hold from there on. After a failed write the segment is cut back to
// what it was, or ended in the same way when that fails too.
type walWriter struct {
	fs    vfs.FS
	dir   string
	kind  Kind
	store storeID

	active vfs.File // nil: the next write begins a segment
	number uint64   // of the next segment
	next   uint64   // sequence of the next record
	synced uint64   // all records up to it are durable
	buf    []byte

	mu       sync.Mutex
	segments []segment // oldest first; the last one is active, if any is
	open     bool      // whether active is not nil
}

// errUndecided says that records which were refused may be in the log: neither
// cutting them off nor voiding them worked. It is decided at the next Open, or
// when the next segment is begun.
var errUndecided = errors.New("it may have been kept nevertheless")

// write appends one record for each payload and returns the sequence of the
// first. After an error none of them counts, unless it is errUndecided.
func (w *walWriter) write(compressed [][]byte) (first uint64, err error) {
	if w.active == nil {
		if err := w.begin(); err != nil {
			return 0, fmt.Errorf("beginning a log segment for %s: %w", w.kind, err)
		}
	}
	w.buf = w.buf[:0]
	first = w.next
	for i, c := range compressed {
		w.buf = appendRecord(w.buf, w.kind, walRecord{sequence: first + uint64(i), synced: w.synced, compressed: c})
	}
	if _, err := w.active.Write(w.buf); err != nil {
		return 0, errors.Join(fmt.Errorf("writing the log of %s: %w", w.kind, err), w.cutBack())
	}
	w.next += uint64(len(compressed))
	w.mu.Lock()
	s := &w.segments[len(w.segments)-1]
	s.last = w.next - 1
	s.bytes += int64(len(w.buf))
	w.mu.Unlock()
	if cap(w.buf) > maxIdleBuffer {
		w.buf = nil
	}
	return first, nil
}

// maxIdleBuffer bounds what a writer keeps between writes.
const maxIdleBuffer = 16 << 20

// cutBack removes what a failed write left in the active segment. The error is
// errUndecided.
func (w *walWriter) cutBack() error {
	w.mu.Lock()
	size := w.segments[len(w.segments)-1].bytes
	w.mu.Unlock()
	if w.active.Truncate(size) == nil && w.active.Sync() == nil {
		w.synced = w.next - 1
		return nil
	}
	w.abandon()
	return w.void()
}

// void begins a segment whose first sequence makes later records of earlier
// segments void. The error is errUndecided.
func (w *walWriter) void() error {
	if err := w.begin(); err != nil {
		return errUndecided
	}
	return nil
}

// sync makes all that was written durable. After an error the active segment
// has ended and the records written since the last sync may be lost.
func (w *walWriter) sync() error {
	if !w.dirty() {
		return nil
	}
	if err := w.active.Sync(); err != nil {
		w.abandon()
		return fmt.Errorf("syncing the log of %s: %w", w.kind, err)
	}
	w.synced = w.next - 1
	return nil
}

// dirty reports whether there is something to sync.
func (w *walWriter) dirty() bool { return w.active != nil && w.synced != w.next-1 }

// forget gives back the sequences from first on, whose records were written
// but never acknowledged, after sync ended their segment. The error is
// errUndecided.
func (w *walWriter) forget(first uint64) error {
	w.next = first
	w.mu.Lock()
	if s := &w.segments[len(w.segments)-1]; s.last >= first {
		s.last = first - 1
	}
	w.mu.Unlock()
	return w.void()
}

// begin makes the next segment, durably: from here on its first sequence
// voids what earlier segments hold beyond.
func (w *walWriter) begin() error {
	name := segmentName(w.kind, w.number)
	w.number++
	path := filepath.Join(w.dir, name)
	f, err := w.fs.Create(path)
	if err != nil {
		return err
	}
	header := segmentHeader{kind: w.kind, store: w.store, first: w.next}.encode()
	_, err = f.Write(header)
	if err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = w.fs.SyncDir(w.dir)
	}
	if err != nil {
		return errors.Join(err, f.Close(), w.fs.Remove(path))
	}
	w.active = f
	w.synced = w.next - 1
	w.mu.Lock()
	defer w.mu.Unlock()
	w.segments = append(w.segments, segment{name: name, first: w.next, last: w.next - 1, bytes: int64(len(header))})
	w.open = true
	return nil
}

// abandon ends the active segment without asking the disk for anything.
func (w *walWriter) abandon() {
	w.active.Close()
	w.active = nil
	w.mu.Lock()
	defer w.mu.Unlock()
	w.open = false
}

// rotate ends the active segment: the next record begins another one.
func (w *walWriter) rotate() error {
	if w.active == nil {
		return nil
	}
	if err := w.sync(); err != nil {
		return err
	}
	w.abandon()
	return nil
}

// dropThrough removes the segments whose records all have a sequence of at
// most sealed: they are in blocks that the manifest names.
func (w *walWriter) dropThrough(sealed uint64) error {
	w.mu.Lock()
	ended := w.segments
	if w.open {
		ended = ended[:len(ended)-1]
	}
	// Sequences only grow, so these are the oldest ones.
	n := 0
	for n < len(ended) && ended[n].last <= sealed {
		n++
	}
	drop := slices.Clone(ended[:n])
	w.segments = slices.Delete(w.segments, 0, n)
	w.mu.Unlock()
	var errs []error
	for _, s := range drop {
		// One that stays is removed at the next Open.
		if err := w.fs.Remove(filepath.Join(w.dir, s.name)); err != nil {
			errs = append(errs, fmt.Errorf("removing log segment %s: %w", s.name, err))
		}
	}
	return errors.Join(errs...)
}

// bytes is the size of the log.
func (w *walWriter) bytes() int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	var n int64
	for _, s := range w.segments {
		n += s.bytes
	}
	return n
}
