package pods

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
	"sigs.k8s.io/controller-runtime/pkg/webhook"

	"github.com/signalbox-otel/signalbox/api/v1alpha1"
	"github.com/signalbox-otel/signalbox/api/v1beta1"
	"github.com/signalbox-otel/signalbox/internal/inject"
	"github.com/signalbox-otel/signalbox/internal/operator/needs"
	"github.com/signalbox-otel/signalbox/internal/render"
)

// Config is what the webhook of pods is given.
type Config struct {
	// Facts are what render has to know of a namespace.
	Facts func(namespace string) render.Facts
	// NativeSidecars says whether the cluster restarts init containers that want
	// to be.
	NativeSidecars func() bool
	// EnvFiles says whether containers may have variables from files; nil is no.
	EnvFiles func() bool
	// Probe is the image of what finds out the language of a container.
	Probe string
	// ImageVolumes says whether pods mount the images of agents, instead of copying
	// them; nil is never.
	ImageVolumes func() bool
	// Images are the operator's own images of agents, LanguagesOff what is never
	// injected, and OneLanguage allows a pod only one.
	Images       v1alpha1.Images
	LanguagesOff []inject.Kind
	OneLanguage  bool
	// Instrumentation is used instead of the cluster's; nil uses those.
	Instrumentation *v1alpha1.Instrumentation
	// Guards are the crash guards in force; nil knows of none.
	Guards func(context.Context) []inject.Guard
	// Registry counts decisions; nil is controller-runtime's.
	Registry prometheus.Registerer
	// Log takes what went wrong; nil is slog's default.
	Log *slog.Logger
}

// Add serves the webhook of pods at needs.PodPath.
func Add(mgr ctrl.Manager, c Config) error {
	if c.Registry == nil {
		c.Registry = metrics.Registry
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	counter, err := injections(c.Registry)
	if err != nil {
		return fmt.Errorf("adding the webhook of pods: %w", err)
	}
	if err := mgr.Add(warmer{mgr.GetCache(), c.Log}); err != nil {
		return fmt.Errorf("adding the webhook of pods: %w", err)
	}
	h := &admitter{
		Decider:  NewDecider(c, mgr.GetCache(), mgr.GetAPIReader()),
		recorder: &recorder{events: mgr.GetEventRecorder(needs.EventSource), decisions: counter, log: c.Log},
	}
	mgr.GetWebhookServer().Register(needs.PodPath, &webhook.Admission{Handler: h})
	return nil
}

// warmer fills the cache before the first pod comes, on every replica: all serve
// the webhook.
type warmer struct {
	cache cache.Cache
	log   *slog.Logger
}

// NeedLeaderElection is false.
func (warmer) NeedLeaderElection() bool { return false }

// Start returns when the cache has what it needs to. What it could not get is
// tried again when a pod needs it. All but the collectors are small: names and
// annotations of namespaces, Services of collectors, and limits.
func (w warmer) Start(ctx context.Context) error {
	for _, kind := range []client.Object{namespaceMeta(), new(v1beta1.OpenTelemetryCollector), new(v1alpha1.Instrumentation), new(corev1.Service), new(corev1.LimitRange), new(corev1.ResourceQuota)} {
		if _, err := w.cache.GetInformer(ctx, kind); err != nil && ctx.Err() == nil {
			w.log.Warn("watching what injection needs", "kind", fmt.Sprintf("%T", kind), "error", err)
		}
	}
	return nil
}

// namespaceMeta is a namespace of which only the metadata is watched.
func namespaceMeta() *metav1.PartialObjectMetadata {
	m := new(metav1.PartialObjectMetadata)
	m.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Namespace"))
	return m
}
