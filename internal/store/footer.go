package store

import (
	"encoding/binary"
)

// The footer names everything in a block file. It is read when the block is
// opened and kept in memory; pages are read when a query needs them.

// blockMagic begins and ends a block file: name, and in place of the last two
// bytes format version and kind of the records.
const blockMagic = "SBXBLK\x00\x00"

// blockVersion is the version that is written. Version 1 had no gram filters.
const blockVersion = 2

const (
	blockHeader  = len(blockMagic)
	blockTrailer = 8 + len(blockMagic) // footer length, footer CRC-32C, magic
)

// footer is the footer, decoded.
type footer struct {
	kind       Kind
	rows       uint32
	groups     []group
	columns    []blockColumn
	traces     uint32 // trace ids
	tracePages []tracePage
	operations []pageMeta
	// services are the ranges of resource dictionary ids that have one service
	// name; none when a resource has no plain service.name.
	services []serviceRange
}

// serviceRange is a service and the first dictionary id of its resources; the
// next range ends it. The name "" stands for resources without service.name.
type serviceRange struct {
	name  string
	first uint32
}

// serviceKey is the attribute of a resource that names the service.
const serviceKey = "service.name"

// blockColumn is what the footer says of a column.
type blockColumn struct {
	info columnInfo
	// whole says that the only page covers all rows of the block.
	whole bool
	pages []pageMeta // by group
	dict  []dictPage
	bloom []pageMeta
	// strips hold the texts of a column without dictionary, those of the
	// first page first; firstStrip is where those of each page begin.
	strips     []pageMeta
	firstStrip []int
	// grams are gram filters, one for each of pages; nil: none.
	grams []pageMeta
}

// dictPage is a page of a sorted dictionary.
type dictPage struct {
	pageMeta // count: entries
	first    uint32
	// least is the beginning of the first entry.
	least string
}

// leastBytes is how much of the first entry of a dictionary page is kept in
// the footer.
const leastBytes = 48

// tracePage is a page of the trace index, sorted by id.
type tracePage struct {
	pageMeta // count: trace ids
	first    TraceID
}

const (
	flagDict  = 1
	flagWhole = 2
)

// encoder writes the footer.
type encoder struct{ b []byte }

func (e *encoder) uvarint(v uint64) { e.b = binary.AppendUvarint(e.b, v) }

func (e *encoder) page(m pageMeta) {
	e.uvarint(uint64(m.count))
	e.uvarint(m.min)
	e.uvarint(m.max - m.min)
	e.uvarint(uint64(m.stored))
	if m.stored == 0 {
		return
	}
	e.uvarint(uint64(m.raw))
	e.uvarint(uint64(m.offset))
	e.b = binary.LittleEndian.AppendUint32(e.b, m.crc)
}

func (e *encoder) pages(pages []pageMeta) {
	e.uvarint(uint64(len(pages)))
	for _, m := range pages {
		e.page(m)
	}
}

func (f *footer) encode() []byte {
	e := &encoder{}
	e.uvarint(uint64(f.kind))
	e.uvarint(uint64(f.rows))
	e.uvarint(uint64(len(f.groups)))
	for _, g := range f.groups {
		e.uvarint(uint64(g.hi - g.lo))
		e.uvarint(g.min)
		e.uvarint(g.max - g.min)
	}
	e.uvarint(uint64(len(f.columns)))
	for i := range f.columns {
		e.column(&f.columns[i])
	}
	e.uvarint(uint64(f.traces))
	e.uvarint(uint64(len(f.tracePages)))
	for _, p := range f.tracePages {
		e.page(p.pageMeta)
		e.b = append(e.b, p.first[:]...)
	}
	e.pages(f.operations)
	e.uvarint(uint64(len(f.services)))
	for _, s := range f.services {
		e.b = appendText(e.b, s.name)
		e.uvarint(uint64(s.first))
	}
	return e.b
}

func (e *encoder) column(c *blockColumn) {
	k := c.info.key
	e.b = append(e.b, byte(k.place), byte(k.slot), byte(k.typ))
	e.b = appendText(e.b, k.name)
	flags := byte(0)
	if c.info.dict {
		flags |= flagDict
	}
	if c.whole {
		flags |= flagWhole
	}
	e.b = append(e.b, flags)
	e.uvarint(c.info.count)
	e.pages(c.pages)
	e.uvarint(uint64(len(c.dict)))
	for _, p := range c.dict {
		e.page(p.pageMeta)
		e.b = appendText(e.b, p.least)
	}
	e.pages(c.bloom)
	e.pages(c.strips)
	e.pages(c.grams)
}

// footerDecoder reads a footer that may be anything.
type footerDecoder struct {
	decoder
	end     int64 // where the pages end and the footer begins
	version byte
}

