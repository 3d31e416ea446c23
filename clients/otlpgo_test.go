package clients

import (
	"fmt"
	"strconv"
	"testing"
)

// The SDK for Go of 2021 over both protocols. Its metrics are of messages that
// today's decoder skips.
func TestOldGoSDK(t *testing.T) {
	t.Parallel()
	for protocol, flag := range map[string]string{"grpc": "otlp-grpc-port", "http": "otlp-http-port"} {
		t.Run(protocol, func(t *testing.T) {
			t.Parallel()
			service := "otlpgo20-" + protocol
			id := goProgram(t, "otlpgo20", "otlpgo20", ".").run(t, map[string]string{
				"SERVICE":       service,
				"OTLP_ENDPOINT": "127.0.0.1:" + strconv.Itoa(box.ports[flag]),
				"OTLP_PROTOCOL": protocol,
			})
			wantTrace(t, id, map[string]span{
				"POST /checkout": {
					Kind: "Server", Status: "Ok", Service: service, // what it wrote for a status that was not set
					Attrs: map[string]any{"cart.items": int64(3), "cart.total": 59.97, "customer.vip": true},
				},
				"charge card": {
					Parent: "POST /checkout", Kind: "Client", Status: "Error: refused", Service: service,
					Events: []event{{Name: "card refused", Attrs: map[string]any{"card.provider": "visa"}}},
				},
			})
			for metric, want := range map[string]float64{
				`shop_orders_total{job=%q, channel="web"}`:  3,
				`shop_carts{job=%q, channel="web"}`:         2,
				`shop_revenue_total{job=%q, channel="web"}`: 59.97,
			} {
				wantValue(t, fmt.Sprintf(metric, service), want)
			}
		})
	}
}
