package logql

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/signalbox-otel/signalbox/internal/store"
)

// StreamQuery asks which streams have records in [Start, End), in Unix
// nanoseconds.
type StreamQuery struct {
	// Selectors: a stream is in the answer when one of them holds; none accepts
	// all.
	Selectors  [][]*Matcher
	Start, End uint64
	// Bytes asks for the size of the lines too, which means reading them.
	Bytes bool
}

// StreamCount is one stream and what of it lies in the range.
type StreamCount struct {
	Labels  Labels
	Records int
	Bytes   int
}

// Streams are the streams of a range, sorted by their labels.
type Streams struct {
	Streams []StreamCount
	Report  store.Report
}

// answerStreams bounds the streams of one answer.
const answerStreams = 10_000

const stoppedStreams = "stream limit"

// Streams lists streams.
func (e *Engine) Streams(ctx context.Context, q StreamQuery) (*Streams, error) {
	if len(q.Selectors) == 0 {
		q.Selectors = [][]*Matcher{nil}
	}
	r := e.newRun()
	any := store.Or{}
	for _, matchers := range q.Selectors {
		where, err := r.where(ctx, &LogExpr{Matchers: matchers}, q.Start, q.End)
		if err != nil {
			return nil, err
		}
		if where == nil {
			where = store.And{}
		}
		any = append(any, where)
	}
	sq := store.Query{Start: q.Start, End: q.End, Where: one(any), Need: store.NeedResource}
	if q.Bytes {
		sq.Need |= store.NeedBody
	}
	counts := map[string]*StreamCount{}
	byResource := map[*store.Resource]*StreamCount{}
	for l, err := range r.read(ctx, sq) {
		if err != nil {
			return nil, err
		}
		c, known := byResource[l.Resource]
		if !known {
			if len(byResource) >= maxStreams {
				clear(byResource)
			}
			if len(counts) >= answerStreams {
				r.stop(stoppedStreams)
				break
			}
			c = countOf(streamOf(l.Resource).labels, q.Selectors, counts)
			byResource[l.Resource] = c
		}
		if c == nil {
			continue
		}
		c.Records++
		if q.Bytes {
			c.Bytes += len(lineOf(l))
		}
	}
	a := &Streams{Report: r.report}
	for _, c := range counts {
		a.Streams = append(a.Streams, *c)
	}
	slices.SortFunc(a.Streams, func(x, y StreamCount) int { return strings.Compare(x.Labels.String(), y.Labels.String()) })
	return a, nil
}

// countOf is where records of a stream are counted, nil when no selector holds.
func countOf(labels Labels, selectors [][]*Matcher, counts map[string]*StreamCount) *StreamCount {
	for _, matchers := range selectors {
		if satisfies(labels, matchers) {
			k := labels.key()
			if counts[k] == nil {
				counts[k] = &StreamCount{Labels: labels}
			}
			return counts[k]
		}
	}
	return nil
}

// errCatalog is of an engine without a catalog.
var errCatalog = errors.New("this store has no catalog of labels")

// LabelNames lists the labels that streams of a range have.
func (e *Engine) LabelNames(ctx context.Context, start, end uint64) ([]string, error) {
	if e.catalog == nil {
		return nil, errCatalog
	}
	names := map[string]bool{serviceLabel: true}
	q := store.FieldQuery{Kind: store.Logs, Start: start, End: end, Field: store.Field{Place: store.ResourceAttr}, Limit: maxKeys}
	hints := false
	for k, err := range e.catalog.Keys(ctx, q) {
		if err != nil {
			return nil, err
		}
		if IsIndexed(k.Field.Name) {
			names[sanitize(k.Field.Name, true)] = true
		}
		hints = hints || k.Field.Name == HintAttr
	}
	if hints {
		q.Field.Name = HintAttr
		for v, err := range e.catalog.Values(ctx, q) {
			if err != nil {
				return nil, err
			}
			for key := range strings.SplitSeq(v.Value.Str(), ",") {
				if name := sanitize(strings.TrimSpace(key), true); name != "" {
					names[name] = true
				}
			}
		}
	}
	out := make([]string, 0, len(names))
	for name := range names {
		out = append(out, name)
	}
	slices.Sort(out)
	return out, nil
}

