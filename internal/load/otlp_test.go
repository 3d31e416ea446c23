package load

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

func otlpSettings(signal, protocol, endpoint string) OTLPSettings {
	u, err := url.Parse(endpoint)
	if err != nil {
		panic(err)
	}
	return OTLPSettings{Signal: signal, Protocol: protocol, Endpoint: u, Rate: 1000, Duration: 10 * time.Second, Workers: 2, Batch: 50, Timeout: time.Second, Service: "load"}
}

// sendFunc is a sender without a network.
type sendFunc func(context.Context, batch) (int, error)

func (f sendFunc) send(ctx context.Context, b batch) (int, error) { return f(ctx, b) }
func (sendFunc) close() error                                     { return nil }

// The rate is kept by fast servers and is a limit for slow ones, and each item
// is counted once.
func TestOTLPRate(t *testing.T) {
	f := func(rate float64, batchSize int, answerIn time.Duration, wantMin, wantMax uint64) {
		t.Helper()
		synctest.Test(t, func(t *testing.T) {
			s := otlpSettings(Traces, HTTP, "http://collector")
			s.Rate, s.Batch, s.Timeout = rate, batchSize, time.Minute
			o, err := NewOTLP(s)
			if err != nil {
				t.Fatal(err)
			}
			o.sender = sendFunc(func(context.Context, batch) (int, error) {
				time.Sleep(answerIn)
				return 0, nil
			})
			if err := o.Run(t.Context()); err != nil {
				t.Fatal(err)
			}
			got := o.Result()
			if got.Sent < wantMin || got.Sent > wantMax || got.Acknowledged != got.Sent {
				t.Errorf("rate %v, batch %d, answers in %v: got %d sent, %d acknowledged in %v; want %d to %d", rate, batchSize, answerIn, got.Sent, got.Acknowledged, got.Elapsed, wantMin, wantMax)
			}
		})
	}
	f(1000, 50, 10*time.Millisecond, 9900, 10100)
	f(10, 50, 10*time.Millisecond, 95, 105) // batches shrink
	f(1, 50, 10*time.Millisecond, 10, 12)
	f(1000, 50, time.Second, 950, 1050) // two workers, 50 a second each
	f(0, 50, 100*time.Millisecond, 9900, 10100)
}

func TestOTLPCountsWhatBecameOfItems(t *testing.T) {
	partial := ptraceotlp.NewExportResponse()
	partial.PartialSuccess().SetRejectedSpans(3)
	body, err := partial.MarshalProto()
	if err != nil {
		t.Fatal(err)
	}
	f := func(name string, handler http.HandlerFunc, acknowledged, refused, unanswered uint64, kind string) {
		t.Helper()
		server := httptest.NewServer(handler)
		defer server.Close()
		o, err := NewOTLP(otlpSettings(Traces, HTTP, server.URL))
		if err != nil {
			t.Fatal(err)
		}
		o.one(t.Context(), newBatch("load", 0, 10))
		got := o.Result()
		if got.Sent != 10 || got.Acknowledged != acknowledged || got.Refused != refused || got.Unanswered != unanswered || kind != "" && got.Kinds[kind] != 1 {
			t.Errorf("%s: got %+v; want %d acknowledged, %d refused, %d unanswered as %q", name, got, acknowledged, refused, unanswered, kind)
		}
	}
	f("all well", func(w http.ResponseWriter, r *http.Request) {
		in := ptraceotlp.NewExportRequest()
		text, err := io.ReadAll(r.Body)
		if err == nil {
			err = in.UnmarshalProto(text)
		}
		if err != nil || r.URL.Path != "/v1/traces" || in.Traces().SpanCount() != 10 {
			t.Errorf("got %d spans at %s, %v; want 10", in.Traces().SpanCount(), r.URL.Path, err)
		}
	}, 10, 0, 0, "")
	f("partial success", func(w http.ResponseWriter, _ *http.Request) { w.Write(body) }, 7, 3, 0, "partial success")
	f("refused", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(503) }, 0, 10, 0, "503 Service Unavailable")
	f("redirected", func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Location", "/"); w.WriteHeader(307) }, 0, 10, 0, "307 Temporary Redirect")
	f("no OTLP", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "hello") }, 0, 10, 0, "")
	f("hung up", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, 0, 0, 10, "no answer: EOF")
}

