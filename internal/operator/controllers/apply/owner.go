package apply

import (
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/signalbox-otel/signalbox/api/v1beta1"
)

// OwnerAnnotation is on objects that no owner reference can lead from, as
// cluster roles, and names the resource that they belong to: NAMESPACE/NAME.
const OwnerAnnotation = "operator." + v1beta1.Group + "/owner"

// Owner is the resource that objects are applied for.
type Owner struct {
	client.Object
	// Kind of the resource; objects from a cache do not say it.
	Kind schema.GroupVersionKind
	// Labels that all its objects have: those that select its pods.
	Labels map[string]string
}

// name is the value of OwnerAnnotation.
func (o *Owner) name() string { return o.GetNamespace() + "/" + o.GetName() }

// relation is whose an object is.
type relation int

const (
	own         relation = iota
	predecessor          // of a resource of our name that was deleted; it is on its way out
	foreign
)

// relation says whose an object is that is there under a name that we want, and
// why it is not ours.
func (o *Owner) relation(m metav1.Object, ownerless bool) (relation, string) {
	if c := metav1.GetControllerOf(m); c != nil {
		group, _ := schema.ParseGroupVersion(c.APIVersion)
		switch {
		case c.UID == o.GetUID():
			return own, ""
		case c.Name == o.GetName() && c.Kind == o.Kind.Kind && group.Group == o.Kind.Group:
			return predecessor, ""
		}
		return foreign, fmt.Sprintf("it belongs to %s %s", c.Kind, c.Name)
	}
	if by, ok := m.GetAnnotations()[OwnerAnnotation]; ok && ownerless && by != o.name() {
		return foreign, "it belongs to " + by
	}
	for key, value := range o.Labels {
		if m.GetLabels()[key] != value {
			return foreign, "it was not made by the operator"
		}
	}
	return own, ""
}
