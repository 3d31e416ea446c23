package logql

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/signalbox-otel/signalbox/internal/query"
)

// Bounds of a query: what is beyond them was not typed by a person.
const (
	maxQueryBytes = 64 << 10
	maxDepth      = 100
	maxParts      = 2000 // stages, conditions and calls
)

// Parse reads a query; docs/logql.md describes the language. Errors are
// *query.SyntaxError.
func Parse(src string) (Expr, error) {
	p, err := newParser(src)
	if err != nil {
		return nil, err
	}
	e, err := p.expr(0)
	if err != nil {
		return nil, err
	}
	if t := p.peek(); t.kind != tokenEnd {
		return nil, p.unexpected(t, "an operator or the end of the query")
	}
	return e, nil
}

// ParseLog is Parse for queries that ask for log lines.
func ParseLog(src string) (*LogExpr, error) {
	e, err := Parse(src)
	if err != nil {
		return nil, err
	}
	l, ok := e.(*LogExpr)
	if !ok {
		return nil, &query.SyntaxError{Query: src, Msg: "this gives numbers; a query for log lines begins with a selector like {service_name=\"shop\"}"}
	}
	return l, nil
}

// ParseMatchers reads a selector without a pipeline. Other than in queries it
// may be satisfied by records without labels.
func ParseMatchers(src string) ([]*Matcher, error) {
	p, err := newParser(src)
	if err != nil {
		return nil, err
	}
	matchers, err := p.selector()
	if err != nil {
		return nil, err
	}
	if t := p.peek(); t.kind != tokenEnd {
		return nil, p.fail(t.pos, "only a selector is expected here, without a pipeline")
	}
	return matchers, nil
}

// parser reads a query by recursive descent.
type parser struct {
	src    string
	tokens []token
	depth  int
	parts  int
}

func newParser(src string) (*parser, error) {
	if len(src) > maxQueryBytes {
		return nil, &query.SyntaxError{Query: src, Pos: maxQueryBytes, Msg: fmt.Sprintf("the query is longer than %d bytes", maxQueryBytes)}
	}
	tokens, err := lex(src)
	if err != nil {
		return nil, err
	}
	return &parser{src: src, tokens: tokens}, nil
}

func (p *parser) peek() token { return p.tokens[0] }

// after is the token behind the next.
func (p *parser) after() token { return p.tokens[min(1, len(p.tokens)-1)] }

func (p *parser) next() token {
	t := p.tokens[0]
	if t.kind != tokenEnd {
		p.tokens = p.tokens[1:]
	}
	return t
}

func (p *parser) fail(pos int, format string, args ...any) error {
	return &query.SyntaxError{Query: p.src, Pos: pos, Msg: fmt.Sprintf(format, args...)}
}

func (p *parser) unexpected(t token, wanted string) error {
	if t.kind == tokenEnd {
		return p.fail(t.pos, "the query ends here; expected %s", wanted)
	}
	return p.fail(t.pos, "%s is not expected here; expected %s", p.src[t.pos:t.end], wanted)
}

// expect takes an operator.
func (p *parser) expect(op string) error {
	if t := p.peek(); !t.op(op) {
		return p.unexpected(t, op)
	}
	p.next()
	return nil
}

func (p *parser) name(what string) (string, error) {
	t := p.peek()
	if t.kind != tokenName {
		return "", p.unexpected(t, what)
	}
	p.next()
	return t.text, nil
}

func (p *parser) text(what string) (string, error) {
	t := p.peek()
	if t.kind != tokenText {
		return "", p.unexpected(t, what+" in quotes")
	}
	p.next()
	return t.text, nil
}

// enter counts a part of the query; leave must follow.
func (p *parser) enter() error {
	p.depth++
	return p.part()
}

func (p *parser) leave() { p.depth-- }

func (p *parser) part() error {
	if p.parts++; p.parts > maxParts || p.depth > maxDepth {
		return p.fail(p.peek().pos, "the query has too many parts, or is nested too deeply")
	}
	return nil
}

// logExpr reads a selector and its pipeline.
func (p *parser) logExpr() (*LogExpr, error) {
	pos := p.peek().pos
	matchers, err := p.selector()
	if err != nil {
		return nil, err
	}
	if !slices.ContainsFunc(matchers, func(m *Matcher) bool { return !m.Matches("") }) {
		return nil, p.fail(pos, `at least one label must be compared with something that is not empty; {service_name=~".+"} finds everything`)
	}
	e := &LogExpr{Matchers: matchers}
	for p.startsStage() {
		s, err := p.stage()
		if err != nil {
			return nil, err
		}
		e.Stages = append(e.Stages, s)
	}
	return e, nil
}

