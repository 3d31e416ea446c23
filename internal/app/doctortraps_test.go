package app

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/signalbox-otel/signalbox/e2e/kube"
	"github.com/signalbox-otel/signalbox/internal/doctor"
	"github.com/signalbox-otel/signalbox/internal/doctor/cluster"
)

// trapCluster is a real API server with controllers, on which nothing runs.
type trapCluster struct {
	*kube.Cluster
	options cluster.Options
}

// The traps of installations and manifests, on a real API server: each is found,
// and found no more when the very command was run that the doctor prints.
func TestDoctorTraps(t *testing.T) {
	if testing.Short() {
		t.Skip("starts an API server")
	}
	// The build has its own target, make kube; a cold one takes minutes.
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Minute)
	defer cancel()
	k, err := kube.Light(ctx, t.TempDir(), 1)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := k.Stop(); err != nil {
			t.Error(err)
		}
	})
	config, err := clientcmd.BuildConfigFromFlags("", k.Kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	c := &trapCluster{k, cluster.Options{Config: config, Namespace: "default", Image: ownImage, Version: Version, Timeout: time.Second}}
	t.Run("nothing is installed", func(t *testing.T) {
		c.mended(t, cluster.DefinitionMissing, "customresourcedefinition/instrumentations.opentelemetry.io", noWebhooks)
		c.gone(t, cluster.OperatorMissing, "")
	})
	for _, trap := range installationTraps {
		t.Run(trap.name, func(t *testing.T) {
			c.run(t, trap.spoil)
			c.mended(t, trap.code, trap.object, noWebhooks)
		})
	}
	c.apply(t, gatewayManifest)
	for i, trap := range manifestTraps {
		t.Run(trap.name, func(t *testing.T) {
			c := *c
			c.options.Namespace = fmt.Sprintf("trap-%d", i)
			c.apply(t, "{apiVersion: v1, kind: Namespace, metadata: {name: "+c.options.Namespace+"}}")
			c.apply(t, strings.ReplaceAll(trap.spoil, "metadata: {name: ", "metadata: {namespace: "+c.options.Namespace+", name: "))
			c.mended(t, trap.code, trap.object, "")
		})
	}
	t.Run("somebody sees little", c.seesLittle)
}

// seesLittle has somebody look who may see nothing but one namespace: what he does
// not see is neither good nor bad.
func (c trapCluster) seesLittle(t *testing.T) {
	c.apply(t, `{apiVersion: rbac.authorization.k8s.io/v1, kind: RoleBinding, metadata: {name: dev, namespace: trap-0},
		roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: view}, subjects: [{kind: User, name: dev}]}`)
	c.options.Config = rest.CopyConfig(c.options.Config)
	c.options.Config.Impersonate = rest.ImpersonationConfig{UserName: "dev"}
	c.options.Namespace = "trap-0"
	report, err := cluster.Examine(t.Context(), c.options)
	if err != nil {
		t.Fatal(err)
	}
	unseen := map[cluster.Area]bool{}
	for _, f := range report.Findings {
		unseen[f.Area] = unseen[f.Area] || f.Status == doctor.Unknown
		if f.Area != cluster.Instrumentation && f.Status != doctor.Unknown {
			t.Errorf("got %+v; want nothing to be said of what was not seen", f)
		}
	}
	for _, area := range []cluster.Area{cluster.Definitions, cluster.Operator, cluster.Webhooks, cluster.Collectors, cluster.Store} {
		if !unseen[area] {
			t.Errorf("%s: nothing says that it was not seen", area)
		}
	}
}

// clusterTrap is one way to lose data: a command or a manifest, and what is found.
type clusterTrap struct {
	name, spoil string
	code        cluster.Code
	object      string
}

const (
	managerDeployment = "deployment/opentelemetry-operator-controller-manager"
	managerNamespace  = "opentelemetry-operator-system"
)

// noWebhooks removes those of the installation: nobody serves them, so that what
// they are called for would be refused.
const noWebhooks = "kubectl delete mutatingwebhookconfiguration,validatingwebhookconfiguration -l app.kubernetes.io/part-of=signalbox --ignore-not-found"

var installationTraps = []clusterTrap{
	{"cert-manager is to come first", `signalbox install --set operator.certManager=true | kubectl apply -f - || true
` + noWebhooks,
		cluster.CertManagerMissing, managerDeployment},
	{"a webhook of another operator is left over", `kubectl apply -f - <<'EOF'
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingWebhookConfiguration
metadata: {name: otel-opentelemetry-operator-mutation}
webhooks:
- name: minstrumentation.kb.io
  admissionReviewVersions: [v1]
  sideEffects: None
  clientConfig: {service: {name: otel-opentelemetry-operator-webhook, namespace: otel}}
  rules: [{apiGroups: [opentelemetry.io], apiVersions: [v1alpha1], operations: [CREATE], resources: [instrumentations]}]
EOF`, cluster.WebhookLeftOver, "mutatingwebhookconfiguration/otel-opentelemetry-operator-mutation"},
	{"an old definition is left over", `kubectl patch crd opentelemetrycollectors.opentelemetry.io --type=json -p '[{"op":"replace","path":"/spec/versions/1/served","value":false}]'`,
		cluster.DefinitionOld, "customresourcedefinition/opentelemetrycollectors.opentelemetry.io"},
	{"the operator's rights are gone", "kubectl delete clusterrole opentelemetry-operator-manager-role", cluster.OperatorRights, managerDeployment},
}

