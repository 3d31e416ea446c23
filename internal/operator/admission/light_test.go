package admission

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	utiljson "k8s.io/apimachinery/pkg/util/json"

	"github.com/signalbox-otel/signalbox/api/v1beta1"
	"github.com/signalbox-otel/signalbox/internal/operator/needs"
)

// The collectors in each version.
const (
	alphaCollectors = "opentelemetrycollectors.v1alpha1.opentelemetry.io"
	betaCollectors  = "opentelemetrycollectors.v1beta1.opentelemetry.io"
)

// A real API server calls the webhooks, and kubectl says what they say.
func TestOnAPIServer(t *testing.T) {
	c := startCluster(t)
	t.Run("seeds", c.with(cluster.seeds))
	t.Run("refused", c.with(cluster.refused))
	t.Run("warned", c.with(cluster.warned))
	t.Run("defaulted", c.with(cluster.defaulted))
	t.Run("unreadable", c.with(cluster.unreadable))
	t.Run("versions", c.with(cluster.versions))
	t.Run("broken", c.with(cluster.broken))
	t.Run("invalid", c.with(cluster.invalid))
	t.Run("rights", c.with(cluster.rights))
}

// What tutorials apply is taken as it is.
func (c cluster) seeds() {
	files, err := filepath.Glob("../../migrate/testdata/seeds/*.yaml")
	if err != nil {
		c.t.Fatal(err)
	}
	c.Run("", "create", "namespace", "otel-collector")
	applied := 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			c.t.Fatal(err)
		}
		for _, document := range strings.Split(string(text), "\n---\n") {
			if !strings.Contains(document, "apiVersion: opentelemetry.io/") {
				continue
			}
			applied++
			if got, err := c.said(strings.ReplaceAll(document, "${K8S_NS}", "otel-collector"), "apply", "-f", "-"); err != nil {
				c.t.Errorf("%s: %v: %s", file, err, got)
			}
		}
	}
	if applied < 5 {
		c.t.Errorf("got %d resources in the seeds; want at least 5", applied)
	}
}

const misspelt = `apiVersion: opentelemetry.io/v1beta1
kind: OpenTelemetryCollector
metadata: {name: gateway, namespace: shop}
spec:
  mode: daemonset
  deploymentUpdateStrategy: {type: Recreate}
  ports: [{port: 4317}]
  config:
    receivers: {otlp: {protocols: {grpc: {}}}}
    exporters: {debug: {}}
    service: {pipelines: {traces: {receivers: [otpl], exporters: [debug]}}}
`

// All that is wrong is said at once, also of what a definition cannot refuse, and
// kubectl prints a line for each.
func (c cluster) refused() {
	f := func(document, want string) {
		c.t.Helper()
		got, err := c.said(document, "apply", "-f", "-")
		if err == nil {
			c.t.Errorf("got %s; want it refused", got)
		}
		if diff := cmp.Diff(strings.TrimSpace(want), got); diff != "" {
			c.t.Errorf("-want +got\n%s", diff)
		}
	}
	f(misspelt, `
Warning: spec.config.receivers.otlp: is configured and in no pipeline, so it does not run
The OpenTelemetryCollector "gateway" is invalid: 
* spec.deploymentUpdateStrategy: is for mode deployment; this is a daemonset
* spec.ports[0].name: a port needs a name
* spec.config.service.pipelines.traces.receivers: names otpl, which the section receivers does not configure`)
	f(strings.NewReplacer("  ports: [{port: 4317}]\n", "", "otpl", "otlp").Replace(misspelt), `
The OpenTelemetryCollector "gateway" is invalid: spec.deploymentUpdateStrategy: is for mode deployment; this is a daemonset`)
	// A2: target allocators of a version that is served are validated.
	f(`{apiVersion: opentelemetry.io/v1alpha1, kind: TargetAllocator, metadata: {name: ta, namespace: shop},
		spec: {prometheusCR: {enabled: true, allowNamespaces: [a], denyNamespaces: [b]}}}`, `
The TargetAllocator "ta" is invalid: spec.prometheusCR.denyNamespaces: cannot stand beside allowNamespaces: namespaces that are not allowed are denied`)
}

