package logql

import (
	"fmt"
	"slices"
)

func (ev *evaluator) binOp(e *BinOp) ([]Series, error) {
	if v, ok := scalarOf(e.Left); ok {
		right, err := ev.eval(e.Right)
		return withScalar(e, right, v, true), err
	}
	left, err := ev.eval(e.Left)
	if err != nil {
		return nil, err
	}
	if v, ok := scalarOf(e.Right); ok {
		return withScalar(e, left, v, false), nil
	}
	right, err := ev.eval(e.Right)
	if err != nil {
		return nil, err
	}
	if setOperator(e.Op) {
		return ev.setOperation(e, left, right), nil
	}
	return ev.matched(e, left, right)
}

// apply computes one value; missing when a comparison drops it. keep is the value
// that a comparison without bool gives.
func apply(e *BinOp, left, right, keep float64) float64 {
	if !comparison(e.Op) {
		return arithmetic(e.Op, left, right)
	}
	holds := compare(e.Op, left, right)
	switch {
	case e.Bool:
		return truth(holds)
	case holds:
		return keep
	}
	return missing
}

// withScalar computes with a number on one side.
func withScalar(e *BinOp, series []Series, scalar float64, first bool) []Series {
	for _, s := range series {
		for k, v := range s.Values {
			switch {
			case Missing(v):
			case first:
				s.Values[k] = apply(e, scalar, v, v)
			default:
				s.Values[k] = apply(e, v, scalar, v)
			}
		}
	}
	return series
}

// signature is what the series that belong together have alike.
func (m *Matching) signature(labels Labels) string {
	if m == nil {
		return labels.key()
	}
	return (&Grouping{Without: !m.On, Labels: m.Labels}).of(labels).key()
}

func bySignature(m *Matching, series []Series) map[string][]int {
	out := map[string][]int{}
	for i, s := range series {
		k := m.signature(s.Labels)
		out[k] = append(out[k], i)
	}
	return out
}

// setOperation keeps series by whether the other side has one of their kind.
func (ev *evaluator) setOperation(e *BinOp, left, right []Series) []Series {
	if e.Op == "or" {
		return append(left, exclude(e.Match, right, left, true)...)
	}
	return exclude(e.Match, left, right, e.Op == "unless")
}

// exclude takes away the values of series for which the other side has one, or
// has none when unless is not set.
func exclude(m *Matching, series, other []Series, unless bool) []Series {
	index := bySignature(m, other)
	for _, s := range series {
		partners := index[m.signature(s.Labels)]
		for k := range s.Values {
			there := slices.ContainsFunc(partners, func(i int) bool { return present(other[i].Values[k]) })
			if there == unless {
				s.Values[k] = missing
			}
		}
	}
	return series
}

// matched computes with the series of two sides that belong together: one of the
// one side with one, or when grouped with many, of the other.
func (ev *evaluator) matched(e *BinOp, left, right []Series) ([]Series, error) {
	many, single := left, right
	grouped := e.Match != nil && e.Match.Group != ""
	swapped := grouped && e.Match.Group == "right"
	if swapped {
		many, single = right, left
	}
	index := bySignature(e.Match, single)
	taken := map[string][]bool{} // by labels of results and instant
	var out []Series
	for _, s := range many {
		partners := index[e.Match.signature(s.Labels)]
		if len(partners) == 0 {
			continue
		}
		results := map[string]int{}
		for k, v := range s.Values {
			if Missing(v) {
				continue
			}
			other, err := partnerAt(single, partners, k)
			if err != nil || other < 0 {
				if err != nil {
					return nil, err
				}
				continue
			}
			w := single[other].Values[k]
			value := apply(e, v, w, v)
			if swapped {
				value = apply(e, w, v, v)
			}
			labels := e.Match.result(s.Labels, single[other].Labels)
			key := labels.key()
			if taken[key] == nil {
				taken[key] = make([]bool, ev.n)
			}
			if taken[key][k] {
				return nil, &EvalError{fmt.Sprintf("several series of one side belong to one of the other, and give %s; say which side has many with group_left or group_right", labels)}
			}
			taken[key][k] = true
			at, ok := results[key]
			if !ok {
				values, err := ev.values()
				if err != nil {
					return nil, err
				}
				at = len(out)
				results[key] = at
				out = append(out, Series{labels, values})
			}
			out[at].Values[k] = value
		}
	}
	return mergeSeries(out), nil
}

// partnerAt is the one series of several that has a value at an instant, -1 when
// none has.
func partnerAt(series []Series, partners []int, k int) (int, error) {
	found := -1
	for _, i := range partners {
		if Missing(series[i].Values[k]) {
			continue
		}
		if found >= 0 {
			return 0, &EvalError{fmt.Sprintf("%s and %s of one side belong to the same series of the other; match by more labels", series[found].Labels, series[i].Labels)}
		}
		found = i
	}
	return found, nil
}

// result gives the labels of a computed series.
func (m *Matching) result(many, single Labels) Labels {
	if m == nil {
		return many
	}
	if m.Group == "" {
		return (&Grouping{Without: !m.On, Labels: m.Labels}).of(many)
	}
	out := many
	for _, name := range m.Include {
		out = out.with(name, single.Get(name))
	}
	return out
}

// mergeSeries puts series of the same labels together, which have values at
// different instants.
func mergeSeries(series []Series) []Series {
	at := map[string]int{}
	out := series[:0]
	for _, s := range series {
		k := s.Labels.key()
		first, ok := at[k]
		if !ok {
			at[k] = len(out)
			out = append(out, s)
			continue
		}
		for i, v := range s.Values {
			if !Missing(v) {
				out[first].Values[i] = v
			}
		}
	}
	return out
}
