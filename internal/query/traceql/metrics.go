package traceql

import (
	"cmp"
	"context"
	endian "encoding/binary"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/signalbox-otel/signalbox/internal/store"
)

// Range asks for the numbers over time of a query.
type Range struct {
	Query *Query // one that does not search
	// Start and End bound the start of spans, [Start, End), in Unix nanoseconds.
	// They are widened to whole steps.
	Start, End uint64
	// Step is how long each number counts; 0 means about a sixtieth of the range.
	Step time.Duration
	// Instant gives one number of each series, about the whole range.
	Instant bool
	// Exemplars is how many spans are given as examples.
	Exemplars int
}

// Series is numbers over time.
type Series struct {
	Labels []Attr
	// Values are by step, NaN where there is none.
	Values    []float64
	Exemplars []Exemplar
}

// Exemplar is a span that is counted in a series.
type Exemplar struct {
	*store.Span
	Value float64
}

// Numbers is the answer to a Range.
type Numbers struct {
	Start  uint64 // of the first step
	Step   time.Duration
	Series []Series // by label
	Stats
}

// Bounds of one answer.
const (
	maxSteps    = 11_000
	maxSeries   = 1000
	maxCells    = 1_000_000 // numbers of all series
	maxSketches = 50_000    // distributions of all series
)

const stoppedSeries = "series limit"

// TooManyStepsError says that an answer would have more steps than anyone reads.
type TooManyStepsError struct{ Steps uint64 }

func (e *TooManyStepsError) Error() string {
	return fmt.Sprintf("the range has %d steps, which is more than %d; ask for longer steps or a shorter range", e.Steps, maxSteps)
}

// Metrics computes the numbers that r asks for.
func (e *Engine) Metrics(ctx context.Context, r Range) (*Numbers, error) {
	fast := r.Query.preaggregated()
	switch {
	case r.Instant && fast != nil:
		r.Start -= r.Start % uint64(time.Minute)
		r.End = ceil(r.End, uint64(time.Minute))
		r.Step = time.Duration(r.End - r.Start)
	case r.Instant:
		r.Step = time.Duration(r.End - r.Start)
	default:
		if r.Step <= 0 {
			r.Step = stepOf(r.Start, r.End, 60)
		}
		r.Start -= r.Start % uint64(r.Step)
		r.End = ceil(r.End, uint64(r.Step))
	}
	steps := (r.End - r.Start) / uint64(max(r.Step, 1))
	if steps > maxSteps {
		return nil, &TooManyStepsError{steps}
	}
	n := &Numbers{Start: r.Start, Step: r.Step}
	if steps == 0 {
		return n, nil
	}
	c := newCollector(r, int(steps), &n.Report)
	err := e.bounded(ctx, &n.Report, func(ctx context.Context) error {
		switch {
		case fast != nil && r.Step%time.Minute == 0:
			return e.fromSums(ctx, r, fast, c)
		case r.Query.metrics.name == metricCompare:
			return e.compared(ctx, r, c, n)
		case r.Query.alone() != nil:
			return e.fromSpans(ctx, r, c)
		}
		return e.fromTraces(ctx, r, c, n)
	})
	n.Series = c.answer()
	return n, err
}

func ceil(at, step uint64) uint64 { return (at + step - 1) / step * step }

// alone is the filter of a query that needs no span but the one it looks at; nil
// when it is another query.
func (q *Query) alone() *filter {
	f, ok := q.pipeline[0].(*filter)
	if !ok || len(q.pipeline) > 1 {
		return nil
	}
	whole := false
	q.eachField(func(f *field) { whole = whole || f.parent || f.intrinsic != nil && f.intrinsic.whole })
	if whole {
		return nil
	}
	return f
}

// fromSpans counts spans as the store gives them.
func (e *Engine) fromSpans(ctx context.Context, r Range, c *collector) error {
	p, err := e.plan(ctx, r.Query, r.Start, r.End)
	if err != nil {
		return err
	}
	if p.where.exact && r.Query.metrics.inDots() {
		return e.fromDots(ctx, r, p, c)
	}
	return e.fromRecords(ctx, r, p, c)
}

