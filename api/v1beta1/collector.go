package v1beta1

import (
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// OpenTelemetryCollector runs OpenTelemetry collectors with one configuration.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:path=opentelemetrycollectors,singular=opentelemetrycollector,shortName=otelcol;otelcols
// +kubebuilder:storageversion
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

// OpenTelemetryCollectorSpec is what is wanted of a collector.
//
// +kubebuilder:validation:XValidation:rule="!has(self.mode) || self.mode != 'sidecar' || !has(self.tolerations) || size(self.tolerations) == 0",message="mode sidecar does not allow tolerations: the pod that it joins has its own",fieldPath=".tolerations",reason=FieldValueForbidden
// +kubebuilder:validation:XValidation:rule="!has(self.mode) || self.mode != 'sidecar' || !has(self.priorityClassName) || size(self.priorityClassName) == 0",message="mode sidecar does not allow priorityClassName: the pod that it joins has its own",fieldPath=".priorityClassName",reason=FieldValueForbidden
// +kubebuilder:validation:XValidation:rule="!has(self.mode) || self.mode != 'sidecar' || !has(self.affinity)",message="mode sidecar does not allow affinity: the pod that it joins has its own",fieldPath=".affinity",reason=FieldValueForbidden
// +kubebuilder:validation:XValidation:rule="!has(self.mode) || self.mode != 'sidecar' || !has(self.additionalContainers) || size(self.additionalContainers) == 0",message="mode sidecar does not allow additionalContainers: add them to the pod that it joins",fieldPath=".additionalContainers",reason=FieldValueForbidden
type OpenTelemetryCollectorSpec struct {
	Workload `json:",inline"`

	// Mode says what runs the collectors: a deployment (the default), a
	// daemonset, a statefulset, or a sidecar in the pods that ask for one.
	Mode Mode `json:"mode,omitempty"`
	// Config is the collector's configuration.
	// +required
	Config Config `json:"config"`
	// ConfigVersions is how many ConfigMaps are kept to go back to, besides the
	// one in use.
	// +kubebuilder:default=3
	// +kubebuilder:validation:Minimum=1
	ConfigVersions int `json:"configVersions,omitempty"`
	// ConfigMaps are mounted into the collector's container.
	ConfigMaps []ConfigMapMount `json:"configmaps,omitempty"`
	// UpgradeStrategy says whether the operator rewrites this resource to what a
	// new version of the collector wants.
	UpgradeStrategy UpgradeStrategy `json:"upgradeStrategy,omitempty"`
	// Command replaces the program of the image.
	// +kubebuilder:validation:MinItems=1
	// +listType=atomic
	Command []string `json:"command,omitempty"`

	// Autoscaler makes a HorizontalPodAutoscaler.
	Autoscaler *Autoscaler `json:"autoscaler,omitempty"`
	// Ingress makes the receivers reachable from outside the cluster.
	Ingress Ingress `json:"ingress,omitempty,omitzero"`
	// HTTPRoute makes the receivers reachable through a gateway.
	HTTPRoute *HTTPRoute `json:"httpRoute,omitempty"`
	// NetworkPolicy limits who reaches the pods.
	NetworkPolicy NetworkPolicy `json:"networkPolicy,omitempty,omitzero"`
	// Observability says how the collector itself is watched.
	Observability Observability `json:"observability,omitempty,omitzero"`
	// TargetAllocator shares Prometheus targets out over the collectors.
	TargetAllocator TargetAllocatorEmbedded `json:"targetAllocator,omitempty,omitzero"`

	// LivenessProbe tunes the probe, which asks the health_check extension.
	LivenessProbe *Probe `json:"livenessProbe,omitempty"`
	// ReadinessProbe tunes the probe, which asks the health_check extension.
	ReadinessProbe *Probe `json:"readinessProbe,omitempty"`
	// StartupProbe adds a probe, which asks the health_check extension.
	StartupProbe *Probe `json:"startupProbe,omitempty"`

	// ServiceName is the governing Service of a statefulset.
	ServiceName string `json:"serviceName,omitempty"`
	// PodManagementPolicy is the order in which a statefulset makes its pods.
	// +kubebuilder:validation:Enum=OrderedReady;Parallel
	PodManagementPolicy appsv1.PodManagementPolicyType `json:"podManagementPolicy,omitempty"`
	// VolumeClaimTemplates are the volume claims of each pod of a statefulset.
	// +listType=atomic
	VolumeClaimTemplates []corev1.PersistentVolumeClaim `json:"volumeClaimTemplates,omitempty"`
	// PersistentVolumeClaimRetentionPolicy says what becomes of a statefulset's
	// volume claims.
	PersistentVolumeClaimRetentionPolicy *appsv1.StatefulSetPersistentVolumeClaimRetentionPolicy `json:"persistentVolumeClaimRetentionPolicy,omitempty"`
	// DaemonSetUpdateStrategy is how a daemonset replaces its pods.
	DaemonSetUpdateStrategy appsv1.DaemonSetUpdateStrategy `json:"daemonSetUpdateStrategy,omitempty,omitzero"`
	// DeploymentUpdateStrategy is how a deployment replaces its pods.
	DeploymentUpdateStrategy appsv1.DeploymentStrategy `json:"deploymentUpdateStrategy,omitempty,omitzero"`
}

// Mode is what runs the collectors.
//
// +kubebuilder:validation:Enum=daemonset;deployment;sidecar;statefulset
type Mode string

// The modes.
const (
	ModeDaemonSet   Mode = "daemonset"
	ModeDeployment  Mode = "deployment"
	ModeSidecar     Mode = "sidecar"
	ModeStatefulSet Mode = "statefulset"
)

// UpgradeStrategy says who rewrites a resource for new versions.
//
// +kubebuilder:validation:Enum=automatic;none
type UpgradeStrategy string

// The upgrade strategies.
const (
	UpgradeAutomatic UpgradeStrategy = "automatic"
	UpgradeNone      UpgradeStrategy = "none"
)

// ConfigMapMount is a ConfigMap that is mounted below /var/conf.
type ConfigMapMount struct {
	// Name of the ConfigMap.
	Name string `json:"name"`
	// MountPath is the folder below /var/conf.
	MountPath string `json:"mountpath"`
}

// Autoscaler is a HorizontalPodAutoscaler to make.
type Autoscaler struct {
	// MinReplicas is the least number of pods.
	// +kubebuilder:validation:Minimum=1
	MinReplicas *int32 `json:"minReplicas,omitempty"`
	// MaxReplicas is the greatest number of pods; without it nothing is scaled.
	// +kubebuilder:validation:Minimum=1
	MaxReplicas *int32 `json:"maxReplicas,omitempty"`
	// Behavior is how fast it scales up and down.
	Behavior *autoscalingv2.HorizontalPodAutoscalerBehavior `json:"behavior,omitempty"`
	// Metrics to scale by, besides CPU and memory.
	Metrics []MetricSpec `json:"metrics,omitempty"`
	// TargetCPUUtilization is the mean use of CPU, in percent of what is
	// requested.
	// +kubebuilder:validation:Minimum=1
	TargetCPUUtilization *int32 `json:"targetCPUUtilization,omitempty"`
	// TargetMemoryUtilization is the mean use of memory, in percent of what is
	// requested.
	// +kubebuilder:validation:Minimum=1
	TargetMemoryUtilization *int32 `json:"targetMemoryUtilization,omitempty"`
}

// MetricSpec is a metric to scale by.
type MetricSpec struct {
	// Type is Pods, the one kind of metric that there is.
	Type autoscalingv2.MetricSourceType `json:"type"`
	// Pods is a metric of each pod, of which the mean is taken.
	Pods *autoscalingv2.PodsMetricSource `json:"pods,omitempty"`
}

// Probe tunes a probe; what it asks follows from the configuration.
type Probe struct {
	// InitialDelaySeconds is the time before the first probe.
	// +kubebuilder:validation:Minimum=0
	InitialDelaySeconds *int32 `json:"initialDelaySeconds,omitempty"`
	// TimeoutSeconds is the time after which a probe has failed.
	// +kubebuilder:validation:Minimum=1
	TimeoutSeconds *int32 `json:"timeoutSeconds,omitempty"`
	// PeriodSeconds is the time between probes.
	// +kubebuilder:validation:Minimum=1
	PeriodSeconds *int32 `json:"periodSeconds,omitempty"`
	// SuccessThreshold is how many probes in a row must succeed after a failure.
	// +kubebuilder:validation:Minimum=1
	SuccessThreshold *int32 `json:"successThreshold,omitempty"`
	// FailureThreshold is how many probes in a row must fail.
	// +kubebuilder:validation:Minimum=1
	FailureThreshold *int32 `json:"failureThreshold,omitempty"`
	// TerminationGracePeriodSeconds is the time to end after a failure.
	// +kubebuilder:validation:Minimum=1
	TerminationGracePeriodSeconds *int64 `json:"terminationGracePeriodSeconds,omitempty"`
}

// OpenTelemetryCollectorStatus is a collector as the operator saw it last.
type OpenTelemetryCollectorStatus struct {
	// Scale is what the scale subresource shows.
	Scale ScaleStatus `json:"scale,omitempty,omitzero"`
	// Version of the collector.
	Version string `json:"version,omitempty"`
	// Image of the collector's container.
	Image string `json:"image,omitempty"`
	// ObservedGeneration is the generation of spec that this status is of.
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// Conditions say whether it is ready, and why not.
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// ScaleStatus is what the scale subresource shows.
type ScaleStatus struct {
	// Selector of the pods, as text.
	Selector string `json:"selector,omitempty"`
	// Replicas is how many pods there are, or should be on nodes.
	Replicas int32 `json:"replicas,omitempty"`
	// StatusReplicas is ready pods of all, as 2/3.
	StatusReplicas string `json:"statusReplicas,omitempty"`
}
