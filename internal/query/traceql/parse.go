package traceql

import (
	"fmt"
	"strings"

	"github.com/signalbox-otel/signalbox/internal/query"
)

// Bounds of a query: what is beyond them was not typed by a person.
const (
	maxQueryBytes = 16 << 10
	maxParts      = 1000
	maxDepth      = 100
	maxFields     = 20
)

// Parse reads a query; docs/traceql.md describes the language. The empty query
// is {}. Errors are *query.SyntaxError.
func Parse(src string) (*Query, error) {
	if len(src) > maxQueryBytes {
		return nil, &query.SyntaxError{Query: src, Pos: maxQueryBytes, Msg: fmt.Sprintf("the query is longer than %d bytes", maxQueryBytes)}
	}
	tokens, err := lex(src)
	if err != nil {
		return nil, err
	}
	p := &parser{src: src, tokens: tokens}
	return p.query()
}

// parser reads a query by recursive descent.
type parser struct {
	src    string
	tokens []token
	depth  int
	parts  int
}

func (p *parser) peek() token { return p.tokens[0] }

// after is the token behind the next one.
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

// expect reads an operator or bracket.
func (p *parser) expect(op, why string) error {
	if t := p.next(); !t.is(op) {
		return p.unexpected(t, fmt.Sprintf("%s is missing %s", op, why))
	}
	return nil
}

// unexpected says what is wrong with a token that nothing begins or goes on
// with; missing is what to say at the end of the query.
func (p *parser) unexpected(t token, missing string) error {
	switch {
	case t.kind == tokenEnd:
		return p.fail(t.pos, "%s", missing)
	case t.is("&"):
		return p.fail(t.pos, "unknown operator &; write && for and")
	case t.is(")", "}"):
		return p.fail(t.pos, "this %s closes nothing; %s", t.text, missing)
	}
	return p.fail(t.pos, "%s is not expected here; %s", p.src[t.pos:t.end], missing)
}

// deeper counts brackets and the parts of the query; call the result when done.
func (p *parser) deeper(t token) (func(), error) {
	if p.parts++; p.parts > maxParts {
		return nil, p.fail(t.pos, "the query has more than %d parts", maxParts)
	}
	if p.depth++; p.depth > maxDepth {
		return nil, p.fail(t.pos, "the query is nested more than %d deep", maxDepth)
	}
	return func() { p.depth-- }, nil
}

func (p *parser) query() (*Query, error) {
	q := &Query{src: p.src}
	if p.peek().kind == tokenEnd {
		q.pipeline = pipeline{&filter{}}
		return q, nil
	}
	var err error
	if q.pipeline, err = p.stages(); err != nil {
		return nil, err
	}
	if p.peek().is("|") {
		p.next()
		if q.metrics, err = p.metrics(); err != nil {
			return nil, err
		}
	}
	if p.peek().word("with") {
		if q.hints, err = p.with(); err != nil {
			return nil, err
		}
	}
	if t := p.peek(); t.kind != tokenEnd {
		return nil, p.unexpected(t, "behind a set of spans come &&, ||, a structural operator such as >>, or | and a function")
	}
	return q, nil
}

// stages reads a pipeline up to its end or to a metrics function.
func (p *parser) stages() (pipeline, error) {
	var stages pipeline
	for {
		s, err := p.stage(len(stages) == 0)
		if err != nil {
			return nil, err
		}
		stages = append(stages, s)
		if p.parts++; p.parts > maxParts {
			return nil, p.fail(p.peek().pos, "the query has more than %d parts", maxParts)
		}
		if !p.peek().is("|") || p.after().kind == tokenWord && isMetrics(p.after().text) {
			return stages, nil
		}
		p.next()
	}
}

var stageWords = []string{"by", "coalesce", "select", "count", "avg", "min", "max", "sum"}

func (p *parser) stage(first bool) (stage, error) {
	t := p.peek()
	switch {
	case t.is("{"), t.is("(") && p.opensSet():
		return p.set(1)
	case t.word("by") && p.after().is("("):
		return p.group()
	case t.word("coalesce") && !first:
		p.next()
		if err := p.expect("(", "behind coalesce"); err != nil {
			return nil, err
		}
		return coalesce{}, p.expect(")", "behind coalesce(")
	case t.word("select") && !first:
		p.next()
		fields, err := p.fields()
		return &selection{fields}, err
	case t.word("count", "avg", "min", "max", "sum"), t.kind == tokenLiteral, t.is("(", "-"):
		return p.scalarFilter()
	case t.kind == tokenWord && first && isMetrics(t.text):
		return nil, p.fail(t.pos, "a set of spans is missing before %s; write {} | %s(...) for all spans", t.text, t.text)
	case t.kind == tokenWord && p.after().is("("):
		if w := query.Closest(t.text, append(stageWords, metricsNames()...)); w != "" {
			return nil, p.fail(t.pos, "unknown function %s; did you mean %s?", t.text, w)
		}
		return nil, p.fail(t.pos, "unknown function %s; there are %s, %s", t.text, strings.Join(stageWords, ", "), strings.Join(metricsNames(), ", "))
	case t.kind == tokenWord || t.kind == tokenAttribute:
		return nil, p.fail(t.pos, "conditions are put into braces: { %s }", strings.TrimSpace(p.src[t.pos:]))
	}
	return nil, p.unexpected(t, "a set of spans such as { status = error } is missing")
}

