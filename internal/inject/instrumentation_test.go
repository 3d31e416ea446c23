package inject

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/signalbox-otel/signalbox/api/v1alpha1"
	"github.com/signalbox-otel/signalbox/api/v1beta1"
)

var testImages = v1alpha1.Images{Java: "java:1", NodeJS: "nodejs:1", Python: "python:1", DotNet: "dotnet:1", Go: "go:1", ApacheHttpd: "apache:1", Nginx: "nginx:1"}

// trial is one pod of a test and what is known of it.
type trial struct {
	pod             *corev1.Pod
	namespace       metav1.ObjectMeta
	instrumentation *v1alpha1.Instrumentation
	facts           Facts
}

// newTrial is a pod with containers app and second that asks for a language, and
// an Instrumentation to go with it.
func newTrial(kinds ...Kind) *trial {
	t := &trial{
		pod: &corev1.Pod{}, namespace: metav1.ObjectMeta{Name: "shop"}, facts: Facts{NativeSidecars: true, Images: testImages},
		instrumentation: &v1alpha1.Instrumentation{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "all"}},
	}
	t.pod.Name = "pod"
	t.pod.Annotations = map[string]string{}
	for _, k := range kinds {
		t.pod.Annotations["instrumentation.opentelemetry.io/inject-"+string(k)] = "true"
	}
	t.pod.Spec.Containers = []corev1.Container{{Name: "app", Image: "app:1"}, {Name: "second", Image: "second:1"}}
	return t
}

func (t *trial) annotate(key, value string) *trial {
	t.pod.Annotations["instrumentation.opentelemetry.io/"+key] = value
	return t
}

func (t *trial) env(vars ...corev1.EnvVar) *trial {
	t.pod.Spec.Containers[0].Env = vars
	return t
}

func (t *trial) run() (*corev1.Pod, []Decision) {
	return AddInstrumentation(t.pod, t.namespace, []*v1alpha1.Instrumentation{t.instrumentation}, t.facts)
}

func told(decisions []Decision) string {
	var all []string
	for _, d := range decisions {
		all = append(all, fmt.Sprintf("%s %s %s: %s", d.Kind, d.Outcome, d.Reason, d.Message))
	}
	return strings.Join(all, "\n")
}

func from(name string) corev1.EnvVar {
	return corev1.EnvVar{Name: name, ValueFrom: &corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{Key: "k"}}}
}

// refusedTrial is a pod that asks for instrumentation and does not get it.
type refusedTrial struct {
	trial *trial
	want  string
}

