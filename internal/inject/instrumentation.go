package inject

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/signalbox-otel/signalbox/api/v1alpha1"
	"github.com/signalbox-otel/signalbox/api/v1beta1"
	"github.com/signalbox-otel/signalbox/internal/render"
)

// The languages, and SDK for programs that have one and only want to be told
// where to send what.
const (
	Java        Kind = "java"
	NodeJS      Kind = "nodejs"
	Python      Kind = "python"
	DotNet      Kind = "dotnet"
	Go          Kind = "go"
	ApacheHttpd Kind = "apache-httpd"
	Nginx       Kind = "nginx"
	SDK         Kind = "sdk"
	// Unknown is what an annotation asks for that is none of these.
	Unknown Kind = "unknown"
)

// language is what is particular to a kind of instrumentation.
type language struct {
	kind Kind
	// containers is the annotation that names containers for it.
	containers string
	// payload is what a resource says of its agent.
	payload func(*v1alpha1.InstrumentationSpec) *v1alpha1.Payload
	// add adds it to a container. After an error the pod is thrown away.
	add func(*injection) error
}

// languages are in the order in which they are injected.
func languages() []language {
	return []language{
		{Java, "java-container-names", func(s *v1alpha1.InstrumentationSpec) *v1alpha1.Payload { return &s.Java.Payload }, addJava},
		{NodeJS, "nodejs-container-names", func(s *v1alpha1.InstrumentationSpec) *v1alpha1.Payload { return &s.NodeJS.Payload }, addNodeJS},
		{Python, "python-container-names", func(s *v1alpha1.InstrumentationSpec) *v1alpha1.Payload { return &s.Python.Payload }, addPython},
		{DotNet, "dotnet-container-names", func(s *v1alpha1.InstrumentationSpec) *v1alpha1.Payload { return &s.DotNet.Payload }, addDotNet},
		{Go, "go-container-names", func(s *v1alpha1.InstrumentationSpec) *v1alpha1.Payload { return &s.Go.Payload }, addGo},
		{ApacheHttpd, "apache-httpd-container-names", func(s *v1alpha1.InstrumentationSpec) *v1alpha1.Payload { return &s.ApacheHttpd.Payload }, addApache},
		// Its annotation is unlike the others', and people use it.
		{Nginx, "inject-nginx-container-names", func(s *v1alpha1.InstrumentationSpec) *v1alpha1.Payload { return &s.Nginx.Payload }, addNginx},
		{SDK, "sdk-container-names", func(*v1alpha1.InstrumentationSpec) *v1alpha1.Payload { return new(v1alpha1.Payload) }, addSDK},
		// The last: whoever names a language means that one.
		{Auto, "container-names", func(*v1alpha1.InstrumentationSpec) *v1alpha1.Payload { return new(v1alpha1.Payload) }, addAuto},
	}
}

// Wanted is a wish for instrumentation.
type Wanted struct {
	Kind Kind
	Wish Wish
}

// InstrumentationWishes are what a pod asks for, in the order in which it is
// injected.
func InstrumentationWishes(pod *corev1.Pod, namespace metav1.ObjectMeta) []Wanted {
	var all []Wanted
	for _, l := range languages() {
		if w := l.wish(pod, namespace); !w.Empty() {
			all = append(all, Wanted{l.kind, w})
		}
	}
	for _, key := range unknownLanguages(pod) {
		all = append(all, Wanted{Unknown, Wish{bad: key}})
	}
	return all
}

// annotation asks for the language.
func (l *language) annotation() string {
	if l.kind == Auto {
		return v1beta1.InstrumentationPrefix + "inject"
	}
	return v1beta1.InstrumentationPrefix + "inject-" + string(l.kind)
}

// word comes before the name of a resource in the annotation.
func (l *language) word() string {
	if l.kind == Auto {
		return string(Auto) + ":"
	}
	return ""
}

// chosen is a language with the resource that was found for it.
type chosen struct {
	language
	resource *v1alpha1.Instrumentation
	// sum is of what the resource means for the language.
	sum string
	// named are the containers that annotations name; none is the first.
	named []string
}

