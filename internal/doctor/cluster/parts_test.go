package cluster

import (
	"os/exec"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/signalbox-otel/signalbox/internal/doctor"
	"github.com/signalbox-otel/signalbox/internal/install"
	"github.com/signalbox-otel/signalbox/internal/operator/needs"
)

// What a shell makes of a command is what was meant, and the cluster that the
// user named is named.
func TestCommands(t *testing.T) {
	for _, word := range []string{"", "plain-1_x/y.z:1", "two words", `it's "so"`, "$HOME `id` \\ *", "a\nb", "注文"} {
		out, err := exec.CommandContext(t.Context(), "sh", "-c", command("printf", "%s", word)).Output()
		if err != nil || string(out) != word {
			t.Errorf("a shell makes %q of %q, %v", out, word, err)
		}
	}
	p := healthy(t)
	p.tools = tools{"/home/a b/config", "prod"}
	p.Operator.Namespace, p.Operator.Image = "tools", "registry/signalbox:1"
	p.Store.Values = []string{"store.size=50Gi"}
	if got, want := p.install("operator.webhookPort=443"), `signalbox install -n tools --image registry/signalbox:1 --set store.size=50Gi --set operator.webhookPort=443 | kubectl --kubeconfig '/home/a b/config' --context prod apply -f -`; got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
}

func TestTargets(t *testing.T) {
	f := func(endpoint, service, port string, local bool) {
		t.Helper()
		got := targetOf(endpoint, "shop")
		name := got.service.String()
		if got.service == emptyName {
			name = ""
		}
		if name != service || got.port != port || got.local != local {
			t.Errorf("%s: got %s, port %s, local %t; want %s, %s, %t", endpoint, name, got.port, got.local, service, port, local)
		}
	}
	f("http://collector:4318", "shop/collector", "4318", false)
	f("http://collector.otel:4317", "otel/collector", "4317", false)
	f("http://collector.otel.svc:4317", "otel/collector", "4317", false)
	f("https://collector.otel.svc.cluster.local.", "otel/collector", "443", false)
	f("http://pod-0.collector.otel.svc.cluster.local:4318", "otel/collector", "4318", false)
	f("https://api.vendor.example.com/otlp", "", "443", false)
	f("http://10.1.2.3:4318", "", "4318", false)
	f("http://localhost:4318", "", "4318", true)
	f("http://$(OTEL_NODE_IP):4318", "", "4318", true)
	f("collector:4318", "", "", false)
}

