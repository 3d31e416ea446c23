package query

import (
	"fmt"
	"strings"

	"github.com/signalbox-otel/signalbox/internal/store"
)

// Bounds of a condition: what is beyond them was not typed by a person.
const (
	maxQueryBytes = 16 << 10
	maxConditions = 500
	maxDepth      = 100
)

// Parse reads a condition on spans or log records; docs/query.md describes the
// language. The empty condition and {} give nil, which every record satisfies.
// Errors are *SyntaxError.
func Parse(kind store.Kind, src string) (store.Expr, error) {
	if len(src) > maxQueryBytes {
		return nil, &SyntaxError{src, maxQueryBytes, fmt.Sprintf("the condition is longer than %d bytes", maxQueryBytes)}
	}
	tokens, err := lex(src)
	if err != nil {
		return nil, err
	}
	p := &parser{src: src, tokens: tokens, lang: languageOf(kind)}
	return p.whole()
}

// parser reads a condition by recursive descent.
type parser struct {
	src        string
	tokens     []token
	lang       *language
	depth      int
	conditions int
}

func (p *parser) peek() token { return p.tokens[0] }

func (p *parser) next() token {
	t := p.tokens[0]
	if t.kind != tokenEnd {
		p.tokens = p.tokens[1:]
	}
	return t
}

func (p *parser) fail(pos int, format string, args ...any) error {
	return &SyntaxError{p.src, pos, fmt.Sprintf(format, args...)}
}

func (p *parser) whole() (store.Expr, error) {
	braces := p.peek().is("{")
	if braces {
		p.next()
	}
	var e store.Expr
	if end := p.peek(); end.kind != tokenEnd && !(braces && end.is("}")) {
		var err error
		if e, err = p.or(); err != nil {
			return nil, err
		}
	}
	if braces {
		if t := p.next(); !t.is("}") {
			return nil, p.unexpected(t, "the closing } is missing")
		}
	}
	if t := p.peek(); t.kind != tokenEnd {
		if braces {
			switch {
			case t.is("|"):
				return nil, p.fail(t.pos, "a condition is about one %s and has no pipeline%s", p.record(), p.elsewhere())
			default:
				return nil, p.fail(t.pos, "sets are not combined; put every condition into one pair of braces%s", p.elsewhere())
			}
		}
		return nil, p.unexpected(t, "")
	}
	return e, nil
}

func (p *parser) record() string {
	if p.lang == &logLanguage {
		return "log record"
	}
	return "span"
}

// elsewhere says what else there is for spans.
func (p *parser) elsewhere() string {
	if p.lang == &logLanguage {
		return ""
	}
	return " (a search for traces takes TraceQL, which has them)"
}

// unexpected says what is wrong with a token that nothing begins or goes on with.
func (p *parser) unexpected(t token, missing string) error {
	switch {
	case t.kind == tokenEnd:
		return p.fail(t.pos, "%s", missing)
	case t.is("&", "|", ","):
		return p.fail(t.pos, "unknown operator %s; write && for and, || for or", t.text)
	case t.is("~"):
		return p.fail(t.pos, "unknown operator ~; write =~ to match a regular expression")
	case t.is("{"):
		return p.fail(t.pos, "braces only go around the whole condition; group with ( )")
	case t.is(")"):
		return p.fail(t.pos, "this ) closes nothing")
	}
	return p.fail(t.pos, "%s is not expected here", p.src[t.pos:t.end])
}

func (t token) keyword(w string) bool {
	return t.kind == tokenWord && t.text == w && t.plain == len(w)
}

func (p *parser) or() (store.Expr, error) {
	var parts store.Or
	for {
		e, err := p.and()
		if err != nil {
			return nil, err
		}
		parts = append(parts, e)
		if t := p.peek(); !t.is("||") && !t.keyword("OR") {
			return anyOf(parts...), nil
		}
		p.next()
	}
}

