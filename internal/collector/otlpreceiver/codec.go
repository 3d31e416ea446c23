package otlpreceiver

import (
	"context"
	"reflect"
	"runtime"
	"slices"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/encoding/proto"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/status"

	"github.com/signalbox-otel/signalbox/internal/collector/wire"
	"github.com/signalbox-otel/signalbox/internal/store"
)

// codec is the codec of gRPC, which leaves requests as they are until
// authentication and the limits of the server have let them through. Then
// decode, an interceptor, reads them: as a batch, or into pdata with metrics
// rewritten before.
//
// That is also the only way to answer a request that cannot be read as OTLP
// wants it: gRPC says Internal where a codec fails.
type codec struct {
	encoding.CodecV2
	intake *intake
}

func newCodec(i *intake) codec { return codec{encoding.GetCodecV2(proto.Name), i} }

// incoming is a request that waits to be read.
type incoming struct {
	body mem.Buffer // nil when there was no room for it
	hold *hold
}

// shellOf is the shell of a request, nil for other messages.
func shellOf(request any) *wire.Shell {
	switch reflect.TypeOf(request) {
	case wire.Spans().Type:
		return wire.Spans()
	case wire.Logs().Type:
		return wire.Logs()
	case wire.Metrics().Type:
		return wire.Metrics()
	}
	return nil
}

// Unmarshal puts data aside for decode.
func (c codec) Unmarshal(data mem.BufferSlice, v any) error {
	shell := shellOf(v)
	if shell == nil {
		return c.CodecV2.Unmarshal(data, v)
	}
	in := &incoming{hold: &hold{room: c.intake.room}}
	if in.hold.take(int64(data.Len())) {
		in.body = data.MaterializeToBuffer(mem.DefaultBufferPool())
		// Authentication may refuse the call, and then nobody comes for it.
		runtime.AddCleanup(in, (*hold).give, in.hold)
	}
	shell.Stash(v, in)
	return nil
}

// decode is the interceptor that reads what Unmarshal put aside.
func (c codec) decode(ctx context.Context, request any, _ *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	shell := shellOf(request)
	if shell == nil {
		return handler(ctx, request)
	}
	in, ok := shell.Stashed(request).(*incoming)
	if !ok {
		return handler(ctx, request)
	}
	if in.body == nil {
		return nil, c.intake.refused.count(ctx, noRoom()).Err()
	}
	defer in.hold.give()
	var l *lane
	switch shell {
	case wire.Spans():
		l = c.intake.lane(store.Spans)
	case wire.Logs():
		l = c.intake.lane(store.Logs)
	}
	if l == nil {
		err := c.intoPdata(in.body, request)
		in.body.Free()
		if err != nil {
			return nil, c.intake.refused.count(ctx, status.New(codes.InvalidArgument, err.Error())).Err()
		}
		return handler(ctx, request)
	}
	var answer any
	kept, err := c.intake.read(ctx, l, slices.Clip(in.body.ReadOnlyData()), in.hold, func(b *store.Batch) (err error) {
		shell.Fill(request, b.Len())
		answer, err = handler(wire.With(ctx, b), request)
		return err
	})
	if !kept {
		in.body.Free()
	}
	if err != nil {
		return nil, refusal(err).Err()
	}
	return answer, nil
}

// intoPdata decodes body into request.
func (c codec) intoPdata(body mem.Buffer, request any) error {
	data := body.ReadOnlyData()
	if reflect.TypeOf(request) == wire.Metrics().Type {
		data = modernMetrics(data)
	}
	return c.CodecV2.Unmarshal(mem.BufferSlice{mem.SliceBuffer(data)}, request)
}
