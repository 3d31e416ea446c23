package store

import (
	"cmp"
	"context"
	"errors"
	"iter"
	"math"
	"slices"
	"sync/atomic"
	"time"
)

// view is what one query sees of the store: the parts there were when it
// began.
type view struct {
	parts []part
	// lost are blocks of the same kind that were set aside before.
	lost []blockEntry
	// onCorrupt is told of every part that turned out to be unreadable; nil
	// when nobody wants to know.
	onCorrupt func(*CorruptionError)
	// version is that of the list of blocks; 0 when it is no list of a lane.
	version  uint64
	sumCache *sumCache // nil: sums are not kept
}

// hit is a row that satisfies a query.
type hit struct {
	key   uint64 // what it is chosen by: its time, or its duration
	part  int    // in the searcher's list
	row   uint32
	trace TraceID // for OnePerTrace and for durations only
	start uint64  // for durations only, as the next one
	span  uint64
}

// searcher answers one Query.
type searcher struct {
	view   *view
	query  Query
	match  *Matcher
	report *Report
	parts  []part
	snaps  []*snapshot // by part; nil when not opened or unreadable
	failed map[int]bool

	best *topHits
	// floor is the key below which hits do not matter, whatever part they are
	// of: there are as many others as are wanted.
	floor *atomic.Uint64
	rows  *atomic.Int64 // examined, by all that work on the query
	spent bool          // the row limit is reached
	// borrows says that nobody looks at what was decoded of a part after done.
	borrows bool
	// groups gives the order in which the groups of a part are looked at, and
	// skip says which need not be.
	groups func(*snapshot) []int
	skip   func(s *snapshot, g int) bool // nil: none
}

// newestFirst orders hits, newest first, those of a part by row.
func newestFirst(a, b hit) int {
	return cmp.Or(cmp.Compare(b.key, a.key), cmp.Compare(a.part, b.part), cmp.Compare(a.row, b.row))
}

// topHits keeps the hits with the greatest keys, of each trace one when
// perTrace. limit 0 keeps all.
type topHits struct {
	limit    int
	perTrace bool
	order    func(a, b hit) int // greatest key first
	hits     []hit
	// floor is the key that a hit must exceed to matter, or reach when order
	// tells hits of one key apart; full says that there is one.
	floor uint64
	full  bool
}

func (t *topHits) add(h hit) {
	if t.full && h.key < t.floor {
		return
	}
	t.hits = append(t.hits, h)
	if len(t.hits) >= 4*t.limit+1024 && t.limit > 0 {
		t.cut()
	}
}

// cut drops the hits that no longer matter.
func (t *topHits) cut() {
	slices.SortFunc(t.hits, t.order)
	if t.perTrace {
		seen := map[TraceID]bool{}
		t.hits = slices.DeleteFunc(t.hits, func(h hit) bool {
			if seen[h.trace] {
				return true
			}
			seen[h.trace] = true
			return false
		})
	}
	if t.limit > 0 && len(t.hits) >= t.limit {
		t.hits = t.hits[:t.limit]
		t.floor, t.full = t.hits[t.limit-1].key, true
	}
}

func (v *view) spans(ctx context.Context, q Query) iter.Seq2[*Span, error] {
	return searchParts(ctx, v, q, Spans, (*snapshot).spans)
}

func (v *view) logs(ctx context.Context, q Query) iter.Seq2[*Log, error] {
	return searchParts(ctx, v, q, Logs, (*snapshot).logs)
}

// searchParts runs a query over the parts of one kind; records fills the rows
// of one part that are to be given.
func searchParts[T any](ctx context.Context, v *view, q Query, k Kind,
	records func(*snapshot, []uint32, Need) ([]*T, error)) iter.Seq2[*T, error] {
	return func(yield func(*T, error) bool) {
		m, err := NewMatcher(q.Where)
		if err != nil {
			yield(nil, err)
			return
		}
		if q.Limit == 0 && !q.OnePerTrace {
			err = everyHit(ctx, newSearcher(v, q, k, m, nil), records, yield)
		} else {
			err = searchBest(ctx, func(broken map[part]bool) *searcher { return newSearcher(v, q, k, m, broken) }, (*searcher).collect, records, yield)
		}
		if err != nil && err != errStopped {
			yield(nil, err)
		}
	}
}

