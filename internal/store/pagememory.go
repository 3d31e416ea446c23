package store

import (
	"sync"
	"unsafe"
)

// pageMemory is where pages are decoded that are needed for a short time, so that
// the memory is used again rather than collected: a question about a few records
// decodes a megabyte. It is for one goroutine. A nil one gives every page memory
// of its own.
type pageMemory struct {
	bytes slab[byte]
	nums  slab[uint64]
	ends  slab[uint32]
	// chunks are for the columns of a snapshot, all empty.
	chunks []cachedChunk
}

// pageMemories holds those that nobody uses.
var pageMemories = sync.Pool{New: func() any { return new(pageMemory) }}

// free lets others use the memory: nobody may look any more at what was decoded
// into it.
func (m *pageMemory) free() {
	m.bytes.reset()
	m.nums.reset()
	m.ends.reset()
	pageMemories.Put(m)
}

// takeBytes returns n bytes of any content, as the next two do with numbers.
func (m *pageMemory) takeBytes(n int) []byte {
	if m == nil {
		return make([]byte, n)
	}
	return m.bytes.take(n)
}

func (m *pageMemory) takeNums(n int) []uint64 {
	if m == nil {
		return make([]uint64, n)
	}
	return m.nums.take(n)
}

func (m *pageMemory) takeEnds(n int) []uint32 {
	if m == nil {
		return make([]uint32, n)
	}
	return m.ends.take(n)
}

const (
	// slabBytes is the memory of a chunk of a slab.
	slabBytes = 256 << 10
	// slabChunks bounds the chunks of a slab: more than a trace needs, and less
	// than all of a block.
	slabChunks = 8
)

// slab cuts slices off chunks that it keeps. What is too much for it is allocated.
type slab[T any] struct {
	chunks [][]T
	at     int // the chunk in use
	used   int // items of it
}

func (s *slab[T]) take(n int) []T {
	var item T
	size := slabBytes / int(unsafe.Sizeof(item))
	if n > size/2 {
		return make([]T, n)
	}
	if s.used+n > size {
		s.at, s.used = s.at+1, 0
	}
	if s.at == len(s.chunks) {
		if s.at == slabChunks {
			return make([]T, n)
		}
		s.chunks = append(s.chunks, make([]T, size))
	}
	from := s.used
	s.used += n
	return s.chunks[s.at][from:s.used:s.used]
}

func (s *slab[T]) reset() { s.at, s.used = 0, 0 }
