package store_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/signalbox-otel/signalbox/bench/workload"
	"github.com/signalbox-otel/signalbox/internal/store"
	"github.com/signalbox-otel/signalbox/internal/store/storetest"
)

// TestRecordsComeBack puts records of every shape, more than a page of them,
// through a head and a block.
func TestRecordsComeBack(t *testing.T) {
	const seed = 11
	t.Logf("seed %d", seed)
	r, h := newRandom(seed), newHistory(t)
	for _, k := range []store.Kind{store.Spans, store.Logs} {
		h.append(r.batch(k, 5000))
		h.checkQuery(k, store.Query{})
		h.seal(k)
		h.checkQuery(k, store.Query{})
		h.checkQuery(k, store.Query{Limit: 10, OnePerTrace: true})
		for _, op := range []store.Op{store.Eq, store.Ne, store.Contains} {
			for _, v := range []string{pick(r, append(r.ids, "")...), "none"} {
				h.checkQuery(k, store.Query{Limit: 5, Where: attrIs(store.AnyAttr, "id", op, store.StringValue(v))})
			}
		}
	}
	h.checkTrace(r.traceID())
	h.checkTrace(store.TraceID{})
	for _, f := range []store.Field{{Place: store.AnyAttr, Name: "a"}, {Place: store.EventAttr, Name: "b"}, {Name: store.FieldName},
		{Name: store.FieldKind}, {Name: store.FieldDuration}, {Name: store.FieldBody}, {Name: store.FieldScopeName}, {Name: store.FieldEventName}} {
		h.checkFields(store.FieldQuery{Kind: store.Spans, Field: f, Limit: 100_000})
		h.checkFields(store.FieldQuery{Kind: store.Logs, Field: f, Limit: 100_000})
	}
}

// TestColumnsAreBounded sends every attribute under a key of its own.
func TestColumnsAreBounded(t *testing.T) {
	r, h := newRandom(3), newHistory(t)
	b := r.batch(store.Spans, 500)
	for i := range b.Spans {
		for j := range 10 {
			b.Spans[i].Attrs = append(b.Spans[i].Attrs, store.Attr{Key: fmt.Sprintf("key-%d-%d", i, j), Value: store.IntValue(int64(i))})
		}
	}
	long := strings.Repeat("k", 5000)
	b.Spans[7].Attrs = append(b.Spans[7].Attrs, store.Attr{Key: long, Value: store.BoolValue(true)})
	h.append(b)
	check := func(p store.Part) {
		t.Helper()
		if n := p.Columns(); n > 2000 {
			t.Errorf("got %d columns; want at most 2000", n)
		}
		h.checkQuery(store.Spans, store.Query{})
		h.checkQuery(store.Spans, store.Query{Where: attrIs(store.RecordAttr, "key-499-9", store.Eq, store.IntValue(499))})
		h.checkQuery(store.Spans, store.Query{Where: attrIs(store.RecordAttr, "key-0-0", store.Ge, store.IntValue(0))})
		h.checkQuery(store.Spans, store.Query{Where: attrIs(store.RecordAttr, long, store.Eq, store.BoolValue(true))})
		h.checkQuery(store.Spans, store.Query{Where: attrIs(store.RecordAttr, "absent", store.Exists, store.Value{})})
		h.checkFields(store.FieldQuery{Kind: store.Spans, Field: store.Field{Place: store.RecordAttr, Name: "key-499-9"}, Limit: 10_000})
	}
	check(h.heads[store.Spans])
	h.seal(store.Spans)
	check(h.parts[0])
}

// TestLongTextsMakeSmallPages checks that rows with long texts are divided into
// pages that a reader can hold.
func TestLongTextsMakeSmallPages(t *testing.T) {
	h := newHistory(t)
	b := &store.Batch{Kind: store.Logs}
	for i := range 40 {
		body := bytes.Repeat([]byte{byte(i), byte(i * 7)}, 300_000)
		b.Logs = append(b.Logs, store.Log{Resource: &store.Resource{}, Scope: &store.Scope{}, Time: uint64(i + 1), Body: store.BytesValue(string(body))})
	}
	h.append(b)
	h.seal(store.Logs)
	h.checkQuery(store.Logs, store.Query{})
	h.checkQuery(store.Logs, store.Query{Limit: 1})
	if n := h.parts[0].Groups(); n < 5 {
		t.Errorf("24 MB of bodies are on %d pages; want more", n)
	}
}

