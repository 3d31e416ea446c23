package install

import (
	"encoding/json"
	"errors"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/scheme"
	kjson "sigs.k8s.io/json"
	"sigs.k8s.io/yaml"

	"github.com/signalbox-otel/signalbox/api/v1beta1"
	"github.com/signalbox-otel/signalbox/internal/operator/needs"
	"github.com/signalbox-otel/signalbox/internal/render"
)

// objectsOf are the objects for settings.
func objectsOf(t *testing.T, settings ...string) []*unstructured.Unstructured {
	t.Helper()
	v, err := Parse(nil, settings)
	if err != nil {
		t.Fatal(err)
	}
	objects, err := Objects(v, "signalbox:1.2.3")
	if err != nil {
		t.Fatal(err)
	}
	return objects
}

// The objects with values that change all they can. Those with the default values
// are in deploy/. UPDATE=1 writes the file.
func TestObjects(t *testing.T) {
	const golden = "testdata/much.yaml"
	objects := objectsOf(t, variants["much"]...)
	objects = slices.DeleteFunc(objects, func(o *unstructured.Unstructured) bool { return o.GetKind() == "CustomResourceDefinition" })
	got := YAML(objects)
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile(golden, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", golden, diff)
	}
}

// Every object is what its kind is, without fields that the kind does not have.
func TestObjectsFitTheirKinds(t *testing.T) {
	for name, settings := range variants {
		for _, o := range objectsOf(t, settings...) {
			typed, err := scheme.Scheme.New(o.GroupVersionKind())
			if runtime.IsNotRegisteredError(err) {
				continue // of others; the API server of the tests knows them
			}
			if err == nil {
				err = decodeStrict(o, typed)
			}
			if err != nil {
				t.Errorf("%s: %s %s: %v", name, o.GetKind(), o.GetName(), err)
			}
		}
	}
}

func decodeStrict(o *unstructured.Unstructured, typed any) error {
	data, err := json.Marshal(o)
	if err != nil {
		return err
	}
	unknown, err := kjson.UnmarshalStrict(data, typed)
	return errors.Join(append(unknown, err)...)
}

// Nobody gets to read Secrets, but for the operator its own, by name.
func TestNoRightToReadSecrets(t *testing.T) {
	for _, o := range objectsOf(t) {
		var role rbacv1.ClusterRole // has the fields of a Role too
		if !strings.HasSuffix(o.GetKind(), "Role") {
			continue
		}
		if err := decodeStrict(o, &role); err != nil {
			t.Fatal(err)
		}
		for _, rule := range role.Rules {
			secrets := (slices.Contains(rule.APIGroups, "") || slices.Contains(rule.APIGroups, "*")) &&
				(slices.Contains(rule.Resources, "secrets") || slices.Contains(rule.Resources, "*"))
			reads := slices.ContainsFunc(rule.Verbs, func(verb string) bool { return slices.Contains([]string{"get", "list", "watch", "*"}, verb) })
			named := o.GetKind() == "Role" && len(rule.ResourceNames) > 0
			if secrets && reads && !named {
				t.Errorf("%s %s: %v", o.GetKind(), o.GetName(), rule)
			}
		}
	}
}

// The default collector is one that can be rendered as it is, without anything to
// notice in it.
func TestDefaultCollector(t *testing.T) {
	for _, settings := range [][]string{nil, variants["much"], variants["in memory"]} {
		cr := defaultCollector(t, settings...)
		plan, err := render.Collector(cr, render.Facts{CollectorImage: "signalbox:1.2.3", RBAC: true})
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range plan.Findings {
			t.Errorf("%v: %s", settings, f)
		}
	}
}

