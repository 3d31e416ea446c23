package store_test

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/signalbox-otel/signalbox/internal/store"
	"github.com/signalbox-otel/signalbox/internal/store/storetest"
)

// random makes records that meet each other: few keys, few values, all types,
// and everything a careless or hostile sender may do.
type random struct {
	*rand.Rand
	resources []*store.Resource
	scopes    []*store.Scope
	base      uint64
	// ids are values of the attribute "id" that were given; most are given once.
	ids []string
	// idNames makes span names of ids too, as careless senders do.
	idNames bool
}

func newRandom(seed uint64) *random {
	r := &random{Rand: rand.New(rand.NewPCG(seed, 1)), base: 1_700_000_000_000_000_000, idNames: seed%3 == 1}
	for range 6 {
		r.resources = append(r.resources, &store.Resource{Attrs: r.attrs(4), DroppedAttrs: r.small(), SchemaURL: r.str()})
		r.scopes = append(r.scopes, &store.Scope{Name: r.str(), Version: r.str(), Attrs: r.attrs(2), DroppedAttrs: r.small(), SchemaURL: r.str()})
	}
	for i := range 4 {
		r.resources[i].Attrs = append(r.resources[i].Attrs, store.Attr{Key: "service.name", Value: store.StringValue(string(rune('a' + i)))})
	}
	return r
}

func pick[T any](r *random, from ...T) T { return from[r.IntN(len(from))] }

func (r *random) small() uint32 { return pick(r, uint32(0), 0, 0, 1, 7, math.MaxUint32) }

func (r *random) key() string {
	return pick(r, "a", "b", "http.method", "service.name", "", "\xff\xfe", "K", "k")
}

func (r *random) str() string {
	if r.IntN(200) == 0 {
		return strings.Repeat("x\x00y", 1000+r.IntN(3000))
	}
	if r.IntN(4) == 0 {
		return fmt.Sprintf("value-%d", r.IntN(10_000))
	}
	return pick(r, "", "", "GET", "get", "POST", "a", "ab", "abc", "\xff\xfe", "ſ", "Straße", "日本")
}

func (r *random) value() store.Value {
	switch r.IntN(9) {
	case 0:
		return store.IntValue(pick(r, int64(0), 1, -1, 5, 200, 404, math.MaxInt64, math.MinInt64, int64(r.IntN(1000))))
	case 1:
		return store.DoubleValue(pick(r, 0.0, 1, -1, 1.5, 200, math.NaN(), math.Inf(1), math.Copysign(0, -1), r.Float64()))
	case 2:
		return store.BoolValue(r.IntN(2) == 0)
	case 3:
		return store.BytesValue(r.str())
	case 4:
		return store.ArrayValue(r.str())
	case 5:
		return store.MapValue(r.str())
	case 6:
		return store.Value{}
	}
	return store.StringValue(r.str())
}

func (r *random) attrs(most int) []store.Attr {
	var attrs []store.Attr
	for range r.IntN(most + 1) {
		attrs = append(attrs, store.Attr{Key: r.key(), Value: r.value()})
	}
	return attrs
}

func (r *random) time() uint64 {
	if r.IntN(300) == 0 {
		return pick(r, uint64(0), 1, math.MaxUint64, uint64(math.MaxInt64))
	}
	return r.base + uint64(r.Int64N(300_000_000_000))
}

// id is a value that few other records have.
func (r *random) id() string {
	if len(r.ids) == 0 || r.IntN(10) > 0 {
		id := fmt.Sprintf("%x-%d", r.Uint64(), len(r.ids))
		r.ids = append(r.ids, id)
		return id
	}
	return r.ids[r.IntN(len(r.ids))]
}

func (r *random) traceID() (id store.TraceID) {
	if r.IntN(20) > 0 {
		binary.BigEndian.PutUint64(id[8:], uint64(r.IntN(100))*0x9e3779b97f4a7c15)
		id[0] = byte(r.IntN(3))
	}
	return id
}

func (r *random) spanID() (id store.SpanID) {
	if r.IntN(20) > 0 {
		binary.BigEndian.PutUint64(id[:], uint64(r.IntN(2000)))
	}
	return id
}

func (r *random) span() store.Span {
	s := store.Span{Resource: pick(r, r.resources...), Scope: pick(r, r.scopes...), TraceID: r.traceID(), SpanID: r.spanID(),
		Flags: r.small(), Name: r.str(), Kind: int32(r.IntN(6)), Start: r.time(), Attrs: r.attrs(6), DroppedAttrs: r.small(),
		DroppedEvents: r.small(), DroppedLinks: r.small(), StatusCode: int32(r.IntN(3))}
	if r.IntN(3) > 0 {
		s.ParentID = r.spanID()
	}
	s.End = s.Start + uint64(r.Int64N(2_000_000_000))
	if r.IntN(2) == 0 {
		s.Attrs = append(s.Attrs, store.Attr{Key: "id", Value: store.StringValue(r.id())})
	}
	if r.idNames {
		s.Name = r.id()
	}
	switch r.IntN(40) {
	case 0:
		s.End = s.Start - 5
	case 1:
		s.End, s.Kind, s.StatusCode = r.time(), -1, math.MinInt32
	}
	if r.IntN(8) == 0 {
		s.TraceState, s.StatusMessage = r.str(), r.str()
	}
	for range max(0, r.IntN(6)-3) {
		s.Events = append(s.Events, store.Event{Time: r.time(), Name: r.str(), Attrs: r.attrs(3), DroppedAttrs: r.small()})
	}
	for range max(0, r.IntN(6)-4) {
		s.Links = append(s.Links, store.Link{TraceID: r.traceID(), SpanID: r.spanID(), TraceState: r.str(), Flags: r.small(),
			Attrs: r.attrs(3), DroppedAttrs: r.small()})
	}
	return s
}

