package filestorage

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"os"
)

// The files are bbolt databases, https://github.com/etcd-io/bbolt. All numbers
// are in the byte order of the machine that wrote them.
//
//	file:  page 0, page 1, page 2 …, of one size each
//	page:  id 8, kind 2, count 2, further pages that belong to it 4
//	       then, on pages 0 and 1, the state of one transaction each (the newer
//	       counts); on others count elements, and the keys and values
//	state: magic 4, version 4, page size 4, flags 4, root page 8, sequence 8,
//	       page of the free list 8, pages in use 8, transaction 8, checksum 8
//	       (FNV-1a of the 56 bytes before it)
//	branch element: offset 4, key size 4, page 8
//	leaf element:   flags 4, offset 4, key size 4, value size 4
//
// Offsets are from the element's own. A leaf element of flag 1 is a bucket: its
// value is the root page 8 and sequence 8, and when the root is 0 a leaf page
// follows within the value.
const (
	pageHeader  = 16
	stateSize   = 64
	elementSize = 16

	stateMagic   = 0xED0CDAED
	stateVersion = 2

	branchPage   = 0x01
	leafPage     = 0x02
	freelistPage = 0x10
	bucketFlag   = 0x01

	noFreelist = ^uint64(0)
)

// order is the byte order of this machine.
var order = binary.NativeEndian

// errDamaged begins every error about the content of a file.
var errDamaged = errors.New("not a whole database")

func damagef(format string, args ...any) error {
	return fmt.Errorf("%w: %s", errDamaged, fmt.Sprintf(format, args...))
}

// verify walks through all pages of a database that can be reached, and says what
// is wrong with them; nothing when the file is empty or another process has it.
// The error is of reading. Values are not looked at: they have no checksums.
func verify(path string) (damage, err error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	switch held, err := lock(f); {
	case err != nil:
		return nil, err
	case !held:
		return nil, nil
	}
	info, err := f.Stat()
	if err != nil || info.Size() == 0 {
		return nil, err
	}
	w := walk{file: f, size: uint64(info.Size()), seen: map[uint64]bool{}, inline: map[uint64]bool{}}
	err = w.database()
	if errors.Is(err, errDamaged) {
		return err, nil
	}
	return nil, err
}

// walk is one pass through a database.
type walk struct {
	file     io.ReaderAt
	size     uint64
	pageSize uint64
	used     uint64 // pages below are in use
	seen     map[uint64]bool
	inline   map[uint64]bool // buckets within values, by where they begin
}

// state is what one of the first two pages says.
type state struct {
	pageSize                          uint32
	root, freelist, used, transaction uint64
}

func (w *walk) database() error {
	s, err := w.newest()
	if err != nil {
		return err
	}
	w.pageSize, w.used = uint64(s.pageSize), s.used
	if w.size < 2*w.pageSize {
		return damagef("%d bytes are less than two pages", w.size)
	}
	if s.freelist != noFreelist {
		if p, err := w.page(s.freelist); err != nil {
			return err
		} else if p.kind != freelistPage {
			return damagef("page %d is not the list of free pages", s.freelist)
		}
	}
	return w.tree(s.root, nil, nil)
}

// newest finds the state of the last transaction that was written whole.
func (w *walk) newest() (state, error) {
	first, err := w.stateAt(0)
	if err != nil {
		return state{}, err
	}
	if first != nil {
		second, err := w.stateAt(uint64(first.pageSize))
		if err != nil {
			return state{}, err
		}
		if second != nil && second.transaction > first.transaction {
			return *second, nil
		}
		return *first, nil
	}
	for size := uint64(1 << 10); size <= 1<<24; size <<= 1 { // which the first would have told
		second, err := w.stateAt(size)
		if err != nil {
			return state{}, err
		}
		if second != nil && uint64(second.pageSize) == size {
			return *second, nil
		}
	}
	return state{}, damagef("neither of its first two pages is valid")
}

// stateAt is nil when there is no valid one.
func (w *walk) stateAt(offset uint64) (*state, error) {
	if offset+pageHeader+stateSize > w.size {
		return nil, nil
	}
	b, err := w.bytes(offset+pageHeader, stateSize)
	if err != nil {
		return nil, err
	}
	sum := fnv.New64a()
	_, _ = sum.Write(b[:56]) // never fails
	s := state{order.Uint32(b[8:]), order.Uint64(b[16:]), order.Uint64(b[32:]), order.Uint64(b[40:]), order.Uint64(b[48:])}
	if order.Uint32(b) != stateMagic || order.Uint32(b[4:]) != stateVersion || order.Uint64(b[56:]) != sum.Sum64() || s.pageSize < 1<<9 || s.pageSize > 1<<24 {
		return nil, nil
	}
	return &s, nil
}

// page is a page's header, and where its elements lie.
type page struct {
	id          uint64
	kind, count uint16
	start, end  uint64 // in the file; the elements begin after the header
}

