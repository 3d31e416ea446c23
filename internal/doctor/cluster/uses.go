package cluster

import (
	"cmp"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/signalbox-otel/signalbox/api/v1alpha1"
	"github.com/signalbox-otel/signalbox/api/v1beta1"
	"github.com/signalbox-otel/signalbox/internal/inject"
	"github.com/signalbox-otel/signalbox/internal/render"
)

// use is a container that is instrumented, or would be now.
type use struct {
	workload *Workload
	kind     inject.Kind
	resource *v1alpha1.Instrumentation
	// container is as injection leaves it, and pod what it is in; own is the one
	// that the workload has.
	container, own *corev1.Container
	pod            *corev1.Pod
}

// object is the workload, as kubectl names it.
func (w *Workload) object() string { return strings.ToLower(w.Kind) + "/" + w.Name }

// pod is one as the workload makes it.
func (w *Workload) pod() *corev1.Pod {
	return &corev1.Pod{ObjectMeta: *w.Template.ObjectMeta.DeepCopy(), Spec: *w.Template.Spec.DeepCopy()}
}

// uses are all of them.
func (p *Picture) uses() []use {
	var all []use
	for i := range p.Workloads {
		w := &p.Workloads[i]
		for _, d := range w.Decisions {
			if d.Outcome != inject.Injected || d.Kind == inject.Sidecar {
				continue
			}
			for _, name := range d.Containers {
				all = append(all, use{
					workload: w, kind: d.Kind, resource: p.instrumentation(d.Source), pod: w.Decided,
					container: containerOf(&w.Decided.Spec, name), own: containerOf(&w.Template.Spec, name),
				})
			}
		}
	}
	return all
}

// instrumentation is the one of that name, as namespace/name.
func (p *Picture) instrumentation(source string) *v1alpha1.Instrumentation {
	if p.Only != nil {
		return p.Only
	}
	for _, i := range p.Instrumentations {
		if i.Namespace+"/"+i.Name == source {
			return i
		}
	}
	return new(v1alpha1.Instrumentation)
}

func containerOf(spec *corev1.PodSpec, name string) *corev1.Container {
	for _, list := range [][]corev1.Container{spec.Containers, spec.InitContainers} {
		if i := slices.IndexFunc(list, func(c corev1.Container) bool { return c.Name == name }); i >= 0 {
			return &list[i]
		}
	}
	return new(corev1.Container)
}

// value is that of a variable; "" where it has none that can be seen.
func value(c *corev1.Container, name string) string {
	if i := slices.IndexFunc(c.Env, func(v corev1.EnvVar) bool { return v.Name == name }); i >= 0 {
		return c.Env[i].Value
	}
	return ""
}

const (
	endpointVariable = "OTEL_EXPORTER_OTLP_ENDPOINT"
	protocolVariable = "OTEL_EXPORTER_OTLP_PROTOCOL"
)

// endpoint is where traces are sent, and variable what says so.
func (u *use) endpoint() (endpoint, variable string) {
	const traces = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"
	if v := value(u.container, traces); v != "" {
		return v, traces
	}
	return value(u.container, endpointVariable), endpointVariable
}

// protocol is what the agent speaks to it: "grpc" or "http", "" for programs of
// which nobody knows.
func (u *use) protocol() string {
	said := value(u.container, "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL")
	if said == "" {
		said = value(u.container, protocolVariable)
	}
	switch {
	case said == "grpc":
		return "grpc"
	case said != "":
		return "http"
	case u.kind == inject.SDK:
		return ""
	case u.kind == inject.ApacheHttpd, u.kind == inject.Nginx:
		return "grpc"
	}
	return "http"
}

// target is where an endpoint leads.
type target struct {
	url *url.URL
	// service of the cluster; empty for what is none.
	service types.NamespacedName
	port    string
	// local is in the pod itself or on its node.
	local bool
}

