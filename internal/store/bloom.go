package store

import "github.com/cespare/xxhash/v2"

// A bloom filter says of a column without dictionary which values it cannot
// hold: blocks of 32 bytes, of which a value sets one bit in each of eight
// words (the layout known from Parquet), on pages of 128 blocks so that a
// lookup reads 4 KiB. Eighteen bits a value give less than 1 false answer in 1,000,
// each of which costs what a hundred lookups do: a column is read in vain.
const (
	bloomBlock     = 32
	bloomPage      = 128 * bloomBlock
	bloomBlockVals = 14 // values per block
)

// bloomSalts spread one hash over the eight words.
var bloomSalts = [8]uint32{0x47b6137b, 0x44974d91, 0x8824ad5b, 0xa2b7289d, 0x705495c7, 0x2df1424b, 0x9efc4947, 0x5c6bfb31}

// bloomHash is part of the disk format.
func bloomHash(b []byte) uint64 { return xxhash.Sum64(b) }

func newBloom(values int) []byte {
	return make([]byte, bloomBlock*((values+bloomBlockVals-1)/bloomBlockVals))
}

// bloomIndex returns the block of a hash among n.
func bloomIndex(hash uint64, n int) int { return int((hash >> 32) * uint64(n) >> 32) }

// bloomBit returns the byte and bit of word w that a hash sets in its block.
func bloomBit(hash uint64, w int) (at int, bit byte) {
	i := uint32(hash) * bloomSalts[w] >> 27
	return 4*w + int(i>>3), 1 << (i & 7)
}

func bloomAdd(filter []byte, hash uint64) {
	i := bloomIndex(hash, len(filter)/bloomBlock)
	block := filter[i*bloomBlock:][:bloomBlock]
	for w := range 8 {
		at, bit := bloomBit(hash, w)
		block[at] |= bit
	}
}

// bloomHas reports whether the block may hold the hash.
func bloomHas(block []byte, hash uint64) bool {
	for w := range 8 {
		if at, bit := bloomBit(hash, w); block[at]&bit == 0 {
			return false
		}
	}
	return true
}
