package v1alpha1

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Instrumentation says what the pods get that ask for instrumentation.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:path=instrumentations,singular=instrumentation,shortName=otelinst;otelinsts
// +kubebuilder:subresource:status
// +kubebuilder:printcolumn:name="Age",type="date",JSONPath=".metadata.creationTimestamp"
// +kubebuilder:printcolumn:name="Endpoint",type="string",JSONPath=".spec.exporter.endpoint"
// +kubebuilder:printcolumn:name="Sampler",type="string",JSONPath=".spec.sampler.type"
// +kubebuilder:printcolumn:name="Sampler Arg",type="string",JSONPath=".spec.sampler.argument"
// +kubebuilder:printcolumn:name="Pods",type="integer",JSONPath=".status.pods.matched"
// +kubebuilder:printcolumn:name="Injected",type="integer",JSONPath=".status.pods.injected"
// +kubebuilder:printcolumn:name="Stale",type="integer",JSONPath=".status.pods.stale"
// +kubebuilder:printcolumn:name="Missed",type="integer",JSONPath=".status.pods.missed"
// +kubebuilder:printcolumn:name="Refused",type="integer",JSONPath=".status.pods.refused"
// +kubebuilder:printcolumn:name="Guarded",type="integer",JSONPath=".status.pods.guarded"
type Instrumentation struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Spec is what is wanted.
	Spec InstrumentationSpec `json:"spec,omitempty"`
	// Status is what the operator did with it.
	Status InstrumentationStatus `json:"status,omitempty,omitzero"`
}

// InstrumentationList is a list of instrumentations.
//
// +kubebuilder:object:root=true
type InstrumentationList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Instrumentation `json:"items"`
}

// InstrumentationSpec is what pods get.
type InstrumentationSpec struct {
	// Exporter sends the telemetry of the pods.
	Exporter Exporter `json:"exporter,omitempty,omitzero"`
	// Resource attributes of the pods' telemetry.
	Resource Resource `json:"resource,omitempty,omitzero"`
	// Propagators of trace context between services.
	Propagators []Propagator `json:"propagators,omitempty"`
	// Sampler decides which traces are recorded.
	Sampler Sampler `json:"sampler,omitempty,omitzero"`
	// Defaults for values that could come from several places.
	Defaults Defaults `json:"defaults,omitempty,omitzero"`
	// Env are environment variables for all languages.
	Env []corev1.EnvVar `json:"env,omitempty"`
	// ImagePullPolicy of the images below.
	ImagePullPolicy corev1.PullPolicy `json:"imagePullPolicy,omitempty"`
	// InitContainerSecurityContext of the containers that copy the agents; that
	// of the instrumented container if empty.
	InitContainerSecurityContext *corev1.SecurityContext `json:"initContainerSecurityContext,omitempty"`

	// Java is for pods that ask for Java.
	Java Java `json:"java,omitempty,omitzero"`
	// NodeJS is for pods that ask for Node.js.
	NodeJS Agent `json:"nodejs,omitempty,omitzero"`
	// Python is for pods that ask for Python.
	Python Agent `json:"python,omitempty,omitzero"`
	// DotNet is for pods that ask for .NET.
	DotNet Agent `json:"dotnet,omitempty,omitzero"`
	// Go is for pods that ask for Go.
	Go Go `json:"go,omitempty,omitzero"`
	// ApacheHttpd is for pods that ask for Apache's HTTP server.
	ApacheHttpd ApacheHttpd `json:"apacheHttpd,omitempty,omitzero"`
	// Nginx is for pods that ask for nginx.
	Nginx Nginx `json:"nginx,omitempty,omitzero"`
}

// Exporter says where telemetry is sent.
type Exporter struct {
	// Endpoint is the URL of the collector.
	Endpoint string `json:"endpoint,omitempty"`
	// TLS between pods and collector.
	TLS *ExporterTLS `json:"tls,omitempty"`
}

// ExporterTLS is TLS between pods and collector.
type ExporterTLS struct {
	// SecretName of a Secret that is mounted.
	SecretName string `json:"secretName,omitempty"`
	// ConfigMapName of a ConfigMap that is mounted.
	ConfigMapName string `json:"configMapName,omitempty"`
	// CA is the authority's certificate: a key of one of both, or a path.
	CA string `json:"ca_file,omitempty"`
	// Cert is the pods' certificate: a key of the Secret, or a path.
	Cert string `json:"cert_file,omitempty"`
	// Key is the pods' private key: a key of the Secret, or a path.
	Key string `json:"key_file,omitempty"`
}

// Resource is what telemetry says of where it comes from.
type Resource struct {
	// Attributes are added to those that are found out.
	Attributes map[string]string `json:"resourceAttributes,omitempty"`
	// AddK8sUIDAttributes adds the UIDs of pod and owners.
	AddK8sUIDAttributes bool `json:"addK8sUIDAttributes,omitempty"`
}

// Propagator is a form of trace context.
//
// +kubebuilder:validation:Enum=tracecontext;baggage;b3;b3multi;jaeger;xray;ottrace;none
type Propagator string

// Sampler decides which traces are recorded.
type Sampler struct {
	// Type of the sampler.
	Type SamplerType `json:"type,omitempty"`
	// Argument of the sampler: a ratio, or for jaeger_remote as
	// endpoint=http://jaeger:14250,pollingIntervalMs=5000,initialSamplingRate=0.25.
	Argument string `json:"argument,omitempty"`
}

