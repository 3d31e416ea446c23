package store

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
)

// blockCheck looks at everything in one block: first every page by itself, then
// what the parts of the block say of each other. It reads through the same
// functions as queries do, so it understands what they understand.
type blockCheck struct {
	*block
	found func(offset int64, problem string)
	// read is told of the bytes of each page that was looked at.
	read func(bytes int64)
}

// run reports everything that is wrong. The error is that of ctx.
func (c *blockCheck) run(ctx context.Context) error {
	if whole, err := c.pages(ctx); err != nil || !whole {
		return err // what the parts say of each other would only repeat it
	}
	if err := c.columns(ctx); err != nil {
		return c.outcome(err)
	}
	return c.outcome(c.records(ctx))
}

// outcome reports a corruption that ended a check.
func (c *blockCheck) outcome(err error) error {
	var corrupt *CorruptionError
	if errors.As(err, &corrupt) {
		c.found(corrupt.Offset, corrupt.Reason)
		return nil
	}
	return err
}

// extent is where a page lies.
type extent struct {
	offset int64
	bytes  int64
}

// pages reads every page, and sees that pages and footer are all that the file
// has. whole says that nothing was found.
func (c *blockCheck) pages(ctx context.Context) (whole bool, err error) {
	whole = true
	found := func(offset int64, problem string) {
		whole = false
		c.found(offset, problem)
	}
	var extents []extent
	c.footer.eachPage(func(p pageRef, m pageMeta) {
		if err != nil || m.stored == 0 {
			return
		}
		if err = ctx.Err(); err != nil {
			return
		}
		extents = append(extents, extent{m.offset, int64(m.stored)})
		_, reason, err := readPage(c.r, m, nil)
		if err != nil {
			reason = "reading a page: " + err.Error()
		}
		if reason != "" {
			found(m.offset, c.footer.nameOf(p)+": "+reason)
		}
		c.read(int64(m.stored))
	})
	if err != nil {
		return false, err
	}
	slices.SortFunc(extents, func(a, b extent) int { return cmp.Compare(a.offset, b.offset) })
	end := int64(blockHeader)
	for _, e := range append(extents, extent{c.pagesEnd, 0}) {
		switch {
		case e.offset > end:
			found(end, fmt.Sprintf("%d bytes that no page has", e.offset-end))
		case e.offset < end:
			found(e.offset, "page in the place of another")
		}
		end = max(end, e.offset+e.bytes)
	}
	return whole, nil
}

// columns compares each column with its footer entry, its dictionary and its
// bloom filter.
func (c *blockCheck) columns(ctx context.Context) error {
	for i := range c.footer.columns {
		if err := ctx.Err(); err != nil {
			return err
		}
		k := columnCheck{blockCheck: c, pages: &blockPages{block: c.block}, column: &c.footer.columns[i]}
		if err := k.run(); err != nil && err != errStopped {
			return err
		}
	}
	return nil
}

// columnCheck looks at one column.
type columnCheck struct {
	*blockCheck
	pages  *blockPages
	column *blockColumn
	counts []uint64 // by dictionary id: values that are it
	// grams is the gram filter of page gramsOf-1; nil: it has none.
	grams   []byte
	gramsOf int
}

func (k *columnCheck) complain(offset int64, format string, args ...any) {
	key := k.column.info.key
	k.found(offset, fmt.Sprintf("%s (%s): ", key.label(), key.typeName())+fmt.Sprintf(format, args...))
}

func (k *columnCheck) run() error {
	info := &k.column.info
	if info.dict {
		k.counts = make([]uint64, info.entries)
	}
	if info.key == slotKey(slotHiddenKeys) {
		return k.dictionary(false)
	}
	for g := range k.footer.groups {
		if err := k.group(g); err != nil {
			return err
		}
	}
	if !info.dict {
		return nil
	}
	return k.dictionary(true)
}

// group looks at the values of one group.
func (k *columnCheck) group(g int) error {
	info := &k.column.info
	ch, err := k.pages.load(info, g)
	if err != nil {
		return err
	}
	page := g
	if k.column.whole {
		page = 0
	}
	m := k.column.pages[page]
	lo, hi := uint64(math.MaxUint64), uint64(0)
	for i := range ch.count {
		if info.key.textual() && !info.dict {
			text, err := k.pages.stripText(&ch, i)
			if err != nil {
				return err
			}
			if err := k.filters(g, page, text); err != nil {
				return err
			}
			continue
		}
		v := ch.num(i)
		lo, hi = min(lo, v), max(hi, v)
		if info.dict {
			if v >= uint64(len(k.counts)) {
				k.complain(m.offset, "page %d has number %d of a dictionary of %d", page, v, len(k.counts))
				return nil
			}
			k.counts[v]++
		}
	}
	if (info.dict || !info.key.textual()) && ch.count > 0 && !k.column.whole && (lo != m.min || hi != m.max) {
		k.complain(m.offset, "page %d has values from %d to %d; its bounds are %d and %d", page, lo, hi, m.min, m.max)
	}
	return nil
}

