package server

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/signalbox-otel/signalbox/internal/store"
	"github.com/signalbox-otel/signalbox/internal/store/storetest"
)

func TestJaegerCalls(t *testing.T) {
	var spans []store.Span
	add := func(service string, trace, id, parent byte, start uint64) {
		r := &store.Resource{}
		if service != "" {
			r.Attrs = []store.Attr{{Key: "service.name", Value: store.StringValue(service)}}
		}
		s := store.Span{Resource: r, Scope: &store.Scope{}, TraceID: store.TraceID{trace}, SpanID: store.SpanID{id}, Start: start}
		if parent != 0 {
			s.ParentID = store.SpanID{parent}
		}
		spans = append(spans, s)
	}
	add("b", 1, 2, 1, 11) // before its parent
	add("a", 1, 1, 0, 10)
	add("b", 1, 3, 2, 12) // within its service
	add("c", 1, 4, 3, 13)
	add("c", 1, 5, 3, 14)
	add("", 1, 6, 5, 15)
	add("c", 2, 4, 3, 13) // same span ids in another trace: an orphan
	add("d", 1, 7, 1, 99) // out of range
	memory := &storetest.Memory{}
	if err := memory.Append(t.Context(), &store.Batch{Kind: store.Spans, Spans: spans}); err != nil {
		t.Fatal(err)
	}
	got, report, err := newTestServer(t, Deps{Reader: memory, Catalog: memory}).jaegerCalls(t.Context(), 10, 50)
	if err != nil || report.Partial() {
		t.Fatalf("got %+v, %v", report, err)
	}
	want := []jaegerDependency{{"a", "b", 1}, {"b", "c", 2}, {"c", noServiceName, 1}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
