package demo

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"go.opentelemetry.io/contrib/bridges/otelslog"
	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlplog/otlploghttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.41.0"
	"go.opentelemetry.io/otel/trace"
)

const (
	// scope names the instrumentation that is the guestbook's own.
	scope = "github.com/signalbox-otel/signalbox/internal/demo"
	// How often telemetry leaves: soon enough to watch.
	batchInterval  = time.Second
	metricInterval = 5 * time.Second
)

// telemetry is what one part sends, as its own service.
type telemetry struct {
	traces  *sdktrace.TracerProvider
	metrics *sdkmetric.MeterProvider
	logs    *sdklog.LoggerProvider

	tracer trace.Tracer
	log    *slog.Logger

	ended sync.Once
}

var propagators = propagation.NewCompositeTextMapPropagator(propagation.TraceContext{}, propagation.Baggage{})

// newTelemetry makes the SDKs of one part. alone says that no other part runs
// in this process; then the environment may name the service.
func newTelemetry(ctx context.Context, part string, alone bool, s Settings) (*telemetry, error) {
	res, err := newResource(ctx, part, alone, s.Version)
	if err != nil {
		return nil, fmt.Errorf("describing the resource: %w", err)
	}
	traceOpts := []sdktrace.TracerProviderOption{sdktrace.WithResource(res)}
	metricOpts := []sdkmetric.Option{sdkmetric.WithResource(res)}
	logOpts := []sdklog.LoggerProviderOption{sdklog.WithResource(res)}
	if s.OTLP != "" {
		spans, err := otlptracehttp.New(ctx, otlptracehttp.WithEndpointURL(s.OTLP+"/v1/traces"))
		if err != nil {
			return nil, fmt.Errorf("exporting traces to %s: %w", s.OTLP, err)
		}
		points, err := otlpmetrichttp.New(ctx, otlpmetrichttp.WithEndpointURL(s.OTLP+"/v1/metrics"))
		if err != nil {
			return nil, fmt.Errorf("exporting metrics to %s: %w", s.OTLP, err)
		}
		records, err := otlploghttp.New(ctx, otlploghttp.WithEndpointURL(s.OTLP+"/v1/logs"))
		if err != nil {
			return nil, fmt.Errorf("exporting logs to %s: %w", s.OTLP, err)
		}
		traceOpts = append(traceOpts, sdktrace.WithBatcher(spans, sdktrace.WithBatchTimeout(batchInterval)))
		metricOpts = append(metricOpts, sdkmetric.WithReader(sdkmetric.NewPeriodicReader(points, sdkmetric.WithInterval(metricInterval))))
		logOpts = append(logOpts, sdklog.WithProcessor(sdklog.NewBatchProcessor(records, sdklog.WithExportInterval(batchInterval))))
	}
	t := &telemetry{
		traces:  sdktrace.NewTracerProvider(traceOpts...),
		metrics: sdkmetric.NewMeterProvider(metricOpts...),
		logs:    sdklog.NewLoggerProvider(logOpts...),
	}
	t.tracer = t.traces.Tracer(scope)
	var handler slog.Handler = otelslog.NewHandler(scope, otelslog.WithLoggerProvider(t.logs))
	if s.Logs != nil {
		handler = slog.NewMultiHandler(handler, s.Logs.WithAttrs([]slog.Attr{slog.String("part", part)}))
	}
	t.log = slog.New(handler)
	return t, nil
}

func newResource(ctx context.Context, part string, alone bool, version string) (*resource.Resource, error) {
	ours := resource.WithAttributes(
		semconv.ServiceName("guestbook-"+part),
		semconv.ServiceVersion(version),
		attribute.String("app", "guestbook"),
		attribute.String("tier", tiers[part]),
	)
	options := []resource.Option{resource.WithTelemetrySDK(), resource.WithHost(), resource.WithProcessPID(), resource.WithProcessRuntimeName(), resource.WithProcessRuntimeVersion()}
	if alone {
		options = append(options, ours, resource.WithFromEnv())
	} else {
		options = append(options, resource.WithFromEnv(), ours)
	}
	return resource.New(ctx, options...)
}

// tiers are the values of the label tier that the Kubernetes form of the
// guestbook has.
var tiers = map[string]string{Frontend: "frontend", Backend: "backend", Store: "db"}

// Tier is the value of the label tier for a part.
func Tier(part string) string { return tiers[part] }

func (t *telemetry) httpOptions() []otelhttp.Option {
	return []otelhttp.Option{
		otelhttp.WithTracerProvider(t.traces),
		otelhttp.WithMeterProvider(t.metrics),
		otelhttp.WithPropagators(propagators),
	}
}

// shutdown sends what is left and records no more. Only the first call does
// anything.
func (t *telemetry) shutdown(ctx context.Context) (err error) {
	t.ended.Do(func() {
		err = errors.Join(t.traces.Shutdown(ctx), t.metrics.Shutdown(ctx), t.logs.Shutdown(ctx))
	})
	return err
}
