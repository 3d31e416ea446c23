package server

import (
	"cmp"
	"context"
	"hash/maphash"
	"slices"

	"github.com/signalbox-otel/signalbox/internal/store"
)

// callRows bounds the spans that jaegerCalls looks at: what it remembers of each
// takes about 50 bytes.
const callRows = 1_000_000

// jaegerCalls counts the calls between services in the spans that start in
// [start, end): a span counts as a call when its parent belongs to another
// service and is in the range too. The answer is ordered by name.
func (s *Server) jaegerCalls(ctx context.Context, start, end uint64) ([]jaegerDependency, *store.Report, error) {
	g := callGraph{seed: maphash.MakeSeed(), numbers: map[string]uint32{}, owner: map[uint64]uint32{}}
	report := &store.Report{}
	q := store.Query{Start: start, End: end, Need: store.NeedCore, MaxRows: callRows, Report: report}
	for span, err := range s.deps.Reader.Spans(ctx, q) {
		if err != nil {
			return nil, report, err
		}
		g.add(span)
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
	name := jaegerService(s.Resource)
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

func (g *callGraph) dependencies() []jaegerDependency {
	type edge struct{ parent, child uint32 }
	calls := map[edge]uint64{}
	for _, c := range g.children {
		if parent, ok := g.owner[c.parent]; ok && parent != c.service {
			calls[edge{parent, c.service}]++
		}
	}
	deps := make([]jaegerDependency, 0, len(calls))
	for e, n := range calls {
		deps = append(deps, jaegerDependency{Parent: g.names[e.parent], Child: g.names[e.child], CallCount: n})
	}
	slices.SortFunc(deps, func(a, b jaegerDependency) int {
		return cmp.Or(cmp.Compare(a.Parent, b.Parent), cmp.Compare(a.Child, b.Child))
	})
	return deps
}
