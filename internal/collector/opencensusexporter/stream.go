package opencensusexporter

import (
	"context"
	"errors"
	"io"

	"go.opentelemetry.io/collector/consumer/consumererror"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
)

// stream is one open stream. One goroutine sends on it, another waits for its
// end.
type stream struct {
	grpc   grpc.ClientStream
	cancel context.CancelFunc
	last   int           // items of the message sent last
	ended  chan struct{} // closed at its end
	err    error         // once it has ended: nil when the peer took everything
}

// open opens a stream. It is cancelled when ctx is done before open returns, and
// lives on else.
func (c *client) open(ctx context.Context) (*stream, error) {
	own, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer context.AfterFunc(ctx, cancel)()
	s, err := c.conn.NewStream(own, &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}, c.signal.method)
	if err != nil {
		cancel()
		return nil, err
	}
	opened := &stream{grpc: s, cancel: cancel, ended: make(chan struct{})}
	go opened.wait(c.signal.response())
	return opened, nil
}

// wait waits for the stream's end. Peers may send messages; they say nothing.
func (s *stream) wait(m proto.Message) {
	defer close(s.ended)
	defer s.cancel()
	for {
		if err := s.grpc.RecvMsg(m); err != nil {
			if !errors.Is(err, io.EOF) {
				s.err = err
			}
			return
		}
	}
}

// over says whether the stream has ended.
func (s *stream) over() bool {
	select {
	case <-s.ended:
		return true
	default:
		return false
	}
}

// send sends one message. A message that cannot be encoded is a permanent error
// and leaves the stream as it is; another error ends it. The peer may read
// nothing for long, so the stream is cancelled when ctx is done.
func (s *stream) send(ctx context.Context, r request) error {
	var encoded grpc.PreparedMsg
	if encoded.Encode(s.grpc, r.message) != nil {
		cleaned(r.message.ProtoReflect())
		if err := encoded.Encode(s.grpc, r.message); err != nil {
			return consumererror.NewPermanent(err)
		}
	}
	defer context.AfterFunc(ctx, s.cancel)()
	err := s.grpc.SendMsg(&encoded)
	if err == nil {
		s.last = r.items
		return nil
	}
	s.cancel()
	<-s.ended
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if !errors.Is(err, io.EOF) {
		return err
	}
	if s.err != nil { // why the peer has ended it
		return s.err
	}
	return errEnded
}

// finish says that nothing more will be sent, and returns the peer's answer to
// all that was.
func (s *stream) finish(ctx context.Context) error {
	defer context.AfterFunc(ctx, s.cancel)()
	err := s.grpc.CloseSend()
	<-s.ended
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if s.err != nil {
		return s.err
	}
	return err
}
