package server

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"time"

	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/signalbox-otel/signalbox/internal/ingest"
	"github.com/signalbox-otel/signalbox/internal/query"
	"github.com/signalbox-otel/signalbox/internal/query/traceql"
	"github.com/signalbox-otel/signalbox/internal/store"
)

// each turns a sequence of records into one of answers.
func each[T any](records iter.Seq2[T, error], answer func(T) any) iter.Seq2[any, error] {
	return func(yield func(any, error) bool) {
		for r, err := range records {
			if err != nil {
				yield(nil, err)
				return
			}
			if !yield(answer(r), nil) {
				return
			}
		}
	}
}

func (s *Server) searchTraces(w http.ResponseWriter, r *http.Request) error {
	in := s.inputs(r)
	q := query.TraceSearch{Limit: in.count("limit"), Spans: in.count("spans"),
		MinDuration: in.duration("minDuration"), MaxDuration: in.duration("maxDuration"), Need: store.NeedCore}
	where, language := in.traceCondition()
	q.Where, q.Slowest = where, in.slowest()
	q.Start, q.End = in.span()
	if q.Slowest && language != nil {
		in.fail("order", errors.New("a search in TraceQL gives the newest first"))
	}
	if err := in.check(); err != nil {
		return err
	}
	if language != nil {
		return s.searchTraceQL(w, r, q, language)
	}
	var report store.Report
	found := each(s.engine.SearchTraces(r.Context(), q, &report), func(t *query.TraceSummary) any { return foundTraceOf(t) })
	return s.streamList(r.Context(), w, nil, "traces", found, &report, func() listEnd { return listEnd{} })
}

// traceCondition is the parameter q of a search for traces: a condition on one
// span or, where it is more than that, a query in TraceQL.
func (in *inputs) traceCondition() (store.Expr, *traceql.Query) {
	text := in.text("q")
	where, err := query.Parse(store.Spans, text)
	if err == nil {
		return where, nil
	}
	language, otherErr := traceql.Parse(text)
	if otherErr == nil && language.Searches() {
		return nil, language
	}
	if otherErr == nil {
		otherErr = &paramError{"q", errors.New("the query computes numbers over time, not traces; ask for them at " + tempoPrefix + "/api/metrics/query_range")}
	}
	if in.err == nil {
		in.err = farther(err, otherErr)
	}
	return nil, nil
}

// farther is the error of the language that made more sense of a text: the one
// that it probably is in.
func farther(condition, language error) error {
	var a, b *query.SyntaxError
	if errors.As(condition, &a) && (!errors.As(language, &b) || b.Pos > a.Pos) {
		return language
	}
	return condition
}

// searchTraceQL answers as searchTraces does.
func (s *Server) searchTraceQL(w http.ResponseWriter, r *http.Request, q query.TraceSearch, language *traceql.Query) error {
	var stats traceql.Stats
	search := traceql.Search{Query: language, Start: q.Start, End: q.End, Limit: q.Limit, MinDuration: q.MinDuration, MaxDuration: q.MaxDuration, Spans: q.Spans}
	found := each(s.traceql.Search(r.Context(), search, &stats), func(f *traceql.Found) any { return foundTraceOf(f.TraceSummary) })
	return s.streamList(r.Context(), w, nil, "traces", found, &stats.Report, func() listEnd { return listEnd{} })
}

// slowest reads the order of an answer: newest first unless it says slowest.
func (in *inputs) slowest() bool { return in.oneOf("order", "newest", "slowest") == "slowest" }

// traceAnswer is what comes before the spans of a trace.
type traceAnswer struct {
	summaryAnswer
	Orphans   int              `json:"orphanCount"`
	Resources []resourceAnswer `json:"resources"`
	Scopes    []scopeAnswer    `json:"scopes"`
}

