package store

import (
	"hash/maphash"
	"slices"
)

// dictionary numbers the distinct texts of a head column in order of arrival.
// It is append-only: a copy of the struct taken under the head's lock goes on
// naming the same texts by the same numbers. Once the texts turn out to be
// mostly distinct it stops looking for equal ones and gives every text a number
// of its own, so equal numbers mean equal texts, but not the reverse.
type dictionary struct {
	texts []byte
	ends  []uint64
	// table is an open-addressing hash table of hash<<32 | number+1; 0 is a
	// free slot. Only the writer uses it.
	table []uint64
	limit int    // number of texts at which it stops looking
	adds  uint64 // texts offered
	open  bool   // still looking for equal texts
	last  uint32 // the text that was offered last: often it comes again
}

const (
	dictionaryLimit = 8192 // distinct texts of an attribute
	dictionaryTrial = 1024 // distinct texts after which more than half must have been repetitions
	wideLimit       = 1 << 20
)

func newDictionary(limit int) dictionary { return dictionary{limit: limit, open: limit > 0} }

func (d *dictionary) len() int { return len(d.ends) }

// entry shares memory with the dictionary.
func (d *dictionary) entry(id uint32) []byte {
	from := uint64(0)
	if id > 0 {
		from = d.ends[id-1]
	}
	return d.texts[from:d.ends[id]:d.ends[id]]
}

// add returns the number of s, copying it when it is new.
func (d *dictionary) add(seed maphash.Seed, s string) uint32 {
	if !d.open {
		return d.append(s)
	}
	d.adds++
	if d.last < uint32(len(d.ends)) && string(d.entry(d.last)) == s {
		return d.last
	}
	if len(d.ends) >= len(d.table)/2 {
		d.grow()
	}
	hash := maphash.String(seed, s) >> 32
	mask := uint64(len(d.table) - 1)
	i := hash & mask
	for ; d.table[i] != 0; i = (i + 1) & mask {
		if e := d.table[i]; e>>32 == hash {
			if id := uint32(e) - 1; string(d.entry(id)) == s {
				d.last = id
				return id
			}
		}
	}
	id := d.append(s)
	d.table[i] = hash<<32 | uint64(id+1)
	d.last = id
	n := len(d.ends)
	if n >= d.limit || d.limit == dictionaryLimit && n == dictionaryTrial && uint64(n)*2 > d.adds {
		d.open, d.table = false, nil
	}
	return id
}

func (d *dictionary) append(s string) uint32 {
	if cap(d.texts)-len(d.texts) < len(s) {
		d.texts = slices.Grow(d.texts, max(len(s), len(d.texts)))
	}
	d.texts = append(d.texts, s...)
	d.ends = push(d.ends, uint64(len(d.texts)))
	return uint32(len(d.ends) - 1)
}

func (d *dictionary) grow() {
	old := d.table
	d.table = make([]uint64, max(16, 2*len(old)))
	mask := uint64(len(d.table) - 1)
	for _, e := range old {
		if e == 0 {
			continue
		}
		i := e >> 32 & mask
		for d.table[i] != 0 {
			i = (i + 1) & mask
		}
		d.table[i] = e
	}
}

func (d *dictionary) sizeBytes() int64 {
	return int64(len(d.texts) + 8*len(d.ends) + 8*len(d.table))
}