// AddInstrumentation gives a pod the instrumentation that it asks for, one
// language after the other: each entirely or not at all in a container, and with
// a decision of its own. Instrumentations are those that its wishes may mean.
func AddInstrumentation(pod *corev1.Pod, namespace metav1.ObjectMeta, instrumentations []*v1alpha1.Instrumentation, facts Facts) (*corev1.Pod, []Decision) {
	var decisions []Decision
	var wanted []chosen
	var named []string // languages
	for _, l := range languages() {
		w := l.wish(pod, namespace)
		d := Decision{Kind: l.kind, Outcome: Unchanged}
		switch {
		case w.Empty():
			continue
		case l.kind == Auto && len(named) > 0 && !w.Off:
			d.Reason, d.Message = LanguageNamed, "the pod asks for "+strings.Join(named, ", ")+" by name, so that no language is looked for"
			decisions = append(decisions, d)
			continue
		case w.Off:
			d.Reason, d.Message = SwitchedOff, "annotation "+l.annotation()+" is false"
			decisions = append(decisions, d)
			continue
		}
		named = append(named, string(l.kind))
		c, err := choose(l, w, pod, namespace, instrumentations, facts)
		if err != nil {
			decisions = append(decisions, c.against(err))
			continue
		}
		wanted = append(wanted, c)
	}
	for _, key := range unknownLanguages(pod) {
		decisions = append(decisions, unknown(key))
	}
	switch name := injectedBefore(pod); {
	case name == "":
		pod = unmarked(pod)
	case len(wanted) > 0:
		for _, c := range wanted {
			decisions = append(decisions, Decision{Kind: c.kind, Outcome: Unchanged, Reason: AlreadyInjected, Message: "the pod has " + name + " already", Source: c.source(), Sum: c.sum})
		}
		return pod, decisions
	}
	if err := unambiguous(wanted, facts.OneLanguage); err != nil {
		for _, c := range wanted {
			decisions = append(decisions, c.against(err))
		}
		return pod, decisions
	}
	before := pod
	for _, c := range wanted {
		next, d := c.inject(before, pod, namespace, facts)
		pod, decisions = next, append(decisions, d)
	}
	return pod, decisions
}

// against is the decision that an error stands for.
func (c *chosen) against(err error) Decision {
	d := Decision{Kind: c.kind, Outcome: Failed, Reason: Internal, Message: err.Error(), Source: c.source(), Sum: c.sum}
	var no *refused
	if errors.As(err, &no) {
		d.Outcome, d.Reason, d.Message = Refused, no.reason, no.message
	}
	return d
}

// source names the resource, where one was found.
func (c *chosen) source() string {
	if c.resource == nil {
		return ""
	}
	return c.resource.Namespace + "/" + c.resource.Name
}

// choose finds the resource and the containers for a language. The resource is
// also told with an error, where it is known.
func choose(l language, w Wish, pod *corev1.Pod, namespace metav1.ObjectMeta, all []*v1alpha1.Instrumentation, facts Facts) (chosen, error) {
	c := chosen{language: l}
	off := slices.Contains(facts.LanguagesOff, l.kind)
	err := c.resolve(w, namespace, all, facts)
	switch {
	case off:
		return c, &refused{LanguageOff, fmt.Sprintf("the operator's settings switch instrumentation of %s off", l.kind)}
	case err != nil:
		return c, err
	case l.kind != SDK && windows(pod):
		return c, &refused{WindowsPod, fmt.Sprintf("the pod runs on Windows, and what would be added for %s runs on Linux", l.kind)}
	case l.kind != SDK && l.kind != Auto && l.payload(&c.resource.Spec).Image == "":
		return c, &refused{NoImage, fmt.Sprintf("neither Instrumentation %s nor the operator names an image for %s", c.source(), l.kind)}
	}
	keys := []string{"container-names"}
	if !facts.OneLanguage && l.containers != keys[0] {
		keys = append(keys, l.containers)
	}
	c.named, err = listed(pod, namespace, keys)
	return c, err
}

