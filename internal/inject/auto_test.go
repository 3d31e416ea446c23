package inject

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/signalbox-otel/signalbox/api/v1alpha1"
	"github.com/signalbox-otel/signalbox/internal/inject/verdict"
)

// newAuto is a pod that asks for whatever language it is, in a cluster that can
// do that.
func newAuto() *trial {
	t := newTrial().annotate("inject", "auto")
	t.facts.Probe, t.facts.EnvFiles = "probe:1", true
	return t
}

func TestAutoWish(t *testing.T) {
	var l *language
	for _, each := range languages() {
		if each.kind == Auto {
			l = &each
		}
	}
	f := func(namespace, pod string, want Wish) {
		t.Helper()
		p := corev1.Pod{ObjectMeta: metav1.ObjectMeta{Annotations: map[string]string{l.annotation(): pod}}}
		ns := metav1.ObjectMeta{Name: "shop", Annotations: map[string]string{l.annotation(): namespace}}
		if got := l.wish(&p, ns); got != want {
			t.Errorf("namespace %q, pod %q: got %+v; want %+v", namespace, pod, got, want)
		}
	}
	named := func(namespace, name string) Wish { return Wish{Namespace: namespace, Name: name} }
	f("", "", Wish{})
	f("", "auto", Wish{Only: true})
	f("Auto", "", Wish{Only: true})
	f("auto", "false", Wish{Off: true})
	f("false", "auto", Wish{Only: true})
	f("", "auto:a", named("shop", "a"))
	f("auto:central/a", "", named("central", "a"))
	f("auto:central/a", "auto", named("central", "a"))
	f("auto:central/a", "auto:b", named("shop", "b"))
	f("", "true", Wish{bad: "true"})
	f("", "auto:", Wish{bad: "auto:"})
	f("", "auto:true", Wish{bad: "auto:true"})
	f("python", "", Wish{bad: "python"})
	f("python", "auto", Wish{Only: true})
	f("python", "false", Wish{Off: true})
}

// autoRefusal is a pod that is kept from it, or a language is.
type autoRefusal struct {
	change func(*trial)
	want   string
}

