package logql

import (
	"context"
	"iter"
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
	all, ok := p.exactly(matchers)
	if !ok {
		return nil, false, p.err
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
	sets = map[string][]string{}
	for t, err := range limited(ctx, r, store.Query{Start: start, End: end, Where: all}, func(ctx context.Context, q store.Query) iter.Seq2[*store.Tally, error] {
		return columns.Tally(ctx, store.Logs, q, fields)
	}) {
		if err != nil {
			return nil, false, err
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
