package store

import (
	"cmp"
	"slices"
	"time"
)

// maintenanceInterval is how often age is looked at.
const maintenanceInterval = 10 * time.Second

// maintain is the goroutine that looks at the clock: blocks that are too old
// go, and a head that has waited too long is sealed.
func (s *Store) maintain() {
	defer close(s.maintainDone)
	ticker := time.NewTicker(maintenanceInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			s.sealOldHeads()
			s.expire()
		case <-s.closing:
			return
		}
	}
}

// sealOldHeads asks for the sealing of heads older than SealAge.
func (s *Store) sealOldHeads() {
	now := s.o.Now()
	for _, l := range s.lanes {
		l.view.RLock()
		since := l.active.since.Load()
		l.view.RUnlock()
		if since != 0 && now.Sub(time.Unix(0, since)) >= s.o.SealAge && !l.sealing.Load() {
			// A closed store is the only reason for an error here.
			_ = l.enqueue(&appendOp{roll: true, done: make(chan error, 1)})
		}
	}
}

// expire gives up the blocks that are too old, and then the oldest ones until
// the rest is small enough. A block's age is that of its newest record, or its
// own if that is from the future. Blocks being read go when the last reader has
// finished.
func (s *Store) expire() {
	s.expireMu.Lock()
	defer s.expireMu.Unlock()
	var all []*blockFile
	var total int64
	for _, l := range s.lanes {
		l.view.RLock()
		all = append(all, l.blocks...)
		l.view.RUnlock()
		total += l.wal.bytes()
	}
	for _, b := range all {
		total += b.entry.Bytes
	}
	slices.SortFunc(all, func(a, b *blockFile) int { return cmp.Compare(a.entry.newest(), b.entry.newest()) })
	drop := map[*blockFile]bool{}
	for _, b := range all {
		old := s.o.MaxAge > 0 && s.o.Now().Sub(unixNano(b.entry.newest())) > s.o.MaxAge
		large := s.o.MaxBytes > 0 && total > s.o.MaxBytes
		if !old && !large {
			continue
		}
		drop[b] = true
		total -= b.entry.Bytes
	}
	if len(drop) == 0 {
		return
	}
	err := s.changeManifest(func(m *manifest) {
		for b := range drop {
			of := m.of(b.block.kind())
			of.Blocks = slices.DeleteFunc(of.Blocks, func(e blockEntry) bool { return e.File == b.entry.File })
		}
	})
	if err != nil {
		s.log.Error("expiring blocks; it is tried again", "blocks", len(drop), "error", err)
		return
	}
	for _, l := range s.lanes {
		for _, b := range l.remove(func(b *blockFile) bool { return drop[b] }) {
			b.expire.Store(true)
			b.release()
			s.metrics.expired.Inc()
		}
	}
	s.log.Info("expired blocks", "blocks", len(drop))
}
