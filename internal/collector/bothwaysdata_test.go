package collector

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/signalbox-otel/signalbox/internal/store"
)

// bothWaysRequests are requests that must give the same both ways.
func bothWaysRequests(t *testing.T) []request {
	t.Helper()
	td, ld := manySpans(), manyLogs()
	spans, err1 := (&ptrace.ProtoMarshaler{}).MarshalTraces(td)
	spansJSON, err2 := (&ptrace.JSONMarshaler{}).MarshalTraces(td)
	logs, err3 := (&plog.ProtoMarshaler{}).MarshalLogs(ld)
	logsJSON, err4 := (&plog.JSONMarshaler{}).MarshalLogs(ld)
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		t.Fatal(err)
	}
	const json = "application/json"
	oldJSON := bytes.ReplaceAll(bytes.ReplaceAll(spansJSON, []byte(`"scopeSpans"`), []byte(`"instrumentationLibrarySpans"`)), []byte(`"scope"`), []byte(`"instrumentationLibrary"`))
	full := &store.OverloadError{Reason: "disk full", RetryAfter: 9500 * time.Millisecond}
	large := append(bytes.Clone(spans), bytes.Repeat(spans, 1<<20/len(spans)+1)...)
	list := []request{
		{name: "spans", body: spans},
		{name: "spans in gzip", body: spans, encoding: "gzip"},
		{name: "spans in zstd", body: spans, encoding: "zstd"},
		{name: "spans at the old path", body: spans, path: "/v1/trace"},
		{name: "spans in JSON", body: spansJSON, contentType: json},
		{name: "spans in JSON, gzip", body: spansJSON, contentType: json, encoding: "gzip"},
		{name: "old spans in JSON at the old path", body: oldJSON, contentType: json, path: "/v1/trace"},
		{name: "old spans", body: legacySpans(spans)},
		{name: "a type with a parameter", body: spans, contentType: "application/x-protobuf; charset=utf-8"},
		{name: "nothing", body: nil},
		{name: "a resource without spans", body: []byte{0x0a, 0x00}},
		{name: "cut short", body: spans[:len(spans)-3], text: true},
		{name: "no protobuf", body: []byte("hello"), text: true},
		{name: "a bad id", body: mustFrame(1, mustFrame(2, mustFrame(2, mustFrame(1, []byte{1, 2, 3})))), text: true},
		{name: "an unknown field", body: append(bytes.Clone(spans), mustFrame(77, []byte("x"))...)},
		{name: "too large", body: large},
		{name: "too large in gzip", body: large, encoding: "gzip"},
		{name: "too large in zstd", body: large, encoding: "zstd"},
		{name: "a full disk", body: spans, refuse: full},
		{name: "a noise", body: spans, refuse: errors.New("the disk made a noise")},
		{name: "logs", body: logs, logs: true},
		{name: "logs in gzip", body: logs, logs: true, encoding: "gzip"},
		{name: "logs in JSON", body: logsJSON, logs: true, contentType: json},
		{name: "logs cut short", body: logs[:len(logs)-1], logs: true, text: true},
		{name: "logs with a time of arrival from outside", body: append(bytes.Clone(logs), foreignArrival()...), logs: true},
		{name: "logs and a full disk", body: logs, logs: true, refuse: full},
		{name: "another content type", body: spans, contentType: "text/plain"},
		{name: "another path", body: spans, path: "/v1/nothing"},
	}
	return list
}

// foreignArrival is the field in which the time of arrival is kept, as a sender
// might send it.
func foreignArrival() []byte {
	return protowire.AppendFixed64(protowire.AppendTag(nil, 19001, protowire.Fixed64Type), 5)
}

// mustFrame is a message in a field.
func mustFrame(number protowire.Number, message []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(nil, number, protowire.BytesType), message)
}

// legacySpans moves the scopes of a request to the field that they had before
// 2022.
func legacySpans(request []byte) []byte {
	return eachField(request, func(number protowire.Number, resource []byte) []byte {
		return mustFrame(number, eachField(resource, func(number protowire.Number, value []byte) []byte {
			if number == 2 {
				number = 1000
			}
			return mustFrame(number, value)
		}))
	})
}