// errStopped says that the caller wants no more.
var errStopped = errors.New("stopped")

// searchBest gives the best hits, which collect gathers. A part that turns out
// to be unreadable may have crowded out hits of others: then the search begins
// anew without it.
func searchBest[T any](ctx context.Context, begin func(broken map[part]bool) *searcher, collect func(*searcher, context.Context) error,
	records func(*snapshot, []uint32, Need) ([]*T, error), yield func(*T, error) bool) error {
	broken := map[part]bool{}
	for {
		s := begin(broken)
		err := collect(s, ctx)
		if err == nil && len(s.failed) == 0 {
			err = bestHits(ctx, s, records, yield)
		} else if err == nil {
			err = errAgain
		}
		for i := range s.snaps {
			s.done(i)
		}
		if err != errAgain {
			return err
		}
		for i := range s.failed {
			broken[s.parts[i]] = true
		}
	}
}

// errAgain says that a part could not be read before anything was given.
var errAgain = errors.New("search again")

// newSearcher leaves out the parts that are broken.
func newSearcher(v *view, q Query, k Kind, m *Matcher, broken map[part]bool) *searcher {
	s := &searcher{view: v, query: q, match: m, report: q.Report, failed: map[int]bool{}, rows: &atomic.Int64{}, floor: &atomic.Uint64{},
		best: &topHits{limit: q.Limit, perTrace: q.OnePerTrace, order: newestFirst}, groups: groupsNewestFirst}
	if s.report == nil {
		s.report = &Report{}
	}
	v.missing(s.report, q.Start, q.End)
	for _, p := range v.parts {
		if p.kind() == k && p.rows() > 0 && !broken[p] {
			s.parts = append(s.parts, p)
		}
	}
	slices.SortStableFunc(s.parts, func(a, b part) int {
		_, x := a.timeRange()
		_, y := b.timeRange()
		return cmp.Compare(y, x)
	})
	s.snaps = make([]*snapshot, len(s.parts))
	return s
}

// fail notes that a part cannot be read, and returns err when it is no
// corruption.
func (s *searcher) fail(part int, err error) error {
	if !s.view.unreadable(s.report, err) {
		return err
	}
	s.failed[part] = true
	return nil
}

// missing notes in the report the lost blocks that may have records with times in
// [start, end); end 0 means no bound.
func (v *view) missing(r *Report, start, end uint64) {
	for _, e := range v.lost {
		if e.MaxTime >= start && (end == 0 || e.MinTime < end) && !slices.Contains(r.Unreadable, e.File) {
			r.Unreadable = append(r.Unreadable, e.File)
		}
	}
}

// unreadable notes a corruption in the report, once per file. It returns false
// for other errors.
func (v *view) unreadable(r *Report, err error) bool {
	corrupt, ok := err.(*CorruptionError)
	if !ok {
		return false
	}
	if !slices.Contains(r.Unreadable, corrupt.File) {
		r.Unreadable = append(r.Unreadable, corrupt.File)
		if v.onCorrupt != nil {
			v.onCorrupt(corrupt)
		}
	}
	return true
}

// from is the least time that matters still.
func (s *searcher) from() uint64 {
	from := max(s.query.Start, s.floor.Load())
	if s.best.full && s.best.floor >= from {
		if s.best.floor == math.MaxUint64 {
			return math.MaxUint64
		}
		return s.best.floor + 1
	}
	return from
}

// overlaps reports whether times from min to max can be in the answer.
func (s *searcher) overlaps(min, max uint64) bool {
	return max >= s.from() && (s.query.End == 0 || min < s.query.End) && !(s.best.full && max <= s.best.floor)
}

