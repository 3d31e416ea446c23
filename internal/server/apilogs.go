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
	return s.streamList(w, nil, "logs", found, &report, func() listEnd { return listEnd{Next: last} })
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
	a := volumeAnswer{Start: nanos(v.Start), Step: int64(v.Step), Total: v.Total, Counts: make([][]uint64, len(v.Counts)), Report: reportOf(&v.Report)}
	for level := range query.SeverityLevels {
		a.Levels = append(a.Levels, query.SeverityWord(level))
	}
	for i := range v.Counts {
		a.Counts[i] = v.Counts[i][:]
	}
	return writeJSON(w, a)
}
