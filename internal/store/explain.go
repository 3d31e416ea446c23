package store

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Explain collects how the questions asked with its context were answered:
// which parts were looked into, why others were not, and what each condition
// cost. It is safe for concurrent use; read it when the answer is read.
type Explain struct {
	Began time.Time // set by who asks

	mu sync.Mutex
	// Parts are those looked into, in the order of their ends, at most
	// MaxExplained; More counts the others.
	Parts []ExplainPart
	More  int
	// Skipped counts the parts not looked into by the reason why.
	Skipped map[string]int
	// Stages are what took time. Parts are looked into several at a time, so
	// that they may add up to more than the answer took.
	Stages []ExplainStage
}

// MaxExplained bounds the parts that an Explain lists.
const MaxExplained = 100

// ExplainPart says how one part, a block or a head, was looked into.
type ExplainPart struct {
	Kind        Kind
	Part        string // the file of a block; "head" is memory
	Rows        int
	First, Last uint64 // times of its records
	// Groups are stretches of up to 4,096 rows, whose columns have a page each.
	// Those not looked at were ruled out by their times, by what is known of
	// their pages (bounds, filters), or because the answer was found before.
	Groups, ByTime, ByPages, ByLimit int
	Examined, Matched                int // rows
	Pages                            int // read from disk, of any kind
	Bytes                            int64
	Elapsed                          time.Duration
	// Steps are the condition as it was executed: the parts of an "and" in the
	// order in which they were tried.
	Steps []ExplainStep
}

// ExplainStep is one part of a condition.
type ExplainStep struct {
	Depth int
	Expr  Expr // Cond; And, Or and Not without their parts; nil: traces by id
	// How it was decided: "dictionary, 1 of 20 texts".
	How     string
	In, Out int // rows that it was tried on, and that passed
}

// ExplainStage is a kind of work.
type ExplainStage struct {
	Name    string
	Elapsed time.Duration
}

// explainKey is the key of an Explain in a context.
type explainKey struct{}

// WithExplain has what is asked with the context noted in e.
func WithExplain(ctx context.Context, e *Explain) context.Context {
	return context.WithValue(ctx, explainKey{}, e)
}

// ExplainOf returns what WithExplain gave, or nil.
func ExplainOf(ctx context.Context) *Explain {
	e, _ := ctx.Value(explainKey{}).(*Explain)
	return e
}

// Stage notes that a kind of work began at a time and ended now. A nil Explain
// notes nothing, here and below.
func (e *Explain) Stage(name string, began time.Time) {
	if e != nil {
		e.took(name, time.Since(began))
	}
}

func (e *Explain) took(name string, elapsed time.Duration) {
	e.mu.Lock()
	defer e.mu.Unlock()
	i := slices.IndexFunc(e.Stages, func(s ExplainStage) bool { return s.Name == name })
	if i < 0 {
		i = len(e.Stages)
		e.Stages = append(e.Stages, ExplainStage{Name: name})
	}
	e.Stages[i].Elapsed += elapsed
}

// Names of stages.
const (
	stagePlan    = "plan conditions"
	stageScan    = "scan columns"
	stageRecords = "fill records"
	stageTraces  = "read traces"
)

// partExplain is what is noted of one part while it is looked into. It belongs to
// one goroutine; nil notes nothing.
type partExplain struct {
	to    *Explain
	part  ExplainPart
	began time.Time
	cond  *condition
}

// explainPart begins to note how part p is looked into.
func explainPart(ctx context.Context, p part) *partExplain {
	e := ExplainOf(ctx)
	if e == nil {
		return nil
	}
	x := &partExplain{to: e, began: time.Now(), part: ExplainPart{Kind: p.kind(), Part: headLabel, Rows: p.rows()}}
	x.part.First, x.part.Last = p.timeRange()
	if b, ok := p.(*block); ok {
		x.part.Part = b.file
	}
	return x
}

// skip says why the part is not looked into.
func (x *partExplain) skip(why string) {
	if x == nil {
		return
	}
	x.to.mu.Lock()
	defer x.to.mu.Unlock()
	if x.to.Skipped == nil {
		x.to.Skipped = map[string]int{}
	}
	x.to.Skipped[why]++
	x.to = nil // end has nothing to add
}

