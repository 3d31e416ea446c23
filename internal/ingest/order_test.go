package ingest_test

import (
	"slices"
	"testing"

	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/ptrace"
	collogs "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	coltrace "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/signalbox-otel/signalbox/internal/ingest"
	"github.com/signalbox-otel/signalbox/internal/store"
)

// stirred is a message with its fields in another order, at every level, and
// with fields that nobody knows between them. Those of one number stay in theirs:
// it is that of the records.
func (r random) stirred(t *testing.T, message []byte, of protoreflect.MessageDescriptor) []byte {
	t.Helper()
	byNumber := map[protowire.Number][][]byte{}
	var order []protowire.Number
	for len(message) > 0 {
		number, kind, n := protowire.ConsumeTag(message)
		size := protowire.ConsumeFieldValue(number, kind, message[n:])
		if n < 0 || size < 0 {
			t.Fatal("the message cannot be read")
		}
		raw := message[:n+size]
		if f := of.Fields().ByNumber(number); f != nil && f.Message() != nil {
			inner, _ := protowire.ConsumeBytes(message[n:])
			raw = protowire.AppendBytes(protowire.AppendTag(nil, number, kind), r.stirred(t, inner, f.Message()))
		}
		byNumber[number] = append(byNumber[number], raw)
		order = append(order, number)
		message = message[n+size:]
	}
	for range r.some() {
		number := protowire.Number(400 + r.IntN(1<<20))
		if number == 1000 { // of instrumentation libraries
			continue
		}
		unknown := [][]byte{
			protowire.AppendVarint(protowire.AppendTag(nil, number, protowire.VarintType), r.number()),
			protowire.AppendFixed64(protowire.AppendTag(nil, number, protowire.Fixed64Type), r.number()),
			protowire.AppendFixed32(protowire.AppendTag(nil, number, protowire.Fixed32Type), uint32(r.number())),
			protowire.AppendString(protowire.AppendTag(nil, number, protowire.BytesType), r.text()),
		}
		byNumber[number] = append(byNumber[number], unknown[r.IntN(len(unknown))])
		order = append(order, number)
	}
	r.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
	var out []byte
	for _, number := range order {
		out = append(out, byNumber[number][0]...)
		byNumber[number] = byNumber[number][1:]
	}
	return out
}

// Protobuf promises no order of fields, and new ones in every release.
func TestFieldsInAnyOrder(t *testing.T) {
	requests := map[store.Kind]protoreflect.MessageDescriptor{
		store.Spans: (&coltrace.ExportTraceServiceRequest{}).ProtoReflect().Descriptor(),
		store.Logs:  (&collogs.ExportLogsServiceRequest{}).ProtoReflect().Descriptor(),
	}
	for seed := range uint64(300) {
		r := newRandom(seed)
		for kind, payload := range map[store.Kind][]byte{
			store.Spans: must((&ptrace.ProtoMarshaler{}).MarshalTraces(newRandom(seed).traces())),
			store.Logs:  must((&plog.ProtoMarshaler{}).MarshalLogs(newRandom(seed).logs())),
		} {
			want, err := ingest.FromWire(kind, payload)
			if err != nil {
				t.Fatal(err)
			}
			got, err := ingest.FromWire(kind, r.stirred(t, slices.Clone(payload), requests[kind]))
			if err != nil {
				t.Fatalf("seed %d, %s: %v", seed, kind, err)
			}
			if diff := sameRecords(decoded(want), decoded(got)); diff != "" {
				t.Fatalf("seed %d, %s (-in order +stirred):\n%s", seed, kind, diff)
			}
		}
	}
}
