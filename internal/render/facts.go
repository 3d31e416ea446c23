package render

import (
	"regexp"

	corev1 "k8s.io/api/core/v1"

	"github.com/signalbox-otel/signalbox/api/v1beta1"
)

// Facts are what render has to know besides the resource. The zero value is a
// cluster without any optional API, in which the operator may not grant rights.
type Facts struct {
	// CollectorImage is the image of collectors that name none, and
	// CollectorCommand its program, where that is not what the image starts.
	CollectorImage   string   `json:"collectorImage,omitempty"`
	CollectorCommand []string `json:"collectorCommand,omitempty"`
	// AllocatorImage and AllocatorCommand are the same of target allocators.
	AllocatorImage   string   `json:"allocatorImage,omitempty"`
	AllocatorCommand []string `json:"allocatorCommand,omitempty"`
	// BridgeImage is the image of OpAMP bridges.
	BridgeImage string `json:"bridgeImage,omitempty"`

	// Proxy are the variables of the operator that say how to leave the cluster;
	// every container gets them.
	Proxy []corev1.EnvVar `json:"proxy,omitempty"`
	// LabelsFilter and AnnotationsFilter match the keys of labels and annotations
	// of a resource that its objects do not get.
	LabelsFilter      []*regexp.Regexp `json:"labelsFilter,omitempty"`
	AnnotationsFilter []*regexp.Regexp `json:"annotationsFilter,omitempty"`

	// RBAC says that the operator may grant what collectors need.
	RBAC bool `json:"rbac,omitempty"`
	// ServiceMonitors, PodMonitors, Routes, HTTPRoutes and CertManager say that
	// the cluster has the API of that name.
	ServiceMonitors bool `json:"serviceMonitors,omitempty"`
	PodMonitors     bool `json:"podMonitors,omitempty"`
	Routes          bool `json:"routes,omitempty"`
	HTTPRoutes      bool `json:"httpRoutes,omitempty"`
	CertManager     bool `json:"certManager,omitempty"`
	// Certificates says that the operator makes the certificates of target
	// allocators where cert-manager does not.
	Certificates bool `json:"certificates,omitempty"`
	// FSGroup is the group that OpenShift wants for the volumes of pods in the
	// namespace of the resource.
	FSGroup *int64 `json:"fsGroup,omitempty"`
	// NetworkPolicies makes network policies for resources that do not say
	// whether they want one.
	NetworkPolicies bool `json:"networkPolicies,omitempty"`

	// AllocationFallback lets target allocators place by hash what they cannot
	// place by node.
	AllocationFallback bool `json:"allocationFallback,omitempty"`

	// Allocator is the target allocator that the collector names in its label;
	// nil when it names none or it does not exist.
	Allocator *AllocatorFacts `json:"allocator,omitempty"`
}

// AllocatorFacts are what a collector has to know of a target allocator that is
// a resource of its own.
type AllocatorFacts struct {
	// Name of the resource.
	Name string `json:"name"`
	// MTLS between it and the collectors.
	MTLS *v1beta1.MTLS `json:"mtls,omitempty"`
}

// tls reports whether it answers to certificates only.
func (a *AllocatorFacts) tls() bool { return a.MTLS != nil && a.MTLS.Enabled }
