package app

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
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

// killBase is when the records of the kill test happen: one every millisecond.
var killBase = time.Now().Add(-50 * time.Minute).Truncate(time.Second)

func killTime(i int) pcommon.Timestamp {
	return pcommon.NewTimestampFromTime(killBase.Add(time.Duration(i) * time.Millisecond))
}

// killSender sends numbered records of one signal in one way. A request that is
// not answered is sent again until it is.
type killSender struct {
	name string
	send func(ctx context.Context, first, n int) error
	next int
}

func killSpans(sender string, first, n int) ptrace.Traces {
	td := ptrace.NewTraces()
	rs := td.ResourceSpans().AppendEmpty()
	rs.Resource().Attributes().PutStr("service.name", sender)
	for i := first; i < first+n; i++ {
		s := rs.ScopeSpans().AppendEmpty().Spans().AppendEmpty()
		s.SetName(strconv.Itoa(i))
		s.SetTraceID([16]byte{1, byte(i >> 16), byte(i >> 8), byte(i)})
		s.SetSpanID([8]byte{1, byte(i >> 16), byte(i >> 8), byte(i)})
		s.SetStartTimestamp(killTime(i))
		s.SetEndTimestamp(killTime(i))
	}
	return td
}

func killLogs(sender string, first, n int) plog.Logs {
	ld := plog.NewLogs()
	rl := ld.ResourceLogs().AppendEmpty()
	rl.Resource().Attributes().PutStr("service.name", sender)
	for i := first; i < first+n; i++ {
		l := rl.ScopeLogs().AppendEmpty().LogRecords().AppendEmpty()
		l.Body().SetStr(strconv.Itoa(i))
		l.SetTimestamp(killTime(i))
	}
	return ld
}

// killSenders are all ways in.
func killSenders(t *testing.T, s *storing) []*killSender {
	t.Helper()
	conn, err := grpc.NewClient(s.grpc, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	traces, logs := ptraceotlp.NewGRPCClient(conn), plogotlp.NewGRPCClient(conn)
	viaHTTP := func(ctx context.Context, signal string, body []byte, err error) error {
		if err != nil {
			return err
		}
		code, _, err := s.post(ctx, signal, body)
		if err == nil && code != http.StatusOK {
			err = fmt.Errorf("status %d", code)
		}
		return err
	}
	return []*killSender{
		{name: "http-traces", send: func(ctx context.Context, first, n int) error {
			body, err := ptraceotlp.NewExportRequestFromTraces(killSpans("http-traces", first, n)).MarshalProto()
			return viaHTTP(ctx, "traces", body, err)
		}},
		{name: "http-logs", send: func(ctx context.Context, first, n int) error {
			body, err := plogotlp.NewExportRequestFromLogs(killLogs("http-logs", first, n)).MarshalProto()
			return viaHTTP(ctx, "logs", body, err)
		}},
		{name: "grpc-traces", send: func(ctx context.Context, first, n int) error {
			_, err := traces.Export(ctx, ptraceotlp.NewExportRequestFromTraces(killSpans("grpc-traces", first, n)), grpc.WaitForReady(true))
			return err
		}},
		{name: "grpc-logs", send: func(ctx context.Context, first, n int) error {
			_, err := logs.Export(ctx, plogotlp.NewExportRequestFromLogs(killLogs("grpc-logs", first, n)), grpc.WaitForReady(true))
			return err
		}},
	}
}

// run sends until ctx ends and then goes on with the request that was not
// answered, until it is.
func (k *killSender) run(ctx, last context.Context, random *rand.Rand) error {
	for ctx.Err() == nil {
		n := 1 + random.IntN(20)
		for {
			try, cancel := context.WithTimeout(last, 5*time.Second)
			err := k.send(try, k.next, n)
			cancel()
			if err == nil {
				break
			}
			if last.Err() != nil {
				return fmt.Errorf("the last request of %s was never answered: %w", k.name, err)
			}
			select { // until the process is there again
			case <-time.After(5 * time.Millisecond):
			case <-last.Done():
			}
		}
		k.next += n
	}
	return nil
}

// The program is killed again and again while senders use every way in, who send
// what was not answered again: each record that was acknowledged is there, once.
// SIGNALBOX_TEST_KILLS is how often.
func TestKilledUnderLoad(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	s := newStoring(t, t.TempDir())
	s.start()
	senders := killSenders(t, s)
	sending, end := context.WithCancel(t.Context())
	last, giveUp := context.WithCancel(t.Context())
	defer giveUp()
	var running sync.WaitGroup
	for i, k := range senders {
		own := rand.New(rand.NewPCG(seed, uint64(i+1)))
		running.Go(func() {
			if err := k.run(sending, last, own); err != nil {
				t.Error(err)
			}
		})
	}
	kills := number(t, "SIGNALBOX_TEST_KILLS", 3)
	for range kills {
		<-time.After(time.Duration(20+random.IntN(400)) * time.Millisecond)
		s.kill()
		s.start()
	}
	<-time.After(100 * time.Millisecond)
	end()
	timer := time.AfterFunc(time.Minute, giveUp)
	running.Wait()
	timer.Stop()
	s.kill()
	s.start()
	total := 0
	for _, k := range senders {
		checkKept(t, s, k)
		total += k.next
	}
	t.Logf("%d records, %d kills", total, kills+1)
}

// checkKept compares what a sender sent, all of it acknowledged, with what is
// there.
func checkKept(t *testing.T, s *storing, k *killSender) {
	t.Helper()
	seen := map[string]int{}
	const window = 5000
	for first := 0; first < k.next; first += window {
		params := url.Values{"limit": {"10000"}, "q": {`resource.service.name = "` + k.name + `"`},
			"start": {killTime(first).AsTime().Format(time.RFC3339Nano)}, "end": {killTime(first + window).AsTime().Format(time.RFC3339Nano)}}
		var a struct {
			Spans []struct{ Name string }
			Logs  []struct{ Body string }
		}
		path := "/api/signalbox/v1/spans"
		if k.name[5:] == "logs" {
			path = "/api/signalbox/v1/logs"
		}
		s.ask(path, params, &a)
		for _, span := range a.Spans {
			seen[span.Name]++
		}
		for _, l := range a.Logs {
			seen[l.Body]++
		}
	}
	wrong := 0
	for i := range k.next {
		if n := seen[strconv.Itoa(i)]; n != 1 {
			if wrong++; wrong < 10 {
				t.Errorf("%s: record %d is there %d times", k.name, i, n)
			}
		}
	}
	if len(seen) != k.next || wrong > 0 {
		t.Errorf("%s: got %d records; want %d, of which %d are lost or doubled", k.name, len(seen), k.next, wrong)
	}
}
