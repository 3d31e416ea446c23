package resourcedetection

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componentstatus"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/processor/processortest"
	"go.uber.org/zap"
)

// configOf decodes YAML over the defaults, and validates it.
func configOf(t *testing.T, text string) (*Config, error) {
	t.Helper()
	retrieved, err := confmap.NewRetrievedFromYAML([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	conf, err := retrieved.AsConf()
	if err != nil {
		t.Fatal(err)
	}
	cfg := newDefaultConfig()
	if err := conf.Unmarshal(cfg); err != nil {
		return nil, err
	}
	return cfg, confmap.Validate(cfg)
}

// pass sends one span through a processor of the configuration, and gives its
// resource as it comes out.
func pass(t *testing.T, text string, has map[string]any) map[string]any {
	t.Helper()
	cfg, err := configOf(t, text)
	if err != nil {
		t.Fatal(err)
	}
	sink := new(consumertest.TracesSink)
	f := NewFactory()
	p, err := f.CreateTraces(t.Context(), processortest.NewNopSettings(f.Type()), cfg, sink)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Start(t.Context(), componenttest.NewNopHost()); err != nil {
		t.Fatal(err)
	}
	td := ptrace.NewTraces()
	rs := td.ResourceSpans().AppendEmpty()
	rs.ScopeSpans().AppendEmpty().Spans().AppendEmpty()
	if err := rs.Resource().Attributes().FromRaw(has); err != nil {
		t.Fatal(err)
	}
	if err := p.ConsumeTraces(t.Context(), td); err != nil {
		t.Fatal(err)
	}
	if err := p.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	return sink.AllTraces()[0].ResourceSpans().At(0).Resource().Attributes().AsRaw()
}

func TestEnv(t *testing.T) {
	t.Setenv("OTEL_RESOURCE_ATTRIBUTES", " service.name = shop, team=%C3%A9quipe+1 ,,host.name=from-env")
	got := pass(t, "{}", map[string]any{"host.name": "from-data", "x": "y"})
	want := map[string]any{"service.name": "shop", "team": "équipe+1", "host.name": "from-env", "x": "y"}
	if d := cmp.Diff(want, got); d != "" {
		t.Error("override: want, got:", d)
	}
	got = pass(t, "{override: false, attributes: [host.name, team]}", map[string]any{"host.name": "from-data"})
	want = map[string]any{"team": "équipe+1", "host.name": "from-data"}
	if d := cmp.Diff(want, got); d != "" {
		t.Error("no override: want, got:", d)
	}
}

func TestSystem(t *testing.T) {
	name, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	got := pass(t, "{detectors: [system], system: {hostname_sources: [os]}}", nil)
	if d := cmp.Diff(map[string]any{"host.name": name, "os.type": "linux"}, got); d != "" {
		t.Error("defaults: want, got:", d)
	}
	got = pass(t, `
detectors: [system]
system:
  hostname_sources: [os]
  resource_attributes:
    os.type: {enabled: false}
    host.arch: {enabled: true}
    host.interface: {enabled: true}
    host.cpu.model.name: {enabled: true}
    os.name: {enabled: true}
    os.description: {enabled: true}
`, nil)
	for _, key := range []string{"host.name", "host.arch", "host.interface", "host.cpu.model.name", "os.name", "os.description"} {
		if got[key] == nil {
			t.Errorf("no %s in %v", key, got)
		}
	}
	if got["os.type"] != nil {
		t.Errorf("os.type is there, although not enabled: %v", got)
	}
}

func TestDocker(t *testing.T) {
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(t.TempDir(), "docker.sock")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /info", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `{"Name": "node-1", "OSType": "linux", "NCPU": 2}`)
	})
	mux.HandleFunc("GET /containers/"+host+"/json", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `{"Name": "/collector", "Image": "sha256:1", "State": {"Status": "running"}}`)
	})
	server := &httptest.Server{Listener: listener, Config: &http.Server{Handler: mux}}
	server.Start()
	defer server.Close()

	t.Setenv("DOCKER_HOST", "unix://"+socket)
	const config = `
detectors: [docker]
docker: {resource_attributes: {container.name: {enabled: true}, container.image.name: {enabled: true}}}
`
	got := pass(t, config, nil)
	want := map[string]any{"host.name": "node-1", "os.type": "linux", "container.name": "/collector", "container.image.name": "sha256:1"}
	if d := cmp.Diff(want, got); d != "" {
		t.Error("want, got:", d)
	}
	t.Setenv("DOCKER_HOST", "unix:///nowhere")
	if got := pass(t, config, nil); len(got) != 0 {
		t.Errorf("without a daemon: got %v; want nothing", got)
	}
}

