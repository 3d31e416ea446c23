package store

import (
	"context"
	"encoding/binary"
	"iter"
	"math"
	"strings"
	"time"
)

// operationKey is what the pre-aggregates are kept by.
type operationKey struct {
	operationName
	minute uint64 // its start in nanoseconds
}

// operationCount is one pre-aggregate.
type operationCount struct {
	operationKey
	count, errors uint64
	// buckets calls f for every bucket of the durations that is not empty,
	// lowest first.
	buckets func(f func(i int, n uint64))
}

// minuteOf returns the start of a time's minute.
func minuteOf(t uint64) uint64 { return t - t%uint64(time.Minute) }

// statusError is OTLP's STATUS_CODE_ERROR.
const statusError = 2

// operations gives the pre-aggregates of the minutes that overlap [start, end),
// added up over all parts. end 0 means no bound.
func (v *view) operations(ctx context.Context, start, end uint64, rep *Report) iter.Seq2[*OperationMinute, error] {
	if rep == nil {
		rep = &Report{}
	}
	return func(yield func(*OperationMinute, error) bool) {
		v.missing(rep, start, end)
		sums := map[operationKey]*OperationMinute{}
		for _, p := range v.parts {
			if p.kind() != Spans || p.rows() == 0 {
				continue
			}
			if err := ctx.Err(); err != nil {
				yield(nil, err)
				return
			}
			lo, hi := p.timeRange()
			if after := minuteOf(hi) + uint64(time.Minute); after > hi && after <= start || end != 0 && minuteOf(lo) >= end {
				rep.BlocksSkipped++
				continue
			}
			rep.Blocks++
			err := p.operations(func(c *operationCount) {
				if c.minute+uint64(time.Minute) > start && (end == 0 || c.minute < end) {
					addOperation(sums, c)
				}
			})
			if err != nil && !v.unreadable(rep, err) {
				yield(nil, err)
				return
			}
		}
		for _, om := range sums {
			if !yield(om, nil) {
				return
			}
		}
	}
}

func addOperation(sums map[operationKey]*OperationMinute, c *operationCount) {
	om := sums[c.operationKey]
	if om == nil {
		key := c.operationKey
		key.service, key.operation = strings.Clone(key.service), strings.Clone(key.operation)
		om = &OperationMinute{Service: key.service, Operation: key.operation, SpanKind: key.spanKind,
			Minute: time.Unix(0, int64(key.minute)).UTC(), Durations: &Histogram{}}
		sums[key] = om
	}
	om.Count += c.count
	om.Errors += c.errors
	low, high := -1, -1
	c.buckets(func(i int, _ uint64) {
		if low < 0 {
			low = i
		}
		high = i
	})
	if low >= 0 {
		om.Durations.cover(low, high) // at once, not octave by octave
	}
	c.buckets(om.Durations.Add)
}

// operations counts the head's spans: those that came since it was asked last.
func (h *head) operations(add func(*operationCount)) error {
	h.counting.Lock()
	defer h.counting.Unlock()
	if err := h.counts.count(h.snapshot()); err != nil {
		return err
	}
	for i := range h.counts.counts {
		add(&h.counts.counts[i])
	}
	return nil
}

// operationCounter adds up the spans of a head, which only grows.
type operationCounter struct {
	rows      int // that are counted
	counts    []operationCount
	durations []*Histogram // by count
	byIDs     map[operationIDs]int
	byKey     map[operationKey]int
}

// operationIDs are what a row has in place of an operationKey; name is 1 + the
// dictionary id, 0 for "".
type operationIDs struct {
	resource, name uint32
	kind           int32
	minute         uint64
}

// count counts the rows of a snapshot that are not counted yet.
func (o *operationCounter) count(s *snapshot) error {
	if o.byIDs == nil {
		o.byIDs, o.byKey = map[operationIDs]int{}, map[operationKey]int{}
	}
	d := s.pages.(*headPages).denseRows(uint32(o.rows))
	for row := range d.time {
		id := operationIDs{d.resource[row], d.name[row], int32(d.kind[row] ^ bias), minuteOf(d.time[row])}
		at, ok := o.byIDs[id]
		if !ok {
			key, err := s.operationKeyOf(id.resource, id.name, id.kind, id.minute)
			if err != nil {
				return err
			}
			if at, ok = o.byKey[key]; !ok {
				at = len(o.counts)
				h := &Histogram{}
				o.counts = append(o.counts, operationCount{operationKey: key, buckets: h.Buckets})
				o.durations = append(o.durations, h)
				o.byKey[key] = at
			}
			o.byIDs[id] = at
		}
		c := &o.counts[at]
		c.count++
		if int32(d.status[row]^bias) == statusError {
			c.errors++
		}
		o.durations[at].Observe(spanDuration(d.time[row], d.duration[row]))
		o.rows++
	}
	return nil
}

