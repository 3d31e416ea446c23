package jaegerexporter

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
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
	const module = "../../../tools/jaeger"
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

// jaegerProcess is a running Jaeger that keeps its spans in memory.
type jaegerProcess struct {
	grpc, http, otlp, query string // addresses
	flags                   []string
	cmd                     *exec.Cmd
	ended                   chan error
}

func startJaeger(t *testing.T, flags ...string) *jaegerProcess {
	t.Helper()
	ports := freePorts(t, 5)
	j := &jaegerProcess{grpc: ports[0], http: ports[1], otlp: ports[2], query: ports[3]}
	j.flags = append([]string{
		"--collector.grpc-server.host-port", j.grpc, "--collector.http-server.host-port", j.http,
		"--collector.otlp.enabled", "--collector.otlp.grpc.host-port", j.otlp, "--collector.otlp.http.host-port", "127.0.0.1:0",
		"--query.http-server.host-port", j.query, "--query.grpc-server.host-port", ports[4],
		"--admin.http.host-port", "127.0.0.1:0", "--http-server.host-port", "127.0.0.1:0",
		"--processor.jaeger-binary.server-host-port", "127.0.0.1:0",
		"--processor.jaeger-compact.server-host-port", "127.0.0.1:0",
		"--processor.zipkin-compact.server-host-port", "127.0.0.1:0",
	}, flags...)
	j.start(t)
	t.Cleanup(func() { j.stop(t) })
	return j
}

// start runs Jaeger and returns when it says that it is ready.
func (j *jaegerProcess) start(t *testing.T) {
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

func (j *jaegerProcess) stop(t *testing.T) {
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

// found is a span as Jaeger's query API gives it.
type found struct {
	TraceID    string           `json:"traceID"`
	SpanID     string           `json:"spanID"`
	Name       string           `json:"operationName"`
	References []foundReference `json:"references"`
	StartTime  int64            `json:"startTime"` // microseconds
	Duration   int64            `json:"duration"`
	Tags       []foundTag       `json:"tags"`
	Logs       []foundLog       `json:"logs"`
	Process    foundProcess     `json:"-"`
	ProcessID  string           `json:"processID"`
}

// foundReference leads from a span to another.
type foundReference struct {
	Type    string `json:"refType"`
	TraceID string `json:"traceID"`
	SpanID  string `json:"spanID"`
}

// foundLog is an event of a span.
type foundLog struct {
	Timestamp int64      `json:"timestamp"`
	Fields    []foundTag `json:"fields"`
}

// foundTag is one tag; its value is as JSON has it.
type foundTag struct {
	Key, Type string
	Value     any
}

// foundProcess is what sent spans.
type foundProcess struct {
	ServiceName string     `json:"serviceName"`
	Tags        []foundTag `json:"tags"`
}

// spans asks Jaeger for the spans of a service, in the order of their ids.
func (j *jaegerProcess) spans(ctx context.Context, service string) ([]found, error) {
	query := url.Values{"service": {service}, "limit": {"10000"}, "lookback": {"custom"}, "start": {"0"}, "end": {fmt.Sprint(time.Now().UnixMicro())}}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+j.query+"/api/traces?"+query.Encode(), nil)
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
			Spans     []found                 `json:"spans"`
			Processes map[string]foundProcess `json:"processes"`
		} `json:"data"`
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return nil, err
	}
	var all []found
	for _, trace := range answer.Data {
		for _, s := range trace.Spans {
			s.Process, s.ProcessID = trace.Processes[s.ProcessID], ""
			slices.SortFunc(s.Tags, func(a, b foundTag) int { return strings.Compare(a.Key, b.Key) })
			all = append(all, s)
		}
	}
	slices.SortFunc(all, func(a, b found) int { return strings.Compare(a.TraceID+a.SpanID, b.TraceID+b.SpanID) })
	return all, nil
}

// eventually asks Jaeger for a service's spans until it has n. Jaeger answers a
// sender before it has stored what came, and tells nobody when it has.
func (j *jaegerProcess) eventually(t *testing.T, service string, n int) []found {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for {
		spans, err := j.spans(ctx, service)
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

// freePorts finds ports on localhost that nobody listens on.
func freePorts(t *testing.T, n int) []string {
	t.Helper()
	addresses := make([]string, n)
	for i := range addresses {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		addresses[i] = l.Addr().String()
	}
	return addresses
}