func instrumentationRefusals() map[string]refusedTrial {
	no := false
	return map[string]refusedTrial{
		"none": {func() *trial {
			x := newTrial(Java)
			x.instrumentation.Namespace = "other"
			return x
		}(), "java refused NoneInNamespace: namespace shop has no Instrumentation: make one, or name one of another namespace in annotation instrumentation.opentelemetry.io/inject-java as NAMESPACE/NAME, and start the pod again"},
		"not found": {newTrial().annotate("inject-python", "shop/gone"),
			"python refused NotFound: annotation instrumentation.opentelemetry.io/inject-python names Instrumentation shop/gone, which does not exist: make it, and start the pod again"},
		"no image": {func() *trial {
			x := newTrial(Java)
			x.facts.Images = v1alpha1.Images{}
			return x
		}(), "java refused NoImage: neither Instrumentation shop/all nor the operator names an image for java"},
		"off": {func() *trial {
			x := newTrial(Go)
			x.facts.LanguagesOff = []Kind{Go}
			return x
		}(), "go refused LanguageOff: the operator's settings switch instrumentation of go off"},
		"bad list":     {newTrial(Java).annotate("container-names", "a;b"), `java refused BadContainers: annotation instrumentation.opentelemetry.io/container-names is "a;b"; it should be names of containers, separated by commas`},
		"named twice":  {newTrial(Java).annotate("container-names", "app").annotate("java-container-names", "app"), "java refused BadContainers: container app is named twice for one language"},
		"unknown name": {newTrial(Java).annotate("java-container-names", "gone"), "java refused UnknownContainer: the pod has no container gone"},
		"several, unnamed": {newTrial(Java, Python).annotate("java-container-names", "app"),
			"java refused UnnamedContainers: the pod asks for several languages (java, python), and none of its containers is named for python: name them in annotation instrumentation.opentelemetry.io/python-container-names\n" +
				"python refused UnnamedContainers: the pod asks for several languages (java, python), and none of its containers is named for python: name them in annotation instrumentation.opentelemetry.io/python-container-names"},
		"several, one allowed": {func() *trial {
			x := newTrial(Java, Python).annotate("container-names", "app")
			x.facts.OneLanguage = true
			return x
		}(), "java refused UnnamedContainers: the pod asks for several languages (java, python), and the operator's settings allow one\n" +
			"python refused UnnamedContainers: the pod asks for several languages (java, python), and the operator's settings allow one"},
		"java options from elsewhere": {newTrial(Java).env(from("JAVA_TOOL_OPTIONS")), "java refused ValueFromElsewhere: variable JAVA_TOOL_OPTIONS comes from elsewhere (valueFrom), so nothing can be added to it: write its value into the pod"},
		"node options from elsewhere": {newTrial(NodeJS).env(from("NODE_OPTIONS")), "nodejs refused ValueFromElsewhere: "},
		"python path of the resource from elsewhere": {func() *trial {
			x := newTrial(Python)
			x.instrumentation.Spec.Python.Env = []corev1.EnvVar{from("PYTHONPATH")}
			return x
		}(), "python refused ValueFromElsewhere: "},
		"shared store from elsewhere": {newTrial(DotNet).env(from("DOTNET_SHARED_STORE")), "dotnet refused ValueFromElsewhere: "},
		"library path from elsewhere": {newTrial(Nginx).env(from("LD_LIBRARY_PATH")), "nginx refused ValueFromElsewhere: "},
		".NET twice":                  {newTrial(DotNet).env(corev1.EnvVar{Name: "OTEL_DOTNET_AUTO_HOME", Value: "/x"}), "dotnet refused OtherAgent: "},
		"python platform":             {newTrial(Python).annotate("otel-python-platform", "bsd"), `python refused BadPlatform: annotation instrumentation.opentelemetry.io/otel-python-platform is "bsd"; it should be glibc or musl`},
		".NET runtime":                {newTrial(DotNet).annotate("otel-dotnet-auto-runtime", "win-x64"), "dotnet refused BadPlatform: "},
		"go, no target":               {newTrial(Go), "go refused NoTarget: it is not said which program the agent for Go is to look into: give its path in annotation instrumentation.opentelemetry.io/otel-go-auto-target-exe"},
		"go, several": {newTrial(Go).annotate("otel-go-auto-target-exe", "/a").annotate("go-container-names", "app,second"),
			"go refused SeveralContainers: the agent for Go looks into one container, and annotations name several (app, second)"},
		"go, hidden processes": {func() *trial {
			x := newTrial(Go).annotate("otel-go-auto-target-exe", "/a")
			x.pod.Spec.ShareProcessNamespace = &no
			return x
		}(), "go refused ProcessesHidden: "},
		"go, restricted": {func() *trial {
			x := newTrial(Go).annotate("otel-go-auto-target-exe", "/a")
			x.namespace.Labels = map[string]string{podSecurityLevel: "restricted"}
			return x
		}(), "go refused PodSecurity: the agent for Go needs a folder of its node, and the namespace demands Pod Security level restricted"},
		"web server as init container": {func() *trial {
			x := newTrial(ApacheHttpd).annotate("container-names", "prepare")
			x.pod.Spec.InitContainers = []corev1.Container{{Name: "prepare"}}
			return x
		}(), "apache-httpd refused InitContainer: "},
		"over quota": {func() *trial {
			x := newTrial(Java)
			x.facts.Quotas = []corev1.ResourceQuota{{ObjectMeta: metav1.ObjectMeta{Name: "q"}, Status: corev1.ResourceQuotaStatus{Hard: corev1.ResourceList{"limits.memory": resource.MustParse("100Mi")}}}}
			return x
		}(), "java refused OverQuota: ResourceQuota q has 100Mi of limits.memory left"},
		"unknown language": {newTrial().annotate("inject-phyton", "true"), "unknown refused UnknownLanguage: annotation instrumentation.opentelemetry.io/inject-phyton asks for none of java, nodejs, python, dotnet, go, apache-httpd, nginx, sdk"},
		"Windows": {func() *trial {
			x := newTrial(DotNet)
			x.pod.Spec.NodeSelector = map[string]string{corev1.LabelOSStable: "windows"}
			return x
		}(), "dotnet refused WindowsPod: the pod runs on Windows, and what would be added for dotnet runs on Linux"},
		"a volume of that name": {func() *trial {
			x := newTrial(Python)
			x.pod.Spec.Volumes = []corev1.Volume{{Name: volumeOf(Python), VolumeSource: corev1.VolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: "/agents"}}}}
			return x
		}(), "python refused NameTaken: the pod has a volume opentelemetry-auto-instrumentation-python of its own: rename one of them"},
		"a mount at that path": {func() *trial {
			x := newTrial(Java)
			x.pod.Spec.Volumes = []corev1.Volume{{Name: "mine"}}
			x.pod.Spec.Containers[0].VolumeMounts = []corev1.VolumeMount{{Name: "mine", MountPath: "/otel-auto-instrumentation-java-app"}}
			return x
		}(), "java refused NameTaken: container app has volume mine at /otel-auto-instrumentation-java-app, where what java needs would be: mount it elsewhere"},
	}
}

