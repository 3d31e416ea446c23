package server

import (
	"net/http"

	"github.com/signalbox-otel/signalbox/internal/query"
	"github.com/signalbox-otel/signalbox/internal/store"
)

func (s *Server) searchLogs(w http.ResponseWriter, r *http.Request) error {
	in := s.inputs(r)
	q := query.LogSearch{Where: in.condition(store.Logs), Limit: in.count("limit"), Cursor: in.text("cursor")}
	q.Start, q.End = in.span()
	if err := in.check(); err != nil {
		return err
	}
	var report store.Report
	var last string
	found := each(s.engine.SearchLogs(r.Context(), q, &report), func(row query.LogRow) any {
		last = row.Cursor
		return logOf(row.Log, row.Cursor)
	})
	return s.streamList(r.Context(), w, nil, "logs", found, &report, func() listEnd { return listEnd{Next: last} })
}

// volumeAnswer counts log records over time.
type volumeAnswer struct {
	Start  nanos        `json:"start"`
	Step   int64        `json:"stepNanos"`
	Total  uint64       `json:"total"`
	Levels []string     `json:"levels"`
	Counts [][]uint64   `json:"counts"` // by step, by level
	Report reportAnswer `json:"report"`
}

func (s *Server) logVolume(w http.ResponseWriter, r *http.Request) error {
	in := s.inputs(r)
	q := query.VolumeSearch{Where: in.condition(store.Logs), Step: in.duration("step")}
	q.Start, q.End = in.span()
	if err := in.check(); err != nil {
		return err
	}
	v, err := s.engine.LogVolume(r.Context(), q)
	if err != nil {
		return err
	}
	a := volumeAnswer{Start: nanos(v.Start), Step: int64(v.Step), Total: v.Total, Levels: levelWords(), Counts: make([][]uint64, len(v.Counts)), Report: s.report(r.Context(), &v.Report)}
	for i := range v.Counts {
		a.Counts[i] = v.Counts[i][:]
	}
	return writeJSON(w, a)
}

// patternAnswer is one form of bodies.
type patternAnswer struct {
	Template string   `json:"template"`
	Count    uint64   `json:"count"`
	Levels   []uint64 `json:"levels"`
	First    nanos    `json:"first"`
	Last     nanos    `json:"last"`
	Example  string   `json:"example,omitempty"`
	// Condition finds the records of this form.
	Condition string `json:"condition,omitempty"`
}

// patternsAnswer groups log records by the form of their bodies.
type patternsAnswer struct {
	Records  uint64          `json:"records"`
	Distinct int             `json:"distinct"`
	Levels   []string        `json:"levels"`
	Patterns []patternAnswer `json:"patterns"`
	Report   reportAnswer    `json:"report"`
}

func (s *Server) logPatterns(w http.ResponseWriter, r *http.Request) error {
	in := s.inputs(r)
	q := query.PatternSearch{Where: in.condition(store.Logs), Limit: in.count("limit")}
	q.Start, q.End = in.span()
	if err := in.check(); err != nil {
		return err
	}
	found, err := s.engine.Patterns(r.Context(), q)
	if err != nil {
		return err
	}
	a := patternsAnswer{Records: found.Records, Distinct: found.Distinct, Levels: levelWords(), Patterns: []patternAnswer{}, Report: s.report(r.Context(), &found.Report)}
	for _, p := range found.Patterns {
		answer := patternAnswer{Template: p.Template, Count: p.Count, Levels: p.Levels[:], First: nanos(p.First), Last: nanos(p.Last), Example: p.Example}
		if p.Where != nil {
			answer.Condition = query.Format(store.Logs, p.Where)
		}
		a.Patterns = append(a.Patterns, answer)
	}
	return writeJSON(w, a)
}

// levelWords names the severity levels in the order of counts.
func levelWords() []string {
	words := make([]string, query.SeverityLevels)
	for level := range words {
		words[level] = query.SeverityWord(level)
	}
	return words
}

// contextAnswer is what stands around an instant, newest first.
type contextAnswer struct {
	Logs   []logAnswer  `json:"logs"`
	Report reportAnswer `json:"report"`
}

func (s *Server) logContext(w http.ResponseWriter, r *http.Request) error {
	in := s.inputs(r)
	q := query.AroundSearch{Where: in.condition(store.Logs), Limit: in.count("limit"), At: uint64(in.instant("at", in.now).UnixNano())}
	if err := in.check(); err != nil {
		return err
	}
	var report store.Report
	found, err := s.engine.LogsAround(r.Context(), q, &report)
	if err != nil {
		return err
	}
	a := contextAnswer{Logs: []logAnswer{}, Report: s.report(r.Context(), &report)}
	for _, l := range found {
		a.Logs = append(a.Logs, logOf(l, ""))
	}
	return writeJSON(w, a)
}
