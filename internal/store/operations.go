package store

import (
	"context"
	"iter"
	"time"
)

// operationKey is what the pre-aggregates are kept by.
type operationKey struct {
	service, operation string
	spanKind           int32
	minute             uint64 // its start in nanoseconds
}

// operationCount is one pre-aggregate.
type operationCount struct {
	operationKey
	count, errors uint64
	durations     *Histogram
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
		om = &OperationMinute{Service: c.service, Operation: c.operation, SpanKind: c.spanKind,
			Minute: time.Unix(0, int64(c.minute)).UTC(), Durations: &Histogram{}}
		sums[c.operationKey] = om
	}
	om.Count += c.count
	om.Errors += c.errors
	om.Durations.Merge(c.durations)
}

// operations counts the head's spans.
func (h *head) operations(add func(*operationCount)) error {
	snap := h.snapshot()
	counts, err := snap.countOperations(nil)
	if err != nil {
		return err
	}
	for i := range counts {
		add(&counts[i])
	}
	return nil
}

// countOperations adds up the spans of a head; order, when not nil, is the
// order in which to visit its rows.
func (s *snapshot) countOperations(order []uint32) ([]operationCount, error) {
	type ids struct {
		resource, name uint32 // name 0: none; else 1 + dictionary id
		kind           int32
		minute         uint64
	}
	var counts []operationCount
	byIDs := map[ids]int{}
	byKey := map[operationKey]int{}
	var last ids
	at := -1
	for n := range s.rows {
		row := n
		if order != nil {
			row = order[n]
		}
		r, err := s.operationRow(row)
		if err != nil {
			return nil, err
		}
		id := ids{r.resource, r.name, r.kind, minuteOf(r.start)}
		if at < 0 || id != last {
			found, ok := byIDs[id]
			if !ok {
				key, err := s.operationKeyOf(id.resource, id.name, id.kind, id.minute)
				if err != nil {
					return nil, err
				}
				if found, ok = byKey[key]; !ok {
					found = len(counts)
					counts = append(counts, operationCount{operationKey: key, durations: &Histogram{}})
					byKey[key] = found
				}
				byIDs[id] = found
			}
			last, at = id, found
		}
		c := &counts[at]
		c.count++
		if r.status == statusError {
			c.errors++
		}
		c.durations.Observe(spanDuration(r.start, r.duration))
	}
	return counts, nil
}

// operationRow is what the pre-aggregates need of a span.
type operationRow struct {
	resource, name  uint32
	kind, status    int32
	start, duration uint64
}

func (s *snapshot) operationRow(row uint32) (r operationRow, err error) {
	g := s.groupOf(row)
	local := int(row - s.groups[g].lo)
	num := func(sl slot) uint64 {
		v, e := s.numAt(sl, g, local)
		if e != nil {
			err = e
		}
		return v
	}
	r = operationRow{resource: uint32(num(slotResource)), kind: int32(num(slotKind)), status: int32(num(slotStatus)),
		start: num(slotTime), duration: num(slotDuration)}
	if c := s.slots[slotName]; c != nil && err == nil {
		ch, e := s.chunk(c, g)
		if e != nil {
			return r, e
		}
		if i, ok := ch.find(local); ok {
			r.name = uint32(ch.num(i)) + 1
		}
	}
	return r, err
}

func (s *snapshot) operationKeyOf(resource, name uint32, kind int32, minute uint64) (operationKey, error) {
	key := operationKey{spanKind: kind, minute: minute}
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
