package v1alpha1

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/signalbox-otel/signalbox/api/v1beta1"
)

// OpAMPBridge lets an OpAMP server see and change collectors of the cluster.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:path=opampbridges,singular=opampbridge
// +kubebuilder:subresource:status
// +kubebuilder:printcolumn:name="Age",type="date",JSONPath=".metadata.creationTimestamp"
// +kubebuilder:printcolumn:name="Version",type="string",JSONPath=".status.version",description="Version of the bridge"
// +kubebuilder:printcolumn:name="Endpoint",type="string",JSONPath=".spec.endpoint",description="The OpAMP server"
type OpAMPBridge struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Spec is what is wanted.
	Spec OpAMPBridgeSpec `json:"spec,omitempty"`
	// Status is what there is, as the operator saw it last.
	Status OpAMPBridgeStatus `json:"status,omitempty,omitzero"`
}

// OpAMPBridgeList is a list of bridges.
//
// +kubebuilder:object:root=true
type OpAMPBridgeList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []OpAMPBridge `json:"items"`
}

// OpAMPBridgeSpec is what is wanted of a bridge.
type OpAMPBridgeSpec struct {
	// Endpoint of the OpAMP server: ws, wss, http or https.
	Endpoint string `json:"endpoint"`
	// Headers of the requests to the server.
	Headers map[string]string `json:"headers,omitempty"`
	// Proxy between bridge and server.
	Proxy *Proxy `json:"proxy,omitempty"`
	// TLS between bridge and server.
	TLS *TLSSettings `json:"tls,omitempty"`
	// Capabilities that the bridge offers, as AcceptsRemoteConfig: true.
	Capabilities map[OpAMPCapability]bool `json:"capabilities"`
	// ComponentsAllowed in configurations from the server, by kind, as
	// receivers; all if empty.
	ComponentsAllowed map[string][]string `json:"componentsAllowed,omitempty"`
	// Description of the bridge for the server.
	Description *AgentDescription `json:"description,omitempty"`
	// UpgradeStrategy says whether the operator rewrites this resource to what a
	// new version of the bridge wants.
	UpgradeStrategy v1beta1.UpgradeStrategy `json:"upgradeStrategy,omitempty"`

	// Replicas is the number of pods, at most 1.
	// +kubebuilder:validation:Maximum=1
	Replicas *int32 `json:"replicas,omitempty"`
	// Image of the container; the operator's own if empty.
	Image string `json:"image,omitempty"`
	// ImagePullPolicy of the container.
	ImagePullPolicy corev1.PullPolicy `json:"imagePullPolicy,omitempty"`
	// Env are environment variables of the container.
	Env []corev1.EnvVar `json:"env,omitempty"`
	// EnvFrom are sources of environment variables of the container.
	EnvFrom []corev1.EnvFromSource `json:"envFrom,omitempty"`
	// Resources of the container.
	Resources corev1.ResourceRequirements `json:"resources,omitempty,omitzero"`
	// SecurityContext of the container.
	SecurityContext *corev1.SecurityContext `json:"securityContext,omitempty"`
	// VolumeMounts of the container.
	// +listType=atomic
	VolumeMounts []corev1.VolumeMount `json:"volumeMounts,omitempty"`
	// Ports of the Service and the container.
	// +listType=atomic
	Ports []corev1.ServicePort `json:"ports,omitempty"`
	// IPFamilies of the Service.
	IPFamilies []corev1.IPFamily `json:"ipFamilies,omitempty"`
	// IPFamilyPolicy of the Service.
	IPFamilyPolicy *corev1.IPFamilyPolicy `json:"ipFamilyPolicy,omitempty"`

	// ServiceAccount of the pod; the operator makes one if empty.
	ServiceAccount string `json:"serviceAccount,omitempty"`
	// PodAnnotations are added to the pod.
	PodAnnotations map[string]string `json:"podAnnotations,omitempty"`
	// PodSecurityContext of the pod.
	PodSecurityContext *corev1.PodSecurityContext `json:"podSecurityContext,omitempty"`
	// PodDNSConfig of the pod.
	PodDNSConfig corev1.PodDNSConfig `json:"podDnsConfig,omitempty,omitzero"`
	// Volumes of the pod.
	// +listType=atomic
	Volumes []corev1.Volume `json:"volumes,omitempty"`
	// HostNetwork puts the pod on its node's network.
	HostNetwork bool `json:"hostNetwork,omitempty"`
	// PriorityClassName of the pod.
	PriorityClassName string `json:"priorityClassName,omitempty"`
	// NodeSelector of the pod.
	NodeSelector map[string]string `json:"nodeSelector,omitempty"`
	// Affinity of the pod.
	Affinity *corev1.Affinity `json:"affinity,omitempty"`
	// Tolerations of the pod.
	Tolerations []corev1.Toleration `json:"tolerations,omitempty"`
	// TopologySpreadConstraints of the pod.
	TopologySpreadConstraints []corev1.TopologySpreadConstraint `json:"topologySpreadConstraints,omitempty"`
}

// OpAMPCapability is a capability of OpAMP that a bridge may offer.
type OpAMPCapability string

// The capabilities; the process knows more, and others are kept.
const (
	AcceptsRemoteConfig            OpAMPCapability = "AcceptsRemoteConfig"
	ReportsEffectiveConfig         OpAMPCapability = "ReportsEffectiveConfig"
	ReportsOwnTraces               OpAMPCapability = "ReportsOwnTraces"
	ReportsOwnMetrics              OpAMPCapability = "ReportsOwnMetrics"
	ReportsOwnLogs                 OpAMPCapability = "ReportsOwnLogs"
	AcceptsOpAMPConnectionSettings OpAMPCapability = "AcceptsOpAMPConnectionSettings"
	AcceptsOtherConnectionSettings OpAMPCapability = "AcceptsOtherConnectionSettings"
	AcceptsRestartCommand          OpAMPCapability = "AcceptsRestartCommand"
	ReportsHealth                  OpAMPCapability = "ReportsHealth"
	ReportsRemoteConfig            OpAMPCapability = "ReportsRemoteConfig"
	ReportsStatus                  OpAMPCapability = "ReportsStatus"
)

// Proxy is a proxy between bridge and server.
type Proxy struct {
	// URL of the proxy.
	URL string `json:"url,omitempty"`
	// Headers of the requests to the proxy.
	Headers map[string]string `json:"headers,omitempty"`
}

// TLSSettings are TLS between bridge and server.
type TLSSettings struct {
	// Insecure uses none.
	Insecure bool `json:"insecure,omitempty"`
	// InsecureSkipVerify does not check the server's certificate.
	InsecureSkipVerify bool `json:"insecure_skip_verify,omitempty"`
}

// AgentDescription describes the bridge for the server.
type AgentDescription struct {
	// NonIdentifyingAttributes are sent to the server.
	NonIdentifyingAttributes map[string]string `json:"non_identifying_attributes"`
}

// OpAMPBridgeStatus is a bridge as the operator saw it last.
type OpAMPBridgeStatus struct {
	// Version of the bridge.
	Version string `json:"version,omitempty"`
}
