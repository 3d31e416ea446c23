package store_test

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"iter"
	"maps"
	"slices"
	"testing"

	"github.com/signalbox-otel/signalbox/internal/store"
	"github.com/signalbox-otel/signalbox/internal/store/storetest"
)

// history is a random sequence of appends and seals, in a Memory and in parts.
type history struct {
	t      *testing.T
	memory storetest.Memory
	parts  []store.Part
	heads  map[store.Kind]store.Part
}

func newHistory(t *testing.T) *history {
	return &history{t: t, heads: map[store.Kind]store.Part{}}
}

func (h *history) append(b *store.Batch) {
	head, ok := h.heads[b.Kind]
	if !ok {
		head = store.NewTestHead(b.Kind)
		h.heads[b.Kind] = head
	}
	head.Append(b)
	if err := h.memory.Append(context.Background(), b); err != nil {
		h.t.Fatal(err)
	}
}

// seal turns the head of a kind into a block.
func (h *history) seal(k store.Kind) {
	head, ok := h.heads[k]
	if !ok {
		return
	}
	h.parts = append(h.parts, sealed(h.t, head, fmt.Sprintf("%d.block", len(h.parts))))
	delete(h.heads, k)
}

// merge makes one block of some neighbours of a kind.
func (h *history) merge(r *random, k store.Kind) {
	var of []int
	for i, p := range h.parts {
		if p.Kind() == k {
			of = append(of, i)
		}
	}
	if len(of) < 2 {
		return
	}
	from := r.IntN(len(of) - 1)
	of = of[from : from+2+r.IntN(len(of)-from-1)]
	var parts []store.Part
	for _, i := range of {
		parts = append(parts, h.parts[i])
	}
	file, err := store.MergeTestBlocks(parts...)
	if err != nil {
		h.t.Fatal(err)
	}
	merged, err := store.OpenTestBlock(bytes.NewReader(file), int64(len(file)), fmt.Sprintf("merged-%d.block", len(file)))
	if err != nil {
		h.t.Fatal(err)
	}
	h.parts[of[0]] = merged
	for _, i := range slices.Backward(of[1:]) {
		h.parts = slices.Delete(h.parts, i, i+1)
	}
}

// sealed is the block of a head.
func sealed(t testing.TB, head store.Part, name string) store.Part {
	t.Helper()
	file, err := head.Seal()
	if err != nil {
		t.Fatal(err)
	}
	block, err := store.OpenTestBlock(bytes.NewReader(file), int64(len(file)), name)
	if err != nil {
		t.Fatal(err)
	}
	return block
}

// snapshot is a view of all parts.
func (h *history) snapshot() *store.TestView {
	parts := slices.Concat(h.parts, slices.Collect(maps.Values(h.heads)))
	return store.NewTestView(func(err *store.CorruptionError) { h.t.Error(err) }, parts...)
}

func collect[T any](t *testing.T, seq iter.Seq2[T, error]) []T {
	t.Helper()
	var out []T
	for v, err := range seq {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, v)
	}
	store.ScribblePages()
	return out
}

func texts[T any](records []T, text func(T) string) []string {
	out := make([]string, len(records))
	for i, r := range records {
		out[i] = text(r)
	}
	return out
}

func sorted(s []string) []string {
	slices.Sort(s)
	return s
}

// compareAnswers compares the answer of the engine with that of the oracle. all
// is the oracle's answer without a limit: records of the same time may be
// chosen freely.
func compareAnswers[T any](t *testing.T, q store.Query, got, want, all []T, text func(T) string, at func(T) uint64, trace func(T) store.TraceID) {
	t.Helper()
	if q.Limit == 0 && !q.OnePerTrace {
		if g, w := sorted(texts(got, text)), sorted(texts(want, text)); !slices.Equal(g, w) {
			t.Errorf("query %+v: got %d records; want %d\nfirst differing: %s", q, len(g), len(w), firstDifference(g, w))
		}
		return
	}
	times := func(records []T) (out []uint64) {
		for _, r := range records {
			out = append(out, at(r))
		}
		return out
	}
	if g, w := times(got), times(want); !slices.Equal(g, w) {
		t.Errorf("query %+v: got times %v; want %v", q, g, w)
	}
	matching := map[string]int{}
	for _, r := range all {
		matching[text(r)]++
	}
	seen := map[store.TraceID]bool{}
	for _, r := range got {
		if matching[text(r)]--; matching[text(r)] < 0 {
			t.Errorf("query %+v: got a record that does not match, or twice: %s", q, text(r))
		}
		if q.OnePerTrace && seen[trace(r)] {
			t.Errorf("query %+v: got trace %s twice", q, trace(r))
		}
		seen[trace(r)] = true
	}
}

func firstDifference(got, want []string) string {
	for i := range max(len(got), len(want)) {
		switch {
		case i >= len(got):
			return "missing " + want[i]
		case i >= len(want):
			return "extra " + got[i]
		case got[i] != want[i]:
			return fmt.Sprintf("got %s\nwant %s", got[i], want[i])
		}
	}
	return ""
}

