package store

import (
	"cmp"
	"context"
	"iter"
	"slices"
	"strings"
)

// defaultFieldLimit is FieldQuery.Limit 0.
const defaultFieldLimit = 1000

// maxFieldValues bounds the distinct keys or values that one query counts; those seen
// after that many are left out, and the report says so.
const maxFieldValues = 200_000

// maxFieldBytes bounds their texts together in the same way.
const maxFieldBytes = 64 << 20

// valueLimit is what Report.Stopped says then.
const valueLimit = "value limit"

// fieldParts calls f with the parts that q looks into.
func (v *view) fieldParts(ctx context.Context, q FieldQuery, f func(*snapshot) error) error {
	v.missing(q.Report, q.Start, q.End)
	for _, p := range v.parts {
		if p.kind() != q.Kind || p.rows() == 0 {
			continue
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		lo, hi := p.timeRange()
		if hi < q.Start || q.End != 0 && lo >= q.End {
			q.Report.BlocksSkipped++
			continue
		}
		q.Report.Blocks++
		snap := p.snapshot()
		err := f(snap)
		pages, bytes := snap.read()
		q.Report.Add(&Report{Pages: pages, Bytes: bytes})
		if err != nil && !v.unreadable(q.Report, err) {
			return err
		}
	}
	return nil
}

// fold makes texts comparable with letter case ignored.
func fold(s string) string { return strings.ToLower(s) }

// topCounts returns the keys of counts, the most counted first, equal counts
// by order, at most limit of them.
func topCounts[K comparable](counts map[K]uint64, limit int, order func(a, b K) int) []K {
	keys := make([]K, 0, len(counts))
	for k := range counts {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b K) int { return cmp.Or(cmp.Compare(counts[b], counts[a]), order(a, b)) })
	return keys[:min(len(keys), cmp.Or(limit, defaultFieldLimit))]
}

// keys gives the attribute keys in use, the most frequent first.
func (v *view) keys(ctx context.Context, q FieldQuery) iter.Seq2[FieldKey, error] {
	if q.Report == nil {
		q.Report = &Report{}
	}
	match := fold(q.Match)
	return func(yield func(FieldKey, error) bool) {
		counts, bytes := map[FieldKey]uint64{}, 0
		add := func(place Place, name string, typ ValueType, n uint64) {
			wanted := place == q.Field.Place || q.Field.Place == AnyAttr && place != EventAttr && place != LinkAttr
			if n == 0 || !wanted || !strings.Contains(fold(name), match) {
				return
			}
			k := FieldKey{Field: Field{place, name}, Type: typ}
			if _, seen := counts[k]; !seen {
				if bytes += len(name); len(counts) >= maxFieldValues || bytes > maxFieldBytes {
					q.Report.Stopped = valueLimit
					return
				}
				k.Field.Name = strings.Clone(name)
			}
			counts[k] += n
		}
		if err := v.fieldParts(ctx, q, func(s *snapshot) error { return s.countKeys(q.Field.Place, add) }); err != nil {
			yield(FieldKey{}, err)
			return
		}
		for _, k := range topCounts(counts, q.Limit, func(a, b FieldKey) int {
			return cmp.Or(cmp.Compare(a.Field.Name, b.Field.Name), cmp.Compare(a.Type, b.Type), cmp.Compare(a.Field.Place, b.Field.Place))
		}) {
			n := counts[k]
			k.Count = n
			if !yield(k, nil) {
				return
			}
		}
	}
}

// countKeys calls add for the keys of the places that place stands for, and
// maybe for others.
func (s *snapshot) countKeys(place Place, add func(place Place, name string, typ ValueType, n uint64)) error {
	if place == RecordAttr || place == AnyAttr {
		for _, c := range s.attrs {
			if c.key.place == RecordAttr {
				add(RecordAttr, c.key.name, c.key.typ, c.count)
			}
		}
	}
	return s.hiddenKeys(func(k columnKey, n uint64) { add(k.place, k.name, k.typ, n) })
}

