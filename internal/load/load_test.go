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
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// answers is a transport that answers without a network, so that the clock of
// a synctest bubble is the only one.
type answers func(*http.Request) (*http.Response, error)

func (f answers) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func ok(r *http.Request) *http.Response {
	return &http.Response{StatusCode: 200, Status: "200 OK", Body: http.NoBody, Header: http.Header{}, Request: r}
}

func settings(transport http.RoundTripper) Settings {
	return Settings{
		Host:      &url.URL{Scheme: "http", Host: "guestbook"},
		Scenario:  Guestbook(),
		Users:     100,
		SpawnRate: 5,
		RunTime:   5 * time.Minute,
		Timeout:   time.Minute,
		Transport: transport,
	}
}

// A hundred users who think three seconds on average do 33 tasks a second, once
// they are all there, which at five a second takes twenty seconds.
func TestClosedModel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := New(settings(answers(func(r *http.Request) (*http.Response, error) {
			time.Sleep(5 * time.Millisecond) // of the bubble's clock
			return ok(r), nil
		})))
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		done := make(chan struct{})
		go func() { s.Run(t.Context()); close(done) }()
		time.Sleep(10*time.Second + time.Millisecond)
		if got := s.Snapshot().Users; got != 51 {
			t.Errorf("after 10 s: got %d users; want 51", got)
		}
		<-done
		if took := time.Since(start); took < 5*time.Minute || took > 5*time.Minute+grace {
			t.Errorf("ran for %v; want 5m", took)
		}
		got := s.Snapshot()
		if rate := got.FullRate(); math.Abs(rate-33.3) > 1.5 {
			t.Errorf("got %.1f tasks/s; want about 33.3", rate)
		}
		if full := got.FullElapsed; full < 279*time.Second || full > 283*time.Second {
			t.Errorf("all users ran for %v; want about 280 s", full)
		}
		gets, posts := got.Tasks[0].Count, got.Tasks[1].Count
		if share := float64(gets) / float64(gets+posts); math.Abs(share-0.5) > 0.05 {
			t.Errorf("got %d GET and %d POST; want equal shares", gets, posts)
		}
		if p95 := got.Total().Durations.Quantile(0.95); p95 < 4900*time.Microsecond || p95 > 5100*time.Microsecond {
			t.Errorf("p95: got %v; want 5 ms", p95)
		}
	})
}

// Requests under way at the end are waited for, but not for long, and those
// that are aborted are not counted.
func TestEndIsGraceful(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		set := settings(answers(func(r *http.Request) (*http.Response, error) {
			wait := time.Second
			if r.Method == http.MethodPost {
				wait = time.Hour
			}
			select {
			case <-time.After(wait):
				return ok(r), nil
			case <-r.Context().Done():
				return nil, r.Context().Err()
			}
		}))
		set.SpawnRate, set.RunTime, set.Timeout = 1000, 500*time.Millisecond, 2*time.Hour
		s, err := New(set)
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		s.Run(t.Context())
		if took := time.Since(start); took > 500*time.Millisecond+grace {
			t.Errorf("took %v; want the run time and the grace at most", took)
		}
		got := s.Snapshot()
		if got.Tasks[0].Count == 0 || got.Total().Failures != 0 || got.Tasks[1].Count != 0 {
			t.Errorf("got %+v; want GETs done, POSTs not counted", got.Total())
		}
	})
}

func TestSetUsers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		set := settings(answers(func(r *http.Request) (*http.Response, error) { return ok(r), nil }))
		set.Users, set.RunTime = 10, 0
		s, err := New(set)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { s.Run(ctx); close(done) }()
		f := func(target int, wait time.Duration, want int) {
			t.Helper()
			s.SetUsers(target, 0)
			time.Sleep(wait)
			synctest.Wait()
			if got := s.Snapshot().Users; got != want {
				t.Errorf("SetUsers(%d, 0), after %v: got %d users; want %d", target, wait, got, want)
			}
		}
		f(10, 10*time.Second, 10)
		f(3, time.Millisecond, 3)
		f(5, 10*time.Second, 5)
		f(0, time.Millisecond, 0)
		cancel()
		<-done
	})
}

