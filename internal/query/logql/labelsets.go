package logql

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/signalbox-otel/signalbox/internal/query"
	"github.com/signalbox-otel/signalbox/internal/store"
)

// LabelSets gives the values of each label that streams of a range have, sorted.
// Streams are chosen by matchers; none chooses all.
func (e *Engine) LabelSets(ctx context.Context, matchers []*Matcher, start, end uint64) (map[string][]string, error) {
	if columns, ok := e.reader.(query.Columnar); ok && e.catalog != nil {
		if sets, ok, err := e.tallySets(ctx, columns, matchers, start, end); ok || err != nil {
			return sets, err
		}
	}
	found, err := e.Streams(ctx, StreamQuery{Selectors: [][]*Matcher{matchers}, Start: start, End: end})
	if err != nil {
		return nil, err
	}
	out := map[string][]string{}
	for _, s := range found.Streams {
		for _, l := range s.Labels {
			addValue(out, l.Name, l.Value)
		}
	}
	return out, nil
}

func addValue(sets map[string][]string, name, value string) {
	if at, there := slices.BinarySearch(sets[name], value); !there {
		sets[name] = slices.Insert(sets[name], at, value)
	}
}

// tallySets is LabelSets for readers that count values without whole records. ok
// is false when only records tell which streams are chosen, or which attributes
// are labels.
func (e *Engine) tallySets(ctx context.Context, columns query.Columnar, matchers []*Matcher, start, end uint64) (sets map[string][]string, ok bool, err error) {
	r := e.newRun()
	p := &planner{run: r, ctx: ctx, start: start, end: end}
	var all store.And
	for _, m := range matchers {
		cond, simple := p.matcher(m).(store.Cond)
		if !simple || AttrOf(m.Name) == m.Name {
			return nil, false, p.err
		}
		all = append(all, cond)
	}
	keys, known := p.keysIn(store.ResourceAttr)
	if !known || slices.ContainsFunc(keys, func(k store.FieldKey) bool { return k.Field.Name == HintAttr }) {
		return nil, false, p.err
	}
	fields := []store.Field{{Place: store.ResourceAttr, Name: serviceAttr}}
	for _, k := range keys {
		if IsIndexed(k.Field.Name) && k.Field.Name != serviceAttr {
			fields = append(fields, k.Field)
		}
	}
	bounded, cancel := context.WithDeadline(ctx, r.deadline)
	defer cancel()
	sets = map[string][]string{}
	q := store.Query{Start: start, End: end, Where: all, MaxRows: r.limits.MaxRows, Report: &r.report}
	for t, err := range columns.Tally(bounded, store.Logs, q, fields) {
		if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
			break // what was found by then
		}
		if err != nil {
			return nil, false, fmt.Errorf("counting labels: %w", err)
		}
		for i, f := range t.Fields {
			for _, v := range f.Values {
				if v.Value.Type == store.String && v.Value.Str() != "" {
					addValue(sets, sanitize(fields[i].Name, true), strings.Clone(v.Value.Str()))
				}
			}
		}
		if t.Fields[0].Records < t.Records {
			addValue(sets, serviceLabel, unknownService)
		}
	}
	return sets, true, nil
}
