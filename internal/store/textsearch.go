package store

import (
	"bytes"
	"encoding/binary"
	"slices"
)

// textSearch finds the texts of a column that may satisfy a condition, without
// looking at each: by the gram filters of the pages, then by a text that all of
// them hold.
type textSearch struct {
	needles needles
	// literal is the longest needle that every text holds, in lower case unless
	// it decides; empty: there is none.
	literal []byte
	// decides says that the texts that hold literal are those that pass.
	decides bool
	whole   bool // the literal is all of the text

	decided bool // all entries of the dictionary were looked at

	lower   []byte // scratch
	checked int    // 1 + the group whose filter was looked at last
	barren  bool   // what it said
}

// look prepares t for a search of what c needs.
func (t *textPredicate) look(c Cond, n needles) {
	if n == nil {
		return
	}
	t.search = &textSearch{needles: n, literal: []byte(n.longest()), decides: c.Op == Contains, whole: c.Op == Eq}
	if !t.search.decides {
		lowerASCII(t.search.literal, t.search.literal)
	}
}

// ruledOut reports that no text of group g passes, says its filter.
func (x *textSearch) ruledOut(s *snapshot, col *columnInfo, g int) (bool, error) {
	if x.checked == g+1 {
		return x.barren, nil
	}
	filter, err := s.grams(col, g)
	if err != nil {
		return false, err
	}
	x.checked, x.barren = g+1, filter != nil && !x.needles.possible(filter)
	return x.barren, nil
}

// fewTexts is the number of rows up to which each is looked at.
const fewTexts = 64

// worthwhile reports whether whole strips are searched for rows of sel.
func (x *textSearch) worthwhile(c *chunk, sel bitmap) bool {
	return x.hasLiteral() && c.strips != nil && c.off == 0 && sel.len() > fewTexts
}

// hasLiteral reports whether it is known what every text that passes holds.
func (x *textSearch) hasLiteral() bool { return x != nil && len(x.literal) > 0 }

// noEntry reports that no dictionary entry from lo to hi passes. It looks at all
// entries, once.
func (t *textPredicate) noEntry(s *snapshot, lo, hi uint64) (bool, error) {
	if !t.search.decided {
		memo := bytes.Repeat([]byte{1}, t.col.entries)
		err := s.entryPages(t.col, func(first uint32, texts *values) error {
			if t.search.find(texts.text, texts.ends, 0, t.accept, func(i int) { memo[int(first)+i] = 2 }) {
				return s.corrupt("malformed dictionary entry")
			}
			return nil
		})
		if err != nil {
			return false, err
		}
		t.memo, t.search.decided = memo, true
	}
	if hi >= uint64(len(t.memo)) {
		return false, s.corrupt("dictionary id out of range")
	}
	return bytes.IndexByte(t.memo[lo:hi+1], 2) < 0, nil
}

// evalStrips adds the rows of sel whose texts pass to out.
func (t *textPredicate) evalStrips(s *snapshot, c *chunk, sel, out bitmap) error {
	passed := newBitmap(c.count)
	some := false
	for n := range c.strips.pages {
		lo, hi := n*stripValues, min((n+1)*stripValues, c.count)
		from := c.startOf(lo)
		if t.search.whole && !hasLength(c.ends[lo:hi], from, uint32(len(t.search.literal))) {
			continue
		}
		b, err := s.strip(c, n)
		if err != nil {
			return err
		}
		bad := t.search.find(b, c.ends[lo:hi], from, t.accept, func(i int) {
			passed.set(lo + i)
			some = true
		})
		if bad {
			return s.corrupt("malformed value")
		}
	}
	if some {
		c.each(sel, func(row, i int) {
			if passed.has(i) {
				out.set(row)
			}
		})
	}
	return nil
}

// hasLength reports whether one of the texts that end at ends, of which the
// first begins at from, has that length.
func hasLength(ends []uint32, from, length uint32) bool {
	for _, end := range ends {
		if end-from == length {
			return true
		}
		from = end
	}
	return false
}

// find calls hit for each text of a strip that passes. The texts end at ends,
// counted from base before the strip.
func (x *textSearch) find(strip []byte, ends []uint32, base uint32, accept func([]byte) (ok, wellFormed bool), hit func(i int)) (bad bool) {
	text := func(i int) []byte {
		from := uint32(0)
		if i > 0 {
			from = ends[i-1] - base
		}
		return strip[from : ends[i]-base]
	}
	hay := strip
	if !x.decides {
		if holdsOddLetter(strip) {
			for i := range ends {
				ok, wellFormed := accept(text(i))
				if !wellFormed {
					return true
				}
				if ok {
					hit(i)
				}
			}
			return false
		}
		x.lower = slices.Grow(x.lower[:0], len(strip))[:len(strip)]
		lowerASCII(x.lower, strip)
		hay = x.lower
	}
	for at, i := 0, 0; ; {
		p := bytes.Index(hay[at:], x.literal)
		if p < 0 {
			return false
		}
		at += p
		for int(ends[i]-base) <= at {
			i++
		}
		end := int(ends[i] - base)
		if at+len(x.literal) > end {
			at++ // it lies across two texts
			continue
		}
		ok, wellFormed := true, true
		if !x.decides {
			ok, wellFormed = accept(text(i))
		}
		if !wellFormed {
			return true
		}
		if ok {
			hit(i)
		}
		at = end
	}
}

// lowerASCII copies src to dst, of the same length, with ASCII letters in lower
// case, eight bytes at a time.
func lowerASCII(dst, src []byte) {
	const ones = 0x0101010101010101
	for len(src) >= 8 {
		w := binary.LittleEndian.Uint64(src)
		low := w & (0x7f * ones)
		upper := (low + (0x80-'A')*ones) &^ (low + (0x80-'Z'-1)*ones) &^ w & (0x80 * ones)
		binary.LittleEndian.PutUint64(dst, w|upper>>2)
		dst, src = dst[8:], src[8:]
	}
	for i, c := range src {
		dst[i] = lowerByte[c]
	}
}
