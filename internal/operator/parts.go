package operator

import (
	"context"
	"errors"

	"github.com/prometheus/client_golang/prometheus"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	"github.com/signalbox-otel/signalbox/api/v1alpha1"
	"github.com/signalbox-otel/signalbox/api/v1beta1"
	"github.com/signalbox-otel/signalbox/internal/inject"
	"github.com/signalbox-otel/signalbox/internal/operator/admission"
	"github.com/signalbox-otel/signalbox/internal/operator/cluster"
	"github.com/signalbox-otel/signalbox/internal/operator/controllers"
	"github.com/signalbox-otel/signalbox/internal/operator/defaults"
	"github.com/signalbox-otel/signalbox/internal/operator/evidence"
	"github.com/signalbox-otel/signalbox/internal/operator/inventory"
	"github.com/signalbox-otel/signalbox/internal/operator/pods"
	"github.com/signalbox-otel/signalbox/internal/operator/reach"
	"github.com/signalbox-otel/signalbox/internal/operator/settings"
	"github.com/signalbox-otel/signalbox/internal/operator/upgrade"
)

// add registers the parts. What they count is asked of them as long as this
// manager runs.
func (o *Operator) add(ctx context.Context, mgr ctrl.Manager) error {
	s := &o.Settings
	offers, err := cluster.Add(ctx, mgr, cluster.Config{
		Base: s.Facts(), RBAC: s.GrantRights, Namespaces: s.WatchNamespaces, Namespace: s.Namespace, Nodes: s.Delivery == settings.DeliverAuto, Log: o.Logger,
	})
	if err != nil {
		return err
	}
	witness, err := evidence.New(mgr.GetConfig(), mgr.GetHTTPClient())
	if err != nil {
		return err
	}
	sidecars, err := pods.NewSidecars(mgr, offers.Facts)
	if err != nil {
		return err
	}
	work := controllers.Config{
		Facts: offers.Facts, Changed: offers.Changed, Namespaces: s.WatchNamespaces,
		Version: o.CollectorVersion, Check: o.Check, Look: witness.Look(),
		Injected: sidecars.Count, InjectedSource: sidecars.Source,
	}
	if o.certs != nil {
		work.Certificates = o.certs.Allocator
	}
	counts := prometheus.NewRegistry()
	o.servers.count(counts)
	errs := []error{
		controllers.Add(mgr, work),
		pods.AddRollout(mgr, sidecars),
		upgrade.Add(mgr, s.EnabledAgents()),
		defaults.Add(mgr, defaults.Config{Client: o.client, Namespace: s.Namespace, Logger: o.Logger}),
	}
	if s.ServiceMonitor {
		errs = append(errs, mgr.Add(manager.RunnableFunc(o.monitor(func() bool { return offers.Offers().ServiceMonitors }))))
	}
	if s.ResourceMetrics {
		errs = append(errs, inventory.Add(mgr, counts))
	}
	injection := injecting(s)
	injection.Facts, injection.NativeSidecars, injection.EnvFiles = offers.Facts, offers.NativeSidecars, offers.EnvFiles
	injection.ImageVolumes = imageVolumes(s.Delivery, offers.Offers)
	injection.Registry, injection.Log = counts, o.Logger
	guards, err := o.guards(mgr)
	if err != nil {
		return err
	}
	injection.Guards = guards.All
	counter, err := o.review(mgr, injection, counts)
	errs = append(errs, err)
	if s.Webhooks.Enabled {
		errs = append(errs,
			o.instrumented(mgr, guards, counter),
			admission.Add(mgr, admission.Config{
				Check: o.Check, Facts: offers.Facts, Images: s.Images.Agents, Denied: s.FIPSDisabled,
				Gates: v1beta1.Gates{NetworkPolicies: s.Gates.OperandNetworkPolicy},
				User:  "system:serviceaccount:" + s.Namespace + ":" + s.ServiceAccount,
			}),
			pods.Add(mgr, injection))
	}
	if s.Webhooks.Enabled && s.SelfTest > 0 {
		errs = append(errs, reach.Add(mgr, reach.Config{
			Client: o.client, Namespace: s.Namespace, Port: s.Webhooks.Port, Interval: s.SelfTest,
			Registry: counts, Logger: o.Logger, Event: o.events.record,
		}))
	}
	return errors.Join(errs...)
}

// injecting is what the settings say about what is injected into pods.
func injecting(s *settings.Settings) pods.Config {
	return pods.Config{
		Images: s.Images.Agents, Probe: s.Images.Probe, LanguagesOff: languagesOff(s.Languages), OneLanguage: !s.Languages.Multi, Instrumentation: only(s),
	}
}

// imageVolumes says whether pods get agents mounted from their images.
func imageVolumes(d settings.Delivery, offers func() cluster.Offers) func() bool {
	return func() bool {
		now := offers()
		return now.ImageVolumes && (d == settings.DeliverImages || d == settings.DeliverAuto && now.NodesMountImages)
	}
}

// languagesOff are those that the settings do not allow.
func languagesOff(l settings.Languages) []inject.Kind {
	var off []inject.Kind
	for _, x := range []struct {
		kind inject.Kind
		on   bool
	}{
		{inject.Java, l.Java}, {inject.NodeJS, l.NodeJS}, {inject.Python, l.Python}, {inject.DotNet, l.DotNet},
		{inject.Go, l.Go}, {inject.ApacheHttpd, l.ApacheHTTPD}, {inject.Nginx, l.Nginx},
	} {
		if !x.on {
			off = append(off, x.kind)
		}
	}
	return off
}

// only is the Instrumentation for all pods where those of the cluster are not
// looked for.
func only(s *settings.Settings) *v1alpha1.Instrumentation {
	if s.Instrumentations {
		return nil
	}
	return s.Instrumentation
}
