package logql

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/signalbox-otel/signalbox/internal/store"
)

// sample is one value of a series.
type sample struct {
	at    int64
	value float64
}

// tally is a series while records are read. Counters add up what each record
// changes from one instant on (values[k]) and until before another; what unwrap
// gives is kept, because most aggregations need all of it.
type tally struct {
	labels  Labels
	values  []float64
	lines   []int32
	samples []sample
}

// rangeAgg reads the records of a range aggregation. g, when it is not the
// aggregation's own grouping, is that of a sum around it.
func (ev *evaluator) rangeAgg(e *RangeAgg, g *Grouping) ([]Series, error) {
	if e.Op == "absent_over_time" {
		g = &Grouping{}
	}
	found := map[string]*tally{}
	if err := ev.read(e, g, found); err != nil {
		return nil, err
	}
	if e.Op == "absent_over_time" {
		return ev.absent(e, found)
	}
	out := make([]Series, 0, len(found))
	for _, t := range found {
		values, err := ev.finish(e, t)
		if err != nil {
			return nil, err
		}
		out = append(out, Series{t.labels, values})
	}
	order(e, out) // so that sums of floats come out alike each time
	return out, nil
}

// reading is a range aggregation while its records are read.
type reading struct {
	*evaluator
	agg      *RangeAgg
	grouping *Grouping
	found    map[string]*tally
	streams  map[*stream]*tally // of streams that are in one series whole
	pipeline *pipeline
	// value is what a row counts for, and whether it does.
	value   func(*row) (float64, bool)
	dropped string // label that is no part of series: the one that values come from
	first   int64  // the first instant, moved by the offset
}

// read puts every record of the aggregation into its tally.
func (ev *evaluator) read(e *RangeAgg, g *Grouping, found map[string]*tally) error {
	r := &e.Range
	p, err := ev.run.pipeline(&r.LogExpr)
	if err != nil {
		return err
	}
	in := reading{evaluator: ev, agg: e, grouping: g, found: found, streams: map[*stream]*tally{}, pipeline: p, first: ev.start - int64(r.Offset)}
	bytes := strings.HasPrefix(e.Op, "bytes_")
	switch {
	case r.Unwrap != nil:
		in.dropped = r.Unwrap.Label
		if in.value, err = unwrapStep(r.Unwrap); err != nil {
			return err
		}
	case bytes:
		in.value = func(row *row) (float64, bool) { return float64(len(row.line)), true }
	default:
		in.value = func(*row) (float64, bool) { return 1, true }
	}
	start, end := in.first-int64(r.Range)+1, in.first+int64(ev.n-1)*ev.step+1
	if end <= 0 {
		return nil
	}
	q := store.Query{Start: uint64(max(start, 0)), End: uint64(end), Need: need(&r.LogExpr, g, r.Unwrap != nil, bytes)}
	p.lines = q.Need.Has(store.NeedBody)
	if q.Where, err = ev.run.where(ev.ctx, &r.LogExpr, q.Start, q.End); err != nil {
		return err
	}
	if done, err := in.fromColumns(&q); done || err != nil {
		return err
	}
	for l, err := range ev.run.read(ev.ctx, q) {
		if err == nil {
			err = in.take(l)
		}
		if err != nil {
			return err
		}
	}
	return ev.ctx.Err()
}

// instants are those that a record at a time counts at, from the first until
// before the second: which it comes before, or is at, by less than the range.
func (in *reading) instants(at int64) (from, to int) {
	first := max(ceilDiv(at-in.first, in.step), 0)
	end := min(ceilDiv(at-in.first+int64(in.agg.Range.Range), in.step), int64(in.n))
	return int(min(first, end)), int(end)
}

// count adds to what the series has at instants.
func (t *tally) count(v float64, from, to int) {
	t.values[from] += v
	t.lines[from]++
	if to < len(t.values) {
		t.values[to] -= v
		t.lines[to]--
	}
}

// take adds a record to the series that it belongs to.
func (in *reading) take(l *store.Log) error {
	at := int64(l.At())
	from, to := in.instants(at)
	if from >= to {
		return nil
	}
	row := in.pipeline.process(l)
	if row == nil {
		return nil
	}
	v, ok := in.value(row)
	if !ok {
		return nil
	}
	t, err := in.tallyOf(row)
	if err != nil {
		return err
	}
	if in.agg.Range.Unwrap != nil {
		t.samples = append(t.samples, sample{at, v})
		return in.hold(2)
	}
	t.count(v, from, to)
	return nil
}

func ceilDiv(a, b int64) int64 {
	q := a / b
	if a%b > 0 {
		q++
	}
	return q
}