// SamplerType is a sampler of the SDKs.
//
// +kubebuilder:validation:Enum=always_on;always_off;traceidratio;parentbased_always_on;parentbased_always_off;parentbased_traceidratio;jaeger_remote;parentbased_jaeger_remote;xray
type SamplerType string

// The samplers.
const (
	AlwaysOn                SamplerType = "always_on"
	AlwaysOff               SamplerType = "always_off"
	TraceIDRatio            SamplerType = "traceidratio"
	ParentBasedAlwaysOn     SamplerType = "parentbased_always_on"
	ParentBasedAlwaysOff    SamplerType = "parentbased_always_off"
	ParentBasedTraceIDRatio SamplerType = "parentbased_traceidratio"
	JaegerRemote            SamplerType = "jaeger_remote"
	ParentBasedJaegerRemote SamplerType = "parentbased_jaeger_remote"
	XRay                    SamplerType = "xray"
)

// Defaults decide where values come from.
type Defaults struct {
	// UseLabelsForResourceAttributes takes service name, version and namespace
	// from the labels app.kubernetes.io/name, version and part-of.
	UseLabelsForResourceAttributes bool `json:"useLabelsForResourceAttributes,omitempty"`
}

// Payload is where an agent comes from and lies, the same for all languages.
type Payload struct {
	// Image with the agent; the operator's own if empty.
	Image string `json:"image,omitempty"`
	// VolumeClaimTemplate of the volume that the agent is copied to; a folder of
	// the pod if empty.
	VolumeClaimTemplate corev1.PersistentVolumeClaimTemplate `json:"volumeClaimTemplate,omitempty,omitzero"`
	// VolumeSizeLimit of the pod's folder that the agent is copied to.
	VolumeSizeLimit *resource.Quantity `json:"volumeLimitSize,omitempty"`
	// Env are environment variables for this language.
	Env []corev1.EnvVar `json:"env,omitempty"`
}

// Agent is a language with nothing of its own.
type Agent struct {
	Payload `json:",inline"`

	// Resources of the container that copies the agent.
	Resources corev1.ResourceRequirements `json:"resourceRequirements,omitempty,omitzero"`
}

// Java is for pods that ask for Java.
type Java struct {
	Payload `json:",inline"`

	// Resources of the container that copies the agent.
	Resources corev1.ResourceRequirements `json:"resources,omitempty,omitzero"`
	// Extensions of the agent.
	Extensions []Extension `json:"extensions,omitempty"`
}

// Extension of the Java agent.
type Extension struct {
	// Image with the extension.
	Image string `json:"image"`
	// Dir in the image that is copied.
	Dir string `json:"dir"`
}

// Go is for pods that ask for Go.
type Go struct {
	Agent `json:",inline"`

	// SecurityContext of the agent's container.
	SecurityContext *corev1.SecurityContext `json:"securityContext,omitempty"`
}

// ApacheHttpd is for pods that ask for Apache's HTTP server.
type ApacheHttpd struct {
	Agent `json:",inline"`

	// Attrs are directives of the agent.
	Attrs []corev1.EnvVar `json:"attrs,omitempty"`
	// Version of the server: 2.2 or 2.4.
	Version string `json:"version,omitempty"`
	// ConfigPath is the folder of the server's configuration.
	// +kubebuilder:validation:MaxLength=256
	// +kubebuilder:validation:Pattern=`^[A-Za-z0-9._/-]*$`
	ConfigPath string `json:"configPath,omitempty"`
}

// Nginx is for pods that ask for nginx.
type Nginx struct {
	Agent `json:",inline"`

	// Attrs are directives of the agent.
	Attrs []corev1.EnvVar `json:"attrs,omitempty"`
	// ConfigFile is the server's configuration.
	// +kubebuilder:validation:MaxLength=256
	// +kubebuilder:validation:Pattern=`^[A-Za-z0-9._/-]*$`
	ConfigFile string `json:"configFile,omitempty"`
}

// InstrumentationStatus is what the operator did with an instrumentation.
type InstrumentationStatus struct {
	// UpgradeBlockedVersions says by language why an image was not upgraded.
	UpgradeBlockedVersions map[string]string `json:"upgradeBlockedVersions,omitempty"`
	// Pods counts the pods that ask for it or have it; there is none before they
	// were counted.
	Pods *InstrumentedPods `json:"pods,omitempty"`
	// Refusals are workloads whose pods ask for it and do not get it, a few of
	// them.
	Refusals []Refusal `json:"refusals,omitempty"`
}

// InstrumentedPods counts pods by what they have, each once: one that asks for
// several languages as the last of these that is so for one of them.
type InstrumentedPods struct {
	// Matched is the number of all of them.
	Matched int32 `json:"matched"`
	// Injected have what it says.
	Injected int32 `json:"injected"`
	// Stale have what it said when they started, or what they would not get now.
	Stale int32 `json:"stale"`
	// Missed started without it, and would get it now.
	Missed int32 `json:"missed"`
	// Refused do not get it.
	Refused int32 `json:"refused"`
	// Guarded do not get it because pods of their workload crashed with it.
	Guarded int32 `json:"guarded"`
}

// Refusal is why the pods of a workload do not get what they ask for.
type Refusal struct {
	// Workload is its kind, namespace and name, as Deployment shop/cart.
	Workload string `json:"workload"`
	// Language that is asked for.
	Language string `json:"language"`
	// Reason is a code.
	Reason string `json:"reason"`
	// Message says what is so, and what to change.
	Message string `json:"message"`
}
