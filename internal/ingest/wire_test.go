package ingest_test

import (
	"errors"
	"maps"
	"math"
	"runtime"
	"slices"
	"strings"
	"testing"

	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/signalbox-otel/signalbox/internal/ingest"
	"github.com/signalbox-otel/signalbox/internal/store"
)

// msg joins fields into a message.
func msg(fields ...[]byte) []byte { return slices.Concat(fields...) }

// field is a length-delimited field.
func field(n protowire.Number, content ...[]byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(nil, n, protowire.BytesType), slices.Concat(content...))
}

func textField(n protowire.Number, s string) []byte { return field(n, []byte(s)) }

func varintField(n protowire.Number, v uint64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(nil, n, protowire.VarintType), v)
}

func fixed64Field(n protowire.Number, v uint64) []byte {
	return protowire.AppendFixed64(protowire.AppendTag(nil, n, protowire.Fixed64Type), v)
}

func group(n protowire.Number, content ...[]byte) []byte {
	b := protowire.AppendTag(nil, n, protowire.StartGroupType)
	return protowire.AppendTag(append(b, slices.Concat(content...)...), n, protowire.EndGroupType)
}

// keyValue is a KeyValue message with a text.
func keyValue(key, value string) []byte {
	return msg(textField(1, key), field(2, textField(1, value)))
}

// request wraps a span or log record, under one resource and one scope.
func request(record ...[]byte) []byte { return field(1, field(2, field(2, record...))) }

// nested is an AnyValue of that many arrays in one another.
func nested(depth int) []byte {
	var b []byte
	for range depth {
		b = field(5, field(1, b))
	}
	return b
}

var (
	resourceA = field(1, field(1, keyValue("service.name", "a")))
	spanNamed = func(name string) []byte { return field(2, textField(5, name)) }
)

// crafted are requests for traces as pdata would not write them, but others
// may.
var crafted = map[string][]byte{
	"nothing":          {},
	"resource last":    field(1, field(2, spanNamed("s")), resourceA),
	"resource first":   field(1, resourceA, field(2, spanNamed("s"))),
	"scope in pieces":  field(1, field(2, field(1, textField(1, "n")), spanNamed("s"), field(1, textField(2, "v")))),
	"status in pieces": request(field(15, textField(2, "broken")), field(15, varintField(3, 2))),
	"resource in pieces": field(1,
		resourceA, field(2, spanNamed("s")), field(1, field(1, keyValue("k", "v")), varintField(2, 7))),
	"two resources":    msg(field(1, resourceA, field(2, spanNamed("s"))), field(1, field(2, spanNamed("t")))),
	"last name wins":   request(textField(5, "first"), textField(5, "last")),
	"id taken back":    request(field(1, make([]byte, 15), []byte{1}), field(1)),
	"legacy scopes":    field(1, resourceA, field(1000, spanNamed("old"))),
	"legacy and scope": field(1, field(1000, spanNamed("old")), field(2, spanNamed("new")), resourceA),
	"legacy and scope, then another": msg(
		field(1, field(1000, field(2, textField(5, "old"), textField(3, "state"))), field(2, spanNamed("new"))),
		field(1, field(2, field(2, varintField(6, 2))))),
	"legacy, empty new scope": field(1, field(1000, spanNamed("old")), field(2)),
	"unknown fields": request(varintField(99, 1), textField(5, "s"), textField(3000, "x"),
		protowire.AppendFixed32(protowire.AppendTag(nil, 98, protowire.Fixed32Type), 1)),
	"entities": field(1,
		field(1, field(3, textField(2, "service"), textField(3, "service.name"))), field(2, spanNamed("s"))),
	"value in pieces":  request(field(9, textField(1, "k"), field(2, textField(1, "v")), field(2))),
	"value before key": request(field(9, field(2, varintField(3, 5)), textField(1, "k"))),
	"no value":         request(field(9, textField(1, "k"))),
	"last member wins": request(field(9, textField(1, "k"), field(2, textField(1, "v"), varintField(2, 1)))),
	"array twice": request(field(9,
		field(2, field(5, field(1, textField(1, "a"))), field(5, field(1, textField(1, "b")))))),
	"array, then text": request(field(9, field(2, field(5, field(1, textField(1, "a"))), textField(1, "t")))),
	"text, then array": request(field(9, field(2, textField(1, "t"), field(5, field(1, textField(1, "a")))))),
	"array, then unknown piece": request(field(9,
		field(2, field(5, field(1, textField(1, "a")))), field(2, varintField(77, 1)))),
	"map with a key twice": request(field(9,
		field(2, field(6, field(1, keyValue("k", "1")), field(1, keyValue("k", "2")))))),
	"indexed strings": request(field(9, field(2, textField(1, "t"), varintField(8, 3)), varintField(3, 4))),
	"not UTF-8":       request(textField(5, "\xff\xc0")),
	"ten byte varint": request(varintField(6, math.MaxUint64)),
	"padded varint":   request([]byte{6 << 3, 0x81, 0x80, 0x00}),
	"key twice":       request(field(9, keyValue("k", "1")), field(9, keyValue("k", "2"))),
}

