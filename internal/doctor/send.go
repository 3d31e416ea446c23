package doctor

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/apache/thrift/lib/go/thrift"
	"github.com/jaegertracing/jaeger-idl/model/v1"
	"github.com/jaegertracing/jaeger-idl/proto-gen/api_v2"
	"github.com/jaegertracing/jaeger-idl/thrift-gen/agent"
	"github.com/jaegertracing/jaeger-idl/thrift-gen/jaeger"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
)

// secrecy is the TLS configuration of probes. They carry no secret, and whether
// the user's programs trust the certificate is not known here; so it is not
// checked.
func secrecy() *tls.Config { return &tls.Config{InsecureSkipVerify: true} }

// dial connects to a gRPC receiver.
func (e *examination) dial(ctx context.Context, l Listener) (context.Context, *grpc.ClientConn, error) {
	if err := e.admitted(l); err != nil {
		return ctx, nil, err
	}
	secure := insecure.NewCredentials()
	if l.TLS {
		secure = credentials.NewTLS(secrecy())
	}
	conn, err := grpc.NewClient("passthrough:///"+dialable(l.Address), grpc.WithTransportCredentials(secure))
	for k, v := range e.options.Headers {
		ctx = metadata.AppendToOutgoingContext(ctx, k, v)
	}
	return ctx, conn, err
}

func sendOTLP(ctx context.Context, e *examination, p *probe) error {
	ctx, conn, err := e.dial(ctx, p.listener)
	if err != nil {
		return err
	}
	defer conn.Close()
	switch p.signal {
	case "traces":
		_, err = ptraceotlp.NewGRPCClient(conn).Export(ctx, ptraceotlp.NewExportRequestFromTraces(e.traces(p)))
	case "metrics":
		_, err = pmetricotlp.NewGRPCClient(conn).Export(ctx, pmetricotlp.NewExportRequestFromMetrics(e.metrics(p)))
	case "logs":
		_, err = plogotlp.NewGRPCClient(conn).Export(ctx, plogotlp.NewExportRequestFromLogs(e.logs(p)))
	}
	return err
}

func postOTLP(ctx context.Context, e *examination, p *probe) error {
	var body []byte
	var err error
	switch p.signal {
	case "traces":
		body, err = ptraceotlp.NewExportRequestFromTraces(e.traces(p)).MarshalProto()
	case "metrics":
		body, err = pmetricotlp.NewExportRequestFromMetrics(e.metrics(p)).MarshalProto()
	case "logs":
		body, err = plogotlp.NewExportRequestFromLogs(e.logs(p)).MarshalProto()
	}
	if err != nil {
		return err
	}
	path := "/v1/" + p.signal
	if own := p.listener.Paths[p.signal]; own != "" {
		path = "/" + strings.TrimPrefix(own, "/")
	}
	return e.post(ctx, p.listener, path, "application/x-protobuf", body)
}

// answerError is an answer over HTTP that is none of success.
type answerError struct {
	status int
	text   string
}

func (a *answerError) Error() string {
	return strings.TrimSpace(fmt.Sprintf("it answered %d %s: %s", a.status, http.StatusText(a.status), a.text))
}

func (e *examination) post(ctx context.Context, l Listener, path, contentType string, body []byte) error {
	if err := e.admitted(l); err != nil {
		return err
	}
	scheme := "http"
	if l.TLS {
		scheme = "https"
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, scheme+"://"+dialable(l.Address)+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", contentType)
	for k, v := range e.options.Headers {
		req.Header.Set(k, v)
	}
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: secrecy(), DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode/100 == 2 {
		return nil
	}
	text, _ := io.ReadAll(io.LimitReader(resp.Body, 300)) // what can be read helps
	return &answerError{resp.StatusCode, readable(text)}
}

// readable leaves out what is no text: OTLP receivers answer in protobuf.
func readable(b []byte) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if r < ' ' || r == 0xfffd {
			return -1
		}
		return r
	}, string(b)))
}

func sendJaeger(ctx context.Context, e *examination, p *probe) error {
	ctx, conn, err := e.dial(ctx, p.listener)
	if err != nil {
		return err
	}
	defer conn.Close()
	id := p.traceID()
	process := &model.Process{ServiceName: e.attributes(p)["service.name"]}
	for k, v := range e.attributes(p) {
		if k != "service.name" {
			process.Tags = append(process.Tags, model.String(k, v))
		}
	}
	_, err = api_v2.NewCollectorServiceClient(conn).PostSpans(ctx, &api_v2.PostSpansRequest{Batch: model.Batch{Process: process,
		Spans: []*model.Span{{
			TraceID:       model.NewTraceID(binary.BigEndian.Uint64(id[:]), binary.BigEndian.Uint64(id[8:])),
			SpanID:        model.NewSpanID(binary.BigEndian.Uint64(id[8:])),
			OperationName: probeName, StartTime: p.sent, Duration: time.Millisecond,
		}}}})
	return err
}

