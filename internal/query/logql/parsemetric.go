package logql

import (
	"math"
	"regexp"
	"slices"
)

// rangeOps are the range aggregations: what each needs and takes.
var rangeOps = map[string]struct {
	unwrap   int  // 1: needs it, 0: may have it, -1: must not
	grouping bool // may have by and without
}{
	"rate":               {0, false},
	"rate_counter":       {1, false},
	"count_over_time":    {-1, false},
	"bytes_rate":         {-1, false},
	"bytes_over_time":    {-1, false},
	"absent_over_time":   {0, false},
	"sum_over_time":      {1, false},
	"avg_over_time":      {1, true},
	"min_over_time":      {1, true},
	"max_over_time":      {1, true},
	"first_over_time":    {1, true},
	"last_over_time":     {1, true},
	"stddev_over_time":   {1, true},
	"stdvar_over_time":   {1, true},
	"quantile_over_time": {1, true},
}

// vectorOps are the aggregations over series.
var vectorOps = []string{
	"sum", "avg", "min", "max", "count", "stddev", "stdvar", "topk", "bottomk", "approx_topk", "sort", "sort_desc",
}

func takesCount(op string) bool { return op == "topk" || op == "bottomk" || op == "approx_topk" }

// precedences of binary operators; ^ binds to the right.
var precedences = map[string]int{
	"or": 1, "and": 2, "unless": 2,
	"==": 3, "!=": 3, ">": 3, ">=": 3, "<": 3, "<=": 3,
	"+": 4, "-": 4, "*": 5, "/": 5, "%": 5, "^": 6,
}

func comparison(op string) bool { return precedences[op] == 3 }
func setOperator(op string) bool {
	return op == "or" || op == "and" || op == "unless"
}

// expr reads an expression of operators that bind more than min.
func (p *parser) expr(min int) (Expr, error) {
	if err := p.enter(); err != nil {
		return nil, err
	}
	defer p.leave()
	left, err := p.operand()
	if err != nil {
		return nil, err
	}
	for {
		t := p.peek()
		prec := precedences[t.text]
		if t.kind != tokenOp && t.kind != tokenName || prec <= min {
			return left, nil
		}
		if _, lines := left.(*LogExpr); lines {
			return nil, p.fail(t.pos, "there is nothing to compute with log lines; make numbers of them first, like count_over_time({…}[5m])")
		}
		if err := p.part(); err != nil {
			return nil, err
		}
		p.next()
		if left, err = p.binary(left, t, prec); err != nil {
			return nil, err
		}
	}
}

// binary reads what follows an operator: bool, matching, and the right side.
func (p *parser) binary(left Expr, op token, prec int) (Expr, error) {
	e := &BinOp{Op: op.text, Left: left}
	if t := p.peek(); t.word("bool") {
		if !comparison(e.Op) {
			return nil, p.fail(t.pos, "bool goes with comparisons only")
		}
		p.next()
		e.Bool = true
	}
	if err := p.matching(e); err != nil {
		return nil, err
	}
	if e.Op == "^" {
		prec--
	}
	pos := p.peek().pos
	right, err := p.expr(prec)
	if err != nil {
		return nil, err
	}
	if _, lines := right.(*LogExpr); lines {
		return nil, p.fail(pos, "there is nothing to compute with log lines; make numbers of them first, like count_over_time({…}[5m])")
	}
	e.Right = right
	if setOperator(e.Op) || e.Match != nil {
		for _, side := range []Expr{left, right} {
			if _, scalar := scalarOf(side); scalar {
				return nil, p.fail(op.pos, "%s with labels is between series, not with a number; vector(…) makes a series of one", e.Op)
			}
		}
	}
	return e, nil
}

// matching reads on (…) group_left (…).
func (p *parser) matching(e *BinOp) error {
	t := p.peek()
	if !t.word("on") && !t.word("ignoring") {
		return nil
	}
	p.next()
	m := &Matching{On: t.text == "on"}
	var err error
	if m.Labels, err = p.labelList(); err != nil {
		return err
	}
	e.Match = m
	t = p.peek()
	if !t.word("group_left") && !t.word("group_right") {
		return nil
	}
	if setOperator(e.Op) {
		return p.fail(t.pos, "%s has no grouping", e.Op)
	}
	p.next()
	m.Group = t.text[len("group_"):]
	if p.peek().op("(") {
		m.Include, err = p.labelList()
	}
	return err
}

