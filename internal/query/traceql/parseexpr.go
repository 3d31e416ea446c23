package traceql

import (
	"strings"

	"github.com/signalbox-otel/signalbox/internal/query"
	"github.com/signalbox-otel/signalbox/internal/store"
)

// canBe reports whether an expression may have a value of that type.
func canBe(x expr, t valueType) bool {
	return x.typ() == t || x.typ() == typeAny
}

func canCount(x expr) bool { return x.typ().numeric() || x.typ() == typeAny }

// expr reads an expression whose operators bind at least so close.
func (p *parser) expr(binds int) (expr, error) {
	l, err := p.operand()
	if err != nil {
		return nil, err
	}
	for {
		t := p.peek()
		op := operatorWords[t.text]
		if t.kind != tokenOperator || op == 0 || op.binds() < binds {
			return l, nil
		}
		p.next()
		done, err := p.deeper(t)
		if err != nil {
			return nil, err
		}
		next := op.binds() + 1
		if op == opPower {
			next--
		}
		from := p.peek()
		r, err := p.expr(next)
		done()
		if err != nil {
			return nil, err
		}
		if l, err = p.binary(t, op, l, from, r); err != nil {
			return nil, err
		}
	}
}

// operand reads an expression without binary operators around it.
func (p *parser) operand() (expr, error) {
	t := p.peek()
	done, err := p.deeper(t)
	if err != nil {
		return nil, err
	}
	defer done()
	switch {
	case t.is("("):
		p.next()
		x, err := p.expr(1)
		if err != nil {
			return nil, err
		}
		return x, p.expect(")", "behind the expression in brackets")
	case t.is("!"):
		p.next()
		x, err := p.expr(opNot.binds() + 1)
		if err == nil && !canBe(x, typeBool) {
			err = p.fail(t.pos, "! goes with a condition, not with %s; put the condition into brackets: !(...)", typeWords[x.typ()])
		}
		return &unary{opNot, x}, err
	case t.is("-"):
		p.next()
		x, err := p.expr(opSubtract.binds() + 1)
		if err != nil {
			return nil, err
		}
		if v, ok := x.(literal); ok && v.v.typ.numeric() {
			return literal{v.v.negated()}, nil
		}
		if !canCount(x) {
			return nil, p.fail(t.pos, "- goes with a number, not with %s", typeWords[x.typ()])
		}
		return &unary{opSubtract, x}, nil
	case t.kind == tokenLiteral:
		p.next()
		return literal{t.v}, nil
	case t.kind == tokenWord:
		if v, ok := wordLiteral(t.text); ok {
			p.next()
			return literal{v}, nil
		}
		return p.field()
	case t.kind == tokenAttribute:
		return p.field()
	}
	return nil, p.unexpected(t, "a field or a value is missing")
}

// wordLiteral finds the value that a word stands for.
func wordLiteral(word string) (Value, bool) {
	switch word {
	case "true", "false":
		return boolValue(word == "true"), true
	case "nil":
		return Value{}, true
	case "unset", "ok", "error":
		for code := int32(0); ; code++ {
			if query.StatusWord(code) == word {
				return wordValue(typeStatus, code), true
			}
		}
	}
	for kind, w := range query.KindWords() {
		if w == word {
			return wordValue(typeKind, int32(kind)), true
		}
	}
	return Value{}, false
}

// field reads the name of a field.
func (p *parser) field() (*field, error) {
	t := p.next()
	switch t.kind {
	case tokenAttribute:
		return &field{scope: t.scope, name: t.text, parent: t.parent}, nil
	case tokenWord:
		if in := intrinsicOf(t.text); in != nil {
			return &field{intrinsic: in}, nil
		}
		return nil, p.unknownField(t)
	}
	return nil, p.unexpected(t, "a field is missing: an attribute such as span.http.route, or one of name, kind, status, duration and the like")
}

// binary checks and joins two expressions; from is where the right one begins.
func (p *parser) binary(at token, op operator, l expr, from token, r expr) (expr, error) {
	switch {
	case op == opAnd || op == opOr:
		for _, x := range []expr{l, r} {
			if !canBe(x, typeBool) {
				return nil, p.fail(at.pos, "%s joins conditions, not %s", at.text, typeWords[x.typ()])
			}
		}
	case op.isArithmetic():
		for _, x := range []expr{l, r} {
			if !canCount(x) {
				return nil, p.fail(at.pos, "%s calculates with numbers, not with %s", at.text, typeWords[x.typ()])
			}
		}
	default:
		return p.comparison(at, op, l, from, r)
	}
	return &binary{op: op, l: l, r: r}, nil
}

// comparison checks a comparison.
func (p *parser) comparison(at token, op operator, l expr, from token, r expr) (expr, error) {
	lt, rt := l.typ(), r.typ()
	b := &binary{op: op, l: l, r: r}
	switch {
	case lt == typeNil || rt == typeNil:
		if op != opEqual && op != opNotEqual {
			return nil, p.fail(at.pos, "nil only goes with = (is missing) and != (is there)")
		}
		return b, nil
	case op == opMatch || op == opNotMatch:
		v, ok := r.(literal)
		if !ok || v.v.typ != typeText {
			return nil, p.fail(from.pos, "a regular expression is text; put it into double quotes or backquotes")
		}
		re, err := store.CompileRegexp(v.v.str)
		if err != nil {
			return nil, p.fail(from.pos, "%v", err)
		}
		if b.re = re; !canBe(l, typeText) {
			return nil, p.fail(at.pos, "%s compares text, not %s", at.text, typeWords[lt])
		}
		return b, nil
	case lt != typeAny && rt != typeAny && !comparable(lt, rt):
		return nil, p.mismatch(at, l, from, r)
	}
	ordered := op != opEqual && op != opNotEqual
	for _, t := range []valueType{lt, rt} {
		if ordered && (t == typeBool || t == typeStatus || t == typeKind) {
			return nil, p.fail(at.pos, "%s has no order: it goes with = and !=", typeWords[t])
		}
	}
	b.l, b.r = wholeID(l, r), wholeID(r, l)
	return b.withoutNumbering(), nil
}

