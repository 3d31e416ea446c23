package store

import (
	"cmp"
	"context"
	"slices"
	"time"
)

// everyHit gives all matching records, part by part.
func everyHit[T any](ctx context.Context, s *searcher, records func(*snapshot, []uint32, Need) ([]*T, error),
	yield func(*T, error) bool) error {
	for i := range s.parts {
		err := s.scan(ctx, i, func(g int, sel bitmap) error {
			snap := s.snaps[i]
			rows := make([]uint32, 0, sel.len())
			sel.each(func(row int) { rows = append(rows, snap.groups[g].lo+uint32(row)) })
			began := time.Now()
			found, err := records(snap, rows, s.query.Need)
			if err != nil {
				return err
			}
			ExplainOf(ctx).Stage(stageRecords, began)
			for _, r := range found {
				if !yield(r, nil) {
					return errStopped
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		s.snaps[i] = nil
	}
	return nil
}

const (
	// hitWindow is the number of records that are filled at a time, and
	// firstWindow that of the first time, when their size is not known.
	hitWindow   = 512
	firstWindow = 32
	// windowBytes is the memory that a window may take.
	windowBytes = 8 << 20
)

// nextWindow is the number of records to fill after found was.
func nextWindow[T any](found []*T) int {
	bytes := 0
	for _, r := range found {
		switch r := any(r).(type) {
		case *Span:
			if r != nil {
				bytes += r.SizeBytes()
			}
		case *Log:
			if r != nil {
				bytes += r.SizeBytes()
			}
		}
	}
	return max(1, min(hitWindow, len(found)*windowBytes/max(bytes, 1)))
}

// bestHits gives the records of the best hits, in their order.
func bestHits[T any](ctx context.Context, s *searcher, records func(*snapshot, []uint32, Need) ([]*T, error),
	yield func(*T, error) bool) error {
	given := false
	for left, size := s.best.hits, firstWindow; len(left) > 0; {
		if err := ctx.Err(); err != nil {
			return err
		}
		began := time.Now()
		window := left[:min(size, len(left))]
		left = left[len(window):]
		found, err := fillHits(s, window, records)
		if err != nil {
			return err
		}
		ExplainOf(ctx).Stage(stageRecords, began)
		size = nextWindow(found)
		if len(s.failed) > 0 && !given {
			return errAgain
		}
		given = true
		for _, r := range found {
			if r != nil && !yield(r, nil) {
				return errStopped
			}
		}
	}
	return nil
}

// fillHits returns the records of hits, in their order; nil for those in parts
// that cannot be read.
func fillHits[T any](s *searcher, hits []hit, records func(*snapshot, []uint32, Need) ([]*T, error)) ([]*T, error) {
	order := make([]int, len(hits))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int {
		return cmp.Or(cmp.Compare(hits[a].part, hits[b].part), cmp.Compare(hits[a].row, hits[b].row))
	})
	out := make([]*T, len(hits))
	for len(order) > 0 {
		part, n := hits[order[0]].part, 0
		var rows []uint32
		for ; n < len(order) && hits[order[n]].part == part; n++ {
			rows = append(rows, hits[order[n]].row)
		}
		if !s.failed[part] {
			pages, bytes := s.snaps[part].read()
			found, err := records(s.snaps[part], rows, s.query.Need)
			pagesNow, bytesNow := s.snaps[part].read()
			s.report.Add(&Report{Pages: pagesNow - pages, Bytes: bytesNow - bytes})
			if err != nil {
				if err = s.fail(part, err); err != nil {
					return nil, err
				}
				found = make([]*T, n)
			}
			for i, r := range found {
				out[order[i]] = r
			}
		}
		order = order[n:]
	}
	return out, nil
}
