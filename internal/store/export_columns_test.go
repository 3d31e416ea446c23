package store

import (
	"bytes"
	"context"
	"encoding/binary"
	"hash/crc32"
	"io"
	"iter"
)

// Part is a head or a block, for tests in package store_test, which compare
// them with storetest.Memory.
type Part struct{ part }

// NewTestHead returns an empty head.
func NewTestHead(k Kind) Part { return Part{newHead(k)} }

// NewTestHeadAfter returns an empty head that follows another.
func NewTestHeadAfter(before Part) Part {
	h := newHead(before.kind())
	h.expect(before.part.(*head))
	return Part{h}
}

// Append appends to a head.
func (p Part) Append(b *Batch) { p.part.(*head).append(b) }

// SizeBytes is the memory of a head.
func (p Part) SizeBytes() int64 { return p.part.(*head).sizeBytes() }

// Columns is the number of attribute columns of a head or block.
func (p Part) Columns() int { return len(p.snapshot().attrs) }

// Seal writes a head as a block file.
func (p Part) Seal() ([]byte, error) {
	var b bytes.Buffer
	err := p.part.(*head).seal(&b)
	return b.Bytes(), err
}

// SealSize is the length of the block file that Seal writes.
func (p Part) SealSize() (n int, err error) {
	err = p.part.(*head).seal(writerFunc(func(b []byte) (int, error) {
		n += len(b)
		return len(b), nil
	}))
	return n, err
}

// writerFunc is a function as a writer.
type writerFunc func(b []byte) (int, error)

// Write calls f.
func (f writerFunc) Write(b []byte) (int, error) { return f(b) }

// Kind is the kind of records of a part.
func (p Part) Kind() Kind { return p.part.kind() }

// MergeSmall merges small blocks, as happens in the background.
func (s *Store) MergeSmall() { s.mergeSmall() }

// MergeTestBlocks writes a block file of all that blocks hold.
func MergeTestBlocks(parts ...Part) ([]byte, error) {
	var blocks []*block
	for _, p := range parts {
		blocks = append(blocks, p.part.(*block))
	}
	in, err := mergeInput(blocks, func() error { return nil })
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	err = writeBlock(&b, in)
	return b.Bytes(), err
}

// OpenTestBlock opens a block file.
func OpenTestBlock(r io.ReaderAt, size int64, name string) (Part, error) {
	b, err := openBlock(r, size, name)
	if err != nil {
		return Part{}, err
	}
	b.kept = newDictCache()
	return Part{b}, nil
}

// TestView is a view over parts.
type TestView struct{ v view }

// NewTestView returns a view over parts.
func NewTestView(onCorrupt func(*CorruptionError), parts ...Part) *TestView {
	v := &TestView{view{onCorrupt: onCorrupt, sumCache: newSumCache()}}
	for _, p := range parts {
		v.v.parts = append(v.v.parts, p.part)
	}
	return v
}

// Spans is view.spans.
func (v *TestView) Spans(ctx context.Context, q Query) iter.Seq2[*Span, error] {
	return v.v.spans(ctx, q)
}

// Logs is view.logs.
func (v *TestView) Logs(ctx context.Context, q Query) iter.Seq2[*Log, error] { return v.v.logs(ctx, q) }

// Trace is view.trace.
func (v *TestView) Trace(ctx context.Context, id TraceID, r *Report) iter.Seq2[*Span, error] {
	return v.v.trace(ctx, id, r)
}

// Operations is view.operations.
func (v *TestView) Operations(ctx context.Context, start, end uint64, r *Report) iter.Seq2[*OperationMinute, error] {
	return v.v.operations(ctx, start, end, r)
}

// Sums is view.sums.
func (v *TestView) Sums(ctx context.Context, q SumQuery) iter.Seq2[*OperationSum, error] {
	return v.v.sums(ctx, q)
}

// KeepSums makes the view use what is kept for another one.
func (v *TestView) KeepSums(of *TestView) { v.v.sumCache = of.v.sumCache }

// Keys is view.keys.
func (v *TestView) Keys(ctx context.Context, q FieldQuery) iter.Seq2[FieldKey, error] {
	return v.v.keys(ctx, q)
}

// Values is view.values.
func (v *TestView) Values(ctx context.Context, q FieldQuery) iter.Seq2[FieldValue, error] {
	return v.v.values(ctx, q)
}

// Dots is view.dots.
func (v *TestView) Dots(ctx context.Context, q Query) iter.Seq2[*Dots, error] {
	return v.v.dots(ctx, q)
}

// Ticks is view.ticks.
func (v *TestView) Ticks(ctx context.Context, q Query) iter.Seq2[*Ticks, error] {
	return v.v.ticks(ctx, q)
}

// Slowest is view.slowest.
func (v *TestView) Slowest(ctx context.Context, q Query) iter.Seq2[*Span, error] {
	return v.v.slowest(ctx, q)
}

// Tally is view.tally.
func (v *TestView) Tally(ctx context.Context, k Kind, q Query, fields []Field) iter.Seq2[*Tally, error] {
	return v.v.tally(ctx, k, q, fields)
}

// Traces is view.traces.
func (v *TestView) Traces(ctx context.Context, ids []TraceID, need Need, r *Report) iter.Seq2[*Span, error] {
	return v.v.traces(ctx, ids, need, r)
}

// Grams is the size of the gram filters of the block.
func (p Part) Grams() (sizeBytes int) {
	for _, c := range p.part.(*block).footer.columns {
		for _, m := range c.grams {
			sizeBytes += int(m.stored)
		}
	}
	return sizeBytes
}

// Groups is the number of page groups.
func (p Part) Groups() int { return len(p.snapshot().groups) }

// RepairChecksums makes the checksums of a damaged block file right, as far as
// its footer can be read, and returns it.
func RepairChecksums(file []byte) []byte {
	at := len(file) - blockTrailer
	if at < blockHeader {
		return file
	}
	start := at - int(binary.LittleEndian.Uint32(file[at:]))
	if start < blockHeader || start > at {
		return file
	}
	if f, ok := decodeFooter(file[start:at], int64(start), file[blockHeader-2]); ok {
		repair := func(pages []pageMeta) {
			for i := range pages {
				m := &pages[i]
				m.crc = crc32.Checksum(file[m.offset:][:m.stored], castagnoli)
			}
		}
		for i := range f.columns {
			repair(f.columns[i].pages)
			repair(f.columns[i].bloom)
			repair(f.columns[i].strips)
			repair(f.columns[i].grams)
			for j := range f.columns[i].dict {
				m := &f.columns[i].dict[j].pageMeta
				m.crc = crc32.Checksum(file[m.offset:][:m.stored], castagnoli)
			}
		}
		for i := range f.tracePages {
			m := &f.tracePages[i].pageMeta
			m.crc = crc32.Checksum(file[m.offset:][:m.stored], castagnoli)
		}
		repair(f.operations)
		file = append(file[:start:start], f.encode()...)
		file = binary.LittleEndian.AppendUint32(file, uint32(len(file)-start))
		file = binary.LittleEndian.AppendUint32(file, 0)
		file = append(file, magicOf(f.kind, blockVersion)...)
		at = len(file) - blockTrailer
	}
	binary.LittleEndian.PutUint32(file[at+4:], crc32.Checksum(file[start:at], castagnoli))
	return file
}