// defaultCollector is the one in the ConfigMap.
func defaultCollector(t *testing.T, settings ...string) *v1beta1.OpenTelemetryCollector {
	t.Helper()
	cr := new(v1beta1.OpenTelemetryCollector)
	for _, o := range objectsOf(t, settings...) {
		if o.GetKind() != "ConfigMap" {
			continue
		}
		text, _, _ := unstructured.NestedString(o.Object, "data", collectorKey)
		m, err := readMap([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if err := decodeStrict(&unstructured.Unstructured{Object: m}, cr); err != nil {
			t.Fatal(err)
		}
	}
	return cr
}

// Every value is described where users find it, and holds when nothing is said.
func TestDefaultValuesAreComplete(t *testing.T) {
	m, err := readMap(DefaultValues)
	if err != nil {
		t.Fatal(err)
	}
	var missing func(schema, values map[string]any, path string)
	missing = func(schema, values map[string]any, path string) {
		properties, _ := schema["properties"].(map[string]any)
		for key, below := range properties {
			v, ok := values[key]
			if !ok {
				t.Errorf("values.yaml has no %s%s", path, key)
			}
			if m, ok := v.(map[string]any); ok {
				missing(below.(map[string]any), m, path+key+".")
			}
		}
	}
	missing(schemaOf(reflect.TypeFor[Values]()), m, "")
}

// Wrong values are refused, with what to do.
func TestParseRefuses(t *testing.T) {
	f := func(setting, want string) {
		t.Helper()
		_, err := Parse(nil, []string{setting})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v; want %q", setting, err, want)
		}
	}
	f("store.sise=50Gi", `there is no value store.sise; did you mean "store.size"?`)
	f("size=50Gi", `there is no value size; did you mean "store.size"?`)
	f("wombat=1", `there is no value wombat; signalbox install --print-values lists them`)
	f("store", "want PATH=VALUE")
	f("store=big", "store is text; want a map")
	f("operator.replicas=two", "operator.replicas is text; want a whole number")
	f("operator.replicas=1.5", "operator.replicas is a number; want a whole number")
	f("operator.replicas=0", "operator.replicas: got 0; want 1 to 10")
	f("store.persistent=yes please", "store.persistent is text; want true or false")
	f("store.size=50XX", `store.size: "50XX" is no size; want one as 50Gi`)
	f("store.retention=30", `store.retention: "30" is no length of time`)
	f("store.retentionSize=much", "want one as 20GiB or 50%")
	f("store.service.type=External", "want ClusterIP, NodePort, LoadBalancer")
	f("store.service.nodePort=30000", "it needs store.service.type: NodePort")
	f("store.resources={limit: {cpu: 1}}", `unknown field "store.resources.limit"`)
	f("operator.tolerations=[{ky: x}]", `unknown field "operator.tolerations[0].ky"`)
	f("operator.hostNetwork=true", "set podSecurity: privileged")
	f("operator.enabled=false", "collector.enabled: it is the operator that makes collectors")
	f("store.enabled=false", "collector.enabled: it sends to the store")
	f("collector.mode=sidecar", "want deployment, daemonset, statefulset")
	f("namespace=Tools", `namespace: "Tools" is no name`)
}

// Files and settings are laid over the defaults in order.
func TestParse(t *testing.T) {
	v, err := Parse([]File{
		{"a.yaml", []byte("store: {size: 20Gi, resources: {limits: {cpu: 1}}}\noperator: {nodeSelector: {a: b}}")},
		{"b.yaml", []byte("store: {size: 30Gi, retention: null}\n")},
	}, []string{"store.size=40Gi", `operator.nodeSelector.kubernetes\.io/os=linux`, "image=0123", "store.args=[--log-level=info]"})
	if err != nil {
		t.Fatal(err)
	}
	got := []any{
		v.Store.Size, v.Store.Retention, v.Store.Resources.Limits.Cpu().String(), v.Store.Resources.Limits.Memory().String(),
		v.Operator.NodeSelector, v.Image, v.Store.Args,
	}
	want := []any{"40Gi", "7d", "1", "1Gi", map[string]string{"a": "b", "kubernetes.io/os": "linux"}, "0123", []string{"--log-level=info"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if _, err := Parse([]File{{"c.yaml", []byte("store: {size: 1Gi, size: 2Gi}")}}, nil); err == nil || !strings.Contains(err.Error(), "reading c.yaml") {
		t.Errorf("a key that is there twice: got %v; want an error with the file", err)
	}
}

// What a collector needs, the operator can give: it has it itself. What is as good
// as all rights it does not have.
func TestOperatorHoldsWhatCollectorsNeed(t *testing.T) {
	held := map[string]bool{}
	each := func(rules []rbacv1.PolicyRule, f func(right string)) {
		for _, rule := range rules {
			for _, group := range rule.APIGroups {
				for _, resource := range rule.Resources {
					for _, verb := range rule.Verbs {
						f(verb + " " + resource + "." + group)
					}
				}
			}
		}
	}
	each(append(needs.Rights(), needs.Grants()...), func(right string) { held[right] = true })
	var cr v1beta1.OpenTelemetryCollector
	text, err := os.ReadFile("testdata/rights.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.UnmarshalStrict(text, &cr); err != nil {
		t.Fatal(err)
	}
	plan, err := render.Collector(&cr, render.Facts{CollectorImage: "signalbox:1.2.3", RBAC: true})
	if err != nil {
		t.Fatal(err)
	}
	var missing []string
	each(plan.Rules(), func(right string) {
		if !held[right] {
			missing = append(missing, right)
		}
	})
	if diff := cmp.Diff([]string{"get nodes/proxy."}, missing); diff != "" {
		t.Errorf("rights that the operator cannot give (-want +got):\n%s", diff)
	}
}
