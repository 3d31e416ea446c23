package inject

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/signalbox-otel/signalbox/internal/inject/verdict"
)

// Auto is instrumentation of whatever language runs in a container. Which that
// is cannot be known before the container's image is on a node, so that what
// each language would add is prepared, and the probe chooses as the pod starts:
//
//   - an init container puts the probe into a volume, and for each container a
//     file of variables as they are without an agent;
//   - one from each container's own image runs the probe there, whose verdict is
//     the message that it ends with;
//   - those that copy agents are run by the probe, and do so where a verdict wants
//     it; then the agent's variables are in the file.
//
// The variables that agents need take their values from that file, so that one
// refers to an agent only when it is there.
const Auto Kind = "auto"

// autoKinds are the languages that the probe chooses among, in the order in which
// one's variable goes before another's.
var autoKinds = []Kind{Java, NodeJS, Python, DotNet}

// Names of what auto adds to a pod.
const (
	autoInstall = "opentelemetry-auto-instrumentation-probe"
	autoDetect  = "opentelemetry-auto-instrumentation-detect-" // and a number
)

// autoEnv is the folder of the files of variables in the volume.
const autoEnv = "env/"

// autoVolume bounds the volume: the probe, and a few texts.
var autoVolume = resource.MustParse("32Mi")

// entryWords are as much of a container's command as may name its program.
const entryWords = 8

// probeResources are those of the containers that run the probe.
var probeResources = corev1.ResourceRequirements{
	Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("50m"), corev1.ResourceMemory: resource.MustParse("32Mi")},
	Limits:   corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("500m"), corev1.ResourceMemory: resource.MustParse("64Mi")},
}

// composable are the variables of a language that keep what an image has in them.
var composable = map[Kind][]string{
	Java:   {"JAVA_TOOL_OPTIONS"},
	NodeJS: {"NODE_OPTIONS"},
	Python: {"PYTHONPATH"},
	DotNet: {"DOTNET_STARTUP_HOOKS", "DOTNET_ADDITIONAL_DEPS", "DOTNET_SHARED_STORE"},
}

// option is a language that the probe may choose for a container.
type option struct {
	kind Kind
	// in is the pod with the language.
	in *injection
	// set and add are variables with the values and templates that they get.
	set, add map[string]string
	// names are those of all these, in their order.
	names []string
	// given are variables that cannot depend on the choice, because their values
	// come from elsewhere; originals are those that values of set refer to.
	given, originals []corev1.EnvVar
}

func addAuto(in *injection) error {
	switch {
	case in.facts.Probe == "":
		return &refused{NoProbe, "the operator names no image of the probe, which finds out the language: set --probe-image"}
	case !in.facts.EnvFiles:
		return &refused{NoEnvFiles, "the cluster does not give containers variables from files, which it does when API server and nodes are of Kubernetes 1.35 or later (feature gate EnvFiles): name the language, as by annotation inject-python"}
	}
	plain := in.as(SDK)
	if err := plain.common(nil, nil); err != nil {
		return err
	}
	without := map[string]*corev1.EnvVar{}
	for i := range plain.container.Env {
		without[plain.container.Env[i].Name] = &plain.container.Env[i]
	}
	var options []*option
	var left, told []string
	for _, k := range autoKinds {
		o, err := in.option(k, without)
		if err != nil {
			why := fmt.Sprintf("not of %s: %v", k, err)
			left = append(left, why)
			if no := new(refused); !errors.As(err, &no) || no.reason != SwitchedOff {
				told = append(told, why)
			}
			continue
		}
		options = append(options, o)
	}
	if len(options) == 0 {
		return &refused{NoLanguage, "there is no language that the probe could choose: " + strings.Join(left, "; ")}
	}
	in.pod, in.container = plain.pod, plain.container
	base := in.depend(options)
	for _, o := range options {
		in.join(o)
	}
	number := in.install(base)
	in.detect(number, options, plain)
	in.arrange()
	in.notes = append(in.notes, plain.notes...)
	in.notes = append(in.notes, fmt.Sprintf("which of %s container %s gets is found out in its image as it starts", strings.Join(kindsOf(options), ", "), in.container.Name))
	for _, o := range options {
		for _, note := range o.in.notes {
			in.notes = append(in.notes, string(o.kind)+": "+note)
		}
	}
	in.notes = append(in.notes, told...)
	return nil
}

func kindsOf(options []*option) []string {
	var all []string
	for _, o := range options {
		all = append(all, string(o.kind))
	}
	return all
}