// eachField puts a message of nothing but bytes together again from what change
// gives for each field.
func eachField(message []byte, change func(protowire.Number, []byte) []byte) []byte {
	var out []byte
	for len(message) > 0 {
		number, _, n := protowire.ConsumeTag(message)
		value, m := protowire.ConsumeBytes(message[n:])
		message = message[n+m:]
		out = append(out, change(number, value)...)
	}
	return out
}

// manySpans are calls between services with what connectors look at.
func manySpans() ptrace.Traces {
	td := ptrace.NewTraces()
	start := uint64(time.Now().Add(-time.Minute).UnixNano())
	for i := range 60 {
		rs := td.ResourceSpans().AppendEmpty()
		rs.SetSchemaUrl("https://opentelemetry.io/schemas/1.37.0")
		a := rs.Resource().Attributes()
		if i%7 > 0 {
			a.PutStr("service.name", fmt.Sprint("service-", i%5))
		}
		a.PutStr("host.name", fmt.Sprint("node-", i%3))
		for j := range 2 {
			ss := rs.ScopeSpans().AppendEmpty()
			ss.Scope().SetName(fmt.Sprint("scope-", j))
			ss.Scope().SetVersion("1.0")
			for k := range 5 {
				s := ss.Spans().AppendEmpty()
				var trace [16]byte
				binary.BigEndian.PutUint32(trace[:], uint32(i/2*10+j*5+k)+1)
				s.SetTraceID(trace)
				s.SetSpanID([8]byte{byte(i + 1), byte(j), byte(k + 1)})
				s.SetKind(ptrace.SpanKindClient)
				if i%2 == 1 { // its client is the one before
					s.SetParentSpanID([8]byte{byte(i), byte(j), byte(k + 1)})
					s.SetKind(ptrace.SpanKindServer)
				}
				if k == 4 {
					s.SetKind(ptrace.SpanKindInternal)
				}
				s.SetName(fmt.Sprint("operation-", k))
				s.SetStartTimestamp(pcommon.Timestamp(start + uint64(i)))
				s.SetEndTimestamp(pcommon.Timestamp(start + uint64(i*1_000_000)))
				s.TraceState().FromRaw("a=b")
				s.Attributes().PutStr("http.route", fmt.Sprint("/r/", k))
				s.Attributes().PutStr("url.path", fmt.Sprint("/r/", i, j, k))
				if k == 3 {
					s.Attributes().PutStr("db.name", "orders")
					s.Status().SetCode(ptrace.StatusCodeError)
					s.Status().SetMessage("no")
					e := s.Events().AppendEmpty()
					e.SetName("exception")
					e.Attributes().PutEmptyMap("m").PutEmptySlice("s").AppendEmpty().SetDouble(1.5)
				}
				if k == 2 {
					s.Links().AppendEmpty().SetSpanID([8]byte{9})
				}
			}
		}
	}
	return td
}

// manyLogs are log records with and without times.
func manyLogs() plog.Logs {
	ld := plog.NewLogs()
	start := uint64(time.Now().Add(-time.Hour).UnixNano())
	for i := range 20 {
		rl := ld.ResourceLogs().AppendEmpty()
		rl.Resource().Attributes().PutStr("service.name", fmt.Sprint("service-", i%5))
		sl := rl.ScopeLogs().AppendEmpty()
		for k := range 6 {
			l := sl.LogRecords().AppendEmpty()
			switch k % 3 {
			case 0:
				l.SetTimestamp(pcommon.Timestamp(start + uint64(k)))
			case 1:
				l.SetObservedTimestamp(pcommon.Timestamp(start + uint64(k)))
			}
			l.SetSeverityNumber(plog.SeverityNumberWarn)
			l.SetSeverityText("WARN")
			l.SetEventName(fmt.Sprint("e", k))
			l.SetTraceID([16]byte{byte(i + 1)})
			l.SetSpanID([8]byte{byte(k + 1)})
			l.SetFlags(1)
			switch k {
			case 0:
				l.Body().SetStr("a line")
			case 1:
				l.Body().SetEmptyMap().PutInt("n", 7)
			case 2:
				l.Body().SetEmptyBytes().FromRaw([]byte{0, 255})
			}
			l.Attributes().PutBool("ok", k%2 == 0)
		}
	}
	return ld
}
