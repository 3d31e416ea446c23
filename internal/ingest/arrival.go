package ingest

import (
	"encoding/binary"
	"time"

	"github.com/signalbox-otel/signalbox/internal/store"
)

// requestArrival is a field that we add to a request: the time of its arrival, in
// Unix nanoseconds. Protobuf reserves its number, so that no message of OTLP can
// ever have it. On arrival it is skipped as every unknown field; whoever sends
// it cannot say when their request arrived.
const requestArrival = 19001

// Arrived gives log records that came without any time the time of arrival, which
// a collector sets by the data model of logs; without it they would be as old as
// Unix time, and gone. The payload is made to say so, for replay: it may have
// moved afterwards, and grows into its capacity when there is room. So two such
// requests differ, and the store cannot know one that is sent again: what says
// the same at another time may well be meant twice.
func Arrived(b *store.Batch, at time.Time) {
	now := uint64(at.UnixNano())
	if setArrival(b.Logs, now) {
		b.Payload = binary.AppendUvarint(b.Payload, requestArrival<<3|wireI64)
		b.Payload = binary.LittleEndian.AppendUint64(b.Payload, now)
	}
}

// setArrival is false when every record has a time of its own.
func setArrival(logs []store.Log, at uint64) bool {
	missing := false
	for i := range logs {
		if logs[i].At() == 0 {
			logs[i].ObservedTime = at
			missing = true
		}
	}
	return missing
}

// arrival is the time of arrival that Arrived wrote into a payload, the last
// field of that number; 0 for none.
func arrival(payload []byte) (at uint64, err error) {
	for b := payload; len(b) > 0; {
		var t tag
		if t, b, err = readTag(b); err != nil {
			return 0, err
		}
		if t == requestArrival<<3|wireI64 {
			at, b, err = readI64(b)
		} else {
			b, err = pass(b, t)
		}
		if err != nil {
			return 0, err
		}
	}
	return at, nil
}
