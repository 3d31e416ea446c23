package collector

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/extension"
	"go.opentelemetry.io/collector/otelcol"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/pipeline"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/signalbox-otel/signalbox/internal/ingest"
	"github.com/signalbox-otel/signalbox/internal/store"
)

// recorder is a storage extension that remembers batches as a replay of the
// store's log would give them, for a batch is its receiver's again when it was
// appended.
type recorder struct {
	component.StartFunc
	component.ShutdownFunc

	mu      sync.Mutex
	refuse  error
	batches []*store.Batch
	samples map[string]int // of metrics, by name
	errs    []error
}

func (r *recorder) AppendBatch(_ context.Context, b *store.Batch) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.refuse != nil {
		return r.refuse
	}
	again, err := ingest.Decode(b.Kind, bytes.Clone(b.Payload))
	if err != nil {
		r.errs = append(r.errs, err)
		return nil
	}
	again.Payload = b.Payload
	if diff := gocmp.Diff(b, again, gocmp.AllowUnexported(store.Value{})); diff != "" {
		r.errs = append(r.errs, fmt.Errorf("replay gives another batch (-appended +replayed):\n%s", diff))
	}
	again.Payload = nil
	for i := range again.Logs {
		if l := &again.Logs[i]; l.Time == 0 && time.Since(time.Unix(0, int64(l.ObservedTime))) < time.Minute {
			l.ObservedTime = 1 // the time of arrival
		}
	}
	r.batches = append(r.batches, again)
	return nil
}

func (r *recorder) AppendMetrics(_ context.Context, md pmetric.Metrics) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, rm := range md.ResourceMetrics().All() {
		for _, sm := range rm.ScopeMetrics().All() {
			for _, m := range sm.Metrics().All() {
				if m.Type() != pmetric.MetricTypeSum {
					continue
				}
				for _, p := range m.Sum().DataPoints().All() {
					labels := make([]string, 0, p.Attributes().Len())
					for k, v := range p.Attributes().All() {
						labels = append(labels, k+"="+v.AsString())
					}
					slices.Sort(labels)
					r.samples[m.Name()+" "+strings.Join(labels, " ")] = int(p.IntValue())
				}
			}
		}
	}
	return nil
}

// oneWay is a collector whose requests go straight, or not.
type oneWay struct {
	*running
	recorder           *recorder
	grpc, http, scrape string
}