func (s *Server) trace(w http.ResponseWriter, r *http.Request) error {
	in := s.inputs(r)
	format, compare := in.oneOf("format", "tree", "otlp"), in.duration("rank")
	core := in.oneOf("parts", "all", "core") == "core"
	id, err := parseTraceID(r.PathValue("id"))
	if err != nil {
		in.fail("id", err)
	}
	if err := in.check(); err != nil {
		return err
	}
	t, err := s.engine.Trace(r.Context(), id)
	if err != nil {
		return err
	}
	if format == "otlp" {
		return writeOTLP(w, t)
	}
	var ranks []query.Rank
	if compare > 0 {
		if ranks, err = s.engine.RanksBefore(r.Context(), t, compare); err != nil {
			return err
		}
	}
	return s.streamTrace(r.Context(), w, t, ranks, core)
}

// ranksAnswer has the ranks of a trace's spans by column, in the order of its
// tree.
type ranksAnswer struct {
	SlowerThan []float64    `json:"slowerThan"`
	Of         []uint64     `json:"of"`
	Report     reportAnswer `json:"report"`
}

func (s *Server) traceRanks(w http.ResponseWriter, r *http.Request) error {
	in := s.inputs(r)
	compare := cmp.Or(in.duration("rank"), time.Hour)
	id, err := parseTraceID(r.PathValue("id"))
	if err != nil {
		in.fail("id", err)
	}
	if err := in.check(); err != nil {
		return err
	}
	var report store.Report
	ranks, err := s.engine.RanksOf(r.Context(), id, compare, &report)
	if err != nil {
		return err
	}
	a := ranksAnswer{SlowerThan: make([]float64, len(ranks)), Of: make([]uint64, len(ranks)), Report: s.report(r.Context(), &report)}
	for i, rank := range ranks {
		a.SlowerThan[i], a.Of[i] = rank.Slower, rank.Of
	}
	return writeJSON(w, a)
}

// streamTrace writes the tree; ranks may be nil. Core leaves out of the spans what
// is not needed to draw them, which is two thirds of the answer.
func (s *Server) streamTrace(ctx context.Context, w http.ResponseWriter, t *query.Trace, ranks []query.Rank, core bool) error {
	head := traceAnswer{summaryAnswer: listedTrace(&t.TraceSummary), Orphans: t.Orphans}
	var resources indexer[*store.Resource, resourceAnswer]
	var scopes indexer[*store.Scope, scopeAnswer]
	for _, n := range t.Nodes {
		resources.add(n.Resource, resourceOf)
		scopes.add(n.Scope, scopeOf)
	}
	head.Resources, head.Scopes = resources.answers, scopes.answers
	spans := func(yield func(any, error) bool) {
		for i, n := range t.Nodes {
			place := placeAnswer{Parent: n.Parent, Depth: n.Depth, Children: n.Children, Self: n.Self,
				Critical: n.Critical, Orphan: n.Orphan, Resource: resources.indexes[n.Resource], Scope: scopes.indexes[n.Scope]}
			if ranks != nil {
				place.Rank = &rankAnswer{ranks[i].Slower, ranks[i].Of}
			}
			var a any = nodeAnswer{spanOf(n.Span), place}
			if core {
				a = coreNodeAnswer{coreOf(n.Span), marksOf(n.Events), place}
			}
			if !yield(a, nil) {
				return
			}
		}
	}
	return s.streamList(ctx, w, head, "spans", spans, &t.Report, func() listEnd { return listEnd{} })
}

// indexer gives each distinct answer one index. The store may hand out equal
// resources at several addresses.
type indexer[K comparable, A any] struct {
	answers []A
	indexes map[K]int
	texts   map[string]int
}

func (ix *indexer[K, A]) add(k K, answer func(K) A) {
	if _, known := ix.indexes[k]; known {
		return
	}
	if ix.indexes == nil {
		ix.indexes, ix.texts = map[K]int{}, map[string]int{}
	}
	a := answer(k)
	text, err := encodeJSON(a)
	i, known := ix.texts[string(text)]
	if err != nil || !known {
		i = len(ix.answers)
		ix.texts[string(text)] = i
		ix.answers = append(ix.answers, a)
	}
	ix.indexes[k] = i
}

