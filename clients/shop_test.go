package clients

import (
	"fmt"
	"strings"
	"testing"
)

// The SDKs' names of the protocols, and the port that each speaks to.
var otlpPorts = map[string]string{
	"grpc":          "otlp-grpc-port",
	"http/protobuf": "otlp-http-port",
	"http/json":     "otlp-http-port",
}

func TestNodeSDK(t *testing.T) {
	t.Parallel()
	testShop(t, "node", nodeProgram(t, "node", "shop.mjs"))
}

func TestPythonSDK(t *testing.T) {
	t.Parallel()
	testShop(t, "python", pythonProgram(t, "python", "shop.py"))
}

// testShop runs a shop over every protocol. In each language it tells the same
// of its order, so one list says what must arrive.
func testShop(t *testing.T, language string, shop program) {
	for protocol, port := range otlpPorts {
		t.Run(strings.ReplaceAll(protocol, "/", "-"), func(t *testing.T) {
			t.Parallel()
			service := language + "-" + strings.ReplaceAll(protocol, "/", "-")
			id := shop.run(t, map[string]string{
				"OTEL_SERVICE_NAME":           service,
				"OTEL_EXPORTER_OTLP_ENDPOINT": box.url(port),
				"OTEL_EXPORTER_OTLP_PROTOCOL": protocol,
				"OTEL_METRICS_EXPORTER":       "otlp",
				"OTEL_LOGS_EXPORTER":          "otlp",
			})
			wantTrace(t, id, shopTrace(service))
			wantShopMetrics(t, service)
			wantLogs(t, service, shopLogs(id))
		})
	}
}

func shopTrace(service string) map[string]span {
	return map[string]span{
		"POST /checkout": {
			Kind: "Server", Status: "Ok", Service: service,
			Attrs: map[string]any{
				"http.request.method": "POST",
				"cart.items":          int64(3),
				"cart.total":          59.97,
				"customer.vip":        true,
				"cart.skus":           []any{"a1", "b2"},
			},
		},
		"charge card": {
			Parent: "POST /checkout", Kind: "Client", Status: "Unset", Service: service,
			Events: []event{{Name: "card authorized", Attrs: map[string]any{"card.provider": "visa"}}},
		},
		"reserve stock": {
			Parent: "POST /checkout", Kind: "Internal", Status: "Error: out of stock", Service: service,
			Events: []event{{Name: "exception", Attrs: map[string]any{"exception.message": "sku b2 is gone"}}},
			Links:  []link{{To: "charge card", Attrs: map[string]any{"link.reason": "paid by"}}},
		},
	}
}

func wantShopMetrics(t *testing.T, service string) {
	t.Helper()
	for metric, want := range map[string]float64{
		`shop_orders_total{job=%q, channel="web"}`:                     3,
		`shop_carts_open{job=%q}`:                                      3,
		`shop_queue_length{job=%q}`:                                    7,
		`shop_order_value_USD_count{job=%q, channel="web"}`:            3,
		`shop_order_value_USD_sum{job=%q, channel="web"}`:              89.97,
		`shop_order_value_USD_bucket{job=%q, channel="web", le="25"}`:  2,
		`shop_order_value_USD_bucket{job=%q, channel="web", le="100"}`: 3,
	} {
		wantValue(t, fmt.Sprintf(metric, service), want)
	}
}

// shopLogs is what a shop logs of its order, in both spans of one trace.
func shopLogs(traceID string) []logRecord {
	return []logRecord{
		{Severity: 9, SeverityText: "INFO", Body: "order 42 placed", TraceID: traceID, Attributes: []logAttribute{{"order.id", "int", 42.0}}},
		{Severity: 17, SeverityText: "ERROR", Body: "stock is gone", TraceID: traceID, Attributes: []logAttribute{{"sku", "string", "b2"}}},
	}
}
