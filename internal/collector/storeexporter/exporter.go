// Package storeexporter is the collector component `store`: the exporter that
// keeps traces, logs and metrics in the data directory of the query extension.
//
// Pipelines end in it; package ingest turns their data into batches. It has no
// queue: what it returns is what the sender is told, so that an acknowledged
// request is one that is kept. A store that is behind or whose disk is full
// makes the sender try again later.
package storeexporter

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/collector/exporter/exporterhelper"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/signalbox-otel/signalbox/internal/collector/wire"
	"github.com/signalbox-otel/signalbox/internal/ingest"
	"github.com/signalbox-otel/signalbox/internal/metrics"
	"github.com/signalbox-otel/signalbox/internal/store"
)

// Config is what users write under exporters: store.
type Config struct {
	// Extension names the query extension that keeps the data. It may be left
	// out when there is only one.
	Extension *component.ID `mapstructure:"extension"`
}

// Keeper is what the exporter needs of the query extension. It exists so that
// the exporter does not open files of its own: one process owns the directory.
type Keeper interface {
	component.Component
	// AppendBatch returns once the batch is durable. It keeps no part of it,
	// unless the batch says that it is followed.
	AppendBatch(ctx context.Context, b *store.Batch) error
	// AppendMetrics returns once the samples are in the database's log.
	AppendMetrics(ctx context.Context, md pmetric.Metrics) error
}

// NewFactory makes the factory of component `store`.
func NewFactory() exporter.Factory {
	return exporter.NewFactory(component.MustNewType("store"),
		func() component.Config { return &Config{} },
		exporter.WithTraces(newTraces, component.StabilityLevelBeta),
		exporter.WithLogs(newLogs, component.StabilityLevelBeta),
		exporter.WithMetrics(newMetrics, component.StabilityLevelBeta))
}

// keeping is one exporter. Its keeper is set by start, before any data comes.
type keeping struct {
	config *Config
	keeper Keeper
}

func newTraces(ctx context.Context, set exporter.Settings, cfg component.Config) (exporter.Traces, error) {
	k := &keeping{config: cfg.(*Config)}
	return exporterhelper.NewTraces(ctx, calm(set), cfg, k.traces, k.options()...)
}

func newLogs(ctx context.Context, set exporter.Settings, cfg component.Config) (exporter.Logs, error) {
	k := &keeping{config: cfg.(*Config)}
	return exporterhelper.NewLogs(ctx, calm(set), cfg, k.logs, k.options()...)
}

func newMetrics(ctx context.Context, set exporter.Settings, cfg component.Config) (exporter.Metrics, error) {
	k := &keeping{config: cfg.(*Config)}
	return exporterhelper.NewMetrics(ctx, calm(set), cfg, k.metrics, k.options()...)
}

// calm makes warnings of the errors that exporterhelper logs for each refused
// request: the sender is told, the request is counted, and no one here must act.
func calm(set exporter.Settings) exporter.Settings {
	set.Logger = set.Logger.WithOptions(zap.WrapCore(func(c zapcore.Core) zapcore.Core { return calmCore{c} }))
	return set
}

// calmCore is a zap core that logs errors as warnings.
type calmCore struct{ zapcore.Core }

func (c calmCore) With(fields []zapcore.Field) zapcore.Core { return calmCore{c.Core.With(fields)} }

func (c calmCore) Check(entry zapcore.Entry, to *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if entry.Level == zapcore.ErrorLevel {
		entry.Level = zapcore.WarnLevel
	}
	return c.Core.Check(entry, to)
}

// options leave queueing, retrying and timing out to the sender. Nothing that
// is consumed is changed, so that a fan-out need not copy it.
func (k *keeping) options() []exporterhelper.Option {
	return []exporterhelper.Option{
		exporterhelper.WithStart(k.start),
		exporterhelper.WithTimeout(exporterhelper.TimeoutConfig{Timeout: 0}),
		exporterhelper.WithCapabilities(consumer.Capabilities{MutatesData: false}),
	}
}

// start finds the extension that keeps the data.
func (k *keeping) start(_ context.Context, host component.Host) error {
	var found []component.ID
	for id, ext := range host.GetExtensions() {
		keeper, ok := ext.(Keeper)
		if ok && (k.config.Extension == nil || *k.config.Extension == id) {
			k.keeper = keeper
			found = append(found, id)
		}
	}
	switch {
	case len(found) == 0 && k.config.Extension != nil:
		return fmt.Errorf("extension %q keeps no data or does not run: add it to service::extensions", k.config.Extension)
	case len(found) == 0:
		return errors.New("nothing keeps the data: add a query extension to extensions and to service::extensions")
	case len(found) > 1:
		return fmt.Errorf("several extensions keep data, %v: choose one with the exporter's key extension", found)
	}
	return nil
}

func (k *keeping) traces(ctx context.Context, td ptrace.Traces) error {
	if b := wire.From(ctx, store.Spans); b != nil {
		return refusal(k.keeper.AppendBatch(ctx, b))
	}
	if td.SpanCount() == 0 {
		return nil
	}
	b, err := ingest.Traces(td)
	if err != nil {
		return refusal(err)
	}
	return refusal(k.keeper.AppendBatch(ctx, b))
}

func (k *keeping) logs(ctx context.Context, ld plog.Logs) error {
	b := wire.From(ctx, store.Logs)
	if b == nil {
		if ld.LogRecordCount() == 0 {
			return nil
		}
		var err error
		if b, err = ingest.Logs(ld); err != nil {
			return refusal(err)
		}
	}
	ingest.Arrived(b, time.Now())
	return refusal(k.keeper.AppendBatch(ctx, b))
}

func (k *keeping) metrics(ctx context.Context, md pmetric.Metrics) error {
	return refusal(k.keeper.AppendMetrics(ctx, md))
}

// refusal gives an error the form that receivers tell senders: a gRPC status,
// with the time after which to try again where that can help (OTLP
// specification, "Failures").
func refusal(err error) error {
	var overload *store.OverloadError
	var unavailable *metrics.UnavailableError
	var malformed *ingest.MalformedError
	var refused *metrics.RefusedError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &overload):
		return again(err, overload.RetryAfter)
	case errors.As(err, &unavailable):
		return again(err, unavailable.RetryAfter)
	case errors.As(err, &malformed), errors.As(err, &refused):
		return refusedError{consumererror.NewPermanent(err), status.New(codes.InvalidArgument, err.Error())}
	}
	return err // stopping, or the sender has gone: the sender may try again
}

// refusedError is a permanent error with the status that the sender is told. The
// status is outermost: of one within another error receivers would send the
// text of all the errors around it.
type refusedError struct {
	error
	status *status.Status
}

// GRPCStatus is looked for by package status.
func (e refusedError) GRPCStatus() *status.Status { return e.status }

func (e refusedError) Unwrap() error { return e.error }

// again asks for another try, after whole seconds: the answer over HTTP has no
// others, and half a second would become "at once" there.
func again(err error, after time.Duration) error {
	after = (after + time.Second - 1).Truncate(time.Second)
	s, detailErr := status.New(codes.Unavailable, err.Error()).WithDetails(&errdetails.RetryInfo{RetryDelay: durationpb.New(after)})
	if detailErr != nil {
		return status.Error(codes.Unavailable, err.Error())
	}
	return s.Err()
}
