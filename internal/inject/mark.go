package inject

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/signalbox-otel/signalbox/api/v1alpha1"
	"github.com/signalbox-otel/signalbox/api/v1beta1"
)

// Mark says what a pod was given of one kind: what it would get now may differ.
type Mark struct {
	Kind Kind `json:"kind"`
	// Source is the resource, as namespace/name, and Sum of what it meant for the
	// kind then.
	Source string `json:"source,omitempty"`
	Sum    string `json:"sum,omitempty"`
}

// String is how v1beta1.AnnotationInstrumented has it.
func (m Mark) String() string { return string(m.Kind) + "=" + m.Source + "@" + m.Sum }

// Marks are what a pod's annotations say that it was instrumented with, in their
// order. What is no mark is left out.
func Marks(annotations map[string]string) []Mark {
	var all []Mark
	for text := range strings.SplitSeq(annotations[v1beta1.AnnotationInstrumented], ",") {
		kind, what, _ := strings.Cut(text, "=")
		if i := strings.LastIndexByte(what, '@'); i >= 0 && kind != "" {
			all = append(all, Mark{Kind(kind), what[:i], what[i+1:]})
		}
	}
	return all
}

// sumBytes of a hash are enough to tell the forms of one resource apart.
const sumBytes = 6

// Sum is of what an Instrumentation means for a language, with these images of
// the operator: what is only about other languages does not change it.
func Sum(k Kind, i *v1alpha1.Instrumentation, images v1alpha1.Images) string {
	i = i.DeepCopy()
	i.SetDefaults(images)
	return sumOf(k, &i.Spec)
}

// sumOf is Sum of a spec with its defaults.
func sumOf(k Kind, spec *v1alpha1.InstrumentationSpec) string {
	own := *spec
	about := func(language Kind) bool { return k == language || k == Auto && slices.Contains(autoKinds, language) }
	if !about(Java) {
		own.Java = v1alpha1.Java{}
	}
	if !about(NodeJS) {
		own.NodeJS = v1alpha1.Agent{}
	}
	if !about(Python) {
		own.Python = v1alpha1.Agent{}
	}
	if !about(DotNet) {
		own.DotNet = v1alpha1.Agent{}
	}
	if !about(Go) {
		own.Go = v1alpha1.Go{}
	}
	if !about(ApacheHttpd) {
		own.ApacheHttpd = v1alpha1.ApacheHttpd{}
	}
	if !about(Nginx) {
		own.Nginx = v1alpha1.Nginx{}
	}
	text, _ := json.Marshal(own) // it came as JSON
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:sumBytes])
}

// mark notes on the pod what it is given, for who looks at it later.
func (in *injection) mark() {
	marks := Marks(in.pod.Annotations)
	if slices.ContainsFunc(marks, func(m Mark) bool { return m.Kind == in.kind }) {
		return // of another container
	}
	var texts []string
	for _, m := range append(marks, Mark{in.kind, in.source(), in.sum}) {
		texts = append(texts, m.String())
	}
	setKey(&in.pod.Annotations, v1beta1.AnnotationInstrumented, strings.Join(texts, ","))
	setKey(&in.pod.Labels, v1beta1.LabelInstrumented, "true")
	in.markProgram()
}

// unmarked is a pod without marks: one that is not instrumented may have them
// because its author copied another's.
func unmarked(pod *corev1.Pod) *corev1.Pod {
	_, annotated := pod.Annotations[v1beta1.AnnotationInstrumented]
	_, program := pod.Annotations[v1beta1.AnnotationProgram]
	_, labelled := pod.Labels[v1beta1.LabelInstrumented]
	if !annotated && !program && !labelled {
		return pod
	}
	pod = pod.DeepCopy()
	delete(pod.Annotations, v1beta1.AnnotationInstrumented)
	delete(pod.Annotations, v1beta1.AnnotationProgram)
	delete(pod.Labels, v1beta1.LabelInstrumented)
	return pod
}
