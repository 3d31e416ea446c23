package query

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/signalbox-otel/signalbox/internal/store"
)

// TraceSearch asks for traces that have a span which starts in [Start, End) and
// satisfies Where.
type TraceSearch struct {
	Start, End uint64 // Unix nanoseconds; End 0 means no upper bound
	Where      store.Expr
	Limit      int // traces; 0 means 20
	// MinDuration and MaxDuration bound the time from the start of a trace's
	// first span to the end of its last one; 0 means no bound.
	MinDuration, MaxDuration time.Duration
	// Spans is how many of a trace's matching spans the summary holds; 0 means 3.
	Spans int
	// Slowest gives the traces with the longest matching span, longest first, not
	// those with the newest. It reads all that match.
	Slowest bool
	// Need is which parts of the spans in the summaries must be filled; 0 means
	// all.
	Need store.Need
}

// TraceSummary is what a list shows about one trace. It counts all spans of the
// trace, also those outside the searched range.
type TraceSummary struct {
	ID         store.TraceID
	Start, End uint64
	// Root is the span without a parent; when it is missing, the earliest span.
	Root        *store.Span
	RootMissing bool
	Spans       int
	Errors      int
	Services    []ServiceCount
	// Matched counts the spans that satisfy the search; MatchedSpans holds the
	// earliest of them.
	Matched      int
	MatchedSpans []*store.Span
}

// ServiceCount says how many spans of a trace a service has.
type ServiceCount struct {
	Service string
	Spans   int
	Errors  int
}

// Duration is the time from the start of the first span to the end of the last;
// 292 years when senders' clocks make it longer.
func (t *TraceSummary) Duration() time.Duration {
	return time.Duration(min(t.End-t.Start, math.MaxInt64))
}

// SearchTraces yields the traces that q asks for, those with the newest (or
// longest) matching span first. The report is filled while the answer is read.
func (e *Engine) SearchTraces(ctx context.Context, q TraceSearch, report *store.Report) iter.Seq2[*TraceSummary, error] {
	return func(yield func(*TraceSummary, error) bool) {
		matcher, err := store.NewMatcher(q.Where)
		if err != nil {
			yield(nil, err)
			return
		}
		limit := e.limit(q.Limit, 20)
		candidates := limit
		bounded := q.MinDuration > 0 || q.MaxDuration > 0
		if bounded {
			candidates = min(limit*20, e.limits.Results)
		}
		var searched store.Report
		defer func() { report.Add(&searched) }()
		sq := store.Query{Start: q.Start, End: q.End, Where: q.Where, Limit: candidates, OnePerTrace: true, Need: store.NeedIDs, Report: &searched}
		found := e.spans
		if q.Slowest {
			found = e.slowest
		}
		if q.Need != 0 {
			q.Need |= needOf(q.Where)
		}
		given, seen := 0, 0
		for window, err := range inWindows(found(ctx, sq), limit) {
			if err != nil {
				yield(nil, fmt.Errorf("searching traces: %w", err))
				return
			}
			seen += len(window)
			for summary, err := range e.summaries(ctx, window, q, matcher, report) {
				if err != nil {
					yield(nil, err)
					return
				}
				if d := summary.Duration(); d < q.MinDuration || q.MaxDuration > 0 && d > q.MaxDuration {
					continue
				}
				if given++; !yield(summary, nil) || given == limit {
					return
				}
			}
		}
		if bounded && seen == candidates && searched.Stopped == "" {
			searched.Stopped = StoppedTraces
		}
	}
}

// inWindows yields the trace ids of spans, size at a time.
func inWindows(spans iter.Seq2[*store.Span, error], size int) iter.Seq2[[]store.TraceID, error] {
	return func(yield func([]store.TraceID, error) bool) {
		var ids []store.TraceID
		for s, err := range spans {
			if err != nil {
				yield(nil, err)
				return
			}
			if ids = append(ids, s.TraceID); len(ids) == size {
				if !yield(ids, nil) {
					return
				}
				ids = nil
			}
		}
		if len(ids) > 0 {
			yield(ids, nil)
		}
	}
}

// summaries reads whole traces and yields what a list shows of them, in the
// order of ids, without those that retention took meanwhile.
func (e *Engine) summaries(ctx context.Context, ids []store.TraceID, q TraceSearch, matcher *store.Matcher, report *store.Report) iter.Seq2[*TraceSummary, error] {
	return func(yield func(*TraceSummary, error) bool) {
		for spans, err := range e.WholeTracesOf(ctx, ids, q.Need, report) {
			if err != nil {
				yield(nil, err)
				return
			}
			if !yield(summarize(spans[0].TraceID, spans, q, matcher), nil) {
				return
			}
		}
	}
}

// summarize counts a trace's spans, which are not none, and those that match.
func summarize(id store.TraceID, spans []*store.Span, q TraceSearch, matcher *store.Matcher) *TraceSummary {
	t := newSummary(id, spans)
	for _, s := range spans {
		if s.Start < q.Start || q.End != 0 && s.Start >= q.End || !matcher.Span(s) {
			continue
		}
		if t.Matched++; t.Matched <= cmp.Or(q.Spans, 3) {
			t.MatchedSpans = append(t.MatchedSpans, s)
		}
	}
	return t
}

