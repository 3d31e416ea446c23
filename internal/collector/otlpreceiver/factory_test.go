package otlpreceiver

import (
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"net/http"
	"strings"
	"testing"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/config/configgrpc"
	"go.opentelemetry.io/collector/config/configoptional"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/receiver/otlpreceiver"
	"go.opentelemetry.io/collector/receiver/receivertest"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
)

const oldSpan = `{"resourceSpans":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"old"}}]},` +
	`"instrumentationLibrarySpans":[{"instrumentationLibrary":{"name":"http"},"spans":[` +
	`{"traceId":"5b8efff798038103d269b633813fc60c","spanId":"eee19b7ec3c1b174","name":"GET","kind":2}]}]}]}`

func TestOldClients(t *testing.T) {
	url, sink := start(t)
	for name, path := range map[string]string{"today's path": "/v1/traces", "the old path": "/v1/trace"} {
		for _, compressed := range []bool{false, true} {
			sink.Reset()
			if got := post(t, url+path, oldSpan, compressed); got != http.StatusOK {
				t.Fatalf("%s: got status %d; want 200", name, got)
			}
			if sink.SpanCount() != 1 {
				t.Fatalf("%s: got %d spans; want 1", name, sink.SpanCount())
			}
			spans := sink.AllTraces()[0].ResourceSpans().At(0).ScopeSpans().At(0)
			if got := spans.Scope().Name() + " " + spans.Spans().At(0).Name() + " " + spans.Spans().At(0).TraceID().String(); got != "http GET 5b8efff798038103d269b633813fc60c" {
				t.Errorf("%s: got %s", name, got)
			}
		}
	}
	// What is wrong is refused as before.
	for name, body := range map[string]string{"no JSON": `{"instrumentationLibrary`, "too large": oldSpan + strings.Repeat(" ", 1<<20)} {
		if got := post(t, url+"/v1/traces", body, false); got != http.StatusBadRequest {
			t.Errorf("%s: got status %d; want 400", name, got)
		}
	}
}

// start runs a receiver until the test ends, and returns its address.
func start(t *testing.T) (string, *consumertest.TracesSink) {
	t.Helper()
	factory := NewFactory()
	cfg := factory.CreateDefaultConfig().(*otlpreceiver.Config)
	server := cfg.Protocols.HTTP.GetOrInsertDefault()
	server.ServerConfig.NetAddr.Endpoint = "127.0.0.1:0"
	server.ServerConfig.MaxRequestBodySize = 1 << 20
	cfg.Protocols.GRPC = configoptional.None[configgrpc.ServerConfig]()
	set := receivertest.NewNopSettings(factory.Type())
	core, logged := observer.New(zap.InfoLevel)
	set.Logger = zap.New(core)
	sink := new(consumertest.TracesSink)
	traces, err := factory.CreateTraces(t.Context(), set, cfg, sink)
	if err != nil {
		t.Fatal(err)
	}
	metrics, err := factory.CreateMetrics(t.Context(), set, cfg, consumertest.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range []component.Component{traces, metrics} { // one receiver behind both
		if err := r.Start(t.Context(), componenttest.NewNopHost()); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := r.Shutdown(context.WithoutCancel(t.Context())); err != nil {
				t.Error(err)
			}
		})
	}
	// The receiver tells its address nowhere else.
	entries := logged.FilterMessage("Starting HTTP server").All()
	if len(entries) != 1 {
		t.Fatalf("got %d receivers; want 1", len(entries))
	}
	return "http://" + entries[0].ContextMap()["endpoint"].(string), sink
}

func post(t *testing.T, url, body string, compressed bool) int {
	t.Helper()
	var b bytes.Buffer
	if compressed {
		w := gzip.NewWriter(&b)
		if _, err := io.WriteString(w, body); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	} else {
		b.WriteString(body)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, &b)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json; charset=utf-8")
	if compressed {
		req.Header.Set("Content-Encoding", "gzip")
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	return res.StatusCode
}
