package server

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"

	"github.com/signalbox-otel/signalbox/internal/ingest"
	"github.com/signalbox-otel/signalbox/internal/store"
)

// The shapes below are those of Jaeger's JSON API, in its order of fields. Its
// clients read them by name; null and [] are told apart by some.

// jaegerAnswer is the envelope of every answer.
type jaegerAnswer struct {
	Data   any           `json:"data"`
	Total  int           `json:"total"`
	Limit  int           `json:"limit"`
	Offset int           `json:"offset"`
	Errors []jaegerError `json:"errors"`
}

// jaegerError is one error of an answer; TraceID when it is about one trace of
// several.
type jaegerError struct {
	Code    int    `json:"code,omitempty"`
	Msg     string `json:"msg"`
	TraceID string `json:"traceID,omitempty"`
}

// jaegerTrace is one trace. Spans name their process by its key in Processes.
type jaegerTrace struct {
	TraceID   string                   `json:"traceID"`
	Spans     []jaegerSpan             `json:"spans"`
	Processes map[string]jaegerProcess `json:"processes"`
	Warnings  []string                 `json:"warnings"`
}

// jaegerSpan is one span; times are in microseconds.
type jaegerSpan struct {
	TraceID       string            `json:"traceID"`
	Flags         uint32            `json:"flags,omitempty"`
	SpanID        string            `json:"spanID"`
	OperationName string            `json:"operationName"`
	References    []jaegerReference `json:"references"`
	StartTime     uint64            `json:"startTime"`
	Duration      uint64            `json:"duration"`
	Tags          []jaegerTag       `json:"tags"`
	Logs          []jaegerLog       `json:"logs"`
	ProcessID     string            `json:"processID"`
	Warnings      []string          `json:"warnings"`
}

// jaegerReference points to another span: the parent is the first CHILD_OF.
type jaegerReference struct {
	RefType string `json:"refType"`
	TraceID string `json:"traceID"`
	SpanID  string `json:"spanID"`
}

// jaegerProcess is a resource.
type jaegerProcess struct {
	ServiceName string      `json:"serviceName"`
	Tags        []jaegerTag `json:"tags"`
}

// jaegerLog is an event of a span; its time is in microseconds.
type jaegerLog struct {
	Timestamp uint64      `json:"timestamp"`
	Fields    []jaegerTag `json:"fields"`
}

// jaegerTag is an attribute. Type says what Value stands for: integers that
// JavaScript would round and numbers that JSON lacks come as text.
type jaegerTag struct {
	Key   string `json:"key"`
	Type  string `json:"type"` // string, bool, int64, float64, binary
	Value any    `json:"value"`
}

// Names that OpenTelemetry and Jaeger agreed on for what Jaeger's model has no
// field for.
const (
	tagSpanKind          = "span.kind"
	tagStatusCode        = "otel.status_code"
	tagStatusDescription = "otel.status_description"
	tagError             = "error"
	tagScopeName         = "otel.scope.name"
	tagScopeVersion      = "otel.scope.version"
	tagTraceState        = "w3c.tracestate"
	tagDroppedAttrs      = "otel.dropped_attributes_count"
	tagDroppedEvents     = "otel.dropped_events_count"
	tagDroppedLinks      = "otel.dropped_links_count"
	attrRefType          = "opentracing.ref_type"
	attrServiceName      = "service.name"
	fieldEvent           = "event"
	// noServiceName stands for the service of a resource that names none.
	noServiceName = "OTLPResourceNoServiceName"
)

// spanKinds are Jaeger's names of OTLP's span kinds, "" for unspecified.
var spanKinds = [...]string{"", "internal", "server", "client", "producer", "consumer"}

// spanKindName is Jaeger's name of an OTLP SpanKind.
func spanKindName(kind int32) string {
	if kind < 0 || int(kind) >= len(spanKinds) {
		return ""
	}
	return spanKinds[kind]
}

// spanKindOf is the OTLP SpanKind of Jaeger's name.
func spanKindOf(name string) (kind int32, ok bool) {
	i := slices.Index(spanKinds[1:], name)
	return int32(i + 1), i >= 0
}

