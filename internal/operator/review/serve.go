package review

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

const (
	// keepFor is how long an answer holds, at least; one that took long holds
	// longer.
	keepFor, keepShare = 5 * time.Second, 5
	// keepMost bounds how many questions are known at once.
	keepMost = 64
	// answerTime bounds one answer, and answersAtOnce how many are looked for at the
	// same time.
	answerTime, answersAtOnce = 50 * time.Second, 2
)

// Handler answers at needs.WorkloadsPath: without parameters with a Report of all
// namespaces, with ?namespace= of one, with kind and name too with the Workload.
func (r *Reviewer) Handler() http.Handler {
	return &handler{reviewer: r, answers: map[question]*answer{}, slots: make(chan struct{}, answersAtOnce)}
}

// question is what was asked.
type question struct{ namespace, kind, name string }

// answer is what was found; status, body and until are set once done is closed.
type answer struct {
	done   chan struct{}
	status int
	body   []byte
	until  time.Time
}

// handler keeps answers for a moment: pages ask again and again.
type handler struct {
	reviewer *Reviewer
	slots    chan struct{}

	mu      sync.Mutex
	answers map[question]*answer
}

// ServeHTTP answers with JSON.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet {
		w.Header().Set("Allow", http.MethodGet)
		http.Error(w, "only GET", http.StatusMethodNotAllowed)
		return
	}
	p := r.URL.Query()
	q := question{p.Get("namespace"), p.Get("kind"), p.Get("name")}
	if (q.kind == "") != (q.name == "") || q.kind != "" && q.namespace == "" {
		http.Error(w, "give namespace, kind and name of a workload, or namespace alone, or nothing", http.StatusBadRequest)
		return
	}
	a := h.ask(q)
	if a == nil {
		w.Header().Set("Retry-After", "5")
		http.Error(w, "too many questions at once: ask again in a moment", http.StatusServiceUnavailable)
		return
	}
	select {
	case <-a.done:
	case <-r.Context().Done():
		return
	}
	w.Header().Set("Content-Type", "application/json")
	if a.status != http.StatusOK {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	}
	w.WriteHeader(a.status)
	_, _ = w.Write(a.body) // who asked has gone
}

// ask is the answer to a question: one that is kept or on its way, else a new
// one; nil when there are too many.
func (h *handler) ask(q question) *answer {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := h.reviewer.Now()
	for k, a := range h.answers {
		select {
		case <-a.done:
			if now.After(a.until) {
				delete(h.answers, k)
			}
		default:
		}
	}
	if a, ok := h.answers[q]; ok {
		return a
	}
	if len(h.answers) >= keepMost {
		return nil
	}
	a := &answer{done: make(chan struct{})}
	h.answers[q] = a
	go h.find(a, q)
	return a
}

// find finds an answer, also when who asked has gone: others may wait for it.
func (h *handler) find(a *answer, q question) {
	defer close(a.done)
	defer func() {
		if p := recover(); p != nil {
			a.status, a.body = http.StatusInternalServerError, fmt.Appendf(nil, "defect: %v\n", p)
		}
	}()
	ctx, cancel := context.WithTimeout(context.Background(), answerTime)
	defer cancel()
	h.slots <- struct{}{}
	defer func() { <-h.slots }()
	began := time.Now()
	found, err := h.look(ctx, q)
	if err == nil {
		a.status = http.StatusOK
		a.body, err = json.Marshal(found)
	}
	if err != nil {
		a.status, a.body = status(err), fmt.Appendln(nil, err)
	}
	a.until = h.reviewer.Now().Add(max(keepFor, keepShare*time.Since(began)))
}

func (h *handler) look(ctx context.Context, q question) (any, error) {
	switch {
	case q.kind != "":
		return h.reviewer.Workload(ctx, Ref{q.kind, q.namespace, q.name})
	case q.namespace != "":
		return h.reviewer.Sweep(ctx, q.namespace)
	}
	return h.reviewer.Sweep(ctx)
}

// status is the status code of an error.
func status(err error) int {
	switch {
	case errors.Is(err, ErrKind):
		return http.StatusBadRequest
	case apierrors.IsNotFound(err):
		return http.StatusNotFound
	}
	return http.StatusServiceUnavailable
}
