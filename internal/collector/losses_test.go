package collector

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/signalbox-otel/signalbox/internal/collector/ledger"
)

// startLosing starts a collector whose OTLP receiver listens at addr and whose
// pipeline of traces goes through processors to exporter, both in YAML.
func startLosing(t *testing.T, processors, exporter string) (c *running, addr string) {
	t.Helper()
	addr = freePort(t)
	var names []string
	for line := range strings.Lines(processors) {
		if name, _, ok := strings.Cut(line, ":"); ok && !strings.HasPrefix(line, " ") {
			names = append(names, name)
		}
	}
	name, _, _ := strings.Cut(exporter, ":")
	config := fmt.Sprintf("receivers:\n  otlp: {protocols: {http: {endpoint: %q}}}\nprocessors:\n%sexporters:\n%s\nservice:\n  telemetry: {metrics: {level: none}}\n  pipelines:\n    traces: {receivers: [otlp], processors: [%s], exporters: [%s]}\n",
		addr, indented(processors), indented(exporter), strings.Join(names, ", "), name)
	file := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := newRunning(t.Context(), Settings{ConfigURIs: []string{file}, LoggingOptions: []zap.Option{
		zap.WrapCore(func(zapcore.Core) zapcore.Core { return zapcore.NewNopCore() }),
	}})
	if err != nil {
		t.Fatalf("%v of\n%s", err, config)
	}
	return c, addr
}

func indented(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		b.WriteString("  " + line)
	}
	return b.String()
}

// sendSpans sends one request of n spans, and gives the status of the answer.
func sendSpans(t *testing.T, addr string, n int) int {
	t.Helper()
	span := `{"traceId":"0af7651916cd43dd8448eb211c80319c","spanId":"b7ad6b7169203331","name":"a","startTimeUnixNano":"1","endTimeUnixNano":"2"}`
	body := `{"resourceSpans":[{"scopeSpans":[{"spans":[` + strings.TrimSuffix(strings.Repeat(span+",", n), ",") + `]}]}]}`
	resp, err := http.Post("http://"+addr+"/v1/traces", "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	return resp.StatusCode
}

// lost lists the accounts as "kind component outcome reason items".
func lost(c *running) []string {
	var list []string
	for _, a := range c.ledger.Accounts() {
		if a.Outcome != ledger.Retried {
			list = append(list, fmt.Sprintf("%s %s %s %s %d", a.Kind, a.Component, a.Outcome, a.Reason, a.Items))
		}
	}
	return list
}

// await asks until got is true. The pipelines work in goroutines of their own
// and tell nobody when they are through, so there is nothing else to wait on.
func await(t *testing.T, what string, got func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !got() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("waited for %s", what)
		}
	}
}

// peer is an OTLP server that answers as it is told.
func peer(t *testing.T, answer http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(answer)
	t.Cleanup(s.Close)
	return s.URL
}

// Whatever becomes of spans, it is counted once, where it happened and why; and
// once more by the receiver when the sender was told.
func TestEveryLossIsCounted(t *testing.T) {
	const nobody = "http://127.0.0.1:1" // a port that is free now may be given to a peer below
	rejecting := peer(t, func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusBadRequest) })
	unknown := peer(t, http.NotFound)
	locked := peer(t, func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusUnauthorized) })
	busy := peer(t, func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "later", http.StatusServiceUnavailable) })
	partial := peer(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/x-protobuf")
		_, _ = w.Write([]byte{0x0a, 0x02, 0x08, 0x02}) // partial_success { rejected_spans: 2 }
	})
	secure := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(secure.Close)
	otlp := func(endpoint, rest string) string {
		return fmt.Sprintf("otlp_http: {endpoint: %q, retry_on_failure: {enabled: false}%s}\n", endpoint, rest)
	}
	const direct = ", sending_queue: {enabled: false}"
	for _, c := range []struct {
		name, processors, exporter string
		status                     int
		want                       []string
	}{
		{"nobody listens", "", otlp(nobody, ""), 200, []string{"exporter otlp_http failed unreachable 3"}},
		{"nobody listens, and there is no queue", "", otlp(nobody, direct), 503,
			[]string{"receiver otlp refused unreachable 3", "exporter otlp_http refused unreachable 3"}},
		{"a batch hides the error", "batch: {timeout: 1ms}\n", otlp(nobody, direct), 200,
			[]string{"processor batch failed unreachable 3", "exporter otlp_http refused unreachable 3"}},
		{"the peer finds it malformed", "", otlp(rejecting, ""), 200, []string{"exporter otlp_http failed rejected 3"}},
		{"the peer is no OTLP server", "", otlp(unknown, ""), 200, []string{"exporter otlp_http failed unimplemented 3"}},
		{"the peer wants to know who it is", "", otlp(locked, ""), 200, []string{"exporter otlp_http failed unauthorized 3"}},
		{"the peer is busy for too long", "", otlp(busy, ""), 200, []string{"exporter otlp_http failed unavailable 3"}},
		{"the peer keeps a part", "", otlp(partial, ""), 200, []string{"exporter otlp_http failed partial_success 2"}},
		{"the peer's certificate is not trusted", "", otlp(secure.URL, ""), 200, []string{"exporter otlp_http failed tls 3"}},
		{"the peer wants TLS", "", "otlp_grpc: {endpoint: " + secure.Listener.Addr().String() + ", tls: {insecure: true}, retry_on_failure: {enabled: false}, timeout: 2s}\n", 200,
			[]string{"exporter otlp_grpc failed protocol 3"}},
		{"the peer has no TLS", "", "otlp_grpc: {endpoint: " + strings.TrimPrefix(busy, "http://") + ", retry_on_failure: {enabled: false}, timeout: 2s}\n", 200,
			[]string{"exporter otlp_grpc failed tls 3"}},
		{"a filter", "filter: {traces: {span: ['name == \"a\"']}}\n", "nop:\n", 200, []string{"processor filter dropped filtered 3"}},
		{"a sampler", "probabilistic_sampler: {sampling_percentage: 0}\n", "nop:\n", 200, []string{"processor probabilistic_sampler dropped sampled 3"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			running, addr := startLosing(t, c.processors, c.exporter)
			defer running.service.Shutdown(t.Context())
			if got := sendSpans(t, addr, 3); got != c.status {
				t.Errorf("the sender got status %d; want %d", got, c.status)
			}
			await(t, fmt.Sprintf("%q", c.want), func() bool { return len(lost(running)) == len(c.want) })
			if diff := cmp.Diff(c.want, lost(running)); diff != "" {
				t.Errorf("lost (-want +got):\n%s", diff)
			}
		})
	}
}

