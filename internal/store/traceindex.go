package store

import (
	"bytes"
	"sort"
)

// The trace index of a block holds every trace id once, sorted, with the rows
// of its records. A page of it is
//
//	ids (16 each) | number of rows of each (uvarint) | encoding (1) | width (1) | rows, packed
//
// and small, because a lookup by id reads one page of every block.

// tracesPerPage is the number of trace ids on a page of the trace index.
const tracesPerPage = 256

// traceEntries is a decoded page of the trace index.
type traceEntries struct {
	ids   []byte
	ends  []uint32 // where the rows of each id end in rows
	rows  values
	count int
}

func (e *traceEntries) id(i int) []byte { return e.ids[16*i:][:16] }

func decodeTracePage(raw []byte, n int, mem *pageMemory) (*traceEntries, bool) {
	d := pageDecoder{decoder: decoder{b: raw}, mem: mem}
	e := &traceEntries{ids: d.take(16 * n), count: n}
	if n > len(d.b) {
		return nil, false
	}
	e.ends = mem.takeEnds(n)
	end := uint64(0)
	for i := range e.ends {
		if end += d.uvarint(); end > maxPage {
			return nil, false
		}
		e.ends[i] = uint32(end)
	}
	d.count = int(end)
	e.rows = d.values()
	return e, !d.bad && e.rows.packed != nil
}

func (p *blockPages) tracePage(page int) (*traceEntries, error) {
	if e := p.traces[page]; e != nil {
		return e, nil
	}
	raw, err := p.page(p.footer.tracePages[page].pageMeta, p.mem)
	if err != nil {
		return nil, err
	}
	return p.decodeTraces(page, raw)
}

// decodeTraces decodes a page of the trace index and keeps it.
func (p *blockPages) decodeTraces(page int, raw []byte) (*traceEntries, error) {
	m := p.footer.tracePages[page].pageMeta
	e, ok := decodeTracePage(raw, int(m.count), p.mem)
	if !ok {
		return nil, p.corrupt(m, "malformed page of the trace index")
	}
	keep(&p.traces, page, e)
	return e, nil
}

func (p *blockPages) traceID(n uint32) (id TraceID, err error) {
	page := int(n / tracesPerPage)
	if n >= p.footer.traces || page >= len(p.footer.tracePages) {
		return id, p.corrupt(pageMeta{}, "trace number out of range")
	}
	e, err := p.tracePage(page)
	if err != nil {
		return id, err
	}
	if int(n%tracesPerPage) >= e.count {
		return id, p.corrupt(p.footer.tracePages[page].pageMeta, "trace number out of range")
	}
	copy(id[:], e.id(int(n%tracesPerPage)))
	return id, nil
}

// findTrace returns the page and which of its ids id is; nil when it has not got
// it. Nothing but ids is decoded then: every block is asked for a trace, and
// nearly all have not got it.
func (p *blockPages) findTrace(page int, id TraceID) (e *traceEntries, i int, err error) {
	m := p.footer.tracePages[page].pageMeta
	n := int(m.count)
	var ids []byte
	var raw []byte
	if e = p.traces[page]; e != nil {
		ids = e.ids
	} else if raw, err = p.page(m, p.mem); err != nil {
		return nil, 0, err
	} else if len(raw)/16 < n {
		return nil, 0, p.corrupt(m, "malformed page of the trace index")
	} else {
		ids = raw
	}
	i = sort.Search(n, func(i int) bool { return bytes.Compare(ids[16*i:][:16], id[:]) >= 0 })
	if i == n || !bytes.Equal(ids[16*i:][:16], id[:]) {
		return nil, 0, nil
	}
	if e == nil {
		e, err = p.decodeTraces(page, raw)
	}
	return e, i, err
}

func (p *blockPages) traceRows(id TraceID) ([]uint32, error) {
	pages := p.footer.tracePages
	page := sort.Search(len(pages), func(i int) bool { return bytes.Compare(pages[i].first[:], id[:]) > 0 }) - 1
	if page < 0 {
		return nil, nil
	}
	e, i, err := p.findTrace(page, id)
	if e == nil || err != nil {
		return nil, err
	}
	from := uint32(0)
	if i > 0 {
		from = e.ends[i-1]
	}
	rows := make([]uint32, 0, e.ends[i]-from)
	for at := from; at < e.ends[i]; at++ {
		row := e.rows.num(int(at))
		if row >= uint64(p.footer.rows) || len(rows) > 0 && uint32(row) <= rows[len(rows)-1] {
			return nil, p.corrupt(pages[page].pageMeta, "malformed rows in the trace index")
		}
		rows = append(rows, uint32(row))
	}
	return rows, nil
}