// manyTraces reads what need says of the spans of traces, each as traceSpans
// gives it. Those that must be read one by one are nil: all of them when they
// are too large together, and one whose repeated spans only whole spans tell
// from others.
func (e *Engine) manyTraces(ctx context.Context, ids []store.TraceID, need store.Need, report *store.Report) ([][]*store.Span, error) {
	traces := make([][]*store.Span, len(ids))
	if e.columns == nil {
		return traces, nil
	}
	place := make(map[store.TraceID]int, len(ids))
	for i, id := range ids {
		place[id] = i
	}
	var part store.Report
	n, bytes := 0, 0
	for s, err := range e.columns.Traces(ctx, ids, need, &part) {
		if err != nil {
			return nil, fmt.Errorf("reading %d traces: %w", len(ids), err)
		}
		n++
		bytes += s.SizeBytes()
		if n > e.limits.TraceSpans || bytes > e.limits.Memory {
			return make([][]*store.Span, len(ids)), nil
		}
		traces[place[s.TraceID]] = append(traces[place[s.TraceID]], s)
	}
	report.Add(&part)
	for i, spans := range traces {
		sortByStart(spans)
		if once := withoutRepeats(spans); need != 0 && len(once) < len(spans) {
			traces[i] = nil
		} else {
			traces[i] = once
		}
	}
	return traces, nil
}

// needOf says which parts of a span a condition looks at.
func needOf(e store.Expr) (need store.Need) {
	switch e := e.(type) {
	case store.And:
		for _, part := range e {
			need |= needOf(part)
		}
	case store.Or:
		for _, part := range e {
			need |= needOf(part)
		}
	case store.Not:
		return needOf(e.Expr)
	case store.Cond:
		return store.NeedOf(e.Field)
	}
	return need
}

// newSummary counts a trace's spans, which are sorted by start and not none.
func newSummary(id store.TraceID, spans []*store.Span) *TraceSummary {
	t := &TraceSummary{ID: id, Start: spans[0].Start, Root: spans[0], RootMissing: true, Spans: len(spans)}
	services := map[string]*ServiceCount{}
	for _, s := range spans {
		t.End = max(t.End, s.Start, s.End)
		if t.RootMissing && s.ParentID == (store.SpanID{}) {
			t.Root, t.RootMissing = s, false
		}
		name := s.Resource.ServiceName()
		if services[name] == nil {
			services[name] = &ServiceCount{Service: name}
		}
		services[name].Spans++
		if s.StatusCode == statusError {
			t.Errors++
			services[name].Errors++
		}
	}
	for _, c := range services {
		t.Services = append(t.Services, *c)
	}
	slices.SortFunc(t.Services, func(a, b ServiceCount) int {
		return cmp.Or(cmp.Compare(b.Spans, a.Spans), cmp.Compare(a.Service, b.Service))
	})
	return t
}

// statusError is OTLP's StatusCode of a failed span.
const statusError = 2

// traceSpans reads a trace's spans, sorted by start, each once.
func (e *Engine) traceSpans(ctx context.Context, id store.TraceID, report *store.Report) ([]*store.Span, error) {
	var part store.Report
	defer func() { report.Add(&part) }()
	var spans []*store.Span
	bytes := 0
	read := func(ctx context.Context) iter.Seq2[*store.Span, error] { return e.reader.Trace(ctx, id, &part) }
	for s, err := range within(ctx, e.limits.MaxTime, &part, read) {
		if err != nil {
			return nil, fmt.Errorf("reading trace %s: %w", id, err)
		}
		if len(spans) == e.limits.TraceSpans {
			part.Stopped = StoppedSpans
			break
		}
		if bytes += s.SizeBytes(); bytes > e.limits.Memory {
			part.Stopped = StoppedMemory
			break
		}
		spans = append(spans, s)
	}
	sortByStart(spans)
	return withoutRepeats(spans), nil
}

// sortByStart puts parents before their children: of spans that start together
// the longer one is first.
func sortByStart(spans []*store.Span) {
	slices.SortStableFunc(spans, func(a, b *store.Span) int {
		return cmp.Or(cmp.Compare(a.Start, b.Start), cmp.Compare(b.End, a.End))
	})
}

// withoutRepeats leaves out spans that are there already, field for field: a
// sender that got no answer sends again what may have been kept. Spans that only
// share an id stay.
func withoutRepeats(spans []*store.Span) []*store.Span {
	type key struct {
		id         store.SpanID
		start, end uint64
		name       string
	}
	first := make(map[key]*store.Span, len(spans))
	return slices.DeleteFunc(spans, func(s *store.Span) bool {
		k := key{s.SpanID, s.Start, s.End, s.Name}
		same, ok := first[k]
		if !ok {
			first[k] = s
			return false
		}
		return s.SpanID != store.SpanID{} && reflect.DeepEqual(same, s)
	})
}

