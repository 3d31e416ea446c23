package archive

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/signalbox-otel/signalbox/internal/ingest"
	"github.com/signalbox-otel/signalbox/internal/store"
)

// The rows of our Parquet files. Ids are hex, as people copy them; "" where
// there is none. Times are Unix nanoseconds. docs/store.md lists the columns.

// originRow is what records have of resource and scope.
type originRow struct {
	ServiceName       string         `parquet:"service_name,dict"`
	Resource          []attributeRow `parquet:"resource_attributes,list"`
	ResourceDropped   uint32         `parquet:"resource_dropped_attributes,dict"`
	ResourceSchemaURL string         `parquet:"resource_schema_url,dict"`
	ScopeName         string         `parquet:"scope_name,dict"`
	ScopeVersion      string         `parquet:"scope_version,dict"`
	Scope             []attributeRow `parquet:"scope_attributes,list"`
	ScopeDropped      uint32         `parquet:"scope_dropped_attributes,dict"`
	ScopeSchemaURL    string         `parquet:"scope_schema_url,dict"`
	Attributes        []attributeRow `parquet:"attributes,list"`
	DroppedAttributes uint32         `parquet:"dropped_attributes,dict"`
	Flags             uint32         `parquet:"flags,dict"`
	// OTLP is the record as an OTLP request of its own, when it has text that is
	// not UTF-8 or a number that has no text: an import takes this then.
	OTLP []byte `parquet:"otlp,optional"`
}

// attributeRow is one attribute.
type attributeRow struct {
	Key string `parquet:"key,dict"`
	// Type is string, bool, int, double, bytes, array, map or empty.
	Type string `parquet:"type,dict"`
	// Value is the value as text: bytes in base64, arrays and maps as JSON.
	Value string `parquet:"value,dict"`
	// AnyValue is the OTLP AnyValue of an array or map: JSON does not have all
	// of its types.
	AnyValue []byte `parquet:"any_value,optional"`
}

// spanRow is a span.
type spanRow struct {
	StartTime     int64  `parquet:"start_time,timestamp(nanosecond),delta"`
	Duration      int64  `parquet:"duration_ns"`
	TraceID       string `parquet:"trace_id"`
	SpanID        string `parquet:"span_id"`
	ParentSpanID  string `parquet:"parent_span_id"`
	TraceState    string `parquet:"trace_state,dict"`
	Name          string `parquet:"name,dict"`
	Kind          string `parquet:"kind,dict"`
	Status        string `parquet:"status,dict"`
	StatusMessage string `parquet:"status_message,dict"`
	originRow
	Events        []eventRow `parquet:"events,list"`
	DroppedEvents uint32     `parquet:"dropped_events,dict"`
	Links         []linkRow  `parquet:"links,list"`
	DroppedLinks  uint32     `parquet:"dropped_links,dict"`
}

// eventRow is an event of a span.
type eventRow struct {
	Time              int64          `parquet:"time,timestamp(nanosecond)"`
	Name              string         `parquet:"name,dict"`
	Attributes        []attributeRow `parquet:"attributes,list"`
	DroppedAttributes uint32         `parquet:"dropped_attributes,dict"`
}

// linkRow is a link of a span.
type linkRow struct {
	TraceID           string         `parquet:"trace_id"`
	SpanID            string         `parquet:"span_id"`
	TraceState        string         `parquet:"trace_state,dict"`
	Flags             uint32         `parquet:"flags,dict"`
	Attributes        []attributeRow `parquet:"attributes,list"`
	DroppedAttributes uint32         `parquet:"dropped_attributes,dict"`
}

