package store

import (
	"context"
	"encoding/binary"
	"iter"
	"math"
	"time"
)

// filler builds records out of the columns of one snapshot, group by group.
type filler struct {
	*snapshot
	need Need
	g    int      // the group
	rows []uint32 // the rows of the group that are wanted, ascending
	err  error
}

// fillGroups calls f for each group that holds some of rows, ascending, with
// the position of the group's first row.
func (s *snapshot) fillGroups(rows []uint32, need Need, f func(fl *filler, at int) error) error {
	for at := 0; at < len(rows); {
		g := s.groupOf(rows[at])
		if g == len(s.groups) {
			return s.corrupt("row out of range")
		}
		n := at
		for n < len(rows) && rows[n] < s.groups[g].hi {
			n++
		}
		if err := f(&filler{snapshot: s, need: need, g: g, rows: rows[at:n]}, at); err != nil {
			return err
		}
		at = n
	}
	return nil
}

// spans fills the spans of rows, ascending.
func (s *snapshot) spans(rows []uint32, need Need) ([]*Span, error) {
	all := make([]Span, len(rows))
	out := make([]*Span, len(rows))
	for i := range all {
		out[i] = &all[i]
	}
	err := s.fillGroups(rows, need, func(f *filler, at int) error {
		f.spans(all[at : at+len(f.rows)])
		return f.err
	})
	return out, err
}

// fewGroups is the number of groups up to which one goroutine fills the rows.
const fewGroups = 3

// spansInHalves is spans with the work divided between two processors: the spans
// of a trace are in a group for each service and operation, and each group costs
// as much as hundreds of its spans would.
func (s *snapshot) spansInHalves(rows []uint32, need Need) ([]*Span, error) {
	pages, ok := s.pages.(*blockPages)
	half := s.middle(rows)
	if !ok || half == 0 {
		return s.spans(rows, need)
	}
	type filled struct {
		spans []*Span
		err   error
	}
	twin := pages.block.snapshot()
	twin.borrow()
	defer twin.release()
	var out []*Span
	for _, f := range inParallel(context.Background(), 2, func(_ context.Context, i int) (f filled) {
		if i == 0 {
			f.spans, f.err = s.spans(rows[:half], need)
		} else {
			f.spans, f.err = twin.spans(rows[half:], need)
		}
		return f
	}) {
		if f.err != nil {
			return nil, f.err
		}
		out = append(out, f.spans...)
	}
	n, bytes := twin.read()
	pages.pagesRead += n
	pages.bytesRead += bytes
	return out, nil
}

// middle divides rows between groups, so that about half of the groups are on
// each side; 0: they are too few to be divided.
func (s *snapshot) middle(rows []uint32) int {
	var first []int // of each group
	end := uint32(0)
	for i, row := range rows {
		if row < end {
			continue
		}
		g := s.groupOf(row)
		if g == len(s.groups) {
			return 0
		}
		first, end = append(first, i), s.groups[g].hi
	}
	if len(first) <= fewGroups {
		return 0
	}
	return first[len(first)/2]
}

// logs fills the log records of rows, ascending.
func (s *snapshot) logs(rows []uint32, need Need) ([]*Log, error) {
	all := make([]Log, len(rows))
	out := make([]*Log, len(rows))
	for i := range all {
		out[i] = &all[i]
	}
	err := s.fillGroups(rows, need, func(f *filler, at int) error {
		f.logs(all[at : at+len(f.rows)])
		return f.err
	})
	return out, err
}

// each calls set for every wanted row that has a value in column c, with its
// index among the wanted rows and the position of the value.
func (f *filler) each(c *columnInfo, set func(n int, ch *chunk, i int) error) {
	if f.err != nil || c == nil {
		return
	}
	if lo, hi, ok := f.bounds(c, f.g); ok && lo > hi {
		return
	}
	ch, err := f.chunk(c, f.g)
	if err != nil {
		f.err = err
		return
	}
	lo := f.groups[f.g].lo
	for n, row := range f.rows {
		if i, ok := ch.find(int(row - lo)); ok {
			if f.err = set(n, ch, i); f.err != nil {
				return
			}
		}
	}
}

// nums calls set for each number of a fixed column.
func (f *filler) nums(sl slot, set func(n int, v uint64)) {
	f.each(f.slots[sl], func(n int, ch *chunk, i int) error {
		v := ch.num(i)
		if slotTypes[sl] == Int {
			v ^= bias
		}
		set(n, v)
		return nil
	})
}

// texts calls set for each text of a fixed column.
func (f *filler) texts(sl slot, set func(n int, s string)) {
	c := f.slots[sl]
	f.each(c, func(n int, ch *chunk, i int) error {
		s, err := f.stringAt(c, ch, i)
		set(n, s)
		return err
	})
}

