package cluster

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/signalbox-otel/signalbox/api/v1alpha1"
	"github.com/signalbox-otel/signalbox/api/v1beta1"
	"github.com/signalbox-otel/signalbox/internal/doctor"
	"github.com/signalbox-otel/signalbox/internal/inject"
	"github.com/signalbox-otel/signalbox/internal/operator/needs"
	"github.com/signalbox-otel/signalbox/internal/operator/settings"
	"github.com/signalbox-otel/signalbox/internal/render"
)

// gateway is the Service of the collector of a healthy cluster.
var gateway = types.NamespacedName{Namespace: needs.Namespace, Name: "otel-collector"}

// healthy is a cluster in which nothing is wrong: a Python program is instrumented
// and sends to a collector, which sends to the store and scrapes what asks for it.
func healthy(t *testing.T) *Picture {
	t.Helper()
	service := types.NamespacedName{Namespace: needs.Namespace, Name: needs.WebhookService}
	p := &Picture{
		Now: time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC), Namespace: "shop", Image: "signalbox:1.2.3",
		Meta:        metav1.ObjectMeta{Name: "shop"},
		Definitions: map[string]Definition{},
		Operator:    &Deployed{Namespace: needs.Namespace, Name: needs.Deployment, Account: needs.Deployment, Ours: true, Image: "signalbox:1.2.3", Port: 9443},
		Hooks: []Hook{
			{Kind: "MutatingWebhookConfiguration", Configuration: needs.MutatingWebhooks, Name: "mpod.kb.io", Service: service},
			{Kind: "ValidatingWebhookConfiguration", Configuration: needs.ValidatingWebhooks, Name: "vinstrumentationcreateupdate.kb.io", Service: service, Blocks: true},
		},
		Paths:      []Path{{Name: "admission"}, {Name: "conversion"}},
		Store:      &Deployed{Namespace: needs.Namespace, Name: "signalbox", Ours: true},
		Namespaces: map[string]map[string]string{},
		Services:   map[types.NamespacedName]Service{},
		Unseen:     map[Area][]string{},
	}
	for name, versions := range wanted() {
		p.Definitions[name] = Definition{Served: versions, Stored: versions[0], Conversion: service}
	}
	for _, name := range []string{"shop", "kube-system", needs.Namespace} {
		p.Namespaces[name] = map[string]string{"kubernetes.io/metadata.name": name}
	}
	p.Collectors = []Collector{collectorOf(t, needs.Namespace, "otel", `
		receivers:
		  otlp: {protocols: {grpc: {endpoint: "0.0.0.0:4317"}, http: {endpoint: "0.0.0.0:4318"}}}
		  prometheus: {config: {scrape_configs: [{job_name: pods, kubernetes_sd_configs: [{role: pod}],
		    relabel_configs: [{source_labels: [__meta_kubernetes_pod_annotation_prometheus_io_scrape], action: keep, regex: "true"}]}]}}
		exporters: {otlp: {endpoint: "signalbox-otlp:4317", tls: {insecure: true}}}
		service:
		  pipelines:
		    traces: {receivers: [otlp], exporters: [otlp]}
		    logs: {receivers: [otlp], exporters: [otlp]}
		    metrics: {receivers: [otlp, prometheus], exporters: [otlp]}`)}
	p.Images = settings.Default("1.2.3").Images.Agents
	p.Images.Python = "signalbox-python:1.2.3"
	i := &v1alpha1.Instrumentation{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "shop"}}
	i.Spec.Exporter.Endpoint = "http://otel-collector." + needs.Namespace + ".svc.cluster.local:4318"
	p.Instrumentations = []*v1alpha1.Instrumentation{i}
	p.Services[gateway] = Service{
		Selector: map[string]string{"app": "otel"}, Ready: 1,
		Ports: []corev1.ServicePort{{Name: "otlp-grpc", Port: 4317, TargetPort: intstr.FromInt32(4317)}, {Name: "otlp-http", Port: 4318, TargetPort: intstr.FromInt32(4318)}},
		Pods:  []corev1.Pod{{ObjectMeta: metav1.ObjectMeta{Namespace: needs.Namespace, Labels: map[string]string{"app": "otel"}}}},
	}
	w := Workload{Kind: "Deployment", Name: "frontend", Template: corev1.PodTemplateSpec{
		ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"app": "frontend"}, Annotations: map[string]string{
			"instrumentation.opentelemetry.io/inject-python": "true",
			scrapeAnnotation: "true", portAnnotation: "8080",
		}},
		Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "app", Image: "shop/frontend:1", Ports: []corev1.ContainerPort{{ContainerPort: 8080}}}}},
	}}
	p.Workloads = []Workload{w}
	decide(p)
	p.Workloads[0].Pods = []corev1.Pod{*p.Workloads[0].Decided}
	p.Scrapes = []Scrape{{Workload: "deployment/frontend", Pod: "frontend-1", Port: "8080", Path: "/metrics", Asked: true, Status: 200, Metrics: true}}
	return p
}

