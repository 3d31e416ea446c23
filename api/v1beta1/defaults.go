package v1beta1

import (
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Gates are settings of the operator that defaults depend on.
//
// +kubebuilder:object:generate=false
type Gates struct {
	// NetworkPolicies limits who reaches pods, where a resource does not say.
	NetworkPolicies bool
}

const (
	defaultInterval       = 30 * time.Second
	defaultCPUUtilization = 90
)

// SetDefaults gives fields that are not set the values that they then have. It
// includes what the API server sets, so that a resource from a file gets it too.
//
// The configuration stays as it is: what its components have by default, those
// who render it know. Resources in the cluster stay as they were written.
func (c *OpenTelemetryCollector) SetDefaults(g Gates) {
	s := &c.Spec
	s.Workload.SetDefaults()
	orSet(&s.Mode, ModeDeployment)
	orSet(&s.UpgradeStrategy, UpgradeAutomatic)
	orSet(&s.ConfigVersions, 3)
	if c.Labels == nil {
		c.Labels = map[string]string{}
	}
	if a := s.Autoscaler; a != nil && a.MaxReplicas != nil {
		if a.MinReplicas == nil {
			a.MinReplicas = new(*s.Replicas)
		}
		if a.TargetCPUUtilization == nil && a.TargetMemoryUtilization == nil {
			a.TargetCPUUtilization = new(int32(defaultCPUUtilization))
		}
	}
	switch s.Ingress.Type {
	case IngressTypeRoute:
		orSet(&s.Ingress.Route.Termination, RouteEdge)
	case IngressTypeIngress:
		orSet(&s.Ingress.RuleType, IngressRulePath)
	}
	s.NetworkPolicy.SetDefaults(g)
	s.TargetAllocator.setDefaults()
}

func (t *TargetAllocatorEmbedded) setDefaults() {
	if !t.Enabled {
		return
	}
	orNew(&t.Replicas, 1)
	orSet(&t.AllocationStrategy, AllocateConsistentHashing)
	orNew(&t.FilterStrategy, FilterRelabelConfig)
	orNew(&t.CollectorNotReadyGracePeriod, metav1.Duration{Duration: defaultInterval})
	orNew(&t.CollectorTargetReloadInterval, metav1.Duration{Duration: defaultInterval})
	t.PrometheusCR.SetDefaults()
	t.MTLS.SetDefaults()
}

// SetDefaults sets what every workload has by default.
func (w *Workload) SetDefaults() {
	orSet(&w.ManagementState, Managed)
	orNew(&w.Replicas, 1)
	orNew(&w.IPFamilyPolicy, corev1.IPFamilyPolicySingleStack)
	for i := range w.Ports {
		orSet(&w.Ports[i].Protocol, corev1.ProtocolTCP)
	}
}

// SetDefaults sets intervals, and to look into all namespaces.
func (p *PrometheusCR) SetDefaults() {
	orNew(&p.ScrapeInterval, metav1.Duration{Duration: defaultInterval})
	orNew(&p.EvaluationInterval, metav1.Duration{Duration: defaultInterval})
	for _, selector := range []**metav1.LabelSelector{
		&p.ServiceMonitorNamespaceSelector, &p.PodMonitorNamespaceSelector,
		&p.ScrapeConfigNamespaceSelector, &p.ProbeNamespaceSelector,
	} {
		orNew(selector, metav1.LabelSelector{})
	}
}

// SetDefaults sets who makes the certificates; m may be nil.
func (m *MTLS) SetDefaults() {
	if m == nil {
		return
	}
	orNew(&m.UseCertManager, true)
	if m.TLS != nil && m.TLS.CA != nil && m.TLS.CA.ConfigMap != nil {
		orSet(&m.TLS.CA.ConfigMap.Key, "ca.crt")
	}
}

// SetDefaults sets what the operator's settings say.
func (n *NetworkPolicy) SetDefaults(g Gates) {
	if g.NetworkPolicies {
		orNew(&n.Enabled, true)
	}
}

// orSet sets a field that has no value.
func orSet[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// orNew sets a field that points nowhere.
func orNew[T any](field **T, value T) {
	if *field == nil {
		*field = &value
	}
}
