package clients

import (
	"bytes"
	"compress/gzip"
	"crypto/rand"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
)

// Exporters with compression switched on, and those of the SDKs that have it on
// by default.
func TestCompressedOTLP(t *testing.T) {
	t.Parallel()
	for name, compress := range map[string]func(io.Writer) (io.WriteCloser, error){
		"gzip": func(w io.Writer) (io.WriteCloser, error) { return gzip.NewWriter(w), nil },
		"zstd": func(w io.Writer) (io.WriteCloser, error) { return zstd.NewWriter(w) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			one := newTrace(name)
			plain, err := ptraceotlp.NewExportRequestFromTraces(one).MarshalProto()
			if err != nil {
				t.Fatal(err)
			}
			var body bytes.Buffer
			w, err := compress(&body)
			if err == nil {
				_, err = w.Write(plain)
			}
			if err == nil {
				err = w.Close()
			}
			if err != nil {
				t.Fatal(err)
			}
			res := post(t, "/v1/traces", &body, http.Header{"Content-Type": {"application/x-protobuf"}, "Content-Encoding": {name}})
			if res.StatusCode != http.StatusOK {
				t.Fatalf("POST /v1/traces: %s", res.Status)
			}
			wantTrace(t, traceID(one).String(), map[string]span{name: {Kind: "Unspecified", Status: "Unset", Service: "http"}})
		})
	}
}

// A page of another origin sends from a browser, which asks first.
func TestCORS(t *testing.T) {
	t.Parallel()
	const origin = "http://localhost:3000"
	req, err := http.NewRequestWithContext(t.Context(), http.MethodOptions, box.url("otlp-http-port")+"/v1/traces", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Origin", origin)
	req.Header.Set("Access-Control-Request-Method", "POST")
	req.Header.Set("Access-Control-Request-Headers", "content-type")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	wantHeader(t, res, "Access-Control-Allow-Origin", origin)
	wantHeader(t, res, "Access-Control-Allow-Headers", "content-type")

	one := newTrace("from a browser")
	body, err := ptraceotlp.NewExportRequestFromTraces(one).MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	res = post(t, "/v1/traces", bytes.NewReader(body), http.Header{"Content-Type": {"application/json"}, "Origin": {origin}})
	wantHeader(t, res, "Access-Control-Allow-Origin", origin)
	wantTrace(t, traceID(one).String(), map[string]span{
		"from a browser": {Kind: "Unspecified", Status: "Unset", Service: "http"},
	})
}

func wantHeader(t *testing.T, res *http.Response, name, want string) {
	t.Helper()
	if got := res.Header.Get(name); got != want {
		t.Errorf("%s %s: %s; header %s is %q; want %q", res.Request.Method, res.Request.URL, res.Status, name, got, want)
	}
}

// post sends a body to the OTLP port.
func post(t *testing.T, path string, body io.Reader, header http.Header) *http.Response {
	t.Helper()
	return postTo(t, "otlp-http-port", path, body, header)
}

// postTo sends a body to a port. The answer's body is read and closed.
func postTo(t *testing.T, flag, path string, body io.Reader, header http.Header) *http.Response {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, box.url(flag)+path, body)
	if err != nil {
		t.Fatal(err)
	}
	req.Header = header
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if _, err := io.Copy(io.Discard, res.Body); err != nil {
		t.Fatal(err)
	}
	return res
}

// newTrace is a trace of root spans with these names and new ids.
func newTrace(names ...string) ptrace.Traces {
	td := ptrace.NewTraces()
	rs := td.ResourceSpans().AppendEmpty()
	rs.Resource().Attributes().PutStr("service.name", "http")
	ss := rs.ScopeSpans().AppendEmpty()
	var id pcommon.TraceID
	_, _ = rand.Read(id[:]) // never fails
	for _, name := range names {
		sp := ss.Spans().AppendEmpty()
		var spanID pcommon.SpanID
		_, _ = rand.Read(spanID[:])
		sp.SetTraceID(id)
		sp.SetSpanID(spanID)
		sp.SetName(name)
		now := time.Now()
		sp.SetStartTimestamp(pcommon.NewTimestampFromTime(now))
		sp.SetEndTimestamp(pcommon.NewTimestampFromTime(now.Add(time.Millisecond)))
	}
	return td
}

// traceID is the id of the only trace in td.
func traceID(td ptrace.Traces) pcommon.TraceID {
	return td.ResourceSpans().At(0).ScopeSpans().At(0).Spans().At(0).TraceID()
}
