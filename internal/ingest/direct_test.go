package ingest_test

import (
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/signalbox-otel/signalbox/internal/ingest"
	"github.com/signalbox-otel/signalbox/internal/store"
)

// The second way from pdata to a batch: by pdata's accessors, without bytes.
// It is what the walker is compared with, in what it gives and in what it
// costs; it leaves the payload out.

func directTraces(td ptrace.Traces) *store.Batch {
	b := &store.Batch{Kind: store.Spans, Spans: make([]store.Span, 0, td.SpanCount())}
	for _, rs := range td.ResourceSpans().All() {
		r := directResource(rs.Resource(), rs.SchemaUrl())
		for _, ss := range rs.ScopeSpans().All() {
			sc := directScope(ss.Scope(), ss.SchemaUrl())
			for _, s := range ss.Spans().All() {
				b.Spans = append(b.Spans, directSpan(s, r, sc))
			}
		}
	}
	return b
}

func directLogs(ld plog.Logs) *store.Batch {
	b := &store.Batch{Kind: store.Logs, Logs: make([]store.Log, 0, ld.LogRecordCount())}
	for _, rl := range ld.ResourceLogs().All() {
		r := directResource(rl.Resource(), rl.SchemaUrl())
		for _, sl := range rl.ScopeLogs().All() {
			sc := directScope(sl.Scope(), sl.SchemaUrl())
			for _, l := range sl.LogRecords().All() {
				b.Logs = append(b.Logs, store.Log{
					Resource: r, Scope: sc,
					Time: uint64(l.Timestamp()), ObservedTime: uint64(l.ObservedTimestamp()),
					SeverityNumber: int32(l.SeverityNumber()), SeverityText: l.SeverityText(),
					Body: ingest.FromPvalue(l.Body()), Attrs: directAttrs(l.Attributes()),
					DroppedAttrs: l.DroppedAttributesCount(), Flags: uint32(l.Flags()),
					TraceID: store.TraceID(l.TraceID()), SpanID: store.SpanID(l.SpanID()),
					EventName: l.EventName(),
				})
			}
		}
	}
	return b
}

func directResource(r pcommon.Resource, schemaURL string) *store.Resource {
	return &store.Resource{
		Attrs: directAttrs(r.Attributes()), DroppedAttrs: r.DroppedAttributesCount(), SchemaURL: schemaURL,
	}
}

func directScope(sc pcommon.InstrumentationScope, schemaURL string) *store.Scope {
	return &store.Scope{
		Name: sc.Name(), Version: sc.Version(),
		Attrs: directAttrs(sc.Attributes()), DroppedAttrs: sc.DroppedAttributesCount(), SchemaURL: schemaURL,
	}
}

func directSpan(s ptrace.Span, r *store.Resource, sc *store.Scope) store.Span {
	out := store.Span{
		Resource: r, Scope: sc,
		TraceID: store.TraceID(s.TraceID()), SpanID: store.SpanID(s.SpanID()), ParentID: store.SpanID(s.ParentSpanID()),
		TraceState: s.TraceState().AsRaw(), Flags: s.Flags(), Name: s.Name(), Kind: int32(s.Kind()),
		Start: uint64(s.StartTimestamp()), End: uint64(s.EndTimestamp()),
		Attrs: directAttrs(s.Attributes()), DroppedAttrs: s.DroppedAttributesCount(),
		DroppedEvents: s.DroppedEventsCount(), DroppedLinks: s.DroppedLinksCount(),
		StatusCode: int32(s.Status().Code()), StatusMessage: s.Status().Message(),
	}
	for _, e := range s.Events().All() {
		out.Events = append(out.Events, store.Event{
			Time: uint64(e.Timestamp()), Name: e.Name(),
			Attrs: directAttrs(e.Attributes()), DroppedAttrs: e.DroppedAttributesCount(),
		})
	}
	for _, l := range s.Links().All() {
		out.Links = append(out.Links, store.Link{
			TraceID: store.TraceID(l.TraceID()), SpanID: store.SpanID(l.SpanID()),
			TraceState: l.TraceState().AsRaw(), Flags: l.Flags(),
			Attrs: directAttrs(l.Attributes()), DroppedAttrs: l.DroppedAttributesCount(),
		})
	}
	return out
}

func directAttrs(m pcommon.Map) []store.Attr {
	if m.Len() == 0 {
		return nil
	}
	out := make([]store.Attr, 0, m.Len())
	for k, v := range m.All() {
		out = append(out, store.Attr{Key: k, Value: ingest.FromPvalue(v)})
	}
	return out
}
