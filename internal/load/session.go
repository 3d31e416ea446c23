package load

import (
	"fmt"
	"net/url"
	"sync"
	"time"
)

// Engine makes the load of a Session: a Swarm does in this process, a
// Coordinator by its workers.
type Engine interface {
	// Snapshot is the results since the last reset.
	Snapshot() Snapshot
	// SetUsers says how many users there are to be; 0 stops the load.
	SetUsers(users int, spawnRate float64)
	// Reset forgets the results.
	Reset()
}

// Session is a load that somebody watches and steers while it runs: it can be
// changed, stopped and started again, and remembers how it went. Its methods may
// be called at any time by several goroutines.
type Session struct {
	settings Settings
	engine   Engine

	mu      sync.Mutex
	users   int // there are to be, when it is not stopped
	rate    float64
	stopped bool
	lately  lately
	past    history
}

// NewSession is the session of an engine that was made with the settings.
func NewSession(s Settings, e Engine) *Session {
	session := &Session{settings: s, engine: e, users: s.Users, rate: s.SpawnRate}
	session.past.step = sampleInterval
	return session
}

// Start changes how many users there are to be and how many come per second. A
// load that is stopped starts again, and counts anew.
func (s *Session) Start(users int, spawnRate float64) error {
	if users < 1 || users > maxUsers {
		return fmt.Errorf("got %d users; want 1 to %d", users, maxUsers)
	}
	if !(spawnRate > 0 && spawnRate <= maxUsers) {
		return fmt.Errorf("got a spawn rate of %v users per second; want more than 0, at most %d", spawnRate, maxUsers)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		s.engine.Reset()
		s.stopped = false
	}
	s.users, s.rate = users, spawnRate
	s.engine.SetUsers(users, spawnRate)
	return nil
}

// Stop has all users leave. The results stay.
func (s *Session) Stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stopped = true
	s.engine.SetUsers(0, s.rate)
}

// Reset forgets the results and the history. The users go on.
func (s *Session) Reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.engine.Reset()
	s.lately, s.past = lately{}, history{step: sampleInterval}
}

// Record notes how the load goes, once a second, until done is closed. Without
// it there are no current rates and no history.
func (s *Session) Record(done <-chan struct{}) {
	tick := time.NewTicker(sampleInterval)
	defer tick.Stop()
	for {
		select {
		case <-done:
			return
		case now := <-tick.C:
			s.sample(now)
		}
	}
}

func (s *Session) sample(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	results := s.engine.Snapshot()
	s.lately.add(now, results)
	if results.Ran > 0 && !(s.stopped && results.Users == 0) {
		s.past.add(now, s.lately)
	}
}

// View is a session at one moment.
type View struct {
	Host      *url.URL
	Tasks     []Task // in the order of the results
	RunTime   time.Duration
	Users     int // there are to be, or were until the load was stopped
	SpawnRate float64
	Stopped   bool
	Results   Snapshot
	// Total and Rates are how much was done in a second of late: by all, and by
	// each task.
	Total Rate
	Rates []Rate
}

// State is "waiting" for workers, "spawning" users, "running" or "stopped".
func (v View) State() string {
	switch {
	case v.Stopped:
		return "stopped"
	case v.Results.Ran == 0:
		return "waiting"
	case v.Results.Users < v.Results.Target:
		return "spawning"
	}
	return "running"
}

// View is the session now.
func (s *Session) View() View {
	s.mu.Lock()
	defer s.mu.Unlock()
	v := View{
		Host: s.settings.Host, Tasks: s.settings.Scenario.Tasks, RunTime: s.settings.RunTime,
		Users: s.users, SpawnRate: s.rate, Stopped: s.stopped,
		Results: s.engine.Snapshot(),
		Total:   s.lately.rate(-1),
	}
	for i := range v.Tasks {
		v.Rates = append(v.Rates, s.lately.rate(i))
	}
	return v
}

// History is how the load went, the oldest first, and the time between points.
// There are none of when it was stopped.
func (s *Session) History() (points []Point, step time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append(points, s.past.points...), s.past.step
}
