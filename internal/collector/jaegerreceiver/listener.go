package jaegerreceiver

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"sync"

	"github.com/apache/thrift/lib/go/thrift"
	"github.com/jaegertracing/jaeger-idl/thrift-gen/agent"
	"github.com/open-telemetry/opentelemetry-collector-contrib/pkg/translator/jaeger"
	"github.com/open-telemetry/opentelemetry-collector-contrib/receiver/jaegerreceiver"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/receiver"
	"go.opentelemetry.io/collector/receiver/receiverhelper"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// Why a datagram is not passed on: values of the attribute "reason".
const (
	reasonQueueFull   = "queue_full"
	reasonTooLarge    = "too_large"
	reasonUnreadable  = "unreadable"
	reasonSocketError = "socket_error"
)

// protocolFunc makes a Thrift protocol that reads from a transport.
type protocolFunc func(thrift.TTransport, *thrift.TConfiguration) thrift.TProtocol

// listener takes datagrams on one UDP port, decodes each by itself and passes
// its spans on.
type listener struct {
	config    jaegerreceiver.ProtocolUDP
	transport string // the receiver's name for the port's protocol, in metrics
	protocol  protocolFunc
	next      consumer.Traces
	observed  *receiverhelper.ObsReport
	dropped   metric.Int64Counter

	conn    net.PacketConn
	queue   chan []byte
	reading sync.WaitGroup
	working sync.WaitGroup
}

func newListener(set receiver.Settings, config jaegerreceiver.ProtocolUDP, transport string, protocol protocolFunc, next consumer.Traces) (*listener, error) {
	observed, err := receiverhelper.NewObsReport(receiverhelper.ObsReportSettings{
		ReceiverID: set.ID, Transport: transport, ReceiverCreateSettings: set,
	})
	if err != nil {
		return nil, err
	}
	dropped, err := set.MeterProvider.Meter("github.com/signalbox-otel/signalbox/internal/collector/jaegerreceiver").Int64Counter(
		"signalbox_jaeger_udp_dropped_datagrams_total",
		metric.WithDescription("Datagrams of Jaeger clients that were not passed on, by reason."),
		metric.WithUnit("{datagram}"))
	if err != nil {
		return nil, err
	}
	return &listener{
		config: config, transport: transport, protocol: protocol, next: next,
		observed: observed, dropped: dropped,
	}, nil
}

// Start opens the port.
func (l *listener) Start(ctx context.Context, _ component.Host) error {
	conn, err := (&net.ListenConfig{}).ListenPacket(ctx, "udp", l.config.Endpoint)
	if err != nil {
		return fmt.Errorf("listening for Jaeger clients (%s): %w", l.transport, err)
	}
	if size := l.config.ServerConfigUDP.SocketBufferSize; size > 0 {
		if err := conn.(*net.UDPConn).SetReadBuffer(size); err != nil {
			return errors.Join(fmt.Errorf("setting socket_buffer_size of %s to %d: %w", l.config.Endpoint, size, err), conn.Close())
		}
	}
	l.conn = conn
	l.queue = make(chan []byte, l.config.ServerConfigUDP.QueueSize)
	for range max(1, l.config.ServerConfigUDP.Workers) {
		l.working.Go(l.work)
	}
	l.reading.Go(l.read)
	return nil
}

// Shutdown closes the port and returns when what was queued is passed on.
func (l *listener) Shutdown(context.Context) error {
	if l.conn == nil {
		return nil
	}
	err := l.conn.Close()
	l.reading.Wait()
	close(l.queue)
	l.working.Wait()
	return err
}

// read queues datagrams until the port is closed.
func (l *listener) read() {
	limit := l.config.ServerConfigUDP.MaxPacketSize
	buf := make([]byte, limit+1) // a longer datagram is cut off: one byte more tells
	for {
		n, _, err := l.conn.ReadFrom(buf)
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil:
			l.drop(reasonSocketError)
		case n > limit:
			l.drop(reasonTooLarge)
		default:
			select {
			case l.queue <- bytes.Clone(buf[:n]):
			default:
				l.drop(reasonQueueFull)
			}
		}
	}
}

func (l *listener) drop(reason string) {
	l.dropped.Add(context.Background(), 1, metric.WithAttributes(
		attribute.String("transport", l.transport), attribute.String("reason", reason)))
}

// work passes queued datagrams on until the queue is closed.
func (l *listener) work() {
	for datagram := range l.queue {
		ctx := l.observed.StartTracesOp(context.Background())
		td, err := l.decode(ctx, datagram)
		if err != nil {
			l.drop(reasonUnreadable)
		} else {
			err = l.next.ConsumeTraces(ctx, td)
		}
		l.observed.EndTracesOp(ctx, "thrift", td.SpanCount(), err)
	}
}

// decode reads the one call that a datagram holds. Thrift's reader and the
// translation take what any sender may have made up, so a panic in them is that
// datagram's error.
func (l *listener) decode(ctx context.Context, datagram []byte) (td ptrace.Traces, err error) {
	td = ptrace.NewTraces()
	defer func() {
		if p := recover(); p != nil {
			td, err = ptrace.NewTraces(), fmt.Errorf("decoding a datagram: %v", p)
		}
	}()
	// No list can have more elements than the datagram has bytes; without the
	// bound Thrift makes room for as many as it claims.
	size := max(1, int32(len(datagram)))
	in := l.protocol(&thrift.TMemoryBuffer{Buffer: bytes.NewBuffer(datagram)}, &thrift.TConfiguration{MaxMessageSize: size, MaxFrameSize: size})
	method, _, _, err := in.ReadMessageBegin(ctx)
	if err != nil {
		return td, fmt.Errorf("reading a call: %w", err)
	}
	if method != "emitBatch" {
		return td, fmt.Errorf("method %q is not taken; emitBatch is", method)
	}
	var call agent.AgentEmitBatchArgs
	if err := call.Read(ctx, in); err != nil {
		return td, fmt.Errorf("reading a batch: %w", err)
	}
	translated, err := jaeger.ThriftToTraces(call.Batch)
	if err != nil {
		return td, fmt.Errorf("translating a batch: %w", err)
	}
	return translated, nil
}
