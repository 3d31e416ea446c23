package server

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"runtime"
	"strconv"
	"strings"
	"time"

	"go.opentelemetry.io/collector/pdata/ptrace"
	tracev1 "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/signalbox-otel/signalbox/internal/ingest"
	"github.com/signalbox-otel/signalbox/internal/query/traceql"
	"github.com/signalbox-otel/signalbox/internal/store"
)

// tempoPrefix is where Tempo's API is as a whole. At the root it is too, but for
// /api/traces/{id}, which Jaeger's has as well.
const tempoPrefix = "/tempo"

// tempoRoutes is the part of the table that speaks Tempo's HTTP API.
func (s *Server) tempoRoutes() []route {
	var all []route
	add := func(pattern, doc string, h handler, light bool) {
		all = append(all, route{method: "GET", pattern: pattern, doc: "Tempo: " + doc, handle: h, fail: writeTempoError, light: light})
	}
	for _, prefix := range []string{tempoPrefix, ""} {
		add(prefix+"/api/echo", "says that the API is there", tempoSays("echo"), true)
		add(prefix+"/api/status/buildinfo", "version", s.tempoBuildInfo, true)
		add(prefix+"/api/v2/traces/{id}", "one trace, and whether it is whole", s.tempoTraceV2, false)
		add(prefix+"/api/search", "search for traces by TraceQL or tags", s.tempoSearch, false)
		add(prefix+"/api/search/tags", "names of attributes", s.tempoTags, false)
		add(prefix+"/api/v2/search/tags", "names of attributes by scope", s.tempoTagsV2, false)
		add(prefix+"/api/search/tag/{tag}/values", "values of an attribute", s.tempoTagValues, false)
		add(prefix+"/api/v2/search/tag/{tag}/values", "values of a field with their types", s.tempoTagValuesV2, false)
		add(prefix+"/api/metrics/query_range", "numbers over time by TraceQL", s.tempoQueryRange, false)
		add(prefix+"/api/metrics/query", "one number of each series by TraceQL", s.tempoQuery, false)
	}
	add(tempoPrefix+"/api/traces/{id}", "one trace", s.tempoTrace, false)
	add(tempoPrefix+"/ready", "says that the API is there", tempoSays("ready"), true)
	add(tempoPrefix+"/", "what Tempo has and this server has not", tempoMissing, true)
	return all
}

// writeTempoError writes an error as Tempo does: as text.
func writeTempoError(w http.ResponseWriter, p *problem) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(p.Status)
	_, _ = io.WriteString(w, p.Message) // the client may be gone: nobody to tell
}

func tempoMissing(http.ResponseWriter, *http.Request) error {
	return &problem{Status: http.StatusNotFound, Kind: "not_found", Message: "there is no such path in Tempo's API here; see docs/traceql.md"}
}

func tempoSays(text string) handler {
	return func(w http.ResponseWriter, _ *http.Request) error {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = io.WriteString(w, text) // the client may be gone: nobody to tell
		return nil
	}
}

// tempoBuildInfo answers with our version: clients take it for Tempo's and ask
// for nothing that came later.
func (s *Server) tempoBuildInfo(w http.ResponseWriter, _ *http.Request) error {
	return writeJSON(w, map[string]string{"version": s.deps.Version, "revision": "", "branch": "", "buildUser": "", "buildDate": "",
		"goVersion": runtime.Version()})
}

// wantsProtobuf reports whether the client asks for protobuf, as Grafana does.
func wantsProtobuf(r *http.Request) bool {
	return strings.Contains(r.Header.Get("Accept"), "application/protobuf")
}

// jaegerOrTempoTrace answers a path that both APIs have: Tempo's clients ask for
// protobuf.
func (s *Server) jaegerOrTempoTrace(w http.ResponseWriter, r *http.Request) error {
	if wantsProtobuf(r) {
		return s.tempoTrace(w, r)
	}
	return s.jaegerTraceByID(w, r)
}

