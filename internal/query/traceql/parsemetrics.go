package traceql

import (
	"slices"
	"strings"

	"github.com/signalbox-otel/signalbox/internal/query"
)

// The metrics functions.
const (
	metricRate      = "rate"
	metricCount     = "count_over_time"
	metricMin       = "min_over_time"
	metricMax       = "max_over_time"
	metricAvg       = "avg_over_time"
	metricSum       = "sum_over_time"
	metricQuantile  = "quantile_over_time"
	metricHistogram = "histogram_over_time"
	metricCompare   = "compare"
)

func metricsNames() []string {
	return []string{metricRate, metricCount, metricMin, metricMax, metricAvg, metricSum, metricQuantile, metricHistogram, metricCompare}
}

func isMetrics(name string) bool { return slices.Contains(metricsNames(), name) }

const maxQuantiles = 10

// metrics reads a metrics function and what follows it.
func (p *parser) metrics() (*metrics, error) {
	t := p.next()
	m := &metrics{name: t.text}
	if err := p.expect("(", "behind "+t.text); err != nil {
		return nil, err
	}
	var err error
	switch m.name {
	case metricRate, metricCount:
		err = p.expect(")", "behind "+t.text+"(, which takes nothing")
	case metricCompare:
		err = p.compare(m)
	default:
		err = p.overTime(m)
	}
	if err != nil {
		return nil, err
	}
	if by := p.peek(); by.word("by") {
		if m.name == metricCompare {
			return nil, p.fail(by.pos, "compare has no by: it is about every attribute")
		}
		p.next()
		if m.by, err = p.fields(); err != nil {
			return nil, err
		}
	}
	return m, p.seriesStages(m)
}

// overTime reads the field of a function and, of quantile_over_time, the
// quantiles.
func (p *parser) overTime(m *metrics) error {
	from := p.peek()
	var err error
	if m.field, err = p.field(); err != nil {
		return err
	}
	if !canCount(m.field) {
		return p.fail(from.pos, "%s takes a number, not %s", m.name, typeWords[m.field.typ()])
	}
	for m.name == metricQuantile && p.peek().is(",") {
		p.next()
		q := p.next()
		if q.kind != tokenLiteral || q.v.typ != typeFloat && q.v.typ != typeInt || q.v.float() < 0 || q.v.float() > 1 {
			return p.unexpected(q, "a quantile is a number from 0 to 1")
		}
		if m.quantiles = append(m.quantiles, q.v.float()); len(m.quantiles) > maxQuantiles {
			return p.fail(q.pos, "there are more than %d quantiles", maxQuantiles)
		}
	}
	if m.name == metricQuantile && len(m.quantiles) == 0 {
		return p.fail(p.peek().pos, "the quantiles are missing, as in quantile_over_time(duration, .5, .99)")
	}
	return p.expect(")", "behind "+m.name+"(")
}

// compare reads {selection}, top, start, end.
func (p *parser) compare(m *metrics) error {
	if err := p.expect("{", "behind compare("); err != nil {
		return err
	}
	var err error
	if m.selected, err = p.filter(); err != nil {
		return err
	}
	var numbers []uint64
	for p.peek().is(",") {
		p.next()
		n := p.next()
		if n.kind != tokenLiteral || n.v.typ != typeInt || len(numbers) == 3 {
			return p.unexpected(n, "compare takes a set, how many values to give, and start and end in Unix nanoseconds")
		}
		numbers = append(numbers, n.v.num)
	}
	if m.top = 10; len(numbers) > 0 {
		m.top = int(min(numbers[0], 1000))
	}
	switch len(numbers) {
	case 2:
		return p.fail(p.peek().pos, "compare takes both start and end, or neither")
	case 3:
		m.start, m.end = numbers[1], numbers[2]
	}
	return p.expect(")", "behind compare(")
}

// seriesStages reads topk, bottomk and comparisons behind a function.
func (p *parser) seriesStages(m *metrics) error {
	for {
		t := p.peek()
		op := operatorWords[t.text]
		switch {
		case t.kind == tokenOperator && op.isComparison() && op != opMatch && op != opNotMatch:
			p.next()
			from := p.peek()
			bound, err := p.scalar(3)
			if err != nil {
				return err
			}
			v, ok := bound.(literal)
			if !ok {
				return p.fail(from.pos, "%s compares with a number here", t.text)
			}
			m.after = append(m.after, seriesStage{op: op, bound: v.v})
		case t.is("|"):
			p.next()
			s, err := p.topk()
			if err != nil {
				return err
			}
			m.after = append(m.after, s)
		default:
			return nil
		}
		if len(m.after) > maxQuantiles {
			return p.fail(t.pos, "there are more than %d steps behind %s", maxQuantiles, m.name)
		}
	}
}

func (p *parser) topk() (seriesStage, error) {
	t := p.next()
	if !t.word("topk", "bottomk") {
		if w := query.Closest(t.text, []string{"topk", "bottomk"}); t.kind == tokenWord && w != "" {
			return seriesStage{}, p.fail(t.pos, "unknown function %s; did you mean %s?", t.text, w)
		}
		return seriesStage{}, p.unexpected(t, "behind a metrics function comes | topk(n), | bottomk(n) or a comparison")
	}
	if err := p.expect("(", "behind "+t.text); err != nil {
		return seriesStage{}, err
	}
	n := p.next()
	if n.kind != tokenLiteral || n.v.typ != typeInt || n.v.int() < 1 || n.v.int() > 1000 {
		return seriesStage{}, p.unexpected(n, t.text+" takes a number from 1 to 1000")
	}
	return seriesStage{name: t.text, n: int(n.v.int())}, p.expect(")", "behind "+t.text+"(")
}

// String is the query, written so that Parse reads it back as the same query.
func (q *Query) String() string {
	var b strings.Builder
	f := formatter{&b}
	f.pipeline(q.pipeline)
	if q.metrics != nil {
		f.WriteString(" | ")
		f.metrics(q.metrics)
	}
	if len(q.hints) > 0 {
		f.WriteString(" with (")
		for i, h := range q.hints {
			if i > 0 {
				f.WriteString(", ")
			}
			f.WriteString(h.name + " = ")
			f.WriteString(h.v.String())
		}
		f.WriteString(")")
	}
	return b.String()
}
