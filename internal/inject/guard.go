package inject

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/signalbox-otel/signalbox/api/v1beta1"
)

// Guard keeps a language off the pods of a workload, because they crashed with
// it. It holds for what crashed: another form of the Instrumentation and another
// program are tried.
type Guard struct {
	// Namespace, Workload (a kind, as Deployment) and Name are of the farthest
	// owner of the pods.
	Namespace string `json:"namespace"`
	Workload  string `json:"workload"`
	Name      string `json:"name"`
	// Kind, Source and Sum are those of the mark that the pods had, and Program is
	// what AnnotationProgram said of the kind.
	Kind    Kind   `json:"kind"`
	Source  string `json:"source"`
	Sum     string `json:"sum"`
	Program string `json:"program"`
	// Containers that crashed; none where it was one of ours.
	Containers []string `json:"containers,omitempty"`
	// Since is when it was found, and Cause a clause that says what was seen.
	Since metav1.Time `json:"since"`
	Cause string      `json:"cause"`
	// Proof is what became of pods without the language.
	Proof Proof `json:"proof,omitempty"`
}

// Proof is what pods without a language say of whether it was to blame.
type Proof string

// The proofs; nothing while there is none.
const (
	// Mended: they run.
	Mended Proof = "Mended"
	// Unrelated: they crash as well, so that the guard is over.
	Unrelated Proof = "Unrelated"
)

// Holds reports whether a guard is about what a mark and a program say.
func (g *Guard) Holds(m Mark, program string) bool {
	return g.Kind == m.Kind && g.Source == m.Source && g.Sum == m.Sum && g.Program == program
}

// Of reports whether a guard is about the pods of a workload.
func (g *Guard) Of(namespace, workload, name string) bool {
	return g.Namespace == namespace && g.Workload == workload && g.Name == name
}

// guarded refuses a language that pods of the same workload crashed with.
func (c *chosen) guarded(before *corev1.Pod, namespace metav1.ObjectMeta, facts *Facts) error {
	if len(facts.Guards) == 0 || len(facts.Owners) == 0 {
		return nil
	}
	owner := facts.Owners[len(facts.Owners)-1]
	mark := Mark{c.kind, c.source(), c.sum}
	for i := range facts.Guards {
		g := &facts.Guards[i]
		if g.Proof == Unrelated || !g.Of(namespace.Name, owner.Kind, owner.Name) || !g.Holds(mark, c.program(before, namespace, facts.Limits)) {
			continue
		}
		return &refused{CrashGuard, fmt.Sprintf("pods of %s %s crashed with %s of Instrumentation %s (%s): it is added again when the Instrumentation or the containers of the pod template change, or annotation %s of the pod template gets another value",
			owner.Kind, owner.Name, c.kind, c.source(), g.Cause, v1beta1.AnnotationCrashGuard)}
	}
	return nil
}

// program is a hash of what the pod's author wrote of the containers that the
// language is for, as far as it may make a program crash; nothing where the crash
// guard is not wanted. It is the same for a pod template and for its pods at
// admission, also where the namespace's ranges gave these limits.
func (c *chosen) program(before *corev1.Pod, namespace metav1.ObjectMeta, ranges []corev1.LimitRangeItem) string {
	wanted := before.Annotations[v1beta1.AnnotationCrashGuard]
	if wanted == "" {
		wanted = namespace.Annotations[v1beta1.AnnotationCrashGuard]
	}
	if strings.EqualFold(wanted, "false") {
		return ""
	}
	hash := sha256.New()
	text := json.NewEncoder(hash)
	write := func(v any) { _ = text.Encode(v) } // what came as JSON, to what never fails
	write(wanted)
	names, _ := c.targets(before)
	for _, list := range [][]corev1.Container{before.Spec.InitContainers, before.Spec.Containers} {
		for i := range list {
			if o := &list[i]; slices.Contains(names, o.Name) {
				write(corev1.Container{
					Name: o.Name, Image: o.Image, Command: o.Command, Args: o.Args, Env: o.Env, EnvFrom: o.EnvFrom,
					Resources: corev1.ResourceRequirements{Limits: ownLimits(o, ranges)},
				})
			}
		}
	}
	return hex.EncodeToString(hash.Sum(nil)[:sumBytes])
}

// ownLimits are a container's limits without those that ranges of the namespace
// may have given it.
func ownLimits(c *corev1.Container, ranges []corev1.LimitRangeItem) corev1.ResourceList {
	var own corev1.ResourceList
	for name, limit := range c.Resources.Limits {
		given := slices.ContainsFunc(ranges, func(r corev1.LimitRangeItem) bool {
			fallback, ok := r.Default[name]
			return ok && r.Type == corev1.LimitTypeContainer && fallback.Cmp(limit) == 0
		})
		if !given {
			set(&own, name, limit)
		}
	}
	return own
}

// Programs are what v1beta1.AnnotationProgram says of each kind. A kind that is
// missing is not guarded.
func Programs(annotations map[string]string) map[Kind]string {
	all := map[Kind]string{}
	for text := range strings.SplitSeq(annotations[v1beta1.AnnotationProgram], ",") {
		if kind, program, ok := strings.Cut(text, "="); ok {
			all[Kind(kind)] = program
		}
	}
	return all
}

// markProgram notes on the pod which program the language was added to.
func (in *injection) markProgram() {
	program := in.program(in.before, in.namespace, in.facts.Limits)
	old := in.pod.Annotations[v1beta1.AnnotationProgram]
	if program == "" {
		return
	}
	if old != "" {
		old += ","
	}
	setKey(&in.pod.Annotations, v1beta1.AnnotationProgram, old+string(in.kind)+"="+program)
}
