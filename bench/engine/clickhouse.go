package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/signalbox-otel/signalbox/bench/process"
	"github.com/signalbox-otel/signalbox/internal/store"
)

// otelcolConfig feeds ClickHouse as the exporter's documentation recommends: it
// batches in its own queue. The queue waits when it is full instead of dropping,
// and is short, so that the exporter does not keep the workload in memory.
const otelcolConfig = `
receivers:
  otlp:
    protocols:
      http: { endpoint: "%[1]s" }
      grpc: { endpoint: "%[2]s" }
exporters:
  clickhouse:
    endpoint: "tcp://%[3]s"
    database: otel
    create_schema: true
    timeout: 60s
    sending_queue:
      queue_size: 50
      block_on_overflow: true
      batch: { min_size: 10000, flush_timeout: 5s }
service:
  telemetry:
    metrics: { level: none }
    logs: { level: warn }
  pipelines:
    traces: { receivers: [otlp], exporters: [clickhouse] }
    logs: { receivers: [otlp], exporters: [clickhouse] }
`

// clickhouseTools is what it takes to run ClickHouse.
type clickhouseTools struct {
	server, library string // that serves, and what it serves
	otelcol         string // with the exporter
}

// clickhouse is ClickHouse with the collector's exporter in front.
func clickhouse(tools clickhouseTools, spans, logs int) contender {
	start := func(ctx context.Context, dir string) (*instance, error) {
		return startClickHouse(ctx, tools, dir)
	}
	return contender{name: "ClickHouse, exporter", peer: true, spans: spans, logs: logs, start: start}
}

func startClickHouse(ctx context.Context, tools clickhouseTools, dir string) (_ *instance, err error) {
	ports, err := process.FreePorts(4)
	if err != nil {
		return nil, err
	}
	data := filepath.Join(dir, "data")
	if err := os.MkdirAll(data, 0o755); err != nil {
		return nil, err
	}
	begun := time.Now()
	server, err := process.Start(tools.server, "-lib", tools.library, "-dir", data,
		"-http", strconv.Itoa(ports[0]), "-tcp", strconv.Itoa(ports[1]))
	if err != nil {
		return nil, err
	}
	db := sql{"http://" + local(ports[0]) + "/"}
	i := &instance{http: local(ports[2]), grpc: local(ports[3]), processes: []*process.Process{server},
		count: db.count, recount: db.recount, bytes: db.bytes, ask: db.ask}
	defer func() {
		if err != nil {
			i.kill()
		}
	}()
	err = server.Await(ctx, func(ctx context.Context) error {
		_, _, err := db.run(ctx, "SELECT 1")
		return err
	})
	if err != nil {
		return nil, err
	}
	i.answering = time.Since(begun)
	if err := server.Listens(ctx, local(ports[1])); err != nil {
		return nil, err
	}
	file := filepath.Join(dir, "otelcol.yaml")
	text := fmt.Sprintf(otelcolConfig, i.http, i.grpc, local(ports[1]))
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return nil, err
	}
	exporter, err := process.Start(tools.otelcol, "--config", file)
	if err != nil {
		return nil, err
	}
	i.processes = append(i.processes, exporter)
	return i, exporter.Listens(ctx, i.http)
}

// sql is ClickHouse's HTTP interface.
type sql struct{ base string }

// run gives the rows of an answer.
func (s sql) run(ctx context.Context, format string, args ...any) (rows [][]string, took time.Duration, err error) {
	body, took, err := get(ctx, s.base, fmt.Sprintf(format, args...)+" FORMAT TSV")
	for row := range strings.Lines(string(body)) {
		rows = append(rows, strings.Split(strings.TrimSuffix(row, "\n"), "\t"))
	}
	return rows, took, err
}

// number gives an answer that is one number.
func (s sql) number(ctx context.Context, format string, args ...any) (int64, error) {
	rows, _, err := s.run(ctx, format, args...)
	if err != nil {
		return 0, err
	}
	if len(rows) != 1 || len(rows[0]) != 1 {
		return 0, fmt.Errorf("ClickHouse answered %v instead of a number", rows)
	}
	return strconv.ParseInt(rows[0][0], 10, 64)
}