func (h *history) checkQuery(k store.Kind, q store.Query) {
	h.t.Helper()
	ctx, view := context.Background(), h.snapshot()
	unlimited := q
	unlimited.Limit, unlimited.OnePerTrace = 0, false
	q.Report = &store.Report{}
	if k == store.Spans {
		compareAnswers(h.t, q, collect(h.t, view.Spans(ctx, q)), collect(h.t, h.memory.Spans(ctx, q)),
			collect(h.t, h.memory.Spans(ctx, unlimited)), spanText,
			func(s *store.Span) uint64 { return s.Start }, func(s *store.Span) store.TraceID { return s.TraceID })
	} else {
		compareAnswers(h.t, q, collect(h.t, view.Logs(ctx, q)), collect(h.t, h.memory.Logs(ctx, q)),
			collect(h.t, h.memory.Logs(ctx, unlimited)), logText,
			(*store.Log).At, func(l *store.Log) store.TraceID { return l.TraceID })
	}
	if q.Report.Partial() {
		h.t.Errorf("query %+v: partial answer: %+v", q, q.Report)
	}
}

func (h *history) checkTrace(id store.TraceID) {
	h.t.Helper()
	ctx := context.Background()
	got := sorted(texts(collect(h.t, h.snapshot().Trace(ctx, id, nil)), spanText))
	want := sorted(texts(collect(h.t, h.memory.Trace(ctx, id, nil)), spanText))
	if !slices.Equal(got, want) {
		h.t.Errorf("trace %s: got %d spans; want %d: %s", id, len(got), len(want), firstDifference(got, want))
	}
}

func operationText(om *store.OperationMinute) string {
	s := fmt.Sprintf("%q %q %d %s: %d %d", om.Service, om.Operation, om.SpanKind, om.Minute, om.Count, om.Errors)
	om.Durations.Buckets(func(i int, n uint64) { s += fmt.Sprintf(" %d*%d", n, i) })
	return s
}

func (h *history) checkOperations(start, end uint64) {
	h.t.Helper()
	ctx := context.Background()
	got := sorted(texts(collect(h.t, h.snapshot().Operations(ctx, start, end, nil)), operationText))
	want := sorted(texts(collect(h.t, h.memory.Operations(ctx, start, end, nil)), operationText))
	if !slices.Equal(got, want) {
		h.t.Errorf("operations from %d to %d: %s", start, end, firstDifference(got, want))
	}
}

func (h *history) checkFields(q store.FieldQuery) {
	h.t.Helper()
	ctx := context.Background()
	keyText := func(k store.FieldKey) string { return fmt.Sprintf("%+v", k) }
	got := texts(collect(h.t, h.snapshot().Keys(ctx, q)), keyText)
	want := texts(collect(h.t, h.memory.Keys(ctx, q)), keyText)
	if !slices.Equal(got, want) {
		h.t.Errorf("keys %+v: %s", q, firstDifference(got, want))
	}
	valueText := func(v store.FieldValue) string { return fmt.Sprintf("%+v", v) }
	got = texts(collect(h.t, h.snapshot().Values(ctx, q)), valueText)
	want = texts(collect(h.t, h.memory.Values(ctx, q)), valueText)
	if !slices.Equal(got, want) {
		h.t.Errorf("values %+v: %s", q, firstDifference(got, want))
	}
}

// TestHistories compares random histories with the oracle. A failure names the
// seed that repeats it.
func TestHistories(t *testing.T) {
	for seed := range uint64(5) {
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) { runHistory(t, seed) })
	}
}

func runHistory(t *testing.T, seed uint64) {
	r, h := newRandom(seed), newHistory(t)
	for range 10 {
		k := pick(r, store.Spans, store.Logs)
		h.append(r.batch(k, 1+r.IntN(cmp.Or(r.IntN(5)*200, 1))))
		if r.IntN(3) == 0 {
			h.seal(k)
		}
		if r.IntN(3) == 0 {
			h.merge(r, k)
		}
		for range 10 {
			h.checkQuery(pick(r, store.Spans, store.Logs), r.query())
		}
		h.checkTrace(r.traceID())
		h.checkOperations(pick(r, 0, r.time()), pick(r, 0, r.time()))
		h.checkFields(store.FieldQuery{Kind: k, Field: r.field(), Match: pick(r, "", "a", "val"), Limit: pick(r, 0, 3)})
	}
	for _, k := range []store.Kind{store.Spans, store.Logs} {
		h.seal(k)
		h.checkQuery(k, store.Query{})
		h.merge(r, k)
		h.checkQuery(k, store.Query{})
	}
	h.checkOperations(0, 0)
	h.checkTrace(r.traceID())
	for _, k := range []store.Kind{store.Spans, store.Logs} {
		for _, place := range []store.Place{store.AnyAttr, store.RecordAttr, store.ResourceAttr, store.ScopeAttr, store.EventAttr, store.LinkAttr} {
			h.checkFields(store.FieldQuery{Kind: k, Field: store.Field{Place: place}})
		}
	}
}
