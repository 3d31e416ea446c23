package ingest_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/signalbox-otel/signalbox/internal/ingest"
	"github.com/signalbox-otel/signalbox/internal/store"
)

// histories is how many random requests the property tests try.
const histories = 500

// sameRecords compares batches without their payloads. NaN equals itself:
// values are compared by their bits.
func sameRecords(got, want *store.Batch) string {
	return cmp.Diff(want, got, cmp.AllowUnexported(store.Value{}), cmp.FilterPath(func(p cmp.Path) bool {
		return p.String() == "Payload"
	}, cmp.Ignore()))
}

func pointers[T any](records []T) []*T {
	out := make([]*T, len(records))
	for i := range records {
		out[i] = &records[i]
	}
	return out
}

func TestTracesGiveWhatPdataHolds(t *testing.T) {
	for seed := range uint64(histories) {
		td := newRandom(seed).traces()
		got, err := ingest.Traces(td)
		if err != nil {
			t.Fatalf("seed %d: Traces: %v", seed, err)
		}
		if diff := sameRecords(got, directTraces(td)); diff != "" {
			t.Fatalf("seed %d: Traces (-want +got):\n%s", seed, diff)
		}
		again, err := ingest.Decode(store.Spans, got.Payload)
		if err != nil {
			t.Fatalf("seed %d: Decode: %v", seed, err)
		}
		if diff := cmp.Diff(got, again, cmp.AllowUnexported(store.Value{})); diff != "" {
			t.Fatalf("seed %d: Decode of the payload (-first +again):\n%s", seed, diff)
		}
	}
}

func TestLogsGiveWhatPdataHolds(t *testing.T) {
	for seed := range uint64(histories) {
		ld := newRandom(seed).logs()
		got, err := ingest.Logs(ld)
		if err != nil {
			t.Fatalf("seed %d: Logs: %v", seed, err)
		}
		if diff := sameRecords(got, directLogs(ld)); diff != "" {
			t.Fatalf("seed %d: Logs (-want +got):\n%s", seed, diff)
		}
		again, err := ingest.Decode(store.Logs, got.Payload)
		if err != nil {
			t.Fatalf("seed %d: Decode: %v", seed, err)
		}
		if diff := cmp.Diff(got, again, cmp.AllowUnexported(store.Value{})); diff != "" {
			t.Fatalf("seed %d: Decode of the payload (-first +again):\n%s", seed, diff)
		}
	}
}

func TestTracesComeBack(t *testing.T) {
	for seed := range uint64(histories) {
		td := newRandom(seed).traces()
		b, err := ingest.Traces(td)
		if err != nil {
			t.Fatalf("seed %d: Traces: %v", seed, err)
		}
		got := ingest.ToTraces(pointers(b.Spans))
		want := ptrace.NewTraces() // without what holds no span, equal origins together
		td.CopyTo(want)
		want.ResourceSpans().RemoveIf(func(rs ptrace.ResourceSpans) bool {
			rs.ScopeSpans().RemoveIf(func(ss ptrace.ScopeSpans) bool { return ss.Spans().Len() == 0 })
			return rs.ScopeSpans().Len() == 0
		})
		if equalOrigins(b) {
			continue // the seed made two equal resources by chance
		}
		marshal := func(td ptrace.Traces) []byte {
			out, err := (&ptrace.ProtoMarshaler{}).MarshalTraces(td)
			if err != nil {
				t.Fatal(err)
			}
			return out
		}
		if !slices.Equal(marshal(got), marshal(want)) {
			t.Fatalf("seed %d: ToTraces gives\n%s\nwant\n%s", seed, tracesText(t, got), tracesText(t, want))
		}
	}
}

func TestLogsComeBack(t *testing.T) {
	for seed := range uint64(histories) {
		ld := newRandom(seed).logs()
		b, err := ingest.Logs(ld)
		if err != nil {
			t.Fatalf("seed %d: Logs: %v", seed, err)
		}
		got := ingest.ToLogs(pointers(b.Logs))
		want := plog.NewLogs()
		ld.CopyTo(want)
		want.ResourceLogs().RemoveIf(func(rl plog.ResourceLogs) bool {
			rl.ScopeLogs().RemoveIf(func(sl plog.ScopeLogs) bool { return sl.LogRecords().Len() == 0 })
			return rl.ScopeLogs().Len() == 0
		})
		if equalOrigins(b) {
			continue
		}
		marshal := func(ld plog.Logs) []byte {
			out, err := (&plog.ProtoMarshaler{}).MarshalLogs(ld)
			if err != nil {
				t.Fatal(err)
			}
			return out
		}
		if !slices.Equal(marshal(got), marshal(want)) {
			t.Fatalf("seed %d: ToLogs gives\n%s\nwant\n%s", seed, logsText(t, got), logsText(t, want))
		}
	}
}

func TestEqualOriginsComeTogether(t *testing.T) {
	attrs := func(v string) []store.Attr { return []store.Attr{{Key: "k", Value: store.StringValue(v)}} }
	span := func(name string, r store.Resource, sc store.Scope) *store.Span {
		return &store.Span{Name: name, Resource: &r, Scope: &sc}
	}
	a, b := store.Resource{Attrs: attrs("a")}, store.Resource{Attrs: attrs("b")}
	x, y := store.Scope{Name: "x"}, store.Scope{Name: "x", Version: "1"}
	td := ingest.ToTraces([]*store.Span{
		span("1", a, x), span("2", b, x), span("3", a, y), span("4", a, x), span("5", b, x),
		span("6", store.Resource{Attrs: attrs("a"), SchemaURL: "s"}, x),
	})
	var got [][][]string
	for _, rs := range td.ResourceSpans().All() {
		var scopes [][]string
		for _, ss := range rs.ScopeSpans().All() {
			var names []string
			for _, s := range ss.Spans().All() {
				names = append(names, s.Name())
			}
			scopes = append(scopes, names)
		}
		got = append(got, scopes)
	}
	want := [][][]string{{{"1", "4"}, {"3"}}, {{"2", "5"}}, {{"6"}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("spans by resource and scope (-want +got):\n%s", diff)
	}
}

// equalOrigins reports whether two resources of a batch, or two scopes of one
// resource, are equal: ToTraces and ToLogs put those together.
func equalOrigins(b *store.Batch) bool {
	var resources []*store.Resource
	scopes := map[*store.Resource][]*store.Scope{}
	add := func(r *store.Resource, sc *store.Scope) {
		if !slices.Contains(resources, r) {
			resources = append(resources, r)
		}
		if !slices.Contains(scopes[r], sc) {
			scopes[r] = append(scopes[r], sc)
		}
	}
	for _, s := range b.Spans {
		add(s.Resource, s.Scope)
	}
	for _, l := range b.Logs {
		add(l.Resource, l.Scope)
	}
	for _, of := range scopes {
		if twice(of) {
			return true
		}
	}
	return twice(resources)
}

func twice[T any](all []*T) bool {
	for i, a := range all {
		for _, b := range all[:i] {
			if cmp.Equal(*a, *b, cmp.AllowUnexported(store.Value{})) {
				return true
			}
		}
	}
	return false
}

func tracesText(t *testing.T, td ptrace.Traces) []byte {
	out, err := (&ptrace.JSONMarshaler{}).MarshalTraces(td)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func logsText(t *testing.T, ld plog.Logs) []byte {
	out, err := (&plog.JSONMarshaler{}).MarshalLogs(ld)
	if err != nil {
		t.Fatal(err)
	}
	return out
}
