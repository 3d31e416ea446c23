package store

import "testing"

// ScribblePages writes over the memory that pages were decoded into and that is
// free: a record that still looked at it would change.
func ScribblePages() {
	var all []*pageMemory
	for range 8 {
		m := pageMemories.Get().(*pageMemory)
		for _, chunk := range m.bytes.chunks {
			fill(chunk, 0xa5)
		}
		for _, chunk := range m.nums.chunks {
			fill(chunk, 0xa5a5)
		}
		for _, chunk := range m.ends.chunks {
			fill(chunk, 0xa5a5)
		}
		all = append(all, m)
	}
	for _, m := range all {
		m.free()
	}
}

func fill[T any](s []T, v T) {
	for i := range s {
		s[i] = v
	}
}

func TestPageMemory(t *testing.T) {
	m := &pageMemory{}
	var taken [][]byte
	for i := range 3 * slabChunks {
		b := m.takeBytes(slabBytes / 2)
		fill(b, byte(i))
		taken = append(taken, b)
	}
	taken = append(taken, m.takeBytes(slabBytes))
	fill(taken[len(taken)-1], byte(len(taken)-1))
	for i, b := range taken {
		if b[0] != byte(i) || b[len(b)-1] != byte(i) || cap(b) != len(b) {
			t.Fatalf("piece %d shares memory with another", i)
		}
	}
	if got := len(m.bytes.chunks); got != slabChunks {
		t.Errorf("got %d chunks; want %d", got, slabChunks)
	}
	m.bytes.reset()
	if again := m.takeBytes(1); &again[0] != &taken[0][0] {
		t.Error("free memory is not used again")
	}
}

// The cache stays within its bound, keeps what is used, and forgets blocks.
func TestDictCache(t *testing.T) {
	c, blocks := newDictCache(), []*block{{}, {}}
	page := func(b *block, n int) cachedDictID { return cachedDictID{b, dictPageID{0, n}} }
	entries := &dictEntries{counts: make([]uint64, 1000)}
	most := int(maxDictBytes / entries.sizeBytes())
	for n := range 2 * most {
		c.put(page(blocks[n%2], n), entries)
		if c.get(page(blocks[0], 0)) == nil {
			t.Fatalf("page 0 went when page %d came, though it was used last", n)
		}
	}
	if got := c.used.Len(); got != most || len(c.pages) != got || c.bytes != int64(got)*entries.sizeBytes() {
		t.Errorf("got %d pages, %d by id, %d bytes; want %d", got, len(c.pages), c.bytes, most)
	}
	if c.get(page(blocks[1], 1)) != nil {
		t.Error("the page that was not used for longest is still kept")
	}
	c.put(page(blocks[0], 0), &dictEntries{})
	c.forget(blocks[0])
	for id := range c.pages {
		if id.block == blocks[0] {
			t.Fatal("a page of a forgotten block is kept")
		}
	}
	c.forget(blocks[1])
	if c.bytes != 0 || len(c.pages) != 0 || c.used.Len() != 0 {
		t.Errorf("got %d bytes in %d pages after all blocks are forgotten", c.bytes, len(c.pages))
	}
}