// LabelValues lists the values that a label of streams has in a range.
func (e *Engine) LabelValues(ctx context.Context, name string, start, end uint64) ([]string, error) {
	if e.catalog == nil {
		return nil, errCatalog
	}
	p := &planner{run: e.newRun(), ctx: ctx, start: start, end: end}
	keys := []string{AttrOf(name)}
	if keys[0] == name {
		all, _ := p.keysIn(store.ResourceAttr)
		keys = keys[:0]
		for _, k := range all {
			if sanitize(k.Field.Name, true) == name {
				keys = append(keys, k.Field.Name)
			}
		}
	}
	if p.err != nil {
		return nil, p.err
	}
	values := map[string]bool{}
	for _, key := range keys {
		q := store.FieldQuery{Kind: store.Logs, Start: start, End: end, Field: store.Field{Place: store.ResourceAttr, Name: key}, Limit: maxKeys}
		for v, err := range e.catalog.Values(ctx, q) {
			if err != nil {
				return nil, err
			}
			if v.Value.Type == store.String && v.Value.Str() != "" {
				values[v.Value.Str()] = true
			}
		}
	}
	if name == serviceLabel {
		nameless := store.Not{Expr: store.Cond{Field: store.Field{Place: store.ResourceAttr, Name: serviceAttr}, Op: store.Exists}}
		for _, err := range p.run.read(ctx, store.Query{Start: start, End: end, Where: nameless, Limit: 1, Need: store.NeedCore}) {
			if err != nil {
				return nil, err
			}
			values[unknownService] = true
		}
	}
	out := make([]string, 0, len(values))
	for v := range values {
		out = append(out, v)
	}
	slices.Sort(out)
	return out, nil
}

// Condition is what the store is asked for when streams are chosen by matchers.
func (e *Engine) Condition(ctx context.Context, matchers []*Matcher, start, end uint64) (store.Expr, error) {
	return e.newRun().where(ctx, &LogExpr{Matchers: matchers}, start, end)
}

// DetectedField is a field that lines have, as metadata or inside.
type DetectedField struct {
	Name     string
	Type     string // string, int, float, boolean, duration or bytes
	Values   []string
	Parsers  []string // what makes a label of it; none for metadata
	JSONPath []string // keys that lead to it in lines of JSON
}

// DetectFields finds fields in lines.
func DetectFields(entries []Entry) []DetectedField {
	found := map[string]*fieldCount{}
	at := func(name string) *fieldCount {
		if found[name] == nil {
			found[name] = &fieldCount{values: map[string]bool{}}
		}
		return found[name]
	}
	for i := range entries {
		e := &entries[i]
		for _, l := range e.Metadata {
			at(l.Name).add(l.Value, "")
		}
		w := jsonWalker{s: e.Line}
		w.space()
		var inLine []Label
		if w.byte() == '{' && w.paths(nil, func(path []string, value string) {
			f := at(extractedName(e.Stream, labelOf(path)))
			f.add(value, string(JSON))
			f.path = slices.Clone(path)
		}) == nil {
			continue
		}
		if walkLogfmt(e.Line, true, func(key, value string) {
			if value != "" {
				inLine = append(inLine, Label{sanitize(key, true), value})
			}
		}) != nil {
			continue
		}
		for _, l := range inLine {
			at(extractedName(e.Stream, l.Name)).add(l.Value, string(Logfmt))
		}
	}
	out := make([]DetectedField, 0, len(found))
	for name, f := range found {
		out = append(out, f.field(name))
	}
	slices.SortFunc(out, func(a, b DetectedField) int {
		return cmp.Or(cmp.Compare(len(b.Values), len(a.Values)), strings.Compare(a.Name, b.Name))
	})
	return out
}

// extractedName is the label that a parser makes of a key.
func extractedName(stream Labels, name string) string {
	if stream.Get(name) != "" {
		return name + extracted
	}
	return name
}

// fieldCount collects the values of a field.
type fieldCount struct {
	values  map[string]bool
	parsers []string
	path    []string
}

// fieldValues bounds the values that are told apart.
const fieldValues = 10_000

func (f *fieldCount) add(value, parser string) {
	if len(f.values) < fieldValues {
		f.values[value] = true
	}
	if parser != "" && !slices.Contains(f.parsers, parser) {
		f.parsers = append(f.parsers, parser)
	}
}

func (f *fieldCount) field(name string) DetectedField {
	d := DetectedField{Name: name, Parsers: f.parsers, JSONPath: f.path}
	for v := range f.values {
		d.Values = append(d.Values, v)
		if t := typeOf(v); d.Type == "" || t == d.Type {
			d.Type = t
		} else if number := []string{"int", "float"}; slices.Contains(number, t) && slices.Contains(number, d.Type) {
			d.Type = "float"
		} else {
			d.Type = "string"
		}
	}
	slices.Sort(d.Values)
	slices.Sort(d.Parsers)
	return d
}

// typeOf says what a text can be read as.
func typeOf(v string) string {
	if n, err := parsePlain(v); err == nil {
		if strings.ContainsAny(v, ".eEn") || n != n {
			return "float"
		}
		return "int"
	}
	if v == "true" || v == "false" {
		return "boolean"
	}
	if _, ok := parseDuration(v); ok {
		return "duration"
	}
	if _, ok := parseBytes(v); ok {
		return "bytes"
	}
	return "string"
}