// logRow is a log record. Time is that of the record, or its observed time if it
// has none; then NoTime is set.
type logRow struct {
	Time           int64  `parquet:"time,timestamp(nanosecond),delta"`
	NoTime         bool   `parquet:"no_time"`
	ObservedTime   int64  `parquet:"observed_time,timestamp(nanosecond),delta"`
	SeverityNumber int32  `parquet:"severity_number,dict"`
	Severity       string `parquet:"severity_text,dict"`
	Body           string `parquet:"body"`
	BodyType       string `parquet:"body_type,dict"`
	BodyAnyValue   []byte `parquet:"body_any_value,optional"`
	TraceID        string `parquet:"trace_id"`
	SpanID         string `parquet:"span_id"`
	EventName      string `parquet:"event_name,dict"`
	originRow
}

// kindNames and statusNames are OTLP's; other numbers are written as they are.
var (
	kindNames   = []string{"unspecified", "internal", "server", "client", "producer", "consumer"}
	statusNames = []string{"unset", "ok", "error"}
)

// typeNames are the types of values.
var typeNames = map[store.ValueType]string{store.Empty: "empty", store.String: "string", store.Bool: "bool", store.Int: "int",
	store.Double: "double", store.Bytes: "bytes", store.Array: "array", store.Map: "map"}

func nameOf(names []string, n int32) string {
	if n >= 0 && int(n) < len(names) {
		return names[n]
	}
	return strconv.Itoa(int(n))
}

func numberOf(names []string, s string) (int32, error) {
	for i, name := range names {
		if name == s {
			return int32(i), nil
		}
	}
	n, err := strconv.ParseInt(s, 10, 32)
	return int32(n), err
}

// rowMaker turns records into rows. plain says that the rows made since it was
// set say all that the records do.
type rowMaker struct{ plain bool }

// text returns s, or what of it is UTF-8.
func (m *rowMaker) text(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	m.plain = false
	return strings.ToValidUTF8(s, "\ufffd")
}

func hexOf(id []byte) string {
	for _, b := range id {
		if b != 0 {
			return hex.EncodeToString(id)
		}
	}
	return ""
}

func (m *rowMaker) attrs(attrs []store.Attr) []attributeRow {
	if len(attrs) == 0 {
		return nil
	}
	rows := make([]attributeRow, len(attrs))
	for i := range attrs {
		v, raw := m.value(attrs[i].Value)
		rows[i] = attributeRow{m.text(attrs[i].Key), typeNames[attrs[i].Value.Type], v, raw}
	}
	return rows
}

// value is a value as text, and the bytes of an array or map.
func (m *rowMaker) value(v store.Value) (s string, anyValue []byte) {
	switch v.Type {
	case store.String:
		return m.text(v.Str()), nil
	case store.Bool:
		return strconv.FormatBool(v.Bool()), nil
	case store.Int:
		return strconv.FormatInt(v.Int(), 10), nil
	case store.Double:
		s := strconv.FormatFloat(v.Double(), 'g', -1, 64)
		if back, err := strconv.ParseFloat(s, 64); err != nil || store.DoubleValue(back) != v {
			m.plain = false // one of the many NaN
		}
		return s, nil
	case store.Bytes:
		return base64.StdEncoding.EncodeToString([]byte(v.Str())), nil
	case store.Array, store.Map:
		text, err := json.Marshal(ingest.JSON(v))
		if err != nil {
			m.plain = false
		}
		return string(text), []byte(v.Str())
	}
	return "", nil
}

func (m *rowMaker) origin(r *store.Resource, s *store.Scope, attrs []store.Attr, dropped, flags uint32) originRow {
	return originRow{ServiceName: m.text(r.ServiceName()), Resource: m.attrs(r.Attrs), ResourceDropped: r.DroppedAttrs,
		ResourceSchemaURL: m.text(r.SchemaURL), ScopeName: m.text(s.Name), ScopeVersion: m.text(s.Version), Scope: m.attrs(s.Attrs),
		ScopeDropped: s.DroppedAttrs, ScopeSchemaURL: m.text(s.SchemaURL), Attributes: m.attrs(attrs), DroppedAttributes: dropped, Flags: flags}
}

