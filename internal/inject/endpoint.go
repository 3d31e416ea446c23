package inject

import (
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/signalbox-otel/signalbox/api/v1alpha1"
)

// Service is one of the cluster that an endpoint names, as far as it matters
// whether telemetry arrives there.
type Service struct {
	// Missing says that there is none of that name, NoNamespace that there is not
	// even its namespace.
	Missing     bool `json:"missing,omitempty"`
	NoNamespace bool `json:"noNamespace,omitempty"`
	// Collector says that it leads to a collector or store of ours, whose ports are
	// what they are called.
	Collector bool `json:"collector,omitempty"`
	// Open says that it can be reached at other ports than its own, too: it leads to
	// its pods directly, or to another name.
	Open  bool                 `json:"open,omitempty"`
	Ports []corev1.ServicePort `json:"ports,omitempty"`
}

// signals are parts of the names of variables; the empty one is of all signals
// that have none of their own.
var signals = []string{"", "TRACES_", "METRICS_", "LOGS_"}

func endpointOf(signal string) string { return "OTEL_EXPORTER_OTLP_" + signal + "ENDPOINT" }
func protocolOf(signal string) string { return "OTEL_EXPORTER_OTLP_" + signal + "PROTOCOL" }

// Services are those that a pod may send its telemetry to, by what is written in
// it and in the resources that it may mean. Facts say what is known of them.
func Services(pod *corev1.Pod, namespace metav1.ObjectMeta, instrumentations []*v1alpha1.Instrumentation) []types.NamespacedName {
	var all []types.NamespacedName
	note := func(endpoint string) {
		if a := parseAddress(endpoint, namespace.Name); a.service.Name != "" && !slices.Contains(all, a.service) {
			all = append(all, a.service)
		}
	}
	variables := func(env []corev1.EnvVar) {
		for _, v := range env {
			if slices.ContainsFunc(signals, func(s string) bool { return v.Name == endpointOf(s) }) {
				note(v.Value)
			}
		}
	}
	for _, list := range [][]corev1.Container{pod.Spec.InitContainers, pod.Spec.Containers} {
		for i := range list {
			variables(list[i].Env)
		}
	}
	for _, i := range instrumentations {
		note(i.Spec.Exporter.Endpoint)
		variables(i.Spec.Env)
		for _, l := range languages() {
			variables(l.payload(&i.Spec).Env)
		}
	}
	return all
}

// address is where an endpoint leads.
type address struct {
	// url is nil for what is none.
	url  *url.URL
	port int32
	// service is empty for what is none of the cluster. Names of one or two parts
	// may also be names of something else, unless sure.
	service types.NamespacedName
	sure    bool
}

// parseAddress reads an endpoint as a pod of a namespace does.
func parseAddress(endpoint, namespace string) address {
	u, err := url.Parse(endpoint)
	if err != nil || u.Hostname() == "" || u.Scheme != "http" && u.Scheme != "https" {
		return address{}
	}
	a := address{url: u}
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return a
	}
	a.port = int32(n)
	host := strings.ToLower(strings.TrimSuffix(u.Hostname(), "."))
	if host == "localhost" || net.ParseIP(host) != nil || strings.ContainsAny(host, "$()") {
		return a
	}
	if short, ok := strings.CutSuffix(strings.TrimSuffix(host, ".cluster.local"), ".svc"); ok {
		host, a.sure = short, true
	}
	parts := strings.Split(host, ".")
	if slices.ContainsFunc(parts, func(p string) bool { return len(validation.IsDNS1123Label(p)) > 0 }) {
		return a
	}
	switch {
	case len(parts) == 1 && !a.sure:
		a.service = types.NamespacedName{Namespace: namespace, Name: parts[0]}
	case len(parts) == 2:
		a.service = types.NamespacedName{Namespace: parts[1], Name: parts[0]}
	case len(parts) == 3 && a.sure: // one of its pods
		a.service = types.NamespacedName{Namespace: parts[2], Name: parts[1]}
	}
	return a
}

// What an agent speaks, and what a port takes.
const (
	speaksHTTP = "HTTP"
	speaksGRPC = "gRPC"
)

// customary are the ports that OTLP has by custom.
var customary = map[string]int32{speaksGRPC: 4317, speaksHTTP: 4318}

// takes is what a port is for: what its Service says, else by custom; nothing
// when nobody says.
func takes(p *corev1.ServicePort, number int32) string {
	if p != nil {
		app := ""
		if p.AppProtocol != nil {
			app = strings.TrimPrefix(*p.AppProtocol, "kubernetes.io/")
		}
		switch {
		case app == "grpc" || app == "h2c" || strings.HasSuffix(p.Name, "grpc"):
			return speaksGRPC
		case app == "http" || app == "https" || strings.HasSuffix(p.Name, "http"):
			return speaksHTTP
		}
	}
	for what, port := range customary {
		if number == port {
			return what
		}
	}
	return ""
}

// at is the port of a number, nil when there is none.
func (s *Service) at(number int32) *corev1.ServicePort {
	i := slices.IndexFunc(s.Ports, func(p corev1.ServicePort) bool {
		return p.Port == number && (p.Protocol == corev1.ProtocolTCP || p.Protocol == "")
	})
	if i < 0 {
		return nil
	}
	return &s.Ports[i]
}