// tempoSpans reads the trace that a request names. It needs no time range: start
// and end are hints that are not needed here.
func (s *Server) tempoSpans(r *http.Request) (td ptrace.Traces, lacks string, err error) {
	id, err := parseTraceID(r.PathValue("id"))
	if err != nil {
		return td, "", &paramError{"trace id", err}
	}
	spans, report, err := s.wholeTrace(r.Context(), id)
	if err != nil {
		return td, "", err
	}
	return ingest.ToTraces(spans), strings.Join(partialWarnings(report), "; "), nil
}

func (s *Server) tempoTrace(w http.ResponseWriter, r *http.Request) error {
	td, lacks, err := s.tempoSpans(r)
	if err != nil {
		return err
	}
	if lacks != "" {
		w.Header().Set("X-Signalbox-Partial", lacks)
	}
	encoded, err := new(ptrace.ProtoMarshaler).MarshalTraces(td)
	if err != nil {
		return fmt.Errorf("encoding trace: %w", err)
	}
	if wantsProtobuf(r) {
		return writeProtobuf(w, encoded)
	}
	groups, err := tempoResourceSpans(encoded)
	if err != nil {
		return err
	}
	return writeJSON(w, map[string]any{"batches": groups})
}

// tempoTraceV2 answers with a TraceByIDResponse: trace 1, metrics 2, status 3
// (0 complete, 1 partial), message 4.
func (s *Server) tempoTraceV2(w http.ResponseWriter, r *http.Request) error {
	td, lacks, err := s.tempoSpans(r)
	if err != nil {
		return err
	}
	encoded, err := new(ptrace.ProtoMarshaler).MarshalTraces(td)
	if err != nil {
		return fmt.Errorf("encoding trace: %w", err)
	}
	if wantsProtobuf(r) {
		answer := protowire.AppendBytes(protowire.AppendTag(nil, 1, protowire.BytesType), encoded)
		if lacks != "" {
			answer = protowire.AppendVarint(protowire.AppendTag(answer, 3, protowire.VarintType), 1)
			answer = protowire.AppendString(protowire.AppendTag(answer, 4, protowire.BytesType), lacks)
		}
		return writeProtobuf(w, answer)
	}
	groups, err := tempoResourceSpans(encoded)
	if err != nil {
		return err
	}
	answer := map[string]any{"trace": map[string]any{"resourceSpans": groups}, "metrics": struct{}{}}
	if lacks != "" {
		answer["status"], answer["message"] = "PARTIAL", lacks
	}
	return writeJSON(w, answer)
}

func writeProtobuf(w http.ResponseWriter, body []byte) error {
	w.Header().Set("Content-Type", "application/protobuf")
	_, _ = w.Write(body) // the client may be gone: nobody to tell
	return nil
}

// tempoResourceSpans turns encoded traces into protobuf's own form of JSON, with
// ids in base64: OTLP's has them in hex, Tempo's has not.
func tempoResourceSpans(encoded []byte) ([]json.RawMessage, error) {
	var data tracev1.TracesData
	if err := proto.Unmarshal(encoded, &data); err != nil {
		return nil, fmt.Errorf("encoding trace: %w", err)
	}
	groups := []json.RawMessage{}
	for _, group := range data.ResourceSpans {
		text, err := protojson.Marshal(group)
		if err != nil {
			return nil, fmt.Errorf("encoding trace: %w", err)
		}
		groups = append(groups, text)
	}
	return groups, nil
}

// tempoInputs reads the parameters of a request to Tempo's API. Tempo ignores
// those that it does not know, so this does too. It keeps the first error.
type tempoInputs struct {
	url.Values
	now time.Time
	err error
}

func (s *Server) tempoInputs(r *http.Request) *tempoInputs {
	values, err := params(r)
	return &tempoInputs{values, s.deps.Now(), err}
}

func (in *tempoInputs) fail(name string, err error) {
	if err != nil && in.err == nil {
		in.err = &paramError{name, err}
	}
}

