package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/signalbox-otel/signalbox/bench/otlp"
)

// What an SDK does when it is told to come later without being told when.
const (
	firstWait = 200 * time.Millisecond
	lastWait  = 5 * time.Second
)

// attemptLimit is how long a receiver may take for one answer.
const attemptLimit = time.Minute

// delivery is what sending gave.
type delivery struct {
	acknowledged int             // records
	refused      int             // requests that were told to come later
	took         []time.Duration // of each request, the slowest answer; waiting before coming again is left out
	elapsed      time.Duration
}

func (d *delivery) slowest() time.Duration { return slices.Max(d.took) }

func (d *delivery) percentile(p float64) time.Duration { return percentile(d.took, p) }

// percentile sorts times.
func percentile(times []time.Duration, p float64) time.Duration {
	slices.Sort(times)
	return times[min(len(times)-1, int(float64(len(times))*p))]
}

// send sends all of a source over some connections, one request at a time on
// each, until all of it is acknowledged.
func send(ctx context.Context, s otlp.Signal, from source, connections []otlp.Connection) (*delivery, error) {
	d := &delivery{}
	var mu sync.Mutex // of d and from
	begun := time.Now()
	group, ctx := errgroup.WithContext(ctx)
	for _, c := range connections {
		group.Go(func() error {
			var buffer []byte
			for {
				mu.Lock()
				request := from()
				mu.Unlock()
				if request == nil {
					return nil
				}
				body, err := request.body(buffer)
				if err != nil {
					return err
				}
				buffer = body
				rejected, took, refused, err := deliver(ctx, c, s, body)
				if err != nil {
					return fmt.Errorf("sending: %w", err)
				}
				mu.Lock()
				d.acknowledged += request.records - rejected
				d.refused += refused
				d.took = append(d.took, took)
				mu.Unlock()
			}
		})
	}
	err := group.Wait()
	d.elapsed = time.Since(begun)
	return d, err
}

// deliver sends one request until it is acknowledged, and says how long the
// receiver took at most to answer.
func deliver(ctx context.Context, c otlp.Connection, s otlp.Signal, body []byte) (rejected int, took time.Duration, refused int, err error) {
	wait := firstWait
	for {
		begun := time.Now()
		attempt, cancel := context.WithTimeout(ctx, attemptLimit)
		rejected, err = c.Export(attempt, s, body)
		cancel()
		took = max(took, time.Since(begun))
		var later *otlp.RetryError
		if !errors.As(err, &later) {
			return rejected, took, refused, err
		}
		refused++
		pause := later.After
		if pause == 0 {
			pause = wait
			wait = min(2*wait, lastWait)
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return 0, took, refused, errors.Join(err, ctx.Err())
		}
	}
}

// dial connects to a receiver, by "http" or "grpc".
func dial(protocol string, i *instance, n int) (all []otlp.Connection, err error) {
	for range n {
		c := otlp.DialHTTP(i.http)
		if protocol == "grpc" {
			if c, err = otlp.DialGRPC(i.grpc); err != nil {
				return nil, err
			}
		}
		all = append(all, c)
	}
	return all, nil
}