// gatewayManifest is a collector as the operator would have made it.
const gatewayManifest = `
apiVersion: opentelemetry.io/v1beta1
kind: OpenTelemetryCollector
metadata: {name: otel, namespace: opentelemetry-operator-system}
spec:
  config:
    receivers: {otlp: {protocols: {grpc: {endpoint: "0.0.0.0:4317"}, http: {endpoint: "0.0.0.0:4318"}}}}
    exporters: {otlp: {endpoint: "signalbox-otlp:4317", tls: {insecure: true}}}
    service: {pipelines: {traces: {receivers: [otlp], exporters: [otlp]}}}
---
apiVersion: v1
kind: Service
metadata: {name: otel-collector, namespace: opentelemetry-operator-system}
spec:
  selector: {app: otel}
  ports: [{name: otlp-grpc, port: 4317, appProtocol: grpc}, {name: otlp-http, port: 4318, appProtocol: http}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: otel-collector, namespace: opentelemetry-operator-system}
spec:
  selector: {matchLabels: {app: otel}}
  template:
    metadata: {labels: {app: otel}}
    spec:
      securityContext: {runAsNonRoot: true, seccompProfile: {type: RuntimeDefault}}
      containers: [{name: otc-container, image: signalbox, securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}}]
`

// program is a Deployment of a Python program: what its image is, of what its pods
// have annotations, and what it has itself.
func program(image, podAnnotations, annotations string) string {
	return fmt.Sprintf(`---
apiVersion: apps/v1
kind: Deployment
metadata: {name: frontend, annotations: {%s}}
spec:
  selector: {matchLabels: {app: frontend}}
  template:
    metadata: {labels: {app: frontend}, annotations: {%s}}
    spec:
      containers: [{name: app, image: %q, ports: [{containerPort: 8080}]}]
`, annotations, podAnnotations, image)
}

// instrumentationOf has an endpoint and more of its specification.
func instrumentationOf(port, more string) string {
	return `---
apiVersion: opentelemetry.io/v1alpha1
kind: Instrumentation
metadata: {name: my-instrumentation}
spec:
  exporter: {endpoint: "http://otel-collector.opentelemetry-operator-system.svc.cluster.local:` + port + `"}
` + more
}

const (
	askPython = `instrumentation.opentelemetry.io/inject-python: "true"`
	askScrape = `prometheus.io/scrape: "true"`
	frontend  = "deployment/frontend"
)