// inDots reports whether start and duration of spans are all that is counted.
func (m *metrics) inDots() bool {
	return len(m.by) == 0 && (m.field == nil || m.field.intrinsic != nil && m.field.intrinsic.name == "duration")
}

// fromDots counts spans by their start and duration alone.
func (e *Engine) fromDots(ctx context.Context, r Range, p plan, c *collector) error {
	var part store.Report
	defer func() { c.report.Add(&part) }()
	var to *series
	for d, err := range e.below.Dots(ctx, store.Query{Start: p.start, End: p.end, Where: p.where.Expr, Report: &part}) {
		if err != nil {
			return fmt.Errorf("counting spans: %w", err)
		}
		for i, start := range d.Start {
			if to == nil {
				to = c.seriesOf(nil)
			}
			c.add(to, c.step(start), float64(d.Duration[i]), 1)
		}
	}
	return e.examples(ctx, r, c)
}

// fromRecords counts spans one by one.
func (e *Engine) fromRecords(ctx context.Context, r Range, p plan, c *collector) error {
	f, t := r.Query.alone(), lone()
	return e.eachSpan(ctx, p, func(s *store.Span) {
		if t.spans[0] = s; f.holds(t, 0) {
			c.span(t, 0)
		}
	}, c.report)
}

// eachSpan calls f for the spans of a plan.
func (e *Engine) eachSpan(ctx context.Context, p plan, f func(*store.Span), report *store.Report) error {
	var part store.Report
	defer func() { report.Add(&part) }()
	for s, err := range e.below.Spans(ctx, store.Query{Start: p.start, End: p.end, Where: p.where.Expr, Need: p.need, Report: &part}) {
		if err != nil {
			return fmt.Errorf("counting spans: %w", err)
		}
		f(s)
	}
	return nil
}

// fromTraces counts what the pipeline leaves of whole traces.
func (e *Engine) fromTraces(ctx context.Context, r Range, c *collector, n *Numbers) error {
	p, err := e.plan(ctx, r.Query, r.Start, r.End)
	if err != nil {
		return err
	}
	return e.eachOfTraces(ctx, p, r, n, c.span, c.report)
}

// eachOfTraces calls visit with each span of r's time that the pipeline leaves of
// whole traces, which it counts in n.
func (e *Engine) eachOfTraces(ctx context.Context, p plan, r Range, n *Numbers, visit func(t *tree, i int), report *store.Report) error {
	for spans, err := range e.traces(ctx, p, 1000, maxTraces, report) {
		if err != nil {
			return err
		}
		n.Traces++
		t := newTree(spans)
		for _, s := range r.Query.pipeline.run(t, t.whole()) {
			for _, i := range s.spans {
				if at := t.spans[i].Start; at >= r.Start && at < r.End {
					visit(t, int(i))
				}
			}
		}
	}
	return nil
}

// series is one series while it is collected. Which of its parts are used
// depends on the function.
type series struct {
	labels    []Value
	key       string
	count     []float64
	value     []float64
	sketches  []sketch
	exemplars []Exemplar
	shown     []bool // parts of the range that there is an exemplar of
}

// exemplarParts is into how many parts the range is divided, so that exemplars
// come from all over it.
const exemplarParts = 30

// collector collects the series of an answer.
type collector struct {
	r         Range
	m         *metrics
	steps     int
	report    *store.Report
	series    map[string]*series
	key       []byte // reused
	labels    []Value
	exemplars int // to be given yet
	compared  *comparisonCounts
}

func newCollector(r Range, steps int, report *store.Report) *collector {
	return &collector{r: r, m: r.Query.metrics, steps: steps, report: report, series: map[string]*series{},
		labels: make([]Value, len(r.Query.metrics.by)), exemplars: r.Exemplars}
}

// step is which step an instant is in.
func (c *collector) step(at uint64) int { return int((at - c.r.Start) / uint64(c.r.Step)) }

