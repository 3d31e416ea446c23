package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/signalbox-otel/signalbox/bench/process"
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
	defer p.remove()
	f.startSeconds = append(f.startSeconds, p.started.Seconds()*1000)
	began, err := p.CPU()
	if err != nil {
		return err
	}
	f.startCPU = append(f.startCPU, began.Seconds()*1000)

	select {
	case <-time.After(settling):
	case <-ctx.Done():
		return ctx.Err()
	}
	idle, err := p.Memory()
	if err != nil {
		return err
	}
	f.idleBytes = append(f.idleBytes, float64(idle["VmRSS"])/megabyte)
	f.heapBytes = append(f.heapBytes, float64(idle["RssAnon"])/megabyte)

	if began, err = p.CPU(); err != nil {
		return err
	}
	if err := send(ctx, p.address, bodies, spans); err != nil {
		return err
	}
	if err := peer.await(ctx, spans); err != nil {
		return err
	}
	ended, err := p.CPU()
	if err != nil {
		return err
	}
	f.perSpan[compression] = append(f.perSpan[compression], float64(spans)/(ended-began).Seconds())
	loaded, err := p.Memory()
	if err != nil {
		return err
	}
	f.peakBytes[compression] = append(f.peakBytes[compression], float64(loaded["VmHWM"])/megabyte)
	return p.End(ctx)
}

// collector is a running contender.
type collector struct {
	*process.Process
	address string        // of its receiver
	started time.Duration // from its start until its receiver listened
	dir     string
}

func start(ctx context.Context, c contender, compression, peer string) (*collector, error) {
	ports, err := process.FreePorts(2)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "forward-")
	if err != nil {
		return nil, err
	}
	r := &collector{address: fmt.Sprintf("127.0.0.1:%d", ports[0]), dir: dir}
	file := filepath.Join(dir, "config.yaml")
	text := fmt.Sprintf(configuration, r.address, peer, compression, ports[1])
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return nil, err
	}
	begun := time.Now()
	r.Process, err = process.Start(c.command[0], append(c.command[1:], "--config", file)...)
	if err != nil {
		return nil, err
	}
	if err := r.Listens(ctx, r.address); err != nil {
		r.remove()
		return nil, err
	}
	r.started = time.Since(begun)
	return r, nil
}

// remove ends the collector if it still runs, and removes its files.
func (r *collector) remove() {
	r.Kill()
	_ = os.RemoveAll(r.dir)
}
