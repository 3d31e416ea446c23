package inject

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/signalbox-otel/signalbox/api/v1alpha1"
)

// notes are what a decision says besides that it was taken, and besides that the
// image may have set a variable.
func notes(decisions []Decision) string {
	var all []string
	for i, note := range strings.Split(told(decisions), "; ") {
		if i > 0 && !strings.Contains(note, "that no longer counts") {
			all = append(all, note)
		}
	}
	return strings.Join(all, "; ")
}

func speaking(value string) corev1.EnvVar {
	return corev1.EnvVar{Name: "OTEL_EXPORTER_OTLP_PROTOCOL", Value: value}
}

// An endpoint that the agent does not understand is told.
func TestPort(t *testing.T) {
	f := func(kind Kind, endpoint, want string, env ...corev1.EnvVar) {
		t.Helper()
		x := newTrial(kind).env(env...)
		x.instrumentation.Spec.Exporter.Endpoint = endpoint
		_, decisions := x.run()
		if got := notes(decisions); got != want {
			t.Errorf("%s to %s: got %q; want %q", kind, endpoint, got, want)
		}
	}
	f(Python, "http://gateway:4318", "")
	f(Python, "http://gateway:4317", "the endpoint's port 4317 is for gRPC, and the agent for python speaks HTTP: that is port 4318")
	f(Java, "http://gateway:4317", "the endpoint's port 4317 is for gRPC, and the agent for java speaks HTTP: that is port 4318")
	f(Java, "http://gateway:4317", "", speaking("grpc"))
	f(Java, "http://gateway:4318", "the endpoint's port 4318 is for HTTP, and the agent for java speaks gRPC: that is port 4317", speaking("grpc"))
	f(Java, "http://gateway:4317", "", from("OTEL_EXPORTER_OTLP_PROTOCOL"))
	f(Java, "http://gateway:4317", "", corev1.EnvVar{Name: "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", Value: "grpc"})
	f(Python, "http://gateway:4317", "", corev1.EnvVar{Name: "OTEL_EXPORTER_OTLP_ENDPOINT", Value: "http://own:4318"})
	f(Python, "http://gateway:4318", "the endpoint's port 4317 is for gRPC, and the agent for python speaks HTTP: that is port 4318",
		corev1.EnvVar{Name: "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", Value: "http://other:4317"})
	f(Python, "http://gateway:4318", "", corev1.EnvVar{Name: "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", Value: "http://other:4317"},
		corev1.EnvVar{Name: "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", Value: "grpc"})
	f(Python, "gateway:4318", "the endpoint gateway:4318 does not begin with http:// or https://")
	f(Nginx, "http://gateway:4318", "the endpoint's port 4318 is for HTTP, and the agent for nginx speaks gRPC: that is port 4317")
	f(SDK, "http://gateway:4317", "")
	f(SDK, "gateway:4317", "")
	f(NodeJS, "http://$(OTEL_NODE_IP):4318", "")
	f(NodeJS, "$(COLLECTOR)", "")
}

func port(name string, number int32, app string) corev1.ServicePort {
	p := corev1.ServicePort{Name: name, Port: number, Protocol: corev1.ProtocolTCP}
	if app != "" {
		p.AppProtocol = &app
	}
	return p
}

