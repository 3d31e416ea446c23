package jaegerexporter

import (
	"context"
	"fmt"
	"runtime"

	"github.com/jaegertracing/jaeger-idl/model/v1"
	"github.com/jaegertracing/jaeger-idl/proto-gen/api_v2"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/config/configgrpc"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/signalbox-otel/signalbox/internal/collector/answer"
)

// maxRequestBytes is how large a request may become: Jaeger refuses one above
// 4 MiB for good, and a batch of a busy collector is larger than that.
const maxRequestBytes = 4<<20 - 64<<10

// client sends batches over gRPC.
type client struct {
	config configgrpc.ClientConfig
	set    component.TelemetrySettings

	conn      *grpc.ClientConn
	collector api_v2.CollectorServiceClient
}

// start makes the connection. It does not wait for the peer: what is sent
// before it answers is tried again.
func (c *client) start(ctx context.Context, host component.Host) error {
	agent := grpc.WithUserAgent(fmt.Sprintf("signalbox (%s/%s)", runtime.GOOS, runtime.GOARCH))
	conn, err := c.config.ToClientConn(ctx, host.GetExtensions(), c.set, configgrpc.WithGrpcDialOption(agent))
	if err != nil {
		return fmt.Errorf("connecting to Jaeger at %s: %w", c.config.Endpoint, err)
	}
	c.conn, c.collector = conn, api_v2.NewCollectorServiceClient(conn)
	return nil
}

func (c *client) shutdown(context.Context) error {
	if c.conn == nil {
		return nil
	}
	return c.conn.Close()
}

// post sends b in as many requests as Jaeger's limit needs. After a failure all
// of b is sent again: Jaeger knows a span by its ids.
func (c *client) post(ctx context.Context, b *model.Batch) error {
	if half := len(b.Spans) / 2; half > 0 && b.Size() > maxRequestBytes {
		for _, spans := range [][]*model.Span{b.Spans[:half], b.Spans[half:]} {
			if err := c.post(ctx, &model.Batch{Process: b.Process, Spans: spans}); err != nil {
				return err
			}
		}
		return nil
	}
	_, err := c.collector.PostSpans(ctx, &api_v2.PostSpansRequest{Batch: *b})
	if status.Code(err) == codes.Unimplemented {
		err = fmt.Errorf("%w (%s is not a Jaeger collector's gRPC port, which is 14250; for an OTLP port use the exporter otlp_grpc)", err, c.config.Endpoint)
	}
	return answer.GRPC(err)
}
