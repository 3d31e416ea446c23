package server

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/signalbox-otel/signalbox/internal/query"
	"github.com/signalbox-otel/signalbox/internal/store"
)

// jaegerRoutes is the part of the table that speaks Jaeger's HTTP APIs: the
// unversioned one of its page and of Grafana, and version 3.
func (s *Server) jaegerRoutes() []route {
	legacy := func(pattern, doc string, h handler) route {
		return route{method: "GET", pattern: pattern, doc: doc, handle: h, fail: writeJaegerError}
	}
	return append(s.jaegerV3Routes(),
		legacy("/api/services", "Jaeger: names of services", s.jaegerServiceNames),
		legacy("/api/services/{service}/operations", "Jaeger: names of a service's operations", s.jaegerOperationNames),
		legacy("/api/operations", "Jaeger: operations of a service with their span kinds", s.jaegerOperationKinds),
		legacy("/api/traces", "Jaeger: search for traces, or several by id", s.jaegerTraces),
		legacy("/api/traces/{id}", "Jaeger: one trace; Tempo: one trace as protobuf", s.jaegerOrTempoTrace),
		legacy("/api/dependencies", "Jaeger: calls between services", s.jaegerDependencies),
	)
}

// writeJaegerError writes an error as clients of the unversioned API expect it.
func writeJaegerError(w http.ResponseWriter, p *problem) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(p.Status)
	answer := jaegerAnswer{Errors: []jaegerError{{Code: p.Status, Msg: p.Message}}}
	_ = json.NewEncoder(w).Encode(answer) // the client may be gone: nobody to tell
}

// params are the parameters of a request's URL; a malformed query string is
// refused, not half read.
func params(r *http.Request) (url.Values, error) {
	v, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, &paramError{"query string", err}
	}
	return v, nil
}

func (s *Server) jaegerServiceNames(w http.ResponseWriter, r *http.Request) error {
	services, report, err := s.jaegerServices(r.Context())
	if err != nil {
		return err
	}
	return writeJSON(w, jaegerAnswer{Data: services, Total: len(services), Errors: partialErrors(report)})
}

func (s *Server) jaegerOperationNames(w http.ResponseWriter, r *http.Request) error {
	operations, report, err := s.jaegerOperations(r.Context(), r.PathValue("service"), "")
	if err != nil {
		return err
	}
	names := operationNames(operations)
	return writeJSON(w, jaegerAnswer{Data: names, Total: len(names), Errors: partialErrors(report)})
}

// operationNames are the names of operations, which are ordered by name.
func operationNames(operations []jaegerOperation) []string {
	names := make([]string, 0, len(operations))
	for _, op := range operations {
		if len(names) == 0 || names[len(names)-1] != op.Name {
			names = append(names, op.Name)
		}
	}
	return names
}

func (s *Server) jaegerOperationKinds(w http.ResponseWriter, r *http.Request) error {
	v, err := params(r)
	if err != nil {
		return err
	}
	if v.Get("service") == "" {
		return &paramError{"service", errRequired}
	}
	operations, report, err := s.jaegerOperations(r.Context(), v.Get("service"), v.Get("spanKind"))
	if err != nil {
		return err
	}
	return writeJSON(w, jaegerAnswer{Data: operations, Total: len(operations), Errors: partialErrors(report)})
}

func (s *Server) jaegerTraces(w http.ResponseWriter, r *http.Request) error {
	v, err := params(r)
	if err != nil {
		return err
	}
	search, ids, err := legacySearch(v, s.deps.Now())
	if err != nil {
		return err
	}
	traces := []*jaegerTrace{}
	var failed []jaegerError
	if search != nil {
		found, report, err := s.findTraces(r.Context(), search)
		if err != nil {
			return err
		}
		warnings := partialWarnings(report)
		for _, spans := range found {
			traces = append(traces, toJaegerTrace(spans, warnings))
		}
		if len(traces) == 0 {
			failed = partialErrors(report)
		}
	}
	for _, id := range ids {
		spans, report, err := s.wholeTrace(r.Context(), id)
		switch {
		case errors.Is(err, query.ErrNotFound):
			failed = append(failed, jaegerError{Msg: err.Error(), TraceID: jaegerTraceID(id)})
		case err != nil:
			return err
		default:
			traces = append(traces, toJaegerTrace(spans, partialWarnings(report)))
		}
	}
	return writeJSON(w, jaegerAnswer{Data: traces, Errors: failed})
}

func (s *Server) jaegerTraceByID(w http.ResponseWriter, r *http.Request) error {
	id, err := parseTraceID(r.PathValue("id"))
	if err != nil {
		return &paramError{"trace id", err}
	}
	spans, report, err := s.wholeTrace(r.Context(), id)
	if err != nil {
		return err
	}
	return writeJSON(w, jaegerAnswer{Data: []*jaegerTrace{toJaegerTrace(spans, partialWarnings(report))}})
}

// jaegerDependency is an edge of the unversioned API's service graph.
type jaegerDependency struct {
	Parent    string `json:"parent"`
	Child     string `json:"child"`
	CallCount uint64 `json:"callCount"`
}

