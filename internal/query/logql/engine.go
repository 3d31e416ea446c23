package logql

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/signalbox-otel/signalbox/internal/query"
	"github.com/signalbox-otel/signalbox/internal/store"
)

// Limits bounds what one query may cost. A zero field means its default. Running
// into MaxRows or MaxTime ends a query early, which its Report says; running into
// another limit is a *LimitError, because half an aggregation is wrong.
type Limits struct {
	MaxRows int           // records examined; 20 million
	MaxTime time.Duration // spent on reading; 10 s
	Entries int           // log lines in one answer; 5,000
	Series  int           // in one answer; 500
	Steps   int           // instants of one range query; 11,000
	Values  int           // numbers held at the same time; 4 million
	// AnswerBytes is how much the lines of one answer may have; 64 MiB.
	AnswerBytes int
}

func (l Limits) withDefaults() Limits {
	set(&l.MaxRows, 20_000_000)
	set(&l.MaxTime, 10*time.Second)
	set(&l.Entries, 5000)
	set(&l.Series, 500)
	set(&l.Steps, 11_000)
	set(&l.Values, 4_000_000)
	set(&l.AnswerBytes, 64<<20)
	return l
}

func set[T int | time.Duration](field *T, value T) {
	if *field <= 0 {
		*field = value
	}
}

// LimitError refuses a query that is too large.
type LimitError struct{ Msg string }

func (e *LimitError) Error() string { return e.Msg }

// EvalError says that the data does not suit a query: a pipeline that failed in a
// metric query, series that do not match.
type EvalError struct{ Msg string }

func (e *EvalError) Error() string { return e.Msg }

// Why an answer may lack records, as Report.Stopped says it.
const (
	stoppedRows = "row limit"
	stoppedSize = "size limit"
)

// Engine executes queries. It has no state but the store's readers, so it is
// safe for concurrent use and needs no closing.
type Engine struct {
	reader  query.Reader
	catalog query.Catalog // nil: less goes down to the store
	limits  Limits
}

// New makes an engine over a store's readers; catalog may be nil.
func New(reader query.Reader, catalog query.Catalog, limits Limits) *Engine {
	return &Engine{reader: reader, catalog: catalog, limits: limits.withDefaults()}
}

// Stats says what a query went through.
type Stats struct {
	Lines int // records that reached the pipeline
	Bytes int // of their lines
}

// run is one query being executed.
type run struct {
	*Engine
	report store.Report
	stats  Stats
	// deadline is when reading ends.
	deadline time.Time
	streams  map[*store.Resource]*stream
}

func (e *Engine) newRun() *run {
	return &run{Engine: e, deadline: time.Now().Add(e.limits.MaxTime), streams: map[*store.Resource]*stream{}}
}

// read yields the records that q asks for, within what is left of the query's
// budget. When that is used up it ends without an error, and the report says why.
func (r *run) read(ctx context.Context, q store.Query) iter.Seq2[*store.Log, error] {
	return limited(ctx, r, q, r.reader.Logs)
}

// limited is read for what ask gives of the records that q asks for.
func limited[T any](ctx context.Context, r *run, q store.Query, ask func(context.Context, store.Query) iter.Seq2[T, error]) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		if q.MaxRows = r.limits.MaxRows - r.report.Rows; q.MaxRows <= 0 {
			r.stop(stoppedRows)
		}
		if r.report.Stopped != "" || q.End != 0 && q.End <= q.Start {
			return
		}
		bounded, cancel := context.WithDeadline(ctx, r.deadline)
		defer cancel()
		var part store.Report
		defer func() { r.report.Add(&part) }()
		q.Report = &part
		n := 0
		for v, err := range ask(bounded, q) {
			if n++; err == nil && n%1024 == 1 {
				err = bounded.Err()
			}
			if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
				r.stop(query.StoppedTime)
				return
			}
			if err != nil {
				err = fmt.Errorf("reading logs: %w", err)
			}
			if !yield(v, err) || err != nil {
				return
			}
		}
	}
}

