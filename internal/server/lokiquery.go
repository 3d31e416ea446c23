package server

import (
	"encoding/json"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/signalbox-otel/signalbox/internal/query/logql"
	"github.com/signalbox-otel/signalbox/internal/store"
)

// lokiData is the result of a query. Clients read its fields in this order.
type lokiData struct {
	Type          string    `json:"resultType"`
	EncodingFlags []string  `json:"encodingFlags,omitempty"`
	Result        any       `json:"result"`
	Stats         lokiStats `json:"stats"`
}

// lokiStats says what a query took. Signalbox has no ingesters, caches and
// chunks: their parts are there for clients that look into them.
type lokiStats struct {
	Summary  lokiSummary    `json:"summary"`
	Querier  map[string]any `json:"querier"`
	Ingester map[string]any `json:"ingester"`
	Cache    map[string]any `json:"cache"`
}

// lokiSummary is the part of lokiStats that clients show.
type lokiSummary struct {
	BytesPerSecond  int64   `json:"bytesProcessedPerSecond"`
	LinesPerSecond  int64   `json:"linesProcessedPerSecond"`
	Bytes           int64   `json:"totalBytesProcessed"`
	Lines           int64   `json:"totalLinesProcessed"`
	ExecTime        float64 `json:"execTime"`
	QueueTime       float64 `json:"queueTime"`
	Subqueries      int     `json:"subqueries"`
	EntriesReturned int64   `json:"totalEntriesReturned"`
	Splits          int     `json:"splits"`
	Shards          int     `json:"shards"`
}

func statsOf(stats logql.Stats, report store.Report, took time.Duration, entries int) lokiStats {
	seconds := max(took.Seconds(), 1e-6)
	return lokiStats{
		Summary: lokiSummary{
			Bytes: int64(stats.Bytes), Lines: int64(report.Rows), ExecTime: seconds, EntriesReturned: int64(entries),
			BytesPerSecond: int64(float64(stats.Bytes) / seconds), LinesPerSecond: int64(float64(report.Rows) / seconds),
		},
		Querier:  map[string]any{"store": map[string]any{"totalChunksRef": report.Blocks + report.BlocksSkipped, "totalChunksDownloaded": report.Blocks}},
		Ingester: map[string]any{"totalReached": 0, "totalChunksMatched": 0, "totalBatches": 0, "totalLinesSent": 0, "store": map[string]any{}},
		Cache:    map[string]any{},
	}
}

// warningsOf says what an answer lacks.
func warningsOf(report store.Report) []string {
	var all []string
	if report.Stopped != "" {
		all = append(all, "the answer is not complete: "+report.Stopped)
	}
	if len(report.Unreadable) > 0 {
		all = append(all, "the answer is not complete: unreadable blocks "+strings.Join(report.Unreadable, ", "))
	}
	return all
}

// categorize is the encoding in which labels of streams, metadata and parsed
// labels are kept apart.
const categorize = "categorize-labels"

func (s *Server) lokiRange(w http.ResponseWriter, r *http.Request) error {
	in := s.lokiInputs(r)
	start, end := in.span()
	step, limit, interval := in.length("step"), in.count("limit"), in.length("interval")
	forward := strings.EqualFold(in.Get("direction"), "forward")
	if in.err != nil {
		return in.err
	}
	e, err := logql.Parse(in.Get("query"))
	if err != nil {
		return err
	}
	begun := time.Now()
	lines, ok := e.(*logql.LogExpr)
	if !ok {
		if step == 0 {
			step = max(end.Sub(start)/250, time.Second).Truncate(time.Second)
		}
		m, err := s.logql.Metric(r.Context(), logql.MetricQuery{Expr: e, Start: start, End: end, Step: step})
		if err != nil {
			return err
		}
		return writeLoki(w, lokiData{Type: "matrix", Result: matrixOf(m), Stats: statsOf(m.Stats, m.Report, time.Since(begun), len(m.Series))}, warningsOf(m.Report)...)
	}
	q := logql.LogQuery{Expr: lines, Start: uint64(start.UnixNano()), End: uint64(end.UnixNano()), Limit: limit, Forward: forward}
	a, err := s.logql.Logs(r.Context(), q)
	if err != nil {
		return err
	}
	if interval > 0 {
		a.Entries = thinned(a.Entries, uint64(interval))
	}
	data := lokiData{Type: "streams", Stats: statsOf(a.Stats, a.Report, time.Since(begun), len(a.Entries))}
	if slices.Contains(strings.Split(r.Header.Get("X-Loki-Response-Encoding-Flags"), ","), categorize) {
		data.EncodingFlags = []string{categorize}
	}
	data.Result = streamsOf(a.Entries, data.EncodingFlags != nil)
	return writeLoki(w, data, warningsOf(a.Report)...)
}

// thinned keeps the first entry and those at least interval away from the last
// one kept.
func thinned(entries []logql.Entry, interval uint64) []logql.Entry {
	var out []logql.Entry
	for _, e := range entries {
		if n := len(out); n == 0 || max(e.At, out[n-1].At)-min(e.At, out[n-1].At) >= interval {
			out = append(out, e)
		}
	}
	return out
}

