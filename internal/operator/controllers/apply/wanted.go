package apply

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	utiljson "k8s.io/apimachinery/pkg/util/json"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/signalbox-otel/signalbox/api/v1beta1"
	"github.com/signalbox-otel/signalbox/internal/render"
)

// HashAnnotation is the SHA-256 of what was applied last.
const HashAnnotation = "operator." + v1beta1.Group + "/applied-sha256"

// wanted is an object as it should be.
type wanted struct {
	*unstructured.Unstructured
	// hash is the value of HashAnnotation.
	hash string
	// canonical is the object as the API server would write it, with quantities
	// in their shortest form and so on.
	canonical map[string]any
}

// newWanted takes an object of a plan and notes whose it is and its hash.
func newWanted(scheme *runtime.Scheme, owner *Owner, object render.Object) (*wanted, error) {
	text, err := json.Marshal(object)
	if err != nil {
		return nil, err
	}
	w := &wanted{Unstructured: &unstructured.Unstructured{}}
	if err := utiljson.Unmarshal(text, &w.Unstructured.Object); err != nil {
		return nil, err
	}
	if w.ownerless() {
		w.annotate(OwnerAnnotation, owner.name())
	}
	if text, err = json.Marshal(w.Object); err != nil {
		return nil, err
	}
	sum := sha256.Sum256(text)
	w.hash = hex.EncodeToString(sum[:])
	w.annotate(HashAnnotation, w.hash)
	w.canonical, err = canonical(scheme, w.Unstructured)
	return w, err
}

func (w *wanted) annotate(key, value string) {
	annotations := w.GetAnnotations()
	if annotations == nil {
		annotations = map[string]string{}
	}
	annotations[key] = value
	w.SetAnnotations(annotations)
}

// ownerless reports whether nothing removes the object with its resource.
func (w *wanted) ownerless() bool { return len(w.GetOwnerReferences()) == 0 }

// String names the object in messages.
func (w *wanted) String() string { return nameOf(w.GetKind(), w) }

func nameOf(kind string, o client.Object) string { return kind + " " + o.GetName() }

// empty is an object of a kind to read into: typed where the scheme knows it.
func empty(scheme *runtime.Scheme, like *unstructured.Unstructured) (client.Object, error) {
	gvk := like.GroupVersionKind()
	if !scheme.Recognizes(gvk) {
		u := &unstructured.Unstructured{}
		u.SetGroupVersionKind(gvk)
		return u, nil
	}
	o, err := scheme.New(gvk)
	if err != nil {
		return nil, err
	}
	object, ok := o.(client.Object)
	if !ok {
		return nil, fmt.Errorf("%s is no object", gvk)
	}
	return object, nil
}

// canonical is an object as the types of its kind write it.
func canonical(scheme *runtime.Scheme, u *unstructured.Unstructured) (map[string]any, error) {
	o, err := empty(scheme, u)
	if err != nil {
		return nil, err
	}
	if _, ok := o.(*unstructured.Unstructured); ok {
		return u.Object, nil
	}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(u.Object, o); err != nil {
		return nil, err
	}
	return content(o)
}

// content is an object as maps and lists.
func content(o client.Object) (map[string]any, error) {
	if u, ok := o.(*unstructured.Unstructured); ok {
		return u.Object, nil
	}
	return runtime.DefaultUnstructuredConverter.ToUnstructured(o)
}
