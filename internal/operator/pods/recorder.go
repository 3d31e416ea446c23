package pods

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/tools/events"

	"github.com/signalbox-otel/signalbox/internal/inject"
)

// maxNote is the longest text of an event, in bytes.
const maxNote = 1000

// injections counts decisions by what was asked for and what became of it.
func injections(registry prometheus.Registerer) (*prometheus.CounterVec, error) {
	counter := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "signalbox_injections_total",
		Help: "Decisions about pods that asked for something to be injected, by kind (sidecar, or a language), result and reason.",
	}, []string{"kind", "result", "reason"})
	err := registry.Register(counter)
	var before prometheus.AlreadyRegisteredError
	if errors.As(err, &before) {
		// An earlier manager of this process counted: go on.
		if c, ok := before.ExistingCollector.(*prometheus.CounterVec); ok {
			return c, nil
		}
	}
	if err != nil {
		return nil, fmt.Errorf("registering metrics: %w", err)
	}
	return counter, nil
}

// recorder keeps decisions where people look for them.
type recorder struct {
	events    events.EventRecorder
	decisions *prometheus.CounterVec
	log       *slog.Logger
}

// record keeps the decisions about one pod, which belongs to a namespace and
// maybe to owners.
func (r *recorder) record(namespace string, pod *corev1.Pod, owners []inject.Owner, decisions []inject.Decision) {
	for _, d := range decisions {
		r.decisions.WithLabelValues(string(d.Kind), string(d.Outcome), string(d.Reason)).Inc()
		kind, reason, note := corev1.EventTypeNormal, string(d.Reason), string(d.Kind)+": "+d.Message
		switch d.Outcome {
		case inject.Unchanged:
			continue // no news
		case inject.Failed:
			r.log.Warn("pod left as it is", "resource", namespace+"/"+podName(pod), "kind", string(d.Kind), "error", d.Message)
			kind = corev1.EventTypeWarning
		case inject.Refused:
			kind = corev1.EventTypeWarning
		case inject.Injected:
			reason = "Injected"
		}
		if len(note) > maxNote {
			note = strings.ToValidUTF8(note[:maxNote-len("…")], "") + "…"
		}
		// The recorder counts what repeats itself, instead of writing it again; what
		// the text says does not tell events apart, the action does.
		r.events.Eventf(about(namespace, pod, owners), nil, kind, reason, "inject-"+string(d.Kind), "%s", note)
	}
}

// about is whom an event is about: a new pod has no UID, and mostly no name, so
// it is the farthest owner that is known well enough to be found by it.
func about(namespace string, pod *corev1.Pod, owners []inject.Owner) *corev1.ObjectReference {
	for i := len(owners) - 1; i >= 0; i-- {
		if o := owners[i]; o.UID != "" {
			return &corev1.ObjectReference{APIVersion: o.APIVersion, Kind: o.Kind, Namespace: namespace, Name: o.Name, UID: o.UID}
		}
	}
	if pod.Name != "" {
		return &corev1.ObjectReference{APIVersion: "v1", Kind: "Pod", Namespace: namespace, Name: pod.Name}
	}
	return &corev1.ObjectReference{APIVersion: "v1", Kind: "Namespace", Name: namespace}
}

// podName is a pod's name, or as much as is known of it.
func podName(pod *corev1.Pod) string {
	if pod.Name != "" {
		return pod.Name
	}
	return pod.GenerateName + "*"
}