// refused are requests that must not be accepted.
var refused = map[string][]byte{
	"short trace id":         request(field(1, make([]byte, 15))),
	"long span id":           request(field(2, make([]byte, 9))),
	"short parent id":        request(field(4, make([]byte, 1))),
	"short link id":          request(field(13, field(2, make([]byte, 7)))),
	"name as a number":       request(varintField(5, 1)),
	"packed kind":            request(textField(6, "\x01")),
	"legacy as a number":     field(1, varintField(1000, 1)),
	"broken legacy":          field(1, field(1000, textField(2, "\xff")), field(2)),
	"broken entity":          field(1, field(1, field(3, varintField(2, 1)))),
	"broken element":         request(field(9, field(2, field(5, field(1, varintField(1, 1)))))),
	"broken map entry":       request(field(9, field(2, field(6, field(1, varintField(1, 1)))))),
	"broken overridden map":  request(field(9, field(2, field(6, varintField(1, 1)), textField(1, "t")))),
	"field number 0":         request([]byte{0 << 3}, textField(5, "s")),
	"wire type 6":            request([]byte{50<<3&0x7f | 0x80 | 6, 50 << 3 >> 7}),
	"eleven byte varint":     request([]byte{6 << 3}, []byte(strings.Repeat("\xff", 10)), []byte{1}),
	"length of 2^63":         request([]byte{5<<3 | 2}, protowire.AppendVarint(nil, 1<<63)),
	"length of 2^64-1":       request([]byte{5<<3 | 2}, protowire.AppendVarint(nil, math.MaxUint64)),
	"length beyond the span": request([]byte{5<<3 | 2, 100}),
	"stray end of group":     request([]byte{99<<3&0x7f | 0x80 | 4, 99 << 3 >> 7}),
}

func TestCraftedRequests(t *testing.T) {
	for _, name := range slices.Sorted(maps.Keys(crafted)) {
		t.Run(name, func(t *testing.T) {
			b, err := ingest.TracesFromWire(crafted[name])
			if err != nil {
				t.Fatal(err)
			}
			req := ptraceotlp.NewExportRequest()
			if err := req.UnmarshalProto(crafted[name]); err != nil {
				t.Fatalf("pdata: %v", err)
			}
			if diff := sameRecords(decoded(b), decoded(directTraces(req.Traces()))); diff != "" {
				t.Errorf("records (-pdata +ours):\n%s", diff)
			}
		})
	}
}

func TestRefusedRequests(t *testing.T) {
	for _, name := range slices.Sorted(maps.Keys(refused)) {
		t.Run(name, func(t *testing.T) {
			var malformed *ingest.MalformedError
			if _, err := ingest.TracesFromWire(refused[name]); !errors.As(err, &malformed) {
				t.Errorf("TracesFromWire: %v; want a MalformedError", err)
			}
			if err := ptraceotlp.NewExportRequest().UnmarshalProto(refused[name]); err == nil {
				t.Errorf("pdata accepts it")
			}
		})
	}
}

func TestErrorsNameTheOffset(t *testing.T) {
	payload := request(textField(5, "name"), field(1, make([]byte, 15)))
	// A payload may be part of a larger buffer.
	_, err := ingest.TracesFromWire(append(make([]byte, 0, 1000), payload...))
	want := &ingest.MalformedError{Offset: 13, Reason: "id of 15 bytes, want 16 or none"}
	var got *ingest.MalformedError
	if !errors.As(err, &got) || *got != *want {
		t.Errorf("got %v; want %v", err, want)
	}
}

// TestDamagedRequests cuts requests everywhere. They have no groups, so that we
// and pdata must agree on every one.
func TestDamagedRequests(t *testing.T) {
	agreed := func(seed uint64, cut int, err, pdataErr error) {
		t.Helper()
		if (err == nil) != (pdataErr == nil) {
			t.Fatalf("seed %d cut at %d: error %v; pdata's %v", seed, cut, err, pdataErr)
		}
	}
	for seed := range uint64(100) {
		payload, err := (&ptrace.ProtoMarshaler{}).MarshalTraces(newRandom(seed).traces())
		if err != nil {
			t.Fatal(err)
		}
		for cut := range min(len(payload), 3000) {
			_, err := ingest.TracesFromWire(payload[:cut])
			agreed(seed, cut, err, ptraceotlp.NewExportRequest().UnmarshalProto(payload[:cut]))
		}
		if payload, err = (&plog.ProtoMarshaler{}).MarshalLogs(newRandom(seed).logs()); err != nil {
			t.Fatal(err)
		}
		for cut := range min(len(payload), 3000) {
			_, err := ingest.LogsFromWire(payload[:cut])
			agreed(seed, cut, err, plogotlp.NewExportRequest().UnmarshalProto(payload[:cut]))
		}
	}
}