func (r *run) stop(why string) {
	if r.report.Stopped == "" {
		r.report.Stopped = why
	}
}

// maxStreams bounds the streams that a query remembers.
const maxStreams = 20_000

// streamOf is the stream of a resource, with the answer of the selector.
func (r *run) streamOf(res *store.Resource, matchers []*Matcher) *stream {
	if s := r.streams[res]; s != nil {
		return s
	}
	if len(r.streams) >= maxStreams {
		clear(r.streams)
	}
	s := streamOf(res)
	s.wanted = satisfies(s.labels, matchers)
	r.streams[res] = s
	return s
}

func satisfies(labels Labels, matchers []*Matcher) bool {
	for _, m := range matchers {
		if !m.Matches(labels.Get(m.Name)) {
			return false
		}
	}
	return true
}

// pipeline takes records through the selector and the stages of a query.
type pipeline struct {
	run      *run
	matchers []*Matcher
	steps    []step
	row      row
	// lines says that the body was read: without it the line is empty.
	lines bool
}

func (r *run) pipeline(e *LogExpr) (*pipeline, error) {
	steps, err := compileStages(e.Stages)
	clear(r.streams) // their answers are those of another selector
	return &pipeline{run: r, matchers: e.Matchers, steps: steps, lines: true}, err
}

// process gives the row of a record that the pipeline lets through, nil of
// others. It is valid until the next call.
func (p *pipeline) process(l *store.Log) *row {
	s := p.run.streamOf(l.Resource, p.matchers)
	if !s.wanted {
		return nil
	}
	p.row.reset(l, s, p.lines)
	p.run.stats.Lines++
	p.run.stats.Bytes += len(p.row.line)
	for _, st := range p.steps {
		if !st(&p.row) {
			return nil
		}
	}
	return &p.row
}

// LogQuery asks for log lines of [Start, End), in Unix nanoseconds.
type LogQuery struct {
	Expr       *LogExpr
	Start, End uint64
	Limit      int // 0 means 100
	// Forward gives the oldest lines, oldest first; else the newest, newest first.
	Forward bool
}

// Entry is one line of an answer.
type Entry struct {
	At       uint64
	Line     string
	Stream   Labels // those of the stream
	Metadata Labels // the record's others
	Parsed   Labels // those that the query made
}

// entry makes what is kept of a row.
func (r *row) entry() Entry {
	return Entry{
		At: r.log.At(), Line: r.line,
		Stream:   r.result(func(c category) bool { return c == fromStream }),
		Metadata: r.result(func(c category) bool { return c == fromMetadata }),
		Parsed:   r.result(func(c category) bool { return c == fromParser }),
	}
}

func (e *Entry) size() int { return len(e.Line) + 64*(len(e.Stream)+len(e.Metadata)+len(e.Parsed)) }

// LogAnswer is the answer to a LogQuery.
type LogAnswer struct {
	Entries []Entry
	Stats   Stats
	Report  store.Report
}

// Logs reads log lines.
func (e *Engine) Logs(ctx context.Context, q LogQuery) (*LogAnswer, error) {
	r := e.newRun()
	if q.Limit <= 0 {
		q.Limit = 100
	}
	if q.Limit > e.limits.Entries {
		return nil, &LimitError{fmt.Sprintf("max entries limit per query exceeded, limit > max_entries_limit_per_query (%d > %d)", q.Limit, e.limits.Entries)}
	}
	p, err := r.pipeline(q.Expr)
	if err != nil {
		return nil, err
	}
	where, err := r.where(ctx, q.Expr, q.Start, q.End)
	if err != nil {
		return nil, err
	}
	a := &collector{limit: q.Limit, forward: q.Forward, pipeline: p}
	if !q.Forward {
		err = a.newest(ctx, where, &q)
	}
	if err == nil {
		err = a.windows(ctx, where, q)
	}
	if err != nil {
		return nil, err
	}
	a.trim()
	return &LogAnswer{Entries: a.entries, Stats: r.stats, Report: r.report}, nil
}

