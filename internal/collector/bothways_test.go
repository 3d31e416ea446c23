package collector

import (
	"bytes"
	"cmp"
	"context"
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
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pipeline"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/status"

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
	ours := func(line string) bool { return strings.HasPrefix(line, "signalbox_") } // that the collector's receiver does not have
	counters := straight.counters(t)
	if diff := gocmp.Diff(slices.DeleteFunc(round.counters(t), ours), slices.DeleteFunc(slices.Clone(counters), ours)); diff != "" {
		t.Errorf("counters (-pdata +straight):\n%s", diff)
	}
	for _, name := range []string{"otelcol_receiver_accepted_spans", "otelcol_receiver_refused_spans", "otelcol_receiver_accepted_log_records",
		"otelcol_exporter_sent_spans", "otelcol_exporter_send_failed_spans", "otelcol_processor_incoming_items", "signalbox_otlp_refused_requests_total", "otelcol_processor_outgoing_items"} {
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
		if (strings.HasPrefix(line, "otelcol_") || strings.HasPrefix(line, "signalbox_otlp_")) && !strings.Contains(line, "metric") && !strings.Contains(line, "process_") && !strings.Contains(line, `"nop"`) {
			line, _, _ = strings.Cut(line, "service_instance_id")
			lines = append(lines, line)
		}
	}
	slices.Sort(lines)
	return lines
}
