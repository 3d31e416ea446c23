package allocator

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/discovery/targetgroup"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/scrape"
	"go.yaml.in/yaml/v3"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// object reads a resource. Numbers are those that the API's JSON gives.
func object(t *testing.T, text string) *unstructured.Unstructured {
	t.Helper()
	var o map[string]any
	if err := yaml.Unmarshal([]byte(text), &o); err != nil {
		t.Fatal(err)
	}
	return &unstructured.Unstructured{Object: o}
}

func testGenerator() *generator {
	return &generator{
		interval: "30s", protocols: []string{"PrometheusText0.0.4"},
		secrets: func(kind, namespace, name, key string) (string, error) {
			if name == "missing" {
				return "", errors.New("no such secret")
			}
			return strings.Join([]string{kind, namespace, name, key}, "."), nil
		},
	}
}

// final is what Prometheus scrapes of one discovered target: "" when relabeling
// drops it.
func final(t *testing.T, g generated, discovered map[string]string) string {
	t.Helper()
	all, problems := parseGenerated(nil, []generated{g}, nil)
	if problems != nil {
		t.Fatalf("%s: %v", g.name, problems)
	}
	own := model.LabelSet{}
	for name, value := range discovered {
		own[model.LabelName(name)] = model.LabelValue(value)
	}
	kept, _ := targetsOf(all[0].config, []*targetgroup.Group{{Targets: []model.LabelSet{own}}}, true)
	if len(kept) == 0 {
		return ""
	}
	lset, err := scrape.PopulateLabels(labels.NewBuilder(labels.EmptyLabels()), all[0].config, own, nil)
	if err != nil {
		t.Fatal(err)
	}
	var s []string
	lset.Range(func(l labels.Label) {
		if !strings.HasPrefix(l.Name, "__scrape_") && !strings.HasPrefix(l.Name, "__convert") && !strings.HasPrefix(l.Name, "__always") {
			s = append(s, l.Name+"="+l.Value)
		}
	})
	return strings.Join(s, " ")
}

const serviceMonitor = `
kind: ServiceMonitor
metadata: {name: shop, namespace: ns}
spec:
  jobLabel: app.kubernetes.io/name
  targetLabels: [team]
  podTargetLabels: [version]
  sampleLimit: 1000
  selector:
    matchLabels: {app: shop}
    matchExpressions:
      - {key: tier, operator: NotIn, values: [test]}
      - {key: team, operator: Exists}
  endpoints:
    - port: web
      path: /m
      scheme: HTTPS
      interval: 5s
      honorLabels: true
      basicAuth: {username: {name: s, key: u}, password: {name: s, key: p}}
      tlsConfig: {ca: {configMap: {name: ca, key: crt}}, keySecret: {name: s, key: k}, cert: {secret: {name: s, key: c}}, serverName: shop}
      relabelings:
        - {sourceLabels: [pod], targetLabel: instance, action: Replace}
      metricRelabelings:
        - {sourceLabels: [__name__], regex: go_.*, action: drop}
    - targetPort: 9090
`

func TestServiceMonitor(t *testing.T) {
	made, err := testGenerator().generate(object(t, serviceMonitor))
	if err != nil {
		t.Fatal(err)
	}
	if len(made) != 2 || made[0].name != "serviceMonitor/ns/shop/0" || made[1].name != "serviceMonitor/ns/shop/1" {
		t.Fatalf("got %v", made)
	}
	all, problems := parseGenerated(nil, made, nil)
	if problems != nil {
		t.Fatal(problems)
	}
	c := all[0].config
	h := c.HTTPClientConfig
	got := fmt.Sprint(c.ScrapeInterval, c.ScrapeTimeout, c.SampleLimit, c.HonorLabels, h.BasicAuth.Username, " ", string(h.BasicAuth.Password),
		" ", h.TLSConfig.CA, " ", h.TLSConfig.Cert, " ", string(h.TLSConfig.Key), " ", h.TLSConfig.ServerName, len(c.MetricRelabelConfigs))
	want := "5s 5s 1000 trueSecret.ns.s.u Secret.ns.s.p ConfigMap.ns.ca.crt Secret.ns.s.c Secret.ns.s.k shop1"
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	f := func(change map[string]string, want string) {
		t.Helper()
		discovered := map[string]string{
			"__address__":                                            "10.0.0.1:80",
			"__meta_kubernetes_namespace":                            "ns",
			"__meta_kubernetes_service_name":                         "shop-svc",
			"__meta_kubernetes_service_label_app":                    "shop",
			"__meta_kubernetes_service_label_team":                   "blue",
			"__meta_kubernetes_pod_name":                             "shop-1",
			"__meta_kubernetes_pod_container_name":                   "main",
			"__meta_kubernetes_pod_label_version":                    "v1",
			"__meta_kubernetes_pod_phase":                            "Running",
			"__meta_kubernetes_endpointslice_port_name":              "web",
			"__meta_kubernetes_service_label_app_kubernetes_io_name": "the-shop",
			"__meta_kubernetes_service_labelpresent_app":             "true",
			"__meta_kubernetes_service_labelpresent_team":            "true",
			"__meta_kubernetes_endpointslice_address_target_kind":    "Pod",
			"__meta_kubernetes_endpointslice_address_target_name":    "shop-1",
		}
		for name, value := range change {
			discovered[name] = value
		}
		if got := final(t, made[0], discovered); got != want {
			t.Errorf("%v:\ngot  %q\nwant %q", change, got, want)
		}
	}
	f(nil, "__address__=10.0.0.1:80 __metrics_path__=/m __scheme__=https __tmp_prometheus_job_name=serviceMonitor/ns/shop/0 "+
		"container=main endpoint=web instance=shop-1 job=the-shop namespace=ns pod=shop-1 service=shop-svc team=blue version=v1")
	f(map[string]string{"__meta_kubernetes_service_label_app": "shopx"}, "")
	f(map[string]string{"__meta_kubernetes_service_label_tier": "test", "__meta_kubernetes_service_labelpresent_tier": "true"}, "")
	f(map[string]string{"__meta_kubernetes_service_labelpresent_team": ""}, "")
	f(map[string]string{"__meta_kubernetes_endpointslice_port_name": "other"}, "")
	f(map[string]string{"__meta_kubernetes_pod_phase": "Succeeded"}, "")
}

