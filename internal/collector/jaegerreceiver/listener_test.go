package jaegerreceiver

import (
	"bytes"
	"context"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/apache/thrift/lib/go/thrift"
	"github.com/google/go-cmp/cmp"
	"github.com/jaegertracing/jaeger-idl/thrift-gen/agent"
	"github.com/jaegertracing/jaeger-idl/thrift-gen/jaeger"
	"github.com/jaegertracing/jaeger-idl/thrift-gen/zipkincore"
	contrib "github.com/open-telemetry/opentelemetry-collector-contrib/receiver/jaegerreceiver"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/config/configoptional"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/receiver/receivertest"
	"go.opentelemetry.io/otel/attribute"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

// started is a receiver with both UDP protocols, and what it passes on.
type started struct {
	listeners map[string]*listener // by transport
	names     chan string          // of the spans that arrive
	reader    *sdkmetric.ManualReader
	stop      func()
}

func start(t *testing.T, change func(*contrib.ProtocolUDP)) started {
	t.Helper()
	s := started{names: make(chan string, 100), reader: sdkmetric.NewManualReader(), listeners: map[string]*listener{}}
	next, err := consumer.NewTraces(func(_ context.Context, td ptrace.Traces) error {
		for _, rs := range td.ResourceSpans().All() {
			for _, ss := range rs.ScopeSpans().All() {
				for _, sp := range ss.Spans().All() {
					s.names <- sp.Name()
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	udp := contrib.ProtocolUDP{Endpoint: "127.0.0.1:0", ServerConfigUDP: contrib.ServerConfigUDP{QueueSize: 100, MaxPacketSize: 65_000, Workers: 2}}
	if change != nil {
		change(&udp)
	}
	cfg := NewFactory().CreateDefaultConfig().(*contrib.Config)
	cfg.Protocols = contrib.Protocols{ThriftBinaryUDP: configoptional.Some(udp), ThriftCompactUDP: configoptional.Some(udp)}
	set := receivertest.NewNopSettings(NewFactory().Type())
	set.MeterProvider = sdkmetric.NewMeterProvider(sdkmetric.WithReader(s.reader))
	r, err := NewFactory().CreateTraces(t.Context(), set, cfg, next)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Start(t.Context(), componenttest.NewNopHost()); err != nil {
		t.Fatal(err)
	}
	for _, part := range r.(combined) {
		if l, ok := part.(*listener); ok {
			s.listeners[l.transport] = l
		}
	}
	s.stop = func() {
		if err := r.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
	}
	return s
}

// dropped is the number of dropped datagrams by transport and reason.
func (s started) dropped(t *testing.T) map[string]int64 {
	t.Helper()
	var all metricdata.ResourceMetrics
	if err := s.reader.Collect(t.Context(), &all); err != nil {
		t.Fatal(err)
	}
	counts := map[string]int64{}
	for _, scope := range all.ScopeMetrics {
		for _, m := range scope.Metrics {
			if m.Name != "signalbox_jaeger_udp_dropped_datagrams_total" {
				continue
			}
			for _, point := range m.Data.(metricdata.Sum[int64]).DataPoints {
				transport, _ := point.Attributes.Value(attribute.Key("transport"))
				reason, _ := point.Attributes.Value(attribute.Key("reason"))
				counts[transport.AsString()+" "+reason.AsString()] += point.Value
			}
		}
	}
	return counts
}

func send(t *testing.T, to *listener, datagram []byte) {
	t.Helper()
	conn, err := net.Dial("udp", to.conn.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write(datagram); err != nil {
		t.Fatal(err)
	}
}

// protocols writes what each transport reads.
var protocols = map[string]thrift.TProtocolFactory{
	"udp_thrift_binary":  thrift.NewTBinaryProtocolFactoryConf(nil),
	"udp_thrift_compact": thrift.NewTCompactProtocolFactoryConf(nil),
}

// call is the datagram of a client that calls its agent.
func call(t *testing.T, transport string, f func(context.Context, *agent.AgentClient) error) []byte {
	t.Helper()
	var buf bytes.Buffer
	if err := f(t.Context(), agent.NewAgentClientFactory(&thrift.TMemoryBuffer{Buffer: &buf}, protocols[transport])); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func batch(t *testing.T, transport, name string) []byte {
	t.Helper()
	return call(t, transport, func(ctx context.Context, c *agent.AgentClient) error {
		return c.EmitBatch(ctx, &jaeger.Batch{
			Process: &jaeger.Process{ServiceName: "shop"},
			Spans:   []*jaeger.Span{{TraceIdLow: 1, SpanId: 2, OperationName: name, StartTime: time.Now().UnixMicro()}},
		})
	})
}

// Each of these ended the process, or could have; the span that follows them
// shows that nothing did.
func TestHostileDatagrams(t *testing.T) {
	s := start(t, nil)
	for transport, l := range s.listeners {
		whole := batch(t, transport, "whole")
		for _, datagram := range [][]byte{
			{},
			{0},
			bytes.Repeat([]byte{0xff}, 1000),
			whole[:len(whole)/2],
			call(t, transport, func(ctx context.Context, c *agent.AgentClient) error {
				return c.EmitZipkinBatch(ctx, []*zipkincore.Span{{Name: "zipkin"}})
			}),
			manySpans(t, transport),
			bytes.Repeat([]byte("x"), 65_001),
		} {
			send(t, l, datagram)
		}
		send(t, l, whole)
		if got := <-s.names; got != "whole" {
			t.Errorf("%s: got span %q; want %q", transport, got, "whole")
		}
	}
	s.stop()
	want := map[string]int64{
		"udp_thrift_binary unreadable": 6, "udp_thrift_binary too_large": 1,
		"udp_thrift_compact unreadable": 6, "udp_thrift_compact too_large": 1,
	}
	if diff := cmp.Diff(want, s.dropped(t)); diff != "" {
		t.Errorf("dropped datagrams (-want +got):\n%s", diff)
	}
}

// manySpans claims a list of 50 million spans and has none.
func manySpans(t *testing.T, transport string) []byte {
	t.Helper()
	var buf bytes.Buffer
	p := protocols[transport].GetProtocol(&thrift.TMemoryBuffer{Buffer: &buf})
	ctx := t.Context()
	for _, err := range []error{
		p.WriteMessageBegin(ctx, "emitBatch", thrift.ONEWAY, 1),
		p.WriteStructBegin(ctx, "args"), p.WriteFieldBegin(ctx, "batch", thrift.STRUCT, 1),
		p.WriteStructBegin(ctx, "batch"), p.WriteFieldBegin(ctx, "spans", thrift.LIST, 2),
		p.WriteListBegin(ctx, thrift.STRUCT, 50_000_000),
		p.Flush(ctx),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return buf.Bytes()
}

// Datagrams that wait when the port is closed are passed on.
func TestShutdownDrains(t *testing.T) {
	s := start(t, nil)
	for transport, l := range s.listeners {
		for range 10 {
			l.queue <- batch(t, transport, "waiting")
		}
	}
	s.stop()
	if got := len(s.names); got != 20 {
		t.Errorf("got %d spans after shutdown; want 20", got)
	}
}

// A port that is taken is an error that names it, and leaves no other port open.
func TestPortTaken(t *testing.T) {
	taken, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	other, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	free := other.LocalAddr().String()
	other.Close()
	cfg := NewFactory().CreateDefaultConfig().(*contrib.Config)
	cfg.Protocols = contrib.Protocols{
		ThriftBinaryUDP:  configoptional.Some(contrib.ProtocolUDP{Endpoint: free}),
		ThriftCompactUDP: configoptional.Some(contrib.ProtocolUDP{Endpoint: taken.LocalAddr().String()}),
	}
	next, err := consumer.NewTraces(func(context.Context, ptrace.Traces) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	r, err := NewFactory().CreateTraces(t.Context(), receivertest.NewNopSettings(NewFactory().Type()), cfg, next)
	if err != nil {
		t.Fatal(err)
	}
	err = r.Start(t.Context(), componenttest.NewNopHost())
	if want := "listening for Jaeger clients (udp_thrift_compact)"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got error %v; want one with %q", err, want)
	}
	again, err := net.ListenPacket("udp", free)
	if err != nil {
		t.Fatalf("the other port is still open: %v", err)
	}
	again.Close()
}

func FuzzDecode(f *testing.F) {
	l := listener{protocol: func(t thrift.TTransport, c *thrift.TConfiguration) thrift.TProtocol {
		return thrift.NewTCompactProtocolConf(t, c)
	}}
	f.Add([]byte{})
	f.Add([]byte{0x82, 0x81, 0x01, 0x09, 'e', 'm', 'i', 't', 'B', 'a', 't', 'c', 'h', 0x1c, 0x00, 0x00})
	f.Fuzz(func(t *testing.T, datagram []byte) {
		td, err := l.decode(t.Context(), datagram)
		if err != nil && td.SpanCount() != 0 {
			t.Errorf("decode(%x): %d spans and error %v; want one of them", datagram, td.SpanCount(), err)
		}
	})
}
