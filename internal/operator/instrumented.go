package operator

import (
	"slices"
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
		Overdue: func(instrumentation string) ([]pods.Overdue, time.Time) {
			return overdue(counter.Last(), instrumentation)
		},
	})
}

// overdue are the workloads of a report that an Instrumentation is to be rolled
// out to, or the crash guard keeps it from, and the report's time.
func overdue(r *review.Report, instrumentation string) ([]pods.Overdue, time.Time) {
	if r == nil {
		return nil, time.Time{}
	}
	var all []pods.Overdue
	for i := range r.Workloads {
		w := &r.Workloads[i]
		late := pods.Overdue{Kind: w.Kind, Namespace: w.Namespace, Name: w.Name}
		due := false
		for _, d := range w.Decisions {
			if d.Kind == inject.Sidecar {
				continue
			}
			if d.Outcome == inject.Injected {
				late.Marks = append(late.Marks, inject.Mark{Kind: d.Kind, Source: d.Source, Sum: d.Sum})
			}
			if d.Source != instrumentation {
				continue
			}
			late.Guarded = late.Guarded || d.Reason == inject.CrashGuard
			due = due || d.Outcome == inject.Injected && slices.ContainsFunc(w.Counts, func(c review.Count) bool {
				return c.Kind == d.Kind && (c.State == inject.StateMissed || c.State == inject.StateStale)
			})
		}
		if due || late.Guarded {
			all = append(all, late)
		}
	}
	return all, r.Time.Time
}
