package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"time"

	"github.com/signalbox-otel/signalbox/bench/process"
	"github.com/signalbox-otel/signalbox/internal/store"
)

// jaegerConfig is Jaeger's own example for Badger, with other ports.
const jaegerConfig = `
service:
  extensions: [jaeger_storage, jaeger_query]
  pipelines:
    traces:
      receivers: [otlp]
      processors: [batch]
      exporters: [jaeger_storage_exporter]
  telemetry:
    metrics: { address: "%[1]s" }
    logs: { level: warn }
extensions:
  jaeger_query:
    storage: { traces: badger }
    http: { endpoint: "%[2]s" }
    grpc: { endpoint: "%[3]s" }
  jaeger_storage:
    backends:
      badger:
        badger:
          directories: { keys: "%[4]s", values: "%[4]s" }
          ephemeral: false
receivers:
  otlp:
    protocols:
      http: { endpoint: "%[5]s" }
      grpc: { endpoint: "%[6]s" }
processors:
  batch:
exporters:
  jaeger_storage_exporter: { trace_storage: badger }
`

// jaeger is Jaeger 2 with Badger.
func jaeger(binary string, spans int) contender {
	start := func(ctx context.Context, dir string) (*instance, error) {
		return startJaeger(ctx, binary, dir)
	}
	settled := func(_ context.Context, dir string, _ store.Kind) (int64, error) {
		return allocated(filepath.Join(dir, "data"))
	}
	return contender{name: "Jaeger, Badger", peer: true, loose: true, spans: spans, start: start, settled: settled}
}

func startJaeger(ctx context.Context, binary, dir string) (*instance, error) {
	ports, err := process.FreePorts(5)
	if err != nil {
		return nil, err
	}
	file := filepath.Join(dir, "jaeger.yaml")
	text := fmt.Sprintf(jaegerConfig, local(ports[0]), local(ports[1]), local(ports[2]), filepath.Join(dir, "data"), local(ports[3]), local(ports[4]))
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return nil, err
	}
	begun := time.Now()
	// It would send traces of itself to whoever listens on port 4317.
	p, err := process.StartWith([]string{"OTEL_TRACES_SAMPLER=always_off"}, binary, "--config", file)
	if err != nil {
		return nil, err
	}
	q := jaegerQuery{api: "http://" + local(ports[1]) + "/api/", metrics: "http://" + local(ports[0]) + "/metrics"}
	i := &instance{http: local(ports[3]), grpc: local(ports[4]), processes: []*process.Process{p}, count: q.count, ask: q.ask}
	err = p.Await(ctx, func(ctx context.Context) error {
		_, _, err := get(ctx, q.api+"services", "")
		return err
	})
	i.answering = time.Since(begun)
	if err == nil {
		err = p.Listens(ctx, i.http)
	}
	if err != nil {
		i.kill()
		return nil, err
	}
	return i, nil
}

// jaegerQuery is Jaeger's query API, in the form that its page uses.
type jaegerQuery struct{ api, metrics string }

// sentSpans finds Jaeger's counter of spans that it has written.
var sentSpans = regexp.MustCompile(`(?m)^otelcol_exporter_sent_spans(?:_total)?\{[^}]*\} (\S+)$`)

// count is what Jaeger says that it has written since it started: it has no
// question for it.
func (j jaegerQuery) count(ctx context.Context, _ store.Kind) (int, error) {
	body, _, err := get(ctx, j.metrics, "")
	if err != nil {
		return 0, err
	}
	found := sentSpans.FindSubmatch(body)
	if found == nil {
		return 0, nil // it makes the counter with the first spans
	}
	n, err := strconv.ParseFloat(string(found[1]), 64)
	return int(n), err
}

func (j jaegerQuery) ask(ctx context.Context, q question) (answer, error) {
	var traces struct {
		Data []struct{ Spans []json.RawMessage }
	}
	switch q.kind {
	case byMinute, searchSpans:
		return answer{}, errNotOffered
	case oneTrace:
		took, err := askJSON(ctx, j.api+"traces/"+q.trace.String(), &traces)
		if err != nil || len(traces.Data) != 1 {
			return answer{took: took}, err
		}
		return answer{took, len(traces.Data[0].Spans)}, nil
	}
	tags, err := json.Marshal(map[string]string{q.key: q.value})
	if err != nil {
		return answer{}, err
	}
	params := url.Values{"service": {q.service}, "tags": {string(tags)}, "limit": {strconv.Itoa(searchLimit)}, "lookback": {"custom"},
		"start": {strconv.FormatInt(q.start.UnixMicro(), 10)}, "end": {strconv.FormatInt(q.end.UnixMicro(), 10)}}
	if q.operation != "" {
		params.Set("operation", q.operation)
		params.Set("minDuration", q.least.String())
	}
	took, err := askJSON(ctx, j.api+"traces?"+params.Encode(), &traces)
	return answer{took, len(traces.Data)}, err
}