// metadataServer serves what the metadata server of Google Cloud does.
func metadataServer(t *testing.T, values map[string]string) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Metadata-Flavor", "Google")
		if r.Header.Get("Metadata-Flavor") != "Google" {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		value, ok := values[strings.TrimPrefix(r.URL.Path, "/computeMetadata/v1/")]
		if !ok {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		fmt.Fprint(w, value)
	}))
	t.Cleanup(server.Close)
	t.Setenv("GCE_METADATA_HOST", server.Listener.Addr().String())
}

var instance = map[string]string{
	"project/project-id":      "my-project",
	"instance/id":             "4711",
	"instance/name":           "gke-node-1",
	"instance/hostname":       "gke-node-1.c.my-project.internal",
	"instance/zone":           "projects/1/zones/asia-east1-c",
	"instance/machine-type":   "projects/1/machineTypes/e2-standard-4",
	"instance/attributes/xyz": "",
}

func TestGCE(t *testing.T) {
	values := map[string]string{"instance/attributes/created-by": "projects/1/zones/asia-east1-c/instanceGroupManagers/pool"}
	for k, v := range instance {
		values[k] = v
	}
	metadataServer(t, values)
	t.Setenv("KUBERNETES_SERVICE_HOST", "")
	os.Unsetenv("KUBERNETES_SERVICE_HOST")
	// gke and gce are the names of 2021.
	got := pass(t, "{detectors: [gke, gce], gcp: {resource_attributes: {gcp.gce.instance.name: {enabled: true}}}}", nil)
	want := map[string]any{
		"cloud.provider": "gcp", "cloud.platform": "gcp_compute_engine", "cloud.account.id": "my-project",
		"cloud.region": "asia-east1", "cloud.availability_zone": "asia-east1-c",
		"host.id": "4711", "host.name": "gke-node-1", "host.type": "projects/1/machineTypes/e2-standard-4",
		"gcp.gce.instance.name":               "gke-node-1",
		"gcp.gce.instance_group_manager.name": "pool", "gcp.gce.instance_group_manager.zone": "asia-east1-c",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error("want, got:", d)
	}
}

func TestGKE(t *testing.T) {
	values := map[string]string{"instance/attributes/cluster-name": "workshop", "instance/attributes/cluster-location": "asia-east1-c"}
	for k, v := range instance {
		values[k] = v
	}
	metadataServer(t, values)
	t.Setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
	got := pass(t, "{detectors: [gcp], timeout: 10s}", nil)
	want := map[string]any{
		"cloud.provider": "gcp", "cloud.platform": "gcp_kubernetes_engine", "cloud.account.id": "my-project",
		"cloud.region": "asia-east1", "cloud.availability_zone": "asia-east1-c",
		"host.id": "4711", "host.name": "gke-node-1", "k8s.cluster.name": "workshop",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error("want, got:", d)
	}
}

