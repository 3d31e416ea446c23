package v1alpha1

import (
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/signalbox-otel/signalbox/api/v1beta1"
)

// OpenTelemetryCollector runs OpenTelemetry collectors with one configuration.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:path=opentelemetrycollectors,singular=opentelemetrycollector,shortName=otelcol;otelcols
// +kubebuilder:deprecatedversion:warning="opentelemetry.io/v1alpha1 OpenTelemetryCollector is deprecated; signalbox migrate rewrites it to v1beta1"
// +kubebuilder:subresource:status
// +kubebuilder:subresource:scale:specpath=.spec.replicas,statuspath=.status.scale.replicas,selectorpath=.status.scale.selector
// +kubebuilder:printcolumn:name="Mode",type="string",JSONPath=".spec.mode",description="Deployment mode"
// +kubebuilder:printcolumn:name="Version",type="string",JSONPath=".status.version",description="Version of the collector"
// +kubebuilder:printcolumn:name="Ready",type="string",JSONPath=".status.scale.statusReplicas",description="Ready pods of those wanted"
// +kubebuilder:printcolumn:name="Age",type="date",JSONPath=".metadata.creationTimestamp"
// +kubebuilder:printcolumn:name="Image",type="string",JSONPath=".status.image"
// +kubebuilder:printcolumn:name="Management",type="string",JSONPath=".spec.managementState",description="Whether the operator acts on it"
type OpenTelemetryCollector struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Spec is what is wanted.
	Spec OpenTelemetryCollectorSpec `json:"spec,omitempty"`
	// Status is what there is, as the operator saw it last.
	Status OpenTelemetryCollectorStatus `json:"status,omitempty,omitzero"`
}

// OpenTelemetryCollectorList is a list of collectors.
//
// +kubebuilder:object:root=true
type OpenTelemetryCollectorList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []OpenTelemetryCollector `json:"items"`
}

// OpenTelemetryCollectorSpec is what is wanted of a collector. Fields mean what
// they mean in v1beta1.
type OpenTelemetryCollectorSpec struct {
	// ManagementState says whether the operator acts on this resource.
	// +required
	// +kubebuilder:default=managed
	ManagementState v1beta1.ManagementState `json:"managementState,omitempty"`
	// Mode says what runs the collectors.
	Mode v1beta1.Mode `json:"mode,omitempty"`
	// Config is the collector's configuration as YAML.
	// +required
	Config string `json:"config"`
	// ConfigMaps are mounted into the collector's container.
	ConfigMaps []v1beta1.ConfigMapMount `json:"configmaps,omitempty"`
	// UpgradeStrategy says whether the operator rewrites this resource to what a
	// new version of the collector wants.
	UpgradeStrategy v1beta1.UpgradeStrategy `json:"upgradeStrategy,omitempty"`

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
	// LivenessProbe tunes the probe, which asks the health_check extension.
	LivenessProbe *Probe `json:"livenessProbe,omitempty"`

	// Replicas is the number of pods, where it is not one for each node.
	// +kubebuilder:default=1
	Replicas *int32 `json:"replicas,omitempty"`
	// MinReplicas is deprecated: use autoscaler.minReplicas.
	MinReplicas *int32 `json:"minReplicas,omitempty"`
	// MaxReplicas is deprecated: use autoscaler.maxReplicas.
	MaxReplicas *int32 `json:"maxReplicas,omitempty"`
	// Autoscaler makes a HorizontalPodAutoscaler.
	Autoscaler *Autoscaler `json:"autoscaler,omitempty"`
	// PodDisruptionBudget limits how many pods may be taken away at once.
	PodDisruptionBudget *v1beta1.PodDisruptionBudget `json:"podDisruptionBudget,omitempty"`

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
	// VolumeClaimTemplates are the volume claims of each pod of a statefulset.
	// +listType=atomic
	VolumeClaimTemplates []corev1.PersistentVolumeClaim `json:"volumeClaimTemplates,omitempty"`
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
	// ShareProcessNamespace lets a pod's containers see each other's processes.
	ShareProcessNamespace bool `json:"shareProcessNamespace,omitempty"`
	// UpdateStrategy is how a daemonset replaces its pods.
	UpdateStrategy appsv1.DaemonSetUpdateStrategy `json:"updateStrategy,omitempty,omitzero"`
	// DeploymentUpdateStrategy is how a deployment replaces its pods.
	DeploymentUpdateStrategy appsv1.DeploymentStrategy `json:"deploymentUpdateStrategy,omitempty,omitzero"`

	// Ports of the Service and the main container, besides those that follow
	// from the configuration.
	// +listType=atomic
	Ports []Port `json:"ports,omitempty"`
	// TrafficDistribution of the Service.
	TrafficDistribution *string `json:"trafficDistribution,omitempty"`
	// ServiceName is the governing Service of a statefulset.
	ServiceName string `json:"serviceName,omitempty"`
	// Ingress makes the receivers reachable from outside the cluster.
	Ingress v1beta1.Ingress `json:"ingress,omitempty,omitzero"`
	// Observability says how the collector itself is watched.
	Observability Observability `json:"observability,omitempty,omitzero"`
	// TargetAllocator shares Prometheus targets out over the collectors.
	TargetAllocator TargetAllocatorEmbedded `json:"targetAllocator,omitempty,omitzero"`
}