const old = `apiVersion: opentelemetry.io/v1alpha1
kind: OpenTelemetryCollector
metadata: {name: old, namespace: shop}
spec:
  image: otel/opentelemetry-collector:0.70.0
  config: |
    receivers: {otlp: {protocols: {grpc: {endpoint: "0.0.0.0:4317"}}}} # a comment
    exporters: {logging: {loglevel: debug}}
    service: {pipelines: {traces: {receivers: [otlp], exporters: [logging]}}}
`

// Old configurations are taken, with what migration makes of them.
func (c cluster) warned() {
	ours := strings.NewReplacer("name: old", "name: ours", "  image: otel/opentelemetry-collector:0.70.0\n", "").Replace(old)
	got, err := c.said(ours, "apply", "-f", "-")
	if err != nil {
		c.t.Fatalf("%v: %s", err, got)
	}
	if diff := cmp.Diff(strings.TrimSpace(`
Warning: opentelemetry.io/v1alpha1 OpenTelemetryCollector is deprecated; signalbox migrate rewrites it to v1beta1
Warning: spec.config.exporters.logging: changed to exporters::debug: the logging exporter was removed; debug prints the same (since 0.111)
Warning: spec.config.exporters.debug.loglevel: changed to verbosity: detailed: loglevel became verbosity; basic prints one line for each batch, as info did (since 0.63)
opentelemetrycollector.opentelemetry.io/ours created`), got); diff != "" {
		c.t.Errorf("-want +got\n%s", diff)
	}
	// A1: every sampler of the SDKs is taken.
	got, err = c.said(`{apiVersion: opentelemetry.io/v1alpha1, kind: Instrumentation, metadata: {name: all, namespace: shop},
		spec: {exporter: {endpoint: "https://gateway:4318"}, sampler: {type: parentbased_jaeger_remote, argument: "endpoint=http://jaeger:14250"}}}`, "apply", "-f", "-")
	if want := "Warning: spec.exporter.tls: is not set, so the https endpoint must have a certificate that the images trust\ninstrumentation.opentelemetry.io/all created"; err != nil || got != want {
		c.t.Errorf("got %v, %s; want %s", err, got, want)
	}
}

// object reads a resource.
func (c cluster) object(resource, name string) map[string]any {
	c.t.Helper()
	var object map[string]any
	if err := utiljson.Unmarshal([]byte(c.Run("", "get", resource, name, "-n", "shop", "-o", "json")), &object); err != nil {
		c.t.Fatal(err)
	}
	return object
}

func (c cluster) version(resource, name string) string {
	c.t.Helper()
	return c.Run("", "get", resource, name, "-n", "shop", "-o", "jsonpath={.metadata.resourceVersion}")
}

// Defaults are where people look for them, the configuration is as it was
// written, and who applies again changes nothing.
func (c cluster) defaulted() {
	document := `apiVersion: opentelemetry.io/v1beta1
kind: OpenTelemetryCollector
metadata: {name: plain, namespace: shop}
spec:
  config:
    receivers: {otlp: {protocols: {grpc: null}}, statsd: {}}
    exporters: {debug: {}, prometheus: {}}
    service: {pipelines: {metrics: {receivers: [otlp, statsd], exporters: [debug, prometheus]}}}
`
	c.Run(document, "create", "-f", "-")
	want := map[string]any{
		"config": map[string]any{
			"receivers": map[string]any{"otlp": map[string]any{"protocols": map[string]any{"grpc": nil}}, "statsd": map[string]any{}},
			"exporters": map[string]any{"debug": map[string]any{}, "prometheus": map[string]any{}},
			"service": map[string]any{"pipelines": map[string]any{"metrics": map[string]any{
				"receivers": []any{"otlp", "statsd"}, "exporters": []any{"debug", "prometheus"}}}},
		},
		"mode": "deployment", "upgradeStrategy": "automatic", "managementState": "managed", "replicas": int64(1), "configVersions": int64(3), "ipFamilyPolicy": "SingleStack",
	}
	if diff := cmp.Diff(want, c.object(betaCollectors, "plain")["spec"]); diff != "" {
		c.t.Errorf("-want +got\n%s", diff)
	}
	for _, manner := range [][]string{{"apply", "-f", "-"}, {"apply", "--server-side", "--force-conflicts", "-f", "-"}} {
		c.Run(document, manner...)
		first := c.version(betaCollectors, "plain")
		c.Run(document, manner...)
		if again := c.version(betaCollectors, "plain"); again != first {
			c.t.Errorf("kubectl %v twice: got version %s; want %s still", manner, again, first)
		}
	}
	agents := c.object("instrumentations", "all")
	annotations := agents["metadata"].(map[string]any)["annotations"].(map[string]any)
	java := agents["spec"].(map[string]any)["java"].(map[string]any)
	if got, want := annotations["instrumentation.opentelemetry.io/default-auto-instrumentation-java-image"], images.Java; got != want || java["image"] != want {
		c.t.Errorf("got %v in the annotation and %v as image; want %s", got, java["image"], want)
	}
}

