package store

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"slices"
	"sort"
	"sync/atomic"
)

// block is a sealed part: an immutable file, of which only the footer is held
// in memory. It is safe for concurrent use.
type block struct {
	file   string
	r      io.ReaderAt
	footer *footer
	kept   *dictCache  // nil: pages of dictionaries are kept for one snapshot only
	common snapshot    // what snapshots begin as
	hidden *columnInfo // nil when every attribute has a column
	// hiddenPage is the first page of its dictionary, which nearly every query
	// asks; nil when none did yet.
	hiddenPage atomic.Pointer[dictEntries]
	minTime    uint64
	maxTime    uint64

	format   byte  // version of the file's format
	size     int64 // of the file
	pagesEnd int64 // where the pages end and the footer begins
}

// openBlock reads and checks the footer of a block file. name goes into
// errors: the file's path relative to the data directory.
func openBlock(r io.ReaderAt, size int64, name string) (*block, error) {
	corrupt := func(offset int64, reason string) error {
		return &CorruptionError{File: name, Offset: offset, Reason: reason}
	}
	if size < int64(blockHeader+blockTrailer) {
		return nil, corrupt(0, "file too short for a block")
	}
	var head [blockHeader]byte
	var trailer [blockTrailer]byte
	if _, err := r.ReadAt(head[:], 0); err != nil {
		return nil, fmt.Errorf("reading header of block %s: %w", name, err)
	}
	at := size - int64(blockTrailer)
	if _, err := r.ReadAt(trailer[:], at); err != nil {
		return nil, fmt.Errorf("reading trailer of block %s: %w", name, err)
	}
	k := Kind(head[blockHeader-1])
	version := head[blockHeader-2]
	if version == 0 || version > blockVersion || string(head[:]) != magicOf(k, version) {
		return nil, corrupt(0, "not a block file of a known version")
	}
	if string(trailer[8:]) != string(head[:]) {
		return nil, corrupt(at, "block file does not end as it begins")
	}
	length := int64(binary.LittleEndian.Uint32(trailer[:]))
	start := at - length
	if start < int64(blockHeader) {
		return nil, corrupt(at, "footer longer than the file")
	}
	b := make([]byte, length)
	if _, err := r.ReadAt(b, start); err != nil {
		return nil, fmt.Errorf("reading footer of block %s: %w", name, err)
	}
	if crc32.Checksum(b, castagnoli) != binary.LittleEndian.Uint32(trailer[4:]) {
		return nil, corrupt(start, "footer checksum mismatch")
	}
	f, ok := decodeFooter(b, start, version)
	if !ok || f.kind != k {
		return nil, corrupt(start, "malformed footer")
	}
	bl := &block{file: name, r: r, footer: f, format: head[blockHeader-2], size: size, pagesEnd: start}
	bl.describe()
	for i, g := range f.groups {
		if i == 0 {
			bl.minTime, bl.maxTime = g.min, g.max
		}
		bl.minTime, bl.maxTime = min(bl.minTime, g.min), max(bl.maxTime, g.max)
	}
	return bl, nil
}

// magicOf begins and ends the block files of a kind and version.
func magicOf(k Kind, version byte) string {
	return blockMagic[:blockHeader-2] + string([]byte{version, byte(k)})
}

func (b *block) kind() Kind { return b.footer.kind }

func (b *block) rows() int { return int(b.footer.rows) }

func (b *block) timeRange() (min, max uint64) { return b.minTime, b.maxTime }

// describe fills what all snapshots of the block have in common.
func (b *block) describe() {
	f := b.footer
	b.common = snapshot{label: b.file, kind: f.kind, rows: f.rows, groups: f.groups, services: f.services, columns: len(f.columns)}
	for i := range f.columns {
		info := &f.columns[i].info
		switch {
		case info.key.place != placeSlot:
			b.common.attrs = append(b.common.attrs, info)
		case info.key.slot == slotHiddenKeys:
			b.hidden = info
		default:
			b.common.slots[info.key.slot] = info
		}
	}
}

func (b *block) snapshot() *snapshot {
	s := b.common
	s.pages = &blockPages{block: b}
	return &s
}

