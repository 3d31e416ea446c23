package ingest

import (
	"encoding/binary"
	"fmt"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/pdata/xpdata"

	"github.com/signalbox-otel/signalbox/internal/store"
)

// Traces turns pdata into a batch: it is marshalled, because the store's log
// needs the bytes, and the bytes are walked. The batch shares nothing with td.
func Traces(td ptrace.Traces) (*store.Batch, error) {
	payload, err := (&ptrace.ProtoMarshaler{}).MarshalTraces(td)
	if err != nil {
		return nil, fmt.Errorf("marshalling traces: %w", err)
	}
	return TracesFromWire(payload)
}

// Logs is Traces for logs.
func Logs(ld plog.Logs) (*store.Batch, error) {
	payload, err := (&plog.ProtoMarshaler{}).MarshalLogs(ld)
	if err != nil {
		return nil, fmt.Errorf("marshalling logs: %w", err)
	}
	return LogsFromWire(payload)
}

// ToTraces turns spans back into pdata. Spans of equal resources are put
// together, and within a resource those of equal scopes; resources, scopes and
// spans keep the order in which they first come. Nothing is copied but what
// pdata has in another form: the spans must stay unchanged as long as the
// result is in use.
func ToTraces(spans []*store.Span) ptrace.Traces {
	td := ptrace.NewTraces()
	g := grouping[ptrace.ResourceSpans, ptrace.ScopeSpans]{
		addResource: func(r *store.Resource) ptrace.ResourceSpans {
			rs := td.ResourceSpans().AppendEmpty()
			fillResource(rs.Resource(), r)
			rs.SetSchemaUrl(r.SchemaURL)
			return rs
		},
		addScope: func(rs ptrace.ResourceSpans, sc *store.Scope) ptrace.ScopeSpans {
			ss := rs.ScopeSpans().AppendEmpty()
			fillScope(ss.Scope(), sc)
			ss.SetSchemaUrl(sc.SchemaURL)
			return ss
		},
	}
	for _, s := range spans {
		fillSpan(g.of(s.Resource, s.Scope).Spans().AppendEmpty(), s)
	}
	return td
}

// ToLogs is ToTraces for log records.
func ToLogs(logs []*store.Log) plog.Logs {
	ld := plog.NewLogs()
	g := grouping[plog.ResourceLogs, plog.ScopeLogs]{
		addResource: func(r *store.Resource) plog.ResourceLogs {
			rl := ld.ResourceLogs().AppendEmpty()
			fillResource(rl.Resource(), r)
			rl.SetSchemaUrl(r.SchemaURL)
			return rl
		},
		addScope: func(rl plog.ResourceLogs, sc *store.Scope) plog.ScopeLogs {
			sl := rl.ScopeLogs().AppendEmpty()
			fillScope(sl.Scope(), sc)
			sl.SetSchemaUrl(sc.SchemaURL)
			return sl
		},
	}
	for _, l := range logs {
		fillLog(g.of(l.Resource, l.Scope).LogRecords().AppendEmpty(), l)
	}
	return ld
}

// grouping finds the ResourceSpans and ScopeSpans (or …Logs) of each record.
type grouping[R, S any] struct {
	addResource func(*store.Resource) R
	addScope    func(R, *store.Scope) S

	seen      map[origin]S // by pointer: nearly every record ends here
	resources map[string]R // by content
	scopes    map[string]S // by content of both
}

// origin is what a record came from.
type origin struct {
	resource *store.Resource
	scope    *store.Scope
}

func (g *grouping[R, S]) of(r *store.Resource, sc *store.Scope) S {
	if s, ok := g.seen[origin{r, sc}]; ok {
		return s
	}
	if g.seen == nil {
		g.seen, g.resources, g.scopes = map[origin]S{}, map[string]R{}, map[string]S{}
	}
	key := appendKey(nil, r.Attrs, r.DroppedAttrs, r.SchemaURL)
	n := len(key)
	key = appendKey(key, sc.Attrs, sc.DroppedAttrs, sc.SchemaURL, sc.Name, sc.Version)
	s, ok := g.scopes[string(key)]
	if !ok {
		under, ok := g.resources[string(key[:n])]
		if !ok {
			under = g.addResource(r)
			g.resources[string(key[:n])] = under
		}
		s = g.addScope(under, sc)
		g.scopes[string(key)] = s
	}
	g.seen[origin{r, sc}] = s
	return s
}

// appendKey appends bytes that are equal exactly when the content is. Every
// part says its length, so no two contents run into the same bytes.
func appendKey(b []byte, attrs []store.Attr, dropped uint32, texts ...string) []byte {
	b = binary.AppendUvarint(b, uint64(dropped))
	for _, t := range texts {
		b = appendText(b, t)
	}
	b = binary.AppendUvarint(b, uint64(len(attrs)))
	for _, a := range attrs {
		b = appendText(b, a.Key)
		b = append(b, byte(a.Value.Type))
		b = appendText(b, a.Value.Str())
		b = binary.LittleEndian.AppendUint64(b, uint64(a.Value.Int())) // the bits, whatever the type
	}
	return b
}

func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

func fillResource(dst pcommon.Resource, r *store.Resource) {
	fillAttrs(dst.Attributes(), r.Attrs)
	dst.SetDroppedAttributesCount(r.DroppedAttrs)
}