// decide decides about all workloads, as the operator would.
func decide(p *Picture) {
	var sidecars []*v1beta1.OpenTelemetryCollector
	for i := range p.Workloads {
		w := &p.Workloads[i]
		r := inject.AddSidecar(w.pod(), p.Meta, sidecars, inject.Facts{})
		w.Decided, w.Decisions = inject.AddInstrumentation(r.Pod, p.Meta, p.Instrumentations, inject.Facts{Images: p.Images})
		if r.Decision.Kind != "" {
			w.Decisions = append(w.Decisions, r.Decision)
		}
	}
}

// collectorOf is one that is ready, with the configuration.
func collectorOf(t *testing.T, namespace, name, config string) Collector {
	t.Helper()
	cr := &v1beta1.OpenTelemetryCollector{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
	unmarshal(t, strings.ReplaceAll(config, "\t", ""), &cr.Spec.Config)
	facts := render.Facts{CollectorImage: "signalbox:1.2.3", RBAC: true}
	plan, err := render.Collector(cr, facts)
	if err != nil {
		t.Fatal(err)
	}
	c, err := render.Configuration(cr, facts)
	if err != nil {
		t.Fatal(err)
	}
	return Collector{CR: cr, Plan: plan, Config: c, Account: name + "-collector", AccountMeta: new(metav1.ObjectMeta)}
}

func TestHealthy(t *testing.T) {
	var got []string
	for _, f := range Judge(healthy(t)) {
		got = append(got, string(f.Status)+" "+string(f.Area)+": "+f.Text)
	}
	want := []string{
		"ok definitions: the cluster knows all 4 kinds, in all their versions",
		"ok operator: deployment/opentelemetry-operator-controller-manager of namespace opentelemetry-operator-system is ready",
		"ok webhooks: the API server reaches the operator, for admission and conversion",
		"ok rights: the operator and 1 collector may do what they need",
		"ok collectors: 1 collector is ready",
		"ok store: statefulset/signalbox of namespace opentelemetry-operator-system is ready",
		"ok instrumentation: deployment/frontend is instrumented",
		"ok endpoints: programs send to http://otel-collector.opentelemetry-operator-system.svc.cluster.local:4318, where a collector is ready",
		"ok scraping: deployment/frontend: its metrics are found and scraped",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

// trap is a way to lose data, and what is said of it.
type trap struct {
	name  string
	spoil func(*Picture)
	code  Code
	// status and object, and what text and fix contain.
	status    doctor.Status
	object    string
	text, fix string
}

func TestTraps(t *testing.T) {
	for _, c := range slices.Concat(installTraps(), collectorTraps(), workloadTraps(), scrapeTraps(), networkTraps()) {
		t.Run(c.name, func(t *testing.T) {
			p := healthy(t)
			c.spoil(p)
			decide(p)
			if c.code != NotInjected && c.code != NotRenewed { // pods start anew
				for i := range p.Workloads {
					p.Workloads[i].Pods = []corev1.Pod{*p.Workloads[i].Decided}
				}
			}
			var found []Finding
			for _, f := range Judge(p) {
				if f.Status == doctor.Error || f.Status == doctor.Warning {
					found = append(found, f)
				}
			}
			if len(found) != 1 {
				t.Fatalf("got %d findings, %+v; want 1, %s", len(found), found, c.code)
			}
			f := found[0]
			if f.Code != c.code || f.Status != c.status || f.Object != c.object || !strings.Contains(f.Text, c.text) || !strings.Contains(f.Fix, c.fix) {
				t.Errorf("got %s %s of %q: %q, mended by\n%s\nwant %s %s of %q: %q, mended by\n%s", f.Status, f.Code, f.Object, f.Text, f.Fix, c.status, c.code, c.object, c.text, c.fix)
			}
		})
	}
}

func installTraps() []trap {
	const crd, deployment = "customresourcedefinition/opentelemetrycollectors.opentelemetry.io", "deployment/opentelemetry-operator-controller-manager"
	return []trap{
		{"a definition is missing", func(p *Picture) { delete(p.Definitions, needs.CollectorCRD) },
			DefinitionMissing, doctor.Error, crd, "does not know", "signalbox install | kubectl apply -f -"},
		{"an old definition is left over", func(p *Picture) {
			p.Definitions[needs.CollectorCRD] = Definition{Served: []string{"v1alpha1"}, Stored: "v1alpha1"}
		}, DefinitionOld, doctor.Error, crd, "version v1beta1 is not served", "signalbox install | kubectl apply -f -"},
		{"another operator converts", func(p *Picture) {
			d := p.Definitions[needs.CollectorCRD]
			d.Conversion.Namespace = "otel"
			p.Definitions[needs.CollectorCRD] = d
		}, ConversionForeign, doctor.Error, crd, "Service otel/opentelemetry-operator-webhook-service", "signalbox install"},
		{"no operator", func(p *Picture) { p.Operator, p.Hooks, p.Paths = nil, nil, nil },
			OperatorMissing, doctor.Error, "", "no operator", "signalbox install | kubectl apply -f -"},
		{"an operator of others", func(p *Picture) { p.Operator.Ours = false },
			OperatorForeign, doctor.Warning, deployment, "not installed by Signalbox", "kubectl delete -n opentelemetry-operator-system " + deployment},
		{"the operator crashes", func(p *Picture) { p.Operator.Trouble, p.Operator.Pod = "container manager ended", "manager-1" },
			OperatorNotReady, doctor.Error, deployment, "is not ready: container manager ended", "kubectl describe -n opentelemetry-operator-system pod/manager-1"},
		{"cert-manager is to make the certificate, and is not there", func(p *Picture) {
			p.Operator.Secret, p.Operator.NoSecret, p.Operator.Trouble = "serving-cert", true, "ContainerCreating"
			p.Operator.Values = []string{"operator.certManager=true", "operator.replicas=2"}
		}, CertManagerMissing, doctor.Error, deployment, "there is no cert-manager", "signalbox install --set operator.replicas=2 --set operator.certManager=false | kubectl apply -f -"},
		{"webhooks of another operator are left over", func(p *Picture) {
			p.Hooks = append(p.Hooks, Hook{Kind: "MutatingWebhookConfiguration", Configuration: "otel-mutation", Service: types.NamespacedName{Namespace: "otel", Name: "otel-webhook"}, NoService: true, Blocks: true})
		}, WebhookLeftOver, doctor.Error, "mutatingwebhookconfiguration/otel-mutation", "is refused", "kubectl delete mutatingwebhookconfiguration/otel-mutation"},
		{"a webhook configuration is missing", func(p *Picture) { p.Hooks = p.Hooks[:1] },
			WebhookMissing, doctor.Error, "validatingwebhookconfiguration/" + needs.ValidatingWebhooks, "does not call the operator", "signalbox install"},
		{"a private cluster's firewall", func(p *Picture) { p.Paths[0].Problem = "failed calling webhook: context deadline exceeded" },
			WebhookUnreachable, doctor.Error, "", "does not reach the operator for admission", "signalbox install --set operator.webhookPort=10250 | kubectl apply -f -"},
		{"the operator lacks rights", func(p *Picture) {
			p.OperatorLacks = []rbacv1.PolicyRule{{APIGroups: []string{"apps"}, Resources: []string{"deployments"}, Verbs: []string{"create", "patch"}}}
		}, OperatorRights, doctor.Error, deployment, "may not create, patch deployments.apps", "signalbox install"},
	}
}

func collectorTraps() []trap {
	const otel = "otelcol/otel -n opentelemetry-operator-system"
	return []trap{
		{"scraping lacks rights", func(p *Picture) {
			p.Collectors[0].Lacks = []rbacv1.PolicyRule{{APIGroups: []string{""}, Resources: []string{"pods"}, Verbs: []string{"list", "watch"}}}
		}, CollectorRights, doctor.Error, otel, "account otel-collector may not: list, watch pods", "kind: ClusterRoleBinding"},
		{"the service account is missing", func(p *Picture) {
			c := &p.Collectors[0]
			c.CR.Spec.ServiceAccount, c.Account, c.AccountMeta, c.Trouble = "otel-demo", "otel-demo", nil, "0 of 1 pods are ready"
		}, AccountMissing, doctor.Error, otel, "service account otel-demo does not exist", "kubectl create serviceaccount -n opentelemetry-operator-system otel-demo"},
		{"a Secret is missing", func(p *Picture) {
			p.Collectors[0].NoSecrets, p.Collectors[0].Trouble = []string{"gcp-key"}, "CreateContainerConfigError"
		},
			SecretMissing, doctor.Error, otel, "Secret gcp-key", "kubectl create secret generic -n opentelemetry-operator-system gcp-key"},
		{"a collector crashes", func(p *Picture) { p.Collectors[0].Trouble, p.Collectors[0].Pod = "ended with exit code 1", "otel-1" },
			CollectorNotReady, doctor.Error, otel, "ended with exit code 1", "kubectl describe -n opentelemetry-operator-system pod/otel-1"},
		{"a target allocator is not ready", func(p *Picture) {
			p.Allocators = []Allocator{{Namespace: "shop", Name: "ta", Trouble: "it is not there"}}
		}, AllocatorNotReady, doctor.Error, "targetallocator/ta", "it is not there", "kubectl describe -n shop targetallocator/ta"},
		{"the store is not ready", func(p *Picture) { p.Store.Trouble = "no node takes it" },
			StoreNotReady, doctor.Error, "statefulset/signalbox -n opentelemetry-operator-system", "no node takes it", "kubectl describe"},
	}
}

func workloadTraps() []trap {
	const frontend = "deployment/frontend"
	env := func(p *Picture, name, value string) {
		s := &p.Instrumentations[0].Spec
		s.Python.Env = append(s.Python.Env, corev1.EnvVar{Name: "UNRELATED", Value: "1"}, corev1.EnvVar{Name: name, Value: value})
	}
	restart := "\nkubectl rollout restart -n shop deployment/frontend"
	return []trap{
		{"annotation on the Deployment", func(p *Picture) {
			w := &p.Workloads[0]
			w.Meta.Annotations = map[string]string{"instrumentation.opentelemetry.io/inject-python": "true"}
			delete(w.Template.Annotations, "instrumentation.opentelemetry.io/inject-python")
		}, AnnotationMisplace, doctor.Error, frontend, "is on the Deployment itself",
			`kubectl patch -n shop deployment/frontend --type=merge -p '{"spec":{"template":{"metadata":{"annotations":{"instrumentation.opentelemetry.io/inject-python":"true"}}}}}'`},
		{"the Instrumentation is in another namespace", func(p *Picture) { p.Instrumentations[0].Namespace = "default" },
			OtherNamespace, doctor.Error, frontend, "there is default/shop", `"instrumentation.opentelemetry.io/inject-python":"default/shop"`},
		{"no Instrumentation", func(p *Picture) { p.Instrumentations = nil },
			Refused, doctor.Error, frontend, "namespace shop has no Instrumentation", "kind: Instrumentation"},
		{"a sidecar that nobody offers", func(p *Picture) { p.Workloads[0].Template.Annotations[v1beta1.AnnotationSidecar] = "true" },
			NoSidecar, doctor.Warning, frontend, "instrumentation needs no collector in the pod", `"sidecar.opentelemetry.io/inject":null`},
		{"pods started before a change", func(p *Picture) { env(p, "OTEL_SERVICE_NAME", "shop") },
			NotRenewed, doctor.Warning, frontend, "1 of 1 pod got something else", "kubectl rollout restart -n shop deployment/frontend"},
		{"pods started before", func(p *Picture) { p.Workloads[0].Pods = []corev1.Pod{{}} },
			NotInjected, doctor.Error, frontend, "1 of 1 pod started before", "kubectl rollout restart -n shop deployment/frontend"},
		{"metrics are off", func(p *Picture) { env(p, "OTEL_METRICS_EXPORTER", "none") },
			SignalOff, doctor.Warning, frontend, "sends no metrics",
			`kubectl patch -n shop instrumentation/shop --type=json -p '[{"op":"test","path":"/spec/python/env/1/name","value":"OTEL_METRICS_EXPORTER"},{"op":"replace","path":"/spec/python/env/1/value","value":"otlp"}]'` + restart},
		{"the program's own variable", func(p *Picture) {
			c := &p.Workloads[0].Template.Spec.Containers[0]
			c.Env = append(c.Env, corev1.EnvVar{Name: "OTEL_TRACES_EXPORTER", Value: "none"})
		}, SignalOff, doctor.Warning, frontend, "sends no traces", "kubectl set env -n shop deployment/frontend -c app OTEL_TRACES_EXPORTER=otlp"},
		{"a ratio of 0.25", func(p *Picture) {
			p.Instrumentations[0].Spec.Sampler = v1alpha1.Sampler{Type: v1alpha1.ParentBasedTraceIDRatio, Argument: "0.25"}
		}, SampledOut, doctor.Warning, frontend, "keeps 1 trace of 4",
			`kubectl patch -n shop instrumentation/shop --type=merge -p '{"spec":{"sampler":{"argument":"1"}}}'` + restart},
		{"a ratio of 0", func(p *Picture) {
			p.Instrumentations[0].Spec.Sampler = v1alpha1.Sampler{Type: v1alpha1.TraceIDRatio, Argument: "0"}
		}, SampledOut, doctor.Error, frontend, "keeps no trace", `"argument":"1"`},
		{"Alpine", func(p *Picture) {
			p.Workloads[0].Template.Spec.Containers[0].Image = "python:3.11-alpine"
			p.Instrumentations[0].Spec.Python.Image = "ghcr.io/open-telemetry/opentelemetry-operator/autoinstrumentation-python:0.48b0"
		}, Musl, doctor.Error, frontend, "has musl", `'{"spec":{"python":{"image":"signalbox-python:1.2.3"}}}'` + restart},
		{"the gRPC port for Python", func(p *Picture) { env(p, endpointVariable, "http://otel-collector."+needs.Namespace+":4317") },
			EndpointProtocol, doctor.Error, frontend, "python speaks HTTP",
			`{"op":"replace","path":"/spec/python/env/1/value","value":"http://otel-collector.opentelemetry-operator-system.svc.cluster.local:4318"}]'` + restart},
		{"a Service that does not exist", func(p *Picture) {
			p.Instrumentations[0].Spec.Exporter.Endpoint = "http://collector.shop:4318"
			p.Services[types.NamespacedName{Namespace: "shop", Name: "collector"}] = Service{Missing: true}
		}, EndpointService, doctor.Error, frontend, "there is no Service shop/collector",
			`'{"spec":{"exporter":{"endpoint":"http://otel-collector.opentelemetry-operator-system.svc.cluster.local:4318"}}}'` + restart},
		{"a port that does not exist", func(p *Picture) {
			p.Instrumentations[0].Spec.Exporter.Endpoint = "http://otel-collector." + needs.Namespace + ":55681"
		},
			EndpointPort, doctor.Error, frontend, "has no port 55681, only 4317 otlp-grpc, 4318 otlp-http", ":4318"},
		{"a signal without a pipeline", func(p *Picture) {
			pipelines := at(p.Collectors[0].Config, "service", "pipelines").(map[string]any)
			delete(pipelines, "logs")
			pipelines["metrics"] = map[string]any{"receivers": []any{"prometheus"}, "exporters": []any{"googlemanagedprometheus"}}
		}, NoPipeline, doctor.Warning, "otelcol/otel -n opentelemetry-operator-system", "deployment/frontend sends metrics and logs to it",
			`'{"spec":{"config":{"service":{"pipelines":{"logs":{"exporters":["otlp"],"receivers":["otlp"]},"metrics/otlp":{"exporters":["googlemanagedprometheus"],"receivers":["otlp"]}}}}}}'`},
		{"nobody is ready there", func(p *Picture) {
			s := p.Services[gateway]
			s.Ready = 0
			p.Services[gateway] = s
		}, EndpointNotReady, doctor.Error, frontend, "no ready pod", "kubectl get -n opentelemetry-operator-system pods -l app=otel"},
		{"no endpoint", func(p *Picture) { p.Instrumentations[0].Spec.Exporter.Endpoint = "" },
			NoEndpoint, doctor.Error, frontend, "tries its own pod", ":4318"},
	}
}

func scrapeTraps() []trap {
	backend := func(p *Picture, s Scrape) {
		w := Workload{Kind: "Deployment", Name: "backend", Template: corev1.PodTemplateSpec{Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "app"}}}}}
		p.Workloads = append(p.Workloads, w)
		p.Scrapes[0].Status, p.Scrapes[0].Metrics = 404, false
		p.Scrapes = append(p.Scrapes, s)
	}
	return []trap{
		{"the wrong pod asks", func(p *Picture) {
			backend(p, Scrape{Workload: "deployment/backend", Pod: "backend-1", Port: "8080", Path: "/metrics", Status: 200, Metrics: true})
		}, ScrapeFails, doctor.Error, "deployment/frontend", "answers 404 there; those that have metrics, and do not ask, are the pods of deployment/backend",
			`deployment/backend --type=merge -p '{"spec":{"template":{"metadata":{"annotations":{"prometheus.io/path":"/metrics","prometheus.io/port":"8080","prometheus.io/scrape":"true"}}}}}'`},
		{"the wrong port", func(p *Picture) {
			backend(p, Scrape{Workload: "deployment/frontend", Pod: "frontend-1", Port: "9090", Path: "/metrics", Status: 200, Metrics: true})
		}, ScrapeFails, doctor.Error, "deployment/frontend", "it has metrics at :9090/metrics", `"prometheus.io/port":"9090"`},
		{"a port that no container has", func(p *Picture) {
			p.Workloads[0].Template.Annotations[portAnnotation] = "9090"
			p.Scrapes = nil
		}, ScrapeFails, doctor.Warning, "deployment/frontend", "its containers have port 8080", `"prometheus.io/port":"8080"`},
		{"nobody scrapes", func(p *Picture) { p.Collectors[0].Config["receivers"].(map[string]any)["prometheus"] = nil },
			ScrapeNothing, doctor.Warning, "", "no collector looks for it", "kind: OpenTelemetryCollector"},
		{"a suffix is missing", func(p *Picture) {
			p.Metric, p.Names = "flask_http_request", []string{"flask_exporter_info", "flask_http_request_duration_seconds_bucket", "flask_http_request_total", "up"}
		}, NameOther, doctor.Error, "flask_http_request", "it has flask_http_request_total, flask_http_request_duration_seconds_bucket", "signalbox doctor -n shop --metric flask_http_request_total"},
		{"dots", func(p *Picture) { p.Metric, p.Names = "flask.http.request.total", []string{"flask_http_request_total"} },
			NameOther, doctor.Error, "flask.http.request.total", "it has flask_http_request_total", "--metric flask_http_request_total"},
		{"no such metric", func(p *Picture) { p.Metric, p.Names = "jvm_memory", []string{"up"} },
			NameMissing, doctor.Error, "jvm_memory", "nor one like it, among its 1", ""},
	}
}

