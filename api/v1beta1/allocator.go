package v1beta1

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// TargetAllocatorEmbedded is the target allocator of one collector resource.
type TargetAllocatorEmbedded struct {
	// Enabled makes a target allocator.
	Enabled bool `json:"enabled,omitempty"`
	// Replicas is the number of its pods.
	Replicas *int32 `json:"replicas,omitempty"`
	// Image of its container; the operator's own if empty.
	Image string `json:"image,omitempty"`
	// ServiceAccount of its pods; the operator makes one if empty.
	ServiceAccount string `json:"serviceAccount,omitempty"`

	// AllocationStrategy is how targets are shared out.
	// +kubebuilder:default=consistent-hashing
	AllocationStrategy AllocationStrategy `json:"allocationStrategy,omitempty"`
	// FilterStrategy drops targets before they are shared out.
	// +kubebuilder:default=relabel-config
	FilterStrategy *FilterStrategy `json:"filterStrategy,omitempty"`
	// PrometheusCR finds targets in the resources of prometheus-operator.
	PrometheusCR PrometheusCR `json:"prometheusCR,omitempty,omitzero"`
	// AllowInsecureAuthSecrets hands secrets out without mTLS too.
	AllowInsecureAuthSecrets bool `json:"allowInsecureAuthSecrets,omitempty"`
	// CollectorNotReadyGracePeriod is how long a collector may be not ready
	// before its targets go to others.
	// +kubebuilder:default="30s"
	// +kubebuilder:validation:Format=duration
	CollectorNotReadyGracePeriod *metav1.Duration `json:"collectorNotReadyGracePeriod,omitempty"`
	// CollectorTargetReloadInterval is how often collectors ask for their
	// targets.
	// +kubebuilder:default="30s"
	// +kubebuilder:validation:Format=duration
	CollectorTargetReloadInterval *metav1.Duration `json:"collectorTargetReloadInterval,omitempty"`
	// MTLS between allocator and collectors.
	MTLS *MTLS `json:"mtls,omitempty"`

	// Env are environment variables of its container.
	Env []corev1.EnvVar `json:"env,omitempty"`
	// Resources of its container.
	Resources corev1.ResourceRequirements `json:"resources,omitempty,omitzero"`
	// SecurityContext of its container.
	SecurityContext *corev1.SecurityContext `json:"securityContext,omitempty"`
	// PodSecurityContext of its pods.
	PodSecurityContext *corev1.PodSecurityContext `json:"podSecurityContext,omitempty"`
	// NodeSelector of its pods.
	NodeSelector map[string]string `json:"nodeSelector,omitempty"`
	// Affinity of its pods.
	Affinity *corev1.Affinity `json:"affinity,omitempty"`
	// Tolerations of its pods.
	Tolerations []corev1.Toleration `json:"tolerations,omitempty"`
	// TopologySpreadConstraints of its pods.
	TopologySpreadConstraints []corev1.TopologySpreadConstraint `json:"topologySpreadConstraints,omitempty"`
	// PodDisruptionBudget limits how many of its pods may be taken away at once.
	PodDisruptionBudget *PodDisruptionBudget `json:"podDisruptionBudget,omitempty"`
	// Observability says how the allocator itself is watched.
	Observability Observability `json:"observability,omitempty,omitzero"`
}

// AllocationStrategy is how targets are shared out over collectors.
//
// +kubebuilder:validation:Enum=least-weighted;consistent-hashing;per-node
type AllocationStrategy string

// The allocation strategies.
const (
	AllocateLeastWeighted     AllocationStrategy = "least-weighted"
	AllocateConsistentHashing AllocationStrategy = "consistent-hashing"
	AllocatePerNode           AllocationStrategy = "per-node"
)

// FilterStrategy drops targets before they are shared out.
//
// +kubebuilder:validation:Enum="";relabel-config
type FilterStrategy string

// The filter strategies.
const (
	FilterNone          FilterStrategy = ""
	FilterRelabelConfig FilterStrategy = "relabel-config"
)

