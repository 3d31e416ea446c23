package store

import (
	"container/list"
	"sync"
)

const (
	// maxDictBytes bounds the memory of the dictionary pages that are kept.
	maxDictBytes = 8 << 20
	// keptDictPages is the number of pages up to which a dictionary's are kept.
	// Most dictionaries are of few texts, of which nearly every record has one; a
	// page of a larger one is seldom needed again, and would push out the others.
	keptDictPages = 4
)

// dictCache keeps decoded pages of small dictionaries from question to question:
// decompressing and decoding them again is a good part of what reading a few
// records takes. It is safe for concurrent use.
type dictCache struct {
	mu    sync.Mutex
	pages map[cachedDictID]*list.Element // of *cachedDict
	used  *list.List                     // the one used last first
	bytes int64
}

// cachedDictID names a dictionary page of a block.
type cachedDictID struct {
	block *block
	dictPageID
}

// cachedDict is a page that is kept.
type cachedDict struct {
	cachedDictID
	entries *dictEntries
}

func newDictCache() *dictCache {
	return &dictCache{pages: map[cachedDictID]*list.Element{}, used: list.New()}
}

// get returns a page; nil when it is not kept.
func (c *dictCache) get(id cachedDictID) *dictEntries {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.pages[id]
	if e == nil {
		return nil
	}
	c.used.MoveToFront(e)
	return e.Value.(*cachedDict).entries
}

// put keeps a page.
func (c *dictCache) put(id cachedDictID, entries *dictEntries) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.pages[id] != nil {
		return // another reader was faster
	}
	c.pages[id] = c.used.PushFront(&cachedDict{id, entries})
	for c.bytes += entries.sizeBytes(); c.bytes > maxDictBytes; {
		c.drop(c.used.Back())
	}
}

// forget drops the pages of a block that nobody reads any more.
func (c *dictCache) forget(b *block) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var next *list.Element
	for e := c.used.Front(); e != nil; e = next {
		if next = e.Next(); e.Value.(*cachedDict).block == b {
			c.drop(e)
		}
	}
}

// drop removes a page. The caller holds mu.
func (c *dictCache) drop(e *list.Element) {
	kept := c.used.Remove(e).(*cachedDict)
	delete(c.pages, kept.cachedDictID)
	c.bytes -= kept.entries.sizeBytes()
}

// sizeBytes is the memory that a page takes, with what the cache adds.
func (e *dictEntries) sizeBytes() int64 {
	return int64(cap(e.values.text)+7*len(e.values.ends)+8*len(e.counts)) + 300
}
