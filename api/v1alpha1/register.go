package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/signalbox-otel/signalbox/api/v1beta1"
)

// GroupVersion is what apiVersion says of the kinds in this package.
var GroupVersion = schema.GroupVersion{Group: v1beta1.Group, Version: "v1alpha1"}

// AddToScheme makes the kinds of this package known to s.
func AddToScheme(s *runtime.Scheme) error {
	s.AddKnownTypes(GroupVersion,
		&OpenTelemetryCollector{}, &OpenTelemetryCollectorList{},
		&Instrumentation{}, &InstrumentationList{},
		&TargetAllocator{}, &TargetAllocatorList{},
		&OpAMPBridge{}, &OpAMPBridgeList{})
	metav1.AddToGroupVersion(s, GroupVersion)
	return nil
}