func (s *Server) searchSpans(w http.ResponseWriter, r *http.Request) error {
	in := s.inputs(r)
	q := query.SpanSearch{Where: in.condition(store.Spans), Limit: in.count("limit"), Need: store.NeedCore}
	q.Slowest = in.slowest()
	whole := in.oneOf("parts", "core", "all") == "all"
	q.Start, q.End = in.span()
	if err := in.check(); err != nil {
		return err
	}
	if whole {
		q.Need = store.NeedAll
	}
	var report store.Report
	found := each(s.engine.SearchSpans(r.Context(), q, &report), func(span *store.Span) any {
		if whole {
			return loneSpanOf(span)
		}
		a := coreOf(span)
		a.TraceID = span.TraceID.String()
		return a
	})
	return s.streamList(r.Context(), w, nil, "spans", found, &report, func() listEnd { return listEnd{} })
}

// writeOTLP answers with the trace as an OTLP file, which any collector reads.
// Whether it is whole cannot be said in that format, so a header says it.
func writeOTLP(w http.ResponseWriter, t *query.Trace) error {
	spans := make([]*store.Span, len(t.Nodes))
	for i, n := range t.Nodes {
		spans[i] = n.Span
	}
	body, err := new(ptrace.JSONMarshaler).MarshalTraces(ingest.ToTraces(spans))
	if err != nil {
		return fmt.Errorf("encoding trace %s: %w", t.ID, err)
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Content-Disposition", fmt.Sprintf(`attachment; filename="trace-%s.json"`, t.ID))
	if t.Report.Partial() {
		h.Set("X-Signalbox-Partial", cmp.Or(t.Report.Stopped, "unreadable blocks"))
	}
	_, _ = w.Write(body) // the client may be gone: nobody to tell
	return nil
}

// heatCell is one cell of a heatmap.
type heatCell struct {
	Low    uint64 `json:"lowNanos"`
	High   uint64 `json:"highNanos"`
	Count  uint64 `json:"count"`
	Errors uint64 `json:"errors"`
}

// heatLine has percentiles of the spans of some steps.
type heatLine struct {
	P50   uint64 `json:"p50Nanos"`
	P95   uint64 `json:"p95Nanos"`
	P99   uint64 `json:"p99Nanos"`
	Count uint64 `json:"count"`
}

// heatmapAnswer counts spans by start and duration.
type heatmapAnswer struct {
	Start    nanos        `json:"start"`
	Step     int64        `json:"stepNanos"`
	LineStep int64        `json:"lineStepNanos"`
	Total    uint64       `json:"total"`
	Steps    [][]heatCell `json:"steps"`
	Lines    []heatLine   `json:"lines"`
	Report   reportAnswer `json:"report"`
}

func (s *Server) heatmap(w http.ResponseWriter, r *http.Request) error {
	in := s.inputs(r)
	q := query.HeatmapSearch{Where: in.condition(store.Spans), Step: in.duration("step")}
	q.Start, q.End = in.span()
	if err := in.check(); err != nil {
		return err
	}
	h, err := s.engine.Heatmap(r.Context(), q)
	if err != nil {
		return err
	}
	a := heatmapAnswer{Start: nanos(h.Start), Step: int64(h.Step), LineStep: query.HeatLineSteps * int64(h.Step), Total: h.Total,
		Steps: make([][]heatCell, len(h.Cells)), Report: s.report(r.Context(), &h.Report)}
	for _, l := range h.Lines {
		a.Lines = append(a.Lines, heatLine(l))
	}
	for i, column := range h.Cells {
		a.Steps[i] = make([]heatCell, len(column))
		for j, c := range column {
			a.Steps[i][j] = heatCell(c)
		}
	}
	return writeJSON(w, a)
}
