package store

import (
	"bytes"
	"encoding/binary"
	"hash/maphash"
	"math/bits"
	"slices"
	"strings"
)

// sealedText says how the texts of a column are kept in the block.
type sealedText struct {
	raw     bool
	newID   []uint32 // by head dictionary id; of dictionaries only
	sorted  []uint32 // head dictionary ids of the distinct texts; ascending by text in dictionaries
	entries []uint64 // by block dictionary id: number of values
}

// minRaw is the number of distinct texts up to which there is always a
// dictionary; beyond, a column of which more than 70 % are distinct has none.
const minRaw = 64

// maxBodies is the number of distinct log bodies up to which they may have a
// dictionary. Queries look for parts of bodies, and a dictionary must be read
// whole for that; of raw columns few pages are read, thanks to their gram
// filters, and bodies that come again and again are as small there.
const maxBodies = 4096

// textOf decides how the texts of a column are kept.
func (sl *sealer) textOf(c *headColumn) *sealedText {
	fixed := c.key.place == placeSlot
	if t := sl.texts[c.key.slot]; fixed && t != nil {
		return t
	}
	blob := fixed && c.key.typ == Bytes
	shared := c.key == slotKey(slotResource) || c.key == slotKey(slotScope)
	t := &sealedText{raw: blob}
	if !blob {
		t.newID, t.sorted = distinctTexts(&c.dict)
		t.raw = !shared && len(t.sorted) > minRaw && len(t.sorted)*10 > c.len()*7 ||
			c.key.place == Intrinsic && len(t.sorted) > maxBodies
	}
	if !t.raw {
		sortTexts(&c.dict, t)
		t.entries = make([]uint64, len(t.sorted))
		for _, id := range c.ids {
			t.entries[t.newID[id]]++
		}
	}
	if fixed && sl.kept[c.key.slot] != nil {
		sl.texts[c.key.slot] = t
	}
	return t
}

// distinctTexts numbers the distinct texts of a dictionary; first has the head
// id of each.
func distinctTexts(d *dictionary) (number, first []uint32) {
	n := d.len()
	number = make([]uint32, n)
	first = make([]uint32, 0, n)
	if d.open {
		for i := range number {
			number[i] = uint32(i)
		}
		return number, append(first, number...)
	}
	seed := maphash.MakeSeed()
	table := make([]uint32, 1<<bits.Len(uint(2*n)))
	mask := uint64(len(table) - 1)
	for id := range uint32(n) {
		b := d.entry(id)
		i := maphash.Bytes(seed, b) & mask
		for table[i] != 0 && string(d.entry(first[table[i]-1])) != string(b) {
			i = (i + 1) & mask
		}
		if table[i] == 0 {
			first = append(first, id)
			table[i] = uint32(len(first))
		}
		number[id] = table[i] - 1
	}
	return number, first
}

// prefixOf is the first eight bytes of b as a number of the same order.
func prefixOf(b []byte) uint64 {
	var p [8]byte
	copy(p[:], b)
	return binary.BigEndian.Uint64(p[:])
}

// sortTexts brings the distinct texts of t into order.
func sortTexts(d *dictionary, t *sealedText) {
	type entry struct {
		prefix  uint64
		id, was uint32
	}
	entries := make([]entry, len(t.sorted))
	for i, id := range t.sorted {
		entries[i] = entry{prefixOf(d.entry(id)), id, uint32(i)}
	}
	slices.SortFunc(entries, func(a, b entry) int {
		switch {
		case a.prefix < b.prefix:
			return -1
		case a.prefix > b.prefix:
			return 1
		}
		return bytes.Compare(d.entry(a.id), d.entry(b.id))
	})
	rank := make([]uint32, len(entries))
	for i, e := range entries {
		t.sorted[i], rank[e.was] = e.id, uint32(i)
	}
	for i := range t.newID {
		t.newID[i] = rank[t.newID[i]]
	}
}

// textPage writes the lengths of the texts whose head ids are in sl.nums.
func (sl *sealer) textPage(d *dictionary, from, to int, lo uint32, n int) pageMeta {
	b := appendPresence(sl.page[:0], sl.rows[from:to], lo, n)
	b = sl.appendLengths(b, encodeStrips, to-from, func(i int) []byte { return d.entry(uint32(sl.nums[from+i])) })
	sl.page = b
	return sl.located(pageMeta{count: uint32(to - from)}, b, true)
}

// writeStrips writes the texts of one page, and appends where they are.
func (sl *sealer) writeStrips(strips []pageMeta, d *dictionary, ids []uint64) []pageMeta {
	for part := range slices.Chunk(ids, stripValues) {
		b := sl.page[:0]
		for _, id := range part {
			b = append(b, d.entry(uint32(id))...)
		}
		sl.page = b
		strips = append(strips, sl.located(pageMeta{count: uint32(len(part))}, b, true))
	}
	return strips
}

