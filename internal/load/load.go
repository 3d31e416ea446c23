// Package load makes load: users who ask an HTTP server for things and think in
// between, as people do, and senders of OTLP at a given rate.
//
// The model of users is closed: each has one request under way or waits, so a
// slow server is asked less, and the number of users bounds everything, the
// connections and the goroutines. Only the host that the user of the command
// named is asked; a redirect to another one is not followed.
package load

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"

	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
)

const (
	maxUsers  = 100_000
	maxAnswer = 16 << 20 // bytes that are read of an answer
	// grace is how long requests may take that are under way at the end.
	grace = 2 * time.Second
)

// Settings say who asks whom.
type Settings struct {
	Host      *url.URL
	Scenario  Scenario
	Users     int
	SpawnRate float64       // users per second
	RunTime   time.Duration // 0 until the context is done
	Timeout   time.Duration // of one task
	// Transport sends the requests; nil is a fresh http.Transport that keeps the
	// connection of each user.
	Transport http.RoundTripper
	Telemetry *Telemetry // nil for none
}

// Validate reports everything that is wrong, in the words of the flags.
func (s Settings) Validate() error {
	var errs []error
	if err := CheckHost(s.Host); err != nil {
		errs = append(errs, err)
	}
	if s.Users < 1 || s.Users > maxUsers {
		errs = append(errs, fmt.Errorf("--users %d: want 1 to %d", s.Users, maxUsers))
	}
	if !(s.SpawnRate > 0 && s.SpawnRate <= maxUsers) {
		errs = append(errs, fmt.Errorf("--spawn-rate %v: want more than 0 users per second, at most %d", s.SpawnRate, maxUsers))
	}
	if s.RunTime < 0 {
		errs = append(errs, fmt.Errorf("--run-time %v: want 0 or more", s.RunTime))
	}
	if s.Timeout <= 0 {
		errs = append(errs, fmt.Errorf("--timeout %v: want more than 0", s.Timeout))
	}
	return errors.Join(append(errs, s.Scenario.Validate())...)
}

// CheckHost reports what keeps a URL from being a host to ask.
func CheckHost(u *url.URL) error {
	switch {
	case u == nil:
		return errors.New("--host: name the server to ask, as http://localhost:8080")
	case u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		return fmt.Errorf("--host %s: want a URL with http or https, as http://localhost:8080", u)
	case u.RawQuery != "" || u.Fragment != "":
		return fmt.Errorf("--host %s: want no query and no fragment", u)
	}
	return nil
}

// Swarm is users that run.
type Swarm struct {
	settings Settings
	client   *http.Client
	picker   picker
	record   *recorder
	tracer   trace.Tracer // nil without telemetry

	mu     sync.Mutex
	target int
	rate   float64       // users that come per second
	wake   chan struct{} // holds one token when one of them has changed
}

// New checks the settings and makes a swarm that Run starts.
func New(s Settings) (*Swarm, error) {
	if err := s.Validate(); err != nil {
		return nil, err
	}
	if s.Transport == nil {
		t := http.DefaultTransport.(*http.Transport).Clone()
		t.MaxIdleConns, t.MaxIdleConnsPerHost = 0, maxUsers
		s.Transport = t
	}
	swarm := &Swarm{
		settings: s,
		client:   &http.Client{Transport: s.Transport, Timeout: s.Timeout, CheckRedirect: sameHost},
		picker:   newPicker(s.Scenario.Tasks),
		record:   newRecorder(s.Scenario.Tasks),
		target:   s.Users,
		rate:     s.SpawnRate,
		wake:     make(chan struct{}, 1),
	}
	if s.Telemetry != nil {
		if err := s.Telemetry.instrument(swarm); err != nil {
			return nil, err
		}
	}
	return swarm, nil
}

// errElsewhere is the failure of a task whose redirect leaves the host.
var errElsewhere = errors.New("redirect to another host, which is not followed")

func sameHost(req *http.Request, via []*http.Request) error {
	if req.URL.Host != via[0].URL.Host || req.URL.Scheme != via[0].URL.Scheme {
		return errElsewhere
	}
	if len(via) >= 10 {
		return errors.New("more than 10 redirects")
	}
	return nil
}

// Snapshot is the results until now. It may be called at any time.
func (s *Swarm) Snapshot() Snapshot { return s.record.snapshot() }

