package explain

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"

	"github.com/signalbox-otel/signalbox/internal/operator/needs"
	"github.com/signalbox-otel/signalbox/internal/operator/review"
)

// Event is a decision that the operator told when a pod started.
type Event struct {
	// Time is when it was told last, and Count how often.
	Time  metav1.Time `json:"time"`
	Count int         `json:"count"`
	// About is whom it is about, as Deployment cart.
	About   string `json:"about"`
	Warning bool   `json:"warning,omitempty"`
	Reason  string `json:"reason"`
	Message string `json:"message"`
}

const (
	// maxEvents is how many are told.
	maxEvents = 10
	// eventsPage is how many are read: those of a namespace, of an hour.
	eventsPage = 1000
)

// events are those of the operator about a workload, its pods, and what stands
// between them. The API server keeps them for an hour.
func (e *Explainer) events(ctx context.Context, w *review.Workload) ([]Event, error) {
	list, err := e.core.Events(w.Namespace).List(ctx, metav1.ListOptions{
		FieldSelector: fields.OneTermEqualSelector("reportingComponent", needs.EventSource).String(), Limit: eventsPage,
	})
	if err != nil {
		return nil, fmt.Errorf("listing events of namespace %s: %w", w.Namespace, err)
	}
	var all []Event
	for i := range list.Items {
		if ev := &list.Items[i]; about(&ev.InvolvedObject, w) {
			all = append(all, eventOf(ev))
		}
	}
	slices.SortFunc(all, func(a, b Event) int { return cmp.Or(b.Time.Compare(a.Time.Time), cmp.Compare(a.Message, b.Message)) })
	return all[:min(len(all), maxEvents)], nil
}

// about reports whether an object is the workload, a pod of it, or a ReplicaSet
// or Job of it.
func about(o *corev1.ObjectReference, w *review.Workload) bool {
	if o.Kind == w.Kind && o.Name == w.Name {
		return true
	}
	for _, p := range w.Pods {
		if o.Kind == "Pod" && o.Name == p.Name {
			return true
		}
	}
	rest, below := strings.CutPrefix(o.Name, w.Name+"-")
	return below && !strings.Contains(rest, "-") && (o.Kind == "ReplicaSet" && w.Kind == "Deployment" || o.Kind == "Job" && w.Kind == "CronJob")
}

// eventOf reads an event, of which there are three generations of fields.
func eventOf(ev *corev1.Event) Event {
	at := cmp.Or(ev.LastTimestamp.Time, ev.EventTime.Time, ev.CreationTimestamp.Time)
	count := max(1, int(ev.Count))
	if s := ev.Series; s != nil {
		count = max(count, int(s.Count))
		if s.LastObservedTime.After(at) {
			at = s.LastObservedTime.Time
		}
	}
	return Event{
		Time: metav1.NewTime(at), Count: count, About: ev.InvolvedObject.Kind + " " + ev.InvolvedObject.Name,
		Warning: ev.Type == corev1.EventTypeWarning, Reason: ev.Reason, Message: ev.Message,
	}
}
