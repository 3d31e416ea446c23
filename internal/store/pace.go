package store

import (
	"context"
	"time"
)

// Blocks are made one at a time, so a burst can fill a head while the one before
// is still being written. A sender that finds it so is held back: the longer the
// fuller the head is, so that what comes in approaches what can be sealed,
// instead of all being taken and then all refused. It is refused when even that
// does not help.
const (
	// paceFrom is the part of a head, in thousandths, that fills at full speed.
	paceFrom = 500
	// paceMost is how long a batch is held back when the head is nearly full.
	paceMost = 100 * time.Millisecond
	// holdMost is how long a batch is held back at most, while it finds no room.
	holdMost = 300 * time.Millisecond
	// holdBytes bounds the payloads of batches that are held back: others are
	// refused at once when there is no room.
	holdBytes = 64 << 20
)

// paceOf is how long a batch is held back before it goes into a head that is
// filled to that many thousandths.
func paceOf(fill int64) time.Duration {
	over := min(max(fill-paceFrom, 0), 1000-paceFrom)
	return paceMost * time.Duration(over*over) / ((1000 - paceFrom) * (1000 - paceFrom))
}

// noteFill notes how full the generation being written is. Goroutine write
// calls it.
func (l *lane) noteFill() {
	fill := max(int64(l.writing.rows)*1000/int64(l.s.o.SealRows), l.writing.size.Load()*1000/l.s.o.SealBytes)
	l.fill.Store(fill)
}

// hold is a batch's time of being held back.
type hold struct {
	l     *lane
	size  int64
	until time.Time
}

// hold begins to count the time that a batch of size bytes may be held back.
func (l *lane) hold(size int) *hold {
	return &hold{l: l, size: int64(size), until: time.Now().Add(holdMost)}
}

// pace holds the batch back as the head's fullness asks for. The error is that
// of the context.
func (h *hold) pace(ctx context.Context) error {
	if d := paceOf(h.l.fill.Load()); d > 0 {
		_, err := h.wait(ctx, d)
		return err
	}
	return nil
}

// room waits for room in the next head, and reports whether it is worth trying
// again: not when time is up, or when the block cannot be written. The error is
// that of the context.
func (h *hold) room(ctx context.Context) (bool, error) {
	left := time.Until(h.until)
	if left <= 0 {
		return false, nil
	}
	return h.wait(ctx, left)
}

// wait waits for at most d until the block being made is written, and reports
// whether it was. It does not wait for one that could not be written.
func (h *hold) wait(ctx context.Context, d time.Duration) (sealed bool, err error) {
	behind := h.l.behind.Load()
	if behind == nil {
		return true, nil
	}
	if behind.stuck.Load() {
		return false, nil
	}
	defer h.l.held.Add(-h.size)
	if h.l.held.Add(h.size) > holdBytes {
		return false, nil
	}
	begin := time.Now()
	defer func() { h.l.s.metrics.heldBack.Add(time.Since(begin).Seconds()) }()
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-behind.sealed:
		return true, nil
	case <-timer.C:
	case <-h.l.s.closing:
	case <-ctx.Done():
		return false, ctx.Err()
	}
	return false, nil
}
