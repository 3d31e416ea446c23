package controllers_test

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/signalbox-otel/signalbox/api/v1beta1"
)

// everything has a resource of each kind and mode, with what they may have.
const everything = `
apiVersion: opentelemetry.io/v1beta1
kind: OpenTelemetryCollector
metadata: {name: gateway, annotations: {team: shop}, labels: {team: shop}}
spec:
  resources: {limits: {cpu: 1000m, memory: 1024Mi}, requests: {cpu: "0.1", memory: "134217728"}}
  autoscaler: {minReplicas: 2, maxReplicas: 5, targetCPUUtilization: 80, targetMemoryUtilization: 70}
  ingress: {type: ingress, hostname: otel.example.test, ruleType: path, annotations: {a: b}}
  networkPolicy: {enabled: true}
  env: [{name: EMPTY, value: ""}, {name: GREETING, value: hi}]
  volumes: [{name: scratch, emptyDir: {}}]
  volumeMounts: [{name: scratch, mountPath: /scratch}]
  podSecurityContext: {runAsNonRoot: true}
  securityContext: {capabilities: {drop: [ALL]}, allowPrivilegeEscalation: false}
  tolerations: [{key: dedicated, operator: Exists}]
  affinity: {nodeAffinity: {preferredDuringSchedulingIgnoredDuringExecution: [{weight: 1, preference: {matchExpressions: [{key: a, operator: Exists}]}}]}}
  topologySpreadConstraints: [{maxSkew: 1, topologyKey: zone, whenUnsatisfiable: ScheduleAnyway, labelSelector: {matchLabels: {a: b}}}]
  ports: [{name: extra, port: 9999, nodePort: 31999}]
  livenessProbe: {periodSeconds: 5}
  deploymentUpdateStrategy: {type: RollingUpdate, rollingUpdate: {maxSurge: 1, maxUnavailable: 0}}
  config: &config
    extensions: {health_check: {}}
    receivers: {otlp: {protocols: {grpc: {}, http: {}}}}
    processors: {k8s_attributes: {}}
    exporters: {debug: {}}
    service:
      extensions: [health_check]
      pipelines:
        traces: {receivers: [otlp], processors: [k8s_attributes], exporters: [debug]}
---
apiVersion: opentelemetry.io/v1beta1
kind: OpenTelemetryCollector
metadata: {name: agent}
spec:
  mode: daemonset
  hostNetwork: true
  daemonSetUpdateStrategy: {type: RollingUpdate, rollingUpdate: {maxUnavailable: 50%}}
  config:
    receivers: {kubelet_stats: {}}
    exporters: {debug: {}}
    service: {pipelines: {metrics: {receivers: [kubelet_stats], exporters: [debug]}}}
---
apiVersion: opentelemetry.io/v1beta1
kind: OpenTelemetryCollector
metadata: {name: scraper}
spec:
  mode: statefulset
  replicas: 2
  volumeClaimTemplates: [{metadata: {name: data}, spec: {accessModes: [ReadWriteOnce], storageClassName: none, resources: {requests: {storage: 1024Mi}}}}]
  persistentVolumeClaimRetentionPolicy: {whenDeleted: Delete}
  targetAllocator: {enabled: true, prometheusCR: {enabled: true, serviceMonitorSelector: {}}, resources: {limits: {memory: 1000M}}}
  networkPolicy: {enabled: true}
  config:
    receivers: {prometheus: {config: {scrape_configs: [{job_name: self, static_configs: [{targets: [localhost:8888]}]}]}}}
    exporters: {debug: {}}
    service: {pipelines: {metrics: {receivers: [prometheus], exporters: [debug]}}}
---
apiVersion: opentelemetry.io/v1beta1
kind: OpenTelemetryCollector
metadata: {name: beside}
spec:
  mode: sidecar
  config:
    receivers: {otlp: {protocols: {grpc: {}}}}
    exporters: {debug: {}}
    service: {pipelines: {traces: {receivers: [otlp], exporters: [debug]}}}
---
apiVersion: opentelemetry.io/v1alpha1
kind: OpAMPBridge
metadata: {name: bridge}
spec:
  endpoint: ws://opamp.example.test
  image: bridge:1
  capabilities: {AcceptsRemoteConfig: true, ReportsHealth: true}
---
apiVersion: opentelemetry.io/v1alpha1
kind: TargetAllocator
metadata: {name: shared}
spec:
  scrapeConfigs: [{job_name: a, static_configs: [{targets: [a:1]}]}]
`

