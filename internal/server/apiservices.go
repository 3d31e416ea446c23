package server

import (
	"net/http"
	"slices"
	"time"

	"github.com/signalbox-otel/signalbox/internal/query"
	"github.com/signalbox-otel/signalbox/internal/store"
)

// statsAnswer is rate, errors and durations.
type statsAnswer struct {
	Count  uint64  `json:"count"`
	Errors uint64  `json:"errors"`
	Rate   float64 `json:"rate"` // spans a second
	P50    uint64  `json:"p50Nanos"`
	P95    uint64  `json:"p95Nanos"`
	P99    uint64  `json:"p99Nanos"`
	Total  uint64  `json:"totalNanos"`
}

// serviceRow is one service or one operation.
type serviceRow struct {
	Service   string `json:"service"`
	Operation string `json:"operation,omitempty"`
	Kind      string `json:"kind,omitempty"`
	// Entry says that only requests to the service are counted.
	Entry bool `json:"entry"`
	statsAnswer
	Series *seriesAnswer `json:"series,omitempty"`
}

// seriesAnswer is a time series by column, one value for each step. Steps
// without spans have no percentiles: null.
type seriesAnswer struct {
	Count  []uint64  `json:"count"`
	Errors []uint64  `json:"errors"`
	Rate   []float64 `json:"rate"`
	P50    []*uint64 `json:"p50Nanos"`
	P95    []*uint64 `json:"p95Nanos"`
	P99    []*uint64 `json:"p99Nanos"`
}

// seriesOf gives nil for no steps.
func seriesOf(steps []query.Stats) *seriesAnswer {
	if len(steps) == 0 {
		return nil
	}
	n := len(steps)
	a := &seriesAnswer{make([]uint64, n), make([]uint64, n), make([]float64, n), make([]*uint64, n), make([]*uint64, n), make([]*uint64, n)}
	for i := range steps {
		st := &steps[i]
		a.Count[i], a.Errors[i], a.Rate[i] = st.Count, st.Errors, st.Rate
		if st.Count > 0 {
			a.P50[i], a.P95[i], a.P99[i] = &st.P50, &st.P95, &st.P99
		}
	}
	return a
}

// servicesAnswer is the answer to all three questions about services.
type servicesAnswer struct {
	Start       nanos        `json:"start"`
	End         nanos        `json:"end"`
	SeriesStart nanos        `json:"seriesStart,omitempty"`
	Step        int64        `json:"stepNanos,omitempty"`
	Rows        []serviceRow `json:"services"`
	Report      reportAnswer `json:"report"`
}

func (s *Server) services(w http.ResponseWriter, r *http.Request) error {
	in := s.inputs(r)
	return s.answerServices(w, r, in, query.ServiceSearch{Step: in.duration("step")})
}

func (s *Server) serviceOperations(w http.ResponseWriter, r *http.Request) error {
	in := s.inputs(r)
	return s.answerServices(w, r, in, query.ServiceSearch{Service: r.PathValue("name"), ByOperation: true,
		Kind: in.spanKind(), Step: in.duration("step")})
}

func (s *Server) serviceSeries(w http.ResponseWriter, r *http.Request) error {
	in := s.inputs(r)
	q := query.ServiceSearch{Service: r.PathValue("name"), Operation: in.text("operation"), Kind: in.spanKind(), Step: in.duration("step")}
	if q.Step == 0 {
		q.Step = time.Minute
	}
	return s.answerServices(w, r, in, q)
}

// spanKind is the parameter spanKind; 0 when it is not given.
func (in *inputs) spanKind() int32 {
	words := query.KindWords()
	words[0] = "any"
	return int32(max(0, slices.Index(words, in.oneOf("spanKind", words...))))
}

func (s *Server) answerServices(w http.ResponseWriter, r *http.Request, in *inputs, q query.ServiceSearch) error {
	q.Limit = in.count("limit")
	q.Start, q.End = in.span()
	if err := in.check(); err != nil {
		return err
	}
	found, err := s.engine.Services(r.Context(), q)
	if err != nil {
		return err
	}
	a := servicesAnswer{Start: nanos(found.Start), End: nanos(found.End), SeriesStart: nanos(found.First), Step: int64(found.Step),
		Rows: []serviceRow{}, Report: s.report(r.Context(), &found.Report)}
	for _, red := range found.Rows {
		row := serviceRow{Service: red.Service, Operation: red.Operation, Entry: red.Entry, statsAnswer: statsAnswer(red.Stats), Series: seriesOf(red.Series)}
		if q.ByOperation {
			row.Kind = query.KindWord(red.Kind)
		}
		a.Rows = append(a.Rows, row)
	}
	return writeJSON(w, a)
}

// edgeAnswer is calls of one service by another.
type edgeAnswer struct {
	Caller string `json:"caller"`
	Callee string `json:"callee"`
	// Type is "service", or what the callee is that sends no spans itself.
	Type   string `json:"type"`
	Calls  uint64 `json:"calls"`
	Errors uint64 `json:"errors"`
	P50    uint64 `json:"p50Nanos"`
	P95    uint64 `json:"p95Nanos"`
}

// dependenciesAnswer says who called whom.
type dependenciesAnswer struct {
	Edges  []edgeAnswer `json:"edges"`
	Report reportAnswer `json:"report"`
}

func (s *Server) serviceGraph(w http.ResponseWriter, r *http.Request) error {
	in := s.inputs(r)
	where := in.condition(store.Spans)
	start, end := in.span()
	if err := in.check(); err != nil {
		return err
	}
	d, err := s.engine.Dependencies(r.Context(), start, end, where)
	if err != nil {
		return err
	}
	a := dependenciesAnswer{Edges: []edgeAnswer{}, Report: s.report(r.Context(), &d.Report)}
	for i := range d.Edges {
		e := &d.Edges[i]
		kind := e.Type
		if kind == "" {
			kind = "service"
		}
		a.Edges = append(a.Edges, edgeAnswer{e.Caller, e.Callee, kind, e.Calls, e.Errors, e.Durations.Quantile(.5), e.Durations.Quantile(.95)})
	}
	return writeJSON(w, a)
}
