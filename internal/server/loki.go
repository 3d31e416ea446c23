package server

import (
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/signalbox-otel/signalbox/internal/query/logql"
)

// lokiRoutes is the part of the table that speaks Loki's HTTP API.
func (s *Server) lokiRoutes() []route {
	var all []route
	add := func(methods, path, doc string, h handler) {
		for method := range strings.FieldsSeq(methods) {
			all = append(all, route{method: method, pattern: lokiPrefix + path, doc: "Loki: " + doc, handle: h, fail: writeLokiError})
		}
	}
	add("GET POST", "query_range", "log lines or a metric over time", s.lokiRange)
	add("GET POST", "query", "a metric at one instant", s.lokiInstant)
	add("GET POST", "labels", "names of labels", s.lokiLabels)
	add("GET POST", "label", "names of labels, as old clients ask for them", s.lokiLabels)
	add("GET", "label/{name}/values", "values of one label", s.lokiValues)
	add("GET POST", "series", "streams", s.lokiSeries)
	add("GET POST", "index/stats", "how much a query would read", s.lokiStats)
	add("GET POST", "index/volume", "bytes by label", s.lokiVolume)
	add("GET POST", "index/volume_range", "bytes by label over time", s.lokiVolumeRange)
	add("GET POST", "detected_labels", "labels with the number of their values", s.lokiDetectedLabels)
	add("GET POST", "detected_fields", "fields that lines have", s.lokiDetectedFields)
	add("GET POST", "detected_field/{name}/values", "values of one field that lines have", s.lokiDetectedValues)
	add("GET POST", "patterns", "forms of lines over time", s.lokiPatterns)
	add("GET POST", "format_query", "a query in its canonical form", s.lokiFormat)
	add("GET", "status/buildinfo", "version", s.lokiBuild)
	add("GET", "rules", "alerting rules, of which there are none", s.lokiRules)
	all = append(all,
		route{method: "GET", pattern: "/prometheus/api/v1/rules", doc: "Loki: alerting rules, as Prometheus answers them", handle: s.lokiNoRules, fail: writeLokiError, light: true},
		route{method: "GET", pattern: "/loki/", doc: "Loki: what it has and we have not", handle: s.lokiUnknown, fail: writeLokiError, light: true})
	all = append(all, route{method: "GET", pattern: lokiPrefix + "tail", doc: "Loki: lines as they arrive, over a WebSocket", handle: s.lokiTail, fail: writeLokiError, endless: true})
	push := func(pattern, doc string, h handler) {
		all = append(all, route{method: "POST", pattern: pattern, doc: "Loki: " + doc, handle: h, fail: writeLokiError, changes: true, push: true})
	}
	push(lokiPrefix+"push", "takes log lines in", s.lokiPush)
	push("/otlp/v1/logs", "takes log records in as OTLP", s.lokiOTLP)
	return all
}

// lokiPrefix is where Loki's API lives.
const lokiPrefix = "/loki/api/v1/"

// writeLokiError writes an error as Loki does: its text.
func writeLokiError(w http.ResponseWriter, p *problem) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(p.Status)
	message := p.Message
	if p.Position != nil {
		message = "parse error " + message
	}
	_, _ = w.Write([]byte(message + "\n")) // the client may be gone: nobody to tell
}

// lokiAnswer is the frame of most answers.
type lokiAnswer struct {
	Status   string   `json:"status"`
	Warnings []string `json:"warnings,omitempty"`
	Data     any      `json:"data"`
}

func writeLoki(w http.ResponseWriter, data any, warnings ...string) error {
	return writeJSON(w, lokiAnswer{Status: "success", Warnings: warnings, Data: data})
}

// lokiInputs reads parameters from the URL and from the form of a POST. It keeps
// the first error.
type lokiInputs struct {
	url.Values
	now time.Time
	err error
}

func (s *Server) lokiInputs(r *http.Request) *lokiInputs {
	in := &lokiInputs{now: s.deps.Now()}
	if in.Values, in.err = params(r); in.err != nil {
		return in
	}
	if r.Method == http.MethodPost {
		if err := r.ParseForm(); err != nil {
			in.err = &paramError{"form", err}
		}
		in.Values = r.Form
	}
	return in
}

func (in *lokiInputs) fail(name string, err error) {
	if in.err == nil {
		in.err = &paramError{name, err}
	}
}

// instant reads a time: RFC 3339, seconds, or nanoseconds since 1970.
func (in *lokiInputs) instant(name string, otherwise time.Time) time.Time {
	text := in.Get(name)
	if text == "" {
		return otherwise
	}
	at, err := lokiTime(text, in.now)
	if err != nil {
		in.fail(name, err)
		return otherwise
	}
	return at
}