func (s *Server) lokiInstant(w http.ResponseWriter, r *http.Request) error {
	in := s.lokiInputs(r)
	at := in.instant("time", in.now)
	if in.err != nil {
		return in.err
	}
	e, err := logql.Parse(in.Get("query"))
	if err != nil {
		return err
	}
	if _, ok := e.(*logql.LogExpr); ok {
		return &problem{Status: http.StatusBadRequest, Kind: "bad_query",
			Message: "log queries are not supported as an instant query type, please change your query to a range query type"}
	}
	begun := time.Now()
	m, err := s.logql.Metric(r.Context(), logql.MetricQuery{Expr: e, Start: at, End: at})
	if err != nil {
		return err
	}
	data := lokiData{Type: "vector", Stats: statsOf(m.Stats, m.Report, time.Since(begun), len(m.Series))}
	if m.Scalar {
		data.Type, data.Result = "scalar", lokiPoint{at, m.Series[0].Values[0]}
	} else {
		data.Result = vectorOf(m)
	}
	return writeLoki(w, data, warningsOf(m.Report)...)
}

// lokiLabelSet is labels as a JSON object.
type lokiLabelSet logql.Labels

// MarshalJSON writes an object with the labels in their order.
func (ls lokiLabelSet) MarshalJSON() ([]byte, error) {
	out := []byte{'{'}
	for i, l := range ls {
		if i > 0 {
			out = append(out, ',')
		}
		for j, text := range []string{l.Name, l.Value} {
			encoded, err := encodeJSON(text)
			if err != nil {
				return nil, err
			}
			out = append(out, encoded[:len(encoded)-1]...)
			if j == 0 {
				out = append(out, ':')
			}
		}
	}
	return append(out, '}'), nil
}

// lokiPoint is one value of a series.
type lokiPoint struct {
	at    time.Time
	value float64
}

// MarshalJSON writes seconds as a number and the value as text.
func (p lokiPoint) MarshalJSON() ([]byte, error) {
	return json.Marshal([]any{json.Number(seconds(p.at)), formatSample(p.value)})
}

// seconds writes a time to the millisecond, as Prometheus does.
func seconds(t time.Time) string {
	ms := t.UnixMilli()
	if ms%1000 == 0 {
		return strconv.FormatInt(ms/1000, 10)
	}
	return strconv.FormatFloat(float64(ms)/1000, 'f', -1, 64)
}

func formatSample(v float64) string {
	switch {
	case math.IsInf(v, 1):
		return "+Inf"
	case math.IsInf(v, -1):
		return "-Inf"
	}
	return strconv.FormatFloat(v, 'f', -1, 64)
}

// lokiSeriesData is one series of a matrix or a vector.
type lokiSeriesData struct {
	Metric lokiLabelSet `json:"metric"`
	Value  *lokiPoint   `json:"value,omitempty"`
	Values []lokiPoint  `json:"values,omitempty"`
}

func matrixOf(m *logql.Matrix) []lokiSeriesData {
	out := make([]lokiSeriesData, 0, len(m.Series))
	for _, series := range m.Series {
		d := lokiSeriesData{Metric: lokiLabelSet(series.Labels)}
		for k, v := range series.Values {
			if !logql.Missing(v) {
				d.Values = append(d.Values, lokiPoint{m.Start.Add(time.Duration(k) * m.Step), v})
			}
		}
		out = append(out, d)
	}
	return out
}

func vectorOf(m *logql.Matrix) []lokiSeriesData {
	out := make([]lokiSeriesData, 0, len(m.Series))
	for _, series := range m.Series {
		out = append(out, lokiSeriesData{Metric: lokiLabelSet(series.Labels), Value: &lokiPoint{m.Start, series.Values[0]}})
	}
	return out
}

// lokiStream is the lines of one set of labels.
type lokiStream struct {
	Stream lokiLabelSet `json:"stream"`
	Values []lokiLine   `json:"values"`
}

// lokiLine is a line with its time in nanoseconds and, when labels are kept
// apart, what is not of its stream.
type lokiLine struct {
	entry *logql.Entry
	apart bool
}

// lokiApart is the third part of a line.
type lokiApart struct {
	Metadata lokiLabelSet `json:"structuredMetadata,omitempty"`
	Parsed   lokiLabelSet `json:"parsed,omitempty"`
}

// MarshalJSON writes a list.
func (l lokiLine) MarshalJSON() ([]byte, error) {
	parts := []any{strconv.FormatUint(l.entry.At, 10), l.entry.Line}
	if l.apart {
		parts = append(parts, lokiApart{lokiLabelSet(l.entry.Metadata), lokiLabelSet(l.entry.Parsed)})
	}
	encoded, err := encodeJSON(parts)
	return encoded, err
}

// streamsOf groups lines by their labels, in the order in which they come.
func streamsOf(entries []logql.Entry, apart bool) []*lokiStream {
	out := []*lokiStream{}
	found := map[string]*lokiStream{}
	for i := range entries {
		e := &entries[i]
		labels := e.Stream
		if !apart {
			labels = e.All()
		}
		key := labels.String()
		if found[key] == nil {
			found[key] = &lokiStream{Stream: lokiLabelSet(labels)}
			out = append(out, found[key])
		}
		found[key].Values = append(found[key].Values, lokiLine{e, apart})
	}
	return out
}
