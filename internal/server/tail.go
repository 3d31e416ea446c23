package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/signalbox-otel/signalbox/internal/query"
	"github.com/signalbox-otel/signalbox/internal/store"
)

// tailWriteTime is how long a client may take to accept what is sent to it.
const tailWriteTime = 10 * time.Second

func (s *Server) tailTraces(w http.ResponseWriter, r *http.Request) error {
	return s.tail(w, r, store.Spans)
}

func (s *Server) tailLogs(w http.ResponseWriter, r *http.Request) error {
	return s.tail(w, r, store.Logs)
}

// admitTail takes one of the places for live tails; release must follow.
func (s *Server) admitTail() (release func(), err error) {
	select {
	case s.tails <- struct{}{}:
		return func() { <-s.tails }, nil
	default:
		return nil, &problem{Status: http.StatusServiceUnavailable, Kind: "unavailable", RetryAfter: 10,
			Message: fmt.Sprintf("there are %d live tails already; close one", cap(s.tails))}
	}
}

// tail sends matching records as they arrive, as server-sent events: span or
// log for a record, missed for those that the client was too slow for, end when
// the store closes, and a comment as a sign of life.
func (s *Server) tail(w http.ResponseWriter, r *http.Request, kind store.Kind) error {
	in := s.inputs(r)
	where := in.condition(kind)
	if err := in.check(); err != nil {
		return err
	}
	release, err := s.admitTail()
	if err != nil {
		return err
	}
	defer release()
	t, err := s.engine.Tail(kind, where)
	if err != nil {
		return err
	}
	defer t.Close()
	s.metrics.tails.Inc()
	defer s.metrics.tails.Dec()
	w.Header().Set("Content-Type", eventStream)
	w.Header().Set("X-Accel-Buffering", "no") // or nginx would hold events back
	if r.Method == http.MethodHead {
		return nil
	}
	out := events{w: w, conn: http.NewResponseController(w)}
	defer func() { _ = out.conn.SetWriteDeadline(time.Time{}) }()
	out.comment("following")
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	defer context.AfterFunc(s.ending, cancel)()
	for out.err == nil {
		b, err := s.nextOf(ctx, t)
		switch {
		case errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil:
			out.comment("heartbeat")
		case errors.Is(err, io.EOF):
			out.event("end", struct{}{})
			return nil
		case err != nil:
			return nil // the client left, or the server is shutting down
		}
		out.batch(b)
		s.metrics.missed.Add(float64(b.Missed))
	}
	return nil
}

// nextOf waits for records, at most for the time between two heartbeats.
func (s *Server) nextOf(ctx context.Context, t *query.Tail) (query.TailBatch, error) {
	ctx, cancel := context.WithTimeout(ctx, s.deps.Limits.Heartbeat)
	defer cancel()
	return t.Next(ctx)
}

// events writes server-sent events until an error, which it keeps.
type events struct {
	w    io.Writer
	conn *http.ResponseController
	err  error
}

func (e *events) batch(b query.TailBatch) {
	for _, span := range b.Spans {
		e.write("span", loneSpanOf(span))
	}
	for _, l := range b.Logs {
		e.write("log", logOf(l, ""))
	}
	if b.Missed > 0 {
		e.write("missed", map[string]uint64{"missed": b.Missed})
	}
	e.flush()
}

func (e *events) event(name string, data any) {
	e.write(name, data)
	e.flush()
}

func (e *events) comment(text string) {
	e.print(": %s\n\n", text)
	e.flush()
}

func (e *events) write(name string, data any) {
	encoded, err := encodeJSON(data) // one line, as an event needs it
	if err != nil {
		e.err = err
		return
	}
	e.print("event: %s\ndata: %s\n", name, encoded)
}

func (e *events) print(format string, args ...any) {
	if e.err == nil {
		// Where deadlines are not supported a dead client holds up only its own tail.
		_ = e.conn.SetWriteDeadline(time.Now().Add(tailWriteTime))
		_, e.err = fmt.Fprintf(e.w, format, args...)
	}
}

func (e *events) flush() {
	if e.err == nil {
		e.err = e.conn.Flush()
	}
}
