// Command otlpgo20 handles one order of a small shop and reports it with the
// OpenTelemetry SDK for Go 0.20, the last whose exporter sent spans and metrics
// together, of the protocol's release 0.8.
//
// Spans and three instruments go over OTLP_PROTOCOL, grpc or http, to
// OTLP_ENDPOINT, a host and port, as the service SERVICE. The trace's id is
// printed, so that it can be looked up.
package main

import (
	"context"
	"fmt"
	"log"
	"os"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp"
	"go.opentelemetry.io/otel/exporters/otlp/otlpgrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlphttp"
	"go.opentelemetry.io/otel/metric"
	controller "go.opentelemetry.io/otel/sdk/metric/controller/basic"
	processor "go.opentelemetry.io/otel/sdk/metric/processor/basic"
	"go.opentelemetry.io/otel/sdk/metric/selector/simple"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

func main() {
	if err := run(context.Background()); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context) error {
	exporter, err := otlp.NewExporter(ctx, driver(os.Getenv("OTLP_ENDPOINT")))
	if err != nil {
		return err
	}
	res := resource.NewWithAttributes(attribute.String("service.name", os.Getenv("SERVICE")))
	traces := sdktrace.NewTracerProvider(sdktrace.WithBatcher(exporter), sdktrace.WithResource(res))
	id := order(ctx, traces.Tracer("shop"))
	metrics := controller.New(processor.New(simple.NewWithExactDistribution(), exporter),
		controller.WithExporter(exporter), controller.WithResource(res))
	if err := metrics.Start(ctx); err != nil {
		return err
	}
	count(ctx, metric.Must(metrics.MeterProvider().Meter("shop")))
	if err := metrics.Stop(ctx); err != nil {
		return err
	}
	if err := traces.Shutdown(ctx); err != nil {
		return err
	}
	fmt.Println(id)
	return nil
}

func driver(endpoint string) otlp.ProtocolDriver {
	if os.Getenv("OTLP_PROTOCOL") == "http" {
		return otlphttp.NewDriver(otlphttp.WithEndpoint(endpoint), otlphttp.WithInsecure())
	}
	return otlpgrpc.NewDriver(otlpgrpc.WithEndpoint(endpoint), otlpgrpc.WithInsecure())
}

// order makes the spans of an order and returns their trace's id.
func order(ctx context.Context, tracer trace.Tracer) trace.TraceID {
	ctx, checkout := tracer.Start(ctx, "POST /checkout", trace.WithSpanKind(trace.SpanKindServer))
	checkout.SetAttributes(attribute.Int("cart.items", 3), attribute.Float64("cart.total", 59.97), attribute.Bool("customer.vip", true))
	_, charge := tracer.Start(ctx, "charge card", trace.WithSpanKind(trace.SpanKindClient))
	charge.AddEvent("card refused", trace.WithAttributes(attribute.String("card.provider", "visa")))
	charge.SetStatus(codes.Error, "refused")
	charge.End()
	checkout.End()
	return checkout.SpanContext().TraceID()
}

// count counts the order.
func count(ctx context.Context, meter metric.MeterMust) {
	web := attribute.String("channel", "web")
	meter.NewInt64Counter("shop.orders").Add(ctx, 3, web)
	meter.NewInt64UpDownCounter("shop.carts").Add(ctx, 2, web)
	meter.NewFloat64Counter("shop.revenue").Add(ctx, 59.97, web)
}