// opensSet reports whether the brackets that come next hold sets of spans and
// not numbers.
func (p *parser) opensSet() bool {
	for _, t := range p.tokens {
		if !t.is("(") {
			return t.is("{") || t.word("by", "coalesce", "select")
		}
	}
	return false
}

// set reads sets of spans and the operators between them that bind at least so
// close.
func (p *parser) set(binds int) (stage, error) {
	l, err := p.oneSet()
	if err != nil {
		return nil, err
	}
	for {
		t := p.peek()
		op := operatorWords[t.text]
		_, isStructural := structuralWords[t.text]
		level := 1
		if isStructural {
			level = 2
		}
		if t.kind != tokenOperator || level < binds || op != opAnd && op != opOr && !isStructural {
			return l, nil
		}
		p.next()
		done, err := p.deeper(t)
		if err != nil {
			return nil, err
		}
		r, err := p.set(level + 1)
		done()
		if err != nil {
			return nil, err
		}
		if isStructural {
			l = &related{structuralWords[t.text], l, r}
		} else {
			l = &combined{op, l, r}
		}
	}
}

// oneSet reads a filter, or a pipeline in brackets.
func (p *parser) oneSet() (stage, error) {
	t := p.next()
	done, err := p.deeper(t)
	if err != nil {
		return nil, err
	}
	defer done()
	switch {
	case t.is("{"):
		return p.filter()
	case !t.is("("):
		return nil, p.unexpected(t, "a set of spans such as { status = error } is missing")
	}
	stages, err := p.stages()
	if err != nil {
		return nil, err
	}
	if err := p.expect(")", "behind the pipeline in brackets"); err != nil {
		return nil, err
	}
	if len(stages) == 1 {
		switch s := stages[0].(type) {
		case *filter, *combined, *related, pipeline:
			return s, nil
		}
	}
	return stages, nil
}

// filter reads what is behind {.
func (p *parser) filter() (*filter, error) {
	if p.peek().is("}") {
		p.next()
		return &filter{}, nil
	}
	from := p.peek()
	x, err := p.expr(1)
	if err != nil {
		return nil, err
	}
	if t := p.next(); !t.is("}") {
		return nil, p.unexpected(t, "the closing } is missing")
	}
	if !canBe(x, typeBool) {
		return nil, p.fail(from.pos, "a condition is missing: this is %s", typeWords[x.typ()])
	}
	return &filter{x}, nil
}

// group reads by(expression).
func (p *parser) group() (stage, error) {
	p.next()
	p.next()
	x, err := p.expr(1)
	if err != nil {
		return nil, err
	}
	return &groupBy{x}, p.expect(")", "behind the expression of by(")
}

// fields reads a list of fields in brackets.
func (p *parser) fields() ([]*field, error) {
	if err := p.expect("(", "before the list of fields"); err != nil {
		return nil, err
	}
	var fields []*field
	for {
		f, err := p.field()
		if err != nil {
			return nil, err
		}
		if fields = append(fields, f); len(fields) > maxFields {
			return nil, p.fail(p.peek().pos, "there are more than %d fields", maxFields)
		}
		t := p.next()
		if t.is(")") {
			return fields, nil
		}
		if !t.is(",") {
			return nil, p.unexpected(t, "fields are separated by commas and end with )")
		}
	}
}

// with reads the hints behind a query.
func (p *parser) with() ([]hint, error) {
	p.next()
	if err := p.expect("(", "behind with"); err != nil {
		return nil, err
	}
	var hints []hint
	for {
		name := p.next()
		if name.kind != tokenWord {
			return nil, p.unexpected(name, "the name of a hint is missing")
		}
		if err := p.expect("=", "behind the name of a hint"); err != nil {
			return nil, err
		}
		x, err := p.operand()
		if err != nil {
			return nil, err
		}
		v, ok := x.(literal)
		if !ok {
			return nil, p.fail(name.pos, "the value of a hint is a number, text, true or false")
		}
		if hints = append(hints, hint{name.text, v.v}); len(hints) > maxFields {
			return nil, p.fail(name.pos, "there are more than %d hints", maxFields)
		}
		t := p.next()
		if t.is(")") {
			return hints, nil
		}
		if !t.is(",") {
			return nil, p.unexpected(t, "hints are separated by commas and end with )")
		}
	}
}
