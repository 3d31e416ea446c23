package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net"
	"sync/atomic"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	_ "google.golang.org/grpc/encoding/gzip" // what the collectors may send
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/signalbox-otel/signalbox/bench/otlp"
)

const (
	spansPerBody = 100
	connections  = 4
	exportMethod = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
)

// newBodies returns requests that differ, ready for the wire: 100 spans of 10
// attributes each.
func newBodies() ([][]byte, error) {
	random := rand.New(rand.NewPCG(1, 2))
	bodies := make([][]byte, 32)
	for i := range bodies {
		traces := ptrace.NewTraces()
		resource := traces.ResourceSpans().AppendEmpty()
		resource.Resource().Attributes().PutStr("service.name", fmt.Sprintf("service-%d", i%8))
		resource.Resource().Attributes().PutStr("host.name", fmt.Sprintf("node-%d", i%4))
		scope := resource.ScopeSpans().AppendEmpty()
		scope.Scope().SetName("go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp")
		var trace pcommon.TraceID
		for n := range spansPerBody {
			if n%5 == 0 {
				binary.LittleEndian.PutUint64(trace[:], random.Uint64())
				binary.LittleEndian.PutUint64(trace[8:], random.Uint64())
			}
			fill(scope.Spans().AppendEmpty(), trace, random)
		}
		var err error
		if bodies[i], err = new(ptrace.ProtoMarshaler).MarshalTraces(traces); err != nil {
			return nil, err
		}
	}
	return bodies, nil
}

// fill makes span one of an HTTP server.
func fill(span ptrace.Span, trace pcommon.TraceID, random *rand.Rand) {
	const begun = 1_767_225_600_000_000_000
	var id pcommon.SpanID
	binary.LittleEndian.PutUint64(id[:], random.Uint64())
	span.SetTraceID(trace)
	span.SetSpanID(id)
	span.SetName("GET /api/products/{id}")
	span.SetKind(ptrace.SpanKindServer)
	start := pcommon.Timestamp(begun + random.Int64N(1e9))
	span.SetStartTimestamp(start)
	span.SetEndTimestamp(start + pcommon.Timestamp(random.Int64N(1e8)))
	a := span.Attributes()
	product := random.IntN(10_000)
	a.PutStr("http.request.method", "GET")
	a.PutStr("http.route", "/api/products/{id}")
	a.PutStr("url.path", fmt.Sprintf("/api/products/%d", product))
	a.PutInt("http.response.status_code", 200)
	a.PutStr("client.address", fmt.Sprintf("10.0.%d.%d", random.IntN(256), random.IntN(256)))
	a.PutStr("user_agent.original", "Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0")
	a.PutStr("network.protocol.version", "1.1")
	a.PutInt("app.product.id", int64(product))
	a.PutBool("app.cache.hit", random.IntN(2) == 0)
	a.PutStr("enduser.id", fmt.Sprintf("user-%06d", random.IntN(1_000_000)))
}

// send sends spans over a few connections, one request at a time on each.
func send(ctx context.Context, address string, bodies [][]byte, spans int) error {
	requests := int64(spans / spansPerBody)
	var next atomic.Int64
	group, ctx := errgroup.WithContext(ctx)
	for range connections {
		group.Go(func() error {
			conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()),
				grpc.WithDefaultCallOptions(grpc.ForceCodecV2(otlp.Raw{})))
			if err != nil {
				return err
			}
			defer conn.Close()
			for i := next.Add(1); i <= requests; i = next.Add(1) {
				var answer []byte
				if err := conn.Invoke(ctx, exportMethod, bodies[i%int64(len(bodies))], &answer); err != nil {
					return fmt.Errorf("sending spans: %w", err)
				}
			}
			return nil
		})
	}
	return group.Wait()
}

// peer takes what the collectors export and counts the spans.
type peer struct {
	address string
	server  *grpc.Server

	received atomic.Int64
	more     chan struct{} // holds one token when received has grown
}

func listen() (*peer, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &peer{address: l.Addr().String(), more: make(chan struct{}, 1)}
	p.server = grpc.NewServer(grpc.ForceServerCodecV2(otlp.Raw{}), grpc.MaxRecvMsgSize(64<<20),
		grpc.UnknownServiceHandler(func(_ any, stream grpc.ServerStream) error {
			var body []byte
			if err := stream.RecvMsg(&body); err != nil {
				return err
			}
			n, err := countSpans(body)
			if err != nil {
				return err
			}
			p.received.Add(int64(n))
			select {
			case p.more <- struct{}{}:
			default:
			}
			return stream.SendMsg([]byte{})
		}))
	go func() { _ = p.server.Serve(l) }() // ends with Stop
	return p, nil
}

// await returns once the peer has received as many spans.
func (p *peer) await(ctx context.Context, spans int) error {
	for p.received.Load() < int64(spans) {
		select {
		case <-p.more:
		case <-ctx.Done():
			return fmt.Errorf("waiting for spans: got %d of %d: %w", p.received.Load(), spans, ctx.Err())
		}
	}
	return nil
}

func (p *peer) stop() { p.server.Stop() }

// countSpans counts the spans of an ExportTraceServiceRequest: field 2 (spans)
// of field 2 (scope_spans) of field 1 (resource_spans).
func countSpans(body []byte) (int, error) {
	path := []protowire.Number{1, 2, 2}
	return countFields(body, path)
}

func countFields(body []byte, path []protowire.Number) (int, error) {
	count := 0
	for len(body) > 0 {
		number, kind, n := protowire.ConsumeTag(body)
		if n < 0 {
			return 0, protowire.ParseError(n)
		}
		value := body[n:]
		length := protowire.ConsumeFieldValue(number, kind, value)
		if length < 0 {
			return 0, protowire.ParseError(length)
		}
		body = value[length:]
		switch {
		case number != path[0] || kind != protowire.BytesType:
		case len(path) == 1:
			count++
		default:
			inner, _ := protowire.ConsumeBytes(value)
			deeper, err := countFields(inner, path[1:])
			if err != nil {
				return 0, err
			}
			count += deeper
		}
	}
	return count, nil
}