// C1: a configuration that is no YAML is refused, with the place.
func (c cluster) unreadable() {
	c.Run(old, "apply", "-f", "-")
	broken := strings.Replace(old, "[logging]", "[logging", 1)
	want := "spec.config: line 3, column 70: did not find expected ',' or ']' while parsing a flow sequence that begins at line 3, column 62"
	for _, name := range []string{"name: old", "name: new"} {
		got, err := c.said(strings.Replace(broken, "name: old", name, 1), "apply", "-f", "-")
		if err == nil || !strings.Contains(got, want) {
			c.t.Errorf("%s: got %v, %s; want it refused: %s", name, err, got, want)
		}
	}
	if got := fmt.Sprint(c.object(alphaCollectors, "old")["spec"].(map[string]any)["config"]); !strings.Contains(got, "[logging]") {
		c.t.Errorf("got %s; want the configuration before", got)
	}
}

// C2: both versions are the same resource, with the webhooks in between. An
// unchanged replace in either loses nothing and writes nothing.
func (c cluster) versions() {
	// Not applied, because kubectl then notes in the resource what was applied last.
	c.Run(strings.Replace(old, "name: old", "name: both", 1), "create", "-f", "-")
	c.Run("", "patch", betaCollectors, "both", "-n", "shop", "--type=merge", "-p",
		`{"spec":{"configVersions":7,"dnsPolicy":"Default","readinessProbe":{"periodSeconds":5},"networkPolicy":{"enabled":true}}}`)
	for _, resource := range []string{alphaCollectors, betaCollectors} {
		before := c.object(betaCollectors, "both")
		replace := func() {
			c.Run(c.Run("", "get", resource, "both", "-n", "shop", "-o", "yaml"), "replace", "-f", "-")
		}
		replace() // who wrote it last is noted once
		version := c.version(betaCollectors, "both")
		replace()
		if diff := cmp.Diff(before["spec"], c.object(betaCollectors, "both")["spec"]); diff != "" {
			c.t.Errorf("replaced in %s: -before +after\n%s", resource, diff)
		}
		if got := c.version(betaCollectors, "both"); got != version {
			c.t.Errorf("replaced in %s: got version %s; want %s still", resource, got, version)
		}
	}
	if got := fmt.Sprint(c.object(alphaCollectors, "both")["spec"].(map[string]any)["config"]); !strings.Contains(got, "# a comment") {
		c.t.Errorf("got %s; want the comment kept", got)
	}
}

// unvalidated does something as if our webhooks were not there.
func (c cluster) unvalidated(f func()) {
	c.t.Helper()
	was := c.Run("", "get", "validatingwebhookconfiguration", needs.ValidatingWebhooks, "-o", "yaml")
	c.Run("", "delete", "validatingwebhookconfiguration", needs.ValidatingWebhooks)
	f()
	c.Run(was, "create", "-f", "-")
}

