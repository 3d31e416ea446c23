package store_test

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/signalbox-otel/signalbox/internal/store"
)

// checkColumns compares what is answered from columns with what whole records
// of the oracle give.
func (h *history) checkColumns(q store.Query, fields []store.Field, ids []store.TraceID) {
	h.t.Helper()
	ctx, view := context.Background(), h.snapshot()
	unlimited := q
	unlimited.Limit, unlimited.OnePerTrace = 0, false
	all := collect(h.t, h.memory.Spans(ctx, unlimited))

	var got, want []string
	for _, d := range collect(h.t, view.Dots(ctx, q)) {
		for i := range d.Start {
			got = append(got, fmt.Sprint(d.Start[i], d.Duration[i], d.Failed[i]))
		}
	}
	for _, s := range all {
		want = append(want, fmt.Sprint(s.Start, s.Duration(), s.StatusCode == 2))
	}
	if !slices.Equal(sorted(got), sorted(want)) {
		h.t.Errorf("dots %+v: %s", q, firstDifference(got, want))
	}

	got, want = texts(collect(h.t, view.Slowest(ctx, q)), lengthText), texts(slowestOf(q, all), lengthText)
	if !slices.Equal(got, want) {
		h.t.Errorf("slowest %+v: %s", q, firstDifference(got, want))
	}

	got, want = nil, nil
	for _, s := range collect(h.t, view.Traces(ctx, ids, store.NeedAll, nil)) {
		got = append(got, spanText(s))
	}
	for _, id := range slices.Compact(slices.SortedFunc(slices.Values(ids), func(a, b store.TraceID) int { return slices.Compare(a[:], b[:]) })) {
		want = append(want, texts(collect(h.t, h.memory.Trace(ctx, id, nil)), spanText)...)
	}
	if !slices.Equal(sorted(got), sorted(want)) {
		h.t.Errorf("traces %v: %s", ids, firstDifference(got, want))
	}

	h.checkTally(store.Spans, q, fields, len(all), func(i int, f store.Field, each func(store.Value) bool) { store.SpanValues(all[i], f, each) })
}

// checkLogColumns is checkColumns for log records.
func (h *history) checkLogColumns(q store.Query, fields []store.Field) {
	h.t.Helper()
	unlimited := q
	unlimited.Limit, unlimited.OnePerTrace = 0, false
	all := collect(h.t, h.memory.Logs(context.Background(), unlimited))

	var got, want []string
	for _, t := range collect(h.t, h.snapshot().Ticks(context.Background(), q)) {
		for i := range t.At {
			got = append(got, fmt.Sprint(t.At[i], t.Severity[i]))
		}
	}
	for _, l := range all {
		want = append(want, fmt.Sprint(l.At(), l.SeverityNumber))
	}
	if !slices.Equal(sorted(got), sorted(want)) {
		h.t.Errorf("ticks %+v: %s", q, firstDifference(got, want))
	}

	h.checkTally(store.Logs, q, fields, len(all), func(i int, f store.Field, each func(store.Value) bool) { store.LogValues(all[i], f, each) })
}

// checkTally compares the counts of values with those of n records.
func (h *history) checkTally(k store.Kind, q store.Query, fields []store.Field, n int, values func(i int, f store.Field, each func(store.Value) bool)) {
	h.t.Helper()
	got, want := make([]map[store.Value]uint64, len(fields)), make([]map[store.Value]uint64, len(fields))
	gotHave, wantHave := make([]uint64, len(fields)), make([]uint64, len(fields))
	for i := range fields {
		got[i], want[i] = map[store.Value]uint64{}, map[store.Value]uint64{}
	}
	records := uint64(0)
	for _, t := range collect(h.t, h.snapshot().Tally(context.Background(), k, q, fields)) {
		records += t.Records
		for i, f := range t.Fields {
			gotHave[i] += f.Records
			for _, v := range f.Values {
				got[i][v.Value] += v.Count
			}
		}
	}
	for r := range n {
		for i, f := range fields {
			had := false
			values(r, f, func(v store.Value) bool {
				want[i][v]++
				had = true
				return true
			})
			if had {
				wantHave[i]++
			}
		}
	}
	if records != uint64(n) {
		h.t.Errorf("tally of %s %+v: got %d records; want %d", k, q, records, n)
	}
	for i, f := range fields {
		if g, w := fmt.Sprint(gotHave[i], got[i]), fmt.Sprint(wantHave[i], want[i]); g != w {
			h.t.Errorf("tally of %s %+v, field %+v: got %s; want %s", k, q, f, g, w)
		}
	}
}

