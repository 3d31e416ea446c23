// Package evidence asks the cluster why something does not run, where the
// statuses of pods do not say: the last line of a container that ended, and the
// last warning about an object.
//
// Controllers give its functions to readiness, which calls them only for pods
// in trouble.
//
// Invariants: what was found is kept until the container ends again, or for
// a moment, so that a crash is not asked about at every reconciliation. No more
// than a few answers are kept. Nothing here fails: an answer that cannot be had
// is empty.
package evidence

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	typedcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/signalbox-otel/signalbox/internal/operator/readiness"
)

const (
	// timeout bounds a question: whoever reconciles waits.
	timeout = 5 * time.Second
	// tail is how much of a log is read.
	tailLines, tailBytes = 20, 16 << 10
	// keepWarning is how long the last warning of an object is kept, and
	// oldWarning how old it may be.
	keepWarning, oldWarning = 15 * time.Second, 10 * time.Minute
	// keepAnswers is how many answers are kept.
	keepAnswers = 256
)

// Witness asks, and remembers answers.
type Witness struct {
	core typedcorev1.CoreV1Interface
	now  func() time.Time

	mu      sync.Mutex
	answers map[string]answer
}

// answer is what was found, and until when it is good; the zero time is for
// ever.
type answer struct {
	text  string
	until time.Time
}

// New asks an API server, by the client that has the rights.
func New(config *rest.Config, http *http.Client) (*Witness, error) {
	core, err := typedcorev1.NewForConfigAndClient(config, http)
	if err != nil {
		return nil, fmt.Errorf("making a client for logs and events: %w", err)
	}
	return &Witness{core: core, now: time.Now, answers: map[string]answer{}}, nil
}

// Look is what readiness asks.
func (w *Witness) Look() readiness.Look {
	return readiness.Look{LastLine: w.LastLine, LastWarning: w.LastWarning}
}

// LastLine is what a container wrote last before it ended: from the last line
// with an error on, on one line, without its time.
func (w *Witness) LastLine(pod *corev1.Pod, container string) string {
	var status corev1.ContainerStatus
	for _, s := range slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses) {
		if s.Name == container {
			status = s
		}
	}
	// The kubelet counts the end of a container when it starts it again.
	ended := status.State.Terminated != nil
	key := fmt.Sprintf("%s/%s/%d/%t", pod.UID, container, status.RestartCount, ended)
	return w.answer(key, func(ctx context.Context) answer {
		lines, bytes := int64(tailLines), int64(tailBytes)
		stream, err := w.core.Pods(pod.Namespace).GetLogs(pod.Name, &corev1.PodLogOptions{
			Container: container, Previous: !ended, TailLines: &lines, LimitBytes: &bytes,
		}).Stream(ctx)
		if err != nil {
			return answer{until: w.now().Add(keepWarning)}
		}
		defer stream.Close()
		text, _ := io.ReadAll(io.LimitReader(stream, tailBytes)) // what came is better than nothing
		return answer{text: lastError(string(text))}
	})
}

// LastWarning is the message of the latest warning about an object of a
// namespace; nothing when that is long ago.
func (w *Witness) LastWarning(object client.Object) string {
	return w.answer(string(object.GetUID()), func(ctx context.Context) answer {
		until := w.now().Add(keepWarning)
		events, err := w.core.Events(object.GetNamespace()).List(ctx, metav1.ListOptions{
			FieldSelector: fields.Set{"involvedObject.uid": string(object.GetUID()), "type": corev1.EventTypeWarning}.String(),
		})
		if err != nil || len(events.Items) == 0 {
			return answer{until: until}
		}
		last := slices.MaxFunc(events.Items, func(a, b corev1.Event) int { return eventTime(&a).Compare(eventTime(&b)) })
		if w.now().Sub(eventTime(&last)) > oldWarning {
			return answer{until: until}
		}
		return answer{strings.TrimSpace(last.Message), until}
	})
}

// eventTime is when an event happened last: there are three generations of
// fields for it.
func eventTime(e *corev1.Event) time.Time {
	at := cmp.Or(e.LastTimestamp.Time, e.EventTime.Time, e.CreationTimestamp.Time)
	if e.Series != nil && e.Series.LastObservedTime.After(at) {
		at = e.Series.LastObservedTime.Time
	}
	return at
}

// answer gives the answer that is kept, or asks.
func (w *Witness) answer(key string, ask func(context.Context) answer) string {
	w.mu.Lock()
	a, ok := w.answers[key]
	w.mu.Unlock()
	if ok && (a.until.IsZero() || w.now().Before(a.until)) {
		return a.text
	}
	// The functions that readiness calls have no context: they are short.
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	a = ask(ctx)
	w.mu.Lock()
	defer w.mu.Unlock()
	for old := range w.answers {
		if len(w.answers) < keepAnswers {
			break
		}
		delete(w.answers, old)
	}
	w.answers[key] = a
	return a.text
}

// lineTime is the time that a line of a log begins with, which would make the
// same message another at every crash.
var lineTime = regexp.MustCompile(`^\d{4}[-/]\d\d[-/]\d\d[ T]\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:?\d\d)?\s+`)

// lastError is the end of a log from the last line that speaks of an error, or
// its last line.
func lastError(log string) string {
	var lines []string
	for line := range strings.Lines(log) {
		if line = strings.TrimSpace(lineTime.ReplaceAllString(line, "")); line != "" {
			lines = append(lines, line)
		}
	}
	if len(lines) == 0 {
		return ""
	}
	from := len(lines) - 1
	for i, line := range lines {
		if lower := strings.ToLower(line); strings.Contains(lower, "error:") || strings.Contains(lower, "error(s):") || strings.HasPrefix(lower, "panic:") {
			from = i
		}
	}
	return strings.Join(lines[from:], " ")
}