func (p *parser) selector() ([]*Matcher, error) {
	if err := p.expect("{"); err != nil {
		return nil, err
	}
	var matchers []*Matcher
	for !p.peek().op("}") {
		if len(matchers) > 0 {
			if err := p.expect(","); err != nil {
				return nil, err
			}
			if p.peek().op("}") {
				break
			}
		}
		if err := p.part(); err != nil {
			return nil, err
		}
		name, err := p.name("the name of a label")
		if err != nil {
			return nil, err
		}
		m, err := p.matcher(name)
		if err != nil {
			return nil, err
		}
		matchers = append(matchers, m)
	}
	p.next()
	return matchers, nil
}

// matcher reads operator and text behind the name of a label.
func (p *parser) matcher(name string) (*Matcher, error) {
	t := p.next()
	op := slices.Index(matchOps[:], t.text)
	if t.kind != tokenOp || op < 0 {
		return nil, p.unexpected(t, "=, !=, =~ or !~")
	}
	pos := p.peek().pos
	value, err := p.text("a value")
	if err != nil {
		return nil, err
	}
	m, err := NewMatcher(name, MatchOp(op), value)
	if err != nil {
		return nil, p.badRegexp(pos, err)
	}
	return m, nil
}

func (p *parser) badRegexp(pos int, err error) error {
	return p.fail(pos, "this is no regular expression: %s", strings.TrimPrefix(err.Error(), "error parsing regexp: "))
}

func (p *parser) startsStage() bool {
	t := p.peek()
	return t.op("|") || t.kind == tokenOp && slices.Contains(lineOps[:], t.text)
}

// stage reads one stage with the operator before it.
func (p *parser) stage() (Stage, error) {
	if err := p.part(); err != nil {
		return nil, err
	}
	if !p.peek().op("|") {
		return p.lineFilter()
	}
	p.next()
	t := p.peek()
	if read := p.stageReader(t); t.kind == tokenName && read != nil {
		p.next()
		return read()
	}
	switch {
	case t.word("distinct"):
		return nil, p.fail(t.pos, "distinct is not part of this language")
	case t.word("unwrap"):
		return nil, p.fail(t.pos, "unwrap belongs into a metric query, like sum_over_time({…} | unwrap %s [5m])", "latency")
	case t.kind == tokenText:
		return nil, p.fail(t.pos, "a line filter is written |= or |~, without a space")
	case t.kind != tokenName && !t.op("("):
		return nil, p.unexpected(t, "a parser, a condition on a label, or a format")
	}
	return p.filterOr()
}

// stageReader is what reads the stage of a name, nil when the name begins a
// condition.
func (p *parser) stageReader(t token) func() (Stage, error) {
	switch t.text {
	case "json", "logfmt":
		return func() (Stage, error) { return p.extracting(ParserKind(t.text)) }
	case "regexp", "pattern":
		return func() (Stage, error) { return p.withParam(ParserKind(t.text)) }
	case "unpack":
		return func() (Stage, error) { return &Parser{Kind: Unpack}, nil }
	case "line_format":
		return p.lineFormat
	case "label_format":
		return p.labelFormat
	case "decolorize":
		return func() (Stage, error) { return Decolorize{}, nil }
	case "drop", "keep":
		return func() (Stage, error) { return p.prune(t.text == "keep") }
	}
	return nil
}

// lineFilter reads |= "a" or "b" and the like.
func (p *parser) lineFilter() (Stage, error) {
	f := &LineFilter{Op: LineOp(slices.Index(lineOps[:], p.next().text))}
	for {
		if err := p.part(); err != nil {
			return nil, err
		}
		term := LineTerm{}
		if p.peek().word("ip") && p.after().op("(") {
			term.IP = true
			if f.Op > LineNotContains {
				return nil, p.fail(p.peek().pos, "ip() goes with |= and != only")
			}
		}
		pos := p.peek().pos
		var err error
		if term.IP {
			term.Text, err = p.ip()
		} else {
			term.Text, err = p.text("text")
		}
		if err != nil {
			return nil, err
		}
		if err := p.checkTerm(f.Op, term.Text, pos); err != nil {
			return nil, err
		}
		f.Terms = append(f.Terms, term)
		if !p.peek().word("or") || p.after().kind != tokenText && !p.after().word("ip") {
			return f, nil
		}
		p.next()
	}
}

func (p *parser) checkTerm(op LineOp, text string, pos int) error {
	switch op {
	case LineRegexp, LineNotRegexp:
		if _, err := regexp.Compile(text); err != nil {
			return p.badRegexp(pos, err)
		}
	case LinePattern, LineNotPattern:
		if _, err := compilePattern(text, false); err != nil {
			return p.fail(pos, "%v", err)
		}
	}
	return nil
}