func (m *rowMaker) span(s *store.Span) (spanRow, error) {
	m.plain = true
	row := spanRow{StartTime: int64(s.Start), Duration: int64(s.End - s.Start), TraceID: hexOf(s.TraceID[:]), SpanID: hexOf(s.SpanID[:]),
		ParentSpanID: hexOf(s.ParentID[:]), TraceState: m.text(s.TraceState), Name: m.text(s.Name), Kind: nameOf(kindNames, s.Kind),
		Status: nameOf(statusNames, s.StatusCode), StatusMessage: m.text(s.StatusMessage),
		originRow:     m.origin(s.Resource, s.Scope, s.Attrs, s.DroppedAttrs, s.Flags),
		DroppedEvents: s.DroppedEvents, DroppedLinks: s.DroppedLinks}
	for i := range s.Events {
		e := &s.Events[i]
		row.Events = append(row.Events, eventRow{int64(e.Time), m.text(e.Name), m.attrs(e.Attrs), e.DroppedAttrs})
	}
	for i := range s.Links {
		l := &s.Links[i]
		row.Links = append(row.Links, linkRow{hexOf(l.TraceID[:]), hexOf(l.SpanID[:]), m.text(l.TraceState), l.Flags, m.attrs(l.Attrs), l.DroppedAttrs})
	}
	if m.plain {
		return row, nil
	}
	b, err := ingest.Traces(ingest.ToTraces([]*store.Span{s}))
	if err != nil {
		return row, err
	}
	row.OTLP = b.Payload
	return row, nil
}

func (m *rowMaker) log(l *store.Log) (logRow, error) {
	m.plain = true
	body, anyValue := m.value(l.Body)
	row := logRow{Time: int64(l.At()), NoTime: l.Time == 0, ObservedTime: int64(l.ObservedTime), SeverityNumber: l.SeverityNumber,
		Severity: m.text(l.SeverityText), Body: body, BodyType: typeNames[l.Body.Type], BodyAnyValue: anyValue,
		TraceID: hexOf(l.TraceID[:]), SpanID: hexOf(l.SpanID[:]), EventName: m.text(l.EventName),
		originRow: m.origin(l.Resource, l.Scope, l.Attrs, l.DroppedAttrs, l.Flags)}
	if m.plain {
		return row, nil
	}
	b, err := ingest.Logs(ingest.ToLogs([]*store.Log{l}))
	if err != nil {
		return row, err
	}
	row.OTLP = b.Payload
	return row, nil
}

// rowReader turns rows back into records. The first error sticks.
type rowReader struct{ err error }

func (r *rowReader) note(err error) {
	if r.err == nil {
		r.err = err
	}
}

func (r *rowReader) id(s string, id []byte) {
	if s == "" {
		return
	}
	if n, err := hex.Decode(id, []byte(s)); err != nil || n != len(id) || len(s) != 2*len(id) {
		r.note(fmt.Errorf("id %q is not %d bytes in hex", s, len(id)))
	}
}

func (r *rowReader) attrs(rows []attributeRow) []store.Attr {
	var attrs []store.Attr
	for i := range rows {
		a := &rows[i]
		attrs = append(attrs, store.Attr{Key: a.Key, Value: r.value(a.Type, a.Value, a.AnyValue)})
	}
	return attrs
}

func (r *rowReader) value(typ, s string, anyValue []byte) store.Value {
	var v store.Value
	var err error
	switch typ {
	case "empty":
	case "string":
		v = store.StringValue(s)
	case "bool":
		var b bool
		b, err = strconv.ParseBool(s)
		v = store.BoolValue(b)
	case "int":
		var n int64
		n, err = strconv.ParseInt(s, 10, 64)
		v = store.IntValue(n)
	case "double":
		var f float64
		f, err = strconv.ParseFloat(s, 64)
		v = store.DoubleValue(f)
	case "bytes":
		var b []byte
		b, err = base64.StdEncoding.DecodeString(s)
		v = store.BytesValue(string(b))
	case "array":
		v = store.ArrayValue(string(anyValue))
	case "map":
		v = store.MapValue(string(anyValue))
	default:
		err = fmt.Errorf("unknown type of value %q", typ)
	}
	if err != nil {
		r.note(fmt.Errorf("value %.40q: %w", s, err))
	}
	return v
}

