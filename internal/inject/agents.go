package inject

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/signalbox-otel/signalbox/api/v1alpha1"
	"github.com/signalbox-otel/signalbox/api/v1beta1"
)

// folderOf is where a language's agent is mounted.
func folderOf(k Kind) string { return "/otel-auto-instrumentation-" + string(k) }

// defaultVolume is how large a volume for an agent may become.
var defaultVolume = resource.MustParse("200Mi")

// volume is one for an agent: a folder of the pod, or a claim.
func volume(name string, p *v1alpha1.Payload) corev1.Volume {
	v := corev1.Volume{Name: name}
	if claim := p.VolumeClaimTemplate; len(claim.Spec.AccessModes) > 0 || len(claim.Spec.Resources.Requests) > 0 {
		v.Ephemeral = &corev1.EphemeralVolumeSource{VolumeClaimTemplate: claim.DeepCopy()}
		return v
	}
	size := defaultVolume.DeepCopy()
	if p.VolumeSizeLimit != nil {
		size = p.VolumeSizeLimit.DeepCopy()
	}
	v.EmptyDir = &corev1.EmptyDirVolumeSource{SizeLimit: &size}
	return v
}

// mounted reports whether the agent is mounted from its image, and not copied.
// What is mounted so can be read only, and the system may refuse to run code from
// it: the agents of .NET and web servers are such code, and extensions of Java
// are added to its folder. Who asks for a claim gets it, and what the probe
// chooses is not known before it is there.
func (in *injection) mounted() bool {
	switch in.kind {
	case Java, NodeJS, Python:
		return in.facts.ImageVolumes && !in.probed && (in.kind != Java || len(in.spec().Java.Extensions) == 0) && volume("", in.payload(in.spec())).Ephemeral == nil
	}
	return false
}

// deliver puts an agent into the container, at a path: its image itself, or a
// volume and the init container that copies the agent there, once for the pod.
// From is where the image has it, in the form that cp wants.
func (in *injection) deliver(from string, resources corev1.ResourceRequirements, path string) error {
	name, folder := volumeOf(in.kind), folderOf(in.kind)
	if in.mounted() {
		image := corev1.Volume{Name: name, VolumeSource: corev1.VolumeSource{Image: &corev1.ImageVolumeSource{
			Reference: in.payload(in.spec()).Image, PullPolicy: in.spec().ImagePullPolicy,
		}}}
		part, isFolder := strings.CutSuffix(from, "/.")
		if !isFolder {
			part = "" // a file at the top of its image
		}
		return in.mountPart(image, path, strings.TrimPrefix(part, "/"))
	}
	command := []string{"cp", "-r", from, folder}
	if in.kind == Java {
		command = []string{"cp", from, folder + "/javaagent.jar"}
	}
	in.prepend(corev1.Container{
		Name: name, Image: in.payload(in.spec()).Image, Command: command, Resources: resources,
		VolumeMounts: []corev1.VolumeMount{{Name: name, MountPath: folder}},
	})
	return in.mount(volume(name, in.payload(in.spec())), path)
}

// prepend adds an init container before the first of the language's containers
// that is one itself, else behind all others.
func (in *injection) prepend(c corev1.Container) {
	list := in.pod.Spec.InitContainers
	if slices.ContainsFunc(list, func(o corev1.Container) bool { return o.Name == c.Name }) {
		return
	}
	if c.ImagePullPolicy == "" {
		c.ImagePullPolicy = in.spec().ImagePullPolicy
	}
	c.SecurityContext = in.copier()
	c.Resources = in.bounded(c.Resources)
	at := slices.IndexFunc(list, func(o corev1.Container) bool { return slices.Contains(in.targets, o.Name) })
	if at < 0 {
		at = len(list)
	}
	name := in.container.Name
	in.pod.Spec.InitContainers = slices.Insert(list, at, c)
	in.container = in.find(name) // it may have moved
}

// copier is the security context of a container that copies files: what the
// resource says, else that of the container that the files are for. One that may
// not be root, and does not say who it is, gets a number: images that only hold
// files start as root.
func (in *injection) copier() *corev1.SecurityContext {
	if c := in.spec().InitContainerSecurityContext; c != nil {
		return c.DeepCopy()
	}
	c := in.container.SecurityContext.DeepCopy()
	if c == nil {
		c = modest(in.before, false)
	}
	shared := in.before.Spec.SecurityContext
	if shared == nil {
		shared = new(corev1.PodSecurityContext)
	}
	nonRoot := shared.RunAsNonRoot
	if c != nil && c.RunAsNonRoot != nil {
		nonRoot = c.RunAsNonRoot
	}
	if nonRoot != nil && *nonRoot && shared.RunAsUser == nil && (c == nil || c.RunAsUser == nil) {
		if c == nil {
			c = new(corev1.SecurityContext)
		}
		user := int64(65532)
		c.RunAsUser = &user
	}
	return c
}

// bounded are resources within the namespace's ranges, and such that the pod
// keeps its quality of service.
func (in *injection) bounded(r corev1.ResourceRequirements) corev1.ResourceRequirements {
	r = *r.DeepCopy()
	for _, name := range []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory} {
		for _, list := range []corev1.ResourceList{r.Limits, r.Requests} {
			if q, ok := list[name]; ok {
				list[name] = between(q, in.facts.Limits, name)
			}
		}
		if limit, ok := r.Limits[name]; ok && !podLevel(in.before, name) && everyContainer(in.before, func(c *corev1.Container) bool { return guaranteed(c, name) }) {
			set(&r.Requests, name, limit)
		}
	}
	return like(in.before, r, in.facts.Limits)
}

