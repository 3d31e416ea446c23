package logql

import "time"

// filterOr reads conditions on labels joined by or.
func (p *parser) filterOr() (LabelFilter, error) {
	left, err := p.filterAnd()
	for err == nil && p.peek().word("or") {
		p.next()
		var right LabelFilter
		if right, err = p.filterAnd(); err == nil {
			left = &BinaryFilter{Or: true, Left: left, Right: right}
		}
	}
	return left, err
}

// filterAnd reads conditions joined by and, by a comma, or by standing side by
// side.
func (p *parser) filterAnd() (LabelFilter, error) {
	left, err := p.filterOne()
	for err == nil {
		switch t := p.peek(); {
		case t.word("and"), t.op(","):
			p.next()
		case t.op("("), t.kind == tokenName && !t.word("or"):
		default:
			return left, nil
		}
		var right LabelFilter
		if right, err = p.filterOne(); err == nil {
			left = &BinaryFilter{Left: left, Right: right}
		}
	}
	return left, err
}

func (p *parser) filterOne() (LabelFilter, error) {
	if err := p.enter(); err != nil {
		return nil, err
	}
	defer p.leave()
	if p.peek().op("(") {
		p.next()
		f, err := p.filterOr()
		if err != nil {
			return nil, err
		}
		return f, p.expect(")")
	}
	name, err := p.name("the name of a label")
	if err != nil {
		return nil, err
	}
	op := p.peek()
	if op.kind != tokenOp {
		return nil, p.unexpected(op, "a comparison")
	}
	switch value := p.after(); {
	case op.op("=", "!=") && value.word("ip"):
		p.next()
		text, err := p.ip()
		return &IPFilter{Name: name, Negate: op.text == "!=", Range: text}, err
	case op.op("=", "!=", "=~", "!~") && value.kind == tokenText:
		m, err := p.matcher(name)
		return &StringFilter{m}, err
	case op.op("=", "==", "!=", ">", ">=", "<", "<="):
		return p.numberFilter(name)
	}
	return nil, p.unexpected(op, "a comparison")
}

// numberFilter reads a comparison with a number, a duration or a size.
func (p *parser) numberFilter(name string) (LabelFilter, error) {
	f := &NumberFilter{Name: name, Op: CompareOp(p.next().text)}
	if f.Op == "=" {
		f.Op = "=="
	}
	sign := 1.0
	if p.peek().op("+", "-") {
		if p.next().text == "-" {
			sign = -1
		}
	}
	switch t := p.next(); t.kind {
	case tokenNumber:
		f.Value = sign * t.number
	case tokenDuration:
		f.Unit, f.Value = Duration, sign*float64(t.duration)
	case tokenBytes:
		f.Unit, f.Value = Bytes, t.number
		if sign < 0 {
			return nil, p.fail(t.pos, "a size is never below 0")
		}
	default:
		return nil, p.unexpected(t, "a number, a duration, a size, or text behind =, !=, =~ and !~")
	}
	if f.Value == 0 {
		f.Value = 0 // not -0, which prints otherwise
	}
	return f, nil
}

// logRange reads what a range aggregation looks at. Brackets may be around it,
// or around the part before [5m].
func (p *parser) logRange(r *LogRange) error {
	if err := p.enter(); err != nil {
		return err
	}
	defer p.leave()
	if p.peek().op("(") {
		p.next()
		if err := p.logRange(r); err != nil {
			return err
		}
		if err := p.expect(")"); err != nil {
			return err
		}
	} else {
		pos := p.peek().pos
		e, err := p.logRangeSelector()
		if err != nil {
			return err
		}
		r.Matchers = e
		if !anyNonEmpty(e) {
			return p.fail(pos, `at least one label must be compared with something that is not empty; {service_name=~".+"} finds everything`)
		}
	}
	for {
		var err error
		switch t := p.peek(); {
		case t.op("["):
			err = p.brackets(r)
		case t.word("offset"):
			err = p.offset(r)
		case t.op("|") && p.after().word("unwrap"):
			err = p.unwrap(r)
		case p.startsStage():
			if r.Unwrap != nil {
				err = p.unwrapFilter(r)
				break
			}
			var s Stage
			if s, err = p.stage(); err == nil {
				r.Stages = append(r.Stages, s)
			}
		default:
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (p *parser) logRangeSelector() ([]*Matcher, error) {
	if t := p.peek(); !t.op("{") {
		return nil, p.unexpected(t, "a selector like {service_name=\"shop\"}")
	}
	return p.selector()
}

func anyNonEmpty(matchers []*Matcher) bool {
	for _, m := range matchers {
		if !m.Matches("") {
			return true
		}
	}
	return false
}

// brackets reads [5m].
func (p *parser) brackets(r *LogRange) error {
	open := p.next()
	if r.Range != 0 {
		return p.fail(open.pos, "there is a range already")
	}
	t := p.next()
	if t.kind != tokenDuration || t.duration <= 0 {
		return p.unexpected(t, "a duration like 5m")
	}
	r.Range = t.duration
	return p.expect("]")
}

func (p *parser) offset(r *LogRange) error {
	word := p.next()
	if r.Range == 0 || r.Offset != 0 {
		return p.fail(word.pos, "one offset goes behind the range, like [5m] offset 1h")
	}
	sign := time.Duration(1)
	if p.peek().op("-") {
		p.next()
		sign = -1
	}
	t := p.next()
	if t.kind != tokenDuration {
		return p.unexpected(t, "a duration like 1h")
	}
	r.Offset = sign * t.duration
	return nil
}

// conversions of unwrap.
var conversions = []string{"duration", "duration_seconds", "bytes"}

func (p *parser) unwrap(r *LogRange) error {
	bar := p.next()
	p.next()
	if r.Unwrap != nil {
		return p.fail(bar.pos, "there is an unwrap already")
	}
	name, err := p.name("the name of a label")
	if err != nil {
		return err
	}
	r.Unwrap = &Unwrap{Label: name}
	for _, c := range conversions {
		if name == c && p.peek().op("(") {
			p.next()
			r.Unwrap.Convert = c
			if r.Unwrap.Label, err = p.name("the name of a label"); err != nil {
				return err
			}
			return p.expect(")")
		}
	}
	if t := p.peek(); t.op("(") {
		return p.fail(t.pos, "there is no conversion %s; there are duration(), duration_seconds() and bytes()", name)
	}
	return nil
}

// unwrapFilter reads a condition behind unwrap.
func (p *parser) unwrapFilter(r *LogRange) error {
	pos := p.peek().pos
	s, err := p.stage()
	if err != nil {
		return err
	}
	f, ok := s.(LabelFilter)
	if !ok {
		return p.fail(pos, "only conditions on labels can follow unwrap")
	}
	r.Unwrap.Filters = append(r.Unwrap.Filters, f)
	return nil
}
