package logql

import (
	"context"
	"fmt"
	"regexp/syntax"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/signalbox-otel/signalbox/internal/store"
)

// where makes a condition for the store that holds for every record that the
// query lets through. The pipeline decides about what the store gives.
func (r *run) where(ctx context.Context, e *LogExpr, start, end uint64) (store.Expr, error) {
	p := &planner{run: r, ctx: ctx, start: start, end: end}
	var all store.And
	for _, m := range e.Matchers {
		if cond := p.matcher(m); cond != nil {
			all = append(all, cond)
		}
	}
	line, labels := true, true // still as the record has them
	for _, s := range e.Stages {
		switch s := s.(type) {
		case *LineFilter:
			if cond := lineCondition(s); cond != nil && line {
				all = append(all, cond)
			}
		case LabelFilter:
			if cond := p.filter(s); cond != nil && labels {
				all = append(all, cond)
			}
		case *Parser:
			labels, line = false, line && s.Kind != Unpack
		case *LineFormat, Decolorize:
			line = false
		default:
			labels = false
		}
	}
	if len(all) == 0 {
		return nil, p.err
	}
	return all, p.err
}

// planner finds conditions for the store.
type planner struct {
	run        *run
	ctx        context.Context
	start, end uint64
	keys       map[store.Place][]store.FieldKey // by the place asked for; nil when not known
	err        error
}

// maxKeys is how many attribute keys are looked through for one that a label
// stands for.
const maxKeys = 5000

// keysIn lists the attribute keys in use; ok is false when not all are known.
func (p *planner) keysIn(place store.Place) (keys []store.FieldKey, ok bool) {
	if p.run.catalog == nil || p.err != nil {
		return nil, false
	}
	if keys, done := p.keys[place]; done {
		return keys, keys != nil
	}
	if p.keys == nil {
		p.keys = map[store.Place][]store.FieldKey{}
	}
	p.keys[place] = nil
	var report store.Report
	q := store.FieldQuery{Kind: store.Logs, Start: p.start, End: p.end, Field: store.Field{Place: place}, Limit: maxKeys, Report: &report}
	keys = []store.FieldKey{}
	for k, err := range p.run.catalog.Keys(p.ctx, q) {
		if err != nil {
			p.err = fmt.Errorf("listing attributes: %w", err)
			return nil, false
		}
		keys = append(keys, k)
	}
	if len(keys) >= maxKeys || report.Partial() {
		return nil, false
	}
	p.keys[place] = keys
	return keys, true
}

// matcher is the condition for one matcher of the selector, nil when the store
// cannot tell.
func (p *planner) matcher(m *Matcher) store.Expr {
	unnamed := m.Name == serviceLabel && m.Matches(unknownService)
	if attr := AttrOf(m.Name); attr != m.Name {
		field := store.Field{Place: store.ResourceAttr, Name: attr}
		cond := store.Cond{Field: field, Op: store.Eq, Value: store.StringValue(m.Value)}
		switch {
		case m.Op == MatchNotEqual && m.Value == "":
			return nil
		case m.Op == MatchNotEqual, m.Op == MatchNotRegexp && !unnamed:
			if m.Op == MatchNotRegexp {
				cond.Op = store.Regexp
			}
			return store.Not{Expr: cond}
		case unnamed || m.Matches("") || m.Op == MatchNotRegexp:
			return nil
		case m.Op == MatchRegexp:
			cond.Op = store.Regexp
		}
		return cond
	}
	if m.Matches("") {
		return nil
	}
	op := store.Exists // of !=, !~: what else they accept is not empty
	switch m.Op {
	case MatchEqual:
		op = store.Eq
	case MatchRegexp:
		op = store.Regexp
	}
	all, ok := p.keysIn(store.ResourceAttr)
	if !ok {
		return nil
	}
	any := store.Or{}
	for _, k := range all {
		if sanitize(k.Field.Name, true) == m.Name {
			any = append(any, store.Cond{Field: k.Field, Op: op, Value: store.StringValue(m.Value)})
		}
	}
	return one(any)
}

// one takes away an Or with a single part, which the store need not look into.
func one(any store.Or) store.Expr {
	if len(any) == 1 {
		return any[0]
	}
	return any
}

var bodyField = store.Field{Name: store.FieldBody}