// filters sees that the filters of a column without dictionary let a value
// through. It ends the check of the column with the first that does not.
func (k *columnCheck) filters(g, page int, text []byte) error {
	info := &k.column.info
	_, found, err := k.pages.lookup(info, string(text))
	if err != nil {
		return err
	}
	if found == absent {
		k.complain(k.column.bloom[0].offset, "the bloom filter lacks a value of page %d", page)
		return errStopped
	}
	if len(k.column.grams) == 0 {
		return nil
	}
	if k.gramsOf != page+1 {
		filter, err := k.pages.grams(info, g)
		if err != nil {
			return err
		}
		k.grams, k.gramsOf = bytes.Clone(filter), page+1
	}
	if k.grams != nil && !(hasGrams(k.grams, string(text)) && hasGrams(k.grams, string(plainLetters(text)))) {
		k.complain(k.column.grams[page].offset, "the gram filter lacks a value of page %d", page)
		return errStopped
	}
	return nil
}

// dictionary looks at the entries: ascending, found where the footer says, and
// with the number of values that are them.
func (k *columnCheck) dictionary(counted bool) error {
	last := ""
	for n, p := range k.column.dict {
		e, err := k.pages.dictPage(k.column, n)
		if err != nil {
			return err
		}
		for i, count := range e.counts {
			s := text(e.values.raw(i))
			at := int(p.first) + i
			switch {
			case at > 0 && s <= last:
				k.complain(p.offset, "entry %d of the dictionary is out of order", at)
				return nil
			case i == 0 && s[:min(len(s), leastBytes)] != p.least:
				k.complain(p.offset, "dictionary page %d does not begin as the footer says", n)
			case counted && count != k.counts[at]:
				k.complain(p.offset, "%d values are entry %d of the dictionary, which says %d", k.counts[at], at, count)
			}
			last = s
		}
	}
	return nil
}

// records fills every record, and compares trace index, pre-aggregates, groups
// and the list of services with what the records say.
func (c *blockCheck) records(ctx context.Context) error {
	s := c.block.snapshot()
	sums := map[operationKey]*operationSum{}
	traces := &traceCheck{blockCheck: c, snap: s, trace: make([]uint32, c.footer.rows)}
	for g, grp := range c.footer.groups {
		if err := ctx.Err(); err != nil {
			return err
		}
		rows := make([]uint32, 0, grp.hi-grp.lo)
		for row := grp.lo; row < grp.hi; row++ {
			rows = append(rows, row)
		}
		lo, hi := uint64(math.MaxUint64), uint64(0)
		see := func(row uint32, time uint64, r *Resource) error {
			lo, hi = min(lo, time), max(hi, time)
			if !c.serves(s, g, row, r) {
				c.found(c.pagesEnd, fmt.Sprintf("the list of services does not have row %d", row))
				return errStopped
			}
			return traces.add(g, row)
		}
		var err error
		if s.kind == Spans {
			err = c.spans(s, rows, sums, see)
		} else {
			err = c.logs(s, rows, see)
		}
		if err == errStopped {
			return nil
		}
		if err != nil {
			return err
		}
		if lo != grp.min || hi != grp.max {
			c.found(c.pagesEnd, fmt.Sprintf("rows %d to %d have times from %d to %d; the footer says %d and %d",
				grp.lo, grp.hi-1, lo, hi, grp.min, grp.max))
		}
	}
	if err := traces.finish(); err != nil {
		return err
	}
	if s.kind != Spans {
		return nil
	}
	return c.aggregates(sums)
}

func (c *blockCheck) spans(s *snapshot, rows []uint32, sums map[operationKey]*operationSum, see func(uint32, uint64, *Resource) error) error {
	spans, err := s.spans(rows, NeedAll)
	if err != nil {
		return err
	}
	for i, sp := range spans {
		addSpan(sums, sp)
		if err := see(rows[i], sp.Start, sp.Resource); err != nil {
			return err
		}
	}
	return nil
}

func (c *blockCheck) logs(s *snapshot, rows []uint32, see func(uint32, uint64, *Resource) error) error {
	logs, err := s.logs(rows, NeedAll)
	if err != nil {
		return err
	}
	for i, l := range logs {
		if err := see(rows[i], l.At(), l.Resource); err != nil {
			return err
		}
	}
	return nil
}