// and reads conditions joined by &&, by AND, or by standing side by side.
func (p *parser) and() (store.Expr, error) {
	var parts store.And
	for {
		e, err := p.not()
		if err != nil {
			return nil, err
		}
		parts = append(parts, e)
		switch t := p.peek(); {
		case t.is("&&"), t.keyword("AND"):
			p.next()
		case t.keyword("OR"):
			return allOf(parts...), nil
		case t.kind == tokenWord, t.kind == tokenText, t.is("("), t.is("!"):
		default:
			return allOf(parts...), nil
		}
	}
}

func (p *parser) not() (store.Expr, error) {
	t := p.peek()
	if !t.is("!", "(") && !t.keyword("NOT") {
		return p.condition()
	}
	if p.depth++; p.depth > maxDepth {
		return nil, p.fail(t.pos, "conditions are nested more than %d deep", maxDepth)
	}
	defer func() { p.depth-- }()
	p.next()
	if !t.is("(") {
		e, err := p.not()
		return store.Not{Expr: e}, err
	}
	e, err := p.or()
	if err != nil {
		return nil, err
	}
	if end := p.next(); !end.is(")") {
		return nil, p.unexpected(end, "the closing ) is missing")
	}
	return e, nil
}

// condition reads field op value, value op field, a boolean attribute, a
// constant or bare text.
func (p *parser) condition() (store.Expr, error) {
	left := p.next()
	if left.kind != tokenWord && left.kind != tokenText {
		return nil, p.unexpected(left, "a condition is missing here")
	}
	if p.conditions++; p.conditions > maxConditions {
		return nil, p.fail(left.pos, "there are more than %d conditions", maxConditions)
	}
	op, ok := comparisons[p.peek().text]
	if p.peek().kind != tokenOp || !ok {
		return p.alone(left)
	}
	opToken := p.next()
	right := p.next()
	if right.kind != tokenWord && right.kind != tokenText {
		if right.kind == tokenEnd {
			return nil, p.fail(right.pos, "a value is missing behind %s", opToken.text)
		}
		return nil, p.fail(right.pos, "a value is missing behind %s; put text into double quotes", opToken.text)
	}
	if isLiteral(left) {
		flipped, ok := flips[op]
		if !ok || right.kind == tokenText || isLiteral(right) {
			return nil, p.fail(left.pos, "the left side is a value, not a field; the attribute of that name is written .%q", left.text)
		}
		left, right, op = right, left, flipped
	}
	f, err := p.lang.resolve(p.src, left)
	if err != nil {
		return nil, err
	}
	c := comparison{p: p, field: f, name: p.src[left.pos:left.end], op: op, opPos: opToken.pos, value: right}
	return c.expr()
}

// alone reads a word or text that no operator follows.
func (p *parser) alone(t token) (store.Expr, error) {
	switch {
	case t.keyword("true"):
		return store.And{}, nil
	case t.keyword("false"):
		return store.Or{}, nil
	case t.kind == tokenWord:
		if _, name, ok := p.lang.scope(t); ok && name != "" && !strings.HasSuffix(t.text, ".") {
			f, err := p.lang.resolve(p.src, t)
			return store.Cond{Field: f.Field, Op: store.Eq, Value: store.BoolValue(true)}, err
		}
	}
	var anywhere store.Or
	for _, f := range p.lang.text {
		anywhere = append(anywhere, store.Cond{Field: f, Op: store.ContainsFold, Value: store.StringValue(t.text)})
	}
	return anyOf(anywhere...), nil
}

// allOf is And without needless nesting, so that what is parsed has one form.
func allOf(parts ...store.Expr) store.Expr {
	flat := store.And{}
	for _, e := range parts {
		if inner, ok := e.(store.And); ok {
			flat = append(flat, inner...)
			continue
		}
		flat = append(flat, e)
	}
	if len(flat) == 1 {
		return flat[0]
	}
	return flat
}

// anyOf is allOf for Or.
func anyOf(parts ...store.Expr) store.Expr {
	flat := store.Or{}
	for _, e := range parts {
		if inner, ok := e.(store.Or); ok {
			flat = append(flat, inner...)
			continue
		}
		flat = append(flat, e)
	}
	if len(flat) == 1 {
		return flat[0]
	}
	return flat
}
