package render

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"

	"github.com/signalbox-otel/signalbox/api/v1alpha1"
	"github.com/signalbox-otel/signalbox/api/v1beta1"
)

// tlsFolder is where collectors and target allocators find their certificates.
const tlsFolder = "/tls"

// useAllocator lets the collector fetch its targets from its target allocator,
// where it has one.
func (c *collector) useAllocator() error {
	embedded := c.spec.TargetAllocator
	switch {
	case embedded.Enabled:
		if err := c.checkAllocator(embedded.AllocationStrategy); err != nil {
			return err
		}
		c.allocator = &AllocatorFacts{Name: c.meta.Name, MTLS: embedded.MTLS}
	case c.facts.Allocator != nil && c.meta.Labels[v1beta1.LabelTargetAllocator] == c.facts.Allocator.Name:
		c.allocator = c.facts.Allocator
	default:
		return nil
	}
	interval := "30s" // of collectors with an allocator of its own
	if i := embedded.CollectorTargetReloadInterval; i != nil {
		interval = i.Duration.String()
	}
	roots := []map[string]any{c.config.today, c.config.written}
	for _, root := range roots {
		receiver := ensure(ensure(root, "receivers"), "prometheus")
		if receiver == nil {
			return errors.New("spec.config.receivers.prometheus is no mapping, so the target allocator cannot be put into it")
		}
		delete(object(receiver["config"]), "scrape_configs")
		if len(object(receiver["config"])) == 0 {
			delete(receiver, "config")
		}
		settings := ensure(receiver, "target_allocator")
		if settings == nil {
			return errors.New("spec.config.receivers.prometheus.target_allocator is no mapping")
		}
		maps.Copy(settings, c.allocator.settings(interval))
	}
	return nil
}

// settings are what the receiver has to know of its target allocator.
func (a *AllocatorFacts) settings(interval string) map[string]any {
	service := name("%s-targetallocator", a.Name)
	settings := map[string]any{"endpoint": "http://" + service + ":80", "interval": interval, "collector_id": "${POD_NAME}"}
	if a.tls() {
		settings["endpoint"] = "https://" + service + ":443"
		settings["tls"] = map[string]any{
			"ca_file": tlsFolder + "/ca.crt", "cert_file": tlsFolder + "/tls.crt", "key_file": tlsFolder + "/tls.key", "reload_interval": "5m",
		}
	}
	return settings
}

// checkAllocator refuses collectors that a target allocator cannot serve.
func (c *collector) checkAllocator(strategy v1beta1.AllocationStrategy) error {
	if c.mode != v1beta1.ModeStatefulSet && c.mode != v1beta1.ModeDaemonSet {
		return fmt.Errorf("spec.targetAllocator needs mode statefulset or daemonset, whose pods keep their names; this is a %s", c.mode)
	}
	if daemon := c.mode == v1beta1.ModeDaemonSet; daemon != (strategy == v1beta1.AllocatePerNode) {
		return fmt.Errorf("spec.targetAllocator.allocationStrategy %q does not go with mode %s: a daemonset takes per-node, and nothing else does", strategy, c.mode)
	}
	if has(object(c.config.today["receivers"]), "prometheus") {
		return nil
	}
	var near []string
	for id := range object(c.config.today["receivers"]) {
		if strings.HasPrefix(id, "prometheus/") {
			near = append(near, id)
		}
	}
	slices.Sort(near)
	if len(near) > 0 {
		return fmt.Errorf("spec.targetAllocator feeds the receiver prometheus, and there is none; call one of %s so", strings.Join(near, ", "))
	}
	return errors.New("spec.targetAllocator feeds the receiver prometheus, and there is none")
}

// embeddedAllocator is the target allocator of the collector as a resource of
// its own.
func (c *collector) embeddedAllocator() Object {
	a := EmbeddedAllocator(c.cr)
	labels := maps.Clone(a.Labels)
	return c.custom(v1alpha1.GroupVersion.String(), "TargetAllocator", a.Name, labels, c.annotations(), as[map[string]any](a.Spec))
}

