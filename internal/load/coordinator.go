package load

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"
)

// The protocol of coordinator and workers is one request: a worker POSTs a
// report to /report once a second, and the answer is an order. A worker that
// has not reported for workerTimeout is lost: its results until then count, its
// users move to the others. All state of a worker is in its last report, so
// reports may be repeated or lost.
const (
	reportInterval = time.Second
	workerTimeout  = 5 * time.Second
	maxWorkers     = 100
	maxReport      = 8 << 20 // bytes
)

// report is what a worker tells.
type report struct {
	Worker  string   `json:"worker"` // chosen at random when it starts
	Results Snapshot `json:"results"`
	Round   uint64   `json:"round"` // of the order that the results were counted after
	Final   bool     `json:"final"` // its users are gone
}

// order is what a worker is told.
type order struct {
	Host      string        `json:"host"`
	Scenario  Scenario      `json:"scenario"`
	Timeout   time.Duration `json:"timeout"`
	Users     int           `json:"users"`
	SpawnRate float64       `json:"spawn_rate"`
	Round     uint64        `json:"round"` // another than before: forget the results
	Start     bool          `json:"start"` // all workers that are expected are here
	Stop      bool          `json:"stop"`
}

// Coordinator has workers make the load and adds up their results.
type Coordinator struct {
	settings Settings
	expected int

	mu      sync.Mutex
	users   int       // there are to be
	rate    float64   // users that come per second
	workers []*worker // in the order of their joining
	started bool      // all that are expected have joined
	stop    bool
	round   uint64 // of counting, which a reset ends
	clocks  clocks
	changed chan struct{} // closed and replaced at each report
}

// worker is what the coordinator knows of one.
type worker struct {
	id      string
	address string // that its last report came from
	seen    time.Time
	lost    bool
	final   bool
	last    Snapshot
}

func (w *worker) working() bool { return !w.lost && !w.final }

// NewCoordinator makes a coordinator that waits for a number of workers before
// any of them starts.
func NewCoordinator(s Settings, workers int) (*Coordinator, error) {
	if workers < 1 || workers > maxWorkers {
		return nil, fmt.Errorf("--workers %d: want 1 to %d", workers, maxWorkers)
	}
	if s.Users < workers {
		return nil, fmt.Errorf("--users %d: want at least one for each of %d workers", s.Users, workers)
	}
	if err := s.Validate(); err != nil {
		return nil, err
	}
	c := &Coordinator{settings: s, expected: workers, users: s.Users, rate: s.SpawnRate, changed: make(chan struct{})}
	c.clocks.began = time.Now()
	return c, nil
}

// Run answers workers on l until the run time is over or ctx is done, and all
// workers have sent their last results or are lost. It closes l.
func (c *Coordinator) Run(ctx context.Context, l net.Listener) error {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /report", c.serveReport)
	server := &http.Server{Handler: mux, ReadTimeout: 5 * time.Second, WriteTimeout: 5 * time.Second, MaxHeaderBytes: 16 << 10}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(l) }()
	err := c.wait(ctx, failed)
	shutdown, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	return errors.Join(err, server.Shutdown(shutdown))
}

// wait returns when the run is over.
func (c *Coordinator) wait(ctx context.Context, failed <-chan error) error {
	tick := time.NewTicker(reportInterval)
	defer tick.Stop()
	for {
		over, changed, err := c.advance(time.Now(), ctx.Err() != nil)
		if over {
			return err
		}
		cancelled := ctx.Done()
		if ctx.Err() != nil {
			cancelled = nil // it was told already
		}
		select {
		case err := <-failed:
			return fmt.Errorf("answering workers: %w", err)
		case <-cancelled:
		case <-changed:
		case <-tick.C:
		}
	}
}

// advance looks at the clock: who is lost, is it time to stop, is it over.
func (c *Coordinator) advance(now time.Time, cancelled bool) (over bool, changed <-chan struct{}, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	unfinished := 0
	for _, w := range c.workers {
		if !w.final && now.Sub(w.seen) > workerTimeout {
			w.lost = true
		}
		if w.working() {
			unfinished++
		}
	}
	if cancelled || c.settings.RunTime > 0 && c.clocks.ran.elapsed(now) >= c.settings.RunTime {
		c.stop = true
	}
	over = unfinished == 0 && c.started || c.stop && !c.started
	if c.stop || over {
		c.clocks.want(0, now)
	}
	switch {
	case over && c.stop:
		return true, nil, nil
	case over:
		return true, nil, errors.New("no worker is left")
	}
	return false, c.changed, nil
}

// SetUsers changes how many users there are to be, and how many come per second
// until then; with 0 nobody asks until it is called again.
func (c *Coordinator) SetUsers(users int, spawnRate float64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.users = min(max(users, 0), maxUsers)
	if spawnRate > 0 {
		c.rate = min(spawnRate, maxUsers)
	}
	if c.started && !c.stop {
		c.clocks.want(c.users, time.Now())
	}
}

// Reset forgets the results, those of lost workers too. The users go on.
func (c *Coordinator) Reset() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.round++
	c.clocks.reset(time.Now())
	for _, w := range c.workers {
		w.last = Snapshot{Users: w.last.Users, Target: w.last.Target}
	}
}

// WorkerState is what the coordinator knows of one worker.
type WorkerState struct {
	ID      string
	Address string // that it reports from
	State   string // "ready" until the start, "working", "done" or "lost"
	Seen    time.Time
	Results Snapshot
}

