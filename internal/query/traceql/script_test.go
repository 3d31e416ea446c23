package traceql

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"

	"github.com/signalbox-otel/signalbox/internal/ingest"
	"github.com/signalbox-otel/signalbox/internal/query"
	"github.com/signalbox-otel/signalbox/internal/query/querytest"
	"github.com/signalbox-otel/signalbox/internal/store"
)

// base is the instant that the times of scripts are counted from.
var base = time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC)

func at(d time.Duration) uint64 { return uint64(base.Add(d).UnixNano()) }

// TestScripts runs testdata/*.txt. A script loads spans with lines
//
//	span trace id parent service name kind start duration status [key=value...]
//
// where a key may begin with resource., event. or link., a value that is a
// number becomes one, and [a,b] is a list. It asks with "search query", or with
// "metrics step query", followed by the answer up to an empty line. Times count
// from 10:00; questions are about 10:00 to 10:10. Run with UPDATE=1 to write the
// answers.
//
// The same answers come from the contract in its simplest form, from the store's
// memory and from its blocks.
func TestScripts(t *testing.T) {
	querytest.Scripts(t, backends, func(t *testing.T, b backend) querytest.Line {
		engine := engineOver(b, query.Limits{})
		return func(word, rest string) (string, bool) {
			if word == "span" {
				load(t, b, scriptSpan(t, strings.Fields(rest)))
				return "", false
			}
			if err := b.loaded(t.Context()); err != nil {
				t.Fatal(err)
			}
			var out strings.Builder
			switch word {
			case "search":
				search(t, &out, engine, rest)
			case "metrics":
				measure(t, &out, engine, rest)
			default:
				t.Fatalf("unknown word %q before %q", word, rest)
			}
			return out.String(), true
		}
	})
}

// backend is what a script loads and asks.
type backend struct {
	query.Reader
	query.Catalog
	append func(context.Context, *store.Batch) error
	loaded func(context.Context) error // called before the first question
}

var backends = querytest.Backends(func(s interface {
	query.Reader
	query.Catalog
}, append func(context.Context, *store.Batch) error, loaded func(context.Context) error) backend {
	return backend{s, s, append, loaded}
})

func engineOver(b backend, limits query.Limits) *Engine {
	return New(query.New(b.Reader, b.Catalog, nil, limits).WithClock(func() time.Time { return base.Add(10 * time.Minute) }))
}

// load appends spans. Nothing will replay the payload that the store wants, but
// two batches of the same one would be a batch that was sent twice.
func load(t testing.TB, b backend, spans ...store.Span) {
	t.Helper()
	payload := fmt.Append(nil, spans[0].TraceID, spans[0].SpanID, spans[0].Start)
	if err := b.append(t.Context(), &store.Batch{Kind: store.Spans, Spans: spans, Payload: payload}); err != nil {
		t.Fatal(err)
	}
}

func scriptTime(t *testing.T, s string) time.Duration {
	d, err := time.ParseDuration(s)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func scriptValue(s string) store.Value {
	if list, ok := strings.CutPrefix(s, "["); ok {
		v := pcommon.NewValueSlice()
		for _, e := range strings.Split(strings.TrimSuffix(list, "]"), ",") {
			v.Slice().AppendEmpty().SetStr(e)
		}
		return ingest.FromPvalue(v)
	}
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		return store.IntValue(n)
	}
	if f, err := strconv.ParseFloat(s, 64); err == nil {
		return store.DoubleValue(f)
	}
	if s == "true" || s == "false" {
		return store.BoolValue(s == "true")
	}
	return store.StringValue(s)
}

func scriptByte(s string) byte {
	n, _ := strconv.Atoi(s) // "-" is 0
	return byte(n)
}

func indexOf(words []string, w string) int32 {
	for i, word := range words {
		if word == w {
			return int32(i)
		}
	}
	return -1
}

func scriptSpan(t *testing.T, w []string) store.Span {
	start := at(scriptTime(t, w[6]))
	s := store.Span{Resource: &store.Resource{}, Scope: &store.Scope{Name: "script"},
		TraceID: store.TraceID{15: scriptByte(w[0])}, SpanID: store.SpanID{7: scriptByte(w[1])}, ParentID: store.SpanID{7: scriptByte(w[2])},
		Name: w[4], Kind: indexOf(query.KindWords(), w[5]), Start: start, End: start + uint64(scriptTime(t, w[7])),
		StatusCode: indexOf([]string{"unset", "ok", "error"}, w[8])}
	if w[3] != "-" {
		s.Resource.Attrs = append(s.Resource.Attrs, store.Attr{Key: "service.name", Value: store.StringValue(w[3])})
	}
	for _, attr := range w[9:] {
		key, value, _ := strings.Cut(attr, "=")
		scope, name, _ := strings.Cut(key, ".")
		switch v := scriptValue(value); scope {
		case "resource":
			s.Resource.Attrs = append(s.Resource.Attrs, store.Attr{Key: name, Value: v})
		case "event":
			s.Events = append(s.Events, store.Event{Time: start + 1e6, Name: "event", Attrs: []store.Attr{{Key: name, Value: v}}})
		case "link":
			s.Links = append(s.Links, store.Link{TraceID: store.TraceID{15: 99}, Attrs: []store.Attr{{Key: name, Value: v}}})
		default:
			s.Attrs = append(s.Attrs, store.Attr{Key: key, Value: v})
		}
	}
	return s
}

func attrsText(attrs []Attr) string {
	var b strings.Builder
	for _, a := range attrs {
		fmt.Fprintf(&b, " %s=%s", a.Name, a.Value)
	}
	return b.String()
}

// search writes the traces that a query finds: of each set its spans and what
// was found out.
func search(t *testing.T, out *strings.Builder, e *Engine, src string) {
	q, err := Parse(src)
	if err != nil {
		fmt.Fprintln(out, err)
		return
	}
	var stats Stats
	for f, err := range e.Search(t.Context(), Search{Query: q, Start: at(0), End: at(10 * time.Minute), Spans: 10}, &stats) {
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(out, "%d matched=%d\n", f.ID[15], f.Matched)
		for _, set := range f.Sets {
			fmt.Fprintf(out, "  set of %d%s\n", set.Matched, attrsText(set.Attrs))
			for _, s := range set.Spans {
				fmt.Fprintf(out, "    %d %s%s\n", s.SpanID[7], s.Name, attrsText(s.Attrs))
			}
		}
	}
	if stats.Stopped != "" {
		fmt.Fprintln(out, "stopped:", stats.Stopped)
	}
}

// measure writes the series that a query gives, one a line; "all" is one number
// of the whole range.
func measure(t *testing.T, out *strings.Builder, e *Engine, rest string) {
	step, src, _ := strings.Cut(rest, " ")
	q, err := Parse(src)
	if err != nil {
		fmt.Fprintln(out, err)
		return
	}
	r := Range{Query: q, Start: at(0), End: at(10 * time.Minute), Instant: step == "all"}
	if !r.Instant {
		r.Step = scriptTime(t, step)
	}
	n, err := e.Metrics(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range n.Series {
		fmt.Fprintf(out, "{%s}", strings.TrimSpace(attrsText(s.Labels)))
		for _, v := range s.Values {
			fmt.Fprintf(out, " %.4g", v)
		}
		fmt.Fprintln(out)
	}
	if n.Report.Stopped != "" {
		fmt.Fprintln(out, "stopped:", n.Report.Stopped)
	}
}
