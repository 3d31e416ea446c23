package store

import (
	"cmp"
	"hash/maphash"
	"slices"
)

// merger reads some blocks of one kind as the input of another one. It reads
// page after page of one column of all blocks, and keeps that column, so it takes
// the memory that sealing takes, however much the blocks hold.
type merger struct {
	blocks  []*block
	base    []uint32                    // the number of the first record of each block
	columns []map[columnKey]*columnInfo // by block
	keys    []columnKey                 // the fixed columns, and those that any block has
	traceNo [][]uint32                  // by block: numbers of its traces in the new one
	seed    maphash.Seed
	stopped func() error // asked before each column
}

// mergeInput is the input of a block that holds all that blocks hold. Their bytes
// are read while it is made and used; those that cannot be read are a
// *CorruptionError with the block's file.
func mergeInput(blocks []*block, stopped func() error) (*sealInput, error) {
	m := &merger{blocks: blocks, seed: maphash.MakeSeed(), stopped: stopped}
	in := &sealInput{kind: blocks[0].kind(), column: m.column, hiddenKeys: m.hiddenKeys, operations: m.operations}
	for s := range slotCount {
		m.keys = append(m.keys, slotKey(s))
	}
	known := map[columnKey]bool{}
	for _, b := range blocks {
		m.base = append(m.base, in.records)
		in.records += b.footer.rows
		columns := map[columnKey]*columnInfo{}
		for i := range b.footer.columns {
			info := &b.footer.columns[i].info
			columns[info.key] = info
			if info.key.place != placeSlot && !known[info.key] {
				known[info.key] = true
				m.keys = append(m.keys, info.key)
			}
		}
		m.columns = append(m.columns, columns)
	}
	in.columns = len(m.keys)
	var err error
	if in.traces, err = m.traces(); err != nil {
		return nil, err
	}
	in.big, err = m.big()
	return in, err
}

// traces numbers the traces of all blocks.
func (m *merger) traces() ([]TraceID, error) {
	var all []TraceID
	numbers := map[TraceID]uint32{}
	for _, b := range m.blocks {
		p := &blockPages{block: b}
		list := make([]uint32, b.footer.traces)
		for n := range list {
			id, err := p.traceID(uint32(n))
			if err != nil {
				return nil, err
			}
			number, ok := numbers[id]
			if !ok {
				number = uint32(len(all))
				numbers[id] = number
				all = append(all, id)
			}
			list[n] = number
		}
		m.traceNo = append(m.traceNo, list)
	}
	return all, nil
}

// denseSlots are the columns that every record has a value in.
var denseSlots = []slot{slotTime, slotTrace, slotSpanID, slotResource, slotScope}

// column reads a column of all blocks.
func (m *merger) column(i int) (*headColumn, error) {
	if err := m.stopped(); err != nil {
		return nil, err
	}
	key := m.keys[i]
	c := newHeadColumn(key)
	for n, b := range m.blocks {
		s, before := b.snapshot(), c.len()
		info := m.columns[n][key]
		var err error
		switch {
		case key == slotKey(slotParentRow) || key == slotKey(slotHiddenKeys):
			return &c, nil // made of others
		case key == slotKey(slotParent):
			err = m.parents(&c, s, n)
		case info != nil:
			err = m.values(&c, s, n, info)
		}
		if err != nil {
			return nil, err
		}
		if key.place == placeSlot && slices.Contains(denseSlots, key.slot) && c.len()-before != int(s.rows) {
			return nil, s.corrupt("records without time, trace, span id, resource or scope")
		}
	}
	return &c, nil
}

// eachValue calls f for the values of a column of block n, in order of its
// records, with the number of the record in all blocks and the value's place in
// its chunk.
func (m *merger) eachValue(s *snapshot, n int, info *columnInfo, f func(record uint32, ch *chunk, i int) error) error {
	for g, group := range s.groups {
		if lo, hi, ok := s.bounds(info, g); ok && lo > hi {
			continue
		}
		ch, err := s.load(info, g)
		if err != nil {
			return err
		}
		i := 0
		for row := range ch.rows {
			if i == ch.count || ch.present != nil && !ch.present.has(row) {
				continue
			}
			if err := f(m.base[n]+group.lo+uint32(row), &ch, i); err != nil {
				return err
			}
			i++
		}
	}
	return nil
}