// page reads a header and checks it.
func (w *walk) page(id uint64) (page, error) {
	if id < 2 || id >= w.used {
		return page{}, damagef("it refers to page %d of %d", id, w.used)
	}
	if (id+1)*w.pageSize > w.size {
		return page{}, damagef("page %d lies behind its end", id)
	}
	b, err := w.bytes(id*w.pageSize, pageHeader)
	if err != nil {
		return page{}, err
	}
	p := page{id: id, kind: order.Uint16(b[8:]), count: order.Uint16(b[10:]), start: id * w.pageSize}
	pages := 1 + uint64(order.Uint32(b[12:]))
	p.end = p.start + pages*w.pageSize
	if own := order.Uint64(b); own != id {
		return page{}, damagef("page %d has the id %d", id, own)
	}
	if id+pages > w.used || p.end > w.size {
		return page{}, damagef("page %d is %d pages long, which lies behind its end", id, pages)
	}
	for i := id; i < id+pages; i++ {
		if w.seen[i] {
			return page{}, damagef("page %d is referred to twice", i)
		}
		w.seen[i] = true
	}
	return p, nil
}

// tree checks a page and those below it. Keys must be from low on and below high,
// where these are not nil.
func (w *walk) tree(id uint64, low, high []byte) error {
	p, err := w.page(id)
	if err != nil {
		return err
	}
	switch p.kind {
	case branchPage:
		return w.branch(p, low, high)
	case leafPage:
		return w.leaf(p, low, high)
	}
	return damagef("page %d is of the unknown kind %d", id, p.kind)
}

func (w *walk) branch(p page, low, high []byte) error {
	elements, err := w.elements(p)
	if err != nil {
		return err
	}
	if p.count == 0 {
		return damagef("branch page %d is empty", p.id)
	}
	keys, children := make([][]byte, p.count), make([]uint64, p.count)
	for i := range int(p.count) {
		e := elements[i*elementSize:]
		if keys[i], err = w.key(p, i, order.Uint32(e), order.Uint32(e[4:]), 0); err != nil {
			return err
		}
		children[i] = order.Uint64(e[8:])
	}
	if err := inOrder(p.id, keys, low, high); err != nil {
		return err
	}
	for i, child := range children {
		next := high
		if i+1 < len(keys) {
			next = keys[i+1]
		}
		if err := w.tree(child, keys[i], next); err != nil {
			return err
		}
	}
	return nil
}

func (w *walk) leaf(p page, low, high []byte) error {
	elements, err := w.elements(p)
	if err != nil {
		return err
	}
	keys := make([][]byte, p.count)
	for i := range int(p.count) {
		e := elements[i*elementSize:]
		offset, keySize, valueSize := order.Uint32(e[4:]), order.Uint32(e[8:]), order.Uint32(e[12:])
		if keys[i], err = w.key(p, i, offset, keySize, valueSize); err != nil {
			return err
		}
		if order.Uint32(e)&bucketFlag == 0 {
			continue
		}
		at := p.start + pageHeader + uint64(i)*elementSize + uint64(offset) + uint64(keySize)
		if err := w.bucket(p.id, at, uint64(valueSize)); err != nil {
			return err
		}
	}
	return inOrder(p.id, keys, low, high)
}

// bucket checks a bucket whose value lies at an offset of the file.
func (w *walk) bucket(id, at, size uint64) error {
	if size < 16 {
		return damagef("a bucket on page %d is cut", id)
	}
	b, err := w.bytes(at, 16)
	if err != nil {
		return err
	}
	if root := order.Uint64(b); root != 0 {
		return w.tree(root, nil, nil)
	}
	if size < 16+pageHeader || w.inline[at] {
		return damagef("a bucket on page %d is cut, or there twice", id)
	}
	w.inline[at] = true
	if b, err = w.bytes(at+16, pageHeader); err != nil {
		return err
	}
	inline := page{id: id, kind: order.Uint16(b[8:]), count: order.Uint16(b[10:]), start: at + 16, end: at + size}
	if inline.kind != leafPage {
		return damagef("a bucket on page %d is of the unknown kind %d", id, inline.kind)
	}
	return w.leaf(inline, nil, nil)
}

// elements reads the elements of a page.
func (w *walk) elements(p page) ([]byte, error) {
	length := uint64(p.count) * elementSize
	if p.start+pageHeader+length > p.end {
		return nil, damagef("page %d has %d elements, more than fit", p.id, p.count)
	}
	return w.bytes(p.start+pageHeader, length)
}

// key reads the key of element i, and checks that its value lies on the page.
func (w *walk) key(p page, i int, offset, keySize, valueSize uint32) ([]byte, error) {
	at := p.start + pageHeader + uint64(i)*elementSize + uint64(offset)
	if at+uint64(keySize)+uint64(valueSize) > p.end || keySize > 1<<15 {
		return nil, damagef("element %d of page %d lies outside of it", i, p.id)
	}
	return w.bytes(at, uint64(keySize))
}

// inOrder checks that keys rise, from low on and below high.
func inOrder(id uint64, keys [][]byte, low, high []byte) error {
	for i, k := range keys {
		if i > 0 && bytes.Compare(keys[i-1], k) >= 0 || low != nil && bytes.Compare(k, low) < 0 || high != nil && bytes.Compare(k, high) >= 0 {
			return damagef("key %d of page %d is out of order", i, id)
		}
	}
	return nil
}

// bytes reads a part of the file.
func (w *walk) bytes(offset, length uint64) ([]byte, error) {
	b := make([]byte, length)
	if _, err := w.file.ReadAt(b, int64(offset)); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, damagef("it ends at %d, within what is at %d", w.size, offset)
		}
		return nil, err
	}
	return b, nil
}
