package query

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/signalbox-otel/signalbox/internal/query/querytest"
	"github.com/signalbox-otel/signalbox/internal/store"
)

// base is the instant that the times of scripts are counted from.
var base = time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC)

func at(d time.Duration) uint64 { return uint64(base.Add(d).UnixNano()) }

// TestScripts runs testdata/*.txt. A script loads records with lines
//
//	span trace id parent service name kind start duration status [key=value...]
//	log service time severity trace [key=value...] | body
//
// and asks with "eval question [condition]", followed by the answer up to an
// empty line. Times count from 10:00; questions are about 10:00 to 10:10, which
// is now. Run with UPDATE=1 to write the answers.
//
// The same answers come from the contract in its simplest form, from the store's
// memory and from its blocks.
func TestScripts(t *testing.T) {
	querytest.Scripts(t, backends, func(t *testing.T, b backend) querytest.Line {
		engine := New(b.Reader, b.Catalog, b.Follower, Limits{}).WithClock(func() time.Time { return base.Add(10 * time.Minute) })
		return func(word, rest string) (string, bool) {
			var out strings.Builder
			switch word {
			case "span":
				s := scriptSpan(t, strings.Fields(rest))
				load(t, b, &store.Batch{Kind: store.Spans, Spans: []store.Span{s}})
			case "log":
				l := scriptLog(t, rest)
				load(t, b, &store.Batch{Kind: store.Logs, Logs: []store.Log{l}})
			case "eval":
				if err := b.loaded(t.Context()); err != nil {
					t.Fatal(err)
				}
				question, condition, _ := strings.Cut(rest, " ")
				ask(t, &out, engine, question, condition)
				return out.String(), true
			default:
				t.Fatalf("unknown word %q before %q", word, rest)
			}
			return "", false
		}
	})
}

// backend is what a script loads and asks.
type backend struct {
	Reader
	Catalog
	Follower
	append func(context.Context, *store.Batch) error
	loaded func(context.Context) error // called before the first question
}

var backends = querytest.Backends(func(s interface {
	Reader
	Catalog
}, append func(context.Context, *store.Batch) error, loaded func(context.Context) error) backend {
	f, _ := s.(Follower)
	return backend{s, s, f, append, loaded}
})

// load appends a batch; nothing will replay the payload, of which the store wants
// that no other batch has it.
func load(t testing.TB, b backend, batch *store.Batch) {
	t.Helper()
	batch.Payload = binary.LittleEndian.AppendUint64(nil, rand.Uint64())
	if err := b.append(t.Context(), batch); err != nil {
		t.Fatal(err)
	}
}

func scriptTime(t *testing.T, s string) uint64 {
	d, err := time.ParseDuration(s)
	if err != nil {
		t.Fatal(err)
	}
	return at(d)
}

func scriptAttrs(words []string) []store.Attr {
	var attrs []store.Attr
	for _, w := range words {
		key, value, _ := strings.Cut(w, "=")
		v := store.StringValue(value)
		if n, err := number(value); err == nil {
			v = n
		}
		attrs = append(attrs, store.Attr{Key: key, Value: v})
	}
	return attrs
}

func scriptResource(service string) *store.Resource {
	return &store.Resource{Attrs: []store.Attr{{Key: "service.name", Value: store.StringValue(service)}}}
}

func traceID(n byte) store.TraceID { return store.TraceID{15: n} }
func spanID(n byte) store.SpanID   { return store.SpanID{7: n} }

func scriptByte(s string) byte {
	n, _ := strconv.Atoi(s) // "-" is 0
	return byte(n)
}

func scriptSpan(t *testing.T, w []string) store.Span {
	start := scriptTime(t, w[6])
	d, err := time.ParseDuration(w[7])
	if err != nil {
		t.Fatal(err)
	}
	return store.Span{Resource: scriptResource(w[3]), Scope: &store.Scope{Name: "script"},
		TraceID: traceID(scriptByte(w[0])), SpanID: spanID(scriptByte(w[1])), ParentID: spanID(scriptByte(w[2])),
		Name: w[4], Kind: int32(indexFold(kindWords, w[5])), Start: start, End: start + uint64(d),
		StatusCode: int32(indexFold(statusWords, w[8])), Attrs: scriptAttrs(w[9:])}
}

func scriptLog(t *testing.T, rest string) store.Log {
	head, body, _ := strings.Cut(rest, " | ")
	w := strings.Fields(head)
	return store.Log{Resource: scriptResource(w[0]), Scope: &store.Scope{}, Time: scriptTime(t, w[1]),
		SeverityNumber: int32(scriptByte(w[2])), TraceID: traceID(scriptByte(w[3])), Attrs: scriptAttrs(w[4:]), Body: store.StringValue(body)}
}

