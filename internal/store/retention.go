package store

import (
	"cmp"
	"slices"
	"time"
)

// maintenanceInterval is how often age is looked at.
const maintenanceInterval = 10 * time.Second

// maintain is the goroutine that looks at the clock: blocks that are too old
// go, a head that has waited too long is sealed, and small blocks are merged.
func (s *Store) maintain() {
	defer close(s.maintainDone)
	ticker := time.NewTicker(maintenanceInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			s.sealOldHeads()
			s.expire()
			s.mergeSmall()
		case <-s.closing:
			return
		}
	}
}

// sealOldHeads asks for the sealing of heads older than SealAge, and of those
// begun as long in the future of a clock that was set back.
func (s *Store) sealOldHeads() {
	now := s.o.Now()
	for _, l := range s.lanes {
		l.view.RLock()
		since := l.active.since.Load()
		l.view.RUnlock()
		if since != 0 && now.Sub(time.Unix(0, since)).Abs() >= s.o.SealAge && l.behind.Load() == nil {
			// A closed store is the only reason for an error here.
			_ = l.enqueue(&appendOp{roll: true, done: make(chan error, 1)})
		}
	}
}

const (
	// clockJump is the time that may be between two looks at the clock.
	clockJump = time.Hour
	// clockHold is how long age is not believed after a jump and after Open:
	// what is wrong can be mended in that time, what is right is an hour late.
	clockHold = time.Hour
)

// wallClock notices that the clock was set while nobody looked, or that the
// machine slept or was off. One that is years ahead for a minute must not remove
// all data by age.
type wallClock struct {
	last time.Time // without monotonic reading
	held time.Time // until then age does not count
}

// jumped looks at the clock, which says now. It reports whether age is to be
// left alone, and whether that is news.
func (c *wallClock) jumped(now time.Time) (held, news bool) {
	now = now.Round(0)
	if c.last.IsZero() || now.Sub(c.last).Abs() > clockJump {
		news = !c.last.IsZero()
		c.held = time.Now().Add(clockHold)
	}
	c.last = now
	return time.Now().Before(c.held), news
}

// now is the time in Unix nanoseconds.
func (s *Store) now() uint64 { return uint64(max(0, s.o.Now().UnixNano())) }

// byAge returns the removal of blocks by age: whether a block is too old. The
// caller holds expireMu.
func (s *Store) byAge() func(*blockEntry) bool {
	held, news := s.clock.jumped(s.o.Now())
	if news && s.o.MaxAge > 0 {
		s.log.Info("the clock jumped, or the machine slept: for a while no block is removed by age", "after", clockHold)
	}
	now := s.now()
	return func(e *blockEntry) bool {
		newest := e.newest(now)
		return s.o.MaxAge > 0 && !held && newest < now && now-newest > uint64(s.o.MaxAge)
	}
}

// expire gives up the blocks that are too old, and then the oldest ones until
// the rest is small enough. A block's age is that of its newest record, or its
// own while that is from the future. Blocks being read go when the last reader
// has finished. Lost blocks that would have gone are forgotten.
func (s *Store) expire() {
	s.expireMu.Lock()
	defer s.expireMu.Unlock()
	old := s.byAge()
	var all []*blockFile
	var total int64
	forget := false
	for _, l := range s.lanes {
		l.view.RLock()
		all = append(all, l.blocks...)
		forget = forget || slices.ContainsFunc(l.lost, func(e blockEntry) bool { return old(&e) })
		l.view.RUnlock()
		total += l.wal.bytes()
	}
	for _, b := range all {
		total += b.entry.Bytes
	}
	now := s.now()
	slices.SortFunc(all, func(a, b *blockFile) int { return cmp.Compare(a.entry.newest(now), b.entry.newest(now)) })
	drop := map[*blockFile]bool{}
	for _, b := range all {
		large := s.o.MaxBytes > 0 && total > s.o.MaxBytes
		if !old(&b.entry) && !large {
			continue
		}
		drop[b] = true
		total -= b.entry.Bytes
	}
	if len(drop) > 0 || forget {
		s.giveUp(drop, old)
	}
}

// giveUp removes blocks, and what is known of lost ones that are too old.
func (s *Store) giveUp(drop map[*blockFile]bool, old func(*blockEntry) bool) {
	err := s.changeManifest(func(m *manifest) {
		for b := range drop {
			m.of(b.block.kind()).drop(func(file string) bool { return file == b.entry.File })
		}
		for _, k := range kinds {
			of := m.of(k)
			of.Lost = slices.DeleteFunc(of.Lost, func(e blockEntry) bool { return old(&e) })
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
		l.view.Lock()
		l.lost = slices.DeleteFunc(slices.Clone(l.lost), func(e blockEntry) bool { return old(&e) })
		l.view.Unlock()
	}
	if len(drop) > 0 {
		s.log.Info("expired blocks", "blocks", len(drop))
	}
}
