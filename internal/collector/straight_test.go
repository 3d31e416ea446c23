package collector

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/pipeline"
)

// bendsOf loads a configuration and says of each way why it is not straight.
func bendsOf(t *testing.T, configs ...string) map[string]string {
	t.Helper()
	factories, err := Factories()
	if err != nil {
		t.Fatal(err)
	}
	var uris []string
	for _, c := range configs {
		uris = append(uris, "yaml:"+c)
	}
	config, err := load(t.Context(), Settings{ConfigURIs: uris}, factories)
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := decode(config.conf, factories)
	if err != nil {
		t.Fatal(err)
	}
	effective, err := marshalled(cfg)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	for w, why := range ways(cfg, effective) {
		found[w.receiver.String()+" "+w.signal.String()] = why
	}
	return found
}

const noMetricBatches = "the store keeps no batches of metrics"

// What `signalbox up` runs goes straight.
func TestAllInOneGoesStraight(t *testing.T) {
	dir := "extensions: {query: {directory: " + t.TempDir() + "}}"
	want := map[string]string{"otlp traces": "", "otlp logs": "", "otlp metrics": noMetricBatches}
	if diff := cmp.Diff(want, bendsOf(t, AllInOne, dir)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(want, bendsOf(t, AllInOne, HostMetrics, dir)); diff != "" {
		t.Errorf("with host metrics (-want +got):\n%s", diff)
	}
}

func TestWays(t *testing.T) {
	const parts = `
receivers: {otlp: {protocols: {http: }}, otlp/two: {protocols: {grpc: {endpoint: localhost:0}}}, zipkin: }
processors: {memory_limiter: {check_interval: 1s, limit_mib: 100}, batch: }
exporters: {store: , nop: , store/two: }
extensions: {query: {directory: DIR}}
connectors:
  span_metrics: {dimensions: [{name: http.route}]}
  span_metrics/events: {events: {enabled: true, dimensions: [{name: exception.type}]}}
  span_metrics/glob: {dimensions: [{glob: "http.*"}]}
  service_graph:
  service_graph/exponential: {exponential_histogram_max_size: 160}
  count:
  forward:
service:
  extensions: [query]
  pipelines:
    metrics/made: {receivers: [span_metrics, span_metrics/events, span_metrics/glob, service_graph, service_graph/exponential, count], exporters: [nop]}
    traces/forwarded: {receivers: [forward], exporters: [nop]}
`
	// Connectors must have pipelines on both sides.
	const others = `
    traces/others: {receivers: [zipkin], exporters: [span_metrics, span_metrics/events, span_metrics/glob, service_graph, service_graph/exponential, count, forward]}
`
	f := func(pipelines string, want map[string]string) {
		t.Helper()
		text := strings.Replace(parts, "DIR", t.TempDir(), 1) + others + pipelines
		if diff := cmp.Diff(want, bendsOf(t, text)); diff != "" {
			t.Errorf("%s: (-want +got):\n%s", pipelines, diff)
		}
	}
	one := func(why string) map[string]string { return map[string]string{"otlp traces": why} }
	f("    traces: {receivers: [otlp], exporters: [store]}", one(""))
	f("    traces: {receivers: [otlp, zipkin], processors: [memory_limiter], exporters: [store, store/two, span_metrics, service_graph]}", one(""))
	f("    traces: {receivers: [otlp], processors: [memory_limiter, batch], exporters: [store]}", one("pipeline traces has processor batch"))
	f("    traces: {receivers: [otlp], exporters: [store, nop]}", one("pipeline traces has exporter nop"))
	f("    traces: {receivers: [otlp], exporters: [store, forward]}", one("pipeline traces has exporter forward"))
	f("    traces: {receivers: [otlp], exporters: [store, count]}", one("pipeline traces has exporter count"))
	f("    traces: {receivers: [otlp], exporters: [store, span_metrics/events]}", one("pipeline traces has exporter span_metrics/events"))
	f("    traces: {receivers: [otlp], exporters: [store, span_metrics/glob]}", one("pipeline traces has exporter span_metrics/glob"))
	f("    traces: {receivers: [otlp], exporters: [store, service_graph/exponential]}", one("pipeline traces has exporter service_graph/exponential"))
	f("    traces: {receivers: [otlp], exporters: [span_metrics]}", one("pipeline traces does not end in the store"))
	f("    traces: {receivers: [otlp], exporters: [store]}\n    traces/two: {receivers: [otlp], exporters: [nop]}", one("pipeline traces/two has exporter nop"))
	f("    traces: {receivers: [otlp], exporters: [store]}\n    traces/two: {receivers: [otlp/two], exporters: [nop]}\n    logs: {receivers: [otlp/two], exporters: [store]}",
		map[string]string{"otlp traces": "", "otlp/two traces": "pipeline traces/two has exporter nop", "otlp/two logs": ""})
	f("    metrics: {receivers: [otlp], exporters: [store]}", map[string]string{"otlp metrics": noMetricBatches})
	f("    traces: {receivers: [otlp], exporters: [store]}\n  telemetry: {metrics: {level: detailed}}",
		one("service::telemetry::metrics::level is detailed, which measures sizes in pdata"))
}

// Who was not decided about goes the way that always works.
func TestUndecidedIsNotStraight(t *testing.T) {
	var s straight
	if s.goes(component.MustNewID("otlp"), pipeline.SignalTraces) {
		t.Error("got straight; want not, for nothing was decided")
	}
}