// What cannot be injected leaves the pod as it was, with a reason.
func TestInstrumentationRefusals(t *testing.T) {
	for name, c := range instrumentationRefusals() {
		t.Run(name, func(t *testing.T) {
			before := c.trial.pod.DeepCopy()
			pod, decisions := c.trial.run()
			if got := told(decisions); got != c.want && !(strings.HasSuffix(c.want, ": ") || strings.HasSuffix(c.want, "left")) || !strings.HasPrefix(got, c.want) {
				t.Errorf("got\n%s\nwant\n%s", got, c.want)
			}
			if pod != c.trial.pod {
				t.Errorf("the pod is another: %v", pod.Spec)
			}
			if fmt.Sprint(before) != fmt.Sprint(c.trial.pod) {
				t.Error("the pod that was given changed")
			}
		})
	}
}

func environmentOf(pod *corev1.Pod, container string) map[string]string {
	all := map[string]string{}
	for _, list := range [][]corev1.Container{pod.Spec.InitContainers, pod.Spec.Containers} {
		for _, c := range list {
			if c.Name == container {
				for _, v := range c.Env {
					all[v.Name] = v.Value
				}
			}
		}
	}
	return all
}

// Each variable is there once, and each key of the attributes, whatever is asked
// for together and whatever the pod has already.
func TestNothingTwice(t *testing.T) {
	x := newTrial(Java, NodeJS, Python, DotNet, SDK).annotate("container-names", "app,second").env(
		corev1.EnvVar{Name: "OTEL_RESOURCE_ATTRIBUTES", Value: "k8s.pod.name=a=b,service.version=7,"},
		corev1.EnvVar{Name: "OTEL_NODE_IP", Value: "1.2.3.4"}, corev1.EnvVar{Name: "NODE_OPTIONS", Value: "--x"})
	pod, decisions := x.run()
	for _, d := range decisions {
		if d.Outcome != Injected || !slices.Equal(d.Containers, []string{"app", "second"}) {
			t.Errorf("got %+v; want both containers injected", d)
		}
	}
	for _, c := range pod.Spec.Containers {
		seen := map[string]bool{}
		for _, v := range c.Env {
			if seen[v.Name] {
				t.Errorf("container %s has %s twice", c.Name, v.Name)
			}
			seen[v.Name] = true
		}
		if last := c.Env[len(c.Env)-1]; last.Name != attributesVariable {
			t.Errorf("the last variable of %s is %s; want the attributes", c.Name, last.Name)
		}
		keys := map[string]bool{}
		for pair := range strings.SplitSeq(environmentOf(pod, c.Name)[attributesVariable], ",") {
			key, _, _ := strings.Cut(pair, "=")
			if keys[key] {
				t.Errorf("attributes of %s have %s twice", c.Name, key)
			}
			keys[key] = true
		}
	}
	if again, decisions := (&trial{pod, x.namespace, x.instrumentation, x.facts}).run(); again != pod || decisions[0].Reason != AlreadyInjected {
		t.Errorf("a second injection: %s", told(decisions))
	}
}

