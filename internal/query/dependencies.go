package query

import (
	"cmp"
	"context"
	"hash/maphash"
	"slices"

	"github.com/signalbox-otel/signalbox/internal/store"
)

// Dependency says that a service calls another, and how often.
type Dependency struct {
	Parent, Child string // service names, "" for a resource without one
	Calls         uint64
}

// dependencyRows bounds the spans that Dependencies looks at: what it remembers
// of each takes about 50 bytes.
const dependencyRows = 1_000_000

// Dependencies counts the calls between services in the spans that start in
// [start, end): a span counts as a call when its parent belongs to another
// service and is in the range too. The answer is ordered by name.
func (e *Engine) Dependencies(ctx context.Context, start, end uint64) ([]Dependency, *store.Report, error) {
	g := callGraph{seed: maphash.MakeSeed(), numbers: map[string]uint32{}, owner: map[uint64]uint32{}}
	report := &store.Report{}
	q := store.Query{Start: start, End: end, Need: store.NeedCore, MaxRows: min(e.limits.MaxRows, dependencyRows), Report: report}
	for s, err := range e.reader.Spans(ctx, q) {
		if err != nil {
			return nil, report, err
		}
		g.add(s)
	}
	return g.dependencies(), report, nil
}

// callGraph collects spans and then joins each with its parent. Spans are known
// by a hash of their ids: one false match in a million spans has a chance of one
// in ten million.
type callGraph struct {
	seed     maphash.Seed
	numbers  map[string]uint32 // of services
	names    []string
	owner    map[uint64]uint32 // hash of a span's ids -> its service
	children []callee
}

// callee is a span that has a parent.
type callee struct {
	parent  uint64 // hash of the parent's ids
	service uint32
}

func (g *callGraph) add(s *store.Span) {
	name := s.Resource.ServiceName()
	number, ok := g.numbers[name]
	if !ok {
		number = uint32(len(g.names))
		g.numbers[name] = number
		g.names = append(g.names, name)
	}
	g.owner[g.hash(s.TraceID, s.SpanID)] = number
	if s.ParentID != (store.SpanID{}) {
		g.children = append(g.children, callee{g.hash(s.TraceID, s.ParentID), number})
	}
}

func (g *callGraph) hash(trace store.TraceID, span store.SpanID) uint64 {
	return maphash.Comparable(g.seed, struct {
		store.TraceID
		store.SpanID
	}{trace, span})
}

func (g *callGraph) dependencies() []Dependency {
	type edge struct{ parent, child uint32 }
	calls := map[edge]uint64{}
	for _, c := range g.children {
		if parent, ok := g.owner[c.parent]; ok && parent != c.service {
			calls[edge{parent, c.service}]++
		}
	}
	deps := make([]Dependency, 0, len(calls))
	for e, n := range calls {
		deps = append(deps, Dependency{Parent: g.names[e.parent], Child: g.names[e.child], Calls: n})
	}
	slices.SortFunc(deps, func(a, b Dependency) int {
		return cmp.Or(cmp.Compare(a.Parent, b.Parent), cmp.Compare(a.Child, b.Child))
	})
	return deps
}