// LogSearch asks for the newest log records in [Start, End) that satisfy Where.
type LogSearch struct {
	Start, End uint64
	Where      store.Expr
	Limit      int // 0 means 100
	// Cursor goes on where an earlier answer ended: what its last LogRow has.
	Cursor string
}

// LogRow is one record of an answer.
type LogRow struct {
	*store.Log
	// Cursor asks for what is older than this record.
	Cursor string
}

// SearchLogs yields log records, newest first.
func (e *Engine) SearchLogs(ctx context.Context, q LogSearch, report *store.Report) iter.Seq2[LogRow, error] {
	return func(yield func(LogRow, error) bool) {
		limit := e.limit(q.Limit, 100)
		at, skip, err := parseCursor(q.Cursor)
		if err != nil {
			yield(LogRow{}, err)
			return
		}
		if q.Cursor != "" && (q.End == 0 || at < q.End) {
			q.End = at + 1
		}
		toSkip, given := skip, 0
		for l, err := range e.logs(ctx, store.Query{Start: q.Start, End: q.End, Where: q.Where, Limit: limit + skip, Report: report}) {
			if err != nil {
				yield(LogRow{}, fmt.Errorf("searching logs: %w", err))
				return
			}
			if toSkip > 0 && l.At() == at {
				toSkip--
				continue
			}
			toSkip = 0
			if l.At() != at {
				at, skip = l.At(), 0
			}
			skip++
			given++
			if !yield(LogRow{Log: l, Cursor: strconv.FormatUint(at, 10) + "." + strconv.Itoa(skip)}, nil) || given == limit {
				return
			}
		}
	}
}

// CursorError says that a cursor is not one that an answer gave.
type CursorError struct{ Cursor string }

func (e *CursorError) Error() string {
	return fmt.Sprintf("%q is not a cursor of an earlier answer", e.Cursor)
}

// parseCursor reads a time and how many records of that time were given.
func parseCursor(s string) (at uint64, skip int, err error) {
	if s == "" {
		return 0, 0, nil
	}
	left, right, _ := strings.Cut(s, ".")
	at, err1 := strconv.ParseUint(left, 10, 64)
	skip, err2 := strconv.Atoi(right)
	if err1 != nil || err2 != nil || skip < 0 || skip > 1_000_000 || at+1 == 0 {
		return 0, 0, &CursorError{s}
	}
	return at, skip, nil
}

// VolumeSearch asks how many log records there are over time.
type VolumeSearch struct {
	Start, End uint64
	Where      store.Expr
	Step       time.Duration // 0: about 60 steps
}

// Volume counts log records by time and severity.
type Volume struct {
	Start  uint64 // of the first step
	Step   time.Duration
	Counts [][SeverityLevels]uint64 // by step, by SeverityLevel
	Total  uint64
	Report store.Report
}

// SeverityLevels is how many severity levels there are: unset, trace, debug,
// info, warn, error, fatal.
const SeverityLevels = 7

// SeverityLevel returns the level of an OTLP severity number, 0 for "unset".
func SeverityLevel(number int32) int {
	if number < 1 || number > 24 {
		return 0
	}
	return int(number-1)/4 + 1
}

// SeverityWord names a level.
func SeverityWord(level int) string {
	if level < 1 || level > len(severityWords) {
		return "unset"
	}
	return severityWords[level-1]
}

var volumeGrid = grid{unit: 100 * time.Millisecond, want: 60, most: 2000}

// LogVolume counts the log records that q asks for.
func (e *Engine) LogVolume(ctx context.Context, q VolumeSearch) (*Volume, error) {
	q.End = e.until(q.End)
	start, step, n := volumeGrid.steps(q.Start, q.End, q.Step)
	v := &Volume{Start: start, Step: step, Counts: make([][SeverityLevels]uint64, n)}
	for t, err := range e.ticks(ctx, store.Query{Start: q.Start, End: q.End, Where: q.Where, Report: &v.Report}) {
		if err != nil {
			return nil, fmt.Errorf("counting logs: %w", err)
		}
		for i, at := range t.At {
			v.Counts[(at-start)/uint64(step)][SeverityLevel(t.Severity[i])]++
		}
		v.Total += uint64(len(t.At))
	}
	return v, nil
}

// ticks reads time and severity of log records within the engine's budget and
// reports into q.Report, which must be set.
func (e *Engine) ticks(ctx context.Context, q store.Query) iter.Seq2[*store.Ticks, error] {
	if e.columns != nil {
		return fromColumns(ctx, e, q, e.columns.Ticks)
	}
	q.Need = store.NeedCore
	return func(yield func(*store.Ticks, error) bool) {
		for l, err := range e.logs(ctx, q) {
			if err != nil {
				yield(nil, err)
				return
			}
			if !yield(&store.Ticks{At: []uint64{l.At()}, Severity: []int32{l.SeverityNumber}}, nil) {
				return
			}
		}
	}
}
