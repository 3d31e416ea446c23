// Package process runs the programs that the benchmarks measure, and reads what
// the kernel counts of them. It knows Linux only.
//
// Invariant: a program that was started has ended when End or Kill has returned.
package process

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/signalbox-otel/signalbox/bench/cputime"
)

// Process is a program that was started.
type Process struct {
	cmd    *exec.Cmd
	output tail
	ended  chan struct{} // closed when it has ended
	err    error         // why; not before ended is closed
}

// Start runs a program. What it writes is kept for the messages of errors.
func Start(name string, args ...string) (*Process, error) { return StartWith(nil, name, args...) }

// StartWith is Start with more variables in the environment, as NAME=value.
func StartWith(env []string, name string, args ...string) (*Process, error) {
	p := &Process{cmd: exec.Command(name, args...), ended: make(chan struct{})}
	p.cmd.Env = append(os.Environ(), env...)
	p.cmd.Stdout, p.cmd.Stderr = &p.output, &p.output
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting %s: %w", name, err)
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.ended)
	}()
	return p, nil
}

// Await returns when ready no longer returns an error. It asks very often, so
// that the time until then is exact.
func (p *Process) Await(ctx context.Context, ready func(context.Context) error) error {
	for {
		err := ready(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-p.ended:
			return fmt.Errorf("%s ended (%v): %s", p.cmd.Path, p.err, p.output.String())
		case <-ctx.Done():
			return fmt.Errorf("waiting for %s: %w: %s", p.cmd.Path, err, p.output.String())
		case <-time.After(2 * time.Millisecond):
		}
	}
}

// Listens returns once the program accepts connections at the address.
func (p *Process) Listens(ctx context.Context, address string) error {
	return p.Await(ctx, func(context.Context) error {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			return err
		}
		return conn.Close()
	})
}

// CPU is the user and system time that the program has taken.
func (p *Process) CPU() (time.Duration, error) { return cputime.Of(p.cmd.Process.Pid) }

// Memory is the program's memory in bytes, by the kernel's names.
func (p *Process) Memory() (map[string]int64, error) { return Memory(p.cmd.Process.Pid) }

// End asks the program to end, as an operator would, and waits for it. That the
// signal itself ends it is no error. When it has not ended by ctx's end it is
// killed.
func (p *Process) End(ctx context.Context) error {
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // gone already is as good
	select {
	case <-p.ended:
	case <-ctx.Done():
		p.Kill()
		return fmt.Errorf("ending %s: %w", p.cmd.Path, ctx.Err())
	}
	if p.err != nil && !p.terminated() {
		return fmt.Errorf("%s ended: %w: %s", p.cmd.Path, p.err, p.output.String())
	}
	return nil
}

// terminated says that the signal of End ended it. It must have ended.
func (p *Process) terminated() bool {
	status, ok := p.cmd.ProcessState.Sys().(syscall.WaitStatus)
	return ok && status.Signaled() && status.Signal() == syscall.SIGTERM
}

// Kill ends the program if it still runs.
func (p *Process) Kill() {
	_ = p.cmd.Process.Kill() // gone already is as good
	<-p.ended
}

// Memory is what the kernel says of a process's memory, in bytes, by its names
// for it, as VmHWM.
func Memory(pid int) (map[string]int64, error) {
	f, err := os.Open(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	sizes := map[string]int64{}
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), ":")
		if kB, isSize := strings.CutSuffix(strings.TrimSpace(value), " kB"); isSize {
			n, err := strconv.ParseInt(kB, 10, 64)
			if err != nil {
				return nil, fmt.Errorf("reading the memory of process %d: %w", pid, err)
			}
			sizes[name] = n * 1024
		}
	}
	return sizes, lines.Err()
}

// FreePorts returns TCP ports of the loopback that nobody listens on now.
func FreePorts(n int) ([]int, error) {
	var ports []int
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer l.Close() // only when all are found, so that they differ
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
	}
	return ports, nil
}

// tail keeps the end of what is written to it.
type tail struct {
	mu   sync.Mutex
	text []byte
}

// tailBytes is enough for the last lines of a log.
const tailBytes = 4096

func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, b...)
	if extra := len(t.text) - tailBytes; extra > 0 {
		t.text = append(t.text[:0], t.text[extra:]...)
	}
	return len(b), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.text)
}
