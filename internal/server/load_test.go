package server

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// steered is a load that notes what was asked of it.
type steered struct {
	asked     []string
	users     int
	spawnRate float64
}

func (l *steered) State() LoadState {
	get := LoadTask{Method: "GET", Name: "GET /", Requests: 40, Failures: 2, RequestRate: 4.5, FailureRate: 0.2, MeanRequestRate: 4, MeanFailureRate: 0.2,
		P50Nanos: 5 * time.Millisecond, P95Nanos: 9 * time.Millisecond, P99Nanos: 12 * time.Millisecond, MeanNanos: 6 * time.Millisecond, MinNanos: 2 * time.Millisecond, MaxNanos: 20 * time.Millisecond}
	all := get
	all.Method, all.Name = "", "all tasks"
	return LoadState{
		State: "running", Host: "http://shop.test", Users: 5, TargetUsers: 5, SpawnRate: 2.5, ElapsedNanos: 10 * time.Second, RanNanos: 10 * time.Second,
		Total: all, Tasks: []LoadTask{get}, Failures: []LoadFailure{{"GET", "GET /", "=500 Oh, no", 2}},
		WorkersExpected: 1, Workers: []LoadWorker{{ID: "W1", Address: "10.0.0.7:5000", State: "working", Users: 5, Requests: 40, Failures: 2, Silent: 0.4}},
	}
}

func (l *steered) History() ([]LoadPoint, time.Duration) {
	return []LoadPoint{{Time: time.UnixMilli(1795168800000), Users: 5, RequestRate: 4.5, FailureRate: 0.2, P50: 5 * time.Millisecond, P95: 9 * time.Millisecond, P99: 12 * time.Millisecond}}, time.Second
}

func (l *steered) Start(users int, spawnRate float64) error {
	if users < 1 {
		return errors.New("got 0 users; want 1")
	}
	l.asked, l.users, l.spawnRate = append(l.asked, "start"), users, spawnRate
	return nil
}

func (l *steered) Stop()  { l.asked = append(l.asked, "stop") }
func (l *steered) Reset() { l.asked = append(l.asked, "reset") }

