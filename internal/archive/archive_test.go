package archive

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/collector/pdata/pcommon"

	"github.com/signalbox-otel/signalbox/internal/ingest"
	"github.com/signalbox-otel/signalbox/internal/store"
	"github.com/signalbox-otel/signalbox/internal/store/storetest"
)

var day = uint64(time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC).UnixNano())

// random makes records with everything that a sender may put into them.
type random struct{ *rand.Rand }

func newRandom(seed uint64) random { return random{rand.New(rand.NewPCG(seed, 3))} }

func (r random) text() string {
	return []string{"", "GET", "/cart/{id}", "日本", "quote\"\\\n\x00", "\xff\xfe broken", strings.Repeat("long ", 300), fmt.Sprint(r.IntN(1000))}[r.IntN(8)]
}

func (r random) value(depth int) pcommon.Value {
	v := pcommon.NewValueEmpty()
	switch r.IntN(11) {
	case 0, 1:
		v.SetStr(r.text())
	case 2:
		v.SetBool(r.IntN(2) == 0)
	case 3:
		v.SetInt([]int64{0, -1, 200, math.MaxInt64, math.MinInt64, 1 << 53}[r.IntN(6)])
	case 4:
		v.SetDouble([]float64{0, math.Copysign(0, -1), 1.5, math.Inf(1), math.Inf(-1), math.MaxFloat64, math.SmallestNonzeroFloat64, 1e21}[r.IntN(8)])
	case 5:
		v.SetDouble(math.NaN())
	case 6:
		v.SetEmptyBytes().FromRaw([]byte(r.text()))
	case 7:
		if depth > 0 {
			for range r.IntN(3) {
				r.value(depth - 1).CopyTo(v.SetEmptySlice().AppendEmpty())
			}
		} else {
			v.SetEmptySlice()
		}
	case 8:
		m := v.SetEmptyMap()
		for range r.IntN(3) * min(depth, 1) {
			r.value(depth - 1).CopyTo(m.PutEmpty(r.text()))
		}
	}
	return v
}

func (r random) attrs(most int) (attrs []store.Attr) {
	for range r.IntN(most + 1) {
		attrs = append(attrs, store.Attr{Key: r.text(), Value: ingest.FromPvalue(r.value(2))})
	}
	return attrs
}

func (r random) origin() (*store.Resource, *store.Scope) {
	return &store.Resource{Attrs: append(r.attrs(3), store.Attr{Key: "service.name", Value: store.StringValue("shop")}), DroppedAttrs: uint32(r.IntN(3)), SchemaURL: r.text()},
		&store.Scope{Name: r.text(), Version: r.text(), Attrs: r.attrs(2), DroppedAttrs: uint32(r.IntN(2)), SchemaURL: r.text()}
}

func (r random) id(b []byte) {
	if r.IntN(8) > 0 {
		binary.BigEndian.PutUint64(b, r.Uint64())
	}
}

// time is within five hours, but for a few.
func (r random) time() uint64 {
	if r.IntN(50) == 0 {
		return []uint64{1, math.MaxInt64, math.MaxInt64 + 5, math.MaxUint64}[r.IntN(4)]
	}
	return day + r.Uint64N(5*uint64(time.Hour))
}

func (r random) spans(n int) (spans []*store.Span) {
	for range n {
		s := &store.Span{TraceState: r.text(), Flags: r.Uint32(), Name: r.text(), Kind: int32(r.IntN(7)), Start: r.time(), Attrs: r.attrs(5),
			DroppedAttrs: uint32(r.IntN(2)), DroppedEvents: uint32(r.IntN(2)), DroppedLinks: uint32(r.IntN(2)), StatusCode: int32(r.IntN(4)), StatusMessage: r.text()}
		s.Resource, s.Scope = r.origin()
		s.End = s.Start + r.Uint64N(1e10)
		if r.IntN(20) == 0 {
			s.End = s.Start - 5
		}
		r.id(s.TraceID[4:])
		r.id(s.SpanID[:])
		r.id(s.ParentID[:])
		for range r.IntN(3) {
			s.Events = append(s.Events, store.Event{Time: r.time(), Name: r.text(), Attrs: r.attrs(2), DroppedAttrs: uint32(r.IntN(2))})
		}
		for range r.IntN(3) {
			l := store.Link{TraceState: r.text(), Flags: r.Uint32(), Attrs: r.attrs(2), DroppedAttrs: uint32(r.IntN(2))}
			r.id(l.TraceID[:])
			r.id(l.SpanID[:])
			s.Links = append(s.Links, l)
		}
		spans = append(spans, s)
	}
	return spans
}

func (r random) logs(n int) (logs []*store.Log) {
	for range n {
		l := &store.Log{Time: r.time(), ObservedTime: r.time(), SeverityNumber: int32(r.IntN(26)), SeverityText: r.text(),
			Body: ingest.FromPvalue(r.value(3)), Attrs: r.attrs(4), DroppedAttrs: uint32(r.IntN(2)), Flags: r.Uint32(), EventName: r.text()}
		if r.IntN(5) == 0 {
			l.Time = 0
		}
		l.Resource, l.Scope = r.origin()
		r.id(l.TraceID[:])
		r.id(l.SpanID[:])
		logs = append(logs, l)
	}
	return logs
}

