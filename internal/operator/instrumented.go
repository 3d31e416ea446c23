package operator

import (
	"time"

	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/signalbox-otel/signalbox/internal/inject"
	"github.com/signalbox-otel/signalbox/internal/operator/pods"
	"github.com/signalbox-otel/signalbox/internal/operator/review"
)

// guards are the crash guards, nil where none are wanted.
func (o *Operator) guards(mgr ctrl.Manager) (*pods.Guards, error) {
	if !o.Settings.CrashGuard || !o.Settings.Webhooks.Enabled {
		return nil, nil
	}
	return pods.NewGuards(mgr, o.client, o.Settings.Namespace, o.Logger)
}

// instrumented looks after pods that are instrumented: the crash guard takes
// back what programs do not stand, and workloads are restarted whose pods are
// older than their Instrumentation. Counter knows those; nil knows none.
func (o *Operator) instrumented(mgr ctrl.Manager, guards *pods.Guards, counter *review.Counter) error {
	s := &o.Settings
	i, err := pods.NewInstrumented(mgr, s.WatchNamespaces...)
	if err != nil {
		return err
	}
	var guard *pods.CrashGuard
	if guards != nil {
		if guard, err = pods.AddCrashGuard(mgr, i, guards, o.Logger); err != nil {
			return err
		}
	}
	if counter == nil {
		return nil
	}
	if err := i.Changed(counter.Poke); err != nil {
		return err
	}
	return pods.AddInstrumentationRollout(mgr, i, guard, guards, pods.InstrumentationRollout{
		AtOnce: s.InstrumentationRollout, Images: s.Images.Agents,
		Asking: func(instrumentation string) ([]pods.Asking, time.Time) {
			return asking(counter.Last(), instrumentation)
		},
	})
}

// asking are the workloads of a report that ask for an Instrumentation, and the
// report's time.
func asking(r *review.Report, instrumentation string) ([]pods.Asking, time.Time) {
	if r == nil {
		return nil, time.Time{}
	}
	var all []pods.Asking
	for i := range r.Workloads {
		w := &r.Workloads[i]
		a := pods.Asking{Kind: w.Kind, Namespace: w.Namespace, Name: w.Name}
		asks := false
		for _, d := range w.Decisions {
			if d.Kind == inject.Sidecar {
				continue
			}
			if d.Outcome == inject.Injected {
				a.Marks = append(a.Marks, inject.Mark{Kind: d.Kind, Source: d.Source, Sum: d.Sum})
			}
			if d.Source != instrumentation {
				continue
			}
			asks = true
			a.Guarded = a.Guarded || d.Reason == inject.CrashGuard
			a.Due = a.Due || d.Outcome == inject.Injected && w.Count(d.Kind, inject.StateMissed)+w.Count(d.Kind, inject.StateStale) > 0
		}
		if asks {
			all = append(all, a)
		}
	}
	return all, r.Time.Time
}