// sharedAttrs calls f for every attribute of the resources or scopes with the
// number of records that have it.
func (s *snapshot) sharedAttrs(sl slot, f func(a Attr, n uint64)) error {
	c := s.slots[sl]
	if c == nil {
		return nil
	}
	bad := false
	err := s.textCounts(c, func(b []byte, n uint64) {
		d := decoder{b: b, alias: true}
		d.bytes()
		if sl == slotScope {
			d.bytes()
		}
		for _, a := range d.attrs(nil) {
			f(a, n)
		}
		bad = bad || d.bad
	})
	if err == nil && bad {
		err = s.corrupt("malformed resource or scope")
	}
	return err
}

// textCounts calls f with the texts of a column and the number of values that
// are it; the same text may come more than once.
func (s *snapshot) textCounts(c *columnInfo, f func(b []byte, n uint64)) error {
	if c.dict {
		return s.entries(c, f)
	}
	return s.eachValue(c, func(ch *chunk, i int) error {
		b, err := s.stripText(ch, i)
		if err == nil {
			f(b, 1)
		}
		return err
	})
}

// eachValue calls f with the position of every value of a column.
func (s *snapshot) eachValue(c *columnInfo, f func(ch *chunk, i int) error) error {
	for g := range s.groups {
		if lo, hi, ok := s.bounds(c, g); ok && lo > hi {
			continue
		}
		ch, err := s.chunk(c, g)
		if err != nil {
			return err
		}
		for i := range ch.count {
			if err := f(ch, i); err != nil {
				return err
			}
		}
	}
	return nil
}

// valueCounts counts the values of one field.
type valueCounts struct {
	match  string
	counts map[Value]uint64
	bytes  int  // of their texts
	full   bool // values were left out
}

func (vc *valueCounts) add(v Value, n uint64) {
	if n == 0 || vc.match != "" && (v.Type != String || !strings.Contains(fold(v.str), vc.match)) {
		return
	}
	if old, ok := vc.counts[v]; ok {
		vc.counts[v] = old + n
		return
	}
	if vc.bytes += len(v.str); len(vc.counts) >= maxFieldValues || vc.bytes > maxFieldBytes {
		vc.full = true
		return
	}
	v.str = strings.Clone(v.str)
	vc.counts[v] = n
}

// values gives the values in use of one field, the most frequent first.
func (v *view) values(ctx context.Context, q FieldQuery) iter.Seq2[FieldValue, error] {
	if q.Report == nil {
		q.Report = &Report{}
	}
	return func(yield func(FieldValue, error) bool) {
		vc := &valueCounts{match: fold(q.Match), counts: map[Value]uint64{}}
		err := v.fieldParts(ctx, q, func(s *snapshot) error {
			if q.Field.Place == Intrinsic {
				return s.countIntrinsic(ctx, q.Field, vc)
			}
			return s.countAttrs(q.Field, vc)
		})
		if err != nil {
			yield(FieldValue{}, err)
			return
		}
		if vc.full {
			q.Report.Stopped = valueLimit
		}
		for _, val := range topCounts(vc.counts, q.Limit, func(a, b Value) int {
			return cmp.Or(cmp.Compare(a.Type, b.Type), cmp.Compare(a.str, b.str), cmp.Compare(a.Int(), b.Int()))
		}) {
			if !yield(FieldValue{Value: val, Count: vc.counts[val]}, nil) {
				return
			}
		}
	}
}

