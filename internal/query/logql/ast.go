package logql

import (
	"time"
)

// Expr is a query: a *LogExpr, or one of the metric expressions *RangeAgg,
// *VectorAgg, *BinOp, *Literal, *Vector, *LabelReplace. What String gives parses
// to the same again.
type Expr interface {
	String() string
	isExpr()
}

// LogExpr asks for log lines.
type LogExpr struct {
	Matchers []*Matcher
	Stages   []Stage
}

// Stage is one step of a pipeline: *LineFilter, *Parser, LabelFilter,
// *LineFormat, *LabelFormat, *Prune or Decolorize.
type Stage interface {
	String() string
	isStage()
}

// LineOp says how a line is looked at.
type LineOp uint8

// The comparisons of a LineFilter. A negation is the next after what it negates.
const (
	LineContains LineOp = iota
	LineNotContains
	LineRegexp
	LineNotRegexp
	LinePattern
	LineNotPattern
)

var lineOps = [...]string{"|=", "!=", "|~", "!~", "|>", "!>"}

// LineFilter keeps lines that one of its terms finds, or, when Op is a negation,
// lines that none of them finds.
type LineFilter struct {
	Op    LineOp
	Terms []LineTerm
}

// LineTerm is what a LineFilter looks for: text, or an address or range of
// addresses when IP is set.
type LineTerm struct {
	Text string
	IP   bool
}

// Parser makes labels of the line.
type Parser struct {
	Kind  ParserKind
	Param string       // of Regexp and Pattern
	Take  []Extraction // of JSON and Logfmt: only these
	// Strict makes malformed logfmt an error; KeepEmpty keeps keys without value.
	Strict, KeepEmpty bool
}

// ParserKind names a Parser as it is written.
type ParserKind string

// The parsers.
const (
	JSON    ParserKind = "json"
	Logfmt  ParserKind = "logfmt"
	Regexp  ParserKind = "regexp"
	Pattern ParserKind = "pattern"
	Unpack  ParserKind = "unpack"
)

// Extraction makes one label of what a path leads to.
type Extraction struct{ Name, Path string }

// LabelFilter is a condition on labels: *StringFilter, *NumberFilter, *IPFilter
// or *BinaryFilter.
type LabelFilter interface {
	Stage
	isFilter()
}

// StringFilter compares a label as text.
type StringFilter struct{ *Matcher }

// NumberFilter compares a label as a number, in Unit.
type NumberFilter struct {
	Name  string
	Op    CompareOp
	Value float64 // a number of bytes for Bytes, of nanoseconds for Duration
	Unit  Unit
}

// Unit is how a number is written.
type Unit uint8

// The units of numbers.
const (
	Plain Unit = iota
	Duration
	Bytes
)

// CompareOp is a comparison of numbers, as it is written.
type CompareOp string

// IPFilter compares a label as an address with an address or range of addresses.
type IPFilter struct {
	Name   string
	Negate bool
	Range  string
}

// BinaryFilter is left and right, or left or right.
type BinaryFilter struct {
	Or          bool
	Left, Right LabelFilter
}

// LineFormat makes a new line of a template.
type LineFormat struct{ Template string }

// LabelFormat renames labels, or makes them of templates.
type LabelFormat struct{ Formats []Format }

// Format is one label of a LabelFormat: From is the label to rename, or a
// template when Template is set.
type Format struct {
	Name, From string
	Template   bool
}

// Prune removes labels (drop) or all others (keep).
type Prune struct {
	Keep   bool
	Labels []PruneLabel
}

// PruneLabel is one label of a Prune; Match, when not nil, must hold too.
type PruneLabel struct {
	Name  string
	Match *Matcher
}

// Decolorize takes the escape sequences of terminals out of the line.
type Decolorize struct{}

// LogRange is what a RangeAgg looks at: the records of the time before an instant.
type LogRange struct {
	LogExpr
	Range  time.Duration
	Offset time.Duration
	Unwrap *Unwrap // nil: every record counts as such
}

// Unwrap takes the value of a sample from a label.
type Unwrap struct {
	Label   string
	Convert string // "", "duration", "duration_seconds", "bytes"
	Filters []LabelFilter
}

// Grouping says which labels a result has.
type Grouping struct {
	Without bool
	Labels  []string
}

// RangeAgg aggregates the records of a range for every instant.
type RangeAgg struct {
	Op       string
	Param    float64 // of quantile_over_time
	Range    LogRange
	Grouping *Grouping
}

// VectorAgg aggregates series at each instant.
type VectorAgg struct {
	Op       string
	Param    int // of topk and bottomk
	Inner    Expr
	Grouping *Grouping
}

// BinOp computes with two sides.
type BinOp struct {
	Op          string
	Bool        bool // comparisons give 0 or 1
	Match       *Matching
	Left, Right Expr
}

// Matching says which series of two sides belong together.
type Matching struct {
	On     bool // Labels are those that count; else those that do not
	Labels []string
	// Group is "left" when several series of the left side belong to one of the
	// right, "right" the other way round, else "".
	Group   string
	Include []string // labels to take from the side of one
}

// Literal is a number.
type Literal struct{ Value float64 }

// Vector is a number as a series without labels.
type Vector struct{ Value float64 }

// LabelReplace sets a label of each series from another.
type LabelReplace struct {
	Inner                           Expr
	Dst, Replacement, Src, Expected string
}

func (*LogExpr) isExpr()      {}
func (*RangeAgg) isExpr()     {}
func (*VectorAgg) isExpr()    {}
func (*BinOp) isExpr()        {}
func (*Literal) isExpr()      {}
func (*Vector) isExpr()       {}
func (*LabelReplace) isExpr() {}

func (*LineFilter) isStage()   {}
func (*Parser) isStage()       {}
func (*StringFilter) isStage() {}
func (*NumberFilter) isStage() {}
func (*IPFilter) isStage()     {}
func (*BinaryFilter) isStage() {}
func (*LineFormat) isStage()   {}
func (*LabelFormat) isStage()  {}
func (*Prune) isStage()        {}
func (Decolorize) isStage()    {}

func (*StringFilter) isFilter() {}
func (*NumberFilter) isFilter() {}
func (*IPFilter) isFilter()     {}
func (*BinaryFilter) isFilter() {}