// testStore makes a directory with random records, in blocks and in the log, and
// opens it for reading.
func testStore(t *testing.T, seed uint64) *store.ReadOnly {
	t.Helper()
	r := newRandom(seed)
	var batches []*store.Batch
	for range 4 {
		b, err := ingest.Traces(ingest.ToTraces(r.spans(200)))
		if err != nil {
			t.Fatal(err)
		}
		l, err := ingest.Logs(ingest.ToLogs(r.logs(200)))
		if err != nil {
			t.Fatal(err)
		}
		batches = append(batches, b, l)
	}
	return storeOf(t, batches...)
}

func storeOf(t *testing.T, batches ...*store.Batch) *store.ReadOnly {
	t.Helper()
	dir := t.TempDir()
	o := store.NewDefaultOptions()
	o.Decode = ingest.Decode
	o.MaxAge, o.MaxBytes, o.Reserve, o.SealRows = 0, 0, 0, 500
	s, err := store.Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range batches {
		if err := s.Append(context.Background(), b); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	ro, err := store.OpenReadOnly(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ro.Close() })
	return ro
}

// records say all that a source holds, sorted.
func records(t *testing.T, src Source, sel *Selection) []string {
	t.Helper()
	var out []string
	for _, k := range sel.Kinds {
		if k == store.Spans {
			for s, err := range src.Spans(context.Background(), sel.query(k, nil)) {
				if err != nil {
					t.Fatal(err)
				}
				c := *s
				c.Attrs = slices.Clone(c.Attrs)
				storetest.SortAttrs(c.Attrs)
				c.Resource, c.Scope = nil, nil
				out = append(out, fmt.Sprintf("%+v %+v %+v", c, *s.Resource, *s.Scope))
			}
			continue
		}
		for l, err := range src.Logs(context.Background(), sel.query(k, nil)) {
			if err != nil {
				t.Fatal(err)
			}
			c := *l
			c.Attrs = slices.Clone(c.Attrs)
			storetest.SortAttrs(c.Attrs)
			c.Resource, c.Scope = nil, nil
			out = append(out, fmt.Sprintf("%+v %+v %+v", c, *l.Resource, *l.Scope))
		}
	}
	slices.Sort(out)
	return out
}

func read(t *testing.T, o ReadOptions, files ...string) (batches []*store.Batch) {
	t.Helper()
	for _, file := range files {
		for b, err := range Read(context.Background(), file, o) {
			if err != nil {
				t.Fatal(err)
			}
			batches = append(batches, b)
		}
	}
	return batches
}

func nothing(uint64) {}

var both = &Selection{Kinds: []store.Kind{store.Spans, store.Logs}}

// TestRoundTrips exports and imports again: the same records, whatever is in
// them.
func TestRoundTrips(t *testing.T) {
	for seed := range uint64(3) {
		src := testStore(t, seed)
		want := records(t, src, both)
		for _, name := range []string{"all.jsonl", "all.json.gz", "all.zst", "parquet"} {
			path := filepath.Join(t.TempDir(), "new", name)
			var e *Exported
			var err error
			if name == "parquet" {
				e, err = WriteParquet(context.Background(), src, both, path, nothing)
			} else {
				e, err = WriteOTLPJSON(context.Background(), src, both, path, nil, nothing)
			}
			if err != nil {
				t.Fatal(err)
			}
			if e.Spans != 800 || e.Logs != 800 || e.Foreign == 0 {
				t.Errorf("%s: got %+v; want 800 spans and 800 logs, and some text that is not UTF-8", name, e)
			}
			var files []string
			for _, f := range e.Files {
				files = append(files, f.File)
				if info, err := os.Stat(f.File); err != nil || info.Size() != f.Bytes {
					t.Errorf("%s: got %v, %v; want %d bytes", f.File, info, err, f.Bytes)
				}
			}
			got := records(t, storeOf(t, read(t, ReadOptions{}, files...)...), both)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("seed %d, %s (-exported +imported):\n%.3000s", seed, name, diff)
			}
		}
	}
}

