package server

import (
	"encoding/binary"
	"math"
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
	format := in.oneOf("format", "json", "binary")
	q.Start, q.End = in.span()
	if err := in.check(); err != nil {
		return err
	}
	p, err := s.engine.Points(r.Context(), q)
	if err != nil {
		return err
	}
	if format == "binary" {
		return writePoints(w, q, p, s.report(r.Context(), &p.Report))
	}
	a := pointsAnswer{Start: nanos(q.Start), Offsets: make([]uint64, len(p.Points)), Durations: make([]uint64, len(p.Points)),
		Failed: []int{}, More: p.More, Report: s.report(r.Context(), &p.Report)}
	for i, point := range p.Points {
		a.Offsets[i], a.Durations[i] = (point.Start-q.Start)/1000, point.Duration
		if point.Failed {
			a.Failed = append(a.Failed, i)
		}
	}
	return writeJSON(w, a)
}

// pointsHead is what comes before the columns of points in binary.
type pointsHead struct {
	Start  nanos        `json:"start"`     // what offsets are counted from
	Step   uint64       `json:"stepNanos"` // what offsets are counted in
	Count  int          `json:"count"`
	Failed int          `json:"failed"`
	More   bool         `json:"more"`
	Report reportAnswer `json:"report"`
}

// writePoints writes points as a chart draws them: as JSON they would be more
// than twice as long, and encoding, compressing and parsing that takes longer than
// finding them. All numbers are little-endian:
//
//	uint32          length of the head, with the spaces behind it
//	head            JSON, with spaces behind it up to a multiple of 4
//	uint32[count]   start of each span after the start of all, in steps
//	float32[count]  duration of each span, in nanoseconds
//	uint32[failed]  indexes of the spans whose status is error
func writePoints(w http.ResponseWriter, q query.PointSearch, p *query.Points, report reportAnswer) error {
	step := max(1000, (q.End-q.Start)/math.MaxUint32+1)
	var failed []uint32
	for i, point := range p.Points {
		if point.Failed {
			failed = append(failed, uint32(i))
		}
	}
	head, err := encodeJSON(pointsHead{nanos(q.Start), step, len(p.Points), len(failed), p.More, report})
	if err != nil {
		return err
	}
	for len(head)%4 != 0 {
		head = append(head, ' ')
	}
	body := make([]byte, 0, 4+len(head)+8*len(p.Points)+4*len(failed))
	body = binary.LittleEndian.AppendUint32(body, uint32(len(head)))
	body = append(body, head...)
	for _, point := range p.Points {
		body = binary.LittleEndian.AppendUint32(body, uint32((point.Start-q.Start)/step))
	}
	for _, point := range p.Points {
		body = binary.LittleEndian.AppendUint32(body, math.Float32bits(float32(point.Duration)))
	}
	for _, i := range failed {
		body = binary.LittleEndian.AppendUint32(body, i)
	}
	w.Header().Set("Content-Type", binaryType)
	_, _ = w.Write(body) // the client may be gone: nobody to tell
	return nil
}
