package query

import (
	"cmp"
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/signalbox-otel/signalbox/internal/store"
)

// PatternSearch asks which forms the bodies of log records have.
type PatternSearch struct {
	Start, End uint64
	Where      store.Expr
	Limit      int // patterns; 0 means 100
}

// Pattern is one form of bodies: what they share, with Wildcard for what
// differs.
type Pattern struct {
	Template string
	Count    uint64
	Levels   [SeverityLevels]uint64
	// First and Last are the times of the oldest and the newest such record.
	First, Last uint64
	Example     string // a body of this form, its beginning when it is long
	// Where holds for the bodies of this form; nil when no condition says it.
	Where store.Expr

	words []string
}

// Patterns are the forms of the bodies of log records, most frequent first.
type Patterns struct {
	Records  uint64
	Distinct int // forms found; Patterns has the most frequent
	Patterns []*Pattern
	Report   store.Report
}

// Wildcard stands in a Pattern for a part that differs.
const Wildcard = "<*>"

const (
	maxPatterns    = 20_000 // forms that are told apart before merging
	patternWords   = 48     // of a body that are looked at
	patternBytes   = 2048
	exampleBytes   = 300
	mergeVariants  = 6 // values that make a word a variable
	structuredBody = "(a body with structure)"
	stoppedForms   = "pattern limit"
)

// Patterns groups log records by the form of their bodies: words with digits or
// quotes differ from record to record, and so does a word at a place where
// otherwise equal forms have many values.
func (e *Engine) Patterns(ctx context.Context, q PatternSearch) (*Patterns, error) {
	a := &Patterns{}
	found := map[string]*Pattern{}
	sq := store.Query{Start: q.Start, End: e.until(q.End), Where: q.Where, Need: store.NeedBody, Report: &a.Report}
	for l, err := range e.logs(ctx, sq) {
		if err != nil {
			return nil, fmt.Errorf("grouping log records: %w", err)
		}
		a.Records++
		words := formOf(l)
		template := strings.Join(words, " ")
		p := found[template]
		if p == nil {
			if len(found) == maxPatterns {
				a.Report.Stopped = stoppedForms
				break
			}
			p = &Pattern{Template: template, words: words, First: l.At(), Last: l.At()}
			found[template] = p
		}
		p.add(l)
	}
	patterns := make([]*Pattern, 0, len(found))
	for _, p := range found {
		patterns = append(patterns, p)
	}
	patterns = mergeForms(patterns)
	slices.SortFunc(patterns, func(a, b *Pattern) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Template, b.Template))
	})
	a.Distinct = len(patterns)
	a.Patterns = patterns[:min(e.limit(q.Limit, 100), len(patterns))]
	for _, p := range a.Patterns {
		p.Where = p.condition()
	}
	return a, nil
}

func (p *Pattern) add(l *store.Log) {
	p.Count++
	p.Levels[SeverityLevel(l.SeverityNumber)]++
	p.First, p.Last = min(p.First, l.At()), max(p.Last, l.At())
	body := l.Body.Str()
	// The least of all is an example that does not depend on the order of reading.
	if example := beginning(body, exampleBytes); l.Body.Type == store.String && (p.Example == "" || example < p.Example) {
		p.Example = strings.Clone(example)
	}
}

// formOf gives the words of a record's body, with Wildcard for what is no word.
func formOf(l *store.Log) []string {
	if l.Body.Type != store.String {
		return []string{cmp.Or(l.EventName, structuredBody)}
	}
	body := beginning(l.Body.Str(), patternBytes)
	words := strings.Fields(body)
	cut := len(body) < len(l.Body.Str()) || len(words) > patternWords
	words = words[:min(len(words), patternWords)]
	for i, w := range words {
		words[i] = maskWord(w)
	}
	if cut {
		words = append(words, "…")
	}
	return words
}

// variable is what varies inside of a word: quoted text, and what has a digit.
var variable = regexp.MustCompile(`"[^"]*"|'[^']*'|[\pL\pM_.+-]*\pN[\pL\pM\pN_.+-]*`)

func maskWord(w string) string {
	if !strings.ContainsAny(w, `"'`) && strings.IndexFunc(w, isDigit) < 0 {
		return strings.Clone(w)
	}
	return variable.ReplaceAllLiteralString(w, Wildcard)
}

func isDigit(r rune) bool { return r >= '0' && r <= '9' || r > 0x7f && numeral.MatchString(string(r)) }

var numeral = regexp.MustCompile(`\pN`)

// mergeForms puts forms together that differ in one word only, where that word
// has at least mergeVariants values: a name, not one of two outcomes. The first
// word never varies.
func mergeForms(patterns []*Pattern) []*Pattern {
	for place := 1; place < patternWords; place++ {
		alike := map[string][]*Pattern{}
		var out []*Pattern
		for _, p := range patterns {
			if place >= len(p.words) || p.words[place] == Wildcard {
				out = append(out, p)
				continue
			}
			key := strings.Join(p.words[:place], " ") + "\x00" + strings.Join(p.words[place+1:], " ")
			alike[key] = append(alike[key], p)
		}
		if len(alike) == 0 {
			break
		}
		for _, group := range alike {
			if len(group) < mergeVariants {
				out = append(out, group...)
			} else {
				out = append(out, merged(group, place))
			}
		}
		patterns = unite(out)
	}
	return patterns
}

// merged is one form for all of group, which differ at place.
func merged(group []*Pattern, place int) *Pattern {
	words := slices.Clone(group[0].words)
	words[place] = Wildcard
	m := &Pattern{Template: strings.Join(words, " "), words: words, First: group[0].First, Example: group[0].Example}
	for _, p := range group {
		m.include(p)
	}
	return m
}

func (p *Pattern) include(other *Pattern) {
	p.Count += other.Count
	for i, n := range other.Levels {
		p.Levels[i] += n
	}
	p.First, p.Last = min(p.First, other.First), max(p.Last, other.Last)
	p.Example = min(p.Example, other.Example)
}

// unite puts patterns with the same template together, as merging can make them.
func unite(patterns []*Pattern) []*Pattern {
	byTemplate := make(map[string]*Pattern, len(patterns))
	out := patterns[:0]
	for _, p := range patterns {
		if same := byTemplate[p.Template]; same != nil {
			same.include(p)
			continue
		}
		byTemplate[p.Template] = p
		out = append(out, p)
	}
	return out
}

// condition holds for the bodies of this form.
func (p *Pattern) condition() store.Expr {
	if len(p.words) == 0 || p.Example == "" {
		return nil
	}
	var re strings.Builder
	re.WriteString(`(?s)\s*`)
	for i, w := range p.words {
		if w == "…" && i == len(p.words)-1 {
			re.WriteString(`.*`)
			break
		}
		if i > 0 {
			re.WriteString(`\s+`)
		}
		for j, part := range strings.Split(w, Wildcard) {
			if j > 0 {
				re.WriteString(`\S+`)
			}
			re.WriteString(regexp.QuoteMeta(part))
		}
	}
	re.WriteString(`\s*`)
	return store.Cond{Field: store.Field{Name: store.FieldBody}, Op: store.Regexp, Value: store.StringValue(re.String())}
}

// beginning cuts s at a character, to at most limit bytes.
func beginning(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	for limit > 0 && s[limit]&0xc0 == 0x80 {
		limit--
	}
	return s[:limit]
}
