package load

import (
	"context"
	"io"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// startCoordinator runs a coordinator on a free port of this machine.
func startCoordinator(t *testing.T, ctx context.Context, s Settings, workers int) (c *Coordinator, address string, done <-chan error) {
	t.Helper()
	c, err := NewCoordinator(s, workers)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx, l) }()
	return c, l.Addr().String(), ended
}

func quick(t *testing.T) Settings {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "ok") }))
	t.Cleanup(server.Close)
	host, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	s := settings(nil)
	s.Host, s.Users, s.SpawnRate, s.RunTime = host, 7, 1000, 1500*time.Millisecond
	s.Scenario.Wait = Wait{Min: 20 * time.Millisecond, Max: 40 * time.Millisecond}
	return s
}

// Two workers share the users, and the coordinator has what both did.
func TestWorkersShareTheUsers(t *testing.T) {
	s := quick(t)
	c, address, done := startCoordinator(t, t.Context(), s, 2)
	workers := []*Worker{{Join: address, Host: s.Host}, {Join: address, Host: s.Host}}
	ended := make(chan error, 2)
	for _, w := range workers {
		go func() { ended <- w.Run(t.Context()) }()
	}
	for range workers {
		if err := <-ended; err != nil {
			t.Errorf("worker: %v", err)
		}
	}
	if err := <-done; err != nil {
		t.Errorf("coordinator: %v", err)
	}
	var sum uint64
	for i, w := range workers {
		got := w.Snapshot()
		if got.Total().Count == 0 || got.Users < 3 || got.Users > 4 {
			t.Errorf("worker %d: got %d tasks of %d users; want some, of 3 or 4", i, got.Total().Count, got.Users)
		}
		sum += got.Total().Count
	}
	if got := c.Snapshot().Total().Count; got != sum {
		t.Errorf("coordinator: got %d tasks; want %d", got, sum)
	}
}

func TestWorkerLoadsOnlyItsHost(t *testing.T) {
	s := quick(t)
	_, address, done := startCoordinator(t, t.Context(), s, 1)
	w := Worker{Join: address, Host: &url.URL{Scheme: "http", Host: "mine.example"}}
	if err := w.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "this worker is for --host http://mine.example only") {
		t.Errorf("got %v; want the order refused", err)
	}
	if err := <-done; err == nil {
		t.Error("coordinator: got no error; want one that no worker is left")
	}
}

// The users of a worker that is lost move to the others, its results stay.
func TestLostWorker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := settings(nil)
		s.Users = 10
		c, err := NewCoordinator(s, 2)
		if err != nil {
			t.Fatal(err)
		}
		tell := func(id string, count uint64) order {
			t.Helper()
			results := Snapshot{Users: 5, Tasks: []TaskStats{{Count: count}, {}}}
			o, err := c.take(report{Worker: id, Results: results}, "", time.Now())
			if err != nil {
				t.Fatal(err)
			}
			if over, _, err := c.advance(time.Now(), false); over {
				t.Fatalf("over: %v", err)
			}
			return o
		}
		if o := tell("a", 0); o.Start || o.Users != 10 {
			t.Errorf("alone: got %+v; want no start", o)
		}
		if o := tell("b", 0); !o.Start || o.Users != 5 || o.SpawnRate != 2.5 {
			t.Errorf("with two: got %+v; want a start with half of users and rate", o)
		}
		tell("b", 7)
		for range 6 {
			time.Sleep(reportInterval)
			tell("a", 11)
		}
		if o := tell("a", 11); o.Users != 10 {
			t.Errorf("after the other was lost: got %d users; want all 10", o.Users)
		}
		if got := c.Snapshot(); got.Total().Count != 18 || got.Users != 5 {
			t.Errorf("got %d tasks, %d users; want the lost worker's tasks too, 18, without its users", got.Total().Count, got.Users)
		}
		if working, lost := c.Workers(); working != 1 || lost != 1 {
			t.Errorf("got %d working, %d lost; want 1 and 1", working, lost)
		}
		time.Sleep(workerTimeout + time.Second)
		if over, _, err := c.advance(time.Now(), false); !over || err == nil {
			t.Errorf("without any worker: got over=%v, %v; want an end with an error", over, err)
		}
	})
}