func TestPodMonitor(t *testing.T) {
	made, err := testGenerator().generate(object(t, `
kind: PodMonitor
metadata: {name: shop, namespace: ns}
spec:
  selector: {}
  namespaceSelector: {matchNames: [a, b]}
  attachMetadata: {node: true}
  podMetricsEndpoints:
    - {portNumber: 8888, params: {x: [y]}, bearerTokenSecret: {name: s, key: t}}
`))
	if err != nil {
		t.Fatal(err)
	}
	want := node{"role": "pod", "namespaces": node{"names": []any{"a", "b"}}, "attach_metadata": node{"node": true}}
	if diff := cmp.Diff([]any{want}, made[0].tree["kubernetes_sd_configs"]); diff != "" {
		t.Errorf("discovery (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(node{"credentials": "Secret.ns.s.t"}, made[0].tree["authorization"]); diff != "" {
		t.Errorf("authorization (-want +got):\n%s", diff)
	}
	got := final(t, made[0], map[string]string{
		"__address__": "10.0.0.1:8888", "__meta_kubernetes_namespace": "a", "__meta_kubernetes_pod_name": "p",
		"__meta_kubernetes_pod_container_name": "c", "__meta_kubernetes_pod_container_port_number": "8888",
	})
	if want := "__address__=10.0.0.1:8888 __metrics_path__=/metrics __param_x=y __scheme__=http __tmp_prometheus_job_name=podMonitor/ns/shop/0 " +
		"container=c endpoint=8888 instance=10.0.0.1:8888 job=ns/shop namespace=a pod=p"; got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestProbe(t *testing.T) {
	made, err := testGenerator().generate(object(t, `
kind: Probe
metadata: {name: sites, namespace: ns}
spec:
  jobName: probes
  module: http_2xx
  params: [{name: debug, values: ["true"]}]
  prober: {url: "blackbox:9115"}
  targets: {staticConfig: {static: ["https://example.test"], labels: {site: example}}}
`))
	if err != nil {
		t.Fatal(err)
	}
	got := final(t, made[0], map[string]string{"__address__": "https://example.test", "namespace": "ns", "site": "example"})
	if want := "__address__=blackbox:9115 __metrics_path__=/probe __param_debug=true __param_module=http_2xx __param_target=https://example.test " +
		"__scheme__=http __tmp_prometheus_job_name=probe/ns/sites instance=https://example.test job=probes namespace=ns site=example"; got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	made, err = testGenerator().generate(object(t, `
kind: Probe
metadata: {name: sites, namespace: ns}
spec:
  prober: {url: "blackbox:9115", scheme: https, path: /p}
  targets: {ingress: {namespaceSelector: {any: true}, selector: {matchLabels: {app: shop}}}}
`))
	if err != nil {
		t.Fatal(err)
	}
	got = final(t, made[0], map[string]string{
		"__address__": "shop.test", "__meta_kubernetes_ingress_scheme": "https", "__meta_kubernetes_ingress_path": "/x",
		"__meta_kubernetes_ingress_name": "i", "__meta_kubernetes_namespace": "ns",
		"__meta_kubernetes_ingress_label_app": "shop", "__meta_kubernetes_ingress_labelpresent_app": "true",
	})
	if want := "__address__=blackbox:9115 __metrics_path__=/p __param_target=https://shop.test/x __scheme__=https " +
		"__tmp_prometheus_job_name=probe/ns/sites ingress=i instance=https://shop.test/x job=probe/ns/sites namespace=ns"; got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestScrapeConfigResource(t *testing.T) {
	made, err := testGenerator().generate(object(t, `
kind: ScrapeConfig
metadata: {name: outside, namespace: ns}
spec:
  jobName: out
  metricsPath: /m
  staticConfigs: [{targets: ["10.0.0.1:80"], labels: {zone: z}}]
  httpSDConfigs: [{url: "http://sd", refreshInterval: 10s, authorization: {credentials: {name: s, key: t}}}]
  kubernetesSDConfigs: [{role: EndpointSlice, namespaces: {names: [a]}, selectors: [{role: Pod, label: x=y}]}]
  dnsSDConfigs: [{names: [shop.test], type: A, port: 80}]
`))
	if err != nil {
		t.Fatal(err)
	}
	if got := final(t, made[0], map[string]string{"__address__": "10.0.0.1:80", "zone": "z"}); got !=
		"__address__=10.0.0.1:80 __metrics_path__=/m __scheme__=http __tmp_prometheus_job_name=scrapeConfig/ns/outside instance=10.0.0.1:80 job=out zone=z" {
		t.Errorf("got %q", got)
	}
	all, _ := parseGenerated(nil, made, nil)
	if n := len(all[0].config.ServiceDiscoveryConfigs); n != 4 {
		t.Errorf("got %d discoveries; want 4", n)
	}
}

func TestResourcesThatAreLeftOut(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		g := testGenerator()
		g.denyFiles = true
		_, err := g.generate(object(t, text))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v; want %q", text, err, want)
		}
	}
	monitor := func(endpoint string) string {
		return "{kind: ServiceMonitor, metadata: {name: m, namespace: n}, spec: {endpoints: [" + endpoint + "]}}"
	}
	f(monitor("{basicAuth: {username: {name: missing, key: k}}}"), "endpoint 0: basicAuth: no such secret")
	f(monitor("{tlsConfig: {caFile: /x}}"), "deny_fs_access_through_sms")
	f(monitor("{bearerTokenFile: /x}"), "deny_fs_access_through_sms")
	f("{kind: PodMonitor, metadata: {name: m, namespace: n}, spec: {scrapeClass: fast, podMetricsEndpoints: [{}]}}", `there is no class "fast"`)
	f("{kind: Probe, metadata: {name: m, namespace: n}, spec: {prober: {url: u}}}", "neither staticConfig nor ingress")
	f("{kind: ScrapeConfig, metadata: {name: m, namespace: n}, spec: {ec2SDConfigs: [{}]}}", "ec2SDConfigs: this program has no such discovery")
	f("{kind: Other, metadata: {name: m, namespace: n}}", "kind Other")
}

// A wrong resource does not keep the others out, and a name that is taken does
// not replace a job.
func TestParseGenerated(t *testing.T) {
	c := config(t, "config: {scrape_configs: [{job_name: scrapeConfig/ns/a}]}")
	all, problems := parseGenerated(c.prometheus, []generated{
		{"scrapeConfig/ns/a", node{"scrape_interval": "30s"}},
		{"scrapeConfig/ns/b", node{"scrape_interval": "soon"}},
		{"scrapeConfig/ns/c", node{}},
	}, c.prometheus.ScrapeConfigs)
	var names []string
	for _, p := range all {
		names = append(names, p.config.JobName)
	}
	if diff := cmp.Diff([]string{"scrapeConfig/ns/a-2", "scrapeConfig/ns/c"}, names); diff != "" || len(problems) != 2 {
		t.Errorf("problems %v; names (-want +got):\n%s", problems, diff)
	}
}

// A class is for the resources that name it, one for those that name none, and
// what a resource says wins.
func TestScrapeClasses(t *testing.T) {
	g := testGenerator()
	g.denyFiles = true
	g.classNamespace = "admin"
	g.classes = []node{
		{"name": "plain", "default": true, "relabelings": []any{node{"targetLabel": "class", "replacement": "plain"}}},
		{"name": "mesh", "tlsConfig": node{"caFile": "/ca"}, "authorization": node{"credentials": node{"name": "s", "key": "t"}},
			"metricRelabelings": []any{node{"action": "LabelDrop", "regex": "a"}}},
	}
	f := func(spec string, want node) {
		t.Helper()
		made, err := g.generate(object(t, "{kind: PodMonitor, metadata: {name: m, namespace: n}, spec: "+spec+"}"))
		if err != nil {
			t.Fatal(err)
		}
		got := node{}
		for _, key := range []string{"tls_config", "authorization", "basic_auth", "metric_relabel_configs"} {
			if value := made[0].tree[key]; value != nil {
				got[key] = value
			}
		}
		relabel := made[0].tree["relabel_configs"].(rules)
		if last := relabel[len(relabel)-1].(node); last["target_label"] == "class" {
			got["class"] = last["replacement"]
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", spec, diff)
		}
	}
	mesh := func(key string, value any) node {
		return node{"tls_config": node{"ca_file": "/ca"}, key: value, "metric_relabel_configs": []any{node{"action": "labeldrop", "regex": "a"}}}
	}
	f("{podMetricsEndpoints: [{}]}", node{"class": "plain"})
	f("{scrapeClass: mesh, podMetricsEndpoints: [{}]}", mesh("authorization", node{"credentials": "Secret.admin.s.t"}))
	f("{scrapeClass: mesh, podMetricsEndpoints: [{basicAuth: {username: {name: s, key: u}}}]}",
		mesh("basic_auth", node{"username": "Secret.n.s.u", "password": ""}))
}
