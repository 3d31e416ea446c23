package demo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"mime"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
	"golang.org/x/net/html"
)

const (
	maxBody    = 64 << 10
	maxAuthor  = 100  // characters
	maxMessage = 1000 // characters
	maxListed  = 50   // the newest messages are what a guestbook shows
)

// message is one entry of the guestbook.
type message struct {
	Author  string `json:"author" bson:"author"`
	Message string `json:"message" bson:"message"`
	Date    int64  `json:"date" bson:"date"` // Unix seconds
}

// errInvalid is wrapped by what a sender of a message did wrong.
var errInvalid = errors.New("invalid message")

// keeper keeps messages: a database, or a part that asks one.
type keeper interface {
	insert(ctx context.Context, m message) error
	// list returns the newest messages first.
	list(ctx context.Context) ([]message, error)
}

// disturbance makes a part misbehave on purpose.
type disturbance struct {
	errors  float64
	latency time.Duration
}

// messages serves GET and POST /messages on a keeper.
type messages struct {
	*telemetry
	keeper  keeper
	disturb disturbance
	status  int // of success
}

// newMessages makes the routes. Both answer with the status that is given: the
// original backend says 201 to GET too, and its metrics are known for it.
func newMessages(tel *telemetry, k keeper, d disturbance, status int) routes {
	m := &messages{tel, k, d, status}
	return routes{"/messages": {http.MethodGet: m.get, http.MethodPost: m.post}}
}

func (m *messages) get(w http.ResponseWriter, r *http.Request) {
	if err := m.disturb.apply(r.Context(), m.tracer); err != nil {
		m.fail(w, r, err)
		return
	}
	all, err := m.keeper.list(r.Context())
	if err != nil {
		m.fail(w, r, fmt.Errorf("listing messages: %w", err))
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(m.status)
	_ = json.NewEncoder(w).Encode(all) // the client is gone when this fails
}

func (m *messages) post(w http.ResponseWriter, r *http.Request) {
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		http.Error(w, "want Content-Type: application/json", http.StatusUnsupportedMediaType)
		return
	}
	if err := m.disturb.apply(r.Context(), m.tracer); err != nil {
		m.fail(w, r, err)
		return
	}
	var msg message
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody)).Decode(&msg); err != nil {
		m.fail(w, r, fmt.Errorf("%w: %w", errInvalid, err))
		return
	}
	msg.Author, msg.Message = clean(msg.Author), clean(msg.Message)
	if err := msg.check(); err != nil {
		m.fail(w, r, err)
		return
	}
	if msg.Date == 0 {
		msg.Date = time.Now().Unix()
	}
	if err := m.keeper.insert(r.Context(), msg); err != nil {
		m.fail(w, r, fmt.Errorf("inserting a message: %w", err))
		return
	}
	m.log.InfoContext(r.Context(), "message stored", "length", utf8.RuneCountInString(msg.Message))
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(m.status)
	_, _ = w.Write([]byte("{}\n"))
}

// fail answers, and records, an error of a request.
func (m *messages) fail(w http.ResponseWriter, r *http.Request, err error) {
	if errors.Is(err, errInvalid) {
		m.log.WarnContext(r.Context(), "message refused", "error", err)
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	span := trace.SpanFromContext(r.Context())
	span.RecordError(err)
	span.SetStatus(codes.Error, err.Error())
	m.log.ErrorContext(r.Context(), "request failed", "error", err)
	http.Error(w, "internal error", http.StatusInternalServerError)
}

func (m message) check() error {
	switch {
	case m.Author == "":
		return fmt.Errorf("%w: no author", errInvalid)
	case m.Message == "":
		return fmt.Errorf("%w: no message", errInvalid)
	case utf8.RuneCountInString(m.Author) > maxAuthor:
		return fmt.Errorf("%w: the author has more than %d characters", errInvalid, maxAuthor)
	case utf8.RuneCountInString(m.Message) > maxMessage:
		return fmt.Errorf("%w: it has more than %d characters", errInvalid, maxMessage)
	}
	return nil
}

// clean keeps the text of what may be HTML.
func clean(s string) string {
	if !strings.ContainsAny(s, "<&") {
		return strings.TrimSpace(s)
	}
	var b strings.Builder
	for z := html.NewTokenizer(strings.NewReader(s)); ; {
		switch z.Next() {
		case html.ErrorToken:
			return strings.TrimSpace(b.String())
		case html.TextToken:
			b.WriteString(html.UnescapeString(string(z.Raw())))
		}
	}
}

// errOnPurpose is what --errors asks for.
var errOnPurpose = errors.New("connection pool exhausted (on purpose, by --errors)")

// apply fails or waits, as often as the settings say.
func (d disturbance) apply(ctx context.Context, tracer trace.Tracer) error {
	if d.errors > 0 && rand.Float64() < d.errors {
		return errOnPurpose
	}
	if d.latency <= 0 || rand.IntN(10) != 0 {
		return nil
	}
	wait := d.latency/2 + rand.N(d.latency+1)
	ctx, span := tracer.Start(ctx, "wait for lock", trace.WithAttributes(
		attribute.Bool("guestbook.on_purpose", true)))
	defer span.End()
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
