// Package jaegertest runs the real Jaeger of tools/jaeger, for what sends to it.
//
// It stands at the end of a test's collector, as a process of its own that keeps
// its spans in memory, and is asked by Jaeger's own API.
//
// Invariant: all addresses are ports of 127.0.0.1 that were free, and the process
// ends with the test.
package jaegertest

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// buildJaeger builds the real Jaeger, once for all tests of a process, and keeps
// it in the user's cache under the content of its module's files.
var buildJaeger = sync.OnceValues(func() (string, error) {
	module, err := module()
	if err != nil {
		return "", err
	}
	hash := sha256.New()
	for _, name := range []string{"go.mod", "go.sum"} {
		b, err := os.ReadFile(filepath.Join(module, name))
		if err != nil {
			return "", err
		}
		hash.Write(b)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	bin := filepath.Join(cache, "signalbox", "jaeger", hex.EncodeToString(hash.Sum(nil)[:8]), "all-in-one")
	if _, err := os.Stat(bin); err == nil {
		return bin, nil
	}
	made := fmt.Sprintf("%s.%d", bin, os.Getpid()) // complete before it has the name
	out, err := exec.Command("go", "build", "-C", module, "-o", made, "github.com/jaegertracing/jaeger/cmd/all-in-one").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("building Jaeger: %w\n%s", err, out)
	}
	return bin, os.Rename(made, bin)
})

// module is the folder of Jaeger's module, from wherever in the tree a test runs.
func module() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for at := dir; ; at = filepath.Dir(at) {
		module := filepath.Join(at, "tools", "jaeger")
		if _, err := os.Stat(filepath.Join(module, "go.mod")); err == nil {
			return module, nil
		}
		if at == filepath.Dir(at) {
			return "", fmt.Errorf("no tools/jaeger above %s", dir)
		}
	}
}

// Jaeger is a running Jaeger, and the addresses at which it listens.
type Jaeger struct {
	GRPC  string // Jaeger's own protocol, 14250 elsewhere
	HTTP  string // Jaeger Thrift, 14268 elsewhere
	OTLP  string // OTLP over gRPC, 4317 elsewhere
	Query string // the page and its API, 16686 elsewhere
	flags []string
	cmd   *exec.Cmd
	ended chan error
}

// Start runs a Jaeger with these flags added, until the test ends.
func Start(t *testing.T, flags ...string) *Jaeger {
	t.Helper()
	ports := freePorts(t, 5)
	j := &Jaeger{GRPC: ports[0], HTTP: ports[1], OTLP: ports[2], Query: ports[3]}
	j.flags = append([]string{
		"--collector.grpc-server.host-port", j.GRPC, "--collector.http-server.host-port", j.HTTP,
		"--collector.otlp.enabled", "--collector.otlp.grpc.host-port", j.OTLP, "--collector.otlp.http.host-port", "127.0.0.1:0",
		"--query.http-server.host-port", j.Query, "--query.grpc-server.host-port", ports[4],
		"--admin.http.host-port", "127.0.0.1:0", "--http-server.host-port", "127.0.0.1:0",
		"--processor.jaeger-binary.server-host-port", "127.0.0.1:0",
		"--processor.jaeger-compact.server-host-port", "127.0.0.1:0",
		"--processor.zipkin-compact.server-host-port", "127.0.0.1:0",
	}, flags...)
	j.Restart(t)
	t.Cleanup(func() { j.Stop(t) })
	return j
}

// Restart runs Jaeger again after a Stop, with nothing in it, and returns when it
// says that it is ready.
func (j *Jaeger) Restart(t *testing.T) {
	t.Helper()
	bin, err := buildJaeger()
	if err != nil {
		t.Fatal(err)
	}
	j.cmd = exec.Command(bin, j.flags...)
	j.ended = make(chan error, 1)
	output, err := j.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	j.cmd.Stdout = j.cmd.Stderr
	if err := j.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ready := make(chan struct{})
	var log strings.Builder // until ready is closed, the scanner's
	go func() {
		lines := bufio.NewScanner(output)
		for seen := false; lines.Scan(); {
			if seen {
				continue
			}
			fmt.Fprintln(&log, lines.Text())
			if seen = strings.Contains(lines.Text(), `"status":"ready"`); seen {
				close(ready)
			}
		}
		j.ended <- j.cmd.Wait()
	}()
	select {
	case <-ready:
	case err := <-j.ended:
		j.cmd = nil
		t.Fatalf("Jaeger ended: %v\n%s", err, &log)
	case <-time.After(30 * time.Second):
		t.Fatal("Jaeger is not ready after 30 s")
	}
}

