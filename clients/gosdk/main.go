// Command gosdk is an application that the OpenTelemetry SDK for Go traces: the
// "otel-collector" example that tutorials have handed on for years, on today's
// SDK. It opens one span, does ten pieces of work in a span each, and ends.
//
// Where to send is the SDK's own OTEL_EXPORTER_OTLP_ENDPOINT,
// http://localhost:4317 when it is not set.
package main

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.40.0"
	"go.opentelemetry.io/otel/trace"
)

// initProvider registers the tracer provider. The function it returns sends
// what is left and closes the exporter.
func initProvider(ctx context.Context) (func(context.Context) error, error) {
	res, err := resource.New(ctx,
		resource.WithAttributes(
			// the service name used to display traces in backends
			semconv.ServiceName("test-service"),
		),
		// OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES win
		resource.WithFromEnv(),
	)
	if err != nil {
		return nil, fmt.Errorf("describing this service: %w", err)
	}

	var options []otlptracegrpc.Option
	if os.Getenv("OTEL_EXPORTER_OTLP_ENDPOINT") == "" {
		// The exporter expects TLS unless the endpoint says http://.
		options = append(options, otlptracegrpc.WithInsecure())
	}
	exporter, err := otlptracegrpc.New(ctx, options...)
	if err != nil {
		return nil, fmt.Errorf("creating the trace exporter: %w", err)
	}

	provider := sdktrace.NewTracerProvider(
		sdktrace.WithSampler(sdktrace.AlwaysSample()),
		sdktrace.WithResource(res),
		sdktrace.WithSpanProcessor(sdktrace.NewBatchSpanProcessor(exporter)),
	)
	otel.SetTracerProvider(provider)
	otel.SetTextMapPropagator(propagation.TraceContext{})
	return provider.Shutdown, nil
}

// work is what the application is for. It returns the id of its trace.
func work(ctx context.Context, pause time.Duration) trace.TraceID {
	tracer := otel.Tracer("test-tracer")

	// Attributes represent additional key-value descriptors of a span.
	commonAttrs := []attribute.KeyValue{
		attribute.String("attrA", "chocolate"),
		attribute.String("attrB", "raspberry"),
		attribute.String("attrC", "vanilla"),
	}

	ctx, span := tracer.Start(
		ctx,
		"CollectorExporter-Example",
		trace.WithAttributes(commonAttrs...))
	defer span.End()
	for i := range 10 {
		_, iSpan := tracer.Start(ctx, fmt.Sprintf("Sample-%d", i))
		slog.Info("doing really hard work", "done", i+1, "of", 10)

		<-time.After(pause)
		iSpan.End()
	}
	return span.SpanContext().TraceID()
}

func run() error {
	pause := flag.Duration("work", time.Second, "how long each of the ten pieces of work takes")
	flag.Parse()
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt)
	defer cancel()

	shutdown, err := initProvider(ctx)
	if err != nil {
		return err
	}
	id := work(ctx, *pause)
	if err := shutdown(ctx); err != nil {
		return fmt.Errorf("sending the last spans: %w", err)
	}
	fmt.Println(id)
	return nil
}

func main() {
	if err := run(); err != nil {
		slog.Error("the example ended", "error", err)
		os.Exit(1)
	}
}
