package traceql

import (
	"context"
	"iter"
	"time"

	"github.com/signalbox-otel/signalbox/internal/query"
	"github.com/signalbox-otel/signalbox/internal/store"
)

// Stats says what an answer took and what it lacks.
type Stats struct {
	store.Report
	Traces int // looked at as a whole
}

// Search asks for the traces that a query holds for.
type Search struct {
	Query *Query // one that Searches
	// Start and End bound the start of a span that leads to the trace, in Unix
	// nanoseconds: one that a condition of the query holds for. The query sees
	// the whole trace.
	Start, End uint64
	Limit      int // traces; 0 means 20
	// MinDuration and MaxDuration bound the time from the start of a trace's
	// first span to the end of its last one; 0 means no bound.
	MinDuration, MaxDuration time.Duration
	Spans                    int // of each set in the answer; 0 means 3
}

// Found is a trace that a query holds for.
type Found struct {
	// Its matched spans are those that are in one of the sets.
	*query.TraceSummary
	Sets []Set
}

// Set is a set of spans that the query left of a trace.
type Set struct {
	Spans   []FoundSpan // the earliest of them
	Matched int         // all of them
	// Attrs is what the pipeline found out: values of by(...) and aggregates.
	Attrs []Attr
}

// FoundSpan is a span with the values of the fields that the query names.
type FoundSpan struct {
	*store.Span
	Attrs []Attr
}

// Attr is one named value.
type Attr struct {
	Name  string
	Value Value
}

// Search yields the traces that s asks for, newest first. The stats are filled
// while the answer is read.
func (e *Engine) Search(ctx context.Context, s Search, stats *Stats) iter.Seq2[*Found, error] {
	return func(yield func(*Found, error) bool) {
		gone := false
		err := e.bounded(ctx, &stats.Report, func(ctx context.Context) error {
			return e.search(ctx, s, stats, func(f *Found) bool {
				gone = !yield(f, nil)
				return !gone
			})
		})
		if err != nil && !gone {
			yield(nil, err)
		}
	}
}

func (e *Engine) search(ctx context.Context, s Search, stats *Stats, yield func(*Found) bool) error {
	if s.Limit <= 0 {
		s.Limit = 20
	}
	if s.Spans <= 0 {
		s.Spans = 3
	}
	s.Limit = min(s.Limit, e.limits.Results)
	p, err := e.plan(ctx, s.Query, s.Start, s.End)
	if err != nil {
		return err
	}
	page := s.Limit
	if s.Query.alone() == nil || s.MinDuration > 0 || s.MaxDuration > 0 {
		page = 4 * s.Limit // some of which the query will not hold for
	}
	shown := s.Query.shownFields()
	given := 0
	for spans, err := range e.traces(ctx, p, page, maxTraces, &stats.Report) {
		if err != nil {
			return err
		}
		stats.Traces++
		t := newTree(spans)
		if d := t.duration(); d < s.MinDuration || s.MaxDuration > 0 && d > s.MaxDuration {
			continue
		}
		sets := s.Query.pipeline.run(t, t.whole())
		if len(sets) == 0 {
			continue
		}
		if given++; !yield(t.found(sets, s.Spans, shown)) || given == s.Limit {
			return nil
		}
	}
	return nil
}

// shownFields are the fields that the answer has of each span: those that the
// query names, each once, but for those that every answer has.
func (q *Query) shownFields() []*field {
	var shown []*field
	known := map[field]bool{}
	q.eachField(func(f *field) {
		if known[*f] || f.intrinsic != nil && (f.intrinsic.name == "name" || f.intrinsic.name == "duration" || f.intrinsic.name == "span:id" || f.intrinsic.name == "trace:id") {
			return
		}
		known[*f] = true
		shown = append(shown, f)
	})
	return shown
}

// found makes the answer of what a query left of a trace.
func (t *tree) found(sets []spanset, most int, shown []*field) *Found {
	f := &Found{TraceSummary: query.Summarize(t.spans)}
	for i, in := range t.members(sets) {
		if !in {
			continue
		}
		if f.Matched++; f.Matched <= most {
			f.MatchedSpans = append(f.MatchedSpans, t.spans[i])
		}
	}
	for _, s := range sets {
		set := Set{Matched: len(s.spans)}
		for _, a := range s.attrs {
			set.Attrs = append(set.Attrs, Attr{a.name, a.v})
		}
		for _, i := range s.spans[:min(most, len(s.spans))] {
			span := FoundSpan{Span: t.spans[i]}
			for _, field := range shown {
				if v := field.value(t, int(i)); !v.IsNil() && v.typ != typeOther {
					span.Attrs = append(span.Attrs, Attr{field.shown(), v})
				}
			}
			set.Spans = append(set.Spans, span)
		}
		f.Sets = append(f.Sets, set)
	}
	return f
}

// shown is what answers call the field: an attribute's name without its scope.
func (f *field) shown() string {
	switch {
	case f.intrinsic != nil:
		return f.intrinsic.name
	case f.parent:
		return "parent." + f.name
	}
	return f.name
}