// jaegerBatch is a probe in Jaeger's Thrift form.
func (e *examination) jaegerBatch(p *probe) *jaeger.Batch {
	id := p.traceID()
	process := &jaeger.Process{ServiceName: e.attributes(p)["service.name"]}
	for k, v := range e.attributes(p) {
		if k != "service.name" {
			process.Tags = append(process.Tags, &jaeger.Tag{Key: k, VType: jaeger.TagType_STRING, VStr: &v})
		}
	}
	return &jaeger.Batch{Process: process, Spans: []*jaeger.Span{{
		TraceIdHigh: int64(binary.BigEndian.Uint64(id[:])), TraceIdLow: int64(binary.BigEndian.Uint64(id[8:])),
		SpanId:        int64(binary.BigEndian.Uint64(id[8:])),
		OperationName: probeName, StartTime: p.sent.UnixMicro(), Duration: 1000,
	}}}
}

func postJaeger(ctx context.Context, e *examination, p *probe) error {
	buffer := thrift.NewTMemoryBuffer()
	if err := e.jaegerBatch(p).Write(ctx, thrift.NewTBinaryProtocolConf(buffer, nil)); err != nil {
		return err
	}
	return e.post(ctx, p.listener, "/api/traces?format=jaeger.thrift", "application/vnd.apache.thrift.binary", buffer.Bytes())
}

func throwJaeger(ctx context.Context, e *examination, p *probe) error {
	var protocol thrift.TProtocolFactory = thrift.NewTCompactProtocolFactoryConf(nil)
	if p.listener.Protocol == "thrift_binary" {
		protocol = thrift.NewTBinaryProtocolFactoryConf(nil)
	}
	buffer := thrift.NewTMemoryBuffer()
	if err := agent.NewAgentClientFactory(buffer, protocol).EmitBatch(ctx, e.jaegerBatch(p)); err != nil {
		return err
	}
	return throw(p.listener.Address, buffer.Bytes())
}

func postZipkin(ctx context.Context, e *examination, p *probe) error {
	tags := e.attributes(p)
	body, err := json.Marshal([]map[string]any{{
		"traceId": p.mark, "id": p.mark[16:], "name": probeName, "timestamp": p.sent.UnixMicro(), "duration": 1000,
		"localEndpoint": map[string]string{"serviceName": tags["service.name"]}, "tags": tags,
	}})
	if err != nil {
		return err
	}
	return e.post(ctx, p.listener, "/api/v2/spans", "application/json", body)
}

// postCensus sends in the JSON of OpenCensus' agents, which listen for it at the
// port of gRPC.
func postCensus(ctx context.Context, e *examination, p *probe) error {
	labels := e.attributes(p)
	message := map[string]any{
		"node":     map[string]any{"serviceInfo": map[string]string{"name": labels["service.name"]}},
		"resource": map[string]any{"labels": labels},
	}
	path, id, at := "/v1/metrics", p.traceID(), p.sent.UTC().Format(time.RFC3339Nano)
	if p.signal == "traces" {
		path = "/v1/trace"
		message["spans"] = []any{map[string]any{"traceId": id[:], "spanId": id[8:], "name": map[string]string{"value": probeName},
			"startTime": at, "endTime": at}}
	} else {
		message["metrics"] = []any{map[string]any{"metricDescriptor": map[string]string{"name": p.mark, "type": "GAUGE_INT64"},
			"timeseries": []any{map[string]any{"points": []any{map[string]any{"timestamp": at, "int64Value": "1"}}}}}}
	}
	body, err := json.Marshal(message)
	if err != nil {
		return err
	}
	return e.post(ctx, p.listener, path, "application/json", body)
}

func throwStatsD(_ context.Context, _ *examination, p *probe) error {
	if p.listener.Network == "udp" {
		return throw(p.listener.Address, []byte(p.mark+":1|g\n"))
	}
	conn, err := net.DialTimeout("tcp", dialable(p.listener.Address), 5*time.Second)
	if err != nil {
		return err
	}
	defer conn.Close()
	_, err = conn.Write([]byte(p.mark + ":1|g\n"))
	return err
}

// throw sends a datagram, and listens for a moment whether this machine says
// that nobody has that port.
func throw(address string, datagram []byte) error {
	conn, err := net.Dial("udp", dialable(address))
	if err != nil {
		return err
	}
	defer conn.Close()
	if _, err := conn.Write(datagram); err != nil {
		return err
	}
	if err := conn.SetReadDeadline(time.Now().Add(50 * time.Millisecond)); err != nil {
		return err
	}
	_, err = conn.Read(make([]byte, 1))
	if e, ok := err.(net.Error); ok && e.Timeout() {
		return nil
	}
	return err
}
