package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/signalbox-otel/signalbox/internal/load"
	"github.com/signalbox-otel/signalbox/internal/server"
)

// shownLoad is a load as the page shows and steers it.
type shownLoad struct {
	*load.Session
	coordinator *load.Coordinator // nil when this process makes the load
}

// State implements server.Load.
func (l shownLoad) State() server.LoadState {
	v := l.View()
	results := v.Results
	seconds := results.Elapsed.Seconds()
	a := server.LoadState{
		State: v.State(), Host: v.Host.String(), Users: results.Users, TargetUsers: v.Users, SpawnRate: v.SpawnRate,
		ElapsedNanos: results.Elapsed, RanNanos: results.Ran, RunTimeNanos: v.RunTime,
		Total: loadTask("", "all tasks", results.Total(), v.Total, seconds),
	}
	for i, t := range results.Tasks {
		method := v.Tasks[i].Method
		a.Tasks = append(a.Tasks, loadTask(method, t.Name, t, v.Rates[i], seconds))
		for message, n := range t.Kinds {
			a.Failures = append(a.Failures, server.LoadFailure{Method: method, Name: t.Name, Message: message, Count: n})
		}
	}
	slices.SortFunc(a.Failures, func(x, y server.LoadFailure) int {
		return cmp.Or(cmp.Compare(y.Count, x.Count), strings.Compare(x.Name, y.Name), strings.Compare(x.Message, y.Message))
	})
	if l.coordinator != nil {
		a.WorkersExpected = l.coordinator.Expected()
		for _, w := range l.coordinator.WorkerStates() {
			all := w.Results.Total()
			a.Workers = append(a.Workers, server.LoadWorker{ID: w.ID, Address: w.Address, State: w.State, Users: w.Results.Users,
				Requests: all.Count, Failures: all.Failures, Silent: time.Since(w.Seen).Seconds()})
		}
	}
	return a
}

// loadTask is the results of one task, or of all, that took so many seconds.
func loadTask(method, name string, t load.TaskStats, rate load.Rate, seconds float64) server.LoadTask {
	a := server.LoadTask{
		Method: method, Name: name, Requests: t.Count, Failures: t.Failures, RequestRate: rate.Tasks, FailureRate: rate.Failures,
		P50Nanos: t.Durations.Quantile(.5), P95Nanos: t.Durations.Quantile(.95), P99Nanos: t.Durations.Quantile(.99),
		MeanNanos: t.Mean(), MinNanos: t.Min, MaxNanos: t.Max,
	}
	if seconds > 0 {
		a.MeanRequestRate, a.MeanFailureRate = float64(t.Count)/seconds, float64(t.Failures)/seconds
	}
	return a
}

// History implements server.Load.
func (l shownLoad) History() ([]server.LoadPoint, time.Duration) {
	points, step := l.Session.History()
	shown := make([]server.LoadPoint, len(points))
	for i, p := range points {
		shown[i] = server.LoadPoint{Time: p.Time, Users: p.Users, RequestRate: p.Rate.Tasks, FailureRate: p.Rate.Failures, P50: p.P50, P95: p.P95, P99: p.P99}
	}
	return shown, step
}

// defaultLoadWeb is where Locust has its page too.
const defaultLoadWeb = "localhost:8089"

// openPage listens for the page of a load. Where nobody said where, a taken port
// is no reason not to make the load.
func (s *loadSettings) openPage(stdout io.Writer) (net.Listener, error) {
	if s.web == "" {
		return nil, nil
	}
	l, err := net.Listen("tcp", s.web)
	switch {
	case err == nil:
		return l, nil
	case errors.Is(err, syscall.EADDRINUSE) && s.web == defaultLoadWeb:
		_, err = fmt.Fprintf(stdout, "There is no page: port %s is taken; choose another address with --web.\n", portOf(s.web))
		return nil, err
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("port %s (page) is taken: stop the program that holds it, or choose another address with --web", portOf(s.web))
	}
	return nil, fmt.Errorf("listening for the page on --web %s: %w", s.web, err)
}

// servePage serves the page of a load on l, which is nil when there is none,
// until closed is called.
func (s *loadSettings) servePage(l net.Listener, shown shownLoad, stdout io.Writer) (closed func()) {
	if l == nil {
		return func() {}
	}
	srv := &http.Server{
		Handler:           server.New(server.Deps{Load: shown, Version: Version}),
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       time.Minute,
	}
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = srv.Serve(l) // ends by Shutdown
	}()
	host, _, _ := net.SplitHostPort(s.web) // it was listened on
	fmt.Fprintf(stdout, "Watch and steer it at http://%s\n", dialable(net.JoinHostPort(host, portOf(l.Addr().String()))))
	return func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if srv.Shutdown(ctx) != nil {
			_ = srv.Close() // a reader that does not read is left behind
		}
		<-served
	}
}