func (r *random) log() store.Log {
	l := store.Log{Resource: pick(r, r.resources...), Scope: pick(r, r.scopes...), Time: r.time(), ObservedTime: r.time(),
		SeverityNumber: int32(r.IntN(25)), SeverityText: pick(r, "", "INFO", "WARN"), Body: r.value(), Attrs: r.attrs(5),
		DroppedAttrs: r.small(), Flags: r.small(), EventName: r.str()}
	if r.IntN(2) == 0 {
		l.TraceID, l.SpanID = r.traceID(), r.spanID()
	}
	switch r.IntN(5) {
	case 0:
		l.Time = 0
	case 1:
		l.ObservedTime = 0
	}
	return l
}

// batch makes a batch of n records.
func (r *random) batch(k store.Kind, n int) *store.Batch {
	b := &store.Batch{Kind: k}
	for range n {
		if k == store.Spans {
			b.Spans = append(b.Spans, r.span())
		} else {
			b.Logs = append(b.Logs, r.log())
		}
	}
	return b
}

func (r *random) field() store.Field {
	if r.IntN(3) == 0 {
		return store.Field{Place: store.Intrinsic, Name: pick(r, store.FieldName, store.FieldKind, store.FieldStatus,
			store.FieldStatusMessage, store.FieldDuration, store.FieldTraceID, store.FieldSpanID, store.FieldParentID,
			store.FieldTraceState, store.FieldScopeName, store.FieldScopeVersion, store.FieldEventName, store.FieldSeverity,
			store.FieldSeverityText, store.FieldBody, "unknown")}
	}
	return store.Field{Place: pick(r, store.RecordAttr, store.RecordAttr, store.ResourceAttr, store.ScopeAttr, store.EventAttr,
		store.LinkAttr, store.AnyAttr), Name: pick(r, r.key(), r.key(), r.key(), "id")}
}

func (r *random) cond() store.Cond {
	c := store.Cond{Field: r.field(), Op: store.Op(1 + r.IntN(11)), Value: r.value()}
	switch c.Field.Name {
	case store.FieldTraceID:
		c.Value = store.StringValue(r.traceID().String())
	case store.FieldSpanID, store.FieldParentID:
		c.Value = store.StringValue(pick(r, r.spanID().String(), ""))
	case store.FieldDuration:
		c.Value = store.IntValue(r.Int64N(2_000_000_000))
	case store.FieldKind, store.FieldStatus, store.FieldSeverity:
		c.Value = store.IntValue(int64(r.IntN(6)))
	}
	if c.Field.Name == "id" || r.idNames && c.Field.Name == store.FieldName {
		c.Value = store.StringValue(pick(r, append(r.ids, "none")...))
	}
	switch c.Op {
	case store.Regexp:
		c.Value = store.StringValue(pick(r, "", ".*", "G.T", "value-1.*", "a|ab", "(?i)get", "[0-9a-f]*3"))
	case store.Contains, store.ContainsFold:
		c.Value = store.StringValue(pick(r, "", "e", "VALUE", "s", "\xff", "00"))
	}
	return c
}

func (r *random) expr(depth int) store.Expr {
	if depth == 0 || r.IntN(3) == 0 {
		return r.cond()
	}
	switch r.IntN(5) {
	case 0:
		return store.Not{Expr: r.expr(depth - 1)}
	case 1, 2:
		var or store.Or
		for range r.IntN(3) {
			or = append(or, r.expr(depth-1))
		}
		return or
	}
	var and store.And
	for range r.IntN(4) {
		and = append(and, r.expr(depth-1))
	}
	return and
}

func (r *random) query() store.Query {
	var q store.Query
	if r.IntN(6) > 0 {
		q.Where = r.expr(3)
	}
	if r.IntN(2) == 0 {
		q.Start = r.time()
	}
	if r.IntN(2) == 0 {
		q.End = r.time()
	}
	q.Limit = pick(r, 0, 0, 1, 3, 20, 1000)
	q.OnePerTrace = r.IntN(4) == 0
	return q
}

// spanText and logText say all that a record holds; equal texts, equal records
// up to the order of attributes.
func spanText(s *store.Span) string {
	c := *s
	c.Attrs = slices.Clone(c.Attrs)
	storetest.SortAttrs(c.Attrs)
	c.Resource, c.Scope = nil, nil
	return fmt.Sprintf("%+v\nresource %+v\nscope %+v", c, *s.Resource, *s.Scope)
}

func logText(l *store.Log) string {
	c := *l
	c.Attrs = slices.Clone(c.Attrs)
	storetest.SortAttrs(c.Attrs)
	c.Resource, c.Scope = nil, nil
	return fmt.Sprintf("%+v\nresource %+v\nscope %+v", c, *l.Resource, *l.Scope)
}
