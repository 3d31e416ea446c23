package server

import (
	"context"
	"math"
	"strconv"

	"github.com/signalbox-otel/signalbox/internal/ingest"
	"github.com/signalbox-otel/signalbox/internal/query"
	"github.com/signalbox-otel/signalbox/internal/store"
)

// attribute is one attribute in answers. The type tells apart what JSON does
// not: 1 and 1.0, text and bytes.
type attribute struct {
	Key   string `json:"key"`
	Type  string `json:"type"`
	Value any    `json:"value"`
}

var typeNames = [...]string{store.Empty: "empty", store.String: "string", store.Bool: "bool", store.Int: "int",
	store.Double: "double", store.Bytes: "bytes", store.Array: "array", store.Map: "map"}

func typeName(t store.ValueType) string {
	if int(t) < len(typeNames) {
		return typeNames[t]
	}
	return typeNames[store.Empty]
}

// maxSafe is the largest integer that JavaScript has exactly; greater ones are
// given as text.
const maxSafe = 1<<53 - 1

func valueOf(v store.Value) any {
	if v.Type == store.Int && (v.Int() > maxSafe || v.Int() < -maxSafe) {
		return strconv.FormatInt(v.Int(), 10)
	}
	return ingest.JSON(v)
}

func attributesOf(attrs []store.Attr) []attribute {
	out := make([]attribute, len(attrs))
	for i, a := range attrs {
		out[i] = attribute{a.Key, typeName(a.Value.Type), valueOf(a.Value)}
	}
	return out
}

// reportAnswer says what an answer took and what it lacks.
type reportAnswer struct {
	// Partial says that records which match may be missing.
	Partial       bool     `json:"partial"`
	Stopped       string   `json:"stopped,omitempty"`
	Unreadable    []string `json:"unreadable,omitempty"`
	Rows          int      `json:"rows"`
	Blocks        int      `json:"blocks"`
	BlocksSkipped int      `json:"blocksSkipped"`
	// Explain is there when it was asked for.
	Explain *explainAnswer `json:"explain,omitempty"`
}

// report says of an answer to the context's request what it took and what it
// lacks.
func (s *Server) report(ctx context.Context, r *store.Report) reportAnswer {
	return reportAnswer{r.Partial(), r.Stopped, r.Unreadable, r.Rows, r.Blocks, r.BlocksSkipped, s.explanation(ctx, r)}
}

// spanCore is what lists show of a span.
type spanCore struct {
	TraceID  string `json:"traceId,omitempty"`
	SpanID   string `json:"spanId"`
	ParentID string `json:"parentId,omitempty"`
	Service  string `json:"service"`
	Name     string `json:"name"`
	Kind     string `json:"kind"`
	Status   string `json:"status"`
	Start    nanos  `json:"start"`
	Duration uint64 `json:"durationNanos"`
}

func coreOf(s *store.Span) spanCore {
	c := spanCore{SpanID: s.SpanID.String(), Service: s.Resource.ServiceName(), Name: s.Name,
		Kind: query.KindWord(s.Kind), Status: query.StatusWord(s.StatusCode), Start: nanos(s.Start), Duration: min(s.Duration(), math.MaxInt64)}
	if s.ParentID != (store.SpanID{}) {
		c.ParentID = s.ParentID.String()
	}
	return c
}

// spanAnswer is a whole span.
type spanAnswer struct {
	spanCore
	StatusMessage string        `json:"statusMessage,omitempty"`
	TraceState    string        `json:"traceState,omitempty"`
	Flags         uint32        `json:"flags,omitempty"`
	Attributes    []attribute   `json:"attributes"`
	Events        []eventAnswer `json:"events,omitempty"`
	Links         []linkAnswer  `json:"links,omitempty"`
	DroppedAttrs  uint32        `json:"droppedAttributes,omitempty"`
	DroppedEvents uint32        `json:"droppedEvents,omitempty"`
	DroppedLinks  uint32        `json:"droppedLinks,omitempty"`
}

// eventAnswer is one event of a span.
type eventAnswer struct {
	Time       nanos       `json:"time"`
	Name       string      `json:"name"`
	Attributes []attribute `json:"attributes"`
}

// linkAnswer is one link of a span.
type linkAnswer struct {
	TraceID    string      `json:"traceId"`
	SpanID     string      `json:"spanId"`
	Attributes []attribute `json:"attributes"`
}

func spanOf(s *store.Span) spanAnswer {
	a := spanAnswer{spanCore: coreOf(s), StatusMessage: s.StatusMessage, TraceState: s.TraceState, Flags: s.Flags,
		Attributes: attributesOf(s.Attrs), DroppedAttrs: s.DroppedAttrs, DroppedEvents: s.DroppedEvents, DroppedLinks: s.DroppedLinks}
	for i := range s.Events {
		e := &s.Events[i]
		a.Events = append(a.Events, eventAnswer{nanos(e.Time), e.Name, attributesOf(e.Attrs)})
	}
	for i := range s.Links {
		l := &s.Links[i]
		a.Links = append(a.Links, linkAnswer{l.TraceID.String(), l.SpanID.String(), attributesOf(l.Attrs)})
	}
	return a
}

// nodeAnswer is a span in its tree.
type nodeAnswer struct {
	spanAnswer
	placeAnswer
}

// coreNodeAnswer is what is drawn of a span in its tree.
type coreNodeAnswer struct {
	spanCore
	Events []markAnswer `json:"events,omitempty"`
	placeAnswer
}

// markAnswer is what is drawn of an event.
type markAnswer struct {
	Time nanos  `json:"time"`
	Name string `json:"name"`
}