// Stop ends Jaeger, if it runs.
func (j *Jaeger) Stop(t *testing.T) {
	t.Helper()
	if j.cmd == nil {
		return
	}
	if err := j.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Error(err)
	}
	<-j.ended
	j.cmd = nil
}

// Span is a span as Jaeger's query API gives it.
type Span struct {
	TraceID    string      `json:"traceID"`
	SpanID     string      `json:"spanID"`
	Name       string      `json:"operationName"`
	References []Reference `json:"references"`
	StartTime  int64       `json:"startTime"` // microseconds
	Duration   int64       `json:"duration"`
	Tags       []Tag       `json:"tags"`
	Logs       []Log       `json:"logs"`
	Process    Process     `json:"-"`
	ProcessID  string      `json:"processID"`
}

// Reference leads from a span to another.
type Reference struct {
	Type    string `json:"refType"`
	TraceID string `json:"traceID"`
	SpanID  string `json:"spanID"`
}

// Log is an event of a span.
type Log struct {
	Timestamp int64 `json:"timestamp"`
	Fields    []Tag `json:"fields"`
}

// Tag is one tag; its value is as JSON has it.
type Tag struct {
	Key, Type string
	Value     any
}

// Process is what sent spans.
type Process struct {
	ServiceName string `json:"serviceName"`
	Tags        []Tag  `json:"tags"`
}

// Spans asks Jaeger for the spans of a service, in the order of their ids.
func (j *Jaeger) Spans(ctx context.Context, service string) ([]Span, error) {
	query := url.Values{"service": {service}, "limit": {"10000"}, "lookback": {"custom"}, "start": {"0"}, "end": {fmt.Sprint(time.Now().UnixMicro())}}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+j.Query+"/api/traces?"+query.Encode(), nil)
	if err != nil {
		return nil, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		return nil, errors.Join(err, fmt.Errorf("Jaeger answered %s: %s", response.Status, body))
	}
	var answer struct {
		Data []struct {
			Spans     []Span             `json:"spans"`
			Processes map[string]Process `json:"processes"`
		} `json:"data"`
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return nil, err
	}
	var all []Span
	for _, trace := range answer.Data {
		for _, s := range trace.Spans {
			s.Process, s.ProcessID = trace.Processes[s.ProcessID], ""
			slices.SortFunc(s.Tags, func(a, b Tag) int { return strings.Compare(a.Key, b.Key) })
			all = append(all, s)
		}
	}
	slices.SortFunc(all, func(a, b Span) int { return strings.Compare(a.TraceID+a.SpanID, b.TraceID+b.SpanID) })
	return all, nil
}

// Eventually asks Jaeger for a service's spans until it has n. Jaeger answers a
// sender before it has stored what came, and tells nobody when it has.
func (j *Jaeger) Eventually(t *testing.T, service string, n int) []Span {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for {
		spans, err := j.Spans(ctx, service)
		if err == nil && len(spans) >= n {
			return spans
		}
		select {
		case <-ctx.Done():
			t.Fatalf("spans of %s in Jaeger after 20 s: got %d, %v; want %d", service, len(spans), err, n)
		case <-again.C:
		}
	}
}

// freePorts finds ports on localhost that nobody listens on, below those that
// the system gives to connections of other tests.
func freePorts(t *testing.T, n int) []string {
	t.Helper()
	var addresses []string
	for tries := 0; len(addresses) < n; tries++ {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", 10_000+rand.IntN(20_000)))
		if err != nil && tries > 100 {
			t.Fatal(err)
		}
		if err == nil {
			defer l.Close()
			addresses = append(addresses, l.Addr().String())
		}
	}
	return addresses
}