func (d *footerDecoder) page() (m pageMeta) {
	m.count = d.u32()
	m.min = d.uvarint()
	m.max = m.min + d.uvarint()
	m.stored = d.u32()
	if m.stored == 0 {
		return m
	}
	m.raw = d.u32()
	m.offset = int64(d.uvarint())
	if b := d.take(4); b != nil {
		m.crc = binary.LittleEndian.Uint32(b)
	}
	if m.offset < int64(blockHeader) || m.offset > d.end || int64(m.stored) > d.end-m.offset ||
		m.raw > maxPage || uint64(m.raw) > maxRatio*uint64(m.stored) || m.raw < m.stored {
		d.fail()
	}
	return m
}

func (d *footerDecoder) pages() []pageMeta {
	n := d.count(4)
	if n == 0 {
		return nil
	}
	pages := make([]pageMeta, 0, n)
	for range n {
		pages = append(pages, d.page())
		if d.bad {
			return nil
		}
	}
	return pages
}

// decodeFooter decodes the footer of a block of that version whose pages end at
// end.
func decodeFooter(b []byte, end int64, version byte) (*footer, bool) {
	d := &footerDecoder{decoder: decoder{b: b}, end: end, version: version}
	f := &footer{kind: Kind(d.u8()), rows: d.u32()}
	lo := uint32(0)
	for range d.count(3) {
		rows := d.u32()
		g := group{lo: lo, hi: lo + rows, min: d.uvarint()}
		g.max = g.min + d.uvarint()
		if d.bad || rows == 0 || rows > groupRows || g.hi < lo || g.hi > f.rows || g.max < g.min {
			return nil, false
		}
		f.groups = append(f.groups, g)
		lo = g.hi
	}
	if lo != f.rows || f.kind != Spans && f.kind != Logs {
		return nil, false
	}
	n := d.count(10)
	f.columns = make([]blockColumn, 0, n)
	for i := range n {
		c, ok := d.column(f)
		if !ok {
			return nil, false
		}
		c.info.index = i
		f.columns = append(f.columns, c)
	}
	f.traces = d.u32()
	left := uint64(f.traces)
	for range d.count(20) {
		p := tracePage{pageMeta: d.page()}
		copy(p.first[:], d.take(16))
		if d.bad || p.count == 0 || p.count > tracesPerPage || uint64(p.count) > left {
			return nil, false
		}
		left -= uint64(p.count)
		f.tracePages = append(f.tracePages, p)
	}
	f.operations = d.pages()
	for range d.count(2) {
		f.services = append(f.services, serviceRange{d.text(), d.u32()})
	}
	return f, !d.bad && len(d.b) == 0 && left == 0
}

func (d *footerDecoder) column(f *footer) (c blockColumn, ok bool) {
	k := columnKey{place: Place(d.u8()), slot: slot(d.u8()), typ: ValueType(d.u8()), name: d.text()}
	if k.place == placeSlot && (k.slot >= slotCount || k.typ != slotTypes[k.slot]) {
		return c, false
	}
	flags := d.u8()
	c.info = columnInfo{key: k, count: d.uvarint(), dict: flags&flagDict != 0}
	c.whole = flags&flagWhole != 0
	c.pages = d.pages()
	first := uint64(0)
	n := d.count(5)
	if n > 0 {
		c.dict = make([]dictPage, 0, n)
	}
	for range n {
		p := dictPage{pageMeta: d.page(), first: uint32(first), least: d.text()}
		first += uint64(p.count)
		if d.bad || p.count == 0 || p.count > dictPageEntries || first > maxPage {
			return c, false
		}
		c.dict = append(c.dict, p)
	}
	c.info.entries = int(first)
	c.bloom = d.pages()
	c.strips = d.pages()
	if d.version >= 2 {
		c.grams = d.pages()
	}
	return c, !d.bad && c.consistent(f)
}

// consistent checks what readers rely on, and finds the strips of each page.
func (c *blockColumn) consistent(f *footer) bool {
	if c.info.dict && !c.info.key.textual() || !c.info.dict && len(c.dict) > 0 {
		return false
	}
	if c.info.key == slotKey(slotHiddenKeys) {
		return len(c.pages) == 0 && c.info.dict
	}
	values := uint64(0)
	n, raw := 0, c.info.key.textual() && !c.info.dict
	if raw {
		c.firstStrip = make([]int, len(c.pages))
	}
	for g := range c.pages {
		if raw {
			c.firstStrip[g] = n
			n += stripsOf(int(c.pages[g].count))
		}
		values += uint64(c.pages[g].count)
		if !c.whole && g < len(f.groups) && c.pages[g].count > f.groups[g].hi-f.groups[g].lo {
			return false
		}
	}
	if n != len(c.strips) || len(c.grams) > 0 && (!raw || len(c.grams) != len(c.pages)) {
		return false
	}
	if c.whole {
		return len(c.pages) == 1 && c.info.count == values && values <= uint64(f.rows) && c.pages[0].stored > 0
	}
	return len(c.pages) == len(f.groups) && c.info.count == values
}