// ip reads ip("range") and checks the range.
func (p *parser) ip() (string, error) {
	p.next()
	if err := p.expect("("); err != nil {
		return "", err
	}
	pos := p.peek().pos
	text, err := p.text("an address")
	if err != nil {
		return "", err
	}
	if _, err := parseAddresses(text); err != nil {
		return "", p.fail(pos, "%v", err)
	}
	return text, p.expect(")")
}

// extracting reads what follows json and logfmt: flags, and labels to take.
func (p *parser) extracting(kind ParserKind) (Stage, error) {
	s := &Parser{Kind: kind}
	for p.peek().kind == tokenFlag {
		t := p.next()
		if kind == JSON {
			return nil, p.fail(t.pos, "json has no flags")
		}
		s.Strict = s.Strict || t.text == "--strict"
		s.KeepEmpty = s.KeepEmpty || t.text == "--keep-empty"
	}
	for p.peek().kind == tokenName {
		if err := p.part(); err != nil {
			return nil, err
		}
		x := Extraction{Name: p.next().text}
		x.Path = x.Name
		if p.peek().op("=") {
			p.next()
			pos := p.peek().pos
			var err error
			if x.Path, err = p.text("a path"); err != nil {
				return nil, err
			}
			if kind == JSON {
				if _, err := parsePath(x.Path); err != nil {
					return nil, p.fail(pos, "%v", err)
				}
			}
		}
		s.Take = append(s.Take, x)
		if !p.peek().op(",") {
			break
		}
		p.next()
		if p.peek().kind != tokenName {
			return nil, p.unexpected(p.peek(), "the name of a label")
		}
	}
	return s, nil
}

// withParam reads what follows regexp and pattern.
func (p *parser) withParam(kind ParserKind) (Stage, error) {
	pos := p.peek().pos
	text, err := p.text("an expression")
	if err != nil {
		return nil, err
	}
	if kind == Pattern {
		_, err = compilePattern(text, true)
	} else {
		_, err = compileNamed(text)
	}
	if err != nil {
		return nil, p.fail(pos, "%v", err)
	}
	return &Parser{Kind: kind, Param: text}, nil
}

func (p *parser) lineFormat() (Stage, error) {
	pos := p.peek().pos
	text, err := p.text("a template")
	if err != nil {
		return nil, err
	}
	if _, err := newTemplate(text); err != nil {
		return nil, p.fail(pos, "%v", err)
	}
	return &LineFormat{Template: text}, nil
}

// labelFormat reads a=b, c="{{.d}}".
func (p *parser) labelFormat() (Stage, error) {
	s := &LabelFormat{}
	for {
		if err := p.part(); err != nil {
			return nil, err
		}
		at := p.peek().pos
		name, err := p.name("the name of a label")
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(s.Formats, func(f Format) bool { return f.Name == name }) {
			return nil, p.fail(at, "%s is formatted twice in one stage", name)
		}
		if err := p.expect("="); err != nil {
			return nil, err
		}
		f := Format{Name: name}
		switch t := p.next(); t.kind {
		case tokenName:
			f.From = t.text
		case tokenText:
			f.From, f.Template = t.text, true
			if _, err := newTemplate(t.text); err != nil {
				return nil, p.fail(t.pos, "%v", err)
			}
		default:
			return nil, p.unexpected(t, "a label or a template")
		}
		s.Formats = append(s.Formats, f)
		if !p.peek().op(",") {
			return s, nil
		}
		p.next()
	}
}

// prune reads the labels behind drop and keep.
func (p *parser) prune(keep bool) (Stage, error) {
	s := &Prune{Keep: keep}
	for {
		if err := p.part(); err != nil {
			return nil, err
		}
		name, err := p.name("the name of a label")
		if err != nil {
			return nil, err
		}
		l := PruneLabel{Name: name}
		if t := p.peek(); t.kind == tokenOp && slices.Contains(matchOps[:], t.text) && p.after().kind == tokenText {
			if l.Match, err = p.matcher(name); err != nil {
				return nil, err
			}
		}
		s.Labels = append(s.Labels, l)
		if !p.peek().op(",") {
			return s, nil
		}
		p.next()
	}
}

// ParseLabels reads labels as a selector of equalities writes them, {a="b"}, and
// sorts them.
func ParseLabels(src string) (Labels, error) {
	matchers, err := ParseMatchers(src)
	if err != nil {
		return nil, err
	}
	labels := make(Labels, 0, len(matchers))
	for _, m := range matchers {
		if m.Op != MatchEqual || slices.ContainsFunc(labels, func(l Label) bool { return l.Name == m.Name }) {
			return nil, &query.SyntaxError{Query: src, Msg: "labels have one value each, like {job=\"mail\"}"}
		}
		labels = append(labels, Label{m.Name, m.Value})
	}
	labels.sort()
	return labels, nil
}
