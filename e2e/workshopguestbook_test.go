//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// The guestbook's walk-through, as docs/workshops/guestbook.md tells it: under
// Locust's load one trace in four goes from the page to the database, the backend's
// own metrics are there by status, and with the sampler at 1 no trace is missing.
func TestGuestbookWorkshop(t *testing.T) {
	t.Parallel()
	const namespace = "guestbook"
	for _, name := range []string{"guestbook-backend:1", "guestbook-frontend:1", "guestbook-loadtest:1", "mongo:7"} {
		load(t, name)
	}
	apply(t, example(t, "guestbook/collector.yaml"))
	ready(t, namespace, "guestbook")
	instrumentation := example(t, "guestbook/instrumentation.yaml")
	apply(t, instrumentation)
	apply(t, example(t, "guestbook/guestbook.yaml"))
	apply(t, example(t, "guestbook/loadtest.yaml"))
	for _, name := range []string{"guestbook-mongodb", "guestbook-backend", "guestbook-frontend", "locust-master", "locust-worker"} {
		rollout(t, namespace, "deployment/"+name)
	}
	locust := serviceURL(t, namespace, "locust-master", "8089")
	base := uiURL(t)
	traced := func(since time.Time) func(context.Context) (int, error) {
		return func(ctx context.Context) (int, error) {
			traces, err := tracesOf(ctx, base, "guestbook-frontend", "", since, 1500)
			return len(traces), err
		}
	}

	began := time.Now()
	requests := swarm(t, locust, 2, 30, 200)
	wantWay(t, began, "guestbook-frontend: POST /post", "guestbook-frontend: POST", "guestbook-backend: POST /messages", "guestbook-backend: guestbook.insert")
	wantStatuses(t, serviceURL(t, namespace, "guestbook-backend", "8080"), `job="pods",tier="backend",k8s_namespace_name="guestbook"`)
	sampled(t, settled(t, "the traces at 0.25", traced(began)), requests, 0.25)

	apply(t, strings.Replace(instrumentation, `argument: "0.25"`, `argument: "1"`, 1))
	kubectl(t, "rollout", "restart", "-n", namespace, "deployment/guestbook-backend", "deployment/guestbook-frontend")
	rollout(t, namespace, "deployment/guestbook-backend")
	rollout(t, namespace, "deployment/guestbook-frontend")
	frontend := serviceURL(t, namespace, "guestbook-frontend", "80")
	answering(t, serviceURL(t, namespace, "guestbook-backend", "8080"), frontend)
	began = time.Now()
	requests = visitors(t, frontend)
	sampled(t, settled(t, "the traces at 1", traced(began)), requests, 1)
}

// swarm lets Locust's users come until they have made so many requests and stops
// them. It returns how many requests the frontend got: who writes is sent on to read.
func swarm(t *testing.T, locust string, workers, users, requests int) int {
	t.Helper()
	var stats struct {
		State string
		Stats []struct {
			Method, Name string
			Requests     int `json:"num_requests"`
			Failures     int `json:"num_failures"`
		}
		Workers []struct{ State string }
	}
	ask := func(ctx context.Context) error {
		body, err := get(ctx, locust+"/stats/requests")
		if err != nil {
			return err
		}
		return json.Unmarshal(body, &stats)
	}
	count := func() (tasks, got int) {
		for _, s := range stats.Stats {
			switch s.Method {
			case http.MethodGet:
				tasks, got = tasks+s.Requests, got+s.Requests
			case http.MethodPost:
				tasks, got = tasks+s.Requests, got+2*s.Requests
			}
		}
		return tasks, got
	}
	await(t, "Locust's workers", func(ctx context.Context) error {
		if err := ask(ctx); err != nil || len(stats.Workers) == workers {
			return err
		}
		return fmt.Errorf("got %d; want %d", len(stats.Workers), workers)
	})
	await(t, "the swarm", func(ctx context.Context) error {
		return post(ctx, locust+"/swarm", url.Values{"user_count": {strconv.Itoa(users)}, "spawn_rate": {"10"}})
	})
	await(t, "the swarm's requests", func(ctx context.Context) error {
		err := ask(ctx)
		// Until it is on its way, the figures are those of the swarm before.
		if tasks, _ := count(); err == nil && (stats.State != "spawning" && stats.State != "running" || tasks < requests) {
			err = fmt.Errorf("got %d; want %d: %+v", tasks, requests, stats)
		}
		return err
	})
	if err := post(t.Context(), locust+"/stop", nil); err != nil {
		t.Fatal(err)
	}
	await(t, "the swarm's end", func(ctx context.Context) error {
		err := ask(ctx)
		if err == nil && stats.State != "stopped" {
			err = fmt.Errorf("it is %s", stats.State)
		}
		return err
	})
	for _, s := range stats.Stats {
		if s.Failures > 0 && s.Method != "" {
			t.Errorf("%d of %d requests %s %s failed", s.Failures, s.Requests, s.Method, s.Name)
		}
	}
	_, got := count()
	return got
}

// answering waits until servers answer anything, as to a page that they do not have:
// pods may be ready before their programs are, and Services lead to them later.
func answering(t *testing.T, bases ...string) {
	t.Helper()
	for _, base := range bases {
		await(t, base, func(ctx context.Context) error {
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/other", nil)
			if err != nil {
				return err
			}
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				return err
			}
			return resp.Body.Close()
		})
	}
}

// post posts a form; the answer must be 200.
func post(ctx context.Context, to string, form url.Values) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to, strings.NewReader(form.Encode()))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("POST %s: %s: %s", to, resp.Status, body)
	}
	return err
}

// visitors lets users of signalbox load come, and returns how many requests the
// frontend got.
func visitors(t *testing.T, host string) int {
	t.Helper()
	out, err := program(t.Context(), "load", "--host", host, "--users", "10", "--spawn-rate", "10", "--wait", "100ms,500ms", "--run-time", "8s", "--web=")
	if err != nil {
		t.Fatal(err)
	}
	requests := 0
	for name, each := range map[string]int{"GET /": 1, "POST /post": 2} {
		row := regexp.MustCompile(`(?m)^` + name + `\s+[0-9.]+\s+(\d+)`).FindStringSubmatch(out)
		if row == nil {
			t.Fatalf("it reports no %s:\n%s", name, out)
		}
		n, err := strconv.Atoi(row[1])
		if err != nil {
			t.Fatal(err)
		}
		requests += each * n
	}
	return requests
}

// wantStatuses makes requests that the backend refuses, and wants its own counter
// of requests in the store, by status.
func wantStatuses(t *testing.T, backend, labels string) {
	t.Helper()
	base := uiURL(t)
	for path, want := range map[string]int{"/messages": http.StatusUnsupportedMediaType, "/other": http.StatusNotFound} {
		resp, err := http.Post(backend+path, "text/plain", bytes.NewReader([]byte("hello")))
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("POST %s of a text: got %s; want %d", path, resp.Status, want)
		}
	}
	await(t, "flask_http_request_total by status", func(ctx context.Context) error {
		all, err := series(ctx, base, "sum by (status) (flask_http_request_total{"+labels+"})")
		if err != nil {
			return err
		}
		var got []string
		for _, s := range all {
			got = append(got, s["status"])
		}
		slices.Sort(got)
		if diff := cmp.Diff([]string{"201", "404", "415"}, got); diff != "" {
			return fmt.Errorf("statuses (-want +got):\n%s", diff)
		}
		return nil
	})
}