// serves reports whether the list of services names the service of a row's
// resource.
func (c *blockCheck) serves(s *snapshot, g int, row uint32, r *Resource) bool {
	if len(c.footer.services) == 0 {
		return true
	}
	id, err := s.numAt(slotResource, g, int(row-s.groups[g].lo))
	if err != nil {
		return false
	}
	n, _ := slices.BinarySearchFunc(c.footer.services, uint32(id), func(r serviceRange, id uint32) int {
		if r.first > id {
			return 1
		}
		return -1
	})
	return n > 0 && c.footer.services[n-1].name == r.ServiceName()
}

// traceCheck compares the trace index with the rows.
type traceCheck struct {
	*blockCheck
	snap  *snapshot
	trace []uint32 // by row: the number of its trace
	rows  uint32   // that the index lists
}

// add notes a row.
func (t *traceCheck) add(g int, row uint32) error {
	n, err := t.snap.numAt(slotTrace, g, int(row-t.snap.groups[g].lo))
	t.trace[row] = uint32(n)
	return err
}

// finish sees that the index lists every row once, under its trace, and every id
// after a lesser one.
func (t *traceCheck) finish() error {
	p := t.snap.pages.(*blockPages)
	last := TraceID{}
	n := uint32(0)
	for page, m := range t.footer.tracePages {
		e, err := p.tracePage(page)
		if err != nil {
			return err
		}
		for i := range e.count {
			id := TraceID(e.id(i))
			if n > 0 && bytes.Compare(id[:], last[:]) <= 0 || i == 0 && id != m.first {
				t.found(m.offset, fmt.Sprintf("trace %d of the index is out of order", n))
				return nil
			}
			if !t.rowsOf(e, i, n) {
				t.found(m.offset, fmt.Sprintf("the trace index lists rows for trace %s that are not of it", id))
				return nil
			}
			last = id
			n++
		}
	}
	if t.rows != t.footer.rows {
		t.found(t.pagesEnd, fmt.Sprintf("the trace index lists %d of %d rows", t.rows, t.footer.rows))
	}
	return nil
}

// rowsOf reports whether the rows of entry i ascend and are of trace number n.
func (t *traceCheck) rowsOf(e *traceEntries, i int, n uint32) bool {
	from := uint32(0)
	if i > 0 {
		from = e.ends[i-1]
	}
	next := uint64(0)
	for at := from; at < e.ends[i]; at++ {
		row := e.rows.num(int(at))
		if row < next || row >= uint64(len(t.trace)) || t.trace[row] != n {
			return false
		}
		next = row + 1
		t.rows++
	}
	return true
}

// operationSum is a pre-aggregate made from spans.
type operationSum struct {
	count, errors uint64
	durations     Histogram
}

func addSpan(sums map[operationKey]*operationSum, sp *Span) {
	key := operationKey{operationName{sp.Resource.ServiceName(), sp.Name, sp.Kind}, minuteOf(sp.Start)}
	sum := sums[key]
	if sum == nil {
		sum = &operationSum{}
		sums[key] = sum
	}
	sum.count++
	if sp.StatusCode == statusError {
		sum.errors++
	}
	sum.durations.Observe(sp.Duration())
}

// aggregates compares the pre-aggregates with those of the records. It takes
// them out of sums.
func (c *blockCheck) aggregates(sums map[operationKey]*operationSum) error {
	at := c.pagesEnd
	if len(c.footer.operations) > 0 {
		at = c.footer.operations[0].offset
	}
	var stored []byte
	err := c.block.operations(func(o *operationCount) {
		name := fmt.Sprintf("%q of %q", o.operation, o.service)
		sum := sums[o.operationKey]
		if sum == nil {
			c.found(at, "pre-aggregates of "+name+", which no span has")
			return
		}
		own := &operationCount{operationKey: o.operationKey, count: sum.count, errors: sum.errors, buckets: sum.durations.Buckets}
		if stored = appendOperation(stored[:0], o); string(stored) != string(appendOperation(nil, own)) {
			c.found(at, fmt.Sprintf("the pre-aggregates of %s say %d spans with %d errors, or other durations; its spans are %d with %d errors",
				name, o.count, o.errors, sum.count, sum.errors))
		}
		key := o.operationKey
		key.service, key.operation = strings.Clone(key.service), strings.Clone(key.operation)
		delete(sums, key)
	})
	if err == nil && len(sums) > 0 {
		c.found(at, fmt.Sprintf("the pre-aggregates lack %d of the operations and minutes that spans have", len(sums)))
	}
	return err
}
