package store

import (
	"encoding/hex"
	"math"
	"strings"
)

// Kind says what a batch, a block or a query is about.
type Kind uint8

// The two kinds of records the store keeps. The numbers are part of the disk
// format.
const (
	Spans Kind = 1
	Logs  Kind = 2
)

// String returns "spans" or "logs".
func (k Kind) String() string {
	switch k {
	case Spans:
		return "spans"
	case Logs:
		return "logs"
	}
	return "unknown"
}

// TraceID is a W3C trace id; all zero means "none".
type TraceID [16]byte

// String returns 32 lower-case hex digits.
func (id TraceID) String() string { return hex.EncodeToString(id[:]) }

// SpanID is a W3C span id; all zero means "none".
type SpanID [8]byte

// String returns 16 lower-case hex digits.
func (id SpanID) String() string { return hex.EncodeToString(id[:]) }

// ValueType is the type of an attribute value or of a log body. The numbers
// are part of the disk format.
type ValueType uint8

// The value types of the OpenTelemetry data model.
const (
	Empty  ValueType = 0
	String ValueType = 1
	Bool   ValueType = 2
	Int    ValueType = 3
	Double ValueType = 4
	Bytes  ValueType = 5
	Array  ValueType = 6
	Map    ValueType = 7
)

// Value is one typed value. Arrays and maps are opaque to the store: their
// content is the encoding that the producer of the batch chose (package ingest:
// the bytes of an OTLP AnyValue message), kept byte for byte.
type Value struct {
	Type ValueType
	num  uint64
	str  string
}

// StringValue, BoolValue, … build a Value of the type they name.
func StringValue(s string) Value { return Value{Type: String, str: s} }

// BoolValue builds a Bool.
func BoolValue(b bool) Value {
	if b {
		return Value{Type: Bool, num: 1}
	}
	return Value{Type: Bool}
}

// IntValue builds an Int.
func IntValue(i int64) Value { return Value{Type: Int, num: uint64(i)} }

// DoubleValue builds a Double.
func DoubleValue(f float64) Value { return Value{Type: Double, num: math.Float64bits(f)} }

// BytesValue builds a Bytes; s holds the bytes.
func BytesValue(s string) Value { return Value{Type: Bytes, str: s} }

// ArrayValue builds an Array from its opaque encoding.
func ArrayValue(encoded string) Value { return Value{Type: Array, str: encoded} }

// MapValue builds a Map from its opaque encoding.
func MapValue(encoded string) Value { return Value{Type: Map, str: encoded} }

// Clone returns the value with text of its own.
func (v Value) Clone() Value {
	v.str = strings.Clone(v.str)
	return v
}

// Str is the content of a String, Bytes, Array or Map; "" for other types.
func (v Value) Str() string { return v.str }

// Bool is the content of a Bool.
func (v Value) Bool() bool { return v.num != 0 }

// Int is the content of an Int.
func (v Value) Int() int64 { return int64(v.num) }

// Double is the content of a Double.
func (v Value) Double() float64 { return math.Float64frombits(v.num) }

// Attr is one attribute. A record may carry the same key twice (the
// specification forbids it, senders do it): every occurrence is kept, and a
// condition holds when it holds for any of them.
type Attr struct {
	Key   string
	Value Value
}

// Resource is what produced records: a process, a pod.
type Resource struct {
	Attrs        []Attr
	DroppedAttrs uint32
	// SchemaURL is that of the enclosing ResourceSpans or ResourceLogs.
	SchemaURL string
}

// Scope is the instrumentation library that made records.
type Scope struct {
	Name         string
	Version      string
	Attrs        []Attr
	DroppedAttrs uint32
	// SchemaURL is that of the enclosing ScopeSpans or ScopeLogs.
	SchemaURL string
}

