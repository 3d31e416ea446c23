package traceql

import (
	"cmp"
	"context"
	"maps"
	"slices"

	"github.com/signalbox-otel/signalbox/internal/store"
)

// The groups of compare, and the labels that say what a series is about.
const (
	labelGroup = "__meta_type"
	labelError = "__meta_error"
)

var groups = [...]string{"baseline", "selection"}

// comparisonCounts counts the values of every attribute in two groups of spans:
// those that compare's condition holds for, and the others.
type comparisonCounts struct {
	c      *collector
	own    []*intrinsic // counted like attributes
	fields map[field]*comparedField
	cells  int
}

// comparedField is one field in both groups.
type comparedField struct {
	groups [len(groups)]map[Value]*valueCount
	totals [len(groups)][]float64 // spans with the field, by step
	full   bool                   // there were more values than are counted
}

// valueCount counts one value.
type valueCount struct {
	total  float64
	counts []float64 // by step
}

// maxCompared is how many values of one field are counted; valueCells is what one
// takes beside its counts, in numbers.
const (
	maxCompared = 1000
	valueCells  = 16
)

// compared counts the spans for compare, whole.
func (e *Engine) compared(ctx context.Context, r Range, c *collector, n *Numbers) error {
	p, err := e.plan(ctx, r.Query, r.Start, r.End)
	if err != nil {
		return err
	}
	c.compared = &comparisonCounts{c: c, fields: map[field]*comparedField{},
		own: []*intrinsic{intrinsicOf("name"), intrinsicOf("kind"), intrinsicOf("status")}}
	p.need |= store.NeedAttrs | store.NeedResource
	if f := r.Query.alone(); f != nil {
		t := lone()
		return e.eachSpan(ctx, p, func(s *store.Span) {
			if t.spans[0] = s; f.holds(t, 0) {
				c.compared.add(t, 0)
			}
		}, c.report)
	}
	return e.eachOfTraces(ctx, p, r, n, c.compared.add, c.report)
}

// add counts span i of t.
func (cc *comparisonCounts) add(t *tree, i int) {
	m, s := cc.c.m, t.spans[i]
	group := 0
	if m.selected.holds(t, i) && (m.start == 0 && m.end == 0 || s.Start >= m.start && s.Start < m.end) {
		group = 1
	}
	step := cc.c.step(s.Start)
	for _, in := range cc.own {
		cc.value(field{intrinsic: in}, group, step, in.value(t, i))
	}
	for _, a := range s.Resource.Attrs {
		cc.value(field{scope: resourceScope, name: a.Key}, group, step, valueOf(a.Value))
	}
	for _, a := range s.Attrs {
		cc.value(field{scope: spanScope, name: a.Key}, group, step, valueOf(a.Value))
	}
}

func (cc *comparisonCounts) value(f field, group, step int, v Value) {
	if v.IsNil() || v.typ == typeOther {
		return
	}
	counted := cc.fields[f]
	if counted == nil {
		if len(cc.fields) == maxSeries || cc.cells >= maxCells {
			stop(cc.c.report, stoppedSeries)
			return
		}
		counted = &comparedField{}
		for g := range counted.groups {
			counted.groups[g], counted.totals[g] = map[Value]*valueCount{}, make([]float64, cc.c.steps)
		}
		cc.cells += 2 * (cc.c.steps + valueCells)
		cc.fields[f] = counted
	}
	counted.totals[group][step]++
	n := counted.groups[group][v]
	if n == nil {
		if len(counted.groups[group]) == maxCompared || cc.cells >= maxCells {
			counted.full = true
			return
		}
		cc.cells += cc.c.steps + valueCells
		n = &valueCount{counts: make([]float64, cc.c.steps)}
		counted.groups[group][v] = n
	}
	n.total++
	n.counts[step]++
}

// series gives of each field the most frequent values in both groups, the
// spans that have it, and whether values were left out.
func (cc *comparisonCounts) series() []Series {
	var all []Series
	for f, counted := range cc.fields {
		name := f.String()
		for g, values := range counted.groups {
			order := slices.SortedFunc(maps.Keys(values), func(a, b Value) int {
				return cmp.Or(cmp.Compare(values[b].total, values[a].total), compareLabels([]Attr{{"", a}}, []Attr{{"", b}}))
			})
			if len(order) > cc.c.m.top {
				order, counted.full = order[:cc.c.m.top], true
			}
			for _, v := range order {
				all = append(all, Series{Labels: []Attr{{labelGroup, textValue(groups[g])}, {name, v}}, Values: values[v].counts})
			}
			if len(values) > 0 {
				all = append(all, Series{Labels: []Attr{{labelGroup, textValue(groups[g] + "_total")}, {name, Value{}}}, Values: counted.totals[g]})
			}
		}
		if counted.full {
			all = append(all, Series{Labels: []Attr{{labelError, textValue("__too_many_values__")}, {name, Value{}}}, Values: make([]float64, cc.c.steps)})
		}
	}
	return all
}
