package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/signalbox-otel/signalbox/bench/process"
	"github.com/signalbox-otel/signalbox/internal/ingest"
	"github.com/signalbox-otel/signalbox/internal/store"
)

// storeOnly leaves out of what `signalbox up` runs all that peers do not do
// either: metrics made of spans, and its own metrics.
const storeOnly = `
service:
  pipelines:
    traces: { exporters: [store] }
    metrics/made-here: { receivers: [otlp] }
`

// signalbox is `signalbox up` as users have it, or with a configuration more.
func signalbox(name, binary, config string, spans, logs int) contender {
	start := func(ctx context.Context, dir string) (*instance, error) {
		return startSignalbox(ctx, binary, config, dir)
	}
	return contender{name: name, spans: spans, logs: logs, start: start, settled: sealed}
}

func startSignalbox(ctx context.Context, binary, config, dir string) (*instance, error) {
	ports, err := process.FreePorts(4)
	if err != nil {
		return nil, err
	}
	args := []string{"up", "--data-dir", filepath.Join(dir, "data"), "--without", "jaeger,zipkin",
		"--port", strconv.Itoa(ports[0]), "--otlp-http-port", strconv.Itoa(ports[1]),
		"--otlp-grpc-port", strconv.Itoa(ports[2]), "--telemetry-port", strconv.Itoa(ports[3])}
	if config != "" {
		file := filepath.Join(dir, "config.yaml")
		if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
			return nil, err
		}
		args = append(args, "--config", file)
	}
	begun := time.Now()
	p, err := process.Start(binary, args...)
	if err != nil {
		return nil, err
	}
	api := api{fmt.Sprintf("http://%s/api/signalbox/v1/", local(ports[0]))}
	i := &instance{http: local(ports[1]), grpc: local(ports[2]), processes: []*process.Process{p},
		count: api.count, recount: api.recount, ask: api.ask}
	err = p.Await(ctx, func(ctx context.Context) error {
		_, _, err := get(ctx, fmt.Sprintf("http://%s/healthz", local(ports[0])), "")
		return err
	})
	i.answering = time.Since(begun)
	if err != nil {
		i.kill()
		return nil, err
	}
	return i, nil
}

// sealed makes blocks of what is still in the log, as happens within an hour.
func sealed(ctx context.Context, dir string, _ store.Kind) (int64, error) {
	dir = filepath.Join(dir, "data", "store")
	o := store.NewDefaultOptions()
	o.Decode, o.MaxAge, o.MaxBytes = ingest.Decode, 0, 0
	s, err := store.Open(dir, o)
	if err != nil {
		return 0, err
	}
	if err := errors.Join(s.Flush(ctx), s.Close()); err != nil {
		return 0, err
	}
	return allocated(dir)
}

// api is Signalbox's own API.
type api struct{ base string }

func (a api) count(ctx context.Context, k store.Kind) (int, error) {
	var status struct {
		Store struct {
			Spans, Logs struct {
				Records int `json:"records"`
			}
		} `json:"store"`
	}
	_, err := askJSON(ctx, a.base+"status", &status)
	if k == store.Logs {
		return status.Store.Logs.Records, err
	}
	return status.Store.Spans.Records, err
}

// recount looks at all records: the histogram of log records and the heatmap of
// spans count them. It asks for one hour after the other, as a question must be
// answered in 10 s.
func (a api) recount(ctx context.Context, k store.Kind, start, end time.Time) (sum int, err error) {
	path := "traces/heatmap"
	if k == store.Logs {
		path = "logs/volume"
	}
	for ; start.Before(end); start = start.Add(time.Hour) {
		var counted struct {
			Total  int
			Report struct{ Partial bool }
		}
		if _, err := askJSON(ctx, a.base+path+"?"+between(start, start.Add(time.Hour)).Encode(), &counted); err != nil {
			return 0, err
		}
		if counted.Report.Partial {
			return 0, fmt.Errorf("the answer to %s is not whole", path)
		}
		sum += counted.Total
	}
	return sum, nil
}

// between are the parameters of a time range.
func between(start, end time.Time) url.Values {
	return url.Values{"start": {start.UTC().Format(time.RFC3339Nano)}, "end": {end.UTC().Format(time.RFC3339Nano)}}
}

func (a api) ask(ctx context.Context, q question) (answer, error) {
	times := between(q.start, q.end)
	switch q.kind {
	case oneTrace:
		return a.list(ctx, "traces/"+q.trace.String(), nil, "spans")
	case byMinute:
		times.Set("step", "1m")
		return a.list(ctx, "services", times, "services")
	}
	times.Set("limit", strconv.Itoa(searchLimit))
	if q.kind == searchLogs {
		times.Set("q", strconv.Quote(q.text))
		return a.list(ctx, "logs", times, "logs")
	}
	times.Set("q", condition(q))
	if q.kind == searchSpans {
		return a.list(ctx, "spans", times, "spans")
	}
	return a.list(ctx, "traces", times, "traces")
}

// condition is the question in the language of searches.
func condition(q question) string {
	c := fmt.Sprintf("span.%s = %q", q.key, q.value)
	if q.operation != "" {
		c = fmt.Sprintf("resource.service.name = %q && name = %q && %s && duration >= %s", q.service, q.operation, c, q.least)
	}
	return c
}

// list asks for a list in an answer.
func (a api) list(ctx context.Context, path string, params url.Values, name string) (answer, error) {
	var all map[string]json.RawMessage
	took, err := askJSON(ctx, a.base+path+"?"+params.Encode(), &all)
	if err != nil {
		return answer{}, err
	}
	var report struct{ Partial bool }
	if text := all["report"]; text != nil {
		err = json.Unmarshal(text, &report)
	}
	if err != nil || report.Partial {
		return answer{}, errors.Join(err, fmt.Errorf("the answer to %s is not whole: %s", path, all["report"]))
	}
	var list []json.RawMessage
	err = json.Unmarshal(all[name], &list)
	return answer{took, len(list)}, err
}