// collect gathers the newest hits of all parts in s.best: those of the newest
// part first, since often no other matters then, and of the others several at a
// time.
func (s *searcher) collect(ctx context.Context) error {
	all := s.best
	if len(s.parts) == 0 {
		return nil
	}
	s.borrows = true
	if err := s.collectPart(ctx, 0); err != nil {
		if err = s.fail(0, err); err != nil {
			return err
		}
	}
	if !slices.ContainsFunc(s.parts[1:], func(p part) bool { return s.overlaps(p.timeRange()) }) {
		s.report.BlocksSkipped += len(s.parts) - 1
		for _, p := range s.parts[1:] {
			explainPart(ctx, p).skip(s.notNeeded(p))
		}
		return nil
	}
	for hits, err := range eachPart(ctx, s, func(ctx context.Context, s *searcher, i int) ([]hit, error) {
		if i == 0 {
			return nil, nil
		}
		s.best = &topHits{limit: all.limit, perTrace: all.perTrace, order: all.order}
		err := s.collectPart(ctx, i)
		return s.best.hits, err
	}) {
		if err != nil {
			return err
		}
		if all.hits = append(all.hits, hits...); len(hits) > 0 {
			all.cut()
			s.raise()
		}
	}
	return nil
}

// collectPart gathers the newest hits of one part in s.best.
func (s *searcher) collectPart(ctx context.Context, i int) error {
	err := s.scanPart(ctx, i, func(g int, sel bitmap) error { return s.take(i, g, sel) })
	if s.best.cut(); len(s.best.hits) == 0 {
		s.done(i)
	}
	s.raise()
	return err
}

// done lets go of a part with what was decoded of it.
func (s *searcher) done(i int) {
	if s.snaps[i] != nil {
		s.snaps[i].release()
		s.snaps[i] = nil
	}
}

// raise tells those who look at other parts what no longer matters.
func (s *searcher) raise() {
	for s.best.full {
		if old := s.floor.Load(); old >= s.best.floor || s.floor.CompareAndSwap(old, s.best.floor) {
			return
		}
	}
}

// scan calls f with the rows of each group of a part that satisfy the query. A
// part that cannot be read is noted and is no error.
func (s *searcher) scan(ctx context.Context, i int, f func(g int, sel bitmap) error) error {
	if err := s.scanPart(ctx, i, f); err != nil {
		return s.fail(i, err)
	}
	return nil
}

// scanPart is scan for one who notes unreadable parts himself.
func (s *searcher) scanPart(ctx context.Context, i int, f func(g int, sel bitmap) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	x := explainPart(ctx, s.parts[i])
	if why := s.notNeeded(s.parts[i]); why != "" {
		s.report.BlocksSkipped++
		x.skip(why)
		return nil
	}
	snap := s.parts[i].snapshot()
	if s.borrows {
		snap.borrow()
	}
	total := s.report
	s.report = &Report{}
	defer func() {
		s.report.Pages, s.report.Bytes = snap.read()
		x.end(snap, s.report)
		total.Add(s.report)
		s.report = total
	}()
	cond, err := snap.plan(s.query.Where, s.match)
	if err != nil {
		snap.release()
		return err
	}
	if x != nil {
		x.to.Stage(stagePlan, x.began)
		x.cond = cond
	}
	if cond.never() {
		s.report.BlocksSkipped++
		if x != nil {
			x.skip(cond.whyNever())
		}
		snap.release()
		return nil
	}
	s.report.Blocks++
	s.snaps[i] = snap
	for _, g := range s.groups(snap) {
		if err := ctx.Err(); err != nil {
			return err
		}
		if s.skips(snap, g, x) {
			continue
		}
		sel, err := s.evalGroup(snap, cond, g, x)
		if err == nil && sel != nil {
			s.report.Matched += sel.len()
			err = f(g, sel)
		}
		if err != nil {
			return err
		}
		if s.spent {
			return nil
		}
	}
	return nil
}

