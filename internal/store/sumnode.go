package store

import (
	"encoding/binary"
	"math"
	"slices"
	"sync"
)

// sumNode has the sums of one stretch of time over some blocks. It never
// changes.
type sumNode struct {
	ops      []sumRow // by service and operation, sorted so
	services []sumRow // by service and class
	buckets  []byte   // of all rows: pairs of uvarints, distance from the bucket before and spans
	blocks   []string // the files that are in it
}

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
	return int64(40*(cap(n.ops)+cap(n.services))+cap(n.buckets)+16*cap(n.blocks)) + 200
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

// id returns the number of an operation. It copies the texts that it keeps.
func (n *sumNames) id(name operationName) uint32 {
	n.mu.RLock()
	id, ok := n.ids[name]
	n.mu.RUnlock()
	if ok {
		return id
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if id, ok = n.ids[name]; ok {
		return id
	}
	service, ok := n.serviceIDs[name.service]
	if !ok {
		service = uint32(len(n.names))
		n.names = append(n.names, string([]byte(name.service)))
		n.serviceIDs[n.names[service]] = service
	}
	name.service, name.operation = n.names[service], string([]byte(name.operation))
	id = uint32(len(n.operations))
	n.operations = append(n.operations, name)
	n.serviceOf = append(n.serviceOf, service)
	n.ids[name] = id
	return id
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
	names *sumNames
	ops   map[uint32]*opSum
}

// opSum is the sum of one operation.
type opSum struct {
	count, errors uint64
	durations     Histogram
}

func newSumBuilder(names *sumNames) *sumBuilder {
	return &sumBuilder{names: names, ops: map[uint32]*opSum{}}
}

func (b *sumBuilder) of(key uint32) *opSum {
	o := b.ops[key]
	if o == nil {
		o = &opSum{}
		b.ops[key] = o
	}
	return o
}

// add counts a pre-aggregate of the operation with that number.
func (b *sumBuilder) add(key uint32, c *operationCount) {
	o := b.of(key)
	o.count += c.count
	o.errors += c.errors
	c.buckets(o.durations.Add)
}

// addNode counts what a node has.
func (b *sumBuilder) addNode(n *sumNode) {
	var scratch [histogramBuckets]uint64
	for i := range n.ops {
		r := &n.ops[i]
		o := b.of(r.key)
		o.count += r.count
		o.errors += r.errors
		low, top := addBuckets(n.buckets[r.from:r.to], &scratch)
		if low < top {
			o.durations.Merge(&Histogram{counts: scratch[low:top], low: low, count: r.count})
			clear(scratch[low:top])
		}
	}
}

// node makes the node.
func (b *sumBuilder) node(blocks []string) *sumNode {
	n := &sumNode{blocks: blocks, ops: make([]sumRow, 0, len(b.ops))}
	b.names.mu.RLock()
	for key := range b.ops {
		n.ops = append(n.ops, sumRow{service: b.names.serviceOf[key], key: key})
	}
	operations := b.names.operations // what is below its length does not change
	b.names.mu.RUnlock()
	slices.SortFunc(n.ops, func(x, y sumRow) int {
		if x.service != y.service {
			return int(int64(x.service) - int64(y.service))
		}
		return int(int64(x.key) - int64(y.key))
	})
	var classes [2]opSum
	for i := range n.ops {
		r := &n.ops[i]
		o := b.ops[r.key]
		n.put(r, o)
		class := &classes[otherClass]
		if EntryKind(operations[r.key].spanKind) {
			class = &classes[entryClass]
		}
		class.count += o.count
		class.errors += o.errors
		class.durations.Merge(&o.durations)
		if i+1 < len(n.ops) && n.ops[i+1].service == r.service {
			continue
		}
		for key := range classes {
			if classes[key].count > 0 {
				n.services = append(n.services, sumRow{service: r.service, key: uint32(key)})
				n.put(&n.services[len(n.services)-1], &classes[key])
			}
		}
		classes = [2]opSum{}
	}
	n.buckets = slices.Clip(n.buckets)
	return n
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
