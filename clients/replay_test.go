package clients

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
)

// replayConfig has every receiver, and writes what they make of what comes to a
// file, which takes data of any age. Prometheus' remote write goes to the store,
// which is told to.
const replayConfig = `
extensions:
  query:
    endpoint: %[1]s
    directory: %[2]q
    retention: { max_age: 262800h }
receivers:
  otlp: { protocols: { grpc: { endpoint: %[3]s }, http: { endpoint: %[4]s } } }
  jaeger: { protocols: { thrift_http: { endpoint: %[5]s }, thrift_compact: { endpoint: %[6]s }, thrift_binary: { endpoint: %[7]s } } }
  zipkin: { endpoint: %[8]s }
  opencensus: { endpoint: %[9]s }
  statsd:
    endpoint: %[10]s
    aggregation_interval: 1s
    enable_ip_only_aggregation: true
    timer_histogram_mapping:
      - { statsd_type: timing, observer_type: summary }
      - { statsd_type: histogram, observer_type: summary }
      - { statsd_type: distribution, observer_type: summary }
exporters:
  file: { path: %[11]q, flush_interval: 20ms }
service:
  extensions: [query]
  telemetry: { metrics: { level: none } }
  pipelines:
    traces: { receivers: [otlp, jaeger, zipkin, opencensus], exporters: [file] }
    metrics: { receivers: [otlp, opencensus, statsd], exporters: [file] }
    logs: { receivers: [otlp], exporters: [file] }
`

// replayed is a running Signalbox that gets recorded messages.
type replayed struct {
	addr map[string]string // where a port is, by the recorder's names
	path string            // of the file that it writes
	read int64             // how much of it was of earlier clients
	// started is before all times that receivers write of themselves, and after
	// those of the client.
	started time.Time
}

func startReplay(t *testing.T) *replayed {
	t.Helper()
	dir := t.TempDir()
	r := &replayed{addr: map[string]string{}, path: filepath.Join(dir, "out.json")}
	var held []io.Closer // until all are found, so that none is given twice
	for _, port := range slices.Concat(httpPorts, grpcPorts, datagramPorts) {
		c, n, err := listenBelow(func(addr string) (io.Closer, error) {
			if slices.Contains(datagramPorts, port) {
				return net.ListenPacket("udp", addr)
			}
			return net.Listen("tcp", addr)
		})
		if err != nil {
			t.Fatal(err)
		}
		held, r.addr[port] = append(held, c), net.JoinHostPort("127.0.0.1", strconv.Itoa(n))
	}
	for _, c := range held {
		c.Close()
	}
	config := fmt.Sprintf(replayConfig, r.addr["remote-write"], filepath.Join(dir, "data"),
		r.addr["otlp-grpc"], r.addr["otlp-http"], r.addr["jaeger-http"], r.addr["jaeger-compact"], r.addr["jaeger-binary"],
		r.addr["zipkin"], r.addr["opencensus"], r.addr["statsd"], r.path)
	startCollector(t, deployment{dir: dir, command: []string{"signalbox", "collector"}}, nil, config)
	return r
}

// send sends messages as their client did: streams one after the other, each
// message as it was.
func (r *replayed) send(t *testing.T, messages []message) {
	t.Helper()
	r.started = time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	// Streams that were open at the same time have their messages mixed.
	slices.SortStableFunc(messages, func(a, b message) int { return a.stream - b.stream })
	if messages[0].port == "statsd" {
		r.awaitTick(t)
	}
	for len(messages) > 0 {
		m, n := messages[0], 1
		for n < len(messages) && messages[n].stream == m.stream {
			n++
		}
		var err error
		switch {
		case slices.Contains(grpcPorts, m.port):
			err = sendStream(ctx, r.addr[m.port], messages[:n])
		case slices.Contains(datagramPorts, m.port):
			sendUDP(t, m.port, r.addr[m.port], m.body)
		default:
			err = sendRequest(ctx, r.addr[m.port], m)
		}
		if err != nil {
			t.Fatalf("sending %s of stream %d to %s: %v", m.target, m.stream, m.port, err)
		}
		messages = messages[n:]
	}
}

func sendRequest(ctx context.Context, addr string, m message) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+addr+m.target, bytes.NewReader(m.body))
	if err != nil {
		return err
	}
	req.Header = maps.Clone(m.header)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode/100 != 2 {
		err = fmt.Errorf("%s: %s", res.Status, answer)
	}
	return err
}

// sendStream sends the messages of a stream, and returns once its end is
// answered, which is when all of them have been taken.
func sendStream(ctx context.Context, addr string, messages []message) error {
	conn, err := grpc.NewClient(addr, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.ForceCodec(rawCodec{})))
	if err != nil {
		return err
	}
	defer conn.Close()
	stream, err := conn.NewStream(ctx, &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}, messages[0].target)
	if err != nil {
		return err
	}
	for _, m := range messages {
		if err := stream.SendMsg(&m.body); err != nil && err != io.EOF { // EOF: RecvMsg tells
			return err
		}
	}
	if err := stream.CloseSend(); err != nil {
		return err
	}
	for err == nil {
		err = stream.RecvMsg(new([]byte))
	}
	if errors.Is(err, io.EOF) || status.Code(err) == codes.OK {
		return nil
	}
	return err
}

// awaitTick returns when the statsd receiver has just reported, so that what is
// sent next is in one report.
func (r *replayed) awaitTick(t *testing.T) {
	t.Helper()
	sendUDP(t, "a tick", r.addr["statsd"], []byte("tick:1|c"))
	eventually(t, func(context.Context) error {
		out, err := r.output()
		if err == nil && !bytes.Contains(out, []byte(`"name":"tick"`)) {
			err = errors.New("the statsd receiver has not reported")
		}
		return err
	})
	r.next(t)
}

// output is what was written for the messages since the last call of next.
func (r *replayed) output() ([]byte, error) {
	f, err := os.Open(r.path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	out, err := io.ReadAll(io.NewSectionReader(f, r.read, 1<<30))
	return out[:bytes.LastIndexByte(out, '\n')+1], err
}

// next leaves what was written behind.
func (r *replayed) next(t *testing.T) {
	t.Helper()
	out, err := r.output()
	if err != nil {
		t.Fatal(err)
	}
	r.read += int64(len(out))
}

// settled is the answer to messages once it does not change for two seconds,
// for the golden files.
func (r *replayed) settled(t *testing.T, ask func() (string, error)) string {
	t.Helper()
	last, err := ask()
	again := time.NewTicker(100 * time.Millisecond)
	defer again.Stop()
	for since := time.Now(); time.Since(since) < 2*time.Second; <-again.C {
		var now string
		if now, err = ask(); now != last {
			last, since = now, time.Now()
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	return last
}

// listing is the file's OTLP as golden files have it: what belongs to a resource
// and scope under them, each span, metric and log record on a line, lists
// without an order of their own sorted, times that are not the client's left out.
func (r *replayed) listing() (string, error) {
	out, err := r.output()
	if err != nil {
		return "", err
	}
	g := groups{items: map[string][]string{}, now: r.started}
	for line := range bytes.Lines(out) {
		if err := g.add(line); err != nil {
			return "", fmt.Errorf("reading %s: %w", line, err)
		}
	}
	var b strings.Builder
	for _, head := range slices.Sorted(maps.Keys(g.items)) {
		slices.Sort(g.items[head])
		fmt.Fprintf(&b, "%s\n\t%s\n", head, strings.Join(g.items[head], "\n\t"))
	}
	return b.String(), nil
}
