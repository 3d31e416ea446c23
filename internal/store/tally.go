package store

import (
	"context"
	"iter"
	"slices"
)

// Tally counts the values of fields among the records of one part that match.
// Records may be in several parts, so tallies are added up by the reader.
type Tally struct {
	Records uint64
	Fields  []FieldTally // as they were asked for
}

// FieldTally counts the values of one field. Texts share memory with the part:
// who keeps one for long copies it.
type FieldTally struct {
	Records uint64 // that have the field
	Values  []FieldValue
}

// tally counts the values of fields, part by part; Limit and OnePerTrace of q do
// not count.
func (v *view) tally(ctx context.Context, k Kind, q Query, fields []Field) iter.Seq2[*Tally, error] {
	m, err := NewMatcher(q.Where)
	if err != nil {
		return func(yield func(*Tally, error) bool) { yield(nil, err) }
	}
	return eachPart(ctx, newSearcher(v, q, k, m, nil), func(ctx context.Context, s *searcher, i int) (*Tally, error) {
		var t *tallier
		err := s.scanPart(ctx, i, func(g int, sel bitmap) (err error) {
			if t == nil {
				if t, err = newTallier(s.snaps[i], fields); err != nil {
					return err
				}
			}
			return t.add(g, sel)
		})
		s.snaps[i] = nil // with what it decoded
		if err != nil || t == nil {
			return &Tally{Fields: make([]FieldTally, len(fields))}, err
		}
		return t.tally()
	})
}

// counter counts the values of one field in one part, in the cheapest way that
// the field allows.
type counter interface {
	// add counts the rows of sel in group g.
	add(g int, sel bitmap) error
	tally() (FieldTally, error)
}

// tallier counts the values of fields in one part.
type tallier struct {
	records  uint64
	counters []counter
	// shared are counted once for all the fields that are in them.
	shared []*idCounter
	whole  *wholeCounter // nil: no field needs whole records
}

func newTallier(s *snapshot, fields []Field) (*tallier, error) {
	t := &tallier{}
	for _, f := range fields {
		c, err := t.counter(s, f)
		if err != nil {
			return nil, err
		}
		t.counters = append(t.counters, c)
	}
	return t, nil
}

// counter chooses how to count a field.
func (t *tallier) counter(s *snapshot, f Field) (counter, error) {
	switch {
	case f.Place == RecordAttr:
		hidden := false
		if s.slots[slotRest] != nil {
			var err error
			if hidden, err = s.hides(RecordAttr, f.Name); err != nil {
				return nil, err
			}
		}
		if !hidden {
			return newColumnCounter(s, f.Name), nil
		}
	case f.Place == ResourceAttr && s.slots[slotResource] != nil && s.slots[slotResource].dict:
		return &sharedCounter{t.ids(s, slotResource), resourceValues(f.Name)}, nil
	case f.Place == ScopeAttr && s.slots[slotScope] != nil && s.slots[slotScope].dict:
		return &sharedCounter{t.ids(s, slotScope), scopeValues(f.Name)}, nil
	case f.Place == Intrinsic:
		if sl, ok := s.kind.slotOf(f.Name); ok {
			return newSlotCounter(s, sl), nil
		}
	}
	if t.whole == nil {
		t.whole = &wholeCounter{s: s}
	}
	return t.whole.field(f), nil
}

// ids counts the dictionary ids of a fixed column.
func (t *tallier) ids(s *snapshot, sl slot) *idCounter {
	c := s.slots[sl]
	if i := slices.IndexFunc(t.shared, func(ic *idCounter) bool { return ic.col == c }); i >= 0 {
		return t.shared[i]
	}
	ic := &idCounter{s: s, col: c}
	t.shared = append(t.shared, ic)
	return ic
}

func (t *tallier) add(g int, sel bitmap) error {
	t.records += uint64(sel.len())
	for _, c := range t.shared {
		if err := c.add(g, sel); err != nil {
			return err
		}
	}
	if t.whole != nil {
		if err := t.whole.addRecords(g, sel); err != nil {
			return err
		}
	}
	for _, c := range t.counters {
		if err := c.add(g, sel); err != nil {
			return err
		}
	}
	return nil
}

func (t *tallier) tally() (*Tally, error) {
	out := &Tally{Records: t.records}
	for _, c := range t.counters {
		f, err := c.tally()
		if err != nil {
			return nil, err
		}
		out.Fields = append(out.Fields, f)
	}
	return out, nil
}