func addSDK(in *injection) error { return in.common(nil, nil) }

func addJava(in *injection) error {
	spec := in.spec().Java
	path := folderOf(Java) + "-" + in.container.Name
	option := " -javaagent:" + path + "/javaagent.jar"
	if len(spec.Extensions) > 0 {
		option += " -Dotel.javaagent.extensions=" + path + "/extensions"
	}
	err := in.common(nil, func() error {
		return in.change("JAVA_TOOL_OPTIONS", appended(option, ""))
	})
	if err != nil {
		return err
	}
	if err := in.deliver("/javaagent.jar", spec.Resources, path); err != nil {
		return err
	}
	for i, e := range spec.Extensions {
		in.prepend(corev1.Container{
			Name: extensionPrefix + strconv.Itoa(i), Image: e.Image, Resources: spec.Resources,
			Command:      []string{"cp", "-r", strings.TrimRight(e.Dir, "/") + "/.", folderOf(Java) + "/extensions"},
			VolumeMounts: []corev1.VolumeMount{{Name: volumeOf(Java), MountPath: folderOf(Java)}},
		})
	}
	return nil
}

func addNodeJS(in *injection) error {
	err := in.common(nil, func() error {
		if err := in.change("NODE_OPTIONS", appended(" --require "+folderOf(NodeJS)+"/autoinstrumentation.js", "")); err != nil {
			return err
		}
		in.literally("OTEL_METRICS_EXPORTER", "otlp") // without, the SDK drops metrics
		return nil
	})
	if err != nil {
		return err
	}
	return in.deliver("/autoinstrumentation/.", in.spec().NodeJS.Resources, folderOf(NodeJS))
}

// platformAnnotation and runtimeAnnotation say which libc an image has.
const (
	platformAnnotation = v1beta1.InstrumentationPrefix + "otel-python-platform"
	runtimeAnnotation  = v1beta1.InstrumentationPrefix + "otel-dotnet-auto-runtime"
	targetAnnotation   = v1beta1.InstrumentationPrefix + "otel-go-auto-target-exe"
)

// asked is an annotation of the pod, else of its namespace.
func (in *injection) asked(annotation string) string {
	if v := in.before.Annotations[annotation]; v != "" {
		return v
	}
	return in.namespace.Annotations[annotation]
}

func addPython(in *injection) error {
	from := "/autoinstrumentation/."
	switch platform := in.asked(platformAnnotation); platform {
	case "", "glibc":
	case "musl":
		from = "/autoinstrumentation-musl/."
	default:
		return &refused{BadPlatform, fmt.Sprintf("annotation %s is %q; it should be glibc or musl", platformAnnotation, platform)}
	}
	folder := folderOf(Python)
	first := folder + "/opentelemetry/instrumentation/auto_instrumentation"
	err := in.common(func() error {
		return in.change("PYTHONPATH", func(old string) string {
			switch {
			case strings.Contains(old, first):
				return old
			case old != "":
				old += ":"
			}
			return first + ":" + old + folder
		})
	}, func() error {
		in.literally("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")
		for _, signal := range []string{"TRACES", "METRICS", "LOGS"} {
			in.literally("OTEL_"+signal+"_EXPORTER", "otlp")
		}
		return nil
	})
	if err != nil {
		return err
	}
	return in.deliver(from, in.spec().Python.Resources, folder)
}

// dotNetHome says where the agent for .NET is, and that there is one.
const dotNetHome = "OTEL_DOTNET_AUTO_HOME"

func addDotNet(in *injection) error {
	if in.has(dotNetHome) || hasVariable(in.spec().DotNet.Env, dotNetHome) {
		return &refused{OtherAgent, "variable " + dotNetHome + " says that .NET is instrumented already"}
	}
	folder := folderOf(DotNet)
	native, look := folder+"/linux", false
	switch platform := in.asked(runtimeAnnotation); platform {
	case "":
		if look = in.looksForLibc(); look {
			native = nativeLink(in.container.Name)
		}
	case "linux-x64", "linux-arm64":
	case "linux-musl-x64", "linux-musl-arm64":
		native = folder + "/linux-musl"
	default:
		return &refused{BadPlatform, fmt.Sprintf("annotation %s is %q; it should be linux-x64, linux-arm64, linux-musl-x64 or linux-musl-arm64", runtimeAnnotation, platform)}
	}
	err := in.common(nil, func() error {
		in.literally("CORECLR_ENABLE_PROFILING", "1")
		in.literally("CORECLR_PROFILER", "{918728DD-259F-4A6A-AC2B-B85E1B658318}")
		in.literally("CORECLR_PROFILER_PATH", native+"/OpenTelemetry.AutoInstrumentation.Native.so")
		if err := in.change("DOTNET_STARTUP_HOOKS", appended(folder+"/net/OpenTelemetry.AutoInstrumentation.StartupHook.dll", ":")); err != nil {
			return err
		}
		if err := in.change("DOTNET_ADDITIONAL_DEPS", appended(folder+"/AdditionalDeps", ":")); err != nil {
			return err
		}
		in.literally(dotNetHome, folder)
		return in.change("DOTNET_SHARED_STORE", appended(folder+"/store", ":"))
	})
	if err != nil {
		return err
	}
	if err := in.deliver("/autoinstrumentation/.", in.spec().DotNet.Resources, folder); err != nil {
		return err
	}
	if look {
		in.linkNative()
	}
	return nil
}
