package ingest_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/signalbox-otel/signalbox/bench/workload"
	"github.com/signalbox-otel/signalbox/internal/ingest"
	"github.com/signalbox-otel/signalbox/internal/store"
	"github.com/signalbox-otel/signalbox/internal/store/vfs"
)

// Once Append has returned, nobody has a part of a batch that is not followed:
// receivers use the memory of a request, and of what was read from it, for the
// next one.
func TestStoreKeepsNoMemoryOfABatch(t *testing.T) {
	start := uint64(time.Now().Add(-time.Minute).UnixNano())
	spans, logs := workload.New(start), workload.NewLogs(start)
	o := store.NewDefaultOptions()
	o.FS, o.Decode = vfs.NewMem(1), ingest.Decode
	s, err := store.Open("store", o)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var r ingest.Reader
	var body []byte
	var want []string
	for i := range 6 {
		kind := store.Spans
		var payload []byte
		if i%2 == 0 {
			b := spans.Batch()
			want = append(want, spanTexts(t, pointers(b.Spans))...)
			made, err := ingest.Traces(ingest.ToTraces(pointers(b.Spans)))
			if err != nil {
				t.Fatal(err)
			}
			payload = made.Payload
		} else {
			kind = store.Logs
			b := logs.Batch()
			want = append(want, logTexts(t, pointers(b.Logs))...)
			made, err := ingest.Logs(ingest.ToLogs(pointers(b.Logs)))
			if err != nil {
				t.Fatal(err)
			}
			payload = made.Payload
		}
		body = append(body[:0], payload...)
		b, err := r.FromWire(kind, body, func(int) bool { return true })
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Append(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		if b.Followed {
			t.Fatal("the batch is followed; want not, for nobody does")
		}
		copy(body, bytes.Repeat([]byte{'#'}, len(body)))
		clear(b.Spans)
		clear(b.Logs)
	}
	slices.Sort(want)
	check := func(where string) {
		t.Helper()
		var got []string
		for span, err := range s.Spans(t.Context(), store.Query{}) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, spanTexts(t, []*store.Span{span})...)
		}
		for log, err := range s.Logs(t.Context(), store.Query{}) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, logTexts(t, []*store.Log{log})...)
		}
		slices.Sort(got)
		if !slices.Equal(want, got) {
			t.Errorf("%s: %d records are not the %d that were appended", where, len(got), len(want))
		}
	}
	check("in memory")
	if err := s.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	check("in blocks")
}

// spanTexts has everything of each span.
func spanTexts(t *testing.T, spans []*store.Span) (texts []string) {
	t.Helper()
	for _, s := range spans {
		s := *s
		s.Attrs = inOrder(s.Attrs)
		b, err := ingest.Traces(ingest.ToTraces([]*store.Span{&s}))
		if err != nil {
			t.Fatal(err)
		}
		texts = append(texts, string(b.Payload))
	}
	return texts
}

// inOrder are attributes in the order of their keys: the store keeps none.
func inOrder(attrs []store.Attr) []store.Attr {
	return slices.SortedStableFunc(slices.Values(attrs), func(a, b store.Attr) int { return strings.Compare(a.Key, b.Key) })
}

// logTexts is spanTexts for log records.
func logTexts(t *testing.T, logs []*store.Log) (texts []string) {
	t.Helper()
	for _, l := range logs {
		l := *l
		l.Attrs = inOrder(l.Attrs)
		b, err := ingest.Logs(ingest.ToLogs([]*store.Log{&l}))
		if err != nil {
			t.Fatal(err)
		}
		texts = append(texts, string(b.Payload))
	}
	return texts
}