func startOneWay(t *testing.T, straight bool, limitMiB int) *oneWay {
	t.Helper()
	w := &oneWay{recorder: &recorder{samples: map[string]int{}}, grpc: freePort(t), http: freePort(t), scrape: freePort(t)}
	bend := ""
	if !straight {
		bend = "nop, "
	}
	host, port, _ := strings.Cut(w.scrape, ":")
	config := fmt.Sprintf(`
receivers: {otlp: {protocols: {grpc: {endpoint: %q, max_recv_msg_size_mib: 1}, http: {endpoint: %q, max_request_body_size: 1048576}}}}
processors: {memory_limiter: {check_interval: 10ms, limit_mib: %d}}
exporters: {store: , nop: }
extensions: {recorder: }
connectors:
  span_metrics: {metrics_flush_interval: 50ms, dimensions: [{name: http.route}, {name: host.name}], exclude_dimensions: [collector.instance.id]}
  service_graph: {metrics_flush_interval: 50ms, store: {ttl: 1m}}
service:
  extensions: [recorder]
  telemetry: {metrics: {level: normal, readers: [{pull: {exporter: {prometheus: {host: %q, port: %s}}}}]}}
  pipelines:
    traces: {receivers: [otlp], processors: [memory_limiter], exporters: [%sstore, span_metrics, service_graph]}
    logs: {receivers: [otlp], processors: [memory_limiter], exporters: [%sstore]}
    metrics: {receivers: [span_metrics, service_graph], exporters: [store]}
    metrics/sent: {receivers: [otlp], exporters: [nop]}
`, w.grpc, w.http, limitMiB, host, port, bend, bend)
	c, err := newRunning(t.Context(), Settings{
		ConfigURIs:     []string{"yaml:" + config},
		Version:        "v0.0.0-test",
		LoggingOptions: []zap.Option{zap.WrapCore(func(zapcore.Core) zapcore.Core { return zapcore.NewNopCore() })},
		Factories: func() (otelcol.Factories, error) {
			f, err := Factories()
			typ := component.MustNewType("recorder")
			f.Extensions[typ] = extension.NewFactory(typ, func() component.Config { return &struct{}{} },
				func(context.Context, extension.Settings, component.Config) (extension.Extension, error) {
					return w.recorder, nil
				}, component.StabilityLevelStable)
			return f, err
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	w.running = c
	t.Cleanup(func() {
		if err := c.service.Shutdown(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	for _, signal := range []pipeline.Signal{pipeline.SignalTraces, pipeline.SignalLogs} {
		if got := c.straight.goes(component.MustNewID("otlp"), signal); got != straight {
			t.Fatalf("%s go straight: got %t; want %t", signal, got, straight)
		}
	}
	return w
}

// rawCodec sends and gives bytes as they are.
type rawCodec struct{}

func (rawCodec) Marshal(v any) (mem.BufferSlice, error) {
	return mem.BufferSlice{mem.SliceBuffer(v.([]byte))}, nil
}

func (rawCodec) Unmarshal(data mem.BufferSlice, v any) error {
	*v.(*[]byte) = data.Materialize()
	return nil
}

func (rawCodec) Name() string { return "proto" }

// request is one that a sender may send.
type request struct {
	name        string
	logs        bool
	path        string // "": today's
	contentType string // "": protobuf
	encoding    string // "", gzip or zstd
	body        []byte
	refuse      error // by what keeps the data
	text        bool  // the text of the refusal may differ
}

// call sends r over gRPC and returns what can be seen of the answer.
func (w *oneWay) call(t *testing.T, r request) string {
	t.Helper()
	conn, err := grpc.NewClient(w.grpc, grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithDefaultCallOptions(grpc.ForceCodecV2(rawCodec{})))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	method := "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
	if r.logs {
		method = "/opentelemetry.proto.collector.logs.v1.LogsService/Export"
	}
	var opts []grpc.CallOption
	if r.encoding != "" {
		opts = append(opts, grpc.UseCompressor(r.encoding))
	}
	var answer []byte
	s := status.Convert(conn.Invoke(t.Context(), method, r.body, &answer, opts...))
	if r.text {
		return s.Code().String()
	}
	return fmt.Sprintf("%s %q %v %x", s.Code(), s.Message(), s.Details(), answer)
}

// post is call over HTTP.
func (w *oneWay) post(t *testing.T, r request) string {
	t.Helper()
	path := cmp.Or(r.path, "/v1/traces")
	if r.logs {
		path = "/v1/logs"
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+w.http+path, bytes.NewReader(compressed(t, r.encoding, r.body)))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", cmp.Or(r.contentType, "application/x-protobuf"))
	if r.encoding != "" {
		req.Header.Set("Content-Encoding", r.encoding)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	seen := fmt.Sprintf("%d %s retry %q", resp.StatusCode, resp.Header.Get("Content-Type"), resp.Header.Get("Retry-After"))
	if r.text {
		return seen
	}
	return fmt.Sprintf("%s %q", seen, body)
}

func compressed(t *testing.T, encoding string, body []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	var w io.WriteCloser
	switch encoding {
	case "gzip":
		w = gzip.NewWriter(&b)
	case "zstd":
		var err error
		if w, err = zstd.NewWriter(&b); err != nil {
			t.Fatal(err)
		}
	default:
		return body
	}
	if _, err := w.Write(body); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// A request gives the same records, answers, counters and metrics whether it
// goes straight to the store or through pdata.
func TestBothWaysAreTheSame(t *testing.T) {
	straight, round := startOneWay(t, true, 100_000), startOneWay(t, false, 100_000)
	for _, r := range bothWaysRequests(t) {
		for _, over := range []string{"http", "grpc"} {
			if over == "grpc" && (r.path != "" || r.contentType != "") {
				continue
			}
			send := func(w *oneWay) string {
				w.recorder.mu.Lock()
				w.recorder.refuse, w.recorder.batches = r.refuse, nil
				w.recorder.mu.Unlock()
				if over == "grpc" {
					return w.call(t, r)
				}
				return w.post(t, r)
			}
			if diff := gocmp.Diff(send(round), send(straight)); diff != "" {
				t.Errorf("%s over %s: answers (-pdata +straight):\n%s", r.name, over, diff)
			}
			if diff := gocmp.Diff(round.recorder.batches, straight.recorder.batches, gocmp.AllowUnexported(store.Value{})); diff != "" {
				t.Errorf("%s over %s: batches (-pdata +straight):\n%s", r.name, over, diff)
			}
		}
	}
	if err := errors.Join(append(straight.recorder.errs, round.recorder.errs...)...); err != nil {
		t.Error(err)
	}
	if diff := gocmp.Diff(lost(round.running), lost(straight.running)); diff != "" {
		t.Errorf("lost (-pdata +straight):\n%s", diff)
	}
	counters := straight.counters(t)
	if diff := gocmp.Diff(round.counters(t), counters); diff != "" {
		t.Errorf("counters (-pdata +straight):\n%s", diff)
	}
	for _, name := range []string{"otelcol_receiver_accepted_spans", "otelcol_receiver_refused_spans", "otelcol_receiver_accepted_log_records",
		"otelcol_exporter_sent_spans", "otelcol_exporter_send_failed_spans", "otelcol_processor_incoming_items", "otelcol_processor_outgoing_items"} {
		if !slices.ContainsFunc(counters, func(line string) bool { return strings.HasPrefix(line, name) }) {
			t.Errorf("no counter %s", name)
		}
	}
	// What connectors make comes later.
	await(t, "metrics of spans", func() bool { return len(round.made()) > 4 && gocmp.Equal(round.made(), straight.made()) })
}

// The memory limiter refuses what goes straight, too, and it is counted.
func TestMemoryLimiterRefusesStraight(t *testing.T) {
	w := startOneWay(t, true, 1)
	r := request{body: mustFrame(1, mustFrame(2, mustFrame(2, mustFrame(5, []byte("a")))))}
	var answer string
	await(t, "a refusal", func() bool { answer = w.post(t, r); return !strings.HasPrefix(answer, "200") })
	if !strings.HasPrefix(answer, "503") || !strings.Contains(answer, "high memory usage") {
		t.Errorf("got %s; want 503 because of memory", answer)
	}
	if got := w.call(t, r); !strings.HasPrefix(got, "Unavailable") {
		t.Errorf("over gRPC: got %s; want Unavailable", got)
	}
	for i, want := range []string{"receiver otlp refused memory_limit ", "processor memory_limiter refused memory_limit "} {
		if got := lost(w.running); len(got) != 2 || !strings.HasPrefix(got[i], want) {
			t.Errorf("got %q; want %q", got, want)
		}
	}
}

// made are the metrics that connectors have made.
func (w *oneWay) made() []string {
	w.recorder.mu.Lock()
	defer w.recorder.mu.Unlock()
	var made []string
	for name, n := range w.recorder.samples {
		made = append(made, fmt.Sprint(name, " ", n))
	}
	slices.Sort(made)
	return made
}

// counters are the collector's own, without those of the sums that connectors
// send when they like and of the exporter that makes the way crooked.
func (w *oneWay) counters(t *testing.T) []string {
	t.Helper()
	var lines []string
	for line := range strings.Lines(fetch(t, "http://"+w.scrape+"/metrics")) {
		if strings.HasPrefix(line, "otelcol_") && !strings.Contains(line, "metric") && !strings.Contains(line, "process_") && !strings.Contains(line, `"nop"`) {
			line, _, _ = strings.Cut(line, "service_instance_id")
			lines = append(lines, line)
		}
	}
	slices.Sort(lines)
	return lines
}

func bothWaysRequests(t *testing.T) []request {
	t.Helper()
	td, ld := manySpans(), manyLogs()
	spans, err1 := (&ptrace.ProtoMarshaler{}).MarshalTraces(td)
	spansJSON, err2 := (&ptrace.JSONMarshaler{}).MarshalTraces(td)
	logs, err3 := (&plog.ProtoMarshaler{}).MarshalLogs(ld)
	logsJSON, err4 := (&plog.JSONMarshaler{}).MarshalLogs(ld)
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		t.Fatal(err)
	}
	const json = "application/json"
	oldJSON := bytes.ReplaceAll(bytes.ReplaceAll(spansJSON, []byte(`"scopeSpans"`), []byte(`"instrumentationLibrarySpans"`)), []byte(`"scope"`), []byte(`"instrumentationLibrary"`))
	full := &store.OverloadError{Reason: "disk full", RetryAfter: 9500 * time.Millisecond}
	large := append(bytes.Clone(spans), bytes.Repeat(spans, 1<<20/len(spans)+1)...)
	list := []request{
		{name: "spans", body: spans},
		{name: "spans in gzip", body: spans, encoding: "gzip"},
		{name: "spans in zstd", body: spans, encoding: "zstd"},
		{name: "spans at the old path", body: spans, path: "/v1/trace"},
		{name: "spans in JSON", body: spansJSON, contentType: json},
		{name: "spans in JSON, gzip", body: spansJSON, contentType: json, encoding: "gzip"},
		{name: "old spans in JSON at the old path", body: oldJSON, contentType: json, path: "/v1/trace"},
		{name: "old spans", body: legacySpans(spans)},
		{name: "a type with a parameter", body: spans, contentType: "application/x-protobuf; charset=utf-8"},
		{name: "nothing", body: nil},
		{name: "a resource without spans", body: []byte{0x0a, 0x00}},
		{name: "cut short", body: spans[:len(spans)-3], text: true},
		{name: "no protobuf", body: []byte("hello"), text: true},
		{name: "a bad id", body: mustFrame(1, mustFrame(2, mustFrame(2, mustFrame(1, []byte{1, 2, 3})))), text: true},
		{name: "an unknown field", body: append(bytes.Clone(spans), mustFrame(77, []byte("x"))...)},
		{name: "too large", body: large},
		{name: "too large in gzip", body: large, encoding: "gzip"},
		{name: "too large in zstd", body: large, encoding: "zstd"},
		{name: "a full disk", body: spans, refuse: full},
		{name: "a noise", body: spans, refuse: errors.New("the disk made a noise")},
		{name: "logs", body: logs, logs: true},
		{name: "logs in gzip", body: logs, logs: true, encoding: "gzip"},
		{name: "logs in JSON", body: logsJSON, logs: true, contentType: json},
		{name: "logs cut short", body: logs[:len(logs)-1], logs: true, text: true},
		{name: "logs with a time of arrival from outside", body: append(bytes.Clone(logs), foreignArrival()...), logs: true},
		{name: "logs and a full disk", body: logs, logs: true, refuse: full},
		{name: "another content type", body: spans, contentType: "text/plain"},
		{name: "another path", body: spans, path: "/v1/nothing"},
	}
	return list
}

// foreignArrival is the field in which the time of arrival is kept, as a sender
// might send it.
func foreignArrival() []byte {
	return protowire.AppendFixed64(protowire.AppendTag(nil, 19001, protowire.Fixed64Type), 5)
}

// mustFrame is a message in a field.
func mustFrame(number protowire.Number, message []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(nil, number, protowire.BytesType), message)
}

// legacySpans moves the scopes of a request to the field that they had before
// 2022.
func legacySpans(request []byte) []byte {
	return eachField(request, func(number protowire.Number, resource []byte) []byte {
		return mustFrame(number, eachField(resource, func(number protowire.Number, value []byte) []byte {
			if number == 2 {
				number = 1000
			}
			return mustFrame(number, value)
		}))
	})
}

// eachField puts a message of nothing but bytes together again from what change
// gives for each field.
func eachField(message []byte, change func(protowire.Number, []byte) []byte) []byte {
	var out []byte
	for len(message) > 0 {
		number, _, n := protowire.ConsumeTag(message)
		value, m := protowire.ConsumeBytes(message[n:])
		message = message[n+m:]
		out = append(out, change(number, value)...)
	}
	return out
}

// manySpans are calls between services with what connectors look at.
func manySpans() ptrace.Traces {
	td := ptrace.NewTraces()
	start := uint64(time.Now().Add(-time.Minute).UnixNano())
	for i := range 60 {
		rs := td.ResourceSpans().AppendEmpty()
		rs.SetSchemaUrl("https://opentelemetry.io/schemas/1.37.0")
		a := rs.Resource().Attributes()
		if i%7 > 0 {
			a.PutStr("service.name", fmt.Sprint("service-", i%5))
		}
		a.PutStr("host.name", fmt.Sprint("node-", i%3))
		for j := range 2 {
			ss := rs.ScopeSpans().AppendEmpty()
			ss.Scope().SetName(fmt.Sprint("scope-", j))
			ss.Scope().SetVersion("1.0")
			for k := range 5 {
				s := ss.Spans().AppendEmpty()
				var trace [16]byte
				binary.BigEndian.PutUint32(trace[:], uint32(i/2*10+j*5+k)+1)
				s.SetTraceID(trace)
				s.SetSpanID([8]byte{byte(i + 1), byte(j), byte(k + 1)})
				s.SetKind(ptrace.SpanKindClient)
				if i%2 == 1 { // its client is the one before
					s.SetParentSpanID([8]byte{byte(i), byte(j), byte(k + 1)})
					s.SetKind(ptrace.SpanKindServer)
				}
				if k == 4 {
					s.SetKind(ptrace.SpanKindInternal)
				}
				s.SetName(fmt.Sprint("operation-", k))
				s.SetStartTimestamp(pcommon.Timestamp(start + uint64(i)))
				s.SetEndTimestamp(pcommon.Timestamp(start + uint64(i*1_000_000)))
				s.TraceState().FromRaw("a=b")
				s.Attributes().PutStr("http.route", fmt.Sprint("/r/", k))
				s.Attributes().PutStr("url.path", fmt.Sprint("/r/", i, j, k))
				if k == 3 {
					s.Attributes().PutStr("db.name", "orders")
					s.Status().SetCode(ptrace.StatusCodeError)
					s.Status().SetMessage("no")
					e := s.Events().AppendEmpty()
					e.SetName("exception")
					e.Attributes().PutEmptyMap("m").PutEmptySlice("s").AppendEmpty().SetDouble(1.5)
				}
				if k == 2 {
					s.Links().AppendEmpty().SetSpanID([8]byte{9})
				}
			}
		}
	}
	return td
}

// manyLogs are log records with and without times.
func manyLogs() plog.Logs {
	ld := plog.NewLogs()
	start := uint64(time.Now().Add(-time.Hour).UnixNano())
	for i := range 20 {
		rl := ld.ResourceLogs().AppendEmpty()
		rl.Resource().Attributes().PutStr("service.name", fmt.Sprint("service-", i%5))
		sl := rl.ScopeLogs().AppendEmpty()
		for k := range 6 {
			l := sl.LogRecords().AppendEmpty()
			switch k % 3 {
			case 0:
				l.SetTimestamp(pcommon.Timestamp(start + uint64(k)))
			case 1:
				l.SetObservedTimestamp(pcommon.Timestamp(start + uint64(k)))
			}
			l.SetSeverityNumber(plog.SeverityNumberWarn)
			l.SetSeverityText("WARN")
			l.SetEventName(fmt.Sprint("e", k))
			l.SetTraceID([16]byte{byte(i + 1)})
			l.SetSpanID([8]byte{byte(k + 1)})
			l.SetFlags(1)
			switch k {
			case 0:
				l.Body().SetStr("a line")
			case 1:
				l.Body().SetEmptyMap().PutInt("n", 7)
			case 2:
				l.Body().SetEmptyBytes().FromRaw([]byte{0, 255})
			}
			l.Attributes().PutBool("ok", k%2 == 0)
		}
	}
	return ld
}
