package query

import (
	"cmp"
	"context"
	"slices"

	"github.com/signalbox-otel/signalbox/internal/store"
)

// Trace is one trace as a tree.
type Trace struct {
	TraceSummary
	// Nodes are the spans depth first, siblings by start: a waterfall from top
	// to bottom.
	Nodes []Node
	// Orphans counts spans whose parent did not arrive.
	Orphans int
	Report  store.Report
}

// Node is one span in its tree.
type Node struct {
	*store.Span
	Parent   int // index in Trace.Nodes; -1 at the top
	Depth    int
	Children int // direct ones
	// Self is the time in which none of the children ran.
	Self uint64
	// Critical is the time that this span itself, not a child, held up the end
	// of the trace: the sum over a trace is the duration of its root.
	Critical uint64
	// Orphan says that the span names a parent that did not arrive.
	Orphan bool
}

// Trace reads one trace. It returns ErrNotFound when there is none of that id.
func (e *Engine) Trace(ctx context.Context, id store.TraceID) (*Trace, error) {
	var report store.Report
	spans, err := e.traceSpans(ctx, id, &report)
	if err != nil {
		return nil, err
	}
	if len(spans) == 0 {
		return nil, notFound(&report)
	}
	t := NewTrace(id, spans)
	t.Report = report
	return t, nil
}

// NewTrace builds the tree of spans that are sorted by start and not none. Spans
// whose parents go round in a circle hang at the top.
func NewTrace(id store.TraceID, spans []*store.Span) *Trace {
	t := &Trace{TraceSummary: *newSummary(id, spans), Nodes: make([]Node, 0, len(spans))}
	byID := make(map[store.SpanID]int, len(spans))
	for i := len(spans) - 1; i >= 0; i-- {
		byID[spans[i].SpanID] = i // the earliest of those that share an id
	}
	children := make([][]int, len(spans))
	var tops []int
	orphan := make([]bool, len(spans))
	for i, s := range spans {
		parent, ok := byID[s.ParentID]
		switch {
		case s.ParentID == store.SpanID{}:
			tops = append(tops, i)
		case !ok || parent == i:
			tops = append(tops, i)
			orphan[i] = true
			t.Orphans++
		default:
			children[parent] = append(children[parent], i)
		}
	}
	placed := make([]bool, len(spans))
	for _, i := range tops {
		t.place(i, spans, children, orphan, placed)
	}
	for i := range spans {
		if !placed[i] { // in a circle
			orphan[i] = true
			t.Orphans++
			t.place(i, spans, children, orphan, placed)
		}
	}
	t.times()
	return t
}

// place appends span top and what is below it to the nodes.
func (t *Trace) place(top int, spans []*store.Span, children [][]int, orphan, placed []bool) {
	type item struct{ span, parent, depth int }
	stack := []item{{top, -1, 0}}
	for len(stack) > 0 {
		it := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		if placed[it.span] {
			continue
		}
		placed[it.span] = true
		at := len(t.Nodes)
		t.Nodes = append(t.Nodes, Node{Span: spans[it.span], Parent: it.parent, Depth: it.depth, Orphan: orphan[it.span]})
		if it.parent >= 0 {
			t.Nodes[it.parent].Children++
		}
		for _, child := range slices.Backward(children[it.span]) {
			stack = append(stack, item{child, at, it.depth + 1})
		}
	}
}

// times computes Self of all nodes and Critical of those below the root.
func (t *Trace) times() {
	children := make([][]int, len(t.Nodes))
	for i := range t.Nodes {
		if p := t.Nodes[i].Parent; p >= 0 {
			children[p] = append(children[p], i)
		}
	}
	for i := range t.Nodes {
		t.Nodes[i].Self = t.self(i, children[i])
	}
	for i := range t.Nodes {
		if t.Nodes[i].Span == t.Root {
			t.critical(i, children)
			return
		}
	}
}

// self is the node's time without that of its children, which are sorted by
// start and may overlap.
func (t *Trace) self(i int, children []int) uint64 {
	n := &t.Nodes[i]
	self, covered := n.Duration(), n.Start
	for _, c := range children {
		from, to := max(t.Nodes[c].Start, covered), min(t.Nodes[c].End, n.End)
		if from < to {
			self -= to - from
			covered = to
		}
	}
	return self
}

// critical walks back from the end of the root: whatever ran last before each
// instant held up the end. The part of a child that outlives its parent, which
// did not wait for it, is left out.
func (t *Trace) critical(root int, children [][]int) {
	type window struct {
		node     int
		from, to uint64
	}
	work := []window{{root, t.Nodes[root].Start, t.Nodes[root].End}}
	for len(work) > 0 {
		w := work[len(work)-1]
		work = work[:len(work)-1]
		byEnd := slices.Clone(children[w.node])
		slices.SortStableFunc(byEnd, func(a, b int) int { return cmp.Compare(t.Nodes[b].End, t.Nodes[a].End) })
		at := w.to
		for _, c := range byEnd {
			from, to := max(t.Nodes[c].Start, w.from), min(t.Nodes[c].End, w.to)
			if from >= to || to > at {
				continue
			}
			t.Nodes[w.node].Critical += at - to
			work = append(work, window{c, from, to})
			at = from
		}
		if at > w.from {
			t.Nodes[w.node].Critical += at - w.from
		}
	}
}
