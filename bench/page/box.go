package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"time"

	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/signalbox-otel/signalbox/bench/cputime"
	"github.com/signalbox-otel/signalbox/bench/process"
	"github.com/signalbox-otel/signalbox/internal/ingest"
	"github.com/signalbox-otel/signalbox/internal/store"
)

// view is where the data is, kept beside it.
type view struct {
	Start, End int64 // of the range, in Unix milliseconds
	Spans      int
	Long       string // the long trace
	Trace      string // one of the others
}

func readView(path string) (v view, err error) {
	b, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(b, &v)
	}
	return v, err
}

func (v view) write(path string) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return os.WriteFile(path, b, 0o644)
}

// box is a running Signalbox.
type box struct {
	base, otlp string
	cmd        *exec.Cmd
	log        bytes.Buffer
}

// start runs a binary on a data directory and free ports.
func start(ctx context.Context, path, dir string) (*box, error) {
	free, err := process.FreePorts(4)
	if err != nil {
		return nil, err
	}
	var ports []string
	for _, port := range free {
		ports = append(ports, strconv.Itoa(port))
	}
	b := &box{base: "http://localhost:" + ports[0], otlp: "http://localhost:" + ports[1]}
	b.cmd = exec.CommandContext(ctx, path, "up", "--data-dir", dir, "--port", ports[0], "--otlp-http-port", ports[1],
		"--otlp-grpc-port", ports[2], "--telemetry-port", ports[3], "--without", "jaeger,zipkin")
	b.cmd.Cancel = func() error { return b.cmd.Process.Signal(syscall.SIGTERM) }
	b.cmd.Stdout, b.cmd.Stderr = &b.log, &b.log
	if err := b.cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting %s: %w", path, err)
	}
	deadline := time.Now().Add(time.Minute)
	for {
		_, err := get(ctx, b.base+"/healthz")
		if err == nil {
			return b, nil
		}
		if ctx.Err() != nil || time.Now().After(deadline) {
			b.stop()
			return nil, fmt.Errorf("waiting for %s: %w\n%s", path, err, b.log.String())
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// stop ends it and waits: the next one takes the same directory.
func (b *box) stop() {
	_ = b.cmd.Process.Signal(syscall.SIGTERM) // gone already is as good
	_ = b.cmd.Wait()
}

// send posts spans as OTLP, again as long as it is told to come back later.
func (b *box) send(ctx context.Context, spans []store.Span) error {
	pointers := make([]*store.Span, len(spans))
	for i := range spans {
		pointers[i] = &spans[i]
	}
	body, err := new(ptrace.ProtoMarshaler).MarshalTraces(ingest.ToTraces(pointers))
	if err != nil {
		return err
	}
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, b.otlp+"/v1/traces", bytes.NewReader(body))
		if err != nil {
			return err
		}
		req.Header.Set("Content-Type", "application/x-protobuf")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return fmt.Errorf("sending spans: %w", err)
		}
		answer, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		switch resp.StatusCode {
		case http.StatusOK:
			return nil
		case http.StatusServiceUnavailable, http.StatusTooManyRequests:
			time.Sleep(200 * time.Millisecond)
		default:
			return fmt.Errorf("sending spans: %s: %s", resp.Status, answer)
		}
	}
}

// cpu is the processor time that the server has used.
func (b *box) cpu() time.Duration {
	used, _ := cputime.Of(b.cmd.Process.Pid) // no Linux: the column stays empty
	return used
}

// get reads an answer as a browser does, compressed, and gives the compressed
// size.
func get(ctx context.Context, url string) (size int, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, err
	}
	req.Header.Set("Accept-Encoding", "gzip, deflate")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s: %.300s", url, resp.Status, body)
	}
	return len(body), err
}
