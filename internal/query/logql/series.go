package logql

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/signalbox-otel/signalbox/internal/store"
)

// MetricQuery asks for the value of a metric expression at Start, Start+Step, …
// up to and with End.
type MetricQuery struct {
	Expr       Expr
	Start, End time.Time
	Step       time.Duration
}

// Series is the values of one set of labels, one for each instant.
type Series struct {
	Labels Labels
	Values []float64 // Missing where there is none
}

// missing is a NaN that no computation gives.
var missing = math.Float64frombits(0x7ff0_0000_0000_0002)

// Missing reports whether v, out of Series.Values, says that there is no value.
func Missing(v float64) bool { return math.Float64bits(v) == math.Float64bits(missing) }

// Matrix is the answer to a MetricQuery.
type Matrix struct {
	Start time.Time
	Step  time.Duration
	// Scalar says that the query gives a number: there is one series, without
	// labels.
	Scalar bool
	Series []Series
	Stats  Stats
	Report store.Report
}

// Metric computes a metric query. Errors of data and limits are *EvalError and
// *LimitError.
func (e *Engine) Metric(ctx context.Context, q MetricQuery) (*Matrix, error) {
	n := 1
	if q.Step > 0 && q.End.After(q.Start) {
		n += int(q.End.Sub(q.Start) / q.Step)
	}
	if n > e.limits.Steps {
		return nil, &LimitError{fmt.Sprintf("exceeded maximum resolution of %d points per time series. Try increasing the value of the step parameter", e.limits.Steps)}
	}
	ev := &evaluator{run: e.newRun(), ctx: ctx, start: q.Start.UnixNano(), step: int64(max(q.Step, 1)), n: n}
	a := &Matrix{Start: q.Start, Step: q.Step}
	if v, ok := scalarOf(q.Expr); ok {
		a.Scalar, a.Series = true, []Series{ev.constant(v)}
		return a, nil
	}
	series, err := ev.eval(q.Expr)
	if err != nil {
		return nil, err
	}
	a.Series = slices.DeleteFunc(series, func(s Series) bool { return !slices.ContainsFunc(s.Values, present) })
	if len(a.Series) > e.limits.Series {
		return nil, &LimitError{fmt.Sprintf("maximum of series (%d) reached for a single query; aggregate by fewer labels, like sum by (service_name) (…), or use topk", e.limits.Series)}
	}
	order(q.Expr, a.Series)
	a.Stats, a.Report = ev.run.stats, ev.run.report
	return a, nil
}

func present(v float64) bool { return !Missing(v) }

// order sorts series by their labels, or by the last value when the query says so.
func order(e Expr, series []Series) {
	direction := 0
	if agg, ok := e.(*VectorAgg); ok {
		switch agg.Op {
		case "sort", "bottomk":
			direction = 1
		case "sort_desc", "topk", "approx_topk":
			direction = -1
		}
	}
	slices.SortFunc(series, func(a, b Series) int {
		byValue := 0
		if len(a.Values) == 1 {
			byValue = direction * cmp.Compare(a.Values[0], b.Values[0])
		}
		return cmp.Or(byValue, slices.CompareFunc(a.Labels, b.Labels, func(x, y Label) int {
			return cmp.Or(strings.Compare(x.Name, y.Name), strings.Compare(x.Value, y.Value))
		}))
	})
}

