package store

import (
	"cmp"
	"slices"
	"time"
)

// Query asks for records of one kind. Every implementation of the store's
// contract (this engine, ClickHouse) gives the same answer for the same query;
// Match is the definition.
type Query struct {
	// Start and End bound the record's time, [Start, End), in Unix
	// nanoseconds: the start of a span, Log.At of a log record. End 0 means
	// no upper bound.
	Start, End uint64
	// Where must hold; nil accepts every record.
	Where Expr
	// Limit > 0 asks for the newest Limit records, given newest first.
	// Limit 0 asks for all of them, in any order.
	Limit int
	// OnePerTrace keeps only the newest matching span of each trace, so that
	// Limit counts traces. For spans only.
	OnePerTrace bool
	// Need says which parts of a record must be filled; the others may be
	// empty. 0 means all of them.
	Need Need
	// MaxRows bounds the rows examined, 0 means no bound. A reader that stops
	// there says so in Report.
	MaxRows int
	// Report, when not nil, is filled while the answer is read.
	Report *Report
}

// Need is a set of record parts.
type Need uint32

// The parts of records. Times, ids, name, kind, status, severity and the
// service name of the resource are always filled: they cost little.
const (
	NeedResource Need = 1 << iota // all resource attributes, not just service.name
	NeedScope
	NeedAttrs  // and flags, dropped counts, status message and trace state
	NeedEvents // and links
	NeedBody
	// NeedCore fills only what is always filled.
	NeedCore
	// NeedIDs fills only times and ids of spans; with another part it means
	// nothing.
	NeedIDs
	NeedAll = NeedResource | NeedScope | NeedAttrs | NeedEvents | NeedBody
)

// Has reports whether part p is needed; the zero Need needs everything.
func (n Need) Has(p Need) bool { return n == 0 || n&p != 0 }

// NeedOf says which parts of a record its values of field f are in.
func NeedOf(f Field) Need {
	switch f.Place {
	case RecordAttr:
		return NeedAttrs
	case ResourceAttr:
		if f.Name == "service.name" {
			return NeedCore
		}
		return NeedResource
	case ScopeAttr:
		return NeedScope
	case EventAttr, LinkAttr:
		return NeedEvents
	case AnyAttr:
		return NeedAttrs | NeedResource | NeedScope
	}
	switch f.Name {
	case FieldScopeName, FieldScopeVersion:
		return NeedScope
	case FieldEventName:
		return NeedEvents | NeedAttrs
	case FieldBody:
		return NeedBody
	case FieldStatusMessage, FieldTraceState, FieldSeverityText:
		return NeedAttrs
	}
	return NeedCore
}

// Report says what answering a query took and what the answer lacks.
type Report struct {
	Blocks        int // blocks looked into
	BlocksSkipped int // blocks ruled out by time, dictionary, bloom filter or trace index
	Rows          int // rows examined
	Matched       int // rows that satisfy the condition; those of traces read by id count too
	Pages         int // pages read from disk
	Bytes         int64
	// Unreadable names blocks that failed a checksum: the answer is partial.
	Unreadable []string
	// Stopped says why the reader stopped before the end of the data: "row
	// limit", or "value limit" when a field has too many keys or values to
	// count them all. Empty when it did not. Reaching Limit is not stopping early.
	Stopped string
}

// Add adds what part reports to r.
func (r *Report) Add(part *Report) {
	r.Blocks += part.Blocks
	r.BlocksSkipped += part.BlocksSkipped
	r.Rows += part.Rows
	r.Matched += part.Matched
	r.Pages += part.Pages
	r.Bytes += part.Bytes
	for _, name := range part.Unreadable {
		if !slices.Contains(r.Unreadable, name) {
			r.Unreadable = append(r.Unreadable, name)
		}
	}
	r.Stopped = cmp.Or(r.Stopped, part.Stopped)
}

// Partial reports whether records that match may be missing from the answer.
func (r *Report) Partial() bool { return len(r.Unreadable) > 0 || r.Stopped != "" }

// Expr is a condition on one record: And, Or, Not or Cond.
type Expr interface{ isExpr() }

