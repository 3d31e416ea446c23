package server

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/signalbox-otel/signalbox/internal/query"
	"github.com/signalbox-otel/signalbox/internal/store"
	"github.com/signalbox-otel/signalbox/internal/store/storetest"
)

// newTestServer serves an empty store and keeps its log to itself.
func newTestServer(t *testing.T, deps Deps) *Server {
	t.Helper()
	if deps.Reader == nil {
		deps.Reader = &storetest.Memory{}
	}
	if deps.Catalog == nil {
		deps.Catalog = &storetest.Memory{}
	}
	deps.Logger = slog.New(slog.DiscardHandler)
	return New(deps)
}

func get(t *testing.T, h http.Handler, target string, header ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest("GET", target, nil)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestEveryOwnRouteIsDocumented(t *testing.T) {
	var doc struct {
		Paths map[string]map[string]any
	}
	raw, err := os.ReadFile("openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(raw, &doc); err != nil {
		t.Fatalf("reading openapi.yaml: %v", err)
	}
	registered := map[string]bool{}
	for _, rt := range newTestServer(t, Deps{}).routes() {
		if rt.doc == "" || rt.handle == nil {
			t.Errorf("route %s %s has no doc or no handler", rt.method, rt.pattern)
		}
		if !strings.HasPrefix(rt.pattern, apiPrefix) {
			continue // Jaeger's and Prometheus' contracts are documented upstream
		}
		registered[rt.method+" "+rt.pattern] = true
		if doc.Paths[rt.pattern][strings.ToLower(rt.method)] == nil {
			t.Errorf("route %s %s is not in openapi.yaml", rt.method, rt.pattern)
		}
	}
	for path, methods := range doc.Paths {
		for method := range methods {
			if !registered[strings.ToUpper(method)+" "+path] {
				t.Errorf("openapi.yaml documents %s %s, which is not registered", method, path)
			}
		}
	}
}

func TestProblemOf(t *testing.T) {
	f := func(err error, status int, kind string) {
		t.Helper()
		p := problemOf(fmt.Errorf("searching: %w", err))
		if p.Status != status || p.Kind != kind {
			t.Errorf("problemOf(%v): got %d %s; want %d %s", err, p.Status, p.Kind, status, kind)
		}
	}
	f(&query.SyntaxError{Query: "x", Msg: "?"}, 400, "bad_query")
	f(&paramError{"limit", errors.New("?")}, 400, "bad_request")
	f(&http.MaxBytesError{Limit: 1}, 413, "too_large")
	f(query.ErrNotFound, 404, "not_found")
	f(store.ErrClosed, 503, "unavailable")
	f(&store.OverloadError{Reason: "disk full", RetryAfter: time.Second}, 503, "unavailable")
	f(&store.CorruptionError{File: "b", Reason: "checksum"}, 500, "corrupt")
	f(errors.New("odd"), 500, "internal")
	f(&problem{Status: 418, Kind: "teapot"}, 418, "teapot")
}

func TestUnknownPathsAndMethods(t *testing.T) {
	s := newTestServer(t, Deps{})
	f := func(method, target string, status int, kind string) {
		t.Helper()
		w := httptest.NewRecorder()
		s.ServeHTTP(w, httptest.NewRequest(method, target, nil))
		var p problem
		if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil {
			t.Fatalf("%s %s: answer %q is not JSON: %v", method, target, w.Body, err)
		}
		if w.Code != status || p.Kind != kind || p.Message == "" {
			t.Errorf("%s %s: got %d %+v; want %d %s", method, target, w.Code, p, status, kind)
		}
	}
	f("GET", "/api/nothing", 404, "not_found")
	f("GET", "/api/v1/query", 404, "not_found")
	f("POST", apiPrefix+"status", 405, "method")
	f("GET", "/?"+strings.Repeat("x", 70_000), 414, "too_large")
	w := httptest.NewRecorder()
	s.ServeHTTP(w, httptest.NewRequest("OPTIONS", apiPrefix+"status", nil))
	if got := w.Header().Get("Allow"); w.Code != 204 || got != "GET, HEAD, OPTIONS" {
		t.Errorf("OPTIONS: got %d, Allow %q", w.Code, got)
	}
}

func TestPanicIsAnsweredAndCounted(t *testing.T) {
	s := newTestServer(t, Deps{Metrics: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/api/v1/late" {
			_, _ = w.Write([]byte("half of an ans"))
		}
		panic("defect")
	})})
	if w := get(t, s, "/api/v1/query"); w.Code != 500 || !strings.Contains(w.Body.String(), `"internal"`) {
		t.Errorf("got %d %s; want 500 internal", w.Code, w.Body)
	}
	srv := httptest.NewServer(s)
	defer srv.Close()
	resp, err := http.Get(srv.URL + "/api/v1/late")
	if err == nil {
		_, err = io.ReadAll(resp.Body)
		resp.Body.Close()
	}
	if err == nil {
		t.Error("a half answer looked whole to the client")
	}
	body := get(t, s, "/metrics").Body.String()
	for _, want := range []string{"signalbox_http_panics_total 2", `signalbox_http_requests_total{code="500",route="/api/v1/"} 1`} {
		if !strings.Contains(body, want) {
			t.Errorf("/metrics lacks %q:\n%s", want, body)
		}
	}
}