// scalarOf computes an expression that is a number.
func scalarOf(e Expr) (float64, bool) {
	switch e := e.(type) {
	case *Literal:
		return e.Value, true
	case *BinOp:
		left, ok1 := scalarOf(e.Left)
		right, ok2 := scalarOf(e.Right)
		if !ok1 || !ok2 {
			return 0, false
		}
		if comparison(e.Op) {
			return truth(compare(e.Op, left, right)), true
		}
		return arithmetic(e.Op, left, right), true
	}
	return 0, false
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func arithmetic(op string, a, b float64) float64 {
	switch op {
	case "+":
		return a + b
	case "-":
		return a - b
	case "*":
		return a * b
	case "/":
		return a / b
	case "%":
		return math.Mod(a, b)
	}
	return math.Pow(a, b)
}

// evaluator computes a metric expression for all instants at once.
type evaluator struct {
	run   *run
	ctx   context.Context
	start int64 // Unix nanoseconds
	step  int64
	n     int // instants
	held  int // values that series hold
}

// constant is a series of one value, without labels.
func (ev *evaluator) constant(v float64) Series {
	return Series{Labels: Labels{}, Values: slices.Repeat([]float64{v}, ev.n)}
}

// values makes room for one series without values.
func (ev *evaluator) values() ([]float64, error) {
	if err := ev.hold(ev.n); err != nil {
		return nil, err
	}
	return slices.Repeat([]float64{missing}, ev.n), nil
}

// hold counts n values against the budget.
func (ev *evaluator) hold(n int) error {
	if ev.held += n; ev.held > ev.run.limits.Values {
		return &LimitError{fmt.Sprintf("the query holds more than %d values; aggregate by fewer labels, or ask for a shorter range or a longer step", ev.run.limits.Values)}
	}
	return ev.ctx.Err()
}

func (ev *evaluator) eval(e Expr) ([]Series, error) {
	switch e := e.(type) {
	case *RangeAgg:
		return ev.rangeAgg(e, e.Grouping)
	case *VectorAgg:
		return ev.vectorAgg(e)
	case *BinOp:
		return ev.binOp(e)
	case *Vector:
		return []Series{ev.constant(e.Value)}, nil
	case *LabelReplace:
		return ev.labelReplace(e)
	}
	return nil, &EvalError{fmt.Sprintf("%s gives no series", e)}
}

// group is series that an aggregation puts together.
type group struct {
	labels Labels
	series []int
}

// groups sorts series by the labels that a grouping leaves them; nil leaves none.
func groups(series []Series, g *Grouping) []group {
	var out []group
	at := map[string]int{}
	for i, s := range series {
		labels := g.of(s.Labels)
		k := labels.key()
		n, ok := at[k]
		if !ok {
			n = len(out)
			at[k] = n
			out = append(out, group{labels: labels})
		}
		out[n].series = append(out[n].series, i)
	}
	return out
}

// of gives the labels that a grouping leaves.
func (g *Grouping) of(labels Labels) Labels {
	out := Labels{}
	for _, l := range labels {
		if g != nil && slices.Contains(g.Labels, l.Name) != g.Without {
			out = append(out, l)
		}
	}
	return out
}

// additive are range aggregations whose results add up: sum of them groups what
// they read instead.
var additive = []string{"rate", "count_over_time", "bytes_rate", "bytes_over_time", "sum_over_time"}

func (ev *evaluator) vectorAgg(e *VectorAgg) ([]Series, error) {
	grouping := e.Grouping
	if grouping == nil {
		grouping = &Grouping{}
	}
	if inner, ok := e.Inner.(*RangeAgg); ok && e.Op == "sum" && slices.Contains(additive, inner.Op) {
		return ev.rangeAgg(inner, grouping)
	}
	series, err := ev.eval(e.Inner)
	if err != nil || e.Op == "sort" || e.Op == "sort_desc" {
		return series, err
	}
	var out []Series
	for _, g := range groups(series, grouping) {
		if takesCount(e.Op) {
			ranked, err := ev.ranked(e, series, g)
			if err != nil {
				return nil, err
			}
			out = append(out, ranked...)
			continue
		}
		values, err := ev.values()
		if err != nil {
			return nil, err
		}
		var column []float64
		for k := range values {
			column = column[:0]
			for _, i := range g.series {
				if v := series[i].Values[k]; present(v) {
					column = append(column, v)
				}
			}
			if len(column) > 0 {
				values[k] = aggregate(e.Op, column)
			}
		}
		out = append(out, Series{g.labels, values})
	}
	return out, nil
}

// ranked keeps, at each instant, the series with the highest or lowest values.
func (ev *evaluator) ranked(e *VectorAgg, series []Series, g group) ([]Series, error) {
	kept := make([][]float64, len(g.series))
	var places []int
	for k := range ev.n {
		places = places[:0]
		for j, i := range g.series {
			if present(series[i].Values[k]) {
				places = append(places, j)
			}
		}
		slices.SortStableFunc(places, func(a, b int) int {
			x, y := series[g.series[a]].Values[k], series[g.series[b]].Values[k]
			if e.Op == "bottomk" {
				return ranks(x, y)
			}
			return ranks(-x, -y)
		})
		for _, j := range places[:min(e.Param, len(places))] {
			if kept[j] == nil {
				values, err := ev.values()
				if err != nil {
					return nil, err
				}
				kept[j] = values
			}
			kept[j][k] = series[g.series[j]].Values[k]
		}
	}
	var out []Series
	for j, values := range kept {
		if values != nil {
			out = append(out, Series{series[g.series[j]].Labels, values})
		}
	}
	return out, nil
}

// ranks orders numbers with NaN last.
func ranks(x, y float64) int {
	switch {
	case math.IsNaN(x) && math.IsNaN(y):
		return 0
	case math.IsNaN(x):
		return 1
	case math.IsNaN(y):
		return -1
	}
	return cmp.Compare(x, y)
}

// aggregate puts the values of one instant together; there is at least one.
func aggregate(op string, values []float64) float64 {
	switch op {
	case "sum":
		return sum(values)
	case "avg":
		return sum(values) / float64(len(values))
	case "min":
		return extreme(values, func(v, best float64) bool { return v < best })
	case "max":
		return extreme(values, func(v, best float64) bool { return v > best })
	case "count":
		return float64(len(values))
	case "stddev":
		return math.Sqrt(variance(values))
	}
	return variance(values) // stdvar
}

func sum(values []float64) float64 {
	total := 0.0
	for _, v := range values {
		total += v
	}
	return total
}

func extreme(values []float64, better func(v, best float64) bool) float64 {
	best := values[0]
	for _, v := range values[1:] {
		if better(v, best) || math.IsNaN(best) {
			best = v
		}
	}
	return best
}

// variance is that of the values themselves, not an estimate from a sample.
func variance(values []float64) float64 {
	mean, squares := 0.0, 0.0
	for i, v := range values {
		delta := v - mean
		mean += delta / float64(i+1)
		squares += delta * (v - mean)
	}
	return squares / float64(len(values))
}

func quantile(q float64, values []float64) float64 {
	switch {
	case len(values) == 0 || math.IsNaN(q):
		return math.NaN()
	case q < 0:
		return math.Inf(-1)
	case q > 1:
		return math.Inf(1)
	}
	sorted := slices.Clone(values)
	slices.Sort(sorted)
	rank := q * float64(len(sorted)-1)
	lower := int(math.Floor(rank))
	upper := min(lower+1, len(sorted)-1)
	weight := rank - math.Floor(rank)
	return sorted[lower]*(1-weight) + sorted[upper]*weight
}

func (ev *evaluator) labelReplace(e *LabelReplace) ([]Series, error) {
	m, err := NewMatcher(e.Src, MatchRegexp, e.Expected)
	if err != nil {
		return nil, &EvalError{err.Error()}
	}
	series, err := ev.eval(e.Inner)
	if err != nil {
		return nil, err
	}
	seen := map[string]bool{}
	for i, s := range series {
		if at := m.re.FindStringSubmatchIndex(s.Labels.Get(e.Src)); at != nil {
			value := string(m.re.ExpandString(nil, e.Replacement, s.Labels.Get(e.Src), at))
			series[i].Labels = s.Labels.with(e.Dst, value)
		}
		k := series[i].Labels.key()
		if seen[k] {
			return nil, &EvalError{"label_replace gives several series the labels " + series[i].Labels.String()}
		}
		seen[k] = true
	}
	return series, nil
}

// with gives labels with one of them set, or without it when the value is "".
func (ls Labels) with(name, value string) Labels {
	out := make(Labels, 0, len(ls)+1)
	for _, l := range ls {
		if l.Name != name {
			out = append(out, l)
		}
	}
	if value != "" {
		out = append(out, Label{name, value})
	}
	out.sort()
	return out
}