// PrometheusCR finds targets in the resources of prometheus-operator. Of each
// selector, nil selects nothing and an empty one everything.
type PrometheusCR struct {
	// Enabled watches the resources.
	Enabled bool `json:"enabled,omitempty"`
	// AllowNamespaces are the only namespaces that are looked at; all if empty.
	AllowNamespaces []string `json:"allowNamespaces,omitempty"`
	// DenyNamespaces are not looked at.
	DenyNamespaces []string `json:"denyNamespaces,omitempty"`
	// SecretNamespaces are where secrets are read.
	SecretNamespaces []string `json:"secretNamespaces,omitempty"`
	// DenyFSAccessThroughSMs refuses monitors that name files.
	DenyFSAccessThroughSMs bool `json:"denyFSAccessThroughSMs,omitempty"`
	// ScrapeInterval is for monitors that give none.
	// +kubebuilder:default="30s"
	// +kubebuilder:validation:Format=duration
	ScrapeInterval *metav1.Duration `json:"scrapeInterval,omitempty"`
	// EvaluationInterval is for rules that give none.
	// +kubebuilder:default="30s"
	// +kubebuilder:validation:Format=duration
	EvaluationInterval *metav1.Duration `json:"evaluationInterval,omitempty"`
	// ScrapeProtocols are asked for in this order.
	ScrapeProtocols []string `json:"scrapeProtocols,omitempty"`
	// ScrapeClasses are prometheus-operator's, as it defines them.
	// +listType=atomic
	ScrapeClasses []AnyConfig `json:"scrapeClasses,omitempty"`
	// ServiceMonitorSelector selects by label.
	ServiceMonitorSelector *metav1.LabelSelector `json:"serviceMonitorSelector,omitempty"`
	// ServiceMonitorNamespaceSelector selects by label of the namespace.
	// +kubebuilder:default={}
	ServiceMonitorNamespaceSelector *metav1.LabelSelector `json:"serviceMonitorNamespaceSelector,omitempty"`
	// PodMonitorSelector selects by label.
	PodMonitorSelector *metav1.LabelSelector `json:"podMonitorSelector,omitempty"`
	// PodMonitorNamespaceSelector selects by label of the namespace.
	// +kubebuilder:default={}
	PodMonitorNamespaceSelector *metav1.LabelSelector `json:"podMonitorNamespaceSelector,omitempty"`
	// ScrapeConfigSelector selects by label.
	ScrapeConfigSelector *metav1.LabelSelector `json:"scrapeConfigSelector,omitempty"`
	// ScrapeConfigNamespaceSelector selects by label of the namespace.
	// +kubebuilder:default={}
	ScrapeConfigNamespaceSelector *metav1.LabelSelector `json:"scrapeConfigNamespaceSelector,omitempty"`
	// ProbeSelector selects by label.
	ProbeSelector *metav1.LabelSelector `json:"probeSelector,omitempty"`
	// ProbeNamespaceSelector selects by label of the namespace.
	// +kubebuilder:default={}
	ProbeNamespaceSelector *metav1.LabelSelector `json:"probeNamespaceSelector,omitempty"`
}

// MTLS is mutual TLS between allocator and collectors.
type MTLS struct {
	// Enabled uses it.
	Enabled bool `json:"enabled,omitempty"`
	// UseCertManager lets cert-manager make the certificates.
	// +kubebuilder:default=true
	UseCertManager *bool `json:"useCertManager,omitempty"`
	// TLS are the certificates where nobody makes them.
	TLS *MTLSFiles `json:"tls,omitempty"`
}

// MTLSFiles are certificates and keys in secrets.
type MTLSFiles struct {
	// CA signs both sides.
	CA *CASource `json:"certificateAuthorityCertificate,omitempty"`
	// Server is the allocator's.
	Server *KeyPair `json:"serverCertificate,omitempty"`
	// Client is the collectors'.
	Client *KeyPair `json:"clientCertificate,omitempty"`
}

// CASource is where the certificate of an authority is: one of both.
type CASource struct {
	// ConfigMap that holds it.
	ConfigMap *ConfigMapKey `json:"configMap,omitempty"`
	// Secret that holds it.
	Secret *SecretKey `json:"secret,omitempty"`
}

// KeyPair is a certificate and its private key.
type KeyPair struct {
	// Certificate is in this secret.
	Certificate SecretKey `json:"certificateSecret"`
	// Key is in this secret.
	Key SecretKey `json:"keySecret"`
}

// ConfigMapKey is one value of a ConfigMap.
type ConfigMapKey struct {
	// Name of the ConfigMap.
	// +kubebuilder:validation:MinLength=1
	Name string `json:"name"`
	// Key in the ConfigMap.
	// +kubebuilder:default="ca.crt"
	Key string `json:"key,omitempty"`
}

// SecretKey is one value of a Secret.
type SecretKey struct {
	// Name of the Secret.
	// +kubebuilder:validation:MinLength=1
	Name string `json:"name"`
	// Key in the Secret.
	Key string `json:"key,omitempty"`
}
