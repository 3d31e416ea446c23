package server

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"go.opentelemetry.io/collector/pdata/ptrace"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/signalbox-otel/signalbox/internal/ingest"
	"github.com/signalbox-otel/signalbox/internal/server/jaegerv3"
	"github.com/signalbox-otel/signalbox/internal/store"
)

// jaegerV3Routes is version 3 of Jaeger's API over HTTP: what a gRPC gateway
// makes of the service in package jaegerv3. HTTP requests become the messages
// of gRPC, so that both are answered by the same functions.
func (s *Server) jaegerV3Routes() []route {
	v3 := func(method, path, doc string, h handler) route {
		return route{method: method, pattern: "/api/v3/" + path, doc: doc, handle: h, fail: writeGatewayError}
	}
	return []route{
		v3("GET", "services", "Jaeger v3: names of services", s.v3Services),
		v3("GET", "operations", "Jaeger v3: operations of a service", s.v3Operations),
		v3("GET", "traces/{id}", "Jaeger v3: one trace as OTLP", s.v3TraceByID),
		v3("GET", "traces", "Jaeger v3: search for traces", s.v3Traces),
		v3("POST", "traces", "Jaeger v3: search for traces, asked in the body", s.v3Traces),
		v3("GET", "trace-summaries", "Jaeger v3: search for traces, without their spans", s.v3Summaries),
		v3("POST", "trace-summaries", "Jaeger v3: search for traces, asked in the body, without their spans", s.v3Summaries),
		v3("GET", "dependencies", "Jaeger v3: calls between services", s.v3Dependencies),
	}
}

// gatewayError is an error as a gRPC gateway writes it.
type gatewayError struct {
	GRPCCode   codes.Code `json:"grpcCode"`
	HTTPCode   int        `json:"httpCode"`
	Message    string     `json:"message"`
	HTTPStatus string     `json:"httpStatus"`
}

func writeGatewayError(w http.ResponseWriter, p *problem) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(map[string]gatewayError{"error": { // the client may be gone: nobody to tell
		GRPCCode: codeOf(p.Status), HTTPCode: p.Status, Message: p.Message, HTTPStatus: http.StatusText(p.Status),
	}})
}

// writeMessage answers with a protobuf message in its JSON form.
func writeMessage(w http.ResponseWriter, m proto.Message) error {
	body, err := protojson.MarshalOptions{EmitDefaultValues: true}.Marshal(m)
	if err != nil {
		return err
	}
	return writeJSON(w, json.RawMessage(body)) // takes out the spaces, which protojson varies on purpose
}

func (s *Server) v3Services(w http.ResponseWriter, r *http.Request) error {
	answer, err := s.getServices(r.Context())
	if err != nil {
		return err
	}
	return writeMessage(w, answer)
}

func (s *Server) v3Operations(w http.ResponseWriter, r *http.Request) error {
	v, err := params(r)
	if err != nil {
		return err
	}
	_, kind := either(v, "span_kind")
	answer, err := s.getOperations(r.Context(), &jaegerv3.GetOperationsRequest{Service: v.Get("service"), SpanKind: kind})
	if err != nil {
		return err
	}
	return writeMessage(w, answer)
}

func (s *Server) v3TraceByID(w http.ResponseWriter, r *http.Request) error {
	v, err := params(r)
	if err != nil {
		return err
	}
	request := &jaegerv3.GetTraceRequest{TraceId: r.PathValue("id")}
	if request.RawTraces, err = boolParam(v, "raw_traces"); err != nil {
		return err
	}
	spans, warnings, err := s.getTrace(r.Context(), request)
	if err != nil {
		return err
	}
	return writeTraces(w, [][]*store.Span{spans}, warnings)
}

func (s *Server) v3Traces(w http.ResponseWriter, r *http.Request) error {
	traces, warnings, err := s.v3Find(r)
	if err != nil {
		return err
	}
	return writeTraces(w, traces, warnings)
}

func (s *Server) v3Summaries(w http.ResponseWriter, r *http.Request) error {
	traces, _, err := s.v3Find(r)
	if err != nil {
		return err
	}
	answer := &jaegerv3.FindTraceSummariesResponse{}
	for _, spans := range traces {
		answer.Summaries = append(answer.Summaries, summaryOf(spans))
	}
	return writeMessage(w, answer)
}

func (s *Server) v3Dependencies(w http.ResponseWriter, r *http.Request) error {
	v, err := params(r)
	if err != nil {
		return err
	}
	request := &jaegerv3.GetDependenciesRequest{}
	if request.StartTime, err = timeParam(v, "start_time"); err != nil {
		return err
	}
	if request.EndTime, err = timeParam(v, "end_time"); err != nil {
		return err
	}
	answer, err := s.getDependencies(r.Context(), request)
	if err != nil {
		return err
	}
	return writeMessage(w, answer)
}

