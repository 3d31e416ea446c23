package evidence

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
)

func TestLastError(t *testing.T) {
	for log, want := range map[string]string{
		"": "",
		"2026-11-20T12:00:00.123Z\tinfo\tstarting\n2026/11/20 12:00:01 collector server run finished with error: invalid configuration: no receivers\n":                                                                         "collector server run finished with error: invalid configuration: no receivers",
		"Error: failed to get config: decoding failed due to the following error(s):\n\n'exporters' error reading configuration for \"otlp\": decoding failed due to the following error(s):\n\n'' has invalid keys: endpont\n": `'exporters' error reading configuration for "otlp": decoding failed due to the following error(s): '' has invalid keys: endpont`,
		"one\ntwo\n": "two",
		"panic: runtime error: index out of range\n\ngoroutine 1 [running]:\n": "panic: runtime error: index out of range goroutine 1 [running]:",
	} {
		if got := lastError(log); got != want {
			t.Errorf("log %q:\ngot  %q\nwant %q", log, got, want)
		}
	}
}

// asked is an API server that answers with logs and events, and what it was
// asked.
type asked struct {
	questions []string
	events    []corev1.Event
}

func (a *asked) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.questions = append(a.questions, r.URL.String())
	if r.URL.Path == "/api/v1/namespaces/shop/events" {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(corev1.EventList{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "EventList"}, Items: a.events})
		return
	}
	fmt.Fprintf(w, "Error: end %d\n", len(a.questions))
}

func newWitness(t *testing.T, a *asked, now *time.Time) *Witness {
	t.Helper()
	s := httptest.NewServer(a)
	t.Cleanup(s.Close)
	w, err := New(&rest.Config{Host: s.URL}, s.Client())
	if err != nil {
		t.Fatal(err)
	}
	w.now = func() time.Time { return *now }
	return w
}

func TestLastLine(t *testing.T) {
	var a asked
	now := time.Unix(1e9, 0)
	w := newWitness(t, &a, &now)
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "a", UID: "1"},
		Status:     corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{{Name: "otc-container", RestartCount: 3}}},
	}
	for range 3 {
		if got, want := w.LastLine(pod, "otc-container"), "Error: end 1"; got != want {
			t.Errorf("got %q; want %q", got, want)
		}
	}
	pod.Status.ContainerStatuses[0].RestartCount++
	if got, want := w.LastLine(pod, "otc-container"), "Error: end 2"; got != want {
		t.Errorf("after another end: got %q; want %q", got, want)
	}
	want := "/api/v1/namespaces/shop/pods/a/log?container=otc-container&limitBytes=16384&previous=true&tailLines=20"
	if a.questions[0] != want {
		t.Errorf("asked for %s; want %s", a.questions[0], want)
	}
}

func TestLastWarning(t *testing.T) {
	now := time.Unix(1e9, 0)
	at := func(ago time.Duration) metav1.Time { return metav1.NewTime(now.Add(-ago)) }
	a := asked{events: []corev1.Event{
		{Message: "old", LastTimestamp: at(time.Minute)},
		{Message: "secret \"tls\" not found", Series: &corev1.EventSeries{LastObservedTime: metav1.NewMicroTime(now)}, EventTime: metav1.NewMicroTime(now.Add(-time.Hour))},
	}}
	w := newWitness(t, &a, &now)
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "a", UID: "1"}}
	for range 2 {
		if got, want := w.LastWarning(pod), `secret "tls" not found`; got != want {
			t.Errorf("got %q; want %q", got, want)
		}
	}
	if len(a.questions) != 1 {
		t.Errorf("asked %d times at once; want once", len(a.questions))
	}
	now = now.Add(time.Hour)
	if got := w.LastWarning(pod); got != "" {
		t.Errorf("an hour later: got %q; want nothing", got)
	}
}
