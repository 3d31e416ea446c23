package servicegraph

import (
	"encoding/binary"
	"sort"
	"sync"
	"time"
)

// settings are what the graph is made by.
type settings struct {
	dimensions []string
	databases  []string // attributes that name a database
	peers      []string // attributes that name a virtual node; none: there are no such
	label      bool     // series say which end is a virtual node
	bounds     []float64
	ttl        time.Duration
	maxItems   int

	// What is looked for: in resources the service's name, dimensions and
	// databases; in callers dimensions, databases and peers.
	inResource, inCaller, inCalled keys
}

// edge is a call of which one end is known. It has no pointers, so that the
// garbage collector need not look at them.
type edge struct {
	key
	expires                  time.Duration // since the graph began
	clientNanos, serverNanos uint64
	client, server, peer     text
	older, newer             uint32 // slots of its neighbours by age; newer is the next free slot where there is no edge
	rank                     uint16 // of the peer; 0: there is none
	kind                     connection
	failed                   bool
}

func (e *edge) complete() bool { return e.client != 0 && e.server != 0 }

// graph is what is known of calls. Its methods may be called by several
// goroutines.
type graph struct {
	settings
	began time.Time

	mu    sync.Mutex
	texts *texts

	// Edges that wait are found by their key. They are linked by age in a ring;
	// slot 0 is where it begins and ends.
	slots   []edge
	dims    []text // of the edge in each slot: one per dimension of the client, then of the server
	waiting map[key]uint32
	free    uint32 // the first free slot; 0: none

	names  []string // of the attributes that dims become
	known  map[identity]*series
	series []*series // all that are known
	vector []byte    // used by record
}

func newGraph(s settings) *graph {
	s.inResource = newKeys([]string{serviceName}, s.dimensions, s.databases)
	s.inCaller = newKeys(s.dimensions, s.databases, s.peers)
	s.inCalled = newKeys(s.dimensions)
	g := &graph{settings: s, began: time.Now(), texts: newTexts(), waiting: map[key]uint32{}, known: map[identity]*series{}}
	for _, end := range []string{"client_", "server_"} {
		for _, d := range s.dimensions {
			g.names = append(g.names, end+d)
		}
	}
	g.slots = make([]edge, 1)
	g.dims = make([]text, g.width())
	return g
}

const serviceName = "service.name"

// width is how many dimensions an edge has.
func (g *graph) width() int { return 2 * len(g.dimensions) }

// now is the time since the graph began, whatever happens to the clock.
func (g *graph) now() time.Duration { return time.Since(g.began) }

// add adds halves of edges, and says how many edges are new and how many halves
// found no room. dims has len(g.dimensions) values for each.
func (g *graph) add(halves []half, dims []value) (added, refused int64) {
	now := g.now()
	g.mu.Lock()
	defer g.mu.Unlock()
	var last string
	var service text
	for i := range halves {
		h := &halves[i]
		if h.service != last {
			g.texts.set(&service, g.texts.name(h.service))
			last = h.service
		}
		n := len(g.dimensions)
		slot, waits := g.waiting[h.key]
		switch {
		case waits:
			if g.merge(slot, h, service, dims[i*n:][:n]); g.slots[slot].complete() {
				g.record(slot, now, "")
				g.remove(slot)
			}
		case !h.called && h.database != "" && service != 0: // its other end sends no spans
			added++
			slot = g.take()
			g.merge(slot, h, service, dims[i*n:][:n])
			g.record(slot, now, "")
			g.release(slot)
		case len(g.waiting) >= g.maxItems:
			refused++
		default:
			added++
			slot = g.take()
			g.merge(slot, h, service, dims[i*n:][:n])
			g.wait(slot, h.key, now+g.ttl)
		}
	}
	g.texts.drop(service)
	return added, refused
}

// merge puts into an edge what a half says.
func (g *graph) merge(slot uint32, h *half, service text, dims []value) {
	e := &g.slots[slot]
	e.kind = h.kind
	e.failed = e.failed || h.failed
	own := g.dimsOf(slot)
	if h.called {
		g.texts.set(&e.server, g.texts.again(service))
		e.serverNanos = h.nanos
		own = own[len(dims):]
	} else {
		g.texts.set(&e.client, g.texts.again(service))
		e.clientNanos = h.nanos
		if h.rank != 0 && (e.rank == 0 || h.rank <= e.rank) {
			g.texts.set(&e.peer, g.texts.name(h.peer))
			e.rank = h.rank
		}
		if h.named {
			g.texts.set(&e.server, g.texts.name(h.database))
			e.serverNanos = h.nanos
		}
	}
	for i, v := range dims {
		if v.ok {
			g.texts.set(&own[i], g.texts.hold(v.s))
		}
	}
}

func (g *graph) dimsOf(slot uint32) []text {
	w := g.width()
	return g.dims[int(slot)*w:][:w]
}

// take takes a free slot.
func (g *graph) take() uint32 {
	if slot := g.free; slot != 0 {
		g.free = g.slots[slot].newer
		g.slots[slot].newer = 0
		return slot
	}
	g.slots = append(g.slots, edge{})
	for range g.width() {
		g.dims = append(g.dims, 0)
	}
	return uint32(len(g.slots) - 1)
}