// v3Find runs the search of a GET's parameters or a POST's body.
func (s *Server) v3Find(r *http.Request) ([][]*store.Span, []string, error) {
	var request *jaegerv3.TraceQueryParameters
	if r.Method == http.MethodPost {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, nil, err
		}
		message := &jaegerv3.FindTracesRequest{}
		if err := (protojson.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(body, message); err != nil {
			return nil, nil, &paramError{"body", err}
		}
		request = message.GetQuery()
	} else {
		v, err := params(r)
		if err != nil {
			return nil, nil, err
		}
		if request, err = v3Query(v); err != nil {
			return nil, nil, err
		}
	}
	return s.find(r.Context(), request)
}

// v3Query reads the parameters of a search.
func v3Query(v url.Values) (q *jaegerv3.TraceQueryParameters, err error) {
	q = &jaegerv3.TraceQueryParameters{Attributes: map[string]string{}}
	_, q.ServiceName = either(v, "query.service_name")
	_, q.OperationName = either(v, "query.operation_name", "query.span_name")
	if q.StartTimeMin, err = timeParam(v, "query.start_time_min"); err != nil {
		return nil, err
	}
	if q.StartTimeMax, err = timeParam(v, "query.start_time_max"); err != nil {
		return nil, err
	}
	if text := v.Get("query.attributes"); text != "" {
		if err := tagsFromJSON("query.attributes", text, q.Attributes); err != nil {
			return nil, err
		}
	}
	limit, err := limitOf(either(v, "query.search_depth", "query.num_traces"))
	if err != nil {
		return nil, err
	}
	q.SearchDepth = int32(limit)
	for name, field := range map[string]**durationpb.Duration{"query.duration_min": &q.DurationMin, "query.duration_max": &q.DurationMax} {
		name, text := either(v, name)
		d, err := durationParam(name, text)
		if err != nil {
			return nil, err
		}
		if d > 0 {
			*field = durationpb.New(d)
		}
	}
	q.RawTraces, err = boolParam(v, "query.raw_traces")
	return q, err
}

// either is the parameter of one of the names, each in snake_case as older
// clients write it or in camelCase, and the name under which it was found.
func either(v url.Values, names ...string) (name, text string) {
	for _, snake := range names {
		for _, name := range []string{camelCase(snake), snake} {
			if text := v.Get(name); text != "" {
				return name, text
			}
		}
	}
	return names[0], ""
}

func camelCase(snake string) string {
	words := strings.Split(snake, "_")
	for i, word := range words[1:] {
		words[i+1] = strings.ToUpper(word[:1]) + word[1:]
	}
	return strings.Join(words, "")
}

// timeParam reads an RFC 3339 time; nil when there is none. Some clients do not
// escape the + of a time zone, which then arrives as a space.
func timeParam(v url.Values, name string) (*timestamppb.Timestamp, error) {
	name, text := either(v, name)
	if text == "" {
		return nil, nil
	}
	t, err := time.Parse(time.RFC3339Nano, strings.ReplaceAll(text, " ", "+"))
	if err != nil {
		return nil, &paramError{name, err}
	}
	return timestamppb.New(t), nil
}

func boolParam(v url.Values, name string) (bool, error) {
	name, text := either(v, name)
	if text == "" {
		return false, nil
	}
	b, err := strconv.ParseBool(text)
	if err != nil {
		return false, &paramError{name, err}
	}
	return b, nil
}

// writeTraces answers with OTLP in the envelope of a stream of one message.
func writeTraces(w http.ResponseWriter, traces [][]*store.Span, warnings []string) error {
	all := ptrace.NewTraces()
	for _, spans := range traces {
		tracesData(spans, warnings).ResourceSpans().MoveAndAppendTo(all.ResourceSpans())
	}
	body, err := (&ptrace.JSONMarshaler{}).MarshalTraces(all)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	for _, part := range [][]byte{[]byte(`{"result":`), body, []byte("}")} {
		_, _ = w.Write(part) // the client may be gone: nobody to tell
	}
	return nil
}

// warningsAttribute is the span attribute in which Jaeger's page looks for
// warnings.
const warningsAttribute = "@jaeger@warnings"

// tracesData is a trace as OTLP that every client can read; its first span
// carries the warnings.
func tracesData(spans []*store.Span, warnings []string) ptrace.Traces {
	td := ingest.ToTraces(spans)
	repairTraces(td)
	if len(warnings) > 0 && td.SpanCount() > 0 {
		list := td.ResourceSpans().At(0).ScopeSpans().At(0).Spans().At(0).Attributes().PutEmptySlice(warningsAttribute)
		for _, warning := range warnings {
			list.AppendEmpty().SetStr(warning)
		}
	}
	return td
}

func (s *Server) getServices(ctx context.Context) (*jaegerv3.GetServicesResponse, error) {
	services, _, err := s.jaegerServices(ctx)
	return &jaegerv3.GetServicesResponse{Services: services}, err
}

