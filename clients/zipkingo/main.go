// Command zipkingo handles one order of a small shop and reports two spans with
// Zipkin's client for Go, over HTTP.
//
// ZIPKIN_ENDPOINT is where to, SERVICE who sends; FORMAT is json, which is what
// the client does by itself, or protobuf; TRACE_ID_BITS is 64, which it does by
// itself, too, or 128. The trace's id is printed, so that it can be looked up.
package main

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/openzipkin/zipkin-go"
	"github.com/openzipkin/zipkin-go/model"
	"github.com/openzipkin/zipkin-go/reporter/http"
)

func order(tracer *zipkin.Tracer) model.TraceID {
	checkout := tracer.StartSpan("POST /checkout", zipkin.Kind(model.Server))
	checkout.Tag("cart.items", "3")
	charge := tracer.StartSpan("charge card", zipkin.Kind(model.Client), zipkin.Parent(checkout.Context()))
	charge.Annotate(time.Now(), "card refused")
	zipkin.TagError.Set(charge, "refused")
	charge.Finish()
	checkout.Finish()
	return checkout.Context().TraceID
}

func run() error {
	var options []http.ReporterOption
	if os.Getenv("FORMAT") == "protobuf" {
		if protobuf == nil {
			return errors.New("this release is built without protobuf")
		}
		options = append(options, http.Serializer(protobuf))
	}
	reporter := http.NewReporter(os.Getenv("ZIPKIN_ENDPOINT"), options...)
	local, err := zipkin.NewEndpoint(os.Getenv("SERVICE"), "192.0.2.7:8080")
	if err != nil {
		return fmt.Errorf("naming the service: %w", err)
	}
	tracer, err := zipkin.NewTracer(reporter,
		zipkin.WithLocalEndpoint(local), zipkin.WithTraceID128Bit(os.Getenv("TRACE_ID_BITS") == "128"))
	if err != nil {
		return fmt.Errorf("creating the tracer: %w", err)
	}
	id := order(tracer)
	if err := reporter.Close(); err != nil {
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