// release frees a slot that was taken.
func (g *graph) release(slot uint32) {
	e := &g.slots[slot]
	g.texts.drop(e.client)
	g.texts.drop(e.server)
	g.texts.drop(e.peer)
	dims := g.dimsOf(slot)
	for _, id := range dims {
		g.texts.drop(id)
	}
	clear(dims)
	*e = edge{newer: g.free}
	g.free = slot
}

// wait lets the edge in a slot wait for its other end, as the newest one.
func (g *graph) wait(slot uint32, k key, expires time.Duration) {
	newest := g.slots[0].older
	e := &g.slots[slot]
	e.key, e.expires = k, expires
	e.older, e.newer = newest, 0
	g.slots[newest].newer = slot
	g.slots[0].older = slot
	g.waiting[k] = slot
}

// remove ends the waiting of an edge.
func (g *graph) remove(slot uint32) {
	e := &g.slots[slot]
	g.slots[e.older].newer = e.newer
	g.slots[e.newer].older = e.older
	delete(g.waiting, e.key)
	g.release(slot)
}

// expire removes the edges that have waited for too long, and says how many.
func (g *graph) expire() (expired int64) {
	for more := true; more; {
		var n int64
		n, more = g.expireSome()
		expired += n
	}
	return expired
}

// expireSome is expire for what one lock is held for; more says that there may
// be more.
func (g *graph) expireSome() (expired int64, more bool) {
	now := g.now()
	g.mu.Lock()
	defer g.mu.Unlock()
	for range perLock {
		slot := g.slots[0].newer
		if slot == 0 || g.slots[slot].expires >= now {
			return expired, false
		}
		expired++
		if len(g.peers) > 0 {
			g.toVirtual(slot, now)
		}
		g.remove(slot)
	}
	return expired, true
}

// toVirtual records an edge as one between a service and something that sends no
// spans. A span without a parent is called by a user; a parent that was not seen
// is nobody's.
func (g *graph) toVirtual(slot uint32, now time.Duration) {
	e := &g.slots[slot]
	e.kind = virtual
	if e.client == 0 && e.span == [8]byte{} {
		e.client = g.texts.hold("user")
		g.record(slot, now, "client")
	}
	if e.server == 0 {
		if e.rank != 0 {
			e.server = g.texts.again(e.peer)
		} else {
			e.server = g.texts.hold("unknown")
		}
		g.record(slot, now, "server")
	}
}

// identity is what makes series differ.
type identity struct {
	client, server text
	dims           text // those of an edge, as bytes
	kind           connection
	failed         bool
}

// series are the sums of edges that are alike. One that is forgotten has no
// edges.
type series struct {
	identity
	virtual string // which end is a virtual node
	updated time.Duration
	edges   uint64

	clientSeconds, serverSeconds float64
	clientTimes, serverTimes     []uint64 // edges by bucket
}

// staleAfter is how long a series without new edges is sent.
const staleAfter = 15 * time.Minute

// record adds an edge to its series; end is the one that is a virtual node.
func (g *graph) record(slot uint32, now time.Duration, end string) {
	e := &g.slots[slot]
	id := identity{client: e.client, server: e.server, kind: e.kind, failed: e.failed}
	dims := g.dimsOf(slot)
	if len(dims) > 0 {
		g.vector = g.vector[:0]
		for _, d := range dims {
			g.vector = binary.LittleEndian.AppendUint32(g.vector, uint32(d))
		}
		id.dims = g.texts.ids[string(g.vector)] // 0: the series is new
	}
	s := g.known[id]
	if s == nil {
		s = g.begin(id, dims)
	}
	s.virtual, s.updated = end, now
	s.edges++
	client, server := float64(e.clientNanos)/1e9, float64(e.serverNanos)/1e9
	s.clientSeconds += client
	s.serverSeconds += server
	s.clientTimes[sort.SearchFloat64s(g.bounds, client)]++
	s.serverTimes[sort.SearchFloat64s(g.bounds, server)]++
}

// begin makes a series, which holds its texts.
func (g *graph) begin(id identity, dims []text) *series {
	g.texts.again(id.client)
	g.texts.again(id.server)
	if len(dims) > 0 {
		id.dims = g.texts.hold(string(g.vector))
		for _, d := range dims {
			g.texts.again(d)
		}
	}
	n := len(g.bounds) + 1
	times := make([]uint64, 2*n)
	s := &series{identity: id, clientTimes: times[:n:n], serverTimes: times[n:]}
	g.known[id] = s
	g.series = append(g.series, s)
	return s
}

// forget removes series that had no edges for long.
func (g *graph) forget() {
	now := g.now()
	g.mu.Lock()
	defer g.mu.Unlock()
	kept := g.series[:0]
	for _, s := range g.series {
		if s.updated+staleAfter >= now {
			kept = append(kept, s)
			continue
		}
		delete(g.known, s.identity)
		for d := range g.dimsIn(s) {
			g.texts.drop(d)
		}
		g.texts.drop(s.client)
		g.texts.drop(s.server)
		g.texts.drop(s.dims)
		s.edges = 0
	}
	clear(g.series[len(kept):])
	g.series = kept
}

// dimsIn gives the dimensions of a series, in the order of dimsOf.
func (g *graph) dimsIn(s *series) func(yield func(text) bool) {
	return func(yield func(text) bool) {
		for v := g.texts.at(s.dims); v != ""; v = v[4:] {
			if !yield(text(binary.LittleEndian.Uint32([]byte(v[:4])))) {
				return
			}
		}
	}
}
