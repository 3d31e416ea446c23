package operator

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/signalbox-otel/signalbox/internal/inject"
	"github.com/signalbox-otel/signalbox/internal/operator/pods"
	"github.com/signalbox-otel/signalbox/internal/operator/review"
)

// Of workloads that ask for an Instrumentation it is told which have pods that would
// get it now and do not have it, and which the crash guard keeps it from.
func TestAsking(t *testing.T) {
	workload := func(name string, state inject.State, decisions ...inject.Decision) review.Workload {
		w := review.Workload{Ref: review.Ref{Kind: "Deployment", Namespace: "shop", Name: name}, Decisions: decisions}
		for _, d := range decisions {
			w.Counts = append(w.Counts, review.Count{Kind: d.Kind, State: state, Pods: 1})
		}
		return w
	}
	injected := func(k inject.Kind, source string) inject.Decision {
		return inject.Decision{Kind: k, Outcome: inject.Injected, Source: source, Sum: "1"}
	}
	refused := inject.Decision{Kind: inject.Python, Outcome: inject.Refused, Reason: inject.CrashGuard, Source: "shop/all", Sum: "1"}
	quota := inject.Decision{Kind: inject.Python, Outcome: inject.Refused, Reason: inject.OverQuota, Source: "shop/all", Sum: "1"}
	r := &review.Report{Workloads: []review.Workload{
		workload("has it", inject.StateInjected, injected(inject.Python, "shop/all")),
		workload("missed", inject.StateMissed, injected(inject.Sidecar, "shop/beside"), injected(inject.Java, "shop/other"), injected(inject.Python, "shop/all")),
		workload("stale", inject.StateStale, injected(inject.Python, "shop/all")),
		workload("another's", inject.StateMissed, injected(inject.Python, "shop/other")),
		workload("guarded", inject.StateGuarded, refused),
		workload("refused", inject.StateStale, quota),
	}}
	marks := []inject.Mark{{Kind: inject.Python, Source: "shop/all", Sum: "1"}}
	want := []pods.Asking{
		{Kind: "Deployment", Namespace: "shop", Name: "has it", Marks: marks},
		{Kind: "Deployment", Namespace: "shop", Name: "missed", Marks: []inject.Mark{{Kind: inject.Java, Source: "shop/other", Sum: "1"}, marks[0]}, Due: true},
		{Kind: "Deployment", Namespace: "shop", Name: "stale", Marks: marks, Due: true},
		{Kind: "Deployment", Namespace: "shop", Name: "guarded", Guarded: true},
		{Kind: "Deployment", Namespace: "shop", Name: "refused"},
	}
	r.Time = metav1.Now()
	got, at := asking(r, "shop/all")
	if diff := cmp.Diff(want, got); diff != "" || !at.Equal(r.Time.Time) {
		t.Errorf("asking at %s (-want +got):\n%s", at, diff)
	}
	if got, at := asking(nil, "shop/all"); got != nil || !at.IsZero() {
		t.Errorf("got %v at %s before anything is known; want nothing", got, at)
	}
}
