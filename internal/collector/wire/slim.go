package wire

import (
	"encoding/binary"
	"hash/maphash"
	"reflect"
	"slices"
	"strings"
	"sync"

	"github.com/open-telemetry/opentelemetry-collector-contrib/connector/servicegraphconnector"
	"github.com/open-telemetry/opentelemetry-collector-contrib/connector/spanmetricsconnector"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/pdata/xpdata"

	"github.com/signalbox-otel/signalbox/internal/ingest"
	"github.com/signalbox-otel/signalbox/internal/store"
)

// Slim is what a connector reads of spans, by its configuration. What it does
// not read it is not given.
type Slim struct {
	// attributes are the keys that it looks for in spans; for service graphs,
	// where callers are looked at otherwise, in those that are called.
	attributes, callers keys
	// resources are the keys that it looks for in resources; nil for all.
	resources *keys
	scopes    bool // names and versions of instrumentation scopes
	edges     bool // only spans that are an end of a call between services

	pool sync.Pool // *slimmer
}

// Reads returns what the connector of a configuration reads; nil when it is of
// another kind than those that are known, or reads what Slim has no part for.
// Connectors put defaults into their configuration when they are made: ask then.
func Reads(cfg component.Config) *Slim {
	switch c := cfg.(type) {
	case *spanmetricsconnector.Config:
		if c.Events.Enabled {
			return nil
		}
		s := &Slim{scopes: len(c.IncludeInstrumentationScope) > 0}
		for _, list := range [][]spanmetricsconnector.Dimension{c.Dimensions, c.CallsDimensions, c.Histogram.Dimensions} {
			for _, d := range list {
				if d.Glob != "" {
					return nil
				}
				s.attributes.add(d.Name)
			}
		}
		return s
	case *servicegraphconnector.Config:
		s := &Slim{resources: &keys{}, edges: true}
		s.resources.add(serviceName)
		s.resources.add(c.Dimensions...)
		s.resources.add(c.DatabaseNameAttributes...)
		s.attributes.add(c.Dimensions...)
		s.callers.add(c.Dimensions...)
		s.callers.add(c.DatabaseNameAttributes...)
		s.callers.add(c.VirtualNodePeerAttributes...)
		return s
	}
	return nil
}

// serviceName is the key without which both connectors skip a resource.
const serviceName = "service.name"

// keys is a set of keys of attributes.
type keys struct {
	list    []string
	lengths uint64 // bit n: one has n bytes, bit 63: or more
}

func (k *keys) add(list ...string) {
	for _, key := range list {
		if !slices.Contains(k.list, key) {
			k.list = append(k.list, key)
			k.lengths |= 1 << min(len(key), 63)
		}
	}
}

// has is asked for every attribute of every span, and most are told apart by
// their length.
func (k *keys) has(key string) bool {
	return k.lengths>>min(len(key), 63)&1 != 0 && slices.Contains(k.list, key)
}

// slimmer makes one pdata after the other of the same memory.
type slimmer struct {
	*Slim
	texts texts
	// spans are used again for each batch; pointers are what they are in pdata.
	spans    ptrace.SpanSlice
	pointers reflect.Value
	resource map[uint64]pcommon.Resource // by the hash of their attributes
	seed     maphash.Seed
}

// Bounds of what a slimmer keeps.
const (
	maxTexts     = 10_000
	maxResources = 1000
	maxSpans     = 20_000
)

// Give calls consume with the part of a batch that the connector reads. It is
// good until consume returns, but for resources, which stay as they are, and
// texts.
func (s *Slim) Give(b *store.Batch, consume func(ptrace.Traces) error) error {
	m, ok := s.pool.Get().(*slimmer)
	if !ok {
		m = &slimmer{Slim: s, texts: texts{}, spans: ptrace.NewSpanSlice(), resource: map[uint64]pcommon.Resource{}, seed: maphash.MakeSeed()}
	}
	td := m.traces(b)
	err := consume(td)
	for _, rs := range td.ResourceSpans().All() { // a connector may keep a resource, and all that hangs on it
		inside(rs).Elem().FieldByName("ScopeSpans").SetZero()
	}
	if m.spans.Len() <= maxSpans {
		s.pool.Put(m)
	}
	return err
}

// traces is the part of b that the connector reads.
func (m *slimmer) traces(b *store.Batch) ptrace.Traces {
	m.room(len(b.Spans))
	td := ptrace.NewTraces()
	used := 0
	for rest := b.Spans; len(rest) > 0; {
		r := rest[0].Resource
		n := 1
		for n < len(rest) && rest[n].Resource == r {
			n++
		}
		if _, named := store.Find(r.Attrs, serviceName); named {
			rs := td.ResourceSpans().AppendEmpty()
			m.fillResource(rs, r)
			used = m.fillScopes(rs, rest[:n], used)
		}
		rest = rest[n:]
	}
	return td
}

// room sees to it that there are n spans to use.
func (m *slimmer) room(n int) {
	if m.spans.Len() >= n && m.pointers.IsValid() {
		return
	}
	m.spans.EnsureCapacity(n)
	for m.spans.Len() < n {
		m.spans.AppendEmpty()
	}
	m.pointers = inside(m.spans).Elem()
}

