package store

import (
	"bytes"
	"encoding/binary"
	"math/bits"
)

// A gram filter says of the texts of one page which texts they cannot hold: it
// has one bit for every sequence of four bytes that comes up in them, ASCII
// letters in lower case. A condition asks for all sequences of what it looks
// for, so that one bit each is enough: when a share d of the bits is set, d to
// the power of their number of pages are read in vain. At most half of the bits
// are, in pages with fewer than half a million sequences.
const (
	gramLen = 4
	// gramBits is the logarithm of the greatest number of bits of a filter.
	// Smaller ones are made of it: the lowest bits of the hash are its place.
	gramBits = 20
	maxGrams = 1 << gramBits / 8 // bytes of a filter
)

// gramHash is part of the disk format.
func gramHash(gram uint32) uint32 {
	return uint32(uint64(gram) * 0x9e3779b97f4a7c15 >> (64 - gramBits))
}

// lowerByte maps ASCII letters to lower case.
var lowerByte = func() (t [256]byte) {
	for i := range t {
		t[i] = byte(i)
		if 'A' <= i && i <= 'Z' {
			t[i] = byte(i) + 'a' - 'A'
		}
	}
	return t
}()

// Two letters beyond ASCII are, letter case ignored, one of ASCII.
var (
	kelvinSign = []byte("\u212a") // k
	longS      = []byte("\u017f") // s
)

// holdsOddLetter reports whether b has one of the two.
func holdsOddLetter(b []byte) bool { return bytes.Contains(b, kelvinSign) || bytes.Contains(b, longS) }

// plainLetters replaces the two by the letters of ASCII.
func plainLetters(b []byte) []byte {
	return bytes.ReplaceAll(bytes.ReplaceAll(b, kelvinSign, []byte("k")), longS, []byte("s"))
}

// gramFilter collects the grams of a page.
type gramFilter struct{ set []uint64 }

func newGramFilter() *gramFilter { return &gramFilter{set: make([]uint64, 1<<(gramBits-6))} }

// add adds a text. Those with odd letters are added as they are and with plain
// ones: conditions that ignore letter case look for these.
func (f *gramFilter) add(b []byte) {
	if f.addPlain(b) >= 0x80 && holdsOddLetter(b) {
		f.addPlain(plainLetters(b))
	}
}

// addPlain adds the grams of b, and returns the bits that any byte has.
func (f *gramFilter) addPlain(b []byte) (seen byte) {
	gram := uint32(0)
	set := f.set[:1<<(gramBits-6)]
	for i, c := range b {
		seen |= c
		gram = gram<<8 | uint32(lowerByte[c])
		if i >= gramLen-1 {
			h := gramHash(gram)
			set[h>>6] |= 1 << (h & 63)
		}
	}
	return seen
}

// take appends the filter to b, as small as it can be with at most half of its
// bits set, and empties it. It appends nothing when nearly all are set: then the
// filter says too little.
func (f *gramFilter) take(b []byte) []byte {
	set := f.set
	for len(set) > 1 {
		lo, hi := set[:len(set)/2], set[len(set)/2:]
		n := 0
		for i := range lo {
			n += bits.OnesCount64(lo[i] | hi[i])
		}
		if n > 32*len(lo) {
			break
		}
		for i := range lo {
			lo[i] |= hi[i]
		}
		set = lo
	}
	n := 0
	for _, w := range set {
		n += bits.OnesCount64(w)
	}
	if n <= 56*len(set) || len(set) == 1 {
		for _, w := range set {
			b = binary.LittleEndian.AppendUint64(b, w)
		}
	}
	clear(f.set)
	return b
}

// validGrams reports whether a filter has a size that take makes.
func validGrams(filter []byte) bool {
	n := len(filter)
	return n >= 8 && n <= maxGrams && n&(n-1) == 0
}

// hasGrams reports whether all sequences of needle, in lower case, are in the
// filter.
func hasGrams(filter []byte, needle string) bool {
	mask := uint32(8*len(filter) - 1)
	gram := uint32(0)
	for i := range len(needle) {
		gram = gram<<8 | uint32(lowerByte[needle[i]])
		if h := gramHash(gram) & mask; i >= gramLen-1 && filter[h>>3]&(1<<(h&7)) == 0 {
			return false
		}
	}
	return true
}
