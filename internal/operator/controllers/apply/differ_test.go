package apply

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/yaml"

	"github.com/signalbox-otel/signalbox/api/v1beta1"
	"github.com/signalbox-otel/signalbox/internal/render"
)

var owner = &Owner{
	Object: &v1beta1.OpenTelemetryCollector{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web", UID: "1"}},
	Kind:   schema.GroupVersionKind{Group: v1beta1.Group, Version: "v1beta1", Kind: "OpenTelemetryCollector"},
	Labels: map[string]string{v1beta1.LabelInstance: "shop.web", v1beta1.LabelComponent: "opentelemetry-collector"},
}

func parsed(t *testing.T, text string) map[string]any {
	t.Helper()
	m := map[string]any{}
	if err := yaml.Unmarshal([]byte(text), &m); err != nil {
		t.Fatal(err)
	}
	return m
}

func wantedOf(t *testing.T, text string) *wanted {
	t.Helper()
	w, err := newWanted(clientgoscheme.Scheme, owner, render.Custom(parsed(t, text)))
	if err != nil {
		t.Fatal(err)
	}
	delete(w.Object["metadata"].(map[string]any), "annotations")
	return w
}

func live(t *testing.T, text string) map[string]any {
	t.Helper()
	m, err := canonical(clientgoscheme.Scheme, &unstructured.Unstructured{Object: parsed(t, text)})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

const deployment = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {a: b}}
spec:
  replicas: 0
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      hostNetwork: false
      securityContext: {}
      containers:
        - name: main
          image: one
          args: [-a, -b]
          env: [{name: A, value: ""}, {name: B, value: b}]
          resources: {limits: {cpu: 1000m, memory: 1024Mi}}
          ports: [{name: http, containerPort: 80}]
          volumeMounts: [{name: v, mountPath: /v}]
      volumes: [{name: v, emptyDir: {}}]
      tolerations: [{key: k, operator: Exists}]
`

// What the API server adds, and others, does not count; what is wanted does.
func TestDiffer(t *testing.T) {
	f := func(wanted, is string, want ...string) {
		t.Helper()
		got := wantedOf(t, wanted).differ(live(t, is))
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got):\n%s\nof\n%s", diff, is)
		}
	}
	pod := func(pod string) string {
		return "{apiVersion: apps/v1, kind: Deployment, metadata: {name: web, labels: {a: b, c: d}, resourceVersion: '5'}, " +
			"spec: {replicas: 0, strategy: {type: RollingUpdate}, selector: {matchLabels: {app: web}}, template: {metadata: {labels: {app: web}, annotations: {restartedAt: now}}, spec: {" +
			"dnsPolicy: ClusterFirst, securityContext: {}, " + pod + "}}}, status: {replicas: 0}}"
	}
	const volumes = "volumes: [{name: v, emptyDir: {}}], tolerations: [{key: k, operator: Exists}]"
	container := func(text string) string {
		return pod("containers: [{name: main, imagePullPolicy: Always, " + text + "}], " + volumes)
	}
	const main = "image: one, args: [-a, -b], env: [{name: A}, {name: B, value: b}], resources: {limits: {cpu: '1', memory: 1Gi}}, ports: [{name: http, containerPort: 80, protocol: TCP}], volumeMounts: [{name: v, mountPath: /v}]"

	f(deployment, deployment)
	f(deployment, container(main))
	// A container, a variable and a volume that others added.
	f(deployment, pod("containers: [{name: other, image: x}, {name: main, image: one, args: [-a, -b], env: [{name: C}, {name: A}, {name: B, value: b}], resources: {limits: {cpu: 1, memory: 1Gi}, requests: {cpu: 1}}, ports: [{name: x, containerPort: 81}, {name: http, containerPort: 80}], volumeMounts: [{name: v, mountPath: /v}]}], volumes: [{name: w, emptyDir: {}}, {name: v, emptyDir: {}}], tolerations: [{key: k, operator: Exists}]"))
	const c0 = "spec.template.spec.containers[0]"
	f(deployment, container("image: two, args: [-a, -b, -c], env: [{name: B, value: c}], resources: {limits: {cpu: 2, memory: 1Gi}}, volumeMounts: [{name: v, mountPath: /w}]"),
		c0+".args", c0+".env[0]", c0+".env[1].value", c0+".image", c0+".ports", c0+".resources.limits.cpu", c0+".volumeMounts[0]")
	f(deployment, pod("containers: [{name: main, "+main+"}], volumes: [{name: v, emptyDir: {}}], tolerations: [{key: k, operator: Exists}, {key: l}]"), "spec.template.spec.tolerations")
	f(`{apiVersion: v1, kind: ConfigMap, metadata: {name: a}, data: {k: v}}`, `{apiVersion: v1, kind: ConfigMap, metadata: {name: a}, data: {k: w}}`, "data.k")
	f(`{apiVersion: v1, kind: ConfigMap, metadata: {name: a}, data: {k: v}}`, `{apiVersion: v1, kind: ConfigMap, metadata: {name: a}}`, "data")
	// A selector and rules are one value each: what others add is a change.
	f(`{apiVersion: v1, kind: Service, metadata: {name: a}, spec: {selector: {a: b}, ports: [{port: 1}]}}`,
		`{apiVersion: v1, kind: Service, metadata: {name: a}, spec: {selector: {a: b, c: d}, ports: [{port: 2}, {port: 1, protocol: TCP, targetPort: 1}]}}`, "spec.selector")
	f(`{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: a}, rules: [{apiGroups: [""], resources: [pods], verbs: [get]}]}`,
		`{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: a}, rules: [{apiGroups: [""], resources: [pods], verbs: [get, delete]}]}`, "rules[0].verbs")
	f(`{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: a}, spec: {podSelector: {}, ingress: [{ports: [{port: 1}]}]}}`,
		`{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: a}, spec: {podSelector: {}, ingress: [{ports: [{port: 1}, {port: 2}]}]}}`, "spec.ingress[0].ports")
	// Of kinds without types, lists are one value.
	f(`{apiVersion: monitoring.coreos.com/v1, kind: ServiceMonitor, metadata: {name: a}, spec: {endpoints: [{port: a}]}}`,
		`{apiVersion: monitoring.coreos.com/v1, kind: ServiceMonitor, metadata: {name: a}, spec: {endpoints: [{port: a, interval: 1s}]}}`)
	f(`{apiVersion: monitoring.coreos.com/v1, kind: ServiceMonitor, metadata: {name: a}, spec: {endpoints: [{port: a}]}}`,
		`{apiVersion: monitoring.coreos.com/v1, kind: ServiceMonitor, metadata: {name: a}, spec: {endpoints: [{port: a}, {port: b}]}}`, "spec.endpoints")
}

func TestImmutable(t *testing.T) {
	f := func(wanted, is string, want ...string) {
		t.Helper()
		if diff := cmp.Diff(want, wantedOf(t, wanted).immutable(live(t, is))); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
	const set = "{apiVersion: apps/v1, kind: StatefulSet, metadata: {name: a}, spec: {selector: {matchLabels: {a: b}}, serviceName: s, podManagementPolicy: Parallel, volumeClaimTemplates: [{metadata: {name: d}, spec: {resources: {requests: {storage: 1024Mi}}}}]}}"
	f(set, set)
	f(set, "{apiVersion: apps/v1, kind: StatefulSet, metadata: {name: a}, spec: {replicas: 3, selector: {matchLabels: {a: b}}, serviceName: s, podManagementPolicy: Parallel, volumeClaimTemplates: [{metadata: {name: d}, spec: {volumeMode: Filesystem, resources: {requests: {storage: 1Gi}}}, status: {phase: Pending}}]}}")
	f(set, "{apiVersion: apps/v1, kind: StatefulSet, metadata: {name: a}, spec: {selector: {matchLabels: {a: b, c: d}}, serviceName: r, podManagementPolicy: OrderedReady}}",
		"spec.selector", "spec.serviceName", "spec.podManagementPolicy", "spec.volumeClaimTemplates")
	f("{apiVersion: apps/v1, kind: StatefulSet, metadata: {name: a}, spec: {selector: {matchLabels: {a: b}}, serviceName: s}}", set, "spec.volumeClaimTemplates")
	const binding = "{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRoleBinding, metadata: {name: a}, roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: NAME}}"
	f(binding, binding)
	f(binding, "{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRoleBinding, metadata: {name: a}, roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: other}}", "roleRef")
	f(deployment, deployment)
}

func TestRelation(t *testing.T) {
	controller := func(kind, name, uid string) metav1.OwnerReference {
		return metav1.OwnerReference{APIVersion: v1beta1.Group + "/v1beta1", Kind: kind, Name: name, UID: types.UID(uid), Controller: new(true)}
	}
	f := func(m metav1.ObjectMeta, ownerless bool, want relation, why string) {
		t.Helper()
		if got, said := owner.relation(&m, ownerless); got != want || said != why {
			t.Errorf("got %d, %q; want %d, %q for %+v", got, said, want, why, m)
		}
	}
	f(metav1.ObjectMeta{OwnerReferences: []metav1.OwnerReference{controller("OpenTelemetryCollector", "web", "1")}}, false, own, "")
	f(metav1.ObjectMeta{OwnerReferences: []metav1.OwnerReference{controller("OpenTelemetryCollector", "web", "0")}}, false, predecessor, "")
	f(metav1.ObjectMeta{Labels: owner.Labels, OwnerReferences: []metav1.OwnerReference{controller("OpenTelemetryCollector", "shop", "2")}}, false, foreign, "it belongs to OpenTelemetryCollector shop")
	f(metav1.ObjectMeta{}, false, foreign, "it was not made by the operator")
	f(metav1.ObjectMeta{Labels: owner.Labels}, false, own, "")
	f(metav1.ObjectMeta{Labels: owner.Labels}, true, own, "")
	f(metav1.ObjectMeta{Labels: owner.Labels, Annotations: map[string]string{OwnerAnnotation: "shop/web"}}, true, own, "")
	f(metav1.ObjectMeta{Labels: owner.Labels, Annotations: map[string]string{OwnerAnnotation: "shop/other"}}, true, foreign, "it belongs to shop/other")
}