// TestReport checks what a query says of itself.
func TestReport(t *testing.T) {
	r, h := newRandom(5), newHistory(t)
	h.append(r.batch(store.Spans, 100))
	h.seal(store.Spans)
	h.append(r.batch(store.Spans, 100))
	rep := &store.Report{}
	n := len(collect(t, h.snapshot().Spans(context.Background(), store.Query{MaxRows: 150, Report: rep})))
	if n != 150 || rep.Stopped != "row limit" || rep.Rows != 150 || !rep.Partial() {
		t.Errorf("got %d spans, %+v; want 150 and a row limit", n, rep)
	}
	rep = &store.Report{}
	collect(t, h.snapshot().Spans(context.Background(), store.Query{Report: rep,
		Where: attrIs(store.Intrinsic, store.FieldName, store.Eq, store.StringValue("no such name"))}))
	if rep.BlocksSkipped != 1 {
		t.Errorf("got %+v; want one block skipped", rep)
	}
	rep = &store.Report{}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	for _, err := range h.snapshot().Spans(ctx, store.Query{Report: rep}) {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("got %v; want context canceled", err)
		}
	}
	for _, err := range h.snapshot().Spans(context.Background(), store.Query{Where: store.Cond{Op: store.Regexp, Value: store.StringValue("(")}}) {
		if err == nil {
			t.Error("got a span for a regular expression that does not compile")
		}
	}
}

// answers runs every kind of question and returns the answers as text, or the
// corruption it met.
func answers(v *store.TestView, k store.Kind) (string, error) {
	var out bytes.Buffer
	ctx, rep := context.Background(), &store.Report{}
	var err error
	note := func(e error) {
		if e != nil {
			err = e
		}
	}
	add := func(lines []string) {
		slices.Sort(lines)
		for _, line := range lines {
			fmt.Fprintf(&out, "%q\n", line)
		}
	}
	for _, where := range []store.Expr{nil, attrIs(store.AnyAttr, "a", store.Eq, store.StringValue("GET")),
		attrIs(store.EventAttr, "b", store.Exists, store.Value{}), attrIs(store.Intrinsic, store.FieldTraceID, store.Eq, store.StringValue(store.TraceID{}.String()))} {
		var lines []string
		if k == store.Spans {
			for s, e := range v.Spans(ctx, store.Query{Where: where, Report: rep}) {
				if note(e); e == nil {
					lines = append(lines, spanText(s))
				}
			}
		} else {
			for l, e := range v.Logs(ctx, store.Query{Where: where, Report: rep}) {
				if note(e); e == nil {
					lines = append(lines, logText(l))
				}
			}
		}
		add(lines)
	}
	var lines []string
	for s, e := range v.Trace(ctx, store.TraceID{}, rep) {
		if note(e); e == nil {
			lines = append(lines, spanText(s))
		}
	}
	add(lines)
	lines = nil
	for om, e := range v.Operations(ctx, 0, 0, rep) {
		if note(e); e == nil {
			lines = append(lines, operationText(om))
		}
	}
	add(lines)
	lines = nil
	for key, e := range v.Keys(ctx, store.FieldQuery{Kind: k, Field: store.Field{Place: store.AnyAttr}, Report: rep}) {
		note(e)
		lines = append(lines, fmt.Sprintf("%+v", key))
	}
	for val, e := range v.Values(ctx, store.FieldQuery{Kind: k, Field: store.Field{Place: store.RecordAttr, Name: "a"}, Report: rep}) {
		note(e)
		lines = append(lines, fmt.Sprintf("%+v", val))
	}
	add(lines)
	if err == nil && rep.Partial() {
		err = &store.CorruptionError{File: rep.Unreadable[0]}
	}
	return out.String(), err
}

