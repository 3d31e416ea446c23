package ingest_test

import (
	"slices"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/signalbox-otel/signalbox/internal/ingest"
	"github.com/signalbox-otel/signalbox/internal/store"
)

// sentLogs is a request of records with a time, an observed time, and neither.
func sentLogs(t *testing.T) []byte {
	t.Helper()
	ld := plog.NewLogs()
	records := ld.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords()
	records.AppendEmpty().SetTimestamp(3)
	records.AppendEmpty().SetObservedTimestamp(4)
	records.AppendEmpty().Body().SetStr("timeless")
	payload, err := (&plog.ProtoMarshaler{}).MarshalLogs(ld)
	if err != nil {
		t.Fatal(err)
	}
	return payload
}

// The time of arrival is in the records, and in the payload for a replay.
func TestArrived(t *testing.T) {
	at := time.Unix(1_763_634_000, 5)
	for name, payload := range map[string][]byte{
		"as sent":             sentLogs(t),
		"with room behind it": slices.Grow(sentLogs(t), 100),
		"saying so already":   protowire.AppendFixed64(protowire.AppendTag(sentLogs(t), 19001, protowire.Fixed64Type), 99),
	} {
		b, err := ingest.LogsFromWire(payload)
		if err != nil {
			t.Fatal(err)
		}
		ingest.Arrived(b, at)
		again, err := ingest.Decode(store.Logs, b.Payload)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if diff := sameRecords(again, b); diff != "" {
			t.Errorf("%s: a replay gives others (-replayed +appended):\n%s", name, diff)
		}
		if got := b.Logs; got[0].At() != 3 || got[0].ObservedTime != 0 || got[1].At() != 4 || got[2].At() != uint64(at.UnixNano()) || got[2].Time != 0 {
			t.Errorf("%s: got times %d, %d and %d; want 3, 4 and that of arrival, observed", name, got[0].At(), got[1].At(), got[2].At())
		}
		if err := plogotlp.NewExportRequest().UnmarshalProto(b.Payload); err != nil {
			t.Errorf("%s: the payload is no request any more: %v", name, err)
		}
	}
}

// Requests whose records have times are kept as they came.
func TestArrivedChangesNothingElse(t *testing.T) {
	ld := plog.NewLogs()
	ld.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords().AppendEmpty().SetTimestamp(3)
	b, err := ingest.Logs(ld)
	if err != nil {
		t.Fatal(err)
	}
	before := string(b.Payload)
	ingest.Arrived(b, time.Now())
	if string(b.Payload) != before || b.Logs[0].ObservedTime != 0 {
		t.Errorf("got %+v; want what was sent", b.Logs[0])
	}
}

// A sender cannot say when its request arrived.
func TestArrivalFromOutsideIsNotHeard(t *testing.T) {
	payload := protowire.AppendFixed64(protowire.AppendTag(sentLogs(t), 19001, protowire.Fixed64Type), 99)
	b, err := ingest.LogsFromWire(payload)
	if err != nil {
		t.Fatal(err)
	}
	if got := b.Logs[2].At(); got != 0 {
		t.Errorf("got time %d; want none", got)
	}
}
