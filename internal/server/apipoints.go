package server

import (
	"net/http"

	"github.com/signalbox-otel/signalbox/internal/query"
	"github.com/signalbox-otel/signalbox/internal/store"
)

// pointsAnswer has spans by column: a hundred thousand of them are a tenth of
// what a list of spans would be.
type pointsAnswer struct {
	Start     nanos        `json:"start"` // what offsets are counted from
	Offsets   []uint64     `json:"offsetsMicros"`
	Durations []uint64     `json:"durationsNanos"`
	Failed    []int        `json:"failed"`
	More      bool         `json:"more"`
	Report    reportAnswer `json:"report"`
}

func (s *Server) points(w http.ResponseWriter, r *http.Request) error {
	in := s.inputs(r)
	q := query.PointSearch{Where: in.condition(store.Spans), Limit: in.count("limit")}
	q.Start, q.End = in.span()
	if err := in.check(); err != nil {
		return err
	}
	p, err := s.engine.Points(r.Context(), q)
	if err != nil {
		return err
	}
	a := pointsAnswer{Start: nanos(q.Start), Offsets: make([]uint64, len(p.Points)), Durations: make([]uint64, len(p.Points)),
		Failed: []int{}, More: p.More, Report: reportOf(&p.Report)}
	for i, point := range p.Points {
		a.Offsets[i], a.Durations[i] = (point.Start-q.Start)/1000, point.Duration
		if point.Failed {
			a.Failed = append(a.Failed, i)
		}
	}
	return writeJSON(w, a)
}
