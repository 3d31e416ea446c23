// Command dice throws dice and traces each throw with the OpenTelemetry SDK for
// Go: one span for the game and one below it for each throw. It prints the id of
// the trace, sends what is left, and ends.
//
// The SDK reads where to send from OTEL_EXPORTER_OTLP_ENDPOINT, and who sends from
// OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/signal"
	"syscall"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

func main() {
	throws := flag.Int("throws", 10, "how often the die is thrown")
	rolling := flag.Duration("rolling", time.Second, "how long it rolls")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *throws, *rolling); err != nil {
		slog.Error("the game ended", "error", err)
		os.Exit(1)
	}
}

// run plays one game and sends its spans, those of an interrupted one too.
func run(ctx context.Context, throws int, rolling time.Duration) (err error) {
	exporter, err := otlptracegrpc.New(ctx)
	if err != nil {
		return fmt.Errorf("creating the exporter: %w", err)
	}
	about, err := resource.New(ctx, resource.WithAttributes(attribute.String("service.name", "dice")), resource.WithFromEnv())
	if err != nil {
		return fmt.Errorf("describing this service: %w", err)
	}
	provider := sdktrace.NewTracerProvider(sdktrace.WithBatcher(exporter), sdktrace.WithResource(about))
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		if left := provider.Shutdown(ctx); left != nil {
			err = errors.Join(err, fmt.Errorf("sending the last spans: %w", left))
		}
	}()
	return play(ctx, provider.Tracer("dice"), throws, rolling)
}

// play throws the die, and prints each throw and the id of the trace.
func play(ctx context.Context, tracer trace.Tracer, throws int, rolling time.Duration) error {
	ctx, game := tracer.Start(ctx, "game", trace.WithAttributes(attribute.Int("dice.throws", throws)))
	defer game.End()
	sum := 0
	for i := range throws {
		points, err := throw(ctx, tracer, rolling)
		if err != nil {
			return err
		}
		sum += points
		fmt.Printf("throw %d: %d\n", i+1, points)
	}
	game.SetAttributes(attribute.Int("dice.sum", sum))
	fmt.Printf("trace %s\n", game.SpanContext().TraceID())
	return nil
}

// throw throws the die once.
func throw(ctx context.Context, tracer trace.Tracer, rolling time.Duration) (int, error) {
	_, span := tracer.Start(ctx, "throw")
	defer span.End()
	select {
	case <-ctx.Done():
		return 0, context.Cause(ctx)
	case <-time.After(rolling):
	}
	points := 1 + rand.IntN(6)
	span.SetAttributes(attribute.Int("dice.points", points))
	return points, nil
}