// resolve finds the resource that a wish means.
func (c *chosen) resolve(w Wish, namespace metav1.ObjectMeta, all []*v1alpha1.Instrumentation, facts Facts) error {
	l := &c.language
	if w.bad != "" {
		return w.badName(l.annotation())
	}
	var found []*v1alpha1.Instrumentation
	var names []string
	if facts.Instrumentation != nil {
		all, found = nil, []*v1alpha1.Instrumentation{facts.Instrumentation}
	}
	for _, i := range all {
		if i.DeletionTimestamp == nil && (w.Only && i.Namespace == namespace.Name || !w.Only && i.Namespace == w.Namespace && i.Name == w.Name) {
			found, names = append(found, i), append(names, i.Name)
		}
	}
	switch {
	case len(found) == 0 && w.Only:
		return &refused{NoneInNamespace, fmt.Sprintf("namespace %s has no Instrumentation: make one, or name one of another namespace in annotation %s as %sNAMESPACE/NAME, and start the pod again", namespace.Name, l.annotation(), l.word())}
	case len(found) == 0:
		return &refused{NotFound, fmt.Sprintf("annotation %s names Instrumentation %s/%s, which does not exist: make it, and start the pod again", l.annotation(), w.Namespace, w.Name)}
	case len(found) > 1:
		slices.Sort(names)
		return &refused{SeveralInNamespace, fmt.Sprintf("namespace %s has several Instrumentations (%s): name one of them in annotation %s", namespace.Name, strings.Join(names, ", "), l.annotation())}
	}
	// What the operator's own defaulting would have written: resources may be
	// older than it.
	c.resource = found[0].DeepCopy()
	c.resource.SetDefaults(facts.Images)
	c.sum = sumOf(c.kind, &c.resource.Spec)
	return nil
}

var containerList = regexp.MustCompile(`^[a-zA-Z0-9-,]+$`)

// listed are the containers that annotations of the pod name, or those of its
// namespace.
func listed(pod *corev1.Pod, namespace metav1.ObjectMeta, keys []string) ([]string, error) {
	var all []string
	for _, key := range keys {
		key = v1beta1.InstrumentationPrefix + key
		value := pod.Annotations[key]
		if value == "" {
			value = namespace.Annotations[key]
		}
		value = strings.ReplaceAll(value, " ", "")
		if value == "" {
			continue
		}
		if !containerList.MatchString(value) {
			return nil, &refused{BadContainers, fmt.Sprintf("annotation %s is %q; it should be names of containers, separated by commas", key, value)}
		}
		for name := range strings.SplitSeq(value, ",") {
			if name == "" {
				continue
			}
			if slices.Contains(all, name) {
				return nil, &refused{BadContainers, fmt.Sprintf("container %s is named twice for one language", name)}
			}
			all = append(all, name)
		}
	}
	return all, nil
}

// unambiguous refuses several languages of which it is not said which container
// is for which.
func unambiguous(wanted []chosen, one bool) error {
	if len(wanted) < 2 {
		return nil
	}
	var kinds []string
	for _, c := range wanted {
		kinds = append(kinds, string(c.kind))
	}
	all := strings.Join(kinds, ", ")
	if one {
		return &refused{UnnamedContainers, "the pod asks for several languages (" + all + "), and the operator's settings allow one"}
	}
	for _, c := range wanted {
		if len(c.named) == 0 {
			return &refused{UnnamedContainers, fmt.Sprintf("the pod asks for several languages (%s), and none of its containers is named for %s: name them in annotation %s", all, c.kind, v1beta1.InstrumentationPrefix+c.containers)}
		}
	}
	return nil
}

// injectedBefore says what the pod has of an earlier injection, or nothing.
func injectedBefore(pod *corev1.Pod) string {
	for _, c := range pod.Spec.InitContainers {
		switch c.Name {
		case volumeOf(Java), volumeOf(NodeJS), volumeOf(Python), volumeOf(DotNet), apacheAttach, nginxAttach, webServerClone, goContainer, autoInstall:
			return "init container " + c.Name
		}
	}
	for _, c := range pod.Spec.Containers {
		if c.Name == goContainer {
			return "container " + c.Name
		}
		if c.Name != render.CollectorContainer && hasVariable(c.Env, nodeNameVariable) {
			return "variable " + nodeNameVariable + " in container " + c.Name
		}
	}
	return ""
}

