package ingest_test

import (
	"errors"
	"testing"

	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/signalbox-otel/signalbox/internal/ingest"
	"github.com/signalbox-otel/signalbox/internal/store"
)

// One Reader gives of many requests what a new one gives of each.
func TestReaderUsedAgain(t *testing.T) {
	var r ingest.Reader
	more := func(int) bool { return true }
	for seed := range uint64(200) {
		random := newRandom(seed)
		kind := store.Spans
		payload := must((&ptrace.ProtoMarshaler{}).MarshalTraces(random.traces()))
		if seed%3 == 0 {
			kind, payload = store.Logs, must((&plog.ProtoMarshaler{}).MarshalLogs(random.logs()))
		}
		if seed%5 == 0 { // one that ends in an error leaves nothing either
			if _, err := r.FromWire(kind, append(full[kind][:len(full[kind]):len(full[kind])], 0xff), more); err == nil {
				t.Fatal("got no error")
			}
		}
		got, err := r.FromWire(kind, payload, more)
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		want, err := ingest.FromWire(kind, payload)
		if err != nil {
			t.Fatal(err)
		}
		if diff := sameRecords(want, got); diff != "" {
			t.Fatalf("seed %d (-new +used):\n%s", seed, diff)
		}
	}
}

// Nothing is taken for which there is no room, and what is taken was asked for.
func TestReaderAsksForMemory(t *testing.T) {
	payload := must((&ptrace.ProtoMarshaler{}).MarshalTraces(usual()))
	for bound := 0; ; bound += 100 << 10 {
		var r ingest.Reader
		asked := 0
		_, err := r.FromWire(store.Spans, payload, func(n int) bool {
			if asked+n > bound {
				return false
			}
			asked += n
			return true
		})
		if err == nil {
			if r.Bytes() > asked || asked > r.Bytes()+1<<20 {
				t.Errorf("took %d bytes and asked for %d; want about as many", r.Bytes(), asked)
			}
			return
		}
		if !errors.Is(err, ingest.ErrNoRoom) {
			t.Fatalf("room for %d bytes: got error %v; want ErrNoRoom", bound, err)
		}
		if bound > 16*len(payload) {
			t.Fatal("no room is enough")
		}
	}
}
