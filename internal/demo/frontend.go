package demo

import (
	"bytes"
	_ "embed"
	"html/template"
	"net/http"
	"time"

	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
)

//go:embed page.html
var pageSource string

var page = template.Must(template.New("page").Funcs(template.FuncMap{
	"when": func(unix int64) string { return time.Unix(unix, 0).UTC().Format(time.RFC3339) },
}).Parse(pageSource))

// frontend shows the guestbook to browsers.
type frontend struct {
	*telemetry
	backend keeper
}

// newFrontend makes the routes of the original: GET / shows the messages and a
// form, POST /post takes the form and redirects to /.
func newFrontend(tel *telemetry, backend string) routes {
	f := &frontend{tel, newRemote(tel, backend)}
	return routes{
		"/":     {http.MethodGet: f.home, http.MethodHead: f.home},
		"/post": {http.MethodPost: f.post},
	}
}

func (f *frontend) home(w http.ResponseWriter, r *http.Request) {
	all, err := f.backend.list(r.Context())
	if err != nil {
		f.fail(w, r, err)
		return
	}
	f.show(w, http.StatusOK, view{Messages: all, MaxAuthor: maxAuthor, MaxMessage: maxMessage})
}

func (f *frontend) post(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	if err := r.ParseForm(); err != nil {
		http.Error(w, "reading the form: "+err.Error(), http.StatusBadRequest)
		return
	}
	m := message{Author: clean(r.PostForm.Get("name")), Message: clean(r.PostForm.Get("message"))}
	if err := m.check(); err != nil {
		f.show(w, http.StatusBadRequest, view{Error: err.Error(), MaxAuthor: maxAuthor, MaxMessage: maxMessage})
		return
	}
	if err := f.backend.insert(r.Context(), m); err != nil {
		f.fail(w, r, err)
		return
	}
	http.Redirect(w, r, "/", http.StatusFound)
}

// fail tells the browser that the backend did not answer, and the span why.
func (f *frontend) fail(w http.ResponseWriter, r *http.Request, err error) {
	span := trace.SpanFromContext(r.Context())
	span.RecordError(err)
	span.SetStatus(codes.Error, err.Error())
	f.log.ErrorContext(r.Context(), "asking the backend", "error", err)
	f.show(w, http.StatusInternalServerError, view{Error: "The backend did not answer as it should.",
		Trace: span.SpanContext().TraceID().String(), MaxAuthor: maxAuthor, MaxMessage: maxMessage})
}

// view is what the page shows.
type view struct {
	Messages              []message
	Error, Trace          string
	MaxAuthor, MaxMessage int
}

func (f *frontend) show(w http.ResponseWriter, status int, v view) {
	var b bytes.Buffer
	if err := page.Execute(&b, v); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'")
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes())
}