// countAttrs counts the values of an attribute.
func (s *snapshot) countAttrs(f Field, vc *valueCounts) error {
	count := func(a Attr, n uint64) {
		if a.Key == f.Name {
			vc.add(a.Value, n)
		}
	}
	if f.Place == ResourceAttr || f.Place == AnyAttr {
		if err := s.sharedAttrs(slotResource, count); err != nil {
			return err
		}
	}
	if f.Place == ScopeAttr || f.Place == AnyAttr {
		if err := s.sharedAttrs(slotScope, count); err != nil {
			return err
		}
	}
	if f.Place == RecordAttr || f.Place == AnyAttr {
		for _, c := range s.attrs {
			if c.key.place != RecordAttr || c.key.name != f.Name {
				continue
			}
			if err := s.countColumn(c, vc); err != nil {
				return err
			}
		}
		return s.countHidden(RecordAttr, slotRest, f.Name, count)
	}
	switch f.Place {
	case EventAttr:
		return s.countHidden(EventAttr, slotEvents, f.Name, count)
	case LinkAttr:
		return s.countHidden(LinkAttr, slotLinks, f.Name, count)
	}
	return nil
}

// countHidden counts attributes that have no column.
func (s *snapshot) countHidden(place Place, sl slot, key string, count func(a Attr, n uint64)) error {
	c := s.slots[sl]
	if c == nil {
		return nil
	}
	if hidden, err := s.hides(place, key); err != nil || !hidden {
		return err
	}
	all := func(attrs []Attr) {
		for _, a := range attrs {
			count(a, 1)
		}
	}
	bad := false
	err := s.textCounts(c, func(b []byte, n uint64) {
		for range n {
			d := decoder{b: b, alias: true}
			switch sl {
			case slotRest:
				all(d.attrs(nil))
			case slotEvents:
				for _, e := range d.events(0) {
					all(e.Attrs)
				}
			case slotLinks:
				for _, l := range d.links() {
					all(l.Attrs)
				}
			}
			bad = bad || d.bad
		}
	})
	if err == nil && bad {
		err = s.corrupt("malformed value")
	}
	return err
}

// countColumn counts the values of a column.
func (s *snapshot) countColumn(c *columnInfo, vc *valueCounts) error {
	if c.key.textual() {
		return s.textCounts(c, func(b []byte, n uint64) { vc.add(Value{Type: c.key.typ, str: text(b)}, n) })
	}
	return s.eachValue(c, func(ch *chunk, i int) error {
		vc.add(numValue(c.key.typ, ch.num(i)), 1)
		return nil
	})
}

// countIntrinsic counts the values of a field that is no attribute.
func (s *snapshot) countIntrinsic(ctx context.Context, f Field, vc *valueCounts) error {
	if sl, ok := s.kind.slotOf(f.Name); ok {
		absent := uint64(s.rows)
		if c := s.slots[sl]; c != nil {
			absent -= min(absent, c.count)
			if err := s.countColumn(c, vc); err != nil {
				return err
			}
		}
		vc.add(Value{Type: slotTypes[sl]}, absent)
		return nil
	}
	need := NeedCore
	switch f.Name {
	case FieldScopeName, FieldScopeVersion:
		need = NeedScope
	case FieldEventName:
		need = NeedEvents
	case FieldBody:
		need = NeedBody
	}
	for _, g := range s.groups {
		if err := ctx.Err(); err != nil {
			return err
		}
		rows := make([]uint32, 0, g.hi-g.lo)
		for row := g.lo; row < g.hi; row++ {
			rows = append(rows, row)
		}
		if err := s.countRecords(rows, need, f, vc); err != nil {
			return err
		}
	}
	return nil
}

// countRecords counts the values of a field over whole records.
func (s *snapshot) countRecords(rows []uint32, need Need, f Field, vc *valueCounts) error {
	count := func(v Value) bool {
		vc.add(v, 1)
		return true
	}
	if s.kind == Spans {
		spans, err := s.spans(rows, need)
		if err != nil {
			return err
		}
		for _, sp := range spans {
			SpanValues(sp, f, count)
		}
		return nil
	}
	logs, err := s.logs(rows, need)
	if err != nil {
		return err
	}
	for _, l := range logs {
		LogValues(l, f, count)
	}
	return nil
}
