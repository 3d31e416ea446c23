package server

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/signalbox-otel/signalbox/internal/query"
	"github.com/signalbox-otel/signalbox/internal/query/logql"
	"github.com/signalbox-otel/signalbox/internal/store"
)

func (s *Server) lokiLabels(w http.ResponseWriter, r *http.Request) error {
	in := s.lokiInputs(r)
	start, end := in.span()
	matchers := in.matchers("query")
	if in.err != nil {
		return in.err
	}
	if matchers == nil {
		names, err := s.logql.LabelNames(r.Context(), uint64(start.UnixNano()), uint64(end.UnixNano()))
		if err != nil {
			return err
		}
		return writeLoki(w, names)
	}
	values, err := s.logql.LabelSets(r.Context(), matchers, uint64(start.UnixNano()), uint64(end.UnixNano()))
	if err != nil {
		return err
	}
	names := []string{}
	for name := range values {
		names = append(names, name)
	}
	slices.Sort(names)
	return writeLoki(w, names)
}

func (s *Server) lokiValues(w http.ResponseWriter, r *http.Request) error {
	in := s.lokiInputs(r)
	start, end := in.span()
	matchers := in.matchers("query")
	if in.err != nil {
		return in.err
	}
	name := r.PathValue("name")
	if matchers == nil {
		values, err := s.logql.LabelValues(r.Context(), name, uint64(start.UnixNano()), uint64(end.UnixNano()))
		if err != nil {
			return err
		}
		return writeLoki(w, values)
	}
	all, err := s.logql.LabelSets(r.Context(), matchers, uint64(start.UnixNano()), uint64(end.UnixNano()))
	if err != nil {
		return err
	}
	return writeLoki(w, append([]string{}, all[name]...))
}

func (s *Server) lokiSeries(w http.ResponseWriter, r *http.Request) error {
	in := s.lokiInputs(r)
	start, end := in.span()
	q := logql.StreamQuery{Start: uint64(start.UnixNano()), End: uint64(end.UnixNano())}
	for _, text := range slices.Concat(in.Values["match[]"], in.Values["match"]) {
		if text == "{}" {
			continue
		}
		matchers, err := logql.ParseMatchers(text)
		if err != nil {
			return err
		}
		q.Selectors = append(q.Selectors, matchers)
	}
	if in.err != nil {
		return in.err
	}
	found, err := s.logql.Streams(r.Context(), q)
	if err != nil {
		return err
	}
	series := []lokiLabelSet{}
	for _, stream := range found.Streams {
		series = append(series, lokiLabelSet(stream.Labels))
	}
	return writeLoki(w, series, warningsOf(found.Report)...)
}

// lokiIndexStats says how much there is of a selection.
type lokiIndexStats struct {
	Streams int `json:"streams"`
	Chunks  int `json:"chunks"`
	Bytes   int `json:"bytes"`
	Entries int `json:"entries"`
}

func (s *Server) lokiStats(w http.ResponseWriter, r *http.Request) error {
	in := s.lokiInputs(r)
	start, end := in.span()
	matchers := in.matchers("query")
	if in.err != nil {
		return in.err
	}
	q := logql.StreamQuery{Selectors: [][]*logql.Matcher{matchers}, Start: uint64(start.UnixNano()), End: uint64(end.UnixNano()), Bytes: true}
	found, err := s.logql.Streams(r.Context(), q)
	if err != nil {
		return err
	}
	a := lokiIndexStats{Streams: len(found.Streams), Chunks: found.Report.Blocks}
	for _, stream := range found.Streams {
		a.Bytes += stream.Bytes
		a.Entries += stream.Records
	}
	return writeJSON(w, a)
}

// volumeQuery is the metric query that gives bytes by label.
func (in *lokiInputs) volumeQuery(length time.Duration) *logql.VectorAgg {
	matchers := in.matchers("query")
	labels := slices.DeleteFunc(strings.Split(in.Get("targetLabels"), ","), func(s string) bool { return s == "" })
	if len(labels) == 0 {
		for _, m := range matchers {
			if !slices.Contains(labels, m.Name) {
				labels = append(labels, m.Name)
			}
		}
	}
	return &logql.VectorAgg{Op: "sum", Grouping: &logql.Grouping{Labels: labels}, Inner: &logql.RangeAgg{
		Op: "bytes_over_time", Range: logql.LogRange{LogExpr: logql.LogExpr{Matchers: matchers}, Range: max(length, time.Millisecond)},
	}}
}

