package store

import (
	"cmp"
	"encoding/binary"
	"math"
	"slices"
	"strings"
	"sync"
)

// sumNode has the sums of one stretch of time over some blocks. It never
// changes.
type sumNode struct {
	ops      []sumRow        // by service and operation, sorted so
	services []sumRow        // by service and class
	briefs   []DurationBrief // of services
	// rest is what of services is not in ops, because there were too many. Even
	// services lack some spans when incomplete is set.
	rest       []sumRow
	incomplete bool
	buckets    []byte   // of all rows: pairs of uvarints, distance from the bucket before and spans
	blocks     []string // the files that are in it
}

const (
	// maxNodeOps bounds the operations of a node that are told apart: senders
	// that put ids into span names must not fill the memory.
	maxNodeOps = 20_000
	// maxNames bounds the operations, and the services, that are known by number.
	maxNames = 5 * maxNodeOps
)

// sumRow is one sum of a node.
type sumRow struct {
	service       uint32
	key           uint32 // number of the operation; or the class
	from, to      uint32 // of its buckets
	count, errors uint64
}

// Classes of the spans of a service: the requests to it, and the others.
const (
	entryClass = iota
	otherClass
)

// sizeBytes is the memory that a node takes.
func (n *sumNode) sizeBytes() int64 {
	return int64(32*(cap(n.ops)+cap(n.services)+cap(n.rest))+cap(n.buckets)+16*cap(n.blocks)+32*cap(n.briefs)) + 200
}

// addBuckets adds the buckets of a row to into, and returns the first of them
// and the one after the last.
func addBuckets(b []byte, into *[histogramBuckets]uint64) (low, top int) {
	low = histogramBuckets
	for at := 0; len(b) > 0; {
		step, n := uint64(b[0]), uint64(0)
		if len(b) > 1 && step < 0x80 && b[1] < 0x80 {
			n, b = uint64(b[1]), b[2:]
		} else {
			var size int
			step, size = binary.Uvarint(b)
			b = b[size:]
			n, size = binary.Uvarint(b)
			b = b[size:]
		}
		at += int(step)
		into[at] += n
		low, top = min(low, at), at+1
	}
	return low, top
}

// operationName is what a span is counted under.
type operationName struct {
	service, operation string
	spanKind           int32
}

// sumNames numbers operations and services, so that nodes need not hold their
// names. Numbers are given once and never change.
type sumNames struct {
	mu         sync.RWMutex
	ids        map[operationName]uint32
	operations []operationName
	serviceOf  []uint32 // by operation
	serviceIDs map[string]uint32
	names      []string // by service
}

func newSumNames() *sumNames {
	return &sumNames{ids: map[operationName]uint32{}, serviceIDs: map[string]uint32{}}
}