// values appends the values that block n has in a column to c.
func (m *merger) values(c *headColumn, s *snapshot, n int, info *columnInfo) error {
	switch {
	case info.key == slotKey(slotTrace):
		return m.eachValue(s, n, info, func(record uint32, ch *chunk, i int) error {
			trace := ch.num(i)
			if trace >= uint64(len(m.traceNo[n])) {
				return s.corrupt("trace number out of range")
			}
			c.putID(record, m.traceNo[n][trace])
			return nil
		})
	case !info.key.textual():
		return m.eachValue(s, n, info, func(record uint32, ch *chunk, i int) error {
			c.putNum(record, ch.num(i))
			return nil
		})
	case !info.dict:
		return m.eachValue(s, n, info, func(record uint32, ch *chunk, i int) error {
			b, err := s.stripText(ch, i)
			if err == nil {
				c.putID(record, c.dict.add(m.seed, text(b)))
			}
			return err
		})
	}
	ids := make([]uint32, info.entries) // 1 + the id in c; 0: not met yet
	return m.eachValue(s, n, info, func(record uint32, ch *chunk, i int) error {
		id := ch.num(i)
		if id >= uint64(len(ids)) {
			return s.corrupt("dictionary id out of range")
		}
		if ids[id] == 0 {
			b, err := s.entry(info, uint32(id))
			if err != nil {
				return err
			}
			ids[id] = c.dict.add(m.seed, text(b)) + 1
		}
		c.putID(record, ids[id]-1)
		return nil
	})
}

// parents appends the parent span ids of block n to c.
func (m *merger) parents(c *headColumn, s *snapshot, n int) error {
	if s.slots[slotParentRow] == nil && s.slots[slotParent] == nil {
		return nil
	}
	for g, group := range s.groups {
		for row := range int(group.hi - group.lo) {
			id, err := s.parentID(g, row)
			if err != nil {
				return err
			}
			if id != 0 {
				c.putNum(m.base[n]+group.lo+uint32(row), id)
			}
		}
	}
	return nil
}

// big lists the records that hold long texts, as a head does.
func (m *merger) big() (big []bigRow, err error) {
	for n, b := range m.blocks {
		for key, info := range m.columns[n] {
			if !key.textual() || key == slotKey(slotResource) || key == slotKey(slotScope) || key == slotKey(slotHiddenKeys) {
				continue
			}
			if err := m.stopped(); err != nil {
				return nil, err
			}
			s := b.snapshot()
			length := func(ch *chunk, i int) int {
				i += ch.off
				return int(ch.ends[i] - ch.startOf(i))
			}
			if info.dict {
				lengths, err := longEntries(s, info)
				if err != nil {
					return nil, err
				}
				if lengths == nil {
					continue
				}
				length = func(ch *chunk, i int) int { return lengths[uint32(ch.num(i))] }
			}
			err := m.eachValue(s, n, info, func(record uint32, ch *chunk, i int) error {
				if l := length(ch, i); l > bigText {
					big = append(big, bigRow{record, uint32(l)})
				}
				return nil
			})
			if err != nil {
				return nil, err
			}
		}
	}
	return big, nil
}

// longEntries are the lengths of the long texts of a dictionary, by id; nil when
// it has none.
func longEntries(s *snapshot, info *columnInfo) (lengths map[uint32]int, err error) {
	id := uint32(0)
	err = s.entries(info, func(entry []byte, _ uint64) {
		if len(entry) > bigText {
			keep(&lengths, id, len(entry))
		}
		id++
	})
	return lengths, err
}

func (m *merger) hiddenKeys(f func(k columnKey, n uint64)) error {
	counts := hiddenKeys{}
	for _, b := range m.blocks {
		if err := b.snapshot().hiddenKeys(func(k columnKey, n uint64) { counts[k] += n }); err != nil {
			return err
		}
	}
	for k, n := range counts {
		f(k, n)
	}
	return nil
}

func (m *merger) operations(add func(*operationCount)) error {
	sums := map[operationKey]*OperationMinute{}
	for _, b := range m.blocks {
		if err := b.operations(func(c *operationCount) { addOperation(sums, c) }); err != nil {
			return err
		}
	}
	all := make([]operationCount, 0, len(sums))
	for key, om := range sums {
		all = append(all, operationCount{operationKey: key, count: om.Count, errors: om.Errors, buckets: om.Durations.Buckets})
	}
	slices.SortFunc(all, func(a, b operationCount) int {
		return cmp.Or(cmp.Compare(a.minute, b.minute), cmp.Compare(a.service, b.service),
			cmp.Compare(a.operation, b.operation), cmp.Compare(a.spanKind, b.spanKind))
	})
	for i := range all {
		add(&all[i])
	}
	return nil
}
