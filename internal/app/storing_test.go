package app

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"
)

// storing is a real collector process with a store, for tests that kill it or
// take its disk or memory.
type storing struct {
	t                *testing.T
	config           string
	ui, grpc, inHTTP string // addresses
	dir              string // of the data
	env              []string

	cmd   *exec.Cmd
	ended <-chan error
}

const storingConfig = `
extensions:
  query: {endpoint: %q, directory: %q, retention: {max_size: 4GiB}}
receivers:
  otlp:
    protocols:
      grpc: {endpoint: %q, max_recv_msg_size_mib: 32}
      http: {endpoint: %q, max_request_body_size: 33554432}
processors:
  memory_limiter: {check_interval: 100ms, limit_mib: 768, spike_limit_mib: 192}
connectors:
  span_metrics: {aggregation_cardinality_limit: 2000, metrics_flush_interval: 2s}
  service_graph: {metrics_flush_interval: 15s, store: {ttl: 10s, max_items: 50000}}
exporters:
  store:
service:
  extensions: [query]
  telemetry: {metrics: {level: none}, logs: {level: error}}
  pipelines:
    traces: {receivers: [otlp], processors: [memory_limiter], exporters: [store, span_metrics, service_graph]}
    logs: {receivers: [otlp], processors: [memory_limiter], exporters: [store]}
    metrics: {receivers: [otlp, span_metrics, service_graph], exporters: [store]}
`

// newStoring prepares a process whose data is in dir. It does not run yet.
func newStoring(t *testing.T, dir string) *storing {
	t.Helper()
	s := &storing{t: t, ui: freeAddress(t), grpc: freeAddress(t), inHTTP: freeAddress(t), dir: dir, config: filepath.Join(t.TempDir(), "config.yaml")}
	text := fmt.Appendf(nil, storingConfig, s.ui, dir, s.grpc, s.inHTTP)
	if err := os.WriteFile(s.config, text, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.kill)
	return s
}

// start runs the process and returns when it takes data.
func (s *storing) start() {
	s.t.Helper()
	s.cmd = exec.CommandContext(context.WithoutCancel(s.t.Context()), "signalbox", "collector", "--config", s.config)
	s.cmd.Env = append(os.Environ(), s.env...)
	s.cmd.Stderr = s.t.Output()
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func(cmd *exec.Cmd) { ended <- cmd.Wait() }(s.cmd)
	s.ended = ended
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		resp, err := http.Get("http://" + s.ui + "/healthz")
		if err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return
			}
		}
		select {
		case err := <-ended:
			s.t.Fatalf("the collector ended: %v", err)
		case <-tick.C:
		}
	}
}

// kill ends the process at once, if it runs.
func (s *storing) kill() {
	if s.cmd != nil {
		_ = s.cmd.Process.Kill()
		<-s.ended
		s.cmd = nil
	}
}

// ask asks the own API.
func (s *storing) ask(path string, params url.Values, answer any) {
	s.t.Helper()
	resp, err := http.Get("http://" + s.ui + path + "?" + params.Encode())
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		s.t.Fatalf("%s: got %s, %v: %.500s", path, resp.Status, err, body)
	}
	if err := json.Unmarshal(body, answer); err != nil {
		s.t.Fatalf("%s: %v", path, err)
	}
}

// post sends OTLP protobuf and returns the answer's status and header.
func (s *storing) post(ctx context.Context, signal string, body []byte) (int, http.Header, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+s.inHTTP+"/v1/"+signal, bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	req.Header.Set("Content-Type", "application/x-protobuf")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode, resp.Header, err
}

// number is a setting of a test in the environment.
func number(t *testing.T, name string, otherwise int) int {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("%s=%q is not a number", name, text)
	}
	return n
}
