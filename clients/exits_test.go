package clients

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/api"
	promv1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/model"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/signalbox-otel/signalbox/internal/collector/jaegertest"
)

// A manifest of 2023 with a collector of 2020: exporters jaeger and logging, TLS
// keys of then, a flag that is gone. The overlay names the peers that are here.
// The program of the same tutorial is traced in a real Jaeger, and a real
// Prometheus reads the metrics.
func TestTutorialOf2020(t *testing.T) {
	t.Parallel()
	jaeger := jaegertest.Start(t)
	otlp, metrics := freePort(t), freePort(t)
	c := startCollector(t, deploy(t, "002-manifest.yaml"), nil, fmt.Sprintf(`
receivers: {otlp: {protocols: {grpc: {endpoint: "127.0.0.1:%d"}}}}
extensions: {health_check: {endpoint: "127.0.0.1:%d"}}
exporters: {jaeger: {endpoint: %q}, prometheus: {endpoint: "127.0.0.1:%d"}}
service: {telemetry: {metrics: {level: none}}}
`, otlp, freePort(t), jaeger.GRPC, metrics))
	c.says(t, "--mem-ballast-size-mib: dropped")

	runExample(t, otlp, "tutorial-2020")
	wantExample(t, jaeger, "tutorial-2020")

	sendOrders(t, otlp)
	prometheus := startPrometheus(t, metrics)
	eventually(t, func(ctx context.Context) error {
		answer, _, err := prometheus.Query(ctx, `default_orders_total{kind="book", exported_job="shop"}`, time.Now())
		if err != nil {
			return err
		}
		samples, ok := answer.(model.Vector)
		if !ok || len(samples) != 1 || samples[0].Value != 7 {
			return fmt.Errorf("prometheus answers %v; want one series with 7; the collector says:\n%s", answer, c.log)
		}
		return nil
	})
	c.says(t, `"metrics": 1, "data points": 1`) // the exporter that was called logging
}

// The tutorial's collector for an operator prints what it receives.
func TestTutorialOf2023(t *testing.T) {
	t.Parallel()
	otlp := freePort(t)
	c := startCollector(t, deploy(t, "002-simplest.yaml"), nil, fmt.Sprintf(`
receivers: {otlp: {protocols: {grpc: {endpoint: "127.0.0.1:%d"}, http: {endpoint: "127.0.0.1:%d"}}}}
service: {telemetry: {metrics: {level: none}}}
`, otlp, freePort(t)))
	runExample(t, otlp, "tutorial-2023")
	c.says(t, `"resource spans": 1, "spans": 11`)
}

// A blog's collector of 2024, whose exporters have names with two slashes. It
// sends OTLP to a real Jaeger's own port 14250, as its author meant, to one's port
// 4317, and to another Signalbox. The program is in Python and sends over HTTP, as
// the one that the blog's operator instruments.
func TestBlogOf2024(t *testing.T) {
	t.Parallel()
	a, b := jaegertest.Start(t), jaegertest.Start(t)
	otlp := freePort(t)
	c := startCollector(t, deploy(t, "003-collector.yaml"), nil, fmt.Sprintf(`
receivers: {otlp: {protocols: {grpc: {endpoint: "127.0.0.1:%d"}, http: {endpoint: "127.0.0.1:%d"}}}}
processors: {batch: {timeout: 100ms}}
exporters: {otlp/jaeger/A: {endpoint: %q}, otlp/jaeger/B: {endpoint: %q}, otlp/python/C: {endpoint: %q}}
service: {telemetry: {metrics: {level: none}}}
`, freePort(t), otlp, a.GRPC, b.OTLP, box.addr("otlp-grpc-port")))
	const service = "blog-2024"
	id := pythonProgram(t, "python", "shop.py").run(t, map[string]string{
		"OTEL_SERVICE_NAME":           service,
		"OTEL_EXPORTER_OTLP_ENDPOINT": fmt.Sprintf("http://127.0.0.1:%d", otlp),
		"OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
	})
	want := shopTrace(service)
	wantTrace(t, id, want)
	for exporter, jaeger := range map[string]*jaegertest.Jaeger{"otlp/jaeger/A": a, "otlp/jaeger/B": b} {
		names := spanNames(jaeger.Eventually(t, service, len(want)))
		if diff := cmp.Diff(slices.Sorted(maps.Keys(want)), names); diff != "" {
			t.Errorf("what the Jaeger of %s has (-want +got):\n%s", exporter, diff)
		}
	}
	c.says(t, "sending in Jaeger's protocol")
	for _, printed := range []string{`"spans": 3`, `"metrics": 4, "data points": 4`, `"log records": 2`} {
		c.says(t, printed)
	}
}

