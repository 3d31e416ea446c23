package demo

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
)

// received is what an OTLP endpoint was sent.
type received struct {
	mu      sync.Mutex
	spans   map[string]ptrace.Span // by "service: name"
	logs    map[string]string      // body to trace id
	metrics map[string]bool
}

// startOTLP is an OTLP/HTTP endpoint for the test.
func startOTLP(t *testing.T) (*received, string) {
	r := &received{spans: map[string]ptrace.Span{}, logs: map[string]string{}, metrics: map[string]bool{}}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(req.Body)
		if err != nil {
			t.Error(err)
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		switch req.URL.Path {
		case "/v1/traces":
			r.addTraces(t, body)
		case "/v1/logs":
			in := plogotlp.NewExportRequest()
			if err := in.UnmarshalProto(body); err != nil {
				t.Error(err)
			}
			for _, rl := range in.Logs().ResourceLogs().All() {
				for _, sl := range rl.ScopeLogs().All() {
					for _, record := range sl.LogRecords().All() {
						r.logs[record.Body().Str()] = record.TraceID().String()
					}
				}
			}
		case "/v1/metrics":
			in := pmetricotlp.NewExportRequest()
			if err := in.UnmarshalProto(body); err != nil {
				t.Error(err)
			}
			for _, rm := range in.Metrics().ResourceMetrics().All() {
				for _, sm := range rm.ScopeMetrics().All() {
					for _, m := range sm.Metrics().All() {
						r.metrics[m.Name()] = true
					}
				}
			}
		}
	}))
	t.Cleanup(server.Close)
	return r, server.URL
}

func (r *received) addTraces(t *testing.T, body []byte) {
	in := ptraceotlp.NewExportRequest()
	if err := in.UnmarshalProto(body); err != nil {
		t.Error(err)
	}
	for _, rs := range in.Traces().ResourceSpans().All() {
		service, _ := rs.Resource().Attributes().Get("service.name")
		for _, ss := range rs.ScopeSpans().All() {
			for _, span := range ss.Spans().All() {
				r.spans[service.Str()+" "+span.Kind().String()+": "+span.Name()] = span
			}
		}
	}
}

// start runs a guestbook; the function that it returns stops it.
func start(t *testing.T, s Settings) (*Guestbook, func()) {
	t.Helper()
	s.Frontend, s.Backend, s.Version = "127.0.0.1:0", "127.0.0.1:0", "1"
	if s.MongoDB == "" {
		s.Store = "127.0.0.1:0"
	}
	g, err := Open(s)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- g.Run(ctx) }()
	stop := sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("running the guestbook: %v", err)
		}
	})
	t.Cleanup(stop)
	return g, stop
}

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	return answer(t, resp)
}

func answer(t *testing.T, resp *http.Response) (int, string) {
	t.Helper()
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

// One posted message is one trace through all parts down to the insert, has a
// log of the same trace, and is counted under the names of the Python original.
func TestPostedMessageIsOneTrace(t *testing.T) {
	got, endpoint := startOTLP(t)
	g, stop := start(t, Settings{OTLP: endpoint})
	resp, err := http.PostForm("http://"+g.Address(Frontend)+"/post", url.Values{"name": {"Ada"}, "message": {"<b>hello</b> & goodbye"}})
	if err != nil {
		t.Fatal(err)
	}
	if status, body := answer(t, resp); status != http.StatusOK || !strings.Contains(body, "hello &amp; goodbye") {
		t.Errorf("after posting: got %d %s; want the page with the message", status, body)
	}
	_, exposed := get(t, "http://"+g.Address(Backend)+"/metrics")
	for _, want := range []string{
		`flask_http_request_total{method="POST",status="201"} 1`,
		`flask_http_request_total{method="GET",status="201"} 1`,
		`flask_http_request_duration_seconds_count{method="POST",path="/messages",status="201"} 1`,
		`process_cpu_seconds_total`,
	} {
		if !strings.Contains(exposed, want) {
			t.Errorf("/metrics of the backend: got no %q in\n%s", want, exposed)
		}
	}
	stop()

	chain := []string{
		"guestbook-frontend Server: POST /post",
		"guestbook-frontend Client: POST /messages",
		"guestbook-backend Server: POST /messages",
		"guestbook-backend Client: POST /messages",
		"guestbook-store Server: POST /messages",
		"guestbook-store Client: INSERT messages",
	}
	var parent ptrace.Span
	for i, name := range chain {
		span, ok := got.spans[name]
		if !ok {
			t.Fatalf("got no span %q", name)
		}
		if i > 0 && (span.TraceID() != parent.TraceID() || span.ParentSpanID() != parent.SpanID()) {
			t.Errorf("%s: got parent %s in trace %s; want %s in %s", name, span.ParentSpanID(), span.TraceID(), parent.SpanID(), parent.TraceID())
		}
		parent = span
	}
	if traceID := got.logs["message stored"]; traceID != parent.TraceID().String() {
		t.Errorf("log of the insert: got trace id %q; want %s", traceID, parent.TraceID())
	}
	for _, name := range []string{"http.server.request.duration", "http.client.request.duration", "db.client.operation.duration"} {
		if !got.metrics[name] {
			t.Errorf("got no metric %s; have %v", name, got.metrics)
		}
	}
}

// A guestbook that was told to be quiet has sent its last telemetry, sends no
// more, and is still there to be scraped.
func TestQuiet(t *testing.T) {
	got, endpoint := startOTLP(t)
	g, stop := start(t, Settings{OTLP: endpoint})
	get(t, "http://"+g.Address(Frontend)+"/")
	g.Quiet(t.Context())
	got.mu.Lock()
	if len(got.spans) == 0 || len(got.metrics) == 0 {
		t.Errorf("when quiet: got %d spans and %d metrics; want those of the request", len(got.spans), len(got.metrics))
	}
	clear(got.spans)
	clear(got.metrics)
	got.mu.Unlock()
	for _, part := range Parts {
		if status, _ := get(t, "http://"+g.Address(part)+"/metrics"); status != http.StatusOK {
			t.Errorf("/metrics of the quiet %s: got %d; want 200", part, status)
		}
	}
	get(t, "http://"+g.Address(Frontend)+"/")
	stop()
	if len(got.spans) > 0 || len(got.metrics) > 0 {
		t.Errorf("after Quiet: got spans %v and metrics %v; want none", got.spans, got.metrics)
	}
}

func TestStatuses(t *testing.T) {
	g, _ := start(t, Settings{})
	backend, frontend := "http://"+g.Address(Backend), "http://"+g.Address(Frontend)
	f := func(method, url, kind, body string, want int) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", kind)
		resp, err := http.DefaultTransport.RoundTrip(req) // redirects are not followed
		if err != nil {
			t.Fatal(err)
		}
		if got, text := answer(t, resp); got != want {
			t.Errorf("%s %s: got %d %s; want %d", method, url, got, text, want)
		}
	}
	const form = "application/x-www-form-urlencoded"
	f("GET", backend+"/messages", "", "", 201)
	f("POST", backend+"/messages", "application/json", `{"author":"a","message":"m"}`, 201)
	f("POST", backend+"/messages", "text/plain", `{"author":"a","message":"m"}`, 415)
	f("POST", backend+"/messages", "application/json", `{"author":"a"}`, 400)
	f("POST", backend+"/messages", "application/json", `nonsense`, 400)
	f("POST", backend+"/messages", "application/json", `{"author":"a","message":"`+strings.Repeat("x", 1001)+`"}`, 400)
	f("POST", backend+"/messages", "application/json", `{"author":"a","message":"`+strings.Repeat("x", 70_000)+`"}`, 400)
	f("DELETE", backend+"/messages", "", "", 405)
	f("GET", backend+"/nothing", "", "", 404)
	f("GET", frontend+"/", "", "", 200)
	f("POST", frontend+"/post", form, "name=a&message=m", 302)
	f("POST", frontend+"/post", form, "name=a", 400)
	f("GET", frontend+"/post", "", "", 405)
	_, exposed := get(t, backend+"/metrics")
	if want := `flask_http_request_duration_seconds_count{method="GET",path="unknown",status="404"} 1`; !strings.Contains(exposed, want) {
		t.Errorf("got no %q in\n%s", want, exposed)
	}
}

