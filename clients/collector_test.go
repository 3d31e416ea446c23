package clients

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// collector is one running collector.
type collector struct {
	log   *syncBuffer
	ended chan struct{} // closed when the process has
}

// startCollector runs a collector as a container does, with these variables and
// this configuration over its own, until the test ends, when it must stop as it
// should. It returns when the collector is ready.
func startCollector(t *testing.T, d deployment, env map[string]string, overlay string) *collector {
	t.Helper()
	cmd := d.program(t, env, "--config", "yaml:"+overlay)
	out, in := io.Pipe()
	cmd.Stdout, cmd.Stderr = in, in
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	c := &collector{log: &syncBuffer{}, ended: make(chan struct{})}
	ready := make(chan struct{})
	go func() {
		lines := bufio.NewScanner(out)
		lines.Buffer(nil, 1<<20)
		for told := false; lines.Scan(); {
			fmt.Fprintln(c.log, lines.Text())
			if !told && strings.Contains(lines.Text(), "Everything is ready") {
				close(ready)
				told = true
			}
		}
	}()
	go func() {
		_ = cmd.Wait()
		in.Close()
		close(c.ended)
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-c.ended:
			if !cmd.ProcessState.Success() {
				t.Errorf("%s ended with %s:\n%s", cmd, cmd.ProcessState, c.log)
			}
		case <-time.After(30 * time.Second):
			_ = cmd.Process.Kill()
			t.Errorf("%s did not stop:\n%s", cmd, c.log)
		}
	})
	select {
	case <-ready:
	case <-c.ended:
		t.Fatalf("%s did not start:\n%s", cmd, c.log)
	case <-time.After(30 * time.Second):
		t.Fatalf("%s is not ready after 30 s:\n%s", cmd, c.log)
	}
	return c
}

// program is the command of a container with more flags, in a process without
// what the machine of the test knows of clouds and clusters.
func (d deployment) program(t *testing.T, env map[string]string, more ...string) *exec.Cmd {
	t.Helper()
	program := filepath.Join(t.TempDir(), filepath.Base(d.command[0]))
	if err := os.Symlink(mustAbs(t, binary), program); err != nil {
		t.Fatal(err)
	}
	args := d.command[1:len(d.command):len(d.command)]
	cmd := exec.Command(program, append(args, more...)...)
	cmd.Dir = d.dir
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "NO_PROXY=127.0.0.1,localhost"}
	for _, vars := range []map[string]string{d.env, env} {
		for name, value := range vars {
			cmd.Env = append(cmd.Env, name+"="+value)
		}
	}
	return cmd
}

// next waits for the next call that a peer of the collector has.
func next[T any](t *testing.T, what string, calls <-chan T, c *collector) T {
	t.Helper()
	select {
	case call := <-calls:
		return call
	case <-time.After(time.Minute):
		t.Fatalf("no %s within a minute; the collector says:\n%s", what, c.log)
	case <-c.ended:
		t.Fatalf("waiting for %s: the collector ended; it says:\n%s", what, c.log)
	}
	panic("unreachable")
}

// says waits until the collector's output has a text.
func (c *collector) says(t *testing.T, text string) {
	t.Helper()
	eventually(t, func(context.Context) error {
		if log := c.log.String(); !strings.Contains(log, text) {
			return fmt.Errorf("the collector does not say %q:\n%s", text, log)
		}
		return nil
	})
}

// freePort finds a port of localhost.
func freePort(t *testing.T) int {
	t.Helper()
	l, port, err := listenBelow(func(addr string) (io.Closer, error) { return net.Listen("tcp", addr) })
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	return port
}

// scraped gives the metrics of a collector itself.
func scraped(ctx context.Context, port int) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("http://127.0.0.1:%d/metrics", port), nil)
	if err != nil {
		return "", err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return string(text), err
}
