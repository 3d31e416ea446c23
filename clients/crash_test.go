package clients

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

// What was acknowledged before a kill -9, or a SIGTERM, is there after it, once.
func TestEndUnderLoad(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	acked := acknowledged{traces: map[pcommon.TraceID]int{}, logs: map[string]bool{}}
	kill := func(t *testing.T, s *signalbox) {
		if err := s.kill(); err != nil {
			t.Fatal(err)
		}
	}
	for _, end := range []func(*testing.T, *signalbox){kill, kill, kill, stopOwn} {
		s := startOwn(t, dir)
		wantAcknowledged(t, s, &acked)
		sendUntilEnded(t, s, &acked, end)
	}
	s := startOwn(t, dir)
	wantAcknowledged(t, s, &acked)
	stopOwn(t, s)
}

// acknowledged is what a client may rely on.
type acknowledged struct {
	mu     sync.Mutex
	traces map[pcommon.TraceID]int // number of spans
	logs   map[string]bool         // by body
}

// loadService names the client in its log records.
const loadService = "load-until-the-end"

// sendUntilEnded sends traces and log records over several connections, ends the
// process in the middle, and adds what was acknowledged.
func sendUntilEnded(t *testing.T, s *signalbox, acked *acknowledged, end func(*testing.T, *signalbox)) {
	t.Helper()
	const connections, enough = 8, 500
	before := len(acked.traces)
	var senders sync.WaitGroup
	ending := make(chan struct{})
	for sender := range connections {
		conn, err := grpc.NewClient(s.addr("otlp-grpc-port"), grpc.WithTransportCredentials(insecure.NewCredentials()))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		traces, logs := ptraceotlp.NewGRPCClient(conn), plogotlp.NewGRPCClient(conn)
		senders.Go(func() {
			for i := 0; ; i++ {
				td := newTrace("one", "two", "three", "four", "five")
				if _, err := traces.Export(t.Context(), ptraceotlp.NewExportRequestFromTraces(td)); err != nil {
					return // ended
				}
				acked.mu.Lock()
				acked.traces[traceID(td)] = td.SpanCount()
				if len(acked.traces) == before+enough {
					close(ending)
				}
				acked.mu.Unlock()

				body := fmt.Sprintf("%d traces before this process, sender %d, record %d", before, sender, i)
				if _, err := logs.Export(t.Context(), plogotlp.NewExportRequestFromLogs(newLog(body))); err != nil {
					return
				}
				acked.mu.Lock()
				acked.logs[body] = true
				acked.mu.Unlock()
			}
		})
	}
	select {
	case <-ending:
	case <-time.After(10 * time.Second):
		t.Errorf("fewer than %d traces were acknowledged in 10 s", enough)
	}
	end(t, s)
	senders.Wait()
	t.Logf("ended after %d traces were acknowledged", len(acked.traces)-before)
}

// newLog is one log record of loadService.
func newLog(body string) plog.Logs {
	ld := plog.NewLogs()
	rl := ld.ResourceLogs().AppendEmpty()
	rl.Resource().Attributes().PutStr("service.name", loadService)
	lr := rl.ScopeLogs().AppendEmpty().LogRecords().AppendEmpty()
	lr.SetTimestamp(pcommon.NewTimestampFromTime(time.Now()))
	lr.Body().SetStr(body)
	return ld
}

// wantAcknowledged asks for everything that was acknowledged.
func wantAcknowledged(t *testing.T, s *signalbox, acked *acknowledged) {
	t.Helper()
	for id, want := range acked.traces {
		td, err := s.trace(t.Context(), id.String())
		if err != nil {
			t.Fatalf("one of %d acknowledged traces: %v", len(acked.traces), err)
		}
		if got := td.SpanCount(); got != want || len(distinct(td)) != want {
			t.Fatalf("acknowledged trace %s has %d spans, %d of them distinct; want %d", id, got, len(distinct(td)), want)
		}
	}
	records, err := s.logs(t.Context(), loadService)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]int{}
	for _, r := range records {
		found[r.Body]++
	}
	for body := range acked.logs {
		if found[body] != 1 {
			t.Fatalf("acknowledged log record %q is there %d times; want once", body, found[body])
		}
	}
}

func distinct(td ptrace.Traces) map[pcommon.SpanID]bool {
	ids := map[pcommon.SpanID]bool{}
	for _, rs := range td.ResourceSpans().All() {
		for _, ss := range rs.ScopeSpans().All() {
			for _, sp := range ss.Spans().All() {
				ids[sp.SpanID()] = true
			}
		}
	}
	return ids
}