// traces notes that rows of traces are read by id.
func (x *partExplain) traces(ids, rows int) {
	if x != nil {
		x.part.Steps = []ExplainStep{{How: "trace index: ids wanted: " + strconv.Itoa(ids), In: x.part.Rows, Out: rows}}
	}
}

// group says why a group is not looked at.
func (x *partExplain) group(because func(*ExplainPart) *int) {
	if x != nil {
		*because(&x.part)++
	}
}

func byTime(p *ExplainPart) *int  { return &p.ByTime }
func byPages(p *ExplainPart) *int { return &p.ByPages }
func byLimit(p *ExplainPart) *int { return &p.ByLimit }

// end adds the part to what is explained.
func (x *partExplain) end(snap *snapshot, r *Report) {
	if x == nil || x.to == nil {
		return
	}
	x.part.Examined, x.part.Matched, x.part.Pages, x.part.Bytes = r.Rows, r.Matched, r.Pages, r.Bytes
	x.part.Elapsed = time.Since(x.began)
	x.part.Groups = len(snap.groups)
	x.part.Steps = x.cond.steps(snap, 0, x.part.Steps)
	x.to.mu.Lock()
	defer x.to.mu.Unlock()
	if len(x.to.Parts) == MaxExplained {
		x.to.More++
		return
	}
	x.to.Parts = append(x.to.Parts, x.part)
}

// steps appends the condition and its parts; nil and the empty And are none.
func (c *condition) steps(s *snapshot, depth int, to []ExplainStep) []ExplainStep {
	if c == nil || c.op == conditionAll && len(c.parts) == 0 {
		return to
	}
	if c.op == conditionAll && len(c.parts) == 1 {
		return c.parts[0].steps(s, depth, to)
	}
	step := ExplainStep{Depth: depth, In: c.in, Out: c.out}
	switch c.op {
	case conditionAll:
		step.Expr = And{}
	case conditionAny:
		step.Expr = Or{}
	case conditionNot:
		step.Expr = Not{}
	default:
		step.Expr, step.How = c.expr, c.how(s)
	}
	to = append(to, step)
	for _, p := range c.parts {
		to = p.steps(s, depth+1, to)
	}
	return to
}

// whyNever says what decided that no row satisfies the condition.
func (c *condition) whyNever() string {
	if c.why != "" {
		return c.why
	}
	for _, p := range c.parts {
		if p.never() {
			return p.whyNever()
		}
	}
	return "no such field"
}

// how says in words how the predicates of c decide.
func (c *condition) how(s *snapshot) string {
	if len(c.predicates) == 0 {
		return "never: " + c.whyNever()
	}
	var words []string
	for _, p := range c.predicates {
		if w := describe(p, s); !slices.Contains(words, w) {
			words = append(words, w)
		}
	}
	return strings.Join(words, "; ")
}

// describe says in words how a predicate decides.
func describe(p predicate, s *snapshot) string {
	switch p := p.(type) {
	case *textPredicate:
		switch {
		case p.accept == nil:
			return "list of services"
		case !p.col.dict && p.search != nil:
			return "texts, filters of word parts first"
		case !p.col.dict:
			return "texts"
		case s.label == headLabel:
			return "texts in memory"
		case p.exact:
			return "dictionary: one entry of " + strconv.Itoa(p.col.entries)
		}
		return "dictionary: each of " + strconv.Itoa(p.col.entries) + " entries once"
	case *numPredicate:
		return boundedWords(p.bounded && s.label != headLabel, "numbers")
	case *durationPredicate:
		return boundedWords(p.bounded && s.label != headLabel, "durations")
	case rowsPredicate:
		return "trace index: " + strconv.Itoa(len(p)) + " rows"
	case *idPredicate:
		return "ids"
	case *rootPredicate:
		return "parents"
	case absentPredicate:
		return "rows without a value"
	}
	return "column"
}

func boundedWords(bounded bool, what string) string {
	if bounded {
		return what + ", bounds of pages first"
	}
	return what
}