func TestCoordinatorRefuses(t *testing.T) {
	c, err := NewCoordinator(settings(nil), 1)
	if err != nil {
		t.Fatal(err)
	}
	f := func(body, want string) {
		t.Helper()
		w := httptest.NewRecorder()
		c.serveReport(w, httptest.NewRequest("POST", "/report", strings.NewReader(body)))
		if w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), want) {
			t.Errorf("%.60s: got %d %s; want 400 with %q", body, w.Code, w.Body, want)
		}
	}
	f("nonsense", "reading the report")
	f("{}", "worker: want a name")
	f(`{"worker":"a","results":{"tasks":[{}]}}`, "results of 1 tasks; want 2")
	f(`{"worker":"a","results":{"tasks":[{"durations":{"99999":1}},{}]}}`, "duration bucket 99999")
	f(`{"worker":"a","results":{"tasks":[{"kinds":{"`+strings.Repeat("x", 1001)+`":1}},{}]}}`, "too long kinds")
	f(`{"worker":"`+strings.Repeat("x", maxReport)+`"}`, "reading the report")
	for i := range maxWorkers {
		if _, err := c.take(report{Worker: strings.Repeat("w", i%64) + string(rune('a'+i/64))}, "", time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := c.take(report{Worker: "one too many"}, "", time.Now()); err == nil {
		t.Error("got no error; want no more than the limit of workers")
	}
}

// Rates add up, percentiles come from all durations.
func TestMerged(t *testing.T) {
	tasks := []Task{{Name: "t"}}
	one := Snapshot{Users: 2, Full: 100, FullElapsed: 10 * time.Second, Tasks: []TaskStats{{Count: 100, Durations: Durations{10: 100}}}}
	two := Snapshot{Users: 3, Full: 300, FullElapsed: 15 * time.Second, Tasks: []TaskStats{{Count: 300, Failures: 1, Durations: Durations{20: 300}, Kinds: map[string]uint64{"x": 1}}}}
	got := merged(tasks, []Snapshot{one, two})
	if got.Users != 5 || got.Total().Count != 400 || got.Total().Kinds["x"] != 1 || math.Abs(got.FullRate()-30) > 0.1 {
		t.Errorf("got %+v, rate %v; want 5 users, 400 tasks, 30 per second", got, got.FullRate())
	}
	if n := got.Tasks[0].Durations[20]; n != 300 {
		t.Errorf("got %d durations in bucket 20; want 300", n)
	}
}

// A coordinator's load is steered as one of this process is.
func TestCoordinatorIsSteered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		set := settings(nil)
		set.Users = 10
		c, err := NewCoordinator(set, 2)
		if err != nil {
			t.Fatal(err)
		}
		s := NewSession(set, c)
		counted := map[string]uint64{}
		tell := func(id string, round uint64) order {
			t.Helper()
			counted[id] += 5
			d := 3 * time.Millisecond
			results := Snapshot{Users: 5, Tasks: []TaskStats{{Count: counted[id], Sum: d * time.Duration(counted[id]), Min: d, Max: d}, {}}}
			in := report{Worker: id, Round: round, Results: results}
			if err := c.check(in); err != nil {
				t.Fatal(err)
			}
			o, err := c.take(in, id+":4711", time.Now())
			if err != nil {
				t.Fatal(err)
			}
			return o
		}
		if tell("a", 0); s.View().State() != "waiting" {
			t.Errorf("alone: got %s; want it waiting", s.View().State())
		}
		tell("b", 0)
		time.Sleep(2 * time.Second)
		if v := s.View(); v.State() != "running" || v.Results.Elapsed != 2*time.Second || v.Results.Total().Count != 10 || v.Results.Total().Mean() != 3*time.Millisecond {
			t.Errorf("with two: got %s after %v, %+v; want it running, 10 tasks of 3 ms", v.State(), v.Results.Elapsed, v.Results.Total())
		}
		s.Stop()
		if o := tell("a", 0); !o.Start || o.Stop || o.Users != 0 {
			t.Errorf("stopped: got %+v; want an order for no users, not to end", o)
		}
		time.Sleep(time.Second)
		if got := s.View().Results.Elapsed; got != 2*time.Second {
			t.Errorf("stopped: got %v; want the clock to stand at 2 s", got)
		}
		if err := s.Start(5, 4); err != nil {
			t.Fatal(err)
		}
		if o := tell("a", 0); o.Users != 3 || o.SpawnRate != 2 || o.Round != 1 {
			t.Errorf("started again: got %+v; want 3 users, 2 a second, round 1", o)
		}
		if got := s.View().Results.Total().Count; got != 0 {
			t.Errorf("started again: got %d tasks; want those of before left out", got)
		}
		counted["a"] = 2
		tell("a", 1)
		if got := s.View().Results.Total().Count; got != 7 {
			t.Errorf("after a report of this round: got %d tasks; want its 7", got)
		}
		states := c.WorkerStates()
		if len(states) != 2 || states[0].Address != "a:4711" || states[0].State != "working" || states[0].Results.Total().Count != 7 {
			t.Errorf("workers: got %+v; want two that work", states)
		}
	})
}

// Workers do what the page has the coordinator order.
func TestWorkersAreSteered(t *testing.T) {
	set := quick(t)
	set.RunTime = 0
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	c, address, done := startCoordinator(t, ctx, set, 1)
	s := NewSession(set, c)
	w := &Worker{Join: address, Host: set.Host}
	ended := make(chan error, 1)
	go func() { ended <- w.Run(t.Context()) }()
	until := func(what string, fulfilled func(Snapshot) bool) {
		t.Helper()
		late := time.After(20 * time.Second)
		for {
			c.mu.Lock()
			changed := c.changed
			c.mu.Unlock()
			if fulfilled(c.Snapshot()) {
				return
			}
			select {
			case <-changed:
			case <-late:
				t.Fatalf("%s: got %+v", what, c.Snapshot())
			}
		}
	}
	until("some tasks", func(s Snapshot) bool { return s.Users == 7 && s.Total().Count > 0 })
	s.Stop()
	if err := s.Start(3, 100); err != nil {
		t.Fatal(err)
	}
	until("three users and results of theirs", func(s Snapshot) bool { return s.Users == 3 && s.Total().Count > 0 })
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("worker: %v", err)
	}
	if err := <-done; err != nil {
		t.Errorf("coordinator: %v", err)
	}
}