func (s *Server) getOperations(ctx context.Context, request *jaegerv3.GetOperationsRequest) (*jaegerv3.GetOperationsResponse, error) {
	if request.GetService() == "" {
		return nil, &paramError{"service", errRequired}
	}
	operations, _, err := s.jaegerOperations(ctx, request.GetService(), request.GetSpanKind())
	if err != nil {
		return nil, err
	}
	answer := &jaegerv3.GetOperationsResponse{Operations: make([]*jaegerv3.Operation, len(operations))}
	for i, op := range operations {
		answer.Operations[i] = &jaegerv3.Operation{Name: op.Name, SpanKind: op.SpanKind}
	}
	return answer, nil
}

// getTrace gives a trace; the time range of a request is a hint that this store
// does not need.
func (s *Server) getTrace(ctx context.Context, request *jaegerv3.GetTraceRequest) (spans []*store.Span, warnings []string, err error) {
	id, err := parseTraceID(request.GetTraceId())
	if err != nil {
		return nil, nil, &paramError{"trace_id", err}
	}
	spans, report, err := s.wholeTrace(ctx, id)
	if err != nil {
		return nil, nil, err
	}
	if !request.GetRawTraces() {
		warnings = partialWarnings(report)
	}
	return spans, warnings, nil
}

// find gives the newest traces of a search.
func (s *Server) find(ctx context.Context, request *jaegerv3.TraceQueryParameters) (traces [][]*store.Span, warnings []string, err error) {
	search, err := v3Search(request)
	if err != nil {
		return nil, nil, err
	}
	traces, report, err := s.findTraces(ctx, search)
	if err != nil {
		return nil, nil, err
	}
	if !request.GetRawTraces() {
		warnings = partialWarnings(report)
	}
	return traces, warnings, nil
}

// v3Search is the search that a request asks for.
func v3Search(request *jaegerv3.TraceQueryParameters) (q *jaegerSearch, err error) {
	q = &jaegerSearch{service: request.GetServiceName(), operation: request.GetOperationName(), tags: request.GetAttributes()}
	if request.GetStartTimeMin() == nil || request.GetStartTimeMax() == nil {
		return nil, &paramError{"query.start_time_min and query.start_time_max", errRequired}
	}
	if q.start, err = timeOf("query.start_time_min", request.GetStartTimeMin()); err != nil {
		return nil, err
	}
	if q.end, err = timeOf("query.start_time_max", request.GetStartTimeMax()); err != nil {
		return nil, err
	}
	if q.minDuration, err = durationOf("query.duration_min", request.GetDurationMin()); err != nil {
		return nil, err
	}
	if q.maxDuration, err = durationOf("query.duration_max", request.GetDurationMax()); err != nil {
		return nil, err
	}
	switch depth := request.GetSearchDepth(); {
	case depth < 0:
		return nil, &paramError{"query.search_depth", errTooLarge}
	case depth == 0:
		q.limit = defaultTraces
	default:
		q.limit = min(int(depth), maxTraces)
	}
	return q, q.check()
}

// timeOf is t in Unix nanoseconds; what lies before 1970 is 0.
func timeOf(name string, t *timestamppb.Timestamp) (uint64, error) {
	if t.CheckValid() != nil || t.GetSeconds() > math.MaxInt64/int64(time.Second)-1 {
		return 0, &paramError{name, errTooLarge}
	}
	return uint64(max(0, t.GetSeconds()*int64(time.Second)+int64(t.GetNanos()))), nil
}

func durationOf(name string, d *durationpb.Duration) (time.Duration, error) {
	if d != nil && (d.CheckValid() != nil || d.AsDuration() < 0) {
		return 0, &paramError{name, errTooLarge}
	}
	return d.AsDuration(), nil
}

func (s *Server) getDependencies(ctx context.Context, request *jaegerv3.GetDependenciesRequest) (*jaegerv3.DependenciesResponse, error) {
	if request.GetStartTime() == nil || request.GetEndTime() == nil {
		return nil, &paramError{"start_time and end_time", errRequired}
	}
	start, err := timeOf("start_time", request.GetStartTime())
	if err != nil {
		return nil, err
	}
	end, err := timeOf("end_time", request.GetEndTime())
	if err != nil {
		return nil, err
	}
	if end < start {
		return nil, &paramError{"end_time", errors.New("is before start_time")}
	}
	deps, _, err := s.dependencies(ctx, start, end)
	if err != nil {
		return nil, err
	}
	answer := &jaegerv3.DependenciesResponse{}
	for _, d := range deps {
		answer.Dependencies = append(answer.Dependencies, &jaegerv3.Dependency{
			Parent: d.Parent, Child: d.Child, CallCount: d.CallCount,
		})
	}
	return answer, nil
}