// The name of a service is what somebody wrote, wherever.
func TestServiceName(t *testing.T) {
	f := func(want string, change func(*trial)) {
		t.Helper()
		x := newTrial(SDK)
		x.facts.Owners = []Owner{{Kind: "ReplicaSet", Name: "cart-1"}, {Kind: "Deployment", Name: "cart"}}
		x.pod.Labels = map[string]string{v1beta1.LabelName: "label"}
		change(x)
		pod, _ := x.run()
		if got := environmentOf(pod, "app")["OTEL_SERVICE_NAME"]; got != want {
			t.Errorf("got %q; want %q", got, want)
		}
	}
	attributes := func(x *trial) {
		x.instrumentation.Spec.Resource.Attributes = map[string]string{"service.name": "of the resource"}
	}
	f("cart", func(*trial) {})
	f("pod", func(x *trial) { x.facts.Owners = nil })
	f("label", func(x *trial) { x.instrumentation.Spec.Defaults.UseLabelsForResourceAttributes = true })
	f("of the resource", attributes)
	f("annotated", func(x *trial) {
		attributes(x)
		x.pod.Annotations["resource.opentelemetry.io/service.name"] = "annotated"
	})
	f("own name", func(x *trial) {
		x.pod.Annotations["resource.opentelemetry.io/service.name"] = "annotated"
		x.env(corev1.EnvVar{Name: attributesVariable, Value: "a=b, service.name=own%20name"})
	})
	f("variable", func(x *trial) {
		x.env(corev1.EnvVar{Name: "OTEL_SERVICE_NAME", Value: "variable"}, corev1.EnvVar{Name: attributesVariable, Value: "service.name=own"})
	})
	f("$$(HOME)", func(x *trial) { x.pod.Annotations["resource.opentelemetry.io/service.name"] = "$(HOME)" })
}

// What a container takes from ConfigMaps counts as its own, and is added to by
// reference; what cannot be seen is told.
func TestEnvironmentFromElsewhere(t *testing.T) {
	x := newTrial(Java)
	x.facts.ConfigMaps = map[string][]string{"settings": {"TOOL_OPTIONS", "SERVICE_NAME"}}
	x.pod.Spec.Containers[0].EnvFrom = []corev1.EnvFromSource{
		{Prefix: "JAVA_", ConfigMapRef: &corev1.ConfigMapEnvSource{LocalObjectReference: corev1.LocalObjectReference{Name: "settings"}}},
		{Prefix: "OTEL_", ConfigMapRef: &corev1.ConfigMapEnvSource{LocalObjectReference: corev1.LocalObjectReference{Name: "settings"}}},
	}
	pod, _ := x.run()
	env := environmentOf(pod, "app")
	if got, want := env["JAVA_TOOL_OPTIONS"], "$(OTEL_ORIGINAL_JAVA_TOOL_OPTIONS) -javaagent:/otel-auto-instrumentation-java-app/javaagent.jar"; got != want {
		t.Errorf("got %q; want %q", got, want)
	}
	if _, ok := env["OTEL_SERVICE_NAME"]; ok {
		t.Error("the name of the service comes from a ConfigMap, and yet it is set")
	}

	x = newTrial(NodeJS)
	x.pod.Spec.Containers[0].EnvFrom = []corev1.EnvFromSource{{SecretRef: &corev1.SecretEnvSource{LocalObjectReference: corev1.LocalObjectReference{Name: "s"}}}}
	_, decisions := x.run()
	if got, want := told(decisions), "nodejs injected AsAsked: nodejs of Instrumentation shop/all is added to container app; if Secret s or the image sets NODE_OPTIONS, that no longer counts: write it into the pod"; got != want {
		t.Errorf("got %q; want %q", got, want)
	}

	x = newTrial(SDK).env(from(attributesVariable))
	pod, decisions = x.run()
	if !strings.HasSuffix(told(decisions), "; container app has OTEL_RESOURCE_ATTRIBUTES from elsewhere, so no resource attributes are added to it, and a service.name in it does not count") {
		t.Errorf("got %s", told(decisions))
	}
	if v := variable(&pod.Spec.Containers[0], attributesVariable); v.Value != "" || v.ValueFrom == nil {
		t.Errorf("got %v; want it as it was", v)
	}
}