// volumeLimit is how many series a volume has when nobody asks for another number.
const volumeLimit = 100

// ranked is the series of a volume that is asked for: those with most bytes.
func (in *lokiInputs) ranked(sum *logql.VectorAgg) *logql.VectorAgg {
	k := in.count("limit")
	if k == 0 {
		k = volumeLimit
	}
	return &logql.VectorAgg{Op: "topk", Param: k, Inner: sum}
}

func (s *Server) lokiVolume(w http.ResponseWriter, r *http.Request) error {
	in := s.lokiInputs(r)
	start, end := in.span()
	e := in.ranked(in.volumeQuery(end.Sub(start)))
	if in.err != nil {
		return in.err
	}
	begun := time.Now()
	if in.Get("aggregateBy") == "labels" {
		return s.lokiVolumeByLabel(w, r, in, start, end)
	}
	m, err := s.logql.Metric(r.Context(), logql.MetricQuery{Expr: e, Start: end, End: end})
	if err != nil {
		return err
	}
	return writeLoki(w, lokiData{Type: "vector", Result: vectorOf(m), Stats: statsOf(m.Stats, m.Report, time.Since(begun), 0)}, warningsOf(m.Report)...)
}

// lokiVolumeByLabel counts the bytes of all streams that have a label.
func (s *Server) lokiVolumeByLabel(w http.ResponseWriter, r *http.Request, in *lokiInputs, start, end time.Time) error {
	begun := time.Now()
	wanted := slices.DeleteFunc(strings.Split(in.Get("targetLabels"), ","), func(s string) bool { return s == "" })
	q := logql.StreamQuery{Selectors: [][]*logql.Matcher{in.matchers("query")}, Start: uint64(start.UnixNano()), End: uint64(end.UnixNano()), Bytes: true}
	found, err := s.logql.Streams(r.Context(), q)
	if err != nil {
		return err
	}
	bytes := map[string]int{}
	var names []string
	for _, stream := range found.Streams {
		for _, l := range stream.Labels {
			if len(wanted) > 0 && !slices.Contains(wanted, l.Name) {
				continue
			}
			if bytes[l.Name] == 0 {
				names = append(names, l.Name)
			}
			bytes[l.Name] += stream.Bytes
		}
	}
	slices.SortFunc(names, func(a, b string) int {
		if bytes[a] != bytes[b] {
			return bytes[b] - bytes[a]
		}
		return strings.Compare(a, b)
	})
	out := []lokiSeriesData{}
	for _, name := range names {
		out = append(out, lokiSeriesData{Metric: lokiLabelSet{{Name: name}}, Value: &lokiPoint{end, float64(bytes[name])}})
	}
	return writeLoki(w, lokiData{Type: "vector", Result: out, Stats: statsOf(logql.Stats{}, found.Report, time.Since(begun), 0)}, warningsOf(found.Report)...)
}

func (s *Server) lokiVolumeRange(w http.ResponseWriter, r *http.Request) error {
	in := s.lokiInputs(r)
	start, end := in.span()
	step := in.length("step")
	if step == 0 {
		step = max(end.Sub(start), time.Second)
	}
	e := in.ranked(in.volumeQuery(step))
	if in.err != nil {
		return in.err
	}
	begun := time.Now()
	// A step's value stands at its end.
	m, err := s.logql.Metric(r.Context(), logql.MetricQuery{Expr: e, Start: start.Add(step), End: end, Step: step})
	if err != nil {
		return err
	}
	return writeLoki(w, lokiData{Type: "matrix", Result: matrixOf(m), Stats: statsOf(m.Stats, m.Report, time.Since(begun), 0)}, warningsOf(m.Report)...)
}

// lokiDetectedLabel is a label with the number of its values.
type lokiDetectedLabel struct {
	Label       string `json:"label"`
	Cardinality int    `json:"cardinality"`
}

func (s *Server) lokiDetectedLabels(w http.ResponseWriter, r *http.Request) error {
	in := s.lokiInputs(r)
	start, end := in.span()
	matchers := in.matchers("query")
	if in.err != nil {
		return in.err
	}
	values, err := s.logql.LabelSets(r.Context(), matchers, uint64(start.UnixNano()), uint64(end.UnixNano()))
	if err != nil {
		return err
	}
	found := []lokiDetectedLabel{}
	for name, of := range values {
		found = append(found, lokiDetectedLabel{name, len(of)})
	}
	slices.SortFunc(found, func(a, b lokiDetectedLabel) int { return strings.Compare(a.Label, b.Label) })
	return writeJSON(w, map[string]any{"detectedLabels": found})
}

