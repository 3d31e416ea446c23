package store

import "sync"

// followBuffer is how many batches a follower may be behind.
const followBuffer = 64

// tail gives batches to those who follow the store live. A slow follower loses
// batches, counted; it never holds up a sender.
type tail struct {
	metrics *metrics

	mu        sync.Mutex
	followers map[*follower]struct{}
	closed    bool
}

// follower is one live tail.
type follower struct {
	kind    Kind
	batches chan *Batch
}

// Follow gives the batches of kind k from now on, in the order in which they
// become visible. The channel is closed by cancel, which may be called more
// than once, and when the store is closed. The batches are shared and
// read-only. A follower that is 64 batches behind misses the next ones; they
// are counted in signalbox_store_follower_dropped_batches_total.
func (s *Store) Follow(k Kind) (batches <-chan *Batch, cancel func()) {
	f := &follower{kind: k, batches: make(chan *Batch, followBuffer)}
	t := &s.tail
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		close(f.batches)
		return f.batches, func() {}
	}
	t.followers[f] = struct{}{}
	return f.batches, func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.end(f)
	}
}

// end closes a follower's channel, once. The caller holds mu.
func (t *tail) end(f *follower) {
	if _, ok := t.followers[f]; ok {
		delete(t.followers, f)
		close(f.batches)
	}
}

func (t *tail) publish(b *Batch) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for f := range t.followers {
		if f.kind != b.Kind {
			continue
		}
		b.Followed = true // or about to be, which must not be written later
		select {
		case f.batches <- b:
		default:
			t.metrics.followerDrops.Inc()
		}
	}
}

func (t *tail) close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed = true
	for f := range t.followers {
		t.end(f)
	}
}