// appendTexts writes n texts: lengths, then bytes.
func (sl *sealer) appendTexts(b []byte, n int, entry func(i int) []byte) []byte {
	b = sl.appendLengths(b, encodeTexts, n, entry)
	for i := range n {
		b = append(b, entry(i)...)
	}
	return b
}

// appendLengths writes the lengths of n texts.
func (sl *sealer) appendLengths(b []byte, encoding byte, n int, entry func(i int) []byte) []byte {
	sl.lens = sl.lens[:0]
	longest := uint64(0)
	for i := range n {
		l := uint64(len(entry(i)))
		sl.lens = append(sl.lens, l)
		longest = max(longest, l)
	}
	width := widthOf(longest)
	b = append(b, encoding, byte(width))
	return appendNums(b, sl.lens, 0, width)
}

// writeText writes a column of texts.
func (sl *sealer) writeText(c *headColumn) {
	t := sl.textOf(c)
	if t.raw {
		sl.gather(c, func(i int) uint64 { return uint64(c.ids[i]) })
		col := blockColumn{info: columnInfo{key: c.key}, bloom: sl.writeBloom(c, t)}
		var strips, grams []pageMeta
		sl.writeColumn(col, func(from, to int, lo uint32, n int) pageMeta {
			strips = sl.writeStrips(strips, &c.dict, sl.nums[from:to])
			if hasGramFilter(c.key) {
				grams = append(grams, sl.gramPage(&c.dict, sl.nums[from:to]))
			}
			return sl.textPage(&c.dict, from, to, lo, n)
		})
		written := &sl.footer.columns[len(sl.footer.columns)-1]
		written.strips, written.grams = strips, grams
		return
	}
	dict := sl.writeDict(len(t.sorted), func(i int) ([]byte, uint64) { return c.dict.entry(t.sorted[i]), t.entries[i] })
	sl.gather(c, func(i int) uint64 { return uint64(t.newID[c.ids[i]]) })
	sl.writeColumn(blockColumn{info: columnInfo{key: c.key, dict: true}, dict: dict}, func(from, to int, lo uint32, n int) pageMeta {
		return sl.numPage(from, to, lo, n, false, true)
	})
}

// A dictionary page ends after so many entries or bytes.
const (
	dictPageEntries = 1024
	dictPageBytes   = 16 << 10
)

// writeDict writes n entries, ascending, with the number of values of each.
func (sl *sealer) writeDict(n int, entry func(i int) ([]byte, uint64)) []dictPage {
	var pages []dictPage
	for first := 0; first < n; {
		b, size, last := sl.page[:0], 0, first
		for last < n && last-first < dictPageEntries && size < dictPageBytes {
			e, count := entry(last)
			b = binary.AppendUvarint(b, count)
			size += len(e)
			last++
		}
		b = sl.appendTexts(b, last-first, func(i int) []byte { e, _ := entry(first + i); return e })
		sl.page = b
		least, _ := entry(first)
		pages = append(pages, dictPage{pageMeta: sl.located(pageMeta{count: uint32(last - first)}, b, true),
			least: string(least[:min(len(least), leastBytes)])})
		first = last
	}
	return pages
}

// writeBloom writes the bloom filter of a raw column that queries compare with
// a value.
func (sl *sealer) writeBloom(c *headColumn, t *sealedText) []pageMeta {
	if c.key.place != RecordAttr && c.key != slotKey(slotName) {
		return nil
	}
	filter := newBloom(len(t.sorted))
	for _, id := range t.sorted {
		bloomAdd(filter, bloomHash(c.dict.entry(id)))
	}
	var pages []pageMeta
	for b := range slices.Chunk(filter, bloomPage) {
		pages = append(pages, sl.out.page(b, b))
	}
	return pages
}

// hasGramFilter reports whether queries look for parts of a column's texts often
// enough to pay for a filter: of log bodies.
func hasGramFilter(k columnKey) bool { return k.place == Intrinsic }

// gramPage writes the gram filter of one page.
func (sl *sealer) gramPage(d *dictionary, ids []uint64) pageMeta {
	if sl.grams == nil {
		sl.grams = newGramFilter()
	}
	for _, id := range ids {
		sl.grams.add(d.entry(uint32(id)))
	}
	sl.page = sl.grams.take(sl.page[:0])
	return sl.located(pageMeta{}, sl.page, false)
}

// writeHiddenKeys writes the keys of attributes that have no column.
func (sl *sealer) writeHiddenKeys() error {
	type key struct {
		entry string
		count uint64
	}
	var keys []key
	if err := sl.hiddenKeys(func(k columnKey, n uint64) { keys = append(keys, key{hiddenKey(k), n}) }); err != nil || len(keys) == 0 {
		return err
	}
	slices.SortFunc(keys, func(a, b key) int { return strings.Compare(a.entry, b.entry) })
	dict := sl.writeDict(len(keys), func(i int) ([]byte, uint64) { return []byte(keys[i].entry), keys[i].count })
	sl.footer.columns = append(sl.footer.columns, blockColumn{info: columnInfo{key: slotKey(slotHiddenKeys), dict: true}, dict: dict})
	return nil
}