// What the cluster does not have of what an endpoint names is told, and nothing
// of what may be something else.
func TestServiceOfEndpoint(t *testing.T) {
	services := map[string]Service{
		"shop/gateway":  {Ports: []corev1.ServicePort{port("otlp-grpc", 4317, "grpc"), port("otlp-http", 4318, "")}},
		"shop/gone":     {Missing: true},
		"away/gateway":  {Missing: true, NoNamespace: true},
		"shop/headless": {Open: true},
		"shop/odd":      {Ports: []corev1.ServicePort{port("", 80, ""), port("grpc", 81, ""), port("web", 4317, "http")}},
	}
	f := func(endpoint, want string, change ...func(*corev1.Pod)) {
		t.Helper()
		x := newTrial(Java)
		x.instrumentation.Spec.Exporter.Endpoint = endpoint
		x.facts.Services = services
		for _, c := range change {
			c(x.pod)
		}
		_, decisions := x.run()
		if got := notes(decisions); got != want {
			t.Errorf("%s: got %q; want %q", endpoint, got, want)
		}
	}
	f("http://gateway:4318", "")
	f("http://gateway.shop:4318/", "")
	f("http://Gateway.shop.svc.cluster.local.:4318", "")
	f("http://gateway.other:4318", "") // not known
	f("http://gone:4318", "the endpoint http://gone:4318 names Service shop/gone, which does not exist: what is sent there is lost until it does")
	f("http://gone:4318", "", func(p *corev1.Pod) {
		p.Spec.HostAliases = []corev1.HostAlias{{IP: "10.1.1.1", Hostnames: []string{"gone"}}}
	})
	f("http://gateway.away:4318", "") // a name of the Internet, maybe
	f("http://gateway.away.svc:4318", "the endpoint http://gateway.away.svc:4318 names Service away/gateway, and there is no namespace away")
	f("http://gateway:4319", "the endpoint http://gateway:4319 names port 4319 of Service shop/gateway, which has 4317 otlp-grpc, 4318 otlp-http only")
	f("http://gateway", "the endpoint http://gateway names port 80 of Service shop/gateway, which has 4317 otlp-grpc, 4318 otlp-http only")
	f("http://gateway:4317", "the endpoint's port 4317 is for gRPC, and the agent for java speaks HTTP: that is port 4318")
	f("http://pod-0.headless.shop.svc:4318", "")
	f("http://headless:9999", "")
	f("http://odd:80", "")
	f("http://odd:81", "the endpoint's port 81 is for gRPC, and the agent for java speaks HTTP")
	f("http://odd:4317", "")
	f("http://gateway:4318", "the endpoint http://gateway:4318 names a Service, and a pod in the network of its node finds those with dnsPolicy ClusterFirstWithHostNet only",
		func(p *corev1.Pod) { p.Spec.HostNetwork = true })
	f("http://gateway:4318", "", func(p *corev1.Pod) { p.Spec.HostNetwork, p.Spec.DNSPolicy = true, corev1.DNSClusterFirstWithHostNet })
	f("http://10.0.0.1:4318", "")
	f("http://[::1]:4318", "")
	f("https://otlp.example.com", "")
}

// The port of a collector of ours is the one for what the agent speaks.
func TestDerivedPort(t *testing.T) {
	f := func(kind Kind, endpoint, want, note string, env ...corev1.EnvVar) {
		t.Helper()
		x := newTrial(kind)
		x.instrumentation.Spec.Exporter.Endpoint = endpoint
		x.instrumentation.Spec.Env = env
		x.facts.Services = map[string]Service{
			"shop/otel-collector": {Collector: true, Ports: []corev1.ServicePort{
				port("otlp-grpc", 4317, "grpc"), port("otlp-http", 4318, "http"), port("otlp-2-grpc", 9317, "h2c"), port("otlp-2-http", 9318, "http"), port("otlp-3-grpc", 5317, "grpc"),
			}},
			"shop/foreign": {Ports: []corev1.ServicePort{port("otlp-grpc", 4317, "grpc"), port("otlp-http", 4318, "http")}},
		}
		pod, decisions := x.run()
		got := environmentOf(pod, "app")
		if got["OTEL_EXPORTER_OTLP_ENDPOINT"] != want {
			t.Errorf("%s to %s: got %s; want %s", kind, endpoint, got["OTEL_EXPORTER_OTLP_ENDPOINT"], want)
		}
		if n := notes(decisions); n != note {
			t.Errorf("%s to %s: got %q; want %q", kind, endpoint, n, note)
		}
		if derived := want != endpoint && !hasVariable(env, "OTEL_EXPORTER_OTLP_ENDPOINT") && !hasVariable(env, protocolOf("")); derived && got[protocolOf("")] != "http/protobuf" {
			t.Errorf("%s to %s: the protocol is %q; want http/protobuf", kind, endpoint, got[protocolOf("")])
		}
	}
	for _, kind := range []Kind{Java, NodeJS, Python, DotNet} {
		f(kind, "http://otel-collector:4317", "http://otel-collector:4318",
			"the endpoint is http://otel-collector:4318, because port 4317 there is for gRPC, and the agent for "+string(kind)+" speaks HTTP")
		f(kind, "http://otel-collector:4318", "http://otel-collector:4318", "")
	}
	f(Python, "http://otel-collector.shop.svc:9317/otlp", "http://otel-collector.shop.svc:9318/otlp",
		"the endpoint is http://otel-collector.shop.svc:9318/otlp, because port 9317 there is for gRPC, and the agent for python speaks HTTP")
	f(Python, "http://otel-collector:5317", "http://otel-collector:5317", "the endpoint's port 5317 is for gRPC, and the agent for python speaks HTTP")
	f(Java, "http://otel-collector:4317", "http://otel-collector:4317", "", speaking("grpc"))
	f(Java, "http://otel-collector:4318", "http://otel-collector:4317",
		"the endpoint is http://otel-collector:4317, because port 4318 there is for HTTP, and the agent for java speaks gRPC", speaking("grpc"))
	// Who sets the variable means it.
	f(Python, "http://unused:1", "http://otel-collector:4317", "the endpoint's port 4317 is for gRPC, and the agent for python speaks HTTP: that is port 4318",
		corev1.EnvVar{Name: "OTEL_EXPORTER_OTLP_ENDPOINT", Value: "http://otel-collector:4317"})
	f(Python, "http://foreign:4317", "http://foreign:4317", "the endpoint's port 4317 is for gRPC, and the agent for python speaks HTTP: that is port 4318")
	f(SDK, "http://otel-collector:4317", "http://otel-collector:4317", "")
}

