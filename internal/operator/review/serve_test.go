package review

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/signalbox-otel/signalbox/internal/operator/needs"
)

// A client gets what the Reviewer found, and an answer holds for a moment.
func TestServe(t *testing.T) {
	d, set := deployment("cart", asking(askPython, "true"))
	pod := owned(onePod("cart-1", asking(askPython, "true")), set, "apps/v1")
	pod.Labels = map[string]string{"app": "x"}
	m := cluster(d, set, pod)
	r := newReviewer(m)
	var later atomic.Int64 // seconds
	r.Now = func() time.Time { return now.Add(time.Duration(later.Load()) * time.Second) }
	mux := http.NewServeMux()
	mux.Handle(needs.WorkloadsPath, r.Handler())
	token := ""
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		token = req.Header.Get("Authorization")
		mux.ServeHTTP(w, req)
	}))
	defer server.Close()
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte("secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c := &Client{URL: server.URL + "/", TokenFile: file, HTTP: server.Client()}

	want := mustSweep(t, r)
	m.gets, m.pages = 0, 0
	for range 3 {
		got, err := c.Report(t.Context(), "")
		if err != nil {
			t.Fatal(err)
		}
		want.Time, got.Time = got.Time, want.Time
		if diff := cmp.Diff(told(want), told(got)); diff != "" {
			t.Errorf("report (-want +got):\n%s", diff)
		}
	}
	if m.pages != 1 || token != "Bearer secret" {
		t.Errorf("got %d lists and token %q; want one list, and the token of the file", m.pages, token)
	}
	later.Store(60)
	if _, err := c.Report(t.Context(), ""); err != nil || m.pages != 2 {
		t.Errorf("got %d lists and error %v; want another list after a minute", m.pages, err)
	}
	w, err := c.Workload(t.Context(), Ref{"Deployment", "shop", "cart"})
	if err != nil || len(w.Pods) != 1 || w.Pods[0].Name != "cart-1" {
		t.Errorf("got %+v, %v; want the pod of cart", w, err)
	}
	for ref, want := range map[Ref]int{
		{"Deployment", "shop", "gone"}: http.StatusNotFound,
		{"Rollout", "shop", "cart"}:    http.StatusBadRequest,
		{"Deployment", "", "cart"}:     http.StatusBadRequest,
		{"Deployment", "shop", ""}:     http.StatusBadRequest,
	} {
		_, err := c.Workload(t.Context(), ref)
		var answer *Error
		if !errors.As(err, &answer) || answer.Status != want {
			t.Errorf("%s: got %v; want status %d", ref, err, want)
		}
	}
}

// Questions are bounded: of more at once than are kept, the rest is told to wait.
func TestTooManyQuestions(t *testing.T) {
	r := newReviewer(cluster())
	h := r.Handler().(*handler)
	for range answersAtOnce {
		h.slots <- struct{}{}
	}
	for i := range keepMost {
		if h.ask(question{namespace: string(rune('a' + i))}) == nil {
			t.Fatalf("question %d is not taken", i)
		}
	}
	response := httptest.NewRecorder()
	h.ServeHTTP(response, httptest.NewRequest(http.MethodGet, needs.WorkloadsPath, nil))
	if response.Code != http.StatusServiceUnavailable {
		t.Errorf("got status %d; want %d", response.Code, http.StatusServiceUnavailable)
	}
	for range answersAtOnce {
		<-h.slots
	}
	for _, a := range h.answers {
		<-a.done
	}
}