// TestCorruption flips bytes of a block: every answer is right or said to be
// partial.
func TestCorruption(t *testing.T) {
	const seed = 21
	t.Logf("seed %d", seed)
	r := newRandom(seed)
	for _, k := range []store.Kind{store.Spans, store.Logs} {
		head := store.NewTestHead(k)
		head.Append(r.batch(k, 150))
		file, err := head.Seal()
		if err != nil {
			t.Fatal(err)
		}
		want, err := answers(store.NewTestView(nil, sealed(t, head, "b")), k)
		if err != nil {
			t.Fatal(err)
		}
		noticed := 0
		for range 250 {
			damaged := bytes.Clone(file)
			at := r.IntN(len(file))
			damaged[at] ^= byte(1 + r.IntN(255))
			var corrupt *store.CorruptionError
			block, err := store.OpenTestBlock(bytes.NewReader(damaged), int64(len(damaged)), "b")
			if err == nil {
				var got string
				if got, err = answers(store.NewTestView(nil, block), k); err == nil && got != want {
					t.Fatalf("%s: byte %d of %d damaged: a wrong answer and no error", k, at, len(file))
				}
			}
			if errors.As(err, &corrupt) {
				noticed++
			} else if err != nil {
				t.Fatalf("%s: byte %d damaged: got %v; want a CorruptionError", k, at, err)
			}
		}
		if noticed < 200 {
			t.Errorf("%s: %d of 250 damages noticed; want nearly all", k, noticed)
		}
		for n := range len(file) {
			if n > 64 && n < len(file)-64 && n%97 != 0 {
				continue
			}
			if _, err := store.OpenTestBlock(bytes.NewReader(file[:n]), int64(n), "b"); err == nil {
				t.Errorf("%s: opened the first %d of %d bytes", k, n, len(file))
			}
		}
	}
}

// TestCorruptBlockLeavesTheOthers damages the pages of one of two blocks.
func TestCorruptBlockLeavesTheOthers(t *testing.T) {
	r := newRandom(8)
	good, bad := store.NewTestHead(store.Spans), store.NewTestHead(store.Spans)
	kept := r.batch(store.Spans, 50)
	newest := r.batch(store.Spans, 50)
	for i := range newest.Spans {
		newest.Spans[i].Start |= 1 << 62
	}
	bad.Append(newest)
	file, err := bad.Seal()
	if err != nil {
		t.Fatal(err)
	}
	for i := 8; i < len(file)/3; i++ {
		file[i] ^= 0x55
	}
	block, err := store.OpenTestBlock(bytes.NewReader(file), int64(len(file)), "bad.block")
	if err != nil {
		t.Fatal(err)
	}
	for i := range kept.Spans {
		kept.Spans[i].Start >>= 8
	}
	good.Append(kept)
	var told []string
	view := store.NewTestView(func(err *store.CorruptionError) { told = append(told, err.File) }, block, sealed(t, good, "good.block"))
	rep := &store.Report{}
	got := sorted(texts(collect(t, view.Spans(context.Background(), store.Query{Limit: 1000, Report: rep})), spanText))
	var want []string
	for i := range kept.Spans {
		want = append(want, spanText(&kept.Spans[i]))
	}
	if !slices.Equal(got, sorted(want)) {
		t.Errorf("got %d spans; want those of the good block: %s", len(got), firstDifference(got, want))
	}
	if !slices.Equal(rep.Unreadable, []string{"bad.block"}) || !slices.Equal(told, rep.Unreadable) {
		t.Errorf("got report %+v and %q told; want bad.block once", rep, told)
	}
	if n := len(collect(t, view.Spans(context.Background(), store.Query{Limit: 20}))); n != 20 {
		t.Errorf("got %d spans; want 20, unreadable ones must not crowd out others", n)
	}
}

