package query

import (
	"context"
	"errors"
	"io"
	"sync"

	"github.com/signalbox-otel/signalbox/internal/store"
)

// ErrNoFollower is returned by Tail when the store cannot be followed.
var ErrNoFollower = errors.New("this store cannot be followed live")

// Tail is a live view of the records that are appended and satisfy a condition.
// Close must be called.
type Tail struct {
	stop  func()
	close sync.Once
	done  chan struct{} // closed by Close
	ready chan struct{} // holds a token when pending or ended changed

	mu      sync.Mutex
	pending TailBatch // guarded by mu
	batches int       // guarded by mu: how many the pending records keep in memory
	ended   bool      // guarded by mu: nothing more will come
}

// TailBatch is what arrived since the last call of Next.
type TailBatch struct {
	Spans []*store.Span
	Logs  []*store.Log
	// Missed counts matching records that were left out because Next was not
	// called often enough; the oldest ones are kept.
	Missed uint64
}

func (b *TailBatch) empty() bool { return len(b.Spans) == 0 && len(b.Logs) == 0 && b.Missed == 0 }

// Tail follows the store from now on. It runs until Close or until the store
// closes, and never slows the store down.
func (e *Engine) Tail(kind store.Kind, where store.Expr) (*Tail, error) {
	if e.follower == nil {
		return nil, ErrNoFollower
	}
	matcher, err := store.NewMatcher(where)
	if err != nil {
		return nil, err
	}
	batches, stop := e.follower.Follow(kind)
	t := &Tail{stop: stop, done: make(chan struct{}), ready: make(chan struct{}, 1)}
	go t.run(batches, matcher, e.limits.Buffered)
	return t, nil
}

// maxTailBatches bounds the batches that pending records keep in memory.
const maxTailBatches = 64

// run takes batches until the store or the tail is closed.
func (t *Tail) run(batches <-chan *store.Batch, matcher *store.Matcher, bound int) {
	defer t.end()
	for {
		select {
		case b, ok := <-batches:
			if !ok {
				return
			}
			if found := matching(b, matcher); !found.empty() {
				t.add(found, bound)
			}
		case <-t.done:
			return
		}
	}
}

func matching(b *store.Batch, matcher *store.Matcher) TailBatch {
	var found TailBatch
	for i := range b.Spans {
		if matcher.Span(&b.Spans[i]) {
			found.Spans = append(found.Spans, &b.Spans[i])
		}
	}
	for i := range b.Logs {
		if matcher.Log(&b.Logs[i]) {
			found.Logs = append(found.Logs, &b.Logs[i])
		}
	}
	return found
}

func (t *Tail) add(found TailBatch, bound int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	room := bound - len(t.pending.Spans) - len(t.pending.Logs)
	if t.batches == maxTailBatches {
		room = 0
	}
	spans := min(room, len(found.Spans))
	logs := min(room-spans, len(found.Logs))
	if spans+logs > 0 {
		t.batches++
	}
	t.pending.Spans = append(t.pending.Spans, found.Spans[:spans]...)
	t.pending.Logs = append(t.pending.Logs, found.Logs[:logs]...)
	t.pending.Missed += uint64(len(found.Spans) - spans + len(found.Logs) - logs)
	t.wake()
}

func (t *Tail) wake() {
	select {
	case t.ready <- struct{}{}:
	default:
	}
}

func (t *Tail) end() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.ended = true
	t.wake()
}

// Next waits for records. It returns io.EOF when the store closed and all was
// read, and ctx's error when that is done first.
func (t *Tail) Next(ctx context.Context) (TailBatch, error) {
	for {
		t.mu.Lock()
		b, ended := t.pending, t.ended
		t.pending, t.batches = TailBatch{}, 0
		t.mu.Unlock()
		if !b.empty() {
			return b, nil
		}
		if ended {
			return b, io.EOF
		}
		select {
		case <-t.ready:
		case <-ctx.Done():
			return b, ctx.Err()
		}
	}
}

// Close ends the tail. It may be called more than once.
func (t *Tail) Close() {
	t.close.Do(func() {
		close(t.done)
		t.stop()
	})
}