// blobs calls set with a decoder of each text of a fixed column.
func (f *filler) blobs(sl slot, set func(n int, d *decoder)) {
	c := f.slots[sl]
	f.each(c, func(n int, ch *chunk, i int) error {
		b, err := f.textAt(c, ch, i)
		if err != nil {
			return err
		}
		d := decoder{b: b}
		set(n, &d)
		if d.bad {
			return f.corrupt("malformed value")
		}
		return nil
	})
}

// attrsOf fills the attributes of each wanted row; to is where they go.
func (f *filler) attrsOf(to func(n int) *[]Attr) {
	if !f.need.Has(NeedAttrs) {
		return
	}
	for _, c := range f.attrs {
		if c.key.place != RecordAttr {
			continue
		}
		f.each(c, func(n int, ch *chunk, i int) error {
			v, err := f.valueAt(c, ch, i)
			attrs := to(n)
			*attrs = append(*attrs, Attr{Key: c.key.name, Value: v})
			return err
		})
	}
	f.blobs(slotRest, func(n int, d *decoder) {
		attrs := to(n)
		*attrs = d.attrs(*attrs)
	})
}

// valueAt returns the typed value at position i of a chunk of an attribute
// column.
func (s *snapshot) valueAt(c *columnInfo, ch *chunk, i int) (Value, error) {
	if !c.key.textual() {
		return numValue(c.key.typ, ch.num(i)), nil
	}
	t, err := s.stringAt(c, ch, i)
	return Value{Type: c.key.typ, str: t}, err
}

// origin fills the resource and the scope. Every record gets both, as readers
// rely on them; equal ones are shared and decoded once.
func (f *filler) origin(set func(n int, r *Resource), setScope func(n int, s *Scope)) {
	left := len(f.rows)
	f.each(f.slots[slotResource], func(n int, ch *chunk, i int) error {
		r, err := f.resource(uint32(ch.num(i)))
		set(n, r)
		left--
		return err
	})
	if !f.need.Has(NeedScope) {
		none := &Scope{}
		for n := range f.rows {
			setScope(n, none)
		}
	} else {
		left += len(f.rows)
		f.each(f.slots[slotScope], func(n int, ch *chunk, i int) error {
			s, err := f.scope(uint32(ch.num(i)))
			setScope(n, s)
			left--
			return err
		})
	}
	if left != 0 && f.err == nil {
		f.err = f.corrupt("record without resource or scope")
	}
}

// ids fills trace and span ids.
func (f *filler) ids(set func(n int, t TraceID), setSpan func(n int, id SpanID)) {
	f.each(f.slots[slotTrace], func(n int, ch *chunk, i int) error {
		id, err := f.traceID(uint32(ch.num(i)))
		set(n, id)
		return err
	})
	f.nums(slotSpanID, func(n int, v uint64) { setSpan(n, spanIDOf(v)) })
}

func (f *filler) spans(out []Span) {
	if f.need == NeedIDs {
		f.identify(out)
		return
	}
	f.origin(func(n int, r *Resource) { out[n].Resource = r }, func(n int, s *Scope) { out[n].Scope = s })
	f.ids(func(n int, t TraceID) { out[n].TraceID = t }, func(n int, id SpanID) { out[n].SpanID = id })
	f.nums(slotTime, func(n int, v uint64) { out[n].Start = v })
	f.nums(slotDuration, func(n int, v uint64) { out[n].End = out[n].Start + v })
	if f.need.Has(NeedAttrs) {
		f.details(out)
	}
	f.nums(slotKind, func(n int, v uint64) { out[n].Kind = int32(v) })
	f.nums(slotStatus, func(n int, v uint64) { out[n].StatusCode = int32(v) })
	f.texts(slotName, func(n int, s string) { out[n].Name = s })
	f.parents(out)
	f.attrsOf(func(n int) *[]Attr { return &out[n].Attrs })
	if f.need.Has(NeedEvents) {
		f.blobs(slotEvents, func(n int, d *decoder) { out[n].Events = d.events(out[n].Start) })
		f.blobs(slotLinks, func(n int, d *decoder) { out[n].Links = d.links() })
	}
}

// details fills what is always kept but asked for only with attributes.
func (f *filler) details(out []Span) {
	f.nums(slotFlags, func(n int, v uint64) { out[n].Flags = uint32(v) })
	f.nums(slotDropped, func(n int, v uint64) { out[n].DroppedAttrs = uint32(v) })
	f.nums(slotDroppedEvents, func(n int, v uint64) { out[n].DroppedEvents = uint32(v) })
	f.nums(slotDroppedLinks, func(n int, v uint64) { out[n].DroppedLinks = uint32(v) })
	f.texts(slotStatusMessage, func(n int, s string) { out[n].StatusMessage = s })
	f.texts(slotTraceState, func(n int, s string) { out[n].TraceState = s })
}