// Who is connected to whom follows from configurations, through further
// collectors.
func TestTopology(t *testing.T) {
	p := healthy(t)
	p.Collectors = append(p.Collectors, collectorOf(t, "shop", "agent", `
		receivers: {otlp: {protocols: {http: {endpoint: "0.0.0.0:4318"}}}, jaeger: {protocols: {grpc: {}}}}
		exporters: {otlp: {endpoint: "otel-collector.`+needs.Namespace+`:4317", tls: {insecure: true}}, otlp/vendor: {endpoint: "api.example.com:4317"}}
		connectors: {span_metrics: {}}
		service:
		  pipelines:
		    traces: {receivers: [otlp, jaeger], processors: [], exporters: [otlp, otlp/vendor, span_metrics]}
		    metrics: {receivers: [span_metrics], exporters: [otlp]}`))
	agent := &p.Collectors[1]
	got := topologyOf(agent.Config, doctor.Listener{Receiver: "otlp", Protocol: "http"})
	slices.SortFunc(got.Exits, func(a, b doctor.Exit) int { return len(a.Exporter) - len(b.Exporter) })
	want := doctor.Topology{
		Connectors: []string{"span_metrics"},
		Listeners:  []doctor.Listener{{Receiver: "otlp", Protocol: "http"}},
		Pipelines: []doctor.Pipeline{
			{ID: "metrics", Signal: "metrics", Receivers: []string{"span_metrics"}, Exporters: []string{"otlp"}},
			{ID: "traces", Signal: "traces", Receivers: []string{"otlp"}, Exporters: []string{"otlp", "otlp/vendor", "span_metrics"}},
		},
		Exits: []doctor.Exit{{Exporter: "otlp", Endpoint: gateway.Name + "." + needs.Namespace + ":4317", Insecure: true}, {Exporter: "otlp/vendor", Endpoint: "api.example.com:4317"}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	if agent.otlpPort("http") != "4318" || agent.otlpPort("grpc") != "" || agent.receiverAt("http") != "otlp" {
		t.Errorf("got ports %q for HTTP, %q for gRPC; want 4318 and none", agent.otlpPort("http"), agent.otlpPort("grpc"))
	}
	for endpoint, want := range map[string]bool{
		"signalbox-otlp:4317": true, "http://agent-collector.shop:4318": true, "otel-collector." + needs.Namespace + ".svc.cluster.local:4317": true,
		"api.example.com:4317": false, "": false, "jaeger-collector.observability:4317": false,
	} {
		if got := p.leadsToStore(endpoint); got != want {
			t.Errorf("%s leads to the store: got %t; want %t", endpoint, got, want)
		}
	}
	// Of two collectors, that of the namespace is nearer; of the one that is named,
	// the other port.
	if got, want := p.suggest("http", emptyName), "http://agent-collector.shop.svc.cluster.local:4318"; got != want {
		t.Errorf("got %s; want %s", got, want)
	}
	if got, want := p.suggest("grpc", gateway), "http://otel-collector."+needs.Namespace+".svc.cluster.local:4317"; got != want {
		t.Errorf("got %s; want %s", got, want)
	}
}

// What NetworkPolicies allow.
func TestPolicies(t *testing.T) {
	p := &Picture{Namespaces: map[string]map[string]string{"shop": {"team": "shop"}, "otel": {"team": "otel"}}}
	c := connection{
		from: peer{namespace: "shop", labels: map[string]string{"app": "frontend"}, ip: "10.0.0.1"},
		to: peer{namespace: "otel", labels: map[string]string{"app": "otel"}, ip: "10.0.1.1", spec: &corev1.PodSpec{
			Containers: []corev1.Container{{Ports: []corev1.ContainerPort{{Name: "otlp-http", ContainerPort: 4318}}}},
		}},
		port: 4318, protocol: corev1.ProtocolTCP,
	}
	f := func(name, spec string, want bool) {
		t.Helper()
		policy := networkingv1.NetworkPolicy{}
		policy.Name, policy.Namespace = "policy", "shop"
		unmarshal(t, spec, &policy.Spec)
		policy.Spec.PolicyTypes = []networkingv1.PolicyType{networkingv1.PolicyTypeEgress}
		p.Policies = []networkingv1.NetworkPolicy{policy}
		if got := p.against(c, networkingv1.PolicyTypeEgress) == ""; got != want {
			t.Errorf("%s: allowed %t; want %t", name, got, want)
		}
	}
	f("of other pods", "podSelector: {matchLabels: {app: backend}}", true)
	f("nothing", "podSelector: {matchLabels: {app: frontend}}", false)
	f("everything", "egress: [{}]", true)
	f("the port", "egress: [{ports: [{port: 4318}]}]", true)
	f("another port", "egress: [{ports: [{port: 4317}]}]", false)
	f("the port over UDP", "egress: [{ports: [{port: 4318, protocol: UDP}]}]", false)
	f("the port by name", "egress: [{ports: [{port: otlp-http}]}]", true)
	f("a range", "egress: [{ports: [{port: 4000, endPort: 5000}]}]", true)
	f("any port over TCP", "egress: [{ports: [{protocol: TCP}]}]", true)
	f("pods of the own namespace", "egress: [{to: [{podSelector: {}}]}]", false)
	f("the other namespace", "egress: [{to: [{namespaceSelector: {matchLabels: {team: otel}}}]}]", true)
	f("other pods there", "egress: [{to: [{namespaceSelector: {}, podSelector: {matchLabels: {app: db}}}]}]", false)
	f("its address", "egress: [{to: [{ipBlock: {cidr: 10.0.0.0/16}}]}]", true)
	f("all but its address", "egress: [{to: [{ipBlock: {cidr: 10.0.0.0/8, except: [10.0.1.0/24]}}]}]", false)
	f("the second rule", "egress: [{ports: [{port: 53}]}, {ports: [{port: 4318}], to: [{namespaceSelector: {}}]}]", true)
}

func TestNames(t *testing.T) {
	all := []string{"flask_exporter_info", "flask_http_request_duration_seconds_bucket", "flask_http_request_total", "http_server_duration_milliseconds_sum", "process_cpu_seconds_total", "up"}
	f := func(name string, want ...string) {
		t.Helper()
		if diff := cmp.Diff(want, alike(name, all)); diff != "" {
			t.Errorf("%s: -want +got\n%s", name, diff)
		}
	}
	f("flask_http_request", "flask_http_request_total", "flask_http_request_duration_seconds_bucket")
	f("flask.http.request.total", "flask_http_request_total", "flask_http_request_duration_seconds_bucket")
	f("http.server.duration", "http_server_duration_milliseconds_sum")
	f("flask", "flask_exporter_info", "flask_http_request_duration_seconds_bucket", "flask_http_request_total")
	f("process.cpu.time")
	f("http_request", "flask_http_request_duration_seconds_bucket", "flask_http_request_total")
	if got, want := googleName("http_request_seconds_bucket"), "prometheus.googleapis.com/http_request_seconds/histogram"; got != want {
		t.Errorf("got %s; want %s", got, want)
	}
}

// What the pod is asked to do is in its definition, and what it says is read.
func TestAnswers(t *testing.T) {
	answers, err := answersOf(&corev1.ContainerStateTerminated{Message: `[{"taken":true,"hop":{"kind":"receiver","status":"ok","text":"took it"}}]`})
	if err != nil || len(answers) != 1 || !answers[0].Taken || answers[0].Hop.Text != "took it" {
		t.Errorf("got %+v, %v", answers, err)
	}
	_, err = answersOf(&corev1.ContainerStateTerminated{ExitCode: 2, Message: "Error: unknown command\n"})
	if want := "the pod that was to send it ended with exit code 2: Error: unknown command"; err == nil || err.Error() != want {
		t.Errorf("got %v; want %s", err, want)
	}
}

// The values of an installation are read from what it made, so that installing
// again with them changes nothing else.
func TestValues(t *testing.T) {
	f := func(set []string, want ...string) {
		t.Helper()
		values, err := install.Parse(nil, set)
		if err != nil {
			t.Fatal(err)
		}
		objects, err := install.Objects(values, "signalbox:1.2.3")
		if err != nil {
			t.Fatal(err)
		}
		var all []client.Object
		for _, o := range objects {
			if kind := o.GetKind(); kind == "Deployment" || kind == "StatefulSet" || kind == "ConfigMap" || kind == "Namespace" {
				all = append(all, o)
			}
		}
		g := &gatherer{client: fake.NewClientBuilder().WithScheme(clientgoscheme.Scheme).WithObjects(all...).Build(), p: &Picture{
			Namespaces: map[string]map[string]string{}, Unseen: map[Area][]string{},
		}}
		g.namespaces(t.Context())
		g.operator(t.Context())
		g.store(t.Context())
		if len(g.p.Unseen) > 0 || g.p.Operator == nil {
			t.Fatalf("got operator %+v, not seen %v", g.p.Operator, g.p.Unseen)
		}
		got := slices.Clone(g.p.Operator.Values)
		if g.p.Store != nil {
			got = append(got, g.p.Store.Values...)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%v: -want +got\n%s", set, diff)
		}
		again, err := install.Parse(nil, got)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(values, again); diff != "" {
			t.Errorf("%v: installed again (-before +after)\n%s", set, diff)
		}
	}
	f(nil)
	f([]string{"operator.replicas=2", "operator.webhookPort=443", "operator.watchNamespaces=[shop, web]", "operator.args=[--zap-log-level=debug]", "podSecurity=baseline"},
		"operator.replicas=2", "operator.webhookPort=443", "operator.watchNamespaces=[shop,web]", `operator.args=["--zap-log-level=debug"]`, "podSecurity=baseline")
	f([]string{"operator.certManager=true", "operator.collectorImage=otel/contrib:1", "operator.instrumentationDelivery=auto", "store.size=50Gi", "store.retention=30d"},
		"operator.certManager=true", "operator.collectorImage=otel/contrib:1", "operator.instrumentationDelivery=auto", "store.size=50Gi", "store.retention=30d")
	f([]string{"store.enabled=false", "collector.enabled=false"}, "collector.enabled=false", "store.enabled=false")
	f([]string{"store.persistent=false"}, "store.persistent=false")
}

// Whose collectors have nothing to do with the namespace are not told of; those
// of the way of its telemetry are, wherever they are.
func TestConcerned(t *testing.T) {
	p := healthy(t)
	config := func(exporter string) string {
		return `
			receivers: {otlp: {protocols: {http: {endpoint: "0.0.0.0:4318"}}}}
			exporters: {otlp: {endpoint: "` + exporter + `"}}
			service: {pipelines: {traces: {receivers: [otlp], exporters: [otlp]}}}`
	}
	p.Collectors = append(p.Collectors, collectorOf(t, "team", "agent", config("gateway-collector.edge:4317")),
		collectorOf(t, "edge", "gateway", config("api.example.com:4317")), collectorOf(t, "others", "own", config("api.example.com:4317")))
	for i := range p.Collectors {
		p.Collectors[i].Trouble = "it crashes"
	}
	p.Instrumentations[0].Spec.Exporter.Endpoint = "http://agent-collector.team:4318"
	decide(p)
	var got []string
	for _, f := range collectors(p) {
		got = append(got, f.Object)
	}
	want := []string{"otelcol/otel -n " + needs.Namespace, "otelcol/agent -n team", "otelcol/gateway -n edge"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}