func TestGroupsAreSkipped(t *testing.T) {
	f := func(content ...[]byte) {
		t.Helper()
		b, err := ingest.TracesFromWire(request(textField(5, "s"), group(99, content...), varintField(6, 2)))
		if err != nil {
			t.Errorf("%x: %v", content, err)
			return
		}
		if s := b.Spans[0]; s.Name != "s" || s.Kind != 2 {
			t.Errorf("%x: span %q of kind %d; want s of kind 2", content, s.Name, s.Kind)
		}
	}
	f()
	f(textField(5, "not the name"))
	f(varintField(6, 1), group(98, varintField(6, 1)), varintField(6, 1))

	bad := func(content []byte) {
		t.Helper()
		if _, err := ingest.TracesFromWire(request(content)); err == nil {
			t.Errorf("%x: accepted", content)
		}
	}
	bad(protowire.AppendTag(nil, 99, protowire.StartGroupType))
	bad(protowire.AppendTag(protowire.AppendTag(nil, 99, protowire.StartGroupType), 98, protowire.EndGroupType))
	bad([]byte(strings.Repeat("\x9b\x06", 10_000)))
}

func TestDeepValues(t *testing.T) {
	f := func(depth int, ok bool) {
		t.Helper()
		b, err := ingest.LogsFromWire(request(field(5, nested(depth))))
		if (err == nil) != ok {
			t.Errorf("%d levels: %v", depth, err)
		}
		if err == nil {
			ingest.JSON(b.Logs[0].Body)
			ingest.ToLogs(pointers(b.Logs))
		}
	}
	f(99, true)
	f(100, false)
	f(1_000, false)
}

// TestMemoryIsBounded counts what hostile requests make us allocate.
func TestMemoryIsBounded(t *testing.T) {
	const size = 1 << 20
	fill := func(part []byte, wrap func(...[]byte) []byte) []byte {
		return wrap([]byte(strings.Repeat(string(part), size/len(part))))
	}
	top := func(b ...[]byte) []byte { return msg(b...) }
	scope := func(b ...[]byte) []byte { return field(1, field(2, b...)) }
	for name, payload := range map[string][]byte{
		"empty resources":          fill(field(1), top),
		"empty scopes":             fill(field(2), func(b ...[]byte) []byte { return field(1, b...) }),
		"empty spans":              fill(field(2), scope),
		"empty attributes":         fill(field(9), request),
		"empty events":             fill(field(11), request),
		"events with an attribute": fill(field(11, field(3)), request),
		"empty links":              fill(field(13), request),
		"open groups":              fill([]byte{0x9b, 0x06}, request),
		"deep value":               request(field(9, field(2, nested(1_000)))),
		"wide array":               request(field(9, field(2, field(5, []byte(strings.Repeat("\x0a\x00", size/2)))))),
		"long length":              request([]byte{9<<3 | 2}, protowire.AppendVarint(nil, 1<<40), make([]byte, size)),
		"many long lengths":        fill(append([]byte{9<<3 | 2}, protowire.AppendVarint(nil, 1<<30)...), request),
	} {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err := ingest.TracesFromWire(payload)
			runtime.ReadMemStats(&after)
			got := after.TotalAlloc - before.TotalAlloc
			if want := uint64(17*len(payload) + 2<<20); got > want {
				t.Errorf("%d bytes allocated for %d (error: %v); want at most %d", got, len(payload), err, want)
			}
		})
	}
}

// TestHonestRequestsFit keeps the memory bound away from real senders.
func TestHonestRequestsFit(t *testing.T) {
	spans := request(field(1, make([]byte, 16)), field(2, make([]byte, 8)))
	logs := field(1, resourceA, field(2, field(2, field(5, textField(1, "x")), fixed64Field(1, 1))))
	for _, n := range []int{1, 100, 100_000} {
		if _, err := ingest.TracesFromWire([]byte(strings.Repeat(string(spans), n))); err != nil {
			t.Errorf("%d small spans, each with its resource: %v", n, err)
		}
		if _, err := ingest.LogsFromWire([]byte(strings.Repeat(string(logs), n))); err != nil {
			t.Errorf("%d small logs, each with its resource: %v", n, err)
		}
	}
}

func TestLegacyLogs(t *testing.T) {
	payload := field(1, field(1000, field(2, textField(3, "INFO"))))
	b, err := ingest.LogsFromWire(payload)
	if err != nil {
		t.Fatal(err)
	}
	req := plogotlp.NewExportRequest()
	if err := req.UnmarshalProto(payload); err != nil {
		t.Fatal(err)
	}
	if diff := sameRecords(b, directLogs(req.Logs())); diff != "" {
		t.Errorf("records (-pdata +ours):\n%s", diff)
	}
}

func TestDecodeRefusesOtherKinds(t *testing.T) {
	if _, err := ingest.Decode(store.Kind(9), nil); err == nil {
		t.Error("kind 9: accepted")
	}
}
