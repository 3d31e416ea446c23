package servicegraph

import (
	"slices"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/signalbox-otel/signalbox/internal/ingest"
	"github.com/signalbox-otel/signalbox/internal/store"
)

// key is what the two ends of a call have in common.
type key struct {
	trace [16]byte
	span  [8]byte // of the span that calls
}

// half is what one span says about an edge. Its texts may be parts of a batch.
type half struct {
	key
	service  string
	nanos    uint64 // how long it took
	database string // that it calls
	peer     string // the value of a peer attribute
	rank     uint16 // which attribute that is, from 1; 0 for none
	kind     connection
	called   bool // the end that is called
	failed   bool
	named    bool // it has a database, which may be ""
}

// connection is what two services are connected by.
type connection uint8

const (
	direct connection = iota
	messaging
	database
	virtual
)

// labels are the values of attribute connection_type.
var labels = [...]string{direct: "", messaging: "messaging_system", database: "database", virtual: "virtual_node"}

// value is that of an attribute, if there is one.
type value struct {
	s  string
	ok bool
}

// keys are those of attributes that are looked for. A key may be there twice.
type keys struct {
	list    []string
	lengths uint64 // bit n: one has n bytes, bit 63: or more
}

func newKeys(lists ...[]string) keys {
	k := keys{list: slices.Concat(lists...)}
	for _, key := range k.list {
		k.lengths |= 1 << min(len(key), 63)
	}
	return k
}

// may is false for most keys that are not in k.
func (k *keys) may(key string) bool { return k.lengths>>min(len(key), 63)&1 != 0 }

// inBatch looks for the keys among attrs: found has the values by the order of
// the keys, of the first attribute of each.
func (k *keys) inBatch(attrs []store.Attr, found []value) {
	clear(found)
	for i := range attrs {
		a := &attrs[i]
		if !k.may(a.Key) {
			continue
		}
		for j, key := range k.list {
			if key != a.Key || found[j].ok {
				continue
			}
			if a.Value.Type == store.String {
				found[j] = value{a.Value.Str(), true}
			} else {
				found[j] = value{ingest.Pvalue(a.Value).AsString(), true}
			}
		}
	}
}

// inPdata is inBatch for attributes of pdata.
func (k *keys) inPdata(attrs pcommon.Map, found []value) {
	clear(found)
	for name, v := range attrs.All() {
		if !k.may(name) {
			continue
		}
		for j, key := range k.list {
			if key == name && !found[j].ok {
				found[j] = value{v.AsString(), true}
			}
		}
	}
}

// fold collects the halves of one request, to add them to the graph some at a
// time. One goroutine has it.
type fold struct {
	*graph
	halves []half
	dims   []value // of the halves, one after the other: a value per dimension

	resource, span []value // found in the last ones

	added, refused int64
}

// perLock is how many spans are added to the graph at once.
const perLock = 256

func newFold(g *graph) *fold {
	return &fold{
		graph:    g,
		halves:   make([]half, 0, perLock),
		dims:     make([]value, 0, perLock*len(g.dimensions)),
		resource: make([]value, len(g.inResource.list)),
		span:     make([]value, max(len(g.inCaller.list), len(g.inCalled.list))),
	}
}

// named says whether the resource that was looked at last has a service name.
// The others' spans are left out.
func (f *fold) named() bool { return f.resource[0].ok }

// batch adds the spans of a batch.
func (f *fold) batch(spans []store.Span) {
	for len(spans) > 0 {
		r := spans[0].Resource
		n := 1
		for n < len(spans) && spans[n].Resource == r {
			n++
		}
		f.inResource.inBatch(r.Attrs, f.resource)
		if f.named() {
			for i := range spans[:n] {
				f.batchSpan(&spans[i])
			}
		}
		spans = spans[n:]
	}
	f.flush()
}

func (f *fold) batchSpan(s *store.Span) {
	h, wanted := f.begin(ptrace.SpanKind(s.Kind))
	if h == nil {
		return
	}
	h.key = key{s.TraceID, s.SpanID}
	if h.called {
		h.span = s.ParentID
	}
	h.nanos = s.Duration()
	h.failed = ptrace.StatusCode(s.StatusCode) == ptrace.StatusCodeError
	wanted.inBatch(s.Attrs, f.span[:len(wanted.list)])
	f.end(h)
}

// pdata adds the spans of pdata.
func (f *fold) pdata(td ptrace.Traces) {
	for _, rs := range td.ResourceSpans().All() {
		f.inResource.inPdata(rs.Resource().Attributes(), f.resource)
		if !f.named() {
			continue
		}
		for _, ss := range rs.ScopeSpans().All() {
			for _, s := range ss.Spans().All() {
				f.pdataSpan(s)
			}
		}
	}
	f.flush()
}

func (f *fold) pdataSpan(s ptrace.Span) {
	h, wanted := f.begin(s.Kind())
	if h == nil {
		return
	}
	h.key = key{s.TraceID(), s.SpanID()}
	if h.called {
		h.span = s.ParentSpanID()
	}
	if start, end := s.StartTimestamp(), s.EndTimestamp(); end > start {
		h.nanos = uint64(end - start)
	}
	h.failed = s.Status().Code() == ptrace.StatusCodeError
	wanted.inPdata(s.Attributes(), f.span[:len(wanted.list)])
	f.end(h)
}

// begin makes room for a half of a span of that kind, and says what to look for
// in its attributes. It is nil for spans that are no end of a call.
func (f *fold) begin(kind ptrace.SpanKind) (*half, *keys) {
	if kind < ptrace.SpanKindServer || kind > ptrace.SpanKindConsumer {
		return nil, nil
	}
	if len(f.halves) == perLock {
		f.flush()
	}
	n := len(f.halves)
	f.halves = f.halves[:n+1] // flush has cleared it
	h := &f.halves[n]
	h.service = f.resource[0].s
	if kind == ptrace.SpanKindProducer || kind == ptrace.SpanKindConsumer {
		h.kind = messaging
	}
	if h.called = kind == ptrace.SpanKindServer || kind == ptrace.SpanKindConsumer; h.called {
		return h, &f.inCalled
	}
	return h, &f.inCaller
}

// end completes a half with what was found in the attributes. Those of the
// resource go before those of the span.
func (f *fold) end(h *half) {
	dims := len(f.dimensions)
	for i := range dims {
		v := f.resource[1+i]
		if !v.ok {
			v = f.span[i]
		}
		f.dims = append(f.dims, v)
	}
	if h.called {
		return
	}
	span, bases := f.span[dims:], f.resource[1+dims:]
	for i := range f.databases {
		v := bases[i]
		if !v.ok {
			v = span[i]
		}
		if v.ok {
			h.kind, h.named, h.database = database, true, v.s
			break
		}
	}
	for i, v := range span[len(f.databases) : len(f.inCaller.list)-dims] {
		if v.ok {
			h.rank, h.peer = uint16(i+1), v.s
			break
		}
	}
}

// flush adds what was collected to the graph.
func (f *fold) flush() {
	added, refused := f.add(f.halves, f.dims)
	f.added += added
	f.refused += refused
	clear(f.halves) // the texts are the batch's
	clear(f.dims)
	f.halves, f.dims = f.halves[:0], f.dims[:0]
}

// reset lets go of what belongs to the request.
func (f *fold) reset() {
	clear(f.resource)
	clear(f.span)
	f.added, f.refused = 0, 0
}