// as is the injection of another language into a copy of the pod, of which only
// what injecting changes is copied: it is one of many.
func (in *injection) as(k Kind) *injection {
	c := *in.chosen
	for _, l := range languages() {
		if l.kind == k {
			c.language = l
		}
	}
	pod := *in.pod
	pod.Spec.Volumes = slices.Clip(pod.Spec.Volumes)
	pod.Spec.InitContainers, pod.Spec.Containers = slices.Clone(pod.Spec.InitContainers), slices.Clone(pod.Spec.Containers)
	other := *in
	other.chosen, other.pod, other.notes, other.created, other.probed = &c, &pod, nil, nil, true
	other.container = other.find(in.container.Name)
	other.container.Env, other.container.VolumeMounts = slices.Clone(other.container.Env), slices.Clip(other.container.VolumeMounts)
	return &other
}

// option is what a language adds to the container, beside the variables that
// instrumentation without one has.
func (in *injection) option(k Kind, plain map[string]*corev1.EnvVar) (*option, error) {
	with := in.as(k)
	switch {
	case slices.Contains(in.facts.LanguagesOff, k):
		return nil, &refused{LanguageOff, "the operator's settings switch it off"}
	case with.payload(with.spec()).Image == "":
		return nil, &refused{NoImage, "nobody names its image"}
	case wish(with.annotation(), in.before, in.namespace).Off:
		return nil, &refused{SwitchedOff, "annotation " + with.annotation() + " is false"}
	case k == DotNet && in.foreign(with.payload(with.spec()).Image):
		return nil, &refused{NoImage, "its image is pulled for every pod that it may be for, so that the default, from a registry that is not that of the probe, does not count: name another in spec.dotnet.image of Instrumentation " + in.source()}
	}
	own := with.keep()
	if err := with.chosen.add(with); err != nil {
		return nil, err
	}
	o := &option{kind: k, in: with, set: map[string]string{}, add: map[string]string{}}
	for _, v := range with.container.Env {
		base := plain[v.Name]
		if base != nil && same(base, &v) {
			continue
		}
		switch {
		case v.ValueFrom != nil && strings.HasPrefix(v.Name, originalPrefix):
			o.originals = append(o.originals, v)
			continue
		case v.ValueFrom != nil && base == nil:
			o.given = append(o.given, v)
			continue
		case v.ValueFrom != nil || base != nil && base.ValueFrom != nil:
			with.notes = append(with.notes, fmt.Sprintf("variable %s stays as it is without it, because its value comes from elsewhere", v.Name))
			continue
		}
		if err := in.conditional(v, base); err != nil {
			return nil, err
		}
		o.names = append(o.names, v.Name)
		if slices.Contains(own, v.Name) && strings.Contains(v.Value, verdict.Own) {
			o.add[v.Name] = v.Value
		} else {
			o.set[v.Name] = v.Value
		}
	}
	return o, nil
}

// foreign reports whether an image is the operator's for .NET, and from another
// registry than the probe. Our images are small and come from where the operator
// comes from; that one is large, and no pod should wait for it that may not be of
// .NET, in a cluster that may not reach its registry.
func (in *injection) foreign(image string) bool {
	return image == in.facts.Images.DotNet && registry(image) != registry(in.facts.Probe)
}

// registry is the host that an image comes from.
func registry(image string) string {
	host, _, more := strings.Cut(image, "/")
	if !more || !strings.ContainsAny(host, ".:") && host != "localhost" {
		return "docker.io"
	}
	return host
}

// same reports whether two variables are the same.
func same(a, b *corev1.EnvVar) bool {
	return a.Value == b.Value && (a.ValueFrom == b.ValueFrom || equality.Semantic.DeepEqual(a.ValueFrom, b.ValueFrom))
}

// keep puts a mark where the image's own value of a variable belongs, of those
// variables that the pod does not set, and returns their names.
func (in *injection) keep() (own []string) {
	if len(in.unseen()) > 0 {
		return nil // the pod may set them
	}
	for _, name := range composable[in.kind] {
		if in.has(name) || hasVariable(in.payload(in.spec()).Env, name) || hasVariable(in.spec().Env, name) {
			continue
		}
		in.container.Env = append(in.container.Env, corev1.EnvVar{Name: name, Value: verdict.Own})
		own = append(own, name)
	}
	return own
}

// reference is how a value refers to another variable.
var reference = regexp.MustCompile(`\$\(([^()$]+)\)`)

// references are the variables that a value refers to.
func references(value string) []string {
	var all []string
	for _, m := range reference.FindAllStringSubmatch(strings.ReplaceAll(value, "$$", ""), -1) {
		all = append(all, m[1])
	}
	return all
}

// known are the variables that the probe has, too, so that values may refer to
// them.
var known = []string{"OTEL_NODE_IP", "OTEL_POD_IP", podNameVariable, podUIDVariable, nodeNameVariable}

// originalPrefix begins the variables that hold what a ConfigMap has.
const originalPrefix = "OTEL_ORIGINAL_"