// A pod that a kubelet runs from a file wishes nothing.
func TestMirrorPod(t *testing.T) {
	x := newTrial(Java).annotate("inject-ruby", "true")
	x.pod.Annotations[corev1.MirrorPodAnnotationKey] = "1"
	x.namespace.Annotations = map[string]string{v1beta1.AnnotationSidecar: "true"}
	if pod, decisions := x.run(); pod != x.pod || len(decisions) > 0 || !SidecarWish(x.pod, x.namespace).Empty() || len(InstrumentationWishes(x.pod, x.namespace)) > 0 {
		t.Errorf("got %s; want the pod as it is, and nothing to decide", told(decisions))
	}
}

// One container that cannot have it does not keep the others from it, and gets
// nothing of it.
func TestPartly(t *testing.T) {
	x := newTrial(Java).annotate("container-names", "app,second,gone").env(from("JAVA_TOOL_OPTIONS"))
	pod, decisions := x.run()
	if d := decisions[0]; d.Outcome != Injected || !slices.Equal(d.Containers, []string{"second"}) ||
		!strings.Contains(d.Message, "the pod has no container gone; container app is left as it is: variable JAVA_TOOL_OPTIONS comes from elsewhere") {
		t.Errorf("got %+v", d)
	}
	if c := pod.Spec.Containers[0]; len(c.Env) != 1 || len(c.VolumeMounts) > 0 {
		t.Errorf("got %+v; want it as it was", c)
	}
}

// A pod of the restricted level stays one: what copies files is no root either.
func TestCopierIsRestricted(t *testing.T) {
	yes, no := true, false
	x := newTrial(Python)
	x.pod.Spec.SecurityContext = &corev1.PodSecurityContext{SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault}}
	for i := range x.pod.Spec.Containers {
		x.pod.Spec.Containers[i].SecurityContext = &corev1.SecurityContext{
			RunAsNonRoot: &yes, AllowPrivilegeEscalation: &no, Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
		}
	}
	pod, _ := x.run()
	c := pod.Spec.InitContainers[0].SecurityContext
	if c == nil || c.RunAsUser == nil || *c.RunAsUser == 0 || !*c.RunAsNonRoot || *c.AllowPrivilegeEscalation || !dropsAll(c) {
		t.Errorf("got %+v; want the demands of the level, and a user", c)
	}
}

// The resources of what is added keep to the namespace's ranges, and a pod of
// guaranteed quality stays one.
func TestCopierResources(t *testing.T) {
	x := newTrial(Python)
	x.facts.Limits = []corev1.LimitRangeItem{{Type: corev1.LimitTypeContainer, Max: corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("100Mi")}}}
	same := corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("1"), corev1.ResourceMemory: resource.MustParse("50Mi")}
	for i := range x.pod.Spec.Containers {
		x.pod.Spec.Containers[i].Resources = corev1.ResourceRequirements{Limits: same, Requests: same}
	}
	pod, decisions := x.run()
	r := pod.Spec.InitContainers[0].Resources
	if r.Limits.Memory().String() != "100Mi" || r.Requests.Memory().Cmp(*r.Limits.Memory()) != 0 || r.Requests.Cpu().Cmp(*r.Limits.Cpu()) != 0 {
		t.Errorf("got %v; want requests as limits, at most 100Mi (%s)", r, told(decisions))
	}
}
