// Package settings reads what the operator is told: built-in values, over them
// a file, over it the environment, over it flags.
//
// The settings are those of opentelemetry-operator, whose manifests therefore
// start Signalbox too, and a few of our own. Each is declared once, in the
// table: its flag, variable, key in the file, default, help and meaning; the
// page of the documentation is written from it.
//
// Invariants: what cannot be understood is refused before anything starts, and
// what is understood but changes nothing is said.
package settings

import (
	"errors"
	"regexp"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/signalbox-otel/signalbox/api/v1alpha1"
	"github.com/signalbox-otel/signalbox/internal/render"
)

// Settings are all that the operator is told.
type Settings struct {
	Kubeconfig string
	// Namespace is where the operator itself is, ServiceAccount who it is there.
	Namespace, ServiceAccount string
	// WatchNamespaces are where resources are looked at; none means all.
	WatchNamespaces []string
	LeaderElection  bool

	Metrics MetricsServer
	// Health, Profiles and Workloads are addresses; empty is off.
	Health, Profiles, Workloads string
	Webhooks                    WebhookServer
	TLS                         TLS
	// SelfTest is the time between two calls of the own webhooks; 0 is never.
	SelfTest time.Duration

	Images Images
	// Languages says which may be injected, Delivery how their agents come into
	// pods.
	Languages Languages
	Delivery  Delivery
	// Instrumentations makes pods look for resources of that kind; without it,
	// Instrumentation is used for all of them.
	Instrumentations bool
	Instrumentation  *v1alpha1.Instrumentation
	// CrashGuard keeps a language off workloads that crash with it.
	CrashGuard bool
	// InstrumentationRollout is how many workloads are restarted at a time because
	// their pods lack an Instrumentation, or have an old one, where that does not
	// say; 0 is none.
	InstrumentationRollout int

	LabelsFilter, AnnotationsFilter []*regexp.Regexp
	// GrantRights is whether collectors are given rights: nil is where the
	// operator may.
	GrantRights *bool
	// ResourceMetrics counts resources and their components.
	ResourceMetrics bool
	// ServiceMonitor makes one for the metrics of the operator.
	ServiceMonitor bool
	// FIPSDisabled are components that collectors may not have on a host in that
	// mode, as receiver.x.
	FIPSDisabled []string
	Gates        Gates
	Log          Log

	// Proxy are the variables that say how to leave the cluster.
	Proxy []corev1.EnvVar
	// Warnings are what was given and changes nothing.
	Warnings []string

	own string // our image
}

// MetricsServer is how metrics are told. An empty address is off.
type MetricsServer struct {
	Address string
	// Secure is HTTPS for those who may read the metrics. Without files, the
	// certificate of the webhooks is shown.
	Secure            bool
	CertFile, KeyFile string
}

// WebhookServer is how the API server's calls are answered.
type WebhookServer struct {
	Enabled bool
	Port    int
	// CertDir has tls.crt and tls.key that somebody else renews. When it is
	// empty, the operator makes its own.
	CertDir string
}

// TLS is what all servers of the operator ask of their clients.
type TLS struct {
	MinVersion   uint16
	CipherSuites []uint16
}

// Images are what resources and pods get that name none.
type Images struct {
	Collector, Allocator, Bridge string
	Agents                       v1alpha1.Images
	// Probe finds out what runs in a container.
	Probe string
}

// Languages says what may be injected. Multi is more than one into a pod.
type Languages struct {
	Multi, Java, NodeJS, Python, DotNet, Go, ApacheHTTPD, Nginx bool
}

// Delivery is how the files of agents come into pods.
type Delivery string

// The deliveries.
const (
	// DeliverCopies copies them, by an init container.
	DeliverCopies Delivery = "copy"
	// DeliverImages mounts images where the API server knows how.
	DeliverImages Delivery = "image-volume"
	// DeliverAuto mounts images where all nodes know how, too.
	DeliverAuto Delivery = "auto"
)

// EnabledAgents are the images of agents that may be injected; those of others are
// empty.
func (s *Settings) EnabledAgents() v1alpha1.Images {
	images, l := s.Images.Agents, s.Languages
	for _, language := range []struct {
		on    bool
		image *string
	}{
		{l.Java, &images.Java}, {l.NodeJS, &images.NodeJS}, {l.Python, &images.Python}, {l.DotNet, &images.DotNet},
		{l.Go, &images.Go}, {l.ApacheHTTPD, &images.ApacheHttpd}, {l.Nginx, &images.Nginx},
	} {
		if !language.on {
			*language.image = ""
		}
	}
	return images
}

// Facts are what render has to know of these settings. What the cluster has, and
// whether rights may be granted, is not among it.
func (s *Settings) Facts() render.Facts {
	f := render.Facts{
		CollectorImage:    s.Images.Collector,
		AllocatorImage:    s.Images.Allocator,
		BridgeImage:       s.Images.Bridge,
		Proxy:             s.Proxy,
		LabelsFilter:      s.LabelsFilter,
		AnnotationsFilter: s.AnnotationsFilter,
		NetworkPolicies:   s.Gates.OperandNetworkPolicy,

		AllocationFallback: s.Gates.AllocationFallback,
	}
	// Our image is one for all commands; another starts its own program.
	if f.CollectorImage == s.own {
		f.CollectorCommand = []string{"/otelcol"}
	}
	if f.AllocatorImage == s.own {
		f.AllocatorCommand = []string{"/signalbox", "allocator"}
	}
	return f
}

// validate refuses settings that do not go together.
func (s *Settings) validate() error {
	var errs []error
	if (s.Metrics.CertFile == "") != (s.Metrics.KeyFile == "") {
		errs = append(errs, errors.New("metrics-tls-cert-file and metrics-tls-key-file go together: one of them is not set"))
	}
	if !s.Instrumentations && s.Instrumentation == nil {
		errs = append(errs, errors.New("enable-instrumentation-crds is false, and the file has no instrumentations to use instead"))
	}
	return errors.Join(errs...)
}
