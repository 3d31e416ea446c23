package spanmetrics

import (
	"encoding/binary"
	"slices"
	"sort"
	"strconv"
	"strings"

	"github.com/signalbox-otel/signalbox/internal/ingest"
	"github.com/signalbox-otel/signalbox/internal/store"
)

// identity is what tells series of a resource apart. Labels that are excluded
// are zero in it.
type identity struct {
	name string
	// rest has what only some configurations tell series apart by: the service,
	// where resources are put together, and dimensions.
	rest         string
	kind, status int8
	adjusted     bool // counts what spans were sampled from
}

// series are the counts of spans with the same labels.
type series struct {
	identity
	service    string
	dimensions []store.Attr
	overflow   bool // of all spans beyond the limit

	count     uint64
	sum       float64  // of durations, in units
	buckets   []uint64 // nil where durations are not counted
	exemplars []exemplar

	start, seen int64 // when the first and the last spans came
	reported    bool
}

// exemplar is a span with its duration.
type exemplar struct {
	trace    store.TraceID
	span     store.SpanID
	duration float64
}

// table has the series of one resource with the same dimensions.
type table struct {
	shape    *shape
	series   map[identity]*series
	all      []*series // the series with overflow, in the order of their making
	overflow *series
}

// fold counts spans. It holds what is worked out once for several of them.
type fold struct {
	*plan
	now     int64
	sampled sampled
	rest    []byte // memory of identities
}

// add counts a span in the tables of its resource. service is that of the span.
func (f *fold) add(r *resource, service string, span *store.Span) {
	duration := float64(span.Duration()) / f.divider
	n, adjusted := f.sampled.count(span.TraceState)
	for i := range r.tables {
		t := &r.tables[i]
		s := f.find(t, service, span, adjusted && f.sampling)
		s.count += n
		s.seen = f.now
		if s.buckets != nil {
			s.sum += duration * float64(n)
			s.buckets[sort.SearchFloat64s(f.bounds, duration)] += n
		}
		if len(s.exemplars) < f.exemplars && !s.overflow && span.TraceID != (store.TraceID{}) {
			s.exemplars = append(s.exemplars, exemplar{span.TraceID, span.SpanID, duration})
		}
	}
}

// find returns the series of a span, a new one if need be.
func (f *fold) find(t *table, service string, span *store.Span, adjusted bool) *series {
	id := identity{adjusted: adjusted}
	if f.name {
		id.name = span.Name
	}
	if f.kind {
		id.kind = within(span.Kind, len(kinds))
	}
	if f.status {
		id.status = within(span.StatusCode, len(statuses))
	}
	rest := f.rest[:0]
	if f.keyAttributes != nil && f.service {
		rest = appendText(rest, service)
	}
	for i := range t.shape.dimensions {
		if v, ok := t.shape.dimensions[i].of(span); ok {
			rest = binary.AppendUvarint(rest, uint64(i))
			rest = appendValue(rest, v)
		}
	}
	f.rest = rest
	s := t.series[identity{id.name, string(rest), id.kind, id.status, id.adjusted}]
	if s == nil {
		s = f.make(t, id, service, span)
	}
	return s
}

// make returns the series of a span that none is known of: a new one, or the one
// for all when there are too many.
func (f *fold) make(t *table, id identity, service string, span *store.Span) *series {
	full := f.limit > 0 && len(t.all) >= f.limit
	if full && t.overflow != nil {
		return t.overflow
	}
	s := &series{start: f.now, overflow: full}
	if t.shape.durations {
		s.buckets = make([]uint64, len(f.bounds)+1)
	}
	t.all = append(t.all, s)
	if full {
		t.overflow = s
		return s
	}
	id.name, id.rest = strings.Clone(id.name), string(f.rest)
	s.identity, s.service = id, strings.Clone(service)
	for _, d := range t.shape.dimensions {
		if v, ok := d.of(span); ok {
			s.dimensions = append(s.dimensions, store.Attr{Key: d.name, Value: v.Clone()})
		}
	}
	t.series[id] = s
	return s
}

// expire forgets the series that no span came for since a time.
func (t *table) expire(since int64) {
	t.all = slices.DeleteFunc(t.all, func(s *series) bool {
		if s.seen > since {
			return false
		}
		if s.overflow {
			t.overflow = nil
		} else {
			delete(t.series, s.identity)
		}
		return true
	})
}

// of is the value of the dimension for a span.
func (d *dimension) of(span *store.Span) (store.Value, bool) {
	if v, ok := store.Find(span.Attrs, d.name); ok {
		return v, true
	}
	if v, ok := store.Find(span.Resource.Attrs, d.name); ok {
		return v, true
	}
	if d.fallback != nil {
		return store.StringValue(*d.fallback), true
	}
	return store.Value{}, false
}

// appendValue appends the text of v. Values of the same text are one, whatever
// their type.
func appendValue(b []byte, v store.Value) []byte {
	switch v.Type {
	case store.String:
		return appendText(b, v.Str())
	case store.Int:
		var digits [20]byte
		text := strconv.AppendInt(digits[:0], v.Int(), 10)
		return append(binary.AppendUvarint(b, uint64(len(text))), text...)
	}
	return appendText(b, ingest.Pvalue(v).AsString())
}

// kinds and statuses are the texts of labels; "" for what is no kind or status.
var (
	kinds    = []string{"SPAN_KIND_UNSPECIFIED", "SPAN_KIND_INTERNAL", "SPAN_KIND_SERVER", "SPAN_KIND_CLIENT", "SPAN_KIND_PRODUCER", "SPAN_KIND_CONSUMER", ""}
	statuses = []string{"STATUS_CODE_UNSET", "STATUS_CODE_OK", "STATUS_CODE_ERROR", ""}
)

// within is v if it is known, and the last of n otherwise.
func within(v int32, n int) int8 {
	if v < 0 || int(v) >= n {
		return int8(n - 1)
	}
	return int8(v)
}
