package server

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/gorilla/websocket"

	"github.com/signalbox-otel/signalbox/internal/query"
	"github.com/signalbox-otel/signalbox/internal/query/logql"
	"github.com/signalbox-otel/signalbox/internal/store"
)

// lokiTailMessage is one message of a tail.
type lokiTailMessage struct {
	Streams []*lokiStream  `json:"streams"`
	Dropped []lokiDropping `json:"dropped_entries"`
}

// lokiDropping says that lines were left out, without saying which.
type lokiDropping struct {
	Labels    lokiLabelSet `json:"labels"`
	Timestamp string       `json:"timestamp"`
}

// lokiTail sends lines over a WebSocket: first those since start, oldest first,
// then others as they arrive.
func (s *Server) lokiTail(w http.ResponseWriter, r *http.Request) error {
	in := s.lokiInputs(r)
	e, limit, now := in.logs(), in.count("limit"), s.deps.Now()
	start := in.instant("start", now.Add(-time.Hour))
	if in.err != nil {
		return in.err
	}
	filter, err := logql.NewFilter(e)
	if err != nil {
		return err
	}
	release, err := s.admitTail()
	if err != nil {
		return err
	}
	defer release()
	// Following begins before the past is read, so that nothing is between them.
	t, err := s.engine.Tail(store.Logs, filter.Where)
	if err != nil {
		return err
	}
	defer t.Close()
	past, err := s.logql.Logs(r.Context(), logql.LogQuery{Expr: e, Start: uint64(max(start.UnixNano(), 0)), End: uint64(now.UnixNano()), Limit: limit})
	if err != nil {
		return err
	}
	upgrader := websocket.Upgrader{EnableCompression: true}
	conn, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		return nil // Upgrade has answered
	}
	defer func() { _ = conn.Close() }() // the client may be gone: nobody to tell
	s.metrics.tails.Inc()
	defer s.metrics.tails.Dec()
	tail := lokiTailing{conn: conn, filter: filter, seen: map[string]bool{}}
	tail.past(past.Entries)
	s.follow(r.Context(), t, &tail)
	return nil
}

// follow sends what arrives until the client leaves or the server stops.
func (s *Server) follow(ctx context.Context, t *query.Tail, tail *lokiTailing) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(s.ending, cancel)()
	go func() {
		defer cancel()
		// Clients send nothing but that they leave.
		for {
			if _, _, err := tail.conn.NextReader(); err != nil {
				return
			}
		}
	}()
	for tail.err == nil {
		b, err := s.nextOf(ctx, t)
		switch {
		case errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil:
			tail.err = tail.conn.WriteControl(websocket.PingMessage, nil, time.Now().Add(tailWriteTime))
		case err != nil:
			goodbye := websocket.FormatCloseMessage(websocket.CloseNormalClosure, "")
			_ = tail.conn.WriteControl(websocket.CloseMessage, goodbye, time.Now().Add(time.Second)) // the client may be gone
			return
		default:
			tail.batch(b)
			s.metrics.missed.Add(float64(b.Missed))
		}
	}
}

// lokiTailing writes messages until an error, which it keeps.
type lokiTailing struct {
	conn   *websocket.Conn
	filter *logql.Filter
	// seen are the lines of the past that may come once more.
	seen map[string]bool
	err  error
}

func (t *lokiTailing) past(newestFirst []logql.Entry) {
	entries := make([]logql.Entry, 0, len(newestFirst))
	for i := len(newestFirst) - 1; i >= 0; i-- {
		entries = append(entries, newestFirst[i])
		t.seen[tailKey(&newestFirst[i])] = true
	}
	if len(entries) > 0 {
		t.send(entries, 0)
	}
}

func tailKey(e *logql.Entry) string { return strconv.FormatUint(e.At, 10) + e.Line }

func (t *lokiTailing) batch(b query.TailBatch) {
	var entries []logql.Entry
	for _, l := range b.Logs {
		if e, ok := t.filter.Entry(l); ok && !t.seen[tailKey(&e)] {
			entries = append(entries, e)
		}
	}
	clear(t.seen) // what was appended while the past was read comes with the first batch
	if len(entries) > 0 || b.Missed > 0 {
		t.send(entries, b.Missed)
	}
}

func (t *lokiTailing) send(entries []logql.Entry, missed uint64) {
	m := lokiTailMessage{Streams: streamsOf(entries, false), Dropped: []lokiDropping{}}
	if missed > 0 {
		m.Dropped = append(m.Dropped, lokiDropping{Labels: lokiLabelSet{{Name: "missed", Value: strconv.FormatUint(missed, 10)}}, Timestamp: strconv.FormatInt(time.Now().UnixNano(), 10)})
	}
	encoded, err := encodeJSON(m)
	if err == nil {
		_ = t.conn.SetWriteDeadline(time.Now().Add(tailWriteTime)) // a dead client is found by the write
		err = t.conn.WriteMessage(websocket.TextMessage, encoded)
	}
	t.err = err
}
