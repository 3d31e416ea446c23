package controllers

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/signalbox-otel/signalbox/internal/operator/controllers/apply"
)

// Reasons of events, besides those of conditions.
const (
	// eventApplied says what was written.
	eventApplied = "Applied"
	// eventReplaced says what had to be deleted and made anew.
	eventReplaced = "Replaced"
	// eventRepaired says what somebody had changed.
	eventRepaired = "Repaired"
)

// noteLimit is how long the API server lets the text of an event be.
const noteLimit = 1024

// recorder tells people of what was done to a resource and what keeps it from
// being as wanted.
type recorder struct{ events.EventRecorder }

// changes tells what was written, in one event of each reason.
func (r recorder) changes(o client.Object, changes []apply.Change) {
	notes := map[string][]string{}
	for _, c := range changes {
		text := c.Verb + " " + c.Object
		reason := eventApplied
		switch {
		case c.Verb == "replaced":
			reason = eventReplaced
		case c.Why != "":
			reason = eventRepaired
		}
		if c.Why != "" {
			text += ": " + c.Why
		}
		notes[reason] = append(notes[reason], text)
	}
	for _, reason := range []string{eventReplaced, eventRepaired, eventApplied} {
		if n := notes[reason]; len(n) > 0 {
			r.say(o, corev1.EventTypeNormal, reason, strings.Join(n, "; "))
		}
	}
}

// problem tells what went wrong.
func (r recorder) problem(o client.Object, p apply.Problem) {
	r.say(o, corev1.EventTypeWarning, p.Reason, p.Message)
}

func (r recorder) say(o client.Object, typ, reason, note string) {
	if len(note) > noteLimit {
		note = fmt.Sprintf("%.*s…", noteLimit-3, note)
	}
	r.Eventf(o, nil, typ, reason, "Reconcile", "%s", note)
}