// toJaegerTrace converts the spans of one trace. It keeps every attribute of
// spans, events, resources and scopes; those of links have no place in the
// model.
func toJaegerTrace(spans []*store.Span, warnings []string) *jaegerTrace {
	t := &jaegerTrace{Spans: make([]jaegerSpan, len(spans)), Processes: map[string]jaegerProcess{}, Warnings: warnings}
	processes := jaegerProcesses{byResource: map[*store.Resource]string{}, byContent: map[string]string{}}
	for i, s := range spans {
		t.TraceID = jaegerTraceID(s.TraceID)
		t.Spans[i] = toJaegerSpan(s)
		t.Spans[i].ProcessID = processes.id(s.Resource, t.Processes)
	}
	if len(spans) > 0 {
		// The page shows warnings of spans, not those of traces.
		t.Spans[0].Warnings = warnings
	}
	return t
}

// jaegerProcesses gives resources of the same content the same key.
type jaegerProcesses struct {
	byResource map[*store.Resource]string
	byContent  map[string]string // JSON of the process
}

func (p *jaegerProcesses) id(r *store.Resource, table map[string]jaegerProcess) string {
	if id, ok := p.byResource[r]; ok {
		return id
	}
	process := toJaegerProcess(r)
	content, err := json.Marshal(process)
	if err != nil {
		panic(fmt.Sprintf("a tag value that is not JSON: %v", err)) // jaegerTagOf makes none
	}
	id, ok := p.byContent[string(content)]
	if !ok {
		id = "p" + strconv.Itoa(len(table)+1)
		p.byContent[string(content)] = id
		table[id] = process
	}
	p.byResource[r] = id
	return id
}

func toJaegerProcess(r *store.Resource) jaegerProcess {
	p := jaegerProcess{ServiceName: jaegerService(r), Tags: make([]jaegerTag, 0, len(r.Attrs))}
	for _, a := range r.Attrs {
		if a.Key == attrServiceName && a.Value.Type == store.String {
			continue
		}
		p.Tags = append(p.Tags, jaegerTagOf(a.Key, a.Value))
	}
	p.Tags = appendCount(p.Tags, tagDroppedAttrs, r.DroppedAttrs)
	return p
}

// jaegerService is the service that Jaeger's API shows for a resource.
func jaegerService(r *store.Resource) string {
	return jaegerServiceName(r.ServiceName())
}

func jaegerServiceName(name string) string {
	if name == "" {
		return noServiceName
	}
	return repaired(name)
}

func toJaegerSpan(s *store.Span) jaegerSpan {
	return jaegerSpan{
		TraceID:       jaegerTraceID(s.TraceID),
		Flags:         s.Flags & 1, // sampled; the others are OTLP's
		SpanID:        s.SpanID.String(),
		OperationName: s.Name,
		References:    jaegerReferences(s),
		StartTime:     s.Start / 1000,
		Duration:      s.Duration() / 1000,
		Tags:          jaegerSpanTags(s),
		Logs:          jaegerLogs(s.Events),
	}
}

// jaegerReferences has the parent first: clients take the first CHILD_OF for it.
func jaegerReferences(s *store.Span) []jaegerReference {
	refs := make([]jaegerReference, 0, len(s.Links)+1)
	if s.ParentID != (store.SpanID{}) {
		refs = append(refs, jaegerReference{RefType: "CHILD_OF", TraceID: jaegerTraceID(s.TraceID), SpanID: s.ParentID.String()})
	}
	for i := range s.Links {
		l := &s.Links[i]
		refType := "FOLLOWS_FROM"
		if v, _ := store.Find(l.Attrs, attrRefType); v.Type == store.String && v.Str() == "child_of" {
			refType = "CHILD_OF"
		}
		ref := jaegerReference{RefType: refType, TraceID: jaegerTraceID(l.TraceID), SpanID: l.SpanID.String()}
		if l.TraceID == s.TraceID && l.SpanID == s.ParentID && len(refs) > 0 {
			refs[0].RefType = refType // a link to the parent says what kind of parent it is
			continue
		}
		refs = append(refs, ref)
	}
	return refs
}