// SetUsers changes how many users there are to be, and how many come per second
// until then. Those that are too many leave at once; with 0 nobody asks until it
// is called again.
func (s *Swarm) SetUsers(users int, spawnRate float64) {
	s.mu.Lock()
	s.target = min(max(users, 0), maxUsers)
	if spawnRate > 0 {
		s.rate = min(spawnRate, maxUsers)
	}
	s.mu.Unlock()
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// Reset forgets the results. The users go on.
func (s *Swarm) Reset() { s.record.reset(time.Now()) }

// wanted is how many users there are to be, and the time from one to the next.
func (s *Swarm) wanted() (users int, interval time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.target, time.Duration(float64(time.Second) / s.rate)
}

// Run has users ask until ctx is done or the run time is over, lets requests
// under way end, for a moment, and returns when no user is left. It is called
// once.
func (s *Swarm) Run(ctx context.Context) {
	ctx, end := context.WithCancel(ctx)
	defer end()
	// Requests outlive ctx by the grace.
	requests, abort := context.WithCancel(context.WithoutCancel(ctx))
	defer abort()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(grace, abort) })()
	s.Reset()
	var wg sync.WaitGroup
	s.spawn(ctx, func(user context.Context) {
		wg.Go(func() { s.user(user, requests) })
	})
	end()
	wg.Wait()
	s.client.CloseIdleConnections()
}

// spawn keeps as many users as there are to be until ctx is done or the run time
// is over.
func (s *Swarm) spawn(ctx context.Context, start func(context.Context)) {
	var ends []context.CancelFunc
	defer func() {
		for _, end := range ends {
			end()
		}
	}()
	timer := time.NewTimer(0)
	defer timer.Stop()
	due, complete := time.Now(), true
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.wake:
		case <-timer.C:
		}
		target, interval := s.wanted()
		for ; len(ends) > target; ends = ends[:len(ends)-1] {
			ends[len(ends)-1]()
		}
		if now := time.Now(); complete || due.After(now.Add(interval)) { // after a rest, or a lower rate
			due = now
		}
		for len(ends) < target && !time.Now().Before(due) { // several when the timer is coarser than the interval
			user, end := context.WithCancel(ctx)
			ends = append(ends, end)
			start(user)
			due = due.Add(interval)
		}
		complete = len(ends) == target
		s.record.running(len(ends), target)
		next, over := s.record.left(s.settings.RunTime)
		if over {
			return
		}
		if !complete {
			next = min(next, time.Until(due))
		}
		timer.Reset(next)
	}
}

// user does tasks and waits in turn until ctx is done.
func (s *Swarm) user(ctx, requests context.Context) {
	wait := s.settings.Scenario.Wait
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		if ctx.Err() != nil {
			return
		}
		s.task(requests, s.picker.pick())
		timer.Reset(wait.Min + rand.N(wait.Max-wait.Min+1))
	}
}

// task does one task and counts it, unless the end of the run aborted it.
func (s *Swarm) task(ctx context.Context, n int) {
	req, err := s.settings.Scenario.Tasks[n].request(s.settings.Host)
	if err != nil {
		s.record.done(n, time.Now(), 0, err.Error())
		return
	}
	ctx, span := s.startSpan(ctx, s.settings.Scenario.Tasks[n].Name)
	defer span.End()
	start := time.Now()
	failure := ""
	resp, err := s.client.Do(req.WithContext(ctx))
	if err == nil {
		_, err = io.Copy(io.Discard, io.LimitReader(resp.Body, maxAnswer))
		resp.Body.Close()
		if resp.StatusCode >= 400 {
			failure = resp.Status
		}
	}
	if ctx.Err() != nil {
		return
	}
	if err != nil {
		failure = failureOf(err)
	}
	if failure != "" {
		span.SetStatus(codes.Error, failure)
	}
	s.record.done(n, start, time.Since(start), failure)
}

// failureOf is an error without what differs from request to request, so that
// failures of one kind count together.
func failureOf(err error) string {
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		return "timeout"
	}
	var op *net.OpError
	if errors.As(err, &op) {
		return op.Op + ": " + op.Err.Error()
	}
	var outer *url.Error
	if errors.As(err, &outer) {
		err = outer.Err
	}
	return err.Error()
}