// count is a number that is not negative; 0 when it is not given.
func (in *tempoInputs) count(name string) int {
	text := in.Get(name)
	if text == "" {
		return 0
	}
	n, err := strconv.ParseUint(text, 10, 31)
	in.fail(name, err)
	return int(n)
}

// duration is a Go duration or a number of seconds; 0 when it is not given.
func (in *tempoInputs) duration(name string) time.Duration {
	text := in.Get(name)
	if text == "" {
		return 0
	}
	if seconds, err := strconv.ParseFloat(text, 64); err == nil && seconds >= 0 && seconds < 1e9 {
		return time.Duration(seconds * float64(time.Second))
	}
	d, err := parseDuration(text)
	if err == nil && d < 0 {
		err = errTooLarge
	}
	in.fail(name, err)
	return d
}

// span is the time range of start and end, or of since; otherwise it ends now.
func (in *tempoInputs) span(otherwise time.Duration) (start, end uint64) {
	instant := func(name string, otherwise time.Time) time.Time {
		text := in.Get(name)
		if text == "" || text == "0" {
			return otherwise
		}
		t, err := parseTime(text, in.now)
		in.fail(name, err)
		return t
	}
	to := instant("end", in.now)
	from := instant("start", to.Add(-cmp.Or(in.duration("since"), otherwise)))
	if in.err == nil && !from.Before(to) {
		in.fail("start", errors.New("is not before the end"))
	}
	return uint64(from.UnixNano()), uint64(to.UnixNano())
}

// query is the parameter q, or query, which must search or must not.
func (in *tempoInputs) query(searches bool) *traceql.Query {
	q, err := traceql.Parse(cmp.Or(in.Get("q"), in.Get("query")))
	switch {
	case in.err != nil:
	case err != nil:
		in.err = err
	case q.Searches() && !searches:
		in.fail("q", errors.New("the query searches for traces; for numbers over time it ends in a function such as | rate()"))
	case !q.Searches() && searches:
		in.fail("q", errors.New("the query computes numbers over time; ask for those at /api/metrics/query_range"))
	}
	return q
}

// tempoAttr is a named value in an answer.
type tempoAttr struct {
	Key   string     `json:"key"`
	Value tempoValue `json:"value"`
}

// tempoValue is an OTLP AnyValue in protobuf's JSON, where 64 bit integers are
// text.
type tempoValue struct {
	String *string  `json:"stringValue,omitempty"`
	Int    *int64   `json:"intValue,omitempty,string"`
	Double *float64 `json:"doubleValue,omitempty"`
	Bool   *bool    `json:"boolValue,omitempty"`
}

func tempoValueOf(v traceql.Value) tempoValue {
	switch v := v.Attr(); v.Type {
	case store.Int:
		n := v.Int()
		return tempoValue{Int: &n}
	case store.Double:
		f := v.Double()
		if f-f == 0 { // JSON has no other ones
			return tempoValue{Double: &f}
		}
		text := strconv.FormatFloat(f, 'g', -1, 64)
		return tempoValue{String: &text}
	case store.Bool:
		b := v.Bool()
		return tempoValue{Bool: &b}
	default:
		text := repaired(v.Str())
		return tempoValue{String: &text}
	}
}

func tempoAttrs(attrs []traceql.Attr) []tempoAttr {
	var all []tempoAttr
	for _, a := range attrs {
		all = append(all, tempoAttr{repaired(a.Name), tempoValueOf(a.Value)})
	}
	return all
}

// tempoStats says what an answer took.
type tempoStats struct {
	Traces        int `json:"inspectedTraces,omitempty"`
	Blocks        int `json:"totalBlocks,omitempty"`
	CompletedJobs int `json:"completedJobs"`
	TotalJobs     int `json:"totalJobs"`
}

func tempoStatsOf(stats *traceql.Stats) tempoStats {
	return tempoStats{stats.Traces, stats.Blocks + stats.BlocksSkipped, 1, 1}
}