// identify fills times and ids only.
func (f *filler) identify(out []Span) {
	none, empty := &Resource{}, &Scope{}
	for i := range out {
		out[i].Resource, out[i].Scope = none, empty
	}
	f.ids(func(n int, t TraceID) { out[n].TraceID = t }, func(n int, id SpanID) { out[n].SpanID = id })
	f.nums(slotTime, func(n int, v uint64) { out[n].Start = v })
	f.nums(slotDuration, func(n int, v uint64) { out[n].End = out[n].Start + v })
}

// parents fills parent ids, from rows of the part or from ids kept aside.
func (f *filler) parents(out []Span) {
	f.nums(slotParent, func(n int, v uint64) { binary.BigEndian.PutUint64(out[n].ParentID[:], v) })
	f.each(f.slots[slotParentRow], func(n int, ch *chunk, i int) error {
		ref := ch.num(i)
		if ref < 2 {
			return nil
		}
		if ref-2 >= uint64(f.snapshot.rows) {
			return f.corrupt("parent reference out of range")
		}
		id, err := f.spanID(uint32(ref - 2))
		binary.BigEndian.PutUint64(out[n].ParentID[:], id)
		return err
	})
}

func (f *filler) logs(out []Log) {
	f.origin(func(n int, r *Resource) { out[n].Resource = r }, func(n int, s *Scope) { out[n].Scope = s })
	f.ids(func(n int, t TraceID) { out[n].TraceID = t }, func(n int, id SpanID) { out[n].SpanID = id })
	f.nums(slotTime, func(n int, v uint64) { out[n].Time, out[n].ObservedTime = v, v })
	f.nums(slotObserved, func(n int, v uint64) { out[n].ObservedTime += v })
	f.nums(slotTimeless, func(n int, v uint64) {
		if v != 0 {
			out[n].Time = 0
		}
	})
	f.nums(slotFlags, func(n int, v uint64) { out[n].Flags = uint32(v) })
	f.nums(slotDropped, func(n int, v uint64) { out[n].DroppedAttrs = uint32(v) })
	f.nums(slotSeverity, func(n int, v uint64) { out[n].SeverityNumber = int32(v) })
	f.texts(slotSeverityText, func(n int, s string) { out[n].SeverityText = s })
	f.texts(slotEventName, func(n int, s string) { out[n].EventName = s })
	f.attrsOf(func(n int) *[]Attr { return &out[n].Attrs })
	if !f.need.Has(NeedBody) {
		return
	}
	for _, c := range f.attrs {
		if c.key.place != Intrinsic {
			continue
		}
		f.each(c, func(n int, ch *chunk, i int) error {
			v, err := f.valueAt(c, ch, i)
			out[n].Body = v
			return err
		})
	}
}

// trace gives the spans of one trace.
func (v *view) trace(ctx context.Context, id TraceID, rep *Report) iter.Seq2[*Span, error] {
	if rep == nil {
		rep = &Report{}
	}
	return func(yield func(*Span, error) bool) {
		var seen traceTimes
		defer func() { seen.missing(v, rep) }()
		for _, p := range v.parts {
			if p.kind() != Spans || p.rows() == 0 {
				continue
			}
			if err := ctx.Err(); err != nil {
				yield(nil, err)
				return
			}
			more := true
			err := tracesOf(ctx, p, []TraceID{id}, NeedAll, rep, func(spans []*Span) bool {
				seen.add(spans)
				for _, s := range spans {
					if more = more && yield(s, nil); !more {
						break
					}
				}
				return more
			})
			if err != nil && !v.unreadable(rep, err) {
				yield(nil, err)
				return
			}
			if !more {
				return
			}
		}
	}
}

// traceTimes is when the spans of traces began and ended, as far as they are
// known.
type traceTimes struct {
	known    bool
	min, max uint64
}

func (t *traceTimes) add(spans []*Span) {
	for _, s := range spans {
		if !t.known {
			t.known, t.min, t.max = true, s.Start, s.Start
		}
		t.min, t.max = min(t.min, s.Start), max(t.max, s.Start, s.End)
	}
}

// traceSlack is how far from its known spans a trace may have others.
const traceSlack = uint64(time.Hour)

// missing notes the lost blocks in which further spans of the traces may have
// been: all of them when no span is known.
func (t *traceTimes) missing(v *view, rep *Report) {
	switch {
	case !t.known:
		v.missing(rep, 0, 0)
	case t.max > math.MaxUint64-traceSlack:
		v.missing(rep, t.min-min(t.min, traceSlack), 0)
	default:
		v.missing(rep, t.min-min(t.min, traceSlack), t.max+traceSlack)
	}
}
