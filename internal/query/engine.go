package query

import (
	"context"
	"errors"
	"iter"
	"math"
	"time"

	"github.com/signalbox-otel/signalbox/internal/store"
)

// Limits bounds what one question may cost. A zero field means its default. An
// answer that ran into MaxRows, MaxTime, TraceSpans or Memory says so in its Report.
type Limits struct {
	MaxRows    int           // records examined; 20 million
	MaxTime    time.Duration // spent on reading; 10 s
	Results    int           // records or traces in one answer; 10,000
	TraceSpans int           // spans of one trace; 100,000
	Memory     int           // bytes of records, values and keys that one question may hold; 256 MiB
	Buffered   int           // records that wait for the reader of a tail; 1,000
}

func (l Limits) withDefaults() Limits {
	set(&l.MaxRows, 20_000_000)
	set(&l.MaxTime, 10*time.Second)
	set(&l.Results, 10_000)
	set(&l.TraceSpans, 100_000)
	set(&l.Memory, 256<<20)
	set(&l.Buffered, 1_000)
	return l
}

func set[T int | time.Duration](field *T, value T) {
	if *field <= 0 {
		*field = value
	}
}

// Why an answer may lack records, as Report.Stopped says it. "row limit" comes
// from the readers.
const (
	StoppedTime   = "time limit"
	StoppedSpans  = "span limit"
	StoppedTraces = "trace limit"
	StoppedMemory = "memory limit"
)

// Engine answers questions. It has no state but the store's readers, so it is
// safe for concurrent use and needs no closing.
type Engine struct {
	reader   Reader
	columns  Columnar // nil: the reader has only records
	catalog  Catalog
	follower Follower // nil: Tail is refused
	limits   Limits
	now      func() time.Time
}

// New makes an engine over a store's readers; follower may be nil.
func New(reader Reader, catalog Catalog, follower Follower, limits Limits) *Engine {
	columns, _ := reader.(Columnar)
	return &Engine{reader: reader, columns: columns, catalog: catalog, follower: follower, limits: limits.withDefaults(), now: time.Now}
}

// WithClock makes the engine take now for the present.
func (e *Engine) WithClock(now func() time.Time) *Engine {
	e.now = now
	return e
}

// limit brings the number of results that was asked for into bounds.
func (e *Engine) limit(asked, otherwise int) int {
	if asked <= 0 {
		asked = otherwise
	}
	return min(asked, e.limits.Results)
}

// spans reads spans within the engine's budget and reports into q.Report, which
// must be set.
func (e *Engine) spans(ctx context.Context, q store.Query) iter.Seq2[*store.Span, error] {
	if q.MaxRows <= 0 || q.MaxRows > e.limits.MaxRows {
		q.MaxRows = e.limits.MaxRows
	}
	return within(ctx, e.limits.MaxTime, q.Report, func(ctx context.Context) iter.Seq2[*store.Span, error] {
		return e.reader.Spans(ctx, q)
	})
}

// logs is spans for log records.
func (e *Engine) logs(ctx context.Context, q store.Query) iter.Seq2[*store.Log, error] {
	q.MaxRows = e.limits.MaxRows
	return within(ctx, e.limits.MaxTime, q.Report, func(ctx context.Context) iter.Seq2[*store.Log, error] {
		return e.reader.Logs(ctx, q)
	})
}

// fromColumns is what ask gives of q from the columns of the reader, within the
// engine's budget. q.Report must be set.
func fromColumns[T any](ctx context.Context, e *Engine, q store.Query, ask func(context.Context, store.Query) iter.Seq2[T, error]) iter.Seq2[T, error] {
	q.MaxRows = e.limits.MaxRows
	return within(ctx, e.limits.MaxTime, q.Report, func(ctx context.Context) iter.Seq2[T, error] { return ask(ctx, q) })
}

// within yields what read yields, for at most limit: then it ends without an
// error, and report says why. An error is yielded once, at the end.
func within[T any](ctx context.Context, limit time.Duration, report *store.Report,
	read func(context.Context) iter.Seq2[T, error]) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		bounded, cancel := context.WithTimeout(ctx, limit)
		defer cancel()
		n := 0
		for record, err := range read(bounded) {
			if n++; err == nil && n%1024 == 0 {
				err = bounded.Err()
			}
			if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
				report.Stopped = StoppedTime
				return
			}
			if !yield(record, err) || err != nil {
				return
			}
		}
	}
}

// lastEnd is the end of ranges that are divided into steps, in the year 2262:
// beyond it the end of the last step could not be said.
const lastEnd = math.MaxInt64 - uint64(1000*24*time.Hour)

// until gives the end of a range that may be open: a minute after now, so that
// records of senders whose clock is ahead are in it.
func (e *Engine) until(end uint64) uint64 {
	if end != 0 {
		return min(end, lastEnd)
	}
	return uint64(e.now().Add(time.Minute).UnixNano())
}

// grid says how to divide a time range into steps.
type grid struct {
	unit time.Duration // every step is a multiple of it
	want int           // steps, when nobody asked for a length
	most int
}

// steps divides [start, end) into n steps, of which the first begins at a
// multiple of their length. The length is at least the one asked for (0: what
// gives about g.want steps) and one that people count in.
func (g grid) steps(start, end uint64, asked time.Duration) (first uint64, length time.Duration, n int) {
	span := max(end, start) - start
	most := uint64(g.most)
	if asked <= 0 {
		most = uint64(g.want)
	}
	length = niceSteps[len(niceSteps)-1]
	for _, nice := range niceSteps {
		if nice%g.unit == 0 && nice >= asked && span/uint64(nice) < most {
			length = nice
			break
		}
	}
	for span/uint64(length) >= uint64(g.most) {
		length *= 2
	}
	first = start - start%uint64(length)
	n = int((start + span - first + uint64(length) - 1) / uint64(length))
	return first, length, max(n, 1)
}

var niceSteps = []time.Duration{
	100 * time.Millisecond, time.Second, 2 * time.Second, 5 * time.Second, 10 * time.Second, 15 * time.Second, 30 * time.Second,
	time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 15 * time.Minute, 30 * time.Minute,
	time.Hour, 2 * time.Hour, 6 * time.Hour, 12 * time.Hour, 24 * time.Hour, 7 * 24 * time.Hour,
}