// volumes are for the scraper's pods, which stay as they are once they run: what
// is said of pods that wait changes with every attempt to place them.
const volumes = `
apiVersion: v1
kind: PersistentVolume
metadata: {name: testquiet-0}
spec:
  accessModes: [ReadWriteOnce]
  storageClassName: none
  capacity: {storage: 1Gi}
  hostPath: {path: /none}
---
apiVersion: v1
kind: PersistentVolume
metadata: {name: testquiet-1}
spec: {accessModes: [ReadWriteOnce], storageClassName: none, capacity: {storage: 1Gi}, hostPath: {path: /none}}
`

// TestQuiet shows that nothing is written when nothing changed: not after a
// restart, and not when others touch objects without changing what we want.
func TestQuiet(t *testing.T) {
	b := newBed(t)
	b.apply(volumes)
	b.apply(everything)
	b.during(6, b.start)
	b.awaitReady("gateway")
	b.awaitReady("agent")
	b.awaitReady("scraper")
	b.during(0, func() {})
	b.end()
	b.writes.take()

	b.during(6, b.start)
	if got := b.writes.take(); len(got) > 0 {
		t.Errorf("after a restart the operator writes\n%s", strings.Join(got, "\n"))
	}

	d := &appsv1.Deployment{}
	key := types.NamespacedName{Namespace: b.namespace, Name: "gateway-collector"}
	for i := range 20 {
		b.during(1, func() {
			if err := b.Get(t.Context(), key, d); err != nil {
				t.Fatal(err)
			}
			before := d.DeepCopy()
			d.Annotations["touched"] = fmt.Sprint(i)
			if err := b.Patch(t.Context(), d, client.MergeFrom(before)); err != nil {
				t.Fatal(err)
			}
		})
	}
	if got := b.writes.take(); len(got) > 0 {
		t.Errorf("after 20 annotations on a Deployment the operator writes\n%s", strings.Join(got, "\n"))
	}
}

// BenchmarkCollectors says how long 200 new collectors take until all are
// applied, and how long a restart then takes until all were looked at, with how
// many writes. N is how many collectors, where it is set.
func BenchmarkCollectors(bench *testing.B) {
	n := 200
	if s := os.Getenv("N"); s != "" {
		var err error
		if n, err = strconv.Atoi(s); err != nil {
			bench.Fatal(err)
		}
	}
	for range bench.N {
		b := newBed(bench)
		var text strings.Builder
		for i := range n {
			fmt.Fprintf(&text, "---%s", strings.NewReplacer("name: simple", fmt.Sprintf("name: c%d", i), "replicas: 2", "replicas: 1").Replace(simple))
		}
		b.apply(text.String())
		started := time.Now()
		// Asking often would be half of the load.
		wait := func(what string, so func() (bool, error)) {
			if err := untilEvery(bench.Context(), time.Second/4, so); err != nil {
				bench.Fatal(err)
			}
			bench.ReportMetric(time.Since(started).Seconds(), what)
		}
		b.start()
		wait("s/deployments", func() (bool, error) {
			all := metav1.PartialObjectMetadataList{}
			all.SetGroupVersionKind(appsv1.SchemeGroupVersion.WithKind("DeploymentList"))
			err := b.List(bench.Context(), &all, client.InNamespace(b.namespace))
			return len(all.Items) == n, err
		})
		wait("s/ready", func() (bool, error) {
			var all v1beta1.OpenTelemetryCollectorList
			err := b.List(bench.Context(), &all, client.InNamespace(b.namespace))
			return !slices.ContainsFunc(all.Items, func(c v1beta1.OpenTelemetryCollector) bool {
				return c.Status.Scale.StatusReplicas != "1/1"
			}), err
		})
		b.during(0, func() {})
		b.end()
		bench.ReportMetric(float64(len(b.writes.take())), "writes/start")
		started = time.Now()
		b.during(n, b.start)
		bench.ReportMetric(time.Since(started).Seconds(), "s/restart")
		bench.ReportMetric(float64(len(b.writes.take())), "writes/restart")
		b.end()
	}
}
