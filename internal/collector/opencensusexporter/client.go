package opencensusexporter

import (
	"context"
	"errors"
	"fmt"
	"runtime"

	agentmetricspb "github.com/census-instrumentation/opencensus-proto/gen-go/agent/metrics/v1"
	agenttracepb "github.com/census-instrumentation/opencensus-proto/gen-go/agent/trace/v1"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/config/configgrpc"
	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/signalbox-otel/signalbox/internal/collector/answer"
)

// errEnded is a stream that the peer ended in the middle, without an error.
var errEnded = status.Error(codes.Unavailable, "the peer ended the stream")

// Why items are lost, or may be: values of the attribute "reason".
const (
	reasonNoType      = "unsupported_type"
	reasonRefused     = "refused"
	reasonUnconfirmed = "unconfirmed"
)

// signal is what differs between traces and metrics.
type signal struct {
	name     string // of what is counted
	method   string
	response func() proto.Message
}

var (
	traces = signal{
		"spans", "/opencensus.proto.agent.trace.v1.TraceService/Export",
		func() proto.Message { return new(agenttracepb.ExportTraceServiceResponse) },
	}
	metrics = signal{
		"metrics", "/opencensus.proto.agent.metrics.v1.MetricsService/Export",
		func() proto.Message { return new(agentmetricspb.ExportMetricsServiceResponse) },
	}
)

// client sends one signal on at most num_workers streams.
type client struct {
	config *Config
	signal signal
	set    component.TelemetrySettings
	id     attribute.KeyValue
	lost   metric.Int64Counter

	conn *grpc.ClientConn
	// workers holds num_workers streams, nil for one that is to be opened. Who
	// sends takes one and puts it back.
	workers chan *stream
}

func newClient(set exporter.Settings, config *Config, s signal) (*client, error) {
	lost, err := set.MeterProvider.Meter("github.com/signalbox-otel/signalbox/internal/collector/opencensusexporter").Int64Counter(
		"signalbox_opencensus_lost_"+s.name+"_total",
		metric.WithDescription("What the exporter opencensus lost, or may have lost, by reason."),
		metric.WithUnit("{item}"))
	if err != nil {
		return nil, err
	}
	c := &client{
		config: config, signal: s, set: set.TelemetrySettings, lost: lost,
		id: attribute.String("exporter", set.ID.String()), workers: make(chan *stream, config.NumWorkers),
	}
	for range config.NumWorkers {
		c.workers <- nil
	}
	return c, nil
}

// start makes the connection. It does not wait for the peer: what is sent
// before it answers is tried again.
func (c *client) start(ctx context.Context, host component.Host) error {
	agent := grpc.WithUserAgent(fmt.Sprintf("signalbox (%s/%s)", runtime.GOOS, runtime.GOARCH))
	conn, err := c.config.Client.ToClientConn(ctx, host.GetExtensions(), c.set, configgrpc.WithGrpcDialOption(agent))
	if err != nil {
		return fmt.Errorf("connecting to the OpenCensus agent at %s: %w", c.config.Client.Endpoint, err)
	}
	c.conn = conn
	return nil
}

// shutdown ends the streams, each after the peer has answered to what was sent on
// it, or ctx or the timeout of an attempt is over.
func (c *client) shutdown(ctx context.Context) error {
	if c.conn == nil {
		return nil
	}
	if c.config.Timeout.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, c.config.Timeout.Timeout)
		defer cancel()
	}
	for range c.config.NumWorkers {
		s := <-c.workers
		if s == nil {
			continue
		}
		_ = s.finish(ctx) // the stream keeps its error
		c.report(ctx, s)
	}
	return c.conn.Close()
}

func (c *client) lose(ctx context.Context, reason string, items int) {
	c.lost.Add(context.WithoutCancel(ctx), int64(items), metric.WithAttributes(c.id, attribute.String("reason", reason)))
}

func (c *client) sendTraces(ctx context.Context, td ptrace.Traces) error {
	requests, err := fromTraces(td)
	if err != nil {
		c.lose(ctx, reasonNoType, td.SpanCount())
		return consumererror.NewPermanent(err)
	}
	return c.send(ctx, requests, func(err error, first int) error {
		rest := ptrace.NewTraces()
		for i := first; i < td.ResourceSpans().Len(); i++ {
			td.ResourceSpans().At(i).CopyTo(rest.ResourceSpans().AppendEmpty())
		}
		return consumererror.NewTraces(err, rest)
	})
}

func (c *client) sendMetrics(ctx context.Context, md pmetric.Metrics) error {
	requests, dropped, err := fromMetrics(md)
	if err != nil {
		c.lose(ctx, reasonNoType, md.MetricCount())
		return consumererror.NewPermanent(err)
	}
	if dropped > 0 {
		c.lose(ctx, reasonNoType, dropped)
	}
	return c.send(ctx, requests, func(err error, first int) error {
		rest := pmetric.NewMetrics()
		for i := first; i < md.ResourceMetrics().Len(); i++ {
			md.ResourceMetrics().At(i).CopyTo(rest.ResourceMetrics().AppendEmpty())
		}
		return consumererror.NewMetrics(err, rest)
	})
}

// send sends requests in their order. One that the peer refuses for good does not
// keep back those behind it. An error after which to try again has what is to be
// sent then: all from the resource with the index first.
func (c *client) send(ctx context.Context, requests []request, again func(err error, first int) error) error {
	var s *stream
	select {
	case s = <-c.workers:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { c.workers <- s }()
	var refusals []error
	for _, r := range requests {
		var err error
		if s, err = c.sendOne(ctx, s, r); err == nil {
			continue
		}
		if err = c.verdict(ctx, err); !consumererror.IsPermanent(err) {
			return again(err, r.resource)
		}
		c.lose(ctx, reasonRefused, r.items)
		refusals = append(refusals, err)
	}
	return errors.Join(refusals...)
}

// verdict says whether to send again. What ends with the attempt's time does not
// come from the peer.
func (c *client) verdict(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if consumererror.IsPermanent(err) {
		return err
	}
	if status.Code(err) == codes.Unimplemented {
		err = fmt.Errorf("%w (%s takes no %s of OpenCensus; for an OTLP port use the exporter otlp_grpc)", err, c.config.Client.Endpoint, c.signal.name)
	}
	return answer.GRPC(err)
}

// sendOne sends r on s, or on a new stream where s is nil or has ended. It returns
// the stream for the next request, nil when that needs a new one. An error of a
// stream that others were sent on before is about those, so r is sent again.
func (c *client) sendOne(ctx context.Context, s *stream, r request) (*stream, error) {
	if s != nil && !s.over() {
		err := s.send(ctx, r)
		if err == nil || consumererror.IsPermanent(err) {
			return s, err
		}
	}
	if s != nil {
		c.report(ctx, s)
	}
	s, err := c.open(ctx)
	if err != nil {
		return nil, err
	}
	err = s.send(ctx, r)
	switch {
	case consumererror.IsPermanent(err):
		return s, err
	case err != nil:
		return nil, err
	case c.config.Confirm:
		return nil, s.finish(ctx)
	}
	return s, nil
}

// report counts what may be lost with a stream that has ended. The peer does not
// say which message it was that it refused, or how many it had not read: counted
// are the items of the last.
func (c *client) report(ctx context.Context, s *stream) {
	switch {
	case s.err == nil:
	case consumererror.IsPermanent(answer.GRPC(s.err)):
		c.lose(ctx, reasonRefused, s.last)
	default:
		c.lose(ctx, reasonUnconfirmed, s.last)
	}
}