// volumeOf is the name of a language's volume and of the container that fills it.
func volumeOf(k Kind) string { return "opentelemetry-auto-instrumentation-" + string(k) }

// targets are the containers that a language is for, in the pod's order, and the
// names that no container has.
func (c *chosen) targets(pod *corev1.Pod) (names, unknown []string) {
	if len(c.named) == 0 {
		for i := range pod.Spec.Containers {
			if name := pod.Spec.Containers[i].Name; name != render.CollectorContainer {
				return []string{name}, nil
			}
		}
		return nil, nil
	}
	for _, name := range containerNames(pod) {
		if slices.Contains(c.named, name) {
			names = append(names, name)
		}
	}
	for _, name := range c.named {
		if !slices.Contains(names, name) {
			unknown = append(unknown, name)
		}
	}
	return names, unknown
}

// inject injects one language into a pod. Before is the pod as its author wrote
// it, which what is added is measured by.
func (c *chosen) inject(before, pod *corev1.Pod, namespace metav1.ObjectMeta, facts Facts) (*corev1.Pod, Decision) {
	d := Decision{Kind: c.kind, Outcome: Injected, Reason: AsAsked, Source: c.source(), Sum: c.sum}
	if err := c.guarded(before, namespace, &facts); err != nil {
		return pod, c.against(err)
	}
	names, unknown := c.targets(before)
	var notes []string
	var said remarks
	if len(unknown) > 0 {
		notes = append(notes, "the pod has no container "+strings.Join(unknown, ", "))
	}
	var first error
	for _, name := range names {
		// All of it in this container, or nothing: work on a copy.
		in := &injection{chosen: c, before: before, pod: pod.DeepCopy(), namespace: namespace, facts: &facts, targets: names}
		in.container = in.find(name)
		err := c.add(in)
		in.mark()
		if err == nil {
			err = fits(before, in.pod, facts)
		}
		if err == nil {
			err = valid(before, in.pod)
		}
		if err != nil {
			if first == nil {
				first = err
			}
			notes = append(notes, fmt.Sprintf("container %s is left as it is: %v", name, err))
			continue
		}
		pod, d.Containers = in.pod, append(d.Containers, name)
		in.hidden()
		said.add(name, in.notes)
	}
	if len(d.Containers) == 0 {
		if first == nil {
			first = &refused{UnknownContainer, strings.Join(notes, "; ")}
		}
		return pod, c.against(first)
	}
	d.Message = fmt.Sprintf("%s of Instrumentation %s is added to container %s", c.kind, d.Source, strings.Join(d.Containers, ", "))
	if notes = append(notes, said.of(d.Containers)...); len(notes) > 0 {
		d.Message += "; " + strings.Join(notes, "; ")
	}
	return pod, d
}

// injection is a language on its way into a container.
type injection struct {
	*chosen
	before, pod *corev1.Pod
	container   *corev1.Container // in pod
	namespace   metav1.ObjectMeta
	facts       *Facts
	targets     []string
	// probed says that the probe looks at the container anyhow.
	probed bool
	// notes are what the pod's owner should know of it.
	notes []string
	// created are variables with a value of ours that the container may have had
	// from where nobody sees it.
	created []string
}

// find is a container of the pod.
func (in *injection) find(name string) *corev1.Container {
	for _, list := range [][]corev1.Container{in.pod.Spec.InitContainers, in.pod.Spec.Containers} {
		for i := range list {
			if list[i].Name == name {
				return &list[i]
			}
		}
	}
	return nil
}

func (in *injection) spec() *v1alpha1.InstrumentationSpec { return &in.resource.Spec }

// isInit reports whether the container is an init container.
func (in *injection) isInit() bool {
	return slices.ContainsFunc(in.pod.Spec.InitContainers, func(c corev1.Container) bool { return c.Name == in.container.Name })
}
