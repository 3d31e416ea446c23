package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"

	"github.com/signalbox-otel/signalbox/internal/query"
	"github.com/signalbox-otel/signalbox/internal/query/logql"
	"github.com/signalbox-otel/signalbox/internal/query/traceql"
	"github.com/signalbox-otel/signalbox/internal/store"
)

// problem is an error as clients see it.
type problem struct {
	Status  int    `json:"-"`
	Kind    string `json:"kind"` // for programs; the list is in openapi.yaml
	Message string `json:"error"`
	// Position is the byte offset in the condition that the error is about.
	Position *int `json:"position,omitempty"`
	// RetryAfter, in seconds, is sent as a header when it is not 0.
	RetryAfter int `json:"-"`
}

func (p *problem) Error() string { return p.Message }

// statusClientClosed is logged and counted for requests whose client left; it
// is never seen by anyone.
const statusClientClosed = 499

// paramError says which parameter of a request is wrong, and why.
type paramError struct {
	param string
	err   error
}

func (e *paramError) Error() string { return fmt.Sprintf("parameter %s: %v", e.param, e.err) }
func (e *paramError) Unwrap() error { return e.err }

// problemOf is the one place where errors become status codes.
func problemOf(err error) *problem {
	var (
		known    *problem
		syntax   *query.SyntaxError
		param    *paramError
		tooLarge *http.MaxBytesError
		overload *store.OverloadError
		corrupt  *store.CorruptionError
		cursor   *query.CursorError
		steps    *traceql.TooManyStepsError
		limit    *logql.LimitError
		eval     *logql.EvalError
	)
	p := &problem{Message: err.Error()}
	switch {
	case errors.As(err, &known):
		return known
	case errors.As(err, &param), errors.As(err, &cursor), errors.As(err, &steps):
		p.Status, p.Kind = http.StatusBadRequest, "bad_request"
	case errors.As(err, &syntax):
		p.Status, p.Kind, p.Position = http.StatusBadRequest, "bad_query", &syntax.Pos
	case errors.As(err, &limit), errors.As(err, &eval):
		p.Status, p.Kind = http.StatusBadRequest, "bad_query"
	case errors.As(err, &tooLarge):
		p.Status, p.Kind = http.StatusRequestEntityTooLarge, "too_large"
	case errors.Is(err, query.ErrNotFound):
		p.Status, p.Kind = http.StatusNotFound, "not_found"
	case errors.Is(err, context.DeadlineExceeded):
		p.Status, p.Kind = http.StatusGatewayTimeout, "timeout"
		p.Message = "the answer took too long; ask for a shorter time range or add conditions"
	case errors.Is(err, context.Canceled):
		p.Status, p.Kind = statusClientClosed, "cancelled"
	case errors.As(err, &overload):
		p.Status, p.Kind = http.StatusServiceUnavailable, "unavailable"
		p.RetryAfter = int(math.Ceil(overload.RetryAfter.Seconds()))
	case errors.Is(err, store.ErrClosed), errors.Is(err, query.ErrNoFollower):
		p.Status, p.Kind = http.StatusServiceUnavailable, "unavailable"
	case errors.As(err, &corrupt):
		p.Status, p.Kind = http.StatusInternalServerError, "corrupt"
	default:
		p.Status, p.Kind = http.StatusInternalServerError, "internal"
	}
	return p
}

// fail answers with p in the shape that write gives it. Faults of the server
// are logged; those of clients are only counted.
func (s *Server) fail(w http.ResponseWriter, r *http.Request, write func(http.ResponseWriter, *problem), p *problem) {
	if p.Status == http.StatusInternalServerError {
		s.deps.Logger.Error("request failed", "path", r.URL.Path, "error", p.Message)
	}
	if p.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(p.RetryAfter))
	}
	write(w, p)
}

// writeProblem writes our own shape of an error.
func writeProblem(w http.ResponseWriter, p *problem) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(p) // the client may be gone: nobody to tell
}
