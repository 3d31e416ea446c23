package store

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Inventory is what a data directory holds.
type Inventory struct {
	Dir     string `json:"dir"`
	StoreID string `json:"storeID,omitempty"`
	// Manifest says what is wrong with the manifest; "" when it is whole.
	Manifest string        `json:"manifestProblem,omitempty"`
	Blocks   []BlockInfo   `json:"blocks"`
	Segments []SegmentInfo `json:"segments"`
	// SetAside are files that could not be read, and Leftovers those that were
	// not finished, or that the manifest does not name.
	SetAside  []FileInfo `json:"setAside"`
	Leftovers []FileInfo `json:"leftovers"`
}

// FileInfo is one file of the directory.
type FileInfo struct {
	File  string `json:"file"`
	Bytes int64  `json:"bytes"`
}

// BlockInfo is what a block says of itself.
type BlockInfo struct {
	File    string `json:"file"`
	Kind    string `json:"kind"`
	Version int    `json:"version"` // of the format; 0 when the file cannot be read
	// First and Last are the sequences of the batches in it.
	First   uint64    `json:"first"`
	Last    uint64    `json:"last"`
	Records int       `json:"records"`
	Bytes   int64     `json:"bytes"`
	Oldest  time.Time `json:"oldest"`
	Newest  time.Time `json:"newest"`
	Written time.Time `json:"written,omitzero"`
	Problem string    `json:"problem,omitempty"`
}

