package collector

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// process is a collector in a process of its own, for what a process has only
// once: environment, proxy, trusted certificates.
type process struct {
	ended chan struct{}
	cmd   *exec.Cmd

	mu   sync.Mutex
	text bytes.Buffer
}

// processConfigs is the environment variable that makes this test binary a
// collector: its configurations, as a list in JSON.
const processConfigs = "SIGNALBOX_TEST_CONFIGS"

// TestProcess is no test but the collector that startProcess starts.
func TestProcess(t *testing.T) {
	configs := os.Getenv(processConfigs)
	if configs == "" {
		t.Skip("only for other tests")
	}
	var uris []string
	if err := json.Unmarshal([]byte(configs), &uris); err != nil {
		t.Fatal(err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	err := Run(ctx, Settings{
		ConfigURIs: uris, Version: "v0.0.0-test",
		Ready: func() { fmt.Println("the collector is ready") },
	})
	if err != nil {
		t.Fatal(err)
	}
}

// startProcess starts a collector with these configurations, paths or yaml:, and
// returns when it is ready.
func startProcess(t *testing.T, env map[string]string, configs ...string) *process {
	t.Helper()
	c := &process{ended: make(chan struct{}), cmd: exec.Command(os.Args[0], "-test.run=^TestProcess$", "-test.v")}
	for _, e := range os.Environ() {
		// The test's own machine may be anywhere.
		if name, _, _ := strings.Cut(e, "="); !strings.HasPrefix(name, "GOOGLE_") && !strings.HasPrefix(name, "OTEL_") && name != "HOME" {
			c.cmd.Env = append(c.cmd.Env, e)
		}
	}
	uris, err := json.Marshal(configs)
	if err != nil {
		t.Fatal(err)
	}
	c.cmd.Env = append(c.cmd.Env, processConfigs+"="+string(uris), "HOME="+t.TempDir(), "NO_PROXY=127.0.0.1,localhost")
	for name, value := range env {
		c.cmd.Env = append(c.cmd.Env, name+"="+value)
	}
	out, in := io.Pipe()
	c.cmd.Stdout, c.cmd.Stderr = in, in
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ready := make(chan struct{})
	go c.follow(out, sync.OnceFunc(func() { close(ready) }))
	go func() {
		_ = c.cmd.Wait()
		in.Close()
		close(c.ended)
	}()
	t.Cleanup(func() { _ = c.cmd.Process.Kill() })
	select {
	case <-ready:
	case <-c.ended:
		t.Fatalf("the collector did not start:\n%s", c.log())
	case <-time.After(time.Minute):
		t.Fatalf("the collector is not ready after a minute:\n%s", c.log())
	}
	return c
}

// follow keeps what the collector says.
func (c *process) follow(out io.Reader, ready func()) {
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		c.mu.Lock()
		c.text.Write(lines.Bytes())
		c.text.WriteByte('\n')
		c.mu.Unlock()
		if lines.Text() == "the collector is ready" {
			ready()
		}
	}
}

// log is what the collector said.
func (c *process) log() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.text.String()
}

// stop ends the collector, which must say that all went well.
func (c *process) stop(t *testing.T) {
	t.Helper()
	if err := c.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	select {
	case <-c.ended:
	case <-time.After(time.Minute):
		t.Fatalf("the collector does not stop:\n%s", c.log())
	}
	if !c.cmd.ProcessState.Success() {
		t.Errorf("the collector ended with %s:\n%s", c.cmd.ProcessState, c.log())
	}
}

// post sends OTLP as JSON.
func post(t *testing.T, addr, signal, body string) {
	t.Helper()
	resp, err := http.Post("http://"+addr+"/v1/"+signal, "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(resp.Body)
		t.Fatalf("%s: %s: %s", signal, resp.Status, text)
	}
}

// next waits for the next call.
func next[T any](t *testing.T, what string, calls <-chan T, c *process) T {
	t.Helper()
	select {
	case call := <-calls:
		return call
	case <-time.After(time.Minute):
		t.Fatalf("no %s within a minute; the collector says:\n%s", what, c.log())
	case <-c.ended:
		t.Fatalf("waiting for %s: the collector ended; it says:\n%s", what, c.log())
	}
	panic("unreachable")
}