// collector keeps the first lines of an answer.
type collector struct {
	pipeline *pipeline
	limit    int
	forward  bool
	entries  []Entry
	bytes    int
}

// newest asks the store for as many of the newest records as the answer may
// have: mostly the pipeline leaves them all. When it does not, q becomes what is
// still to be read.
func (a *collector) newest(ctx context.Context, where store.Expr, q *LogQuery) error {
	n := 0
	var last uint64
	for l, err := range a.pipeline.run.read(ctx, store.Query{Start: q.Start, End: q.End, Where: where, Limit: a.limit}) {
		if err != nil {
			return err
		}
		n, last = n+1, l.At()
		a.take(l)
	}
	if n < a.limit || len(a.entries) == a.limit {
		q.End = q.Start // all is read
		return nil
	}
	// The last instant may go on: it is read again.
	a.entries = slices.DeleteFunc(a.entries, func(e Entry) bool { return e.At == last })
	q.End = last + 1
	return nil
}

// firstWindow and windowGrowth say how far is looked at first and how the next
// look grows, so that a query that finds much reads little.
const (
	firstWindow  = uint64(time.Second)
	windowGrowth = 4
)

// windows reads from the end that the answer begins with until it is full.
func (a *collector) windows(ctx context.Context, where store.Expr, q LogQuery) error {
	width := max((q.End-min(q.Start, q.End))/1024, firstWindow)
	for q.Start < q.End && len(a.entries) < a.limit && a.pipeline.run.report.Stopped == "" {
		width = min(width, q.End-q.Start)
		part := store.Query{Start: q.Start, End: q.Start + width, Where: where}
		if !a.forward {
			part.Start, part.End = q.End-width, q.End
		}
		for l, err := range a.pipeline.run.read(ctx, part) {
			if err != nil {
				return err
			}
			a.take(l)
		}
		a.trim()
		if a.forward {
			q.Start += width
		} else {
			q.End -= width
		}
		width *= windowGrowth
	}
	return nil
}

// take keeps the line that a record gives.
func (a *collector) take(l *store.Log) {
	row := a.pipeline.process(l)
	if row == nil {
		return
	}
	e := row.entry()
	a.entries = append(a.entries, e)
	if a.bytes += e.size(); len(a.entries) >= 2*a.limit+1000 || a.bytes > a.pipeline.run.limits.AnswerBytes {
		a.trim()
	}
}

// trim sorts what is kept and forgets what is too much.
func (a *collector) trim() {
	slices.SortStableFunc(a.entries, func(x, y Entry) int {
		order := cmp.Compare(x.At, y.At)
		if !a.forward {
			order = -order
		}
		return cmp.Or(order, cmp.Compare(x.Line, y.Line))
	})
	a.entries = a.entries[:min(a.limit, len(a.entries))]
	a.bytes = 0
	for i := range a.entries {
		if a.bytes += a.entries[i].size(); a.bytes > a.pipeline.run.limits.AnswerBytes {
			a.entries = a.entries[:i]
			a.pipeline.run.stop(stoppedSize)
			return
		}
	}
	clear(a.entries[len(a.entries):min(cap(a.entries), len(a.entries)+1)])
}

// All gives all labels of a line; those that the query made come before metadata,
// which comes before those of the stream.
func (e *Entry) All() Labels {
	all := make(Labels, 0, len(e.Stream)+len(e.Metadata)+len(e.Parsed))
	for _, part := range []Labels{e.Parsed, e.Metadata, e.Stream} {
		for _, l := range part {
			if !slices.ContainsFunc(all, func(have Label) bool { return have.Name == l.Name }) {
				all = append(all, l)
			}
		}
	}
	all.sort()
	return all
}