// And holds when all of its parts hold; the empty And holds.
type And []Expr

// Or holds when one of its parts holds; the empty Or does not.
type Or []Expr

// Not holds when its part does not.
type Not struct{ Expr Expr }

// Cond compares a field with a value. A field that the record lacks fails
// every comparison, Ne too; Not{Cond{Op: Exists}} finds its absence. Values of
// different types are unequal and unordered, but Int and Double compare as
// numbers. A field with several values (any event, duplicate keys, AnyAttr)
// satisfies a condition when one of them does.
type Cond struct {
	Field Field
	Op    Op
	Value Value // ignored by Exists; of HasType only the type counts
}

func (And) isExpr()  {}
func (Or) isExpr()   {}
func (Not) isExpr()  {}
func (Cond) isExpr() {}

// Op is a comparison.
type Op uint8

// The comparisons.
const (
	Eq Op = iota + 1
	Ne
	Lt
	Le
	Gt
	Ge
	Contains     // substring of a String, bytes equal
	ContainsFold // substring, letter case ignored (Unicode simple folding)
	Regexp       // RE2, anchored at both ends as in PromQL and TraceQL
	Exists
	HasType // of the same type as Value, whatever its content
)

// Place says where a field lives.
type Place uint8

// The places of fields.
const (
	Intrinsic    Place = iota // a Field… name below
	RecordAttr                // attribute of the span or log record
	ResourceAttr              // attribute of its resource
	ScopeAttr                 // attribute of its instrumentation scope
	EventAttr                 // attribute of any of the span's events
	LinkAttr                  // attribute of any of the span's links
	AnyAttr                   // RecordAttr or ResourceAttr or ScopeAttr
)

// Field names one thing a condition can look at.
type Field struct {
	Place Place
	Name  string
}

// Names of Intrinsic fields. Ids compare as lower-case hex Strings; an all-zero
// id and an empty text count as present, so that `statusMessage = ""` works.
const (
	FieldName          = "name"          // String: span name
	FieldKind          = "kind"          // Int: OTLP SpanKind
	FieldStatus        = "status"        // Int: OTLP StatusCode
	FieldStatusMessage = "statusMessage" // String
	FieldDuration      = "duration"      // Int, nanoseconds
	FieldTraceID       = "traceID"       // String, hex
	FieldSpanID        = "spanID"        // String, hex
	FieldParentID      = "parentID"      // String, hex; "" for a root span
	FieldTraceState    = "traceState"    // String
	FieldScopeName     = "scope.name"    // String
	FieldScopeVersion  = "scope.version" // String
	FieldEventName     = "event.name"    // String: names of a span's events; a log record's event name
	FieldSeverity      = "severity"      // Int: OTLP SeverityNumber
	FieldSeverityText  = "severityText"  // String
	FieldBody          = "body"          // the body's Value; Array and Map match only Exists and HasType, and Contains, ContainsFold and Regexp on their encoding
)

// FieldQuery asks for the attribute keys in use, or for the values of one.
type FieldQuery struct {
	Kind       Kind
	Start, End uint64 // as in Query; blocks that overlap the range are looked into whole
	// Field: for Keys only its Place is used (RecordAttr, ResourceAttr,
	// ScopeAttr, EventAttr, LinkAttr, or AnyAttr); for Values the whole of it.
	Field Field
	// Match keeps keys or text values that contain it, letter case ignored;
	// "" keeps all.
	Match string
	// Limit bounds the answer; 0 means 1,000.
	Limit  int
	Report *Report
}

// FieldKey is one attribute key in use.
type FieldKey struct {
	Field Field
	Type  ValueType
	Count uint64 // records that have it, in the blocks looked into
}

// FieldValue is one value in use.
type FieldValue struct {
	Value Value
	Count uint64 // records that have it, in the blocks looked into; 0 when not known
}

// OperationMinute is what the store keeps ready about one operation of one
// service in one minute: rate, errors and duration at any size of data.
type OperationMinute struct {
	Service   string
	Operation string // span name
	SpanKind  int32
	Minute    time.Time // its start
	Count     uint64
	Errors    uint64 // StatusCode 2
	Durations *Histogram
}