// fillScopes fills the scopes of one resource, with spans from number used on,
// and returns the number after the last.
func (m *slimmer) fillScopes(rs ptrace.ResourceSpans, spans []store.Span, used int) int {
	for len(spans) > 0 {
		scope, first := spans[0].Scope, used
		n := 0
		for ; n < len(spans) && spans[n].Scope == scope; n++ {
			if !m.edges || isEdge(&spans[n]) {
				m.fill(m.spans.At(used), &spans[n])
				used++
			}
		}
		spans = spans[n:]
		if used == first {
			continue
		}
		ss := rs.ScopeSpans().AppendEmpty()
		if m.scopes {
			ss.Scope().SetName(m.texts.own(scope.Name))
			ss.Scope().SetVersion(m.texts.own(scope.Version))
		}
		inside(ss).Elem().FieldByName("Spans").Set(m.pointers.Slice3(first, used, used))
	}
	return used
}

func isEdge(s *store.Span) bool { return isCaller(s) || isCalled(s) }

func isCaller(s *store.Span) bool {
	return ptrace.SpanKind(s.Kind) == ptrace.SpanKindClient || ptrace.SpanKind(s.Kind) == ptrace.SpanKindProducer
}

func isCalled(s *store.Span) bool {
	return ptrace.SpanKind(s.Kind) == ptrace.SpanKindServer || ptrace.SpanKind(s.Kind) == ptrace.SpanKindConsumer
}

// fill sets all that an earlier batch may have set.
func (m *slimmer) fill(dst ptrace.Span, span *store.Span) {
	dst.SetTraceID(pcommon.TraceID(span.TraceID))
	dst.SetSpanID(pcommon.SpanID(span.SpanID))
	dst.SetKind(ptrace.SpanKind(span.Kind))
	dst.SetStartTimestamp(pcommon.Timestamp(span.Start))
	dst.SetEndTimestamp(pcommon.Timestamp(span.End))
	dst.Status().SetCode(ptrace.StatusCode(span.StatusCode))
	wanted := &m.attributes
	if m.edges {
		dst.SetParentSpanID(pcommon.SpanID(span.ParentID))
		if isCaller(span) {
			wanted = &m.callers
		}
	} else {
		dst.SetName(m.texts.own(span.Name))
		dst.TraceState().FromRaw(m.texts.own(span.TraceState)) // has the probability of the sampling
	}
	if a := dst.Attributes(); a.Len() > 0 {
		a.Clear()
	}
	if len(wanted.list) > 0 {
		m.fillAttributes(dst.Attributes(), span.Attrs, wanted)
	}
}

// fillAttributes copies the attributes that have one of the keys, nil for all.
func (m *slimmer) fillAttributes(dst pcommon.Map, attrs []store.Attr, wanted *keys) {
	var to xpdata.MapBuilder // which keeps keys that come twice
	found := 0
	for i := range attrs {
		a := &attrs[i]
		if wanted != nil && !wanted.has(a.Key) {
			continue
		}
		found++
		v := to.AppendEmpty(m.texts.own(a.Key))
		if a.Value.Type == store.String {
			v.SetStr(m.texts.own(a.Value.Str()))
		} else {
			ingest.Pvalue(a.Value.Clone()).MoveTo(v)
		}
	}
	if found > 0 {
		to.UnsafeIntoMap(dst)
	}
}

// fillResource fills the resource of rs. Senders have the same few again and
// again, and nobody changes what was given once: a connector may keep it.
func (m *slimmer) fillResource(rs ptrace.ResourceSpans, r *store.Resource) {
	hash := m.hash(r.Attrs)
	known, ok := m.resource[hash]
	if !ok || !m.same(known.Attributes(), r.Attrs) {
		known = pcommon.NewResource()
		m.fillAttributes(known.Attributes(), r.Attrs, m.resources)
		if len(m.resource) >= maxResources {
			clear(m.resource)
		}
		m.resource[hash] = known
	}
	inside(rs).Elem().FieldByName("Resource").Set(inside(known).Elem())
}

// hash is the same for the same attributes.
func (m *slimmer) hash(attrs []store.Attr) uint64 {
	var h maphash.Hash
	var number [8]byte
	h.SetSeed(m.seed)
	for i := range attrs {
		_, _ = h.WriteString(attrs[i].Key)
		_ = h.WriteByte(byte(attrs[i].Value.Type))
		_, _ = h.WriteString(attrs[i].Value.Str())
		_, _ = h.Write(binary.LittleEndian.AppendUint64(number[:0], uint64(attrs[i].Value.Int()))) // the bits, whatever the type
	}
	return h.Sum64()
}

// same says whether known is what fillAttributes makes of attrs. It is false for
// kinds of values that few resources have.
func (m *slimmer) same(known pcommon.Map, attrs []store.Attr) bool {
	i := 0
	for key, v := range known.All() {
		for m.resources != nil && i < len(attrs) && !m.resources.has(attrs[i].Key) {
			i++
		}
		if i == len(attrs) || attrs[i].Key != key || !sameValue(v, attrs[i].Value) {
			return false
		}
		i++
	}
	for m.resources != nil && i < len(attrs) && !m.resources.has(attrs[i].Key) {
		i++
	}
	return i == len(attrs)
}

func sameValue(known pcommon.Value, v store.Value) bool {
	switch v.Type {
	case store.String:
		return known.Type() == pcommon.ValueTypeStr && known.Str() == v.Str()
	case store.Int:
		return known.Type() == pcommon.ValueTypeInt && known.Int() == v.Int()
	case store.Bool:
		return known.Type() == pcommon.ValueTypeBool && known.Bool() == v.Bool()
	}
	return false
}

// texts gives every text its own memory, once: connectors keep names and values
// in their series for ever, and would keep the whole request with each.
type texts map[string]string

func (t texts) own(s string) string {
	if s == "" {
		return ""
	}
	own, ok := t[s]
	if !ok {
		if len(t) >= maxTexts {
			clear(t)
		}
		own = strings.Clone(s)
		t[own] = own
	}
	return own
}
