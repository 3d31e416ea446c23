package clients

import (
	"fmt"
	"testing"
)

// The SDKs for JavaScript from before the names of OTLP were settled: what
// today's decoder would answer with 200 and drop.
func TestOldJavaScriptSDKs(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		release, tracePath string
		items              any    // 0.13 knew no integers
		status             string // of a span without one: 0.13 said it was Ok
		metrics            bool
	}{
		{release: "otlpjs13", tracePath: "/v1/trace", items: float64(3), status: "Ok", metrics: true},
		{release: "otlpjs20", tracePath: "/v1/traces", items: int64(3), status: "Unset", metrics: true},
		{release: "otlpjs25", tracePath: "/v1/traces", items: int64(3), status: "Unset", metrics: true},
		{release: "otlpjs27", tracePath: "/v1/traces", items: int64(3), status: "Unset"},
	} {
		t.Run(c.release, func(t *testing.T) {
			t.Parallel()
			id := nodeProgram(t, c.release, "../otlpjs/shop.js").run(t, map[string]string{
				"SERVICE":    c.release,
				"OTLP_URL":   box.url("otlp-http-port"),
				"TRACE_PATH": c.tracePath,
			})
			wantTrace(t, id, map[string]span{
				"POST /checkout": {
					Kind: "Server", Status: c.status, Service: c.release,
					Attrs: map[string]any{"cart.items": c.items, "cart.total": 59.97, "customer.vip": true},
				},
				"charge card": {
					Parent: "POST /checkout", Kind: "Client", Status: "Error: refused", Service: c.release,
					Events: []event{{Name: "card refused", Attrs: map[string]any{"card.provider": "visa"}}},
				},
			})
			if !c.metrics {
				return
			}
			for metric, want := range map[string]float64{
				`shop_orders_total{job=%q, channel="web"}`:      3,
				`shop_carts{job=%q, channel="web"}`:             2,
				`shop_order_value_sum{job=%q, channel="web"}`:   19.99,
				`shop_order_value_count{job=%q, channel="web"}`: 1,
			} {
				wantValue(t, fmt.Sprintf(metric, c.release), want)
			}
		})
	}
}