// TestReadersDuringAppend reads a head, and seals it, while it grows.
func TestReadersDuringAppend(t *testing.T) {
	r := newRandom(13)
	head := store.NewTestHead(store.Spans)
	var batches []*store.Batch
	for range 30 {
		batches = append(batches, r.batch(store.Spans, 100))
	}
	head.Append(batches[0])
	// A reader lets one append begin, and reads beside it.
	next, done := make(chan struct{}), make(chan struct{})
	var wg sync.WaitGroup
	for i := range 3 {
		wg.Go(func() {
			q := newRandom(uint64(i))
			for {
				select {
				case <-done:
					return
				case next <- struct{}{}:
				}
				view := store.NewTestView(nil, head)
				n := len(collect(t, view.Spans(context.Background(), store.Query{})))
				if n%100 != 0 {
					t.Errorf("got %d spans; want whole batches", n)
				}
				collect(t, view.Spans(context.Background(), q.query()))
				collect(t, view.Trace(context.Background(), q.traceID(), nil))
				collect(t, view.Operations(context.Background(), 0, 0, nil))
				if _, err := head.Seal(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for _, b := range batches[1:] {
		<-next
		head.Append(b)
	}
	close(done)
	wg.Wait()
}

// FuzzBlock opens and reads blocks whose footers and pages were damaged; the
// checksums are made right again, so that the decoders behind them are reached.
func FuzzBlock(f *testing.F) {
	for seed := range uint64(4) {
		f.Add(seed, uint16(0), []byte{1})
		f.Add(seed, uint16(40_000), []byte{0xff, 0xff, 0xff})
	}
	files := map[store.Kind][]byte{}
	for _, k := range []store.Kind{store.Spans, store.Logs} {
		head := store.NewTestHead(k)
		head.Append(newRandom(1).batch(k, 60))
		file, err := head.Seal()
		if err != nil {
			f.Fatal(err)
		}
		files[k] = file
	}
	f.Fuzz(func(t *testing.T, seed uint64, at uint16, change []byte) {
		k := store.Kind(1 + seed%2)
		r := rand.New(rand.NewPCG(seed, 9))
		file := bytes.Clone(files[k])
		for i, c := range change {
			file[(int(at)+i)%len(file)] ^= c
		}
		for range seed % 3 {
			file[r.IntN(len(file))] ^= byte(r.IntN(256))
		}
		file = store.RepairChecksums(file)
		if block, err := store.OpenTestBlock(bytes.NewReader(file), int64(len(file)), "b"); err == nil {
			_, _ = answers(store.NewTestView(nil, block), k)
		}
	})
}

// TestReleasedFormats reads block files as earlier versions wrote them and
// compares the answers with those of that time. Neither is ever rewritten:
// UPDATE=1 only makes files that are missing.
func TestReleasedFormats(t *testing.T) {
	for i, k := range []store.Kind{store.Spans, store.Logs, store.Spans, store.Logs} {
		name := fmt.Sprintf("testdata/format-%d-%s", 1+i/2, k)
		if _, err := os.Stat(name + ".block"); errors.Is(err, os.ErrNotExist) && os.Getenv("UPDATE") != "" {
			makeReleased(t, name, k)
		}
		file, err := os.ReadFile(name + ".block")
		if err != nil {
			t.Fatal(err)
		}
		want, err := os.ReadFile(name + ".txt")
		if err != nil {
			t.Fatal(err)
		}
		block, err := store.OpenTestBlock(bytes.NewReader(file), int64(len(file)), name)
		if err != nil {
			t.Fatal(err)
		}
		got, err := answers(store.NewTestView(nil, block), k)
		if err != nil {
			t.Fatal(err)
		}
		if got != string(want) {
			t.Errorf("%s: %s", name, firstDifference(strings.Split(got, "\n"), strings.Split(string(want), "\n")))
		}
	}
}

func makeReleased(t *testing.T, name string, k store.Kind) {
	t.Helper()
	head := store.NewTestHead(k)
	head.Append(newRandom(42).batch(k, 40))
	if k == store.Logs {
		b := workload.NewLogs(workloadStart).Batch()
		b.Logs = b.Logs[:100]
		for i := range b.Logs {
			b.Logs[i].Resource, b.Logs[i].Attrs = &store.Resource{}, nil
		}
		head.Append(b)
	}
	file, err := head.Seal()
	if err != nil {
		t.Fatal(err)
	}
	text, err := answers(store.NewTestView(nil, sealed(t, head, name)), k)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.WriteFile(name+".block", file, 0o644), os.WriteFile(name+".txt", []byte(text), 0o644)); err != nil {
		t.Fatal(err)
	}
}

// TestNeed checks that the parts asked for are filled, and the core always.
func TestNeed(t *testing.T) {
	r, h := newRandom(17), newHistory(t)
	h.append(r.batch(store.Spans, 300))
	h.append(r.batch(store.Logs, 300))
	check := func() {
		t.Helper()
		ctx, view := context.Background(), h.snapshot()
		spanCore := func(s *store.Span) string {
			return fmt.Sprint(s.TraceID, s.SpanID, s.ParentID, s.Name, s.Kind, s.StatusCode, s.Start, s.End, s.Resource.ServiceName())
		}
		logCore := func(l *store.Log) string {
			return fmt.Sprint(l.TraceID, l.SpanID, l.SeverityNumber, l.Time, l.ObservedTime, l.Resource.ServiceName())
		}
		for need, more := range map[store.Need]func(s *store.Span) string{
			store.NeedCore:   func(*store.Span) string { return "" },
			store.NeedScope:  func(s *store.Span) string { return fmt.Sprint(*s.Scope) },
			store.NeedEvents: func(s *store.Span) string { return fmt.Sprint(s.Events, s.Links) },
			store.NeedAttrs:  func(s *store.Span) string { storetest.SortAttrs(s.Attrs); return fmt.Sprint(s.Attrs) },
		} {
			text := func(s *store.Span) string {
				c := *s
				c.Attrs = slices.Clone(c.Attrs)
				return spanCore(&c) + more(&c)
			}
			got := sorted(texts(collect(t, view.Spans(ctx, store.Query{Need: need})), text))
			want := sorted(texts(collect(t, h.memory.Spans(ctx, store.Query{})), text))
			if !slices.Equal(got, want) {
				t.Errorf("need %d: %s", need, firstDifference(got, want))
			}
		}
		for need, more := range map[store.Need]func(l *store.Log) string{
			store.NeedCore: func(*store.Log) string { return "" },
			store.NeedBody: func(l *store.Log) string { return fmt.Sprint(l.Body) },
		} {
			text := func(l *store.Log) string { return logCore(l) + more(l) }
			got := sorted(texts(collect(t, view.Logs(ctx, store.Query{Need: need})), text))
			want := sorted(texts(collect(t, h.memory.Logs(ctx, store.Query{})), text))
			if !slices.Equal(got, want) {
				t.Errorf("need %d: %s", need, firstDifference(got, want))
			}
		}
	}
	check()
	h.seal(store.Spans)
	h.seal(store.Logs)
	check()
}

// TestDictionaryOfManyPages looks up values that differ only beyond what the
// footer holds of them.
func TestDictionaryOfManyPages(t *testing.T) {
	h := newHistory(t)
	value := func(i int) store.Value {
		return store.StringValue(strings.Repeat("x", 60) + fmt.Sprintf("%04d", i))
	}
	b := &store.Batch{Kind: store.Logs}
	for i := range 6000 {
		b.Logs = append(b.Logs, store.Log{Resource: &store.Resource{}, Scope: &store.Scope{}, Time: uint64(i + 1),
			Attrs: []store.Attr{{Key: "k", Value: value(i % 2000 * 2)}}})
	}
	h.append(b)
	h.seal(store.Logs)
	for i := range 80 {
		h.checkQuery(store.Logs, store.Query{Where: attrIs(store.RecordAttr, "k", store.Eq, value(i*53))})
	}
	h.checkQuery(store.Logs, store.Query{Where: attrIs(store.RecordAttr, "k", store.Eq, store.StringValue("x"))})
	h.checkQuery(store.Logs, store.Query{Where: attrIs(store.RecordAttr, "k", store.Gt, value(3900))})
}
