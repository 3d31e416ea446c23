package query

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/signalbox-otel/signalbox/internal/store"
)

// ServiceSearch asks for rate, errors and durations from the store's
// pre-aggregates, which are kept by minute: ranges and steps are whole minutes.
type ServiceSearch struct {
	Start, End uint64
	// Service and Operation keep only those; "" keeps all.
	Service, Operation string
	// Kind keeps only spans of that kind; 0 keeps all.
	Kind int32
	// ByOperation gives a row for each operation and span kind, not for each
	// service.
	ByOperation bool
	// Step > 0 gives the first maxSeries rows a time series; it is lengthened to
	// whole minutes and so that there are not too many steps.
	Step  time.Duration
	Limit int // rows; 0 means 1,000
}

// Services is the answer to a ServiceSearch.
type Services struct {
	// Start and End are the range that was looked at: whole minutes.
	Start, End uint64
	First      uint64        // begin of the series' first step, at most Start
	Step       time.Duration // of the series, 0 without
	Rows       []RED         // those that took most time first
	Report     store.Report
}

// RED is rate, errors and durations of one service or operation.
type RED struct {
	Service   string
	Operation string // of rows by operation
	Kind      int32  // of rows by operation
	// Entry says that only spans of kind server and consumer are counted: the
	// requests that the service was asked. A service without any, and a row by
	// operation, count all spans.
	Entry bool
	Stats
	Series []Stats // by step
}

// Stats counts spans.
type Stats struct {
	Count, Errors uint64
	// Rate is in spans a second.
	Rate float64
	// P50, P95 and P99 are in nanoseconds, at most 3.2 % off.
	P50, P95, P99 uint64
	// Total is the sum of the durations in nanoseconds, by the middle of their
	// histogram buckets.
	Total uint64
}

// OTLP span kinds.
const (
	kindServer   = 2
	kindClient   = 3
	kindProducer = 4
	kindConsumer = 5
)

// tally collects pre-aggregates.
type tally struct {
	count, errors uint64
	durations     store.Histogram
}

func (t *tally) add(m *store.OperationMinute) {
	t.count += m.Count
	t.errors += m.Errors
	if m.Durations != nil {
		t.durations.Merge(m.Durations)
	}
}

func (t *tally) stats(seconds float64) Stats {
	s := Stats{Count: t.count, Errors: t.errors,
		P50: t.durations.Quantile(.5), P95: t.durations.Quantile(.95), P99: t.durations.Quantile(.99)}
	if seconds > 0 {
		s.Rate = float64(t.count) / seconds
	}
	t.durations.Buckets(func(i int, n uint64) {
		low, high := store.HistogramBounds(i)
		s.Total += n * (low + (high-low)/2)
	})
	return s
}

// redKey is what a row is about.
type redKey struct {
	service, operation string
	kind               int32
}

// redRow collects one row: entry spans and all spans apart until it is known
// whether there are any of the former.
type redRow struct {
	entry, all tally
}

// maxSeries bounds the rows with a series, and serviceGrid its steps: each step
// has a histogram of a few KB while it is counted.
const maxSeries = 100

var serviceGrid = grid{unit: time.Minute, want: 60, most: 300}

// isEntry reports whether spans of that kind are requests to a service.
func isEntry(kind int32) bool { return kind == kindServer || kind == kindConsumer }

// Services gives rate, errors and durations of services or of operations.
func (e *Engine) Services(ctx context.Context, q ServiceSearch) (*Services, error) {
	q.End = e.until(q.End)
	minute := uint64(time.Minute)
	a := &Services{Start: q.Start - q.Start%minute, End: q.End + (minute-q.End%minute)%minute}
	rows := map[redKey]*redRow{}
	var minutes []*store.OperationMinute // kept for the series
	err := e.eachMinute(ctx, q, &a.Report, func(key redKey, m *store.OperationMinute) {
		if q.Step > 0 {
			minutes = append(minutes, m)
		}
		row := rows[key]
		if row == nil {
			row = &redRow{}
			rows[key] = row
		}
		row.all.add(m)
		if isEntry(m.SpanKind) {
			row.entry.add(m)
		}
	})
	if err != nil {
		return nil, err
	}
	for key, row := range rows {
		r := RED{Service: key.service, Operation: key.operation, Kind: key.kind}
		r.Entry = !q.ByOperation && q.Kind == 0 && row.entry.count > 0
		counted := &row.all
		if r.Entry {
			counted = &row.entry
		}
		r.Stats = counted.stats(e.elapsed(a.Start, a.End))
		a.Rows = append(a.Rows, r)
	}
	slices.SortFunc(a.Rows, func(x, y RED) int {
		return cmp.Or(cmp.Compare(y.Total, x.Total), cmp.Compare(x.Service, y.Service),
			cmp.Compare(x.Operation, y.Operation), cmp.Compare(x.Kind, y.Kind))
	})
	a.Rows = a.Rows[:min(len(a.Rows), e.limit(q.Limit, 1000))]
	if q.Step > 0 {
		e.series(q, a, minutes)
	}
	return a, nil
}

// eachMinute calls f for the pre-aggregates that q asks for, with the row they
// belong to.
func (e *Engine) eachMinute(ctx context.Context, q ServiceSearch, report *store.Report, f func(redKey, *store.OperationMinute)) error {
	var part store.Report
	defer func() { addReport(report, &part) }()
	for m, err := range within(ctx, e.limits.MaxTime, &part, e.operations(q.Start, q.End, &part)) {
		if err != nil {
			return fmt.Errorf("reading operations: %w", err)
		}
		if q.Service != "" && m.Service != q.Service || q.Operation != "" && m.Operation != q.Operation || q.Kind != 0 && m.SpanKind != q.Kind {
			continue
		}
		f(q.keyOf(m), m)
	}
	return nil
}

// keyOf says which row m belongs to.
func (q *ServiceSearch) keyOf(m *store.OperationMinute) redKey {
	if q.ByOperation {
		return redKey{m.Service, m.Operation, m.SpanKind}
	}
	return redKey{service: m.Service}
}

// series gives the first rows their series.
func (e *Engine) series(q ServiceSearch, a *Services, minutes []*store.OperationMinute) {
	first, step, n := serviceGrid.steps(a.Start, a.End, q.Step)
	a.Step, a.First = step, first
	rows := map[redKey]*RED{}
	tallies := map[redKey][]tally{}
	for i := range a.Rows[:min(len(a.Rows), maxSeries)] {
		r := &a.Rows[i]
		key := redKey{r.Service, r.Operation, r.Kind}
		rows[key], tallies[key] = r, make([]tally, n)
	}
	for _, m := range minutes {
		key, at := q.keyOf(m), uint64(m.Minute.UnixNano())
		r := rows[key]
		if r == nil || r.Entry && !isEntry(m.SpanKind) || at < first || at >= a.End {
			continue
		}
		tallies[key][(at-first)/uint64(step)].add(m)
	}
	for key, r := range rows {
		for i := range tallies[key] {
			begin := first + uint64(i)*uint64(step)
			r.Series = append(r.Series, tallies[key][i].stats(e.elapsed(max(begin, a.Start), min(begin+uint64(step), a.End))))
		}
	}
}

// elapsed is how much of [start, end) is over, in seconds: the current minute
// does not count as a whole one.
func (e *Engine) elapsed(start, end uint64) float64 {
	end = min(end, uint64(e.now().UnixNano()))
	if end <= start {
		return 0
	}
	return time.Duration(end - start).Seconds()
}
