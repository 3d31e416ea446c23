package clients

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// binary is the program under test.
const binary = "../bin/signalbox"

// buildBinary makes binary what the sources say, with the Makefile's settings;
// it does nothing when it is.
func buildBinary(ctx context.Context) error {
	out, err := exec.CommandContext(ctx, "make", "-s", "-C", "..", "build").CombinedOutput()
	if err != nil {
		return fmt.Errorf("building the binary: %w\n%s", err, out)
	}
	return nil
}

// ports are where a signalbox listens, by the flag that says so.
type ports map[string]int

var tcpPorts = []string{"port", "otlp-grpc-port", "otlp-http-port", "jaeger-grpc-port", "jaeger-http-port", "zipkin-port", "telemetry-port"}
var udpPorts = []string{"jaeger-compact-port", "jaeger-binary-port"}

// freePorts finds ports that nobody listens on. All are held open until the
// last is found, so that none is given twice.
func freePorts() (ports, error) {
	p := ports{}
	var held []io.Closer
	defer func() {
		for _, c := range held {
			c.Close()
		}
	}()
	find := func(flags []string, listen func(addr string) (io.Closer, error)) error {
		for _, flag := range flags {
			c, port, err := listenBelow(listen)
			if err != nil {
				return fmt.Errorf("finding a port for --%s: %w", flag, err)
			}
			held, p[flag] = append(held, c), port
		}
		return nil
	}
	return p, errors.Join(
		find(tcpPorts, func(addr string) (io.Closer, error) { return net.Listen("tcp", addr) }),
		find(udpPorts, func(addr string) (io.Closer, error) { return net.ListenPacket("udp", addr) }))
}

// listenBelow opens a port below those that the system gives to connections:
// between the moment when it is found and the one when signalbox opens it, the
// clients of other tests connect.
func listenBelow(listen func(addr string) (io.Closer, error)) (c io.Closer, port int, err error) {
	for range 100 {
		port = 10_000 + rand.IntN(20_000)
		if c, err = listen(net.JoinHostPort("127.0.0.1", strconv.Itoa(port))); err == nil {
			return c, port, nil
		}
	}
	return nil, 0, err
}

// signalbox is one running `signalbox up`.
type signalbox struct {
	cmd   *exec.Cmd
	ports ports
	log   *syncBuffer   // stdout and stderr
	ended chan struct{} // closed when the process has
	err   error         // of the process, once it has ended
}

// start runs `signalbox up` on dir and free ports, and returns when it says that
// it is up.
func start(ctx context.Context, dir string, more ...string) (*signalbox, error) {
	p, err := freePorts()
	if err != nil {
		return nil, err
	}
	args := []string{"up", "--data-dir", dir, "--listen", "127.0.0.1"}
	for flag, port := range p {
		args = append(args, "--"+flag, strconv.Itoa(port))
	}
	args = append(args, more...)
	s := &signalbox{cmd: exec.Command(binary, args...), ports: p, log: &syncBuffer{}, ended: make(chan struct{})}
	stdout, err := s.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	s.cmd.Stderr = s.log
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	isUp := make(chan struct{})
	go s.follow(stdout, isUp)
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	select {
	case <-isUp:
		return s, nil
	case <-s.ended:
		return nil, fmt.Errorf("signalbox up ended: %w\n%s", s.err, s.log)
	case <-ctx.Done():
		return nil, errors.Join(fmt.Errorf("signalbox is not up after 30 s:\n%s", s.log), s.kill())
	}
}

// follow copies stdout to the log, closes isUp at the line that says so, and
// waits for the process.
func (s *signalbox) follow(stdout io.Reader, isUp chan<- struct{}) {
	lines := bufio.NewScanner(stdout)
	for lines.Scan() {
		if isUp != nil && strings.Contains(lines.Text(), " is up.") {
			close(isUp)
			isUp = nil
		}
		fmt.Fprintln(s.log, lines.Text())
	}
	s.err = s.cmd.Wait()
	close(s.ended)
}

// running is an error that says how the process ended, if it did.
func (s *signalbox) running() error {
	select {
	case <-s.ended:
		return fmt.Errorf("signalbox ended: %v\n%s", s.err, s.log)
	default:
		return nil
	}
}

// stop asks the process to end, and returns how it did.
func (s *signalbox) stop(ctx context.Context) error {
	if err := s.running(); err != nil {
		return err
	}
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	select {
	case <-s.ended:
		if s.err != nil {
			return fmt.Errorf("signalbox ended after SIGTERM: %w\n%s", s.err, s.log)
		}
		return nil
	case <-ctx.Done():
		return errors.Join(fmt.Errorf("signalbox did not end after SIGTERM: %w\n%s", ctx.Err(), s.log), s.kill())
	}
}

// kill ends the process at once, as a power cut would.
func (s *signalbox) kill() error {
	err := s.cmd.Process.Kill()
	<-s.ended
	if errors.Is(err, os.ErrProcessDone) {
		return nil
	}
	return err
}

// addr is the address that a flag's port is on.
func (s *signalbox) addr(flag string) string {
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.ports[flag]))
}

// url is the HTTP address that a flag's port is on.
func (s *signalbox) url(flag string) string { return "http://" + s.addr(flag) }

// syncBuffer is a bytes.Buffer for several writers.
type syncBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// startOwn starts a Signalbox for one test, which is to end it.
func startOwn(t *testing.T, dir string, args ...string) *signalbox {
	t.Helper()
	s, err := start(t.Context(), dir, args...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.kill() }) // nothing to end when all went well
	return s
}

func stopOwn(t *testing.T, s *signalbox) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := s.stop(ctx); err != nil {
		t.Fatal(err)
	}
}