// beside is the port of the same receiver for another protocol, nil when there is
// none: what is otlp-grpc has otlp-http beside it.
func (s *Service) beside(p *corev1.ServicePort, speaks string) *corev1.ServicePort {
	if p == nil {
		return nil
	}
	receiver, ok := strings.CutSuffix(p.Name, "-"+strings.ToLower(takes(p, p.Port)))
	if !ok {
		return nil
	}
	i := slices.IndexFunc(s.Ports, func(o corev1.ServicePort) bool { return o.Name == receiver+"-"+strings.ToLower(speaks) })
	if i < 0 {
		return nil
	}
	return &s.Ports[i]
}

// speaks is what the agent sends a signal by; nothing when nobody knows.
func (in *injection) speaks(signal string) string {
	switch in.kind {
	case SDK:
		return ""
	case ApacheHttpd, Nginx:
		return speaksGRPC
	}
	names := []string{protocolOf(signal), protocolOf("")}
	if signal == "" {
		names = names[:1]
		if !in.has(endpointOf("TRACES_")) { // the most talkative of those that are sent there
			names = append(names, protocolOf("TRACES_"))
		}
	}
	for _, name := range names {
		v := variable(in.container, name)
		switch {
		case v == nil && in.sourced(name) != nil, v != nil && v.Value == "":
			return ""
		case v != nil && v.Value == "grpc":
			return speaksGRPC
		case v != nil && signal != "":
			return speaksHTTP
		}
	}
	return speaksHTTP // what agents do when nothing is said
}

// endpoint is the resource's. One that leads to a collector of ours gets the
// port there that is for what the agent speaks.
func (in *injection) endpoint() string {
	endpoint, speaks := in.spec().Exporter.Endpoint, in.speaks("")
	a := parseAddress(endpoint, in.namespace.Name)
	s, known := in.facts.Services[a.service.String()]
	if speaks == "" || !known || !s.Collector {
		return endpoint
	}
	written := s.at(a.port)
	if written == nil || takes(written, a.port) == speaks {
		return endpoint
	}
	fits := s.beside(written, speaks)
	if fits == nil {
		return endpoint
	}
	u := *a.url
	u.Host = net.JoinHostPort(u.Hostname(), strconv.Itoa(int(fits.Port)))
	in.note("the endpoint is %s, because port %d there is for %s, and the agent for %s speaks %s", u.String(), a.port, takes(written, a.port), in.kind, speaks)
	return u.String()
}

// send adds the endpoint, where nobody else set one, and with a port that was
// chosen for a protocol that protocol, so that no agent has another by default.
func (in *injection) send() {
	if in.spec().Exporter.Endpoint == "" || in.has(endpointOf("")) {
		return
	}
	endpoint := in.endpoint()
	in.add(corev1.EnvVar{Name: endpointOf(""), Value: endpoint}) // may refer to OTEL_NODE_IP
	if endpoint != in.spec().Exporter.Endpoint && in.speaks("") == speaksHTTP {
		in.literally(protocolOf(""), "http/protobuf")
	}
}

// checkEndpoints notes endpoints at which telemetry is lost without either side
// saying much: of a Service or port that does not exist, and of a port that
// takes another protocol than the agent speaks.
func (in *injection) checkEndpoints() {
	for _, signal := range signals {
		v := variable(in.container, endpointOf(signal))
		if v == nil || v.Value == "" || strings.HasPrefix(v.Value, "$(") {
			continue
		}
		a := parseAddress(v.Value, in.namespace.Name)
		if a.url == nil {
			if in.kind != SDK {
				in.note("the endpoint %s does not begin with http:// or https://", v.Value)
			}
			continue
		}
		s := in.checkService(v.Value, a)
		speaks, taken := in.speaks(signal), takes(s.at(a.port), a.port)
		if speaks == "" || taken == "" || speaks == taken {
			continue
		}
		right := ""
		switch other := s.beside(s.at(a.port), speaks); {
		case other != nil:
			right = fmt.Sprintf(": that is port %d", other.Port)
		case a.port == customary[taken]:
			right = fmt.Sprintf(": that is port %d", customary[speaks])
		}
		in.note("the endpoint's port %d is for %s, and the agent for %s speaks %s%s", a.port, taken, in.kind, speaks, right)
	}
}

// checkService notes what the cluster does not have of what an endpoint names,
// and returns what is known of its Service.
func (in *injection) checkService(endpoint string, a address) *Service {
	s, known := in.facts.Services[a.service.String()]
	if !known || s.NoNamespace && !a.sure {
		return new(Service)
	}
	if policy := in.before.Spec.DNSPolicy; in.before.Spec.HostNetwork && policy != corev1.DNSClusterFirstWithHostNet && policy != corev1.DNSNone {
		in.note("the endpoint %s names a Service, and a pod in the network of its node finds those with dnsPolicy ClusterFirstWithHostNet only", endpoint)
	}
	switch {
	case s.NoNamespace:
		in.note("the endpoint %s names Service %s, and there is no namespace %s", endpoint, a.service, a.service.Namespace)
	case s.Missing && slices.ContainsFunc(in.before.Spec.HostAliases, func(h corev1.HostAlias) bool { return slices.Contains(h.Hostnames, a.url.Hostname()) }):
	case s.Missing:
		in.note("the endpoint %s names Service %s, which does not exist: what is sent there is lost until it does", endpoint, a.service)
	case !s.Open && s.at(a.port) == nil:
		var ports []string
		for _, p := range s.Ports {
			ports = append(ports, strings.TrimSuffix(fmt.Sprintf("%d %s", p.Port, p.Name), " "))
		}
		in.note("the endpoint %s names port %d of Service %s, which has %s only", endpoint, a.port, a.service, strings.Join(ports, ", "))
	}
	return &s
}