// Port is a port of the Service and the main container.
type Port struct {
	corev1.ServicePort `json:",inline"`

	// HostPort is the port on the node.
	HostPort int32 `json:"hostPort,omitempty"`
}

// Probe tunes a probe; what it asks follows from the configuration.
type Probe struct {
	// InitialDelaySeconds is the time before the first probe.
	InitialDelaySeconds *int32 `json:"initialDelaySeconds,omitempty"`
	// TimeoutSeconds is the time after which a probe has failed.
	TimeoutSeconds *int32 `json:"timeoutSeconds,omitempty"`
	// PeriodSeconds is the time between probes.
	PeriodSeconds *int32 `json:"periodSeconds,omitempty"`
	// SuccessThreshold is how many probes in a row must succeed after a failure.
	SuccessThreshold *int32 `json:"successThreshold,omitempty"`
	// FailureThreshold is how many probes in a row must fail.
	FailureThreshold *int32 `json:"failureThreshold,omitempty"`
	// TerminationGracePeriodSeconds is the time to end after a failure.
	TerminationGracePeriodSeconds *int64 `json:"terminationGracePeriodSeconds,omitempty"`
}

// Autoscaler is a HorizontalPodAutoscaler to make.
type Autoscaler struct {
	// MinReplicas is the least number of pods.
	MinReplicas *int32 `json:"minReplicas,omitempty"`
	// MaxReplicas is the greatest number of pods; without it nothing is scaled.
	MaxReplicas *int32 `json:"maxReplicas,omitempty"`
	// Behavior is how fast it scales up and down.
	Behavior *autoscalingv2.HorizontalPodAutoscalerBehavior `json:"behavior,omitempty"`
	// Metrics to scale by, besides CPU and memory.
	Metrics []v1beta1.MetricSpec `json:"metrics,omitempty"`
	// TargetCPUUtilization is the mean use of CPU, in percent of what is
	// requested.
	TargetCPUUtilization *int32 `json:"targetCPUUtilization,omitempty"`
	// TargetMemoryUtilization is the mean use of memory, in percent of what is
	// requested.
	TargetMemoryUtilization *int32 `json:"targetMemoryUtilization,omitempty"`
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
	// DisablePrometheusAnnotations leaves the annotations prometheus.io/scrape,
	// port and path out of the pods.
	DisablePrometheusAnnotations bool `json:"DisablePrometheusAnnotations,omitempty"`
	// LowerDisablePrometheusAnnotations is the same, spelled as in v1beta1.
	LowerDisablePrometheusAnnotations bool `json:"disablePrometheusAnnotations,omitempty"`
}

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
	AllocationStrategy v1beta1.AllocationStrategy `json:"allocationStrategy,omitempty"`
	// FilterStrategy drops targets before they are shared out.
	// +kubebuilder:default=relabel-config
	FilterStrategy *string `json:"filterStrategy,omitempty"`
	// PrometheusCR finds targets in the resources of prometheus-operator.
	PrometheusCR PrometheusCR `json:"prometheusCR,omitempty,omitzero"`
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
	PodDisruptionBudget *v1beta1.PodDisruptionBudget `json:"podDisruptionBudget,omitempty"`
	// Observability says how the allocator itself is watched.
	Observability Observability `json:"observability,omitempty,omitzero"`
}

// PrometheusCR finds targets in the resources of prometheus-operator.
type PrometheusCR struct {
	// Enabled watches the resources.
	Enabled bool `json:"enabled,omitempty"`
	// DenyFSAccessThroughSMs refuses monitors that name files.
	DenyFSAccessThroughSMs bool `json:"denyFSAccessThroughSMs,omitempty"`
	// ScrapeInterval is for monitors that give none.
	// +kubebuilder:default="30s"
	// +kubebuilder:validation:Format=duration
	ScrapeInterval *metav1.Duration `json:"scrapeInterval,omitempty"`
	// ScrapeClasses are prometheus-operator's, as it defines them.
	// +listType=atomic
	ScrapeClasses []v1beta1.AnyConfig `json:"scrapeClasses,omitempty"`
	// ServiceMonitorSelector is the labels to select by; empty selects all.
	ServiceMonitorSelector map[string]string `json:"serviceMonitorSelector,omitempty"`
	// PodMonitorSelector is the labels to select by; empty selects all.
	PodMonitorSelector map[string]string `json:"podMonitorSelector,omitempty"`
}

// OpenTelemetryCollectorStatus is a collector as the operator saw it last.
type OpenTelemetryCollectorStatus struct {
	// Scale is what the scale subresource shows.
	Scale v1beta1.ScaleStatus `json:"scale,omitempty,omitzero"`
	// Version of the collector.
	Version string `json:"version,omitempty"`
	// Image of the collector's container.
	Image string `json:"image,omitempty"`
	// Messages is deprecated and not written.
	// +listType=atomic
	Messages []string `json:"messages,omitempty"`
	// Replicas is deprecated: see scale.replicas.
	Replicas int32 `json:"replicas,omitempty"`
}
