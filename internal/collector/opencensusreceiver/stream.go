package opencensusreceiver

import (
	"context"
	"errors"
	"io"

	commonpb "github.com/census-instrumentation/opencensus-proto/gen-go/agent/common/v1"
	resourcepb "github.com/census-instrumentation/opencensus-proto/gen-go/resource/v1"
	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.opentelemetry.io/collector/receiver/receiverhelper"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// errNoNode ends a stream that does not say who sends.
var errNoNode = status.Error(codes.InvalidArgument, "protocol violation: Export's first message must have a Node")

// follow passes on the messages of one stream until it ends, which is no error,
// or one of them is refused. Node and resource hold until a message brings others.
func (p *part) follow(ctx context.Context, observed *receiverhelper.ObsReport, format string, next func() (message, error)) error {
	var node *commonpb.Node
	var resource *resourcepb.Resource
	for {
		m, err := next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if n := m.GetNode(); n != nil {
			node = n
		}
		if node == nil {
			return errNoNode
		}
		if r := m.GetResource(); r != nil {
			resource = r
		}
		op := p.begin(observed, ctx)
		items, err := p.consume(op, p, node, resource, m)
		p.end(observed, op, format, items, err)
		if err != nil {
			return refusal(err)
		}
	}
}

// refusal gives an error of the pipeline the form that clients are told: its own
// status, or whether to send again.
func refusal(err error) error {
	var own interface{ GRPCStatus() *status.Status }
	switch {
	case errors.As(err, &own):
		return own.GRPCStatus().Err()
	case consumererror.IsPermanent(err):
		return status.Error(codes.InvalidArgument, err.Error())
	}
	return status.Error(codes.Unavailable, err.Error())
}