// EmbeddedAllocator is the target allocator that a collector asks for as the
// resource that it becomes.
func EmbeddedAllocator(cr *v1beta1.OpenTelemetryCollector) *v1alpha1.TargetAllocator {
	e := cr.Spec.TargetAllocator
	labels := map[string]string{}
	maps.Copy(labels, cr.Labels)
	labels[v1beta1.LabelManagedBy] = "opentelemetry-operator"
	return &v1alpha1.TargetAllocator{
		TypeMeta:   metav1.TypeMeta{APIVersion: v1alpha1.GroupVersion.String(), Kind: "TargetAllocator"},
		ObjectMeta: metav1.ObjectMeta{Name: cr.Name, Namespace: cr.Namespace, Labels: labels, Annotations: cr.Annotations},
		Spec: v1alpha1.TargetAllocatorSpec{
			Workload: v1beta1.Workload{
				ManagementState: cr.Spec.ManagementState, Replicas: e.Replicas, Image: e.Image, ServiceAccount: e.ServiceAccount,
				Env: e.Env, Resources: e.Resources, SecurityContext: e.SecurityContext, PodSecurityContext: e.PodSecurityContext,
				NodeSelector: e.NodeSelector, Affinity: e.Affinity, Tolerations: e.Tolerations,
				TopologySpreadConstraints: e.TopologySpreadConstraints, PodDisruptionBudget: e.PodDisruptionBudget,
				PodAnnotations: cr.Spec.PodAnnotations, IPFamilyPolicy: cr.Spec.IPFamilyPolicy, IPFamilies: cr.Spec.IPFamilies,
			},
			AllocationStrategy: e.AllocationStrategy, FilterStrategy: e.FilterStrategy, PrometheusCR: e.PrometheusCR,
			AllowInsecureAuthSecrets: e.AllowInsecureAuthSecrets, CollectorNotReadyGracePeriod: e.CollectorNotReadyGracePeriod,
			MTLS: e.MTLS, Observability: e.Observability, NetworkPolicy: cr.Spec.NetworkPolicy,
		},
	}
}

// clientCertificates is the volume with which the collector shows its target
// allocator who it is; nil when it need not.
func (c *collector) clientCertificates() *corev1ac.VolumeApplyConfiguration {
	if c.allocator == nil || !c.allocator.tls() {
		return nil
	}
	m := c.allocator.MTLS
	if m.UseCertManager == nil || *m.UseCertManager || m.TLS == nil {
		secret := ClientCertificate(c.allocator.Name)
		return corev1ac.Volume().WithName(secret).WithSecret(corev1ac.SecretVolumeSource().WithSecretName(secret))
	}
	return certificates(ClientCertificate(c.allocator.Name), m.TLS.CA, m.TLS.Client)
}

// certificates is a volume with ca.crt, tls.crt and tls.key from where the user
// has them. It is one volume, so that renewed certificates arrive.
func certificates(volume string, ca *v1beta1.CASource, pair *v1beta1.KeyPair) *corev1ac.VolumeApplyConfiguration {
	sources := corev1ac.ProjectedVolumeSource()
	item := func(key, path, fallback string) *corev1ac.KeyToPathApplyConfiguration {
		if key == "" {
			key = fallback
		}
		return corev1ac.KeyToPath().WithKey(key).WithPath(path)
	}
	secret := func(s v1beta1.SecretKey, path string) {
		sources.WithSources(corev1ac.VolumeProjection().WithSecret(corev1ac.SecretProjection().WithName(s.Name).WithItems(item(s.Key, path, path))))
	}
	if ca != nil && ca.Secret != nil {
		secret(*ca.Secret, "ca.crt")
	} else if ca != nil && ca.ConfigMap != nil {
		sources.WithSources(corev1ac.VolumeProjection().WithConfigMap(corev1ac.ConfigMapProjection().WithName(ca.ConfigMap.Name).WithItems(item(ca.ConfigMap.Key, "ca.crt", "ca.crt"))))
	}
	if pair != nil {
		secret(pair.Certificate, corev1.TLSCertKey)
		secret(pair.Key, corev1.TLSPrivateKeyKey)
	}
	return corev1ac.Volume().WithName(volume).WithProjected(sources)
}