func jaegerSpanTags(s *store.Span) []jaegerTag {
	tags := make([]jaegerTag, 0, len(s.Attrs)+len(s.Scope.Attrs)+6)
	text := func(key, value string) {
		if v, ok := store.Find(s.Attrs, key); value != "" && !(ok && v == store.StringValue(value)) {
			tags = append(tags, jaegerTag{Key: key, Type: "string", Value: value})
		}
	}
	text(tagScopeName, s.Scope.Name)
	text(tagScopeVersion, s.Scope.Version)
	for _, a := range s.Attrs {
		tags = append(tags, jaegerTagOf(a.Key, a.Value))
	}
	text(tagSpanKind, spanKindName(s.Kind))
	switch s.StatusCode {
	case 1:
		text(tagStatusCode, "OK")
	case 2:
		text(tagStatusCode, "ERROR")
		if v, ok := store.Find(s.Attrs, tagError); !ok || v != store.BoolValue(true) {
			tags = append(tags, jaegerTag{Key: tagError, Type: "bool", Value: true})
		}
	}
	text(tagStatusDescription, s.StatusMessage)
	text(tagTraceState, s.TraceState)
	for _, a := range s.Scope.Attrs {
		tags = append(tags, jaegerTagOf(a.Key, a.Value))
	}
	tags = appendCount(tags, tagDroppedAttrs, s.DroppedAttrs)
	tags = appendCount(tags, tagDroppedEvents, s.DroppedEvents)
	return appendCount(tags, tagDroppedLinks, s.DroppedLinks)
}

func jaegerLogs(events []store.Event) []jaegerLog {
	logs := make([]jaegerLog, len(events))
	for i := range events {
		e := &events[i]
		fields := make([]jaegerTag, 0, len(e.Attrs)+1)
		if _, named := store.Find(e.Attrs, fieldEvent); e.Name != "" && !named {
			fields = append(fields, jaegerTag{Key: fieldEvent, Type: "string", Value: e.Name})
		}
		for _, a := range e.Attrs {
			fields = append(fields, jaegerTagOf(a.Key, a.Value))
		}
		logs[i] = jaegerLog{Timestamp: e.Time / 1000, Fields: appendCount(fields, tagDroppedAttrs, e.DroppedAttrs)}
	}
	return logs
}

// appendCount adds a count of what the sender dropped, when it dropped any.
func appendCount(tags []jaegerTag, key string, n uint32) []jaegerTag {
	if n == 0 {
		return tags
	}
	return append(tags, jaegerTag{Key: key, Type: "int64", Value: int64(n)})
}

// maxSafeInteger is the last integer that a JavaScript number holds.
const maxSafeInteger = 1<<53 - 1

func jaegerTagOf(key string, v store.Value) jaegerTag {
	tag := jaegerTag{Key: key, Type: "string"}
	switch v.Type {
	case store.Bool:
		tag.Type, tag.Value = "bool", v.Bool()
	case store.Int:
		tag.Type, tag.Value = "int64", v.Int()
		if v.Int() > maxSafeInteger || v.Int() < -maxSafeInteger {
			tag.Value = strconv.FormatInt(v.Int(), 10)
		}
	case store.Double:
		tag.Type, tag.Value = "float64", v.Double()
		if math.IsNaN(v.Double()) || math.IsInf(v.Double(), 0) {
			tag.Value = strconv.FormatFloat(v.Double(), 'g', -1, 64)
		}
	case store.Bytes:
		tag.Type, tag.Value = "binary", base64.StdEncoding.EncodeToString([]byte(v.Str()))
	case store.Array, store.Map:
		tag.Value = nestedText(v)
	default:
		tag.Value = v.Str()
	}
	return tag
}

// jaegerTraceID is 16 hex digits for an id of 64 bits, as Jaeger prints them,
// and 32 for the others.
func jaegerTraceID(id store.TraceID) string {
	if [8]byte(id[:8]) == ([8]byte{}) {
		return store.SpanID(id[8:]).String()
	}
	return id.String()
}

// nestedText is an array or map as JSON.
func nestedText(v store.Value) string {
	return string(appendNested(nil, v))
}

// appendNested keeps the order of a map's keys, and keys that came twice.
func appendNested(b []byte, v store.Value) []byte {
	switch v.Type {
	case store.Array:
		b = append(b, '[')
		for i, element := range ingest.Elements(v) {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendNested(b, element)
		}
		return append(b, ']')
	case store.Map:
		b = append(b, '{')
		for i, entry := range ingest.Entries(v) {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendPlain(b, entry.Key)
			b = append(b, ':')
			b = appendNested(b, entry.Value)
		}
		return append(b, '}')
	case store.Empty:
		return append(b, "null"...)
	case store.Int:
		return strconv.AppendInt(b, v.Int(), 10) // in full: it is text already
	}
	return appendPlain(b, jaegerTagOf("", v).Value)
}

// appendPlain appends a text, number or bool.
func appendPlain(b []byte, plain any) []byte {
	text, err := json.Marshal(plain)
	if err != nil {
		panic(fmt.Sprintf("a tag value that is not JSON: %v", err)) // jaegerTagOf makes none
	}
	return append(b, text...)
}