// A bundle of certificates that is not there is told.
func TestMissingBundle(t *testing.T) {
	x := newTrial(Java)
	x.instrumentation.Spec.Exporter.TLS = &v1alpha1.ExporterTLS{ConfigMapName: "bundle", CA: "ca.crt"}
	x.facts.NoConfigMaps = []string{"other", "bundle"}
	_, decisions := x.run()
	if got, want := notes(decisions), "namespace shop has no ConfigMap bundle, which has the certificate of whom the exporter trusts: make it, and start the pod again"; got != want {
		t.Errorf("got %q; want %q", got, want)
	}
}

// What is looked up is what endpoints name, wherever they are written.
func TestServices(t *testing.T) {
	x := newTrial(Java)
	endpoint := func(signal, value string) corev1.EnvVar {
		return corev1.EnvVar{Name: "OTEL_EXPORTER_OTLP_" + signal + "ENDPOINT", Value: value}
	}
	x.env(endpoint("", "http://a:4318"), endpoint("LOGS_", "http://b.logs.svc.cluster.local"), corev1.EnvVar{Name: "OTHER", Value: "http://not:1"})
	x.pod.Spec.InitContainers = []corev1.Container{{Env: []corev1.EnvVar{endpoint("", "http://c:1"), from("OTEL_EXPORTER_OTLP_ENDPOINT")}}}
	x.instrumentation.Spec.Exporter.Endpoint = "http://a:4317"
	x.instrumentation.Spec.Env = []corev1.EnvVar{endpoint("TRACES_", "https://d.e:4318"), endpoint("METRICS_", "https://f.example.com")}
	x.instrumentation.Spec.Python.Env = []corev1.EnvVar{endpoint("", "http://$(OTEL_NODE_IP):4318"), endpoint("TRACES_", "http://g.svc")}
	var got []string
	for _, s := range Services(x.pod, metav1.ObjectMeta{Name: "shop"}, []*v1alpha1.Instrumentation{x.instrumentation}) {
		got = append(got, s.String())
	}
	if want := "shop/c shop/a logs/b e/d"; strings.Join(got, " ") != want {
		t.Errorf("got %s; want %s", strings.Join(got, " "), want)
	}
}

// FuzzAddress reads endpoints as people write them: whatever it is, the Service
// has a name and a namespace, or neither.
func FuzzAddress(f *testing.F) {
	for _, s := range []string{"http://a:4317", "https://a.b.svc.cluster.local./x", "a:1", "http://$(X):1", "http://[::1]", "http://..svc:1", "//a"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, endpoint string) {
		if a := parseAddress(endpoint, "shop"); (a.service.Name == "") != (a.service.Namespace == "") {
			t.Errorf("%q: got %+v", endpoint, a.service)
		}
	})
}
