package query

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/signalbox-otel/signalbox/internal/store"
)

// AroundSearch asks for the log records that satisfy Where and are next to an
// instant.
type AroundSearch struct {
	At    uint64
	Where store.Expr
	Limit int // on each side; 0 means 20
}

// aroundReach is how far from the instant records are looked for.
const aroundReach = 24 * time.Hour

// firstReach is how far records after the instant are looked for first; it
// grows by reachGrowth until there are enough.
const (
	firstReach  = time.Second
	reachGrowth = 8
)

// LogsAround returns log records before, at and after an instant, newest first.
func (e *Engine) LogsAround(ctx context.Context, q AroundSearch, report *store.Report) ([]*store.Log, error) {
	limit := e.limit(q.Limit, 20)
	out, err := e.logsAfter(ctx, q, limit, report)
	if err != nil {
		return nil, err
	}
	// Those of the instant itself are not counted, but bounded as well.
	start := q.At - min(q.At, uint64(aroundReach))
	for _, part := range []store.Query{{Start: q.At, End: q.At + 1}, {Start: start, End: q.At}} {
		var partReport store.Report
		part.Where, part.Limit, part.Report = q.Where, limit, &partReport
		for l, err := range e.logs(ctx, part) {
			if err != nil {
				return nil, fmt.Errorf("reading logs before: %w", err)
			}
			out = append(out, l)
		}
		report.Add(&partReport)
	}
	return out, nil
}

// logsAfter returns the limit oldest records after the instant, newest first.
// The store gives the newest first, so the range to read is found by growing it.
func (e *Engine) logsAfter(ctx context.Context, q AroundSearch, limit int, report *store.Report) ([]*store.Log, error) {
	for reach := firstReach; ; reach *= reachGrowth {
		last := reach >= aroundReach
		var part store.Report
		sq := store.Query{Start: q.At + 1, End: q.At + uint64(min(reach, aroundReach)), Where: q.Where, Report: &part}
		var found []*store.Log
		for l, err := range e.logs(ctx, sq) {
			if err != nil {
				return nil, fmt.Errorf("reading logs after: %w", err)
			}
			if found = append(found, l); len(found) == 8*limit {
				found = oldest(found, limit)
			}
		}
		if len(found) < limit && !last && !part.Partial() {
			continue
		}
		report.Add(&part)
		found = oldest(found, limit)
		slices.Reverse(found)
		return found, nil
	}
}

// oldest sorts logs by time and keeps the first n.
func oldest(logs []*store.Log, n int) []*store.Log {
	slices.SortStableFunc(logs, func(a, b *store.Log) int { return cmp.Compare(a.At(), b.At()) })
	return slices.Clip(logs[:min(n, len(logs))])
}
