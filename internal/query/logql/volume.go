package logql

import (
	"slices"
	"strings"

	"github.com/signalbox-otel/signalbox/internal/query"
	"github.com/signalbox-otel/signalbox/internal/store"
)

// Volumes: how many lines there are over time, in all or of each level. Grafana
// asks for that with every search for lines, and times and severities are all
// that need be read of the records.

// fromColumns counts the records of q of which time and severity say all that
// the aggregation asks, and leaves in q those that must be read: records without
// a severity, when levels are told apart; otherwise none, which done says. It
// leaves all when the answer needs more.
func (in *reading) fromColumns(q *store.Query) (done bool, err error) {
	columns, ok := in.run.reader.(query.Columnar)
	e := in.agg
	if !ok || e.Op != "count_over_time" && e.Op != "rate" || e.Range.Unwrap != nil || len(e.Range.Stages) > 0 || in.grouping == nil || in.grouping.Without {
		return false, nil
	}
	p := &planner{run: in.run, ctx: in.ctx, start: q.Start, end: q.End}
	where, ok := p.exactly(e.Range.Matchers)
	byLevel := false
	for _, name := range in.grouping.Labels {
		byLevel = byLevel || name == levelLabel
		ok = ok && (name == levelLabel || p.nowhere(name))
	}
	if !ok || p.err != nil {
		return false, p.err
	}
	counted := *q
	counted.Where = where
	if byLevel {
		none := levelCondition(&Matcher{Name: levelLabel, Op: MatchEqual})
		counted.Where, q.Where = append(slices.Clone(where), store.Not{Expr: none}), append(where, none)
	}
	return !byLevel, in.countTicks(columns, counted, byLevel)
}

// exactly is a condition that holds for the records that all matchers accept,
// and for no others; ok is false when the store cannot tell.
func (p *planner) exactly(matchers []*Matcher) (all store.And, ok bool) {
	for _, m := range matchers {
		if m.Name == serviceLabel && m.Op == MatchRegexp && (m.Value == ".+" || m.Value == ".*") {
			continue // every stream has one
		}
		cond, simple := p.matcher(m).(store.Cond)
		if !simple || AttrOf(m.Name) == m.Name {
			return nil, false
		}
		all = append(all, cond)
	}
	return all, true
}

// nowhere reports whether no record can have a label of that name.
func (p *planner) nowhere(name string) bool {
	if slices.Contains(ownNames, name) || name == serviceLabel || name == traceLabel || name == spanLabel || strings.HasSuffix(name, extracted) {
		return false
	}
	keys, known := p.keysIn(store.AnyAttr)
	return known && !slices.ContainsFunc(keys, func(k store.FieldKey) bool {
		key := sanitize(k.Field.Name, true)
		return key == name || k.Type == store.Map && strings.HasPrefix(name, key+"_")
	})
}

// countTicks counts the records of q, those of each level apart when byLevel.
func (in *reading) countTicks(columns query.Columnar, q store.Query, byLevel bool) error {
	var tallies [query.SeverityLevels]*tally
	for ticks, err := range limited(in.ctx, in.run, q, columns.Ticks) {
		if err != nil {
			return err
		}
		in.run.stats.Lines += len(ticks.At)
		for i, at := range ticks.At {
			from, to := in.instants(int64(at))
			if from >= to {
				continue
			}
			level, labels := 0, Labels{}
			if byLevel {
				level = query.SeverityLevel(ticks.Severity[i])
			}
			if tallies[level] == nil {
				if byLevel {
					labels = Labels{{levelLabel, levels[level]}}
				}
				if tallies[level], err = in.seriesOf(labels); err != nil {
					return err
				}
			}
			tallies[level].count(1, from, to)
		}
	}
	return nil
}