func autoRefusals() map[string]autoRefusal {
	const names = "instrumentation.opentelemetry.io/inject"
	return map[string]autoRefusal{
		"no probe":    {func(x *trial) { x.facts.Probe = "" }, "auto refused NoProbe: the operator names no image of the probe, which finds out the language: set --probe-image"},
		"no files":    {func(x *trial) { x.facts.EnvFiles = false }, "auto refused NoEnvFiles: the cluster does not give containers variables from files, which it does when API server and nodes are of Kubernetes 1.35 or later (feature gate EnvFiles): name the language, as by annotation inject-python"},
		"Windows":     {func(x *trial) { x.pod.Spec.OS = &corev1.PodOS{Name: corev1.Windows} }, "auto refused WindowsPod: the pod runs on Windows, and what would be added for auto runs on Linux"},
		"bad value":   {func(x *trial) { x.annotate("inject", "true") }, "auto refused BadName: annotation " + names + ` is "true"; it should be auto, auto:NAME, auto:NAMESPACE/NAME or false`},
		"none":        {func(x *trial) { x.instrumentation.Namespace = "other" }, "auto refused NoneInNamespace: namespace shop has no Instrumentation: make one, or name one of another namespace in annotation " + names + " as auto:NAMESPACE/NAME, and start the pod again"},
		"no language": {func(x *trial) { x.facts.Images = v1alpha1.Images{} }, "auto refused NoLanguage: there is no language that the probe could choose: not of java: nobody names its image; not of nodejs: "},
		"switched off": {func(x *trial) { x.annotate("inject", "false") },
			"auto unchanged SwitchedOff: annotation " + names + " is false"},
		"a language": {func(x *trial) { x.annotate("inject-sdk", "true") },
			"auto unchanged LanguageNamed: the pod asks for sdk by name, so that no language is looked for\nsdk injected AsAsked: sdk of Instrumentation shop/all is added to container app"},
		"languages left out": {func(x *trial) {
			x.facts.LanguagesOff = []Kind{Java}
			x.annotate("inject-dotnet", "false")
			x.env(corev1.EnvVar{Name: "NODE_OPTIONS", Value: "--x=$(Y)"})
		}, "dotnet unchanged SwitchedOff: annotation instrumentation.opentelemetry.io/inject-dotnet is false\n" +
			"auto injected AsAsked: auto of Instrumentation shop/all is added to container app; which of python container app gets is found out in its image as it starts; not of java: the operator's settings switch it off; " +
			"not of nodejs: the value of variable NODE_OPTIONS refers to variable Y"},
		".NET of the operator": {func(x *trial) {
			x.facts.LanguagesOff = []Kind{Java, NodeJS}
			x.facts.Images.DotNet = "ghcr.io/dotnet:1"
		}, "auto injected AsAsked: auto of Instrumentation shop/all is added to container app; which of python container app gets is found out in its image as it starts; " +
			"not of java: the operator's settings switch it off; not of nodejs: the operator's settings switch it off; " +
			"not of dotnet: its image is pulled for every pod that it may be for, so that the default, from a registry that is not that of the probe, does not count: name another in spec.dotnet.image of Instrumentation shop/all"},
		".NET of the resource": {func(x *trial) {
			x.facts.LanguagesOff = []Kind{Java, NodeJS, Python}
			x.facts.Images.DotNet, x.instrumentation.Spec.DotNet.Image = "ghcr.io/dotnet:1", "mirror.example/dotnet:1"
		}, "auto injected AsAsked: auto of Instrumentation shop/all is added to container app; which of dotnet container app gets is found out in its image as it starts; not of java"},
		".NET from where the probe is": {func(x *trial) {
			x.facts.LanguagesOff = []Kind{Java, NodeJS, Python}
			x.facts.Images.DotNet, x.facts.Probe = "mirror.example/dotnet:1", "mirror.example/probe:1"
		}, "auto injected AsAsked: auto of Instrumentation shop/all is added to container app; which of dotnet container app gets is found out in its image as it starts; not of java"},
		"a quote": {func(x *trial) {
			x.facts.LanguagesOff = []Kind{Java, NodeJS, DotNet}
			x.env(corev1.EnvVar{Name: "PYTHONPATH", Value: "/it's"})
		}, "auto refused NoLanguage: there is no language that the probe could choose: not of java: "},
	}
}

// What keeps a pod from it leaves the pod as it is; what keeps a language from it
// leaves the others.
func TestAutoRefusals(t *testing.T) {
	for name, c := range autoRefusals() {
		t.Run(name, func(t *testing.T) {
			x := newAuto()
			c.change(x)
			pod, decisions := x.run()
			if got := told(decisions); !strings.HasPrefix(got, c.want) {
				t.Errorf("got\n%s\nwant\n%s", got, c.want)
			}
			if !strings.Contains(c.want, " injected ") && pod != x.pod {
				t.Errorf("the pod is another: %v", pod.Spec)
			}
		})
	}
}