func TestKubernetes(t *testing.T) {
	object := func(w http.ResponseWriter, kind string, metadata, data map[string]string) {
		w.Header().Set("Content-Type", "application/json")
		if err := json.NewEncoder(w).Encode(map[string]any{"kind": kind, "apiVersion": "v1", "metadata": metadata, "data": data}); err != nil {
			t.Error(err)
		}
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/v1/nodes/n1", func(w http.ResponseWriter, _ *http.Request) {
		object(w, "Node", map[string]string{"name": "n1", "uid": "node-uid"}, nil)
	})
	mux.HandleFunc("GET /api/v1/namespaces/kube-system", func(w http.ResponseWriter, _ *http.Request) {
		object(w, "Namespace", map[string]string{"name": "kube-system", "uid": "cluster-uid"}, nil)
	})
	mux.HandleFunc("GET /api/v1/namespaces/kube-system/configmaps/kubeadm-config", func(w http.ResponseWriter, _ *http.Request) {
		object(w, "ConfigMap", map[string]string{"name": "kubeadm-config"}, map[string]string{"ClusterConfiguration": "clusterName: prod\n"})
	})
	api := httptest.NewServer(mux)
	defer api.Close()
	kubeconfig := filepath.Join(t.TempDir(), "config")
	if err := os.WriteFile(kubeconfig, fmt.Appendf(nil, `
apiVersion: v1
kind: Config
clusters: [{name: c, cluster: {server: %q}}]
contexts: [{name: c, context: {cluster: c}}]
current-context: c
`, api.URL), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("KUBECONFIG", kubeconfig)
	t.Setenv("K8S_NODE_NAME", "n1")
	got := pass(t, "{detectors: [k8s_api, kubeadm], k8s_api: {auth_type: kubeConfig}, kubeadm: {auth_type: kubeConfig}}", nil)
	want := map[string]any{"k8s.node.name": "n1", "k8s.node.uid": "node-uid", "k8s.cluster.uid": "cluster-uid", "k8s.cluster.name": "prod"}
	if d := cmp.Diff(want, got); d != "" {
		t.Error("want, got:", d)
	}
}

func TestConfig(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		_, err := configOf(t, text)
		if err == nil {
			err = errors.New("")
		}
		if got := err.Error(); got != want && (want == "" || !strings.Contains(got, want)) {
			t.Errorf("%s: got %q; want %q", text, got, want)
		}
	}
	f("{detectors: [env, ec2, azure], ec2: {tags: [a], resource_attributes: {host.id: {enabled: true}}}}", "")
	f("{detectors: [' env ', gke, k8s_node]}", "")
	f("{detectors: [environment]}", `unknown detector "environment"; known are docker, env, gcp, k8s_api, k8snode, kubeadm, system`)
	f("{detector: [env]}", "has invalid keys: detector")
	f("{system: {hostname_sources: [o]}}", `unknown source "o"; known are cname, dns, lookup, os`)
	f("{docker: {resource_attributes: {host.id: {enabled: true}}}}", "resource_attributes::host.id: this detector does not find it; it finds container.image.name, container.name, host.name, os.type")
	f("{gcp: {labels: ['(']}}", "missing closing )")
	f("{k8snode: {auth_type: password}}", `unknown "password"`)
	f("{timeout: 0s}", "want more than 0")
	cfg, err := configOf(t, "{detectors: [env, ec2]}")
	if err != nil {
		t.Fatal(err)
	}
	if got := cfg.Warnings(); len(got) != 1 || !strings.Contains(got[0], `detector "ec2" is not in this build`) {
		t.Errorf("got warnings %q", got)
	}
}

// statusHost remembers what components report.
type statusHost struct {
	component.Host
	events chan *componentstatus.Event
}

func (h statusHost) Report(e *componentstatus.Event) { h.events <- e }