// notNeeded says why a part need not be looked into; "" when it must be.
func (s *searcher) notNeeded(p part) string {
	lo, hi := p.timeRange()
	switch {
	case s.isSpent():
		return "row limit"
	case hi < s.query.Start || s.query.End != 0 && lo >= s.query.End:
		return "time"
	case !s.overlaps(lo, hi):
		return "newer records suffice"
	}
	return ""
}

// skips reports whether a group need not be looked at.
func (s *searcher) skips(snap *snapshot, g int, x *partExplain) bool {
	grp := &snap.groups[g]
	switch {
	case grp.max < s.query.Start || s.query.End != 0 && grp.min >= s.query.End:
		x.group(byTime)
	case !s.overlaps(grp.min, grp.max), s.skip != nil && s.skip(snap, g):
		x.group(byLimit)
	default:
		return false
	}
	return true
}

// isSpent reports whether some row was not examined because of the row limit.
func (s *searcher) isSpent() bool {
	return s.spent || s.query.MaxRows > 0 && s.rows.Load() > int64(s.query.MaxRows)
}

func groupsNewestFirst(s *snapshot) []int {
	return groupsBy(s, func(g int) uint64 { return s.groups[g].max })
}

// groupsBy orders the groups, that with the greatest key first.
func groupsBy(s *snapshot, key func(g int) uint64) []int {
	order := make([]int, len(s.groups))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(key(b), key(a)) })
	return order
}

// evalGroup returns the rows of a group that satisfy the query; nil when there
// are none.
func (s *searcher) evalGroup(snap *snapshot, cond *condition, g int, x *partExplain) (bitmap, error) {
	if x != nil {
		defer x.to.Stage(stageScan, time.Now())
	}
	if out, err := cond.ruledOut(snap, g); out || err != nil {
		x.group(byPages)
		return nil, err
	}
	grp := snap.groups[g]
	n := int(grp.hi - grp.lo)
	sel := newBitmap(n)
	if over := s.rows.Add(int64(n)) - int64(s.query.MaxRows); s.query.MaxRows > 0 && over > 0 {
		n -= int(min(int64(n), over))
		s.spent = true
		s.report.Stopped = "row limit"
	}
	s.report.Rows += n
	sel.setFirst(n)
	from, end := s.from(), s.query.End
	if grp.min < from || end != 0 && grp.max >= end {
		if snap.slots[slotTime] == nil {
			return nil, snap.corrupt("records without time")
		}
		times, err := snap.chunk(snap.slots[slotTime], g)
		if err != nil {
			return nil, err
		}
		within := make(bitmap, len(sel))
		times.each(sel, func(row, i int) {
			if t := times.num(i); t >= from && (end == 0 || t < end) {
				within.set(row)
			}
		})
		sel = within
	}
	sel, err := cond.eval(snap, g, sel)
	if err != nil || sel.empty() {
		return nil, err
	}
	return sel, nil
}

// take adds the rows of a group to the best hits.
func (s *searcher) take(part, g int, sel bitmap) (err error) {
	snap := s.snaps[part]
	sel.each(func(row int) {
		if err != nil {
			return
		}
		h := hit{part: part, row: snap.groups[g].lo + uint32(row)}
		if h.key, err = snap.numAt(slotTime, g, row); err != nil || s.best.full && h.key <= s.best.floor {
			return
		}
		if s.query.OnePerTrace {
			h.trace, err = snap.rowTraceID(g, row)
		}
		if err == nil {
			s.best.add(h)
		}
	})
	s.raise()
	return err
}

// rowTraceID returns the trace id of a row of group g.
func (s *snapshot) rowTraceID(g, row int) (TraceID, error) {
	n, err := s.numAt(slotTrace, g, row)
	if err != nil {
		return TraceID{}, err
	}
	return s.traceID(uint32(n))
}