// withoutNumbering turns a test for root spans by Tempo's numbers into one by the
// parent's id, which needs no other span of the trace.
func (b *binary) withoutNumbering() *binary {
	f, v, op := sidesOf(b)
	if f == nil || f.intrinsic == nil || f.intrinsic.name != "nestedSetParent" {
		return b
	}
	root, ok := rootTest(op, v)
	if !ok {
		return b
	}
	test := &binary{op: opNotEqual, l: &field{intrinsic: intrinsicOf("span:parentID")}, r: literal{}}
	if root {
		test.op = opEqual
	}
	return test
}

// mismatch says why two types do not compare.
func (p *parser) mismatch(at token, l expr, from token, r expr) error {
	hint := ""
	if v, ok := r.(literal); ok && v.v.typ == typeText {
		switch l.typ() {
		case typeStatus, typeKind:
			hint = "; write the word without quotes: " + v.v.str
		case typeDuration:
			hint = "; a duration is written without quotes: 40ms"
		}
		return p.fail(from.pos, "%s does not compare with text%s", typeWords[l.typ()], hint)
	}
	return p.fail(at.pos, "%s does not compare with %s", typeWords[l.typ()], typeWords[r.typ()])
}

// wholeID gives x, and an id that is compared with one the form in which ids are
// kept: lower case, filled up with zeros from the left.
func wholeID(x, with expr) expr {
	v, isLiteral := x.(literal)
	f, isField := with.(*field)
	if !isLiteral || !isField || f.intrinsic == nil || f.intrinsic.idLen == 0 || v.v.typ != typeText {
		return x
	}
	text := strings.ToLower(v.v.str)
	if text == "" || strings.Trim(text, "0123456789abcdef") != "" {
		return x
	}
	return literal{textValue(strings.Repeat("0", max(0, f.intrinsic.idLen-len(text))) + text)}
}

// scalarFilter reads a comparison of aggregates.
func (p *parser) scalarFilter() (stage, error) {
	from := p.peek()
	l, err := p.scalar(3)
	if err != nil {
		return nil, err
	}
	t := p.next()
	op := operatorWords[t.text]
	if t.kind != tokenOperator || !op.isComparison() || op == opMatch || op == opNotMatch {
		return nil, p.unexpected(t, "a comparison is missing behind the aggregate, as in count() > 2")
	}
	r, err := p.scalar(3)
	if err != nil {
		return nil, err
	}
	if _, isNumber := l.(literal); isNumber {
		if _, both := r.(literal); both {
			return nil, p.fail(from.pos, "this compares two numbers; one side is an aggregate such as count()")
		}
	}
	return &scalarFilter{op, l, r}, nil
}

// scalar reads aggregates and numbers whose operators bind at least so close.
func (p *parser) scalar(binds int) (scalar, error) {
	l, err := p.oneScalar()
	if err != nil {
		return nil, err
	}
	for {
		t := p.peek()
		op := operatorWords[t.text]
		if t.kind != tokenOperator || !op.isArithmetic() || op.binds() < binds {
			return l, nil
		}
		p.next()
		done, err := p.deeper(t)
		if err != nil {
			return nil, err
		}
		next := op.binds() + 1
		if op == opPower {
			next--
		}
		r, err := p.scalar(next)
		done()
		if err != nil {
			return nil, err
		}
		l = &calculated{op, l, r}
	}
}

func (p *parser) oneScalar() (scalar, error) {
	t := p.next()
	done, err := p.deeper(t)
	if err != nil {
		return nil, err
	}
	defer done()
	switch {
	case t.is("("):
		x, err := p.scalar(3)
		if err != nil {
			return nil, err
		}
		return x, p.expect(")", "behind the calculation in brackets")
	case t.is("-"):
		x, err := p.scalar(opSubtract.binds() + 1)
		if v, ok := x.(literal); ok {
			return literal{v.v.negated()}, nil
		}
		return &negated{x}, err
	case t.kind == tokenLiteral && t.v.typ.numeric():
		return literal{t.v}, nil
	case t.word("count", "avg", "min", "max", "sum"):
		return p.aggregate(t)
	}
	return nil, p.unexpected(t, "a number or an aggregate such as count() is missing")
}

func (p *parser) aggregate(t token) (scalar, error) {
	if err := p.expect("(", "behind "+t.text); err != nil {
		return nil, err
	}
	a := &aggregate{name: t.text}
	if t.text != "count" {
		from := p.peek()
		x, err := p.expr(1)
		if err != nil {
			return nil, err
		}
		if a.x = x; !canCount(x) {
			return nil, p.fail(from.pos, "%s takes a number, not %s", t.text, typeWords[x.typ()])
		}
	}
	return a, p.expect(")", "behind "+t.text+"(")
}
