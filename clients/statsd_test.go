package clients

import (
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"testing"
)

// statsdConfig has one total of each metric, whatever its packets came from.
const statsdConfig = `
receivers:
  statsd:
    endpoint: %s
    aggregation_interval: 200ms
    enable_ip_only_aggregation: true
    timer_histogram_mapping:
      - { statsd_type: timing, observer_type: summary }
      - { statsd_type: histogram, observer_type: summary }
      - { statsd_type: distribution, observer_type: summary }
service:
  pipelines:
    metrics:
      receivers: [otlp, statsd]
`

// The StatsD clients of Go services: tags, sample rates, several lines in a
// packet.
func TestStatsDClients(t *testing.T) {
	t.Parallel()
	addr, dir := freeAddr(t, "udp"), t.TempDir()
	config := filepath.Join(dir, "statsd.yaml")
	if err := os.WriteFile(config, fmt.Appendf(nil, statsdConfig, addr), 0o600); err != nil {
		t.Fatal(err)
	}
	s := startOwn(t, filepath.Join(dir, "data"), "--config", config)
	for client, want := range map[string]map[string]float64{
		"datadog": {
			`datadog_orders{channel="web",region="eu"}`:              3,
			`datadog_refunds{channel="web",region="eu"}`:             4,
			`datadog_queue_length{region="eu"}`:                      7,
			`datadog_checkout_time_sum{channel="web",region="eu"}`:   40,
			`datadog_order_value_sum{channel="web",region="eu"}`:     19.99,
			`datadog_order_size_count{channel="web",region="eu"}`:    1,
			`datadog_checkout_time_count{channel="web",region="eu"}`: 1,
		},
		"cactus": {
			`cactus_orders{channel="web"}`:              3,
			`cactus_queue_length`:                       7,
			`cactus_checkout_time_sum{channel="web"}`:   40,
			`cactus_checkout_time_count{channel="web"}`: 1,
		},
	} {
		sendStatsD(t, client, addr)
		for expr, value := range want {
			eventually(t, func(ctx context.Context) error {
				got, err := s.value(ctx, expr)
				if err == nil && got != value {
					err = fmt.Errorf("%s is %v; want %v", expr, got, value)
				}
				return err
			})
		}
		// Chance decides which of the 40 lines are sent; each then counts twice.
		eventually(t, func(ctx context.Context) error {
			got, err := s.value(ctx, client+`_views{channel="web"}`)
			if err == nil && (got <= 0 || got > 80 || math.Mod(got, 2) != 0) {
				err = fmt.Errorf("%s_views is %v; want an even number up to 80", client, got)
			}
			return err
		})
	}
	stopOwn(t, s)
}

// sendStatsD runs a client of the program statsdgo.
func sendStatsD(t *testing.T, client, addr string) {
	t.Helper()
	if _, err := goProgram(t, "statsdgo", "statsdgo", ".").output(t, map[string]string{"CLIENT": client, "STATSD_ADDR": addr}); err != nil {
		t.Fatal(err)
	}
}