// lineCondition is the condition for a filter on lines, nil when the store cannot
// tell.
func lineCondition(f *LineFilter) store.Expr {
	any := store.Or{}
	for _, t := range f.Terms {
		var cond store.Expr
		switch {
		case t.IP:
		case f.Op == LineContains:
			cond = textCondition(t.Text, store.Contains)
		case f.Op == LineRegexp:
			cond = regexpCondition(t.Text)
		case f.Op == LinePattern:
			cond = patternCondition(t.Text)
		}
		if cond == nil {
			return nil
		}
		any = append(any, cond)
	}
	return one(any)
}

// textCondition holds for bodies in whose line text is. The line of a body with
// structure is its JSON, so only a part of the text that must be in one of the
// body's own texts is in its encoding as well. Of a body that is text the store
// decides.
func textCondition(text string, op store.Op) store.Expr {
	contains := func(s string) store.Expr {
		return store.Cond{Field: bodyField, Op: op, Value: store.StringValue(s)}
	}
	switch {
	case text == "":
		return nil
	case safeText(text):
		return contains(text)
	}
	some := store.Or{contains(text)}
	for _, other := range []store.Value{
		store.MapValue(""), store.ArrayValue(""), store.BytesValue(""), store.IntValue(0), store.DoubleValue(0), store.BoolValue(false),
	} {
		some = append(some, store.Cond{Field: bodyField, Op: store.HasType, Value: other})
	}
	all := store.And{some}
	for _, part := range strings.FieldsFunc(text, punctuation) {
		if len(part) > 1 && safeText(part) {
			all = append(all, contains(part))
		}
	}
	return all
}

// punctuation reports whether JSON has r between texts, or writes it otherwise.
func punctuation(r rune) bool {
	return strings.ContainsRune("\"\\{}[]:,\u2028\u2029\ufffd", r) || unicode.IsControl(r)
}

// jsonWords are what JSON has without quotes, and how ingest.JSON writes what it
// cannot.
var jsonWords = []string{"true", "false", "null", "nan", "infinity"}

// safeText reports whether s in the JSON of a body is in one of its texts: it is
// no punctuation, no number and no word of JSON. What an escape or the base64 of
// bytes looks like by accident is not searched for.
func safeText(s string) bool {
	if strings.Trim(s, "0123456789+-.eE") == "" || strings.ContainsFunc(s, punctuation) {
		return false
	}
	return !slices.ContainsFunc(jsonWords, func(word string) bool { return strings.Contains(word, strings.ToLower(s)) })
}

// patternCondition holds for bodies that have all texts of a pattern.
func patternCondition(src string) store.Expr {
	p, err := compilePattern(src, false)
	if err != nil {
		return nil
	}
	var all store.And
	for _, part := range p {
		if part.name != "" {
			continue
		}
		if cond := textCondition(part.text, store.Contains); cond != nil {
			all = append(all, cond)
		}
	}
	if len(all) == 0 {
		return nil
	}
	return all
}

// regexpCondition holds for bodies that have the texts without which an
// expression cannot match; nil when there are none.
func regexpCondition(src string) store.Expr {
	re, err := syntax.Parse(src, syntax.Perl)
	if err != nil {
		return nil
	}
	return requires(re.Simplify(), 0)
}

// requires finds what a line must contain to match.
func requires(re *syntax.Regexp, depth int) store.Expr {
	if depth > 20 {
		return nil
	}
	switch re.Op {
	case syntax.OpLiteral:
		if re.Flags&syntax.FoldCase != 0 {
			return textCondition(string(re.Rune), store.ContainsFold)
		}
		return textCondition(string(re.Rune), store.Contains)
	case syntax.OpCapture, syntax.OpPlus:
		return requires(re.Sub[0], depth+1)
	case syntax.OpConcat:
		var all store.And
		for _, sub := range re.Sub {
			if cond := requires(sub, depth+1); cond != nil {
				all = append(all, cond)
			}
		}
		switch len(all) {
		case 0:
			return nil
		case 1:
			return all[0]
		}
		return all
	case syntax.OpAlternate:
		any := store.Or{}
		for _, sub := range re.Sub {
			cond := requires(sub, depth+1)
			if cond == nil {
				return nil
			}
			any = append(any, cond)
		}
		return any
	}
	return nil
}

// filter is the condition for a filter on labels that are as the record has
// them, nil when the store cannot tell.
func (p *planner) filter(f LabelFilter) store.Expr {
	switch f := f.(type) {
	case *StringFilter:
		return p.stringFilter(f.Matcher)
	case *BinaryFilter:
		left, right := p.filter(f.Left), p.filter(f.Right)
		switch {
		case f.Or && left != nil && right != nil:
			return store.Or{left, right}
		case f.Or || left == nil && right == nil:
			return nil
		case left == nil:
			return right
		case right == nil:
			return left
		}
		return store.And{left, right}
	}
	return nil
}

