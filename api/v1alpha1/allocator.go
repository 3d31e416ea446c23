package v1alpha1

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/signalbox-otel/signalbox/api/v1beta1"
)

// TargetAllocator shares Prometheus targets out over the collectors that name it
// in a label.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:path=targetallocators,singular=targetallocator
// +kubebuilder:subresource:status
// +kubebuilder:printcolumn:name="Age",type="date",JSONPath=".metadata.creationTimestamp"
// +kubebuilder:printcolumn:name="Image",type="string",JSONPath=".status.image"
// +kubebuilder:printcolumn:name="Management",type="string",JSONPath=".spec.managementState",description="Whether the operator acts on it"
type TargetAllocator struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Spec is what is wanted.
	Spec TargetAllocatorSpec `json:"spec,omitempty"`
	// Status is what there is, as the operator saw it last.
	Status TargetAllocatorStatus `json:"status,omitempty,omitzero"`
}

// TargetAllocatorList is a list of target allocators.
//
// +kubebuilder:object:root=true
type TargetAllocatorList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []TargetAllocator `json:"items"`
}

// TargetAllocatorSpec is what is wanted of a target allocator.
type TargetAllocatorSpec struct {
	v1beta1.Workload `json:",inline"`

	// AllocationStrategy is how targets are shared out.
	// +kubebuilder:default=consistent-hashing
	AllocationStrategy v1beta1.AllocationStrategy `json:"allocationStrategy,omitempty"`
	// FilterStrategy drops targets before they are shared out; relabel-config
	// drops those that relabeling would.
	// +kubebuilder:default=relabel-config
	FilterStrategy *v1beta1.FilterStrategy `json:"filterStrategy,omitempty"`
	// ScrapeConfigs are Prometheus' scrape_configs.
	// +listType=atomic
	ScrapeConfigs []v1beta1.AnyConfig `json:"scrapeConfigs,omitempty"`
	// Global is Prometheus' global section, the defaults of scrape
	// configurations.
	Global *v1beta1.AnyConfig `json:"global,omitempty"`
	// PrometheusCR finds targets in the resources of prometheus-operator.
	PrometheusCR v1beta1.PrometheusCR `json:"prometheusCR,omitempty,omitzero"`
	// AllowInsecureAuthSecrets hands secrets out without mTLS too.
	AllowInsecureAuthSecrets bool `json:"allowInsecureAuthSecrets,omitempty"`
	// CollectorNotReadyGracePeriod is how long a collector may be not ready
	// before its targets go to others.
	// +kubebuilder:default="30s"
	// +kubebuilder:validation:Format=duration
	CollectorNotReadyGracePeriod *metav1.Duration `json:"collectorNotReadyGracePeriod,omitempty"`
	// MTLS between allocator and collectors.
	MTLS *v1beta1.MTLS `json:"mtls,omitempty"`
	// Observability says how the allocator itself is watched.
	Observability v1beta1.Observability `json:"observability,omitempty,omitzero"`
	// NetworkPolicy limits who reaches the pods.
	NetworkPolicy v1beta1.NetworkPolicy `json:"networkPolicy,omitempty,omitzero"`
	// LivenessProbe of the container.
	LivenessProbe *corev1.Probe `json:"livenessProbe,omitempty"`
	// ReadinessProbe of the container.
	ReadinessProbe *corev1.Probe `json:"readinessProbe,omitempty"`
}

// TargetAllocatorStatus is a target allocator as the operator saw it last.
type TargetAllocatorStatus struct {
	// Version of the allocator.
	Version string `json:"version,omitempty"`
	// Image of the allocator's container.
	Image string `json:"image,omitempty"`
}