// conditional refuses a variable whose value cannot come from a file: with the
// language, or as base without it.
func (in *injection) conditional(v corev1.EnvVar, base *corev1.EnvVar) error {
	values := []string{v.Value}
	if base != nil {
		values = append(values, base.Value)
	}
	for i, value := range values {
		if !verdict.Writable(value) || i > 0 && value == "" {
			return &refused{NoLanguage, fmt.Sprintf("the value of variable %s is empty, too long, or has a quote", v.Name)}
		}
		for _, name := range references(value) {
			if !slices.Contains(known, name) && !strings.HasPrefix(name, originalPrefix) {
				return &refused{NoLanguage, fmt.Sprintf("the value of variable %s refers to variable %s", v.Name, name)}
			}
		}
	}
	return nil
}

// depend makes the variables of the options depend on the choice, and returns
// what they are without any.
func (in *injection) depend(options []*option) (base []corev1.EnvVar) {
	yes := true
	for _, o := range options {
		for _, name := range o.names {
			ref := &corev1.EnvVarSource{FileKeyRef: &corev1.FileKeySelector{VolumeName: volumeOf(Auto), Path: autoEnv + in.container.Name, Key: name, Optional: &yes}}
			switch v := variable(in.container, name); {
			case v == nil:
				in.ahead(attributesVariable, corev1.EnvVar{Name: name, ValueFrom: ref})
			case v.ValueFrom == nil:
				base = append(base, *v)
				v.Value, v.ValueFrom = "", ref
			}
		}
		for _, v := range o.given {
			if !in.has(v.Name) {
				in.ahead(attributesVariable, v)
			}
		}
	}
	return base
}

// ahead adds a variable in front of another, else behind all.
func (in *injection) ahead(name string, v corev1.EnvVar) {
	at := slices.IndexFunc(in.container.Env, func(o corev1.EnvVar) bool { return o.Name == name })
	if at < 0 {
		at = len(in.container.Env)
	}
	in.container.Env = slices.Insert(in.container.Env, at, v)
}

// join takes over what a language adds to the pod: volumes, mounts, and the init
// containers that copy, which the probe runs.
func (in *injection) join(o *option) {
	for _, v := range o.in.pod.Spec.Volumes {
		if !slices.ContainsFunc(in.pod.Spec.Volumes, func(have corev1.Volume) bool { return have.Name == v.Name }) {
			in.pod.Spec.Volumes = append(in.pod.Spec.Volumes, v)
		}
	}
	for _, m := range o.in.container.VolumeMounts {
		if !slices.ContainsFunc(in.container.VolumeMounts, func(have corev1.VolumeMount) bool { return have.MountPath == m.MountPath }) {
			in.container.VolumeMounts = append(in.container.VolumeMounts, m)
		}
	}
	var added []corev1.Container
	for _, c := range o.in.pod.Spec.InitContainers {
		if slices.Contains(containerNames(in.pod), c.Name) {
			continue
		}
		c.Command = append([]string{folderOf(Auto) + "/probe", "deliver", folderOf(Auto), string(o.kind)}, c.Command...)
		c.VolumeMounts = append(c.VolumeMounts, corev1.VolumeMount{Name: volumeOf(Auto), MountPath: folderOf(Auto)})
		added = append(added, c)
	}
	name := in.container.Name
	in.pod.Spec.InitContainers = append(in.pod.Spec.InitContainers, added...)
	in.container = in.find(name)
}

// install adds the container to the one that installs the probe, which is made
// for the first, and returns its number.
func (in *injection) install(base []corev1.EnvVar) (number int) {
	command := []string{"/probe", "install", folderOf(Auto)}
	size := autoVolume.DeepCopy()
	if !slices.ContainsFunc(in.pod.Spec.Volumes, func(v corev1.Volume) bool { return v.Name == volumeOf(Auto) }) {
		in.pod.Spec.Volumes = append(in.pod.Spec.Volumes, corev1.Volume{
			Name: volumeOf(Auto), VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{SizeLimit: &size}},
		})
	}
	in.prepend(corev1.Container{
		Name: autoInstall, Image: in.facts.Probe, Command: command, Resources: probeResources,
		VolumeMounts: []corev1.VolumeMount{{Name: volumeOf(Auto), MountPath: folderOf(Auto)}},
	})
	c := in.find(autoInstall)
	number = len(c.Command) - len(command)
	c.Command = append(c.Command, in.container.Name)
	for _, v := range base {
		in.refer(c, v.Value)
		c.Env = append(c.Env, corev1.EnvVar{Name: fmt.Sprintf("%s%d_%s", verdict.BasePrefix, number, v.Name), Value: v.Value})
	}
	return number
}

// refer gives a container of the probe the variables that a value refers to.
func (in *injection) refer(c *corev1.Container, value string) {
	for _, name := range references(value) {
		if v := variable(in.container, name); v != nil && !hasVariable(c.Env, name) {
			c.Env = append(c.Env, *v)
		}
	}
}

