package query

import (
	"cmp"
	"context"
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

// statsOf gives the statistics of spans that took that long.
func statsOf(count, errors uint64, durations store.DurationBrief, seconds float64) Stats {
	s := Stats{Count: count, Errors: errors, P50: durations.P50, P95: durations.P95, P99: durations.P99, Total: durations.Total}
	if seconds > 0 {
		s.Rate = float64(count) / seconds
	}
	return s
}

// maxSeries bounds the rows with a series.
const maxSeries = 100

var serviceGrid = grid{unit: time.Minute, want: 60, most: 300}

// redRow collects a row and what may become its series.
type redRow struct {
	RED
	durations store.Histogram
}

// Services gives rate, errors and durations of services or of operations.
func (e *Engine) Services(ctx context.Context, q ServiceSearch) (*Services, error) {
	q.End = e.until(q.End)
	minute := uint64(time.Minute)
	a := &Services{Start: q.Start - q.Start%minute, End: q.End + (minute-q.End%minute)%minute}
	steps := 0
	if q.Step > 0 {
		a.First, a.Step, steps = serviceGrid.steps(a.Start, a.End, q.Step)
	}
	rows, whole, err := e.redRows(ctx, q, a, steps)
	if err != nil {
		return nil, err
	}
	seconds := elapsed(a.Start, a.End, uint64(e.now().UnixNano()))
	for _, r := range rows {
		r.Stats = statsOf(r.Count, r.Errors, r.durations.Brief(), seconds)
	}
	slices.SortFunc(rows, func(x, y *redRow) int {
		return cmp.Or(cmp.Compare(y.Total, x.Total), cmp.Compare(x.Service, y.Service),
			cmp.Compare(x.Operation, y.Operation), cmp.Compare(x.Kind, y.Kind))
	})
	rows = rows[:min(len(rows), e.limit(q.Limit, 1000))]
	first := rows[:min(len(rows), maxSeries)]
	if !whole {
		for _, r := range first {
			r.Series = make([]Stats, steps)
		}
		if err := e.redSteps(ctx, q, a, first); err != nil {
			return nil, err
		}
	}
	for _, r := range rows {
		a.Rows = append(a.Rows, r.RED)
	}
	return a, nil
}

// sumQuery asks for what q asks for.
func (q *ServiceSearch) sumQuery(a *Services) store.SumQuery {
	sums := store.SumQuery{Start: q.Start, End: q.End, First: a.First, Step: uint64(a.Step), Service: q.Service, ByOperation: q.ByOperation}
	if q.Operation != "" || q.Kind != 0 {
		sums.Keep = func(_, operation string, kind int32) bool {
			return (q.Operation == "" || operation == q.Operation) && (q.Kind == 0 || kind == q.Kind)
		}
	}
	return sums
}

// redRows adds up what q asks for. The rows have their series if there are few
// enough of them and the reader has nothing ready; whole says so.
func (e *Engine) redRows(ctx context.Context, q ServiceSearch, a *Services, steps int) (rows []*redRow, whole bool, err error) {
	var row *redRow
	sums, stats := q.sumQuery(a), e.stepStats(a)
	if e.columns != nil {
		sums.First, sums.Step = 0, 0
	}
	err = e.sums(ctx, sums, &a.Report, func(s *store.OperationSum) {
		if row == nil || row.key() != keyOf(s) {
			row = &redRow{RED: RED{Service: s.Service, Operation: s.Operation, Kind: s.SpanKind}}
			row.Entry = s.Entry && !q.ByOperation && q.Kind == 0
			if sums.Step > 0 && len(rows) < maxSeries {
				row.Series = make([]Stats, steps)
			}
			rows = append(rows, row)
		}
		row.Count += s.Count
		row.Errors += s.Errors
		row.durations.Merge(s.Durations)
		switch {
		case sums.Step == 0:
		case len(rows) <= maxSeries:
			row.Series[s.Cell] = stats(s)
		case len(rows) == maxSeries+1: // they would be in memory for nothing
			for _, r := range rows {
				r.Series = nil
			}
		}
	})
	return rows, a.Step == 0 || sums.Step > 0 && len(rows) <= maxSeries, err
}

// redSteps fills the series of rows.
func (e *Engine) redSteps(ctx context.Context, q ServiceSearch, a *Services, rows []*redRow) error {
	byKey := map[redKey]*redRow{}
	for _, r := range rows {
		byKey[r.key()] = r
	}
	sums := q.sumQuery(a)
	sums.Brief = true
	keep := sums.Keep
	if q.ByOperation {
		sums.Keep = func(service, operation string, kind int32) bool {
			return byKey[redKey{service, operation, kind}] != nil && (keep == nil || keep(service, operation, kind))
		}
	}
	stats := e.stepStats(a)
	// What this read is in the report already.
	return e.sums(ctx, sums, &store.Report{}, func(s *store.OperationSum) {
		if r := byKey[keyOf(s)]; r != nil {
			r.Series[s.Cell] = stats(s)
		}
	})
}

// redKey is what a row is about.
type redKey struct {
	service, operation string
	kind               int32
}

func keyOf(s *store.OperationSum) redKey { return redKey{s.Service, s.Operation, s.SpanKind} }

func (r *redRow) key() redKey { return redKey{r.Service, r.Operation, r.Kind} }

// stepStats makes statistics of sums of a's steps.
func (e *Engine) stepStats(a *Services) func(*store.OperationSum) Stats {
	step, seconds, now := -1, 0.0, uint64(e.now().UnixNano())
	return func(s *store.OperationSum) Stats {
		if s.Cell != step {
			step = s.Cell
			begin := a.First + uint64(step)*uint64(a.Step)
			seconds = elapsed(max(begin, a.Start), min(begin+uint64(a.Step), a.End), now)
		}
		brief := s.Brief
		if s.Durations != nil {
			brief = s.Durations.Brief()
		}
		return statsOf(s.Count, s.Errors, brief, seconds)
	}
}

// elapsed is how much of [start, end) is over, in seconds: the current minute
// does not count as a whole one.
func elapsed(start, end, now uint64) float64 {
	end = min(end, now)
	if end <= start {
		return 0
	}
	return time.Duration(end - start).Seconds()
}