// blockPages reads a block's pages for one snapshot and keeps what it decoded
// and may need again: dictionaries, pages that cover the block, trace ids.
type blockPages struct {
	*block
	wholes map[int]*wholeColumn
	dicts  map[dictPageID]*dictEntries
	traces map[int]*traceEntries
	filter []byte // the gram filter that was read last
	// mem is where pages are decoded; nil: each has memory of its own.
	mem *pageMemory

	pagesRead int
	bytesRead int64
}

// wholeColumn is a column whose values are on one page.
type wholeColumn struct {
	values values
	list   []uint32 // the rows, ascending
}

// dictPageID names a page of a dictionary.
type dictPageID struct{ column, page int }

// dictEntries is a decoded dictionary page.
type dictEntries struct {
	values values // texts
	counts []uint64
}

func (p *blockPages) corrupt(m pageMeta, reason string) error {
	return &CorruptionError{File: p.file, Offset: m.offset, Reason: reason}
}

func (p *blockPages) read() (pages int, bytes int64) { return p.pagesRead, p.bytesRead }

// page returns the bytes of a page in memory of mem.
func (p *blockPages) page(m pageMeta, mem *pageMemory) ([]byte, error) {
	p.count(m)
	raw, reason, err := readPage(p.r, m, mem)
	if reason != "" || err != nil {
		return nil, p.unread(m, reason, err)
	}
	return raw, nil
}

// count notes that a page is read.
func (p *blockPages) count(m pageMeta) {
	p.pagesRead++
	p.bytesRead += int64(m.stored)
}

// unread is the error for what readStored says of a page.
func (p *blockPages) unread(m pageMeta, reason string, err error) error {
	if err != nil {
		return &CorruptionError{File: p.file, Offset: m.offset, Reason: "reading a page: " + err.Error(), Err: err}
	}
	return p.corrupt(m, reason)
}

func (p *blockPages) load(info *columnInfo, g int) (chunk, error) {
	c, grp := &p.footer.columns[info.index], p.footer.groups[g]
	if c.whole {
		w, err := p.whole(c)
		if err != nil {
			return chunk{}, err
		}
		return subChunk(w.values, w.list, false, 0, grp.lo, grp.hi), nil
	}
	m, rows := c.pages[g], int(grp.hi-grp.lo)
	var raw []byte
	if m.stored > 0 {
		var err error
		if raw, err = p.page(m, p.mem); err != nil {
			return chunk{}, err
		}
	}
	ch, list, ok := decodePage(raw, m, rows, p.mem)
	if !ok || !p.attachStrips(c, g, &ch) {
		return chunk{}, p.corrupt(m, "malformed page")
	}
	if list != nil {
		ch.present = newBitmap(rows)
		for _, row := range list {
			ch.present.set(int(row))
		}
	}
	return ch, nil
}

// attachStrips gives a chunk of texts the pages that hold them.
func (p *blockPages) attachStrips(c *blockColumn, page int, ch *chunk) bool {
	raw := c.info.key.textual() && !c.info.dict
	if ch.count == 0 || !raw && ch.ends == nil {
		return true
	}
	if !raw || ch.strips == nil {
		return false
	}
	n := stripsOf(ch.count)
	ch.strips.pages = c.strips[c.firstStrip[page]:][:n]
	ch.strips.texts = make([][]byte, n)
	for i, m := range ch.strips.pages {
		last := min((i+1)*stripValues, ch.count) - 1
		if m.raw != ch.ends[last]-ch.startOf(i*stripValues) {
			return false
		}
	}
	return true
}

// stripsOf is the number of strips of n texts.
func stripsOf(n int) int { return (n + stripValues - 1) / stripValues }

func (p *blockPages) stripText(ch *chunk, i int) ([]byte, error) {
	i += ch.off
	n := i / stripValues
	b, err := p.strip(ch, n)
	if err != nil {
		return nil, err
	}
	from := ch.startOf(n * stripValues)
	start, end := ch.startOf(i)-from, ch.ends[i]-from
	return b[start:end:end], nil
}

