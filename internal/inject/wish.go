package inject

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/signalbox-otel/signalbox/api/v1beta1"
)

// Wish is what an annotation asks for. The zero value asks for nothing.
type Wish struct {
	// Off says that it is not wanted.
	Off bool
	// Only asks for the only resource in the pod's namespace.
	Only bool
	// Namespace and Name are those of the resource that is asked for.
	Namespace, Name string

	bad string // a value that is none of these
}

// Empty reports whether nothing is asked for.
func (w Wish) Empty() bool { return w == Wish{} }

// SidecarWish is what a pod asks for by its annotation, or its namespace by the
// same. The namespace of a pod at admission is that of the request.
func SidecarWish(pod *corev1.Pod, namespace metav1.ObjectMeta) Wish {
	return wish(v1beta1.AnnotationSidecar, pod, namespace)
}

// wish weighs the annotation of the pod against that of its namespace: that of
// the pod counts, but that "true" means whatever the namespace says.
func wish(annotation string, pod *corev1.Pod, namespace metav1.ObjectMeta) Wish {
	value, of := pod.Annotations[annotation], namespace.Annotations[annotation]
	if value == "" || strings.EqualFold(value, "true") && of != "" && !strings.EqualFold(of, "false") {
		value = of
	}
	switch {
	case value == "":
		return Wish{}
	case strings.EqualFold(value, "false"):
		return Wish{Off: true}
	case strings.EqualFold(value, "true"):
		return Wish{Only: true}
	}
	ns, name, qualified := strings.Cut(value, "/")
	if !qualified {
		ns, name = namespace.Name, value
	}
	if ns == "" || name == "" || strings.Contains(name, "/") {
		return Wish{bad: value}
	}
	return Wish{Namespace: ns, Name: name}
}

// badName refuses a value that names nothing.
func (w Wish) badName(annotation string) error {
	return &refused{BadName, fmt.Sprintf("annotation %s is %q; it should be true, false, NAME or NAMESPACE/NAME", annotation, w.bad)}
}
