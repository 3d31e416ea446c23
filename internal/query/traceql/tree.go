package traceql

import (
	"slices"
	"time"

	"github.com/signalbox-otel/signalbox/internal/store"
)

// tree is one trace while a query is evaluated: its spans by start, and the
// place of each.
type tree struct {
	spans []*store.Span
	nodes []node // of spans
	// order are the spans depth first, parents before their children.
	order []int32
	root  int // the earliest span without a parent; -1: it is missing
	end   uint64
}

// node is the place of one span.
type node struct {
	parent   int // -1: it has none, or it did not arrive
	children int
	// left and right enclose those of the span's descendants.
	left, right int32
	orphan      bool // its parent did not arrive
}

// newTree finds the places of a trace's spans, which are sorted by start and not
// none. Of spans whose parents go round in a circle the earliest is taken for an
// orphan.
func newTree(spans []*store.Span) *tree {
	t := &tree{spans: spans, nodes: make([]node, len(spans)), root: -1}
	byID := make(map[store.SpanID]int, len(spans))
	for i := len(spans) - 1; i >= 0; i-- {
		byID[spans[i].SpanID] = i // the earliest of those that share an id
	}
	first, next := make([]int32, len(spans)), make([]int32, len(spans)) // children as linked lists
	for i := range spans {
		first[i], next[i] = -1, -1
	}
	for i := len(spans) - 1; i >= 0; i-- {
		s, n := spans[i], &t.nodes[i]
		t.end = max(t.end, s.Start, s.End)
		n.parent = -1
		if s.ParentID == (store.SpanID{}) {
			t.root = i
			continue
		}
		if p, ok := byID[s.ParentID]; ok && p != i {
			n.parent = p
			next[i], first[p] = first[p], int32(i)
			t.nodes[p].children++
			continue
		}
		n.orphan = true
	}
	for i := range t.nodes {
		if t.nodes[i].parent < 0 {
			t.number(i, first, next)
		}
	}
	for i := range t.nodes {
		if n := &t.nodes[i]; n.left == 0 { // in a circle
			t.nodes[n.parent].children--
			n.parent, n.orphan = -1, true
			t.number(i, first, next)
		}
	}
	return t
}

// number counts through a span and what is below it.
func (t *tree) number(top int, first, next []int32) {
	count := int32(2*len(t.order)) + 1
	stack := []int32{int32(top)}
	for len(stack) > 0 {
		i := stack[len(stack)-1]
		if n := &t.nodes[i]; n.left == 0 {
			n.left = count
			t.order = append(t.order, i)
		}
		count++
		if child := first[i]; child >= 0 {
			first[i] = next[child]
			if t.nodes[child].left == 0 {
				stack = append(stack, child)
				continue
			}
			count-- // closes a circle
			continue
		}
		t.nodes[i].right = count - 1
		stack = stack[:len(stack)-1]
	}
}

// lone is a tree of one span at a time, for queries that look at no other.
func lone() *tree {
	return &tree{spans: make([]*store.Span, 1), nodes: []node{{parent: -1}}, root: -1}
}

func (t *tree) duration() time.Duration { return time.Duration(t.end - t.spans[0].Start) }

// nestedParent is Tempo's number of a span's parent: -1 of a root, 0 when the
// parent did not arrive.
func (t *tree) nestedParent(i int) int64 {
	n := &t.nodes[i]
	switch {
	case n.parent >= 0:
		return int64(t.nodes[n.parent].left)
	case n.orphan:
		return 0
	}
	return -1
}

// spanset is a set of spans of one trace, by start, with what the pipeline found
// out about it.
type spanset struct {
	spans []int32
	attrs []namedValue
}

// namedValue is one thing that a pipeline found out.
type namedValue struct {
	name string
	v    Value
}

// with is the set with one more thing found out.
func (s spanset) with(name string, v Value) spanset {
	for i, a := range s.attrs {
		if a.name == name {
			s.attrs = slices.Clone(s.attrs)
			s.attrs[i].v = v
			return s
		}
	}
	s.attrs = append(s.attrs[:len(s.attrs):len(s.attrs)], namedValue{name, v})
	return s
}

// whole is the set of all spans.
func (t *tree) whole() []spanset {
	all := make([]int32, len(t.spans))
	for i := range all {
		all[i] = int32(i)
	}
	return []spanset{{spans: all}}
}

// members marks the spans of sets.
func (t *tree) members(sets []spanset) []bool {
	in := make([]bool, len(t.spans))
	for _, s := range sets {
		for _, i := range s.spans {
			in[i] = true
		}
	}
	return in
}

// listed gives the spans that are marked.
func listed(in []bool) []int32 {
	var spans []int32
	for i, is := range in {
		if is {
			spans = append(spans, int32(i))
		}
	}
	return spans
}

// relatives marks the spans that are so related to one of those marked in of:
// childOf marks the children of those.
func (t *tree) relatives(r relation, of []bool) []bool {
	marked := make([]bool, len(t.spans))
	switch r {
	case childOf, descendantOf:
		for _, i := range t.order {
			if p := t.nodes[i].parent; p >= 0 {
				marked[i] = of[p] || r == descendantOf && marked[p]
			}
		}
	case parentOf, ancestorOf:
		for _, i := range slices.Backward(t.order) {
			if p := t.nodes[i].parent; p >= 0 && (of[i] || r == ancestorOf && marked[i]) {
				marked[p] = true
			}
		}
	case siblingOf:
		count := make([]int, len(t.spans))
		for i, is := range of {
			if p := t.nodes[i].parent; is && p >= 0 {
				count[p]++
			}
		}
		for i := range t.spans {
			p := t.nodes[i].parent
			marked[i] = p >= 0 && (count[p] > 1 || count[p] == 1 && !of[i])
		}
	}
	return marked
}

// inverse is the relation seen from the other side.
var inverse = map[relation]relation{childOf: parentOf, parentOf: childOf, descendantOf: ancestorOf, ancestorOf: descendantOf, siblingOf: siblingOf}
