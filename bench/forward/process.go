package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/signalbox-otel/signalbox/bench/cputime"
)

// configuration is what both contenders run.
const configuration = `
receivers:
  otlp:
    protocols:
      grpc:
        endpoint: %s
processors:
  batch:
exporters:
  otlp_grpc:
    endpoint: %s
    compression: %s
    tls:
      insecure: true
service:
  telemetry:
    metrics:
      readers:
        - pull:
            exporter:
              prometheus:
                host: 127.0.0.1
                port: %d
  pipelines:
    traces:
      receivers: [otlp]
      processors: [batch]
      exporters: [otlp_grpc]
`

// settling is how long a started process is left alone before its idle memory
// is read.
const settling = 3 * time.Second

// megabyte as in the sizes of disks and images.
const megabyte = 1e6

// measure runs c once and adds what it cost to f.
func measure(ctx context.Context, c contender, compression string, spans int, bodies [][]byte, f *figures) error {
	peer, err := listen()
	if err != nil {
		return err
	}
	defer peer.stop()
	p, err := start(ctx, c, compression, peer.address)
	if err != nil {
		return err
	}
	defer p.kill()
	f.startSeconds = append(f.startSeconds, p.started.Seconds()*1000)
	began, err := p.cpu()
	if err != nil {
		return err
	}
	f.startCPU = append(f.startCPU, began.Seconds()*1000)

	select {
	case <-time.After(settling):
	case <-ctx.Done():
		return ctx.Err()
	}
	idle, err := p.status()
	if err != nil {
		return err
	}
	f.idleBytes = append(f.idleBytes, float64(idle["VmRSS"])/megabyte)
	f.heapBytes = append(f.heapBytes, float64(idle["RssAnon"])/megabyte)

	if began, err = p.cpu(); err != nil {
		return err
	}
	if err := send(ctx, p.address, bodies, spans); err != nil {
		return err
	}
	if err := peer.await(ctx, spans); err != nil {
		return err
	}
	ended, err := p.cpu()
	if err != nil {
		return err
	}
	f.perSpan[compression] = append(f.perSpan[compression], float64(spans)/(ended-began).Seconds())
	loaded, err := p.status()
	if err != nil {
		return err
	}
	f.peakBytes[compression] = append(f.peakBytes[compression], float64(loaded["VmHWM"])/megabyte)
	return p.end()
}

// process is a running collector.
type process struct {
	cmd     *exec.Cmd
	address string        // of its receiver
	started time.Duration // from its start until its receiver listened
	output  *bytes.Buffer
	dir     string
	done    chan error
}

func start(ctx context.Context, c contender, compression, peer string) (*process, error) {
	receiver, err := freePort()
	if err != nil {
		return nil, err
	}
	telemetry, err := freePort()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "forward-")
	if err != nil {
		return nil, err
	}
	p := &process{address: fmt.Sprintf("127.0.0.1:%d", receiver), output: &bytes.Buffer{}, dir: dir, done: make(chan error, 1)}
	file := filepath.Join(dir, "config.yaml")
	text := fmt.Sprintf(configuration, p.address, peer, compression, telemetry)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return nil, err
	}
	p.cmd = exec.Command(c.command[0], append(c.command[1:], "--config", file)...)
	p.cmd.Stdout, p.cmd.Stderr = p.output, p.output
	begun := time.Now()
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() { p.done <- p.cmd.Wait() }()
	if err := p.listens(ctx); err != nil {
		p.kill()
		return nil, err
	}
	p.started = time.Since(begun)
	return p, nil
}

// listens returns once the receiver accepts connections.
func (p *process) listens(ctx context.Context) error {
	for ctx.Err() == nil {
		conn, err := net.Dial("tcp", p.address)
		if err == nil {
			return conn.Close()
		}
		select {
		case err := <-p.done:
			return fmt.Errorf("%s ended (%w): %s", p.cmd.Path, err, p.output)
		case <-time.After(time.Millisecond):
		}
	}
	return ctx.Err()
}

// cpu is the user and system time that the process has taken.
func (p *process) cpu() (time.Duration, error) { return cputime.Of(p.cmd.Process.Pid) }

// status is the process's memory in bytes, by the kernel's name for it.
func (p *process) status() (map[string]int64, error) {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		return nil, err
	}
	sizes := map[string]int64{}
	for line := range strings.Lines(string(raw)) {
		name, value, _ := strings.Cut(line, ":")
		number, isSize := strings.CutSuffix(strings.TrimSpace(value), " kB")
		if !isSize {
			continue
		}
		if sizes[name], err = strconv.ParseInt(number, 10, 64); err != nil {
			return nil, err
		}
		sizes[name] *= 1024
	}
	return sizes, nil
}

// end stops the process as an operator would, and waits for it.
func (p *process) end() error {
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	err := <-p.done
	p.done <- nil
	if err != nil {
		return fmt.Errorf("%s ended: %w: %s", p.cmd.Path, err, p.output)
	}
	return nil
}

// kill ends the process if it still runs, and removes its files.
func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	<-p.done
	_ = os.RemoveAll(p.dir)
}

// freePort returns a TCP port of the loopback that nobody listens on now.
func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	return l.Addr().(*net.TCPAddr).Port, l.Close()
}