func (p *blockPages) strip(ch *chunk, n int) ([]byte, error) {
	b := ch.strips.texts[n]
	if b == nil && ch.strips.pages[n].stored > 0 {
		var err error
		if b, err = p.page(ch.strips.pages[n], p.mem); err != nil {
			return nil, err
		}
		ch.strips.texts[n] = b
	}
	return b, nil
}

func (p *blockPages) grams(info *columnInfo, g int) ([]byte, error) {
	c := &p.footer.columns[info.index]
	if c.whole {
		g = 0
	}
	if len(c.grams) == 0 || c.grams[g].stored == 0 {
		return nil, nil
	}
	m := c.grams[g]
	if m.stored > maxGrams || m.raw != m.stored {
		return nil, p.corrupt(m, "malformed gram filter")
	}
	p.filter = slices.Grow(p.filter[:0], int(m.stored))[:m.stored]
	p.count(m)
	if reason, err := readStored(p.r, m, p.filter); reason != "" || err != nil {
		return nil, p.unread(m, reason, err)
	}
	if !validGrams(p.filter) {
		return nil, p.corrupt(m, "malformed gram filter")
	}
	return p.filter, nil
}

// whole returns a column that has one page.
func (p *blockPages) whole(c *blockColumn) (*wholeColumn, error) {
	if w := p.wholes[c.info.index]; w != nil {
		return w, nil
	}
	raw, err := p.page(c.pages[0], p.mem)
	if err != nil {
		return nil, err
	}
	ch, list, ok := decodePage(raw, c.pages[0], int(p.footer.rows), p.mem)
	if !ok || len(list) != ch.count || !p.attachStrips(c, 0, &ch) {
		return nil, p.corrupt(c.pages[0], "malformed page")
	}
	w := &wholeColumn{values: ch.values, list: list}
	keep(&p.wholes, c.info.index, w)
	return w, nil
}

func (p *blockPages) bounds(info *columnInfo, g int) (min, max uint64, ok bool) {
	c := &p.footer.columns[info.index]
	if c.whole {
		g = 0
	}
	m := &c.pages[g]
	if m.count == 0 {
		return 1, 0, true
	}
	return m.min, m.max, !info.key.textual() || info.dict
}

func (p *blockPages) lookup(info *columnInfo, s string) (uint32, presence, error) {
	c := &p.footer.columns[info.index]
	if info.dict {
		return p.search(c, s)
	}
	if len(c.bloom) == 0 {
		return 0, maybe, nil
	}
	blocks := 0
	for _, m := range c.bloom {
		blocks += int(m.raw) / bloomBlock
	}
	hash := bloomHash([]byte(s))
	i := bloomIndex(hash, blocks)
	page, at := i*bloomBlock/bloomPage, i*bloomBlock%bloomPage
	if page >= len(c.bloom) {
		return 0, maybe, p.corrupt(c.bloom[0], "malformed bloom filter")
	}
	raw, err := p.page(c.bloom[page], p.mem)
	if err != nil {
		return 0, maybe, err
	}
	if at+bloomBlock > len(raw) {
		return 0, maybe, p.corrupt(c.bloom[page], "malformed bloom filter")
	}
	if bloomHas(raw[at:at+bloomBlock], hash) {
		return 0, maybe, nil
	}
	return 0, absent, nil
}

// search looks a text up in a sorted dictionary. The pages that can hold it are
// those up to the last whose least entry is not greater, from the last whose
// least entry, as far as the footer has it, is really less.
func (p *blockPages) search(c *blockColumn, s string) (uint32, presence, error) {
	last := sort.Search(len(c.dict), func(i int) bool { return c.dict[i].least > s })
	for page := last - 1; page >= 0; page-- {
		e, err := p.dictPage(c, page)
		if err != nil {
			return 0, maybe, err
		}
		n := len(e.counts)
		i := sort.Search(n, func(i int) bool { return text(e.values.raw(i)) >= s })
		if i < n && text(e.values.raw(i)) == s {
			return c.dict[page].first + uint32(i), exact, nil
		}
		if i > 0 {
			break // the page begins before s: pages before it end before s
		}
	}
	return 0, absent, nil
}