// Inspect lists what a data directory holds, without a lock and without
// writing. A file that goes meanwhile is no error.
func Inspect(dir string, o Options) (*Inventory, error) {
	var inv *Inventory
	lost, err := settled(o.FS, dir, func(m *manifest, names []string) error {
		inv = &Inventory{Dir: dir, StoreID: m.StoreID, Blocks: []BlockInfo{}, Segments: []SegmentInfo{},
			SetAside: []FileInfo{}, Leftovers: []FileInfo{}}
		return inv.fill(o, m, names)
	})
	if err == nil && lost != nil {
		inv.Manifest = lost.Reason
		if len(inv.Blocks)+len(inv.Segments)+len(inv.SetAside) == 0 {
			err = noStore(dir)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("inspecting %s: %w", dir, err)
	}
	return inv, nil
}

func (inv *Inventory) fill(o Options, m *manifest, names []string) error {
	named := map[string]bool{}
	for _, k := range kinds {
		of := m.of(k)
		for _, e := range of.Blocks {
			named[e.File] = true
			b, err := describeBlock(o, inv.Dir, e.File)
			if err != nil {
				return err
			}
			if e.Written != 0 {
				b.Written = unixNano(e.Written)
			}
			inv.Blocks = append(inv.Blocks, b)
		}
		l := logReader{fs: o.FS, dir: inv.Dir, kind: k, store: m.logID(), sealed: of.Sealed,
			take:    func(uint64, []byte) error { return nil },
			corrupt: func(*CorruptionError) {}} // the segment's Problem says it
		segments, err := l.run(names)
		if err != nil {
			return fmt.Errorf("reading the log of %s: %w", k, err)
		}
		inv.Segments = append(inv.Segments, segments...)
	}
	for _, name := range names {
		list := &inv.Leftovers
		switch {
		case strings.HasSuffix(name, corruptSuffix):
			list = &inv.SetAside
		case strings.HasSuffix(name, tempSuffix), strings.HasSuffix(name, blockSuffix) && !named[name]:
		default:
			continue
		}
		if size, err := fileSize(o, filepath.Join(inv.Dir, name)); err == nil {
			*list = append(*list, FileInfo{name, size})
		} else if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

func fileSize(o Options, path string) (int64, error) {
	f, err := o.FS.Open(path)
	if err != nil {
		return 0, err
	}
	size, err := f.Size()
	return size, errors.Join(err, f.Close())
}

// describeBlock opens a block and says what it is. Damage goes into Problem.
func describeBlock(o Options, dir, name string) (BlockInfo, error) {
	info := BlockInfo{File: name}
	for _, k := range kinds {
		if first, last, ok := parseBlockName(k, strings.TrimSuffix(name, corruptSuffix)); ok {
			info.Kind, info.First, info.Last = k.String(), first, last
		}
	}
	b, f, err := openNamedBlock(o, dir, name)
	var corrupt *CorruptionError
	switch {
	case errors.As(err, &corrupt):
		info.Problem = fmt.Sprintf("at offset %d: %s", corrupt.Offset, corrupt.Reason)
		size, err := fileSize(o, filepath.Join(dir, name))
		info.Bytes = size
		return info, err
	case errors.Is(err, fs.ErrNotExist):
		info.Problem = "missing"
		return info, nil
	case err != nil:
		return info, err
	}
	info.describe(b)
	return info, f.Close()
}

func (info *BlockInfo) describe(b *block) {
	info.Kind, info.Version, info.Records = b.kind().String(), int(b.format), b.rows()
	info.Bytes = b.size
	lo, hi := b.timeRange()
	info.Oldest, info.Newest = unixNano(lo), unixNano(hi)
}

// BlockDetail is what a block file consists of.
type BlockDetail struct {
	BlockInfo
	Groups   int            `json:"groups"`   // ranges of rows that have pages of their own
	Services int            `json:"services"` // service names; 0 when they are not listed
	Columns  []ColumnDetail `json:"columns"`
	// TraceIndex and Aggregates are the parts beside the columns; Footer is the
	// footer and what frames the file.
	TraceIndex PartDetail   `json:"traceIndex"`
	Aggregates PartDetail   `json:"preAggregates"`
	Footer     PartDetail   `json:"footer"`
	Pages      []PageDetail `json:"pages,omitempty"`
}

// PartDetail is a part of a block.
type PartDetail struct {
	Entries int   `json:"entries"`
	Pages   int   `json:"pages"`
	Bytes   int64 `json:"bytes"`
}

// ColumnDetail is one column of a block.
type ColumnDetail struct {
	Name   string `json:"name"`
	Type   string `json:"type"`
	Values uint64 `json:"values"`
	// Encodings counts the column's pages by how their values are written.
	Encodings  map[string]int `json:"encodings"`
	Pages      PartDetail     `json:"pages"`
	Dictionary PartDetail     `json:"dictionary"`
	Bloom      PartDetail     `json:"bloom"`
	Texts      PartDetail     `json:"texts"` // strips
	Grams      PartDetail     `json:"grams"`
	Bytes      int64          `json:"bytes"` // of all of them
}

// PageDetail is one page of a block file.
type PageDetail struct {
	Offset  int64  `json:"offset"`
	Bytes   uint32 `json:"bytes"` // in the file
	Raw     uint32 `json:"raw"`   // decompressed
	CRC     string `json:"crc32c"`
	Entries uint32 `json:"entries"`
	What    string `json:"what"`
}

// InspectBlock says what a block file consists of; pages adds each of its
// pages, in the order in which they are in the file. A page that cannot be
// read has the encoding "unreadable".
func InspectBlock(path string, o Options, pages bool) (*BlockDetail, error) {
	dir, name := filepath.Split(path)
	b, f, err := openNamedBlock(o, dir, name)
	if err != nil {
		return nil, fmt.Errorf("inspecting block: %w", err)
	}
	d := &BlockDetail{BlockInfo: BlockInfo{File: name}, Groups: len(b.footer.groups), Services: len(b.footer.services)}
	for _, k := range kinds {
		if first, last, ok := parseBlockName(k, strings.TrimSuffix(name, corruptSuffix)); ok {
			d.First, d.Last = first, last
		}
	}
	d.describe(b)
	d.Footer = PartDetail{Pages: 1, Bytes: b.size - b.pagesEnd + int64(blockHeader)}
	d.addPages(b, pages)
	return d, f.Close()
}

// addPages adds what the footer says of pages.
func (d *BlockDetail) addPages(b *block, list bool) {
	for i := range b.footer.columns {
		c := &b.footer.columns[i]
		d.Columns = append(d.Columns, ColumnDetail{Name: c.info.key.label(), Type: c.info.key.typeName(), Values: c.info.count,
			Encodings: map[string]int{}})
	}
	b.footer.eachPage(func(p pageRef, m pageMeta) {
		part := &d.TraceIndex
		if p.column >= 0 {
			c := &d.Columns[p.column]
			c.Bytes += int64(m.stored)
			switch p.part {
			case partColumn:
				part = &c.Pages
				c.Encodings[b.encodingOf(p, m)]++
			case partDictionary:
				part = &c.Dictionary
			case partBloom:
				part = &c.Bloom
			case partStrip:
				part = &c.Texts
			case partGrams:
				part = &c.Grams
			}
		} else if p.part == partOperations {
			part = &d.Aggregates
		}
		part.add(m)
		if list && m.stored > 0 {
			d.Pages = append(d.Pages, PageDetail{m.offset, m.stored, m.raw, fmt.Sprintf("%08x", m.crc), m.count, b.footer.nameOf(p)})
		}
	})
	slices.SortFunc(d.Pages, func(a, b PageDetail) int { return int(a.Offset - b.Offset) })
}

func (p *PartDetail) add(m pageMeta) {
	p.Entries += int(min(m.count, math.MaxInt32))
	p.Bytes += int64(m.stored)
	if m.stored > 0 {
		p.Pages++
	}
}

// encodingOf reads how the values of a column's page are written.
func (b *block) encodingOf(p pageRef, m pageMeta) string {
	if m.stored == 0 {
		if m.count == 0 {
			return "empty"
		}
		return "constant"
	}
	raw, reason, err := readPage(b.r, m, nil)
	if reason != "" || err != nil {
		return "unreadable"
	}
	rows := int(b.footer.rows)
	if c := &b.footer.columns[p.column]; !c.whole {
		g := b.footer.groups[p.n]
		rows = int(g.hi - g.lo)
	}
	d := pageDecoder{decoder: decoder{b: raw}, rows: rows, count: int(m.count)}
	d.presence()
	if encoding := d.u8(); !d.bad && int(encoding) < len(encodingNames) {
		return encodingNames[encoding]
	}
	return "unreadable"
}

// encodingNames are those of docs/format/block.md.
var encodingNames = [...]string{encodePlanes: "planes", encodeDeltas: "deltas", encodeTexts: "texts", encodePacked: "packed", encodeStrips: "strips"}
