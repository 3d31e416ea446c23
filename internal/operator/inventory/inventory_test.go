package inventory

import (
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/signalbox-otel/signalbox/api/v1beta1"
)

func TestInventory(t *testing.T) {
	scheme := runtime.NewScheme()
	if err := v1beta1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	cr := func(namespace, name string, mode v1beta1.Mode, config map[string]any) *v1beta1.OpenTelemetryCollector {
		return &v1beta1.OpenTelemetryCollector{
			ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
			Spec:       v1beta1.OpenTelemetryCollectorSpec{Mode: mode, Config: v1beta1.NewConfig(config)},
		}
	}
	gateway := cr("shop", "gateway", "", map[string]any{
		"receivers":  map[string]any{"otlp": nil, "otlp/two": nil, "jaeger": nil},
		"exporters":  map[string]any{"debug": nil},
		"extensions": map[string]any{"health_check": nil},
	})
	agent := cr("shop", "agent", v1beta1.ModeDaemonSet, map[string]any{})
	reader := fake.NewClientBuilder().WithScheme(scheme).WithObjects(gateway, agent).Build()
	elected := make(chan struct{})
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(newCollector(reader, elected))

	if n, err := testutil.GatherAndCount(registry); n != 0 || err != nil {
		t.Errorf("a replica that does not lead reports %d metrics, %v; want none", n, err)
	}
	close(elected)
	const want = `
# HELP opentelemetry_collector_exporters How many exporters of a type the configuration of a collector has.
# TYPE opentelemetry_collector_exporters gauge
opentelemetry_collector_exporters{collector_name="gateway",namespace="shop",type="debug"} 1
# HELP opentelemetry_collector_extensions How many extensions of a type the configuration of a collector has.
# TYPE opentelemetry_collector_extensions gauge
opentelemetry_collector_extensions{collector_name="gateway",namespace="shop",type="health_check"} 1
# HELP opentelemetry_collector_info Collectors by their mode, which is the label type.
# TYPE opentelemetry_collector_info gauge
opentelemetry_collector_info{collector_name="agent",namespace="shop",type="daemonset"} 1
opentelemetry_collector_info{collector_name="gateway",namespace="shop",type="deployment"} 1
# HELP opentelemetry_collector_receivers How many receivers of a type the configuration of a collector has.
# TYPE opentelemetry_collector_receivers gauge
opentelemetry_collector_receivers{collector_name="gateway",namespace="shop",type="jaeger"} 1
opentelemetry_collector_receivers{collector_name="gateway",namespace="shop",type="otlp"} 2
`
	if err := testutil.GatherAndCompare(registry, strings.NewReader(want)); err != nil {
		t.Error(err)
	}
}