// Expected is how many workers the coordinator waits for before the start.
func (c *Coordinator) Expected() int { return c.expected }

// WorkerStates lists the workers in the order of their joining.
func (c *Coordinator) WorkerStates() []WorkerState {
	c.mu.Lock()
	defer c.mu.Unlock()
	var all []WorkerState
	for _, w := range c.workers {
		s := WorkerState{ID: w.id, Address: w.address, State: "ready", Seen: w.seen, Results: w.results()}
		switch {
		case w.lost:
			s.State = "lost"
		case w.final:
			s.State = "done"
		case c.started:
			s.State = "working"
		}
		all = append(all, s)
	}
	return all
}

// Workers says how many work, and how many were lost.
func (c *Coordinator) Workers() (working, lost int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, w := range c.workers {
		if w.lost {
			lost++
		} else if w.working() {
			working++
		}
	}
	return working, lost
}

// results are what the worker did until now; one that is gone has no users.
func (w *worker) results() Snapshot {
	last := w.last
	if !w.working() {
		last.Users = 0
	}
	return last
}

// Snapshot is the results of all workers until now, those of lost ones too.
func (c *Coordinator) Snapshot() Snapshot {
	c.mu.Lock()
	defer c.mu.Unlock()
	var all []Snapshot
	for _, w := range c.workers {
		all = append(all, w.results())
	}
	s := merged(c.settings.Scenario.Tasks, all)
	s.Target = c.users
	c.clocks.show(&s, time.Now())
	return s
}

func (c *Coordinator) serveReport(w http.ResponseWriter, r *http.Request) {
	var in report
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxReport)).Decode(&in); err != nil {
		http.Error(w, "reading the report: "+err.Error(), http.StatusBadRequest)
		return
	}
	if err := c.check(in); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	out, err := c.take(in, r.RemoteAddr, time.Now())
	if err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(out) // a worker that is gone reports again
}

// check refuses what no worker sends, so that what is kept is bounded.
func (c *Coordinator) check(in report) error {
	if in.Worker == "" || len(in.Worker) > 64 {
		return errors.New("worker: want a name of at most 64 bytes")
	}
	if n := len(in.Results.Tasks); n != 0 && n != len(c.settings.Scenario.Tasks) {
		return fmt.Errorf("results of %d tasks; want %d", n, len(c.settings.Scenario.Tasks))
	}
	const day = 24 * time.Hour
	for _, t := range in.Results.Tasks {
		if t.Min < 0 || t.Max < t.Min || t.Max > day || t.Sum < 0 || t.Mean() > day {
			return fmt.Errorf("durations of %v to %v, %v in all: want lengths of time of at most a day", t.Min, t.Max, t.Sum)
		}
		for bucket := range t.Durations {
			if bucket < 0 || bucket > bucketOf(day) {
				return fmt.Errorf("duration bucket %d: want one of at most a day", bucket)
			}
		}
		for kind := range t.Kinds {
			if len(kind) > 1000 || len(t.Kinds) > maxFailureKinds+1 {
				return errors.New("too many or too long kinds of failures")
			}
		}
	}
	return nil
}

// take keeps a report and gives the order for its sender.
func (c *Coordinator) take(in report, address string, now time.Time) (order, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	i := slices.IndexFunc(c.workers, func(w *worker) bool { return w.id == in.Worker })
	if i < 0 {
		if len(c.workers) >= maxWorkers {
			return order{}, fmt.Errorf("there are %d workers already", maxWorkers)
		}
		i = len(c.workers)
		c.workers = append(c.workers, &worker{id: in.Worker})
	}
	w := c.workers[i]
	w.address, w.seen, w.lost, w.final, w.last = address, now, false, in.Final, in.Results
	if in.Round != c.round { // it does not know of the reset yet
		w.last = Snapshot{Users: in.Results.Users, Target: in.Results.Target}
	}
	if !c.started && !c.stop && len(c.workers) >= c.expected {
		c.started = true
		c.clocks.reset(now)
		c.clocks.want(c.users, now)
	}
	close(c.changed)
	c.changed = make(chan struct{})
	users, rate := c.share(w)
	return order{
		Host:      c.settings.Host.String(),
		Scenario:  c.settings.Scenario,
		Timeout:   c.settings.Timeout,
		Users:     users,
		SpawnRate: rate,
		Round:     c.round,
		Start:     c.started,
		Stop:      c.stop,
	}, nil
}

// share divides the users over the workers that work; the first ones get the
// rest.
func (c *Coordinator) share(of *worker) (users int, rate float64) {
	if !of.working() {
		return 0, 0
	}
	n, at := 0, 0
	for _, w := range c.workers {
		if w == of {
			at = n
		}
		if w.working() {
			n++
		}
	}
	users = c.users / n
	if at < c.users%n {
		users++
	}
	return users, c.rate / float64(n)
}

// errRefused is wrapped when a coordinator does not want a worker's report.
var errRefused = errors.New("the coordinator refuses")

// send reports to a coordinator and returns its order.
func (in report) send(ctx context.Context, client *http.Client, url string) (order, error) {
	body, err := json.Marshal(in)
	if err != nil {
		return order{}, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return order{}, err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := client.Do(req)
	if err != nil {
		return order{}, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxScenario*4))
	if err != nil {
		return order{}, err
	}
	if resp.StatusCode != http.StatusOK {
		return order{}, fmt.Errorf("%w: %.200s", errRefused, answer)
	}
	var out order
	return out, json.Unmarshal(answer, &out)
}
