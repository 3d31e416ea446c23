package load

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"
)

// Worker makes load as a coordinator orders.
type Worker struct {
	// Join is the coordinator's address, host:port.
	Join string
	// Host is the server to ask. A coordinator that orders another is refused:
	// who starts a worker says whom it may load.
	Host      *url.URL
	Telemetry *Telemetry        // nil for none
	Transport http.RoundTripper // as in Settings

	id     string
	client *http.Client
	swarm  *Swarm // nil until the start
	round  uint64 // of the swarm's results
}

// Run works until the coordinator says stop, or ctx is done; then it sends its
// last results. A coordinator that does not answer for ten seconds ends it.
func (w *Worker) Run(ctx context.Context) error {
	if err := CheckHost(w.Host); err != nil {
		return err
	}
	w.id = rand.Text()
	w.client = &http.Client{Timeout: 3 * time.Second}
	running, stop := context.WithCancel(ctx)
	defer stop()
	gone := make(chan struct{})
	err := w.obey(running, gone)
	stop()
	if w.swarm != nil {
		<-gone
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 3*time.Second)
	defer cancel()
	if _, lost := w.report(last, true); lost != nil && err == nil && w.swarm != nil {
		err = fmt.Errorf("sending the last results: %w", lost)
	}
	return err
}

// obey reports and does what the answers say. It starts the swarm, and has gone
// closed when that has ended.
func (w *Worker) obey(ctx context.Context, gone chan struct{}) error {
	tick := time.NewTicker(reportInterval)
	defer tick.Stop()
	heard := time.Now()
	for {
		o, err := w.report(ctx, false)
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, errRefused):
			return err
		case err != nil && time.Since(heard) > 2*workerTimeout:
			return fmt.Errorf("asking the coordinator: %w", err)
		case err != nil:
		case o.Stop:
			return nil
		default:
			heard = time.Now()
			if err := w.follow(ctx, o, gone); err != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// follow starts the users, or has as many as the order says.
func (w *Worker) follow(ctx context.Context, o order, gone chan struct{}) error {
	if o.Host != w.Host.String() {
		return fmt.Errorf("the coordinator orders load for %.200q, this worker is for --host %s only", o.Host, w.Host)
	}
	switch {
	case !o.Start || w.swarm == nil && o.Users == 0:
		return nil
	case w.swarm != nil:
		if o.Round != w.round {
			w.swarm.Reset()
			w.round = o.Round
		}
		w.swarm.SetUsers(o.Users, o.SpawnRate)
		return nil
	}
	swarm, err := New(Settings{
		Host:      w.Host,
		Scenario:  o.Scenario,
		Users:     o.Users,
		SpawnRate: o.SpawnRate,
		Timeout:   o.Timeout,
		Transport: w.Transport,
		Telemetry: w.Telemetry,
	})
	if err != nil {
		return fmt.Errorf("obeying the coordinator: %w", err)
	}
	w.swarm, w.round = swarm, o.Round
	go func() {
		defer close(gone)
		swarm.Run(ctx)
	}()
	return nil
}

func (w *Worker) report(ctx context.Context, final bool) (order, error) {
	in := report{Worker: w.id, Round: w.round, Final: final}
	if w.swarm != nil {
		in.Results = w.swarm.Snapshot()
	}
	return in.send(ctx, w.client, "http://"+w.Join+"/report")
}

// Snapshot is the worker's own results, empty before the start. It may be
// called when Run has returned.
func (w *Worker) Snapshot() Snapshot {
	if w.swarm == nil {
		return Snapshot{}
	}
	return w.swarm.Snapshot()
}