// dictPage decodes a page of a dictionary.
func (p *blockPages) dictPage(c *blockColumn, page int) (*dictEntries, error) {
	first := page == 0 && p.hidden == &c.info
	if e := p.hiddenPage.Load(); first && e != nil {
		return e, nil
	}
	id := dictPageID{c.info.index, page}
	if e := p.dicts[id]; e != nil {
		return e, nil
	}
	shared := p.kept != nil && len(c.dict) <= keptDictPages
	if shared {
		if e := p.kept.get(cachedDictID{p.block, id}); e != nil {
			keep(&p.dicts, id, e)
			return e, nil
		}
	}
	mem := p.mem
	if first || shared {
		mem = nil // it is not for this snapshot alone
	}
	m := c.dict[page].pageMeta
	raw, err := p.page(m, mem)
	if err != nil {
		return nil, err
	}
	e, ok := decodeDictPage(raw, int(m.count), mem)
	if !ok {
		return nil, p.corrupt(m, "malformed dictionary page")
	}
	switch {
	case first:
		p.hiddenPage.Store(e)
	case shared:
		p.kept.put(cachedDictID{p.block, id}, e)
	}
	keep(&p.dicts, id, e)
	return e, nil
}

// decodeDictPage decodes counts and texts of n entries.
func decodeDictPage(raw []byte, n int, mem *pageMemory) (*dictEntries, bool) {
	d := pageDecoder{decoder: decoder{b: raw}, mem: mem, rows: n, count: n}
	if n > len(raw) {
		return nil, false
	}
	e := &dictEntries{counts: mem.takeNums(n)}
	for i := range e.counts {
		e.counts[i] = d.uvarint()
	}
	e.values = d.values()
	return e, !d.bad && len(e.values.ends) == n && e.values.strips == nil
}

func (p *blockPages) entry(info *columnInfo, id uint32) ([]byte, error) {
	c := &p.footer.columns[info.index]
	page := sort.Search(len(c.dict), func(i int) bool { return c.dict[i].first > id }) - 1
	if page < 0 || id-c.dict[page].first >= c.dict[page].count {
		return nil, p.corrupt(pageMeta{}, "dictionary id out of range")
	}
	e, err := p.dictPage(c, page)
	if err != nil {
		return nil, err
	}
	return e.values.raw(int(id - c.dict[page].first)), nil
}

func (p *blockPages) entries(info *columnInfo, f func(entry []byte, count uint64)) error {
	c := &p.footer.columns[info.index]
	for page := range c.dict {
		e, err := p.dictPage(c, page)
		if err != nil {
			return err
		}
		for i, n := range e.counts {
			f(e.values.raw(i), n)
		}
	}
	return nil
}

func (p *blockPages) entryPages(info *columnInfo, f func(first uint32, texts *values) error) error {
	c := &p.footer.columns[info.index]
	for page := range c.dict {
		e, err := p.dictPage(c, page)
		if err != nil {
			return err
		}
		if err := f(c.dict[page].first, &e.values); err != nil {
			return err
		}
	}
	return nil
}

// hiddenKey is the dictionary entry of an attribute key without a column.
func hiddenKey(k columnKey) string { return string([]byte{byte(k.place), byte(k.typ)}) + k.name }

func (p *blockPages) hides(place Place, key string) (bool, error) {
	if p.hidden == nil {
		return false, nil
	}
	c := &p.footer.columns[p.hidden.index]
	for typ := range Map + 1 {
		_, found, err := p.search(c, hiddenKey(columnKey{place: place, typ: typ, name: key}))
		if err != nil || found == exact {
			return true, err
		}
	}
	return false, nil
}

func (p *blockPages) hiddenKeys(f func(k columnKey, count uint64)) error {
	if p.hidden == nil {
		return nil
	}
	bad := false
	err := p.entries(p.hidden, func(b []byte, n uint64) {
		if len(b) < 2 {
			bad = true
			return
		}
		f(columnKey{place: Place(b[0]), typ: ValueType(b[1]), name: string(b[2:])}, n)
	})
	if err == nil && bad {
		err = p.corrupt(pageMeta{}, "malformed list of keys")
	}
	return err
}