// denseRows are columns of a head with a value for every row, for work that
// visits them all.
type denseRows struct {
	time, duration, kind, status []uint64
	resource, name               []uint32 // name: 1 + dictionary id, 0 for ""
}

// denseRows returns the rows from the one given on.
func (p *headPages) denseRows(from uint32) *denseRows {
	n := p.rows - from
	nums := func(sl slot) []uint64 {
		c := &p.columns[sl]
		if !c.sparse && c.len() == int(p.rows) {
			return c.nums[from:]
		}
		out := make([]uint64, n)
		if slotTypes[sl] == Int {
			for i := range out {
				out[i] = bias
			}
		}
		for i := c.valueFrom(from); i < len(c.nums); i++ {
			out[c.row(i)-from] = c.nums[i]
		}
		return out
	}
	d := &denseRows{time: nums(slotTime), duration: nums(slotDuration), kind: nums(slotKind), status: nums(slotStatus),
		resource: p.columns[slotResource].ids[from:], name: make([]uint32, n)}
	c := &p.columns[slotName]
	for i := c.valueFrom(from); i < len(c.ids); i++ {
		d.name[c.row(i)-from] = c.ids[i] + 1
	}
	return d
}

// row is the row of value i.
func (c *headColumn) row(i int) uint32 {
	if c.sparse {
		return c.rows[i]
	}
	return uint32(i)
}

// valueFrom is the first value of a row not before row.
func (c *headColumn) valueFrom(row uint32) int {
	if c.sparse {
		return sortedBefore(c.rows, row)
	}
	return min(int(row), c.len())
}

// operationKeyOf names an operation; name is 1 + the dictionary id.
func (s *snapshot) operationKeyOf(resource, name uint32, kind int32, minute uint64) (operationKey, error) {
	key := operationKey{operationName{spanKind: kind}, minute}
	r, err := s.resource(resource)
	if err != nil {
		return key, err
	}
	key.service = r.ServiceName()
	if name > 0 {
		b, err := s.entry(s.slots[slotName], name-1)
		if err != nil {
			return key, err
		}
		key.operation = string(b)
	}
	return key, nil
}

// operationsPage is the size from which a page of pre-aggregates is written.
const operationsPage = 64 << 10

// appendOperation writes one pre-aggregate.
func appendOperation(b []byte, c *operationCount) []byte {
	b = appendText(b, c.service)
	b = appendText(b, c.operation)
	b = binary.AppendVarint(b, int64(c.spanKind))
	b = binary.AppendUvarint(b, c.minute/uint64(time.Minute))
	b = binary.AppendUvarint(b, c.count)
	b = binary.AppendUvarint(b, c.errors)
	n, last := 0, 0
	c.buckets(func(int, uint64) { n++ })
	b = binary.AppendUvarint(b, uint64(n))
	c.buckets(func(i int, n uint64) {
		b = binary.AppendUvarint(b, uint64(i-last))
		b = binary.AppendUvarint(b, n)
		last = i
	})
	return b
}

// bucketCount is one bucket of a histogram.
type bucketCount struct {
	bucket int
	n      uint64
}

// operation reads one pre-aggregate into c, and its buckets into buckets.
func (d *decoder) operation(c *operationCount, buckets []bucketCount) []bucketCount {
	c.operationKey = operationKey{operationName{service: d.text(), operation: d.text(), spanKind: int32(d.varint())},
		d.uvarint() * uint64(time.Minute)}
	c.count, c.errors = d.uvarint(), d.uvarint()
	buckets = buckets[:0]
	bucket := uint64(0)
	for range d.count(2) {
		var step, n uint64
		if len(d.b) > 1 && d.b[0] < 0x80 && d.b[1] < 0x80 { // nearly always
			step, n, d.b = uint64(d.b[0]), uint64(d.b[1]), d.b[2:]
		} else {
			step, n = d.uvarint(), d.uvarint()
		}
		bucket += step
		if bucket > uint64(HistogramBucket(math.MaxUint64)) {
			d.fail()
		}
		if d.bad {
			break
		}
		buckets = append(buckets, bucketCount{int(bucket), n})
	}
	return buckets
}

func (b *block) operations(add func(*operationCount)) error {
	p := &blockPages{block: b}
	var buckets []bucketCount
	c := &operationCount{buckets: func(f func(i int, n uint64)) {
		for _, b := range buckets {
			f(b.bucket, b.n)
		}
	}}
	for _, m := range b.footer.operations {
		raw, err := p.page(m, p.mem)
		if err != nil {
			return err
		}
		d := decoder{b: raw, alias: true}
		for range m.count {
			if buckets = d.operation(c, buckets); d.bad {
				return p.corrupt(m, "malformed pre-aggregates")
			}
			add(c)
		}
	}
	return nil
}