// tempoFound is one trace of a search.
type tempoFound struct {
	TraceID     string                  `json:"traceID"`
	RootService string                  `json:"rootServiceName"`
	RootName    string                  `json:"rootTraceName"`
	Start       nanos                   `json:"startTimeUnixNano"`
	DurationMS  int64                   `json:"durationMs,omitempty"`
	Sets        []tempoSet              `json:"spanSets"`
	Services    map[string]tempoService `json:"serviceStats"`
}

type tempoSet struct {
	Spans   []tempoSpan `json:"spans"`
	Matched int         `json:"matched"`
	Attrs   []tempoAttr `json:"attributes,omitempty"`
}

type tempoSpan struct {
	SpanID   string      `json:"spanID"`
	Name     string      `json:"name,omitempty"`
	Start    nanos       `json:"startTimeUnixNano"`
	Duration nanos       `json:"durationNanos"`
	Attrs    []tempoAttr `json:"attributes,omitempty"`
}

type tempoService struct {
	Spans  int `json:"spanCount"`
	Errors int `json:"errorCount,omitempty"`
}

// rootMissing is what Tempo calls the root of a trace that did not arrive.
const rootMissing = "<root span not yet received>"

func tempoFoundOf(f *traceql.Found) tempoFound {
	a := tempoFound{TraceID: f.ID.String(), RootService: rootMissing, RootName: rootMissing, Start: nanos(f.Start),
		DurationMS: f.Duration().Milliseconds(), Sets: []tempoSet{}, Services: map[string]tempoService{}}
	if !f.RootMissing {
		a.RootService, a.RootName = repaired(f.Root.Resource.ServiceName()), repaired(f.Root.Name)
	}
	for _, c := range f.TraceSummary.Services {
		a.Services[repaired(c.Service)] = tempoService{c.Spans, c.Errors}
	}
	for _, set := range f.Sets {
		out := tempoSet{Spans: []tempoSpan{}, Matched: set.Matched, Attrs: tempoAttrs(set.Attrs)}
		for _, span := range set.Spans {
			out.Spans = append(out.Spans, tempoSpan{span.SpanID.String(), repaired(span.Name), nanos(span.Start), nanos(span.Span.Duration()), tempoAttrs(span.Attrs)})
		}
		a.Sets = append(a.Sets, out)
	}
	return a
}

// maxTempoTraces is the most traces of one answer.
const maxTempoTraces = 5000

func (s *Server) tempoSearch(w http.ResponseWriter, r *http.Request) error {
	found, stats, err := s.tempoFind(r.Context(), s.tempoInputs(r))
	if err != nil {
		return err
	}
	if stats.Partial() {
		w.Header().Set("X-Signalbox-Partial", strings.Join(partialWarnings(&stats.Report), "; "))
	}
	return writeJSON(w, map[string]any{"traces": found, "metrics": tempoStatsOf(stats)})
}

// tempoFind searches for the traces that in asks for.
func (s *Server) tempoFind(ctx context.Context, in *tempoInputs) ([]tempoFound, *traceql.Stats, error) {
	search := traceql.Search{Limit: min(in.count("limit"), maxTempoTraces), Spans: in.count("spss"),
		MinDuration: in.duration("minDuration"), MaxDuration: in.duration("maxDuration")}
	if in.Get("spss") == "0" {
		search.Spans = math.MaxInt // all of them
	}
	search.Start, search.End = in.span(time.Hour)
	if in.Get("q") == "" && in.Get("tags") != "" {
		in.Set("q", tagsQuery(in.Get("tags")))
	}
	search.Query = in.query(true)
	if in.err != nil {
		return nil, nil, in.err
	}
	var stats traceql.Stats
	found := []tempoFound{}
	for f, err := range s.traceql.Search(ctx, search, &stats) {
		if err != nil {
			return nil, nil, err
		}
		found = append(found, tempoFoundOf(f))
	}
	return found, &stats, nil
}
