package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"time"

	"github.com/signalbox-otel/signalbox/bench/cputime"
	"github.com/signalbox-otel/signalbox/bench/process"
	"github.com/signalbox-otel/signalbox/internal/operator/needs"
)

// program is an operator that runs.
type program struct {
	cmd       *exec.Cmd
	startTime time.Duration // until it was ready
	ended     chan error
	stopped   bool
}

// startOperator starts one and waits until it is ready.
func (b *bench) startOperator(ctx context.Context) (*program, error) {
	log, err := b.output("operator.log")
	if err != nil {
		return nil, err
	}
	defer log.Close()
	cmd := exec.Command(b.binary, "operator", "--kubeconfig", b.kubeconfigPath(),
		"--webhook-port", strconv.Itoa(b.ports.webhooks),
		"--metrics-addr", fmt.Sprintf("127.0.0.1:%d", b.ports.metrics), "--metrics-secure=false",
		"--health-probe-addr", fmt.Sprintf("127.0.0.1:%d", b.ports.health), "--workloads-addr=0")
	if b.keep {
		cmd.Args = append(cmd.Args, "--pprof-addr", fmt.Sprintf("127.0.0.1:%d", b.ports.profiles))
	}
	cmd.Env = append(os.Environ(), "NAMESPACE="+needs.Namespace)
	cmd.Stdout, cmd.Stderr = log, log
	began := time.Now()
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &program{cmd: cmd, ended: make(chan error, 1)}
	b.running = p
	go func() { p.ended <- cmd.Wait() }()
	err = poll(ctx, time.Minute, "the operator to be ready", func(ctx context.Context) error {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("http://127.0.0.1:%d/readyz", b.ports.health), nil)
		if err != nil {
			return err
		}
		answer, err := http.DefaultClient.Do(request)
		if err != nil {
			return err
		}
		defer answer.Body.Close()
		if answer.StatusCode != http.StatusOK {
			return errors.New(answer.Status)
		}
		return nil
	})
	if err != nil {
		return nil, errors.Join(err, p.stop())
	}
	p.startTime = time.Since(began)
	return p, nil
}

// stop ends it as a kubelet does. Only the first call does anything.
func (p *program) stop() error {
	if p.stopped {
		return nil
	}
	p.stopped = true
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return fmt.Errorf("ending the operator: %w", err)
	}
	select {
	case err := <-p.ended:
		return err
	case <-time.After(30 * time.Second):
		return errors.Join(errors.New("the operator did not end in 30 s"), p.cmd.Process.Kill())
	}
}

// resident waits until the operator has had nothing to do for a while, and adds
// what it then holds of memory and used of the processor meanwhile.
func (b *bench) resident(ctx context.Context, p *program, s sizes, what, goal string) error {
	before, err := cputime.Of(p.cmd.Process.Pid)
	if err != nil {
		return err
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case err := <-p.ended:
		return fmt.Errorf("the operator ended: %w", err)
	case <-time.After(s.idle):
	}
	after, err := cputime.Of(p.cmd.Process.Pid)
	if err != nil {
		return err
	}
	memory, err := process.Memory(p.cmd.Process.Pid)
	if err != nil {
		return err
	}
	b.table.row(what, goal, "%.1f MB", megabytes(memory["VmRSS"]))
	progress("  of it %.1f MB its own, %.1f MB of files; peak %.1f MB; %.2f s of a processor in %s", megabytes(memory["RssAnon"]), megabytes(memory["RssFile"]), megabytes(memory["VmHWM"]), (after - before).Seconds(), s.idle)
	if b.keep {
		return b.profile(ctx, fmt.Sprintf("heap-%d.pb.gz", len(b.table.rows)))
	}
	return nil
}

// profile keeps what the operator's heap holds.
func (b *bench) profile(ctx context.Context, name string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("http://127.0.0.1:%d/debug/pprof/heap", b.ports.profiles), nil)
	if err != nil {
		return err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	f, err := b.output(name)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, answer.Body)
	return errors.Join(err, f.Close())
}

func megabytes(bytes int64) float64 { return float64(bytes) / 1e6 }