func table(k store.Kind) string {
	if k == store.Logs {
		return "otel_logs"
	}
	return "otel_traces"
}

func (s sql) count(ctx context.Context, k store.Kind) (int, error) {
	n, err := s.number(ctx, "SELECT count() FROM otel.%s", table(k))
	return int(n), err
}

func (s sql) recount(ctx context.Context, k store.Kind, start, end time.Time) (int, error) {
	n, err := s.number(ctx, "SELECT count() FROM otel.%s WHERE %s", table(k), within(start, end))
	return int(n), err
}

// within is a condition on the time.
func within(start, end time.Time) string {
	return fmt.Sprintf("Timestamp >= fromUnixTimestamp64Nano(%d) AND Timestamp < fromUnixTimestamp64Nano(%d)", start.UnixNano(), end.UnixNano())
}

// bytes leaves out what merges have replaced and ClickHouse has yet to remove,
// and its tables about itself.
func (s sql) bytes(ctx context.Context, k store.Kind) (int64, error) {
	return s.number(ctx, "SELECT sum(bytes_on_disk) FROM system.parts WHERE active AND database = 'otel' AND table LIKE '%s%%'", table(k))
}

// ask asks as the exporter's documentation does.
func (s sql) ask(ctx context.Context, q question) (answer, error) {
	between := within(q.start, q.end)
	var text string
	switch {
	case q.kind == oneTrace:
		text = fmt.Sprintf(`WITH '%s' AS trace_id,
			(SELECT min(Start) FROM otel.otel_traces_trace_id_ts WHERE TraceId = trace_id) AS start,
			(SELECT max(End) + 1 FROM otel.otel_traces_trace_id_ts WHERE TraceId = trace_id) AS end
			SELECT Timestamp, TraceId, SpanId, ParentSpanId, SpanName, SpanKind, ServiceName, Duration, StatusCode, StatusMessage,
				toString(SpanAttributes), toString(ResourceAttributes), toString(Events.Name), toString(Links.TraceId)
			FROM otel.otel_traces WHERE TraceId = trace_id AND Timestamp >= start AND Timestamp <= end`, q.trace)
	case q.kind == byMinute:
		text = `SELECT ServiceName, groupArray((minute, p95, errors)) FROM (
			SELECT ServiceName, toStartOfMinute(Timestamp) AS minute, quantile(0.95)(Duration) AS p95, countIf(StatusCode = 'Error') / count() AS errors
			FROM otel.otel_traces WHERE ` + between + ` GROUP BY ServiceName, minute ORDER BY ServiceName, minute) GROUP BY ServiceName`
	case q.kind == searchLogs:
		text = fmt.Sprintf(`SELECT Timestamp, ServiceName, SeverityText, Body, toString(LogAttributes) FROM otel.otel_logs
			WHERE Body LIKE '%%%s%%' AND toStartOfFiveMinutes(Timestamp) >= toStartOfFiveMinutes(fromUnixTimestamp64Nano(%d)) AND %s
			ORDER BY (toStartOfFiveMinutes(Timestamp), Timestamp) DESC LIMIT %d`, q.text, q.start.UnixNano(), between, searchLimit)
	default:
		if q.operation != "" {
			between += fmt.Sprintf(" AND ServiceName = '%s' AND SpanName = '%s' AND Duration >= %d", q.service, q.operation, q.least.Nanoseconds())
		}
		if q.kind == searchSpans {
			text = fmt.Sprintf(`SELECT Timestamp, TraceId, SpanId, ParentSpanId, SpanName, SpanKind, ServiceName, Duration, StatusCode FROM otel.otel_traces
				WHERE SpanAttributes['%s'] = '%s' AND %s ORDER BY Timestamp DESC LIMIT %d`, q.key, q.value, between, searchLimit)
			break
		}
		text = fmt.Sprintf(`SELECT TraceId, max(Timestamp) AS newest FROM otel.otel_traces WHERE SpanAttributes['%s'] = '%s' AND %s
			GROUP BY TraceId ORDER BY newest DESC LIMIT %d`, q.key, q.value, between, searchLimit)
	}
	rows, took, err := s.run(ctx, "%s", text)
	return answer{took, len(rows)}, err
}
