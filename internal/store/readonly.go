package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"path/filepath"
	"slices"
	"time"
)

// ReadOnly is what a data directory holds at one moment: its blocks, and the
// log replayed into memory. It takes no lock and writes nothing, so it works
// beside a process that uses the directory; files that go meanwhile stay
// readable through it. It is safe for concurrent use.
type ReadOnly struct {
	// Unreadable are the files, or parts of the log, that were found damaged
	// when they were opened: what they held is missing.
	Unreadable []*CorruptionError
	// Lost are blocks, or records of them, that were found damaged earlier.
	Lost []LostRecords

	parts [len(kinds)][]part
	files []io.Closer
}

// LostRecords are records of a block that could not be read and was set aside.
type LostRecords struct {
	File    string
	Records int
}

// OpenReadOnly opens what a directory holds. Of the options it uses FS and
// Decode. A directory without a store satisfies fs.ErrNotExist.
func OpenReadOnly(dir string, o Options) (*ReadOnly, error) {
	var r *ReadOnly
	lost, err := settled(o.FS, dir, func(m *manifest, names []string) error {
		if r != nil {
			if err := r.Close(); err != nil {
				return err
			}
		}
		r = &ReadOnly{}
		return r.load(dir, o, m, names)
	})
	if err == nil && lost != nil {
		if r.empty() {
			err = noStore(dir)
		}
		r.Unreadable = append(r.Unreadable, lost)
	}
	if err != nil {
		if r != nil {
			err = errors.Join(err, r.Close())
		}
		return nil, fmt.Errorf("opening the store in %s for reading: %w", dir, err)
	}
	return r, nil
}

// noStore is the error for a directory that is none of ours.
func noStore(dir string) error {
	return fmt.Errorf("%s has no MANIFEST, block or log of a store: %w", dir, fs.ErrNotExist)
}

func (r *ReadOnly) empty() bool { return len(r.parts[0])+len(r.parts[1])+len(r.Unreadable) == 0 }

func (r *ReadOnly) load(dir string, o Options, m *manifest, names []string) error {
	for i, k := range kinds {
		of := m.of(k)
		for _, e := range of.Blocks {
			if err := r.open(dir, o, i, e.File); err != nil {
				return err
			}
		}
		for _, e := range of.Lost {
			r.Lost = append(r.Lost, LostRecords{e.File, e.Rows})
		}
		h := newHead(k)
		l := logReader{fs: o.FS, dir: dir, kind: k, store: m.logID(), sealed: of.Sealed,
			take: func(_ uint64, payload []byte) error {
				b, err := o.Decode(k, payload)
				if err == nil {
					h.append(b)
				}
				return err
			},
			corrupt: func(e *CorruptionError) { r.Unreadable = append(r.Unreadable, e) }}
		if _, err := l.run(names); err != nil {
			return fmt.Errorf("reading the log of %s: %w", k, err)
		}
		if h.rows() > 0 {
			r.parts[i] = append(r.parts[i], h)
		}
	}
	return nil
}

// open opens one block.
func (r *ReadOnly) open(dir string, o Options, kind int, name string) error {
	b, f, err := openNamedBlock(o, dir, name)
	var corrupt *CorruptionError
	switch {
	case err == nil:
		r.files = append(r.files, f)
		r.parts[kind] = append(r.parts[kind], b)
	case errors.As(err, &corrupt):
		r.Unreadable = append(r.Unreadable, corrupt)
	case errors.Is(err, fs.ErrNotExist):
		r.Unreadable = append(r.Unreadable, &CorruptionError{File: name, Reason: "missing"})
	default:
		return fmt.Errorf("opening block %s: %w", name, err)
	}
	return nil
}

// openNamedBlock opens the block file of that name. The caller closes the file.
func openNamedBlock(o Options, dir, name string) (*block, io.Closer, error) {
	f, err := o.FS.Open(filepath.Join(dir, name))
	if err != nil {
		return nil, nil, err
	}
	size, err := f.Size()
	var b *block
	if err == nil {
		b, err = openBlock(f, size, name)
	}
	if err != nil {
		return nil, nil, errors.Join(err, f.Close())
	}
	return b, f, nil
}

// Close lets go of the files.
func (r *ReadOnly) Close() error {
	var errs []error
	for _, f := range r.files {
		errs = append(errs, f.Close())
	}
	r.files = nil
	return errors.Join(errs...)
}

func (r *ReadOnly) of(k Kind) []part { return r.parts[slices.Index(kinds[:], k)] }

// Spans answers a query about spans.
func (r *ReadOnly) Spans(ctx context.Context, q Query) iter.Seq2[*Span, error] {
	return (&view{parts: r.of(Spans)}).spans(ctx, q)
}

// Logs answers a query about log records.
func (r *ReadOnly) Logs(ctx context.Context, q Query) iter.Seq2[*Log, error] {
	return (&view{parts: r.of(Logs)}).logs(ctx, q)
}

// Hours counts the records of a kind by the hour of their time, in [start,
// end); end 0 means no bound. Parts that cannot be read are left out and named
// in the report. The key is the hour's number since 1970.
func (r *ReadOnly) Hours(ctx context.Context, k Kind, start, end uint64, rep *Report) (map[uint64]uint64, error) {
	hours := map[uint64]uint64{}
	v := &view{parts: r.of(k)}
	for _, p := range v.parts {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if lo, hi := p.timeRange(); p.rows() == 0 || hi < start || end != 0 && lo >= end {
			continue
		}
		if err := p.snapshot().hours(start, end, hours); err != nil && !v.unreadable(rep, err) {
			return nil, err
		}
	}
	return hours, nil
}

// hours adds the part's records to counts by hour.
func (s *snapshot) hours(start, end uint64, hours map[uint64]uint64) error {
	if s.slots[slotTime] == nil {
		return s.corrupt("records without time")
	}
	within := func(t uint64) bool { return t >= start && (end == 0 || t < end) }
	for g, grp := range s.groups {
		if grp.max < start || end != 0 && grp.min >= end {
			continue
		}
		if h := grp.min / hour; h == grp.max/hour && within(grp.min) && within(grp.max) {
			hours[h] += uint64(grp.hi - grp.lo)
			continue
		}
		ch, err := s.chunk(s.slots[slotTime], g)
		if err != nil {
			return err
		}
		for row := range int(grp.hi - grp.lo) {
			if i, ok := ch.find(row); ok && within(ch.num(i)) {
				hours[ch.num(i)/hour]++
			}
		}
	}
	return nil
}

const hour = uint64(time.Hour)
