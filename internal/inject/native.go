package inject

import (
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// The profiler of .NET is made for one libc. Which the image of a container has
// turns out on the node: the probe, from that image, makes a link in the agent's
// volume that leads to what fits. A link for each container, because a pod may
// have both.

// Names of what looks for the libc.
const (
	nativeProbe = "opentelemetry-auto-instrumentation-dotnet-probe"
	nativeLook  = "opentelemetry-auto-instrumentation-dotnet-native-" // and a number
)

// nativeLink is what leads to the profiler for a container.
func nativeLink(container string) string { return folderOf(DotNet) + "/" + container + "/native" }

// looksForLibc reports whether the probe finds out which profiler fits: it has to
// be there, and to be needed.
func (in *injection) looksForLibc() bool {
	return in.facts.Probe != "" && !in.probed && !in.has("CORECLR_PROFILER_PATH") && !hasVariable(in.spec().DotNet.Env, "CORECLR_PROFILER_PATH") && !hasVariable(in.spec().Env, "CORECLR_PROFILER_PATH")
}

// linkNative adds what makes the link.
func (in *injection) linkNative() {
	folder := folderOf(DotNet)
	mounts := []corev1.VolumeMount{{Name: volumeOf(DotNet), MountPath: folder}}
	in.prepend(corev1.Container{
		Name: nativeProbe, Image: in.facts.Probe, Command: []string{"/probe", "install", folder}, Resources: probeResources, VolumeMounts: mounts,
	})
	number := 0
	for _, name := range containerNames(in.pod) {
		if strings.HasPrefix(name, nativeLook) {
			number++
		}
	}
	name := nativeLook + strconv.Itoa(number)
	in.prepend(corev1.Container{
		Name: name, Image: in.container.Image, ImagePullPolicy: in.container.ImagePullPolicy, Resources: probeResources, VolumeMounts: mounts,
		Command: []string{folder + "/probe", "native", nativeLink(in.container.Name), "../linux", "../linux-musl"},
	})
	in.find(name).SecurityContext = in.reader()
}