// Errors on purpose reach the browser as a page that names the trace.
func TestErrorsOnPurpose(t *testing.T) {
	g, _ := start(t, Settings{Errors: 1})
	status, body := get(t, "http://"+g.Address(Frontend)+"/")
	if status != http.StatusInternalServerError || !strings.Contains(body, "Its trace: <code>") {
		t.Errorf("got %d %s; want 500 and the trace", status, body)
	}
	_, exposed := get(t, "http://"+g.Address(Backend)+"/metrics")
	if want := "flask_http_request_exceptions_total 1"; !strings.Contains(exposed, want) {
		t.Errorf("got no %q in\n%s", want, exposed)
	}
}

// Messages are there after a restart, the newest first, and no more than shown.
func TestMessagesStay(t *testing.T) {
	file := filepath.Join(t.TempDir(), "folder", "guest book?.db")
	g, stop := start(t, Settings{Database: file})
	for range maxListed {
		if err := newRemoteFor(t, g).insert(t.Context(), message{Author: "a", Message: "old"}); err != nil {
			t.Fatal(err)
		}
	}
	if err := newRemoteFor(t, g).insert(t.Context(), message{Author: "a", Message: "new"}); err != nil {
		t.Fatal(err)
	}
	stop()
	g, _ = start(t, Settings{Database: file})
	_, body := get(t, "http://"+g.Address(Backend)+"/messages")
	var all []message
	if err := json.Unmarshal([]byte(body), &all); err != nil {
		t.Fatalf("%v in %s", err, body)
	}
	if len(all) != maxListed || all[0].Message != "new" || all[1].Message != "old" {
		t.Errorf("got %d messages, first %+v; want %d, first the new one", len(all), all[0], maxListed)
	}
}

func newRemoteFor(t *testing.T, g *Guestbook) *remote {
	tel, err := newTelemetry(t.Context(), Backend, false, Settings{})
	if err != nil {
		t.Fatal(err)
	}
	return newRemote(tel, g.Address(Store))
}

func TestClean(t *testing.T) {
	for in, want := range map[string]string{
		" plain ":                        "plain",
		"<script>alert(1)</script>hello": "alert(1)hello",
		"a &amp; b &lt;i&gt;":            "a & b <i>",
		"1 < 2 & 3":                      "1 < 2 & 3",
		"<img src=x onerror=alert(1)>":   "",
	} {
		if got := clean(in); got != want {
			t.Errorf("clean(%q): got %q; want %q", in, got, want)
		}
	}
}

func TestOpenNamesTheTakenPort(t *testing.T) {
	server := httptest.NewServer(nil)
	defer server.Close()
	address := strings.TrimPrefix(server.URL, "http://")
	_, err := Open(Settings{Frontend: "127.0.0.1:0", Backend: address})
	if err == nil || !strings.Contains(err.Error(), "listening on "+address+" for the backend") {
		t.Errorf("got %v; want an error that names %s and the backend", err, address)
	}
}