func fillScope(dst pcommon.InstrumentationScope, sc *store.Scope) {
	dst.SetName(sc.Name)
	dst.SetVersion(sc.Version)
	fillAttrs(dst.Attributes(), sc.Attrs)
	dst.SetDroppedAttributesCount(sc.DroppedAttrs)
}

func fillSpan(dst ptrace.Span, s *store.Span) {
	dst.SetTraceID(pcommon.TraceID(s.TraceID))
	dst.SetSpanID(pcommon.SpanID(s.SpanID))
	dst.SetParentSpanID(pcommon.SpanID(s.ParentID))
	dst.TraceState().FromRaw(s.TraceState)
	dst.SetFlags(s.Flags)
	dst.SetName(s.Name)
	dst.SetKind(ptrace.SpanKind(s.Kind))
	dst.SetStartTimestamp(pcommon.Timestamp(s.Start))
	dst.SetEndTimestamp(pcommon.Timestamp(s.End))
	fillAttrs(dst.Attributes(), s.Attrs)
	dst.SetDroppedAttributesCount(s.DroppedAttrs)
	dst.Events().EnsureCapacity(len(s.Events))
	for i := range s.Events {
		e, to := &s.Events[i], dst.Events().AppendEmpty()
		to.SetTimestamp(pcommon.Timestamp(e.Time))
		to.SetName(e.Name)
		fillAttrs(to.Attributes(), e.Attrs)
		to.SetDroppedAttributesCount(e.DroppedAttrs)
	}
	dst.SetDroppedEventsCount(s.DroppedEvents)
	dst.Links().EnsureCapacity(len(s.Links))
	for i := range s.Links {
		l, to := &s.Links[i], dst.Links().AppendEmpty()
		to.SetTraceID(pcommon.TraceID(l.TraceID))
		to.SetSpanID(pcommon.SpanID(l.SpanID))
		to.TraceState().FromRaw(l.TraceState)
		to.SetFlags(l.Flags)
		fillAttrs(to.Attributes(), l.Attrs)
		to.SetDroppedAttributesCount(l.DroppedAttrs)
	}
	dst.SetDroppedLinksCount(s.DroppedLinks)
	dst.Status().SetCode(ptrace.StatusCode(s.StatusCode))
	dst.Status().SetMessage(s.StatusMessage)
}

func fillLog(dst plog.LogRecord, l *store.Log) {
	dst.SetTimestamp(pcommon.Timestamp(l.Time))
	dst.SetObservedTimestamp(pcommon.Timestamp(l.ObservedTime))
	dst.SetSeverityNumber(plog.SeverityNumber(l.SeverityNumber))
	dst.SetSeverityText(l.SeverityText)
	fillValue(dst.Body(), l.Body)
	fillAttrs(dst.Attributes(), l.Attrs)
	dst.SetDroppedAttributesCount(l.DroppedAttrs)
	dst.SetFlags(plog.LogRecordFlags(l.Flags))
	dst.SetTraceID(pcommon.TraceID(l.TraceID))
	dst.SetSpanID(pcommon.SpanID(l.SpanID))
	dst.SetEventName(l.EventName)
}

// fillAttrs keeps keys that come twice; putting them one by one would not.
func fillAttrs(dst pcommon.Map, attrs []store.Attr) {
	var b xpdata.MapBuilder
	b.EnsureCapacity(len(attrs))
	for _, a := range attrs {
		fillValue(b.AppendEmpty(a.Key), a.Value)
	}
	b.UnsafeIntoMap(dst)
}

func fillValue(dst pcommon.Value, v store.Value) {
	switch v.Type {
	case store.String:
		dst.SetStr(v.Str())
	case store.Bool:
		dst.SetBool(v.Bool())
	case store.Int:
		dst.SetInt(v.Int())
	case store.Double:
		dst.SetDouble(v.Double())
	case store.Bytes:
		dst.SetEmptyBytes().FromRaw([]byte(v.Str()))
	case store.Array:
		to := dst.SetEmptySlice()
		for _, e := range Elements(v) {
			fillValue(to.AppendEmpty(), e)
		}
	case store.Map:
		fillAttrs(dst.SetEmptyMap(), Entries(v))
	}
}

// Pvalue is v as pdata.
func Pvalue(v store.Value) pcommon.Value {
	out := pcommon.NewValueEmpty()
	fillValue(out, v)
	return out
}

// FromPvalue is the Value that pv would be in a batch from Traces or Logs. One
// that is nested too deep for a batch becomes its JSON text.
func FromPvalue(pv pcommon.Value) store.Value {
	switch pv.Type() {
	case pcommon.ValueTypeStr:
		return store.StringValue(pv.Str())
	case pcommon.ValueTypeBool:
		return store.BoolValue(pv.Bool())
	case pcommon.ValueTypeInt:
		return store.IntValue(pv.Int())
	case pcommon.ValueTypeDouble:
		return store.DoubleValue(pv.Double())
	case pcommon.ValueTypeBytes:
		return store.BytesValue(string(pv.Bytes().AsRaw()))
	case pcommon.ValueTypeSlice, pcommon.ValueTypeMap:
		// pdata marshals whole requests only, so pv travels as a log's body.
		ld := plog.NewLogs()
		l := ld.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords().AppendEmpty()
		pv.CopyTo(l.Body())
		b, err := Logs(ld)
		if err != nil {
			return store.StringValue(pv.AsString())
		}
		return b.Logs[0].Body
	}
	return store.Value{}
}