// ownNames are labels that are made of more than attributes.
var ownNames = []string{
	errorLabel, detailsLabel, preserveLabel, "severity_number", "severity_text", "observed_timestamp", "event_name", "flags", "scope_name", "scope_version",
}

func (p *planner) stringFilter(m *Matcher) store.Expr {
	switch {
	case m.Name == levelLabel:
		return levelCondition(m)
	case m.Op != MatchEqual || m.Value == "" || m.Name == serviceLabel && m.Value == unknownService,
		slices.Contains(ownNames, m.Name), strings.HasSuffix(m.Name, extracted), strings.EqualFold(m.Value, "nan"):
		return nil
	}
	any := store.Or{}
	switch m.Name {
	case traceLabel:
		any = append(any, store.Cond{Field: store.Field{Name: store.FieldTraceID}, Op: store.Eq, Value: store.StringValue(m.Value)})
	case spanLabel:
		any = append(any, store.Cond{Field: store.Field{Name: store.FieldSpanID}, Op: store.Eq, Value: store.StringValue(m.Value)})
	}
	keys, ok := p.keysIn(store.AnyAttr)
	if !ok {
		return nil
	}
	for _, k := range keys {
		name := sanitize(k.Field.Name, true)
		switch {
		case k.Type == store.Map && strings.HasPrefix(m.Name, name+"_"):
			return nil
		case name != m.Name:
		case k.Type == store.Bytes || k.Type == store.Array:
			return nil
		default:
			any = append(any, textConditions(store.Field{Place: store.AnyAttr, Name: k.Field.Name}, m.Value)...)
		}
	}
	return one(any)
}

// textConditions hold for values that are written like text.
func textConditions(f store.Field, text string) store.Or {
	any := store.Or{store.Cond{Field: f, Op: store.Eq, Value: store.StringValue(text)}}
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		any = append(any, store.Cond{Field: f, Op: store.Eq, Value: store.IntValue(n)})
	}
	if d, err := strconv.ParseFloat(text, 64); err == nil {
		any = append(any, store.Cond{Field: f, Op: store.Eq, Value: store.DoubleValue(d)})
	}
	if b, err := strconv.ParseBool(text); err == nil {
		any = append(any, store.Cond{Field: f, Op: store.Eq, Value: store.BoolValue(b)})
	}
	return any
}

// levelCondition holds for records of the levels that m accepts, and for those
// whose severity number does not say it.
func levelCondition(m *Matcher) store.Expr {
	field := store.Field{Name: store.FieldSeverity}
	bound := func(op store.Op, n int) store.Expr {
		return store.Cond{Field: field, Op: op, Value: store.IntValue(int64(n))}
	}
	any := store.Or{bound(store.Lt, 1), bound(store.Gt, 24)}
	for i, word := range levels[1:] {
		if m.Matches(word) {
			any = append(any, store.And{bound(store.Ge, 4*i+1), bound(store.Le, 4*i+4)})
		}
	}
	return any
}

// need says which parts of records a query looks at, when its result has only
// the labels of g; all says that it looks at all labels.
func need(e *LogExpr, g *Grouping, unwrap, bytes bool) store.Need {
	n := store.NeedCore
	if bytes {
		n |= store.NeedBody
	}
	for _, s := range e.Stages {
		switch s := s.(type) {
		case *LineFilter:
			n |= store.NeedBody
		case *Prune:
			if s.Keep || slices.ContainsFunc(s.Labels, func(l PruneLabel) bool { return l.Name != errorLabel && l.Name != detailsLabel }) {
				return store.NeedAll
			}
		default:
			return store.NeedAll
		}
	}
	if g == nil || g.Without || unwrap {
		return n | store.NeedResource | store.NeedScope | store.NeedAttrs
	}
	names := slices.Clone(g.Labels)
	for _, m := range e.Matchers {
		names = append(names, m.Name)
	}
	for _, name := range names {
		switch {
		case name == serviceLabel:
		case name == levelLabel:
			n |= store.NeedAttrs
		case AttrOf(name) != name:
			n |= store.NeedResource
		default:
			n |= store.NeedResource | store.NeedScope | store.NeedAttrs
		}
	}
	return n
}
