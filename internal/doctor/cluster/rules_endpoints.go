package cluster

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/signalbox-otel/signalbox/internal/inject"
)

var emptyName types.NamespacedName

// endpoints finds those at which telemetry is lost.
func endpoints(p *Picture) []Finding {
	var all []Finding
	told := map[string]bool{}
	for _, u := range p.uses() {
		f := p.endpoint(&u)
		if f == nil || told[f.Fix+f.Text] {
			continue
		}
		told[f.Fix+f.Text] = true
		all = append(all, *f)
	}
	return all
}

// endpoint is what is wrong with that of one container, nil when nothing is known
// to be.
func (p *Picture) endpoint(u *use) *Finding {
	endpoint, variable := u.endpoint()
	t := targetOf(endpoint, p.Namespace)
	right, before := p.endpointFor(u.protocol(), t.service)
	find := func(code Code, format string, args ...any) *Finding {
		f := bad(code, u.workload.object(), fmt.Sprintf(format, args...), lines(before, p.change(u, variable, right)))
		return &f
	}
	switch {
	case endpoint == "" && u.kind == inject.SDK:
		return nil // the program may say it itself
	case endpoint == "":
		return find(NoEndpoint, "nothing says where %s sends to, so it tries its own pod", u.kind)
	case t.url == nil:
		return find(NoEndpoint, "the endpoint %s is no URL, as http://collector:4318 is", endpoint)
	case t.local && !strings.Contains(endpoint, "$(") && !u.workload.hasSidecar():
		return find(NoEndpoint, "%s sends to %s, which is its own pod, and there is no collector in it", u.kind, endpoint)
	case t.service.Name == "":
		return nil // it leads out of the cluster
	}
	s, known := p.Services[t.service]
	if !known {
		return nil
	}
	port := s.port(t.port)
	switch {
	case s.NoNamespace, s.Missing:
		return find(EndpointService, "%s sends to %s, and there is no Service %s", u.kind, endpoint, t.service)
	case s.External:
		return nil
	case port == nil:
		return find(EndpointPort, "%s sends to %s, and Service %s has no port %s, only %s", u.kind, endpoint, t.service, t.port, s.portList())
	case u.protocol() != "" && takes(port) != "" && takes(port) != u.protocol():
		return find(EndpointProtocol, "%s speaks %s, and sends to %s, where port %s takes %s", u.kind, saying[u.protocol()], endpoint, t.port, saying[takes(port)])
	case s.Ready == 0:
		f := bad(EndpointNotReady, u.workload.object(), fmt.Sprintf("%s sends to %s, and no ready pod is behind Service %s", u.kind, endpoint, t.service),
			p.tools.kubectl("get", "-n", t.service.Namespace, "pods", "-l", selectorText(s.Selector)))
		return &f
	}
	return nil
}

// saying are protocols in words.
var saying = map[string]string{"grpc": "gRPC", "http": "HTTP"}

// hasSidecar reports whether its pods get a collector.
func (w *Workload) hasSidecar() bool {
	return slices.ContainsFunc(w.Decisions, func(d inject.Decision) bool { return d.Kind == inject.Sidecar && d.Outcome == inject.Injected })
}

// port is the one of a number, nil when there is none.
func (s *Service) port(number string) *corev1.ServicePort {
	i := slices.IndexFunc(s.Ports, func(o corev1.ServicePort) bool { return fmt.Sprint(o.Port) == number })
	if i < 0 {
		return nil
	}
	return &s.Ports[i]
}

func (s *Service) portList() string {
	var all []string
	for _, p := range s.Ports {
		all = append(all, strings.TrimSpace(fmt.Sprintf("%d %s", p.Port, p.Name)))
	}
	if len(all) == 0 {
		return "none"
	}
	return strings.Join(all, ", ")
}

// takes is what a port is for, by what its Service says, else by custom: "grpc" or
// "http", "" when nobody says.
func takes(p *corev1.ServicePort) string {
	app := ""
	if p.AppProtocol != nil {
		app = *p.AppProtocol
	}
	for _, said := range []string{app, p.Name} {
		switch {
		case strings.HasSuffix(said, "grpc"), strings.HasSuffix(said, "h2c"):
			return "grpc"
		case strings.HasSuffix(said, "http"):
			return "http"
		}
	}
	for protocol, port := range customary {
		if fmt.Sprint(p.Port) == port {
			return protocol
		}
	}
	return ""
}

func selectorText(selector map[string]string) string {
	var parts []string
	for _, k := range sortedKeys(selector) {
		parts = append(parts, k+"="+selector[k])
	}
	return strings.Join(parts, ",")
}

func endpointsFine(p *Picture) string {
	all := map[string]bool{}
	for _, u := range p.uses() {
		if e, _ := u.endpoint(); e != "" {
			all[e] = true
		}
	}
	if len(all) == 0 {
		return ""
	}
	return "programs send to " + strings.Join(sortedKeys(all), ", ") + ", where a collector is ready"
}
