package store

import (
	"cmp"
	"context"
	"iter"
	"math"
	"slices"
	"sort"
	"time"
)

// SumQuery asks for sums of the pre-aggregates of spans.
type SumQuery struct {
	// Start and End bound the minutes: those that overlap [Start, End), in Unix
	// nanoseconds. End 0 means no bound.
	Start, End uint64
	// Step > 0 divides the time into cells, of which the first begins at First
	// and which have whole minutes; with 0 there is one cell.
	First, Step uint64
	// Service keeps only that one; "" keeps all.
	Service string
	// Keep, when not nil, says which operations count. It may be asked about
	// operations without spans in the range.
	Keep func(service, operation string, spanKind int32) bool
	// ByOperation gives sums for each operation and span kind; without it they
	// are for each service, of the requests to it if there are any.
	ByOperation bool
	// Brief asks for DurationBriefs rather than Durations: those of whole
	// services by minute are kept ready.
	Brief bool
	// Report, when not nil, is filled while the answer is read.
	Report *Report
}

// DurationBrief is what most want to know of a histogram of durations.
type DurationBrief struct {
	P50, P95, P99 uint64
	Total         uint64
}

// Brief gives the brief of the histogram.
func (h *Histogram) Brief() DurationBrief {
	var q [3]uint64
	h.Quantiles(q[:], .5, .95, .99)
	return DurationBrief{P50: q[0], P95: q[1], P99: q[2], Total: h.Total()}
}

// OperationSum is rate, errors and durations of one service or operation in one
// cell. It is the reader's until the next one is asked for.
type OperationSum struct {
	Service   string
	Operation string // of sums by operation
	SpanKind  int32  // of sums by operation
	// Entry says that only spans of kind server and consumer are counted, as in
	// all cells of a service that has some of them.
	Entry     bool
	Cell      int
	Count     uint64
	Errors    uint64
	Durations *Histogram // nil when Brief was asked for
	Brief     DurationBrief
}

// EntryKind reports whether spans of that kind are requests to their service:
// server and consumer.
func EntryKind(spanKind int32) bool { return spanKind == 2 || spanKind == 5 }

// minutesOf returns the minutes [lo, hi) that overlap the query's range and the
// times of parts.
func (q *SumQuery) minutesOf(parts ...part) (lo, hi uint64) {
	const minute = uint64(time.Minute)
	lo, hi = math.MaxUint64, 0
	for _, p := range parts {
		first, last := p.timeRange()
		lo, hi = min(lo, first/minute), max(hi, last/minute+1)
	}
	lo = max(lo, q.Start/minute)
	if q.End != 0 {
		hi = min(hi, (q.End-1)/minute+1)
	}
	return lo, hi
}

// cell returns the cell of a minute.
func (q *SumQuery) cell(minute uint64) int {
	if q.Step == 0 {
		return 0
	}
	return int((minute*uint64(time.Minute) - min(q.First, minute*uint64(time.Minute))) / q.Step)
}

// sums adds up the pre-aggregates that q asks for: cell by cell for one service
// or operation after the other, cells without spans left out.
func (v *view) sums(ctx context.Context, q SumQuery) iter.Seq2[*OperationSum, error] {
	if q.Report == nil {
		q.Report = &Report{}
	}
	return func(yield func(*OperationSum, error) bool) {
		v.missing(q.Report, q.Start, q.End)
		s, err := v.summer(ctx, q)
		if err == nil {
			err = s.run(ctx, yield)
		}
		if err != nil {
			yield(nil, err)
		}
	}
}

// summer adds up the sums of nodes.
type summer struct {
	query   SumQuery
	names   *sumNames
	nodes   []cellNode
	rows    [][]sumRow        // by node: those of the service being added up
	briefs  [][]DurationBrief // by node: of those rows; nil when they have none
	kept    map[uint32]bool   // by operation: what Keep said
	scratch *[histogramBuckets]uint64
	out     OperationSum
}

// cellNode is a node and the cell it belongs to.
type cellNode struct {
	cell int
	*sumNode
}

// summer gathers the nodes that answer q. Blocks that cannot be read are left
// out.
func (v *view) summer(ctx context.Context, q SumQuery) (*summer, error) {
	var blocks []part
	var heads []*head
	for _, p := range v.parts {
		if h, ok := p.(*head); !ok {
			blocks = append(blocks, p)
		} else if h.rows() > 0 {
			heads = append(heads, h)
		}
	}
	cache := v.sumCache
	if cache == nil {
		cache = newSumCache()
	}
	s := &summer{query: q, names: cache.current(), kept: map[uint32]bool{}, scratch: &[histogramBuckets]uint64{}}
	builder := &sumBuilding{view: v, names: s.names, cache: cache, blocks: blocks, version: v.version, report: q.Report}
	if err := builder.cells(ctx, &q, &s.nodes); err != nil {
		return nil, err
	}
	if err := builder.heads(&q, heads, &s.nodes); err != nil {
		return nil, err
	}
	slices.SortStableFunc(s.nodes, func(a, b cellNode) int { return a.cell - b.cell })
	s.rows = make([][]sumRow, len(s.nodes))
	apart := q.ByOperation || q.Keep != nil
	for _, n := range s.nodes {
		if n.incomplete || apart && len(n.rest) > 0 {
			q.Report.Stopped = cmp.Or(q.Report.Stopped, valueLimit)
		}
	}
	return s, nil
}