// lokiTime reads whole numbers and floats as Loki does, and else what our own API
// reads: RFC 3339, or relative to now.
func lokiTime(text string, now time.Time) (time.Time, error) {
	var at time.Time
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		if at = time.Unix(0, n); len(text) <= 10 {
			at = time.Unix(n, 0)
		}
	} else if f, err := strconv.ParseFloat(text, 64); err == nil && math.Abs(f) < math.MaxInt64 {
		// Floats are seconds; JavaScript writes large whole numbers with an exponent.
		whole, part := math.Modf(f)
		if at = time.Unix(int64(whole), int64(math.Round(part*1000))*int64(time.Millisecond)); f >= 1e11 {
			at = time.Unix(0, int64(f))
		}
	} else {
		return parseTime(text, now)
	}
	if at.Year() < 1970 || at.Year() > 2261 {
		return now, fmt.Errorf("%q is not between the years 1970 and 2261", text)
	}
	return at, nil
}

// span reads start, end and since: by default the last hour.
func (in *lokiInputs) span() (start, end time.Time) {
	end = in.instant("end", in.now)
	since := time.Hour
	if text := in.Get("since"); text != "" {
		since = in.length("since")
	}
	start = in.instant("start", end.Add(-since))
	if end.Before(start) {
		in.fail("end", errors.New("it is before start"))
	}
	if first := time.Unix(0, 0); start.Before(first) {
		start = first // an hour before a time in 1970
	}
	return start, end
}

// length reads a duration, or a number of seconds; 0 when it is not given.
func (in *lokiInputs) length(name string) time.Duration {
	text := in.Get(name)
	if text == "" {
		return 0
	}
	seconds, err := strconv.ParseFloat(text, 64)
	d := time.Duration(seconds * float64(time.Second))
	if err != nil {
		d, err = logql.ParseDuration(text)
	}
	if err != nil || d <= 0 || math.Abs(seconds) > 1e9 {
		in.fail(name, fmt.Errorf("%q is no duration like 15s, and no number of seconds above 0", text))
		return 0
	}
	return d
}

// count reads a whole number, 0 when it is not given.
func (in *lokiInputs) count(names ...string) int {
	for _, name := range names {
		text := in.Get(name)
		if text == "" {
			continue
		}
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 {
			in.fail(name, fmt.Errorf("%q is no number", text))
		}
		return n
	}
	return 0
}

// matchers reads a selector; what is around it in a query is left out.
func (in *lokiInputs) matchers(name string) []*logql.Matcher {
	text := strings.TrimSpace(in.Get(name))
	if text == "" || text == "{}" || in.err != nil {
		return nil
	}
	matchers, err := logql.ParseMatchers(text)
	if err != nil {
		e, whole := logql.ParseLog(text)
		if whole != nil {
			in.err = err
			return nil
		}
		matchers = e.Matchers
	}
	return matchers
}

// logs reads a query for log lines.
func (in *lokiInputs) logs() *logql.LogExpr {
	if in.err != nil {
		return nil
	}
	e, err := logql.ParseLog(in.Get("query"))
	if err != nil {
		in.err = err
	}
	return e
}

func (s *Server) lokiFormat(w http.ResponseWriter, r *http.Request) error {
	in := s.lokiInputs(r)
	if in.err != nil {
		return in.err
	}
	e, err := logql.Parse(in.Get("query"))
	if err != nil {
		return err
	}
	return writeLoki(w, e.String())
}

// lokiRules answers as Loki does when nobody has made a rule.
func (s *Server) lokiRules(http.ResponseWriter, *http.Request) error {
	return &problem{Status: http.StatusNotFound, Kind: "not_found", Message: "no rule groups found"}
}

func (s *Server) lokiNoRules(w http.ResponseWriter, _ *http.Request) error {
	return writeLoki(w, map[string]any{"groups": []any{}})
}

// lokiUnknown keeps clients that ask for more from taking the page for an answer.
func (s *Server) lokiUnknown(http.ResponseWriter, *http.Request) error {
	return &problem{Status: http.StatusNotFound, Kind: "not_found", Message: "there is no such path in the API for logs"}
}

// lokiBuildInfo is what Loki says about itself.
type lokiBuildInfo struct {
	Version   string `json:"version"`
	Revision  string `json:"revision"`
	Branch    string `json:"branch"`
	BuildUser string `json:"buildUser"`
	BuildDate string `json:"buildDate"`
	GoVersion string `json:"goVersion"`
}

func (s *Server) lokiBuild(w http.ResponseWriter, _ *http.Request) error {
	return writeJSON(w, lokiBuildInfo{Version: s.deps.Version, GoVersion: runtime.Version()})
}