func TestFailuresAreCountedByKind(t *testing.T) {
	var elsewhere atomic.Bool
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { elsewhere.Store(true) }))
	defer other.Close()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/leave":
			http.Redirect(w, r, other.URL, http.StatusFound)
		case "/broken":
			w.WriteHeader(http.StatusInternalServerError)
		default:
			io.WriteString(w, "ok")
		}
	}))
	defer server.Close()
	host, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	scenario, err := ParseScenario([]byte("tasks: [{path: /}, {path: /broken}, {path: /leave}]"))
	if err != nil {
		t.Fatal(err)
	}
	s, err := New(Settings{Host: host, Scenario: scenario, Users: 1, SpawnRate: 1, Timeout: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	for i := range scenario.Tasks {
		s.task(t.Context(), i)
	}
	got := s.Snapshot()
	for i, want := range []string{"", "500 Internal Server Error", errElsewhere.Error()} {
		if task := got.Tasks[i]; task.Count != 1 || want != "" && task.Kinds[want] != 1 || want == "" && task.Failures != 0 {
			t.Errorf("%s: got %+v; want one, failed as %q", task.Name, task, want)
		}
	}
	if elsewhere.Load() {
		t.Error("another host was asked; want redirects to it not followed")
	}
	if got := failureOf(&url.Error{Op: "Get", URL: "x", Err: &net.OpError{Op: "dial", Err: net.ErrClosed}}); strings.Contains(got, "x") {
		t.Errorf("failureOf: got %q; want no address in it", got)
	}
}

func TestScenarioMistakes(t *testing.T) {
	for in, want := range map[string]string{
		"":                                               "EOF",
		"tasks: []":                                      "tasks: got 0",
		"tasks: [{path: foo}]":                           "begins with a single /",
		"tasks: [{path: //other.example/}]":              "begins with a single /",
		"tasks: [{path: /, weight: -1}]":                 "weight -1",
		"tasks: [{path: /, colour: red}]":                "field colour not found",
		"tasks: [{path: /}, {path: /}]":                  "another task has that name",
		"tasks: [{path: /, form: {a: b}, body: c}]":      "both a form and a body",
		"{wait: {min: 2s, max: 1s}, tasks: [{path: /}]}": "want 0 <= min <= max",
	} {
		if _, err := ParseScenario([]byte(in)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v; want %q", in, err, want)
		}
	}
}

func TestFill(t *testing.T) {
	seen := map[string]bool{}
	for range 200 {
		seen[fill("n {1..3}")] = true
	}
	if len(seen) != 3 || !seen["n 1"] || !seen["n 3"] {
		t.Errorf("got %v; want n 1, n 2, n 3", seen)
	}
	for _, in := range []string{"{3..1}", "{a}", "{1..}", "{99999999999..1}"} {
		if got := fill(in); got != in {
			t.Errorf("fill(%q): got %q; want it as it was", in, got)
		}
	}
}

func TestQuantiles(t *testing.T) {
	d := Durations{}
	for ms := 1; ms <= 1000; ms++ {
		d.add(time.Duration(ms) * time.Millisecond)
	}
	for q, want := range map[float64]time.Duration{0.5: 500 * time.Millisecond, 0.95: 950 * time.Millisecond, 0.99: 990 * time.Millisecond, 1: time.Second} {
		if got := d.Quantile(q); math.Abs(float64(got-want)) > 0.02*float64(want) {
			t.Errorf("quantile %v: got %v; want %v within 2 %%", q, got, want)
		}
	}
	if got := (Durations{}).Quantile(0.5); got != 0 {
		t.Errorf("quantile of nothing: got %v; want 0", got)
	}
}
