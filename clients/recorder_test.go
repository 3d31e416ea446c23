package clients

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// The ports of the recorder, and of the Signalbox that gets what was recorded.
var (
	httpPorts     = []string{"otlp-http", "jaeger-http", "zipkin", "remote-write"}
	grpcPorts     = []string{"otlp-grpc", "opencensus"}
	datagramPorts = []string{"jaeger-compact", "jaeger-binary", "statsd"}
)

// recorder takes what clients send and says yes to all of it.
type recorder struct {
	addr map[string]string // where a port is: host:port

	mu       sync.Mutex
	streams  int
	messages []message
	came     chan struct{} // gets a value at a message
}

// newRecorder listens until the test ends.
func newRecorder(t *testing.T) *recorder {
	t.Helper()
	r := &recorder{addr: map[string]string{}, came: make(chan struct{}, 1)}
	for _, port := range slices.Concat(httpPorts, grpcPorts) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		r.addr[port] = l.Addr().String()
		if slices.Contains(grpcPorts, port) {
			s := grpc.NewServer(grpc.ForceServerCodec(rawCodec{}), grpc.UnknownServiceHandler(func(_ any, stream grpc.ServerStream) error {
				return r.takeStream(port, stream)
			}))
			go func() { _ = s.Serve(l) }() // until Stop
			t.Cleanup(s.Stop)
			continue
		}
		s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) { r.takeRequest(port, w, req) })}
		go func() { _ = s.Serve(l) }() // until Close
		t.Cleanup(func() { _ = s.Close() })
	}
	for _, port := range datagramPorts {
		c, err := net.ListenPacket("udp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		r.addr[port] = c.LocalAddr().String()
		go r.takeDatagrams(port, c)
		t.Cleanup(func() { _ = c.Close() })
	}
	return r
}

// stream counts one more.
func (r *recorder) stream() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.streams++
	return r.streams
}

func (r *recorder) take(m message) {
	r.mu.Lock()
	r.messages = append(r.messages, m)
	r.mu.Unlock()
	select {
	case r.came <- struct{}{}:
	default:
	}
}

func (r *recorder) takeRequest(port string, w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	r.take(message{stream: r.stream(), port: port, target: req.URL.Path, header: req.Header, body: body})
	switch {
	case port == "otlp-http" && strings.Contains(req.Header.Get("Content-Type"), "json"):
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, "{}")
	case port == "otlp-http": // of protobuf's messages, nothing is one without fields
		w.Header().Set("Content-Type", "application/x-protobuf")
	case port == "remote-write":
		w.Header().Set("X-Prometheus-Remote-Write-Samples-Written", "2")
		w.WriteHeader(http.StatusNoContent)
	default:
		w.WriteHeader(http.StatusAccepted)
	}
}

func (r *recorder) takeStream(port string, s grpc.ServerStream) error {
	method, _ := grpc.MethodFromServerStream(s)
	if strings.HasSuffix(method, "/Config") { // by which agents configure OpenCensus' clients
		return status.Error(codes.Unimplemented, "nothing to configure")
	}
	stream := r.stream()
	for {
		var body []byte
		switch err := s.RecvMsg(&body); err {
		case nil:
			r.take(message{stream: stream, port: port, target: method, body: body})
		case io.EOF:
			return s.SendMsg(new([]byte))
		default:
			return err
		}
	}
}

func (r *recorder) takeDatagrams(port string, c net.PacketConn) {
	b := make([]byte, 64<<10)
	for {
		n, _, err := c.ReadFrom(b)
		if err != nil {
			return // the recorder has ended
		}
		r.take(message{stream: r.stream(), port: port, target: "-", body: append([]byte(nil), b[:n]...)})
	}
}

// recorded is what has come once nothing comes for a second. A client that has
// ended may have left something in sockets, and nobody can tell.
func (r *recorder) recorded() []message {
	for {
		select {
		case <-r.came:
		case <-time.After(time.Second):
			r.mu.Lock()
			defer r.mu.Unlock()
			return r.messages
		}
	}
}

// rawCodec passes gRPC messages on as they are: *[]byte.
type rawCodec struct{}

func (rawCodec) Name() string { return "proto" }

func (rawCodec) Marshal(v any) ([]byte, error) {
	b, ok := v.(*[]byte)
	if !ok {
		return nil, fmt.Errorf("sending a %T: only raw messages are", v)
	}
	return *b, nil
}

func (rawCodec) Unmarshal(data []byte, v any) error {
	b, ok := v.(*[]byte)
	if !ok {
		return fmt.Errorf("receiving a %T: only raw messages are", v)
	}
	*b = append([]byte(nil), data...)
	return nil
}