// environmentWith is the environment of a container once the probe chose a language, or
// nothing, in an image that has no variables of its own.
func environmentWith(pod *corev1.Pod, container string, k Kind) map[string]string {
	capitals := strings.ToUpper(string(k)) + "_"
	all := environmentOf(pod, container)
	number := ""
	for _, c := range pod.Spec.InitContainers {
		if strings.HasPrefix(c.Name, autoDetect) && c.Command[3] == container {
			number = strings.TrimPrefix(c.Name, autoDetect)
		}
	}
	file := map[string]string{}
	for name, value := range environmentOf(pod, autoInstall) {
		if name, ok := strings.CutPrefix(name, verdict.BasePrefix+number+"_"); ok {
			file[name] = value
		}
	}
	for name, value := range environmentOf(pod, autoDetect+number) {
		if name, ok := strings.CutPrefix(name, verdict.SetPrefix+capitals); ok {
			file[name] = value
		}
		if name, ok := strings.CutPrefix(name, verdict.AddPrefix+capitals); ok {
			file[name] = strings.ReplaceAll(strings.ReplaceAll(value, verdict.Own+":", ""), verdict.Own, "")
		}
	}
	for _, c := range pod.Spec.Containers {
		for _, v := range c.Env {
			if c.Name == container && v.ValueFrom != nil && v.ValueFrom.FileKeyRef != nil {
				delete(all, v.Name)
				if value, ok := file[v.ValueFrom.FileKeyRef.Key]; ok {
					all[v.Name] = value
				}
			}
		}
	}
	return all
}

// Whatever the probe chooses, the container has what the annotation of that
// language would have given it; where it chooses nothing, what it has without one.
func TestAutoIsTheLanguage(t *testing.T) {
	change := func(x *trial) {
		x.annotate("container-names", "app,second").env(
			corev1.EnvVar{Name: "JAVA_TOOL_OPTIONS", Value: "-Xmx1g"}, corev1.EnvVar{Name: "DOTNET_SHARED_STORE", Value: "/own"}, from("OTEL_LOGS_EXPORTER"))
		x.instrumentation.Spec.Exporter.Endpoint = "http://$(OTEL_NODE_IP):4317"
		x.instrumentation.Spec.Python.Env = []corev1.EnvVar{{Name: endpointOf(""), Value: "http://$(OTEL_NODE_IP):4318"}, {Name: "OTEL_METRICS_EXPORTER", Value: "none"}}
		x.instrumentation.Spec.NodeJS.Env = []corev1.EnvVar{{Name: "NODE_OPTIONS", Value: "--x"}}
		x.instrumentation.Spec.Java.Extensions = []v1alpha1.Extension{{Image: "extension:1", Dir: "/e"}}
	}
	x := newAuto()
	change(x)
	pod, decisions := x.run()
	if d := decisions[0]; d.Outcome != Injected || !slices.Equal(d.Containers, []string{"app", "second"}) {
		t.Fatal(told(decisions))
	}
	var order []string
	for _, c := range pod.Spec.InitContainers {
		order = append(order, strings.TrimPrefix(c.Name, volumeOf("")))
	}
	if diff := cmp.Diff([]string{"probe", "detect-0", "detect-1", "java", "extension-0", "nodejs", "python", "dotnet"}, order); diff != "" {
		t.Errorf("init containers (-want +got):\n%s", diff)
	}
	for _, container := range []string{"app", "second"} {
		for _, k := range append(autoKinds, SDK) {
			y := newTrial(k)
			change(y)
			one, decisions := y.run()
			if decisions[0].Outcome != Injected {
				t.Fatal(told(decisions))
			}
			if diff := cmp.Diff(environmentOf(one, container), environmentWith(pod, container, k)); diff != "" {
				t.Errorf("container %s with %s (-by its annotation +chosen):\n%s", container, k, diff)
			}
			for _, c := range one.Spec.Containers {
				for _, m := range c.VolumeMounts {
					mounts := pod.Spec.Containers[slices.IndexFunc(pod.Spec.Containers, func(o corev1.Container) bool { return o.Name == c.Name })].VolumeMounts
					if !slices.Contains(mounts, m) {
						t.Errorf("container %s lacks %v for %s", c.Name, m, k)
					}
				}
			}
		}
	}
	if again, decisions := (&trial{pod, x.namespace, x.instrumentation, x.facts}).run(); again != pod || decisions[0].Reason != AlreadyInjected {
		t.Errorf("a second injection: %s", told(decisions))
	}
}

