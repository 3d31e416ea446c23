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
			s.sealFrozen(l)
			s.expire()
		case <-s.closing:
			return
		}
	}
}

// maxSealRetry is the longest time between attempts to seal.
const maxSealRetry = 30 * time.Second

// sealFrozen makes a block of the lane's frozen generation. When that fails the
// lane comes back later: the records are acknowledged, so it is tried until it
// works, but meanwhile the other lane has its turn. A store that is closed
// first still has the records in the log.
func (s *Store) sealFrozen(l *lane) {
	l.view.RLock()
	gen := l.frozen
	l.view.RUnlock()
	b, err := s.seal(l, gen)
	if err != nil {
		gen.retry = min(max(2*gen.retry, time.Second), maxSealRetry)
		gen.stuck.Store(true)
		s.metrics.sealFailures.Inc()
		s.log.Error("sealing a block; it is tried again", "kind", l.kind, "after", gen.retry, "error", err)
		select {
		case gen.failed <- err:
		default:
		}
		// A lane is at most once in the channel, so this does not block.
		time.AfterFunc(gen.retry, func() { s.seals <- l })
		return
	}
	l.view.Lock()
	l.frozen = nil
	l.blocks = append(l.blocks[:len(l.blocks):len(l.blocks)], b)
	l.version++
	l.view.Unlock()
	l.behind.Store(nil)
	close(gen.sealed)
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
	b, err := s.openBlockFile(l.kind, blockEntry{File: name, First: gen.first, Last: gen.last, Written: uint64(s.o.Now().UnixNano())})
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
		s.log.Warn("removing log segments", "kind", l.kind, "error", err)
	}
	s.log.Info("sealed a block", "file", name, "records", b.entry.Rows, "bytes", b.entry.Bytes)
	return b, nil
}
