package pods

import (
	"context"
	"sync"
	"time"
)

const (
	// patience is how long an admission waits for answers of one kind that it can
	// do without.
	patience = 100 * time.Millisecond
	// questionTimeout is how long a question goes on without the admission: pods of
	// one owner come together, and the answer serves those that follow.
	questionTimeout = 5 * time.Second
	// questionRetry is when a question that failed is asked again.
	questionRetry = 5 * time.Second
	// answersKept is how many answers of one kind are kept.
	answersKept = 4096
)

// questions are asked of the API server, each once for all who wait for the
// answer, which is kept.
type questions[K comparable, V any] struct {
	now func() time.Time
	// keep is how long an answer counts; 0 is for ever.
	keep time.Duration

	mu      sync.Mutex
	answers map[K]*answer[V]
}

// answer is a question that was asked; value and err are set once done is closed.
type answer[V any] struct {
	done  chan struct{}
	at    time.Time
	value V
	err   error
}

// ask looks something up, unless that was done or is being done.
func (q *questions[K, V]) ask(key K, find func(context.Context) (V, error)) *answer[V] {
	q.mu.Lock()
	defer q.mu.Unlock()
	if a, ok := q.answers[key]; ok && !q.stale(a) {
		return a
	}
	if len(q.answers) >= answersKept {
		// Half of them, whichever: those in use come back at the price of a question.
		for key := range q.answers {
			if delete(q.answers, key); len(q.answers) <= answersKept/2 {
				break
			}
		}
	}
	if q.answers == nil {
		q.answers = map[K]*answer[V]{}
	}
	a := &answer[V]{done: make(chan struct{}), at: q.now()}
	q.answers[key] = a
	go func() {
		defer close(a.done)
		ctx, cancel := context.WithTimeout(context.Background(), questionTimeout)
		defer cancel()
		a.value, a.err = find(ctx)
	}()
	return a
}

// stale reports whether a question is to be asked again.
func (q *questions[K, V]) stale(a *answer[V]) bool {
	select {
	case <-a.done:
	default:
		return false
	}
	age := q.now().Sub(a.at)
	if a.err != nil {
		return age >= questionRetry
	}
	return q.keep > 0 && age >= q.keep
}

// within waits for an answer until ctx ends, and reports whether there is one.
func (a *answer[V]) within(ctx context.Context) (V, bool) {
	select {
	case <-a.done:
		return a.value, a.err == nil
	case <-ctx.Done():
		var none V
		return none, false
	}
}
