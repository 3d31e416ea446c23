package clients

import (
	"context"
	"strconv"
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
		id := nodeProgram(t, "jaegerjs", "shop.js").run(t, map[string]string{
			"JAEGER_SERVICE_NAME": "jaegerjs-http",
			"JAEGER_ENDPOINT":     box.url("jaeger-http-port") + "/api/traces",
		})
		wantTrace(t, id, jaegerTrace("jaegerjs-http", float64(3)))
	})
	t.Run("Node.js, UDP binary", func(t *testing.T) {
		t.Parallel()
		id := nodeProgram(t, "jaegerjs", "shop.js").run(t, agent("jaegerjs-udp", "jaeger-binary-port"))
		wantTrace(t, id, jaegerTrace("jaegerjs-udp", float64(3)))
	})
	t.Run("Go, UDP compact", func(t *testing.T) {
		t.Parallel()
		env := agent("jaegergo-udp", "jaeger-compact-port")
		env["JAEGER_SAMPLER_TYPE"], env["JAEGER_SAMPLER_PARAM"] = "const", "1"
		id := goProgram(t, "jaegergo", "jaegergo", ".").run(t, env)
		wantTrace(t, id, jaegerTrace("jaegergo-udp", int64(3)))
	})
}

// agent is how Jaeger's clients are told where their agent listens.
func agent(service, flag string) map[string]string {
	return map[string]string{
		"JAEGER_SERVICE_NAME": service,
		"JAEGER_AGENT_HOST":   "127.0.0.1",
		"JAEGER_AGENT_PORT":   strconv.Itoa(box.ports[flag]),
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