// A detector that hangs, then fails, then answers.
func TestSlowDetector(t *testing.T) {
	f := func(config string, refused bool) {
		t.Helper()
		synctest.Test(t, func(t *testing.T) {
			cfg, err := configOf(t, config)
			if err != nil {
				t.Fatal(err)
			}
			calls := 0
			d, err := newDetection(processortest.NewNopSettings(NewFactory().Type()), cfg)
			if err != nil {
				t.Fatal(err)
			}
			d.detectors[0].detect = func(ctx context.Context, to found) error {
				switch calls++; calls {
				case 1:
					<-ctx.Done()
					time.Sleep(time.Second / 2) // synctest: later than anybody waits
					return ctx.Err()
				case 2:
					to.put("part", "1")
					return errors.New("server is starting")
				}
				to.put("part", "2")
				to.put("rest", "2")
				return nil
			}
			host := statusHost{componenttest.NewNopHost(), make(chan *componentstatus.Event, 10)}
			began := time.Now()
			d.start(host)
			now, err := d.wait(t.Context())
			if took := time.Since(began); took != 2*time.Second {
				t.Errorf("first data waited %v; want 2s", took)
			}
			if (err != nil) != refused {
				t.Errorf("first data: got error %v; want refused %t", err, refused)
			}
			if !refused && now.attributes.Len() != 0 {
				t.Errorf("first data: got %v", now.attributes.AsRaw())
			}
			for _, want := range []string{
				"detecting resource attributes: detector env: no answer within 2s",
				"detecting resource attributes: detector env: server is starting",
				"",
			} {
				e := <-host.events
				got := ""
				if e.Err() != nil {
					got = e.Err().Error()
				}
				if got != want {
					t.Errorf("status: got %q; want %q", got, want)
				}
			}
			now, err = d.wait(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(map[string]any{"part": "2", "rest": "2"}, now.attributes.AsRaw()); diff != "" {
				t.Error("want, got:", diff)
			}
			d.stop()
		})
	}
	f("{timeout: 2s}", false)
	f("{timeout: 2s, fail_on_missing_metadata: true}", true)
}

// A detector that always takes longer than the timeout gets its answer through.
func TestLateAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg, err := configOf(t, "{timeout: 2s}")
		if err != nil {
			t.Fatal(err)
		}
		d, err := newDetection(processortest.NewNopSettings(NewFactory().Type()), cfg)
		if err != nil {
			t.Fatal(err)
		}
		d.detectors[0].detect = func(_ context.Context, to found) error {
			time.Sleep(2500 * time.Millisecond) // as libraries that know no context
			to.put("late", "yes")
			return nil
		}
		d.start(componenttest.NewNopHost())
		time.Sleep(4 * time.Second)
		synctest.Wait()
		now, err := d.wait(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(map[string]any{"late": "yes"}, now.attributes.AsRaw()); diff != "" {
			t.Error("want, got:", diff)
		}
		d.stop()
	})
}

// What was known stays when a refresh fails.
func TestRefresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg, err := configOf(t, "{refresh_interval: 1h}")
		if err != nil {
			t.Fatal(err)
		}
		d, err := newDetection(processortest.NewNopSettings(NewFactory().Type()), cfg)
		if err != nil {
			t.Fatal(err)
		}
		calls := 0
		d.detectors[0].detect = func(_ context.Context, to found) error {
			if calls++; calls == 2 {
				return errors.New("away")
			}
			to.put("call", fmt.Sprint(calls))
			return nil
		}
		d.start(componenttest.NewNopHost())
		for _, step := range []struct {
			after time.Duration
			want  string
		}{{0, "1"}, {time.Hour, "1"}, {2 * time.Second, "3"}} {
			time.Sleep(step.after)
			synctest.Wait()
			now, err := d.wait(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if got, _ := now.attributes.Get("call"); got.Str() != step.want {
				t.Errorf("after %v: got %q; want %q", step.after, got.Str(), step.want)
			}
		}
		d.stop()
	})
}

// Pipelines share one detection, and the last one ends it.
func TestSharedByPipelines(t *testing.T) {
	cfg, err := configOf(t, "{}")
	if err != nil {
		t.Fatal(err)
	}
	f := &factory{running: map[*Config]*detection{}}
	set := processortest.NewNopSettings(NewFactory().Type())
	set.Logger = zap.NewNop()
	traces, err := f.createTraces(t.Context(), set, cfg, consumertest.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	metrics, err := f.createMetrics(t.Context(), set, cfg, consumertest.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	logs, err := f.createLogs(t.Context(), set, cfg, consumertest.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	d := f.running[cfg]
	for _, c := range []component.Component{traces, metrics} { // logs never starts
		if err := c.Start(t.Context(), componenttest.NewNopHost()); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []component.Component{traces, logs, metrics} {
		if f.running[cfg] != d || d == nil {
			t.Errorf("the detection is gone before its last user")
		}
		if err := c.Shutdown(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	<-d.done
	if len(f.running) != 0 {
		t.Error("the detection is kept after its last user")
	}
}

func TestMerge(t *testing.T) {
	to, from := pcommon.NewMap(), pcommon.NewMap()
	to.PutStr("a", "to")
	from.PutStr("a", "from")
	from.PutStr("b", "from")
	merge(to, from, false)
	if d := cmp.Diff(map[string]any{"a": "to", "b": "from"}, to.AsRaw()); d != "" {
		t.Error(d)
	}
	merge(to, from, true)
	if d := cmp.Diff(map[string]any{"a": "from", "b": "from"}, to.AsRaw()); d != "" {
		t.Error(d)
	}
}