// lokiDetectedField is a field that lines have.
type lokiDetectedField struct {
	Label       string   `json:"label"`
	Type        string   `json:"type"`
	Cardinality int      `json:"cardinality"`
	Parsers     []string `json:"parsers"`
	JSONPath    []string `json:"jsonPath,omitempty"`
}

// Limits of looking for fields.
const (
	fieldLines = 1000 // that are looked at
	fieldCount = 1000 // in an answer
)

// detected looks for fields in the newest lines of a query.
func (s *Server) detected(r *http.Request) (fields []logql.DetectedField, limit int, err error) {
	in := s.lokiInputs(r)
	start, end := in.span()
	e := in.logs()
	lines := in.count("line_limit")
	if limit = in.count("limit", "field_limit"); limit == 0 {
		limit = fieldCount
	}
	if in.err != nil {
		return nil, 0, in.err
	}
	if lines == 0 || lines > 5*fieldLines {
		lines = fieldLines
	}
	a, err := s.logql.Logs(r.Context(), logql.LogQuery{Expr: e, Start: uint64(start.UnixNano()), End: uint64(end.UnixNano()), Limit: lines})
	if err != nil {
		return nil, 0, err
	}
	return logql.DetectFields(a.Entries), limit, nil
}

func (s *Server) lokiDetectedFields(w http.ResponseWriter, r *http.Request) error {
	fields, limit, err := s.detected(r)
	if err != nil {
		return err
	}
	found := []lokiDetectedField{}
	for _, f := range fields[:min(limit, len(fields))] {
		found = append(found, lokiDetectedField{f.Name, f.Type, len(f.Values), f.Parsers, f.JSONPath})
	}
	return writeJSON(w, map[string]any{"fields": found, "limit": limit})
}

func (s *Server) lokiDetectedValues(w http.ResponseWriter, r *http.Request) error {
	fields, limit, err := s.detected(r)
	if err != nil {
		return err
	}
	values := []string{}
	for _, f := range fields {
		if f.Name == r.PathValue("name") {
			values = f.Values[:min(limit, len(f.Values))]
		}
	}
	return writeJSON(w, map[string]any{"values": values, "limit": limit})
}

// lokiPattern is a form of lines and how often it came, by the second at which a
// step begins.
type lokiPattern struct {
	Pattern string     `json:"pattern"`
	Samples [][2]int64 `json:"samples"`
}

// patternSteps bounds the steps of an answer with patterns: each is a question.
const patternSteps = 60

func (s *Server) lokiPatterns(w http.ResponseWriter, r *http.Request) error {
	in := s.lokiInputs(r)
	start, end := in.span()
	matchers := in.matchers("query")
	step := max(in.length("step"), end.Sub(start)/patternSteps, time.Second).Truncate(time.Second)
	if in.err == nil && matchers == nil {
		in.fail("query", errors.New("a selector is missing"))
	}
	if in.err != nil {
		return in.err
	}
	where, err := s.logql.Condition(r.Context(), matchers, uint64(start.UnixNano()), uint64(end.UnixNano()))
	if err != nil {
		return err
	}
	found := map[string]*lokiPattern{}
	all := []*lokiPattern{}
	var report store.Report
	for at := start.Truncate(step); at.Before(end); at = at.Add(step) {
		from, to := at, at.Add(step)
		if from.Before(start) {
			from = start
		}
		if to.After(end) {
			to = end
		}
		p, err := s.engine.Patterns(r.Context(), query.PatternSearch{Start: uint64(from.UnixNano()), End: uint64(to.UnixNano()), Where: where, Limit: 300})
		if err != nil {
			return err
		}
		if report.Stopped = p.Report.Stopped; report.Stopped != "" {
			break
		}
		for _, one := range p.Patterns {
			text := strings.ReplaceAll(one.Template, query.Wildcard, "<_>")
			if found[text] == nil {
				found[text] = &lokiPattern{Pattern: text}
				all = append(all, found[text])
			}
			found[text].Samples = append(found[text].Samples, [2]int64{at.Unix(), int64(one.Count)})
		}
	}
	return writeLoki(w, all, warningsOf(report)...)
}