// traceService answers OTLP/gRPC.
type traceService struct {
	ptraceotlp.UnimplementedGRPCServer
	refuse atomic.Bool
}

func (s *traceService) Export(context.Context, ptraceotlp.ExportRequest) (ptraceotlp.ExportResponse, error) {
	if s.refuse.Load() {
		return ptraceotlp.NewExportResponse(), status.Error(codes.ResourceExhausted, "full")
	}
	return ptraceotlp.NewExportResponse(), nil
}

func TestOTLPOverGRPC(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server, service := grpc.NewServer(), &traceService{}
	ptraceotlp.RegisterGRPCServer(server, service)
	go server.Serve(l)
	defer server.Stop()
	o, err := NewOTLP(otlpSettings(Traces, GRPC, "http://"+l.Addr().String()))
	if err != nil {
		t.Fatal(err)
	}
	o.one(t.Context(), newBatch("load", 0, 10))
	service.refuse.Store(true)
	o.one(t.Context(), newBatch("load", 0, 10))
	server.Stop()
	o.one(t.Context(), newBatch("load", 0, 10))
	got := o.Result()
	if got.Acknowledged != 10 || got.Refused != 10 || got.Unanswered != 10 || got.Kinds["ResourceExhausted: full"] != 1 {
		t.Errorf("got %+v; want 10 of each", got)
	}
	if err := o.sender.close(); err != nil {
		t.Error(err)
	}
}

// Each signal's body is what it says, with as many items as were asked for.
func TestOTLPBodies(t *testing.T) {
	b := newBatch("load", 1, 12)
	count := map[string]func([]byte) (int, error){
		Traces: func(body []byte) (int, error) {
			in := ptraceotlp.NewExportRequest()
			err := in.UnmarshalProto(body)
			return in.Traces().SpanCount(), err
		},
		Metrics: func(body []byte) (int, error) {
			in := pmetricotlp.NewExportRequest()
			err := in.UnmarshalProto(body)
			return in.Metrics().DataPointCount(), err
		},
		Logs: func(body []byte) (int, error) {
			in := plogotlp.NewExportRequest()
			err := in.UnmarshalProto(body)
			return in.Logs().LogRecordCount(), err
		},
	}
	for signal, items := range count {
		e, err := encoderOf(signal)
		if err != nil {
			t.Fatal(err)
		}
		body, err := e.marshal(b)
		if err != nil {
			t.Fatal(err)
		}
		if n, err := items(body); err != nil || n != 12 {
			t.Errorf("%s: got %d items, %v; want 12", signal, n, err)
		}
	}
	traces := map[string]bool{}
	for _, span := range b.traces().Traces().ResourceSpans().At(0).ScopeSpans().At(0).Spans().All() {
		traces[span.TraceID().String()] = true
	}
	if len(traces) != 3 {
		t.Errorf("got %d traces of 12 spans; want 3, of %d spans each", len(traces), spansPerTrace)
	}
}

func TestOTLPMistakes(t *testing.T) {
	_, err := NewOTLP(OTLPSettings{Endpoint: &url.URL{Path: "localhost:4318"}, Rate: -1, Workers: 0, Batch: 99999, Duration: -1})
	for _, want := range []string{"--endpoint ./localhost:4318", "--protocol", "--rate -1", "--workers 0", "--batch 99999", "--duration", "--timeout"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v; want %q in it", err, want)
		}
	}
	if _, err := NewOTLP(otlpSettings("pictures", HTTP, "http://x")); err == nil || errors.Is(err, errUnanswered) {
		t.Errorf("got %v; want an unknown signal refused", err)
	}
}
