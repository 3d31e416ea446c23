package server

import (
	"cmp"
	"context"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/common/model"

	"github.com/signalbox-otel/signalbox/internal/query/traceql"
	"github.com/signalbox-otel/signalbox/internal/store"
)

// tempoSeries is one series of an answer: samples over time, or one value.
type tempoSeries struct {
	Labels     []tempoAttr     `json:"labels"`
	Samples    []tempoSample   `json:"samples,omitempty"`
	Value      *float64        `json:"value,omitempty"`
	PromLabels string          `json:"promLabels"`
	Exemplars  []tempoExemplar `json:"exemplars,omitempty"`
}

// tempoSample is one number and the end of the time that it is about.
type tempoSample struct {
	TimestampMS int64   `json:"timestampMs,string"`
	Value       float64 `json:"value"`
}

type tempoExemplar struct {
	Labels      []tempoAttr `json:"labels"`
	Value       float64     `json:"value"`
	TimestampMS int64       `json:"timestampMs,string"`
}

// tempoNumbers answers a query for numbers.
type tempoNumbers struct {
	Series  []tempoSeries `json:"series"`
	Metrics tempoStats    `json:"metrics"`
	Status  string        `json:"status,omitempty"` // PARTIAL when something is missing
	Message string        `json:"message,omitempty"`
}

func (s *Server) tempoQueryRange(w http.ResponseWriter, r *http.Request) error {
	return writeTempoNumbers(w)(s.tempoRange(r.Context(), s.tempoInputs(r)))
}

func (s *Server) tempoQuery(w http.ResponseWriter, r *http.Request) error {
	return writeTempoNumbers(w)(s.tempoInstant(r.Context(), s.tempoInputs(r)))
}

func writeTempoNumbers(w http.ResponseWriter) func(*tempoNumbers, error) error {
	return func(n *tempoNumbers, err error) error {
		if err != nil {
			return err
		}
		return writeJSON(w, n)
	}
}

// tempoRange computes numbers over time.
func (s *Server) tempoRange(ctx context.Context, in *tempoInputs) (*tempoNumbers, error) {
	q := traceql.Range{Step: in.duration("step"), Exemplars: in.count("exemplars")}
	return s.tempoNumbers(ctx, in, q, func(n *traceql.Numbers, series traceql.Series) (out tempoSeries) {
		for i, v := range series.Values {
			if !math.IsNaN(v) && !math.IsInf(v, 0) {
				end := n.Start + uint64(i+1)*uint64(n.Step)
				out.Samples = append(out.Samples, tempoSample{int64(end / uint64(time.Millisecond)), v})
			}
		}
		for _, e := range series.Exemplars {
			if !math.IsNaN(e.Value) && !math.IsInf(e.Value, 0) {
				out.Exemplars = append(out.Exemplars, tempoExemplarOf(e))
			}
		}
		return out
	})
}

// tempoInstant computes one number of each series.
func (s *Server) tempoInstant(ctx context.Context, in *tempoInputs) (*tempoNumbers, error) {
	return s.tempoNumbers(ctx, in, traceql.Range{Instant: true}, func(_ *traceql.Numbers, series traceql.Series) (out tempoSeries) {
		if v := series.Values[0]; !math.IsNaN(v) && !math.IsInf(v, 0) {
			out.Value = &v
		}
		return out
	})
}

// tempoNumbers computes the numbers of q; fill makes an answer's series of what
// was computed, without the labels.
func (s *Server) tempoNumbers(ctx context.Context, in *tempoInputs, q traceql.Range,
	fill func(*traceql.Numbers, traceql.Series) tempoSeries) (*tempoNumbers, error) {
	q.Start, q.End = in.span(time.Hour)
	if q.Query = in.query(false); in.err != nil {
		return nil, in.err
	}
	if !q.Instant {
		q.Exemplars = exemplarsOf(q)
	}
	n, err := s.traceql.Metrics(ctx, q)
	if err != nil {
		return nil, err
	}
	a := &tempoNumbers{Series: []tempoSeries{}, Metrics: tempoStatsOf(&n.Stats)}
	if n.Partial() {
		a.Status, a.Message = "PARTIAL", strings.Join(partialWarnings(&n.Report), "; ")
	}
	for _, series := range n.Series {
		out := fill(n, series)
		out.Labels, out.PromLabels = tempoAttrs(series.Labels), promLabels(series.Labels)
		a.Series = append(a.Series, out)
	}
	return a, nil
}

// maxExemplars is how many examples an answer has, and how many when the client
// does not say: Grafana does not.
const maxExemplars = 100

// exemplarsOf is how many examples are asked for; a hint of the query comes before
// the parameter.
func exemplarsOf(q traceql.Range) int {
	asked := q.Exemplars
	if hint, ok := q.Query.Hint("exemplars"); ok {
		switch v := hint.Attr(); {
		case v.Type == store.Bool && !v.Bool():
			return 0
		case v.Type == store.Int:
			asked = int(max(0, min(v.Int(), maxExemplars)))
		}
	}
	return min(cmp.Or(asked, maxExemplars), maxExemplars)
}

func tempoExemplarOf(e traceql.Exemplar) tempoExemplar {
	id, service := e.TraceID.String(), repaired(e.Resource.ServiceName())
	return tempoExemplar{Value: e.Value, TimestampMS: int64(e.Start / uint64(time.Millisecond)),
		Labels: []tempoAttr{{"trace:id", tempoValue{String: &id}}, {"resource.service.name", tempoValue{String: &service}}}}
}

// promLabels are labels as Prometheus writes them.
func promLabels(labels []traceql.Attr) string {
	var parts []string
	for _, l := range labels {
		name, text := repaired(l.Name), repaired(l.Value.Text())
		if l.Value.IsNil() {
			text = "<nil>"
		}
		if v := l.Value.Attr(); v.Type == store.Double {
			text = strconv.FormatFloat(v.Double(), 'g', -1, 64)
		}
		if !model.LegacyValidation.IsValidLabelName(name) {
			name = strconv.Quote(name)
		}
		parts = append(parts, name+"="+strconv.Quote(text))
	}
	return "{" + strings.Join(parts, ", ") + "}"
}
