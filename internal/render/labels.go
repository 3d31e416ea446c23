package render

import (
	"maps"
	"regexp"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	metav1ac "k8s.io/client-go/applyconfigurations/meta/v1"

	"github.com/signalbox-otel/signalbox/api/v1beta1"
)

// Values of the label for the component.
const (
	ComponentCollector = "opentelemetry-collector"
	ComponentAllocator = "opentelemetry-targetallocator"
	ComponentBridge    = "opentelemetry-opamp-bridge"
)

// Selector are the labels that all objects of a resource have, and by which its
// pods are selected.
func Selector(component string, resource metav1.Object) map[string]string {
	return map[string]string{
		v1beta1.LabelManagedBy: "opentelemetry-operator",
		v1beta1.LabelInstance:  Instance(resource),
		v1beta1.LabelPartOf:    "opentelemetry",
		v1beta1.LabelComponent: component,
	}
}

// AllocatorName is the name of the workload and most other objects of a target
// allocator, or of that which a collector makes.
func AllocatorName(resource metav1.Object) string {
	return name("%s-targetallocator", resource.GetName())
}

// BridgeName is the name of the workload and most other objects of an OpAMP
// bridge.
func BridgeName(resource metav1.Object) string { return name("%s-opamp-bridge", resource.GetName()) }

// owner is a resource that objects are made for, and what these have of it.
type owner struct {
	meta      metav1.ObjectMeta
	api, kind string
	component string
	image     string
	facts     *Facts
}

// selector are the labels by which the pods of the resource are selected.
func (o *owner) selector() map[string]string { return Selector(o.component, &o.meta) }

// instance is the label value that names the resource.
func (o *owner) instance() string { return Instance(&o.meta) }

// Instance is the value of the label that names the resource an object is made
// for.
func Instance(resource metav1.Object) string {
	return truncated("%s.%s", resource.GetNamespace(), resource.GetName())
}

// labels are those of an object. Filtered are without what the operator keeps
// off workloads and what belongs to these.
func (o *owner) labels(object string, filtered bool) map[string]string {
	labels := map[string]string{v1beta1.LabelName: object}
	maps.Copy(labels, o.meta.Labels)
	if filtered {
		drop(labels, o.facts.LabelsFilter)
	}
	maps.Copy(labels, o.selector())
	labels[v1beta1.LabelVersion] = imageVersion(o.image)
	return labels
}

// annotations are those of the resource, without what the operator keeps off.
func (o *owner) annotations() map[string]string {
	annotations := maps.Clone(o.meta.Annotations)
	maps.DeleteFunc(annotations, func(key, _ string) bool { return v1beta1.IsConversion(key) })
	drop(annotations, o.facts.AnnotationsFilter)
	return annotations
}

func drop(m map[string]string, filters []*regexp.Regexp) {
	maps.DeleteFunc(m, func(key, _ string) bool {
		return slices.ContainsFunc(filters, func(f *regexp.Regexp) bool { return f.MatchString(key) })
	})
}

// references make Kubernetes remove objects with the resource. A resource that
// is not in a cluster yet has no identity to refer to.
func (o *owner) references() []*metav1ac.OwnerReferenceApplyConfiguration {
	if o.meta.UID == "" {
		return nil
	}
	return []*metav1ac.OwnerReferenceApplyConfiguration{metav1ac.OwnerReference().
		WithAPIVersion(o.api).WithKind(o.kind).WithName(o.meta.Name).WithUID(o.meta.UID).
		WithController(true).WithBlockOwnerDeletion(true)}
}

// custom is an object of a kind that we have no types of.
func (o *owner) custom(api, kind, name string, labels, annotations map[string]string, spec map[string]any) Custom {
	meta := map[string]any{"name": name, "namespace": o.meta.Namespace}
	if len(labels) > 0 {
		meta["labels"] = labels
	}
	if len(annotations) > 0 {
		meta["annotations"] = annotations
	}
	if refs := o.references(); refs != nil {
		meta["ownerReferences"] = refs
	}
	return Custom{"apiVersion": api, "kind": kind, "metadata": meta, "spec": spec}
}
