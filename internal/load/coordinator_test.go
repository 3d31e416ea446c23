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
			o, err := c.take(report{Worker: id, Results: results}, time.Now())
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
		if _, err := c.take(report{Worker: strings.Repeat("w", i%64) + string(rune('a'+i/64))}, time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := c.take(report{Worker: "one too many"}, time.Now()); err == nil {
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
