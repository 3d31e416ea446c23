package otlpreceiver

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"

	"github.com/golang/snappy"
	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/pipeline"
	"go.opentelemetry.io/collector/receiver/otlpreceiver"
	"go.opentelemetry.io/collector/receiver/receivertest"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/status"

	"github.com/signalbox-otel/signalbox/internal/collector/wire"
	"github.com/signalbox-otel/signalbox/internal/store"
)

const maxBody = 4 << 20

// straightReceiver is a receiver of spans that go straight, as far as room says.
type straightReceiver struct {
	http, grpc string
	taken      func(*store.Batch) error
}

func startStraight(t *testing.T, all *intakes) *straightReceiver {
	t.Helper()
	s := &straightReceiver{taken: func(*store.Batch) error { return nil }}
	factory := newFactory(all)
	cfg := factory.CreateDefaultConfig().(*otlpreceiver.Config)
	server := cfg.Protocols.HTTP.GetOrInsertDefault()
	server.ServerConfig.NetAddr.Endpoint = "127.0.0.1:0"
	server.ServerConfig.MaxRequestBodySize = maxBody
	rpc := cfg.Protocols.GRPC.GetOrInsertDefault()
	rpc.NetAddr.Endpoint = "127.0.0.1:0"
	rpc.MaxRecvMsgSizeMiB = maxBody >> 20
	set := receivertest.NewNopSettings(factory.Type())
	core, logged := observer.New(zap.InfoLevel)
	set.Logger = zap.New(core)
	next, err := consumer.NewTraces(func(ctx context.Context, td ptrace.Traces) error {
		b := wire.From(ctx, store.Spans)
		if b == nil {
			return errors.New("no batch")
		}
		if td.SpanCount() != b.Len() {
			return errors.New("the placeholder counts otherwise")
		}
		return s.taken(b)
	})
	if err != nil {
		t.Fatal(err)
	}
	r, err := factory.CreateTraces(t.Context(), set, cfg, next)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Start(t.Context(), componenttest.NewNopHost()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Shutdown(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	s.http = "http://" + logged.FilterMessage("Starting HTTP server").All()[0].ContextMap()["endpoint"].(string)
	s.grpc = logged.FilterMessage("Starting GRPC server").All()[0].ContextMap()["endpoint"].(string)
	return s
}

func always(component.ID, pipeline.Signal) bool { return true }

// post sends a body as it is, and gives the status and Retry-After.
func (s *straightReceiver) post(t *testing.T, body []byte, encoding string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.http+"/v1/traces", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", protobuf)
	if encoding != "" {
		req.Header.Set("Content-Encoding", encoding)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	return res.StatusCode, res.Header.Get("Retry-After")
}

// bytesCodec sends bytes as they are.
type bytesCodec struct{}

func (bytesCodec) Marshal(v any) (mem.BufferSlice, error) {
	return mem.BufferSlice{mem.SliceBuffer(v.([]byte))}, nil
}
func (bytesCodec) Unmarshal(mem.BufferSlice, any) error { return nil }
func (bytesCodec) Name() string                         { return "proto" }

func (s *straightReceiver) call(t *testing.T, body []byte, opts ...grpc.CallOption) *status.Status {
	t.Helper()
	conn, err := grpc.NewClient(s.grpc, grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithDefaultCallOptions(grpc.ForceCodecV2(bytesCodec{})))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	return status.Convert(conn.Invoke(t.Context(), "/opentelemetry.proto.collector.trace.v1.TraceService/Export", body, nil, opts...))
}

// someSpans is a request of n spans.
func someSpans(t *testing.T, n int) []byte {
	t.Helper()
	td := ptrace.NewTraces()
	spans := td.ResourceSpans().AppendEmpty().ScopeSpans().AppendEmpty().Spans()
	for range n {
		spans.AppendEmpty().SetName("a span")
	}
	body, err := (&ptrace.ProtoMarshaler{}).MarshalTraces(td)
	if err != nil {
		t.Fatal(err)
	}
	return body
}

// squeezed compresses with every encoding that a receiver knows.
func squeezed(t *testing.T, content []byte) map[string][]byte {
	t.Helper()
	all := map[string][]byte{"snappy": snappy.Encode(nil, content)}
	for name, open := range map[string]func(io.Writer) io.WriteCloser{
		"gzip":    func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) },
		"zlib":    func(w io.Writer) io.WriteCloser { return zlib.NewWriter(w) },
		"deflate": func(w io.Writer) io.WriteCloser { return zlib.NewWriter(w) },
		"lz4":     func(w io.Writer) io.WriteCloser { return lz4.NewWriter(w) },
		"zstd": func(w io.Writer) io.WriteCloser {
			z, err := zstd.NewWriter(w)
			if err != nil {
				t.Fatal(err)
			}
			return z
		},
		"x-snappy-framed": func(w io.Writer) io.WriteCloser { return snappy.NewBufferedWriter(w) },
	} {
		var b bytes.Buffer
		w := open(&b)
		if _, err := w.Write(content); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		all[name] = b.Bytes()
	}
	return all
}

// Every encoding is read, what holds too much is refused before it is in memory.
func TestEncodings(t *testing.T) {
	s := startStraight(t, newIntakes(always))
	spans := 0
	s.taken = func(b *store.Batch) error { spans += b.Len(); return nil }
	small, bomb := squeezed(t, someSpans(t, 100)), squeezed(t, make([]byte, 64<<20))
	small["old snappy"] = small["x-snappy-framed"]
	for name, body := range small {
		encoding := strings.TrimPrefix(name, "old ")
		for range 2 { // the second time with a reader of the first
			if code, _ := s.post(t, body, encoding); code != http.StatusOK || spans != 100 {
				t.Errorf("%s: got status %d and %d spans; want 200 and 100", name, code, spans)
			}
			spans = 0
		}
		if code, _ := s.post(t, body[:len(body)/2], encoding); code != http.StatusBadRequest {
			t.Errorf("%s cut short: got status %d; want 400", name, code)
		}
	}
	bomb["zstd with a window of 512 MB"] = []byte("\x28\xb5\x2f\xfd\x00\x98\x21\x00\x00abcd\x21\x00\x00efgh")
	for name, body := range bomb {
		if len(body) > maxBody {
			t.Fatalf("%s: the body has %d bytes, which says nothing", name, len(body))
		}
		encoding, _, _ := strings.Cut(name, " ")
		took := allocated(func() {
			if code, _ := s.post(t, body, encoding); code != http.StatusBadRequest {
				t.Errorf("%s of 64 MB: got status %d; want 400", name, code)
			}
		})
		if took > 32<<20 {
			t.Errorf("%s of 64 MB: took %d MB of memory; want few", name, took>>20)
		}
	}
	if code, _ := s.post(t, small["gzip"], "br"); code != http.StatusBadRequest {
		t.Errorf("an unknown encoding: got status %d; want 400", code)
	}
	took := allocated(func() {
		if got := s.call(t, make([]byte, 64<<20), grpc.UseCompressor("gzip")); got.Code() != codes.ResourceExhausted {
			t.Errorf("gzip of 64 MB over gRPC: got %s; want ResourceExhausted", got)
		}
	})
	if took > 256<<20 { // the sender's own copies are counted too
		t.Errorf("gzip of 64 MB over gRPC: took %d MB of memory", took>>20)
	}
}

// A reader goes back once, however often its body is closed, and then it is the
// next request's.
func TestClosedTwice(t *testing.T) {
	for encoding, body := range squeezed(t, []byte("content")) {
		open := func() io.ReadCloser {
			r, err := inflaters[encoding](io.NopCloser(bytes.NewReader(body)), maxBody)
			if err != nil {
				t.Fatal(err)
			}
			return r
		}
		first := open()
		for range 2 {
			if err := first.Close(); err != nil {
				t.Fatal(err)
			}
		}
		second, third := open(), open()
		if n, err := first.Read(make([]byte, 7)); n != 0 || err == nil {
			t.Errorf("%s: got %d bytes of a closed body; want none", encoding, n)
		}
		for _, r := range []io.Reader{second, third} {
			if got, err := io.ReadAll(r); string(got) != "content" || err != nil {
				t.Errorf("%s: got %q, %v; want the content", encoding, got, err)
			}
		}
	}
}

// allocated is how much memory was taken during a call, by all goroutines.
func allocated(call func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	call()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// Requests for which there is no room are told to come again, those in it are
// answered, and then there is room again.
func TestNoRoom(t *testing.T) {
	all := newIntakes(always)
	all.room.bound = 1 << 20
	s := startStraight(t, all)
	inside, leave := make(chan struct{}), make(chan struct{})
	s.taken = func(*store.Batch) error {
		inside <- struct{}{}
		<-leave
		return nil
	}
	body := someSpans(t, 3000) // more than a third of the room, once it is read
	first := make(chan *status.Status)
	go func() { first <- s.call(t, body) }()
	<-inside
	if code, again := s.post(t, body, ""); code != http.StatusServiceUnavailable || again != "1" {
		t.Errorf("over HTTP: got status %d, Retry-After %q; want 503, 1", code, again)
	}
	got := s.call(t, body)
	if got.Code() != codes.Unavailable || len(got.Details()) != 1 {
		t.Errorf("over gRPC: got %s with %v; want Unavailable with RetryInfo", got, got.Details())
	}
	leave <- struct{}{}
	if got := <-first; got.Code() != codes.OK {
		t.Errorf("the request that was inside: got %s; want OK", got)
	}
	go func() { <-inside; leave <- struct{}{} }()
	if code, _ := s.post(t, body, ""); code != http.StatusOK {
		t.Errorf("afterwards: got status %d; want 200", code)
	}
	if all.room.held != 0 {
		t.Errorf("%d bytes are held though nothing is inside", all.room.held)
	}
}

// What takes many times its length in memory is refused, however small it is.
func TestSwellingRequests(t *testing.T) {
	s := startStraight(t, newIntakes(always))
	swelling := func() []byte {
		spans := bytes.Repeat([]byte{0x12, 0x00}, 1<<20)
		scope := appendMessage(nil, 2, spans)
		return appendMessage(nil, 1, scope)
	}()
	if code, _ := s.post(t, swelling, ""); code != http.StatusBadRequest {
		t.Errorf("over HTTP: got status %d; want 400", code)
	}
	if got := s.call(t, swelling); got.Code() != codes.InvalidArgument {
		t.Errorf("over gRPC: got %s; want InvalidArgument", got)
	}
}
