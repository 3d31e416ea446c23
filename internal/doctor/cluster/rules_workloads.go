package cluster

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/signalbox-otel/signalbox/api/v1beta1"
	"github.com/signalbox-otel/signalbox/internal/inject"
	"github.com/signalbox-otel/signalbox/internal/operator/needs"
)

// ofPods are the prefixes of annotations that only pods can have.
var ofPods = []string{v1beta1.InstrumentationPrefix + "inject", v1beta1.AnnotationSidecar, "prometheus.io/"}

// annotations finds those that are written where nobody looks.
func annotations(p *Picture) []Finding {
	var all []Finding
	for i := range p.Workloads {
		w := &p.Workloads[i]
		if w.Kind == "Pod" {
			continue
		}
		misplaced := map[string]any{}
		for key, value := range w.Meta.Annotations {
			_, there := w.Template.Annotations[key]
			if !there && slices.ContainsFunc(ofPods, func(prefix string) bool { return strings.HasPrefix(key, prefix) }) {
				misplaced[key] = value
			}
		}
		if len(misplaced) == 0 {
			continue
		}
		all = append(all, bad(AnnotationMisplace, w.object(),
			fmt.Sprintf("annotation %s is on the %s itself, where nobody looks for it: it belongs to its pods, below spec.template.metadata", strings.Join(sortedKeys(misplaced), ", "), w.Kind),
			p.annotate(w, misplaced)))
	}
	return all
}

// decisions finds pods that asked for something and do not get it, or have not
// got it yet.
func decisions(p *Picture) []Finding {
	var all []Finding
	for i := range p.Workloads {
		w := &p.Workloads[i]
		_, list := p.decided(w)
		injected := false
		for _, d := range list {
			switch d.Outcome {
			case inject.Injected:
				injected = true
			case inject.Refused, inject.Failed:
				all = append(all, p.refused(w, d))
			}
		}
		if n := len(w.Pods); injected && n > 0 {
			if without := w.without(); without > 0 {
				all = append(all, bad(NotInjected, w.object(),
					fmt.Sprintf("%d of %s started before the operator or its Instrumentation did, and is not instrumented", without, count(n, "pod")), p.restartOf(w)))
			}
		}
		if f := p.sidecar(w); f != nil {
			all = append(all, *f)
		}
	}
	return all
}

// without counts the pods of a workload that nothing was injected into.
func (w *Workload) without() int {
	n := 0
	for i := range w.Pods {
		if w.Pods[i].DeletionTimestamp == nil && !instrumented(&w.Pods[i].Spec) {
			n++
		}
	}
	return n
}

// instrumented reports whether a pod has what every injection adds.
func instrumented(spec *corev1.PodSpec) bool {
	for _, list := range [][]corev1.Container{spec.Containers, spec.InitContainers} {
		for _, c := range list {
			if slices.ContainsFunc(c.Env, func(v corev1.EnvVar) bool { return v.Name == "OTEL_RESOURCE_ATTRIBUTES_NODE_NAME" }) {
				return true
			}
		}
	}
	return false
}

// restartOf has the pods of a workload start again.
func (p *Picture) restartOf(w *Workload) string {
	if !w.restarts() {
		return ""
	}
	return p.tools.kubectl("rollout", "restart", "-n", p.Namespace, w.object())
}

// asking is the annotation that asks for a kind, with the resource that it names.
func asking(k inject.Kind, resource string) map[string]any {
	if k == inject.Auto {
		return map[string]any{v1beta1.InstrumentationPrefix + "inject": string(k) + ":" + resource}
	}
	return map[string]any{v1beta1.InstrumentationPrefix + "inject-" + string(k): resource}
}