// span counts span i of t.
func (c *collector) span(t *tree, i int) {
	var v Value
	if c.m.field != nil {
		if v = c.m.field.value(t, i); !v.typ.numeric() {
			return
		}
	}
	for k, f := range c.m.by {
		c.labels[k] = f.value(t, i)
	}
	s := c.seriesOf(c.labels)
	if s == nil {
		return
	}
	c.add(s, c.step(t.spans[i].Start), v.float(), 1)
	c.exemplar(s, t.spans[i], v)
}

// exemplar keeps a span as an example.
func (c *collector) exemplar(s *series, span *store.Span, v Value) {
	part := (span.Start - c.r.Start) * exemplarParts / (c.r.End - c.r.Start)
	if c.exemplars <= 0 || s.shown != nil && s.shown[part] {
		return
	}
	if s.shown == nil {
		s.shown = make([]bool, exemplarParts)
	}
	s.shown[part] = true
	c.exemplars--
	kept := *span // or it would keep those read with it in memory
	s.exemplars = append(s.exemplars, Exemplar{Span: &kept, Value: v.float() * c.m.scale()})
}

// scale is what values are multiplied with: durations are answered in seconds.
func (m *metrics) scale() float64 {
	if m.field != nil && m.field.typ() == typeDuration {
		return 1e-9
	}
	return 1
}

// seriesOf finds the series of labels; nil when there are too many.
func (c *collector) seriesOf(labels []Value) *series {
	c.key = c.key[:0]
	for _, l := range labels {
		c.key = endian.BigEndian.AppendUint64(append(c.key, byte(l.typ)), l.num)
		c.key = append(endian.BigEndian.AppendUint32(c.key, uint32(len(l.str))), l.str...)
	}
	s := c.series[string(c.key)]
	if s != nil {
		return s
	}
	sketches := c.m.name == metricQuantile || c.m.name == metricHistogram
	if cells := len(c.series) * c.steps; len(c.series) >= maxSeries || cells >= maxCells || sketches && cells >= maxSketches {
		stop(c.report, stoppedSeries)
		return nil
	}
	s = &series{key: string(c.key), labels: slices.Clone(labels)}
	switch {
	case sketches:
		s.sketches = make([]sketch, c.steps)
	default:
		s.count = make([]float64, c.steps)
		if c.m.field != nil {
			s.value = make([]float64, c.steps)
		}
	}
	c.series[s.key] = s
	return s
}

// add counts n spans of value v.
func (c *collector) add(s *series, step int, v float64, n uint64) {
	switch c.m.name {
	case metricQuantile, metricHistogram:
		s.sketches[step].add(v, n)
		return
	case metricMin:
		if s.count[step] == 0 || v < s.value[step] {
			s.value[step] = v
		}
	case metricMax:
		if s.count[step] == 0 || v > s.value[step] {
			s.value[step] = v
		}
	case metricAvg, metricSum:
		s.value[step] += v * float64(n)
	}
	s.count[step] += float64(n)
}