// targetOf reads an endpoint as a pod of a namespace does.
func targetOf(endpoint, namespace string) target {
	u, err := url.Parse(endpoint)
	if err != nil || u.Host == "" {
		return target{}
	}
	t := target{url: u, port: u.Port()}
	if t.port == "" {
		t.port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	host := strings.ToLower(strings.TrimSuffix(u.Hostname(), "."))
	switch ip := net.ParseIP(host); {
	case host == "localhost", ip != nil && ip.IsLoopback(), strings.Contains(endpoint, "$("):
		t.local = true
		return t
	case ip != nil:
		return t
	}
	host, svc := strings.CutSuffix(strings.TrimSuffix(host, ".cluster.local"), ".svc")
	parts := strings.Split(host, ".")
	switch {
	case len(parts) == 1:
		t.service = types.NamespacedName{Namespace: namespace, Name: parts[0]}
	case len(parts) == 2:
		t.service = types.NamespacedName{Namespace: parts[1], Name: parts[0]}
	case len(parts) == 3 && svc: // one pod of it
		t.service = types.NamespacedName{Namespace: parts[2], Name: parts[1]}
	}
	return t
}

// Targets are the Services that programs of the namespace send to, which the
// picture has to have.
func (p *Picture) targets() []types.NamespacedName {
	var all []types.NamespacedName
	for _, u := range p.uses() {
		endpoint, _ := u.endpoint()
		if t := targetOf(endpoint, p.Namespace); t.service.Name != "" && !slices.Contains(all, t.service) {
			all = append(all, t.service)
		}
	}
	return all
}

// change is a command that sets a variable of what is injected, where it was
// written, and has the pods start again. It never removes one: commands are run one
// after the other, and name variables by their place. Endpoints that nobody wrote
// as variables are those of the resource.
func (p *Picture) change(u *use, variable, to string) string {
	resource := "instrumentation/" + u.resource.Name
	restart := p.restart(u.resource)
	if value(u.own, variable) != "" {
		return p.tools.kubectl("set", "env", "-n", p.Namespace, u.workload.object(), "-c", u.own.Name, variable+"="+to)
	}
	for _, place := range u.places() {
		for i, v := range place.env {
			if v.Name != variable {
				continue
			}
			path := fmt.Sprintf("%s/env/%d", place.path, i)
			ops := []any{
				map[string]any{"op": "test", "path": path + "/name", "value": variable},
				map[string]any{"op": "replace", "path": path + "/value", "value": to},
			}
			return lines(p.tools.kubectl("patch", "-n", u.resource.Namespace, resource, "--type=json", "-p", text(ops)), restart)
		}
	}
	if variable == endpointVariable {
		if p.sharedEndpoint(u) {
			return p.ownEndpoint(u, to)
		}
		return lines(p.tools.merge(u.resource.Namespace, resource, map[string]any{"spec": map[string]any{"exporter": map[string]any{"endpoint": to}}}), restart)
	}
	return ""
}

// place is where a resource has variables.
type place struct {
	path string
	env  []corev1.EnvVar
}

// places are those of the language, which count more, and of all.
func (u *use) places() []place {
	s := &u.resource.Spec
	own := map[inject.Kind]place{
		inject.Java: {"/spec/java", s.Java.Env}, inject.NodeJS: {"/spec/nodejs", s.NodeJS.Env}, inject.Python: {"/spec/python", s.Python.Env},
		inject.DotNet: {"/spec/dotnet", s.DotNet.Env}, inject.Go: {"/spec/go", s.Go.Env},
		inject.ApacheHttpd: {"/spec/apacheHttpd", s.ApacheHttpd.Env}, inject.Nginx: {"/spec/nginx", s.Nginx.Env},
	}
	all := []place{{"/spec", s.Env}}
	if p, ok := own[u.kind]; ok {
		all = append([]place{p}, all...)
	}
	return all
}

// sharedEndpoint reports whether others take the same endpoint from the resource,
// and speak another protocol.
func (p *Picture) sharedEndpoint(u *use) bool {
	return slices.ContainsFunc(p.uses(), func(o use) bool {
		_, variable := o.endpoint()
		return o.resource == u.resource && o.protocol() != u.protocol() && variable == endpointVariable && value(o.own, endpointVariable) == ""
	})
}

// ownEndpoint gives a language an endpoint of its own.
func (p *Picture) ownEndpoint(u *use, to string) string {
	own := u.places()[0]
	path, body := own.path+"/env/-", any(map[string]any{"name": endpointVariable, "value": to})
	if len(own.env) == 0 {
		path, body = own.path+"/env", []any{body}
	}
	ops := []any{map[string]any{"op": "add", "path": path, "value": body}}
	return lines(p.tools.kubectl("patch", "-n", u.resource.Namespace, "instrumentation/"+u.resource.Name, "--type=json", "-p", text(ops)), p.restart(u.resource))
}

// restart has the pods start again that a resource is injected into.
func (p *Picture) restart(resource *v1alpha1.Instrumentation) string {
	var objects []string
	for _, u := range p.uses() {
		if u.resource == resource && u.workload.restarts() && !slices.Contains(objects, u.workload.object()) {
			objects = append(objects, u.workload.object())
		}
	}
	if len(objects) == 0 {
		return ""
	}
	return p.tools.kubectl(slices.Concat([]string{"rollout", "restart", "-n", p.Namespace}, objects)...)
}

// restarts reports whether kubectl can restart it.
func (w *Workload) restarts() bool {
	return slices.Contains([]string{"Deployment", "StatefulSet", "DaemonSet"}, w.Kind)
}

// annotate sets annotations of a workload's pods; nil takes one away.
func (p *Picture) annotate(w *Workload, annotations map[string]any) string {
	if !w.restarts() {
		return ""
	}
	return p.tools.merge(p.Namespace, w.object(), map[string]any{"spec": map[string]any{"template": map[string]any{"metadata": map[string]any{"annotations": annotations}}}})
}

// endpointFor is an endpoint that takes a protocol: of the collector that an
// endpoint names already, else of one near. Before is what has to be done first,
// where there is none.
func (p *Picture) endpointFor(protocol string, named types.NamespacedName) (endpoint, before string) {
	protocol = cmp.Or(protocol, "http")
	if found := p.suggest(protocol, named); found != "" {
		return found, ""
	}
	return "http://otel-collector." + p.home() + ".svc.cluster.local:" + customary[protocol], p.install("collector.enabled=true")
}

// suggest is such an endpoint, "" when there is none.
func (p *Picture) suggest(protocol string, named types.NamespacedName) string {
	best, rank := "", 0
	for i := range p.Collectors {
		c := &p.Collectors[i]
		port := c.otlpPort(protocol)
		if port == "" || c.Err != "" || c.CR.Spec.Mode == v1beta1.ModeSidecar {
			continue
		}
		name := types.NamespacedName{Namespace: c.CR.Namespace, Name: render.CollectorName(c.CR)}
		r := 1
		switch {
		case name == named:
			r = 4
		case c.CR.Namespace == p.Namespace:
			r = 3
		case c.CR.Namespace == p.home():
			r = 2
		}
		if r > rank {
			rank, best = r, fmt.Sprintf("http://%s.%s.svc.cluster.local:%s", name.Name, name.Namespace, port)
		}
	}
	if best == "" && p.Store != nil {
		best = fmt.Sprintf("http://signalbox-otlp.%s.svc.cluster.local:%s", p.Store.Namespace, customary[protocol])
	}
	return best
}