var manifestTraps = []clusterTrap{
	{"annotations on the Deployment", instrumentationOf("4318", "") + program("shop:1", "", askPython), cluster.AnnotationMisplace, frontend},
	{"Instrumentation in another namespace", strings.Replace(instrumentationOf("4318", ""), "metadata: {", "metadata: {namespace: default, ", 1) + program("shop:1", askPython, ""),
		cluster.OtherNamespace, frontend},
	{"a sidecar that nobody offers", program("shop:1", `sidecar.opentelemetry.io/inject: "true"`, ""), cluster.NoSidecar, frontend},
	{"metrics are switched off", instrumentationOf("4318", "  python: {env: [{name: OTEL_METRICS_EXPORTER, value: none}]}\n") + program("shop:1", askPython, ""),
		cluster.SignalOff, frontend},
	{"a sampler of a quarter", instrumentationOf("4318", "  sampler: {type: parentbased_traceidratio, argument: \"0.25\"}\n") + program("shop:1", askPython, ""),
		cluster.SampledOut, frontend},
	{"Alpine", instrumentationOf("4318", "  python: {image: \"ghcr.io/open-telemetry/opentelemetry-operator/autoinstrumentation-python:0.48b0\"}\n") + program("python:3.11-alpine", askPython, ""),
		cluster.Musl, frontend},
	{"the port of gRPC for Python", instrumentationOf("4317", `  python:
    env: [{name: OTEL_EXPORTER_OTLP_ENDPOINT, value: "http://otel-collector.opentelemetry-operator-system.svc.cluster.local:4317"}]
`) + program("shop:1", askPython, ""), cluster.EndpointProtocol, frontend},
	{"a collector without pipelines for all", instrumentationOf("4318", "") + program("shop:1", askPython, ""), cluster.NoPipeline, "otelcol/otel -n " + managerNamespace},
	{"a Service that does not exist", strings.Replace(instrumentationOf("4318", ""), "otel-collector.opentelemetry-operator-system", "collector.observability", 1) + program("shop:1", askPython, ""),
		cluster.EndpointService, frontend},
	{"scraping without rights", `---
apiVersion: v1
kind: ServiceAccount
metadata: {name: otel-collector-demo}
---
apiVersion: opentelemetry.io/v1beta1
kind: OpenTelemetryCollector
metadata: {name: rights}
spec:
  serviceAccount: otel-collector-demo
  config:
    receivers: {prometheus: {config: {scrape_configs: [{job_name: pods, kubernetes_sd_configs: [{role: pod}]}]}}}
    exporters: {debug: {}}
    service: {pipelines: {metrics: {receivers: [prometheus], exporters: [debug]}}}
`, cluster.CollectorRights, "otelcol/rights"},
	{"no service account", `---
apiVersion: opentelemetry.io/v1beta1
kind: OpenTelemetryCollector
metadata: {name: account}
spec:
  serviceAccount: otel-collector-demo
  config:
    receivers: {otlp: {protocols: {grpc: {}}}}
    exporters: {debug: {}}
    service: {pipelines: {traces: {receivers: [otlp], exporters: [debug]}}}
`, cluster.AccountMissing, "otelcol/account"},
	{"no account of Google", `---
apiVersion: v1
kind: ServiceAccount
metadata: {name: google-collector}
---
apiVersion: opentelemetry.io/v1beta1
kind: OpenTelemetryCollector
metadata: {name: google}
spec:
  config:
    receivers: {otlp: {protocols: {grpc: {}}}}
    exporters: {googlecloud: {project: guestbook}}
    service: {pipelines: {traces: {receivers: [otlp], exporters: [googlecloud]}}}
`, cluster.GoogleCredentials, "otelcol/google"},
	{"no Secret", `---
apiVersion: opentelemetry.io/v1beta1
kind: OpenTelemetryCollector
metadata: {name: secret}
spec:
  env: [{name: TOKEN, valueFrom: {secretKeyRef: {name: backend, key: KEY}}}]
  config:
    receivers: {otlp: {protocols: {grpc: {}}}}
    exporters: {debug: {}}
    service: {pipelines: {traces: {receivers: [otlp], exporters: [debug]}}}
`, cluster.SecretMissing, "otelcol/secret"},
	{"an old configuration", `---
apiVersion: opentelemetry.io/v1beta1
kind: OpenTelemetryCollector
metadata: {name: old}
spec:
  config:
    receivers: {otlp: {protocols: {grpc: {endpoint: "0.0.0.0:4317"}}}}
    exporters: {logging: {loglevel: debug}}
    service: {pipelines: {traces: {receivers: [otlp], exporters: [logging]}}}
`, cluster.OldConfiguration, "otelcol/old"},
	{"nobody scrapes", program("shop:1", askScrape, ""), cluster.ScrapeNothing, ""},
	{"scraping at a port that no container has", program("shop:1", askScrape+`, prometheus.io/port: "9090"`, ""), cluster.ScrapeFails, frontend},
	{"nothing may leave", instrumentationOf("4318", "") + program("shop:1", askPython, "") + `---
{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: deny}, spec: {podSelector: {}, policyTypes: [Egress],
  egress: [{ports: [{port: 53, protocol: UDP}]}]}}
`, cluster.PolicyForbids, frontend},
}

// run runs a command as a user types it.
func (c *trapCluster) run(t *testing.T, command string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "sh", "-ec", command)
	kubectl := c.Command(t.Context())
	cmd.Env = append(kubectl.Env, "PATH="+filepath.Dir(kubectl.Path)+string(os.PathListSeparator)+os.Getenv("PATH"))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s\n%s", err, command, out)
	}
}

// apply applies a manifest.
func (c *trapCluster) apply(t *testing.T, manifest string) {
	t.Helper()
	if _, err := c.Kubectl(t.Context(), manifest, "apply", "-f", "-"); err != nil {
		t.Fatal(err)
	}
}

// find is what the doctor finds of a code about an object, and all that it says.
func (c *trapCluster) find(t *testing.T, code cluster.Code, object string) (*cluster.Finding, string) {
	t.Helper()
	report, err := cluster.Examine(t.Context(), c.options)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := writeClusterReport(&b, report, style{}); err != nil {
		t.Fatal(err)
	}
	for i, f := range report.Findings {
		if f.Code == code && f.Object == object && (f.Status == doctor.Error || f.Status == doctor.Warning) {
			return &report.Findings[i], b.String()
		}
	}
	return nil, b.String()
}

// mended shows that something is found, and no more after what the doctor says.
// Afterwards is run behind that.
func (c *trapCluster) mended(t *testing.T, code cluster.Code, object, afterwards string) {
	t.Helper()
	found, all := c.find(t, code, object)
	if found == nil {
		t.Fatalf("%s of %q is not found, only\n%s", code, object, all)
	}
	t.Logf("%s: %s\n%s", found.Object, found.Text, found.Fix)
	c.run(t, found.Fix+"\n"+afterwards)
	c.gone(t, code, object)
}

// gone waits until something is found no more: what mends it may be on its way.
func (c *trapCluster) gone(t *testing.T, code cluster.Code, object string) {
	t.Helper()
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	over := time.After(time.Minute)
	for {
		found, all := c.find(t, code, object)
		if found == nil {
			return
		}
		select {
		case <-tick.C:
		case <-over:
			t.Fatalf("%s of %q is still found:\n%s", code, object, all)
		}
	}
}