// One stored resource whose configuration nobody can read does not take the
// others with it, and can be mended and deleted.
func (c cluster) broken() {
	document := strings.NewReplacer("name: old", "name: broken", "[logging]", "[logging").Replace(old)
	// The API server learns of the deletion after a while.
	c.unvalidated(func() {
		c.until("kubectl create", func() error { _, err := c.said(document, "create", "-f", "-"); return err })
	})
	for _, resource := range []string{alphaCollectors, betaCollectors} {
		if got := c.Run("", "get", resource, "-n", "shop", "-o", "name"); !strings.Contains(got, "/broken") || !strings.Contains(got, "/ours") {
			c.t.Errorf("kubectl get %s: got %s; want broken and ours", resource, got)
		}
	}
	if got, want := fmt.Sprint(c.object(betaCollectors, "broken")["metadata"].(map[string]any)["annotations"].(map[string]any)[v1beta1.ConfigErrorAnnotation]), "line 3, column 70: "; !strings.HasPrefix(got, want) {
		c.t.Errorf("got %s; want %q and why", got, want)
	}
	c.Run("", "label", betaCollectors, "broken", "-n", "shop", "team=a")
	c.until("kubectl annotate", func() error { return c.refuses(document, "line 3, column 70") })
	c.Run(strings.Replace(old, "name: old", "name: broken", 1), "apply", "-f", "-")
	if annotations := c.object(betaCollectors, "broken")["metadata"].(map[string]any)["annotations"].(map[string]any); annotations[v1beta1.ConfigErrorAnnotation] != nil {
		c.t.Errorf("got %v; want no error of a configuration that was mended", annotations)
	}
	c.Run("", "delete", betaCollectors, "broken", "-n", "shop")
}

// refuses tries to apply something that is to be refused.
func (c cluster) refuses(document, want string) error {
	got, err := c.said(strings.Replace(document, "# a comment", "# another", 1), "apply", "-f", "-")
	if err == nil || !strings.Contains(got, want) {
		return fmt.Errorf("got %v, %s; want it refused: %s", err, got, want)
	}
	return nil
}

// until tries again what the API server needs a while to know.
func (c cluster) until(what string, f func() error) {
	c.t.Helper()
	deadline, cancel := context.WithTimeout(c.t.Context(), time.Minute)
	defer cancel()
	for {
		err := f()
		if err == nil {
			return
		}
		if deadline.Err() != nil {
			c.t.Fatalf("%s: %v", what, err)
		}
	}
}

// A3: what is invalid by now can be labelled, lose its finalizer, and be deleted.
func (c cluster) invalid() {
	document := strings.NewReplacer("name: gateway", "name: invalid, finalizers: [example.com/a]").Replace(misspelt)
	c.unvalidated(func() {
		c.until("kubectl create", func() error {
			got, err := c.said(document, "create", "-f", "-")
			if err != nil {
				return fmt.Errorf("%w: %s", err, got)
			}
			return nil
		})
	})
	c.until("kubectl patch", func() error {
		got, err := c.said("", "patch", betaCollectors, "invalid", "-n", "shop", "--type=merge", "-p", `{"spec":{"ports":[{"port":4318}]}}`)
		if err == nil || !strings.Contains(got, "a port needs a name") {
			return fmt.Errorf("got %v, %s; want it refused", err, got)
		}
		return nil
	})
	c.Run("", "label", betaCollectors, "invalid", "-n", "shop", "team=a")
	c.Run("", "delete", betaCollectors, "invalid", "-n", "shop", "--wait=false")
	c.Run("", "patch", betaCollectors, "invalid", "-n", "shop", "--type=merge", "-p", `{"metadata":{"finalizers":null}}`)
	if got, err := c.said("", "get", betaCollectors, "invalid", "-n", "shop"); err == nil {
		c.t.Errorf("got %s; want it gone", got)
	}
}

// Who may write collectors but not read pods gets no collector that reads them.
func (c cluster) rights() {
	c.Run("", "create", "clusterrole", "writes-collectors", "--verb=*", "--resource=opentelemetrycollectors.opentelemetry.io")
	c.Run("", "create", "clusterrole", "reads-pods", "--verb=get,list,watch", "--resource=pods,namespaces,replicasets.apps")
	c.Run("", "create", "clusterrolebinding", "writers", "--clusterrole=writes-collectors", "--user=jane", "--user=joe")
	c.Run("", "create", "clusterrolebinding", "readers", "--clusterrole=reads-pods", "--user=joe")
	document := "apiVersion: opentelemetry.io/v1beta1\nkind: OpenTelemetryCollector\nmetadata: {name: attributes, namespace: shop}\nspec: {" + watching + "}"
	want := `The OpenTelemetryCollector "attributes" is invalid: spec: it needs rights that neither you nor service account attributes-collector have, so that you cannot grant them: get, list, watch namespaces, pods, replicasets.apps`
	got, err := c.said(document, "apply", "--as=jane", "-f", "-")
	if err == nil {
		c.t.Errorf("got %s; want it refused", got)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		c.t.Errorf("-want +got\n%s", diff)
	}
	c.Run(document, "apply", "--as=joe", "-f", "-")
}