// refused tells of a decision against injecting.
func (p *Picture) refused(w *Workload, d inject.Decision) Finding {
	switch d.Reason {
	case inject.NoneInNamespace, inject.NotFound:
		if len(p.Instrumentations) == 0 {
			return bad(Refused, w.object(), d.Message, lines(p.newInstrumentation(), p.restartOf(w)))
		}
		i := p.Instrumentations[0]
		names := i.Namespace + "/" + i.Name
		if len(p.Instrumentations) > 1 {
			names += fmt.Sprintf(" and %d more", len(p.Instrumentations)-1)
		}
		return bad(OtherNamespace, w.object(), fmt.Sprintf("%s; there is %s, which has to be named with its namespace", d.Message, names),
			p.annotate(w, asking(d.Kind, i.Namespace+"/"+i.Name)))
	case inject.SeveralInNamespace:
		for _, i := range p.Instrumentations {
			if i.Namespace == p.Namespace {
				return bad(Refused, w.object(), d.Message, p.annotate(w, asking(d.Kind, i.Name)))
			}
		}
	case inject.LanguageOff:
		variable := "ENABLE_" + strings.ToUpper(strings.ReplaceAll(string(d.Kind), "-", "_")) + "_AUTO_INSTRUMENTATION=true"
		return bad(Refused, w.object(), d.Message, lines(p.tools.kubectl("set", "env", "-n", p.home(), "deployment/"+needs.Deployment, variable), p.restartOf(w)))
	}
	return bad(Refused, w.object(), d.Message, command("signalbox", "explain", w.object(), "-n", p.Namespace))
}

// newInstrumentation makes one in the namespace.
func (p *Picture) newInstrumentation() string {
	spec := map[string]any{"propagators": []string{"tracecontext", "baggage"}, "sampler": map[string]any{"type": "parentbased_always_on"}}
	endpoint, before := p.endpointFor("http", emptyName)
	spec["exporter"] = map[string]any{"endpoint": endpoint}
	return lines(before, p.tools.apply(manifest(map[string]any{
		"apiVersion": "opentelemetry.io/v1alpha1", "kind": "Instrumentation",
		"metadata": map[string]any{"name": "default", "namespace": p.Namespace}, "spec": spec,
	})))
}

// sidecar finds a wish for one that nobody can fulfil, nil when there is none.
func (p *Picture) sidecar(w *Workload) *Finding {
	wish := inject.SidecarWish(w.pod(p.Namespace), p.Meta)
	if wish.Empty() || wish.Off {
		return nil
	}
	for i := range p.Collectors {
		c := p.Collectors[i].CR
		if c.Spec.Mode == v1beta1.ModeSidecar && (wish.Only && c.Namespace == p.Namespace || c.Namespace == wish.Namespace && c.Name == wish.Name) {
			return nil
		}
	}
	f := odd(NoSidecar, w.object(), "asks for a collector in its pods by annotation "+v1beta1.AnnotationSidecar+", and there is none of mode sidecar that it could mean; instrumentation needs none",
		p.annotate(w, map[string]any{v1beta1.AnnotationSidecar: nil}))
	return &f
}

func instrumentationFine(p *Picture) string {
	objects := map[string]bool{}
	for _, u := range p.uses() {
		objects[u.workload.object()] = true
	}
	switch n := len(objects); n {
	case 0:
		return fmt.Sprintf("no workload of namespace %s asks for instrumentation", p.Namespace)
	case 1:
		return sortedKeys(objects)[0] + " is instrumented"
	default:
		return strings.Join(sortedKeys(objects), ", ") + " are instrumented"
	}
}

// environment finds what is instrumented such that nothing, or little, comes of it.
func environment(p *Picture) []Finding {
	var all []Finding
	told := map[string]bool{}
	for _, u := range p.uses() {
		for _, f := range slices.Concat(p.switchedOff(&u), p.sampled(&u), p.musl(&u)) {
			if !told[f.Fix] {
				told[f.Fix] = true
				all = append(all, f)
			}
		}
	}
	return all
}

// switchedOff finds signals that variables switch off.
func (p *Picture) switchedOff(u *use) []Finding {
	if strings.EqualFold(value(u.container, "OTEL_SDK_DISABLED"), "true") {
		return []Finding{bad(SignalOff, u.workload.object(), "OTEL_SDK_DISABLED is true, so no telemetry is made", p.change(u, "OTEL_SDK_DISABLED", ""))}
	}
	var all []Finding
	for _, signal := range []string{"traces", "metrics", "logs"} {
		variable := "OTEL_" + strings.ToUpper(signal) + "_EXPORTER"
		if value(u.container, variable) != "none" {
			continue
		}
		text := fmt.Sprintf("%s is none, so %s sends no %s", variable, u.kind, signal)
		if u.kind == inject.Python && signal == "metrics" {
			text += "; manifests of 2023 say so because of a defect that is mended"
		}
		all = append(all, odd(SignalOff, u.workload.object(), text, p.change(u, variable, "")))
	}
	return all
}