// ask writes the answer to one question.
func ask(t *testing.T, out *strings.Builder, e *Engine, question, condition string) {
	ctx, start, end := context.Background(), at(0), at(10*time.Minute)
	kind := store.Spans
	if question == "logs" || question == "volume" || question == "logfacets" {
		kind = store.Logs
	}
	var where store.Expr
	var err error
	if question != "trace" {
		if where, err = Parse(kind, condition); err != nil {
			t.Fatal(err)
		}
	}
	var report store.Report
	switch question {
	case "traces":
		for s, err := range e.SearchTraces(ctx, TraceSearch{Start: start, End: end, Where: where}, &report) {
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(out, "%d %s %s missing=%v %s spans=%d errors=%d matched=%d %v\n", s.ID[15], s.Root.Resource.ServiceName(),
				s.Root.Name, s.RootMissing, s.Duration(), s.Spans, s.Errors, s.Matched, s.Services)
		}
	case "trace":
		tr, err := e.Trace(ctx, traceID(scriptByte(condition)))
		if err != nil {
			fmt.Fprintln(out, err)
			return
		}
		fmt.Fprintf(out, "%s orphans=%d\n", tr.Duration(), tr.Orphans)
		for _, n := range tr.Nodes {
			fmt.Fprintf(out, "%s%s parent=%d children=%d self=%s critical=%s orphan=%v\n", strings.Repeat(". ", n.Depth), n.Name,
				n.Parent, n.Children, time.Duration(n.Self), time.Duration(n.Critical), n.Orphan)
		}
	case "logs":
		for l, err := range e.SearchLogs(ctx, LogSearch{Start: start, End: end, Where: where}, &report) {
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(out, "%s %d %s\n", time.Duration(l.At()-start), l.SeverityNumber, l.Body.Str())
		}
	case "volume":
		v, err := e.LogVolume(ctx, VolumeSearch{Start: start, End: end, Where: where, Step: time.Minute})
		if err != nil {
			t.Fatal(err)
		}
		for i, counts := range v.Counts {
			if counts != [SeverityLevels]uint64{} {
				fmt.Fprintln(out, time.Duration(v.Start-start)+time.Duration(i)*v.Step, counts)
			}
		}
	case "services", "operations", "series":
		askServices(t, out, e, question)
	case "facets", "logfacets":
		a, err := e.Facets(ctx, FacetSearch{Kind: kind, Start: start, End: end, Where: where})
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintln(out, "records", a.Records)
		for _, f := range a.Facets {
			fmt.Fprintf(out, "%s records=%d distinct=%d", FormatField(kind, f.Field), f.Records, f.Distinct)
			for _, v := range f.Values {
				fmt.Fprintf(out, " %s:%d", FormatValue(f.Field, v.Value), v.Count)
			}
			fmt.Fprintln(out)
		}
	case "heatmap":
		h, err := e.Heatmap(ctx, HeatmapSearch{Start: start, End: end, Where: where, Step: time.Minute})
		if err != nil {
			t.Fatal(err)
		}
		for i, column := range h.Cells {
			for _, c := range column {
				fmt.Fprintln(out, time.Duration(i)*h.Step, time.Duration(c.Low), time.Duration(c.High), c.Count, c.Errors)
			}
		}
		for i, l := range h.Lines {
			if l.Count > 0 {
				fmt.Fprintf(out, "%s p50=%s p95=%s p99=%s of %d\n", time.Duration(i)*HeatLineSteps*h.Step,
					time.Duration(l.P50), time.Duration(l.P95), time.Duration(l.P99), l.Count)
			}
		}
	case "dependencies":
		d, err := e.Dependencies(ctx, start, end, where)
		if err != nil {
			t.Fatal(err)
		}
		for _, edge := range d.Edges {
			fmt.Fprintf(out, "%s -> %s %s calls=%d errors=%d p50=%s\n", edge.Caller, edge.Callee, edge.Type, edge.Calls, edge.Errors,
				time.Duration(edge.Durations.Quantile(.5)).Round(time.Millisecond))
		}
	default:
		t.Fatalf("unknown question %s", question)
	}
}

func askServices(t *testing.T, out *strings.Builder, e *Engine, question string) {
	q := ServiceSearch{Start: at(0), End: at(10 * time.Minute), ByOperation: question == "operations"}
	if question == "series" {
		q.Step = 5 * time.Minute
	}
	a, err := e.Services(context.Background(), q)
	if err != nil {
		t.Fatal(err)
	}
	print := func(s Stats) string {
		return fmt.Sprintf("count=%d errors=%d rate=%.4f p50=%s p95=%s", s.Count, s.Errors, s.Rate,
			time.Duration(s.P50).Round(time.Millisecond), time.Duration(s.P95).Round(time.Millisecond))
	}
	for _, r := range a.Rows {
		fmt.Fprintf(out, "%s %s kind=%d entry=%v %s\n", r.Service, r.Operation, r.Kind, r.Entry, print(r.Stats))
		for i, s := range r.Series {
			fmt.Fprintf(out, "  %s %s\n", time.Duration(i)*a.Step, print(s))
		}
	}
}