// send posts to the API; address is the server's own, "" when it is not known.
func send(h http.Handler, path, body, address string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest("POST", "http://localhost:8089"+apiPrefix+path, strings.NewReader(body))
	for i := 0; i+1 < len(header); i += 2 {
		if r.Header.Set(header[i], header[i+1]); header[i] == "Host" {
			r.Host = header[i+1]
		}
	}
	if address != "" {
		addr := net.TCPAddr{IP: net.ParseIP(address), Port: 8089}
		r = r.WithContext(context.WithValue(r.Context(), http.LocalAddrContextKey, &addr))
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestLoadIsSteered(t *testing.T) {
	l := &steered{}
	s := newTestServer(t, Deps{Load: l})
	f := func(path, body string, code int, want string) {
		t.Helper()
		if w := send(s, path, body, ""); w.Code != code || !strings.Contains(w.Body.String(), want) {
			t.Errorf("POST %s %s: got %d %s; want %d with %s", path, body, w.Code, w.Body, code, want)
		}
	}
	f("load/start", `{"users": 20, "spawnRate": 4}`, 200, `"state":"running"`)
	if l.users != 20 || l.spawnRate != 4 {
		t.Errorf("got %d users at %v; want 20 at 4", l.users, l.spawnRate)
	}
	f("load/start", "", 200, `"state":"running"`)
	if l.users != 5 || l.spawnRate != 2.5 {
		t.Errorf("without a body: got %d users at %v; want what was, 5 at 2.5", l.users, l.spawnRate)
	}
	f("load/start", `{"users": 0}`, 400, "got 0 users; want 1")
	f("load/start", `{"user": 1}`, 400, `unknown field`)
	f("load/start", `{"users": 1.5}`, 400, "the body should be as")
	f("load/start", strings.Repeat(" ", 2<<20), 413, "too_large")
	f("load/stop", "", 200, `"state":"running"`)
	f("load/reset", "", 200, `"state":"running"`)
	if diff := cmp.Diff([]string{"start", "start", "stop", "reset"}, l.asked); diff != "" {
		t.Errorf("asked (-want +got):\n%s", diff)
	}
	if w := get(t, s, apiPrefix+"load/stop"); w.Code != 405 {
		t.Errorf("GET load/stop: got %d; want 405", w.Code)
	}
}

// What changes something must not be sent by the pages that somebody visits.
func TestOthersMayNotSteer(t *testing.T) {
	l := &steered{}
	s := newTestServer(t, Deps{Load: l})
	f := func(want int, address string, header ...string) {
		t.Helper()
		for _, path := range []string{"load/start", "load/stop", "load/reset"} {
			if w := send(s, path, "", address, header...); w.Code != want {
				t.Errorf("%s at %q with %q: got %d %s; want %d", path, address, header, w.Code, w.Body, want)
			}
		}
	}
	f(200, "127.0.0.1") // a program, as curl
	f(200, "127.0.0.1", "Sec-Fetch-Site", "same-origin", "Origin", "http://localhost:8089")
	f(200, "127.0.0.1", "Origin", "http://localhost:8089") // a browser of before 2023
	f(403, "127.0.0.1", "Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example")
	f(403, "127.0.0.1", "Sec-Fetch-Site", "same-site", "Origin", "http://localhost:3000")
	f(403, "127.0.0.1", "Origin", "https://evil.example")
	f(403, "127.0.0.1", "Origin", "null")
	f(403, "127.0.0.1", "Host", "evil.example:8089", "Origin", "http://evil.example:8089", "Sec-Fetch-Site", "same-origin") // its name means this machine
	f(403, "::1", "Host", "evil.example")
	f(200, "::1", "Host", "[::1]:8089")
	f(200, "::1", "Host", "[::1]")
	f(200, "127.0.0.1", "Host", "load.localhost:8089")
	f(200, "10.0.0.7", "Host", "load.shop.test:8089") // it was opened to others
	if len(l.asked) != 3*7 {
		t.Errorf("asked %d times; want 21: nothing that was refused", len(l.asked))
	}
}

func TestLoadTables(t *testing.T) {
	s := newTestServer(t, Deps{Load: &steered{}})
	f := func(path, name, want string) {
		t.Helper()
		w := get(t, s, apiPrefix+path)
		if diff := cmp.Diff(want, w.Body.String()); w.Code != 200 || diff != "" {
			t.Errorf("%s: got %d (-want +got):\n%s", path, w.Code, diff)
		}
		if got := w.Header().Get("Content-Disposition"); got != `attachment; filename="`+name+`"` {
			t.Errorf("%s: got Content-Disposition %q; want a file %s", path, got, name)
		}
	}
	f("load/tasks.csv", "load-tasks.csv", `Method,Name,Requests,Failures,Median ms,95 % ms,99 % ms,Mean ms,Min ms,Max ms,Requests/s,Failures/s
GET,GET /,40,2,5.000,9.000,12.000,6.000,2.000,20.000,4.000,0.200
,all tasks,40,2,5.000,9.000,12.000,6.000,2.000,20.000,4.000,0.200
`)
	f("load/failures.csv", "load-failures.csv", `Method,Name,Failure,Count
GET,GET /,"'=500 Oh, no",2
`)
	f("load/history.csv", "load-history.csv", `Time,Users,Requests/s,Failures/s,Median ms,95 % ms,99 % ms
2026-11-20T10:00:00Z,5,4.500,0.200,5.000,9.000,12.000
`)
}

// A server of a load without data has the page and no more.
func TestOnlyLoad(t *testing.T) {
	s := New(Deps{Load: &steered{}, Version: "1.2.3"})
	f := func(target string, code int, want string) {
		t.Helper()
		if w := get(t, s, target); w.Code != code || !strings.Contains(w.Body.String(), want) {
			t.Errorf("%s: got %d %.200s; want %d with %q", target, w.Code, w.Body, code, want)
		}
	}
	f("/", 200, `data-parts="load"`)
	f("/load", 200, `data-parts="load"`)
	f(apiPrefix+"load", 200, `"host":"http://shop.test"`)
	f(apiPrefix+"status", 200, `"version":"1.2.3"`)
	f(apiPrefix+"pipelines", 200, `"pipelines":[]`)
	f(apiPrefix+"traces", 404, "not_found")
	f("/api/services", 404, "not_found")
	f("/healthz", 200, "ok")
}

func TestNoLoad(t *testing.T) {
	s := newTestServer(t, Deps{})
	if w := get(t, s, apiPrefix+"load"); w.Code != 404 || !strings.Contains(w.Body.String(), "signalbox up --demo") {
		t.Errorf("got %d %s; want 404 and what makes a load", w.Code, w.Body)
	}
	if w := get(t, s, "/"); !strings.Contains(w.Body.String(), `data-parts="data"`) {
		t.Errorf("page: got %.200s; want it to know of data only", w.Body)
	}
}