// answer makes the series of the answer, by label.
func (c *collector) answer() []Series {
	var all []Series
	if c.compared != nil {
		all = c.compared.series()
	}
	keys := make([]string, 0, len(c.series))
	for key := range c.series {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	for _, key := range keys {
		all = append(all, c.finish(c.series[key])...)
	}
	if len(all) == 0 && (c.m.name == metricRate || c.m.name == metricCount) && len(c.m.by) == 0 {
		all = c.finish(&series{count: make([]float64, c.steps)}) // none at all is a number too
	}
	for _, s := range c.m.after {
		all = s.apply(all)
	}
	slices.SortStableFunc(all, func(a, b Series) int { return compareLabels(a.Labels, b.Labels) })
	return all
}

func compareLabels(a, b []Attr) int {
	return slices.CompareFunc(a, b, func(a, b Attr) int {
		switch {
		case a.Name != b.Name:
			return strings.Compare(a.Name, b.Name)
		case compare(opLess, a.Value, b.Value, nil):
			return -1
		case compare(opGreater, a.Value, b.Value, nil):
			return 1
		}
		return cmp.Or(cmp.Compare(a.Value.typ, b.Value.typ), cmp.Compare(a.Value.num, b.Value.num))
	})
}

// finish makes the series of the answer of one that was collected: several of
// quantiles and histograms.
func (c *collector) finish(s *series) []Series {
	var labels []Attr
	for i, f := range c.m.by {
		labels = append(labels, Attr{f.String(), s.labels[i]})
	}
	with := func(name string, v Value, of func(step int) float64) Series {
		out := Series{Labels: append([]Attr{{name, v}}, labels...), Values: make([]float64, c.steps), Exemplars: s.exemplars}
		for i := range out.Values {
			out.Values[i] = of(i)
		}
		return out
	}
	scale := c.m.scale()
	switch c.m.name {
	case metricQuantile:
		var all []Series
		for _, q := range c.m.quantiles {
			all = append(all, with("p", floatValue(q), func(i int) float64 { return s.sketches[i].quantile(q) * scale }))
		}
		return all
	case metricHistogram:
		return c.histogram(s, with)
	}
	out := with("__name__", textValue(c.m.name), func(i int) float64 { return c.number(s, i, scale) })
	if len(labels) > 0 {
		out.Labels = labels
	}
	if c.m.field == nil { // an example of a count is where the line is
		out.Exemplars = slices.Clone(s.exemplars)
		for i, e := range out.Exemplars {
			out.Exemplars[i].Value = out.Values[c.step(e.Start)]
		}
	}
	return []Series{out}
}

// number is one number of a series that counts or adds up.
func (c *collector) number(s *series, i int, scale float64) float64 {
	switch {
	case c.m.name == metricRate:
		return s.count[i] / c.r.Step.Seconds()
	case c.m.name == metricCount:
		return s.count[i]
	case s.count[i] == 0:
		return math.NaN()
	case c.m.name == metricAvg:
		return s.value[i] / s.count[i] * scale
	}
	return s.value[i] * scale
}

// histogram makes one series for each power of two that has some.
func (c *collector) histogram(s *series, with func(string, Value, func(int) float64) Series) []Series {
	buckets := map[float64][]float64{}
	for i := range s.sketches {
		s.sketches[i].each(func(_, high float64, n uint64) {
			b := octave(high)
			if buckets[b] == nil {
				buckets[b] = make([]float64, c.steps)
			}
			buckets[b][i] += float64(n)
		})
	}
	var all []Series
	for b, counts := range buckets {
		all = append(all, with("__bucket", floatValue(b*c.m.scale()), func(i int) float64 { return counts[i] }))
	}
	return all
}

// apply keeps of each step what the stage says, and the series that have
// something left.
func (s seriesStage) apply(all []Series) []Series {
	if len(all) == 0 {
		return all
	}
	for i := range all[0].Values {
		if s.name == "" {
			for _, one := range all {
				if !compare(s.op, floatValue(one.Values[i]), s.bound.plain(), nil) {
					one.Values[i] = math.NaN()
				}
			}
			continue
		}
		var order []int
		for k, one := range all {
			if !math.IsNaN(one.Values[i]) {
				order = append(order, k)
			}
		}
		slices.SortStableFunc(order, func(a, b int) int {
			if s.name == "bottomk" {
				return cmp.Compare(all[a].Values[i], all[b].Values[i])
			}
			return cmp.Compare(all[b].Values[i], all[a].Values[i])
		})
		for _, k := range order[min(s.n, len(order)):] {
			all[k].Values[i] = math.NaN()
		}
	}
	return slices.DeleteFunc(all, func(one Series) bool {
		return !slices.ContainsFunc(one.Values, func(v float64) bool { return !math.IsNaN(v) })
	})
}

// plain is a number as answers have it: durations in seconds.
func (v Value) plain() Value {
	if v.typ == typeDuration {
		return floatValue(v.float() * 1e-9)
	}
	return v
}
