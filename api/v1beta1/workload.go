package v1beta1

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// Workload is what collectors and target allocators have in common: their pods,
// the main container in these, and the Service before them.
type Workload struct {
	// ManagementState says whether the operator acts on this resource.
	// +kubebuilder:default=managed
	ManagementState ManagementState `json:"managementState,omitempty"`

	// Image of the main container; the operator's own if empty.
	Image string `json:"image,omitempty"`
	// ImagePullPolicy of the main container.
	ImagePullPolicy corev1.PullPolicy `json:"imagePullPolicy,omitempty"`
	// Args are flags of the program, without their dashes.
	Args map[string]string `json:"args,omitempty"`
	// Env are environment variables of the main container.
	Env []corev1.EnvVar `json:"env,omitempty"`
	// EnvFrom are sources of environment variables of the main container.
	EnvFrom []corev1.EnvFromSource `json:"envFrom,omitempty"`
	// Resources of the main container.
	Resources corev1.ResourceRequirements `json:"resources,omitempty,omitzero"`
	// VolumeMounts of the main container.
	// +listType=atomic
	VolumeMounts []corev1.VolumeMount `json:"volumeMounts,omitempty"`
	// SecurityContext of the main container.
	SecurityContext *corev1.SecurityContext `json:"securityContext,omitempty"`
	// Lifecycle of the main container.
	Lifecycle *corev1.Lifecycle `json:"lifecycle,omitempty"`

	// Replicas is the number of pods, where it is not one for each node.
	// +kubebuilder:default=1
	Replicas *int32 `json:"replicas,omitempty"`
	// PodDisruptionBudget limits how many pods may be taken away at once.
	PodDisruptionBudget *PodDisruptionBudget `json:"podDisruptionBudget,omitempty"`
	// ServiceAccount of the pods; the operator makes one if empty.
	ServiceAccount string `json:"serviceAccount,omitempty"`
	// PodAnnotations are added to the pods.
	PodAnnotations map[string]string `json:"podAnnotations,omitempty"`
	// PodSecurityContext of the pods.
	PodSecurityContext *corev1.PodSecurityContext `json:"podSecurityContext,omitempty"`
	// InitContainers run before the main container.
	InitContainers []corev1.Container `json:"initContainers,omitempty"`
	// AdditionalContainers run beside the main container.
	AdditionalContainers []corev1.Container `json:"additionalContainers,omitempty"`
	// Volumes of the pods.
	// +listType=atomic
	Volumes []corev1.Volume `json:"volumes,omitempty"`
	// NodeSelector of the pods.
	NodeSelector map[string]string `json:"nodeSelector,omitempty"`
	// Affinity of the pods.
	Affinity *corev1.Affinity `json:"affinity,omitempty"`
	// Tolerations of the pods.
	Tolerations []corev1.Toleration `json:"tolerations,omitempty"`
	// TopologySpreadConstraints of the pods.
	TopologySpreadConstraints []corev1.TopologySpreadConstraint `json:"topologySpreadConstraints,omitempty"`
	// PriorityClassName of the pods.
	PriorityClassName string `json:"priorityClassName,omitempty"`
	// TerminationGracePeriodSeconds is the time that the pods have to end.
	TerminationGracePeriodSeconds *int64 `json:"terminationGracePeriodSeconds,omitempty"`
	// HostNetwork puts the pods on their node's network.
	HostNetwork bool `json:"hostNetwork,omitempty"`
	// HostPID lets the pods see their node's processes.
	HostPID bool `json:"hostPID,omitempty"`
	// HostUsers false gives the pods a user namespace of their own.
	HostUsers *bool `json:"hostUsers,omitempty"`
	// HostAliases are lines in the pods' hosts file.
	// +listType=atomic
	HostAliases []corev1.HostAlias `json:"hostAliases,omitempty"`
	// ShareProcessNamespace lets a pod's containers see each other's processes.
	ShareProcessNamespace bool `json:"shareProcessNamespace,omitempty"`
	// DNSPolicy of the pods.
	DNSPolicy *corev1.DNSPolicy `json:"dnsPolicy,omitempty"`
	// PodDNSConfig of the pods.
	PodDNSConfig corev1.PodDNSConfig `json:"podDnsConfig,omitempty,omitzero"`

	// Ports of the Service and the main container, besides those that follow
	// from the configuration.
	// +listType=atomic
	Ports []Port `json:"ports,omitempty"`
	// IPFamilies of the Service.
	IPFamilies []corev1.IPFamily `json:"ipFamilies,omitempty"`
	// IPFamilyPolicy of the Service.
	// +kubebuilder:default=SingleStack
	IPFamilyPolicy *corev1.IPFamilyPolicy `json:"ipFamilyPolicy,omitempty"`
	// TrafficDistribution of the Service.
	TrafficDistribution *string `json:"trafficDistribution,omitempty"`
	// SessionAffinity of the Service.
	SessionAffinity corev1.ServiceAffinity `json:"sessionAffinity,omitempty"`
	// SessionAffinityConfig of the Service.
	SessionAffinityConfig *corev1.SessionAffinityConfig `json:"sessionAffinityConfig,omitempty"`
}

// ManagementState says whether the operator acts on a resource.
//
// +kubebuilder:validation:Enum=managed;unmanaged
type ManagementState string

// The management states.
const (
	Managed   ManagementState = "managed"
	Unmanaged ManagementState = "unmanaged"
)

// Port is a port of the Service and the main container.
type Port struct {
	corev1.ServicePort `json:",inline"`

	// HostPort is the port on the node.
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=65535
	HostPort int32 `json:"hostPort,omitempty"`
}

// PodDisruptionBudget limits how many pods may be taken away at once.
type PodDisruptionBudget struct {
	// MinAvailable is how many pods must stay, as number or percentage.
	MinAvailable *intstr.IntOrString `json:"minAvailable,omitempty"`
	// MaxUnavailable is how many pods may be missing, as number or percentage.
	MaxUnavailable *intstr.IntOrString `json:"maxUnavailable,omitempty"`
}

// Observability says how a program of ours is itself watched.
type Observability struct {
	// Metrics of the program.
	Metrics Metrics `json:"metrics,omitempty,omitzero"`
}

// Metrics says who scrapes a program.
type Metrics struct {
	// EnableMetrics makes ServiceMonitors or PodMonitors.
	EnableMetrics bool `json:"enableMetrics,omitempty"`
	// ExtraLabels of the monitors.
	ExtraLabels map[string]string `json:"extraLabels,omitempty"`
	// DisablePrometheusAnnotations leaves the annotations prometheus.io/scrape,
	// port and path out of the pods.
	DisablePrometheusAnnotations bool `json:"disablePrometheusAnnotations,omitempty"`
}

// NetworkPolicy limits who reaches the pods.
type NetworkPolicy struct {
	// Enabled makes a NetworkPolicy.
	Enabled *bool `json:"enabled,omitempty"`
}
