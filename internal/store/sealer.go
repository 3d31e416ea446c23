package store

import (
	"fmt"
	"io"
	"time"
)

// sealer is the goroutine that makes blocks, one at a time: two at once would
// need the memory of both.
func (s *Store) sealer() {
	defer close(s.sealerDone)
	for {
		select {
		case l := <-s.seals:
			if !s.sealFrozen(l) {
				return
			}
			s.expire()
		case <-s.closing:
			return
		}
	}
}

// sealFrozen makes a block of the lane's frozen generation, trying until it
// works: the records are acknowledged, and the next head cannot be frozen
// before. It reports false when the store was closed meanwhile; then the log
// still has the records.
func (s *Store) sealFrozen(l *lane) bool {
	l.view.RLock()
	gen := l.frozen
	l.view.RUnlock()
	for wait := time.Second; ; wait = min(2*wait, 30*time.Second) {
		b, err := s.seal(l, gen)
		if err == nil {
			l.view.Lock()
			l.frozen = nil
			l.blocks = append(l.blocks[:len(l.blocks):len(l.blocks)], b)
			l.view.Unlock()
			l.sealing.Store(false)
			close(gen.sealed)
			return true
		}
		s.metrics.sealFailures.Inc()
		s.log.Error("sealing a block; it is tried again", "kind", l.kind, "after", wait, "err", err)
		select {
		case gen.failed <- err:
		default:
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-s.closing:
			timer.Stop()
			return false
		}
	}
}

// seal writes the block of a generation and records it in the manifest; from
// then on the block counts and the log's records do not. Repeating it after an
// error is safe at every point: the same records go to the same name.
func (s *Store) seal(l *lane, gen *generation) (*blockFile, error) {
	start := time.Now()
	name := blockName(l.kind, gen.first, gen.last)
	err := writeFile(s.o.FS, s.dir, name, func(w io.Writer) error { return gen.head.seal(w) })
	if err != nil {
		return nil, fmt.Errorf("writing block %s: %w", name, err)
	}
	b, err := s.openBlockFile(l.kind, blockEntry{File: name, First: gen.first, Last: gen.last})
	if err != nil {
		return nil, fmt.Errorf("opening the new block %s: %w", name, err)
	}
	err = s.changeManifest(func(m *manifest) {
		of := m.of(l.kind)
		of.Sealed = gen.last
		of.Blocks = append(of.Blocks, b.entry)
	})
	if err != nil {
		b.release()
		return nil, err
	}
	s.metrics.sealSeconds.Observe(time.Since(start).Seconds())
	if err := l.wal.dropThrough(gen.last); err != nil {
		s.log.Warn("removing log segments", "kind", l.kind, "err", err)
	}
	s.log.Info("sealed a block", "file", name, "records", b.entry.Rows, "bytes", b.entry.Bytes)
	return b, nil
}
