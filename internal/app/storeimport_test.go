package app

import (
	"compress/gzip"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"

	"github.com/signalbox-otel/signalbox/internal/ingest"
)

// A server that is busy is asked again, what it rejects is counted, and what it
// refuses ends the import.
func TestImportToEndpoint(t *testing.T) {
	td := ptrace.NewTraces()
	td.ResourceSpans().AppendEmpty().ScopeSpans().AppendEmpty().Spans().AppendEmpty().SetName("GET /")
	batch, err := ingest.Traces(td)
	if err != nil {
		t.Fatal(err)
	}
	asked := 0
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked++
		z, err := gzip.NewReader(r.Body)
		if err != nil {
			t.Error(err)
			return
		}
		body, err := io.ReadAll(z)
		if err != nil || string(body) != string(batch.Payload) || r.URL.Path != "/v1/traces" {
			t.Errorf("got %s with %d bytes, %v; want the batch at /v1/traces", r.URL.Path, len(body), err)
		}
		switch asked {
		case 1:
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(http.StatusServiceUnavailable)
		case 2:
			resp := ptraceotlp.NewExportResponse()
			resp.PartialSuccess().SetRejectedSpans(1)
			resp.PartialSuccess().SetErrorMessage("too old")
			answer, err := resp.MarshalProto()
			if err != nil {
				t.Error(err)
			}
			w.Write(answer)
		default:
			http.Error(w, "not like this", http.StatusBadRequest)
		}
	}))
	defer srv.Close()
	all := &imported{}
	to := &otlpSink{url: srv.URL, all: all}
	if err := to.send(context.Background(), batch); err != nil || asked != 2 || all.rejected != 1 || all.rejectedCause != "too old" {
		t.Errorf("got %v after %d requests, %d spans rejected: %q; want 2 requests, 1 rejected: \"too old\"", err, asked, all.rejected, all.rejectedCause)
	}
	if err := to.send(context.Background(), batch); err == nil || !strings.Contains(err.Error(), "not like this") || asked != 3 {
		t.Errorf("got %v after %d requests; want the answer of the third", err, asked)
	}
}
