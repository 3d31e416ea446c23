package query

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/signalbox-otel/signalbox/internal/store"
)

// Dependencies says which service called which, from the spans in a range.
type Dependencies struct {
	Edges  []Edge // most calls first
	Report store.Report
}

// Edge is calls of one service by another.
type Edge struct {
	Caller, Callee string
	// Callee is a service when Type is "", else something that sends no spans
	// of its own: "database", "messaging" or "peer".
	Type          string
	Calls, Errors uint64
	Durations     store.Histogram // as the caller saw them
}

// spanKey is a span id in its trace; span ids are unique only there.
type spanKey struct {
	trace store.TraceID
	span  store.SpanID
}

// callerSpan is what is remembered of a span until its children were seen.
type callerSpan struct {
	duration uint64
	service  uint32 // index of names
	peer     uint32 // index of names, what its attributes say it called; 0 for nothing
	failed   bool
	answered bool // a span of another service has it as its parent
}

// calledSpan is a span with a parent, which may be of another service.
type calledSpan struct {
	parent  spanKey
	service uint32
}

// peer is something called, as the attributes of a client span say.
type peer struct{ name, typ string }

// edgeKey is what an Edge is about.
type edgeKey struct {
	caller string
	callee peer
}

// maxCallers bounds what is remembered at about 150 MB.
const maxCallers = 1_000_000

// callGraph collects spans until it is known who called whom.
type callGraph struct {
	names   []peer
	indexes map[peer]uint32
	callers map[spanKey]callerSpan
	called  []calledSpan
}

func (g *callGraph) index(p peer) uint32 {
	i, ok := g.indexes[p]
	if !ok {
		i = uint32(len(g.names))
		g.indexes[p] = i
		g.names = append(g.names, p)
	}
	return i
}

func (g *callGraph) add(s *store.Span) {
	service := g.index(peer{name: s.Resource.ServiceName()})
	c := callerSpan{service: service, duration: s.Duration(), failed: s.StatusCode == statusError}
	if s.Kind == kindClient || s.Kind == kindProducer {
		c.peer = g.index(peerOf(s.Attrs))
	}
	g.callers[spanKey{s.TraceID, s.SpanID}] = c
	if s.ParentID != (store.SpanID{}) {
		g.called = append(g.called, calledSpan{spanKey{s.TraceID, s.ParentID}, service})
	}
}

// Dependencies reads all spans that start in [start, end) and satisfy where.
// A call whose two spans lie on both sides of a bound is missed. It works
// without metrics; its cost grows with the number of spans.
func (e *Engine) Dependencies(ctx context.Context, start, end uint64, where store.Expr) (*Dependencies, error) {
	a := &Dependencies{}
	g := callGraph{indexes: map[peer]uint32{}, callers: map[spanKey]callerSpan{}}
	g.index(peer{}) // 0 is nothing
	for s, err := range e.spans(ctx, store.Query{Start: start, End: end, Where: where, Need: store.NeedAttrs, Report: &a.Report}) {
		if err != nil {
			return nil, fmt.Errorf("reading spans for dependencies: %w", err)
		}
		if len(g.callers) == maxCallers {
			a.Report.Stopped = StoppedSpans
			break
		}
		g.add(s)
	}
	a.Edges = g.edges()
	return a, nil
}

func (g *callGraph) edges() []Edge {
	edges := map[edgeKey]*Edge{}
	for _, called := range g.called {
		c, ok := g.callers[called.parent]
		if !ok || c.service == called.service {
			continue
		}
		c.answered = true
		g.callers[called.parent] = c
		addEdge(edges, edgeKey{g.names[c.service].name, g.names[called.service]}, c)
	}
	for _, c := range g.callers {
		if c.peer != 0 && !c.answered {
			addEdge(edges, edgeKey{g.names[c.service].name, g.names[c.peer]}, c)
		}
	}
	sorted := make([]Edge, 0, len(edges))
	for _, edge := range edges {
		sorted = append(sorted, *edge)
	}
	slices.SortFunc(sorted, func(x, y Edge) int {
		return cmp.Or(cmp.Compare(y.Calls, x.Calls), cmp.Compare(x.Caller, y.Caller), cmp.Compare(x.Callee, y.Callee), cmp.Compare(x.Type, y.Type))
	})
	return sorted
}

func addEdge(edges map[edgeKey]*Edge, key edgeKey, c callerSpan) {
	edge := edges[key]
	if edge == nil {
		edge = &Edge{Caller: key.caller, Callee: key.callee.name, Type: key.callee.typ}
		edges[key] = edge
	}
	edge.Calls++
	if c.failed {
		edge.Errors++
	}
	edge.Durations.Observe(c.duration)
}

// peers are the attributes, by today's and by older semantic conventions, that
// say what a client called, the most telling first.
var peers = []struct{ key, typ string }{
	{"peer.service", "peer"},
	{"db.system.name", "database"}, {"db.system", "database"},
	{"messaging.system", "messaging"},
	{"server.address", "peer"}, {"net.peer.name", "peer"},
}

func peerOf(attrs []store.Attr) peer {
	for _, p := range peers {
		if v, ok := store.Find(attrs, p.key); ok && v.Str() != "" {
			return peer{v.Str(), p.typ}
		}
	}
	return peer{}
}