func lengthText(s *store.Span) string {
	return fmt.Sprint(s.Duration(), s.Start, s.TraceID, s.SpanID)
}

// slowestOf is the definition of Slowest.
func slowestOf(q store.Query, all []*store.Span) (out []*store.Span) {
	all = slices.Clone(all)
	slices.SortFunc(all, func(a, b *store.Span) int {
		return cmp.Or(cmp.Compare(b.Duration(), a.Duration()), cmp.Compare(b.Start, a.Start),
			slices.Compare(a.TraceID[:], b.TraceID[:]), slices.Compare(a.SpanID[:], b.SpanID[:]))
	})
	seen := map[store.TraceID]bool{}
	for _, s := range all {
		if q.OnePerTrace && seen[s.TraceID] || q.Limit > 0 && len(out) == q.Limit {
			continue
		}
		seen[s.TraceID] = true
		out = append(out, s)
	}
	return out
}

// TestColumns compares what random histories answer from columns with the
// oracle.
func TestColumns(t *testing.T) {
	intrinsics := []string{store.FieldName, store.FieldKind, store.FieldStatus, store.FieldStatusMessage, store.FieldTraceState, store.FieldDuration,
		store.FieldParentID, store.FieldScopeName, store.FieldEventName, store.FieldSeverity, store.FieldSeverityText, store.FieldBody}
	for seed := range uint64(4) {
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			r, h := newRandom(seed), newHistory(t)
			for range 8 {
				k := pick(r, store.Spans, store.Logs)
				h.append(r.batch(k, 1+r.IntN(600)))
				if r.IntN(2) == 0 {
					h.seal(k)
				}
				for range 6 {
					q := r.query()
					if r.IntN(3) == 0 {
						root := store.Cond{Field: store.Field{Name: store.FieldParentID}, Op: pick(r, store.Eq, store.Ne), Value: store.StringValue("")}
						if q.Where == nil {
							q.Where = root
						} else {
							q.Where = store.And{root, q.Where}
						}
					}
					fields := []store.Field{r.field(), r.field(), {Name: pick(r, intrinsics...)}, {Name: pick(r, intrinsics...)}, {Place: store.ResourceAttr, Name: "service.name"}}
					h.checkColumns(q, fields, []store.TraceID{r.traceID(), r.traceID(), r.traceID()})
					h.checkLogColumns(q, fields)
				}
			}
		})
	}
}

// A reader that stops early or a context that ends leaves nothing running.
func TestColumnsStop(t *testing.T) {
	r, h := newRandom(3), newHistory(t)
	for range 6 {
		h.append(r.batch(store.Spans, 200))
		h.seal(store.Spans)
	}
	for range h.snapshot().Dots(t.Context(), store.Query{}) {
		break
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, err := range h.snapshot().Dots(ctx, store.Query{}) {
		if err != context.Canceled {
			t.Errorf("got %v; want the context's error", err)
		}
	}
	report := &store.Report{}
	n := 0
	for d, err := range h.snapshot().Dots(t.Context(), store.Query{MaxRows: 500, Report: report}) {
		if err != nil {
			t.Fatal(err)
		}
		n += len(d.Start)
	}
	if n != 500 || report.Rows != 500 || report.Stopped != "row limit" {
		t.Errorf("got %d dots and report %+v; want 500 and the row limit", n, report)
	}
}

// TestTraceOfManyGroups reads traces whose spans are all over a block.
func TestTraceOfManyGroups(t *testing.T) {
	const seed = 29
	t.Logf("seed %d", seed)
	r, h := newRandom(seed), newHistory(t)
	h.append(r.batch(store.Spans, 20_000))
	h.seal(store.Spans)
	if n := h.parts[0].Groups(); n < 5 {
		t.Fatalf("got %d groups; want more", n)
	}
	h.checkTrace(store.TraceID{})
	for range 10 {
		h.checkTrace(r.traceID())
	}
}
