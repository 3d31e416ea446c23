package store

import (
	"cmp"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/signalbox-otel/signalbox/internal/store/vfs"
)

// load brings the data directory into the state in which the store works:
// blocks open, log replayed, leftovers of a crash removed.
func (s *Store) load() error {
	names, err := s.o.FS.List(s.dir)
	if err != nil {
		return fmt.Errorf("listing the data directory: %w", err)
	}
	for _, name := range names {
		switch {
		case strings.HasSuffix(name, tempSuffix):
			if err := s.o.FS.Remove(s.path(name)); err != nil {
				return fmt.Errorf("removing the unfinished file %s: %w", name, err)
			}
		case strings.HasSuffix(name, corruptSuffix):
			s.quarantined.Add(1)
		}
	}
	if err := s.openManifest(names); err != nil {
		return err
	}
	id, err := s.manifest.id()
	if err != nil {
		return err
	}
	for i, k := range kinds {
		w := &walWriter{fs: s.o.FS, dir: s.dir, kind: k, store: id}
		l := newLane(s, k, w)
		s.lanes[i] = l
		if err := s.openBlocks(l, names); err != nil {
			return err
		}
		if err := s.openLog(l, names); err != nil {
			return err
		}
	}
	return nil
}

// openManifest reads the manifest. For a new directory it writes the first
// one; where it is lost or corrupt it is made again from the names of the
// blocks: a block has its name only when it is whole, and the name says which
// log records are in it.
func (s *Store) openManifest(names []string) error {
	old, err := readManifest(s.o.FS, s.dir)
	var corrupt *CorruptionError
	switch {
	case err == nil:
		s.manifest = old
		// It may be in the page cache only: what it does not name is removed,
		// and after a power cut the one before must not be back.
		if err := s.o.FS.SyncDir(s.dir); err != nil {
			return fmt.Errorf("syncing the data directory: %w", err)
		}
		return nil
	case errors.As(err, &corrupt):
		s.setAside(corrupt)
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	m, found := manifestOf(names)
	m.StoreID = anyStoreID(s.o.FS, s.dir, names)
	if corrupt != nil || found > 0 {
		s.log.Warn("made a new manifest from the block files", "blocks", found)
	}
	if err := writeManifest(s.o.FS, s.dir, m); err != nil {
		return err
	}
	s.manifest = m
	return nil
}

// manifestOf makes a manifest from the names of the blocks, without the store's
// id. found is the number of blocks.
func manifestOf(names []string) (m *manifest, found int) {
	m = &manifest{Spans: kindManifest{Blocks: []blockEntry{}}, Logs: kindManifest{Blocks: []blockEntry{}}}
	for _, k := range kinds {
		of := m.of(k)
		for _, name := range names {
			if first, last, ok := parseBlockName(k, name); ok {
				of.Blocks = append(of.Blocks, blockEntry{File: name, First: first, Last: last})
				of.Sealed = max(of.Sealed, last)
				found++
			}
		}
		slices.SortFunc(of.Blocks, func(a, b blockEntry) int { return cmp.Or(cmp.Compare(a.First, b.First), cmp.Compare(b.Last, a.Last)) })
		// What lies within another block is what that was merged of.
		last := uint64(0)
		of.Blocks = slices.DeleteFunc(of.Blocks, func(e blockEntry) bool {
			inside := e.Last <= last
			last = max(last, e.Last)
			return inside
		})
	}
	return m, found
}

// anyStoreID returns the id in one of the log's segments, or a new one.
func anyStoreID(fsys vfs.FS, dir string, names []string) string {
	for _, name := range names {
		if !strings.HasSuffix(name, segmentSuffix) {
			continue
		}
		if data, err := readFile(fsys, filepath.Join(dir, name)); err == nil {
			if h, err := decodeSegmentHeader(name, data); err == nil {
				return hex.EncodeToString(h.store[:])
			}
		}
	}
	var id storeID
	rand.Read(id[:]) // never returns an error
	return hex.EncodeToString(id[:])
}

// openBlocks opens the blocks of the manifest and removes others: they were
// not finished, or expired. A corrupt or missing block is set aside and left
// out.
func (s *Store) openBlocks(l *lane, names []string) error {
	of := s.manifest.of(l.kind)
	// Who deletes a file that was set aside has given it up.
	of.Lost = slices.DeleteFunc(of.Lost, func(e blockEntry) bool { return !slices.Contains(names, e.File+corruptSuffix) })
	l.lost = slices.Clone(of.Lost)
	gone := map[string]bool{}
	for i, e := range of.Blocks {
		b, err := s.openBlockFile(l.kind, e)
		var corrupt *CorruptionError
		switch {
		case err == nil:
			l.blocks = append(l.blocks, b)
			of.Blocks[i] = b.entry // a manifest made anew lacks the figures
		case errors.As(err, &corrupt):
			if !s.setAside(corrupt) {
				return fmt.Errorf("opening block %s: %w", e.File, err)
			}
			l.lose(e)
			gone[e.File] = true
		case errors.Is(err, fs.ErrNotExist):
			if !slices.Contains(names, e.File+corruptSuffix) {
				s.log.Error("a block is missing: the data in it is missing from answers", "file", e.File, "records", e.Rows)
			}
			l.lose(e)
			gone[e.File] = true
		case errors.Is(err, syscall.EIO):
			// It may be read at the next start: it stays in the manifest.
			s.metrics.readErrors.Inc()
			s.log.Error("the disk does not read a block: the data in it is missing from answers", "file", e.File, "error", err)
			l.lose(e)
		default:
			return fmt.Errorf("opening block %s: %w", e.File, err)
		}
	}
	if len(gone) > 0 {
		err := s.changeManifest(func(m *manifest) {
			of := m.of(l.kind)
			of.Lost = append(of.Lost, of.drop(func(file string) bool { return gone[file] })...)
		})
		if err != nil {
			return err
		}
	}
	for _, name := range names {
		_, _, isBlock := parseBlockName(l.kind, name)
		if !isBlock || slices.ContainsFunc(of.Blocks, func(e blockEntry) bool { return e.File == name }) {
			continue
		}
		if err := s.o.FS.Remove(s.path(name)); err != nil {
			return fmt.Errorf("removing the block %s, which the manifest does not name: %w", name, err)
		}
	}
	return nil
}

// oldSegment is a segment found at Open.
type oldSegment struct {
	segment
	corrupt bool // set aside once its readable records are in a block
}

// openLog replays the records that are not in blocks into the lane's head.
func (s *Store) openLog(l *lane, names []string) error {
	l.active = newGeneration(l.kind, s.manifest.of(l.kind).Sealed+1)
	segments, err := s.readSegments(l, names)
	if err != nil {
		return err
	}
	last := s.manifest.of(l.kind).Sealed
	if len(segments) > 0 && segments[0].first > last+1 {
		s.log.Error("the log does not begin where the blocks end: batches are lost",
			"kind", l.kind, "first", last+1, "last", segments[0].first-1)
	}
	damaged := false
	for i := range segments {
		seg := &segments[i]
		limit := uint64(math.MaxUint64)
		if i+1 < len(segments) {
			limit = segments[i+1].first
		}
		// Read again: all segments at once would take as much memory as two
		// heads.
		data, err := readFile(s.o.FS, s.path(seg.name))
		if err != nil {
			return fmt.Errorf("reading log segment %s: %w", seg.name, err)
		}
		seg.last = s.replay(l, seg, data, limit)
		last = max(last, seg.last)
		damaged = damaged || seg.corrupt
		if !seg.corrupt { // those are not removed with what is sealed
			l.wal.segments = append(l.wal.segments, seg.segment)
		}
	}
	l.wal.next = last + 1
	if damaged {
		s.settleDamage(l, segments)
	}
	if err := l.wal.dropThrough(s.manifest.of(l.kind).Sealed); err != nil {
		s.log.Warn("removing log segments", "kind", l.kind, "error", err)
	}
	return nil
}

// readSegments reads where the lane's segments begin, oldest first, and makes
// them durable. It leaves out those that were not finished, and sets aside
// those whose records cannot be told.
func (s *Store) readSegments(l *lane, names []string) ([]oldSegment, error) {
	var numbers []uint64
	for _, name := range names {
		// The number of a segment set aside is not used again either.
		n, ok := parseSegmentName(l.kind, strings.TrimSuffix(name, corruptSuffix))
		if ok {
			l.wal.number = max(l.wal.number, n+1)
		}
		if ok && !strings.HasSuffix(name, corruptSuffix) {
			numbers = append(numbers, n)
		}
	}
	slices.Sort(numbers)
	var segments []oldSegment
	for _, n := range numbers {
		name := segmentName(l.kind, n)
		data, err := s.readSynced(name)
		if err != nil {
			return nil, fmt.Errorf("reading log segment %s: %w", name, err)
		}
		seg := oldSegment{segment: segment{name: name, bytes: int64(len(data))}}
		h, err := decodeSegmentHeader(name, data)
		var newer *versionError
		switch {
		case errors.As(err, &newer):
			return nil, err
		case len(data) <= segmentHeaderSize && err != nil:
			// A crash while it was made: records come after it is durable.
			if err := s.o.FS.Remove(s.path(name)); err != nil {
				return nil, fmt.Errorf("removing the unfinished log segment %s: %w", name, err)
			}
			continue
		case err != nil:
			s.reportLoss(&seg, 0, err.Error())
			r, size, _ := parseRecord(data[segmentHeaderSize:], l.kind)
			if size == 0 {
				s.setAside(&CorruptionError{File: name, Reason: "neither header nor first record can be read"})
				continue
			}
			seg.first = r.sequence
		case h.kind != l.kind || h.store != l.wal.store:
			s.setAside(&CorruptionError{File: name, Reason: "segment of another store or kind"})
			continue
		default:
			seg.first = h.first
		}
		segments = append(segments, seg)
	}
	return segments, nil
}

// readSynced reads a file and makes what was read durable: after a kill it may
// be in the page cache only, and from here on it counts as kept.
func (s *Store) readSynced(name string) ([]byte, error) {
	f, err := s.o.FS.Open(s.path(name))
	if err != nil {
		return nil, err
	}
	err = f.Sync()
	if err := errors.Join(err, f.Close()); err != nil {
		return nil, err
	}
	return readFile(s.o.FS, s.path(name))
}

// replay appends a segment's records to the head and returns the sequence of
// the last one.
func (s *Store) replay(l *lane, seg *oldSegment, data []byte, limit uint64) uint64 {
	scan := segmentScan{data: data, kind: l.kind, last: seg.first - 1, limit: limit, sealed: l.active.last,
		corrupt: func(offset int, reason string) { s.reportLoss(seg, offset, reason) },
		take: func(r walRecord) string {
			payload, err := r.payload()
			if err != nil {
				return err.Error()
			}
			b, err := s.o.Decode(l.kind, payload)
			if err != nil {
				return err.Error()
			}
			l.repeats.add(l.repeats.id(r.compressed))
			s.replayBatch(l, r.sequence, b)
			return ""
		}}
	return scan.run()
}

// replayBatch appends one batch of the log to the head, and seals the head
// first when it is full. When that does not work the head grows on: the log
// bounds it, and an opened store can at least be read.
func (s *Store) replayBatch(l *lane, sequence uint64, b *Batch) {
	if l.full(l.active) {
		if err := s.sealReplayed(l); err != nil {
			s.log.Error("sealing a block while replaying the log; it is tried again", "kind", l.kind, "error", err)
		}
	}
	gen := l.active
	gen.head.append(b)
	gen.last = sequence
	gen.rows += b.Len()
	gen.size.Store(gen.head.sizeBytes())
	if gen.since.Load() == 0 {
		gen.since.Store(s.o.Now().UnixNano())
	}
}

// sealReplayed makes a block of the active head.
func (s *Store) sealReplayed(l *lane) error {
	b, err := s.seal(l, l.active)
	if err != nil {
		return err
	}
	l.blocks = append(l.blocks, b)
	l.active = newGeneration(l.kind, l.active.last+1)
	return nil
}

// reportLoss counts and names a place in the log that cannot be read.
func (s *Store) reportLoss(seg *oldSegment, offset int, reason string) {
	seg.corrupt = true
	s.log.Error("the log is corrupt: the batches in this place are lost",
		"file", seg.name, "offset", offset, "reason", reason)
}

// settleDamage brings what could be read from damaged segments into a block,
// so that the segments can be set aside as they are. When that does not work
// they stay, and the next Open finds them again.
func (s *Store) settleDamage(l *lane, segments []oldSegment) {
	if l.active.rows > 0 {
		if err := s.sealReplayed(l); err != nil {
			s.log.Error("sealing what a damaged log holds", "kind", l.kind, "error", err)
			return
		}
	}
	for _, seg := range segments {
		if !seg.corrupt {
			continue
		}
		s.setAside(&CorruptionError{File: seg.name, Reason: "log segment with batches that cannot be read"})
	}
}
