package ingest_test

import (
	"errors"
	"strings"
	"testing"

	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"

	"github.com/signalbox-otel/signalbox/internal/ingest"
	"github.com/signalbox-otel/signalbox/internal/store"
)

// FuzzTracesFromWire holds the walker against pdata: the same bytes give the
// same records, or both refuse them.
func FuzzTracesFromWire(f *testing.F) {
	for _, payload := range crafted {
		f.Add(payload)
	}
	for _, payload := range refused {
		f.Add(payload)
	}
	for seed := range uint64(20) {
		payload, err := (&ptrace.ProtoMarshaler{}).MarshalTraces(newRandom(seed).traces())
		if err != nil {
			f.Fatal(err)
		}
		f.Add(payload)
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		before := string(payload)
		b, err := ingest.TracesFromWire(payload)
		if string(payload) != before {
			t.Fatal("the payload was changed")
		}
		req := ptraceotlp.NewExportRequest()
		pdataErr := req.UnmarshalProto(payload)
		if !agree(t, payload, err, pdataErr) {
			return
		}
		if diff := sameRecords(b, readAgain(t, store.Spans, payload)); diff != "" {
			t.Fatalf("records by a Reader that was used before (-new +used):\n%s", diff)
		}
		if diff := sameRecords(decoded(b), decoded(directTraces(req.Traces()))); diff != "" {
			t.Fatalf("records (-pdata +ours):\n%s", diff)
		}
		again, err := ingest.Traces(ingest.ToTraces(pointers(b.Spans)))
		if err != nil {
			t.Fatalf("reading what ToTraces gave: %v", err)
		}
		if len(again.Spans) != len(b.Spans) {
			t.Fatalf("ToTraces gave %d spans; want %d", len(again.Spans), len(b.Spans))
		}
	})
}

// FuzzLogsFromWire is FuzzTracesFromWire for logs.
func FuzzLogsFromWire(f *testing.F) {
	for depth := range 5 {
		f.Add(request(field(5, nested(depth), textField(1, "t"))))
	}
	for seed := range uint64(20) {
		payload, err := (&plog.ProtoMarshaler{}).MarshalLogs(newRandom(seed).logs())
		if err != nil {
			f.Fatal(err)
		}
		f.Add(payload)
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		b, err := ingest.LogsFromWire(payload)
		req := plogotlp.NewExportRequest()
		pdataErr := req.UnmarshalProto(payload)
		if !agree(t, payload, err, pdataErr) {
			return
		}
		if diff := sameRecords(b, readAgain(t, store.Logs, payload)); diff != "" {
			t.Fatalf("records by a Reader that was used before (-new +used):\n%s", diff)
		}
		if diff := sameRecords(decoded(b), decoded(directLogs(req.Logs()))); diff != "" {
			t.Fatalf("records (-pdata +ours):\n%s", diff)
		}
		again, err := ingest.Logs(ingest.ToLogs(pointers(b.Logs)))
		if err != nil {
			t.Fatalf("reading what ToLogs gave: %v", err)
		}
		if len(again.Logs) != len(b.Logs) {
			t.Fatalf("ToLogs gave %d records; want %d", len(again.Logs), len(b.Logs))
		}
	})
}

// full are requests that use all the memory of a Reader.
var full = func() map[store.Kind][]byte {
	all := map[store.Kind][]byte{}
	for seed := range uint64(30) { // requests behind each other are one
		r := newRandom(seed)
		all[store.Spans] = append(all[store.Spans], must((&ptrace.ProtoMarshaler{}).MarshalTraces(r.traces()))...)
		all[store.Logs] = append(all[store.Logs], must((&plog.ProtoMarshaler{}).MarshalLogs(r.logs()))...)
	}
	return all
}()

func must(payload []byte, err error) []byte {
	if err != nil {
		panic(err)
	}
	return payload
}

// readAgain reads a payload with a Reader that has read another before.
func readAgain(t *testing.T, k store.Kind, payload []byte) *store.Batch {
	t.Helper()
	var r ingest.Reader
	more := func(int) bool { return true }
	if _, err := r.FromWire(k, full[k], more); err != nil {
		t.Fatal(err)
	}
	b, err := r.FromWire(k, payload, more)
	if err != nil {
		t.Fatalf("refused by a Reader that was used before: %v", err)
	}
	return b
}

// agree checks that we and pdata accept or refuse together, but for the
// differences that the package comment names, and reports whether there are
// records to compare.
func agree(t *testing.T, payload []byte, err, pdataErr error) bool {
	t.Helper()
	var malformed *ingest.MalformedError
	switch {
	case err != nil && !errors.As(err, &malformed):
		t.Fatalf("error %v; want a MalformedError", err)
	case err != nil && (malformed.Offset < 0 || malformed.Offset > len(payload)):
		t.Fatalf("error %v in a payload of %d bytes", err, len(payload))
	case err != nil && pdataErr == nil:
		for _, ours := range []string{"group", "nested deeper", "times its length"} {
			if strings.Contains(malformed.Reason, ours) {
				return false
			}
		}
		t.Fatalf("refused with %q what pdata accepts", err)
	case err == nil && pdataErr != nil:
		// pdata loses a group's beginning at the first field in it and trips
		// over the end, and misses an end that is the message's last byte.
		// TestDamagedRequests sees to it that nothing else hides behind these.
		for _, theirs := range []string{"unexpected end of group", "wrong wireType = 4", "unexpected EOF"} {
			if strings.Contains(pdataErr.Error(), theirs) {
				return false
			}
		}
		t.Fatalf("accepted what pdata refuses with %q", pdataErr)
	}
	return err == nil
}

// decoded replaces the encodings of arrays and maps by one that is the same
// for the same content: senders have many ways to write one value.
func decoded(b *store.Batch) *store.Batch {
	seen := map[*store.Resource]bool{}
	scopes := map[*store.Scope]bool{}
	shared := func(r *store.Resource, sc *store.Scope) {
		if !seen[r] {
			canonicalAttrs(r.Attrs)
			seen[r] = true
		}
		if !scopes[sc] {
			canonicalAttrs(sc.Attrs)
			scopes[sc] = true
		}
	}
	out := &store.Batch{Kind: b.Kind, Spans: b.Spans, Logs: b.Logs}
	for i := range out.Spans {
		s := &out.Spans[i]
		shared(s.Resource, s.Scope)
		canonicalAttrs(s.Attrs)
		for _, e := range s.Events {
			canonicalAttrs(e.Attrs)
		}
		for _, l := range s.Links {
			canonicalAttrs(l.Attrs)
		}
	}
	for i := range out.Logs {
		l := &out.Logs[i]
		shared(l.Resource, l.Scope)
		l.Body = canonical(l.Body)
		canonicalAttrs(l.Attrs)
	}
	return out
}

func canonicalAttrs(attrs []store.Attr) {
	for i := range attrs {
		attrs[i].Value = canonical(attrs[i].Value)
	}
}

func canonical(v store.Value) store.Value { return ingest.FromPvalue(ingest.Pvalue(v)) }