// An init container that is a target is looked at before it runs.
func TestAutoInitContainer(t *testing.T) {
	x := newAuto().annotate("container-names", "migrate")
	x.pod.Spec.InitContainers = []corev1.Container{{Name: "first", Image: "a"}, {Name: "migrate", Image: "b"}, {Name: "last", Image: "c"}}
	pod, decisions := x.run()
	var order []string
	for _, c := range pod.Spec.InitContainers {
		order = append(order, strings.TrimPrefix(c.Name, volumeOf("")))
	}
	if diff := cmp.Diff([]string{"first", "probe", "detect-0", "java", "nodejs", "python", "dotnet", "migrate", "last"}, order); diff != "" {
		t.Errorf("%s (-want +got):\n%s", told(decisions), diff)
	}
}

// What runs from the image of a privileged container only reads.
func TestAutoReads(t *testing.T) {
	yes, user := true, int64(0)
	x := newAuto()
	x.pod.Spec.Containers[0].SecurityContext = &corev1.SecurityContext{
		Privileged: &yes, RunAsUser: &user, Capabilities: &corev1.Capabilities{Add: []corev1.Capability{"SYS_ADMIN"}},
	}
	pod, _ := x.run()
	c := pod.Spec.InitContainers[1].SecurityContext
	if c.Privileged != nil || *c.AllowPrivilegeEscalation || !*c.ReadOnlyRootFilesystem || !dropsAll(c) || len(c.Capabilities.Add) > 0 || *c.RunAsUser != 0 {
		t.Errorf("got %+v; want the user, and no privileges", c)
	}
}

// Verdicts are read from a pod's status, with what became of the files.
func TestVerdicts(t *testing.T) {
	ended := func(name, message string) corev1.ContainerStatus {
		return corev1.ContainerStatus{Name: name, State: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{Message: message}}}
	}
	pod := &corev1.Pod{Status: corev1.PodStatus{InitContainerStatuses: []corev1.ContainerStatus{
		ended("prepare", `{"container":"mine"}`),
		ended(autoInstall, ""),
		ended(autoDetect+"0", verdict.Verdict{Container: "app", Libc: verdict.GNU, Runtimes: []verdict.Runtime{
			{Language: verdict.Python, Version: "3.11", Used: true}, {Language: verdict.NodeJS, Version: "16.1.0", Reason: verdict.TooOld, Message: "it is too old"},
		}}.Message()),
		ended(autoDetect+"1", verdict.Verdict{Container: "second"}.Message()),
		ended(autoDetect+"2", "oom"),
		ended(volumeOf(Python), verdict.Delivery{Delivered: verdict.Python, Failed: []string{"app"}, Error: "no space"}.Message()),
		{Name: volumeOf(Java)},
	}}}
	var got []string
	for _, v := range Verdicts(pod) {
		got = append(got, v.String())
	}
	want := []string{
		"in container app (glibc) python 3.11 is not instrumented: its agent could not be copied: no space; nodejs 16.1.0 is not instrumented: it is too old",
		"nothing that can be instrumented was found in container second (no C library)",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// baseOf is what the file of a container has for a variable when nothing is
// chosen.
func baseOf(pod *corev1.Pod, container, name string) (string, bool) {
	for _, c := range pod.Spec.InitContainers {
		if c.Name != autoInstall {
			continue
		}
		i := slices.Index(c.Command[3:], container)
		for _, v := range c.Env {
			if i >= 0 && v.Name == verdict.BasePrefix+string(rune('0'+i))+"_"+name {
				return v.Value, true
			}
		}
	}
	return "", false
}

// Sums of what was given must not depend on the order of maps.
func TestAutoIsTheSameAgain(t *testing.T) {
	one, _ := newAuto().run()
	for range 20 {
		if two, _ := newAuto().run(); !cmp.Equal(one, two) {
			t.Fatal(cmp.Diff(one, two))
		}
	}
	if len(slices.Collect(maps.Keys(environmentOf(one, autoDetect+"0")))) == 0 {
		t.Error("the probe is told nothing")
	}
}