// runExample runs the program of the tutorials over OTLP gRPC.
func runExample(t *testing.T, port int, service string) {
	t.Helper()
	goProgram(t, "gosdk", ".", "./gosdk").run(t, map[string]string{
		"OTEL_SERVICE_NAME":           service,
		"OTEL_EXPORTER_OTLP_ENDPOINT": fmt.Sprintf("http://127.0.0.1:%d", port),
	}, "-work", "1ms")
}

// wantExample waits until a Jaeger has what runExample sends.
func wantExample(t *testing.T, jaeger *jaegertest.Jaeger, service string) {
	t.Helper()
	want := []string{"CollectorExporter-Example"}
	for i := range 10 {
		want = append(want, fmt.Sprintf("Sample-%d", i))
	}
	spans := jaeger.Eventually(t, service, len(want))
	if diff := cmp.Diff(want, spanNames(spans)); diff != "" {
		t.Errorf("spans in Jaeger (-want +got):\n%s", diff)
	}
	for _, s := range spans {
		if s.Name != want[0] {
			continue
		}
		if !slices.ContainsFunc(s.Tags, func(tag jaegertest.Tag) bool { return tag.Key == "attrA" && tag.Value == "chocolate" }) {
			t.Errorf("%s has the tags %v; want attrA", s.Name, s.Tags)
		}
	}
}

// spanNames gives the names of spans, sorted.
func spanNames(spans []jaegertest.Span) []string {
	var names []string
	for _, s := range spans {
		names = append(names, s.Name)
	}
	slices.Sort(names)
	return names
}

// sendOrders sends a counter over OTLP gRPC: seven orders of a shop.
func sendOrders(t *testing.T, port int) {
	t.Helper()
	md := pmetric.NewMetrics()
	rm := md.ResourceMetrics().AppendEmpty()
	rm.Resource().Attributes().PutStr("service.name", "shop")
	orders := rm.ScopeMetrics().AppendEmpty().Metrics().AppendEmpty()
	orders.SetName("orders")
	orders.SetUnit("{order}")
	sum := orders.SetEmptySum()
	sum.SetIsMonotonic(true)
	sum.SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
	point := sum.DataPoints().AppendEmpty()
	point.SetTimestamp(pcommon.NewTimestampFromTime(time.Now()))
	point.SetIntValue(7)
	point.Attributes().PutStr("kind", "book")

	conn, err := grpc.NewClient(fmt.Sprintf("127.0.0.1:%d", port), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := pmetricotlp.NewGRPCClient(conn).Export(t.Context(), pmetricotlp.NewExportRequestFromMetrics(md)); err != nil {
		t.Fatal(err)
	}
}

// startPrometheus runs Prometheus itself, that scrapes one port every second.
func startPrometheus(t *testing.T, target int) promv1.API {
	t.Helper()
	port, _ := runPrometheus(t, fmt.Sprintf(`
scrape_configs:
- job_name: collector
  scrape_interval: 1s
  scrape_timeout: 1s
  static_configs: [{targets: ["127.0.0.1:%d"]}]
`, target))
	client, err := api.NewClient(api.Config{Address: fmt.Sprintf("http://127.0.0.1:%d", port)})
	if err != nil {
		t.Fatal(err)
	}
	return promv1.NewAPI(client)
}
