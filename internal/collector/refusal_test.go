package collector

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/extension"
	"go.opentelemetry.io/collector/otelcol"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/signalbox-otel/signalbox/internal/collector/storeexporter"
	"github.com/signalbox-otel/signalbox/internal/metrics"
	"github.com/signalbox-otel/signalbox/internal/store"
)

// full is a storage extension that refuses everything.
type full struct {
	component.StartFunc
	component.ShutdownFunc
}

func (full) AppendBatch(_ context.Context, b *store.Batch) error {
	if b.Kind == store.Logs {
		return errors.New("the disk made a noise")
	}
	return &store.OverloadError{Reason: "disk full", RetryAfter: 29500 * time.Millisecond}
}

func (full) AppendMetrics(context.Context, pmetric.Metrics) error {
	return &metrics.RefusedError{Dropped: map[string]int{"too_old": 1}, Example: "a sample of last year"}
}

// What the storage refuses the OTLP receiver refuses to the sender, with what
// the sender needs to know.
func TestSendersAreToldOfRefusals(t *testing.T) {
	addr := freePort(t)
	config := fmt.Sprintf(`
receivers: {otlp: {protocols: {http: {endpoint: %q}}}}
exporters: {store: }
extensions: {full: }
service:
  extensions: [full]
  telemetry: {metrics: {level: none}}
  pipelines:
    traces: {receivers: [otlp], exporters: [store]}
    logs: {receivers: [otlp], exporters: [store]}
    metrics: {receivers: [otlp], exporters: [store]}
`, addr)
	ctx, stop := context.WithCancel(t.Context())
	logged := newEntries()
	ready, done := make(chan struct{}), make(chan error, 1)
	go func() {
		done <- Run(ctx, Settings{
			ConfigURIs:     []string{"yaml:" + config},
			LoggingOptions: []zap.Option{zap.WrapCore(func(zapcore.Core) zapcore.Core { return logged })},
			Ready:          func() { close(ready) },
			Factories: func() (otelcol.Factories, error) {
				f, err := Factories()
				exporter, typ := storeexporter.NewFactory(), component.MustNewType("full")
				f.Exporters[exporter.Type()] = exporter
				f.Extensions[typ] = extension.NewFactory(typ, func() component.Config { return &struct{}{} },
					func(context.Context, extension.Settings, component.Config) (extension.Extension, error) {
						return full{}, nil
					},
					component.StabilityLevelStable)
				return f, err
			},
		})
	}()
	select {
	case <-ready:
	case err := <-done:
		t.Fatal(err)
	}
	post := func(signal, body string, code int, retryAfter, answer string) {
		t.Helper()
		resp, err := http.Post("http://"+addr+"/v1/"+signal, "application/json", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		if got := resp.Header.Get("Retry-After"); resp.StatusCode != code || got != retryAfter || !strings.Contains(string(text), answer) {
			t.Errorf("%s: got %d, Retry-After %q, %s; want %d, %q, %s", signal, resp.StatusCode, got, text, code, retryAfter, answer)
		}
	}
	post("traces", `{"resourceSpans": [{"scopeSpans": [{"spans": [{"name": "a"}]}]}]}`, 503, "30", "disk full")
	post("logs", `{"resourceLogs": [{"scopeLogs": [{"logRecords": [{"severityText": "a"}]}]}]}`, 503, "", "the disk made a noise")
	post("metrics", `{"resourceMetrics": [{"scopeMetrics": [{"metrics": [{"name": "a", "gauge": {"dataPoints": [{"asInt": "1"}]}}]}]}]}`, 400, "", `"message":"no sample could be stored (1 too_old): a sample of last year"`)
	stop()
	if err := <-done; err != nil {
		t.Errorf("stopping: %v", err)
	}
	refusals := 0
	for _, k := range logged.kept.list {
		if strings.HasPrefix(k.entry.Message, "Exporting failed") {
			refusals++
		}
		if k.entry.Level > zapcore.WarnLevel || k.entry.Stack != "" {
			t.Errorf("logged %s %q with stack %q; want a warning at most, and no stack", k.entry.Level, k.entry.Message, k.entry.Stack)
		}
	}
	if refusals != 3 {
		t.Errorf("logged %d refusals; want 3", refusals)
	}
}