func (r *rowReader) origin(row *originRow) (*store.Resource, *store.Scope) {
	return &store.Resource{Attrs: r.attrs(row.Resource), DroppedAttrs: row.ResourceDropped, SchemaURL: row.ResourceSchemaURL},
		&store.Scope{Name: row.ScopeName, Version: row.ScopeVersion, Attrs: r.attrs(row.Scope), DroppedAttrs: row.ScopeDropped, SchemaURL: row.ScopeSchemaURL}
}

func (r *rowReader) span(row *spanRow) *store.Span {
	if len(row.OTLP) > 0 {
		b, err := ingest.TracesFromWire(row.OTLP)
		if err == nil && len(b.Spans) == 1 {
			return &b.Spans[0]
		}
		r.note(fmt.Errorf("column otlp is not one span: %w", err))
		return nil
	}
	s := &store.Span{TraceState: row.TraceState, Name: row.Name, Start: uint64(row.StartTime), End: uint64(row.StartTime + row.Duration),
		StatusMessage: row.StatusMessage, Flags: row.Flags, Attrs: r.attrs(row.Attributes), DroppedAttrs: row.DroppedAttributes,
		DroppedEvents: row.DroppedEvents, DroppedLinks: row.DroppedLinks}
	s.Resource, s.Scope = r.origin(&row.originRow)
	r.id(row.TraceID, s.TraceID[:])
	r.id(row.SpanID, s.SpanID[:])
	r.id(row.ParentSpanID, s.ParentID[:])
	var err error
	if s.Kind, err = numberOf(kindNames, row.Kind); err != nil {
		r.note(fmt.Errorf("kind: %w", err))
	}
	if s.StatusCode, err = numberOf(statusNames, row.Status); err != nil {
		r.note(fmt.Errorf("status: %w", err))
	}
	for i := range row.Events {
		e := &row.Events[i]
		s.Events = append(s.Events, store.Event{Time: uint64(e.Time), Name: e.Name, Attrs: r.attrs(e.Attributes), DroppedAttrs: e.DroppedAttributes})
	}
	for i := range row.Links {
		l := &row.Links[i]
		link := store.Link{TraceState: l.TraceState, Flags: l.Flags, Attrs: r.attrs(l.Attributes), DroppedAttrs: l.DroppedAttributes}
		r.id(l.TraceID, link.TraceID[:])
		r.id(l.SpanID, link.SpanID[:])
		s.Links = append(s.Links, link)
	}
	return s
}

func (r *rowReader) log(row *logRow) *store.Log {
	if len(row.OTLP) > 0 {
		b, err := ingest.LogsFromWire(row.OTLP)
		if err == nil && len(b.Logs) == 1 {
			return &b.Logs[0]
		}
		r.note(fmt.Errorf("column otlp is not one log record: %w", err))
		return nil
	}
	l := &store.Log{Time: uint64(row.Time), ObservedTime: uint64(row.ObservedTime), SeverityNumber: row.SeverityNumber,
		SeverityText: row.Severity, Body: r.value(row.BodyType, row.Body, row.BodyAnyValue), Attrs: r.attrs(row.Attributes),
		DroppedAttrs: row.DroppedAttributes, Flags: row.Flags, EventName: row.EventName}
	if row.NoTime {
		l.Time = 0
	}
	l.Resource, l.Scope = r.origin(&row.originRow)
	r.id(row.TraceID, l.TraceID[:])
	r.id(row.SpanID, l.SpanID[:])
	return l
}
