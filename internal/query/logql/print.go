package logql

import (
	"math"
	"strconv"
	"strings"
	"time"
)

func quoted(s string) string { return strconv.Quote(s) }

// formatNumber writes f so that it is read back as the same.
func formatNumber(f float64) string { return strconv.FormatFloat(f, 'g', -1, 64) }

// String is the selector and its pipeline.
func (e *LogExpr) String() string {
	return e.text(func(b *strings.Builder) {})
}

// text writes the selector and the pipeline with more behind it.
func (e *LogExpr) text(more func(*strings.Builder)) string {
	var b strings.Builder
	b.WriteByte('{')
	for i, m := range e.Matchers {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(m.String())
	}
	b.WriteByte('}')
	for _, s := range e.Stages {
		b.WriteByte(' ')
		if _, ok := s.(*LineFilter); !ok {
			b.WriteString("| ")
		}
		b.WriteString(s.String())
	}
	more(&b)
	return b.String()
}

// String is the filter with its operator.
func (f *LineFilter) String() string {
	terms := make([]string, len(f.Terms))
	for i, t := range f.Terms {
		if terms[i] = quoted(t.Text); t.IP {
			terms[i] = "ip(" + terms[i] + ")"
		}
	}
	return lineOps[f.Op] + " " + strings.Join(terms, " or ")
}

// String is the parser with its arguments.
func (p *Parser) String() string {
	var b strings.Builder
	b.WriteString(string(p.Kind))
	if p.Strict {
		b.WriteString(" --strict")
	}
	if p.KeepEmpty {
		b.WriteString(" --keep-empty")
	}
	if p.Kind == Regexp || p.Kind == Pattern {
		b.WriteString(" " + quoted(p.Param))
	}
	for i, x := range p.Take {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(" " + x.Name + "=" + quoted(x.Path))
	}
	return b.String()
}

// String is the condition as it is written.
func (f *StringFilter) String() string { return f.Matcher.String() }

// String is the condition as it is written.
func (f *NumberFilter) String() string {
	value := formatNumber(f.Value)
	switch f.Unit {
	case Duration:
		value = formatDuration(time.Duration(f.Value))
	case Bytes:
		value = formatBytes(f.Value)
	}
	return f.Name + " " + string(f.Op) + " " + value
}

// String is the condition as it is written.
func (f *IPFilter) String() string {
	op := "="
	if f.Negate {
		op = "!="
	}
	return f.Name + op + "ip(" + quoted(f.Range) + ")"
}

// String is both conditions, with brackets where they are needed.
func (f *BinaryFilter) String() string {
	side := func(s LabelFilter, right bool) string {
		if b, ok := s.(*BinaryFilter); ok && (b.Or != f.Or || right) {
			return "(" + s.String() + ")"
		}
		return s.String()
	}
	word := " and "
	if f.Or {
		word = " or "
	}
	return side(f.Left, false) + word + side(f.Right, true)
}

// String is the stage as it is written.
func (f *LineFormat) String() string { return "line_format " + quoted(f.Template) }

// String is the stage as it is written.
func (f *LabelFormat) String() string {
	parts := make([]string, len(f.Formats))
	for i, x := range f.Formats {
		if parts[i] = x.Name + "=" + x.From; x.Template {
			parts[i] = x.Name + "=" + quoted(x.From)
		}
	}
	return "label_format " + strings.Join(parts, ", ")
}

// String is the stage as it is written.
func (p *Prune) String() string {
	parts := make([]string, len(p.Labels))
	for i, l := range p.Labels {
		if parts[i] = l.Name; l.Match != nil {
			parts[i] = l.Match.String()
		}
	}
	word := "drop "
	if p.Keep {
		word = "keep "
	}
	return word + strings.Join(parts, ", ")
}

// String is the stage as it is written.
func (Decolorize) String() string { return "decolorize" }

// String is the range as it is written.
func (r *LogRange) String() string {
	return r.text(func(b *strings.Builder) {
		if u := r.Unwrap; u != nil {
			b.WriteString(" | unwrap ")
			if u.Convert != "" {
				b.WriteString(u.Convert + "(" + u.Label + ")")
			} else {
				b.WriteString(u.Label)
			}
			for _, f := range u.Filters {
				b.WriteString(" | " + f.String())
			}
		}
		b.WriteString(" [" + formatDuration(r.Range) + "]")
		if r.Offset != 0 {
			b.WriteString(" offset " + formatDuration(r.Offset))
		}
	})
}

// String is the grouping as it is written.
func (g *Grouping) String() string {
	word := "by"
	if g.Without {
		word = "without"
	}
	return word + " (" + strings.Join(g.Labels, ", ") + ")"
}

// String is the aggregation as it is written.
func (e *RangeAgg) String() string {
	var b strings.Builder
	b.WriteString(e.Op + "(")
	if e.Op == "quantile_over_time" {
		b.WriteString(formatNumber(e.Param) + ", ")
	}
	b.WriteString(e.Range.String() + ")")
	if e.Grouping != nil {
		b.WriteString(" " + e.Grouping.String())
	}
	return b.String()
}

// String is the aggregation as it is written.
func (e *VectorAgg) String() string {
	var b strings.Builder
	b.WriteString(e.Op)
	if e.Grouping != nil {
		b.WriteString(" " + e.Grouping.String() + " ")
	}
	b.WriteString("(")
	if takesCount(e.Op) {
		b.WriteString(strconv.Itoa(e.Param) + ", ")
	}
	b.WriteString(e.Inner.String() + ")")
	return b.String()
}

// String is both sides with the operator, in brackets.
func (e *BinOp) String() string {
	var b strings.Builder
	b.WriteString("(" + e.Left.String() + " " + e.Op)
	if e.Bool {
		b.WriteString(" bool")
	}
	if m := e.Match; m != nil {
		word := " ignoring"
		if m.On {
			word = " on"
		}
		b.WriteString(word + " (" + strings.Join(m.Labels, ", ") + ")")
		if m.Group != "" {
			b.WriteString(" group_" + m.Group)
			if len(m.Include) > 0 {
				b.WriteString(" (" + strings.Join(m.Include, ", ") + ")")
			} else {
				b.WriteString(" ()")
			}
		}
	}
	b.WriteString(" " + e.Right.String() + ")")
	return b.String()
}

// String is the number.
func (e *Literal) String() string {
	if math.IsInf(e.Value, 0) || math.IsNaN(e.Value) {
		return "0" // not parsed, so never there
	}
	return formatNumber(e.Value)
}

// String is the call as it is written.
func (e *Vector) String() string { return "vector(" + formatNumber(e.Value) + ")" }

// String is the call as it is written.
func (e *LabelReplace) String() string {
	return "label_replace(" + strings.Join([]string{
		e.Inner.String(), quoted(e.Dst), quoted(e.Replacement), quoted(e.Src), quoted(e.Expected),
	}, ", ") + ")"
}
