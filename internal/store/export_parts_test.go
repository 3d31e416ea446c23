package store

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"

	"github.com/klauspost/compress/zstd"
)

// BlockParts are the parts of a block whose content Verify compares with
// something else.
var BlockParts = []string{partColumn, partDictionary, partBloom, partGrams, partTraces, partOperations}

// Damage flips a bit in the n-th stored page of a part of a block.
func Damage(file []byte, part string, n int) ([]byte, bool) {
	b, m, ok := pageOf(file, part, n)
	if ok {
		b[m.offset+int64(m.stored)/2] ^= 0x10
	}
	return b, ok
}

// Forge changes the last value of the n-th page of a part and puts all
// checksums right.
func Forge(file []byte, part string, n int) ([]byte, bool) {
	b, m, ok := pageOf(file, part, n)
	if !ok {
		return nil, false
	}
	raw, reason, _ := readPage(bytes.NewReader(b), *m, nil)
	if reason != "" {
		panic(reason)
	}
	raw = bytes.Clone(raw)
	switch part {
	case partBloom, partGrams:
		clear(raw)
	case partTraces:
		raw[0] ^= 1 // of the first trace id
	case partDictionary:
		raw[0] ^= 1 // of the number of values
	case partOperations:
		raw[1] ^= 1 // of the first service, or its name's length
	default:
		raw[len(raw)-1] ^= 1
		if bytes.Equal(raw[len(raw)-8:len(raw)-1], make([]byte, 7)) {
			return nil, false // packed: these are to spare
		}
	}
	stored := raw
	if m.raw != m.stored {
		enc, err := zstd.NewWriter(nil)
		if err != nil {
			panic(err)
		}
		stored = enc.EncodeAll(raw, nil)
	}
	// The file is put together anew: the page may have another size.
	delta := int64(len(stored)) - int64(m.stored)
	bl, err := openBlock(bytes.NewReader(file), int64(len(file)), "")
	if err != nil {
		panic(err)
	}
	offset, old := m.offset, int64(m.stored)
	shift := func(p *pageMeta) {
		switch {
		case p.stored == 0:
		case p.offset == offset:
			p.stored, p.raw, p.crc = uint32(len(stored)), uint32(len(raw)), crc32.Checksum(stored, castagnoli)
		case p.offset > offset:
			p.offset += delta
		}
	}
	f := bl.footer
	for i := range f.columns {
		c := &f.columns[i]
		for _, pages := range [][]pageMeta{c.pages, c.bloom, c.strips, c.grams} {
			for n := range pages {
				shift(&pages[n])
			}
		}
		for n := range c.dict {
			shift(&c.dict[n].pageMeta)
		}
	}
	for n := range f.tracePages {
		shift(&f.tracePages[n].pageMeta)
	}
	for n := range f.operations {
		shift(&f.operations[n])
	}
	out := append(bytes.Clone(file[:offset]), stored...)
	out = append(out, file[offset+old:bl.pagesEnd]...)
	footer := f.encode()
	out = append(out, footer...)
	out = binary.LittleEndian.AppendUint32(out, uint32(len(footer)))
	out = binary.LittleEndian.AppendUint32(out, crc32.Checksum(footer, castagnoli))
	return append(out, file[:blockHeader]...), true
}

// pageOf returns a copy of the file, and the n-th page of a part that has bytes.
func pageOf(file []byte, part string, n int) ([]byte, *pageMeta, bool) {
	b, err := openBlock(bytes.NewReader(file), int64(len(file)), "")
	if err != nil {
		panic(err)
	}
	var found *pageMeta
	b.footer.eachPage(func(p pageRef, m pageMeta) {
		if p.part != part || m.stored == 0 {
			return
		}
		if n == 0 {
			found = &m
		}
		n--
	})
	return bytes.Clone(file), found, found != nil
}