// id returns the number of an operation; ok is false when it is one too many. It
// copies the texts that it keeps.
func (n *sumNames) id(name operationName) (id uint32, ok bool) {
	n.mu.RLock()
	id, ok = n.ids[name]
	n.mu.RUnlock()
	if ok {
		return id, true
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if id, ok = n.ids[name]; ok {
		return id, true
	}
	service, ok := n.number(name.service)
	if !ok || len(n.operations) >= maxNames {
		return 0, false
	}
	name.service, name.operation = n.names[service], strings.Clone(name.operation)
	id = uint32(len(n.operations))
	n.operations = append(n.operations, name)
	n.serviceOf = append(n.serviceOf, service)
	n.ids[name] = id
	return id, true
}

// number returns the number of a service; ok is false when it is one too many.
// The caller holds mu.
func (n *sumNames) number(service string) (id uint32, ok bool) {
	if id, ok = n.serviceIDs[service]; ok || len(n.names) >= maxNames {
		return id, ok
	}
	id, service = uint32(len(n.names)), strings.Clone(service)
	n.names = append(n.names, service)
	n.serviceIDs[service] = id
	return id, true
}

// newService is serviceID for a service that may not have a number yet.
func (n *sumNames) newService(name string) (id uint32, ok bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.number(name)
}

func (n *sumNames) len() int {
	n.mu.RLock()
	defer n.mu.RUnlock()
	return len(n.operations)
}

func (n *sumNames) operation(id uint32) operationName {
	n.mu.RLock()
	defer n.mu.RUnlock()
	return n.operations[id]
}

func (n *sumNames) service(id uint32) string {
	n.mu.RLock()
	defer n.mu.RUnlock()
	return n.names[id]
}

func (n *sumNames) serviceID(name string) (uint32, bool) {
	n.mu.RLock()
	defer n.mu.RUnlock()
	id, ok := n.serviceIDs[name]
	return id, ok
}

// sumBuilder collects what becomes a node.
type sumBuilder struct {
	names      *sumNames
	ops        map[uint32]*opSum
	rest       map[classOf]*opSum
	incomplete bool
}

// classOf is one class of the spans of a service.
type classOf struct{ service, class uint32 }

// opSum is the sum of one operation, or class.
type opSum struct {
	count, errors uint64
	durations     Histogram
}

func newSumBuilder(names *sumNames) *sumBuilder {
	return &sumBuilder{names: names, ops: map[uint32]*opSum{}, rest: map[classOf]*opSum{}}
}

// sums is the number of sums that are held.
func (b *sumBuilder) sums() int { return len(b.ops) + len(b.rest) }

// operation returns the sum of an operation, or nil when there are too many.
func (b *sumBuilder) operation(key uint32) *opSum {
	o := b.ops[key]
	if o == nil && len(b.ops) < maxNodeOps {
		o = &opSum{}
		b.ops[key] = o
	}
	return o
}

// others returns the sum of the operations that are not told apart, or nil when
// there are too many services.
func (b *sumBuilder) others(of classOf) *opSum {
	o := b.rest[of]
	if o == nil && len(b.rest) < maxNodeOps {
		o = &opSum{}
		b.rest[of] = o
	}
	b.incomplete = b.incomplete || o == nil
	return o
}

// add counts a pre-aggregate.
func (b *sumBuilder) add(c *operationCount) {
	var o *opSum
	if key, ok := b.names.id(c.operationName); ok {
		o = b.operation(key)
	}
	if o == nil {
		service, ok := b.names.newService(c.service)
		if !ok {
			b.incomplete = true
			return
		}
		if o = b.others(classOf{service, classOfKind(c.spanKind)}); o == nil {
			return
		}
	}
	o.count += c.count
	o.errors += c.errors
	c.buckets(o.durations.Add)
}

func classOfKind(spanKind int32) uint32 {
	if EntryKind(spanKind) {
		return entryClass
	}
	return otherClass
}

// addNode counts what a node has.
func (b *sumBuilder) addNode(n *sumNode) {
	b.incomplete = b.incomplete || n.incomplete
	var scratch [histogramBuckets]uint64
	add := func(r *sumRow, o *opSum) {
		o.count += r.count
		o.errors += r.errors
		low, top := addBuckets(n.buckets[r.from:r.to], &scratch)
		if low < top {
			o.durations.Merge(&Histogram{counts: scratch[low:top], low: low, count: r.count})
			clear(scratch[low:top])
		}
	}
	for i := range n.ops {
		r := &n.ops[i]
		o := b.operation(r.key)
		if o == nil {
			o = b.others(classOf{r.service, classOfKind(b.names.operation(r.key).spanKind)})
		}
		if o != nil {
			add(r, o)
		}
	}
	for i := range n.rest {
		if o := b.others(classOf{n.rest[i].service, n.rest[i].key}); o != nil {
			add(&n.rest[i], o)
		}
	}
}

// node makes the node.
func (b *sumBuilder) node(blocks []string) *sumNode {
	n := &sumNode{blocks: blocks, incomplete: b.incomplete, ops: make([]sumRow, 0, len(b.ops))}
	b.names.mu.RLock()
	for key := range b.ops {
		n.ops = append(n.ops, sumRow{service: b.names.serviceOf[key], key: key})
	}
	operations := b.names.operations // what is below its length does not change
	b.names.mu.RUnlock()
	slices.SortFunc(n.ops, compareRows)
	classes := map[classOf]*opSum{}
	sum := func(of classOf, o *opSum) {
		if classes[of] == nil {
			classes[of] = &opSum{}
		}
		classes[of].count += o.count
		classes[of].errors += o.errors
		classes[of].durations.Merge(&o.durations)
	}
	for i := range n.ops {
		r := &n.ops[i]
		n.put(r, b.ops[r.key])
		sum(classOf{r.service, classOfKind(operations[r.key].spanKind)}, b.ops[r.key])
	}
	n.rest = n.rows(b.rest)
	for of, o := range b.rest {
		sum(of, o)
	}
	n.services = n.rows(classes)
	n.briefs = make([]DurationBrief, len(n.services))
	for i := range n.briefs {
		n.briefs[i] = classes[classOf{n.services[i].service, n.services[i].key}].durations.Brief()
	}
	n.buckets = slices.Clip(n.buckets)
	return n
}

// rows makes rows of classes.
func (n *sumNode) rows(classes map[classOf]*opSum) []sumRow {
	if len(classes) == 0 {
		return nil
	}
	rows := make([]sumRow, 0, len(classes))
	for of := range classes {
		rows = append(rows, sumRow{service: of.service, key: of.class})
	}
	slices.SortFunc(rows, compareRows)
	for i := range rows {
		n.put(&rows[i], classes[classOf{rows[i].service, rows[i].key}])
	}
	return rows
}

func compareRows(x, y sumRow) int {
	return cmp.Or(cmp.Compare(x.service, y.service), cmp.Compare(x.key, y.key))
}

// put fills a row.
func (n *sumNode) put(r *sumRow, o *opSum) {
	r.count, r.errors, r.from = o.count, o.errors, uint32(min(len(n.buckets), math.MaxUint32))
	last := 0
	o.durations.Buckets(func(i int, count uint64) {
		n.buckets = binary.AppendUvarint(n.buckets, uint64(i-last))
		n.buckets = binary.AppendUvarint(n.buckets, count)
		last = i
	})
	r.to = uint32(min(len(n.buckets), math.MaxUint32))
}