func (s *Server) jaegerDependencies(w http.ResponseWriter, r *http.Request) error {
	v, err := params(r)
	if err != nil {
		return err
	}
	end := uint64(s.deps.Now().UnixNano())
	if text := v.Get("endTs"); text != "" {
		if end, err = unitParam("endTs", text, time.Millisecond); err != nil {
			return err
		}
	}
	lookback := uint64(24 * time.Hour)
	if text := v.Get("lookback"); text != "" {
		if lookback, err = unitParam("lookback", text, time.Millisecond); err != nil {
			return err
		}
	}
	all, report, err := s.dependencies(r.Context(), end-min(end, lookback), end)
	if err != nil {
		return err
	}
	edges := []jaegerDependency{}
	service := v.Get("service")
	for _, edge := range all {
		if service == "" || edge.Parent == service || edge.Child == service {
			edges = append(edges, edge)
		}
	}
	return writeJSON(w, jaegerAnswer{Data: edges, Errors: partialErrors(report)})
}

// dependencies are the calls between services, by name. What a service calls
// that sends no spans is not a service to Jaeger.
func (s *Server) dependencies(ctx context.Context, start, end uint64) ([]jaegerDependency, *store.Report, error) {
	deps, err := s.engine.Dependencies(ctx, start, end, nil)
	if err != nil {
		return nil, nil, err
	}
	var edges []jaegerDependency
	for _, e := range deps.Edges {
		if e.Type == "" {
			edges = append(edges, jaegerDependency{jaegerServiceName(e.Caller), jaegerServiceName(e.Callee), e.Calls})
		}
	}
	slices.SortFunc(edges, func(a, b jaegerDependency) int {
		return cmp.Or(cmp.Compare(a.Parent, b.Parent), cmp.Compare(a.Child, b.Child))
	})
	return edges, &deps.Report, nil
}

// jaegerOperation is one operation of a service and one kind of its spans.
type jaegerOperation struct {
	Name     string `json:"name"`
	SpanKind string `json:"spanKind"`
}

// jaegerServices are the services of all data, by name.
func (s *Server) jaegerServices(ctx context.Context) ([]string, *store.Report, error) {
	report := &store.Report{}
	all, err := s.engine.Operations(ctx, report)
	if err != nil {
		return nil, report, err
	}
	services := []string{}
	for _, op := range all {
		services = append(services, jaegerServiceName(op.Service))
	}
	slices.Sort(services)
	return slices.Compact(services), report, nil
}

// jaegerOperations are the operations of a service in all data, by name, then
// kind; kind "" is every kind.
func (s *Server) jaegerOperations(ctx context.Context, service, kind string) ([]jaegerOperation, *store.Report, error) {
	report := &store.Report{}
	all, err := s.engine.Operations(ctx, report)
	if err != nil {
		return nil, report, err
	}
	operations := []jaegerOperation{}
	for _, op := range all {
		if name := spanKindName(op.Kind); jaegerServiceName(op.Service) == service && (kind == "" || kind == name) {
			operations = append(operations, jaegerOperation{Name: repaired(op.Name), SpanKind: name})
		}
	}
	return operations, report, nil
}

// maxAnswerSpans bounds the spans of one answer, so that a few huge traces do
// not take all memory.
const maxAnswerSpans = 300_000

// findTraces gives the newest traces of a search, each whole and by time.
func (s *Server) findTraces(ctx context.Context, search *jaegerSearch) ([][]*store.Span, *store.Report, error) {
	report := &store.Report{}
	q := store.Query{Start: search.start, End: search.end, Where: search.where(), Limit: search.limit}
	var traces [][]*store.Span
	for spans, err := range s.engine.WholeTraces(ctx, q, maxAnswerSpans, report) {
		if err != nil {
			return nil, report, err
		}
		traces = append(traces, spans)
	}
	return traces, report, nil
}

// wholeTrace gives all spans of a trace by time; it needs no time range.
func (s *Server) wholeTrace(ctx context.Context, id store.TraceID) ([]*store.Span, *store.Report, error) {
	report := &store.Report{}
	spans, err := s.engine.WholeTrace(ctx, id, report)
	return spans, report, err
}

// partialWarnings says what an answer lacks, in the words that users see.
func partialWarnings(r *store.Report) []string {
	var warnings []string
	if n := len(r.Unreadable); n > 0 {
		slices.Sort(r.Unreadable)
		blocks := slices.Compact(slices.Clone(r.Unreadable))
		warnings = append(warnings, "spans may be missing: unreadable data in "+strings.Join(blocks[:min(len(blocks), 3)], ", "))
	}
	if r.Stopped != "" {
		warnings = append(warnings, "spans may be missing: the search stopped at the "+r.Stopped)
	}
	return warnings
}

// partialErrors are the warnings of an answer that has no traces to carry them.
func partialErrors(r *store.Report) []jaegerError {
	var errs []jaegerError
	for _, warning := range partialWarnings(r) {
		errs = append(errs, jaegerError{Msg: warning})
	}
	return errs
}
