package clients

import (
	"context"
	"maps"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jaegertracing/jaeger-idl/model/v1"
	"github.com/jaegertracing/jaeger-idl/proto-gen/api_v2"
)

// The retired clients still get through, over each protocol that Jaeger's agent
// and collector took.
func TestJaegerClients(t *testing.T) {
	t.Parallel()
	t.Run("Node.js, HTTP", func(t *testing.T) {
		t.Parallel()
		id := nodeProgram(t, "jaegerjs", "shop.js").run(t, jaegerEnv("jaegerjs-http", box.addr("jaeger-http-port"), false))
		wantTrace(t, id, jaegerTrace("jaegerjs-http", float64(3)))
	})
	t.Run("Node.js, UDP binary", func(t *testing.T) {
		t.Parallel()
		id := nodeProgram(t, "jaegerjs", "shop.js").run(t, jaegerEnv("jaegerjs-udp", box.addr("jaeger-binary-port"), true))
		wantTrace(t, id, jaegerTrace("jaegerjs-udp", float64(3)))
	})
	t.Run("Go, HTTP", func(t *testing.T) {
		t.Parallel()
		id := goProgram(t, "jaegergo", "jaegergo", ".").run(t, jaegerEnv("jaegergo-http", box.addr("jaeger-http-port"), false))
		wantTrace(t, id, jaegerTrace("jaegergo-http", int64(3)))
	})
	t.Run("Go, UDP compact", func(t *testing.T) {
		t.Parallel()
		id := goProgram(t, "jaegergo", "jaegergo", ".").run(t, jaegerEnv("jaegergo-udp", box.addr("jaeger-compact-port"), true))
		wantTrace(t, id, jaegerTrace("jaegergo-udp", int64(3)))
	})
	t.Run("Go of 2019, UDP compact", func(t *testing.T) {
		t.Parallel()
		id := oldGoProgram(t, "jaegergo", "v2.16.0").run(t, jaegerEnv("jaegergo-old", box.addr("jaeger-compact-port"), true))
		wantTrace(t, id, jaegerTrace("jaegergo-old", int64(3)))
	})
	for name, env := range map[string]map[string]string{
		"http": {"OTEL_EXPORTER_JAEGER_ENDPOINT": box.url("jaeger-http-port") + "/api/traces"},
		"udp": {
			"OTEL_EXPORTER_JAEGER_AGENT_HOST": "127.0.0.1",
			"OTEL_EXPORTER_JAEGER_AGENT_PORT": strconv.Itoa(box.ports["jaeger-binary-port"]),
		},
	} {
		t.Run("OpenTelemetry for Node.js, "+name, func(t *testing.T) {
			t.Parallel()
			env["SERVICE"], env["EXPORTER"] = "oteljs19-"+name, "jaeger"
			id := nodeProgram(t, "oteljs19", "shop.js").run(t, env)
			wantTrace(t, id, jaegerExporterTrace(env["SERVICE"]))
		})
	}
}

// jaegerEnv is what Jaeger's clients read: the address of an agent, which takes
// UDP, or that of a collector.
func jaegerEnv(service, addr string, udp bool) map[string]string {
	env := map[string]string{"JAEGER_SERVICE_NAME": service, "JAEGER_SAMPLER_TYPE": "const", "JAEGER_SAMPLER_PARAM": "1"}
	if !udp {
		env["JAEGER_ENDPOINT"] = "http://" + addr + "/api/traces"
		return env
	}
	env["JAEGER_AGENT_HOST"], env["JAEGER_AGENT_PORT"], _ = strings.Cut(addr, ":")
	return env
}

// jaegerExporterTrace is what OpenTelemetry's exporter for Jaeger reports. It
// puts what the resource and the scope say on every span.
func jaegerExporterTrace(service string) map[string]span {
	common := map[string]any{
		"service.name": service, "shop.region": "eu",
		"telemetry.sdk.language": "nodejs", "telemetry.sdk.name": "opentelemetry", "telemetry.sdk.version": "1.9.0",
		"otel.library.name": "shop", "otel.library.version": "1.2.3",
	}
	checkout := map[string]any{"cart.items": float64(3), "cart.total": 59.97, "customer.vip": true}
	maps.Copy(checkout, common)
	return map[string]span{
		"POST /checkout": {Kind: "Server", Status: "Unset", Service: service, Attrs: checkout},
		"charge card": {
			Parent: "POST /checkout", Kind: "Client", Status: "Error: refused", Service: service, Attrs: common,
			Events: []event{{Name: "card refused", Attrs: map[string]any{"card.provider": "visa"}}},
		},
	}
}

// jaegerTrace is what the clients report. JavaScript has no integers: there the
// number of items is a double.
func jaegerTrace(service string, items any) map[string]span {
	return map[string]span{
		"POST /checkout": {
			Kind: "Server", Status: "Unset", Service: service,
			Attrs: map[string]any{
				"cart.items": items, "customer.vip": true,
				"sampler.type": "const", "sampler.param": true,
			},
		},
		"charge card": {
			Parent: "POST /checkout", Kind: "Client", Status: "Error", Service: service,
			Events: []event{{Name: "card refused", Attrs: map[string]any{"card.provider": "visa"}}},
		},
	}
}

// Jaeger's agents forwarded over gRPC what they got from clients.
func TestJaegerGRPC(t *testing.T) {
	t.Parallel()
	id := model.NewTraceID(uint64(time.Now().UnixNano()), 0x1f2e)
	root := &model.Span{
		TraceID: id, SpanID: model.NewSpanID(1), OperationName: "POST /checkout",
		StartTime: time.Now(), Duration: time.Millisecond,
		Tags: model.KeyValues{model.SpanKindTag(model.SpanKindServer), model.Int64("cart.items", 3)},
	}
	child := &model.Span{
		TraceID: id, SpanID: model.NewSpanID(2), OperationName: "charge card",
		StartTime: time.Now(), Duration: time.Microsecond,
		References: []model.SpanRef{model.NewChildOfRef(id, root.SpanID)},
		Tags:       model.KeyValues{model.SpanKindTag(model.SpanKindClient)},
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	_, err := api_v2.NewCollectorServiceClient(dial(t, "jaeger-grpc-port")).PostSpans(ctx, &api_v2.PostSpansRequest{
		Batch: model.Batch{Process: &model.Process{ServiceName: "jaeger-grpc"}, Spans: []*model.Span{root, child}},
	})
	if err != nil {
		t.Fatal(err)
	}
	wantTrace(t, id.String(), map[string]span{
		"POST /checkout": {Kind: "Server", Status: "Unset", Service: "jaeger-grpc", Attrs: map[string]any{"cart.items": int64(3)}},
		"charge card":    {Parent: "POST /checkout", Kind: "Client", Status: "Unset", Service: "jaeger-grpc"},
	})
}
