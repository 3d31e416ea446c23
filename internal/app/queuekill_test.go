package app

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
)

// queueConfig receives at the first address and sends to the second one.
const queueConfig = `
receivers:
  otlp: {protocols: {http: {endpoint: %q}}}
extensions:
  file_storage: {directory: %q}
exporters:
  otlp_http:
    endpoint: http://%s
    compression: none
    sending_queue: {storage: file_storage, queue_size: 100000}
    retry_on_failure: {initial_interval: 100ms, max_interval: 100ms}
service:
  extensions: [file_storage]
  telemetry: {metrics: {level: none}, logs: {level: error}}
  pipelines:
    traces: {receivers: [otlp], exporters: [otlp_http]}
`

// Whenever a collector is killed, what it has acknowledged is in its queue: once
// the peer is there, all of it arrives.
func TestQueueSurvivesKills(t *testing.T) {
	in, peer := freeAddress(t), freeAddress(t)
	dir := t.TempDir()
	config := filepath.Join(dir, "config.yaml")
	if err := os.WriteFile(config, fmt.Appendf(nil, queueConfig, in, dir, peer), 0o600); err != nil {
		t.Fatal(err)
	}
	seed := time.Now().UnixNano()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(uint64(seed), 0))
	acknowledged := map[string]bool{}
	sent := 0
	for range 4 {
		cmd, ended := startCollecting(t, config)
		kill := time.AfterFunc(time.Hour, func() { _ = cmd.Process.Kill() })
		for up := false; ; sent++ {
			name := fmt.Sprint("span ", sent)
			err := postSpan(in, name)
			switch {
			case err == nil && !up: // it listens: its time runs
				up = true
				kill.Reset(time.Duration(random.IntN(300)) * time.Millisecond)
				fallthrough
			case err == nil:
				acknowledged[name] = true
				continue
			case up:
			default:
				select {
				case err := <-ended:
					t.Fatalf("the collector ended: %v", err)
				case <-time.After(5 * time.Millisecond): // until it listens
				}
				continue
			}
			break
		}
		<-ended
	}
	arrived := receiveSpans(t, peer)
	cmd, ended := startCollecting(t, config)
	defer func() {
		_ = cmd.Process.Signal(os.Interrupt)
		<-ended
	}()
	timeout := time.After(60 * time.Second)
	for missing := acknowledged; len(missing) > 0; {
		select {
		case name := <-arrived:
			delete(missing, name)
		case <-timeout:
			t.Fatalf("%d of %d acknowledged spans did not arrive", len(missing), sent)
		}
	}
	t.Logf("%d requests, 4 kills", sent)
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// startCollecting runs the real program, which TestMain has put into PATH.
func startCollecting(t *testing.T, config string) (*exec.Cmd, <-chan error) {
	t.Helper()
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), "signalbox", "collector", "--config", config)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	return cmd, ended
}

// postSpan sends one span; without an error it is acknowledged.
func postSpan(address, name string) error {
	body := `{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"0af7651916cd43dd8448eb211c80319c","spanId":"b7ad6b7169203331","name":"` + name + `","startTimeUnixNano":"1","endTimeUnixNano":"2"}]}]}]}`
	resp, err := http.Post("http://"+address+"/v1/traces", "application/json", bytes.NewReader([]byte(body)))
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("status %s", resp.Status)
	}
	return nil
}

// receiveSpans serves OTLP at an address, and gives the names of the spans that
// come.
func receiveSpans(t *testing.T, address string) <-chan string {
	t.Helper()
	names := make(chan string, 1000)
	done := make(chan struct{})
	s := &http.Server{Addr: address, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		request := ptraceotlp.NewExportRequest()
		if err != nil || request.UnmarshalProto(body) != nil {
			http.Error(w, "not a request", http.StatusBadRequest)
			return
		}
		for _, rs := range request.Traces().ResourceSpans().All() {
			for _, ss := range rs.ScopeSpans().All() {
				for _, span := range ss.Spans().All() {
					select {
					case names <- span.Name():
					case <-done:
					}
				}
			}
		}
	})}
	var serving sync.WaitGroup
	serving.Go(func() { _ = s.ListenAndServe() }) // until Close
	t.Cleanup(func() {
		close(done)
		_ = s.Close()
		serving.Wait()
	})
	return names
}
