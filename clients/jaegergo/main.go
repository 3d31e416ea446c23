// Command jaegergo handles one order of a small shop and reports two spans with
// jaeger-client-go, the client that OpenTelemetry replaced in 2022 and that old
// services still carry. It speaks compact Thrift over UDP.
//
// The client itself reads JAEGER_SERVICE_NAME, JAEGER_AGENT_HOST,
// JAEGER_AGENT_PORT and the sampler. The trace's id is printed, so that it can
// be looked up.
package main

import (
	"fmt"
	"log/slog"
	"os"

	"github.com/opentracing/opentracing-go"
	"github.com/opentracing/opentracing-go/ext"
	"github.com/uber/jaeger-client-go"
	"github.com/uber/jaeger-client-go/config"
)

func order(tracer opentracing.Tracer) jaeger.TraceID {
	checkout := tracer.StartSpan("POST /checkout", ext.SpanKindRPCServer)
	checkout.SetTag("cart.items", 3)
	checkout.SetTag("customer.vip", true)

	charge := tracer.StartSpan("charge card", ext.SpanKindRPCClient, opentracing.ChildOf(checkout.Context()))
	ext.Error.Set(charge, true)
	charge.LogKV("event", "card refused", "card.provider", "visa")
	charge.Finish()
	checkout.Finish()
	return checkout.Context().(jaeger.SpanContext).TraceID()
}

func run() error {
	cfg, err := config.FromEnv()
	if err != nil {
		return fmt.Errorf("reading JAEGER_ variables: %w", err)
	}
	tracer, closer, err := cfg.NewTracer(config.Gen128Bit(true), config.Tag("shop.region", "eu"))
	if err != nil {
		return fmt.Errorf("creating the tracer: %w", err)
	}
	id := order(tracer)
	if err := closer.Close(); err != nil {
		return fmt.Errorf("sending the spans: %w", err)
	}
	fmt.Printf("%016x%016x\n", id.High, id.Low)
	return nil
}

func main() {
	if err := run(); err != nil {
		slog.Error("the order was not told about", "error", err)
		os.Exit(1)
	}
}