// TestParquetHasAFileForEachHour, of times and conditions too.
func TestParquetHasAFileForEachHour(t *testing.T) {
	src := testStore(t, 7)
	sel := &Selection{Kinds: []store.Kind{store.Spans}, Start: day + hour/2, End: day + 2*hour + hour/2,
		Where: map[store.Kind]store.Expr{store.Spans: store.Cond{Field: store.Field{Name: store.FieldStatus}, Op: store.Eq, Value: store.IntValue(2)}}}
	dir := t.TempDir()
	e, err := WriteParquet(context.Background(), src, sel, dir, nothing)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range e.Files {
		names = append(names, filepath.Base(f.File))
	}
	if diff := cmp.Diff([]string{"traces-2026-11-20T00.parquet", "traces-2026-11-20T01.parquet", "traces-2026-11-20T02.parquet"}, names); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	var files []string
	for _, f := range e.Files {
		files = append(files, f.File)
	}
	all := &Selection{Kinds: sel.Kinds}
	if diff := cmp.Diff(records(t, src, sel), records(t, storeOf(t, read(t, ReadOptions{}, files...)...), all)); diff != "" {
		t.Errorf("records (-selected +exported):\n%.2000s", diff)
	}
	if _, err := WriteParquet(context.Background(), src, both, filepath.Join(dir, "x.parquet"), nothing); err == nil {
		t.Error("traces and logs in one Parquet file: no error")
	}
	left, err := filepath.Glob(filepath.Join(dir, "*"+unfinished))
	if err != nil || len(left) > 0 {
		t.Errorf("got unfinished files %v, %v", left, err)
	}
}

// TestReadForms reads what other programs write.
func TestReadForms(t *testing.T) {
	spans := newRandom(1).spans(3)
	logs := newRandom(2).logs(3)
	tr, err := ingest.Traces(ingest.ToTraces(spans))
	if err != nil {
		t.Fatal(err)
	}
	lg, err := ingest.Logs(ingest.ToLogs(logs))
	if err != nil {
		t.Fatal(err)
	}
	line, err := traceLine(spans)
	if err != nil {
		t.Fatal(err)
	}
	framed := func(payloads ...[]byte) (b []byte) {
		for _, p := range payloads {
			b = append(binary.BigEndian.AppendUint32(b, uint32(len(p))), p...)
		}
		return b
	}
	many, err := ingest.Traces(ingest.ToTraces(newRandom(3).spans(5000)))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name    string
		content []byte
		options ReadOptions
		records []int // of each batch
		err     string
	}{
		{name: "nothing", content: nil},
		{name: "protobuf of traces", content: tr.Payload, records: []int{3}},
		{name: "protobuf of logs", content: lg.Payload, records: []int{3}},
		{name: "protobuf of traces, said to be logs", content: tr.Payload, options: ReadOptions{Kind: store.Logs}, err: "malformed"},
		{name: "the file exporter's protobuf", content: framed(tr.Payload, lg.Payload, tr.Payload), records: []int{3, 3, 3}},
		{name: "the same, cut off", content: framed(tr.Payload, lg.Payload)[:len(tr.Payload)+20], err: "request 2"},
		{name: "a large request", content: many.Payload, records: []int{1250, 1250, 1250, 1250}},
		{name: "a document over several lines", content: bytes.ReplaceAll(line, []byte(`{"resourceSpans":[`), []byte("\n {\n\"resourceSpans\" : [\n")), records: []int{3}},
		{name: "a broken line", content: append(append([]byte{}, line...), "\n{\"resourceSpans\": [}"...), err: "request 2"},
		{name: "other JSON", content: []byte(`{"a": 1}`), err: "not an OTLP request"},
		{name: "metrics", content: []byte(`{"resourceMetrics": []}`), err: "metrics cannot be imported"},
		{name: "no OTLP", content: []byte("\x7f\x02\x03\x04\x05"), err: "neither OTLP JSON"},
		{name: "text", content: []byte("hello"), err: "neither OTLP JSON"},
		{name: "a length beyond all", content: []byte("\x10\x02\x03\x04\x05"), err: "neither OTLP JSON"},
		{name: "Parquet, cut off", content: []byte("PAR1PAR1"), err: "reading"},
	} {
		file := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(file, c.content, 0o600); err != nil {
			t.Fatal(err)
		}
		var got []int
		var failed error
		for b, err := range Read(context.Background(), file, c.options) {
			if err != nil {
				failed = err
				break
			}
			got = append(got, b.Len())
		}
		if c.err == "" && failed != nil || c.err != "" && (failed == nil || !strings.Contains(failed.Error(), c.err)) {
			t.Errorf("%s: got error %v; want %q", c.name, failed, c.err)
		}
		if c.err == "" && !slices.Equal(got, c.records) {
			t.Errorf("%s: got batches of %v records; want %v", c.name, got, c.records)
		}
	}
}

// TestDamagedParquet flips bytes: an error or other records, but no panic.
func TestDamagedParquet(t *testing.T) {
	dir := t.TempDir()
	src := storeOf(t, func() *store.Batch {
		b, err := ingest.Traces(ingest.ToTraces(newRandom(4).spans(50)))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}())
	path := filepath.Join(dir, "x.parquet")
	if _, err := WriteParquet(context.Background(), src, &Selection{Kinds: []store.Kind{store.Spans}}, path, nothing); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for at := 4; at < len(whole); at += max(1, len(whole)/200) {
		damaged := bytes.Clone(whole)
		damaged[at] ^= 0x55
		if err := os.WriteFile(path, damaged, 0o600); err != nil {
			t.Fatal(err)
		}
		for range Read(context.Background(), path, ReadOptions{}) {
		}
	}
}
