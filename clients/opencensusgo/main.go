// Command opencensusgo handles one order of a small shop and reports it with
// OpenCensus, which OpenTelemetry grew out of and replaced in 2023: two spans and
// a metric, through the agent exporter that it was used with. They go over gRPC.
//
// OC_AGENT_HOST says where to, host:port; SERVICE_NAME is who sends; OC_AGENT_CA
// is a file with the certificate to trust, and without it nothing is encrypted.
// OC_AWAIT has it wait for the agent first, as the releases of 2019 need.
// The trace's id is printed, so that it can be looked up.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"contrib.go.opencensus.io/exporter/ocagent"
	agent "github.com/census-instrumentation/opencensus-proto/gen-go/agent/trace/v1"
	spans "github.com/census-instrumentation/opencensus-proto/gen-go/trace/v1"
	"github.com/golang/protobuf/ptypes/timestamp"
	"go.opencensus.io/stats"
	"go.opencensus.io/stats/view"
	"go.opencensus.io/tag"
	"go.opencensus.io/trace"
	"google.golang.org/grpc/credentials"
)

var (
	items    = stats.Int64("shop/items", "Items ordered", stats.UnitDimensionless)
	duration = stats.Float64("shop/duration", "Time of an order", stats.UnitMilliseconds)
	region   = mustKey("region")
)

// mustKey is tag.MustNewKey, which the old releases do not have.
func mustKey(name string) tag.Key {
	key, err := tag.NewKey(name)
	if err != nil {
		panic(err)
	}
	return key
}

func order(ctx context.Context) (trace.TraceID, error) {
	ctx, checkout := trace.StartSpan(ctx, "POST /checkout", trace.WithSpanKind(trace.SpanKindServer))
	checkout.AddAttributes(trace.Int64Attribute("cart.items", 3), trace.BoolAttribute("customer.vip", true))
	_, charge := trace.StartSpan(ctx, "charge card", trace.WithSpanKind(trace.SpanKindClient))
	charge.Annotate([]trace.Attribute{trace.StringAttribute("card.provider", "visa")}, "card refused")
	charge.SetStatus(trace.Status{Code: trace.StatusCodePermissionDenied, Message: "refused"})
	charge.End()
	checkout.End()
	err := stats.RecordWithTags(ctx, []tag.Mutator{tag.Insert(region, "eu")}, items.M(3), duration.M(42))
	return checkout.SpanContext().TraceID, err
}

// await returns once a span of its own has gone. The releases of 2019 connect in
// the background, and forget without a word what is told before.
func await(exporter *ocagent.Exporter) {
	now := time.Now()
	at := &timestamp.Timestamp{Seconds: now.Unix(), Nanos: int32(now.Nanosecond())}
	for exporter.ExportTraceServiceRequest(&agent.ExportTraceServiceRequest{Spans: []*spans.Span{{
		TraceId: []byte("the shop starts."), SpanId: []byte("starting"),
		Name: &spans.TruncatableString{Value: "start"}, StartTime: at, EndTime: at,
	}}}) != nil {
		time.Sleep(10 * time.Millisecond)
	}
}

func run() (err error) {
	options := []ocagent.ExporterOption{
		ocagent.WithAddress(os.Getenv("OC_AGENT_HOST")),
		ocagent.WithServiceName(os.Getenv("SERVICE_NAME")),
		ocagent.WithReconnectionPeriod(50 * time.Millisecond),
	}
	if ca := os.Getenv("OC_AGENT_CA"); ca != "" {
		creds, err := credentials.NewClientTLSFromFile(ca, "")
		if err != nil {
			return fmt.Errorf("reading OC_AGENT_CA: %w", err)
		}
		options = append(options, ocagent.WithTLSCredentials(creds))
	} else {
		options = append(options, ocagent.WithInsecure())
	}
	exporter, err := ocagent.NewExporter(options...)
	if err != nil {
		return fmt.Errorf("connecting to the agent: %w", err)
	}
	defer func() { err = errors.Join(err, exporter.Stop()) }()
	if os.Getenv("OC_AWAIT") != "" {
		await(exporter)
	}
	trace.RegisterExporter(exporter)
	trace.ApplyConfig(trace.Config{DefaultSampler: trace.AlwaysSample()})
	keys := []tag.Key{region}
	views := []*view.View{
		{Name: "shop/items", Measure: items, TagKeys: keys, Aggregation: view.Sum()},
		{Name: "shop/duration", Measure: duration, TagKeys: keys, Aggregation: view.Distribution(10, 100)},
	}
	view.RegisterExporter(exporter)
	if err := view.Register(views...); err != nil {
		return fmt.Errorf("registering views: %w", err)
	}
	id, err := order(context.Background())
	if err != nil {
		return fmt.Errorf("recording the order: %w", err)
	}
	view.Unregister(views...) // which reports them
	exporter.Flush()
	// Stop closes the connection over what is still being written to it, and
	// nothing tells when that is done: services that end lose their last words.
	time.Sleep(200 * time.Millisecond)
	fmt.Println(id)
	return nil
}

func main() {
	if err := run(); err != nil {
		slog.Error("the order was not told about", "error", err)
		os.Exit(1)
	}
}