// sampled finds samplers that leave out traces.
func (p *Picture) sampled(u *use) []Finding {
	const variable, argument = "OTEL_TRACES_SAMPLER", "OTEL_TRACES_SAMPLER_ARG"
	sampler, ratio := value(u.container, variable), value(u.container, argument)
	patch := func(change map[string]any) string {
		if value(u.own, variable) != "" || value(u.own, argument) != "" {
			return p.tools.kubectl("set", "env", "-n", p.Namespace, u.workload.object(), "-c", u.own.Name, variable+"-", argument+"-")
		}
		for _, place := range u.places() {
			if slices.ContainsFunc(place.env, func(v corev1.EnvVar) bool { return v.Name == variable }) {
				return lines(p.change(u, argument, "1"), p.change(u, variable, "parentbased_traceidratio"))
			}
		}
		return lines(p.tools.merge(u.resource.Namespace, "instrumentation/"+u.resource.Name, map[string]any{"spec": map[string]any{"sampler": change}}), p.restart(u.resource))
	}
	switch {
	case strings.HasSuffix(sampler, "always_off"):
		return []Finding{bad(SampledOut, u.workload.object(), "its sampler "+sampler+" keeps no trace", patch(map[string]any{"type": "parentbased_always_on", "argument": ""}))}
	case !strings.HasSuffix(sampler, "traceidratio"):
		return nil
	}
	switch kept, err := strconv.ParseFloat(ratio, 64); {
	case err != nil || kept >= 1:
		return nil
	case kept <= 0:
		return []Finding{bad(SampledOut, u.workload.object(), "its sampler keeps no trace: the ratio is "+ratio, patch(map[string]any{"argument": "1"}))}
	default:
		return []Finding{odd(SampledOut, u.workload.object(), fmt.Sprintf("its sampler keeps 1 trace of %.3g: of a few requests, as when trying it out, maybe none", 1/kept), patch(map[string]any{"argument": "1"}))}
	}
}

// musl finds payloads for another libc than that of the image, as far as its name
// says.
func (p *Picture) musl(u *use) []Finding {
	if !isMusl(u.own.Image) {
		return nil
	}
	switch u.kind {
	case inject.Python:
		copier := containerOf(&u.pod.Spec, "opentelemetry-auto-instrumentation-python")
		if universal(copier.Image) || slices.Contains(copier.Command, "/autoinstrumentation-musl/.") {
			return nil
		}
		fix := p.annotate(u.workload, map[string]any{v1beta1.InstrumentationPrefix + "otel-python-platform": "musl"})
		if own := p.Facts.Images.Python; universal(own) {
			fix = lines(p.tools.merge(u.resource.Namespace, "instrumentation/"+u.resource.Name, map[string]any{"spec": map[string]any{"python": map[string]any{"image": own}}}), p.restart(u.resource))
		}
		return []Finding{bad(Musl, u.workload.object(),
			fmt.Sprintf("image %s has musl, as all of Alpine, and payload %s is for glibc: Python's agent does not load", u.own.Image, copier.Image), fix)}
	case inject.DotNet:
		if strings.Contains(value(u.container, "CORECLR_PROFILER_PATH"), "/linux/") {
			return []Finding{bad(Musl, u.workload.object(), fmt.Sprintf("image %s has musl, as all of Alpine, and the profiler for glibc is used: .NET's agent does not load", u.own.Image),
				p.annotate(u.workload, map[string]any{v1beta1.InstrumentationPrefix + "otel-dotnet-auto-runtime": "linux-musl-x64"}))}
		}
	}
	return nil
}

// isMusl reports whether an image's name says that it has musl.
func isMusl(image string) bool {
	return strings.Contains(image, "alpine") || strings.Contains(image, "musl")
}

// universal reports whether a payload for Python is ours, which is for every
// libc.
func universal(image string) bool {
	_, last, found := cutLast(image, "/")
	if !found {
		last = image
	}
	return strings.HasPrefix(last, "signalbox-python")
}