// Span is one span. Times are Unix nanoseconds as sent; End may lie before
// Start when the sender's clock jumped. Resource and Scope are shared between
// records, never nil, and read-only.
type Span struct {
	Resource *Resource
	Scope    *Scope

	TraceID       TraceID
	SpanID        SpanID
	ParentID      SpanID
	TraceState    string
	Flags         uint32
	Name          string
	Kind          int32 // OTLP SpanKind
	Start         uint64
	End           uint64
	Attrs         []Attr
	DroppedAttrs  uint32
	Events        []Event
	DroppedEvents uint32
	Links         []Link
	DroppedLinks  uint32
	StatusCode    int32 // OTLP StatusCode: 0 unset, 1 ok, 2 error
	StatusMessage string
}

// Duration is End - Start in nanoseconds; 0 when End lies before Start.
func (s *Span) Duration() uint64 {
	if s.End < s.Start {
		return 0
	}
	return s.End - s.Start
}

// Event is something that happened during a span.
type Event struct {
	Time         uint64
	Name         string
	Attrs        []Attr
	DroppedAttrs uint32
}

// Link points from one span to another.
type Link struct {
	TraceID      TraceID
	SpanID       SpanID
	TraceState   string
	Flags        uint32
	Attrs        []Attr
	DroppedAttrs uint32
}

// Log is one log record. Time is 0 when the sender did not know it; At says
// what the store orders and prunes by.
type Log struct {
	Resource *Resource
	Scope    *Scope

	Time           uint64
	ObservedTime   uint64
	SeverityNumber int32
	SeverityText   string
	Body           Value
	Attrs          []Attr
	DroppedAttrs   uint32
	Flags          uint32
	TraceID        TraceID
	SpanID         SpanID
	EventName      string
}

// At is the record's time for ordering, retention and time ranges: Time, or
// ObservedTime when Time is 0.
func (l *Log) At() uint64 {
	if l.Time != 0 {
		return l.Time
	}
	return l.ObservedTime
}

// Batch is what one request brought: records of one kind, and the bytes that
// the log keeps for them. After Append the batch is read-only for everyone:
// followers of the store may still hold it (see Followed). Strings may alias
// Payload.
type Batch struct {
	Kind Kind
	// Payload is decoded by Options.Decode on replay and must then give the
	// same records in the same order. A batch with the payload of one of the
	// last 32,768 is taken for that one, sent again.
	Payload []byte
	Spans   []Span // when Kind is Spans
	Logs    []Log  // when Kind is Logs
	// Followed is set by Append when a follower of the store has the batch. If
	// it is not, nobody holds the batch or parts of it once Append has returned:
	// its memory may be used again.
	Followed bool
}

// Len is the number of records.
func (b *Batch) Len() int { return len(b.Spans) + len(b.Logs) }

// Find returns the first attribute of that key, and whether there is one.
func Find(attrs []Attr, key string) (Value, bool) {
	for i := range attrs {
		if attrs[i].Key == key {
			return attrs[i].Value, true
		}
	}
	return Value{}, false
}

// ServiceName is the resource's service.name as text, "" when it has none.
func (r *Resource) ServiceName() string {
	v, _ := Find(r.Attrs, "service.name")
	return v.str
}

// SizeBytes is about the memory of the span, without resource and scope. Texts
// that it shares with other spans count as its own.
func (s *Span) SizeBytes() int {
	n := 320 + len(s.TraceState) + len(s.Name) + len(s.StatusMessage) + attrsBytes(s.Attrs)
	for i := range s.Events {
		n += 64 + len(s.Events[i].Name) + attrsBytes(s.Events[i].Attrs)
	}
	for i := range s.Links {
		n += 80 + len(s.Links[i].TraceState) + attrsBytes(s.Links[i].Attrs)
	}
	return n
}

// SizeBytes is about the memory of the record, as that of a span.
func (l *Log) SizeBytes() int {
	return 240 + len(l.SeverityText) + len(l.Body.str) + len(l.EventName) + attrsBytes(l.Attrs)
}

func attrsBytes(attrs []Attr) int {
	n := 0
	for i := range attrs {
		n += 48 + len(attrs[i].Value.str)
	}
	return n
}