func networkTraps() []trap {
	deny := func(namespace string, direction networkingv1.PolicyType) func(*Picture) {
		return func(p *Picture) {
			p.Policies = append(p.Policies, networkingv1.NetworkPolicy{
				ObjectMeta: metav1.ObjectMeta{Name: "deny", Namespace: namespace},
				Spec:       networkingv1.NetworkPolicySpec{PolicyTypes: []networkingv1.PolicyType{direction}},
			})
		}
	}
	dns := func(p *Picture) {
		port, udp := intstr.FromInt32(53), corev1.ProtocolUDP
		p.Policies = append(p.Policies, networkingv1.NetworkPolicy{ObjectMeta: metav1.ObjectMeta{Name: "dns", Namespace: "shop"}, Spec: networkingv1.NetworkPolicySpec{
			PolicyTypes: []networkingv1.PolicyType{networkingv1.PolicyTypeEgress},
			Egress:      []networkingv1.NetworkPolicyEgressRule{{Ports: []networkingv1.NetworkPolicyPort{{Port: &port, Protocol: &udp}}}},
		}})
	}
	return []trap{
		{"nothing may leave", func(p *Picture) { deny("shop", networkingv1.PolicyTypeEgress)(p); dns(p) },
			PolicyForbids, doctor.Error, "deployment/frontend", "does not let its pods out to Service opentelemetry-operator-system/otel-collector at port 4318", "kind: NetworkPolicy"},
		{"nothing may come in", deny(needs.Namespace, networkingv1.PolicyTypeIngress),
			PolicyForbids, doctor.Error, "deployment/frontend", "NetworkPolicy deny of namespace opentelemetry-operator-system does not let it in", "name: otel-collector-from-shop"},
	}
}
