package store

import (
	"slices"
)

// condition is an Expr made ready for one snapshot: what can be decided from
// dictionaries and the trace index is decided, the rest are predicates on columns.
// Its answers are exactly those of Matcher.
type condition struct {
	op         conditionOp
	parts      []*condition
	predicates []predicate // of conditionColumns: the row passes when one of them holds
	cost       int         // order in which the parts of an And are tried
	expr       Expr        // what it was made of, for conditionColumns
	why        string      // what decided that there are no predicates
	in, out    int         // rows tried, rows passed
}

// conditionOp is the kind of a condition.
type conditionOp uint8

const (
	conditionAll conditionOp = iota
	conditionAny
	conditionNot
	conditionColumns
)

// predicate looks at one column.
type predicate interface {
	// ruledOut reports that no row of group g passes, from what is known
	// without reading the group.
	ruledOut(s *snapshot, g int) (bool, error)
	// eval adds the rows of sel that pass to out.
	eval(s *snapshot, g int, sel, out bitmap) error
	cost() int
}

// never reports that no row of the part satisfies the condition.
func (c *condition) never() bool {
	switch c.op {
	case conditionAll:
		return slices.ContainsFunc(c.parts, (*condition).never)
	case conditionAny:
		return !slices.ContainsFunc(c.parts, func(p *condition) bool { return !p.never() })
	case conditionColumns:
		return len(c.predicates) == 0
	}
	return false
}

// ruledOut is never for one group.
func (c *condition) ruledOut(s *snapshot, g int) (bool, error) {
	switch c.op {
	case conditionAll:
		for _, p := range c.parts {
			if out, err := p.ruledOut(s, g); out || err != nil {
				return out, err
			}
		}
		return false, nil
	case conditionAny:
		for _, p := range c.parts {
			if out, err := p.ruledOut(s, g); !out || err != nil {
				return false, err
			}
		}
		return true, nil
	case conditionColumns:
		for _, t := range c.predicates {
			if out, err := t.ruledOut(s, g); !out || err != nil {
				return false, err
			}
		}
		return true, nil
	}
	return false, nil
}

// eval returns the rows of sel, a set of rows of group g, that satisfy the
// condition. It may return sel itself.
func (c *condition) eval(s *snapshot, g int, sel bitmap) (bitmap, error) {
	c.in += sel.len()
	out, err := c.rows(s, g, sel)
	c.out += out.len()
	return out, err
}

// rows is eval uncounted.
func (c *condition) rows(s *snapshot, g int, sel bitmap) (bitmap, error) {
	switch c.op {
	case conditionAll:
		for _, p := range c.parts {
			if sel.empty() {
				break
			}
			var err error
			if sel, err = p.eval(s, g, sel); err != nil {
				return nil, err
			}
		}
		return sel, nil
	case conditionAny:
		out, left := make(bitmap, len(sel)), slices.Clone(sel)
		for _, p := range c.parts {
			got, err := p.eval(s, g, left)
			if err != nil {
				return nil, err
			}
			for i := range out {
				out[i] |= got[i]
				left[i] = sel[i] &^ out[i]
			}
		}
		return out, nil
	case conditionNot:
		got, err := c.parts[0].eval(s, g, sel)
		if err != nil {
			return nil, err
		}
		out := make(bitmap, len(sel))
		for i := range out {
			out[i] = sel[i] &^ got[i]
		}
		return out, nil
	}
	out := make(bitmap, len(sel))
	for _, t := range c.predicates {
		if skip, err := t.ruledOut(s, g); err != nil {
			return nil, err
		} else if skip {
			continue
		}
		if err := t.eval(s, g, sel, out); err != nil {
			return nil, err
		}
	}
	return out, nil
}