// tallyOf finds the series of a row, or begins it.
func (in *reading) tallyOf(row *row) (*tally, error) {
	whole := row.byStream(in.grouping)
	if t := in.streams[row.stream]; whole && t != nil {
		return t, nil
	}
	t, err := in.series(row)
	if whole && err == nil && len(in.streams) < maxStreams {
		in.streams[row.stream] = t
	}
	return t, err
}

// series is tallyOf for a row of which nothing is known.
func (in *reading) series(row *row) (*tally, error) {
	labels := row.grouped(in.grouping, in.dropped)
	if row.err != "" && labels.Get(preserveLabel) != "true" {
		return nil, &EvalError{fmt.Sprintf("pipeline error: '%s' for series: '%s'. Use a label filter to intentionally skip this error. (e.g | __error__!=\"%s\")", row.err, labels, row.err)}
	}
	return in.seriesOf(labels)
}

// seriesOf is the series with these labels.
func (in *reading) seriesOf(labels Labels) (*tally, error) {
	k := labels.key()
	if t := in.found[k]; t != nil {
		return t, nil
	}
	for i := range labels {
		labels[i].Value = strings.Clone(labels[i].Value)
	}
	t := &tally{labels: labels}
	in.found[k] = t
	if in.agg.Range.Unwrap != nil {
		return t, nil
	}
	t.values, t.lines = make([]float64, in.n), make([]int32, in.n)
	return t, in.hold(2 * in.n)
}

// finish gives the values of a series.
func (ev *evaluator) finish(e *RangeAgg, t *tally) ([]float64, error) {
	if e.Range.Unwrap != nil {
		return ev.windows(e, t)
	}
	total, lines := 0.0, int32(0)
	for k := range t.values {
		total += t.values[k]
		lines += t.lines[k]
		switch {
		case lines == 0:
			t.values[k] = missing
		case e.Op == "rate" || e.Op == "bytes_rate":
			t.values[k] = total / e.Range.Range.Seconds()
		default:
			t.values[k] = total
		}
	}
	return t.values, nil
}

// windows aggregates the samples of the range before each instant.
func (ev *evaluator) windows(e *RangeAgg, t *tally) ([]float64, error) {
	out, err := ev.values()
	if err != nil {
		return nil, err
	}
	slices.SortFunc(t.samples, func(a, b sample) int { return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.value, b.value)) })
	from, to := 0, 0
	var window []float64
	for k := range out {
		end := ev.start - int64(e.Range.Offset) + int64(k)*ev.step
		for to < len(t.samples) && t.samples[to].at <= end {
			to++
		}
		for from < to && t.samples[from].at <= end-int64(e.Range.Range) {
			from++
		}
		if from == to {
			continue
		}
		if window = window[:0]; k%64 == 0 || to-from > 10_000 {
			if err := ev.late(); err != nil {
				return nil, err
			}
		}
		for _, s := range t.samples[from:to] {
			window = append(window, s.value)
		}
		out[k] = overTime(e, window)
	}
	return out, nil
}

// late ends a computation that takes too long.
func (ev *evaluator) late() error {
	if time.Now().After(ev.run.deadline.Add(ev.run.limits.MaxTime)) {
		return &LimitError{"the query computes for too long; ask for a shorter range or a longer step"}
	}
	return ev.ctx.Err()
}

// overTime aggregates the samples of one window, oldest first; there is at least
// one.
func overTime(e *RangeAgg, values []float64) float64 {
	switch e.Op {
	case "sum_over_time":
		return sum(values)
	case "rate":
		return sum(values) / e.Range.Range.Seconds()
	case "rate_counter":
		return increase(values) / e.Range.Range.Seconds()
	case "first_over_time":
		return values[0]
	case "last_over_time":
		return values[len(values)-1]
	case "quantile_over_time":
		return quantile(e.Param, values)
	}
	return aggregate(strings.TrimSuffix(e.Op, "_over_time"), values)
}

// increase is how much a counter grew; it starts at 0 again when it falls.
func increase(values []float64) float64 {
	total := 0.0
	for i := 1; i < len(values); i++ {
		if values[i] < values[i-1] {
			total += values[i]
		} else {
			total += values[i] - values[i-1]
		}
	}
	return total
}

// absent is 1 where there is no record, with the labels that the selector says.
func (ev *evaluator) absent(e *RangeAgg, found map[string]*tally) ([]Series, error) {
	s := Series{Labels: Labels{}}
	for _, m := range e.Range.Matchers {
		if m.Op == MatchEqual && m.Value != "" {
			s.Labels = s.Labels.with(m.Name, m.Value)
		}
	}
	var err error
	if s.Values, err = ev.values(); err != nil {
		return nil, err
	}
	for k := range s.Values {
		s.Values[k] = 1
	}
	for _, t := range found {
		values, err := ev.finish(e, t)
		if err != nil {
			return nil, err
		}
		for k, v := range values {
			if present(v) {
				s.Values[k] = missing
			}
		}
	}
	return []Series{s}, nil
}
