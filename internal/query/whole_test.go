package query

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/signalbox-otel/signalbox/internal/store"
	"github.com/signalbox-otel/signalbox/internal/store/storetest"
)

func TestWholeTraces(t *testing.T) {
	var spans []store.Span
	for trace := byte(1); trace <= 3; trace++ {
		for id := byte(4); id >= 1; id-- { // not by time
			spans = append(spans, store.Span{Resource: &store.Resource{}, Scope: &store.Scope{}, TraceID: store.TraceID{trace},
				SpanID: store.SpanID{id}, Start: uint64(trace)*100 + uint64(id), Name: string('a' + rune(id)), Kind: int32(id % 2)})
		}
	}
	memory := &storetest.Memory{}
	if err := memory.Append(t.Context(), &store.Batch{Kind: store.Spans, Spans: spans}); err != nil {
		t.Fatal(err)
	}
	e := New(memory, memory, nil, Limits{})
	f := func(q store.Query, maxSpans int, stopped string, want ...byte) {
		t.Helper()
		var got []byte
		report := &store.Report{}
		for spans, err := range e.WholeTraces(t.Context(), q, maxSpans, report) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, spans[0].TraceID[0])
			if len(spans) != 4 || spans[0].Start > spans[3].Start {
				t.Errorf("%+v: trace %d has %d spans; want all 4 by time", q, spans[0].TraceID[0], len(spans))
			}
		}
		if diff := cmp.Diff(want, got); diff != "" || report.Stopped != stopped {
			t.Errorf("%+v: stopped %q; want %q; (-want +got):\n%s", q, report.Stopped, stopped, diff)
		}
	}
	f(store.Query{}, 100, "", 3, 2, 1)
	f(store.Query{Limit: 2}, 100, "", 3, 2)
	f(store.Query{End: 203}, 100, "", 2, 1) // whole, also what starts later
	f(store.Query{Where: store.Or{}}, 100, "")
	f(store.Query{}, 5, StoppedSpans, 3, 2)
	f(store.Query{}, 4, StoppedSpans, 3)

	if _, err := e.WholeTrace(t.Context(), store.TraceID{9}, &store.Report{}); !errors.Is(err, ErrNotFound) {
		t.Errorf("unknown trace: got %v; want %v", err, ErrNotFound)
	}

	operations, err := e.Operations(t.Context(), &store.Report{})
	want := []Operation{{"", "b", 1}, {"", "c", 0}, {"", "d", 1}, {"", "e", 0}}
	if diff := cmp.Diff(want, operations); err != nil || diff != "" {
		t.Errorf("operations: %v (-want +got):\n%s", err, diff)
	}
}
