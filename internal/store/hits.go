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
		found, err := fillHits(ctx, s, window, records)
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
// that cannot be read. Several parts are read at a time.
func fillHits[T any](ctx context.Context, s *searcher, hits []hit, records func(*snapshot, []uint32, Need) ([]*T, error)) ([]*T, error) {
	order := make([]int, len(hits))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int {
		return cmp.Or(cmp.Compare(hits[a].part, hits[b].part), cmp.Compare(hits[a].row, hits[b].row))
	})
	var parts [][]int // the order of the hits of each
	for i, at := range order {
		switch last := len(parts) - 1; {
		case s.failed[hits[at].part]:
		case last >= 0 && hits[parts[last][0]].part == hits[at].part:
			parts[last] = parts[last][:len(parts[last])+1]
		default:
			parts = append(parts, order[i:i+1])
		}
	}
	out := make([]*T, len(hits))
	for i, filled := range inParallel(ctx, len(parts), func(_ context.Context, i int) partAnswer[[]*T] {
		return fillPart(s.snaps[hits[parts[i][0]].part], hits, parts[i], s.query.Need, records)
	}) {
		s.report.Add(filled.report)
		if filled.err != nil {
			if err := s.fail(hits[parts[i][0]].part, filled.err); err != nil {
				return nil, err
			}
			continue
		}
		for n, r := range filled.answer {
			out[parts[i][n]] = r
		}
	}
	return out, nil
}

// fillPart fills the hits of one part, of which order lists the places.
func fillPart[T any](snap *snapshot, hits []hit, order []int, need Need, records func(*snapshot, []uint32, Need) ([]*T, error)) (a partAnswer[[]*T]) {
	rows := make([]uint32, len(order))
	for n, at := range order {
		rows[n] = hits[at].row
	}
	pages, bytes := snap.read()
	a.answer, a.err = records(snap, rows, need)
	pagesNow, bytesNow := snap.read()
	a.report = &Report{Pages: pagesNow - pages, Bytes: bytesNow - bytes}
	return a
}
