package cluster

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/signalbox-otel/signalbox/api/v1alpha1"
	"github.com/signalbox-otel/signalbox/api/v1beta1"
	"github.com/signalbox-otel/signalbox/internal/inject"
	"github.com/signalbox-otel/signalbox/internal/operator/remedy"
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
		for _, d := range w.Decisions {
			switch d.Outcome {
			case inject.Refused:
				all = append(all, p.refused(w, d))
			case inject.Failed:
				all = append(all, unseen(w.object(), fmt.Sprintf("what would be decided about %s: %s", d.Kind, d.Message)))
			}
		}
		all = append(all, p.standing(w)...)
	}
	return all
}

// standing tells of pods that do not have what they would get now.
func (p *Picture) standing(w *Workload) []Finding {
	n := map[inject.State]int{}
	message := map[inject.State]string{}
	pods := 0
	for i := range w.Pods {
		if w.Pods[i].DeletionTimestamp != nil {
			continue
		}
		pods++
		worst := inject.StateInjected
		for _, s := range inject.Stand(&w.Pods[i], w.Decisions) {
			if s.State == inject.StateMissed || s.State == inject.StateStale && worst != inject.StateMissed {
				worst, message[s.State] = s.State, s.Message
			}
		}
		n[worst]++
	}
	var all []Finding
	if k := n[inject.StateMissed]; k > 0 {
		all = append(all, bad(NotInjected, w.object(), fmt.Sprintf("%d of %s started before the operator or its resource was there: %s", k, count(pods, "pod"), message[inject.StateMissed]), p.restartOf(w)))
	}
	if k := n[inject.StateStale]; k > 0 {
		all = append(all, odd(NotRenewed, w.object(), fmt.Sprintf("%d of %s got something else than it would get now: %s", k, count(pods, "pod"), message[inject.StateStale]), p.restartOf(w)))
	}
	return all
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
	none := d.Reason == inject.NoneInNamespace || d.Reason == inject.NotFound
	if d.Kind == inject.Sidecar && none {
		return odd(NoSidecar, w.object(), d.Message+"; instrumentation needs no collector in the pod", p.annotate(w, map[string]any{v1beta1.AnnotationSidecar: nil}))
	}
	if d.Kind == inject.Sidecar {
		return bad(Refused, w.object(), d.Message, p.remedy(w, d))
	}
	switch d.Reason {
	case inject.NoneInNamespace, inject.NotFound:
		i := p.meant(w.Template.Annotations, d.Kind)
		if i == nil {
			return bad(Refused, w.object(), d.Message, lines(p.newInstrumentation(), p.mine(w, d.Kind), p.restartOf(w)))
		}
		name := i.Namespace + "/" + i.Name
		return bad(OtherNamespace, w.object(), fmt.Sprintf("%s; there is %s, which has to be named with its namespace", d.Message, name), p.annotate(w, asking(d.Kind, name)))
	case inject.SeveralInNamespace:
		for _, i := range p.Instrumentations {
			if i.Namespace == p.Namespace {
				return bad(Refused, w.object(), d.Message, p.annotate(w, asking(d.Kind, i.Name)))
			}
		}
	}
	return bad(Refused, w.object(), d.Message, p.remedy(w, d))
}

// remedy is what mends a decision in the cluster that is examined.
func (p *Picture) remedy(w *Workload, d inject.Decision) string {
	s := remedy.Subject{
		Namespace: p.Namespace, Kind: w.Kind, Name: w.Name, Annotations: w.Template.Annotations, NamespaceAnnotations: p.Meta.Annotations, Operator: p.home(),
	}
	for _, c := range w.Template.Spec.Containers {
		s.Containers = append(s.Containers, c.Name)
	}
	var all []string
	for line := range strings.SplitSeq(remedy.Of(s, d), "\n") {
		if rest, ok := strings.CutPrefix(line, "kubectl "); ok {
			line = p.tools.kubectl() + " " + rest
		}
		all = append(all, line)
	}
	return strings.Join(all, "\n")
}

// meant is an Instrumentation of another namespace that is likely meant: of the
// name that is asked for, else one of those in which people put what is for all;
// nil when there is none.
func (p *Picture) meant(annotations map[string]string, k inject.Kind) *v1alpha1.Instrumentation {
	asked := ""
	for key := range asking(k, "") {
		_, asked, _ = strings.Cut(annotations[key], "/")
		asked = cmp.Or(asked, annotations[key])
	}
	for _, likely := range []func(*v1alpha1.Instrumentation) bool{
		func(i *v1alpha1.Instrumentation) bool { return i.Name == asked },
		func(i *v1alpha1.Instrumentation) bool { return i.Namespace == "default" },
		func(i *v1alpha1.Instrumentation) bool { return i.Namespace == p.home() },
	} {
		if i := slices.IndexFunc(p.Instrumentations, likely); i >= 0 {
			return p.Instrumentations[i]
		}
	}
	return nil
}

// mine has a workload ask for the only Instrumentation of its namespace, where it
// asks for another.
func (p *Picture) mine(w *Workload, k inject.Kind) string {
	for key := range asking(k, "") {
		if value := w.Template.Annotations[key]; k != inject.Auto && value != "" && !strings.EqualFold(value, "true") {
			return p.annotate(w, map[string]any{key: "true"})
		}
	}
	return ""
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
		return []Finding{bad(SignalOff, u.workload.object(), "OTEL_SDK_DISABLED is true, so no telemetry is made", p.change(u, "OTEL_SDK_DISABLED", "false"))}
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
		all = append(all, odd(SignalOff, u.workload.object(), text, p.change(u, variable, "otlp")))
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
		if own := p.Images.Python; universal(own) {
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
