package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/signalbox-otel/signalbox/bench/process"
	"github.com/signalbox-otel/signalbox/internal/store"
)

// contender is a way to store telemetry and to ask for it.
type contender struct {
	name        string
	peer        bool // of others
	spans, logs int  // to send; 0: none
	// loose says that its searches also find traces in which each condition
	// holds for another span.
	loose bool
	// start runs it on a folder, which may have its data of before, and returns
	// once it answers and takes data.
	start func(ctx context.Context, dir string) (*instance, error)
	// settled makes on a folder, after it ended, what it would make some time
	// later, and says how many bytes it then has for records of a kind. When it
	// is nil, the instance says so.
	settled func(ctx context.Context, dir string, k store.Kind) (int64, error)
}

// instance is a contender that runs.
type instance struct {
	http, grpc string // addresses that take OTLP
	processes  []*process.Process
	answering  time.Duration // from its start until it answered
	// count is how many records of a kind it says that it has.
	count func(ctx context.Context, k store.Kind) (int, error)
	// recount is how many it finds by a query from start to end. It is nil when
	// there is no such query.
	recount func(ctx context.Context, k store.Kind, start, end time.Time) (int, error)
	// bytes is what it has on disk for them.
	bytes func(ctx context.Context, k store.Kind) (int64, error)
	// ask gives the answer to a question, or errNotOffered.
	ask func(ctx context.Context, q question) (answer, error)
}

// errNotOffered is the answer to a question that a contender has no answer to.
var errNotOffered = errors.New("not offered")

// cpu is the processor time of all its processes.
func (i *instance) cpu() (sum time.Duration, err error) {
	for _, p := range i.processes {
		used, err := p.CPU()
		if err != nil {
			return 0, err
		}
		sum += used
	}
	return sum, nil
}

// peak is the most memory that its processes have had, in bytes.
func (i *instance) peak() (sum int64, err error) {
	for _, p := range i.processes {
		memory, err := p.Memory()
		if err != nil {
			return 0, err
		}
		sum += memory["VmHWM"]
	}
	return sum, nil
}

// How long contenders may take to start, to end, and to do what they put off.
const (
	startLimit  = 5 * time.Minute
	endLimit    = 2 * time.Minute
	settleLimit = time.Minute
)

// end ends it, the process first that was started last.
func (i *instance) end(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, endLimit)
	defer cancel()
	for n := len(i.processes) - 1; n >= 0; n-- {
		if err := i.processes[n].End(ctx); err != nil {
			return err
		}
	}
	return nil
}

// kill ends what is left of it.
func (i *instance) kill() {
	for _, p := range i.processes {
		p.Kill()
	}
}

// stored waits until what was acknowledged is found, and says how long that took
// from the first request. What is not found within settleLimit may be lost.
func (i *instance) stored(ctx context.Context, k store.Kind, d *delivery) (time.Duration, error) {
	acknowledged := time.Now()
	for {
		held, err := i.count(ctx, k)
		if waited := time.Since(acknowledged); err != nil || held >= d.acknowledged || waited > settleLimit {
			return d.elapsed + waited, err
		}
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// settle waits until it does next to nothing any more: until then it writes,
// seals and merges what it was sent.
func (i *instance) settle(ctx context.Context) error {
	const window, idle = 500 * time.Millisecond, 30 * time.Millisecond
	deadline := time.Now().Add(settleLimit)
	before, err := i.cpu()
	for quiet := 0; err == nil && quiet < 4 && time.Now().Before(deadline); {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(window):
		}
		var now time.Duration
		now, err = i.cpu()
		quiet++
		if now-before > idle {
			quiet = 0
		}
		before = now
	}
	return err
}

// question is one that contenders are asked. Which fields count depends on kind.
type question struct {
	kind       kind
	trace      store.TraceID
	service    string
	operation  string
	key, value string
	least      time.Duration // of a span
	text       string        // in a log record's body
	start, end time.Time
}

// kind is what a question asks for.
type kind int

const (
	oneTrace     kind = iota // all of a trace
	searchTraces             // the newest traces with a span as it is given
	searchSpans              // the newest spans
	searchLogs               // the newest log records
	byMinute                 // p95 and error rate by service and minute
)

// answer is how long an answer took until its last byte, and how many spans of a
// trace, traces, log records or services it has.
type answer struct {
	took  time.Duration
	found int
}

// client asks over one connection.
var client = http.Client{Timeout: 2 * time.Minute}

// get gives the body of an answer and the time until it was there. A body is
// posted when there is one.
func get(ctx context.Context, url, post string) (body []byte, took time.Duration, err error) {
	method := http.MethodGet
	if post != "" {
		method = http.MethodPost
	}
	request, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(post))
	if err != nil {
		return nil, 0, err
	}
	begun := time.Now()
	response, err := client.Do(request)
	if err != nil {
		return nil, 0, err
	}
	defer response.Body.Close()
	body, err = io.ReadAll(response.Body)
	took = time.Since(begun)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s: %.500s", url, response.Status, body)
	}
	return body, took, err
}

// askJSON is get for an answer that is JSON.
func askJSON(ctx context.Context, url string, into any) (took time.Duration, err error) {
	body, took, err := get(ctx, url, "")
	if err != nil {
		return 0, err
	}
	if err := json.Unmarshal(body, into); err != nil {
		return 0, fmt.Errorf("reading the answer of %s: %w", url, err)
	}
	return took, nil
}

// allocated is what the files below a folder take of the disk.
func allocated(dir string) (sum int64, err error) {
	err = filepath.WalkDir(dir, func(_ string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		sum += info.Sys().(*syscall.Stat_t).Blocks * 512
		return nil
	})
	return sum, err
}

// local is the address of a port of this machine.
func local(port int) string { return fmt.Sprintf("127.0.0.1:%d", port) }