func marksOf(events []store.Event) []markAnswer {
	var marks []markAnswer
	for i := range events {
		marks = append(marks, markAnswer{nanos(events[i].Time), events[i].Name})
	}
	return marks
}

// placeAnswer is where a span is in its tree.
type placeAnswer struct {
	Parent   int    `json:"parent"` // index in spans; -1 at the top
	Depth    int    `json:"depth"`
	Children int    `json:"children"`
	Self     uint64 `json:"selfNanos"`
	Critical uint64 `json:"criticalNanos"`
	Orphan   bool   `json:"orphan,omitempty"`
	Resource int    `json:"resource"` // index in resources
	Scope    int    `json:"scope"`    // index in scopes
	// Rank is given when it was asked for.
	Rank *rankAnswer `json:"rank,omitempty"`
}

// rankAnswer says how slow a span is for its operation.
type rankAnswer struct {
	Slower float64 `json:"slowerThan"` // fraction of the operation's spans
	Of     uint64  `json:"of"`         // how many there are
}

// loneSpan is a whole span outside its tree.
type loneSpan struct {
	spanAnswer
	Resource []attribute `json:"resource"`
	Scope    string      `json:"scope,omitempty"`
}

func loneSpanOf(s *store.Span) loneSpan {
	a := loneSpan{spanOf(s), attributesOf(s.Resource.Attrs), s.Scope.Name}
	a.TraceID = s.TraceID.String()
	return a
}

// resourceAnswer is what produced records.
type resourceAnswer struct {
	SchemaURL    string      `json:"schemaUrl,omitempty"`
	Attributes   []attribute `json:"attributes"`
	DroppedAttrs uint32      `json:"droppedAttributes,omitempty"`
}

// scopeAnswer is the instrumentation library that made records.
type scopeAnswer struct {
	Name         string      `json:"name"`
	Version      string      `json:"version,omitempty"`
	SchemaURL    string      `json:"schemaUrl,omitempty"`
	Attributes   []attribute `json:"attributes"`
	DroppedAttrs uint32      `json:"droppedAttributes,omitempty"`
}

func resourceOf(r *store.Resource) resourceAnswer {
	return resourceAnswer{r.SchemaURL, attributesOf(r.Attrs), r.DroppedAttrs}
}

func scopeOf(sc *store.Scope) scopeAnswer {
	return scopeAnswer{sc.Name, sc.Version, sc.SchemaURL, attributesOf(sc.Attrs), sc.DroppedAttrs}
}

// serviceCount says how many spans of a trace a service has.
type serviceCount struct {
	Service string `json:"service"`
	Spans   int    `json:"spans"`
	Errors  int    `json:"errors"`
}

// summaryAnswer is one trace in a list.
type summaryAnswer struct {
	TraceID     string         `json:"traceId"`
	Start       nanos          `json:"start"`
	Duration    uint64         `json:"durationNanos"`
	RootService string         `json:"rootService"`
	RootName    string         `json:"rootName"`
	RootMissing bool           `json:"rootMissing,omitempty"`
	Spans       int            `json:"spanCount"`
	Errors      int            `json:"errorCount"`
	Services    []serviceCount `json:"services"`
}

func listedTrace(t *query.TraceSummary) summaryAnswer {
	a := summaryAnswer{TraceID: t.ID.String(), Start: nanos(t.Start), Duration: uint64(t.Duration()),
		RootService: t.Root.Resource.ServiceName(), RootName: t.Root.Name, RootMissing: t.RootMissing, Spans: t.Spans, Errors: t.Errors}
	for _, c := range t.Services {
		a.Services = append(a.Services, serviceCount(c))
	}
	return a
}

// foundTrace is a summary with the spans that the search was about.
type foundTrace struct {
	summaryAnswer
	Matched      int        `json:"matchedCount"`
	MatchedSpans []spanCore `json:"matchedSpans"`
}

func foundTraceOf(t *query.TraceSummary) foundTrace {
	a := foundTrace{summaryAnswer: listedTrace(t), Matched: t.Matched, MatchedSpans: []spanCore{}}
	for _, span := range t.MatchedSpans {
		a.MatchedSpans = append(a.MatchedSpans, coreOf(span))
	}
	return a
}

// logAnswer is one log record.
type logAnswer struct {
	Time         nanos       `json:"time"`
	ObservedTime nanos       `json:"observedTime,omitempty"`
	Severity     int32       `json:"severity"`
	SeverityText string      `json:"severityText,omitempty"`
	Level        string      `json:"level"`
	Service      string      `json:"service"`
	Body         any         `json:"body"`
	EventName    string      `json:"eventName,omitempty"`
	TraceID      string      `json:"traceId,omitempty"`
	SpanID       string      `json:"spanId,omitempty"`
	Attributes   []attribute `json:"attributes"`
	Resource     []attribute `json:"resource"`
	Scope        string      `json:"scope,omitempty"`
	Cursor       string      `json:"cursor,omitempty"`
}

func logOf(l *store.Log, cursor string) logAnswer {
	a := logAnswer{Time: nanos(l.At()), ObservedTime: nanos(l.ObservedTime), Severity: l.SeverityNumber, SeverityText: l.SeverityText,
		Level: query.SeverityWord(query.SeverityLevel(l.SeverityNumber)), Service: l.Resource.ServiceName(), Body: valueOf(l.Body),
		EventName: l.EventName, Attributes: attributesOf(l.Attrs), Resource: attributesOf(l.Resource.Attrs), Scope: l.Scope.Name, Cursor: cursor}
	if l.TraceID != (store.TraceID{}) {
		a.TraceID = l.TraceID.String()
	}
	if l.SpanID != (store.SpanID{}) {
		a.SpanID = l.SpanID.String()
	}
	return a
}
