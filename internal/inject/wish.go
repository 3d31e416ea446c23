package inject

import (
	"fmt"
	"slices"
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
// the pod counts, but that "true" means whatever the namespace says. A mirror pod
// wishes nothing: it only shows what a kubelet runs from a file, which nobody can
// add to.
func wish(annotation string, pod *corev1.Pod, namespace metav1.ObjectMeta) Wish {
	if mirror(pod) {
		return Wish{}
	}
	return weigh(pod.Annotations[annotation], namespace.Annotations[annotation], namespace)
}

// wish is what a pod asks for of a language. Of whatever language it is, it asks
// by another word than "true", because that is what it should be called, and may
// name a resource behind it.
func (l *language) wish(pod *corev1.Pod, namespace metav1.ObjectMeta) Wish {
	if l.kind != Auto || mirror(pod) {
		return wish(l.annotation(), pod, namespace)
	}
	values := []string{pod.Annotations[l.annotation()], namespace.Annotations[l.annotation()]}
	for i, value := range values {
		word, name, named := strings.Cut(value, ":")
		switch {
		case value == "" || strings.EqualFold(value, "false"):
		case !strings.EqualFold(word, string(Auto)) || named && (name == "" || strings.EqualFold(name, "true") || strings.EqualFold(name, "false")):
			if i == 0 || values[0] == "" {
				return Wish{bad: value}
			}
			values[i] = ""
		case named:
			values[i] = name
		default:
			values[i] = "true"
		}
	}
	return weigh(values[0], values[1], namespace)
}

// weigh weighs the pod's value of an annotation against that of its namespace.
func weigh(value, of string, namespace metav1.ObjectMeta) Wish {
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

func mirror(pod *corev1.Pod) bool {
	_, is := pod.Annotations[corev1.MirrorPodAnnotationKey]
	return is
}

// badName refuses a value that names nothing.
func (w Wish) badName(annotation string) error {
	if annotation == v1beta1.InstrumentationPrefix+"inject" {
		return &refused{BadName, fmt.Sprintf("annotation %s is %q; it should be auto, auto:NAME, auto:NAMESPACE/NAME or false", annotation, w.bad)}
	}
	return &refused{BadName, fmt.Sprintf("annotation %s is %q; it should be true, false, NAME or NAMESPACE/NAME", annotation, w.bad)}
}

// unknownLanguages are annotations of a pod that ask for a language that is not
// there: who writes phyton is to hear of it.
func unknownLanguages(pod *corev1.Pod) []string {
	var all []string
	for key, value := range pod.Annotations {
		// Only the list of containers of one language begins as this.
		rest, ok := strings.CutPrefix(key, v1beta1.InstrumentationPrefix+"inject-")
		if !ok || value == "" || mirror(pod) || strings.EqualFold(value, "false") || strings.HasSuffix(rest, "-container-names") {
			continue
		}
		if !slices.ContainsFunc(languages(), func(l language) bool { return l.annotation() == key }) {
			all = append(all, key)
		}
	}
	slices.Sort(all)
	return all
}

// unknown is the decision about such an annotation.
func unknown(annotation string) Decision {
	var names []string
	for _, l := range languages() {
		if l.kind != Auto {
			names = append(names, string(l.kind))
		}
	}
	return Decision{Kind: Unknown, Outcome: Refused, Reason: UnknownLanguage, Message: fmt.Sprintf("annotation %s asks for none of %s", annotation, strings.Join(names, ", "))}
}
