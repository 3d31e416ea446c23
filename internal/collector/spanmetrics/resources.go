package spanmetrics

import (
	"container/list"
	"encoding/binary"
	"strings"

	"github.com/open-telemetry/opentelemetry-collector-contrib/pkg/pdatautil"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/xpdata"

	"github.com/signalbox-otel/signalbox/internal/ingest"
	"github.com/signalbox-otel/signalbox/internal/store"
)

// resourceKey is the hash of the attributes that make a resource.
type resourceKey [16]byte

// resource has the series of the spans of one resource.
type resource struct {
	key    resourceKey
	attrs  pcommon.Map // of the first that had the key
	seen   int64       // when spans came last
	tables []table     // as plan.tables
}

// resources keeps those that were used last. One that has to leave can be taken
// back until it is reported.
//
// It is not safe for concurrent use.
type resources struct {
	max   int
	known map[resourceKey]*list.Element // of order
	order list.List                     // of *resource, the last used first
	left  map[resourceKey]*resource
}

func newResources(max int) *resources {
	return &resources{max: max, known: map[resourceKey]*list.Element{}, left: map[resourceKey]*resource{}}
}

// find returns the resource of a key, the last used one from now on; nil for
// none.
func (rs *resources) find(key resourceKey) *resource {
	if e := rs.known[key]; e != nil {
		rs.order.MoveToFront(e)
		return e.Value.(*resource)
	}
	r := rs.left[key]
	if r != nil {
		delete(rs.left, key)
		rs.add(r)
	}
	return r
}

// add keeps r, which is not known. The one that was not used longest may have to
// leave.
func (rs *resources) add(r *resource) {
	rs.known[r.key] = rs.order.PushFront(r)
	if rs.order.Len() > rs.max {
		rs.leave(rs.order.Back().Value.(*resource))
	}
}

// leave lets r be reported once more and then forgotten, unless it has left.
func (rs *resources) leave(r *resource) {
	if e := rs.known[r.key]; e != nil && e.Value == r {
		rs.order.Remove(e)
		delete(rs.known, r.key)
		rs.left[r.key] = r
	}
}

// take returns all that there are to report. Those that left are forgotten.
func (rs *resources) take() []*resource {
	all := make([]*resource, 0, rs.order.Len()+len(rs.left))
	for e := rs.order.Back(); e != nil; e = e.Prev() {
		all = append(all, e.Value.(*resource))
	}
	for _, r := range rs.left {
		all = append(all, r)
	}
	clear(rs.left)
	return all
}

// maxNames bounds the memory of names.
const maxNames = 4096

// names knows the keys of attributes as they are sent: senders have the same few
// again and again, and to hash them takes a while.
type names struct {
	only    map[string]bool // attributes that count; nil for all
	known   map[string]resourceKey
	scratch []byte
}

func (n *names) key(attrs []store.Attr) resourceKey {
	b := n.scratch[:0]
	for i := range attrs {
		a := &attrs[i]
		if n.only != nil && !n.only[a.Key] {
			continue
		}
		b = appendText(b, a.Key)
		b = append(b, byte(a.Value.Type))
		b = binary.LittleEndian.AppendUint64(b, uint64(a.Value.Int())) // the bits, whatever the type
		b = appendText(b, a.Value.Str())
	}
	n.scratch = b
	key, ok := n.known[string(b)]
	if !ok {
		key = pdatautil.MapHash(attributes(attrs, n.only))
		if len(n.known) >= maxNames {
			clear(n.known)
		}
		n.known[string(b)] = key
	}
	return key
}

// appendText appends s so that nothing after it can be taken for a part of it.
func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// attributes is a copy of attrs, of those in only when it is not nil. Keys that
// come twice stay.
func attributes(attrs []store.Attr, only map[string]bool) pcommon.Map {
	var to xpdata.MapBuilder
	for i := range attrs {
		if a := &attrs[i]; only == nil || only[a.Key] {
			ingest.Pvalue(a.Value.Clone()).MoveTo(to.AppendEmpty(strings.Clone(a.Key)))
		}
	}
	m := pcommon.NewMap()
	to.UnsafeIntoMap(m)
	return m
}
