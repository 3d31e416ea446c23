package store

import (
	"context"
	"iter"
	"runtime"
	"sync"
	"sync/atomic"
)

// inParallel runs f for 0 to n-1, as many at a time as there are processors, and
// yields the results in that order, each with its index. It runs at most a few
// steps ahead of the reader, so that results that wait take little memory. When
// the reader stops, ctx ends for those under way and they are waited for: f may
// read what the caller lets go of afterwards. A panic of f becomes one of the
// reader's, whom a server can answer.
func inParallel[T any](ctx context.Context, n int, f func(ctx context.Context, i int) T) iter.Seq2[int, T] {
	return func(yield func(int, T) bool) {
		ctx, cancel := context.WithCancel(ctx)
		var wg sync.WaitGroup
		defer wg.Wait()
		defer cancel()
		workers := min(n, runtime.GOMAXPROCS(0))
		results := make([]chan func() T, n)
		for i := range results {
			results[i] = make(chan func() T, 1)
		}
		// A token is a result that is being made or waits. Indexes are taken in
		// order, so the one that is read next always has a token.
		tokens, stop := make(chan struct{}, workers+1), make(chan struct{})
		defer close(stop)
		var next atomic.Int64
		for range workers {
			wg.Go(func() {
				for {
					select {
					case tokens <- struct{}{}:
					case <-stop:
						return
					}
					i := int(next.Add(1)) - 1
					if i >= n {
						return
					}
					results[i] <- caught(func() T { return f(ctx, i) })
				}
			})
		}
		for i := range n {
			if !yield(i, (<-results[i])()) {
				return
			}
			<-tokens
		}
	}
}

// caught calls f and returns what gives its result, or panics as f did.
func caught[T any](f func() T) (result func() T) {
	defer func() {
		if p := recover(); p != nil {
			result = func() T { panic(p) }
		}
	}()
	v := f()
	return func() T { return v }
}