// detect adds the container that runs the probe in the container's own image, as
// the same user.
func (in *injection) detect(number int, options []*option, plain *injection) {
	var ready []string
	for _, o := range options {
		if !slices.ContainsFunc(o.in.pod.Spec.InitContainers, func(c corev1.Container) bool { return c.Name == volumeOf(o.kind) }) {
			ready = append(ready, string(o.kind)) // mounted, not copied
		}
	}
	app := in.container
	c := corev1.Container{
		Name: autoDetect + strconv.Itoa(number), Image: app.Image, ImagePullPolicy: app.ImagePullPolicy, Resources: probeResources,
		Command:      []string{folderOf(Auto) + "/probe", "detect", folderOf(Auto), app.Name, strings.Join(kindsOf(options), ","), strings.Join(ready, ",")},
		VolumeMounts: []corev1.VolumeMount{{Name: volumeOf(Auto), MountPath: folderOf(Auto)}},
	}
	if len(app.Command) > 0 { // else it is the image's, with the arguments
		start := slices.Concat(app.Command, app.Args)
		c.Command = append(c.Command, start[:min(len(start), entryWords)]...)
	}
	if path := variable(plain.container, "PATH"); path != nil && path.ValueFrom == nil && len(references(path.Value)) == 0 {
		c.Env = append(c.Env, *path)
	}
	for _, o := range options {
		capitals := strings.ToUpper(string(o.kind)) + "_"
		c.Env = append(c.Env, o.originals...)
		for _, name := range slices.Sorted(maps.Keys(o.set)) {
			in.refer(&c, o.set[name])
			c.Env = append(c.Env, corev1.EnvVar{Name: verdict.SetPrefix + capitals + name, Value: o.set[name]})
		}
		for _, name := range slices.Sorted(maps.Keys(o.add)) {
			c.Env = append(c.Env, corev1.EnvVar{Name: verdict.AddPrefix + capitals + name, Value: o.add[name]})
		}
	}
	in.prepend(c)
	in.find(c.Name).SecurityContext = in.reader()
}

// reader is the security context of what only reads an image: that of the
// container with this image, without privileges.
func (in *injection) reader() *corev1.SecurityContext {
	c := in.spec().InitContainerSecurityContext.DeepCopy()
	if c == nil {
		c = in.container.SecurityContext.DeepCopy()
	}
	if c == nil {
		c = new(corev1.SecurityContext)
	}
	yes, no := true, false
	c.Privileged, c.ProcMount = nil, nil
	c.AllowPrivilegeEscalation, c.ReadOnlyRootFilesystem = &no, &yes
	c.Capabilities = &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}}
	return c
}

// arrange puts what was added into the order in which it has to run: the probe,
// what it finds, then the agents; before the first container that is for them.
func (in *injection) arrange() {
	rank := func(name string) int {
		switch {
		case name == autoInstall:
			return 0
		case strings.HasPrefix(name, autoDetect):
			return 1
		}
		return 2
	}
	was := containerNames(in.before)
	var ours, others []corev1.Container
	for _, c := range in.pod.Spec.InitContainers {
		if slices.Contains(was, c.Name) || !strings.HasPrefix(c.Name, volumeOf("")) {
			others = append(others, c)
		} else {
			ours = append(ours, c)
		}
	}
	slices.SortStableFunc(ours, func(a, b corev1.Container) int { return rank(a.Name) - rank(b.Name) })
	at := slices.IndexFunc(others, func(c corev1.Container) bool { return slices.Contains(in.targets, c.Name) })
	if at < 0 {
		at = len(others)
	}
	name := in.container.Name
	in.pod.Spec.InitContainers = slices.Insert(others, at, ours...)
	in.container = in.find(name)
}

// Verdicts are what the probe said of a pod's containers, as far as it has: in
// the order of the containers' numbers, with what became of the agents' files.
func Verdicts(pod *corev1.Pod) []verdict.Verdict {
	message := func(s *corev1.ContainerStatus) string {
		for _, t := range []*corev1.ContainerStateTerminated{s.State.Terminated, s.LastTerminationState.Terminated} {
			if t != nil {
				return t.Message
			}
		}
		return ""
	}
	var all []verdict.Verdict
	var deliveries []verdict.Delivery
	for i := range pod.Status.InitContainerStatuses {
		s := &pod.Status.InitContainerStatuses[i]
		if strings.HasPrefix(s.Name, autoDetect) {
			if v, err := verdict.Parse(message(s)); err == nil {
				all = append(all, v)
			}
		} else if d, err := verdict.ParseDelivery(message(s)); err == nil && strings.HasPrefix(s.Name, volumeOf("")) {
			deliveries = append(deliveries, d)
		}
	}
	for i := range all {
		for _, d := range deliveries {
			all[i].Miss(d)
		}
	}
	return all
}