func TestGzip(t *testing.T) {
	s := newTestServer(t, Deps{Version: "v1"})
	w := get(t, s, apiPrefix+"status", "Accept-Encoding", "br, gzip")
	zr, err := gzip.NewReader(w.Body)
	if err != nil {
		t.Fatalf("reading gzip answer: %v", err)
	}
	var a map[string]any
	if err := json.NewDecoder(zr).Decode(&a); err != nil || a["version"] != "v1" {
		t.Errorf("got %v, %v; want version v1", a, err)
	}
	for header, want := range map[string]bool{"gzip": true, "gzip;q=0": false, "br": false, "*": true, "deflate, gzip;q=0.5": true, "": false} {
		if got := acceptsGzip(header); got != want {
			t.Errorf("acceptsGzip(%q): got %v; want %v", header, got, want)
		}
	}
}

func TestPageAndHeaders(t *testing.T) {
	s := newTestServer(t, Deps{})
	w := get(t, s, "/traces")
	if got := w.Header().Get("Content-Type"); w.Code != 200 || !strings.HasPrefix(got, "text/html") {
		t.Errorf("/traces: got %d %s; want the page", w.Code, got)
	}
	if got := w.Header().Get("Content-Security-Policy"); !strings.HasPrefix(got, "default-src 'self'; style-src 'self' 'unsafe-inline'") {
		t.Errorf("Content-Security-Policy: got %q", got)
	}
	if got := w.Header().Get("X-Content-Type-Options"); got != "nosniff" {
		t.Errorf("X-Content-Type-Options: got %q", got)
	}
	w = get(t, s, apiPrefix+"status")
	if got := w.Header().Get("Access-Control-Allow-Origin"); got != "" {
		t.Errorf("Access-Control-Allow-Origin: got %q; want none", got)
	}
	if w := get(t, s, "/healthz"); w.Code != 200 || w.Body.String() != "ok\n" {
		t.Errorf("/healthz: got %d %q", w.Code, w.Body)
	}
}

// waiting is a reader that answers when it is let go.
type waiting struct {
	storetest.Memory
	asked, letGo chan struct{}
}

func (r *waiting) Logs(context.Context, store.Query) iter.Seq2[*store.Log, error] {
	r.asked <- struct{}{}
	<-r.letGo
	return func(func(*store.Log, error) bool) {}
}

func TestTooManyQuestions(t *testing.T) {
	reader := &waiting{asked: make(chan struct{}), letGo: make(chan struct{})}
	s := newTestServer(t, Deps{Reader: reader, Limits: Limits{Concurrent: 1, Timeout: 20 * time.Millisecond}})
	done := make(chan int)
	go func() { done <- get(t, s, apiPrefix+"logs").Code }()
	<-reader.asked
	if w := get(t, s, apiPrefix+"services"); w.Code != 503 || w.Header().Get("Retry-After") == "" {
		t.Errorf("second question: got %d %s; want 503 with Retry-After", w.Code, w.Body)
	}
	if w := get(t, s, "/healthz"); w.Code != 200 {
		t.Errorf("/healthz while busy: got %d", w.Code)
	}
	close(reader.letGo)
	if code := <-done; code != 200 {
		t.Errorf("first question: got %d", code)
	}
	if w := get(t, s, apiPrefix+"services"); w.Code != 200 {
		t.Errorf("afterwards: got %d %s", w.Code, w.Body)
	}
}

// A server that answers before data is accepted, or after, is not healthy.
func TestHealthFollowsReady(t *testing.T) {
	ready := false
	s := newTestServer(t, Deps{Ready: func() bool { return ready }})
	if w := get(t, s, "/healthz"); w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" {
		t.Errorf("not ready: got %d, Retry-After %q; want 503 and a time", w.Code, w.Header().Get("Retry-After"))
	}
	ready = true
	if w := get(t, s, "/healthz"); w.Code != http.StatusOK {
		t.Errorf("ready: got %d; want 200", w.Code)
	}
}