// run yields the sums, service by service.
func (s *summer) run(ctx context.Context, yield func(*OperationSum, error) bool) error {
	for _, service := range s.services() {
		if err := ctx.Err(); err != nil {
			return err
		}
		var more bool
		s.out = OperationSum{Service: s.names.service(service)}
		switch {
		case s.query.ByOperation:
			more = s.byOperation(service, yield)
		case s.query.Keep != nil:
			more = s.keptOperations(service, yield)
		default:
			more = s.wholeService(service, yield)
		}
		if !more {
			return nil
		}
	}
	return nil
}

// services lists the services asked for that the nodes have.
func (s *summer) services() []uint32 {
	if s.query.Service != "" {
		if id, ok := s.names.serviceID(s.query.Service); ok {
			return []uint32{id}
		}
		return nil
	}
	seen := map[uint32]bool{}
	var ids []uint32
	for _, n := range s.nodes {
		for i := range n.services {
			if id := n.services[i].service; !seen[id] {
				seen[id] = true
				ids = append(ids, id)
			}
		}
	}
	return ids
}

// rowsOf returns the rows of a service, which are sorted by it, and where they
// begin.
func rowsOf(rows []sumRow, service uint32) (of []sumRow, from int) {
	from = sort.Search(len(rows), func(i int) bool { return rows[i].service >= service })
	to := from
	for to < len(rows) && rows[to].service == service {
		to++
	}
	return rows[from:to], from
}

// wholeService yields the sums of all operations of a service.
func (s *summer) wholeService(service uint32, yield func(*OperationSum, error) bool) bool {
	class := uint32(otherClass)
	if s.briefs == nil {
		s.briefs = make([][]DurationBrief, len(s.nodes))
	}
	for i, n := range s.nodes {
		var from int
		s.rows[i], from = rowsOf(n.services, service)
		s.briefs[i] = n.briefs[from:]
		if len(s.rows[i]) > 0 && s.rows[i][0].key == entryClass {
			class = entryClass
		}
	}
	s.out.Entry = class == entryClass
	return s.emit(yield, func(r *sumRow) bool { return r.key == class })
}

// keptOperations yields the sums of the operations of a service that are kept.
func (s *summer) keptOperations(service uint32, yield func(*OperationSum, error) bool) bool {
	entry := false
	for i, n := range s.nodes {
		s.rows[i], _ = rowsOf(n.ops, service)
		for at := range s.rows[i] {
			r := &s.rows[i][at]
			entry = entry || EntryKind(s.names.operation(r.key).spanKind) && s.keeps(r.key)
		}
	}
	s.out.Entry = entry
	return s.emit(yield, func(r *sumRow) bool {
		return s.keeps(r.key) && (!entry || EntryKind(s.names.operation(r.key).spanKind))
	})
}

// byOperation yields the sums of each operation of a service that is kept.
func (s *summer) byOperation(service uint32, yield func(*OperationSum, error) bool) bool {
	all := make([][]sumRow, len(s.nodes))
	var keys []uint32
	for i, n := range s.nodes {
		all[i], _ = rowsOf(n.ops, service)
		for at := range all[i] {
			keys = append(keys, all[i][at].key)
		}
	}
	slices.Sort(keys)
	for _, key := range slices.Compact(keys) {
		if !s.keeps(key) {
			continue
		}
		for i, rows := range all {
			at, found := slices.BinarySearchFunc(rows, key, func(r sumRow, key uint32) int { return int(int64(r.key) - int64(key)) })
			if s.rows[i] = nil; found {
				s.rows[i] = rows[at : at+1]
			}
		}
		name := s.names.operation(key)
		s.out.Operation, s.out.SpanKind = name.operation, name.spanKind
		if !s.emit(yield, func(*sumRow) bool { return true }) {
			return false
		}
	}
	return true
}

func (s *summer) keeps(key uint32) bool {
	if s.query.Keep == nil {
		return true
	}
	kept, known := s.kept[key]
	if !known {
		name := s.names.operation(key)
		kept = s.query.Keep(name.service, name.operation, name.spanKind)
		s.kept[key] = kept
	}
	return kept
}

// countedRow is a row that counts, by its node and its place in s.rows.
type countedRow struct{ node, at int }

// emit adds up the rows in s.rows that count, cell by cell.
func (s *summer) emit(yield func(*OperationSum, error) bool, counts func(*sumRow) bool) bool {
	var counted []countedRow
	for i := 0; i < len(s.nodes); {
		cell := s.nodes[i].cell
		s.out.Cell, s.out.Count, s.out.Errors = cell, 0, 0
		counted = counted[:0]
		for ; i < len(s.nodes) && s.nodes[i].cell == cell; i++ {
			for at := range s.rows[i] {
				if r := &s.rows[i][at]; counts(r) {
					s.out.Count += r.count
					s.out.Errors += r.errors
					counted = append(counted, countedRow{i, at})
				}
			}
		}
		if s.out.Count > 0 && !s.give(yield, counted) {
			return false
		}
	}
	return true
}

// give yields the sum of a cell, which is that of rows.
func (s *summer) give(yield func(*OperationSum, error) bool, rows []countedRow) bool {
	if s.query.Brief && len(rows) == 1 && s.briefs != nil {
		s.out.Brief = s.briefs[rows[0].node][rows[0].at]
		return yield(&s.out, nil)
	}
	low, top := histogramBuckets, 0
	for _, c := range rows {
		r := &s.rows[c.node][c.at]
		first, last := addBuckets(s.nodes[c.node].buckets[r.from:r.to], s.scratch)
		low, top = min(low, first), max(top, last)
	}
	h := Histogram{count: s.out.Count}
	if low < top {
		h.low, h.counts = low, s.scratch[low:top]
	}
	if s.query.Brief {
		s.out.Brief = h.Brief()
	} else {
		s.out.Durations = &h
	}
	more := yield(&s.out, nil)
	clear(h.counts)
	return more
}