// labelList reads (a, b).
func (p *parser) labelList() ([]string, error) {
	if err := p.expect("("); err != nil {
		return nil, err
	}
	names := []string{}
	for !p.peek().op(")") {
		if len(names) > 0 {
			if err := p.expect(","); err != nil {
				return nil, err
			}
		}
		name, err := p.name("the name of a label")
		if err != nil {
			return nil, err
		}
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	p.next()
	return names, nil
}

// grouping reads by (…) or without (…) when it is there.
func (p *parser) grouping() (*Grouping, error) {
	t := p.peek()
	if !t.word("by") && !t.word("without") {
		return nil, nil
	}
	p.next()
	names, err := p.labelList()
	return &Grouping{Without: t.text == "without", Labels: names}, err
}

func (p *parser) operand() (Expr, error) {
	t := p.peek()
	switch {
	case t.op("{"):
		return p.logExpr()
	case t.op("("):
		return p.bracketed()
	case t.op("+", "-"), t.kind == tokenNumber:
		return p.literal()
	case t.kind != tokenName:
		return nil, p.unexpected(t, "a selector like {service_name=\"shop\"}, or a metric query")
	}
	if _, ok := rangeOps[t.text]; ok {
		return p.rangeAgg()
	}
	switch {
	case slices.Contains(vectorOps, t.text):
		return p.vectorAgg()
	case t.text == "vector":
		return p.vector()
	case t.text == "label_replace":
		return p.labelReplace()
	}
	return nil, p.fail(t.pos, "there is no function %s", t.text)
}

// bracketed reads an expression in brackets; lines may be filtered further
// behind them.
func (p *parser) bracketed() (Expr, error) {
	p.next()
	e, err := p.expr(0)
	if err != nil {
		return nil, err
	}
	if err := p.expect(")"); err != nil {
		return nil, err
	}
	lines, ok := e.(*LogExpr)
	for ok && p.startsStage() {
		s, err := p.stage()
		if err != nil {
			return nil, err
		}
		lines.Stages = append(lines.Stages, s)
	}
	return e, nil
}

// literal reads a number with its sign.
func (p *parser) literal() (Expr, error) {
	sign := 1.0
	if t := p.peek(); t.op("+", "-") {
		p.next()
		if t.text == "-" {
			sign = -1
		}
	}
	t := p.next()
	if t.kind != tokenNumber {
		return nil, p.unexpected(t, "a number")
	}
	return &Literal{Value: sign * t.number}, nil
}

// number reads a number with its sign.
func (p *parser) number() (float64, error) {
	e, err := p.literal()
	if err != nil {
		return 0, err
	}
	return e.(*Literal).Value, nil
}

func (p *parser) rangeAgg() (Expr, error) {
	op := p.next()
	e := &RangeAgg{Op: op.text}
	if err := p.expect("("); err != nil {
		return nil, err
	}
	var err error
	if e.Op == "quantile_over_time" {
		if e.Param, err = p.number(); err != nil {
			return nil, err
		}
		if err := p.expect(","); err != nil {
			return nil, err
		}
	}
	start := p.peek().pos
	if err := p.logRange(&e.Range); err != nil {
		return nil, err
	}
	if e.Range.Range == 0 {
		return nil, p.unexpected(p.peek(), "a range like [5m]")
	}
	if err := p.expect(")"); err != nil {
		return nil, err
	}
	needs := rangeOps[e.Op]
	switch {
	case needs.unwrap > 0 && e.Range.Unwrap == nil:
		return nil, p.fail(start, "%s needs a value; add | unwrap and a label before the range", e.Op)
	case needs.unwrap < 0 && e.Range.Unwrap != nil:
		return nil, p.fail(start, "%s counts lines; it has no use for unwrap", e.Op)
	}
	at := p.peek().pos
	if e.Grouping, err = p.grouping(); err != nil {
		return nil, err
	}
	if e.Grouping != nil && !needs.grouping {
		return nil, p.fail(at, "%s has no grouping; put sum around it", e.Op)
	}
	return e, nil
}

func (p *parser) vectorAgg() (Expr, error) {
	op := p.next()
	e := &VectorAgg{Op: op.text}
	var err error
	if e.Grouping, err = p.grouping(); err != nil {
		return nil, err
	}
	if err := p.expect("("); err != nil {
		return nil, err
	}
	if takesCount(e.Op) {
		t := p.peek()
		k, err := p.number()
		if err != nil {
			return nil, err
		}
		if k < 1 || k != math.Trunc(k) || k > 1e6 {
			return nil, p.fail(t.pos, "%s needs a whole number of at least 1", e.Op)
		}
		e.Param = int(k)
		if err := p.expect(","); err != nil {
			return nil, err
		}
	}
	if e.Inner, err = p.metric(); err != nil {
		return nil, err
	}
	if err := p.expect(")"); err != nil {
		return nil, err
	}
	if at := p.peek(); e.Grouping == nil {
		if e.Grouping, err = p.grouping(); err != nil {
			return nil, err
		}
		if e.Grouping != nil && (e.Op == "sort" || e.Op == "sort_desc") {
			return nil, p.fail(at.pos, "%s has no grouping", e.Op)
		}
	}
	return e, nil
}

// metric reads an expression that gives series.
func (p *parser) metric() (Expr, error) {
	pos := p.peek().pos
	e, err := p.expr(0)
	if err != nil {
		return nil, err
	}
	if _, lines := e.(*LogExpr); lines {
		return nil, p.fail(pos, "numbers are expected here, not log lines; like count_over_time({…}[5m])")
	}
	if _, scalar := scalarOf(e); scalar {
		return nil, p.fail(pos, "series are expected here, not a number; vector(…) makes a series of one")
	}
	return e, nil
}

func (p *parser) vector() (Expr, error) {
	p.next()
	if err := p.expect("("); err != nil {
		return nil, err
	}
	v, err := p.number()
	if err != nil {
		return nil, err
	}
	return &Vector{Value: v}, p.expect(")")
}

func (p *parser) labelReplace() (Expr, error) {
	p.next()
	if err := p.expect("("); err != nil {
		return nil, err
	}
	e := &LabelReplace{}
	var err error
	if e.Inner, err = p.metric(); err != nil {
		return nil, err
	}
	for _, field := range []*string{&e.Dst, &e.Replacement, &e.Src, &e.Expected} {
		if err := p.expect(","); err != nil {
			return nil, err
		}
		t := p.peek()
		if *field, err = p.text("text"); err != nil {
			return nil, err
		}
		switch field {
		case &e.Dst:
			if !labelName(*field) {
				return nil, p.fail(t.pos, "%q is not the name of a label", *field)
			}
		case &e.Expected:
			if _, err := regexp.Compile("^(?s:" + *field + ")$"); err != nil {
				return nil, p.badRegexp(t.pos, err)
			}
		}
	}
	return e, p.expect(")")
}

// labelName reports whether s can be the name of a label.
func labelName(s string) bool {
	for i := range len(s) {
		if !nameStart(s[i]) && (i == 0 || !digit(s[i])) {
			return false
		}
	}
	return s != ""
}