// A full queue, and what it still holds when the collector stops.
func TestQueueLosses(t *testing.T) {
	asked, answer := make(chan struct{}, 10), make(chan struct{})
	slow := peer(t, func(w http.ResponseWriter, r *http.Request) {
		asked <- struct{}{}
		select {
		case <-answer:
		case <-r.Context().Done():
		}
		http.Error(w, "later", http.StatusServiceUnavailable)
	})
	c, addr := startLosing(t, "", "otlp_http: {endpoint: \""+slow+"\", sending_queue: {queue_size: 2, num_consumers: 1}}\n")
	sendSpans(t, addr, 1)
	<-asked // it has left the queue
	sendSpans(t, addr, 2)
	if got := sendSpans(t, addr, 4); got != http.StatusServiceUnavailable {
		t.Errorf("the queue is full: got status %d; want 503", got)
	}
	if diff := cmp.Diff([]string{"receiver otlp refused queue_full 4", "exporter otlp_http refused queue_full 4"}, lost(c)); diff != "" {
		t.Errorf("the queue is full, lost (-want +got):\n%s", diff)
	}
	close(answer)
	await(t, "the first to be tried again", func() bool {
		list := c.ledger.Accounts()
		return len(list) > 2 && list[0].Outcome == ledger.Retried && list[0].Reason == ledger.Unavailable
	})
	if err := c.service.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got, want := lost(c)[0], "exporter otlp_http failed shutdown 3"; got != want {
		t.Errorf("stopped: got %q; want %q", got, want)
	}
}

// A tail sampler drops traces long after it took them.
func TestTailSamplingLosses(t *testing.T) {
	c, addr := startLosing(t, "tail_sampling: {decision_wait: 1s, policies: [{name: slow, type: latency, latency: {threshold_ms: 1000}}]}\n", "nop:\n")
	defer c.service.Shutdown(t.Context())
	sendSpans(t, addr, 3)
	if got := lost(c); len(got) != 0 {
		t.Errorf("undecided: lost %q; want nothing", got)
	}
	await(t, "the decision", func() bool { return len(lost(c)) == 1 })
	if got, want := lost(c)[0], "processor tail_sampling dropped sampled 3"; got != want {
		t.Errorf("got %q; want %q", got, want)
	}
}

// A memory limiter at its limit.
func TestMemoryLimiterLosses(t *testing.T) {
	c, addr := startLosing(t, "memory_limiter: {check_interval: 10ms, limit_mib: 1}\n", "nop:\n")
	defer c.service.Shutdown(t.Context())
	await(t, "a refusal", func() bool { return sendSpans(t, addr, 1) != http.StatusOK })
	for i, want := range []string{"receiver otlp refused memory_limit ", "processor memory_limiter refused memory_limit "} {
		if got := lost(c); len(got) != 2 || !strings.HasPrefix(got[i], want) {
			t.Errorf("got %q; want %q", got, want)
		}
	}
}

// Losses are metrics, with an account's fields as labels, and in the answer about
// pipelines, with the error.
func TestLossesAreShown(t *testing.T) {
	otlp, metrics, query := freePort(t), freePort(t), freePort(t)
	config := otlpConfig(otlp, metrics)
	config = strings.Replace(config, "exporters:", "processors:\n  filter: {traces: {span: ['true']}}\nextensions:\n  query: {endpoint: "+query+", directory: "+t.TempDir()+"}\nexporters:", 1)
	config = strings.Replace(config, "receivers: [otlp]", "receivers: [otlp]\n      processors: [filter]", 1)
	config = strings.Replace(config, "service:", "service:\n  extensions: [query]", 1)
	c := startCollector(t, config)
	defer func() { c.stop(); <-c.done }()
	sendSpans(t, otlp, 2)
	want := `signalbox_pipeline_dropped_items_total{component="filter",kind="processor",`
	if got := fetch(t, "http://"+metrics+"/metrics"); !strings.Contains(got, want) {
		t.Errorf("metrics: got none of %s in\n%s", want, got)
	}
	var answer struct {
		Losses    []struct{ Kind, Component, Signal, Outcome, Reason string }
		Listeners []struct{ Receiver, Protocol, Address string }
		Exits     []struct{ Exporter, Endpoint string }
		Telemetry string
	}
	if err := json.Unmarshal([]byte(fetch(t, "http://"+query+"/api/signalbox/v1/pipelines")), &answer); err != nil {
		t.Fatal(err)
	}
	got := fmt.Sprint(answer)
	if want := "{[{processor filter traces dropped filtered}] [{otlp http " + otlp + "}] [{nop } {otlp/old_name 127.0.0.1:1}] " + metrics + "}"; got != want {
		t.Errorf("got %s; want %s", got, want)
	}
}
